# SPDX-License-Identifier: LGPL-2.1-or-later
"""Programs under measurement: started in a folder of their own, looked at through /proc, and ended. And the local
services that tunnels lead to."""

import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
PATIENCE = 20
TICK = os.sysconf("SC_CLK_TCK")


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as s:
        return s.getsockname()[1]


def wait_until_open(port):
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def process_tree(pid):
    """PID and all below it: sshd and nginx work in children."""
    children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(p for child in children for p in process_tree(int(child)))]


def cpu_seconds(pid):
    """User and system."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def resident_kib(pid, field):
    return int(re.search(field + r":\s*(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1])


class Programs:
    """By role; `server` and `client` are what is measured."""

    def __init__(self, folder):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=self.name + ".", dir=folder))
        self.folder.chmod(0o755)  # nginx's workers are another user
        self.processes = {}
        try:
            self.start()
            self.wait_until_ready()
        except BaseException:
            self.stop()
            for log in sorted(self.folder.glob("*.log")):
                print(f"{log.name}: {log.read_text(errors='replace')[-2000:]}", file=sys.stderr)
            raise

    def spawn(self, role, *arguments, **options):
        with open(self.folder / f"{role}.log", "wb") as log:
            process = subprocess.Popen([str(a) for a in arguments], stdin=subprocess.DEVNULL, stderr=log,
                                       stdout=options.pop("stdout", log), cwd=self.folder, **options)
        self.processes[role] = process
        return process

    def write(self, name, text):
        path = self.folder / name
        path.write_text(text)
        path.chmod(0o600)
        return path

    def pids(self):
        return {role: process_tree(self.processes[role].pid) for role in ("server", "client") if role in self.processes}

    def cpu_seconds(self):
        return sum(cpu_seconds(pid) for pids in self.pids().values() for pid in pids)

    def memory(self, field="VmRSS"):
        """KiB by role. FIELD: VmRSS, or RssAnon for what is not of files."""
        return {role: sum(resident_kib(pid, field) for pid in pids) for role, pids in self.pids().items()}

    def stop(self):
        for process in reversed(self.processes.values()):
            process.terminate()
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdout:
                process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        self.stop()


NGINX = """{module}
worker_processes 1; daemon off; pid {folder}/{name}.pid; error_log {folder}/{name}.err error;
worker_rlimit_nofile 19000; events {{ worker_connections 18000; }}
{body}
"""


class Origins(Programs):
    """nginx with files of 1 KiB, 64 KiB and 1 GiB (a sparse one), pingpong, iperf3; and a certificate for all."""

    name = "origins"

    def make_certificate(self):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-subj", "/CN=bench", "-days", "30", "-keyout", "key.pem", "-out", "cert.pem", "-addext",
                        "subjectAltName=DNS:localhost,DNS:tun.test,DNS:*.tun.test,IP:127.0.0.1"],
                       cwd=self.folder, check=True, capture_output=True)
        (self.folder / "both.pem").write_text(
            (self.folder / "cert.pem").read_text() + (self.folder / "key.pem").read_text())

    def make_files(self):
        (self.folder / "1k").write_text("x" * 1024)
        (self.folder / "64k").write_text("x" * 65536)
        with open(self.folder / "big", "wb") as f:
            f.truncate(1 << 30)

    def start(self):
        self.pingpong = self.folder / "pingpong"
        subprocess.run(["cc", "-O2", "-Wall", "-o", self.pingpong, TOP / "tests/bench/pingpong.c"], check=True)
        self.make_certificate()
        self.make_files()
        self.ports = {"web": free_port(), "bulk": free_port()}
        body = f"""http {{ access_log off; keepalive_requests 1000000000; keepalive_timeout 600s; open_file_cache max=10;
            server {{ listen 127.0.0.1:{self.ports["web"]} backlog=4096; root {self.folder}; }} }}"""
        config = self.write("nginx.conf", NGINX.format(folder=self.folder, name="nginx", module="", body=body))
        self.spawn("web", "nginx", "-p", self.folder, "-e", self.folder / "err", "-c", config)
        self.start_bulk()
        echo = self.spawn("echo", self.pingpong, "serve", stdout=subprocess.PIPE)
        self.ports["echo"] = int(echo.stdout.readline())

    def start_bulk(self):
        bulk = self.spawn("bulk", "iperf3", "-s", "--forceflush", "-B", "127.0.0.1", "-p", self.ports["bulk"],
                          stdout=subprocess.PIPE)
        next(line for line in iter(bulk.stdout.readline, b"") if b"listening" in line)

    def restart_bulk(self):
        """iperf3 takes a while to see that its one visitor has left, and longer if that went astray."""
        bulk = self.processes.pop("bulk")
        bulk.kill()
        bulk.communicate()
        self.start_bulk()

    def wait_until_ready(self):
        wait_until_open(self.ports["web"])

    def pids(self):
        return {role: process_tree(p.pid) for role, p in self.processes.items()}
