/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Who may pass the basic authentication of a tunnel (RFC 7617). Never changes; any thread. */

#include "base/config-key.h"
#include "proto/http-head.h"
#include "proto/http-user.h"

#define HTTP_USERS_ID_BYTES 32
#define HTTP_CREDENTIALS_BYTES_MAX BASE64_SIZE(HTTP_USER_BYTES_MAX)

typedef struct HttpUsers HttpUsers;

/* CLASSIC: "user:password" of ReqTunnel, or ""; LIST, if it isn't empty, takes its place: each as of
 * http_user_check(). *RET is NULL when nobody is named, and everybody may pass. Returns 0, -ENOMEM, or what
 * GnuTLS fails with. */
int http_users_new(HttpUsers **ret, const char *classic, const ConfigList *list);

/* Takes NULL; returns NULL. */
HttpUsers *http_users_free(HttpUsers *u);

/* Tells lists apart; equal lists have the same. */
const uint8_t *http_users_id(const HttpUsers *u);

/* The credentials that REQUEST shows, in base64; empty: none, or of another scheme. */
HttpSlice http_credentials(const HttpHead *request);

/* They are those of a user whose password is known in clear. Takes a time that does not depend on whose. */
bool http_users_know(const HttpUsers *u, HttpSlice credentials);

/* There are hashed passwords, which http_users_verify() knows about. */
bool http_users_are_hashed(const HttpUsers *u);

/* The credentials are those of a user whose password is hashed; of several of one name the first. Computes
 * for long, also for names that don't exist: not for a loop. */
bool http_users_verify(const HttpUsers *u, const char *credentials);
