# SPDX-License-Identifier: LGPL-2.1-or-later
"""The server's side of the mux transport, frame by frame."""

import hashlib
import re
import signal
import socket
import struct

import pytest

import local
import visit
from classic import dial, length, payload
from yamux import ACK, ALPN, DATA, FIN, GO_AWAY, PING, RST, SYN, UPDATE, WINDOW, Mux, header, tls_client

MIB = 1 << 20


@pytest.fixture
def hand(place, server):
    return place.mux_client(server)


def tcp_visitor(hand):
    """A visitor's socket, and its stream."""
    sock = visit.connect(int(hand.tunnel("tcp").rpartition(":")[2]))
    return sock, hand.visitor()[0]


def abort(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def test_alpn_chooses_mux(server):
    wire = tls_client(server.tunnel, ALPN)
    assert wire.tls.selected_alpn_protocol() == ALPN
    wire.close()
    wire = tls_client(server.tunnel)
    assert wire.tls.selected_alpn_protocol() is None
    wire.close()


def test_auth_is_answered_on_the_control_stream(place, server):
    hand = place.mux_client(server, authenticate=False)
    answer = hand.authenticate()
    assert answer.Error == "" and answer.Version == "2" and answer.fields["HalfClose"] is True
    assert re.fullmatch(r"[A-Za-z0-9_-]{16,64}", answer.ClientId)
    hand.mux.ping()
    assert hand.wire.n_acks == 1
    assert not hand.wire.data and not hand.mux.arrived, "no ReqProxy, no stream"


def test_a_message_may_come_cut_into_any_frames(place, server):
    hand = place.mux_client(server, authenticate=False)
    data = payload("Auth", {"Version": "2"})
    for byte in length(len(data)) + data:
        hand.wire.sendall(bytes([byte]))
    assert hand.expect("AuthResp").Error == ""


def test_a_refusal_is_told_before_the_connection_ends(place, server):
    hand = place.mux_client(server, authenticate=False)
    hand.send("Auth", Version="3", MmVersion="9.9", User="", ClientId="")
    assert hand.expect("AuthResp").Error.startswith("Incompatible versions. ")
    assert hand.wire.wait_end() == "fin"
    hand.mux.close()


@pytest.mark.parametrize("kind, fields", [("Ping", {}), ("RegProxy", {"ClientId": "0123456789abcdef"}), ("Hello", {})])
def test_another_first_message_is_closed_without_an_answer(place, server, kind, fields):
    hand = place.mux_client(server, authenticate=False)
    hand.send(kind, **fields)
    hand.mux.wait_end()
    assert not hand.wire.data


def test_a_visitor_arrives_as_an_even_stream_that_says_who_it_is(server, hand):
    url = hand.tunnel("http", Subdomain="demo")
    for ident in (2, 4, 6):
        with visit.connect(server.http) as sock:
            sock.sendall(visit.head("demo.localhost", "/page"))
            stream, start = hand.visitor()
            assert stream.id == ident
            assert start.Url == url and start.ClientAddr == "127.0.0.1:%d" % sock.getsockname()[1]
            assert stream.recv(4096).startswith(b"GET /page HTTP/1.1\r\n")
            stream.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")
            assert visit.read_answer(sock).body == b"hello"


def test_each_direction_ends_by_itself(hand):
    sock, stream = tcp_visitor(hand)
    with sock:
        sock.sendall(b"question")
        sock.shutdown(socket.SHUT_WR)
        assert stream.recv_all() == b"question" and stream.end == "fin"
        stream.sendall(b"answer")
        stream.shutdown()
        assert visit.read_all(sock) == b"answer"


def test_the_service_may_end_first(hand):
    sock, stream = tcp_visitor(hand)
    with sock:
        stream.sendall(b"bye")
        stream.shutdown()
        assert visit.read_all(sock) == b"bye"
        sock.sendall(b"still here")
        sock.shutdown(socket.SHUT_WR)
        assert stream.recv_all() == b"still here" and stream.end == "fin"


def test_a_visitor_s_reset_arrives_as_rst(hand):
    sock, stream = tcp_visitor(hand)
    sock.sendall(b"x")
    assert stream.recv(1) == b"x"
    abort(sock)
    assert stream.wait_end() == "rst"


def test_rst_resets_the_visitor(hand):
    sock, stream = tcp_visitor(hand)
    with sock:
        stream.sendall(b"half")
        assert visit.read_exactly(sock, 4) == b"half"
        stream.reset()
        with pytest.raises(ConnectionResetError):
            sock.recv(1)


def test_a_stream_that_is_refused_resets_its_visitor(hand):
    sock = visit.connect(int(hand.tunnel("tcp").rpartition(":")[2]))
    hand.mux.accept().reset()
    with sock, pytest.raises(ConnectionResetError):
        sock.recv(1)


@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_lost_connection_aborts_its_visitors(hand, how):
    sock, stream = tcp_visitor(hand)
    with sock:
        stream.sendall(b"half")
        assert visit.read_exactly(sock, 4) == b"half"
        getattr(hand.mux.wire, how)()
        with pytest.raises(ConnectionResetError):
            sock.recv(1)


def test_a_window_limits_what_is_sent_and_holds_up_no_other_visitor(server, hand):
    sock, stream = tcp_visitor(hand)
    stream.lazy = True
    sock.setblocking(False)
    try:
        while True:
            sock.send(bytes(64 * 1024))
    except BlockingIOError:
        pass
    other = visit.connect(sock.getpeername()[1])
    its = hand.visitor()[0]
    other.sendall(b"and me?")
    assert its.recv_exactly(7) == b"and me?"
    hand.mux.step_until(lambda: len(stream.data) >= WINDOW)  # StartProxy was granted anew
    hand.mux.ping()
    assert len(stream.data) == WINDOW
    stream.frame(UPDATE, 0, 1000)
    hand.mux.step_until(lambda: len(stream.data) >= WINDOW + 1000)
    hand.mux.ping()
    assert len(stream.data) == WINDOW + 1000
    sock.close()
    other.close()


def test_large_data_pass_in_both_directions(hand):
    sock, stream = tcp_visitor(hand)
    n, h, seen = 8 * MIB, hashlib.sha256(), 0
    with sock:
        for block in local.blocks("up", n // 8):
            sock.sendall(block)
            while seen < len(block):
                part = stream.recv(64 * 1024)
                h.update(part)
                seen += len(part)
            seen -= len(block)
        assert h.hexdigest() == local.digest("up", n // 8)
        h = hashlib.sha256()
        for block in local.blocks("down", n):
            stream.sendall(block)
            h.update(visit.read_exactly(sock, len(block)))
        assert h.hexdigest() == local.digest("down", n)


def test_pings_are_answered(hand):
    for value in (0, 1, 0xffffffff):
        hand.mux.ping(value)


def test_sigterm_says_go_away_and_lets_a_visitor_finish(place):
    server = place.server(config='limits: { stop = "30s"; };')
    hand = place.mux_client(server)
    sock, stream = tcp_visitor(hand)
    server.process.send_signal(signal.SIGTERM)
    hand.mux.step_until(lambda: hand.mux.go_away is not None)
    assert hand.mux.go_away == 0
    with sock:
        sock.sendall(b"question")
        sock.shutdown(socket.SHUT_WR)
        assert stream.recv_all() == b"question"
        stream.sendall(b"answer")
        stream.shutdown()
        assert visit.read_all(sock) == b"answer"
    assert server.exit_code() == 0


def test_joined_visitors_go_on_when_the_session_is_taken_over(place, server, hand):
    sock, stream = tcp_visitor(hand)
    port = sock.getpeername()[1]
    successor = place.mux_client(server, client_id=hand.client_id)
    assert successor.client_id == hand.client_id
    assert hand.wire.wait_end() in ("fin", "rst"), "the control stream, and it alone"
    assert successor.tunnel("tcp", RemotePort=port).endswith(f":{port}")
    with sock, visit.connect(port) as later:
        successor.visitor()[0].sendall(b"new")
        assert visit.read_exactly(later, 3) == b"new"
        sock.sendall(b"question")
        assert stream.recv_exactly(8) == b"question"
        stream.sendall(b"still joined")
        stream.shutdown()
        sock.shutdown(socket.SHUT_WR)
        assert visit.read_all(sock) == b"still joined"
    hand.mux.wait_end()


# What a client must not do

def test_a_second_stream_before_auth_resp_is_refused(place, server):
    hand = place.mux_client(server, authenticate=False)
    hand.wire.frame(UPDATE)
    second = hand.mux.open()
    second.frame(UPDATE)
    assert second.wait_end() in ("rst", "lost")


def test_a_second_stream_after_auth_resp_is_reset(hand):
    second = hand.mux.open()
    second.sendall(b"anything")
    assert second.wait_end() == "rst"
    hand.tunnel("http")


VIOLATIONS = {
    "version 1": header(PING, SYN, version=1),
    "type 4": header(4),
    "unknown flags": header(UPDATE, 16, 1),
    "stream 0": header(DATA),
    "our parity": header(UPDATE, SYN, 2),
    "a live id": header(UPDATE, SYN, 1),
    "never opened": header(UPDATE, 0, 9),
    "an overrun window": header(DATA, 0, 1, WINDOW + 1),
    "a window above 2^32-1": header(UPDATE, 0, 1, 0xffffffff),
    "data behind FIN": header(UPDATE, FIN, 1) + header(DATA, 0, 1, 1) + b"x",
    "a second FIN": header(UPDATE, FIN, 1) * 2,
    "go away with an id": header(GO_AWAY, 0, 1),
    "a message that is none": header(DATA, 0, 1, 8) + length(1 << 40),
    "garbage": bytes(range(1, 256)) * 20,
}


@pytest.mark.parametrize("data", VIOLATIONS.values(), ids=VIOLATIONS.keys())
def test_misbehaviour_ends_that_connection_alone(place, server, data):
    other = place.mux_client(server)
    other.tunnel("http", Subdomain="other")
    hand = place.mux_client(server)
    hand.mux.sendall(data)
    hand.mux.wait_end()
    other.mux.ping()
    with visit.connect(server.http) as sock:
        sock.sendall(visit.head("other.localhost"))
        other.visitor()[0].sendall(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        assert visit.read_answer(sock).status == 204


@pytest.mark.parametrize("data", VIOLATIONS.values(), ids=VIOLATIONS.keys())
def test_misbehaviour_before_auth_ends_that_connection_alone(place, server, data):
    mux = Mux(tls_client(server.tunnel, ALPN))
    mux.open().frame(UPDATE)
    mux.sendall(data)
    mux.wait_end()
    mux.close()
    place.mux_client(server).mux.ping()


def test_frames_of_a_stream_that_is_gone_are_skipped(hand):
    sock, stream = tcp_visitor(hand)
    stream.reset()
    with sock, pytest.raises(ConnectionResetError):
        sock.recv(1)
    hand.mux.sendall(header(DATA, 0, stream.id, 100000) + bytes(100000) + header(UPDATE, 0, stream.id, 0xffffffff) * 2
                     + header(UPDATE, FIN, stream.id) + header(UPDATE, RST, stream.id) + header(UPDATE, ACK, stream.id))
    hand.mux.ping()


# One port for all

def test_mux_clients_may_come_to_the_https_port(place, server):
    hand = place.mux_client(server, port=server.https)
    url = hand.tunnel("http", Subdomain="demo")
    with visit.connect(server.http) as sock:
        sock.sendall(visit.head("demo.localhost"))
        stream, start = hand.visitor()
        assert start.Url == url
        stream.sendall(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        assert visit.read_answer(sock).status == 204


def test_the_https_port_serves_visitors_all_the_same(server, hand):
    hand.tunnel("https", Subdomain="demo")
    for alpn in ((), ("http/1.1",), ("h2", "http/1.1"), ("http/1.1", ALPN)):
        wire = tls_client(server.https, *alpn)
        assert wire.tls.selected_alpn_protocol() == ("http/1.1" if alpn else None)
        wire.sendall(visit.head("nobody.localhost"))
        assert wire.recv(100).startswith(b"HTTP/1.1 404 ")
        wire.close()


def test_one_port_can_be_turned_off(place):
    server = place.server(config="one_port = false;")
    try:
        wire = tls_client(server.https, ALPN)
    except (ConnectionError, OSError):
        return  # an alert
    assert wire.tls.selected_alpn_protocol() is None
    wire.sendall(visit.head("nobody.localhost"))
    assert wire.recv(100).startswith(b"HTTP/1.1 404 ")
    wire.close()


def test_classic_goes_on_beside_it(place, server, hand):
    url = hand.tunnel("http", Subdomain="demo")
    classic = place.hand_client(server)
    assert classic.request("http", Subdomain="demo")[0].Error == f"The tunnel {url} is already registered."
    peer = dial(server.tunnel)
    peer.send("RegProxy", ClientId=hand.client_id)  # a mux session takes no proxy connections
    peer.expect_end()
    peer.close()
    hand.mux.ping()
