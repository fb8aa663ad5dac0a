/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/proxy-env.h"

#include "base/str.h"
#include "client/target.h"

/* ITEM of N bytes, in the list no_proxy, covers HOST: "example.com" and ".example.com" both cover
 * www.example.com. */
static bool covers(const char *item, size_t n, const char *host) {
        size_t length = strlen(host);

        if (n == 1 && *item == '*')
                return true;
        if (n > 0 && *item == '.') {
                item++;
                n--;
        }
        if (n == 0 || n > length || !str_equal_nocase(item, n, host + length - n))
                return false;
        return n == length || host[length - n - 1] == '.';
}

static bool is_exempt(const char *host) {
        const char *p = getenv("no_proxy");

        while (p && *p) {
                size_t n;

                p += strspn(p, ", ");
                n = strcspn(p, ", ");
                if (covers(p, n, host))
                        return true;
                p += n;
        }
        return false;
}

const char *proxy_from_environment(const char *host) {
        const char *url = getenv("https_proxy");

        if (str_is_empty(url))
                url = getenv("http_proxy");
        if (str_is_empty(url) || host_is_loopback(host) || is_exempt(host))
                return NULL;
        return url;
}
