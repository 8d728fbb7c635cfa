"""The C core compiles without a warning, and hostile commands leave the sanitizers nothing to say."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = [str(ROOT / "native/tests/stress.c"), str(ROOT / "native/src/fillstream.c")]
STRICT = ["-std=c11", "-O1", "-g", "-Wall", "-Wextra", "-Werror", f"-I{ROOT / 'native/include'}"]
SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]

compiler = os.environ.get("CC") or shutil.which("cc")
pytestmark = pytest.mark.skipif(not compiler, reason="no C compiler: set CC or install one")


def build(target: Path, flags: list[str]) -> subprocess.CompletedProcess[str]:
    command = [*str(compiler).split(), *STRICT, *flags, *SOURCES, "-o", str(target)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def has_sanitizers(folder: Path) -> bool:
    source = folder / "probe.c"
    source.write_text("int main(void) { return 0; }\n")
    command = [*str(compiler).split(), *SANITIZERS, str(source), "-o", str(folder / "probe")]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_hostile_commands_under_the_sanitizers(tmp_path: Path) -> None:
    flags = SANITIZERS if has_sanitizers(tmp_path) else []
    built = build(tmp_path / "stress", flags)
    assert built.returncode == 0, built.stderr
    for seed in range(3):
        command = [str(tmp_path / "stress"), str(seed), "30000"]
        run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
        assert run.returncode == 0, run.stderr
