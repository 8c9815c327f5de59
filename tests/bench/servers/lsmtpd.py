# SPDX-License-Identifier: Apache-2.0
"""lsmtpd itself: with output_null for the core alone, with the JSON spool, and variants of both."""
import json
import os
import pathlib
import shutil

from support.daemon import BUILD, Daemon, merge

from .base import Server, program

LARGE = {"connections": 10000, "connections_per_peer": 10000, "message_size": "12MiB"}


def configuration(options):
    """options.log, .workers and .output ("spool" or "null")."""
    changes = {"limits": LARGE, "log": {"level": options.log}, "server": {"workers": options.workers}}
    if options.output == "null":
        changes["plugin"] = {"null": {"use": "output_null"}}
        changes["chain"] = {"default": {"steps": ["null"]}}
    return changes


class Lsmtpd(Server):
    output = "null"
    workers = None
    build = BUILD

    def start(self, connections=30):
        binary = program(self.build / "lsmtpd", "not built")
        self.connections = connections
        shutil.rmtree(self.folder, ignore_errors=True)
        changes = configuration(self)
        changes["plugin"] = {**changes.get("plugin", {}), **self.plugin()}
        changes = merge(changes, self.more())
        self.daemon = Daemon(self.folder, changes, wrapper=self.options.pinned("server"),
                             environment=self.preloaded(), binary=binary).start()
        self.host, self.port = self.daemon.address()
        self.process = self.daemon.process
        return self

    @property
    def log(self):
        return self.options.log

    def __init__(self, folder, options):
        super().__init__(folder, options)
        if self.workers is None:
            self.workers = options.workers

    def plugin(self):
        return {}

    def more(self):
        """More of the configuration."""
        return {}

    def stored(self):
        return len(self.daemon.spool)


class Null(Lsmtpd):
    """One worker, as the bare responder has one loop and smtp-sink one process."""
    name = "lsmtpd-null"
    what = "output_null, one worker, stores nothing"
    workers = 1


class TwoWorkers(Null):
    name = "lsmtpd-null-2"
    what = "output_null, two workers"
    workers = 2


class JsonSpool(Lsmtpd):
    name = "lsmtpd-spool"
    what = "one fsynced JSON file a message"
    output = "spool"
    durable = True


class Files(JsonSpool):
    name = "lsmtpd-files"
    what = "layout = \"files\""
    layout = "files"

    def plugin(self):
        return {"spool": {"options": {"layout": self.layout}}}

    def stored(self):
        return count_messages(self.daemon.spool.folder)


class Journal(Files):
    name = "lsmtpd-journal"
    what = "layout = \"journal\""
    layout = "journal"

    def stored(self):
        summary = self.daemon.cli("spool", "summary", "--json", "--config", self.daemon.config_file, check=0).stdout
        return json.loads(summary)["states"]["waiting"]["messages"]


class Baseline(JsonSpool):
    """Another build's spool, as that build has it by default."""
    name = "lsmtpd-baseline"
    what = "the build of --baseline"

    def __init__(self, folder, options):
        super().__init__(folder, options)
        self.build = options.baseline

    def stored(self):
        return count_messages(self.daemon.spool.folder)


class CrowdedSpool(JsonSpool):
    """Its folder is filled once and stays from measurement to measurement."""
    name = "lsmtpd-spool-crowded"
    what = "the same, beside a million files"

    def plugin(self):
        crowd = self.folder.parent / "crowd"
        if not crowd.is_dir():
            crowd.mkdir(mode=0o700)
            fill(crowd, self.options.crowd)
        return {"spool": {"options": {"directory": str(crowd)}}}

    def stored(self):
        return count_messages(self.folder.parent / "crowd")

    def stop(self):
        super().stop()
        for each in os.scandir(self.folder.parent / "crowd"):
            if is_new(each.name):
                os.unlink(each.path)


# Named like messages of the spool, in an order as random as theirs, with an ending of their own.
CROWD_END = "-ffff-4fff-8fff-ffffffffffff.json"


def fill(folder, count):
    for number in range(count):
        name = f"{number * 2654435761 % 2**32:08x}{CROWD_END}"
        os.close(os.open(pathlib.Path(folder) / name, os.O_CREAT | os.O_WRONLY, 0o600))


def count_messages(folder):
    return sum(1 for each in os.scandir(folder) if is_new(each.name))


def is_new(name):
    return name.endswith(".json") and not name.endswith(CROWD_END)
