"""Compose with a Redis elsewhere, which speaks TLS and asks for a password, and comes later than everybody else."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import until
from tests.support.deploy.files import ROOT
from tests.support.deploy.stack import ComposeStack, require_docker

pytestmark = pytest.mark.deploy
SERVICES = ("signals", "orders", "engine", "feed", "redis_exporter")


def certificates(folder: Path, name: str) -> Path:
    """Make a certificate authority and a certificate for `name`; return their folder, which a server may read."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not on PATH")
    folder.mkdir()
    (folder / "names").write_text(f"subjectAltName=DNS:{name},DNS:localhost,IP:127.0.0.1\n")
    for words in (
        "req -x509 -newkey rsa:2048 -nodes -days 2 -keyout ca.key -out ca.crt -subj /CN=test",
        f"req -newkey rsa:2048 -nodes -keyout redis.key -out redis.csr -subj /CN={name}",
        "x509 -req -in redis.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile names -out redis.crt",
    ):
        subprocess.run(["openssl", *words.split()], cwd=folder, capture_output=True, check=True)
    for file in folder.iterdir():
        file.chmod(0o644)
    # tmp_path is its owner's alone, and the server in the container is somebody else.
    for above in (folder, *folder.parents[:3]):
        above.chmod(0o755)
    return folder


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificates(tmp_path_factory.mktemp("tls") / "tls", "elsewhere")


@pytest.fixture(scope="module")
def stack(tls: Path) -> Iterator[ComposeStack]:
    """Yield a desk without a Redis of its own, whose Redis is not there yet."""
    require_docker()
    variables = {
        "REDIS_URL": "rediss://:s%2Fecret@elsewhere:6379/0",
        "FILLSTREAM_REDIS_REPLICAS": "0",
        "FILLSTREAM_REDIS_CA_FILE": str(tls / "ca.crt"),
    }
    made = ComposeStack("fillstream-test-elsewhere", variables)
    try:
        made.run("build", "--quiet", "signals")
        made.run("up", "--detach", *SERVICES)
        yield made
    finally:
        subprocess.run(["docker", "rm", "--force", "--volumes", made.project], capture_output=True, check=False)
        made.run("down", "--volumes", "--remove-orphans")


def test_without_its_redis_a_stage_is_up_and_not_ready(stack: ComposeStack) -> None:
    assert set(stack.containers()) == {*SERVICES}, "no Redis of its own"
    for name in ("signals", "orders", "engine"):
        until(lambda name=name: stack.status(name, "/health") == 200, f"{name} to be up", timeout_s=60)
        assert stack.status(name, "/ready") == 503
    until(lambda: any("waiting for Redis" in line for line in stack.logs("signals")), "a line about it", timeout_s=60)
    findings = stack.compose("exec", "-T", "signals", "fillstream", "doctor", "--json")
    assert findings.returncode == 1
    missing = {each["what"]: each for each in json.loads(findings.stdout) if each["verdict"] == "missing"}
    assert set(missing) == {"Redis"}
    assert "s%2Fecret" not in findings.stdout


def test_when_it_comes_everybody_goes_on_by_tls(stack: ComposeStack, tls: Path) -> None:
    scripts = ("redis.conf", "redis.sh", "users.acl")
    mounts = [f"--volume={ROOT / 'deploy' / name}:/usr/local/etc/redis/{name}:ro" for name in scripts]
    subprocess.run(
        ["docker", "run", "--detach", "--name", stack.project, f"--network={stack.project}_desk",
         "--network-alias=elsewhere", "--env=FILLSTREAM_REDIS_PASSWORD=s/ecret", f"--volume={tls}:/tls:ro", *mounts,
         "redis:8", "sh", "/usr/local/etc/redis/redis.sh", "serve"],
        capture_output=True, check=True,
    )  # fmt: skip
    for name in ("signals", "orders", "engine"):
        until(lambda name=name: stack.is_ready(name), f"{name} to be ready", timeout_s=120)
        assert stack.restarts(name) == 0, "it waited, and was not started again"
    told = stack.execute("signals", "fillstream", "signal", "AAPL", "BUY", "10", "--wait", "--json")
    assert "OrderFilled" in told, "the feed found it, too"
    metrics = stack.execute("redis_exporter", "wget", "-q", "-O", "-", "http://127.0.0.1:9121/metrics")
    assert "\nredis_up 1\n" in metrics
