/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What systemd is told, if it started us (sd_notify(3)). */

#include <stdint.h>

#include "base/macro.h"

void service_ready(void);
void service_stopping(void);

/* service_ready() is to follow. */
void service_reloading(void);
void service_status(const char *format, ...) _printf_(1, 2);
void service_watchdog(void);

/* How often service_watchdog() is to be called, 0: never. */
uint64_t service_watchdog_usec(void);
