/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/client-hello.h"

#include <errno.h>
#include <sys/types.h>

#include "base/str.h"

/* The hello is never put together from its records: a reader walks over them and steps across their headers.
 * First they are only walked, until they hold the whole hello; so what is parsed is there, and what ends
 * early is malformed.
 *
 * Lengths nest, and so do readers: take_vector() gives one for the inside and moves the outer behind it. */

#define RECORD_HEADER_BYTES 5
#define RECORD_BYTES_MAX (1 << 14) /* RFC 8446 §5.1 */
#define HANDSHAKE_HEADER_BYTES 4
#define RANDOM_BYTES 32
#define SESSION_ID_BYTES_MAX 32

enum {
        RECORD_HANDSHAKE = 22,
        HANDSHAKE_CLIENT_HELLO = 1,
        EXTENSION_SERVER_NAME = 0,
        EXTENSION_ALPN = 16,
        NAME_TYPE_HOST = 0,
};

typedef struct Reader {
        const uint8_t *p; /* the next byte, or the header of the next record when in_record is 0 */
        size_t in_record; /* bytes left in the record */
        size_t left;      /* bytes left, without headers of records */
        bool failed;      /* more was asked for than there was; everything read since is 0 */
} Reader;

/* Of a record whose header is at P. */
static size_t record_length(const uint8_t *p) {
        return (size_t) p[3] << 8 | p[4];
}

static void copy(Reader *r, uint8_t *ret, size_t n) {
        if (r->failed || n > r->left) {
                r->failed = true;
                memset(ret, 0, n);
                return;
        }
        r->left -= n;
        while (n > 0) {
                size_t k;

                if (r->in_record == 0) {
                        r->in_record = record_length(r->p);
                        r->p += RECORD_HEADER_BYTES;
                }
                k = MIN(n, r->in_record);
                memcpy(ret, r->p, k);
                r->p += k;
                r->in_record -= k;
                ret += k;
                n -= k;
        }
}

static void skip(Reader *r, size_t n) {
        if (r->failed || n > r->left) {
                r->failed = true;
                return;
        }
        r->left -= n;
        while (n > r->in_record) {
                n -= r->in_record;
                r->p += r->in_record;
                r->in_record = record_length(r->p);
                r->p += RECORD_HEADER_BYTES;
        }
        r->p += n;
        r->in_record -= n;
}

/* A number of N bytes, at most 3. */
static size_t take_number(Reader *r, unsigned n) {
        uint8_t bytes[3];
        size_t value = 0;

        copy(r, bytes, n);
        for (unsigned i = 0; i < n; i++)
                value = value << 8 | bytes[i];
        return value;
}

/* What stands behind its length, itself of N bytes. */
static Reader take_vector(Reader *r, unsigned n) {
        size_t length = take_number(r, n);
        Reader inside = *r;

        skip(r, length);
        inside.left = length;
        inside.failed = r->failed;
        return inside;
}

/* Looks at records until they hold ENOUGH bytes of handshake: what follows may be of another type, early data
 * for instance. Returns how many they do hold, or -EBADMSG. */
static ssize_t count_handshake(const uint8_t *data, size_t n, size_t enough) {
        size_t sum = 0;

        for (size_t at = 0; at < n && sum < enough;) {
                const uint8_t *p = data + at;
                size_t seen = n - at, length;

                if (p[0] != RECORD_HANDSHAKE || (seen > 1 && p[1] != 3))
                        return -EBADMSG;
                if (seen < RECORD_HEADER_BYTES)
                        break;
                length = record_length(p);
                if (length == 0 || length > RECORD_BYTES_MAX)
                        return -EBADMSG;
                sum += MIN(length, seen - RECORD_HEADER_BYTES);
                at += RECORD_HEADER_BYTES + length;
        }
        return (ssize_t) sum;
}

/* Writes the name in lower case. */
static int parse_host(Reader *name, char ret[static HOSTNAME_LENGTH_MAX + 1]) {
        char text[HOSTNAME_LENGTH_MAX + 1];
        size_t n = name->left;
        uint16_t port;

        if (name->failed || n > sizeof(text) || n == 0) /* one more than the longest, for a final dot */
                return -EBADMSG;
        copy(name, (uint8_t*) text, n);
        if (memchr(text, ':', n)) /* a port, or an IPv6 address: neither is a name */
                return -EBADMSG;
        return host_header_parse(text, n, ret, &port);
}

