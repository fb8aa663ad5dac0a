# SPDX-License-Identifier: LGPL-2.1-or-later
"""Certificates from a certification authority: certbot proves with --webroot that a name is the server's."""

import json
import shutil
import socket
import ssl
import subprocess
import threading

import pytest

import local
import visit
from daemons import PATIENCE
from test_http import Visit
from test_programs import Program, free_port, run, wait_until_open

PEBBLE, CERTBOT = shutil.which("pebble"), shutil.which("certbot")
DOMAIN = "tunnel.test"
CHALLENGES = "/.well-known/acme-challenge/"


@pytest.fixture
def webroot(place):
    folder = place.folder / "webroot"
    (folder / CHALLENGES[1:]).mkdir(parents=True)
    return folder


@pytest.fixture
def stage(place, webroot):
    """A server with a webroot, and a tunnel that answers challenges of its own."""
    server = place.server(config=f'tls: {{ acme_webroot = "{webroot}"; }};')
    service = place.keep(local.OriginService())
    return server, service, place.client(server, str(service.port))


def put(webroot, token, text="proof"):
    (webroot / CHALLENGES[1:] / token).write_text(text)


def test_a_challenge_is_answered_for_any_host(webroot, stage):
    server, service, client = stage
    put(webroot, "Token-1_x")
    for host in (client.tunnel("http").host, "nobody.localhost", "localhost", "elsewhere.example"):
        answer = visit.exchange(server.http, visit.head(host, CHALLENGES + "Token-1_x"))
        assert (answer.status, answer.text) == (200, "proof")
        answer = visit.exchange(server.http, visit.head(host, CHALLENGES + "Token-1_x", "HEAD"), method="HEAD")
        assert (answer.status, answer.headers["Content-Length"], answer.body) == (200, "5", b"")
    assert not service.requests


def test_a_challenge_may_come_between_requests_to_a_tunnel(place, webroot, stage):
    _server, service, client = stage
    put(webroot, "mine")
    v = Visit(place, client.tunnel("http"))
    asked = ["/1", CHALLENGES + "mine", "/2", CHALLENGES + "theirs", "/3"] * 3
    assert [v.ask(path).text for path in asked] == ["proof" if p.endswith("mine") else p for p in asked]
    assert not service.faults


@pytest.mark.parametrize("path", ["theirs", "../acme-challenge/mine", "%6dine", "mine?x", "mine/", "", "mine%00", ".mine",
                                  "link", "folder", "large"])
def test_what_is_no_challenge_of_ours_is_the_tunnel_s(webroot, stage, path):
    server, service, client = stage
    put(webroot, "mine")
    put(webroot, ".mine")
    put(webroot, "large", "x" * 2000)
    challenges = webroot / CHALLENGES[1:]
    (challenges / "link").symlink_to("mine")
    (challenges / "folder").mkdir()
    assert visit.get(client.tunnel("http"), CHALLENGES + path).text == CHALLENGES + path
    assert visit.exchange(server.http, visit.head("nobody.localhost", CHALLENGES + path)).status == 404


def test_only_who_reads_is_answered_and_only_over_http(place, webroot, stage):
    _server, service, client = stage
    put(webroot, "mine")
    assert visit.get(client.tunnel("https"), CHALLENGES + "mine", place.ca()).text == CHALLENGES + "mine"
    assert visit.get(client.tunnel("http"), CHALLENGES + "mine", method="POST").text == CHALLENGES + "mine"


# certbot and pebble


class Names:
    """A DNS server to which every name is 127.0.0.1."""

    def __init__(self):
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind(("127.0.0.1", 0))
        self.port = self.sock.getsockname()[1]
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while True:
            query, peer = self.sock.recvfrom(4096)
            if not query:
                return
            end = query.index(b"\0", 12) + 5
            is_a = query[end - 4:end] == b"\0\1\0\1"
            record = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\x7f\0\0\1" if is_a else b""
            self.sock.sendto(query[:2] + b"\x85\x80\0\1\0" + bytes([is_a]) + b"\0\0\0\0" + query[12:end] + record, peer)

    def close(self):
        self.sock.sendto(b"", self.sock.getsockname())
        self.thread.join()
        self.sock.close()


