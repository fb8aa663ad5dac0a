# SPDX-License-Identifier: LGPL-2.1-or-later
"""pgrokd is replaced by a new process while visitors come and go: none of them is to notice it."""

import hashlib
import json
import os
import select
import signal
import socket
import subprocess
import threading
import time

import pytest

import koding
import local
import test_reload
import visit
from daemons import PATIENCE, PGROKD, SANITIZED, Server
from test_control import ctl, curl, start_download
from test_reload import Load

DOWNLOAD = 64 * 1024 * 1024
ROUNDS = 3


class Successor:
    """A process that a server has made, which is nobody's child."""

    def __init__(self, place, server, pid):
        self.pid, self.server = pid, server
        self.pidfd = os.pidfd_open(pid)
        place.keep(self)

    def is_running(self):
        return not select.select([self.pidfd], [], [], 0)[0]

    def wait(self):
        assert select.select([self.pidfd], [], [], PATIENCE)[0], f"process {self.pid} does not end"

    def close(self):
        if self.is_running():
            signal.pidfd_send_signal(self.pidfd, signal.SIGTERM)
        self.wait()


def n_ready(server):
    return sum(line.startswith("Ready:") for line in server.lines)


def upgraded(place, server):
    """What runs now, after `pgrokctl upgrade`."""
    before = n_ready(server)
    done = ctl(place, server, "--json", "upgrade")
    server.wait_for(lambda lines: True if sum(x.startswith("Ready:") for x in lines) > before else None, "ready line")
    return Successor(place, server, json.loads(done.stdout)["pid"])


def wait_until(what):
    deadline = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.01)


class Program:
    """A pgrokd in the test's folder, in whose place others are put."""

    def __init__(self, place):
        self.path = place.folder / "pgrokd"
        self.restore()

    def put(self, data):
        self.path.unlink(missing_ok=True)
        self.path.write_bytes(data)
        self.path.chmod(0o755)

    def restore(self):
        self.put(PGROKD.read_bytes())

    def replace(self, *lines):
        self.put("\n".join(["#!/bin/sh", *lines, ""]).encode())


@pytest.fixture
def program(place):
    return Program(place)


def is_refused(place, server, *why):
    """`pgrokctl upgrade` says WHY not, and the server goes on."""
    told = ctl(place, server, "upgrade", expected=1).stderr
    assert all(w in told for w in why), told
    assert server.is_running() and curl(server, "/v1/status")[1]["state"] == "running"


def names(place):
    """Those in the state folder."""
    try:
        text = (place.folder / "state_home/pgrok/server/registry.json").read_text()
        return {n["host"] for n in json.loads(text)["names"]}
    except (FileNotFoundError, json.JSONDecodeError):
        return set()


# ---- visitors of all kinds, over upgrades ----

def new_connections(tunnel, ca=None):
    def visitor():
        while True:
            answer = visit.get(tunnel, ca=ca)
            assert answer.status == 200, (answer.status, answer.body)
            yield
    return visitor


def kept_connections(tunnel, ca=None, path="/"):
    """One connection until its server says that it closes."""
    def visitor():
        while True:
            with visit.connect(tunnel.port, ca, tunnel.host) as sock:
                close = False
                while not close:
                    sock.sendall(visit.head(f"{tunnel.host}:{tunnel.port}", path))
                    answer = visit.read_answer(sock)
                    assert answer.status == 200, (answer.status, answer.body)
                    close = answer.will_close
                    yield
    return visitor


def echoes(tunnel, again):
    def visitor():
        while True:
            with visit.connect(tunnel.port) as sock:
                for i in range(1 if again else 1 << 30):
                    data = b"%08d" % i * 1000
                    sock.sendall(data)
                    assert visit.read_exactly(sock, len(data)) == data
                    yield
    return visitor


def status_works(server):
    def visitor():
        while True:
            assert curl(server, "/v1/status")[0] == 200
            yield
    return visitor


def steps(load):
    return dict(load.counts)


def wait_steps(load, more=5):
    """Until each visitor has been served so often."""
    before = steps(load)
    wait_until(lambda: load.faults or all(load.counts.get(k, 0) >= before.get(k, 0) + more for k in before))
    assert not load.faults, load.faults


