# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is sent to make two readers of one connection see different requests: it reaches the service as the
requests that we have seen, or not at all. The tricks are those of tests/proto/test-http-smuggling.c."""

import socket

import pytest

import local
import visit

SMUGGLED = b"GET /admin HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"

# What is sent, and how many requests may arrive.
TRICKS = [
    # lengths
    (POST + b"Content-Length: 6\r\n" + CHUNKED + b"\r\n0\r\n\r\nG", 0),
    (POST + CHUNKED + b"Content-Length: 3\r\n\r\n8\r\nSMUGGLED\r\n0\r\n\r\n", 0),
    (POST + b"Content-Length: 6\r\nTransfer_Encoding: chunked\r\n\r\n0\r\n\r\nG", 0),
    (POST + b"Content-Length: 5\r\nContent-Length: 0\r\n\r\nhello", 0),
    (POST + b"Content-Length: 5, 0\r\n\r\nhello", 0),
    (POST + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello" + SMUGGLED, 2),
    (POST + b"Content-Length : 5\r\n\r\nhello", 0),
    (POST + b"Content-Length: +5\r\n\r\nhello", 0),
    (POST + b"Content-Length: 0x5\r\n\r\nhello", 0),
    (POST + b"Content-Length:\v5\r\n\r\nhello", 0),
    (POST + b"Content-Length:\r\n 5\r\n\r\nhello", 0),
    (POST + b"Content-Length: 18446744073709551616\r\n\r\n", 0),
    (POST + b"X: y\rContent-Length: 5\r\n\r\nhello", 0),
    # codings
    (POST + CHUNKED + b"Transfer-Encoding: x\r\n\r\n0\r\n\r\n", 0),
    (POST + b"Transfer-Encoding: xchunked\r\n\r\n", 0),
    (POST + b"Transfer-Encoding : chunked\r\n\r\n", 0),
    (POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n", 0),
    (POST + b"Transfer-Encoding: \vchunked\r\n\r\n", 0),
    (POST + b"Transfer-Encoding: chunked, identity\r\n\r\n", 0),
    (POST + b"Transfer-Encoding: identity, chunked\r\n\r\n", 0),
    (POST + b"Transfer-Encoding: \xc2\xa0chunked\r\n\r\n", 0),
    (POST + b"Transfer-Encoding:\tchunked\t\r\n\r\n0\r\n\r\n" + SMUGGLED, 2),
    (b"POST / HTTP/1.0\r\nHost: a\r\n" + CHUNKED + b"\r\n0\r\n\r\n" + SMUGGLED, 0),
    # chunks
    (POST + CHUNKED + b"\r\n5\nhello\r\n0\r\n\r\n", 0),
    (POST + CHUNKED + b"\r\n5;\nhello\r\n0\r\n\r\n", 0),
    (POST + CHUNKED + b"\r\n5;x\rhello\r\n0\r\n\r\n", 0),
    (POST + CHUNKED + b"\r\n5\r\nhello\n0\r\n\r\n", 0),
    (POST + CHUNKED + b"\r\n5\r\nhelloXX0\r\n\r\n", 0),
    (POST + CHUNKED + b"\r\n5\r\nhello\r\n0\n\n" + SMUGGLED, 0),
    (POST + CHUNKED + b"\r\n0x5\r\nhello\r\n0\r\n\r\n", 0),
    (POST + CHUNKED + b"\r\n-1\r\n", 0),
    (POST + CHUNKED + b"\r\n10000000000000005\r\nhello\r\n0\r\n\r\n", 0),
    (POST + CHUNKED + b"\r\n0\r\nContent-Length: 5\r\n\r\n", 0),
    (POST + CHUNKED + b"\r\n0;x=\"\r\n\r\n" + SMUGGLED + b"\"\r\n\r\n", 2),
    (POST + CHUNKED + b"\r\n5;x=y\r\nhello\r\n0\r\nA: b\r\n\r\n" + SMUGGLED, 2),
    # heads
    (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 0),
    (b"GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", 0),
    (b"GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n", 0),
    (b"GET / HTTP/1.1\r\n\r\n" + SMUGGLED, 0),
    (b"GET /\r\n" + SMUGGLED, 0),
    (b"GET / HTTP/1.1\r\nHost: a\n\n" + SMUGGLED, 0),
    (POST + b"Connection: Content-Length\r\nContent-Length: 32\r\n\r\n" + SMUGGLED, 1),
    (POST + b"Connection: Transfer-Encoding\r\n" + CHUNKED + b"\r\n20\r\n" + SMUGGLED + b"\r\n0\r\n\r\n", 1),
    # bodies that nobody expects
    (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 32\r\n\r\n" + SMUGGLED, 1),
    (b"HEAD / HTTP/1.1\r\nHost: a\r\n" + CHUNKED + b"\r\n20\r\n" + SMUGGLED + b"\r\n0\r\n\r\n", 1),
    (b"OPTIONS / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 32\r\n\r\n" + SMUGGLED, 1),
    # upgrades that nobody has accepted
    (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n\r\n"
     + SMUGGLED, 2),
    (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 777\r\n\r\n"
     + SMUGGLED, 2),
]


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    """All tricks meet the same daemons, and a fresh connection each."""
    from conftest import Place

    place = Place(tmp_path_factory.mktemp("smuggling"))
    service = place.keep(local.OriginService())
    server = place.server()
    place.client(server, "--hostname", "a", str(service.port)).tunnel("http")
    yield service, server
    place.finish()


def host_of(request):
    return request["headers"]["host"]


@pytest.mark.parametrize("first", [b"", b"GET /first HTTP/1.1\r\nHost: a\r\n\r\n"], ids=["alone", "second"])
@pytest.mark.parametrize("trick, n", TRICKS, ids=[repr(t)[2:60] for t, _ in TRICKS])
def test_a_trick_reaches_the_service_as_we_have_read_it(stage, trick, n, first):
    service, server = stage
    before, faults = len(service.requests), len(service.faults)
    with visit.connect(server.http) as sock:
        sock.sendall(first + trick)
        sock.shutdown(socket.SHUT_WR)
        try:
            answers = visit.read_all(sock)
        except ConnectionResetError:
            answers = None
    requests = [r for r in service.requests[before:] if r["path"] != "/first"]
    assert len(requests) == n, (requests, answers)
    assert all(r["path"] in ("/", "/admin") and host_of(r) == "a" for r in requests)
    assert (n == 2) == any(r["path"] == "/admin" for r in requests)
    assert len(service.faults) == faults or n == 0, service.faults[faults:]
