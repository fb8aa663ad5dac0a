/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/visitor-private.h"

#include "base/log.h"
#include "base/parse.h"
#include "base/str.h"
#include "net/stream-tls.h"

/* Whom the owner of a tunnel lets in: by address, and by user and password; and the server, by certificate.
 * Why somebody is kept out is for the log, not for them. */

#define VISITOR_CHECK_USEC (20 * USEC_PER_SEC)

/* Who asks, as far as trusted proxies tell. */
static Ip visitor_ip(const Visitor *v, const HttpHead *head) {
        Ip peer = address_ip(&v->peer);

        return forwarded_visitor(&peer, &v->shard->snapshot->config->proxies, head);
}

static void visitor_log_denial(const Visitor *v, const Ip *who, const char *status, const char *why) {
        char text[IP_TEXT_MAX];

        if (!log_kinds_admit(&v->shard->server->log_kinds, LOG_KIND_VISITOR))
                return;
        log_struct(LOG_INFO,
                   LOG_FIELDS({ "PGROK_EVENT", "denied" }, { "PGROK_TUNNEL", v->tunnel->url },
                              { "PGROK_USER", v->tunnel->user->name },
                              { "PGROK_VISITOR", ip_format(who, text) }, { "PGROK_STATUS", status }),
                   "Denied visitor %s to %s: %s", text, v->tunnel->url, why);
}

static VisitorAccess judge_password(const Visitor *v, const HttpHead *head, const Tunnel *t, const Ip *who) {
        static const VisitorAccess by_answer[] = {
                [GUARD_ADMITTED] = VISITOR_GRANTED, [GUARD_UNASKED] = VISITOR_UNASKED,
                [GUARD_WRONG] = VISITOR_WRONG,      [GUARD_LIMITED] = VISITOR_LIMITED,
                [GUARD_UNSURE] = VISITOR_UNSURE,
        };

        return by_answer[guard_ask(v->shard->server->guard, t, http_credentials(head), who)];
}

bool visitor_is_proved(const Visitor *v) {
        return v->asked ? v->was_proved : stream_tls_is_proved(v->stream, v->shard->snapshot->https_tls);
}

VisitorAccess visitor_judge(const Visitor *v, const HttpHead *head, const Tunnel *t) {
        Ip who;

        if (v->protocol == TUNNEL_HTTPS && v->shard->snapshot->config->visitor_ca && !visitor_is_proved(v))
                return VISITOR_UNPROVED;
        if (!t->options && !t->users)
                return VISITOR_GRANTED;
        who = visitor_ip(v, head);
        if (!tunnel_options_admit(t->options, &who))
                return VISITOR_DENIED;
        if (t->options && t->options->redirect_https && !v->is_https)
                return VISITOR_PLAIN; /* before a password is asked for */
        return t->users ? judge_password(v, head, t, &who) : VISITOR_GRANTED;
}

static void on_visitor_checked(void *userdata) {
        Visitor *v = userdata;

        v->check = NULL;
        visitor_look_up_host(v);
}

/* The request waits, and nothing more is read. */
static void visitor_wait_for_check(Visitor *v, const HttpHead *head, const Ip *who) {
        Shard *sh = v->shard;

        if (visitor_set_timeout(v, VISITOR_CHECK_USEC) < 0 ||
            guard_check(&v->check, sh->server->guard, sh->worker, v->tunnel, http_credentials(head), who,
                        on_visitor_checked, v) < 0) {
                visitor_log_denial(v, who, "503", "too many passwords wait to be looked at");
                visitor_refuse_crowd(v);
        } else
                visitor_set_state(v, VISITOR_CHECK);
}

static void visitor_ask_password(Visitor *v) {
        visitor_refuse(v, 401, "WWW-Authenticate: Basic realm=\"pgrok\"\r\n",
                       "This tunnel asks for a user and a password");
}

void visitor_refuse_access(Visitor *v, const HttpHead *head, VisitorAccess access) {
        Ip who = visitor_ip(v, head);

        switch (access) {
        case VISITOR_UNPROVED:
                visitor_log_denial(v, &who, "403", "it shows no certificate of server.tls.visitor_ca");
                v->may_keep = false; /* it may have one, and show it when it comes again */
                visitor_refuse(v, 403, "", "This server asks for a certificate that it trusts");
                break;
        case VISITOR_DENIED:
                visitor_log_denial(v, &who, "403", "allow and deny keep its address out");
                visitor_refuse(v, 403, "", "This is not open to you");
                break;
        case VISITOR_PLAIN:
                visitor_redirect(v, head);
                break;
        case VISITOR_WRONG:
                visitor_log_denial(v, &who, "401", "its user or password is wrong");
                visitor_ask_password(v);
                break;
        case VISITOR_LIMITED:
                visitor_log_denial(v, &who, "503", "too many passwords were wrong");
                visitor_refuse(v, 503, "Retry-After: 60\r\n",
                               "There were too many attempts; try again later");
                break;
        case VISITOR_UNSURE:
                visitor_wait_for_check(v, head, &who);
                break;
        default:
                visitor_ask_password(v);
        }
}

bool visitor_may_connect(const Visitor *v) {
        Ip who = address_ip(&v->peer);

        if (tunnel_options_admit(v->tunnel->options, &who))
                return true;
        visitor_log_denial(v, &who, "", "allow and deny keep its address out");
        return false;
}
