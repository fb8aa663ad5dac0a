/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "net/pin.h"

#include <errno.h>

#include "base/str.h"

#define PIN_PREFIX "sha256:"

int pin_parse(const char *s, Pin *ret) {
        const char *hex = str_skip_prefix(s, PIN_PREFIX);
        Pin pin;

        if (!hex || strlen(hex) != 2 * PIN_BYTES || hex_decode(hex, pin.hash, PIN_BYTES) < 0)
                return -EINVAL;
        *ret = pin;
        return 0;
}

const char *pin_format(const Pin *pin, char ret[static PIN_TEXT_MAX]) {
        strcpy(ret, PIN_PREFIX);
        hex_encode(pin->hash, PIN_BYTES, ret + strlen(PIN_PREFIX));
        return ret;
}

const char *pin_check(const char *value) {
        Pin pin;

        return *value == '\0' || pin_parse(value, &pin) >= 0
                       ? NULL
                       : "must be sha256: and 64 hex digits, as `pgrokctl token add' prints it";
}

bool pin_equals(const Pin *a, const Pin *b) {
        return memcmp(a->hash, b->hash, PIN_BYTES) == 0;
}

int pin_of_certificate(gnutls_x509_crt_t crt, Pin *ret) {
        size_t n = PIN_BYTES;
        Pin pin;

        if (gnutls_x509_crt_get_key_id(crt, GNUTLS_KEYID_USE_SHA256, pin.hash, &n) < 0 || n != PIN_BYTES)
                return -EBADMSG;
        *ret = pin;
        return 0;
}

int pin_of_der(const gnutls_datum_t *der, Pin *ret) {
        gnutls_x509_crt_t crt;
        int r;

        if (gnutls_x509_crt_init(&crt) < 0)
                return -ENOMEM;
        r = gnutls_x509_crt_import(crt, der, GNUTLS_X509_FMT_DER) < 0 ? -EBADMSG
                                                                      : pin_of_certificate(crt, ret);
        gnutls_x509_crt_deinit(crt);
        return r;
}
