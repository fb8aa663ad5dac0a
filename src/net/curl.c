/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "net/curl.h"

#include <dlfcn.h>
#include <errno.h>

#include "base/str.h"

static const struct {
        const char *name;
        size_t offset; /* in CurlLibrary */
} functions[] = {
#define FUNCTION(name) \
        { "curl_" #name, offsetof(CurlLibrary, name) }
        FUNCTION(easy_cleanup),        FUNCTION(easy_getinfo),     FUNCTION(easy_init),
        FUNCTION(easy_setopt),         FUNCTION(easy_strerror),    FUNCTION(global_cleanup),
        FUNCTION(global_init),         FUNCTION(multi_add_handle), FUNCTION(multi_assign),
        FUNCTION(multi_cleanup),       FUNCTION(multi_info_read),  FUNCTION(multi_init),
        FUNCTION(multi_remove_handle), FUNCTION(multi_setopt),     FUNCTION(multi_socket_action),
        FUNCTION(slist_append),        FUNCTION(slist_free_all),
#undef FUNCTION
};

int curl_load(CurlLibrary *ret, char **ret_why) {
        /* Never unloaded: a thread that looks up a name may outlive its transfer. */
        void *library = dlopen(CURL_LIBRARY_FILE, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
        CurlLibrary c = {};

        if (!library) {
                *ret_why = str_format("can't load libcurl, which webhooks need; install libcurl3-gnutls: %s",
                                      dlerror());
                return *ret_why ? -ENOENT : -ENOMEM;
        }
        for (size_t i = 0; i < ELEMENTSOF(functions); i++) {
                void *function = dlsym(library, functions[i].name);

                if (!function) {
                        *ret_why = str_format("%s has no %s", CURL_LIBRARY_FILE, functions[i].name);
                        return *ret_why ? -ENOENT : -ENOMEM;
                }
                memcpy((char*) &c + functions[i].offset, &function, sizeof(function));
        }
        if (c.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
                *ret_why = strdup("libcurl can't be initialised");
                return *ret_why ? -EIO : -ENOMEM;
        }
        *ret = c;
        return 0;
}

void curl_unload(CurlLibrary *c) {
        if (c->global_cleanup)
                c->global_cleanup();
        *c = (CurlLibrary){};
}
