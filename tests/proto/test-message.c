/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/str.h"
#include "proto/frame.h"
#include "proto/message.h"

static int decode(const char *payload, Message *ret) {
        return message_decode(payload, strlen(payload), ret);
}

/* What M is on the wire, without the frame's header. */
static char *encode(const Message *m) {
        Buffer *out = buffer_get(NULL);
        const char *payload;
        char *copy;
        size_t n;

        assert_int_equal(message_encode(m, out), 0);
        assert_int_equal(frame_parse(buffer_head(out), buffer_length(out), &payload, &n), buffer_length(out));
        copy = strndup(payload, n);
        buffer_put(NULL, out);
        return copy;
}

static void assert_refused(const char *payload, size_t n) {
        Message m = { .type = MESSAGE_PONG };
        int r = message_decode(payload, n, &m);

        if (r != -EBADMSG || m.type != MESSAGE_PONG)
                fail_msg("%d for %.*s", r, (int) n, payload);
}

/* One line of recorded-messages.txt. */
static void check_recorded(char *line) {
        char *type = strsep(&line, "\t"), *text = strsep(&line, "\t");
        _cleanup_message_ Message m = {};
        _cleanup_free_ char *again = NULL;

        if (decode(text, &m) != 0)
                fail_msg("%s", text);
        assert_string_equal(message_type_to_string(m.type), type);
        again = encode(&m);
        assert_string_equal(again, line ? line : text);
        for (size_t n = 0; n < strlen(text); n++)
                assert_refused(text, n);
}

static void test_recorded_messages_are_read_and_written_alike(void **state) {
        const char *folder = getenv("TEST_DATA");
        _cleanup_free_ char *path = str_format("%s/proto/recorded-messages.txt", folder ? folder : "tests");
        _cleanup_fclose_ FILE *f = fopen(path, "re");
        _cleanup_free_ char *line = NULL;
        unsigned n_messages = 0;
        size_t size = 0;

        (void) state;
        if (!f)
                fail_msg("%s: %s", path, strerror(errno));
        while (getline(&line, &size, f) > 0) {
                line[strcspn(line, "\n")] = '\0';
                if (line[0] == '#')
                        continue;
                check_recorded(line);
                n_messages++;
        }
        assert_in_range(n_messages, 40, 100);
}

static void test_each_field_arrives_in_its_place(void **state) {
        Message m = {};

        (void) state;
        assert_int_equal(decode("{\"Type\":\"Auth\",\"Payload\":{\"Version\":\"2\",\"MmVersion\":\"m\","
                                "\"User\":\"u\",\"Password\":\"p\",\"OS\":\"o\",\"Arch\":\"a\","
                                "\"ClientId\":\"c\",\"Instance\":\"i\",\"Session\":63,\"HalfClose\":true}}",
                                &m),
                         0);
        assert_int_equal(m.type, MESSAGE_AUTH);
        assert_string_equal(m.auth.version, "2");
        assert_string_equal(m.auth.mm_version, "m");
        assert_string_equal(m.auth.user, "u");
        assert_string_equal(m.auth.password, "p");
        assert_string_equal(m.auth.os, "o");
        assert_string_equal(m.auth.arch, "a");
        assert_string_equal(m.auth.client_id, "c");
        assert_string_equal(m.auth.instance, "i");
        assert_int_equal(m.auth.session, 63);
        assert_true(m.auth.half_close);
        message_done(&m);

        assert_int_equal(decode("{\"Type\":\"AuthResp\",\"Payload\":{\"Version\":\"2\",\"MmVersion\":\"m\","
                                "\"ClientId\":\"c\",\"Error\":\"e\",\"User\":\"u\",\"Sessions\":64,\"HalfClose\":true}}",
                                &m),
                         0);
        assert_int_equal(m.type, MESSAGE_AUTH_RESP);
        assert_string_equal(m.auth_resp.version, "2");
        assert_string_equal(m.auth_resp.mm_version, "m");
        assert_string_equal(m.auth_resp.client_id, "c");
        assert_string_equal(m.auth_resp.error, "e");
        assert_string_equal(m.auth_resp.user, "u");
        assert_int_equal(m.auth_resp.sessions, 64);
        assert_true(m.auth_resp.half_close);
        message_done(&m);

        assert_int_equal(decode("{\"Type\":\"ReqTunnel\",\"Payload\":{\"ReqId\":\"r\",\"Protocol\":\"tcp\","
                                "\"Hostname\":\"h\",\"Subdomain\":\"s\",\"HttpAuth\":\"u:p\","
                                "\"RemotePort\":65535,\"Options\":{\"Forwarded\":true}}}",
                                &m),
                         0);
        assert_int_equal(m.type, MESSAGE_REQ_TUNNEL);
        assert_string_equal(m.req_tunnel.req_id, "r");
        assert_string_equal(m.req_tunnel.protocol, "tcp");
        assert_string_equal(m.req_tunnel.hostname, "h");
        assert_string_equal(m.req_tunnel.subdomain, "s");
        assert_string_equal(m.req_tunnel.options, "{\"Forwarded\":true}");
        assert_string_equal(m.req_tunnel.http_auth, "u:p");
        assert_int_equal(m.req_tunnel.remote_port, 65535);
        message_done(&m);
}

