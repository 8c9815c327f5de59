# SPDX-License-Identifier: Apache-2.0
"""Crowds of clients, the daemon's memory and descriptors for them, and the times of a well-behaved client."""
import math
import multiprocessing
import resource
import socket
import struct
import time

from .hostile import H
from .smtp import Client, stuff
from .wait import wait_until

PER_ADDRESS = 100      # limits.connections_per_peer, as it is by default
TCP_REPAIR = 19        # <linux/tcp.h>; a socket closed in this state sends neither FIN nor RST
MAIL_OF_4_KB = H + b"4 KiB of it, in lines of 64 octets, as a well-behaved client has it.\r\n"[-66:] * 62


def allow_descriptors(count):
    """False where this process may not have so many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count:
        return False
    if soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))
    return True


class Crowd:
    """`count` connections, PER_ADDRESS from each of 127.1.0.0/16, that have read the banner."""

    def __init__(self, server, count, receive_buffer=None, greeted=True):
        self._address = server.address()
        self._buffer = receive_buffer
        self.sockets = [self._connect(number) for number in range(count)]
        if greeted:
            for each in self.sockets:
                assert each.recv(512).startswith(b"220 ")
        for each in self.sockets:
            each.setblocking(False)

    def _connect(self, number):
        made = socket.socket()
        if self._buffer:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._buffer)
        group = number // PER_ADDRESS
        made.settimeout(60)
        made.bind((f"127.1.{group // 250}.{group % 250 + 1}", 0))
        made.connect(self._address)
        return made

    def __len__(self):
        return len(self.sockets)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, data):
        """Sends to each as much of data as its kernel takes; returns how many took all."""
        return sum(self._send(each, data) for each in self.sockets)

    @staticmethod
    def _send(each, data):
        try:
            return each.send(data) == len(data)
        except (BlockingIOError, ConnectionError):
            return False

    def send_all(self, data):
        """Sends all of data to each, until for a second none takes any more."""
        left = {each: memoryview(data) for each in self.sockets if data}
        moved_at = time.monotonic()
        while left and time.monotonic() - moved_at < 1:
            for each in list(left):
                try:
                    count = each.send(left[each])
                except BlockingIOError:
                    continue
                except ConnectionError:
                    count = len(left[each])
                moved_at = time.monotonic()
                left[each] = left[each][count:]
                if not left[each]:
                    del left[each]

    def read(self):
        """The octets received by each up to now: b"" also where the server closed."""
        got = []
        for each in self.sockets:
            try:
                got.append(each.recv(1 << 20))
            except (BlockingIOError, ConnectionError):
                got.append(b"")
        return got

    def count_replies(self, start, seconds, least, meanwhile=lambda: None, every=0.05):
        """Waits until `least` of them have got a line that begins with `start`."""
        found, texts = set(), [b""] * len(self.sockets)

        def counted():
            meanwhile()
            for number, data in enumerate(self.read()):
                if not data or number in found:
                    continue
                texts[number] += data
                if any(line.startswith(start) for line in texts[number].split(b"\r\n")):
                    found.add(number)
                    texts[number] = b""
            return len(found) >= least

        wait_until(counted, seconds, lambda: f"{len(found)} of {least} got {start}", every)
        return len(found)

    def close(self, reset=False):
        for each in self.sockets:
            if reset:
                each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            each.close()

    def vanish(self):
        """Gone without a packet, as a machine that lost its power. Needs CAP_NET_ADMIN."""
        for each in self.sockets:
            each.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
            each.close()


def can_vanish():
    with socket.socket() as probe:
        try:
            probe.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
            return True
        except OSError:
            return False


class Gauge:
    """The memory and descriptors of the daemon."""

    def __init__(self, server):
        self._server = server
        self._status = f"/proc/{server.pid}/status"

    def _read(self, key):
        with open(self._status) as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith(key))

    def resident(self):
        return self._read("VmRSS:")

    def peak(self):
        """The most since start_over()."""
        return self._read("VmHWM:")

    def start_over(self):
        with open(f"/proc/{self._server.pid}/clear_refs", "w") as file:
            file.write("5")

    def descriptors(self):
        return self._server.descriptors()


class Regular:
    """A well-behaved client in a process of its own: one mail of 4 KiB a connection, over and over
    while it is asked to."""

    def __init__(self, server, pause=0.02):
        context = multiprocessing.get_context("fork")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=self._run, args=(theirs, server.address(), pause),
                                        daemon=True)
        self._process.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._pipe.send("leave")
        self._process.join(60)

    def begin(self):
        self._pipe.send("begin")

    def end(self, least=10, seconds=120):
        """At least so many mails, then stops: (seconds each took, in order; the replies)."""
        self._pipe.send(least)
        assert self._pipe.poll(seconds), "the well-behaved client hangs"
        times, replies = self._pipe.recv()
        return sorted(times), replies

    def measure(self, count=30):
        self.begin()
        return self.end(count)

    @classmethod
    def _run(cls, pipe, address, pause):
        content = stuff(MAIL_OF_4_KB)
        while pipe.recv() == "begin":
            times, replies, least = [], [], math.inf
            while len(times) < least:
                start = time.monotonic()
                replies.append(cls._mail(address, content))
                times.append(time.monotonic() - start)
                time.sleep(pause)
                if least == math.inf and pipe.poll():
                    least = pipe.recv()
            pipe.send((times, replies))

    @staticmethod
    def _mail(address, content):
        """The reply to the mail, or the first refusal."""
        try:
            with Client(address, timeout=60) as client:
                if not (reply := client.reply()).startswith("220"):
                    return reply
                for line, code in ((b"EHLO regular.example\r\n", "250"),
                                   (b"MAIL FROM:<s@example.org>\r\n", "250"),
                                   (b"RCPT TO:<r@example.org>\r\n", "250"), (b"DATA\r\n", "354")):
                    client.send(line)
                    if not (reply := client.reply()).startswith(code):
                        return reply
                client.send(content)
                return client.reply()
        except (OSError, AssertionError) as error:
            return f"none: {error!r}"


def percentile(times, share):
    return times[min(len(times) - 1, int(len(times) * share))]
