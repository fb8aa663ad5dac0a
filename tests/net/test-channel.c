/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fixture.h"

#include <sys/socket.h>

#include "net/channel.h"
#include "net/stream-fd.h"
#include "net/stream-tls.h"
#include "proto/frame.h"

static int far;
static Channel *channel;
static char seen[4096]; /* the types and some fields of what arrived */
static unsigned n_messages, n_ends, n_writable;
static int end_error;
static void (*react)(const Message *m); /* or NULL */

static void on_message(Channel *c, const Message *m, int error, void *userdata) {
        assert_ptr_equal(c, channel);
        assert_ptr_equal(userdata, seen);
        assert_int_equal(n_ends, 0);
        if (m) {
                n_messages++;
                if (strlen(seen) < sizeof(seen) - 64)
                        sprintf(seen + strlen(seen), "%s ", message_type_to_string(m->type));
        } else {
                n_ends++;
                end_error = error;
                channel = channel_free(c);
        }
        if (m && react)
                react(m);
}

static void start_with(Buffer *rest, int buffer_size) {
        Stream *s = NULL;
        int fd;

        tcp_pair(&far, &fd, buffer_size);
        assert_int_equal(stream_fd_new(&s, worker, fd), 0);
        assert_int_equal(channel_new(&channel, s, rest, on_message, seen), 0);
        assert_int_equal(n_messages, 0);
}

static void start(void) {
        start_with(NULL, 0);
}

static int set_up(void **state) {
        seen[0] = '\0';
        n_messages = n_ends = n_writable = 0;
        end_error = 1;
        react = NULL;
        return worker_set_up(state);
}

static int tear_down(void **state) {
        channel = channel_free(channel);
        far = safe_close(far);
        return worker_tear_down(state);
}

#define channel_test(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

/* Appends a frame with PAYLOAD. */
static void frame(Buffer *out, const char *payload) {
        unsigned char header[FRAME_HEADER_BYTES];

        frame_write_header(strlen(payload), header);
        assert_int_equal(buffer_append(out, header, sizeof(header)), 0);
        assert_int_equal(buffer_append(out, payload, strlen(payload)), 0);
}

static Buffer *three_frames(void) {
        Buffer *b = buffer_get(&worker->buffers);

        frame(b, "{\"Type\":\"Auth\",\"Payload\":{\"User\":\"u\"}}");
        frame(b, "{\"Type\":\"Future\",\"Payload\":{}}");
        frame(b, "{\"Type\":\"Ping\",\"Payload\":{}}");
        return b;
}

static void far_send_buffer(Buffer *b) {
        far_send(far, buffer_head(b), buffer_length(b));
        buffer_put(&worker->buffers, b);
}

static void far_expect_frame(const char *payload) {
        Buffer *b = buffer_get(NULL);

        frame(b, payload);
        far_expect(far, buffer_head(b), buffer_length(b));
        buffer_put(NULL, b);
}

static void test_messages_arrive_in_order(void **state _unused_) {
        start();
        far_send_buffer(three_frames());
        turn_while(n_messages < 3);
        assert_string_equal(seen, "Auth unknown Ping ");
        assert_int_equal(n_ends, 0);
}

static void test_messages_cut_at_any_byte_arrive(void **state _unused_) {
        Buffer *b = three_frames();

        start();
        for (size_t i = 0; i < buffer_length(b); i++) {
                far_send(far, buffer_head(b) + i, 1);
                turn();
        }
        turn_while(n_messages < 3);
        assert_string_equal(seen, "Auth unknown Ping ");
        buffer_put(&worker->buffers, b);
}

static void test_the_longest_message_arrives(void **state _unused_) {
        _cleanup_free_ char *payload = malloc(FRAME_PAYLOAD_MAX + 1);
        Buffer *b = buffer_get(&worker->buffers);

        memset(payload, ' ', FRAME_PAYLOAD_MAX);
        payload[FRAME_PAYLOAD_MAX] = '\0';
        memcpy(payload, "{\"Type\":\"Pong\"}", 15);
        frame(b, payload);
        start();
        far_send_buffer(three_frames());
        far_send(far, buffer_head(b), 1000); /* it begins behind the others and has to be moved to fit */
        turn_while(n_messages < 3);
        buffer_consume(b, 1000);
        far_send_buffer(b);
        turn_while(n_messages < 4);
        assert_string_equal(seen, "Auth unknown Ping Pong ");
}

