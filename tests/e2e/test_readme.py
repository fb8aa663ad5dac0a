# SPDX-License-Identifier: LGPL-2.1-or-later
"""What README and the man pages show is tried as it is printed, on a machine of its own: commands are typed,
configurations are checked. Who writes another one into a page says here what is to be seen then."""

import re
from dataclasses import dataclass

import pytest

import machine
import pages
from daemons import TOP

pytestmark = pytest.mark.skipif(not machine.can_be_made(), reason="namespaces can't be made here")

FETCH = 'curl -fsS -H "Host: ${1#http://}" "http://127.0.0.1:${2:-80}/"'  # through the tunnel of URL, from PORT
PAGE = "<title>Directory listing"


@dataclass
class Ends:
    """It ends by itself, with STATUS, and has said PATTERN."""
    pattern: str = ""
    status: int = 0

    def walk(self, here, command):
        done = here.run(command)
        said = done.stdout + done.stderr
        assert done.returncode == self.status and re.search(self.pattern, said, re.M), f"{command}\n{said}"
        return said


class Adds(Ends):
    """A user more, whom the server knows soon, if it runs."""

    def walk(self, here, command):
        log = here.home / "pgrokd.log"
        count = 'grep -c "Read the tokens" pgrokd.log'
        before = int(here.run(count).stdout) if log.exists() else None
        said = super().walk(here, command)
        if before is not None:
            here.run(f"until [ $({count}) -gt {before} ]; do sleep 0.05; done")
        return said


@dataclass
class Tells:
    """It runs until it is stopped, which happens when it has said PATTERN and the script THEN, whose arguments are
    the groups of that, has said what is ANSWERED; or only when the command LASTS has been tried too."""
    pattern: str
    then: str = "true"
    answered: str = ""
    lasts: str = ""

    def walk(self, here, command):
        started = here.start(command, self.pattern)
        said = started[2].read_text()
        groups = " ".join(f"'{group}'" for group in re.search(self.pattern, said, re.M).groups())
        done = here.run(f"set -- {groups}; {self.then}")
        assert done.returncode == 0 and self.answered in done.stdout, f"{command}\n{said}\n{done.stdout}{done.stderr}"
        if not self.lasts:
            here.stop(started)
        return said


@dataclass
class Elsewhere:
    """It is not for here, for a REASON."""
    reason: str

    def walk(self, here, command):
        """Nothing happens."""


URL = r"^Tunnel (http://\S+) -> 127.0.0.1:\d+"
SERVES = Tells(URL, FETCH, PAGE)
PACKAGE = Elsewhere("tests/system installs the package on a machine that systemd has booted")
JOURNAL = Elsewhere("there is no journal: tests/system looks into it")

DEV_CURL = "curl --cacert ~/.local/state/pgrok/dev/ca.pem https://demo.localhost:8443/"

