# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who may do what: the token file and what it says, while the server runs."""

import hashlib
import re
import socket
import ssl
import time

import pytest

import visit
from classic import Peer, dial
from daemons import PATIENCE, free_port_range
from test_control import ctl, curl
from wire import Wire

ALICE, BOB = "token-of-alice", "token-of-bob"


def line(name, token, policy=""):
    return f"{name} sha256:{hashlib.sha256(token.encode()).hexdigest()} {policy}\n"


class Tokens:
    """A token file and its server."""

    def __init__(self, place, *lines, config="", arguments=()):
        self.place = place
        self.path = place.write("tokens", "".join(lines))
        certificate, key = place.certificate("*.tunnel.test")
        self.server = place.server(*arguments, dev=False, config=f"""
            domain = "tunnel.test"; tls: {{ certificate = "{certificate}"; key = "{key}"; }};
            auth: {{ method = "token-file"; token_file = "{self.path}"; }}; {config}""")

    def write(self, *lines):
        """As careful programs do: a new file in the place of the old one."""
        self.place.write("tokens.new", "".join(lines)).rename(self.path)

    def client(self, token=ALICE, **options):
        return self.place.hand_client(self.server, token=token, **options)

    def wait_log(self, pattern):
        return wait(lambda: re.search(pattern, self.server.log()), f"{pattern} in the log")

    def status(self, host):
        return visit.exchange(self.server.http, visit.head(host)).status


def wait(find, what, timeout=PATIENCE):
    deadline = time.monotonic() + timeout
    while not (found := find()):
        assert time.monotonic() < deadline, f"no {what}"
        time.sleep(0.02)
    return found


def error(hand, protocol="http", **fields):
    return hand.request(protocol, **fields)[0].Error


def host(url):
    return url.partition("://")[2]


def url_host(url):
    return host(url).partition(":")[0]


# What a policy allows

def test_names_are_those_of_the_policy(place):
    tokens = Tokens(place, line("alice", ALICE, "subdomains=a,b-*"))
    alice = tokens.client()
    assert url_host(alice.tunnel("http", Subdomain="a")) == "a.tunnel.test"
    assert url_host(alice.tunnel("http", Subdomain="b-x")) == "b-x.tunnel.test"
    refused = error(alice, Subdomain="c")
    assert "c is not yours" in refused and "a, b-*" in refused
    assert "not yours" in error(alice, Hostname="c.tunnel.test")
    assert re.fullmatch(r"b-[a-z]+-[a-z]+\.tunnel\.test", url_host(alice.tunnel("http")))


def test_who_has_exact_names_only_gets_the_first_free_one(place):
    tokens = Tokens(place, line("alice", ALICE, "subdomains=one,two"))
    alice = tokens.client()
    assert url_host(alice.tunnel("http")) == "one.tunnel.test"
    assert url_host(alice.tunnel("http")) == "two.tunnel.test"
    assert "one, two" in error(alice)


def test_hosts_need_permission(place):
    tokens = Tokens(place, line("alice", ALICE, "hosts=x.example.org,*.y.example.org"), line("bob", BOB))
    alice, bob = tokens.client(), tokens.client(BOB)
    assert url_host(alice.tunnel("http", Hostname="X.example.org")) == "x.example.org"
    assert url_host(alice.tunnel("http", Hostname="a.y.example.org")) == "a.y.example.org"
    for name in ("z.example.org", "y.example.org", "tunnel.test"):
        assert "not yours" in error(alice, Hostname=name)
    assert "not yours" in error(bob, Hostname="x.example.org")


def test_ports_are_those_of_the_policy(place):
    ports = free_port_range(6)
    low = int(ports.partition("-")[0])
    tokens = Tokens(place, line("alice", ALICE, f"tcp_ports={low + 2}-{low + 3}"),
                    config=f'tcp_ports = "{ports}";')
    alice = tokens.client()
    assert "not yours" in error(alice, "tcp", RemotePort=low)
    got = {int(alice.tunnel("tcp").rpartition(":")[2]), int(alice.tunnel("tcp", RemotePort=low + 3).rpartition(":")[2])}
    assert got == {low + 2, low + 3}
    assert f"{low + 2}-{low + 3}" in error(alice, "tcp")


