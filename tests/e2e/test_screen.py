# SPDX-License-Identifier: LGPL-2.1-or-later
"""The live screen, on a terminal that tmux plays: what it shows, and that the terminal is as before afterwards."""

import concurrent.futures
import contextlib
import os
import pathlib
import re
import shlex
import signal
import subprocess
import tempfile
import threading
import time

import pytest

import local
import visit
from daemons import PATIENCE, PGROK, SANITIZED
from test_auth import ALICE, Tokens, line

TRANSPORT = os.environ.get("PGROK_TEST_TRANSPORT")


class Terminal:
    """A terminal with a shell in it, in which pgrok is started."""

    def __init__(self, place, width=80, height=24, **env):
        self.folder = place.folder
        self.socket = tempfile.TemporaryDirectory(prefix="pgrok-tmux-")  # a socket's path may not be long
        log = f"log_path={self.folder}/sanitizer"
        self.env = {**place.env, "TERM": "screen-256color", "ASAN_OPTIONS": log, "TSAN_OPTIONS": log}
        for name in ("NO_COLOR", "TMUX", "COLUMNS", "LINES"):
            self.env.pop(name, None)
        self.tmux("new-session", "-d", "-x", width, "-y", height, "-c", self.folder, "-e", "PS1=$ ",
                  *(word for item in env.items() for word in ("-e", "=".join(item))), "bash --norc --noprofile -i")
        self.pid = int(self.tmux("display-message", "-p", "#{pane_pid}"))

    def tmux(self, *arguments):
        command = ["tmux", "-S", f"{self.socket.name}/s", "-f", "/dev/null", *map(str, arguments)]
        return subprocess.run(command, env=self.env, check=True, capture_output=True, text=True, timeout=PATIENCE).stdout

    def close(self):
        self.tmux("kill-server")
        self.socket.cleanup()
        assert not [*self.folder.glob("sanitizer*")], [f.read_text() for f in self.folder.glob("sanitizer*")]

    def keys(self, *keys):
        self.tmux("send-keys", *keys)

    def resize(self, width, height):
        self.tmux("resize-window", "-x", width, "-y", height)

    def text(self, *options):
        return self.tmux("capture-pane", "-p", *options)

    def wait(self, pattern, *options):
        """Until the terminal shows it; what it shows then."""
        deadline = time.monotonic() + PATIENCE
        while not re.search(pattern, text := self.text(*options), re.M):
            assert time.monotonic() < deadline, f"no {pattern} in\n{text}"
            time.sleep(0.02)
        return text

    def run(self, *command, term=None):
        """Like a person would, with `stty -a' before and after, and the exit status shown."""
        words = " ".join(shlex.quote(str(w)) for w in command)
        script = self.folder / "run.sh"
        script.write_text(f"clear; stty -a >before; {f'TERM={term} ' if term is not None else ''}{words}\n"
                          "echo exit=$?=; stty -a >after\n")
        self.keys(". ./run.sh", "Enter")

    def child(self):
        """The process id of what the shell runs."""
        children = pathlib.Path(f"/proc/{self.pid}/task/{self.pid}/children")
        deadline = time.monotonic() + PATIENCE
        while not (found := children.read_text().split()):
            assert time.monotonic() < deadline, "nothing runs"
        return int(found[0])

    def wait_exit(self):
        """Until pgrok has ended; its exit status. The terminal is to be as before then."""
        code = int(re.search(r"exit=(\d+)=", self.wait(r"exit=\d+="))[1])
        self.keys("echo all-is-well", "Enter")
        self.wait("^all-is-well")
        self.assert_sane()
        return code

    def assert_sane(self):
        size = re.compile(r"rows \d+; columns \d+;")
        before, after = (size.sub("", (self.folder / name).read_text()) for name in ("before", "after"))
        assert before == after
        assert self.tmux("display-message", "-p", "#{alternate_on} #{cursor_flag} #{keypad_flag}").split() == ["0", "1", "0"]


@pytest.fixture
def terminal(place):
    return place.keep(Terminal(place))


def command(server, *arguments, dev=True):
    """A pgrok towards SERVER."""
    words = [PGROK, *(["--dev"] if dev else []), "--server", server.address]
    if TRANSPORT:
        words.append(f"--transport={TRANSPORT}")
    return [*words, *arguments]


