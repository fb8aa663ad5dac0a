/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/snapshot.h"

#include <errno.h>

#include "base/log.h"
#include "base/str.h"
#include "net/listener.h"
#include "net/mux.h"
#include "server/inherited.h"
#include "server/own-certificate.h"

typedef struct SharedConfig {
        atomic_uint n_refs;
        ServerConfig config;
} SharedConfig;

static int shared_config_new(const ServerConfig **ret, ServerConfig *config) {
        SharedConfig *c = new0(SharedConfig, 1);

        if (!c) {
                server_config_done(config);
                return -ENOMEM;
        }
        c->n_refs = 1;
        c->config = *config;
        *config = (ServerConfig){};
        *ret = &c->config;
        return 0;
}

static SharedConfig *shared_config(const ServerConfig *config) {
        return container_of(config, SharedConfig, config);
}

static void shared_config_unref(const ServerConfig *config) {
        SharedConfig *c;

        if (!config)
                return;
        c = shared_config(config);
        if (atomic_fetch_sub(&c->n_refs, 1) > 1)
                return;
        server_config_done(&c->config);
        free(c);
}

/* ---- credentials ---- */

static int require_clients(Snapshot *s, char **ret_why) {
        if (s->config->one_port && s->config->https_listen.n > 0)
                log_info("Clients connect to tunnel_listen only, since server.tls.client_ca is set: "
                         "one_port has no effect");
        return tls_server_require_client(s->tunnel_tls, s->config->client_ca, ret_why);
}

static int make_dev_ca(DevCa **dev_ca, char **ret_why) {
        _cleanup_free_ char *folder = NULL;

        if (*dev_ca)
                return 0;
        folder = dev_ca_folder();
        return folder ? dev_ca_new(dev_ca, folder, ret_why) : -ENOMEM;
}

static int make_dev_credentials(Snapshot *s, const char *const *tunnel_alpn, const char *const *edge_alpn,
                                DevCa **dev_ca, char **ret_why) {
        int r = make_dev_ca(dev_ca, ret_why);

        if (r >= 0)
                r = tls_server_new_select(&s->tunnel_tls, dev_ca_select, *dev_ca, tunnel_alpn);
        return r < 0 ? r : tls_server_new_select(&s->https_tls, dev_ca_select, *dev_ca, edge_alpn);
}

static int make_credentials(Snapshot *s, DevCa **dev_ca, char **ret_why) {
        static const char *const tunnel_alpn[] = { MUX_ALPN, NULL };
        static const char *const https_alpn[] = { "http/1.1", NULL };
        static const char *const one_port_alpn[] = { "http/1.1", MUX_ALPN, NULL };
        const ServerConfig *c = s->config;
        /* Visitors have no certificate, and a ticket of theirs must not pass for one. */
        const char *const *edge_alpn = c->one_port && !c->client_ca ? one_port_alpn : https_alpn;
        _cleanup_free_ char *own = NULL, *own_key = NULL;
        const char *certificate = c->certificate, *key = c->key;
        int r = 0;

        if (!certificate && c->dev)
                return make_dev_credentials(s, tunnel_alpn, edge_alpn, dev_ca, ret_why);
        if (!certificate) {
                r = own_certificate(c->domain, &own, &own_key, ret_why);
                certificate = own;
                key = own_key;
        }
        if (r >= 0)
                r = tls_server_new_files(&s->tunnel_tls, certificate, key, tunnel_alpn, ret_why);
        return r < 0 ? r : tls_server_new_files(&s->https_tls, certificate, key, edge_alpn, ret_why);
}

/* Clients may have been told another name of this server than the domain. */
static int add_certificates(Snapshot *s, char **ret_why) {
        const char *folder = s->config->tls_directory;
        int r = folder ? tls_server_add_folder(s->tunnel_tls, folder, ret_why) : 0;

        return r < 0 || !folder ? r : tls_server_add_folder(s->https_tls, folder, ret_why);
}

