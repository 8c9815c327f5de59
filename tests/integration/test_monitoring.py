# SPDX-License-Identifier: Apache-2.0
"""The dashboard and the alert rules of contrib/monitoring name metrics and labels that the daemon has."""
import json
import pathlib
import re
import subprocess

import pytest

from support.admin import Admin
from support.certificates import Certificates, table
from test_admin import promtool

FOLDER = pathlib.Path(__file__).parents[2] / "contrib/monitoring"
METRIC = re.compile(r"\b((?:lsmtpd|process)_[a-z_0-9]+)\b")


def expressions(panel_or_all):
    if isinstance(panel_or_all, dict):
        for key, value in panel_or_all.items():
            if key in ("expr", "query") and isinstance(value, str):
                yield value
            yield from expressions(value)
    elif isinstance(panel_or_all, list):
        for each in panel_or_all:
            yield from expressions(each)


@pytest.fixture
def known(daemon, tmp_path):
    admin = Admin()
    changes = {"tls": table(Certificates(tmp_path / "ca").issue()),
               "plugin": {"broker": {"use": "output_amqp", "fallback": "spool",
                                     "options": {"urls": ["amqp://127.0.0.1:1"], "address": "q"}},
                          "access": {"use": "filter_access"}},
               "chain": {"default": {"steps": ["access", "broker"]}}}
    server = daemon({**admin.configuration(), **changes})
    samples, _ = admin.attach(server).metrics()
    return {name for name, _ in samples}, {key for _, labels in samples for key, _ in labels}


def test_each_metric_of_the_dashboard_exists(known):
    names, _ = known
    wanted = {name for text in expressions(json.loads((FOLDER / "grafana.json").read_text()))
              for name in METRIC.findall(text)}
    assert len(wanted) > 10 and wanted <= names, wanted - names


def test_each_metric_and_label_of_the_alerts_exists(known):
    names, labels = known
    text = "".join(line for line in (FOLDER / "alerts.yaml").read_text().splitlines(True)
                   if line.lstrip().startswith("expr:"))
    wanted = set(METRIC.findall(text))
    assert len(wanted) > 5 and wanted <= names, wanted - names
    used = {label for group in re.findall(r"\{([^}]*)\}", text) for label in re.findall(r"(\w+)[=!]", group)}
    assert used <= labels, used - labels


def test_the_alerts_pass_promtool():
    done = subprocess.run([promtool(), "check", "rules", str(FOLDER / "alerts.yaml")], capture_output=True, timeout=30)
    assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()
