"""deploy/redis.sh: which volume a server may have, and what it is told. The shell is real, the server is not."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.support.deploy.files import ROOT

SCRIPT = (ROOT / "deploy" / "redis.sh").read_text()
REDIS_8 = "Redis server v=8.2.1 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=1"
REDIS_7 = REDIS_8.replace("8.2.1", "7.4.0")
VALKEY_9 = REDIS_8.replace("Redis server v=8.2.1", "Valkey server v=9.0.0")


class Container:
    """A folder that stands for a container: its own /data, /tls and /tmp, and a server that says what it is told."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("bin", "data", "tmp"):
            (folder / name).mkdir()
        moved = re.sub(r"(?<![\w.$/])/(data|tls|tmp)\b", rf"{folder}/\1", SCRIPT)
        (folder / "redis.sh").write_text(moved)
        (folder / "users.acl").write_bytes((ROOT / "deploy" / "users.acl").read_bytes())
        self._program("redis-cli", 'echo "$REDISCLI_AUTH $*"')

    def _program(self, name: str, text: str) -> None:
        file = self.folder / "bin" / name
        file.write_text(f"#!/bin/sh\n{text}\n")
        file.chmod(0o755)

    def run(self, *words: str, version: str = REDIS_8, **environ: str) -> subprocess.CompletedProcess[str]:
        serve = f'if [ "$1" = --version ]; then echo "{version}"; else echo "serves $1"; fi'
        self._program("redis-server", serve)
        self._program("docker-entrypoint.sh", 'exec redis-server "$@"')
        path = f"{self.folder / 'bin'}:{os.environ['PATH']}"
        return subprocess.run(
            ["sh", str(self.folder / "redis.sh"), *words],
            env={"PATH": path, **environ}, capture_output=True, text=True, check=False,
        )  # fmt: skip

    @property
    def conf(self) -> list[str]:
        return (self.folder / "tmp" / "redis.conf").read_text().splitlines()


@pytest.fixture
def container(tmp_path: Path) -> Container:
    return Container(tmp_path)


def test_a_new_volume_is_anybodys_and_then_its_servers(container: Container) -> None:
    done = container.run("serve")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"serves {container.folder}/tmp/redis.conf\n"
    assert (container.folder / "data" / "fillstream-server").read_text() == "redis 8.2.1\n"
    assert container.run("serve").returncode == 0
    assert container.conf == [f"include {container.folder}/redis.conf", "maxmemory 768mb"]


@pytest.mark.parametrize(
    ("first", "then", "sentence"),
    [
        (REDIS_8, VALKEY_9, "written by redis 8.2.1, and this image runs valkey 9.0.0, which cannot read it. Each "
                            "server has volumes of its own: FILLSTREAM_REDIS_SERVER=redis goes on with these"),
        (VALKEY_9, REDIS_8, "written by valkey 9.0.0, and this image runs redis 8.2.1"),
        (REDIS_8, REDIS_7, "written by redis 8.2.1, and this image runs the older redis 7.4.0, which cannot read it"),
    ],
)  # fmt: skip
def test_a_volume_that_another_server_wrote_is_refused_with_a_sentence(
    container: Container, first: str, then: str, sentence: str
) -> None:
    assert container.run("serve", version=first).returncode == 0
    refused = container.run("serve", version=then)
    assert refused.returncode == 78
    assert sentence in refused.stderr
    assert container.run("serve", version=first).returncode == 0, "and nothing was changed"


def test_a_newer_server_may_have_what_an_older_one_wrote(container: Container) -> None:
    assert container.run("serve", version=REDIS_7).returncode == 0
    assert container.run("serve", version=REDIS_8).returncode == 0
    assert (container.folder / "data" / "fillstream-server").read_text() == "redis 8.2.1\n"


