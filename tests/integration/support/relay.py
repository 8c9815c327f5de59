# SPDX-License-Identifier: Apache-2.0
"""A TCP relay that stands between the daemon and a broker. It can freeze: it goes on accepting, and forwards nothing in
either direction, as a network does that eats packets without a word. It can be cut: connections end, and new ones end
at once."""
import socket
import threading
import time


class Relay:
    """Forwards connections to `address` to host:port until close(). `port_here` 0: any that is free. `connections` is how
    many there are now. A slow one takes at most `piece` octets of a direction at once, and keeps each for `delay` seconds."""

    def __init__(self, host, port, port_here=0, here="127.0.0.1", delay=0.0, piece=65536):
        self._peer, self._delay, self._piece = (host, port), delay, piece
        self._flows = threading.Event()
        self._flows.set()
        self._sockets = []
        self._whole = True
        self.held = 0  # octets that came while it was frozen
        self.connections = 0
        self._lock = threading.Lock()
        self._listener = socket.create_server((here, port_here))
        self.address = self._listener.getsockname()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self):
        return f"amqp://{self.address[0]}:{self.address[1]}"

    def freeze(self):
        self._flows.clear()

    def thaw(self):
        self._flows.set()

    def cut(self):
        self._whole = False
        self._end_connections()

    def mend(self):
        self._whole = True

    def close(self):
        shut(self._listener)  # or the accept() that waits takes one more
        self._listener.close()
        self._end_connections()
        self._flows.set()

    def _end_connections(self):
        for each in self._sockets:
            shut(each)
        self._sockets = []

    def _accept(self):
        try:
            while True:
                client, _ = self._listener.accept()
                self._connect(client)
        except OSError:  # close()
            pass

    def _connect(self, client):
        try:
            broker = socket.create_connection(self._peer) if self._whole else None
        except OSError:
            broker = None
        if broker is None:
            client.close()
            return
        self._sockets += [client, broker]
        with self._lock:
            self.connections += 1
        other = threading.Thread(target=self._copy, args=(broker, client), daemon=True)
        threading.Thread(target=self._both, args=(client, broker, other), daemon=True).start()

    def _both(self, client, broker, other):
        other.start()
        self._copy(client, broker)
        other.join()
        with self._lock:
            self.connections -= 1

    def _copy(self, source, sink):
        try:
            while data := source.recv(self._piece):
                time.sleep(self._delay)
                self.held += 0 if self._flows.is_set() else len(data)
                self._flows.wait()
                sink.sendall(data)
            self._flows.wait()
            sink.shutdown(socket.SHUT_WR)
        except OSError:  # one of the two is gone, so is the other
            shut(source)
            shut(sink)


def shut(each):
    try:
        each.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
