# SPDX-License-Identifier: Apache-2.0
"""aiosmtpd (Python, asyncio) with its Sink handler, from a virtual environment in the cache."""
from support.brokers import CACHE

from .base import Server, Unavailable


class Aiosmtpd(Server):
    name = "aiosmtpd"
    what = "Python, asyncio, stores nothing"

    def argv(self):
        found = sorted(CACHE.glob("aiosmtpd-*/bin/aiosmtpd"))
        if not found:
            raise Unavailable("not installed")
        return [found[-1], "-n", "-c", "aiosmtpd.handlers.Sink", "-l", self.address, "-s", str(32 << 20)]
