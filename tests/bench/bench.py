#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""lsmtpd beside its peers and beside the limit, in one run: two tables, and a plot.

    contrib/dev bench [--quick] [--servers A,B] [--modes M,N] [--sizes ...] [--connections ...] [...]

The servers take turns: every round measures each of them once, started anew, and a figure is the median of
the rounds. By default the first mode, size and number of connections are the base, and one of the three is
varied at a time; --all measures every combination. System calls are counted in a run apart.
"""
import argparse
import contextlib
import os
import pathlib
import shutil
import signal
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
import bare_spool  # noqa: E402
import disk  # noqa: E402
import plot  # noqa: E402
import report  # noqa: E402
import servers  # noqa: E402
import targets  # noqa: E402
from load import Cell, count_calls, measure  # noqa: E402
from servers.base import Unavailable  # noqa: E402
from support.wait import Timeout  # noqa: E402

MODES = ["kept", "one", "pipelined", "bdat"]
SIZES = [4 << 10, 100 << 10, 1 << 20, 10 << 20]
CONNECTIONS = [30, 1, 1000, 5000]
FAR = ("one-pipelined", "pipelined")
PEERS = list(servers.ALL)


def words(choices):
    def split(text):
        found = text.split(",") if text else []
        for each in found:
            if each not in choices:
                raise argparse.ArgumentTypeError(f"{each} is none of {', '.join(choices)}")
        return found
    return split


def build_folder(text):
    found = pathlib.Path(text).resolve()
    if not (found / "lsmtpd").exists():
        raise argparse.ArgumentTypeError(f"there is no {found / 'lsmtpd'}")
    return found


def numbers(text):
    units = {"K": 10, "M": 20}
    return [int(each[:-1]) << units[each[-1]] if each[-1] in units else int(each)
            for each in text.split(",")]


def parse(argv):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--servers", type=words([*servers.ALL, *servers.GROWTH]), default=PEERS, help=",".join(PEERS))
    add("--modes", type=words([*MODES, "one-pipelined", "one-bdat"]), default=MODES, help=",".join(MODES))
    add("--sizes", type=numbers, default=SIZES, help="octets, K and M for KiB and MiB")
    add("--connections", type=numbers, default=CONNECTIONS, help="at once")
    add("--all", action="store_true", help="every combination of modes, sizes and connections")
    add("--rtt", type=int, default=315, help="ms of the simulated round trip; 0 leaves it out")
    add("--window", type=int, default=4, help="BDAT transactions outstanding on a connection")
    add("--rounds", type=int, default=5)
    add("--seconds", type=float, default=3, help="of each measurement")
    add("--warm-up", type=float, default=0.5)
    add("--messages", type=int, default=0, help="of each measurement, in place of --seconds")
    add("--quick", action="store_true", help="one round of one second each")
    add("--calls", action=argparse.BooleanOptionalAction, default=True, help="count system calls")
    add("--growth", action=argparse.BooleanOptionalAction, default=True,
        help="one worker beside two, a spool with --crowd files beside an empty one")
    add("--crowd", type=int, default=1_000_000)
    add("--bare-spool", action=argparse.BooleanOptionalAction, default=True)
    add("--spool-messages", type=int, default=10000, help="of each bare_spool")
    add("--workers", type=int, default=0, help="lsmtpd's; 0 = the cores it may use")
    add("--log", default="info", help="lsmtpd's log level")
    add("--server-cpu", default="", help="cores for the servers, as taskset has them")
    add("--client-cpu", default="")
    add("--directory", default="/var/tmp", help="on the file system that is measured")
    add("--ram-disk", choices=disk.KINDS, help="a file system in memory in place of --directory; root only")
    add("--plot", type=pathlib.Path, help="writes an .svg or .png")
    add("--json", type=pathlib.Path, help="writes every measurement")
    add("--report", type=pathlib.Path, help="writes the tables into this Markdown file, too")
    options = parser.parse_args(argv)
    if options.quick:
        options.rounds, options.seconds, options.warm_up = 1, 1, 0.2
    pins = {"server": options.server_cpu, "client": options.client_cpu}
    options.pinned = lambda who: ["taskset", "-c", pins[who]] if pins[who] else []
    return options


def cells(options):
    modes, sizes, connections = options.modes, options.sizes, options.connections
    if options.all:
        found = [Cell(*each) for each in
                 ((mode, size, count) for mode in modes for size in sizes for count in connections)]
    else:
        found = [Cell(mode, sizes[0], connections[0]) for mode in modes]
        found += [Cell(modes[0], size, connections[0]) for size in sizes[1:]]
        found += [Cell(modes[0], sizes[0], count) for count in connections[1:]]
    if options.rtt:
        found += [Cell(mode, sizes[0], connections[0], options.rtt) for mode in FAR]
    return list(dict.fromkeys(found))


def plan(options):
    """(cell, server name) of one round, in its order."""
    found = [(cell, name) for cell in cells(options) for name in options.servers]
    if options.growth:
        base = Cell(options.modes[0], options.sizes[0], options.connections[0])
        found += [(base, name) for name in servers.GROWTH]
    return list(dict.fromkeys(found))


def say(text):
    print(text, file=sys.stderr, flush=True)


def attempt(results, cell, name, work):
    """Runs work() unless that failed before; a failed measurement is recorded and left out."""
    if (cell, name) in results.reasons:
        return None
    try:
        return work()
    except (Unavailable, Timeout, OSError) as reason:
        say(f"{name}, {cell}: left out: {reason}")
        results.leave_out(cell, name, " ".join(str(reason).split())[:120])
        return None


def rounds(options, results, machines):
    for number in range(1, options.rounds + 1):
        for cell, name in plan(options):
            found = attempt(results, cell, name, lambda: measure(machines[name], cell, options))
            if found:
                results.add(cell, name, found)
                say(f"round {number}: {cell}: {name}: {found['rate']:.0f} messages/s, "
                    f"{found['cpu_us']:.1f} us of CPU a message, peak {found['peak'] / 2**20:.1f} MiB")
            if (cell, name) == (Cell(), "lsmtpd-spool") and options.bare_spool:
                bare_file_calls(options, results, number, machines["lsmtpd-null"])


def bare_file_calls(options, results, number, null):
    """Right after the spool, for a disk's speed may change from minute to minute."""
    def add(variant, found):
        results.bare_spool.setdefault(variant, []).append(found)
        say(f"round {number}: bare file calls: {variant}: {found['rate']:.0f} messages/s, "
            f"{found['cpu_us']:.1f} us of CPU a message")

    for variant in bare_spool.VARIANTS:
        if found := bare_spool.measure(variant, Cell().size, options.folder, options):
            add(variant, found)
    add(report.BESIDE, bare_spool.measure_beside(null, Cell(), options.folder, options))


