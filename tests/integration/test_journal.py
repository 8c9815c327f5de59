# SPDX-License-Identifier: Apache-2.0
"""layout = "journal": the ledger after kills and power cuts, replay, and `lsmtpd spool` on segments. Stored mail is read
with a reader that shares no code with the daemon."""
import itertools
import random
import signal

import pytest

from support import report
from support.daemon import merge, run_cli, sanitized
from support.faults import (HOOKED_SPOOL, STRACED, Injected, PowerCut, SmallDisk, ThreadsTraced, can_mount, why_no_power_cut,
                            with_layout, wrong_clock)
from support.hostile import H
from support.journal import Journal
from support.load import Ledger, Load, number_of
from support.matrix import pick
from support.recorder import Recorder
from support.report import Timing
from support.smtp import queued_id
from support.wait import wait_until

SIZES = pick((200, 4096, 100_000, 300_000), (200, 1024, 4096, 30_000, 300_000))
MANNERS = ("data", "bdat")


def with_journal(changes=None):
    return merge(merge({"log": {"level": "info"}}, with_layout("journal")), changes or {})


def journal_of(server):
    return Journal(server.spool.folder / "journal")


def load_and_end(server, ledger, count, end, sizes=SIZES, **manner):
    load = Load(server.address(), ledger, sizes=sizes, manners=MANNERS, **manner)
    load.wait_accepted(count)
    end()
    load.stop()


def kill_at_random(server, ledger, rounds, most):
    chance, restarts = random.Random(6), Timing()
    for _ in range(rounds):
        restarts.take(server.start)
        load_and_end(server, ledger, chance.randrange(1, most), server.kill)
    return restarts


def test_kill_9_under_load_loses_no_acknowledged_message(daemon):
    server = daemon(with_journal(), started=False)
    ledger, rounds = Ledger(), pick(8, 200)
    restarts = kill_at_random(server, ledger, rounds, pick(150, 1000))
    server.start()
    assert server.stop() == 0
    found = ledger.check(journal_of(server).contents())
    assert not server.spool.files()
    report.record("kill -9 of the daemon, at random", "journal", ledger, found, kills=rounds, restart=str(restarts))


def test_control_with_250_sent_early_kill_9_loses_messages(daemon):
    server = daemon(with_journal({"plugin": {"spool": {"use": str(HOOKED_SPOOL)}}}), started=False,
                    environment={"LSMTPD_TEST_EARLY_250": "1"})
    ledger = Ledger()
    for _ in range(20):
        kill_at_random(server, ledger, 5, 100)
        found = ledger.compare(journal_of(server).contents())
        if found.lost:
            break
    assert found.lost, "the kill test cannot fail"


def test_killed_at_each_system_call_of_the_journal(daemon):
    server = daemon(with_journal(), started=False, environment=STRACED)
    ledger, kills = Ledger(), 0
    for call, when in itertools.product(("pwrite64", "fdatasync"), pick((1, 20), (1, 2, 3, 5, 8, 13, 30, 60))):
        server.start()
        with ThreadsTraced(server, "spool-journal", f"{call}:signal=KILL:when={when}"):
            load = Load(server.address(), ledger, threads=4, sizes=(200, 4096, 30_000), manners=MANNERS)
            wait_until(lambda: not server.process.running(), 60, "the system call that kills")
            kills += 1
        server.kill()
        load.stop()
    server.start()
    assert server.stop() == 0
    found = ledger.check(journal_of(server).contents())
    report.record("kill -9 at each system call of the journal", "journal", ledger, found, kills=kills)


@pytest.fixture(params=["ext4", "xfs"])
def kind(request):
    why = why_no_power_cut(request.param)
    if why:
        pytest.skip(why)
    return request.param


def cut_under_load(server, disk, ledger, count, **manner):
    server.start()
    load = Load(server.address(), ledger, sizes=SIZES, manners=MANNERS, **manner)
    load.wait_accepted(count)
    refused = ledger.count(4)
    disk.cut()
    wait_until(lambda: ledger.count(4) > refused, 60, "the dead disk to be noticed")
    load.stop()
    server.kill()
    disk.remount()


