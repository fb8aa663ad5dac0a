/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The frames of a WebSocket connection, of one direction (RFC 6455 §5): what each is, how long, and how it
 * begins. For looking on, not for taking part: nothing is checked that a reader could do without. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WEBSOCKET_HEADER_MAX 14
#define WEBSOCKET_SAMPLE_BYTES 96

typedef struct WebsocketFrame {
        bool is_final;
        bool is_compressed; /* the first reserved bit, which permessage-deflate has (RFC 7692 §6) */
        uint8_t opcode;
        uint8_t n_sample;
        uint64_t length;                        /* of its data */
        uint8_t sample[WEBSOCKET_SAMPLE_BYTES]; /* how that begins, unmasked */
} WebsocketFrame;

typedef struct WebsocketReader {
        uint8_t kept[WEBSOCKET_HEADER_MAX + WEBSOCKET_SAMPLE_BYTES]; /* of a frame that has not been told */
        size_t n_kept;
        uint64_t left; /* of the one that has, to be passed over */
        bool is_lost;
} WebsocketReader; /* zeroed at first */

/* FRAME is borrowed for the call. */
typedef void (*WebsocketFn)(const WebsocketFrame *frame, void *userdata);

/* Takes N bytes, cut anywhere. ON_FRAME is called for each frame once its beginning is there. After one that
 * is none nothing more is told. */
void websocket_feed(WebsocketReader *r, const uint8_t *data, size_t n, WebsocketFn on_frame, void *userdata);
