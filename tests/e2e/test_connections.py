# SPDX-License-Identifier: LGPL-2.1-or-later
"""Several connections a client: visitors are spread over them, and each may come and go by itself."""

import asyncio
import hashlib
import signal
import socket
import threading

import pytest

import local
import visit
from daemons import PATIENCE
from test_crowd import crowd, raise_descriptor_limit, size
from test_mux_client import AnyServer, message, start
from yamux import ACK, ALPN, GO_AWAY, SYN, header

N_BYTES = 8 * 1024 * 1024
WORKERS = "workers = 2; "
MANY = WORKERS + "limits: { pending = 4096; };"


class Link:
    """A connection through a Forwarder."""

    def __init__(self, *writers):
        self.writers, self.n_bytes, self.is_frozen = writers, 0, False

    @property
    def is_open(self):
        return not any(w.is_closing() for w in self.writers)


class Forwarder(local.Service):
    """Passes connections on to a port, counts what they carry to the client, and can cut each."""

    def __init__(self, target):
        self.target, self.links, self.holds_ends = target, [], False
        super().__init__()
        self.address = f"127.0.0.1:{self.port}"

    async def serve(self, reader, writer):
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
        link = Link(writer, far_writer)
        self.links.append(link)
        try:
            await asyncio.gather(self.pump(link, reader, far_writer, 0), self.pump(link, far_reader, writer, 1))
        finally:
            far_writer.close()

    async def pump(self, link, reader, writer, weight):
        while data := await reader.read(local.BLOCK):
            link.n_bytes += weight * len(data)
            writer.write(data)
            await writer.drain()
        if self.holds_ends:
            await asyncio.Event().wait()
        writer.close()

    def cut(self, link):
        for writer in link.writers:
            self.loop.call_soon_threadsafe(writer.transport.abort)


def connections(place, n):
    return "--config", place.write("connections.conf", f"client: {{ connections = {n}; }};\n")


def wait_sessions(server, *numbers):
    """Until the sessions of these numbers have logged in, one that is named twice twice."""
    for number in set(numbers):
        server.wait_log(rf"has logged in from \S+, session {number}$", numbers.count(number))


def started(place, n, *arguments, config=MANY):
    """A server, a forwarder before it, and a client that comes through it with N sessions."""
    server = place.server(config=config)
    forwarder = place.keep(Forwarder(server.tunnel))
    client = place.client(server, "--server", forwarder.address, "--transport=mux", *connections(place, n),
                          *(arguments or [str(place.http().port)]))
    wait_sessions(server, *range(n))
    return server, forwarder, client


def source(place):
    """A tcp tunnel to a SourceService."""
    return "--proto", "tcp", str(place.keep(local.SourceService()).port)


def check_crowd(tunnel, n, at_once, tls=None):
    for i, seen in enumerate(asyncio.run(crowd(tunnel, n, at_once, tls))):
        assert seen == local.digest(i, size(i)), f"visitor {i} got another one's bytes"


class Download(threading.Thread):
    """Fetches N_BYTES of SEED, of an HttpService or a SourceService. Holds still after the first bytes."""

    def __init__(self, tunnel, seed):
        super().__init__(daemon=True)
        self.seed, self.fault, self.begun, self.go_on = seed, "", threading.Event(), threading.Event()
        self.sock = visit.connect(tunnel.port)
        is_http = tunnel.protocol == "http"
        self.sock.sendall(visit.head(tunnel.host, f"/bytes/{seed}/{N_BYTES}") if is_http
                          else f"{seed} {N_BYTES}\n".encode())
        head = b""
        while is_http and not head.endswith(b"\r\n\r\n"):
            head += self.sock.recv(1)
        self.start()

    def run(self):
        h, left = hashlib.sha256(), N_BYTES
        try:
            while left > 0 and (part := self.sock.recv(min(left, local.BLOCK))):
                h.update(part)
                left -= len(part)
                self.begun.set()
                self.go_on.wait()
            if h.hexdigest() != local.digest(self.seed, N_BYTES):
                self.fault = f"{left} bytes are missing"
        except OSError as fault:
            self.fault = str(fault)
        self.begun.set()

    def result(self):
        """What went wrong, or ""."""
        self.go_on.set()
        self.join(6 * PATIENCE)
        self.sock.close()
        return self.fault


