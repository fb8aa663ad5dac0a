# SPDX-License-Identifier: LGPL-2.1-or-later
"""The limits of the configuration that other files don't meet on their way, each where it takes effect."""

import socket
import struct
import time

import pytest

import local
import visit
from classic import dial
from daemons import PATIENCE
from test_rate import BURST, BYTES, RATE

both = pytest.mark.parametrize("protocol", ["http", "https"])


def wait(condition, what):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def is_closed(sock):
    try:
        return sock.recv(1) == b""
    except ConnectionResetError:
        return True


# ---- visitors by address ----

def behind_proxy(server, address, host="nobody.localhost"):
    """A connection for ADDRESS, as a proxy says it."""
    sock = socket.create_connection(("127.0.0.1", server.http), PATIENCE)
    family, target = (0x21, "2001:db8::1") if ":" in address else (0x11, "192.0.2.1")
    packed = [socket.inet_pton(socket.AF_INET6 if ":" in a else socket.AF_INET, a) for a in (address, target)]
    body = b"".join(packed) + struct.pack(">HH", 4711, 80)
    sock.sendall(b"\r\n\r\n\0\r\nQUIT\n\x21" + bytes([family]) + struct.pack(">H", len(body)) + body)
    return sock


def status_of(sock, host="nobody.localhost"):
    sock.sendall(visit.head(host))
    return visit.read_answer(sock).status


def stand(place, server, *addresses):
    """Connections that have had an answer, and stay."""
    socks = [place.keep(behind_proxy(server, a)) for a in addresses]
    assert {status_of(s) for s in socks} == {404}
    return socks


@pytest.mark.parametrize("near, far", [
    (["203.0.113.7", "203.0.113.7"], "203.0.113.8"),
    (["::ffff:203.0.113.7", "203.0.113.7"], "::ffff:203.0.113.8"),
    (["2001:db8:0:1::1", "2001:db8:0:1:ffff:ffff:ffff:ffff"], "2001:db8:0:2::1"),
], ids=["IPv4", "mapped", "IPv6"])
def test_connections_are_counted_by_address_and_ipv6_by_64(place, near, far):
    server = place.server(config='proxy_protocol = [ "http" ]; limits: { connections_per_visitor = 2; };')
    first = stand(place, server, *near)
    with behind_proxy(server, near[0]) as third:
        third.sendall(visit.head("nobody.localhost"))
        refused = visit.read_answer(third)
    assert refused.status == 503 and refused.headers["Retry-After"] and refused.headers["Connection"] == "close"
    stand(place, server, far)
    first[0].close()

    def comes_in():
        with behind_proxy(server, near[1]) as another:
            return status_of(another) == 404

    wait(comes_in, "room for another one")


def test_loopback_is_not_counted(place):
    server = place.server(config='proxy_protocol = [ "http" ]; limits: { connections_per_visitor = 2; };')
    stand(place, server, *["127.0.0.1"] * 5, *["::1"] * 5)


# ---- visitors of a tunnel ----

@both
def test_a_full_tunnel_is_503_and_a_kept_connection_may_go_elsewhere(place, protocol):
    server = place.server(config="limits: { connections_per_tunnel = 1; };")
    client = place.client(server, str(place.http().port))
    tunnel, ca = client.tunnel(protocol), place.ca() if protocol == "https" else None
    with visit.connect(tunnel.port, ca, tunnel.host) as first, visit.connect(tunnel.port, ca, tunnel.host) as second:
        assert status_of(first, tunnel.host) == 200
        assert status_of(second, tunnel.host) == 503
        assert status_of(second, "nobody.localhost") == 404
        assert status_of(first, "nobody.localhost") == 404  # and has left the tunnel
        assert status_of(second, tunnel.host) == 200


def test_a_full_tcp_tunnel_closes_who_comes(place):
    server = place.server(config="limits: { connections_per_tunnel = 1; };")
    tunnel = place.client(server, "--proto=tcp", str(place.keep(local.EchoService()).port)).tunnel()
    with visit.connect(tunnel.port) as first:
        first.sendall(b"a")
        assert first.recv(1) == b"a"
        with visit.connect(tunnel.port) as second:
            assert is_closed(second)
        first.sendall(b"b")
        assert first.recv(1) == b"b"


