# SPDX-License-Identifier: Apache-2.0
"""The command line: the output of each command and its exit status."""
import json
import os
import pathlib
import re
import signal
import smtplib
import threading

import pytest

from support.daemon import BINARY, BUILD, run_cli
from support.hostile import H
from support.process import Process
from support.smtp import queued_id
from support.wait import wait_until

ROOT = pathlib.Path(__file__).parents[2]


def test_version_names_the_program_and_a_number():
    assert re.fullmatch(r"lsmtpd \d+\.\d+\.\d+.*\n", run_cli("--version", check=0).stdout)


def test_help_names_every_command():
    text = run_cli("--help", check=0).stdout
    assert all(command in text for command in ("run", "check", "plugins", "spool", "try"))


def test_an_unknown_command_is_an_error():
    assert run_cli("nonsense").returncode != 0


def test_a_misspelt_command_gets_the_nearest_one_as_a_hint(tmp_path):
    for typed, meant in (("chekc", "check"), ("spol", "spool")):
        done = run_cli(typed, cwd=tmp_path, env={"PATH": "/usr/bin"}, check=2)
        assert f"did you mean {meant}?" in done.stderr


def test_check_accepts_the_file_that_comes_with_it():
    done = run_cli("check", "--config", "etc/lsmtpd.toml", check=0, cwd=ROOT)
    said = done.stderr.splitlines()
    assert all("warning: checked as root" in line for line in said)
    assert len(said) == (1 if os.geteuid() == 0 else 0)


WHOLE = """[[listener]]
name = "mx"
address = "127.0.0.1:0"
[chain.default]
steps = ["spool"]
[plugin.spool]
"""


@pytest.mark.parametrize("text, expected", [
    ("[server]\nhostnam = \"x\"\n", ["2:", "hostnam", "hostname"]),
    ("[server]\nworkers = \"two\"\n", ["2:", "workers"]),
    ("[limits]\nmessage_size = \"10 bananas\"\n", ["2:", "message_size"]),
    ("[server\n", ["1:"]),
    ("[chain.default]\nsteps = [\"spol\"]\n[plugin.spool]\nuse = \"output_json_spool\"\n",
     ["2:", "spol", "spool"]),
    ("[server]\nhostname = \"${SURELY_NOT_SET}\"\n", ["2:", "SURELY_NOT_SET"]),
    (WHOLE + "use = \"output_json_spol\"\n", ["7:", "output_json_spol"]),
    (WHOLE + "use = \"output_json_spool\"\noptions = { directry = \"x\" }\n",
     ["8:", "directry", "directory"]),
], ids=["unknown key", "wrong type", "bad size", "syntax", "unknown step", "variable not set",
        "unknown plugin", "unknown option"])
def test_check_shows_a_mistake_with_its_line_and_the_right_name(tmp_path, text, expected):
    file = tmp_path / "bad.toml"
    file.write_text(text)
    done = run_cli("check", "--config", file, check=2)
    shown = done.stdout + done.stderr
    assert f"{file}:{expected[0]}" in shown, shown
    assert all(part in shown for part in expected[1:]), shown
    assert run_cli("run", "--config", file).returncode == 2


def test_check_shows_every_mistake_not_only_the_first(tmp_path):
    file = tmp_path / "bad.toml"
    file.write_text("[server]\nhostnam = \"x\"\n[limits]\nrecipients = -1\n[log]\nformat = \"xml\"\n")
    done = run_cli("check", "--config", file, check=2)
    shown = done.stdout + done.stderr
    assert all(f"{file}:{line}:" in shown for line in (2, 4, 6)), shown


def test_check_shows_mistakes_of_the_file_and_of_plugin_options_at_once(tmp_path):
    file = tmp_path / "bad.toml"
    file.write_text(WHOLE + "use = \"output_json_spool\"\noptions = { directry = \"x\" }\n"
                    "[log]\nformat = \"xml\"\n")
    done = run_cli("check", "--config", file, check=2)
    shown = done.stdout + done.stderr
    assert all(f"{file}:{line}:" in shown for line in (8, 10)), shown


