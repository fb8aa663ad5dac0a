# SPDX-License-Identifier: LGPL-2.1-or-later
"""Clients of koding/tunnel."""

import hashlib
import select
import signal
import socket
import struct
import threading

import pytest

import koding
import visit
from classic import dial
from daemons import free_port_range
from koding import CONNECTED, HTTP, TCP, WEBSOCKET, KodingClient, read_head, reply
from yamux import DATA, SYN, UPDATE, WINDOW, header

ALICE, BOB, CAROL, DAVE = (f"secret-of-{name}" for name in ("alice", "bob", "carol", "dave"))
HOST = "x.example.org"


def with_tokens(place, ports=None, config=""):
    tcp = f"tcp_ports={ports}" if ports else ""
    users = [("alice", ALICE, f"koding=plain hosts={HOST},Y.example.org:8080 "
                              f"local_ports=3000,8000-8100 {tcp}"),
             ("bob", BOB, "koding=tls hosts=bob.example.org"),
             ("carol", CAROL, "hosts=carol.example.org"),
             ("dave", DAVE, f"koding=plain hosts={HOST},dave.example.org")]
    tokens = place.write("tokens", "".join(
        f"{name} sha256:{hashlib.sha256(token.encode()).hexdigest()} {keys}\n" for name, token, keys in users))
    cert, key = place.certificate()
    return place.server(dev=False, config=f"""
        domain = "tunnel.test"; tcp_ports = "{ports or free_port_range(2)}";
        tls: {{ certificate = "{cert}"; key = "{key}"; }};
        auth: {{ method = "token-file"; token_file = "{tokens}"; }};
        {config}""")


@pytest.fixture
def server(place):
    return with_tokens(place)


@pytest.fixture
def connect(place, server):
    def connect(identifier=ALICE, tls=False, host=HOST, **options):
        client = place.keep(KodingClient(server.https if tls else server.http, identifier, tls, **options))
        if options.get("handshake", True):
            wait_for_host(server, client, host)
        return client
    return connect


def wait_for_host(server, client, host):
    """Until its tunnels are there: visitors get 502 before."""
    while (status := outcome(client, server, host)) != 200:
        assert status == 502


def outcome(client, server, host=HOST):
    """What a visitor gets, who is answered by the client if it is asked."""
    with ask(server, host) as sock:
        while not select.select([sock], [], [], 0)[0]:
            ended = client.mux.ended or client.control.end
            if client.wire.sock in select.select([sock, *([] if ended else [client.wire.sock])], [], [])[0]:
                client.mux.step()
            if client.control.data:
                stream = client.take()
                read_head(stream)
                reply(stream, b"ready")
                stream.shutdown()
        return visit.read_answer(sock).status


def ask(server, host=HOST, path="/", **options):
    sock = visit.connect(server.http)
    sock.sendall(visit.head(host, path, **options))
    return sock


def serve(client, sock, body=b"hello"):
    stream = client.take()
    request = read_head(stream)
    reply(stream, body)
    answer = visit.read_answer(sock)
    assert answer.status == 200 and answer.body == body
    return stream, request


def status(server, host=HOST, **options):
    return visit.exchange(server.http, visit.head(host, **options)).status


def test_a_request_reaches_the_client(server, connect):
    client = connect()
    with ask(server, path="/page") as sock:
        stream, request = serve(client, sock)
        assert request.startswith(b"GET /page HTTP/1.1\r\n")
        assert stream.n_acks == 1


@pytest.mark.parametrize("options", [
    {"field": "x-ktunnel-identifier"}, {"field": "X-KTUNNEL-IDENTIFIER"}, {"path": "/_controlPath"},
    {"path": "/x/..//_controlPath/"}, {"early": True}])
def test_a_client_may_write_it_otherwise(server, connect, options):
    client = connect(**options)
    with ask(server) as sock:
        serve(client, sock)


def test_a_client_may_come_over_https(server, connect):
    client = connect(BOB, tls=True, host="bob.example.org")
    with ask(server, "bob.example.org") as sock:
        serve(client, sock)


