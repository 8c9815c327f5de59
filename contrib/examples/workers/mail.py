# SPDX-License-Identifier: Apache-2.0
"""Shared by both workers in Python: options, the message, its work, the verdict. README.md describes it."""
import argparse
import base64
import binascii
import dataclasses
import hashlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import threading

DONE, RETRY, REJECT = "done", "failed", "rejected"
REFUSED = 65  # EX_DATAERR: the exit status of a command that will never take this mail
stop = threading.Event()
failed = {}  # attempts of the messages that failed here, by id


class Poison(Exception):
    """This message can never be handled; a function may raise it too."""


@dataclasses.dataclass
class Mail:
    id: str           # of the copy: the same whenever it is delivered again
    message_id: str   # lsmtpd's id: in its 250 and its log
    content_id: str   # the same also where the client sent the mail twice
    sender: str
    recipients: list  # without angle brackets
    content: bytes    # exactly as it came
    json: dict
    attempt: int


def parse(body, properties, amqp_id, attempt):
    try:
        record = json.loads(body)
        sender, recipients, identity = record["sender"], record["recipients"], record["message_id"]
        if "email_content_base64" in record:
            content = base64.b64decode(record["email_content_base64"], validate=True)
        else:
            content = record["email_content"].encode()
        recipients = [each.removeprefix("<").removesuffix(">") for each in recipients]
        known = "\0".join([sender, *recipients, ""]).encode() + content
    except (ValueError, binascii.Error, KeyError, TypeError, AttributeError) as error:
        raise Poison(f"no JSON of lsmtpd: {type(error).__name__}: {error}") from None
    copy = properties.get("copy_id") or properties.get("_AMQ_DUPL_ID") or amqp_id or identity
    return Mail(str(copy), identity, record.get("content_id") or hashlib.sha256(known).hexdigest(),
                sender, recipients, content, record, attempt)


def judge(options, body, properties, amqp_id, attempt, last):
    """Does the work. Returns the verdict, and the number of the attempt; last: a failure is not to be tried again."""
    name = str(amqp_id or "(no id)")
    try:
        mail = parse(body, properties or {}, amqp_id, attempt)
        name = mail.id
        mail.attempt = attempt = max(attempt, failed.pop(name, 0) + 1)
        options.work(mail)
    except Poison as error:
        return say(REJECT, name, str(error)), attempt
    except Exception as error:  # a function's: whatever it is, the message has not been handled
        verdict = REJECT if last or attempt >= options.attempts else RETRY
        if verdict == RETRY:
            remember(name, attempt)
        return say(verdict, name, f"attempt {attempt} of {options.attempts}: {error}"), attempt
    return say(DONE, name), attempt


def remember(name, attempt):
    """For queues whose broker counts nothing: a message must not be tried for ever."""
    if len(failed) >= 1000:
        failed.clear()
    failed[name] = attempt


def say(word, *rest):
    """One line; no octet of a message reaches the terminal as a control character."""
    line = ": ".join(each[:300] for each in rest)
    print(word, "".join(each if each.isprintable() else "?" for each in line), file=sys.stderr, flush=True)
    return word


def wait_before_retry(options, attempt):
    """How long a failed message is held before it is given back, in seconds."""
    return min(options.pause * 2 ** (attempt - 1), 60)


def show(mail):
    print(mail.message_id, f"<{mail.sender}>", *(f"<{each}>" for each in mail.recipients), len(mail.content), flush=True)


def run_command(argv, timeout):
    def work(mail):
        about = {"ID": mail.id, "MESSAGE_ID": mail.message_id, "CONTENT_ID": mail.content_id, "SENDER": mail.sender,
                 "RECIPIENTS": "\n".join(mail.recipients), "ATTEMPT": str(mail.attempt)}
        done = subprocess.run(argv, input=mail.content, timeout=timeout,
                              env={**os.environ, **{f"MAIL_{key}": value for key, value in about.items()}})
        if done.returncode == REFUSED:
            raise Poison(f"{argv[0]} refused it")
        if done.returncode:
            raise RuntimeError(f"{argv[0]} ended with {done.returncode}")
    return work


def load_function(path):
    spec = importlib.util.spec_from_file_location("work", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.work


def end(*_):
    stop.set()
    os.write(sys.stderr.fileno(), b"stopping\n")  # print() is not to be called while it is called


def options_of(description, queue="mail"):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--url", default=os.environ.get("AMQP_URL", "amqp://guest:guest@127.0.0.1:5672/%2F"))
    parser.add_argument("--queue", default=queue)
    parser.add_argument("--prefetch", type=int, default=1, help="messages held at once, the one under way among them")
    parser.add_argument("--attempts", type=int, default=5)
    parser.add_argument("--pause", type=float, default=1, help="seconds before the second attempt; doubles to 60")
    parser.add_argument("--timeout", type=float, default=600, help="seconds for a command")
    parser.add_argument("--count", type=int, default=0, help="end after so many messages were done")
    parser.add_argument("--function", metavar="FILE.py", help="a file with work(mail), instead of a command")
    parser.add_argument("command", nargs="*", help="gets the content on standard input")
    options = parser.parse_args()
    options.work = show
    if options.function:
        options.work = load_function(options.function)
    elif options.command:
        options.work = run_command(options.command, options.timeout)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    return options


def keep_consuming(options, consume, broken):
    """consume(connected) until SIGTERM or --count, again after a pause when the connection is lost."""
    pause = 1

    def connected():
        nonlocal pause
        pause = 1
        say("connected", options.queue)

    while not stop.is_set():
        try:
            consume(connected)
        except broken as error:
            say("no connection", f"{type(error).__name__} {error}; again in {pause} s")
            stop.wait(pause)
            pause = min(2 * pause, 30)
    say("ended", options.queue)