def test_protocols_and_the_number_of_tunnels_are_those_of_the_policy(place):
    tokens = Tokens(place, line("alice", ALICE, "protocols=http,https max_tunnels=2"))
    first, second = tokens.client(), tokens.client()
    assert "http, https" in error(first, "tcp")
    assert not first.request("http+https", Subdomain="a")[1].Error, "one tunnel"
    assert not error(second, Subdomain="b")
    assert "2 tunnels" in error(second, Subdomain="c")
    first.close()
    wait(lambda: not error(second, Subdomain="c"), "room for another tunnel")


def test_clients_come_from_where_they_may(place):
    tokens = Tokens(place, line("alice", ALICE, "from=192.0.2.0/24"), line("bob", BOB, "from=127.0.0.0/8,::1"))
    alice = place.hand_client(tokens.server, authenticate=False)
    assert "address 127.0.0.1" in alice.authenticate(User=ALICE).Error
    alice.expect_end()
    assert tokens.client(BOB).auth.Error == ""


def test_an_expired_token_is_refused_with_its_day(place):
    tokens = Tokens(place, line("alice", ALICE, "expires=2020-02-29"), line("bob", BOB, "expires=2999-12-31"))
    assert "2020-02-29" in place.hand_client(tokens.server, token=ALICE).auth.Error
    assert tokens.client(BOB).auth.Error == ""


def test_a_user_has_no_more_connections_than_it_may(place):
    tokens = Tokens(place, line("alice", ALICE, "max_connections=2"))
    silent, alice = place.http(), tokens.client()
    name = url_host(alice.tunnel("http", Subdomain="a"))
    port = int(alice.tunnel("tcp").rpartition(":")[2])
    alice.serve(silent.port)
    kept = [visit.connect(tokens.server.http), visit.connect(tokens.server.http)]
    for sock in kept:
        sock.sendall(visit.head(name, "/"))
        assert visit.read_answer(sock).status == 200
    refused = visit.exchange(tokens.server.http, visit.head(name))
    assert refused.status == 503 and refused.headers["Retry-After"]
    with pytest.raises(ConnectionResetError), visit.connect(port) as sock:
        assert sock.recv(1) == b"?"
    kept.pop().close()
    wait(lambda: tokens.status(name) == 200, "room for another visitor")


def test_a_visitor_that_waits_for_its_client_to_come_back_counts_once(place):
    tokens = Tokens(place, line("alice", ALICE, "max_connections=1"))
    alice, service = tokens.client(), place.http()
    port = int(alice.tunnel("tcp").rpartition(":")[2])
    visitor = visit.connect(port)
    for _ in range(2):  # for the pool, and for the visitor
        alice.expect("ReqProxy")
    again = tokens.client(client_id=alice.client_id)
    again.tunnel("tcp", RemotePort=port)
    again.serve(service.port)
    visitor.sendall(visit.head("any"))
    assert visit.read_answer(visitor).status == 200
    visitor.close()

    def comes_in():
        try:
            return visit.exchange(port, visit.head("any")).status == 200
        except (ConnectionError, OSError):
            return False

    wait(comes_in, "room for another visitor")


# The file changes

def test_revoking_ends_session_names_ports_and_visitors_at_once(place):
    tokens = Tokens(place, line("alice", ALICE), line("bob", BOB))
    alice, bob, service = tokens.client(), tokens.client(BOB), place.http()
    name, other = url_host(alice.tunnel("http", Subdomain="a")), url_host(bob.tunnel("http", Subdomain="b"))
    port = int(alice.tunnel("tcp").rpartition(":")[2])
    alice.serve(service.port)
    bob.serve(service.port)
    assert tokens.status(name) == tokens.status(other) == 200
    joined = visit.connect(tokens.server.http)
    joined.sendall(visit.head(name))
    assert visit.read_answer(joined).status == 200
    began = time.monotonic()
    tokens.write(line("bob", BOB))
    with pytest.raises(ConnectionResetError):
        assert joined.recv(1) == b"?"
    assert time.monotonic() - began < 2
    wait(lambda: tokens.status(name) == 404, "404", timeout=1)
    assert tokens.status(other) == 200, "others don't notice"
    tokens.server.wait_until_port_is_free(port)
    again = place.hand_client(tokens.server, authenticate=False)
    assert "token" in again.authenticate(User=ALICE).Error
    assert not error(tokens.client(BOB), Subdomain="a"), "it is free"
    assert "token was revoked" in tokens.server.log()


