/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* libcurl's transfers on a worker's loop: it says which sockets it watches and when it wants to be called
 * (libcurl-multi(3), the "multi_socket" flavor), and nothing blocks. */

#include "net/curl.h"
#include "net/worker.h"

typedef struct CurlLoop CurlLoop;

/* EASY has ended, with CODE. The callee removes it; it may add and remove others, but not free the loop. */
typedef void (*CurlDoneFn)(CURL *easy, CURLcode code, void *userdata);

/* LIBRARY is borrowed and outlives the loop. MAX_IDLE: connections that are kept for the next transfer.
 * Returns 0 or -ENOMEM. loop: W */
int curl_loop_new(CurlLoop **ret, Worker *w, const CurlLibrary *library, long max_idle, CurlDoneFn done,
                  void *userdata);

/* Begins EASY's transfer, later: DONE is never called before it returns. EASY stays the caller's. Without
 * memory nothing happens to it: whoever adds it keeps the time. */
void curl_loop_add(CurlLoop *l, CURL *easy);

/* Ends it, if it has not ended by itself; for each EASY before it is cleaned up. */
void curl_loop_remove(CurlLoop *l, CURL *easy);

/* Once all transfers are removed. Takes NULL; returns NULL. */
CurlLoop *curl_loop_free(CurlLoop *l);

DEFINE_CLEANUP(CurlLoop*, curl_loop_free);
