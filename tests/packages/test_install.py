# SPDX-License-Identifier: Apache-2.0
"""Installation, restart on upgrade, removal and purge, under a systemd."""
import pytest

from support.wait import wait_until

CONFIG = "/etc/lsmtpd/lsmtpd.toml"


def install(machine, *names, check=True):
    files = " ".join(f"/packages/{name}_2*.deb" for name in names)
    return machine.run(f"apt-get -q install -y --no-install-recommends {files}", check=check)


def newer(machine, suffix):
    """Installs the same files as a higher version."""
    machine.run(f"rm -rf /tmp/newer && dpkg-deb -R /packages/lsmtpd_2*.deb /tmp/newer && "
                f"sed -i 's/^Version: .*/&+{suffix}/' /tmp/newer/DEBIAN/control && "
                f"dpkg-deb --root-owner-group -b /tmp/newer /tmp/newer.deb")
    return machine.run("dpkg -i /tmp/newer.deb")


def owner(machine, path):
    return machine.run(f"stat -c '%a %U:%G' {path}").stdout.strip()


def main_process(machine):
    return machine.run("systemctl show -P MainPID lsmtpd").stdout.strip()


def wait_files(machine, count):
    """A file follows the 250 of its message."""
    wait_until(lambda: machine.run("ls /var/spool/lsmtpd | grep -c json$", check=False).stdout.strip() == str(count), 20,
               f"{count} files")


def test_a_first_installation_serves_when_it_is_started_and_goes_without_a_trace(machine):
    install(machine, "lsmtpd")
    assert machine.state() == ("disabled", "inactive"), "the administrator starts it"
    assert owner(machine, CONFIG) == "640 root:lsmtpd"
    assert owner(machine, "/var/spool/lsmtpd") == "700 lsmtpd:lsmtpd"
    machine.run("lsmtpd check --user lsmtpd && systemctl enable --now lsmtpd")
    machine.send("first", port=2525)
    wait_files(machine, 1)
    for file in ("/usr/share/man/man8/lsmtpd.8.gz", "/usr/share/bash-completion/completions/lsmtpd", "/etc/logrotate.d/lsmtpd",
                 "/usr/share/doc/lsmtpd/operations.md.gz", "/usr/share/doc/lsmtpd/examples/lsmtpd.toml", "/usr/share/doc/lsmtpd/examples/workers/worker_pika.py",
                 "/usr/share/doc/lsmtpd/copyright"):
        machine.run(f"test -e {file}")
    machine.run("logrotate --debug /etc/logrotate.d/lsmtpd")

    kept = machine.run("apt-get -q purge -y lsmtpd").stdout
    assert "/var/spool/lsmtpd has messages" in kept
    assert machine.state()[1] == "inactive"
    machine.run("ls /var/spool/lsmtpd/*.json")
    for path in ("/etc/lsmtpd", "/etc/logrotate.d/lsmtpd", "/var/lib/lsmtpd", "/var/log/lsmtpd", "/run/lsmtpd"):
        machine.run(f"test ! -e {path}")
    assert "lsmtpd" not in machine.run("find /etc/systemd /var/lib/systemd/deb-systemd-helper-enabled -name '*lsmtpd*'").stdout

    machine.run("rm /var/spool/lsmtpd/*.json")
    install(machine, "lsmtpd")
    machine.run("apt-get -q remove -y lsmtpd")
    assert owner(machine, CONFIG) == "640 root:lsmtpd", "a removal keeps the configuration"
    machine.run("apt-get -q purge -y lsmtpd && test ! -e /var/spool/lsmtpd && test ! -e /etc/lsmtpd")


def test_an_upgrade_restarts_the_service_only_if_the_configuration_is_right(machine):
    install(machine, "lsmtpd")
    newer(machine, "1")
    assert machine.state() == ("disabled", "inactive"), "a service that did not run stays so"
    machine.run("systemctl enable --now lsmtpd")
    first = main_process(machine)
    newer(machine, "2")
    second = main_process(machine)
    assert second != first and machine.state() == ("enabled", "active")

    machine.run(f"cp {CONFIG} /root/right && echo nonsense >>{CONFIG}")
    said = newer(machine, "3").stdout
    assert f"{CONFIG}:" in said and "error" in said and "left as it is" in said
    assert main_process(machine) == second
    machine.send("served by the old one", port=2525)
    machine.run(f"cp /root/right {CONFIG}")
    newer(machine, "4")
    assert main_process(machine) != second
    assert owner(machine, CONFIG) == "640 root:lsmtpd"


@pytest.mark.parametrize("plugin, package", [("output_amqp", "lsmtpd-output-amqp"), ("filter_http", "lsmtpd-filter-http"),
                                             ("output_http", "lsmtpd-filter-http"), ("output_kafka", "lsmtpd-output-kafka"),
                                             ("output_nats", "lsmtpd-output-nats")])
def test_a_plugin_of_a_package_of_its_own_is_there_with_that_package(machine, plugin, package):
    install(machine, "lsmtpd")
    assert machine.run(f"lsmtpd plugins {plugin}", check=False).returncode != 0
    install(machine, package)
    assert plugin in machine.run(f"lsmtpd plugins {plugin}").stdout


def test_a_reload_of_the_service_takes_a_new_configuration(machine):
    install(machine, "lsmtpd")
    machine.run("systemctl start lsmtpd")
    machine.run(f"sed -i 's/127.0.0.1:2525/127.0.0.1:2526/' {CONFIG} && systemctl reload lsmtpd")
    wait_until(lambda: machine.run("lsmtpd check --listening", check=False).returncode == 0, 10, "the new listener")
    machine.send("reloaded", port=2526)


HOLD_BODIES = """
import smtplib, sys
held = []
try:
    for _ in range(int(sys.argv[1])):
        client = smtplib.SMTP("127.0.0.1", 2525, local_hostname="client.example", timeout=30)
        client.ehlo()
        client.mail("s@example.org")
        client.rcpt("r@example.org")
        client.docmd("DATA")
        client.sock.sendall(b"x" * 70 + b"\\r\\n" + (b"y" * 70 + b"\\r\\n") * 13_000)  # and no end
        held.append(client)
    held[0].sock.recv(1)  # until the daemon is gone
except OSError:
    pass
"""


def test_a_daemon_that_is_over_memory_max_is_ended_and_serves_again(machine):
    """MemoryMax below what limits.memory allows, as a leak would have it."""
    if not machine.limits_memory:
        pytest.skip("no hierarchy of cgroups here that limits memory takes this systemd")
    install(machine, "lsmtpd")
    machine.run("mkdir -p /etc/systemd/system/lsmtpd.service.d && printf '[Service]\\nMemoryMax=24M\\nMemorySwapMax=0\\nRestartSec=1\\n' "
                ">/etc/systemd/system/lsmtpd.service.d/memory.conf && systemctl daemon-reload && systemctl start lsmtpd")
    machine.send("before", port=2525)
    first = main_process(machine)
    machine.python(HOLD_BODIES, 40, check=False)
    wait_until(lambda: machine.run("systemctl show -P NRestarts lsmtpd").stdout.strip() != "0", 60, "systemd to start it again")
    wait_until(lambda: machine.run("lsmtpd check --listening", check=False).returncode == 0, 30, "the listener")
    assert main_process(machine) != first
    machine.send("after", port=2525)
    wait_files(machine, 2)
    assert "killed" in machine.run("journalctl -u lsmtpd --no-pager").stdout
