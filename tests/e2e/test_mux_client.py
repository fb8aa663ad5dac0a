# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which transport the client chooses, and its side of mux, seen by servers of all kinds."""

import os
import signal
import socket
import ssl
import time

import pytest

import local
import visit
from classic import HandServer, Peer, length, payload
from daemons import PATIENCE, SANITIZED
from wire import Wire
from yamux import ACK, ALPN, DATA, GO_AWAY, Mux, header

NO_APPLICATION_PROTOCOL = bytes.fromhex("15 0303 0002 02 78")  # a fatal alert


class AnyServer(HandServer):
    """Shows what a client offers; answers by mux with `alpn`, else as a Go program does."""

    def __init__(self, certificate, *alpn):
        super().__init__(certificate)
        if alpn:
            self.context.set_alpn_protocols(alpn)

    def offer(self):
        """A connection that has sent its ClientHello, and whether that offers mux."""
        sock = self.listener.accept()[0]
        sock.settimeout(PATIENCE)
        data = sock.recv(5, socket.MSG_PEEK | socket.MSG_WAITALL)
        data = sock.recv(5 + int.from_bytes(data[3:5], "big"), socket.MSG_PEEK | socket.MSG_WAITALL)
        return sock, ALPN.encode() in data

    def refuse(self):
        """Sends the alert that no application protocol will do."""
        sock, offered = self.offer()
        sock.recv(64 * 1024)
        sock.sendall(NO_APPLICATION_PROTOCOL)
        sock.close()
        return offered

    def peer(self, sock):
        peer = Peer(Wire(sock, self.context, server_side=True))
        self.peers.append(peer)
        return peer

    def unanswered(self):
        """A mux that wants to be let in, and its control stream as a Peer."""
        sock, offered = self.offer()
        assert offered
        mux = Mux(self.peer(sock).wire, is_client=False)
        assert mux.wire.tls.selected_alpn_protocol() == ALPN
        control = Peer(mux.accept())
        control.auth = control.expect("Auth")
        return mux, control

    def mux_session(self, **auth):
        """A mux session that is let in; its control stream is a Peer."""
        mux, control = self.unanswered()
        control.send("AuthResp", **{"Version": "2", "MmVersion": "1", "ClientId": "0123456789abcdef", "Error": "",
                                    "HalfClose": True, **auth})
        control.mux = mux
        return control

    def visitor(self, control, url):
        """A stream for a visitor of URL."""
        peer = Peer(control.mux.open())
        peer.send("StartProxy", Url=url, ClientAddr="192.0.2.7:4711")
        return peer.wire


def message(ident, flags, kind, **fields):
    """As one frame of a stream, to be sent with others."""
    data = payload(kind, fields)
    return header(DATA, flags, ident, len(data) + 8) + length(len(data)) + data


@pytest.fixture
def go(place):
    return place.keep(AnyServer(place.certificate()))


@pytest.fixture
def server(place):
    return place.keep(AnyServer(place.certificate(), ALPN))


def start(place, server, *arguments):
    return place.client(server, "--ca-file", str(server.ca), "--token", "s3cret", *arguments, dev=False)


def connected(place, server, service, *arguments):
    client = start(place, server, "--transport=mux", *arguments, str(service.port))
    control = server.mux_session()
    return client, control, server.grant(control)[0]


# The choice

def test_a_server_that_selects_no_protocol_gets_classic(place, go):
    client = start(place, go, "--transport=auto", "9")
    sock, offered = go.offer()
    assert offered
    control = go.peer(sock)
    assert control.expect("Auth").User == "s3cret", "on the same connection"
    control.send("AuthResp", Version="2", MmVersion="1.7", ClientId="0123456789abcdef", Error="")
    go.grant(control)
    client.wait_event("tunnel")
    control.send("ReqProxy")
    sock, offered = go.offer()
    assert not offered
    assert go.peer(sock).expect("RegProxy").ClientId == "0123456789abcdef"