def test_check_shows_errors_of_a_start_at_their_place(daemon):
    server = daemon({"server": {"user": "no-such-user"},
                     "log": {"file": "/nonexistent/lsmtpd.log"},
                     "limits": {"spill_directory": "/nonexistent"},
                     "plugin": {"spool": {"on_timeout": "continue", "on_error": "continue"}}},
                    started=False)
    done = run_cli("check", "--config", server.config_file, check=2)
    lines = server.config_file.read_text().splitlines()
    for key, said in [("user", "there is no such user"), ("file", "log.file = "),
                      ("spill_directory", "limits.spill_directory = "),
                      ("on_timeout", 'plugin.spool.on_timeout is "continue"'),
                      ("on_error", 'plugin.spool.on_error is "continue"')]:
        line = next(n for n, text in enumerate(lines, 1) if text.startswith(key + " "))
        assert any(each.startswith(f"{server.config_file}:{line}:") and said in each
                   for each in done.stderr.splitlines()), (key, done.stderr)


def test_an_option_with_a_mistake_is_not_called_missing_too(daemon):
    server = daemon({"plugin": {"spool": {"options": {"directory": "${NOT_SET_ANYWHERE}"}}}},
                    started=False)
    done = run_cli("check", "--config", server.config_file, check=2)
    assert "NOT_SET_ANYWHERE is not set" in done.stderr
    assert "missing" not in done.stderr


def test_check_of_a_missing_file(tmp_path):
    done = run_cli("check", "--config", tmp_path / "none.toml", check=2)
    assert "none.toml" in done.stderr + done.stdout


def test_check_leaves_nothing_behind(daemon):
    server = daemon(started=False)
    run_cli("check", "--config", server.config_file, check=0)
    assert not server.spool.folder.exists()
    assert not server.log.exists()


def test_check_print_shows_a_configuration_that_loads_again(daemon, tmp_path):
    server = daemon(started=False)
    shown = run_cli("check", "--print", "--config", server.config_file, check=0).stdout
    again = tmp_path / "again.toml"
    again.write_text(shown)
    second = run_cli("check", "--print", "--config", again, check=0).stdout
    assert [line for line in second.splitlines() if not line.startswith("#")] == \
        [line for line in shown.splitlines() if not line.startswith("#")]
    assert "mx.test.example" in shown and "[timeouts]" in shown


def _listens_at(server, port):
    """The server's configuration, with the port that it was given."""
    file = server.folder / "listening.toml"
    file.write_text(server.config_file.read_text().replace("127.0.0.1:0", f"127.0.0.1:{port}"))
    return file


def test_check_listening_follows_the_daemon(daemon):
    server = daemon()
    _, port = server.address()
    file = _listens_at(server, port)
    done = run_cli("check", "--listening", "--config", file, check=0)
    assert done.stdout.startswith("listener mx: 220 mx.test.example")
    server.stop()
    done = run_cli("check", "--listening", "--config", file, check=1)
    assert "listener mx" in done.stderr and "refused" in done.stderr


def test_check_listening_waits_for_a_greeting_that_is_delayed(daemon):
    server = daemon({"listener": [{"name": "mx", "address": "127.0.0.1:0", "protocol": "smtp", "chain": "default",
                                   "greet_delay": "6s"}]})
    done = run_cli("check", "--listening", "--config", _listens_at(server, server.address()[1]), check=0)
    assert "220" in done.stdout


def test_check_listening_of_a_wrong_configuration_is_a_usage_error(tmp_path):
    file = tmp_path / "bad.toml"
    file.write_text("[server]\nhostnam = \"x\"\n")
    assert "hostname" in run_cli("check", "--listening", "--config", file, check=2).stderr


def test_check_listening_excludes_other_options(daemon):
    server = daemon(started=False)
    for other in ("--print", "--live"):
        run_cli("check", "--listening", other, "--config", server.config_file, check=2)