static void test_what_is_missing_or_null_is_empty(void **state) {
        static const char *const payloads[] = {
                "{\"Type\":\"ReqTunnel\"}",
                "{\"Type\":\"ReqTunnel\",\"Payload\":null}",
                "{\"Type\":\"ReqTunnel\",\"Payload\":{}}",
                "{\"Type\":\"ReqTunnel\",\"Payload\":{\"Hostname\":null,\"RemotePort\":null}}",
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(payloads); i++) {
                Message m = {};

                assert_int_equal(decode(payloads[i], &m), 0);
                assert_int_equal(m.type, MESSAGE_REQ_TUNNEL);
                assert_null(m.req_tunnel.hostname);
                assert_string_equal(message_str(m.req_tunnel.hostname), "");
                assert_int_equal(m.req_tunnel.remote_port, 0);
                message_done(&m);
        }
}

static void test_order_case_and_white_space_do_not_matter(void **state) {
        static const char *const payloads[] = {
                "{\"Payload\":{\"ClientId\":\"c\"},\"Type\":\"RegProxy\"}",
                "{\"pAYLOAD\":{\"clientid\":\"c\"},\"tYPE\":\"RegProxy\"}",
                " \t\r\n{ \"Type\" : \"RegProxy\" ,\n\"Payload\" : { \"ClientId\" : \"c\" } } \r\n",
                "{\"Type\":\"RegProxy\",\"Payload\":{\"ClientId\":\"\\u0063\"}}",
                "{\"Type\":\"RegProxy\",\"Payload\":{\"More\":{\"a\":[1.5,{}]},\"ClientId\":\"c\"},\"Y\":0}",
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(payloads); i++) {
                Message m = {};

                assert_int_equal(decode(payloads[i], &m), 0);
                assert_int_equal(m.type, MESSAGE_REG_PROXY);
                assert_string_equal(m.reg_proxy.client_id, "c");
                message_done(&m);
        }
}

static void test_the_last_of_several_equal_names_counts(void **state) {
        static const char *const payloads[] = {
                "{\"Type\":\"RegProxy\",\"Payload\":{\"ClientId\":\"a\",\"ClientId\":\"b\"}}",
                "{\"Type\":\"RegProxy\",\"Payload\":{\"clientid\":\"a\",\"ClientId\":\"b\"}}",
                "{\"Type\":\"RegProxy\",\"Payload\":{\"ClientId\":\"a\"},\"payload\":{\"ClientId\":\"b\"}}",
                "{\"Type\":\"Auth\",\"Payload\":{\"ClientId\":\"b\"},\"type\":\"RegProxy\"}",
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(payloads); i++) {
                Message m = {};

                assert_int_equal(decode(payloads[i], &m), 0);
                assert_int_equal(m.type, MESSAGE_REG_PROXY);
                assert_string_equal(m.reg_proxy.client_id, "b");
                message_done(&m);
        }
}

static void test_an_unknown_type_is_no_failure_whatever_it_carries(void **state) {
        static const char *const payloads[] = {
                "{\"Type\":\"Future\",\"Payload\":{\"ClientId\":7}}",
                "{\"Type\":\"Future\",\"Payload\":[1]}",
                "{\"Type\":\"Future\"}",
                "{\"Type\":\"\"}",
                "{\"Type\":\"auth\",\"Payload\":{}}", /* a type is a value, not a name */
                "{\"Type\":\"unknown\"}",
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(payloads); i++) {
                Message m = { .type = MESSAGE_PONG };

                assert_int_equal(decode(payloads[i], &m), 0);
                assert_int_equal(m.type, MESSAGE_UNKNOWN);
                message_done(&m);
        }
}

