# SPDX-License-Identifier: Apache-2.0
"""Mail under load, with a ledger: which message got which reply, so that none that was acknowledged
can be missed afterwards."""
import contextlib
import dataclasses
import hashlib
import re
import threading
import time

from .hostile import H
from .smtp import Client, stuff
from .wait import wait_until

_NUMBER = re.compile(rb"^X-Number: (\d+)\r$", re.M)


def number_of(content):
    return int(_NUMBER.search(content).group(1))


def fingerprint(content):
    """(number, SHA-256): a message in a ledger."""
    return number_of(content), hashlib.sha256(content).digest()


@dataclasses.dataclass
class Comparison:
    """The messages that came out, compared with the clients' ledger. Numbers of messages, sorted."""

    seen: dict          # number -> how often it came
    lost: list          # 250, and never came
    changed: list       # came with other bytes than were sent
    refused: list       # 4xx or 5xx, and came all the same
    twice: list         # 250, and came more than once
    twice_unknown: list  # no reply, and came more than once


class Ledger:
    """number -> (reply or None, sha256). None: the connection broke before there was a reply."""

    def __init__(self):
        self._lock = threading.Lock()
        self._next = 0
        self._classes = dict.fromkeys("245", 0)
        self.entries = {}

    def take(self):
        with self._lock:
            self._next += 1
            return self._next

    def write(self, number, reply, content):
        entry = (reply, hashlib.sha256(content).digest())
        with self._lock:
            self.entries[number] = entry
            if reply is not None:
                self._classes[reply[0]] += 1

    def count(self, first_digit):
        """How many replies began with this digit."""
        return self._classes[str(first_digit)]

    def with_reply(self, start):
        with self._lock:
            entries = self.entries.copy()
        return {number: entry for number, entry in entries.items()
                if entry[0] is not None and entry[0].startswith(start)}

    @property
    def accepted(self):
        return self.with_reply("250")

    @property
    def unanswered(self):
        with self._lock:
            return {number for number, (reply, _) in self.entries.items() if reply is None}

    def compare(self, contents):
        """contents: the bytes of every message that came out, or their fingerprints."""
        seen, changed = {}, set()
        for each in contents:
            number, digest = each if isinstance(each, tuple) else fingerprint(each)
            seen[number] = seen.get(number, 0) + 1
            if digest != self.entries[number][1]:
                changed.add(number)
        accepted, unanswered = self.accepted, self.unanswered
        refused = set(self.with_reply("4")) | set(self.with_reply("5"))
        twice = {number for number, times in seen.items() if times > 1}
        return Comparison(seen, sorted(set(accepted) - set(seen)), sorted(changed),
                          sorted(refused & set(seen)), sorted(twice & set(accepted)),
                          sorted(twice & unanswered))

    def check(self, contents, duplicates_allowed=False, refused_may_stay=False):
        """No message with 250 is missing or changed, and only allowed duplicates came: all (True), or these
        numbers."""
        found = contents if isinstance(contents, Comparison) else self.compare(contents)
        assert not found.lost, f"{len(found.lost)} acknowledged messages are missing: {found.lost[:20]}"
        assert not found.changed, f"changed on the way: {found.changed[:20]}"
        assert refused_may_stay or not found.refused, f"refused, but stored: {found.refused[:20]}"
        twice = set(found.twice + found.twice_unknown)
        if duplicates_allowed is not True:
            twice -= set(duplicates_allowed or ())
            assert not twice, f"{len(twice)} came twice: {sorted(twice)[:20]}"
        return found


class Load:
    """Threads that send numbered messages of mixed sizes until stop(). They go on through lost
    connections and refusals. pace: seconds that each rests after a message, so that what collects
    while something else starts stays in proportion. manners: in turn, how a message goes:
        data   MAIL, RCPT, DATA in one write, the content after 354
        bdat   all of it in one write
        alone  as data, then QUIT: the next has a connection of its own
        abort  half of the content, and the client is gone"""

    def __init__(self, address, ledger, threads=6, sizes=(200, 4096, 100_000), pace=0, manners=("data",)):
        self._address, self._ledger, self._sizes, self._pace = address, ledger, sizes, pace
        self._manners = manners
        self._stop = threading.Event()
        self.slowest = 0  # seconds from the end of the content to the reply
        self.longest = 0  # seconds for a greeting or a whole message, however it ended
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(threads)]
        for each in self._threads:
            each.start()

    def stop(self):
        self._stop.set()
        for each in self._threads:
            each.join(90)
            assert not each.is_alive(), "a client hangs"

    def wait_accepted(self, count, seconds=60):
        start = self._ledger.count(2)
        wait_until(lambda: self._ledger.count(2) - start >= count, seconds,
                   lambda: f"{count} more messages to be accepted; "
                           f"there were {self._ledger.count(2) - start}")

    def _run(self):
        while not self._stop.is_set():
            try:
                with self._waiting():
                    client = Client(self._address, timeout=60)
                with client:
                    with self._waiting():
                        client.expect(220)
                        client.command("EHLO load.example", 250)
                    while not self._stop.is_set() and self._another(client):
                        self._stop.wait(self._pace)
            except (OSError, AssertionError):
                self._stop.wait(0.01)

    def _another(self, client):
        with self._waiting():
            return self._one(client)

    @contextlib.contextmanager
    def _waiting(self):
        begin = time.monotonic()
        try:
            yield
        finally:
            self.longest = max(self.longest, time.monotonic() - begin)

    def _one(self, client):
        """Sends one message; false: this connection has done its part."""
        number = self._ledger.take()
        content = numbered(number, self._sizes[number % len(self._sizes)])
        # Recorded before it is sent: until the reply comes, the outcome is unknown.
        self._ledger.write(number, None, content)
        manner = self._manners[number % len(self._manners)]
        reply = (self._bdat if manner == "bdat" else self._data)(client, content, manner == "abort")
        if reply is not None:
            self._ledger.write(number, reply, content)
        if manner == "alone":
            client.command("QUIT", 221)
        return manner in ("data", "bdat")

    def _data(self, client, content, abort):
        client.send(_ENVELOPE + b"DATA\r\n")
        replies = [client.reply() for _ in range(3)]
        if not replies[2].startswith("354"):
            return _first_refusal(replies)
        if abort:
            client.send(stuff(content)[:len(content) // 2])
            return None
        client.send(stuff(content))
        return self._timed(client)

    def _bdat(self, client, content, _):
        client.send(_ENVELOPE + b"BDAT %d LAST\r\n" % len(content) + content)
        return _first_refusal([client.reply(), client.reply(), self._timed(client)])

    def _timed(self, client):
        start = time.monotonic()
        reply = client.reply()
        self.slowest = max(self.slowest, time.monotonic() - start)
        return reply


_ENVELOPE = b"MAIL FROM:<s@example.org>\r\nRCPT TO:<r@example.org>\r\n"


def numbered(number, size):
    return b"X-Number: %d\r\n" % number + H + (b".x" * 30 + b"\r\n") * (size // 62) + b"end\r\n"


def _first_refusal(replies):
    return next((each for each in replies if not each.startswith("250")), replies[-1])