def test_plugins_lists_what_is_installed_with_its_options():
    text = run_cli("plugins", check=0).stdout
    for plugin in (BUILD / "plugins").glob("*.so"):
        assert plugin.stem in text
    assert "directory" in text and "max" in text


def test_try_runs_one_mail_through_a_plugin():
    size = BUILD / "plugins" / "filter_size.so"
    done = run_cli("try", "--plugin", size, "-o", "max=1KiB", input=H + b"x\r\n")
    assert done.returncode == 0 and "continue" in done.stdout
    done = run_cli("try", "--plugin", size, "-o", "max=1KiB", input=H + b"x" * 2000 + b"\r\n")
    assert "552" in done.stdout


def test_try_treats_a_filter_that_stores_as_a_chain_does():
    done = run_cli("try", "--plugin", BUILD / "tests/fixtures/bad_filter.so", "-o", "mode=stored",
                   input=H + b"x\r\n")
    assert done.returncode == 1 and "verdict: tempfail" in done.stdout and "reply: 451 " in done.stdout


def test_try_asks_the_phases_first():
    fixture = BUILD / "tests/fixtures/session_filter.so"
    done = run_cli("try", "--plugin", fixture, "-o", "rcpt=recipient@example.org", input=H + b"x\r\n")
    assert done.returncode == 1
    asked = [line for line in done.stdout.splitlines() if line.startswith("phase: ")]
    assert asked == ["phase: connect", "phase: helo", "phase: mail", "phase: rcpt"]
    assert "reply: 550 5.7.1 refused by session_filter" in done.stdout
    done = run_cli("try", "--plugin", fixture, input=H + b"x\r\n")
    assert done.returncode == 0 and done.stdout.count("verdict: continue") == 5


def test_try_shows_the_verdict_that_counts_of_a_session_filter():
    done = run_cli("try", "--plugin", BUILD / "tests/fixtures/session_filter.so", "-o", "peer=192.0.2.1",
                   "-o", "verdict=discard", "--peer", "192.0.2.1", input=H + b"x\r\n")
    assert done.returncode == 1 and "verdict: tempfail\nreply: 421 " in done.stdout, done.stdout


def test_try_shows_each_recipients_verdict_and_whole_replies():
    done = run_cli("try", "--plugin", BUILD / "tests/fixtures/test_output.so", "-o", "verdicts=sr",
                   "-o", "text=one\ntwo", "--to", "a@example.org", "--to", "b@example.org", input=H + b"x\r\n")
    assert done.returncode == 1
    each = done.stdout[done.stdout.index("recipient: "):]
    assert "recipient: <a@example.org> stored\n" in each
    assert "recipient: <b@example.org> reject\nreply: 554-5.7.1 one\nreply: 554 5.7.1 two\n" in each


def test_try_says_what_admission_answers():
    done = run_cli("try", "--plugin", BUILD / "plugins" / "filter_size.so", "-o", "max=1KiB", input=H + b"x\r\n")
    assert "admission: ready\nsize limit: 1024\nverdict: continue" in done.stdout, done.stdout


def test_try_names_the_options_of_a_table_in_its_help():
    assert "lists[0].zone=x" in run_cli("try", "--help").stdout


def test_try_waits_until_an_output_is_ready(tmp_path):
    flag = tmp_path / "down"
    flag.touch()
    timer = threading.Timer(1, flag.unlink)
    timer.start()
    done = run_cli("try", "--plugin", BUILD / "tests/fixtures/test_output.so", "-o", f"down_while={flag}",
                   input=H + b"x\r\n")
    timer.join()
    assert done.returncode == 0 and "verdict: stored" in done.stdout


