# SPDX-License-Identifier: Apache-2.0
"""A power cut while mail comes in: every message with 250 is on the disk. And the controls: without one of the syncs
it is not."""
import random

import pytest

from support import report
from support.daemon import merge
from support.faults import HOOKED_SPOOL, PowerCut, why_no_power_cut
from support.journal import Journal
from support.load import Ledger, Load
from support.matrix import pick
from support.recorder import Recorder
from support.report import Timing
from support.spool import Stored
from support.wait import wait_until

CHANCE = random.Random(7)
SIZES = pick((200, 4096, 100_000), (200, 1024, 4096, 30_000))


@pytest.fixture(params=["ext4", "xfs"])
def kind(request):
    why = why_no_power_cut(request.param)
    if why:
        pytest.skip(why)
    return request.param


def cut_under_load(server, disk, ledger, cuts, most, threads=8, pace=0):
    restarts = Timing()
    for _ in range(cuts):
        restarts.take(server.start)
        load = Load(server.address(), ledger, sizes=SIZES, manners=("data", "bdat"), threads=threads, pace=pace)
        load.wait_accepted(CHANCE.randrange(most // 2, most))
        refused = ledger.count(4)
        disk.cut()
        wait_until(lambda: ledger.count(4) > refused, 60, "the dead disk to be noticed")
        wait_until(lambda: tells_the_fault(server.log.read_text()), 10, "the log to tell the fault")
        load.stop()
        server.kill()
        disk.remount()
    return restarts


def tells_the_fault(log):
    """By the message that met the dead disk first, or by the look at the free space that came before any message."""
    return "the disk failed" in log or "the spool takes no messages now" in log


def test_a_power_cut_under_load_loses_nothing(daemon, kind):
    server = daemon({"log": {"level": "info"}}, started=False)
    ledger, cuts = Ledger(), pick(3, 20)
    with PowerCut(server.spool.folder, kind) as disk:
        restarts = cut_under_load(server, disk, ledger, cuts, pick(300, 1000))
        # Refused because the disk died under it: it may be there all the same. Torn it may not be.
        found = ledger.check(server.spool.contents(), refused_may_stay=True)
    report.record(f"power cut, {kind}", "spool", ledger, found, cuts=cuts, restart=str(restarts))


@pytest.mark.parametrize("hook", ["LSMTPD_TEST_NO_FDATASYNC", "LSMTPD_TEST_NO_FSYNC"])
def test_control_without_a_sync_a_power_cut_loses_messages(daemon, tmp_path, kind, hook):
    recorder = Recorder(tmp_path)
    recorder.down()
    server = daemon(merge(recorder.configuration(), {"plugin": {"spool": {"use": str(HOOKED_SPOOL)}}}),
                    started=False, environment={hook: "1"})
    ledger = Ledger()
    with PowerCut(server.spool.folder, kind) as disk:
        # Where data is not flushed one slow client: the next message's flush would save the one before. Where names are
        # not, several: the journal forgets a message between two batches of files. One cut may by chance lose nothing.
        slow = hook == "LSMTPD_TEST_NO_FDATASYNC"
        for _ in range(20):
            cut_under_load(server, disk, ledger, 1, *((10, 1, 0.1) if slow else (400, 4, 0.003)))
            if ledger.compare(whole_contents(server)).lost:
                break
        torn = [each.stem for each in server.spool.files() if not whole(each)]
        # Leftover files do not stop the daemon: complete ones are replayed, torn ones go to quarantine, if the
        # journal does not have the message.
        recorder.up()
        server.start()
        wait_until(lambda: len(server.spool) == 0, 60, "the spool to be replayed")
        assert {each.stem for each in (server.spool.folder / "quarantine").glob("*.json")} <= set(torn)
        assert server.stop() == 0
    found = ledger.compare(recorder.contents())
    assert found.lost, "the power cut test cannot fail"
    assert not found.changed
    report.record(f"power cut, {kind}, {hook}", "spool", ledger, found, control=True, torn=len(torn))


def whole_contents(server):
    """Of the files that are whole, and of the journal."""
    found = {each.stem: Stored(each).content for each in server.spool.files() if whole(each)}
    journal = Journal(server.spool.folder / "journal")
    return (found | {each.id: each.content for each in journal.waiting()}).values()


def whole(file):
    try:
        return bool(Stored(file).json)
    except (ValueError, KeyError):
        return False
