# SPDX-License-Identifier: LGPL-2.1-or-later
"""Authentication by a webhook: what is asked, what is believed, and that nobody else waits."""

import hashlib
import pathlib
import re
import socket
import subprocess
import threading
import time

import pytest

import local
import visit
from daemons import PATIENCE, PGROKD
from hook import ALICE, BOB, SECRET, Hook, Receiver, allow, deny, http, known_users
from test_control import curl as control

OTHER_SECRET = "another-secret-of-the-hook"


def hook_config(url, **keys):
    lines = "".join(f'{name} = "{value}"; ' for name, value in keys.items())
    return f'auth: {{ method = "webhook"; webhook: {{ url = "{url}"; {lines}}}; }};'


def hooked(place, url, secret=SECRET, **keys):
    """A server that asks the hook at URL."""
    if secret:
        keys["secret_file"] = place.write("secret", secret + "\n")
    return place.server(config=hook_config(url, **keys))


def login(place, server, token=ALICE, **fields):
    """A login by hand, and its answer."""
    hand = place.hand_client(server, authenticate=False)
    answer = hand.authenticate(User=token, **fields)
    if answer.Error:
        hand.expect_end()
    return hand, answer


def assert_denied(place, server, cause, token=ALICE):
    """No login; CAUSE, a regular expression, is in the log alone, and the token is not."""
    _hand, answer = login(place, server, token)
    assert answer.Error and answer.ClientId == ""
    assert re.search(cause, server.log()), server.log()
    assert token not in server.log()
    return answer.Error


def wait_for_log(server, pattern):
    deadline = time.monotonic() + PATIENCE
    while not re.search(pattern, server.log()):
        assert time.monotonic() < deadline, f"no {pattern} in {server.log()}"
        time.sleep(0.02)


@pytest.fixture
def hook(place):
    return place.keep(Hook())


# ---- what is asked and believed ----

def test_a_login_is_asked_and_its_user_may_in(place, hook):
    server = hooked(place, hook.url)
    client = place.client(server, "--token", ALICE, "--subdomain", "mine", str(place.http().port))
    assert visit.get(client.tunnel("http")).status == 200
    question = hook.events("login")[0]
    assert question["version"] == 1 and question["token"] == ALICE
    assert set(question["client"]) == {"id", "address", "os", "arch", "version"}
    assert question["client"]["address"] == "127.0.0.1"
    assert re.fullmatch("[0-9a-f]{12}", question["client"]["id"]) or question["client"]["id"] == ""
    assert ALICE not in server.log() and ALICE not in client.log()


def test_a_tunnel_is_asked_each_time_and_a_denial_says_why(place, hook):
    def reply(question):
        if question["event"] == "tunnel" and question["tunnel"]["subdomain"] == "bad":
            return http(deny("Not this name, please"))
        return http(allow())

    hook.reply = reply
    server = hooked(place, hook.url)
    hand, _ = login(place, server)
    assert hand.tunnel("http", Subdomain="good")
    assert hand.request("http", Subdomain="bad")[0].Error == "Not this name, please"
    assert hand.tunnel("http+https", Subdomain="good2")
    asked = hook.events("tunnel")
    assert [q["tunnel"] for q in asked] == [
        {"protocol": p, "subdomain": s, "hostname": "", "remote_port": 0}
        for p, s in (("http", "good"), ("http", "bad"), ("http+https", "good2"))]
    assert all(q["user"] == "alice" and "token" not in q for q in asked)
    assert len(hook.events("login")) == 1


def test_a_logout_is_told(place, hook):
    server = hooked(place, hook.url)
    hand, _ = login(place, server)
    hand.close()
    told = hook.wait_for("logout")
    assert told["user"] == "alice" and "token" not in told
    assert told["client"]["id"] and told["client"]["address"] == "127.0.0.1"


def test_a_denial_reaches_the_client_with_its_reason(place, hook):
    hook.reply = lambda _: http(deny("Your account \x1b[31mis closed\n" + "x" * 1000))
    server = hooked(place, hook.url)
    error = assert_denied(place, server, "Your account")
    assert error.startswith("Your account \\x1b[31mis closed\\x0axxx") and len(error) < 300
    client = place.client(server, "--token", ALICE, "1")
    assert "Your account" in client.wait_event("error")["reason"]
    assert client.exit_code() == 3


def test_a_denial_without_a_reason_is_a_sentence_too(place, hook):
    hook.reply = lambda _: http(b'{"allow":false}')
    assert "token" in assert_denied(place, hooked(place, hook.url), "doesn't know this token")


