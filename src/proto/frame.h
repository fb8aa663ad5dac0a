/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The framing of the classic protocol: the payload's length as signed 64-bit little endian, then that
 * many bytes of JSON (ngrok 1.x; doc: pgrok-protocol). */

#include <stddef.h>
#include <sys/types.h>

#define FRAME_HEADER_BYTES 8
#define FRAME_PAYLOAD_MIN 2
#define FRAME_PAYLOAD_MAX (64 * 1024)

/* Looks for one whole frame at the start of N bytes at DATA. Returns the bytes that the frame takes, with
 * *RET_PAYLOAD (inside DATA) and *RET_BYTES set; -EAGAIN when more bytes are needed; -EBADMSG when the
 * length is negative, below FRAME_PAYLOAD_MIN or above FRAME_PAYLOAD_MAX, told from the header alone. */
ssize_t frame_parse(const void *data, size_t n, const char **ret_payload, size_t *ret_bytes);

/* Writes the header of a frame with a payload of N bytes to RET. */
void frame_write_header(size_t n, unsigned char ret[static FRAME_HEADER_BYTES]);
