"""The page's files: read once, packed once, told apart by what is in them.

Flows in: the folder `page/`. Flows out: answers to GET below `/desk/`. Never opens a file by a name that somebody sent:
what is served is what was there at the start.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import secrets
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from fastapi import APIRouter, Request, Response

from fillstream.libs.common.messages.stages import DESK_PATH
from fillstream.services.gateway.http.desk_headers import desk_headers

FOLDER: Final = Path(__file__).with_name("page")
INDEX: Final = "index.html"
NONCE: Final = b"{nonce}"
TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
SMALLEST_PACKED: Final = 1_000

_MAKING: Final[set[asyncio.Task[object]]] = set()
"""A task that nobody holds may be collected before its end."""

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
    found = {}
    for path in sorted(FOLDER.rglob("*")):
        kind = TYPES.get(path.suffix)
        if kind is None or not path.is_file():
            continue
        content = path.read_bytes()
        packed = gzip.compress(content, 6, mtime=0) if len(content) >= SMALLEST_PACKED else None
        etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
        found[path.relative_to(FOLDER).as_posix()] = File(content, packed, etag, kind)
    return found


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
        # Its ticket will ask for the document of the API: begun now, it is made when that happens.
        making = asyncio.create_task(request.app.state.described())
        _MAKING.add(making)
        making.add_done_callback(_MAKING.discard)
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
