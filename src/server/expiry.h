/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Warns of a certificate that has expired, or soon will. */

#include "server/server.h"

/* Once a day, and when S may have another certificate than the last time. loop: main */
void expiry_check(Server *s);
