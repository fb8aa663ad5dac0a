# SPDX-License-Identifier: LGPL-2.1-or-later
"""The classic protocol by hand, both roles, with the habits of the Go programs: a frame's length and its
payload leave in two TLS records, a payload must arrive in one, no HalfClose, no answer to Ping, and both
directions of a proxy connection close at the first end."""

import collections
import json
import os
import socket
import ssl
import struct
import threading
from dataclasses import dataclass

from daemons import PATIENCE
from wire import Wire, join


def payload(kind, fields):
    return json.dumps({"Type": kind, "Payload": fields}, separators=(",", ":")).encode()


def length(n):
    return struct.pack("<q", n)


@dataclass
class Message:
    kind: str
    fields: dict
    records: int  # how many TLS records the length and the payload came in

    def __getattr__(self, name):
        return self.fields[name]


class Peer:
    """Frames over a Wire."""

    def __init__(self, wire):
        self.wire = wire
        self.aside = collections.deque()

    def send(self, kind, **fields):
        data = payload(kind, fields)
        self.wire.sendall(length(len(data)))
        self.wire.sendall(data)

    def send_bytes(self, data):
        self.wire.sendall(data)

    def receive(self):
        """The next message, or None at the end."""
        header = self.wire.recv_exactly(8)
        if len(header) < 8:
            return None
        together = bool(self.wire.data)
        n = struct.unpack("<q", header)[0]
        data = self.wire.recv(n)
        assert len(data) == n, f"a payload of {n} bytes came in pieces, the first of {len(data)}"
        message = json.loads(data)
        return Message(message["Type"], message["Payload"], 1 if together else 2)

    def expect(self, kind):
        """The next message of that kind; others wait for their own call."""
        for message in self.aside:
            if message.kind == kind:
                self.aside.remove(message)
                return message
        while message := self.receive():
            if message.kind == kind:
                return message
            self.aside.append(message)
        raise AssertionError(f"no {kind} but {self.wire.end}; {list(self.aside)}")

    def expect_end(self):
        """Nothing but the end may come."""
        message = self.receive()
        assert message is None, message

    def close(self):
        self.wire.close()


def dial(port):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return Peer(Wire(socket.create_connection(("127.0.0.1", port), PATIENCE), context))


class HandClient(Peer):
    """A client as Go writes it. Proxy connections are made when the test says so, or by `serve`."""

    def __init__(self, port, token="", client_id="", authenticate=True, **auth):
        self.port, self.client_id, self.proxies, self.thread = port, client_id, [], None
        super().__init__(dial(port).wire)
        if authenticate:
            self.auth = self.authenticate(User=token, ClientId=client_id, **auth)

    def authenticate(self, **fields):
        self.send("Auth", **{"Version": "2", "MmVersion": "1.7", "User": "", "Password": "", "OS": "linux",
                             "Arch": "amd64", "ClientId": "", **fields})
        answer = self.expect("AuthResp")
        self.client_id = answer.ClientId
        return answer

    def ask(self, protocol, **fields):
        self.send("ReqTunnel", **{"ReqId": os.urandom(8).hex(), "Protocol": protocol, "Hostname": "",
                                  "Subdomain": "", "HttpAuth": "", "RemotePort": 0, **fields})

    def request(self, protocol, **fields):
        """Its answers: one for each protocol, or one with an Error."""
        self.ask(protocol, **fields)
        answers = []
        for _ in protocol.split("+"):
            answers.append(self.expect("NewTunnel"))
            if answers[-1].Error:
                break
        return answers

    def tunnel(self, protocol, **fields):
        """The Url of a tunnel that must succeed."""
        answer = self.request(protocol, **fields)[0]
        assert not answer.Error, answer
        return answer.Url

    def ping(self):
        self.send("Ping")
        self.expect("Pong")

    def proxy(self):
        """A proxy connection that is registered."""
        peer = dial(self.port)
        peer.send("RegProxy", ClientId=self.client_id)
        self.proxies.append(peer)
        return peer

    def serve(self, local_port):
        """Answers each ReqProxy from now on and joins visitors with the local service, in threads."""
        def control():
            try:
                self.wire.sock.settimeout(None)
                while True:
                    self.expect("ReqProxy")
                    threading.Thread(target=work, daemon=True).start()
            except (AssertionError, OSError, ValueError):
                return

        def work():
            try:
                peer = self.proxy()
                peer.wire.sock.settimeout(None)
                if not peer.receive():
                    return
                with socket.create_connection(("127.0.0.1", local_port), PATIENCE) as sock:
                    join(peer.wire, sock)
                peer.wire.shutdown()
                peer.close()
            except (AssertionError, OSError, ValueError):
                return

        self.thread = threading.Thread(target=control, daemon=True)
        self.thread.start()

    def close(self):
        if self.thread:  # which reads, and would keep the connection open
            try:
                self.wire.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        for peer in [self, *self.proxies]:
            peer.wire.close()


class HandServer:
    """A server as Go writes it, for one client under test."""

    def __init__(self, certificate, port=0):
        self.ca = certificate[0]
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(*certificate)
        self.listener = socket.create_server(("127.0.0.1", port))
        self.listener.settimeout(PATIENCE)
        self.port = self.listener.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        self.peers, self.aside = [], collections.deque()

    def accept(self, kind):
        """The next connection whose first message has that kind; it is in its `first`."""
        for peer in self.aside:
            if peer.first.kind == kind:
                self.aside.remove(peer)
                return peer
        while True:
            sock = self.listener.accept()[0]
            try:
                peer = Peer(Wire(sock, self.context, server_side=True))
            except ConnectionError:  # a proxy connection of a session that has ended meanwhile
                sock.close()
                continue
            self.peers.append(peer)
            peer.first = peer.receive()
            if peer.first and peer.first.kind == kind:
                return peer
            self.aside.append(peer)

    def session(self, client_id="0123456789abcdef", proxies=1, **auth):
        """A control connection, let in."""
        control = self.accept("Auth")
        control.send("AuthResp", **{"Version": "2", "MmVersion": "1.7", "ClientId": client_id, "Error": "", **auth})
        for _ in range(proxies):
            control.send("ReqProxy")
        return control

    def grant(self, control, host="demo.localhost", port=8080):
        """Answers the next ReqTunnel, and returns the Urls."""
        request = control.expect("ReqTunnel")
        urls = []
        for protocol in request.Protocol.split("+"):
            urls.append(f"{protocol}://{host}:{port + len(urls)}")
            control.send("NewTunnel", ReqId=request.ReqId, Url=urls[-1], Protocol=protocol, Error="")
        return urls

    def visit(self, url, address="192.0.2.7:4711"):
        """A proxy connection of the client, started for a visitor of URL."""
        proxy = self.accept("RegProxy")
        proxy.send("StartProxy", Url=url, ClientAddr=address)
        return proxy

    def close(self):
        self.listener.close()
        for peer in self.peers:
            peer.close()
