# SPDX-License-Identifier: LGPL-2.1-or-later
"""pgrokctl token: the token file, edited without a running pgrokd."""

import hashlib
import json
import re
import subprocess
import time

from daemons import PATIENCE, PGROKCTL


def token(place, *arguments, expected=0):
    done = subprocess.run([PGROKCTL, "token", *arguments], capture_output=True, text=True, env=place.env,
                          timeout=PATIENCE, stdin=subprocess.DEVNULL)
    assert done.returncode == expected, (done.stdout, done.stderr)
    return done


def set_up(place):
    """A configuration, and the options that point to it."""
    certificate, key = place.certificate()
    tokens = place.write("tokens", "# name  token\n")
    config = f"""domain = "tunnel.test"; tunnel_listen = [ "127.0.0.1:0" ];
        tls: {{ certificate = "{certificate}"; key = "{key}"; }};
        auth: {{ method = "token-file"; token_file = "{tokens}"; }};"""
    return tokens, config, ["--config", place.write("for-ctl.conf", f"server: {{ {config} }};\n")]


def test_a_token_that_was_added_lets_its_client_in(place):
    tokens, config, where = set_up(place)
    login = token(place, *where, "add", "alice").stdout
    secret = re.fullmatch(r"pgrok login --server tunnel\.test:\d+ ([0-9a-f]{64})\n", login)[1]
    assert f"alice  sha256:{hashlib.sha256(secret.encode()).hexdigest()}\n" in tokens.read_text()
    assert secret not in tokens.read_text()
    server = place.server(dev=False, config=config)
    place.hand_client(server, token=secret).tunnel("http", Subdomain="demo")


def test_a_running_server_takes_a_new_token_and_forgets_a_revoked_one(place):
    _, config, where = set_up(place)
    server = place.server(dev=False, config=config)
    secret = token(place, *where, "add", "alice", "subdomains=demo").stdout.split()[-1]
    deadline = time.monotonic() + PATIENCE
    assert not place.hand_client(server, authenticate=False).authenticate(User=secret).Error
    token(place, *where, "revoke", "alice")
    while not place.hand_client(server, authenticate=False).authenticate(User=secret).Error:
        assert time.monotonic() < deadline


def test_clients_wait_for_the_version_that_is_there_whatever_it_says(place):
    tokens, config, where = set_up(place)
    server = place.server(dev=False, config=config)
    alice, eve, gone = (place.hand_client(server, authenticate=False) for _ in range(3))
    secret = token(place, *where, "add", "alice").stdout.split()[-1]
    for client, word in ((alice, secret), (eve, "another"), (gone, secret)):
        client.send("Auth", Version="2", MmVersion="1.7", User=word)
    gone.close()
    assert "doesn't know" in eve.expect("AuthResp").Error
    assert not alice.expect("AuthResp").Error
    tokens.write_text("nonsense\n")
    assert "doesn't know" in place.hand_client(server, authenticate=False).authenticate(User="another").Error
    assert not place.hand_client(server, authenticate=False).authenticate(User=secret).Error


def test_the_list_shows_no_hash_and_revoking_leaves_the_rest(place):
    tokens, _, where = set_up(place)
    before = tokens.read_text()
    token(place, *where, "add", "alice")
    token(place, *where, "add", "bob")
    listed = token(place, *where, "list").stdout
    assert "alice" in listed and "bob" in listed and "sha256" not in listed
    assert [u["name"] for u in json.loads(token(place, "--json", *where, "list").stdout)["users"]] == ["alice", "bob"]
    assert "already" in token(place, *where, "add", "alice", expected=1).stderr
    token(place, *where, "revoke", "alice")
    assert "no token" in token(place, *where, "revoke", "alice", expected=1).stderr
    token(place, *where, "revoke", "bob")
    assert tokens.read_text() == before


def test_what_is_wrong_is_told(place):
    tokens, _, where = set_up(place)
    for name in ("", "a b", "a#b", "x" * 65, "sha256:00"):
        assert "letters" in token(place, *where, "add", name, expected=2).stderr
    for setting in ("max_tunnels", "a=b c", "a=b\neve  sha256:00", "from=#"):
        assert "KEY=VALUE" in token(place, *where, "add", "alice", setting, expected=2).stderr
    for settings, why in ((["max_tunnel=4"], "not known"), (["rate=fast"], "bytes a second"), (["expires=2027-02-30"], "a day"),
                          (["rate=1M", "rate=2M"], "twice")):
        assert why in token(place, *where, "add", "alice", *settings, expected=2).stderr
    assert "alice" not in tokens.read_text(), "pgrokd would refuse the file"
    assert "/no/such" in token(place, *where, "--token-file", "/no/such/tokens", "add", "alice", expected=1).stderr
    assert "/no/such" in token(place, *where, "--token-file", "/no/such/tokens", "list", expected=1).stderr


def test_many_at_once_lose_no_line(place):
    tokens, _, where = set_up(place)
    running = [subprocess.Popen([PGROKCTL, "token", "add", *where, f"user{i}"], env=place.env,
                                stdout=subprocess.DEVNULL) for i in range(12)]
    assert [p.wait(PATIENCE) for p in running] == [0] * 12
    assert len(tokens.read_text().splitlines()) == 13
