# SPDX-License-Identifier: Apache-2.0
"""The workers of contrib/examples/workers: how each is started, and what it needs. A library that is not in the cache (it is
got by `contrib/dev test brokers`) skips the test, in continuous integration too."""
import base64
import functools
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import uuid

import pytest

from .brokers import CACHE
from .process import Process
from .wait import wait_until

WORKERS = pathlib.Path(__file__).parents[3] / "contrib" / "examples" / "workers"


def _script(name, module):
    pytest.importorskip(module, reason=f"{module} of Debian is not installed")
    return [sys.executable, WORKERS / name], {}


def _node(name):
    modules = CACHE / "workers-node" / "node_modules"
    if not shutil.which("node") or not modules.is_dir():
        pytest.skip(f"no Node.js, or no {modules}: contrib/dev test brokers gets them")
    return ["node", WORKERS / name], {"NODE_PATH": str(modules)}


def _build(argv, cwd, environment=None):
    done = subprocess.run([str(each) for each in argv], cwd=cwd, env={**os.environ, **(environment or {})},
                          capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, f"{argv}:\n{done.stdout}{done.stderr}"


@functools.lru_cache(None)
def _folder():
    """Of what is built here, for the whole run."""
    made = tempfile.TemporaryDirectory(prefix="lsmtpd-workers.")
    return made, pathlib.Path(made.name)


@functools.lru_cache(None)
def _built_go():
    modules = CACHE / "workers-go" / "modules"
    if not shutil.which("go") or not modules.is_dir():
        pytest.skip(f"no Go, or no {modules}: contrib/dev test brokers gets them where Go is installed")
    folder = _folder()[1]
    _build(["go", "build", "-o", f"{folder}/", "./..."], WORKERS / "go",
           {"GOMODCACHE": str(modules), "GOFLAGS": "-mod=readonly -buildvcs=false", "GOPROXY": "off"})
    return folder


@functools.lru_cache(None)
def _built_java():
    library = CACHE / "workers-java" / "lib"
    if not shutil.which("javac") or not library.is_dir():
        pytest.skip(f"no JDK, or no {library}: contrib/dev test brokers gets them")
    folder = _folder()[1] / "java"
    _build(["javac", "-encoding", "UTF-8", "-d", folder, "-cp", f"{library}/*", *sorted((WORKERS / "java").glob("*.java"))],
           WORKERS)
    return f"{folder}:{library}/*"


# The worker's name: its protocol, and what gives (argv, environment).
KINDS = {
    "pika": ("0-9-1", lambda: _script("worker_pika.py", "pika")),
    "amqplib": ("0-9-1", lambda: _node("worker_amqplib.js")),
    "amqp091-go": ("0-9-1", lambda: ([_built_go() / "worker_amqp091"], {})),
    "proton": ("1.0", lambda: _script("worker_proton.py", "proton")),
    "rhea": ("1.0", lambda: _node("worker_rhea.js")),
    "qpid-jms": ("1.0", lambda: (["java", "-XX:TieredStopAtLevel=1", "-cp", _built_java(), "WorkerJms"], {})),
    "go-amqp": ("1.0", lambda: ([_built_go() / "worker_amqp10"], {})),
}


class Worker:
    """One that runs; its lines are in `log`."""

    def __init__(self, kind, broker, queue, folder, command=(), port=None, environment=None, query="", **options):
        protocol, program = KINDS[kind]
        argv, needed = program()
        url = f"amqp://{broker.user}:{broker.password}@{broker.host}:{port or broker.port}"
        options = {"queue": queue if protocol == "0-9-1" else broker.source(queue), "pause": "0.05", **options}
        argv = [*argv, *(word for name, value in options.items() for word in (f"--{name}", value))]
        folder.mkdir(parents=True, exist_ok=True)
        self.log = folder / f"{uuid.uuid4()}.log"
        self.process = Process(argv + (["--", *command] if command else []), self.log, env={
            **os.environ, **needed, **(environment or {}), "PYTHONDONTWRITEBYTECODE": "1",
            "AMQP_URL": url + ("/%2F" if protocol == "0-9-1" else "") + query}, cwd=folder)

    def lines(self):
        return self.log.read_text(errors="replace").splitlines()

    def wait_line(self, text, times=1, seconds=30):
        wait_until(lambda: sum(text in line for line in self.lines()) >= times, seconds,
                   lambda: f"{text!r}, {times} times, in the worker's output:\n{self.process.tail()}")

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def finish(self):
        """Its status, when it ends by itself."""
        return self.process.wait(30)


class Gate:
    """A command that writes down id and attempt, then waits until the gate is opened."""

    def __init__(self, folder):
        self.begun_file = folder / "begun"
        self.begun_file.touch()
        self.fifo = folder / "gate"
        os.mkfifo(self.fifo)
        self.command = ["sh", "-c", 'cat >/dev/null; echo "$MAIL_ID $MAIL_ATTEMPT" >> "$1"; cat "$2"', "sh",
                        str(self.begun_file), str(self.fifo)]

    def begun(self):
        """(id, attempt) of each work, in the order in which they began."""
        return [tuple(line.split()) for line in self.begun_file.read_text().splitlines()]

    def wait_under_way(self, count=1):
        wait_until(lambda: len(self.begun()) == count, 30, lambda: f"{count} works to have begun: {self.begun()}")

    def open(self):
        """Lets the work that waits end."""
        self.fifo.write_bytes(b"")


def message(content, identity=None, sender="s@example.org", recipients=("r@example.org",)):
    """(id, body): lsmtpd's JSON."""
    identity = identity or str(uuid.uuid4())
    record = {"timestamp": "2026-11-22T01:38:39.271215996+00:00", "message_id": identity, "client_address": "client.example",
              "recipients": [f"<{each}>" for each in recipients], "sender": sender}
    text = content.decode("utf-8", "replace")
    if text.encode() != content or "\0" in text:
        record["email_content_base64"] = base64.b64encode(content).decode()
    return identity, json.dumps({**record, "email_content": text}).encode()
