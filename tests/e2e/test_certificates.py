# SPDX-License-Identifier: LGPL-2.1-or-later
"""Clients that show certificates, and servers that ask for them."""

import hashlib
import signal
import socket
import ssl
import subprocess

import pytest

import visit
from classic import Peer
from daemons import PATIENCE, PGROKD
from test_control import ctl
from wire import Wire

TOKEN = "token-of-alice"


class Authority:
    """Signs certificates for clients."""

    def __init__(self, folder, name="authority"):
        self.folder, self.name = folder, name
        self.ca, self.key = folder / f"{name}.pem", folder / f"{name}.key"
        self.run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                 "-subj", f"/CN={name}", "-keyout", self.key, "-out", self.ca)

    @staticmethod
    def run(*arguments):
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, timeout=PATIENCE)

    def sign(self, name, usage="clientAuth", subject=None):
        cert, key, request, extensions = (self.folder / f"{self.name}-{name}.{e}" for e in ("pem", "key", "csr", "ext"))
        extensions.write_text(f"extendedKeyUsage={usage}\nsubjectAltName=DNS:{name}\n")
        self.run("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                 "-subj", f"/CN={name}" if subject is None else subject, "-keyout", key, "-out", request)
        self.run("x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", self.key, "-CAcreateserial", "-days", "2",
                 "-extfile", extensions, "-out", cert)
        return cert, key


@pytest.fixture
def authority(place):
    return Authority(place.folder)


def start(place, authority, method="none", arguments=(), config=""):
    certificate, key = place.certificate("*.tunnel.test")
    tokens = place.write("tokens", f"alice sha256:{hashlib.sha256(TOKEN.encode()).hexdigest()}\n")
    return place.server(*arguments, dev=False, config=f"""domain = "tunnel.test";
        tls: {{ certificate = "{certificate}"; key = "{key}"; client_ca = "{authority.ca}"; }};
        auth: {{ method = "{method}"; token_file = "{tokens}"; }}; {config}""")


def wire(place, port, pair=None, alpn=()):
    context = ssl._create_unverified_context()  # noqa: SLF001
    if pair:
        context.load_cert_chain(*pair)
    if alpn:
        context.set_alpn_protocols(list(alpn))
    sock = socket.create_connection(("127.0.0.1", port), PATIENCE)
    return place.keep(Wire(sock, context))


def login(place, server, pair, token=""):
    peer = Peer(wire(place, server.tunnel, pair))
    peer.send("Auth", Version="2", User=token)
    return peer, peer.expect("AuthResp")


def is_refused(place, server, pair=None):
    """In the handshake, which a client of TLS 1.3 learns a moment later."""
    try:
        login(place, server, pair)
    except (ssl.SSLError, ConnectionError, AssertionError):
        return True
    return False


def test_without_a_certificate_nobody_gets_in(place, authority):
    server = start(place, authority)
    assert is_refused(place, server)
    assert is_refused(place, server, Authority(place.folder, "stranger").sign("alice"))
    assert is_refused(place, server, authority.sign("server", "serverAuth"))
    assert is_refused(place, server, place.certificate())


def test_the_certificate_names_the_user(place, authority):
    server = start(place, authority)
    alice, answer = login(place, server, authority.sign("alice"))
    assert not answer.Error
    alice.send("ReqTunnel", Protocol="http", Subdomain="a")
    assert not alice.expect("NewTunnel").Error
    bob, answer = login(place, server, authority.sign("bob", subject="/"))  # named by its alternative name
    assert not answer.Error
    bob.send("ReqTunnel", Protocol="http", Subdomain="a")
    assert bob.expect("NewTunnel").Error
    assert " of alice " in server.log() and " of bob " in server.log()


@pytest.mark.parametrize("transport", ["mux", "classic"])
def test_our_client_says_what_is_wrong_with_its_certificate(place, authority, transport):
    server = start(place, authority, "token-file")
    common = ("--ca-file", place.folder / "cert.pem", f"--transport={transport}", "--proto=http", "--token", TOKEN, "9")
    stranger = Authority(place.folder, "stranger").sign("alice")
    for pair, kind, reason in ((None, "offline", "asks for a certificate by its own authority"),
                               (stranger, "offline", "asks for a certificate by its own authority"),
                               (authority.sign("bob"), "error", "another user than the certificate")):
        shown = ["--certificate", pair[0], "--key", pair[1]] if pair else []
        client = place.client(server, *shown, *common, dev=False)
        assert reason in client.wait_event(kind)["reason"]
        client.expected_exit = None
        client.terminate()


def test_a_name_that_no_user_can_have_is_refused(place, authority):
    server = start(place, authority)
    assert "certificate" in login(place, server, authority.sign("x", subject="/CN=Alice and Bob"))[1].Error


def test_certificate_and_token_must_be_of_one_user(place, authority):
    server = start(place, authority, "token-file")
    assert not login(place, server, authority.sign("alice"), TOKEN)[1].Error
    assert "certificate" in login(place, server, authority.sign("bob"), TOKEN)[1].Error
    assert "token" in login(place, server, authority.sign("carol"))[1].Error


@pytest.mark.parametrize("transport", ["mux", "classic"])
@pytest.mark.parametrize("spelling", [("--certificate", "--key"), ("-tlsClientCrt", "-tlsClientKey")])
def test_our_client_shows_its_certificate(place, authority, transport, spelling):
    server, service = start(place, authority), place.http()
    cert, key = authority.sign("alice")
    client = place.client(server, f"--transport={transport}", "--ca-file", place.folder / "cert.pem",
                          f"{spelling[0]}={cert}", f"{spelling[1]}={key}", "--proto=http", str(service.port), dev=False)
    tunnel = client.tunnels(1)[0]
    for _ in range(3):  # classic: a connection for each, none of them resumed
        assert visit.exchange(server.http, visit.head(tunnel.host)).status == 200


def test_a_client_without_its_key_is_told_so(place):
    cert, _key = place.certificate()
    path = place.write("client.conf", f'client: {{ server = "127.0.0.1:1"; certificate = "{cert}"; }};\n')
    client = place.client(type("Nowhere", (), {"address": "127.0.0.1:1"}), "--config", path, "9", dev=False)
    assert client.exit_code() == 2
    assert "client.key" in client.log()


VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


def resume(port, version, session=None, pair=None):
    """A connection with the ticket of SESSION: whether the server took it, and the ticket that it gave."""
    context = session[0] if session else ssl._create_unverified_context()  # noqa: SLF001
    if not session:
        context.minimum_version = context.maximum_version = version
        if pair:
            context.load_cert_chain(*pair)
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as sock:
        with context.wrap_socket(sock, session=session and session[1]) as tls:
            tls.sendall(b"GET / HTTP/1.1\r\nHost: a.tunnel.test\r\n\r\n")  # to others than https it is nonsense
            try:
                tls.recv(1)  # in TLS 1.3 a ticket comes before the answer
            except (ssl.SSLError, ConnectionError):
                pass
            return tls.session_reused, (context, tls.session)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_ticket_from_https_does_not_get_in_where_certificates_are_asked_for(place, authority, version):
    server = start(place, authority)
    session = resume(server.https, version)[1]
    reused, session = resume(server.https, version, session)
    assert reused, "tickets work where nothing is asked for"
    try:
        assert not resume(server.tunnel, version, session)[0]
    except (ssl.SSLError, ConnectionError):
        assert version == ssl.TLSVersion.TLSv1_2, "refused in the handshake"


@pytest.mark.parametrize("version", VERSIONS)
def test_no_ticket_is_given_where_certificates_are_asked_for(place, authority, version):
    server = start(place, authority)
    session = resume(server.tunnel, version, pair=authority.sign("alice"))[1]
    assert not session[1] or not session[1].has_ticket
    if session[1]:
        assert not resume(server.tunnel, version, session)[0]


@pytest.mark.parametrize("version", VERSIONS)
def test_listeners_do_not_share_their_tickets(place, version):
    server = place.server()
    session = resume(server.https, version)[1]
    assert resume(server.https, version, session)[0]
    assert not resume(server.tunnel, version, session)[0]


def test_one_port_steps_back_where_certificates_are_asked_for(place, authority):
    server = start(place, authority)
    assert wire(place, server.https, alpn=["http/1.1"]).tls.selected_alpn_protocol() == "http/1.1"
    assert wire(place, server.https, alpn=["pgrok-mux/1"]).tls.selected_alpn_protocol() is None
    assert "one_port has no effect" in server.log()


def test_with_certificates_no_token_is_needed_beyond_loopback(place, authority):
    server = start(place, authority, arguments=["--tunnel-listen=0.0.0.0:0"])
    assert not login(place, server, authority.sign("alice"))[1].Error


# ---- visitors ----

def curl(place, tunnel, pair=None, *options):
    """Status and body."""
    shown = ["--cert", pair[0], "--key", pair[1]] if pair else []
    done = subprocess.run(["curl", "-sS", "--cacert", place.ca(), "--resolve", f"{tunnel.host}:{tunnel.port}:127.0.0.1",
                           "-w", "\n%{http_code}", *shown, *options, tunnel.url], capture_output=True, text=True,
                          timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    body, _, status = done.stdout.rpartition("\n")
    return int(status), body


@pytest.fixture
def visited(place, authority):
    server = place.server(config=f'tls: {{ visitor_ca = "{authority.ca}"; }};')
    service = place.http()
    return server, place.client(server, str(service.port))


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_https_visitors_must_show_a_certificate(place, authority, visited, version):
    server, client = visited
    tunnel = client.tunnel("https")
    options = (f"--tlsv{version}", "--tls-max", version)
    assert curl(place, tunnel, authority.sign("visitor"), *options)[0] == 200
    status, body = curl(place, tunnel, None, *options)
    assert status == 403 and "certificate" in body
    server.wait_log("Denied visitor 127.0.0.1 to https://.*visitor_ca")


def test_a_certificate_of_another_authority_or_purpose_won_t_do(place, authority, visited):
    tunnel = visited[1].tunnel("https")
    other = Authority(place.folder, "other").sign("visitor")
    for pair in (other, authority.sign("server", "serverAuth"), place.certificate()):
        assert curl(place, tunnel, pair)[0] == 403


def test_http_visitors_and_clients_on_the_https_port_are_not_concerned(place, authority, visited):
    server, client = visited
    assert visit.get(client.tunnel("http")).status == 200
    second = place.client(server, "--server", f"127.0.0.1:{server.https}", "--transport=mux", str(place.http().port))
    assert visit.get(second.tunnel("http")).status == 200


def test_who_has_shown_none_is_asked_again_on_a_new_connection(place, visited):
    tunnel = visited[1].tunnel("https")
    with visit.connect(tunnel.port, place.ca(), tunnel.host) as sock:
        sock.sendall(visit.head(tunnel.host))
        answer = visit.read_answer(sock)
        assert answer.status == 403 and answer.will_close


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_no_ticket_is_given_to_visitors_who_are_asked(place, visited, version):
    tunnel = visited[1].tunnel("https")
    context = visit.trust(place.ca())
    context.minimum_version = context.maximum_version = version
    with context.wrap_socket(socket.create_connection(("127.0.0.1", tunnel.port), PATIENCE), server_hostname=tunnel.host) as sock:
        sock.sendall(visit.head(tunnel.host))
        assert visit.read_answer(sock).status == 403
        assert not (sock.session and sock.session.has_ticket)


def test_connections_from_before_a_reload_must_show_one_too(place, authority):
    server = place.server(config=" ")
    client = place.client(server, str(place.http().port))
    tunnel = client.tunnel("https")
    with visit.connect(tunnel.port, place.ca(), tunnel.host) as sock:
        sock.sendall(visit.head(tunnel.host))
        assert visit.read_answer(sock).status == 200
        place.write("pgrokd.conf", f'server: {{ tls: {{ visitor_ca = "{authority.ca}"; }}; }};')
        server.process.send_signal(signal.SIGHUP)
        server.wait_log("[Cc]onfiguration")
        sock.sendall(visit.head(tunnel.host))
        assert visit.read_answer(sock).status == 403


def test_a_certificate_is_good_for_as_long_as_its_authority_is(place, authority):
    others = Authority(place.folder, "others")
    server = place.server(config=f'tls: {{ visitor_ca = "{authority.ca}"; }};')
    tunnel = place.client(server, str(place.http().port)).tunnel("https")
    context = visit.trust(place.ca())
    context.load_cert_chain(*authority.sign("visitor"))
    with context.wrap_socket(socket.create_connection(("127.0.0.1", tunnel.port), PATIENCE), server_hostname=tunnel.host) as sock:
        for ca, status in ((None, 200), (authority.ca, 200), (others.ca, 403)):
            if ca:
                place.write("pgrokd.conf", f'server: {{ tls: {{ visitor_ca = "{ca}"; }}; access_log = "off"; }};')
                ctl(place, server, "reload")
            sock.sendall(visit.head(tunnel.host))
            assert visit.read_answer(sock).status == status, ca


def test_a_visitor_ca_that_can_t_be_read_is_told(place):
    config = place.write("bad.conf", 'server: { domain = "localhost"; tls: { visitor_ca = "/nonexistent"; }; };')
    done = subprocess.run([PGROKD, "--dev", "--config", config, "--http-listen=127.0.0.1:0", "--https-listen=127.0.0.1:0",
                           "--tunnel-listen=127.0.0.1:0"], env=place.env, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode != 0 and "/nonexistent" in done.stderr


def certificate_for(place, days):
    """A server whose certificate ends in DAYS."""
    cert, key, request = (place.folder / f"ending.{suffix}" for suffix in ("pem", "key", "csr"))
    for words in (["req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=localhost",
                   "-keyout", key, "-out", request],
                  ["x509", "-req", "-in", request, "-signkey", key, "-days", str(days), "-out", cert]):
        subprocess.run(["openssl", *words], check=True, capture_output=True, timeout=PATIENCE)
    return cert, key


@pytest.mark.parametrize("days, words", [(-1, "has expired on"), (5, "expires on"), (60, None)])
def test_the_end_of_a_certificate_is_told_in_time(place, days, words):
    cert, key = certificate_for(place, days)
    server = place.server(f"--tls-certificate={cert}", f"--tls-key={key}")
    told = f"The certificate in {cert} "
    assert (told in server.log()) == bool(words) and (words or "") in server.log()


def test_the_end_of_a_new_certificate_is_told_when_it_is_there(place):
    cert, key = certificate_for(place, 60)
    server = place.server(f"--tls-certificate={cert}", f"--tls-key={key}")
    certificate_for(place, 5)
    server.wait_log("Read the certificate")
    server.wait_log(f"The certificate in {cert} expires on")
