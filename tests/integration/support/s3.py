# SPDX-License-Identifier: Apache-2.0
"""A server of S3 for the tests: versitygw, which keeps a bucket as a folder and its objects as files there, and checks
signatures and checksums."""
import shutil
import socket

from .brokers import CACHE
from .process import Process
from .wait import Timeout, free_ports, wait_until

VERSION = "1.8.0"
BINARY = CACHE / f"versitygw-{VERSION}" / "versitygw"


def program():
    """Its path, or None."""
    return BINARY if BINARY.exists() else shutil.which("versitygw")


class S3Server:
    """host:port; `bucket` is the folder of the bucket "mail". Order of calls: start(); then kill() and start() at will;
    end()."""

    access, secret = "access-of-tests", "secret-of-tests"

    def __init__(self, folder, certificate=None, key=None):
        self.folder = folder
        self.bucket = folder / "data" / "mail"
        self.bucket.mkdir(parents=True)
        self.port, = free_ports(1)
        self._tls = certificate
        self._argv = [program(), "--access", self.access, "--secret", self.secret, "--port", f"127.0.0.1:{self.port}",
                      *(["--cert", certificate, "--key", key] if certificate else []), "posix", folder / "data"]
        self._process = None
        for name, text in (("access", self.access), ("secret", self.secret), ("wrong", "wrong-" + self.secret)):
            (folder / name).write_text(text + "\n")
            (folder / name).chmod(0o600)

    @property
    def url(self):
        return f"{'https' if self._tls else 'http'}://localhost:{self.port}/mail"

    def options(self, **changes):
        return {"s3": self.url + "/large", "access_key_file": str(self.folder / "access"),
                "secret_key_file": str(self.folder / "secret"), **changes}

    def start(self):
        self._process = Process(self._argv, self.folder / "versitygw.log")
        wait_until(self._listens, 30, lambda: self._process.tail())
        return self

    def _listens(self):
        if not self._process.running():
            raise Timeout(f"versitygw ended:\n{self._process.tail()}")
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        except OSError:
            return False

    def kill(self):
        self._process.kill()

    def end(self):
        if self._process is not None:
            self._process.kill()

    def keys(self):
        """Those below the prefix that options() has. The server removes its folder with the last of them."""
        try:
            return sorted(path.name for path in (self.bucket / "large").iterdir() if path.is_file())
        except FileNotFoundError:
            return []

    def content(self, key):
        return (self.bucket / "large" / key).read_bytes()
