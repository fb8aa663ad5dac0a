/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "net/pin.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/macro.h"
#include "base/str.h"
#include "net/certificate.h"

#define HEX "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static void test_a_pin_is_written_as_it_is_read(void **state _unused_) {
        char text[PIN_TEXT_MAX];
        Pin pin;

        assert_int_equal(pin_parse("sha256:" HEX, &pin), 0);
        assert_int_equal(pin.hash[1], 0x11);
        assert_string_equal(pin_format(&pin, text), "sha256:" HEX);
        assert_null(pin_check("sha256:" HEX));
        assert_null(pin_check("")); /* none */
}

static void test_what_is_no_pin_is_refused(void **state _unused_) {
        static const char *const cases[] = {
                HEX,         "sha256:",    "sha256:" HEX "0",   "sha256:" HEX "00",
                "sha1:" HEX, "SHA256" HEX, "sha256:x0" HEX "0", " sha256:" HEX,
        };
        Pin pin;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                assert_int_equal(pin_parse(cases[i], &pin), -EINVAL);
                assert_non_null(pin_check(cases[i]));
        }
}

static void pin_of_new(gnutls_x509_privkey_t key, const char *name, Pin *ret) {
        const CertificateSpec spec = { .common_name = name, .names = &name, .n_names = 1, .days = 2 };
        gnutls_datum_t der = {};
        gnutls_x509_crt_t crt;
        Pin again;

        assert_int_equal(certificate_new(&crt, key, &spec), 0);
        assert_int_equal(pin_of_certificate(crt, ret), 0);
        assert_int_equal(gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_DER, &der), 0);
        assert_int_equal(pin_of_der(&der, &again), 0);
        assert_true(pin_equals(ret, &again));
        gnutls_free(der.data);
        gnutls_x509_crt_deinit(crt);
}

static void test_the_key_makes_the_pin_and_not_the_certificate(void **state _unused_) {
        gnutls_x509_privkey_t key, other;
        Pin first, renewed, foreign;

        assert_int_equal(certificate_new_key(&key), 0);
        assert_int_equal(certificate_new_key(&other), 0);
        pin_of_new(key, "a.test", &first);
        pin_of_new(key, "b.test", &renewed);
        pin_of_new(other, "a.test", &foreign);
        assert_true(pin_equals(&first, &renewed));
        assert_false(pin_equals(&first, &foreign));
        gnutls_x509_privkey_deinit(key);
        gnutls_x509_privkey_deinit(other);
}

static void test_what_is_no_certificate_has_no_pin(void **state _unused_) {
        gnutls_datum_t der = { (unsigned char *) "nonsense", 8 };
        Pin pin;

        assert_int_equal(pin_of_der(&der, &pin), -EBADMSG);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_pin_is_written_as_it_is_read),
                cmocka_unit_test(test_what_is_no_pin_is_refused),
                cmocka_unit_test(test_the_key_makes_the_pin_and_not_the_certificate),
                cmocka_unit_test(test_what_is_no_certificate_has_no_pin),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