def downloads(tunnel, n):
    """N of them, which have begun and hold still."""
    running = [Download(tunnel, f"d{i}") for i in range(n)]
    for d in running:
        assert d.begun.wait(PATIENCE)
    return running


# Visitors


@pytest.mark.parametrize("n", [1, 2, 4])
def test_hundreds_of_visitors_are_spread_over_all_connections(place, n):
    raise_descriptor_limit()
    _server, forwarder, client = started(place, n)
    check_crowd(client.tunnel("http"), 400, 200)
    assert len(forwarder.links) == n
    carried = [link.n_bytes for link in forwarder.links]
    assert min(carried) > sum(carried) / (20 * n), carried
    client.wait_event("connection", 400)
    assert len(client.events("connection")) == 400, "each line is whole"


@pytest.mark.parametrize("n", [1, 2, 4])
def test_uploads_and_downloads_by_https_are_whole(place, n):
    _server, _forwarder, client = started(place, n)
    tunnel, ca = client.tunnel("https"), place.ca()
    check_crowd(tunnel, 40, 20, visit.trust(ca))
    for i in range(2 * n):
        answer = visit.post(tunnel, "/sha256", local.blocks(i, N_BYTES), N_BYTES, ca)
        assert answer.text == local.digest(i, N_BYTES)