def start(terminal, server, *arguments, **options):
    """Returns the host names once the tunnels are there."""
    terminal.run(*command(server, *arguments, **options))
    return re.findall(r"//([a-z0-9-]+\.localhost)", terminal.wait(r"//\S+\.localhost"))


def ask(server, host, path="/hello"):
    return visit.exchange(server.http, visit.head(host, path)).status


# What it shows

@pytest.mark.parametrize("width, height", [(80, 24), (40, 10), (200, 60)])
def test_a_page_fits_its_terminal(place, server, width, height):
    terminal = place.keep(Terminal(place, width, height))
    host = start(terminal, server, "--subdomain", "demo", "--proto", "http", str(place.http().port))[0]
    assert [ask(server, host) for _ in range(20)] == [200] * 20
    text = terminal.wait(r"20 in all|open of 20")
    assert re.search(r"^(\d\d:\d\d:\d\d  )?GET +/hello +200 +[0-9.]+ ms$", text, re.M)
    rows = text.split("\n")
    assert rows[0].startswith("pgrok") and "q ends" in rows[0] and "online" in text
    assert f"http://{host}" in text and re.search(r"p50 [0-9.]+ m?s", text)
    assert len(rows) == height + 1 and (rows[height - 1] or height > 40), "events fill what is left"
    terminal.keys("q")
    assert terminal.wait_exit() == 0
    assert f"Closed http://{host}" in terminal.text("-S", "-")


def test_resizes_while_visitors_come(place, server, terminal):
    host = start(terminal, server, "--subdomain", "demo", str(place.http().port))[0]
    enough = threading.Event()

    def visits():
        while not enough.is_set():
            assert ask(server, host) == 200

    visitor = threading.Thread(target=visits, daemon=True)
    visitor.start()
    with contextlib.ExitStack() as stack:
        stack.callback(visitor.join, PATIENCE)
        stack.callback(enough.set)
        for width, height in [(40, 10), (200, 60), (7, 3), (1, 1), (120, 5), (80, 24)] * 3:
            terminal.resize(width, height)
            if width >= 40:
                terminal.wait(r"\Apgrok .* q ends\n" if width < 60 or height < 16 else r"\Apgrok +q ends\n\nStatus")
    rows = terminal.wait(r"0 open, \d+ in all").split("\n")
    assert len(rows) == 25 and all(len(r) <= 80 for r in rows)
    assert [r[:10].strip() for r in rows[:4]] == ["pgrok", "", "Status", "Server"]
    assert re.match(r"\d\d:\d\d:\d\d  GET +/hello +200 ", rows[22])
    terminal.keys("q")
    assert terminal.wait_exit() == 0


def test_all_sessions_of_a_client_tell_the_same_page(place, server, terminal):
    config = place.write("several.conf", "client: { connections = 4; };\n")
    host = start(terminal, server, "--config", config, "--subdomain", "demo", "--proto", "http", str(place.http().port))[0]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda _: ask(server, host), range(200))) == {200}
    terminal.wait(r"^Connections +0 open, 200 in all")
    terminal.keys("q")
    assert terminal.wait_exit() == 0


def test_the_account_is_shown_and_told(place):
    tokens = Tokens(place, line("alice", ALICE))
    terminal = place.keep(Terminal(place, PGROK_TOKEN=ALICE))
    options = ["--ca-file", place.certificate()[0], "--subdomain", "demo", str(place.http().port)]
    terminal.run(*command(tokens.server, *options, dev=False))
    text = terminal.wait("//demo.tunnel.test")
    assert re.search(r"^Account +alice$", text, re.M) and re.search(r"^Server .*, version \d", text, re.M)
    assert ALICE not in text
    terminal.keys("q")
    assert terminal.wait_exit() == 0
    client = place.client(tokens.server, "--token", ALICE, *options, dev=False)
    assert client.wait_event("online")["user"] == "alice"


def test_the_round_trip_is_measured_and_the_inspector_shown(place, server, terminal):
    start(terminal, server, "--transport=mux", "9")
    assert re.search(r"^Inspector +http://127\.0\.0\.1:40\d\d$", terminal.wait(r"^Round trip +[0-9.]+ ms"), re.M)