static void test_what_was_read_before_is_dispatched_without_an_event(void **state _unused_) {
        start_with(three_frames(), 0);
        turn_while(n_messages < 3);
}

static void test_what_is_no_message_ends_the_channel_once(void **state _unused_) {
        static const char *const frames[] = { "{}", "[]", "{\"Type\":\"Auth\",\"Payload\":{\"User\":1}}" };

        for (size_t i = 0; i < ELEMENTSOF(frames); i++) {
                Buffer *b = buffer_get(&worker->buffers);

                n_ends = n_messages = 0;
                start();
                frame(b, frames[i]);
                frame(b, "{\"Type\":\"Ping\"}");
                far_send_buffer(b);
                turn_while(n_ends == 0);
                assert_int_equal(end_error, -EBADMSG);
                assert_int_equal(n_messages, 0);
                far = safe_close(far);
        }
}

static void test_a_bad_length_ends_the_channel_before_the_payload(void **state _unused_) {
        start();
        far_send(far, "\0\0\0\0\0\1\0\0", 8); /* 2^40 */
        turn_while(n_ends == 0);
        assert_int_equal(end_error, -EBADMSG);
}

static void test_the_peers_end_comes_after_its_messages(void **state _unused_) {
        start();
        far_send_buffer(three_frames());
        far_send(far, "\2", 1); /* the begin of another one */
        shutdown(far, SHUT_WR);
        turn_while(n_ends == 0);
        assert_int_equal(end_error, 0);
        assert_int_equal(n_messages, 3);
}

static void test_the_peers_reset_is_told(void **state _unused_) {
        start();
        far_reset(far);
        far = -1;
        turn_while(n_ends == 0);
        assert_int_equal(end_error, -ECONNRESET);
}

static Buffer *rest;

static void release(const Message *m) {
        if (m->type == MESSAGE_AUTH) {
                Stream *s = channel_release(channel, &rest);

                channel = NULL;
                stream_free(s);
        }
}

static void test_a_released_channel_leaves_what_follows_the_message(void **state _unused_) {
        react = release;
        start();
        far_send_buffer(three_frames());
        turn_while(channel);
        assert_string_equal(seen, "Auth ");
        assert_int_equal(buffer_length(rest), 2 * FRAME_HEADER_BYTES + 30 + 28);
        rest = buffer_put(&worker->buffers, rest);
}

static void free_it(const Message *m _unused_) {
        channel = channel_free(channel);
}

static void test_a_channel_may_be_freed_by_what_it_calls(void **state _unused_) {
        react = free_it;
        start();
        far_send_buffer(three_frames());
        turn_while(channel);
        turn_for(2 * TICK_USEC);
        assert_int_equal(n_messages, 1);
        assert_int_equal(n_ends, 0);
        assert_null(channel_free(NULL));
}

static void stop_reading(const Message *m _unused_) {
        channel_set_reading(channel, false);
}

static void test_while_stopped_no_message_is_delivered(void **state _unused_) {
        react = stop_reading;
        start();
        far_send_buffer(three_frames());
        for (unsigned i = 1; i <= 3; i++) {
                turn_while(n_messages < i);
                turn_for(3 * TICK_USEC);
                assert_int_equal(n_messages, i);
                channel_set_reading(channel, true);
        }
}

static void test_messages_are_sent(void **state _unused_) {
        Message ping = { .type = MESSAGE_PING }, pong = { .type = MESSAGE_PONG };

        start();
        assert_int_equal(channel_send(channel, &ping), 0);
        assert_int_equal(channel_queue(channel, &pong), 0);
        far_expect_frame("{\"Type\":\"Ping\",\"Payload\":{}}");
        far_expect_frame("{\"Type\":\"Pong\",\"Payload\":{}}");
}

static Message start_proxy(char *url) {
        return (Message) { .type = MESSAGE_START_PROXY, .start_proxy = { .url = url } };
}

static void test_a_message_that_is_too_long_is_refused(void **state _unused_) {
        _cleanup_free_ char *url = malloc(FRAME_PAYLOAD_MAX + 1);
        Message m = start_proxy(url), ping = { .type = MESSAGE_PING };

        memset(url, 'x', FRAME_PAYLOAD_MAX);
        url[FRAME_PAYLOAD_MAX] = '\0';
        start();
        assert_int_equal(channel_send(channel, &m), -ENOBUFS);
        assert_int_equal(channel_send(channel, &ping), 0);
        far_expect_frame("{\"Type\":\"Ping\",\"Payload\":{}}");
}

