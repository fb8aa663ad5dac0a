/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "net/stream-tls.h"

#include <errno.h>

#include "base/str.h"
#include "net/socket.h"

/* GnuTLS between two buffers:
 *
 *      socket ─► in (ciphertext read ahead) ─► pull ─► GnuTLS ─► push ─► out (records) ─► socket
 *
 * Pull says EAGAIN only when the socket had nothing, and we ask GnuTLS again until it did: it may say
 * "again" with input left, after a session ticket for instance. Push never says EAGAIN, because a send
 * would have to be repeated with the same data: room in `out` is checked before. Input that the socket won't
 * announce (in `in`, inside GnuTLS, or a final error) puts the stream on its worker's ready queue. */

#define TLS_RECORD_BYTES_MAX 16384
#define TLS_RECORD_OVERHEAD_MAX 256 /* header, padding and tag of any cipher */
#define TLS_OUT_RESERVE 1024        /* for alerts and key updates that GnuTLS sends by itself */
#define TLS_BYTELESS_MAX 128        /* warnings and the like in a row; more keep the loop busy for nothing */

typedef enum TlsState {
        TLS_HANDSHAKE,
        TLS_OPEN,
        TLS_FAILED, /* `error` says how */
} TlsState;

typedef struct StreamTls {
        Stream stream;
        Socket socket;
        ReadyItem ready;
        gnutls_session_t session; /* owned */
        TlsServer *server;        /* one of the two; a reference */
        TlsClient *client;
        char *host;  /* owned: the server's name, for a client */
        char *why;   /* owned: explains `error`, or NULL */
        Buffer *in;  /* owned, NULL when empty */
        Buffer *out; /* owned, NULL when empty */
        TlsState state;
        int error;
        unsigned flags;   /* StreamTlsFlags */
        bool dry;         /* pull found nothing */
        bool has_end;     /* the peer's close_notify, or its FIN where that will do */
        bool remembered;  /* our ticket is kept */
        TlsServer *judge; /* a reference: whose word `is_proved' is; NULL: it was not asked for yet */
        bool is_proved;   /* by a certificate that it was only asked for */
} StreamTls;

static StreamTls *stream_tls(Stream *s) {
        return container_of(s, StreamTls, stream);
}

static BufferPool *stream_tls_pool(StreamTls *t) {
        return t->stream.worker ? &t->stream.worker->buffers : NULL;
}

static int set_errno(int error) {
        errno = error;
        return -1;
}

static int stream_tls_read_ahead(StreamTls *t) {
        Buffer *b = buffer_get(stream_tls_pool(t));
        ssize_t k;

        if (!b)
                return -ENOMEM;
        k = socket_read(&t->socket, b->data, BUFFER_BYTES);
        if (k <= 0) {
                buffer_put(stream_tls_pool(t), b);
                return (int) k;
        }
        buffer_produce(b, (size_t) k);
        t->in = b;
        return 1;
}

static ssize_t on_pull(gnutls_transport_ptr_t ptr, void *data, size_t n) {
        StreamTls *t = ptr;
        size_t k;

        if (!t->in) {
                int r = stream_tls_read_ahead(t);

                t->dry = r == -EAGAIN;
                if (r <= 0)
                        return r < 0 ? set_errno(-r) : 0;
        }
        k = MIN(n, buffer_length(t->in));
        memcpy(data, buffer_head(t->in), k);
        buffer_consume(t->in, k);
        if (buffer_length(t->in) == 0)
                t->in = buffer_put(stream_tls_pool(t), t->in);
        return (ssize_t) k;
}

static ssize_t on_push(gnutls_transport_ptr_t ptr, const void *data, size_t n) {
        StreamTls *t = ptr;

        if (!t->out)
                t->out = buffer_get(stream_tls_pool(t));
        if (!t->out)
                return set_errno(ENOMEM);
        if (buffer_append(t->out, data, n) < 0)
                return set_errno(ENOBUFS);
        return (ssize_t) n;
}

/* What stream_read() would tell without a poll event. */
static bool stream_tls_has_input(StreamTls *t) {
        if (t->state != TLS_OPEN)
                return false;
        return t->has_end || t->in || gnutls_record_check_pending(t->session) > 0;
}

