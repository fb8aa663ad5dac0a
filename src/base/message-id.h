/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The MESSAGE_ID of journal messages: one for each PGROK_EVENT, under which systemd/pgrok.catalog explains
 * it. */

/* 32 hex digits; NULL if there is no such event. */
const char *message_id_find(const char *event);
