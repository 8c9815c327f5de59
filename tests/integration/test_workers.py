# SPDX-License-Identifier: Apache-2.0
"""The workers of contrib/examples/workers against real brokers: work, failing work, poison, kill -9, SIGTERM, a connection that
is lost. LSMTPD_LONG=1 (`contrib/dev test brokers`) takes all libraries and all brokers that they speak to."""
import hashlib
import json
import os

import pytest

from support import amqp091
from support.relay import Relay
from support.wait import wait_until
from support.workers import KINDS, Gate, Worker, message

USUAL = [("pika", "rabbitmq4"), ("amqplib", "rabbitmq4"), ("proton", "artemis")]
LONG = [("pika", "rabbitmq3"), ("amqplib", "rabbitmq3"), ("amqp091-go", "rabbitmq3"), ("amqp091-go", "rabbitmq4"),
        ("proton", "rabbitmq4"), ("rhea", "artemis"), ("rhea", "rabbitmq4"), ("qpid-jms", "artemis"),
        ("qpid-jms", "rabbitmq4"), ("go-amqp", "artemis"), ("go-amqp", "rabbitmq4")]
PAIRS = USUAL + (LONG if os.environ.get("LSMTPD_LONG") else [])
BINARY = b"Subject: x\r\n\r\n\xff\x00\r\n"
FAILING = ["sh", "-c", "cat >/dev/null; exit 3"]


def only(condition):
    """The test is of those pairs of library and broker only."""
    def mark(test):
        test.condition = condition
        return test
    return mark


def usual(kind, _):
    """Not of the second library of a protocol, but for the long run."""
    return bool(os.environ.get("LSMTPD_LONG")) or kind != "amqplib"


def pytest_generate_tests(metafunc):
    if "pair" in metafunc.fixturenames:
        condition = getattr(metafunc.function, "condition", lambda *_: True)
        pairs = [pair for pair in PAIRS if condition(*pair)]
        metafunc.parametrize("pair", pairs, indirect=True, ids=["-".join(pair) for pair in pairs])


@pytest.fixture
def pair(request):
    kind, name = request.param
    broker = request.getfixturevalue(name)
    broker.resume()
    return kind, broker.start()


@pytest.fixture
def kind(pair):
    return pair[0]


@pytest.fixture
def broker(pair):
    return pair[1]


def dead_of(broker, queue):
    return "DLQ" if broker.name == "artemis" else f"{queue}.dead"


@pytest.fixture
def queue(broker, kind, request):
    """An empty queue, of a kind that counts deliveries, with a dead-letter queue."""
    name = f"{request.node.originalname.removeprefix('test_')}-{kind}"
    arguments = {"x-queue-type": "quorum", "x-dead-letter-exchange": "", "x-dead-letter-routing-key": f"{name}.dead"}
    broker.create_queue(dead_of(broker, name))
    broker.purge(dead_of(broker, name))
    broker.create_queue(name, **({} if broker.name == "artemis" else arguments))
    broker.purge(name)
    return name


@pytest.fixture
def worker(kind, broker, queue, tmp_path):
    """worker(command, option=value...): starts one on the queue; killed at the end."""
    made = []

    def make(command=(), **options):
        made.append(Worker(kind, broker, queue, tmp_path / "logs", command, **options))
        return made[-1]

    yield make
    for each in made:
        each.process.kill()


@pytest.fixture
def gate(tmp_path):
    return Gate(tmp_path)


def publish(broker, queue, *contents, **changes):
    """Returns the ids."""
    made = [message(content, **changes) for content in contents]
    for identity, body in made:
        broker.publish(queue, body, id=identity, content_type="application/json")
    return [identity for identity, _ in made]


def depth(broker, queue):
    """Now: the management of RabbitMQ counts a quorum queue every five seconds."""
    return broker.depth(queue) if broker.name == "artemis" else amqp091.depth(broker, queue)


def wait_depth(broker, queue, count):
    wait_until(lambda: depth(broker, queue) == count, 20, lambda: f"{queue} to hold {count}, not {depth(broker, queue)}")


