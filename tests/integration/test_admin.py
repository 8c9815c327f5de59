# SPDX-License-Identifier: Apache-2.0
"""The admin server: probes, metrics by parsers and rules that are not ours, status, holds, and what floods of
requests do to it and to mail."""
import os
import pathlib
import shutil
import signal
import socket
import stat
import subprocess
import time

import pytest

from support.admin import Admin
from support.brokers import CACHE
from support.daemon import BINARY, sanitized, unoptimised
from support.recorder import Recorder
from support.wait import wait_until


def start(daemon, changes=None, **keys):
    admin = Admin(**keys)
    server = daemon({**admin.configuration(), **(changes or {})})
    return server, admin.attach(server)


def send(server, to="b@example.org", content="Subject: x\r\n\r\nhello\r\n"):
    with server.smtplib() as smtp:
        return smtp.sendmail("a@example.org", to, content)


def promtool():
    found = shutil.which("promtool") or str(CACHE / "prometheus/usr/bin/promtool")
    if not pathlib.Path(found).exists():
        if os.environ.get("CI"):
            pytest.fail(f"no promtool, and none in {CACHE / 'prometheus'}: run contrib/dev test")
        pytest.skip("no promtool")
    return found


def test_probes_say_live_and_ready_and_a_drain_takes_readiness_at_once(daemon):
    server, admin = start(daemon, {"timeouts": {"drain_delay": "2s"}})
    admin.wait_ready()
    assert admin.get("/livez").json() == {"status": "ok", "reasons": []}
    assert admin.get("/readyz?chain=default").status == 200
    assert admin.get("/readyz?chain=none").status == 404
    assert admin.get("/readyz?scope=nonsense").status == 400
    server.process.signal(signal.SIGTERM)
    refused = wait_until(lambda: next((a for a in [admin.get("/readyz")] if a.status == 503), None), 5,
                         lambda: "readiness to go")
    assert refused.json()["reasons"] == ["the daemon is draining"]
    assert admin.get("/livez").status == 200
    send(server)  # listeners accept for drain_delay
    assert server.process.wait(40) == 0
    assert not admin.socket.exists()


@pytest.mark.skipif(not shutil.which("strace"), reason="no strace")
@pytest.mark.skipif(sanitized(), reason="the leak sanitizer does not work under strace")
def test_a_service_that_may_change_no_owner_has_the_socket(daemon, tmp_path):
    """As SystemCallFilter=~@privileged of the unit refuses it."""
    admin = Admin()
    server = daemon(admin.configuration(), wrapper=[
        "strace", "-D", "-f", "-qq", "-o", tmp_path / "calls", "-e", "trace=chown", "--inject=chown:error=EPERM"])
    admin.attach(server).wait_ready()


def test_a_chain_that_cannot_take_mail_is_not_ready_but_the_process_is(daemon):
    changes = {"plugin": {"broker": {"use": "output_amqp", "options": {
        "urls": ["amqp://127.0.0.1:1"], "address": "q"}}},
        "chain": {"default": {"steps": ["broker"]}}}
    server, admin = start(daemon, changes)
    admin.wait_ready(False)
    assert admin.get("/readyz?scope=process").status == 200
    reasons = wait_until(lambda: [r for r in admin.get("/readyz").json()["reasons"] if "broker not reached" in r],
                         20, lambda: admin.get("/readyz").text)
    assert reasons[0].startswith("chain default: broker: ")
    assert admin.get("/livez").status == 200
    status = admin.status()
    assert status["ready"] is False and status["reasons"] == admin.get("/readyz").json()["reasons"]
    assert admin.value("lsmtpd_output_up", plugin="broker") == 0


