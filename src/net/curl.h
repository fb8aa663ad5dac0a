/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* libcurl, loaded when it is needed: linked, it would cost each pgrokd 2 MiB of memory, and most never use
 * it. So a package must name libcurl3-gnutls as a dependency by hand. */

#include <curl/curl.h>

#define CURL_LIBRARY_FILE "libcurl-gnutls.so.4"

/* Its functions: c->easy_init() is curl_easy_init(). */
typedef struct CurlLibrary {
        __typeof__(curl_easy_cleanup) *easy_cleanup;
        __typeof__(curl_easy_getinfo) *easy_getinfo;
        __typeof__(curl_easy_init) *easy_init;
        __typeof__(curl_easy_setopt) *easy_setopt;
        __typeof__(curl_easy_strerror) *easy_strerror;
        __typeof__(curl_global_cleanup) *global_cleanup;
        __typeof__(curl_global_init) *global_init;
        __typeof__(curl_multi_add_handle) *multi_add_handle;
        __typeof__(curl_multi_assign) *multi_assign;
        __typeof__(curl_multi_cleanup) *multi_cleanup;
        __typeof__(curl_multi_info_read) *multi_info_read;
        __typeof__(curl_multi_init) *multi_init;
        __typeof__(curl_multi_remove_handle) *multi_remove_handle;
        __typeof__(curl_multi_setopt) *multi_setopt;
        __typeof__(curl_multi_socket_action) *multi_socket_action;
        __typeof__(curl_slist_append) *slist_append;
        __typeof__(curl_slist_free_all) *slist_free_all;
} CurlLibrary;

/* Fills *RET. Returns 0, or a negative errno with *RET_WHY a sentence, owned by the caller (NULL: memory is
 * out); -ENOENT: the library or one of the functions is missing. */
int curl_load(CurlLibrary *ret, char **ret_why);

/* Once all that was made with C is freed. The code stays in memory. Takes a zeroed C. */
void curl_unload(CurlLibrary *c);
