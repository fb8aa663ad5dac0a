/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "server/metrics.h"

static void test_requests_are_counted_by_status_and_time(void **state _unused_) {
        MetricsOfServer server = { .clients = 3, .tunnels = { 1, 2, 0 }, .auth_failures = 4 };
        static const char *const lines[] = {
                "\npgrokd_clients 3\n",
                "\npgrokd_tunnels{proto=\"https\"} 2\n",
                "\npgrokd_auth_failures_total 4\n",
                "\npgrokd_requests_total{code=\"200\"} 3\n",
                "\npgrokd_requests_total{code=\"404\"} 1\n",
                "\npgrokd_request_duration_seconds_bucket{le=\"0.005\"} 1\n",
                "\npgrokd_request_duration_seconds_bucket{le=\"0.01\"} 2\n",
                "\npgrokd_request_duration_seconds_bucket{le=\"10\"} 3\n",
                "\npgrokd_request_duration_seconds_bucket{le=\"+Inf\"} 4\n",
                "\npgrokd_request_duration_seconds_sum 21.010001\n",
                "\npgrokd_request_duration_seconds_count 4\n",
        };
        _cleanup_free_ char *text = NULL;
        Metrics sum = {}, a = {}, b = {};

        metrics_request(&a, 200, 5000);
        metrics_request(&a, 404, 5001);
        metrics_request(&b, 200, 10000000);
        metrics_request(&b, 200, 11000000);
        metrics_request(&b, 99, 1);
        metrics_request(&b, 600, 1);
        metrics_add(&sum, &a);
        metrics_add(&sum, &b);
        text = metrics_format(&sum, &server);
        assert_non_null(text);
        for (size_t i = 0; i < ELEMENTSOF(lines); i++)
                if (!strstr(text, lines[i]))
                        fail_msg("%s is missing in %s", lines[i], text);
        assert_null(strstr(text, "code=\"500\""));
}

int main(void) {
        const struct CMUnitTest tests[] = { cmocka_unit_test(test_requests_are_counted_by_status_and_time) };

        return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}