def test_metrics_are_read_by_prometheus_and_count_what_happened(daemon):
    server, admin = start(daemon)
    admin.wait_ready()
    before, families = admin.metrics()
    assert before[("lsmtpd_messages_total", (("chain", "default"), ("listener", "mx"), ("result", "stored")))] == 0
    assert before[("lsmtpd_refusals_total",
                   (("class", "5"), ("listener", "mx"), ("phase", "rcpt"), ("reason", "address")))] == 0
    for _ in range(3):
        send(server)
    with server.client() as client:
        client.command("EHLO x", "250")
        client.command("MAIL FROM:<a@-.>", "501")
    label = (("chain", "default"), ("listener", "mx"))
    after, families = wait_until(
        lambda: next((m for m in [admin.metrics()] if sum(v for (name, _), v in m[0].items()
                                                          if name == "lsmtpd_refusals_total")), None),
        10, "the refusal to be counted: an answer is used again for a while")
    assert after[("lsmtpd_messages_total", (*label, ("result", "stored")))] == 3
    assert after[("lsmtpd_chain_duration_seconds_count", label)] == 3
    assert after[("lsmtpd_plugin_duration_seconds_count", (("plugin", "spool"),))] == 3
    assert after[("lsmtpd_received_bytes_total", (("listener", "mx"),))] == 3 * len("Subject: x\r\n\r\nhello\r\n")
    assert after[("lsmtpd_connections_total", (("listener", "mx"), ("result", "accepted")))] == 4
    assert sum(v for (name, _), v in after.items() if name == "lsmtpd_refusals_total") == 1
    assert 0 < after[("process_resident_memory_bytes", ())] < (1e9 if sanitized() else 200e6)
    assert set(before) <= set(after), "a series came to an end"
    assert not [s for f in families for s in f.samples if "127.0.0.1" in str(s.labels) or "@" in str(s.labels)]
    wait_until(lambda: admin.value("lsmtpd_spool_messages", plugin="spool", state="stored") == 3, 20,
               lambda: admin.get("/metrics").text)


def test_metrics_pass_the_rules_of_promtool(daemon):
    server, admin = start(daemon)
    send(server)
    done = subprocess.run([promtool(), "check", "metrics"], input=admin.get("/metrics").text.encode(),
                          capture_output=True, timeout=30)
    assert done.returncode == 0 and not done.stderr, done.stderr.decode()


def test_a_scrape_of_twenty_chains_takes_milliseconds(daemon):
    names = [f"c{i}" for i in range(20)]
    changes = {"listener": [{"name": f"l{n}", "address": "127.0.0.1:0", "chain": n} for n in names],
               "chain": {"default": None, **{n: {"steps": ["spool"]} for n in names}}}
    server, admin = start(daemon, changes)
    times, before, ends = [], "", time.monotonic() + 60
    while len(times) < 10:
        assert time.monotonic() < ends
        time.sleep(0.05)  # the pace of a client that is not made to wait: 20 connections in 100 ms
        began = server.cpu_seconds()
        text = admin.get("/metrics").text
        if text != before:  # not the answer that is used again for a while
            times.append(server.cpu_seconds() - began)
        before = text
    assert len(text) > 100_000
    assert sorted(times)[2] < (0.2 if unoptimised() else 0.005), times


def test_what_the_host_the_method_and_the_token_allow(daemon, tmp_path):
    token = tmp_path / "token"
    token.write_text("let me in\n")
    server, admin = start(daemon, token_file=str(token), hosts=["mail.internal"])
    admin.wait_ready()
    good = {"Authorization": "Bearer let me in"}
    assert admin.get("/metrics").status == 401
    assert admin.get("/metrics", headers={"Authorization": "Bearer let me"}).status == 401
    assert admin.get("/metrics", headers=good).status == 200
    assert admin.get("/livez").status == 200, "probes need none"
    assert admin.get("/metrics", local=True).status == 200, "the socket has its mode"
    assert admin.get("/livez", headers={"Host": "evil.example"}).status == 421
    assert admin.get("/livez", headers={"Host": "mail.internal:1"}).status == 200
    assert admin.get("/livez", headers={"Host": "MX.test.example"}).status == 200
    assert admin.get("/livez", headers={"Host": "[::1]:9"}).status == 200
    for path in ("/ctl", "/status", "/"):
        refused = admin.get(path, method="POST", headers=good)
        assert refused.status == 405 and refused.headers["Allow"] == "GET, HEAD"
    assert admin.get("/nothing", headers=good).status == 404
    head = admin.get("/status", method="HEAD", headers=good)
    assert head.status == 200 and head.text == "" and int(head.headers["Content-Length"]) > 100
    text = admin.get("/status", headers=good).text + admin.get("/", headers=good).text
    assert "let me in" not in text


