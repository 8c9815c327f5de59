# SPDX-License-Identifier: Apache-2.0
"""The files of output_json_spool: one <message_id>.json a message."""
import base64
import hashlib
import json
import pathlib
import time

from .journal import Journal


class Spool:
    """Files are made behind the 250, within 2 s. While `daemon_runs()` they are waited for here."""

    def __init__(self, folder, daemon_runs=lambda: False):
        self.folder = pathlib.Path(folder)
        self._daemon_runs = daemon_runs

    def _journal(self):
        return Journal(self.folder / "journal")

    def settle(self, seconds=30):
        """Waits until each message that was accepted by now has its file, or the daemon has ended."""
        deadline = time.monotonic() + seconds
        left = self._journal().places() if self._daemon_runs() else None
        while left and self._daemon_runs() and time.monotonic() < deadline:
            time.sleep(0.02)
            left &= self._journal().places()

    def files(self):
        """Only messages that wait: neither temporaries nor dead letters."""
        self.settle()
        return self.files_now()

    def files_now(self):
        if not self.folder.is_dir():
            return []
        return sorted(each for each in self.folder.glob("*.json") if not each.name.startswith("."))

    def ids(self):
        return [each.stem for each in self.files()]

    def __len__(self):
        return len(self.files())

    def message(self, message_id):
        self.settle()
        return Stored(self.folder / f"{message_id}.json")

    def messages(self):
        return [Stored(each) for each in self.files()]

    def contents(self):
        """The bytes of each message, one after the other; those too that a killed daemon left without a file."""
        files = self.files()
        for each in files:
            yield Stored(each).content
        if not self._daemon_runs():
            made = {each.stem for each in files}
            yield from (each.content for each in self._journal().waiting() if each.id not in made)

    def dead(self):
        """The bytes of each dead letter."""
        return (Stored(each).content for each in sorted((self.folder / "dead").glob("*.json")))

    def only(self):
        found = self.messages()
        assert len(found) == 1, f"{len(found)} messages in the spool, not one"
        return found[0]


class Stored:
    """One message: .json is the whole object, .content the exact bytes of the message."""

    def __init__(self, path):
        self.path = path
        text = path.read_bytes()
        self.json = json.loads(text.decode("utf-8"))  # strict: invalid UTF-8 is an error
        self.content = content_of(self.json)

    @property
    def sha256(self):
        return hashlib.sha256(self.content).hexdigest()


def content_of(message):
    """The exact content, and that both forms agree as LSMTPD's workers expect."""
    text = message["email_content"]
    if "email_content_base64" not in message:
        return text.encode("utf-8")
    exact = base64.b64decode(message["email_content_base64"], validate=True)
    assert b"\0" in exact or not _is_utf8(exact), "base64 beside content that JSON can carry"
    if _is_utf8(exact):
        assert text == exact.decode("utf-8")
    else:
        assert "\ufffd" in text
    return exact


def _is_utf8(data):
    try:
        data.decode("utf-8")
        return True
    except UnicodeDecodeError:
        return False
