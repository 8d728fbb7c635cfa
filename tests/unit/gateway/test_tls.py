"""HTTPS with a real certificate: served by the gateway's own settings, asked by the command's --ca-file."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from fillstream.cli.exit_codes import Exit
from fillstream.client.gateway import GatewayClient, GatewayError
from fillstream.libs.common.process.settings import Settings
from tests.support.backtests import settings_with
from tests.support.command import fillstream
from tests.support.gateway_desk import GatewayDesk
from tests.support.served import served

KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


def openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


def authority(folder: Path, name: str) -> Path:
    """Make an authority and return its certificate; its key stands beside it."""
    openssl(folder, "req", "-x509", *KEY, "-keyout", f"{name}.key", "-out", f"{name}.pem", "-days", "2",
            "-subj", f"/CN={name}", "-addext", "keyUsage=critical,keyCertSign")  # fmt: skip
    return folder / f"{name}.pem"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two authorities, `ours` and `theirs`, and a certificate of this machine by ours: `desk.pem`, `desk.key`."""
    folder = tmp_path_factory.mktemp("tls")
    authority(folder, "ours")
    authority(folder, "theirs")
    openssl(folder, "req", *KEY, "-keyout", "desk.key", "-out", "desk.csr", "-subj", "/CN=desk")
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1\n")
    openssl(folder, "x509", "-req", "-in", "desk.csr", "-CA", "ours.pem", "-CAkey", "ours.key", "-CAcreateserial",
            "-days", "2", "-extfile", "names", "-out", "desk.pem")  # fmt: skip
    return folder


@pytest.fixture
def port(certificates: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    monkeypatch.setenv("FILLSTREAM_GATEWAY__TLS_CERT_FILE", str(certificates / "desk.pem"))
    monkeypatch.setenv("FILLSTREAM_GATEWAY__TLS_KEY_FILE", str(certificates / "desk.key"))
    settings: Settings = settings_with(monkeypatch, simulation__enabled="false")
    assert settings.gateway.tls_cert_file == certificates / "desk.pem"
    with served(GatewayDesk(settings)) as found:
        yield found


def test_who_trusts_its_authority_is_served(port: int, certificates: Path) -> None:
    with GatewayClient(f"https://127.0.0.1:{port}", ca_file=certificates / "ours.pem") as client:
        assert "default" in [each["account"] for each in client.accounts()]
    told = fillstream(
        "tail", "events", "--json", "--url", f"https://127.0.0.1:{port}", "--ca-file", str(certificates / "ours.pem")
    )
    assert "InstrumentDefined" in told.stdout


@pytest.mark.parametrize("trusted", ["theirs.pem", None])
def test_who_does_not_is_told_so_and_sends_nothing(port: int, certificates: Path, trusted: str | None) -> None:
    url = f"https://127.0.0.1:{port}"
    with pytest.raises(GatewayError, match="certificate verify failed"):
        GatewayClient(url, ca_file=certificates / trusted if trusted else None)
    more = ("--ca-file", str(certificates / trusted)) if trusted else ()
    told = fillstream("tail", "events", "--url", url, *more, code=None)
    assert told.exit_code not in (Exit.OK, Exit.USAGE)
    assert "certificate verify failed" in told.stderr
    assert told.stdout == ""


def test_http_on_its_port_is_no_way_in(port: int) -> None:
    with pytest.raises(httpx.TransportError):
        httpx.get(f"http://127.0.0.1:{port}/health", trust_env=False)
