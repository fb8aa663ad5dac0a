# SPDX-License-Identifier: LGPL-2.1-or-later
"""Services as they stand behind a tunnel. Each has a port, and an asyncio loop in a thread of its own."""

import asyncio
import functools
import hashlib
import json
import random
import socket
import struct
import threading

BLOCK = 64 * 1024


@functools.lru_cache(maxsize=4096)
def _tail(seed):
    return random.Random(seed).randbytes(BLOCK - 16)


def blocks(seed, n):
    """N bytes that belong to SEED alone; each block says its number, so that none can be lost, doubled or
    exchanged unseen."""
    tail = _tail(str(seed))
    for i in range(0, n, BLOCK):
        block = i.to_bytes(16, "big") + tail
        yield block if n - i >= BLOCK else block[:n - i]


def content(seed, n):
    return b"".join(blocks(seed, n))


def digest(seed, n):
    h = hashlib.sha256()
    for block in blocks(seed, n):
        h.update(block)
    return h.hexdigest()


class Service:
    """Serves each connection by the coroutine `serve(reader, writer)`."""

    def __init__(self, port=0, limit=BLOCK, backlog=4096, host="127.0.0.1"):
        self.loop = asyncio.new_event_loop()
        self.n_connections = 0
        self.tasks = set()
        started = threading.Event()

        async def start():
            self.server = await asyncio.start_server(self._serve, host, port, limit=limit, backlog=backlog)
            self.port = self.server.sockets[0].getsockname()[1]
            started.set()

        def run():
            self.loop.run_until_complete(start())
            self.loop.run_forever()

        self.thread = threading.Thread(target=run, daemon=True)
        self.thread.start()
        started.wait()

    async def _serve(self, reader, writer):
        task = asyncio.current_task()
        self.tasks.add(task)
        self.n_connections += 1
        try:
            await self.serve(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self.tasks.discard(task)
            writer.close()

    def close(self):
        async def stop():
            self.server.close()
            for task in list(self.tasks):
                task.cancel()
            await asyncio.gather(*self.tasks, return_exceptions=True)
            self.loop.stop()

        if self.thread.is_alive():
            asyncio.run_coroutine_threadsafe(stop(), self.loop)
            self.thread.join()
            self.loop.close()


class HttpService(Service):
    """HTTP/1.1 with keep-alive. GET /bytes/SEED/N: that content; POST /sha256: the digest of the body;
    GET /drop: closes without an answer; else the request itself as JSON."""

    name = "a"

    async def serve(self, reader, writer):
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            request_line, *lines = head.decode("latin-1").split("\r\n")[:-2]
            method, path, _ = request_line.split(" ", 2)
            headers = [line.split(":", 1) for line in lines]
            fields = {name.lower(): value.strip() for name, value in headers}
            if path == "/drop":
                return
            await self.answer(reader, writer, method, path, fields)
            await writer.drain()
            if fields.get("connection", "").lower() == "close":
                return

    async def answer(self, reader, writer, method, path, fields):
        if path.startswith("/bytes/"):
            _, _, seed, n = path.split("/")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % int(n))
            for block in blocks(seed, int(n)):
                writer.write(block)
                await writer.drain()
            return
        h, left = hashlib.sha256(), int(fields.get("content-length", 0))
        while left > 0:
            part = await reader.read(min(left, BLOCK))
            if not part:
                return
            h.update(part)
            left -= len(part)
        body = h.hexdigest() if path == "/sha256" else json.dumps(
            {"service": self.name, "method": method, "path": path, "headers": fields})
        data = body.encode()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(data))
        if method != "HEAD":
            writer.write(data)


class EchoService(Service):
    """Sends back what it gets, and the end too."""

    async def serve(self, reader, writer):
        while data := await reader.read(BLOCK):
            writer.write(data)
            await writer.drain()


