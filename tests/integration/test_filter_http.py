# SPDX-License-Identifier: Apache-2.0
"""filter_http in the real daemon, and applications that are right, slow, hostile and gone."""
import base64
import re
import socket
import subprocess
import threading
import time

import pytest

from support.application import Application
from support.daemon import run_cli
from support.hostile import H
from support.plugin_pages import DOCS, check_examples, check_options
from support.smtp import Client, queued_id
from support.wait import free_ports, wait_until

MAIL = H + b"x\r\n"


@pytest.fixture
def application():
    """application(decide, ...) -> an Application, ended with the test."""
    made = []

    def make(decide=lambda question: {"verdict": "continue"}, **options):
        made.append(Application(decide, **options))
        return made[-1]

    yield make
    for each in made:
        each.end()


def configuration(url, **options):
    # A machine that is busy with other tests may take its time over a handshake.
    options = {"timeout": "30s", "connect_timeout": "20s", **options}
    return {"plugin": {"app": {"use": "filter_http", "deadline": "60s", "options": {"url": url, **options}}},
            "chain": {"default": {"steps": ["app", "spool"]}}}


def deliver(server, content=MAIL, **envelope):
    with server.client() as client:
        client.envelope(**envelope)
        return client.data(content)


def rcpt(server, recipient="r@example.com"):
    with server.client() as client:
        client.command("EHLO client.example", 250)
        client.command("MAIL FROM:<s@example.org>", 250)
        client.send(f"RCPT TO:<{recipient}>\r\n")
        return client.reply()


def test_the_page_has_the_options_and_its_example_is_right(tmp_path):
    check_options("filter_http", "filter-http.md")
    check_examples("filter-http.md", tmp_path)


def test_the_application_of_the_page_works(daemon, tmp_path):
    (port,) = free_ports(1)
    code = re.search(r"```python\n(.*?)```", (DOCS / "filter-http.md").read_text(), re.S)[1].replace("8080", str(port))
    process = subprocess.Popen(["/usr/bin/python3", "-c", code], stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: socket.socket().connect_ex(("127.0.0.1", port)) == 0, 20, "the application to listen")
        server = daemon(configuration(f"http://127.0.0.1:{port}/", phases=["rcpt", "message"]))
        assert rcpt(server, "nobody@example.com") == "550 5.1.1 No such mailbox"
        queued_id(deliver(server))
        assert server.spool.only().content.startswith(b"X-Judged: yes\r\n")
    finally:
        process.kill()
        process.wait()


def test_every_phase_is_asked_with_what_is_known(daemon, application):
    app = application()
    server = daemon(configuration(app.url, phases=["connect", "mail", "rcpt", "message"], max_body="1KiB"))
    queued = queued_id(deliver(server, sender="s@example.org", recipients=["a@example.com", "b@example.com"]))
    assert [each["phase"] for each in app.seen] == ["connect", "mail", "rcpt", "rcpt", "message"]
    connect, mail, first, second, message = app.seen
    assert connect["peer"]["address"] == "127.0.0.1" and connect["listener"] == "mx" and "sender" not in connect
    assert mail["sender"] == "s@example.org" and mail["hostname"] == "mx.test.example"
    assert (first["recipient"], second["recipient"], second["recipients_before"]) == ("a@example.com", "b@example.com", 1)
    assert message["recipients"] == ["a@example.com", "b@example.com"] and message["id"] == queued
    assert base64.b64decode(message["content"]) == server.spool.only().content and message["content_is_whole"]
    assert app.connections <= 2  # kept, for each worker


def test_verdicts_become_replies(daemon, application):
    answers = {"r1": {"verdict": "reject", "code": 550, "enhanced": "5.1.1", "text": "nobody here"},
               "r2": {"verdict": "tempfail", "code": 450, "text": "later"}, "r3": {"verdict": "accept"}, "r4": 204}
    app = application(lambda question: answers[question["recipient"].split("@")[0]])
    server = daemon(configuration(app.url, phases=["rcpt"]))
    assert rcpt(server, "r1@example.com") == "550 5.1.1 nobody here"
    assert rcpt(server, "r2@example.com").startswith("450 ")
    assert rcpt(server, "r3@example.com").startswith("250") and rcpt(server, "r4@example.com").startswith("250")


