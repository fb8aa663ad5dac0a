# SPDX-License-Identifier: LGPL-2.1-or-later
"""HTTP through a tunnel, request by request."""

import asyncio
import base64
import hashlib
import http.client
import select
import subprocess
import threading

import pytest

import local
import visit
from daemons import PATIENCE

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Visit:
    """A connection on which several requests are made."""

    def __init__(self, place, tunnel, https=False):
        self.sock = place.keep(visit.connect(tunnel.port, place.ca() if https else None, tunnel.host))
        self.host = tunnel.host
        self.file = self.sock.makefile("rb")

    def send(self, path="/", method="GET", headers=(), body=b"", host=None):
        self.sock.sendall(visit.head(host or self.host, path, method, headers) + body)

    def read(self, method="GET"):
        """Exactly one answer, and nothing behind it."""
        response = http.client.HTTPResponse(self, method=method)
        response.begin()
        body = response.read()
        return visit.Answer(response.status, response.version, response.headers, body, response.will_close)

    def ask(self, *arguments, **options):
        self.send(*arguments, **options)
        return self.read(options.get("method", "GET"))

    def makefile(self, _mode):
        return Unclosed(self.file)

    def expect_end(self):
        assert self.file.read(1) == b""


class Unclosed:
    """HTTPResponse closes its file, and reads ahead of nothing."""

    def __init__(self, file):
        self.file = file

    def __getattr__(self, name):
        return getattr(self.file, name)

    def close(self):
        pass

    def flush(self):
        pass


@pytest.fixture
def origin(place):
    def start(answers=None):
        return place.keep(local.OriginService(answers))
    return start


@pytest.fixture
def tunnel_to(place, server):
    def start(service, *options):
        return place.client(server, *options, str(service.port)).tunnel("http")
    return start


def paths(service):
    return [request["path"] for request in service.requests]


# ---- one connection, many requests ----

@pytest.mark.parametrize("protocol", ["http", "https"])
def test_requests_share_a_connection_and_a_leg(place, server, protocol):
    service = place.keep(local.OriginService())
    tunnel = place.client(server, str(service.port)).tunnel(protocol)
    v = Visit(place, tunnel, protocol == "https")
    for i in range(50):
        assert v.ask(f"/{i}").text == f"/{i}"
    assert service.n_connections == 1


@pytest.mark.parametrize("transport", ["mux", "classic"])
def test_a_thousand_pipelined_requests_are_answered_in_order(place, server, origin, transport):
    service = origin()
    tunnel = place.client(server, f"--transport={transport}", str(service.port)).tunnel("http")
    v = Visit(place, tunnel)
    data = b"".join(visit.head(tunnel.host, f"/{i}", "POST" if i % 3 == 0 else "GET",
                               {"Content-Length": 5} if i % 3 == 0 else ()) + (b"hello" if i % 3 == 0 else b"")
                    for i in range(1000))
    sender = threading.Thread(target=v.sock.sendall, args=(data,))
    sender.start()
    for i in range(1000):
        assert v.read().text == f"/{i}"
    sender.join()
    assert service.n_connections == 1 and not service.faults


def test_a_go_client_gets_no_request_before_the_answer_to_the_last(place, server):
    hand = place.hand_client(server)
    hand.tunnel("http", Subdomain="go")
    with visit.connect(server.http) as sock:
        sock.sendall(visit.head("go.localhost", "/1") + visit.head("go.localhost", "/2"))
        proxy = hand.proxy()
        proxy.expect("StartProxy")
        for path in (b"/1", b"/2"):
            first = b""
            while not first.endswith(b"\r\n\r\n"):
                first += proxy.wire.recv(1)
            assert first.startswith(b"GET " + path) and first.count(b"GET ") == 1
            hand.ping()  # the server has had its time to send more
            assert not proxy.wire.at_hand() and not select.select([proxy.wire.sock], [], [], 0)[0]
            proxy.wire.sendall(OK)
        assert visit.read_exactly(sock, 2 * len(OK)) == 2 * OK


