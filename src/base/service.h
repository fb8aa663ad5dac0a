/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What systemd is told, if it started us (sd_notify(3)). */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/macro.h"

/* Somebody listens. */
bool service_is_supervised(void);

void service_ready(void);
void service_stopping(void);

/* service_ready() is to follow. */
void service_reloading(void);
void service_status(const char *format, ...) _printf_(1, 2);
void service_watchdog(void);

/* Starting or stopping takes up to USEC more. */
void service_extend_timeout(uint64_t usec);

/* The process SUCCESSOR is the service's main one from now on; what we say is for nobody any more. */
void service_leave(pid_t successor);

/* We end because of ERROR, a negative errno. */
void service_failed(int error);

/* Keeps FD, which stays the caller's, over a restart, when it is passed to us under NAME; and no longer. */
void service_keep_socket(const char *name, int fd);
void service_forget_socket(const char *name);

/* How often service_watchdog() is to be called, 0: never. */
uint64_t service_watchdog_usec(void);
