"""The hostile inputs, one line each: the numbers are those of docs/architecture.md's list.

    Case(name, what is sent after the banner, the replies to it, how it ends, messages stored)

A reply is the beginning of its last line. `end` is "open" (the connection still serves), "closed" (the
server ends it), or "any". To try another input, add a line.
"""
import dataclasses

E = b"EHLO c.example\r\n"
M = b"MAIL FROM:<s@example.org>\r\n"
R = b"RCPT TO:<r@example.org>\r\n"
D = b"DATA\r\n"
H = b"Subject: x\r\n\r\n"
END = b"\r\n.\r\n"
BEGUN = ["250", "250", "250", "354"]      # the replies to E, M, R, D
MAIL = E + M + R + D
SMUGGLED = b"MAIL FROM:<evil@example.org>\r\nRCPT TO:<r@example.org>\r\nDATA\r\nevil" + END


@dataclasses.dataclass(frozen=True)
class Case:
    name: str
    sent: bytes
    replies: tuple
    end: str = "open"
    stored: int = 0
    chain: str = "default"

    def __str__(self):
        return self.name


# What pretends to end a message.
ENDS = {
    "1 LF.LF": b"\n.\n", "2 LF.CRLF": b"\n.\r\n", "3 CRLF.LF": b"\r\n.\n", "4 CR.CR": b"\r.\r",
    "5 CR.LF": b"\r.\n", "6 LF.CR": b"\n.\r", "7 CR.CRLF": b"\r.\r\n", "8 CRLF.CR": b"\r\n.\r",
    "9 CRLF NUL.CRLF": b"\r\n\0.\r\n", "10 CRLF.NUL CRLF": b"\r\n.\0\r\n",
    "11 CRLF.CRCRLF": b"\r\n.\r\r\n", "12 CRCRLF.CRCRLF": b"\r\r\n.\r\r\n",
}


def _case(name, sent, replies, end="open", stored=0):
    return Case(name, sent, tuple(replies), end, stored)


def _bdat(content, last=True):
    return b"BDAT %d%s\r\n" % (len(content), b" LAST" if last else b"") + content


