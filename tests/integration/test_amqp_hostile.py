# SPDX-License-Identifier: Apache-2.0
"""output_amqp and hostile brokers: bounds on memory and CPU, and on the log."""
import os
import socket
import struct
import threading
import time

import pytest
from test_amqp_brokers import deliver

from support.daemon import merge, sanitized
from support.relay import shut
from support.wait import free_ports, wait_until

SASL = b"AMQP\x03\x01\x00\x00"
AMQP = b"AMQP\x00\x01\x00\x00"


def frame(kind, body, channel=0):
    return struct.pack(">IBBH", 8 + len(body), 2, kind, channel) + body


def performative(code, *fields):
    items = b"".join(fields)
    return b"\x00\x53" + bytes([code, 0xd0]) + struct.pack(">II", 4 + len(items), len(fields)) + items


def uint(value):
    return b"\x70" + struct.pack(">I", value)


def string(text):
    return b"\xa1" + bytes([len(text)]) + text


NULL, TRUE, FALSE = b"\x40", b"\x41", b"\x42"
OPEN = frame(0, performative(0x10, string(b"hostile")))
BEGIN = frame(0, performative(0x11, b"\x60\x00\x00", uint(0), uint(1 << 20), uint(1 << 20)))


def transfer(number):
    """One message of nothing on handle 0."""
    return frame(0, performative(0x14, uint(0), uint(number), b"\xa0\x04" + struct.pack(">I", number), uint(0), FALSE)
                 + b"\x00\x53\x75\xa0\x00")


class Hostile:
    """Lets each connection in as far as `script` says: a function of the socket after SASL."""

    def __init__(self, script):
        self.script, self.connections, self.received = script, 0, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self.talk, args=(client,), daemon=True).start()

    def talk(self, client):
        with client:
            try:
                client.sendall(SASL + frame(1, performative(0x40, b"\xa3\x09ANONYMOUS")))
                self.read_until(client, b"ANONYMOUS")
                client.sendall(frame(1, performative(0x44, b"\x50\x00")) + AMQP)
                self.script(self, client)
            except OSError:
                pass

    def read_until(self, client, part):
        seen = b""
        while part not in seen:
            more = client.recv(65536)
            if not more:
                raise OSError("closed")
            self.received += len(more)
            seen += more
        return seen

    def end(self):
        shut(self.listener)  # or the accept() that waits takes one more
        self.listener.close()


@pytest.fixture
def hostile():
    made = []

    def make(script):
        made.append(Hostile(script))
        return made[-1]

    yield make
    for each in made:
        each.end()


def config(port, **options):
    return {"server": {"workers": 2}, "plugin": {"broker": {
        "use": "output_amqp", "deadline": "2s", "fallback": "spool",
        "options": {"urls": [f"amqp://127.0.0.1:{port}"], "address": "mail", **options}}},
        "chain": {"default": {"steps": ["broker"]}}}


def attach(broker, client):
    """Lets the client attach its link, and grants no credit."""
    broker.read_until(client, b"\x00\x53\x10")
    client.sendall(OPEN)
    seen = broker.read_until(client, b"\x00\x53\x12")  # attach
    start = seen.index(b"\x00\x53\x12")
    at = seen.index(b"\xa1", start)
    name = seen[at + 2:at + 2 + seen[at + 1]]
    client.sendall(BEGIN + frame(0, performative(
        0x12, string(name), uint(0), TRUE, b"\x50\x02", b"\x50\x00",
        performative(0x28, NULL), performative(0x29, string(b"mail"), uint(1)), NULL, NULL, uint(0))))


def flood(broker, client):
    """Opens all that it is asked for, and sends messages on the link that only takes them."""
    attach(broker, client)
    end = time.monotonic() + 5
    number = 0
    while time.monotonic() < end:
        client.sendall(b"".join(transfer(number + each) for each in range(1000)))
        number += 1000


