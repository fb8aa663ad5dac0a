# SPDX-License-Identifier: LGPL-2.1-or-later
"""A line for each request."""

import os
import re
import signal
import time

import local
import visit
from daemons import PATIENCE

LINE = re.compile(r'(\S+) - - \[[^]]+\] "([^"]*)" (\S+) (\S+) "([^"]*)" "([^"]*)"')


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
    assert first == ("203.0.113.9", "GET /1?q HTTP/1.1", "200", "4", "http://\\x22x", "a\\x5Cb")
    assert second == ("127.0.0.1", "HEAD /22 HTTP/1.1", "200", "-", "-", "-")
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
