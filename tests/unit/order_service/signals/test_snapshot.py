"""A snapshot of the signals stage says how wide its digests are; those of 0.1.0, which do not, still load."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from fillstream.libs.common.values.versions import Unreadable
from fillstream.services.order_service.signals.seen import SeenSignals
from fillstream.services.order_service.signals.snapshot import Signals, dump, load

KEYS = [bytes([n]) * 16 for n in range(3)]


@pytest.fixture
def kept() -> bytes:
    seen = SeenSignals()
    for n, key in enumerate(KEYS):
        seen.remember(key, b"content%d" % n, 1_000 + n)
    return dump(Signals(seen, 5, 2))


def changed(kept: bytes, **values: Any) -> bytes:
    head, _, digests = kept.partition(b"\n")
    document = {**orjson.loads(head), **values}
    return orjson.dumps({name: value for name, value in document.items() if value is not None}) + b"\n" + digests


def test_what_was_dumped_is_loaded(kept: bytes) -> None:
    seen, accepted, duplicate, refused = load(kept)
    assert (accepted, duplicate, len(seen)) == (5, 2, 3)
    assert [seen.content_of(key, 2_000) for key in KEYS] == [b"content0", b"content1", b"content2"]
    assert refused == 0
    assert dump(Signals(seen, accepted, duplicate)) == kept
    assert load(dump(Signals(seen, accepted, duplicate, 7))).refused == 7


OLD_WIDTHS = {"key_bytes": 16, "ms_bytes": 8, "content_bytes": 8}


def test_what_0_1_0_wrote_is_loaded(kept: bytes) -> None:
    document = orjson.loads(kept.partition(b"\n")[0])
    unscoped = changed(kept, seen={**document["seen"], "unscoped": 3})
    assert dump(load(changed(kept, version=None, seen=None))) == unscoped
    assert dump(load(changed(kept, version=2, seen={"count": 3, **OLD_WIDTHS}))) == unscoped


WIDTHS = {"unscoped": 0, **OLD_WIDTHS}


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"version": 4}, "signals snapshot: version 4 must be 1 to 3, which this release reads"),
        ({"late": 1}, "signals snapshot: late is no field that this release knows"),
        ({"seen": {"count": 3, **WIDTHS, "key_bytes": 20}}, "signals snapshot: key_bytes 20 must be 16"),
        ({"seen": {"count": 4, **WIDTHS}}, "signals snapshot: count 4 must be 3, the digests that follow"),
        ({"seen": {"count": 3, **WIDTHS, "salt": 1}}, "seen: salt is no field that this release knows"),
    ],
    ids=["version", "name", "width", "count", "name within"],
)
def test_what_this_release_does_not_know_is_refused_in_a_sentence(
    kept: bytes, values: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(Unreadable) as refused:
        load(changed(kept, **values))
    assert str(refused.value).startswith(sentence)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [(b"[]\n", "must begin with an object, got list"), (None, "95 bytes of digests are no whole number of them")],
    ids=["list", "torn"],
)
def test_what_is_not_whole_is_refused(kept: bytes, data: bytes | None, sentence: str) -> None:
    with pytest.raises(Unreadable, match=sentence):
        load(kept[:-1] if data is None else data)
