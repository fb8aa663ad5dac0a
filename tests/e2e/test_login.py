# SPDX-License-Identifier: LGPL-2.1-or-later
"""pgrok login, and servers that are known by the pin of their key."""

import hashlib
import os
import re
import shlex
import signal
import subprocess

import pytest

import local
import visit
from conftest import TRANSPORT
from daemons import PATIENCE, PGROK, PGROKCTL, Client

TOKEN = "f" * 64
PIN = "sha256:" + "0" * 64


def run(place, *words, expected=0, text=None):
    done = subprocess.run([str(w) for w in words], capture_output=True, text=True, env=place.env, timeout=PATIENCE,
                          input=text, cwd=place.folder)
    assert done.returncode == expected, (done.stdout, done.stderr)
    return done


def login(place, *words, **options):
    return run(place, PGROK, "login", *words, **options)


def home(place):
    return place.folder / "config_home" / "pgrok"


def start(place, certificate=None):
    """A server that is no test's own: it has a domain, tokens, and a certificate that it makes itself."""
    tokens = place.write("tokens", f"bob sha256:{hashlib.sha256(TOKEN.encode()).hexdigest()}\n")
    tls = 'tls: {{ certificate = "{}"; key = "{}"; }};'.format(*certificate) if certificate else ""
    config = f'domain = "tunnel.test"; auth: {{ method = "token-file"; token_file = "{tokens}"; }}; {tls}'
    return place.server(dev=False, config=config)


def client(place, *words):
    """As somebody types it: nothing says where the server is."""
    more = [f"--transport={TRANSPORT}"] if TRANSPORT else []
    return Client(place, [*more, *words])


def pin_of(key):
    der = subprocess.run(["openssl", "pkey", "-in", key, "-pubout", "-outform", "DER"], check=True,
                         capture_output=True).stdout
    return "sha256:" + hashlib.sha256(der).hexdigest()


@pytest.fixture
def by_name(place):
    """tunnel.test can be reached."""
    proxy = place.keep(local.ConnectProxy())
    place.env["http_proxy"] = f"http://127.0.0.1:{proxy.port}"


@pytest.mark.usefixtures("by_name")
def test_the_line_that_token_add_prints_is_all_that_is_needed(place):
    server = start(place)
    added = run(place, PGROKCTL, "--socket", server.control_socket, "--config", place.folder / "pgrokd.conf",
                "token", "add", "alice")
    key, = (place.folder / "state_home/pgrok").rglob("tunnel.test.key")
    line = shlex.split(added.stdout)
    assert line[:6] == ["pgrok", "login", "--server", f"tunnel.test:{server.tunnel}", "--pin", pin_of(key)], line
    assert re.fullmatch("[0-9a-f]{64}", line[6]) and not added.stderr
    done = run(place, PGROK, *line[1:])
    assert "pgrok 3000" in done.stdout and not done.stderr
    assert {f.name: f.stat().st_mode & 0o777 for f in home(place).iterdir()} == {"login.conf": 0o600, "token": 0o600}
    assert line[6] not in (home(place) / "login.conf").read_text()
    server.wait_log("Read the tokens")
    there = client(place, str(place.http().port))
    tunnel = there.tunnel("http")
    assert visit.exchange(server.http, visit.head(tunnel.host)).status == 200


def test_without_a_server_that_runs_the_line_has_no_pin_and_that_is_told(place):
    tokens = place.write("tokens", "")
    config = place.write("c.conf", f'server: {{ domain = "tunnel.test"; auth: {{ token_file = "{tokens}"; }}; }};\n')
    added = run(place, PGROKCTL, "--socket", place.folder / "none", "--config", config, "token", "add", "alice")
    assert re.fullmatch(r"pgrok login --server tunnel\.test:4443 [0-9a-f]{64}\n", added.stdout)
    assert "pin" in added.stderr


def test_the_token_may_come_through_standard_input(place):
    login(place, "--server", "localhost:1", "-", text=TOKEN + "\n")
    assert (home(place) / "token").read_text() == TOKEN + "\n"
    login(place, "-", text="two words\n", expected=2)
    login(place, "-", text="", expected=2)
    assert (home(place) / "token").read_text() == TOKEN + "\n"


