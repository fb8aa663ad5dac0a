# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is measured: ways to reach the local services of origins.py. Each way is a Peer with its public ports."""

import json
import os
import pathlib
import re
import shutil
import subprocess

from programs import NGINX, TOP, Programs, free_port, wait_until_open

SERVICES = ("web", "bulk", "echo")


class Peer(Programs):
    """A server and a client, and public ports by name: those of SERVICES; `http` and `https` lead to `web` too, by
    the name `host`. `is_long`: with a long line between server and client."""

    offers = frozenset(SERVICES)
    host = "page.tun.test"

    def __init__(self, folder, origins, is_long=False):
        self.is_long = is_long
        self.ports = {}
        self.origins = origins
        super().__init__(folder)

    def link(self, port):
        """The port of a server that its client is to use."""
        if not self.is_long:
            return port
        process = self.spawn("line", "/usr/bin/python3", TOP / "tests/bench/line.py", port, stdout=subprocess.PIPE)
        return int(process.stdout.readline())

    def wait_until_ready(self):
        for name, port in self.ports.items():
            if name != "bulk":  # iperf3 would take this for its one visitor
                wait_until_open(port)


class Direct(Peer):
    name, title = "direct", "no tunnel"

    def start(self):
        self.ports = {**self.origins.ports, "bulk": self.link(self.origins.ports["bulk"])}


class Ssh(Peer):
    name, title = "ssh", "ssh -R"

    def start(self):
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
        for name in SERVICES:
            self.ports[name] = free_port()
            forwards += ["-R", f"127.0.0.1:{self.ports[name]}:127.0.0.1:{self.origins.ports[name]}"]
        self.spawn("client", "ssh", "-N", "-F", "none", "-p", self.link(port), "-i", self.folder / "user",
                   "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
                   "-o", "LogLevel=ERROR", *forwards, "127.0.0.1")


class TwoHops(Peer):
    """Two TCP proxies: a tunnel without any tunnel logic. `https`, with TLS: ends at the first of them."""

    def start(self):
        hops = {}
        for name in SERVICES:
            self.ports[name], hops[name] = free_port(), free_port()
        inner = [self.inner(hops[n], self.origins.ports[n]) for n in SERVICES]
        links = {n: self.link(port) if n == "bulk" else port for n, port in hops.items()}
        outer = [self.outer(self.ports[n], links[n]) for n in SERVICES]
        if "https" in self.offers:
            self.ports["https"] = free_port()
            outer.append(self.outer(self.ports["https"], links["web"], ends_tls=True))
        self.run("client", inner)
        self.run("server", outer)


class NginxPlain(TwoHops):
    name, title = "nginx-plain", "nginx, plain"
    is_tls = False

    def inner(self, port, target):
        tls = f""" ssl; ssl_certificate {self.origins.folder}/cert.pem;
            ssl_certificate_key {self.origins.folder}/key.pem""" if self.is_tls else ""
        return f"server {{ proxy_pass 127.0.0.1:{target}; tcp_nodelay on; listen 127.0.0.1:{port} backlog=4096{tls}; }}"

    def outer(self, port, target, ends_tls=False):
        text = self.inner(port, target) if ends_tls else NginxPlain.plain(port, target)
        tls = f"""proxy_ssl on; proxy_ssl_verify on; proxy_ssl_name localhost;
            proxy_ssl_trusted_certificate {self.origins.folder}/cert.pem; }}""" if self.is_tls else "}"
        return text.removesuffix("}") + tls

    @staticmethod
    def plain(port, target):
        return f"server {{ proxy_pass 127.0.0.1:{target}; tcp_nodelay on; listen 127.0.0.1:{port} backlog=4096; }}"

    def run(self, role, servers):
        text = NGINX.format(folder=self.folder, name=role, body="stream {" + "\n".join(servers) + "}",
                            module="load_module /usr/lib/nginx/modules/ngx_stream_module.so;")
        config = self.write(f"{role}.conf", text)
        self.spawn(role, "nginx", "-p", self.folder, "-e", self.folder / f"{role}.err", "-c", config)


