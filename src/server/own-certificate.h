/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A certificate that signs itself, for a server that was given none, so that it can be tried: in the folder
 * "tls" of its state, once for all. Clients and visitors trust it only if they are told to. */

/* For DOMAIN and all names below it. Returns 0 with the paths of both files, owned by the caller, or a
 * negative errno with *RET_WHY, the same. Logs a warning. */
int own_certificate(const char *domain, char **ret_certificate, char **ret_key, char **ret_why);
