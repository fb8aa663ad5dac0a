# SPDX-License-Identifier: LGPL-2.1-or-later
"""The programs under test as real processes: start, wait for what they print, stop, look at their memory."""

import json
import os
import pathlib
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time

TOP = pathlib.Path(__file__).resolve().parents[2]


def find_build():
    """The folder with the programs: $PGROK_BUILD, the source folder itself, or the newest below build/."""
    named = os.environ.get("PGROK_BUILD")
    candidates = [pathlib.Path(named)] if named else [TOP, *TOP.glob("build/*")]
    built = [c for c in candidates if (c / "src/server/pgrokd").exists() and (c / "src/client/pgrok").exists()]
    if not built:
        raise RuntimeError("pgrokd and pgrok are not built; set PGROK_BUILD to where they are")
    return max(built, key=lambda c: (c / "src/server/pgrokd").stat().st_mtime)


BUILD = find_build()
PGROKD = BUILD / "src/server/pgrokd"
PGROK = BUILD / "src/client/pgrok"
PGROKCTL = BUILD / "src/ctl/pgrokctl"

SANITIZED = any(word in PGROKD.read_bytes() for word in (b"__asan_init", b"__tsan_init", b"__ubsan_handle"))
PATIENCE = 60 if SANITIZED else 20  # seconds until something that must happen counts as missing

SANITIZER_REPORT = re.compile(r"AddressSanitizer|LeakSanitizer|ThreadSanitizer|runtime error:")


def environment(folder):
    """Nothing of the caller's configuration, state or proxies reaches a test."""
    unwanted = re.compile(r"^(XDG_|RUNTIME_DIRECTORY|PGROK|NOTIFY_|WATCHDOG|LISTEN_|JOURNAL|CREDENTIALS|.*_proxy$|.*_PROXY$)")
    env = {k: v for k, v in os.environ.items() if not unwanted.match(k)}
    env.update(HOME=str(folder), LC_ALL="C.UTF-8")
    env["RUNTIME_DIRECTORY"] = str(folder / "run")
    for name in ("STATE_HOME", "CONFIG_HOME", "RUNTIME_DIR"):
        path = folder / name.lower()
        path.mkdir(mode=0o700, exist_ok=True)
        env["XDG_" + name] = str(path)
    return env


# Below the kernel's own range, and not where tests that run beside us look for theirs.
PORTS_FIRST, PORTS_EACH, PORTS_SHARES = 10000, 2000, 11
PORTS = PORTS_FIRST + PORTS_EACH * (int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % PORTS_SHARES)


def free_port_range(count):
    """LO-HI, of ports that are free now."""
    while True:
        low = random.randrange(PORTS, PORTS + PORTS_EACH - count)
        sockets = []
        try:
            for port in range(low, low + count):
                sockets.append(socket.create_server(("127.0.0.1", port)))
            return f"{low}-{low + count - 1}"
        except OSError:
            continue
        finally:
            for s in sockets:
                s.close()


# Runs a program with descriptors 3, 4, … as systemd passes them: FD:NAME…, then the program.
PASS = """
import os, sys
end = sys.argv.index("--")
passed = [a.partition(":")[::2] for a in sys.argv[1:end]]
copies = [os.dup2(int(fd), 100 + i) for i, (fd, _) in enumerate(passed)]
for i, fd in enumerate(copies):
    os.dup2(fd, 3 + i, inheritable=True)
    os.close(fd)
os.environ.update(LISTEN_FDS=str(len(passed)), LISTEN_PID=str(os.getpid()),
                  LISTEN_FDNAMES=":".join(name for _, name in passed))
os.execv(sys.argv[end + 1], sys.argv[end + 1:])
"""


