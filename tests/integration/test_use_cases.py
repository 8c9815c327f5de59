# SPDX-License-Identifier: Apache-2.0
"""The use cases of contrib/examples: mail by SMTP into the daemon with the example's configuration, through RabbitMQ, to the
worker with the example's function; the result is the example's."""
import json
import pathlib
import re
import shutil
import subprocess
import sys
import time
import tomllib

import pytest

from support import amqp091
from support.daemon import run_cli
from support.wait import wait_until
from support.workers import WORKERS, Worker, message

EXAMPLES = pathlib.Path(__file__).parents[2] / "contrib" / "examples"
NAMES = ["alerts", "archive", "ci_trigger", "form_to_crm", "tickets"]


def mails_of(name):
    return [file.read_bytes().replace(b"\n", b"\r\n") for file in sorted((EXAMPLES / name).glob("*.eml"))]


@pytest.fixture
def rabbitmq(rabbitmq4):
    rabbitmq4.resume()
    return rabbitmq4.start()


class Case:
    """One example that runs: its daemon and its worker."""

    def __init__(self, name, daemon, broker, folder, *environment):
        self.name, self.broker, self.folder = name, broker, folder / name
        # As contrib/examples/README.md declares them: by a policy, so that lsmtpd can still ask for the queue's type.
        for queue in ("mail.dead", name):
            broker.create_queue(queue)
            broker.purge(queue)
        broker.import_definitions({"policies": [{
            "vhost": "/", "name": "examples", "pattern": f"^({'|'.join(NAMES)})$", "apply-to": "quorum_queues", "priority": 0,
            "definition": {"dead-letter-exchange": "", "dead-letter-routing-key": "mail.dead", "overflow": "reject-publish",
                           "dead-letter-strategy": "at-least-once"}}]})
        config = tomllib.loads((EXAMPLES / name / "lsmtpd.toml").read_text())
        config["listener"][0]["address"] = "127.0.0.1:0"
        config["plugin"]["broker"]["options"] |= {"urls": [broker.url], "username": broker.user, "password": broker.password}
        config["server"]["hostname"] = "mx.test.example"
        config["plugin"]["spool"]["options"]["directory"] = str(folder / "spool")
        self.daemon = daemon(config)
        self.daemon.wait_log("ready to publish", 30, promises="a quorum queue: synced by a majority before the confirm")
        self.environment = dict(environment)
        self.worker = self.work()

    def work(self):
        return Worker("pika", self.broker, self.name, self.folder, environment=self.environment, attempts="2",
                      function=EXAMPLES / self.name / f"{self.name}.py")

    def send(self, *mails, recipient="to@example.com"):
        """Returns the ids."""
        ids = []
        with self.daemon.client() as client:
            client.command("EHLO client.example", 250)
            for mail in mails:
                sender = mail.split(b"From: ", 1)[1].split(b"\r\n", 1)[0].split(b"<")[-1].rstrip(b">").decode()
                client.command(f"MAIL FROM:<{sender}>", 250)
                client.command(f"RCPT TO:<{recipient}>", 250)
                ids.append(client.data(mail).split()[-1])
        return ids

    def wait_done(self, *ids, word="done"):
        for identity in ids:
            self.worker.wait_line(f"{word} {identity}")

    def dead(self):
        return amqp091.depth(self.broker, "mail.dead")

    def listed(self):
        """The example run as a program."""
        return subprocess.run([sys.executable, EXAMPLES / self.name / f"{self.name}.py"], cwd=self.folder, check=True,
                              capture_output=True, text=True).stdout


@pytest.fixture
def case(daemon, rabbitmq, tmp_path):
    made = []

    def make(name, *environment):
        made.append(Case(name, daemon, rabbitmq, tmp_path, *environment))
        return made[-1]

    yield make
    for each in made:
        each.worker.process.kill()


def expected(name, file="expected.txt"):
    return (EXAMPLES / name / file).read_text()


@pytest.mark.parametrize("name", NAMES)
def test_the_configuration_is_right(tmp_path, name):
    checked = run_cli("check", "--config", EXAMPLES / name / "lsmtpd.toml", cwd=tmp_path)
    assert checked.returncode == 0, checked.stderr


def test_mail_becomes_tickets(case, rabbitmq4):
    tickets = case("tickets")
    mails = mails_of("tickets")
    tickets.wait_done(*tickets.send(*mails))
    assert tickets.listed() == expected("tickets")
    tickets.wait_done(*tickets.send(mails[1]))  # a client that sends again makes no second entry
    assert tickets.listed() == expected("tickets")


def test_mail_starts_the_command_of_its_project(case, rabbitmq4):
    build = case("ci_trigger", ("CI_PROJECTS", str(EXAMPLES / "ci_trigger" / "projects.ini")))
    push, = mails_of("ci_trigger")
    build.wait_done(*build.send(push, recipient="website@ci.example.com"))
    assert (build.folder / "builds.txt").read_text() == expected("ci_trigger")
    build.wait_done(*build.send(push, recipient="website@ci.example.com"))  # started once
    assert (build.folder / "builds.txt").read_text() == expected("ci_trigger")
    build.wait_done(*build.send(push, recipient="other@ci.example.com"), word="rejected")
    wait_until(lambda: build.dead() == 1, 10, "the dead letter")


