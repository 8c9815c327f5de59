# SPDX-License-Identifier: Apache-2.0
"""The targets of the brokers that output_amqp uses, and mail for a full queue."""
import pytest
from test_amqp_brokers import config, deliver, drained, live, receive_all

from support.wait import wait_until


@pytest.fixture
def rabbit(rabbitmq4):
    rabbitmq4.resume()
    return rabbitmq4.start()


def queue_of(broker, name, **arguments):
    """A new queue; one of an earlier run of the test is deleted."""
    broker.delete_queue(name)
    broker.create_queue(name, **arguments)
    return name


def mail(number):
    return b"X-Number: %d\r\n\r\nx\r\n" % number


def dead_letters(made):
    return [line for line in made.log_lines("replayed") if line.get("outcome") == "dead_letter"]


def test_a_classic_queue_and_a_stream_need_allow_lossy_target(daemon, rabbit):
    for kind in ("classic", "stream"):
        queue = queue_of(rabbit, f"leave-{kind}", **{"x-queue-type": kind})
        done = live(daemon(config(rabbit, queue), started=False))
        text = done.stdout + done.stderr
        assert done.returncode == 15, text
        assert "allow_lossy_target" in text
        done = live(daemon(config(rabbit, queue, allow_unsynced_target=True), started=False))
        text = done.stdout + done.stderr
        assert done.returncode == 0, text
        assert f"{kind}: survives the end of the broker's process, not a power cut" in text


def test_an_allowed_lossy_target_is_a_warning_at_the_attach(daemon, rabbit):
    queue = queue_of(rabbit, "leave-warned", **{"x-queue-type": "classic"})
    made = daemon(config(rabbit, queue, fallback=False, format="rfc822", allow_lossy_target=True))
    made.wait_log("what this target accepted does not survive a power cut", 30)
    made.wait_log("attached to the target", 30)
    with made.client() as client:
        client.command("EHLO client.example", 250)
        assert deliver(client, mail(1)).startswith("250")
    wait_until(lambda: rabbit.depth(queue) == 1, 10, "the queue to count it")


def test_a_quorum_queue_that_drops_its_head_is_refused(daemon, rabbit):
    queue = queue_of(rabbit, "drops-head", **{"x-max-length": 10})
    done = live(daemon(config(rabbit, queue, allow_unsynced_target=True), started=False))
    assert done.returncode == 15, done.stdout + done.stderr
    assert "x-overflow = reject-publish" in done.stdout + done.stderr


def test_a_queue_behind_an_exchange_is_a_warning(daemon, rabbit):
    made = daemon(config(rabbit, address=None, exchange="amq.direct", routing_key="nobody"), started=False)
    done = live(made)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "behind an exchange cannot be asked" in done.stdout + done.stderr


@pytest.mark.parametrize("kind", ["classic", "quorum"])
def test_a_full_rabbitmq_queue_bounces_nothing_live_or_on_replay(daemon, rabbit, kind):
    queue = queue_of(rabbit, f"full-{kind}", **{"x-queue-type": kind, "x-max-length": 5, "x-overflow": "reject-publish"})
    made = daemon(config(rabbit, queue, format="rfc822", deadline="5s", allow_unsynced_target=True))
    made.wait_log("attached to the target", 30)
    sent = range(1, 31)
    with made.client() as client:
        client.command("EHLO client.example", 250)
        for number in sent:
            reply = deliver(client, mail(number))
            assert reply.startswith("250"), reply
    assert len(made.spool) > 0, "the queue was never full"
    assert not dead_letters(made)
    receive_all(rabbit, queue, sent)
    drained(made)
    assert not dead_letters(made)


def test_a_full_broker_j_queue_rejects_and_the_link_lives(daemon, brokerj):
    brokerj.resume()
    brokerj.start()
    queue = "full-reject"
    brokerj.create_queue(queue, maximumQueueDepthMessages=5, overflowPolicy="REJECT")
    brokerj.purge(queue)
    made = daemon(config(brokerj, queue, format="rfc822", deadline="5s"))
    made.wait_log("attached to the target", 30)
    sent = range(1, 31)
    with made.client() as client:
        client.command("EHLO client.example", 250)
        for number in sent:
            assert deliver(client, mail(number)).startswith("250")
    assert len(made.spool) > 0, "the queue was never full"
    assert not made.log_lines("link detached, attaching it again")
    assert not made.log_lines("the target was refused")
    receive_all(brokerj, queue, sent)
    drained(made)
    assert not dead_letters(made)


