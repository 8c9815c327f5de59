# SPDX-License-Identifier: Apache-2.0
"""Floods against the default limits: memory stays below what P4 says, a well-behaved client is served beside
them, and memory and descriptors are back at the baseline afterwards.

LSMTPD_LONG=1 makes every flood as large as the limits allow; without it those that take long are smaller. The
figures are printed. Asserted are memory, descriptors and, in a build with optimisation, ratios of two times of one run.
"""
import os
import socket

import pytest

from support.daemon import Daemon, sanitized, unoptimised
from support.flood import (MAIL_OF_4_KB, PER_ADDRESS, Crowd, Gauge, Regular, allow_descriptors, can_vanish,
                           percentile)
from support.hostile import E, END, H, M, MAIL
from support.smtp import Client, queued_id, stuff
from support.wait import wait_until

LONG = os.environ.get("LSMTPD_LONG") == "1"
MIB = 1 << 20
MOST = 128 * MIB         # P4
EVERYBODY = 9_900        # of limits.connections, which leaves room for the others
LONG_RECIPIENTS = b"".join(b"RCPT TO:<%s%d@%s.example> ORCPT=rfc822;%s\r\n" % (b"r" * 50, n, b"d" * 150, b"o" * 480)
                           for n in range(1000))


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """With the default limits."""
    if not allow_descriptors(EVERYBODY + 500):
        pytest.skip(f"this process may not have {EVERYBODY + 500} descriptors")
    folder = tmp_path_factory.mktemp("floods")
    made = Daemon(folder, {"server": {"workers": 0}, "limits": {"message_size": "10MiB"}, "log": {"level": "info"}})
    made.start()
    yield made
    made.check_clean()


@pytest.fixture(scope="module")
def regular(server):
    with Regular(server) as made:
        made.measure(20)
        yield made


@pytest.fixture(scope="module")
def baseline(server, regular):
    """(bytes resident, descriptors) of a daemon that has served a few mails."""
    gauge = Gauge(server)
    return gauge.resident(), gauge.descriptors()


@pytest.fixture(scope="module")
def figures():
    rows = []
    yield rows
    columns = ("flood", "clients", "peak MiB", "descriptors", "mails beside it", "of them 250",
               "p50 ms before", "p99", "p50 during", "p99")
    table = [columns, *rows]
    widths = [max(len(str(row[n])) for row in table) for n in range(len(columns))]
    print("\n" + "\n".join("  ".join(str(cell).rjust(width) if n else str(cell).ljust(width)
                                     for n, (cell, width) in enumerate(zip(row, widths))) for row in table))


class Beside:
    """Measures the daemon and the well-behaved client while its block runs, and adds a row of figures."""

    def __init__(self, server, regular, figures, name, clients, fair=True):
        self.gauge = Gauge(server)
        self._regular, self._figures, self._name, self._clients = regular, figures, name, clients
        self._fair = fair
        self._descriptors = 0

    def note(self):
        """Takes down how many descriptors there are now."""
        self._descriptors = max(self._descriptors, self.gauge.descriptors())

    def __enter__(self):
        self._before, replies = self._regular.measure(20)
        assert all(reply.startswith("250") for reply in replies), replies
        self.gauge.start_over()
        self._regular.begin()
        return self

    def __exit__(self, kind, *_):
        times, replies = self._regular.end()
        if kind:
            return
        self.worst = times[-1]
        peak = self.gauge.peak()
        served = sum(reply.startswith("250") for reply in replies)
        milliseconds = [f"{percentile(each, share) * 1000:.1f}" for each in (self._before, times)
                        for share in (0.5, 0.99)]
        self._figures.append((self._name, self._clients, f"{peak / MIB:.1f}", self._descriptors, len(replies), served,
                              *milliseconds))
        allowed = ("250",) if self._fair else ("250", "421", "452")
        assert not [reply for reply in replies if not reply.startswith(allowed)]
        assert peak < MOST or sanitized(), f"{peak / MIB:.1f} MiB"


def wait_for_descriptors(server, baseline, seconds=60):
    wait_until(lambda: server.descriptors() <= baseline[1] + 2, seconds,
               lambda: f"{server.descriptors()} descriptors to become {baseline[1]}")


def settled(gauge, seconds=60):
    """Waits until the daemon's memory does not grow any more. The address sanitizer keeps freed memory: each mail of
    the regular client adds to that."""
    last = [0]
    noise = 4 * MIB if sanitized() else 0

    def still():
        before, last[0] = last[0], gauge.resident()
        return last[0] <= before + noise

    wait_until(still, seconds, "the daemon's memory to stand still", 0.5)


