# SPDX-License-Identifier: Apache-2.0
"""A TCP relay that stands between the daemon and a broker, and can freeze: it goes on accepting, and forwards
nothing in either direction, as a network does that eats packets without a word."""
import socket
import threading


class Relay:
    """Forwards connections to `address` to host:port until close()."""

    def __init__(self, host, port):
        self._peer = (host, port)
        self._flows = threading.Event()
        self._flows.set()
        self._sockets = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = self._listener.getsockname()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self):
        return f"amqp://{self.address[0]}:{self.address[1]}"

    def freeze(self):
        self._flows.clear()

    def thaw(self):
        self._flows.set()

    def close(self):
        self._listener.close()
        for each in self._sockets:
            each.close()
        self._flows.set()

    def _accept(self):
        try:
            while True:
                client, _ = self._listener.accept()
                broker = socket.create_connection(self._peer)
                self._sockets += [client, broker]
                for pair in ((client, broker), (broker, client)):
                    threading.Thread(target=self._copy, args=pair, daemon=True).start()
        except OSError:  # close(), or no broker
            pass

    def _copy(self, source, sink):
        try:
            while data := source.recv(65536):
                self._flows.wait()
                sink.sendall(data)
            self._flows.wait()
            sink.shutdown(socket.SHUT_WR)
        except OSError:  # one of the two is gone, so is the other
            for each in (source, sink):
                try:
                    each.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