static int snapshot_make_credentials(Snapshot *s, DevCa **dev_ca, ConfigList *faults) {
        _cleanup_free_ char *why = NULL;
        int r = make_credentials(s, dev_ca, &why);

        if (r >= 0)
                r = add_certificates(s, &why);
        if (r >= 0 && s->config->client_ca)
                r = require_clients(s, &why);
        if (r >= 0 && s->config->visitor_ca)
                r = tls_server_ask_client(s->https_tls, s->config->visitor_ca, &why);
        if (r < 0)
                (void) config_list_add(faults, why ? why : strerror(-r));
        return r;
}

/* ---- sockets ---- */

static PublicSocket *public_socket_unref(PublicSocket *p) {
        if (!p || atomic_fetch_sub(&p->n_refs, 1) > 1)
                return NULL;
        safe_close(p->fd);
        free(p->text);
        free(p);
        return NULL;
}

static PublicSocket *public_socket_ref(PublicSocket *p) {
        atomic_fetch_add(&p->n_refs, 1);
        return p;
}

static const char *explain_bind(int error) {
        if (error == -EADDRINUSE)
                return " (`ss -ltnp' shows which program has it)";
        return error == -EACCES ? " (a port below 1024 needs root, or CAP_NET_BIND_SERVICE)" : "";
}

/* Binds, unless the process before us has bound it. */
static int public_socket_bind(PublicSocket *p, ListenerKind kind, const char *text, Inherited *inherited) {
        int r = str_replace(&p->text, text);

        if (r < 0)
                return r;
        if (address_parse(text, &p->address) < 0)
                return -EINVAL; /* the configuration was checked */
        p->fd = inherited_take_own(inherited, kind, &p->address);
        if (p->fd < 0)
                p->fd = listener_bind(&p->address);
        return p->fd < 0 ? p->fd : address_of_socket(p->fd, &p->address);
}

static int public_socket_new(PublicSocket **ret, ListenerKind kind, const char *text, Inherited *inherited,
                             ConfigList *faults) {
        PublicSocket *p = new0(PublicSocket, 1);
        int r;

        if (!p)
                return -ENOMEM;
        p->n_refs = 1;
        p->fd = -1;
        r = public_socket_bind(p, kind, text, inherited);
        if (r < 0) {
                (void) config_list_take(
                        faults, str_format("Can't listen on %s: %s%s", text, strerror(-r), explain_bind(r)));
                public_socket_unref(p);
                return r;
        }
        *ret = p;
        return 0;
}

static bool snapshot_uses(const Snapshot *s, const PublicSocket *p) {
        for (unsigned i = 0; i < s->n_sockets; i++)
                if (s->sockets[i].socket == p)
                        return true;
        return false;
}

/* What OLDER listens on at TEXT, unless S has it already: for KIND at best. A port of our choice is of its
 * kind only. Borrowed, or NULL. */
static PublicSocket *find_older_socket(const Snapshot *s, const Snapshot *older, ListenerKind kind,
                                       const char *text) {
        PublicSocket *found = NULL;
        Address address;

        if (!older || address_parse(text, &address) < 0)
                return NULL;
        for (unsigned i = 0; i < older->n_sockets; i++) {
                PublicSocket *p = older->sockets[i].socket;
                bool same_kind = older->sockets[i].kind == kind;

                if (!p->text || !streq(p->text, text) || (!same_kind && address_port(&address) == 0))
                        continue;
                if (snapshot_uses(s, p))
                        continue;
                if (same_kind)
                        return p;
                found = p;
        }
        return found;
}

/* Takes a reference. */
static int snapshot_add_socket(Snapshot *s, ListenerKind kind, PublicSocket *p, ConfigList *faults) {
        if (s->n_sockets == SNAPSHOT_SOCKETS_MAX) {
                public_socket_unref(p);
                (void) config_list_take(faults, str_format("There are more than %u addresses to listen on",
                                                           SNAPSHOT_SOCKETS_MAX));
                return -ENOBUFS;
        }
        s->sockets[s->n_sockets++] = (SnapshotSocket) { .kind = kind, .socket = p };
        return 0;
}

static int snapshot_listen_on(Snapshot *s, const Snapshot *older, Inherited *inherited, ListenerKind kind,
                              const char *text, ConfigList *faults) {
        PublicSocket *p;
        int r;

        p = find_older_socket(s, older, kind, text);
        if (p)
                public_socket_ref(p);
        else {
                r = public_socket_new(&p, kind, text, inherited, faults);
                if (r < 0)
                        return r;
        }
        return snapshot_add_socket(s, kind, p, faults);
}