def authority(place, http_port):
    """pebble, which looks for proofs at HTTP_PORT. Returns the address of its directory."""
    certificate, key = place.certificate()
    port, names = free_port(), place.keep(Names())
    config = place.write("pebble.json", json.dumps({"pebble": {
        "listenAddress": f"127.0.0.1:{port}", "certificate": str(certificate), "privateKey": str(key),
        "httpPort": http_port, "tlsPort": 1}}))
    env = {**place.env, "PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0", "PEBBLE_AUTHZREUSE": "0"}
    pebble = place.keep(Program(PEBBLE, "-config", config, "-dnsserver", f"127.0.0.1:{names.port}", env=env))
    wait_until_open(pebble.process, ("127.0.0.1", port))
    return f"https://localhost:{port}/dir", certificate


def certbot(place, directory, trusted, webroot, *arguments):
    folder = place.folder / "certbot"
    run(CERTBOT, *arguments, "--non-interactive", "--server", directory, "--webroot", "-w", webroot,
        "--config-dir", folder, "--work-dir", folder / "work", "--logs-dir", folder / "logs",
        env={**place.env, "REQUESTS_CA_BUNDLE": str(trusted)})
    return folder


def issuer(port):
    """Who has signed the certificate that DOMAIN's visitors see."""
    context = ssl._create_unverified_context()  # noqa: SLF001
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as sock:
        with context.wrap_socket(sock, server_hostname=DOMAIN) as tls:
            pem = ssl.DER_cert_to_PEM_cert(tls.getpeercert(True))
    return subprocess.run(["openssl", "x509", "-noout", "-issuer", "-serial"], input=pem.encode(), capture_output=True,
                          check=True, timeout=PATIENCE).stdout.decode()


@pytest.mark.skipif(not PEBBLE or not CERTBOT, reason="pebble and certbot are not installed")
def test_certbot_gets_a_certificate_that_is_served_at_once_and_disturbs_nobody(place, webroot):
    served = place.folder / "served"
    served.mkdir()
    for source, target in zip(place.certificate(f"*.{DOMAIN}"), ("cert.pem", "key.pem")):
        shutil.copy(source, served / target)
    server = place.server(dev=False, config=f"""domain = "{DOMAIN}"; auth: {{ method = "none"; }};
        tls: {{ certificate = "{served}/cert.pem"; key = "{served}/key.pem"; acme_webroot = "{webroot}"; }};""")
    hand = place.hand_client(server)
    hand.tunnel("https", Subdomain="open")
    hand.serve(place.http().port)
    own = place.certificate()[0]
    with visit.connect(server.https, own, f"open.{DOMAIN}") as opened:
        def still_goes_on():
            opened.sendall(visit.head(f"open.{DOMAIN}"))
            assert visit.read_answer(opened).status == 200

        still_goes_on()
        assert "Pebble" not in issuer(server.https)
        hook = place.write("deploy", f"""#!/bin/sh -e
cp "$RENEWED_LINEAGE/privkey.pem" "{served}/key.new" && mv "{served}/key.new" "{served}/key.pem"
cp "$RENEWED_LINEAGE/fullchain.pem" "{served}/cert.new" && mv "{served}/cert.new" "{served}/cert.pem"
""", 0o700)
        directory, trusted = authority(place, server.http)
        certbot(place, directory, trusted, webroot, "certonly", "--register-unsafely-without-email", "--agree-tos",
                "-d", DOMAIN, "-d", f"www.{DOMAIN}", "--deploy-hook", hook)
        server.wait_log("Read the certificate")
        first = issuer(server.https)
        assert "Pebble" in first
        still_goes_on()
        certbot(place, directory, trusted, webroot, "renew", "--force-renewal", "--no-random-sleep-on-renew")
        server.wait_log("Read the certificate", 2)
        assert "Pebble" in issuer(server.https) != first
        still_goes_on()
    assert server.log().count("Answering an ACME challenge") >= 4, "for each name, twice"
    assert not list((webroot / CHALLENGES[1:]).iterdir() if (webroot / CHALLENGES[1:]).exists() else [])
