# SPDX-License-Identifier: LGPL-2.1-or-later
"""What people do over HTTP, with the programs that they use: WebSockets, events, uploads, git, a browser.
PGROK_TEST_BYTES sets the size of transfers, PGROK_TEST_SECONDS how long what takes its time goes on."""

import asyncio
import base64
import hashlib
import http.server
import itertools
import os
import pathlib
import shutil
import ssl
import statistics
import subprocess
import threading
import time

import pytest

import local
import visit
from daemons import PATIENCE, SANITIZED
from test_http import WebsocketService
from test_programs import Program, free_port, wait_until_open
from test_transfer import N_BYTES, Flat

SECONDS = float(os.environ.get("PGROK_TEST_SECONDS", 3))
HURRIED = 'limits: { head_timeout = "1s"; keepalive = "1s"; };'  # what is quiet for longer isn't idle
NGINX = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")
GIT_BACKEND = pathlib.Path("/usr/lib/git-core/git-http-backend")
CHROMIUM, CERTUTIL = shutil.which("chromium"), shutil.which("certutil")

both = pytest.mark.parametrize("protocol", ["http", "https"])


def tunnel_to(place, port, protocol, *options, config=""):
    server = place.server(config=config)
    client = place.client(server, *options, str(port))
    return client.tunnel(protocol), server, client


def curl(place, tunnel, path, *options, **more):
    """What curl writes."""
    url = f"{tunnel.protocol}://{tunnel.host}:{tunnel.port}{path}"
    trust = ["--cacert", str(place.ca())] if tunnel.protocol == "https" else []
    done = subprocess.run(["curl", "-sS", *trust, "--resolve", f"{tunnel.host}:{tunnel.port}:127.0.0.1", *map(str, options),
                           url], capture_output=True, timeout=SECONDS + 10 * PATIENCE, check=False, **more)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


# ---- WebSockets ----

def talk(place, tunnel, conversation, **options):
    """Runs the coroutine function CONVERSATION with a WebSocket."""
    import websockets

    async def run():
        context = ssl.create_default_context(cafile=str(place.ca())) if tunnel.protocol == "https" else None
        url = f"{'wss' if context else 'ws'}://{tunnel.host}:{tunnel.port}/"
        async with websockets.connect(url, ssl=context, host="127.0.0.1", max_size=None, **options) as ws:
            await conversation(ws)

    asyncio.run(run())


def messages(n):
    """Texts and bytes of all sizes, each another one; the sizes at which frames change their form among them."""
    small = itertools.cycle([0, 1, 20, 125, 126, 127, 128, 700, 5000, 3, 70])
    large = itertools.cycle([16_384, 65_535, 65_536, 1 << 20])
    data = local.content("websocket", 2 << 20)
    for i in range(n):
        body = data[i:i + next(large if i % 50 == 49 else small)]
        yield body if i % 2 else base64.b64encode(body).decode()


@both
def test_ten_thousand_messages_of_all_sizes_come_back(place, protocol):
    websockets = pytest.importorskip("websockets")
    tunnel = tunnel_to(place, place.keep(WebsocketService(websockets, ping_interval=None)).port, protocol)[0]
    n_seen = 0

    async def conversation(ws):
        nonlocal n_seen

        async def send():
            for message in messages(10_000):
                await ws.send(message)

        sending = asyncio.create_task(send())
        for message in messages(10_000):
            assert await ws.recv() == message
            n_seen += 1
        await sending

    talk(place, tunnel, conversation, ping_interval=None)
    assert n_seen == 10_000


@both
def test_a_websocket_that_only_pings_stays_open(place, protocol):
    websockets = pytest.importorskip("websockets")
    tunnel = tunnel_to(place, place.keep(WebsocketService(websockets, ping_interval=None)).port, protocol, config=HURRIED)[0]
    pings = 0

    async def conversation(ws):
        nonlocal pings
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            await asyncio.wait_for(await ws.ping(), PATIENCE)
            pings += 1
            await asyncio.sleep(1.1)  # longer than a connection may be idle
        await ws.send("still here")
        assert await ws.recv() == "still here"

    talk(place, tunnel, conversation, ping_interval=None)
    print(f"{pings} pings in {SECONDS:.0f} s")


# ---- events, and answers that take their time ----

class Clockwork(local.OriginService):
    """/events: N events, each with the time at which it was written; /poll: an answer after SECONDS."""

    n_events = 40

    async def answer(self, reader, writer, request):
        if request["path"] == "/poll":
            await asyncio.sleep(SECONDS)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnews")
            return
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        for _ in range(self.n_events):
            await asyncio.sleep(0.02)
            writer.write(b"data: %d\n\n" % time.monotonic_ns())
            await writer.drain()
        writer.close()


