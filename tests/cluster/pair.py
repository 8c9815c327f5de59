# SPDX-License-Identifier: Apache-2.0
"""Two hosts with Artemis: a primary and its backup, which share a store or replicate it."""
import subprocess

from support import amqp
from support.artemis import Artemis
from support.brokers import CACHE, Broker, Unavailable
from support.wait import wait_until

PORT = 61616
SYNCHRONIZED, ANNOUNCED = "AMQ221024", "AMQ221031"  # of a backup's log


class Node(Artemis):
    def __init__(self, host, peer, folder, authority, arguments):
        super().__init__(folder, authority)
        self.place, self.host, self.port = host, host.address, PORT
        self._peer, self._arguments = peer, arguments

    def prepare(self):
        home = CACHE / f"artemis-{self.version}"
        if not home.is_dir():
            raise Unavailable(f"no Artemis in {home}: run contrib/dev brokers get")
        self._instance = self.folder / "instance"
        made = subprocess.run(
            [home / "bin" / "artemis", "create", self._instance, "--user", self.user, "--password", self.password,
             "--require-login", "--host", self.host, "--no-web", "--no-amqp-acceptor", "--no-hornetq-acceptor",
             "--no-mqtt-acceptor", "--no-stomp-acceptor", "--default-port", str(self.port), "--nio", "--no-autotune",
             "--java-memory", "512M", "--silent", "--clustered", "--cluster-user", "peer", "--cluster-password",
             self.password, "--message-load-balancing", "OFF", "--staticCluster", f"tcp://{self._peer.address}:{self.port}",
             "--failover-on-shutdown", *self._arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if made.returncode:
            raise Unavailable(f"artemis create failed: {made.stdout}{made.stderr}")
        config = self._instance / "etc" / "broker.xml"
        text = config.read_text()
        # A pair has no majority: the primary goes on without its backup. One that comes back asks for the node that took its
        # place, and becomes the live one again.
        for part, instead in {
                "<vote-on-replication-failure>true</vote-on-replication-failure>":
                    "<vote-on-replication-failure>false</vote-on-replication-failure>"
                    "<check-for-live-server>true</check-for-live-server>",
                "<slave/>": "<slave><allow-failback>true</allow-failback></slave>"}.items():
            text = text.replace(part, instead)
        config.write_text(text)

    def launch(self):
        if self.process is None:
            self.prepare()
        with self.place.inside():
            super().launch()

    def running(self):
        return self.process is not None and self.process.running()

    def said(self, word):
        return self.log.read_text(errors="replace").count(word) if self.log.exists() else 0


class Pair:
    """start() makes the primary the live one again, with a backup that is ready to take over. To support.amqp it is a broker: the
    node that is live."""

    detects_duplicates = True
    virtual_host = None
    user, password, port = Broker.user, Broker.password, PORT

    def __init__(self, network, folder, authority, shared):
        hosts = [network.host("artemis1", 41), network.host("artemis2", 42)]
        self.name = "artemis, shared store" if shared else "artemis, replicated"
        kind = ["--shared-store", "--data", str(folder / "store")] if shared else ["--replicated"]
        self._prepared = ANNOUNCED if shared else SYNCHRONIZED
        self.primary = Node(hosts[0], hosts[1], folder / "primary", authority, kind)
        self.backup = Node(hosts[1], hosts[0], folder / "backup", authority, [*kind, "--slave"])
        self.nodes, self.hosts = [self.primary, self.backup], hosts

    @property
    def urls(self):
        return [node.url for node in self.nodes]

    @property
    def live(self):
        """Waits while none is."""
        return wait_until(lambda: next((node for node in self.nodes if amqp.answers(node)), None), 90,
                          lambda: "a live node:\n" + "\n".join(node.process.tail(15) for node in self.nodes), 0.2)

    @property
    def host(self):
        return self.live.host

    def start(self):
        if all(node.running() for node in self.nodes) and amqp.answers(self.primary):
            return self
        before = self.backup.said(self._prepared)

        def whole():
            for node in self.nodes:
                if not node.running():  # a backup that gives its place back may end; a supervisor starts it again
                    node.launch()
            return amqp.answers(self.primary) and self.backup.said(self._prepared) > before

        wait_until(whole, 180, lambda: "the primary to be live and the backup to be ready:\n" +
                   "\n".join(node.process.tail(25) for node in self.nodes), 0.5)
        return self

    def create_queue(self, queue):
        self.live.create_queue(queue)

    def delete_queue(self, queue):
        self.live.purge(queue)

    def source(self, queue):
        return queue

    def options(self, _output, queue, _first):
        return {"address": queue, "idle_timeout": "10s", "urls": self.urls}

    def receive(self, queue, count=None, seconds=30, **options):
        return amqp.receive(self, queue, count, seconds, **options)

    def end(self):
        for node in self.nodes:
            node.end()
