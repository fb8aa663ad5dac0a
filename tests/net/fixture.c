/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fixture.h"

#include <fcntl.h>
#include <gnutls/x509.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <time.h>

Worker *worker;
static Timer *tick;

static void on_tick(void *userdata _unused_) {
}

int worker_set_up(void **state _unused_) {
        if (worker_new(&worker, 0) < 0 || timer_new(&tick, worker, on_tick, NULL) < 0)
                return -1;
        timer_start_every(tick, TICK_USEC);
        return 0;
}

int worker_tear_down(void **state _unused_) {
        tick = timer_free(tick);
        worker = worker_free(worker); /* aborts when a handle is open */
        return 0;
}

void turn(void) {
        worker_turn(worker, true);
}

void turn_for(uint64_t usec) {
        for (uint64_t end = clock_usec() + usec; clock_usec() < end;)
                turn();
}

static void set_up_end(int fd, int buffer_size) {
        assert_true(fd >= 0);
        assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
        if (buffer_size == 0)
                return;
        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer_size, sizeof(buffer_size)), 0);
        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer_size, sizeof(buffer_size)), 0);
}

void tcp_pair(int *ret_a, int *ret_b, int buffer_size) {
        struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        _cleanup_close_ int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        socklen_t n = sizeof(in);

        assert_int_equal(bind(listener, (struct sockaddr*) &in, n), 0);
        assert_int_equal(listen(listener, 1), 0);
        assert_int_equal(getsockname(listener, (struct sockaddr*) &in, &n), 0);
        *ret_a = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(connect(*ret_a, (struct sockaddr*) &in, n), 0);
        *ret_b = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        set_up_end(*ret_a, buffer_size);
        set_up_end(*ret_b, buffer_size);
}

void far_send(int fd, const void *data, size_t n) {
        const uint8_t *p = data;

        while (n > 0) {
                ssize_t k = -1;

                turn_while((k = send(fd, p, n, MSG_NOSIGNAL)) < 0 && errno == EAGAIN);
                assert_true(k > 0);
                p += k;
                n -= (size_t) k;
        }
}

static ssize_t far_receive(int fd, void *data, size_t n) {
        ssize_t k = -1;

        turn_while((k = recv(fd, data, n, 0)) < 0 && errno == EAGAIN);
        return k;
}

void far_expect(int fd, const void *data, size_t n) {
        _cleanup_free_ uint8_t *got = malloc(n + 1);

        for (size_t i = 0; i < n;) {
                ssize_t k = far_receive(fd, got + i, n - i);

                assert_true(k > 0);
                i += (size_t) k;
        }
        assert_memory_equal(got, data, n);
}

void far_expect_end(int fd) {
        char c;

        assert_int_equal(far_receive(fd, &c, 1), 0);
}

void far_expect_reset(int fd) {
        ssize_t k;
        char c[4096];

        while ((k = far_receive(fd, c, sizeof(c))) > 0) /* what came before it does not matter */
                ;
        assert_int_equal(k, -1);
        assert_int_equal(errno, ECONNRESET);
}

size_t far_flood(int fd) {
        static const char zeros[65536];
        size_t sum = 0;

        for (unsigned quiet = 0; quiet < 10; quiet++) {
                ssize_t k;

                while ((k = send(fd, zeros, sizeof(zeros), MSG_NOSIGNAL)) > 0) {
                        sum += (size_t) k;
                        quiet = 0;
                        turn();
                }
                assert_true(k < 0 && errno == EAGAIN);
                turn_for(2 * TICK_USEC);
        }
        return sum;
}

void far_reset(int fd) {
        struct linger linger = { .l_onoff = 1 };

        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
        close(fd);
}

uint8_t *noise(size_t n, unsigned seed) {
        uint8_t *p = malloc(n);
        uint32_t x = seed * 2654435761u + 1;

        assert_non_null(p);
        for (size_t i = 0; i < n; i++) {
                x = x * 1664525u + 1013904223u;
                p[i] = (uint8_t) (x >> 24);
        }
        return p;
}

static void on_end_event(Stream *s, unsigned events, void *userdata) {
        End *e = userdata;
        char block[20000];
        ssize_t k = -EAGAIN;

        if (events & STREAM_WRITABLE) {
                e->writable = true;
                stream_set_events(s, s->wanted & ~(unsigned) STREAM_WRITABLE);
        }
        if (events & STREAM_READABLE)
                k = stream_read(s, block, sizeof(block));
        if (k > 0) {
                e->data = realloc(e->data, e->n + (size_t) k);
                memcpy(e->data + e->n, block, (size_t) k);
                e->n += (size_t) k;
        } else if (k != -EAGAIN) {
                e->result = (int) k;
                stream_set_events(s, s->wanted & ~(unsigned) STREAM_READABLE);
        }
}

