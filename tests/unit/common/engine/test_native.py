"""The C core compiles without a warning, and stands hostile commands, failing malloc, races and a list book."""

import json
import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from tests.support.tree import ROOT

NATIVE = ROOT / "native"
ENGINE = [str(NATIVE / "src/fillstream.c")]
LISTS = [str(NATIVE / "tests/flow.c"), *map(str, sorted((NATIVE / "tests/listbook").glob("*.c")))]
INPUTS = [str(NATIVE / "tests/records.c"), *LISTS]
HOST = [*ENGINE, str(NATIVE / "src/host.c")]
SOURCES = sorted(path.name for path in (NATIVE / "src").glob("*.c"))
ORDER = re.findall(r'^#include "(\w+\.c)"$', Path(*ENGINE).read_text(), re.MULTILINE)
HEADER = "include/fillstream.h"
PARTS = [str(NATIVE / "src" / name) for name in ORDER]
STRICT = ["-std=c11", "-O1", "-g", "-Wall", "-Wextra", "-Werror", "-pthread", f"-I{NATIVE / 'include'}"]
SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]

compiler = os.environ.get("CC") or shutil.which("cc")
pytestmark = pytest.mark.skipif(not compiler, reason="no C compiler: set CC or install one")


def build(target: Path, flags: list[str], sources: list[str], with_compiler: str | None = compiler) -> None:
    command = [*str(with_compiler).split(), *STRICT, *flags, *sources, "-o", str(target)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr


def available(folder: Path, flags: list[str]) -> list[str]:
    """The flags, or none where this compiler cannot link them."""
    source = folder / "probe.c"
    source.write_text("int main(void) { return 0; }\n")
    command = [*str(compiler).split(), *flags, str(source), "-o", str(folder / "probe")]
    return flags if subprocess.run(command, capture_output=True, check=False).returncode == 0 else []


def passes(program: Path, *arguments: str) -> str:
    run = subprocess.run([str(program), *arguments], capture_output=True, text=True, check=False, timeout=600)
    assert run.returncode == 0, run.stderr
    return run.stdout


@pytest.mark.parametrize(
    ("name", "sources", "arguments"),
    [
        ("stress", ENGINE, ["1", "30000"]),
        ("stress", PARTS, ["1", "3000"]),
        ("fuzz", [*INPUTS, *ENGINE], ["1", "500"]),
        ("versus", [*LISTS, *ENGINE], ["1", "40000", "1"]),
        ("forged", ENGINE, []),
        ("memory", [], []),
        ("tides", [], ["1", "2"]),
        ("threads", HOST, ["3000"]),
    ],
)
def test_under_the_sanitizers(tmp_path: Path, name: str, sources: list[str], arguments: list[str]) -> None:
    build(tmp_path / name, available(tmp_path, SANITIZERS), [str(NATIVE / f"tests/{name}.c"), *sources])
    passes(tmp_path / name, *arguments)


def test_a_book_of_little_tables_agrees_with_a_list_book(tmp_path: Path) -> None:
    """A few hundred orders come to what thousands come to: tables that move, slabs that grow and begin afresh."""
    little = re.findall(r"^LITTLE := (.*)$", (NATIVE / "Makefile").read_text(), re.MULTILINE)[0].split()
    flags = [*available(tmp_path, SANITIZERS), *little]
    build(tmp_path / "little", flags, [str(NATIVE / "tests/versus.c"), *LISTS, *ENGINE])
    assert "20000 commands agree" in passes(tmp_path / "little", "1", "20000", "1")


def test_libfuzzer_finds_nothing_in_a_few_seconds(tmp_path: Path) -> None:
    clang = shutil.which("clang")
    flags = ["-DFS_LIBFUZZER", "-Wno-error", "-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=all"]
    probe = tmp_path / "probe.c"
    probe.write_text("int LLVMFuzzerTestOneInput(const char *d, unsigned long n) { return !(d || n); }\n")
    link = [str(clang), *flags, str(probe), "-o", str(tmp_path / "probe")]
    if not clang or subprocess.run(link, capture_output=True, check=False).returncode:
        pytest.skip("needs clang with libFuzzer: on Debian 'apt-get install clang libclang-rt-dev'")
    build(tmp_path / "fuzz", flags, [str(NATIVE / "tests/fuzz.c"), *INPUTS, *ENGINE], clang)
    run = ["-max_total_time=5", "-seed=1", "-max_len=8192", "-entropic=0", f"-artifact_prefix={tmp_path}/"]
    passes(tmp_path / "fuzz", *run)


def test_the_threaded_front_end_races_with_nobody(tmp_path: Path) -> None:
    flags = available(tmp_path, ["-fsanitize=thread"])
    if not flags:
        pytest.skip("this compiler has no ThreadSanitizer")
    build(tmp_path / "threads", flags, [str(NATIVE / "tests/threads.c"), *HOST])
    passes(tmp_path / "threads", "3000")


def test_a_long_flow_agrees_with_a_list_book(tmp_path: Path) -> None:
    build(tmp_path / "versus", ["-O2"], [str(NATIVE / "tests/versus.c"), *LISTS, *ENGINE])
    assert "1000000 commands agree" in passes(tmp_path / "versus", "2", "1000000", "1000")


def test_answers_are_the_same_in_frames_and_calls_and_whatever_there_is_room_for(tmp_path: Path) -> None:
    sources = [str(NATIVE / "bench/bench.c"), str(NATIVE / "bench/flows.c")]
    build(tmp_path / "bench", ["-O2", f"-I{NATIVE / 'bench'}"], [*sources, *ENGINE])
    for flow in ("one", "symbols64", "deep", "replace", "wide"):
        ways = [("batch", "0"), ("calls", "0"), ("batch", "300000"), ("calls", "1000000")]
        told = {json.loads(passes(tmp_path / "bench", flow, "100000", "1", *way))["answers"] for way in ways}
        assert len(told) == 1, flow


# ------------------------------------------------------------------ a part alone


def compile_alone(source: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Compile one file as an editor reads it, with the flags beside it, into an object in `folder`."""
    target = str(folder / f"{source.stem}.o")
    command = [*str(compiler).split(), "@compile_flags.txt", "-Werror", "-O1", "-c", source.name, "-o", target]
    return subprocess.run(command, cwd=source.parent, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("source", SOURCES)
def test_each_file_compiles_alone_without_a_warning(tmp_path: Path, source: str) -> None:
    compiled = compile_alone(NATIVE / "src" / source, tmp_path)
    assert compiled.returncode == 0, compiled.stderr


def symbols(compiled: Path) -> tuple[set[str], set[str]]:
    """What an object gives to others, and what it uses of them."""
    listed = subprocess.run(["nm", "-P", str(compiled)], capture_output=True, text=True, check=True).stdout
    kinds = [line.split()[:2] for line in listed.splitlines()]
    return {name for name, kind in kinds if kind == "T"}, {name for name, kind in kinds if kind == "U"}


def test_a_part_uses_only_what_stands_above_it_in_the_library(tmp_path: Path) -> None:
    if not shutil.which("nm"):
        pytest.skip("needs nm")
    others = ["fillstream.c", "host.c", "ids.c", "caller.c"]
    assert sorted([*ORDER, *others]) == SOURCES  # each part is in the library, once
    above: set[str] = set()
    below: dict[str, set[str]] = {}
    for part in ORDER:
        compiled = compile_alone(NATIVE / "src" / part, tmp_path)
        assert compiled.returncode == 0, compiled.stderr
        given, used = symbols((tmp_path / part).with_suffix(".o"))
        below[part] = used - above
        above |= given
    assert {part: missing & above for part, missing in below.items() if missing & above} == {}


@pytest.mark.parametrize(
    ("file", "was", "becomes", "said"),
    [
        (HEADER, "    uint8_t flags;      /* by type", "    uint8_t more;\n    uint8_t flags;", "byte 60"),
        (HEADER, "    uint8_t stp;        /* FS_NEW", "    uint16_t stp;       /* FS_NEW", "byte 62"),
        (HEADER, "    uint32_t account;   /* number", "    uint64_t account;   /* number", "byte 52"),
        (HEADER, "    uint8_t reason;     /* fs_reason */\n", "", "fs_report.flags is at byte 59"),
        (HEADER, "FS_GTC = 1", "FS_GTC = 2", "one bit of the tif may differ"),
        (HEADER, "FS_PARTITION_NONE 65534u", "FS_PARTITION_NONE 1000u", "nobody's are high ones"),
        (HEADER, "FS_MAX_SYMBOL 65535u", "FS_MAX_SYMBOL 65536u", "higher bits are no symbol's"),
        (HEADER, "FS_MAX_QTY 1000000000000000LL", "FS_MAX_QTY 100LL", "within the limit"),
        ("src/record.h", "(COMMAND_FIELD(ord_type) | (COMMAND", "((COMMAND", "of a new order all"),
        ("src/record.h", "(COMMAND_FIELD(flags) | COMMAND_FIELD(stp)", "(COMMAND_FIELD(stp)", "of a cancel all"),
        ("src/internal.h", "uint8_t stp, tif;", "uint8_t tif, stp;", "a plain order's kind is the tif of its command"),
        ("src/internal.h", "uint8_t no_type, side, no", "uint8_t side, no_type, no", "where its reports have them"),
    ],
)
def test_what_the_fast_path_leans_on_cannot_move_unseen(
    tmp_path: Path, file: str, was: str, becomes: str, said: str
) -> None:
    shutil.copytree(NATIVE / "src", tmp_path / "src")
    shutil.copytree(NATIVE / "include", tmp_path / "include")
    text = (tmp_path / file).read_text()
    assert was in text
    (tmp_path / file).write_text(text.replace(was, becomes, 1))
    compiled = compile_alone(tmp_path / "src/new.c", tmp_path)
    assert compiled.returncode != 0
    assert said in compiled.stderr


# ------------------------------------------------------------------ the library without Python

BOOK = """\
order 1 accepted: 30 at 2001, 30 open
order 2 accepted: 10 at 2005, 10 open
order 1 filled: 10 at 2001, 20 open
order 2 filled: 10 at 2001, 0 open
ask: 20 at 2001
"""
TRADED = "20000 orders accepted, 10000 lots traded, 2 groups cleared, 2 groups saved on the way\n"


def make(build_folder: Path, *arguments: str) -> str:
    if not shutil.which("make"):
        pytest.skip("needs make")
    command = ["make", "-s", "-C", str(NATIVE), f"BUILD={build_folder}", *arguments]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    return made.stdout


@pytest.mark.parametrize(("c", "cpp"), [("gcc", "g++"), ("clang", "clang++")])
def test_the_examples_run(tmp_path: Path, c: str, cpp: str) -> None:
    if not shutil.which(c) or not shutil.which(cpp):
        pytest.skip(f"needs {c} and {cpp}")
    assert make(tmp_path, f"CC={c}", f"CXX={cpp}", "examples") == BOOK + TRADED


def pkg_config(folder: Path, *options: str, **environment: str) -> str:
    if not shutil.which("pkg-config"):
        pytest.skip("needs pkg-config")
    found = subprocess.run(
        ["pkg-config", *options, "fillstream"],
        env={**os.environ, "PKG_CONFIG_LIBDIR": str(folder), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    return found.stdout.strip()


def test_what_is_installed_is_found_by_pkg_config_and_can_be_uninstalled(tmp_path: Path) -> None:
    make(tmp_path / "build")  # without the prefix that is installed under
    assert pkg_config(tmp_path / "build", "--variable=prefix") == "/usr/local"
    root = tmp_path / "root"
    make(tmp_path / "build", "PREFIX=/opt/desk", f"DESTDIR={root}", "install")
    library = root / "opt/desk/lib"
    assert pkg_config(library / "pkgconfig", "--variable=prefix") == "/opt/desk"
    assert pkg_config(library / "pkgconfig", "--variable=libdir") == "/opt/desk/lib"
    flags = pkg_config(library / "pkgconfig", "--cflags", "--libs", PKG_CONFIG_SYSROOT_DIR=str(root)).split()
    example = [str(NATIVE / "examples/book.c"), *flags, f"-Wl,-rpath,{library}", "-o", str(tmp_path / "book")]
    built = subprocess.run([*str(compiler).split(), *example], capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    assert passes(tmp_path / "book") == BOOK
    make(tmp_path / "build", "PREFIX=/opt/desk", f"DESTDIR={root}", "uninstall")
    assert [path for path in root.rglob("*") if not path.is_dir()] == []


def test_the_header_the_package_and_the_pkg_config_file_are_of_one_version(tmp_path: Path) -> None:
    project = tomllib.loads((NATIVE.parent / "pyproject.toml").read_text())["project"]
    source = tmp_path / "version.c"
    source.write_text(
        '#include <stdio.h>\n#include "fillstream.h"\nint main(void) { return'
        ' printf("%d.%d.%d", FS_VERSION_MAJOR, FS_VERSION_MINOR, FS_VERSION_PATCH) < 0; }\n'
    )
    build(tmp_path / "version", [], [str(source)])
    assert passes(tmp_path / "version") == project["version"]
    make(tmp_path / "build", f"{tmp_path}/build/fillstream.pc")
    assert f"Version: {project['version']}\n" in (tmp_path / "build/fillstream.pc").read_text()
