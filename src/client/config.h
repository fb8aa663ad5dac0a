/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Everything that files, the environment and the command line say to the client, checked. */

#include "base/config-key.h"
#include "client/changes.h"
#include "client/file-service.h"
#include "client/options.h"
#include "client/tunnel-config.h"
#include "net/tls.h"

#define SERVER_PORT_DEFAULT 4443

typedef struct ClientConfig {
        char *server; /* owned, as all strings: "host:port"; NULL: none is configured */
        char *token;  /* or NULL; read anew by client_config_read_token() */
        char *token_file;
        char *ca_file;           /* NULL: the system's */
        char *pin;               /* "sha256:…": the server's key, in place of CAs; NULL: none */
        char *certificate, *key; /* to show to the server; NULL: none */
        TlsClient *tls;          /* a reference: made of these by client_config_prepare() */
        char *http_proxy;        /* NULL: none */
        char *transport;
        char *inspect; /* NULL: nothing is captured */
        uint64_t n_connections;
        TunnelConfig **tunnels; /* in the order of the files; those on the command line are the only ones */
        size_t n_tunnels;
        /* Derived from `server`: */
        char *server_host;
        char *tls_name; /* that the server's certificate must have */
        uint16_t server_port;
        struct ClientConfig *previous; /* owned, or NULL: what it replaced, for visitors that still use it */
        char *folder;                  /* where the configuration is or would be, for sentences to the user */
} ClientConfig;

/* Reads all that OPTIONS ask for, and applies CHANGES. Returns 0; -EINVAL when there are faults, one a line
 * in *RET_FAULTS (which the caller must be done with in any case); or -ENOMEM. */
int client_config_load(ClientConfig **ret, const Options *options, const Changes *changes,
                       ConfigList *ret_faults);

/* Where the configuration is read, or would be: what --config names first, or the user's folder. Owned by the
 * caller, or NULL. */
char *client_config_folder(const Options *options);

/* A ConfigCheckFn, of client.server. */
const char *client_config_check_server(const char *value);

/* Takes NULL; returns NULL. */
ClientConfig *client_config_free(ClientConfig *c);

/* Makes what the selected tunnels and the connection to the server need while they are used: reads CAs and
 * the certificate. FILES is borrowed for the life of C. Returns 0, or a negative errno with *RET_WHY, a
 * sentence owned by the caller, or NULL. */
int client_config_prepare(ClientConfig *c, FileService *files, char **ret_why);

/* Do A and B lead to the same server in the same way, as the same user? */
bool client_config_same_server(const ClientConfig *a, const ClientConfig *b);

/* Reads token_file, if there is one, into `token`: it may have changed. Returns 0 or a negative errno with
 * *RET_WHY a sentence owned by the caller; then the old token stays. */
int client_config_read_token(ClientConfig *c, char **ret_why);

DEFINE_CLEANUP(ClientConfig*, client_config_free);
