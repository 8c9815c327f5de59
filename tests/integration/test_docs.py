# SPDX-License-Identifier: Apache-2.0
"""The commands and statements of README and the documents are executed and checked."""
import json
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

from support.daemon import BUILD, run_cli

ROOT = pathlib.Path(__file__).parents[2]


def blocks(document, language):
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / document).read_text(), re.S)


def test_the_tour_sends_mail_with_swaks_and_with_smtplib_and_finds_it(daemon):
    server = daemon()
    host, port = server.address()
    swaks = next(block for block in blocks("README.md", "sh") if block.startswith("swaks"))
    sent = subprocess.run(["sh", "-ec", swaks.replace("127.0.0.1:2525", f"{host}:{port}")],
                          capture_output=True, timeout=60)
    assert b"250 2.0.0 Ok: queued as" in sent.stdout
    script = blocks("README.md", "python")[0].replace("2525", str(port))
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)

    listed = server.cli("spool", "ls", "--config", server.config_file, check=0).stdout
    assert listed.count("<ann@example.org>") == 2
    ids = re.findall(r"^[0-9a-f-]{36}", listed, re.M)
    mails = [server.cli("spool", "export", each, "--config", server.config_file, check=0).stdout for each in ids]
    assert any("A body." in mail for mail in mails)


def test_the_tour_changes_the_chain(tmp_path):
    change = blocks("README.md", "toml")[0]
    plugin, chain = change.split("[chain.default]\n")
    text = (ROOT / "etc" / "lsmtpd.toml").read_text()
    head, tail = re.split(r"\[chain\.default\]\nsteps = .*\n", text)
    mine = tmp_path / "my.toml"
    mine.write_text(f"{head}{plugin}[chain.default]\n{chain}{tail}")
    checked = run_cli("check", "--print", "--config", mine, cwd=tmp_path)
    assert checked.returncode == 0, checked.stderr
    assert 'steps = ["size", "headers", "spool"]' in checked.stdout


@pytest.mark.parametrize("file", sorted((ROOT / "contrib" / "brokers").glob("*.toml")), ids=lambda f: f.stem)
def test_the_configuration_for_each_broker_is_right(tmp_path, file):
    (tmp_path / "password").write_text("secret")
    mine = tmp_path / "my.toml"
    text = file.read_text().replace("/etc/lsmtpd/broker.password", str(tmp_path / "password"))
    mine.write_text(text.replace("/var/spool/lsmtpd", str(tmp_path / "spool")))
    checked = run_cli("check", "--config", mine, cwd=tmp_path)
    assert checked.returncode == 0, checked.stderr


def test_the_cluster_manifest_has_a_configuration_that_is_right(tmp_path):
    yaml = pytest.importorskip("yaml")
    parts = list(yaml.safe_load_all((ROOT / "contrib" / "cluster" / "lsmtpd.yaml").read_text()))
    config, service, pods = ({part["kind"]: part for part in parts}[kind]
                             for kind in ("ConfigMap", "Service", "StatefulSet"))
    (tmp_path / "password").write_text("secret")
    text = config["data"]["lsmtpd.toml"].replace("/run/secrets/lsmtpd", str(tmp_path))
    mine = tmp_path / "my.toml"
    mine.write_text(text.replace("/var/spool/lsmtpd", str(tmp_path)))
    checked = run_cli("check", "--config", mine, cwd=tmp_path)
    assert checked.returncode == 0, checked.stderr
    pod = pods["spec"]["template"]
    assert service["spec"]["selector"] == pods["spec"]["selector"]["matchLabels"] == pod["metadata"]["labels"]
    mounts = [mount["name"] for mount in pod["spec"]["containers"][0]["volumeMounts"]]
    given = [each["name"] for each in pod["spec"]["volumes"]]
    given += [each["metadata"]["name"] for each in pods["spec"]["volumeClaimTemplates"]]
    assert sorted(mounts) == sorted(given)


def test_every_key_of_the_json_stands_in_its_document(daemon):
    """A real message has the keys that the document shows, and no others."""
    server = daemon()
    with server.client() as client:
        client.command("EHLO client.example.org", "250")
        client.command("MAIL FROM:<a@example.org> BODY=8BITMIME", "250")
        client.command("RCPT TO:<b@example.org> NOTIFY=NEVER", "250")
        client.data(b"Subject: x\r\n\r\n\xff\r\n")
    message = server.spool.only().json
    shown = [json.loads(block) for block in blocks("docs/json.md", "json")]
    assert set(message) - {"lsmtpd"} == set(shown[0])
    assert list(message)[-1] == list(shown[0])[-1] == "email_content"
    assert set(message["lsmtpd"]) <= set(shown[1]["lsmtpd"])


