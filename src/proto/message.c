/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/message.h"

#include <errno.h>

#include "base/str.h"
#include "proto/frame.h"
#include "proto/json.h"

/* One table says which fields each message has, in the order in which the Go programs send them; decoding,
 * encoding and freeing go by it. */

typedef enum FieldKind {
        FIELD_STRING, /* char* */
        FIELD_OURS,   /* char*; ours, so sent only when there is one */
        FIELD_OBJECT, /* char*, the text of a JSON object; ours, so sent only when there is one */
        FIELD_PORT,   /* uint16_t */
        FIELD_COUNT,  /* uint16_t; ours, so sent only when not 0 */
        FIELD_FLAG,   /* bool; ours, so sent only when true */
} FieldKind;

typedef struct Field {
        const char *name;
        FieldKind kind;
        size_t offset; /* in Message */
} Field;

#define STRING(name, member) \
        { (name), FIELD_STRING, offsetof(Message, member) }
#define OURS(name, member) \
        { (name), FIELD_OURS, offsetof(Message, member) }
#define OBJECT(name, member) \
        { (name), FIELD_OBJECT, offsetof(Message, member) }
#define PORT(name, member) \
        { (name), FIELD_PORT, offsetof(Message, member) }
#define COUNT(name, member) \
        { (name), FIELD_COUNT, offsetof(Message, member) }
#define FLAG(name, member) \
        { (name), FIELD_FLAG, offsetof(Message, member) }

/* Each ends with a field that has no name. */
static const Field auth_fields[] = {
        STRING("Version", auth.version),
        STRING("MmVersion", auth.mm_version),
        STRING("User", auth.user),
        STRING("Password", auth.password),
        STRING("OS", auth.os),
        STRING("Arch", auth.arch),
        STRING("ClientId", auth.client_id),
        OURS("Instance", auth.instance),
        COUNT("Session", auth.session),
        FLAG("HalfClose", auth.half_close),
        {},
};
static const Field auth_resp_fields[] = {
        STRING("Version", auth_resp.version),
        STRING("MmVersion", auth_resp.mm_version),
        STRING("ClientId", auth_resp.client_id),
        STRING("Error", auth_resp.error),
        OURS("User", auth_resp.user),
        COUNT("Sessions", auth_resp.sessions),
        FLAG("HalfClose", auth_resp.half_close),
        {},
};
static const Field req_tunnel_fields[] = {
        STRING("ReqId", req_tunnel.req_id),       STRING("Protocol", req_tunnel.protocol),
        STRING("Hostname", req_tunnel.hostname),  STRING("Subdomain", req_tunnel.subdomain),
        STRING("HttpAuth", req_tunnel.http_auth), PORT("RemotePort", req_tunnel.remote_port),
        OBJECT("Options", req_tunnel.options),    {},
};
static const Field new_tunnel_fields[] = {
        STRING("ReqId", new_tunnel.req_id),      STRING("Url", new_tunnel.url),
        STRING("Protocol", new_tunnel.protocol), STRING("Error", new_tunnel.error),
        OBJECT("Options", new_tunnel.options),   {},
};
static const Field tunnel_health_fields[] = {
        STRING("Url", tunnel_health.url),
        FLAG("Failing", tunnel_health.failing),
        {},
};
static const Field reg_proxy_fields[] = {
        STRING("ClientId", reg_proxy.client_id),
        {},
};
static const Field start_proxy_fields[] = {
        STRING("Url", start_proxy.url),
        STRING("ClientAddr", start_proxy.client_addr),
        OURS("ServerAddr", start_proxy.server_addr),
        {},
};
static const Field no_fields[] = {
        {},
};

