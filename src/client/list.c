/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/list.h"

#include <json-c/json.h>

#include "base/str.h"

#define ROW "%-20s %-16s %-24s %s\n"

/* What the server is asked for: a host name, a subdomain, a port, or whatever it gives. */
static const char *describe_public(const TunnelConfig *t, char ret[static TARGET_TEXT_MAX]) {
        if (t->hostname)
                return t->hostname;
        if (t->subdomain && tunnel_config_has_name(t))
                return t->subdomain;
        if (t->remote_port == 0)
                return "any";
        snprintf(ret, TARGET_TEXT_MAX, "port %u", (unsigned) t->remote_port);
        return ret;
}

static void print_row(const TunnelConfig *t) {
        char local[TARGET_TEXT_MAX], public[TARGET_TEXT_MAX];

        printf(ROW, t->name, t->proto, target_format(&t->target, local), describe_public(t, public));
}

static void add_string(json_object *o, const char *key, const char *value) {
        if (value)
                json_object_object_add(o, key, json_object_new_string(value));
}

static void print_json(const TunnelConfig *t) {
        json_object *o = json_object_new_object();
        char local[TARGET_TEXT_MAX];

        add_string(o, "name", t->name);
        add_string(o, "proto", t->proto);
        add_string(o, "local", target_format(&t->target, local));
        add_string(o, "hostname", t->hostname);
        add_string(o, "subdomain", t->subdomain);
        if (t->remote_port > 0)
                json_object_object_add(o, "remote_port", json_object_new_int64((int64_t) t->remote_port));
        puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
        json_object_put(o);
}

void list_print(const ClientConfig *c, bool json) {
        if (!json)
                printf(ROW, "NAME", "PROTO", "LOCAL", "PUBLIC");
        for (size_t i = 0; i < c->n_tunnels; i++)
                if (json)
                        print_json(c->tunnels[i]);
                else
                        print_row(c->tunnels[i]);
}

void check_print_json(const ClientConfig *c, const ConfigList *faults) {
        json_object *o = json_object_new_object(), *list = json_object_new_array();

        for (size_t i = 0; i < faults->n; i++)
                json_object_array_add(list, json_object_new_string(faults->items[i]));
        if (c) {
                add_string(o, "folder", c->folder);
                json_object_object_add(o, "tunnels", json_object_new_int64((int64_t) c->n_tunnels));
        }
        json_object_object_add(o, "faults", list);
        puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
        json_object_put(o);
}