static unsigned stream_tls_socket_events(StreamTls *t) {
        unsigned wanted = t->stream.wanted, events = wanted & STREAM_ABORTED;

        if (t->state == TLS_FAILED) /* the socket has nothing more to say */
                return 0;
        if ((wanted & STREAM_READABLE) || t->state == TLS_HANDSHAKE)
                events |= STREAM_READABLE;
        if (t->out || ((wanted & STREAM_WRITABLE) && t->state == TLS_OPEN))
                events |= STREAM_WRITABLE;
        return events;
}

static void stream_tls_update_events(Stream *s) {
        StreamTls *t = stream_tls(s);
        bool is_ready = t->state == TLS_FAILED ? s->wanted != 0
                                               : (s->wanted & STREAM_READABLE) && stream_tls_has_input(t);

        if (is_ready)
                worker_ready(s->worker, &t->ready);
        socket_set_events(&t->socket, stream_tls_socket_events(t));
}

static int stream_tls_fail(StreamTls *t, int error) {
        t->state = TLS_FAILED;
        t->error = error;
        t->in = buffer_put(stream_tls_pool(t), t->in);
        t->out = buffer_put(stream_tls_pool(t), t->out);
        stream_tls_update_events(&t->stream);
        return error;
}

static int stream_tls_flush(Stream *s) {
        StreamTls *t = stream_tls(s);

        if (t->state == TLS_FAILED)
                return t->error;
        while (t->out) {
                ssize_t k = socket_write(&t->socket, buffer_head(t->out), buffer_length(t->out));

                if (k == -EAGAIN) {
                        stream_tls_update_events(s);
                        return -EAGAIN;
                }
                if (k < 0) /* nothing goes out any more; what came in may still be read */
                        k = (ssize_t) buffer_length(t->out);
                buffer_consume(t->out, (size_t) k);
                if (buffer_length(t->out) == 0)
                        t->out = buffer_put(stream_tls_pool(t), t->out);
        }
        return t->socket.error;
}

/* What the peer has against us; the alerts are those of RFC 8446 §6.2. Owned by the caller, or NULL. */
static char *explain_alert(gnutls_alert_description_t alert) {
        const char *name = gnutls_alert_get_name(alert);

        switch (alert) {
        case GNUTLS_A_CERTIFICATE_REQUIRED:
                return strdup(
                        "TLS: the peer asks for a certificate by its own authority, and we showed none: set "
                        "certificate and key");
        case GNUTLS_A_BAD_CERTIFICATE:
        case GNUTLS_A_UNSUPPORTED_CERTIFICATE:
        case GNUTLS_A_CERTIFICATE_REVOKED:
        case GNUTLS_A_CERTIFICATE_EXPIRED:
        case GNUTLS_A_CERTIFICATE_UNKNOWN:
        case GNUTLS_A_UNKNOWN_CA:
        case GNUTLS_A_ACCESS_DENIED:
                return str_format("TLS: the peer doesn't accept our certificate: %s", name);
        default:
                return str_format("TLS: the peer says: %s", name);
        }
}

/* A certificate that we don't take. Owned by the caller, or NULL. */
static char *stream_tls_explain_certificate(StreamTls *t) {
        unsigned status = gnutls_session_get_verify_cert_status(t->session);
        char pin_text[PIN_TEXT_MAX] = "unknown";
        gnutls_datum_t text = {};
        char *why = NULL;
        Pin pin;

        if (tls_peer_pin(t->session, &pin) >= 0)
                pin_format(&pin, pin_text);
        if (tls_is_pinned(t->session))
                return str_format("The certificate of %s has another key than the pinned one: its pin is %s",
                                  t->host, pin_text);
        if (gnutls_certificate_verification_status_print(status, GNUTLS_CRT_X509, &text, 0) >= 0)
                why = str_format("The certificate of %s is refused: %s Its pin is %s", t->host,
                                 str_trim((char*) text.data), pin_text);
        gnutls_free(text.data);
        return why;
}

/* Says why the handshake failed as helpfully as GnuTLS lets us. */
static void stream_tls_set_why(StreamTls *t, int gnutls_error) {

        free(t->why);
        t->why = NULL;
        if (t->client && tls_errno(gnutls_error) == -EKEYREJECTED)
                t->why = stream_tls_explain_certificate(t);
        else if (gnutls_error == GNUTLS_E_FATAL_ALERT_RECEIVED)
                t->why = explain_alert(gnutls_alert_get(t->session));
        else if (gnutls_error == GNUTLS_E_UNEXPECTED_PACKET)
                t->why = strdup("TLS: the other side doesn't speak TLS (is the port right?)");
        else if (gnutls_error != GNUTLS_E_PULL_ERROR && gnutls_error != GNUTLS_E_PUSH_ERROR)
                t->why = str_format("TLS: %s", gnutls_strerror(gnutls_error));
}

