# SPDX-License-Identifier: Apache-2.0
"""layout = "files": the files are made behind the 250."""
import threading
import time

from support.hostile import H
from support.journal import Journal
from support.load import Ledger, Load, number_of
from support.matrix import pick
from support.smtp import queued_id
from support.spool import Stored
from support.wait import wait_until

BEHIND = 2  # seconds, at most
IDLE = 0.2


class Reader:
    """An application: it takes each file as soon as it is there, and removes it."""

    def __init__(self, folder):
        self._folder, self._ended = folder, threading.Event()
        self.contents = []
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self):
        while True:
            last = self._ended.is_set()
            for file in self._folder.glob("*.json"):
                self.contents.append(Stored(file).content)
                file.unlink()
            if last:
                return
            time.sleep(0.001)

    def end(self):
        self._ended.set()
        self._thread.join()


def test_a_file_is_there_soon_after_its_250(daemon):
    server = daemon()
    with server.client() as client:
        for _ in range(5):
            client.envelope()
            identity = queued_id(client.data(H + b"x\r\n"))
            accepted = time.monotonic()
            file = server.spool.folder / f"{identity}.json"
            wait_until(file.exists, 20, "the file", every=0.005)
            taken = time.monotonic() - accepted
    assert taken < IDLE * pick(5, 1), "the last one: the disk may have been busy with the first segment"
    assert Stored(file).content == H + b"x\r\n"


def test_a_reader_that_removes_files_at_once_gets_each_message_once(daemon):
    server = daemon({"log": {"level": "info"}})
    ledger, reader = Ledger(), Reader(server.spool.folder)
    load = Load(server.address(), ledger, sizes=(200, 4096, 300_000), manners=("data", "bdat"))
    load.wait_accepted(pick(500, 5000))
    load.stop()
    assert server.stop() == 0
    reader.end()
    ledger.check(reader.contents)
    assert not server.spool.files()
    assert not list((server.spool.folder / "journal").iterdir())


def test_after_kill_9_a_reader_gets_each_message_and_only_the_last_ones_twice(daemon):
    server = daemon({"log": {"level": "info"}}, started=False)
    server.spool.folder.mkdir(mode=0o700)
    ledger, reader = Ledger(), Reader(server.spool.folder)
    may_come_again = set()
    for _ in range(pick(5, 100)):
        server.start()
        before = len(reader.contents)
        load = Load(server.address(), ledger, sizes=(200, 4096, 30_000), manners=("data", "bdat"))
        load.wait_accepted(100)
        server.kill()
        load.stop()
        wait_until(lambda: not server.spool.files_now(), 20, "the reader to take what is there")
        # Their removal from the journal was not written.
        left = {number_of(each.content) for each in Journal(server.spool.folder / "journal").waiting()}
        may_come_again |= left & {number_of(each) for each in reader.contents[before:]}
    server.start()
    server.spool.settle()
    assert server.stop() == 0
    reader.end()
    ledger.check(reader.contents, duplicates_allowed=may_come_again)
    assert len(may_come_again) <= pick(5, 100) * 128, "a batch at most"


def test_each_message_that_was_accepted_has_its_file_while_the_load_goes_on(daemon):
    server = daemon({"log": {"level": "info"}})
    ledger = Ledger()
    load = Load(server.address(), ledger, sizes=(4096,))
    load.wait_accepted(pick(300, 3000))
    oldest = min((each.time_ns for each in Journal(server.spool.folder / "journal").waiting()), default=None)
    assert oldest is None or time.time() - oldest / 1e9 < BEHIND + 1  # reading takes its time too
    load.stop()
    assert server.stop() == 0
    ledger.check(server.spool.contents())
