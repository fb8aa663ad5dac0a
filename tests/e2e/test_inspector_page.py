# SPDX-License-Identifier: LGPL-2.1-or-later
"""The inspector's page in Chromium, as a person uses it."""

import gzip
import json
import os
import struct
import time
import zlib

import pytest

import local
import visit
from daemons import PATIENCE
from inspector import start

webdriver = pytest.importorskip("selenium.webdriver")
By = pytest.importorskip("selenium.webdriver.common.by").By
Keys = pytest.importorskip("selenium.webdriver.common.keys").Keys
Service = pytest.importorskip("selenium.webdriver.chrome.service").Service

SCREENSHOTS = os.environ.get("PGROK_TEST_SCREENSHOTS")  # a folder for them
PEOPLE = {"people": [{"name": "Ada", "born": 1815}, {"name": "Grace", "born": 1906}], "big": 12345678901234567890}


def png(size=32):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + bytes(3 * size) for _ in range(size))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", size, size, 8, 2, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def answer(body, kind, *fields):
    return b"\r\n".join([b"HTTP/1.1 200 OK", b"Content-Type: " + kind, *fields, b"Content-Length: %d" % len(body), b"",
                         body])


ANSWERS = {
    "/people": answer(gzip.compress(json.dumps(PEOPLE).encode()), b"application/json", b"Content-Encoding: gzip"),
    "/broken": answer(b'{"a": 1,\n "b": [1, 2, }', b"application/json"),
    "/logo": answer(png(), b"image/png"),
    "/bytes": answer(bytes(range(256)), b"application/octet-stream"),
    "/html": answer(b"<script>document.title = 'hacked'</script><img src=x onerror=\"document.title='hacked'\">", b"text/html"),
    "/<img src=x onerror=document.title='hacked'>": answer(b"x", b"text/plain"),
    "/gone": b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
}


