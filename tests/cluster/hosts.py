# SPDX-License-Identifier: Apache-2.0
"""Hosts with addresses of their own on one network: each is a network namespace with a veth pair to a bridge. The bridge is in
a namespace that this process enters. None has a name, so all of it ends with the processes that use it, and the machine's
own network has no trace of it. Root only."""
import contextlib
import ctypes
import os
import subprocess
import threading

_libc = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNET = 0x40000000
PREFIX = "10.77.0"
NOBODY = "02:00:00:00:00:01"  # no interface has this address


def _run(*argv):
    done = subprocess.run([str(each) for each in argv], capture_output=True, text=True)
    if done.returncode:
        raise OSError(f"{' '.join(map(str, argv))}: {done.stderr.strip()}")


def _own_namespace():
    if _libc.unshare(_CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "unshare of the network")
    _run("ip", "link", "set", "lo", "up")


def _namespace():
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


class Host:
    """`with host.inside():` is on that host: sockets, threads and processes that begin there stay there."""

    def __init__(self, name, number):
        self.name, self.address = name, f"{PREFIX}.{number}"
        made = threading.Thread(target=self._make)
        made.start()
        made.join()
        port = f"port{number}"
        _run("ip", "link", "add", "name", port, "master", "hosts", "type", "veth", "peer", "name", "eth0", "netns",
             f"/proc/{os.getpid()}/fd/{self._namespace}")
        _run("ip", "link", "set", port, "up")
        self.run("ip", "address", "add", f"{self.address}/24", "dev", "eth0")
        self.run("ip", "link", "set", "eth0", "up")
        self._silent = set()

    def _make(self):
        _own_namespace()
        self._namespace = _namespace()

    @contextlib.contextmanager
    def inside(self):
        outside = _namespace()
        try:
            self._enter(self._namespace)
            yield self
        finally:
            self._enter(outside)
            os.close(outside)

    @staticmethod
    def _enter(namespace):
        if _libc.setns(namespace, _CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")

    def run(self, *argv):
        with self.inside():
            _run(*argv)

    def silence(self, other):
        """Packets to the other host reach nobody, and no error comes back."""
        self.run("ip", "neighbour", "replace", other.address, "lladdr", NOBODY, "dev", "eth0", "nud", "permanent")
        self._silent.add(other.address)

    def heal(self):
        while self._silent:
            self.run("ip", "neighbour", "delete", self._silent.pop(), "dev", "eth0")


class Network:
    """Made once, by the main thread before any other begins: it moves this process to the namespace with the bridge, where the
    tests ask each host as an operator does. part() is undone by heal()."""

    def __init__(self):
        _own_namespace()
        _run("ip", "link", "add", "name", "hosts", "type", "bridge")
        _run("ip", "address", "add", f"{PREFIX}.1/24", "dev", "hosts")
        _run("ip", "link", "set", "hosts", "up")
        self._hosts = {}

    def host(self, name, number):
        """The same one for the same name."""
        if name not in self._hosts:
            self._hosts[name] = Host(name, number)
        return self._hosts[name]

    def part(self, some, others):
        """No packet passes between these hosts and those, in either direction, without a word to anybody."""
        for one in some:
            for other in others:
                one.silence(other)
                other.silence(one)

    def heal(self):
        for each in self._hosts.values():
            each.heal()


_made = []


def network():
    """(network, None), or (None, why there can be none here)."""
    if not _made:
        try:
            if os.geteuid() != 0:
                raise OSError("only root can make network namespaces")
            _made.append((Network(), None))
        except OSError as error:
            _made.append((None, f"no hosts of the test's own: {error}"))
    return _made[0]
