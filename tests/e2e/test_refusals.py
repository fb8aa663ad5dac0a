# SPDX-License-Identifier: LGPL-2.1-or-later
"""Requests that are malformed, or that two readers could understand in two ways: each is refused with its status,
the connection ends, and nothing of what stands behind it is taken for a request. What may pass is in
test_smuggling.py."""

import re

import pytest

import local
import visit

HOST = b"a.localhost"
SMUGGLED = b"GET /admin HTTP/1.1\r\nHost: a.localhost\r\n\r\n"
GET, POST = (method + b" / HTTP/1.1\r\nHost: a.localhost\r\n" for method in (b"GET", b"POST"))
CHUNKED = b"Transfer-Encoding: chunked\r\n"

HEADS = [  # no service sees anything of these
    # CL.TE, TE.CL, and lengths that aren't one
    (POST + b"Content-Length: 6\r\n" + CHUNKED + b"\r\n0\r\n\r\nG", 400),
    (POST + CHUNKED + b"Content-Length: 3\r\n\r\n8\r\nSMUGGLED\r\n0\r\n\r\n", 400),
    (POST + b"Content-Length: 0\r\n" + CHUNKED + b"\r\n0\r\n\r\n", 400),
    (POST + b"Content-Length: 6\r\nTransfer_Encoding: chunked\r\n\r\n0\r\n\r\nG", 400),
    (POST + b"Content_Length: 6\r\n\r\n123456", 400),
    (POST + b"Content-Length: 5\r\nContent-Length: 0\r\n\r\nhello", 400),
    (POST + b"Content-Length: 5\r\ncontent-length: 05\r\nContent-Length: 6\r\n\r\nhello", 400),
    (POST + b"Content-Length: 5, 5\r\n\r\nhello", 400),
    (POST + b"Content-Length: 5 5\r\n\r\nhello", 400),
    (POST + b"Content-Length: +5\r\n\r\nhello", 400),
    (POST + b"Content-Length: -5\r\n\r\n", 400),
    (POST + b"Content-Length: 0x5\r\n\r\nhello", 400),
    (POST + b"Content-Length: 5.0\r\n\r\nhello", 400),
    (POST + b"Content-Length: 1e1\r\n\r\n", 400),
    (POST + b"Content-Length:\r\n\r\n", 400),
    (POST + b"Content-Length: \"5\"\r\n\r\nhello", 400),
    (POST + b"Content-Length:\v5\r\n\r\nhello", 400),
    (POST + b"Content-Length: \xd9\xa5\r\n\r\nhello", 400),
    (POST + b"Content-Length: 9223372036854775808\r\n\r\n", 400),
    (POST + b"Content-Length: 18446744073709551621\r\n\r\nhello", 400),
    # TE.TE
    (POST + CHUNKED + b"Transfer-Encoding: identity\r\n\r\n0\r\n\r\n", 400),
    (POST + CHUNKED + CHUNKED + b"\r\n0\r\n\r\n", 400),
    (POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 400),
    (POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", 400),
    (POST + b"Transfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n", 501),
    (POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
    (POST + b"Transfer-Encoding: xchunked\r\n\r\n", 501),
    (POST + b"Transfer-Encoding: 'chunked'\r\n\r\n", 501),
    (POST + b"Transfer-Encoding: \"chunked\"\r\n\r\n", 400),
    (POST + b"Transfer-Encoding: chunked;a=b\r\n\r\n0\r\n\r\n", 400),
    (POST + b"Transfer-Encoding: \vchunked\r\n\r\n0\r\n\r\n", 400),
    (POST + b"Transfer-Encoding: chunked\f\r\n\r\n0\r\n\r\n", 400),
    (POST + b"Transfer-Encoding: \xc2\xa0chunked\r\n\r\n0\r\n\r\n", 400),
    (POST + b"Transfer-Encoding:\r\n\r\n0\r\n\r\n", 400),
    (b"POST / HTTP/1.0\r\nHost: a.localhost\r\n" + CHUNKED + b"\r\n0\r\n\r\n", 400),
    # white space, folding, ends of lines, what is no text
    (POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400),
    (POST + b"Content-Length\t: 5\r\n\r\nhello", 400),
    (POST + b" Content-Length: 5\r\n\r\nhello", 400),
    (POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", 400),
    (GET + b"X: y\r\n\tz\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\n Host: a.localhost\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: a.localhost\r\n b\r\n\r\n", 400),
    (GET + b"Two words: x\r\n\r\n", 400),
    (GET + b": x\r\n\r\n", 400),
    (GET + b"no colon\r\n\r\n", 400),
    (GET + b"N\xc3\xa4me: x\r\n\r\n", 400),
    (GET + b"N(a)me: x\r\n\r\n", 400),
    (GET + b"X: y\rContent-Length: 43\r\n\r\n", 400),
    (GET + b"X: y\nContent-Length: 43\r\n\r\n", 400),
    (b"GET / HTTP/1.1\nHost: a.localhost\n\n", 400),
    (b"GET / HTTP/1.1\r\nHost: a.localhost\r\n\n", 400),
    (b"GET / HTTP/1.1\r\nHost: a.localhost\n\r\n", 400),
    (GET + b"X: a\0b\r\n\r\n", 400),
    (GET + b"X\0: b\r\n\r\n", 400),
    (GET + b"X: a\x1b[31mb\r\n\r\n", 400),
    (GET + b"X: a\x7fb\r\n\r\n", 400),
    # whose it is
    (b"GET / HTTP/1.1\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost:\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: a.localhost\r\nHost: b.localhost\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: a.localhost\r\nhost: a.localhost\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: a.localhost, b.localhost\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: a.localhost b.localhost\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: x@a.localhost\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: a.localhost/x\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: a.localhost:port\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: a.localhost:65536\r\n\r\n", 400),
    (b"GET http://b.localhost/ HTTP/1.1\r\nHost: a.localhost\r\n\r\n", 400),
    (b"GET http://x@a.localhost/ HTTP/1.1\r\nHost: a.localhost\r\n\r\n", 400),
    (b"GET ftp://a.localhost/ HTTP/1.1\r\nHost: a.localhost\r\n\r\n", 400),
    # the first line
    (b"GET /\r\nHost: a.localhost\r\n\r\n", 400),
    (b"GET  / HTTP/1.1\r\nHost: a.localhost\r\n\r\n", 400),
    (b"GET /  HTTP/1.1\r\nHost: a.localhost\r\n\r\n", 400),
    (b"GET /a b HTTP/1.1\r\nHost: a.localhost\r\n\r\n", 400),
    (b"GET /\tHTTP/1.1\r\nHost: a.localhost\r\n\r\n", 400),
    (b"GET\t/ HTTP/1.1\r\nHost: a.localhost\r\n\r\n", 400),
    (b" GET / HTTP/1.1\r\nHost: a.localhost\r\n\r\n", 400),
    (b"\r\n\r\nGET / HTTP/1.1\r\nHost: a.localhost\r\n\r\n", 400),
    (b"\nGET / HTTP/1.1\r\nHost: a.localhost\r\n\r\n", 400),
    (b"G\xc3\x84T / HTTP/1.1\r\nHost: a.localhost\r\n\r\n", 400),
    (b"GET /\0 HTTP/1.1\r\nHost: a.localhost\r\n\r\n", 400),
    (b"GET /#x HTTP/1.1\r\nHost: a.localhost\r\n\r\n", 400),
    (b"GET * HTTP/1.1\r\nHost: a.localhost\r\n\r\n", 400),
    (b"GET x HTTP/1.1\r\nHost: a.localhost\r\n\r\n", 400),
    (b"GET / HTTP/1.1 \r\nHost: a.localhost\r\n\r\n", 400),
    (b"GET / http/1.1\r\nHost: a.localhost\r\n\r\n", 400),
    (b"GET / HTTP/1.10\r\nHost: a.localhost\r\n\r\n", 400),
    (b"GET / HTTP/1\r\nHost: a.localhost\r\n\r\n", 400),
    (b"GET / HTTP/2.0\r\nHost: a.localhost\r\n\r\n", 505),
    (b"GET / HTTP/0.9\r\nHost: a.localhost\r\n\r\n", 505),
    # other protocols, and other uses of this one
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    (b"CONNECT a.localhost:80 HTTP/1.1\r\nHost: a.localhost:80\r\n\r\n", 405),
    (b"CONNECT b.localhost:22 HTTP/1.1\r\nHost: a.localhost\r\n\r\n", 405),
    (b"CONNECT / HTTP/1.1\r\nHost: a.localhost\r\n\r\n", 405),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    (b"SSH-2.0-OpenSSH_9.2\r\n", 400),
    # too much
    (GET + b"X: " + b"x" * 70_000 + b"\r\n\r\n", 431),
    (GET + b"X: y\r\n" * 300 + b"\r\n", 431),
    (b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\nHost: a.localhost\r\n\r\n", 414),
]

BODIES = [  # the head has gone on; the service gets no whole request
    POST + CHUNKED + b"\r\n5\nhello\r\n0\r\n\r\n",
    POST + CHUNKED + b"\r\n5;\nhello\r\n0\r\n\r\n",
    POST + CHUNKED + b"\r\n5;x\rhello\r\n0\r\n\r\n",
    POST + CHUNKED + b"\r\n5\r\nhello\n0\r\n\r\n",
    POST + CHUNKED + b"\r\n5\r\nhelloXX0\r\n\r\n",
    POST + CHUNKED + b"\r\n4\r\nhello\r\n0\r\n\r\n",
    POST + CHUNKED + b"\r\n5\r\nhello\r\n0\n\n",
    POST + CHUNKED + b"\r\n0x5\r\nhello\r\n0\r\n\r\n",
    POST + CHUNKED + b"\r\n+5\r\nhello\r\n0\r\n\r\n",
    POST + CHUNKED + b"\r\n-1\r\n",
    POST + CHUNKED + b"\r\n 5\r\nhello\r\n0\r\n\r\n",
    POST + CHUNKED + b"\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    POST + CHUNKED + b"\r\n10000000000000005\r\nhello\r\n0\r\n\r\n",
    POST + CHUNKED + b"\r\nffffffffffffffff\r\n",
    POST + CHUNKED + b"\r\n5;a=\0\r\nhello\r\n0\r\n\r\n",
    POST + CHUNKED + b"\r\n0\r\nContent-Length: 5\r\n\r\n",
    POST + CHUNKED + b"\r\n0\r\nHost: b\r\n\r\n",
    POST + CHUNKED + b"\r\n0\r\nX: y\r\n z\r\n\r\n",
]


@pytest.fixture(scope="module", params=["mux-http", "mux-https", "classic-http", "classic-https"])
def stage(request, tmp_path_factory):
    """All meet the same daemons, and a fresh connection each."""
    from conftest import Place

    transport, protocol = request.param.split("-")
    place = Place(tmp_path_factory.mktemp("refusals"))
    service = place.keep(local.OriginService())
    server = place.server()
    client = place.client(server, f"--transport={transport}", "--subdomain", "a", str(service.port))
    tunnel = client.tunnel(protocol)
    yield service, tunnel, place.ca() if protocol == "https" else None
    place.finish()


def ask(stage, data):
    """What comes until the server ends the connection."""
    _service, tunnel, ca = stage
    with visit.connect(tunnel.port, ca, tunnel.host) as sock:
        sock.sendall(data)
        return visit.read_all(sock)


def check_refusal(answer, status):
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status), answer
    assert b"\r\nConnection: close" in head
    assert int(re.search(rb"\r\nContent-Length: (\d+)", head)[1]) == len(body)


@pytest.mark.parametrize("request_bytes, status", HEADS, ids=[repr(r)[2:60] for r, _ in HEADS])
def test_a_bad_head_is_refused_and_goes_nowhere(stage, request_bytes, status):
    service = stage[0]
    seen = len(service.requests), len(service.faults), service.n_connections
    check_refusal(ask(stage, request_bytes + SMUGGLED), status)
    assert (len(service.requests), len(service.faults), service.n_connections) == seen


@pytest.mark.parametrize("request_bytes, status", HEADS, ids=[repr(r)[2:60] for r, _ in HEADS])
def test_a_bad_head_behind_a_good_request_is_refused(stage, request_bytes, status):
    service = stage[0]
    seen, faults = len(service.requests), len(service.faults)
    first = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n/good"
    answer = ask(stage, b"GET /good HTTP/1.1\r\nHost: a.localhost\r\n\r\n" + request_bytes + SMUGGLED)
    assert answer.startswith(first)
    check_refusal(answer[len(first):], status)
    assert [r["path"] for r in service.requests[seen:]] == ["/good"] and len(service.faults) == faults


@pytest.mark.parametrize("request_bytes", BODIES, ids=[repr(r)[72:110] for r in BODIES])
def test_a_bad_body_is_refused_and_no_request_to_the_service(stage, request_bytes):
    service = stage[0]
    seen = len(service.requests)
    check_refusal(ask(stage, request_bytes + SMUGGLED), 400)
    assert len(service.requests) == seen
