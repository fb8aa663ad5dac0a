# SPDX-License-Identifier: LGPL-2.1-or-later
"""Many visitors at once."""

import asyncio
import hashlib
import resource
import time

import local
import visit
from daemons import PATIENCE

N_VISITORS = 500
N_DOWNLOADS = 2000
N_AT_ONCE = 250


def raise_descriptor_limit():
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def download(tunnel, path, n, tls=None):
    """Digest and length of the body, which must have N bytes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", tunnel.port, ssl=tls,
                                                   server_hostname=tunnel.host if tls else None)
    writer.write(visit.head(tunnel.host, path, headers={"Connection": "close"}))
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 "), head
    h, left = hashlib.sha256(), n
    while left > 0 and (part := await reader.read(min(left, 64 * 1024))):
        h.update(part)
        left -= len(part)
    writer.close()
    assert left == 0, f"{path}: {left} bytes are missing"
    return h.hexdigest()


def size(i):
    return 1000 + i * 7919 % 60_000


async def crowd(tunnel, n, at_once, tls=None):
    gate = asyncio.Semaphore(at_once)

    async def one(i):
        async with gate:
            return await download(tunnel, f"/bytes/{i}/{size(i)}", size(i), tls)

    return await asyncio.wait_for(asyncio.gather(*(one(i) for i in range(n))), 6 * PATIENCE)


def check(place, protocol, n, at_once, config="limits: { pending = 4096; };"):
    raise_descriptor_limit()
    server = place.server(config=config)
    client = place.client(server, str(place.http().port))
    tunnel = client.tunnel(protocol)
    tls = visit.trust(place.ca()) if protocol == "https" else None
    digests = asyncio.run(crowd(tunnel, n, at_once, tls))
    for i, seen in enumerate(digests):
        assert seen == local.digest(i, size(i)), f"visitor {i} got another one's bytes"
    assert server.is_running() and client.is_running()


def test_500_visitors_at_the_same_instant_all_get_their_own_answer(place):
    check(place, "http", N_VISITORS, N_VISITORS)


def test_500_visitors_at_once_need_no_configuration(place):
    check(place, "http", N_VISITORS, N_VISITORS, config="")


def test_2000_parallel_downloads_never_mix(place):
    check(place, "http", N_DOWNLOADS, N_AT_ONCE)


def test_https_downloads_never_mix(place):
    check(place, "https", N_VISITORS // 2, 50)


def test_descriptors_do_not_leak(place, server):
    """The pool of waiting proxies may differ, and what closes in its own time."""
    client = place.client(server, str(place.http().port))
    tunnel = client.tunnel("http")
    asyncio.run(crowd(tunnel, 50, 50))
    before = server.n_descriptors() + client.n_descriptors()
    for _ in range(6):
        asyncio.run(crowd(tunnel, 50, 50))
    deadline = time.monotonic() + PATIENCE
    while (after := server.n_descriptors() + client.n_descriptors()) > before + 40:
        assert time.monotonic() < deadline, (before, after)
        time.sleep(0.05)