static void test_what_is_no_message_is_refused(void **state) {
        static const char *const payloads[] = {
                "",
                " ",
                "x",
                "{",
                "{}",
                "[]",
                "null",
                "\"Auth\"",
                "7",
                "{\"Payload\":{}}",
                "{\"Type\":null}",
                "{\"Type\":1}",
                "{\"Type\":[\"Auth\"]}",
                "{\"Type\":\"Ping\"}x",
                "{\"Type\":\"Ping\"}{}",
                "{\"Type\":\"Ping\"} /* */",
                "{\"Type\":\"Ping\",}",
                "{Type:\"Ping\"}",
                "{\"Type\":\"Ping\"",
                "{\"Type\":\"Ping\",\"Payload\":[]}",
                "{\"Type\":\"Ping\",\"Payload\":\"\"}",
                "{\"Type\":\"Auth\",\"Payload\":1}",
                "{\"Type\":\"Auth\",\"Payload\":{\"User\":1}}",
                "{\"Type\":\"Auth\",\"Payload\":{\"User\":true}}",
                "{\"Type\":\"Auth\",\"Payload\":{\"User\":{}}}",
                "{\"Type\":\"Auth\",\"Payload\":{\"User\":[\"x\"]}}",
                "{\"Type\":\"Auth\",\"Payload\":{\"User\":\"a\\u0000b\"}}",
                "{\"Type\":\"Auth\",\"Payload\":{\"User\":\"\\u0000\"}}",
                "{\"Type\":\"Auth\",\"Payload\":{\"User\":\"a\001b\"}}",
                "{\"Type\":\"Auth\",\"Payload\":{\"HalfClose\":1}}",
                "{\"Type\":\"Auth\",\"Payload\":{\"Session\":-1}}",
                "{\"Type\":\"Auth\",\"Payload\":{\"Session\":65536}}",
                "{\"Type\":\"Auth\",\"Payload\":{\"Session\":\"1\"}}",
                "{\"Type\":\"Auth\",\"Payload\":{\"Instance\":1}}",
                "{\"Type\":\"Auth\",\"Payload\":{\"HalfClose\":\"true\"}}",
                "{\"Type\":\"Auth\",\"Payload\":{\"User\":\"x\",\"User\":1}}",
                "{\"Type\":\"Auth\",\"Payload\":{\"User\":\"x\",\"user\":1}}",
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(payloads); i++)
                assert_refused(payloads[i], strlen(payloads[i]));
        assert_refused("{\"Type\":\"Ping\"}\0", 16);
        assert_refused("\0{\"Type\":\"Ping\"}", 16);
}

static void test_bytes_that_are_not_utf_8_are_refused(void **state) {
        static const struct {
                const char *bytes;
                bool valid;
        } cases[] = {
                { "\x7f", true },          { "\xc3\xa4", true }, { "\xf4\x8f\xbf\xbf", true },
                { "\xc0\x80", false },     /* NUL in two bytes */
                { "\xed\xa0\x80", false }, /* a surrogate */
                { "\xff", false },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *payload = str_format(
                        "{\"Type\":\"RegProxy\",\"Payload\":{\"ClientId\":\"%s\"}}", cases[i].bytes);
                Message m = {};

                if (decode(payload, &m) != (cases[i].valid ? 0 : -EBADMSG))
                        fail_msg("case %zu", i);
                assert_string_equal(message_str(m.reg_proxy.client_id), cases[i].valid ? cases[i].bytes : "");
                message_done(&m);
        }
}

static void test_a_remote_port_is_a_whole_number_of_16_bits(void **state) {
        static const struct {
                const char *text;
                int port; /* negative: refused */
        } cases[] = {
                { "0", 0 },
                { "1", 1 },
                { "65535", 65535 },
                { "65536", -1 },
                { "-1", -1 },
                { "4294967296", -1 },
                { "9223372036854775808", -1 },
                { "18446744073709551616", -1 },
                { "-9223372036854775809", -1 },
                { "80.0", -1 },
                { "8e1", -1 },
                { "\"80\"", -1 },
                { "true", -1 },
                { "[80]", -1 },
                { "0x50", -1 },
                { "080", -1 },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *payload =
                        str_format("{\"Type\":\"ReqTunnel\",\"Payload\":{\"RemotePort\":%s}}", cases[i].text);
                Message m = {};
                int r = decode(payload, &m);

                if (r != (cases[i].port < 0 ? -EBADMSG : 0))
                        fail_msg("%s: %d", cases[i].text, r);
                assert_int_equal(m.req_tunnel.remote_port, cases[i].port < 0 ? 0 : cases[i].port);
                message_done(&m);
        }
}

