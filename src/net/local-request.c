/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "net/local-request.h"

#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>
#include <dlfcn.h>
#include <errno.h>

#include "base/str.h"

/* libcurl is loaded when somebody asks, because it brings twenty other libraries: a daemon whose program has
 * such commands too shall not carry them. */
typedef struct Curl {
        CURL *(*easy_init)(void);
        CURLcode (*easy_setopt)(CURL *curl, CURLoption option, ...);
        CURLcode (*easy_perform)(CURL *curl);
        CURLcode (*easy_getinfo)(CURL *curl, CURLINFO info, ...);
        void (*easy_cleanup)(CURL *curl);
} Curl;

static int curl_load(Curl *ret) {
        static const char *const names[] = { "libcurl-gnutls.so.4", "libcurl.so.4" };
        void *library = NULL;

        for (size_t i = 0; i < ELEMENTSOF(names) && !library; i++)
                library = dlopen(names[i], RTLD_NOW);
        if (!library)
                return -ELIBACC;
        ret->easy_init = (__typeof__(ret->easy_init)) dlsym(library, "curl_easy_init");
        ret->easy_setopt = (__typeof__(ret->easy_setopt)) dlsym(library, "curl_easy_setopt");
        ret->easy_perform = (__typeof__(ret->easy_perform)) dlsym(library, "curl_easy_perform");
        ret->easy_getinfo = (__typeof__(ret->easy_getinfo)) dlsym(library, "curl_easy_getinfo");
        ret->easy_cleanup = (__typeof__(ret->easy_cleanup)) dlsym(library, "curl_easy_cleanup");
        return ret->easy_init && ret->easy_setopt && ret->easy_perform && ret->easy_getinfo &&
                               ret->easy_cleanup
                       ? 0
                       : -ELIBACC;
}

typedef struct Text {
        char *data; /* owned */
        size_t n;
} Text;

static size_t on_data(char *data, size_t size, size_t n, void *userdata) {
        Text *t = userdata;
        char *longer;

        n *= size;
        if (n > LOCAL_REPLY_BYTES_MAX - t->n)
                return 0;
        longer = realloc(t->data, t->n + n + 1);
        if (!longer)
                return 0;
        memcpy(longer + t->n, data, n);
        t->data = longer;
        t->n += n;
        t->data[t->n] = '\0';
        return n;
}

static int curl_errno(const Curl *c, CURL *curl, CURLcode code) {
        long error = 0;

        switch (code) {
        case CURLE_OK:
                return 0;
        case CURLE_COULDNT_CONNECT:
                (void) c->easy_getinfo(curl, CURLINFO_OS_ERRNO, &error);
                return error > 0 ? (int) -error : -ECONNREFUSED;
        case CURLE_OPERATION_TIMEDOUT:
                return -ETIMEDOUT;
        case CURLE_OUT_OF_MEMORY:
                return -ENOMEM;
        default:
                return -EIO;
        }
}

static int perform(const Curl *c, CURL *curl, const char *socket, const char *method, const char *url,
                   struct json_object *body, Text *text, long *ret_status) {
        int r;

        c->easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, socket);
        c->easy_setopt(curl, CURLOPT_URL, url);
        c->easy_setopt(curl, CURLOPT_PROXY, ""); /* whatever the environment says */
        c->easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
        c->easy_setopt(curl, CURLOPT_TIMEOUT, LOCAL_REQUEST_TIMEOUT_SEC);
        c->easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data);
        c->easy_setopt(curl, CURLOPT_WRITEDATA, text);
        if (!streq(method, "GET"))
                c->easy_setopt(curl, CURLOPT_POSTFIELDS, body ? json_object_to_json_string(body) : "");
        c->easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
        r = curl_errno(c, curl, c->easy_perform(curl));
        if (r >= 0)
                (void) c->easy_getinfo(curl, CURLINFO_RESPONSE_CODE, ret_status);
        return r;
}

int local_request(const char *socket, const char *method, const char *path, struct json_object *body,
                  LocalReply *ret) {
        _cleanup_free_ char *url = str_format("http://localhost%s", path);
        LocalReply reply = {};
        Text text = {};
        CURL *curl;
        Curl c;
        int r = curl_load(&c);

        if (r < 0)
                return r;
        curl = c.easy_init();
        r = curl && url ? perform(&c, curl, socket, method, url, body, &text, &reply.status) : -ENOMEM;
        c.easy_cleanup(curl);
        reply.text = text.data;
        reply.json = r >= 0 && text.data ? json_tokener_parse(text.data) : NULL;
        if (r >= 0 && !json_object_is_type(reply.json, json_type_object))
                r = -EBADMSG;
        if (r < 0)
                local_reply_done(&reply);
        else
                *ret = reply;
        return r;
}

void local_reply_done(LocalReply *r) {
        json_object_put(r->json);
        free(r->text);
        *r = (LocalReply){};
}

char *local_request_explain(int error, const char *socket, const char *program, const char *group) {
        switch (error) {
        case -ENOENT:
                return str_format("There is no %s: is %s running?", socket, program);
        case -ECONNREFUSED:
                return str_format("Nobody answers on %s: is %s running?", socket, program);
        case -EACCES:
        case -EPERM:
                return str_format("Permission denied: you need to be root or in the group %s to use %s",
                                  group, socket);
        case -ETIMEDOUT:
                return str_format("%s does not answer on %s", program, socket);
        case -ELIBACC:
                return strdup("libcurl is not installed: on Debian, apt-get install libcurl3-gnutls");
        case -EBADMSG:
                return str_format("What answers on %s is not %s", socket, program);
        default:
                return str_format("Can't ask %s on %s: %s", program, socket, strerror(-error));
        }
}
