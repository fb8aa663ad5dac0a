# SPDX-License-Identifier: LGPL-2.1-or-later
"""Names that are more than one label below the domain, and names that the server chooses."""

import hashlib
import json

import pytest

import visit


class House:
    """A server with a token file, whose users' tokens are their names, and a certificate for all of them."""

    def __init__(self, place, config="", **policies):
        self.place = place
        self.tokens = place.write("tokens", "".join(
            f"{name} sha256:{hashlib.sha256(name.encode()).hexdigest()} {policy}\n" for name, policy in policies.items()))
        self.cert, self.key = place.certificate("*.tunnel.test", "*.x.org", "*.sub.tunnel.test")
        self.config = f"""domain = "tunnel.test"; tls: {{ certificate = "{self.cert}"; key = "{self.key}"; }};
            auth: {{ method = "token-file"; token_file = "{self.tokens}"; }}; {config}"""
        self.server = place.server(dev=False, config=self.config)

    def restart(self, *arguments):
        self.server.process.terminate()
        assert self.server.exit_code() == 0
        self.server = self.place.server(*self.server.again(), *arguments, dev=False, config=self.config)

    def client(self, name, *arguments):
        return self.place.client(self.server, "--token", name, "--ca-file", self.cert, *arguments, dev=False)

    def hand(self, name, **options):
        return self.place.hand_client(self.server, token=name, **options)

    def get(self, host, path="/", ca=None, sni=None):
        port = self.server.https if ca else self.server.http
        return visit.exchange(port, visit.head(host, path), ca, sni or host)


@pytest.mark.parametrize("transport", ["mux", "classic"])
def test_a_wildcard_leads_all_names_below_it_to_one_service(place, transport):
    house = House(place, alice="hosts=*.x.org")
    client = house.client("alice", "--hostname", "*.x.org", f"--transport={transport}", str(place.http().port))
    assert client.tunnel("http").url == f"http://*.x.org:{house.server.http}"
    assert client.tunnel("https").url == f"https://*.x.org:{house.server.https}"
    for host in ("a.x.org", "B.X.org", "a.b.c.x.org"):
        answer = json.loads(house.get(host, "/page").body)
        assert answer["path"] == "/page" and answer["headers"]["host"] == host, answer
    assert house.get("a.x.org", ca=house.cert).status == 200
    for host in ("x.org", "ax.org", "tunnel.test"):
        assert house.get(host).status == 404


def test_a_wildcard_may_be_configured(place):
    house = House(place, alice="hosts=*.sub.tunnel.test")
    path = place.write("wild.conf", f"""tunnels: {{ wild: {{ local = "{place.http().port}"; proto = "http";
                                        hostname = "*.Sub.tunnel.test"; }}; }};\n""")
    client = house.client("alice", "--config", path, "start", "wild")
    assert client.tunnel().url == f"http://*.sub.tunnel.test:{house.server.http}"
    assert house.get("any.sub.tunnel.test").status == 200
    assert house.get("sub.tunnel.test").status == 404


def test_the_most_specific_name_wins(place):
    house = House(place, alice="hosts=*.x.org")
    services = {}
    for name in ("*.x.org", "*.b.x.org", "a.b.x.org"):
        services[name] = place.http()
        services[name].name = name
        house.client("alice", "--hostname", name, "--proto=http", str(services[name].port)).tunnel()
    for host, name in (("a.b.x.org", "a.b.x.org"), ("c.b.x.org", "*.b.x.org"), ("b.x.org", "*.x.org")):
        assert json.loads(house.get(host).body)["service"] == name


def test_nobody_gets_a_wildcard_that_is_not_his(place):
    house = House(place, alice="hosts=*.x.org", bob="hosts=*,q.x.org", eve="")
    alice, bob, eve = (house.hand(name) for name in ("alice", "bob", "eve"))
    assert "hosts=*.x.org" in eve.request("http", Hostname="*.x.org")[0].Error
    assert "not yours" in alice.request("http", Hostname="*.org")[0].Error
    assert "not yours" in bob.request("http", Hostname="*.tunnel.test")[0].Error
    assert alice.tunnel("http", Hostname="*.x.org") == f"http://*.x.org:{house.server.http}"
    for name in ("*.x.org", "a.x.org", "*.a.x.org"):
        assert "already registered" in bob.request("http", Hostname=name)[0].Error
    assert bob.tunnel("http", Hostname="q.x.org")