@pytest.mark.parametrize(
    ("header", "version", "code"),
    [
        (b"REDIS0012\xfa\tredis-ver\x058.0.2\xfa\nredis-bits\xc0@", VALKEY_9, 78),
        (b"REDIS0012\xfa\tredis-ver\x058.0.2\xfa\nredis-bits\xc0@", REDIS_7, 78),
        (b"REDIS0012\xfa\tredis-ver\x058.0.2\xfa\nredis-bits\xc0@", REDIS_8, 0),
        (b"VALKEY080\xfa\nvalkey-ver\x059.0.0\xfa\nredis-bits\xc0@", REDIS_8, 78),
        (b"VALKEY080\xfa\nvalkey-ver\x059.0.0\xfa\nredis-bits\xc0@", VALKEY_9, 0),
    ],
)
def test_a_volume_from_before_the_mark_tells_by_its_own_header(
    container: Container, header: bytes, version: str, code: int
) -> None:
    folder = container.folder / "data" / "appendonlydir"
    folder.mkdir()
    (folder / "appendonly.aof.1.base.rdb").write_bytes(header + bytes(range(256)))
    assert container.run("serve", version=version).returncode == code


def hashed(password: str) -> str:
    return hashlib.sha256(password.encode()).hexdigest()


def test_a_password_is_told_as_its_hash_however_it_is_written(container: Container) -> None:
    odd = 'a "b" \\c $d'
    done = container.run("serve", FILLSTREAM_REDIS_PASSWORD=odd, FILLSTREAM_REDIS_MAXMEMORY="2gb")
    assert done.returncode == 0
    assert container.conf[1:] == ["maxmemory 2gb", f"user default on #{hashed(odd)} ~* &* +@all"]
    assert container.run("cli", "XLEN", "signals", FILLSTREAM_REDIS_PASSWORD="x y").stdout == "x y XLEN signals\n"


def test_users_appear_with_their_passwords_of_which_only_the_hash_is_told(container: Container) -> None:
    done = container.run("serve", FILLSTREAM_REDIS_PASSWORD="all", FILLSTREAM_REDIS_OPERATOR_PASSWORD="secret word")
    assert (done.returncode, done.stderr) == (0, "")
    default, user = [line for line in container.conf if line.startswith("user ")]
    assert default == f"user default on #{hashed('all')} ~* &* +@all"
    assert user.startswith(f"user operator on #{hashed('secret word')} -@all +@connection -@dangerous ")
    some = {"FILLSTREAM_REDIS_CLIENT_PASSWORD": "c", "FILLSTREAM_REDIS_ORDERS_PASSWORD": "o"}
    told = container.run("users", **some, FILLSTREAM_MESSAGING__TOPIC_PREFIX="our/desk:")
    assert [line.split()[1] for line in told.stdout.splitlines()] == ["orders", "client"]
    assert " %R~our/desk:events.{a*} " in told.stdout
    assert "PREFIX" not in told.stdout
    assert "FILLSTREAM_REDIS_PASSWORD is empty: whoever connects without a name may do everything" in told.stderr
    alone = container.run("users", FILLSTREAM_REDIS_PASSWORD="all").stdout
    assert [line.split()[1] for line in alone.splitlines()] == ["default"]


def test_a_users_password_of_two_lines_is_refused(container: Container) -> None:
    refused = container.run("serve", FILLSTREAM_REDIS_CLIENT_PASSWORD="a\nb")
    assert refused.returncode == 78
    assert "FILLSTREAM_REDIS_CLIENT_PASSWORD: it has more than one line" in refused.stderr


def test_a_password_of_two_lines_is_refused(container: Container) -> None:
    refused = container.run("serve", FILLSTREAM_REDIS_PASSWORD="a\nb")
    assert (refused.returncode, refused.stdout) == (78, "")
    assert "FILLSTREAM_REDIS_PASSWORD: it has more than one line" in refused.stderr


def test_with_a_folder_of_certificates_it_speaks_tls_alone(container: Container) -> None:
    tls = container.folder / "tls"
    tls.mkdir()
    refused = container.run("serve")
    assert refused.returncode == 78
    assert "FILLSTREAM_REDIS_TLS_DIR: there is no redis.crt in it" in refused.stderr
    for name in ("redis.crt", "redis.key", "ca.crt"):
        (tls / name).touch()
    assert container.run("serve").returncode == 0
    assert {"port 0", "tls-port 6379", f"tls-key-file {tls}/redis.key"} <= set(container.conf)
    assert container.run("cli", "PING").stdout == f" --tls --cacert {tls}/ca.crt PING\n"


def test_only_pong_is_well(container: Container) -> None:
    assert container.run("ping").returncode == 1, "this client answers something else"
    container._program("redis-cli", "echo PONG")
    assert container.run("ping").returncode == 0