static void on_writable(Channel *c, void *userdata _unused_) {
        assert_ptr_equal(c, channel);
        n_writable++;
}

static void test_a_peer_that_does_not_read_is_told(void **state _unused_) {
        char url[1001];
        Message m = start_proxy(url);
        unsigned n_sent = 0, n_queued = 0;
        _cleanup_free_ char *payload = NULL;
        int r;

        memset(url, 'x', 1000);
        url[1000] = '\0';
        start_with(NULL, 16384);
        channel_set_writable_fn(channel, on_writable);
        turn_while(n_writable < 1);
        while ((r = channel_send(channel, &m)) == 0)
                assert_in_range(++n_sent, 0, 10000);
        assert_int_equal(r, -EAGAIN); /* something waits */
        while ((r = channel_queue(channel, &m)) == 0)
                assert_in_range(++n_queued, 0, BUFFER_BYTES / 1000);
        assert_int_equal(r, -ENOBUFS);
        turn_for(3 * TICK_USEC);
        assert_int_equal(n_writable, 1);
        payload = str_format("{\"Type\":\"StartProxy\",\"Payload\":{\"Url\":\"%s\","
                             "\"ClientAddr\":\"\"}}",
                             url);
        for (unsigned i = 0; i < n_sent + n_queued; i++)
                far_expect_frame(payload);
        turn_while(n_writable < 2);
        assert_int_equal(channel_send(channel, &m), 0);
        far_expect_frame(payload);
}


/* A read gives one record at most. */
/* GnuTLS itself on FD, which tells records apart. */
static gnutls_session_t plain_tls_client(int fd, TlsClient *client) {
        gnutls_session_t session;

        assert_int_equal(gnutls_init(&session, GNUTLS_CLIENT | GNUTLS_NONBLOCK), 0);
        assert_int_equal(tls_client_setup(client, session, "a.test", NULL), 0);
        gnutls_transport_set_int(session, fd);
        return session;
}

static void test_each_message_is_one_tls_record(void **state _unused_) {
        _cleanup_(tls_server_unrefp) TlsServer *server = make_tls_server();
        _cleanup_(tls_client_unrefp) TlsClient *client = make_tls_client();
        Message m = { .type = MESSAGE_PING };
        gnutls_session_t peer;
        Stream *s = NULL;
        char block[20000];
        int fd, far_fd;
        ssize_t k;

        tcp_pair(&fd, &far_fd, 0);
        peer = plain_tls_client(far_fd, client);
        assert_int_equal(stream_tls_new_server(&s, worker, fd, server, 0), 0);
        assert_int_equal(channel_new(&channel, s, NULL, on_message, seen), 0);
        for (unsigned i = 0; i < 20; i++) /* they wait for the handshake together */
                assert_int_equal(channel_queue(channel, &m), 0);
        turn_while((k = gnutls_handshake(peer)) == GNUTLS_E_AGAIN);
        assert_int_equal(k, 0);
        for (unsigned i = 0; i < 20; i++) {
                turn_while((k = gnutls_record_recv(peer, block, sizeof(block))) == GNUTLS_E_AGAIN);
                assert_int_equal(k, FRAME_HEADER_BYTES + 28);
        }
        gnutls_deinit(peer);
        close(far_fd);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                channel_test(test_messages_arrive_in_order),
                channel_test(test_messages_cut_at_any_byte_arrive),
                channel_test(test_the_longest_message_arrives),
                channel_test(test_what_was_read_before_is_dispatched_without_an_event),
                channel_test(test_what_is_no_message_ends_the_channel_once),
                channel_test(test_a_bad_length_ends_the_channel_before_the_payload),
                channel_test(test_the_peers_end_comes_after_its_messages),
                channel_test(test_the_peers_reset_is_told),
                channel_test(test_a_released_channel_leaves_what_follows_the_message),
                channel_test(test_a_channel_may_be_freed_by_what_it_calls),
                channel_test(test_while_stopped_no_message_is_delivered),
                channel_test(test_messages_are_sent),
                channel_test(test_a_message_that_is_too_long_is_refused),
                channel_test(test_a_peer_that_does_not_read_is_told),
                channel_test(test_each_message_is_one_tls_record),
        };

        return cmocka_run_group_tests_name("net/channel", tests, NULL, NULL);
}
