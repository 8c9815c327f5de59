# SPDX-License-Identifier: Apache-2.0
"""The daemon under test, with a configuration, a spool and a log of its own."""
import copy
import json
import os
import pathlib
import signal
import smtplib
import subprocess
import time

from . import toml
from .process import Process
from .smtp import Client
from .spool import Spool
from .wait import Timeout, wait_until

BUILD = pathlib.Path(os.environ.get("LSMTPD_BUILD", pathlib.Path(__file__).parents[3] / "build"))
BINARY = BUILD / "lsmtpd"
WRITTEN_BEHIND = 0.2  # seconds


def sanitized():
    """Built with a sanitizer: slower, and larger in memory."""
    cache = BUILD / "CMakeCache.txt"
    return cache.exists() and "LSMTPD_SANITIZE:STRING=\n" not in cache.read_text()


def unoptimised():
    """Built without optimisation: ten times the CPU for each octet, which no target of time allows for."""
    cache = BUILD / "CMakeCache.txt"
    text = cache.read_text() if cache.exists() else ""
    return sanitized() or "CMAKE_BUILD_TYPE:STRING=Debug\n" in text or "-O0" in text


def merge(base, changes):
    """base with changes laid over it, tables key by key; None takes a key away."""
    result = copy.deepcopy(base)
    for key, value in changes.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = merge(result[key], value)
        else:
            result[key] = copy.deepcopy(value)
    return result


