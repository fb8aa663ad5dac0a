# SPDX-License-Identifier: LGPL-2.1-or-later
"""Files of a folder: pgrok serve DIR and file:///DIR."""

import concurrent.futures
import email.utils
import hashlib
import os
import pathlib
import subprocess
import time

import pytest

import local
import visit
from daemons import SANITIZED


@pytest.fixture
def folder(place):
    root = place.folder / "www"
    (root / "sub").mkdir(parents=True)
    (root / "index.html").write_text("<h1>hello</h1>")
    (root / "style.css").write_text("body {}")
    (root / "data.bin").write_bytes(bytes(range(256)) * 4)
    (root / "sub" / "a b&<c>.txt").write_text("odd name")
    (root / "sub" / "deeper").mkdir()
    (root / ".secret").write_text("no")
    (root / ".well-known").mkdir()
    (root / ".well-known" / "security.txt").write_text("yes")
    (place.folder / "outside.txt").write_text("outside")
    return root


@pytest.fixture
def tunnel(place, server, folder):
    return place.client(server, "serve", str(folder)).tunnel("http")


def fetch(tunnel, path, method="GET", **headers):
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return visit.get(tunnel, path, method=method, headers=fields)


def test_files_have_their_types_and_a_folder_its_index(tunnel):
    for path, kind, body in (("/", "text/html; charset=utf-8", b"<h1>hello</h1>"),
                             ("/index.html", "text/html; charset=utf-8", None),
                             ("/style.css", "text/css; charset=utf-8", b"body {}"),
                             ("/data.bin", "application/octet-stream", None),
                             ("/.well-known/security.txt", "text/plain; charset=utf-8", b"yes")):
        answer = fetch(tunnel, path)
        assert (answer.status, answer.headers["Content-Type"]) == (200, kind), path
        assert body in (None, answer.body) and answer.headers["X-Content-Type-Options"] == "nosniff"


def test_https_has_them_too(place, server, folder):
    tunnel = place.client(server, "https", f"file://{folder}").tunnel("https")
    assert visit.get(tunnel, "/style.css", ca=place.ca()).text == "body {}"


def test_a_folder_without_an_index_is_listed(tunnel):
    answer = fetch(tunnel, "/sub/")
    assert answer.status == 200 and "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert '<a href="a%20b%26%3Cc%3E.txt">a b&amp;&lt;c&gt;.txt</a>' in answer.text
    assert '<a href="deeper/">deeper/</a>' in answer.text and '<a href="../">' in answer.text
    assert fetch(tunnel, "/sub/a%20b%26%3Cc%3E.txt").text == "odd name"
    for path in ("/sub", "//sub"):  # never another host
        answer = fetch(tunnel, path)
        assert answer.status == 301 and answer.headers["Location"] == "./sub/"


@pytest.mark.parametrize("path", [
    "/../outside.txt", "/sub/../../outside.txt", "/%2e%2e/outside.txt", "/..%2foutside.txt",
    "/sub/%2e%2e%2f%2e%2e%2foutside.txt", "//../outside.txt", "/.secret", "/%2esecret", "/sub/../.secret",
    "/style.css%00.txt", "/style.css/", "/nothing", "/out", "/absolute", "/folder-out/outside.txt", "/fifo", "/%", "/%zz",
    "/" + "a" * 300, "/" + "a/" * 2000, "/\\..\\outside.txt"], ids=lambda p: p[:30])
def test_nothing_else_is_there(place, tunnel, folder, path):
    (folder / "out").symlink_to("../outside.txt")
    (folder / "absolute").symlink_to(place.folder / "outside.txt")
    (folder / "folder-out").symlink_to("..")
    os.mkfifo(folder / "fifo")
    answer = fetch(tunnel, path)
    assert answer.status == 404 and "outside" not in answer.text


