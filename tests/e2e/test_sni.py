# SPDX-License-Identifier: LGPL-2.1-or-later
"""Certificates of a folder, chosen by the name that a visitor asks for, and how TLS is spoken at all."""

import socket
import ssl
import subprocess

import pytest

import visit
from daemons import PATIENCE, PGROKD
from test_control import ctl

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


def make(folder, name, *hosts):
    """A self-signed certificate in NAME.crt, with its key in NAME.key; its DER."""
    cert, key = folder / f"{name}.crt", folder / f"{name}.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-days", "2", "-subj", f"/CN={name}", "-keyout", f"{key}.new", "-out", f"{cert}.new", "-addext",
                    "subjectAltName=" + ",".join(f"DNS:{h}" for h in hosts)],
                   check=True, capture_output=True, timeout=PATIENCE)
    for path in (key, cert):
        path.with_name(path.name + ".new").rename(path)
    return ssl.PEM_cert_to_DER_cert(cert.read_text())


class Setting:
    def __init__(self, place, started=True):
        self.place = place
        self.folder = place.folder / "tls.d"
        self.folder.mkdir()
        self.cert, self.key = place.certificate("*.tunnel.test")
        self.default = ssl.PEM_cert_to_DER_cert(self.cert.read_text())
        self.config = f"""domain = "tunnel.test"; auth: {{ method = "none"; }};
            tls: {{ certificate = "{self.cert}"; key = "{self.key}"; directory = "{self.folder}"; }};"""
        self.x = make(self.folder, "x", "a.x.org", "*.b.x.org")
        self.y = make(self.folder, "y", "*.y.org")
        self.server = place.server(dev=False, config=self.config) if started else None

    def shown(self, name, port=None):
        context = ssl._create_unverified_context()  # noqa: SLF001
        with socket.create_connection(("127.0.0.1", port or self.server.https), PATIENCE) as sock:
            with context.wrap_socket(sock, server_hostname=name) as tls:
                return tls.getpeercert(binary_form=True)

    def resume(self, name, version, session=None):
        """Whether the server took SESSION's ticket, and the one that it gave."""
        context = session[0] if session else ssl._create_unverified_context()  # noqa: SLF001
        context.minimum_version = context.maximum_version = version
        with socket.create_connection(("127.0.0.1", self.server.https), PATIENCE) as sock:
            with context.wrap_socket(sock, server_hostname=name, session=session and session[1]) as tls:
                tls.sendall(visit.head(name))
                visit.read_answer(tls)
                return tls.session_reused, (context, tls.session)


@pytest.fixture
def setting(place):
    return Setting(place)


def test_each_name_has_its_certificate_and_others_the_default_one(setting):
    for name, expected in (("a.x.org", setting.x), ("A.X.org", setting.x), ("any.b.x.org", setting.x),
                           ("any.y.org", setting.y), ("b.x.org", setting.default), ("a.b.y.org", setting.default),
                           ("y.org", setting.default), ("a.tunnel.test", setting.default), (None, setting.default)):
        assert setting.shown(name) == expected, name
    assert setting.shown("a.x.org", setting.server.tunnel) == setting.x


def test_in_dev_too(place):
    folder = place.folder / "tls.d"
    folder.mkdir()
    der = make(folder, "x", "a.x.org")
    server = place.server(config=f'tls: {{ directory = "{folder}"; }};')
    context = ssl._create_unverified_context()  # noqa: SLF001
    with socket.create_connection(("127.0.0.1", server.https), PATIENCE) as sock:
        with context.wrap_socket(sock, server_hostname="a.x.org") as tls:
            assert tls.getpeercert(binary_form=True) == der
    visit.connect(server.https, place.ca(), "a.localhost").close()


