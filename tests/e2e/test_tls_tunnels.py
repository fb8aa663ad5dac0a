# SPDX-License-Identifier: LGPL-2.1-or-later
"""Tunnels of tls: the service's own certificate is what visitors see; the server reads their hello only."""

import hashlib
import socket
import ssl
import struct
import subprocess
import threading

import pytest

import local
import visit
from daemons import PATIENCE
from test_control import curl as control
from test_metrics import metrics
from test_sni import make, s_client
from test_tunnels import curl
from test_upgrade import upgraded

TRANSPORTS = pytest.mark.parametrize("transport", ["mux", "classic"])


class TlsService:
    """A local service with a certificate of its own: reads a line, answers with it and with what it knows of the
    connection, reads on to the end and says how much that was, and ends."""

    def __init__(self, place, *hosts, http=False):
        self.der = make(place.folder, f"service-{hosts[0].lstrip('*.')}", *hosts)
        self.cert = place.folder / f"service-{hosts[0].lstrip('*.')}.crt"
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(self.cert, self.cert.with_suffix(".key"))
        self.names = []
        self.context.sni_callback = lambda _socket, name, _context: self.names.append(name)
        self.http = http
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                sock = self.listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    def serve(self, sock):
        try:
            sock.settimeout(PATIENCE)
            with self.context.wrap_socket(sock, server_side=True) as tls:
                if self.http:
                    while tls.recv(64 * 1024):
                        tls.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
                    return
                n = 0
                while data := tls.recv(64 * 1024):
                    n += len(data)
                    tls.sendall(data)
                tls.unwrap().close()
        except (OSError, ssl.SSLError):
            sock.close()

    def close(self):
        self.listener.close()


def service(place, *hosts, **options):
    return place.keep(TlsService(place, *hosts, **options))


def connect(server, name, cert, version=None, before=None):
    """BEFORE: a connection whose ticket is to be used."""
    context = before.context if before else visit.trust(cert)
    session = before and before.session
    if version:
        context.minimum_version = context.maximum_version = version
    sock = socket.create_connection(("127.0.0.1", server.https), PATIENCE)
    return context.wrap_socket(sock, server_hostname=name, session=session)


def echoes(tls, data=b"hello"):
    tls.sendall(data)
    return visit.read_exactly(tls, len(data)) == data


def start(place, transport="auto", name="a", **options):
    server = options.get("server") or place.server()
    s = service(place, f"{name}.localhost", "b.localhost")
    client = place.client(server, "tls", "--subdomain", name, f"--transport={transport}", str(s.port))
    return server, s, client, client.tunnel("tls")


@TRANSPORTS
def test_curl_sees_the_certificate_of_the_local_service(place, transport):
    server = place.server()
    s = service(place, "a.localhost", http=True)
    client = place.client(server, "tls", "--subdomain", "a", f"--transport={transport}", str(s.port))
    assert client.tunnel("tls").url == f"tls://a.localhost:{server.https}"
    url = f"https://a.localhost:{server.https}/"
    assert curl("--cacert", s.cert, url) == "hello"
    with pytest.raises(AssertionError, match="certificate"):
        curl("--cacert", place.ca(), url)
    assert s.names[0] == "a.localhost"


@TRANSPORTS
def test_nginx_ends_tls_behind_it(place, transport):
    server = place.server()
    der = make(place.folder, "nginx", "a.localhost")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    conf = place.write("nginx.conf", f"""daemon off; pid {place.folder}/nginx.pid; error_log stderr; worker_processes 1;
        events {{}} http {{ access_log off; client_body_temp_path {place.folder}/body; proxy_temp_path {place.folder}/p;
        fastcgi_temp_path {place.folder}/f; uwsgi_temp_path {place.folder}/u; scgi_temp_path {place.folder}/s;
        server {{ listen 127.0.0.1:{port} ssl http2; ssl_certificate {place.folder}/nginx.crt;
        ssl_protocols TLSv1.2 TLSv1.3; ssl_certificate_key {place.folder}/nginx.key;
        return 200 "from nginx $server_protocol $ssl_protocol\\n"; }} }}""")
    nginx = subprocess.Popen(["nginx", "-e", "stderr", "-c", conf], cwd=place.folder, stderr=subprocess.DEVNULL)
    try:
        client = place.client(server, "tls", "--subdomain", "a", f"--transport={transport}", str(port))
        client.tunnel("tls")
        url = f"https://a.localhost:{server.https}/"
        common = ("--cacert", place.folder / "nginx.crt", "--retry", "20", "--retry-all-errors", "--retry-delay", "1")
        assert curl(*common, "--http2", url) == "from nginx HTTP/2.0 TLSv1.3\n", "ALPN is the visitor's and the service's"
        assert curl(*common, "--http1.1", "--tls-max", "1.2", url) == "from nginx HTTP/1.1 TLSv1.2\n"
        assert ssl.PEM_cert_to_DER_cert((place.folder / "nginx.crt").read_text()) == der
    finally:
        nginx.terminate()
        nginx.wait(PATIENCE)


