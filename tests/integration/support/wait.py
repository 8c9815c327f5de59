# SPDX-License-Identifier: Apache-2.0
"""Waiting for a condition, with a deadline; free ports."""
import random
import socket
import threading
import time

_never = threading.Event()


class Timeout(AssertionError):
    """A condition did not come true in time."""


def wait_until(condition, seconds, what, every=0.02):
    """Returns condition()'s first true value; raises Timeout, which names `what`, after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Timeout(f"not within {seconds} s: {what() if callable(what) else what}")
        _never.wait(every)


def free_ports(count):
    """Free ports of 127.0.0.1, all different. Below those that the kernel gives to outgoing connections:
    one of a flood's in another test may have it by the time when a broker starts, or starts again."""
    with open("/proc/sys/net/ipv4/ip_local_port_range") as limits:
        candidates = range(10000, int(limits.read().split()[0]))
    sockets = []
    try:
        while len(sockets) < count:
            sockets.append(socket.socket())
            try:
                sockets[-1].bind(("127.0.0.1", random.choice(candidates)))
            except OSError:
                sockets.pop().close()
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()
