# SPDX-License-Identifier: Apache-2.0
"""How long a run of the fault matrix is. The normal suite takes the quick part; `contrib/dev test
faults`, and `contrib/dev test cluster`, set LSMTPD_LONG and take all of it."""
import os

import pytest

LONG = bool(os.environ.get("LSMTPD_LONG"))


def pick(quick, long):
    return long if LONG else quick


only_long = pytest.mark.skipif(not LONG, reason="the long matrix only: contrib/dev test faults, or cluster")
