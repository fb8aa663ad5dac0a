/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A file of a folder, or what is in it, as an answer (RFC 9110): conditional requests, one range, types.
 * Hidden files don't exist, but for /.well-known. */

#include "client/mime.h"
#include "net/http-service.h"

/* Answers X, which asks R, from the folder ROOT. */
void file_answer(HttpExchange *x, const HttpRequest *r, const char *root, const MimeTypes *types);
