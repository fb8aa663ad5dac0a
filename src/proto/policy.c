/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/policy.h"

#include <errno.h>

#include "base/parse.h"
#include "base/str.h"
#include "proto/hostname.h"
#include "proto/tunnel-protocol.h"

#define PREFIX_LENGTH_MAX 31 /* a random name fits behind it */
#define PORT_RANGES_MAX 1000
#define COUNT_MAX 1000000
#define SEC_PER_DAY 86400

/* ---- values ---- */

/* Calls ADD with each item of a list with commas, in lower case. */
static int for_each_item(Policy *p, const char *value, int (*add)(Policy *p, const char *item)) {
        _cleanup_free_ char *copy = strdup(value);
        char *next = copy, *item;
        int r = copy ? 0 : -ENOMEM;

        if (copy)
                str_lower(copy);
        while (r >= 0 && (item = strsep(&next, ",")))
                r = add(p, item);
        return r;
}

static bool label_pattern_is_valid(const char *s) {
        char label[HOST_LABEL_LENGTH_MAX + 1];
        size_t n = strlen(s);

        if (n == 0 || s[n - 1] != '*')
                return host_label_is_valid(s);
        if (n - 1 > PREFIX_LENGTH_MAX)
                return false;
        snprintf(label, sizeof(label), "%.*sx", (int) (n - 1), s); /* what will be there */
        return host_label_is_valid(label);
}

static int add_subdomain(Policy *p, const char *item) {
        return label_pattern_is_valid(item) ? config_list_add(&p->subdomains, item) : -EINVAL;
}

static int set_subdomains(Policy *p, const char *value) {
        return for_each_item(p, value, add_subdomain);
}

/* With or without a port. */
static bool host_is_valid(const char *s) {
        char name[HOSTNAME_LENGTH_MAX + 1];
        uint16_t port;

        return host_header_parse(s, strlen(s), name, &port) >= 0 && hostname_is_valid(name);
}

static int add_host(Policy *p, const char *item) {
        const char *name = str_skip_prefix(item, "*.");

        if (!streq(item, "*") && !host_is_valid(name ? name : item))
                return -EINVAL;
        return config_list_add(&p->hosts, item);
}

static int set_hosts(Policy *p, const char *value) {
        return for_each_item(p, value, add_host);
}

static int port_ranges_add(PortRanges *l, const char *item) {
        PortRange range, *items;

        if (l->n == PORT_RANGES_MAX || parse_port_range(item, &range.low, &range.high) < 0)
                return -EINVAL;
        items = reallocarray(l->items, l->n + 1, sizeof(*items));
        if (!items)
                return -ENOMEM;
        l->items = items;
        l->items[l->n++] = range;
        return 0;
}

static int add_tcp_ports(Policy *p, const char *item) {
        return port_ranges_add(&p->tcp_ports, item);
}

static int set_tcp_ports(Policy *p, const char *value) {
        return for_each_item(p, value, add_tcp_ports);
}

static int add_local_ports(Policy *p, const char *item) {
        return port_ranges_add(&p->local_ports, item);
}

static int set_local_ports(Policy *p, const char *value) {
        return for_each_item(p, value, add_local_ports);
}

static int add_protocol(Policy *p, const char *item) {
        int protocol = tunnel_protocol_from_string(item, strlen(item));

        if (protocol < 0)
                return protocol;
        p->protocols |= 1U << protocol;
        return 0;
}

static int set_protocols(Policy *p, const char *value) {
        return for_each_item(p, value, add_protocol);
}

static int set_count(const char *value, uint64_t *ret) {
        uint64_t v;

        if (parse_uint(value, COUNT_MAX, &v) < 0 || v == 0)
                return -EINVAL;
        *ret = v;
        return 0;
}

static int set_max_tunnels(Policy *p, const char *value) {
        return set_count(value, &p->max_tunnels);
}

static int set_max_connections(Policy *p, const char *value) {
        return set_count(value, &p->max_connections);
}

static int set_rate(Policy *p, const char *value) {
        return parse_size(value, &p->rate);
}