static void test_deep_nesting_is_refused(void **state) {
        char nested[2 * 10000 + 1];
        _cleanup_free_ char *payload = NULL;

        (void) state;
        memset(nested, '[', 10000);
        memset(nested + 10000, ']', 10000);
        nested[20000] = '\0';
        payload = str_format("{\"Type\":\"Ping\",\"Payload\":{\"X\":%s}}", nested);
        assert_refused(payload, strlen(payload));
}

static void test_a_payload_longer_than_a_frame_is_refused(void **state) {
        _cleanup_free_ char *payload = malloc(FRAME_PAYLOAD_MAX + 2);
        Message m = {};

        (void) state;
        memset(payload, ' ', FRAME_PAYLOAD_MAX + 1);
        memcpy(payload, "{\"Type\":\"Ping\"}", 15);
        assert_refused(payload, FRAME_PAYLOAD_MAX + 1);
        assert_int_equal(message_decode(payload, FRAME_PAYLOAD_MAX, &m), 0);
        assert_int_equal(m.type, MESSAGE_PING);
}

static void test_our_own_fields_are_sent_only_when_set(void **state) {
        Message m = { .type = MESSAGE_AUTH_RESP,
                      .auth_resp = { .error = (char *) "no", .sessions = 64, .half_close = true } };
        Message auth = { .type = MESSAGE_AUTH, .auth = { .instance = (char *) "i", .session = 1 } };
        _cleanup_free_ char *with = encode(&m), *without = NULL, *auth_with = encode(&auth),
                            *auth_without = NULL;

        (void) state;
        m.auth_resp.half_close = false;
        m.auth_resp.sessions = 0;
        without = encode(&m);
        auth.auth = (MessageAuth){};
        auth_without = encode(&auth);
        assert_string_equal(auth_with, "{\"Type\":\"Auth\",\"Payload\":{\"Version\":\"\",\"MmVersion\":\"\","
                                       "\"User\":\"\",\"Password\":\"\",\"OS\":\"\",\"Arch\":\"\","
                                       "\"ClientId\":\"\",\"Instance\":\"i\",\"Session\":1}}");
        assert_string_equal(auth_without,
                            "{\"Type\":\"Auth\",\"Payload\":{\"Version\":\"\",\"MmVersion\":\"\","
                            "\"User\":\"\",\"Password\":\"\",\"OS\":\"\",\"Arch\":\"\","
                            "\"ClientId\":\"\"}}");
        assert_string_equal(with, "{\"Type\":\"AuthResp\",\"Payload\":{\"Version\":\"\",\"MmVersion\":\"\","
                                  "\"ClientId\":\"\",\"Error\":\"no\",\"Sessions\":64,\"HalfClose\":true}}");
        assert_string_equal(without, "{\"Type\":\"AuthResp\",\"Payload\":{\"Version\":\"\","
                                     "\"MmVersion\":\"\",\"ClientId\":\"\",\"Error\":\"no\"}}");
}

static void test_the_health_of_a_tunnel(void **state _unused_) {
        Message failing = { .type = MESSAGE_TUNNEL_HEALTH, .tunnel_health = { (char*) "http://a.x", true } };
        Message well = { .type = MESSAGE_TUNNEL_HEALTH, .tunnel_health = { (char*) "http://a.x", false } };
        _cleanup_free_ char *first = encode(&failing), *second = encode(&well);
        _cleanup_message_ Message m = {};

        assert_string_equal(first,
                            "{\"Type\":\"TunnelHealth\",\"Payload\":{\"Url\":\"http://a.x\",\"Failing\":true}}");
        assert_string_equal(second, "{\"Type\":\"TunnelHealth\",\"Payload\":{\"Url\":\"http://a.x\"}}");
        assert_int_equal(decode(first, &m), 0);
        assert_int_equal(m.type, MESSAGE_TUNNEL_HEALTH);
        assert_string_equal(m.tunnel_health.url, "http://a.x");
        assert_true(m.tunnel_health.failing);
}

