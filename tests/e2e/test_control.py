# SPDX-License-Identifier: LGPL-2.1-or-later
"""The control API of pgrokd, by curl and by pgrokctl."""

import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import pytest

import local
import visit
from daemons import PATIENCE, PGROKCTL

TRANSFER = 16 * 1024 * 1024
NOBODY = 65534


def ctl(place, server, *arguments, expected=0):
    done = subprocess.run([PGROKCTL, "--socket", server.control_socket, *arguments], capture_output=True, text=True,
                          env=place.env, timeout=PATIENCE, stdin=subprocess.DEVNULL)
    assert done.returncode == expected, (done.stdout, done.stderr)
    assert bool(done.stderr) == (expected != 0)
    return done


def curl(server, path, method="GET", body=None, command=()):
    """Status and JSON."""
    data = ["-d", json.dumps(body)] if body is not None else []
    done = subprocess.run([*command, "curl", "-sS", "--max-time", str(PATIENCE), "-X", method, *data,
                           "-w", "\n%{http_code}", "--unix-socket", server.control_socket, f"http://localhost{path}"],
                          capture_output=True, text=True, check=True, timeout=PATIENCE)
    text, _, status = done.stdout.rpartition("\n")
    return int(status), json.loads(text)


def listed(server, what, find=lambda found: found):
    """The list under /v1/WHAT once FIND likes it."""
    deadline = time.monotonic() + PATIENCE
    while True:
        found = curl(server, f"/v1/{what}")[1]
        if find(found[what]):
            return found[what]
        assert time.monotonic() < deadline, found
        time.sleep(0.01)


def start_download(tunnel, n=TRANSFER):
    """A transfer that has begun, and stands still until somebody reads on."""
    sock = visit.connect(tunnel.port)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
    sock.sendall(visit.head(tunnel.host, f"/bytes/slow/{n}"))
    assert visit.read_exactly(sock, 12) == b"HTTP/1.1 200"
    return sock


def test_status_and_lists_say_what_there_is(place, server):
    client = place.client(server, "--subdomain", "demo", str(place.http().port))
    tunnels = client.tunnels(2)
    status, found = curl(server, "/v1/status")
    assert status == 200 and found["state"] == "running" and found["domain"] == "localhost"
    assert found["clients"] == 1 and found["tunnels"] == 2 and found["uptime"] >= 0
    assert {"kind": "http", "address": f"127.0.0.1:{server.http}"} in found["listeners"]
    assert {t["url"] for t in curl(server, "/v1/tunnels")[1]["tunnels"]} == {t.url for t in tunnels}
    [only] = listed(server, "clients", lambda found: found and found[0]["tunnels"] == 2)
    assert len(only["client"]) == 12 and only["transport"] in ("mux", "classic") and only["address"]
    assert abs(only["since"] - time.time()) < PATIENCE
    assert f"Client {only['client']} has logged in" in server.log()


def test_a_client_with_several_connections_is_one_and_is_kicked_whole(place, server):
    config = place.write("connections.conf", "client: { connections = 4; };\n")
    client = place.client(server, "--config", config, "--transport=mux", str(place.http().port))
    server.wait_log("has logged in from .*, session [123]$", 3)
    [only] = listed(server, "clients", lambda found: found and found[0]["tunnels"] == 2)
    assert curl(server, "/v1/clients")[1]["total"] == curl(server, "/v1/status")[1]["clients"] == 1
    ctl(place, server, "kick", only["client"])
    server.wait_log("it was kicked", 4)
    client.wait_event("tunnel", 4)


def test_a_connection_is_listed_with_its_live_bytes(place, server):
    tunnel = place.client(server, str(place.http().port)).tunnel("http")
    with start_download(tunnel) as sock:
        [only] = listed(server, "connections", lambda found: found and found[0]["bytes_out"] > 0)
        assert only["visitor"] == "%s:%d" % sock.getsockname() and only["tunnel"] == tunnel.url
        assert only["proto"] == "http" and 0 < only["bytes_out"] < TRANSFER and only["bytes_in"] > 0
        assert only["client"] == curl(server, "/v1/clients")[1]["clients"][0]["client"]
        assert curl(server, "/v1/status")[1]["connections"] == 1
    listed(server, "connections", lambda found: not found)


