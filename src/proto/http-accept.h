/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a visitor would rather read (RFC 9110 §12.5.1). */

#include "proto/http-head.h"

/* The request's Accept fields prefer HTML to plain text, as those of browsers do; curl takes anything. */
bool http_prefers_html(const HttpHead *request);