# In the order in which they are tried, by the line that they begin with.
WALKS = {
    "README": [
        ("tools/demo", Elsewhere("it builds the tree anew, which takes too long here")),
        ("tools/check", Elsewhere("it is what runs this")),
        ("pgrokd --dev", Tells("^Ready: domain=localhost ", lasts="pgrok --dev 3000")),
        ("pgrok --dev 3000", Tells(r"^Tunnel (http://\S+):(8080) -> 127.0.0.1:3000", FETCH, PAGE)),
        ("apt-get update && apt-get build-dep -y .", PACKAGE),
        ("dpkg-buildpackage -us -uc -b && apt-get install -y ../pgrok_*.deb", PACKAGE),
        ("autoreconf -fi && ./configure --prefix=/usr && make && make install && systemd-sysusers && "
         "systemd-tmpfiles --create", Elsewhere("test_commands.py installs what is built; distcheck does all of it")),
        ("ufw allow proto tcp to any port 80,443,4443,20000:29999", Elsewhere("there is no firewall")),
        ("cat >/etc/pgrok/domain.conf <<'EOF'", Ends()),
        ("systemctl enable --now pgrokd", Ends()),
        ("apt-get install -y certbot", Elsewhere("a stand-in is there")),
        ("install -d -m 750 -g pgrok /etc/pgrok/tls", Ends()),
        ("install -m 755 /usr/share/doc/pgrok/examples/certbot-deploy-hook /etc/pgrok/deploy", Ends()),
        ("certbot certonly --manual --preferred-challenges dns -d tunnel.example.com -d '*.tunnel.example.com' \\",
         Ends()),
        ("mkdir -p /var/lib/acme", Ends()),
        ("echo 'server: { tls: { acme_webroot = \"/var/lib/acme\"; }; };' >/etc/pgrok/acme.conf", Ends()),
        ("systemctl reload pgrokd", Ends()),
        ("certbot certonly --webroot -w /var/lib/acme -d tunnel.example.com -d blog.tunnel.example.com \\", Ends()),
        ("cat >/etc/pgrok/certificate.conf <<'EOF'", Ends()),
        ("systemctl reload pgrokd", Ends()),
        ("pgrokctl token add alice", Adds("^pgrok login --server tunnel.example.com:4443 .*([0-9a-f]{64})$")),
        ("pgrokctl token add bob subdomains=bob,bob-* max_tunnels=4 expires=2027-12-31", Adds("^pgrok login ")),
        ("pgrok login --server tunnel.example.com:4443 TOKEN", Ends()),
        ("pgrok login --pin '' TOKEN", Ends()),
        ("pgrok 3000", SERVES),
        ("pgrok --subdomain demo 3000", Tells(r"^Tunnel (http://demo.tunnel.example.com) ->", FETCH, PAGE)),
        ("pgrok --http-auth me:secret 3000", Tells(URL, f"{FETCH} -u me:secret; ! {FETCH}", PAGE)),
        ("pgrok tcp --remote-port 20022 22", Tells(r"^Tunnel tcp://tunnel.example.com:20022 -> ",
                                                   "ssh -p 20022 tunnel.example.com", "SSH-2.0")),
        ("pgrok serve ~/public", Tells(r"^Tunnel (http://\S+) -> file:", FETCH, "hello.txt")),
        ("pgrok tls --subdomain own 8443", Tells("^Tunnel tls://own.tunnel.example.com -> 127.0.0.1:8443")),
        ("pgrok --json 3000", Tells(r'"event": ?"tunnel".*"url": ?"(http://[^"]*)"', FETCH, PAGE)),
        ("cat >/etc/pgrok/tunnels.conf <<'EOF'", Ends()),
        ("pgrok check", Ends()),
        ("systemctl enable --now pgrok", Ends()),
        ("pgrok status", Ends("http://blog.tunnel.example.com")),
        ("pgrok add --subdomain test 3000", Ends()),
        ("pgrokctl status", Ends("tunnel.example.com")),
        ("pgrokctl tunnels", Ends("blog.tunnel.example.com(.|\n)*test.tunnel.example.com")),
        ("journalctl -u pgrokd", JOURNAL),
    ],
    "man/pgrok.1": [
        ("$ pgrok --server tunnel.example.com 3000", SERVES),
        ("pgrok --server tunnel.example.com --subdomain demo --http-auth me:secret 8000",
         Tells(r"^Tunnel (http://demo.tunnel.example.com) ->", f"{FETCH} -u me:secret", PAGE)),
        ("pgrok --server tunnel.example.com tcp --remote-port 20022 22",
         Tells(r"^Tunnel tcp://tunnel.example.com:20022 -> ", lasts="ssh -p 20022 tunnel.example.com")),
        ("ssh -p 20022 tunnel.example.com", Ends("SSH-2.0")),
        ("pgrok serve --subdomain demo ~/public", Tells(r"^Tunnel (http://demo.tunnel.example.com) -> file:",
                                                        FETCH, "hello.txt")),
        ("systemctl enable --now pgrok", Ends()),
        ("pgrok status", Ends("http://blog.tunnel.example.com")),
        ("pgrok add --subdomain test 3000", Ends()),
        ("pgrok --json 3000 | jq --unbuffered -r 'select(.event == \"tunnel\").url'",
         Tells("^http://(.*)$", FETCH, PAGE)),
    ],
    "man/pgrokctl.1": [
        ("curl --unix-socket /run/pgrokd/control.sock http://localhost/v1/status", Ends('"tunnel.example.com"')),
        ("pgrokctl token add alice subdomains=alice,blog max_tunnels=4 expires=2026-12-31", Adds("^pgrok login ")),
        ("adduser bob pgrok-admin", Elsewhere("there are no users; tests/system has one of that group")),
        ("pgrokctl --json connections | jq '.connections | sort_by(-.bytes_out)[:3]'", Ends(r"^\[")),
    ],
    "man/pgrok-tokens.5": [
        ("pgrokctl token add alice subdomains=alice,a-* max_tunnels=4", Adds("^pgrok login ")),
        ("token=$(openssl rand -hex 32)", Ends()),
        ('printf %s "$token" | sha256sum', Ends("^[0-9a-f]{64} ")),
    ],
    "man/pgrokd.conf.5": [
        ("mkdir -p /var/lib/acme && systemctl reload pgrokd", Ends()),
        ("certbot certonly --webroot -w /var/lib/acme \\", Ends()),
    ],
    "man/pgrokd.8": [
        ("pgrokd --dev", Tells("^Ready: domain=localhost ", lasts=DEV_CURL)),
        ("pgrok --dev --subdomain demo 3000", Tells("^Tunnel https://", lasts=DEV_CURL)),
        (DEV_CURL, Ends(PAGE)),
        ("systemctl enable --now pgrokd", Elsewhere("it comes once more, below, behind a configuration")),
        ("cat >/etc/pgrok/pgrokd.conf <<'EOF'", Ends()),
        ("mkdir -p /etc/systemd/system/pgrokd.service.d", Ends()),
        ("cat >/etc/systemd/system/pgrokd.service.d/tls.conf <<'EOF'", Ends()),
        ("pgrokctl token add alice", Adds("^pgrok login ")),
        ("systemctl daemon-reload", Ends()),
        ("systemctl enable --now pgrokd", Ends()),
        ("journalctl -u pgrokd PGROK_EVENT=refused --since today", JOURNAL),
    ],
    "man/pgrok-protocol.7": [
        ("frame() {", Ends(r'"AuthResp"(.|\n)*"NewTunnel".*"Url":"http://[a-z-]+.localhost:8080"')),
    ],
}