def test_the_socket_has_its_mode_and_a_second_daemon_does_not_take_it(daemon):
    server, admin = start(daemon, mode="0600")
    assert stat.S_IMODE(os.stat(admin.socket).st_mode) == 0o600
    second = daemon(admin.configuration(), started=False)
    second.launch()
    assert second.process.wait(20) == 2
    assert "another process listens there" in second.process.tail()
    second.process = None  # it was to fail
    server.kill()
    third = daemon(admin.configuration())  # the socket that is left is replaced
    assert admin.get("/livez", local=True).status == 200
    assert third.stop() == 0


def open_sockets(admin, count, text=b""):
    made = []
    for _ in range(count):
        one = socket.create_connection(("127.0.0.1", admin.port), timeout=5)
        one.sendall(text)
        made.append(one)
    return made


def test_slow_and_many_clients_keep_nobody_out(daemon):
    server, admin = start(daemon)
    admin.wait_ready()
    before = server.memory()
    slow = open_sockets(admin, 200, b"GET /metrics HTTP/1.1\r\nX: ")
    began = time.monotonic()
    assert admin.get("/livez").status == 200
    assert time.monotonic() - began < 5
    send(server)
    for one in slow:
        try:
            one.sendall(b"y")
        except OSError:
            pass  # it made room
    assert server.memory() - before < 8 << 20
    wait_until(lambda: server.descriptors() < 80, 20, lambda: f"{server.descriptors()} descriptors")
    for one in slow:
        one.close()
    long = open_sockets(admin, 1, b"GET / HTTP/1.1\r\n" + b"X: " + b"y" * 20_000)[0]
    assert b" 413 " in long.recv(4096)
    bad = open_sockets(admin, 1, b"\x16\x03\x01 nonsense\r\n\r\n")[0]
    assert b" 400 " in bad.recv(4096)
    assert server.stop() == 0


def test_a_hold_sends_mail_to_the_fallback_until_it_is_released(daemon, tmp_path):
    recorder = Recorder(tmp_path)
    recorder.up()
    state = tmp_path / "state"
    state.mkdir()
    admin = Admin()
    changes = recorder.configuration()
    changes.setdefault("server", {})["state_directory"] = str(state)
    server = daemon({**changes, **admin.configuration()})
    admin.attach(server)
    admin.wait_ready()
    output = next(name for name, entry in server.config["plugin"].items() if entry.get("fallback"))

    def ctl(*words, check=0):
        return server.cli("ctl", "--socket", admin.socket, *words, check=check)

    assert "goes to spool" in ctl("hold", output).stdout
    ctl("hold", "nonsense", check=1)
    send(server)
    assert len(server.spool) == 1
    assert admin.status()["holds"][0]["output"] == output
    wait_until(lambda: [o for o in admin.status()["outputs"] if o["name"] == output and o["held"]], 10,
               lambda: admin.get("/status").text)
    assert admin.get("/readyz").status == 200, "its fallback takes mail"
    assert server.wait_log("admin_command", command="hold")["by"].startswith("root (uid 0, pid ")
    assert server.stop() == 0
    server.start()
    server.wait_log("output_held", plugin=output)
    send(server)
    assert len(server.spool) == 2, "a hold outlives a restart, and replay respects it"
    ctl("release", output)
    wait_until(lambda: len(server.spool) == 0, 30, lambda: "the spool to be replayed")
    ctl("release", output, check=1)
    assert not (state / "holds").read_text()


def test_a_hold_right_after_the_start_knows_the_outputs(daemon):
    """Workers report their outputs a second later."""
    admin = Admin()
    server = daemon(admin.configuration(), started=False)
    server.launch()
    wait_until(admin.socket.exists, 20, lambda: f"the socket of the admin server; {server.process.tail()}")

    def hold(output):
        done = server.cli("ctl", "--config", server.config_file, "hold", output)
        return None if "no daemon answers" in done.stderr else done

    done = wait_until(lambda: hold("spool"), 20, "the daemon to answer")
    assert done.returncode == 0 and "spool is held" in done.stdout, done
    assert "there is no output nonsense" in hold("nonsense").stderr


def test_an_output_without_a_fallback_that_is_held_gets_451(daemon):
    server, admin = start(daemon)
    admin.wait_ready()
    done = server.cli("ctl", "--config", server.config_file, "hold", "spool", check=0)
    assert "its mail gets 451" in done.stdout and "this ends with the daemon" in done.stderr
    with server.client() as client:
        client.command("EHLO x", "250")
        client.command("MAIL FROM:<a@example.org>", "250")
        client.command("RCPT TO:<b@example.org>", "250")
        client.command("DATA", "354")
        client.command("Subject: x\r\n\r\nx\r\n.", "451 4.3.0")
    server.cli("ctl", "--config", server.config_file, "release", "spool", check=0)
    send(server)


