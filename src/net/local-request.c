/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "net/local-request.h"

#include <curl/curl.h>
#include <errno.h>

#include "base/str.h"

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

static int curl_errno(CURL *curl, CURLcode code) {
        long error = 0;

        switch (code) {
        case CURLE_OK:
                return 0;
        case CURLE_COULDNT_CONNECT:
                (void) curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &error);
                return error > 0 ? (int) -error : -ECONNREFUSED;
        case CURLE_OPERATION_TIMEDOUT:
                return -ETIMEDOUT;
        case CURLE_OUT_OF_MEMORY:
                return -ENOMEM;
        default:
                return -EIO;
        }
}

static int perform(CURL *curl, const char *socket, const char *method, const char *url,
                   struct json_object *body, Text *text, long *ret_status) {
        int r;

        curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, socket);
        curl_easy_setopt(curl, CURLOPT_URL, url);
        curl_easy_setopt(curl, CURLOPT_PROXY, ""); /* whatever the environment says */
        curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
        curl_easy_setopt(curl, CURLOPT_TIMEOUT, LOCAL_REQUEST_TIMEOUT_SEC);
        curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data);
        curl_easy_setopt(curl, CURLOPT_WRITEDATA, text);
        if (!streq(method, "GET"))
                curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body ? json_object_to_json_string(body) : "");
        curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
        r = curl_errno(curl, curl_easy_perform(curl));
        if (r >= 0)
                (void) curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, ret_status);
        return r;
}

int local_request(const char *socket, const char *method, const char *path, struct json_object *body,
                  LocalReply *ret) {
        _cleanup_free_ char *url = str_format("http://localhost%s", path);
        CURL *curl = curl_easy_init();
        LocalReply reply = {};
        Text text = {};
        int r = curl && url ? perform(curl, socket, method, url, body, &text, &reply.status) : -ENOMEM;

        curl_easy_cleanup(curl);
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
        case -EBADMSG:
                return str_format("What answers on %s is not %s", socket, program);
        default:
                return str_format("Can't ask %s on %s: %s", program, socket, strerror(-error));
        }
}
