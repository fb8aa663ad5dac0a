# SPDX-License-Identifier: LGPL-2.1-or-later
"""A client of koding/tunnel by hand, with the habits of the Go program: it sends nothing behind its CONNECT before the
answer is there, opens each stream with a window update of its own, has at most 256 of them without an ACK, answers
visitors in the order in which it is asked, and never says that its local service has closed."""

import json
import socket
import ssl

from daemons import PATIENCE
from wire import Wire
from yamux import SYN, UPDATE, Mux, header, tls_client

PATH = "/_controlPath/"
CONNECTED = b"HTTP/1.1 200 Connected to Tunnel\n\n"
HTTP, TCP, WEBSOCKET = 1, 2, 3
BACKLOG = 256  # of streams without an ACK


class PlainWire:
    """What a Wire has, without TLS."""

    def __init__(self, sock):
        self.sock, self.end = sock, None
        sock.settimeout(PATIENCE)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def recv(self, n):
        try:
            data = self.sock.recv(n)
        except ConnectionResetError:
            self.end = "reset"
            return b""
        if not data:
            self.end = "eof"
        return data

    recv_exactly, recv_all, reset = Wire.recv_exactly, Wire.recv_all, Wire.reset

    def sendall(self, data):
        self.sock.sendall(data)

    def close(self):
        self.sock.close()


def connect(port, tls):
    if tls:
        return tls_client(port)
    return PlainWire(socket.create_connection(("127.0.0.1", port), PATIENCE))


def head(identifier, path=PATH, method="CONNECT", field="X-Ktunnel-Identifier"):
    return f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{field}: {identifier}\r\n\r\n".encode()


class KodingClient:
    """In, once it is made; `handshake` says whether it goes on to its control stream."""

    def __init__(self, port, identifier, tls=False, handshake=True, early=False, **options):
        self.wire = connect(port, tls)
        hello = header(UPDATE, SYN, 1) if early else b""
        self.wire.sendall(head(identifier, **options) + hello)
        self.answer = self.wire.recv_exactly(len(CONNECTED))
        assert self.answer == CONNECTED, self.answer + self.wire.recv_all()
        self.mux, self.text = Mux(self.wire), ""
        self.control = self.mux.open()
        if early:
            self.control.owed = 0
        if handshake:
            self.shake_hands()

    def shake_hands(self):
        if self.control.owed:
            self.control.frame(UPDATE)
        self.control.sendall(b"controlHandshake")
        self.mux.step_until(lambda: self.control.data)
        assert self.control.recv(64) == b"controlOk" and self.control.n_acks == 1

    def message(self):
        """The next value on the control stream."""
        decoder = json.JSONDecoder()
        while True:
            try:
                value, end = decoder.raw_decode(self.text.lstrip())
                self.text = self.text.lstrip()[end:]
                return value
            except json.JSONDecodeError:
                part = self.control.recv(4096)
                assert part, f"the control stream has ended: {self.control.end}"
                self.text += part.decode()

    def open(self):
        waiting = [s for s in self.mux.streams.values() if not s.n_acks and not s.end]
        assert len(waiting) < BACKLOG, "Open blocks"
        stream = self.mux.open()
        stream.frame(UPDATE)
        return stream

    def take(self, transport=HTTP, port=None):
        """Opens the stream that is asked for next."""
        message = self.message()
        assert message["action"] == 1 and message["transportProtocol"] == transport, message
        assert port is None or message["localPort"] == port, message
        return self.open()

    def close(self):
        self.wire.close()


def read_head(stream):
    """Like the real one, which sends nothing into a stream whose visitor has ended: so that must not come early."""
    data = b""
    while not data.endswith(b"\r\n\r\n"):
        part = stream.recv(1)
        assert part, f"{stream.end} after {data}"
        data += part
    return data


def reply(stream, body, **fields):
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    stream.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n{lines}\r\n".encode() + body)


def refusal(port, data, tls=False):
    """All that the server answers to a client that it doesn't let in."""
    wire = connect(port, tls)
    wire.sendall(data.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1))
    answer = wire.recv_all()
    wire.close()
    status, _, rest = answer.partition(b"\r\n")
    return int(status.split()[1]), rest.partition(b"\r\n\r\n")[2].decode()
