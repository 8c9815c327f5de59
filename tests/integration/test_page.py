# SPDX-License-Identifier: Apache-2.0
"""The admin page in headless Chromium: it shows what /status says, on a phone and in the dark too."""
import os
import re
import shutil
import subprocess

import pytest

from support.admin import Admin
from support.wait import wait_until

CHROMIUM = shutil.which("chromium")
# In CI there is one: contrib/dev test installs it there.
pytestmark = pytest.mark.skipif(not CHROMIUM and not os.environ.get("CI"), reason="no chromium")


def browse(folder, url, *options):
    """The document as the page's script leaves it."""
    done = subprocess.run([CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                           f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=4000", *options, url],
                          capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def cells(document, part):
    """The rows of the table in the element of that id, each a list of texts."""
    inside = re.search(rf'id="{part}">(.*?)</section>', document, re.S)[1]
    return [[re.sub(r"<[^>]*>", "", cell) for cell in re.findall(r"<td[^>]*>(.*?)</td>", row, re.S)]
            for row in re.findall(r"<tr>(.*?)</tr>", inside, re.S)][1:]


def test_the_page_shows_what_the_status_says(daemon, tmp_path):
    admin = Admin()
    server = daemon(admin.configuration())
    admin.attach(server).wait_ready()
    for _ in range(3):
        with server.smtplib() as smtp:
            smtp.sendmail("secret@example.org", "b@example.org", "Subject: x\r\n\r\nhello\r\n")
    with server.client() as client:
        client.command("EHLO x", "250")
        client.command("NONSENSE", "500")
    wait_until(lambda: any(p["messages"]["stored"] == 3 for p in admin.status()["spools"]), 30,
               lambda: admin.get("/status").text)
    status = admin.status()
    document = browse(tmp_path, f"http://127.0.0.1:{admin.port}/", "--dump-dom")
    assert re.search(r'id="state"[^>]*>ready<', document), document
    assert status["hostname"] in document and "secret" not in document
    assert [row[0] for row in cells(document, "outputs")] == [o["name"] for o in status["outputs"]]
    assert [row[1] for row in cells(document, "outputs")] == ["ready"]
    assert cells(document, "messages") == [[k, str(v)] for k, v in status["messages"].items()]
    assert [row[:2] for row in cells(document, "refusals")] == \
        [[r["reason"], r["phase"]] for r in status["refusals"]] == [["protocol", "command"]]
    assert [row[0] for row in cells(document, "listeners")] == ["mx"]
    for limit in status["limits"]:
        assert limit["name"] in document
    assert document.count("<path d=") == 4, "two charts of two lines"
    for name, options in (("page.png", ["--window-size=1200,1400"]),
                          ("phone.png", ["--window-size=390,1600", "--blink-settings=preferredColorScheme=0"])):
        browse(tmp_path, f"http://127.0.0.1:{admin.port}/", f"--screenshot={tmp_path / name}", *options)
        assert (tmp_path / name).stat().st_size > 10_000
