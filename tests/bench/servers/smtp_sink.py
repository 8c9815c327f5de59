# SPDX-License-Identifier: Apache-2.0
"""Postfix's test server: one process, stores nothing."""
import os

from support.clients import postfix_program

from .base import Server, Unavailable


class SmtpSink(Server):
    name = "smtp-sink"
    what = "Postfix's test server, stores nothing"

    def argv(self):
        program, self._environment = postfix_program("smtp-sink")
        if program is None:
            raise Unavailable("Postfix is not unpacked")
        user = ["-u", "nobody"] if os.geteuid() == 0 else []
        return [program, *user, "-m", "20000", self.address, "4096"]

    def environment(self):
        return {**os.environ, **self._environment}
