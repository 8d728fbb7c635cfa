"""The C core compiles without a warning, and stands hostile commands, failing malloc, races and a list book."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

NATIVE = Path(__file__).parents[2] / "native"
ENGINE = [str(NATIVE / "src/fillstream.c")]
LISTS = [str(NATIVE / "tests/flow.c"), *map(str, sorted((NATIVE / "tests/listbook").glob("*.c")))]
INPUTS = [str(NATIVE / "tests/records.c"), *LISTS]
HOST = [*ENGINE, str(NATIVE / "src/host.c")]
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
    run = subprocess.run([str(program), *arguments], capture_output=True, text=True, check=False, timeout=120)
    assert run.returncode == 0, run.stderr
    return run.stdout


@pytest.mark.parametrize(
    ("name", "sources", "arguments"),
    [
        ("stress", ENGINE, ["1", "30000"]),
        ("fuzz", [*INPUTS, *ENGINE], ["1", "500"]),
        ("versus", [*LISTS, *ENGINE], ["1", "20000", "1"]),
        ("memory", [], []),
        ("threads", HOST, ["3000"]),
    ],
)
def test_under_the_sanitizers(tmp_path: Path, name: str, sources: list[str], arguments: list[str]) -> None:
    build(tmp_path / name, available(tmp_path, SANITIZERS), [str(NATIVE / f"tests/{name}.c"), *sources])
    passes(tmp_path / name, *arguments)


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


def test_the_library_is_usable_from_cpp_without_python(tmp_path: Path) -> None:
    if not shutil.which("make") or not shutil.which("g++"):
        pytest.skip("needs make and g++")
    command = ["make", "-s", "-C", str(NATIVE), f"BUILD={tmp_path}", "all"]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    source = tmp_path / "use.cc"
    source.write_text(
        '#include "fillstream.h"\nint main() { fs_engine *e = fs_new(1); fs_report r[2];'
        " int ok = fs_submit(e, r, 2, 1, 1, 0, FS_BUY, 100, 5) == 1 && r[0].type == FS_ACCEPTED;"
        " fs_free(e); return !ok; }\n"
    )
    link = [str(source), f"-I{NATIVE / 'include'}", f"-L{tmp_path}", "-lfillstream", f"-Wl,-rpath,{tmp_path}"]
    shared = tmp_path / "libfillstream.so.0"
    shared.symlink_to(tmp_path / "libfillstream.so")
    linked = subprocess.run(["g++", *link, "-o", str(tmp_path / "use")], capture_output=True, text=True, check=False)
    assert linked.returncode == 0, linked.stderr
    passes(tmp_path / "use")
    assert "-lfillstream" in (tmp_path / "fillstream.pc").read_text()
