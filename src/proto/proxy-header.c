/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/proxy-header.h"

#include <errno.h>

#include "base/parse.h"
#include "base/str.h"

#define V2_FIXED_BYTES 16 /* signature, command, family, length */
#define V4_BYTES 12       /* two addresses, two ports */
#define V6_BYTES 36
#define UNIX_BYTES 216
#define TLV_BYTES 3 /* type and length */
#define TLV_CRC32C 0x03

enum {
        V2_LOCAL = 0x20,
        V2_PROXY = 0x21,
};

enum { /* families and transports */
       V2_UNSPEC = 0x00,
       V2_TCP4 = 0x11,
       V2_TCP6 = 0x21,
       V2_UNIX_STREAM = 0x31,
};

static const char v1_start[] = "PROXY ";
static const char v2_signature[] = "\r\n\r\n\0\r\nQUIT\n";
#define V2_SIGNATURE_BYTES (sizeof(v2_signature) - 1)

/* Cuts the word at *P off at SEPARATOR, and moves *P behind that. */
static char *take_word(char **p, char separator) {
        char *word = *p, *end = strchr(word, separator);

        if (!end)
                return NULL;
        *end = '\0';
        *p = end + 1;
        return word;
}

static int parse_v1_ip(const char *s, bool v4, Ip *ret) {
        if (!s || (strchr(s, ':') == NULL) != v4)
                return -EBADMSG;
        return ip_parse(s, strlen(s), ret) < 0 ? -EBADMSG : 0;
}

static int parse_v1_port(const char *s, uint16_t *ret) {
        if (!s || (s[0] == '0' && s[1] != '\0'))
                return -EBADMSG;
        return parse_port(s, ret) < 0 ? -EBADMSG : 0;
}

/* What follows the family, up to CR LF: "SOURCE DESTINATION PORT PORT". */
static int parse_v1_addresses(ProxyHeader *h, char *s, bool v4) {
        const char *source = take_word(&s, ' '), *destination = take_word(&s, ' '),
                   *port = take_word(&s, ' ');

        if (parse_v1_ip(source, v4, &h->source) < 0 || parse_v1_ip(destination, v4, &h->destination) < 0)
                return -EBADMSG;
        if (parse_v1_port(port, &h->source_port) < 0 || parse_v1_port(s, &h->destination_port) < 0)
                return -EBADMSG;
        h->known = true;
        return 0;
}

static int parse_v1_line(ProxyHeader *ret, char *line) {
        char *p = line + strlen(v1_start), *family = take_word(&p, ' ');
        ProxyHeader h = {};
        int r = 0;

        if (family && (streq(family, "TCP4") || streq(family, "TCP6")))
                r = parse_v1_addresses(&h, p, family[3] == '4');
        else if (!streq(family ? family : p, "UNKNOWN"))
                r = -EBADMSG;
        if (r >= 0)
                *ret = h;
        return r;
}

static ssize_t parse_v1(ProxyHeader *ret, const char *data, size_t n) {
        size_t seen = MIN(n, (size_t) PROXY_HEADER_V1_BYTES_MAX);
        const char *cr = memchr(data, '\r', seen);
        char line[PROXY_HEADER_V1_BYTES_MAX + 1];
        size_t length = cr ? (size_t) (cr - data) : seen;
        int r;

        if (memchr(data, '\n', length) || memchr(data, '\0', length))
                return -EBADMSG;
        if (!cr || length + 1 == seen)
                return n < PROXY_HEADER_V1_BYTES_MAX ? -EAGAIN : -ENOBUFS;
        if (cr[1] != '\n')
                return -EBADMSG;
        memcpy(line, data, length);
        line[length] = '\0';
        r = parse_v1_line(ret, line);
        return r < 0 ? r : (ssize_t) length + 2;
}

static uint16_t read_u16(const uint8_t *p) {
        return (uint16_t) (p[0] << 8 | p[1]);
}

static uint32_t read_u32(const uint8_t *p) {
        return (uint32_t) read_u16(p) << 16 | read_u16(p + 2);
}

/* Castagnoli's CRC of the N bytes at DATA, in which the four at HOLE count as 0. */
static uint32_t crc32c(const uint8_t *data, size_t n, size_t hole) {
        uint32_t crc = UINT32_MAX;

        for (size_t i = 0; i < n; i++) {
                crc ^= i >= hole && i < hole + 4 ? 0 : data[i];
                for (unsigned bit = 0; bit < 8; bit++)
                        crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
        }
        return ~crc;
}

/* The extensions from AT on, in a header of N bytes. */
static int check_tlvs(const uint8_t *data, size_t at, size_t n) {
        bool had_crc = false;

        while (at < n) {
                size_t length, value = at + TLV_BYTES;

                if (value > n)
                        return -EBADMSG;
                length = read_u16(data + at + 1);
                if (length > n - value)
                        return -EBADMSG;
                if (data[at] == TLV_CRC32C) { /* once: each costs a pass */
                        if (had_crc || length != 4 || read_u32(data + value) != crc32c(data, n, value))
                                return -EBADMSG;
                        had_crc = true;
                }
                at = value + length;
        }
        return 0;
}

