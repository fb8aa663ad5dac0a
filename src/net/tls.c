/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "net/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <gnutls/crypto.h>
#include <gnutls/x509.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/str.h"
#include "net/certificate-folder.h"

/* TLS 1.2 and 1.3 with authenticated encryption only. AES-128-GCM comes first: it is the fastest by far where
 * the CPU has AES, and as strong as the handshakes around it. For the same reason X25519 does, where the peer
 * is known to have it: the key exchange is half of what a resumed handshake costs. */
#define TLS_PRIORITY                                                                        \
        "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-CIPHER-ALL:+AES-128-GCM:+AES-256-GCM:" \
        "+CHACHA20-POLY1305:-RSA:-DHE-RSA:%SERVER_PRECEDENCE"
#define TLS_PRIORITY_X25519 \
        TLS_PRIORITY ":-GROUP-ALL:+GROUP-X25519:+GROUP-SECP256R1:+GROUP-SECP384R1:+GROUP-SECP521R1"

#define PEER_NAME_MAX 255
#define PEER_CHAIN_MAX 8
#define TICKET_KEY_BYTES 64 /* what GnuTLS takes: as much as SHA-512 gives */

struct TlsServer {
        atomic_uint n_refs;
        gnutls_priority_t priority;                   /* owned */
        gnutls_certificate_credentials_t credentials; /* owned; NULL with a select function */
        CertificateFolder *folder;                    /* owned, or NULL: asked before these */
        gnutls_datum_t ticket_key; /* owned; of this server alone, so no other's ticket opens it */
        bool requires_client;
        gnutls_x509_trust_list_t
                asked; /* owned: who may have signed what clients are asked for; NULL: nothing */
        TlsSelectFn select;
        void *userdata;          /* borrowed */
        const char *const *alpn; /* borrowed for ever; ends with NULL */
};

typedef enum TlsTrust { TRUST_CA, TRUST_PIN, TRUST_ANY } TlsTrust;

struct TlsClient {
        atomic_uint n_refs;
        TlsTrust trust;
        Pin pin;                                      /* with TRUST_PIN */
        gnutls_priority_t priority, priority_x25519;  /* owned */
        gnutls_certificate_credentials_t credentials; /* owned */
        pthread_mutex_t lock;                         /* for what follows */
        gnutls_datum_t ticket;                        /* owned */
        char *ticket_host;                            /* owned: whose it is */
        gnutls_group_t group;                         /* of the key exchange with that host */
};

static int tls_server_new(TlsServer **ret, const char *const *alpn) {
        _cleanup_(tls_server_unrefp) TlsServer *t = new0(TlsServer, 1);
        int r;

        if (!t)
                return -ENOMEM;
        t->n_refs = 1;
        r = gnutls_priority_init(&t->priority, TLS_PRIORITY_X25519, NULL);
        if (r < 0)
                return tls_errno(r);
        r = gnutls_session_ticket_key_generate(&t->ticket_key);
        if (r < 0)
                return tls_errno(r);
        t->alpn = alpn;
        *ret = TAKE_PTR(t);
        return 0;
}

int tls_server_new_files(TlsServer **ret, const char *certificate, const char *key, const char *const *alpn,
                         char **ret_why) {
        _cleanup_(tls_server_unrefp) TlsServer *t = NULL;
        int r = tls_server_new(&t, alpn);

        if (r < 0)
                return r;
        r = gnutls_certificate_allocate_credentials(&t->credentials);
        if (r < 0)
                return tls_errno(r);
        r = tls_load_certificate(t->credentials, certificate, key, ret_why);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(t);
        return 0;
}

int tls_server_add_folder(TlsServer *t, const char *path, char **ret_why) {
        return certificate_folder_new(&t->folder, path, ret_why);
}

int tls_server_require_client(TlsServer *t, const char *ca_file, char **ret_why) {
        int r = tls_load_cas(t->credentials, ca_file, ret_why);

        t->requires_client = true;
        return r < 0 || !t->folder ? r : certificate_folder_trust(t->folder, ca_file, ret_why);
}

