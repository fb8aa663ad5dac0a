/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fixture.h"

#include <fcntl.h>
#include <sys/socket.h>

#include "net/stream-tls.h"

#define MIB (1 << 20)

static TlsServer *tls_server;
static TlsClient *tls_client;
static End server, client; /* the two ends of one connection, on one loop */

static void connect_ends(const char *host, unsigned server_flags, int buffer_size) {
        Stream *s = NULL;
        int a, b;

        tcp_pair(&a, &b, buffer_size);
        assert_int_equal(stream_tls_new_server(&s, worker, a, tls_server, server_flags), 0);
        end_init(&server, s);
        assert_int_equal(stream_tls_new_client(&s, worker, b, tls_client, host, NULL, 0), 0);
        end_init(&client, s);
}

static int set_up(void **state) {
        if (worker_set_up(state) < 0)
                return -1;
        tls_server = make_tls_server();
        tls_client = make_tls_client();
        return 0;
}

static int tear_down(void **state) {
        end_done(&server);
        end_done(&client);
        tls_server = tls_server_unref(tls_server);
        tls_client = tls_client_unref(tls_client);
        return worker_tear_down(state);
}

#define tls_test(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

static void exchange_hellos(void) {
        end_send(&client, "hello", 5);
        end_expect(&server, "hello", 5);
        end_send(&server, "HELLO", 5);
        end_expect(&client, "HELLO", 5);
}

static void end_shut_down(End *e) {
        assert_int_equal(stream_shutdown(e->stream), 0);
        assert_int_equal(stream_flush(e->stream), 0);
}

static void test_bytes_go_both_ways(void **state _unused_) {
        _cleanup_free_ uint8_t *there = noise(MIB, 1), *back = noise(MIB, 2);

        connect_ends("a.test", 0, 0);
        exchange_hellos();
        end_send(&client, there, MIB);
        end_expect(&server, there, MIB);
        end_send(&server, back, MIB);
        end_expect(&client, back, MIB);
}

/* All that the client says first is read before there is a stream for it. */
static void test_what_was_read_before_is_where_it_begins(void **state _unused_) {
        Buffer *read = buffer_get(&worker->buffers);
        Stream *s = NULL;
        ssize_t k = -1;
        int a, b;

        tcp_pair(&a, &b, 0);
        assert_int_equal(stream_tls_new_client(&s, worker, b, tls_client, "a.test", NULL, 0), 0);
        end_init(&client, s);
        turn_while((k = recv(a, buffer_tail(read), buffer_room(read), 0)) < 0);
        buffer_produce(read, (size_t) k);
        assert_int_equal(stream_tls_new_server(&s, worker, a, tls_server, 0), 0);
        stream_tls_begin_with(s, read);
        end_init(&server, s);
        exchange_hellos();
}

static void test_what_was_read_before_may_be_no_tls(void **state _unused_) {
        Buffer *read = buffer_get(&worker->buffers);
        Stream *s = NULL;
        int a, b;

        tcp_pair(&a, &b, 0);
        assert_int_equal(buffer_append(read, "GET / HTTP/1.1\r\n\r\n", 18), 0);
        assert_int_equal(stream_tls_new_server(&s, worker, a, tls_server, 0), 0);
        stream_tls_begin_with(s, read);
        end_init(&server, s);
        end_expect_result(&server, -EPROTO);
        close(b);
}

/* A peer that is none of our streams, so that it can do what they don't. */
static gnutls_session_t raw_client(int fd) {
        gnutls_certificate_credentials_t none;
        gnutls_session_t session;
        int r;

        assert_int_equal(gnutls_init(&session, GNUTLS_CLIENT | GNUTLS_NONBLOCK), 0);
        assert_int_equal(gnutls_priority_set_direct(session, "NORMAL:-VERS-ALL:+VERS-TLS1.2", NULL), 0);
        assert_int_equal(gnutls_certificate_allocate_credentials(&none), 0);
        assert_int_equal(gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, none), 0);
        gnutls_transport_set_int(session, fd);
        turn_while((r = gnutls_handshake(session)) == GNUTLS_E_AGAIN);
        assert_int_equal(r, 0);
        gnutls_certificate_free_credentials(none);
        return session;
}