@TRANSPORTS
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_old_and_new_hellos_and_resumption(place, transport, version):
    server, s, _client, _tunnel = start(place, transport)
    with connect(server, "a.localhost", s.cert, version) as tls:
        assert echoes(tls) and tls.getpeercert(binary_form=True) == s.der
        with connect(server, "a.localhost", s.cert, before=tls) as again:
            assert echoes(again) and again.session_reused


@TRANSPORTS
def test_the_end_of_either_side_arrives(place, transport):
    server, s, _client, _tunnel = start(place, transport)
    tls = connect(server, "a.localhost", s.cert)
    assert echoes(tls)
    tls.unwrap().close()  # the service answers close_notify with its own
    digest = place.keep(local.DigestService())  # reads to the end, then answers: not TLS, which the server can't know
    place.client(server, "tls", "--subdomain", "raw", f"--transport={transport}", str(digest.port)).tunnel("tls")
    data = hello_of("raw.localhost") + bytes(1000)
    with socket.create_connection(("127.0.0.1", server.https), PATIENCE) as sock:
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        assert visit.read_all(sock).decode() == f"{len(data)} {hashlib.sha256(data).hexdigest()}\n"


def hello_of(name):
    """What a client says first."""
    context = ssl._create_unverified_context()  # noqa: SLF001
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing, server_hostname=name).do_handshake()
    return outgoing.read()


def split_records(hello, size):
    """The same handshake message in records of SIZE bytes."""
    body = hello[5:]
    return b"".join(hello[:3] + struct.pack(">H", len(body[i:i + size])) + body[i:i + size]
                    for i in range(0, len(body), size))


