# SPDX-License-Identifier: LGPL-2.1-or-later
"""The network changes, or time passes without the client: it is back at once, under the same names."""

import asyncio
import hashlib
import os
import random
import shutil
import signal
import subprocess
import threading
import time

import pytest

import local
import visit
from conftest import TRANSPORT
from daemons import PATIENCE, PGROK, SANITIZED, Client, Daemon

TOKEN = "a-word"
SOON = 6 if SANITIZED else 2  # seconds
STOPPED = float(os.environ.get("PGROK_TEST_STOPPED", "6"))  # with 60 the server has given it up meanwhile


def ip(*words):
    subprocess.run(["ip", *map(str, words)], check=True, capture_output=True, timeout=PATIENCE)


class Net:
    """A network namespace, and a link to it."""

    def __init__(self):
        n = random.randrange(1 << 14)
        self.name, self.link, self.prefix = f"pgrok-{n}", f"pg{n}", f"10.{200 + n % 50}.{n // 64}"
        ip("netns", "add", self.name)
        try:
            ip("link", "add", self.link, "type", "veth", "peer", "name", "eth0", "netns", self.name)
            ip("addr", "add", f"{self.prefix}.1/24", "dev", self.link)
            ip("link", "set", self.link, "up")
            self.inside("link", "set", "lo", "up")
            self.inside("link", "set", "eth0", "up")
            self.inside("addr", "add", f"{self.prefix}.2/24", "dev", "eth0")
        except subprocess.SubprocessError:
            self.close()
            raise

    def inside(self, *words):
        ip("-n", self.name, *words)

    def close(self):
        subprocess.run(["ip", "link", "del", self.link], capture_output=True, check=False, timeout=PATIENCE)
        subprocess.run(["ip", "netns", "del", self.name], capture_output=True, check=False, timeout=PATIENCE)


class InsideClient(Client):
    """A client in a namespace; it keeps the process id."""

    def __init__(self, place, net, arguments):
        more = [f"--transport={TRANSPORT}"] if TRANSPORT else []
        Daemon.__init__(self, place, shutil.which("nsenter"),
                        [f"--net=/run/netns/{net.name}", PGROK, "--output", "json", *more, *arguments])


@pytest.fixture
def net(place):
    try:
        net = Net()
    except (OSError, subprocess.SubprocessError):
        pytest.skip("network namespaces need root")
    return place.keep(net)


class Restless:
    """A network that never rests: an address comes and goes."""

    def __init__(self, net):
        self.net = net
        self.is_over = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.is_over.wait(0.1):
            self.net.inside("addr", "add", f"{self.net.prefix}.9/24", "dev", "eth0")
            self.net.inside("addr", "del", f"{self.net.prefix}.9/24", "dev", "eth0")

    def close(self):
        self.is_over.set()
        self.thread.join()


class SlowPath(local.Service):
    """To a server, with a delay as to the other side of the world."""

    def __init__(self, host, port, seconds):
        self.target, self.seconds = (host, port), seconds
        super().__init__(host=host)

    async def serve(self, reader, writer):
        other_reader, other_writer = await asyncio.open_connection(*self.target)
        try:
            await asyncio.gather(self.copy(reader, other_writer), self.copy(other_reader, writer))
        finally:
            other_writer.close()

    async def copy(self, reader, writer):
        while data := await reader.read(1 << 16):
            await asyncio.sleep(self.seconds)
            writer.write(data)
        writer.write_eof()


def start(place, net, *arguments, path=None):
    """A server outside, and a client inside with two tunnels. PATH: makes what is between them."""
    tokens = place.write("tokens", f"alice sha256:{hashlib.sha256(TOKEN.encode()).hexdigest()}\n")
    certificate, key = place.certificate()
    server = place.server(f"--tunnel-listen={net.prefix}.1:0", dev=False,
                          config=f'''domain = "tunnel.test"; tls: {{ certificate = "{certificate}"; key = "{key}"; }};
                          auth: {{ method = "token-file"; token_file = "{tokens}"; }};''')
    der = subprocess.run(["openssl", "pkey", "-in", key, "-pubout", "-outform", "DER"], check=True,
                         capture_output=True).stdout
    port = path(server).port if path else server.tunnel
    client = InsideClient(place, net, ["--server", f"{net.prefix}.1:{port}", "--token", TOKEN, "--pin",
                                       "sha256:" + hashlib.sha256(der).hexdigest(), *arguments, "3000"])
    client.tunnels(2)
    return server, client


