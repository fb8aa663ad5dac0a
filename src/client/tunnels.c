/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/tunnels.h"

#include <errno.h>

#include "base/parse.h"
#include "base/str.h"
#include "proto/hostname.h"

#define URL_BYTES_MAX (HOSTNAME_LENGTH_MAX + 32)

int tunnels_init(Tunnels *t, TunnelConfig *const *configs, size_t n) {
        Tunnel *items = new0(Tunnel, MAX(n, (size_t) 1));

        if (!items)
                return -ENOMEM;
        *t = (Tunnels) { .items = items, .lock = PTHREAD_MUTEX_INITIALIZER };
        for (size_t i = 0; i < n; i++)
                if (configs[i]->is_selected)
                        t->items[t->n++].config = configs[i];
        return 0;
}

static void tunnel_forget_urls(Tunnel *t) {
        for (size_t i = 0; i < t->n_urls; i++) {
                free(t->urls[i].proto);
                free(t->urls[i].url);
        }
        t->n_urls = 0;
}

void tunnels_done(Tunnels *t) {
        for (size_t i = 0; i < t->n; i++) {
                tunnel_forget_urls(t->items + i);
                free(t->items[i].last_label);
                free(t->items[i].why);
        }
        free(t->items);
        *t = (Tunnels){};
}

static Tunnel *find_name(const Tunnels *t, const char *name) {
        for (size_t i = 0; i < t->n; i++)
                if (streq(t->items[i].config->name, name))
                        return t->items + i;
        return NULL;
}

static bool tunnels_are_among(const Tunnels *t, const Tunnels *others) {
        for (size_t i = 0; i < t->n; i++) {
                const Tunnel *other = find_name(others, t->items[i].config->name);

                if (!other || !tunnel_config_equals(t->items[i].config, other->config))
                        return false;
        }
        return true;
}

/* FROM is left with nothing of its own. */
static void tunnel_succeed(Tunnel *t, Tunnel *from, bool is_unchanged) {
        const TunnelConfig *config = t->config;

        if (is_unchanged) {
                *t = *from;
                t->config = config;
                from->n_urls = 0;
                from->last_label = NULL;
                from->why = NULL;
        } else {
                t->last_label = TAKE_PTR(from->last_label);
                t->last_port = from->last_port;
        }
}

static void tunnels_swap(Tunnels *t, Tunnels *others) {
        Tunnel *items = t->items;
        size_t n = t->n;

        t->items = others->items;
        t->n = others->n;
        others->items = items;
        others->n = n;
}

int tunnels_replace(Tunnels *t, TunnelConfig *const *configs, size_t n) {
        Tunnels others;
        int r = tunnels_init(&others, configs, n);
        bool only_more;

        if (r < 0)
                return r;
        pthread_mutex_lock(&t->lock);
        only_more = tunnels_are_among(t, &others);
        for (size_t i = 0; i < others.n; i++) {
                Tunnel *old = find_name(t, others.items[i].config->name);

                if (old)
                        tunnel_succeed(&others.items[i], old, only_more);
        }
        tunnels_swap(t, &others);
        pthread_mutex_unlock(&t->lock);
        tunnels_done(&others);
        return only_more;
}

void tunnels_restart(Tunnels *t) {
        pthread_mutex_lock(&t->lock);
        for (size_t i = 0; i < t->n; i++) {
                tunnel_forget_urls(t->items + i);
                t->items[i].state = TUNNEL_IDLE;
        }
        pthread_mutex_unlock(&t->lock);
}

void tunnels_retry_refused(Tunnels *t) {
        for (size_t i = 0; i < t->n; i++)
                if (t->items[i].state == TUNNEL_REFUSED)
                        t->items[i].state = TUNNEL_IDLE;
}

static Tunnel *find_state(const Tunnels *t, TunnelState state) {
        for (size_t i = 0; i < t->n; i++)
                if (t->items[i].state == state)
                        return t->items + i;
        return NULL;
}