static void test_warnings_without_end_are_an_error(void **state _unused_) {
        gnutls_session_t session;
        Stream *s = NULL;
        int a, b;

        tcp_pair(&a, &b, 0);
        assert_int_equal(stream_tls_new_server(&s, worker, a, tls_server, 0), 0);
        end_init(&server, s);
        session = raw_client(b);
        for (unsigned i = 0; i < 1000; i++)
                assert_int_equal(gnutls_alert_send(session, GNUTLS_AL_WARNING, GNUTLS_A_USER_CANCELED), 0);
        end_expect_result(&server, -EPROTO);
        gnutls_deinit(session);
        close(b);
}

static void test_an_address_is_a_name_too(void **state _unused_) {
        connect_ends("127.0.0.1", 0, 0);
        exchange_hellos();
}

static void test_nothing_is_written_before_the_handshake(void **state _unused_) {
        connect_ends("a.test", 0, 0);
        assert_int_equal(stream_write(client.stream, "x", 1), -EAGAIN);
        assert_int_equal(stream_read(client.stream, (char[1]) {}, 1), -EAGAIN);
        stream_set_events(client.stream, STREAM_READABLE | STREAM_WRITABLE);
        turn_while(!client.writable);
        assert_int_equal(stream_write(client.stream, "x", 1), 1);
        assert_int_equal(stream_flush(client.stream), 0);
        end_expect(&server, "x", 1);
}

static void test_each_end_closes_by_itself(void **state _unused_) {
        connect_ends("a.test", 0, 0);
        exchange_hellos();
        end_send(&client, "last", 4);
        end_shut_down(&client);
        end_expect(&server, "last", 4);
        end_expect_result(&server, 0);
        assert_int_equal(stream_read(server.stream, (char[1]) {}, 1), 0);
        end_send(&server, "answer", 6);
        end_expect(&client, "answer", 6);
        end_shut_down(&server);
        end_expect_result(&client, 0);
}

static void test_the_server_may_end_first(void **state _unused_) {
        connect_ends("a.test", 0, 0);
        exchange_hellos();
        end_shut_down(&server);
        end_expect_result(&client, 0);
        end_send(&client, "still", 5);
        end_expect(&server, "still", 5);
        end_shut_down(&client);
        end_expect_result(&server, 0);
}

static void test_an_end_without_close_notify_is_an_abort(void **state _unused_) {
        connect_ends("a.test", 0, 0);
        exchange_hellos();
        end_send(&client, "last", 4);
        client.stream = stream_free(client.stream);
        end_expect(&server, "last", 4);
        end_expect_result(&server, -ECONNRESET);
        assert_int_equal(stream_read(server.stream, (char[1]) {}, 1), -ECONNRESET);
        assert_int_equal(stream_write(server.stream, "x", 1), -ECONNRESET);
        assert_int_equal(stream_flush(server.stream), -ECONNRESET);
        assert_int_equal(stream_shutdown(server.stream), -ECONNRESET);
}

static void test_for_a_lenient_stream_it_is_an_end(void **state _unused_) {
        connect_ends("a.test", STREAM_TLS_LENIENT_END, 0);
        exchange_hellos();
        end_send(&client, "last", 4);
        client.stream = stream_free(client.stream);
        end_expect(&server, "last", 4);
        end_expect_result(&server, 0);
}

static void test_a_reset_is_an_abort_also_for_a_lenient_stream(void **state _unused_) {
        connect_ends("a.test", STREAM_TLS_LENIENT_END, 0);
        exchange_hellos();
        client.stream = stream_reset(client.stream);
        end_expect_result(&server, -ECONNRESET);
}

static void test_another_name_is_refused(void **state _unused_) {
        connect_ends("c.test", 0, 0);
        end_expect_result(&client, -EKEYREJECTED);
        assert_non_null(strstr(stream_explain(client.stream), "c.test"));
        end_expect_result(&server, -EPROTO);
        assert_non_null(stream_explain(server.stream)); /* the client's alert */
        assert_int_equal(stream_write(client.stream, "x", 1), -EKEYREJECTED);
}

static void test_a_certificate_of_nobody_we_trust_is_refused(void **state _unused_) {
        tls_client_unref(tls_client);
        assert_int_equal(tls_client_new(&tls_client, NULL, NULL), 0);
        connect_ends("a.test", 0, 0);
        end_expect_result(&client, -EKEYREJECTED);
        end_expect_result(&server, -EPROTO);
}

static gnutls_certificate_credentials_t credentials;

static gnutls_certificate_credentials_t select_by_name(const char *name, void *userdata) {
        strcpy(userdata, name);
        return streq(name, "b.test") ? credentials : NULL;
}