/* RFC 6066 §3. Nobody has ever used another type of name, nor two names. */
static int parse_server_name(Reader *extension, ClientHello *h) {
        Reader list = take_vector(extension, 2), name;

        if (h->server_name[0] != '\0' || take_number(&list, 1) != NAME_TYPE_HOST)
                return -EBADMSG;
        name = take_vector(&list, 2);
        if (list.failed || list.left > 0 || extension->left > 0)
                return -EBADMSG;
        return parse_host(&name, h->server_name);
}

/* RFC 7301 §3.1. */
static int parse_alpn(Reader *extension, ClientHello *h) {
        Reader list = take_vector(extension, 2), walk = list;

        if (extension->failed || extension->left > 0 || list.left == 0 || h->alpn_bytes > 0)
                return -EBADMSG;
        if (list.left > sizeof(h->alpn))
                return -ENOBUFS;
        h->alpn_bytes = list.left;
        copy(&list, h->alpn, list.left);
        while (walk.left > 0 && !walk.failed)
                if (take_vector(&walk, 1).left == 0)
                        return -EBADMSG;
        return walk.failed ? -EBADMSG : 0;
}

static int parse_extensions(Reader *r, ClientHello *h) {
        Reader all = take_vector(r, 2);
        int result = 0;

        while (result == 0 && all.left > 0 && !all.failed) {
                size_t type = take_number(&all, 2);
                Reader extension = take_vector(&all, 2);

                if (extension.failed)
                        break;
                if (type == EXTENSION_SERVER_NAME)
                        result = parse_server_name(&extension, h);
                else if (type == EXTENSION_ALPN)
                        result = parse_alpn(&extension, h);
        }
        return all.failed || r->failed || r->left > 0 ? -EBADMSG : result;
}

/* The body of the handshake message. */
static int parse_hello(Reader *r, ClientHello *h) {
        size_t version = take_number(r, 2), session_id, ciphers, compressions;

        skip(r, RANDOM_BYTES);
        session_id = take_vector(r, 1).left;
        ciphers = take_vector(r, 2).left;
        compressions = take_vector(r, 1).left;
        if (r->failed || version >> 8 != 3 || session_id > SESSION_ID_BYTES_MAX || ciphers == 0 ||
            ciphers % 2 != 0 || compressions == 0)
                return -EBADMSG;
        return r->left == 0 ? 0 : parse_extensions(r, h); /* before TLS 1.3 there may be none */
}

/* Makes R a reader of the message's body, which then lies in the N bytes at DATA as a whole. Returns 0 or an
 * error as below. */
static int find_body(const uint8_t *data, size_t n, Reader *r) {
        ssize_t k = count_handshake(data, n, HANDSHAKE_HEADER_BYTES);
        size_t length;

        if (k < 0)
                return (int) k;
        *r = (Reader) { .p = data, .left = (size_t) k };
        if (k > 0 && take_number(r, 1) != HANDSHAKE_CLIENT_HELLO)
                return -EBADMSG;
        if (k < HANDSHAKE_HEADER_BYTES)
                return -EAGAIN;
        length = take_number(r, 3);
        if (length > CLIENT_HELLO_BYTES_MAX)
                return -ENOBUFS;
        k = count_handshake(data, n, HANDSHAKE_HEADER_BYTES + length);
        if (k < 0)
                return (int) k;
        r->left = length;
        return (size_t) k < HANDSHAKE_HEADER_BYTES + length ? -EAGAIN : 0;
}

int client_hello_parse(ClientHello *ret, const void *data, size_t n) {
        ClientHello h = {};
        Reader r;
        int result = find_body(data, MIN(n, (size_t) CLIENT_HELLO_BYTES_MAX), &r);

        if (result == -EAGAIN && n >= CLIENT_HELLO_BYTES_MAX)
                return -ENOBUFS;
        if (result == 0)
                result = parse_hello(&r, &h);
        if (result == 0)
                *ret = h;
        return result;
}

bool client_hello_offers(const ClientHello *h, const char *protocol) {
        size_t n = strlen(protocol);

        for (size_t i = 0; i < h->alpn_bytes; i += 1U + h->alpn[i])
                if (h->alpn[i] == n && memcmp(h->alpn + i + 1, protocol, n) == 0)
                        return true;
        return false;
}
