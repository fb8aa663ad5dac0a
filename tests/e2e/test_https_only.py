# SPDX-License-Identifier: LGPL-2.1-or-later
"""Tunnels whose visitors are to come over https: redirect_https and hsts."""

import base64
import subprocess

import pytest

import local
import visit
from daemons import PATIENCE
from test_http import Visit

OPTIONS = 'redirect_https = true; hsts = "1y";'
HSTS = "Strict-Transport-Security"


@pytest.fixture
def tunnels(place):
    """Starts a server with CONFIG and a client with a tunnel of OPTIONS."""
    def start(options=OPTIONS, config="", answers=None):
        service = place.keep(local.OriginService(answers))
        path = place.write("tunnels.conf", f'tunnels: {{ demo: {{ local = "{service.port}"; {options} }}; }};\n')
        server = place.server(config=config)
        client = place.client(server, "--config", path, "start", "demo")
        return service, client.tunnel("http"), client.tunnel("https")
    return start


def test_who_comes_over_http_is_sent_to_the_same_place(place, tunnels):
    service, http, https = tunnels()
    v = Visit(place, http)
    for path, location in (("/", "/"), ("/a%20b?c=d&e", "/a%20b?c=d&e"), ("//evil.example/x", "//evil.example/x")):
        answer = v.ask(path)
        assert answer.status == 308 and answer.headers["Location"] == f"https://{http.host}:{https.port}{location}"
        assert answer.headers[HSTS] is None and answer.headers["Cache-Control"] == "no-store"
    v.sock.sendall(f"GET http://{http.host}/x?y HTTP/1.1\r\nHost: {http.host}\r\n\r\n".encode())
    assert v.read().headers["Location"] == f"https://{http.host}:{https.port}/x?y"
    assert v.ask("/h", method="HEAD").status == 308
    assert visit.get(http, "/p", method="POST", headers={"Content-Length": 5}).status == 308
    assert not service.requests


def test_curl_follows_with_its_body(place, tunnels):
    service, http, https = tunnels()
    done = subprocess.run(["curl", "-sS", "-L", "--cacert", place.ca(), "--resolve", f"{http.host}:{http.port}:127.0.0.1", "--resolve",
                           f"{http.host}:{https.port}:127.0.0.1", "-d", "hello", f"http://{http.host}:{http.port}/form"],
                          capture_output=True, timeout=PATIENCE, check=True)
    assert done.stdout == b"/form"
    assert [(r["method"], r["body"], r["headers"]["x-forwarded-proto"]) for r in service.requests] == [("POST", b"hello", "https")]


def test_answers_over_https_say_hsts_once(place, tunnels):
    answers = {"/theirs": b"HTTP/1.1 200 OK\r\nStrict-Transport-Security: max-age=1\r\nContent-Length: 2\r\n\r\nok"}
    _service, _http, https = tunnels(OPTIONS, answers=answers)
    v = Visit(place, https, https=True)
    for path in ("/", "/theirs", "/other"):
        assert v.ask(path).headers.get_all(HSTS) == ["max-age=31536000"]
    assert v.ask(host="nobody.localhost").headers[HSTS] is None


def test_hsts_is_not_said_over_http(place, tunnels):
    _service, http, https = tunnels('hsts = "90s";')
    assert visit.get(http).headers[HSTS] is None
    assert visit.get(https, ca=place.ca()).headers[HSTS] == "max-age=90"


def test_our_own_answers_of_the_tunnel_say_hsts_and_nobody_sends_a_password_over_http(place, tunnels):
    service, http, https = tunnels(OPTIONS + 'http_auth = "a:b";', answers={"/broken": b"nonsense\r\n\r\n"})
    right = {"Authorization": "Basic " + base64.b64encode(b"a:b").decode()}
    assert visit.get(http).status == 308  # it isn't even asked for one
    refused = visit.get(https, ca=place.ca())
    assert refused.status == 401 and refused.headers[HSTS] == "max-age=31536000"
    broken = visit.get(https, "/broken", place.ca(), headers=right)
    assert broken.status == 502 and broken.headers[HSTS] == "max-age=31536000"


def test_hsts_replaces_what_response_headers_say(place, tunnels):
    options = OPTIONS + f'response_headers = [ "{HSTS}: max-age=7", "X-A: b" ];'
    _service, _http, https = tunnels(options)
    answer = visit.get(https, ca=place.ca())
    assert answer.headers.get_all(HSTS) == ["max-age=31536000"] and answer.headers["X-A"] == "b"


def test_what_a_trusted_proxy_says_counts_request_by_request(place, tunnels):
    """One that ends TLS in front of the server, at its own port 443."""
    service, http, _https = tunnels(config='trusted_proxies = [ "127.0.0.1" ];')
    v = Visit(place, http)
    for _ in range(2):
        passed = v.ask("/1", headers={"X-Forwarded-Proto": "https"})
        assert passed.status == 200 and passed.headers[HSTS] == "max-age=31536000"
        sent = v.ask("/2", headers={"X-Forwarded-Proto": "http"})
        assert sent.status == 308 and sent.headers["Location"] == f"https://{http.host}/2"
    assert [r["path"] for r in service.requests] == ["/1", "/1"]


def test_who_is_no_trusted_proxy_is_not_believed(tunnels):
    service, http, _https = tunnels()
    assert visit.get(http, headers={"X-Forwarded-Proto": "https"}).status == 308
    assert not service.requests


def test_challenges_are_answered_over_http(place, tunnels):
    folder = place.folder / "webroot/.well-known/acme-challenge"
    folder.mkdir(parents=True)
    (folder / "token").write_text("proof")
    _service, http, _https = tunnels(config=f'tls: {{ acme_webroot = "{place.folder}/webroot"; }};')
    assert visit.get(http, "/.well-known/acme-challenge/token").text == "proof"
    assert visit.get(http, "/.well-known/acme-challenge/other").status == 308


def test_a_browser_gets_a_page_with_the_redirect(tunnels):
    _service, http, _https = tunnels()
    answer = visit.get(http, headers={"Accept": "text/html"})
    assert answer.status == 308 and "<h1>308 Permanent Redirect</h1>" in answer.text
