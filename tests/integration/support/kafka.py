# SPDX-License-Identifier: Apache-2.0
"""Apache Kafka as one node that is broker and controller (KRaft), with topics of one replica; and a client that reads them.

Its listeners: `url`, in clear text without login, which the tests themselves use; a relayed one with SASL (PLAIN,
SCRAM-SHA-256), whose address as the node tells it is that of a Relay on `relay_port`, so that all connections of a client
can be cut; and one with TLS. KafkaCluster is three such nodes."""
import uuid

import confluent_kafka as client
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic

from .brokers import CACHE, Broker, Unavailable
from .process import Process
from .tls import STORE_PASSWORD
from .wait import wait_until

VERSION = "4.1.1"
CONFIGURATION = """\
process.roles=broker,controller
node.id={number}
controller.quorum.voters={voters}
controller.listener.names=CTRL
inter.broker.listener.name=OPEN
listeners=OPEN://{host}:{port},LOGIN://{host}:{login_port},SECURE://{host}:{tls_port},CTRL://{host}:{controller_port}
advertised.listeners=OPEN://{host}:{port},LOGIN://{host}:{relay_port},SECURE://localhost:{tls_port}
listener.security.protocol.map=OPEN:PLAINTEXT,LOGIN:SASL_PLAINTEXT,SECURE:SSL,CTRL:PLAINTEXT
listener.name.login.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256
listener.name.login.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \
user_{user}="{password}";
listener.name.login.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.secure.ssl.keystore.location={store}
listener.name.secure.ssl.keystore.type=PKCS12
listener.name.secure.ssl.keystore.password={store_password}
listener.name.secure.ssl.truststore.location={truststore}
listener.name.secure.ssl.truststore.type=PKCS12
listener.name.secure.ssl.truststore.password={store_password}
listener.name.secure.ssl.client.auth=requested
log.dirs={folder}/data
num.partitions=2
offsets.topic.replication.factor={nodes}
transaction.state.log.replication.factor={nodes}
transaction.state.log.min.isr=1
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
"""
# Small, and quick to start.
JAVA = ("-Xmx320m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
PARTITIONS = 2


class Kafka(Broker):
    name = "kafka"
    number = 1  # node.id
    nodes = 1

    def prepare(self):
        self.reserve_ports()
        self.format(self.voter)

    def reserve_ports(self):
        self.reserve("port", "login_port", "tls_port", "controller_port", "relay_port")

    @property
    def voter(self):
        return f"{self.number}@{self.host}:{self.controller_port}"

    def format(self, voters):
        self._libraries = CACHE / f"kafka-{VERSION}/libs"
        if not self._libraries.is_dir():
            raise Unavailable(f"no {self._libraries}: run contrib/dev brokers get")
        values = {**vars(self), "host": self.host, "user": self.user, "password": self.password, "voters": voters,
                  "number": self.number, "nodes": self.nodes,
                  "store_password": STORE_PASSWORD, "truststore": self.authority.truststore}
        self._properties = self.folder / "kafka.properties"
        self._properties.write_text(CONFIGURATION.format(**values))
        made = Process(self._java("kafka.tools.StorageTool", "format", "--config", self._properties,
                                  "--cluster-id", "MkU3OEVBNTcwNTJENDM2Qg", "--add-scram",
                                  f"SCRAM-SHA-256=[name={self.user},password={self.password}]"), self.folder / "format.log")
        assert made.wait(60) == 0, made.tail()

    def _java(self, main, *arguments):
        return ["java", *JAVA, "-cp", f"{self._libraries}/*", main, *arguments]

    def command(self):
        return self._java("kafka.Kafka", self._properties), {}

    @property
    def url(self):
        return f"{self.host}:{self.port}"

    @property
    def tls_url(self):
        return f"localhost:{self.tls_port}"

    def _admin(self):
        return AdminClient({"bootstrap.servers": ",".join(self.urls), "log_level": 0})

    @property
    def urls(self):
        return [self.url]

    def ready(self):
        try:
            return len(self._admin().list_topics(timeout=2).brokers) == self.nodes
        except client.KafkaException:
            return False

    def create_topic(self, topic, partitions=PARTITIONS, **configuration):
        """Options with "_" for "."."""
        options = {key.replace("_", "."): str(value) for key, value in configuration.items()}
        admin = self._admin()
        for future in admin.create_topics([NewTopic(topic, partitions, self.nodes, config=options)]).values():
            future.result(30)
        wait_until(lambda: topic in admin.list_topics(timeout=10).topics, 20, f"the topic {topic}")

    def configure(self, topic, **configuration):
        options = {key.replace("_", "."): str(value) for key, value in configuration.items()}
        resource = ConfigResource(ConfigResource.Type.TOPIC, topic, set_config=options)
        admin = self._admin()  # its requests end with it
        for future in admin.alter_configs([resource]).values():
            future.result(30)

    def delete_topic(self, topic):
        admin = self._admin()
        for future in admin.delete_topics([topic]).values():
            future.result(30)

    def topics(self):
        return set(self._admin().list_topics(timeout=10).topics)

    def reader(self, topic):
        return Reader(",".join(self.urls), topic)


class KafkaCluster(Kafka):
    """Three nodes, and topics of three replicas. This object is the first node: kill() and pause() meet that one, and the
    other two go on; node() is any."""

    name = "kafka_cluster"
    nodes = 3

    def __init__(self, folder, authority):
        super().__init__(folder, authority)
        self._others = [_Node(self.folder / f"node{number}", authority, number) for number in (2, 3)]

    def node(self, number):
        return self if number == 1 else self._others[number - 2]

    @property
    def urls(self):
        return [each.url for each in (self, *self._others)]

    def prepare(self):
        every = (self, *self._others)
        for each in every:
            each.reserve_ports()
        for each in every:
            each.format(",".join(one.voter for one in every))

    def launch(self):
        super().launch()
        for each in self._others:
            if each.process is None or not each.process.running():
                each.launch()

    def start(self):
        """All that do not run."""
        if self.process is not None and self.process.running():
            for each in self._others:
                if not each.process.running():
                    each.launch()
        super().start()
        self.wait_ready()
        return self

    def leader(self, topic, partition=0):
        """The number of its node."""
        return self._admin().list_topics(topic, timeout=10).topics[topic].partitions[partition].leader

    def end(self):
        for each in self._others:
            each.end()
        super().end()


class _Node(Kafka):
    nodes = 3

    def __init__(self, folder, authority, number):
        self.number = number
        super().__init__(folder, authority)


class Reader:
    """The records of a topic, from where the last take() ended. waiting() says how many there are."""

    def __init__(self, url, topic):
        self._consumer = client.Consumer({"bootstrap.servers": url, "group.id": f"tests-{uuid.uuid4()}",
                                          "enable.auto.commit": False, "log_level": 0,
                                          "fetch.message.max.bytes": 64 * 2**20, "receive.message.max.bytes": 128 * 2**20})
        found = self._consumer.list_topics(topic, timeout=20).topics[topic]
        self._places = {number: client.TopicPartition(topic, number, 0) for number in found.partitions}

    def waiting(self):
        return sum(self._consumer.get_watermark_offsets(each, timeout=20)[1] - each.offset for each in self._places.values())

    def take(self, count, seconds=60):
        """So many records, with value(), key(), partition() and headers()."""
        self._consumer.assign(list(self._places.values()))
        found = []

        def enough():
            for record in self._consumer.consume(min(500, count - len(found)), 0.2):
                assert record.error() is None, record.error()
                found.append(record)
                self._places[record.partition()].offset = record.offset() + 1
            return len(found) == count

        wait_until(enough, seconds, lambda: f"{count} records; there were {len(found)}")
        self._consumer.unassign()
        return found

    def close(self):
        self._consumer.close()


def headers_of(record):
    return {key: value.decode() for key, value in record.headers() or []}