class NginxTls(NginxPlain):
    name, title = "nginx-tls", "nginx, TLS"
    is_tls = True
    offers = Peer.offers | {"https"}


class HaproxyTls(TwoHops):
    name, title = "haproxy-tls", "haproxy, TLS"
    offers = Peer.offers | {"https"}

    def proxy(self, port, target, bind, server):
        pem = f"ssl crt {self.origins.folder}/both.pem" if bind else ""
        ca = f"ssl verify required ca-file {self.origins.folder}/cert.pem sni str(localhost)" if server else ""
        return f"listen p{port}\n  bind 127.0.0.1:{port} {pem}\n  server s 127.0.0.1:{target} {ca}\n"

    def inner(self, port, target):
        return self.proxy(port, target, bind=True, server=False)

    def outer(self, port, target, ends_tls=False):
        return self.proxy(port, target, bind=ends_tls, server=True)

    def run(self, role, proxies):
        head = ("global\n  nbthread 1\n  maxconn 9500\ndefaults\n  mode tcp\n  maxconn 9500\n  timeout connect 5s\n"
                "  timeout client 300s\n  timeout server 300s\n")
        config = self.write(f"{role}.cfg", head + "".join(proxies))
        self.spawn(role, "haproxy", "-db", "-q", "-f", config)


class PgrokMux(Peer):
    """pgrokd and pgrok; `web` is a tcp tunnel, `http` and `https` lead to the same service."""

    name, title, transport = "pgrok-mux", "pgrok, mux", "mux"
    offers = Peer.offers | {"http", "https"}

    def server_config(self):
        return self.write("pgrokd.conf", f"""server: {{ domain = "tun.test"; auth: {{ method = "none"; }};
            http_listen = [ "127.0.0.1:0" ]; https_listen = [ "127.0.0.1:0" ]; tunnel_listen = [ "127.0.0.1:0" ];
            tls: {{ certificate = "{self.origins.folder}/cert.pem"; key = "{self.origins.folder}/key.pem"; }}; }};\n""")

    def client_config(self, port):
        services = "".join(f'{name}: {{ proto = "tcp"; local = "127.0.0.1:{self.origins.ports[name]}"; }};\n'
                           for name in SERVICES)
        return self.write("pgrok.conf", f"""client: {{ server = "127.0.0.1:{port}"; transport = "{self.transport}";
            ca_file = "{self.origins.folder}/cert.pem"; }};
            tunnels: {{ {services} page: {{ proto = "http+https"; local = "127.0.0.1:{self.origins.ports['web']}"; }};
            }};\n""")

    def start(self):
        build = pathlib.Path(os.environ.get("PGROK_BUILD", TOP / "build/bench"))
        env = {**os.environ, "XDG_STATE_HOME": str(self.folder), "XDG_CONFIG_HOME": str(self.folder)}
        server = self.spawn("server", build / "src/server/pgrokd", "--config", self.server_config(),
                            env=env, stdout=subprocess.PIPE)
        ready = next(line for line in iter(server.stdout.readline, b"") if line.startswith(b"Ready:")).decode()
        port = int(re.search(r"tunnel=\S+:(\d+)", ready)[1])
        client = self.spawn("client", build / "src/client/pgrok", "start-all", "--config",
                            self.client_config(self.link(port)), "--output", "json", "--inspect", "off", env=env,
                            stdout=subprocess.PIPE)
        while len(self.ports) < len(self.offers):
            event = json.loads(client.stdout.readline())
            if event["event"] == "tunnel":
                scheme, _, rest = event["url"].partition("://")
                name = event["name"] if scheme == "tcp" else scheme
                self.ports[name] = int(rest.rpartition(":")[2])


class PgrokClassic(PgrokMux):
    name, title, transport = "pgrok-classic", "pgrok, classic", "classic"


PEERS = {kind.name: kind for kind in (Direct, Ssh, HaproxyTls, NginxPlain, NginxTls, PgrokClassic, PgrokMux)}