static int snapshot_listen(Snapshot *s, const Snapshot *older, Inherited *inherited, ConfigList *faults) {
        const ConfigList *lists[LISTEN_KIND_MAX] = {
                [LISTEN_HTTP] = &s->config->http_listen,
                [LISTEN_HTTPS] = &s->config->https_listen,
                [LISTEN_TUNNEL] = &s->config->tunnel_listen,
        };

        for (int kind = 0; kind < LISTEN_KIND_MAX; kind++)
                for (size_t i = 0; i < lists[kind]->n; i++)
                        if (lists[kind]->items[i][0] != '\0') {
                                int r = snapshot_listen_on(s, older, inherited, (ListenerKind) kind,
                                                           lists[kind]->items[i], faults);

                                if (r < 0)
                                        return r;
                        }
        return 0;
}

/* ---- sockets that systemd has passed ---- */

/* Without authentication only loopback is served, whoever has bound the address. */
static int check_inherited(const Snapshot *s, const Address *address, ConfigList *faults) {
        char text[ADDRESS_TEXT_MAX];

        if (s->config->auth != AUTH_NONE || s->config->client_ca || address_is_loopback(address))
                return 0;
        (void) config_list_take(faults,
                                str_format("Without authentication only loopback may be listened on, and "
                                           "%s, which systemd has passed, is open to others; set "
                                           "server.auth.method to \"token-file\"",
                                           address_format(address, text)));
        return -EINVAL;
}

static int snapshot_take_inherited(Snapshot *s, Inherited *inherited, unsigned i, ConfigList *faults) {
        PublicSocket *p = new0(PublicSocket, 1);
        int r;

        if (!p)
                return -ENOMEM;
        p->n_refs = 1;
        p->fd = TAKE_FD(inherited->sockets[i].fd);
        r = address_of_socket(p->fd, &p->address);
        if (r >= 0)
                r = check_inherited(s, &p->address, faults);
        if (r < 0) {
                public_socket_unref(p);
                return r;
        }
        return snapshot_add_socket(s, inherited->sockets[i].kind, p, faults);
}

static bool snapshot_is_inherited(const Snapshot *s) {
        return s && s->n_sockets > 0 && !s->sockets[0].socket->text;
}

/* Returns 1 when there are such sockets, which are all then, 0 when there are none, or a negative errno. */
static int snapshot_listen_inherited(Snapshot *s, const Snapshot *older, Inherited *inherited,
                                     ConfigList *faults) {
        int r = 0;

        if (snapshot_is_inherited(older)) {
                for (unsigned i = 0; i < older->n_sockets && r >= 0; i++) {
                        r = check_inherited(s, &older->sockets[i].socket->address, faults);
                        if (r >= 0)
                                r = snapshot_add_socket(s, older->sockets[i].kind,
                                                        public_socket_ref(older->sockets[i].socket), faults);
                }
        } else
                for (unsigned i = 0; inherited && i < inherited->n_sockets && r >= 0; i++)
                        if (!inherited->sockets[i].is_own)
                                r = snapshot_take_inherited(s, inherited, i, faults);
        if (r < 0 || s->n_sockets == 0)
                return r;
        if (s->config->sets_listen)
                log_warning(
                        "server.http_listen, https_listen and tunnel_listen have no effect: systemd has passed "
                        "the sockets (pgrokd-*.socket), ignoring");
        return 1;
}

/* ---- what is listened on ---- */

bool snapshot_has_socket(const Snapshot *s, ListenerKind kind, const PublicSocket *socket) {
        for (unsigned i = 0; i < s->n_sockets; i++)
                if (s->sockets[i].kind == kind && s->sockets[i].socket == socket)
                        return true;
        return false;
}

void snapshot_close_sockets(const Snapshot *s) {
        for (unsigned i = 0; i < s->n_sockets; i++)
                s->sockets[i].socket->fd = safe_close(s->sockets[i].socket->fd);
}

