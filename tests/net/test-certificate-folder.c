/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "net/certificate-folder.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/files.h"
#include "base/parse.h"
#include "base/str.h"
#include "net/certificate.h"
#include "proto/hostname.h"

#define MANY 400
#define LOOKUPS 100000
#define LOOKUPS_USEC_MAX (10 * USEC_PER_SEC) /* with sanitizers, on a busy machine */

static char path[] = "/tmp/pgrok-folder-XXXXXX";
static gnutls_x509_privkey_t key, other_key;

static int set_up_keys(void **state _unused_) {
        if (!mkdtemp(path))
                return -1;
        return certificate_new_key(&key) < 0 || certificate_new_key(&other_key) < 0 ? -1 : 0;
}

static int empty_folder(void **state _unused_) {
        _cleanup_free_ char *command = str_format("rm -rf %s/* %s/.hidden*", path, path);

        return system(command);
}

static int tear_down_keys(void **state _unused_) {
        gnutls_x509_privkey_deinit(key);
        gnutls_x509_privkey_deinit(other_key);
        (void) empty_folder(NULL);
        return rmdir(path);
}

/* In FILE.crt and FILE.key, for the names up to NULL. */
static void put(const char *file, gnutls_x509_privkey_t file_key, const char *const *names) {
        _cleanup_free_ char *crt_file = str_format("%s/%s.crt", path, file);
        _cleanup_free_ char *key_file = str_format("%s/%s.key", path, file);
        CertificateSpec spec = { .common_name = file, .names = names, .days = 1 };
        gnutls_x509_crt_t crt;

        while (names[spec.n_names])
                spec.n_names++;
        assert_int_equal(certificate_new(&crt, key, &spec), 0);
        assert_int_equal(certificate_save(crt, file_key, crt_file, key_file), 0);
        gnutls_x509_crt_deinit(crt);
}

#define PUT(file, ...) put((file), key, (const char *const[]) { __VA_ARGS__, NULL })

static void rename_to(const char *from, const char *to) {
        _cleanup_free_ char *a = str_format("%s/%s", path, from), *b = str_format("%s/%s", path, to);

        assert_int_equal(rename(a, b), 0);
}

static CertificateFolder *load(void) {
        _cleanup_free_ char *why = NULL;
        CertificateFolder *f = NULL;
        int r = certificate_folder_new(&f, path, &why);

        if (r < 0)
                print_message("%s\n", why);
        assert_int_equal(r, 0);
        return f;
}

/* The common name of the certificate for NAME, of static storage; "" for none. */
static const char *found(const CertificateFolder *f, const char *name) {
        gnutls_certificate_credentials_t credentials = certificate_folder_find(f, name);
        static char common_name[64];
        gnutls_x509_crt_t *chain;
        size_t size = sizeof(common_name);
        unsigned n;

        if (!credentials)
                return "";
        assert_int_equal(gnutls_certificate_get_x509_crt(credentials, 0, &chain, &n), 0);
        assert_int_equal(gnutls_x509_crt_get_dn_by_oid(chain[0], GNUTLS_OID_X520_COMMON_NAME, 0, 0, common_name, &size), 0);
        for (unsigned i = 0; i < n; i++)
                gnutls_x509_crt_deinit(chain[i]);
        gnutls_free(chain);
        return common_name;
}

static void expect_refusal(const char *part, const char *file) {
        _cleanup_free_ char *why = NULL;
        CertificateFolder *f = NULL;

        assert_true(certificate_folder_new(&f, path, &why) < 0);
        assert_null(f);
        assert_non_null(strstr(why, part));
        assert_non_null(strstr(why, file));
}

static void test_names_are_those_of_the_certificate(void **state _unused_) {
        _cleanup_(certificate_folder_freep) CertificateFolder *f = NULL;

        PUT("one", "a.x.org", "B.x.org", "192.0.2.1");
        PUT("two", "*.y.org");
        f = load();
        assert_string_equal(found(f, "a.x.org"), "one");
        assert_string_equal(found(f, "b.x.org"), "one");
        assert_string_equal(found(f, "any.y.org"), "two");
        assert_string_equal(found(f, "y.org"), "");
        assert_string_equal(found(f, "a.b.y.org"), "");
        assert_string_equal(found(f, "one"), "");
        assert_string_equal(found(f, "192.0.2.1"), "");
        assert_string_equal(found(f, ""), "");
}

