# SPDX-License-Identifier: Apache-2.0
"""The scripts beside the program: the include rules are really checked, files are where they belong."""
import importlib.machinery
import importlib.util
import json
import os
import pathlib
import re
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
    ("plugins/output_null/a.cpp", "#include <proton/message.hpp>", "plugins/output_amqp, tests/bench/senders only"),
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


def test_allowed_includes_pass(tmp_path):
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


@pytest.mark.parametrize("text, name", [
    ("constexpr int limit = 1;", "limit"),
    ("static constexpr std::array<const char*, 2> names{};", "names"),
    ("int f() {\n  static const auto table = [] { return 1; }();\n}", "table"),
    ("const std::string kFine, other = {};\nconst std::map<int, std::string> lost;", "lost"),
    ("enum class Color : uint8_t { red, /* kNo, */ kBlue };", "kBlue"),
])
def test_a_breach_of_the_rule_of_names_is_found(tmp_path, text, name):
    (tmp_path / "core/io").mkdir(parents=True)
    (tmp_path / "plugins").mkdir()
    (tmp_path / "core/io/a.cpp").write_text(f"\n{text}\n")
    done = subprocess.run([ROOT / "contrib/check-names", "--root", tmp_path], capture_output=True, text=True)
    line = 2 + text[:text.index(name)].count("\n")
    assert done.returncode == 1 and done.stdout.startswith(f"core/io/a.cpp:{line}: "), done.stdout
    assert len(done.stdout.splitlines()) == 1 and f" {name} " in done.stdout


