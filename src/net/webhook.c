/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "net/webhook.h"

#include <errno.h>
#include <gnutls/crypto.h>
#include <time.h>
#include <utlist.h>

#include "base/parse.h"
#include "base/str.h"
#include "base/version.h"
#include "net/address.h"
#include "net/curl-loop.h"
#include "net/timer.h"

/*   webhook_post() ──► waiting ──fewer than WEBHOOK_CALLS_MAX are under way──► running ──► done
 *
 * Each call has a timer of ours, which counts from the beginning: libcurl's would not see the wait. */

#define HASH_BYTES 32 /* SHA-256 */

struct WebhookCall {
        Webhook *hook;              /* borrowed; outlives us */
        CURL *easy;                 /* owned; NULL: it waits */
        struct curl_slist *headers; /* owned */
        char *body;                 /* owned; zeroed before it is freed */
        Buffer *answer;             /* owned; NULL: empty */
        Timer *timeout;             /* owned */
        bool too_long;              /* the answer was */
        char error[CURL_ERROR_SIZE];
        WebhookFn done;
        void *userdata; /* borrowed */
        WebhookCall *prev, *next;
};

struct Webhook {
        Worker *worker; /* borrowed */
        CurlLibrary curl;
        CurlLoop *loop;               /* owned */
        char *url, *ca_file, *secret; /* owned; the last two NULL for none */
        uint64_t timeout_usec;
        WebhookCall *waiting, *running; /* owned */
        unsigned n_waiting, n_running;
};

static void free_secret(char *s) {
        if (s)
                explicit_bzero(s, strlen(s));
        free(s);
}

/* ---- the address ---- */

static bool host_is_loopback(const char *host) {
        Address a;

        return streq(host, "localhost") || (address_parse_ip(host, &a) >= 0 && address_is_loopback(&a));
}

const char *webhook_check_url(const char *url) {
        const char *https = str_skip_prefix(url, "https://"), *http = str_skip_prefix(url, "http://");
        const char *rest = https ? https : http;
        char authority[256], host[sizeof(authority)];
        uint16_t port;
        size_t n;

        if (!rest)
                return "must begin with https://";
        for (const char *p = url; *p; p++)
                if (*p <= ' ' || *p > '~' || strchr("\\#@", *p))
                        return "must be an address without a user, a fragment or special characters";
        n = strcspn(rest, "/?");
        if (n == 0 || n >= sizeof(authority))
                return "must name a host, like \"https://example.com/pgrok\"";
        memcpy(authority, rest, n);
        authority[n] = '\0';
        if (host_port_split(authority, https ? 443 : 80, host, sizeof(host), &port) < 0)
                return "must name a host and perhaps a port, like \"https://example.com:8443/pgrok\"";
        return https || host_is_loopback(host)
                       ? NULL
                       : "must begin with https://: tokens would cross the network for anybody to read";
}

/* ---- the signature ---- */

int webhook_sign(const char *secret, int64_t unix_time, const char *body,
                 char ret[static WEBHOOK_SIGNATURE_SIZE]) {
        _cleanup_free_ char *text = str_format("%lld.%s", (long long) unix_time, body);
        uint8_t hash[HASH_BYTES];
        char hex[2 * HASH_BYTES + 1];
        int r;

        if (!text)
                return -ENOMEM;
        r = gnutls_hmac_fast(GNUTLS_MAC_SHA256, secret, strlen(secret), text, strlen(text), hash);
        explicit_bzero(text, strlen(text));
        if (r < 0)
                return -EIO;
        hex_encode(hash, sizeof(hash), hex);
        snprintf(ret, WEBHOOK_SIGNATURE_SIZE, "t=%lld,v1=%s", (long long) unix_time, hex);
        return 0;
}

/* ---- calls ---- */

static void webhook_start_waiting(Webhook *h);

static void call_free(WebhookCall *c) {
        Webhook *h = c->hook;

        if (c->easy) {
                curl_loop_remove(h->loop, c->easy);
                h->curl.easy_cleanup(c->easy);
                DL_DELETE(h->running, c);
                h->n_running--;
        } else {
                DL_DELETE(h->waiting, c);
                h->n_waiting--;
        }
        h->curl.slist_free_all(c->headers);
        timer_free(c->timeout);
        buffer_put(&h->worker->buffers, c->answer);
        free_secret(c->body);
        free(c);
}

/* Ends C with REPLY, whose body and reason may be C's own. */
static void call_finish(WebhookCall *c, WebhookReply *reply) {
        Webhook *h = c->hook;
        WebhookFn done = c->done;
        void *userdata = c->userdata;
        Buffer *answer = TAKE_PTR(c->answer);
        char why[CURL_ERROR_SIZE];

        snprintf(why, sizeof(why), "%s", reply->why ? reply->why : "");
        reply->why = reply->why ? why : NULL;
        if (reply->error == 0 && answer) {
                reply->body = (const char*) buffer_head(answer);
                reply->n = buffer_length(answer);
        }
        call_free(c);
        webhook_start_waiting(h);
        done(reply, userdata);
        buffer_put(&h->worker->buffers, answer);
}