# ---- rates ----

def test_uploads_and_ports_have_the_rate_too(place):
    server = place.server(config=f'limits: {{ rate_per_tunnel = "{RATE}"; }};')
    began = time.monotonic()
    tunnel = place.client(server, str(place.http().port)).tunnel("http")
    assert visit.post(tunnel, "/sha256", local.blocks("up", BYTES), BYTES).text == local.digest("up", BYTES)
    assert time.monotonic() - began >= (BYTES - BURST) / RATE
    tunnel = place.client(server, "--proto=tcp", str(place.keep(local.SourceService()).port)).tunnel()
    began = time.monotonic()
    with visit.connect(tunnel.port) as sock:
        sock.sendall(f"down {BYTES}\n".encode())
        assert visit.read_all(sock) == local.content("down", BYTES)
    assert time.monotonic() - began >= (BYTES - BURST) / RATE


# ---- heads and idle connections ----

@both
def test_heads_have_a_size(place, protocol):
    server = place.server(config="limits: { head_bytes = 1024; };")
    host = "nobody.localhost"
    place.client(server, str(place.http().port)).tunnel(protocol)
    port, ca = (server.https, place.ca()) if protocol == "https" else (server.http, None)

    def ask(data):
        return visit.exchange(port, data, ca, host).status

    room = 1024 - len(visit.head(host, headers={"X": ""}))
    assert ask(visit.head(host, headers={"X": "x" * room})) == 404
    assert ask(visit.head(host, headers={"X": "x" * (room + 1)})) == 431
    assert ask(visit.head(host, "/" + "x" * 1024)) == 414


@both
def test_who_says_nothing_is_let_go(place, protocol):
    """Not even a TLS handshake."""
    server = place.server(config='limits: { head_timeout = "300ms"; };')
    with visit.connect(server.https if protocol == "https" else server.http) as sock:
        assert is_closed(sock)


def test_an_idle_https_connection_is_closed(place):
    server = place.server(config='limits: { keepalive = "300ms"; };')
    tunnel = place.client(server, str(place.http().port)).tunnel("https")
    for host in (tunnel.host, "nobody.localhost"):
        with visit.connect(tunnel.port, place.ca(), tunnel.host) as sock:
            assert status_of(sock, host) in (200, 404)
            assert is_closed(sock)


def test_a_head_drop_by_drop_has_no_more_time(place):
    server = place.server(config='limits: { head_timeout = "500ms"; };')
    with visit.connect(server.http) as sock:
        began = time.monotonic()
        sock.settimeout(0.05)
        answer = b""
        for byte in visit.head("nobody.localhost", headers={"X": "x" * 2000}):
            try:
                sock.sendall(bytes([byte]))
                answer = sock.recv(1)
                break
            except TimeoutError:
                assert time.monotonic() - began < PATIENCE
        sock.settimeout(PATIENCE)
        assert (answer + visit.read_all(sock)).startswith(b"HTTP/1.1 408 ")


# ---- clients ----

def test_so_many_clients_and_no_more(place):
    server = place.server(config="limits: { clients = 1; };")
    first = place.hand_client(server)
    refused = place.hand_client(server, authenticate=False)
    assert refused.authenticate().Error
    refused.expect_end()
    first.ping()


def test_who_has_not_logged_in_is_waited_for_by_the_next(place):
    """The tunnel port rests while so many are open; nobody is lost meanwhile."""
    server = place.server(config="workers = 1; limits: { pending = 2; };")
    silent = [dial(server.tunnel) for _ in range(2)]
    with socket.create_connection(("127.0.0.1", server.tunnel), PATIENCE) as third:
        third.sendall(b"GET / HTTP/1.1\r\n\r\n")  # no TLS: it would be told so, or ended, at once
        third.settimeout(0.5)
        with pytest.raises(TimeoutError):
            third.recv(1)
        began = time.monotonic()
        silent.pop().close()
        third.settimeout(PATIENCE)
        try:
            visit.read_all(third)
        except ConnectionResetError:
            pass
        assert time.monotonic() - began < 5, "not by the other one's timeout"
    place.hand_client(server).ping()
    for peer in silent:
        peer.close()
