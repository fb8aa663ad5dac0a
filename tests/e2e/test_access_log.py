# SPDX-License-Identifier: LGPL-2.1-or-later
"""A line for each request."""

import os
import re
import signal
import threading
import time

import local
import visit
from daemons import PATIENCE

LINE = re.compile(r'(\S+) - - \[[^]]+\] "([^"]*)" (\S+) (\S+) "([^"]*)" "([^"]*)" (\d+\.\d{6})')


def wait_lines(path, n):
    deadline = time.monotonic() + PATIENCE
    while not path.exists() or len(lines := path.read_text().splitlines()) < n:
        assert time.monotonic() < deadline, path.exists() and path.read_text()
        time.sleep(0.02)
    return [LINE.fullmatch(line).groups() for line in lines]


def start(place, target, config=""):
    server = place.server(config=f'access_log = "{target}"; {config}')
    service = place.keep(local.OriginService())
    return server, place.client(server, str(service.port)).tunnel("http")


def test_each_request_has_its_line(place):
    log = place.folder / "access.log"
    server, tunnel = start(place, log, 'trusted_proxies = [ "127.0.0.1" ];')
    headers = {"Referer": 'http://"x', "User-Agent": "a\\b", "X-Forwarded-For": "203.0.113.9", "Authorization": "x"}
    with visit.connect(tunnel.port) as sock:
        sock.sendall(visit.head(tunnel.host, "/1?q", headers=headers) + visit.head(tunnel.host, "/22", "HEAD")
                     + visit.head("nobody.localhost", "/3", headers={"Connection": "close"}))
        visit.read_all(sock)
    first, second, third = wait_lines(log, 3)
    assert all(0 < float(line[-1]) < PATIENCE for line in (first, second, third))
    assert first[:-1] == ("203.0.113.9", "GET /1?q HTTP/1.1", "200", "4", "http://\\x22x", "a\\x5Cb")
    assert second[:-1] == ("127.0.0.1", "HEAD /22 HTTP/1.1", "200", "-", "-", "-")
    assert third[:3] == ("127.0.0.1", "GET /3 HTTP/1.1", "404")


def test_a_reload_opens_the_file_anew(place):
    log = place.folder / "access.log"
    server, tunnel = start(place, log)
    visit.get(tunnel)
    wait_lines(log, 1)
    log.rename(place.folder / "access.log.1")
    os.kill(server.pid, signal.SIGHUP)
    server.wait_log("read again")
    visit.get(tunnel, "/after")
    assert wait_lines(log, 1)[0][1].startswith("GET /after ")


def test_the_journal_may_have_it(place):
    server, tunnel = start(place, "journal")
    visit.get(tunnel, "/here")
    server.wait_log('"GET /here HTTP/1.1" 200 5')


def test_no_line_is_lost_while_the_file_is_rotated(place):
    """As logrotate does it, again and again, with visitors on several workers and connections."""
    log, n_threads, n_each, n_rotations = place.folder / "access.log", 8, 400, 12
    server, tunnel = start(place, log, "workers = 2;")

    def ask(thread):
        with visit.connect(tunnel.port) as sock:
            data = b"".join(visit.head(tunnel.host if i % 4 else "nobody.localhost", f"/{thread}/{i}") for i in range(n_each - 1))
            sock.sendall(data + visit.head(tunnel.host, f"/{thread}/{n_each - 1}", headers={"Connection": "close"}))
            visit.read_all(sock)

    def n_lines():
        return sum(path.read_bytes().count(b"\n") for path in place.folder.glob("access.log*"))

    wanted = {f"GET /{t}/{i} HTTP/1.1" for t in range(n_threads) for i in range(n_each)}
    threads = [threading.Thread(target=ask, args=(t,)) for t in range(n_threads)]
    for thread in threads:
        thread.start()
    for i in range(n_rotations):
        before = n_lines()
        while any(t.is_alive() for t in threads) and n_lines() < before + len(wanted) // (2 * n_rotations):
            time.sleep(0.001)
        log.rename(place.folder / f"access.log.{i}")
        os.kill(server.pid, signal.SIGHUP)
        server.wait_log("read again", i + 1)
    for thread in threads:
        thread.join()
    lines = [line for path in place.folder.glob("access.log*") for line in path.read_text().splitlines()]
    assert len(lines) == len(wanted) and {LINE.fullmatch(line)[2] for line in lines} == wanted
    counts = sorted(path.read_text().count("\n") for path in place.folder.glob("access.log*"))
    print(f"{len(lines)} lines in {len(counts)} files: {counts}")


def test_it_may_be_turned_off_and_on_by_a_reload(place):
    log = place.folder / "access.log"
    config = place.write("pgrokd.conf", f'server: {{ access_log = "{log}"; }};\n')
    server = place.server("--config", str(config))
    visit.exchange(server.http, visit.head("nobody.localhost", "/logged"))
    wait_lines(log, 1)
    for i, (target, path) in enumerate((("off", "/unseen"), (log, "/seen"))):
        place.write("pgrokd.conf", f'server: {{ access_log = "{target}"; }};\n')
        os.kill(server.pid, signal.SIGHUP)
        server.wait_log("read again", i + 1)
        visit.exchange(server.http, visit.head("nobody.localhost", path))
    assert [line[1].split()[1] for line in wait_lines(log, 2)] == ["/logged", "/seen"]
