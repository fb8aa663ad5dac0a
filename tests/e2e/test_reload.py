# SPDX-License-Identifier: LGPL-2.1-or-later
"""A running pgrokd reads its configuration again."""

import contextlib
import hashlib
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time

import pytest

import local
import visit
from daemons import PATIENCE, Server, free_port_range
from hook import Hook
from test_control import ctl, curl, listed, rest_of, start_download

RELOADS = 100


def token_line(name, more=""):
    return f"{name} sha256:{hashlib.sha256(f'token-of-{name}'.encode()).hexdigest()} {more}\n"


class Setting:
    """A configuration file that changes, and the server that reads it."""

    def __init__(self, place):
        self.place = place
        self.tokens = place.write("tokens", token_line("alice") + token_line("bob"))
        self.certificate, self.key = self.trusted, _ = place.certificate("*.tunnel.test")
        self.values = {"domain": '"tunnel.test"', "tcp_ports": f'"{free_port_range(20)}"',
                       "tls": f'{{ certificate = "{self.certificate}"; key = "{self.key}"; }}',
                       "auth": f'{{ method = "token-file"; token_file = "{self.tokens}"; }}',
                       **{f"{kind}_listen": '[ "127.0.0.1:0" ]' for kind in ("http", "https", "tunnel")}}
        self.path = self.write()
        self.server = Server(place, ["--config", self.path])

    def write(self, **changes):
        """One key a line, in this order; the value None takes one away."""
        self.values.update(changes)
        lines = [f"{key} = {value};" for key, value in self.values.items() if value is not None]
        return self.place.write("pgrokd.conf", "server: {\n" + "\n".join(lines) + "\n};\n")

    def line_of(self, key):
        return 2 + [k for k, v in self.values.items() if v is not None].index(key)

    def reload(self, expected=0, **changes):
        self.write(**changes)
        return ctl(self.place, self.server, "reload", expected=expected)

    def client(self, *arguments, name="alice"):
        return self.place.client(self.server, "--token", f"token-of-{name}", "--ca-file", self.trusted,
                                 *arguments, dev=False)

    def hand_client(self, name="alice", **options):
        return self.place.hand_client(self.server, token=f"token-of-{name}", **options)

    def get(self, tunnel, path="/"):
        return visit.exchange(self.server.http, visit.head(tunnel.host, path))


@pytest.fixture
def setting(place):
    return Setting(place)


def new_certificate(place, name):
    """Another pair, with the names of the first."""
    cert, key = place.folder / f"{name}.pem", place.folder / f"{name}.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-days", "2", "-subj", "/CN=localhost", "-keyout", key, "-out", cert, "-addext",
                    "subjectAltName=DNS:localhost,IP:127.0.0.1,DNS:*.tunnel.test"],
                   check=True, capture_output=True, timeout=PATIENCE)
    return cert, key


def der(cert):
    return ssl.PEM_cert_to_DER_cert(cert.read_text())


def tls(port, host):
    context = ssl._create_unverified_context()  # noqa: SLF001
    return context.wrap_socket(socket.create_connection(("127.0.0.1", port), PATIENCE), server_hostname=host)


def served(port, host="a.tunnel.test"):
    with tls(port, host) as sock:
        return sock.getpeercert(binary_form=True)


def wait_until(what):
    deadline = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def is_refused(port, host="127.0.0.1"):
    try:
        socket.create_connection((host, port), PATIENCE).close()
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:
        pass  # it came while the port was being closed
    return False


def free_port():
    return int(free_port_range(1).partition("-")[0])


# ---- what stays ----

class Load:
    """Visitors in threads of their own, who go on until the end or a failure."""

    def __init__(self):
        self.over = threading.Event()
        self.faults = []
        self.counts = {}
        self.threads = []

    def add(self, name, visitor):
        """VISITOR is a generator function: each step is a visit."""
        def run():
            try:
                for _ in visitor():
                    self.counts[name] = self.counts.get(name, 0) + 1
                    if self.over.is_set():
                        return
            except Exception as fault:  # noqa: BLE001 # told by the main thread
                self.faults.append(f"{name}: {type(fault).__name__}: {fault}")

        self.threads.append(threading.Thread(target=run, daemon=True))
        self.threads[-1].start()

    def finish(self):
        self.over.set()
        for thread in self.threads:
            thread.join(PATIENCE)
        assert not self.faults, self.faults


