/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The HTTP proxy that the environment names: https_proxy, else http_proxy, unless no_proxy lists HOST
 * (names match with what is below them, "*" matches all) or HOST is this machine. Returns its URL,
 * borrowed from the environment, or NULL. */
const char *proxy_from_environment(const char *host);
