# SPDX-License-Identifier: Apache-2.0
"""Replicas of lsmtpd on hosts of their own, and the HAProxy in front of them with contrib/config/haproxy.cfg."""
import http.client
import json
import pathlib
import re
import socket

from hosts import PREFIX
from support import sockets
from support.admin import Admin
from support.daemon import Daemon
from support.matrix import pick
from support.process import Process
from support.proxies import program
from support.wait import wait_until

EXAMPLE = pathlib.Path(__file__).parents[2] / "contrib/config/haproxy.cfg"
BALANCER = 10
FIRST_REPLICA = 31  # the last part of its address


class Replica(Daemon):
    """A daemon on its host, which believes the balancer's PROXY headers."""

    def __init__(self, host, balancer, folder, changes):
        self.host, self.name = host, host.name
        self.quota = None  # of CPU, for a start that follows
        self.admin = Admin(http=f"{host.address}:9925", unready_after="2s")
        self.admin.host, self.admin.port = host.address, 9925
        super().__init__(folder, {
            # Three, so that a connection goes to each of three brokers where workers are spread over the urls.
            "server": {"hostname": f"{host.name}.test.example", "workers": 3, "state_directory": str(folder / "state")},
            "listener": [{"name": "mx", "address": f"{host.address}:25", "protocol": "smtp", "chain": "default",
                          "proxy_protocol_from": [f"{balancer.address}/32"]}],
            "log": {"level": "info"},
            # While the balancer notices that /readyz says no; the quick run restarts none.
            "timeouts": {"drain_delay": pick("0s", "4s")},
            **self.admin.configuration(), **changes})
        (folder / "state").mkdir(exist_ok=True)

    def launch(self):
        with self.host.inside():
            super().launch()
        if self.quota:
            self.quota.add(self.process.pid)

    def running(self):
        return self.process is not None and self.process.running()

    def readyz(self):
        """Its HTTP status; None where nobody answers."""
        try:
            return self.admin.get("/readyz").status
        except (OSError, http.client.HTTPException):
            return None

    def output_up(self):
        try:
            return self.admin.value("lsmtpd_output_up", plugin="broker")
        except (OSError, http.client.HTTPException):
            return None

    def wait_output(self, up, seconds=60):
        wait_until(lambda: self.output_up() == up, seconds,
                   lambda: f"{self.name}: output_up {up}; its log ends:\n{self._log_tail()}", 0.1)

    def said(self, message, **fields):
        """The lines of its whole log, also those before a restart."""
        lines = (json.loads(line) for line in self.log.read_text().split("\n")[:-1] if message in line)
        return [line for line in lines if line["message"] == message
                and all(line.get(key) == value for key, value in fields.items())]

    def ctl(self, *argv, check=0):
        return self.cli("ctl", *argv, "--config", self.config_file, check=check)


class Balancer:
    """kill() and start() at will."""

    def __init__(self, host, folder):
        self.host, self._folder, self._sockets = host, folder, sockets.folder()
        self.address = (host.address, 25)
        # The example's addresses are those of documentation; its replicas are ours by their last part.
        text = re.sub(r"\b192\.0\.2\.(\d+)", lambda found: f"{PREFIX}.{found[1]}", EXAMPLE.read_text())
        assert "/run/haproxy/admin.sock" in text
        self._config = folder / "haproxy.cfg"
        self._config.write_text(text.replace("/run/haproxy/admin.sock", f"{self._sockets}/admin.sock"))
        self.process = None

    def start(self):
        with self.host.inside():
            self.process = Process([program("haproxy"), "-db", "-f", self._config], self._folder / "haproxy.log")
        wait_until(self._accepts, 20, lambda: f"HAProxy to listen:\n{self.process.tail()}")

    def _accepts(self):
        assert self.process.running(), self.process.tail()
        with socket.socket() as probe:
            return probe.connect_ex(self.address) == 0 and (self._sockets / "admin.sock").exists()

    def kill(self):
        self.process.kill()

    def state(self, replica):
        """Of its server, by HAProxy's health checks: "UP" or "DOWN"."""
        with socket.socket(socket.AF_UNIX) as stats:
            stats.connect(f"{self._sockets}/admin.sock")
            stats.sendall(b"show stat\n")
            text = b"".join(iter(lambda: stats.recv(65536), b"")).decode()
        names, *rows = [line.split(",") for line in text.splitlines() if line]
        rows = [dict(zip(names, row)) for row in rows]
        return next(row["status"] for row in rows if row["svname"] == replica.name).split()[0]

    def wait_state(self, replica, state, seconds=20):
        wait_until(lambda: self.state(replica) == state, seconds,
                   lambda: f"{replica.name} to be {state} at the balancer; it is {self.state(replica)}", 0.1)
