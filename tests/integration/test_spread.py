# SPDX-License-Identifier: Apache-2.0
"""Several urls: workers are spread over them, go on to the others where one is gone, and come back under load without a
message lost or sent twice. The three nodes are relays in front of one broker: any node of a cluster takes the mail."""
import os
import time

import pytest
from test_amqp_brokers import address

from support import amqp091
from support.admin import Admin
from support.daemon import merge
from support.load import Ledger, Load
from support.relay import Relay
from support.wait import free_ports, wait_until

WORKERS = 6


class Sink:
    """output_amqp, output_amqp091 or output_nats at a queue of its own."""

    def __init__(self, use, broker):
        self.use, self.broker, self.queue = use, broker, "spread-" + use.replace("_", "-")
        self.port = broker.port
        if use == "output_nats":
            self._server = broker.client()
            self._stream = self._server.__enter__()
            self._stream.delete("SPREAD")
            self._stream.make("SPREAD", ["spread.in"], duplicate_window=100_000_000)
        else:
            broker.delete_queue(self.queue)
            broker.create_queue(self.queue)

    def options(self):
        if self.use == "output_nats":
            return {"stream": "SPREAD", "subject": "spread.in", "format": "raw", "assume_synced": True,
                    "allow_lossy_target": True, "username": self.broker.login["user"],
                    "password": self.broker.login["pass"]}
        target = {"address": address(self.broker, self.queue)} if self.use == "output_amqp" else {"routing_key": self.queue}
        return {**target, "format": "rfc822", "username": self.broker.user, "password": self.broker.password}

    def url(self, relay):
        return relay.url.replace("amqp", "nats") if self.use == "output_nats" else relay.url

    def contents(self, count):
        if self.use == "output_nats":
            return [message.body for message in self._stream.messages("SPREAD")]
        return [body for _, body in amqp091.receive(self.broker, self.queue, count, 60)] + \
            [body for _, body in amqp091.receive_until_empty(self.broker, self.queue, 2)]

    def end(self):
        if self.use == "output_nats":
            self._stream.delete("SPREAD")
            self._server.__exit__(None, None, None)
        else:
            self.broker.delete_queue(self.queue)


@pytest.fixture(params=["output_amqp", "output_amqp091", "output_nats"])
def sink(request):
    broker = request.getfixturevalue("nats" if request.param == "output_nats" else "rabbitmq4")
    broker.resume()
    broker.start()
    made = Sink(request.param, broker)
    yield made
    made.end()


@pytest.fixture
def nodes(sink):
    made = [Relay("127.0.0.1", sink.port) for _ in range(3)]
    yield made
    for each in made:
        each.close()


class Spread:
    """A daemon with these nodes, and the number of its connections at each."""

    def __init__(self, daemon, sink, nodes, **changes):
        self.urls = [sink.url(each) for each in nodes]
        self.admin = Admin()
        options = {"urls": self.urls, "connect_rate": 100, "reconnect_last": "1s", "rebalance": "2s", **sink.options(), **changes}
        self.made = daemon(merge(self.admin.configuration(), {
            "server": {"workers": WORKERS},
            "plugin": {"broker": {"use": sink.use, "deadline": "20s", "options": options}},
            "chain": {"default": {"steps": ["broker"]}}}))
        self.admin.attach(self.made)

    def places(self):
        samples = self.admin.metrics()[0]
        return [samples.get(("lsmtpd_output_connections", (("plugin", "broker"), ("url", url)))) for url in self.urls]

    def wait(self, *expected, seconds=30):
        return wait_until(lambda: self.places() == list(expected), seconds,
                          lambda: f"connections {list(expected)}; there are {self.places()}")


