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


def test_a_server_that_starts_anew_knows_what_was_whose(place):
    server = place.server()
    hand = place.hand_client(server)
    name, port = hand.tunnel("http"), hand.tunnel("tcp", Subdomain="ssh")
    server.process.terminate()
    assert server.exit_code() == 0
    ports = next(a for a in server.arguments if a.startswith("--tcp-ports"))
    again = place.server(*server.again(), ports)
    host = name.partition("://")[2].partition(":")[0]
    with visit.connect(int(port.rpartition(":")[2])) as waiting:  # it listens, and who comes waits
        thief = place.hand_client(again)
        assert thief.request("http", Subdomain=host.partition(".")[0])[0].Error
        assert thief.tunnel("tcp", Subdomain="ssh") != port
        back = place.hand_client(again, client_id=hand.client_id)
        assert (back.tunnel("http"), back.tunnel("tcp", Subdomain="ssh")) == (name, port)
        waiting.sendall(b"hello")
        proxy = back.proxy()
        proxy.expect("StartProxy")
        assert proxy.wire.recv(5) == b"hello"


def test_a_second_server_with_the_same_state_folder_goes_on_without(place, server):
    second = place.server()
    assert "state folder" in second.log()
    assert place.hand_client(second).tunnel("http")


def test_a_spoilt_state_file_is_told_and_does_no_harm(place):
    folder = place.folder / "state_home" / "pgrok" / "server"
    folder.mkdir(parents=True)
    (folder / "registry.json").write_text("{")
    server = place.server()
    assert "registry.json" in server.log()
    place.hand_client(server).tunnel("http", Subdomain="demo")
    server.process.terminate()
    assert server.exit_code() == 0
    assert "demo.localhost" in (folder / "registry.json").read_text()
    assert (folder / "registry.json").stat().st_mode & 0o077 == 0
