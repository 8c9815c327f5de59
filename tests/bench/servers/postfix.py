# SPDX-License-Identifier: Apache-2.0
"""Postfix from its unpacked package, with a configuration and a queue of its own.

Each message goes into the hold queue: smtpd and cleanup write and fsync the queue file before the
250, and nothing delivers it, which is the work that lsmtpd's spool does. Its master process starts as
root only.
"""
import os
import shutil

from support.clients import postfix_program

from .base import Server, Unavailable

OWNER, GROUP = "games", "mail"  # any two that exist and own nothing here
MOST_PROCESSES = 1000

MAIN = """
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
import_environment = MAIL_CONFIG TZ LANG=C LD_LIBRARY_PATH={tree}/usr/lib/postfix {preloaded}
maillog_file = {folder}/mail.log
maillog_file_prefixes = {folder}
myhostname = mx.bench.example
mydestination =
relay_domains = example.org
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
alias_database =
local_recipient_maps =
message_size_limit = 33554432
default_process_limit = {processes}
smtpd_client_connection_count_limit = 0
smtpd_peername_lookup = no
smtpd_relay_restrictions =
smtpd_recipient_restrictions = static:HOLD, permit_auth_destination, reject
in_flow_delay = 0
default_database_type = texthash
smtputf8_enable = no
"""

MASTER = """
{address} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
tlsmgr unix - - n 1000? 1 tlsmgr
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""

QUEUES = ("incoming active deferred hold bounce defer corrupt flush trace saved private").split()


class Postfix(Server):
    name = "postfix"
    what = "one fsynced file a message, in the hold queue"
    durable = True

    def prepare(self):
        program, self._environment = postfix_program("smtp-source")
        if program is None or not self._environment:
            raise Unavailable("Postfix is not unpacked")
        if os.geteuid() != 0:
            raise Unavailable("Postfix starts as root only")
        if self.connections > MOST_PROCESSES:
            raise Unavailable(f"a process each: not more than {MOST_PROCESSES} connections")
        self._tree = program.parents[2]
        values = {"folder": self.folder, "tree": self._tree, "owner": OWNER, "group": GROUP,
                  "address": self.address,
                  "preloaded": " ".join(f"{name}={value}" for name, value in self.preloaded().items()),
                  "processes": max(100, self.connections + 20)}
        config = self.folder / "config"
        config.mkdir()
        (config / "main.cf").write_text(MAIN.format(**values) + self.more())
        (config / "master.cf").write_text(MASTER.format(**values))
        for name in ("queue", "data", *(f"queue/{each}" for each in QUEUES)):
            (self.folder / name).mkdir()
            if name != "queue":
                shutil.chown(self.folder / name, OWNER)
        (self.folder / "queue/pid").mkdir()
        for name, mode in (("public", 0o710), ("maildrop", 0o730)):
            (self.folder / "queue" / name).mkdir()
            shutil.chown(self.folder / "queue" / name, OWNER, GROUP)
            (self.folder / "queue" / name).chmod(mode)

    def more(self):
        """More of main.cf."""
        return ""

    def argv(self):
        return [self._tree / "usr/lib/postfix/sbin/master", "-d", "-c", self.folder / "config"]

    def environment(self):
        return {**os.environ, **self._environment}

    def stored(self):
        return sum(len(files) for _, _, files in os.walk(self.folder / "queue/hold"))
