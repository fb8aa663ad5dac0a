# SPDX-License-Identifier: LGPL-2.1-or-later
"""How the server's own answers look: text for programs, HTML for browsers, pages of a folder."""

import os
import signal
import subprocess

import pytest

import local
import visit
from daemons import PATIENCE

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"}


def ask(server, host="nobody.localhost", headers=(), method="GET"):
    return visit.exchange(server.http, visit.head(host, "/", method, headers), method=method)


def check_html(answer, status):
    assert answer.status == status and answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert int(answer.headers["Content-Length"]) == len(answer.body) < 1500
    assert answer.text.startswith("<!DOCTYPE html>") and f"<h1>{status} " in answer.text


def check_text(answer, status):
    assert answer.status == status and answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "<" not in answer.text and answer.text.count("\n") == 1


def test_a_browser_gets_html_and_a_program_text(server):
    check_html(ask(server, headers=BROWSER), 404)
    for accept in ({}, {"Accept": "*/*"}, {"Accept": "application/json"}, {"Accept": "text/html;q=0, */*"}):
        check_text(ask(server, headers=accept), 404)


def test_curl_gets_text(server):
    text = subprocess.run(["curl", "-sS", "-H", "Host: nobody.localhost", f"http://127.0.0.1:{server.http}/"],
                          capture_output=True, timeout=PATIENCE, check=True).stdout
    assert text == b"Tunnel nobody.localhost not found\n"


def test_head_gets_no_page(server):
    answer = ask(server, headers=BROWSER, method="HEAD")
    assert answer.status == 404 and int(answer.headers["Content-Length"]) > 0 and answer.body == b""


@pytest.mark.parametrize("protocol", ["http", "https"])
def test_a_second_request_has_a_form_of_its_own(place, server, protocol):
    client = place.client(server, "--http-auth", "a:b", str(place.http().port))
    tunnel = client.tunnel(protocol)
    with visit.connect(tunnel.port, place.ca() if protocol == "https" else None, tunnel.host) as sock:
        for headers, check in ((BROWSER, check_html), ({}, check_text), (BROWSER, check_html)):
            sock.sendall(visit.head(tunnel.host, headers=headers))
            check(visit.read_answer(sock), 401)


def test_what_fails_behind_the_head_has_the_form_that_it_asked_for(place, server):
    """The leg breaks off, when the request has long gone on."""
    hand = place.hand_client(server)
    hand.tunnel("http", Subdomain="demo")
    for headers, check in ((BROWSER, check_html), ({}, check_text)):
        with visit.connect(server.http) as sock:
            sock.sendall(visit.head("demo.localhost", headers=headers))
            proxy = hand.proxy()
            proxy.expect("StartProxy")
            proxy.close()
            check(visit.read_answer(sock), 502)


def test_what_is_no_request_gets_text_whatever_came_before(server):
    with visit.connect(server.http) as sock:
        sock.sendall(visit.head("nobody.localhost", method="HEAD", headers=BROWSER) + b"garbage\r\n\r\n")
        first, second = visit.read_all(sock).split(b"\r\n\r\n", 1)
    assert first.startswith(b"HTTP/1.1 404 ") and b"text/html" in first
    assert second.startswith(b"HTTP/1.1 400 ") and b"text/plain" in second and second.endswith(b"\r\n\r\nBad request\n")


def themed(place, **files):
    folder = place.folder / "pages"
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("_", ".")[1:]).write_text(text)
    return folder


def test_pages_of_a_folder_are_used(place):
    folder = themed(place, p404_html="<i>{{status}}</i>{{phrase}}: {{host}} {{reason}}", p404_txt="No {{host}} here\n")
    server = place.server(config=f'error_pages = "{folder}"; names: {{ park = "0s"; }};')
    page = ask(server, headers=BROWSER).text
    assert page == "<i>404</i>Not Found: nobody.localhost Tunnel nobody.localhost not found"
    assert ask(server).text == "No nobody.localhost here\n"
    hand = place.hand_client(server)
    hand.tunnel("http", Subdomain="away")
    hand.close()
    server.wait_log("is gone")
    check_html(ask(server, "away.localhost", BROWSER), 503)


def test_a_reload_reads_pages_again_and_refuses_faulty_ones(place):
    folder = themed(place, p404_txt="first\n")
    server = place.server(config=f'error_pages = "{folder}";')
    themed(place, p404_txt="second\n")
    assert ask(server).text == "first\n"
    os.kill(server.pid, signal.SIGHUP)
    server.wait_log("read again")
    assert ask(server).text == "second\n"
    themed(place, p404_txt="\n{{nme}}\n")
    os.kill(server.pid, signal.SIGHUP)
    server.wait_log("configuration is refused")
    assert f"{folder}/404.txt:2: " in server.log()
    assert ask(server).text == "second\n"


def test_a_faulty_page_is_a_fault_of_the_configuration(place):
    from daemons import PGROKD

    folder = themed(place, p503_html="{{reason}} {{hots}}")
    (folder / "404.html").write_bytes(b"\xff")
    config = place.write("pgrokd.conf", f'server: {{ error_pages = "{folder}"; }};\n')
    for options in (["--check"], ["--http-listen=127.0.0.1:0"]):
        done = subprocess.run([PGROKD, "--dev", "--config", config, *options], capture_output=True, text=True,
                              env=place.env, timeout=PATIENCE, check=False)
        assert done.returncode == 2, done
        assert f"{folder}/404.html: is not a text in UTF-8" in done.stderr
        assert f"{folder}/503.html:1: " in done.stderr


def test_the_client_s_page_stays_small_and_escaped(place, server):
    service = place.http()
    tunnel = place.client(server, str(service.port)).tunnel("http")
    service.close()
    check_html(visit.get(tunnel, headers=BROWSER), 502)


def test_every_status_has_its_page(place):
    """What a visitor can bring about, each in a page of the folder."""
    statuses = (400, 401, 404, 405, 408, 431, 501, 502, 505)
    folder = themed(place, **{f"p{s}_txt": "mine {{status}}\n" for s in statuses})
    server = place.server(config=f'error_pages = "{folder}"; limits: {{ head_timeout = "300ms"; }};')
    service = place.keep(local.OriginService({"/": b"nonsense\r\n\r\n"}))
    host = place.client(server, "--subdomain=a", str(service.port)).tunnel("http").host
    place.client(server, "--subdomain=b", "--http-auth=a:b", str(service.port)).tunnel("http")
    asked = {400: b"garbage\r\n\r\n", 401: visit.head("b.localhost"), 404: visit.head("nobody.localhost"),
             405: b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", 408: b"GET /", 501: visit.head(host, headers={"Transfer-Encoding": "x"}),
             431: visit.head(host, headers={"X": "x" * 70_000}), 502: visit.head(host), 505: b"GET / HTTP/2.0\r\n\r\n"}
    for status in statuses:
        answer = visit.exchange(server.http, asked[status])
        assert (answer.status, answer.text) == (status, f"mine {status}\n")
