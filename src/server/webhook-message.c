/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/webhook-message.h"

#include <errno.h>

#include "base/str.h"
#include "proto/json.h"
#include "server/user.h"

#define FORMAT_VERSION 1

static const char *const events[] = {
        [WEBHOOK_LOGIN] = "login",
        [WEBHOOK_TUNNEL] = "tunnel",
        [WEBHOOK_LOGOUT] = "logout",
};

/* ---- questions ---- */

typedef struct StringMember {
        const char *name;
        const char *value; /* NULL: left out */
} StringMember;

static int add_strings(json_object *o, const StringMember *members, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (members[i].value) {
                        int r = json_add(o, members[i].name, json_object_new_string(members[i].value));

                        if (r < 0)
                                return r;
                }
        return 0;
}

static int add_client(json_object *o, const WebhookQuestion *q) {
        const StringMember members[] = {
                { "id", q->client_id }, { "address", q->address }, { "os", q->os },
                { "arch", q->arch },    { "version", q->version },
        };
        _cleanup_json_ json_object *client = json_object_new_object();
        int r = client ? add_strings(client, members, ELEMENTSOF(members)) : -ENOMEM;

        return r < 0 ? r : json_add(o, "client", TAKE_PTR(client));
}

static int add_tunnel(json_object *o, const MessageReqTunnel *m) {
        const StringMember members[] = {
                { "protocol", message_str(m->protocol) },
                { "subdomain", message_str(m->subdomain) },
                { "hostname", message_str(m->hostname) },
        };
        _cleanup_json_ json_object *tunnel = json_object_new_object();
        int r = tunnel ? add_strings(tunnel, members, ELEMENTSOF(members)) : -ENOMEM;

        if (r >= 0)
                r = json_add(tunnel, "remote_port", json_object_new_int(m->remote_port));
        return r < 0 ? r : json_add(o, "tunnel", TAKE_PTR(tunnel));
}

char *webhook_question_encode(const WebhookQuestion *q) {
        const StringMember members[] = {
                { "event", events[q->event] },
                { "token", q->token },
                { "user", q->user },
        };
        _cleanup_json_ json_object *o = json_object_new_object();
        const char *text = NULL;
        size_t n;
        int r = o ? json_add(o, "version", json_object_new_int(FORMAT_VERSION)) : -ENOMEM;

        if (r >= 0)
                r = add_strings(o, members, ELEMENTSOF(members));
        if (r >= 0)
                r = add_client(o, q);
        if (r >= 0 && q->tunnel)
                r = add_tunnel(o, q->tunnel);
        if (r >= 0)
                text = json_text(o, &n);
        return text ? strndup(text, n) : NULL;
}

/* ---- answers ---- */

static int refuse(char **ret_why, char *why) {
        *ret_why = why;
        return why ? -EBADMSG : -ENOMEM;
}

/* Appends ITEM and, unless the list is empty, a comma before it. */
static int append_item(char **list, const char *item) {
        char *longer = str_format("%s%s%s", *list ? *list : "", *list ? "," : "", item);

        if (!longer)
                return -ENOMEM;
        free(*list);
        *list = longer;
        return 0;
}

static int join_strings(json_object *array, char **ret) {
        _cleanup_free_ char *list = NULL;
        size_t n = json_object_array_length(array);
        int r = n > 0 && n <= CONFIG_LIST_ITEMS_MAX ? 0 : -EBADMSG;

        for (size_t i = 0; i < n && r >= 0; i++) {
                const char *item = json_string(json_object_array_get_idx(array, i));

                r = item && !strchr(item, ',') ? append_item(&list, item) : -EBADMSG;
        }
        if (r >= 0)
                *ret = TAKE_PTR(list);
        return r;
}

/* As it would stand in the token file. Returns 0, -EBADMSG or -ENOMEM. */
static int policy_value(json_object *value, char **ret) {
        const char *s = json_string(value);

        if (json_object_is_type(value, json_type_array))
                return join_strings(value, ret);
        if (json_object_is_type(value, json_type_int))
                *ret = str_format("%lld", (long long) json_object_get_int64(value));
        else if (s)
                *ret = strdup(s);
        else
                return -EBADMSG;
        return *ret ? 0 : -ENOMEM;
}

