"""Write down what this tree does, as a release: `python -m tests.upgrade.keep 0.2.0`.

To be run once a release, or in a commit of its own by a step that changes bytes on purpose, which says why. With the
lowest DuckDB that the release allows (`make develop RANGE=lowest`): an older one cannot read what a newer one wrote.
"""

from __future__ import annotations

import gzip
import json
import sys
import tempfile
from pathlib import Path

from fillstream.services.analytics.decode.entries import Batch
from fillstream.services.analytics.read.reader import public_streams
from fillstream.services.analytics.sinks.store import Offset, Store
from fillstream.services.analytics.sinks.writer import DECODERS
from tests.support import kept
from tests.support.simulated_desk import SimulatedDesk


def main(release: str) -> None:
    """Write the folder of a release, which must not be there yet."""
    place = kept.Kept(release)
    place.folder.mkdir()
    hashes = {str(seed): kept.hashes(kept.played(seed)) for seed in kept.SEEDS}
    _write(place.folder / "seeds.json", hashes)
    desk = SimulatedDesk(kept.KEPT_SEED, kept.KEPT_ACCOUNTS, kept.KEPT_SYMBOLS)
    desk.run(kept.KEPT_STEPS)
    found = desk.audit()
    assert found.agrees, found.problems
    text = "".join(json.dumps(line) + "\n" for line in kept.lines(desk))
    (place.folder / "log.jsonl.gz").write_bytes(gzip.compress(text.encode(), mtime=0))
    _write(place.folder / "stages.json", _stands(desk))
    for slot in desk.slots:
        ids = slot.snapshots.ids()
        middle = ids[len(ids) // 2]
        place.snapshots(slot.make()).save(slot.snapshots.load(middle))
    place.database.write_bytes(gzip.compress(_database(desk), mtime=0))


def _write(file: Path, document: object) -> None:
    file.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n")


def _stands(desk: SimulatedDesk) -> dict[str, dict[str, str]]:
    found = {}
    for stage in (slot.make() for slot in desk.slots):
        stands = desk.redis.checkpoints[desk.topology.checkpoint(stage.name, stage.inbox)]
        assert not stands.poisoned
        found[kept.of_stage(stage)] = {
            "id": stands.id, "entries": str(stands.entries), "digest": stands.digest.hex(),
        }  # fmt: skip
    return found


def _database(desk: SimulatedDesk) -> bytes:
    """Return the DuckDB file that analytics makes of the desk's public streams."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "analytics.duckdb"
        store = Store(file)
        batch = Batch()
        offsets = {}
        for stream, kind in public_streams(desk.topology).items():
            raw = [
                (entry.id.encode(), [part for pair in entry.fields.items() for part in pair])
                for entry in desk.redis.streams.get(stream, [])
            ]
            if raw:
                DECODERS[kind](stream, raw, batch)
                offsets[stream] = Offset(raw[-1][0].decode(), len(raw))
        store.commit(batch.tables, offsets, [])
        store.close()
        return file.read_bytes()


if __name__ == "__main__":
    main(*sys.argv[1:])
