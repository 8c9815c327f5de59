# SPDX-License-Identifier: Apache-2.0
"""The sinks of the conformance suite (test_conformance.py): one class for each output, with what the suite does to a
sink, and SINKS, the table of all. What a sink cannot do stands in its `cannot`, with the reason."""
import re

import pytest

from . import amqp091, claims
from .receiver import Receiver
from .relay import Relay
from .spool import Spool
from .wait import wait_until


class Sink:
    """One target of one output, empty when a test begins. Order of calls: begin(); the daemon's configuration; then
    the rest at will; end()."""

    name = ""
    output = ""        # the plugin
    broker = None      # the fixture that it needs
    usual = True       # in the usual suite; the others with LSMTPD_LONG only
    ready = None       # the log says so once mail can go there
    denied = "broker not reached"   # the log says so where the secret is wrong,
    again = "the broker answers again"  # and so where it answers after hold()
    secret = None
    limit = None       # octets that it takes as one message, JSON or raw
    detects_duplicates = False
    cannot = {}        # what, and why

    def __init__(self, process, test, folder):
        self.process, self.folder = process, folder
        self.target = re.sub(r"\W+", "-", f"{self.name}-{test}")[:60].strip("-")
        self.other = self.target + "-other"

    def needs(self, ability):
        if ability in self.cannot:
            pytest.skip(f"{self.name}: {ability}: {self.cannot[ability]}")

    def configuration(self, fallback=True, deadline="20s", **changes):
        """For the daemon, with one lane; the fallback is its spool."""
        plugin = {"use": self.output, "deadline": deadline,
                  "options": {**self.options(self.target), **changes}}
        if fallback:
            plugin["fallback"] = "spool"
        return {"server": {"workers": 1}, "plugin": {"sink": plugin}, "chain": {"default": {"steps": ["sink"]}}}

    # Each sink defines these.
    def options(self, target):
        raise NotImplementedError

    def begin(self):
        """Makes both targets, empty."""

    def end(self):
        """Undoes what the test did to the sink."""

    def waiting(self, target=None):
        """How many messages it holds."""
        raise NotImplementedError

    def take(self, target, count):
        """[(id, content)] of so many messages, which are gone from the sink then."""
        raise NotImplementedError

    # The same for all.
    def read(self, count, target=None, seconds=60):
        """take(), once it holds exactly so many."""
        target = target or self.target
        wait_until(lambda: self.waiting(target) >= count, seconds,
                   lambda: f"{count} messages in {target}; there are {self.waiting(target)}")
        assert self.waiting(target) == count
        return self.take(target, count) if count else []

    # What `cannot` may have; the abilities "refuse" (for good) and "size" need no function.
    def wrong(self):
        """Options with a wrong secret, in which the right one stands."""
        return {"password": "wrong-" + self.secret}

    def move(self):
        """Options that a reload changes, and the targets that have messages then."""
        return self.options(self.other), [self.target, self.other]

    def cut(self):
        """Nobody reaches it until mend()."""
        raise NotImplementedError

    def hold(self):
        """It takes what comes and answers nothing, until release()."""
        raise NotImplementedError

    def under_way(self):
        """Something has come since hold()."""
        raise NotImplementedError

    def fill(self):
        """Makes the target one that takes few messages; returns the options that change."""
        raise NotImplementedError

    def kill(self):
        """kill -9, until start()."""
        raise NotImplementedError


class _Relayed(Sink):
    """Reached through a relay, so that cutting it off is quick and `process` serves other tests."""

    def cut(self):
        self.relay.cut()

    def mend(self):
        self.relay.mend()

    def hold(self):
        self.relay.held = 0
        self.relay.freeze()

    def release(self):
        self.relay.thaw()

    def under_way(self):
        return self.relay.held > 0

    def kill(self):
        self.process.kill()
        self.relay.cut()

    def start(self):
        self.process.start()
        self.relay.mend()


