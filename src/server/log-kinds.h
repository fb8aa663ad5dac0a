/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Messages that visitors, or clients that nobody has let in, can provoke, as often as they like: each kind
 * has a limit of its own. */

#include "base/log-limit.h"

typedef enum LogKind {
        LOG_KIND_LOGIN,   /* refused */
        LOG_KIND_TUNNEL,  /* refused */
        LOG_KIND_VISITOR, /* denied */
        LOG_KIND_ACME,    /* challenges */
        LOG_KIND_MAX
} LogKind;

typedef struct LogKinds {
        LogLimit limits[LOG_KIND_MAX];
} LogKinds;

void log_kinds_init(LogKinds *k);

/* Whether a message of that kind may be logged now. Any thread. */
bool log_kinds_admit(LogKinds *k, LogKind kind);

/* Logs how many were suppressed, from time to time. */
void log_kinds_tell(LogKinds *k);
