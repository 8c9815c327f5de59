# SPDX-License-Identifier: Apache-2.0
"""The admin server of a daemon under test, by its Unix socket and by HTTP."""
import http.client
import json
import socket

from . import sockets
from .wait import wait_until


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=20)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.text = response.read().decode()

    def json(self):
        return json.loads(self.text)


class Admin:
    """admin.configuration() is to be laid over the daemon's; http() needs the daemon to have started."""

    def __init__(self, **keys):
        self.socket = sockets.folder() / "admin.sock"
        self.host, self.port = "127.0.0.1", None
        self.keys = {"socket": str(self.socket), "http": "127.0.0.1:0", **keys}

    def configuration(self):
        return {"admin": self.keys}

    def attach(self, server):
        line = server.wait_log("admin_listening")
        self.port = int(line["http"].rsplit(":", 1)[1])
        return self

    def get(self, path, method="GET", headers=None, local=False):
        connection = UnixConnection(self.socket) if local else \
            http.client.HTTPConnection(self.host, self.port, timeout=20)
        try:
            connection.request(method, path, headers=headers or {})
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def status(self):
        return self.get("/status").json()

    def metrics(self):
        """By a parser that is Prometheus's own: {(sample, labels): value}, and the families."""
        from prometheus_client.parser import text_string_to_metric_families
        families = list(text_string_to_metric_families(self.get("/metrics").text))
        samples = {(s.name, tuple(sorted(s.labels.items()))): s.value
                   for family in families for s in family.samples}
        return samples, families

    def value(self, name, **labels):
        return self.metrics()[0].get((name, tuple(sorted(labels.items()))))

    def wait_ready(self, ready=True, path="/readyz", seconds=20):
        return wait_until(lambda: (self.get(path).status == 200) == ready, seconds,
                          lambda: f"{path} to say {ready}: {self.get(path).text}")
