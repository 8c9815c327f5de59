# SPDX-License-Identifier: Apache-2.0
"""Plugins that are built out of tree, against an installed lsmtpd and nothing else: the examples, and
the code of the plugin guide."""
import os
import pathlib
import re
import shutil
import subprocess
import threading

import pytest

from support.daemon import BUILD

ROOT = pathlib.Path(__file__).parents[2]
EXAMPLES = ROOT / "contrib" / "examples"
MAIL = b"Subject: hello\r\n\r\nFrom here on\r\n"


def run(*command, **options):
    done = subprocess.run([str(word) for word in command], capture_output=True, timeout=600, **options)
    output = (done.stdout + done.stderr).decode(errors="replace")
    assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{output}"
    return done.stdout.decode(errors="replace")


class Installed:
    def __init__(self, prefix):
        self.prefix = prefix
        run("cmake", "--install", BUILD, "--prefix", prefix)
        self.pkg_config_path = next(prefix.rglob("lsmtpd.pc")).parent

    def pkg_config(self, *words):
        environment = {**os.environ, "PKG_CONFIG_PATH": str(self.pkg_config_path)}
        return run("pkg-config", *words, "lsmtpd", env=environment).strip()

    @property
    def plugins(self):
        return pathlib.Path(self.pkg_config("--variable=plugindir"))

    def build(self, source, folder):
        """Configures, builds, runs the plugin's own tests, installs; gives the build folder."""
        run("cmake", "-S", source, "-B", folder, "-G", "Ninja", f"-DCMAKE_PREFIX_PATH={self.prefix}")
        run("cmake", "--build", folder)
        run("ctest", "--test-dir", folder, "--output-on-failure", "--no-tests=error")
        run("cmake", "--install", folder)
        return folder

    def try_plugin(self, plugin, *options, mail=MAIL, status=0):
        words = [word for option in options for word in ("-o", option)]
        done = subprocess.run([self.prefix / "bin" / "lsmtpd", "try", "--plugin", plugin, *words],
                              input=mail, capture_output=True, timeout=60)
        output = (done.stdout + done.stderr).decode(errors="replace")
        assert done.returncode == status, output
        return output


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    return Installed(tmp_path_factory.mktemp("prefix"))


@pytest.fixture(scope="module")
def built(installed, tmp_path_factory):
    """built(NAME) -> the .so of an example, built once."""
    made = {}

    def make(name):
        if name not in made:
            folder = tmp_path_factory.mktemp(name)
            source = shutil.copytree(EXAMPLES / name, folder / "source")
            made[name] = installed.build(source, folder / "build") / f"{name}.so"
        return made[name]

    return make


def exported(plugin):
    lines = run("nm", "-D", "--defined-only", plugin).split("\n")
    return [line.split()[-1] for line in lines if line]


def test_pkg_config_knows_headers_and_plugin_folder(installed):
    assert installed.pkg_config("--cflags") == f"-I{installed.prefix}/include"
    assert (installed.prefix / "include" / "lsmtpd" / "sdk" / "plugin.hpp").exists()
    assert (installed.plugins / "filter_size.so").exists()


def test_installed_files_name_their_own_places(installed):
    unit = next(installed.prefix.rglob("lsmtpd.service")).read_text()
    assert f"ExecStart={installed.prefix}/bin/lsmtpd run --config {installed.prefix}/etc/lsmtpd/lsmtpd.toml" in unit
    config = installed.prefix / "etc" / "lsmtpd" / "lsmtpd.toml"
    assert "/var/spool/lsmtpd" in config.read_text()
    config.write_text("# the operator's\n")
    run("cmake", "--install", BUILD, "--prefix", installed.prefix)
    assert config.read_text() == "# the operator's\n"


def files_written(trace):
    """The absolute paths that a trace of strace shows as opened for writing, made, renamed or removed."""
    for line in trace.splitlines():
        if " = -1 " in line or "openat" in line and not re.search(r"O_WRONLY|O_RDWR|O_CREAT", line):
            continue
        yield from re.findall(r'"(/[^"]*)"', line)


@pytest.mark.skipif(not shutil.which("strace"), reason="no strace")
@pytest.mark.parametrize("configured", ["/usr", "/usr/local"])
def test_install_with_a_prefix_writes_nothing_outside_it(tmp_path, configured):
    """For each configured prefix; except the build folder itself, where the manifest is."""
    build, prefix, trace = tmp_path / "build", tmp_path / "prefix", tmp_path / "trace"
    run("cmake", "-S", ROOT, "-B", build, "-G", "Ninja", f"-DCMAKE_INSTALL_PREFIX={configured}", "-DLSMTPD_TESTS=OFF")
    shutil.copy(BUILD / "lsmtpd", build)
    shutil.copytree(BUILD / "plugins", build / "plugins", dirs_exist_ok=True,
                    ignore=lambda folder, names: [name for name in names if not name.endswith(".so")])
    run("strace", "-f", "-qq", "-s", "4096", "-o", trace, "-e", "signal=none", "-e",
        "trace=open,openat,creat,mkdir,mkdirat,rename,renameat,renameat2,link,linkat,symlink,symlinkat,unlink,unlinkat",
        "cmake", "--install", build, "--prefix", prefix)
    outside = [path for path in files_written(trace.read_text())
               if not any(pathlib.Path(path).is_relative_to(each) for each in (prefix, build, "/dev"))]
    assert outside == []
    installed = {str(path.relative_to(prefix)) for path in prefix.rglob("*") if path.is_file()}
    assert {"bin/lsmtpd", "etc/lsmtpd/lsmtpd.toml", "lib/systemd/system/lsmtpd.service", "lib/sysusers.d/lsmtpd.conf",
            "lib/tmpfiles.d/lsmtpd.conf", "share/man/man8/lsmtpd.8", "share/man/man8/lsmtpd-spool.8",
            "share/bash-completion/completions/lsmtpd"} <= installed


