# SPDX-License-Identifier: LGPL-2.1-or-later
"""Proxy connections and TCP ports, towards a client as Go writes it."""

import time

import pytest

import local
import visit
from daemons import PATIENCE, free_port_range


@pytest.fixture
def hand(place, server):
    return place.hand_client(server)


def visitor(server, name="demo", path="/"):
    sock = visit.connect(server.http)
    sock.sendall(visit.head(f"{name}.localhost", path))
    return sock


def answer(peer, body):
    peer.wire.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + body)


def read_request(peer):
    data = b""
    while not data.endswith(b"\r\n\r\n"):
        part = peer.wire.recv(16 * 1024)
        assert part, data
        data += part
    return data.decode()


def test_a_visitor_is_announced_with_the_url_of_its_tunnel_and_its_address(server, hand):
    url = hand.tunnel("http", Subdomain="demo")
    with visitor(server) as sock:
        peer = hand.proxy()
        start = peer.expect("StartProxy")
        assert start.Url == url
        assert start.ClientAddr == "127.0.0.1:%d" % sock.getsockname()[1]
        assert start.records == 1
        assert read_request(peer).startswith("GET / HTTP/1.1\r\n")
        answer(peer, b"hello")
        assert visit.read_answer(sock).body == b"hello"


def test_another_proxy_is_asked_for_when_one_is_used(server, hand):
    hand.tunnel("http", Subdomain="demo")
    hand.expect("ReqProxy")
    with visitor(server):
        hand.proxy().expect("StartProxy")
        hand.expect("ReqProxy")


def test_a_pooled_proxy_is_used_for_the_next_visitor(server, hand):
    hand.tunnel("http", Subdomain="demo")
    peers = [hand.proxy() for _ in range(3)]
    hand.ping()
    for i in range(3):
        with visitor(server, path=f"/{i}") as sock:
            peers[i].expect("StartProxy")
            assert read_request(peers[i]).startswith(f"GET /{i} ")
            answer(peers[i], b"%d" % i)
            assert visit.read_answer(sock).body == b"%d" % i


def test_waiting_visitors_and_arriving_proxies_are_paired_in_order(server, hand):
    hand.tunnel("http", Subdomain="demo")
    socks = []
    for i in range(5):
        socks.append(visitor(server, path=f"/{i}"))
        hand.expect("ReqProxy")  # so each is in the line before the next one comes
    for i in range(5):
        peer = hand.proxy()
        peer.expect("StartProxy")
        assert read_request(peer).startswith(f"GET /{i} ")
        answer(peer, b"%d" % i)
    for i, sock in enumerate(socks):
        assert visit.read_answer(sock).body == b"%d" % i
        sock.close()


def test_as_many_proxies_are_asked_for_as_visitors_wait(server, hand):
    hand.tunnel("http", Subdomain="demo")
    socks = [visitor(server) for _ in range(20)]
    for _ in range(20):
        hand.expect("ReqProxy")
    for sock in socks:
        sock.close()


@pytest.mark.slow
def test_a_proxy_that_does_not_come_is_asked_for_again_after_five_seconds(server, hand):
    hand.tunnel("http", Subdomain="demo")
    hand.expect("ReqProxy")
    begin = time.monotonic()
    with visitor(server):
        hand.wire.sock.settimeout(3)
        with pytest.raises(TimeoutError):
            while hand.receive():  # what one visitor makes it ask for at once
                pass
        hand.wire.sock.settimeout(PATIENCE)
        hand.expect("ReqProxy")
        assert 4.5 < time.monotonic() - begin < 8


def test_a_visitor_who_leaves_does_not_take_the_place_of_another(server, hand):
    hand.tunnel("http", Subdomain="demo")
    visitor(server, path="/gone").close()
    with visitor(server, path="/here") as sock:
        for _ in range(2):  # at most one is spent on who has left
            peer = hand.proxy()
            if peer.receive() and read_request(peer).startswith("GET /here "):
                answer(peer, b"here")
                break
        assert visit.read_answer(sock).body == b"here"


def test_joined_visitors_go_on_when_the_session_is_taken_over(place, server, hand):
    hand.tunnel("http", Subdomain="demo")
    with visitor(server) as sock:
        peer = hand.proxy()
        peer.expect("StartProxy")
        read_request(peer)
        successor = place.hand_client(server, client_id=hand.client_id)
        successor.tunnel("http", Subdomain="demo")
        while hand.receive():
            pass
        answer(peer, b"still joined")
        assert visit.read_answer(sock).body == b"still joined"


def test_pooled_proxies_close_when_the_session_ends(hand):
    pooled = hand.proxy()
    hand.ping()
    hand.wire.close()
    pooled.expect_end()