def test_work_gets_the_exact_content_and_then_the_message_is_gone(worker, kind, broker, queue, tmp_path):
    contents = ["Subject: x\r\n\r\nGr\u00fc\u00dfe\r\n".encode(), BINARY, b"Subject: x\r\n\r\n" + b"x" * 300_000 + b"\r\n"]
    ids = publish(broker, queue, *contents, recipients=("a@example.org", "b@example.org"))
    script = ('cat > "$1/$MAIL_ID"; printf "%s|%s|%s|%s|%s" "$MAIL_MESSAGE_ID" "$MAIL_SENDER" "$MAIL_RECIPIENTS" '
              '"$MAIL_ATTEMPT" "$MAIL_CONTENT_ID" > "$1/$MAIL_ID.about"')
    running = worker(["sh", "-c", script, "sh", tmp_path], count="3")
    assert running.finish() == 0, running.process.tail()
    for identity, content in zip(ids, contents):
        assert (tmp_path / identity).read_bytes() == content
        known, sender, recipients, attempt, content_id = (tmp_path / f"{identity}.about").read_text().split("|")
        assert (known, sender, recipients, attempt) == (identity, "s@example.org", "a@example.org\nb@example.org", "1")
        assert len(content_id) == 64
    wait_depth(broker, queue, 0)
    assert depth(broker, dead_of(broker, queue)) == 0


@only(usual)
def test_the_content_id_is_that_of_the_first_sending(worker, kind, broker, queue, tmp_path):
    publish(broker, queue, BINARY, BINARY, b"another")
    running = worker(["sh", "-c", 'cat >/dev/null; echo "$MAIL_CONTENT_ID" >> "$1"', "sh", tmp_path / "seen"], count="3")
    assert running.finish() == 0, running.process.tail()
    first, second, third = (tmp_path / "seen").read_text().split()
    assert first == second != third
    assert first == hashlib.sha256(b"s@example.org\0r@example.org\0" + BINARY).hexdigest()


def test_failing_work_is_tried_three_times_and_dead_letters_hold_the_message(worker, kind, broker, queue):
    identity, = publish(broker, queue, BINARY)
    running = worker(FAILING, attempts="3")
    running.wait_line(f"rejected {identity}: attempt 3 of 3: sh")
    wait_depth(broker, dead_of(broker, queue), 1)
    wait_depth(broker, queue, 0)
    said = [line for line in running.lines() if identity in line]
    assert [line.split(": sh")[0] for line in said] == [f"{word} {identity}: attempt {attempt} of 3" for word, attempt in (
        ("failed", 1), ("failed", 2), ("rejected", 3))]
    kept, = broker.receive(dead_of(broker, queue), 1)
    assert json.loads(bytes(kept.body))["message_id"] == identity
    assert running.process.stop() == 0


@only(lambda kind, broker: broker != "artemis" and usual(kind, broker))
def test_failing_work_of_a_classic_queue_comes_to_an_end(worker, kind, broker, queue):
    """It counts nothing: over 0-9-1 it says only that a message was delivered before, over 1.0 not even that."""
    broker.delete_queue(queue)
    broker.create_queue(queue, **{"x-queue-type": "classic", "x-dead-letter-exchange": "",
                                  "x-dead-letter-routing-key": dead_of(broker, queue)})
    identity, = publish(broker, queue, BINARY)
    running = worker(FAILING)
    last = 5 if KINDS[kind][0] == "1.0" else 2
    running.wait_line(f"rejected {identity}: attempt {last} of 5: sh")
    wait_depth(broker, dead_of(broker, queue), 1)
    broker.delete_queue(queue)


def test_poison_is_rejected_at_once_and_mail_behind_it_is_handled(worker, kind, broker, queue):
    broker.publish(queue, b"not json", content_type="application/json")
    broker.publish(queue, b'{"message_id": "x", "sender": "s", "recipients": ["<r>"]}')
    broker.publish(queue, b'["x"]')
    identity, = publish(broker, queue, BINARY)
    running = worker(["sh", "-c", 'cat >/dev/null'], count="1")
    assert running.finish() == 0, running.process.tail()
    assert sum(line.startswith("rejected (no id): no JSON of lsmtpd: ") for line in running.lines()) == 3, running.lines()
    assert f"done {identity}" in running.lines()
    wait_depth(broker, dead_of(broker, queue), 3)
    wait_depth(broker, queue, 0)


