/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/tunnel-wish.h"

#include <errno.h>

#include "base/str.h"

static int refuse(int error, char **ret_why, char *why) {
        if (!why)
                return -ENOMEM;
        *ret_why = why;
        return error;
}

static bool is_served(const WishRules *rules, TunnelProtocol p) {
        return p == TUNNEL_TCP || (p == TUNNEL_HTTP ? rules->http_port : rules->https_port) != 0;
}

static bool wish_has(const TunnelWish *w, TunnelProtocol p) {
        for (unsigned i = 0; i < w->n_protocols; i++)
                if (w->protocols[i] == p)
                        return true;
        return false;
}

bool tunnel_wish_has_host(const TunnelWish *w) {
        return wish_has(w, TUNNEL_HTTP) || wish_has(w, TUNNEL_HTTPS) || wish_has(w, TUNNEL_TLS);
}

static int parse_protocols(const char *s, TunnelWish *w, char **ret_why) {
        const char *all = s;

        for (;; s++) {
                size_t n = strcspn(s, "+");
                int p = tunnel_protocol_from_string(s, n);

                if (p < 0 || wish_has(w, (TunnelProtocol) p))
                        return refuse(-EINVAL, ret_why, str_format("Protocol %s is not supported", all));
                w->protocols[w->n_protocols++] = (TunnelProtocol) p;
                s += n;
                if (*s == '\0')
                        break;
        }
        if (wish_has(w, TUNNEL_HTTPS) && wish_has(w, TUNNEL_TLS))
                return refuse(-EINVAL, ret_why,
                              str_format("A name can't have both https and tls: they share a port"));
        return 0;
}

/* Of "http+https" the server takes what it listens on. */
static int drop_unserved(const WishRules *rules, TunnelWish *w, char **ret_why) {
        bool both = wish_has(w, TUNNEL_HTTP) && wish_has(w, TUNNEL_HTTPS);
        unsigned n = 0;

        for (unsigned i = 0; i < w->n_protocols; i++) {
                TunnelProtocol p = w->protocols[i];

                if (is_served(rules, p))
                        w->protocols[n++] = p;
                else if (!both)
                        return refuse(
                                -EINVAL, ret_why,
                                str_format("This server doesn't serve %s", tunnel_protocol_to_string(p)));
        }
        if (n == 0)
                return refuse(-EINVAL, ret_why, str_format("This server serves neither http nor https"));
        w->n_protocols = n;
        return 0;
}

bool label_is_reserved(const WishRules *rules, const char *label) {
        for (size_t i = 0; i < rules->reserved->n; i++)
                if (str_equal_nocase(label, strlen(label), rules->reserved->items[i]))
                        return true;
        return false;
}

/* Words of the label only: who bans "sex" has nothing against Essex. */
static bool label_has_word(const char *label, const char *word) {
        size_t n = strlen(word);

        for (; label; label = strchr(label, '-')) {
                label += *label == '-';
                if (strncasecmp(label, word, n) == 0 && (label[n] == '-' || label[n] == '\0'))
                        return true;
        }
        return false;
}

const char *label_banned_word(const WishRules *rules, const char *label) {
        for (size_t i = 0; i < rules->banned->n; i++)
                if (label_has_word(label, rules->banned->items[i]))
                        return rules->banned->items[i];
        return NULL;
}

bool host_is_allowed(const WishRules *rules, const Policy *policy, const char *host) {
        size_t n = hostname_prefix_length(host, rules->domain);
        char label[HOST_LABEL_LENGTH_MAX + 1];

        if (n == 0)
                return policy_allows_host(policy, host);
        if (hostname_is_wildcard(host)) /* "any host" is meant for what is outside the domain */
                return policy_allows_host_apart(policy, host, rules->domain);
        snprintf(label, sizeof(label), "%.*s", (int) n, host);
        return policy_allows_label(policy, label);
}

/* LIST is owned: what may be had instead. */
static int refuse_policy(char **ret_why, const char *what, const char *value, char *list) {
        _cleanup_free_ char *owned = list;

        if (!list)
                return -ENOMEM;
        return refuse(-EKEYREJECTED, ret_why,
                      str_format("The %s %s is not yours; you may have: %s", what, value, list));
}

static int check_protocols(const Policy *policy, const TunnelWish *w, char **ret_why) {
        for (unsigned i = 0; i < w->n_protocols; i++)
                if (!policy_allows_protocol(policy, w->protocols[i]))
                        return refuse_policy(ret_why, "protocol", tunnel_protocol_to_string(w->protocols[i]),
                                             policy_list_protocols(policy));
        return 0;
}

/* Whether anybody gets it. */
static int check_label(const char *label, const WishRules *rules, char **ret_why) {
        if (label_is_reserved(rules, label))
                return refuse(-EKEYREJECTED, ret_why, str_format("The subdomain %s is reserved", label));
        if (label_banned_word(rules, label))
                return refuse(-EKEYREJECTED, ret_why,
                              str_format("Nobody gets a subdomain with \"%s\" here; choose another one",
                                         label_banned_word(rules, label)));
        return 0;
}

