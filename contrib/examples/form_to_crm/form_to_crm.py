# SPDX-License-Identifier: Apache-2.0
"""The mail of a web form, a "Field: value" a line, becomes a line of JSON that a CRM imports. The last field may have several
lines. A form without an address is rejected: dead letters keep it for somebody to look at.

CRM_FILE: contacts.jsonl by default. Other workers may write to it too; a reader takes whole lines only."""
import email
import email.policy
import fcntl
import json
import os
import re

from mail import Poison

FIELDS = ["name", "e-mail", "company", "message"]  # in the order of the form
NEEDED = ["name", "e-mail"]


def fields_of(text):
    found, field = {}, None
    for line in text.splitlines():
        named = re.match(r"\s*([\w-]+)\s*:\s*(.*)", line)
        if field != FIELDS[-1] and named and named[1].lower() in FIELDS:
            field = named[1].lower()
            found[field] = named[2]
        elif field:
            found[field] += "\n" + line
    found = {key: value.strip() for key, value in found.items() if value.strip()}
    missing = [each for each in NEEDED if each not in found]
    if missing:
        raise Poison(f"the form has no {', '.join(missing)}")
    return found


def append(path, record):
    """Once, whole and synced."""
    with open(path, "a+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # until it is closed
        file.seek(0)
        whole = 0
        for line in file:
            if not line.endswith(b"\n"):  # a power cut left a part
                file.truncate(whole)
                break
            whole += len(line)
            if json.loads(line)["id"] == record["id"]:
                return  # delivered again
        file.write(json.dumps(record, ensure_ascii=False).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def work(mail):
    message = email.message_from_bytes(mail.content, policy=email.policy.default)
    part = message.get_body(("plain",))
    if part is None:
        raise Poison("the form has no text")
    append(os.environ.get("CRM_FILE", "contacts.jsonl"),
           {"id": mail.content_id, "time": mail.json.get("timestamp"), **fields_of(part.get_content())})
