# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is measured: the local services, and ways to reach them. Each way is a Peer with its public ports."""

import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
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
            time.sleep(0.05)


def process_tree(pid):
    """PID and all below it: sshd and nginx work in children."""
    children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(p for child in children for p in process_tree(int(child)))]


class Peer:
    """Programs in a folder of their own, by role, and the public ports `web`, `echo`, `bulk`."""

    def __init__(self, folder, origins):
        self.folder = folder / type(self).__name__
        self.folder.mkdir()
        self.processes = {}
        self.ports = {}
        self.host = "127.0.0.1"  # in URLs of `web`
        self.tls = False
        try:
            self.start(origins)
        except Exception:
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
        return {role: process_tree(p.pid) for role, p in self.processes.items()}

    def cpu_seconds(self):
        """Of all its programs, user and system."""
        total = 0
        for pid in (p for pids in self.pids().values() for p in pids):
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
        return total / TICK

    def memory(self):
        """Resident MiB by role."""
        def resident(pid):
            return int(re.search(r"VmRSS:\s*(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1]) / 1024

        return {role: sum(map(resident, pids)) for role, pids in self.pids().items()}

    def stop(self):
        for process in reversed(self.processes.values()):
            process.terminate()
            process.wait(PATIENCE)
            if process.stdout:
                process.stdout.close()


NGINX = """{module}
worker_processes 1; daemon off; pid {folder}/{name}.pid; error_log {folder}/{name}.err error;
events {{ worker_connections 8192; }}
{body}
"""


class Origins(Peer):
    """The local services: nginx with a file of 1 KiB, pingpong, iperf3."""

    name = "origins"

    def start(self, _origins):
        tool = self.folder / "pingpong"
        subprocess.run(["cc", "-O2", "-Wall", "-o", tool, TOP / "tests/bench/pingpong.c"], check=True)
        self.pingpong = tool
        (self.folder / "1k").write_text("x" * 1024)
        self.ports = {"web": free_port(), "bulk": free_port()}
        body = f"""http {{ access_log off; keepalive_requests 1000000000;
            server {{ listen 127.0.0.1:{self.ports["web"]} backlog=4096; root {self.folder}; }} }}"""
        config = self.write("nginx.conf", NGINX.format(folder=self.folder, name="nginx", module="", body=body))
        self.spawn("web", "nginx", "-p", self.folder, "-e", self.folder / "err", "-c", config)
        self.spawn("bulk", "iperf3", "-s", "-B", "127.0.0.1", "-p", self.ports["bulk"])
        echo = self.spawn("echo", tool, "serve", stdout=subprocess.PIPE)
        self.ports["echo"] = int(echo.stdout.readline())
        for port in self.ports.values():
            wait_until_open(port)


class Direct(Peer):
    name = "no tunnel"

    def start(self, origins):
        self.ports = dict(origins.ports)


class Ssh(Peer):
    name = "ssh -R"

    def start(self, origins):
        for key in ("host", "user"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.folder / key], check=True)
        if os.getuid() == 0:
            pathlib.Path("/run/sshd").mkdir(exist_ok=True)
        port = free_port()
        config = self.write("sshd_config", f"Port {port}\nListenAddress 127.0.0.1\nHostKey \"{self.folder}/host\"\n"
                            f"AuthorizedKeysFile \"{self.folder}/user.pub\"\nPermitRootLogin yes\nStrictModes no\n"
                            "UsePAM no\nPidFile none\n")
        self.spawn("server", shutil.which("sshd"), "-D", "-e", "-f", config)  # insists on its whole path
        wait_until_open(port)
        forwards = []
        for name, local in origins.ports.items():
            self.ports[name] = free_port()
            forwards += ["-R", f"127.0.0.1:{self.ports[name]}:127.0.0.1:{local}"]
        self.spawn("client", "ssh", "-N", "-F", "none", "-p", port, "-i", self.folder / "user", "-o", "BatchMode=yes",
                   "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", *forwards, "127.0.0.1")
        for public in self.ports.values():
            wait_until_open(public)


class Nginx(Peer):
    """Two stream proxies with TLS between them: a tunnel without any tunnel logic."""

    name = "nginx, 2 hops"

    def start(self, origins):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-subj", "/CN=localhost", "-keyout", "key.pem", "-out", "cert.pem"],
                       cwd=self.folder, check=True, capture_output=True)
        outer, inner = "", ""
        for name, local in origins.ports.items():
            self.ports[name], hop = free_port(), free_port()
            outer += f"""server {{ listen 127.0.0.1:{self.ports[name]} backlog=4096; proxy_pass 127.0.0.1:{hop}; tcp_nodelay on;
                proxy_ssl on; proxy_ssl_verify on; proxy_ssl_name localhost;
                proxy_ssl_trusted_certificate {self.folder}/cert.pem; }}\n"""
            inner += f"""server {{ listen 127.0.0.1:{hop} ssl backlog=4096; proxy_pass 127.0.0.1:{local}; tcp_nodelay on;
                ssl_certificate {self.folder}/cert.pem; ssl_certificate_key {self.folder}/key.pem; }}\n"""
        for role, servers in (("client", inner), ("server", outer)):
            text = NGINX.format(folder=self.folder, name=role, body="stream {" + servers + "}",
                                module="load_module /usr/lib/nginx/modules/ngx_stream_module.so;")
            config = self.write(f"{role}.conf", text)
            self.spawn(role, "nginx", "-p", self.folder, "-e", self.folder / f"{role}.err", "-c", config)
        for public in self.ports.values():
            wait_until_open(public)


