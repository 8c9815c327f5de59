# SPDX-License-Identifier: Apache-2.0
"""Places for UNIX sockets. The path of one has at most 107 octets, and a test's own folder may be longer."""
import atexit
import pathlib
import tempfile


def folder():
    """A new folder with a short path, removed when the tests end."""
    made = tempfile.TemporaryDirectory(prefix="lsmtpd-")
    atexit.register(made.cleanup)
    return pathlib.Path(made.name)
