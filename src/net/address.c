/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "net/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stddef.h>

#include "base/parse.h"
#include "base/str.h"

int host_port_split(const char *s, uint16_t default_port, char *ret_host, size_t ret_size,
                    uint16_t *ret_port) {
        const char *host = s, *end, *colon;
        uint16_t port = default_port;

        if (*s == '[') {
                host = s + 1;
                end = strchr(host, ']');
                if (!end)
                        return -EINVAL;
                colon = end + 1;
        } else
                end = colon = s + strcspn(s, ":");
        if (*colon == ':') {
                if (strchr(colon + 1, ':') || parse_port(colon + 1, &port) < 0)
                        return -EINVAL;
        } else if (*colon != '\0' || default_port == 0)
                return -EINVAL;
        if ((size_t) (end - host) >= ret_size)
                return -EINVAL;
        memcpy(ret_host, host, (size_t) (end - host));
        ret_host[end - host] = '\0';
        *ret_port = port;
        return 0;
}

int address_parse_ip(const char *s, Address *ret) {
        Address a = {};

        if (inet_pton(AF_INET, s, &a.in.sin_addr) == 1) {
                a.in.sin_family = AF_INET;
                a.length = sizeof(a.in);
        } else if (inet_pton(AF_INET6, s, &a.in6.sin6_addr) == 1) {
                a.in6.sin6_family = AF_INET6;
                a.length = sizeof(a.in6);
        } else
                return -EINVAL;
        *ret = a;
        return 0;
}

int address_parse(const char *s, Address *ret) {
        char host[INET6_ADDRSTRLEN];
        Address a = {};
        uint16_t port;

        if (parse_port(s, &port) >= 0) /* "80" is ":80" */
                host[0] = '\0';
        else if (host_port_split(s, 0, host, sizeof(host), &port) < 0)
                return -EINVAL;
        if (address_parse_ip(host[0] != '\0' ? host : "::", &a) < 0)
                return -EINVAL;
        address_set_port(&a, port);
        *ret = a;
        return 0;
}

void address_set(Address *a, const struct sockaddr *sa, socklen_t length) {
        *a = (Address) { .length = MIN(length, (socklen_t) sizeof(struct sockaddr_un)) };
        memcpy(&a->un, sa, a->length);
        if (a->sa.sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&a->in6.sin6_addr)) {
                struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = a->in6.sin6_port };

                memcpy(&in.sin_addr, a->in6.sin6_addr.s6_addr + 12, sizeof(in.sin_addr));
                a->in = in;
                a->length = sizeof(in);
        }
}

static int address_get(int fd, int (*get)(int, struct sockaddr *, socklen_t *), Address *ret) {
        struct sockaddr_storage ss = {};
        socklen_t length = sizeof(ss);

        if (get(fd, (struct sockaddr*) &ss, &length) < 0)
                return -errno;
        address_set(ret, (struct sockaddr*) &ss, length);
        return 0;
}

static int get_peer(int fd, struct sockaddr *sa, socklen_t *length) {
        return getpeername(fd, sa, length);
}

static int get_own(int fd, struct sockaddr *sa, socklen_t *length) {
        return getsockname(fd, sa, length);
}

int address_of_peer(int fd, Address *ret) {
        return address_get(fd, get_peer, ret);
}

int address_of_socket(int fd, Address *ret) {
        return address_get(fd, get_own, ret);
}

const char *address_format_ip(const Address *a, char ret[static ADDRESS_TEXT_MAX]) {
        if (a->sa.sa_family == AF_INET)
                inet_ntop(AF_INET, &a->in.sin_addr, ret, ADDRESS_TEXT_MAX);
        else if (a->sa.sa_family == AF_INET6)
                inet_ntop(AF_INET6, &a->in6.sin6_addr, ret, ADDRESS_TEXT_MAX);
        else
                snprintf(ret, ADDRESS_TEXT_MAX, "local");
        return ret;
}

void address_set_unix(Address *a, const char *path) {
        *a = (Address) { .un.sun_family = AF_UNIX, .length = sizeof(a->un) };
        strcpy(a->un.sun_path, path);
}

const char *address_format(const Address *a, char ret[static ADDRESS_TEXT_MAX]) {
        char ip[ADDRESS_TEXT_MAX];

        address_format_ip(a, ip);
        if (a->sa.sa_family == AF_INET6)
                snprintf(ret, ADDRESS_TEXT_MAX, "[%.64s]:%u", ip, address_port(a));
        else
                snprintf(ret, ADDRESS_TEXT_MAX, "%.64s:%u", ip, address_port(a));
        return ret;
}

Ip address_ip(const Address *a) {
        if (a->sa.sa_family == AF_INET)
                return ip_from_v4(&a->in.sin_addr);
        return a->sa.sa_family == AF_INET6 ? ip_from_v6(&a->in6.sin6_addr) : (Ip){};
}

Address address_from_ip(const Ip *ip) {
        char text[IP_TEXT_MAX];
        Address a = {};

        (void) address_parse_ip(ip_format(ip, text), &a);
        return a;
}

Ip address_network(const Address *a) {
        Ip ip = address_ip(a);

        if (!ip_is_v4(&ip))
                memset(ip.bytes + 8, 0, 8);
        return ip;
}

uint16_t address_port(const Address *a) {
        if (a->sa.sa_family == AF_INET)
                return ntohs(a->in.sin_port);
        return a->sa.sa_family == AF_INET6 ? ntohs(a->in6.sin6_port) : 0;
}

void address_set_port(Address *a, uint16_t port) {
        if (a->sa.sa_family == AF_INET)
                a->in.sin_port = htons(port);
        else if (a->sa.sa_family == AF_INET6)
                a->in6.sin6_port = htons(port);
}

bool address_covers(const Address *address, const Address *bound) {
        char a[ADDRESS_TEXT_MAX], b[ADDRESS_TEXT_MAX];
        uint16_t port = address_port(address);

        return (port == 0 || port == address_port(bound)) &&
               strcmp(address_format_ip(address, a), address_format_ip(bound, b)) == 0;
}

bool address_is_loopback(const Address *a) {
        if (a->sa.sa_family == AF_INET)
                return ntohl(a->in.sin_addr.s_addr) >> 24 == 127;
        return a->sa.sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&a->in6.sin6_addr);
}
