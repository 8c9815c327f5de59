# SPDX-License-Identifier: Apache-2.0
"""One JSON request to a broker's management interface."""
import base64
import json
import urllib.request


def request(method, url, body, user, password, timeout=10):
    """Returns the decoded answer, or None where it is empty; raises urllib.error.HTTPError."""
    credentials = base64.b64encode(f"{user}:{password}".encode()).decode()
    data = None if body is None else json.dumps(body).encode()
    asked = urllib.request.Request(url, data=data, method=method, headers={
        "Authorization": f"Basic {credentials}", "Content-Type": "application/json"})
    with urllib.request.urlopen(asked, timeout=timeout) as answer:
        text = answer.read()
    return json.loads(text) if text.strip() else None
