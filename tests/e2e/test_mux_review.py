# SPDX-License-Identifier: LGPL-2.1-or-later
"""Mux clients that do what ours never does, and connections that end while a slow visitor still reads."""

import json
import socket
import ssl
import struct
import time

import pytest

from classic import length, payload
from daemons import PATIENCE
from wire import Wire

DATA, WINDOW, PING, GO_AWAY = 0, 1, 2, 3
SYN, ACK = 1, 2


def frame(kind, flags, stream, data=b""):
    return struct.pack(">BBHII", 0, kind, flags, stream, len(data)) + data


def message(kind, **fields):
    data = payload(kind, fields)
    return length(len(data)) + data


def auth(**fields):
    return message("Auth", **{"Version": "2", "MmVersion": "1", "User": "", "ClientId": "", **fields})


class MuxClient(Wire):
    def __init__(self, port):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.set_alpn_protocols(["pgrok-mux/1"])
        super().__init__(socket.create_connection(("127.0.0.1", port), PATIENCE), context)

    def receive(self, wanted):
        """The data of the next frame on that stream; None at the end."""
        while len(header := self.recv_exactly(12)) == 12:
            _, kind, _, stream, n = struct.unpack(">BBHII", header)
            data = self.recv_exactly(n) if kind == DATA else None
            if stream == wanted and data:
                return data
        return None


def test_a_client_that_is_refused_gets_no_second_attempt_on_the_same_connection(place, server):
    client = MuxClient(server.tunnel)
    client.sendall(frame(DATA, SYN, 1, auth(Version="1")))
    assert b"Incompatible" in client.receive(1)
    client.sendall(frame(DATA, SYN, 3, auth()))
    assert client.receive(3) is None
    place.client(server, "--transport=mux", "1").wait_event("tunnel")


def test_streams_without_number_before_auth_end_the_connection(place, server):
    client = MuxClient(server.tunnel)
    before = server.memory()
    try:
        for block in range(200):
            client.sendall(b"".join(frame(WINDOW, SYN, 2 * i + 1) for i in range(block * 1000, block * 1000 + 1000)))
    except OSError:
        pass
    else:
        raise AssertionError(f"200,000 streams were taken, for {(server.memory() - before) >> 20} MiB")
    place.client(server, "--transport=mux", "1").wait_event("tunnel")


class MuxServer:
    """The server's end of mux connections, by hand."""

    def __init__(self, place):
        certificate = place.certificate()
        self.ca = certificate[0]
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(*certificate)
        self.context.set_alpn_protocols(["pgrok-mux/1"])
        self.listener = place.keep(socket.create_server(("127.0.0.1", 0)))
        self.listener.settimeout(PATIENCE)
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        self.place = place

    def client(self, *arguments):
        return self.place.client(self, "--ca-file", str(self.ca), "--transport=mux", *arguments, dev=False)

    def accept(self):
        return self.place.keep(MuxPeer(self.listener.accept()[0], self.context))

    def session(self):
        """A session, let in, and its client's first request."""
        peer = self.accept()
        peer.expect("Auth")
        peer.say("AuthResp", Version="2", ClientId="0123456789abcdef", HalfClose=True)
        return peer, peer.expect("ReqTunnel")


class MuxPeer(Wire):
    def __init__(self, sock, context):
        super().__init__(sock, context, server_side=True)
        self.control = b""

    def frame(self):
        """Type, flags, stream, length and data of the next frame."""
        header = self.recv_exactly(12)
        assert len(header) == 12, f"the client is gone: {self.end}"
        _, kind, flags, stream, n = struct.unpack(">BBHII", header)
        return kind, flags, stream, n, self.recv_exactly(n) if kind == DATA else b""

    def say(self, kind, **fields):
        self.sendall(frame(DATA, 0, 1, message(kind, **fields)))

    def expect(self, wanted):
        """The fields of the next message on the control stream, which is to be that one."""
        while len(self.control) < 8 or len(self.control) < 8 + struct.unpack("<q", self.control[:8])[0]:
            self.control += self.frame()[4]
        n = 8 + struct.unpack("<q", self.control[:8])[0]
        got = json.loads(self.control[8:n])
        self.control = self.control[n:]
        assert got["Type"] == wanted
        return got["Payload"]

    def go_away(self):
        self.sendall(struct.pack(">BBHII", 0, GO_AWAY, 0, 0, 0))

    def ping(self, value):
        """Waits for the answer."""
        self.sendall(struct.pack(">BBHII", 0, PING, SYN, 0, value))
        while self.frame()[:4] != (PING, ACK, 0, value):
            pass


def test_a_late_answer_on_a_replaced_session_does_not_end_it(place):
    server = MuxServer(place)
    client = server.client("1")
    old, request = server.session()
    old.go_away()
    new, request_again = server.session()
    url = "http://demo.localhost:8080"
    old.say("NewTunnel", ReqId=request["ReqId"], Url="http://old.localhost:8080", Protocol="http", Error="")
    for value in (1, 2):
        old.ping(value)
    new.say("NewTunnel", ReqId=request_again["ReqId"], Url=url, Protocol="http", Error="")
    client.wait_event("tunnel", url=url)


@pytest.mark.slow
def test_a_refused_tunnel_is_not_asked_for_again_before_the_next_session_is_there(place):
    server = MuxServer(place)
    client = server.client("1")
    peer, request = server.session()
    peer.say("NewTunnel", ReqId=request["ReqId"], Url="http://demo.localhost:8080", Protocol="http", Error="")
    client.wait_event("tunnel")
    peer.close()
    peer, request = server.session()
    peer.say("NewTunnel", ReqId=request["ReqId"], Url="", Protocol="http", Error="taken")
    request = peer.expect("ReqTunnel")  # not for what it had before, this time
    peer.say("NewTunnel", ReqId=request["ReqId"], Url="", Protocol="http", Error="taken")
    client.wait_event("error")
    refused = time.monotonic()
    time.sleep(4)
    peer.go_away()
    sock = server.listener.accept()[0]
    time.sleep(max(0, refused + 12.5 - time.monotonic()))  # it would have asked again by now
    peer = place.keep(MuxPeer(sock, server.context))
    peer.expect("Auth")
    peer.say("AuthResp", Version="2", ClientId="0123456789abcdef", HalfClose=True)
    peer.expect("ReqTunnel")
