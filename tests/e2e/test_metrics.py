# SPDX-License-Identifier: LGPL-2.1-or-later
"""What Prometheus reads."""

import bisect
import contextlib
import http.server
import re
import socket
import subprocess
import threading
import time

import pytest

import local
import visit
from daemons import PATIENCE
from test_control import TRANSFER, rest_of, start_download


@pytest.fixture
def server(place):
    return place.server(config='metrics_listen = "127.0.0.1:0";')


def scrape(server, path="/metrics"):
    return visit.exchange(server.metrics, visit.head("localhost", path, headers={"Connection": "close"}))


def metrics(server):
    answer = scrape(server)
    assert answer.status == 200 and answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    return {name: float(value) for name, value in re.findall(r"^([a-z][^ ]*) (\S+)$", answer.text, re.M)}


def test_promtool_has_nothing_to_say(server):
    visit.exchange(server.http, visit.head("unknown.localhost"))
    done = subprocess.run(["promtool", "check", "metrics"], input=scrape(server).text, capture_output=True, text=True,
                          timeout=PATIENCE)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_clients_tunnels_connections_and_live_bytes_are_counted(place, server):
    tunnel = place.client(server, str(place.http().port)).tunnel("http")
    before = metrics(server)
    assert before["pgrokd_clients"] == 1 and before['pgrokd_tunnels{proto="https"}'] == 1
    with start_download(tunnel) as sock:
        during = metrics(server)
        assert during['pgrokd_connections{proto="http"}'] == 1
        assert 0 < during['pgrokd_bytes_total{direction="out"}'] < TRANSFER
        assert len(visit.read_exactly(sock, rest_of(sock))) == TRANSFER
    after = metrics(server)
    assert after['pgrokd_bytes_total{direction="out"}'] > TRANSFER
    assert 0 < after['pgrokd_bytes_total{direction="in"}'] < 1000
    assert after['pgrokd_connections_total{proto="http"}'] == before['pgrokd_connections_total{proto="http"}'] + 1


def test_sums_are_those_of_what_was_done(place, server):
    echo = place.client(server, "--proto", "tcp", str(place.keep(local.EchoService()).port)).tunnel("tcp")
    before = metrics(server)
    for n in (1, 1000, 300_000):
        with visit.connect(echo.port) as sock:
            thread = threading.Thread(target=sock.sendall, args=(b"x" * n,))
            thread.start()
            assert len(visit.read_exactly(sock, n)) == n
            thread.join()
            sock.shutdown(socket.SHUT_WR)
            assert sock.recv(1) == b""
    after = metrics(server)
    assert after['pgrokd_connections_total{proto="tcp"}'] - before['pgrokd_connections_total{proto="tcp"}'] == 3
    for direction in ("in", "out"):
        name = f'pgrokd_bytes_total{{direction="{direction}"}}'
        assert after[name] - before[name] == 301_001
    assert after['pgrokd_tunnels{proto="tcp"}'] == after["pgrokd_clients"] == 1


def test_own_answers_are_counted_by_their_code_and_time(server):
    for _ in range(3):
        assert visit.exchange(server.http, visit.head("unknown.localhost")).status == 404
    assert visit.exchange(server.http, b"nonsense\r\n\r\n").status == 400
    found = metrics(server)
    assert found['pgrokd_requests_total{code="404"}'] == 3 and found['pgrokd_requests_total{code="400"}'] == 1
    assert found["pgrokd_request_duration_seconds_count"] == 4
    buckets = [v for k, v in found.items() if k.startswith("pgrokd_request_duration_seconds_bucket")]
    assert buckets == sorted(buckets) and buckets[-1] == 4 and len(buckets) == 12
    assert found["pgrokd_request_duration_seconds_sum"] > 0