/* Whether GnuTLS, which returned R in the I-th attempt, is to be asked again. */
static bool stream_tls_goes_on(StreamTls *t, ssize_t r, unsigned i) {
        return r < 0 && !gnutls_error_is_fatal((int) r) && r != GNUTLS_E_REHANDSHAKE && !t->dry &&
               i < TLS_BYTELESS_MAX;
}

static bool stream_tls_is_alpn_refused(StreamTls *t, int gnutls_error) {
        return gnutls_error == GNUTLS_E_FATAL_ALERT_RECEIVED &&
               gnutls_alert_get(t->session) == GNUTLS_A_NO_APPLICATION_PROTOCOL;
}

static void stream_tls_handshake(StreamTls *t) {
        unsigned i = 0;
        int r;

        do {
                t->dry = false;
                r = gnutls_handshake(t->session);
        } while (stream_tls_goes_on(t, r, ++i));
        if (i == TLS_BYTELESS_MAX)
                r = GNUTLS_E_TOO_MANY_EMPTY_PACKETS;

        if (r < 0 && gnutls_error_is_fatal(r)) {
                stream_tls_set_why(t, r);
                gnutls_alert_send_appropriate(t->session, r);
        } else if (r >= 0)
                t->state = TLS_OPEN;
        (void) stream_tls_flush(&t->stream); /* its failure shows in the state */
        if (r < 0 && gnutls_error_is_fatal(r) && t->state != TLS_FAILED)
                stream_tls_fail(t, stream_tls_is_alpn_refused(t, r) ? -EPROTONOSUPPORT : tls_errno(r));
}

static void stream_tls_deliver(StreamTls *t, unsigned events) {
        Stream *s = &t->stream;

        events &= s->wanted;
        if (events != 0 && s->on_event)
                s->on_event(s, events, s->userdata);
}

static void on_stream_tls_event(Socket *socket, unsigned events) {
        StreamTls *t = container_of(socket, StreamTls, socket);
        unsigned e = events & STREAM_ABORTED;

        if (t->state == TLS_HANDSHAKE && (events & STREAM_READABLE)) {
                stream_tls_handshake(t);
                e |= t->state == TLS_HANDSHAKE ? 0 : STREAM_READABLE | STREAM_WRITABLE;
        } else
                e |= events & STREAM_READABLE;
        if (t->out)
                (void) stream_tls_flush(&t->stream);
        if (t->state == TLS_OPEN && !t->out)
                e |= events & STREAM_WRITABLE;
        stream_tls_update_events(&t->stream);
        stream_tls_deliver(t, e);
}

static void on_stream_tls_ready(ReadyItem *item) {
        StreamTls *t = container_of(item, StreamTls, ready);

        if (t->state == TLS_FAILED)
                stream_tls_deliver(t, STREAM_READABLE | STREAM_WRITABLE | STREAM_ABORTED);
        else if (stream_tls_has_input(t))
                stream_tls_deliver(t, STREAM_READABLE);
}

static void stream_tls_remember(StreamTls *t) {
        if (t->remembered || !t->client ||
            !(gnutls_session_get_flags(t->session) & GNUTLS_SFLAGS_SESSION_TICKET))
                return;
        t->remembered = true;
        tls_client_remember(t->client, t->session, t->host);
}

static ssize_t stream_tls_end(StreamTls *t, ssize_t k) {
        if (k == GNUTLS_E_PREMATURE_TERMINATION && (t->flags & STREAM_TLS_LENIENT_END))
                k = 0;
        if (k < 0) {
                stream_tls_set_why(t, (int) k);
                return stream_tls_fail(t, k == GNUTLS_E_PREMATURE_TERMINATION ? -ECONNRESET
                                                                              : tls_errno((int) k));
        }
        t->has_end = true;
        return 0;
}

