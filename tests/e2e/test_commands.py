# SPDX-License-Identifier: LGPL-2.1-or-later
"""Options, configuration files, exit codes, signals."""

import re
import signal
import subprocess

import pytest

import visit
from daemons import BUILD, PATIENCE, PGROK, PGROKD, TOP


def run(place, program, *arguments):
    return subprocess.run([str(program), *map(str, arguments)], capture_output=True, text=True, env=place.env,
                          timeout=PATIENCE, stdin=subprocess.DEVNULL)


@pytest.mark.parametrize("program", [PGROKD, PGROK], ids=["pgrokd", "pgrok"])
def test_help_and_version_go_to_standard_output(place, program):
    for option, expected in (("--help", "--config"), ("--version", r"^pgrokd? \d+\.\d+\.\d+")):
        done = run(place, program, option)
        assert done.returncode == 0 and re.search(expected, done.stdout) and not done.stderr


@pytest.mark.parametrize("program, arguments", [
    (PGROKD, ["--no-such-option"]), (PGROKD, ["--domain"]), (PGROKD, ["surplus"]),
    (PGROKD, ["--dev", "--http-listen", "nonsense"]), (PGROKD, ["--dev", "--tcp-ports", "9-1"]),
    (PGROKD, ["--dev", "--log-level", "loud"]), (PGROKD, ["--config", "/no/such/file"]),
    (PGROKD, ["--dev", "--http-listen", "0.0.0.0:0"]),
    (PGROK, ["--no-such-option", "80"]), (PGROK, []), (PGROK, ["--dev", "nonsense:port"]), (PGROK, ["--dev", "70000"]),
    (PGROK, ["--dev", "--remote-port", "x", "80"]), (PGROK, ["--dev", "--proto", "udp", "80"]),
    (PGROK, ["--dev", "--output", "xml", "80"])], ids=lambda v: "-".join(map(str, v)) if isinstance(v, list) else v.name)
def test_wrong_usage_ends_with_2_and_a_reason(place, program, arguments):
    done = run(place, program, *arguments)
    assert done.returncode == 2 and done.stderr.strip() and not done.stdout


def test_nothing_is_open_without_a_way_to_authenticate(place):
    certificate, key = place.certificate()
    config = place.write("pgrokd.conf", f"""server: {{ domain = "tunnel.test";
        http_listen = [ "0.0.0.0:0" ]; https_listen = [ "0.0.0.0:0" ]; tunnel_listen = [ "0.0.0.0:0" ];
        tls: {{ certificate = "{certificate}"; key = "{key}"; }}; auth: {{ method = "none"; }}; }};\n""")
    done = run(place, PGROKD, "--config", config)
    assert done.returncode == 2 and "loopback" in done.stderr


@pytest.mark.parametrize("text, line, reason", [
    ('server: { domain = "a.test"; nonsense = 1; };', 1, "nonsense"),
    ('server: {\n  domain = 17;\n};', 2, "domain"),
    ('server: {\n  domain = "a.test";\n  limits: { head_timeout = "soon"; };\n};', 3, "head_timeout"),
    ('server: {\n  domain = "a.test"\n  domain = "b.test";\n};', 3, ""),
    ('server: {\n\n  tcp_ports = "9-1";\n};', 3, "tcp_ports"),
    ('server: {\n  http_listen = [ "nonsense" ];\n};', 2, "http_listen"),
    ('server: {', 1, ""),
], ids=["unknown-key", "wrong-type", "bad-time", "key-twice", "bad-range", "bad-address", "syntax"])
def test_check_names_file_line_and_reason(place, text, line, reason):
    path = place.write("bad.conf", text + "\n")
    done = run(place, PGROKD, "--check", "--config", path)
    assert done.returncode == 2
    found = re.search(rf"^{re.escape(str(path))}:(\d+): .*{reason}.*$", done.stdout + done.stderr, re.M)
    assert found and abs(int(found[1]) - line) <= (not reason), done.stdout + done.stderr


def test_check_reports_every_fault(place):
    path = place.write("bad.conf", 'server: {\n  domain = 17;\n  workers = "many";\n  nonsense = 1;\n};\n')
    done = run(place, PGROKD, "--check", "--config", path)
    assert {f"{path}:{n}:" for n in (2, 3, 4)} <= set(re.findall(r"^\S+:\d+:", done.stdout + done.stderr, re.M))


def test_check_accepts_what_is_right_and_starts_nothing(place):
    certificate, key = place.certificate()
    tokens = place.write("tokens", "")
    path = place.write("good.conf", f"""server: {{ domain = "tunnel.test"; http_listen = [ "127.0.0.1:0" ];
        https_listen = [ "127.0.0.1:0" ]; tunnel_listen = [ "127.0.0.1:0" ];
        tls: {{ certificate = "{certificate}"; key = "{key}"; }};
        auth: {{ method = "token-file"; token_file = "{tokens}"; }}; }};\n""")
    done = run(place, PGROKD, "--check", "--config", path)
    assert done.returncode == 0, done.stderr
    assert "Ready" not in done.stdout


def uncomment(text):
    """What an example only shows is to be right too."""
    return re.sub(r"^( *)# *([a-z]\w*( =|:).*[;{].*|\};)$", r"\1\2", text, flags=re.MULTILINE)


