"""The scripts beside the program: the include rules are really checked, files are where they belong."""
import pathlib
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).parents[2]


@pytest.mark.parametrize("file, text, breach", [
    ("core/base/a.hpp", '#include "smtp/session.hpp"', "does not stand left"),
    ("core/log/a.cpp", '#include "config/config.hpp"', "does not stand left"),
    ("core/pipeline/a.cpp", '#include "server/listener.hpp"', "does not stand left"),
    ("core/pipeline/a.cpp", '#include "config/config.hpp"', "kept from layer pipeline"),
    ("core/pipeline/a.cpp", '#include "lsmtpd/session.h"', "kept from layer pipeline"),
    ("core/server/a.cpp", '#include "config/config.hpp"', "kept from layer server"),
    ("core/smtp/a.hpp", '#include "config/config.hpp"', "kept from layer smtp"),
    ("core/server/a.cpp", '#include "lsmtpd/session.h"', "kept from layer server"),
    ("core/smtp/a.cpp", "#include <lsmtpd/abi.h>", "kept from layer smtp"),
    ("core/server/a.cpp", "#include <uv.h>", "core/io only"),
    ("core/app/a.cpp", "#include <toml++/toml.h>", "core/config only"),
    ("core/app/a.cpp", "#  include <spdlog/spdlog.h>", "core/log only"),
    ("plugins/output_null/a.cpp", "#include <proton/message.hpp>", "plugins/output_amqp only"),
    ("plugins/output_null/a.cpp", '#include "base/text.hpp"', "of core/"),
    ("plugins/output_null/a.cpp", '#include "../filter_size/b.hpp"', "folder"),
    ("include/lsmtpd/a.h", "#include <string>", "libc"),
    ("include/lsmtpd/a.h", "#include <cjson/cJSON.h>", "public header"),
])
def test_a_breach_of_the_include_rules_is_found(tmp_path, file, text, breach):
    (tmp_path / file).parent.mkdir(parents=True)
    (tmp_path / file).write_text(text + "\n")
    (tmp_path / "plugins/filter_size").mkdir(parents=True, exist_ok=True)
    (tmp_path / "plugins/filter_size/b.hpp").write_text("")
    done = subprocess.run([ROOT / "contrib/check-includes", "--root", tmp_path],
                          capture_output=True, text=True)
    assert done.returncode == 1
    assert f"{file}:1: " in done.stdout and breach in done.stdout, done.stdout


def test_what_the_include_rules_allow_passes(tmp_path):
    for file, text in {
            "core/smtp/a.cpp": '#include "base/text.hpp"\n#include "smtp/b.hpp"\n#include <string>\n',
            "core/io/a.cpp": "#include <uv.h>\n", "tests/io/a_test.cpp": "#include <uv.h>\n",
            "plugins/filter_size/a.cpp": '#include <lsmtpd/plugin.h>\n#include "b.hpp"\n',
            "plugins/filter_size/b.hpp": "", "include/lsmtpd/sdk/plugin.hpp": "#include <string>\n",
            "include/lsmtpd/plugin.h": "#include <stdint.h>\n#include <lsmtpd/abi.h>\n"}.items():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(text)
    done = subprocess.run([ROOT / "contrib/check-includes", "--root", tmp_path],
                          capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_dev_script_names_its_commands_and_refuses_others():
    done = subprocess.run([ROOT / "contrib/dev", "help"], capture_output=True, text=True)
    assert done.returncode == 0 and "--sanitize" in done.stdout
    done = subprocess.run([ROOT / "contrib/dev", "nonsense"], capture_output=True, text=True)
    assert done.returncode == 2 and "nonsense" in done.stderr


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd-analyze")
def test_the_systemd_unit_is_one_that_systemd_understands(tmp_path):
    unit = (ROOT / "contrib/systemd/lsmtpd.service").read_text()
    (tmp_path / "lsmtpd.service").write_text(unit.replace("/usr/bin/lsmtpd", "/bin/true"))
    done = subprocess.run(["systemd-analyze", "verify", tmp_path / "lsmtpd.service"],
                          capture_output=True, text=True)
    complaints = [line for line in done.stderr.splitlines() if "lsmtpd.service" in line]
    assert not complaints
