# SPDX-License-Identifier: LGPL-2.1-or-later
"""pgrok status, add, remove and reload: changes to a client that runs."""

import hashlib
import json
import signal
import subprocess

import pytest

import visit
from daemons import PATIENCE, PGROK, Client
from test_control import TRANSFER, listed, rest_of, start_download


def pgrok(place, client, *arguments, expected=0):
    done = subprocess.run([PGROK, arguments[0], "--socket", client.control_socket, *map(str, arguments[1:])],
                          capture_output=True, text=True, env=place.env, timeout=PATIENCE, stdin=subprocess.DEVNULL)
    assert done.returncode == expected, (done.stdout, done.stderr)
    return done


def status(place, client):
    return json.loads(pgrok(place, client, "status", "--json").stdout)


def urls(place, client):
    """By tunnel, of those that are up."""
    return {t["name"]: t["urls"] for t in status(place, client)["tunnels"] if t["state"] == "up"}


def wait_for_tunnels(client, *names):
    """Until each was announced after the latest `online`."""
    def find(_lines):
        events = client.events()
        begin = max((i for i, e in enumerate(events) if e["event"] == "online"), default=len(events))
        return True if set(names) <= {e["name"] for e in events[begin:] if e["event"] == "tunnel"} else None

    client.wait_for(find, f"tunnels {names}")


def run_daemon(place, server, tunnels):
    config = place.write("client.conf", f"tunnels: {{ {tunnels} }};\n")
    return config, place.client(server, "run", "--config", config)


def tunnel_text(name, port, more=""):
    return f'{name}: {{ proto = "http"; local = "{port}"; {more} }};'


def test_status_says_what_the_client_does(place, server):
    port = place.http().port
    client = place.client(server, str(port))
    client.tunnels(2)
    found = status(place, client)
    assert found["state"] == "online" and found["server"] == f"127.0.0.1:{server.tunnel}"
    assert sorted(found["tunnels"][0]["urls"]) == sorted(t.url for t in client.tunnels(2))
    text = pgrok(place, client, "status").stdout
    assert text.startswith(f"Online at 127.0.0.1:{server.tunnel}, 0 connections\n")
    assert all(t.url in text for t in client.tunnels(2)) and str(port) in text


def test_a_tunnel_comes_and_goes_and_the_others_stay(place):
    server, port = place.server(config='names: { park = "100ms"; };'), place.http().port
    _, client = run_daemon(place, server, tunnel_text("kept", port))
    kept = client.tunnel("http")
    with start_download(kept) as sock:
        pgrok(place, client, "add", "--subdomain", "more", "--proto", "http", port)
        wait_for_tunnels(client, "kept", str(port))
        assert visit.exchange(server.http, visit.head("more.localhost")).status == 200
        assert visit.get(kept).status == 200
        assert len(client.events("online")) == 1  # it was enough to ask for it
        pgrok(place, client, "remove", port)
        client.wait_event("online", 2)
        wait_for_tunnels(client, "kept")
        assert visit.exchange(server.http, visit.head("more.localhost")).status == 503
        assert visit.get(kept).status == 200
        assert len(visit.read_exactly(sock, rest_of(sock))) == TRANSFER  # through all of it
    assert list(urls(place, client)) == ["kept"]


def test_a_configured_tunnel_is_taken_back_and_added_again(place, server):
    port = place.http().port
    _, client = run_daemon(place, server, tunnel_text("a", port) + tunnel_text("b", port))
    wait_for_tunnels(client, "a", "b")
    before = urls(place, client)
    pgrok(place, client, "remove", "a")
    client.wait_event("online", 2)
    wait_for_tunnels(client, "b")
    assert list(urls(place, client)) == ["b"]
    pgrok(place, client, "add", "a")
    wait_for_tunnels(client, "a", "b")
    assert urls(place, client) == before


def test_reload_takes_what_the_files_say_now(place, server):
    port = place.http().port
    config, client = run_daemon(place, server, tunnel_text("a", port) + tunnel_text("b", port))
    wait_for_tunnels(client, "a", "b")
    config.write_text(f'tunnels: {{ {tunnel_text("b", port)} {tunnel_text("c", port)} }};\n')
    pgrok(place, client, "reload")
    client.wait_event("online", 2)
    wait_for_tunnels(client, "b", "c")
    assert visit.exchange(server.http, visit.head("c.localhost")).status == 200
    assert sorted(urls(place, client)) == ["b", "c"]


def test_a_reload_without_a_change_disturbs_nobody(place, server):
    _, client = run_daemon(place, server, tunnel_text("a", place.http().port))
    wait_for_tunnels(client, "a")
    for _ in range(3):
        pgrok(place, client, "reload")
    assert len(client.events("online")) == 1 and list(urls(place, client)) == ["a"]


def test_visitors_survive_one_change_after_the_other(place, server):
    port = place.http().port
    _, client = run_daemon(place, server, tunnel_text("kept", port) + tunnel_text("other", port))
    wait_for_tunnels(client, "kept", "other")
    held = []
    for i in range(3):
        held.append(start_download(client.tunnel("http")))
        pgrok(place, client, "add" if i % 2 else "remove", "other")
        wait_for_tunnels(client, "kept", *(["other"] if i % 2 else []))
    for sock in held:
        with sock:
            assert len(visit.read_exactly(sock, rest_of(sock))) == TRANSFER


