# SPDX-License-Identifier: Apache-2.0
"""The hostile inputs, as one table. To try another input, add a line to ROWS:

    (number, name, what is sent after the banner, replies, contents stored, how it ends[, listener])

A reply is the beginning of its last line. It ends OPEN (the connection still serves), CLOSES (the server
closes it) or FIN (we say that we send no more, and then it closes). Listeners: "mx"; "lmtp"; "lf", where
bare_lf is "normalize"; "late", which waits for its client to be silent before its banner.

Each row is played whole and cut in two at every byte, long ones at the bytes that matter (cuts_of).
"""
import dataclasses
import random

E = b"EHLO c.example\r\n"
L = b"LHLO c.example\r\n"
M = b"MAIL FROM:<s@example.org>\r\n"
R = b"RCPT TO:<r@example.org>\r\n"
D = b"DATA\r\n"
H = b"Subject: x\r\n\r\n"
END = b"\r\n.\r\n"
EMR = E + M + R
MAIL = EMR + D
READY = ["250", "250", "250"]             # the replies to E, M, R
BEGUN = READY + ["354"]                   # and to D
SMUGGLED = b"MAIL FROM:<evil@example.org>\r\nRCPT TO:<r@example.org>\r\nDATA\r\nevil" + END
BARE = ["554 5.6.0"]
LIMIT = 10 << 20                          # limits.message_size of the daemon that the table is played to
OPEN, CLOSES, FIN = "open", "closes", "FIN"
RECEIVED = b"Received: from a by b; Sun, 22 Nov 2026 10:00:00 +0000\r\n"
NESTED = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n)
                  for n in range(10_000))


def bdat(content, last=True):
    return b"BDAT %d%s\r\n" % (len(content), b" LAST" if last else b"") + content


def mail(rest, *replies):
    """MAIL with this behind FROM: it gets the reply, and the connection lives."""
    return E + b"MAIL FROM:" + rest + b"\r\n", ["250", *replies], [], OPEN


def rcpt(rest, *replies):
    return E + M + b"RCPT TO:" + rest + b"\r\n", ["250", "250", *replies], [], OPEN


# False ends of a message.
ENDS = [
    (1, "LF.LF", b"\n.\n"), (2, "LF.CRLF", b"\n.\r\n"), (3, "CRLF.LF", b"\r\n.\n"), (4, "CR.CR", b"\r.\r"),
    (5, "CR.LF", b"\r.\n"), (6, "LF.CR", b"\n.\r"), (7, "CR.CRLF", b"\r.\r\n"), (8, "CRLF.CR", b"\r\n.\r"),
    (9, "CRLF NUL.CRLF", b"\r\n\0.\r\n"), (10, "CRLF.NUL CRLF", b"\r\n.\0\r\n"),
    (11, "CRLF.CRCRLF", b"\r\n.\r\r\n"), (12, "CRCRLF.CRCRLF", b"\r\r\n.\r\r\n"),
]

