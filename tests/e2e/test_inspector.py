# SPDX-License-Identifier: LGPL-2.1-or-later
"""The inspector's API: what was captured, replays, exports, and whom it refuses."""

import datetime
import gzip
import json
import shlex
import socket
import subprocess

import pytest

import local
import visit
from daemons import PATIENCE, SANITIZED
from inspector import Inspector, start

MIB = 1 << 20


def answer(body, *fields):
    return b"\r\n".join([b"HTTP/1.1 200 OK", *fields, b"Content-Length: %d" % len(body), b"", body])


def test_requests_are_shown_as_they_were_on_the_wire(place):
    packed = gzip.compress(b'{"a": 1}')
    chunks = b"4\r\n" + packed[:4] + b"\r\n%x\r\n" % len(packed[4:]) + packed[4:] + b"\r\n0\r\nX-Sum: 1\r\n\r\n"
    service = place.keep(local.OriginService({"/a?b": (
        b"HTTP/1.1 200 Fine\r\nContent-Type: application/json\r\nx-odd:  y\r\nContent-Encoding: gzip\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n") + chunks}))
    client, tunnel, inspector = start(place, service)
    visit.get(tunnel, "/a?b", headers={"Cookie": "c=d"})
    client.wait_event("request")
    summary, = inspector.requests()
    assert (summary["method"], summary["path"], summary["status"], summary["done"]) == ("GET", "/a?b", 200, True)
    request = inspector.get("/api/requests/1")
    assert request["request_url"] == f"{tunnel.url}/a?b" and request["visitor"].startswith("127.0.0.1:")
    assert ["Cookie", "c=d"] in request["request"]["headers"]
    assert request["response"]["line"] == "HTTP/1.1 200 Fine" and ["x-odd", "y"] in request["response"]["headers"]
    assert request["response"]["chunked"] and request["response"]["codings"] == ["gzip"]
    assert request["response"]["body_bytes"] == len(chunks)
    assert inspector.body(1) == b'{"a": 1}' and inspector.body(1, query="?raw=1") == chunks
    assert inspector.body(1, "request") == b""


def test_bodies_are_served_so_that_nothing_in_them_acts(place):
    service = place.keep(local.OriginService({"/x": answer(b"<script>alert(1)</script>", b"Content-Type: text/html")}))
    client, tunnel, inspector = start(place, service)
    visit.get(tunnel, "/x")
    client.wait_event("request")
    status, headers, body = inspector.ask("GET", "/api/requests/1/response/body")
    assert status == 200 and body == b"<script>alert(1)</script>"
    assert headers["Content-Type"] == "application/octet-stream" and headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    assert headers["Content-Disposition"].startswith("attachment")
    page = inspector.ask("GET", "/")[1]
    assert page["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self'")
    assert "unsafe" not in page["Content-Security-Policy"] and page["X-Frame-Options"] == "DENY"


@pytest.mark.parametrize("host", ["evil.example", "evil.example:4040", "127.0.0.1.evil.example", "", "[::1", "a b",
                                  "192.0.2.1", "localhost.evil.example"])
def test_a_name_that_was_made_to_lead_here_is_refused(place, host):
    _, _, inspector = start(place, place.http())
    with visit.connect(inspector.port) as sock:
        sock.sendall(visit.head(host, "/api/requests", headers={"Connection": "close"}))
        status = visit.read_all(sock).split(b" ")[1]
        assert status in (b"403", b"400")


def test_other_pages_may_not_ask(place):
    client, tunnel, inspector = start(place, place.http())
    visit.get(tunnel, "/x")
    client.wait_event("request")
    for origin in ("http://evil.example", "null", f"https://127.0.0.1:{inspector.port}", "http://127.0.0.1:1",
                   f"http://localhost:{inspector.port}"):
        for method, path in (("GET", "/api/requests"), ("DELETE", "/api/requests"), ("POST", "/api/requests/1/replay"),
                             ("POST", "/api/pause"), ("GET", "/api/events")):
            status, _, body = inspector.ask(method, path, "{}" if method == "POST" else None,
                                            {"Origin": origin, "Content-Type": "application/json"})
            assert status == 403, (origin, path, body)
    assert inspector.ask("GET", "/api/requests", headers={"Sec-Fetch-Site": "cross-site"})[0] == 403
    assert inspector.ask("POST", "/api/requests/1/replay", "{}", {"Content-Type": "text/plain"})[0] == 415
    assert len(inspector.requests()) == 1
    own = {"Origin": inspector.url, "Content-Type": "application/json", "Sec-Fetch-Site": "same-origin"}
    assert inspector.ask("POST", "/api/requests/1/replay", "{}", own)[0] == 202