@pytest.mark.parametrize("change", [str, uncomment])
def test_the_examples_are_right(place, change):
    for folder in ("pages", "tls.d"):
        (place.folder / folder).mkdir()
    place.write("token", "secret\n")
    place.write("tokens", f"alice sha256:{'ab' * 32}\n")
    certificate, key = place.certificate()
    files = {"fullchain.pem": certificate, "privkey.pem": key, "ca.pem": certificate, "client-ca.pem": certificate,
             "visitor-ca.pem": certificate}
    for name in ("pgrokd.conf", "client.conf", "tunnels.conf"):
        text = change((TOP / "etc" / name).read_text())
        for there, here in files.items():
            text = text.replace(f"/etc/pgrok/{there}", str(here))
        text = text.replace("/var/lib/acme", str(place.folder))
        place.write(name, text.replace("/etc/pgrok/", f"{place.folder}/").replace("# token_file", "token_file"))
    for program, *check in ((PGROKD, "--check", "--domain", "tunnel.test", "--tls-certificate", certificate,
                             "--tls-key", key), (PGROK, "check")):
        done = run(place, program, *check, "--config", place.folder)
        assert done.returncode == 0, done.stdout + done.stderr


def test_check_reads_the_files_that_are_named(place):
    _certificate, key = place.certificate()
    tokens = place.write("tokens", "alice sha256:zz\n")
    path = place.write("pgrokd.conf", f"""server: {{ domain = "t.test"; auth: {{ method = "token-file";
        token_file = "{tokens}"; }}; tls: {{ certificate = "/nonexistent.pem"; key = "{key}"; }}; }};\n""")
    done = run(place, PGROKD, "--check", "--config", path)
    assert done.returncode == 2
    assert "/nonexistent.pem" in done.stderr and f"{tokens}:1: " in done.stderr


def test_a_folder_of_files_is_merged_and_a_key_in_two_files_names_both(place):
    folder = place.folder / "conf.d"
    folder.mkdir()
    (folder / "a.conf").write_text('server: { domain = "a.test"; };\n')
    (folder / "b.conf").write_text('server: { domain = "b.test"; };\n')
    done = run(place, PGROKD, "--check", "--config", folder)
    assert done.returncode == 2 and "a.conf" in done.stderr + done.stdout and "b.conf" in done.stderr + done.stdout


def test_a_yaml_file_is_refused_with_a_pointer(place):
    path = place.write("ngrok.yml", "server_addr: example.com:4443\ntunnels:\n  a:\n    proto:\n      http: 80\n")
    done = run(place, PGROK, "-config", path, "80")
    assert done.returncode == 2 and "migrat" in done.stderr.lower()


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT])
def test_both_end_with_0_when_asked_to(place, sig):
    server = place.server()
    client = place.client(server, str(place.http().port))
    assert visit.get(client.tunnel("http")).status == 200
    assert client.terminate(sig) == 0
    assert server.terminate(sig) == 0


def test_the_server_ends_with_0_also_with_visitors_and_clients(place):
    server = place.server()
    client = place.client(server, "--proto", "http+tcp", str(place.http().port))
    tunnel = client.tunnel("http")
    with visit.connect(tunnel.port) as waiting, visit.connect(client.tunnel("tcp").port):
        waiting.sendall(visit.head(tunnel.host, "/bytes/x/100000000"))
        assert waiting.recv(100)
        assert server.terminate() == 0


def test_a_port_in_use_ends_with_1_and_says_which(place, server):
    done = run(place, PGROKD, "--dev", f"--http-listen=127.0.0.1:{server.http}", "--https-listen=127.0.0.1:0",
               "--tunnel-listen=127.0.0.1:0")
    assert done.returncode == 1 and f"127.0.0.1:{server.http}" in done.stderr


def test_the_spelling_of_ngrok_is_understood(place):
    server = place.server("-domain=legacy.localhost", "-log-level=DEBUG", "-httpsAddr=")
    assert server.domain == "legacy.localhost" and server.https is None
    client = place.client(server, "-subdomain=demo", "-proto=http", "-log=stdout", str(place.http().port))
    assert visit.get(client.tunnel()).status == 200


def test_the_token_may_be_in_the_environment(place):
    go = place.hand_server()
    place.env["PGROK_TOKEN"] = "from-the-environment"
    place.client(go, "--ca-file", str(go.ca), "9", dev=False)
    assert go.accept("Auth").first.User == "from-the-environment"


def test_the_token_may_be_in_a_file(place):
    go = place.hand_server()
    path = place.write("token", "from-a-file\n")
    place.client(go, "--ca-file", str(go.ca), "--token-file", str(path), "9", dev=False)
    assert go.accept("Auth").first.User == "from-a-file"


def test_without_a_terminal_each_event_is_a_line_of_text(place, server):
    done = subprocess.Popen([PGROK, "--dev", "--server", server.address, str(place.http().port)],
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, env=place.env)
    try:
        lines = iter(done.stdout.readline, "")
        line = next(line for line in lines if line.startswith("Tunnel http://"))
        assert re.search(r"http://\S+\.localhost:\d+ -> (http://)?127\.0\.0\.1:\d+", line), line
    finally:
        done.terminate()
        assert done.wait(PATIENCE) == 0
        done.stdout.close()


def test_make_install_puts_the_programs_where_they_belong(place):
    done = subprocess.run(["make", "-s", "-C", str(BUILD), "install", f"DESTDIR={place.folder}/root"],
                          capture_output=True, text=True, timeout=3 * PATIENCE)
    assert done.returncode == 0, done.stderr
    installed = {p.name for p in (place.folder / "root").rglob("*bin/pgrok*")}
    assert installed == {"pgrok", "pgrokctl", "pgrokd"}