def count(options, results, machines):
    """Of the modes only: the calls of a message hardly depend on the rest."""
    for mode in options.modes:
        cell = Cell(mode, options.sizes[0], options.connections[0])
        for name in options.servers:
            found = attempt(results, cell, name, lambda: count_calls(machines[name], cell, options))
            if found:
                results.calls[cell, name] = found
                say(f"calls: {cell}: {name}: {sum(found.values()):.1f} a message")


def machine():
    with open("/proc/cpuinfo") as lines:
        model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "?")
    return f"{os.cpu_count()} cores ({model}), Linux {os.uname().release}"


def written(options, results):
    text = (f"{machine()}; {options.rounds} rounds, "
            f"{f'{options.messages} messages' if options.messages else f'{options.seconds:g} s'} each; "
            f"{f'{options.ram_disk} in memory' if options.ram_disk else 'the disk'}\n\n"
            f"{report.table(results)}\n\n{targets.table(results)}\n")
    report.written(options, results, text)
    if options.plot:
        plot.draw(results, options.plot)


def run(options, results, directory):
    options.folder = folder = pathlib.Path(tempfile.mkdtemp(prefix="lsmtpd-bench-", dir=directory))
    folder.chmod(0o755)  # Postfix's processes drop their rights and still have to reach their queue
    machines = {name: kind(folder, options) for name, kind in {**servers.ALL, **servers.GROWTH}.items()}
    try:
        rounds(options, results, machines)
        if options.calls:
            count(options, results, machines)
    except KeyboardInterrupt:
        say("interrupted: what there is")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main(argv=None):
    options = parse(argv)
    results = report.Results()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the servers are ended, too
    with disk.mounted(options.ram_disk) if options.ram_disk else contextlib.nullcontext(options.directory) as folder:
        run(options, results, folder)
    written(options, results)


if __name__ == "__main__":
    main()