def test_try_finds_plugins_where_the_configuration_says(tmp_path):
    (tmp_path / "my_size.so").write_bytes((BUILD / "plugins" / "filter_size.so").read_bytes())
    config = tmp_path / "my.toml"
    config.write_text(f"""[server]
plugin_path = ["{tmp_path}"]
[[listener]]
name = "mx"
address = "127.0.0.1:0"
[plugin.spool]
use = "output_json_spool"
options = {{ directory = "spool" }}
[chain.default]
steps = ["spool"]
""")
    command = ("try", "--plugin", "my_size", "-o", "max=1KiB")
    assert "my_size" in run_cli(*command, input=H, check=2).stderr
    assert "continue" in run_cli(*command, "--config", config, input=H, check=0).stdout
    config.write_text("[server]\nplugin_pat = []\n")
    assert "plugin_path" in run_cli(*command, "--config", config, input=H, check=2).stderr


@pytest.mark.parametrize("command", ["run", "check", "plugins", "try"])
def test_the_help_of_each_command_names_the_configuration(command):
    assert "--config FILE" in run_cli(command, "--help", check=0).stdout


def spooled(daemon, count=3):
    server = daemon()
    with server.client() as client:
        client.envelope()
        ids = [queued_id(client.data(H + b"number 0\r\n"))]
        for number in range(1, count):
            client.command("MAIL FROM:<s@example.org>", 250)
            client.command("RCPT TO:<r@example.org>", 250)
            ids.append(queued_id(client.data(H + b"number %d\r\n" % number)))
    return server, ids


def test_spool_commands_work_beside_a_running_daemon(daemon, tmp_path):
    server, ids = spooled(daemon)
    options = ["--config", server.config_file]
    listed = run_cli("spool", "ls", *options, check=0).stdout
    assert all(each in listed for each in ids)
    shown = run_cli("spool", "show", *options, ids[1], check=0).stdout
    assert "s@example.org" in shown and "r@example.org" in shown
    run_cli("spool", "rm", *options, ids[0], check=0)
    assert ids[0] not in server.spool.ids()
    out = tmp_path / "out"
    out.mkdir()
    done = run_cli("spool", "export", *options, ids[2], cwd=out, check=0)
    written = list(out.glob("*.eml"))
    content = written[0].read_bytes() if written else done.stdout.encode()
    assert content == H + b"number 2\r\n"


def test_spool_help_needs_no_configuration(tmp_path):
    done = run_cli("spool", "--help", cwd=tmp_path, env={"PATH": "/usr/bin"}, check=0)
    assert "export" in done.stdout and "retry" in done.stdout
    assert done.stdout.startswith("lsmtpd spool:\n")


def test_spool_of_a_missing_id_is_an_error(daemon):
    server, _ = spooled(daemon, 1)
    for command in ("show", "rm", "retry", "export"):
        done = run_cli("spool", command, "--config", server.config_file,
                       "00000000-0000-4000-8000-000000000000")
        assert done.returncode != 0, command


def test_spool_reads_files_of_lsmtpd_1_8(daemon):
    server = daemon(started=False)
    server.spool.folder.mkdir(mode=0o700)
    old = {"timestamp": "2026-11-22T01:38:39.271215996+00:00",
           "message_id": "f6f326ce-2fca-4246-96ba-aab732d44ad0", "client_address": "old.example",
           "recipients": ["<r@example.org>"], "email_content": "Subject: old\r\n\r\nbody\r\n",
           "sender": "s@example.org"}
    (server.spool.folder / f"{old['message_id']}.json").write_text(json.dumps(old))
    options = ["--config", server.config_file]
    assert old["message_id"] in run_cli("spool", "ls", *options, check=0).stdout
    assert "r@example.org" in run_cli("spool", "show", *options, old["message_id"], check=0).stdout


class _Bare:
    """A bare `lsmtpd` with LSMTPD's environment and nothing else."""

    def __init__(self, folder, **variables):
        self.output = folder / "output.txt"
        environment = {"PATH": os.environ["PATH"], "BIND_ADDRESS": "127.0.0.1", "BIND_PORT": "0",
                       "TEMP_EMAIL_DIR": str(folder / "spool"), **variables}
        self.process = Process([BINARY], self.output, env=environment, cwd=folder)

    def address(self):
        def listening():
            assert self.process.running(), self.process.tail()
            return re.search(r"listening.*?127\.0\.0\.1:(\d+)", self.process.tail(200))
        return "127.0.0.1", int(wait_until(listening, 20, "it to listen").group(1))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stop()


