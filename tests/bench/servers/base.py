# SPDX-License-Identifier: Apache-2.0
"""A server under measurement: started for each measurement anew, in a folder of its own."""
import os
import pathlib
import shutil
import socket
import ssl

import proc
from support.process import Process
from support.wait import free_ports, wait_until


class Unavailable(Exception):
    """The server cannot be measured here, or not in this way; says why."""


class Server:
    """Order of calls: start(); then address, pids() and the measurements; stop().

    A subclass sets name and what, and gives argv() and, where it needs files, prepare()."""
    name = ""
    what = ""          # what it does with a message, for the table
    tls = False        # from the first octet
    durable = False    # its 250 means fsynced; then it has stored(), how many messages it holds
    host = "127.0.0.1"

    def __init__(self, folder, options):
        self.folder = pathlib.Path(folder) / self.name
        self.options = options
        self.process = None
        self.connections = 0
        self.preload = getattr(options, "preload", None)  # preload.Preload

    def argv(self):
        raise NotImplementedError

    def environment(self):
        return dict(os.environ)

    def prepare(self):
        """Writes its configuration into self.folder, which is new."""

    def start(self, connections=30):
        self.connections = connections
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self.port = free_ports(1)[0]
        self.prepare()
        self.process = Process(self.options.pinned("server") + self.argv(),
                               self.folder / "output.txt", env={**self.environment(), **self.preloaded()},
                               cwd=self.folder)
        wait_until(self._answers, 30, lambda: f"{self.name} to answer; its output:\n{self.process.tail()}")
        return self

    def preloaded(self):
        """The variables of what is preloaded into it."""
        return self.preload.environment if self.preload else {}

    def _connect(self):
        client = socket.create_connection((self.host, self.port), timeout=10)
        return ssl._create_unverified_context().wrap_socket(client) if self.tls else client

    def _answers(self):
        if not self.process.running():
            raise Unavailable(f"{self.name} ended: {self.process.tail(5)}")
        try:
            with self._connect() as client:
                banner = client.recv(100)
                client.sendall(b"QUIT\r\n")
                return banner.startswith(b"220")
        except OSError:
            return False

    @property
    def address(self):
        return f"{self.host}:{self.port}"

    def pids(self):
        return proc.family(self.process.pid)

    def stop(self):
        self.process.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def program(path, reason):
    """The path of a program, or Unavailable."""
    if not pathlib.Path(path).exists():
        raise Unavailable(reason)
    return path
