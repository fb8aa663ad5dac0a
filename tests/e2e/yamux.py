# SPDX-License-Identifier: LGPL-2.1-or-later
"""The mux transport by hand: yamux, its streams, and a client that speaks it. A stream has what a Wire has, so that a
Peer can be put over either."""

import collections
import socket
import ssl
import struct
from dataclasses import dataclass, field

from classic import HandClient, Peer
from daemons import PATIENCE
from wire import Reading, Wire

ALPN = "pgrok-mux/1"
DATA, UPDATE, PING, GO_AWAY = range(4)
SYN, ACK, FIN, RST = 1, 2, 4, 8
WINDOW = 256 * 1024


def header(kind, flags=0, stream=0, length=0, version=0):
    return struct.pack(">BBHII", version, kind, flags, stream, length)


def tls_client(port, *alpn):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if alpn:
        context.set_alpn_protocols(alpn)
    return Wire(socket.create_connection(("127.0.0.1", port), PATIENCE), context)


@dataclass
class Stream(Reading):
    """One of a session. What is read is granted anew at once, unless it is `lazy`."""

    mux: "Mux"
    id: int
    owed: int                                         # flags that go with the next frame
    data: bytearray = field(default_factory=bytearray)  # not yet read
    window: int = WINDOW                              # that we may still send
    end: str = ""                                     # then "fin" or "rst"
    n_acks: int = 0
    lazy: bool = False

    def _flags(self):
        flags, self.owed = self.owed, 0
        return flags

    def frame(self, kind, flags=0, length=0):
        self.mux.sendall(header(kind, self._flags() | flags, self.id, length))

    def sendall(self, data):
        """In one frame when the window allows it."""
        while data:
            self.mux.step_until(lambda: self.window > 0 or self.end == "rst")
            assert self.end != "rst", "the stream was reset"
            part, data = data[:self.window], data[self.window:]
            self.window -= len(part)
            self.mux.sendall(header(DATA, self._flags(), self.id, len(part)) + part)

    def recv(self, n):
        """b"" at the end, also at a reset."""
        self.mux.step_until(lambda: self.data or self.end)
        part = bytes(self.data[:n])
        del self.data[:n]
        if part and not self.lazy and not self.end:
            self.frame(UPDATE, 0, len(part))
        return part

    def wait_end(self):
        self.mux.step_until(lambda: self.end)
        return self.end

    def shutdown(self):
        self.frame(UPDATE, FIN)

    def reset(self):
        self.frame(UPDATE, RST)

    def close(self):
        self.mux.close()


class Mux:
    """A session over a Wire. It answers pings, and nothing else by itself."""

    def __init__(self, wire, is_client=True):
        self.wire, self.next_id = wire, 1 if is_client else 2
        self.streams, self.arrived = {}, collections.deque()
        self.pongs, self.go_away, self.ended = collections.deque(), None, False

    def sendall(self, data):
        self.wire.sendall(data)

    def open(self):
        """Nothing is sent before the stream's first frame."""
        stream = self.streams[self.next_id] = Stream(self, self.next_id, SYN)
        self.next_id += 2
        return stream

    def accept(self):
        """The next stream that the peer opens; its ACK goes with our first frame."""
        self.step_until(lambda: self.arrived)
        return self.arrived.popleft()

    def ping(self, value=7):
        self.sendall(header(PING, SYN, 0, value))
        self.step_until(lambda: value in self.pongs)
        self.pongs.remove(value)

    def step_until(self, condition):
        while not condition():
            assert self.step(), f"the session is over: {self.wire.end}"

    def wait_end(self):
        """The end of the connection; frames before it count."""
        while self.step():
            pass
        return self.wire.end

    def step(self):
        """Takes one frame; False at the end of the connection."""
        head = self.wire.recv_exactly(12)
        if len(head) < 12:
            self._lose()
            return False
        version, kind, flags, ident, length = struct.unpack(">BBHII", head)
        assert version == 0 and flags & ~15 == 0, head
        if kind in (DATA, UPDATE):
            self._stream_frame(kind, flags, ident, length)
        elif kind == PING:
            assert ident == 0 and flags in (SYN, ACK), head
            if flags == SYN:
                self.sendall(header(PING, ACK, 0, length))
            else:
                self.pongs.append(length)
        else:
            assert kind == GO_AWAY and ident == 0 and flags == 0, head
            self.go_away = length
        return True

    def _stream_frame(self, kind, flags, ident, length):
        assert ident != 0
        if flags & SYN:
            assert ident not in self.streams and ident % 2 != self.next_id % 2, ident
            self.streams[ident] = Stream(self, ident, ACK)
            self.arrived.append(self.streams[ident])
        stream = self.streams[ident]
        assert not (stream.end == "fin" and flags & FIN), "a second FIN"
        stream.n_acks += bool(flags & ACK)
        if kind == DATA:
            data = self.wire.recv_exactly(length)
            assert not data or not stream.end, "data behind the end"
            stream.data += data
        else:
            stream.window += length
        if flags & RST:
            stream.end = "rst"
        elif flags & FIN:
            stream.end = "fin"

    def _lose(self):
        self.ended = True
        for stream in self.streams.values():
            stream.end = stream.end or "lost"

    def close(self):
        self.wire.close()


class MuxClient(HandClient):
    """A client over mux. Its own stream is the control stream; visitors arrive as streams."""

    def __init__(self, port, token="", client_id="", authenticate=True, **auth):
        self.port, self.client_id, self.proxies, self.thread = port, client_id, [], None
        self.mux = Mux(tls_client(port, ALPN))
        Peer.__init__(self, self.mux.open())
        if authenticate:
            self.auth = self.authenticate(User=token, ClientId=client_id, HalfClose=True, **auth)

    def ping(self):
        self.mux.ping()

    def visitor(self):
        """The next visitor's stream, and what its StartProxy says."""
        peer = Peer(self.mux.accept())
        return peer.wire, peer.expect("StartProxy")
