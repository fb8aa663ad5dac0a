/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Goes through records for somebody who asks the inspector, one at a time and between all that the loop has
 * to do: to decode, search or write them all takes its time, and visitors must not wait for it. */

#include "client/records.h"
#include "net/http-service.h"

typedef struct WalkOps {
        void (*record)(const Record *record, HttpExchange *x, void *userdata);
        void (*answer)(HttpExchange *x, void *userdata); /* X, behind the last record */
        void (*free)(void *userdata);                    /* always the last call */
} WalkOps;

typedef struct WalkRange {
        uint64_t first, next; /* ids; those that are gone are left out */
        bool bodies;
} WalkRange;

/* Answers X, later; with 500 when memory is out. Owns USERDATA. RECORDS is borrowed; outlives X's service.
 * loop: W, main */
void inspector_walk(HttpExchange *x, Worker *w, Records *records, const WalkRange *range, const WalkOps *ops,
                    void *userdata);
