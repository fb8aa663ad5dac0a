# SPDX-License-Identifier: LGPL-2.1-or-later
"""pgrokd as systemd runs it: sockets that are passed, and what is told through the notification socket."""

import array
import os
import signal
import socket
import struct
import time

import visit
from daemons import PATIENCE
from test_upgrade import upgraded


class Notifications:
    """What a service says, and the descriptors that it wants to be kept."""

    def __init__(self, place):
        path = place.folder / "notify"
        self.sock = place.keep(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        self.sock.bind(str(path))
        self.sock.settimeout(PATIENCE)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.kept = {}
        place.env["NOTIFY_SOCKET"] = str(path)

    def next(self):
        data, ancillary, _, _ = self.sock.recvmsg(4096, socket.CMSG_SPACE(4 * 8) + socket.CMSG_SPACE(12))
        fields = dict(line.partition("=")[::2] for line in data.decode().splitlines())
        name = fields.get("FDNAME")
        if "FDSTORE" in fields:
            fds = array.array("i")
            for _, kind, raw in ancillary:
                if kind == socket.SCM_RIGHTS:
                    fds.frombytes(raw)
            self.kept[name] = socket.socket(fileno=fds[0])
        elif "FDSTOREREMOVE" in fields:
            self.kept.pop(name).close()
        for _, kind, raw in ancillary:
            if kind == socket.SCM_CREDENTIALS:
                fields["PID"] = struct.unpack("iii", raw)[0]
        return fields

    def wait(self, key, value=None):
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            fields = self.next()
            if key in fields and value in (None, fields[key]):
                return fields
        raise AssertionError(f"{key}={value} was not told")


def listening(place):
    sock = place.keep(socket.create_server(("127.0.0.1", 0)))
    os.set_inheritable(sock.fileno(), True)
    return sock


def test_sockets_that_are_passed_are_all_that_is_listened_on(place):
    http, tunnel = listening(place), listening(place)
    server = place.server(passed=[("http", http), ("tunnel", tunnel)])
    assert (server.http, server.tunnel, server.https) == (http.getsockname()[1], tunnel.getsockname()[1], None)
    hand = place.hand_client(server)
    hand.tunnel("http", Subdomain="demo")
    assert visit.exchange(server.http, visit.head("nobody.localhost")).status == 404


def test_a_listen_key_without_effect_is_warned_of(place):
    server = place.server("--http-listen=127.0.0.1:0", passed=[("tunnel", listening(place))])
    assert server.http is None and "no effect" in server.log()


def test_a_socket_of_another_name_is_warned_of(place):
    server = place.server(passed=[("tunnel", listening(place)), ("pgrokd-http.socket", listening(place))])
    assert "pgrokd-http.socket" in server.log() and server.http is None


def test_a_reload_keeps_sockets_that_were_passed(place):
    http = listening(place)
    server = place.server(passed=[("http", http), ("tunnel", listening(place))])
    server.process.send_signal(signal.SIGHUP)
    server.wait_log("read again")
    assert visit.exchange(server.http, visit.head("nobody.localhost")).status == 404


def test_visitors_wait_while_the_server_is_away(place):
    http, tunnel = listening(place), listening(place)
    sockets = [("http", http), ("tunnel", tunnel)]
    server = place.server(passed=sockets)
    server.process.terminate()
    assert server.exit_code() == 0
    with visit.connect(http.getsockname()[1]) as waiting:
        waiting.sendall(visit.head("nobody.localhost"))
        place.server(passed=sockets)
        assert visit.read_answer(waiting).status == 404


def test_systemd_is_told_how_it_goes(place):
    told = Notifications(place)
    place.env["WATCHDOG_USEC"] = "400000"
    server = place.server()
    told.wait("READY", "1")
    told.wait("WATCHDOG", "1")
    told.wait("STATUS", "0 clients, 0 tunnels, 0 connections")
    hand = place.hand_client(server)
    hand.tunnel("http", Subdomain="demo")
    told.wait("STATUS", "1 client, 1 tunnel, 0 connections")
    server.process.send_signal(signal.SIGHUP)
    assert "MONOTONIC_USEC" in told.wait("RELOADING", "1")
    told.wait("READY", "1")
    server.process.terminate()
    told.wait("STOPPING", "1")
    assert server.exit_code() == 0


def test_the_port_of_a_tcp_tunnel_survives_a_restart_with_who_waits_there(place):
    told = Notifications(place)
    server = place.server()
    hand = place.hand_client(server)
    url = hand.tunnel("tcp", Subdomain="ssh")
    port = int(url.rpartition(":")[2])
    while f"tcp-{port}" not in told.kept:
        told.next()
    ports = next(a for a in server.arguments if a.startswith("--tcp-ports"))
    server.process.terminate()
    assert server.exit_code() == 0
    told.wait("STOPPING", "1")
    kept = told.kept[f"tcp-{port}"]
    os.set_inheritable(kept.fileno(), True)
    with visit.connect(port) as waiting:
        again = place.server(*server.again(), ports, passed=[(f"tcp-{port}", kept)])
        back = place.hand_client(again, client_id=hand.client_id)
        assert back.tunnel("tcp", Subdomain="ssh") == url
        waiting.sendall(b"still here")
        proxy = back.proxy()
        proxy.expect("StartProxy")
        assert proxy.wire.recv(10) == b"still here"


def test_a_port_that_nobody_has_any_more_is_given_up(place):
    told = Notifications(place)
    server = place.server(config='names: { grace = "1s"; };')
    hand = place.hand_client(server)
    hand.tunnel("tcp")
    while not told.kept:
        told.next()
    hand.close()
    while told.kept:
        told.next()


def test_after_an_upgrade_systemd_hears_of_the_new_process_and_of_no_other(place):
    told = Notifications(place)
    place.env["WATCHDOG_USEC"] = "400000"
    http, tunnel = listening(place), listening(place)
    server = place.server(passed=[("http", http), ("tunnel", tunnel)])
    told.wait("WATCHDOG", "1")
    hand = place.hand_client(server)
    url = hand.tunnel("tcp", Subdomain="ssh")
    new = upgraded(place, server)
    assert told.wait("MAINPID")["MAINPID"] == str(new.pid)
    told.sock.setblocking(False)
    last = []
    try:
        while True:
            last.append(told.next())
    except BlockingIOError:
        told.sock.settimeout(PATIENCE)
    assert last[0] == {"READY": "1", "PID": new.pid}
    assert told.wait("WATCHDOG", "1")["PID"] == new.pid
    assert told.kept  # the port of the tunnel, as before
    assert server.http == http.getsockname()[1]
    assert visit.exchange(server.http, visit.head("nobody.localhost")).status == 404
    back = place.hand_client(server, client_id=hand.client_id)
    assert back.tunnel("tcp", Subdomain="ssh") == url
    assert server.process.wait(PATIENCE) == 0
    new.close()
    assert told.wait("STOPPING", "1")["PID"] == new.pid
