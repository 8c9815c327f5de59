# SPDX-License-Identifier: Apache-2.0
"""The manual pages and the completion of bash name the commands and options that the program has, and no others."""
import pathlib
import re
import shutil
import subprocess

import pytest

from support.daemon import BINARY, run_cli

ROOT = pathlib.Path(__file__).parents[2]
COMMON = {"--config", "--help"}
SPOOL = "spool"  # the command of a plugin, which has a page of its own
OF_PLUGINS = {SPOOL, "map", "claims"}


def section(text, title):
    return re.search(rf"^{title}:\n((?:  .*\n)+)", text, re.M)[1]


def own_commands():
    return set(re.findall(r"^  (\w+)", section(run_cli("--help", check=0).stdout, "Subcommands"), re.M))


def own_options(command):
    """The long options of a command of the program, from its --help."""
    words = [command] if command else []
    lines = section(run_cli(*words, "--help", check=0).stdout, "Options")
    return set(re.findall(r"^  (?:-\w,)?(--[a-z][a-z-]*)", lines, re.M)) | COMMON


def spool_usage():
    """{action: its options} from `lsmtpd spool --help`. STATE and SELECT stand for options that several actions have."""
    text = run_cli(SPOOL, "--help", check=0).stdout
    groups = {name: set(re.findall(r"--[a-z-]+", re.search(rf"^  {name}: (.*?\.)$", text, re.M | re.S)[1].split("by default")[0]))
              for name in ("STATE", "SELECT")}
    usage = {}
    for line in text.splitlines():
        if match := re.match(r"  ([a-z]+) (.*?)    ", line):
            options = set(re.findall(r"--[a-z-]+", match[2]))
            for name, members in groups.items():
                options |= members if name in match[2] else set()
            usage.setdefault(match[1], set()).update(options)
            if "-o FILE" in match[2]:
                usage[match[1]].add("--output")
    for action, options in usage.items():
        if action not in ("ls", "summary", "export", "rm", "retry", "move"):
            options.discard("--all")
        if action != "move":
            options.discard("--recipient")
        if action == "retry":
            options.discard("--waiting")
    return usage


def source(page):
    return (ROOT / "docs" / "man" / page).read_text().replace("\\-", "-")


def page_commands(text):
    return set(re.findall(r"^\.SS (\w+)", text, re.M))


def page_options(text, command):
    """The options that stand as entries under a command (None: under OPTIONS)."""
    start = r"^\.SH OPTIONS\n" if command is None else rf"^\.SS {command}\n"
    body = re.search(start + r"(.*?)(?=^\.S[SH] |\Z)", text, re.S | re.M)[1]
    entries = re.findall(r"^\.TP\n\.B\w* (.*)$", body, re.M)
    return {option for entry in entries for option in re.findall(r"--[a-z][a-z-]*", entry)}


def test_commands_of_the_page_are_those_of_the_program():
    commands = own_commands()
    assert {"run", "check", "plugins", "try"} <= commands
    assert page_commands(source("lsmtpd.8")) == commands | OF_PLUGINS


@pytest.mark.parametrize("command", [None, *sorted(own_commands())])
def test_options_of_the_page_are_those_of_the_program(command):
    expected = own_options(command)
    assert page_options(source("lsmtpd.8"), command) == (expected - COMMON if command else expected)


def test_the_page_of_the_spool_has_its_actions_and_options():
    usage = spool_usage()
    assert {"summary", "ls", "show", "export", "rm", "retry", "import", "move"} == set(usage)
    text = source("lsmtpd-spool.8")
    assert set(re.findall(r"^\.B lsmtpd spool (\w+)", text, re.M)) == set(usage)
    assert set(re.findall(r"^\.TP\n\.B ([a-z]+)$", text, re.M)) == set(usage)
    assert page_options(text, None) == set().union(*usage.values()) | COMMON | {"--plugin"}


@pytest.mark.parametrize("page", ["lsmtpd.8", "lsmtpd-spool.8"])
def test_the_page_is_formatted_without_a_warning(page):
    if not shutil.which("man"):
        pytest.skip("no man")
    done = subprocess.run(["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", ROOT / "docs" / "man" / page],
                          capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def complete(*words):
    """The completions that bash offers for the last of the words."""
    script = ('source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _lsmtpd; '
              'printf "%s\\n" "${COMPREPLY[@]}"')
    done = subprocess.run(["bash", "-euc", script, "bash", ROOT / "contrib/completion/lsmtpd.bash", str(BINARY), *words],
                          capture_output=True, text=True, check=True)
    assert not done.stderr
    return set(done.stdout.split())


def test_completion_offers_every_command():
    assert complete("") == own_commands() | OF_PLUGINS
    assert complete("ch") == {"check"}


@pytest.mark.parametrize("command", [None, *sorted(own_commands())])
def test_completion_offers_every_option(command):
    assert complete(*([command] if command else []), "--") == own_options(command)


def test_completion_offers_the_actions_of_the_spool_and_their_options():
    usage = spool_usage()
    assert complete(SPOOL, "") == set(usage)
    for action, options in usage.items():
        assert complete(SPOOL, action, "-") - COMMON - {"--plugin"} == options, action


def test_the_page_and_completion_have_the_options_of_map():
    usage = set(re.findall(r"--[a-z-]+", run_cli("map", "--help", check=0).stdout))
    assert usage == {"--look-up"}  # and -o
    assert complete("map", "-") - COMMON - {"--plugin", "--output"} == usage
    assert "--look-up" in source("lsmtpd.8") and "--output" in page_options(source("lsmtpd.8"), "map")


def test_the_page_and_completion_have_the_options_of_claims():
    usage = set(re.findall(r"--[a-z-]+", run_cli("claims", "--help", check=0).stdout))
    assert usage == {"--orphans", "--spool", "--delete"}
    assert complete("claims", "-") - COMMON - {"--plugin"} == usage
    assert page_options(source("lsmtpd.8"), "claims") == usage


def test_completion_looks_past_the_values_of_options():
    assert complete("--config", "check", "") == own_commands() | OF_PLUGINS
    assert "--listening" in complete("-c", "some.toml", "check", "--")
    assert complete("try", "--from", "") == set()


def test_completion_knows_installed_plugins_and_files(tmp_path):
    assert "filter_size" in complete("plugins", "")
    assert "filter_size" in complete("try", "--plugin", "filter_s")
    (tmp_path / "my.toml").write_text("")
    assert complete("run", "--config", str(tmp_path / "m")) == {str(tmp_path / "my.toml")}
