# SPDX-License-Identifier: Apache-2.0
"""`lsmtpd spool` as an operator uses it, beside a daemon and without one: what waits and why, choosing, removing, moving."""
import json
import os
import pathlib
import pty
import re
import select
import shlex
import signal
import subprocess
import time

import pytest

from support.daemon import BINARY, run_cli, sanitized
from support.recorder import Recorder
from support.smtp import queued_id
from support.wait import wait_until

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture
def recorder(tmp_path):
    found = Recorder(tmp_path)
    found.down()
    return found


def send(server, sender="s@example.org", recipient="r@example.org", message_id="m@example.org"):
    with server.client() as client:
        client.envelope(sender=sender, recipients=(recipient,))
        return queued_id(client.data(b"Message-ID: <%s>\r\nSubject: about %s\r\n\r\nx\r\n"
                                     % (message_id.encode(), message_id.encode())))


def spool(server, *words, **options):
    return run_cli("spool", *words, "--config", server.config_file, **options)


def write_mails(folder, count, sender=lambda n: f"s{n % 7}@example.org", **keys):
    """Files as a fallback leaves them, without a daemon."""
    folder.mkdir(mode=0o700, exist_ok=True)
    for number in range(count):
        (folder / f"{number:08x}-0000-4000-8000-000000000000.json").write_text(json.dumps({
            "timestamp": "2020-11-22T01:38:39.271215996+00:00", "message_id": f"{number:08x}",
            "client_address": "c.example", "recipients": [f"<r@d{number % 50}.example>"],
            "sender": sender(number),
            "lsmtpd": {"format": 1, "copy_id": f"{number:08x}", "target": "recorder",
                       "reason": f"why {number % 3}", "attempts": 2, **keys},
            "email_content": f"Message-ID: <{number}@example.org>\r\nSubject: x\r\n\r\nbody\r\n"}))


def test_what_waits_is_told_with_reason_attempts_and_first_time(daemon, recorder):
    server = daemon(recorder.configuration())
    first = send(server, recipient="a@one.example", message_id="first@x")
    send(server, recipient="b@two.example", message_id="second@x")
    summary = json.loads(spool(server, "summary", "--json", check=0).stdout)
    assert summary["states"]["waiting"]["messages"] == 2
    assert {row["output"]: row["messages"] for row in summary["outputs"]} == {"recorder": 2}
    assert {row["domain"] for row in summary["domains"]} == {"one.example", "two.example"}
    (reason,) = {row["reason"] for row in summary["reasons"]}
    assert reason not in ("", "(none)")
    text = spool(server, "summary", check=0).stdout
    assert text.startswith("waiting: 2, ") and "recorder" in text and reason in text
    found = json.loads(spool(server, "ls", "--json", "--subject", "--message-id", "first@", check=0).stdout)
    assert (found["id"], found["reason"], found["subject"]) == (first, reason, "about first@x")
    assert found["attempts"] >= 1 and found["first"] >= found["timestamp"]


def test_what_an_operator_removes_is_in_the_daemons_log(daemon, recorder):
    server = daemon(recorder.configuration())
    kept = send(server)
    gone = send(server, sender="spam@bad.example")
    done = spool(server, "rm", "--from", "bad.example", check=0)
    assert done.stderr == "lsmtpd spool: 1 removed\n"
    assert server.spool.ids() == [kept]
    line = server.wait_log("an operator changed or exported a message")
    assert (line["action"], line["id"], line["state"]) == ("removed", gone, "waiting")
    assert line["by"] and line["at"].startswith("20")


def test_what_is_put_back_or_imported_is_delivered_by_a_daemon_that_had_nothing_to_do(daemon, recorder, tmp_path):
    server = daemon(recorder.configuration())
    letter = send(server)
    server.stop()
    path = server.spool.folder / f"{letter}.json"
    path.rename(server.spool.folder / "dead" / path.name)
    old = tmp_path / "fallback-of-lsmtpd"
    old.mkdir()
    for number in range(3):
        (old / f"f6f326ce-2fca-4246-96ba-aab732d44ad{number}.json").write_text(json.dumps({
            "timestamp": "2026-11-22T01:38:39.271215996+00:00", "message_id": f"f6f326ce-{number}",
            "client_address": "pc", "recipients": ["<r@example.org>"],
            "email_content": f"Subject: {number}\r\n\r\nx\r\n", "sender": "s@example.org"}))
    (old / "torn.json").write_text('{"timestamp":"2026')
    recorder.up()
    server.start()
    assert list(recorder.contents()) == []
    assert spool(server, "retry", "--all", check=0).stderr == "lsmtpd spool: 1 put back\n"
    done = spool(server, "import", old, check=1)
    assert "torn stays where it is" in done.stderr and "3 imported" in done.stderr
    assert [each.name for each in old.iterdir()] == ["torn.json"]
    wait_until(lambda: len(list(recorder.contents())) == 4, 30, "the messages to be delivered")
    assert {b"Subject: %d\r\n\r\nx\r\n" % n for n in range(3)} < set(recorder.contents())


