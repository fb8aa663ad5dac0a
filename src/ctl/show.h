/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the control API says, for people. O is borrowed; what it lacks reads as nothing. Return 0 or
 * -ENOMEM. */

#include <json-c/json.h>

int show_status(struct json_object *o);
int show_tunnels(struct json_object *o);
int show_clients(struct json_object *o);
int show_connections(struct json_object *o);
