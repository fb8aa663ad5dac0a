/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The statuses that the server answers with itself (RFC 9110 §15). */

#define HTTP_STATUS_OWN_MAX 599

/* "Not Found", or NULL: it isn't one of ours. */
const char *http_status_phrase(unsigned status);
