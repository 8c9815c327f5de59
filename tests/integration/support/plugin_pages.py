# SPDX-License-Identifier: Apache-2.0
"""The page of a plugin in docs/: its whole configurations, and its tables of options."""
import pathlib
import re

from .daemon import run_cli

DOCS = pathlib.Path(__file__).parents[3] / "docs"


def examples(page):
    """The configurations of a page that are whole, with a listener and a chain."""
    blocks = re.findall(r"```toml\n(.*?)```", (DOCS / page).read_text(), re.S)
    return [block for block in blocks if "[[listener]]" in block and "[chain." in block]


def check_examples(page, folder, files=()):
    """Runs `lsmtpd check` on each; `files` are made below `folder`, which stands in for /etc/lsmtpd."""
    for name, content in dict(files).items():
        (folder / name).write_text(content)
    found = examples(page)
    assert found
    for number, text in enumerate(found):
        text = text.replace("/etc/lsmtpd", str(folder)).replace("/var/spool/lsmtpd", str(folder / "spool"))
        file = folder / f"example{number}.toml"
        file.write_text(re.sub(r'^user .*\n', "", text, flags=re.M))
        checked = run_cli("check", "--config", file, cwd=folder)
        assert checked.returncode == 0, checked.stdout + checked.stderr


def check_options(plugin, page):
    """Each option of the plugin, and its default, stands in a row of a table of the page, and no other does."""
    listed = run_cli("plugins", plugin, check=0).stdout
    rows = re.findall(r"^    (\S+) +(\w+)(?:: [^,\n]*)?(?:, default (.*)|, required)?$", listed, re.M)
    # The keys of claim_check, which several outputs have, stand on a page of their own.
    pages = {"claim-check.md": {}, page: {}}
    for key, kind, default in rows:
        pages["claim-check.md" if key.startswith("claim_check[]") else page][key.split(".")[-1]] = (kind, default)
    assert len(pages[page]) > 2
    for each, options in pages.items():
        _check_rows(each, options)


def _check_rows(page, options):
    stands = {}
    for line in (DOCS / page).read_text().splitlines():
        if line.startswith("| `"):
            cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
            for key in re.findall(r"`(\w+)`", cells[0]):
                stands[key] = cells
    missing = [key for key in options if key not in stands]
    assert not missing
    for key, (kind, default) in options.items():
        if default and kind not in ("list", "tables", "map"):
            shown = stands[key][1].replace('"', "")
            assert shown == default, f"{page}: {key} has the default {default}, not {shown}"
