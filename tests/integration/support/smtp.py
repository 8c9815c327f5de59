# SPDX-License-Identifier: Apache-2.0
"""An SMTP client that sends the given bytes exactly, and returns the server's whole answer."""
import array
import fcntl
import re
import socket
import struct
import termios
import time

from .wait import Timeout, wait_until

_LAST_LINE = re.compile(rb"^\d{3}(?: .*)?$")


class Closed(AssertionError):
    """The server closed the connection where a reply was expected."""


class Client:
    """Order of calls: made connected; read the banner with reply(); send() and reply(); close()."""

    def __init__(self, address, timeout=20, receive_buffer=None, source=None):
        self._timeout = timeout
        self._buffer = b""
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(timeout)
        if source:
            self.socket.bind((source, 0))
        self.socket.connect(address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data.encode() if isinstance(data, str) else data)

    def send_split(self, data, at):
        """In two packets; the second leaves when the peer's kernel has the first."""
        self.send(data[:at])
        wait_until(lambda: self._unsent() == 0, self._timeout, "the first part to leave", 0.0002)
        self.send(data[at:])

    def _unsent(self):
        return self._queued(termios.TIOCOUTQ)

    def unread(self):
        """Octets that wait in our kernel."""
        return self._queued(termios.FIONREAD)

    def _queued(self, which):
        count = array.array("i", [0])
        fcntl.ioctl(self.socket, which, count)
        return count[0]

    def finish(self):
        """No more from us (FIN)."""
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self):
        """Ends the connection with a reset (RST) at once."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def _line(self):
        while b"\n" not in self._buffer:
            try:
                got = self.socket.recv(65536)
            except socket.timeout:
                raise Timeout(f"no reply within {self._timeout} s") from None
            except ConnectionError:
                got = b""
            if not got:
                raise Closed(f"the server closed; unfinished line: {self._buffer!r}")
            self._buffer += got
        line, self._buffer = self._buffer.split(b"\n", 1)
        assert line.endswith(b"\r"), f"a reply line ends with a bare LF: {line!r}"
        return line[:-1]

    def reply_lines(self):
        lines = []
        while True:
            lines.append(self._line())
            if _LAST_LINE.match(lines[-1]):
                return [line.decode("ascii") for line in lines]

    def until_close(self):
        """All the lines that come until the server ends the connection."""
        lines = []
        while True:
            try:
                lines.append(self._line())
            except Closed:
                return lines

    def reply(self):
        """The last line of the next reply: "250 2.0.0 Ok"."""
        return self.reply_lines()[-1]

    def expect(self, start):
        got = self.reply()
        assert got.startswith(str(start)), f"expected {start}, got {got!r}"
        return got

    def command(self, line, start):
        self.send(line.encode() + b"\r\n" if isinstance(line, str) else line + b"\r\n")
        return self.expect(start)

    def envelope(self, sender="s@example.org", recipients=("r@example.org",), parameters=""):
        self.command("EHLO client.example", 250)
        self.command(f"MAIL FROM:<{sender}>{parameters and ' ' + parameters}", 250)
        for recipient in recipients:
            self.command(f"RCPT TO:<{recipient}>", 250)

    def data(self, content):
        """DATA with the content dot-stuffed; returns the reply to it."""
        self.command("DATA", 354)
        self.send(stuff(content))
        return self.reply()

    def bdat(self, content, chunk=None):
        """BDAT in chunks, each acknowledged; returns the last reply."""
        chunk = chunk or max(len(content), 1)
        pieces = [content[i:i + chunk] for i in range(0, len(content), chunk)] or [b""]
        for piece in pieces[:-1]:
            self.send(b"BDAT %d\r\n" % len(piece) + piece)
            self.expect(250)
        self.send(b"BDAT %d LAST\r\n" % len(pieces[-1]) + pieces[-1])
        return self.reply()

    def expect_close(self):
        """Nothing more comes: the server ends the connection."""
        end = time.monotonic() + self._timeout
        while time.monotonic() < end:
            try:
                got = self.socket.recv(65536)
            except ConnectionError:
                return
            except socket.timeout:
                break
            if not got:
                assert not self._buffer, f"more came before the close: {self._buffer!r}"
                return
            self._buffer += got
        raise Timeout(f"the server did not close; it sent {self._buffer!r}")


def stuff(content):
    """The octets after DATA: dots doubled (RFC 5321 4.5.2), and the end."""
    stuffed = re.sub(rb"(\A|\r\n)\.", rb"\1..", content)
    if stuffed and not stuffed.endswith(b"\r\n"):
        raise ValueError("content of DATA ends with CRLF")
    return stuffed + b".\r\n"


def queued_id(reply):
    """The UUID in "250 2.0.0 Ok: queued as UUID"."""
    found = re.fullmatch(r"250 2\.0\.0 Ok: queued as ([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})",
                         reply)
    assert found, f"not the reply to an accepted message: {reply!r}"
    return found.group(1)