class _Rabbit(_Relayed):
    broker = "rabbitmq4"
    secret = "broker-secret"
    limit = 16 * 2**20

    def begin(self):
        self.relay = Relay(self.process.host, self.process.port)
        for target in (self.target, self.other):
            self.process.delete_queue(target)
            self.process.create_queue(target)

    def end(self):
        self.relay.close()
        self.process.start()
        for target in (self.target, self.other):
            self.process.delete_queue(target)

    def login(self):
        return {"urls": [self.relay.url], "username": self.process.user, "password": self.process.password,
                "reconnect_first": "100ms", "reconnect_last": "500ms", "format": "rfc822"}

    def waiting(self, target=None):
        return amqp091.depth(self.process, target or self.target)

    def fill(self):
        self.process.delete_queue(self.target)
        self.process.create_queue(self.target, **{"x-max-length": 3, "x-overflow": "reject-publish"})
        return {"allow_unsynced_target": True}


class Amqp(_Rabbit):
    name, output, ready = "amqp", "output_amqp", "attached to the target"

    def options(self, target):
        return {**self.login(), "address": self.address(target)}

    def address(self, target):
        return self.process.target(target)

    def take(self, target, count):
        return [(str(message.id), bytes(message.body)) for message in self.process.receive(target, count, 60)]


class AmqpRabbit3(Amqp):
    name, broker, usual = "amqp-rabbitmq3", "rabbitmq3", False
    limit = None
    cannot = {"refuse": "RabbitMQ 3 announces no limit of AMQP 1.0, and stores what no target takes",
              "size": "it announces none",
              "fill": "a full queue crashes the session there, without an outcome"}

    def address(self, target):
        return f"/queue/{target}"


class Amqp091(_Rabbit):
    name, output, ready = "amqp091", "output_amqp091", "ready to publish"

    def options(self, target):
        return {**self.login(), "routing_key": target}

    def take(self, target, count):
        return [(properties.message_id, body) for properties, body in amqp091.receive(self.process, target, count)]


class Amqp091Claims(Amqp091):
    """With claim_check: nearly all bodies are stored apart, and deleted by the consumer."""

    name, limit = "amqp091-claims", None
    cannot = {"refuse": "bodies are stored apart at any size, and nothing else is refused",
              "size": "bodies are stored apart at any size"}

    def options(self, target):
        directory = self.folder / "claims"
        directory.mkdir(exist_ok=True)
        return {**super().options(target), "claim_check": {"above": "4KiB", "directory": str(directory)}}

    def begin(self):
        super().begin()
        self.taken = {}

    def take(self, target, count):
        return [(identity, self.whole(body)) for identity, body in super().take(target, count)]

    def whole(self, body):
        """A resend finds no body: the consumer knows what it took."""
        claim = claims.claim_of(body)
        if claim is None:
            return body
        if claim["location"] not in self.taken:
            self.taken[claim["location"]] = claims.take(claim)
        return self.taken[claim["location"]]


class Amqp091Rabbit3(Amqp091):
    name, broker, usual = "amqp091-rabbitmq3", "rabbitmq3", False


class JsonSpool(Sink):
    name, output = "json_spool", "output_json_spool"
    cannot = {"refuse": "files hold any content of any size",
              "size": "files hold any content of any size",
              "cut": "a directory cannot be out of reach and come back",
              "hold": "an fsync is not held by a test; test_faults.py has disks that fail",
              "kill": "it has no process; test_kill.py kills the daemon",
              "secret": "it needs none"}

    def options(self, target):
        return {"directory": str(self.folder / target)}

    def _spool(self, target):
        return Spool(self.folder / target, daemon_runs=lambda: True)

    def waiting(self, target=None):
        return len(self._spool(target or self.target))

    def take(self, target, count):
        messages = self._spool(target).messages()[:count]
        for each in messages:
            each.path.unlink()
        return [(each.json["message_id"], each.content) for each in messages]

    def fill(self):
        return {"max_bytes": "4KiB"}

    def move(self):  # its directory cannot change while the daemon runs
        return {"extra": False}, [self.target]


