# SPDX-License-Identifier: Apache-2.0
"""The servers that the bench measures, by name. A module each; `Server` in base.py is their interface."""
from . import aiosmtpd, bare, haraka, lsmtpd, postfix, smtp_sink

ALL = {kind.name: kind for kind in (
    bare.BareResponder, smtp_sink.SmtpSink, lsmtpd.Null, lsmtpd.JsonSpool, postfix.Postfix,
    haraka.Discard, haraka.Disk, aiosmtpd.Aiosmtpd)}

# Variants that are measured only beside those above, for the growth.
GROWTH = {kind.name: kind for kind in (
    bare.TwoLoops, lsmtpd.TwoWorkers, lsmtpd.CrowdedSpool)}
