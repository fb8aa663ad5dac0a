# SPDX-License-Identifier: LGPL-2.1-or-later
"""Peers that send without end, stop reading, or leave in the middle: others must not feel it, and the server
must let go."""

import contextlib
import select
import socket
import ssl
import struct
import threading
import time

import pytest

import local
import visit
from classic import length, payload
from daemons import PATIENCE, SANITIZED

WARNING = bytes.fromhex("15 0301 0002 01 5a")  # a TLS alert that ends nothing: user_canceled


class Flood:
    """Sends DATA to a port again and again, until it is stopped or the connection ends."""

    def __init__(self, port, data, first=b""):
        self.sock = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self.sock.sendall(first)
        self.data, self.stopped = data, False
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        try:
            while not self.stopped:
                self.sock.sendall(self.data)
        except OSError:
            pass

    def close(self):
        self.stopped = True
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:  # the server was first
            pass
        self.thread.join()
        self.sock.close()


def reset(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def expect_prompt_answers(server, seconds=3):
    """Visitors are answered while something else goes on."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        begin = time.monotonic()
        assert visit.exchange(server.http, visit.head("nobody.localhost")).status == 404
        assert SANITIZED or time.monotonic() - begin < 2


def client_hello(version):
    """The first flight of a handshake."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = context.maximum_version = version
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing, False, "localhost").do_handshake()
    return outgoing.read()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_flood_of_tls_warnings_keeps_nobody_waiting(place, version):
    server = place.server(config="workers = 1;")
    for _ in range(3):
        place.keep(Flood(server.tunnel, WARNING * 100_000, client_hello(version)))
    expect_prompt_answers(server)


def test_a_visitor_who_sends_without_end_after_the_answer_keeps_nobody_waiting(place):
    server = place.server(config="workers = 1;")
    for _ in range(3):
        place.keep(Flood(server.http, bytes(4 << 20), visit.head("nobody.localhost", method="POST")))
    expect_prompt_answers(server)


def test_new_tunnels_of_others_do_not_prolong_a_parked_visitor_s_wait(place):
    server = place.server(config='names: { park = "2s"; };')
    hand = place.hand_client(server)
    hand.tunnel("http", Subdomain="demo")
    hand.close()
    other = place.hand_client(server)
    while visit.exchange(server.http, visit.head("nobody.localhost")).status != 404:
        pass
    with visit.connect(server.http) as sock:
        sock.sendall(visit.head("demo.localhost"))
        sock.settimeout(0.5)
        for i in range(12):
            other.tunnel("http", Subdomain=f"other-{i}")
            try:
                assert visit.read_answer(sock).status == 503
                return
            except TimeoutError:
                pass
    raise AssertionError("still parked after 6 s")


def test_a_flood_of_requests_for_tunnels_costs_no_memory(place):
    server = place.server()
    hand = place.hand_client(server)
    data = payload("ReqTunnel", {"Protocol": "tcp"})
    flood = (length(len(data)) + data) * 200

    def drain():
        try:
            while hand.wire.sock.recv(1 << 20):
                pass
        except OSError:
            pass

    threading.Thread(target=drain, daemon=True).start()
    before = server.memory()
    end = time.monotonic() + 4
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # on a busy machine the drain is too slow
        while time.monotonic() < end:
            hand.send_bytes(flood)
    grown = server.memory("VmHWM") - before
    assert SANITIZED or grown < 4 << 20, f"grew by {grown >> 10} KiB"


def readable(socks):
    return select.select(socks, [], [], 0)[0]


@pytest.mark.slow
def test_lost_proxies_are_asked_for_again_also_while_others_come(place, server):
    hand = place.hand_client(server)
    hand.tunnel("http", Subdomain="demo")
    hand.wire.sock.settimeout(1)

    def visitor():
        sock = place.keep(visit.connect(server.http))
        sock.sendall(visit.head("demo.localhost"))
        return sock

    def until_quiet(answer):
        try:
            while hand.receive():
                answer()
        except TimeoutError:
            pass

    visitors = [visitor() for _ in range(5)]
    until_quiet(lambda: None)  # lost
    for _ in range(10):  # a second each
        visitors.append(visitor())
        until_quiet(hand.proxy)
    assert len(readable([p.wire.sock for p in hand.proxies])) == len(visitors)  # all have got StartProxy


def fill(sock):
    """Sends until nothing has been taken for a second."""
    sock.setblocking(False)
    moved = time.monotonic()
    while time.monotonic() < moved + 1:
        try:
            sock.send(bytes(1 << 20))
            moved = time.monotonic()
        except BlockingIOError:
            select.select([], [sock], [], 0.1)
    sock.settimeout(PATIENCE)


def test_an_early_answer_is_not_lost_while_a_visitor_still_sends(place, server):
    hand = place.hand_client(server)
    hand.tunnel("http", Subdomain="demo")
    body = local.content("early", 2 << 20)
    with visit.connect(server.http) as sock:
        sock.sendall(visit.head("demo.localhost", method="POST", headers={"Content-Length": 1 << 30}))
        peer = hand.proxy()
        peer.expect("StartProxy")
        fill(sock)

        def answer():
            peer.wire.sendall(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            peer.wire.shutdown()

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        assert visit.read_answer(sock).body == body
        thread.join()


def test_a_visitor_who_aborts_while_the_client_does_not_read_is_let_go(place, server):
    hand = place.hand_client(server, HalfClose=True)
    url = hand.tunnel("tcp")
    peer = hand.proxy()
    sock = visit.connect(int(url.rpartition(":")[2]))
    peer.expect("StartProxy")
    fill(sock)
    n = server.n_descriptors()
    reset(sock)
    end = time.monotonic() + PATIENCE
    while server.n_descriptors() > n - 2:  # its own, and the one to the client
        assert time.monotonic() < end
        time.sleep(0.1)
