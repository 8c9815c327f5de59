# SPDX-License-Identifier: Apache-2.0
"""Mails to send: the standard library's collection of real and broken ones, and generated ones."""
import pathlib
import random
import re

DATA = pathlib.Path("/usr/lib/python3.11/test/test_email/data")
HEADER = b"From: s@example.org\r\nTo: r@example.org\r\nSubject: generated\r\n\r\n"


def collection():
    """[(name, bytes as in the file)]: mails, and the images and sounds beside them."""
    return [(each.name, each.read_bytes()) for each in sorted(DATA.iterdir()) if each.is_file()]


def as_sent(data):
    """The mail as SMTP carries it: CRLF line ends, the last line ended."""
    lines = re.sub(rb"\r?\n", b"\r\n", data)
    return lines if lines.endswith(b"\r\n") or not lines else lines + b"\r\n"


def has_bare(data):
    """Has a CR or LF that is not part of CRLF."""
    return re.search(rb"\r(?!\n)|(?<!\r)\n", data) is not None


def generated():
    """[(name, bytes)], all with CRLF line ends."""
    noise = random.Random(2525)
    binary = bytes(b for b in noise.randbytes(300_000) if b not in b"\r\n")
    return [
        ("empty", b""),
        ("only-line-end", b"\r\n"),
        ("dots", HEADER + b".\r\n..\r\n...\r\n.a\r\n\r\n.\r\n"),
        ("first-line-dot", b".\r\n"),
        ("no-header", b"just text\r\n"),
        ("from-line", b"From MAILER-DAEMON Thu Jan  1 00:00:00 1970\r\n" + HEADER + b"x\r\n"),
        ("nul", HEADER + b"a\0b\0\0\r\n\0\r\n"),
        ("latin1", HEADER + "Gr\u00fc\u00dfe\r\n".encode("latin-1")),
        ("utf8", HEADER + "Gr\u00fc\u00dfe \U0001f4ec \u4e2d\u6587\r\n".encode()),
        ("utf8-cut", HEADER + "\U0001f4ec".encode()[:3] + b"\r\n"),
        ("utf8-overlong", HEADER + b"\xc0\xaf\xe0\x80\xaf\xed\xa0\x80\xf4\x90\x80\x80\r\n"),
        ("every-byte", HEADER + bytes(b for b in range(256) if b not in b"\r\n") + b"\r\n"),
        ("json-trouble", HEADER + b'"\\/\b\f\t\x7f\x1b[2J</script>\xe2\x80\xa8\xe2\x80\xa9\r\n'),
        ("format-strings", HEADER + b"%s%n%x {} {0} ${HOME} ../../etc/passwd\r\n"),
        ("line-of-1-MB", HEADER + b"x" * 1_000_000 + b"\r\n"),
        ("binary-line-of-300-KB", HEADER + binary + b"\r\n"),
        ("100,000-headers", b"X-A: 1\r\n" * 100_000 + b"\r\nbody\r\n"),
        ("header-of-100-KB", b"X-A: " + b"y" * 100_000 + b"\r\n\r\nbody\r\n"),
        ("mime-10,000-deep", b"".join(b"Content-Type: multipart/mixed; boundary=%d\r\n\r\n--%d\r\n"
                                      % (i, i) for i in range(10_000))),
        ("20-MB-of-text", HEADER + (b"0123456789abcdef" * 4 + b"\r\n") * (20_000_000 // 66)),
        ("20-MB-of-noise", HEADER + re.sub(rb"[\r\n]", b"-", noise.randbytes(20_000_000)) + b"\r\n"),
        ("2-MB-of-dots", HEADER + b".\r\n" * 700_000),
    ]