@pytest.mark.skipif(pathlib.Path("/etc/lsmtpd/lsmtpd.toml").exists(),
                    reason="this machine has a configuration")
def test_a_bare_lsmtpd_serves_with_the_environment_of_lsmtpd_1_8(tmp_path):
    with _Bare(tmp_path, SERVER_NAME="old.example", MAX_EMAIL_SIZE_BYTES="20000",
               RUST_LOG="info") as server:
        with smtplib.SMTP(*server.address(), local_hostname="c.example") as client:
            client.ehlo()
            assert client.esmtp_features["size"] == "20000"
            client.sendmail("s@example.org", ["r@example.org"], H + b"x\r\n")
        files = wait_until(lambda: list((tmp_path / "spool").glob("*.json")), 20, "its file")
        assert len(files) == 1
        assert json.loads(files[0].read_text())["email_content"] == (H + b"x\r\n").decode()
        assert server.process.stop() == 0


def test_a_value_of_the_environment_that_is_wrong_is_named(tmp_path):
    environment = {"PATH": os.environ["PATH"], "BIND_PORT": "99999", "TEMP_EMAIL_DIR": str(tmp_path)}
    done = run_cli(env=environment, cwd=tmp_path)
    assert done.returncode == 2
    assert "BIND_PORT" in done.stderr + done.stdout


def test_a_start_shows_the_warnings_that_check_shows(daemon):
    server = daemon({"plugin": {"spare": {"use": "filter_size"}}})
    assert "plugin.spare is not used" in server.output.read_text()


def test_a_port_that_is_taken_is_an_error_that_names_it(daemon):
    first = daemon()
    host, port = first.address()
    second = daemon({"listener": [{"name": "mx", "address": f"{host}:{port}", "chain": "default"}]},
                    started=False)
    second.launch()
    assert second.process.wait(20) not in (0, -signal.SIGABRT)
    assert str(port) in second.process.tail() + second._log_tail()
    second.process = None


def test_migrate_prints_the_configuration_that_the_variables_make(tmp_path):
    spool = tmp_path / "spool"
    spool.mkdir(0o700)
    variables = tmp_path / "environment"
    variables.write_text('# of its package\n'
                         f'SERVER_NAME=mx.test.example\nBIND_ADDRESS=127.0.0.1\nBIND_PORT=2525\nTEMP_EMAIL_DIR="{spool}"\n'
                         "AMQP_HOST=broker.example\nAMQP_USERNAME=user\nAMQP_PASSWORD='p%40ss ${x}'\nAMQP_VHOST=%2f\n"
                         "AMQP_ROUTING_KEY=mail \\\n  \nMAX_EMAIL_SIZE_BYTES=1000000\n")
    done = run_cli("migrate", "--from-env", variables, check=0)
    assert "password" in done.stderr
    written = tmp_path / "lsmtpd.toml"
    written.write_text(done.stdout)
    assert 'hostname = "mx.test.example"' in done.stdout and "p@ss" in done.stdout
    printed = run_cli("check", "--print", "--config", written)
    assert "is not a" not in printed.stderr and "unknown" not in printed.stderr, printed.stderr
    assert "admin.sock" not in done.stdout
    service = run_cli("migrate", "--service", "--from-env", variables, check=0).stdout
    assert 'socket = "/run/lsmtpd/admin.sock"' in service and 'state_directory = "/var/lib/lsmtpd"' in service
    again = run_cli("migrate", "--from-env", env={**os.environ, "SERVER_NAME": "mx.test.example"}, check=0)
    assert 'hostname = "mx.test.example"' in again.stdout
    variables.write_text("SERVER_NAME='mx\n")
    assert "line 1: SERVER_NAME: a quote is not closed" in run_cli("migrate", "--from-env", variables, check=2).stderr
    variables.write_text("\nno variable\n")
    assert "line 2: this is no NAME=VALUE" in run_cli("migrate", "--from-env", variables, check=2).stderr
