# SPDX-License-Identifier: Apache-2.0
"""The sixteen questions of a day are answered by the commands of docs/operations.md, one after the other, as they stand
there: only paths, the port and `systemctl` are the test's."""
import json
import os
import pathlib
import re
import subprocess

import pytest

from support import sockets
from support.daemon import BINARY
from support.wait import free_ports, wait_until

ROOT = pathlib.Path(__file__).parents[2]


def questions():
    """{question: command}, in the order of the document."""
    text = (ROOT / "docs" / "operations.md").read_text()
    part = text[text.index("## Questions of a day"):text.index("## Install")]
    rows = re.findall(r"^\| (.*?) \| `(.*?)` \| .* \|$", part, re.M)
    return {question: command.replace("\\|", "|") for question, command in rows}


@pytest.fixture
def scene(daemon, tmp_path):
    """A daemon whose broker is away, with mail that waits, and what runs a command of the document: its output."""
    port, closed = free_ports(2)
    socket = sockets.folder() / "admin.sock"
    server = daemon({"log": {"level": "info"}, "admin": {"socket": str(socket), "http": f"127.0.0.1:{port}"},
                     "plugin": {"broker": {"use": "output_amqp", "fallback": "spool", "deadline": "5s", "options": {
                         "urls": [f"amqp://127.0.0.1:{closed}"], "address": "mail", "connect_timeout": "2s"}}},
                     "chain": {"default": {"steps": ["broker"]}}})
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "lsmtpd").write_text(f'#!/bin/sh\ncommand=$1\nshift\nexec "{BINARY}" "$command" --config "{server.config_file}" "$@"\n')
    (programs / "systemctl").write_text('#!/bin/sh\n[ "$*" = "kill --kill-whom=main --signal=USR1 lsmtpd" ] && '
                                        f'exec kill -USR1 {server.pid}\n')
    for each in programs.iterdir():
        each.chmod(0o755)

    def ask(question, status=0):
        command = questions()[question].replace("/var/log/lsmtpd/lsmtpd.log", str(server.log)) \
            .replace("127.0.0.1:9925", f"127.0.0.1:{port}").replace("/var/tmp", str(tmp_path))
        done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL,
                              env={**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"})
        assert done.returncode == status, f"{command}: {done}"
        return done.stdout + done.stderr

    yield server, ask


def fill(server):
    with server.client() as client:
        for sender, name in (("s@example.org", "X@example.org"), ("", "bounce@example.org"), ("s@example.org", "o@example.org")):
            client.envelope(sender=sender, recipients=("r@example.org",))
            client.data(f"Message-ID: <{name}>\r\n\r\nhello\r\n".encode())
        client.command("MAIL FROM:<y@example.org> SIZE=99999999999", 552)
    wait_until(lambda: len(server.spool) == 3, 20, "all three to wait")
    server.wait_log("refused")


def test_there_are_sixteen():
    assert len(questions()) == 16


def test_each_question_is_answered_by_its_command(scene, tmp_path):
    server, ask = scene
    fill(server)
    line = json.loads(ask("where is mail X?").splitlines()[0])
    assert line["message"] == "accepted" and line["fallback"] == ["spool"] and line["id"]
    line = json.loads(ask("why was Y refused?"))
    assert line["code"] == 552 and line["limit"]
    assert ask("how many wait?").startswith("waiting: 3, ")
    assert ask("how old are they?").count("\n") == 1
    wait_until(lambda: re.search(r"broker +down .*refused", ask("why do they wait?")), 10, lambda: ask("why do they wait?"))
    assert "try again now" in ask("send them now")
    assert "broker is held: its mail goes to spool" in ask("hold one flow")
    assert "1 removed" in ask("remove by criterion")
    assert "2 moved" in ask("move a queue")
    assert len(list((tmp_path / "queue").glob("*.json"))) == 2 and len(server.spool) == 0
    assert '"status":"ok"' in ask("is it healthy?"), "its spool takes mail"
    assert "lsmtpd_spool_messages" in ask("graphs")
    assert 'level = "info"' in ask("effective configuration")
    server.config["log"]["level"] = "debug"
    server.write_config()
    assert "reloaded" in ask("change it live") or server.wait_log("reloaded")
    server.config["log"]["level"] = "loud"
    server.write_config()
    assert "log.level" in ask("change it live", status=1)
    assert "log.level" in ask("is it right?", status=2)
    server.config["log"]["level"] = "debug"
    server.write_config()
    ask("is it right?")
    assert "connect" in ask("is the next hop right?", status=11)
    server.log.rename(tmp_path / "old.log")
    ask("rotate logs")
    wait_until(server.log.exists, 10, "the log to be opened again")
