"""Tries rules on a journal that was recorded: what they would have done, had they counted from its beginning on.

Flows in: an account partition's journal, rules. Flows out: what each would have done, event by event. Never sends
anything: instructions end here, so what they would have led to did not happen either.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import orjson

from fillstream.libs.common.messages.rule_terms import RuleTerms
from fillstream.libs.common.messages.topology import id_ms, stream_name
from fillstream.libs.common.runtime.stage import Entry, Outputs
from fillstream.services.position_service.stage import PositionStage


def tried(
    entries: Iterable[tuple[str, Mapping[bytes, bytes]]], partition: int, rules: Sequence[RuleTerms]
) -> Iterator[dict[str, Any]]:
    """Yield what rules would have reported, each with what it would have sent (`instructions`).

    Args:
        entries: of `events.{partition}`, ids and fields, in order; those before the first are not known, if they were
            trimmed, so positions are what came since.
        partition: of the accounts.
        rules: that are tried, instead of those of the journal.

    Raises:
        Inconsistent: the journal has a gap.
    """
    stage = PositionStage(partition)
    stage.after_loss()
    stage.try_rules(rules)
    orders, positions = stream_name("orders", partition), stream_name("positions", partition)
    for entry_id, fields in entries:
        out = Outputs(stage.name, stage.inbox)
        entry = Entry(entry_id, id_ms(entry_id), fields)
        out.begin(entry)
        stage.fold(entry, out)
        sent: dict[str, dict[str, Any]] = {}
        for payload in out.by_stream.get(orders, (b"", []))[1]:
            message = orjson.loads(payload)
            sent[message["signal_id"]] = message
        for payload in out.by_stream.get(positions, (b"", []))[1]:
            told = orjson.loads(payload)
            if told["type"] == "RuleReported":
                yield told | {"instructions": [sent[name] for name in told["signal_ids"] or ()]}
