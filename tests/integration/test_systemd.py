# SPDX-License-Identifier: Apache-2.0
"""The unit under a real systemd: start, reload, watchdog, limits, credentials, and socket activation."""
import collections
import pathlib
import re
import shutil
import subprocess

import pytest

from support.daemon import sanitized
from support.systemd import PROGRAM, Machine, why_not
from support.wait import wait_until

UNITS = pathlib.Path(__file__).parents[2] / "contrib" / "systemd"
CONFIGURATION = """
[server]
hostname        = "mx.example.com"
workers         = 2
state_directory = "/var/lib/lsmtpd"
[[listener]]
name    = "mx"
address = "ADDRESS"
[limits]
connections_per_peer = 1000
[admin]
socket = "/run/lsmtpd/admin.sock"
http   = "127.0.0.1:9925"
MORE
[plugin.spool]
use     = "output_json_spool"
options = { directory = "/var/spool/lsmtpd" }
[chain.default]
steps = ["spool"]
"""
# A mail, in the machine.
SEND = """
import smtplib
with smtplib.SMTP("127.0.0.1", 25, "client.example", timeout=30) as client:
    client.sendmail("s@example.org", ["r@example.org"], b"Subject: x\\r\\n\\r\\nhello\\r\\n")
"""


def configuration(address="*:25", more=""):
    return CONFIGURATION.replace("ADDRESS", address).replace("MORE", more)


@pytest.fixture
def machine(tmp_path):
    if sanitized():
        pytest.skip("sanitizers need more than the unit allows")
    if reason := why_not():
        pytest.skip(f"no systemd of its own: {reason}")
    made = Machine(tmp_path)
    try:
        yield made.start()
    finally:
        made.end()


def test_the_unit_starts_serves_reloads_and_stops(machine):
    machine.install(configuration())
    machine.systemctl("start", "lsmtpd")  # Type=notify: it listens when this returns
    machine.python(SEND)
    wait_until(lambda: len(list(machine.path("/var/spool/lsmtpd").glob("*.json"))) == 1, 20, "the file of the mail")
    assert machine.show("lsmtpd", "StatusText").startswith("Serving 1 listener")
    assert machine.show("lsmtpd", "MemoryMax") == str(512 * 2**20)
    pid = machine.show("lsmtpd", "MainPID")
    limits = machine.run("cat", f"/proc/{pid}/limits").stdout
    assert re.search(r"Max core file size +0 +0 ", limits), limits

    machine.write("/etc/lsmtpd/lsmtpd.toml", configuration() + "[log]\nlevel = \"debug\"\n")
    machine.systemctl("reload", "lsmtpd")
    machine.write("/etc/lsmtpd/lsmtpd.toml", configuration() + "[log]\nlevel = \"loud\"\n")
    assert machine.systemctl("reload", "lsmtpd", check=False).returncode != 0
    assert "log.level" in machine.show("lsmtpd", "StatusText")
    machine.python(SEND)
    assert machine.show("lsmtpd", "MainPID") == pid, "a reload is no restart"

    machine.run(PROGRAM, "ctl", "hold", "spool")
    assert "spool" in machine.path("/var/lib/lsmtpd/holds").read_text()
    machine.run(PROGRAM, "ctl", "release", "spool")
    machine.systemctl("stop", "lsmtpd")
    assert machine.show("lsmtpd", "Result") == "success" and machine.show("lsmtpd", "ExecMainStatus") == "0"


def test_the_watchdog_restarts_a_daemon_that_hangs(machine):
    machine.install(configuration())
    machine.drop_in("quick", "[Service]\nWatchdogSec=2\nRestartSec=100ms\n")
    machine.systemctl("start", "lsmtpd")
    pid = machine.show("lsmtpd", "MainPID")
    machine.run("kill", "-STOP", pid)
    wait_until(lambda: machine.show("lsmtpd", "NRestarts") == "1" and machine.show("lsmtpd", "SubState") == "running", 30,
               lambda: machine.systemctl("status", "lsmtpd", check=False).stdout)
    assert machine.show("lsmtpd", "MainPID") != pid
    machine.python(SEND)


def test_a_wrong_configuration_fails_the_start_with_its_line(machine):
    machine.install(configuration().replace("output_json_spool", "output_json_spol"))
    machine.drop_in("once", "[Service]\nRestart=no\n")
    assert machine.systemctl("start", "lsmtpd", check=False).returncode != 0
    assert machine.show("lsmtpd", "ExecMainStatus") == "2"
    assert "did you mean output_json_spool" in machine.unit_log()