def waiting(daemon, tmp_path, count):
    """A daemon with messages in a fallback, whose output is down."""
    recorder, admin = Recorder(tmp_path), Admin()
    recorder.down()
    server = daemon({**recorder.configuration(), **admin.configuration()})
    admin.attach(server)
    for _ in range(count):
        send(server)
    assert len(server.spool) == count
    return server, admin, recorder


def test_drain_takes_no_more_mail_and_says_what_waits(daemon, tmp_path):
    server, admin, recorder = waiting(daemon, tmp_path, 2)

    def ctl(*words, check=0):
        return server.cli("ctl", "--config", server.config_file, *words, check=check)

    with server.client() as busy:
        busy.command("EHLO x", "250")
        busy.command("MAIL FROM:<a@example.org>", "250")
        order = subprocess.Popen([BINARY, "ctl", "--socket", admin.socket, "drain"], stderr=subprocess.PIPE, text=True)
        wait_until(lambda: admin.get("/readyz").status == 503, 5, "readiness to go")
        wait_until(lambda: refuses(server.address()), 10, "the listener to go")
        assert order.poll() is None, "a transaction is under way"
        busy.command("RCPT TO:<b@example.org>", "250")
        busy.command("DATA", "354")
        busy.command("Subject: x\r\n\r\nx\r\n.", "250")
        busy.expect("421")
    assert "no mail is taken any more; 3 wait for " in order.communicate(timeout=20)[1]
    assert order.returncode == 1
    assert "the daemon is draining" in ctl("reload", check=1).stderr
    assert "3 wait for" in ctl("drain", "--flush", "--within", "1s", check=1).stderr
    recorder.up()
    assert "nothing waits" in ctl("drain", "--flush").stdout
    assert len(server.spool) == 0
    assert "nothing waits" in ctl("drain").stdout
    ctl("drain", "--within", "soon", check=2)
    assert '"phase":"draining"' in ctl("status", "--json").stdout
    assert server.stop() == 0


def test_drain_does_not_wait_for_an_output_that_is_held(daemon, tmp_path):
    server, admin, recorder = waiting(daemon, tmp_path, 1)
    output = next(name for name, entry in server.config["plugin"].items() if entry.get("fallback"))
    wait_until(lambda: admin.status()["outputs"], 10, "the workers to report")
    server.cli("ctl", "--socket", admin.socket, "hold", output, check=0)
    recorder.up()
    told = server.cli("ctl", "--socket", admin.socket, "drain", "--flush", check=1)
    assert f"1 waits for {output} (held)" in told.stderr


def refuses(address):
    try:
        socket.create_connection(address, timeout=5).close()
    except ConnectionRefusedError:
        return True
    return False


def test_ctl_status_sessions_flush_and_log_level(daemon, tmp_path):
    server, admin = start(daemon)
    admin.wait_ready()

    def ctl(*words, check=0):
        return server.cli("ctl", "--config", server.config_file, *words, check=check)

    text = ctl("status").stdout
    assert text.startswith("lsmtpd ") and "serving and ready" in text and "spool" in text
    assert '"phase":"serving"' in ctl("status", "--json").stdout
    with server.client() as client:
        client.command("EHLO x", "250")
        client.command("MAIL FROM:<secret@example.org>", "250")
        listed = ctl("sessions").stdout
        assert "127.0.0.1:" in listed and " client " in listed and "1 in all" in listed
        assert "secret" not in listed
    assert ctl("log-level").stdout == "debug\n"
    ctl("log-level", "warn")
    assert ctl("log-level").stdout == "warn\n"
    assert "not a log level" in ctl("log-level", "loud", check=2).stderr
    assert "try again now" in ctl("flush").stdout
    assert "tried again now" in ctl("flush", "spool").stdout
    ctl("flush", "nothing", check=1)
    assert "knows no command" in ctl("nonsense", check=2).stderr
    assert "no daemon answers" in server.cli("ctl", "--socket", tmp_path / "none", "status", check=1).stderr
