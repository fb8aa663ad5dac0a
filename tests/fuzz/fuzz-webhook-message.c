/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"

#include <errno.h>
#include <string.h>

#include "proto/utf8.h"
#include "server/user.h"
#include "server/webhook-message.h"

static void check(WebhookEvent event, const char *body, size_t n) {
        WebhookAnswer a = {};
        char *why = NULL;
        int r = webhook_answer_parse(event, body, n, &a, &why);

        must(r == 0 || r == -EBADMSG);
        must(!!why == (r == -EBADMSG));
        if (r < 0)
                must(!a.allow && !a.user && !a.reason && !a.policy_text);
        else if (!a.allow)
                must(!a.user && a.policy.set == 0);
        else if (event == WEBHOOK_LOGIN)
                must(user_name_is_valid(a.user) && !a.reason);
        if (a.reason)
                must(strlen(a.reason) <= 4 * WEBHOOK_REASON_BYTES_MAX && !strpbrk(a.reason, "\x1b\n\r\t") &&
                     utf8_is_valid(a.reason, strlen(a.reason)));
        webhook_answer_done(&a);
        free(why);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        check(WEBHOOK_LOGIN, (const char*) data, size);
        check(WEBHOOK_TUNNEL, (const char*) data, size);
        return 0;
}