def test_an_exchange_of_broker_j_needs_allow_lossy_target(daemon, brokerj):
    brokerj.resume()
    brokerj.start()
    exchange = {"address": None, "exchange": "amq.direct", "routing_key": "nobody"}
    done = live(daemon(config(brokerj, **exchange), started=False))
    assert done.returncode == 15, done.stdout + done.stderr
    assert "allow_lossy_target" in done.stdout + done.stderr
    made = daemon(config(brokerj, **exchange, fallback=False, allow_lossy_target=True))
    made.wait_log("this target loses messages that it accepted", 30)
    made.wait_log("attached to the target", 30)
    with made.client() as client:
        client.command("EHLO client.example", 250)
        assert deliver(client, mail(1)).startswith("250"), "it has learned to refuse: is the judgement still right?"


def test_two_daemons_with_one_host_name_share_broker_j(daemon, brokerj):
    brokerj.resume()
    brokerj.start()
    brokerj.create_queue("two-daemons")
    brokerj.purge("two-daemons")
    made = [daemon(config(brokerj, "two-daemons", format="rfc822", fallback=False)) for _ in range(2)]
    for each in made:
        each.wait_log("attached to the target", 30)
    for number in range(40):
        with made[number % 2].client() as client:
            client.command("EHLO client.example", 250)
            assert deliver(client, mail(number)).startswith("250")
    for each in made:
        assert not each.log_lines("connection to the broker lost")
        assert not each.log_lines("link detached, attaching it again")
        assert not each.log_lines("the target was refused")
    wait_until(lambda: brokerj.depth("two-daemons") == 40, 10, "the queue to have them all")


@pytest.mark.parametrize("kind", ["artemis", "brokerj", "rabbitmq4"])
def test_an_anonymous_terminus_reaches_each_address_over_one_link(daemon, kind, request):
    broker = request.getfixturevalue(kind)
    broker.resume()
    broker.start()
    queues = {f"{place}.anonymous.example": f"anonymous-{place}.anonymous.example" for place in ("one", "two")}
    for queue in queues.values():
        broker.create_queue(queue)
        broker.purge(queue)
    made = daemon({**config(broker, address=broker.target("anonymous-") + "{rcpt_domain}", format="rfc822", fallback=False,
                            anonymous_terminus=True), "server": {"workers": 1}})
    made.wait_log("attached to the target", 30, address="the anonymous terminus")
    with made.client() as client:
        client.command("EHLO client.example", 250)
        for number in range(20):
            reply = deliver(client, mail(number), recipients=[f"r@{domain}" for domain in queues])
            assert reply.startswith("250"), reply
    for queue in queues.values():
        receive_all(broker, queue, range(20))
    assert len(made.log_lines("attached to the target")) == 1


@pytest.mark.parametrize("kind, why", [
    ("rabbitmq4", "released: no queue took it (amqp://{place} /queues/anonymous-nowhere.example)"),
    ("brokerj", "rejected amqp:not-found: Unknown destination 'anonymous-nowhere.example' (amqp://{place} anonymous-nowhere.example)")])
def test_a_message_for_no_queue_waits_and_the_others_of_the_link_go_on(daemon, kind, why, request):
    broker = request.getfixturevalue(kind)
    broker.resume()
    broker.start()
    queue = "anonymous-there.example"
    broker.create_queue(queue)
    broker.purge(queue)
    made = daemon({**config(broker, address=None, routing_key="anonymous-{rcpt_domain}", format="rfc822", fallback=False,
                            anonymous_terminus=True), "server": {"workers": 1}})
    made.wait_log("attached to the target", 30)
    with made.client() as client:
        client.command("EHLO client.example", 250)
        assert deliver(client, mail(1), recipients=["r@nowhere.example"]).startswith("451 4.3.0")
        assert deliver(client, mail(2), recipients=["r@there.example"]).startswith("250")
    receive_all(broker, queue, [2])
    made.wait_log("refused", by="broker: " + why.format(place=f"{broker.host}:{broker.port}"))
    assert len(made.log_lines("attached to the target")) == 1, "the link ended"


def test_rabbitmq_3_has_no_anonymous_terminus(daemon, rabbitmq3):
    rabbitmq3.resume()
    rabbitmq3.start()
    done = live(daemon(config(rabbitmq3, "mail", anonymous_terminus=True), started=False))
    assert done.returncode == 15, done.stdout + done.stderr
    assert "offers no anonymous terminus" in done.stdout + done.stderr
