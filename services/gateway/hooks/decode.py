"""What a post says: bytes in, signals out, or one sentence why none.

Flows in: a body as it came, whose hook it was posted under. Flows out: signals that a desk would take, each with its
account, and a `signal_id` where the alert can be known again; a `Refusal`. Never sends anything, asks no clock, and
raises nothing else whatever was posted.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final

from fillstream.libs.common.messages.signals import SIGNALS
from fillstream.libs.common.messages.special_terms import SIZES
from fillstream.libs.common.process.hook_templates import Template, template_of
from fillstream.libs.common.process.hooks import Hook
from fillstream.libs.common.process.keys import ID_PREFIX
from fillstream.libs.common.values.moments import FORM, milliseconds
from fillstream.libs.common.values.naming import NAME, shorten
from fillstream.services.gateway.asking import checked
from fillstream.services.gateway.hooks import flat, template, tradingview
from fillstream.services.gateway.hooks.words import Read, refused
from fillstream.services.gateway.http.exact import decoded
from fillstream.services.gateway.http.problems import Refusal

PREFIXES: Final = {"tradingview": "tv", "text": "tx", "template": "tm"}
"""What signals' ids begin with, by the kind of the hook."""

SECONDS_DIGITS: Final = 10
MOST_TIME_DIGITS: Final = 15

_NAME: Final = re.compile(NAME)


def decode(body: bytes, key_id: str, account: str, hook: Hook, now_ms: int) -> list[dict[str, Any]]:
    """Return the signals that a post asks for: all of them, or none.

    Args:
        body: at most what `http.exact.MAX_BODY_BYTES` says.
        key_id: of the hook.
        account: that it is for.
        hook: how it is read.
        now_ms: by which it is too old for a hook that says how old alerts may be.

    Raises:
        Refusal: 400 of what cannot be read, 422 of what no desk would take.
    """
    found = _read(body, hook)
    if hook.max_age_s is not None:
        for each in found:
            _check_age(each, hook.max_age_s, now_ms)
    signals = [_signal(each, key_id, account, hook) for each in found]
    ids = [signal["signal_id"] for signal in signals if "signal_id" in signal]
    if len(set(ids)) < len(ids):
        raise refused("id: two lines of a post are the same under the same id")
    return signals


def id_prefix(key_id: str, hook: Hook) -> str:
    """Return what the ids of a hook's signals begin with: they tell which hook they came by."""
    return f"{PREFIXES[hook.kind]}-{key_id.removeprefix(ID_PREFIX)}-"


def _read(body: bytes, hook: Hook) -> list[Read]:
    is_json = body.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{")
    match hook.kind:
        case "template":
            assert hook.template is not None, "hooks of this kind have one"
            return [template.read(_template(hook.template), _object(body))]
        case "tradingview" if is_json:
            return [tradingview.read(_object(body))]
    try:
        return flat.read(body.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        told = f"body: byte 0x{body[error.start]:02x} at offset {error.start} is not UTF-8 text"
        raise Refusal(400, "bad_utf8", told) from None


def _check_age(read: Read, max_age_s: int, now_ms: int) -> None:
    """Refuse an alert that is too old, or does not say how old it is."""
    limit = f"this hook takes alerts of at most {max_age_s} s"
    if not read.time:
        raise refused(f"{read.label}time: is missing, and {limit}")
    made_ms = _time_of(read.time)
    if made_ms is None:
        told = f"must be a time as {FORM}, with its zone, or milliseconds or seconds since 1970"
        raise refused(f"{read.label}time: {shorten(read.time)} {told}")
    age_s = (now_ms - made_ms) / 1000
    if age_s > max_age_s:
        raise refused(f"{read.label}time: {shorten(read.time)} is {age_s:.0f} s ago, and {limit}")
    if age_s < -max_age_s:  # a clock or a zone that is wrong would let every old one in
        raise refused(f"{read.label}time: {shorten(read.time)} is {-age_s:.0f} s to come, and {limit}")


def _time_of(text: str) -> int | None:
    """Return milliseconds since 1970; digits are seconds where they are too few for this century's milliseconds."""
    if text.isascii() and text.isdecimal() and len(text) <= MOST_TIME_DIGITS:
        return int(text) * (1000 if len(text) <= SECONDS_DIGITS else 1)
    return milliseconds(text)


def _object(body: bytes) -> dict[str, Any]:
    found = decoded(body.removeprefix(b"\xef\xbb\xbf"))
    if not isinstance(found, dict):
        raise Refusal(400, "not_an_object", f"body: {shorten(found)} must be a JSON object")
    return found


@lru_cache(maxsize=256)
def _template(text: str) -> Template:
    try:
        return template_of(text)
    except ValueError as error:  # it was checked when the hook was made: another release did
        raise Refusal(422, "bad_template", str(error)) from None


def _signal(read: Read, key_id: str, account: str, hook: Hook) -> dict[str, Any]:
    fields = {name: value for name, value in read.fields.items() if value is not None}
    try:
        _name(fields, read, account, hook)
        if read.identity is not None:
            fields["signal_id"] = id_prefix(key_id, hook) + _hashed(key_id, *read.identity)
        return checked(fields)
    except Refusal as refusal:
        errors = refusal.more.get("errors")
        raise Refusal(refusal.status, refusal.reason, f"{read.label}{refusal.detail}", errors=errors) from None


def _name(fields: dict[str, Any], read: Read, account: str, hook: Hook) -> None:
    """Say whose signal it is, of what, and how much where the alert does not."""
    fields["account"] = account
    known = SIGNALS[fields["type"]].model_fields
    if hook.strategy is not None and "strategy" in known:
        said = fields.setdefault("strategy", hook.strategy)
        if said != hook.strategy:
            raise refused(f"strategy: {shorten(said)} must be this hook's, {hook.strategy}")
    if isinstance(theirs := fields.get("symbol"), str):
        fields["symbol"] = ours = hook.symbol_of(theirs, read.exchange)
        if not _NAME.fullmatch(ours):
            raise refused(f"symbol: {shorten(ours)} is no name of an instrument; give the hook --symbol THEIRS=OURS")
    if fields["type"] == "NewOrder" and hook.quantity is not None and not fields.keys() & {"quantity", *SIZES}:
        fields["quantity"] = hook.quantity


def _hashed(*parts: str) -> str:
    return sha256(json.dumps(parts).encode()).hexdigest()[:32]