class Slow(http.server.BaseHTTPRequestHandler):
    """Takes as many milliseconds as the path says."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        time.sleep(int(self.path[1:]) / 1000)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def slow_service():
    service = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Slow)
    thread = threading.Thread(target=service.serve_forever)
    thread.start()
    try:
        yield service.server_address[1]
    finally:
        service.shutdown()
        thread.join()
        service.server_close()


def buckets(found):
    """(bound in seconds, requests that took no longer) in their order."""
    pattern = r'pgrokd_request_duration_seconds_bucket{le="([0-9.]+)"}'
    return [(float(bound[1]), n) for name, n in found.items() if (bound := re.match(pattern, name))]


def test_the_histogram_of_durations_is_what_visitors_saw(place, server):
    taken, least = [], []
    with slow_service() as port:
        tunnel = place.client(server, str(port)).tunnel("http")
        for msec in [0, 3, 15, 40, 80, 180, 400] * 3:
            begin = time.monotonic()
            assert visit.get(tunnel, f"/{msec}").status == 200
            taken.append(time.monotonic() - begin)
            least.append(msec / 1000)
    found = metrics(server)
    assert found['pgrokd_requests_total{code="200"}'] == found["pgrokd_request_duration_seconds_count"] == len(taken)
    assert sum(least) <= found["pgrokd_request_duration_seconds_sum"] <= sum(taken)
    for bound, n in buckets(found):  # the visitor saw more than what the server measured, and the service less
        assert sum(t <= bound for t in taken) <= n <= sum(t <= bound for t in least)


TOLERANCE = 0.12  # wrk adds what it takes to be missing: the short ones that a long one has held up
WRK_SCRIPT = """
local delays = { 30, 75, 175, 400 }
local n = 0
request = function() n = n + 1; return wrk.format("GET", "/" .. delays[n % #delays + 1]) end
done = function(summary, latency, requests)
        io.write("requests ", summary.requests, " errors ", summary.errors.status + summary.errors.timeout, "\\n")
        for p = 1, 99 do io.write("percentile ", p, " ", latency:percentile(p) / 1e6, "\\n") end
end
"""


def test_the_histogram_of_durations_is_what_wrk_saw(place, server):
    script = place.write("delays.lua", WRK_SCRIPT)
    with slow_service() as port:
        tunnel = place.client(server, str(port)).tunnel("http")
        done = subprocess.run(["wrk", "-t", "1", "-c", "16", "-d", "3", "-s", script, "-H", f"Host: {tunnel.host}",
                               f"http://127.0.0.1:{server.http}/"], capture_output=True, text=True, timeout=PATIENCE,
                              check=True)
    assert int(re.search(r"^requests (\d+) errors 0$", done.stdout, re.M)[1]) > 100, done.stdout
    percentiles = [(int(p) / 100, float(t)) for p, t in re.findall(r"^percentile (\d+) (\S+)$", done.stdout, re.M)]
    found = metrics(server)
    n_all = found["pgrokd_request_duration_seconds_count"]
    bounds = [0.0] + [bound for bound, _ in buckets(found)]
    shares = [0.0] + [n / n_all for _, n in buckets(found)]
    assert len(percentiles) == 99
    for p, seconds in percentiles:  # in the bucket of that share, or the one below: the server saw less
        i = bisect.bisect_left(bounds, seconds)
        assert p - TOLERANCE <= shares[i] and shares[max(i - 2, 0)] <= p + TOLERANCE, (p, seconds, shares)


def test_the_process_is_described(server):
    found = metrics(server)
    assert abs(found["process_resident_memory_bytes"] - server.memory()) < server.memory() / 2
    assert found["process_open_fds"] <= found["process_max_fds"]
    assert found["process_cpu_seconds_total"] > 0
    assert abs(found["process_start_time_seconds"] - start_time(server)) < 2


def start_time(server):
    done = subprocess.run(["ps", "-o", "lstart=", "-p", str(server.pid)], capture_output=True, text=True, check=True)
    done = subprocess.run(["date", "+%s", "-d", done.stdout.strip()], capture_output=True, text=True, check=True)
    return int(done.stdout)


def test_refused_clients_are_counted(place):
    certificate, key = place.certificate()
    tokens = place.write("tokens", "")
    server = place.server(dev=False, config=f"""domain = "tunnel.test"; metrics_listen = "127.0.0.1:0";
        tls: {{ certificate = "{certificate}"; key = "{key}"; }};
        auth: {{ method = "token-file"; token_file = "{tokens}"; }};""")
    place.hand_client(server, authenticate=False).authenticate(User="wrong")
    assert metrics(server)["pgrokd_auth_failures_total"] == 1


def test_health_and_unknown_paths(place, server):
    assert scrape(server, "/healthz").status == 200
    assert scrape(server, "/").status == 404
    assert visit.exchange(server.metrics, visit.head("localhost", "/metrics", "POST",
                                                     {"Content-Length": "0", "Connection": "close"})).status == 405


def test_metrics_are_off_by_default_and_a_taken_address_is_an_error(place, server):
    assert place.server().metrics is None
    with pytest.raises(AssertionError, match="Can't listen on"):
        place.server(config=f'metrics_listen = "127.0.0.1:{server.metrics}";')
    place.daemons[-1].expected_exit = 1
