#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Mail of a monitoring system (subjects as Nagios and Icinga write them) becomes alerts in SQLite: one for each host and
service however many mails come, with a line on standard output, where a pager may read it, when its state changes.

ALERTS: the database, alerts.sqlite by default. Run as a program it lists the alerts."""
import contextlib
import email
import email.policy
import os
import re
import sqlite3

SUBJECT = re.compile(r"(PROBLEM|RECOVERY)\b.*?:\s*(\S+)/(.+?) is (OK|WARNING|CRITICAL|UNKNOWN)\b")
TABLES = """
CREATE TABLE IF NOT EXISTS alert (host TEXT, service TEXT, state TEXT, time TEXT, mails INTEGER, PRIMARY KEY (host, service));
CREATE TABLE IF NOT EXISTS seen (content_id TEXT PRIMARY KEY, time TEXT);
"""


def database():
    found = sqlite3.connect(os.environ.get("ALERTS", "alerts.sqlite"), timeout=30, isolation_level=None)
    found.executescript(TABLES)
    return contextlib.closing(found)


def work(mail):
    subject = str(email.message_from_bytes(mail.content, policy=email.policy.default)["Subject"] or "")
    named = SUBJECT.search(subject)
    if not named:
        raise ValueError(f"no alert in the subject {subject!r}")
    _, host, service, state = named.groups()
    time = mail.json["timestamp"]
    with database() as alerts:
        alerts.execute("BEGIN IMMEDIATE")
        if alerts.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", [mail.content_id, time]).rowcount == 0:
            return  # delivered again, or sent again by the client
        alerts.execute("DELETE FROM seen WHERE time < datetime(?, '-30 days')", [time])
        known = alerts.execute("SELECT state, time FROM alert WHERE host = ? AND service = ?", [host, service]).fetchone()
        if known and known[1] > time:  # mail comes in any order: an older one changes no state
            state, time = known
        alerts.execute("INSERT INTO alert VALUES (?, ?, ?, ?, 1) ON CONFLICT DO UPDATE SET state = excluded.state, "
                       "time = excluded.time, mails = mails + 1", [host, service, state, time])
        if state != (known[0] if known else "OK"):
            print(f"{host} {service}: {state}", flush=True)  # before the commit: rather twice than never
        alerts.execute("COMMIT")


def main():
    with database() as alerts:
        for row in alerts.execute("SELECT host, service, state, mails FROM alert ORDER BY host, service"):
            print("{} {}: {}, {} mails".format(*row))


if __name__ == "__main__":
    main()