def under_load(place, server, arguments):
    http, echo = place.http(), place.keep(local.EchoService())
    client = place.client(server, *arguments, "--proto", "http+https", str(http.port))
    ssh = place.client(server, *arguments, "--proto", "tcp", str(echo.port)).tunnel()
    plain, secure, ca = client.tunnel("http"), client.tunnel("https"), place.ca()
    load = Load()
    load.add("http", new_connections(plain))
    load.add("http kept", kept_connections(plain))
    load.add("https", new_connections(secure, ca))
    load.add("https kept", kept_connections(secure, ca))
    load.add("tcp", echoes(ssh, True))
    load.add("tcp kept", echoes(ssh, False))
    load.add("status", status_works(server))
    wait_until(lambda: load.faults or len(load.counts) == 7)
    assert not load.faults, load.faults
    return load


@pytest.mark.parametrize("arguments", [["--transport=mux"], ["--transport=classic"]], ids=["mux", "classic"])
def test_no_visitor_fails_over_upgrades(place, arguments):
    server = place.server()
    load = under_load(place, server, arguments)
    for _ in range(ROUNDS):
        wait_steps(load)
        upgraded(place, server)
        wait_steps(load)
    load.finish()
    assert server.process.wait(PATIENCE) == 0  # it has nothing in hand any more


def test_no_visitor_fails_with_several_connections_a_client(place):
    server = place.server()
    config = place.write("connections.conf", "client: { connections = 4; };\n")
    load = under_load(place, server, ["--transport=mux", f"--config={config}"])
    for _ in range(ROUNDS):
        wait_steps(load)
        upgraded(place, server)
        wait_steps(load)
    load.finish()


class KodingService:
    """A client of koding/tunnel that answers each request, and comes back a moment after it was sent away."""

    def __init__(self, server):
        self.server, self.over, self.n_sessions = server, False, 0
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.over:
            try:
                self.client = koding.KodingClient(self.server.http, "token-of-alice")
                self.n_sessions += 1
                while True:
                    stream = self.client.take()
                    koding.read_head(stream)
                    koding.reply(stream, b"koding")
            except (AssertionError, OSError, KeyError):
                continue  # what it had is closed when it is forgotten

    def close(self):
        self.over = True
        self.client.wire.sock.shutdown(socket.SHUT_RDWR)
        self.thread.join(PATIENCE)


def test_no_visitor_of_a_koding_client_fails(place):
    token = hashlib.sha256(b"token-of-alice").hexdigest()
    tokens = place.write("tokens", f"alice sha256:{token} koding=plain hosts=k.example.org\n")
    certificate, key = place.certificate()
    server = place.server(dev=False, config=f"""domain = "tunnel.test"; auth: {{ method = "token-file";
        token_file = "{tokens}"; }}; tls: {{ certificate = "{certificate}"; key = "{key}"; }};""")
    service = place.keep(KodingService(server))
    wait_until(lambda: visit.exchange(server.http, visit.head("k.example.org")).status == 200)

    def visitor():
        while True:
            answer = visit.exchange(server.http, visit.head("k.example.org"))
            assert answer.status == 200, (answer.status, answer.body)
            yield

    load = Load()
    load.add("koding", visitor)
    wait_until(lambda: load.counts)
    for n in range(2, 2 + ROUNDS):
        upgraded(place, server)
        wait_until(lambda n=n: load.faults or service.n_sessions >= n)
        wait_steps(load)
    load.finish()


# ---- what is under way ----

@pytest.mark.parametrize("protocol", ["http", "https"])
def test_a_download_goes_on_over_upgrades(place, server, protocol):
    tunnel, ca = place.client(server, str(place.http().port)).tunnel(protocol), place.ca()
    n = int(os.environ.get("PGROK_TEST_BYTES", DOWNLOAD))
    seen = hashlib.sha256()
    with visit.connect(tunnel.port, ca if protocol == "https" else None, tunnel.host) as sock:
        sock.sendall(visit.head(f"{tunnel.host}:{tunnel.port}", f"/bytes/big/{n}"))
        data = b""
        while b"\r\n\r\n" not in data:
            data += sock.recv(65536)
        body = data.partition(b"\r\n\r\n")[2]
        seen.update(body)
        left, upgrades = n - len(body), 0
        while left:
            if left < n * (2 - upgrades) // 3 and upgrades < 2:
                upgrades += 1
                upgraded(place, server)
            data = sock.recv(65536)
            assert data, f"{left} bytes are missing"
            seen.update(data)
            left -= len(data)
    assert upgrades == 2 and seen.hexdigest() == local.digest("big", n)
    assert server.process.wait(PATIENCE) == 0