def test_a_replay_is_the_same_again(place):
    service = place.keep(local.OriginService())
    client, tunnel, inspector = start(place, service)
    visit.post(tunnel, "/p", [b"he", b"llo"], 5)
    client.wait_event("request")
    status, reply = inspector.post("/api/requests/1/replay", {})
    assert (status, reply) == (202, {"id": 2})
    again = inspector.wait_done(2)
    assert (again["replay_of"], again["visitor"], again["status"]) == (1, "replay", 200)
    first, second = service.wait_for(2)
    assert first["fields"] == second["fields"] and second["body"] == b"hello"
    assert inspector.body(2) == b"/p"


def test_a_replay_may_be_changed(place):
    service = place.keep(local.OriginService())
    client, tunnel, inspector = start(place, service)
    visit.get(tunnel, "/p")
    client.wait_event("request")
    changes = {"method": "PUT", "path": "/q?r", "headers": [["Host", "h.example"], ["X-A", "b"]], "body": "ä"}
    assert inspector.post("/api/requests/1/replay", changes)[0] == 202
    inspector.wait_done(2)
    request = service.wait_for(2)[1]
    assert (request["method"], request["path"], request["body"]) == ("PUT", "/q?r", "ä".encode())
    assert request["fields"] == [("host", "h.example"), ("x-a", "b"), ("content-length", "2")]
    for wrong in ({"path": "/ HTTP/1.1\r\nHost: b\r\n\r\n"}, {"headers": [["X\r\nY", "z"]]}, {"body": 1}):
        status, reply = inspector.post("/api/requests/1/replay", wrong)
        assert status == 400 and reply["error"]
    assert inspector.post("/api/requests/99/replay", {})[0] == 404


def test_a_replay_of_what_is_not_there_any_more_says_so(place):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    service = place.keep(local.OriginService(port=port))
    client, tunnel, inspector = start(place, service)
    visit.get(tunnel, "/p")
    client.wait_event("request")
    service.close()
    assert inspector.post("/api/requests/1/replay", {})[0] == 202
    assert inspector.wait_done(2)["status"] == 502


def test_an_answer_without_end_ends_the_replay_with_its_client(place):
    service = place.keep(local.SilentService())
    client, tunnel, inspector = start(place, service)
    with visit.connect(tunnel.port) as sock:
        sock.sendall(visit.head(tunnel.host, "/silent"))
        while not inspector.requests():
            pass
        assert inspector.post("/api/requests/1/replay", {})[0] == 202
        assert not inspector.get("/api/requests/2")["done"]
        assert client.terminate() == 0