int tls_server_ask_client(TlsServer *t, const char *ca_file, char **ret_why) {
        int r = gnutls_x509_trust_list_init(&t->asked, 0);

        if (r >= 0)
                r = gnutls_x509_trust_list_add_trust_file(t->asked, ca_file, NULL, GNUTLS_X509_FMT_PEM, 0, 0);
        if (r == 0)
                r = GNUTLS_E_NO_CERTIFICATE_FOUND;
        return r < 0 ? tls_fail(r, ret_why, "Can't read the CA file", ca_file) : 0;
}

/* Returns how many of the peer's certificates are in RET, to be freed. */
static unsigned import_peers(gnutls_session_t session, gnutls_x509_crt_t ret[static PEER_CHAIN_MAX]) {
        unsigned n_peers = 0, n = 0;
        const gnutls_datum_t *chain = gnutls_certificate_get_peers(session, &n_peers);

        while (n < MIN(n_peers, (unsigned) PEER_CHAIN_MAX) && gnutls_x509_crt_init(&ret[n]) >= 0) {
                n++;
                if (gnutls_x509_crt_import(ret[n - 1], &chain[n - 1], GNUTLS_X509_FMT_DER) < 0)
                        break;
        }
        return n;
}

bool tls_peer_is_proved(const TlsServer *t, gnutls_session_t session) {
        gnutls_typed_vdata_st purpose = {
                .type = GNUTLS_DT_KEY_PURPOSE_OID,
                .data = (unsigned char*) GNUTLS_KP_TLS_WWW_CLIENT,
        };
        gnutls_x509_crt_t chain[PEER_CHAIN_MAX];
        unsigned n = t->asked ? import_peers(session, chain) : 0, status = 0;
        int r = n > 0 ? gnutls_x509_trust_list_verify_crt2(t->asked, chain, n, &purpose, 1, 0, &status, NULL)
                      : GNUTLS_E_NO_CERTIFICATE_FOUND;

        while (n > 0)
                gnutls_x509_crt_deinit(chain[--n]);
        return r >= 0 && status == 0;
}

bool tls_server_requires_client(const TlsServer *t) {
        return t->requires_client;
}

static int own_pin(const gnutls_datum_t *der, Pin *ret) {
        gnutls_x509_crt_t crt;
        int r;

        if (gnutls_x509_crt_init(&crt) < 0)
                return -ENOMEM;
        r = gnutls_x509_crt_import(crt, der, GNUTLS_X509_FMT_DER) < 0 ? -EBADMSG : 0;
        if (r >= 0)
                r = gnutls_x509_crt_check_issuer(crt, crt) ? pin_of_certificate(crt, ret) : -ENOENT;
        gnutls_x509_crt_deinit(crt);
        return r;
}

int tls_server_own_pin(const TlsServer *t, Pin *ret) {
        gnutls_datum_t der;

        if (!t->credentials || gnutls_certificate_get_crt_raw(t->credentials, 0, 0, &der) < 0)
                return -ENOENT;
        return own_pin(&der, ret);
}

int tls_server_new_select(TlsServer **ret, TlsSelectFn select, void *userdata, const char *const *alpn) {
        TlsServer *t = NULL;
        int r = tls_server_new(&t, alpn);

        if (r < 0)
                return r;
        t->select = select;
        t->userdata = userdata;
        *ret = t;
        return 0;
}

TlsServer *tls_server_ref(TlsServer *t) {
        atomic_fetch_add(&t->n_refs, 1);
        return t;
}

TlsServer *tls_server_unref(TlsServer *t) {
        if (!t || atomic_fetch_sub(&t->n_refs, 1) > 1)
                return NULL;
        if (t->priority)
                gnutls_priority_deinit(t->priority);
        if (t->credentials)
                gnutls_certificate_free_credentials(t->credentials);
        if (t->asked)
                gnutls_x509_trust_list_deinit(t->asked, 1);
        certificate_folder_free(t->folder);
        if (t->ticket_key.data)
                gnutls_memset(t->ticket_key.data, 0, t->ticket_key.size);
        gnutls_free(t->ticket_key.data);
        free(t);
        return NULL;
}

