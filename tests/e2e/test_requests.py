# SPDX-License-Identifier: LGPL-2.1-or-later
"""The client tells each request of its http tunnels."""

import socket

import local
import visit


def start(place, answers=None, *arguments):
    service = place.keep(local.OriginService(answers))
    client = place.client(place.server(), str(service.port), "--inspect=127.0.0.1:0", *arguments)
    return client, client.tunnel("http"), service


def test_each_request_is_told(place):
    client, tunnel, _ = start(place)
    with visit.connect(tunnel.port) as sock:
        sock.sendall(visit.head(tunnel.host, "/1?secret") + visit.head(tunnel.host, "/22", "HEAD")
                     + visit.head(tunnel.host, "/3", "POST", {"Content-Length": 5, "Connection": "close"}) + b"hello")
        visit.read_all(sock)
    client.wait_event("request", 3)
    first, second, third = client.events("request")
    assert first["url"] == tunnel.url and first["name"] == tunnel.name
    assert first["visitor"].startswith("127.0.0.1:") and first["duration"] < 20
    assert [(e["method"], e["path"], e["status"]) for e in (first, second, third)] == [
        ("GET", "/1?secret", 200), ("HEAD", "/22", 200), ("POST", "/3", 200)]
    assert third["bytes_in"] > 5 and third["bytes_out"] > 2
    assert not any("error" in e for e in client.events("request"))


def test_what_a_visitor_says_in_no_utf8_is_json_all_the_same(place):
    client, tunnel, _ = start(place)
    for path in (b"/a\xff\xfe", "/\u00e9".encode()):
        head = visit.head(tunnel.host, "/path", headers={"Connection": "close"}).replace(b"/path", path)
        assert visit.exchange(tunnel.port, head).status == 200
    client.wait_event("request", 2)
    assert [e["path"] for e in client.events("request")] == ["/a\u00ff\u00fe", "/\u00e9"]


def test_a_body_that_ends_too_early_is_an_error(place):
    client, tunnel, _ = start(place, {"/close": b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nall"})
    with visit.connect(tunnel.port) as sock:
        sock.sendall(visit.head(tunnel.host, "/close"))
        visit.read_all(sock)
    event = client.wait_event("request")
    assert event["status"] == 200 and "ended before" in event["error"]


def test_a_service_that_is_not_there_is_a_502(place):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    client = place.client(place.server(), str(port), "--inspect=127.0.0.1:0")
    tunnel = client.tunnel("http")
    assert visit.get(tunnel, "/gone").status == 502
    event = client.wait_event("request")
    assert (event["method"], event["path"], event["status"]) == ("GET", "/gone", 502)


def test_a_websocket_is_told_when_it_begins(place):
    answers = {"/ws": b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"}
    client, tunnel, _ = start(place, answers)
    with visit.connect(tunnel.port) as sock:
        sock.sendall(visit.head(tunnel.host, "/ws", headers={"Connection": "Upgrade", "Upgrade": "websocket"}))
        assert client.wait_event("request")["status"] == 101


def test_a_tunnel_of_tcp_has_no_requests(place):
    service = place.keep(local.OriginService())
    client = place.client(place.server(), str(service.port), "--inspect=127.0.0.1:0", "--proto=tcp")
    url = client.wait_event("tunnel")["url"]
    port = int(url.rpartition(":")[2])
    assert visit.exchange(port, visit.head("x") + b"").status == 200
    client.wait_event("connection")
    assert not client.events("request")
