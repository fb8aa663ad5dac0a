/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "net/http-json.h"

#include <stdarg.h>

#include "base/str.h"

void http_answer_json(HttpExchange *x, unsigned status, struct json_object *o) {
        HttpAnswer answer = { .status = status, .content_type = "application/json" };
        size_t n = 0;
        const char *text = o ? json_text(o, &n) : NULL;

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
        struct json_object *o = NULL;

        if (json_parse(r->body, r->body_length, &o) >= 0 && json_object_is_type(o, json_type_object))
                return o;
        json_object_put(o);
        return NULL;
}

const char *http_json_string(struct json_object *value) {
        const char *s = json_string(value);

        return str_is_empty(s) ? NULL : s;
}

const char *http_body_string(struct json_object *body, const char *name) {
        struct json_object *member;

        return json_object_object_get_ex(body, name, &member) ? http_json_string(member) : NULL;
}