def test_allowed_names_pass(tmp_path):
    (tmp_path / "core/io").mkdir(parents=True)
    (tmp_path / "plugins").mkdir()
    (tmp_path / "core/io/a.cpp").write_text(
        'constexpr int f(int a) { return a; }\n// constexpr int no = 1;\nconst char* text = "constexpr int no = 1;";\n'
        "static const char* next = nullptr;\nstatic constexpr lsmtpd_option options[] = {};\n"
        "enum Kind { first_one, second2 = 2 };\nvoid g(const int a) { const int b = a; }\nconstexpr int kGood = 1;\n")
    done = subprocess.run([ROOT / "contrib/check-names", "--root", tmp_path], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_dev_script_names_its_commands_and_refuses_others():
    done = subprocess.run([ROOT / "contrib/dev", "help"], capture_output=True, text=True)
    assert done.returncode == 0 and "--sanitize" in done.stdout
    done = subprocess.run([ROOT / "contrib/dev", "nonsense"], capture_output=True, text=True)
    assert done.returncode == 2 and "nonsense" in done.stderr


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd-analyze")
def test_the_systemd_unit_is_one_that_systemd_understands(tmp_path):
    source = ROOT / "contrib/systemd"
    unit = (source / "lsmtpd.service").read_text()
    (tmp_path / "lsmtpd.service").write_text(unit.replace("/usr/bin/lsmtpd", "/bin/true"))
    shutil.copy(source / "lsmtpd.socket", tmp_path)
    for name in (None, "socket-activation.conf", "drop-in.conf"):
        folder = tmp_path / "lsmtpd.service.d"
        shutil.rmtree(folder, ignore_errors=True)
        if name:
            folder.mkdir()
            (folder / name).write_text((source / name).read_text().replace("/usr/bin/lsmtpd", "/bin/true"))
        done = subprocess.run(["systemd-analyze", "verify", tmp_path / "lsmtpd.service", tmp_path / "lsmtpd.socket"],
                              capture_output=True, text=True)
        assert not [line for line in done.stderr.splitlines() if "lsmtpd" in line], (name, done.stderr)


# contrib/dev.

def shell(script, *arguments, **options):
    """Runs a script with the functions of contrib/dev.d; as_root runs its command without root."""
    head = (f'root={ROOT}; cache=/nonexistent; set -euo pipefail; for file in packages build compilers checks package; do '
            f'. "{ROOT}/contrib/dev.d/$file.sh"; done; as_root() {{ "$@"; }}; ')
    return subprocess.run(["bash", "-c", head + script, "bash", *map(str, arguments)], capture_output=True, text=True,
                          timeout=60, **options)


def test_two_installations_at_once_keep_the_policy_of_the_machine(tmp_path):
    """The second one begins when the first one has put the machine's own policy-rc.d back, or it would take the first one's
    for the machine's, or the first one would allow services under the second."""
    policy = tmp_path / "policy-rc.d"
    policy.write_text("#!/bin/sh\n# the machine's own\nexit 104\n")
    script = ('saw() { echo "$1 begins" >>"$2"; cp "$policy" "$2.$1"; sleep 0.5; grep -qF "$policy_mark" "$policy"; '
              'echo "$1 ends" >>"$2"; }; without_services saw "$1" "$2"')
    environment = {**os.environ, "LSMTPD_POLICY_RC_D": str(policy)}
    head = (f'root={ROOT}; set -euo pipefail; . "{ROOT}/contrib/dev.d/packages.sh"; as_root() {{ "$@"; }}; ')
    running = [subprocess.Popen(["bash", "-c", head + script, "bash", name, tmp_path / "log"], env=environment)
               for name in ("first", "second")]
    assert [each.wait(60) for each in running] == [0, 0]
    log = (tmp_path / "log").read_text().split("\n")
    assert log[0].split()[0] == log[1].split()[0] and log[2].split()[0] == log[3].split()[0], log
    assert "# the machine's own" in policy.read_text()
    for name in ("first", "second"):
        assert "exit 101" in (tmp_path / f"log.{name}").read_text()
    assert not policy.with_name("policy-rc.d.lsmtpd-saved").exists()


@pytest.mark.parametrize("mib, most", [(100, 1), (1500, 1), (2500, 2), (1 << 20, None)])
def test_compilers_at_once_fit_into_memory(tmp_path, mib, most):
    meminfo = tmp_path / "meminfo"
    meminfo.write_text(f"MemTotal: 999999999 kB\nMemAvailable: {mib * 1024} kB\n")
    jobs = int(shell("compile_jobs", env={**os.environ, "LSMTPD_MEMINFO": str(meminfo)}).stdout)
    cores = len(os.sched_getaffinity(0))
    assert jobs == min(cores, most) if most else 1 <= jobs <= cores


def test_progress_shows_what_a_compiler_says_and_few_of_the_lines_of_ninja():
    lines = ["[1/3] Building a.o", "[2/3] Building b.o", "b.cpp:1: warning: odd", "FAILED: c.o", "[3/3] Linking"]
    done = shell("show_progress", input="\n".join(lines) + "\n")
    assert done.stdout.splitlines() == ["b.cpp:1: warning: odd", "FAILED: c.o"]


@pytest.mark.parametrize("release, there, absent", [
    ("12", {"libpython3.11-testsuite", "libicu72", "libclang-rt-14-dev", "openjdk-17-jre-headless"}, {"libicu76"}),
    ("13", {"libpython3.13-testsuite", "libicu76", "libclang-rt-19-dev", "openjdk-21-jre-headless"}, {"libicu72"}),
])
def test_packages_have_the_names_of_the_release(tmp_path, release, there, absent):
    """Each name that has a number in it is chosen by release."""
    (tmp_path / "os-release").write_text(f'NAME="Debian GNU/Linux"\nVERSION_ID="{release}"\n')
    text = (ROOT / "contrib/dev.d/packages.sh").read_text().replace("/etc/os-release", str(tmp_path / "os-release"))
    (tmp_path / "packages.sh").write_text(text)
    done = subprocess.run(["bash", "-c", f". {tmp_path}/packages.sh; cmd_packages --list build lint fuzz test brokers"],
                          capture_output=True, text=True, check=True)
    names = set(done.stdout.split())
    assert there <= names and not absent & names


def test_a_package_of_an_untagged_commit_is_older_than_the_release(tmp_path):
    """VERSION~dev+DATE, with the date of the commit and not of the day."""
    environment = {**os.environ, "GIT_AUTHOR_DATE": "2026-03-04T23:30:00-0500", "GIT_COMMITTER_DATE": "2026-03-04T23:30:00-0500",
                   "GIT_CONFIG_GLOBAL": "/dev/null", "TZ": "Asia/Tokyo"}
    git = ["git", "-C", tmp_path, "-c", "user.name=t", "-c", "user.email=t@example.org"]
    shutil.copy(ROOT / "CMakeLists.txt", tmp_path)
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "x"]):
        subprocess.run([*git, *words], check=True, env=environment)
    version = re.search(r"project\(lsmtpd VERSION (\S+)", (ROOT / "CMakeLists.txt").read_text())[1]

    def named():
        return shell('root=$1; cd "$1"; package_version', tmp_path, env=environment).stdout.strip()

    assert named() == f"{version}~dev+20260305.0430"
    assert subprocess.run(["dpkg", "--compare-versions", named(), "lt", version]).returncode == 0
    subprocess.run([*git, "tag", "-a", "-m", "x", f"v{version}"], check=True, env=environment)
    assert named() == version


DEBIAN = ROOT / "contrib/packaging/debian"


