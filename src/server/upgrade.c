/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/upgrade.h"

#include <errno.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/parse.h"
#include "base/service.h"
#include "base/str.h"
#include "net/http-json.h"
#include "server/predecessor.h"
#include "server/spawn.h"
#include "server/stopper.h"

/*   STARTING ──"prepared"──► "go" ──► HANDING_OVER ──"serving"──► "yours" ──► this process drains
 *       └──an end, "failed …", its time is over──┴──► as before
 *
 * The new process has everything that can fail behind it when it says "prepared". Then the state is written
 * for it, and logins and requests for tunnels wait. It serves from "serving" on; clients are told only then,
 * so their visitors wait for them no longer than they need to come. "yours" follows when systemd knows whom
 * to listen to. */

#define UPGRADE_TIMEOUT_USEC (30 * USEC_PER_SEC)
#define PASS_TIMEOUT_SEC 1 /* for the new process to take a visitor */

struct Upgrade {
        Server *server;
        PollItem poll;
        int fd;                 /* owned: to the new process */
        pid_t pid;              /* the new process */
        int pid_fd;             /* owned: the same, for certain */
        Timer *timeout;         /* owned */
        HttpExchange *exchange; /* borrowed; NULL: nobody waits for the outcome */
        Mail *held;             /* owned, the last one first */
        bool is_handing_over;
};

/* ---- what it gets ---- */

static int add_sockets(Spawn *spawn, const Snapshot *snapshot) {
        int r = 0;

        for (unsigned i = 0; i < snapshot->n_sockets && r >= 0; i++) {
                const SnapshotSocket *slot = &snapshot->sockets[i];

                r = spawn_add(spawn, inherited_socket_name(slot->kind, slot->socket->text), slot->socket->fd);
        }
        return r;
}

static int add_ports(Spawn *spawn, Registry *registry) {
        _cleanup_free_ RegistryPort *ports = NULL;
        char name[INHERITED_NAME_MAX];
        size_t n = 0;
        int r = registry_list_ports(registry, &ports, &n);

        for (size_t i = 0; i < n && r >= 0; i++)
                r = spawn_add(spawn, inherited_port_name(ports[i].port, name), ports[i].fd);
        return r;
}

static int add_kind(Spawn *spawn, InheritedKind kind, int fd) {
        return spawn_add(spawn, inherited_kind_name(kind), fd);
}

static int add_all(Spawn *spawn, Server *s, int channel) {
        int r = add_kind(spawn, INHERITED_UPGRADE, channel); /* the first */

        if (r >= 0)
                r = add_kind(spawn, INHERITED_STATE, s->state ? state_lock_fd(s->state) : -1);
        if (r >= 0)
                r = add_kind(spawn, INHERITED_CONTROL, s->control ? http_service_socket(s->control) : -1);
        if (r >= 0)
                r = add_kind(spawn, INHERITED_METRICS, s->metrics ? http_service_socket(s->metrics) : -1);
        if (r >= 0)
                r = predecessors_add(spawn, s);
        if (r >= 0)
                r = add_sockets(spawn, s->snapshot);
        return r < 0 ? r : add_ports(spawn, s->registry);
}

/* ---- the outcome ---- */

static void deliver_held(Upgrade *u) {
        Mail *reversed = NULL;

        while (u->held) {
                Mail *mail = u->held;

                u->held = mail->next;
                mail->next = reversed;
                reversed = mail;
        }
        while (reversed) {
                Mail *mail = reversed;

                reversed = mail->next;
                worker_post(u->server->main, mail, mail->deliver);
        }
}

static void upgrade_free(Upgrade *u) {
        Server *s = u->server;

        s->upgrade = NULL;
        deliver_held(u);
        if (u->fd >= 0) {
                worker_unpoll(s->main, &u->poll, u->fd);
                close(u->fd);
        }
        safe_close(u->pid_fd);
        timer_free(u->timeout);
        free(u);
}

static void on_exchange_gone(void *userdata) {
        Upgrade *u = userdata;

        u->exchange = NULL;
}

/* This process goes on. */
static void upgrade_fail(Upgrade *u, const char *why) {
        Server *s = u->server;

        (void) pidfd_send_signal(u->pid_fd, SIGKILL, NULL, 0); /* it may be alive, and have our sockets */
        if (u->is_handing_over && s->state)
                state_resume(s->state);
        log_struct(LOG_ERR, LOG_FIELDS({ "PGROK_EVENT", "upgrade" }),
                   "There is no upgrade, this process goes on: %s", why);
        if (u->exchange)
                http_answer_error(u->exchange, 409, "There is no upgrade, the running server goes on: %s",
                                  why);
        upgrade_free(u);
}

static void upgrade_answer(Upgrade *u) {
        struct json_object *o;

        if (!u->exchange)
                return;
        o = json_object_new_object();
        json_object_object_add(o, "pid", json_object_new_int64(u->pid));
        http_answer_json(u->exchange, 200, o);
        u->exchange = NULL;
}

static void on_control_idle(void *userdata) {
        Server *s = userdata;

        if (s->stopper)
                stopper_check(s->stopper);
}