static int set_from(Policy *p, const char *value) {
        return cidr_list_add(&p->from, value);
}

/* From 1970-01-01 to a day of the Gregorian calendar, whose year begins in March here. */
static int64_t count_days(int64_t year, unsigned month, unsigned day) {
        unsigned from_march = (month + 9) % 12;

        year -= from_march / 10;
        return 365 * year + year / 4 - year / 100 + year / 400 + (from_march * 306 + 5) / 10 + day - 1 -
               719468;
}

/* Year, month and day of "YYYY-MM-DD"; returns false when it isn't that. */
static bool read_day(const char *s, unsigned ret[static 3]) {
        static const char form[] = "YYYY-MM-DD";
        unsigned n = 0;

        for (size_t i = 0; i < strlen(form); i++) {
                bool is_hyphen = form[i] == '-';

                if (is_hyphen ? s[i] != '-' : s[i] < '0' || s[i] > '9')
                        return false;
                if (is_hyphen)
                        n++;
                else
                        ret[n] = ret[n] * 10 + (unsigned) (s[i] - '0');
        }
        return s[strlen(form)] == '\0';
}

/* Through the end of that day (UTC). */
static int set_expires(Policy *p, const char *value) {
        unsigned date[3] = {};
        int64_t day, next_month;

        if (!read_day(value, date) || date[0] < 1970 || date[1] < 1 || date[1] > 12 || date[2] < 1)
                return -EINVAL;
        day = count_days(date[0], date[1], date[2]);
        next_month = count_days(date[0] + date[1] / 12, date[1] % 12 + 1, 1);
        if (day >= next_month) /* there is no such day */
                return -EINVAL;
        strcpy(p->last_day, value);
        p->expires_sec = (day + 1) * SEC_PER_DAY;
        return 0;
}

static int set_koding(Policy *p, const char *value) {
        if (!streq(value, "tls") && !streq(value, "plain"))
                return -EINVAL;
        p->koding = streq(value, "tls") ? POLICY_KODING_TLS : POLICY_KODING_PLAIN;
        return 0;
}

/* ---- keys ---- */

static const struct {
        const char *name;
        int (*set)(Policy *p, const char *value);
        const char *form;
} policy_keys[] = {
        { "subdomains", set_subdomains, "labels, or beginnings of labels with * behind, like a,b-*" },
        { "hosts", set_hosts, "host names, like x.example.org,*.y.example.org" },
        { "tcp_ports", set_tcp_ports, "ports, like 20000-20009,20022" },
        { "protocols", set_protocols, "among http,https,tcp,tls" },
        { "max_tunnels", set_max_tunnels, "a number from 1 to 1000000" },
        { "max_connections", set_max_connections, "a number from 1 to 1000000" },
        { "rate", set_rate, "bytes a second, like 500K or 1M" },
        { "from", set_from, "addresses or networks, like 192.0.2.0/24,2001:db8::/32" },
        { "expires", set_expires, "a day, like 2027-01-31" },
        { "koding", set_koding, "tls or plain" },
        { "local_ports", set_local_ports, "ports, like 3000,8000-8100" },
};

int policy_set(Policy *p, const char *key, const char *value, char **ret_why) {
        size_t i = 0;
        char *why;
        int r;

        while (i < ELEMENTSOF(policy_keys) && !streq(policy_keys[i].name, key))
                i++;
        if (i == ELEMENTSOF(policy_keys))
                why = str_format("%s= is not known, see pgrok-tokens(5)", key);
        else if (p->set & 1U << i)
                why = str_format("%s= stands there twice", key);
        else {
                p->set |= 1U << i;
                r = policy_keys[i].set(p, value);
                if (r >= 0 || r == -ENOMEM)
                        return r;
                why = str_format("%s= must be %s", key, policy_keys[i].form);
        }
        if (!why)
                return -ENOMEM;
        *ret_why = why;
        return -EINVAL;
}

