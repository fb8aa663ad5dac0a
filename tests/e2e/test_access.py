# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the owner of a tunnel has done with its visitors: who may come, with which password, and what is written into the
heads of requests and answers."""

import base64
import os
import re
import shutil
import socket
import subprocess
import time
import warnings
from pathlib import Path

import pytest

import local
import visit
from daemons import PATIENCE, free_port_range

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import crypt

TRANSPORTS = pytest.mark.parametrize("transport", ["mux", "classic"])
PROXY = 'trusted_proxies = [ "127.0.0.1" ];'  # visitors are who X-Forwarded-For says


def basic(user):
    return {"Authorization": "Basic " + base64.b64encode(user.encode()).decode()}


def from_address(address):
    return {"X-Forwarded-For": address}


def hashed(method, password, **options):
    return crypt.crypt(password, crypt.mksalt(method, **options))


@pytest.fixture
def start(place):
    """start(SERVER, OPTIONS of the tunnel in the configuration) → service, client"""
    def begin(server, options, transport="mux", service=None, proto="http"):
        service = service or place.keep(local.OriginService())
        config = place.write("tunnels.conf", f'tunnels: {{ web: {{ proto = "{proto}"; local = "{service.port}"; '
                             f'{options} }}; }};\n')
        return service, place.client(server, "--config", config, f"--transport={transport}", "start", "web")
    return begin


# ---- addresses ----

@TRANSPORTS
def test_addresses_are_judged_request_by_request(place, start, transport):
    server = place.server(config=PROXY)
    service, client = start(server, 'allow = [ "192.0.2.0/24", "2001:db8::/32" ]; deny = "192.0.2.7";', transport)
    tunnel = client.tunnel()
    with visit.connect(tunnel.port) as sock:
        for address, status in (("192.0.2.1", 200), ("192.0.2.7", 403), ("2001:db8::1", 200), ("203.0.113.9", 403),
                                ("::ffff:192.0.2.1", 200), ("203.0.113.9, 192.0.2.9", 200), ("192.0.2.9, 203.0.113.9", 403)):
            sock.sendall(visit.head(tunnel.host, headers=from_address(address)))
            answer = visit.read_answer(sock)
            assert answer.status == status, address
            assert b"192.0.2" not in answer.body
    assert len(service.requests) == 4
    server.wait_log(r"Denied visitor 192\.0\.2\.7 to http://web.*allow and deny")


def test_whoever_is_denied_again_and_again_does_not_fill_the_log(place, start):
    server = place.server(config="workers = 1;")
    _, client = start(server, 'deny = "127.0.0.1";')
    tunnel = client.tunnel()
    started = time.monotonic()
    with visit.connect(tunnel.port) as sock:
        for _ in range(300):
            sock.sendall(visit.head(tunnel.host))
            assert visit.read_answer(sock).status == 403
    seconds = int(time.monotonic() - started) + 2
    assert 0 < server.log().count("Denied visitor") <= min(20 * seconds, 300)


def test_a_visitor_does_not_choose_its_address(place, server, start):
    _, client = start(server, 'allow = "192.0.2.0/24";')
    assert visit.get(client.tunnel(), headers=from_address("192.0.2.1")).status == 403


@TRANSPORTS
@pytest.mark.parametrize("rule,passes", [('allow = "127.0.0.0/8";', True), ('deny = "127.0.0.1";', False)])
def test_tcp_connections_are_judged_once(place, server, start, transport, rule, passes):
    service, client = start(server, rule, transport, place.keep(local.EchoService()), "tcp")
    port = client.tunnel("tcp").port
    try:
        with visit.connect(port) as sock:
            sock.sendall(b"hello")
            answer = sock.recv(5)
    except ConnectionError:
        answer = b""
    assert (answer == b"hello") == passes
    assert service.n_connections == passes
    if not passes:
        server.wait_log(r"Denied visitor 127\.0\.0\.1 to tcp://")


def test_options_of_the_command_line_are_repeated(place):
    server = place.server(config=PROXY)
    service = place.keep(local.OriginService())
    client = place.client(server, "--allow=192.0.2.1", "--allow=192.0.2.2", "--deny=192.0.2.2", "--http-auth=a:one",
                          "--http-auth=b:two", "--host-header=rewrite", str(service.port))
    tunnel = client.tunnel("http")
    for address, user, status in (("192.0.2.1", "a:one", 200), ("192.0.2.1", "b:two", 200), ("192.0.2.1", "a:two", 401),
                                  ("192.0.2.2", "a:one", 403), ("192.0.2.3", "a:one", 403)):
        assert visit.get(tunnel, headers={**from_address(address), **basic(user)}).status == status, (address, user)
    assert service.requests[0]["headers"]["host"] == f"localhost:{service.port}"


# ---- heads ----

@TRANSPORTS
@pytest.mark.parametrize("protocol", ["http", "https"])
def test_heads_are_edited(place, server, start, transport, protocol):
    answers = {"/": b"HTTP/1.1 200 OK\r\nServer: old\r\nX-Powered-By: a\r\nX-Powered-By: b\r\nContent-Length: 2\r\n\r\nok"}
    service, client = start(server, 'request_headers = [ "X-Team: blue", "-Cookie", "Accept: text/html" ]; '
                            'response_headers = [ "-X-Powered-By", "Server: new", "X-Frame-Options: DENY" ]; '
                            'host_header = "inner.example:81"; forwarded = true;', transport,
                            place.keep(local.OriginService(answers)), protocol)
    tunnel = client.tunnel(protocol)
    answer = visit.get(tunnel, ca=place.ca() if protocol == "https" else None,
                       headers=[("Cookie", "a=b"), ("x-team", "red"), ("X_Team", "red"), ("Accept", "*/*"), ("X-Mine", "1"),
                                ("Connection", "X-Team, X-Forwarded-For, Host")])
    fields = service.requests[0]["fields"]
    names = [n for n, _ in fields]
    assert [v for n, v in fields if n.replace("_", "-") == "x-team"] == ["blue"]
    assert [v for n, v in fields if n == "accept"] == ["text/html"]
    assert [v for n, v in fields if n == "host"] == ["inner.example:81"]
    assert "cookie" not in names and "x-mine" in names
    forwarded = dict(fields)["forwarded"]
    assert forwarded == f'for=127.0.0.1;host="{tunnel.host}:{tunnel.port}";proto={protocol}'
    assert dict(fields)["x-forwarded-host"] == f"{tunnel.host}:{tunnel.port}"
    assert dict(fields)["x-forwarded-for"] == "127.0.0.1"
    assert answer.status == 200 and answer.body == b"ok"
    assert answer.headers.get_all("Server") == ["new"] and answer.headers["X-Frame-Options"] == "DENY"
    assert "X-Powered-By" not in answer.headers


def test_each_request_of_a_connection_is_edited(place, server, start):
    service, client = start(server, 'request_headers = [ "X-Team: blue" ]; response_headers = [ "X-Seen: yes" ];')
    tunnel = client.tunnel()
    with visit.connect(tunnel.port) as sock:
        for i in range(5):
            sock.sendall(visit.head(tunnel.host, f"/{i}"))
            assert visit.read_answer(sock).headers["X-Seen"] == "yes"
    assert [r["headers"]["x-team"] for r in service.requests] == ["blue"] * 5
    assert service.n_connections == 1


def test_a_tunnel_without_options_is_as_it_was(place, server):
    service = place.keep(local.OriginService())
    tunnel = place.client(server, str(service.port)).tunnel("http")
    visit.get(tunnel, headers={"Cookie": "a=b", "Forwarded": "for=1.2.3.4"})
    headers = service.requests[0]["headers"]
    assert headers["host"] == f"{tunnel.host}:{tunnel.port}" and headers["cookie"] == "a=b"
    assert "forwarded" not in headers


def test_an_edit_that_breaks_framing_is_refused_at_once(place, server):
    hand = place.hand_client(server)
    for options in ({"RequestHeaders": {"Set": {"Transfer-Encoding": "chunked"}}},
                    {"ResponseHeaders": {"Set": {"X-A": "b\r\nX-C: d"}}}, {"HostHeader": "a\r\nX: y"}, {"Allow": ["nobody"]},
                    {"HttpAuth": ["u:$2y$31$" + "a" * 53]}, {"Allow": ["10.0.0.0/8"] * 257}, {"Forwarded": "yes"}):
        answer = hand.request("http", Options=options)[0]
        assert answer.Error.startswith("Options: "), answer


def test_what_is_applied_is_echoed_and_nothing_else(place, server):
    hand = place.hand_client(server)
    options = {"Allow": ["192.0.2.0/24"], "Forwarded": True}
    for answer in hand.request("http+https", Options={**options, "FromTheFuture": {"a": [1]}}):
        assert answer.Options == options
    assert "Options" not in hand.request("http", HttpAuth="u:p")[0].fields


# ---- passwords ----

@TRANSPORTS
@pytest.mark.parametrize("protocol", ["http", "https"])
def test_several_users_have_passwords_or_hashes(place, server, start, transport, protocol):
    users = [f"alice:{hashed(crypt.METHOD_BLOWFISH, 'one', rounds=16)}", f"bob:{hashed(crypt.METHOD_SHA512, 'two')}",
             f"carol:{hashed(crypt.METHOD_SHA256, 'three')}", f"dave:{crypt.crypt('four', '$y$j75$salt')}", "erin:five",
             "frank:$ix"]
    listed = ", ".join(f'"{u}"' for u in users)
    service, client = start(server, f"http_auth = [ {listed} ];", transport, proto=protocol)
    tunnel = client.tunnel(protocol)
    ca = place.ca() if protocol == "https" else None
    for user in ("alice:one", "bob:two", "carol:three", "dave:four", "erin:five", "frank:$ix"):
        assert visit.get(tunnel, ca=ca, headers=basic(user)).status == 200, user
    assert visit.get(tunnel, ca=ca).status == 401
    for user in ("alice:two", "bob:one", "erin:", "nobody:one", f"alice:{users[0][6:]}", "alice", "alice:one\0"):
        assert visit.get(tunnel, ca=ca, headers=basic(user)).status == 401, user
    assert len(service.requests) == 6
    for secret in users:
        assert secret not in server.log() + client.log()


def test_a_password_is_computed_once_for_many_requests(place, server, start):
    _, client = start(server, f'http_auth = "u:{hashed(crypt.METHOD_BLOWFISH, "p", rounds=4096)}";')
    tunnel = client.tunnel()
    started = time.monotonic()
    assert visit.get(tunnel, headers=basic("u:p")).status == 200
    first = time.monotonic() - started
    with visit.connect(tunnel.port) as sock:
        started = time.monotonic()
        for _ in range(50):
            sock.sendall(visit.head(tunnel.host, headers=basic("u:p")))
            assert visit.read_answer(sock).status == 200
        assert time.monotonic() - started < 10 * first


def test_others_are_served_while_passwords_are_computed(place, server, start):
    _, client = start(server, f'http_auth = "u:{hashed(crypt.METHOD_BLOWFISH, "p", rounds=4096)}";')
    tunnel = client.tunnel()
    free = place.client(server, str(place.keep(local.OriginService()).port)).tunnel("http")
    waiting = []
    for i in range(8):
        sock = place.keep(visit.connect(tunnel.port))
        sock.sendall(visit.head(tunnel.host, headers=basic(f"u:wrong{i}")))
        waiting.append(sock)
    slowest = 0
    for _ in range(30):
        started = time.monotonic()
        assert visit.get(free).status == 200
        slowest = max(slowest, time.monotonic() - started)
    assert slowest < 1
    assert [visit.read_answer(sock).status for sock in waiting] == [401] * 8


def test_those_who_are_let_in_come_before_those_who_guess(place, server, start):
    _, client = start(server, f'http_auth = "u:{hashed(crypt.METHOD_BLOWFISH, "p", rounds=16)}";')
    assert visit.get(client.tunnel(), headers=basic("u:wrong")).status == 401
    nice = [int(f.read_text().rpartition(")")[2].split()[16]) for f in Path(f"/proc/{server.pid}/task").glob("*/stat")]
    assert nice.count(10) == 1 and nice.count(0) == len(nice) - 1


def test_who_guesses_is_not_listened_to_for_a_while(place):
    server = place.server(config=PROXY)
    service = place.keep(local.OriginService())
    tunnel = place.client(server, "--http-auth=u:right", str(service.port)).tunnel("http")

    def ask(user, address):
        return visit.get(tunnel, headers={**basic(user), **from_address(address)})

    for i in range(10):
        assert ask(f"u:{i}", "192.0.2.1").status == 401
    for user in ("u:right", "u:more"):
        answer = ask(user, "192.0.2.1")
        assert answer.status == 503 and int(answer.headers["Retry-After"]) > 0
    assert ask("u:3", "192.0.2.1").status == 401  # known already, and nothing is learned
    assert ask("u:right", "192.0.2.2").status == 200
    assert visit.get(tunnel, headers=from_address("192.0.2.1")).status == 401
    server.wait_log(r"Denied visitor 192\.0\.2\.1 .*too many passwords were wrong")


def test_who_was_let_in_stays_so_while_others_guess_from_there(place, server, start):
    _, client = start(server, f'http_auth = "u:{hashed(crypt.METHOD_BLOWFISH, "right", rounds=16)}";')
    tunnel = client.tunnel()
    assert visit.get(tunnel, headers=basic("u:right")).status == 200
    for i in range(10):
        assert visit.get(tunnel, headers=basic(f"u:{i}")).status == 401
    assert visit.get(tunnel, headers=basic("u:other")).status == 503
    assert visit.get(tunnel, headers=basic("u:right")).status == 200


def test_a_wrong_password_that_is_repeated_counts_once(place, server):
    tunnel = place.client(server, "--http-auth=u:right", str(place.keep(local.OriginService()).port)).tunnel("http")
    for _ in range(30):
        assert visit.get(tunnel, headers=basic("u:old")).status == 401
    assert visit.get(tunnel, headers=basic("u:right")).status == 200


def test_a_visitor_who_leaves_while_its_password_is_computed_is_forgotten(place, server, start):
    _, client = start(server, f'http_auth = "u:{hashed(crypt.METHOD_BLOWFISH, "p", rounds=4096)}";')
    tunnel = client.tunnel()
    for i in range(6):
        with visit.connect(tunnel.port) as sock:
            sock.sendall(visit.head(tunnel.host, headers=basic(f"u:{i}")))
    assert visit.get(tunnel, headers=basic("u:p")).status == 200


def test_a_server_stops_while_passwords_are_computed(place, server, start):
    _, client = start(server, f'http_auth = "u:{hashed(crypt.METHOD_BLOWFISH, "p", rounds=4096)}";')
    tunnel = client.tunnel()
    for i in range(6):
        place.keep(visit.connect(tunnel.port)).sendall(visit.head(tunnel.host, headers=basic(f"u:{i}")))
    visit.get(tunnel)
    assert server.terminate() == 0


def test_a_password_that_changes_holds_from_the_reload_on(place, server, start):
    _, client = start(server, f'http_auth = "u:{hashed(crypt.METHOD_BLOWFISH, "one", rounds=16)}";')
    tunnel = client.tunnel()
    assert visit.get(tunnel, headers=basic("u:one")).status == 200
    config = place.folder / "tunnels.conf"
    config.write_text(re.sub(r'u:[^"]*', "u:" + hashed(crypt.METHOD_SHA512, "two"), config.read_text()))
    subprocess.run([client.arguments[0], "reload", "--socket", str(client.control_socket)], check=True, env=client.env)
    client.wait_event("tunnel", 2)
    assert visit.get(tunnel, headers=basic("u:two")).status == 200
    assert visit.get(tunnel, headers=basic("u:one")).status == 401


def test_an_option_is_added_to_a_running_client(place):
    server = place.server(config=PROXY)
    service = place.keep(local.OriginService())
    client = place.client(server, "--subdomain=first", str(service.port))
    client.wait_event("tunnel", 2)
    subprocess.run([client.arguments[0], "add", "--socket", str(client.control_socket), "--subdomain=second",
                    "--allow=192.0.2.1", "--allow=192.0.2.2", f"127.0.0.1:{service.port}"], check=True, env=client.env)
    client.wait_event("tunnel", 4)
    tunnel = next(t for t in client.tunnels(4) if t.host.startswith("second") and t.protocol == "http")
    assert [visit.get(tunnel, headers=from_address(f"192.0.2.{i}")).status for i in (1, 2, 3)] == [200, 200, 403]


# ---- servers of ngrok 1.x ----

def old_server(place, *options, proto="http"):
    server = place.hand_server()
    service = place.keep(local.OriginService() if proto == "http" else local.EchoService())
    client = place.client(server, "--ca-file", server.ca, "--transport=classic", "--proto", proto, *options, str(service.port),
                          dev=False)
    control = server.session()
    return server, control, client, service


def test_an_old_server_gets_one_user_as_ever(place):
    server, control, client, _ = old_server(place, "--http-auth=u:p")
    request = control.expect("ReqTunnel")
    assert request.HttpAuth == "u:p" and "Options" not in request.fields


@pytest.mark.parametrize("options,what", [
    (["--http-auth=u:p", "--http-auth=v:q"], "http_auth"),
    (["--http-auth=u:" + hashed(crypt.METHOD_SHA256, "p")], "http_auth"),
    (["--host-header=rewrite", "--allow=192.0.2.1"], "host_header"),
])
def test_a_tunnel_that_an_old_server_would_leave_open_is_refused(place, options, what):
    server, control, client, service = old_server(place, *options)
    url = server.grant(control)[0]
    assert f"({what})" in client.wait_event("error")["reason"]
    assert client.exit_code() == 3
    assert not service.requests and url


@pytest.mark.parametrize("address,passes", [("192.0.2.7:4711", True), ("192.0.2.8:4711", False), ("nonsense", False)])
def test_what_an_old_server_leaves_out_the_client_does(place, address, passes):
    server, control, client, service = old_server(place, "--allow=192.0.2.0/24", "--deny=192.0.2.8")
    url = server.grant(control)[0]
    client.wait_event("tunnel")
    proxy = server.visit(url, address)
    proxy.send_bytes(visit.head("demo.localhost"))
    assert (b" 200 " if passes else b" 403 ") in proxy.wire.recv_exactly(20)
    assert len(service.requests) == passes


def test_an_old_server_s_tcp_visitors_are_denied_too(place):
    server, control, client, service = old_server(place, "--deny=192.0.2.7", proto="tcp")
    url = server.grant(control)[0]
    client.wait_event("tunnel")
    proxy = server.visit(url)
    assert proxy.wire.recv(5) == b""
    assert service.n_connections == 0
    client.wait_log("Denied visitor 192.0.2.7:4711")


# ---- PROXY headers to the local service ----

class Recorder(local.Service):
    """Keeps what each connection begins with, and answers it."""

    def __init__(self):
        self.heads = []
        super().__init__()

    async def serve(self, reader, writer):
        data = b""
        while not data.endswith(b"\r\n\r\n"):
            data += await reader.readexactly(1)
        if b"HTTP/1.1" not in data:  # a v2 header begins like that
            rest = b""
            while not rest.endswith(b"\r\n\r\n"):
                rest += await reader.readexactly(1)
            data += rest
        self.heads.append(data)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        await writer.drain()
        await reader.read()


@TRANSPORTS
@pytest.mark.parametrize("protocol", ["http", "https", "tcp"])
def test_the_service_hears_of_the_visitor_by_a_proxy_header(place, server, start, transport, protocol):
    service, client = start(server, 'proxy_protocol = "v1";', transport, place.keep(Recorder()), protocol)
    tunnel = client.tunnel(protocol)
    with visit.connect(tunnel.port, place.ca() if protocol == "https" else None, tunnel.host) as sock:
        port = sock.getsockname()[1]
        sock.sendall(visit.head(tunnel.host))
        assert visit.read_answer(sock).status == 200
    line = f"PROXY TCP4 127.0.0.1 127.0.0.1 {port} {tunnel.port}\r\nGET / HTTP/1.1\r\n".encode()
    assert service.heads[0].startswith(line), service.heads


def test_a_proxy_header_of_version_2_is_binary(place, server, start):
    service, client = start(server, 'proxy_protocol = "v2";', service=place.keep(Recorder()))
    tunnel = client.tunnel()
    assert visit.get(tunnel).status == 200
    head = service.heads[0]
    assert head.startswith(b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x7f\0\0\x01\x7f\0\0\x01")
    assert int.from_bytes(head[26:28], "big") == tunnel.port and head[28:].startswith(b"GET / ")


def test_an_old_server_does_not_say_where_the_visitor_has_connected(place):
    server = place.hand_server()
    service = place.keep(Recorder())
    client = place.client(server, "--ca-file", server.ca, "--transport=classic", "--proto=http", "--proxy-protocol=v1",
                          str(service.port), dev=False)
    control = server.session(proxies=3)
    url = server.grant(control, port=8080)[0]
    client.wait_event("tunnel")
    for address, line in (("192.0.2.7:4711", b"PROXY TCP4 192.0.2.7 0.0.0.0 4711 8080\r\n"),
                          ("[2001:db8::7]:4711", b"PROXY TCP6 2001:db8::7 :: 4711 8080\r\n"), ("", b"PROXY UNKNOWN\r\n")):
        proxy = server.visit(url, address)
        proxy.send_bytes(visit.head("demo.localhost"))
        proxy.wire.recv_exactly(20)
        assert service.heads[-1].startswith(line + b"GET / "), service.heads


def test_behind_a_proxy_the_header_says_what_that_has_said(place, start):
    server = place.server(config='proxy_protocol = [ "http" ];')
    service, client = start(server, 'proxy_protocol = "v1";', service=place.keep(Recorder()))
    tunnel = client.tunnel()
    with visit.connect(tunnel.port) as sock:
        sock.sendall(b"PROXY TCP6 2001:db8::7 2001:db8::1 4711 80\r\n" + visit.head(tunnel.host))
        assert visit.read_answer(sock).status == 200
    assert service.heads[0].startswith(b"PROXY TCP6 2001:db8::7 2001:db8::1 4711 80\r\nGET / ")


# ---- programs that read PROXY headers ----

def own_program(place, arguments, port):
    """A program that serves PORT until the end of the test."""
    log = open(place.folder / "program.log", "wb")
    process = subprocess.Popen([str(a) for a in arguments], stdout=log, stderr=log)

    def close():
        process.terminate()
        process.wait(PATIENCE)
        log.close()

    place.closers.append(close)
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            assert process.poll() is None and time.monotonic() < deadline, (place.folder / "program.log").read_text()
            time.sleep(0.02)


def start_nginx(place, binary, port):
    config = place.write("nginx.conf", f"""