def test_what_is_looked_for_is_found(place):
    service = place.keep(local.OriginService({
        "/json": answer(gzip.compress(b'{"name": "Needle"}'), b"Content-Encoding: gzip"),
        "/gone": b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"}))
    client, tunnel, inspector = start(place, service)
    visit.get(tunnel, "/json")
    visit.get(tunnel, "/gone", headers={"X-Odd": "haystack"})
    visit.post(tunnel, "/post", [b"some needle"], 11)
    client.wait_event("request", 3)

    def paths(query):
        return [r["path"] for r in inspector.requests(query)]

    assert paths("?text=needle") == ["/json", "/post"] and paths("?text=HAYSTACK") == ["/gone"]
    assert paths("?method=post") == ["/post"] and paths("?status=4xx") == ["/gone"] and paths("?status=404") == ["/gone"]
    assert paths("?path=o&status=200") == ["/json", "/post"] and paths("?text=nothing") == []


def test_changes_come_as_events(place):
    client, tunnel, inspector = start(place, place.http())
    visit.get(tunnel, "/1")
    client.wait_event("request")
    with visit.connect(inspector.port) as sock, sock.makefile("rb") as events:
        def next_event():
            while not (line := events.readline()).startswith(b"data: "):
                assert line, "the stream has ended"
            return json.loads(line[6:])

        sock.sendall(visit.head("localhost", "/api/events"))
        first = next_event()
        assert [r["path"] for r in first["requests"]] == ["/1"] and first["first"] == 1 and not first["paused"]
        visit.get(tunnel, "/2")
        while not any(r["path"] == "/2" and r["done"] for r in next_event()["requests"]):
            pass
        assert inspector.post("/api/pause", {"paused": True})[0] == 200
        assert next_event()["paused"]
        visit.get(tunnel, "/3")
        client.wait_event("request", 3)
        assert [r["path"] for r in inspector.requests()] == ["/1", "/2"]
        assert inspector.ask("DELETE", "/api/requests")[0] == 200
        assert next_event()["first"] == 3 and inspector.requests() == []
        status = inspector.get("/api/status")
        assert status["paused"] and status["requests"] == 0 and status["state"] == "online"
        assert tunnel.url in status["tunnels"][0]["urls"]


def check_har(har):
    """As HAR 1.2 has it: each member that must be there, with its type."""
    def expect(o, **members):
        for name, kind in members.items():
            assert isinstance(o[name], kind), (name, o)
        unknown = set(o) - set(members) - {"comment", "postData", "text", "encoding", "params"}
        assert not unknown, unknown

    number = (int, float)
    log = har["log"]
    expect(har, log=dict)
    expect(log, version=str, creator=dict, entries=list)
    expect(log["creator"], name=str, version=str)
    for entry in log["entries"]:
        expect(entry, startedDateTime=str, time=number, request=dict, response=dict, cache=dict, timings=dict)
        datetime.datetime.fromisoformat(entry["startedDateTime"].replace("Z", "+00:00"))
        expect(entry["timings"], send=number, wait=number, receive=number)
        expect(entry["request"], method=str, url=str, httpVersion=str, cookies=list, headers=list, queryString=list,
               headersSize=int, bodySize=int)
        expect(entry["response"], status=int, statusText=str, httpVersion=str, cookies=list, headers=list,
               content=dict, redirectURL=str, headersSize=int, bodySize=int)
        expect(entry["response"]["content"], size=int, mimeType=str)
        if "postData" in entry["request"]:
            expect(entry["request"]["postData"], mimeType=str, text=str)
        for pairs in (entry["request"]["cookies"], entry["request"]["headers"], entry["request"]["queryString"],
                      entry["response"]["cookies"], entry["response"]["headers"]):
            for pair in pairs:
                expect(pair, name=str, value=str)


def test_all_is_exported_as_har(place):
    service = place.keep(local.OriginService({"/x?q=1": answer(b"\x00\xff", b"Set-Cookie: a=b; Path=/")}))
    client, tunnel, inspector = start(place, service)
    visit.get(tunnel, "/x?q=1")
    visit.post(tunnel, "/p", [b"hello"], 5)
    client.wait_event("request", 2)
    har = inspector.get("/api/requests.har")
    check_har(har)
    first, second = har["log"]["entries"]
    assert first["request"]["url"] == f"{tunnel.url}/x?q=1" and first["response"]["content"]["encoding"] == "base64"
    assert second["request"]["postData"]["text"] == "hello" and second["response"]["content"]["text"] == "/p"
    single = inspector.get("/api/requests/2.har")
    check_har(single)
    assert single["log"]["entries"] == [second]


def test_curl_says_the_same(place):
    service = place.keep(local.OriginService())
    client, tunnel, inspector = start(place, service)
    body = b"it's $(touch hacked) `id` \"x\"\n@"
    visit.exchange(tunnel.port, visit.head(tunnel.host, "/p?a=$(id)'&b[1]=2", "POST", {
        "Content-Length": len(body), "Content-Type": "text/x", "X-Quote": "'; touch hacked; '"}) + body)
    client.wait_event("request")
    command = inspector.ask("GET", "/api/requests/1.curl")[2].decode()
    assert shlex.split(command.replace("\\\n", ""))[0] == "curl"
    subprocess.run(["sh", "-c", command], cwd=place.folder, check=True, timeout=PATIENCE, capture_output=True)
    first, second = service.wait_for(2)
    assert (first["method"], first["path"], first["body"]) == (second["method"], second["path"], second["body"])
    assert second["headers"]["x-quote"] == first["headers"]["x-quote"] and second["headers"]["content-type"] == "text/x"
    assert not (place.folder / "hacked").exists()


def test_frames_of_a_websocket_are_listed(place):
    accept = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    service = place.keep(local.OriginService({"/ws": accept + b"\x81\x05hello\xc2\x03abc"}))
    client, tunnel, inspector = start(place, service)
    with visit.connect(tunnel.port) as sock:
        sock.sendall(visit.head(tunnel.host, "/ws", headers={"Connection": "Upgrade", "Upgrade": "websocket"}))
        client.wait_event("request")
        masked = bytes(b ^ m for b, m in zip(b"mask", b"\x01\x02\x03\x04"))
        sock.sendall(b"\x89\x84\x01\x02\x03\x04" + masked)
        while len(frames := inspector.get("/api/requests/1")["frames"]) < 3:
            pass
    shown = [(f["from"], f["opcode"], f["length"], f["compressed"], bytes.fromhex(f["sample"])) for f in frames]
    assert shown == [("service", 1, 5, False, b"hello"), ("service", 2, 3, True, b"abc"),
                     ("visitor", 9, 4, False, b"mask")]


def test_the_port_is_the_next_free_one(place):
    service = place.http()
    first = place.client(place.server(), str(service.port), "--inspect=127.0.0.1:0")
    port = Inspector(first).port
    second = place.client(place.server(), str(service.port), f"--inspect=127.0.0.1:{port}")
    assert port < Inspector(second).port <= port + 19


def test_it_may_be_off(place):
    client = place.client(place.server(), str(place.http().port), "--inspect=off")
    tunnel = client.tunnel("http")
    visit.get(tunnel, "/x")
    client.wait_event("connection")
    assert not client.events("inspector") and not client.events("request")


def test_the_daemon_has_none_unless_it_is_told(place):
    server, service = place.server(), place.http()
    for name, setting in (("without", ""), ("with", 'inspect = "127.0.0.1:0";')):
        config = place.write(f"{name}.conf", f'client: {{ {setting} }}; tunnels: {{ t: {{ local = "{service.port}"; '
                             f'subdomain = "{name}"; }}; }};\n')
        client = place.client(server, "run", "--inspectpublic=false", "--config", config)
        tunnel = client.tunnel("http")
        visit.get(tunnel, "/x?secret")
        client.wait_event("connection")
        assert bool(client.events("inspector")) == bool(client.events("request")) == bool(setting)


def test_all_sessions_feed_one_list(place):
    config = place.write("many.conf", "client: { connections = 3; };\n")
    client, tunnel, inspector = start(place, place.http(), "--config", config)
    for i in range(30):
        visit.get(tunnel, f"/{i}")
    client.wait_event("request", 30)
    assert sorted(int(r["path"][1:]) for r in inspector.requests()) == list(range(30))


@pytest.mark.slow
def test_memory_has_a_limit(place):
    service = place.http()
    client, tunnel, inspector = start(place, service)
    with visit.connect(tunnel.port) as sock:
        for i in range(600):
            sock.sendall(visit.head(tunnel.host, f"/bytes/{i}/100000"))
            assert visit.read_answer(sock).status == 200
    client.wait_event("request", 600)
    status = inspector.get("/api/status")
    assert 400 < status["requests"] <= 500 and status["bytes"] <= 32 * MIB
    assert inspector.requests()[-1]["path"] == "/bytes/599/100000"
    assert SANITIZED or client.memory("VmHWM") < 64 * MIB


def test_a_stream_without_end_is_shown_while_it_runs(place):
    class Ticker(local.Service):
        async def serve(self, reader, writer):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
            while True:
                writer.write(b"400\r\ndata: " + b"x" * 1016 + b"\n\n\r\n")
                await writer.drain()

    client, tunnel, inspector = start(place, place.keep(Ticker()))
    with visit.connect(tunnel.port) as sock:
        sock.sendall(visit.head(tunnel.host, "/events"))
        visit.read_exactly(sock, 8 * MIB)
        request = inspector.get("/api/requests/1")
        assert request["status"] == 200 and not request["done"]
        assert request["response"]["kept_bytes"] == 65536 and request["response"]["body_bytes"] > 8 * MIB
        assert inspector.body(1).startswith(b"data: xxx")
        assert inspector.get("/api/status")["bytes"] < MIB
