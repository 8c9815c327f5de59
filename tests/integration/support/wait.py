"""Waiting for a condition, with a deadline; free ports."""
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
    """Ports of 127.0.0.1 that nobody listens on, all different."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()
