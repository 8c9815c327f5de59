# SPDX-License-Identifier: Apache-2.0
"""Every mail of the collection, real, broken and generated, comes out of the spool byte for byte (SHA-256)."""
import hashlib

import pytest

from support import mails
from support.smtp import queued_id

COLLECTION = mails.collection()
GENERATED = mails.generated()


def send_all(server, named_mails, send, parameters=""):
    """{name: (id, sha256 of the mail)}, all over one connection."""
    sent = {}
    with server.client(timeout=120) as client:
        client.command("EHLO client.example", 250)
        for name, mail in named_mails:
            client.command(f"MAIL FROM:<s@example.org> {parameters}", 250)
            client.command("RCPT TO:<r@example.org>", 250)
            sent[name] = (queued_id(send(client, mail)), hashlib.sha256(mail).hexdigest())
    return sent


def check_all(server, sent):
    assert len(server.spool) == len(sent)
    wrong = [name for name, (message_id, sha256) in sent.items()
             if server.spool.message(message_id).sha256 != sha256]
    assert not wrong


def test_the_collection_exists():
    assert len(COLLECTION) >= 45


def test_the_collection_over_data(daemon):
    server = daemon()
    whole = [(name, mails.as_sent(data)) for name, data in COLLECTION]
    check_all(server, send_all(server, [(name, mail) for name, mail in whole
                                        if not mails.has_bare(mail)],
                               lambda client, mail: client.data(mail), "BODY=8BITMIME"))


def test_mails_of_the_collection_with_a_bare_cr_are_refused_over_data(daemon):
    server = daemon()
    bare = [mail for mail in (mails.as_sent(data) for _, data in COLLECTION) if mails.has_bare(mail)]
    for mail in bare:
        with server.client() as client:
            client.envelope()
            assert client.data(mail).startswith("5")
            client.expect_close()
    assert len(server.spool) == 0


@pytest.mark.parametrize("chunk", [None, 1000], ids=["one chunk", "chunks of 1000"])
def test_the_collection_as_it_is_in_the_files_over_bdat_binarymime(daemon, chunk):
    server = daemon()
    check_all(server, send_all(server, COLLECTION, lambda client, mail: client.bdat(mail, chunk),
                               "BODY=BINARYMIME"))


def test_generated_mails_over_data(daemon):
    server = daemon()
    check_all(server, send_all(server, GENERATED, lambda client, mail: client.data(mail)))


@pytest.mark.parametrize("chunk", [None, 1_000_003], ids=["one chunk", "chunks of 1,000,003"])
def test_generated_mails_over_bdat(daemon, chunk):
    server = daemon()
    check_all(server, send_all(server, GENERATED, lambda client, mail: client.bdat(mail, chunk)))


def test_no_more_memory_than_the_budget_for_a_large_mail(daemon):
    server = daemon({"limits": {"memory": "4MiB"}})
    check_all(server, send_all(server, [each for each in GENERATED if each[0].startswith("20-MB")],
                               lambda client, mail: client.data(mail)))