# What else is shown, by how it begins.
NO_COMMANDS = r"""
    Tunnel\ http | Status\ +online | pgrok\ +q\ ends | visitors\ +your | browser\ ── |
    tunnel.example.com.\ +A | man\ pgrok | pgrok\ +ngrok |    # README
    server_addr: | serverAddr | \[client.services |         # of others
    alice\ sha256:HEX | alice\ sha256:4 |                     # token files: tried below
    \{" | CONNECT\ /_ |                                     # messages
    \[(Socket|Service)\] | \#!/bin/sh                                 # files: the second is written before it is named
"""


def is_configuration(block):
    return re.match(r"(server|client|tunnels): \{", block)


def shown_commands(page):
    """Those of a block that isn't something else; what comes before the output that is shown behind it."""
    found = []
    for block in pages.blocks(page):
        if block.startswith("frame()"):  # a script
            found.append(block)
        elif not is_configuration(block) and not re.match(NO_COMMANDS, block.lstrip(), re.X):
            found += [c for c in pages.commands(block) if not re.match("Online at |Tunnel http", c)]
    return found


def key(command):
    return "frame() {" if command.startswith("frame()") else pages.key(command)


def plain(command):
    """Without what shows that it is one, and in the foreground."""
    return command if "\n" in command else key(command).removeprefix("$ ")


@pytest.mark.parametrize("page", pages.PAGES)
def test_each_command_of_a_page_is_known_here(page):
    shown = sorted(key(c) for c in shown_commands(page))
    known = sorted(k for k, _ in WALKS.get(page, []))
    assert shown == known, "WALKS says what is to be seen when a command of a page is typed"


