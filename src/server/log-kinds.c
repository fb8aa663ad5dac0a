/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/log-kinds.h"

#include "base/log.h"
#include "base/parse.h"

static const char *const names[LOG_KIND_MAX] = {
        [LOG_KIND_LOGIN] = "refused logins",
        [LOG_KIND_TUNNEL] = "refused tunnels",
        [LOG_KIND_VISITOR] = "denied visitors",
        [LOG_KIND_ACME] = "ACME challenges",
};

void log_kinds_init(LogKinds *k) {
        for (int i = 0; i < LOG_KIND_MAX; i++)
                log_limit_init(&k->limits[i]);
}

bool log_kinds_admit(LogKinds *k, LogKind kind) {
        return log_limit_admit(&k->limits[kind], clock_usec());
}

void log_kinds_tell(LogKinds *k) {
        uint64_t now = clock_usec();

        for (int i = 0; i < LOG_KIND_MAX; i++) {
                uint64_t n = log_limit_take_suppressed(&k->limits[i], now);

                if (n > 0)
                        log_warning("%llu more messages about %s were suppressed", (unsigned long long) n,
                                    names[i]);
        }
}
