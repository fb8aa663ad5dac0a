/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* No tokens: who shows a certificate is the user that it names, everybody else is one user, "". Whether a
 * certificate must be shown is the listener's affair. */

#include "server/auth.h"

/* Returns 0 or -ENOMEM. */
int auth_none_new(Auth **ret);