def test_a_changed_token_is_another_one(place):
    tokens = Tokens(place, line("alice", ALICE))
    alice = tokens.client()
    alice.tunnel("http", Subdomain="a")
    tokens.write(line("alice", "another"))
    wait(lambda: tokens.status("a.tunnel.test") == 404, "404")
    assert place.hand_client(tokens.server, authenticate=False).authenticate(User=ALICE).Error
    assert not tokens.client("another").auth.Error


def test_our_client_comes_back_after_a_change_of_policy_and_is_refused_after_revoking(place):
    tokens = Tokens(place, line("alice", ALICE))
    ca = place.folder / "cert.pem"
    client = place.client(tokens.server, "--ca-file", ca, "--token", ALICE, "--proto=http", "--subdomain=a", "9",
                          dev=False)
    client.wait_event("tunnel")
    tokens.write(line("alice", ALICE, "subdomains=a"))
    client.wait_event("tunnel", 2)
    tokens.write("")
    assert "token" in client.wait_event("offline", 3)["reason"], "after the loss of the connection"
    wait(lambda: tokens.status("a.tunnel.test") == 404, "404")


def test_a_changed_policy_keeps_what_it_still_allows_and_frees_the_rest(place):
    tokens = Tokens(place, line("alice", ALICE), line("bob", BOB))
    alice = tokens.client()
    for name in ("a", "b"):
        alice.tunnel("http", Subdomain=name)
    tokens.write(line("alice", ALICE, "subdomains=a"), line("bob", BOB))
    wait(lambda: tokens.status("b.tunnel.test") == 404, "404")
    bob = tokens.client(BOB)
    assert error(bob, Subdomain="a"), "reserved"
    assert not error(bob, Subdomain="b")
    alice = tokens.client(client_id=alice.client_id)
    assert not error(alice, Subdomain="a")


def test_from_that_no_longer_fits_frees_at_once(place):
    tokens = Tokens(place, line("alice", ALICE))
    tokens.client().tunnel("http", Subdomain="a")
    tokens.write(line("alice", ALICE, "from=192.0.2.0/24"))
    wait(lambda: tokens.status("a.tunnel.test") == 404, "404")


def test_a_user_that_is_added_gets_in_and_nobody_else_notices(place):
    tokens = Tokens(place, line("alice", ALICE))
    alice = tokens.client()
    alice.tunnel("http", Subdomain="a")
    with open(tokens.path, "a", encoding="ascii") as f:  # in place, as some editors do
        f.write(line("bob", BOB))
    tokens.wait_log("Read the tokens")
    assert not tokens.client(BOB).auth.Error
    alice.ping()


@pytest.mark.parametrize("spoil", ["line", "folder", "gone"])
def test_a_wrong_version_keeps_the_old_one_in_force_and_is_logged_once(place, spoil):
    tokens = Tokens(place, line("alice", ALICE))
    alice = tokens.client()
    if spoil == "line":
        tokens.write(line("alice", ALICE), "bob sha256:12\n")
        fault = rf"{re.escape(str(tokens.path))}:2: "
    else:
        tokens.path.unlink()
        if spoil == "folder":
            tokens.path.mkdir()
        fault = rf"{re.escape(str(tokens.path))}: "
    tokens.wait_log(fault)
    alice.ping()
    assert not tokens.client().auth.Error
    if spoil == "folder":
        tokens.path.rmdir()
    tokens.write(line("bob", BOB))
    tokens.wait_log("Read the tokens")
    assert len(re.findall(fault, tokens.server.log())) == 1 + (spoil == "folder" and tokens.server.log().count("No such"))
    assert not tokens.client(BOB).auth.Error


def test_an_empty_file_refuses_everybody(place):
    tokens = Tokens(place, line("alice", ALICE))
    alice = tokens.client()
    tokens.write("")
    alice.wire.sock.settimeout(PATIENCE)
    while alice.receive():
        pass
    assert place.hand_client(tokens.server, authenticate=False).authenticate(User=ALICE).Error


def test_ten_thousand_users(place):
    tokens = Tokens(place, *(line(f"user{i}", f"token-{i}", "subdomains=a max_tunnels=1") for i in range(10000)))
    assert not tokens.client("token-0").auth.Error
    began = time.monotonic()
    assert not tokens.client("token-9999").auth.Error
    assert time.monotonic() - began < 1


# Guesses

