/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a visitor of an http tunnel sees when the local service can't be reached. */

/* A whole HTTP/1.1 response, 502, that ends the connection. The arguments are any bytes of a string: they are
 * escaped for HTML and cut to a sane length. Owned by the caller, or NULL when memory is out. */
char *error_page_new(const char *url, const char *local, const char *reason);

/* The same, 503: its health check fails; the visitor may try again in RETRY_SEC. */
char *error_page_new_failing(const char *url, unsigned retry_sec);