def test_lists_are_cut_at_the_limit(place, server):
    tunnel = place.client(server, str(place.http().port)).tunnel("http")
    held = [start_download(tunnel) for _ in range(5)]
    listed(server, "connections", lambda found: len(found) == 5)
    found = curl(server, "/v1/connections?limit=2")[1]
    assert len(found["connections"]) == 2 and found["total"] == 5
    assert curl(server, "/v1/connections?limit=0")[1] == {"connections": [], "total": 5}
    for sock in held:
        sock.close()


@pytest.mark.parametrize("method, path, body, status", [
    ("GET", "/", None, 404), ("GET", "/v1/status/", None, 404), ("POST", "/v1/status", None, 405),
    ("GET", "/v1/drain", None, 405), ("GET", "/v1/connections?limit=-1", None, 400),
    ("GET", "/v1/connections?limit=1000000000", None, 400), ("GET", "/v1/clients?limit=x", None, 400),
    ("POST", "/v1/clients/0123456789ab/kick", None, 404), ("GET", "/v1/clients/0123456789ab/kick", None, 405),
    ("POST", "/v1/clients/../kick", None, 404), ("POST", "/v1/clients/0123456789ABC/kick", None, 404),
    ("POST", "/v1/log-level", {"level": "loud"}, 400), ("POST", "/v1/log-level", {"level": 7}, 400),
    ("POST", "/v1/log-level", None, 400), ("POST", "/v1/hosts", {"host": "a b", "name": "alice"}, 400),
    ("POST", "/v1/hosts", {"host": "a.example.org"}, 400), ("POST", "/v1/hosts", ["a.example.org"], 400),
    ("DELETE", "/v1/hosts", {"host": "a.example.org", "name": "alice"}, 404),
    ("POST", "/v1/hosts", {"host": "a.example.org", "name": "a" * 70000}, 413),
], ids=lambda v: str(v)[:40])
def test_what_can_not_be_done_is_refused_with_a_sentence(server, method, path, body, status):
    answer = curl(server, path, method, body)
    assert answer[0] == status and answer[1]["error"]
    assert curl(server, "/v1/status")[0] == 200


def test_curl_and_pgrokctl_say_the_same(place, server):
    client = place.client(server, str(place.http().port))
    client.tunnels(2)
    listed(server, "clients", lambda found: found and found[0]["tunnels"] == 2)
    for what in ("tunnels", "clients", "connections"):
        assert json.loads(ctl(place, server, "--json", what).stdout) == curl(server, f"/v1/{what}")[1]
        assert len(ctl(place, server, what).stdout.splitlines()) == 1 + len(curl(server, f"/v1/{what}")[1][what])
    text = ctl(place, server, "status").stdout
    assert "running" in text and "Clients      1 of 10000\n" in text and "Tunnels      2\n" in text
    assert all(t.url in ctl(place, server, "tunnels").stdout for t in client.tunnels(2))


def test_kick_ends_a_client_and_its_transfers_and_it_comes_back(place, server):
    client = place.client(server, str(place.http().port))
    tunnel = client.tunnel("http")
    other = place.client(server, "--subdomain", "other", str(place.http().port))
    kept = start_download(other.tunnel("http"))
    label = {t["url"]: t["client"] for t in curl(server, "/v1/tunnels")[1]["tunnels"]}[tunnel.url]
    with start_download(tunnel) as sock:
        ctl(place, server, "kick", label)
        with pytest.raises(ConnectionResetError):
            visit.read_all(sock)
    client.wait_event("tunnel", 4)
    assert visit.get(tunnel).status == 200
    with kept:
        assert visit.read_exactly(kept, rest_of(kept)) == local.content("slow", TRANSFER)
    assert "it was kicked" in server.log()


