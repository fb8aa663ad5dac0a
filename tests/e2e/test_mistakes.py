# SPDX-License-Identifier: LGPL-2.1-or-later
"""What goes wrong for people is told with what helps."""

import hashlib
import json
import socket
import subprocess

import pytest

from daemons import PATIENCE, PGROK, PGROKCTL, PGROKD
from test_client_control import pgrok, status
from test_commands import run


@pytest.mark.parametrize("program, words, meant", [
    (PGROK, ["--subdoman", "x", "3000"], "--subdomain"), (PGROK, ["--severr=x", "3000"], "--server"),
    (PGROK, ["statsu"], "'status'"), (PGROK, ["strat", "x"], "'start'"), (PGROKD, ["--http-listn=x"], "--http-listen"),
    (PGROKCTL, ["tunels"], "`tunnels'"), (PGROKCTL, ["--sockt", "x", "status"], "--socket")], ids=str)
def test_a_mistyped_word_is_told_with_what_may_have_been_meant(place, program, words, meant):
    done = run(place, program, *words)
    assert done.returncode == 2 and "id you mean " + meant in done.stderr


def test_what_is_like_nothing_is_told_without(place):
    for words in (["--whatever", "3000"], ["xylophone"]):
        assert "mean" not in run(place, PGROK, *words).stderr


@pytest.mark.parametrize("text, told", [
    ('client: { sever = "x"; };', "client.sever is not a key that exists; did you mean server?"),
    ('tunnels: { blog: { local = "80"; subdomian = "x"; }; };',
     "tunnels.blog.subdomian is not a key that exists; did you mean subdomain?"),
    ('tunnels: { blog: { local = "80"; colour = "x"; }; };', "tunnels.blog.colour is not a key that exists"),
    ('tunels: { };', "tunels is not a section that exists; did you mean tunnels?")], ids=lambda v: v[:30])
def test_a_mistyped_key_too(place, text, told):
    config = place.write("c.conf", text + "\n")
    done = run(place, PGROK, "check", "--config", config)
    assert done.returncode == 2 and done.stderr == f"{config}:1: {told}\n"


def test_check_tells_programs_too(place):
    config = place.write("c.conf", 'client: { sever = "x"; };\n')
    done = run(place, PGROK, "check", "--json", "--config", config)
    faults = json.loads(done.stdout)["faults"]
    assert done.returncode == 2 and not done.stderr and len(faults) == 1 and faults[0].startswith(f"{config}:1: ")
    config.write_text('tunnels: { a: { local = "80"; }; };\n')
    assert json.loads(run(place, PGROK, "check", "--json", "--config", config).stdout) == {
        "folder": str(config), "tunnels": 1, "faults": []}


def test_a_yaml_file_in_a_folder_is_not_passed_over(place):
    folder = place.folder / "config"
    folder.mkdir()
    (folder / "ngrok.yml").write_text("server_addr: example.com:4443\n")
    done = run(place, PGROK, "check", "--config", folder)
    assert done.returncode == 2 and "ngrok.yml" in done.stderr and "pgrok-migration" in done.stderr
    (folder / "client.conf").write_text('client: { server = "h"; };\n')
    assert run(place, PGROK, "check", "--config", folder).returncode == 0


def test_a_port_in_use_says_how_to_find_out_who_has_it(place, server):
    done = run(place, PGROKD, "--dev", f"--http-listen=127.0.0.1:{server.http}", "--https-listen=127.0.0.1:0",
               "--tunnel-listen=127.0.0.1:0")
    assert done.returncode == 1 and "ss -ltnp" in done.stderr and str(server.http) in done.stderr


def test_a_server_that_is_not_there(place):
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
    certificate, _ = place.certificate()
    client = place.client(type("Nobody", (), {"address": f"127.0.0.1:{port}"}), "--ca-file", str(certificate), "3000", dev=False)
    reason = client.wait_event("offline")["reason"]
    assert "does pgrokd run there" in reason and "pgrokd --dev" in reason


def test_a_token_file_that_is_missing(place):
    done = run(place, PGROK, "--server", "localhost:1", "--token-file", place.folder / "none", "3000")
    assert done.returncode == 2 and "pgrok login" in done.stderr


def test_dev_without_its_server(place):
    done = run(place, PGROK, "--dev", "3000")
    assert done.returncode == 2 and "start 'pgrokd --dev' first" in done.stderr


def test_status_says_why_a_tunnel_is_refused(place, server):
    place.hand_client(server).tunnel("http", Subdomain="taken")
    config = place.write("t.conf", 'tunnels: { a: { local = "80"; }; b: { local = "81"; subdomain = "taken"; }; };\n')
    client = place.client(server, "run", "--config", config)
    client.wait_event("error", name="b")
    found = {t["name"]: t for t in status(place, client)["tunnels"]}
    assert found["b"]["state"] == "refused" and "already registered" in found["b"]["reason"]
    assert "reason" not in found["a"]
    assert "b is refused: The tunnel http://taken.localhost" in pgrok(place, client, "status").stdout


def test_a_name_that_is_taken_by_oneself_says_so(place):
    token = "word"
    tokens = place.write("tokens", "".join(f"{name} sha256:{hashlib.sha256(t.encode()).hexdigest()}\n"
                                           for name, t in (("alice", token), ("bob", "other"))))
    certificate, key = place.certificate()
    server = place.server(dev=False, config=f'''domain = "tunnel.test"; tls: {{ certificate = "{certificate}"; key = "{key}"; }};
        auth: {{ method = "token-file"; token_file = "{tokens}"; }};''')
    first = place.hand_client(server, token=token)
    first.tunnel("http", Subdomain="mine")
    label = hashlib.sha256(first.client_id.encode()).hexdigest()[:12]
    error = place.hand_client(server, token=token).request("http", Subdomain="mine")[0].Error
    assert error.startswith("The tunnel http://mine.tunnel.test") and "another client of yours" in error and label in error
    assert "yours" not in place.hand_client(server, token="other").request("http", Subdomain="mine")[0].Error


def test_help_about_a_command(place):
    for command in ("add", "status", "login", "serve"):
        done = run(place, PGROK, "help", command)
        assert done.returncode == 0 and f"pgrok {command}" in done.stdout
    done = subprocess.run([PGROKCTL, "help", "token"], capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert done.returncode == 0 and "token add" in done.stdout
