# SPDX-License-Identifier: Apache-2.0
"""A mail to PROJECT@ci.example.com starts the command of PROJECT, with CI_PROJECT, CI_REVISION and the mail as its input.

CI_PROJECTS: projects.ini by default, with a section for each project:
    [website]
    from = 192.0.2.0/24, 127.0.0.1/32
    command = ./build.sh --fast
`from` names networks: an address in a mail proves nothing. CI_STATE, a folder (ci-state): which mails were handled."""
import configparser
import email
import ipaddress
import os
import pathlib
import re
import shlex
import subprocess

from mail import Poison

TIME = 600  # seconds


def project_of(mail, projects):
    named = {each.partition("@")[0].lower() for each in mail.recipients} & set(projects.sections())
    if len(named) != 1:
        raise Poison(f"one project, please, not {sorted(named)}, for {mail.recipients}")
    project = projects[named.pop()]
    peer = ipaddress.ip_address(mail.json.get("peer_address", ""))
    if not any(peer in ipaddress.ip_network(each.strip()) for each in project["from"].split(",")):
        raise Poison(f"{peer} must not start {project.name}")
    return project


def work(mail):
    projects = configparser.ConfigParser(interpolation=None)
    with open(os.environ.get("CI_PROJECTS", "projects.ini")) as file:  # read each time: a change needs no restart
        projects.read_file(file)
    project = project_of(mail, projects)
    revision = str(email.message_from_bytes(mail.content)["X-Git-Newrev"] or "").strip()
    if revision and not re.fullmatch(r"[0-9a-f]{40,64}", revision):
        raise Poison("X-Git-Newrev is no revision")
    handled = pathlib.Path(os.environ.get("CI_STATE", "ci-state")) / project.name / mail.content_id
    if handled.exists():
        return
    done = subprocess.run(shlex.split(project["command"]), input=mail.content, timeout=TIME,
                          env={**os.environ, "CI_PROJECT": project.name, "CI_REVISION": revision})
    if done.returncode:
        raise RuntimeError(f"{project['command']} ended with {done.returncode}")
    handled.parent.mkdir(parents=True, exist_ok=True)
    handled.touch()
