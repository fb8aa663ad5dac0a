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

/* Returns the kind or -EINVAL. */
static int kind_from_name(const char *name) {
        static const char *const names[LISTEN_KIND_MAX] = {
                [LISTEN_HTTP] = "http",
                [LISTEN_HTTPS] = "https",
                [LISTEN_TUNNEL] = "tunnel",
        };

        for (int kind = 0; kind < LISTEN_KIND_MAX; kind++)
                if (streq(name, names[kind]))
                        return kind;
        return -EINVAL;
}

static bool is_listening(int fd) {
        int flags = fcntl(fd, F_GETFL);

        return sd_is_socket(fd, AF_UNSPEC, SOCK_STREAM, 1) > 0 && flags >= 0 &&
               fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0;
}

/* Takes FD if it returns true. */
static bool inherited_add(Inherited *i, const char *name, int fd, unsigned n_all) {
        const char *digits = str_skip_prefix(name, "tcp-");
        int kind = kind_from_name(name);
        uint64_t port;

        if (!is_listening(fd))
                return false;
        if (kind >= 0 && i->n_sockets < SNAPSHOT_SOCKETS_MAX) {
                i->sockets[i->n_sockets].kind = (ListenerKind) kind;
                i->sockets[i->n_sockets++].fd = fd;
                return true;
        }
        if (kind >= 0 || !digits || parse_uint(digits, UINT16_MAX, &port) < 0)
                return false;
        if (!i->ports)
                i->ports = new0(InheritedPort, n_all);
        if (!i->ports)
                return false;
        i->ports[i->n_ports++] = (InheritedPort) { .port = (uint16_t) port, .fd = fd };
        return true;
}

int inherited_take(Inherited *ret) {
        char **names = NULL;
        int n;

        *ret = (Inherited){};
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

void inherited_done(Inherited *inherited) {
        char name[INHERITED_NAME_MAX];

        for (unsigned i = 0; i < inherited->n_sockets; i++)
                safe_close(inherited->sockets[i].fd);
        for (unsigned i = 0; i < inherited->n_ports; i++)
                if (inherited->ports[i].fd >= 0) {
                        safe_close(inherited->ports[i].fd);
                        service_forget_socket(inherited_port_name(inherited->ports[i].port, name));
                }
        free(inherited->ports);
        *inherited = (Inherited){};
}