def keep_alive(connect, host):
    def visitor():
        with connect() as sock:
            while True:
                sock.sendall(visit.head(host))
                assert visit.read_answer(sock).status == 200
                yield
    return visitor


def come_again(connect, host):
    def visitor():
        while True:
            with connect() as sock:
                sock.sendall(visit.head(host))
                assert visit.read_answer(sock).status == 200
            yield
    return visitor


def echo(port, again):
    def visitor():
        while True:
            with visit.connect(port) as sock:
                for i in range(1 if again else 1 << 30):
                    data = b"%08d" % i * 1000
                    sock.sendall(data)
                    assert visit.read_exactly(sock, len(data)) == data
                    yield
    return visitor


def start_load(place, setting):
    http_port, echo_port = place.http().port, place.keep(local.EchoService()).port
    web = setting.client("--subdomain", "web", str(http_port), name="alice")
    tcp = setting.client("tcp", str(echo_port), name="bob")
    host, port = web.tunnel("http").host, tcp.tunnel("tcp").port
    load = Load()
    load.add("http kept", keep_alive(lambda: visit.connect(setting.server.http), host))
    load.add("https kept", keep_alive(lambda: tls(setting.server.https, host), host))
    load.add("http new", come_again(lambda: visit.connect(setting.server.http), host))
    load.add("https new", come_again(lambda: tls(setting.server.https, host), host))
    load.add("tcp kept", echo(port, again=False))
    load.add("tcp new", echo(port, again=True))
    return load, web, tcp


def test_a_hundred_reloads_under_load_fail_no_request(place, setting):
    pairs = [(setting.certificate, setting.key), new_certificate(place, "other")]
    setting.trusted = place.write("both.pem", "".join(certificate.read_text() for certificate, _ in pairs))
    extra = free_port()
    load, web, tcp = start_load(place, setting)
    for i in range(RELOADS):
        certificate, key = pairs[i % 2]
        text = token_line("alice") + token_line("bob") + (token_line("eve") if i % 3 else "")
        place.write("tokens.new", text).rename(setting.tokens)  # at no time is it empty
        listen = f'[ "127.0.0.1:0", "127.0.0.1:{extra}" ]' if i % 2 else '[ "127.0.0.1:0" ]'
        setting.reload(tls=f'{{ certificate = "{certificate}"; key = "{key}"; }}', http_listen=listen,
                       limits=f"{{ tunnels_per_client = {1 + i}; head_bytes = {4096 + i}; pending = {64 + i}; }}")
        assert not load.faults, load.faults
    load.finish()
    assert len(web.events("online")) == 1 and len(tcp.events("online")) == 1
    assert set(load.counts) == {f"{p} {k}" for p in ("http", "https", "tcp") for k in ("kept", "new")}
    assert setting.server.log().count("The configuration was read again") == RELOADS


def test_a_port_of_our_choice_stays_what_it_is(setting):
    before = curl(setting.server, "/v1/status")[1]["listeners"]
    setting.reload(limits="{ clients = 7; }")
    assert curl(setting.server, "/v1/status")[1]["listeners"] == before


# ---- listeners ----

def test_a_listener_comes_and_goes(place, setting):
    extra = free_port()
    tunnel = setting.client(str(place.http().port)).tunnel("http")
    assert is_refused(extra)
    setting.reload(http_listen=f'[ "127.0.0.1:0", "127.0.0.1:{extra}" ]')
    kept = visit.connect(extra)
    with kept:
        kept.sendall(visit.head(tunnel.host))
        assert visit.read_answer(kept).status == 200
        setting.reload(http_listen='[ "127.0.0.1:0" ]')
        wait_until(lambda: is_refused(extra))
        kept.sendall(visit.head(tunnel.host))  # who is there stays
        assert visit.read_answer(kept).status == 200
    assert setting.get(tunnel).status == 200


