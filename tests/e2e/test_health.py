# SPDX-License-Identifier: LGPL-2.1-or-later
"""Local services that are looked after: while one fails, its visitors get 503."""

import re
import time

import pytest

import local
import visit
from daemons import PATIENCE
from test_client_control import pgrok, status


def start(place, server, port, health, more=""):
    config = place.write("t.conf", f'''tunnels: {{ app: {{ local = "{port}"; health = "{health}"; health_interval = "1s";
        health_timeout = "500ms"; {more} }}; }};''')
    client = place.client(server, "start", "app", "--config", config)
    client.tunnels(1 if "tcp" in more else 2)
    return client


def wait_for(tunnel, status, path="/"):
    """The server hears of it a moment later."""
    deadline = time.monotonic() + PATIENCE
    while (answer := visit.get(tunnel, path)).status != status:
        assert time.monotonic() < deadline, answer
    return answer


class MoodyService(local.OriginService):
    """Is well, or not, as `mood` says."""

    mood = b"200 OK"

    async def answer(self, reader, writer, request):
        if request["path"] == "/silent":
            await reader.read()
        status = self.mood if request["path"] == "/healthz" else b"200 OK"
        writer.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: 2\r\n\r\nok")
        await writer.drain()


def test_a_service_that_is_away_is_noticed_and_so_is_its_return(place, server):
    service = place.http()
    port = service.port
    client = start(place, server, port, "tcp")
    tunnel = client.tunnel("http")
    assert visit.get(tunnel).status == 200 and not client.events("health")
    service.close()
    failing = client.wait_event("health", name="app", failing=True)
    assert "refused" in failing["reason"]
    answer = visit.get(tunnel)
    assert answer.status == 503 and answer.headers["Retry-After"] in ("1", "10")
    found = status(place, client)["tunnels"][0]
    assert found["state"] == "failing" and "refused" in found["reason"]
    assert re.search(r"app is failing: .*refused", pgrok(place, client, "status").stdout)
    client.wait_log("Tunnel app: The service behind it is failing")
    place.keep(local.HttpService(port=port))
    client.wait_event("health", name="app", failing=False)
    wait_for(tunnel, 200)
    assert status(place, client)["tunnels"][0]["state"] == "up"


def test_a_service_that_says_it_is_not_well(place, server):
    service = place.keep(MoodyService())
    client = start(place, server, service.port, "/healthz")
    assert visit.get(client.tunnel("http"), "/x").status == 200
    service.mood = b"500 Oh"
    assert "/healthz with status 500" in client.wait_event("health", failing=True)["reason"]
    assert visit.get(client.tunnel("http"), "/x").status == 503
    assert visit.get(client.tunnel("https"), "/x", ca=place.ca()).status == 503
    service.mood = b"204 No Content"
    client.wait_event("health", failing=False)
    wait_for(client.tunnel("http"), 200, "/x")
    asked = next(r for r in service.requests if r["path"] == "/healthz")
    assert asked["headers"]["host"] == f"localhost:{service.port}" and asked["headers"]["user-agent"] == "pgrok-health"


@pytest.mark.parametrize("make, health", [(MoodyService, "/silent"), (local.EchoService, "/x"), (local.SilentService, "/x"),
                                          (local.ResetService, "/x")], ids=lambda v: getattr(v, "__name__", v))
def test_a_service_that_does_not_answer_rightly_is_failing(place, server, make, health):
    client = start(place, server, place.keep(make()).port, health)
    assert client.wait_event("health", failing=True)["reason"]
    assert visit.get(client.tunnel("http")).status == 503


def test_the_edge_answers_for_a_client_that_says_its_service_fails(place, server):
    mine, other = place.hand_client(server), place.hand_client(server)
    url, foreign = mine.tunnel("http", Subdomain="mine"), other.tunnel("http", Subdomain="other")

    def ask(label):
        return visit.exchange(server.http, visit.head(f"{label}.localhost"))

    mine.send("TunnelHealth", Url=url, Failing=True)
    mine.send("TunnelHealth", Url=foreign, Failing=True)  # not its own
    mine.send("TunnelHealth", Url="nonsense", Failing=True)
    mine.send("Ping")
    mine.expect("Pong")
    answer = ask("mine")
    assert answer.status == 503 and answer.headers["Retry-After"] == "10" and "not well" in answer.text
    with visit.connect(server.http) as sock:
        sock.sendall(visit.head("other.localhost"))
        other.proxy().expect("StartProxy")
    mine.send("TunnelHealth", Url=url)
    mine.send("Ping")
    mine.expect("Pong")
    with visit.connect(server.http) as sock:
        sock.sendall(visit.head("mine.localhost"))
        mine.proxy().expect("StartProxy")


def test_with_a_server_of_ours_it_is_the_edge_that_answers(place, server):
    service = place.http()
    client = start(place, server, service.port, "tcp")
    service.close()
    client.wait_event("health", failing=True)
    n = len(client.events("connection"))
    for protocol, ca in (("http", None), ("https", place.ca())):
        answer = visit.get(client.tunnel(protocol), ca=ca)
        assert answer.status == 503 and answer.headers["Retry-After"]
    server.terminate()  # a new session tells it anew
    client.wait_event("offline")
    place.server(*server.again())
    client.wait_event("tunnel", 4)
    assert visit.get(client.tunnel("http")).status == 503
    assert len(client.events("connection")) <= n + 3


def start_failing(place, server, port):
    """A client that won't look again by itself."""
    config = place.write("t.conf", f'''tunnels: {{ app: {{ local = "{port}"; health = "tcp"; health_interval = "1h"; }};
        other: {{ local = "9"; }}; }};''')
    client = place.client(server, "start", "app", "--config", config)
    client.tunnels(2)
    client.wait_event("health", failing=True)
    wait_for(client.tunnel("http"), 503)
    return config, client


def test_what_is_known_of_a_service_outlives_a_reload(place, server):
    service = place.http()
    service.close()
    _, client = start_failing(place, server, service.port)
    pgrok(place, client, "add", "other")
    client.tunnels(4)
    assert status(place, client)["tunnels"][0]["state"] == "failing"
    place.keep(local.HttpService(port=service.port))
    pgrok(place, client, "reload")  # which looks at once
    client.wait_event("health", failing=False)
    wait_for(client.tunnel("http"), 200)
    assert len(client.events("health")) == 2


def test_a_service_that_is_not_looked_after_any_more_is_tried(place, server):
    service = place.http()
    service.close()
    config, client = start_failing(place, server, service.port)
    config.write_text(f'tunnels: {{ app: {{ local = "{service.port}"; }}; }};')
    pgrok(place, client, "reload")
    client.wait_event("tunnel", 4)
    wait_for(client.tunnel("http"), 502)


def test_a_tcp_tunnel_tells_too(place, server):
    service = place.keep(local.EchoService())
    client = start(place, server, service.port, "tcp", 'proto = "tcp";')
    service.close()
    client.wait_event("health", failing=True)


def test_wrong_settings_are_refused(place, server):
    for text in ('local = "80"; health = "http";', 'local = "80"; health = "/a b";', 'local = "80"; health_interval = "1ms";',
                 'local = "file:///"; health = "tcp";', 'local = "80"; proto = "tcp"; health = "/x";'):
        config = place.write("t.conf", f"tunnels: {{ app: {{ {text} }}; }};")
        assert place.client(server, "start", "app", "--config", config).exit_code() == 2
