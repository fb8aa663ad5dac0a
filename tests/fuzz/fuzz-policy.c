/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"

#include <errno.h>
#include <string.h>

#include "server/names.h"
#include "proto/policy.h"

/* Lines KEY=VALUE, as of a token file or a webhook. */
static void read_lines(Policy *p, char *text) {
        char *item;

        while ((item = strsep(&text, "\n"))) {
                char *value = strchr(item, '='), *why = NULL;
                int r;

                if (!value)
                        continue;
                *value++ = '\0';
                r = policy_set(p, item, value, &why);
                must(r == 0 ? !why : r == -EINVAL && why);
                free(why);
        }
}

/* What a user gets without asking is what it may have. */
static void check_random_label(const Policy *p) {
        char label[HOST_LABEL_LENGTH_MAX + 1];

        if (!random_label(&p->subdomains, 0, label))
                return;
        must(host_label_is_valid(label));
        must(policy_allows_label(p, label));
}

static void check_admission(const Policy *p, const char *address, int64_t now) {
        char *why = NULL;
        Ip peer;
        int r;

        must(ip_parse(address, strlen(address), &peer) == 0);
        r = policy_admit(p, &peer, now, &why);
        must(r == 0 ? !why : r == -EKEYREJECTED && why);
        free(why);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        char *text = strndup((const char *) data, size), *subdomains, *ports;
        Policy p = {};

        must(text);
        read_lines(&p, text);
        check_random_label(&p);
        check_admission(&p, "192.0.2.1", 0);
        check_admission(&p, "2001:db8::1", INT64_MAX);
        (void) policy_allows_host(&p, "a.example.org");
        (void) policy_allows_port(&p, 20000);
        subdomains = policy_list_subdomains(&p);
        ports = policy_list_ports(&p);
        must(subdomains && ports);
        free(subdomains);
        free(ports);
        policy_done(&p);
        free(text);
        return 0;
}