static void test_the_certificate_is_chosen_by_name(void **state _unused_) {
        char asked[64] = "-";

        assert_int_equal(gnutls_certificate_allocate_credentials(&credentials), 0);
        assert_int_equal(gnutls_certificate_set_x509_key_file(credentials, certificate_file(), key_file(),
                                                              GNUTLS_X509_FMT_PEM),
                         0);
        tls_server_unref(tls_server);
        assert_int_equal(tls_server_new_select(&tls_server, select_by_name, asked, NULL), 0);
        connect_ends("b.test", 0, 0);
        exchange_hellos();
        assert_string_equal(asked, "b.test");
        end_done(&server);
        end_done(&client);

        connect_ends("a.test", 0, 0); /* is not served */
        end_expect_result(&server, -EPROTO);
        end_expect_result(&client, -EPROTO);
        assert_non_null(stream_explain(client.stream));
        end_done(&server);
        end_done(&client);

        connect_ends("127.0.0.1", 0, 0); /* sends no name */
        end_expect_result(&server, -EPROTO);
        assert_string_equal(asked, "");
        gnutls_certificate_free_credentials(credentials);
}

static void test_what_is_not_tls_is_refused(void **state _unused_) {
        Stream *s = NULL;
        int fd, far;

        tcp_pair(&fd, &far, 0);
        assert_int_equal(stream_tls_new_server(&s, worker, fd, tls_server, 0), 0);
        end_init(&server, s);
        far_send(far, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 27);
        end_expect_result(&server, -EPROTO);
        assert_non_null(stream_explain(server.stream));
        close(far);
}

static void test_a_peer_that_leaves_in_the_handshake_is_an_abort(void **state _unused_) {
        Stream *s = NULL;
        int fd, far;

        tcp_pair(&fd, &far, 0);
        assert_int_equal(stream_tls_new_server(&s, worker, fd, tls_server, STREAM_TLS_LENIENT_END), 0);
        end_init(&server, s);
        far_send(far, "\x16\x03\x01", 3);
        close(far);
        turn_while(server.result == 1);
        assert_true(server.result < 0);
}

static void test_a_peer_that_does_not_read_is_told_and_bounded(void **state _unused_) {
        _cleanup_free_ uint8_t *data = noise(MIB, 3), *all = malloc(64 * MIB);
        size_t taken = 0;

        connect_ends("a.test", 0, 16384);
        exchange_hellos();
        stream_set_events(server.stream, 0);
        for (unsigned quiet = 0; quiet < 5; quiet++) {
                ssize_t k = stream_write(client.stream, data, MIB);

                if (k > 0) {
                        memcpy(all + taken, data, (size_t) k);
                        taken += (size_t) k;
                        quiet = 0;
                } else
                        assert_int_equal(k, -EAGAIN);
                assert_true(taken < MIB); /* one buffer of ours and what the kernel takes */
                (void) stream_flush(client.stream);
                turn();
        }
        assert_int_equal(stream_flush(client.stream), -EAGAIN);
        stream_set_events(server.stream, STREAM_READABLE);
        end_expect(&server, all, taken);
        client.writable = false;
        stream_set_events(client.stream, STREAM_READABLE | STREAM_WRITABLE);
        turn_while(!client.writable);
        assert_int_equal(stream_flush(client.stream), 0);
}

static void on_event_sip(Stream *s, unsigned events _unused_, void *userdata) {
        ssize_t k = stream_read(s, userdata, 4);

        assert_true(k == 4 || k == -EAGAIN);
        if (k == 4)
                stream_set_events(s, 0);
}

/* Reads 4 bytes when they come, and no more: the rest is decoded or read ahead. */
static void sip(End *e, char ret[static 4]) {
        stream_set_callback(e->stream, on_event_sip, ret);
        stream_set_events(e->stream, STREAM_READABLE);
        turn_while(e->stream->wanted != 0);
}

static void test_input_at_hand_is_announced_when_it_is_wanted_again(void **state _unused_) {
        _cleanup_free_ uint8_t *data = noise(60000, 4);
        char got[4];

        connect_ends("a.test", 0, 0);
        exchange_hellos();
        stream_set_events(server.stream, 0);
        end_send(&client, data, 60000);
        turn_for(3 * TICK_USEC);
        for (unsigned i = 0; i < 2; i++) {
                sip(&server, got);
                assert_memory_equal(got, data + i * sizeof(got), sizeof(got));
                turn_for(3 * TICK_USEC);
        }
        end_listen(&server);
        end_expect(&server, data + 8, 60000 - 8);
}

