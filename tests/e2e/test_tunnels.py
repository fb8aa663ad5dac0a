# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the first screen of README promises."""

import hashlib
import json
import subprocess

import pytest

import local
import visit
from daemons import PATIENCE


def curl(*arguments):
    done = subprocess.run(["curl", "-sS", "--max-time", str(PATIENCE), *map(str, arguments)],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_port_is_reached_over_http_and_https(place, server):
    service = place.http()
    client = place.client(server, str(service.port))
    plain, secure = client.tunnel("http"), client.tunnel("https")
    assert plain.host == secure.host and plain.host.endswith(".localhost")
    assert (plain.port, secure.port) == (server.http, server.https)
    assert visit.get(plain, "/bytes/a/5000").body == local.content("a", 5000)
    assert visit.get(secure, "/bytes/b/5000", ca=place.ca()).body == local.content("b", 5000)


def test_two_ports_serve_two_names(place, server):
    first, second = place.http(), place.http()
    first.name, second.name = "first", "second"
    client = place.client(server, str(first.port), str(second.port))
    tunnels = client.tunnels(4)
    assert len({t.host for t in tunnels}) == 2
    for tunnel in tunnels:
        expected = {str(first.port): "first", str(second.port): "second"}[tunnel.local.rpartition(":")[2]]
        ca = place.ca() if tunnel.protocol == "https" else None
        assert json.loads(visit.get(tunnel, ca=ca).body)["service"] == expected


def test_random_names_are_words(place, server):
    client = place.client(server, str(place.http().port))
    label = client.tunnel().host.removesuffix(".localhost")
    assert label.replace("-", "").isalpha() and label.count("-") == 1, label


def test_a_subdomain_can_be_asked_for(place, server):
    client = place.client(server, "--subdomain", "demo", str(place.http().port))
    assert client.tunnel("http").url == f"http://demo.localhost:{server.http}"
    assert client.tunnel("https").url == f"https://demo.localhost:{server.https}"


def test_a_protocol_can_be_asked_for(place, server):
    client = place.client(server, "--proto", "http", str(place.http().port))
    client.wait_event("online")
    assert client.tunnel().protocol == "http"
    assert visit.get(client.tunnel(), "/x").status == 200
    assert len(client.events("tunnel")) == 1


def test_curl_trusts_the_certificate_of_each_name(place, server):
    service = place.http()
    client = place.client(server, str(service.port))
    other = place.client(server, "--subdomain", "other-name", str(service.port))
    for tunnel in (client.tunnel("https"), other.tunnel("https")):
        assert json.loads(curl("--cacert", place.ca(), tunnel.url + "/page"))["path"] == "/page"
        seen = curl("--cacert", place.ca(), "-o", "/dev/null", "-w", "%{http_code} %{ssl_verify_result}", tunnel.url)
        assert seen == "200 0"


def test_curl_reaches_the_url_as_printed(place, server):
    client = place.client(server, str(place.http().port))
    assert json.loads(curl(client.tunnel("http").url + "/some/path?q=1"))["path"] == "/some/path?q=1"


def test_a_tcp_tunnel_carries_any_bytes(place, server):
    service = place.keep(local.EchoService())
    client = place.client(server, "--proto", "tcp", str(service.port))
    tunnel = client.tunnel("tcp")
    data = bytes(range(256)) * 1000
    with visit.connect(tunnel.port) as sock:
        sock.sendall(data)
        assert visit.read_exactly(sock, len(data)) == data


def test_the_end_of_a_tcp_visitor_arrives_and_the_answer_comes_back(place, server):
    service = place.keep(local.DigestService())
    tunnel = place.client(server, "--proto", "tcp", str(service.port)).tunnel("tcp")
    with visit.connect(tunnel.port) as sock:
        sock.sendall(b"question")
        sock.shutdown(1)
        assert visit.read_all(sock).decode() == f"8 {hashlib.sha256(b'question').hexdigest()}\n"


def test_an_abort_arrives_as_an_abort(place, server):
    service = place.keep(local.ResetService())
    tunnel = place.client(server, "--proto", "tcp", str(service.port)).tunnel("tcp")
    with visit.connect(tunnel.port) as sock:
        sock.sendall(b"x")
        with pytest.raises(ConnectionResetError):
            sock.recv(1)


def test_a_remote_port_can_be_asked_for(place):
    server = place.server()
    service = place.keep(local.EchoService())
    first = place.client(server, "--proto", "tcp", str(service.port)).tunnel("tcp")
    second = place.client(server, "--proto", "tcp", "--remote-port", str(first.port + 1), str(service.port))
    assert second.tunnel("tcp").port == first.port + 1


def test_keep_alive_serves_many_requests_on_one_connection(place, server):
    tunnel = place.client(server, str(place.http().port)).tunnel("http")
    with visit.connect(tunnel.port) as sock:
        for i in range(20):
            sock.sendall(visit.head(f"{tunnel.host}:{tunnel.port}", f"/bytes/{i}/{i * 1000}"))
            assert visit.read_answer(sock).body == local.content(i, i * 1000)


def test_the_local_service_may_be_named_by_host_and_port(place, server):
    service = place.http()
    tunnel = place.client(server, f"localhost:{service.port}").tunnel("http")
    assert visit.get(tunnel).status == 200


def test_each_request_and_connection_is_told(place, server):
    client = place.client(server, str(place.http().port))
    visit.get(client.tunnel("http"), "/told?x=1")
    client.wait_for(lambda _lines: (client.events("request") or client.events("connection")) or None,
                    "event for a visitor")