def test_a_power_cut_under_load_loses_nothing(daemon, kind):
    server = daemon(with_journal(), started=False)
    ledger, chance, cuts = Ledger(), random.Random(7), pick(3, 20)
    with PowerCut(server.spool.folder, kind) as disk:
        for _ in range(cuts):
            cut_under_load(server, disk, ledger, chance.randrange(50, pick(200, 1000)))
        server.start()
        assert server.stop() == 0
        found = ledger.check(journal_of(server).contents(), refused_may_stay=True)
    report.record(f"power cut, {kind}", "journal", ledger, found, cuts=cuts)


def test_control_without_a_sync_a_power_cut_loses_messages(daemon, kind):
    server = daemon(with_journal({"plugin": {"spool": {"use": str(HOOKED_SPOOL)}}}), started=False,
                    environment={"LSMTPD_TEST_NO_FDATASYNC": "1"})
    ledger = Ledger()
    with PowerCut(server.spool.folder, kind) as disk:
        for _ in range(10):
            cut_under_load(server, disk, ledger, 10, threads=1, pace=0.05)
            found = ledger.compare(journal_of(server).contents())
            if found.lost:
                break
    assert found.lost, "the power cut test cannot fail"


def test_a_flush_that_fails_refuses_its_group_and_mail_goes_on(daemon):
    server = daemon(with_journal(), environment=STRACED)
    ledger = Ledger()
    with Injected(server, "fdatasync:error=EIO:when=5+7"):
        load_and_end(server, ledger, 60, lambda: None, sizes=(200, 4096))
    assert ledger.count(4) > 0
    server.wait_log("the disk failed: the message was refused; check the disk and the directory")
    assert server.stop() == 0
    ledger.check(journal_of(server).contents())


def test_a_full_disk_refuses_and_loses_nothing(daemon):
    if not can_mount():
        pytest.skip("only root can mount")
    server = daemon(with_journal({"plugin": {"spool": {"options": {"min_free": "0", "min_free_inodes": 0}}}}),
                    started=False)
    ledger = Ledger()
    with SmallDisk(server.spool.folder, "size=40M"):
        server.start()
        load = Load(server.address(), ledger, sizes=(100_000,))
        wait_until(lambda: ledger.count(4) > 20, 60, "the disk to be full")
        load.stop()
        assert server.stop() == 0
        ledger.check(journal_of(server).contents())


def test_what_waits_is_replayed_and_gone(daemon, tmp_path):
    recorder = Recorder(tmp_path)
    recorder.down()
    server = daemon(with_journal(recorder.configuration()), started=False)
    ledger = Ledger()
    server.start()
    load_and_end(server, ledger, 200, server.kill)
    server.start()
    recorder.up()
    wait_until(lambda: not journal_of(server).waiting(), 60, "the journal to be replayed")
    assert server.stop() == 0
    ledger.check(recorder.contents())
    assert not journal_of(server).messages()


@pytest.mark.skipif(sanitized(), reason="a sanitizer wants to be loaded first")
@pytest.mark.parametrize("first, then", [("+1d", "-1d"), ("-1d", "+1d")])
def test_a_wrong_clock_loses_nothing(daemon, tmp_path, first, then):
    recorder = Recorder(tmp_path)
    recorder.down()
    server = daemon(with_journal(recorder.configuration()), started=False)
    ledger = Ledger()
    for offset in (first, then):
        server.environment = wrong_clock(offset)
        server.start()
        load_and_end(server, ledger, 50, server.kill, sizes=(200, 1024))
    server.environment = {}
    server.start()
    load_and_end(server, ledger, 50, recorder.up, sizes=(200, 1024))
    wait_until(lambda: not journal_of(server).waiting(), 60, "the journal to be replayed")
    assert server.stop() == 0
    found = ledger.check(recorder.contents())
    report.record(f"clock off by {first}, then {then}", "journal", ledger, found)


