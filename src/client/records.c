/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/records.h"

#include <errno.h>
#include <time.h>

#include "base/parse.h"
#include "base/str.h"

/* Ids follow each other, so record ID is in slot ID modulo RECORDS_MAX. Memory is accounted for before it is
 * taken, and the oldest records go until it fits. */

#define BODY_ROOM_MIN 1024U

struct Records {
        Worker *main; /* borrowed */
        Mail bell;    /* to main, while `has_rung' */
        RecordsFn on_changed;
        void *userdata; /* borrowed */

        pthread_mutex_t lock; /* for what follows */
        Record *slots[RECORDS_MAX];
        uint64_t first, next; /* ids */
        uint64_t n_changes;
        size_t bytes;
        bool is_watched;
        bool has_rung;
        bool is_paused;
};

int records_new(Records **ret, Worker *main) {
        Records *r = new0(Records, 1);

        if (!r)
                return -ENOMEM;
        r->main = main;
        r->first = r->next = 1;
        pthread_mutex_init(&r->lock, NULL);
        *ret = r;
        return 0;
}

static void records_lock(Records *r) {
        pthread_mutex_lock(&r->lock);
}

static void records_unlock(Records *r) {
        pthread_mutex_unlock(&r->lock);
}

Record *record_free(Record *record) {
        if (!record)
                return NULL;
        for (size_t i = 0; i < ELEMENTSOF(record->messages); i++) {
                free(record->messages[i].head);
                free(record->messages[i].body);
        }
        free(record->frames);
        free(record->name);
        free(record->url);
        free(record->visitor);
        free(record->method);
        free(record->path);
        free(record->error);
        free(record);
        return NULL;
}

/* ---- changes; under the lock, as all that takes a Record ---- */

static void on_bell(Worker *w _unused_, Mail *mail) {
        Records *r = container_of(mail, Records, bell);

        records_lock(r);
        r->has_rung = false;
        records_unlock(r);
        if (r->on_changed)
                r->on_changed(r->userdata);
}

static void records_ring(Records *r) {
        if (!r->is_watched || r->has_rung)
                return;
        r->is_watched = false; /* until records_changes() */
        r->has_rung = true;
        worker_post(r->main, &r->bell, on_bell);
}

/* RECORD: or NULL, when what is gone is the change. */
static void records_note(Records *r, Record *record) {
        r->n_changes++;
        if (record)
                record->change = r->n_changes;
        records_ring(r);
}

static Record **records_slot(Records *r, uint64_t id) {
        return &r->slots[id % RECORDS_MAX];
}

static void records_drop_oldest(Records *r) {
        Record **slot = records_slot(r, r->first++);

        r->bytes -= (*slot)->bytes;
        *slot = record_free(*slot);
}

/* RECORD is to take N bytes more. Returns 0, or -ENOBUFS. */
static int records_account(Records *r, Record *record, size_t n) {
        while (r->bytes + n > RECORDS_BYTES_MAX && r->first < record->id)
                records_drop_oldest(r);
        if (r->bytes + n > RECORDS_BYTES_MAX)
                return -ENOBUFS;
        r->bytes += n;
        record->bytes += n;
        return 0;
}

/* Returns the record with the lock held, or NULL without. */
static Record *records_hold(Records *r, uint64_t id) {
        records_lock(r);
        if (id >= r->first && id < r->next)
                return *records_slot(r, id);
        records_unlock(r);
        return NULL;
}

/* ---- what is added ---- */

static uint64_t realtime_usec(void) {
        struct timespec t;

        clock_gettime(CLOCK_REALTIME, &t);
        return (uint64_t) t.tv_sec * USEC_PER_SEC + (uint64_t) t.tv_nsec / 1000;
}

static int message_set_head(RecordMessage *m, const char *head, size_t n) {
        char *copy = malloc(n);

        if (!copy)
                return -ENOMEM;
        memcpy(copy, head, n);
        m->head = copy;
        m->n_head = n;
        return 0;
}