void end_init(End *e, Stream *s) {
        *e = (End) { .stream = s, .result = 1 };
        end_listen(e);
}

void end_listen(End *e) {
        stream_set_callback(e->stream, on_end_event, e);
        stream_set_events(e->stream, STREAM_READABLE);
}

void end_done(End *e) {
        stream_free(e->stream);
        free(e->data);
        *e = (End) {};
}

static void end_wait_writable(End *e) {
        e->writable = false;
        stream_set_events(e->stream, e->stream->wanted | STREAM_WRITABLE);
        turn_while(!e->writable);
}

void end_send(End *e, const void *data, size_t n) {
        const uint8_t *p = data;
        int r;

        while (n > 0) {
                ssize_t k = stream_write(e->stream, p, n);

                assert_true(k > 0 || k == -EAGAIN);
                if (k < 0) {
                        end_wait_writable(e);
                        continue;
                }
                p += k;
                n -= (size_t) k;
                r = stream_flush(e->stream);
                assert_true(r == 0 || r == -EAGAIN);
        }
        while ((r = stream_flush(e->stream)) == -EAGAIN)
                end_wait_writable(e);
        assert_int_equal(r, 0);
}

void end_expect(End *e, const void *data, size_t n) {
        turn_while(e->n < n && e->result == 1);
        assert_int_equal(e->n, n);
        assert_memory_equal(e->data, data, n);
        e->n = 0;
}

void end_expect_result(End *e, int result) {
        turn_while(e->result == 1);
        assert_int_equal(e->result, result);
        assert_int_equal(e->n, 0);
}

static char certificate_path[] = "/tmp/pgrok-test-XXXXXX", key_path[] = "/tmp/pgrok-test-XXXXXX";

static void write_file(char *path, const gnutls_datum_t *text) {
        _cleanup_close_ int fd = mkstemp(path);

        assert_true(fd >= 0 && write(fd, text->data, text->size) == (ssize_t) text->size);
}

static void remove_files(void) {
        unlink(certificate_path);
        unlink(key_path);
}

static void sign(gnutls_x509_crt_t crt, gnutls_x509_privkey_t key) {
        static const char *const names[] = { "a.test", "b.test", "localhost" };
        static const unsigned char address[] = { 127, 0, 0, 1 };

        gnutls_x509_crt_set_version(crt, 3);
        gnutls_x509_crt_set_serial(crt, "\1", 1);
        gnutls_x509_crt_set_activation_time(crt, time(NULL) - 3600);
        gnutls_x509_crt_set_expiration_time(crt, time(NULL) + 86400);
        gnutls_x509_crt_set_dn(crt, "CN=pgrok test", NULL);
        gnutls_x509_crt_set_key(crt, key);
        gnutls_x509_crt_set_basic_constraints(crt, 1, -1);
        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME, names[i],
                                                     (unsigned) strlen(names[i]), GNUTLS_FSAN_APPEND);
        gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_IPADDRESS, address, sizeof(address),
                                             GNUTLS_FSAN_APPEND);
        assert_int_equal(gnutls_x509_crt_sign2(crt, crt, key, GNUTLS_DIG_SHA256, 0), 0);
}

static void make_certificate(void) {
        gnutls_x509_privkey_t key;
        gnutls_x509_crt_t crt;
        gnutls_datum_t text;

        gnutls_x509_privkey_init(&key);
        gnutls_x509_crt_init(&crt);
        assert_int_equal(gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA,
                                                      GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0),
                         0);
        sign(crt, key);
        assert_int_equal(gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &text), 0);
        write_file(certificate_path, &text);
        gnutls_free(text.data);
        assert_int_equal(gnutls_x509_privkey_export2(key, GNUTLS_X509_FMT_PEM, &text), 0);
        write_file(key_path, &text);
        gnutls_free(text.data);
        gnutls_x509_crt_deinit(crt);
        gnutls_x509_privkey_deinit(key);
        atexit(remove_files);
}

const char *certificate_file(void) {
        static bool made;

        if (!made)
                make_certificate();
        made = true;
        return certificate_path;
}

const char *key_file(void) {
        certificate_file();
        return key_path;
}

TlsServer *make_tls_server(void) {
        TlsServer *t = NULL;

        assert_int_equal(tls_server_new_files(&t, certificate_file(), key_file(), NULL, NULL), 0);
        return t;
}

TlsClient *make_tls_client(void) {
        TlsClient *t = NULL;

        assert_int_equal(tls_client_new(&t, certificate_file(), NULL), 0);
        return t;
}
