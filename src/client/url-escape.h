/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* S as a segment of a URL's path: what could mean something else is percent-encoded. Owned by the caller, or
 * NULL. */
char *url_escape(const char *s);