def test_a_wrong_configuration_is_refused_and_the_running_one_stays(place, server):
    port = place.http().port
    config, client = run_daemon(place, server, tunnel_text("a", port))
    wait_for_tunnels(client, "a")
    config.write_text('tunnels: {\n  a: { local = "nonsense:"; };\n};\n')
    done = pgrok(place, client, "reload", expected=1)
    assert f"{config}:2:" in done.stderr
    assert len(client.events("online")) == 1 and visit.exchange(server.http, visit.head("a.localhost")).status == 200


@pytest.mark.parametrize("arguments, reason", [
    (["add", "nonsense:"], "neither a target"), (["add", "--subdomain", "a b", "3000"], "subdomain"),
    (["add", "a"], "there already"), (["remove", "nothing"], "no tunnel nothing"),
    (["add", "--proto", "udp", "3000"], "proto"),
], ids=str)
def test_a_change_that_can_not_be_is_refused(place, server, arguments, reason):
    _, client = run_daemon(place, server, tunnel_text("a", place.http().port))
    wait_for_tunnels(client, "a")
    assert reason in pgrok(place, client, *arguments, expected=1).stderr
    assert len(client.events("online")) == 1
    assert list(urls(place, client)) == ["a"]


def test_an_absent_client_is_told_as_such(place, server):
    client = place.client(server, str(place.http().port))
    client.tunnels(2)
    client.terminate()
    assert "is pgrok running?" in pgrok(place, client, "status", expected=1).stderr
    assert not client.control_socket.exists()


# ---- another server, or another way to it ----

def client_text(place, server, more="", ca=None):
    return f'client: {{ server = "localhost:{server.tunnel}"; ca_file = "{ca or place.ca()}"; {more} }};\n'


def run_configured(place, text):
    config = place.write("client.conf", text)
    return config, Client(place, ["run", "--config", config])


def hang_up(client, count=1):
    client.process.send_signal(signal.SIGHUP)
    client.wait_log("The configuration was read again", count)


@pytest.mark.parametrize("connections", [1, 3])
def test_a_reload_moves_to_another_server_and_loses_no_visitor(place, connections):
    first, second = place.server(), place.server()
    tunnels = f"tunnels: {{ {tunnel_text('web', place.http().port)} }};\n"
    more = f"connections = {connections};"
    config, client = run_configured(place, client_text(place, first, more) + tunnels)
    with start_download(client.tunnel("http")) as held:
        config.write_text(client_text(place, second, more) + tunnels)
        hang_up(client)
        client.wait_event("online", server=f"localhost:{second.tunnel}")
        wait_for_tunnels(client, "web")
        assert visit.exchange(second.http, visit.head("web.localhost")).status == 200
        listed(first, "tunnels", lambda found: not found)
        assert len(visit.read_exactly(held, rest_of(held))) == TRANSFER
    listed(first, "clients", lambda found: not found)
    listed(second, "connections", lambda found: not found)


def test_a_reload_back_and_forth_gives_the_same_name(place):
    servers = place.server(), place.server()
    tunnels = f'tunnels: {{ web: {{ local = "{place.http().port}"; proto = "http"; }}; }};\n'
    config, client = run_configured(place, client_text(place, servers[0]) + tunnels)
    wait_for_tunnels(client, "web")
    before = urls(place, client)
    for i, server in ((1, servers[1]), (2, servers[0])):
        config.write_text(client_text(place, server) + tunnels)
        hang_up(client, i)
        client.wait_event("online", i + 1)
        wait_for_tunnels(client, "web")
    assert urls(place, client) == before


def test_a_reload_reads_the_token_file(place):
    tokens = "".join(f"{name} sha256:{hashlib.sha256(f'token-of-{name}'.encode()).hexdigest()}\n"
                     for name in ("alice", "bob"))
    server = place.server(config=f'auth: {{ method = "token-file"; token_file = "{place.write("tokens", tokens)}"; }};')
    secret = place.write("token", "token-of-alice\n")
    tunnels = f"tunnels: {{ {tunnel_text('web', place.http().port)} }};\n"
    _, client = run_configured(place, client_text(place, server, f'token_file = "{secret}";') + tunnels)
    wait_for_tunnels(client, "web")
    hang_up(client)  # nothing is new
    assert len(client.events("online")) == 1
    secret.write_text("nonsense in it\n")
    client.process.send_signal(signal.SIGHUP)
    client.wait_log("the running one stays")
    assert "token" in client.log() and len(client.events("online")) == 1
    secret.write_text("token-of-alice\n")
    hang_up(client, 2)
    assert len(client.events("online")) == 1


def test_a_ca_that_can_not_be_read_is_refused(place, server):
    tunnels = f"tunnels: {{ {tunnel_text('web', place.http().port)} }};\n"
    config, client = run_configured(place, client_text(place, server) + tunnels)
    wait_for_tunnels(client, "web")
    config.write_text(client_text(place, server, ca="/no/such.pem") + tunnels)
    assert "/no/such.pem" in pgrok(place, client, "reload", expected=1).stderr
    assert visit.exchange(server.http, visit.head("web.localhost")).status == 200
    assert len(client.events("online")) == 1


def test_without_the_command_run_a_hang_up_is_the_end(place, server):
    client = place.client(server, str(place.http().port))
    client.tunnels(2)
    assert client.terminate(signal.SIGHUP) == 0
