"""The hostile inputs of support/hostile.py, each whole and cut in two at every byte."""
from concurrent.futures import ThreadPoolExecutor

import pytest

from support.daemon import sanitized
from support.hostile import BEGUN, CASES, D, E, H, MAIL, M, R, UNSTUFFED
from support.smtp import Closed
from support.wait import wait_until

SHORT = 400      # inputs up to this many bytes are cut at every byte
LIMITS = {"limits": {"errors": 100, "connections_per_peer": 1000}}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    from support.daemon import Daemon
    made = Daemon(tmp_path_factory.mktemp("hostile"), LIMITS).start()
    yield made
    made.check_clean()


def play(server, case, cut=None):
    """Sends the input, in one piece or two, and returns the replies and whether it ended closed."""
    with server.client() as client:
        if cut is None:
            client.send(case.sent)
        else:
            client.send_split(case.sent, cut)
        got = [client.reply() for _ in case.replies]
        if case.end == "closed":
            client.expect_close()
        elif case.end == "open":
            client.send(b"NOOP\r\n")
            client.expect(250)
            client.command("QUIT", 221)
            client.expect_close()
        return got


def check(case, got, how):
    for number, (reply, expected) in enumerate(zip(got, case.replies), 1):
        assert reply.startswith(expected), f"{how}: reply {number} is {reply!r}, not {expected}: {got}"


@pytest.mark.parametrize("case", CASES, ids=str)
def test_each_input_gets_its_replies(server, case):
    before = len(server.spool)
    check(case, play(server, case), "whole")
    assert len(server.spool) - before == case.stored


@pytest.mark.parametrize("case", [case for case in CASES if len(case.sent) <= SHORT], ids=str)
def test_14_each_input_cut_at_every_byte_gets_the_same_replies(server, case):
    before = len(server.spool)
    cuts = range(1, len(case.sent))
    with ThreadPoolExecutor(8) as pool:
        for cut, got in zip(cuts, pool.map(lambda cut: play(server, case, cut), cuts)):
            check(case, got, f"cut at {cut}")
    assert len(server.spool) - before == case.stored * len(cuts)


@pytest.mark.parametrize("name, sent, stored", UNSTUFFED, ids=[each[0] for each in UNSTUFFED])
def test_dots_are_unstuffed_once_wherever_the_input_is_cut(server, name, sent, stored):
    for cut in range(1, len(sent)):
        with server.client() as client:
            client.send(MAIL)
            for code in BEGUN:
                client.expect(code)
            client.send_split(sent, cut)
            reply = client.expect("250")
        message_id = reply.rsplit(" ", 1)[1]
        assert server.spool.message(message_id).content == stored, f"cut at {cut}"


def test_17_what_stands_behind_starttls_is_never_run_before_its_reply(server):
    # STARTTLS is refused here, so what follows in the packet is plain SMTP.
    with server.client() as client:
        client.send(E + b"STARTTLS\r\nNOOP\r\n")
        client.expect(250)
        client.expect(5)
        client.expect(250)


def test_20_a_client_that_talks_before_the_banner_is_turned_away(daemon):
    made = daemon({"listener": [{"name": "mx", "address": "127.0.0.1:0", "chain": "default",
                                 "greet_delay": "2s"}]})
    from support.smtp import Client
    with Client(made.address()) as client:
        client.send(E)
        client.expect("554 5.5.0")
        client.expect_close()


def test_23_after_a_refused_end_of_data_the_transaction_is_over(daemon):
    made = daemon({"limits": {"message_size": "1KiB"}})
    with made.client() as client:
        client.envelope()
        assert client.data(H + b"x" * 1500 + b"\r\n").startswith("552 5.3.4")
        client.command("RCPT TO:<r@example.org>", 503)
        client.command("DATA", 503)
        client.command("NOOP", 250)
    assert len(made.spool) == 0