def test_start_proxy_says_the_url_of_the_wildcard(place):
    house = House(place, alice="hosts=*.x.org")
    hand = house.hand("alice")
    url = hand.tunnel("http", Hostname="*.x.org")
    with visit.connect(house.server.http) as sock:
        sock.sendall(visit.head("a.x.org"))
        proxy = hand.proxy()
        assert proxy.expect("StartProxy").Url == url


def test_a_wildcard_survives_a_restart_of_the_server(place):
    house = House(place, alice="hosts=*.x.org", bob="hosts=*")
    hand = house.hand("alice")
    url = hand.tunnel("http", Hostname="*.x.org")
    house.restart()
    bob = house.hand("bob")
    for name in ("*.x.org", "a.x.org"):
        assert "already registered" in bob.request("http", Hostname=name)[0].Error
    assert house.hand("alice", client_id=hand.client_id).tunnel("http", Hostname="*.x.org") == url


def test_a_connection_to_one_user_s_wildcard_is_none_to_another_user_s_name(place):
    house = House(place, alice="hosts=*.x.org", bob="hosts=q.x.org")
    for name, host in (("alice", "*.x.org"), ("bob", "q.x.org")):
        hand = house.hand(name)
        hand.tunnel("https", Hostname=host)
        hand.serve(place.http().port)
    with visit.connect(house.server.https, house.cert, "a.x.org") as sock:
        for host, status in (("b.x.org", 200), ("q.x.org", 421), ("a.x.org", 200)):
            sock.sendall(visit.head(host))
            assert visit.read_answer(sock).status == status
    assert house.get("a.x.org", ca=house.cert, sni="q.x.org").status == 421
    assert house.get("q.x.org", ca=house.cert).status == 200


def labels(client):
    return [t.host.partition(".")[0] for t in client.tunnels(1)]


@pytest.mark.parametrize("transport", ["mux", "classic"])
def test_a_pool_is_given_out_and_then_words(place, transport):
    server = place.server(config='names: { pool = [ "red", "Blue" ]; };')
    got = [labels(place.client(server, "--proto=http", f"--transport={transport}", "9"))[0] for _ in range(3)]
    assert got[:2] == ["red", "blue"]
    assert got[2].replace("-", "").isalpha() and got[2].count("-") == 1


def test_when_the_pool_is_empty_it_may_be_over(place):
    server = place.server(config='names: { pool = [ "red" ]; random = "none"; };')
    first = place.client(server, "--proto=http", "9")
    assert labels(first) == ["red"]
    second = place.client(server, "--proto=http", "9")
    assert "All names that this server gives out are taken" in second.wait_event("error")["reason"]
    assert second.exit_code() == 3
    first.kill()
    assert labels(place.client(server, "--proto=http", "9")) == ["red"], "it is the same client again"


def test_a_name_of_the_pool_goes_back_after_the_grace_time(place):
    server = place.server(config='names: { pool = [ "red" ]; random = "none"; grace = "100ms"; };')
    hand = place.hand_client(server)
    assert "red" in hand.tunnel("http")
    other = place.hand_client(server)
    assert "taken" in other.request("http")[0].Error
    hand.close()
    server.wait_log("is gone")
    while (answer := place.hand_client(server).request("http")[0]).Error:
        pass
    assert "red" in answer.Url


def test_a_name_of_the_pool_survives_a_restart_of_either_daemon(place):
    config = 'names: { pool = [ "red", "blue" ]; };'
    server = place.server(config=config)
    first, second = (place.client(server, "--proto=http", "9") for _ in range(2))
    before = labels(first), labels(second)
    server.kill()
    place.server(*server.again(), config=config)
    for client, label in ((first, before[0]), (second, before[1])):
        client.wait_event("tunnel", 2)
        assert [t.host.partition(".")[0] for t in client.tunnels(2)] == label * 2