#define ALPN_MAX 4

static int set_alpn(gnutls_session_t session, const char *const *alpn) {
        gnutls_datum_t protocols[ALPN_MAX];
        unsigned n = 0;

        for (; alpn && alpn[n] && n < ALPN_MAX; n++)
                protocols[n] = (gnutls_datum_t) { (unsigned char*) alpn[n], (unsigned) strlen(alpn[n]) };
        return n > 0 ? gnutls_alpn_set_protocols(session, protocols, n, GNUTLS_ALPN_SERVER_PRECEDENCE) : 0;
}

void tls_asked_name(gnutls_session_t session, char *ret, size_t size) {
        size_t n = size - 1;
        unsigned type;

        memset(ret, 0, size);
        if (gnutls_server_name_get(session, ret, &n, &type, 0) < 0)
                *ret = '\0';
        str_lower(ret);
}

static gnutls_certificate_credentials_t choose_credentials(TlsServer *t, const char *name) {
        gnutls_certificate_credentials_t found = t->folder ? certificate_folder_find(t->folder, name) : NULL;

        if (found)
                return found;
        return t->select ? t->select(name, t->userdata) : t->credentials;
}

/* Tickets of one certificate don't open another's: each has a key of its own, made of the server's. A second
 * hello, after HelloRetryRequest, leaves it at the first one's. */
static void enable_tickets(TlsServer *t, gnutls_session_t session,
                           gnutls_certificate_credentials_t credentials) {
        uint8_t bytes[TICKET_KEY_BYTES];
        gnutls_datum_t key = { .data = bytes, .size = sizeof(bytes) };

        if (gnutls_hmac_fast(GNUTLS_MAC_SHA512, t->ticket_key.data, t->ticket_key.size, &credentials,
                             sizeof(credentials), bytes) >= 0)
                (void) gnutls_session_ticket_enable_server(session, &key);
        gnutls_memset(bytes, 0, sizeof(bytes));
}

/* The client's hello is here, the certificate not chosen yet, and its ticket not looked at. */
static int on_client_hello(gnutls_session_t session) {
        TlsServer *t = gnutls_session_get_ptr(session);
        gnutls_certificate_credentials_t credentials;
        char name[256];

        tls_asked_name(session, name, sizeof(name));
        credentials = choose_credentials(t, name);
        if (!credentials)
                return GNUTLS_E_UNRECOGNIZED_NAME;
        if (!t->requires_client && !t->asked)
                enable_tickets(t, session, credentials);
        return gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, credentials);
}

/* The handshake fails unless the client's certificate is good, and made for clients. */
static void ask_for_certificate(gnutls_session_t session) {
        static gnutls_typed_vdata_st purpose = {
                .type = GNUTLS_DT_KEY_PURPOSE_OID,
                .data = (unsigned char*) GNUTLS_KP_TLS_WWW_CLIENT,
        };

        gnutls_certificate_server_set_request(session, GNUTLS_CERT_REQUIRE);
        gnutls_session_set_verify_cert2(session, &purpose, 1, 0);
}

int tls_server_setup(TlsServer *t, gnutls_session_t session) {
        bool by_name = t->select || t->folder;
        int r;

        gnutls_session_set_ptr(session, t);
        r = gnutls_priority_set(session, t->priority);
        if (r < 0)
                return tls_errno(r);
        if (by_name)
                gnutls_handshake_set_post_client_hello_function(session, on_client_hello);
        else
                r = gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, t->credentials);
        if (r >= 0)
                r = set_alpn(session, t->alpn);
        if (r >= 0 && t->requires_client)
                ask_for_certificate(session);
        else if (r >= 0 && t->asked)
                gnutls_certificate_server_set_request(session, GNUTLS_CERT_REQUEST);
        else if (r >= 0 && !by_name)
                r = gnutls_session_ticket_enable_server(session, &t->ticket_key);
        return r < 0 ? tls_errno(r) : 0;
}