def test_a_pipe_is_left_alone(folder, tunnel):
    """Whoever waits there for a reader goes on waiting."""
    os.mkfifo(folder / "fifo")
    with subprocess.Popen(["tee", folder / "fifo"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as writer:
        while "(tee) S" not in pathlib.Path(f"/proc/{writer.pid}/stat").read_text():
            time.sleep(0.01)
        assert fetch(tunnel, "/fifo").status == 404
        with pytest.raises(subprocess.TimeoutExpired):
            writer.wait(0.5)
        writer.kill()


def test_links_that_stay_inside_are_followed_and_others_not_listed(folder, tunnel):
    (folder / "sub" / "inside.css").symlink_to("../style.css")
    (folder / "sub" / "outside.txt").symlink_to("../../outside.txt")
    assert fetch(tunnel, "/sub/inside.css").text == "body {}"
    text = fetch(tunnel, "/sub/").text
    assert "inside.css" in text and "outside.txt" not in text


def test_of_a_huge_folder_the_beginning_is_listed(folder, tunnel):
    """All that is looked at counts, for visitors of other tunnels wait meanwhile."""
    (folder / "many").mkdir()
    for i in range(1500):
        (folder / "many" / f"{i}").touch()
    text = fetch(tunnel, "/many/").text
    assert text.count("<td><a ") == 1501 and "There are more" not in text
    for i in range(1500):
        (folder / "many" / f"out{i}").symlink_to("/")
    text = fetch(tunnel, "/many/").text
    assert text.count("<td><a ") <= 1501 and "There are more" in text


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_is_403(folder, tunnel):
    (folder / "style.css").chmod(0)
    assert fetch(tunnel, "/style.css").status == 403


def test_head_has_the_length_and_no_body(tunnel):
    answer = fetch(tunnel, "/data.bin", method="HEAD")
    assert (answer.status, answer.headers["Content-Length"], answer.body) == (200, "1024", b"")
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        answer = fetch(tunnel, "/data.bin", method=method, Content_Length="0")
        assert answer.status == 405 and answer.headers["Allow"] == "GET, HEAD"


@pytest.mark.parametrize("value, status, part", [
    ("bytes=0-9", 206, slice(0, 10)), ("bytes=1000-", 206, slice(1000, 1024)), ("bytes=-4", 206, slice(1020, 1024)),
    ("bytes=1020-9999999999999999999999", 206, slice(1020, 1024)), ("bytes=-99999", 206, slice(0, 1024)),
    ("bytes=5-4", 200, slice(0, 1024)), ("bytes=0-1,5-6", 200, slice(0, 1024)), ("lines=1-2", 200, slice(0, 1024)),
    ("bytes=1024-", 416, None), ("bytes=-0", 416, None)])
def test_ranges(tunnel, folder, value, status, part):
    answer = fetch(tunnel, "/data.bin", Range=value)
    assert answer.status == status
    if status == 416:
        assert answer.headers["Content-Range"] == "bytes */1024"
        return
    assert answer.body == (folder / "data.bin").read_bytes()[part]
    if status == 206:
        assert answer.headers["Content-Range"] == f"bytes {part.start}-{part.stop - 1}/1024"


def test_what_did_not_change_is_not_sent_again(folder, tunnel):
    first = fetch(tunnel, "/style.css")
    tag, date = first.headers["ETag"], first.headers["Last-Modified"]
    assert int(email.utils.parsedate_to_datetime(date).timestamp()) == int((folder / "style.css").stat().st_mtime)
    for headers in ({"If_None_Match": tag}, {"If_None_Match": f'"x", W/{tag}'}, {"If_None_Match": "*"},
                    {"If_Modified_Since": date}):
        answer = fetch(tunnel, "/style.css", **headers)
        assert (answer.status, answer.body, answer.headers["ETag"]) == (304, b"", tag), headers
    for headers in ({"If_None_Match": '"x"'}, {"If_None_Match": '"x"', "If_Modified_Since": date},
                    {"If_Modified_Since": "yesterday"}, {"If_Modified_Since": "Sun, 06 Nov 1994 08:49:37 GMT"}):
        assert fetch(tunnel, "/style.css", **headers).status == 200, headers
    for condition in (tag, date):
        assert fetch(tunnel, "/style.css", Range="bytes=0-0", If_Range=condition).status == 206
    assert fetch(tunnel, "/style.css", Range="bytes=0-0", If_Range='"x"').status == 200
    (folder / "style.css").write_text("body { }")
    assert fetch(tunnel, "/style.css", If_None_Match=tag).text == "body { }"


def test_large_files_are_sent_from_where_they_are(place, server, folder):
    n = 64 * 1024 * 1024
    with open(folder / "large", "wb") as f:
        for block in local.blocks("large", n):
            f.write(block)
    client = place.client(server, "serve", "www")
    tunnel = client.tunnel("http")
    before = client.memory("VmHWM")
    answer = fetch(tunnel, "/large")
    assert hashlib.sha256(answer.body).hexdigest() == local.digest("large", n)
    if not SANITIZED:  # which keep freed memory
        assert client.memory("VmHWM") - before < 32 * 1024 * 1024


def test_many_visitors_and_many_requests_on_one_connection(tunnel, folder):
    (folder / "page").write_text("x" * 100000)

    def ask(i):
        with visit.connect(tunnel.port) as sock:
            for _ in range(10):
                sock.sendall(visit.head(tunnel.host, "/page"))
                assert len(visit.read_answer(sock).body) == 100000
        return i

    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        assert sorted(pool.map(ask, range(60))) == list(range(60))


def test_several_sessions_share_the_files(place, server, folder):
    config = place.write("four.conf", "client: { connections = 4; };\n")
    tunnel = place.client(server, "serve", str(folder), "--config", config).tunnel("http")
    for _ in range(20):
        assert fetch(tunnel, "/style.css").text == "body {}"


def test_a_visitor_that_leaves_leaves_nothing_behind(place, server, folder):
    with open(folder / "large", "wb") as f:
        f.truncate(1 << 30)
    client = place.client(server, "serve", str(folder))
    tunnel = client.tunnel("http")
    assert fetch(tunnel, "/style.css").status == 200
    client.wait_event("connection")
    before = client.n_descriptors()
    for _ in range(5):
        with visit.connect(tunnel.port) as sock:
            sock.sendall(visit.head(tunnel.host, "/large"))
            assert visit.read_exactly(sock, 100000)
    client.wait_event("connection", 6)
    assert fetch(tunnel, "/style.css").status == 200
    assert client.n_descriptors() <= before + 4


def test_a_folder_that_is_gone_is_told_and_may_come_back(place, server, folder):
    tunnel = place.client(server, "serve", str(folder)).tunnel("http")
    folder.rename(place.folder / "away")
    answer = fetch(tunnel, "/style.css")
    assert answer.status == 502 and "www" in answer.text
    (place.folder / "away").rename(folder)
    assert fetch(tunnel, "/style.css").status == 200


def test_what_is_no_folder_is_refused_at_once(place, server, folder):
    for words in (["serve", "nowhere"], ["tcp", f"file://{folder}"], ["file://relative"], ["serve"]):
        client = place.client(server, *words)
        assert client.exit_code() == 2