CASES = [
    *[_case(f"{name}", MAIL + H + b"a" + end + b"b" + END, BEGUN + ["5"], "closed")
      for name, end in ENDS.items()],
    *[_case(f"13 {name} and a second mail", MAIL + H + b"a" + end + SMUGGLED, BEGUN + ["5"], "closed")
      for name, end in ENDS.items()],
    *[_case(f"13 {name} in BDAT", E + M + R + _bdat(H + b"a" + end + b"b\r\n"),
            ["250", "250", "250", "5"]) for name, end in ENDS.items() if "NUL" not in name],
    _case("15 two dots are unstuffed once", MAIL + H + b"..a\r\n...\r\n..." + END, BEGUN + ["250"], stored=1),
    _case("15 an empty message", MAIL + b".\r\n", BEGUN + ["250"], stored=1),
    _case("15 a first line of one dot more", MAIL + b"..\r\n.\r\n", BEGUN + ["250"], stored=1),

    _case("21 DATA without RCPT", E + M + D, ["250", "250", "503"]),
    _case("21 DATA without MAIL", E + D, ["250", "503"]),
    _case("21 DATA with no valid recipient", E + M + b"RCPT TO:<a@b>junk\r\n" + D,
          ["250", "250", "501", "554 5.5.1"]),
    _case("22 MAIL in a transaction", E + M + M, ["250", "250", "503"]),
    _case("RCPT before MAIL", E + R, ["250", "503"]),
    _case("24 DATA after BDAT", E + M + R + _bdat(b"a\r\n", last=False) + D,
          ["250", "250", "250", "250", "503"]),
    _case("24 DATA after a BDAT that was refused", E + _bdat(b"abc") + D, ["250", "503", "503"]),
    _case("24 BDAT with a size that is none", E + M + R + b"BDAT x\r\n", ["250"] * 3 + ["501"], "any"),
    _case("24 BDAT with a size that overflows", E + M + R + b"BDAT 99999999999999999999 LAST\r\n",
          ["250"] * 3 + ["5"], "any"),
    _case("26 VRFY in a transaction", E + M + b"VRFY r\r\n" + R + D + H + b"x" + END,
          ["250", "250", "252", "250", "354", "250"], stored=1),
    _case("27 EHLO in a transaction resets it", E + M + E + R, ["250", "250", "250", "503"]),
    _case("27 RSET in a transaction resets it", E + M + b"RSET\r\n" + R, ["250"] * 3 + ["503"]),
    _case("QUIT ends the session", E + b"QUIT\r\n", ["250", "221"], "closed"),
    _case("many mails over one connection", (E + M + R + D + H + b"x" + END) * 3,
          (BEGUN + ["250"]) * 3, stored=3),

    _case("32 SIZE over the limit", E + b"MAIL FROM:<s@example.org> SIZE=99999999999\r\n",
          ["250", "552 5.3.4"]),
    _case("32 SIZE negative", E + b"MAIL FROM:<s@example.org> SIZE=-1\r\n", ["250", "501"]),
    _case("32 SIZE that overflows", E + b"MAIL FROM:<s@example.org> SIZE=" + b"9" * 30 + b"\r\n",
          ["250", "5"]),
    _case("32 SIZE twice", E + b"MAIL FROM:<s@example.org> SIZE=1 SIZE=1\r\n", ["250", "501"]),
    _case("36 a parameter of MAIL that nobody knows", E + b"MAIL FROM:<s@example.org> FOO=1\r\n",
          ["250", "555 5.5.4"]),
    _case("36 a parameter of RCPT that nobody knows", E + M + b"RCPT TO:<r@example.org> FOO\r\n",
          ["250", "250", "555 5.5.4"]),
    _case("37 junk behind the path", E + b"MAIL FROM:<a@b>junk\r\n", ["250", "501"]),
    _case("37 an open quote", E + b'MAIL FROM:<"a@b>\r\n', ["250", "501"]),
    _case("37 an open bracket", E + b"MAIL FROM:<a@b\r\n", ["250", "501"]),
    _case("37 a control character in quotes", E + b'MAIL FROM:<"a\x01"@b>\r\n', ["250", "501"]),
    _case("37 CR inside quotes", E + b'MAIL FROM:<"a\rRCPT TO:<x@y>"@b>\r\n', ["250", "5"], "any"),
    _case("37 a source route", E + M + b"RCPT TO:<@a.example,@b.example:r@example.org>\r\n",
          ["250", "250", "250"]),
    _case("38 bytes above 0x7f in a command", E + b"MAIL FROM:<\xff\xfe@b>\r\n" + M,
          ["250", "501 5.5.2", "250"]),
    _case("38 bytes above 0x7f for a command", E + b"\x80\x81\x82\r\n" + M, ["250", "5", "250"]),
    _case("39 a UTF-8 address without SMTPUTF8", E + "MAIL FROM:<\u00f6@b.example>\r\n".encode(),
          ["250", "553 5.6.7"]),
    _case("39 a UTF-8 address with SMTPUTF8", E + "MAIL FROM:<\u00f6@b.example> SMTPUTF8\r\n".encode(),
          ["250", "250"]),
    _case("40 format strings and escapes in an address",
          E + b"MAIL FROM:<%s%n{}@../../etc>\r\n" + b"RCPT TO:<\"\\\"{}%n../\"@example.org>\r\n",
          ["250", "", ""], "any"),
    _case("40 an escape sequence in HELO", b"EHLO \x1b[2J\r\n" + M, ["501", "250"]),
    _case("47 a loop", MAIL + b"Received: by x\r\n" * 101 + H + b"x" + END, BEGUN + ["554 5.4.6"]),
    _case("48 PROXY from whom it may be", b"PROXY TCP4 192.0.2.1 192.0.2.2 1 25\r\n", ["5"], "any"),
    _case("48 XCLIENT from whom it may be", E + b"XCLIENT ADDR=192.0.2.1\r\n", ["250", "5"]),
    _case("17 STARTTLS is not offered yet", E + b"STARTTLS\r\n", ["250", "5"]),
    _case("an empty line", E + b"\r\n" + M, ["250", "500", "250"]),
    _case("AUTH is not offered yet", E + b"AUTH PLAIN AGEAYg==\r\n", ["250", "5"]),
    _case("BINARYMIME needs BDAT", E + b"MAIL FROM:<s@example.org> BODY=BINARYMIME\r\n" + R + D,
          ["250", "250", "250", "503"]),
    _case("43 an HTTP request", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", ["5"], "any"),
]

# Bodies that must come out as they went in: (name, what follows DATA, what is stored).
UNSTUFFED = [
    ("15 two dots", H + b"..a" + END, H + b".a\r\n"),
    ("15 dots in a row", H + b"..\r\n...\r\n...." + END, H + b".\r\n..\r\n...\r\n"),
    ("15 empty", b".\r\n", b""),
    ("15 a first line that is a dot", b"..\r\n.\r\n", b".\r\n"),
    ("42 a first line From ", b"From x\r\n\r\nbody" + END, b"From x\r\n\r\nbody\r\n"),
    ("40 escapes and invalid UTF-8", H + b"\x1b[2J%s%n\xff\xfe{}" + END, H + b"\x1b[2J%s%n\xff\xfe{}\r\n"),
    ("NUL in a line", H + b"a\0b" + END, H + b"a\0b\r\n"),
]
