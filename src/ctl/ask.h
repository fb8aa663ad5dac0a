/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Questions to the pgrokd that runs. */

#include "ctl/options.h"
#include "net/local-request.h"

/* BODY is borrowed, and may be NULL. Returns 0 with *RET, whose status is 200; or -EIO: it was told on
 * stderr. */
int ctl_ask(const CtlOptions *o, const char *method, const char *path, struct json_object *body,
            LocalReply *ret);

/* GET, when it matters little whether anybody answers: tells nothing. Returns 0 as above, or a negative
 * errno. */
int ctl_try(const CtlOptions *o, const char *path, LocalReply *ret);
