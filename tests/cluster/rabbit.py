# SPDX-License-Identifier: Apache-2.0
"""A RabbitMQ 4 cluster of three hosts, with quorum queues."""
import urllib.error

from support import amqp
from support.brokers import Broker
from support.rabbitmq import RabbitMq4
from support.wait import wait_until

PORTS = {"port": 5672, "tls_port": 5671, "http_port": 15672, "dist_port": 25672, "epmd_port": 4369}
# Seconds after which a silent node counts as gone; Erlang's own default is 60.
TICK = 8
CONFIGURATION = """\
cluster_formation.peer_discovery_backend = classic_config
cluster_partition_handling = pause_minority
"""


class Node(RabbitMq4):
    def __init__(self, host, folder, authority):
        super().__init__(folder, authority)
        self.place, self.host = host, host.address
        self.node_name = f"rabbit@{self.host}"

    def reserve(self, *names):
        for name in names:
            setattr(self, name, PORTS[name])

    def form(self, nodes):
        """Before the first launch."""
        self.prepare()
        with open(self.inside("rabbitmq.conf"), "a") as configuration:
            configuration.write(CONFIGURATION + "".join(
                f"cluster_formation.classic_config.nodes.{number} = {node.node_name}\n"
                for number, node in enumerate(nodes, 1)))
        cookie = self.inside("home") / ".erlang.cookie"
        cookie.write_text("LSMTPDTESTS")
        cookie.chmod(0o400)

    def environment(self):
        address = self.host.replace(".", ",")
        return {**super().environment(), "RABBITMQ_NODENAME": self.node_name, "RABBITMQ_USE_LONGNAME": "true",
                "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS":
                    f"-kernel inet_dist_use_interface {{{address}}} -kernel net_ticktime {TICK}"}

    def launch(self):
        with self.place.inside():
            super().launch()

    def running_nodes(self):
        """Names of those that it sees; none where it does not answer."""
        try:
            return {node["name"] for node in self._rest("GET", "nodes", timeout=3) if node["running"]}
        except (OSError, ValueError):
            return set()

    def leader_of(self, queue):
        try:
            return self._rest("GET", self._queue(queue), timeout=3).get("leader")
        except (OSError, ValueError, urllib.error.HTTPError):
            return None


class RabbitCluster:
    """start() starts the nodes that do not run and waits for all. To support.amqp it is a broker: the first node, which tests
    ask when all are up."""

    name = "rabbitmq4"
    detects_duplicates = False
    virtual_host = None
    user, password = Broker.user, Broker.password

    def __init__(self, network, folder, authority):
        self.nodes = [Node(network.host(f"rabbit{number}", 20 + number), folder / f"node{number}", authority)
                      for number in (1, 2, 3)]
        self.host, self.port = self.nodes[0].host, PORTS["port"]
        self.hosts = [node.place for node in self.nodes]

    @property
    def urls(self):
        return [f"amqp://{node.host}:{self.port}" for node in self.nodes]

    def start(self):
        if self.nodes[0].process is None:
            for node in self.nodes:
                node.form(self.nodes)
        for node in self.nodes:
            if node.process is None or not node.process.running():
                node.launch()
        everyone = {node.node_name for node in self.nodes}
        wait_until(lambda: all(node.running_nodes() == everyone and amqp.answers(node) for node in self.nodes), 180,
                   lambda: "the nodes to see each other:\n" + "\n".join(node.process.tail(15) for node in self.nodes), 0.5)
        return self

    def leader(self, queue):
        """The node that leads a quorum queue, as the first node that knows it says."""
        names = {node.node_name: node for node in self.nodes}
        return wait_until(lambda: next(filter(None, (names.get(node.leader_of(queue)) for node in self.nodes)), None), 60,
                          f"a leader of {queue}", 0.2)

    def create_queue(self, queue):
        self.nodes[0].create_queue(queue)

    def delete_queue(self, queue):
        self.nodes[0].delete_queue(queue)

    def source(self, queue):
        return self.nodes[0].source(queue)

    def options(self, output, queue, first):
        """Of a plugin; `first`: which node stands first among the urls."""
        target = {"address": self.source(queue), "idle_timeout": "10s"} if output == "output_amqp" else \
            {"routing_key": queue, "heartbeat": "5s"}
        return {**target, "urls": self.urls[first % 3:] + self.urls[:first % 3]}

    def receive(self, queue, count=None, seconds=30, **options):
        return amqp.receive(self, queue, count, seconds, **options)

    def end(self):
        for node in self.nodes:
            node.end()