static Record *record_new(const RecordOrigin *o) {
        _cleanup_(record_freep) Record *record = new0(Record, 1);

        if (!record)
                return NULL;
        record->replay_of = o->replay_of;
        record->start_usec = o->start_usec;
        record->time_usec = realtime_usec();
        if (str_replace(&record->name, o->name) < 0 || str_replace(&record->url, o->url) < 0 ||
            str_replace(&record->visitor, o->visitor) < 0 || str_replace(&record->method, o->method) < 0 ||
            str_replace(&record->path, o->path) < 0 ||
            message_set_head(&record->messages[RECORD_REQUEST], o->head, o->n_head) < 0)
                return NULL;
        return TAKE_PTR(record);
}

static size_t record_size(const Record *record) {
        return sizeof(*record) + strlen(record->name) + strlen(record->url) + strlen(record->visitor) +
               strlen(record->method) + strlen(record->path) + record->messages[RECORD_REQUEST].n_head;
}

/* Owns RECORD on success. Under the lock. Returns its id, or 0. */
static uint64_t records_add(Records *r, Record *record) {
        if (r->is_paused && record->replay_of == 0)
                return 0;
        if (r->next - r->first == RECORDS_MAX)
                records_drop_oldest(r);
        record->id = r->next;
        if (records_account(r, record, record_size(record)) < 0)
                return 0;
        *records_slot(r, r->next++) = record;
        records_note(r, record);
        return record->id;
}

uint64_t records_begin(Records *r, const RecordOrigin *origin) {
        Record *record = record_new(origin);
        uint64_t id = 0;

        if (!record)
                return 0;
        records_lock(r);
        id = records_add(r, record);
        records_unlock(r);
        if (id == 0)
                record_free(record);
        return id;
}

void records_answer(Records *r, uint64_t id, unsigned status, const char *head, size_t n, bool is_opaque) {
        Record *record = records_hold(r, id);
        RecordMessage *m;

        if (!record)
                return;
        m = &record->messages[RECORD_RESPONSE];
        record->status = status;
        record->is_opaque = is_opaque;
        record->duration_usec = clock_usec() - record->start_usec;
        if (!m->head && records_account(r, record, n) >= 0)
                (void) message_set_head(m, head, n); /* without memory it isn't shown */
        records_note(r, record);
        records_unlock(r);
}

/* Room for N bytes more, or for as many as are kept at all. */
static void records_make_room(Records *r, Record *record, RecordMessage *m, size_t n) {
        size_t room = MIN(MAX(MAX(2 * m->room, BODY_ROOM_MIN), m->n_body + n), (size_t) RECORD_BODY_MAX);
        char *body;

        if (m->n_body + n <= m->room || m->room == RECORD_BODY_MAX ||
            records_account(r, record, room - m->room) < 0)
                return;
        body = realloc(m->body, room);
        if (!body)
                return; /* it counts until the record goes */
        m->body = body;
        m->room = room;
}

void records_body(Records *r, uint64_t id, RecordSide side, const char *data, size_t n) {
        Record *record = records_hold(r, id);
        RecordMessage *m;
        size_t k;

        if (!record)
                return;
        m = &record->messages[side];
        records_make_room(r, record, m, n);
        k = m->body_bytes == m->n_body ? MIN(n, m->room - m->n_body) : 0; /* no gap in what is kept */
        if (k > 0)
                memcpy(m->body + m->n_body, data, k);
        m->n_body += k;
        m->body_bytes += n;
        records_note(r, record);
        records_unlock(r);
}

void records_frame(Records *r, uint64_t id, RecordSide side, const WebsocketFrame *frame) {
        Record *record = records_hold(r, id);

        if (!record)
                return;
        if (!record->frames && records_account(r, record, RECORD_FRAMES_MAX * sizeof(RecordFrame)) >= 0)
                record->frames = new0(RecordFrame, RECORD_FRAMES_MAX);
        if (record->frames)
                record->frames[record->n_frames % RECORD_FRAMES_MAX] = (RecordFrame) {
                        .usec = clock_usec() - record->start_usec,
                        .side = side,
                        .frame = *frame,
                };
        record->n_frames++;
        records_note(r, record);
        records_unlock(r);
}

void records_end(Records *r, uint64_t id, const char *error) {
        Record *record = records_hold(r, id);

        if (!record)
                return;
        record->is_done = true;
        record->duration_usec = clock_usec() - record->start_usec;
        if (error && records_account(r, record, strlen(error)) >= 0)
                record->error = strdup(error);
        records_note(r, record);
        records_unlock(r);
}