class DigestService(Service):
    """Reads to the end of the stream and only then answers: needs a true half-close."""

    async def serve(self, reader, writer):
        h, n = hashlib.sha256(), 0
        while data := await reader.read(BLOCK):
            h.update(data)
            n += len(data)
        writer.write(f"{n} {h.hexdigest()}\n".encode())
        await writer.drain()


class SourceService(Service):
    """Reads a line `SEED N` and sends that content."""

    async def serve(self, reader, writer):
        seed, n = (await reader.readline()).decode().split()
        for block in blocks(seed, int(n)):
            writer.write(block)
            await writer.drain()


class SilentService(Service):
    """Accepts, reads nothing, answers nothing."""

    async def serve(self, reader, writer):
        await asyncio.Event().wait()


class ResetService(Service):
    """Reads a little and resets the connection."""

    async def serve(self, reader, writer):
        await reader.read(1)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class OriginService(Service):
    """Reads requests as strictly as can be, records them in `requests`, and answers each with what `answers`
    has for its path, as it is; then closes if the path begins with /close. A request that isn't right is
    recorded as a fault, and ends the connection."""

    def __init__(self, answers=None, **options):
        self.answers = answers or {}
        self.requests, self.faults = [], []
        self.arrived = threading.Condition()
        super().__init__(**options)

    def record(self, what, where):
        with self.arrived:
            where.append(what)
            self.arrived.notify_all()

    def wait_for(self, n, seconds=20):
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.requests) >= n, seconds), self.requests
            return self.requests

    async def serve(self, reader, writer):
        while True:
            try:
                request = await self.read_request(reader)
            except (AssertionError, ValueError) as fault:
                self.record(str(fault), self.faults)
                return
            if not request:
                return
            self.record(request, self.requests)
            await self.answer(reader, writer, request)
            if request["path"].startswith("/close"):
                return

    async def answer(self, reader, writer, request):
        body = request["path"].encode()
        default = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (
            len(body), b"" if request["method"] == "HEAD" else body)
        writer.write(self.answers.get(request["path"], default))
        await writer.drain()

    async def read_request(self, reader):
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError as end:
            assert not end.partial, f"a part of a head: {end.partial}"
            return None
        lines = head[:-4].decode("latin-1").split("\r\n")
        method, path, version = lines[0].split(" ")
        fields = [(n.lower(), v.strip()) for n, _, v in (line.partition(":") for line in lines[1:])]
        names = [n for n, _ in fields]
        assert version in ("HTTP/1.0", "HTTP/1.1") and all(n and n == n.strip() for n in names), head
        assert names.count("content-length") + names.count("transfer-encoding") <= 1, head
        assert not any(c in line for line in lines for c in "\r\n\0"), head
        headers = dict(fields)
        body, trailers = b"", []
        if "transfer-encoding" in headers:
            assert headers["transfer-encoding"] == "chunked", head
            body, trailers = await self.read_chunks(reader)
        elif "content-length" in headers:
            assert headers["content-length"].isdecimal(), head
            body = await reader.readexactly(int(headers["content-length"]))
        return {"method": method, "path": path, "version": version, "fields": fields, "headers": headers,
                "body": body, "trailers": trailers}

    async def read_chunks(self, reader):
        body = b""
        while size := int((await reader.readuntil(b"\r\n"))[:-2].split(b";")[0].decode(), 16):
            body += await reader.readexactly(size)
            assert await reader.readexactly(2) == b"\r\n", "a chunk has no end"
        trailers = []
        while (line := await reader.readuntil(b"\r\n")) != b"\r\n":
            trailers.append(line[:-2].decode("latin-1"))
        return body, trailers


class ConnectProxy(Service):
    """An HTTP proxy to which every name is this machine."""

    async def serve(self, reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        port = int(head.split(b" ")[1].rpartition(b":")[2])
        other_reader, other_writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        try:
            await asyncio.gather(self.copy(reader, other_writer), self.copy(other_reader, writer))
        finally:
            other_writer.close()

    @staticmethod
    async def copy(reader, writer):
        while data := await reader.read(BLOCK):
            writer.write(data)
            await writer.drain()
        writer.write_eof()