def test_https_visitors_are_served_too(place, server, connect):
    client = connect()
    with koding.tls_client(server.https).sock as raw:
        raw.close()
    wire = koding.tls_client(server.https)
    wire.sendall(visit.head(HOST))
    stream = client.take()
    read_head(stream)
    reply(stream, b"secret")
    assert wire.recv(4096).endswith(b"secret")
    wire.close()


def test_a_thousand_requests(server, connect):
    client = connect()
    for i in range(1000):
        with ask(server, path=f"/{i}") as sock:
            stream, request = serve(client, sock, b"%d" % i)
            assert request.startswith(b"GET /%d " % i)


def test_visitors_of_one_moment_get_their_streams_in_order(server, connect):
    client = connect()
    socks = [ask(server, path=f"/{i}") for i in range(100)]
    streams = [client.take() for _ in socks]
    for stream in streams:
        path = read_head(stream).split()[1]
        reply(stream, path)
    for i, sock in enumerate(socks):
        assert visit.read_answer(sock).body == b"/%d" % i
        sock.close()


def test_keep_alive_needs_no_other_stream(server, connect):
    client = connect()
    with ask(server, path="/0") as sock:
        stream, _ = serve(client, sock)
        for i in range(1, 20):
            sock.sendall(visit.head(HOST, f"/{i}"))
            assert read_head(stream).startswith(b"GET /%d " % i)
            reply(stream, b"%d" % i)
            assert visit.read_answer(sock).body == b"%d" % i