def test_workers_are_spread_and_come_back_under_load(daemon, sink, nodes):
    """Nothing is unsettled when a connection moves: no message is lost, none comes twice, none is refused."""
    nodes[1].cut()
    spread = Spread(daemon, sink, nodes)
    spread.wait(3, 0, 3)
    ledger = Ledger()
    load = Load(spread.made.address(), ledger, threads=12, sizes=(200, 4096, 100_000))
    try:
        load.wait_accepted(300)
        nodes[1].mend()
        spread.wait(2, 2, 2)
        load.wait_accepted(300)
    finally:
        load.stop()
    assert len(ledger.accepted) == len(ledger.entries), "something was refused"
    assert spread.admin.value("lsmtpd_output_moves_total", plugin="broker") == 2
    assert spread.admin.value("lsmtpd_output_up", plugin="broker") == 1
    assert not spread.made.log_lines("connection to the broker lost")
    assert load.slowest < 5
    ledger.check(sink.contents(len(ledger.accepted)))


def test_a_node_that_goes_and_returns(daemon, sink, nodes):
    spread = Spread(daemon, sink, nodes)
    spread.wait(2, 2, 2)
    for node, left in ((nodes[0], (0, 3, 3)), (nodes[2], (3, 3, 0))):
        node.cut()
        spread.wait(*left)
        node.mend()
        spread.wait(2, 2, 2)


def test_in_strict_order_all_are_at_the_first(daemon, sink, nodes):
    """As for a primary and its backup: the others are used while the first is gone."""
    spread = Spread(daemon, sink, nodes, spread=False)
    spread.wait(WORKERS, 0, 0)
    nodes[0].cut()
    spread.wait(0, WORKERS, 0)
    nodes[0].mend()
    spread.wait(WORKERS, 0, 0)


@pytest.mark.parametrize("sink", ["output_amqp091"], indirect=True)
def test_the_status_says_where_the_connections_are(daemon, sink, nodes):
    spread = Spread(daemon, sink, nodes)
    spread.wait(2, 2, 2)
    wait_until(lambda: [each["connections"] for each in spread.admin.status()["outputs"]] == [dict.fromkeys(spread.urls, 2)],
               20, lambda: spread.admin.get("/status").text)
    text = spread.made.cli("ctl", "--socket", spread.admin.socket, "status").stdout
    for url in spread.urls:
        assert f"broker                         2  {url}" in text


@pytest.mark.parametrize("sink", ["output_amqp091"], indirect=True)
def test_a_name_that_moves_is_followed(daemon, tmp_path, sink):
    """Three addresses of a name, then two others: new connections go where the name leads now."""
    if os.geteuid() != 0:
        pytest.skip("a hosts file of the test's own takes root")
    port, = free_ports(1)
    hosts = tmp_path / "hosts"

    def names(*numbers):
        with open(hosts, "r+" if hosts.exists() else "w") as file:  # the same file: it is bound over /etc/hosts
            file.truncate(0)
            file.write("".join(f"127.0.0.{number} several.example\n" for number in numbers))

    relays = [Relay("127.0.0.1", sink.port, port, f"127.0.0.{number}") for number in (2, 3, 4, 5)]
    try:
        names(2, 3, 4)
        wrapper = ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"', hosts]
        made = daemon({"server": {"workers": WORKERS}, "plugin": {"broker": {
            "use": sink.use, "deadline": "20s",
            "options": {"urls": [f"amqp://several.example:{port}"], "connect_rate": 100, "rebalance": "1s", **sink.options()}}},
            "chain": {"default": {"steps": ["broker"]}}}, wrapper=wrapper)

        def wait(*expected):
            wait_until(lambda: [each.connections for each in relays] == list(expected), 60,
                       lambda: f"connections {expected}; there are {[each.connections for each in relays]}")

        wait(2, 2, 2, 0)
        names(4, 5)
        wait(0, 0, 3, 3)
        assert not made.log_lines("connection to the broker lost")
    finally:
        for each in relays:
            each.close()


@pytest.mark.parametrize("sink", ["output_amqp"], indirect=True)
def test_connections_a_second_are_limited(daemon, sink, nodes):
    started = time.monotonic()
    spread = Spread(daemon, sink, nodes[:1], connect_rate=1)
    spread.wait(WORKERS, seconds=60)
    assert time.monotonic() - started > WORKERS - 1 - 0.5