/* What is configured comes first, then what we had before. */
Tunnel *tunnels_ask_next(Tunnels *t, MessageReqTunnel *ret) {
        Tunnel *tunnel = find_state(t, TUNNEL_IDLE);
        uint8_t id[TUNNEL_REQ_ID_BYTES];
        const TunnelConfig *c;

        if (!tunnel)
                return NULL;
        c = tunnel->config;
        random_bytes(id, sizeof(id));
        hex_encode(id, sizeof(id), tunnel->req_id);
        *ret = (MessageReqTunnel) {
                .req_id = tunnel->req_id,
                .protocol = c->proto,
                .hostname = c->hostname,
                .subdomain = c->subdomain ? c->subdomain : tunnel->last_label,
                .http_auth = (char*) tunnel_config_plain_auth(c),
                .options = c->options_text,
                .remote_port = c->remote_port > 0 ? (uint16_t) c->remote_port : tunnel->last_port,
        };
        tunnel->asked_for_last =
                (!c->subdomain && tunnel->last_label) || (c->remote_port == 0 && tunnel->last_port > 0);
        tunnel->state = TUNNEL_ASKED;
        return tunnel;
}

static Tunnel *find_request(const Tunnels *t, const char *req_id) {
        for (size_t i = 0; i < t->n; i++)
                if (t->items[i].state != TUNNEL_IDLE && streq(t->items[i].req_id, req_id))
                        return t->items + i;
        return NULL;
}

/* The answers of Go servers with an error name no request; they answer in order. A protocol that fails
 * behind one that did not leaves its tunnel up. */
static Tunnel *find_failed_request(const Tunnels *t, const char *req_id) {
        Tunnel *tunnel = *req_id ? find_request(t, req_id) : find_state(t, TUNNEL_ASKED);

        if (tunnel || *req_id)
                return tunnel;
        for (size_t i = t->n; i > 0; i--)
                if (t->items[i - 1].n_urls < tunnel_config_count_protos(t->items[i - 1].config))
                        return t->items + i - 1;
        return NULL;
}

static int refuse(const Tunnels *t, const MessageNewTunnel *m, Tunnel **ret) {
        Tunnel *tunnel = find_failed_request(t, message_str(m->req_id));

        if (!tunnel)
                return -EPROTO;
        *ret = tunnel;
        if (tunnel->n_urls > 0)
                return TUNNEL_ANSWER_REFUSED;
        tunnel->state = tunnel->asked_for_last ? TUNNEL_IDLE : TUNNEL_REFUSED;
        free(TAKE_PTR(tunnel->last_label));
        tunnel->last_port = 0;
        return tunnel->state == TUNNEL_IDLE ? TUNNEL_ANSWER_AGAIN : TUNNEL_ANSWER_REFUSED;
}

/* What follows "PROTO://" in URL, or NULL if it isn't such a URL. */
static const char *url_authority(const char *url, const char *proto) {
        const char *p = str_skip_prefix(url, proto);

        if (p)
                p = str_skip_prefix(p, "://");
        return p && *p && strlen(url) <= URL_BYTES_MAX && strspn(p, "/") == 0 ? p : NULL;
}

/* Keeps what the server chose, for the next session. */
static int learn(Tunnel *tunnel, const char *proto, const char *authority) {
        const char *above = str_skip_prefix(authority, "*."), *plain = above ? above : authority;
        const TunnelConfig *c = tunnel->config;
        char host[HOSTNAME_LENGTH_MAX + 1];
        uint16_t port = 0;

        if (host_header_parse(plain, strlen(plain), host, &port) < 0)
                return -EPROTO;
        if (streq(proto, "tcp"))
                tunnel->last_port = port;
        else if (!c->subdomain && !c->hostname) {
                host[strcspn(host, ".")] = '\0';
                return str_replace(&tunnel->last_label, host);
        }
        return 0;
}

