"""What a desk in memory told, in an analytics store."""

from __future__ import annotations

from pathlib import Path

import orjson

from fillstream.services.analytics.decode.entries import Batch
from fillstream.services.analytics.sinks.store import Store
from fillstream.services.analytics.sinks.writer import DECODERS
from tests.support.whole_desk import WholeDesk


def stored(desk: WholeDesk, path: Path) -> Store:
    """Return a new store in a folder with the desk's journal and all that its positions stage told."""
    store = Store(path / "analytics.duckdb")
    for kind, messages in (("events", desk.events), ("positions", desk.told)):
        batch = Batch()
        entries = [[b"%d-%d" % (m["time"], n), [b"data", orjson.dumps(m)]] for n, m in enumerate(messages)]
        DECODERS[kind](f"{kind}.{{a0}}", entries, batch)
        assert not batch.undecodable, batch.undecodable
        store.commit(batch.tables, {}, [])
    return store
