# SPDX-License-Identifier: Apache-2.0
"""The upgrade in place from LSMTPD 1.8.0-1, the package of the same name in Rust, under a systemd."""
import json
import shlex

from support.wait import wait_until
from test_install import CONFIG, install, newer, owner

RECEIVE = """
import json, pika, sys
c = pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", 5672, credentials=pika.PlainCredentials("mail", "p@ss")))
ch = c.channel()
ch.queue_declare("mail", durable=True)
while True:
    method, properties, body = ch.basic_get("mail", auto_ack=True)
    if method is None: break
    print(json.dumps(json.loads(body)["email_content"]))
"""


def settings(machine, **changes):
    values = {"RUST_LOG": "lsmtpd=INFO", "BIND_ADDRESS": "0.0.0.0", "BIND_PORT": "25", "MAX_TIMEOUT_SECS": "180",
              "SERVER_NAME": "mx.old.example", "TEMP_EMAIL_DIR": "/tmp/lsmtpd", "AMQP_HOST": "", "AMQP_PORT": "",
              "AMQP_USERNAME": "", "AMQP_PASSWORD": "", "AMQP_VHOST": "", "AMQP_EXCHANGE": "", "AMQP_ROUTING_KEY": "",
              "AMQP_BUFFER_SIZE": "10", "MAX_EMAIL_SIZE_BYTES": "52428800", **changes}
    lines = "\n".join(f"{name}='{value}'" if name == "AMQP_PASSWORD" else f"{name}={value}" for name, value in values.items())
    (machine.tree.path / "etc/default/lsmtpd").write_text(lines + "\n")


def start_lsmtpd(machine):
    machine.run("systemctl start lsmtpd")
    wait_until(lambda: machine.run("ss -ltn 2>/dev/null | grep -q :25 || grep -q ':0019 ' /proc/net/tcp", check=False).returncode == 0,
               20, "LSMTPD's port")


def leave_message(machine, folder, subject):
    """A file as LSMTPD leaves it where the broker fails."""
    mail = {"timestamp": "2026-11-22T01:38:39.271215996+00:00", "message_id": "f6f326ce-2fca-4246-96ba-aab732d44ad0",
            "client_address": "client.example", "recipients": ["<r@example.org>"],
            "email_content": f"Subject: {subject}\r\n\r\nbody\r\n", "sender": "s@example.org"}
    machine.run(f"mkdir -p {folder} && printf %s {shlex.quote(json.dumps(mail))} >{folder}/{mail['message_id']}.json")


def assert_serves(machine):
    assert machine.state() == ("enabled", "active"), machine.run("journalctl -u lsmtpd --no-pager | tail -20", check=False).stdout
    assert owner(machine, CONFIG) == "640 root:lsmtpd"
    assert machine.run("ps -o user= -p $(systemctl show -P MainPID lsmtpd)").stdout.strip() == "lsmtpd"
    assert "mx.old.example" in machine.python("import smtplib; print(smtplib.SMTP('127.0.0.1', 25, 'c.example').ehlo())")


