# SPDX-License-Identifier: Apache-2.0
"""nats-server with JetStream as a process of its own that a test can kill, and as much of NATS's protocol as the tests
need to make streams and to read them."""
import base64
import collections
import json
import shutil
import signal
import socket

from .brokers import CACHE, Unavailable
from .process import Process
from .wait import Timeout, free_ports, wait_until

SERVER = shutil.which("nats-server") or "/usr/sbin/nats-server"  # Debian 12's is 2.9
NEW_SERVER = CACHE / "nats-server-2.15.3/nats-server"

Message = collections.namedtuple("Message", "subject headers body")


class Nats:
    """One connection, for one thread: requests, and publishing without JetStream."""

    def __init__(self, port, login, timeout):
        self._socket = socket.create_connection(("127.0.0.1", port), timeout)
        self._file = self._socket.makefile("rb")
        self.info = json.loads(self._file.readline().split(b" ", 1)[1])
        options = {"verbose": False, "pedantic": False, "headers": True, "no_responders": True,
                   **(login(self.info["nonce"]) if callable(login) else login)}
        self._send(b"CONNECT " + json.dumps(options).encode() + b"\r\nSUB _INBOX.test.* 1\r\nPING\r\n")
        line = self._file.readline()
        if line != b"PONG\r\n":
            raise ConnectionError(line.decode())
        self._number = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._file.close()
        self._socket.close()

    def _send(self, data):
        self._socket.sendall(data)

    def ask(self, subject, bodies):
        """The answers to requests that are sent together, in the order of `bodies`."""
        first = self._number
        self._number += len(bodies)
        self._send(b"".join(b"PUB %s _INBOX.test.%d %d\r\n%s\r\n" % (subject.encode(), first + i, len(body), body)
                            for i, body in enumerate(bodies)))
        answers = {}
        while len(answers) < len(bodies):
            token, body = self._message()
            answers[int(token) - first] = body
        return [answers[i] for i in range(len(bodies))]

    def _message(self):
        while True:
            words = self._file.readline().split()
            if not words:
                raise ConnectionError("the server ended the connection")
            if words[0] == b"PING":
                self._send(b"PONG\r\n")
            elif words[0] == b"-ERR":
                raise ConnectionError(b" ".join(words).decode())
            elif words[0] in (b"MSG", b"HMSG"):
                data = self._file.read(int(words[-1]) + 2)[:-2]
                head = int(words[-2]) if words[0] == b"HMSG" else 0
                return words[1].rsplit(b".", 1)[1], data[head:]

    def request(self, subject, /, **body):
        (answer,) = self.ask(subject, [json.dumps(body).encode() if body else b""])
        if not answer:
            raise ConnectionError(f"no responders: {subject}")
        return json.loads(answer)

    def api(self, name, /, **body):
        """Of JetStream; raises what the server refuses."""
        answer = self.request(f"$JS.API.{name}", **body)
        if "error" in answer:
            raise LookupError(answer["error"])
        return answer

    def make(self, stream, /, subjects=None, **config):
        return self.api(f"STREAM.CREATE.{stream}", **{
            "name": stream, "subjects": subjects or [stream], "storage": "file", "retention": "limits",
            "discard": "new", "num_replicas": 1, **config})

    def change(self, stream, /, **config):
        present = self.api(f"STREAM.INFO.{stream}")["config"]
        return self.api(f"STREAM.UPDATE.{stream}", **{**present, **config})

    def delete(self, stream):
        try:
            self.api(f"STREAM.DELETE.{stream}")
        except LookupError:
            pass

    def purge(self, stream):
        self.api(f"STREAM.PURGE.{stream}")

    def state(self, stream):
        return self.api(f"STREAM.INFO.{stream}")["state"]

    def messages(self, stream):
        """All that it holds, first come, first."""
        state = self.state(stream)
        if not state["messages"]:
            return []
        numbers = range(state["first_seq"], state["last_seq"] + 1)
        found = []
        for begin in range(0, len(numbers), 200):
            for answer in self.ask(f"$JS.API.STREAM.MSG.GET.{stream}",
                                   [b'{"seq":%d}' % number for number in numbers[begin:begin + 200]]):
                message = json.loads(answer).get("message")
                if message is not None:
                    found.append(Message(message["subject"], _headers(base64.b64decode(message.get("hdrs", ""))),
                                         base64.b64decode(message.get("data", ""))))
        return found


