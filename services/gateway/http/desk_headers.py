"""What the web desk's page is served with: what it may load, and who may look at it.

Flows in: what a page needs beyond the strictest. Flows out: headers. Never lets another site's script, style, frame or
form in, and never a script within the page.
"""

from __future__ import annotations

import re
from typing import Final

from fillstream.libs.common.values.naming import shorten

POLICY: Final = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "connect-src": "'self'",
    "font-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
}
OTHERS: Final = {
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
}
_NONCE: Final = re.compile(r"[A-Za-z0-9+/_-]{16,}={0,2}", re.ASCII)


def desk_headers(style_nonce: str | None = None) -> dict[str, str]:
    """Return the headers of a page of the desk.

    Args:
        style_nonce: of `<style>` elements that libraries add and mark with it; another one for each answer.

    Raises:
        ValueError: the nonce is none that nobody guesses.
    """
    if style_nonce is not None and not _NONCE.fullmatch(style_nonce):
        raise ValueError(f"style_nonce: {shorten(style_nonce)} must be 16 characters of base64 at least")
    policy = dict(POLICY)
    if style_nonce is not None:
        policy["style-src-elem"] = f"'self' 'nonce-{style_nonce}'"
    return {"content-security-policy": "; ".join(f"{name} {its}" for name, its in policy.items()), **OTHERS}