def test_the_upgrade_goes_on_with_port_queue_and_spool(machine):
    machine.run("dpkg -i /packages/lsmtpd_1.8.0-1_amd64.deb")
    machine.run("systemctl start rabbitmq-server && rabbitmqctl await_startup && rabbitmqctl add_user mail p@ss && "
                "rabbitmqctl set_permissions -p / mail '.*' '.*' '.*'")
    machine.python(RECEIVE)
    settings(machine, TEMP_EMAIL_DIR="/srv/mail-queue", AMQP_HOST="127.0.0.1", AMQP_PORT="5672", AMQP_USERNAME="mail",
             AMQP_PASSWORD="p%40ss", AMQP_VHOST="%2f", AMQP_ROUTING_KEY="mail")
    leave_message(machine, "/srv/mail-queue", "waiting")
    start_lsmtpd(machine)
    machine.send("old")

    install(machine, "lsmtpd")
    assert_serves(machine)
    assert owner(machine, "/srv/mail-queue") == "700 lsmtpd:lsmtpd"
    machine.send("new")
    got = []

    def all_three():
        got.extend(json.loads(line).split("\r\n")[0] for line in machine.python(RECEIVE).splitlines())
        return len(got) >= 3
    wait_until(all_three, 60, lambda: f"three messages in the queue; now {got}", every=1)
    assert sorted(got) == ["Subject: new", "Subject: old", "Subject: waiting"]
    assert machine.run("ls /srv/mail-queue").stdout.strip() == "" or "json" not in machine.run("ls /srv/mail-queue").stdout
    assert "reload" not in machine.run("systemctl reload lsmtpd", check=False).stdout
    assert "takes the place of LSMTPD" in machine.run("zcat /usr/share/doc/lsmtpd/NEWS*.gz").stdout

    # While the broker is away the kept folder takes the mail, which the unit must allow.
    machine.run("systemctl stop rabbitmq-server")
    machine.send("held")
    assert machine.run("ls /srv/mail-queue/*.json | wc -l").stdout.strip() == "1"
    newer(machine, "1")
    assert_serves(machine)
    machine.run("apt-get -q purge -y lsmtpd")
    machine.run("test ! -e /etc/default/lsmtpd && test ! -e /etc/systemd/system/lsmtpd.service.d && test ! -e /etc/lsmtpd")
    machine.run("ls /srv/mail-queue/*.json")


def test_messages_below_tmp_move_to_the_spool_although_its_own_script_fails(machine):
    """Without debconf its prerm fails before it has stopped the service."""
    machine.run("dpkg -i /packages/lsmtpd_1.8.0-1_amd64.deb")
    settings(machine)
    start_lsmtpd(machine)
    machine.send("old")
    machine.run("dpkg-divert --rename /usr/bin/debconf-communicate")
    install(machine, "lsmtpd")
    assert_serves(machine)
    assert machine.run("ls /tmp/lsmtpd | wc -l").stdout.strip() == "0"
    machine.send("new")
    wait_until(lambda: machine.run("ls /var/spool/lsmtpd | grep -c json$", check=False).stdout.strip() == "2", 20, "both files")
    stored = machine.run("stat -c '%a %U:%G' /var/spool/lsmtpd/*.json").stdout.split("\n")
    assert stored[:2] == ["600 lsmtpd:lsmtpd"] * 2
    assert "Subject: old" in machine.run("cat /var/spool/lsmtpd/*.json").stdout


def test_a_mistake_in_its_settings_is_named_and_the_upgrade_goes_on_after_it_is_mended(machine):
    machine.run("dpkg -i /packages/lsmtpd_1.8.0-1_amd64.deb")
    settings(machine, BIND_PORT="99999")
    failed = install(machine, "lsmtpd", check=False)
    assert failed.returncode != 0 and "BIND_PORT" in failed.stdout and "dpkg --configure lsmtpd" in failed.stdout
    settings(machine)
    machine.run("dpkg --configure lsmtpd")
    assert_serves(machine)


def test_variables_of_files_that_a_drop_in_names_count(machine):
    machine.run("dpkg -i /packages/lsmtpd_1.8.0-1_amd64.deb")
    settings(machine)
    machine.run("mkdir -p /etc/systemd/system/lsmtpd.service.d && echo SERVER_NAME=mx.drop-in.example >/etc/lsmtpd-more && "
                "printf '[Service]\\nEnvironmentFile=-/etc/lsmtpd-more\\n' >/etc/systemd/system/lsmtpd.service.d/more.conf")
    install(machine, "lsmtpd")
    assert 'hostname = "mx.drop-in.example"' in machine.run(f"grep hostname {CONFIG}").stdout
    assert machine.state() == ("enabled", "active")