static void on_event_free(Stream *s, unsigned events _unused_, void *userdata) {
        End *e = userdata;

        e->stream = stream_free(s);
}

static void test_a_stream_may_be_freed_by_what_it_calls(void **state _unused_) {
        connect_ends("a.test", 0, 0);
        exchange_hellos();
        stream_set_callback(server.stream, on_event_free, &server);
        end_send(&client, "x", 1);
        turn_while(server.stream);
        turn_for(2 * TICK_USEC);
}

static void test_a_context_lives_as_long_as_its_streams(void **state _unused_) {
        connect_ends("a.test", 0, 0);
        tls_server = tls_server_unref(tls_server);
        tls_client = tls_client_unref(tls_client);
        exchange_hellos();
}

/* The same stream on another thread. */
typedef struct Move {
        Mail mail;
        Stream *stream;
        uint8_t *got;   /* there is read until the end */
        size_t n, size;
        int result;
} Move;

static void on_moved_event(Stream *s, unsigned events _unused_, void *userdata) {
        Move *m = userdata;
        ssize_t k = stream_read(s, m->got + m->n, MIN(m->size - m->n, (size_t) 5000));

        if (k > 0)
                m->n += (size_t) k;
        else if (k != -EAGAIN) {
                Worker *w = s->worker;

                m->result = (int) k;
                (void) stream_write(s, "got it", 6);
                (void) stream_shutdown(s);
                (void) stream_flush(s);
                m->stream = stream_free(s);
                worker_end(w);
        }
}

static void on_moved(Worker *w, Mail *mail) {
        Move *m = container_of(mail, Move, mail);

        assert_int_equal(stream_attach(m->stream, w), 0);
        stream_set_callback(m->stream, on_moved_event, m);
        stream_set_events(m->stream, STREAM_READABLE);
}

static void hand_over(Move *m, Stream **s, Worker *to) {
        stream_detach(*s);
        m->stream = TAKE_PTR(*s);
        worker_post(to, &m->mail, on_moved);
}

static void test_a_stream_moves_to_another_worker_with_all_that_it_holds(void **state _unused_) {
        _cleanup_free_ uint8_t *data = noise(200000, 5), *got = malloc(200001);
        Move m = { .got = got, .size = 200001, .result = 1 };
        Worker *other = NULL;

        assert_int_equal(worker_new(&other, 1), 0);
        assert_int_equal(worker_start(other), 0);
        connect_ends("a.test", 0, 0);
        exchange_hellos();
        stream_set_events(server.stream, 0);
        end_send(&client, data, 50000);
        turn_for(3 * TICK_USEC);
        sip(&server, (char*) got);
        m.n = 4;
        hand_over(&m, &server.stream, other);
        end_send(&client, data + 50000, 150000);
        end_shut_down(&client);
        end_expect(&client, "got it", 6);
        end_expect_result(&client, 0);
        worker_join(other);
        assert_int_equal(m.result, 0);
        assert_int_equal(m.n, 200000);
        assert_memory_equal(got, data, 200000);
        worker_free(other);
}

static void test_a_stream_that_waits_quietly_can_move_too(void **state _unused_) {
        uint8_t got[16];
        Move m = { .got = got, .size = sizeof(got), .result = 1 };
        Worker *other = NULL;

        assert_int_equal(worker_new(&other, 1), 0);
        connect_ends("a.test", 0, 0);
        exchange_hellos();
        stream_set_events(server.stream, 0);
        end_send(&client, "0123456789", 10);
        sip(&server, (char*) got);
        m.n = 4;
        hand_over(&m, &server.stream, other); /* no event of the socket will announce the rest */
        assert_int_equal(worker_start(other), 0);
        turn_for(5 * TICK_USEC);
        end_shut_down(&client);
        worker_join(other);
        assert_int_equal(m.result, 0);
        assert_int_equal(m.n, 10);
        assert_memory_equal(got, "0123456789", 10);
        worker_free(other);
}

static void test_a_detached_stream_can_be_freed(void **state _unused_) {
        connect_ends("a.test", 0, 0);
        exchange_hellos();
        end_send(&client, "x", 1);
        stream_detach(server.stream);
        server.stream = stream_free(server.stream);
        end_expect_result(&client, -ECONNRESET);
}

/* A server of plain GnuTLS calls that tells whether a session was resumed. */
typedef struct PlainServer {
        uv_thread_t thread;
        int fd;
        bool resumed;
        int result;
} PlainServer;

