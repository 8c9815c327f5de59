# SPDX-License-Identifier: Apache-2.0
"""Starts the command in the arguments with a configuration of its own, sends one mail, and ends it: exit status 0 if the mail
is in the spool and the daemon ended well."""
import pathlib
import smtplib
import socket
import subprocess
import sys
import tempfile
import time

folder = pathlib.Path(tempfile.mkdtemp())
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
(folder / "lsmtpd.toml").write_text(
    f'[[listener]]\nname = "mx"\naddress = "127.0.0.1:{port}"\n'
    f'[plugin.spool]\nuse = "output_json_spool"\noptions = {{ directory = "{folder}/spool" }}\n'
    '[chain.default]\nsteps = ["spool"]\n')
daemon = subprocess.Popen([*sys.argv[1:], "run", "--config", folder / "lsmtpd.toml"])
deadline = time.monotonic() + 60
while True:
    try:
        smtp = smtplib.SMTP("127.0.0.1", port, local_hostname="client.example", timeout=60)
        break
    except OSError:
        if daemon.poll() is not None or time.monotonic() > deadline:
            sys.exit("it does not serve")
        time.sleep(0.2)
smtp.sendmail("s@example.org", ["r@example.org"], "Subject: emulated\r\n\r\nbody\r\n")
smtp.quit()
while not (stored := list((folder / "spool").glob("*.json"))) and time.monotonic() < deadline:
    time.sleep(0.2)
daemon.terminate()
if daemon.wait(60) != 0 or len(stored) != 1 or "Subject: emulated" not in stored[0].read_text():
    sys.exit(f"status {daemon.returncode}, stored {stored}")
print("one mail stored")
