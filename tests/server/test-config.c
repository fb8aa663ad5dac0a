/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/str.h"

#define MAX_SETTINGS 8

typedef struct Loaded {
        ServerConfig config;
        ConfigList faults;
        int result;
} Loaded;

/* SETTINGS: key and value alternate; ends with NULL. */
static void load(Loaded *l, bool dev, const char *const *settings) {
        ServerSetting list[MAX_SETTINGS];
        ConfigList no_paths = {};
        size_t n = 0;

        for (; *settings; settings += 2)
                list[n++] = (ServerSetting) { .key = settings[0], .value = settings[1], .origin = "--option" };
        *l = (Loaded) {};
        l->result = server_config_load(&l->config, &no_paths, list, n, dev, &l->faults);
}

static void done(Loaded *l) {
        server_config_done(&l->config);
        config_list_done(&l->faults);
}

#define LOAD(l, dev, ...) load((l), (dev), (const char *const[]) { __VA_ARGS__, NULL })
#define REAL "server.domain", "t.example", "server.tls.certificate", "c.pem", "server.tls.key", "k.pem"

static void expect_fault(Loaded *l, const char *part) {
        assert_int_equal(l->result, -EINVAL);
        assert_int_equal(l->faults.n, 1);
        assert_non_null(strstr(l->faults.items[0], part));
        done(l);
}

static void test_dev_needs_nothing_and_is_loopback(void **state _unused_) {
        Loaded l;

        load(&l, true, (const char *const[]) { NULL });
        assert_int_equal(l.result, 0);
        assert_string_equal(l.config.domain, "localhost");
        assert_int_equal(l.config.auth, AUTH_NONE);
        assert_string_equal(l.config.http_listen.items[0], "127.0.0.1:8080");
        assert_int_equal(l.config.http_listen.n, 1);
        assert_int_equal(l.config.tcp_low, 20000);
        assert_int_equal(l.config.tcp_high, 20099);
        done(&l);
}

static void test_options_win_over_dev(void **state _unused_) {
        Loaded l;

        LOAD(&l, true, "server.http_listen", "[::1]:0", "server.https_listen", "", "server.tcp_ports", "5000");
        assert_int_equal(l.result, 0);
        assert_int_equal(l.config.http_listen.n, 1);
        assert_string_equal(l.config.http_listen.items[0], "[::1]:0");
        assert_int_equal(l.config.https_listen.n, 0);
        assert_int_equal(l.config.tcp_low, 5000);
        assert_int_equal(l.config.tcp_high, 5000);
        done(&l);
}

static void test_dev_refuses_what_is_not_loopback(void **state _unused_) {
        static const char *const open[] = { "0.0.0.0:1", "[::]:1", ":1", "1", "192.0.2.1:1", "[::ffff:192.0.2.1]:1" };
        static const char *const keys[] = { "server.http_listen", "server.https_listen", "server.tunnel_listen" };
        Loaded l;

        for (size_t i = 0; i < ELEMENTSOF(open); i++)
                for (size_t k = 0; k < ELEMENTSOF(keys); k++) {
                        LOAD(&l, true, keys[k], "127.0.0.1:1", keys[k], open[i]);
                        expect_fault(&l, "only loopback");
                }
}

static void test_without_authentication_only_loopback_is_served(void **state _unused_) {
        Loaded l;

        LOAD(&l, false, REAL, "server.auth.method", "none");
        assert_int_equal(l.result, -EINVAL);
        assert_int_equal(l.faults.n, 3); /* each default address */
        done(&l);
        LOAD(&l, true, "server.auth.method", "token-file", "server.http_listen", "0.0.0.0:80");
        assert_int_equal(l.result, 0);
        assert_int_equal(l.config.auth, AUTH_TOKEN_FILE);
        done(&l);
}

static void test_certificates_of_clients_are_a_way_to_authenticate(void **state _unused_) {
        Loaded l;

        LOAD(&l, false, REAL, "server.auth.method", "none", "server.tls.client_ca", "ca.pem");
        assert_int_equal(l.result, 0);
        done(&l);
        LOAD(&l, false, REAL, "server.auth.method", "none", "server.tls.client_ca", "");
        assert_int_equal(l.result, -EINVAL);
        done(&l);
        LOAD(&l, true, "server.tls.client_ca", "ca.pem");
        expect_fault(&l, "server.tls.client_ca needs");
}