/* One record's bytes at most. Returns what GnuTLS says, and AGAIN only when the socket has nothing. */
static ssize_t stream_tls_receive(StreamTls *t, void *data, size_t n) {
        unsigned i = 0;
        ssize_t k;

        do {
                t->dry = false;
                k = gnutls_record_recv(t->session, data, n);
        } while (stream_tls_goes_on(t, k, ++i));
        return i < TLS_BYTELESS_MAX ? k : GNUTLS_E_TOO_MANY_EMPTY_PACKETS;
}

/* What a read says before GnuTLS is asked; 1: it must be. */
static int stream_tls_standing(const StreamTls *t) {
        if (t->state == TLS_FAILED)
                return t->error;
        if (t->state != TLS_OPEN)
                return -EAGAIN;
        return t->has_end ? 0 : 1;
}

/* As many records as there are and fit, so that what reads us makes few calls too. An end or an error behind
 * bytes is kept for the next call. */
static ssize_t stream_tls_read(Stream *s, void *data, size_t n) {
        StreamTls *t = stream_tls(s);
        ssize_t k = stream_tls_standing(t);
        size_t got = 0;

        if (k <= 0)
                return k;
        while (k > 0 && got < n && (got == 0 || stream_tls_has_input(t))) {
                k = stream_tls_receive(t, (uint8_t*) data + got, n - got);
                got += k > 0 ? (size_t) k : 0;
        }
        stream_tls_remember(t);
        if (k <= 0 && k != GNUTLS_E_AGAIN && k != GNUTLS_E_INTERRUPTED) {
                k = stream_tls_end(t, k);
                if (got == 0)
                        return k;
        }
        if (stream_tls_has_input(t))
                worker_ready(s->worker, &t->ready);
        else if (t->state != TLS_FAILED) /* an error behind the bytes is told by no poll event */
                worker_unready(s->worker, &t->ready);
        return got > 0 ? (ssize_t) got : -EAGAIN;
}

/* Room for plaintext in one more record, 0 if that would make a needlessly small one. */
static size_t stream_tls_record_room(StreamTls *t, size_t n) {
        size_t used = buffer_length(t->out) + TLS_OUT_RESERVE + TLS_RECORD_OVERHEAD_MAX;
        size_t wanted = MIN(n, (size_t) TLS_RECORD_BYTES_MAX);

        return used + wanted <= BUFFER_BYTES ? wanted : 0;
}

static ssize_t stream_tls_write(Stream *s, const void *data, size_t n) {
        StreamTls *t = stream_tls(s);
        const uint8_t *p = data;
        size_t taken = 0, chunk;

        if (t->state != TLS_OPEN)
                return t->state == TLS_FAILED ? t->error : -EAGAIN;
        if (t->socket.error < 0)
                return t->socket.error;
        while (taken < n && (chunk = stream_tls_record_room(t, n - taken)) > 0) {
                ssize_t k = gnutls_record_send(t->session, p + taken, chunk);

                if (k < 0)
                        return stream_tls_fail(t, tls_errno((int) k));
                taken += (size_t) k;
        }
        return taken > 0 ? (ssize_t) taken : -EAGAIN;
}

static int stream_tls_shutdown(Stream *s) {
        StreamTls *t = stream_tls(s);
        int r;

        if (t->state != TLS_OPEN)
                return t->state == TLS_FAILED ? t->error : -ENOTCONN;
        r = gnutls_bye(t->session, GNUTLS_SHUT_WR);
        return r < 0 ? stream_tls_fail(t, tls_errno(r)) : 0;
}

static void stream_tls_detach(Stream *s) {
        StreamTls *t = stream_tls(s);

        worker_unready(s->worker, &t->ready);
        socket_detach(&t->socket);
}

static int stream_tls_attach(Stream *s) {
        StreamTls *t = stream_tls(s);
        int r = socket_attach(&t->socket, s->worker);

        if (r >= 0)
                stream_tls_update_events(s);
        return r;
}

static void stream_tls_destroy(Stream *s, bool reset) {
        StreamTls *t = stream_tls(s);

        if (s->worker)
                worker_unready(s->worker, &t->ready);
        socket_done(&t->socket, reset);
        buffer_put(stream_tls_pool(t), t->in);
        buffer_put(stream_tls_pool(t), t->out);
        if (t->session)
                gnutls_deinit(t->session);
        tls_server_unref(t->server);
        tls_server_unref(t->judge);
        tls_client_unref(t->client);
        free(t->host);
        free(t->why);
        free(t);
}

static const char *stream_tls_explain(Stream *s) {
        return stream_tls(s)->why;
}