static const struct {
        const char *name;
        const Field *fields;
} types[MESSAGE_TYPE_MAX] = {
        [MESSAGE_UNKNOWN] = { "unknown", no_fields },
        [MESSAGE_AUTH] = { "Auth", auth_fields },
        [MESSAGE_AUTH_RESP] = { "AuthResp", auth_resp_fields },
        [MESSAGE_REQ_TUNNEL] = { "ReqTunnel", req_tunnel_fields },
        [MESSAGE_NEW_TUNNEL] = { "NewTunnel", new_tunnel_fields },
        [MESSAGE_REQ_PROXY] = { "ReqProxy", no_fields },
        [MESSAGE_REG_PROXY] = { "RegProxy", reg_proxy_fields },
        [MESSAGE_START_PROXY] = { "StartProxy", start_proxy_fields },
        [MESSAGE_PING] = { "Ping", no_fields },
        [MESSAGE_PONG] = { "Pong", no_fields },
        [MESSAGE_TUNNEL_HEALTH] = { "TunnelHealth", tunnel_health_fields },
};

/* Where M holds FIELD. */
static void *field_of(Message *m, const Field *field) {
        return (char*) m + field->offset;
}

static const void *field_of_const(const Message *m, const Field *field) {
        return (const char*) m + field->offset;
}

const char *message_type_to_string(MessageType type) {
        return types[type].name;
}

static bool is_text(FieldKind kind) {
        return kind == FIELD_STRING || kind == FIELD_OURS || kind == FIELD_OBJECT;
}

void message_done(Message *m) {
        for (const Field *f = types[m->type].fields; f->name; f++)
                if (is_text(f->kind))
                        free(*(char**) field_of(m, f));
        *m = (Message){};
}

static MessageType type_from_string(const char *name) {
        for (MessageType type = MESSAGE_UNKNOWN + 1; type < MESSAGE_TYPE_MAX; type++)
                if (streq(name, types[type].name))
                        return type;
        return MESSAGE_UNKNOWN;
}

static int decode_string(json_object *value, char **string) {
        const char *s = json_string(value);

        return s ? str_replace(string, s) : -EBADMSG; /* of a key that comes twice the last one counts */
}

static int decode_object(json_object *value, char **text) {
        const char *s;
        size_t n;

        if (!json_object_is_type(value, json_type_object))
                return -EBADMSG;
        s = json_text(value, &n);
        return s ? str_replace(text, s) : -ENOMEM;
}

static int decode_count(json_object *value, uint16_t *count) {
        int64_t v = json_object_get_int64(value);

        if (!json_object_is_type(value, json_type_int) || v < 0 || v > UINT16_MAX)
                return -EBADMSG;
        *count = (uint16_t) v;
        return 0;
}

static int decode_flag(json_object *value, bool *flag) {
        if (!json_object_is_type(value, json_type_boolean))
                return -EBADMSG;
        *flag = json_object_get_boolean(value);
        return 0;
}

static int decode_value(json_object *value, const Field *field, Message *m) {
        if (!value) /* null */
                return 0;
        switch (field->kind) {
        case FIELD_STRING:
        case FIELD_OURS:
                return decode_string(value, field_of(m, field));
        case FIELD_OBJECT:
                return decode_object(value, field_of(m, field));
        case FIELD_PORT:
        case FIELD_COUNT:
                return decode_count(value, field_of(m, field));
        case FIELD_FLAG:
                return decode_flag(value, field_of(m, field));
        }
        return 0;
}

static const Field *find_field(const Field *fields, const char *name) {
        for (; fields->name; fields++)
                if (str_equal_nocase(name, strlen(name), fields->name))
                        return fields;
        return NULL;
}

static int decode_payload(json_object *payload, Message *m) {
        if (m->type == MESSAGE_UNKNOWN || !payload)
                return 0;
        if (!json_object_is_type(payload, json_type_object))
                return -EBADMSG;
        json_object_object_foreach(payload, name, value) {
                const Field *field = find_field(types[m->type].fields, name);
                int r = field ? decode_value(value, field, m) : 0;

                if (r < 0)
                        return r;
        }
        return 0;
}

