# SPDX-License-Identifier: LGPL-2.1-or-later
"""Either daemon dies without a word and comes back: names and ports stay."""

import local
import visit


def urls(client):
    return sorted(e["url"] for e in client.events("tunnel"))


def test_after_kill_9_of_the_server_names_and_ports_come_back(place):
    service = place.http()
    server = place.server()
    client = place.client(server, "--proto", "http+https", str(service.port))
    before = [t.url for t in client.tunnels(2)]
    server.kill()
    client.wait_event("offline")
    again = place.server(*server.again())
    client.wait_event("online", 2)
    client.wait_event("tunnel", 4)
    assert sorted(urls(client)) == sorted(before * 2)
    assert visit.get(client.tunnel("http")).status == 200
    assert visit.get(client.tunnel("https"), ca=place.ca()).status == 200
    assert again.is_running()


def test_after_kill_9_of_the_server_a_tcp_port_comes_back(place):
    service = place.keep(local.EchoService())
    server = place.server()
    client = place.client(server, "--proto", "tcp", str(service.port))
    before = client.tunnel()
    server.kill()
    client.wait_event("offline")
    ports = next(a for a in server.arguments if a.startswith("--tcp-ports"))
    place.server(*server.again(), ports)
    client.wait_event("tunnel", 2)
    assert client.tunnels(2)[1].url == before.url
    with visit.connect(before.port) as sock:
        sock.sendall(b"still here")
        assert visit.read_exactly(sock, 10) == b"still here"


def test_after_kill_9_of_the_client_it_gets_its_names_back_at_once(place, server):
    service = place.http()
    first = place.client(server, str(service.port))
    before = {t.url for t in first.tunnels(2)}
    first.kill()
    second = place.client(server, str(service.port))
    assert {t.url for t in second.tunnels(2)} == before
    assert visit.get(second.tunnel("http")).status == 200


def test_after_kill_9_of_the_client_it_gets_its_tcp_port_back(place, server):
    service = place.keep(local.EchoService())
    first = place.client(server, "--proto", "tcp", str(service.port))
    before = first.tunnel().url
    first.kill()
    second = place.client(server, "--proto", "tcp", str(service.port))
    assert second.tunnel().url == before


def test_a_client_that_is_frozen_is_replaced_by_its_successor(place, server):
    hand = place.hand_client(server, client_id="frozen-0123456789")
    url = hand.tunnel("http", Subdomain="mine")
    successor = place.hand_client(server, client_id=hand.client_id)
    assert successor.tunnel("http", Subdomain="mine") == url


def test_a_client_waits_for_a_server_that_is_not_there_yet(place):
    server = place.server()
    service = place.http()
    client = place.client(server, str(service.port))
    client.tunnels(2)
    assert server.terminate() == 0
    client.wait_event("offline")
    place.server(*server.again())
    client.wait_event("tunnel", 4)
    assert visit.get(client.tunnel("http")).status == 200