def test_a_proxy_that_dies_in_the_pool_costs_no_visitor(server, hand):
    hand.tunnel("http", Subdomain="demo")
    for peer in (hand.proxy(), hand.proxy()):
        peer.wire.shutdown()
        peer.expect_end()  # the server has seen it
    with visitor(server) as sock:
        peer = hand.proxy()
        peer.expect("StartProxy")
        answer(peer, b"alive")
        assert visit.read_answer(sock).body == b"alive"


@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_proxy_that_is_lost_aborts_its_visitor(server, hand, how):
    hand.tunnel("http", Subdomain="demo")
    with visitor(server) as sock:
        peer = hand.proxy()
        peer.expect("StartProxy")
        peer.wire.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        visit.read_exactly(sock, 44)
        getattr(peer.wire, how)()
        with pytest.raises(ConnectionResetError):
            sock.recv(1)


def test_the_end_of_an_http_visitor_is_withheld_from_go_until_the_answer_is_complete(server, hand):
    hand.tunnel("http", Subdomain="demo")
    with visitor(server) as sock:
        peer = hand.proxy()
        peer.expect("StartProxy")
        read_request(peer)
        sock.shutdown(1)
        peer.wire.sock.settimeout(1)
        with pytest.raises(TimeoutError):
            peer.wire.recv(1)
        peer.wire.sock.settimeout(PATIENCE)
        answer(peer, b"late but whole")
        assert visit.read_answer(sock).body == b"late but whole"


def test_the_end_of_a_tcp_visitor_is_withheld_from_go_until_there_is_silence(hand):
    port = int(hand.tunnel("tcp").rpartition(":")[2])
    with visit.connect(port) as sock:
        peer = hand.proxy()
        peer.expect("StartProxy")
        sock.sendall(b"question")
        assert peer.wire.recv_exactly(8) == b"question"
        sock.shutdown(1)
        peer.wire.sock.settimeout(1)
        with pytest.raises(TimeoutError):
            peer.wire.recv(1)
        peer.wire.sock.settimeout(PATIENCE)
        peer.wire.sendall(b"answer")
        assert visit.read_exactly(sock, 6) == b"answer"
        assert peer.wire.recv(1) == b"", "after 5 s of silence"
        peer.wire.shutdown()
        assert sock.recv(1) == b""


def test_a_client_that_says_half_close_gets_the_end_at_once(place, server):
    hand = place.hand_client(server, HalfClose=True)
    assert hand.auth.fields.get("HalfClose") is True
    port = int(hand.tunnel("tcp").rpartition(":")[2])
    with visit.connect(port) as sock:
        peer = hand.proxy()
        peer.expect("StartProxy")
        sock.sendall(b"question")
        sock.shutdown(1)
        assert peer.wire.recv_all() == b"question" and peer.wire.end == "close_notify"
        peer.wire.sendall(b"answer")
        peer.wire.shutdown()
        assert visit.read_all(sock) == b"answer"


def test_a_go_client_serves_a_crowd(place, server, hand):
    service = place.http()
    hand.tunnel("http", Subdomain="demo")
    hand.serve(service.port)
    socks = [visitor(server, path=f"/bytes/{i}/20000") for i in range(40)]
    for i, sock in enumerate(socks):
        assert visit.read_answer(sock).body == local.content(i, 20000)
        sock.close()


# TCP ports

def test_a_tcp_port_comes_from_the_range(place):
    low, high = map(int, free_port_range(5).split("-"))
    server = place.server(f"--tcp-ports={low}-{high}")
    ports = {int(place.hand_client(server).tunnel("tcp").rpartition(":")[2]) for _ in range(5)}
    assert ports == set(range(low, high + 1))
    assert place.hand_client(server).request("tcp")[0].Error, "none is left"


def test_a_remote_port_is_honoured_or_refused(place, server, hand):
    port = int(hand.tunnel("tcp").rpartition(":")[2])
    wanted = port + 1
    other = place.hand_client(server)
    assert other.tunnel("tcp", RemotePort=wanted) == f"tcp://localhost:{wanted}"
    assert place.hand_client(server).request("tcp", RemotePort=wanted)[0].Error
    assert place.hand_client(server).request("tcp", RemotePort=1)[0].Error, "outside the range"


def test_a_client_gets_the_port_it_had_for_that_name(place, server, hand):
    mine = {name: hand.tunnel("tcp", Subdomain=name) for name in ("ssh", "db")}
    client_id = hand.client_id
    hand.close()
    stranger = place.hand_client(server).tunnel("tcp", Subdomain="ssh")
    back = place.hand_client(server, client_id=client_id)
    assert {name: back.tunnel("tcp", Subdomain=name) for name in ("db", "ssh")} == mine
    assert stranger not in mine.values()
