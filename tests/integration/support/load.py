"""Mail under load, with a ledger: which message got which reply, so that none that was acknowledged
can be missed afterwards."""
import hashlib
import re
import threading

from .hostile import H
from .smtp import Client, stuff
from .wait import wait_until


class Ledger:
    """number -> (reply or None, sha256). None: the connection broke before there was a reply."""

    def __init__(self):
        self._lock = threading.Lock()
        self._next = 0
        self.entries = {}

    def take(self):
        with self._lock:
            self._next += 1
            return self._next

    def write(self, number, reply, content):
        entry = (reply, hashlib.sha256(content).hexdigest())
        with self._lock:
            self.entries[number] = entry

    def with_reply(self, start):
        with self._lock:
            entries = self.entries.copy()
        return {number: entry for number, entry in entries.items()
                if entry[0] is not None and entry[0].startswith(start)}

    @property
    def accepted(self):
        return self.with_reply("250")

    def check(self, contents, duplicates_allowed=False):
        """contents: the bytes of every message that came out. Nothing with 250 is missing or
        changed, and nothing came twice."""
        seen = {}
        for content in contents:
            number = int(re.search(rb"^X-Number: (\d+)\r$", content, re.M).group(1))
            seen.setdefault(number, []).append(hashlib.sha256(content).hexdigest())
        lost = sorted(set(self.accepted) - set(seen))
        assert not lost, f"{len(lost)} acknowledged messages are missing: {lost[:20]}"
        changed = [number for number, hashes in seen.items()
                   for each in hashes if each != self.entries[number][1]]
        assert not changed, f"changed on the way: {changed[:20]}"
        refused = set(self.with_reply("4")) | set(self.with_reply("5"))
        assert not refused & set(seen), f"refused, but stored: {sorted(refused & set(seen))[:20]}"
        twice = [number for number, hashes in seen.items() if len(hashes) > 1]
        assert duplicates_allowed or not twice, f"came twice: {twice[:20]}"
        return seen


class Load:
    """Threads that send numbered messages of mixed sizes until stop(). They go on through lost
    connections and refusals. pace: seconds that each rests after a message, so that what collects
    while something else starts stays in proportion."""

    def __init__(self, address, ledger, threads=6, sizes=(200, 4096, 100_000), pace=0):
        self._address, self._ledger, self._sizes, self._pace = address, ledger, sizes, pace
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(threads)]
        for each in self._threads:
            each.start()

    def stop(self):
        self._stop.set()
        for each in self._threads:
            each.join(60)
            assert not each.is_alive(), "a client hangs"

    def wait_accepted(self, count, seconds=60):
        start = len(self._ledger.accepted)
        wait_until(lambda: len(list(self._ledger.accepted)) - start >= count, seconds,
                   f"{count} more messages to be accepted")

    def _run(self):
        while not self._stop.is_set():
            try:
                with Client(self._address) as client:
                    client.expect(220)
                    client.command("EHLO load.example", 250)
                    while not self._stop.is_set():
                        self._one(client)
                        self._stop.wait(self._pace)
            except (OSError, AssertionError):
                self._stop.wait(0.01)

    def _one(self, client):
        number = self._ledger.take()
        size = self._sizes[number % len(self._sizes)]
        content = b"X-Number: %d\r\n" % number + H + (b".x" * 30 + b"\r\n") * (size // 62) + b"end\r\n"
        # Written before it leaves: whatever happens from here on, the reply is not known.
        self._ledger.write(number, None, content)
        client.send(b"MAIL FROM:<s@example.org>\r\nRCPT TO:<r@example.org>\r\nDATA\r\n")
        replies = [client.reply() for _ in range(3)]
        if not replies[2].startswith("354"):
            self._ledger.write(number, replies[2], content)
            return
        client.send(stuff(content))
        self._ledger.write(number, client.reply(), content)
