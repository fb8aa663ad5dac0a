# SPDX-License-Identifier: LGPL-2.1-or-later
"""The server's side of the classic protocol, seen by a client as Go writes it."""

import hashlib
import re

import pytest

from classic import dial

ALICE, BOB = "token-of-alice", "token-of-bob"


@pytest.fixture
def hand(place, server):
    return place.hand_client(server)


def with_tokens(place):
    """A server that knows alice and bob, outside --dev."""
    lines = "".join(f"{name}  sha256:{hashlib.sha256(token.encode()).hexdigest()}\n"
                    for name, token in (("alice", ALICE), ("bob", BOB)))
    tokens = place.write("tokens", "# name  token\n" + lines)
    certificate, key = place.certificate("*.tunnel.test")
    return place.server(dev=False, config=f"""
        domain = "tunnel.test";
        tls: {{ certificate = "{certificate}"; key = "{key}"; }};
        auth: {{ method = "token-file"; token_file = "{tokens}"; }};""")


def test_auth_is_answered_and_then_one_proxy_is_asked_for(place, server):
    hand = place.hand_client(server, authenticate=False)
    answer = hand.authenticate()
    assert answer.Error == "" and answer.Version == "2"
    assert re.fullmatch(r"[A-Za-z0-9_-]{16,64}", answer.ClientId)
    assert hand.receive().kind == "ReqProxy"
    hand.send("Ping")
    assert hand.receive().kind == "Pong", "exactly one ReqProxy"


def test_client_ids_differ(place, server):
    assert len({place.hand_client(server).client_id for _ in range(5)}) == 5


def test_another_version_is_refused_with_a_sentence(place, server):
    hand = place.hand_client(server, authenticate=False)
    hand.send("Auth", Version="3", MmVersion="9.9", User="", ClientId="")
    answer = hand.receive()
    assert answer.kind == "AuthResp"
    assert re.match(r"Incompatible versions\. Server \S+, client 3\. ", answer.Error)
    assert answer.Version == answer.MmVersion == answer.ClientId == ""
    hand.expect_end()


def test_fields_may_be_missing_unknown_or_in_another_case(place, server):
    for fields in ({"Version": "2"}, {"version": "2", "os": "linux"}, {"Version": "2", "Extra": {"a": [1]}}):
        hand = place.hand_client(server, authenticate=False)
        hand.send("Auth", **fields)
        assert hand.expect("AuthResp").Error == ""


def test_a_known_looking_client_id_is_accepted_and_an_odd_one_replaced(place, server):
    assert place.hand_client(server, client_id="0123456789abcdef_-").client_id == "0123456789abcdef_-"
    for odd in ("short", "x" * 65, "with space 0123456789", "0123456789abcdef\u00e4"):
        assert place.hand_client(server, client_id=odd).client_id != odd


@pytest.mark.parametrize("kind, fields", [
    ("Ping", {}), ("Hello", {}), ("ReqTunnel", {"ReqId": "1", "Protocol": "http"}), ("AuthResp", {}),
    ("RegProxy", {"ClientId": "0123456789abcdef"}), ("RegProxy", {"ClientId": ""}), ("RegProxy", {})])
def test_another_first_message_is_closed_without_an_answer(server, kind, fields):
    peer = dial(server.tunnel)
    peer.send(kind, **fields)
    peer.expect_end()
    peer.close()


def test_ping_is_answered(hand):
    for _ in range(3):
        hand.ping()


def test_an_unknown_message_after_auth_is_ignored(hand):
    hand.send("Hello", World="yes")
    hand.ping()


def test_each_frame_leaves_in_one_record_with_its_length(hand):
    hand.ask("http+https")
    messages = [hand.auth, hand.expect("ReqProxy"), hand.expect("NewTunnel"), hand.expect("NewTunnel")]
    assert [m.records for m in messages] == [1, 1, 1, 1]


def test_http_and_https_get_one_name_and_an_answer_each(server, hand):
    hand.ask("http+https", ReqId="abc", Subdomain="demo")
    answers = [hand.expect("NewTunnel") for _ in range(2)]
    assert [(a.ReqId, a.Protocol, a.Url, a.Error) for a in answers] == [
        ("abc", "http", f"http://demo.localhost:{server.http}", ""),
        ("abc", "https", f"https://demo.localhost:{server.https}", "")]


def test_http_and_https_get_the_same_random_name(hand):
    plain, secure = hand.request("http+https")
    assert re.match(r"http://([a-z-]+)\.localhost:", plain.Url)[1] == \
        re.match(r"https://([a-z-]+)\.localhost:", secure.Url)[1]


