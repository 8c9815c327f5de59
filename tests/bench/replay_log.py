# SPDX-License-Identifier: Apache-2.0
"""How far replay is, from the daemon's log: it is written anyway, so nothing is asked of the daemon meanwhile."""
import datetime
import json
import time

from support.wait import Timeout, wait_until

REPLAYED = b'"message":"replayed"'
QUIET = 2  # seconds without a line after which the spool is looked at, though lines are missing


class ReplayLog:
    """The lines that come after it was made. Each message has a line when its outcome is known, just before the spool
    forgets it; the last of them counts as the end where the spool is empty at the first look after it."""

    def __init__(self, server, ready):
        self._server, self._ready = server, f'"message":"{ready}"'.encode()
        self._file = open(server.daemon.log, "rb")
        self._file.seek(0, 2)
        self._rest = b""
        self._lines = []
        self._empty_at = None  # seconds since the epoch, where a look found messages after the last line
        self.ready = 0         # lanes that can publish

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._file.close()

    def __len__(self):
        """Messages that were replayed so far."""
        *lines, self._rest = (self._rest + self._file.read()).split(b"\n")
        self._lines += [line for line in lines if REPLAYED in line]
        self.ready += sum(self._ready in line for line in lines)
        return len(self._lines)

    def wait_begun(self, lanes, seconds=60):
        """Until the first message was replayed, and as many lanes take live mail."""
        wait_until(lambda: len(self) and self.ready >= lanes, seconds,
                   lambda: f"replay to begin: {self.ready} of {lanes} lanes are ready", every=0.01)

    def wait_empty(self, count, seconds):
        """Until `count` messages or more were replayed and nothing is left in the spool."""
        deadline, heard, before, looks = time.monotonic() + seconds, time.monotonic(), 0, 0
        while True:
            now, found = time.monotonic(), len(self)
            if found > before:
                heard, before, looks = now, found, 0
            if found >= count or now - heard > QUIET:
                if self._server.stored() == 0:
                    len(self)  # what came during the look
                    self._empty_at = time.time() if looks else None
                    return
                looks += 1
            if now > deadline:
                raise Timeout(f"{found} of {count} messages replayed within {seconds:.0f} s")
            time.sleep(0.005 if found >= count else 0.05)

    def began(self):
        return moment(self._lines[0])

    def ended(self):
        return self._empty_at or moment(self._lines[-1])


def moment(line):
    """Of a line of the log, in seconds since the epoch."""
    return datetime.datetime.fromisoformat(json.loads(line)["time"].replace("Z", "+00:00")).timestamp()