static void on_call_timeout(void *userdata) {
        WebhookCall *c = userdata;
        WebhookReply reply = { .error = -ETIMEDOUT,
                               .why = c->easy ? "no answer in time" : "too many questions before this one" };

        call_finish(c, &reply);
}

static size_t on_call_body(char *data, size_t size, size_t n, void *userdata) {
        WebhookCall *c = userdata;

        n *= size;
        if (!c->answer)
                c->answer = buffer_get(&c->hook->worker->buffers);
        c->too_long = c->answer && buffer_length(c->answer) + n > WEBHOOK_BODY_MAX;
        if (!c->answer || c->too_long)
                return CURL_WRITEFUNC_ERROR;
        return buffer_append(c->answer, data, n) < 0 ? CURL_WRITEFUNC_ERROR : n;
}

static int call_add_header(WebhookCall *c, const char *line) {
        struct curl_slist *headers = c->hook->curl.slist_append(c->headers, line);

        if (!headers)
                return -ENOMEM;
        c->headers = headers;
        return 0;
}

static int call_make_headers(WebhookCall *c) {
        static const char name[] = "X-Pgrok-Signature: ";
        char line[sizeof(name) + WEBHOOK_SIGNATURE_SIZE], *signature = stpcpy(line, name);
        int r = call_add_header(c, "Content-Type: application/json");

        if (r >= 0)
                r = call_add_header(c, "Expect:"); /* no 100-continue: that would wait for a second */
        if (r < 0 || !c->hook->secret)
                return r;
        r = webhook_sign(c->hook->secret, time(NULL), c->body, signature);
        return r < 0 ? r : call_add_header(c, line);
}

static CURLcode call_set_numbers(WebhookCall *c) {
        static const struct {
                CURLoption option;
                long value;
        } options[] = {
                { CURLOPT_POST, 1 },
                { CURLOPT_FOLLOWLOCATION, 0 },
                { CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1 },
                { CURLOPT_SSL_VERIFYPEER, 1 },
                { CURLOPT_SSL_VERIFYHOST, 2 },
                { CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2 },
                { CURLOPT_NOSIGNAL, 1 },
                { CURLOPT_QUICK_EXIT, 1 }, /* who gives up does not wait for a name server */
        };
        const CurlLibrary *curl = &c->hook->curl;
        CURLcode r = CURLE_OK;

        for (size_t i = 0; i < ELEMENTSOF(options) && r == CURLE_OK; i++)
                r = curl->easy_setopt(c->easy, options[i].option, options[i].value);
        if (r == CURLE_OK)
                r = curl->easy_setopt(c->easy, CURLOPT_POSTFIELDSIZE, (long) strlen(c->body));
        if (r == CURLE_OK)
                r = curl->easy_setopt(c->easy, CURLOPT_WRITEFUNCTION, on_call_body);
        return r;
}

static CURLcode call_set_pointers(WebhookCall *c) {
        const Webhook *h = c->hook;
        const struct {
                CURLoption option;
                const void *value;
        } options[] = {
                { CURLOPT_URL, h->url },
                { CURLOPT_PROTOCOLS_STR, str_skip_prefix(h->url, "https:") ? "https" : "http" },
                { CURLOPT_PROXY, "" },
                { CURLOPT_USERAGENT, "pgrokd/" PGROK_VERSION },
                { CURLOPT_HTTPHEADER, c->headers },
                { CURLOPT_POSTFIELDS, c->body },
                { CURLOPT_WRITEDATA, c },
                { CURLOPT_ERRORBUFFER, c->error },
                { CURLOPT_PRIVATE, c },
                /* Last: Debian's libcurl would trust the system's folder beside our file. */
                { CURLOPT_CAINFO, h->ca_file },
                { CURLOPT_CAPATH, NULL },
        };
        size_t n = ELEMENTSOF(options) - (h->ca_file ? 0 : 2);
        CURLcode r = CURLE_OK;

        for (size_t i = 0; i < n && r == CURLE_OK; i++)
                r = h->curl.easy_setopt(c->easy, options[i].option, options[i].value);
        return r;
}

