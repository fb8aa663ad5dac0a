/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A public key known by its hash: SHA-256 of the SubjectPublicKeyInfo, as RFC 7469 §2.4 has it. A certificate
 * that is renewed with the same key keeps it. */

#include <gnutls/x509.h>
#include <stdbool.h>
#include <stdint.h>

#define PIN_BYTES 32
#define PIN_TEXT_MAX (sizeof("sha256:") + 2 * PIN_BYTES)

typedef struct Pin {
        uint8_t hash[PIN_BYTES];
} Pin;

/* "sha256:HEX". Returns 0 or -EINVAL. */
int pin_parse(const char *s, Pin *ret);
const char *pin_format(const Pin *pin, char ret[static PIN_TEXT_MAX]);

/* A ConfigCheckFn. */
const char *pin_check(const char *value);
bool pin_equals(const Pin *a, const Pin *b);

/* Of a certificate's key, or of that of a certificate in DER. Return 0 or a negative errno. */
int pin_of_certificate(gnutls_x509_crt_t crt, Pin *ret);
int pin_of_der(const gnutls_datum_t *der, Pin *ret);