static bool has_proto(const Tunnel *tunnel, const char *proto) {
        for (size_t i = 0; i < tunnel->n_urls; i++)
                if (streq(tunnel->urls[i].proto, proto))
                        return true;
        return false;
}

static int add_url(Tunnels *t, Tunnel *tunnel, const char *proto, const char *url, unsigned left) {
        TunnelUrl u = { .proto = strdup(proto), .url = strdup(url), .left = left };

        if (!u.proto || !u.url) {
                free(u.proto);
                free(u.url);
                return -ENOMEM;
        }
        pthread_mutex_lock(&t->lock);
        tunnel->urls[tunnel->n_urls++] = u;
        pthread_mutex_unlock(&t->lock);
        return 0;
}

/* Whose doing is what the server has not echoed? Returns 0, with what is left to us, a TunnelAnswer, -EPROTO
 * or -ENOMEM. */
static int share_out(Tunnel *tunnel, const MessageNewTunnel *m, unsigned *ret_left) {
        _cleanup_(tunnel_options_unrefp) TunnelOptions *given = NULL;
        _cleanup_free_ char *why = NULL;
        int r = tunnel_options_decode(&given, message_str(m->options), &why);
        unsigned missing;

        if (r < 0)
                return r == -ENOMEM ? r : -EPROTO;
        missing = tunnel_options_missing(tunnel->config->options, given);
        *ret_left = missing & TUNNEL_OPTIONS_OURS;
        if (missing == *ret_left)
                return 0;
        if (tunnel->state == TUNNEL_REFUSED)
                return TUNNEL_ANSWER_NOTHING;
        tunnel->state = TUNNEL_REFUSED;
        tunnel->missing = missing & ~TUNNEL_OPTIONS_OURS;
        return TUNNEL_ANSWER_MISSING;
}

int tunnels_answer(Tunnels *t, const MessageNewTunnel *m, Tunnel **ret) {
        const char *proto = message_str(m->protocol), *url = message_str(m->url), *authority;
        unsigned left = 0;
        Tunnel *tunnel;
        int r;

        if (*message_str(m->error))
                return refuse(t, m, ret);
        tunnel = find_request(t, message_str(m->req_id));
        authority = url_authority(url, proto);
        if (!tunnel || !authority || tunnels_find(t, url, &left))
                return -EPROTO;
        if (!tunnel_config_has_proto(tunnel->config, proto) || has_proto(tunnel, proto))
                return -EPROTO;
        *ret = tunnel;
        r = share_out(tunnel, m, &left);
        if (r != 0)
                return r;
        r = learn(tunnel, proto, authority);
        if (r >= 0)
                r = add_url(t, tunnel, proto, url, left);
        if (r < 0)
                return r;
        tunnel->state = TUNNEL_UP;
        return TUNNEL_ANSWER_UP;
}

static const TunnelUrl *find_url(const Tunnel *tunnel, const char *url) {
        for (size_t i = 0; i < tunnel->n_urls; i++)
                if (streq(tunnel->urls[i].url, url))
                        return tunnel->urls + i;
        return NULL;
}

const TunnelConfig *tunnels_find(Tunnels *t, const char *url, unsigned *ret_left) {
        const TunnelConfig *found = NULL;

        pthread_mutex_lock(&t->lock);
        for (size_t i = 0; i < t->n && !found; i++) {
                const TunnelUrl *u = find_url(t->items + i, url);

                if (u) {
                        found = t->items[i].config;
                        *ret_left = u->left;
                }
        }
        pthread_mutex_unlock(&t->lock);
        return found;
}

bool tunnels_are_answered(const Tunnels *t) {
        return !find_state(t, TUNNEL_IDLE) && !find_state(t, TUNNEL_ASKED);
}

size_t tunnels_count(const Tunnels *t, TunnelState state) {
        size_t n = 0;

        for (size_t i = 0; i < t->n; i++)
                n += t->items[i].state == state;
        return n;
}
