/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Proofs for a certification authority that a host name is ours (RFC 8555 §8.3): files that a program such as
 * certbot --webroot puts below a folder. */

#include <sys/types.h>

#include "proto/http-field.h"

#define ACME_CHALLENGE_BYTES_MAX 1024

/* Whether TARGET, of a request, asks for one; *RET_TOKEN says which, as a file's name. */
bool acme_challenge_token(HttpSlice target, HttpSlice *ret_token);

/* Reads TOKEN's file below WEBROOT, in .well-known/acme-challenge, to RET; in there nothing may be a symlink.
 * Returns its bytes, or a negative errno. */
ssize_t acme_challenge_read(const char *webroot, HttpSlice token, char ret[static ACME_CHALLENGE_BYTES_MAX]);
