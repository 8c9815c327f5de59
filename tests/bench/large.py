# SPDX-License-Identifier: Apache-2.0
"""Many large messages at once, in thirds: a server's memory while it has parts of all of them."""
import time

from support.hostile import H
from support.smtp import queued_id, stuff


def large_messages(server, count, size):
    content = stuff(H + (b"y" * 998 + b"\r\n") * (size // 1000))
    busy = [server.client(timeout=300) for _ in range(count)]
    peak = 0
    for client in busy:
        client.envelope()
        client.command("DATA", 354)
    start = time.monotonic()
    third = len(content) // 3 + 1
    for part in (content[:third], content[third:2 * third], content[2 * third:]):
        for client in busy:
            client.send(part)
            peak = max(peak, server.memory())
    for client in busy:
        queued_id(client.reply())
        client.close()
    print(f"{count} messages of {size / 1e6:.0f} MB at once: {time.monotonic() - start:.1f} s, peak "
          f"{peak / 2**20:.1f} MB, then {server.memory() / 2**20:.1f} MB resident", flush=True)