def test_25_thousands_of_tiny_chunks_take_bounded_memory(server):
    before = server.memory()
    with server.client(timeout=60) as client:
        client.envelope()
        for _ in range(20):
            client.send(b"BDAT 1\r\nx" * 1000)
            for _ in range(1000):
                client.expect(250)
        client.send(b"BDAT 2 LAST\r\n\r\n")
        message_id = client.expect("250 2.0.0 Ok: queued").rsplit(" ", 1)[1]
    assert server.spool.message(message_id).content == b"x" * 20_000 + b"\r\n"
    assert server.memory() - before < 32 << 20 or sanitized()


@pytest.mark.parametrize("ending", ["QUIT", "FIN"])
def test_28_a_client_that_leaves_inside_data_stores_nothing(server, ending):
    before = len(server.spool)
    with server.client() as client:
        client.send(MAIL)
        for code in BEGUN:
            client.expect(code)
        client.send(H + b"half of it\r\n" + (b"QUIT\r\n" if ending == "QUIT" else b""))
        client.finish()
        client.expect_close()
    assert len(server.spool) == before


def test_29_a_client_lost_after_the_dot_is_told_of_in_the_log(server):
    before = len(server.log_lines())
    with server.client() as client:
        client.send(MAIL)
        for code in BEGUN:
            client.expect(code)
        client.send(H + b"lost after the dot\r\n.\r\n")
    # Stored or cancelled, one line says which.
    wait_until(lambda: any(line["message"] in ("accepted", "cancelled", "reply lost", "refused")
                           for line in server.log_lines()[before:]), 20, "a line on the message")


def test_30_a_command_of_10_MB_without_a_line_end(server):
    before = server.memory()
    with server.client(timeout=60) as client:
        try:
            client.send(b"A" * 10_000_000 + b"\r\n")
        except ConnectionError:
            pass
        assert client.reply().startswith("500 5.5.2")
    assert server.memory() - before < 8 << 20 or sanitized()


def test_31_a_line_of_10_MB_is_kept_as_it_is(server):
    mail = H + b"x" * 10_000_000 + b"\r\n"
    with server.client(timeout=60) as client:
        client.envelope()
        message_id = client.data(mail).rsplit(" ", 1)[1]
    assert server.spool.message(message_id).content == mail


def test_40_nothing_a_client_sends_forges_a_line_of_the_log(daemon):
    made = daemon({"log": {"format": "text"}}, started=False)
    made.config["log"]["format"] = "json"
    made.write_config()
    made.start()
    with made.client() as client:
        client.command(b"EHLO a\x1b[31mb\"} {%s%n", 501)
        client.command(b"MAIL FROM:<\"a b%s{}\\\"\"@example.org>", 250)
        client.command(b"RCPT TO:<\"../../x\"@example.org>", 250)
        client.data(H + b"x\r\n")
    made.stop()
    raw = made.log.read_bytes()
    assert b"\x1b" not in raw
    made.log_lines()  # every line is JSON
    assert [each.name for each in made.spool.folder.glob("*.json")] == \
        [f"{made.spool.only().json['message_id']}.json"]


@pytest.mark.parametrize("sent", [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(200)),
                                  bytes(range(256)) * 40, b"\0" * 5000,
                                  b"GET / HTTP/1.1\r\nHost: mx\r\nAccept: */*\r\n\r\n"],
                         ids=["TLS hello", "every byte", "NUL", "HTTP"])
def test_43_what_is_not_smtp_gets_5xx_and_the_server_goes_on(server, sent):
    with server.client() as client:
        try:
            client.send(sent)
            client.finish()
            reply = client.reply()
            assert reply.startswith("5"), reply
            while True:
                assert client.reply()[0] in "54"
        except (Closed, ConnectionError):
            pass
    with server.client() as client:
        client.command("NOOP", 250)


def test_46_a_storm_of_connections_leaves_no_descriptor_behind(server):
    def descriptors():
        return server.descriptors()

    baseline = descriptors()
    for _ in range(5):
        clients = [server.client() for _ in range(100)]
        for number, client in enumerate(clients):
            if number % 2:
                client.socket.setsockopt(1, 13, b"\x01\0\0\0\0\0\0\0")  # SO_LINGER 0: a reset
            client.close()
    wait_until(lambda: descriptors() <= baseline + 2, 20, lambda: f"{descriptors()} descriptors")
