# SPDX-License-Identifier: Apache-2.0
"""slow_flush.c, with its delay and the file of its counts."""
import struct

from support.daemon import BUILD

LIBRARY = BUILD / "tests/slow_flush.so"
COUNTS = struct.Struct("=5Q")  # fsync, fdatasync, syncfs, sync_file_range, synchronous writes


class Preload:
    def __init__(self, counts, delay_ms):
        self._counts = counts
        counts.write_bytes(bytes(COUNTS.size))
        counts.chmod(0o666)  # Postfix's processes count too
        self.environment = {"LD_PRELOAD": str(LIBRARY), "LSMTPD_BENCH_DELAY_US": str(round(delay_ms * 1000)),
                            "LSMTPD_BENCH_COUNTS": str(counts)}

    def counts(self):
        return COUNTS.unpack(self._counts.read_bytes())

    def flushes(self):
        return sum(self.counts())
