# SPDX-License-Identifier: LGPL-2.1-or-later
"""A proxy in front of pgrokd says for whom it connects."""

import socket
import ssl
import struct

import pytest

import local
import visit
from daemons import PATIENCE

V1 = b"PROXY TCP4 203.0.113.7 192.0.2.1 4711 80\r\n"
V2 = (b"\r\n\r\n\0\r\nQUIT\n\x21\x21" + struct.pack(">H", 36)
      + socket.inet_pton(socket.AF_INET6, "2001:db8::7") + socket.inet_pton(socket.AF_INET6, "2001:db8::1")
      + struct.pack(">HH", 4711, 443))
HEADERS = {"v1": (V1, "203.0.113.7"), "v2": (V2, "2001:db8::7"),
           "unknown": (b"PROXY UNKNOWN\r\n", "127.0.0.1"), "local": (b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0", "127.0.0.1")}


@pytest.fixture
def stage(place):
    server = place.server(config='proxy_protocol = [ "http", "https" ]; limits: { head_timeout = "500ms"; };')
    service = place.keep(local.OriginService())
    client = place.client(server, str(service.port))
    client.tunnel("http")
    return server, service, client


def connect(place, tunnel, header, https):
    sock = place.keep(socket.create_connection(("127.0.0.1", tunnel.port), PATIENCE))
    sock.sendall(header)
    return visit.trust(place.ca()).wrap_socket(sock, server_hostname=tunnel.host) if https else sock


@pytest.mark.parametrize("kind", HEADERS)
@pytest.mark.parametrize("protocol", ["http", "https"])
def test_the_service_hears_of_the_visitor_behind_the_proxy(place, stage, kind, protocol):
    server, service, client = stage
    tunnel = client.tunnel(protocol)
    header, address = HEADERS[kind]
    sock = connect(place, tunnel, header, protocol == "https")
    for i in range(2):
        sock.sendall(visit.head(tunnel.host, f"/{i}"))
        assert visit.read_exactly(sock, 40).endswith(f"\r\n\r\n/{i}".encode())
        assert service.requests[i]["headers"]["x-forwarded-for"] == address


@pytest.mark.parametrize("header", [V1, V2], ids=["v1", "v2"])
def test_a_header_may_come_in_pieces_and_with_the_request(place, stage, header):
    server, service, client = stage
    tunnel = client.tunnel("http")
    with visit.connect(tunnel.port) as sock:
        for byte in header[:-1]:
            sock.sendall(bytes([byte]))
        sock.sendall(header[-1:] + visit.head(tunnel.host))
        assert visit.read_answer(sock).status == 200


@pytest.mark.parametrize("said", [b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"PROXY TCP4 1.2.3 1.2.3.4 1 2\r\n",
                                  b"PROXY TCP4 203.0.113.7", V2[:20], b""], ids=lambda s: repr(s[:16]))
def test_who_says_no_header_is_closed(stage, said):
    server, service, client = stage
    with visit.connect(server.http) as sock:
        sock.sendall(said)
        try:
            assert sock.recv(1) == b""
        except ConnectionResetError:
            pass
    assert not service.requests


def test_only_the_listeners_that_are_named_expect_it(place):
    server = place.server(config='proxy_protocol = [ "https" ];')
    client = place.client(server, str(place.http().port))
    assert visit.get(client.tunnel("http")).status == 200
    with pytest.raises((ssl.SSLError, ConnectionError)):
        visit.get(client.tunnel("https"), ca=place.ca())


def test_a_server_stops_though_somebody_says_nothing(place, stage):
    visit.connect(stage[0].http)
