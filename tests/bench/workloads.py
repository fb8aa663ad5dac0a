# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is done to a peer: each function returns values by metric. CPU is server and client, user and system."""

import json
import re
import socket
import ssl
import statistics
import subprocess
import time
from dataclasses import dataclass
from typing import Callable

CONNECTIONS = 64
LONG_SKIP = 3  # seconds of a long line's transfer that are not measured: windows grow

# wrk resolves the URL's host
WRK_SCRIPT = 'function wrk.resolve() wrk.addrs = wrk.lookup("127.0.0.1", "%d") end\n'


@dataclass
class Terms:
    """Of a run."""

    seconds: int
    held: int
    pairs: int
    rounds: int


class Failure(Exception):
    pass


def output(*arguments, timeout):
    done = subprocess.run([str(a) for a in arguments], capture_output=True, text=True, timeout=timeout)
    if done.returncode != 0:
        raise Failure(f"{arguments[0]}: {(done.stderr or done.stdout).strip()[-200:]}")
    return done.stdout


def with_cpu(peer, work):
    """What WORK returns, and the CPU seconds that the peer spent on it; None if it has no programs."""
    before = peer.cpu_seconds()
    result = work()
    return result, peer.cpu_seconds() - before if peer.pids() else None


def without_none(values):
    return {metric: value for metric, value in values.items() if value is not None}


# ---- requests ----

UNITS = {"us": 1, "ms": 1e3, "s": 1e6, "m": 6e7}


def wrk_usec(text, percentile):
    number, unit = re.search(rf"^\s+{percentile}%\s+([\d.]+)(\w+)", text, re.M).groups()
    return float(number) * UNITS[unit]


def wrk(peer, port, path, seconds, connections, *headers):
    """What it prints; it has one thread."""
    script = peer.folder / "address.lua"
    script.write_text(WRK_SCRIPT % peer.ports[port])
    url = f"{'https' if port == 'https' else 'http'}://{peer.host}:{peer.ports[port]}/{path}"
    text = output("wrk", "-t1", f"-c{connections}", f"-d{seconds}", "--latency", "-s", script,
                  *(f"-H{h}" for h in headers), url, timeout=seconds + 30)
    if re.search(r"Non-2xx|Socket errors: connect [1-9]", text):
        raise Failure(" ".join(text.split())[-300:])
    return text


def wrk_rate(text):
    return float(re.search(r"Requests/sec:\s*([\d.]+)", text)[1])


def requests(peer, terms, label, port, *headers):
    text, cpu = with_cpu(peer, lambda: wrk(peer, port, "1k", terms.seconds, CONNECTIONS, *headers))
    n = int(re.search(r"(\d+) requests in", text)[1])
    if n == 0:
        raise Failure("no request was answered")
    return without_none({
        f"{label} req/s": wrk_rate(text), f"{label} p50 µs": wrk_usec(text, 50), f"{label} p99 µs": wrk_usec(text, 99),
        f"{label} CPU µs": cpu and cpu / n * 1e6})


def keep_alive(peer, terms, label, port):
    return requests(peer, terms, label, port)


def new_connections(peer, terms, label, port):
    return requests(peer, terms, label, port, "Connection: close")


def ping(peer, terms, label, port):
    text = output(peer.origins.pingpong, peer.ports[port], terms.rounds, timeout=120)
    return dict(zip((f"{label} p50 µs", f"{label} p99 µs"), map(float, text.split())))