/* Moves C from those that wait to those under way; without memory it runs into its timeout. */
static void call_start(WebhookCall *c) {
        Webhook *h = c->hook;

        DL_DELETE(h->waiting, c);
        h->n_waiting--;
        c->easy = h->curl.easy_init();
        if (!c->easy) {
                DL_APPEND(h->waiting, c);
                h->n_waiting++;
                return;
        }
        DL_APPEND(h->running, c);
        h->n_running++;
        if (call_make_headers(c) >= 0 && call_set_numbers(c) == CURLE_OK && call_set_pointers(c) == CURLE_OK)
                curl_loop_add(h->loop, c->easy);
}

static void webhook_start_waiting(Webhook *h) {
        for (unsigned n = h->n_waiting; n > 0 && h->n_running < WEBHOOK_CALLS_MAX; n--)
                call_start(h->waiting);
}

static int call_new(WebhookCall **ret, Webhook *h) {
        WebhookCall *c;
        int r;

        if (h->n_waiting == WEBHOOK_QUEUE_MAX)
                return -ENOBUFS;
        c = new0(WebhookCall, 1);
        if (!c)
                return -ENOMEM;
        r = timer_new_after(&c->timeout, h->worker, h->timeout_usec, on_call_timeout, c);
        if (r < 0) {
                free(c);
                return r;
        }
        c->hook = h;
        DL_APPEND(h->waiting, c);
        h->n_waiting++;
        *ret = c;
        return 0;
}

int webhook_post(Webhook *h, WebhookCall **ret, char *body, WebhookFn done, void *userdata) {
        WebhookCall *c = NULL;
        int r = call_new(&c, h);

        if (r < 0) {
                free_secret(body);
                return r;
        }
        c->body = body;
        c->done = done;
        c->userdata = userdata;
        webhook_start_waiting(h);
        if (ret)
                *ret = c;
        return 0;
}

void webhook_cancel(WebhookCall *c) {
        Webhook *h = c ? c->hook : NULL;

        if (!c)
                return;
        call_free(c);
        webhook_start_waiting(h);
}

/* ---- what libcurl has to say ---- */

static int curl_errno(CURLcode code) {
        switch (code) {
        case CURLE_OK:
                return 0;
        case CURLE_PEER_FAILED_VERIFICATION:
        case CURLE_SSL_CACERT_BADFILE:
                return -EKEYREJECTED;
        default:
                return -EIO;
        }
}

static void call_finish_with_code(WebhookCall *c, CURLcode code) {
        const CurlLibrary *curl = &c->hook->curl;
        WebhookReply reply = { .error = c->too_long ? -ENOBUFS : curl_errno(code) };
        long status = 0;

        if (c->too_long)
                reply.why = "the answer is longer than 64 KiB";
        else if (reply.error < 0)
                reply.why = c->error[0] ? c->error : curl->easy_strerror(code);
        curl->easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &status);
        reply.status = (unsigned) status;
        call_finish(c, &reply);
}

static void on_transfer_done(CURL *easy, CURLcode code, void *userdata) {
        const Webhook *h = userdata;
        void *call = NULL;

        h->curl.easy_getinfo(easy, CURLINFO_PRIVATE, &call);
        call_finish_with_code(call, code);
}

/* ---- the hook ---- */

static int webhook_set_up(Webhook *h, Worker *w, const WebhookOptions *o, char **ret_why) {
        int r = curl_load(&h->curl, ret_why);

        if (r < 0)
                return r;
        h->worker = w;
        h->timeout_usec = o->timeout_usec;
        h->url = strdup(o->url);
        h->ca_file = str_is_empty(o->ca_file) ? NULL : strdup(o->ca_file);
        h->secret = o->secret ? strdup(o->secret) : NULL;
        if (!h->url || (!str_is_empty(o->ca_file) && !h->ca_file) || (o->secret && !h->secret))
                return -ENOMEM;
        return curl_loop_new(&h->loop, w, &h->curl, WEBHOOK_CALLS_MAX, on_transfer_done, h);
}

int webhook_new(Webhook **ret, Worker *w, const WebhookOptions *o, char **ret_why) {
        _cleanup_(webhook_freep) Webhook *h = new0(Webhook, 1);
        int r;

        *ret_why = NULL;
        if (!h)
                return -ENOMEM;
        r = webhook_set_up(h, w, o, ret_why);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(h);
        return 0;
}

void webhook_swap_options(Webhook *a, Webhook *b) {
        SWAP(a->url, b->url);
        SWAP(a->ca_file, b->ca_file);
        SWAP(a->secret, b->secret);
        SWAP(a->timeout_usec, b->timeout_usec);
}

Webhook *webhook_free(Webhook *h) {
        if (!h)
                return NULL;
        while (h->running)
                call_free(h->running);
        while (h->waiting)
                call_free(h->waiting);
        curl_loop_free(h->loop);
        curl_unload(&h->curl);
        free_secret(h->secret);
        free(h->url);
        free(h->ca_file);
        free(h);
        return NULL;
}