def test_a_server_that_refuses_the_offer_gets_classic_at_once(place, go):
    client = start(place, go, "--transport=auto", "9")
    assert go.refuse()
    sock, offered = go.offer()
    assert not offered
    control = go.peer(sock)
    assert control.expect("Auth")
    control.send("AuthResp", Version="2", MmVersion="1.7", ClientId="0123456789abcdef", Error="")
    go.grant(control)
    client.wait_event("tunnel")
    assert not client.events("offline")


def test_mux_alone_does_not_fall_back(place, go):
    client = start(place, go, "--transport=mux", "9")
    sock, offered = go.offer()
    assert offered
    assert go.peer(sock).receive() is None, "no token for a server that speaks something else"
    assert client.exit_code() == 1
    assert "--transport auto" in client.events("error")[0]["reason"]


def test_mux_alone_gives_up_when_its_offer_is_refused(place, go):
    client = start(place, go, "--transport=mux", "9")
    assert go.refuse()
    assert client.exit_code() == 1
    assert "--transport auto" in client.events("error")[0]["reason"]


def test_mux_is_offered_again_to_a_server_that_comes_back(place, go):
    client = start(place, go, "--transport=auto", "9")
    assert go.refuse()
    sock, offered = go.offer()
    assert not offered
    control = go.peer(sock)
    assert control.expect("Auth")
    control.send("AuthResp", Version="2", MmVersion="1.7", ClientId="0123456789abcdef", Error="")
    go.grant(control)
    client.wait_event("tunnel")
    control.close()
    assert go.offer()[1], "it may be another version"


def test_classic_offers_nothing(place, go):
    client = start(place, go, "--transport=classic", "9")
    sock, offered = go.offer()
    assert not offered
    assert go.peer(sock).expect("Auth")
    assert client.is_running()


def test_our_server_gets_mux(place):
    server = place.server()
    client = place.client(server, "--transport=auto", "--log-level=debug", str(place.http().port))
    assert visit.get(client.tunnel("http")).status == 200
    assert "ReqProxy" not in client.log()


# Mux

def test_it_says_who_it_is_on_stream_1(place, server):
    start(place, server, "--transport=mux", "9")
    control = server.mux_session()
    assert control.wire.id == 1
    assert (control.auth.Version, control.auth.User, control.auth.OS) == ("2", "s3cret", "linux")
    assert control.auth.fields["HalfClose"] is True


def test_a_visitor_is_joined_with_the_local_service(place, server):
    _client, control, url = connected(place, server, place.http(), "--proto", "http")
    for _ in range(3):
        stream = server.visitor(control, url)
        stream.sendall(visit.head("demo.localhost", "/bytes/x/100000", headers={"Connection": "close"}))
        assert stream.recv_all().partition(b"\r\n\r\n")[2] == local.content("x", 100000)
        assert stream.end == "fin" and stream.n_acks == 1


def test_bytes_may_follow_start_proxy_in_any_frames(place, server):
    _client, control, url = connected(place, server, place.keep(local.EchoService()), "--proto", "tcp")
    stream = server.visitor(control, url)
    for byte in b"byte by byte":
        stream.sendall(bytes([byte]))
    stream.shutdown()
    assert stream.recv_all() == b"byte by byte" and stream.end == "fin"


def test_each_direction_ends_by_itself(place, server):
    _client, control, url = connected(place, server, place.keep(local.DigestService()), "--proto", "tcp")
    stream = server.visitor(control, url)
    stream.sendall(b"question")
    stream.shutdown()
    assert stream.recv_all().startswith(b"8 ") and stream.end == "fin"


def test_a_reset_of_the_service_arrives_as_rst(place, server):
    _client, control, url = connected(place, server, place.keep(local.ResetService()), "--proto", "tcp")
    stream = server.visitor(control, url)
    stream.sendall(b"x")
    assert stream.wait_end() == "rst"


