# SPDX-License-Identifier: Apache-2.0
"""`lsmtpd ctl trace`: the dialogue of some sessions, without passwords and content."""
import base64
import signal
import smtplib
import subprocess
import threading

import pytest

from support.admin import Admin
from support.certificates import Certificates, table
from support.daemon import BINARY, run_cli
from support.wait import wait_until

USER, PASSWORD = "user@example.org", "hunter2 is secret"


class Tracing:
    """A trace under way; .text has what it printed so far."""

    def __init__(self, admin, *options):
        self.process = subprocess.Popen([BINARY, "ctl", "--socket", str(admin.socket), "trace", *options],
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.text = ""
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        self.wait_for("the trace begins")

    def _read(self):
        for line in self.process.stdout:
            self.text += line

    def wait_for(self, text, seconds=20):
        return wait_until(lambda: text in self.text, seconds, lambda: f"the trace to have {text!r}; it has\n{self.text}")

    def leave(self):
        self.process.send_signal(signal.SIGINT)
        self.process.wait(20)
        self.reader.join(20)


def start(daemon, changes=None):
    admin = Admin()
    server = daemon({**admin.configuration(), **(changes or {})})
    admin.attach(server).wait_ready()
    return server, admin


def deliver(client, to="b@example.org"):
    client.command("MAIL FROM:<a@example.org>", "250")
    client.command(f"RCPT TO:<{to}>", "250")
    client.command("DATA", "354")
    client.command("Subject: private\r\n\r\na line of content\r\n.", "250")


def test_a_peer_is_traced_also_in_the_middle_of_its_session(daemon):
    server, admin = start(daemon)
    with server.client() as client:
        client.command("EHLO early.example", "250")
        trace = Tracing(admin, "--peer", "127.0.0.0/8")
        deliver(client)
        client.command("QUIT", "221")
    trace.wait_for("S: 221")
    trace.wait_for("* the session is over")
    for line in ("C: MAIL FROM:<a@example.org>", "S: 250 2.1.5", "C: RCPT TO:<b@example.org>", "C: DATA", "S: 354",
                 "C: (content, ", "S: 250 2.0.0 Ok: queued as ", "C: QUIT"):
        assert line in trace.text, trace.text
    assert "early.example" not in trace.text, "it was before the trace"
    assert "private" not in trace.text and "line of content" not in trace.text
    order = [trace.text.index(each) for each in ("C: MAIL", "C: RCPT", "C: DATA", "S: 354", "C: (content", "C: QUIT")]
    assert order == sorted(order)
    trace.leave()
    line = server.wait_log("trace_ended")
    assert line["why"] == "the operator left" and "uid" in line["by"] and "127.0.0.0/8" in line["traced"]
    assert server.log_lines("trace_begun")
    with server.client() as client:
        client.command("NOOP", "250")


def test_other_peers_are_not_traced(daemon):
    server, admin = start(daemon)
    trace = Tracing(admin, "--peer", "192.0.2.1")
    second = Tracing(admin, "--peer", "127.0.0.1")
    with server.client() as client:
        client.command("EHLO x", "250")
    second.wait_for("S: 250")
    assert "EHLO" not in trace.text
    trace.leave()
    second.leave()


def test_mail_to_an_address_is_traced_from_the_beginning_of_its_session(daemon):
    server, admin = start(daemon)
    trace = Tracing(admin, "--to", "Wanted@Example.org")
    domain = Tracing(admin, "--to", "@other.example")
    with server.client() as one, server.client() as two:
        one.command("EHLO one.example", "250")
        two.command("EHLO two.example", "250")
        deliver(two, "unwanted@example.org")
        deliver(one, "wanted@example.org")
        trace.wait_for("S: 250 2.0.0 Ok: queued")
        assert "EHLO one.example" in trace.text and "two.example" not in trace.text
        deliver(two, "someone@other.example")
        domain.wait_for("S: 250 2.0.0 Ok: queued")
        assert "EHLO two.example" in domain.text and "one.example" not in domain.text
    trace.leave()
    domain.leave()


def test_no_password_is_shown_however_it_comes(daemon, tmp_path):
    certificates = Certificates(tmp_path / "ca")
    users = tmp_path / "users"
    users.write_text(run_cli("auth", "hash", USER, input=PASSWORD.encode() + b"\n", check=0).stdout)
    server, admin = start(daemon, {
        "listener": [{"name": "mx", "address": "127.0.0.1:0", "tls": "implicit", "auth": "optional",
                      "auth_plugin": "users"}],
        "tls": table(certificates.issue()),
        "plugin": {"users": {"use": "auth_file", "options": {"file": str(users)}}}})
    trace = Tracing(admin, "--peer", "127.0.0.1")
    host, port = server.address()
    login = [base64.b64encode(each.encode()).decode() for each in (USER, PASSWORD)]
    plain = base64.b64encode(f"\0{USER}\0{PASSWORD}".encode()).decode()

    def connect():
        client = smtplib.SMTP_SSL(host, port, "client.example", timeout=30, context=certificates.trusting())
        client.ehlo()
        return client

    with connect() as client:
        assert client.docmd("AUTH", "PLAIN " + plain)[0] == 235
    with connect() as client:
        assert client.docmd("AUTH", "PLAIN")[0] == 334
        assert client.docmd(plain)[0] == 235
    with connect() as client:
        assert client.docmd("AUTH", "LOGIN")[0] == 334
        assert client.docmd(login[0])[0] == 334
        assert client.docmd(login[1])[0] == 235
        assert client.docmd(login[1])[0] == 500  # too early or too late
        assert client.docmd("AUTH", "PLAIN " + plain)[0] == 503
    wait_until(lambda: trace.text.count("the session is over") == 3, 20, lambda: trace.text)
    assert "AUTH PLAIN (not shown)" in trace.text and "S: 334 (not shown)" in trace.text
    assert "(a response of AUTH)" in trace.text and "S: 235" in trace.text and "TLSv1" in trace.text
    for secret in (*login, plain, PASSWORD):
        assert secret not in trace.text, trace.text
    trace.leave()


def test_a_trace_ends_by_itself_and_can_go_to_the_log(daemon):
    server, admin = start(daemon)
    trace = Tracing(admin, "--peer", "127.0.0.1", "--within", "1s")
    assert trace.process.wait(20) == 0
    trace.reader.join(20)
    assert "the trace ends: its time is over" in trace.text
    done = server.cli("ctl", "--socket", admin.socket, "trace", "--peer", "127.0.0.1", "--log", check=0)
    assert "for 15m" in done.stdout
    with server.client() as client:
        client.command("EHLO \x07bell", "501")
        client.command("NOOP", "250")
    server.wait_log("trace", line="C: NOOP")
    assert server.log_lines("trace", line="C: EHLO \\x07bell")


@pytest.mark.parametrize("words", [(), ("--peer", "nonsense"), ("--to", "nobody"), ("--peer", "127.0.0.1", "--within", "x")])
def test_a_trace_says_whose_sessions(daemon, words):
    server, admin = start(daemon)
    assert "usage: lsmtpd ctl trace" in server.cli("ctl", "--socket", admin.socket, "trace", *words, check=2).stderr
