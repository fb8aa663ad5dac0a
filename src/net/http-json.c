/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "net/http-json.h"

#include <errno.h>
#include <stdarg.h>

#define ANSWER_FLAGS (JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)
#define BODY_DEPTH_MAX 8

void http_answer_json(HttpExchange *x, unsigned status, struct json_object *o) {
        HttpAnswer answer = { .status = status, .content_type = "application/json" };
        size_t n = 0;
        const char *text = o ? json_object_to_json_string_length(o, ANSWER_FLAGS, &n) : NULL;

        answer.body = text ? malloc(n + 1) : NULL;
        if (answer.body) {
                memcpy(answer.body, text, n);
                answer.body[n] = '\n';
                answer.body_length = n + 1;
        } else
                answer.status = 500;
        json_object_put(o);
        http_exchange_answer(x, &answer);
}

void http_answer_error(HttpExchange *x, unsigned status, const char *format, ...) {
        struct json_object *o = json_object_new_object();
        _cleanup_free_ char *text = NULL;
        va_list arguments;
        int n;

        va_start(arguments, format);
        n = vasprintf(&text, format, arguments);
        va_end(arguments);
        if (n < 0)
                text = NULL;
        if (o)
                json_object_object_add(o, "error", json_object_new_string(text ? text : "Out of memory"));
        http_answer_json(x, status, o);
}

struct json_object *http_body_parse(const HttpRequest *r) {
        struct json_tokener *t = json_tokener_new_ex(BODY_DEPTH_MAX);
        struct json_object *o = NULL;

        if (!t)
                return NULL;
        json_tokener_set_flags(t, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
        o = json_tokener_parse_ex(t, r->body,
                                  (int) r->body_length + 1); /* with the NUL, which ends a value */
        if (json_tokener_get_error(t) != json_tokener_success || !json_object_is_type(o, json_type_object)) {
                json_object_put(o);
                o = NULL;
        }
        json_tokener_free(t);
        return o;
}

const char *http_json_string(struct json_object *value) {
        const char *s;

        if (!json_object_is_type(value, json_type_string))
                return NULL;
        s = json_object_get_string(value);
        return *s && strlen(s) == (size_t) json_object_get_string_len(value) ? s : NULL;
}

const char *http_body_string(struct json_object *body, const char *name) {
        struct json_object *member;

        return json_object_object_get_ex(body, name, &member) ? http_json_string(member) : NULL;
}