const Address *snapshot_address(const Snapshot *s, ListenerKind kind) {
        for (unsigned i = 0; i < s->n_sockets; i++)
                if (s->sockets[i].kind == kind)
                        return &s->sockets[i].socket->address;
        return NULL;
}

/* ---- the whole ---- */

/* The port that URLs say: of the first address. */
static uint16_t port_of(const Address *address) {
        return address ? address_port(address) : 0;
}

RegistryOptions snapshot_registry_options(const Snapshot *s) {
        const ServerConfig *c = s->config;
        const Address *http = snapshot_address(s, LISTEN_HTTP);

        return (RegistryOptions) {
                .rules = {
                        .domain = c->domain,
                        .reserved = &c->reserved_names,
                        .banned = &c->banned_names,
                        .pool = &c->pool_names,
                        .no_random = c->no_random_names,
                        .http_port = port_of(http),
                        .https_port = port_of(snapshot_address(s, LISTEN_HTTPS)),
                        .tcp_low = c->tcp_low,
                        .tcp_high = c->tcp_high,
                },
                /* tcp tunnels are for those who may reach the http tunnels */
                .tcp_address = http ? *http : s->sockets[0].socket->address,
                .grace_usec = c->grace_usec,
                .park_usec = c->park_usec,
                .max_clients = c->max_clients,
                .max_tunnels_per_client = c->max_tunnels_per_client,
                .rate_per_tunnel = c->rate_per_tunnel,
        };
}

static unsigned trust_after(const Snapshot *older, const ServerConfig *c) {
        bool same =
                older && older->config->auth == c->auth && str_equal(older->config->client_ca, c->client_ca);

        return older ? older->trust + !same : 0;
}

int snapshot_new(Snapshot **ret, ServerConfig *config, const Snapshot *older, Inherited *inherited,
                 DevCa **dev_ca, ConfigList *faults) {
        _cleanup_(snapshot_unrefp) Snapshot *s = new0(Snapshot, 1);
        int r;

        if (!s) {
                server_config_done(config);
                return -ENOMEM;
        }
        s->n_refs = 1;
        s->trust = trust_after(older, config);
        r = shared_config_new(&s->config, config);
        if (r >= 0)
                r = error_pages_new(&s->error_pages, s->config->error_pages, faults);
        if (r >= 0)
                r = snapshot_make_credentials(s, dev_ca, faults);
        if (r >= 0)
                r = snapshot_listen_inherited(s, older, inherited, faults);
        if (r == 0)
                r = snapshot_listen(s, older, inherited, faults);
        if (r >= 0)
                *ret = TAKE_PTR(s);
        return r;
}

int snapshot_new_credentials(Snapshot **ret, const Snapshot *older, DevCa **dev_ca, ConfigList *faults) {
        _cleanup_(snapshot_unrefp) Snapshot *s = new0(Snapshot, 1);
        int r;

        if (!s)
                return -ENOMEM;
        s->n_refs = 1;
        s->trust = older->trust;
        s->config = older->config;
        atomic_fetch_add(&shared_config(s->config)->n_refs, 1);
        s->error_pages = error_pages_ref(older->error_pages);
        for (; s->n_sockets < older->n_sockets; s->n_sockets++) {
                s->sockets[s->n_sockets] = older->sockets[s->n_sockets];
                public_socket_ref(s->sockets[s->n_sockets].socket);
        }
        r = snapshot_make_credentials(s, dev_ca, faults);
        if (r >= 0)
                *ret = TAKE_PTR(s);
        return r;
}

Snapshot *snapshot_ref(Snapshot *s) {
        atomic_fetch_add(&s->n_refs, 1);
        return s;
}

Snapshot *snapshot_unref(Snapshot *s) {
        if (!s || atomic_fetch_sub(&s->n_refs, 1) > 1)
                return NULL;
        for (unsigned i = 0; i < s->n_sockets; i++)
                public_socket_unref(s->sockets[i].socket);
        tls_server_unref(s->https_tls);
        tls_server_unref(s->tunnel_tls);
        error_pages_unref(s->error_pages);
        shared_config_unref(s->config);
        free(s);
        return NULL;
}