def _headers(text):
    lines = text.decode().split("\r\n")[1:]
    return dict(line.split(": ", 1) for line in lines if line)


class NatsServer:
    """start(), kill(), pause() at will; it keeps its port and its streams. `config`: lines of its configuration.
    `login`: members of CONNECT, or a function that makes them of the server's nonce. `synced`: by the newer server, which
    syncs each message before it acknowledges it; the older one cannot."""

    start_seconds = 60

    def __init__(self, folder, config="", login=None, max_payload="32MB", synced=False):
        self._program = NEW_SERVER if synced else SERVER
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        (self.port,) = free_ports(1)
        self.login = login or {}
        self.log = folder / "nats-server.log"
        self.process = None
        self._file = folder / "nats-server.conf"
        self._file.write_text(f'listen: "127.0.0.1:{self.port}"\nmax_payload: {max_payload}\n'
                              f'jetstream {{ store_dir: "{folder}/store"{", sync_interval: always" * synced} }}\n{config}\n')

    @property
    def url(self):
        return f"nats://127.0.0.1:{self.port}"

    @property
    def host(self):
        return "127.0.0.1"

    def client(self, timeout=20):
        return Nats(self.port, self.login, timeout)

    def launch(self):
        if self._program == NEW_SERVER and not NEW_SERVER.exists():
            raise Unavailable(f"no {NEW_SERVER}: run contrib/dev brokers get all, where Go is installed")
        if not (self.process and self.process.running()):
            self.process = Process([self._program, "-c", self._file], self.log, cwd=self.folder)

    def start(self):
        self.launch()
        return self.wait_ready()

    def wait_ready(self):
        wait_until(self._answers, self.start_seconds, lambda: f"nats-server to answer:\n{self.process.tail()}")
        return self

    def _answers(self):
        if not self.process.running():
            raise Timeout(f"nats-server ended with {self.process.returncode}:\n{self.process.tail()}")
        if "Server is ready" not in self.log.read_text():
            return False
        try:
            with self.client() as client:
                client.api("INFO")
            return True
        except (OSError, LookupError):
            return False

    def kill(self):
        self.process.kill()

    def pause(self):
        self.process.signal(signal.SIGSTOP)

    def resume(self):
        if self.process:
            self.process.signal(signal.SIGCONT)

    def end(self):
        if self.process:
            self.resume()
            self.process.kill()


class NatsCluster:
    """Three servers that sync each message. start() starts those that do not run, and waits for all."""

    name = "nats_cluster"

    def __init__(self, folder, _authority=None):
        ports = free_ports(3)
        routes = ", ".join(f'"nats://127.0.0.1:{port}"' for port in ports)
        self.nodes = {f"node{number}": NatsServer(
            folder / f"node{number}", f'server_name: node{number}\n'
            f'cluster {{ name: test, listen: "127.0.0.1:{port}", routes: [{routes}] }}', synced=True)
            for number, port in enumerate(ports)}

    @property
    def urls(self):
        return [each.url for each in self.nodes.values()]

    def client(self, timeout=20):
        return next(each for each in self.nodes.values() if each.process.running()).client(timeout)

    def start(self):
        for each in self.nodes.values():
            each.launch()
        for each in self.nodes.values():  # none answers before two have found each other
            each.wait_ready()
        return self

    def make(self, stream):
        with self.client() as client:
            client.make(stream, num_replicas=len(self.nodes))

    def leader(self, stream):
        """The name of its node. While the servers elect one, no question is answered."""
        def ask():
            try:
                with self.client(timeout=2) as client:
                    return client.api(f"STREAM.INFO.{stream}")["cluster"].get("leader")
            except (OSError, LookupError):
                return None
        return wait_until(ask, 60, f"a leader of {stream}")

    def resume(self):
        pass

    def end(self):
        for each in self.nodes.values():
            each.end()