# (name, clients, without LSMTPD_LONG, what each sends, their receive buffer, whether others must be served)
FLOODS = [
    ("idle", EVERYBODY, EVERYBODY, b"", None, True),
    ("half a command", EVERYBODY, EVERYBODY, b"NOOP " + b"x" * 2040, None, True),
    ("the longest sender and half a command", EVERYBODY, EVERYBODY,
     b"EHLO " + b"h" * 250 + b"\r\nMAIL FROM:<" + b"s" * 230 + b"@example.org> ENVID=" + b"x" * 100 + b" " * 1600 +
     b"RET=HDRS\r\nNOOP " + b"x" * 2040, None, True),
    ("4 KB of data", EVERYBODY, EVERYBODY, MAIL + H + b"x" * 4000, None, True),
    ("64 KB of data", EVERYBODY, 1_000, MAIL + H + (b"x" * 998 + b"\r\n") * 64, None, True),
    ("1,000 short recipients", EVERYBODY, 1_000, E + M + b"RCPT TO:<a@b>\r\n" * 1000, None, False),
    ("1,000 long recipients", EVERYBODY, 1_000, E + M + LONG_RECIPIENTS, None, False),
    ("replies that are never read", EVERYBODY, 4_000, E * 3000, 4096, False),
    ("a mail of 4 KB at once", EVERYBODY, 4_000, MAIL + stuff(MAIL_OF_4_KB), None, False),
    # One peer has limits.connections_per_peer, and cannot take everything from the others.
    ("long recipients of one peer", PER_ADDRESS, PER_ADDRESS, E + M + LONG_RECIPIENTS, None, True),
    ("recipients of eight peers", 8 * PER_ADDRESS - 40, 8 * PER_ADDRESS - 40, E + M + b"RCPT TO:<a@b>\r\n" * 1000, None,
     True),
    ("1 MB of data of one peer", PER_ADDRESS, PER_ADDRESS, MAIL + H + (b"x" * 998 + b"\r\n") * 1000, None, True),
    ("replies that one peer never reads", PER_ADDRESS, PER_ADDRESS, E * 3000, 4096, True),
]


def test_each_idle_connection_costs_less_than_4_KiB(server, baseline):
    gauge = Gauge(server)
    before = gauge.resident()
    with Crowd(server, EVERYBODY):
        each = (gauge.resident() - before) / EVERYBODY
    print(f"\n{each:.0f} bytes for each idle connection")
    assert each < 4096 or sanitized()
    wait_for_descriptors(server, baseline)


@pytest.mark.parametrize("name, full, quick, sent, buffer, fair", FLOODS, ids=[each[0] for each in FLOODS])
def test_memory_is_bounded_and_others_are_served(server, regular, baseline, figures, name, full, quick, sent,
                                                 buffer, fair):
    count = full if LONG else quick
    with Beside(server, regular, figures, name, count, fair) as beside:
        with Crowd(server, count, receive_buffer=buffer) as crowd:
            crowd.send_all(sent)
            settled(beside.gauge)
            beside.note()
    wait_for_descriptors(server, baseline)
    _, replies = regular.measure(10)
    assert all(reply.startswith("250") for reply in replies), replies


def spilled_crowd_that_sends(server, regular, figures, name, data):
    """How long the worst mail of the well-behaved client took beside 500 clients whose bodies are in files, while
    they send data."""
    before = server.descriptors()
    with Crowd(server, 500) as crowd:
        crowd.send_all(MAIL + H + (b"x" * 998 + b"\r\n") * 100)
        settled(Gauge(server))
        with Beside(server, regular, figures, name, len(crowd)) as beside:
            for _ in range(16 if LONG else 1):
                crowd.send_all(data)
    wait_until(lambda: server.descriptors() <= before + 2, 60, "the crowd to be gone")
    return beside.worst


def test_short_lines_of_spilled_bodies_cost_others_no_more_than_long_ones(server, regular, baseline, figures):
    """Each line is a piece of the body: with a chunk and a write of its own each took 430 MB and 28 s."""
    long_lines = spilled_crowd_that_sends(server, regular, figures, "spilled, long lines", (b"x" * 998 + b"\r\n") * 64)
    short_lines = spilled_crowd_that_sends(server, regular, figures, "spilled, short lines", b"..\r\n" * 4_000)
    assert short_lines < max(5 * long_lines, 1) or unoptimised(), (short_lines, long_lines)
    wait_for_descriptors(server, baseline)


def test_bare_line_feeds_of_spilled_bodies_cost_others_no_more_than_long_lines(tmp_path):
    if not allow_descriptors(1000):
        pytest.skip("this process may not have 1000 descriptors")
    made = Daemon(tmp_path, {"listener": [{"name": "mx", "address": "127.0.0.1:0", "bare_lf": "normalize"}],
                             "limits": {"message_size": "10MiB"}})
    made.start()
    try:
        with Regular(made) as regular:
            regular.measure(20)
            long_lines = spilled_crowd_that_sends(made, regular, [], "", (b"x" * 998 + b"\r\n") * 64)
            bare = spilled_crowd_that_sends(made, regular, [], "", b"\n" * 8_000)
        assert bare < max(5 * long_lines, 1) or unoptimised(), (bare, long_lines)
    finally:
        made.check_clean()