class Http(_Relayed):
    """A server of the test's own, which tells resends by their Idempotency-Key; through a relay, as the brokers."""

    name, output = "http", "output_http"
    denied = "the server does not take the requests: look at url, token and server"
    again = "the server answers again"
    secret = "token-of-the-server"
    limit = 16 * 2**20
    detects_duplicates = True

    def begin(self):
        self.process = Receiver(self.folder / "receiver")
        self.process.control(token=self.secret)
        self.relay = Relay("127.0.0.1", self.process.port)

    def end(self):
        self.relay.close()
        self.process.end()

    def options(self, target):
        return {"url": f"{self.relay.url.replace('amqp', 'http')}/{target}", "token_file": self.token("token", self.secret),
                "format": "raw", "max_message": "16MiB", "reconnect_first": "100ms", "reconnect_last": "500ms"}

    def token(self, name, text):
        file = self.folder / name
        file.write_text(text + "\n")
        file.chmod(0o600)
        return str(file)

    def wrong(self):
        return {"token_file": self.token("wrong", "wrong-" + self.secret)}

    def waiting(self, target=None):
        return self.process.count(f"/{target or self.target}")

    def take(self, target, count):
        found = self.process.messages(f"/{target}")[:count]
        for each in found:
            each.file.unlink()
        return [(each.headers["lsmtpd-id"], each.body) for each in found]

    def fill(self):
        self.process.control(token=self.secret, capacity=3)
        return {}


class Kafka(_Relayed):
    """Topics of their own for each test, through a relay that the node names as its address."""

    name, output, broker, ready = "kafka", "output_kafka", "kafka", "ready to publish"
    secret = "broker-secret"
    limit = 16 * 2**20
    cannot = {"fill": "a topic takes all that comes, and removes what is too old"}

    def begin(self):
        self.relay = Relay(self.process.host, self.process.login_port, self.process.relay_port)
        self.readers = {}
        for target in (self.target, self.other):
            self.process.create_topic(target, max_message_bytes=self.limit)
            self.readers[target] = self.process.reader(target)

    def end(self):
        self.relay.close()
        self.process.start()
        for target, reader in self.readers.items():
            reader.close()
            self.process.delete_topic(target)

    def configuration(self, fallback=True, deadline="8s", **changes):
        # A message that is on its way when the node goes waits for it until its deadline.
        return super().configuration(fallback, deadline, **changes)

    def options(self, target):
        return {"brokers": ["{}:{}".format(*self.relay.address)], "topic": target, "format": "raw",
                "username": self.process.user, "password": self.process.password, "allow_lossy_target": True,
                "reconnect_first": "100ms", "reconnect_last": "500ms"}

    def waiting(self, target=None):
        return self.readers[target or self.target].waiting()

    def take(self, target, count):
        return [(dict(record.headers())["message_id"].decode(), record.value()) for record in self.readers[target].take(count)]


class NatsStream(_Relayed):
    """A stream of a server that all tests share; through a relay, as the brokers."""

    name, output, broker, ready = "nats", "output_nats", "nats", "ready to publish"
    secret = "broker-secret"
    limit = 16 * 2**20
    detects_duplicates = True

    def begin(self):
        self.relay = Relay(self.process.host, self.process.port)
        self.targets(lambda client, target: client.make(target))

    def end(self):
        self.relay.close()
        self.process.start()
        self.targets(lambda client, target: None)

    def targets(self, work):
        with self.process.client() as client:
            for target in (self.target, self.other):
                client.delete(target)
                work(client, target)

    def options(self, target):
        return {"urls": [self.relay.url.replace("amqp", "nats")], "stream": target, "subject": target, "format": "raw",
                "username": "lsmtpd", "password": self.secret, "max_message": "16MiB", "allow_lossy_target": True,
                "reconnect_first": "100ms", "reconnect_last": "500ms"}

    def waiting(self, target=None):
        with self.process.client() as client:
            return client.state(target or self.target)["messages"]

    def take(self, target, count):
        with self.process.client() as client:
            found = client.messages(target)[:count]
            client.purge(target)
        return [(each.headers["lsmtpd_id"], each.body) for each in found]

    def fill(self):
        with self.process.client() as client:
            client.change(self.target, max_msgs=3)
        return {}


SINKS = [Amqp, Amqp091, Amqp091Claims, JsonSpool, Http, Kafka, NatsStream, AmqpRabbit3, Amqp091Rabbit3]