def urls(client, which):
    """Of the WHICH-th session."""
    client.wait_event("tunnel", 2 * which)
    return sorted(e["url"] for e in client.events("tunnel")[2 * which - 2:2 * which])


def back_in(client, since, session=2):
    client.wait_event("tunnel", 2 * session)
    seconds = time.monotonic() - since
    print(f"back after {seconds:.2f} s")
    return seconds


def test_another_address(place, net):
    _, client = start(place, net)
    before = urls(client, 1)
    net.inside("addr", "del", f"{net.prefix}.2/24", "dev", "eth0")
    net.inside("addr", "add", f"{net.prefix}.3/24", "dev", "eth0")
    assert back_in(client, time.monotonic()) < SOON
    assert urls(client, 2) == before


def test_another_address_with_several_sessions(place, net):
    config = place.write("four.conf", "client: { connections = 3; };\n")
    _, client = start(place, net, "--config", str(config))
    before = urls(client, 1)
    net.inside("addr", "del", f"{net.prefix}.2/24", "dev", "eth0")
    net.inside("addr", "add", f"{net.prefix}.3/24", "dev", "eth0")
    assert back_in(client, time.monotonic()) < SOON
    assert urls(client, 2) == before


def test_a_link_that_was_down(place, net):
    _, client = start(place, net)
    before = urls(client, 1)
    net.inside("link", "set", "eth0", "down")
    client.wait_event("offline", 2)
    net.inside("link", "set", "eth0", "up")
    assert back_in(client, time.monotonic()) < SOON
    assert urls(client, 2) == before


def test_a_change_that_does_no_harm_disturbs_nothing(place, net):
    _, client = start(place, net, "--log-level", "debug")
    net.inside("addr", "add", f"{net.prefix}.9/24", "dev", "eth0")
    client.wait_log("The network has changed")
    ip("link", "set", net.link, "alias", "something")
    net.inside("addr", "del", f"{net.prefix}.9/24", "dev", "eth0")
    client.wait_log("The network has changed", 2)
    time.sleep(1.5)  # what would end the session ends it within a second
    assert len(client.events("online")) == 1 and not client.events("offline")


def test_a_network_that_never_rests_still_lets_us_connect(place, net):
    place.keep(Restless(net))
    _, client = start(place, net, path=lambda server: place.keep(SlowPath(f"{net.prefix}.1", server.tunnel, 0.2)))
    assert len(client.events("online")) <= 2


def test_a_network_that_never_rests_makes_no_storm(place, net):
    server, client = start(place, net)
    place.keep(Restless(net))
    server.kill()
    client.wait_event("offline")
    since = time.monotonic()
    n = len(client.events("offline"))
    time.sleep(6)
    n = len(client.events("offline")) - n
    print(f"{n} attempts in {time.monotonic() - since:.1f} s")
    assert 3 <= n <= 18


def test_a_server_that_was_away_for_a_while(place, server):
    client = place.client(server, str(place.http().port))
    before = urls(client, 1)
    server.kill()
    client.wait_event("offline", 5)
    place.server(*server.again())
    assert back_in(client, time.monotonic()) < SOON
    assert urls(client, 2) == before


def test_a_client_that_was_stopped(place, server):
    """As by suspend, but for the clock."""
    client = place.client(server, str(place.http().port))
    tunnel = client.tunnel("http")
    before = urls(client, 1)
    os.kill(client.pid, signal.SIGSTOP)
    time.sleep(STOPPED)
    os.kill(client.pid, signal.SIGCONT)
    since = time.monotonic()
    answer = visit.get(tunnel)
    seconds = time.monotonic() - since
    print(f"served after {seconds:.2f} s, {len(client.events('online'))} sessions")
    assert answer.status == 200 and seconds < SOON
    assert urls(client, len(client.events("online"))) == before
