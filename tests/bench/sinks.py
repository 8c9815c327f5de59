# SPDX-License-Identifier: Apache-2.0
"""What `bench outputs` sends into: each sink with its output's options and the bare sender of its protocol."""
from support import amqp091, proxies
from support.artemis import Artemis
from support.brokerj import BrokerJ
from support.kafka import Kafka
from support.nats import NatsServer
from support.rabbitmq import RabbitMq3, RabbitMq4
from support.wait import free_ports

TARGET = "bench"


class Sink:
    """Order of calls: start(), then what is wanted, then end(). kill() and start() again at will."""

    name = ""
    output = ""
    ready = ""     # the output's line in the log when it can publish
    sender = ""    # the program is SENDER_sender

    def start(self):
        self.process.start()

    def kill(self):
        self.process.kill()

    def end(self):
        self.process.end()

    def pause(self):
        """Connections are opened by the kernel, and nobody answers, until resume()."""
        self.process.pause()

    def resume(self):
        self.process.resume()

    def options(self, arguments):
        raise NotImplementedError

    def configuration(self, arguments):
        """The daemon's, for an output into this sink with the spool as its fallback."""
        return {"plugin": {"sink": {"use": self.output, "deadline": "30s", "fallback": "spool", "options": {
                    "reconnect_last": "1s", **self.options(arguments)}}},
                "chain": {"default": {"steps": ["sink"]}}}

    def sender_arguments(self):
        """URL and TARGET of the bare sender."""
        raise NotImplementedError

    def login(self):
        """USER and PASSWORD of the bare sender."""
        return ()

    def depth(self):
        """How many messages it holds; None: it cannot say."""
        return None

    def purge(self):
        pass


class Amqp(Sink):
    output, ready, sender = "output_amqp", "attached to the target", "amqp"

    def __init__(self, kind, folder, authority):
        self.name = kind.name
        self.process = kind(folder, authority)

    def start(self):
        first = self.process.process is None
        self.process.start()
        if first:
            self.process.create_queue(TARGET)

    def options(self, arguments):
        return {**self.broker_options(arguments), "address": self.address()}

    def broker_options(self, arguments):
        return {"urls": [self.process.url], "username": self.process.user, "password": self.process.password,
                "format": "rfc822" if arguments.format == "raw" else "json"}

    def address(self):
        return f"/queue/{TARGET}" if self.process.name == "rabbitmq3" else self.process.target(TARGET)

    def sender_arguments(self):
        return f"{self.process.host}:{self.process.port}", self.address()

    def login(self):
        return self.process.user, self.process.password

    def depth(self):
        if self.process.name.startswith("rabbitmq"):  # whose API counts a quorum queue every five seconds
            return amqp091.depth(self.process, TARGET)
        return self.process.depth(TARGET)

    def purge(self):
        self.process.purge(TARGET)


class Amqp091(Amqp):
    output, ready, sender = "output_amqp091", "ready to publish", "amqp091"

    def __init__(self, kind, folder, authority):
        super().__init__(kind, folder, authority)
        self.name = f"{kind.name}-0-9-1"

    def options(self, arguments):
        return {**self.broker_options(arguments), "routing_key": TARGET}

    def address(self):
        return TARGET


class KafkaTopic(Sink):
    """One node, so without replicas: what a cluster adds is its own time."""

    output, ready, sender = "output_kafka", "ready to publish", "kafka"

    def __init__(self, folder, authority):
        self.name = "kafka"
        self.process = Kafka(folder, authority)

    def start(self):
        first = self.process.process is None
        self.process.start()
        if first:
            self.process.create_topic(TARGET)

    def options(self, arguments):
        return {"brokers": [self.process.url], "topic": TARGET, "allow_lossy_target": True, "format": arguments.format}

    def sender_arguments(self):
        return self.process.url, TARGET


class NatsStream(Sink):
    """One server: Debian's with its sync_interval of two minutes, or the newer one, which syncs each message."""

    output, ready, sender = "output_nats", "ready to publish", "nats"

    def __init__(self, folder, synced):
        self.name = "nats-synced" if synced else "nats"
        self.process = NatsServer(folder, synced=synced)

    def start(self):
        first = self.process.process is None
        self.process.start()
        if first:
            with self.process.client() as client:
                client.make(TARGET)

    def options(self, arguments):
        return {"urls": [self.process.url], "stream": TARGET, "subject": TARGET, "assume_synced": True,
                "format": arguments.format}

    def sender_arguments(self):
        return self.process.url, TARGET

    def depth(self):
        with self.process.client() as client:
            return client.state(TARGET)["messages"]

    def purge(self):
        with self.process.client() as client:
            client.purge(TARGET)


class HttpServer(Sink):
    """nginx with one process, which reads the body and answers 204 without storing anything."""

    name, output, sender = "http", "output_http", "http"

    def __init__(self, folder):
        self._folder = folder
        (self._port,) = free_ports(1)
        self.process = None

    def start(self):
        folder = self._folder
        self.process = proxies.nginx(folder, f"""
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  client_body_buffer_size 64k; client_max_body_size 32m; keepalive_requests 1000000;
  server {{ listen 127.0.0.1:{self._port}; location / {{ return 204; }} }}
}}
""", [self._port])
        self.process.__enter__()

    def end(self):
        if self.process:
            self.process.__exit__(None, None, None)

    def kill(self):
        self.end()

    def options(self, arguments):
        return {"url": f"http://127.0.0.1:{self._port}/{TARGET}", "connections": arguments.sessions, "format": arguments.format}

    def sender_arguments(self):
        return f"http://127.0.0.1:{self._port}/", TARGET


SINKS = {
    **{kind.name: lambda folder, authority, kind=kind: Amqp(kind, folder, authority)
       for kind in (Artemis, BrokerJ, RabbitMq3, RabbitMq4)},
    **{f"{kind.name}-0-9-1": lambda folder, authority, kind=kind: Amqp091(kind, folder, authority)
       for kind in (RabbitMq3, RabbitMq4)},
    "kafka": KafkaTopic,
    "nats": lambda folder, _: NatsStream(folder, synced=False),
    "nats-synced": lambda folder, _: NatsStream(folder, synced=True),
    "http": lambda folder, _: HttpServer(folder),
}
