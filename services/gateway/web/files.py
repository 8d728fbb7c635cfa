"""The page's files: read once, packed once, told apart by what is in them.

Flows in: the folder `page/`. Flows out: answers to GET below `/desk/`. Never opens a file by a name that somebody sent:
what is served is what was there at the start.
"""

from __future__ import annotations

import gzip
import hashlib
import secrets
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import orjson
from fastapi import APIRouter, Request, Response

from fillstream.libs.common.messages.stages import DESK_PATH
from fillstream.services.gateway.http.desk_headers import desk_headers
from fillstream.services.gateway.http.document import bodies
from fillstream.services.gateway.v1.orders import ORDER
from fillstream.services.gateway.v1.positions import TARGET

FOLDER: Final = Path(__file__).with_name("page")
INDEX: Final = "index.html"
CONTRACT: Final = "contract.json"
FORMS: Final = {"POST /v1/orders": ORDER, "POST /v1/targets": TARGET}
"""Calls that the page has forms for, and what each is told: the forms are made of it."""
NONCE: Final = b"{nonce}"
TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".json": "application/json",
}
SMALLEST_PACKED: Final = 1_000

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class File:
    """A file of the page: its bytes, the same packed (None where that saves nothing), and what tells it from others."""

    content: bytes
    packed: bytes | None
    etag: str
    kind: str


@cache
def files() -> dict[str, File]:
    """Return the page's files by their names below the folder: some 3 MB, packed in about 0.2 s."""
    found = {CONTRACT: _file(orjson.dumps(bodies(FORMS)), TYPES[".json"])}
    for path in sorted(FOLDER.rglob("*")):
        kind = TYPES.get(path.suffix)
        if kind is not None and path.is_file():
            found[path.relative_to(FOLDER).as_posix()] = _file(path.read_bytes(), kind)
    return found


def warm() -> None:
    """Pack the files, before somebody waits for them."""
    files()


def _file(content: bytes, kind: str) -> File:
    packed = gzip.compress(content, 6, mtime=0) if len(content) >= SMALLEST_PACKED else None
    return File(content, packed, f'"{hashlib.sha256(content).hexdigest()[:32]}"', kind)


@router.get(DESK_PATH)
async def without_slash() -> Response:
    """Send a browser to where the page's own addresses are right."""
    return Response(status_code=307, headers={"location": f"{DESK_PATH}/"})


@router.get(DESK_PATH + "/{name:path}")
async def page(request: Request, name: str) -> Response:
    """Return a file of the page; `index.html` with a nonce of its own each time."""
    file = files().get(name or INDEX)
    if file is None:
        return Response("there is no such file of the desk\n", 404, media_type="text/plain")
    if file.kind.startswith("text/html"):
        nonce = secrets.token_urlsafe(16)
        content = file.content.replace(NONCE, nonce.encode())
        return Response(content, headers={**desk_headers(nonce), "content-type": file.kind})
    headers = {**desk_headers(), "etag": file.etag, "cache-control": "no-cache", "content-type": file.kind}
    headers["vary"] = "Accept-Encoding"
    if file.etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    if file.packed is not None and "gzip" in request.headers.get("accept-encoding", ""):
        return Response(file.packed, headers={**headers, "content-encoding": "gzip"})
    return Response(file.content, headers=headers)
