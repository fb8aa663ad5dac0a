# SPDX-License-Identifier: LGPL-2.1-or-later
"""A machine of its own for a test that types what the documentation says: namespaces in which all ports are free,
with its own /etc, /run, /var/lib and /usr/share/doc, where the programs are installed and the names of the examples
lead to it. What it has no systemd, certification authority or firewall for is done by the stand-ins, which say what
they do instead."""

import os
import re
import shutil
import subprocess
import time

from daemons import BUILD, PATIENCE, PGROK, PGROKCTL, PGROKD, SANITIZER_REPORT, TOP

# Loopback addresses, so that everything stays here.
HOSTS = """127.0.0.1 localhost tunnel.example.com blog.tunnel.example.com demo.tunnel.example.com
127.0.0.1 test.tunnel.example.com tunnel.example.org
"""

SET_UP = r"""
ip link set lo up && mount --bind "$1/etc" /etc && mount -t tmpfs none /run && mount -t tmpfs none /var/lib &&
mount -t tmpfs none /usr/share/doc && mkdir -p /usr/share/doc/pgrok/examples && cp "$2"/doc/* "$2"/etc/*.conf \
        /usr/share/doc/pgrok/examples && echo ready && exec cat
"""

STAND_INS = {
    # starts what the unit starts, without its sandbox, and waits until it is ready
    "systemctl": """
start() { # UNIT PATTERN COMMAND...
        unit=$1 pattern=$2
        shift 2
        "$@" >"$HOME/$unit.log" 2>&1 </dev/null &
        echo $! >>"$HOME/pids"
        for _ in $(seq 600); do
                ! grep -q "$pattern" "$HOME/$unit.log" || return 0
                sleep 0.1
        done
        cat "$HOME/$unit.log" >&2
        return 1
}
case $* in
"enable --now pgrokd") start pgrokd ^Ready: pgrokd ;;
"enable --now pgrok") start pgrok '"event": *"tunnel"' pgrok run --json ;;
"reload pgrokd") pgrokctl reload ;; # as its ExecReload=
daemon-reload) ;;
*) echo "systemctl $*: not known here" >&2; exit 1 ;;
esac
""",
    # signs by itself, is trusted by all here, and does what is to be done afterwards
    "certbot": """
names=
while [ $# -gt 0 ]; do
        case $1 in
        -d) names="$names,DNS:$2"; shift ;;
        --deploy-hook) hook=$2; shift ;;
        esac
        shift
done
export RENEWED_LINEAGE=/etc/letsencrypt/live/tunnel.example.com
mkdir -p $RENEWED_LINEAGE
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=tunnel.example.com \
        -addext "subjectAltName=${names#,}" -keyout $RENEWED_LINEAGE/privkey.pem -out $RENEWED_LINEAGE/fullchain.pem
cat $RENEWED_LINEAGE/fullchain.pem >>/etc/ssl/certs/ca-certificates.crt
exec "$hook"
""",
    # what the server of the other end says first: as far as a tunnel goes
    "ssh": """
exec python3 -c 'import socket, sys
print(socket.create_connection((sys.argv[2], sys.argv[1])).recv(99))' "$2" "$3"
""",
}


class Machine:
    def __init__(self, place):
        self.folder = place.folder / "machine"
        self.home = self.folder / "root"
        self.home.mkdir(parents=True)
        self.running = []
        self._make_etc()
        self._make_programs()
        self.env = {**{k: v for k, v in place.env.items() if not k.startswith("XDG_") and k != "RUNTIME_DIRECTORY"},
                    "HOME": str(self.home), "PATH": f"{self.folder}/bin:{os.environ['PATH']}:/usr/sbin:/sbin"}
        self.keeper = subprocess.Popen(["unshare", "-rnm", "--", "sh", "-c", SET_UP, "sh", self.folder, TOP],
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=self.env)
        assert self.keeper.stdout.readline() == b"ready\n", "namespaces can't be made here"
        place.keep(self)

    def _make_etc(self):
        etc = self.folder / "etc"
        subprocess.run(["cp", "-a", "/etc", etc], capture_output=True, check=False)  # some files are for root only
        shutil.rmtree(etc / "pgrok", ignore_errors=True)
        (etc / "pgrok").mkdir()
        for example in (TOP / "etc").glob("*.conf"):  # as the package has them
            shutil.copy(example, etc / "pgrok")
        (etc / "pgrok/tokens").touch()
        (etc / "hosts").write_text(HOSTS)
        (etc / "hostname").write_text("tunnel\n")
        with open(etc / "group", "a", encoding="utf8") as groups:
            groups.write("pgrok:x:0:\n")  # the one group that there is

    def _make_programs(self):
        folder = self.folder / "bin"
        folder.mkdir()
        for program in (PGROKD, PGROK, PGROKCTL):
            (folder / program.name).symlink_to(program)
        for name, script in STAND_INS.items():
            (folder / name).write_text(f"#!/bin/sh\n{script}")
            (folder / name).chmod(0o755)

    def _command(self, script):
        return ["nsenter", "-t", str(self.keeper.pid), "-U", "-n", "-m", "--preserve-credentials", f"--wd={self.home}",
                "--", "sh", "-c", script]

    def run(self, script, stdin=""):
        """To its end: what it says on both outputs, and its exit status."""
        done = subprocess.run(self._command(script), input=stdin, capture_output=True, text=True, env=self.env,
                              timeout=3 * PATIENCE, check=False)
        assert not SANITIZER_REPORT.search(done.stderr), done.stderr
        return done

    def start(self, script, pattern):
        """Until its output has PATTERN; what it says on. It ends with the machine, or by stop()."""
        log = self.home / f"log-{len(self.running)}"
        with open(log, "wb") as output:
            process = subprocess.Popen(self._command(script), stdin=subprocess.DEVNULL, stdout=output,
                                       stderr=subprocess.STDOUT, env=self.env, start_new_session=True)
        self.running.append((script, process, log))
        deadline = time.monotonic() + PATIENCE
        while not re.search(pattern, log.read_text(), re.M):
            assert process.poll() is None and time.monotonic() < deadline, f"{script}\n{log.read_text()}"
            time.sleep(0.02)
        return self.running[-1]

    @staticmethod
    def stop(started):
        script, process, log = started
        if process.poll() is None:
            os.killpg(process.pid, 15)
        process.wait(PATIENCE)
        assert not SANITIZER_REPORT.search(log.read_text()), f"{script}\n{log.read_text()}"

    def close(self):
        for started in reversed(self.running):
            self.stop(started)
        pids = self.home / "pids"
        if pids.exists():
            self.run("for pid in $(tac pids); do kill $pid; while kill -0 $pid; do sleep 0.1; done; done")
        self.keeper.stdin.close()
        self.keeper.wait(PATIENCE)
        self.keeper.stdout.close()
        for log in self.home.glob("*.log"):
            assert not SANITIZER_REPORT.search(log.read_text()), log.read_text()


def can_be_made():
    return subprocess.run(["unshare", "-rnm", "ip", "link", "set", "lo", "up"], capture_output=True,
                          check=False).returncode == 0