@only(usual)
def test_status_65_of_the_command_rejects_at_once(worker, kind, broker, queue):
    identity, = publish(broker, queue, BINARY)
    running = worker(["sh", "-c", "exit 65"])
    running.wait_line(f"rejected {identity}: ")
    wait_depth(broker, dead_of(broker, queue), 1)
    assert not [line for line in running.lines() if line.startswith("failed")]


def test_kill_9_in_the_middle_loses_nothing(worker, kind, broker, queue, gate):
    ids = publish(broker, queue, BINARY, b"second")
    first = worker(gate.command)
    gate.wait_under_way()
    first.process.kill()
    second = worker(gate.command, count="2")
    for works in (2, 3):
        gate.wait_under_way(works)
        gate.open()
    assert second.finish() == 0, second.process.tail()
    begun = gate.begun()
    assert begun[0] == (ids[0], "1")
    assert {identity for identity, _ in begun[1:]} == set(ids)
    if broker.name != "artemis":  # which does not always count a delivery that ended with its connection
        assert (ids[0], "2") in begun, "a message that kills its worker must not do so for ever"
    wait_depth(broker, queue, 0)
    assert depth(broker, dead_of(broker, queue)) == 0


def test_sigterm_ends_it_after_the_message_under_way(worker, kind, broker, queue, gate):
    ids = publish(broker, queue, BINARY, b"second")
    running = worker(gate.command)
    gate.wait_under_way()
    running.process.signal(15)
    running.wait_line("stopping")
    gate.open()
    assert running.finish() == 0, running.process.tail()
    assert f"done {ids[0]}" in running.lines()
    assert gate.begun() == [(ids[0], "1")]
    wait_depth(broker, queue, 1)


@only(usual)
def test_sigterm_during_the_pause_gives_the_message_back(worker, kind, broker, queue):
    identity, = publish(broker, queue, BINARY)
    running = worker(FAILING, pause="60")
    running.wait_line(f"failed {identity}: attempt 1 of 5")
    running.process.signal(15)
    assert running.finish() == 0, running.process.tail()
    wait_depth(broker, queue, 1)


@only(usual)
def test_a_lost_connection_is_made_again_and_the_message_comes_again_with_its_id(worker, kind, broker, queue, gate):
    relay = Relay(broker.host, broker.port)
    try:
        identity, = publish(broker, queue, BINARY)
        running = worker(gate.command, port=relay.address[1])
        gate.wait_under_way()
        before = running.descriptors()
        relay.cut()
        gate.open()
        running.wait_line("no connection")
        relay.mend()
        gate.wait_under_way(2)
        if kind != "qpid-jms":  # a Java VM opens its libraries when it needs them
            assert running.descriptors() <= before
        gate.open()
        wait_depth(broker, queue, 0)
        assert [each for each, _ in gate.begun()] == [identity, identity]
        assert sum(line.startswith("connected ") for line in running.lines()) == 2
        assert running.process.stop() == 0
    finally:
        relay.close()


@only(usual)
def test_a_connection_lost_while_nothing_is_to_do_is_made_again(worker, kind, broker, queue):
    relay = Relay(broker.host, broker.port)
    try:
        running = worker(["sh", "-c", "cat >/dev/null"], port=relay.address[1])
        running.wait_line("connected ")
        relay.cut()
        running.wait_line("no connection")
        relay.mend()
        identity, = publish(broker, queue, BINARY)
        running.wait_line(f"done {identity}")
        assert running.process.stop() == 0
    finally:
        relay.close()


@only(lambda kind, broker: os.environ.get("LSMTPD_LONG") and kind in ("pika", "amqplib"))  # whose URL sets a heartbeat
def test_heartbeats_are_answered_while_the_work_takes_long(worker, kind, broker, queue):
    identity, = publish(broker, queue, BINARY)
    running = worker(["sh", "-c", "cat >/dev/null; sleep 6"], query="?heartbeat=1", count="1")
    assert running.finish() == 0, running.process.tail()
    assert f"done {identity}" in running.lines()
    assert not [line for line in running.lines() if line.startswith("no connection")], running.lines()
    wait_depth(broker, queue, 0)
