# SPDX-License-Identifier: LGPL-2.1-or-later
"""The client's side of the classic protocol, seen by a server as Go writes it."""

import hashlib
import re
import ssl
import time

import pytest

import local
import visit
from daemons import PATIENCE


@pytest.fixture
def go(place):
    return place.hand_server()


def start(place, go, *arguments):
    return place.client(go, "--ca-file", str(go.ca), "--token", "s3cret", *arguments, dev=False)


def connected(place, go, service, *arguments, proxies=1):
    """Client, control connection, and the Url of its first tunnel."""
    client = start(place, go, *arguments, str(service.port))
    control = go.session(proxies=proxies)
    url = go.grant(control)[0]
    return client, control, url


def test_it_says_who_it_is(place, go):
    start(place, go, "9")
    auth = go.accept("Auth").first
    assert auth.Version == "2" and auth.User == "s3cret" and auth.OS == "linux"
    assert auth.Password == "" and auth.Arch and auth.MmVersion
    assert auth.fields["HalfClose"] is True
    assert auth.records == 1, "its length and its payload in one TLS record"


def test_it_asks_for_both_protocols_and_tells_both_urls(place, go):
    client = start(place, go, "--subdomain", "demo", "9")
    control = go.session()
    request = control.expect("ReqTunnel")
    assert request.Protocol == "http+https" and request.Subdomain == "demo" and request.ReqId
    for protocol, port in (("http", 80), ("https", 443)):
        control.send("NewTunnel", ReqId=request.ReqId, Url=f"{protocol}://demo.example", Protocol=protocol, Error="")
    assert {t.url for t in client.tunnels(2)} == {"http://demo.example", "https://demo.example"}


def test_its_options_reach_the_server(place, go):
    start(place, go, "--proto", "http", "--hostname", "www.example.org", "--http-auth", "u:p", "9")
    request = go.session().expect("ReqTunnel")
    assert (request.Protocol, request.Hostname, request.HttpAuth) == ("http", "www.example.org", "u:p")
    assert request.fields.get("RemotePort", 0) == 0


def test_a_remote_port_reaches_the_server(place, go):
    start(place, go, "--proto", "tcp", "--remote-port", "20022", "22")
    request = go.session().expect("ReqTunnel")
    assert (request.Protocol, request.RemotePort) == ("tcp", 20022)


def test_it_joins_a_visitor_with_the_local_service(place, go):
    service = place.http()
    _client, _control, url = connected(place, go, service, "--proto", "http")
    proxy = go.visit(url)
    assert re.fullmatch(r"[A-Za-z0-9_-]{16,64}", proxy.first.ClientId)
    proxy.wire.sendall(visit.head("demo.localhost", "/bytes/x/100000", headers={"Connection": "close"}))
    data = proxy.wire.recv_all()
    assert data.partition(b"\r\n\r\n")[2] == local.content("x", 100000)


def test_it_brings_a_proxy_for_each_request(place, go):
    _client, control, _url = connected(place, go, place.http(), proxies=20)
    for _ in range(20):
        go.accept("RegProxy")
    control.send("ReqProxy")
    go.accept("RegProxy")


def test_it_adopts_the_client_id_it_is_given(place, go):
    service = place.http()
    client = start(place, go, str(service.port))
    control = go.session(client_id="given-by-the-server")
    assert go.accept("RegProxy").first.ClientId == "given-by-the-server"
    go.grant(control)
    control.close()
    assert go.accept("Auth").first.ClientId == "given-by-the-server"
    assert client.is_running()


def test_it_waits_for_the_answer_of_a_tunnel_that_a_visitor_is_ahead_of(place, go):
    client = start(place, go, "--proto", "http", str(place.http().port))
    control = go.session()
    request = control.expect("ReqTunnel")
    proxy = go.visit("http://demo.localhost:8080")
    proxy.wire.sendall(visit.head("demo.localhost"))
    control.send("NewTunnel", ReqId=request.ReqId, Url="http://demo.localhost:8080", Protocol="http", Error="")
    assert proxy.wire.recv(100).startswith(b"HTTP/1.1 200 OK")
    assert client.is_running()


