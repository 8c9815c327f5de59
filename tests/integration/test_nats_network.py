# SPDX-License-Identifier: Apache-2.0
"""output_nats and its connection to nats-server: logins, permissions, TLS, and servers that say nothing."""
import signal
import socket
import threading

from test_output_nats import begin, config, live, make_stream, one, server, stored  # noqa: F401 (a fixture)

from support.certificates import Certificates
from support.nkeys import Operator
from support.relay import Relay
from support.wait import wait_until


def test_a_login_that_may_not_publish_is_a_tempfail_at_once(daemon, server):
    users = """authorization { users: [
        { user: "admin", password: "a" }
        { user: "some", password: "s", permissions: { publish: ["$JS.API.STREAM.INFO.MAIL", "mail.good"],
          subscribe: ["_INBOX.>"] } }
        { user: "none", password: "n", permissions: { publish: ["mail.>"], subscribe: ["_INBOX.>"] } } ] }"""
    running = server(users, login={"user": "admin", "pass": "a"})
    make_stream(running)
    made = begin(daemon, config(running.url, subject="mail.{rcpt_local}", username="some", password="s"))
    assert one(made, recipients=["good@example.org"]).startswith("250")
    assert one(made, recipients=["bad@example.org"]).startswith("451 4.3.0")
    assert made.log_lines("the broker has not answered within the deadline") == []
    none = daemon(config(running.url, username="none", password="n"))
    assert "Permissions Violation" in none.wait_log("the target was refused", 30)["why"]


def test_a_token_and_a_wrong_password(daemon, server, tmp_path):
    token = tmp_path / "token"
    token.write_text("abc\n")
    token.chmod(0o600)
    running = server('authorization { token: "abc" }', login={"auth_token": "abc"})
    make_stream(running)
    made = begin(daemon, config(running.url, token_file=str(token)))
    assert one(made).startswith("250")
    wrong = daemon(config(running.url, username="u", password="w"))
    assert wrong.wait_log("broker not reached", 30)["step"] == "sasl"
    assert live(wrong).returncode == 13


def test_credentials_of_an_operator(daemon, server, tmp_path):
    operator = Operator(tmp_path)
    running = server(operator.config, login=operator.login)
    make_stream(running)
    made = begin(daemon, config(running.url, credentials_file=str(operator.credentials)))
    assert one(made).startswith("250")
    (tmp_path / "other").mkdir()
    other = Operator(tmp_path / "other")
    wrong = daemon(config(running.url, credentials_file=str(other.credentials)))
    assert wrong.wait_log("broker not reached", 30)["step"] == "sasl"


def test_tls_takes_the_client_certificate_and_trusts_nobody_else(daemon, server, tmp_path):
    certificates = Certificates(tmp_path / "tls")
    certificate, key = certificates.issue(names="DNS:localhost,IP:127.0.0.1")
    mine, my_key = certificates.issue("lsmtpd", names=None)
    running = server()
    make_stream(running)
    running.kill()
    file = running.folder / "nats-server.conf"
    plain = file.read_text()
    file.write_text(plain + f'tls {{ cert_file: "{certificate}", key_file: "{key}", ca_file: "{certificates.ca}", verify: true }}')
    running._answers = lambda: running.log.read_text().count("Server is ready") == 2
    running.start()
    url = f"tls://localhost:{running.port}"
    tls = {"tls_ca": str(certificates.ca), "tls_certificate": str(mine), "tls_key": str(my_key)}
    made = begin(daemon, config(url, tls_min_version="1.3", **tls))
    big = b"Subject: x\r\n\r\n" + b"0123456789abcdef" * 4 + b"\r\n" * 500_000
    assert one(made).startswith("250") and one(made, big).startswith("250")
    assert "TLSv1.3" in live(made).stdout
    other = Certificates(tmp_path / "other")
    for changes, why in (({"tls_ca": str(other.ca)}, "issuer"), ({"tls_name": "mx.example.org"}, "another name"),
                         ({"tls_ca": "/etc/ssl/certs"}, "issuer"), ({"tls_ca": str(other.ca), "tls_verify": "certificate"}, "issuer"),
                         ({"urls": [f"nats://localhost:{running.port}"]}, "TLS")):
        wrong = daemon(config(**{"url": url, **tls, **changes}) if "urls" not in changes else
                       config(changes["urls"][0]))
        line = wrong.wait_log("broker not reached", 30)
        assert (line["step"], why in line["why"]) == ("tls", True), line
        assert live(wrong).returncode == 12
    ip = begin(daemon, config(url.replace("localhost", "127.0.0.1"), **tls))
    assert one(ip).startswith("250")
    for verify in ("certificate", "none"):
        assert one(begin(daemon, config(url, **tls, tls_name="mx.example.org", tls_verify=verify))).startswith("250")
    running.kill()
    del running._answers
    file.write_text(plain)
    running.start()
    assert len(stored(running)) == 5


class Silent:
    """Says INFO with TLS, and then nothing more."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.sockets = []
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        try:
            while True:
                client, _ = self.listener.accept()
                self.sockets.append(client)
                client.sendall(b'INFO {"server_id":"x","version":"2.9.10","headers":true,"max_payload":1048576,'
                               b'"tls_required":true,"tls_available":true}\r\n')
        except OSError:
            pass

    def close(self):
        self.listener.close()
        for each in self.sockets:
            each.close()


def test_a_server_that_says_nothing_in_the_handshake_is_given_up(daemon):
    silent = Silent()
    try:
        made = daemon(config(f"tls://127.0.0.1:{silent.port}", connect_timeout="1s"))
        line = made.wait_log("broker not reached", 30)
        assert line["step"] == "tls" and "no answer within" in line["why"]
        waiting = daemon(config(f"tls://127.0.0.1:{silent.port}", connect_timeout="100s"))
        wait_until(lambda: len(silent.sockets) > 1, 20, "the daemon to connect")
        waiting.process.signal(signal.SIGTERM)
        assert waiting.process.wait(30) == 0
    finally:
        silent.close()


def test_a_connection_that_went_silent_is_replaced(daemon, server):
    running = server()
    make_stream(running)
    relay = Relay("127.0.0.1", running.port)
    try:
        made = begin(daemon, config(relay.url.replace("amqp", "nats"), check_interval="1s", connect_timeout="2s"))
        relay.freeze()
        assert "no answer to the question about the stream" in made.wait_log("giving the connection up", 30)["why"]
        relay.thaw()
        wait_until(lambda: one(made).startswith("250"), 30, "the server to be used again")
    finally:
        relay.close()
