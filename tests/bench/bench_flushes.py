#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The durable layouts where each flush lasts longer, and in memory, beside bare loops, null output and peers.

    contrib/dev bench flushes [--baseline BUILD_DIR] [--seconds S] [--rounds N] [--report FILE] [...]

--delay ms are added to each flush of lsmtpd, Postfix and the bare loop by slow_flush.c; the parts in memory are without
it. All take turns in each round, each started anew; a figure is the median of the rounds. The rates of both layouts
last --seconds, all other measurements a quarter of it. Each target is a ratio of two figures of this run.
"""
import argparse
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
import bare_flush  # noqa: E402
import disk  # noqa: E402
import flush_targets  # noqa: E402
import report  # noqa: E402
from bench import attempt, build_folder, machine, say, words  # noqa: E402
from flush_targets import LARGE, MEMORY, MIXED, SLOW_1, SLOW_30, SLOW_200  # noqa: E402
from load import Cell, Load, measure  # noqa: E402
from preload import Preload  # noqa: E402
from servers import lsmtpd, postfix, smtp_sink  # noqa: E402

FILES, JOURNAL, BASELINE = lsmtpd.Files, lsmtpd.Journal, lsmtpd.Baseline
NULL, TWO, SINK, POSTFIX = lsmtpd.Null, lsmtpd.TwoWorkers, smtp_sink.SmtpSink, postfix.Postfix
# The layouts whose rate has to last, and the servers of each part.
LASTING = {(SLOW_30, JOURNAL), (SLOW_30, FILES), (SLOW_200, JOURNAL), (MEMORY, JOURNAL), (MEMORY, FILES)}
PARTS = {
    "30": (SLOW_30, (JOURNAL, BASELINE, FILES, POSTFIX)),
    "1": (SLOW_1, (JOURNAL, FILES)),
    "200": (SLOW_200, (JOURNAL, BASELINE, FILES, POSTFIX)),
    "mixed": (MIXED, (JOURNAL, BASELINE, FILES)),
    "memory": (MEMORY, (NULL, SINK, JOURNAL, BASELINE, FILES, TWO)),
    "large": (LARGE, (NULL, JOURNAL, FILES)),
}
LARGE_A_SECOND = 50       # so many messages of 1 MiB for each of --seconds: a minute of them would fill the memory
BESIDE_A_SECOND = 4       # messages of 10 MiB beside those of 4 KiB, the same for each build


def parse(argv):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--baseline", type=build_folder, help="a build folder of an earlier commit, whose spool is measured too")
    add("--delay", type=float, default=2, help="ms that are added to each flush")
    add("--rounds", type=int, default=2)
    add("--seconds", type=float, default=60, help="of each rate that has to last; all others a quarter of it")
    add("--warm-up", type=float, help="default a tenth of --seconds, at most 2")
    add("--quick", action="store_true", help="one round of four seconds")
    add("--parts", type=words(PARTS), default=list(PARTS), help=f"some of {','.join(PARTS)}")
    add("--directory", default="/var/tmp", help="on the file system that the delay is added to")
    add("--ram-disk", choices=disk.KINDS, default="ext4", help="in memory; tmpfs for all but root")
    add("--workers", type=int, default=0, help="lsmtpd's; 0 = the cores it may use")
    add("--log", default="info", help="lsmtpd's log level")
    add("--json", type=pathlib.Path, help="writes every measurement")
    add("--report", type=pathlib.Path, help="writes the tables into this Markdown file, too")
    options = parser.parse_args(argv)
    if options.quick:
        options.rounds, options.seconds = 1, 4
    if options.warm_up is None:
        options.warm_up = min(2, options.seconds / 10)
    # As load.py and servers/ want them.
    options.messages, options.window, options.pinned = 0, 4, lambda who: []
    return options


def changed(options, **changes):
    return argparse.Namespace(**{**vars(options), **changes})


class Bench:
    def __init__(self, options, slow, memory):
        self.options, self.slow, self.memory = options, slow, memory
        self.results = report.Results()
        self.preload = Preload(slow / "counts", options.delay)

    def folder(self, cell):
        return self.slow if cell.slow else self.memory

    def server_options(self, cell, kind):
        options = changed(self.options, preload=self.preload if cell.slow else None)
        if (cell, kind) not in LASTING:
            options.seconds /= 4
        if cell is LARGE:
            options.messages = max(10, int(self.options.seconds * LARGE_A_SECOND))
        return options

    def server(self, cell, kind):
        options = self.server_options(cell, kind)

        def large(server):  # from the others' warm-up on
            return Load(server, Cell("one", 10 << 20, 50), options, "--rate", BESIDE_A_SECOND,
                        "--seconds", options.seconds + options.warm_up)

        return measure(kind(self.folder(cell), options), cell, options, large if cell is MIXED else None)

    def bare(self, cell):
        options = self.server_options(cell, None)
        if cell is LARGE:
            return bare_flush.beside(NULL(self.memory, options), cell, options, self.memory, options.messages)
        return bare_flush.run(self.slow, options, self.preload, cell.connections, cell.size)

    def add(self, number, cell, name, work):
        found = attempt(self.results, cell, name, work)
        if found:
            self.results.add(cell, name, found)
            say(f"round {number}: {cell}: {name}: {found['rate']:.0f} messages/s, {found['reply_p50_ms']:.2f} ms, "
                f"{found['cpu_us']:.1f} us of CPU a message")

    def round(self, number):
        for part in self.options.parts:
            cell, kinds = PARTS[part]
            if cell not in (MIXED, MEMORY):
                self.add(number, cell, flush_targets.BARE, lambda cell=cell: self.bare(cell))
            for kind in kinds:
                if kind is not BASELINE or self.options.baseline:
                    self.add(number, cell, kind.name, lambda cell=cell, kind=kind: self.server(cell, kind))


def file_system(folder):
    found = subprocess.run(["stat", "-f", "-c", "%T", folder], capture_output=True, text=True)
    return {"ext2/ext3": "ext4"}.get(found.stdout.strip(), found.stdout.strip())


def written(options, results, names):
    text = (f"{machine()}; {options.rounds} rounds, {options.seconds:g} s for the rates of the layouts and "
            f"{options.seconds / 4:g} s for all else; {options.delay:g} ms added to each flush on {names[0]}; "
            f"{names[1]} in memory\n\n{flush_targets.figures(results)}\n\n{flush_targets.table(results)}\n")
    report.written(options, results, text)


def main(argv=None):
    options = parse(argv)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the servers are ended, too
    slow = pathlib.Path(tempfile.mkdtemp(prefix="lsmtpd-bench-", dir=options.directory))
    slow.chmod(0o755)  # Postfix's processes drop their rights and still have to reach their queue
    try:
        with disk.in_memory(options.ram_disk) as (memory, name):
            bench = Bench(options, slow, pathlib.Path(memory))
            names = file_system(slow), name
            try:
                for number in range(1, options.rounds + 1):
                    bench.round(number)
            except KeyboardInterrupt:
                say("interrupted: what there is")
    finally:
        shutil.rmtree(slow, ignore_errors=True)
    written(options, bench.results, names)


if __name__ == "__main__":
    main()