def test_a_large_answer_arrives_whole(server, connect):
    client = connect()
    body = bytes(range(256)) * (8 * WINDOW // 256)
    with ask(server) as sock:
        stream = client.take()
        read_head(stream)
        sock.settimeout(None)
        got = []
        thread = threading.Thread(target=lambda: got.append(visit.read_answer(sock).body))
        thread.start()
        reply(stream, body)
        thread.join()
        assert got == [body]


def test_a_websocket_is_asked_for_as_such(server, connect):
    client = connect()
    with ask(server, headers={"Connection": "Upgrade", "Upgrade": "WebSocket"}) as sock:
        stream = client.take(WEBSOCKET, 0)
        assert b"Upgrade: WebSocket" in read_head(stream)
        stream.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        assert visit.read_exactly(sock, 12) == b"HTTP/1.1 101"
        sock.sendall(b"ping")
        assert stream.recv(4) == b"ping"


def test_tcp_ports_lead_to_the_client(place):
    ports = free_port_range(2)
    server = with_tokens(place, ports)
    client = place.keep(KodingClient(server.http, ALICE))
    for port in map(int, ports.split("-")):
        while True:
            try:
                sock = visit.connect(port)
                break
            except ConnectionRefusedError:
                client.mux.ping()
        with sock:
            stream = client.take(TCP, port)
            stream.sendall(b"hello")
            assert visit.read_exactly(sock, 5) == b"hello"
            sock.sendall(b"there")
            assert stream.recv_exactly(5) == b"there"


@pytest.mark.parametrize("host, port", [
    (HOST, 0), (f"{HOST}:3000", 3000), (f"{HOST}:8100", 8100), (f"{HOST}:22", 0), (f"{HOST}:8101", 0),
    (f"{HOST}:2999", 0), ("Y.example.ORG:8080", 8080)])
def test_a_visitor_chooses_a_port_only_where_it_may(server, connect, host, port):
    client = connect()
    with ask(server, host):
        client.take(HTTP, port)


def test_the_server_s_own_ports_are_said(server, connect):
    client = connect()
    for port in (server.http, server.https):
        with ask(server, f"{HOST}:{port}"):
            client.take(HTTP, port)


def test_a_host_with_a_port_is_that_one_only(server, connect):
    connect()
    assert status(server, "y.example.org") == 404
    assert status(server, "y.example.org:8081") == 404


def test_another_port_is_the_host_without_one(server, connect):
    client = connect()
    with ask(server, f"{HOST}:4711") as sock:
        serve(client, sock)


def test_an_unknown_identifier_gets_502(server):
    code, text = koding.refusal(server.http, koding.head("nobody"))
    assert code == 502 and "token" in text
    assert ALICE not in server.log() and "nobody" not in server.log()


@pytest.mark.parametrize("data", [
    koding.head(""), koding.head("x" * 1000), b"CONNECT /_controlPath/ HTTP/1.1\r\nHost: a\r\n\r\n"])
def test_a_missing_or_long_identifier_gets_502(server, data):
    assert koding.refusal(server.http, data)[0] == 502


def test_a_token_without_koding_gets_502(server):
    code, text = koding.refusal(server.http, koding.head(CAROL))
    assert code == 502 and "koding=tls" in text


def test_a_secret_for_https_is_refused_over_http(server):
    code, text = koding.refusal(server.http, koding.head(BOB))
    assert code == 502 and "https" in text


@pytest.mark.parametrize("data, code", [
    (koding.head(ALICE, method="GET"), 405), (koding.head(ALICE, method="POST"), 405),
    (koding.head(ALICE, path="/other"), 405), (koding.head(ALICE, path="a.test:443"), 405),
    (koding.head(ALICE, path="/other", method="GET"), 404)])
def test_another_method_or_path_is_no_client(server, data, code):
    assert koding.refusal(server.http, data)[0] == code


def test_a_known_host_gets_502_before_its_client_has_ever_come(server):
    for host in (HOST, "y.example.org:8080", "bob.example.org"):
        assert status(server, host) == 502
    assert status(server, "carol.example.org") == 404


def test_a_host_without_its_client_gets_502(server, connect):
    client = connect()
    client.close()
    for _ in range(20):
        assert status(server) == 502


def test_a_client_may_come_back(server, connect):
    for _ in range(5):
        client = connect()
        with ask(server) as sock:
            serve(client, sock)
        client.close()


def test_a_new_session_replaces_the_old_one_whose_visitors_go_on(server, connect):
    old = connect()
    with ask(server, path="/old") as sock:
        stream = old.take()
        read_head(stream)
        new = connect()
        assert old.control.end or old.control.wait_end()
        with ask(server, path="/new") as other:
            serve(new, other)
        reply(stream, b"from the old one")
        assert visit.read_answer(sock).body == b"from the old one"


def test_a_host_that_a_token_loses_is_nobody_s_at_once(place, server, connect):
    client = connect()
    tokens = place.folder / "tokens"
    place.write("tokens", tokens.read_text().replace(f"hosts={HOST},", "hosts="))
    client.mux.wait_end()
    assert any(status(server) == 404 for _ in range(100))


def test_a_host_of_another_user_is_left_to_it(server, connect):
    alice = connect()
    dave = connect(DAVE, host="dave.example.org")
    assert "belongs to another user" in server.log()
    with ask(server) as sock:
        serve(alice, sock)
    with ask(server, "dave.example.org") as sock:
        serve(dave, sock)


def test_classic_connections_don_t_reach_the_session(server, connect):
    client = connect()
    for ident in ("koding", "alice", hashlib.sha256(ALICE.encode()).hexdigest()):
        peer = dial(server.tunnel)
        peer.send("RegProxy", ClientId=ident)
        peer.expect_end()
        peer.close()
    with ask(server) as sock:
        serve(client, sock)


def test_a_visitor_that_gives_up_keeps_its_place(server, connect):
    client = connect()
    with ask(server, path="/gone") as sock:
        assert client.message()["transportProtocol"] == HTTP
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    with ask(server, path="/here") as sock:
        assert client.message()["transportProtocol"] == HTTP
        first, second = client.open(), client.open()
        assert read_head(second).startswith(b"GET /here ")
        reply(second, b"hello")
        assert visit.read_answer(sock).body == b"hello"
    assert first.wait_end() == "rst" and first.n_acks == 1


@pytest.mark.slow
def test_a_client_that_opens_no_stream_costs_its_visitor_a_504(server, connect):
    client = connect()
    with ask(server, path="/slow") as sock:
        assert client.message()
        assert visit.read_answer(sock).status == 504
    with ask(server, path="/next") as sock:
        assert client.message()
        late, stream = client.open(), client.open()
        assert late.wait_end() == "rst"
        assert read_head(stream).startswith(b"GET /next ")


def test_a_visitor_s_end_is_kept_from_the_client(server, connect):
    """Which would drop the rest of its answer."""
    client = connect()
    with ask(server) as sock:
        sock.shutdown(socket.SHUT_WR)
        stream = client.take()
        read_head(stream)
        for i in range(5):
            client.mux.ping(i)
            assert not stream.end
        reply(stream, b"whole")
        assert visit.read_answer(sock).body == b"whole"


def test_an_answer_that_does_not_say_its_end_ends_by_idling(place):
    server = with_tokens(place, config='limits: { keepalive = "300ms"; };')
    client = place.keep(KodingClient(server.http, ALICE))
    wait_for_host(server, client, HOST)
    with ask(server) as sock:
        stream = client.take()
        read_head(stream)
        for part in (b"HTTP/1.1 200 OK\r\n\r\n", b"some", b"thing"):
            stream.sendall(part)
        answer = visit.read_answer(sock)
        assert answer.body == b"something"
    assert stream.wait_end() == "rst"


def test_a_service_that_is_down_is_the_client_s_to_tell(server, connect):
    client = connect()
    with ask(server) as sock:
        stream = client.take()
        stream.sendall(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 15\r\n\r\nno local server")
        stream.shutdown()
        answer = visit.read_answer(sock)
        assert answer.status == 503 and answer.body == b"no local server"


def test_a_reset_stream_is_a_502(server, connect):
    client = connect()
    with ask(server) as sock:
        client.take().reset()
        assert visit.read_answer(sock).status == 502


def test_a_client_that_is_lost_while_visitors_wait_costs_them_a_502(server, connect):
    client = connect()
    with ask(server) as sock:
        assert client.message()
        client.wire.reset()
        assert visit.read_answer(sock).status == 502


HOSTILE = {
    "no handshake": b"controlHandShake",
    "garbage": b"controlHandshake]]]",
    "a NUL": b"controlHandshake{}\0",
    "endless JSON": b"controlHandshake\"" + b"a" * 8192,
    "deep JSON": b"controlHandshake" + b"[" * 4096,
}


@pytest.mark.parametrize("said", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_control_stream_ends_the_session(server, connect, said):
    client = connect(handshake=False)
    client.control.frame(UPDATE)
    client.control.sendall(said)
    client.mux.wait_end()
    assert status(server) == 502


def test_whatever_json_a_client_says_is_ignored(server, connect):
    client = connect()
    client.control.sendall(b'{"a":[1,{"b":null}]}\n 7 "x" {} ' * 500)
    with ask(server) as sock:
        serve(client, sock)


def test_a_stream_that_nobody_asked_for_ends_the_session(server, connect):
    client = connect()
    client.open()
    client.mux.wait_end()
    assert status(server) == 502


@pytest.mark.parametrize("frame", [
    header(DATA, SYN, 2), header(UPDATE, SYN, 1), header(9), header(DATA, 0, 0), header(DATA, 0, 1, 1 << 31)])
def test_what_is_no_yamux_ends_the_session(server, connect, frame):
    client = connect()
    client.wire.sendall(frame)
    client.mux.wait_end()
    assert status(server) == 502


@pytest.mark.slow
def test_a_handshake_that_does_not_come_ends_the_session(server, connect):
    for said in (b"", b"control"):
        client = connect(handshake=False)
        if said:
            client.control.sendall(said)
        client.mux.wait_end()


def test_the_secret_stays_out_of_the_log(place, server, connect):
    connect()
    assert ALICE not in server.log()


def test_a_stop_is_an_end_of_the_control_stream(place, server, connect):
    client = connect()
    with ask(server) as sock:
        stream = client.take()
        read_head(stream)
        server.process.send_signal(signal.SIGTERM)
        assert client.control.wait_end() == "fin"
        reply(stream, b"finished")
        assert visit.read_answer(sock).body == b"finished"
        stream.reset()
        client.mux.wait_end()
    assert server.exit_code() == 0
