# SPDX-License-Identifier: Apache-2.0
"""The limit of a journal: bare_flush, alone and beside SMTP."""
import json
import os
import subprocess

from load import measure_beside
from support.daemon import BUILD


def start(folder, options, preload=None, writers=1, size=4096, messages=0):
    """The process, whose file is made."""
    amount = ["--messages", messages] if messages else ["--seconds", options.seconds, "--warm-up", options.warm_up]
    argv = [*options.pinned("server"), BUILD / "tests/bare_flush", "--step", "--writers", writers, "--size", size, *amount, folder]
    process = subprocess.Popen([str(each) for each in argv], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                               env={**os.environ, **(preload.environment if preload else {})})
    assert process.stdout.readline() == "ready\n", "bare_flush could not make its file"
    return process


def finish(process):
    """Lets it begin; returns its measurement."""
    text, _ = process.communicate("\n")
    assert process.returncode == 0, f"bare_flush ended with {process.returncode}"
    return json.loads(text)


def run(*arguments, **options):
    with start(*arguments, **options) as process:
        return finish(process)


def beside(null, cell, options, folder, messages):
    """One writer's appends, while as many messages of the size go into a server that stores nothing."""
    with start(folder, options, size=cell.size, messages=messages) as process:
        return measure_beside(null, cell, options, messages, lambda: finish(process))
