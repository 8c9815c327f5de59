# SPDX-License-Identifier: Apache-2.0
"""The spool when the disk fails: 4xx, an alarm in the log, and the next message is stored."""
import os
import shutil
import subprocess

import pytest

from support import report
from support.faults import LAYOUTS, STRACED, Injected, SmallDisk, ThreadsTraced, can_mount, with_layout
from support.hostile import H
from support.load import Ledger, Load
from support.matrix import pick
from support.smtp import Client
from support.spool import Stored
from support.wait import wait_until

MAIL = H + b"x\r\n"
SEGMENT_AND_LITTLE_MORE = "--fsize=17000000"

needs_mount = pytest.mark.skipif(not can_mount(), reason="only root can mount a tmpfs")


def deliver(server, content=MAIL):
    """The reply to one message, whichever command it came from."""
    with server.client() as client:
        client.send(b"EHLO c.example\r\nMAIL FROM:<s@example.org>\r\nRCPT TO:<r@example.org>\r\n")
        client.expect(250)
        mail, rcpt = client.reply(), client.reply()
        if not mail.startswith("250"):
            return mail
        return client.data(content) if rcpt.startswith("250") else rcpt


@needs_mount
@pytest.mark.parametrize("options, size", [("size=40M", 200_000), ("size=64M,nr_inodes=24", 20_000)],
                         ids=["no space", "no inodes"])
def test_a_full_disk_gives_4xx_and_mail_is_taken_again_when_there_is_room(daemon, tmp_path, options, size):
    server = daemon({"plugin": {"spool": {"options": {"min_free": "64KiB", "min_free_inodes": 5}}}}, started=False)
    content = H + b"y" * size + b"\r\n"
    with SmallDisk(server.spool.folder, options):
        server.start()
        replies = []
        for _ in range(5000):
            replies.append(deliver(server, content))
            if not replies[-1].startswith("250"):
                break
        assert replies[-1].startswith(("452 4.3.1", "451 4.3.0")), replies[-1]
        accepted = len(replies) - 1
        assert accepted > 3
        taken = []

        def take():
            """As an application does. Those that found no room for their files are in the journal."""
            for file in server.spool.files_now():
                taken.append(Stored(file).content)
                file.unlink()
            return len(taken)

        wait_until(lambda: take() >= accepted, 60, lambda: f"{accepted} files, not {len(taken)}")
        assert taken == [content] * accepted
        wait_until(lambda: deliver(server).startswith("250"), 30, "mail to be taken again")
        assert server.stop() == 0


def test_an_error_of_the_journals_disk_gives_451_and_the_next_message_is_stored(daemon):
    server = daemon(environment=STRACED)
    assert deliver(server).startswith("250")
    server.spool.settle()
    with Injected(server, "fdatasync:error=EIO:when=1"):
        # Each thread's first call fails; there are not many threads.
        replies = []
        while not replies or not replies[-1].startswith("250"):
            replies.append(deliver(server))
            assert len(replies) <= 20
    refused = [reply for reply in replies if not reply.startswith("250")]
    assert refused, "no call failed"
    assert all(reply.startswith("451 4.3.0") for reply in refused), replies
    wait_until(lambda: "Input/output error" in server.log.read_text(), 20, "the log to name the error")
    assert deliver(server).startswith("250")
    stored = len(server.spool)
    # Messages that could not be made safe may be there or not, but never count as stored.
    assert 3 <= stored <= 3 + len(refused)
    assert all(each.content == MAIL for each in server.spool.messages())


@pytest.mark.parametrize("calls", ["fdatasync", "fsync", "linkat,renameat,renameat2", "openat"])
def test_a_file_that_the_disk_fails_is_made_later(daemon, calls):
    server = daemon(environment=STRACED)
    assert deliver(server).startswith("250")
    server.spool.settle()
    with ThreadsTraced(server, "spool-filer", f"{calls}:error=EIO:when=1"):
        assert deliver(server).startswith("250")
        server.wait_log("a message has no file yet: it is safe in the journal; make room, or check the disk",
                        error="Input/output error")
    assert [each.content for each in server.spool.messages()] == [MAIL] * 2


# Not write: the same threads wake the loops with it, which cannot fail.
@pytest.mark.parametrize("call", ["openat", "fdatasync", "syncfs", "fsync", "linkat"])
def test_a_disk_that_fails_now_and_then_under_load_loses_nothing(daemon, call):
    server = daemon({"log": {"level": "info"}}, environment=STRACED)
    ledger = Ledger()
    load = Load(server.address(), ledger, sizes=(200, 4096, 30_000), manners=("data", "bdat"))
    with ThreadsTraced(server, "spool-journal spool-filer", f"{call}:error=EIO:when=5+7"):
        load.wait_accepted(pick(150, 1500), 120)
        wait_until(lambda: "Input/output error" in server.log.read_text(), 30, "the log to name the error")
    load.stop()
    assert server.stop() == 0
    if call == "fdatasync":
        assert ledger.count(4) > 0
    # Messages that could not be made safe may be there or not, but never count as stored.
    found = ledger.check(server.spool.contents(), refused_may_stay=True)
    report.record(f"EIO of {call}, every seventh", "spool", ledger, found)


