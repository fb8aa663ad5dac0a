/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/message-id.h"

#include "base/str.h"

/* Never to be changed: people search for them, and tests/check-catalog for what has none. */
static const struct {
        const char *event;
        const char *id;
} message_ids[] = {
        { "ready", "abd8e583fb194489b62d5c207907e41d" },      /* pgrokd */
        { "login", "3a41d4a87773438aac93704d5c5c2187" },      /* pgrokd */
        { "logout", "d2aeb1c2e2f64e77b44e4b9e443812f8" },     /* pgrokd */
        { "refused", "c055fbcc382d4c0f878d8b425190cfba" },    /* pgrokd */
        { "reloaded", "12a7f651ab0a4a7b911199404ec57524" },   /* pgrokd */
        { "upgraded", "6eb3e81fe50847efbb5f5a281b4ba0c8" },   /* pgrokd */
        { "upgrade", "5ee7476fb6e1484898e3dea1c09e0ad4" },    /* pgrokd */
        { "expiry", "0671d26baf8e4f30b61148d6fe3d1bad" },     /* pgrokd */
        { "faulty", "3a8e82a7533c4bfd94125e564450025e" },     /* pgrokd */
        { "state", "3b9d05dca2be473a85aaa77f19d7759a" },      /* pgrokd */
        { "nobody", "43461e8dee8e4d40bac087712dbe87c0" },     /* pgrokd */
        { "revoked", "3f0278c66def4807800c8447dd620bc3" },    /* pgrokd */
        { "webhook", "97df7ca1014543abb1d4d8d6519edef0" },    /* pgrokd */
        { "tunnel", "5fadd73517e44db1be675289c5dc64f7" },     /* both */
        { "denied", "c3ccd0ea8b5c4361a6ff65e9b41bf6a6" },     /* both */
        { "connection", "db73f12f170a4b64a7814a6440a828aa" }, /* both */
        { "request", "f60c9d77fc5e41ff8e8a1788889c4b49" },    /* both */
        { "online", "95924e941e19487d9d89ef95092d6766" },     /* pgrok */
        { "offline", "a2685f0b761449648d097de951512910" },    /* pgrok */
        { "health", "4b1c7e0e6f5d4d0c9b0a52c3f6e9d871" },     /* pgrok */
        { "error", "cdef21989ab74892959074b65131f4ce" },      /* pgrok */
};

const char *message_id_find(const char *event) {
        for (size_t i = 0; i < ELEMENTSOF(message_ids); i++)
                if (streq(message_ids[i].event, event))
                        return message_ids[i].id;
        return NULL;
}
