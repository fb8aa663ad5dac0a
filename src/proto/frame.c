/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/frame.h"

#include <endian.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

ssize_t frame_parse(const void *data, size_t n, const char **ret_payload, size_t *ret_bytes) {
        uint64_t length; /* a negative one is far above the maximum */

        if (n < FRAME_HEADER_BYTES)
                return -EAGAIN;
        memcpy(&length, data, sizeof(length));
        length = le64toh(length);
        if (length < FRAME_PAYLOAD_MIN || length > FRAME_PAYLOAD_MAX)
                return -EBADMSG;
        if (n - FRAME_HEADER_BYTES < length)
                return -EAGAIN;
        *ret_payload = (const char*) data + FRAME_HEADER_BYTES;
        *ret_bytes = (size_t) length;
        return (ssize_t) (FRAME_HEADER_BYTES + length);
}

void frame_write_header(size_t n, unsigned char ret[static FRAME_HEADER_BYTES]) {
        uint64_t length = htole64(n);

        memcpy(ret, &length, sizeof(length));
}