def test_what_is_lost_says_why_and_counts_down(place, terminal):
    server = place.server()
    start(terminal, server, "--subdomain", "demo", "9")
    server.kill()
    text = terminal.wait(r"^Status +offline, next attempt in \ds")
    assert re.search(r"^Reason +\w", text, re.M) and "//demo.localhost" in text
    terminal.wait(r"^Reason .*refused")
    place.server(*server.again())
    terminal.wait(r"^Status +online")


def test_what_others_write_is_harmless(place, terminal):
    go = place.keep(place.hand_server())
    evil = "\x1b]0;evil\x07\x1b[2J\x9b2J\r\n\u202e"
    terminal.run(*command(go, "--transport=classic", "--ca-file", go.ca, "--token", "x", "--proto", "tcp",
                          str(place.keep(local.EchoService()).port), dev=False))
    url = go.grant(go.session(MmVersion=f"1.7{evil}"))[0]
    terminal.wait(r"^Server .*version 1\.7\\x1b\]0;evil\\x07\\x1b\[2J")
    visitor = go.visit(url, address=evil + "192.0.2.7")
    visitor.wire.sendall(b"x")
    visitor.close()
    terminal.wait(r"^\d\d:\d\d:\d\d  tcp +\\x1b\]0;evil\\x07")
    assert terminal.tmux("display-message", "-p", "#{pane_title}").strip() != "evil"
    terminal.keys("q")
    assert terminal.wait_exit() == 0


def test_messages_of_the_log_have_their_row(place, terminal):
    go = place.keep(place.hand_server())
    log = place.folder / "own.log"
    terminal.run(*command(go, "--transport=classic", "--ca-file", go.ca, "--token", "x", "--log", log, "9", dev=False))
    control = go.session()
    go.grant(control)
    go.visit("http://unknown.localhost")
    rows = terminal.wait("no tunnel of ours").split("\n")
    assert rows[23].startswith("A visitor came for http://unknown.localhost") and rows[0].startswith("pgrok")
    assert "no tunnel of ours" in log.read_text()


@pytest.mark.parametrize("env, red", [({}, "\x1b[31m"), ({"NO_COLOR": "1"}, "")])
def test_a_status_has_its_color(place, server, env, red):
    terminal = place.keep(Terminal(place, **env))
    host = start(terminal, server, "--subdomain", "demo", "9")[0]
    assert ask(server, host) == 502
    text = terminal.wait("502", "-e")
    assert f"{red}502" in text and bool(re.search(r"\x1b\[3[0-7]m", text)) == bool(red)


def test_more_tunnels_than_fit_are_counted(place, server):
    terminal = place.keep(Terminal(place, 40, 10))
    terminal.run(*command(server, "--proto", "http", *(str(p) for p in range(3000, 3012))))
    terminal.wait(r"^and [1-9] more: `pgrok status' has all")


# When there is none

@pytest.mark.parametrize("term, arguments", [
    ("dumb", []), ("no-such-terminal", []), ("", []), (None, ["--output", "text"]), (None, ["--log", "stdout"])])
def test_lines_where_a_screen_can_not_be_or_is_not_wanted(place, server, terminal, term, arguments):
    terminal.run(*command(server, "--subdomain", "demo", "--proto", "http", *arguments, "9"), term=term)
    terminal.wait(r"^Tunnel http://demo.localhost\S* -> 127.0.0.1:9")
    assert terminal.tmux("display-message", "-p", "#{alternate_on}").strip() == "0"
    terminal.keys("C-c")
    assert terminal.wait_exit() == 0


def test_in_the_background_there_are_lines(place, server, terminal):
    terminal.keys(shlex.join(map(str, command(server, "--subdomain", "demo", "--proto", "http", "9"))) + " & pid=$!", "Enter")
    terminal.wait(r"^Tunnel http://demo.localhost\S* -> 127.0.0.1:9")
    terminal.keys("kill $pid; wait $pid; echo code=$?=", "Enter")
    terminal.wait("code=0=")


# How it ends

@pytest.mark.parametrize("key", ["q", "C-c"])
def test_a_key_ends_it(place, server, terminal, key):
    start(terminal, server, "9")
    terminal.keys(key)
    assert terminal.wait_exit() == 0


