# SPDX-License-Identifier: LGPL-2.1-or-later
"""Real programs through TCP tunnels: ssh, PostgreSQL, netcat."""

import getpass
import glob
import os
import pathlib
import shutil
import socket
import subprocess

import pytest

import local
from daemons import PATIENCE

SSHD = shutil.which("sshd", path=os.environ["PATH"] + ":/usr/sbin")
POSTGRES = sorted(glob.glob("/usr/lib/postgresql/*/bin"))
NC = shutil.which("nc")


def run(*arguments, **options):
    done = subprocess.run([str(a) for a in arguments], capture_output=True, timeout=PATIENCE, **options)
    assert done.returncode == 0, (done.stdout + done.stderr).decode(errors="replace")
    return done.stdout


def wait_until_open(process, address, family=socket.AF_INET):
    """Until something accepts at ADDRESS: the programs have no ready line."""
    while process.poll() is None:
        try:
            with socket.socket(family) as probe:
                probe.connect(address)
            return
        except OSError:
            try:
                process.wait(0.05)
            except subprocess.TimeoutExpired:
                pass
    raise AssertionError(process.stdout.read().decode(errors="replace"))


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as s:
        return s.getsockname()[1]


class Program:
    def __init__(self, *arguments, **options):
        self.process = subprocess.Popen([str(a) for a in arguments], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)

    def close(self):
        self.process.terminate()
        self.process.wait(PATIENCE)
        self.process.stdout.close()


@pytest.mark.skipif(not SSHD, reason="sshd is not installed")
def test_ssh_works(place, server):
    folder, port = place.folder, free_port()
    for key in ("host", "user"):
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / key)
    if os.getuid() == 0:
        pathlib.Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    config = place.write("sshd_config", f"""
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host
AuthorizedKeysFile {folder}/user.pub
PermitRootLogin yes
StrictModes no
UsePAM no
PidFile none
""")
    sshd = place.keep(Program(SSHD, "-D", "-e", "-f", config))
    wait_until_open(sshd.process, ("127.0.0.1", port))
    tunnel = place.client(server, "--proto", "tcp", str(port)).tunnel()
    ssh = ["ssh", "-F", "none", "-p", tunnel.port, "-i", folder / "user", "-o", "StrictHostKeyChecking=no",
           "-o", f"UserKnownHostsFile={folder}/known", "-o", "BatchMode=yes", f"{getpass.getuser()}@127.0.0.1"]
    assert run(*ssh, "echo", "hello from afar") == b"hello from afar\n"
    data = local.content("ssh", 3_000_000)
    assert run(*ssh, "cat", input=data) == data


@pytest.mark.skipif(not POSTGRES, reason="PostgreSQL is not installed")
def test_postgresql_works(place, server):
    as_user = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
    # its socket's path must be short, and its user can't enter pytest's folder
    folder = pathlib.Path(run(*as_user, "mktemp", "-d", "/tmp/pgrok-test.XXXXXX").decode().strip())
    try:
        run(*as_user, POSTGRES[-1] + "/initdb", "-A", "trust", "-U", "tester", "-D", folder / "data", cwd="/")
        port = free_port()
        postgres = Program(*as_user, POSTGRES[-1] + "/postgres", "-D", folder / "data", "-p", port,
                           "-c", "listen_addresses=127.0.0.1", "-k", folder, "-F", cwd="/")
        try:
            wait_until_open(postgres.process, ("127.0.0.1", port))
            tunnel = place.client(server, "--proto", "tcp", str(port)).tunnel()
            sql = "select count(*), sum(length(repeat(n::text, 1000))) from generate_series(1, 1000) n"
            assert run("psql", "-w", "-h", "127.0.0.1", "-p", tunnel.port, "-U", "tester", "-At", "-c", sql,
                       "postgres") == b"1000|2893000\n"
            rows = run("psql", "-w", "-h", "127.0.0.1", "-p", tunnel.port, "-U", "tester", "-At", "-c",
                       "select repeat('x', 1000) from generate_series(1, 5000)", "postgres")
            assert rows == b"x" * 1000 + b"\n" + rows[1001:] and len(rows) == 5000 * 1001
        finally:
            postgres.close()
    finally:
        shutil.rmtree(folder)


@pytest.mark.skipif(not NC, reason="nc is not installed")
def test_netcat_gets_the_answer_that_follows_its_end(place, server):
    service = place.keep(local.DigestService())
    tunnel = place.client(server, "--proto", "tcp", str(service.port)).tunnel()
    answer = subprocess.run(f"printf question | nc -N 127.0.0.1 {tunnel.port}", shell=True,
                            capture_output=True, timeout=PATIENCE).stdout
    assert answer.startswith(b"8 ")