def test_files_that_grow_too_large_under_load_keep_nothing_partial(daemon):
    server = daemon({"log": {"level": "info"}}, wrapper=["prlimit", SEGMENT_AND_LITTLE_MORE])
    ledger = Ledger()
    load = Load(server.address(), ledger, threads=4, sizes=(200, 4096, 18_000_000, 1024))
    load.wait_accepted(60)
    wait_until(lambda: ledger.count(4) > 0, 60, "a large one to be refused")
    load.stop()
    assert server.stop() == 0
    assert ledger.count(4) > 0
    found = ledger.check(server.spool.contents())
    report.record("short write (RLIMIT_FSIZE)", "spool", ledger, found)


def test_a_short_write_gives_451_and_keeps_nothing_partial(daemon):
    server = daemon({"log": {"level": "info"}}, wrapper=["prlimit", SEGMENT_AND_LITTLE_MORE])
    assert deliver(server).startswith("250")
    assert deliver(server, H + b"z" * 18_000_000 + b"\r\n").startswith(("451", "452"))
    assert deliver(server).startswith("250")
    assert [len(each.content) for each in server.spool.messages()] == [len(MAIL)] * 2
    assert server.stop() == 0
    assert sum(each.stat().st_size for each in server.spool.folder.rglob("*") if each.is_file()) < 100_000


def test_out_of_descriptors_it_pauses_and_serves_again(daemon):
    # check refuses a limit that the descriptors cannot carry, so the limit is low and they go anyway.
    server = daemon({"limits": {"connections": 20}}, started=True)
    # UBSan opens a pipe the first time that it looks at a type, and takes it for invalid where it cannot.
    assert deliver(server).startswith("250")
    subprocess.run(["prlimit", f"--pid={server.pid}", f"--nofile={server.descriptors() + 8}:"],
                   check=True)
    held, turned_away = [], 0
    for _ in range(15):
        client = Client(server.address(), timeout=2)
        try:
            turned_away += not client.reply().startswith("220")
        except AssertionError:
            turned_away += 1
        held.append(client)
    assert turned_away
    cpu = cpu_ticks(server.pid)
    for client in held:
        client.close()
    wait_until(lambda: cpu_ticks(server.pid) - cpu < 200, 1, "it not to spin")
    subprocess.run(["prlimit", f"--pid={server.pid}", "--nofile=1024:"], check=True)
    wait_until(lambda: deliver(server).startswith("250"), 30, "mail to be taken again")


def cpu_ticks(pid):
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_spool_that_cannot_be_written_is_an_error_at_start(daemon):
    server = daemon(started=False)
    server.spool.folder.mkdir(mode=0o500)
    server.launch()
    assert server.process.wait(20) != 0
    server.process = None


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("replaced", [False, True], ids=["renamed", "replaced"])
def test_a_spool_directory_that_is_renamed_or_replaced_takes_no_mail_until_it_is_back(daemon, replaced, layout):
    server = daemon(with_layout(layout))
    assert deliver(server).startswith("250")
    spool, elsewhere = server.spool.folder, server.folder / "elsewhere"
    spool.rename(elsewhere)
    if replaced:
        spool.mkdir(mode=0o700)
    wait_until(lambda: deliver(server).startswith("452 4.3.1"), 2, "the directory to be missed within a second")
    wait_until(lambda: any("renamed, removed or replaced" in line.get("why", "") for line in server.log_lines()), 20, "the reason")
    assert not replaced or not list(spool.iterdir())
    if replaced:
        spool.rmdir()
    elsewhere.rename(spool)
    wait_until(lambda: deliver(server).startswith("250"), 5, "mail to be taken again")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_second_daemon_does_not_get_in_where_the_lock_was_removed(daemon, layout):
    server = daemon(with_layout(layout))
    (server.spool.folder / ".lock").unlink()
    second = server.cli("run", "--config", server.config_file)
    assert second.returncode == 1
    assert "in use by another lsmtpd" in second.stderr + server.log.read_text()
    assert deliver(server).startswith("250")


def test_the_spool_folder_taken_away_gives_4xx(daemon):
    server = daemon()
    shutil.rmtree(server.spool.folder)
    reply = deliver(server)
    assert reply.startswith(("451", "452")) or len(server.spool) == 1
