/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/json.h"

#include <errno.h>
#include <limits.h>

#include "base/str.h"
#include "proto/utf8.h"

int json_parse(const char *s, size_t n, json_object **ret) {
        _cleanup_json_ json_object *value = NULL;
        json_tokener *tokener;
        size_t end;

        if (n > INT_MAX || !utf8_is_valid(s, n)) /* json-c hardly looks at what is in strings */
                return -EBADMSG;
        tokener = json_tokener_new_ex(JSON_DEPTH_MAX);
        if (!tokener)
                return -ENOMEM;
        json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
        value = json_tokener_parse_ex(tokener, s, (int) n);
        end = json_tokener_get_parse_end(tokener);
        json_tokener_free(tokener);
        if (!value || end != n)
                return -EBADMSG;
        *ret = TAKE_PTR(value);
        return 0;
}

const char *json_string(json_object *value) {
        const char *s;

        if (!json_object_is_type(value, json_type_string))
                return NULL;
        s = json_object_get_string(value);
        return strlen(s) == (size_t) json_object_get_string_len(value) ? s : NULL;
}

/* ISO 8859-1 has each character at its own number in Unicode. */
static json_object *from_latin1(const char *s, size_t n) {
        _cleanup_free_ char *text = n < INT_MAX / 2 ? malloc(2 * n + 1) : NULL;
        size_t k = 0;

        if (!text)
                return NULL;
        for (size_t i = 0; i < n; i++) {
                uint8_t c = (uint8_t) s[i];

                if (c >= 0x80) {
                        text[k++] = (char) (0xc0 | c >> 6);
                        text[k++] = (char) (0x80 | (c & 0x3f));
                } else
                        text[k++] = s[i];
        }
        return json_object_new_string_len(text, (int) k);
}

json_object *json_from_bytes(const char *s, size_t n) {
        return utf8_is_valid(s, n) ? json_object_new_string_len(s, (int) n) : from_latin1(s, n);
}

int json_add(json_object *o, const char *key, json_object *value) {
        unsigned flags = JSON_C_OBJECT_ADD_KEY_IS_NEW | JSON_C_OBJECT_KEY_IS_CONSTANT;

        if (value && json_object_object_add_ex(o, key, value, flags) == 0)
                return 0;
        json_object_put(value);
        return -ENOMEM;
}

int json_append(json_object *list, json_object *value) {
        if (value && json_object_array_add(list, value) == 0)
                return 0;
        json_object_put(value);
        return -ENOMEM;
}

const char *json_text(json_object *o, size_t *ret_n) {
        return json_object_to_json_string_length(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE,
                                                 ret_n);
}