class Page:
    def __init__(self, place, url, width=1300, height=850, dark=False):
        options = webdriver.ChromeOptions()
        options.binary_location = "/usr/bin/chromium"
        for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                         f"--window-size={width},{height}", f"--user-data-dir={place.folder}/chromium-{dark}-{width}",
                         "--host-resolver-rules=MAP rebound.test 127.0.0.1", "--log-level=3",
                         f"--blink-settings=preferredColorScheme={0 if dark else 1}"):
            options.add_argument(argument)
        self.browser = webdriver.Chrome(service=Service("/usr/bin/chromedriver"), options=options)
        self.name = f"{'dark' if dark else 'light'}-{'wide' if width > 800 else 'narrow'}"
        self.url = url
        self.browser.get(url)

    def close(self):
        self.browser.quit()

    def all(self, selector):
        return self.browser.find_elements(By.CSS_SELECTOR, selector)

    def wait(self, what, *arguments):
        """What `what()` returns once that is true."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                if found := what(*arguments):
                    return found
            except Exception as fault:  # an element that was replaced meanwhile
                if "StaleElement" not in type(fault).__name__:
                    raise
            assert time.monotonic() < deadline, (what, self.text())
            time.sleep(0.05)

    def wait_rows(self, n):
        return self.wait(lambda: len(found := [r for r in self.all(".row") if r.is_displayed()]) == n and found)

    def text(self, selector="body"):
        return self.script("return document.querySelector(arguments[0])?.innerText || ''", selector)

    def wait_text(self, text, selector="#detail"):
        self.wait(lambda: text in self.text(selector))

    def script(self, code, *arguments):
        return self.browser.execute_script(code, *arguments)

    def press(self, *keys):
        for key in keys:
            self.browser.switch_to.active_element.send_keys(key)

    def choose(self, path):
        next(r for r in self.all(".row") if path in r.text).click()
        self.wait_text(path, "#detail h2")

    def shot(self, name):
        if SCREENSHOTS:
            self.browser.save_screenshot(f"{SCREENSHOTS}/{self.name}-{name}.png")

    def complaints(self):
        return [e for e in self.browser.get_log("browser") if e["level"] == "SEVERE"]


@pytest.fixture
def site(place):
    service = place.keep(local.OriginService(ANSWERS))
    client, tunnel, inspector = start(place, service)
    return client, tunnel, inspector, service


def test_requests_appear_live_and_bodies_unfold(place, site):
    client, tunnel, inspector, _ = site
    page = place.keep(Page(place, inspector.url))
    page.wait_text("No requests yet")
    page.wait(lambda: page.script("return document.getElementById('state').className") == "state online")
    for path in ("/people", "/broken", "/logo", "/bytes", "/gone"):
        visit.get(tunnel, path)
    page.wait_rows(5)
    assert page.all(".row")[0].text.startswith("404") and "/gone" in page.all(".row")[0].text
    page.choose("/people")
    page.wait_text("12345678901234567890", ".json")  # not rounded
    assert "Ada" not in page.text(".json")
    folded = page.all(".json details:not([open]) > summary")
    folded[0].click()
    page.wait_text("Ada", ".json")
    assert "decoded: gzip" in page.text("#detail")
    page.shot("json")
    page.choose("/broken")
    page.wait_text("This is no right JSON: a value is missing (line 2, column 14)")
    assert page.all(".body mark")[0].text == "}"
    page.choose("/logo")
    page.wait(lambda: page.script("return document.querySelector('.body img')?.naturalWidth") == 32)
    page.choose("/bytes")
    page.wait_text("00000010  10 11 12 13", ".hex")
    assert not page.complaints()


def test_keys_are_enough(place, site):
    client, tunnel, inspector, _ = site
    for path in ("/1", "/2", "/3"):
        visit.get(tunnel, path)
    client.wait_event("request", 3)
    page = place.keep(Page(place, inspector.url))
    page.wait_rows(3)
    page.press("j")
    page.wait_text("/3", "#detail h2")
    page.press("j", Keys.ARROW_DOWN, "j")
    page.wait_text("/1", "#detail h2")
    page.press("k")
    page.wait_text("/2", "#detail h2")
    page.press("/", *"/3")
    page.wait_rows(1)
    page.press(Keys.ESCAPE, "g")
    page.wait_text("/3", "#detail h2")
    page.press("r")
    page.wait_text("Replay of #3")
    page.press("?")
    page.wait(lambda: page.script("return document.getElementById('help').open"))
    page.press(Keys.ESCAPE)
    page.wait(lambda: not page.script("return document.getElementById('help').open"))
    page.press("p")
    page.wait_text("paused", "#state")


def test_the_filter_finds_paths_states_methods_and_texts(place, site):
    client, tunnel, inspector, _ = site
    for path in ("/people", "/gone", "/html"):
        visit.get(tunnel, path)
    visit.post(tunnel, "/post", [b"needle"], 6)
    client.wait_event("request", 4)
    page = place.keep(Page(place, inspector.url))
    page.wait_rows(4)
    box = page.all("#filter")[0]
    for text, found in (("GRACE", "/people"), ("needle", "/post"), ("html", "/html"), ("gone", "/gone")):
        box.clear()
        box.send_keys(text)
        assert found in page.wait_rows(1)[0].text
    box.clear()
    box.send_keys(" ")
    page.wait_rows(4)
    page.script("const s = document.getElementById('status'); s.value = '4'; s.dispatchEvent(new Event('change'))")
    assert "/gone" in page.wait_rows(1)[0].text
    page.script("const s = document.getElementById('status'); s.value = ''; const m = document.getElementById('method');"
                "m.value = 'POST'; m.dispatchEvent(new Event('change'))")
    assert "/post" in page.wait_rows(1)[0].text


def test_a_request_is_edited_and_its_answers_stand_side_by_side(place, site):
    client, tunnel, inspector, service = site
    visit.post(tunnel, "/gone", [b"hello"], 5)
    client.wait_event("request")
    page = place.keep(Page(place, inspector.url))
    page.wait_rows(1)[0].click()
    page.wait_text("/gone", "#detail h2")
    page.press("e")
    page.wait(lambda: page.script("return document.getElementById('editor').open"))
    assert page.script("return document.getElementById('edit-body').value") == "hello"
    for name, text in (("path", "/people"), ("body", "changed")):
        field = page.all(f"#edit-{name}")[0]
        field.clear()
        field.send_keys(text)
    page.shot("edit")
    page.press(Keys.CONTROL + Keys.ENTER)
    page.wait_rows(2)
    page.wait_text("Answer of the replay #2")
    cards = [c.text for c in page.all(".compare .card")]
    assert "404 Not Found" in cards[0] and "200 OK" in cards[1]
    left, right = (c.rect for c in page.all(".compare .card"))
    assert left["y"] == right["y"] and left["x"] < right["x"]
    page.shot("compare")
    assert service.wait_for(2)[1]["body"] == b"changed"
    page.press("e")
    page.wait(lambda: page.script("return document.getElementById('editor').open"))
    page.all("#edit-path")[0].send_keys(" a b")
    page.press(Keys.CONTROL + Keys.ENTER)
    page.wait_text("That is no request", "#edit-error")


def test_nothing_that_was_captured_acts_in_the_page(place, site):
    client, tunnel, inspector, _ = site
    visit.get(tunnel, "/html", headers={"X-Evil": "<img src=x onerror=\"document.title='hacked'\">"})
    visit.get(tunnel, "/%3Cimg%20src=x%20onerror=document.title='hacked'%3E")
    client.wait_event("request", 2)
    page = place.keep(Page(place, inspector.url))
    for row in page.wait_rows(2):
        row.click()
        page.wait(lambda: page.all(".body pre"))
        assert not page.all("#detail img") and not page.all("#detail script")
    page.browser.get(f"{inspector.url}/api/requests/1/response/body")
    assert page.browser.title != "hacked"


def test_500_requests_scroll(place, site):
    client, tunnel, inspector, _ = site
    with visit.connect(tunnel.port) as sock:
        for i in range(510):
            sock.sendall(visit.head(tunnel.host, f"/{i}"))
            visit.read_answer(sock)
    client.wait_event("request", 510)
    page = place.keep(Page(place, inspector.url))
    page.wait(lambda: len(page.all(".row")) == 500)
    assert "/509" in page.all(".row")[0].text and "500 requests" in page.text("#count")
    page.browser.set_script_timeout(PATIENCE)
    # what the page itself does for a frame while the whole list goes by; painting depends on the machine
    times = page.browser.execute_async_script("""
        const done = arguments[0], list = document.getElementById('rows'), times = [];
        const step = () => {
            const before = performance.now();
            list.scrollTop += 400;
            list.lastElementChild.getBoundingClientRect();
            times.push(performance.now() - before);
            list.scrollTop + list.clientHeight < list.scrollHeight ? requestAnimationFrame(step) : done(times);
        };
        requestAnimationFrame(step);""")
    times.sort()
    print(f"{len(times)} frames, median {times[len(times) // 2]:.2f} ms, worst {times[-1]:.2f} ms")
    assert len(times) > 20 and times[len(times) // 2] < 16
    visit.get(tunnel, "/new")
    page.wait(lambda: "/new" in page.script("return document.querySelector('.row').textContent"))
    assert len(page.all(".row")) == 500
    page.press("j", "G")
    page.wait_text("/11", "#detail h2")


def test_a_page_from_elsewhere_gets_nothing(place, site):
    client, tunnel, inspector, _ = site
    visit.get(tunnel, "/people")
    client.wait_event("request")
    # a page whose origin is the tunnel's own name: not the inspector's
    page = place.keep(Page(place, f"{tunnel.url}/people"))
    page.browser.set_script_timeout(PATIENCE)
    for how in ("{}", "{method: 'DELETE'}", "{method: 'POST', mode: 'no-cors', body: '{\"paused\": true}'}",
                "{mode: 'no-cors'}"):
        path = "/api/pause" if "POST" in how else "/api/requests"
        result = page.browser.execute_async_script(
            f"const done = arguments[0]; fetch('{inspector.url}{path}', {how}).then(async (r) => done(await r.text()),"
            "(e) => done('refused'))")
        assert result in ("refused", ""), result
    assert len(inspector.requests()) >= 1 and not inspector.get("/api/status")["paused"]
    # a name of somebody else's that leads to loopback now
    for path in ("/", "/api/requests"):
        page.browser.get(f"http://rebound.test:{inspector.port}{path}")
        assert "Use an address of this machine" in page.text() and "people" not in page.text()


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [1300, 500])
def test_it_fits(place, site, dark, width):
    client, tunnel, inspector, _ = site
    for path in ("/people", "/gone", "/logo", "/" + "long/" * 60 + "?query=" + "x" * 200):
        visit.get(tunnel, path)
    client.wait_event("request", 4)
    page = place.keep(Page(place, inspector.url, width, dark=dark))
    page.wait_rows(4)
    background = page.script("return getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, background[4:-1].split(","))) < 200) == dark
    page.shot("list")
    for path in ("/people", "/long"):
        page.choose(path)
        assert page.script("return document.documentElement.scrollWidth <= document.documentElement.clientWidth")
        assert page.script("const d = document.getElementById('detail'); return d.scrollWidth <= d.clientWidth")
        page.shot(path[1:])
        if width < 800:
            assert not page.all("#rows")[0].is_displayed()
            page.press(Keys.ESCAPE)
            page.wait(lambda: page.all("#rows")[0].is_displayed())