/* The envelope {"Type":…,"Payload":…}. */
static int decode_envelope(json_object *envelope, Message *m) {
        json_object *type = NULL, *payload = NULL;

        if (!json_object_is_type(envelope, json_type_object))
                return -EBADMSG;
        json_object_object_foreach(envelope, name, value) {
                if (str_equal_nocase(name, strlen(name), "Type"))
                        type = value;
                else if (str_equal_nocase(name, strlen(name), "Payload"))
                        payload = value;
        }
        if (!json_object_is_type(type, json_type_string))
                return -EBADMSG;
        m->type = type_from_string(json_object_get_string(type));
        return decode_payload(payload, m);
}

int message_decode(const char *payload, size_t n, Message *ret) {
        _cleanup_json_ json_object *envelope = NULL;
        _cleanup_message_ Message m = {};
        int r;

        if (n > FRAME_PAYLOAD_MAX)
                return -EBADMSG;
        r = json_parse(payload, n, &envelope);
        if (r < 0)
                return r;
        r = decode_envelope(envelope, &m);
        if (r < 0)
                return r;
        *ret = m;
        m = (Message){};
        return 0;
}

/* Is it left out, so that peers who don't know it see what they always saw? */
static bool is_silent(const Field *field, const void *p) {
        switch (field->kind) {
        case FIELD_OURS:
        case FIELD_OBJECT:
                return *message_str(*(char *const *) p) == '\0';
        case FIELD_COUNT:
                return *(const uint16_t*) p == 0;
        case FIELD_FLAG:
                return !*(const bool*) p;
        default:
                return false;
        }
}

/* The object that TEXT is, as a part of a message. */
static int add_object(json_object *payload, const char *name, const char *text) {
        json_object *object = NULL;
        int r = json_parse(text, strlen(text), &object);

        return r < 0 ? r : json_add(payload, name, object);
}

static int add_field(json_object *payload, const Field *field, const Message *m) {
        const void *p = field_of_const(m, field);

        if (is_silent(field, p))
                return 0;
        switch (field->kind) {
        case FIELD_STRING:
        case FIELD_OURS:
                return json_add(payload, field->name,
                                json_object_new_string(message_str(*(char *const *) p)));
        case FIELD_OBJECT:
                return add_object(payload, field->name, *(char *const *) p);
        case FIELD_PORT:
        case FIELD_COUNT:
                return json_add(payload, field->name, json_object_new_int(*(const uint16_t*) p));
        case FIELD_FLAG:
                return json_add(payload, field->name, json_object_new_boolean(true));
        }
        return 0;
}

static int build_envelope(const Message *m, json_object **ret) {
        _cleanup_json_ json_object *envelope = json_object_new_object();
        _cleanup_json_ json_object *payload = json_object_new_object();
        int r;

        if (!envelope || !payload)
                return -ENOMEM;
        for (const Field *f = types[m->type].fields; f->name; f++) {
                r = add_field(payload, f, m);
                if (r < 0)
                        return r;
        }
        r = json_add(envelope, "Type", json_object_new_string(types[m->type].name));
        if (r >= 0)
                r = json_add(envelope, "Payload", TAKE_PTR(payload));
        if (r < 0)
                return r;
        *ret = TAKE_PTR(envelope);
        return 0;
}

int message_encode(const Message *m, Buffer *out) {
        _cleanup_json_ json_object *envelope = NULL;
        unsigned char header[FRAME_HEADER_BYTES];
        const char *payload;
        size_t n;
        int r = build_envelope(m, &envelope);

        if (r < 0)
                return r;
        payload = json_text(envelope, &n);
        if (!payload)
                return -ENOMEM;
        if (n > FRAME_PAYLOAD_MAX || buffer_length(out) + sizeof(header) + n > BUFFER_BYTES)
                return -ENOBUFS;
        frame_write_header(n, header);
        r = buffer_append(out, header, sizeof(header));
        return r < 0 ? r : buffer_append(out, payload, n);
}