def test_a_listener_may_change_what_it_serves(place, setting):
    port = free_port()
    setting.reload(http_listen=f'[ "127.0.0.1:0", "127.0.0.1:{port}" ]')
    tunnel = setting.client(str(place.http().port)).tunnel("http")
    assert visit.exchange(port, visit.head(tunnel.host)).status == 200
    setting.reload(http_listen='[ "127.0.0.1:0" ]', https_listen=f'[ "127.0.0.1:0", "127.0.0.1:{port}" ]')

    def has_tls():
        with contextlib.suppress(OSError):
            return served(port) == der(setting.certificate)
        return False

    wait_until(has_tls)


def test_metrics_move(place, setting):
    first, second = free_port(), free_port()
    for port, gone in ((first, None), (second, first), (None, second)):
        setting.reload(metrics_listen=f'"127.0.0.1:{port}"' if port else None)
        if port:
            assert visit.exchange(port, visit.head("localhost", "/healthz")).status == 200
        if gone:
            wait_until(lambda: is_refused(gone))  # noqa: B023


# ---- a wrong configuration ----

WRONG = {
    "a value": ({"names": '{ grace = "never"; }'}, "names", "server.names.grace"),
    "a key": ({"nonsense": "1"}, "nonsense", "nonsense"),
    "a listener": ({"http_listen": '[ "here" ]'}, "http_listen", "server.http_listen"),
}


@pytest.mark.parametrize("changes, key, reason", WRONG.values(), ids=WRONG.keys())
def test_a_wrong_configuration_is_refused_with_its_line(place, setting, changes, key, reason):
    tunnel = setting.client(str(place.http().port)).tunnel("http")
    extra = free_port()
    done = setting.reload(expected=1, https_listen=f'[ "127.0.0.1:{extra}" ]', **changes)
    where = f"{setting.path}:{setting.line_of(key)}: "
    assert where in done.stderr and reason in done.stderr
    assert where in setting.server.log() and "the running one stays" in setting.server.log()
    assert is_refused(extra) and setting.get(tunnel).status == 200
    assert served(setting.server.https) == der(setting.certificate)


def test_what_can_not_be_used_is_refused_as_a_whole(place, setting):
    tunnel = setting.client(str(place.http().port)).tunnel("http")
    extra = free_port()
    listen = f'[ "127.0.0.1:0", "127.0.0.1:{extra}" ]'
    before = dict(setting.values)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        for changes, reason in (
                ({"tunnel_listen": f'[ "127.0.0.1:0", "127.0.0.1:{taken.getsockname()[1]}" ]'}, "Can't listen on"),
                ({"metrics_listen": f'"127.0.0.1:{taken.getsockname()[1]}"'}, "Can't listen on"),
                ({"tls": '{ certificate = "/no/such.pem"; key = "/no/such.key"; }'}, "/no/such.pem"),
                ({"auth": '{ method = "token-file"; token_file = "/no/such"; }'}, "/no/such")):
            assert reason in setting.reload(expected=1, http_listen=listen, **changes).stderr
            assert is_refused(extra) and setting.get(tunnel).status == 200
            setting.values = dict(before)
    setting.tokens.write_text(token_line("alice") + "nonsense\n")
    assert f"{setting.tokens}:2: " in setting.reload(expected=1).stderr
    assert setting.get(tunnel).status == 200


def test_the_signal_reloads_too_and_tells_the_log(setting):
    setting.write(names='{ grace = "never"; }')
    setting.server.process.send_signal(signal.SIGHUP)
    setting.server.wait_log(rf"pgrokd\.conf:{setting.line_of('names')}: .*grace")
    setting.write(names=None)
    setting.server.process.send_signal(signal.SIGHUP)
    setting.server.wait_log("The configuration was read again")


def test_what_needs_a_restart_is_told(setting):
    setting.reload(workers="7")
    assert "server.workers takes effect after a restart" in setting.server.log()