def test_a_service_that_does_not_read_stalls_its_visitor_only(place, server):
    service = place.keep(local.SilentService())
    client, control, url = connected(place, server, service, "--proto", "tcp")
    stalled = server.visitor(control, url)
    before = client.memory()
    for _ in range(100):
        if stalled.window == 0:
            break
        stalled.sendall(bytes(min(stalled.window, 64 * 1024)))
        control.mux.ping()
    assert SANITIZED or client.memory() - before < 4 << 20  # a window, and the pool of buffers
    other = server.visitor(control, url)
    other.sendall(b"hello")
    control.mux.ping()
    assert not other.end and not control.mux.ended


def test_a_stream_of_an_unknown_url_is_reset_and_the_session_lives(place, server):
    _client, control, _url = connected(place, server, place.http(), "--proto", "http")
    assert server.visitor(control, "http://other.localhost:8080").wait_end() == "rst"
    control.mux.ping()


def test_pings_are_answered_and_asked(place, server):
    _client, control, _url = connected(place, server, place.http())
    control.mux.ping(0xffffffff)


def test_go_away_makes_it_come_back_and_finish_here(place, server):
    client, control, url = connected(place, server, place.keep(local.EchoService()), "--proto", "tcp")
    stream = server.visitor(control, url)
    stream.sendall(b"one")
    assert stream.recv_exactly(3) == b"one"
    control.mux.sendall(bytes.fromhex("0003 0000 00000000 00000000"))
    successor = server.mux_session()
    assert successor.auth.ClientId == "0123456789abcdef"
    server.grant(successor)
    stream.sendall(b"two")
    stream.shutdown()
    assert stream.recv_all() == b"two" and stream.end == "fin"
    assert client.is_running() and not client.events("offline")


@pytest.mark.parametrize("data", ["01020000 00000000 00000000", "00040000 00000000 00000000",
                                  "00000000 00000001 ffffffff", "00010001 00000001 00000000"])
def test_a_server_that_breaks_the_rules_is_dropped_and_tried_again(place, server, data):
    client, control, _url = connected(place, server, place.http())
    client.wait_event("tunnel")
    control.mux.sendall(bytes.fromhex(data))
    control.mux.wait_end()
    client.wait_event("offline")
    server.grant(server.mux_session())
    client.wait_event("online", 2)


def test_a_stream_before_auth_resp_is_refused(place, server):
    start(place, server, "--transport=mux", "9")
    sock, _ = server.offer()
    mux = Mux(server.peer(sock).wire, is_client=False)
    control = Peer(mux.accept())
    control.expect("Auth")
    early = mux.open()
    early.sendall(b"too early")
    assert early.wait_end() in ("rst", "lost")


def test_an_untrusted_server_is_refused(place, server):
    client = place.client(server, "--token", "t", "--transport=mux", "9", dev=False)
    with pytest.raises(ssl.SSLError):
        Wire(server.offer()[0], server.context, server_side=True)
    assert client.exit_code() == 1


def test_go_away_right_behind_auth_resp_counts_too(place, server):
    client = start(place, server, "--transport=mux", "--proto", "http", str(place.http().port))
    mux, _control = server.unanswered()
    mux.sendall(message(1, ACK, "AuthResp", ClientId="0123456789abcdef") + header(GO_AWAY))
    server.grant(server.mux_session())
    client.tunnel("http")


@pytest.mark.slow
def test_visitors_outlive_a_server_that_is_late_to_say_it_lives(place, server):
    client, control, url = connected(place, server, place.keep(local.EchoService()), "--proto", "tcp")
    visitor = server.visitor(control, url)
    visitor.sendall(b"hello")
    assert visitor.recv_exactly(5) == b"hello"
    os.kill(client.pid, signal.SIGSTOP)
    time.sleep(6)  # the client finds that out, and asks; nobody answers before the next session is there
    os.kill(client.pid, signal.SIGCONT)
    server.grant(server.mux_session())
    visitor.sendall(b"still here")
    assert visitor.recv_exactly(10) == b"still here"
