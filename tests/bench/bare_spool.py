# SPDX-License-Identifier: Apache-2.0
"""The limit of a durable spool: bare_spool in the variants that facts about file systems suggest."""
import json
import subprocess

import load
from support.daemon import BUILD

# All but the last keep the sequence of a real spool; syncfs flushes files of others too and is a control only.
VARIANTS = {
    "range, 4 flushers": ["--group", "32", "--flushers", "4"],
    "range, 2 committers": ["--group", "16", "--committers", "2"],
    "range, 4 committers": ["--group", "8", "--committers", "4"],
    "io_uring": ["--group", "32", "--uring"],
    "one fdatasync each": ["--group", "32", "--sync", "each"],
    "syncfs (control)": ["--group", "32", "--sync", "syncfs"],
}
# The variant that runs beside an SMTP server: both halves of the work without their connection.
BESIDE = "range, 4 committers"
OVERHEAD = 700  # octets of JSON around a small message


def measure(variant, size, folder, options):
    """None when the program was built without a library that the variant needs."""
    done = subprocess.run(
        [*options.pinned("server"), BUILD / "tests/bare_spool", *VARIANTS[variant], "--size",
         str(size + OVERHEAD), "--messages", str(options.spool_messages), folder],
        capture_output=True, text=True, timeout=300)
    if done.returncode == LACKS_LIBRARY:
        return None
    if done.returncode != 0:
        raise AssertionError(f"bare_spool: {done.stderr}")
    return json.loads(done.stdout)


def measure_beside(server, cell, folder, options):
    """BESIDE, while as many messages go into `server`, which stores nothing; until both are done."""
    return load.measure_beside(server, cell, options, options.spool_messages,
                               lambda: measure(BESIDE, cell.size, folder, options))


LACKS_LIBRARY = 3