@TRANSPORTS
def test_a_hello_may_come_in_pieces(place, transport):
    server = place.server()
    digest = place.keep(local.DigestService())
    place.client(server, "tls", "--subdomain", "raw", f"--transport={transport}", str(digest.port)).tunnel("tls")
    hello = hello_of("raw.localhost")
    for data, pieces in ((hello, 1), (hello, 40), (split_records(hello, 1), 1), (split_records(hello, 100), 7)):
        with visit.connect(server.https) as sock:
            step = -(-len(data) // pieces)
            for i in range(0, len(data), step):
                sock.sendall(data[i:i + step])
            sock.shutdown(socket.SHUT_WR)
            assert visit.read_all(sock).decode() == f"{len(data)} {hashlib.sha256(data).hexdigest()}\n"


def test_other_names_are_served_as_ever_beside_it(place):
    server, s, _client, _tunnel = start(place)
    web = place.client(server, "https", "--subdomain", "web", str(place.http().port)).tunnel("https")
    assert visit.get(web, "/page", ca=place.ca()).status == 200
    assert s_client(server.https, "-noservername").returncode == 0
    for name, status in (("web.localhost", 200), ("nobody.localhost", 404)):
        assert visit.exchange(server.https, visit.head(name), place.ca(), name).status == status
    with connect(server, "a.localhost", s.cert) as tls:
        assert echoes(tls)
    mux = place.client(server, "--server", f"127.0.0.1:{server.https}", "--transport=mux", "--subdomain=one-port", "9")
    assert mux.tunnel("http").host == "one-port.localhost", "clients may come to the https port still"


def test_what_is_no_hello_is_dealt_with_by_tls(place):
    server, _s, _client, _tunnel = start(place)
    for data in (b"GET / HTTP/1.1\r\nHost: a.localhost\r\n\r\n", b"\x16\x03\x01\x00\x05\x02\x00\x00\x01\x00",
                 b"\x16\x03\x01\x40\x00\x01\x00\xff\xff" + bytes(100), bytes(100), b"\xff" * 100):
        with visit.connect(server.https) as sock:
            sock.sendall(data)
            try:
                assert visit.read_all(sock)[:1] in (b"", b"\x15"), "an alert at most"
            except ConnectionResetError:
                pass
    web = place.client(server, "https", "--subdomain", "web", str(place.http().port)).tunnel("https")
    assert visit.get(web, ca=place.ca()).status == 200


def test_a_hello_that_does_not_come_is_not_waited_for_long(place):
    server = place.server(config='limits: { head_timeout = "300ms"; };')
    start(place, server=server)
    hello = hello_of("a.localhost")
    for data in (b"", hello[:1], hello[:-1]):
        with visit.connect(server.https) as sock:
            sock.sendall(data)
            with pytest.raises((ConnectionResetError, AssertionError)):
                assert visit.read_all(sock) != b"", "closed"


@TRANSPORTS
def test_who_comes_while_the_client_is_away_waits(place, transport):
    server = place.server(config='names: { park = "60s"; };')
    hand = place.hand_client(server)
    assert hand.tunnel("tls", Subdomain="a") == f"tls://a.localhost:{server.https}"
    hand.close()
    server.wait_log("is gone")
    s = service(place, "a.localhost")
    result = []
    visitor = threading.Thread(target=lambda: result.append(echoes(connect(server, "a.localhost", s.cert))))
    visitor.start()
    back = place.hand_client(server, client_id=hand.client_id)
    back.tunnel("tls", Subdomain="a")
    back.serve(s.port)
    visitor.join(PATIENCE)
    assert result == [True], transport


def test_who_waits_in_vain_is_reset(place):
    server = place.server(config='names: { park = "100ms"; };')
    hand = place.hand_client(server)
    hand.tunnel("tls", Subdomain="a")
    hand.close()
    server.wait_log("is gone")
    for again in (False, True):
        with visit.connect(server.https) as sock, pytest.raises(ConnectionResetError):
            sock.sendall(hello_of("a.localhost"))
            sock.recv(1)
        if not again:  # it is known after a restart too
            server.process.terminate()
            assert server.exit_code() == 0
            server = place.server(*server.again(), config='names: { park = "100ms"; };')


def test_who_waits_for_a_client_or_has_said_half_a_hello_is_served_by_the_new_process(place):
    server = place.server()
    hand = place.hand_client(server)
    url, hello = hand.tunnel("tls", Subdomain="a"), hello_of("a.localhost")
    with visit.connect(server.https) as waits, visit.connect(server.https) as halts:
        waits.sendall(hello)
        halts.sendall(hello[:100])
        hand.expect("ReqProxy")
        hand.expect("ReqProxy")
        upgraded(place, server)
        while hand.receive():
            pass
        halts.sendall(hello[100:])
        back = place.hand_client(server, client_id=hand.client_id)
        assert back.tunnel("tls", Subdomain="a") == url
        for _ in range(2):
            proxy = back.proxy()
            assert proxy.expect("StartProxy").Url == url
            assert proxy.wire.recv_exactly(len(hello)) == hello


def test_a_name_is_one_user_s_over_all_protocols_and_has_one_use_of_the_https_port(place):
    server = place.server()
    hand, other = place.hand_client(server), place.hand_client(server)
    hand.tunnel("tls", Subdomain="a")
    assert hand.tunnel("http", Subdomain="a") == f"http://a.localhost:{server.http}"
    assert "tls://a.localhost" in hand.request("https", Subdomain="a")[0].Error
    hand.tunnel("https", Subdomain="b")
    assert "https://b.localhost" in hand.request("tls", Subdomain="b")[0].Error
    assert "share a port" in hand.request("https+tls", Subdomain="c")[0].Error
    for protocol in ("http", "https", "tls"):
        assert "already registered" in other.request(protocol, Subdomain="a")[0].Error
    urls = [answer.Url.partition(":")[0] for answer in hand.request("http+tls", Subdomain="d")]
    assert urls == ["http", "tls"]


def test_a_local_service_that_is_down_is_a_reset(place):
    server = place.server()
    place.client(server, "tls", "--subdomain", "a", "9").tunnel("tls")
    with visit.connect(server.https) as sock, pytest.raises(ConnectionResetError):
        sock.sendall(hello_of("a.localhost"))
        sock.recv(1)


def test_it_counts_as_tls(place):
    server = place.server(config='metrics_listen = "127.0.0.1:0"; limits: { connections_per_tunnel = 1; };')
    _server, s, _client, tunnel = start(place, server=server)
    with connect(server, "a.localhost", s.cert) as tls:
        assert echoes(tls)
        values = metrics(server)
        assert values['pgrokd_tunnels{proto="tls"}'] == values['pgrokd_connections{proto="tls"}'] == 1
        assert values['pgrokd_connections_total{proto="tls"}'] == 1
        assert values['pgrokd_connections_total{proto="https"}'] == 0
        listed = control(server, "/v1/tunnels")[1]["tunnels"][0]
        assert (listed["url"], listed["proto"], listed["connections"]) == (tunnel.url, "tls", 1)
        assert control(server, "/v1/connections")[1]["connections"][0]["tunnel"] == tunnel.url
        with visit.connect(server.https) as sock, pytest.raises(ConnectionResetError):  # one too many
            sock.sendall(hello_of("a.localhost"))
            sock.recv(1)


@TRANSPORTS
def test_many_bytes_pass_unharmed(place, transport):
    server, s, _client, _tunnel = start(place, transport)
    data = bytes(range(256)) * 4096
    with connect(server, "a.localhost", s.cert) as tls:
        for _ in range(8):
            assert echoes_in_parts(tls, data)


def echoes_in_parts(tls, data, size=64 * 1024):
    return all(echoes(tls, data[i:i + size]) for i in range(0, len(data), size))


def test_the_policy_and_wildcards_are_minded(place):
    token = hashlib.sha256(b"alice").hexdigest()
    tokens = place.write("tokens", f"alice sha256:{token} protocols=tls hosts=*.x.org\n"
                                   f"bob sha256:{hashlib.sha256(b'bob').hexdigest()} protocols=http,https,tcp\n")
    cert, key = place.certificate("*.tunnel.test")
    server = place.server(dev=False, config=f"""domain = "tunnel.test";
        tls: {{ certificate = "{cert}"; key = "{key}"; }}; auth: {{ method = "token-file"; token_file = "{tokens}"; }};""")
    bob = place.hand_client(server, token="bob")
    assert "protocol tls is not yours" in bob.request("tls")[0].Error
    s = service(place, "*.x.org")
    path = place.write("wild.conf", f'tunnels: {{ wild: {{ proto = "tls"; local = "{s.port}"; hostname = "*.x.org"; }}; }};\n')
    client = place.client(server, "--config", path, "--token", "alice", "--ca-file", cert, "start", "wild", dev=False)
    assert client.tunnel("tls").url == f"tls://*.x.org:{server.https}"
    with connect(server, "any.x.org", s.cert) as tls:
        assert echoes(tls)
    assert visit.exchange(server.https, visit.head("a.tunnel.test"), cert, "a.tunnel.test").status == 404


@TRANSPORTS
def test_who_may_not_come_is_reset_and_the_service_may_be_told_who_comes(place, transport):
    server = place.server()
    digest = place.keep(local.DigestService())
    for name, *options in (("denied", "--deny=127.0.0.0/8"), ("told", "--proxy-protocol=v1")):
        place.client(server, "tls", "--subdomain", name, f"--transport={transport}", *options,
                     str(digest.port)).tunnel("tls")
    with visit.connect(server.https) as sock, pytest.raises(ConnectionResetError):
        sock.sendall(hello_of("denied.localhost"))
        sock.recv(1)
    with visit.connect(server.https) as sock:
        hello, port = hello_of("told.localhost"), sock.getsockname()[1]
        sock.sendall(hello)
        sock.shutdown(socket.SHUT_WR)
        data = f"PROXY TCP4 127.0.0.1 127.0.0.1 {port} {server.https}\r\n".encode() + hello
        assert visit.read_all(sock).decode() == f"{len(data)} {hashlib.sha256(data).hexdigest()}\n"


def test_a_server_that_does_not_know_it_is_told_by_the_client(place):
    hand = place.hand_server()
    client = place.client(hand, "--ca-file", hand.ca, "--transport=classic", "tls", "--subdomain=a", "9", dev=False)
    control_connection = hand.session(proxies=0)
    control_connection.expect("ReqTunnel")
    control_connection.send("NewTunnel", ReqId="", Url="", Protocol="", Error="Protocol tls is not supported")
    assert "Protocol tls is not supported" in client.wait_event("error")["reason"]
    assert client.exit_code() == 3


def test_a_go_client_that_shows_one_end_only_gets_the_answer(place):
    """It closes both directions at the first end: as with tcp, a visitor's end is withheld until there was silence."""
    server = place.server()
    hand = place.hand_client(server)
    hand.tunnel("tls", Subdomain="a")
    s = service(place, "a.localhost")
    hand.serve(s.port)
    with connect(server, "a.localhost", s.cert) as tls:
        assert echoes(tls)