def test_each_plugin_is_in_one_debian_package():
    listed = re.search(r"foreach\(plugin (.*?)\)", (ROOT / "plugins/CMakeLists.txt").read_text())[1].split()
    packed = re.findall(r"/lsmtpd/(\w+)\.so$", "".join(file.read_text() for file in DEBIAN.glob("*.install")), re.M)
    assert sorted(packed) == sorted(set(listed) - {"common"})


def test_the_libraries_of_contrib_dev_and_of_the_debian_packages_are_the_same():
    control = (DEBIAN / "control").read_text()
    needed = set(re.findall(r"[a-z0-9.+-]+(?=[ ,\n])", re.search(r"Build-Depends: (.*?)\n[A-Z]", control, re.S)[1] + "\n"))
    listed = subprocess.run([ROOT / "contrib/dev", "packages", "--list", "build"], capture_output=True, text=True, check=True)
    # bindgen's, for the example in Rust, which the packages leave out.
    libraries = {name for name in listed.stdout.split() if name.startswith("lib")} - {"libclang1"}
    assert libraries == {name for name in needed if name.startswith("lib")} - {"libcrypt-dev"}  # comes with every compiler


def test_the_source_of_the_debian_packages_has_the_version_of_the_commit(tmp_path):
    done = subprocess.run([ROOT / "contrib/dev", "package", "--source", tmp_path / "source"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    parsed = subprocess.run(["dpkg-parsechangelog", "-l", tmp_path / "source/debian/changelog"], capture_output=True, text=True, check=True)
    fields = dict(line.split(": ", 1) for line in parsed.stdout.splitlines() if re.match(r"\w[\w-]*: ", line))
    assert fields["Version"] == shell('cd "$root"; package_version').stdout.strip()
    committed = subprocess.run(["git", "-c", f"safe.directory={ROOT}", "-C", ROOT, "log", "-1", "--format=%ct"], capture_output=True, text=True)
    assert fields["Timestamp"] == committed.stdout.strip()
    assert not (tmp_path / "source/contrib/packaging").exists() and (tmp_path / "source/debian/rules").stat().st_mode & 0o111


def test_lint_of_a_commit_without_sources_finds_nothing():
    """As the hook runs it for a commit that changes a document."""
    done = shell('cd "$root"; lint_files CHANGELOG.md')
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(not shutil.which("clang-format") or not shutil.which("shellcheck"), reason="contrib/dev packages lint")
@pytest.mark.parametrize("name, text", [
    ("odd.cpp", "// SPDX-License-Identifier: Apache-2.0\nint   a ;\n"),
    ("odd", "#!/bin/sh\n# SPDX-License-Identifier: Apache-2.0\necho $1\n"),
    ("bare.cpp", "int a;\n")])
def test_lint_finds_a_mistake_in_one_file(tmp_path, name, text):
    """Its format, the shell in it, its licence line."""
    (tmp_path / name).write_text(text)
    done = shell('cd "$root"; lint_files "$1"', tmp_path / name)
    assert done.returncode == 1


# Other files.

def test_a_source_file_without_its_licence_line_is_found_and_mended(tmp_path):
    texts = {"a.cpp": "int a;\n", "b.py": "#!/usr/bin/python3\nprint()\n", "script": "#!/bin/sh\nexit 0\n",
             "CMakeLists.txt": "project(x)\n", "data.toml": "a = 1\n", "ours.h": "// SPDX-License-Identifier: Apache-2.0\n"}
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    command = [ROOT / "contrib/check-spdx", "--root", tmp_path]
    done = subprocess.run([*command, *texts], capture_output=True, text=True)
    assert done.returncode == 1
    assert {line.split(":")[0] for line in done.stdout.splitlines()} == {"a.cpp", "b.py", "script", "CMakeLists.txt"}
    subprocess.run([*command, "--fix", *texts], check=True)
    assert subprocess.run([*command, *texts]).returncode == 0
    assert (tmp_path / "b.py").read_text() == "#!/usr/bin/python3\n# SPDX-License-Identifier: Apache-2.0\nprint()\n"
    assert (tmp_path / "a.cpp").read_text().startswith("// SPDX-License-Identifier: Apache-2.0\nint a;")
    assert (tmp_path / "data.toml").read_text() == texts["data.toml"]


def dockerfile(path):
    """[(KEYWORD, rest)] as contrib/container/try reads it."""
    loader = importlib.machinery.SourceFileLoader("container_try", str(ROOT / "contrib/container/try"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module.instructions((ROOT / path).read_text())


def test_the_image_runs_as_a_numbered_user_and_asks_the_daemon_for_its_health():
    lines = dockerfile("Dockerfile")
    last = dict(lines)
    assert re.fullmatch(r"\d+:\d+", last["USER"])
    health = json.loads(last["HEALTHCHECK"].split("CMD ", 1)[1])
    assert health == [json.loads(last["ENTRYPOINT"])[0], "check", "--listening"]
    for keyword, rest in lines:
        if keyword == "COPY" and not rest.startswith("--from="):
            assert all((ROOT / name).exists() for name in rest.split()[:-1]), rest
    # Pinned by the date or by the content.
    assert all(re.search(r"-\d{8}|@sha256:", rest) for keyword, rest in lines if keyword == "FROM")


def test_the_devcontainer_has_the_packages_of_contrib_dev():
    settings = json.loads((ROOT / ".devcontainer/devcontainer.json").read_text())
    file = ROOT / ".devcontainer" / settings["build"]["dockerfile"]
    assert (file.parent / settings["build"]["context"]).resolve() == ROOT
    lines = dockerfile(file.relative_to(ROOT))
    groups = re.search(r"contrib/dev packages ([a-z ]+)", dict(lines)["RUN"])[1].split()
    assert {"build", "lint", "fuzz", "test"} <= set(groups)
    listed = subprocess.run([ROOT / "contrib/dev", "packages", "--list", *groups], capture_output=True, text=True, check=True)
    assert {"g++", "clang-tidy", "clang", "libgmock-dev", "shellcheck"} <= set(listed.stdout.split())
    # No list of its own, except for packages that only a container needs.
    own = re.search(r"apt-get install -y --no-install-recommends (.*?) &&", dict(lines)["RUN"])[1].split()
    assert not set(own) & set(listed.stdout.split())
    bases = [[rest for keyword, rest in each if keyword == "FROM"][0].split()[0] for each in (lines, dockerfile("Dockerfile"))]
    assert bases[0] == bases[1]


def test_presets_set_what_contrib_dev_sets():
    presets = {each["name"]: each.get("cacheVariables", {}) for each in
               json.loads((ROOT / "CMakePresets.json").read_text())["configurePresets"]}
    assert {"dev", "release", "asan", "tsan", "fuzz"} <= set(presets)
    assert presets["base"]["LSMTPD_WERROR"] == "ON"
    script = (ROOT / "contrib/dev.d/build.sh").read_text()
    for name, sanitizers in re.findall(r"configure build-(asan|tsan) .*-DLSMTPD_SANITIZE=(\S+)", script):
        assert presets[name]["LSMTPD_SANITIZE"] == sanitizers
    known = (ROOT / "CMakeLists.txt").read_text() + (ROOT / "tests/fuzz/CMakeLists.txt").read_text()
    for variables in presets.values():
        assert all(name in known for name in variables if name.startswith("LSMTPD_"))
    listed = subprocess.run(["cmake", "--list-presets"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert all(f'"{name}"' in listed for name in presets if name != "base")


@pytest.mark.parametrize("document", ["CONTRIBUTING.md", "tests/README.md"])
def test_the_documents_for_developers_name_files_that_exist(document):
    text = (ROOT / document).read_text()
    named = {word for quoted in re.findall(r"`([^`\n]+)`", text) for word in quoted.split()
             if re.match(r"(core|plugins|tests|docs|contrib|include|cmake|\.ci|\.devcontainer)/", word)
             and not re.search(r"[A-Z*]{3}|\*", word)}
    assert named
    assert sorted(name for name in named if not (ROOT / name).exists()) == []


def test_no_document_is_named_that_the_repository_does_not_have():
    listed = subprocess.run(["git", "-c", f"safe.directory={ROOT}", "-C", ROOT, "ls-files", "*.txt", "*.cmake", "*.md", "*.hpp", "*.cpp", "*.h"],
                            capture_output=True, text=True, check=True).stdout.split()
    for name in listed:
        text = (ROOT / name).read_text(errors="replace")
        assert not re.search(r"\(design:|design\.md|\bthe design says", text), name


@pytest.mark.parametrize("file, is_message", [
    ("a.json", True), ("dead/a.json", True), ("journal/0000000000000001.segment", True),
    ("journal/0000000000000001.body", True), ("journal/0000000000000001.damaged", True),
    ("quarantine/damaged-1-4096.record", True), (".lock", False), (".operator-log", False), (None, False)])
def test_a_purge_of_the_package_sees_each_kind_of_message(tmp_path, file, is_message):
    script = (ROOT / "contrib/packaging/debian/lsmtpd.postrm").read_text()
    function = script[script.index("has_messages() {"):script.index("\n}\n") + 3]
    for folder in ("tmp", "dead", "quarantine", "journal"):
        (tmp_path / folder).mkdir()
    if file:
        (tmp_path / file).write_bytes(b"x")
    done = subprocess.run(["sh", "-c", function + 'has_messages "$1"', "sh", tmp_path])
    assert (done.returncode == 0) == is_message
