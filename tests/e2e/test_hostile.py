# SPDX-License-Identifier: LGPL-2.1-or-later
"""A peer that breaks the rules loses its own connection and nothing else: both daemons."""

import os
import socket

import pytest

import visit
from classic import dial, length, payload
from daemons import SANITIZED

GROWTH_MAX = 4 * 1024 * 1024

NONSENSE = {
    "length 2^62": length(1 << 62),
    "length 2^40": length(1 << 40),
    "length above 64 KiB": length(64 * 1024 + 1),
    "length -1": length(-1),
    "the most negative length": length(-(1 << 63)),
    "length 0": length(0),
    "length 1": length(1) + b"1",
    "not JSON": length(4) + b"abcd",
    "not an object": length(2) + b"[]",
    "a Type that is a number": length(23) + b'{"Type":1,"Payload":{}}',
    "a string where a port belongs": (lambda p: length(len(p)) + p)(payload("ReqTunnel", {"RemotePort": "80"})),
    "a port out of range": (lambda p: length(len(p)) + p)(payload("ReqTunnel", {"RemotePort": 65536})),
    "a NUL in a string": (lambda p: length(len(p)) + p)(payload("ReqTunnel", {"Subdomain": "a\0b"})),
    "two values in a frame": length(34) + b'{"Type":"Ping"}{"Type":"Ping"}    ',
    "deep nesting": length(60_000) + b"[" * 60_000,
    "garbage": os.urandom(4096)[:-1] + b"\x80" * 9,
}


def nonsense():
    return pytest.mark.parametrize("data", NONSENSE.values(), ids=NONSENSE.keys())


def check_growth(daemon, before):
    grown = daemon.memory("VmHWM") - before
    assert SANITIZED or grown < GROWTH_MAX, f"grew by {grown >> 10} KiB"


@nonsense()
def test_nonsense_first_ends_the_connection_without_an_answer(server, data):
    before = server.memory()
    peer = dial(server.tunnel)
    peer.send_bytes(data)
    peer.expect_end()
    peer.close()
    check_growth(server, before)


@nonsense()
def test_nonsense_after_auth_ends_that_session_alone(place, server, data):
    other = place.hand_client(server)
    before = server.memory()
    hand = place.hand_client(server)
    hand.expect("ReqProxy")
    hand.send_bytes(data)
    hand.expect_end()
    other.ping()
    check_growth(server, before)


def test_garbage_instead_of_tls_ends_the_connection(place, server):
    other = place.hand_client(server)
    for data in (b"GET / HTTP/1.1\r\n\r\n", os.urandom(1000), b"\x16\x03\x01\xff\xff" + b"x" * 1000):
        with socket.create_connection(("127.0.0.1", server.tunnel), 20) as sock:
            try:
                sock.sendall(data)
                visit.read_all(sock)  # an alert perhaps, then the end
            except ConnectionResetError:
                pass
    other.ping()


@pytest.mark.slow
def test_what_says_nothing_is_dropped_after_ten_seconds(server):
    silent = dial(server.tunnel)
    unfinished = dial(server.tunnel)
    unfinished.send_bytes(length(1000) + b'{"Type"')
    with socket.create_connection(("127.0.0.1", server.tunnel), 20) as no_handshake:
        for peer in (silent, unfinished):
            peer.expect_end()
            peer.close()
        try:
            assert no_handshake.recv(1) == b""
        except ConnectionResetError:
            pass


def test_a_hundred_unfinished_messages_cost_little(place, server):
    before = server.memory()
    peers = [dial(server.tunnel) for _ in range(30)]
    for peer in peers:
        peer.send_bytes(length(64 * 1024) + b"{" * 1000)
    place.hand_client(server).ping()
    assert SANITIZED or server.memory() - before < 30 * 200 * 1024
    for peer in peers:
        peer.close()


def test_a_message_may_come_cut_at_any_byte(place, server):
    hand = place.hand_client(server, authenticate=False)
    data = payload("Auth", {"Version": "2"})
    for byte in length(len(data)) + data:
        hand.send_bytes(bytes([byte]))
    assert hand.expect("AuthResp").Error == ""


def test_several_messages_may_come_in_one_record(place, server):
    hand = place.hand_client(server)
    ping = payload("Ping", {})
    hand.send_bytes((length(len(ping)) + ping) * 50)
    for _ in range(50):
        hand.expect("Pong")


# The same towards the client: it drops the server that sent it, and comes back.

def connect_client(place):
    server = place.hand_server()
    client = place.client(server, "--ca-file", str(server.ca), "--token", "t", "--proto", "http", "9", dev=False)
    return server, client


@nonsense()
def test_a_client_drops_a_server_that_sends_nonsense(place, data):
    server, client = connect_client(place)
    control = server.session()
    server.grant(control)
    client.wait_event("tunnel")
    before = client.memory()
    control.send_bytes(data)
    while control.receive():
        pass
    check_growth(client, before)
    server.grant(server.session())
    client.wait_event("online", 2)


def test_a_client_survives_nonsense_on_a_proxy_connection(place):
    server, client = connect_client(place)
    control = server.session(proxies=len(NONSENSE))
    server.grant(control)
    for data in NONSENSE.values():
        proxy = server.accept("RegProxy")
        proxy.send_bytes(data)
        proxy.expect_end()
    control.send("Ping")
    control.expect("Pong")
    assert len(client.events("offline")) == 0


def test_a_client_survives_a_server_that_is_none(place):
    listener = socket.create_server(("127.0.0.1", 0))
    place.keep(listener)
    listener.settimeout(20)
    server = type("NoServer", (), {"address": f"127.0.0.1:{listener.getsockname()[1]}"})
    client = place.client(server, "--token", "t", "9", dev=False)
    for data in (b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", os.urandom(500)):
        connection, _ = listener.accept()
        connection.sendall(data)
        connection.close()
    assert client.is_running()
