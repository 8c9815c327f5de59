# SPDX-License-Identifier: Apache-2.0
"""A consumer's part of claim_check: the body that a message is a reference to."""
import hashlib
import json
import pathlib


def claim_of(body):
    """The claim check in a body, or None: the body is the message's own."""
    if not body.startswith(b'{"claim_check":'):
        return None
    return json.loads(body)["claim_check"]


def fetch(claim):
    body = pathlib.Path(claim["location"]).read_bytes()
    assert len(body) == claim["size"]
    assert hashlib.sha256(body).hexdigest() == claim["sha256"]
    return body


def take(claim):
    """The stored body, which is deleted then."""
    body = fetch(claim)
    pathlib.Path(claim["location"]).unlink()
    return body