class Daemon:
    """Order of calls: made by the fixture `daemon`; start(); then the body of the test; the fixture
    ends it and checks that it left cleanly, unless the test stopped or killed it itself."""

    def __init__(self, folder, changes, wrapper=(), environment=None, binary=BINARY):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.log = self.folder / "log.json"
        self.output = self.folder / "output.txt"
        self.config_file = self.folder / "lsmtpd.toml"
        self.spool = Spool(self.folder / "spool", self._makes_files)
        self.wrapper = list(wrapper)
        self.binary = binary
        self.environment = environment or {}
        self.process = None
        self.config = merge({
            "server": {"hostname": "mx.test.example", "workers": 2},
            "listener": [{"name": "mx", "address": "127.0.0.1:0", "protocol": "smtp",
                          "chain": "default"}],
            "limits": {"message_size": "32MiB", "spill_directory": str(self.folder)},
            "log": {"level": "debug", "format": "json", "file": str(self.log)},
            # A machine that is busy with other tests may take its time over an fsync.
            "timeouts": {"chain": "90s"},
            "plugin": {"spool": {"use": "output_json_spool", "deadline": "60s",
                                 "options": {"directory": str(self.spool.folder)}}},
            "chain": {"default": {"steps": ["spool"]}},
        }, changes)
        self.write_config()

    def write_config(self):
        self.config_file.write_text(toml.dumps(self.config))

    def _makes_files(self):
        """It runs, and puts each message into a file."""
        options = (self.config["plugin"].get("spool") or {}).get("options", {})
        return self.process is not None and self.process.running() and options.get("layout", "files") == "files"

    def spool_at(self, folder):
        """That of another instance of the spool, with files."""
        return Spool(folder, lambda: self.process is not None and self.process.running())

    # Life and death.
    def start(self, seconds=20):
        self.launch()
        wait_until(self._listening, seconds,
                   lambda: f"the daemon to listen; its output:\n{self.process.tail()}\n"
                           f"its log:\n{self._log_tail()}")
        return self

    def launch(self):
        self._log_start = self.log.stat().st_size if self.log.exists() else 0
        argv = [*self.wrapper, self.binary, "run", "--config", self.config_file]
        self.process = Process(argv, self.output, env={**os.environ, **self.environment},
                               cwd=self.folder)
        self._addresses = {}

    def _listening(self):
        if not self.process.running():
            raise Timeout(f"the daemon ended with {self.process.returncode}:\n"
                          f"{self.process.tail()}\n{self._log_tail()}")
        if not self.log_lines("ready"):  # after the last address of the last listener
            return False
        for line in self.log_lines("listening"):
            host, port = line["address"].rsplit(":", 1)
            self._addresses[line["listener"]] = (host.strip("[]"), int(port))
        return True

    def listens_at(self, addresses):
        """For a log that is not JSON: where it listens, by listener."""
        self._addresses = addresses

    @property
    def pid(self):
        return self.process.pid

    def stop(self, seconds=40):
        """SIGTERM; returns the exit status. Not in time is a failure."""
        self.process.signal(signal.SIGTERM)
        return self.process.wait(seconds)

    def kill(self):
        self.process.kill()

    def restart(self):
        """Starts it again after stop() or kill(), on the same spool."""
        return self.start()

    def check_clean(self):
        """It is gone or goes now, with status 0 and without a sanitizer's report."""
        if self.process is None or self.process.returncode == -signal.SIGKILL:
            return
        try:
            status = self.stop()
        finally:
            self.process.kill()
        assert status == 0, f"the daemon ended with {status}:\n{self.process.tail(80)}"

    # Queries.
    def address(self, listener="mx"):
        return self._addresses[listener]

    def client(self, listener="mx", **options):
        """A raw client that has read the banner."""
        client = Client(self.address(listener), **options)
        client.expect("220 mx.test.example")
        return client

    def smtplib(self, listener="mx", **options):
        host, port = self.address(listener)
        return smtplib.SMTP(host, port, local_hostname="client.example", timeout=30, **options)

    def cli(self, *argv, check=None, input=None):
        """Runs lsmtpd with other arguments; returns the finished process with its output."""
        return run_cli(*argv, check=check, input=input, cwd=self.folder)

    # Its log.
    def log_lines(self, message=None, **fields):
        """The matching lines since the last start, as dicts. The log is written behind: where there is none yet, it is
        looked at again for a moment."""
        ends = time.monotonic() + WRITTEN_BEHIND
        while not (found := self._log_lines_now(message, **fields)) and time.monotonic() < ends:
            time.sleep(0.02)
        return found

    def _log_lines_now(self, message, **fields):
        if not self.log.exists():
            return []
        with open(self.log, "rb") as log:
            log.seek(self._log_start)
            text = log.read()
        lines = [json.loads(line) for line in text.decode("utf-8").split("\n")[:-1]]
        return [line for line in lines if (message is None or line["message"] == message)
                and all(line.get(key) == value for key, value in fields.items())]

    def wait_log(self, message, seconds=20, **fields):
        return wait_until(lambda: self.log_lines(message, **fields), seconds,
                          lambda: f"the log to say {message} {fields}; it ends:\n"
                                  f"{self._log_tail()}")[0]

    def _log_tail(self):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-20:]) \
            if self.log.exists() else "(no log)"

    def memory(self):
        """Resident bytes."""
        with open(f"/proc/{self.pid}/status") as status:
            return next(int(line.split()[1]) * 1024 for line in status
                        if line.startswith("VmRSS:"))

    def cpu_seconds(self):
        """Of all its threads: what it took itself, however busy the machine is."""
        tasks = pathlib.Path(f"/proc/{self.pid}/task").iterdir()
        return sum(int((each / "schedstat").read_text().split()[0]) for each in tasks) / 1e9

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))


def run_cli(*argv, check=None, input=None, cwd=None, env=None, timeout=60):
    done = subprocess.run([BINARY, *map(str, argv)], input=input, capture_output=True, cwd=cwd,
                          env=env, timeout=timeout,
                          **({"stdin": subprocess.DEVNULL} if input is None else {}))
    done.stdout, done.stderr = done.stdout.decode(), done.stderr.decode()
    if check is not None:
        assert done.returncode == check, f"status {done.returncode}, not {check}:\n{done}"
    return done
