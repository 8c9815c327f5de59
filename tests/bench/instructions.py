#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Instructions that the daemon takes for a message into output_null, by callgrind.

    contrib/dev bench instructions [--mode kept|one|pipelined|bdat] [--connections N] [--tls]
                                   [--most N] [--functions [N] [--alone]]

The daemon runs twice under callgrind, for few and for many messages: the difference, divided by the difference of
the messages, is without start and stop. Unlike a time the figure is nearly the same on a busy machine: only the
cost of a turn of the loop is shared by all that is done in it. With one connection it repeats to the percent.
"""
import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
from support.certificates import Certificates, table  # noqa: E402
from support.daemon import BUILD, Daemon  # noqa: E402
from support.wait import wait_until  # noqa: E402

FEW = 300
SLOW = 300  # seconds: valgrind on a busy machine


def parse(argv):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--mode", default="kept", choices=("kept", "one", "pipelined", "bdat"))
    add("--size", type=int, default=4096, help="octets of a message's content")
    add("--connections", type=int, default=30)
    add("--messages", type=int, default=2000, help="between the two runs")
    add("--most", type=int, default=0, help="exit status 1 above so many instructions a message")
    add("--functions", type=int, nargs="?", const=60, default=0, metavar="N",
        help="also the N functions that take the most, with those they call, for a message")
    add("--alone", action="store_true", help="--functions: without those they call")
    add("--log", default="info", help="the daemon's log level")
    add("--format", default="text", choices=("text", "json"), help="of its log")
    add("--admin", action="store_true", help="with [admin]: its socket and HTTP")
    add("--tls", action="store_true", help="from the first octet")
    add("--load", default=BUILD / "tests/smtp_load", help="the client")
    return parser.parse_args(argv)


def run(options, folder, messages):
    """Returns the profile of a daemon that took so many messages."""
    profile = folder / "callgrind.out"
    changes = {"server": {"workers": 1}, "log": {"level": options.log, "format": options.format},
               "plugin": {"null": {"use": "output_null"}, "spool": None}, "chain": {"default": {"steps": ["null"]}}}
    if options.admin:
        changes["admin"] = {"socket": str(folder.with_suffix(".sock")), "http": "127.0.0.1:0"}
    if options.tls:
        certificate = Certificates(folder.with_suffix(".pki")).issue("ec", key="ec")
        changes["listener"] = [{"name": "mx", "address": "127.0.0.1:0", "chain": "default", "tls": "implicit"}]
        changes["tls"] = table(certificate)
    wrapper = ["valgrind", "--quiet", "--tool=callgrind", f"--callgrind-out-file={profile}"]
    daemon = Daemon(folder, changes, wrapper=wrapper)
    daemon.launch()
    try:
        host, port = wait_until(lambda: listens_at(daemon), SLOW, "the daemon to listen")
        subprocess.run([options.load, *(["--tls"] if options.tls else []), "--mode", options.mode, "--size", str(options.size), "--connections",
                        str(options.connections), "--messages", str(messages), f"{host}:{port}"],
                       check=True, stdout=subprocess.DEVNULL)
    finally:
        daemon.stop(SLOW)
    return profile


def listens_at(daemon):
    if not daemon.process.running():
        sys.exit(f"instructions: the daemon ended:\n{daemon.process.tail()}")
    log = daemon.log.read_text() if daemon.log.exists() else ""
    found = re.search(r"listening.*? address=(127\.0\.0\.1):(\d+)|\"listening\".*?(127\.0\.0\.1):(\d+)", log)
    return [each for each in found.groups() if each] if found else None


def total(profile):
    return int(re.search(r"^(?:totals|summary): (\d+)", profile.read_text(), re.MULTILINE).group(1))


LINE = re.compile(r"^\s*([\d,]+)(?: \(.*?%\))?\s+(\S.*)$")


def functions(profile, alone):
    """Instructions of each function, with those that it calls or alone."""
    report = subprocess.run(["callgrind_annotate", f"--inclusive={'no' if alone else 'yes'}", "--threshold=100", "--auto=no", profile],
                            check=True, capture_output=True, text=True).stdout
    found = {}
    for line in report.splitlines():
        if (match := LINE.match(line)) and ":" in match.group(2):
            name = match.group(2).split(" [")[0]
            found[name] = found.get(name, 0) + int(match.group(1).replace(",", ""))
    return found


def main(argv):
    options = parse(argv)
    for program in ("valgrind", "callgrind_annotate"):
        if not shutil.which(program):
            sys.exit(f"instructions: {program} is missing (Debian's package valgrind has it)")
    with tempfile.TemporaryDirectory(prefix="lsmtpd-instructions-") as folder:
        few = run(options, pathlib.Path(folder) / "few", FEW)
        many = run(options, pathlib.Path(folder) / "many", FEW + options.messages)
        each = (total(many) - total(few)) / options.messages
        print(f"{each:,.0f} instructions a message ({options.mode}, {options.size} octets, "
              f"{options.connections} connection{'s' if options.connections > 1 else ''}, output_null)")
        if options.functions:
            before = functions(few, options.alone)
            after = {name: (count - before.get(name, 0)) / options.messages for name, count in functions(many, options.alone).items()}
            for name, count in sorted(after.items(), key=lambda item: -item[1])[:options.functions]:
                print(f"{count:10,.0f}  {name}")
    return 1 if options.most and each > options.most else 0


if __name__ == "__main__":
    os.umask(0o077)
    sys.exit(main(sys.argv[1:]))