@both
@pytest.mark.parametrize("transport", ["mux", "classic"])
def test_events_reach_curl_without_delay(place, protocol, transport):
    tunnel = tunnel_to(place, place.keep(Clockwork()).port, protocol, f"--transport={transport}")[0]
    trust = ["--cacert", str(place.ca())] if protocol == "https" else []
    curl_n = place.keep(Program("curl", "-sSN", *trust, "--resolve", f"{tunnel.host}:{tunnel.port}:127.0.0.1",
                                f"{protocol}://{tunnel.host}:{tunnel.port}/events"))
    delays = []
    for line in curl_n.process.stdout:
        if line.startswith(b"data: "):
            delays.append((time.monotonic_ns() - int(line[6:])) / 1e6)
    print(f"{protocol}, {transport}: the first event after {delays[0]:.1f} ms, median {statistics.median(delays):.1f} ms, "
          f"worst {max(delays):.1f} ms")
    assert len(delays) == Clockwork.n_events
    assert statistics.median(delays) < (2000 if SANITIZED else 500)


@both
def test_a_long_poll_is_answered_in_the_end(place, protocol):
    tunnel = tunnel_to(place, place.keep(Clockwork()).port, protocol, config=HURRIED)[0]
    began = time.monotonic()
    assert curl(place, tunnel, "/poll") == b"news"
    took = time.monotonic() - began
    print(f"a poll of {SECONDS:.0f} s was answered after {took:.2f} s")
    assert took >= SECONDS


# ---- uploads ----

class Digests(local.Service):
    """Answers with the digest of a chunked body of any size. /refuse: with 413, before there is one."""

    async def serve(self, reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        assert b"\r\ntransfer-encoding: chunked\r\n" in head or b"\r\ncontent-length: " in head
        if b" /refuse " in head:
            writer.write(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return
        if b"\r\nexpect: 100-continue\r\n" in head:
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        h, n = hashlib.sha256(), 0
        async for part in self.parts(reader, head):
            h.update(part)
            n += len(part)
        text = f"{n} {h.hexdigest()}".encode()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(text), text))
        await writer.drain()

    async def parts(self, reader, head):
        chunked = b"chunked" in head
        left = 0 if chunked else int(head.split(b"content-length: ")[1].split(b"\r\n")[0])
        while True:
            if chunked:
                left = int(await reader.readuntil(b"\r\n"), 16)
                if left == 0:
                    await reader.readuntil(b"\r\n")
            if left == 0:
                return
            while left > 0 and (part := await reader.read(min(left, 1 << 18))):
                left -= len(part)
                yield part
            if not chunked:
                return
            assert await reader.readexactly(2) == b"\r\n"


@both
@pytest.mark.parametrize("transport", ["mux", "classic"])
def test_a_chunked_upload_of_unknown_size_is_whole(place, protocol, transport):
    tunnel, server, client = tunnel_to(place, place.keep(Digests(limit=1 << 18)).port, protocol, f"--transport={transport}")
    source = place.keep(Program("/usr/bin/python3", "-c", f"""
import sys; sys.path.insert(0, {str(pathlib.Path(__file__).parent)!r})
import local
for block in local.blocks("upload", {N_BYTES}): sys.stdout.buffer.write(block)"""))
    began = time.monotonic()
    with Flat(server, client, transport=transport):
        answer = curl(place, tunnel, "/", "-T", "-", "-H", "Expect:", stdin=source.process.stdout)
    print(f"{protocol}, {transport}: {N_BYTES >> 20} MiB in {time.monotonic() - began:.1f} s")
    assert answer.decode() == f"{N_BYTES} {local.digest('upload', N_BYTES)}"


@both
def test_curl_waits_for_100_continue_no_longer_than_it_must(place, protocol):
    tunnel = tunnel_to(place, place.keep(Digests()).port, protocol)[0]
    body = place.folder / "body"
    body.write_bytes(local.content("expected", 3_000_000))
    began = time.monotonic()
    options = ["-H", "Expect: 100-continue", "--expect100-timeout", 3 * PATIENCE, "--data-binary", f"@{body}"]
    assert curl(place, tunnel, "/", *options).decode() == f"3000000 {local.digest('expected', 3_000_000)}"
    told = curl(place, tunnel, "/refuse", *options, "-w", "%{http_code} %{size_upload}")
    assert told == b"413 0", "a body that nobody wants isn't sent"
    assert time.monotonic() - began < 2 * PATIENCE


# ---- files ----