/* ---- main ---- */

void records_watch(Records *r, RecordsFn on_changed, void *userdata) {
        r->on_changed = on_changed;
        r->userdata = userdata;
        records_lock(r);
        r->is_watched = on_changed;
        records_unlock(r);
}

uint64_t records_changes(Records *r) {
        uint64_t n;

        records_lock(r);
        r->is_watched = r->on_changed;
        n = r->n_changes;
        records_unlock(r);
        return n;
}

/* Copies take their strings, heads and bodies over one by one; what is missing in memory is missing there. */
static char *memory_copy(const char *data, size_t n) {
        char *copy = data ? malloc(n) : NULL;

        if (copy && n > 0)
                memcpy(copy, data, n);
        return copy;
}

static void message_copy(RecordMessage *to, const RecordMessage *from, bool body) {
        to->head = memory_copy(from->head, from->n_head);
        to->body = body ? memory_copy(from->body, from->n_body) : NULL;
        if (!to->body)
                to->n_body = to->room = 0;
}

static Record *record_copy(const Record *record, bool bodies) {
        _cleanup_(record_freep) Record *copy = new0(Record, 1);

        if (!copy)
                return NULL;
        *copy = *record;
        copy->name = strdup(record->name);
        copy->url = strdup(record->url);
        copy->visitor = strdup(record->visitor);
        copy->method = strdup(record->method);
        copy->path = strdup(record->path);
        copy->error = record->error ? strdup(record->error) : NULL;
        for (size_t i = 0; i < ELEMENTSOF(copy->messages); i++)
                message_copy(&copy->messages[i], &record->messages[i], bodies);
        copy->frames = bodies ? (RecordFrame*) memory_copy((const char*) record->frames,
                                                            RECORD_FRAMES_MAX * sizeof(RecordFrame))
                              : NULL;
        if (!copy->name || !copy->url || !copy->visitor || !copy->method || !copy->path)
                return NULL;
        return TAKE_PTR(copy);
}

Record *records_copy(Records *r, uint64_t id, bool bodies) {
        const Record *record = records_hold(r, id);
        Record *copy;

        if (!record)
                return NULL;
        copy = record_copy(record, bodies);
        records_unlock(r);
        return copy;
}

Record *records_copy_changed(Records *r, uint64_t after, uint64_t seen) {
        Record *copy = NULL;

        records_lock(r);
        for (uint64_t id = MAX(after + 1, r->first); id < r->next && !copy; id++)
                if ((*records_slot(r, id))->change > seen)
                        copy = record_copy(*records_slot(r, id), false);
        records_unlock(r);
        return copy;
}

bool records_is_settled(Records *r, uint64_t id) {
        const Record *record = records_hold(r, id);
        bool is_settled = !record || record->is_done || record->is_opaque;

        if (record)
                records_unlock(r);
        return is_settled;
}

void records_range(Records *r, uint64_t *ret_first, uint64_t *ret_next) {
        records_lock(r);
        *ret_first = r->first;
        *ret_next = r->next;
        records_unlock(r);
}

size_t records_bytes(Records *r) {
        size_t n;

        records_lock(r);
        n = r->bytes;
        records_unlock(r);
        return n;
}

const RecordFrame *record_frame(const Record *record, size_t i) {
        uint64_t n = MIN(record->n_frames, (uint64_t) RECORD_FRAMES_MAX);

        if (!record->frames || i >= n)
                return NULL;
        return &record->frames[(record->n_frames - n + i) % RECORD_FRAMES_MAX];
}

void records_pause(Records *r, bool pause) {
        records_lock(r);
        r->is_paused = pause;
        records_note(r, NULL);
        records_unlock(r);
}

bool records_are_paused(const Records *r) {
        return r->is_paused; /* changed on main only */
}

void records_clear(Records *r) {
        records_lock(r);
        while (r->first < r->next)
                records_drop_oldest(r);
        records_note(r, NULL);
        records_unlock(r);
}

Records *records_free(Records *r) {
        if (!r)
                return NULL;
        while (r->first < r->next)
                records_drop_oldest(r);
        pthread_mutex_destroy(&r->lock);
        free(r);
        return NULL;
}
