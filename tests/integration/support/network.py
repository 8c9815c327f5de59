# SPDX-License-Identifier: Apache-2.0
"""A network between the daemon and a broker that can fall silent, lose one direction, or be slow: a
namespace with a veth pair, and a relay in it. Root only."""
import contextlib
import ctypes
import functools
import os
import selectors
import socket
import subprocess
import threading

_libc = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNET = 0x40000000


def run(*argv):
    subprocess.run([str(each) for each in argv], check=True, capture_output=True, text=True)


@functools.cache
def why_none():
    """Why there can be no Namespace here, or nothing."""
    if os.geteuid() != 0:
        return "only root can make a network namespace"
    try:
        Namespace().close()
    except (OSError, subprocess.CalledProcessError) as error:
        return f"no network namespace: {getattr(error, 'stderr', None) or error}"
    return None


class Namespace:
    """Order of calls: made; socket() in it; cut(), blackhole() or slow(), each undone by heal(); close().
    .address is its own, as seen from here."""

    def __init__(self):
        self.name = f"lsmtpd-{os.getpid()}"
        self._here, self._there = f"lsm{os.getpid()}h", f"lsm{os.getpid()}n"
        # 198.18.0.0/15 is for tests of networks (RFC 2544); each process has four addresses of it.
        base = os.getpid() % 16384 * 4
        self._near, self.address = (f"198.18.{base >> 8}.{(base & 255) + host}" for host in (1, 2))
        self._undo = []
        run("ip", "netns", "add", self.name)
        try:
            self._connect()
        except subprocess.CalledProcessError:
            self.close()
            raise

    def _connect(self):
        run("ip", "link", "add", "name", self._here, "type", "veth", "peer", "name", self._there, "netns", self.name)
        run("ip", "address", "add", f"{self._near}/30", "dev", self._here)
        run("ip", "link", "set", self._here, "up")
        self._inside("address", "add", f"{self.address}/30", "dev", self._there)
        self._inside("link", "set", self._there, "up")

    def _inside(self, *argv):
        run("ip", "-n", self.name, *argv)

    def close(self):
        with contextlib.suppress(subprocess.CalledProcessError):
            run("ip", "link", "delete", self._here)
        run("ip", "netns", "delete", self.name)

    def socket(self):
        """A socket that lives in the namespace; the caller stays where it is."""
        with open(f"/run/netns/{self.name}") as there, open("/proc/thread-self/ns/net") as here:
            self._enter(there)
            try:
                return socket.socket()
            finally:
                self._enter(here)

    @staticmethod
    def _enter(namespace):
        if _libc.setns(namespace.fileno(), _CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")

    def cut(self):
        """Drops all packets without an error."""
        self._inside("link", "set", self._there, "down")
        self._undo.append(lambda: self._inside("link", "set", self._there, "up"))

    def blackhole(self):
        """Packets to the other side arrive; no answer comes back."""
        self._inside("route", "add", "blackhole", f"{self._near}/32")
        self._undo.append(lambda: self._inside("route", "delete", "blackhole", f"{self._near}/32"))

    def slow(self, rate):
        """Limits packets to the other side to this rate, as tc names it: "2mbit"."""
        run("tc", "qdisc", "add", "dev", self._here, "root", "tbf", "rate", rate, "burst", "32kbit", "latency",
            "400ms")
        self._undo.append(lambda: run("tc", "qdisc", "delete", "dev", self._here, "root"))

    def heal(self):
        while self._undo:
            self._undo.pop()()


class Relay:
    """Passes connections to its address on to `target`, which is outside. It holds at most one piece a
    direction: whoever sends too fast is made to wait."""

    PIECE = 64 * 1024

    def __init__(self, namespace, target):
        self._target, self._wake = target, socket.socketpair()
        self._listener = namespace.socket()
        self._listener.bind((namespace.address, 0))
        self._listener.listen()
        self.address = self._listener.getsockname()
        self.connections = 0
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ, self._accept)
        self._selector.register(self._wake[0], selectors.EVENT_READ, None)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self):
        self._wake[1].send(b"x")
        self._thread.join(10)
        for key in list(self._selector.get_map().values()):
            key.fileobj.close()
        self._selector.close()
        self._wake[1].close()

    def _run(self):
        while True:
            for key, events in self._selector.select():
                if key.data is None:
                    return
                key.data(events)

    def _accept(self, _):
        client = self._listener.accept()[0]
        try:
            server = socket.create_connection(self._target, timeout=5)
        except OSError:
            client.close()
            return
        self.connections += 1
        _Pair(self._selector, client, server)


class _Pair:
    def __init__(self, selector, *ends):
        self._selector, self._ends = selector, ends
        self._held = {end: b"" for end in ends}  # not yet sent to this end
        for end in ends:
            end.setblocking(False)
            selector.register(end, selectors.EVENT_READ, lambda events, end=end: self._turn(end, events))

    def _turn(self, end, events):
        other = self._ends[end is self._ends[0]]
        try:
            if events & selectors.EVENT_WRITE and self._held[end]:
                self._held[end] = self._held[end][end.send(self._held[end]):]
            if events & selectors.EVENT_READ and not self._held[other]:
                self._held[other] = end.recv(Relay.PIECE)
                if not self._held[other]:
                    return self._close()
            for each, peer in ((end, other), (other, end)):
                wanted = (selectors.EVENT_WRITE if self._held[each] else 0) | \
                         (0 if self._held[peer] else selectors.EVENT_READ)
                self._watch(each, wanted)
        except BlockingIOError:
            pass
        except OSError:
            self._close()

    def _watch(self, end, events):
        known = end in self._selector.get_map()
        handler = lambda seen, end=end: self._turn(end, seen)  # noqa: E731
        if events and known:
            self._selector.modify(end, events, handler)
        elif events:
            self._selector.register(end, events, handler)
        elif known:
            self._selector.unregister(end)

    def _close(self):
        for end in self._ends:
            if end.fileno() >= 0 and end in self._selector.get_map():
                self._selector.unregister(end)
            end.close()