static int set_subdomain(const char *label, const WishRules *rules, const Policy *policy, TunnelWish *w,
                         char **ret_why) {
        int r;

        if (!host_label_is_valid(label))
                return refuse(
                        -EINVAL, ret_why,
                        str_format("The subdomain \"%s\" is not one label of letters, digits and hyphens",
                                   label));
        r = check_label(label, rules, ret_why);
        if (r < 0)
                return r;
        if (!policy_allows_label(policy, label))
                return refuse_policy(ret_why, "subdomain", label, policy_list_subdomains(policy));
        if (strlen(label) + 1 + strlen(rules->domain) > HOSTNAME_LENGTH_MAX)
                return refuse(-EINVAL, ret_why, str_format("The subdomain %s is too long", label));
        snprintf(w->host, sizeof(w->host), "%.63s.%.189s", label, rules->domain);
        return 0;
}

/* All names below ABOVE; in the domain, its label there is a name as others. */
static int set_wildcard(const char *above, const WishRules *rules, const Policy *policy, TunnelWish *w,
                        char **ret_why) {
        size_t below = hostname_prefix_length(above, rules->domain);
        _cleanup_free_ char *inside = strndup(above, below), *host = str_format("*.%s", above);
        const char *dot;
        int r;

        if (!inside || !host)
                return -ENOMEM;
        dot = strrchr(inside, '.');
        r = check_label(dot ? dot + 1 : inside, rules, ret_why);
        if (r < 0)
                return r;
        if (strlen(host) > HOSTNAME_LENGTH_MAX)
                return refuse(-EINVAL, ret_why, str_format("The host name %s is too long", host));
        if (!host_is_allowed(rules, policy, host))
                return refuse(
                        -EKEYREJECTED, ret_why,
                        str_format("The names %s are not yours; hosts=%s would make them so", host, host));
        strcpy(w->host, host);
        return 0;
}

static int set_hostname(const char *name, const WishRules *rules, const Policy *policy, TunnelWish *w,
                        char **ret_why) {
        const char *above = str_skip_prefix(name, "*."), *plain = above ? above : name;
        char host[HOSTNAME_LENGTH_MAX + 1];
        uint16_t port;
        size_t below;

        if (host_header_parse(plain, strlen(plain), host, &port) < 0 || !hostname_is_valid(host))
                return refuse(-EINVAL, ret_why, str_format("\"%s\" is not a host name", name));
        if (port != 0 && port != rules->http_port && port != rules->https_port)
                return refuse(-EINVAL, ret_why, str_format("The port of %s is none of this server's", name));
        if (above)
                return set_wildcard(host, rules, policy, w, ret_why);
        below = hostname_prefix_length(host, rules->domain);
        if (below > 0) {
                host[below] = '\0';
                return set_subdomain(host, rules, policy, w, ret_why);
        }
        if (streq(host, rules->domain) || !policy_allows_host(policy, host))
                return refuse(-EKEYREJECTED, ret_why,
                              str_format("The host name %s is not yours; names below %s are to be had", host,
                                         rules->domain));
        strcpy(w->host, host);
        return 0;
}

static int parse_host(const MessageReqTunnel *m, const WishRules *rules, const Policy *policy, TunnelWish *w,
                      char **ret_why) {
        _cleanup_free_ char *hostname = strdup(message_str(m->hostname)),
                            *subdomain = strdup(message_str(m->subdomain));
        char *h, *s;

        if (!hostname || !subdomain)
                return -ENOMEM;
        h = str_trim(hostname);
        s = str_trim(subdomain);
        str_lower(s);
        if (*h != '\0')
                return set_hostname(h, rules, policy, w, ret_why);
        return *s != '\0' ? set_subdomain(s, rules, policy, w, ret_why) : 0;
}

static int check_port(uint16_t port, const WishRules *rules, const Policy *policy, char **ret_why) {
        char text[8];

        if (port == 0)
                return 0;
        snprintf(text, sizeof(text), "%u", port);
        if (!policy_allows_port(policy, port))
                return refuse_policy(ret_why, "port", text, policy_list_ports(policy));
        if (port >= rules->tcp_low && port <= rules->tcp_high)
                return 0;
        return refuse(-EKEYREJECTED, ret_why,
                      str_format("The port %u is not to be had; ask for one from %u to %u, or for none", port,
                                 rules->tcp_low, rules->tcp_high));
}

int tunnel_wish_parse(const MessageReqTunnel *m, const WishRules *rules, const Policy *policy,
                      TunnelWish *ret, char **ret_why) {
        TunnelWish w = { .remote_port = m->remote_port };
        int r = parse_protocols(message_str(m->protocol), &w, ret_why);

        if (r >= 0)
                r = drop_unserved(rules, &w, ret_why);
        if (r >= 0)
                r = check_protocols(policy, &w, ret_why);
        if (r >= 0 && tunnel_wish_has_host(&w))
                r = parse_host(m, rules, policy, &w, ret_why);
        if (r >= 0 && wish_has(&w, TUNNEL_TCP))
                r = check_port(w.remote_port, rules, policy, ret_why);
        if (r < 0)
                return r;
        *ret = w;
        return 0;
}

char *tunnel_url(const WishRules *rules, TunnelProtocol protocol, const char *host, uint16_t port) {
        if (protocol == TUNNEL_TCP)
                return str_format("tcp://%s:%u", rules->domain, port);
        port = protocol == TUNNEL_HTTP ? rules->http_port : rules->https_port;
        if (port == (protocol == TUNNEL_HTTP ? 80 : 443))
                return str_format("%s://%s", tunnel_protocol_to_string(protocol), host);
        return str_format("%s://%s:%u", tunnel_protocol_to_string(protocol), host, port);
}
