# SPDX-License-Identifier: Apache-2.0
"""Personal data in the log: log.addresses."""
import re

import pytest

from support.hostile import H


@pytest.mark.parametrize("shown, expected", [("full", "ann@example.org"), ("domain", "*@example.org"), ("hash", None)])
def test_addresses_in_the_log_are_shown_as_the_configuration_says(daemon, shown, expected):
    server = daemon({"log": {"level": "info", "addresses": shown}})
    with server.client() as client:
        client.envelope(sender="ann@example.org", recipients=("bob@example.net",))
        client.data(b"Message-ID: <m@example.org>\r\n" + H + b"x\r\n")
    with server.client() as client:
        client.command("EHLO c.example", 250)
        client.command("MAIL FROM:<eve x@example.org>", 501)
    line = server.wait_log("accepted")
    assert line["message_id"] == "<m@example.org>"
    refused = server.wait_log("refused")
    if expected:
        assert line["from"] == expected
    else:
        assert re.fullmatch(r"#[0-9a-f]{16}@example\.org", line["from"])
    if shown != "full":
        assert "ann@" not in str(line) and "bob@" not in str(line)
        assert refused["argument"].endswith("@example.org>") and "eve x" not in refused["argument"]
