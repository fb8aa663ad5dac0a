/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The part of the control API that asks the shards or the registry: what there is, and who is to go. Lists
 * are cut to ?limit=; `total' says how many there are. */

#include "net/http-service.h"
#include "server/server.h"

#define CONTROL_LIST_DEFAULT 1000
#define CONTROL_LIST_MAX 10000

void control_query_status(Server *s, HttpExchange *x, const HttpRequest *r);
void control_query_tunnels(Server *s, HttpExchange *x, const HttpRequest *r);
void control_query_clients(Server *s, HttpExchange *x, const HttpRequest *r);
void control_query_connections(Server *s, HttpExchange *x, const HttpRequest *r);

/* Ends all sessions of the client of that label, and aborts its connections. */
void control_query_kick(Server *s, HttpExchange *x, const char *label);