class Pgrok(Peer):
    """pgrokd --dev and pgrok; `web` by the protocol of the subclass, the rest by tcp."""

    protocol = "tcp"

    def start(self, origins):
        build = pathlib.Path(os.environ.get("PGROK_BUILD", TOP / "build/bench"))
        env = {**os.environ, "XDG_STATE_HOME": str(self.folder), "XDG_CONFIG_HOME": str(self.folder)}
        tunnels = "".join(f'{name}: {{ proto = "{self.protocol if name == "web" else "tcp"}"; local = "127.0.0.1:{port}"; }};\n'
                          for name, port in origins.ports.items())
        config = self.write("tunnels.conf", "tunnels: {\n" + tunnels + "};\n")
        server = self.spawn("server", build / "src/server/pgrokd", "--dev", "--http-listen=127.0.0.1:0",
                            "--https-listen=127.0.0.1:0", "--tunnel-listen=127.0.0.1:0", env=env, stdout=subprocess.PIPE)
        ready = next(line for line in iter(server.stdout.readline, b"") if line.startswith(b"Ready:")).decode()
        address = re.search(r"tunnel=(\S+)", ready)[1]
        client = self.spawn("client", build / "src/client/pgrok", "start-all", "--dev", "--server", address,
                            "--config", config, "--output", "json", env=env, stdout=subprocess.PIPE)
        while len(self.ports) < len(origins.ports):
            event = json.loads(client.stdout.readline())
            if event["event"] == "tunnel":
                scheme, _, rest = event["url"].partition("://")
                host, _, port = rest.partition(":")
                self.ports[event["name"]] = int(port)
                if event["name"] == "web":
                    self.host, self.tls = host, scheme == "https"
        if self.protocol != "tcp":
            del self.ports["echo"], self.ports["bulk"]  # the same as for tcp


class PgrokTcp(Pgrok):
    name, protocol = "pgrok, tcp", "tcp"


class PgrokHttp(Pgrok):
    name, protocol = "pgrok, http", "http"


class PgrokHttps(Pgrok):
    name, protocol = "pgrok, https", "https"


PEERS = [Direct, Nginx, Ssh, PgrokTcp, PgrokHttp, PgrokHttps]
