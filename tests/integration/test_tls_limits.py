# SPDX-License-Identifier: Apache-2.0
"""Limits of TLS: half handshakes, memory, time."""
import selectors
import socket
import ssl
import threading
import time

import pytest

from support.admin import Admin
from support.certificates import Certificates, table
from support.daemon import sanitized, unoptimised
from support.smtp import Closed, queued_id
from support.wait import wait_until
from test_tls import MAIL, TlsClient, connect, listeners


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return Certificates(tmp_path_factory.mktemp("certificates"))


def half(address, number, sent):
    made = socket.create_connection(address, source_address=(f"127.2.0.{number // 100 + 1}", 0))
    made.sendall(sent)
    return made


def hello():
    """The ClientHello of a real client."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing).do_handshake()
    return outgoing.read()


def test_1000_half_handshakes_do_not_keep_a_good_client_out(daemon, certificates):
    server = daemon({"listener": listeners(), "tls": table(certificates.issue()), "log": {"level": "info"}})
    first = hello()
    address = server.address("implicit")
    held = [half(address, number, first[:len(first) // 2] if number % 2 else first) for number in range(1000)]
    try:
        slowest = 0
        for _ in range(5):
            began = time.monotonic()
            with connect(server, "starttls", certificates.trusting()) as client:
                client.envelope()
                queued_id(client.data(MAIL))
            slowest = max(slowest, time.monotonic() - began)
        assert slowest < 5
        assert len(server.log_lines("refused", at="tls")) <= 1, "one line, not one each"
        assert server.memory() < 128 << 20 or sanitized()
    finally:
        for each in held:
            each.close()


class Crowd:
    """Half a handshake from each of many addresses, which begin another one as soon as theirs ends."""

    def __init__(self, address, count):
        self._address, self._count = address, count
        self._half = hello()[:100]
        self._over = threading.Event()
        self.ended = 0

    def __enter__(self):
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join(60)

    def _open(self, selector, number):
        made = socket.socket()
        made.bind((f"127.2.{number // 250}.{number % 250 + 1}", 0))
        made.connect(self._address)
        made.sendall(self._half)
        selector.register(made, selectors.EVENT_READ, number)

    def _run(self):
        with selectors.DefaultSelector() as selector:
            for number in range(self._count):
                self._open(selector, number)
            while not self._over.wait(0.1):
                for key, _ in selector.select(0):
                    self.ended += 1
                    selector.unregister(key.fileobj)
                    key.fileobj.close()
                    self._open(selector, key.data)
            for key in list(selector.get_map().values()):
                key.fileobj.close()


def test_1000_addresses_that_come_again_keep_a_good_client_out_for_less_than_the_timeout(daemon, certificates):
    """There is room for 426: newcomers take the place of the oldest, and those whose handshake failed are none."""
    server = daemon({"listener": listeners(), "tls": table(certificates.issue()), "timeouts": {"tls": "10s"},
                     "log": {"level": "info"}})
    context = certificates.trusting()
    with Crowd(server.address("implicit"), 1000) as crowd:
        wait_until(lambda: server.log_lines("refused", at="tls"), 20, "the room to be full")
        began = time.monotonic()

        def delivered():
            try:
                with connect(server, "implicit", context) as client:
                    client.envelope()
                    return queued_id(client.data(MAIL))
            except (OSError, Closed):
                return None
        wait_until(delivered, 20, "the good client to find room", every=0.25)
        waited = time.monotonic() - began
        print(f"it waited {waited:.1f} s; {crowd.ended} of the crowd's connections had ended")
        assert waited < 10
        assert crowd.ended > 574, "those without room came again"
    assert server.log_lines("tls_failed", why="it gave its place to a newcomer: limits.tls_memory")


def test_handshakes_sessions_and_certificates_are_counted(daemon, certificates):
    admin = Admin()
    issued = certificates.issue()
    server = daemon({"listener": listeners(), "tls": table(issued), **admin.configuration()})
    admin.attach(server).wait_ready()

    def handshakes(listener, result, version="none"):
        return admin.value("lsmtpd_tls_handshakes_total", listener=listener, result=result, version=version)

    def counted(value, want):
        wait_until(lambda: value() == want, 10, lambda: f"{want}, not {value()}")

    assert handshakes("mx", "ok", "TLSv1.2") == handshakes("mx", "no_room") == 0, "each is there from the start"
    context = certificates.trusting()
    with connect(server, "implicit", context), connect(server, "starttls", context):
        for listener in ("implicit", "mx"):
            counted(lambda: handshakes(listener, "ok", "TLSv1.3"), 1)
            counted(lambda: admin.value("lsmtpd_tls_sessions", listener=listener), 1)
        assert admin.value("lsmtpd_memory_bytes", account="tls_memory") > 0
    counted(lambda: admin.value("lsmtpd_tls_sessions", listener="mx"), 0)
    counted(lambda: admin.value("lsmtpd_memory_bytes", account="tls_memory"), 0)
    with socket.create_connection(server.address("implicit")) as stranger:
        stranger.sendall(b"EHLO c.example\r\n")
        counted(lambda: handshakes("implicit", "failed"), 1)
    samples, _ = admin.metrics()
    (ends,) = [value for (name, _), value in samples.items()
               if name == "lsmtpd_tls_certificate_not_after_timestamp_seconds"]
    assert ends > time.time()
    assert [each["not_after"] for each in admin.status()["certificates"]] == [ends]
    assert "limits.tls_memory" in [each["name"] for each in admin.status()["limits"]]


def test_tls_memory_holds_and_starttls_gets_454(daemon, certificates):
    admin = Admin()
    server = daemon({"listener": listeners(), "tls": table(certificates.issue()), **admin.configuration(),
                     "limits": {"tls_memory": "1MiB"}, "log": {"level": "info"}})
    admin.attach(server)
    context, open_ones, refused = certificates.trusting(), [], 0
    for number in range(80):
        client = TlsClient(server.address(), source=f"127.3.0.{number + 1}")
        client.expect(220)
        client.command("EHLO c.example", 250)
        client.send(b"STARTTLS\r\n")
        if client.reply().startswith("220"):
            open_ones.append(client.wrap(context))
        else:
            refused += 1
            client.command("MAIL FROM:<s@example.org>", 250)
            client.close()
    assert 30 <= len(open_ones) <= 60 and refused == 80 - len(open_ones)
    line = server.wait_log("refused", at="tls")
    assert len(server.log_lines("refused", at="tls")) == 1, "for all of them"
    assert line["code"] == 454 and line["why"] == "limits.tls_memory is used up"
    with TlsClient(server.address("implicit"), source="127.3.0.200") as client:
        client.expect_close()
    wait_until(lambda: admin.value("lsmtpd_refusals_total", listener="mx", phase="command", reason="tls",
                                   **{"class": "4"}) == refused, 10, "each 454 to be counted")
    assert admin.value("lsmtpd_tls_handshakes_total", listener="implicit", version="none", result="no_room") == 1
    for each in open_ones:
        each.command("NOOP", 250)
        each.close()
    wait_until(lambda: connect(server, "starttls", context), 20, "room again").close()


def test_a_handshake_has_its_time(daemon, certificates):
    server = daemon({"listener": listeners(), "tls": table(certificates.issue()), "timeouts": {"tls": "1s"}})
    with socket.create_connection(server.address("implicit")) as silent:
        silent.settimeout(20)
        assert silent.recv(1) == b""
    assert server.wait_log("tls_failed")["why"] == "timeouts.tls passed"


def test_an_idle_session_costs_at_most_20_KiB_also_after_a_large_mail(daemon, certificates):
    if sanitized():
        pytest.skip("a sanitizer's memory is its own")
    server = daemon({"listener": listeners(), "tls": table(certificates.issue()), "server": {"workers": 1},
                     "limits": {"connections_per_peer": 2000, "message_size": "10MiB"},
                     "plugin": {"spool": None, "null": {"use": "output_null"}},
                     "chain": {"default": {"steps": ["null"]}}, "log": {"level": "info"}})
    context = certificates.trusting()
    large = b"Subject: x\r\n\r\n" + b"x" * 62 + b"\r\n" + (b"y" * 62 + b"\r\n") * 16384

    def open_one(_):
        client = connect(server, "implicit", context)
        client.envelope()
        queued_id(client.data(large))
        return client

    with open_one(0):
        pass
    before = server.memory()
    clients_open = [open_one(number) for number in range(300)]
    each = (server.memory() - before) / len(clients_open)
    print(f"an idle TLS session after a mail of 1 MiB: {each / 1024:.1f} KiB")
    for client in clients_open:
        client.close()
    assert each < 20 * 1024 + (4096 if unoptimised() else 2048)