@pytest.fixture
def files(place):
    """nginx with a file of numbered bytes."""
    port, folder = free_port(), place.folder / "www"
    folder.mkdir()
    (folder / "file").write_bytes(local.content("file", 300_000))
    config = place.write("nginx.conf", f"""daemon off; pid {place.folder}/nginx.pid; error_log stderr; events {{}}
http {{ access_log off; client_body_temp_path {place.folder}/b; proxy_temp_path {place.folder}/p;
fastcgi_temp_path {place.folder}/f; uwsgi_temp_path {place.folder}/u; scgi_temp_path {place.folder}/s;
server {{ listen 127.0.0.1:{port}; root {folder}; }} }}""")
    place.folder.chmod(0o755)
    options = ["-g", "user root;"] if os.getuid() == 0 else []
    nginx = place.keep(Program(NGINX, "-p", place.folder, "-c", config, "-e", "stderr", *options))
    wait_until_open(nginx.process, ("127.0.0.1", port))
    return port


@both
@pytest.mark.skipif(not NGINX, reason="nginx is not installed")
def test_ranges_heads_and_old_versions(place, files, protocol):
    tunnel = tunnel_to(place, files, protocol)[0]
    content = local.content("file", 300_000)
    assert curl(place, tunnel, "/file", "-r", "1000-1999") == content[1000:2000]
    assert curl(place, tunnel, "/file", "-r", "-500") == content[-500:]
    several = curl(place, tunnel, "/file", "-r", "0-9,100000-100019")
    assert content[:10] in several and content[100_000:100_020] in several and several.count(b"Content-Range") == 2
    part = place.folder / "part"
    part.write_bytes(content[:123_456])
    curl(place, tunnel, "/file", "-C", "-", "-o", part)
    assert part.read_bytes() == content
    assert curl(place, tunnel, "/file", "-r", "999999-", "-o", "/dev/null", "-w", "%{http_code}") == b"416"
    head = curl(place, tunnel, "/file", "-I")
    assert b"Content-Length: 300000\r\n" in head and head.endswith(b"\r\n\r\n")
    old = curl(place, tunnel, "/file", "-0", "-i")
    assert old.endswith(content) and b"\r\nConnection: close\r\n" in old
    quiet = ["-o", "/dev/null", "-w", "%{http_code}"]
    assert curl(place, tunnel, "/file", "-0", "-H", "Connection: keep-alive", *quiet) == b"200"
    tag = curl(place, tunnel, "/file", "-o", "/dev/null", "-w", "%header{etag}").decode()
    assert curl(place, tunnel, "/file", "-H", f"If-None-Match: {tag}", *quiet) == b"304"


# ---- git ----

class GitHandler(http.server.BaseHTTPRequestHandler):
    """git http-backend, as a CGI program."""

    protocol_version = "HTTP/1.1"

    def body(self):
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.n_chunked += 1
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def serve(self):
        path, _, query = self.path.partition("?")
        env = {**os.environ, "GIT_PROJECT_ROOT": str(self.server.root), "GIT_HTTP_EXPORT_ALL": "1",
               "PATH_INFO": path, "QUERY_STRING": query, "REQUEST_METHOD": self.command,
               "REMOTE_ADDR": "127.0.0.1", "REMOTE_USER": "somebody",
               "CONTENT_TYPE": self.headers.get("Content-Type", ""),
               "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
               "HTTP_GIT_PROTOCOL": self.headers.get("Git-Protocol", "")}
        done = subprocess.run([str(GIT_BACKEND)], input=self.body(), env=env, capture_output=True, timeout=PATIENCE,
                              check=True)
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        self.send_response(int(fields.pop("Status", "200").split()[0]))
        for name, value in fields.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = serve

    def log_message(self, *_):
        pass


class GitService:
    def __init__(self, root):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), GitHandler)
        self.server.root, self.server.n_chunked = root, 0
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@both
@pytest.mark.skipif(not GIT_BACKEND.exists(), reason="git is not installed")
def test_git_clones_and_pushes(place, protocol):
    root = place.folder / "repositories"
    root.mkdir()
    env = {**place.env, "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0", "GIT_SSL_CAINFO": str(place.ca()),
           **{f"GIT_{who}_{what}": "a@b" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}}

    def git(*arguments, cwd=place.folder):
        done = subprocess.run(["git", *map(str, arguments)], cwd=cwd, env=env, capture_output=True,
                              timeout=3 * PATIENCE, check=False)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode().strip()

    git("init", "-q", "--bare", "-b", "main", root / "demo.git")
    git("-C", root / "demo.git", "config", "http.receivepack", "true")
    service = place.keep(GitService(root))
    tunnel = tunnel_to(place, service.port, protocol, "--http-auth", "git:open sesame")[0]
    url = f"{protocol}://git:open%20sesame@{tunnel.host}:{tunnel.port}/demo.git"
    first, second = place.folder / "first", place.folder / "second"
    git("clone", "-q", url, first)
    (first / "large").write_bytes(os.urandom(4_000_000))  # so much is sent in chunks
    git("add", "large", cwd=first)
    git("commit", "-qm", "large", cwd=first)
    git("push", "-q", "origin", "HEAD:main", cwd=first)
    git("clone", "-q", "-b", "main", url, second)
    assert (second / "large").read_bytes() == (first / "large").read_bytes()
    assert service.server.n_chunked > 0
    (second / "large").write_text("small")
    git("commit", "-qam", "small", cwd=second)
    git("push", "-q", "origin", "main", cwd=second)
    git("pull", "-q", "origin", "main", cwd=first)
    assert (first / "large").read_text() == "small"
    done = subprocess.run(["git", "ls-remote", url.replace("sesame", "door")], env=env, capture_output=True,
                          timeout=PATIENCE, check=False)
    assert done.returncode != 0 and b"Authentication failed" in done.stderr


