/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/registry.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/parse.h"
#include "base/str.h"

/* Random sequences of what users may do, with a plain model of who owns what beside the registry: nobody gets
 * another's name, port or session, in whatever order messages come. */

#define GRACE_USEC (600 * USEC_PER_SEC)
#define ROUNDS 200
#define STEPS 200
#define NOBODY (-1)

enum { N_USERS = 3, N_IDS = 5, N_NAMES = 4 };

typedef struct ModelClient {
        int user; /* NOBODY: not known */
        SessionName session;
} ModelClient;

typedef struct ModelName {
        int user;   /* NOBODY: free */
        int client; /* NOBODY: reserved only */
} ModelName;

static const ConfigList no_names = {};
static const char *const user_names[N_USERS] = { "ann", "bob", "eve" };
static User *users[N_USERS];
static Registry *registry;
static ModelClient clients[N_IDS];
static ModelName names[N_NAMES];
static uint64_t last_session;
static Address peer;

static const char *id_of(int client) {
        static char id[32];

        snprintf(id, sizeof(id), "client-%d-0123456789abcdef", client);
        return id;
}

static void model_release(int client, bool reserve) {
        for (int i = 0; i < N_NAMES; i++)
                if (names[i].client == client)
                        names[i] = (ModelName) { .user = reserve ? names[i].user : NOBODY, .client = NOBODY };
}

static void try_login(int user, int client) {
        SessionName session = { .worker = 1, .id = ++last_session }, replaced[MESSAGE_SESSIONS_MAX];
        RegistryLogin login = { id_of(client), users[user], &peer, "", 0, session };
        _cleanup_free_ char *id = NULL;
        ModelClient *c = &clients[client];
        int r = registry_login(registry, &login, &id, replaced);

        if (c->user != NOBODY && c->user != user) {
                assert_int_equal(r, -EKEYREJECTED);
                return;
        }
        assert_int_equal(r, c->session.id != 0);
        assert_string_equal(id, id_of(client));
        if (r > 0)
                assert_int_equal(replaced[0].id, c->session.id);
        model_release(client, true);
        *c = (ModelClient) { .user = user, .session = session };
}

static void try_logout(int client, uint64_t session) {
        registry_logout(registry, id_of(client), session, clock_usec());
        if (clients[client].session.id == session) {
                model_release(client, true);
                clients[client].session = (SessionName){};
        }
}

static void try_request(int client, SessionName session, int name) {
        char label[] = { (char) ('a' + name), '\0' }, protocol[] = "http+https";
        MessageReqTunnel m = { .protocol = protocol, .subdomain = label };
        TunnelGrant grants[TUNNEL_PROTOCOL_MAX];
        _cleanup_free_ char *why = NULL;
        ModelClient *c = &clients[client];
        ModelName *n = &names[name];
        int r = registry_add(registry, id_of(client), session, &m, grants, &why);

        for (int i = 0; i < r; i++)
                tunnel_unref(grants[i].tunnel);
        if (c->session.id != session.id) {
                assert_int_equal(r, -ESTALE);
                return;
        }
        if (n->client != NOBODY || (n->user != NOBODY && n->user != c->user)) {
                assert_int_equal(r, -EEXIST);
                return;
        }
        assert_int_equal(r, 2);
        *n = (ModelName) { .user = c->user, .client = client };
}

static void forget_all_reserved(void) {
        registry_sweep(registry, clock_usec() + GRACE_USEC);
        for (int i = 0; i < N_NAMES; i++)
                if (names[i].client == NOBODY)
                        names[i].user = NOBODY;
        for (int i = 0; i < N_IDS; i++)
                if (clients[i].session.id == 0)
                        clients[i].user = NOBODY;
}

