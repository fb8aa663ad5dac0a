/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A further session of this client, beside session 0, on a thread of its own with the visitors that it
 * brings. Session 0 has the tunnels; a sibling is tried, again and again, while that one is online. */

#include "client/config.h"
#include "client/records.h"
#include "client/report.h"
#include "client/tunnels.h"

typedef struct Sibling Sibling;

/* All borrowed; outlive the siblings. */
typedef struct SiblingParams {
        Tunnels *tunnels;
        Report *report;
        Records *records; /* or NULL */
        const char *instance;
} SiblingParams;

/* NUMBER: of its session. PARAMS is borrowed too. Starts the thread. Returns 0 or a negative errno. loop:
 * main, for all of these; what it does is on its own */
int sibling_new(Sibling **ret, unsigned number, const SiblingParams *params);

/* Session 0 is online under CLIENT_ID, by what CONFIG says: come so, now or, if it is there already, the next
 * time. CONFIG is borrowed and outlives the sibling, but for its token, which is copied, as is CLIENT_ID. */
void sibling_go(Sibling *s, const ClientConfig *config, const char *client_id);

/* Session 0 is not online: try no more. What is there stays. */
void sibling_pause(Sibling *s);

/* The same, and what is there serves its visitors and then ends. */
void sibling_leave(Sibling *s);

/* The network has changed, or time has passed: try at once, or prove that the session lives. */
void sibling_wake(Sibling *s);

/* There is a new tunnel: visitors that wait for it go on. */
void sibling_tunnel_up(Sibling *s);

/* Begins its end: session and visitors. sibling_free() must follow. */
void sibling_stop(Sibling *s);

/* Waits for the end of a stopped one. Takes NULL; returns NULL. */
Sibling *sibling_free(Sibling *s);