class Daemon:
    """A running program. Its standard output is read line by line, its log is in a file."""

    def __init__(self, place, program, arguments, passed=()):
        """PASSED: listening sockets as of systemd, (name, socket)."""
        self.arguments = [str(program), *map(str, arguments)]
        if passed:
            fds = [f"{sock.fileno()}:{name}" for name, sock in passed]
            self.arguments = [sys.executable, "-c", PASS, *fds, "--", *self.arguments]
        self.name = f"{pathlib.Path(program).name}-{len(place.daemons)}"
        self.log_path = place.folder / f"{self.name}.log"
        runtime = place.runtime or place.folder / self.name
        self.env = {**place.env, "RUNTIME_DIRECTORY": str(runtime)}
        self.control_socket = runtime / "control.sock"
        self.lines = []
        self.changed = threading.Condition()
        self.ended = False
        self.expected_exit = 0
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(self.arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                            stderr=log, env=self.env, cwd=place.folder,
                                            pass_fds=[sock.fileno() for _, sock in passed])
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        place.daemons.append(self)

    def _read(self):
        for line in self.process.stdout:
            with self.changed:
                self.lines.append(line.decode(errors="replace").rstrip("\n"))
                self.changed.notify_all()
        with self.changed:
            self.ended = True
            self.changed.notify_all()

    def wait_for(self, find, what, timeout=PATIENCE):
        """What `find(lines)` returns once that is not None."""
        deadline = time.monotonic() + timeout
        with self.changed:
            while True:
                found = find(self.lines)
                if found is not None:
                    return found
                remaining = deadline - time.monotonic()
                if self.ended or remaining <= 0:
                    raise AssertionError(f"{self.name}: no {what} after {self.lines[-20:]}\n{self.log()}")
                self.changed.wait(remaining)

    def log(self):
        return self.log_path.read_text(errors="replace")

    def wait_log(self, pattern, count=1):
        """Until COUNT lines of the log have PATTERN."""
        deadline = time.monotonic() + PATIENCE
        while len(re.findall(pattern, self.log(), re.M)) < count:
            assert time.monotonic() < deadline, f"{self.name}: no {count} of {pattern} in {self.log()}"
            time.sleep(0.02)

    @property
    def pid(self):
        return self.process.pid

    def memory(self, field="VmRSS"):
        """Bytes; VmHWM is the peak."""
        status = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(rf"^{field}:\s*(\d+) kB", status, re.M)[1]) * 1024

    def cpu_seconds(self):
        """User and system time so far."""
        fields = pathlib.Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def n_descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def is_running(self):
        return self.process.poll() is None

    def exit_code(self, timeout=PATIENCE):
        code = self.process.wait(timeout)
        self.reader.join(timeout)
        self.expected_exit = None  # the test has seen it
        return code

    def terminate(self, sig=signal.SIGTERM):
        self.process.send_signal(sig)
        return self.exit_code()

    def kill(self):
        self.process.kill()
        self.exit_code()

    def finish(self):
        """At the end of a test: a clean stop, and nothing that a sanitizer had to say."""
        try:
            if self.is_running():
                self.process.terminate()
            code = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"{self.name} does not stop on SIGTERM") from None
        finally:
            self.reader.join(PATIENCE)
            self.process.stdout.close()
        assert not SANITIZER_REPORT.search(self.log()), f"{self.name}: {self.log()}"
        assert self.expected_exit is None or code == self.expected_exit, f"{self.name} ended with {code}"


class Server(Daemon):
    """pgrokd, and the ports of its ready line."""

    def __init__(self, place, arguments, passed=(), program=None):
        super().__init__(place, program or PGROKD, arguments, passed)

        def find_ready(lines):
            return next((line for line in lines if line.startswith("Ready:")), None)

        self.ready = dict(word.partition("=")[::2] for word in self.wait_for(find_ready, "ready line").split()[1:])
        self.domain = self.ready["domain"]
        self.http, self.https, self.tunnel, self.metrics = (self._port(name) for name in
                                                            ("http", "https", "tunnel", "metrics"))

    def _port(self, name):
        return int(self.ready[name].rpartition(":")[2]) if ":" in self.ready.get(name, "") else None

    @property
    def address(self):
        return f"127.0.0.1:{self.tunnel}"

    def wait_until_port_is_free(self, port):
        """A server that stops gives its addresses up first."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
            except ConnectionRefusedError:
                return
            except ConnectionResetError:
                pass  # it came while the port was being closed
            assert time.monotonic() < deadline, f"port {port} is still listened on"
            time.sleep(0.02)

    def again(self):
        """Arguments that give a new server the ports of this one."""
        return [f"--{name}-listen=127.0.0.1:{port}" for name, port in
                (("http", self.http), ("https", self.https), ("tunnel", self.tunnel)) if port]


class Client(Daemon):
    """pgrok with --output json, and its events."""

    def __init__(self, place, arguments):
        super().__init__(place, PGROK, ["--output", "json", *arguments])

    def events(self, kind=None):
        with self.changed:
            events = [json.loads(line) for line in self.lines if line.startswith("{")]
        return [e for e in events if kind in (None, e["event"])]

    def wait_event(self, kind, count=1, timeout=PATIENCE, **fields):
        """The COUNT-th event of that kind with these fields."""
        def find(_lines):
            found = [e for e in self.events(kind) if all(e.get(k) == v for k, v in fields.items())]
            return found[count - 1] if len(found) >= count else None

        return self.wait_for(find, f"event {kind} number {count} {fields or ''}", timeout)

    def tunnels(self, count):
        """The first COUNT tunnels, each a `Tunnel`."""
        self.wait_event("tunnel", count)
        return [Tunnel(e) for e in self.events("tunnel")[:count]]

    def tunnel(self, protocol=None):
        """The first tunnel of that protocol."""
        def find(_lines):
            urls = [e for e in self.events("tunnel") if protocol in (None, e["url"].partition(":")[0])]
            return Tunnel(urls[0]) if urls else None

        return self.wait_for(find, f"tunnel {protocol or ''}")


class Tunnel:
    """Where a `tunnel` event says that a service is reached."""

    def __init__(self, event):
        self.name, self.url, self.local = event["name"], event["url"], event["local"]
        self.protocol, _, rest = self.url.partition("://")
        self.host, _, port = rest.partition(":")
        self.port = int(port) if port else {"http": 80, "https": 443, "tls": 443}[self.protocol]
