/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The list of records for those who ask the inspector: summaries of those that match a query, by `method',
 * `status' (404, 4xx), a part of the `path', and a `text' in heads and bodies. */

#include "client/records.h"
#include "net/http-service.h"

/* Answers X, later. RECORDS is borrowed; outlives X's service. loop: W, main */
void inspector_list_answer(HttpExchange *x, Worker *w, Records *records);
