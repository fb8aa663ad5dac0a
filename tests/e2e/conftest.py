# SPDX-License-Identifier: LGPL-2.1-or-later
"""Each test gets a `place`: a folder and an environment of its own, in which it starts what it needs. At its
end everything must stop cleanly; when it fails, the logs are shown."""

import os
import subprocess

import pytest

import local
from classic import HandClient, HandServer
from daemons import PATIENCE, Client, Server, environment, free_port_range
from yamux import MuxClient

TRANSPORT = os.environ.get("PGROK_TEST_TRANSPORT")  # of each client that doesn't choose one: auto, mux or classic
CONNECTIONS = os.environ.get("PGROK_TEST_CONNECTIONS")  # the same: client.connections
LOG_LEVEL = os.environ.get("PGROK_TEST_LOG_LEVEL", "info")


class Place:
    def __init__(self, folder):
        self.folder = folder
        self.env = environment(folder)
        self.runtime = None  # where control sockets are; by default each daemon has its own folder
        self.daemons = []
        self.closers = []

    def keep(self, thing):
        """Closes it at the end of the test."""
        self.closers.append(thing.close)
        return thing

    def server(self, *arguments, config="", dev=True, passed=(), program=None):
        """A pgrokd on free ports; `config` is the inside of a `server` section."""
        wanted = ["--log-level", LOG_LEVEL, *arguments]
        given = {a.partition("=")[0].lstrip("-") for a in arguments}
        wanted += [f"--{name}-listen=127.0.0.1:0" for name in ("http", "https", "tunnel")
                   if not given & {f"{name}-listen", f"{name}Addr"}]
        if "tcp-ports" not in given and "tcp_ports" not in config:
            wanted.append(f"--tcp-ports={free_port_range(20)}")
        if config:
            wanted += ["--config", self.write("pgrokd.conf", f"server: {{ {config} }};\n")]
        return Server(self, ["--dev", *wanted] if dev else wanted, passed, program)

    def client(self, server, *arguments, dev=True):
        """A pgrok towards `server`, with the targets and options in `arguments`."""
        common = ["--server", server.address, "--log-level", LOG_LEVEL]
        if not any(str(a).startswith(("--inspect", "-inspect")) for a in arguments):
            common.append("--inspect=off")
        if TRANSPORT and not any(str(a).startswith("--transport") for a in arguments):
            common.append(f"--transport={TRANSPORT}")
        if CONNECTIONS and not any(str(a).startswith("--config") for a in arguments):
            common += ["--config", self.write("connections.conf", f"client: {{ connections = {CONNECTIONS}; }};\n")]
        return Client(self, [*(["--dev"] if dev else []), *common, *arguments])

    def hand_client(self, server, **options):
        return self.keep(HandClient(server.tunnel, **options))

    def mux_client(self, server, port=None, **options):
        return self.keep(MuxClient(port or server.tunnel, **options))

    def hand_server(self, **options):
        return self.keep(HandServer(self.certificate(), **options))

    def http(self):
        return self.keep(local.HttpService())

    def write(self, name, text, mode=0o600):
        path = self.folder / name
        path.write_text(text)
        path.chmod(mode)
        return path

    def certificate(self, *names):
        """Paths of a self-signed certificate and its key, valid for localhost, 127.0.0.1 and `names`."""
        cert, key = self.folder / "cert.pem", self.folder / "key.pem"
        if not cert.exists():
            alternatives = ",".join(["DNS:localhost", "IP:127.0.0.1", *(f"DNS:{n}" for n in names)])
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                            "-nodes", "-days", "2", "-subj", "/CN=localhost", "-keyout", key, "-out", cert,
                            "-addext", f"subjectAltName={alternatives}"],
                           check=True, capture_output=True, timeout=PATIENCE)
        return cert, key

    def ca(self):
        """The certificate of --dev's certification authority."""
        return self.folder / "state_home/pgrok/dev/ca.pem"

    def finish(self):
        """The newest first, so that clients leave before their server."""
        faults = []
        for step in [*reversed(self.closers), *(d.finish for d in reversed(self.daemons))]:
            try:
                step()
            except Exception as fault:  # the other steps must still be taken
                faults.append(f"{type(fault).__name__}: {fault}")
        assert not faults, "\n".join(faults)


@pytest.fixture
def place(request, tmp_path):
    here = Place(tmp_path)
    request.node.place = here
    yield here
    here.finish()


@pytest.fixture
def server(place):
    return place.server()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    report = (yield).get_result()
    place = getattr(item, "place", None)
    if place and report.failed:
        for daemon in place.daemons:
            report.sections.append((" ".join(daemon.arguments), "\n".join(daemon.lines[-60:])))
            report.sections.append((daemon.log_path.name, daemon.log()[-20000:]))


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: takes more than ten seconds by its nature")
