# SPDX-License-Identifier: LGPL-2.1-or-later
"""Local services that are no TCP port: unix sockets, and those that speak TLS themselves."""

import asyncio
import os
import socket
import ssl
import subprocess

import pytest

import local
import visit


def listen_on(service, make_server):
    """Has SERVICE, which runs, listen elsewhere too."""
    asyncio.run_coroutine_threadsafe(make_server(), service.loop).result()
    return service


def unix_service(place, service):
    path = place.folder / "service.sock"
    listen_on(service, lambda: asyncio.start_unix_server(service._serve, path))  # noqa: SLF001
    return path


class TlsService(local.HttpService):
    """The same behind TLS. What was asked for by SNI and ALPN is in `asked`."""

    def __init__(self, certificate, key):
        super().__init__()
        self.asked = []
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        context.set_alpn_protocols(["h2", "http/1.1"])
        context.sni_callback = lambda _sock, name, _context: self.asked.append(name)

        async def start():
            server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=context)
            self.tls_port = server.sockets[0].getsockname()[1]

        listen_on(self, start)

    async def answer(self, reader, writer, method, path, fields):
        self.asked.append(writer.get_extra_info("ssl_object").selected_alpn_protocol())
        await super().answer(reader, writer, method, path, fields)


@pytest.fixture
def tls_service(place):
    return place.keep(TlsService(*place.certificate()))


def test_http_of_a_unix_socket(place, server):
    path = unix_service(place, place.http())
    client = place.client(server, "http", f"unix:{path}")
    tunnel = client.tunnel("http")
    assert tunnel.local == f"unix:{path}" and visit.get(tunnel).status == 200
    os.unlink(path)
    answer = visit.get(tunnel)
    assert answer.status == 502 and "No such file" in answer.text and "service.sock" in answer.text


def test_tcp_of_a_unix_socket(place, server):
    path = unix_service(place, place.keep(local.DigestService()))
    tunnel = place.client(server, "tcp", f"unix:{path}").tunnel("tcp")
    with visit.connect(tunnel.port) as sock:
        sock.sendall(local.content("up", 300000))
        sock.shutdown(socket.SHUT_WR)
        assert visit.read_all(sock).decode() == f"300000 {local.digest('up', 300000)}\n"


def test_an_https_service_whose_ca_is_known(place, server, tls_service):
    certificate, _ = place.certificate()
    tunnel = place.client(server, "--local-ca-file", str(certificate), f"https://localhost:{tls_service.tls_port}").tunnel("http")
    for _ in range(3):
        assert visit.get(tunnel).status == 200
    body = local.content("big", 1000000)
    assert visit.post(tunnel, "/sha256", [body], len(body)).text == local.digest("big", 1000000)
    assert tls_service.asked[:2] == ["localhost", "http/1.1"]


def test_an_https_service_that_nobody_vouches_for_is_a_502_that_says_what_to_do(place, server, tls_service):
    tunnel = place.client(server, "http", f"https://localhost:{tls_service.tls_port}").tunnel("http")
    answer = visit.get(tunnel)
    assert answer.status == 502 and "local_ca_file" in answer.text and "insecure_local" in answer.text


def test_its_name_counts(place, server):
    folder = place.folder / "other"
    folder.mkdir()
    certificate, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days",
                    "2", "-subj", "/CN=other.test", "-keyout", key, "-out", certificate], check=True, capture_output=True)
    service = place.keep(TlsService(certificate, key))
    tunnel = place.client(server, "--local-ca-file", str(certificate), f"https://localhost:{service.tls_port}").tunnel("http")
    answer = visit.get(tunnel)
    assert answer.status == 502 and "name" in answer.text and "localhost" in answer.text


def test_insecure_local_believes_anybody(place, server, tls_service):
    tunnel = place.client(server, "--insecure-local", f"https://127.0.0.1:{tls_service.tls_port}").tunnel("http")
    assert visit.get(tunnel).status == 200


def test_what_speaks_no_tls_is_told_so(place, server):
    tunnel = place.client(server, "--insecure-local", f"https://127.0.0.1:{place.http().port}").tunnel("http")
    answer = visit.get(tunnel)
    assert answer.status == 502 and "TLS" in answer.text


@pytest.mark.parametrize("words", [["tcp", "https://localhost:1"], ["unix:relative"], ["unix:/" + "a" * 200], ["https://"],
                                   ["--insecure-local", "3000"], ["--local-ca-file", "x", "3000"],
                                   ["--local-ca-file", "/no/such", "https://localhost"]], ids=str)
def test_what_makes_no_sense_is_refused(place, server, words):
    client = place.client(server, *words)
    assert client.exit_code() in (1, 2) and not client.events("online")