# ---- certificates ----

def test_new_connections_get_the_new_certificate_and_old_ones_go_on(place, setting):
    tunnel = setting.client(str(place.http().port)).tunnel("http")
    certificate, key = new_certificate(place, "new")
    with tls(setting.server.https, tunnel.host) as old:
        old.sendall(visit.head(tunnel.host))
        assert visit.read_answer(old).status == 200
        setting.reload(tls=f'{{ certificate = "{certificate}"; key = "{key}"; }}')
        wait_until(lambda: served(setting.server.https) == der(certificate))
        wait_until(lambda: served(setting.server.tunnel) == der(certificate))
        old.sendall(visit.head(tunnel.host))
        assert visit.read_answer(old).status == 200
        assert old.getpeercert(binary_form=True) == der(setting.certificate)


def test_a_certificate_that_is_renewed_on_disk_is_served(place, setting):
    tunnel = setting.client(str(place.http().port)).tunnel("http")
    certificate, key = new_certificate(place, "new")
    expected = der(certificate)
    setting.write(names='{ grace = "never"; }')  # nobody has asked for that
    certificate.rename(setting.certificate)
    key.rename(setting.key)
    wait_until(lambda: served(setting.server.https) == expected)
    assert setting.get(tunnel).status == 200 and "grace" not in setting.server.log()


def test_a_certificate_that_is_broken_on_disk_is_not_used(place, setting):
    expected = der(setting.certificate)
    good = shutil.copy(setting.certificate, place.folder / "good.pem")
    setting.certificate.write_text("nonsense\n")
    setting.server.wait_log("The certificates that were read before stay in use")
    assert str(setting.certificate) in setting.server.log() and served(setting.server.https) == expected
    good.rename(setting.certificate)
    setting.server.wait_log("Read the certificates again")
    assert served(setting.server.https) == expected


# ---- limits and users ----

def test_limits_take_effect(place, setting):
    setting.reload(limits="{ tunnels_per_client = 1; }")
    client = setting.hand_client()
    client.tunnel("http", Subdomain="one")
    assert "may have 1 tunnel" in client.request("http", Subdomain="two")[0].Error
    setting.reload(limits="{ tunnels_per_client = 2; head_bytes = 1024; }")
    client.tunnel("http", Subdomain="two")
    wait_until(lambda: visit.exchange(setting.server.http, visit.head("no.tunnel.test", "/" + "x" * 2000)).status != 404)
    setting.reload(limits="{ tunnels_per_client = 2; }")
    wait_until(lambda: visit.exchange(setting.server.http, visit.head("no.tunnel.test", "/" + "x" * 2000)).status == 404)


def test_reserved_names_and_the_domain_change(place, setting):
    client = setting.hand_client()
    client.tunnel("http", Subdomain="one")
    setting.reload(names='{ reserved = [ "two" ]; }', domain='"other.test"')
    assert "reserved" in client.request("http", Subdomain="two")[0].Error
    assert "three.other.test" in client.tunnel("http", Subdomain="three")
    assert curl(setting.server, "/v1/status")[1]["domain"] == "other.test"


def test_another_token_file_ends_whom_it_does_not_name(place, setting):
    port = place.http().port
    stays, goes = setting.client(str(port), name="alice"), setting.client(str(port), name="bob")
    tunnel = stays.tunnel("http")
    gone = goes.tunnel("http")
    other = place.write("other-tokens", token_line("alice") + token_line("carol"))
    with start_download(tunnel_at(setting, tunnel)) as held:
        setting.reload(auth=f'{{ method = "token-file"; token_file = "{other}"; }}')
        goes.wait_event("offline")
        assert rest_of(held)
        assert setting.get(tunnel).status == 200 and setting.get(gone).status == 404
    assert len(stays.events("online")) == 1 and not stays.events("offline")
    setting.hand_client(name="carol")
    other.write_text(token_line("alice"))  # it is this one now that is looked at
    setting.server.wait_log("Read the tokens in .*other-tokens")


def tunnel_at(setting, tunnel):
    tunnel.port = setting.server.http
    return tunnel


