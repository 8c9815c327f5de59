# SPDX-License-Identifier: Apache-2.0
"""Real SMTP clients, each sending one mail exactly as it is (CRLF line ends) where it can."""
import os
import shutil
import subprocess

from .brokers import CACHE
from .smtp import stuff


def run(argv, input=None, env=None, timeout=120):
    done = subprocess.run([str(each) for each in argv], input=input, capture_output=True,
                          timeout=timeout, env={**os.environ, **(env or {})})
    assert done.returncode == 0, (f"{argv[0]} ended with {done.returncode}:\n"
                                  f"{done.stdout.decode(errors='replace')[-2000:]}\n"
                                  f"{done.stderr.decode(errors='replace')[-2000:]}")
    return done


def with_smtplib(daemon, mail, folder):
    with daemon.smtplib() as client:
        client.ehlo()
        client.mail("s@example.org")
        client.rcpt("r@example.org")
        code, text = client.docmd("DATA")
        assert code == 354
        # Not client.data(): it rewrites bare CR and LF, and this mail goes out as it is.
        client.send(stuff(mail))
        code, text = client.getreply()
        assert code == 250, text


def with_smtplib_sendmail(daemon, mail, folder):
    with daemon.smtplib() as client:
        client.sendmail("s@example.org", ["r@example.org"], mail)


def with_swaks(daemon, mail, folder):
    file = folder / "swaks.eml"
    file.write_bytes(stuff(mail))
    host, port = daemon.address()
    run(["swaks", "--server", f"{host}:{port}", "--from", "s@example.org", "--to", "r@example.org",
         "--helo", "client.example", "--no-data-fixup", "--data", f"@{file}", "--suppress-data"])


def with_curl(daemon, mail, folder):
    file = folder / "curl.eml"
    file.write_bytes(mail)
    host, port = daemon.address()
    run(["curl", "-sS", f"smtp://{host}:{port}/client.example", "--mail-from", "s@example.org",
         "--mail-rcpt", "r@example.org", "--upload-file", file])


def with_msmtp(daemon, mail, folder):
    """msmtp reads LF and sends CRLF, and ends the last line."""
    host, port = daemon.address()
    run(["msmtp", f"--host={host}", f"--port={port}", "--from=s@example.org", "--tls=off",
         "--auth=off", "--domain=client.example", "--set-from-header=off", "--set-date-header=off",
         "--remove-bcc-headers=off", "--", "r@example.org"],
        input=mail.replace(b"\r\n", b"\n"), env={"HOME": str(folder)})


def postfix_program(name):
    """(path, environment) of a program of Postfix, installed or unpacked by contrib/dev test; (None, {})
    when there is none."""
    if shutil.which(name):
        return shutil.which(name), {}
    tree = CACHE / "postfix"
    if not tree.is_dir():
        return None, {}
    return tree / "usr/sbin" / name, {"LD_LIBRARY_PATH": str(tree / "usr/lib/postfix")}


def smtp_source():
    """(path, environment) of Postfix's load generator."""
    program, environment = postfix_program("smtp-source")
    assert program, f"no smtp-source, and nothing in {CACHE / 'postfix'}: run contrib/dev test"
    return program, environment


def with_smtp_source(daemon, *options, timeout=300):
    host, port = daemon.address()
    program, environment = smtp_source()
    return run([program, *options, f"{host}:{port}"], env=environment, timeout=timeout)
