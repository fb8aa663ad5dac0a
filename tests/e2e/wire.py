# SPDX-License-Identifier: LGPL-2.1-or-later
"""TLS by hand, so that a test sees its records."""

import select
import socket
import ssl
import struct

from daemons import PATIENCE


class Reading:
    """What can be built on recv()."""

    def recv_exactly(self, n):
        data = b""
        while len(data) < n and (part := self.recv(n - len(data))):
            data += part
        return data

    def recv_all(self):
        data = bytearray()
        while part := self.recv(64 * 1024):
            data += part
        return bytes(data)


class Wire(Reading):
    """A TLS connection that shows its records."""

    def __init__(self, sock, context, server_side=False):
        self.sock = sock
        sock.settimeout(PATIENCE)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_side,
                                    None if server_side else "localhost")
        self.raw = bytearray()   # not yet a whole record
        self.data = bytearray()  # what is left of the latest record
        self.end = None          # then "close_notify", "eof" or "reset"
        self._handshake()

    def _handshake(self):
        while True:
            try:
                self.tls.do_handshake()
                self._flush()
                return
            except ssl.SSLWantReadError:
                self._flush()
                if not self._feed():
                    raise ConnectionError(f"{self.end} in the handshake") from None

    def _flush(self):
        if self.outgoing.pending:
            self.sock.sendall(self.outgoing.read())

    def _feed(self):
        """Hands the next record to the TLS engine; False at the end."""
        while len(self.raw) < 5 or len(self.raw) < 5 + struct.unpack(">H", self.raw[3:5])[0]:
            try:
                part = self.sock.recv(64 * 1024)
            except ConnectionResetError:
                self.end = "reset"
                return False
            if not part:
                self.end = "eof"
                return False
            self.raw += part
        n = 5 + struct.unpack(">H", self.raw[3:5])[0]
        self.incoming.write(self.raw[:n])
        del self.raw[:n]
        return True

    def record(self):
        """What the next record carries; b"" at the end."""
        while not self.end and self._feed():
            try:
                data = self.tls.read(64 * 1024)
                self.end = None if data else "close_notify"
                return data
            except ssl.SSLWantReadError:
                self._flush()
            except ssl.SSLZeroReturnError:
                self.end = "close_notify"
        return b""

    def recv(self, n):
        """Like Go's Read: at most what is left of one record."""
        if not self.data:
            self.data += self.record()
        part = bytes(self.data[:n])
        del self.data[:n]
        return part

    def at_hand(self):
        """There are bytes that no poll of the socket would announce."""
        return bool(self.data) or len(self.raw) >= 5 and len(self.raw) >= 5 + struct.unpack(">H", self.raw[3:5])[0]

    def sendall(self, data):
        """In one record up to 16 KiB."""
        self.tls.write(data)
        self._flush()

    def shutdown(self):
        """The end of what we send: close_notify, and nothing more."""
        try:
            self.tls.unwrap()
        except ssl.SSLError:
            pass
        self._flush()

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def close(self):
        self.sock.close()


def join(wire, sock):
    """Bytes both ways until the first end of either."""
    while True:
        ready = [wire.sock] if wire.at_hand() else select.select([wire.sock, sock], [], [])[0]
        if wire.sock in ready:
            data = wire.recv(64 * 1024)
            if not data:
                return
            sock.sendall(data)
        if sock in ready:
            data = sock.recv(16 * 1024)
            if not data:
                return
            wire.sendall(data)