def test_the_policy_is_applied(place, hook):
    hook.reply = lambda _: http(allow("alice", subdomains=["mine", "a-*"], max_tunnels=2, protocols="http"))
    server = hooked(place, hook.url)
    hand, _ = login(place, server)
    assert hand.tunnel("http", Subdomain="mine")
    assert hand.request("http", Subdomain="theirs")[0].Error
    assert hand.request("tcp")[0].Error
    assert hand.tunnel("http", Subdomain="a-b")
    assert hand.request("http", Subdomain="a-c")[0].Error


@pytest.mark.parametrize("raw, cause", [
    (http(allow(), 500), "status 500"),
    (http(allow(), 204), "status 204"),
    (http(allow(), 201), "status 201"),
    (http(b"", 302, "Location: /elsewhere\r\n"), "redirect"),
    (http(allow(), 307, "Location: /hook\r\n"), "redirect"),
    (http(allow() + b" " * 65 * 1024), "64 KiB"),
    (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 100000, "64 KiB"),
    (http(b"yes, of course"), "not JSON"),
    (http(b""), "not JSON"),
    (http(b'{"allow":true}'), "user"),
    (http(b'{"allow":"yes","user":"alice"}'), "allow"),
    (http(b'{"allow":true,"user":"a b"}'), "user"),
    (http(b'{"allow":true,"user":"alice","policy":{"max_tunnels":"many"}}'), "max_tunnels"),
    (http(b'{"allow":true,"user":"alice","policy":{"no_such_key":1}}'), "no_such_key"),
    (b"220 mail.example.com ESMTP\r\n\r\n", "webhook"),
    (b"\x00" * 1000, "webhook"),
], ids=lambda v: v if isinstance(v, str) else "")
def test_what_is_no_clear_yes_is_a_no(place, hook, raw, cause):
    hook.reply = lambda _: raw
    server = hooked(place, hook.url)
    error = assert_denied(place, server, cause)
    assert "try again" in error and cause not in error


def test_an_outage_of_the_hook_is_not_held_against_the_clients(place, hook):
    server = hooked(place, hook.url)
    hook.reply = lambda _: http(b"", 503)
    for _ in range(15):  # of wrong tokens ten are enough
        assert "try again" in login(place, server)[1].Error
    hook.reply = lambda _: http(allow())
    assert not login(place, server)[1].Error
    hook.reply = lambda _: http(deny("No"))
    assert [login(place, server, BOB)[1].Error for _ in range(12)].count("No") < 12


def test_a_hook_that_is_dead_denies_with_the_cause_in_the_log(place, hook):
    server = hooked(place, hook.url)
    hook.close()
    assert "try again" in assert_denied(place, server, "127.0.0.1.*port")
    assert len(hook.questions) == 0


# ---- signatures and TLS, with the receiver of doc/ ----

def test_the_receiver_knows_users_and_checks_signatures(place):
    receiver = place.keep(Receiver(place, known_users(alice={"subdomains": ["alice"]}, bob={})))
    server = hooked(place, receiver.url)
    alice, answer = login(place, server)
    assert not answer.Error and alice.tunnel("http", Subdomain="alice")
    assert alice.request("http", Subdomain="bob")[0].Error
    assert login(place, server, BOB)[0].tunnel("http", Subdomain="bob")
    assert login(place, server, "nobody")[1].Error == "This token is not known here"
    printed = receiver.close()
    assert "login of client" in printed and ALICE not in printed


@pytest.mark.parametrize("secret", [OTHER_SECRET, None], ids=["wrong", "none"])
def test_a_wrong_signature_is_refused_by_the_receiver(place, secret):
    receiver = place.keep(Receiver(place, known_users(alice={})))
    assert_denied(place, hooked(place, receiver.url, secret), "status 403")


def test_the_secret_may_be_a_credential(place):
    receiver = place.keep(Receiver(place, known_users(alice={})))
    place.write("webhook.secret", SECRET + "\n")
    place.env["CREDENTIALS_DIRECTORY"] = str(place.folder)
    assert not login(place, hooked(place, receiver.url, None))[1].Error


def test_a_certificate_is_verified_by_the_ca_that_is_named(place):
    certificate, key = place.certificate()
    receiver = place.keep(Receiver(place, known_users(alice={}), "--certificate", certificate, "--key", key))
    assert receiver.url.startswith("https://")
    trusting = hooked(place, receiver.url, ca_file=certificate)
    assert not login(place, trusting)[1].Error
    assert_denied(place, hooked(place, receiver.url), "certificate")