static void test_a_way_to_authenticate_must_be_chosen(void **state _unused_) {
        Loaded l;

        LOAD(&l, false, REAL);
        expect_fault(&l, "server.auth.method is not set");
        LOAD(&l, false, REAL, "server.auth.method", "token-file");
        assert_int_equal(l.result, 0);
        done(&l);
}

static void test_a_certificate_goes_with_its_key(void **state _unused_) {
        Loaded l;

        LOAD(&l, true, "server.tls.certificate", "c.pem");
        expect_fault(&l, "server.tls.key is not set");
        LOAD(&l, true, "server.tls.key", "k.pem");
        expect_fault(&l, "server.tls.certificate is not set");
        LOAD(&l, false, "server.domain", "t.example", "server.auth.method", "token-file");
        assert_int_equal(l.result, 0); /* without either one is made */
        done(&l);
}

static void test_the_domain_is_lowered_and_has_a_dot(void **state _unused_) {
        Loaded l;

        LOAD(&l, false, REAL, "server.auth.method", "token-file", "server.domain", "T.Example");
        assert_int_equal(l.result, 0);
        assert_string_equal(l.config.domain, "t.example");
        done(&l);
        LOAD(&l, false, REAL, "server.auth.method", "token-file", "server.domain", "host");
        expect_fault(&l, "has no dot");
}

/* Of N characters. */
static const char *long_domain(size_t n) {
        static char domain[256];

        for (size_t i = 0; i < n; i++)
                domain[i] = i % 50 == 49 ? '.' : 'a';
        domain[n] = '\0';
        return domain;
}

static void test_any_label_fits_before_the_domain(void **state _unused_) {
        Loaded l;

        LOAD(&l, true, "server.domain", long_domain(189));
        assert_int_equal(l.result, 0);
        done(&l);
        LOAD(&l, true, "server.domain", long_domain(190));
        expect_fault(&l, "too long");
}

static void test_names_of_the_pool_can_be_had(void **state _unused_) {
        Loaded l;

        LOAD(&l, true, "server.names.pool", "Red", "server.names.pool", "sea-blue", "server.names.random",
             "none");
        assert_int_equal(l.result, 0);
        assert_string_equal(l.config.pool_names.items[0], "red");
        assert_true(l.config.no_random_names);
        done(&l);
        LOAD(&l, true, "server.names.pool", "www", "server.names.reserved", "WWW");
        expect_fault(&l, "nobody can have www");
        LOAD(&l, true, "server.names.pool", "my-sex", "server.names.banned", "sex");
        expect_fault(&l, "nobody can have my-sex");
        LOAD(&l, true, "server.names.pool", "a.b");
        expect_fault(&l, "one label");
        LOAD(&l, true, "server.names.random", "sometimes");
        expect_fault(&l, "\"words\" or \"none\"");
}

static void test_clients_need_somewhere_to_connect(void **state _unused_) {
        Loaded l;

        LOAD(&l, true, "server.tunnel_listen", "");
        expect_fault(&l, "no client could connect");
}

static void test_a_webroot_must_be_there(void **state _unused_) {
        Loaded l;

        LOAD(&l, true, "server.tls.acme_webroot", "/tmp");
        assert_int_equal(l.result, 0);
        assert_string_equal(l.config.acme_webroot, "/tmp");
        done(&l);
        LOAD(&l, true, "server.tls.acme_webroot", "");
        assert_null(l.config.acme_webroot);
        done(&l);
        LOAD(&l, true, "server.tls.acme_webroot", "tmp");
        expect_fault(&l, "begins with /");
        LOAD(&l, true, "server.tls.acme_webroot", "/nonexistent");
        expect_fault(&l, "/nonexistent can't be entered: No such file or directory");
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_dev_needs_nothing_and_is_loopback),
                cmocka_unit_test(test_options_win_over_dev),
                cmocka_unit_test(test_dev_refuses_what_is_not_loopback),
                cmocka_unit_test(test_without_authentication_only_loopback_is_served),
                cmocka_unit_test(test_a_way_to_authenticate_must_be_chosen),
                cmocka_unit_test(test_certificates_of_clients_are_a_way_to_authenticate),
                cmocka_unit_test(test_a_certificate_goes_with_its_key),
                cmocka_unit_test(test_the_domain_is_lowered_and_has_a_dot),
                cmocka_unit_test(test_any_label_fits_before_the_domain),
                cmocka_unit_test(test_names_of_the_pool_can_be_had),
                cmocka_unit_test(test_clients_need_somewhere_to_connect),
                cmocka_unit_test(test_a_webroot_must_be_there),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