def test_a_move_that_is_interrupted_again_and_again_loses_nothing(daemon, recorder, tmp_path):
    server = daemon(recorder.configuration(), started=False)
    folder, other = server.spool.folder, tmp_path / "queue"
    write_mails(folder, 3000)
    wanted = sorted(each.name for each in folder.glob("*.json"))
    command = [BINARY, "spool", "move", "--all", "--to", other, "--config", server.config_file]
    for turn, way in enumerate((signal.SIGINT, signal.SIGKILL, signal.SIGINT, signal.SIGKILL)):
        before = len(list(other.glob("*.json"))) if other.exists() else 0
        process = subprocess.Popen(command, stderr=subprocess.PIPE)
        wait_until(lambda: process.poll() is not None or
                   (other.exists() and len(list(other.glob("*.json"))) > before), 30, "some to be moved", every=0.001)
        process.send_signal(way)
        said = process.communicate(timeout=60)[1]
        assert way != signal.SIGINT or process.returncode == 0 or b"interrupted" in said, said
        there = {each.name for each in folder.glob("*.json")} | {each.name for each in other.glob("*.json")}
        assert sorted(there) == wanted, turn
    run_cli(*command[1:], check=0)
    assert sorted(each.name for each in other.glob("*.json")) == wanted
    assert not list(folder.glob("*.json"))
    assert json.loads((other / wanted[0]).read_text())["lsmtpd"]["target"] == "recorder"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_what_root_imports_belongs_to_the_owner_of_the_spool(daemon, recorder, tmp_path):
    server = daemon(recorder.configuration(), started=False)
    server.spool.folder.mkdir(mode=0o700)
    os.chown(server.spool.folder, 65534, 65534)
    write_mails(tmp_path / "old", 2)
    spool(server, "import", tmp_path / "old", check=0)
    assert len(server.spool) == 2
    assert {each.stat().st_uid for each in server.spool.folder.iterdir()} == {65534}
    assert {each.name for each in server.spool.folder.iterdir() if each.is_dir()} == {"tmp", "dead", "quarantine"}


def test_a_move_keeps_a_daemon_out_and_a_daemon_a_move(daemon, recorder, tmp_path):
    server = daemon(recorder.configuration())
    send(server)
    refused = spool(server, "move", "--all", "--to", tmp_path / "queue", check=1)
    assert "a daemon uses the spool" in refused.stderr
    assert len(server.spool) == 1
    spool(server, "move", "--all", "--to", tmp_path / "queue", "--held", check=0)
    assert len(server.spool) == 0


def test_progress_is_shown_on_a_terminal_and_an_interrupt_ends_it(daemon, recorder):
    server = daemon(recorder.configuration(), started=False)
    write_mails(server.spool.folder, 1)
    ours, theirs = pty.openpty()
    process = subprocess.Popen([BINARY, "spool", "rm", "-", "--config", server.config_file], stdin=subprocess.PIPE,
                               stderr=theirs)
    os.close(theirs)
    shown = b""

    def seen(pattern):
        nonlocal shown
        if process.poll() is None:
            process.stdin.write(b"no-such-message\n" * 20)
            process.stdin.flush()
        if select.select([ours], [], [], 0.05)[0]:
            shown += os.read(ours, 65536)
        return re.search(pattern, shown)

    wait_until(lambda: seen(rb"\r[\d,]+, [\d,]+ a second\x1b\[K"), 30, "a line of progress")
    process.send_signal(signal.SIGINT)
    wait_until(lambda: seen(rb"interrupted; the same command goes on"), 30, "its end")
    process.stdin.close()
    assert process.wait(30) == 1
    os.close(ours)