def test_a_wrong_ca_or_name_is_refused(place, tmp_path):
    certificate, key = place.certificate()
    receiver = place.keep(Receiver(place, known_users(alice={}), "--certificate", certificate, "--key", key))
    other = tmp_path / "other.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-days", "2", "-subj", "/CN=other", "-keyout", tmp_path / "other.key", "-out", other],
                   check=True, capture_output=True, timeout=PATIENCE)
    assert_denied(place, hooked(place, receiver.url, ca_file=other), "certificate")
    elsewhere = receiver.url.replace("127.0.0.1", "127.0.0.2")  # not in the certificate; nobody listens there
    with socket.create_server(("127.0.0.2", int(receiver.url.rpartition(":")[2].partition("/")[0]))) as relay:
        threading.Thread(target=pass_on, args=(relay, receiver.url), daemon=True).start()
        assert_denied(place, hooked(place, elsewhere, ca_file=certificate), "certificate")


def pass_on(listener, url):
    """One connection to the server of URL."""
    port = int(url.rpartition(":")[2].partition("/")[0])
    near, _ = listener.accept()
    with near, socket.create_connection(("127.0.0.1", port), PATIENCE) as far:
        thread = threading.Thread(target=copy, args=(far, near), daemon=True)
        thread.start()
        copy(near, far)
        thread.join(PATIENCE)


def copy(source, target):
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


# ---- time ----

def test_a_slow_hook_holds_up_nobody_but_those_who_log_in(place, hook):
    server = hooked(place, hook.url, cache="0")
    service = place.http()
    client = place.client(server, "--token", ALICE, str(service.port))
    tunnel = client.tunnel("http")
    hook.hold()
    waiting = place.hand_client(server, authenticate=False)
    waiting.send("Auth", Version="2", MmVersion="1.7", User=BOB, Password="", OS="", Arch="", ClientId="")
    hook.wait_for("login", 2)
    for i in range(20):
        started = time.monotonic()
        body = visit.get(tunnel, f"/bytes/{i}/1000000").body
        assert body == local.content(str(i), 1000000)
        assert time.monotonic() - started < 4, "a visitor has waited for the hook"
    hook.go()
    assert not waiting.expect("AuthResp").Error


def test_who_logs_in_does_not_stand_behind_the_tunnels_of_others_at_its_address(place, hook):
    server = hooked(place, hook.url, timeout="20s")
    crowd = [login(place, server)[0] for _ in range(8)]
    hook.hold()
    for hand in crowd:
        for _ in range(32):
            hand.ask("http")
    hook.wait_for("tunnel", 8)
    other = place.hand_client(server, authenticate=False)
    other.send("Auth", Version="2", User=BOB)
    hook.go()
    assert not other.expect("AuthResp").Error
    for hand in crowd:
        assert not [error for error in (hand.expect("NewTunnel").Error for _ in range(32)) if error]


def test_a_hook_that_does_not_answer_in_time_is_a_no(place, hook):
    server = hooked(place, hook.url, timeout="500ms")
    hook.hold()
    started = time.monotonic()
    error = assert_denied(place, server, "no answer in time")
    assert 0.4 < time.monotonic() - started < 10
    assert "did not answer in time" in error and "try again" in error
    hook.go()
    assert not login(place, server)[1].Error


def test_the_client_shows_that_the_hook_was_too_slow(place, hook):
    server = hooked(place, hook.url, timeout="300ms")
    hook.hold()
    client = place.client(server, "--token", ALICE, "1")
    assert "did not answer in time" in client.wait_event("error")["reason"]
    assert client.exit_code() == 3


def test_the_server_stops_at_once_while_a_question_is_open(place, hook):
    server = hooked(place, hook.url, timeout="60s")
    hook.hold()
    waiting = place.hand_client(server, authenticate=False)
    waiting.send("Auth", Version="2", MmVersion="1.7", User=ALICE, Password="", OS="", Arch="", ClientId="")
    hook.wait_for("login")
    started = time.monotonic()
    assert server.terminate() == 0
    assert time.monotonic() - started < PATIENCE / 2
    hook.go()


def test_a_client_that_leaves_while_it_is_asked_about_does_no_harm(place, hook):
    server = hooked(place, hook.url)
    hook.hold()
    waiting = place.hand_client(server, authenticate=False)
    waiting.send("Auth", Version="2", MmVersion="1.7", User=ALICE, Password="", OS="", Arch="", ClientId="")
    hook.wait_for("login")
    waiting.close()
    hook.go()
    assert login(place, server, BOB)[0].tunnel("http")


# ---- how often ----

def test_a_login_is_remembered_by_token(place, hook):
    server = hooked(place, hook.url)
    for _ in range(3):
        assert not login(place, server)[1].Error
    assert not login(place, server, BOB)[1].Error
    assert [q["token"] for q in hook.events("login")] == [ALICE, BOB]