/* Nothing of what the new process has may be written to, closed for good or answered on any more. */
static void let_go(Server *s) {
        registry_set_change_fn(s->registry, NULL, NULL);
        registry_set_port_fn(s->registry, NULL, NULL);
        s->state = state_free(s->state);
        s->watchdog = watchdog_free(s->watchdog);
        if (s->control)
                http_service_let_go(s->control, on_control_idle, s);
        s->metrics = http_service_free(s->metrics);
        predecessors_done(s);
}

static void upgrade_succeed(Upgrade *u) {
        Server *s = u->server;

        upgrade_answer(u);
        service_leave(u->pid);
        worker_unpoll(s->main, &u->poll, u->fd);
        (void) send(u->fd, UPGRADE_YOURS, strlen(UPGRADE_YOURS), MSG_NOSIGNAL);
        let_go(s);
        s->successor_fd = TAKE_FD(u->fd);
        log_struct(LOG_INFO, LOG_FIELDS({ "PGROK_EVENT", "upgraded" }),
                   "The process %i serves now; this one ends with what it has in hand", (int) u->pid);
        if (server_drain(s) < 0)
                log_error("Out of memory: this process stays until somebody ends it");
        upgrade_free(u);
}

/* ---- the conversation ---- */

static void upgrade_hand_over(Upgrade *u) {
        if (u->server->state)
                state_pause(u->server->state);
        u->is_handing_over = true;
        if (send(u->fd, UPGRADE_GO, strlen(UPGRADE_GO), MSG_NOSIGNAL) < 0)
                upgrade_fail(u, strerror(errno));
}

static void on_upgrade_message(Upgrade *u, const char *m) {
        const char *why = str_skip_prefix(m, UPGRADE_FAILED);

        if (streq(m, UPGRADE_PREPARED) && !u->is_handing_over)
                upgrade_hand_over(u);
        else if (streq(m, UPGRADE_SERVING) && u->is_handing_over)
                upgrade_succeed(u);
        else
                upgrade_fail(u, why ? why : "The new process says what this one does not understand");
}

static void on_upgrade_event(PollItem *item, uint32_t events _unused_) {
        Upgrade *u = container_of(item, Upgrade, poll);
        char message[UPGRADE_MESSAGE_MAX];
        ssize_t n = recv(u->fd, message, sizeof(message) - 1, MSG_DONTWAIT);

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return;
        if (n <= 0) {
                upgrade_fail(u, "The new process ended before it was ready; its log says why");
                return;
        }
        message[n] = '\0';
        on_upgrade_message(u, message);
}

static void on_upgrade_timeout(void *userdata) {
        upgrade_fail(userdata, "The new process was not ready in time");
}

/* ---- start ---- */

static int upgrade_spawn(Upgrade *u) {
        const ServerOptions *o = u->server->options;
        Spawn spawn = { .program = o->program, .argv = o->argv };
        struct timeval patience = { .tv_sec = PASS_TIMEOUT_SEC };
        _cleanup_close_ int theirs = -1;
        int pair[2], r;

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return -errno;
        u->fd = pair[0];
        theirs = pair[1];
        (void) setsockopt(u->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
        r = add_all(&spawn, u->server, theirs);
        if (r >= 0)
                r = u->pid = spawn_start(&spawn);
        spawn_done(&spawn);
        if (r >= 0)
                u->pid_fd = pidfd_open(u->pid, 0);
        return r;
}

static int upgrade_begin(Upgrade *u) {
        Worker *main = u->server->main;
        int r = timer_new_after(&u->timeout, main, UPGRADE_TIMEOUT_USEC, on_upgrade_timeout, u);

        if (r >= 0)
                r = upgrade_spawn(u);
        return r < 0 ? r : worker_poll(main, &u->poll, u->fd, EPOLLIN);
}

static const char *upgrade_obstacle(const Server *s) {
        if (s->upgrade)
                return "An upgrade is under way already";
        if (s->stopper)
                return "The server is about to stop";
        return s->options->program ? NULL : "Which program this is can't be found in /proc/self/exe";
}

int upgrade_start(Server *s, HttpExchange *x, char **ret_why) {
        const char *obstacle = upgrade_obstacle(s);
        Upgrade *u;
        int r;

        if (obstacle) {
                *ret_why = strdup(obstacle);
                return -EBUSY;
        }
        u = new0(Upgrade, 1);
        if (!u)
                return -ENOMEM;
        *u = (Upgrade) { .server = s, .poll.run = on_upgrade_event, .fd = -1, .pid_fd = -1 };
        r = upgrade_begin(u);
        if (r < 0) {
                *ret_why = str_format("Can't start %s: %s", s->options->program, strerror(-r));
                upgrade_free(u);
                return r;
        }
        log_info("Upgrading: %s is started as process %i", s->options->program, (int) u->pid);
        s->upgrade = u;
        if (x)
                http_exchange_wait(x, on_exchange_gone, u);
        u->exchange = x;
        return 0;
}

bool upgrade_holds(Server *s, Mail *mail) {
        if (!s->upgrade || !s->upgrade->is_handing_over)
                return false;
        mail->next = s->upgrade->held;
        s->upgrade->held = mail;
        return true;
}

void upgrade_cancel(Server *s) {
        if (s->upgrade)
                upgrade_fail(s->upgrade, "The server is to stop");
}