static void revoke_all_of(int user, bool for_good) {
        registry_revoke(registry, user_names[user], for_good ? NULL : users[user], clock_usec());
        for (int i = 0; i < N_IDS; i++)
                if (clients[i].user == user) {
                        model_release(i, !for_good);
                        clients[i] = (ModelClient) { .user = for_good ? NOBODY : user };
                }
        for (int i = 0; i < N_NAMES; i++)
                if (for_good && names[i].user == user)
                        names[i].user = NOBODY;
}

static void check_name(int name) {
        char host[] = "a.t.example";
        Tunnel *t = NULL;
        SessionName session;
        RegistryAnswer answer;

        host[0] = (char) (host[0] + name);
        answer = registry_find(registry, TUNNEL_HTTP, host, 1, &t, &session);
        if (names[name].client != NOBODY) {
                assert_int_equal(answer, REGISTRY_FOUND);
                assert_string_equal(t->user->name, user_names[names[name].user]);
                assert_int_equal(session.id, clients[names[name].client].session.id);
        } else
                assert_int_equal(answer, names[name].user == NOBODY ? REGISTRY_UNKNOWN : REGISTRY_AWAY);
        tunnel_unref(t);
}

static void check_session(int client) {
        SessionName session = {};
        int r = registry_find_session(registry, id_of(client), &session);

        assert_int_equal(r, clients[client].session.id != 0 ? 0 : -ENOENT);
        assert_int_equal(session.id, clients[client].session.id);
}

static void step(void) {
        int client = (int) random_below(N_IDS), user = (int) random_below(N_USERS);
        SessionName own = clients[client].session, guess = clients[random_below(N_IDS)].session;

        switch (random_below(16)) {
        case 0 ... 4:
                try_login(user, client);
                break;
        case 5 ... 8: /* also another client's session */
                if (guess.id != 0 && random_below(2) == 0)
                        try_logout(client, guess.id);
                else if (guess.id != 0)
                        try_request(client, guess, (int) random_below(N_NAMES));
                break;
        case 9 ... 13:
                if (own.id != 0)
                        try_request(client, own, (int) random_below(N_NAMES));
                break;
        case 14:
                forget_all_reserved();
                break;
        default:
                revoke_all_of(user, random_below(2) == 0);
        }
}

static void start_over(void) {
        RegistryOptions options = {
                .rules = { .domain = "t.example", .reserved = &no_names, .banned = &no_names, .http_port = 80, .https_port = 443,
                           .tcp_low = 1, .tcp_high = 1 },
                .grace_usec = GRACE_USEC,
                .max_clients = N_IDS,
                .max_tunnels_per_client = STEPS,
        };

        registry_free(registry);
        registry = NULL;
        assert_int_equal(registry_new(&registry, &options), 0);
        for (int i = 0; i < N_IDS; i++)
                clients[i] = (ModelClient) { .user = NOBODY };
        for (int i = 0; i < N_NAMES; i++)
                names[i] = (ModelName) { .user = NOBODY, .client = NOBODY };
}

static void test_nobody_gets_what_is_another_users(void **state _unused_) {
        for (unsigned round = 0; round < ROUNDS; round++) {
                start_over();
                for (unsigned i = 0; i < STEPS; i++) {
                        step();
                        for (int name = 0; name < N_NAMES; name++)
                                check_name(name);
                        for (int client = 0; client < N_IDS; client++)
                                check_session(client);
                }
        }
        for (int i = 0; i < N_USERS; i++)
                revoke_all_of(i, true);
        for (int i = 0; i < N_USERS; i++)
                assert_int_equal(users[i]->n_tunnels, 0);
}

static int set_up(void **state _unused_) {
        for (int i = 0; i < N_USERS; i++)
                if (user_new(&users[i], user_names[i], NULL) < 0)
                        return -1;
        return address_parse("192.0.2.1:1", &peer);
}

static int tear_down(void **state _unused_) {
        registry = registry_free(registry);
        for (int i = 0; i < N_USERS; i++)
                users[i] = user_unref(users[i]);
        return 0;
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_nobody_gets_what_is_another_users),
        };

        return cmocka_run_group_tests(tests, set_up, tear_down);
}
