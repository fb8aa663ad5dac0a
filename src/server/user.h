/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Who a client has proved to be, and what it may do: never changes, but for its counters. When a user's
 * policy changes there is a new User, and sessions of the old one end. Counted by references; any thread. */

#include <stdatomic.h>

#include "net/rate.h"
#include "proto/policy.h"

typedef struct User {
        atomic_uint n_refs;
        char *name; /* owned; "": everybody, without authentication */
        Policy policy;
        atomic_uint n_connections; /* visitors in all its tunnels */
        atomic_uint n_checks;      /* those whose password waits to be looked at */
        Rate rate;                 /* of all of them */
        unsigned n_tunnels;        /* main only; http+https is one */
} User;

/* 1 to 64 letters, digits or ._@- */
bool user_name_is_valid(const char *name);

/* With one reference. Takes what POLICY (NULL: no limits) holds, on failure too. Returns 0 or -ENOMEM. */
int user_new(User **ret, const char *name, Policy *policy);
User *user_ref(User *u);   /* takes NULL */
User *user_unref(User *u); /* the same; returns NULL */

DEFINE_CLEANUP(User*, user_unref);
