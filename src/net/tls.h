/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What TLS connections of one kind share: certificates, priorities, session tickets. Reference-counted and
 * immutable but for the tickets that a client collects; any thread. */

#include <gnutls/gnutls.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"
#include "net/pin.h"
#include "net/tls-credentials.h"

typedef struct TlsServer TlsServer;
typedef struct TlsClient TlsClient;

/* Picks credentials by SNI: NAME is in lower case, "" without one. Any thread. Returns credentials that live
 * as long as the TlsServer, or NULL to refuse the name (unrecognized_name). */
typedef gnutls_certificate_credentials_t (*TlsSelectFn)(const char *name, void *userdata);

/* A server with one certificate chain and key (PEM files). ALPN: the protocols to choose from what the client
 * offers, the first that matches wins; ends with NULL, borrowed for ever. Returns 0 or a negative errno; then
 * *RET_WHY, unless RET_WHY is NULL, may be a sentence, owned by the caller. */
int tls_server_new_files(TlsServer **ret, const char *certificate, const char *key, const char *const *alpn,
                         char **ret_why);

/* Clients that ask for a name that a certificate in the folder PATH is good for get that one (see
 * certificate-folder.h). T has no connection yet, nor a folder. Returns as above. */
int tls_server_add_folder(TlsServer *t, const char *path, char **ret_why);

/* Each client must show a certificate signed by a CA in CA_FILE (PEM). Its name is told by
 * stream_tls_peer_name(). There are no tickets then: each connection proves itself. T is of
 * tls_server_new_files(), has no connection yet, and its folder, if it is to have one. Returns as above. */
int tls_server_require_client(TlsServer *t, const char *ca_file, char **ret_why);

/* Each client is asked for a certificate, and comes in without one too: who has shown one that a CA in
 * CA_FILE (PEM) has signed, for clients, is told by stream_tls_is_proved(). There are no tickets then. T has
 * no connection yet. Returns as above. */
int tls_server_ask_client(TlsServer *t, const char *ca_file, char **ret_why);

/* A server that asks SELECT for each connection; USERDATA is borrowed and outlives it. */
int tls_server_new_select(TlsServer **ret, TlsSelectFn select, void *userdata, const char *const *alpn);
TlsServer *tls_server_ref(TlsServer *t);
TlsServer *tls_server_unref(TlsServer *t); /* NULL; takes NULL */

/* CA_FILE: PEM certificates to trust instead of the system's, or NULL. Returns as above. */
int tls_client_new(TlsClient **ret, const char *ca_file, char **ret_why);

/* The server is known by its key, whoever has signed its certificate, for whatever name and time. */
int tls_client_new_pinned(TlsClient **ret, const Pin *pin);

/* Any server will do: whoever is in between reads along. */
int tls_client_new_trusting(TlsClient **ret);

/* What to show to servers that ask for a certificate (PEM files). T has no connection yet. Returns as
 * above. */
int tls_client_set_certificate(TlsClient *t, const char *certificate, const char *key, char **ret_why);
TlsClient *tls_client_ref(TlsClient *t);
TlsClient *tls_client_unref(TlsClient *t);

/* For stream-tls.c: what gnutls_init() is to be told for a connection to HOST. */
unsigned tls_client_flags(TlsClient *t, const char *host);

/* For stream-tls.c: set up SESSION, whose pointer becomes T, for one connection. HOST, the name that the
 * server must prove, is borrowed and outlives the session; ALPN, what to offer, ends with NULL, or is NULL.
 * Return 0 or a negative errno. */
int tls_server_setup(TlsServer *t, gnutls_session_t session);
int tls_client_setup(TlsClient *t, gnutls_session_t session, const char *host, const char *const *alpn);

/* Keeps the ticket that SESSION got, and what its key exchange was, for the next connection to the same host.
 */
void tls_client_remember(TlsClient *t, gnutls_session_t session, const char *host);

/* The name in the certificate that SESSION's peer has proved to own: the common name, else the first
 * alternative name of a host or a mailbox, else "". Returns 0 with *RET_NAME, owned by the caller, or
 * -ENOMEM. Only where a certificate is required. */
int tls_peer_name(gnutls_session_t session, char **ret_name);

/* The pin of the certificate that SESSION's server has shown. Returns 0 or a negative errno. */
int tls_peer_pin(gnutls_session_t session, Pin *ret);

/* Is SESSION, a client's, one that knows its server by a pin? */
bool tls_is_pinned(gnutls_session_t session);

/* The name in the hello of SESSION's peer, in lower case, to SIZE bytes at RET; "" for none, or a longer
 * one. */
void tls_asked_name(gnutls_session_t session, char *ret, size_t size);
bool tls_server_requires_client(const TlsServer *t);

/* SESSION's peer has shown a certificate that T, which asks for it, takes. */
bool tls_peer_is_proved(const TlsServer *t, gnutls_session_t session);

/* The pin of T's certificate if that signs itself, so that clients have nothing else to trust it by. T is of
 * tls_server_new_files(). Returns 0, or -ENOENT if it doesn't. */
int tls_server_own_pin(const TlsServer *t, Pin *ret);

DEFINE_CLEANUP(TlsServer*, tls_server_unref);
DEFINE_CLEANUP(TlsClient*, tls_client_unref);