@pytest.fixture
def here(place):
    made = machine.Machine(place)
    made.run("mkdir ~/public; echo hello >~/public/hello.txt")
    for port in (3000, 8000):
        made.start(f"python3 -u -m http.server {port} --bind 127.0.0.1 --directory /etc/pgrok", "^Serving HTTP")
    made.start("""python3 -uc 'import socket
listener = socket.create_server(("127.0.0.1", 22))
print("listening")
while True: listener.accept()[0].sendall(b"SSH-2.0-test\\r\\n")'""", "^listening")
    return made


def log_in(here):
    """What has been done before, where it isn't on the page."""
    Ends().walk(here, """echo 'server: { domain = "tunnel.example.com"; };' >/etc/pgrok/domain.conf
echo 'tunnels: { blog: { local = "8000"; }; };' >/etc/pgrok/tunnels.conf; systemctl enable --now pgrokd""")
    Ends().walk(here, Adds().walk(here, "pgrokctl token add test"))


BEFORE = {
    "man/pgrok.1": log_in,
    "man/pgrokctl.1": log_in,
    "man/pgrokd.conf.5": log_in,
    "man/pgrok-protocol.7": lambda here: here.start("pgrokd --dev", "^Ready:"),
}


@pytest.mark.parametrize("page", WALKS)
def test_commands_do_what_the_page_says(here, page):
    BEFORE.get(page, lambda here: None)(here)
    for block in pages.blocks(page):
        if block.startswith("#!/bin/sh"):
            here.run("cat >/etc/pgrok/deploy; chmod 755 /etc/pgrok/deploy", stdin=block + "\n")
    left, token = shown_commands(page), "TOKEN"
    lasting = {k: trial.lasts for k, trial in WALKS[page] if isinstance(trial, Tells) and trial.lasts}
    for wanted, trial in WALKS[page]:
        command = next(c for c in left if key(c) == wanted)
        left.remove(command)
        said = trial.walk(here, plain(command).replace("TOKEN", token))
        for started in [s for s in here.running if lasting.get(s[0]) == wanted]:
            here.stop(started)
        found = re.search("^pgrok login .* ([0-9a-f]{64})$", said or "", re.M)
        token = found[1] if found and "alice" in command else token
    assert not left


CONFIGURATIONS = [(page, block) for page in pages.PAGES for block in pages.blocks(page) if is_configuration(block)]


@pytest.mark.parametrize(("page", "block"), CONFIGURATIONS,
                         ids=[f"{page}-{i}" for i, (page, _) in enumerate(CONFIGURATIONS)])
def test_a_configuration_that_is_shown_is_right(place, page, block):
    """With the files that it names, and with what a part of one leaves out."""
    here = machine.Machine(place)
    done = here.run("""set -e; cd /etc/pgrok; rm *.conf; mkdir -p /var/lib/acme
echo secret >token; cp token webhook.secret
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=tunnel.example.com \
        -addext "subjectAltName=DNS:tunnel.example.com,DNS:*.tunnel.example.com" -keyout privkey.pem -out fullchain.pem
cp fullchain.pem client-ca.pem; cat >shown.conf""", stdin=block + "\n")
    assert done.returncode == 0, done.stderr
    if block.startswith("server:"):
        done = here.run("pgrokd --check" + (" --auth token-file" if "auth:" not in block else ""))
    else:
        done = here.run("pgrok check")
    assert done.returncode == 0, f"{page}\n{block}\n{done.stdout}{done.stderr}"


@pytest.mark.parametrize("page", ["man/pgrok-tokens.5", "man/pgrok-migration.7"])
def test_a_token_file_that_is_shown_is_right(place, page):
    here = machine.Machine(place)
    block = next(b for b in pages.blocks(page) if b.startswith("alice sha"))
    lines = block.replace("sha256:HEX", f"sha256:{'ab' * 32}")
    done = here.run("cat >/etc/pgrok/tokens; pgrokd --check --domain tunnel.example.com", stdin=lines + "\n")
    assert done.returncode == 0, done.stderr


def test_readme_begins_with_the_two_commands_that_do_everything():
    assert pages.commands(pages.blocks("README")[0])[0].startswith("tools/demo ")
    assert (TOP / "README").read_text().index("tools/check") < 400
