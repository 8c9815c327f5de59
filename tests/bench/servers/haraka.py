# SPDX-License-Identifier: Apache-2.0
"""Haraka (Node.js), one process as by default, with the least of plugins.

Discard is its queue/discard. Disk is its quarantine plugin, the one that keeps messages in files: a
temporary, linked into place, without any fsync; Haraka has no queue of its own that is durable.
"""
import os
import shutil

from support.brokers import CACHE

from .base import Server, Unavailable

ACCEPT = """
exports.hook_rcpt = (next) => next(OK);
exports.hook_data_post = (next, connection) => {
  const notes = connection.transaction.notes;
  notes.%s = true;
  notes.quarantine_action = [OK, 'stored'];
  next();
};
"""


class Haraka(Server):
    queue = note = plugins = ""

    def prepare(self):
        trees = sorted(each for each in CACHE.glob("haraka-*") if (each / "node_modules/Haraka").is_dir())
        if not trees or not shutil.which("node"):
            raise Unavailable("not installed")
        haraka = trees[-1] / "node_modules/Haraka"
        self._program = haraka / "haraka.js"  # bin/haraka starts it as a child and waits
        shutil.copytree(haraka / "config", self.folder / "config")  # as `haraka --install` does
        for name, text in {
                "config/smtp.ini": f"listen={self.address}\n",
                "config/me": "mx.bench.example\n",
                "config/log.ini": "level=warn\n",
                "config/plugins": f"{self.plugins}bench_accept\n{self.queue}\n",
                "config/quarantine.ini": f"quarantine_path={self.folder}/stored\n",
                "plugins/bench_accept.js": ACCEPT % self.note}.items():
            path = self.folder / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)

    def argv(self):
        return ["node", self._program]

    def environment(self):
        return {**os.environ, "NODE_ENV": "production", "HARAKA": str(self.folder)}


class Discard(Haraka):
    name = "haraka"
    what = "Node.js, queue/discard, stores nothing"
    queue, note = "queue/discard", "discard"


class Disk(Haraka):
    name = "haraka-disk"
    what = "Node.js, quarantine: one file a message, no fsync"
    queue, note = "queue/quarantine", "quarantine"