static const StreamOps stream_tls_ops = {
        .read = stream_tls_read,
        .write = stream_tls_write,
        .flush = stream_tls_flush,
        .shutdown = stream_tls_shutdown,
        .update_events = stream_tls_update_events,
        .detach = stream_tls_detach,
        .attach = stream_tls_attach,
        .destroy = stream_tls_destroy,
        .explain = stream_tls_explain,
};

static StreamTls *stream_tls_alloc(Worker *w, unsigned flags) {
        StreamTls *t = new0(StreamTls, 1);

        if (!t)
                return NULL;
        t->stream = (Stream) { .ops = &stream_tls_ops, .worker = w };
        t->socket.fd = -1;
        t->ready.run = on_stream_tls_ready;
        t->flags = flags;
        return t;
}

static int stream_tls_init(StreamTls *t, int fd, const char *const *alpn, unsigned gnutls_flags) {
        int r;

        r = gnutls_init(&t->session, gnutls_flags | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL);
        if (r < 0)
                return tls_errno(r);
        r = t->server ? tls_server_setup(t->server, t->session)
                      : tls_client_setup(t->client, t->session, t->host, alpn);
        if (r < 0)
                return r;
        gnutls_transport_set_ptr(t->session, t);
        gnutls_transport_set_pull_function(t->session, on_pull);
        gnutls_transport_set_push_function(t->session, on_push);
        gnutls_handshake_set_timeout(t->session, GNUTLS_INDEFINITE_TIMEOUT); /* the owner has a timer */
        return socket_init(&t->socket, t->stream.worker, fd, on_stream_tls_event);
}

int stream_tls_new_server(Stream **ret, Worker *w, int fd, TlsServer *tls, unsigned flags) {
        StreamTls *t = stream_tls_alloc(w, flags);
        int r;

        if (!t)
                return -ENOMEM;
        t->server = tls_server_ref(tls);
        r = stream_tls_init(t, fd, NULL, GNUTLS_SERVER);
        if (r < 0) {
                stream_free(&t->stream);
                return r;
        }
        stream_tls_update_events(&t->stream);
        *ret = &t->stream;
        return 0;
}

void stream_tls_begin_with(Stream *s, Buffer *in) {
        StreamTls *t = stream_tls(s);

        t->in = in;
        stream_tls_handshake(t);
        stream_tls_update_events(s);
}

int stream_tls_new_client(Stream **ret, Worker *w, int fd, TlsClient *tls, const char *host,
                          const char *const *alpn, unsigned flags) {
        StreamTls *t = stream_tls_alloc(w, flags);
        int r;

        if (!t)
                return -ENOMEM;
        t->client = tls_client_ref(tls);
        t->host = strdup(host);
        r = t->host ? stream_tls_init(t, fd, alpn, tls_client_flags(tls, t->host)) : -ENOMEM;
        if (r < 0) {
                stream_free(&t->stream);
                return r;
        }
        stream_tls_handshake(t);
        stream_tls_update_events(&t->stream);
        *ret = &t->stream;
        return 0;
}

int stream_tls_peer_name(Stream *s, char **ret_name) {
        StreamTls *t = stream_tls(s);

        if (t->state != TLS_OPEN || !t->server || !tls_server_requires_client(t->server))
                return 0;
        return tls_peer_name(t->session, ret_name);
}

bool stream_tls_is_proved(Stream *s, TlsServer *judge) {
        StreamTls *t = stream_tls(s);

        if (t->judge != judge) {
                tls_server_unref(t->judge);
                t->judge = tls_server_ref(judge);
                t->is_proved = tls_peer_is_proved(judge, t->session);
        }
        return t->is_proved;
}

void stream_tls_set_tunnel_options(Stream *s) {
        socket_set_tunnel_options(stream_tls(s)->socket.fd);
}

const char *stream_tls_asked_name(Stream *s, char ret[static STREAM_TLS_NAME_MAX]) {
        tls_asked_name(stream_tls(s)->session, ret, STREAM_TLS_NAME_MAX);
        return ret;
}

bool stream_tls_speaks(Stream *s, const char *protocol) {
        gnutls_datum_t chosen = {};

        if (gnutls_alpn_get_selected_protocol(stream_tls(s)->session, &chosen) < 0)
                return false;
        return chosen.size == strlen(protocol) && memcmp(chosen.data, protocol, chosen.size) == 0;
}
