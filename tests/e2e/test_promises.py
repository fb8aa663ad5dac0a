# SPDX-License-Identifier: LGPL-2.1-or-later
"""What those who run a server are promised about its users, with many of them at once."""

import asyncio
import hashlib
import pathlib
import re
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
import time

import pytest

import daemons
import koding
import local
import visit
from classic import Peer
from daemons import PATIENCE, SANITIZED, free_port_range
from hook import ALICE, BOB, SECRET, Hook, allow, http
from koding import KodingClient
from test_auth import Tokens, line, wait
from test_control import NOBODY, ctl, curl
from test_koding import ask, serve, wait_for_host
from test_koding import status as status_of
from test_koding import with_tokens
from test_tokens import token
from test_webhook import hook_config, hooked, login
from wire import Wire

SECOND = 3 if SANITIZED else 1


# Many users

def cpu_of_logins(place, tokens, names):
    """Seconds of the server's processor for a login of each of NAMES."""
    before = tokens.server.cpu_seconds()
    for name in names:
        hand = place.hand_client(tokens.server, token=name)
        assert not hand.auth.Error
        hand.close()
    return (tokens.server.cpu_seconds() - before) / len(names)


def test_a_login_costs_the_same_among_ten_and_ten_thousand_users(place, tmp_path):
    few = Tokens(place, *(line(f"user{i}", f"token-{i}") for i in range(10)))
    (tmp_path / "many").mkdir()
    place.folder = tmp_path / "many"
    many = Tokens(place, *(line(f"user{i}", f"token-{i}") for i in range(10000)))
    costs = {}
    for _ in range(2):  # what happens once is in the first round
        costs = {tokens: cpu_of_logins(place, tokens, [f"token-{i % n}" for i in range(0, 200 * n // 10, n // 10)])
                 for tokens, n in ((few, 10), (many, 10000))}
    print(f"a login: {costs[few] * 1e6:.0f} us of CPU among 10 users, {costs[many] * 1e6:.0f} us among 10000")
    assert costs[many] < 2 * costs[few] + 0.0005


# Nobody takes what is another's

def gets_nothing(peer):
    """It is refused a tunnel, or its connection ends."""
    try:
        while message := peer.receive():
            if message.kind == "NewTunnel":
                return bool(message.Error)
    except AssertionError as fault:
        return "the session is over" in str(fault)
    return True


@pytest.mark.parametrize("kind", ["hand_client", "mux_client"])
@pytest.mark.parametrize("away", [False, True], ids=["present", "away"])
def test_alice_gets_nothing_of_bob_s(place, kind, away):
    tokens = Tokens(place, line("alice", ALICE, "hosts=*.example.org"), line("bob", BOB, "hosts=*.example.org"))
    connect, service = getattr(place, kind), place.http()
    bob = place.hand_client(tokens.server, token=BOB, Instance="bobs-process")
    bob.tunnel("http", Subdomain="b")
    bob.tunnel("https", Hostname="x.example.org")
    port = int(bob.tunnel("tcp").rpartition(":")[2])
    bob.serve(service.port)
    if away:
        bob.close()
        wait(lambda: "is gone" in tokens.server.log(), "logout")
    theirs = [("http", {"Subdomain": "b"}), ("https", {"Subdomain": "B"}), ("http+https", {"Subdomain": " b "}),
              ("http", {"Hostname": "b.tunnel.test"}), ("https+http", {"Hostname": "B.Tunnel.Test"}),
              ("http", {"Hostname": "b.tunnel.test."}), ("http", {"Hostname": "X.example.org"}),
              ("http+https+tcp", {"Subdomain": "b"}), ("tcp", {"RemotePort": port}),
              ("http+tcp", {"Subdomain": "free", "RemotePort": port})]
    alice = connect(tokens.server, token=ALICE)
    for protocol, fields in theirs:
        assert alice.request(protocol, **fields)[0].Error, (protocol, fields)
    for fields in ({}, {"Session": 1}, {"Session": 1, "Instance": "bobs-process"}, {"Instance": "bobs-process"}):
        thief = connect(tokens.server, authenticate=False)
        assert thief.authenticate(User=ALICE, ClientId=bob.client_id, **fields).Error, fields
        thief.expect_end()
    early = connect(tokens.server, authenticate=False)
    early.ask("http", Subdomain="b")
    assert gets_nothing(early)
    for kind_of_message, fields in (("Auth", {"Version": "2", "User": BOB, "ClientId": bob.client_id}),
                                    ("RegProxy", {"ClientId": bob.client_id})):
        again = connect(tokens.server, token=ALICE)
        again.send(kind_of_message, **fields)
        again.ask("http", Subdomain="b")
        assert gets_nothing(again)
    if away:
        assert tokens.status("free.tunnel.test") == 404
        bob = place.hand_client(tokens.server, token=BOB, client_id=bob.client_id)
        assert bob.tunnel("tcp", RemotePort=port)
    else:
        assert tokens.status("b.tunnel.test") == 200


# Revoking

@pytest.mark.parametrize("transport", ["mux", "classic"])
def test_pgrokctl_revokes_within_a_second(place, transport):
    tokens = Tokens(place, line("alice", ALICE), line("bob", BOB))
    echo, service = place.keep(local.EchoService()), place.http()
    clients = [place.client(tokens.server, "--ca-file", place.folder / "cert.pem", "--token", ALICE, f"--transport={transport}",
                            *options, dev=False) for options in
               (["--proto=http", "--subdomain=a", service.port], ["--proto=tcp", echo.port])]
    for client in clients:
        client.expected_exit = None
        client.wait_event("tunnel")
    port = int(clients[1].events("tunnel")[0]["url"].rpartition(":")[2])
    with visit.connect(port) as tcp, visit.connect(tokens.server.http) as web:
        tcp.sendall(b"hello")
        assert visit.read_exactly(tcp, 5) == b"hello"
        web.sendall(visit.head("a.tunnel.test"))
        assert visit.read_answer(web).status == 200
        token(place, "--token-file", tokens.path, "revoke", "alice")
        began = time.monotonic()
        for joined in (tcp, web):
            with pytest.raises(ConnectionResetError):
                assert joined.recv(1) == b"?"
        cut = time.monotonic() - began
        wait(lambda: tokens.status("a.tunnel.test") == 404, "404", timeout=SECOND)
        tokens.server.wait_until_port_is_free(port)
        gone = time.monotonic() - began
    print(f"{transport}: visitors cut after {cut:.2f} s, names and ports gone after {gone:.2f} s")
    assert gone < SECOND


# A slow webhook

@pytest.mark.slow
def test_two_hundred_tunnels_go_on_while_the_webhook_takes_five_seconds(place):
    hook = place.keep(Hook())
    server = place.server(config=hook_config(hook.url, secret_file=place.write("secret", SECRET), timeout="8s", cache="0")
                          + "limits: { tunnels_per_client = 50; };")
    service = place.http()
    clients = [place.client(server, "--token", ALICE, "--proto=http", *[service.port] * 50) for _ in range(4)]
    tunnels = [t for c in clients for t in c.tunnels(50)]
    assert len({t.url for t in tunnels}) == 200
    hook.hold()
    logins = [place.hand_client(server, authenticate=False) for _ in range(2)]
    began = time.monotonic()
    logins[0].send("Auth", Version="2", User=BOB)
    slowest = 0
    for i, tunnel in enumerate(tunnels):
        start = time.monotonic()
        assert visit.get(tunnel, f"/bytes/{i}/10000").body == local.content(str(i), 10000)
        slowest = max(slowest, time.monotonic() - start)
    threading.Timer(max(0, 5 - (time.monotonic() - began)), hook.go).start()
    assert not logins[0].expect("AuthResp").Error
    waited = time.monotonic() - began
    assert waited >= 4.9, "the login waits"
    hook.hold()
    began = time.monotonic()
    logins[1].send("Auth", Version="2", User=BOB)
    assert "did not answer in time" in logins[1].expect("AuthResp").Error
    assert 7.5 < time.monotonic() - began < 8 + PATIENCE / 2
    print(f"200 tunnels, the slowest answer after {slowest:.3f} s; a login after {waited:.1f} s")
    assert slowest < SECOND
    hook.go()
    hook.close()
    assert login(place, server, BOB)[1].Error
    assert re.search("refused: .*(refused|connect)", server.log())
    assert visit.get(tunnels[0]).status == 200


# Guessing

def test_a_thousand_wrong_tokens_are_slowed_down_and_nobody_else_is(place):
    tokens = Tokens(place, line("alice", ALICE), arguments=["--log-level=debug"])
    context = ssl._create_unverified_context()  # noqa: SLF001
    looked_at, guesses = 0, [f"wrong-guess-{i}" for i in range(1000)]
    crowd = []
    for guess in guesses:
        try:
            hand = Peer(Wire(socket.create_connection(("127.0.0.1", tokens.server.tunnel), PATIENCE), context))
            hand.send("Auth", Version="2", User=guess)
            crowd.append(hand)
        except (OSError, AssertionError):
            continue  # there are too many of this address
    began = time.monotonic()
    elsewhere = socket.create_connection(("127.0.0.1", tokens.server.tunnel), PATIENCE, ("127.0.0.2", 0))
    alice = place.keep(Peer(Wire(elsewhere, context)))
    alice.send("Auth", Version="2", User=ALICE)
    assert not alice.expect("AuthResp").Error
    took = time.monotonic() - began
    for hand in crowd:
        try:
            looked_at += "know this token" in hand.receive().Error
        except (OSError, AttributeError):
            pass
        hand.close()
    print(f"of 1000 wrong tokens {looked_at} were looked at; another address was in after {took:.3f} s")
    assert 0 < looked_at < 20 + 10 * SANITIZED and took < SECOND
    assert not any(guess in tokens.server.log() for guess in guesses) and ALICE not in tokens.server.log()


# Secrets

class Journal:
    """A journal of a test's own: what is said to the socket that it binds."""

    def __init__(self, folder):
        (folder / "journal").mkdir(parents=True)
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(str(folder / "journal/socket"))
        self.data = b""
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while part := self.sock.recv(1 << 20):
            self.data += part + b"\n"

    def close(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as last:
            last.connect(self.sock.getsockname())
            last.send(b"")
        self.thread.join(PATIENCE)
        self.sock.close()


def mounted(place, source, target, program, before=""):
    """A program that runs PROGRAM with SOURCE in the place of TARGET, which nobody else sees."""
    path = place.write(f"with-{pathlib.Path(program).name}-{target.replace('/', '-')}", f"""#!/bin/sh
{before}
exec unshare -m sh -c 'mount --bind "{source}" {target} && exec "{program}" "$@"' - "$@"
""", 0o700)
    return path


def can_mount():
    return subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode == 0


class Proxy(local.Service):
    """Passes CONNECT on, and remembers what it is told."""

    head = b""

    async def serve(self, reader, writer):
        self.head = await reader.readuntil(b"\r\n\r\n")
        host, _, port = self.head.split()[1].decode().rpartition(":")
        far_reader, far_writer = await asyncio.open_connection(host, int(port))
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")

        async def copy(source, target):
            while data := await source.read(65536):
                target.write(data)
                await target.drain()
            target.close()

        await asyncio.gather(copy(reader, far_writer), copy(far_reader, writer))


@pytest.mark.skipif(not can_mount(), reason="only root can have a journal of its own")
def test_no_secret_is_in_any_log_or_field_of_the_journal(place, monkeypatch):
    journal = place.keep(Journal(place.folder / "systemd"))
    stream = 'export JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2)'
    for name in ("PGROKD", "PGROK"):
        monkeypatch.setattr(daemons, name, mounted(place, place.folder / "systemd", "/run/systemd", getattr(daemons, name), stream))
    monkeypatch.setattr("conftest.LOG_LEVEL", "debug")
    hook, proxy, service = place.keep(Hook()), place.keep(Proxy()), place.http()
    hook.reply = lambda question: http(allow() if question["token"] == ALICE else b"{}") if question["event"] == "login" else http(allow())
    server = hooked(place, hook.url, secret=SECRET)
    client = place.client(server, "--log-level=debug", "--token", ALICE, "--http-auth", "someone:password-of-visitors", "--http-proxy",
                          f"http://user:password-of-proxy@127.0.0.1:{proxy.port}", "--subdomain=a", service.port)
    tunnel = client.tunnel("http")
    right = {"Authorization": "Basic c29tZW9uZTpwYXNzd29yZC1vZi12aXNpdG9ycw=="}
    assert visit.get(tunnel).status == 401 and visit.get(tunnel, headers=right).status == 200
    hand = place.hand_client(server, token=ALICE, client_id="client-id-of-the-hand-client")
    hand.tunnel("http", Subdomain="b", HttpAuth="other:password-of-hand-visitors")
    assert login(place, server, "wrong-token")[1].Error
    koding.refusal(server.http, koding.head("wrong-identifier"))
    assert b"Proxy-Authorization" in proxy.head
    ids = [f.read_text().strip() for f in place.folder.glob("state_home/**/*") if f.is_file() and "client" in f.name]
    wait(lambda: b"wrong" in journal.data or b"Refused a client" in journal.data, "the journal")
    text = journal.data.decode(errors="replace") + "".join(d.log() + "\n".join(d.lines) for d in place.daemons)
    assert "PGROK_EVENT=login" in text and "PGROK_USER=alice" in text and "PGROK_CLIENT=" in text
    for secret in (ALICE, SECRET, "wrong-token", "wrong-identifier", "client-id-of-the-hand-client", "password-of-visitors",
                   "password-of-hand-visitors", "password-of-proxy", "c29tZW9uZTp", "dXNlcjpwYXNzd29yZC1vZi1wcm94eQ", *ids):
        assert secret not in text, secret
    assert hashlib.sha256(ALICE.encode()).hexdigest() not in text


# koding/tunnel

def test_a_koding_client_has_its_day(place):
    ports = free_port_range(1)
    server = with_tokens(place, ports)
    client = place.keep(KodingClient(server.http, "secret-of-alice"))
    wait_for_host(server, client, "x.example.org")
    for i in range(1000):
        with ask(server, path=f"/{i}") as sock:
            stream, request = serve(client, sock, str(i).encode())
            assert request.startswith(f"GET /{i} ".encode())
            stream.shutdown()
    with ask(server, headers={"Connection": "Upgrade", "Upgrade": "websocket"}) as sock:
        stream = client.take(koding.WEBSOCKET)
        koding.read_head(stream)
        stream.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        assert visit.read_exactly(sock, 12) == b"HTTP/1.1 101"
        sock.sendall(b"ping")
        assert stream.recv_exactly(4) == b"ping"
    port = int(ports.split("-")[0])
    with visit.connect(port) as sock:
        stream = client.take(koding.TCP, port)
        sock.sendall(b"hello")
        assert stream.recv_exactly(5) == b"hello"
    client.close()
    client = place.keep(KodingClient(server.http, "secret-of-alice"))
    wait_for_host(server, client, "x.example.org")
    assert status_of(server, "added.example.org") == 404
    ctl(place, server, "host", "add", "added.example.org", "alice")
    with ask(server, "added.example.org") as sock:
        serve(client, sock)
    ctl(place, server, "host", "remove", "added.example.org", "alice")
    assert status_of(server, "added.example.org") == 404
    with ask(server) as sock:
        serve(client, sock)


# Administrators

@pytest.mark.skipif(not can_mount(), reason="only root can have a database of groups of its own")
def test_members_of_the_group_are_let_in(place, monkeypatch):
    group = 54321
    groups = place.write("group", f"root:x:0:\npgrok-admin:x:{group}:\n", 0o644)
    folder = pathlib.Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    place.runtime = folder / "run"
    monkeypatch.setattr(daemons, "PGROKD", mounted(place, groups, "/etc/group", daemons.PGROKD))
    somebody = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}"]
    try:
        server = place.server()
        assert server.control_socket.stat().st_gid == group
        assert curl(server, "/v1/status", command=[*somebody, f"--groups={group}"])[0] == 200
        assert curl(server, "/v1/status", command=["setpriv", f"--reuid={NOBODY}", f"--regid={group}", "--clear-groups"])[0] == 200
        with pytest.raises(subprocess.CalledProcessError):
            curl(server, "/v1/status", command=[*somebody, "--clear-groups"])
        server.terminate()
    finally:
        shutil.rmtree(folder)