def test_guessed_tokens_are_slowed_down_by_address(place):
    tokens = Tokens(place, line("alice", ALICE))
    alice = tokens.client()
    answers = [place.hand_client(tokens.server, token=f"guess-{i}").auth.Error for i in range(10)]
    assert all("know this token" in a for a in answers)
    while "try again in" not in place.hand_client(tokens.server, token="guess-more").auth.Error:
        pass  # where all is slow some are forgiven meanwhile
    began = time.monotonic()
    assert "try again in" in place.hand_client(tokens.server, token=ALICE).auth.Error, "the token isn't looked at"
    assert time.monotonic() - began > 1, "and the answer waits"
    alice.ping()
    assert not error(alice, Subdomain="a"), "sessions go on"
    elsewhere = socket.create_connection(("127.0.0.1", tokens.server.tunnel), PATIENCE, ("127.0.0.2", 0))
    context = ssl._create_unverified_context()  # noqa: SLF001
    other = place.keep(Peer(Wire(elsewhere, context)))
    other.send("Auth", Version="2", User=ALICE)
    assert other.expect("AuthResp").Error == ""
    log = tokens.server.log()
    assert "guess-" not in log and "Too many logins from 127.0.0.1" in log


def test_another_users_client_id_opens_nothing(place):
    tokens = Tokens(place, line("alice", ALICE), line("bob", BOB))
    alice, service = tokens.client(), place.http()
    name = url_host(alice.tunnel("http", Subdomain="a"))
    bob = place.hand_client(tokens.server, token=BOB, client_id=alice.client_id)
    assert "another user" in bob.auth.Error
    alice.ping()
    alice.serve(service.port)
    assert tokens.status(name) == 200
    guess = place.keep(dial(tokens.server.tunnel))
    guess.send("RegProxy", ClientId=alice.client_id[:-1] + ("0" if alice.client_id[-1] != "0" else "1"))
    guess.expect_end()
    assert alice.client_id not in tokens.server.log()


def test_a_lost_session_leaves_its_name_to_its_user(place):
    tokens = Tokens(place, line("alice", ALICE), line("bob", BOB))
    alice, bob = tokens.client(), tokens.client(BOB)
    alice.tunnel("http", Subdomain="a")
    alice.close()
    wait(lambda: "is gone" in tokens.server.log(), "logout")
    assert error(bob, Subdomain="a") and error(bob, "https", Subdomain="a")
    assert not error(tokens.client(), Subdomain="a")


# Crowds

def test_connections_of_a_tunnel_are_limited(place):
    server = place.server(config="limits: { connections_per_tunnel = 1; };")
    service = place.http()
    client = place.client(server, str(service.port))
    tunnel = client.tunnels(1)[0]
    with visit.connect(tunnel.port) as sock:
        sock.sendall(visit.head(f"{tunnel.host}:{tunnel.port}"))
        assert visit.read_answer(sock).status == 200
        refused = visit.get(tunnel)
        assert refused.status == 503 and refused.headers["Retry-After"]
    wait(lambda: visit.get(tunnel).status == 200, "room for another visitor")