def test_the_tour_writes_a_filter(tmp_path):
    if not shutil.which("g++"):
        pytest.skip("no g++")
    (tmp_path / "filter_subject.cpp").write_text(blocks("README.md", "cpp")[0])
    commands = next(block for block in blocks("README.md", "sh") if "filter_subject" in block)
    commands = commands.replace("-Iinclude", f"-I{ROOT}/include").replace("build/lsmtpd", str(BUILD / "lsmtpd"))
    done = subprocess.run(["sh", "-c", commands], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert "verdict: reject" in done.stdout, done.stdout + done.stderr
    assert "reply: 550 5.6.0 A subject, please" in done.stdout


def keys_of_the_effective_configuration(folder):
    """(section, key) of all the host's keys that `check --print` shows of the file that comes with lsmtpd."""
    printed = run_cli("check", "--print", "--config", ROOT / "etc" / "lsmtpd.toml", cwd=folder).stdout
    section, found = "", set()
    for line in printed.splitlines():
        if line.startswith("["):
            section = re.sub(r"\.[a-z]+\]", ".NAME]", line)
        elif (match := re.match(r"(\w+) = ", line)) and not section.count(".") > 1:
            found.add((section, match[1]))
    return found


def test_every_key_stands_in_the_configuration_document(tmp_path):
    text = (ROOT / "docs" / "configuration.md").read_text()
    sections = dict(re.findall(r"^## (\[+[a-z.A-Z]+\]+).*?\n(.*?)(?=^## |\Z)", text, re.S | re.M))
    effective = keys_of_the_effective_configuration(tmp_path)
    assert len(effective) > 30
    missing = [f"{section} {key}" for section, key in sorted(effective) if f"`{key}`" not in sections.get(section, "")]
    assert not missing


# The rule of prose, as far as a program can check it.
PAGES = [page for page in [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md")),
                           *sorted((ROOT / "docs" / "man").glob("*.[1-8]*"))]]
LONGEST_CELL = 160
RIDDLE = re.compile(r"(?:^[-*>#\d.\s]*|[.:;!?]\s+|\*\*)(?:What|Who|Whoever|Whatever|Whose)\b|\|\s*(?:what|who|whoever)\b(?! to do)")
OLD_WORDS = re.compile(r"\b(stages?|abilit(?:y|ies)|try[ _]later|not now|bur(?:y|ied|ies|ying)|presets?|"
                       r"pipeline::Transaction|message::Store)\b", re.I)


def prose(page):
    """(number, line) of each line that is neither code nor a comment; inline code is left out."""
    fenced = False
    for number, line in enumerate(page.read_text().splitlines(), 1):
        if line.startswith("```"):
            fenced = not fenced
        elif not fenced and not line.startswith(("    ", "\t")):
            yield number, re.sub(r"`[^`]*`", "``", line)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_cell_of_a_table_is_longer_than_an_operator_can_read(page):
    long = [f"{page.name}:{number}: {len(cell.strip())}: {cell.strip()[:60]}"
            for number, line in enumerate(page.read_text().splitlines(), 1) if line.startswith("|")
            for cell in re.split(r"(?<!\\)\|", line) if len(cell.strip()) > LONGEST_CELL]
    assert not long


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_sentence_begins_as_a_riddle(page):
    assert not [f"{page.name}:{number}: {line}" for number, line in prose(page) if RIDDLE.search(line)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_words_that_were_replaced_do_not_come_back(page):
    found = [f"{page.name}:{number}: {line}" for number, line in prose(page)
             if OLD_WORDS.search(line) and "cmake" not in line.lower()]
    assert not found


def test_the_rule_of_prose_finds_riddles_and_old_words():
    for line in ("What it does.", "Text. Who asks gets it.", "| a | what happens |", "## What was tried", "- **Who** may"):
        assert RIDDLE.search(line), line
    for line in ("It says what happens.", "| line | what to do |", "Whole lines."):
        assert not RIDDLE.search(line), line
    assert OLD_WORDS.search("try later") and OLD_WORDS.search("A stage is") and not OLD_WORDS.search("staged")


def links_of(page):
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.S)
    return re.findall(r"\]\(([^)\s]+)\)", text)


def anchors_of(page):
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").rglob("*.md"))],
                         ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page):
    broken = []
    for link in links_of(page):
        if re.match(r"[a-z]+:", link):
            continue
        file, _, anchor = link.partition("#")
        target = page.parent / file if file else page
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors_of(target)):
            broken.append(link)
    assert not broken


def log_events():
    return subprocess.run([BUILD / "tests" / "log_events"], capture_output=True, text=True, check=True).stdout


def test_the_operations_page_has_the_table_of_log_events():
    assert log_events() in (ROOT / "docs" / "operations.md").read_text(), \
        "put the output of build/tests/log_events into docs/operations.md"


def test_the_fields_of_log_calls_stand_in_the_table_of_events():
    rows = [line.split(" | ") for line in log_events().splitlines()[2:]]
    fields = {row[0].strip("| `"): set(row[3].split(", ")) for row in rows}
    checked = 0
    for file in (ROOT / "core").rglob("*.?pp"):
        for call in re.finditer(r'log::(?:info|warn|error|write)\(([^;]*?)"(\w+)",\s*(\{\{[^;]*|std::vector[^;]*)\);',
                                file.read_text(), re.S):
            used = set(re.findall(r'\{"(\w+)",', call[3]))
            assert used <= fields[call[2]], f"{file.name}: {call[2]}: {used - fields[call[2]]}"
            checked += 1
    assert checked > 15


def test_the_operations_page_has_every_line_that_a_plugin_logs():
    page = (ROOT / "docs" / "operations.md").read_text()
    lines = {line for file in (ROOT / "plugins").rglob("*.cpp")
             for line in re.findall(r'host_?(?:\(\))?\.(?:info|warn|error)\(\s*"([^"]+)"', file.read_text())}
    assert len(lines) > 15
    assert not [line for line in lines if f"`{line}`" not in page and "LSMTPD_TEST" not in line]
