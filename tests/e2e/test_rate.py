# SPDX-License-Identifier: LGPL-2.1-or-later
"""So many bytes a second: of a tunnel, of a user, and evenly for those who share them."""

import hashlib
import threading
import time

import visit

RATE = 500_000
BYTES = 600_000
BURST = RATE // 5 + 4 * RATE // 20  # what was not used before, and the shares at hand


def timed_get(tunnel, n_bytes=BYTES):
    begin = time.monotonic()
    assert len(visit.get(tunnel, f"/bytes/rate/{n_bytes}").body) == n_bytes
    return time.monotonic() - begin


def test_a_tunnel_has_its_rate(place):
    server = place.server(config=f'limits: {{ rate_per_tunnel = "{RATE}"; }};')
    client = place.client(server, str(place.http().port))
    assert timed_get(client.tunnel("http")) >= (BYTES - BURST) / RATE


def test_a_user_s_rate_is_shared_evenly_by_its_tunnels(place):
    token = "a" * 43
    tokens = place.write("tokens", f"ann sha256:{hashlib.sha256(token.encode()).hexdigest()} rate={RATE}\n")
    server = place.server("--auth", "token-file", "--token-file", str(tokens))
    client = place.client(server, "--token", token, str(place.http().port), str(place.http().port))
    first, second = [t for t in client.tunnels(4) if t.protocol == "http"]
    taken = {}

    def fetch(tunnel):
        taken[tunnel] = timed_get(tunnel)

    threads = [threading.Thread(target=fetch, args=(t,)) for t in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert min(taken.values()) >= (2 * BYTES - BURST) / RATE * 0.7  # the other one had half of it meanwhile
    assert max(taken.values()) >= (2 * BYTES - BURST) / RATE
