#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What short lines cost others: a well-behaved client's worst mail beside clients that send bodies in short lines, to
the same beside long lines. Every body is in its file already, so that each line goes there.

    contrib/dev bench floods [--quick] [--rounds N] [--clients N] [--megabytes N]

The two kinds take turns; a figure is the median of the rounds, and the target is a ratio of two figures of this run.
"""
import argparse
import pathlib
import statistics
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
from support.daemon import Daemon  # noqa: E402
from support.flood import Crowd, Gauge, Regular, allow_descriptors  # noqa: E402
from support.hostile import MAIL, H  # noqa: E402
from support.wait import wait_until  # noqa: E402

MIB = 1 << 20
MOST_RATIO = 2
# A line, and the part of the data that is sent in such lines: as integration.floods has it, a flood of short ones would
# last much longer than one of as many octets in long ones.
LINES = {"long lines": (b"x" * 998 + b"\r\n", 1), "short lines": (b"..\r\n", 1 / 4), "bare LFs": (b"\n", 1 / 8)}


def parse(argv):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--rounds", type=int, default=5)
    add("--clients", type=int, default=500, help="that send, 100 from each address")
    add("--megabytes", type=float, default=1, help="that each sends in long lines")
    add("--quick", action="store_true", help="one round, of a sixteenth of the data")
    options = parser.parse_args(argv)
    if options.quick:
        options.rounds, options.megabytes = 1, options.megabytes / 16
    return options


def measure(server, regular, options, line, part):
    """(seconds of the worst mail, octets of memory at the peak) while the crowd sends such lines."""
    before, gauge = server.descriptors(), Gauge(server)
    data = line * int(part * options.megabytes * MIB / len(line))
    with Crowd(server, options.clients) as crowd:
        crowd.send_all(MAIL + H + LINES["long lines"][0] * 100)
        resident = [0]

        def still():
            last, resident[0] = resident[0], gauge.resident()
            return last == resident[0]

        wait_until(still, 60, "the daemon to rest", 0.5)
        gauge.start_over()
        regular.begin()
        crowd.send_all(data)
        times, replies = regular.end()
        peak = gauge.peak()
    wait_until(lambda: server.descriptors() <= before + 2, 60, "the crowd to be gone")
    assert all(reply.startswith("250") for reply in replies), replies
    return times[-1], peak


def main(argv):
    options = parse(argv)
    if not allow_descriptors(options.clients + 500):
        sys.exit("this process may not have so many descriptors")
    worst, peaks = {kind: [] for kind in LINES}, {kind: [] for kind in LINES}
    with tempfile.TemporaryDirectory(prefix="lsmtpd-bench-") as folder:
        server = Daemon(folder, {
            "listener": [{"name": "mx", "address": "127.0.0.1:0", "bare_lf": "normalize"}],
            "limits": {"message_size": "10MiB"}, "log": {"level": "info"},
            "plugin": {"spool": None, "null": {"use": "output_null"}}, "chain": {"default": {"steps": ["null"]}}})
        server.start()
        try:
            with Regular(server) as regular:
                regular.measure(20)
                for _ in range(options.rounds):
                    for kind, (line, part) in LINES.items():
                        seconds, peak = measure(server, regular, options, line, part)
                        worst[kind].append(seconds)
                        peaks[kind].append(peak)
        finally:
            server.check_clean()
    print(f"{options.clients} clients with {options.megabytes:g} MiB each, {options.rounds} rounds\n\n"
          "| lines | worst mail ms | peak MiB | ratio to long lines |\n| --- | ---: | ---: | ---: |")
    long_lines = statistics.median(worst["long lines"])
    missed = False
    for kind in LINES:
        seconds = statistics.median(worst[kind])
        ratio = seconds / long_lines
        missed = missed or ratio > MOST_RATIO
        print(f"| {kind} | {seconds * 1000:.1f} | {max(peaks[kind]) / MIB:.1f} | {ratio:.2f} |")
    print(f"\ntarget: at most {MOST_RATIO} times the worst mail beside long lines: {'missed' if missed else 'met'}")


if __name__ == "__main__":
    main(sys.argv[1:])