def test_a_kept_connection_goes_on_in_the_new_process(place, server):
    tunnel = place.client(server, str(place.http().port)).tunnel("http")
    with visit.connect(tunnel.port) as sock:
        for _ in range(ROUNDS):
            sock.sendall(visit.head(tunnel.host))
            assert visit.read_answer(sock).status == 200
            upgraded(place, server)
        sock.sendall(visit.head(tunnel.host))
        assert visit.read_answer(sock).status == 200


def test_a_kept_https_connection_is_asked_to_come_anew(place, server):
    tunnel, ca = place.client(server, str(place.http().port)).tunnel("https"), place.ca()
    with visit.connect(tunnel.port, ca, tunnel.host) as sock:
        sock.sendall(visit.head(tunnel.host))
        assert not visit.read_answer(sock).will_close
        upgraded(place, server)
        n = 3_000_000
        sock.sendall(visit.head(tunnel.host, "/sha256", "POST", {"Content-Length": n}))
        for block in local.blocks("up", n):
            sock.sendall(block)
        answer = visit.read_answer(sock)
        assert answer.text == local.digest("up", n) and answer.will_close
        assert sock.recv(1) == b""
    assert server.process.wait(PATIENCE) == 0


def test_a_request_that_is_half_here_is_answered(place, server):
    tunnel = place.client(server, str(place.http().port)).tunnel("http")
    request = visit.head(tunnel.host, "/half")
    with visit.connect(tunnel.port) as sock, visit.connect(tunnel.port) as silent:
        sock.sendall(request[:20])
        upgraded(place, server)
        sock.sendall(request[20:])
        assert visit.read_answer(sock).status == 200
        silent.sendall(request)
        assert visit.read_answer(silent).status == 200


def test_a_visitor_who_waits_for_a_client_waits_in_the_new_process(place, server):
    hand = place.hand_client(server)
    http, tcp = hand.tunnel("http", Subdomain="demo"), hand.tunnel("tcp", Subdomain="ssh")
    host, port = http.split("/")[2], int(tcp.rpartition(":")[2])
    with visit.connect(server.http) as web, visit.connect(port) as ssh:
        ssh.sendall(b"hello")  # asks for a proxy connection, in vain
        web.sendall(visit.head(host))
        for _ in range(2):
            hand.expect("ReqProxy")
        upgraded(place, server)
        while hand.receive():
            pass
        back = place.hand_client(server, client_id=hand.client_id)
        assert (back.tunnel("http", Subdomain="demo"), back.tunnel("tcp", Subdomain="ssh")) == (http, tcp)
        proxies = [back.proxy(), back.proxy()]
        urls = {p.expect("StartProxy").Url: p for p in proxies}
        assert urls[tcp].wire.recv(5) == b"hello"
        assert urls[http].wire.recv(4) == b"GET "


def test_a_visitor_is_seen_with_its_own_address(place, server):
    tunnel, ca = place.client(server, str(place.http().port)).tunnel("https"), place.ca()
    with visit.connect(tunnel.port, ca, tunnel.host) as sock:
        upgraded(place, server)
        sock.sendall(visit.head(tunnel.host))
        headers = json.loads(visit.read_answer(sock).body)["headers"]
    assert headers["x-forwarded-for"] == "127.0.0.1" and headers["x-forwarded-proto"] == "https"


def test_visitors_hardly_wait(place, server):
    tunnel = place.client(server, "--transport=mux", str(place.http().port)).tunnel("http")
    longest, over = [0.0], threading.Event()

    def visit_on():
        while not over.is_set():
            begin = time.monotonic()
            assert visit.get(tunnel).status == 200
            longest[0] = max(longest[0], time.monotonic() - begin)

    threads = [threading.Thread(target=visit_on) for _ in range(2)]
    for thread in threads:
        thread.start()
    for _ in range(ROUNDS):
        upgraded(place, server)
    over.set()
    for thread in threads:
        thread.join(PATIENCE)
    print(f"the longest request took {longest[0] * 1000:.0f} ms")
    assert longest[0] < (5 if SANITIZED else 0.9)  # less than a client waits that has lost its server


