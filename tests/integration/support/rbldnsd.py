# SPDX-License-Identifier: Apache-2.0
"""Debian's rbldnsd, the name server of block lists, on a port of 127.0.0.1."""
import os
import pathlib
import shutil
import socket
import struct
import tempfile

import pytest

from .process import Process
from .wait import free_ports, wait_until

PROGRAM = shutil.which("rbldnsd", path=os.environ["PATH"] + ":/usr/sbin")


def ask(port, name, kind=1, timeout=0.5):
    """The octets of an answer; None: there is none."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(timeout)
        asking.sendto(struct.pack(">HHHHHH", 1, 0x100, 1, 0, 0, 0) + labels + struct.pack(">BHH", 0, kind, 1),
                      ("127.0.0.1", port))
        try:
            return asking.recv(2000)
        except OSError:
            return None


class Rbldnsd:
    """zones: {zone: (type of rbldnsd, text of its data)}."""

    def __init__(self, log, zones):
        if not PROGRAM:
            pytest.skip("rbldnsd is not installed")
        # Not below pytest's folder, which other users cannot enter: it gives root up before it reads.
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="rbldnsd-"))
        self.folder.chmod(0o755)
        (self.port,) = free_ports(1)
        self.address = f"127.0.0.1:{self.port}"
        arguments = []
        for number, (zone, (kind, data)) in enumerate(zones.items()):
            (self.folder / f"zone{number}").write_text(data)
            arguments.append(f"{zone}:{kind}:zone{number}")
        self.process = Process([PROGRAM, "-n", "-c", "0", "-w", self.folder, "-b", f"127.0.0.1/{self.port}",
                                *(["-u", "nobody"] if os.geteuid() == 0 else []), *arguments], log)
        self.zone = next(iter(zones))
        wait_until(lambda: ask(self.port, "2.0.0.127." + self.zone), 10,
                   lambda: "rbldnsd to answer; its output:\n" + self.process.tail())

    def end(self):
        self.process.kill()
        shutil.rmtree(self.folder)
