# SPDX-License-Identifier: LGPL-2.1-or-later
"""A server that was given no certificate makes one."""

import socket
import ssl

import visit
from daemons import PATIENCE


def handshake(port, ca, name):
    context = ssl.create_default_context(cafile=ca)
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as sock:
        with context.wrap_socket(sock, server_hostname=name) as tls:
            return tls.getpeercert()["serialNumber"]


def start(place):
    tokens = place.write("tokens", "")
    return place.server(dev=False, config=f"""domain = "tunnel.test";
        auth: {{ method = "token-file"; token_file = "{tokens}"; }};""")


def test_it_is_for_the_domain_and_what_is_below_and_stays_the_same(place):
    server = start(place)
    ca = place.folder / "state_home" / "pgrok" / "server" / "tls" / "tunnel.test.crt"
    assert str(ca) in server.log(), "who runs it is told"
    serial = handshake(server.https, ca, "demo.tunnel.test")
    assert handshake(server.tunnel, ca, "tunnel.test") == serial
    assert (ca.parent / "tunnel.test.key").stat().st_mode & 0o077 == 0
    server.process.terminate()
    assert server.exit_code() == 0
    assert handshake(start(place).tunnel, ca, "tunnel.test") == serial


def test_http_needs_none(place):
    assert visit.exchange(start(place).http, visit.head("nobody.tunnel.test")).status == 404