static void test_any_string_survives_the_wire(void **state) {
        static const char *const strings[] = {
                "",  "http://a.b/c", "\"",         "\\",
                "'", "\\u0000",      "</script>&", "\n\r\t\b\f\x01\x1f\x7f\xc3\xa4\xf0\x9f\x98\x80",
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(strings); i++) {
                Message m = { .type = MESSAGE_START_PROXY, .start_proxy = { .url = (char *) strings[i] } };
                _cleanup_free_ char *payload = encode(&m);
                _cleanup_message_ Message back = {};

                assert_int_equal(decode(payload, &back), 0);
                assert_string_equal(back.start_proxy.url, strings[i]);
                assert_string_equal(back.start_proxy.client_addr, "");
        }
}

static void test_what_does_not_fit_leaves_the_buffer_as_it_was(void **state) {
        Message m = { .type = MESSAGE_PING };
        Buffer *out = buffer_get(NULL);

        (void) state;
        buffer_produce(out, BUFFER_BYTES - 36); /* the frame has 8 + 28 bytes */
        assert_int_equal(message_encode(&m, out), 0);
        assert_int_equal(buffer_room(out), 0);
        assert_int_equal(message_encode(&m, out), -ENOBUFS);
        assert_int_equal(buffer_length(out), BUFFER_BYTES);
        buffer_consume(out, 35);
        assert_int_equal(message_encode(&m, out), -ENOBUFS);
        assert_int_equal(buffer_length(out), BUFFER_BYTES - 35);
        buffer_consume(out, 1); /* room in front is room too */
        assert_int_equal(message_encode(&m, out), 0);
        assert_int_equal(buffer_length(out), BUFFER_BYTES);
        assert_memory_equal(buffer_tail(out) - 28, "{\"Type\":\"Ping\",\"Payload\":{}}", 28);
        buffer_put(NULL, out);
}

static void test_the_longest_payload_is_that_of_a_frame(void **state) {
        _cleanup_free_ char *id = malloc(FRAME_PAYLOAD_MAX + 1);
        size_t n = FRAME_PAYLOAD_MAX - strlen("{\"Type\":\"RegProxy\",\"Payload\":{\"ClientId\":\"\"}}");
        Message m = { .type = MESSAGE_REG_PROXY, .reg_proxy = { .client_id = id } };
        Buffer *out = buffer_get(NULL);

        (void) state;
        memset(id, 'x', n + 1);
        id[n + 1] = '\0';
        assert_int_equal(message_encode(&m, out), -ENOBUFS);
        assert_int_equal(buffer_length(out), 0);
        id[n] = '\0';
        assert_int_equal(message_encode(&m, out), 0);
        assert_int_equal(buffer_length(out), FRAME_HEADER_BYTES + FRAME_PAYLOAD_MAX);
        buffer_put(NULL, out);
}

static void test_done_twice_is_harmless(void **state) {
        Message m = {};

        (void) state;
        message_done(&m);
        assert_int_equal(decode("{\"Type\":\"RegProxy\",\"Payload\":{\"ClientId\":\"c\"}}", &m), 0);
        message_done(&m);
        assert_int_equal(m.type, MESSAGE_UNKNOWN);
        assert_null(m.reg_proxy.client_id);
        message_done(&m);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_recorded_messages_are_read_and_written_alike),
                cmocka_unit_test(test_each_field_arrives_in_its_place),
                cmocka_unit_test(test_what_is_missing_or_null_is_empty),
                cmocka_unit_test(test_order_case_and_white_space_do_not_matter),
                cmocka_unit_test(test_the_last_of_several_equal_names_counts),
                cmocka_unit_test(test_an_unknown_type_is_no_failure_whatever_it_carries),
                cmocka_unit_test(test_what_is_no_message_is_refused),
                cmocka_unit_test(test_bytes_that_are_not_utf_8_are_refused),
                cmocka_unit_test(test_a_remote_port_is_a_whole_number_of_16_bits),
                cmocka_unit_test(test_deep_nesting_is_refused),
                cmocka_unit_test(test_a_payload_longer_than_a_frame_is_refused),
                cmocka_unit_test(test_our_own_fields_are_sent_only_when_set),
                cmocka_unit_test(test_the_health_of_a_tunnel),
                cmocka_unit_test(test_any_string_survives_the_wire),
                cmocka_unit_test(test_what_does_not_fit_leaves_the_buffer_as_it_was),
                cmocka_unit_test(test_the_longest_payload_is_that_of_a_frame),
                cmocka_unit_test(test_done_twice_is_harmless),
        };

        return cmocka_run_group_tests_name("proto/message", tests, NULL, NULL);
}
