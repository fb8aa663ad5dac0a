/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/koding.h"

#include <errno.h>
#include <string.h>

#include <json-c/json.h>

#include "base/macro.h"

#define DEPTH_MAX 16

bool koding_is_control_path(const char *target, size_t n) {
        static const char name[] = "_controlPath";
        const char *query = memchr(target, '?', n);
        const char *end = query ? query : target + n;
        size_t depth = 0;
        bool matches = false; /* the outermost segment does */

        while (target < end) {
                const char *slash = memchr(target, '/', (size_t) (end - target));
                size_t length = (size_t) ((slash ? slash : end) - target);

                if (length == 2 && memcmp(target, "..", 2) == 0)
                        depth -= depth > 0;
                else if (length > 0 && !(length == 1 && *target == '.') && depth++ == 0)
                        matches = length == strlen(name) && memcmp(target, name, length) == 0;
                target += length + 1;
        }
        return depth == 1 && matches;
}

size_t koding_write_request(KodingTransport transport, uint16_t port, char ret[static KODING_REQUEST_MAX]) {
        return (size_t) snprintf(ret, KODING_REQUEST_MAX,
                                 "{\"action\":1,\"transportProtocol\":%d,\"localPort\":%u}\n",
                                 (int) transport, port);
}

struct KodingReader {
        json_tokener *tokener; /* owned */
        size_t n_handshake;    /* bytes of it that have come */
        size_t n_value;        /* bytes of the value that is being read */
};

int koding_reader_new(KodingReader **ret) {
        KodingReader *r = new0(KodingReader, 1);

        if (!r)
                return -ENOMEM;
        r->tokener = json_tokener_new_ex(DEPTH_MAX);
        if (!r->tokener) {
                free(r);
                return -ENOMEM;
        }
        json_tokener_set_flags(r->tokener, JSON_TOKENER_STRICT | JSON_TOKENER_ALLOW_TRAILING_CHARS);
        *ret = r;
        return 0;
}

/* Returns the bytes that belong to the value being read, or -EBADMSG. */
static ssize_t read_value(KodingReader *r, const char *data, size_t n) {
        json_object *value = json_tokener_parse_ex(r->tokener, data, (int) n);
        enum json_tokener_error error = json_tokener_get_error(r->tokener);
        size_t k = json_tokener_get_parse_end(r->tokener);

        if (error == json_tokener_continue) {
                r->n_value += n;
                return (ssize_t) n;
        }
        json_object_put(value);
        json_tokener_reset(r->tokener);
        if (error != json_tokener_success || k + r->n_value == 0)
                return -EBADMSG;
        r->n_value = 0;
        return (ssize_t) k; /* 0 when DATA only shows that a number was at its end */
}

static int read_values(KodingReader *r, const char *data, size_t n) {
        if (memchr(data, '\0', n)) /* which would end the tokener's input */
                return -EBADMSG;
        while (n > 0) {
                size_t room = KODING_VALUE_MAX - r->n_value;
                ssize_t k;

                if (room == 0)
                        return -ENOBUFS;
                k = read_value(r, data, MIN(n, room));
                if (k < 0)
                        return (int) k;
                data += k;
                n -= (size_t) k;
        }
        return 0;
}

int koding_reader_feed(KodingReader *r, const char *data, size_t n) {
        size_t rest = strlen(KODING_HANDSHAKE) - r->n_handshake, k = MIN(rest, n);
        int e;

        if (memcmp(data, &KODING_HANDSHAKE[r->n_handshake], k) != 0)
                return -EBADMSG;
        r->n_handshake += k;
        e = read_values(r, data + k, n - k);
        return e < 0 ? e : rest > 0 && k == rest;
}

KodingReader *koding_reader_free(KodingReader *r) {
        if (r)
                json_tokener_free(r->tokener);
        free(r);
        return NULL;
}
