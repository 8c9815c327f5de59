# SPDX-License-Identifier: Apache-2.0
"""An HTTP server that stores messages, as a process of its own that a test can kill: Receiver starts it, and this module
run as a program is it. A message is a file, named by its Idempotency-Key and synced before the 200: one that comes
again replaces itself. FOLDER/arrivals has a line for each that was stored, so that those that came twice can be
counted. FOLDER/control.json says how it answers: {"status", "headers", "body", "token", "capacity",
"pause"}; the last is the seconds between the store and the answer."""
import collections
import http.server
import json
import os
import pathlib
import signal
import ssl
import sys
import time
import urllib.parse

from .process import Process
from .wait import free_ports, wait_until

TESTS = pathlib.Path(__file__).parents[1]

Message = collections.namedtuple("Message", "path headers body file")


class Receiver:
    """start() and kill() at will; it keeps its port and what it has stored."""

    def __init__(self, folder, certificate=None, client_ca=None):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.port,) = free_ports(1)
        self._tls = [str(each) for each in (*certificate, client_ca or "")] if certificate else []
        self.url = f"{'https' if certificate else 'http'}://127.0.0.1:{self.port}"
        self.process = None
        self.control()
        self.start()

    def start(self):
        if self.process and self.process.running():
            return
        ready = self.folder / "ready"
        ready.unlink(missing_ok=True)
        self.process = Process([sys.executable, "-m", __name__, self.folder, self.port, *self._tls],
                               self.folder / "output", cwd=TESTS)
        wait_until(ready.exists, 20, lambda: f"the receiver to listen:\n{self.process.tail()}")

    def kill(self):
        self.process.kill()

    def end(self):
        self.process.signal(signal.SIGCONT)
        self.process.kill()

    def control(self, **how):
        _write(self.folder / "control.json", json.dumps(how).encode())

    def messages(self, path="/mail"):
        folder = self.folder / "stored" / urllib.parse.quote(path, safe="")
        return [_read(file) for file in sorted(folder.glob("*.message"))] if folder.exists() else []

    def count(self, path="/mail"):
        return len(list((self.folder / "stored" / urllib.parse.quote(path, safe="")).glob("*.message")))

    def wait(self, count, path="/mail", seconds=30):
        wait_until(lambda: self.count(path) >= count, seconds, lambda: f"{count} messages; there are {self.count(path)}")
        return self.messages(path)

    def arrivals(self):
        """key -> how often it was stored."""
        file = self.folder / "arrivals"
        return collections.Counter(file.read_text().split() if file.exists() else [])


def _read(file):
    head, _, body = file.read_bytes().partition(b"\n")
    record = json.loads(head)
    return Message(record["path"], record["headers"], body, file)


def _write(file, data):
    part = file.with_name(file.name + f".{os.getpid()}.{id(data)}")
    with open(part, "wb") as out:
        out.write(data)
        out.flush()
        os.fsync(out.fileno())
    os.replace(part, file)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self):
        length = int(self.headers["Content-Length"])
        body = self.rfile.read(length)
        if len(body) < length:  # the client is gone
            self.close_connection = True
            return
        how = json.loads((self.server.folder / "control.json").read_bytes())
        if "token" in how and self.headers["Authorization"] != f"Bearer {how['token']}":
            return self.give(401)
        if how.get("status", 200) // 100 == 2 and not self.store(body, how.get("capacity")):
            return self.give(507)
        time.sleep(how.get("pause", 0))
        self.give(how.get("status", 200), how.get("headers", {}), how.get("body", "").encode())

    def store(self, body, capacity):
        folder = self.server.folder / "stored" / urllib.parse.quote(self.path, safe="")
        folder.mkdir(parents=True, exist_ok=True)
        if capacity is not None and len(list(folder.glob("*.message"))) >= capacity:
            return False
        head = {"path": self.path, "headers": {name.lower(): value for name, value in self.headers.items()}}
        key = self.headers["Idempotency-Key"]
        _write(folder / f"{key}.message", json.dumps(head).encode() + b"\n" + body)
        descriptor = os.open(folder, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)
        with open(self.server.folder / "arrivals", "a") as arrivals:
            arrivals.write(key + "\n")
        return True

    def give(self, status, headers=(), body=b""):
        self.send_response(status)
        for name, value in dict(headers).items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_):  # the other side is gone
        pass


def main(folder, port, certificate=None, key=None, client_ca=None):
    server = Server(("127.0.0.1", int(port)), Handler)
    server.folder = pathlib.Path(folder)
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        if client_ca:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(client_ca)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    (server.folder / "ready").touch()
    server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
