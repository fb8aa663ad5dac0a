/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "net/stream.h"

void stream_set_callback(Stream *s, StreamFn on_event, void *userdata) {
        s->on_event = on_event;
        s->userdata = userdata;
        s->is_direct = false;
}

void stream_set_events(Stream *s, unsigned events) {
        if (s->wanted == events)
                return;
        s->wanted = events;
        s->ops->update_events(s);
}

ssize_t stream_read(Stream *s, void *data, size_t n) {
        return s->ops->read(s, data, n);
}

ssize_t stream_write(Stream *s, const void *data, size_t n) {
        return s->ops->write(s, data, n);
}

ssize_t stream_peek(Stream *s, const uint8_t **ret) {
        return s->ops->peek(s, ret);
}

void stream_consume(Stream *s, size_t n) {
        s->ops->consume(s, n);
}

ssize_t stream_reserve(Stream *s, uint8_t **ret) {
        return s->ops->reserve(s, ret);
}

void stream_commit(Stream *s, size_t n) {
        s->ops->commit(s, n);
}

int stream_flush(Stream *s) {
        return s->ops->flush(s);
}

int stream_shutdown(Stream *s) {
        return s->ops->shutdown(s);
}

void stream_detach(Stream *s) {
        s->wanted = 0;
        s->on_event = NULL;
        s->ops->detach(s);
        s->worker = NULL;
}

int stream_attach(Stream *s, Worker *w) {
        int r;

        s->worker = w;
        r = s->ops->attach(s);
        if (r < 0)
                s->worker = NULL;
        return r;
}

Stream *stream_free(Stream *s) {
        if (s)
                s->ops->destroy(s, false);
        return NULL;
}

Stream *stream_reset(Stream *s) {
        if (s)
                s->ops->destroy(s, true);
        return NULL;
}

const char *stream_explain(Stream *s) {
        return s->ops->explain ? s->ops->explain(s) : NULL;
}