def test_each_request_goes_to_its_own_host(place, server, origin):
    services = [origin({"/": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d" % i}) for i in range(3)]
    tunnels = [place.client(server, str(s.port)).tunnel("http") for s in services]
    v = Visit(place, tunnels[0])
    for i in (0, 1, 1, 2, 0, 2, 2, 1, 0) * 3:
        assert v.ask(host=tunnels[i].host).text == str(i)


def test_pipelined_requests_to_several_hosts_are_answered_in_order(place, server, origin):
    services = [origin({"/": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d" % i}) for i in range(2)]
    hosts = [place.client(server, str(s.port)).tunnel("http").host for s in services]
    with visit.connect(server.http) as sock:
        order = [0, 1, 1, 0, 2, 1, 0, 2, 2, 0] * 5
        sock.sendall(b"".join(visit.head([*hosts, "nobody.localhost"][i]) for i in order))
        file = sock.makefile("rb")
        for i in order:
            status = int(file.readline().split()[1])
            assert status == (404 if i == 2 else 200)
            length = 0
            while (line := file.readline()) != b"\r\n":
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            body = file.read(length)
            assert i == 2 or body == b"%d" % i


def basic(user):
    return {"Authorization": "Basic " + base64.b64encode(user.encode()).decode()}


def test_the_password_of_one_host_opens_no_other(place, server, origin):
    first, second = origin(), origin()
    a = place.client(server, "--http-auth", "alice:one", str(first.port)).tunnel("http")
    b = place.client(server, "--http-auth", "bob:two", str(second.port)).tunnel("http")
    v = Visit(place, a)
    assert v.ask(headers=basic("alice:one")).status == 200
    assert v.ask().status == 401  # the connection has no rights, its requests have
    assert v.ask(headers=basic("alice:one"), host=b.host).status == 401
    assert v.ask(headers=basic("bob:two"), host=b.host).status == 200
    assert v.ask(headers=basic("alice:one")).status == 200
    assert len(first.requests) == 2 and len(second.requests) == 1


def test_answers_of_ours_keep_the_connection(place, server, origin, tunnel_to):
    tunnel = tunnel_to(origin())
    v = Visit(place, tunnel)
    assert v.ask(host="nobody.localhost").status == 404
    assert v.ask("/1").text == "/1"
    assert v.ask(host="nobody.localhost", method="HEAD").status == 404
    assert v.ask("/2").text == "/2"


def test_an_answer_to_a_request_with_a_body_ends_the_connection(place, server):
    with visit.connect(server.http) as sock:
        sock.sendall(visit.head("nobody.localhost", "/", "POST", {"Content-Length": 40}) + visit.head("a.localhost"))
        answer = visit.read_answer(sock)
        assert answer.status == 404 and answer.headers["Connection"] == "close"


# ---- framing ----

def test_a_chunked_body_and_its_trailers_pass_both_ways(place, server, origin, tunnel_to):
    answer = (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"
              b"5;x=y\r\nhello\r\n6\r\n world\r\n0\r\nX-Sum: 11\r\n\r\n")
    service = origin({"/": answer})
    v = Visit(place, tunnel_to(service))
    for _ in range(3):
        v.send(method="POST", headers={"Transfer-Encoding": "chunked", "TE": "trailers"},
               body=b"3\r\nabc\r\n10\r\n0123456789abcdef\r\n0\r\nX-Mine: 1\r\n\r\n")
        data = visit.read_exactly(v.sock, len(answer))
        assert data == answer
    request = service.requests[-1]
    assert request["body"] == b"abc0123456789abcdef" and request["trailers"] == ["X-Mine: 1"]
    assert request["headers"]["te"] == "trailers"
    assert service.n_connections == 1


def test_large_chunked_bodies_are_intact(place, server, origin, tunnel_to):
    body = local.content("x", 8 * 1024 * 1024)
    sizes = [1, 70_000, 3, 1_000_000, 16_384, 300_000]
    chunks, i = [], 0
    while i < len(body):
        part = body[i:i + sizes[len(chunks) % len(sizes)]]
        chunks.append(b"%x\r\n%s\r\n" % (len(part), part))
        i += len(part)
    data = b"".join(chunks) + b"0\r\n\r\n"
    service = origin({"/": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + data})
    v = Visit(place, tunnel_to(service))
    for _ in range(2):
        sender = threading.Thread(target=v.send, kwargs=dict(
            method="POST", headers={"Transfer-Encoding": "chunked"}, body=data))
        sender.start()
        assert v.read().body == body
        sender.join()
    assert [hashlib.sha256(r["body"]).digest() for r in service.requests] == [hashlib.sha256(body).digest()] * 2


def test_requests_cut_at_any_byte_are_whole(place, server, origin, tunnel_to):
    service = origin()
    v = Visit(place, tunnel_to(service))
    data = (visit.head(v.host, "/a", "POST", {"Transfer-Encoding": "chunked"}) + b"3\r\nabc\r\n0\r\n\r\n"
            + visit.head(v.host, "/b", "POST", {"Content-Length": 3}) + b"def" + visit.head(v.host, "/c"))
    for byte in data:
        v.sock.sendall(bytes([byte]))
    assert [v.read().text for _ in range(3)] == ["/a", "/b", "/c"]
    assert [r["body"] for r in service.requests] == [b"abc", b"def", b""]


def test_answers_without_bodies_are_known_as_such(place, server, origin, tunnel_to):
    service = origin({"/204": b"HTTP/1.1 204 No Content\r\n\r\n",
                      "/304": b"HTTP/1.1 304 Not Modified\r\nContent-Length: 100\r\n\r\n",
                      "/head": b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"})
    v = Visit(place, tunnel_to(service))
    for _ in range(3):
        assert v.ask("/204").status == 204
        assert v.ask("/304").status == 304
        assert v.ask("/head", method="HEAD").headers["Content-Length"] == "1000"
        assert v.ask("/").text == "/"
    assert service.n_connections == 1


def test_interim_answers_pass(place, server, origin, tunnel_to):
    interim = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n"
    service = origin({"/": interim + OK})
    v = Visit(place, tunnel_to(service))
    for _ in range(2):
        v.send()
        assert visit.read_exactly(v.sock, len(interim + OK)) == interim + OK
    v.sock.sendall(b"GET / HTTP/1.0\r\nHost: %s\r\n\r\n" % v.host.encode())
    assert visit.read_all(v.sock).startswith(b"HTTP/1.1 200 OK")


class ContinueService(local.OriginService):
    async def read_request(self, reader):
        head = await reader.readuntil(b"\r\n\r\n")
        assert b"100-continue" in head
        self.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        return {"path": "/", "method": "POST", "body": await reader.readexactly(5)}

    async def serve(self, reader, writer):
        self.writer = writer
        await super().serve(reader, writer)


def test_a_visitor_may_wait_for_100_continue(place, server, tunnel_to):
    service = place.keep(ContinueService({"/": OK}))
    v = Visit(place, tunnel_to(service))
    for _ in range(2):
        v.send(method="POST", headers={"Content-Length": 5, "Expect": "100-continue"})
        assert visit.read_exactly(v.sock, 25) == b"HTTP/1.1 100 Continue\r\n\r\n"
        v.sock.sendall(b"hello")
        assert v.read().text == "ok"
        with service.arrived:
            if len(service.requests) > 1:
                break


class EarlyService(local.OriginService):
    """Answers before it has read the body."""

    async def read_request(self, reader):
        await reader.readuntil(b"\r\n\r\n")
        self.writer.write(OK)
        await self.writer.drain()
        return {"path": "/early", "method": "POST", "body": await reader.readexactly(self.n_bytes)}

    async def serve(self, reader, writer):
        self.writer = writer
        await super().serve(reader, writer)

    async def answer(self, reader, writer, request):
        pass


def test_an_answer_may_come_before_the_request_is_complete(place, server, tunnel_to):
    service = place.keep(EarlyService())
    service.n_bytes = 100_000
    v = Visit(place, tunnel_to(service))
    for i in range(3):
        v.send(method="POST", headers={"Content-Length": service.n_bytes})
        assert v.read().text == "ok"
        v.sock.sendall(b"x" * service.n_bytes)
        service.wait_for(i + 1)
    assert service.n_connections == 1


def test_an_answer_that_comes_instead_of_100_ends_the_connection(place, server, origin, tunnel_to):
    service = place.keep(EarlyService())
    service.n_bytes = 5
    v = Visit(place, tunnel_to(service))
    v.send(method="POST", headers={"Content-Length": 5, "Expect": "100-continue"})
    assert v.read().headers["Connection"] == "close"
    v.expect_end()


@pytest.mark.parametrize("answer", [
    b"garbage\r\n\r\n", b"HTTP/2 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: a\rb\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"], ids=lambda a: repr(a[:40]))
def test_an_answer_that_is_no_http_becomes_502(place, server, origin, tunnel_to, answer):
    v = Visit(place, tunnel_to(origin({"/": answer, "/good": OK})))
    assert v.ask().status == 502
    assert v.ask("/good").text == "ok"


class PartService(local.OriginService):
    """Answers with a part, and, once asked to, the rest."""

    def __init__(self, part, rest):
        self.part, self.rest, self.go = part, rest, threading.Event()
        super().__init__()

    async def answer(self, reader, writer, request):
        writer.write(self.part)
        await writer.drain()
        await asyncio.get_running_loop().run_in_executor(None, self.go.wait, PATIENCE)
        writer.write(self.rest)


def test_an_answer_that_breaks_its_framing_is_aborted(place, server, tunnel_to):
    part = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
    service = place.keep(PartService(part, b"xyz\r\n"))
    v = Visit(place, tunnel_to(service))
    v.send()
    assert visit.read_exactly(v.sock, len(part)) == part
    service.go.set()
    with pytest.raises(ConnectionResetError):
        v.sock.recv(1)


def test_what_a_service_says_unasked_answers_nobody(place, server, origin, tunnel_to):
    smuggled = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
    service = origin({"/1": OK + smuggled})
    v = Visit(place, tunnel_to(service))
    for _ in range(5):
        assert v.ask("/1").text == "ok"
        assert v.ask("/2").text == "/2"


# ---- ends ----

def test_the_visitor_stays_when_the_service_closes(place, server, origin, tunnel_to):
    service = origin()
    v = Visit(place, tunnel_to(service))
    for i in range(20):
        assert v.ask(f"/close/{i}").text == f"/close/{i}"
    assert service.n_connections == 20 and not service.faults


def test_a_request_that_meets_a_closed_leg_is_made_again_once(place, server, origin, tunnel_to):
    """A service that answers the first request of a connection, and closes at the second."""
    service = place.keep(MoodyService({"/": OK}))
    v = Visit(place, tunnel_to(service))
    assert v.ask().status == 200
    assert v.ask().status == 200
    assert v.ask(method="POST", headers={"Content-Length": 0}).status == 502
    assert v.ask().status == 200
    assert service.n_connections == 3


class MoodyService(local.OriginService):
    async def serve(self, reader, writer):
        request = await self.read_request(reader)
        await self.answer(reader, writer, request)
        await self.read_request(reader)


def test_a_service_that_closes_without_an_answer_is_502(place, server, tunnel_to):
    v = Visit(place, tunnel_to(place.http()))
    for _ in range(3):
        assert v.ask("/drop").status == 502
        assert v.ask("/").status == 200


def test_an_answer_without_length_ends_with_the_connection(place, server, origin, tunnel_to):
    service = origin({"/close": b"HTTP/1.0 200 OK\r\n\r\nall of it"})
    v = Visit(place, tunnel_to(service))
    answer = v.ask("/close")
    assert answer.text == "all of it" and answer.headers["Connection"] == "close"
    v.expect_end()


def test_connection_close_is_heard(place, server, origin, tunnel_to):
    service = origin()
    v = Visit(place, tunnel_to(service))
    answer = v.ask(headers={"Connection": "close"})
    assert answer.headers["Connection"] == "close"
    v.expect_end()


def test_http_1_0_is_kept_open_on_request_only(place, server, origin, tunnel_to):
    tunnel = tunnel_to(origin())
    request = b"GET / HTTP/1.0\r\nHost: " + tunnel.host.encode()
    with visit.connect(tunnel.port) as sock:
        sock.sendall(request + b"\r\n\r\n")
        assert visit.read_all(sock).endswith(b"/")
    v = Visit(place, tunnel)
    for _ in range(3):
        v.sock.sendall(request + b"\r\nConnection: keep-alive\r\n\r\n")
        assert v.read().headers["Connection"] == "keep-alive"


def test_a_visitor_that_has_asked_may_end(place, server, origin, tunnel_to):
    tunnel = tunnel_to(origin())
    with visit.connect(tunnel.port) as sock:
        sock.sendall(visit.head(tunnel.host, "/1") + visit.head(tunnel.host, "/2"))
        sock.shutdown(1)
        data = visit.read_all(sock)
        assert data.count(b"200 OK") == 2 and data.endswith(b"/2")


def test_a_body_that_is_cut_off_is_no_request(place, server, origin, tunnel_to):
    service = origin()
    tunnel = tunnel_to(service)
    with visit.connect(tunnel.port) as sock:
        sock.sendall(visit.head(tunnel.host, "/", "POST", {"Content-Length": 10}) + b"short")
        sock.shutdown(1)
        assert visit.read_answer(sock).status == 400
    assert not service.requests


def test_an_idle_connection_is_closed(place, origin):
    server = place.server(config='limits: { keepalive = "300ms"; };')
    tunnel = place.client(server, str(origin().port)).tunnel("http")
    for host in (tunnel.host, "nobody.localhost"):
        v = Visit(place, tunnel)
        v.ask(host=host)
        v.expect_end()


def test_a_second_head_has_its_time_too(place, origin):
    server = place.server(config='limits: { head_timeout = "300ms"; };')
    tunnel = place.client(server, str(origin().port)).tunnel("http")
    for host in (tunnel.host, "nobody.localhost"):
        v = Visit(place, tunnel)
        v.ask(host=host)
        v.sock.sendall(b"GET / HTTP/1.1\r\nHo")
        assert v.read().status == 408
        v.expect_end()


def test_slow_bodies_and_slow_answers_have_their_time(place):
    server = place.server(config='limits: { head_timeout = "200ms"; keepalive = "200ms"; };')
    service = place.keep(PartService(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab", b"cd"))
    tunnel = place.client(server, str(service.port)).tunnel("http")
    v = Visit(place, tunnel)
    idle = threading.Event()
    v.send(method="POST", headers={"Content-Length": 2}, body=b"x")
    assert not idle.wait(0.7)
    v.sock.sendall(b"y")
    assert service.wait_for(1)[0]["body"] == b"xy"
    assert not idle.wait(0.7)
    service.go.set()
    assert v.read().text == "abcd"


# ---- upgrades and streams ----

class UpgradeService(local.Service):
    """Accepts any upgrade, and is an echo from then on; says something of its own first."""

    async def serve(self, reader, writer):
        self.head = await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: any\r\n\r\nfirst")
        while data := await reader.read(local.BLOCK):
            writer.write(data)
            await writer.drain()


def test_behind_101_everything_passes(place, server, tunnel_to):
    service = place.keep(UpgradeService())
    v = Visit(place, tunnel_to(service))
    early = visit.head("nobody.localhost") + b"\0\xff"
    v.send(headers={"Connection": "Upgrade", "Upgrade": "any"}, body=early)
    head = visit.read_exactly(v.sock, len(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: any\r\nConnection: Upgrade\r\n\r\n"))
    assert head.startswith(b"HTTP/1.1 101 ") and head.endswith(b"\r\n\r\n")
    assert visit.read_exactly(v.sock, 5 + len(early)) == b"first" + early
    body = local.content("up", 3_000_000)
    sender = threading.Thread(target=v.sock.sendall, args=(body,))
    sender.start()
    assert visit.read_exactly(v.sock, len(body)) == body
    sender.join()
    v.sock.shutdown(1)
    assert v.sock.recv(1) == b""
    assert b"upgrade: any" in service.head.lower()


def test_h2c_is_not_offered_to_the_service(place, server, origin, tunnel_to):
    service = origin()
    v = Visit(place, tunnel_to(service))
    v.ask(headers={"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2-Settings": "AAMAAABkAAQAAP__"})
    assert not {"upgrade", "http2-settings", "connection"} & set(service.requests[0]["headers"])


@pytest.mark.parametrize("protocol", ["http", "https"])
def test_websockets_pass(place, server, protocol):
    websockets = pytest.importorskip("websockets")
    import ssl

    port = place.keep(WebsocketService(websockets)).port
    tunnel = place.client(server, str(port)).tunnel(protocol)

    async def talk():
        context = ssl.create_default_context(cafile=str(place.ca())) if protocol == "https" else None
        url = f"{'wss' if context else 'ws'}://{tunnel.host}:{tunnel.port}/"
        async with websockets.connect(url, ssl=context, host="127.0.0.1", max_size=None) as ws:
            for message in ("hello", b"\0\xff" * 500_000, ""):
                await ws.send(message)
                assert await ws.recv() == message
            await (await ws.ping())

    asyncio.run(talk())


class WebsocketService:
    """An echo; `options` are those of websockets.serve()."""

    def __init__(self, websockets, **options):
        self.loop = asyncio.new_event_loop()
        started = threading.Event()

        async def echo(ws):
            async for message in ws:
                await ws.send(message)

        async def run():
            self.ended = asyncio.Event()
            async with websockets.serve(echo, "127.0.0.1", 0, max_size=None, **options) as server:
                self.port = server.sockets[0].getsockname()[1]
                started.set()
                await self.ended.wait()

        self.thread = threading.Thread(target=self.loop.run_until_complete, args=(run(),), daemon=True)
        self.thread.start()
        started.wait()

    def close(self):
        self.loop.call_soon_threadsafe(self.ended.set)
        self.thread.join()


class EventService(local.OriginService):
    def __init__(self):
        self.next = threading.Semaphore(0)
        super().__init__()

    async def answer(self, reader, writer, request):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        for i in range(5):
            await asyncio.get_running_loop().run_in_executor(None, self.next.acquire)
            writer.write(b"data: %d\n\n" % i)
            await writer.drain()
        writer.close()


def test_events_arrive_one_by_one(place, server, tunnel_to):
    service = place.keep(EventService())
    v = Visit(place, tunnel_to(service))
    v.send()
    while v.file.readline() != b"\r\n":
        pass
    for i in range(5):
        service.next.release()
        assert v.file.readline() == b"data: %d\n" % i and v.file.readline() == b"\n"
    v.expect_end()


class GoneService(local.OriginService):
    """Answers nothing, and tells when its visitor has left."""

    def __init__(self):
        self.gone = threading.Event()
        super().__init__()

    async def answer(self, reader, writer, request):
        await reader.read(1)
        self.gone.set()


def test_a_service_hears_of_a_visitor_that_leaves(place, server, tunnel_to):
    service = place.keep(GoneService())
    v = Visit(place, tunnel_to(service))
    v.send()
    service.wait_for(1)
    v.file.close()
    v.sock.close()
    assert service.gone.wait(PATIENCE)


def test_curl_keeps_its_connection_for_several_hosts(place, server, origin):
    hosts = [place.client(server, str(origin().port)).tunnel("http").host for _ in range(2)]
    urls = [f"http://{hosts[i % 2]}:{server.http}/{i}" for i in range(6)]
    result = subprocess.run(
        ["curl", "-sS", "--fail", "--connect-to", f"::127.0.0.1:{server.http}", "-w", "%{num_connects} ", *urls],
        capture_output=True, text=True, timeout=PATIENCE, check=True)
    assert all(f"/{i}" in result.stdout for i in range(6))


# ---- what the service is told ----

def test_a_service_is_told_who_asks_and_how(place, server, origin):
    service = origin()
    client = place.client(server, str(service.port))
    lies = {"X-Forwarded-For": "192.0.2.1", "X_Forwarded_For": "192.0.2.2", "X-Forwarded-Proto": "gopher",
            "X-Forwarded-Host": "evil"}
    for protocol in ("http", "https"):
        tunnel = client.tunnel(protocol)
        v = Visit(place, tunnel, protocol == "https")
        for headers in ({}, lies):
            v.ask(headers=headers)
            told = service.requests[-1]
            assert told["headers"]["x-forwarded-for"] == "127.0.0.1"
            assert told["headers"]["x-forwarded-proto"] == protocol
            assert told["headers"]["x-forwarded-host"] == tunnel.host
            assert sum("forwarded-for" in n.replace("_", "-") for n, _ in told["fields"]) == 1


def test_a_trusted_proxy_is_believed(place, origin):
    server = place.server(config='trusted_proxies = [ "127.0.0.0/8", "192.0.2.0/24" ];')
    service = origin()
    v = Visit(place, place.client(server, str(service.port)).tunnel("http"))
    v.ask(headers={"X-Forwarded-For": "198.51.100.9, 203.0.113.7, 192.0.2.4", "X-Forwarded-Proto": "https"})
    told = service.requests[0]["headers"]
    assert told["x-forwarded-for"].endswith("203.0.113.7, 192.0.2.4, 127.0.0.1"), told
    assert told["x-forwarded-proto"] == "https"


def test_an_absolute_target_says_the_host(place, server, origin, tunnel_to):
    service = origin()
    v = Visit(place, tunnel_to(service))
    v.sock.sendall(f"GET http://{v.host}/a?b HTTP/1.1\r\nHost: {v.host}\r\n\r\n".encode())
    assert v.read().text == "/a?b"
    assert service.requests[0]["headers"]["host"] == v.host


def test_connection_may_not_name_what_we_say(place, server, origin, tunnel_to):
    service = origin()
    v = Visit(place, tunnel_to(service))
    v.ask(headers={"Connection": "X-Forwarded-For, X-Mine, Authorization", "X-Mine": "1", "Authorization": "x"})
    told = service.requests[0]["headers"]
    assert told["x-forwarded-for"] == "127.0.0.1" and told["authorization"] == "x" and "x-mine" not in told


def test_a_connection_to_one_user_is_none_to_another(place):
    tokens = "".join(f"{name} sha256:{hashlib.sha256(name.encode()).hexdigest()}\n" for name in ("alice", "bob"))
    cert, key = place.certificate("*.tunnel.test")
    server = place.server(dev=False, config=f"""domain = "tunnel.test";
        tls: {{ certificate = "{cert}"; key = "{key}"; }};
        auth: {{ method = "token-file"; token_file = "{place.write('tokens', tokens)}"; }};""")
    alice = place.hand_client(server, token="alice")
    for name in ("a1", "a2"):
        alice.tunnel("https", Subdomain=name)
    alice.serve(place.http().port)
    bob = place.hand_client(server, token="bob")
    bob.tunnel("https", Subdomain="b")
    bob.serve(place.http().port)
    with visit.connect(server.https, cert, "a1.tunnel.test") as sock:
        for host, status in (("a1", 200), ("b", 421), ("a2", 200), ("nobody", 404), ("b", 421), ("a1", 200)):
            sock.sendall(visit.head(f"{host}.tunnel.test"))
            assert visit.read_answer(sock).status == status
    with visit.connect(server.https, cert, "nobody.tunnel.test") as sock:
        sock.sendall(visit.head("b.tunnel.test"))
        assert visit.read_answer(sock).status == 200
