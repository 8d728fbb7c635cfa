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
        seen.admit(key, b"content%d" % n, 1_000 + n)
    return dump(Signals(seen, 5, 2))


def written_before(**head: Any) -> bytes:
    """Return what releases until version 3 wrote of the same."""
    values = b"".join((1_000 + n).to_bytes(8) + b"content%d" % n for n in range(len(KEYS)))
    document = {"accepted": 5, "duplicate": 2, "forgotten_early": 0, **head}
    return orjson.dumps(document) + b"\n" + b"".join(KEYS) + values


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
WIDTHS = {"first": 0, "until": 3, "scoped_from": 0, **OLD_WIDTHS, "ms_bytes": 6}


@pytest.mark.parametrize(
    ("data", "unscoped"),
    [
        (written_before(), 3),
        (written_before(version=2, seen={"count": 3, **OLD_WIDTHS}), 3),
        (written_before(version=3, seen={"count": 3, "unscoped": 1, **OLD_WIDTHS}), 1),
    ],
    ids=["0.1.0", "version 2", "version 3"],
)
def test_what_older_releases_wrote_is_loaded(kept: bytes, data: bytes, unscoped: int) -> None:
    assert dump(load(data)) == changed(kept, seen={"count": 3, **WIDTHS, "scoped_from": unscoped})
    assert load(data).seen.unscoped == unscoped


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"version": 5}, "signals snapshot: version 5 must be 1 to 4, which this release reads"),
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
    [
        (b"[]\n", "must begin with an object, got list"),
        (written_before()[:-1], "95 bytes of digests are no whole number of them"),
        (None, "chunk 0: no id can be put there"),
    ],
    ids=["list", "torn before", "torn"],
)
def test_what_is_not_whole_is_refused(kept: bytes, data: bytes | None, sentence: str) -> None:
    with pytest.raises(Unreadable, match=sentence):
        load(kept[:-1] if data is None else data)