def test_connect_is_refused_before_the_banner(daemon, application):
    app = application(lambda question: {"verdict": "reject", "text": "not you"})
    server = daemon(configuration(app.url, phases=["connect"]))
    with Client(server.address()) as client:
        assert client.reply() == "554 5.7.1 not you"
        client.expect_close()


def test_the_header_is_edited_and_annotations_are_stored(daemon, application):
    app = application(lambda question: {
        "verdict": "continue", "annotations": {"score": "7"},
        "header": {"add": {"X-Spam": "no"}, "change": {"subject": "[checked] hi"}, "remove": ["X-Old"]}})
    server = daemon(configuration(app.url))
    queued_id(deliver(server, b"X-Old: 1\r\nSubject: hi\r\nx-old: 2\r\n\r\nbody\r\n"))
    stored = server.spool.only()
    assert stored.content == b"X-Spam: no\r\nsubject: [checked] hi\r\n\r\nbody\r\n"
    assert stored.json["lsmtpd"]["annotations"] == {"app.score": "7"}


def test_a_large_message_is_sent_up_to_max_body(daemon, application):
    app = application()
    server = daemon({**configuration(app.url, max_body="1MiB"), "limits": {"memory": "8MiB"}})
    queued_id(deliver(server, H + b"0123456789abcdef" * 4 * 100_000 + b"\r\n"))
    question = app.seen[0]
    assert len(base64.b64decode(question["content"])) == 1 << 20 and not question["content_is_whole"]
    assert question["size"] > 6_000_000


def test_answers_about_recipients_are_kept(daemon, application):
    app = application(lambda question: {"verdict": "reject" if "bad" in question["recipient"] else "continue"})
    server = daemon(configuration(app.url, phases=["rcpt"], cache_ok="1m", cache_no="1m"))
    for _ in range(5):
        assert rcpt(server, "good@example.com").startswith("250")
        assert rcpt(server, "bad@example.com").startswith("550")
    assert len(app.seen) == 2


ENDLESS = b"HTTP/1.1 200 OK\r\n" + b"X-A: a\r\n" * 100_000
HOSTILE = {
    "a huge answer": b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n" + b" " * 5_000_000,
    "endless headers": ENDLESS,
    "half JSON": b'HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n{"verdict":"',
    "a cut answer": b'HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{"verdict":"continue"}',
    "no HTTP": b"220 mx.example.com ESMTP\r\n",
    "octets": bytes(range(256)) * 10,
    "nothing": b"",
    "a redirect": b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
    "interim answers": b"HTTP/1.1 100 Continue\r\n\r\n" * 20_000,
    "a deep JSON": b"HTTP/1.1 200 OK\r\nContent-Length: 50000\r\n\r\n" + b"[" * 50_000,
    "injection": b'HTTP/1.1 200 OK\r\nContent-Length: 73\r\n\r\n'
                 b'{"verdict":"continue","header":{"add":{"X-A":"1\\r\\nX-Injected: 2"}}}      ',
    "compressed": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08\x00",
}


def test_hostile_answers_are_failures_and_nothing_else(daemon, application):
    turn = {}
    app = application(lambda question: turn["answer"])
    server = daemon(configuration(app.url, breaker_failures=0, timeout="10s"))
    before = server.memory()
    for name, answer in HOSTILE.items():
        turn["answer"] = answer
        reply = deliver(server)
        assert reply.startswith("451 4.7.1"), f"{name}: {reply}"
    assert server.memory() < before + (32 << 20)
    turn["answer"] = {"verdict": "continue"}
    # A request may still meet the end of the connection that the last answer came by.
    wait_until(lambda: deliver(server).startswith("250"), 10, "a mail to be taken")
    assert len(server.spool) == 1
    server.wait_log("the application answers again")
    assert len(server.log_lines("the application gives no answer that counts")) == 1


