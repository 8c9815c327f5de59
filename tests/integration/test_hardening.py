# SPDX-License-Identifier: Apache-2.0
"""The binaries have the hardening that the build flags ask for."""
import json
import pathlib
import platform
import shlex
import subprocess

import pytest

from support.daemon import BINARY, BUILD, sanitized

ROOT = pathlib.Path(__file__).parents[2]
PLUGINS = sorted((BUILD / "plugins").glob("*.so"))
X86 = platform.machine() == "x86_64"

pytestmark = pytest.mark.skipif(sanitized(), reason="sanitizers take the place of hardening")


def output(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def name_of(path):
    return path.name


@pytest.fixture(params=[BINARY, *PLUGINS], ids=name_of)
def built(request):
    return request.param


def test_plugins_are_found():
    assert {"output_amqp.so", "output_json_spool.so"} <= {path.name for path in PLUGINS}


def test_the_daemon_is_loaded_at_a_random_address():
    assert "DYN" in output("readelf", "-hW", BINARY)
    assert "PIE" in output("readelf", "-dW", BINARY)


def test_relocated_data_is_read_only_after_loading(built):
    assert "GNU_RELRO" in output("readelf", "-lW", built)
    dynamic = output("readelf", "-dW", built)
    assert "NOW" in dynamic, "all symbols are bound at the start, so that the whole table can be protected"
    assert "TEXTREL" not in dynamic
    assert "RUNPATH" not in dynamic and "RPATH" not in dynamic, "a library is looked for in a build folder"


def test_no_memory_is_writable_and_executable(built):
    for line in output("readelf", "-lW", built).splitlines():
        fields = line.split()
        if fields and fields[0] in ("LOAD", "GNU_STACK"):
            flags = "".join(fields[6:-1])
            assert not ("W" in flags and "E" in flags), line


def test_overrun_buffers_on_the_stack_are_noticed(built):
    assert "__stack_chk_fail" in output("readelf", "-sW", "--dyn-syms", built)


@pytest.mark.skipif(not X86, reason="endbr64 is x86-64's")
def test_indirect_calls_may_only_go_to_the_beginning_of_functions(built):
    code = output("objdump", "-d", "--no-show-raw-insn", "-j", ".text", built)
    assert code.count("endbr64") > 3


def test_every_file_of_the_program_was_compiled_with_the_flags():
    wanted = {"-fstack-protector-strong", "-fstack-clash-protection"} | ({"-fcf-protection=full"} if X86 else set())
    seen = 0
    for entry in json.loads((BUILD / "compile_commands.json").read_text()):
        file = pathlib.Path(entry["directory"], entry["file"]).resolve()
        if not any(file.is_relative_to(ROOT / folder) for folder in ("core", "plugins")):
            continue
        flags = shlex.split(entry["command"])
        assert wanted <= set(flags), f"{file}: {wanted - set(flags)}"
        assert any(flag.startswith("-D_FORTIFY_SOURCE=") for flag in flags), file
        seen += 1
    assert seen > 50
