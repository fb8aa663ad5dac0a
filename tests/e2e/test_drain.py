# SPDX-License-Identifier: LGPL-2.1-or-later
"""A server that stops while another takes its place."""

import signal
import subprocess

import visit

SIZE = 64 * 1024 * 1024
PATIENT = 'limits: { stop = "60s"; };'


def test_a_download_outlives_the_server_that_is_being_replaced(place):
    old = place.server(config=PATIENT)
    client = place.client(old, "--transport=mux", "--subdomain=drain", str(place.http().port))
    tunnel = client.tunnel("http")
    seen = place.folder / "seen"
    download = subprocess.Popen(["curl", "-sf", "--limit-rate", "16M", "-o", str(seen), "-H", f"Host: {tunnel.host}",
                                 f"http://127.0.0.1:{tunnel.port}/bytes/1/{SIZE}"])
    try:
        while not (seen.exists() and seen.stat().st_size > 0):
            assert download.poll() is None
        listening = old.again()
        old.process.send_signal(signal.SIGTERM)
        old.wait_until_port_is_free(old.tunnel)
        new = place.server(*listening, config=PATIENT)
        client.wait_event("tunnel", 2, url=tunnel.url)
        answer = visit.get(tunnel, "/bytes/2/1000")
        assert answer.status == 200 and len(answer.body) == 1000
        assert old.is_running(), "it lets its visitor finish"
        assert download.wait(60) == 0
        assert seen.stat().st_size == SIZE
        assert old.exit_code() == 0
        assert new.is_running()
    finally:
        download.kill()
        download.wait()
