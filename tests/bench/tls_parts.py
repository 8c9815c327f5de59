# SPDX-License-Identifier: Apache-2.0
"""Parts of bench_tls.py: the CPU of a handshake, what others feel of handshakes, the memory of sessions."""
import multiprocessing
import re
import socket
import ssl
import statistics
import subprocess
import time

import proc
from bench import say
from servers import secure
from servers.base import Server
from support.smtp import Client

HANDSHAKES_A_SECOND = 200


def context():
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    return made


class SServer(Server):
    """openssl s_server, one connection after the other."""
    name = "s_server"
    tls = True

    def argv(self):
        return ["openssl", "s_server", "-quiet", "-www", "-accept", self.address, "-cert", self.options.certificate,
                "-key", self.options.key, "-num_tickets", "0"]

    def _answers(self):
        try:
            with self._connect():
                return True
        except OSError:
            return False


def handshake_cpu(server, seconds):
    """(seconds of the server's CPU for a full handshake, number of handshakes)."""
    server.start(1)
    try:
        before = proc.cpu_seconds(*server.pids())
        done = subprocess.run(["openssl", "s_time", "-connect", server.address, "-new", "-tls1_3", "-time",
                               str(max(1, round(seconds)))], capture_output=True, text=True, timeout=120)
        cpu = proc.cpu_seconds(*server.pids()) - before
        count = int(re.search(r"^(\d+) connections in [\d.]+ real seconds", done.stdout, re.M)[1])
        return cpu / count, count
    finally:
        server.stop()


def shake_hands(address, over, count):
    """200 full handshakes a second, as a process of its own."""
    made, due = context(), time.monotonic()
    while not over.is_set():
        due += 1 / HANDSHAKES_A_SECOND
        time.sleep(max(0, due - time.monotonic()))
        with socket.create_connection(address) as plain, made.wrap_socket(plain):
            count.value += 1


def round_trips(address, seconds):
    """Sorted times of a NOOP, in ms, on one kept connection inside TLS."""
    client = Client(address)
    client.socket = context().wrap_socket(client.socket)
    found = []
    with client:
        client.expect(220)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            began = time.monotonic()
            client.command("NOOP", 250)
            found.append((time.monotonic() - began) * 1000)
            time.sleep(0.005)
    return sorted(found)


def latency(options, figures, folder):
    server = secure.Null(folder, options).start(2)
    try:
        for number in range(options.rounds):
            for who in ("alone", "beside"):
                over, count = multiprocessing.Event(), multiprocessing.Value("i", 0)
                beside = multiprocessing.Process(target=shake_hands, args=((server.host, server.port), over, count))
                if who == "beside":
                    beside.start()
                began = time.monotonic()
                found = round_trips((server.host, server.port), options.seconds)
                rate = count.value / (time.monotonic() - began)
                if who == "beside":
                    over.set()
                    beside.join()
                worst, p99 = found[-1], found[len(found) * 99 // 100]
                figures.add("worst", who, worst)
                figures.add("p99", who, p99)
                say(f"round {number + 1}: round trips {who} ({rate:.0f} handshakes/s): median "
                    f"{statistics.median(found):.2f} ms, 99 % {p99:.2f} ms, worst {worst:.2f} ms")
    finally:
        server.stop()


def opened(server, count, starttls):
    """Clients inside TLS where there is room, and in the clear where STARTTLS got 454."""
    made, clients, inside = context(), [], 0
    for number in range(count):
        client = Client((server.host, server.port), source=f"127.4.{number // 200}.{number % 200 + 1}")
        clients.append(client)
        if starttls:
            client.expect(220)
            client.command("EHLO c.example", 250)
            client.send(b"STARTTLS\r\n")
            if not client.reply().startswith("220"):
                continue
        client.socket = made.wrap_socket(client.socket)
        if not starttls:
            client.expect(220)
        inside += 1
    return clients, inside


class Default(secure.Null):
    """With limits.tls_memory as it comes, and STARTTLS."""
    name = "lsmtpd-starttls"
    tls = False

    def more(self):
        found = super().more()
        found["listener"][0]["tls"] = "starttls"
        del found["limits"]
        return found


def memory(options, figures, folder):
    server = secure.Null(folder, options).start(1000)
    try:
        clients, _ = opened(server, 50, False)  # what the first ones bring for all
        before = proc.resident(*server.pids())
        more, inside = opened(server, 1000, False)
        each = (proc.resident(*server.pids()) - before) / inside / 1024
        figures.add("idle", "lsmtpd", each)
        say(f"an idle TLS connection: {each:.1f} KiB")
        for client in clients + more:
            client.close()
    finally:
        server.stop()
    server = Default(folder, options).start(options.crowd)
    try:
        clients, inside = opened(server, options.crowd, True)
        peak = proc.peak(*server.pids()) / 2**20
        figures.add("peak", "lsmtpd", peak)
        figures.add("established", "lsmtpd", inside)
        say(f"{options.crowd} connections that try TLS: {inside} have it, peak {peak:.1f} MiB")
        for client in clients:
            client.close()
    finally:
        server.stop()