def test_kill_9_while_it_is_replayed_loses_nothing(daemon, tmp_path):
    recorder = Recorder(tmp_path)
    recorder.down()
    server = daemon(with_journal(recorder.configuration()), started=False)
    ledger, chance, under_way = Ledger(), random.Random(8), set()
    for _ in range(pick(4, 30)):
        server.start()
        load_and_end(server, ledger, 100, lambda: None, sizes=(200, 1024))
        before = len(list(recorder.contents()))
        recorder.up()
        wanted = before + chance.randrange(1, 90)
        wait_until(lambda: len(list(recorder.contents())) >= wanted, 30, "some to be replayed")
        server.kill()
        # Taken by the output, and not yet known to be removed: at most as many as replay has under way.
        taken = {number_of(each) for each in recorder.contents()}
        again = {number_of(each) for each in journal_of(server).contents()} & taken
        assert len(again) <= 128
        under_way |= again
        recorder.down()
    recorder.up()
    server.start()
    wait_until(lambda: not journal_of(server).waiting(), 60, "the journal to be replayed")
    assert server.stop() == 0
    ledger.check(recorder.contents(), duplicates_allowed=under_way)


def test_the_tool_changes_the_journal_of_a_running_daemon(daemon, tmp_path):
    recorder = Recorder(tmp_path)
    recorder.down()
    server = daemon(with_journal(recorder.configuration(reject_to="refused@example.org")))

    def spool(*words, **options):
        return run_cli("spool", *words, "--config", server.config_file, check=0, **options).stdout

    ids = []
    for recipient in ("kept@example.org", "gone@example.org", "refused@example.org"):
        with server.client() as client:
            client.envelope(recipients=(recipient,))
            ids.append(queued_id(client.data(H + recipient.encode() + b"\r\n")))
    assert [line.split()[0] for line in spool("ls").splitlines()] == ids
    assert spool("export", ids[0]).encode() == H + b"kept@example.org\r\n"
    spool("rm", ids[1])
    assert ids[1] not in spool("ls", "--all")
    server.wait_log("an operator changed or exported a message", action="removed", id=ids[1])
    recorder.up()
    wait_until(lambda: ids[2] in spool("ls", "--dead"), 30, "the refused one to be a dead letter")
    assert [each.id for each in journal_of(server).dead()] == [ids[2]]
    recorder.down()
    spool("retry", ids[2])
    assert ids[2] in spool("ls")
    assert server.stop() == 0


def test_the_layout_changes_at_a_restart_only_and_both_are_served(daemon, tmp_path):
    recorder = Recorder(tmp_path)
    recorder.down()
    server = daemon(recorder.configuration())
    ledger = Ledger()
    load_and_end(server, ledger, 30, lambda: None, sizes=(200,))
    server.config["plugin"]["spool"]["options"]["layout"] = "journal"
    server.write_config()
    server.process.signal(signal.SIGHUP)
    wait_until(lambda: "layout" in server.log.read_text(), 20, "the reload to name the option")
    assert server.stop() == 0
    server.start()
    load_and_end(server, ledger, 30, lambda: None, sizes=(200,))
    assert len(server.spool) >= 30 and len(journal_of(server).waiting()) >= 30
    recorder.up()
    wait_until(lambda: not server.spool.files() and not journal_of(server).waiting(), 60, "both to be replayed")
    assert server.stop() == 0
    ledger.check(recorder.contents())


def test_messages_of_the_journal_get_their_files_when_the_layout_is_files_again(daemon, tmp_path):
    recorder = Recorder(tmp_path)
    recorder.down()
    server = daemon(with_journal(recorder.configuration()))
    ledger = Ledger()
    load_and_end(server, ledger, 30, server.kill, sizes=SIZES)
    server.config["plugin"]["spool"]["options"]["layout"] = "files"
    server.write_config()
    server.start()
    assert len(server.spool) >= 30 and not journal_of(server).places()
    recorder.up()
    wait_until(lambda: not server.spool.files(), 60, "all to be replayed")
    assert server.stop() == 0
    left = [each for each in server.spool.folder.rglob("*") if each.suffix in (".json", ".segment", ".body", ".damaged")]
    assert not left, "none is left, set aside or dead"
    ledger.check(recorder.contents())