static void run_plain_server(void *arg) {
        PlainServer *p = arg;
        gnutls_session_t session;
        char c;

        fcntl(p->fd, F_SETFL, 0); /* blocking */
        gnutls_init(&session, GNUTLS_SERVER);
        p->result = tls_server_setup(tls_server, session);
        gnutls_transport_set_int(session, p->fd);
        if (p->result >= 0)
                p->result = gnutls_handshake(session);
        p->resumed = gnutls_session_is_resumed(session);
        gnutls_record_send(session, "x", 1);
        gnutls_record_recv(session, &c, 1); /* until the client ends */
        gnutls_deinit(session);
        close(p->fd);
}

static bool is_resumed(const char *host) {
        PlainServer p = {};
        Stream *s = NULL;
        int fd;

        tcp_pair(&p.fd, &fd, 0);
        assert_int_equal(uv_thread_create(&p.thread, run_plain_server, &p), 0);
        assert_int_equal(stream_tls_new_client(&s, worker, fd, tls_client, host, NULL, 0), 0);
        end_init(&client, s);
        end_expect(&client, "x", 1);
        end_shut_down(&client);
        uv_thread_join(&p.thread);
        end_done(&client);
        assert_int_equal(p.result, 0);
        return p.resumed;
}

static void test_a_session_is_resumed_with_the_same_host_and_server_only(void **state _unused_) {
        assert_false(is_resumed("a.test"));
        assert_true(is_resumed("a.test"));
        assert_true(is_resumed("a.test"));
        assert_false(is_resumed("b.test"));
        assert_true(is_resumed("b.test"));
        tls_server_unref(tls_server);
        tls_server = make_tls_server(); /* has another ticket key */
        assert_false(is_resumed("b.test"));
}

static void test_unreadable_files_are_refused_with_a_reason(void **state _unused_) {
        _cleanup_free_ char *why = NULL, *why_ca = NULL;
        TlsServer *s = NULL;
        TlsClient *c = NULL;

        assert_true(tls_server_new_files(&s, "/nonexistent/cert", key_file(), NULL, &why) < 0);
        assert_non_null(strstr(why, "/nonexistent/cert"));
        assert_null(s);
        assert_true(tls_server_new_files(&s, key_file(), key_file(), NULL, NULL) < 0);
        assert_null(s);
        assert_true(tls_client_new(&c, "/nonexistent/ca", &why_ca) < 0);
        assert_non_null(strstr(why_ca, "/nonexistent/ca"));
        assert_true(tls_client_new(&c, key_file(), NULL) < 0); /* has no certificate */
        assert_null(c);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                tls_test(test_bytes_go_both_ways),
                tls_test(test_what_was_read_before_is_where_it_begins),
                tls_test(test_what_was_read_before_may_be_no_tls),
                tls_test(test_warnings_without_end_are_an_error),
                tls_test(test_an_address_is_a_name_too),
                tls_test(test_nothing_is_written_before_the_handshake),
                tls_test(test_each_end_closes_by_itself),
                tls_test(test_the_server_may_end_first),
                tls_test(test_an_end_without_close_notify_is_an_abort),
                tls_test(test_for_a_lenient_stream_it_is_an_end),
                tls_test(test_a_reset_is_an_abort_also_for_a_lenient_stream),
                tls_test(test_another_name_is_refused),
                tls_test(test_a_certificate_of_nobody_we_trust_is_refused),
                tls_test(test_the_certificate_is_chosen_by_name),
                tls_test(test_what_is_not_tls_is_refused),
                tls_test(test_a_peer_that_leaves_in_the_handshake_is_an_abort),
                tls_test(test_a_peer_that_does_not_read_is_told_and_bounded),
                tls_test(test_input_at_hand_is_announced_when_it_is_wanted_again),
                tls_test(test_a_stream_may_be_freed_by_what_it_calls),
                tls_test(test_a_context_lives_as_long_as_its_streams),
                tls_test(test_a_stream_moves_to_another_worker_with_all_that_it_holds),
                tls_test(test_a_stream_that_waits_quietly_can_move_too),
                tls_test(test_a_detached_stream_can_be_freed),
                tls_test(test_a_session_is_resumed_with_the_same_host_and_server_only),
                tls_test(test_unreadable_files_are_refused_with_a_reason),
        };

        return cmocka_run_group_tests_name("net/stream-tls", tests, NULL, NULL);
}