def test_an_export_goes_on_where_it_ended(daemon, recorder, tmp_path):
    server = daemon(recorder.configuration(), started=False)
    write_mails(server.spool.folder, 20)
    command = ("export", "--all", "--dir", tmp_path / "out")
    assert spool(server, *command, check=0).stderr == "lsmtpd spool: 20 exported\n"
    next((tmp_path / "out").iterdir()).unlink()
    assert spool(server, *command, check=0).stderr == "lsmtpd spool: 1 exported, 19 were there already\n"
    assert len(list((tmp_path / "out").glob("*.eml"))) == 20


def test_ids_come_from_standard_input_and_by_their_beginning(daemon, recorder):
    server = daemon(recorder.configuration(), started=False)
    write_mails(server.spool.folder, 40)
    listed = spool(server, "ls", "--from", "s3@example.org", check=0).stdout
    assert listed.count("\n") == 6
    done = spool(server, "rm", "-", input=(listed + "no-such-id\n").encode(), check=0)
    assert done.stderr == "lsmtpd spool: 6 removed, 1 not found\n"
    assert len(server.spool) == 34
    assert "several messages begin with 0000" in spool(server, "rm", "0000", check=1).stderr
    spool(server, "rm", "00000001", check=0)
    assert len(server.spool) == 33


def children_peak_kib(command):
    """The most memory that the command had resident, and its seconds."""
    began = time.monotonic()
    process = subprocess.Popen([str(word) for word in command], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return usage.ru_maxrss, time.monotonic() - began


def test_a_summary_of_many_messages_is_quick_and_its_memory_flat(daemon, recorder):
    """A million takes under 20 s: docs/performance.md; here 5,000, on a busy machine without optimisation."""
    server = daemon(recorder.configuration(), started=False)
    command = (BINARY, "spool", "summary", "--config", server.config_file)
    write_mails(server.spool.folder, 1000)
    few, _ = children_peak_kib(command)
    write_mails(server.spool.folder, 5000)
    many, seconds = children_peak_kib(command)
    assert many < few + 2048 or sanitized(), (few, many)
    assert seconds < 20
    listing = (BINARY, "spool", "ls", "--limit", "10", "--config", server.config_file)
    assert children_peak_kib(listing)[0] < few + 16 * 1024


def questions():
    """{question: its commands} of the table in docs/operations.md."""
    text = (ROOT / "docs" / "operations.md").read_text()
    table = text[text.index("Questions about stored mail"):]
    table = table[:table.index("\n\n", table.index("| --- |"))]
    rows = re.findall(r"^\| (.*?) \| (.*) \|$", table, re.M)[1:]
    return {question: re.findall(r"`(lsmtpd spool .*?)`", cell) for question, cell in rows if "`" in cell}


def test_the_questions_of_a_day_are_answered_by_the_commands_of_the_documents(daemon, recorder, tmp_path):
    server = daemon(recorder.configuration(), started=False)
    folder = server.spool.folder
    write_mails(folder, 3)
    (folder / "dead").mkdir()
    files = sorted(folder.glob("*.json"))
    files[1].rename(folder / "dead" / files[1].name)
    (folder / "dead" / f"{files[1].stem}.reason").write_text('{"reason":"552 over quota"}')
    bounce = json.loads(files[2].read_text())
    bounce.update(sender="", recipients=["<r@example.org>"], email_content="Message-ID: <X@example.org>\r\n\r\nx\r\n")
    files[2].write_text(json.dumps(bounce))

    answers = {}
    for question, commands in questions().items():
        for command in commands:
            words = [word.replace("/var/tmp", str(tmp_path)) for word in shlex.split(command)[1:]]
            done = run_cli(*words, "--config", server.config_file, check=0)
            answers.setdefault(question, []).append(done.stdout + done.stderr)
    assert len(answers) == 9
    found = {question: "".join(said) for question, said in answers.items()}
    assert files[2].stem in found["where is mail X?"]
    assert found["how many wait, how old are they, and why?"].startswith("waiting: 2, ")
    assert "why 0" in found["how many wait, how old are they, and why?"]
    assert found["which wait for longest?"].count("\n") == 2
    assert found["which wait for one domain?"].count("\n") == 1
    assert "552 over quota" in found["which were refused for good, and why?"]
    assert "1 put back" in found["send these again"]
    assert "1 removed" in found["remove by criterion"]
    assert "2 exported" in found["keep a copy of all first"]
    assert "2 moved" in found["move a queue to another host"] and "2 imported" in found["move a queue to another host"]
