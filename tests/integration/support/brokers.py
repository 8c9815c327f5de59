# SPDX-License-Identifier: Apache-2.0
"""The message brokers of the integration tests: their common interface.

A broker is made with a folder of its own, listens on free ports of the loopback interface, and keeps
its data in that folder across start() and kill(). Order of calls: start(); then stop(), kill(),
pause(), resume() and start() again at will; end() at the end.
"""
import os
import pathlib
import signal

from . import amqp
from .process import Process
from .wait import Timeout, free_ports, wait_until

CACHE = pathlib.Path(os.environ.get("LSMTPD_CACHE") or pathlib.Path(
    os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "lsmtpd")


class Unavailable(Exception):
    """The broker cannot be had on this machine; the text says why."""


class Broker:
    name = ""
    user, password = "lsmtpd", "broker-secret"
    host = "127.0.0.1"
    virtual_host = None        # Open.hostname, where the broker wants a certain one
    detects_duplicates = False
    start_seconds = 90
    as_root = False

    def __init__(self, folder, authority):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.log = self.folder / f"{self.name}.log"
        self.authority = authority
        self.certificate, self.key, self.store = authority.issue("broker", "localhost")
        self.process = None
        self._ports = []

    # Each broker defines these.
    def prepare(self):
        """Writes the configuration, once."""

    def command(self):
        """Returns (argv, environment)."""
        raise NotImplementedError

    def target(self, queue):
        """The AMQP address to send to a queue."""
        return queue

    def source(self, queue):
        """The AMQP address to receive from a queue."""
        return self.target(queue)

    def create_queue(self, queue, **arguments):
        """Makes a durable queue; arguments are the broker's own."""
        raise NotImplementedError

    def depth(self, queue):
        """How many messages the queue holds; 0 when there is no such queue."""
        raise NotImplementedError

    def purge(self, queue):
        raise NotImplementedError

    # The same for all.
    def reserve(self, *names):
        """Sets each named attribute to a free port."""
        for name, port in zip(names, free_ports(len(names))):
            setattr(self, name, port)

    @property
    def url(self):
        return f"amqp://{self.host}:{self.port}"

    @property
    def urls(self):
        """All of a cluster's."""
        return [self.url]

    @property
    def tls_url(self):
        return f"amqps://localhost:{self.tls_port}"

    @property
    def external_url(self):
        """Where a client certificate of the authority, with our user as its common name, is a login."""
        return self.tls_url

    def start(self):
        """Starts it, or starts it again on the same data, and waits until it answers."""
        if self.process is None:
            self.prepare()
        elif self.process.running():
            return self
        self.launch()
        self.wait_ready()
        return self

    def launch(self):
        """Starts it without waiting."""
        argv, environment = self.command()
        self.process = Process(argv, self.log, env={**os.environ, **environment}, cwd=self.folder,
                               as_root=self.as_root)

    def wait_ready(self, seconds=None):
        def ready():
            if not self.process.running():
                raise Timeout(f"{self.name} ended with {self.process.returncode}; {self.log}:\n"
                              f"{self.process.tail()}")
            return self.ready()

        wait_until(ready, seconds or self.start_seconds,
                   lambda: f"{self.name} to answer; {self.log}:\n{self.process.tail()}", every=0.2)

    def ready(self):
        return amqp.answers(self)

    def stop(self):
        self.process.stop(60)

    def kill(self):
        """kill -9."""
        self.process.kill()

    def pause(self):
        self.process.signal_group(signal.SIGSTOP)

    def resume(self):
        self.process.signal_group(signal.SIGCONT)

    def end(self):
        if self.process is not None:
            self.resume()
            self.kill()

    # Shorthands for tests.
    def publish(self, queue, *bodies, **properties):
        amqp.publish(self, queue, *bodies, **properties)

    def receive(self, queue, count=None, seconds=30, **options):
        return amqp.receive(self, queue, count, seconds, **options)
