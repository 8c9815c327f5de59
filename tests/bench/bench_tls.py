#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""TLS: what it costs beside plaintext, beside openssl s_server, and beside Postfix and Haraka, in one run.

    contrib/dev bench --tls [--quick] [--rounds N] [--seconds S] [--report FILE]

The servers take turns; a figure is the median of the rounds. Each target is a ratio of two figures of this run.
"""
import argparse
import pathlib
import shutil
import signal
import statistics
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
import tls_parts  # noqa: E402
from bench import machine, say  # noqa: E402
from load import Cell, measure  # noqa: E402
from servers import haraka, lsmtpd, postfix, secure  # noqa: E402
from servers.base import Unavailable  # noqa: E402
from support.certificates import Certificates  # noqa: E402
from support.wait import Timeout  # noqa: E402

PAIRS = [(lsmtpd.Null, secure.Null), (postfix.Postfix, secure.Postfix), (haraka.Discard, secure.Haraka)]


def parse(argv):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--rounds", type=int, default=5)
    add("--seconds", type=float, default=3, help="of each measurement")
    add("--warm-up", type=float, default=0.5)
    add("--quick", action="store_true", help="one round of one second each")
    add("--key", choices=["rsa", "ec"], default="rsa", help="of the certificate in the rates: RSA-2048 or P-256")
    add("--connections", type=int, default=30)
    add("--parts", default="rates,handshakes,latency,memory", help="some of them, separated by commas")
    add("--crowd", type=int, default=10000, help="connections that try TLS, in memory")
    add("--report", type=pathlib.Path, help="writes the tables into this Markdown file, too")
    options = parser.parse_args(argv)
    if options.quick:
        options.rounds, options.seconds, options.warm_up = 1, 1, 0.2
    # As load.py and servers/ want them.
    options.messages, options.window, options.workers, options.log = 0, 4, 1, "info"
    options.pinned = lambda who: []
    return options


class Figures:
    """Medians by (what, who)."""

    def __init__(self):
        self._all = {}

    def add(self, what, who, value):
        self._all.setdefault((what, who), []).append(value)

    def __call__(self, what, who):
        found = self._all.get((what, who))
        return statistics.median(found) if found else None

    def leave_out(self, what, who, reason):
        say(f"{who}, {what}: left out: {reason}")


def rates(options, figures, folder):
    machines = [kind(folder, options) for pair in PAIRS for kind in pair]
    for number in range(options.rounds):
        for mode in ("kept", "one"):
            for server in machines:
                try:
                    found = measure(server, Cell(mode, 4096, options.connections), options)
                except (Unavailable, Timeout, OSError) as reason:
                    figures.leave_out(mode, server.name, reason)
                    continue
                figures.add(f"{mode} rate", server.name, found["rate"])
                figures.add(f"{mode} cpu", server.name, found["cpu_us"])
                say(f"round {number + 1}: {mode}: {server.name}: {found['rate']:.0f} messages/s, "
                    f"{found['cpu_us']:.1f} us of CPU a message")


def handshakes(options, figures, folder):
    for number in range(options.rounds):
        for kind, pair in options.pairs.items():
            options.certificate, options.key = pair
            for who, server in (("lsmtpd", secure.Null(folder, options)), ("s_server", tls_parts.SServer(folder, options))):
                cpu, count = tls_parts.handshake_cpu(server, options.seconds)
                figures.add(kind, who, cpu * 1e6)
                say(f"round {number + 1}: {kind}: {who}: {cpu * 1e6:.0f} us of CPU a handshake ({count})")


def ratio(a, b):
    return a / b if a and b else None


def shown(value, digits=2):
    return "" if value is None else f"{value:,.0f}" if abs(value) >= 100 else f"{value:.{digits}f}"


def rate_rows(figures):
    yield "| server | mode | messages/s in the clear | inside TLS | CPU us a message in the clear | inside TLS |"
    yield "| --- | --- | ---: | ---: | ---: | ---: |"
    for mode in ("kept", "one"):
        for plain, tls in PAIRS:
            cells = [figures(f"{mode} {what}", who.name) for what in ("rate", "cpu") for who in (plain, tls)]
            yield f"| {plain.name} | {mode} | " + " | ".join(shown(each, 1) for each in cells) + " |"


def target_rows(figures):
    yield "| target | limit | measured |"
    yield "| --- | --- | ---: |"
    null, tls = lsmtpd.Null.name, secure.Null.name
    rows = [("kept connections: rate inside TLS, to the clear", "at least 0.7",
             ratio(figures("kept rate", tls), figures("kept rate", null))),
            ("kept connections: CPU inside TLS, to the clear", "at most 1.5",
             ratio(figures("kept cpu", tls), figures("kept cpu", null)))]
    for mode in ("kept", "one"):
        for _, peer in PAIRS[1:]:
            rows.append((f"{mode}: rate inside TLS, to {peer.name}", "above 1",
                         ratio(figures(f"{mode} rate", tls), figures(f"{mode} rate", peer.name))))
    for kind in ("RSA-2048", "P-256"):
        rows.append((f"CPU of a full handshake, {kind}, to s_server's", "at most 1.25",
                     ratio(figures(kind, "lsmtpd"), figures(kind, "s_server"))))
    rows += [("worst round trip beside 200 handshakes/s, ms", "5 times or 50 ms", figures("worst", "beside")),
             ("the same with nothing beside it, ms", "", figures("worst", "alone")),
             ("99 % of round trips beside 200 handshakes/s, ms", "", figures("p99", "beside")),
             ("an idle TLS connection, KiB", "at most 20", figures("idle", "lsmtpd")),
             ("peak with 10,000 connections that try TLS, MiB", "below 128", figures("peak", "lsmtpd")),
             ("of which have TLS at the default limits", "", figures("established", "lsmtpd"))]
    for what, limit, value in rows:
        yield f"| {what} | {limit} | {shown(value)} |"


def handshake_rows(figures):
    yield "| key | lsmtpd, CPU us a handshake | s_server |"
    yield "| --- | ---: | ---: |"
    for kind in ("RSA-2048", "P-256"):
        yield f"| {kind} | {shown(figures(kind, 'lsmtpd'), 0)} | {shown(figures(kind, 's_server'), 0)} |"


def run(options, figures, folder):
    made = Certificates(folder / "certificates")
    options.pairs = {"RSA-2048": made.issue("rsa", key="rsa"), "P-256": made.issue("ec", key="ec")}
    chosen = options.pairs["RSA-2048" if options.key == "rsa" else "P-256"]
    parts = {"rates": rates, "handshakes": handshakes, "latency": tls_parts.latency, "memory": tls_parts.memory}
    for name in options.parts.split(","):
        options.certificate, options.key = chosen
        parts[name](options, figures, folder)


def main(argv=None):
    options, figures = parse(argv), Figures()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the servers are ended, too
    folder = pathlib.Path(tempfile.mkdtemp(prefix="lsmtpd-bench-", dir="/var/tmp"))
    folder.chmod(0o755)
    try:
        run(options, figures, folder)
    except KeyboardInterrupt:
        say("interrupted: what there is")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    tables = "\n\n".join("\n".join(rows(figures)) for rows in (rate_rows, handshake_rows, target_rows))
    text = f"{machine()}; {options.rounds} rounds, {options.seconds:g} s each\n\n{tables}\n"
    print(text, flush=True)
    if options.report:
        options.report.write_text(text)


if __name__ == "__main__":
    main()