def test_what_changes_in_the_folder_is_served_and_disturbs_nobody(setting):
    hand = setting.place.hand_client(setting.server)
    hand.tunnel("https", Subdomain="a")
    hand.serve(setting.place.http().port)
    with visit.connect(setting.server.https, setting.cert, "a.tunnel.test") as sock:
        sock.sendall(visit.head("a.tunnel.test"))
        assert visit.read_answer(sock).status == 200
        x = make(setting.folder, "x", "a.x.org")
        z = make(setting.folder, "z", "z.org")
        setting.server.wait_log("Read the certificates again")
        assert setting.shown("a.x.org") == x and x != setting.x
        assert setting.shown("z.org") == z
        assert setting.shown("any.b.x.org") == setting.default
        sock.sendall(visit.head("a.tunnel.test"))
        assert visit.read_answer(sock).status == 200


def test_a_bad_file_is_named_and_the_others_stay_in_use(setting):
    (setting.folder / "bad.crt").write_text("no certificate")
    setting.server.wait_log(r"/tls\.d/bad\.crt: ")
    setting.server.wait_log("The certificates that were read before stay in use")
    make(setting.folder, "new", "new.org")
    setting.server.wait_log("The certificates that were read before stay in use", 2)
    assert setting.shown("a.x.org") == setting.x and setting.shown("new.org") == setting.default
    assert "/tls.d/bad.crt: " in ctl(setting.place, setting.server, "reload", expected=1).stderr
    (setting.folder / "bad.crt").unlink()
    ctl(setting.place, setting.server, "reload")
    assert setting.shown("new.org") != setting.default


def test_a_reload_reads_the_folder(setting):
    z = make(setting.folder, "z", "z.org")
    ctl(setting.place, setting.server, "reload")
    assert setting.shown("z.org") == z


def test_with_a_bad_file_nothing_starts(place):
    setting = Setting(place, started=False)
    (setting.folder / "y.key").unlink()
    path = place.write("pgrokd.conf", f"server: {{ {setting.config} }};\n")
    nowhere = [f"--{name}-listen=127.0.0.1:0" for name in ("http", "https", "tunnel")]
    done = subprocess.run([PGROKD, "--check", "--config", path, *nowhere], env=place.env, capture_output=True,
                          text=True, timeout=PATIENCE)
    assert done.returncode == 2 and "/tls.d/y.crt" in done.stdout + done.stderr


@pytest.mark.parametrize("version", VERSIONS)
def test_a_ticket_is_good_for_its_certificate_only(setting, version):
    for name, others in (("a.x.org", ("any.y.org", "a.tunnel.test")), ("a.tunnel.test", ("a.x.org", "any.y.org"))):
        session = setting.resume(name, version)[1]
        reused, session = setting.resume(name, version, session)
        assert reused, "tickets work"
        for other in others:
            assert not setting.resume(other, version, session)[0]


def s_client(port, *arguments):
    return subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", *arguments], input=b"",
                          capture_output=True, timeout=PATIENCE)


def test_a_second_hello_gets_the_same_certificate(setting):
    """The first one offers a key share that the server can't use (HelloRetryRequest)."""
    done = s_client(setting.server.https, "-servername", "a.x.org", "-groups", "X448:P-256")
    assert b"subject=CN = x\n" in done.stdout and b"Server Temp Key: ECDH, prime256v1" in done.stdout, done


@pytest.mark.parametrize("port", ["https", "tunnel"])
def test_tls_is_1_2_or_newer(setting, port):
    port = getattr(setting.server, port)
    for option, name in (("-tls1_2", b"TLSv1.2"), ("-tls1_3", b"TLSv1.3")):
        done = s_client(port, option)
        assert done.returncode == 0 and b"New, " + name in done.stdout, done
    for option in ("-tls1", "-tls1_1"):
        done = s_client(port, option, "-cipher", "ALL:@SECLEVEL=0")
        assert done.returncode != 0 and b"alert protocol version" in done.stderr, done


@pytest.mark.parametrize("cipher", ["AES128-SHA", "AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES256-SHA384"])
def test_old_ciphers_are_refused(setting, cipher):
    done = s_client(setting.server.https, "-tls1_2", "-cipher", f"{cipher}:@SECLEVEL=0")
    assert done.returncode != 0 and b"handshake failure" in done.stderr, done
