# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the server and the client answer themselves."""

import base64
import select

import pytest

import local
import visit


def check_own_answer(answer, status):
    assert answer.status == status, answer
    assert answer.version == 11
    assert int(answer.headers["Content-Length"]) == len(answer.body)
    assert answer.headers.get("Connection", "close").lower() == "close"


def test_an_unknown_host_gets_404(server):
    answer = visit.exchange(server.http, visit.head("nobody.localhost"))
    check_own_answer(answer, 404)
    assert answer.text.strip() == "Tunnel nobody.localhost not found"


def test_an_unknown_host_gets_404_over_https(place, server):
    host = "nobody.localhost"
    check_own_answer(visit.exchange(server.https, visit.head(host), place.ca(), host), 404)


def test_the_port_and_the_case_of_host_do_not_matter(place, server):
    tunnel = place.client(server, "--subdomain", "demo", str(place.http().port)).tunnel("http")
    for host in ("demo.localhost", "DEMO.LocalHost", f"demo.localhost:{tunnel.port}", "demo.localhost:1"):
        assert visit.exchange(server.http, visit.head(host)).status == 200


def test_host_is_shown_without_what_is_no_host_name(server):
    answer = visit.exchange(server.http, visit.head("<script>.localhost"))
    assert "<script>" not in answer.text


@pytest.mark.parametrize("request_bytes", [
    b"garbage\r\n\r\n",
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a.localhost\r\nHost: b.localhost\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a.localhost\r\n folded: x\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost : a.localhost\r\n\r\n",
    b"GET / HTTP/1.1\nHost: a.localhost\n\n",
    b"GET / HTTP/1.1\r\nHost: a.localhost\r\nX: a\rb\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a.localhost\r\nX: a\0b\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a.localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a.localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a.localhost\r\nContent-Length: -5\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
], ids=lambda b: repr(b[:44]))
def test_an_ambiguous_request_gets_400(server, request_bytes):
    check_own_answer(visit.exchange(server.http, request_bytes), 400)


def test_a_head_that_does_not_end_gets_408(place):
    server = place.server(config='limits: { head_timeout = "300ms"; };')
    check_own_answer(visit.exchange(server.http, b"GET / HTTP/1.1\r\nHost: a"), 408)


def test_a_head_that_is_too_long_gets_431(server):
    answer = visit.exchange(server.http, visit.head("a.localhost", headers={"X": "x" * 70_000}))
    check_own_answer(answer, 431)


def test_too_many_fields_get_431(server):
    answer = visit.exchange(server.http, visit.head("a.localhost", headers=[("X", "y")] * 2000))
    check_own_answer(answer, 431)


@pytest.mark.parametrize("protocol", ["http", "https"])
def test_a_dead_local_service_gets_502_with_a_page(place, server, protocol):
    service = place.http()
    client = place.client(server, str(service.port))
    tunnel = client.tunnel(protocol)
    service.close()
    answer = visit.get(tunnel, ca=place.ca() if protocol == "https" else None)
    check_own_answer(answer, 502)
    assert answer.headers["Content-Type"].startswith("text/html")
    assert tunnel.host in answer.text and f"127.0.0.1:{service.port}" in answer.text


def test_a_dead_local_service_of_a_tcp_tunnel_closes_the_visitor(place, server):
    service = place.keep(local.EchoService())
    tunnel = place.client(server, "--proto", "tcp", str(service.port)).tunnel()
    service.close()
    with visit.connect(tunnel.port) as sock:
        try:
            assert sock.recv(1) == b""
        except ConnectionResetError:
            pass


@pytest.mark.slow
def test_a_client_that_brings_no_proxy_gets_504(place, server):
    hand = place.hand_client(server)
    url = hand.tunnel("http", Subdomain="silent")
    assert url == f"http://silent.localhost:{server.http}"
    with visit.connect(server.http) as sock:
        sock.sendall(visit.head("silent.localhost"))
        while not select.select([sock], [], [], 10)[0]:
            hand.ping()  # or the session would end first
        check_own_answer(visit.read_answer(sock), 504)


def authorization(user):
    return {"Authorization": "Basic " + base64.b64encode(user.encode()).decode()}


def test_a_tunnel_can_ask_for_a_password(place, server):
    client = place.client(server, "--http-auth", "alice:open sesame", str(place.http().port))
    for tunnel, ca in ((client.tunnel("http"), None), (client.tunnel("https"), place.ca())):
        refused = visit.get(tunnel, ca=ca)
        check_own_answer(refused, 401)
        assert refused.headers["WWW-Authenticate"] == 'Basic realm="pgrok"'
        for wrong in ("alice:wrong", "bob:open sesame", "alice", ":", "alice:open sesame "):
            assert visit.get(tunnel, ca=ca, headers=authorization(wrong)).status == 401
        assert visit.get(tunnel, ca=ca, headers={"Authorization": "Basic !!"}).status == 401
        assert visit.get(tunnel, ca=ca, headers=authorization("alice:open sesame")).status == 200


def test_connect_is_refused(server):
    answer = visit.exchange(server.http, b"CONNECT a.localhost:80 HTTP/1.1\r\nHost: a.localhost:80\r\n\r\n")
    check_own_answer(answer, 405)


def test_an_answer_is_not_lost_when_the_visitor_is_still_sending(server):
    with visit.connect(server.http) as sock:
        sock.sendall(visit.head("nobody.localhost", "/", "POST", {"Content-Length": 10_000_000}))
        try:
            sock.sendall(b"x" * 1_000_000)
        except OSError:
            pass
        assert visit.read_answer(sock).status == 404
