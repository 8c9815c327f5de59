# SPDX-License-Identifier: Apache-2.0
"""Real clients deliver, and their mail is in the spool byte for byte."""
import hashlib
import re
import smtplib
from email.message import EmailMessage

import pytest

from support import clients, mails
from support.smtp import queued_id

MAIL = (b"From: Sender <s@example.org>\r\nTo: r@example.org\r\nDate: Sun, 22 Nov 2026 10:00:00 +0000\r\n"
        b"Message-ID: <1@example.org>\r\n"
        b"Subject: dots and umlauts\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
        b"Content-Transfer-Encoding: 8bit\r\n\r\n.\r\n..two\r\n" + "Gr\u00fc\u00dfe\r\n".encode() +
        b"\r\n.end\r\n")

SENDERS = [clients.with_smtplib, clients.with_smtplib_sendmail, clients.with_swaks,
           clients.with_curl, clients.with_msmtp]


@pytest.mark.parametrize("send", SENDERS, ids=lambda send: send.__name__)
def test_a_mail_is_stored_byte_for_byte(daemon, tmp_path, send):
    server = daemon()
    send(server, MAIL, tmp_path)
    stored = server.spool.only()
    assert stored.content == MAIL
    assert stored.json["sender"] == "s@example.org"
    assert stored.json["recipients"] == ["<r@example.org>"]
    assert stored.json["message_id"] == stored.path.stem


@pytest.mark.parametrize("send", [clients.with_smtplib, clients.with_swaks, clients.with_curl],
                         ids=lambda send: send.__name__)
def test_the_collection_of_real_mails_is_stored_byte_for_byte(daemon, tmp_path, send):
    server = daemon({"limits": {"errors": 1000}})
    sent = {}
    for name, data in mails.collection():
        mail = mails.as_sent(data)
        if mails.has_bare(mail) or not mail:
            continue  # goes over BDAT, in test_corpus.py
        before = set(server.spool.ids())
        send(server, mail, tmp_path)
        new = set(server.spool.ids()) - before
        assert len(new) == 1, name
        sent[name] = (new.pop(), mail)
    assert len(sent) > 40
    for name, (message_id, mail) in sent.items():
        assert server.spool.message(message_id).content == mail, name


@pytest.mark.parametrize("kept", [False, True], ids=["one a connection", "kept connections"])
def test_smtp_source_delivers_2000_messages_over_20_sessions(daemon, kept):
    server = daemon()
    clients.with_smtp_source(server, "-s", "20", "-m", "2000", "-l", "4096", "-f", "s@example.org",
                             "-t", "r@example.org", *(["-d"] if kept else []))
    stored = server.spool.messages()
    assert len(stored) == 2000
    assert all(each.content.endswith(b"\r\n") and len(each.content) >= 4096 for each in stored)


def test_smtp_source_delivers_to_lmtp(daemon):
    server = daemon({"listener": [{"name": "mx", "address": "127.0.0.1:0", "protocol": "lmtp"}]})
    clients.with_smtp_source(server, "-L", "-s", "5", "-m", "200", "-r", "3", "-f",
                             "s@example.org", "-t", "r@example.org")
    stored = server.spool.messages()
    assert len(stored) == 200
    assert all(len(each.json["recipients"]) == 3 for each in stored)


def test_many_messages_over_one_connection_of_smtplib(daemon):
    server = daemon()
    with server.smtplib() as client:
        for number in range(50):
            message = EmailMessage()
            message["From"], message["To"] = "s@example.org", "r@example.org"
            message["Subject"] = f"number {number}"
            message.set_content("text\n")
            client.send_message(message)
    subjects = {re.search(rb"Subject: (.*)\r\n", each.content).group(1)
                for each in server.spool.messages()}
    assert subjects == {b"number %d" % number for number in range(50)}


def test_lmtp_of_smtplib_gets_a_reply_for_each_recipient(daemon):
    server = daemon({"listener": [{"name": "mx", "address": "127.0.0.1:0", "protocol": "lmtp"}]})
    host, port = server.address()
    with smtplib.LMTP(host, port, local_hostname="client.example") as client:
        client.ehlo()
        client.mail("s@example.org")
        client.rcpt("a@example.org")
        client.rcpt("b@example.org")
        code, text = client.data(MAIL)
        assert code == 250
        second = client.getreply()
        assert second[0] == 250
    assert server.spool.only().json["recipients"] == ["<a@example.org>", "<b@example.org>"]


def test_the_null_sender_an_international_address_and_dsn_parameters_are_kept(daemon):
    server = daemon()
    with server.client() as client:
        client.command("EHLO client.example", 250)
        client.command("MAIL FROM:<> BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=QQ314159", 250)
        client.command("RCPT TO:<j\u00f6rg@ex\u00e4mple.org> NOTIFY=SUCCESS,FAILURE "
                       "ORCPT=rfc822;joerg@example.org", 250)
        message_id = queued_id(client.data(MAIL))
    stored = server.spool.only()
    assert stored.path.stem == message_id
    assert stored.json["sender"] == ""
    assert stored.json["recipients"] == ["<j\u00f6rg@ex\u00e4mple.org>"]
    text = stored.path.read_text()
    assert "ENVID=QQ314159" in text and "NOTIFY=SUCCESS,FAILURE" in text


@pytest.mark.parametrize("lines", [
    ["HELO old", "MAIL FROM: <s@example.org>", "RCPT TO: <r@example.org>"],
    ["MAIL FROM:<s@example.org>", "RCPT TO:<r@example.org>"],
    ["helo old", "mail from:s@example.org", "rcpt to:r@example.org"],
], ids=["space after the colon", "no HELO", "lower case, no brackets"])
def test_old_clients_are_served(daemon, lines):
    server = daemon()
    with server.client() as client:
        for line in lines:
            client.command(line, 250)
        queued_id(client.data(MAIL))
    stored = server.spool.only()
    assert stored.json["sender"] == "s@example.org"
    assert stored.json["recipients"] == ["<r@example.org>"]
    assert stored.content == MAIL


def test_the_json_has_the_six_keys_in_the_form_that_workers_parse(daemon):
    server = daemon()
    with server.client() as client:
        client.envelope()
        message_id = queued_id(client.data(MAIL))
    stored = server.spool.only()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}\+00:00", stored.json["timestamp"])
    assert stored.json["message_id"] == message_id
    assert message_id[14] == "4" and message_id[19] in "89ab", "not a UUID v4"
    assert stored.json["client_address"] == "client.example"
    assert stored.json["email_content"] == MAIL.decode()
    assert list(stored.json)[-1] in ("email_content", "email_content_base64")


def test_a_mail_that_is_sent_again_has_the_same_content_id(daemon):
    server = daemon()
    recipients = ("a@example.org", "B@example.org")
    with server.client() as client:
        for to in (recipients, recipients, recipients[:1]):
            client.envelope("s@example.org", to)
            queued_id(client.data(MAIL))
    found = {each.json["message_id"]: each.json["content_id"] for each in server.spool.messages()}
    both, first = (hashlib.sha256("".join(f"{each}\0" for each in ("s@example.org", *to)).encode() + MAIL).hexdigest()
                   for to in (recipients, recipients[:1]))
    assert sorted(found.values()) == sorted([both, both, first])


def test_the_spool_is_for_its_owner_only(daemon):
    server = daemon()
    with server.client() as client:
        client.envelope()
        queued_id(client.data(MAIL))
    assert server.spool.only().path.stat().st_mode & 0o777 == 0o600
    assert server.spool.folder.stat().st_mode & 0o777 == 0o700
