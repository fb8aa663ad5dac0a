/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Somebody who may pass basic authentication, as it is written: "USER:PASSWORD", or "USER:HASH" with a hash
 * of crypt(5), as htpasswd(1) and mkpasswd(1) make them: bcrypt, SHA-256, SHA-512 or yescrypt. */

#include <stdbool.h>

#define HTTP_USER_BYTES_MAX 512
#define HTTP_HASHED_PASSWORD_BYTES_MAX 128 /* SHA takes the longer the longer they are: others are wrong */

/* NULL if it is right, else how a sentence about it goes on. Whoever asks for a tunnel could choose a hash
 * that takes hours or all memory, so what one costs is limited, to half a second or so and 64 MiB. */
const char *http_user_check(const char *user);

/* What stands behind the colon is a hash. USER is right. */
bool http_user_is_hashed(const char *user);
