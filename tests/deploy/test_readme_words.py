"""The quick starts of the README, word for word, as a newcomer with an empty home types them.

Compose has its own in `test_quick_start`. Only what a machine has or has not is bent: where there is no `redis-cli`, a
script of that name sends what it is given.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

from fillstream.libs.common.runtime.exit_codes import CONFIG_VARIABLE, REDIS_VARIABLE
from fillstream.stack.running import ANALYTICS_PORT, BASE_PORT, REDIS_PORT
from fillstream.stack.stack import port_is_free
from tests.conftest import until
from tests.support.deploy.files import ROOT

README = (ROOT / "README.md").read_text()
REDIS_CLI = """\
import sys, redis
print(redis.Redis().execute_command(*sys.argv[1:]).decode())
"""


def blocks(section: str, language: str) -> list[str]:
    """Return the fenced blocks of a section, or of the part of the page before its first heading of that kind."""
    text = README.split(f"\n## {section}\n")[1].split("\n## ")[0].split("\n### ")[0]
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


@pytest.fixture
def newcomer(tmp_path: Path) -> dict[str, str]:
    """The environment of somebody who has just cloned: an empty home, no variable of ours."""
    home = tmp_path / "home"
    home.mkdir()
    ours = ("FILLSTREAM_", CONFIG_VARIABLE, REDIS_VARIABLE, "VIRTUAL_ENV", "PYTHONPATH", "MAKE", "MFLAGS")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return {**kept, "HOME": str(home)}


def installed_already(checkout: Path) -> None:
    """Let a checkout's virtual environment have what this one's has, and so be made: that it is, CI's own run says.

    The long form (`make soak`) makes it from nothing.
    """
    made = checkout / ".venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", made], check=True)
    [packages] = made.glob("lib/python*/site-packages")
    (packages / "ours.pth").write_text(f"{sysconfig.get_path('purelib')}\n", encoding="utf-8")
    for name in (".pip", ".installed"):
        (made / "bin" / name if name == ".pip" else made / name).touch()


def test_the_wheel(tmp_path: Path, newcomer: dict[str, str]) -> None:
    [words] = [block for block in blocks("Two commands", "sh") if "make wheel" in block]
    checkout = tmp_path / "checkout"
    ignored = shutil.ignore_patterns(".*", "data", "build", "dist", "mutants", "*.egg-info", "*.so")
    shutil.copytree(ROOT, checkout, symlinks=True, ignore=ignored)
    if "FROM_NOTHING" not in os.environ:
        installed_already(checkout)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", words],
        cwd=checkout, env=newcomer, capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    assert "the books agree to the last tick" in done.stdout
    assert "analytics is not installed" not in done.stdout


@pytest.fixture
def desk(tmp_path: Path, newcomer: dict[str, str]) -> Iterator[dict[str, str]]:
    """Start the desk as the README does, in a folder of its own, and yield the environment of another terminal."""
    taken = [port for port in (REDIS_PORT, *range(BASE_PORT, ANALYTICS_PORT + 1)) if not port_is_free(port)]
    if taken:
        pytest.skip(f"the README's ports are in use here: {', '.join(map(str, taken))}")
    *_, start = blocks("Your first signal", "sh")[0].strip().splitlines()
    assert start == "fillstream up"
    tools = tmp_path / "tools"
    tools.mkdir()
    if not shutil.which("redis-cli"):
        (tools / "redis-cli").write_text(f"#!{sys.executable}\n{REDIS_CLI}")
        (tools / "redis-cli").chmod(0o755)
    environ = {**newcomer, "PATH": os.pathsep.join([str(Path(sys.executable).parent), str(tools), newcomer["PATH"]])}
    place = tmp_path / "desk"
    place.mkdir()
    log = (place / "up.log").open("w")
    with subprocess.Popen(start.split(), cwd=place, env=environ, stdout=log, stderr=log) as process:
        try:
            until(lambda: "Ctrl-C stops everything" in (place / "up.log").read_text(), "the desk to be up", 90)
            yield {**environ, "PWD": str(place)}
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=60) == 0
            log.close()


def test_the_first_signal(desk: dict[str, str]) -> None:
    _, publish, command = blocks("Your first signal", "sh")
    place = desk["PWD"]

    def typed(words: str) -> str:
        shell = ["bash", "-euo", "pipefail", "-c", words]
        done = subprocess.run(shell, cwd=place, env=desk, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def fills() -> list[tuple[str, str, str]]:
        found = json.loads(typed("fillstream fills --json"))
        return sorted((each["symbol"], each["side"], each["last_qty"]) for each in found["rows"])

    typed(publish)
    [python] = blocks("Your first signal", "python")
    subprocess.run([sys.executable, "-c", python], cwd=place, env=desk, check=True)
    activate, *rest = command.splitlines()
    assert activate == ". .venv/bin/activate"  # PATH has it here
    told = typed("\n".join(rest))
    assert "OrderFilled" in told
    until(lambda: fills() == [("AAPL", "BUY", "100"), ("AAPL", "BUY", "100"), ("AAPL", "SELL", "50")], "three fills")
    orders = json.loads(typed("fillstream orders --json"))["rows"]
    states = {each["client_order_id"]: each["ord_status"] for each in orders}
    assert states["exit-1"] == "Canceled"


def test_the_first_signal_in_javascript(desk: dict[str, str], tmp_path: Path) -> None:
    if not shutil.which("npm"):
        pytest.skip("no npm here")
    got = subprocess.run(
        ["npm", "install", "--silent", "--no-fund", "--no-audit", "redis@5"],
        cwd=tmp_path, env=desk, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    if got.returncode:
        pytest.skip(f"npm cannot get the package redis here: {got.stderr[-300:]}")
    [words] = blocks("Your first signal", "js")
    (tmp_path / "signal.mjs").write_text(words)
    subprocess.run(["node", "signal.mjs"], cwd=tmp_path, env=desk, check=True, timeout=60)
    command = ["fillstream", "orders", "--json"]

    def orders() -> list[tuple[str, str]]:
        told = subprocess.run(command, cwd=desk["PWD"], env=desk, capture_output=True, text=True, check=True).stdout
        return [(each["order_type"], each["price"]) for each in json.loads(told)["rows"]]

    until(lambda: orders() == [("LIMIT", "185.5")], "the order")