def test_a_peer_that_must_not_start_a_project_does_not(case, rabbitmq4, tmp_path):
    projects = (EXAMPLES / "ci_trigger" / "projects.ini").read_text().replace("127.0.0.1/32", "192.0.2.0/24")
    (tmp_path / "projects.ini").write_text(projects)
    build = case("ci_trigger", ("CI_PROJECTS", str(tmp_path / "projects.ini")))
    build.wait_done(*build.send(*mails_of("ci_trigger"), recipient="website@ci.example.com"), word="rejected")
    assert not (build.folder / "builds.txt").exists()


def test_a_form_becomes_a_record(case, rabbitmq4):
    form = case("form_to_crm")
    filled, empty = form.send(*mails_of("form_to_crm"))
    form.wait_done(filled)
    form.wait_done(empty, word="rejected")
    records = [json.loads(line) for line in (form.folder / "contacts.jsonl").read_text().splitlines()]
    assert [{key: each[key] for key in each if key not in ("id", "time")} for each in records] == [
        json.loads(line) for line in expected("form_to_crm", "expected.jsonl").splitlines()]
    wait_until(lambda: form.dead() == 1, 10, "the dead letter")
    # A part that a power cut left does not spoil the next record.
    with open(form.folder / "contacts.jsonl", "a") as file:
        file.write('{"id": "a part')
    form.wait_done(*form.send(mails_of("form_to_crm")[0].replace(b"Zo", b"No")))
    assert [json.loads(line)["name"][:2] for line in (form.folder / "contacts.jsonl").read_text().splitlines()] == ["Zo", "No"]


def test_mails_of_a_monitoring_system_become_one_alert_each(case, rabbitmq4):
    alerts = case("alerts")
    mails = mails_of("alerts")
    for mail in [*mails, mails[0]]:  # the last: sent again by the client
        alerts.wait_done(*alerts.send(mail))
    assert alerts.listed() == expected("alerts")
    said = [line for line in alerts.worker.lines() if line.split()[0] in ("db1", "web1")]
    assert said == ["web1 HTTP: CRITICAL", "db1 Disk /var: WARNING", "web1 HTTP: OK"]


def test_mail_is_archived_byte_for_byte_by_its_day(case, rabbitmq4):
    archive = case("archive")
    binary = b"From: x@example.org\r\n\r\n\xff\x00 no UTF-8\r\n.\r\n"
    mails = [*mails_of("archive"), binary]
    ids = archive.send(*mails)
    archive.wait_done(*ids)
    day = time.strftime("%Y/%m/%d", time.gmtime())
    for identity, mail in zip(ids, mails):
        file, = archive.folder.glob(f"archive/*/*/*/{identity}.eml")
        assert file.read_bytes() == mail
        assert json.loads(file.with_suffix(".json").read_text())["recipients"] == ["<to@example.com>"]
    assert str(file.parent).endswith(day) or time.strftime("%Y/%m/%d", time.gmtime()) != day
    assert not list(archive.folder.glob("archive/*/*/*/.*"))


def test_an_archive_that_cannot_be_written_to_is_tried_again_and_dead_letters_hold_the_mail(case, rabbitmq4):
    archive = case("archive", ("ARCHIVE", "/dev/null/archive"))
    identity, = archive.send(*mails_of("archive"))
    archive.worker.wait_line(f"failed {identity}: attempt 1 of 2: ")
    archive.worker.wait_line(f"rejected {identity}: attempt 2 of 2: ")
    wait_until(lambda: archive.dead() == 1, 10, "the dead letter")


ARCHIVE_ONE = """
import json, resource, sys
sys.path[:0] = [{workers!r}, {archive!r}]
from archive import work
from mail import parse
if sys.argv[1:]:
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), int(sys.argv[1])))
work(parse(sys.stdin.read(), {{}}, None, 1))
"""


def archive_one(folder, size, *limit, wrapper=()):
    """Runs the function alone, on a mail of that size."""
    identity, body = message(b"x" * size)
    script = ARCHIVE_ONE.format(workers=str(WORKERS), archive=str(EXAMPLES / "archive"))
    done = subprocess.run([*wrapper, sys.executable, "-c", script, *map(str, limit)], input=body, cwd=folder, capture_output=True)
    return identity, done


def test_the_archive_names_a_file_when_it_is_on_the_disk(tmp_path):
    if not shutil.which("strace"):
        pytest.skip("no strace")
    trace = tmp_path / "trace"
    identity, done = archive_one(tmp_path, 10, wrapper=["strace", "-y", "-f", "-o", trace, "-e", "trace=fsync,rename"])
    if b"PTRACE" in done.stderr:
        pytest.skip("strace may not trace here")
    assert done.returncode == 0, done.stderr
    calls = re.findall(r"(fsync|rename)\(.*?(?:/([^/>\"]*))[>\"]\)", trace.read_text())
    names = [(call, re.sub(r"\.[^.]*\.part$", ".part", name)) for call, name in calls]
    made = [("fsync", tmp_path.name), ("fsync", "archive"), ("fsync", "2026"), ("fsync", "11")]
    assert names == made + [each for kind in ("json", "eml") for each in (
        ("fsync", f".{identity}.{kind}.part"), ("rename", f"{identity}.{kind}"), ("fsync", "22"))]


def test_the_archive_stores_nothing_by_halves(tmp_path):
    identity, done = archive_one(tmp_path, 5000, 2000)  # no file of more than 2000 octets
    assert done.returncode and b"File too large" in done.stderr, done.stderr
    assert [each.name for each in (tmp_path / "archive/2026/11/22").iterdir()] == [f"{identity}.json"]
