/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/pass.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/parse.h"
#include "base/str.h"

/* "PROTOCOL PEER PORT NAME PROVED\n", where NAME and PROVED may be empty, and the bytes: what another version
 * of the program understands too. */

#define HEAD_WORDS 5
#define PROVED "proved"

typedef union FdMessage {
        struct cmsghdr header;
        char data[CMSG_SPACE(sizeof(int))];
} FdMessage;

static void set_fd(struct msghdr *m, int fd) {
        struct cmsghdr *c = CMSG_FIRSTHDR(m);

        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(c), &fd, sizeof(fd));
}

int pass_send(int channel, const Passed *p) {
        char head[PASS_PACKET_MAX - PASS_BYTES_MAX], peer[ADDRESS_TEXT_MAX];
        FdMessage fd = {};
        struct iovec parts[2] = { { .iov_base = head }, { .iov_base = (void*) p->data, .iov_len = p->n } };
        struct msghdr m = {
                .msg_iov = parts, .msg_iovlen = 2, .msg_control = &fd, .msg_controllen = sizeof(fd)
        };

        if (p->n > PASS_BYTES_MAX)
                return -EMSGSIZE;
        parts[0].iov_len = (size_t) snprintf(
                head, sizeof(head), "%s %s %u %s %s\n", tunnel_protocol_to_string(p->protocol),
                address_format(&p->peer, peer), p->port, p->asked, p->is_proved ? PROVED : "");
        set_fd(&m, p->fd);
        return sendmsg(channel, &m, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* TEXT is taken to pieces. */
static int parse_head(char *text, Passed *ret) {
        char *words[HEAD_WORDS] = {};
        size_t n = 0;
        int protocol;

        while (n < HEAD_WORDS && (words[n] = strsep(&text, " ")))
                n++;
        if (n < HEAD_WORDS || text)
                return -EBADMSG;
        protocol = tunnel_protocol_from_string(words[0], strlen(words[0]));
        if (protocol < 0 || address_parse(words[1], &ret->peer) < 0 || parse_port(words[2], &ret->port) < 0 ||
            strlen(words[3]) >= sizeof(ret->asked))
                return -EBADMSG;
        ret->protocol = (TunnelProtocol) protocol;
        strcpy(ret->asked, words[3]);
        ret->is_proved = streq(words[4], PROVED);
        return 0;
}

static int get_fd(struct msghdr *m) {
        struct cmsghdr *c = CMSG_FIRSTHDR(m);
        int fd = -1;

        if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
            c->cmsg_len == CMSG_LEN(sizeof(int)))
                memcpy(&fd, CMSG_DATA(c), sizeof(fd));
        return fd;
}

int pass_receive(int channel, char *buffer, Passed *ret) {
        FdMessage control = {};
        struct iovec part = { .iov_base = buffer, .iov_len = PASS_PACKET_MAX };
        struct msghdr m = {
                .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)
        };
        ssize_t n = recvmsg(channel, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        _cleanup_close_ int fd = n > 0 ? get_fd(&m) : -1;
        Passed p = {};
        char *end;

        if (n <= 0)
                return n < 0 ? -errno : 0;
        end = memchr(buffer, '\n', (size_t) n);
        if (fd < 0 || !end || (m.msg_flags & MSG_TRUNC))
                return -EBADMSG;
        *end = '\0';
        if (parse_head(buffer, &p) < 0)
                return -EBADMSG;
        p.data = end + 1;
        p.n = (size_t) (buffer + n - (end + 1));
        p.fd = TAKE_FD(fd);
        *ret = p;
        return 1;
}