daemon off; master_process off; pid {place.folder}/nginx.pid; error_log stderr;
events {{ }}
http {{
  access_log off; client_body_temp_path {place.folder}; proxy_temp_path {place.folder}; fastcgi_temp_path {place.folder};
  uwsgi_temp_path {place.folder}; scgi_temp_path {place.folder};
  server {{ listen 127.0.0.1:{port} proxy_protocol;
           location / {{ return 200 "$proxy_protocol_addr $proxy_protocol_port $proxy_protocol_server_port"; }} }}
}}
""")
    own_program(place, [binary, "-p", place.folder, "-c", config], port)


def start_haproxy(place, binary, port):
    config = place.write("haproxy.cfg", f"""
defaults
  mode http
  timeout client 5s
  timeout server 5s
  timeout connect 5s
frontend f
  bind 127.0.0.1:{port} accept-proxy
  http-request return status 200 content-type text/plain lf-string "%[src] %[src_port] %[dst_port]"
""")
    own_program(place, [binary, "-db", "-f", config], port)


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("program", [start_nginx, start_haproxy], ids=["nginx", "haproxy"])
def test_programs_read_the_header(place, server, program, version):
    binary = shutil.which(program.__name__.removeprefix("start_"), path=os.environ["PATH"] + ":/usr/sbin")
    if not binary:
        pytest.skip("it is not installed")
    port = int(free_port_range(1).partition("-")[0])
    program(place, binary, port)
    tunnel = place.client(server, f"--proxy-protocol={version}", str(port)).tunnel("http")
    with visit.connect(tunnel.port) as sock:
        for _ in range(2):
            sock.sendall(visit.head(tunnel.host))
            assert visit.read_answer(sock).text.strip() == f"127.0.0.1 {sock.getsockname()[1]} {tunnel.port}"
