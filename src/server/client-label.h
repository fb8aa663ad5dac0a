/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How a client is shown outside the wire: its ClientId is a secret, so the first hex digits of its
 * SHA-256. */

#define CLIENT_LABEL_MAX 13

/* Writes it to RET, "" for an empty id, and returns that. */
const char *client_label(const char *client_id, char ret[static CLIENT_LABEL_MAX]);
