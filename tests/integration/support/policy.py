# SPDX-License-Identifier: Apache-2.0
"""Debian's policy services for Postfix, each a process of its own on a socket below the test's folder; and a service
that a test plays itself."""
import os
import pathlib
import signal
import socket
import socketserver
import subprocess
import sys
import textwrap
import threading

import pytest

from . import sockets
from .brokers import CACHE
from .process import Process
from .wait import free_ports, wait_until

POLICY = pathlib.Path(CACHE) / "policy"


def _need(package, path, probe):
    """The file of an unpacked package, whose interpreter finds what it needs; otherwise skips, and fails in CI."""
    file = POLICY / package / path
    reason = None
    if not file.exists():
        reason = f"Debian's {package} is not unpacked (contrib/dev test does it)"
    elif subprocess.run(probe, capture_output=True).returncode != 0:
        reason = f"libraries of {package} are missing"
    if reason and os.environ.get("CI"):
        pytest.fail(reason)
    if reason:
        pytest.skip(reason)
    return file


class Service:
    """started: it listens on .address (as filter_policy's option has it)."""

    def __init__(self, process, address, listens):
        self.process, self.address = process, address
        wait_until(listens, 30, lambda: f"{process.argv[0]} to listen: {process.tail()}")

    def end(self):
        self.process.kill()


def _answers(path):
    def listens():
        with socket.socket(socket.AF_UNIX) as client:
            return client.connect_ex(str(path)) == 0
    return listens


def _answers_at(port):
    def listens():
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", port)) == 0
    return listens


def postgrey(folder, delay=1):
    program = _need("postgrey", "usr/sbin/postgrey",
                    ["perl", "-MNet::Server::Multiplex", "-MBerkeleyDB", "-MNetAddr::IP", "-e", "1"])
    lists = POLICY / "postgrey" / "usr/share/postgrey"
    (folder / "postgrey").mkdir()
    port, = free_ports(1)
    process = Process(["perl", "-T", program, f"--inet=127.0.0.1:{port}", f"--dbdir={folder}/postgrey",
                       f"--delay={delay}", f"--user={_me()}", f"--group={_my_group()}",
                       f"--whitelist-clients={lists}/whitelist_clients",
                       f"--whitelist-recipients={lists}/whitelist_recipients"], folder / "postgrey.log")
    return Service(process, f"inet:127.0.0.1:{port}", _answers_at(port))


class Forked(Service):
    """A service that goes into the background; its pid file names the process that is left."""

    def __init__(self, process, address, listens, pid_file):
        self.pid_file = pid_file
        super().__init__(process, address, listens)

    def end(self):
        pid = int(self.pid_file.read_text())
        os.kill(pid, signal.SIGKILL)


def postfwd(folder, rules):
    program = _need("postfwd", "usr/sbin/postfwd1", ["perl", "-MNet::Server::Multiplex", "-MNet::DNS", "-e", "1"])
    (folder / "postfwd.cf").write_text(rules)
    port, = free_ports(1)
    pid_file = folder / "postfwd.pid"
    process = Process(["perl", "-T", program, "--daemon", "--nodns", f"--file={folder}/postfwd.cf",
                       "--interface=127.0.0.1", f"--port={port}", f"--user={_me()}", f"--group={_my_group()}",
                       f"--pidfile={pid_file}"], folder / "postfwd.log")
    return Forked(process, f"inet:127.0.0.1:{port}", lambda: pid_file.exists() and _answers_at(port)(), pid_file)


SPAWN = """
    import os, socket, sys
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(sys.argv[1])
    listener.listen(16)
    while True:
        client, _ = listener.accept()
        if os.fork() == 0:
            os.dup2(client.fileno(), 0)
            os.dup2(client.fileno(), 1)
            os.execvp(sys.argv[2], sys.argv[2:])
        client.close()
"""

# pyspf looks records up through this function; its own tests replace it in the same way.
ZONE = """
    import spf
    RECORDS = {records!r}
    def lookup(name, qtype, *arguments, **options):
        found = RECORDS.get((name.rstrip('.').lower(), qtype), [])
        return [((name, qtype), value) for value in found]
    spf.DNSLookup = lookup
"""


def policyd_spf(folder, records):
    """As Postfix's spawn(8) runs it: a process for each connection, on its standard input and output."""
    engine = POLICY / "python3-spf-engine" / "usr/lib/python3/dist-packages"
    program = _need("postfix-policyd-spf-python", "usr/bin/policyd-spf",
                    ["/usr/bin/python3", "-c", "import spf, authres"])
    if not (engine / "spf_engine").exists():
        pytest.skip("Debian's python3-spf-engine is not unpacked")
    (folder / "sitecustomize.py").write_text(textwrap.dedent(ZONE).format(records=records))
    (folder / "policyd-spf.conf").write_text("debugLevel = 0\nTestOnly = 1\nHELO_reject = False\nMail_From_reject = Fail\n"
                                             "PermError_reject = False\nTempError_Defer = False\nskip_addresses = 192.0.2.99/32\n")
    path = sockets.folder() / "spf"
    process = Process([sys.executable, "-c", textwrap.dedent(SPAWN), path, "/usr/bin/python3", program,
                       folder / "policyd-spf.conf"], folder / "policyd-spf.log",
                      env={**os.environ, "PYTHONPATH": f"{folder}:{engine}"})
    return Service(process, f"unix:{path}", _answers(path))


def _me():
    import pwd
    return pwd.getpwuid(os.geteuid()).pw_name


def _my_group():
    import grp
    return grp.getgrgid(os.getegid()).gr_name


class Played(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """A service that answers as answer(request) says: octets; None: it closes the connection instead."""
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, answer, path=None):
        self.answer, self.requests, self.connections = answer, [], 0
        self.path = path or sockets.folder() / "played"
        super().__init__(str(self.path), _Handler)
        self.address = f"unix:{self.path}"
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def end(self):
        self.shutdown()
        self.server_close()


class _Handler(socketserver.StreamRequestHandler):
    def handle(self):
        self.server.connections += 1
        lines = {}
        for line in self.rfile:
            if line != b"\n":
                name, _, value = line.decode().rstrip("\n").partition("=")
                lines[name] = value
                continue
            self.server.requests.append(lines)
            answer = self.server.answer(lines)
            lines = {}
            if answer is None:
                return
            try:
                self.wfile.write(answer)
            except OSError:
                return