def test_100_largest_messages_at_once_arrive_whole(server, regular, baseline, figures):
    mail = H + (b"y" * 998 + b"\r\n") * 10_000
    stuffed = stuff(mail)
    with Beside(server, regular, figures, "messages of 10 MB", 100) as beside:
        # From an address of their own: they take all of its limits.connections_per_peer.
        clients = [server.client(timeout=300, source="127.2.0.1") for _ in range(100)]
        for client in clients:
            client.envelope()
            client.command("DATA", 354)
        for part in (stuffed[:len(stuffed) // 2], stuffed[len(stuffed) // 2:]):
            for client in clients:
                client.send(part)
        beside.note()
        for client in clients:
            message = server.spool.message(queued_id(client.reply()))
            assert message.content == mail
            message.path.unlink()
            client.close()
    wait_for_descriptors(server, baseline)


def test_1000_clients_that_trickle_are_cut_off(server, regular, baseline, figures):
    """44. One byte a second, never silent: slower than limits.data_rate, which is noticed after 30 s."""
    with Beside(server, regular, figures, "a byte a second of data", 1000) as beside:
        with Crowd(server, 1000) as crowd:
            crowd.send_all(MAIL)
            crowd.count_replies(b"354", 60, 1000)
            beside.note()
            told = crowd.count_replies(b"421 4.4.2", 90, 1000, meanwhile=lambda: crowd.send(b"x"), every=1)
            assert told == 1000
    wait_for_descriptors(server, baseline)


@pytest.mark.parametrize("name, sent, reset", [
    ("connect and close", b"", False), ("connect and reset", b"", True),
    ("reset behind the dot", MAIL + H + b"x" + END, True), ("reset with replies queued", E * 400, True),
    ("close inside data", MAIL + H + b"x", False)], ids=lambda value: value if isinstance(value, str) else "")
def test_46_a_storm_leaves_nothing_behind(server, regular, baseline, figures, name, sent, reset):
    count = 30_000 if LONG else 3_000
    with Beside(server, regular, figures, name, count, fair=False) as beside:
        for _ in range(count // 500):
            crowd = Crowd(server, 500, greeted=False)
            crowd.send(sent)
            beside.note()
            crowd.close(reset)
    wait_for_descriptors(server, baseline)
    _, replies = regular.measure(10)
    assert all(reply.startswith("250") for reply in replies), replies


def test_two_peers_that_use_up_the_spill_leave_others_room(daemon):
    made = daemon({"limits": {"message_size": "10MiB", "memory": "32MiB", "spill": "64MiB"}})
    with Crowd(made, 2 * PER_ADDRESS) as crowd:
        crowd.send_all(MAIL + H + (b"x" * 998 + b"\r\n") * 1000)
        made.wait_log("message_dropped", 60)  # there is no room for all of theirs
        for size in (4_000, 4_000, 100_000) * 3:
            with made.client() as client:
                client.envelope()
                queued_id(client.data(H + (b"y" * 98 + b"\r\n") * (size // 100)))
    wait_until(lambda: made.descriptors() < 100, 60, "the crowd to be gone")


def test_memory_is_back_at_the_baseline(server, baseline):
    gauge = Gauge(server)
    wait_until(lambda: gauge.resident() < baseline[0] + 16 * MIB or sanitized(), 60,
               lambda: f"{gauge.resident() / MIB:.1f} MiB to become {baseline[0] / MIB:.1f}")
    print(f"\nresident: {baseline[0] / MIB:.1f} MiB before the floods, {gauge.resident() / MIB:.1f} after")


def test_45_and_46_a_client_that_never_reads_or_vanishes_is_closed_in_time(daemon):
    made = daemon({"timeouts": {"command": "2s"}, "limits": {"message_size": "10MiB"}})
    gauge = Gauge(made)
    before = gauge.descriptors()
    with Crowd(made, 200, receive_buffer=4096) as crowd:
        crowd.send_all(E * 900)
        wait_until(lambda: gauge.descriptors() <= before + 2, 120,
                   lambda: f"{gauge.descriptors()} descriptors to become {before}")
        wait_until(lambda: len(made.log_lines("closed")) >= 200, 20, "a line for each")
    crowd = Crowd(made, 500)
    crowd.send(E)
    if can_vanish():
        crowd.vanish()
    wait_until(lambda: gauge.descriptors() <= before + 2, 120,
               lambda: f"{gauge.descriptors()} descriptors to become {before}")
    crowd.close()


def test_unusual_use_of_TCP(server):
    """Urgent data is out of band; a closed window delays no other client, nor do both ends that close at once."""
    with server.client() as client:
        client.send(E + b"NO")
        client.socket.send(b"!", socket.MSG_OOB)
        client.send(b"OP\r\n")
        client.expect(250)
        client.expect(250)
    with Client(server.address()) as client:
        client.finish()
        client.expect(220)
        client.expect_close()
    with server.client(receive_buffer=2304) as client:
        client.send(E * 900 + b"QUIT\r\n")
        wait_until(lambda: client.unread() > 1000, 20, "the window to close")
        for _ in range(900):
            client.expect(250)
        client.expect(221)
        client.expect_close()
