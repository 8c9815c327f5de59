# SPDX-License-Identifier: Apache-2.0
"""output_amqp and the network to the broker: a frozen network, brokers that are not there, names that do
not resolve, and logins with a client certificate."""
import os
import re
import socket
import time
import uuid

import pytest
from test_amqp_brokers import body, config, deliver, drained, live, receive_all, start

from support.daemon import sanitized
from support.relay import Relay
from support.tls import Authority
from support.wait import free_ports, wait_until


@pytest.fixture
def relay(broker):
    made = Relay(broker.host, broker.port)
    yield made
    made.close()


def mail(number, size=0):
    return b"X-Number: %d\r\n\r\n" % number + (b"x" * 70 + b"\r\n") * (size // 72)


def numbers(messages):
    return [int(re.search(rb"^X-Number: (\d+)\r$", body(each), re.M).group(1)) for each in messages]


def send(made, *mails):
    """How long each of them took; all get 250."""
    took = []
    with made.client() as client:
        client.command("EHLO client.example", 250)
        for each in mails:
            begin = time.monotonic()
            reply = deliver(client, each)
            took.append(time.monotonic() - begin)
            assert reply.startswith("250"), reply
    return took


def test_a_frozen_link_is_given_up_and_found_again(daemon, broker, queue, relay):
    made = start(daemon, broker, queue, urls=[relay.url], virtual_host=broker.virtual_host, format="rfc822",
                 deadline="2s", idle_timeout="4s", connect_timeout="2s", stall="120s")
    send(made, mail(1))
    memory = made.memory()
    relay.freeze()
    took = send(made, *(mail(number, 100_000) for number in range(2, 102)))
    assert max(took) < 10
    assert sum(each > 1.5 for each in took) <= 2, "new mail waited although the link was stalled"
    made.wait_log("connection to the broker lost", 30)
    made.wait_log("broker not reached", 30)  # a new connection gets no answer either
    send(made, *(mail(number, 100_000) for number in range(102, 202)))
    assert len(made.spool) == 200
    if not sanitized():
        assert made.memory() - memory < 24 << 20
    attached, lost = len(made.log_lines("attached to the target")), losses(made)
    relay.thaw()
    wait_until(lambda: len(made.log_lines("attached to the target")) > attached, 60, "the link to be found again")
    drained(made)
    got = numbers(receive_all(broker, queue, range(1, 202)))
    # Only messages under way when the network froze can have reached the broker twice; for a broker that was
    # starved until its heartbeats stopped, also those under way then.
    twice = {each for each in got if got.count(each) > 1}
    assert not (twice and broker.detects_duplicates), twice
    assert len(twice) <= 2 or losses(made) > lost, twice
    assert set(got) == set(range(1, 202))


def losses(made):
    return len(made.log_lines("connection to the broker lost"))


def external(broker, authority, queue, name="lsmtpd", **changes):
    certificate, key, _ = authority.issue(f"client-{name}", name)
    return config(broker, queue, **{
        "urls": [broker.external_url], "username": None, "password": None, "tls_certificate": str(certificate),
        "tls_key": str(key), "format": "rfc822", **changes})


def test_a_client_certificate_authenticates(daemon, broker, queue, authority):
    made = daemon(external(broker, authority, queue, tls_ca=str(authority.ca)))
    made.wait_log("attached to the target", 30)
    send(made, mail(1, 10_000))
    assert [body(each) for each in broker.receive(queue, 1)] == [mail(1, 10_000)]
    done = live(made)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "EXTERNAL" in done.stdout + done.stderr


def refused(made, *steps):
    """check --live names one of these steps, the log too, and mail goes to the spool."""
    statuses = {"tls": 12, "sasl": 13, "open": 14}
    done = live(made)
    assert done.returncode in [statuses[each] for each in steps], done.stdout + done.stderr
    made.start()
    send(made, mail(1))
    assert len(made.spool) == 1

    def failed():
        found = {line["step"] for line in made.log_lines("broker not reached")}
        if made.log_lines("connection to the broker lost"):  # after its Open, which was not meant
            found.add("open")
        return found
    wait_until(failed, 30, "the broker's refusal")  # a slow one comes after the mail's deadline
    assert failed() <= set(steps), failed()


def test_a_missing_client_certificate_is_refused(daemon, broker, queue, authority):
    made = daemon(external(broker, authority, queue, tls_ca=str(authority.ca), tls_certificate=None, tls_key=None,
                           sasl=["EXTERNAL"]), started=False)
    refused(made, "tls" if broker.name == "broker-j" else "sasl")  # that port wants one


def test_a_client_certificate_of_another_authority_is_refused(daemon, broker, queue, authority, tmp_path):
    made = daemon(external(broker, Authority(tmp_path / "other"), queue, tls_ca=str(authority.ca)), started=False)
    refused(made, "tls")


def test_a_certificate_of_a_user_unknown_to_the_broker(daemon, broker, queue, authority):
    made = daemon(external(broker, authority, queue, "stranger", tls_ca=str(authority.ca)), started=False)
    if broker.name == "broker-j":  # accepts every certificate of the authority
        assert live(made).returncode == 0
    else:  # Artemis looks at the user after SASL
        refused(made, "open" if broker.name == "artemis" else "sasl")


def test_check_live_says_where_it_failed(daemon, broker, queue):
    port, = free_ports(1)
    for status, changes in ((10, {"urls": ["amqp://nothing.invalid:5672"]}),
                            (11, {"urls": [f"amqp://127.0.0.1:{port}"]}),
                            (14, {"virtual_host": "vhost:nowhere" if "rabbit" in broker.name else "nowhere"})):
        if status == 14 and broker.name == "artemis":
            continue  # takes any
        done = live(daemon(config(broker, queue, **changes), started=False))
        assert done.returncode == status, done.stdout + done.stderr


def test_an_unreachable_broker_is_skipped(daemon, broker, queue):
    port, = free_ports(1)
    made = start(daemon, broker, queue, urls=[f"amqp://127.0.0.1:{port}", broker.url], spread=False, format="rfc822",
                 fallback=False)
    send(made, mail(1))
    assert numbers(broker.receive(queue, 1)) == [1]


def test_starts_while_the_broker_is_down_and_finds_it_later(daemon, broker, queue):
    broker.kill()
    made = daemon(config(broker, queue, format="rfc822", deadline="2s"))
    send(made, *(mail(number) for number in range(1, 11)))
    assert len(made.spool) == 10
    broker.start()
    drained(made)
    assert sorted(numbers(receive_all(broker, queue, range(1, 11)))) == list(range(1, 11))


def test_a_copy_for_each_recipient(daemon, broker, queue):
    made = start(daemon, broker, queue, split="recipient", fallback=False)
    with made.client() as client:
        client.command("EHLO client.example", 250)
        identity = deliver(client, mail(1), recipients=("a@example.org", "b@example.org")).split()[-1]
    got = {each.properties["smtp_rcpt_to"]: each for each in broker.receive(queue, 2)}
    assert set(got) == {"a@example.org", "b@example.org"}
    if not broker.detects_duplicates:
        assert {each.properties["_AMQ_DUPL_ID"] for each in got.values()} == {f"{identity}.0", f"{identity}.1"}


def test_an_address_by_domain(daemon, broker):
    queues = ["by-a.example", "by-b.example"]
    for each in queues:
        broker.create_queue(each)
        broker.purge(each)
    by_domain = config(broker, "by-DOMAIN", fallback=False)
    options = by_domain["plugin"]["broker"]["options"]
    options["address"] = options["address"].replace("DOMAIN", "{rcpt_domain}")
    made = daemon(by_domain)
    made.wait_log("connected to the broker", 30)
    with made.client() as client:
        client.command("EHLO client.example", 250)
        reply = deliver(client, mail(1), recipients=("1@a.example", "2@B.example", "3@a.example"))
    assert reply.startswith("250"), reply
    assert [each.properties["smtp_rcpt_to"] for each in broker.receive(queues[0], 1)] == ["1@a.example,3@a.example"]
    assert [each.properties["smtp_rcpt_to"] for each in broker.receive(queues[1], 1)] == ["2@B.example"]
    assert [broker.depth(each) for each in queues] == [0, 0]


def test_the_size_that_is_offered_follows_the_link(daemon, rabbitmq4):
    rabbitmq4.resume()
    rabbitmq4.start()
    rabbitmq4.create_queue("sized")
    made = start(daemon, rabbitmq4, "sized", fallback=False, format="rfc822")
    limit = 16 << 20
    with made.client(timeout=60) as client:
        client.send(b"EHLO client.example\r\n")
        offered = next(int(line.split()[-1]) for line in client.reply_lines() if "SIZE" in line)
        assert limit * 0.9 < offered < limit
        client.command(f"MAIL FROM:<s@example.org> SIZE={offered + 1}", "552 5.3.4")
        assert deliver(client, mail(1, limit)).startswith("552 5.3.4")
        assert deliver(client, mail(2, offered - 1000)).startswith("250")
    assert numbers(rabbitmq4.receive("sized", 1)) == [2]


def test_a_name_that_never_resolves_blocks_nothing(daemon, tmp_path):
    """A name server that takes questions and answers none."""
    if os.geteuid() != 0:
        pytest.skip("a name server of the test's own takes root")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.53.0.1", 53))
        (tmp_path / "resolv.conf").write_text("nameserver 127.53.0.1\noptions timeout:30 attempts:5\n")
        wrapper = ["unshare", "--mount", "sh", "-c",
                   'mount --bind "$0" /etc/resolv.conf && exec "$@"', tmp_path / "resolv.conf"]
        made = daemon({"plugin": {"broker": {"use": "output_amqp", "deadline": "2s", "fallback": "spool", "options": {
            "urls": ["amqp://broker.example:5672"], "address": "mail", "connect_timeout": "3s"}}},
            "chain": {"default": {"steps": ["broker"]}}}, wrapper=wrapper)
        silent.settimeout(20)
        silent.recv(512)  # the question is asked, and stays open
        with made.client(timeout=5) as client:
            for _ in range(20):
                client.command("NOOP", 250)
        send(made, *(mail(number) for number in range(20)))
        assert made.wait_log("broker not reached", 30)["step"] == "resolve"
        send(made, *(mail(number) for number in range(20, 40)))
        assert len(made.spool) == 40


def test_a_large_spool_is_replayed_beside_live_mail(daemon, artemis):
    """Listed in steps: neither the start nor memory nor live mail knows how much there is."""
    artemis.resume()
    artemis.start()
    artemis.create_queue("large-spool")
    artemis.purge("large-spool")
    model = daemon()
    send(model, mail(0, 4000))
    model.stop()
    made = daemon(config(artemis, "large-spool", format="rfc822"), started=False)
    made.spool.folder.mkdir()
    count = 50_000
    stored, = model.spool.files()
    for _ in range(count):  # one file by many names: a message each
        os.link(stored, made.spool.folder / f"{uuid.uuid4()}.json")
    made.start()
    # A start delivers the 256 oldest before new mail: they may be in doubt (docs/reliability.md).
    wait_until(lambda: len(made.log_lines("replayed")) >= 256, 60, "the oldest to be replayed")
    memory = made.memory()
    replayed = len(made.log_lines("replayed"))
    send(made, *(mail(number) for number in range(1, 201)))
    wait_until(lambda: len(made.log_lines("replayed")) > replayed + 2000, 60, "replay to go on beside that")
    wait_until(lambda: len(made.log_lines("accepted")) == 200, 10, "a line for each live message")
    by = [line["by"] for line in made.log_lines("accepted")]
    assert all(each.startswith("broker: ") for each in by), "live mail went to the fallback"
    if not sanitized():
        assert memory < 40 << 20 and made.memory() < 48 << 20
    made.stop()
    left = len(made.spool)
    assert 0 < left < count
    assert artemis.depth("large-spool") == count - left + 200
    artemis.purge("large-spool")