ROWS = [
    # 1 to 13. A false end, alone, with a second mail behind it, in LMTP, and in a chunk.
    *[(n, name, MAIL + H + b"a" + end + b"b" + END, BEGUN + BARE, [], CLOSES) for n, name, end in ENDS],
    *[(13, f"{name} and a second mail", MAIL + H + b"a" + end + SMUGGLED, BEGUN + BARE, [], CLOSES)
      for n, name, end in ENDS],
    *[(13, f"{name} in LMTP", L + M + R + D + H + b"a" + end + SMUGGLED, BEGUN + BARE, [], CLOSES, "lmtp")
      for n, name, end in ENDS],
    *[(13, f"{name} in BDAT", EMR + bdat(H + b"a" + end + b"b\r\n"), READY + BARE, [], OPEN)
      for n, name, end in ENDS if b"\0" not in end],
    # In a chunk a NUL frames nothing, and BINARYMIME takes every octet.
    *[(13, f"{name} in BDAT", EMR + bdat(H + end), READY + ["250"], [H + end], OPEN)
      for n, name, end in ENDS if b"\0" in end],
    *[(13, f"{name} in BINARYMIME", E + b"MAIL FROM:<s@example.org> BODY=BINARYMIME\r\n" + R + bdat(H + end),
       READY + ["250"], [H + end], OPEN) for n, name, end in ENDS],
    # Where LF is normalised it begins a line, of which a dot is taken away, and still is no end.
    (1, "LF.LF, normalised", MAIL + b"a\n.\n" + SMUGGLED[:-7] + END, BEGUN + ["250"],
     [b"a\r\n\r\n" + SMUGGLED[:-7] + b"\r\n"], OPEN, "lf"),
    (2, "LF.CRLF, normalised", MAIL + b"a\n.\r\nb" + END, BEGUN + ["250"], [b"a\r\n\r\nb\r\n"], OPEN, "lf"),
    (3, "CRLF.LF, normalised", MAIL + b"a\r\n.\nb" + END, BEGUN + ["250"], [b"a\r\n\r\nb\r\n"], OPEN, "lf"),
    *[(n, f"{name}, where LF is normalised", MAIL + b"a" + end + b"b" + END, BEGUN + BARE, [], CLOSES, "lf")
      for n, name, end in ENDS[3:]],
    (13, "the true end after a bare LF", MAIL + b"a\nb" + END, BEGUN + BARE, [], CLOSES),
    (13, "a bare CR at the very end of a chunk", EMR + bdat(b"a\r"), READY + BARE, [], OPEN),
    (13, "CR and LF in two chunks", EMR + bdat(b"a\r", False) + bdat(b"\nb\r\n"), READY + ["250", "250"],
     [b"a\r\nb\r\n"], OPEN),

    (15, "two dots are unstuffed once", MAIL + b"..a\r\n...\r\n...." + END, BEGUN + ["250"],
     [b".a\r\n..\r\n...\r\n"], OPEN),
    (15, "an empty message", MAIL + b".\r\n", BEGUN + ["250"], [b""], OPEN),
    (15, "a first line that is a dot", MAIL + b"..\r\n.\r\n", BEGUN + ["250"], [b".\r\n"], OPEN),
    (15, "a dot before text is taken away", MAIL + b".a\r\n.b" + END, BEGUN + ["250"], [b"a\r\nb\r\n"], OPEN),
    (15, "dots in BDAT are content", EMR + bdat(b".\r\n..\r\n.a\r\n"), READY + ["250"], [b".\r\n..\r\n.a\r\n"], OPEN),

    # 17 to 19, 48: TLS, AUTH and PROXY are not offered yet: 502 or 500, and nothing changes.
    (17, "commands behind STARTTLS in one packet", E + b"STARTTLS\r\n" + M, ["250", "502", "250"], [], OPEN),
    (18, "STARTTLS in a transaction", E + M + b"STARTTLS\r\n" + R, ["250", "250", "502", "250"], [], OPEN),
    (19, "STARTTLS with an argument, and twice", E + b"STARTTLS now\r\nSTARTTLS\r\nSTARTTLS\r\n",
     ["250"] + ["502"] * 3, [], OPEN),
    (19, "AUTH", E + b"AUTH PLAIN AGEAYg==\r\nAUTH LOGIN\r\n", ["250", "502", "502"], [], OPEN),
    (20, "talk before the banner", E, ["554 5.5.0"], [], CLOSES, "late"),
    (20, "a TLS hello before the banner", b"\x16\x03\x01\x02\0\x01", ["554 5.5.0"], [], CLOSES, "late"),

    (21, "DATA without RCPT", E + M + D, ["250", "250", "503"], [], OPEN),
    (21, "DATA without MAIL", E + D, ["250", "503"], [], OPEN),
    (21, "DATA with no valid recipient", E + M + b"RCPT TO:<a@b>junk\r\n" + D,
     ["250", "250", "501", "554 5.5.1"], [], OPEN),
    (21, "the same in LMTP", L + M + b"RCPT TO:<a@b>junk\r\n" + D, ["250", "250", "501", "503 5.5.1"], [],
     OPEN, "lmtp"),
    (21, "content behind a DATA that was refused is commands", E + D + H + b"x" + END,
     ["250", "503", "500", "500", "500", "500"], [], OPEN),
    (22, "MAIL in a transaction", E + M + M + R + M, ["250", "250", "503", "250", "503"], [], OPEN),
    (22, "RCPT before MAIL", E + R, ["250", "503"], [], OPEN),
    (23, "RCPT and DATA after a refused end", EMR + D + RECEIVED * 101 + H + b"x" + END + R + D,
     BEGUN + ["554 5.4.6", "503", "503"], [], OPEN),
    (23, "RCPT and DATA after an accepted end", MAIL + b"x" + END + R + D, BEGUN + ["250", "503", "503"],
     [b"x\r\n"], OPEN),
    (24, "DATA between chunks", EMR + bdat(b"a\r\n", False) + D, READY + ["250", "503"], [], OPEN),
    (24, "RCPT and MAIL between chunks", EMR + bdat(b"a\r\n", False) + R + M, READY + ["250", "503", "503"], [], OPEN),
    (24, "DATA after a BDAT that was refused", E + bdat(b"abc") + D, ["250", "503", "503"], [], OPEN),
    (24, "BDAT without a size", EMR + b"BDAT\r\nabc", READY + ["501"], [], CLOSES),
    (24, "BDAT with a size that is none", EMR + b"BDAT x\r\nabc", READY + ["501"], [], CLOSES),
    (24, "BDAT with a negative size", EMR + b"BDAT -1 LAST\r\nabc", READY + ["501"], [], CLOSES),
    (24, "BDAT with a signed size", EMR + b"BDAT +3 LAST\r\nabc", READY + ["501"], [], CLOSES),
    (24, "BDAT with a hexadecimal size", EMR + b"BDAT 0x3 LAST\r\nabc", READY + ["501"], [], CLOSES),
    (24, "BDAT of 2^64", EMR + b"BDAT 18446744073709551616 LAST\r\nabc", READY + ["501"], [], CLOSES),
    (24, "BDAT of 2^64 - 1, never sent", EMR + b"BDAT 18446744073709551615 LAST\r\nabc", READY, [], FIN),
    (24, "two BDAT that overflow together", EMR + bdat(b"abc", False) + b"BDAT 18446744073709551614 LAST\r\nabc",
     READY + ["250"], [], FIN),
    (24, "BDAT with junk for LAST", EMR + b"BDAT 3 LAST now\r\nabc", READY + ["501"], [], CLOSES),
    (24, "BDAT on a line without end", EMR + b"BDAT 3 LAST" + b" " * 2100 + b"\r\nabc", READY + ["500 5.5.2"], [], CLOSES),
    (24, "BDAT on a line without end, in LMTP", L + M + R + b"BDAT 30" + b" " * 2100 + b"\r\n" + M, READY + ["500 5.5.2"],
     [], CLOSES, "lmtp"),
    (24, "BDAT 0 LAST alone", EMR + b"BDAT 0 LAST\r\n", READY + ["250"], [b""], OPEN),
    (24, "BDAT 0 and BDAT 0 LAST", EMR + b"BDAT 0\r\nBDAT 0\r\nBDAT 0 LAST\r\n", READY + ["250"] * 3, [b""], OPEN),
    (24, "BDAT with leading zeros and lower case", EMR + b"bdat 0003 last\r\nabc", READY + ["250"], [b"abc"], OPEN),
    (24, "BDAT behind LAST", EMR + bdat(b"ab") + bdat(b"cd"), READY + ["250", "503"], [b"ab"], OPEN),
    (24, "BDAT before RCPT takes its octets", E + M + bdat(M + R), ["250", "250", "503"], [], OPEN),
    (24, "BDAT before MAIL, pipelined", E + bdat(M + R, False) + bdat(D) + M, ["250", "503", "503", "250"], [], OPEN),
    (24, "commands inside a chunk are content", EMR + bdat(b"RSET\r\nQUIT\r\n.\r\n"), READY + ["250"],
     [b"RSET\r\nQUIT\r\n.\r\n"], OPEN),
    (24, "RSET between chunks", EMR + bdat(b"a\r\n", False) + b"RSET\r\n" + bdat(b"b\r\n"),
     READY + ["250", "250", "503"], [], OPEN),
    (24, "EHLO between chunks", EMR + bdat(b"a\r\n", False) + E + bdat(b"b\r\n"), READY + ["250", "250", "503"], [], OPEN),
    (24, "NOOP and VRFY between chunks", EMR + bdat(b"a\r\n", False) + b"NOOP\r\nVRFY x\r\n" + bdat(b"b\r\n"),
     READY + ["250", "250", "252", "250"], [b"a\r\nb\r\n"], OPEN),
    (24, "mails by BDAT and DATA, pipelined", EMR + bdat(b"a\r\n") + M + R + bdat(b"b\r\n") + M + R + D + b"c" + END,
     READY + ["250"] * 4 + ["250"] * 2 + ["354", "250"], [b"a\r\n", b"b\r\n", b"c\r\n"], OPEN),
    (24, "a chunk over the size limit is refused at once",
     EMR + b"BDAT %d\r\n" % (LIMIT + 1) + b"x" * (LIMIT + 1) + b"NOOP\r\n", READY + ["552 5.3.4", "250"], [], OPEN),
    (25, "thousands of tiny BDAT", EMR + b"BDAT 1\r\nx" * 2000 + b"BDAT 2 LAST\r\n\r\n", READY + ["250"] * 2001,
     [b"x" * 2000 + b"\r\n"], OPEN),
    (25, "thousands of empty BDAT", EMR + b"BDAT 0\r\n" * 1000, READY + ["250"] * 999 + ["421 4.7.0"], [], CLOSES),
    (26, "VRFY in a transaction", E + M + b"VRFY r\r\n" + R + D + b"x" + END,
     ["250", "250", "252", "250", "354", "250"], [b"x\r\n"], OPEN),
    (27, "EHLO in a transaction resets it", E + M + E + R, ["250", "250", "250", "503"], [], OPEN),
    (27, "HELO in a transaction resets it", EMR + b"HELO c\r\n" + D, READY + ["250", "503"], [], OPEN),
    (27, "an EHLO that is refused resets nothing", E + M + b"EHLO\r\n" + R, ["250", "250", "501", "250"], [], OPEN),
    (27, "RSET in a transaction resets it", E + M + b"RSET\r\n" + R, ["250"] * 3 + ["503"], [], OPEN),
    (28, "QUIT inside DATA is content", MAIL + H + b"half of it\r\nQUIT\r\n", BEGUN, [], FIN),
    (28, "FIN inside DATA", MAIL + H + b"half of it", BEGUN, [], FIN),
    (28, "FIN after a CRLF.", MAIL + H + b"all but the end\r\n.", BEGUN, [], FIN),
    (28, "FIN after a CRLF.CR", MAIL + H + b"all but the end\r\n.\r", BEGUN, [], FIN),
    (28, "FIN inside a chunk", EMR + b"BDAT 10 LAST\r\nabc", READY, [], FIN),
    (28, "FIN between chunks", EMR + bdat(b"abc", False), READY + ["250"], [], FIN),
    (28, "FIN inside a command", E + b"MAIL FROM:<s@ex", ["250"], [], FIN),
    (28, "FIN after the end", MAIL + b"x" + END, BEGUN + ["250"], [b"x\r\n"], FIN),
    (28, "FIN behind a CR", E + b"NOOP\r", ["250"], [], FIN),
    (28, "FIN and not a word", b"", [], [], FIN),

    (30, "a command of 10 MB", b"A" * 10_000_000 + b"\r\n" + E, ["500 5.5.2", "250"], [], OPEN),
    (30, "EHLO of 10 KB", b"EHLO " + b"a" * 10_000 + b"\r\n" + E, ["500 5.5.2", "250"], [], OPEN),
    (30, "EHLO of 300 octets", b"EHLO " + b"a" * 300 + b"\r\n" + E, ["501 5.5.4", "250"], [], OPEN),
    (30, "a bare LF behind a command that is too long", b"A" * 5000 + b"\nNOOP\r\n", ["500 5.5.2", "500 5.5.2"], [], CLOSES),
    (30, "blanks without end", E + b"NOOP" + b" " * 5000 + b"\r\n", ["250", "500 5.5.2"], [], OPEN),
    (31, "a line of 10 MB", MAIL + H + b"x" * 10_000_000 + END, BEGUN + ["250"],
     [H + b"x" * 10_000_000 + b"\r\n"], OPEN),
    (31, "a header of 10 MB", MAIL + b"Subject: " + b"x" * 10_000_000 + END, BEGUN + ["250"],
     [b"Subject: " + b"x" * 10_000_000 + b"\r\n"], OPEN),
    (32, "SIZE over the limit", *mail(b"<s@example.org> SIZE=10485761", "552 5.3.4")),
    (32, "SIZE at the limit", *mail(b"<s@example.org> SIZE=10485760", "250")),
    (32, "SIZE negative", *mail(b"<s@example.org> SIZE=-1", "501 5.5.4")),
    (32, "SIZE of 2^64 - 1", *mail(b"<s@example.org> SIZE=18446744073709551615", "552 5.3.4")),
    (32, "SIZE of 2^64", *mail(b"<s@example.org> SIZE=18446744073709551616", "552 5.3.4")),
    (32, "SIZE of thirty digits", *mail(b"<s@example.org> SIZE=" + b"9" * 30, "501 5.5.4")),
    (32, "SIZE twice", *mail(b"<s@example.org> SIZE=1 SIZE=1", "501 5.5.4")),
    (32, "SIZE without a value", *mail(b"<s@example.org> SIZE=", "501 5.5.4")),
    (32, "SIZE that was a lie", E + b"MAIL FROM:<s@example.org> SIZE=1\r\n" + R + D + b"xyz" + END, BEGUN + ["250"],
     [b"xyz\r\n"], OPEN),
    (33, "a body over the limit", MAIL + b"x" * LIMIT + END + b"NOOP\r\n", BEGUN + ["552 5.3.4", "250"], [], OPEN),
    (33, "a body at the limit", MAIL + b"x" * (LIMIT - 2) + END, BEGUN + ["250"], [b"x" * (LIMIT - 2) + b"\r\n"], OPEN),
    (33, "a body past twice the limit", MAIL + b"x" * (2 * LIMIT + 100_000) + END, BEGUN + ["552 5.3.4"], [], CLOSES),
    (34, "the 1,001st recipient", E + M + R * 1001 + D + b"x" + END, ["250"] * 1002 + ["452 4.5.3", "354", "250"],
     [b"x\r\n"], OPEN),
    (34, "3,000 recipients", E + M + R * 3_000, ["250"] * 1002 + ["452 4.5.3"] * 2_000, [], OPEN),
    *[(35, f"10,000 {name}", command * 10_000, replies * 1000 + ["421 4.7.0"], [], CLOSES) for name, command, replies in
      [("NOOP", b"NOOP\r\n", ["250"]), ("RSET", b"RSET\r\n", ["250"]), ("VRFY", b"VRFY x\r\n", ["252"]),
       ("HELP", b"HELP\r\n", ["214"]), ("EHLO", E, ["250"])]],
    *[(35, f"10,000 {name}", E + command * 10_000, ["250"] + [reply] * 20 + ["421 4.7.0"], [], CLOSES)
      for name, command, reply in
      [("unknown commands", b"FOO\r\n", "500"), ("MAIL that are wrong", b"MAIL FROM:<\r\n", "501"),
       ("empty lines", b"\r\n", "500"), ("DATA too soon", D, "503"), ("BDAT too soon", b"BDAT 0 LAST\r\n", "503")]],
    (35, "10 MB of NOOP that nobody waits for", b"NOOP\r\n" * 1_666_666, ["250"] * 1000 + ["421 4.7.0"], [], CLOSES),

    (36, "a parameter of MAIL that nobody knows", *mail(b"<s@example.org> FOO=1", "555 5.5.4")),
    (36, "AUTH= of MAIL", *mail(b"<s@example.org> AUTH=<>", "555 5.5.4")),
    (36, "NOTIFY of MAIL", *mail(b"<s@example.org> NOTIFY=NEVER", "555 5.5.4")),
    (36, "a parameter of RCPT that nobody knows", *rcpt(b"<r@example.org> FOO", "555 5.5.4")),
    (36, "SIZE of RCPT", *rcpt(b"<r@example.org> SIZE=1", "555 5.5.4")),
    (36, "a parameter that is none", *mail(b"<s@example.org> =", "501 5.5.4")),
    (36, "BODY twice", *mail(b"<s@example.org> BODY=7BIT BODY=8BITMIME", "501 5.5.4")),
    (36, "BODY=9BIT", *mail(b"<s@example.org> BODY=9BIT", "501 5.5.4")),
    (36, "BINARYMIME with DATA", E + b"MAIL FROM:<s@example.org> BODY=BINARYMIME\r\n" + R + D, READY + ["503"], [], OPEN),
    (36, "SMTPUTF8 with a value", *mail(b"<s@example.org> SMTPUTF8=1", "501 5.5.4")),
    (36, "RET=BOTH", *mail(b"<s@example.org> RET=BOTH", "501 5.5.4")),
    (36, "ENVID of 101 octets", *mail(b"<s@example.org> ENVID=" + b"x" * 101, "501 5.5.4")),
    (36, "ENVID with a bad escape", *mail(b"<s@example.org> ENVID=+0g", "501 5.5.4")),
    (36, "NOTIFY=NEVER and another", *rcpt(b"<r@example.org> NOTIFY=NEVER,DELAY", "501 5.5.4")),
    (36, "NOTIFY with a reason twice", *rcpt(b"<r@example.org> NOTIFY=DELAY,DELAY", "501 5.5.4")),
    (36, "NOTIFY of nothing", *rcpt(b"<r@example.org> NOTIFY=", "501 5.5.4")),
    (36, "NOTIFY of commas", *rcpt(b"<r@example.org> NOTIFY=,,,", "501 5.5.4")),
    (36, "NOTIFY twice", *rcpt(b"<r@example.org> NOTIFY=NEVER NOTIFY=NEVER", "501 5.5.4")),
    (36, "NOTIFY of 1,900 octets", *rcpt(b"<r@example.org> NOTIFY=" + b"DELAY," * 310 + b"DELAY", "501 5.5.4")),
    (36, "ORCPT without a type", *rcpt(b"<r@example.org> ORCPT=r@example.org", "501 5.5.4")),
    (36, "ORCPT of 501 octets", *rcpt(b"<r@example.org> ORCPT=rfc822;" + b"x" * 494, "501 5.5.4")),
    (37, "junk behind the path", *mail(b"<a@b>junk", "501 5.1.7")),
    (37, "an open quote", *mail(b'<"a@b>', "501 5.1.7")),
    (37, "an open quoted pair", *mail(b'<"a\\', "501 5.1.7")),
    (37, "an open bracket", *mail(b"<a@b", "501 5.1.7")),
    (37, "two at signs", *mail(b"<a@b@c>", "501 5.1.7")),
    (37, "an at sign alone", *mail(b"<@>", "501 5.1.7")),
    (37, "no recipient", *rcpt(b"<>", "501 5.1.3")),
    (37, "an open domain literal", *rcpt(b"<r@[192.0.2.1>", "501 5.1.3")),
    (37, "a domain literal that is none", *rcpt(b"<r@[192.0.2.256]>", "501 5.1.3")),
    (37, "a path of 257 octets", *rcpt(b"<r@" + b"d" * 253 + b">", "501 5.1.3")),
    (37, "a path of 256 octets", *rcpt(b"<r@" + b"d" * 252 + b">", "250")),
    (37, "quoted pairs", *rcpt(b'<"a\\"b\\\\c\\>"@example.org>', "250")),
    (37, "an at sign and a bracket in quotes", *rcpt(b'<"a>@b"@example.org>', "250")),
    (37, "a control character in quotes", *mail(b'<"a\x01"@b>', "501 5.5.2")),
    (37, "NUL in an address", *mail(b"<a\0@b>", "501 5.5.2")),
    (37, "CR inside quotes", *mail(b'<"a\rRCPT TO:<x@y>"@b>', "501 5.5.2")),
    (37, "LF inside quotes", E + b'MAIL FROM:<"a\nRCPT TO:<x@y>"@b>\r\n', ["250", "500 5.5.2"], [], CLOSES),
    (37, "a source route is dropped", *rcpt(b"<@a.example,@b.example:r@example.org>", "250")),
    (37, "a source route that is broken", *rcpt(b"<@a.example,:r@example.org>", "501 5.1.3")),
    (37, "an escape sequence behind the path", *mail(b"<a@b> \x1b[31m", "501 5.5.2")),
    (37, "NUL in a command", E + b"NO\0OP\r\n\0\r\n", ["250", "501 5.5.2", "501 5.5.2"], [], OPEN),
    (37, "CR in a command", E + b"NOOP\rMAIL FROM:<evil@b>\r\n", ["250", "501 5.5.2"], [], OPEN),
    (37, "LF in a command", E + b"NOOP\nMAIL FROM:<evil@b>\r\n", ["250", "500 5.5.2"], [], CLOSES),
    (37, "a command that takes no argument", E + b"DATA x\r\nRSET x\r\nQUIT x\r\n", ["250"] + ["501 5.5.4"] * 3, [], OPEN),
    (37, "an empty line", E + b"\r\n" + M, ["250", "500", "250"], [], OPEN),
    (38, "octets above 0x7f in an address", E + b"MAIL FROM:<\xff\xfe@b>\r\n" + M, ["250", "501 5.1.7", "250"], [], OPEN),
    (38, "octets above 0x7f for a command", E + b"\x80\x81\x82\r\n" + M, ["250", "501 5.5.2", "250"], [], OPEN),
    (38, "octets above 0x7f in EHLO", E + b"EHLO m\xfcnchen\r\n" + M, ["250", "501 5.5.2", "250"], [], OPEN),
    (38, "invalid UTF-8 with SMTPUTF8", *mail(b"<a\xff@b> SMTPUTF8", "501 5.1.7")),
    (38, "overlong UTF-8 with SMTPUTF8", *mail(b"<a\xc0\xaf@b> SMTPUTF8", "501 5.1.7")),
    (38, "a surrogate with SMTPUTF8", *mail(b"<a\xed\xa0\x80@b> SMTPUTF8", "501 5.1.7")),
    (39, "a UTF-8 address without SMTPUTF8", *mail("<\u00f6@b.example>".encode(), "553 5.6.7")),
    (39, "a UTF-8 recipient without SMTPUTF8", *rcpt("<r@\u00f6.example>".encode(), "553 5.6.7")),
    (39, "a UTF-8 source route without SMTPUTF8", *rcpt("<@\u00f6.example:r@example.org>".encode(), "553 5.6.7")),
    (39, "a UTF-8 source route with SMTPUTF8", E + b"MAIL FROM:<s@example.org> SMTPUTF8\r\n" +
     "RCPT TO:<@\u00f6.example:r@example.org>\r\n".encode(), ["250"] * 3, [], OPEN),
    (39, "a UTF-8 address with SMTPUTF8", *mail("<\u00f6@b.example> SMTPUTF8".encode(), "250")),

    (40, "format strings and paths in addresses", E + b"MAIL FROM:<%s%n{}'../|`$x@b>\r\n" +
     b'RCPT TO:<"../../x"@example.org>\r\n' + D + b"x" + END, BEGUN + ["250"], [b"x\r\n"], OPEN),
    (40, "escapes and invalid UTF-8 in content", MAIL + H + b"\x1b[2J%s%n\xff\xfe{}\"'\\u0000" + END, BEGUN + ["250"],
     [H + b"\x1b[2J%s%n\xff\xfe{}\"'\\u0000\r\n"], OPEN),
    (40, "an escape sequence in EHLO", b"EHLO \x1b[2J\r\n" + M, ["501", "250"], [], OPEN),
    (40, "what turns text around, in an address", *mail("<a\u202eb@c.example> SMTPUTF8".encode(), "250")),
    (40, "NUL in content", MAIL + H + b"a\0b\0" + END, BEGUN + ["250"], [H + b"a\0b\0\r\n"], OPEN),
    (41, "a header of 100 KB", MAIL + b"X: " + b"y" * 100_000 + END, BEGUN + ["250"], [b"X: " + b"y" * 100_000 + b"\r\n"], OPEN),
    (41, "100,000 lines of header", MAIL + b"X: y\r\n" * 100_000 + END, BEGUN + ["250"], [b"X: y\r\n" * 100_000 + b"\r\n"], OPEN),
    (41, "MIME 10,000 deep", MAIL + NESTED + END, BEGUN + ["250"], [NESTED + b"\r\n"], OPEN),
    (42, "a first line From", MAIL + b"From x\r\n\r\nbody" + END, BEGUN + ["250"], [b"From x\r\n\r\nbody\r\n"], OPEN),
    (43, "an HTTP request", b"GET / HTTP/1.1\r\nHost: mx\r\n\r\n", ["554 5.5.0"], [], CLOSES),
    (43, "an HTTP request that carries a mail", b"POST / HTTP/1.1\r\n" + MAIL + b"x" + END, ["554 5.5.0"], [], CLOSES),
    (43, "a TLS hello", b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03" + bytes(range(200)), ["554 5.5.0"], [], CLOSES),
    (43, "random bytes", random.Random(43).randbytes(300), ["554 5.5.0"], [], CLOSES),
    (43, "every byte", b"\x80" + bytes(range(256)), ["554 5.5.0"], [], CLOSES),
    (43, "NUL without end", b"\0" * 5000, ["554 5.5.0"], [], CLOSES),
    (47, "101 Received headers", MAIL + RECEIVED * 101 + H + b"x" + END, BEGUN + ["554 5.4.6"], [], OPEN),
    (47, "100 Received headers", MAIL + RECEIVED * 100 + END, BEGUN + ["250"], [RECEIVED * 100 + b"\r\n"], OPEN),
    (47, "101 Received headers in chunks", EMR + bdat(RECEIVED * 60, False) + bdat(RECEIVED * 41) + b"NOOP\r\n",
     READY + ["250", "554 5.4.6", "250"], [], OPEN),
    (48, "PROXY", b"PROXY TCP4 192.0.2.1 192.0.2.2 1 25\r\n" + E, ["500", "250"], [], OPEN),
    (48, "PROXY v2", b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x7f\0\0\1\x7f\0\0\1\0\1\0\x19" + E, ["500", "500", "554 5.5.0"], [], CLOSES),
    (48, "XCLIENT", E + b"XCLIENT ADDR=192.0.2.1\r\nXFORWARD ADDR=192.0.2.1\r\n", ["250", "550", "502"], [], OPEN),

    # Inputs that are not in the list.
    (0, "QUIT, and more behind it", E + b"QUIT\r\n" + M, ["250", "221"], [], CLOSES),
    (0, "three mails in one packet", E + (M + R + D + H + b"x" + END) * 3, ["250"] + ["250", "250", "354", "250"] * 3,
     [H + b"x\r\n"] * 3, OPEN),
    (0, "two transactions, the first one reset", EMR + b"RSET\r\n" + M + R + D + b"x" + END,
     READY + ["250", "250", "250", "354", "250"], [b"x\r\n"], OPEN),
    (0, "LHLO in SMTP", L + E, ["500 5.5.1", "250"], [], OPEN),
    (0, "EHLO and HELO in LMTP", E + b"HELO c\r\n" + L, ["500 5.5.1", "500 5.5.1", "250"], [], OPEN, "lmtp"),
    (0, "LMTP answers for each recipient", L + M + R + R + b"RCPT TO:<>\r\n" + R + D + b"x" + END,
     ["250"] * 4 + ["501", "250", "354"] + ["250"] * 3, [b"x\r\n"], OPEN, "lmtp"),
    (0, "LMTP answers a loop for each recipient", L + M + R + R + D + RECEIVED * 101 + END,
     ["250"] * 4 + ["354"] + ["554 5.4.6"] * 2, [], OPEN, "lmtp"),
    (0, "LMTP, BDAT with two recipients", L + M + R + R + bdat(b"a\r\n", False) + bdat(b"b\r\n"),
     ["250"] * 4 + ["250"] + ["250"] * 2, [b"a\r\nb\r\n"], OPEN, "lmtp"),
    (0, "EXPN, TURN, ETRN, SEND", E + b"EXPN x\r\nTURN\r\nETRN x\r\nSEND FROM:<a@b>\r\n", ["250"] + ["502"] * 4, [], OPEN),
    (0, "old clients: a space, no brackets, no EHLO", b"mail from: s@example.org\r\nrcpt to: r@example.org\r\ndata\r\nx" + END,
     ["250", "250", "354", "250"], [b"x\r\n"], OPEN),
]


@dataclasses.dataclass(frozen=True)
class Row:
    number: int
    name: str
    sent: bytes
    replies: list
    stored: list
    end: str
    listener: str = "mx"

    def __str__(self):
        return f"{self.number} {self.name}"


TABLE = [Row(*row) for row in ROWS]
EVERY = 420          # inputs up to this many bytes are cut at every one of them


def cuts_of(sent):
    """Where an input is cut in two: at every byte; a long one where commands, buffers and ends are, and at
    random."""
    size = len(sent)
    if size <= EVERY:
        return list(range(1, size))
    near = [1, 2047, 2048, 2049, 65536, *range(size - 5, size)]
    at_random = [random.Random(size).randrange(1, size) for _ in range(60 if size < 100_000 else 2)]
    return sorted({cut for cut in near + at_random if cut < size})
