# SPDX-License-Identifier: Apache-2.0
"""Each mail becomes two files, ARCHIVE/2026/11/22/ID.json (the envelope) and ID.eml (the bytes as they came), by the day on
which lsmtpd took it, in UTC. A name is there when its file is whole and on the disk; an .eml always has its .json.

ARCHIVE: the folder, `archive` by default."""
import json
import os
import pathlib
import re
import tempfile

from mail import Poison


def sync_folder(path):
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def make_folder(root, parts):
    """Returns root/part/..., durable with its parents, whoever made them."""
    path = root
    for part in ["", *parts]:
        path = path / part
        path.mkdir(parents=True, exist_ok=True)
        sync_folder(path.parent)
    return path


def store(path, data):
    """After a kill a .part stays; it may be removed."""
    number, part = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    try:
        with open(number, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.rename(part, path)  # the same again, where the message was delivered again
    except BaseException:
        os.unlink(part)
        raise
    sync_folder(path.parent)


def work(mail):
    day = re.match(r"(\d{4})-(\d\d)-(\d\d)T", str(mail.json.get("timestamp")))
    if not day or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}", mail.id):
        raise Poison("no time, or no id that can be a file's name")
    folder = make_folder(pathlib.Path(os.environ.get("ARCHIVE", "archive")).absolute(), day.groups())
    envelope = {key: value for key, value in mail.json.items() if not key.startswith("email_content")}
    store(folder / f"{mail.id}.json", json.dumps(envelope, indent=1).encode() + b"\n")
    store(folder / f"{mail.id}.eml", mail.content)