def stalled(peer, terms, label, port):
    """How much slower the others get by one visitor who asks for a lot and reads nothing."""
    result = {}
    for path in ("1k", "64k"):
        ratios = []
        for _ in range(terms.pairs):
            alone = wrk_rate(wrk(peer, port, path, max(1, terms.seconds // 2), CONNECTIONS - 1))
            with socket.create_connection(("127.0.0.1", peer.ports[port]), 10) as s:
                s.sendall(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
                time.sleep(0.3)
                ratios.append(wrk_rate(wrk(peer, port, path, max(1, terms.seconds // 2), CONNECTIONS - 1)) / alone)
        result[f"{label}, {path}: others' rate"] = statistics.median(ratios)
    return result


# ---- bulk ----

def iperf(peer, port, seconds, streams, *options):
    peer.origins.restart_bulk()
    data = json.loads(output("iperf3", "-c", "127.0.0.1", "-p", peer.ports[port], "-t", seconds, "-P", streams, "-J",
                             "--connect-timeout", 5000, *options, timeout=seconds + 20))
    if "error" in data:
        raise Failure(f"iperf3: {data['error']}")
    return data["end"]["sum_received"]


def bulk(peer, terms, label, port):
    result = {}
    for streams in (1, 8):
        for way, options in (("down", ["-R"]), ("up", [])):
            received, cpu = with_cpu(peer, lambda: iperf(peer, port, terms.seconds, streams, *options))
            metric = f"{label} {way} ×{streams}"
            result[f"{metric} Gbit/s"] = received["bits_per_second"] / 1e9
            result[f"{metric} CPU s/GiB"] = cpu and cpu / (received["bytes"] / (1 << 30))
    return without_none(result)


def long_line(peer, terms, label, port):
    return {f"{label} {way} Mbit/s": iperf(peer, port, terms.seconds, 1, "-O", LONG_SKIP, *options)["bits_per_second"] / 1e6
            for way, options in (("down", ["-R"]), ("up", []))}


# ---- memory ----

def idle(peer, _terms, label, _port):
    time.sleep(2)
    total, anonymous = peer.memory(), peer.memory("RssAnon")
    return {f"{label} {role} {what} MiB": values[role] / 1024
            for role in total for what, values in (("RSS", total), ("anonymous", anonymous))}


class Holder:
    """Visitors who have had one answer and then keep silent."""

    def __init__(self, peer, port):
        self.address = ("127.0.0.1", peer.ports[port])
        self.visitors = []
        self.host = peer.host
        self.tls = ssl.create_default_context(cafile=peer.origins.folder / "cert.pem") if port == "https" else None
        self.ask, self.n_answer = (b"x", 1) if port == "echo" else (
            f"GET /1k HTTP/1.1\r\nHost: {peer.host}\r\n\r\n".encode(), 1024)

    def open(self):
        s = socket.create_connection(self.address, 20)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.visitors.append(self.tls.wrap_socket(s, server_hostname=self.host) if self.tls else s)

    def use(self, visitors):
        """Each asks, then each has its answer."""
        for s in visitors:
            s.sendall(self.ask)
        for s in visitors:
            answer = b""
            while len(answer.rpartition(b"\r\n\r\n")[2]) < self.n_answer:
                data = s.recv(16384)
                if not data:
                    raise Failure("a held visitor was let go")
                answer += data

    def open_all(self, n):
        while len(self.visitors) < n:
            begin = len(self.visitors)
            for _ in range(min(CONNECTIONS, n - begin)):
                self.open()
            self.use(self.visitors[begin:])

    def close(self):
        for s in self.visitors:
            s.close()


def hold(peer, terms, label, port):
    """Memory of each idle visitor, and CPU to open it: that many at a time."""
    holder = Holder(peer, port)
    time.sleep(1)
    before = peer.memory()
    try:
        _, cpu = with_cpu(peer, lambda: holder.open_all(terms.held))
        time.sleep(2)
        after = peer.memory()
        holder.use(holder.visitors)
    finally:
        holder.close()
    return {**{f"{label} {role} KiB": (after[role] - before[role]) / terms.held for role in after},
            f"{label} open CPU µs": cpu / terms.held * 1e6}


@dataclass
class Workload:
    run: Callable
    label: str
    port: str
    is_long: bool = False
    needs_programs: bool = False  # nothing to measure without a tunnel


WORKLOADS = {
    "tcp": Workload(keep_alive, "tcp", "web"),
    "http": Workload(keep_alive, "http", "http"),
    "https": Workload(keep_alive, "https", "https"),
    "tcp-new": Workload(new_connections, "tcp, new", "web"),
    "http-new": Workload(new_connections, "http, new", "http"),
    "https-new": Workload(new_connections, "https, new", "https"),
    "ping": Workload(ping, "ping", "echo"),
    "bulk": Workload(bulk, "bulk", "bulk"),
    "stall": Workload(stalled, "stalled", "web"),
    "long": Workload(long_line, "long line", "bulk", is_long=True),
    "idle": Workload(idle, "idle", "web", needs_programs=True),
    "hold-tcp": Workload(hold, "held tcp", "echo", needs_programs=True),
    "hold-http": Workload(hold, "held http", "http", needs_programs=True),
    "hold-https": Workload(hold, "held https", "https", needs_programs=True),
}
