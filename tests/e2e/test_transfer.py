# SPDX-License-Identifier: LGPL-2.1-or-later
"""Large transfers arrive whole, and memory stays bounded. PGROK_TEST_BYTES sets their size."""

import hashlib
import os
import threading

import pytest

import local
import visit
from daemons import SANITIZED

N_BYTES = int(os.environ.get("PGROK_TEST_BYTES", 64 * 1024 * 1024))
# Of a daemon's memory, whatever the transfer's size; a mux stream may have a window of 16 MiB besides.
GROWTH_MAX = {"classic": 8 << 20, "mux": 24 << 20}


class Flat:
    """Fails if a daemon's memory has grown by more than GROWTH_MAX meanwhile."""

    def __init__(self, *daemons, transport=os.environ.get("PGROK_TEST_TRANSPORT") or "mux"):
        self.most = GROWTH_MAX[transport]
        self.before = [(d, d.memory()) for d in daemons]

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        for daemon, before in self.before:
            grown = daemon.memory("VmHWM") - before
            assert kind or SANITIZED or grown < self.most, f"{daemon.name} grew by {grown >> 20} MiB"


def receive_digest(sock, n):
    h, left = hashlib.sha256(), n
    while left > 0 and (part := sock.recv(min(left, 256 * 1024))):
        h.update(part)
        left -= len(part)
    return h.hexdigest(), left


def open_http(place, protocol):
    server = place.server()
    client = place.client(server, str(place.http().port))
    tunnel = client.tunnel(protocol)
    ca = place.ca() if protocol == "https" else None
    visit.get(tunnel, ca=ca)  # so that what is allocated once is there
    return server, client, tunnel, ca


@pytest.mark.parametrize("protocol", ["http", "https"])
def test_a_large_download_is_intact(place, protocol):
    server, client, tunnel, ca = open_http(place, protocol)
    with Flat(server, client), visit.connect(tunnel.port, ca, tunnel.host) as sock:
        sock.sendall(visit.head(tunnel.host, f"/bytes/large/{N_BYTES}"))
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += sock.recv(1)
        assert receive_digest(sock, N_BYTES) == (local.digest("large", N_BYTES), 0)


@pytest.mark.parametrize("protocol", ["http", "https"])
def test_a_large_upload_is_intact(place, protocol):
    server, client, tunnel, ca = open_http(place, protocol)
    with Flat(server, client):
        answer = visit.post(tunnel, "/sha256", local.blocks("up", N_BYTES), N_BYTES, ca)
        assert answer.text == local.digest("up", N_BYTES)


def test_a_large_tcp_download_is_intact_and_ends(place, server):
    service = place.keep(local.SourceService())
    client = place.client(server, "--proto", "tcp", str(service.port))
    with visit.connect(client.tunnel().port) as sock, Flat(server, client):
        sock.sendall(f"tcp {N_BYTES}\n".encode())
        assert receive_digest(sock, N_BYTES) == (local.digest("tcp", N_BYTES), 0)
        assert sock.recv(1) == b""


def test_a_large_tcp_upload_is_intact_and_answered_after_its_end(place, server):
    service = place.keep(local.DigestService())
    client = place.client(server, "--proto", "tcp", str(service.port))
    with visit.connect(client.tunnel().port) as sock, Flat(server, client):
        for block in local.blocks("up", N_BYTES):
            sock.sendall(block)
        sock.shutdown(1)
        assert visit.read_all(sock).decode() == f"{N_BYTES} {local.digest('up', N_BYTES)}\n"


def test_both_directions_of_a_tcp_connection_flow_at_once(place, server):
    service = place.keep(local.EchoService())
    client = place.client(server, "--proto", "tcp", str(service.port))
    n = N_BYTES // 2
    with visit.connect(client.tunnel().port) as sock, Flat(server, client):
        def send():
            for block in local.blocks("echo", n):
                sock.sendall(block)
            sock.shutdown(1)

        sender = threading.Thread(target=send)
        sender.start()
        assert receive_digest(sock, n) == (local.digest("echo", n), 0)
        assert sock.recv(1) == b""
        sender.join()


def test_a_visitor_who_does_not_read_costs_no_memory(place, server):
    service = place.keep(local.SourceService())
    client = place.client(server, "--proto", "tcp", str(service.port))
    tunnel = client.tunnel()
    with Flat(server, client):
        lazy = [visit.connect(tunnel.port) for _ in range(8)]
        for sock in lazy:
            sock.sendall(f"lazy {N_BYTES}\n".encode())
        with visit.connect(tunnel.port) as brisk:  # is not stalled by them
            brisk.sendall(f"brisk {N_BYTES}\n".encode())
            assert receive_digest(brisk, N_BYTES) == (local.digest("brisk", N_BYTES), 0)
        for sock in lazy:
            sock.close()


def test_a_service_that_does_not_read_costs_no_memory(place, server):
    service = place.keep(local.SilentService())
    client = place.client(server, "--proto", "tcp", str(service.port))
    with visit.connect(client.tunnel().port) as sock, Flat(server, client):
        sock.settimeout(2)  # by then every buffer on the way is full
        with pytest.raises(TimeoutError):
            for block in local.blocks("never read", 1 << 30):
                sock.sendall(block)