def test_a_denial_is_not_remembered(place, hook):
    server = hooked(place, hook.url)
    hook.reply = lambda _: http(deny("Not yet"))
    assert login(place, server)[1].Error == "Not yet"
    hook.reply = lambda _: http(allow())
    assert not login(place, server)[1].Error


def test_without_a_cache_each_login_is_asked_over_one_connection(place, hook):
    server = hooked(place, hook.url, cache="0")
    for _ in range(5):
        assert not login(place, server)[1].Error
    assert len(hook.events("login")) == 5
    assert hook.n_connections == 1


def test_a_kicked_client_s_login_is_not_remembered(place, hook):
    server = hooked(place, hook.url)
    hook.reply = lambda question: http(allow("alice" if question["token"] == ALICE else "bob"))
    alice = login(place, server)[0]
    assert not login(place, server, BOB)[1].Error
    hook.reply = lambda _: http(deny("Not any more"))
    label = hashlib.sha256(alice.client_id.encode()).hexdigest()[:12]
    assert control(server, f"/v1/clients/{label}/kick", "POST")[0] == 200
    assert login(place, server)[1].Error == "Not any more"
    assert not login(place, server, BOB)[1].Error, "of another user it is"


def test_what_is_remembered_ends(place, hook):
    server = hooked(place, hook.url, cache="200ms")
    assert not login(place, server)[1].Error
    deadline = time.monotonic() + PATIENCE
    while len(hook.events("login")) < 2:
        assert not login(place, server)[1].Error
        assert time.monotonic() < deadline


def test_equal_logins_are_one_question(place, hook):
    server = hooked(place, hook.url, cache="0")
    hook.hold()
    crowd = [place.hand_client(server, authenticate=False) for _ in range(20)]
    for hand in crowd:
        hand.send("Auth", Version="2", MmVersion="1.7", User=ALICE, Password="", OS="", Arch="", ClientId="")
    hook.wait_for("login")
    other, answered = place.hand_client(server, authenticate=False), threading.Event()
    other.send("Auth", Version="2", MmVersion="1.7", User=BOB, Password="", OS="", Arch="", ClientId="")
    hook.wait_for("login", 2)  # main has read what came before: each worker's mail is in order
    threading.Timer(0.3, answered.set).start()
    answered.wait()
    hook.go()
    for hand in [*crowd, other]:
        assert not hand.expect("AuthResp").Error
    assert len(hook.events("login")) == 2


# ---- configuration ----

def check(place, config):
    certificate, key = place.certificate()
    path = place.write("check.conf", f"""server: {{ domain = "t.test"; {config}
        tls: {{ certificate = "{certificate}"; key = "{key}"; }}; }};\n""")
    return subprocess.run([PGROKD, "--check", "--config", path], capture_output=True, text=True, env=place.env,
                          timeout=PATIENCE, stdin=subprocess.DEVNULL)


def test_check_accepts_a_webhook_and_asks_nobody(place, hook):
    certificate, _key = place.certificate()
    done = check(place, hook_config(hook.url, secret_file=place.write("secret", SECRET), ca_file=certificate))
    assert done.returncode == 0 and not done.stderr, done.stderr
    assert hook.n_connections == 0


@pytest.mark.parametrize("url, keys, reason", [
    ("http://example.com/", {}, "https://"),
    ("ftp://localhost/", {}, "https://"),
    ("https://user:word@example.com/", {}, "without a user"),
    ("https://example.com/", {"timeout": "0"}, "timeout"),
    ("https://example.com/", {"timeout": "1h"}, "timeout"),
    ("https://example.com/", {"cache": "yes"}, "cache"),
    ("https://example.com/", {"secret_file": "/no/such/secret"}, "/no/such/secret"),
    ("https://example.com/", {"ca_file": "/no/such/ca"}, "/no/such/ca"),
    ("https://example.com/", {"secret_file": "/dev/null"}, "/dev/null"),
    ("https://example.com/", {"ca_file": "/dev/null"}, "/dev/null"),
], ids=lambda v: v if isinstance(v, str) else "-".join(v))
def test_check_finds_what_is_wrong_with_a_webhook(place, url, keys, reason):
    done = check(place, hook_config(url, **keys))
    assert done.returncode == 2 and reason in done.stderr, done.stderr


def test_check_wants_an_address(place):
    done = check(place, 'auth: { method = "webhook"; };')
    assert done.returncode == 2 and "server.auth.webhook.url is not set" in done.stderr


def test_libcurl_is_in_memory_only_when_it_is_needed(place, hook):
    def maps(server):
        return pathlib.Path(f"/proc/{server.pid}/maps").read_text()

    assert "libcurl" not in maps(place.server())
    assert "libcurl" in maps(hooked(place, hook.url))