def test_installed_daemon_finds_its_plugins(installed, built):
    built("output_c")
    listed = run(installed.prefix / "bin" / "lsmtpd", "plugins")
    for name in ("filter_size", "filter_headers", "output_json_spool", "output_c"):
        assert re.search(rf"^{name} ", listed, re.M), listed


def test_example_exports_its_entry_alone(built):
    assert exported(built("output_c")) == ["lsmtpd_entry"]


def test_c_plugin_builds_with_a_compiler_and_pkg_config_alone(installed, tmp_path):
    plugin, mbox = tmp_path / "output_c.so", tmp_path / "mbox"
    run("cc", "-std=c11", "-Werror", "-Wall", "-fPIC", "-shared", "-fvisibility=hidden", installed.pkg_config("--cflags"),
        "-o", plugin, EXAMPLES / "output_c" / "output_c.c", EXAMPLES / "output_c" / "mbox.c")
    assert exported(plugin) == ["lsmtpd_entry"]
    assert "verdict: stored" in installed.try_plugin(plugin, f"path={mbox}")


def test_output_c_stores_a_message(installed, built, tmp_path):
    mbox = tmp_path / "mbox"
    output = installed.try_plugin(built("output_c"), f"path={mbox}")
    assert "verdict: stored" in output
    first, rest = mbox.read_bytes().split(b"\n", 1)
    assert first.startswith(b"From ") and rest == b"Subject: hello\n\n>From here on\n\n\n"


def test_output_c_says_why_it_cannot_start(installed, built, tmp_path):
    output = installed.try_plugin(built("output_c"), f"path={tmp_path}/nowhere/mbox", status=1)
    assert "No such file or directory" in output


def test_the_example_in_a_daemon(built, daemon, tmp_path):
    """A hundred messages, some of them spilled, through the example and two workers."""
    mbox = tmp_path / "mbox"
    server = daemon({
        "limits": {"memory": "8MiB"},
        "plugin": {"mark": {"use": "filter_headers", "options": {"add": {"X-Checked": "yes"}}},
                   "mbox": {"use": str(built("output_c")), "options": {"path": str(mbox)}}},
        "chain": {"default": {"steps": ["mark", "mbox"]}}})
    large = "x" * 70 + "\r\n"

    def send(sender):
        with server.smtplib() as client:
            for number in range(20):
                body = large * (20000 if number % 10 == 9 else 1)
                client.sendmail(f"s{sender}-{number}@example.org", ["r@example.org"],
                                f"Subject: {sender} {number}\r\n\r\n{body}")

    threads = [threading.Thread(target=send, args=(sender,)) for sender in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    text = mbox.read_bytes()
    assert text.count(b"\nX-Checked: yes\n") == 100
    assert text.count(large.strip().encode() + b"\n") == 90 + 10 * 20000


def guide_files():
    text = (ROOT / "docs" / "plugin-guide.md").read_text()
    return dict(re.findall(r"<!-- file: (\S+) -->\n```\w+\n(.*?)```", text, re.S))


def test_code_of_the_guide_works(installed, tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    for name, text in guide_files().items():
        (source / name).write_text(text)
    plugin = installed.build(source, tmp_path / "build") / "filter_subject.so"
    assert exported(plugin) == ["lsmtpd_entry"]
    assert "verdict: reject" in installed.try_plugin(plugin, "word=hello", status=1)
    assert "verdict: continue" in installed.try_plugin(plugin, "word=lottery")
    assert "word" in installed.try_plugin(plugin, status=2)

    session, names = tmp_path / "build" / "session_helo.so", tmp_path / "names"
    names.write_text("client.example.com\n")
    assert "phase: helo\nverdict: continue" in installed.try_plugin(session, f"file={names}")
    names.write_text("client.example.org\n")  # the HELO name of `lsmtpd try`
    refused = installed.try_plugin(session, f"file={names}", status=1)
    assert "reply: 550-5.7.1 This name is not welcome\nreply: 550 5.7.1 Ask postmaster\n" in refused

    output = tmp_path / "build" / "output_folder.so"
    folder = tmp_path / "mails"
    assert "cannot be written to" in installed.try_plugin(output, f"folder={folder}", status=1)
    folder.mkdir()
    assert "verdict: stored" in installed.try_plugin(output, f"folder={folder}")
    assert [file.suffix for file in folder.iterdir()] == [".eml"]


def test_filter_of_the_guide_fits_in_thirty_lines():
    files = guide_files()
    for name in ("filter_subject.cpp", "filter_subject_test.cpp"):
        assert len(files[name].splitlines()) <= 30, name
