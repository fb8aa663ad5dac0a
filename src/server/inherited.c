/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/inherited.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>

#include "base/log.h"
#include "base/parse.h"
#include "base/service.h"
#include "base/str.h"

const char *inherited_port_name(uint16_t port, char ret[static INHERITED_NAME_MAX]) {
        snprintf(ret, INHERITED_NAME_MAX, "tcp-%u", port);
        return ret;
}

#define OWN_PREFIX "own-"

static const char *const socket_names[LISTEN_KIND_MAX] = {
        [LISTEN_HTTP] = OWN_PREFIX "http",
        [LISTEN_HTTPS] = OWN_PREFIX "https",
        [LISTEN_TUNNEL] = OWN_PREFIX "tunnel",
};

static const char *const kind_names[INHERITED_KIND_MAX] = {
        [INHERITED_UPGRADE] = "upgrade",
        [INHERITED_STATE] = "state",
        [INHERITED_CONTROL] = "control",
        [INHERITED_METRICS] = "metrics",
};

const char *inherited_socket_name(ListenerKind kind, bool is_own) {
        return socket_names[kind] + (is_own ? 0 : strlen(OWN_PREFIX));
}

const char *inherited_kind_name(InheritedKind kind) {
        return kind_names[kind];
}

static bool is_listening(int fd) {
        int flags = fcntl(fd, F_GETFL);

        return sd_is_socket(fd, AF_UNSPEC, SOCK_STREAM, 1) > 0 && flags >= 0 &&
               fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0;
}

/* The functions below take FD if they return true. */

static bool inherited_add_socket(Inherited *i, const char *name, int fd) {
        for (int kind = 0; kind < LISTEN_KIND_MAX && i->n_sockets < ELEMENTSOF(i->sockets); kind++)
                for (int own = 0; own <= 1; own++)
                        if (streq(name, inherited_socket_name((ListenerKind) kind, own))) {
                                i->sockets[i->n_sockets++] = (InheritedSocket) { .kind = (ListenerKind) kind,
                                                                                .is_own = own,
                                                                                .fd = fd };
                                return true;
                        }
        return false;
}

/* What only a process of ours passes. */
static bool inherited_add_other(Inherited *i, const char *name, int fd) {
        if (streq(name, INHERITED_CHANNEL_NAME) && i->n_channels < INHERITED_CHANNELS_MAX) {
                i->channels[i->n_channels++] = fd;
                return true;
        }
        for (int kind = 0; kind < INHERITED_KIND_MAX; kind++)
                if (streq(name, kind_names[kind]) && i->fds[kind] < 0) {
                        i->fds[kind] = fd;
                        return true;
                }
        return false;
}

static bool inherited_add(Inherited *i, const char *name, int fd, unsigned n_all) {
        const char *digits = str_skip_prefix(name, "tcp-");
        uint64_t port;

        if (inherited_add_other(i, name, fd))
                return true;
        if (!is_listening(fd))
                return false;
        if (inherited_add_socket(i, name, fd))
                return true;
        if (!digits || parse_uint(digits, UINT16_MAX, &port) < 0)
                return false;
        if (!i->ports)
                i->ports = new0(InheritedPort, n_all);
        if (!i->ports)
                return false;
        i->ports[i->n_ports++] = (InheritedPort) { .port = (uint16_t) port, .fd = fd };
        return true;
}

static void inherited_init(Inherited *i) {
        *i = (Inherited){};
        for (int kind = 0; kind < INHERITED_KIND_MAX; kind++)
                i->fds[kind] = -1;
}

int inherited_take(Inherited *ret) {
        char **names = NULL;
        int n;

        inherited_init(ret);
        n = sd_listen_fds_with_names(1, &names);
        if (n < 0)
                return n;
        for (int i = 0; i < n; i++) {
                int fd = SD_LISTEN_FDS_START + i;

                if (!inherited_add(ret, names[i], fd, (unsigned) n)) {
                        log_warning(
                                "Systemd has passed %s, which is no listening socket named http, https, tunnel "
                                "or tcp-PORT (FileDescriptorName=), ignoring",
                                names[i]);
                        close(fd);
                }
                free(names[i]);
        }
        free(names);
        return 0;
}

int inherited_take_port(uint16_t port, void *userdata) {
        Inherited *inherited = userdata;

        for (unsigned i = 0; i < inherited->n_ports; i++)
                if (inherited->ports[i].port == port && inherited->ports[i].fd >= 0)
                        return TAKE_FD(inherited->ports[i].fd);
        return -1;
}

int inherited_take_own(Inherited *inherited, ListenerKind kind, const Address *address) {
        Address bound;

        for (unsigned i = 0; inherited && i < inherited->n_sockets; i++) {
                InheritedSocket *s = &inherited->sockets[i];

                if (s->is_own && s->kind == kind && s->fd >= 0 && address_of_socket(s->fd, &bound) >= 0 &&
                    address_covers(address, &bound))
                        return TAKE_FD(s->fd);
        }
        return -1;
}

void inherited_done(Inherited *inherited) {
        char name[INHERITED_NAME_MAX];

        for (unsigned i = 0; i < inherited->n_sockets; i++)
                safe_close(inherited->sockets[i].fd);
        for (unsigned i = 0; i < inherited->n_ports; i++)
                if (inherited->ports[i].fd >= 0) {
                        safe_close(inherited->ports[i].fd);
                        service_forget_socket(inherited_port_name(inherited->ports[i].port, name));
                }
        for (int kind = 0; kind < INHERITED_KIND_MAX; kind++)
                safe_close(inherited->fds[kind]);
        for (unsigned i = 0; i < inherited->n_channels; i++)
                safe_close(inherited->channels[i]);
        free(inherited->ports);
        inherited_init(inherited);
}
