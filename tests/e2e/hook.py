# SPDX-License-Identifier: LGPL-2.1-or-later
"""Webhook receivers: one by hand, whose answers a test chooses, and the one in doc/."""

import asyncio
import hashlib
import json
import subprocess
import threading
import time

import local
from daemons import PATIENCE, TOP

SECRET = "the-secret-of-the-hook"
ALICE, BOB = "token-of-alice", "token-of-bob"


def allow(user="alice", **policy):
    return json.dumps({"allow": True, "user": user, "policy": policy}).encode()


def deny(reason):
    return json.dumps({"allow": False, "reason": reason}).encode()


def http(body, status=200, fields=""):
    return f"HTTP/1.1 {status} X\r\n{fields}Content-Length: {len(body)}\r\n\r\n".encode() + body


class Hook(local.Service):
    """Answers by `reply(question)`: bytes that are sent as they are. `hold()` keeps answers back until `go()`."""

    def __init__(self, reply=None):
        self.reply = reply or (lambda _question: http(allow()))
        self.questions, self.changed = [], threading.Condition()
        self.open = asyncio.Event()
        self.open.set()
        super().__init__()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/hook"

    async def serve(self, reader, writer):
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            assert head.startswith("POST /hook HTTP/1.1\r\n")
            length = int(head.lower().partition("\r\ncontent-length: ")[2].partition("\r\n")[0])
            question = json.loads(await reader.readexactly(length))
            with self.changed:
                self.questions.append(question)
                self.changed.notify_all()
            await self.open.wait()
            writer.write(self.reply(question))
            await writer.drain()

    def hold(self):
        self.loop.call_soon_threadsafe(self.open.clear)

    def go(self):
        self.loop.call_soon_threadsafe(self.open.set)

    def events(self, kind):
        with self.changed:
            return [q for q in self.questions if q["event"] == kind]

    def wait_for(self, kind, count=1):
        """The COUNT-th question of that kind."""
        deadline = time.monotonic() + PATIENCE
        with self.changed:
            while sum(q["event"] == kind for q in self.questions) < count:
                assert self.changed.wait(deadline - time.monotonic()), f"no question {kind} number {count}"
        return self.events(kind)[count - 1]


class Receiver:
    """doc/webhook-receiver.py as a process; `users` is what it knows."""

    def __init__(self, place, users, *arguments):
        place.write("users.json", json.dumps(users))
        secret = place.write("receiver-secret", SECRET + "\n")
        self.process = subprocess.Popen(
            ["/usr/bin/python3", TOP / "doc/webhook-receiver.py", "--listen", "127.0.0.1:0", "--users",
             place.folder / "users.json", "--secret-file", secret, *map(str, arguments)],
            stdout=subprocess.PIPE, text=True, env=place.env)
        self.url = self.process.stdout.readline().removeprefix("Listening on ").strip() + "hook"

    def close(self):
        """Returns what it has printed."""
        self.process.terminate()
        printed = self.process.communicate(timeout=PATIENCE)[0]
        return printed


def known_users(**policies):
    tokens = {"alice": ALICE, "bob": BOB}
    return {name: {"token_sha256": hashlib.sha256(tokens[name].encode()).hexdigest(), "policy": policy}
            for name, policy in policies.items()}
