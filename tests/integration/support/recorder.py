# SPDX-License-Identifier: Apache-2.0
"""An output that records its messages and can be down: tests/fixtures/test_output.cpp, with the
spool as its fallback. Messages that waited while it was down are replayed into it."""
import re

from .daemon import BUILD

# Not only at the beginning of a line: a kill -9 leaves a part of a record, which the next one follows.
_DELIVERED = re.compile(rb"deliver (\S+) target=.* size=(\d+) from=.*\n")


class Recorder:
    """Its files are beside the daemon's. Order of calls: configuration() for the daemon; down() and
    up() at will; contents() once the daemon rests."""

    def __init__(self, folder):
        self._record, self._down = folder / "recorder.txt", folder / "recorder-is-down"

    def configuration(self, **options):
        options = {"verdict": "stored", "record": str(self._record), "content": True,
                   "down_while": str(self._down), **options}
        return {"server": {"workers": 1},  # one lane, so that its records do not mix
                "log": {"level": "info"},
                "plugin": {"recorder": {"use": str(BUILD / "tests/fixtures/test_output.so"), "deadline": "10s",
                                        "fallback": "spool", "options": options}},
                "chain": {"default": {"steps": ["recorder"]}}}

    def down(self):
        self._down.touch()

    def up(self):
        self._down.unlink(missing_ok=True)

    def contents(self):
        """The bytes of each message that it took, once for each time."""
        text = self._record.read_bytes() if self._record.exists() else b""
        for found in _DELIVERED.finditer(text):
            end = found.end() + int(found.group(2))
            if text.startswith(b"\nstored %s\n" % found.group(1), end):
                yield text[found.end():end]