def test_another_method_asks_everybody_anew(place, setting):
    client = setting.client("--subdomain", "demo", str(place.http().port))
    tunnel = client.tunnel("http")
    setting.reload(auth='{ method = "none"; }')
    client.wait_event("online", 2)
    client.wait_event("tunnel", 3)
    assert setting.get(tunnel).status == 200
    assert curl(setting.server, "/v1/clients")[1]["total"] == 1


def test_another_address_of_the_webhook_is_asked_from_now_on(place, setting):
    first, second = place.keep(Hook()), place.keep(Hook())
    text = '{{ method = "webhook"; webhook: {{ url = "{}"; }}; }}'
    setting.reload(auth=text.format(first.url))
    client = setting.client("--subdomain", "demo", str(place.http().port))
    tunnel = client.tunnel("http")
    first.hold()
    waits = setting.hand_client(authenticate=False)
    answers = []
    thread = threading.Thread(target=lambda: answers.append(waits.authenticate(User="token-of-bob")))
    thread.start()
    first.wait_for("login", 2)
    setting.reload(auth=text.format(second.url))
    first.go()
    thread.join(PATIENCE)
    assert not answers[0].Error  # who was asked about before has its answer
    assert setting.get(tunnel).status == 200 and len(client.events("online")) == 1
    setting.hand_client()  # what the first one has said is not believed any more
    assert len(second.events("login")) == 1 and len(first.events("login")) == 2


def test_who_has_connected_before_a_certificate_was_asked_for_is_not_let_in(place, setting):
    before = setting.hand_client(authenticate=False)
    setting.hand_client()  # so the one before has passed its handshake too
    setting.reload(tls=f'{{ certificate = "{setting.certificate}"; key = "{setting.key}"; '
                       f'client_ca = "{setting.certificate}"; }}', auth='{ method = "none"; }')
    with pytest.raises((AssertionError, OSError)):  # no answer but the end
        before.authenticate()
    listed(setting.server, "clients", lambda found: not found)


# ---- when ----

def test_reloads_at_once_all_get_an_answer(place, setting):
    tunnel = setting.client(str(place.http().port)).tunnel("http")
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(ctl(place, setting.server, "reload")))
               for _ in range(4)]
    for thread in threads:
        thread.start()
        setting.server.process.send_signal(signal.SIGHUP)
    for thread in threads:
        thread.join(PATIENCE)
    assert len(answers) == 4 and setting.get(tunnel).status == 200


def test_a_server_that_stops_reads_no_configuration(place, setting):
    tunnel = setting.client(str(place.http().port)).tunnel("http")
    with start_download(tunnel_at(setting, tunnel)):
        ctl(place, setting.server, "drain")
        assert "about to stop" in ctl(place, setting.server, "reload", expected=1).stderr
        setting.server.process.send_signal(signal.SIGHUP)
        assert setting.server.terminate() == 0


def test_a_stop_straight_after_a_reload_is_clean(setting):
    setting.write(http_listen=f'[ "127.0.0.1:0", "127.0.0.1:{free_port()}" ]')
    setting.server.process.send_signal(signal.SIGHUP)
    assert setting.server.terminate() == 0


def test_systemd_is_told(place):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.bind(str(place.folder / "notify"))
        told.settimeout(PATIENCE)
        place.env["NOTIFY_SOCKET"] = str(place.folder / "notify")
        setting = Setting(place)
        assert told.recv(4096) == b"READY=1"
        setting.reload()
        assert told.recv(4096).startswith(b"RELOADING=1\nMONOTONIC_USEC=")
        assert told.recv(4096).startswith(b"READY=1")
        setting.reload(expected=1, names='{ grace = "never"; }')
        assert told.recv(4096).startswith(b"RELOADING=1\nMONOTONIC_USEC=")
        message = told.recv(4096).decode()
        assert message.startswith("STATUS=") and f"pgrokd.conf:{setting.line_of('names')}" in message
        assert told.recv(4096) == b"READY=1"
        setting.server.terminate()