/* What is found by hash is what RFC 6125 says. */
static void test_wildcards_match_as_the_rule_says(void **state _unused_) {
        static const char *const patterns[] = { "*.y.org", "*.org", "a.y.org", "*.a.y.org" };
        static const char *const names[] = { "a.y.org", "b.y.org", "y.org", "x.org", "org", "c.a.y.org",
                                             "d.c.a.y.org", ".y.org", "*.y.org", "a.y.org." };

        for (size_t i = 0; i < ELEMENTSOF(patterns); i++) {
                _cleanup_(certificate_folder_freep) CertificateFolder *f = NULL;

                (void) empty_folder(NULL);
                PUT("one", patterns[i]);
                f = load();
                for (size_t k = 0; k < ELEMENTSOF(names); k++)
                        if (hostname_is_valid(names[k]))
                                assert_int_equal(certificate_folder_find(f, names[k]) != NULL,
                                                 hostname_matches_certificate(names[k], patterns[i]));
        }
}

static void test_the_very_name_comes_before_a_wildcard_and_the_first_file_before_others(void **state _unused_) {
        _cleanup_(certificate_folder_freep) CertificateFolder *f = NULL;

        PUT("a-wild", "*.x.org");
        PUT("b-first", "a.x.org");
        PUT("c-second", "a.x.org", "c.y.org");
        f = load();
        assert_string_equal(found(f, "a.x.org"), "b-first");
        assert_string_equal(found(f, "b.x.org"), "a-wild");
        assert_string_equal(found(f, "c.y.org"), "c-second");
}

static void test_both_may_be_in_one_file(void **state _unused_) {
        _cleanup_(certificate_folder_freep) CertificateFolder *f = NULL;
        _cleanup_free_ char *command = str_format("cd %s && cat one.key one.crt > one.pem && rm one.key one.crt", path);

        PUT("one", "a.x.org");
        assert_int_equal(system(command), 0);
        f = load();
        assert_string_equal(found(f, "a.x.org"), "one");
}

static void test_other_files_are_of_no_interest(void **state _unused_) {
        _cleanup_(certificate_folder_freep) CertificateFolder *f = NULL;
        _cleanup_free_ char *readme = str_format("%s/README", path), *hidden = str_format("%s/.hidden.crt", path);

        assert_int_equal(files_replace(readme, "x", 1, 0600), 0);
        assert_int_equal(files_replace(hidden, "x", 1, 0600), 0);
        f = load();
        assert_null(certificate_folder_find(f, "a.x.org"));
}

static void test_a_bad_file_is_named(void **state _unused_) {
        _cleanup_free_ char *junk = str_format("%s/junk.pem", path);

        PUT("good", "a.x.org");
        put("other", other_key, (const char *const[]) { "b.x.org", NULL });
        expect_refusal("key", "/other.crt");
        PUT("other", "192.0.2.1");
        expect_refusal("no host name", "/other.crt");
        PUT("other", "b.x.org");
        rename_to("other.key", "other.old");
        expect_refusal("Can't use", "/other.crt");
        rename_to("other.old", "other.key");
        assert_int_equal(files_replace(junk, "junk", 4, 0600), 0);
        expect_refusal("Can't use", "/junk.pem");
        assert_int_equal(unlink(junk), 0);
        certificate_folder_free(load());
}

static void test_a_folder_that_is_not_there_is_told(void **state _unused_) {
        _cleanup_free_ char *why = NULL;
        CertificateFolder *f;

        assert_int_equal(certificate_folder_new(&f, "/nonexistent/tls.d", &why), -ENOENT);
        assert_non_null(strstr(why, "/nonexistent/tls.d"));
}

static void test_hundreds_are_found_at_once(void **state _unused_) {
        _cleanup_(certificate_folder_freep) CertificateFolder *f = NULL;
        uint64_t begun;

        for (unsigned i = 0; i < MANY; i++) {
                _cleanup_free_ char *file = str_format("c%u", i), *name = str_format("*.n%u.x.org", i);

                PUT(file, name);
        }
        f = load();
        assert_string_equal(found(f, "a.n0.x.org"), "c0");
        assert_string_equal(found(f, "a.n399.x.org"), "c399");
        assert_string_equal(found(f, "a.n400.x.org"), "");
        begun = clock_usec();
        for (unsigned i = 0; i < LOOKUPS; i++)
                assert_true(certificate_folder_find(f, "a.n399.x.org") != NULL);
        assert_true(clock_usec() - begun < LOOKUPS_USEC_MAX);
}

#define folder_test(f) cmocka_unit_test_teardown(f, empty_folder)

int main(void) {
        static const struct CMUnitTest tests[] = {
                folder_test(test_names_are_those_of_the_certificate),
                folder_test(test_wildcards_match_as_the_rule_says),
                folder_test(test_the_very_name_comes_before_a_wildcard_and_the_first_file_before_others),
                folder_test(test_both_may_be_in_one_file),
                folder_test(test_other_files_are_of_no_interest),
                folder_test(test_a_bad_file_is_named),
                folder_test(test_a_folder_that_is_not_there_is_told),
                folder_test(test_hundreds_are_found_at_once),
        };

        return cmocka_run_group_tests(tests, set_up_keys, tear_down_keys);
}