def test_a_dead_local_service_is_answered_by_502(place, go):
    service = place.http()
    _client, _control, url = connected(place, go, service, "--proto", "http")
    service.close()
    proxy = go.visit(url)
    proxy.wire.sendall(visit.head("demo.localhost"))
    data = proxy.wire.recv_all()
    assert data.startswith(b"HTTP/1.1 502 ") and f"127.0.0.1:{service.port}".encode() in data
    assert url.encode() in data or b"demo.localhost" in data


def test_the_end_of_the_service_arrives_as_close_notify(place, go):
    service = place.keep(local.DigestService())
    client = start(place, go, "--proto", "tcp", str(service.port))
    control = go.session(HalfClose=True)
    request = control.expect("ReqTunnel")
    control.send("NewTunnel", ReqId=request.ReqId, Url="tcp://localhost:20000", Protocol="tcp", Error="")
    proxy = go.visit("tcp://localhost:20000")
    proxy.wire.sendall(b"question")
    proxy.wire.shutdown()
    expected = f"8 {hashlib.sha256(b'question').hexdigest()}\n".encode()
    assert proxy.wire.recv_all() == expected and proxy.wire.end == "close_notify"
    assert client.is_running()


def test_a_lost_proxy_connection_resets_the_local_service(place, go):
    class Watcher(local.Service):
        seen = None

        async def serve(self, reader, writer):
            try:
                while await reader.read(100):
                    pass
                self.seen = "end"
            except ConnectionResetError:
                self.seen = "reset"

    service = place.keep(Watcher())
    client = start(place, go, "--proto", "tcp", str(service.port))
    control = go.session(HalfClose=True)
    request = control.expect("ReqTunnel")
    control.send("NewTunnel", ReqId=request.ReqId, Url="tcp://localhost:20000", Protocol="tcp", Error="")
    proxy = go.visit("tcp://localhost:20000")
    proxy.wire.sendall(b"x")
    while service.n_connections == 0:
        time.sleep(0.01)
    proxy.wire.reset()
    deadline = time.monotonic() + PATIENCE
    while service.seen is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert service.seen == "reset" and client.is_running()


def test_a_refused_token_ends_it_with_3(place, go):
    client = start(place, go, "9")
    control = go.accept("Auth")
    control.send("AuthResp", Version="", MmVersion="", ClientId="", Error="Who are you?")
    control.close()
    assert client.exit_code() == 3
    assert "Who are you?" in str(client.events("error"))
    assert "s3cret" not in client.log() + str(client.lines)


def test_a_name_that_is_taken_ends_it_with_3(place, go):
    """Go servers leave ReqId, Url and Protocol empty then."""
    client = start(place, go, "--subdomain", "demo", "9")
    control = go.session()
    control.expect("ReqTunnel")
    control.send("NewTunnel", ReqId="", Url="", Protocol="", Error="The tunnel http://demo.x is already registered.")
    assert client.exit_code() == 3
    assert "already registered" in str(client.events("error"))


def test_it_comes_back_when_the_server_closes(place, go):
    client, control, _url = connected(place, go, place.http())
    client.wait_event("tunnel")
    for i in range(2):
        control.close()
        client.wait_event("offline", i + 1)
        control = go.session()
        go.grant(control)
        client.wait_event("online", i + 2)


@pytest.mark.slow
def test_it_pings_and_gives_up_a_server_that_does_not_answer(place, go):
    client, control, _url = connected(place, go, place.http())
    begin = time.monotonic()
    control.wire.sock.settimeout(60)
    control.expect("Ping")
    assert 15 < time.monotonic() - begin < 25
    control.expect_end()
    assert time.monotonic() - begin < 45
    client.wait_event("offline")


def test_it_answers_a_ping(place, go):
    _client, control, _url = connected(place, go, place.http())
    control.send("Ping")
    control.expect("Pong")


def test_an_unknown_message_is_ignored(place, go):
    _client, control, _url = connected(place, go, place.http())
    control.send("Surprise", A=1)
    control.send("Ping")
    control.expect("Pong")


def test_a_certificate_that_nobody_vouches_for_is_refused(place, go):
    client = place.client(go, "--token", "t", "9", dev=False)
    with pytest.raises(ssl.SSLError):
        go.accept("Auth")
    assert client.exit_code() == 1
    assert "certificate" in str(client.events("error")).lower()
