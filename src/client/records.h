/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The exchanges that were captured, for the inspector: the last RECORDS_MAX, with heads and bodies as they
 * were on the wire, in bounded memory; the oldest goes first, also one that is still under way. Each thread
 * adds to its own; what it says of one that is gone is forgotten. */

#include <pthread.h>

#include "net/worker.h"
#include "proto/websocket.h"

#define RECORDS_MAX 500
#define RECORDS_BYTES_MAX (32U * 1024 * 1024)
#define RECORD_BODY_MAX (64U * 1024) /* kept of each body */
#define RECORD_FRAMES_MAX 200        /* the last ones of a WebSocket */

typedef enum RecordSide { RECORD_REQUEST, RECORD_RESPONSE } RecordSide;

typedef struct RecordMessage {
        char *head; /* owned, or NULL: as it came */
        size_t n_head;
        char *body;          /* owned, or NULL: its beginning as it came, with sizes of chunks */
        size_t n_body, room; /* bytes in `body', and for how many there is room */
        uint64_t body_bytes; /* in all */
} RecordMessage;

typedef struct RecordFrame {
        uint64_t usec; /* since the request */
        RecordSide side;
        WebsocketFrame frame;
} RecordFrame;

typedef struct Record {
        uint64_t id;
        uint64_t change;    /* the number of its last one */
        uint64_t replay_of; /* or 0 */
        char *name;         /* owned, as all strings: of the tunnel */
        char *url;
        char *visitor;
        char *method;
        char *path;
        char *error;     /* or NULL */
        unsigned status; /* 0: not answered yet */
        bool is_done;
        bool is_opaque;      /* another protocol's, behind its response's head */
        uint64_t start_usec; /* clock_usec() */
        uint64_t time_usec;  /* since 1970 */
        uint64_t duration_usec;
        RecordMessage messages[2]; /* by RecordSide */
        RecordFrame *frames;       /* owned, or NULL: a ring of RECORD_FRAMES_MAX */
        uint64_t n_frames;         /* that ever were */
        size_t bytes;              /* that all this takes */
} Record;

/* All borrowed. */
typedef struct RecordOrigin {
        const char *name, *url, *visitor, *method, *path;
        const char *head;
        size_t n_head;
        uint64_t start_usec; /* clock_usec() */
        uint64_t replay_of;  /* of another one's request, or 0 */
} RecordOrigin;

typedef struct Records Records;

/* MAIN outlives it. Returns 0 or -ENOMEM. */
int records_new(Records **ret, Worker *main);

/* Once MAIN's loop has ended, and those that add have. Takes NULL; returns NULL. */
Records *records_free(Records *r);

/* ---- any thread ---- */

/* Returns the id, or 0: nothing is recorded. */
uint64_t records_begin(Records *r, const RecordOrigin *origin);
void records_answer(Records *r, uint64_t id, unsigned status, const char *head, size_t n, bool is_opaque);
void records_body(Records *r, uint64_t id, RecordSide side, const char *data, size_t n);
void records_frame(Records *r, uint64_t id, RecordSide side, const WebsocketFrame *frame);
void records_end(Records *r, uint64_t id, const char *error); /* ERROR may be NULL */

/* ---- main ---- */

typedef void (*RecordsFn)(void *userdata);

/* ON_CHANGED is called on main when something has changed since the last call of records_changes(). NULL:
 * nobody wants to know. */
void records_watch(Records *r, RecordsFn on_changed, void *userdata);

/* The number of the last change; from now on changes are told again. */
uint64_t records_changes(Records *r);

/* A copy of record ID, of BODIES and frames too or without, or NULL: it isn't there, or memory is out. */
Record *records_copy(Records *r, uint64_t id, bool bodies);

/* A copy, without bodies and frames, of the first one behind AFTER that has changed since the change SEEN, or
 * NULL. */
Record *records_copy_changed(Records *r, uint64_t after, uint64_t seen);
Record *record_free(Record *record); /* NULL; takes NULL */

/* Nothing more is to be expected of it: it is done, another protocol's by now, or gone. */
bool records_is_settled(Records *r, uint64_t id);

/* Ids are from FIRST to NEXT - 1. */
void records_range(Records *r, uint64_t *ret_first, uint64_t *ret_next);

/* How much memory all take. */
size_t records_bytes(Records *r);

/* The frame number I, counted from the first that is kept, or NULL. */
const RecordFrame *record_frame(const Record *record, size_t i);

/* Nothing new is recorded, but for replays. */
void records_pause(Records *r, bool pause);
bool records_are_paused(const Records *r);
void records_clear(Records *r);

DEFINE_CLEANUP(Record*, record_free);
