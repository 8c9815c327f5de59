# SPDX-License-Identifier: Apache-2.0
"""The hostile inputs of support/hostile.py, each whole and cut in two, and tests that a table cannot express.

14 is how they are played. 29 is below, 44 and 45 are in test_limits.py, 46 is in test_floods.py; there is no 16."""
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from support.daemon import sanitized
from support.hostile import BEGUN, CLOSES, FIN, H, MAIL, OPEN, TABLE, cuts_of
from support.smtp import Client, queued_id
from support.wait import free_ports, wait_until

LISTENERS = [{"name": "mx"}, {"name": "lmtp", "protocol": "lmtp"}, {"name": "lf", "bare_lf": "normalize"},
             {"name": "late", "greet_delay": "20s"}]
CONFIG = {"listener": [{"address": "127.0.0.1:0", "chain": "default", **each} for each in LISTENERS],
          "limits": {"message_size": "10MiB", "connections_per_peer": 1000}, "log": {"level": "info"}}
MOST = 128 << 20


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    from support.daemon import Daemon
    made = Daemon(tmp_path_factory.mktemp("hostile"), CONFIG).start()
    yield made
    made.check_clean()


@pytest.fixture
def server(shared):
    """With an empty spool."""
    for each in shared.spool.files():
        each.unlink()
    return shared


def send(client, row, cut):
    try:
        if cut is None:
            client.send(row.sent)
        else:
            client.send_split(row.sent, cut)
        if row.end == FIN:
            client.finish()
    except OSError:
        assert row.end == CLOSES, "the server closed too early"


def play(server, row, cut=None):
    """Sends the input, in one piece or two, and returns the replies."""
    with Client(server.address(row.listener), timeout=60) as client:
        if row.listener != "late":
            client.expect(220)
        send(client, row, cut)
        got = [client.reply() for _ in row.replies]
        if row.end == OPEN:
            client.command("NOOP", 250)
            client.send(b"QUIT\r\n")
            client.expect(221)
        client.expect_close()
        return got


def check(server, row, cut=None):
    """The row's replies came, and the messages with 250 are stored byte for byte."""
    how = "whole" if cut is None else f"cut at {cut}"
    got = play(server, row, cut)
    for number, (reply, expected) in enumerate(zip(got, row.replies), 1):
        assert reply.startswith(expected), f"{how}: reply {number} is {reply!r}, not {expected}: {got[-9:]}"
    ids = dict.fromkeys(queued_id(reply) for reply in got if "queued as" in reply)
    assert len(ids) == len(row.stored), how
    for each, content in zip(ids, row.stored):
        stored = server.spool.message(each)
        assert stored.content == content, how
        stored.path.unlink()


@pytest.mark.parametrize("row", TABLE, ids=str)
def test_each_input_gets_its_replies_whole_and_cut_anywhere(server, row):
    check(server, row)
    threads = 8 if len(row.sent) < 1_000_000 else 2
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda cut: check(server, row, cut), cuts_of(row.sent)))
    assert len(server.spool) == 0, "more is stored than was told"
    assert server.memory() < MOST or sanitized()


@pytest.mark.parametrize("row", [row for row in TABLE if len(row.sent) <= 2000], ids=str)
def test_each_input_that_breaks_off_stores_only_acknowledged_messages(server, row):
    """Cut off anywhere, by FIN or by a reset: the connection ends, and only whole messages are stored."""
    def broken(cut):
        with Client(server.address(row.listener), timeout=60) as client:
            client.send(row.sent[:cut])
            client.finish()
            return [line for line in client.until_close() if b"queued as" in line]

    with ThreadPoolExecutor(8) as pool:
        told = {line for lines in pool.map(broken, range(1, len(row.sent), 5)) for line in lines}
    assert {line.rsplit(b" ", 1)[1].decode() for line in told} == set(server.spool.ids())


def test_25_thousands_of_tiny_chunks_take_bounded_memory(server):
    before = server.memory()
    with server.client(timeout=60) as client:
        client.envelope()
        for _ in range(20):
            client.send(b"BDAT 1\r\nx" * 1000)
            for _ in range(1000):
                client.expect(250)
        client.send(b"BDAT 2 LAST\r\n\r\n")
        message_id = queued_id(client.reply())
    assert server.spool.message(message_id).content == b"x" * 20_000 + b"\r\n"
    assert server.memory() - before < 32 << 20 or sanitized()


@pytest.mark.parametrize("end", ["BDAT 1\r\nx", "BDAT 2\r\nx"], ids=["between chunks", "in a chunk"])
def test_29_a_client_lost_before_its_last_chunk_is_logged(server, end):
    before = len(server.log_lines())
    with server.client() as client:
        client.command("EHLO client.example", 250)
        client.command("MAIL FROM:<a@example.org>", 250)
        client.command("RCPT TO:<b@example.org>", 250)
        client.send(end.encode())
        if end.startswith("BDAT 1"):
            client.expect(250)
    wait_until(lambda: [line for line in server.log_lines()[before:] if line["message"] == "cancelled"], 20,
               "a line that tells of it")


@pytest.mark.parametrize("reset", [False, True], ids=["FIN", "reset"])
def test_29_a_client_lost_after_the_dot_is_logged(server, reset):
    before = len(server.log_lines())
    for _ in range(20):
        with server.client() as client:
            client.send(MAIL)
            for code in BEGUN:
                client.expect(code)
            client.send(H + b"lost after the dot\r\n.\r\n")
            if reset:
                client.reset()

    def ended():
        return [line for line in server.log_lines()[before:] if line["message"] in ("accepted", "cancelled")]

    wait_until(lambda: len(ended()) == 20, 20, lambda: f"a line on each of 20 messages, not {len(ended())}")
    assert sorted(line["id"] for line in ended() if line["message"] == "accepted") == sorted(server.spool.ids())


def test_30_a_command_of_10_MB_takes_no_memory(server):
    before = server.memory()
    with server.client(timeout=60) as client:
        client.send(b"A" * 10_000_000)
        client.expect("500 5.5.2")
        assert server.memory() - before < 4 << 20 or sanitized()


@pytest.mark.parametrize("format", ["json", "text"])
def test_40_nothing_a_client_sends_forges_a_line_of_the_log(daemon, format):
    ports = free_ports(len(LISTENERS))
    listeners = [{**each, "address": f"127.0.0.1:{port}"} for each, port in zip(CONFIG["listener"], ports)]
    made = daemon({**CONFIG, "listener": listeners, "log": {"format": format, "level": "debug"}}, started=False)
    made.launch()
    wait_until(lambda: made.log.exists() and b"ready" in made.log.read_bytes(), 20, "the daemon to be ready")
    made.listens_at({each["name"]: ("127.0.0.1", port) for each, port in zip(listeners, ports)})
    rows = [row for row in TABLE if row.listener != "late" and len(row.sent) < 5000]
    for row in rows:
        play(made, row)
    made.stop()
    raw = made.log.read_bytes()
    lines = raw.decode("utf-8").splitlines()  # which splits at U+2028 and the like too
    assert len(lines) == raw.count(b"\n")
    assert all(line.isprintable() for line in lines), [line for line in lines if not line.isprintable()][:3]
    year = time.strftime("%Y-", time.gmtime())
    assert all(line.startswith(year if format == "text" else '{"') for line in lines)
    assert format == "text" or len(made.log_lines("refused")) > 100
