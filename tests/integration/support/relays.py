# SPDX-License-Identifier: Apache-2.0
"""Postfix and Exim as clients: Debian's packages, unpacked by contrib/dev test, that pass a mail on to lsmtpd. Neither
is installed, and both start as root only."""
import os
import pathlib
import re
import shutil
import subprocess

from .brokers import CACHE
from .clients import postfix_program
from .process import Process
from .wait import wait_until

OWNER, GROUP = "games", "mail"  # of Postfix's queue: any two that exist and own nothing here
QUEUES = "incoming active deferred hold bounce defer corrupt flush trace saved private".split()

POSTFIX_MAIN = """
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
daemon_directory = {tree}/usr/lib/postfix/sbin
command_directory = {tree}/usr/sbin
shlib_directory = {tree}/usr/lib/postfix
meta_directory = {folder}/config
mail_owner = {owner}
setgid_group = {group}
default_privs = nobody
import_environment = MAIL_CONFIG TZ LANG=C LD_LIBRARY_PATH={tree}/usr/lib/postfix
export_environment = MAIL_CONFIG TZ LANG=C LD_LIBRARY_PATH={tree}/usr/lib/postfix
maillog_file = {folder}/mail.log
maillog_file_prefixes = {folder}
myhostname = relay.test.example
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
alias_database =
local_recipient_maps =
default_database_type = texthash
smtp_dns_support_level = disabled
minimal_backoff_time = 300s
transport_maps = texthash:{folder}/config/transport
smtp_tls_security_level = encrypt
smtp_tls_CAfile = {ca}
smtp_tls_loglevel = 1
lmtp_tls_security_level = encrypt
lmtp_tls_CAfile = {ca}
lmtp_tls_loglevel = 1
"""

POSTFIX_MASTER = """
pickup unix n - n 1 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


def reachable(folder):
    """For processes that drop their rights."""
    for each in (folder, *folder.parents):
        if not each.stat().st_mode & 1:
            each.chmod(each.stat().st_mode | 0o011)


class Postfix:
    """A whole Postfix with a queue of its own. routes: (address, "smtp" or "lmtp", options of main.cf) by the domain of
    the recipients that go there. deliver() hands a mail in, and waits until it is delivered."""

    def __init__(self, folder, routes, ca):
        self.folder = pathlib.Path(folder)
        program, environment = postfix_program("sendmail")
        self._tree = pathlib.Path(program).parents[2]
        self._environment = {**os.environ, **environment, "MAIL_CONFIG": str(self.folder / "config")}
        self.log = self.folder / "mail.log"
        for name in ("config", "data", "queue", "queue/pid", *(f"queue/{each}" for each in QUEUES)):
            (self.folder / name).mkdir(parents=True)
            if name not in ("config", "queue", "queue/pid"):
                shutil.chown(self.folder / name, OWNER)
        for name, mode in (("public", 0o710), ("maildrop", 0o730)):
            (self.folder / "queue" / name).mkdir()
            shutil.chown(self.folder / "queue" / name, OWNER, GROUP)
            (self.folder / "queue" / name).chmod(mode)
        transports, services = "", POSTFIX_MASTER
        for domain, ((host, port), kind, options) in routes.items():
            transports += f"{domain} {domain}:[{host}]:{port}\n"
            services += f"{domain} unix - - n - - {kind}\n"
            services += "".join(f"  -o {key}={value}\n" for key, value in options.items())
        (self.folder / "config/transport").write_text(transports)
        (self.folder / "config/master.cf").write_text(services)
        (self.folder / "config/main.cf").write_text(POSTFIX_MAIN.format(
            folder=self.folder, tree=self._tree, owner=OWNER, group=GROUP, ca=ca))
        reachable(self.folder)

    def __enter__(self):
        self._process = Process([self._tree / "usr/lib/postfix/sbin/master", "-d", "-c", self.folder / "config"],
                                self.folder / "output.txt", env=self._environment, cwd=self.folder)
        wait_until(lambda: "daemon started" in self._text(), 30, lambda: f"Postfix to start: {self._text()}")
        return self

    def __exit__(self, *_):
        self._process.stop()

    def _text(self):
        return self.log.read_text() if self.log.exists() else self._process.tail()

    def deliver(self, mail, recipient, sender="s@example.org", seconds=40):
        """Returns the end of its line of the delivery: status=sent (...)."""
        done = subprocess.run([self._tree / "usr/sbin/sendmail", "-i", "-f", sender, recipient], input=mail,
                              env=self._environment, capture_output=True, timeout=60)
        assert done.returncode == 0, done.stderr.decode() + self._text()
        pattern = rf"to=<{re.escape(recipient)}>.*(status=\w+ \(.*\))"
        return wait_until(lambda: re.search(pattern, self._text()), seconds,
                          lambda: f"Postfix to deliver: {self._text()[-3000:]}")[1]


EXIM = """
exim_path = {program}
spool_directory = {folder}/spool
log_file_path = {folder}/%slog
pid_file_path = {folder}/exim.pid
primary_hostname = relay.test.example
trusted_users = root
never_users =
tls_advertise_hosts =
host_lookup =
disable_ipv6
keep_environment =
begin routers
all:
  driver = manualroute
  domains = *
  route_list = * {host} byname
  self = send
  transport = out
begin transports
out:
  driver = smtp
  port = {port}
  protocol = {protocol}
  hosts_require_tls = *
  tls_verify_certificates = {ca}
  tls_verify_hosts = *
  tls_verify_cert_hostnames =
  {more}
begin retry
* * F,1h,1m
"""


def exim_program():
    program = CACHE / "exim4/usr/sbin/exim4"
    return program if program.exists() else None


class Exim:
    """One process for one mail, in the foreground. Its user, whom Debian's package would make, stands in files of
    this mount namespace only."""

    USER, NUMBER = "Debian-exim", 59_925

    def __init__(self, folder, address, ca, protocol="smtp", more=""):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "spool").mkdir()
        # Its user must be able to start it again, and to read the CA.
        self._program, ca = (shutil.copy(each, self.folder) for each in (exim_program(), ca))
        for each in (self.folder, self.folder / "spool"):
            os.chown(each, self.NUMBER, self.NUMBER)
        reachable(self.folder)
        for name, line in (("passwd", f"{self.USER}:x:{self.NUMBER}:{self.NUMBER}::/:/bin/false"),
                           ("group", f"{self.USER}:x:{self.NUMBER}:")):
            (self.folder / name).write_text(pathlib.Path("/etc", name).read_text() + line + "\n")
        self.config = self.folder / "exim.conf"
        self.config.write_text(EXIM.format(folder=self.folder, program=self._program, host=address[0],
                                           port=address[1], protocol=protocol, ca=ca, more=more))

    def deliver(self, mail, sender="s@example.org", recipient="r@example.org"):
        """Returns its main log, which has the line of the delivery: => r@example.org ... C="250 ..."."""
        script = ('mount --make-rprivate / && mount --bind "$1/passwd" /etc/passwd && '
                  'mount --bind "$1/group" /etc/group && shift && exec "$@"')
        done = subprocess.run(["unshare", "-m", "sh", "-c", script, "sh", self.folder, self._program, "-C", self.config,
                               "-odf", "-oi", "-f", sender, recipient], input=mail, capture_output=True, timeout=120)
        log = "".join(each.read_text() for each in sorted(self.folder.glob("*log")))
        assert done.returncode == 0, done.stderr.decode() + log
        return log