ENDINGS = [(signal.SIGTERM, 0), (signal.SIGHUP, 0), (signal.SIGQUIT, 131), (signal.SIGUSR1, 138), (signal.SIGABRT, 134),
           (signal.SIGSEGV, 139), (signal.SIGBUS, 135), (signal.SIGFPE, 136)]


@pytest.mark.parametrize("number, code", ENDINGS, ids=[s.name for s, _ in ENDINGS])
def test_a_signal_leaves_the_terminal_sane(place, server, terminal, number, code):
    start(terminal, server, "9")
    os.kill(terminal.child(), number)
    assert terminal.wait_exit() == code or SANITIZED
    for report in place.folder.glob("sanitizer*"):  # of the crash that was asked for
        report.unlink()


def test_a_refusal_is_told_once_the_screen_is_left(place, server, terminal):
    taken = place.hand_client(server)
    taken.tunnel("http", Subdomain="taken")
    terminal.run(*command(server, "--subdomain", "taken", "--proto", "http", "9"))
    assert terminal.wait_exit() == 3
    assert re.search(r"^pgrok: Tunnel \S+: The tunnel http://taken\.localhost\S* is already", terminal.text("-J"), re.M)


def test_a_stop_gives_the_terminal_back_until_it_goes_on(place, server, terminal):
    start(terminal, server, "--subdomain", "demo", "9")
    terminal.keys("C-z")
    assert terminal.wait_exit() in (147, 148)  # SIGSTOP, SIGTSTP
    terminal.keys("clear; fg", "Enter")
    terminal.wait(r"\Apgrok .*q ends\n(.*\n)*Forwarding +http://demo")
    terminal.keys("C-z")
    terminal.wait("Stopped")
    terminal.keys("clear; bg; echo in-the-background", "Enter")
    assert "q ends" not in terminal.wait("^in-the-background")
    terminal.keys("fg", "Enter")
    terminal.wait(r"\Apgrok .*q ends\n(.*\n)*Forwarding +http://demo")
    terminal.keys("q")
    terminal.wait("^Closed http://demo")
    terminal.assert_sane()


def test_what_is_stopped_by_others_goes_on_in_the_background(place, server, terminal):
    host = start(terminal, server, "--subdomain", "demo", str(place.http().port))[0]
    os.kill(terminal.child(), signal.SIGSTOP)
    assert "Stopped" in terminal.wait("exit=147=")
    terminal.keys("clear; bg", "Enter")
    assert ask(server, host) == 200
    terminal.keys("clear; stty sane; echo still-$((40 + 2))", "Enter")
    assert "q ends" not in terminal.wait("^still-42")
    terminal.keys("fg", "Enter")
    terminal.wait(r"\Apgrok .*q ends\n(.*\n)*Forwarding +http://demo")
    terminal.keys("q")
    terminal.wait("^Closed http://demo")


def test_a_terminal_that_takes_nothing_holds_up_nobody(place, server, terminal):
    host = start(terminal, server, "--subdomain", "demo", str(place.http().port))[0]
    terminal.keys("C-s")
    for _ in range(300):
        assert ask(server, host) == 200
    os.kill(terminal.child(), signal.SIGWINCH)
    assert ask(server, host) == 200
    terminal.keys("C-q")
    terminal.wait("301 in all")
    terminal.keys("C-s")
    os.kill(terminal.child(), signal.SIGTERM)
    terminal.keys("C-q")
    assert terminal.wait_exit() == 0


def test_status_and_changes_work_beside_it(place, server, terminal):
    start(terminal, server, "--subdomain", "demo", "--proto", "http", "9")
    added = subprocess.run([PGROK, "add", "--subdomain", "more", "--proto", "http", "10"], env=place.env,
                           capture_output=True, text=True, timeout=PATIENCE)
    assert added.returncode == 0, added.stderr
    terminal.wait(r"^ +http://more.localhost")
    removed = subprocess.run([PGROK, "remove", "10"], env=place.env, capture_output=True, text=True, timeout=PATIENCE)
    assert removed.returncode == 0, removed.stderr
    terminal.wait(r"\A(?:(?!more\.localhost)[\s\S])*\Z")