@pytest.mark.parametrize("on_error, reply", [("tempfail", "451"), ("continue", "250"), ("reject", "554")])
def test_a_silent_application_follows_on_error_within_the_timeout(daemon, application, on_error, reply):
    app = application(lambda question: None)
    server = daemon(configuration(app.url, timeout="300ms", on_error=on_error))
    start = time.monotonic()
    assert deliver(server).startswith(reply)
    assert time.monotonic() - start < 25


def test_an_application_that_drips_is_ended_by_the_timeout(daemon):
    """An octet of the answer each 100 ms."""
    listener = socket.create_server(("127.0.0.1", 0))
    ended = threading.Event()

    def drip():
        connection, _ = listener.accept()
        connection.recv(100_000)
        try:
            for octet in b"HTTP/1.1 200 OK\r\nX-A: " + b"a" * 1000:
                connection.send(bytes([octet]))
                if ended.wait(0.1):
                    break
        except OSError:
            pass
        connection.close()

    thread = threading.Thread(target=drip)
    thread.start()
    try:
        server = daemon(configuration(f"http://127.0.0.1:{listener.getsockname()[1]}/", timeout="700ms"))
        assert deliver(server).startswith("451")
    finally:
        ended.set()
        thread.join()
        listener.close()


def test_a_dead_application_is_not_asked_for_a_while_and_found_again(daemon, application):
    app = application()
    server = daemon(configuration(app.url, breaker_failures=2, breaker_pause="300ms", on_error="continue"))
    queued_id(deliver(server))
    app.end()
    for _ in range(4):
        queued_id(deliver(server))
    assert server.wait_log("the application failed too often and is not asked for a while")
    again = application(port=app.port)
    wait_until(lambda: queued_id(deliver(server)) and server.log_lines("the application answers again"), 10,
               "the application to be asked again")
    assert again.seen


def test_many_clients_at_once_keep_their_connections(daemon, application):
    app = application()
    server = daemon(configuration(app.url, phases=["rcpt", "message"]))

    def send():
        for _ in range(10):
            queued_id(deliver(server))

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(server.spool) == 80 and len(app.seen) == 160
    assert app.connections < 40


def certificate(folder, name, subject="/CN=127.0.0.1"):
    file = folder / f"{name}.pem"
    key = folder / f"{name}.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", subject, "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", folder / f"{name}.crt"],
                   check=True, capture_output=True)
    file.write_text(key.read_text() + (folder / f"{name}.crt").read_text())
    return file


def test_tls_is_verified_and_the_token_is_sent(daemon, application, tmp_path):
    ours = certificate(tmp_path, "server")
    certificate(tmp_path, "client", "/CN=lsmtpd")
    app = application(certificate=ours, client_ca=tmp_path / "client.crt")
    (tmp_path / "token").write_text("t0ken\n")
    with_client = {"client_certificate": str(tmp_path / "client.crt"), "client_key": str(tmp_path / "client.key")}
    server = daemon(configuration(app.url, token_file=str(tmp_path / "token"), ca_file=str(tmp_path / "server.crt"), **with_client))
    queued_id(deliver(server))
    assert app.headers["Authorization"] == "Bearer t0ken"
    strict = daemon(configuration(app.url, **with_client))
    assert deliver(strict).startswith("451")
    assert "certificate" in strict.wait_log("the application gives no answer that counts")["error"]
    assert "t0ken" not in server.log.read_text()
    assert len(app.seen) == 1


def test_dry_run_refuses_nothing(daemon, application):
    app = application(lambda question: {"verdict": "reject", "text": "no"})
    server = daemon(configuration(app.url, phases=["rcpt", "message"], dry_run=True))
    queued_id(deliver(server))
    server.wait_log("would refuse", phase="message")
    assert [line["phase"] for line in server.log_lines("would refuse")] == ["rcpt", "message"]


def test_check_names_wrong_options(daemon):
    server = daemon(configuration("https://joe:geheim@example.org/", phases=["data"]), started=False)
    said = run_cli("check", "--config", server.config_file, check=2).stderr
    assert "has a user in it" in said and '"data" is none of' in said and "geheim" not in said