@pytest.mark.parametrize("n", [1, 2, 4])
def test_visitors_of_a_tcp_port_are_spread_and_their_ends_arrive(place, n):
    service = place.keep(local.DigestService())
    _server, forwarder, client = started(place, n, "--proto", "tcp", str(service.port))
    for i in range(2 * n):
        with visit.connect(client.tunnel().port) as sock:
            for block in local.blocks(i, N_BYTES // 4):
                sock.sendall(block)
            sock.shutdown(socket.SHUT_WR)
            assert visit.read_all(sock).decode() == f"{N_BYTES // 4} {local.digest(i, N_BYTES // 4)}\n"
    assert len(forwarder.links) == n
    assert all(N_BYTES // 2 <= link.n_bytes < N_BYTES for link in forwarder.links), "two each"


def test_two_connections_through_the_https_port(place):
    server = place.server(config=WORKERS)
    client = place.client(server, "--server", f"127.0.0.1:{server.https}", "--transport=mux",
                          *connections(place, 2), str(place.http().port))
    wait_sessions(server, 0, 1)
    check_crowd(client.tunnel("http"), 100, 50)


def test_classic_has_one(place):
    server = place.server(config=WORKERS)
    client = place.client(server, "--transport=classic", *connections(place, 4), str(place.http().port))
    assert visit.get(client.tunnel("http")).status == 200
    assert "session 1" not in server.log()


# Losses


def test_a_connection_that_is_cut_costs_its_own_visitors_only(place):
    server, forwarder, client = started(place, 4, *source(place))
    running = downloads(client.tunnel(), 12)
    forwarder.cut(forwarder.links[2])
    assert sum(bool(d.result()) for d in running) == 3
    server.wait_log(r"has logged in from \S+, session [123]$", 4)
    assert len(client.events("tunnel")) == 1 and not client.events("offline")
    assert not any(d.result() for d in downloads(client.tunnel(), 8))


def test_while_session_0_is_cut_the_others_go_on_and_their_visitors_too(place):
    server, forwarder, client = started(place, 2, *source(place))
    running = downloads(client.tunnel(), 8)
    forwarder.cut(forwarder.links[0])
    client.wait_event("tunnel", 2, url=client.tunnel().url)
    assert sum(bool(d.result()) for d in running) == 4
    assert not any(d.result() for d in downloads(client.tunnel(), 8))
    assert server.log().count("session 1\n") == 1 and len(forwarder.links) == 3


def test_after_kill_9_of_the_server_all_come_back(place):
    server = place.server(config=WORKERS)
    client = place.client(server, "--transport=mux", *connections(place, 3), str(place.http().port))
    wait_sessions(server, 0, 1, 2)
    server.kill()
    client.wait_event("offline")
    again = place.server(*server.again(), config=WORKERS)
    client.wait_event("tunnel", 4)
    wait_sessions(again, 0, 1, 2)
    check_crowd(client.tunnel("http"), 50, 25)
    assert "refused" not in again.log() + client.log()


def test_after_kill_9_of_the_client_the_next_one_replaces_all_its_sessions(place):
    """Even if the server has not noticed: nobody tells it that the connections are dead."""
    server, forwarder, first = started(place, 3)
    forwarder.holds_ends = True
    urls = {t.url for t in first.tunnels(2)}
    first.kill()
    second = place.client(server, "--server", forwarder.address, "--transport=mux", *connections(place, 2),
                          str(place.http().port))
    assert {t.url for t in second.tunnels(2)} == urls
    for _ in range(20):
        assert visit.get(second.tunnel("http")).status == 200
    wait_sessions(server, 0, 0, 1, 1, 2)
    check_crowd(second.tunnel("http"), 50, 25)


def test_a_stop_of_the_client_ends_all(place):
    server, _forwarder, client = started(place, 4, *source(place))
    running = downloads(client.tunnel(), 8)
    assert client.terminate() == 0
    assert all(d.result() for d in running)
    server.wait_log(r"is gone, session \d:", 4)


def test_downloads_on_all_connections_outlive_the_server_that_is_being_replaced(place):
    patient = WORKERS + 'limits: { stop = "60s"; };'
    old = place.server(config=patient)
    client = place.client(old, "--transport=mux", "--subdomain=drain", *connections(place, 2), str(place.http().port))
    wait_sessions(old, 0, 1)
    tunnel = client.tunnel("http")
    running = downloads(tunnel, 8)
    listening = old.again()
    old.process.send_signal(signal.SIGTERM)
    old.wait_until_port_is_free(old.tunnel)
    new = place.server(*listening, config=patient)
    client.wait_event("tunnel", 2, url=tunnel.url)
    wait_sessions(new, 0, 1)
    check_crowd(tunnel, 50, 25)
    assert old.is_running(), "it lets its visitors finish"
    assert not any(d.result() for d in running)
    assert old.exit_code() == 0
    assert "refused" not in client.log()


# The server, by hand


def test_only_session_0_may_ask_for_tunnels(place, server):
    first = place.mux_client(server, Instance="life")
    assert first.auth.fields["Sessions"] == 64
    second = place.mux_client(server, client_id=first.client_id, Instance="life", Session=1)
    assert "session 0" in second.request("http")[0].Error
    assert first.tunnel("http", Subdomain="demo") == f"http://demo.localhost:{server.http}"


@pytest.mark.parametrize("fields, why", [
    ({"Session": 1, "Instance": "another"}, "Session 0 of this client has to log in first"),
    ({"Session": 1}, "Session 0 of this client has to log in first"),
    ({"Session": 64, "Instance": "life"}, "The server takes no more sessions of one client"),
])
def test_a_session_that_does_not_belong_is_refused(place, server, fields, why):
    first = place.mux_client(server, Instance="life")
    other = place.mux_client(server, authenticate=False)
    assert other.authenticate(ClientId=first.client_id, **fields).Error == why
    assert other.wire.wait_end() == "fin"
    first.mux.ping()


def test_a_visitor_s_stream_of_a_session_that_is_replaced_goes_on(place, server):
    first = place.mux_client(server, Instance="life")
    second = place.mux_client(server, client_id=first.client_id, Instance="life", Session=1)
    port = int(first.tunnel("tcp").rpartition(":")[2])
    socks = {"127.0.0.1:%d" % s.getsockname()[1]: s for s in (visit.connect(port) for _ in range(2))}
    stream, visitor = second.visitor()
    third = place.mux_client(server, client_id=first.client_id, Instance="life", Session=1)
    more = [visit.connect(port) for _ in range(2)]
    assert third.visitor()[1].Url == visitor.Url
    stream.sendall(b"still here")
    assert socks[visitor.ClientAddr].recv(10) == b"still here"
    for sock in [*socks.values(), *more]:
        sock.close()


def test_a_classic_login_takes_everything_over(place, server):
    first = place.mux_client(server, Instance="life")
    second = place.mux_client(server, client_id=first.client_id, Instance="life", Session=1)
    classic = place.hand_client(server, client_id=first.client_id)
    assert classic.client_id == first.client_id
    for old in first, second:
        old.mux.wait_end()
    classic.ping()


# The client, by hand


def test_a_server_that_knows_one_connection_gets_one(place):
    hand = place.keep(AnyServer(place.certificate(), ALPN))
    client = start(place, hand, "--transport=mux", *connections(place, 2), "--log-level=debug", str(place.http().port))
    control = hand.mux_session()
    hand.grant(control)
    client.tunnels(2)
    client.wait_log("The server takes no more than 1 of the connections")
    control.mux.ping()
    assert len(hand.peers) == 1


def joined(place, *arguments):
    """A server by hand, the client's two sessions, and the Url of its tunnel."""
    hand = place.keep(AnyServer(place.certificate(), ALPN))
    start(place, hand, "--transport=mux", *connections(place, 2), *arguments)
    first = hand.mux_session(Sessions=8)
    url = hand.grant(first)[0]
    return hand, first, hand.mux_session(), url


def test_a_sibling_says_whose_it_is_and_serves_visitors(place):
    hand, first, second, url = joined(place, "--proto", "tcp", str(place.keep(local.EchoService()).port))
    assert "Session" not in first.auth.fields and second.auth.fields["Session"] == 1
    assert second.auth.ClientId == "0123456789abcdef" and second.auth.User == "s3cret"
    assert second.auth.fields["Instance"] == first.auth.fields["Instance"] != ""
    for control in first, second:
        stream = hand.visitor(control, url)
        stream.sendall(b"hello")
        assert stream.recv_exactly(5) == b"hello"


def test_a_visitor_may_come_right_behind_auth_resp(place):
    hand = place.keep(AnyServer(place.certificate(), ALPN))
    start(place, hand, "--transport=mux", *connections(place, 2), "--proto", "tcp", str(place.keep(local.EchoService()).port))
    first = hand.mux_session(Sessions=8)
    url = hand.grant(first)[0]
    mux, _control = hand.unanswered()
    stream = mux.open()
    mux.sendall(message(1, ACK, "AuthResp", ClientId="0123456789abcdef") +
                message(stream.id, SYN, "StartProxy", Url=url, ClientAddr="192.0.2.7:4711"))
    stream.owed = 0
    stream.sendall(b"hello")
    assert stream.recv_exactly(5) == b"hello"


def test_go_away_on_a_sibling_brings_a_new_one_and_its_visitors_go_on(place):
    hand, first, second, url = joined(place, "--proto", "tcp", str(place.keep(local.EchoService()).port))
    stream = hand.visitor(second, url)
    second.mux.sendall(header(GO_AWAY))
    late = hand.visitor(second, url)  # the new one is not here yet
    third = hand.mux_session()
    assert third.auth.fields["Session"] == 1
    for s in stream, late, hand.visitor(third, url):
        s.sendall(b"hello")
        assert s.recv_exactly(5) == b"hello"
    first.mux.ping()


def test_a_sibling_that_is_refused_says_so_once_and_session_0_lives(place):
    hand = place.keep(AnyServer(place.certificate(), ALPN))
    client = start(place, hand, "--transport=mux", *connections(place, 2), "--proto", "http", str(place.http().port))
    first = hand.mux_session(Sessions=8)
    hand.grant(first)
    hand.mux_session(Error="No more, please").mux.wait_end()
    client.wait_log("Session 1 is refused.*No more, please")
    first.mux.ping()
    assert not client.events("offline")