void policy_done(Policy *p) {
        config_list_done(&p->subdomains);
        config_list_done(&p->hosts);
        free(p->tcp_ports.items);
        free(p->local_ports.items);
        cidr_list_done(&p->from);
}

/* ---- questions ---- */

bool policy_allows_label(const Policy *p, const char *label) {
        for (size_t i = 0; i < p->subdomains.n; i++) {
                const char *pattern = p->subdomains.items[i];
                size_t n = strcspn(pattern, "*");

                if (pattern[n] == '*' ? strncmp(label, pattern, n) == 0 : streq(label, pattern))
                        return true;
        }
        return p->subdomains.n == 0;
}

static bool pattern_has_host(const char *pattern, const char *host) {
        const char *above = str_skip_prefix(pattern, "*.");

        return streq(pattern, "*") || streq(host, pattern) ||
               (above && hostname_prefix_length(host, above) > 0);
}

bool policy_allows_host(const Policy *p, const char *host) {
        for (size_t i = 0; i < p->hosts.n; i++)
                if (pattern_has_host(p->hosts.items[i], host))
                        return true;
        return false;
}

bool policy_allows_host_apart(const Policy *p, const char *host, const char *other) {
        for (size_t i = 0; i < p->hosts.n; i++)
                if (pattern_has_host(p->hosts.items[i], host) && !pattern_has_host(p->hosts.items[i], other))
                        return true;
        return false;
}

static bool port_ranges_contain(const PortRanges *l, uint16_t port) {
        for (size_t i = 0; i < l->n; i++)
                if (port >= l->items[i].low && port <= l->items[i].high)
                        return true;
        return false;
}

bool policy_allows_port(const Policy *p, uint16_t port) {
        return p->tcp_ports.n == 0 || port_ranges_contain(&p->tcp_ports, port);
}

bool policy_allows_local_port(const Policy *p, uint16_t port) {
        return port_ranges_contain(&p->local_ports, port);
}

bool policy_allows_protocol(const Policy *p, unsigned protocol) {
        return p->protocols == 0 || p->protocols & 1U << protocol;
}

bool policy_is_expired(const Policy *p, int64_t now_sec) {
        return p->expires_sec != 0 && now_sec >= p->expires_sec;
}

int policy_admit(const Policy *p, const Ip *peer, int64_t now_sec, char **ret_why) {
        char text[IP_TEXT_MAX], *why;

        if (policy_is_expired(p, now_sec))
                why = str_format(
                        "This token was valid until %s (UTC); ask the server's administrator for more "
                        "time",
                        p->last_day);
        else if (p->from.n > 0 && !cidr_list_contains(&p->from, peer))
                why = str_format("This token may not be used from the address %s", ip_format(peer, text));
        else
                return 0;
        if (!why)
                return -ENOMEM;
        *ret_why = why;
        return -EKEYREJECTED;
}

/* ---- sentences ---- */

/* Owns LIST and ITEM, which may be NULL. */
static char *append_item(char *list, char *item) {
        char *longer = list && item ? str_format("%s%s%s", list, *list ? ", " : "", item) : NULL;

        free(list);
        free(item);
        return longer;
}

char *policy_list_subdomains(const Policy *p) {
        char *list = strdup("");

        for (size_t i = 0; i < p->subdomains.n; i++)
                list = append_item(list, strdup(p->subdomains.items[i]));
        return list;
}

char *policy_list_ports(const Policy *p) {
        char *list = strdup("");

        for (size_t i = 0; i < p->tcp_ports.n; i++) {
                const PortRange *r = &p->tcp_ports.items[i];

                list = append_item(list, r->low == r->high ? str_format("%u", r->low)
                                                           : str_format("%u-%u", r->low, r->high));
        }
        return list;
}

char *policy_list_protocols(const Policy *p) {
        char *list = strdup("");

        for (unsigned i = 0; i < TUNNEL_PROTOCOL_MAX; i++)
                if (policy_allows_protocol(p, i))
                        list = append_item(list, strdup(tunnel_protocol_to_string((TunnelProtocol) i)));
        return list;
}