def test_a_credential_is_read_by_its_name(machine):
    machine.install(configuration(more='token_file = "credential:token"'))
    machine.write("/etc/lsmtpd/credentials/token", "a-secret-of-roots\n", mode=0o600)
    machine.drop_in("credentials", "[Service]\nLoadCredential=token:/etc/lsmtpd/credentials/token\n")
    machine.systemctl("start", "lsmtpd")
    ask = ("import sys, urllib.request as r\n"
           "print(r.urlopen(r.Request('http://127.0.0.1:9925/status', headers={'Authorization': sys.argv[1]})).status)")
    assert machine.python(ask, "Bearer a-secret-of-roots").strip() == "200"
    assert machine.run("/usr/bin/python3", "-c", ask, "Bearer wrong", check=False).returncode != 0
    machine.systemctl("reload", "lsmtpd")  # the name is that of the same file then


# 200 connections, each greeted, and the workers that have them: their part of the names of `lsmtpd ctl sessions`.
CONNECT = """
import socket, subprocess, sys
held = [socket.create_connection(("127.0.0.1", 25), timeout=30) for _ in range(200)]
assert all(each.recv(4) == b"220 " for each in held)
print(subprocess.run([sys.argv[1], "ctl", "sessions"], check=True, capture_output=True, text=True).stdout)
"""
# A client that connects while the daemon is away, or comes back, and sends a mail.
WAIT = SEND.replace("timeout=30", "timeout=60")


def test_connections_to_a_socket_of_systemd_are_shared_by_the_workers_and_wait_through_a_restart(machine):
    if machine.run("unshare", "--user", "true", check=False).returncode != 0:
        pytest.skip("no user namespaces, as in a chroot: PrivateUsers= of socket-activation.conf needs one")
    machine.install(configuration("systemd:mx"))
    machine.write("/etc/systemd/system/lsmtpd.socket", (UNITS / "lsmtpd.socket").read_text())
    machine.drop_in("socket-activation", (UNITS / "socket-activation.conf").read_text())
    machine.systemctl("start", "lsmtpd.socket")
    assert machine.show("lsmtpd", "ActiveState") == "inactive"
    machine.python(WAIT)  # the first connection starts it
    assert machine.show("lsmtpd", "ActiveState") == "active"
    assert machine.show("lsmtpd", "CapabilityBoundingSet") == machine.show("lsmtpd", "AmbientCapabilities") == ""

    listed = machine.python(CONNECT, PROGRAM)
    workers = collections.Counter(re.findall(r"^(\d+)/\d+ ", listed, re.M))
    assert sum(workers.values()) == 200 and len(workers) == 2, listed[-500:]
    assert max(workers.values()) <= 0.7 * 200, workers

    restarts = ("import socket, subprocess, threading\n"
                "done = threading.Event()\n"
                "def restart():\n"
                "    for _ in range(3): subprocess.run(['systemctl', 'restart', 'lsmtpd'], check=True)\n"
                "    done.set()\n"
                "threading.Thread(target=restart).start()\n"
                "count = 0\n"
                "while not done.is_set():\n"
                "    with socket.create_connection(('127.0.0.1', 25), timeout=60) as client:\n"
                "        assert client.recv(3) in (b'220', b'421')\n"
                "        count += 1\n"
                "print(count)")
    assert int(machine.python(restarts, timeout=120)) > 10, "no connection was refused or reset"


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd-analyze")
@pytest.mark.parametrize("drop_in, threshold", [(None, 14), ("socket-activation.conf", 12)])
def test_systemd_finds_little_that_the_unit_leaves_open(tmp_path, drop_in, threshold):
    """In tenths of 10. What remains is the network, port 25 without the socket unit, and the machine's root."""
    units = tmp_path / "etc/systemd/system"
    units.mkdir(parents=True)
    for name in ("lsmtpd.service", "lsmtpd.socket"):
        shutil.copy(UNITS / name, units)
    if drop_in:
        (units / "lsmtpd.service.d").mkdir()
        shutil.copy(UNITS / drop_in, units / "lsmtpd.service.d")
    done = subprocess.run(["systemd-analyze", "security", "--offline=true", f"--root={tmp_path}",
                           f"--threshold={threshold}", "lsmtpd.service"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_unit_names_no_program_but_lsmtpd():
    """A reload by /bin/kill would return before its end, and hide its mistakes."""
    commands = re.findall(r"^Exec\w+=(\S+)", (UNITS / "lsmtpd.service").read_text(), re.M)
    assert commands and set(commands) == {"/usr/bin/lsmtpd"}
