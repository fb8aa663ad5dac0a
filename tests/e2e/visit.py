# SPDX-License-Identifier: LGPL-2.1-or-later
"""Visitors: HTTP requests and raw connections to a server's public side."""

import http.client
import socket
import ssl
from dataclasses import dataclass

from daemons import PATIENCE


@dataclass
class Answer:
    status: int
    version: int  # 10 or 11
    headers: http.client.HTTPMessage
    body: bytes
    will_close: bool

    @property
    def text(self):
        return self.body.decode()


def trust(ca):
    context = ssl.create_default_context(cafile=str(ca))
    context.set_alpn_protocols(["http/1.1"])
    return context


def connect(port, ca=None, host=None, timeout=PATIENCE):
    """A raw connection; with `ca` TLS, whose certificate must be right for `host`."""
    sock = socket.create_connection(("127.0.0.1", port), timeout)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return trust(ca).wrap_socket(sock, server_hostname=host) if ca else sock


def read_answer(sock, method="GET"):
    response = http.client.HTTPResponse(sock, method=method)
    response.begin()
    body = response.read()
    return Answer(response.status, response.version, response.headers, body, response.will_close)


def exchange(port, data, ca=None, host=None, method="GET"):
    """Sends DATA as it is and reads one answer."""
    with connect(port, ca, host) as sock:
        sock.sendall(data)
        return read_answer(sock, method)


def head(host, path="/", method="GET", headers=()):
    fields = [("Host", host), *(headers.items() if isinstance(headers, dict) else headers)]
    lines = [f"{method} {path} HTTP/1.1", *(f"{n}: {v}" for n, v in fields), "", ""]
    return "\r\n".join(lines).encode("latin-1")


def get(tunnel, path="/", ca=None, **options):
    """One request through a tunnel, which has host and port."""
    data = head(f"{tunnel.host}:{tunnel.port}", path, **options)
    return exchange(tunnel.port, data, ca, tunnel.host, options.get("method", "GET"))


def post(tunnel, path, parts, n_bytes, ca=None):
    """Sends the byte strings in PARTS, N_BYTES in all."""
    with connect(tunnel.port, ca, tunnel.host) as sock:
        sock.sendall(head(tunnel.host, path, "POST", {"Content-Length": n_bytes}))
        for part in parts:
            sock.sendall(part)
        return read_answer(sock)


def read_exactly(sock, n):
    data = bytearray()
    while len(data) < n:
        part = sock.recv(n - len(data))
        if not part:
            break
        data += part
    return bytes(data)


def read_all(sock):
    data = bytearray()
    while part := sock.recv(64 * 1024):
        data += part
    return bytes(data)
