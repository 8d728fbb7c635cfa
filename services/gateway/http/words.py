"""What the gateway's own words mean: what only its answers and parameters say, and no message of a stream.

Flows in: names. Flows out: meanings and examples. Never says again what the glossary of the messages has.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from fillstream.libs.common.messages import glossary

MEANINGS: Final[Mapping[str, str]] = {
    "accepted_ms_p50": "from signal to the venue's yes, the median",
    "accepted_ms_p99": "from signal to the venue's yes, of 99 in 100 at most",
    "accepted_time": "when the venue took it",
    "accounts": "by the caller's key: those that it may see",
    "aliases": "the account that each alias points to",
    "approvals": "that wait for a person's yes, the newest first",
    "as_of": "up to which entry of each stream the answer knows",
    "bars": "the newest ones, oldest first",
    "base64": "name and value of each field in base64, where one is no text",
    "begin_time": "when the bar begins",
    "breakers": "circuit breakers that are not closed, or ever opened",
    "busted_time": "when the venue took the trade back; absent of one that stands",
    "canceled_time": "when it was canceled",
    "close": "price of the bar's last trade",
    "closed_positions": "the newest first",
    "controls": "answers to controls, the newest first",
    "corrected_time": "when the venue corrected the trade",
    "curves": "by measure, account and currency",
    "dead": "entries that nobody could use, the newest first",
    "depth": "of the book",
    "desk": "the trading state of the whole desk",
    "detail": "a sentence that names the field, the value and the limit",
    "entries": "that were read",
    "entries_per_s": "throughput of its last second",
    "events": "as the journal has them, the oldest first",
    "exits": "the newest first",
    "expected_slippage_bps": "half the spread as the orders came, weighted by what was traded",
    "expired_time": "when its time in force ended",
    "filled_orders": "orders that were filled, at least in part",
    "filled_time": "of its last fill",
    "fills": "the newest first",
    "first_fill_ms_p50": "from signal to the first fill, the median",
    "first_fill_ms_p99": "from signal to the first fill, of 99 in 100 at most",
    "flat": "`true`: with those that hold nothing at the moment",
    "gaps": "what is not known here, a sentence each",
    "gateway": "this process itself",
    "high": "the highest price of the bar",
    "holds": "who keeps the streams that it trims from being trimmed",
    "id": "of its entry in the stream",
    "inbox": "the stream that it reads; null: none",
    "incomplete": "what is missing here, a sentence each",
    "instrument": "its terms",
    "instruments": "by symbol",
    "interval_s": "how long a bar is",
    "last": "what became of the rule last; null: nothing yet",
    "last_error": "of the process before, if it crashed",
    "letter_id": "of the dead letter: its entry's id in `dead`",
    "lists": "the newest first",
    "low": "the lowest price of the bar",
    "maker_share": "of what was traded, by resting orders",
    "markets": "by symbol and venue, what was traded most first",
    "measure": "what the curve's values are",
    "newest": "`true`: from the end, the newest first",
    "next": "the `cursor` of the next page; null of the last",
    "number": "of the trade in its book",
    "older": "where what is not known here is",
    "open": "price of the bar's first trade",
    "order": "as it stands",
    "partition": "of the stage",
    "pending_replace": "the amendment that is on its way; absent without one",
    "pid": "of the process on its machine",
    "points": "the oldest first",
    "positions": "one for each instrument that is held",
    "preview": "by the desk's own rules and fees",
    "progress": "how far the order's algorithm is; absent of one without",
    "quote": "of the market",
    "quotes": "by venue and symbol",
    "received_time": "when the desk took it",
    "reconciled": "how the last comparison with each venue went",
    "redriven": "of each letter that was sent again the id of the new entry",
    "redriven_as": "the id of the new entry",
    "refusal": "why the control changed nothing, a stable code; null: it did what it says",
    "refused": "whether the desk refused it",
    "rejected": "by reason, the most frequent first",
    "rejected_time": "when it was refused",
    "replaced_time": "when it was amended last",
    "restarts": "how often it was started again",
    "risk": "limits on the account's risk that were ever broken",
    "route": "where it would be routed; null: it goes where account and instrument say",
    "rows": "by the columns' names",
    "rules": "by name",
    "sessions": "and bands, at each venue",
    "settled": "whether it works or is done: nothing more is waited for",
    "since": "told or received at or after",
    "slippage": "a model of what it costs: `spread`, `fixed:BPS` or `volume:BPS`",
    "slippage_bps": "how far beyond the mid the fills were, weighted by what was traded",
    "slippage_model": "that was asked for",
    "snapshot_id": "of its last snapshot; null without one",
    "source": "`analytics`: it knows it, some seconds behind",
    "stages": "a row for each partition",
    "stale": "whether the venue has not quoted it for too long: what stands may be no market",
    "status": "the HTTP status that the order would have had by itself",
    "step_ms": "how far points are apart at least",
    "streams": "names of those that can be read here",
    "title": "of the status",
    "topology": "into how many streams it is cut",
    "trades": "how many the bar is made of; of a market the newest first",
    "trading_state": "the stricter of its own and the desk's",
    "until": "told or received before",
    "updated_time": "when this was told",
    "value": "what the account is worth; null of one that never had cash put in",
    "venues": "by name",
    "volume": "that was traded in the bar",
    "working_orders": "how many work, or wait in the desk",
}
"""By name."""
EXAMPLES: Final[Mapping[str, Any]] = {
    "output_hash": "936e93b278a03da1e6b1faf56a6488b3",
    "accounts": {"default": "ACTIVE"},
    "aliases": {"main": "main@paper"},
    "as_of": {"events.0": "1796000400000-0"},
    "asks": [["190.26", "300"]],
    "at_least": "events.0:1796000400000-0",
    "base64": [["ZGF0YQ==", "/w=="]],
    "best_alone": "SIM",
    "bids": [["190.25", "100"]],
    "columns": {"name": "symbol", "type": "VARCHAR"},
    "Idempotency-Key": "my-7",
    "cursor": "1",
    "entry_id": "1796000400000-0",
    "errors": "price: 190.255 is not a multiple of AAPL's tick size 0.01",
    "exit_status": "ARMED",
    "decided_by": "order",
    "expected_slippage": "9.50",
    "expected_slippage_bps": "0.5",
    "fee_estimate": "1.90",
    "gaps": "events.0: 12 messages before 1796000400000-0 were trimmed before they were read",
    "id": "1796000400000-0",
    "inbox": "orders.0",
    "incomplete": "events.0: 12 messages before 1796000400000-0 were trimmed before they were read",
    "left_out": {"SIM2": "is halted"},
    "lapsed": "it was away for longer than a day",
    "last_error": "redis does not answer",
    "last-event-id": "events.0=1796000400000-0",
    "letter_id": "1796000400000-0",
    "list_order_status": "EXECUTING",
    "mode": "PAPER",
    "next": "1",
    "not_looked_at": "max_daily_orders",
    "note": "main is main@paper",
    "notional": "19025",
    "ord_status": "New",
    "parent_id": "1",
    "policy": "BEST_PRICE",
    "prefer": "wait=20",
    "prefix": "desk1:",
    "progress": "entry 1200 of 4000",
    "reader": "analytics",
    "received": "2026-11-30T01:00:00Z",
    "redriven": {"1796000400000-0": "1796000400001-0"},
    "redriven_as": "1796000400001-0",
    "refused": "off_tick",
    "rows": {"symbol": "AAPL", "traded": "100"},
    "saved": "0.05",
    "set": {"quantity": "10"},
    "slippage": "spread",
    "streams": "events.0",
    "taken": "100",
    "touch_only": "SIM2",
    "slippage_model": "spread",
    "snapshot_id": "1796000400000-0",
    "sql": "SELECT symbol, sum(last_qty) AS traded FROM fills GROUP BY symbol",
    "state": "live",
    "status": "open",
    "target_status": "REACHED",
    "topics": "orders,fills",
    "url": "http://127.0.0.1:9101",
}


def meaning_of(name: str) -> str | None:
    """Return what a name means; None of one that its own field explains."""
    return glossary.meaning_of(name) or MEANINGS.get(name)


def example_of(name: str, unit: str | None, schema: Mapping[str, Any]) -> Any:
    """Return an example that a schema takes: by the name, by its unit, else by its type; None where none gives one."""
    kind = schema.get("type")
    if kind == "boolean":
        return True
    if kind == "array" and isinstance(EXAMPLES.get(name), list):
        return EXAMPLES[name]
    if kind == "array":
        items = schema.get("items", {})
        each = items.get("enum", [example_of(name, unit, items)])[0] if isinstance(items, dict) else None
        return None if each is None else [each]
    found = EXAMPLES.get(name)
    found = glossary.example_of(name, unit) if found is None else found
    if kind in ("integer", "number"):
        return _whole(found, schema)
    if kind == "string" and found is None and "pattern" in schema and "[0-9]" in schema["pattern"]:
        return "1"
    return str(found) if kind == "string" and found is not None else found


def _whole(found: Any, schema: Mapping[str, Any]) -> int:
    least = schema.get("minimum", schema.get("exclusiveMinimum", 0) + 1)
    value = int(found) if isinstance(found, int) else max(1, int(least))
    return max(value, int(least))
