/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/tunnel-options.h"

#include <errno.h>

#include "proto/hostname.h"
#include "proto/http-user.h"
#include "proto/json.h"

/* One table says what there is; reading, writing, comparing and freeing go by it. */

typedef enum OptionKind {
        OPTION_NETWORKS, /* CidrList; a list of strings */
        OPTION_EDITS,    /* HeaderEdits; {"Set":{…},"Remove":[…]} */
        OPTION_TEXT,     /* char*, owned */
        OPTION_TEXTS,    /* ConfigList; a list of strings */
        OPTION_FLAG,     /* bool */
        OPTION_SECONDS,  /* uint64_t, up to TUNNEL_OPTIONS_HSTS_MAX */
} OptionKind;

typedef const char *(*OptionCheckFn)(const char *value); /* NULL: it is right */

typedef struct Option {
        const char *name; /* on the wire */
        const char *key;  /* in the configuration */
        TunnelOption bit;
        OptionKind kind;
        size_t offset; /* in TunnelOptions */
        OptionCheckFn check;
        const char *form; /* goes on after "Options: NAME must be " */
} Option;

#define OPTION(name, key, BIT, KIND, check, form) \
        { (name), #key, TUNNEL_OPTION_##BIT, OPTION_##KIND, offsetof(TunnelOptions, key), (check), (form) }

static const Option options[] = {
        OPTION("Allow", allow, ALLOW, NETWORKS, NULL, "a list of up to 256 networks"),
        OPTION("Deny", deny, DENY, NETWORKS, NULL, "a list of up to 256 networks"),
        OPTION("RequestHeaders", request_headers, REQUEST_HEADERS, EDITS, NULL,
               "fields that may be set and removed, up to 32"),
        OPTION("ResponseHeaders", response_headers, RESPONSE_HEADERS, EDITS, NULL,
               "fields that may be set and removed, up to 32"),
        OPTION("HostHeader", host_header, HOST_HEADER, TEXT, tunnel_options_check_host, "a host"),
        OPTION("Forwarded", forwarded, FORWARDED, FLAG, NULL, "true or false"),
        OPTION("ServerAddr", server_addr, SERVER_ADDR, FLAG, NULL, "true or false"),
        OPTION("HttpAuth", http_auth, HTTP_AUTH, TEXTS, http_user_check,
               "a list of up to 64 of USER:PASSWORD or USER:HASH"),
        OPTION("Hsts", hsts, HSTS, SECONDS, NULL, "a number of seconds, up to ten years"),
        OPTION("RedirectHttps", redirect_https, REDIRECT_HTTPS, FLAG, NULL, "true or false"),
};

static void *field_of(TunnelOptions *o, const Option *option) {
        return (char*) o + option->offset;
}

static const void *field_of_const(const TunnelOptions *o, const Option *option) {
        return (const char*) o + option->offset;
}

const char *tunnel_options_check_host(const char *value) {
        char host[HOSTNAME_LENGTH_MAX + 1];
        uint16_t port;

        return host_header_parse(value, strlen(value), host, &port) < 0 || *host == '\0'
                       ? "must be a host, perhaps with a port, such as localhost:3000"
                       : NULL;
}

/* ---- life ---- */

TunnelOptions *tunnel_options_new(void) {
        TunnelOptions *o = new0(TunnelOptions, 1);

        if (o)
                o->n_refs = 1;
        return o;
}

TunnelOptions *tunnel_options_ref(TunnelOptions *o) {
        if (o)
                atomic_fetch_add_explicit(&o->n_refs, 1, memory_order_relaxed);
        return o;
}

static void option_done(const Option *option, void *field) {
        switch (option->kind) {
        case OPTION_NETWORKS:
                cidr_list_done(field);
                break;
        case OPTION_EDITS:
                header_edits_done(field);
                break;
        case OPTION_TEXT:
                free(*(char**) field);
                break;
        case OPTION_TEXTS:
                config_list_done(field);
                break;
        default:
                break;
        }
}

TunnelOptions *tunnel_options_unref(TunnelOptions *o) {
        if (!o || atomic_fetch_sub(&o->n_refs, 1) > 1)
                return NULL;
        for (size_t i = 0; i < o->http_auth.n; i++)
                explicit_bzero(o->http_auth.items[i], strlen(o->http_auth.items[i]));
        for (size_t i = 0; i < ELEMENTSOF(options); i++)
                option_done(&options[i], field_of(o, &options[i]));
        free(o);
        return NULL;
}

/* ---- reading ---- */

/* Calls ADD with each string of a list of MAX at most. */
static int read_strings(json_object *value, size_t max, void *field, OptionCheckFn check,
                        int (*add)(void *field, const char *item)) {
        if (!json_object_is_type(value, json_type_array) || json_object_array_length(value) > max)
                return -EINVAL;
        for (size_t i = 0; i < json_object_array_length(value); i++) {
                const char *item = json_string(json_object_array_get_idx(value, i));
                int r = item && !(check && check(item)) ? add(field, item) : -EINVAL;

                if (r < 0)
                        return r;
        }
        return 0;
}

static int add_network(void *field, const char *item) {
        return strchr(item, ',') ? -EINVAL : cidr_list_add(field, item);
}

static int add_text(void *field, const char *item) {
        return config_list_add(field, item);
}

static int add_removal(void *field, const char *item) {
        return header_edits_add(field, item, NULL);
}

static int read_set(json_object *value, HeaderEdits *edits) {
        if (!json_object_is_type(value, json_type_object))
                return -EINVAL;
        json_object_object_foreach(value, name, text) {
                const char *s = json_string(text);
                int r = s ? header_edits_add(edits, name, s) : -EINVAL;

                if (r < 0)
                        return r;
        }
        return 0;
}

static int read_edits(json_object *value, HeaderEdits *edits) {
        json_object *set, *removed;
        int r = 0;

        if (!json_object_is_type(value, json_type_object))
                return -EINVAL;
        if (json_object_object_get_ex(value, "Set", &set))
                r = read_set(set, edits);
        if (r >= 0 && json_object_object_get_ex(value, "Remove", &removed))
                r = read_strings(removed, HEADER_EDITS_MAX, edits, NULL, add_removal);
        return r;
}

static int read_text(json_object *value, OptionCheckFn check, char **text) {
        const char *s = json_string(value);

        return s && !check(s) ? str_replace(text, s) : -EINVAL;
}

static int read_seconds(json_object *value, uint64_t *seconds) {
        int64_t n = json_object_is_type(value, json_type_int) ? json_object_get_int64(value) : -1;

        if (n < 0 || n > TUNNEL_OPTIONS_HSTS_MAX)
                return -EINVAL;
        *seconds = (uint64_t) n;
        return 0;
}

static int read_option(const Option *option, json_object *value, void *field) {
        switch (option->kind) {
        case OPTION_NETWORKS:
                return read_strings(value, TUNNEL_OPTIONS_NETWORKS_MAX, field, NULL, add_network);
        case OPTION_EDITS:
                return read_edits(value, field);
        case OPTION_TEXT:
                return read_text(value, option->check, field);
        case OPTION_TEXTS:
                return read_strings(value, TUNNEL_OPTIONS_USERS_MAX, field, option->check, add_text);
        case OPTION_SECONDS:
                return read_seconds(value, field);
        case OPTION_FLAG:
                if (!json_object_is_type(value, json_type_boolean))
                        return -EINVAL;
                *(bool*) field = json_object_get_boolean(value);
        }
        return 0;
}

static int refuse(char **ret_why, char *why) {
        if (!why)
                return -ENOMEM;
        *ret_why = why;
        return -EINVAL;
}

static int read_options(json_object *object, TunnelOptions *o, char **ret_why) {
        if (!json_object_is_type(object, json_type_object))
                return refuse(ret_why, strdup("Options must be an object"));
        for (size_t i = 0; i < ELEMENTSOF(options); i++) {
                json_object *value = NULL;
                int r;

                if (!json_object_object_get_ex(object, options[i].name, &value) || !value)
                        continue;
                r = read_option(&options[i], value, field_of(o, &options[i]));
                if (r == -ENOMEM)
                        return r;
                if (r < 0)
                        return refuse(ret_why,
                                      str_format("Options: %s must be %s", options[i].name, options[i].form));
        }
        return 0;
}

int tunnel_options_decode(TunnelOptions **ret, const char *text, char **ret_why) {
        _cleanup_(tunnel_options_unrefp) TunnelOptions *o = NULL;
        _cleanup_json_ json_object *object = NULL;
        size_t n = strlen(text);
        int r;

        if (n == 0) {
                *ret = NULL;
                return 0;
        }
        if (n > TUNNEL_OPTIONS_BYTES_MAX)
                return refuse(ret_why,
                              str_format("Options are longer than %d bytes", TUNNEL_OPTIONS_BYTES_MAX));
        r = json_parse(text, n, &object);
        if (r < 0)
                return r == -ENOMEM ? r : refuse(ret_why, strdup("Options are no JSON"));
        o = tunnel_options_new();
        if (!o)
                return -ENOMEM;
        r = read_options(object, o, ret_why);
        if (r >= 0)
                *ret = TAKE_PTR(o);
        return r;
}

/* ---- writing ---- */

static bool option_is_set(const Option *option, const void *field) {
        switch (option->kind) {
        case OPTION_NETWORKS:
                return ((const CidrList*) field)->n > 0;
        case OPTION_EDITS:
                return ((const HeaderEdits*) field)->n > 0;
        case OPTION_TEXT:
                return *(char *const *) field;
        case OPTION_TEXTS:
                return ((const ConfigList*) field)->n > 0;
        case OPTION_FLAG:
                return *(const bool*) field;
        case OPTION_SECONDS:
                return *(const uint64_t*) field > 0;
        }
        return false;
}

static int write_networks(json_object *list, const CidrList *networks) {
        char text[CIDR_TEXT_MAX];
        int r = 0;

        for (size_t i = 0; i < networks->n && r >= 0; i++)
                r = json_append(list, json_object_new_string(cidr_format(&networks->items[i], text)));
        return r;
}

static int write_texts(json_object *list, const ConfigList *texts) {
        int r = 0;

        for (size_t i = 0; i < texts->n && r >= 0; i++)
                r = json_append(list, json_object_new_string(texts->items[i]));
        return r;
}

static int write_edits(json_object *object, const HeaderEdits *edits) {
        _cleanup_json_ json_object *set = json_object_new_object(), *removed = json_object_new_array();
        int r = set && removed ? 0 : -ENOMEM;

        for (size_t i = 0; i < edits->n && r >= 0; i++) {
                const HttpEdit *e = &edits->items[i];

                r = e->value.data ? json_add(set, e->name.data, json_object_new_string(e->value.data))
                                  : json_append(removed, json_object_new_string(e->name.data));
        }
        if (r >= 0 && json_object_object_length(set) > 0)
                r = json_add(object, "Set", TAKE_PTR(set));
        if (r >= 0 && json_object_array_length(removed) > 0)
                r = json_add(object, "Remove", TAKE_PTR(removed));
        return r;
}

/* Owned by the caller, or NULL when memory is out. */
static json_object *write_option(const Option *option, const void *field) {
        _cleanup_json_ json_object *value = NULL;
        int r = 0;

        switch (option->kind) {
        case OPTION_TEXT:
                return json_object_new_string(*(char *const *) field);
        case OPTION_FLAG:
                return json_object_new_boolean(true);
        case OPTION_SECONDS:
                return json_object_new_int64((int64_t) * (const uint64_t*) field);
        case OPTION_EDITS:
                value = json_object_new_object();
                r = value ? write_edits(value, field) : -ENOMEM;
                break;
        case OPTION_NETWORKS:
                value = json_object_new_array();
                r = value ? write_networks(value, field) : -ENOMEM;
                break;
        case OPTION_TEXTS:
                value = json_object_new_array();
                r = value ? write_texts(value, field) : -ENOMEM;
        }
        return r < 0 ? NULL : TAKE_PTR(value);
}

int tunnel_options_encode(const TunnelOptions *o, char **ret) {
        _cleanup_json_ json_object *object = json_object_new_object();
        const char *text;
        size_t n;
        int r = object ? 0 : -ENOMEM;

        for (size_t i = 0; i < ELEMENTSOF(options) && o && r >= 0; i++) {
                const void *field = field_of_const(o, &options[i]);

                if (option_is_set(&options[i], field))
                        r = json_add(object, options[i].name, write_option(&options[i], field));
        }
        if (r < 0)
                return r;
        if (json_object_object_length(object) == 0) {
                *ret = NULL;
                return 0;
        }
        text = json_text(object, &n);
        if (text && n > TUNNEL_OPTIONS_BYTES_MAX)
                return -ENOBUFS;
        *ret = text ? strdup(text) : NULL;
        return *ret ? 0 : -ENOMEM;
}

/* ---- questions ---- */

static bool option_is_same(const Option *option, const TunnelOptions *a, const TunnelOptions *b) {
        _cleanup_json_ json_object *of_a = write_option(option, field_of_const(a, option)), *of_b = NULL;

        if (!option_is_set(option, field_of_const(b, option)))
                return false;
        of_b = write_option(option, field_of_const(b, option));
        return of_a && of_b && json_object_equal(of_a, of_b);
}

unsigned tunnel_options_missing(const TunnelOptions *wanted, const TunnelOptions *given) {
        unsigned missing = 0;

        for (size_t i = 0; i < ELEMENTSOF(options) && wanted; i++)
                if (option_is_set(&options[i], field_of_const(wanted, &options[i])) &&
                    !(given && option_is_same(&options[i], wanted, given)))
                        missing |= options[i].bit;
        return missing;
}

char *tunnel_options_list(unsigned set) {
        char *list = strdup("");

        for (size_t i = 0; i < ELEMENTSOF(options) && list; i++)
                if (set & options[i].bit) {
                        char *longer = str_format("%s%s%s", list, *list ? ", " : "", options[i].key);

                        free(list);
                        list = longer;
                }
        return list;
}

bool tunnel_options_admit(const TunnelOptions *o, const Ip *visitor) {
        if (!o || (o->allow.n == 0 && o->deny.n == 0))
                return true;
        if (cidr_list_contains(&o->deny, visitor))
                return false;
        return o->allow.n == 0 || cidr_list_contains(&o->allow, visitor);
}
