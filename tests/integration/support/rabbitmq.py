# SPDX-License-Identifier: Apache-2.0
"""RabbitMQ 3.10 (Debian 12's, with the AMQP 1.0 plugin) and RabbitMQ 4.0 (Debian 13's)."""
import os
import shutil
import subprocess
import time
import urllib.error
import urllib.parse

from .brokers import CACHE, Broker, Unavailable
from .http import request
from .process import Process, sudo
from .wait import wait_until

CONFIGURATION = """\
listeners.tcp.1 = {host}:{port}
listeners.ssl.1 = {host}:{tls_port}
ssl_options.cacertfile = {ca}
ssl_options.certfile = {certificate}
ssl_options.keyfile = {key}
ssl_options.verify = verify_peer
ssl_options.fail_if_no_peer_cert = false
auth_mechanisms.1 = PLAIN
auth_mechanisms.2 = AMQPLAIN
auth_mechanisms.3 = EXTERNAL
ssl_cert_login_from = common_name
management.tcp.ip = {host}
management.tcp.port = {http_port}
default_user = {user}
default_pass = {password}
default_permissions.configure = .*
default_permissions.read = .*
default_permissions.write = .*
disk_free_limit.absolute = 50MB
log.console = true
log.console.level = info
log.file = false
vm_memory_high_watermark.absolute = 2GB
"""

# Seconds. Erlang's disk_log writes behind by two.
DECLARED_AFTER = 3


class _RabbitMq(Broker):
    plugins = "rabbitmq_management"

    def prepare(self):
        self.find()
        self.reserve("port", "tls_port", "http_port", "dist_port", "epmd_port")
        for part in (self.ca, self.certificate, self.key):
            shutil.copy(part, self.folder)
        self.inside("home").mkdir()
        values = {**vars(self), "host": self.host, "user": self.user, "password": self.password,
                  "ca": self.seen("ca.pem"), "certificate": self.seen(self.certificate.name),
                  "key": self.seen(self.key.name)}
        self.inside("rabbitmq.conf").write_text(CONFIGURATION.format(**values))
        self.inside("plugins").write_text(f"[{self.plugins}].\n")
        self.inside("env.conf").write_text("")

    @property
    def ca(self):
        return self.authority.ca

    def inside(self, name):
        return self.folder / name

    def seen(self, name):
        """The path of a file in our folder, as the broker sees it."""
        return self.folder / name

    def environment(self):
        return {"HOME": str(self.seen("home")),
                "RABBITMQ_CONFIG_FILE": str(self.seen("rabbitmq.conf")),
                "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.seen("plugins")),
                "RABBITMQ_CONF_ENV_FILE": str(self.seen("env.conf")),
                "RABBITMQ_MNESIA_BASE": str(self.seen("mnesia")),
                "RABBITMQ_LOG_BASE": str(self.seen("log")),
                "RABBITMQ_GENERATED_CONFIG_DIR": str(self.seen("generated")),
                "RABBITMQ_PID_FILE": str(self.seen("pid")),
                "RABBITMQ_NODENAME": f"lsmtpd{self.dist_port}@localhost",
                "RABBITMQ_DIST_PORT": str(self.dist_port),
                "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
                "ERL_EPMD_PORT": str(self.epmd_port),
                "ERL_EPMD_ADDRESS": self.host}

    def launch(self):
        # A name server for Erlang that the test ends: the one that RabbitMQ would start stays as a daemon.
        if self._epmd is None:
            self._epmd = Process(["epmd", "-address", self.host, "-port", str(self.epmd_port)],
                                 self.folder / "epmd.log")
            names = ["epmd", "-port", str(self.epmd_port), "-names"]
            wait_until(lambda: os.spawnlp(os.P_WAIT, "sh", "sh", "-c",
                                          " ".join(names) + " >/dev/null 2>&1") == 0,
                       10, "epmd to answer")
        super().launch()

    _epmd = None

    def end(self):
        super().end()
        if self._epmd is not None:
            self._epmd.kill()

    def _rest(self, method, path, body=None, timeout=10):
        return request(method, f"http://{self.host}:{self.http_port}/api/{path}", body, self.user,
                       self.password, timeout)

    def ready(self):
        try:
            self._rest("GET", "overview")
        except (OSError, ValueError):
            return False
        return super().ready()

    @staticmethod
    def _queue(queue):
        return f"queues/%2F/{urllib.parse.quote(queue, safe='')}"

    default_arguments = {}

    def create_queue(self, queue, **arguments):
        self._rest("PUT", self._queue(queue),
                   {"durable": True, "arguments": {**self.default_arguments, **arguments}})
        self._declared = time.monotonic()

    def import_definitions(self, definitions):
        self._rest("POST", "definitions", definitions, timeout=60)

    def delete_queue(self, queue):
        try:
            self._rest("DELETE", self._queue(queue))
        except urllib.error.HTTPError as error:
            if error.code != 404:
                raise

    _declared = 0

    def kill(self):
        """kill -9, when the last queue is older than the time for which RabbitMQ keeps its declaration in memory:
        before that a kill loses the queue, and with it the messages that were accepted for it."""
        wait_until(lambda: time.monotonic() - self._declared > DECLARED_AFTER, 2 * DECLARED_AFTER,
                   "the queues to be on disk")
        super().kill()

    def depth(self, queue):
        # Those of a classic queue are counted when asked. A quorum queue's leader tells them every five seconds
        # (findings/rabbitmq-quorum-count-late.sh), as the statistics of each queue.
        queues = self._rest("GET", "queues/%2F?disable_stats=true&enable_queue_totals=true")
        return next((each.get("messages", 0) for each in queues if each["name"] == queue), 0)

    def purge(self, queue):
        self._rest("DELETE", self._queue(queue) + "/contents")


