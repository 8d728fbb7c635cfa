"""How the desk's page is served: the files that there are and none else, once, with what browsers are told of them."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from typing import Any

import httpx
import pytest

from fillstream.libs.common.process.settings import Settings, load_settings
from fillstream.services.gateway.web.files import FOLDER, files
from tests.support.gateway_desk import GatewayDesk

VENDOR = FOLDER / "vendor"


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> GatewayDesk:
    monkeypatch.setenv("FILLSTREAM_GATEWAY__WITHOUT_KEY", "true")
    settings: Settings = load_settings(None)
    return GatewayDesk(settings)


def got(desk: GatewayDesk, path: str, **headers: str) -> httpx.Response:
    return asyncio.run(desk.http.get(path, headers=headers))


def test_the_page_has_a_nonce_of_its_own_each_time_and_no_code_within(desk: GatewayDesk) -> None:
    pages = [got(desk, "/desk/") for _ in range(2)]
    nonces = [re.search(r'style-nonce" content="([^"]+)"', each.text).group(1) for each in pages]  # type: ignore[union-attr]
    assert nonces[0] != nonces[1]
    for page, nonce in zip(pages, nonces, strict=True):
        policy = page.headers["content-security-policy"]
        assert f"'nonce-{nonce}'" in policy and "unsafe" not in policy
        assert page.headers["cache-control"] == "no-store"
    assert not re.search(r"<script(?![^>]*\bsrc=)|\son\w+=|javascript:", pages[0].text)


def test_every_address_of_the_page_and_of_its_modules_is_served(desk: GatewayDesk) -> None:
    wanted = set(re.findall(r'(?:src|href)="([^"/][^"]*)"', got(desk, "/desk/").text))
    assert len(wanted) > 6
    for path in FOLDER.rglob("*.js"):
        if path.parent != VENDOR:
            folder = path.parent.relative_to(FOLDER)
            for name in re.findall(r'from "(\.[^"]+)"', path.read_text(encoding="utf-8")):
                wanted.add((FOLDER / folder / name).resolve().relative_to(FOLDER.resolve()).as_posix())
    assert wanted <= set(files())
    for name in sorted(wanted):
        assert got(desk, f"/desk/{name}").status_code == 200, name


@pytest.mark.parametrize(
    "path",
    [
        "../app.py",
        "..%2fapp.py",
        "%2e%2e/app.py",
        "//etc/passwd",
        "vendor",
        "page.py",
        "main.js%00",
        "vendor/../../app.py",
    ],
)
def test_nothing_else_is_served_whatever_somebody_calls_it(desk: GatewayDesk, path: str) -> None:
    told = got(desk, f"/desk/{path}")
    assert told.status_code == 404
    assert b"import" not in told.content


def test_a_file_that_has_not_changed_is_not_sent_again(desk: GatewayDesk) -> None:
    first = got(desk, "/desk/main.js", **{"accept-encoding": "gzip"})
    assert (first.status_code, first.headers["content-encoding"], first.headers["cache-control"]) == (
        200, "gzip", "no-cache",
    )  # fmt: skip
    assert first.text == (FOLDER / "main.js").read_text(encoding="utf-8")
    plain = got(desk, "/desk/main.js", **{"accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers and plain.content == first.content
    again = got(desk, "/desk/main.js", **{"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_a_browser_is_sent_to_the_desk_and_a_program_is_told_who_this_is(desk: GatewayDesk) -> None:
    assert got(desk, "/", accept="text/html,*/*").headers["location"] == "/desk/"
    assert got(desk, "/", accept="application/json").json()["name"] == "Fillstream gateway"
    assert got(desk, "/desk").headers["location"] == "/desk/"


def without_nulls(part: Any) -> Any:
    """A schema without defaults that are null: FastAPI leaves them out."""
    if isinstance(part, dict):
        return {name: without_nulls(each) for name, each in part.items() if (name, each) != ("default", None)}
    return [without_nulls(each) for each in part] if isinstance(part, list) else part


def test_the_forms_are_told_what_their_calls_take(desk: GatewayDesk) -> None:
    told = got(desk, "/desk/contract.json").json()
    whole = desk.app.openapi()
    for path in ("/v1/orders", "/v1/targets"):
        form, call = (each["paths"][path]["post"]["requestBody"] for each in (told, whole))
        schemas = (without_nulls(each["content"]["application/json"]["schema"]) for each in (form, call))
        assert next(schemas) == next(schemas)
    assert told["components"]["schemas"].keys() <= whole["components"]["schemas"].keys()


def test_what_others_made_is_as_they_made_it_with_its_licence() -> None:
    told = json.loads((VENDOR / "vendor.json").read_text(encoding="utf-8"))
    assert {each.name for each in VENDOR.iterdir()} == {*told, "vendor.json"}
    for name, each in told.items():
        assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == each["sha256"], name
    assert {f"{each['package']}.LICENSE.txt" for each in told.values()} <= set(told)
    locked = json.loads((FOLDER.parent / "vendored" / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    assert all(locked[f"node_modules/{each['package']}"]["version"] == each["version"] for each in told.values())