static void read_addresses(ProxyHeader *h, const uint8_t *p, Ip (*from)(const void *), size_t size) {
        h->known = true;
        h->source = from(p);
        h->destination = from(p + size);
        h->source_port = read_u16(p + 2 * size);
        h->destination_port = read_u16(p + 2 * size + 2);
}

/* How many bytes of addresses FAMILY has, or -EBADMSG. */
static int family_bytes(uint8_t family) {
        switch (family) {
        case V2_UNSPEC:
                return 0;
        case V2_TCP4:
                return V4_BYTES;
        case V2_TCP6:
                return V6_BYTES;
        case V2_UNIX_STREAM:
                return UNIX_BYTES;
        default:
                return -EBADMSG;
        }
}

/* A whole header of N bytes. */
static int parse_v2_whole(ProxyHeader *ret, const uint8_t *data, size_t n) {
        int addresses = family_bytes(data[13]);
        ProxyHeader h = {};

        if (data[12] == V2_LOCAL) { /* all the rest is to be ignored */
                *ret = h;
                return 0;
        }
        if (addresses < 0 || n - V2_FIXED_BYTES < (size_t) addresses)
                return -EBADMSG;
        if (addresses > 0 && check_tlvs(data, V2_FIXED_BYTES + (size_t) addresses, n) < 0)
                return -EBADMSG;
        if (data[13] == V2_TCP4)
                read_addresses(&h, data + V2_FIXED_BYTES, ip_from_v4, 4);
        else if (data[13] == V2_TCP6)
                read_addresses(&h, data + V2_FIXED_BYTES, ip_from_v6, 16);
        *ret = h;
        return 0;
}

static ssize_t parse_v2(ProxyHeader *ret, const uint8_t *data, size_t n) {
        size_t length;
        int r;

        if (n > 12 && data[12] != V2_LOCAL && data[12] != V2_PROXY)
                return -EBADMSG;
        if (n < V2_FIXED_BYTES)
                return -EAGAIN;
        length = V2_FIXED_BYTES + read_u16(data + 14);
        if (length > PROXY_HEADER_V2_BYTES_MAX)
                return -ENOBUFS;
        if (n < length)
                return -EAGAIN;
        r = parse_v2_whole(ret, data, length);
        return r < 0 ? r : (ssize_t) length;
}

ssize_t proxy_header_parse(ProxyHeader *ret, const void *data, size_t n) {
        if (n == 0)
                return -EAGAIN;
        if (memcmp(data, v2_signature, MIN(n, V2_SIGNATURE_BYTES)) == 0)
                return parse_v2(ret, data, n);
        if (memcmp(data, v1_start, MIN(n, strlen(v1_start))) == 0)
                return parse_v1(ret, data, n);
        return -EBADMSG;
}

static bool is_v4(const ProxyHeader *h) {
        return ip_is_v4(&h->source) && ip_is_v4(&h->destination);
}

size_t proxy_header_write_v1(const ProxyHeader *h, char ret[static PROXY_HEADER_V1_BYTES_MAX + 1]) {
        const char *(*format)(const Ip *, char *) = is_v4(h) ? ip_format : ip_format_v6;
        char source[IP_TEXT_MAX], destination[IP_TEXT_MAX];

        if (!h->known)
                return (size_t) sprintf(ret, "PROXY UNKNOWN\r\n");
        return (size_t) snprintf(ret, PROXY_HEADER_V1_BYTES_MAX + 1, "PROXY TCP%c %s %s %u %u\r\n",
                                 is_v4(h) ? '4' : '6', format(&h->source, source),
                                 format(&h->destination, destination), h->source_port, h->destination_port);
}

static uint8_t *put(uint8_t *p, const void *data, size_t n) {
        memcpy(p, data, n);
        return p + n;
}

static uint8_t *put_u16(uint8_t *p, size_t value) {
        return put(p, (uint8_t[]){ (uint8_t) (value >> 8), (uint8_t) value }, 2);
}

size_t proxy_header_write_v2(const ProxyHeader *h, uint8_t ret[static PROXY_HEADER_V2_BYTES_WRITTEN]) {
        bool v4 = is_v4(h);
        size_t size = v4 ? 4 : 16, skip = sizeof(h->source.bytes) - size;
        uint8_t *p = put(ret, v2_signature, V2_SIGNATURE_BYTES);

        *p++ = h->known ? V2_PROXY : V2_LOCAL;
        *p++ = !h->known ? V2_UNSPEC : v4 ? V2_TCP4 : V2_TCP6;
        p = put_u16(p, !h->known ? 0 : v4 ? V4_BYTES : V6_BYTES);
        if (h->known) {
                p = put(p, h->source.bytes + skip, size);
                p = put(p, h->destination.bytes + skip, size);
                p = put_u16(p, h->source_port);
                p = put_u16(p, h->destination_port);
        }
        return (size_t) (p - ret);
}
