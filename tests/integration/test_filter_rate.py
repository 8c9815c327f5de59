# SPDX-License-Identifier: Apache-2.0
"""filter_rate in the real daemon."""
import signal
import threading

from support.hostile import H
from support.plugin_pages import check_examples, check_options
from support.smtp import Client, queued_id
from support.wait import wait_until


def configuration(limits, workers=2, **options):
    return {"server": {"hostname": "mx.test.example", "workers": workers},
            "plugin": {"rate": {"use": "filter_rate", "options": {"limits": limits, **options}}},
            "chain": {"default": {"steps": ["rate", "spool"]}}}


def test_the_page_has_the_options_and_its_example_is_right(tmp_path):
    check_options("filter_rate", "filter-rate.md")
    check_examples("filter-rate.md", tmp_path)


def test_connections_beyond_the_rate_get_421_and_other_clients_none(daemon):
    server = daemon(configuration([{"per": "client", "count": "connections", "rate": "5/1h"}], workers=4))
    replies = []
    for _ in range(12):
        with Client(server.address()) as client:
            replies.append(client.reply()[:9])
    assert replies == ["220 mx.te"] * 5 + ["421 4.7.0"] * 7  # one count for all workers
    with Client(server.address(), source="127.0.0.2") as client:
        client.expect(220)


def test_messages_recipients_and_bytes_get_450(daemon):
    server = daemon(configuration([
        {"per": "sender", "count": "messages", "rate": "2/1h"},
        {"per": "recipient", "count": "recipients", "rate": "3/1h", "text": "Busy"},
        {"per": "sender_domain", "count": "bytes", "rate": "1KiB/1h"}]))
    with server.client() as client:
        client.command("EHLO client.example", 250)
        for _ in range(2):
            client.command("MAIL FROM:<a@example.org>", 250)
            client.command("RSET", 250)
        client.command("MAIL FROM:<A@Example.Org>", "450 4.7.1 Rate limit exceeded, try again later")
        client.command("MAIL FROM:<b@example.org>", 250)
        for _ in range(3):
            client.command("RCPT TO:<r@example.org>", 250)
        client.command("RCPT TO:<r@example.org>", "450 4.7.1 Busy")
        client.command("RCPT TO:<other@example.org>", 250)
        queued_id(client.data(H + b"x" * 2000 + b"\r\n"))
        client.command("MAIL FROM:<b@example.org>", "450 4.7.1")
        client.command("MAIL FROM:<b@example.net>", 250)
    wait_until(lambda: "limits[2]: 1KiB/1h bytes per sender_domain" in str(server.log_lines()), 20,
               "the log to name the limit")


def test_clients_on_all_workers_together_stay_within_the_rate(daemon):
    """The limits of commands and errors are not the subject: many short sessions."""
    server = daemon(configuration([{"per": "client", "count": "messages", "rate": "100/1d"}], workers=4))
    accepted = []

    def flood():
        for _ in range(10):
            with server.client() as client:
                client.command("EHLO client.example", 250)
                for _ in range(5):
                    client.send("MAIL FROM:<s@example.org>\r\nRSET\r\n")
                    accepted.append(client.reply().startswith("250"))
                    client.expect(250)
    threads = [threading.Thread(target=flood) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert (len(accepted), sum(accepted)) == (300, 100)


def test_many_owners_take_no_more_memory_than_the_table_has(daemon):
    server = daemon(configuration([{"per": "sender", "count": "messages", "rate": "1/1d"}], buckets=64))

    def senders(first, count):
        with server.client() as client:
            client.command("EHLO client.example", 250)
            for number in range(first, first + count):
                client.send(f"MAIL FROM:<s{number}@example.org>\r\nRSET\r\n")
                client.expect(250)
                client.expect(250)
    senders(0, 50)
    before = server.memory()
    for session in range(1, 60):
        senders(session * 50, 50)
    assert server.memory() - before < 8 * 1024 * 1024


def test_dry_run_refuses_nothing(daemon):
    server = daemon(configuration([{"per": "client", "count": "messages", "rate": "1/1h"}], dry_run=True))
    with server.client() as client:
        for _ in range(3):
            client.envelope()
            queued_id(client.data(H + b"x\r\n"))
    assert server.wait_log("would limit")["limit"] == "limits[0]: 1/1h messages per client"


def test_tables_beyond_the_memory_are_found_by_check_and_by_a_reload(daemon):
    limits = [{"per": "client", "count": "messages", "rate": "1/1h"}]
    server = daemon(configuration(limits, buckets=1000))
    server.config["plugin"]["rate"]["options"]["buckets"] = 16_000_000
    server.write_config()
    line = next(number for number, text in enumerate(server.config_file.read_text().splitlines(), 1)
                if "buckets" in text)
    said = server.cli("check", "--config", server.config_file, check=2).stderr
    assert f"{server.config_file}:{line}:" in said and "limits.memory, which is 48MiB" in said, said
    server.process.signal(signal.SIGHUP)
    failed = server.wait_log("reload_failed")
    assert failed["line"] == line and "the tables of filter_rate take" in failed["why"], failed
    server.config["limits"]["memory"] = "512MiB"
    server.write_config()
    server.cli("check", "--config", server.config_file, check=0)