def own_address():
    """One of this machine that is not loopback, or None."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect(("192.0.2.1", 9))
        except OSError:
            return None
        address = sock.getsockname()[0]
        return None if address.startswith(("127.", "0.")) else address


@pytest.mark.skipif(not own_address(), reason="this machine has loopback only")
def test_connections_of_an_address_are_limited(place):
    tokens = Tokens(place, line("alice", ALICE), config="limits: { connections_per_visitor = 2; };",
                    arguments=[f"--http-listen={own_address()}:0"])
    peer = (own_address(), tokens.server.http)
    kept = [socket.create_connection(peer, PATIENCE) for _ in range(2)]
    with socket.create_connection(peer, PATIENCE) as sock:
        sock.sendall(visit.head("a.tunnel.test"))
        refused = visit.read_answer(sock)
    assert refused.status == 503 and refused.headers["Retry-After"]
    kept.pop().close()

    def comes_in():
        with socket.create_connection(peer, PATIENCE) as another:
            another.sendall(visit.head("a.tunnel.test"))
            return visit.read_answer(another).status == 404

    wait(comes_in, "room for another visitor")
    more = [socket.create_connection(peer, PATIENCE) for _ in range(8)]
    assert closes(more[-1]), "unread"


def test_connections_that_do_not_say_who_they_are_are_limited_by_address(place):
    tokens = Tokens(place, line("alice", ALICE), config="limits: { pending_per_address = 2; };")
    port = tokens.server.tunnel
    first = [socket.create_connection(("127.0.0.1", port), PATIENCE) for _ in range(2)]
    refused = socket.create_connection(("127.0.0.1", port), PATIENCE)
    assert closes(refused)
    elsewhere = socket.create_connection(("127.0.0.1", port), PATIENCE, ("127.0.0.2", 0))
    context = ssl._create_unverified_context()  # noqa: SLF001
    alice = place.keep(Peer(Wire(elsewhere, context)))
    alice.send("Auth", Version="2", User=ALICE)
    assert alice.expect("AuthResp").Error == ""
    more = [Wire(socket.create_connection(("127.0.0.1", port), PATIENCE, ("127.0.0.2", 0)), context) for _ in range(5)]
    assert more, "where a client is logged in its proxies come from"
    for sock in first:
        sock.close()
    wait(lambda: login_works(tokens), "room for a client")


def closes(sock):
    try:
        return sock.recv(1) == b""
    except ConnectionResetError:
        return True


def login_works(tokens):
    try:
        return not tokens.client().auth.Error
    except (OSError, AssertionError):
        return False


# What stands in for configuration

def test_credentials_of_systemd_stand_in_where_nothing_is_configured(place):
    certificate, key = place.certificate("*.tunnel.test")
    folder = place.folder / "credentials"
    folder.mkdir()
    (folder / "tls.crt").write_bytes(certificate.read_bytes())
    (folder / "tls.key").write_bytes(key.read_bytes())
    (folder / "token").write_text(ALICE + "\n")
    tokens = place.write("tokens", line("alice", ALICE))
    place.env["CREDENTIALS_DIRECTORY"] = str(folder)
    server = place.server(dev=False, config=f"""domain = "tunnel.test";
        auth: {{ method = "token-file"; token_file = "{tokens}"; }};""")
    client = place.client(server, "--ca-file", certificate, "--proto=http", "9", dev=False)
    client.wait_event("tunnel")
    told = place.client(server, "--ca-file", certificate, "--token=wrong", "9", dev=False)
    assert told.exit_code() == 3, "what is given wins"


# What is told of it

def test_quotas_and_their_use_are_told(place):
    tokens = Tokens(place, line("alice", ALICE, "max_tunnels=3 max_connections=100 rate=1M tcp_ports=20000-20009,20022"),
                    line("bob", BOB), config='limits: { rate_per_tunnel = "2M"; connections_per_tunnel = 7; };')
    server, alice, service = tokens.server, tokens.client(), place.http()
    name = url_host(alice.tunnel("http", Subdomain="a"))
    alice.tunnel("https", Subdomain="a")
    alice.serve(service.port)
    with visit.connect(server.http) as sock:
        sock.sendall(visit.head(name))
        assert visit.read_answer(sock).status == 200
        tunnels = {t["proto"]: t for t in curl(server, "/v1/tunnels")[1]["tunnels"]}
        assert (tunnels["http"]["connections"], tunnels["https"]["connections"]) == (1, 0)
        assert tunnels["http"]["max_connections"] == 7 and tunnels["http"]["rate"] == 2 * 1024 * 1024
        [client] = curl(server, "/v1/clients")[1]["clients"]
        assert {k: v for k, v in client.items() if k.startswith("user_")} == {
            "user_tunnels": 2, "user_max_tunnels": 3, "user_connections": 1, "user_max_connections": 100,
            "user_rate": 1024 * 1024, "user_ports": "20000-20009, 20022"}
        text = ctl(place, server, "clients").stdout
        assert " 2/3 " in text and " 1/100 " in text and "20000-20009, 20022" in text
        text = ctl(place, server, "tunnels").stdout
        assert " 1/7 " in text and " 0/7 " in text and "/s\n" in text
    bob = tokens.client(BOB)
    bob.tunnel("tcp")
    [client] = [c for c in curl(server, "/v1/clients")[1]["clients"] if c["user"] == "bob"]
    assert client["user_max_tunnels"] is client["user_max_connections"] is client["user_rate"] is client["user_ports"] is None
    status = curl(server, "/v1/status")[1]
    assert status["ports"] == 1 and status["limits"]["ports"] == 20 and status["limits"]["clients"] == 10000
    assert status["limits"]["tunnels_per_client"] == 32 and status["limits"]["rate_per_tunnel"] == 2 * 1024 * 1024
    assert "Ports        1 of 20\n" in ctl(place, server, "status").stdout
