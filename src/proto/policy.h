/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a user may do: the KEY=VALUE of the token file, which are also the members of a webhook's policy. What
 * isn't set is not restricted, but for host names outside the domain, which nobody gets without `hosts`. */

#include <stdbool.h>
#include <stdint.h>

#include "base/config-key.h"
#include "proto/cidr.h"

typedef enum PolicyKoding { POLICY_KODING_NO, POLICY_KODING_TLS, POLICY_KODING_PLAIN } PolicyKoding;

typedef struct PortRange {
        uint16_t low, high;
} PortRange;

typedef struct PortRanges {
        PortRange *items; /* owned */
        size_t n;
} PortRanges;

/* Zeroed: nothing is set. */
typedef struct Policy {
        unsigned set;                          /* bits of the keys that were */
        ConfigList subdomains;                 /* labels, or beginnings with a * behind; lower case */
        ConfigList hosts;                      /* names, "*.NAME" for what is below it, "*" for any */
        PortRanges tcp_ports;                  /* public */
        PortRanges local_ports;                /* on the client's machine, for koding */
        unsigned protocols;                    /* bits of TunnelProtocol */
        uint64_t max_tunnels, max_connections; /* 0: as many as the server takes */
        uint64_t rate;                         /* bytes a second; 0: any */
        CidrList from;                         /* where its clients may come from */
        int64_t expires_sec;                   /* UNIX time: the first second in which it is over; 0: never */
        char last_day[sizeof("YYYY-MM-DD")];   /* the day before that */
        PolicyKoding koding;
} Policy;

/* Sets KEY from VALUE, once. Returns 0, -EINVAL with *RET_WHY half a sentence about it, owned by the caller,
 * or -ENOMEM. *P is to be done in any case. */
int policy_set(Policy *p, const char *key, const char *value, char **ret_why);
void policy_done(Policy *p);

/* LABEL is the subdomain, HOST a name outside the domain, or "*.NAME", which takes as much; both in lower
 * case. */
bool policy_allows_label(const Policy *p, const char *label);
bool policy_allows_host(const Policy *p, const char *host);

/* The same, by something that doesn't allow OTHER too: whoever wrote it meant HOST more than that. */
bool policy_allows_host_apart(const Policy *p, const char *host, const char *other);
bool policy_allows_port(const Policy *p, uint16_t port);
bool policy_allows_local_port(const Policy *p, uint16_t port);   /* none unless they are set */
bool policy_allows_protocol(const Policy *p, unsigned protocol); /* a TunnelProtocol */

bool policy_is_expired(const Policy *p, int64_t now_sec);

/* Whether a client may come from PEER at NOW (UNIX time). Returns 0, -EKEYREJECTED with *RET_WHY a sentence
 * for the client, owned by the caller, or -ENOMEM. */
int policy_admit(const Policy *p, const Ip *peer, int64_t now_sec, char **ret_why);

/* What may be had, for sentences: "a, b-*". Owned by the caller, or NULL when memory is out. */
char *policy_list_subdomains(const Policy *p);
char *policy_list_ports(const Policy *p);
char *policy_list_protocols(const Policy *p);
