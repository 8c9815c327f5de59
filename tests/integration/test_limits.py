# SPDX-License-Identifier: Apache-2.0
"""Every limit holds, gives its reply, and leaves the daemon serving."""
import select

import pytest

from support.hostile import H
from support.smtp import Client, queued_id
from support.wait import wait_until


def deliver(server, content=H + b"x\r\n"):
    with server.client() as client:
        client.envelope()
        return queued_id(client.data(content))


def test_ehlo_announces_what_is_offered_and_the_size_limit(daemon):
    server = daemon({"limits": {"message_size": "1MiB", "recipients": 7}})
    with server.client() as client:
        client.send(b"EHLO c.example\r\n")
        lines = [line[4:] for line in client.reply_lines()]
    assert {"PIPELINING", "SIZE 1048576", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", "CHUNKING",
            "BINARYMIME", "DSN"} <= set(lines)
    assert any(line.startswith("LIMITS ") and "RCPTMAX=7" in line for line in lines)
    assert not any(line.startswith(("STARTTLS", "AUTH")) for line in lines)


def test_ehlo_size_is_the_smallest_limit_in_force(daemon):
    server = daemon({"limits": {"message_size": "1MiB"},
                     "plugin": {"size": {"use": "filter_size", "options": {"max": "100KiB"}}},
                     "chain": {"default": {"steps": ["size", "spool"]}}})
    with server.client() as client:
        client.send(b"EHLO c.example\r\n")
        assert any("SIZE 102400" in line for line in client.reply_lines())
        client.command("MAIL FROM:<s@example.org> SIZE=102401", "552 5.3.4")
        client.command("MAIL FROM:<s@example.org> SIZE=102400", 250)


@pytest.mark.parametrize("by", ["data", "bdat"])
def test_33_a_body_over_the_limit_is_refused_after_draining(daemon, by):
    server = daemon({"limits": {"message_size": "10KiB"}})
    with server.client() as client:
        client.envelope()
        assert getattr(client, by)(H + b"x" * 15_000 + b"\r\n").startswith("552 5.3.4")
        client.envelope()
        queued_id(client.data(H + b"x" * 10_000 + b"\r\n"))
    assert len(server.spool) == 1


def test_34_a_recipient_over_the_limit_is_refused_and_the_others_kept(daemon):
    server = daemon({"limits": {"recipients": 3}})
    with server.client() as client:
        client.envelope(recipients=[f"r{n}@example.org" for n in range(3)])
        client.command("RCPT TO:<r3@example.org>", "452 4.5.3")
        queued_id(client.data(H + b"x\r\n"))
    assert server.spool.only().json["recipients"] == [f"<r{n}@example.org>" for n in range(3)]


@pytest.mark.parametrize("command", ["NOOP", "RSET", "VRFY x"])
def test_35_commands_that_carry_no_mail_forward_are_counted(daemon, command):
    server = daemon({"limits": {"commands": 50}})
    with server.client() as client:
        client.command("EHLO c.example", 250)
        replies = []
        for _ in range(60):
            client.send(command.encode() + b"\r\n")
            replies.append(client.reply())
            if replies[-1].startswith("421"):
                break
        assert replies[-1].startswith("421 4.7.0") and 45 <= len(replies) <= 51
        client.expect_close()
    deliver(server)


def test_35_errors_are_counted(daemon):
    server = daemon({"limits": {"errors": 5}})
    with server.client() as client:
        client.send(b"NONSENSE\r\n" * 10)
        replies = [client.reply() for _ in range(5)]
        assert all(reply.startswith(("500", "421")) for reply in replies)
        while not replies[-1].startswith("421"):
            replies.append(client.reply())
        assert len(replies) <= 6
    deliver(server)


def test_a_connection_over_the_limit_of_its_peer_gets_421(daemon):
    server = daemon({"limits": {"connections_per_peer": 5}})
    held = [server.client() for _ in range(5)]
    with Client(server.address()) as client:
        client.expect("421 4.")
        client.expect_close()
    held.pop().close()

    def served():
        with Client(server.address()) as client:
            return client.reply().startswith("220")

    wait_until(served, 20, "a place to be free again")
    for client in held:
        client.close()


def test_a_connection_over_the_total_limit_gets_421(daemon):
    server = daemon({"limits": {"connections": 5}})
    held = [server.client() for _ in range(5)]
    with Client(server.address()) as client:
        client.expect("421 4.3.2")
        client.expect_close()
    for client in held:
        client.command("NOOP", 250)
        client.close()


@pytest.mark.parametrize("timeouts, sent", [
    ({"command": "1s"}, b""),
    ({"command": "1s"}, b"EHLO c.ex"),
    ({"session": "1s"}, b"EHLO c.example\r\n"),
], ids=["no command", "half a command", "session"])
def test_44_a_client_that_is_too_slow_gets_421(daemon, timeouts, sent):
    server = daemon({"timeouts": timeouts})
    with server.client() as client:
        client.send(sent)
        reply = client.reply()
        if reply.startswith("250"):
            reply = client.reply()
        assert reply.startswith("421 4.4.2")
        client.expect_close()


def test_44_silence_inside_data_gets_421_and_stores_nothing(daemon):
    server = daemon({"timeouts": {"data_idle": "1s"}})
    with server.client() as client:
        client.envelope()
        client.command("DATA", 354)
        client.send(H + b"half")
        client.expect("421 4.4.2")
        client.expect_close()
    assert len(server.spool) == 0


def test_44_a_command_of_one_byte_at_a_time_has_the_time_of_one_command(daemon):
    server = daemon({"timeouts": {"command": "1s"}})
    with server.client() as client:
        client.command("EHLO c.example", 250)
        while not select.select([client.socket], [], [], 0.1)[0]:
            client.send(b"x")
        client.expect("421 4.4.2")
        client.expect_close()


# However much the system takes: with the larger limit all is left to the timeout.
@pytest.mark.parametrize("unread", ["64KiB", "1GiB"])
def test_45_a_client_that_never_reads_its_replies_is_not_read_from_and_cut_off_in_time(daemon, unread):
    server = daemon({"limits": {"commands": 1_000_000, "unread_replies": unread}, "timeouts": {"command": "2s"}})
    client = server.client(receive_buffer=4096)
    with pytest.raises(ConnectionError):
        for _ in range(100_000):
            client.send(b"HELP\r\n" * 1000)
    client.close()
    server.wait_log("closed", why="timeouts.command passed")
    deliver(server)


def test_memory_and_spill_used_up_gives_452_and_recovers(daemon):
    server = daemon({"limits": {"memory": "1MiB", "spill": "1MiB", "message_size": "8MiB"}})
    with server.client(timeout=60) as client:
        client.envelope()
        client.command("DATA", 354)
        try:
            client.send((b"x" * 998 + b"\r\n") * 6000 + b".\r\n")
        except ConnectionError:
            pass
        reply = client.reply()
        assert reply.startswith(("452 4.3.1", "421 4.3")), reply
    wait_until(lambda: deliver(server), 20, "the next message")
    assert len(server.spool) == 1