# ---- a browser ----

class Site(local.OriginService):
    """A page with 200 assets: scripts, styles, images and what a script fetches. Its title tells what has come."""

    n_each = 50
    image = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")

    def page(self):
        each = range(self.n_each)
        return ("<!DOCTYPE html><html><head><title>0</title><script>n = 0; function seen() { n++ }</script>"
                + "".join(f'<link rel="stylesheet" href="/{i}.css" onload="seen()">' for i in each)
                + "".join(f'<script src="/{i}.js"></script>' for i in each)
                + "</head><body>" + "".join(f'<img src="/{i}.gif" onload="seen()">' for i in each)
                + "<script>for (let i = 0; i < 50; i++) { const x = new XMLHttpRequest();\n"
                  "x.open('GET', '/' + i + '.json', false); x.send(); if (JSON.parse(x.responseText).n === i) seen() }\n"
                  "onload = () => { document.title = 'seen ' + n }</script></body></html>").encode()

    async def answer(self, reader, writer, request):
        stem, _, kind = request["path"][1:].partition(".")
        kinds = {"": ("text/html", self.page()), "css": ("text/css", b"body { color: red }" * 100),
                 "js": ("text/javascript", b"seen(); // " + b"x" * 3000), "gif": ("image/gif", self.image),
                 "json": ("application/json", b'{"n": %s}' % stem.encode())}
        status, (type_, body) = (200, kinds[kind]) if kind in kinds else (404, ("text/plain", b""))
        writer.write(b"HTTP/1.1 %d x\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n"
                     % (status, type_.encode(), len(body)) + body)
        await writer.drain()


@both
@pytest.mark.skipif(not CHROMIUM or not CERTUTIL, reason="chromium and certutil (libnss3-tools) are not installed")
def test_a_page_of_200_assets_in_chromium(place, protocol):
    service = place.keep(Site())
    tunnel = tunnel_to(place, service.port, protocol)[0]
    database = place.folder / ".pki/nssdb"
    database.mkdir(parents=True)
    for arguments in (["-N", "--empty-password"], ["-A", "-t", "C,,", "-n", "dev", "-i", place.ca()]):
        subprocess.run([CERTUTIL, "-d", f"sql:{database}", *map(str, arguments)], check=True, capture_output=True,
                       timeout=PATIENCE)
    began = time.monotonic()
    done = subprocess.run([CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                           "--disable-background-networking", f"--user-data-dir={place.folder}/chromium", "--dump-dom",
                           f"{tunnel.url}/"],
                          env=place.env, capture_output=True, timeout=6 * PATIENCE, check=False)
    print(f"{protocol}: {time.monotonic() - began:.1f} s, {len(service.requests)} requests, {service.n_connections} legs")
    assert b"<title>seen 200</title>" in done.stdout, (done.stdout[:2000], done.stderr[-3000:])
    assert len({r["path"] for r in service.requests}) >= 201 and not service.faults


# ---- a client that is away ----

@both
@pytest.mark.parametrize("transport", ["mux", "classic"])
def test_who_comes_while_the_client_is_away_is_answered_late_and_well(place, protocol, transport):
    server = place.server(config='names: { park = "60s"; };')
    port = place.http().port
    first = place.client(server, f"--transport={transport}", str(port))
    tunnel = first.tunnel(protocol)
    first.kill()
    server.wait_log("is gone")
    answers = []
    ca = place.ca() if protocol == "https" else None
    visitors = [threading.Thread(target=lambda: answers.append(visit.get(tunnel, "/late", ca).status)) for _ in range(5)]
    for visitor in visitors:
        visitor.start()
    with visit.connect(tunnel.port, ca, tunnel.host) as late:
        late.sendall(visit.head(tunnel.host, "/late"))
        late.settimeout(0.5)
        with pytest.raises(TimeoutError):
            late.recv(1)
        assert not answers
        late.settimeout(PATIENCE)
        second = place.client(server, f"--transport={transport}", str(port))
        assert second.tunnel(protocol).url == tunnel.url
        assert visit.read_answer(late).status == 200
    for visitor in visitors:
        visitor.join(PATIENCE)
    assert answers == [200] * 5