def test_a_second_login_keeps_what_still_holds(place):
    login(place, "--server", "localhost:1", "--pin", PIN, "one")
    login(place, "two")
    text = (home(place) / "login.conf").read_text()
    assert "localhost:1" in text and PIN in text and (home(place) / "token").read_text() == "two\n"
    login(place, "--server", "localhost:2", "three")  # whose key is another
    text = (home(place) / "login.conf").read_text()
    assert "localhost:2" in text and PIN not in text


def test_other_files_stay_and_count(place):
    home(place).mkdir()
    mine = home(place) / "client.conf"
    mine.write_text(f'# mine\nclient: {{ server = "localhost:1"; token_file = "{place.folder}/secret"; }};\n')
    before = mine.read_text()
    login(place, "--pin", PIN, "word")
    assert mine.read_text() == before and (place.folder / "secret").read_text() == "word\n"
    text = (home(place) / "login.conf").read_text()
    assert PIN in text and "server" not in text and "token_file" not in text
    run(place, PGROK, "check")
    done = login(place, "--server", "localhost:2", "word", expected=2)
    assert f"{mine}:2" in done.stderr and "localhost:1" in done.stderr
    mine.write_text('client: { token = "old"; server = "localhost:1"; };\n')
    assert f"{mine}:1: client.token" in login(place, "word", expected=2).stderr


def test_what_login_would_lose_it_does_not_replace(place):
    login(place, "--server", "localhost:1", "word")
    own = home(place) / "login.conf"
    own.write_text(own.read_text().replace("};", 'transport = "mux"; };'))
    done = login(place, "other", expected=2)
    assert "transport" in done.stderr and "another file" in done.stderr
    assert (home(place) / "token").read_text() == "word\n"


@pytest.mark.parametrize("words", [[], ["a", "b"], ["two words"], ["--server", "a b", "x"], ["--pin", "sha256:12", "x"],
                                   ["--server", "h", "--transport", "mux", "x"], ["--server", "h", "--ca-file", "none", "x"],
                                   ["--server", "h", "--subdomain", "s", "x"], ["x"]], ids=str)
def test_a_wrong_login_changes_nothing(place, words):
    done = login(place, *words, expected=2)
    assert done.stderr.strip() and not done.stdout and not home(place).exists()


def test_a_pin_takes_the_place_of_a_ca_and_of_the_name(place):
    certificate, key = place.certificate()
    server = start(place, (certificate, key))
    there = place.client(server, "--token", TOKEN, "--pin", pin_of(key), str(place.http().port), dev=False)
    tunnel = there.tunnel("http")
    assert visit.exchange(server.http, visit.head(tunnel.host)).status == 200


def test_a_server_with_another_key_is_refused_and_its_pin_told(place):
    certificate, key = place.certificate()
    server = start(place, (certificate, key))
    there = place.client(server, "--token", TOKEN, "--pin", PIN, "3000", dev=False)
    assert there.exit_code() == 1
    assert pin_of(key) in there.wait_event("error")["reason"]
    unpinned = place.client(server, "--token", TOKEN, "3000", dev=False)
    assert unpinned.exit_code() == 1
    reason = unpinned.wait_event("error")["reason"]
    assert "--ca-file" in reason and "--pin" in reason and pin_of(key) in reason


def test_a_certificate_that_is_renewed_with_its_key_keeps_its_pin(place):
    certificate, key = place.certificate()
    server = start(place, (certificate, key))
    there = place.client(server, "--token", TOKEN, "--pin", pin_of(key), "run", "--config",
                         place.write("t.conf", f'tunnels: {{ a: {{ local = "{place.http().port}"; }}; }};'), dev=False)
    there.wait_event("online")
    renewed = place.folder / "renewed.pem"
    subprocess.run(["openssl", "req", "-x509", "-key", key, "-days", "3", "-subj", "/CN=elsewhere", "-out", renewed],
                   check=True, capture_output=True, timeout=PATIENCE)
    os.replace(renewed, certificate)
    server.process.send_signal(signal.SIGHUP)
    server.wait_log("read again")
    server.terminate()
    there.wait_event("offline")
    place.server(*server.again(), "--config", str(place.folder / "pgrokd.conf"), dev=False)
    there.wait_event("online", 2)
