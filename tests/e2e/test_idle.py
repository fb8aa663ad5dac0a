# SPDX-License-Identifier: LGPL-2.1-or-later
"""Daemons with nothing to do sleep, whatever is open."""

import pathlib
import time

import pytest

import visit

WINDOW = 2  # seconds of looking
WAKE_UPS = 10  # that may fall into it, for timers


def wake_ups(daemon):
    total = 0
    for task in pathlib.Path(f"/proc/{daemon.process.pid}/task").iterdir():
        status = (task / "status").read_text()
        total += sum(int(line.split()[1]) for line in status.splitlines() if "ctxt_switches" in line)
    return total


def cpu_seconds(daemon):
    fields = pathlib.Path(f"/proc/{daemon.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def quiet_in_the_end(daemon):
    """Whether there is a window without work: what just happened may take a while to settle."""
    for _ in range(5):
        before = wake_ups(daemon), cpu_seconds(daemon)
        time.sleep(WINDOW)
        if wake_ups(daemon) - before[0] <= WAKE_UPS and cpu_seconds(daemon) - before[1] <= 0.05:
            return True
    return False


@pytest.mark.parametrize("transport", ["mux", "classic"])
def test_idle_daemons_sleep(place, server, transport):
    client = place.client(server, "--transport", transport, "--subdomain", "demo", place.http().port)
    client.tunnel("http")
    kept = place.keep(visit.connect(server.http))  # has asked and may ask again
    kept.sendall(visit.head("demo.localhost", path="/bytes/a/10"))
    assert visit.read_answer(kept).status == 200
    silent = place.keep(visit.connect(server.http))  # has begun to ask
    silent.sendall(b"GET / HTTP/1.1\r\n")
    assert quiet_in_the_end(server) and quiet_in_the_end(client)