def test_hostname_wins_over_subdomain_and_is_trimmed_and_lower_cased(server, hand):
    url = hand.tunnel("http", Hostname=" WWW.Example.ORG ", Subdomain="ignored")
    assert url == f"http://www.example.org:{server.http}"


def test_our_port_is_cut_off_a_hostname(server, hand):
    assert hand.tunnel("http", Hostname=f"a.example.org:{server.http}") == f"http://a.example.org:{server.http}"


def test_subdomains_are_trimmed_and_lower_cased(server, hand):
    assert hand.tunnel("http", Subdomain=" Demo ") == f"http://demo.localhost:{server.http}"


@pytest.mark.parametrize("subdomain", ["a b", "a/..", "a%", "-a", "a-", "a_b", "a.b", "x" * 64, "\u00e4", "..", "*",
                                       "a\r\nb"])
def test_odd_subdomains_are_refused(hand, subdomain):
    answer, = hand.request("http", Subdomain=subdomain)
    assert answer.Error and answer.Protocol == "http" and answer.ReqId


@pytest.mark.parametrize("protocol", ["udp", "", "http+udp", "+", "http+http+"])
def test_unknown_protocols_are_refused(hand, protocol):
    assert hand.request(protocol)[0].Error


def test_a_name_that_is_taken_is_refused_with_the_sentence(place, server, hand):
    url = hand.tunnel("http", Subdomain="demo")
    answer, = place.hand_client(server).request("http", ReqId="r7", Subdomain="demo")
    assert answer.Error == f"The tunnel {url} is already registered."
    assert (answer.ReqId, answer.Protocol, answer.Url) == ("r7", "http", "")


def test_a_name_that_is_taken_for_http_is_not_free_for_https_of_another_user(place):
    server = with_tokens(place)
    place.hand_client(server, token=ALICE).tunnel("http", Subdomain="demo")
    assert place.hand_client(server, token=BOB).request("https", Subdomain="demo")[0].Error


def test_a_session_whose_first_request_failed_leaves_nothing_behind(place, server, hand):
    hand.tunnel("http", Subdomain="taken")
    other = place.hand_client(server)
    assert other.request("http", Subdomain="taken")[0].Error
    other.close()
    assert place.hand_client(server).tunnel("http", Subdomain="free")


def test_a_request_succeeds_for_all_its_protocols_or_for_none(place, server, hand):
    port = int(hand.tunnel("tcp").rpartition(":")[2])
    other = place.hand_client(server)
    answers = other.request("http+tcp", Subdomain="demo", RemotePort=port)
    assert [a for a in answers if a.Error]
    assert place.hand_client(server).tunnel("http", Subdomain="demo"), "the name was given back"


def test_the_same_client_takes_its_names_over_at_once(place, server, hand):
    url = hand.tunnel("http", Subdomain="demo")
    successor = place.hand_client(server, client_id=hand.client_id)
    assert successor.client_id == hand.client_id
    hand.aside.clear()
    while message := hand.receive():
        assert message.kind == "ReqProxy"
    assert successor.tunnel("http", Subdomain="demo") == url


def test_a_client_id_of_another_user_is_refused(place):
    server = with_tokens(place)
    alice = place.hand_client(server, token=ALICE)
    alice.tunnel("http", Subdomain="demo")
    thief = place.hand_client(server, authenticate=False)
    answer = thief.authenticate(User=BOB, ClientId=alice.client_id)
    assert answer.Error and answer.ClientId == ""
    thief.expect_end()
    alice.ping()


@pytest.mark.parametrize("token", ["", "nobody-has-this", ALICE + "x", ALICE[:-1], "alice"])
def test_a_wrong_token_is_refused_with_a_sentence(place, token):
    server = with_tokens(place)
    hand = place.hand_client(server, authenticate=False)
    answer = hand.authenticate(User=token)
    assert answer.Error and answer.ClientId == ""
    hand.expect_end()
    assert not token or token not in server.log()


def test_the_right_token_is_let_in_and_reaches_no_log(place):
    server = with_tokens(place)
    hand = place.hand_client(server, token=ALICE)
    hand.tunnel("http")
    assert ALICE not in server.log() and hand.client_id not in server.log()


@pytest.mark.slow
def test_a_client_that_does_not_ping_is_given_up_after_thirty_seconds(place, server):
    hand = place.hand_client(server)
    hand.tunnel("http", Subdomain="demo")
    hand.wire.sock.settimeout(50)
    while message := hand.receive():
        assert message.kind == "ReqProxy"