def test_a_broker_that_floods_us_gets_no_memory(daemon, hostile):
    broker = hostile(flood)
    made = daemon(config(broker.port, reconnect_last="1s"))
    made.wait_log("connection to the broker lost", 20)
    memory = []
    end = time.monotonic() + 6
    while time.monotonic() < end:
        memory.append(made.memory())
        time.sleep(0.1)
    with made.client() as client:
        client.command("EHLO client.example", 250)
        assert deliver(client, b"x\r\n").startswith("250")
    print(f"memory with a broker that floods: {max(memory) >> 20} MB, {broker.connections} connections")
    assert broker.connections < 60, "reconnected without a pause"
    if not sanitized():
        assert max(memory) < 40 << 20


def grants_nothing(broker, client):
    attach(broker, client)
    broker.read_until(client, b"never")


def test_a_replayed_message_that_waits_for_credit_does_not_hold_a_stop(daemon, hostile):
    broker = hostile(grants_nothing)
    port = broker.port
    broker.end()
    made = daemon(merge(config(port, reconnect_last="200ms"),
                        {"timeouts": {"drain": "120s"}, "plugin": {"broker": {"deadline": "60s"}}}))
    made.wait_log("broker not reached", 20)
    with made.client() as client:
        client.command("EHLO client.example", 250)
        assert deliver(client, b"x\r\n").startswith("250")
    broker.listener = socket.create_server(("127.0.0.1", port))
    threading.Thread(target=broker.serve, daemon=True).start()
    made.wait_log("attached to the target", 20)
    time.sleep(2)  # replay looks each second; that it waits for credit does not show from outside
    begun = time.monotonic()
    assert made.stop(30) == 0
    assert time.monotonic() - begun < 10 and not made.log_lines("ending")
    assert len(made.spool) == 1


def idle_timeout_of_1_ms(broker, client):
    broker.read_until(client, b"\x00\x53\x10")
    client.sendall(frame(0, performative(0x10, string(b"hostile"), NULL, NULL, NULL, uint(1))))
    broker.read_until(client, b"never")


def test_a_broker_that_wants_a_heartbeat_each_millisecond_is_not_used(daemon, hostile):
    broker = hostile(idle_timeout_of_1_ms)
    made = daemon(config(broker.port, reconnect_last="1s"))
    line = made.wait_log("broker not reached", 20)
    assert "idle-time-out" in line["why"]
    before = broker.received
    time.sleep(3)
    assert broker.received - before < 20_000, "heartbeats as fast as it likes"


def test_an_unreachable_broker_is_logged_once_and_not_by_each_worker_and_try(daemon):
    port, = free_ports(1)
    made = daemon(config(port, reconnect_first="50ms", reconnect_last="100ms"))
    made.wait_log("broker not reached", 20)
    with made.client() as client:
        client.command("EHLO client.example", 250)
        assert deliver(client, b"x\r\n").startswith("250")
    time.sleep(3)
    assert len(made.log_lines("broker not reached")) == 1


def test_a_name_with_several_addresses(daemon, tmp_path, artemis):
    """The first refuses, the second does not answer, the third is the broker."""
    if os.geteuid() != 0:
        pytest.skip("a hosts file of the test's own takes root")
    artemis.resume()
    artemis.start()
    artemis.create_queue("by-name")
    artemis.purge("by-name")
    silent = socket.socket()
    silent.bind(("127.0.0.3", artemis.port))
    silent.listen()
    (tmp_path / "hosts").write_text("127.0.0.2 several.example\n127.0.0.3 several.example\n127.0.0.1 several.example\n")
    wrapper = ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"', tmp_path / "hosts"]
    with silent:
        changes = config(artemis.port, username=artemis.user, password=artemis.password, connect_timeout="6s")
        changes["plugin"]["broker"]["options"].update(urls=[f"amqp://several.example:{artemis.port}"], address="by-name")
        made = daemon(changes, wrapper=wrapper)
        made.wait_log("attached to the target", 30)
        assert made.wait_log("connected to the broker")["address"].startswith("127.0.0.1 ")
        with made.client() as client:
            client.command("EHLO client.example", 250)
            assert deliver(client, b"x\r\n").startswith("250")
    wait_until(lambda: artemis.depth("by-name") == 1, 10, "the broker to have it")