static char *certificate_common_name(gnutls_x509_crt_t certificate) {
        char name[PEER_NAME_MAX + 1] = "";
        size_t n = sizeof(name);

        if (gnutls_x509_crt_get_dn_by_oid(certificate, GNUTLS_OID_X520_COMMON_NAME, 0, 0, name, &n) < 0 ||
            strlen(name) != n)
                name[0] = '\0';
        return strdup(name);
}

static char *certificate_alternative_name(gnutls_x509_crt_t certificate) {
        char name[PEER_NAME_MAX + 1];

        for (unsigned i = 0;; i++) {
                size_t n = sizeof(name) - 1;
                int type = gnutls_x509_crt_get_subject_alt_name(certificate, i, name, &n, NULL);

                if (type == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
                        return strdup("");
                if (type != GNUTLS_SAN_DNSNAME && type != GNUTLS_SAN_RFC822NAME)
                        continue;
                name[n] = '\0';
                return strdup(strlen(name) == n ? name : "");
        }
}

int tls_peer_name(gnutls_session_t session, char **ret_name) {
        unsigned n = 0;
        const gnutls_datum_t *chain = gnutls_certificate_get_peers(session, &n);
        gnutls_x509_crt_t certificate = NULL;
        char *name = NULL;

        if (gnutls_x509_crt_init(&certificate) < 0)
                return -ENOMEM;
        if (n == 0 || gnutls_x509_crt_import(certificate, &chain[0], GNUTLS_X509_FMT_DER) < 0)
                name = strdup("");
        else {
                name = certificate_common_name(certificate);
                if (name && *name == '\0') {
                        free(name);
                        name = certificate_alternative_name(certificate);
                }
        }
        gnutls_x509_crt_deinit(certificate);
        if (!name)
                return -ENOMEM;
        *ret_name = name;
        return 0;
}

static int load_trust(TlsClient *t, const char *ca_file, char **ret_why) {
        int r;

        if (!ca_file) {
                r = gnutls_certificate_set_x509_system_trust(t->credentials);
                return r < 0 ? tls_fail(r, ret_why, "Can't read the trusted certificates of", "this system")
                             : 0;
        }
        return tls_load_cas(t->credentials, ca_file, ret_why);
}

static int client_new(TlsClient **ret, TlsTrust trust) {
        _cleanup_(tls_client_unrefp) TlsClient *t = new0(TlsClient, 1);
        int r;

        if (!t)
                return -ENOMEM;
        t->n_refs = 1;
        t->trust = trust;
        pthread_mutex_init(&t->lock, NULL);
        r = gnutls_priority_init(&t->priority, TLS_PRIORITY, NULL);
        if (r >= 0)
                r = gnutls_priority_init(&t->priority_x25519, TLS_PRIORITY_X25519, NULL);
        if (r >= 0)
                r = gnutls_certificate_allocate_credentials(&t->credentials);
        if (r < 0)
                return tls_errno(r);
        *ret = TAKE_PTR(t);
        return 0;
}

int tls_client_new(TlsClient **ret, const char *ca_file, char **ret_why) {
        _cleanup_(tls_client_unrefp) TlsClient *t = NULL;
        int r = client_new(&t, TRUST_CA);

        if (r >= 0)
                r = load_trust(t, ca_file, ret_why);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(t);
        return 0;
}

int tls_client_new_pinned(TlsClient **ret, const Pin *pin) {
        int r = client_new(ret, TRUST_PIN);

        if (r >= 0)
                (*ret)->pin = *pin;
        return r;
}

int tls_client_new_trusting(TlsClient **ret) {
        return client_new(ret, TRUST_ANY);
}

int tls_client_set_certificate(TlsClient *t, const char *certificate, const char *key, char **ret_why) {
        return tls_load_certificate(t->credentials, certificate, key, ret_why);
}

TlsClient *tls_client_ref(TlsClient *t) {
        atomic_fetch_add(&t->n_refs, 1);
        return t;
}

TlsClient *tls_client_unref(TlsClient *t) {
        if (!t || atomic_fetch_sub(&t->n_refs, 1) > 1)
                return NULL;
        if (t->priority)
                gnutls_priority_deinit(t->priority);
        if (t->priority_x25519)
                gnutls_priority_deinit(t->priority_x25519);
        if (t->credentials)
                gnutls_certificate_free_credentials(t->credentials);
        pthread_mutex_destroy(&t->lock);
        gnutls_free(t->ticket.data);
        free(t->ticket_host);
        free(t);
        return NULL;
}

static bool is_ip_address(const char *host) {
        unsigned char address[sizeof(struct in6_addr)];

        return inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
}

/* Of the key exchange that HOST has chosen last; GNUTLS_GROUP_INVALID: not known. */
static gnutls_group_t known_group(TlsClient *t, const char *host) {
        gnutls_group_t group;

        pthread_mutex_lock(&t->lock);
        group = t->ticket_host && streq(t->ticket_host, host) ? t->group : GNUTLS_GROUP_INVALID;
        pthread_mutex_unlock(&t->lock);
        return group;
}

unsigned tls_client_flags(TlsClient *t, const char *host) {
        gnutls_group_t group = known_group(t, host);

        /* Each more share is a key made for nothing, none that the peer has a round trip more. Old Go servers
         * have P-256 only. */
        return GNUTLS_CLIENT |
               (group == GNUTLS_GROUP_X25519 || group == GNUTLS_GROUP_SECP256R1 ? GNUTLS_KEY_SHARE_TOP
                                                                                : GNUTLS_KEY_SHARE_TOP2);
}

int tls_peer_pin(gnutls_session_t session, Pin *ret) {
        unsigned n = 0;
        const gnutls_datum_t *chain = gnutls_certificate_get_peers(session, &n);

        return n > 0 ? pin_of_der(&chain[0], ret) : -ENOENT;
}

bool tls_is_pinned(gnutls_session_t session) {
        const TlsClient *t = gnutls_session_get_ptr(session);

        return t->trust == TRUST_PIN;
}

static int on_verify_pin(gnutls_session_t session) {
        const TlsClient *t = gnutls_session_get_ptr(session);
        Pin pin;

        return tls_peer_pin(session, &pin) >= 0 && pin_equals(&pin, &t->pin) ? 0 : GNUTLS_E_CERTIFICATE_ERROR;
}

static void set_verification(TlsClient *t, gnutls_session_t session, const char *host) {
        if (t->trust == TRUST_CA)
                gnutls_session_set_verify_cert(session, host, 0);
        else if (t->trust == TRUST_PIN)
                gnutls_session_set_verify_function(session, on_verify_pin);
}

int tls_client_setup(TlsClient *t, gnutls_session_t session, const char *host, const char *const *alpn) {
        int r;

        gnutls_session_set_ptr(session, t);
        r = gnutls_priority_set(session, known_group(t, host) == GNUTLS_GROUP_X25519 ? t->priority_x25519
                                                                                     : t->priority);
        if (r >= 0)
                r = gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, t->credentials);
        if (r >= 0)
                r = set_alpn(session, alpn);
        if (r >= 0 && !is_ip_address(host))
                r = gnutls_server_name_set(session, GNUTLS_NAME_DNS, host, strlen(host));
        if (r < 0)
                return tls_errno(r);
        set_verification(t, session, host);

        pthread_mutex_lock(&t->lock);
        if (t->ticket.data &&
            streq(t->ticket_host, host)) /* a ticket that can't be used costs a full handshake only */
                (void) gnutls_session_set_data(session, t->ticket.data, t->ticket.size);
        pthread_mutex_unlock(&t->lock);
        return 0;
}

void tls_client_remember(TlsClient *t, gnutls_session_t session, const char *host) {
        gnutls_datum_t ticket = {};

        if (gnutls_session_get_data2(session, &ticket) < 0)
                return;
        pthread_mutex_lock(&t->lock);
        if (str_replace(&t->ticket_host, host) >= 0) {
                gnutls_free(t->ticket.data);
                t->ticket = ticket;
                t->group = gnutls_group_get(session);
                ticket.data = NULL;
        }
        pthread_mutex_unlock(&t->lock);
        gnutls_free(ticket.data);
}