static int add_policy_text(WebhookAnswer *a, const char *key, const char *value) {
        char *longer = str_format("%s%s=%s\n", a->policy_text, key, value);

        if (!longer)
                return -ENOMEM;
        free(a->policy_text);
        a->policy_text = longer;
        return 0;
}

static int parse_policy_member(WebhookAnswer *a, const char *key, json_object *member, char **ret_why) {
        _cleanup_free_ char *value = NULL, *why = NULL;
        int r = policy_value(member, &value);

        if (r == -EBADMSG)
                return refuse(ret_why,
                              str_format("its policy's %s is not a string, a whole number or a list of "
                                         "strings",
                                         key));
        if (r >= 0)
                r = policy_set(&a->policy, key, value, &why);
        if (r == -EINVAL)
                return refuse(ret_why, str_format("in its policy %s", why));
        return r < 0 ? r : add_policy_text(a, key, value);
}

static int parse_policy(WebhookAnswer *a, json_object *policy, char **ret_why) {
        if (!policy)
                return 0;
        if (!json_object_is_type(policy, json_type_object))
                return refuse(ret_why, strdup("its policy is not an object"));
        json_object_object_foreach(policy, key, value) {
                int r = parse_policy_member(a, key, value, ret_why);

                if (r < 0)
                        return r;
        }
        return 0;
}

static int parse_login(WebhookAnswer *a, json_object *o, char **ret_why) {
        const char *user = json_string(json_object_object_get(o, "user"));

        if (!user || !user_name_is_valid(user))
                return refuse(ret_why, strdup("its user is not a name of 1 to 64 letters, digits or ._@-"));
        a->user = strdup(user);
        return a->user ? parse_policy(a, json_object_object_get(o, "policy"), ret_why) : -ENOMEM;
}

static int parse_reason(WebhookAnswer *a, json_object *reason, char **ret_why) {
        const char *s = json_string(reason);
        size_t n;

        if (!reason)
                return 0;
        if (!s)
                return refuse(ret_why, strdup("its reason is not a string"));
        n = strlen(s);
        if (n > WEBHOOK_REASON_BYTES_MAX)
                for (n = WEBHOOK_REASON_BYTES_MAX; ((uint8_t) s[n] & 0xc0) == 0x80; n--)
                        ; /* whole characters of UTF-8 */
        if (n == 0)
                return 0;
        a->reason = str_escape(s, n);
        return a->reason ? 0 : -ENOMEM;
}

static int parse_object(WebhookEvent event, json_object *o, WebhookAnswer *a, char **ret_why) {
        json_object *allow;

        if (!json_object_is_type(o, json_type_object))
                return refuse(ret_why, strdup("it is not an object"));
        allow = json_object_object_get(o, "allow");
        if (!json_object_is_type(allow, json_type_boolean))
                return refuse(ret_why, strdup("its allow is not true or false"));
        a->allow = json_object_get_boolean(allow);
        if (!a->allow)
                return parse_reason(a, json_object_object_get(o, "reason"), ret_why);
        return event == WEBHOOK_LOGIN ? parse_login(a, o, ret_why) : 0;
}

int webhook_answer_parse(WebhookEvent event, const char *body, size_t n, WebhookAnswer *ret, char **ret_why) {
        _cleanup_(webhook_answer_done) WebhookAnswer a = { .policy_text = strdup("") };
        _cleanup_json_ json_object *o = NULL;
        int r = a.policy_text ? json_parse(body, n, &o) : -ENOMEM;

        if (r == -EBADMSG)
                return refuse(ret_why, strdup("it is not JSON"));
        if (r >= 0)
                r = parse_object(event, o, &a, ret_why);
        if (r < 0)
                return r;
        *ret = a;
        a = (WebhookAnswer){};
        return 0;
}

void webhook_answer_done(WebhookAnswer *a) {
        free(a->user);
        policy_done(&a->policy);
        free(a->policy_text);
        free(a->reason);
        *a = (WebhookAnswer){};
}
