#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Mail becomes a ticket in SQLite. A subject with [#7] belongs to ticket 7, where there is one, and opens it again.

TICKETS: the database, tickets.sqlite by default. Run as a program it lists the tickets."""
import contextlib
import email
import email.policy
import os
import re
import sqlite3

TABLES = """
CREATE TABLE IF NOT EXISTS ticket (number INTEGER PRIMARY KEY, subject TEXT, state TEXT NOT NULL DEFAULT 'open');
CREATE TABLE IF NOT EXISTS entry (content_id TEXT PRIMARY KEY, ticket INTEGER NOT NULL REFERENCES ticket, message_id TEXT,
                                  time TEXT, sender TEXT, text TEXT, mail BLOB);
"""


def database():
    found = sqlite3.connect(os.environ.get("TICKETS", "tickets.sqlite"), timeout=30, isolation_level=None)
    found.executescript(TABLES)
    return contextlib.closing(found)


def text_of(message):
    part = message.get_body(("plain", "html"))
    return part.get_content().strip() if part else ""


def work(mail):
    message = email.message_from_bytes(mail.content, policy=email.policy.default)
    subject = str(message["Subject"] or "(no subject)")
    tag = re.search(r"\[#(\d{1,15})\]", subject)
    with database() as tickets:
        tickets.execute("BEGIN IMMEDIATE")
        if tickets.execute("SELECT 1 FROM entry WHERE content_id = ?", [mail.content_id]).fetchone():
            return  # delivered again, or sent again by the client
        number = int(tag[1]) if tag else 0
        if not tickets.execute("UPDATE ticket SET state = 'open' WHERE number = ?", [number]).rowcount:
            number = tickets.execute("INSERT INTO ticket (subject) VALUES (?)", [subject]).lastrowid
        tickets.execute("INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?, ?)",
                        [mail.content_id, number, mail.message_id, mail.json.get("timestamp"), mail.sender,
                         text_of(message), mail.content])
        tickets.execute("COMMIT")


def main():
    with database() as tickets:
        for number, state, subject in tickets.execute("SELECT number, state, subject FROM ticket ORDER BY number").fetchall():
            print(f"#{number} {state}: {subject}")
            for sender, text in tickets.execute("SELECT sender, text FROM entry WHERE ticket = ? ORDER BY time", [number]):
                print(f"  {sender}: {text.splitlines()[0] if text else ''}")


if __name__ == "__main__":
    main()