# ---- what stays ----

def test_names_and_ports_stay_with_who_had_them(place, server):
    hand = place.hand_client(server)
    name, port = hand.tunnel("http"), hand.tunnel("tcp", Subdomain="ssh")
    upgraded(place, server)
    label = name.split("/")[2].partition(".")[0]
    thief = place.hand_client(server)
    assert thief.request("http", Subdomain=label)[0].Error
    assert thief.tunnel("tcp", Subdomain="ssh") != port
    back = place.hand_client(server, client_id=hand.client_id)
    assert (back.tunnel("http"), back.tunnel("tcp", Subdomain="ssh")) == (name, port)


def test_only_the_new_process_writes_the_state(place, server):
    hand = place.hand_client(server)
    hand.tunnel("http", Subdomain="old")
    new = upgraded(place, server)
    place.hand_client(server).tunnel("http", Subdomain="new")
    assert server.process.wait(PATIENCE) == 0
    new.close()
    assert names(place) == {"old.localhost", "new.localhost"}


def test_a_changed_configuration_is_in_force(place):
    server = place.server(config='metrics_listen = "127.0.0.1:0"; limits: { tunnels_per_client = 1; };')
    config = place.folder / "pgrokd.conf"
    config.write_text(config.read_text().replace("tunnels_per_client = 1", "tunnels_per_client = 2"))
    upgraded(place, server)
    hand = place.hand_client(server)
    hand.tunnel("http", Subdomain="a")
    hand.tunnel("http", Subdomain="b")
    assert b"pgrokd_tunnels" in visit.exchange(server.metrics, visit.head("localhost", "/metrics")).body


def test_the_new_process_reads_its_configuration_again(place, server):
    upgraded(place, server)
    ctl(place, server, "reload")
    assert visit.exchange(server.http, visit.head("nobody.localhost")).status == 404


def test_addresses_stay_as_far_as_they_are_configured(place):
    both = {"http_listen": '[ "127.0.0.1:0", "127.0.0.2:0" ]', "https_listen": '[ "127.0.0.1:0" ]',
            "tunnel_listen": '[ "127.0.0.1:0" ]'}

    def write(**changes):
        text = " ".join(f"{key} = {value};" for key, value in {**both, **changes}.items())
        return place.write("listen.conf", f"server: {{ {text} }};\n")

    server = Server(place, ["--dev", "--config", write()])
    upgraded(place, server)
    write(http_listen='[ "127.0.0.1:0" ]')
    upgraded(place, server)
    first, second, third = (line.split() for line in server.lines if line.startswith("Ready:"))
    assert first == second  # the same ports, of both addresses
    assert third == [word.partition(",")[0] for word in first]
    port = first[2].partition(",")[2].rpartition(":")[2]
    wait_until(lambda: test_reload.is_refused(int(port), "127.0.0.2"))  # once the old process has let go


# ---- what goes wrong ----

def test_a_program_that_is_none_changes_nothing(place, program):
    server = place.server(program=program.path)
    tunnel = place.client(server, str(place.http().port)).tunnel("http")
    program.put(b"nonsense")
    is_refused(place, server, "can't be started")
    program.path.unlink()
    is_refused(place, server, "No such file")
    program.replace("exit 1")
    is_refused(place, server, "ended before it was ready")
    assert visit.get(tunnel).status == 200
    place.hand_client(server).tunnel("http", Subdomain="later")
    wait_until(lambda: "later.localhost" in names(place))
    program.restore()
    upgraded(place, server)
    assert visit.get(tunnel).status == 200


def test_a_faulty_configuration_changes_nothing(place):
    server = place.server(config='names: { grace = "5min"; };')
    config = place.folder / "pgrokd.conf"
    right = config.read_text()
    config.write_text(right.replace("grace", "grce"))
    is_refused(place, server, f"{config}:1:", "grce")
    config.write_text(right)
    upgraded(place, server)


