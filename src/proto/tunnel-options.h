/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a tunnel wants beyond the classic protocol: a JSON object in ReqTunnel.Options. The server echoes in
 * NewTunnel.Options what of it it knows and applies; what is missing there the client does itself, or it goes
 * without the tunnel.
 *
 *   {"Allow":["192.0.2.0/24"],"Deny":["192.0.2.7"],"HostHeader":"localhost:3000","Forwarded":true,
 *    "RequestHeaders":{"Set":{"X-Team":"blue"},"Remove":["Cookie"]},"ResponseHeaders":{…},
 *    "HttpAuth":["user:password","other:$2y$…"],"ServerAddr":true,"Hsts":31536000,"RedirectHttps":true} */

#include <stdatomic.h>

#include "base/config-key.h"
#include "proto/cidr.h"
#include "proto/header-edits.h"

/* Of the JSON text: with the rest of its message it fits in one TLS record, which is all that Go servers
 * read. */
#define TUNNEL_OPTIONS_BYTES_MAX (12 * 1024)
#define TUNNEL_OPTIONS_NETWORKS_MAX 256 /* of each list */
#define TUNNEL_OPTIONS_USERS_MAX 64
#define TUNNEL_OPTIONS_HSTS_MAX (10 * 365 * 86400) /* seconds */

/* Zeroed: nothing is wanted. Whoever shares it doesn't change it. */
typedef struct TunnelOptions {
        CidrList allow; /* visitors may come from there, and from nowhere else; empty: from anywhere */
        CidrList deny;  /* but not from there */
        HeaderEdits request_headers, response_headers;
        char *host_header;    /* owned: what the service sees as Host, or NULL: the visitor's */
        bool forwarded;       /* the service gets Forwarded (RFC 7239) */
        bool server_addr;     /* StartProxy says to which address the visitor has connected */
        ConfigList http_auth; /* who may come, each as of http_user_check() */
        uint64_t hsts;        /* for how many seconds browsers are to come over https only (RFC 6797); 0: they
                                 aren't told */
        bool redirect_https;  /* who comes over http is sent to https */
        atomic_uint n_refs;
} TunnelOptions;

/* Bits, of those that are set. */
typedef enum TunnelOption {
        TUNNEL_OPTION_ALLOW = 1 << 0,
        TUNNEL_OPTION_DENY = 1 << 1,
        TUNNEL_OPTION_REQUEST_HEADERS = 1 << 2,
        TUNNEL_OPTION_RESPONSE_HEADERS = 1 << 3,
        TUNNEL_OPTION_HOST_HEADER = 1 << 4,
        TUNNEL_OPTION_FORWARDED = 1 << 5,
        TUNNEL_OPTION_SERVER_ADDR = 1 << 6,
        TUNNEL_OPTION_HTTP_AUTH = 1 << 7,
        TUNNEL_OPTION_HSTS = 1 << 8,
        TUNNEL_OPTION_REDIRECT_HTTPS = 1 << 9,
} TunnelOption;

/* With one reference and nothing set, or NULL when memory is out. */
TunnelOptions *tunnel_options_new(void);
TunnelOptions *tunnel_options_ref(TunnelOptions *o);   /* takes NULL */
TunnelOptions *tunnel_options_unref(TunnelOptions *o); /* NULL; takes NULL */

/* Reads TEXT ("": nothing is set, and *RET is NULL). What isn't known is passed over. Returns 0 with a
 * reference, -EINVAL with *RET_WHY a sentence about it, owned by the caller, or -ENOMEM. */
int tunnel_options_decode(TunnelOptions **ret, const char *text, char **ret_why);

/* The text for O (may be NULL): *RET, owned by the caller, is NULL when nothing is set. Returns 0, -ENOBUFS
 * above TUNNEL_OPTIONS_BYTES_MAX, or -ENOMEM. */
int tunnel_options_encode(const TunnelOptions *o, char **ret);

/* What is set in WANTED (may be NULL) and is not the same in GIVEN (the same). */
unsigned tunnel_options_missing(const TunnelOptions *wanted, const TunnelOptions *given);

/* Their names in a tunnel's configuration: "allow, http_auth". Owned by the caller, or NULL. */
char *tunnel_options_list(unsigned options);

/* A visitor with that address may come, as far as O (may be NULL) says. */
bool tunnel_options_admit(const TunnelOptions *o, const Ip *visitor);

/* NULL if VALUE may be a host_header, else how a sentence about it goes on. */
const char *tunnel_options_check_host(const char *value);

DEFINE_CLEANUP(TunnelOptions*, tunnel_options_unref);
