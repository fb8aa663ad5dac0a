/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Messages of the classic protocol over a stream: control connections for their whole life, proxy
 * connections until RegProxy (server) or StartProxy (client) turns them into raw bytes. Both ends use it. */

#include "net/stream.h"
#include "proto/message.h"

typedef struct Channel Channel;

/* One message, borrowed for the call; or, with NULL, the end, told once: ERROR is 0 when the peer ended the
 * stream, -EBADMSG when it sent what is no message, else the stream's error. The callee may free or release
 * the channel; after the end it must. */
typedef void (*ChannelFn)(Channel *c, const Message *m, int error, void *userdata);

/* The peer takes messages. */
typedef void (*ChannelWritableFn)(Channel *c, void *userdata);

/* REST: bytes of S that were read before, or NULL. Owns S and REST on success. Never calls back before it
 * returns. Returns 0 or -ENOMEM. loop: that of S */
int channel_new(Channel **ret, Stream *s, Buffer *rest, ChannelFn on_message, void *userdata);

/* Calls ON_WRITABLE once the stream takes bytes (TLS is up), and after each -EAGAIN of channel_send() when
 * that has passed. */
void channel_set_writable_fn(Channel *c, ChannelWritableFn on_writable);

/* Sends M as one frame, in one TLS record if it fits. For what can be said later as well: returns -EAGAIN
 * while earlier messages wait. Else 0, -ENOBUFS (too long), -ENOMEM, or the stream's error. */
int channel_send(Channel *c, const Message *m);

/* The same, but M waits behind earlier messages, one buffer in all: then -ENOBUFS, the peer does not read. */
int channel_queue(Channel *c, const Message *m);

/* Stops or goes on: while stopped nothing is read and no message delivered. */
void channel_set_reading(Channel *c, bool reading);

Stream *channel_stream(Channel *c);

/* As stream_explain(). */
const char *channel_explain(Channel *c);

/* Frees the channel but not its stream: the stream, and the bytes read behind the last message (*RET_REST, or
 * NULL), are the caller's. What is queued is lost. */
Stream *channel_release(Channel *c, Buffer **ret_rest);

/* Closes the stream too. Takes NULL; returns NULL. */
Channel *channel_free(Channel *c);

DEFINE_CLEANUP(Channel*, channel_free);