def test_an_address_that_is_taken_changes_nothing(place):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = place.server(config='names: { grace = "5min"; };')
        config = place.folder / "pgrokd.conf"
        port = taken.getsockname()[1]
        config.write_text(f'server: {{ metrics_listen = "127.0.0.1:{port}"; }};\n')
        is_refused(place, server, "in use")
    upgraded(place, server)


def test_a_new_process_that_fails_late_leaves_the_state_to_the_old_one(place, program):
    server = place.server(program=program.path)
    hand = place.hand_client(server)
    hand.tunnel("http", Subdomain="mine")
    program.put(b"#!" + str(fake_successor(place)).encode() + b"\n")
    is_refused(place, server, "ended before it was ready")
    hand.tunnel("http", Subdomain="more")
    wait_until(lambda: names(place) == {"mine.localhost", "more.localhost"})
    program.restore()
    upgraded(place, server)
    back = place.hand_client(server, client_id=hand.client_id)
    back.tunnel("http", Subdomain="mine")


def fake_successor(place):
    """Says that it is prepared, spoils the state when it gets it, and ends."""
    path = place.folder / "fake"
    path.write_text(f"""#!/usr/bin/python3
import socket
channel = socket.socket(fileno=3)
channel.send(b"prepared")
assert channel.recv(100) == b"go"
open("{place.folder}/state_home/pgrok/server/registry.json", "w").write("spoilt")
""")
    path.chmod(0o755)
    return path


@pytest.mark.slow
def test_a_new_process_that_hangs_is_given_up(place, program):
    server = place.server(program=program.path)
    program.replace(f"echo $$ >{place.folder}/pid", "exec sleep 600")
    done = subprocess.run(["curl", "-sS", "-X", "POST", "--max-time", "90", "--unix-socket", server.control_socket,
                           "http://localhost/v1/upgrade"], capture_output=True, text=True, timeout=100, check=True)
    assert "in time" in done.stdout
    pid = int((place.folder / "pid").read_text())
    wait_until(lambda: not os.path.exists(f"/proc/{pid}"))
    program.restore()
    upgraded(place, server)


def test_a_stop_ends_an_upgrade(place, program):
    server = place.server(program=program.path)
    hand = place.hand_client(server)
    hand.tunnel("http", Subdomain="mine")
    program.replace(f"echo $$ >{place.folder}/pid", "exec sleep 600")
    server.process.send_signal(signal.SIGUSR2)
    wait_until(lambda: (place.folder / "pid").exists() and (place.folder / "pid").read_text().strip())
    is_refused_now = ctl(place, server, "upgrade", expected=1).stderr
    assert "under way" in is_refused_now
    assert "hand over" in ctl(place, server, "reload", expected=1).stderr
    server.process.terminate()
    assert server.process.wait(PATIENCE) == 0
    pid = int((place.folder / "pid").read_text())
    wait_until(lambda: not os.path.exists(f"/proc/{pid}"))
    assert names(place) == {"mine.localhost"}


# ---- again, and otherwise ----

def test_a_second_upgrade_while_one_drains(place, server):
    tunnel = place.client(server, str(place.http().port)).tunnel("http")
    first = start_download(tunnel)
    middle = upgraded(place, server)
    second = start_download(tunnel)
    last = upgraded(place, server)
    assert server.is_running() and middle.is_running() and last.is_running()
    assert visit.get(tunnel).status == 200
    first.close()
    assert server.process.wait(PATIENCE) == 0
    second.close()
    middle.wait()
    assert visit.get(tunnel).status == 200


def test_sigusr2_upgrades(place, server):
    tunnel = place.client(server, str(place.http().port)).tunnel("http")
    server.process.send_signal(signal.SIGUSR2)
    server.wait_log(r"The process (\d+) serves now")
    pid = int(server.log().partition("The process ")[2].split()[0])
    Successor(place, server, pid)
    assert server.process.wait(PATIENCE) == 0
    assert visit.get(tunnel).status == 200


def test_a_process_that_has_been_replaced_does_not_drain_for_ever(place):
    server = place.server(config='limits: { drain = "1s"; };')
    tunnel = place.client(server, str(place.http().port)).tunnel("http")
    with start_download(tunnel) as sock:
        upgraded(place, server)
        assert server.process.wait(PATIENCE) == 0
        with pytest.raises(ConnectionResetError):
            visit.read_all(sock)