def rest_of(sock):
    """How many bytes of start_download() are still to come: the rest of the head, and the body."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += sock.recv(1)
    return TRANSFER


def test_an_unknown_client_can_not_be_kicked(place, server):
    assert "0123456789ab" in ctl(place, server, "kick", "0123456789ab", expected=1).stderr
    assert "12 hex digits" in ctl(place, server, "kick", "../../x", expected=2).stderr


def test_drain_lets_visitors_finish_and_takes_no_more(place, server):
    tunnel = place.client(server, str(place.http().port)).tunnel("http")
    with start_download(tunnel) as sock:
        ctl(place, server, "drain")
        server.wait_until_port_is_free(server.http)
        assert curl(server, "/v1/status")[1]["state"] == "draining"
        ctl(place, server, "drain")
        assert len(visit.read_exactly(sock, rest_of(sock))) == TRANSFER
    assert server.exit_code() == 0
    assert not server.control_socket.exists()


def test_a_drain_that_takes_too_long_is_cut_short_by_sigterm(place):
    server = place.server(config='limits: { stop = "0s"; };')
    tunnel = place.client(server, str(place.http().port)).tunnel("http")
    with start_download(tunnel):
        ctl(place, server, "drain")
        assert server.terminate(signal.SIGTERM) == 0


def test_verify_names_the_faults_of_the_files(place):
    server = place.server(config="one_port = true;")
    ctl(place, server, "verify")
    path = place.write("pgrokd.conf", "server: {\n  one_port = 1;\n  nonsense = 2;\n};\n")
    done = ctl(place, server, "verify", expected=2)
    assert f"{path}:2:" in done.stderr and f"{path}:3:" in done.stderr
    assert len(curl(server, "/v1/verify")[1]["faults"]) == 2


def test_log_level(place):
    server = place.server("--log-level", "error")
    ctl(place, server, "log-level", "debug")
    place.client(server, str(place.http().port)).tunnel("http")
    assert "has logged in" in server.log()
    assert "error, warning, info or debug" in ctl(place, server, "log-level", "loud", expected=1).stderr


def test_a_host_is_a_users_until_it_is_taken_back(place, server):
    def status():
        return visit.exchange(server.http, visit.head("shop.example.org")).status

    assert status() == 404
    ctl(place, server, "host", "add", "Shop.Example.org", "alice")
    ctl(place, server, "host", "add", "shop.example.org", "alice")
    assert "another user" in ctl(place, server, "host", "add", "shop.example.org", "bob", expected=1).stderr
    ctl(place, server, "host", "remove", "shop.example.org", "bob", expected=1)
    with visit.connect(server.http) as waiting:
        waiting.sendall(visit.head("shop.example.org"))
        listed(server, "connections")
        ctl(place, server, "host", "remove", "shop.example.org", "alice")
    assert status() == 404


def test_wrong_usage_of_pgrokctl_ends_with_2(place, server):
    for arguments in ([], ["nonsense"], ["kick"], ["host"], ["host", "add", "x"], ["status", "x"], ["token"],
                      ["token", "add"], ["--nonsense", "status"]):
        ctl(place, server, *arguments, expected=2)
    assert "kick CLIENT" in ctl(place, server, "help").stdout
    assert ctl(place, server, "--version").stdout == ctl(place, server, "version").stdout


def test_an_absent_pgrokd_is_told_as_such(place, server):
    server.terminate()
    assert "is pgrokd running?" in ctl(place, server, "status", expected=1).stderr


def test_a_killed_pgrokd_leaves_no_trouble_and_a_live_one_keeps_its_socket(place, tmp_path):
    place.runtime = tmp_path / "run"
    first = place.server()
    first.kill()
    assert first.control_socket.exists()
    assert "is pgrokd running?" in ctl(place, first, "status", expected=1).stderr
    second, third = place.server(), place.server()
    assert curl(third, "/v1/status")[1]["listeners"] == curl(second, "/v1/status")[1]["listeners"]
    assert str(second.tunnel) in str(curl(second, "/v1/status")[1]["listeners"])
    assert "Another pgrokd answers" in third.log() and "Another pgrokd answers" not in second.log()
    third.terminate()
    assert curl(second, "/v1/status")[0] == 200


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_others_are_refused(place):
    folder = pathlib.Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    place.runtime = folder / "run"
    other = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    try:
        server = place.server()
        assert server.control_socket.stat().st_mode & 0o777 == 0o660
        program = shutil.copy(PGROKCTL, folder)
        done = subprocess.run([*other, program, "--socket", server.control_socket, "status"], capture_output=True,
                              text=True, timeout=PATIENCE)
        assert done.returncode == 1 and "pgrok-admin" in done.stderr
        server.control_socket.chmod(0o666)  # the gate stands open: the peer is looked at too
        status, answer = curl(server, "/v1/status", command=other)
        assert status == 403 and "pgrok-admin" in answer["error"]
        assert curl(server, "/v1/status")[0] == 200
        server.terminate()
    finally:
        shutil.rmtree(folder)


def test_hostile_input_ends_its_own_connection_only(server):
    for data in (b"\0" * 1000, b"GET /v1/status HTTP/1.1\r\n" + b"A: " + b"x" * 100000, b"\r\n" * 1000,
                 b"POST /v1/hosts HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n"):
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(PATIENCE)
            sock.connect(str(server.control_socket))
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
            try:
                visit.read_all(sock)
            except ConnectionResetError:
                pass
    assert curl(server, "/v1/status")[0] == 200
