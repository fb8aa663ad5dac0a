/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The version of this build, also what goes into MmVersion on the wire. */

#include <config.h>

#define PGROK_VERSION PACKAGE_VERSION