class RabbitMq3(_RabbitMq):
    name = "rabbitmq3"
    plugins = "rabbitmq_amqp1_0,rabbitmq_management,rabbitmq_auth_mechanism_ssl"

    def find(self):
        self._script = CACHE / "rabbitmq3/usr/lib/rabbitmq/bin/rabbitmq-server"
        if not self._script.exists():
            raise Unavailable(f"no {self._script}: run contrib/dev brokers get")

    def command(self):
        return [self._script], self.environment()

    def target(self, queue):
        return f"/amq/queue/{queue}"


class RabbitMq4(_RabbitMq):
    """Runs in a Debian 13 system of its own; the mounts end with its mount namespace."""

    name = "rabbitmq4"
    as_root = True
    default_arguments = {"x-queue-type": "quorum"}  # classic ones accept before they sync
    plugins = "rabbitmq_management,rabbitmq_auth_mechanism_ssl"

    def find(self):
        self._tree = CACHE / "rabbitmq4"
        if not self._tree.is_dir():
            raise Unavailable(f"no RabbitMQ 4 in {self._tree}: run contrib/dev brokers get")
        if sudo() is None:
            raise Unavailable("RabbitMQ 4 runs in a chroot: that takes root, or sudo without a password")

    def seen(self, name):
        return f"/mnt/{name}"

    def command(self):
        script = ('mount --bind /proc "$1/proc" && mount --bind /dev "$1/dev" && '
                  'mount --bind "$2" "$1/mnt" && '
                  'exec chroot "$1" /usr/lib/rabbitmq/bin/rabbitmq-server')
        environment = [f"{name}={value}" for name, value in self.environment().items()]
        return (["unshare", "--mount", "--propagation", "private", "env", *environment, "sh", "-c",
                 script, "sh", self._tree, self.folder], {})

    def end(self):
        super().end()
        if sudo() and self.process is not None:  # so that the next run can clear it away
            subprocess.run([*sudo(), "chown", "-R", str(os.getuid()), self.folder], check=True)

    def target(self, queue):
        return f"/queues/{urllib.parse.quote(queue, safe='')}"


class RabbitMq4Cluster(RabbitMq4):
    """Three nodes; queues are quorum queues with a member on each. This object is the first node: kill() and pause()
    meet that one, and the other two go on."""

    name = "rabbitmq4_cluster"

    def __init__(self, folder, authority):
        super().__init__(folder, authority)
        self._others = [RabbitMq4(self.folder / f"node{number}", authority) for number in (2, 3)]

    @property
    def _nodes(self):
        return [self, *self._others]

    @property
    def urls(self):
        return [node.url for node in self._nodes]

    def prepare(self):
        for node in self._nodes:
            RabbitMq4.prepare(node)
        peers = "cluster_formation.peer_discovery_backend = classic_config\n" + "".join(
            f"cluster_formation.classic_config.nodes.{number} = lsmtpd{node.dist_port}@localhost\n"
            for number, node in enumerate(self._nodes, 1))
        for node in self._nodes:
            node.epmd_port = self.epmd_port
            with open(node.inside("rabbitmq.conf"), "a") as configuration:
                configuration.write(peers)
            cookie = node.inside("home") / ".erlang.cookie"
            cookie.write_text("LSMTPDTESTS")
            cookie.chmod(0o400)

    def launch(self):
        super().launch()
        for node in self._others:
            node._epmd = self._epmd
            if node.process is None or not node.process.running():
                node.launch()

    def ready(self):
        try:
            running = [node["name"] for node in self._rest("GET", "nodes") if node["running"]]
        except (OSError, ValueError):
            return False
        return len(running) == len(self._nodes) and all(RabbitMq4.ready(node) for node in self._nodes)

    def end(self):
        for node in self._others:
            node._epmd = None  # it is ours
            node.end()
        super().end()
