"""Orders, fills and lists of orders as they stand, by the journal's events.

Flows in: decoded events. Flows out: rows, by the names that the journal has for everything. Never decides anything:
what an event says is so.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from fillstream.libs.common.messages.codes import OrdStatus
from fillstream.services.gateway.state.rows import HEAD, Moved, Row, row_of

FINAL: Final = frozenset(
    each.value
    for each in (OrdStatus.FILLED, OrdStatus.CANCELED, OrdStatus.REJECTED, OrdStatus.EXPIRED, OrdStatus.CALCULATED)
)
MOVES: Final = frozenset(
    ("ord_status", "quantity", "cum_qty", "leaves_qty", "avg_px", "price", "stop_price", "venue_order_id", "list_id",
     "effective_time", "approval_time", "emulated", "reason")
)  # fmt: skip
"""What of an order may be otherwise after an event."""
WORDS: Final = frozenset(("OrderRejected", "OrderCanceled", "OrderSuspended", "OrderUnanswered", "OrderCalculated"))
"""Events whose `text` says why an order stands as it does."""
ENDED: Final = {
    "OrderCanceled": "canceled_time",
    "OrderExpired": "expired_time",
    "OrderRejected": "rejected_time",
    "OrderReplaced": "replaced_time",
    "OrderAccepted": "accepted_time",
}
"""When an order came to be what an event says, by the event."""
PROGRESS: Final = ("planned_qty", "working_qty", "children", "paused", "arrival_px", "interval_vwap_px", "text")
GONE: Final = ("OrderStatusReported", "OrderCancelRejected", "OrderReplaceRejected")
"""Answers that leave an order as it is."""


class Order:
    """An order as it stands.

    Attributes:
        row: its terms and its latest state.
        events: ids of the journal's entries that are about it, oldest first.
    """

    __slots__ = ("events", "row")

    def __init__(self, row: Row, events: list[str]) -> None:
        self.row = row
        self.events = events

    @property
    def is_final(self) -> bool:
        """Whether nothing more can happen to it, but for what a venue takes back."""
        return self.row["ord_status"] in FINAL


class Orders:
    """Every order that works, and the newest of those that are done.

    Args:
        keep: how many of those that are done are kept, and among them those whose children work: an exit goes by
            its entry. Older ones are analytics' to tell.

    Attributes:
        forgets: are told the row of each order that is kept no more.
    """

    __slots__ = (
        "_clients",
        "_done",
        "_keep",
        "_parents",
        "by_id",
        "fills",
        "forgets",
        "forgotten",
        "lists",
        "of_signal",
        "working",
    )

    def __init__(self, keep: int = 100_000) -> None:
        self._keep = keep
        self.by_id: dict[str, Order] = {}
        self.working: dict[str, Order] = {}
        self.fills: OrderedDict[str, Row] = OrderedDict()
        self.lists: OrderedDict[str, Row] = OrderedDict()
        self.of_signal: dict[tuple[str, str], str] = {}
        self._clients: dict[tuple[str, str], str] = {}
        self._done: OrderedDict[str, None] = OrderedDict()
        self._parents: Counter[str] = Counter()  # how many children of each work
        self.forgotten = 0
        self.forgets: list[Callable[[Row], None]] = []

    def of_client(self, account: str, client_order_id: str) -> Order | None:
        """Return an account's order by the client's name for it, the newest of that name."""
        order_id = self._clients.get((account, client_order_id))
        return None if order_id is None else self.by_id.get(order_id)

    def newest_first(self) -> Iterator[Order]:
        """Yield every order that is known, the one that came last first."""
        return reversed(self.by_id.values())

    def working_first(self) -> Iterator[Order]:
        """Yield the orders that work, the one that came last first."""
        return reversed(sorted(self.working.values(), key=lambda order: int(order.row["order_id"])))

    # ------------------------------------------------------------------------------------------------------- fold

    def fold(self, event: Mapping[str, Any], entry_id: str) -> Row | None:
        """Take over what an event says of an order; return the order's row, None of an event that moves none."""
        kind, order_id = event["type"], event["order_id"]
        if kind in ("OrderReceived", "OrderRejected") and order_id not in self.by_id:
            return self._came(event, entry_id)
        order = self.by_id.get(order_id)
        if order is None:
            return None  # it was done before what is known here began
        order.events.append(entry_id)
        row = order.row
        if kind in GONE:
            return row
        if event["ord_status"] is not None:  # else the desk has forgotten it, and says nothing of how it stands
            for name in event.keys() & MOVES:
                row[name] = event[name]
        row["updated_time"] = event["time"]
        self._say(row, kind, event)
        self._sort(order_id, order)
        return row

    def _sort(self, order_id: str, order: Order) -> None:
        """Keep an order among those that work, or among those that are done."""
        parent = order.row.get("parent_id")
        if order.is_final:
            self._done[order_id] = None
            if self.working.pop(order_id, None) is not None and parent is not None:
                self._parents[parent] -= 1
                if not self._parents[parent]:
                    del self._parents[parent]
            self._forget()
        else:
            self._done.pop(order_id, None)
            if order_id not in self.working and parent is not None:
                self._parents[parent] += 1
            self.working[order_id] = order

    def _say(self, row: Row, kind: str, event: Mapping[str, Any]) -> None:
        if kind in WORDS:
            row["text"] = event.get("text")
        if kind in ENDED:
            row[ENDED[kind]] = event["time"]
        elif kind == "OrderFilled":
            row["filled_time"] = event["time"]
            self._filled(event)
        elif kind == "OrderProgressed":
            row["progress"] = {name: event[name] for name in PROGRESS if event.get(name) is not None}
        elif kind in ("TradeBusted", "TradeCorrected"):
            self._restated(kind, event)
        elif kind == "OrderReplaceRequested":
            row["pending_replace"] = {
                name: event[f"new_{name}"]
                for name in ("quantity", "price", "stop_price")
                if event.get(f"new_{name}") is not None
            }
        if kind in ("OrderReplaced", "OrderReplaceRejected") or row["ord_status"] != OrdStatus.PENDING_REPLACE:
            row.pop("pending_replace", None)

    def _came(self, event: Mapping[str, Any], entry_id: str) -> Row:
        row = {name: value for name, value in event.items() if name not in HEAD and value is not None}
        row["avg_px"] = event.get("avg_px")
        row["received_time"] = row["updated_time"] = event["time"]
        order_id, account = row["order_id"], row["account"]
        if event["type"] == "OrderRejected":
            row["rejected_time"] = event["time"]
        self.by_id[order_id] = Order(row, [entry_id])
        self._clients[account, row["client_order_id"]] = order_id
        signal_id = row.get("signal_id")
        if signal_id is not None:
            self.of_signal[account, signal_id] = order_id
        self._sort(order_id, self.by_id[order_id])
        return row

    def _forget(self) -> None:
        spared = 0
        while len(self._done) - spared > self._keep:
            order_id, _ = self._done.popitem(last=False)
            if order_id in self._parents:
                self._done[order_id] = None
                spared += 1
                continue
            order = self.by_id.pop(order_id)
            self.forgotten += 1
            for names, key in ((self._clients, "client_order_id"), (self.of_signal, "signal_id")):
                name = order.row["account"], order.row.get(key)
                if names.get(name) == order_id:  # type: ignore[arg-type]
                    del names[name]  # type: ignore[arg-type]
            for each in self.forgets:
                each(order.row)

    # ------------------------------------------------------------------------------------------------------ fills

    def _filled(self, event: Mapping[str, Any]) -> None:
        row = {name: value for name, value in event.items() if name not in HEAD and value is not None}
        row["time"] = event["time"]
        self.fills[_fill_key(event)] = row
        while len(self.fills) > self._keep:
            self.fills.popitem(last=False)

    def _restated(self, kind: str, event: Mapping[str, Any]) -> None:
        """A venue took a trade back, or corrected it: by the id that it had (FIX 19 ExecRefID)."""
        key = _fill_key({**event, "exec_id": event["ref_exec_id"]})
        was = self.fills.get(key)
        if was is None:
            return
        if kind == "TradeBusted":
            was["busted_time"] = event["time"]
            return
        was["corrected_time"] = event["time"]
        for name in ("last_qty", "last_px", "fee"):  # later changes name it by its first id still
            was[name] = event[name]

    def listed(self, event: Mapping[str, Any]) -> Moved:
        """Take over how a list of orders, or a bracket, stands."""
        row, key = row_of(event), f"{event['account']} {event['list_id']}"
        self.lists[key] = row
        self.lists.move_to_end(key)
        while len(self.lists) > self._keep:
            self.lists.popitem(last=False)
        return "lists", key, row

    # -------------------------------------------------------------------------------------------------- snapshots

    def dump(self) -> dict[str, Any]:
        """Return all of it by names."""
        return {
            "orders": [[order.row, order.events] for order in self.by_id.values()],
            "done": [*self._done],
            "fills": [*self.fills.items()],
            "lists": [*self.lists.items()],
            "forgotten": self.forgotten,
        }

    def load(self, record: Mapping[str, Any]) -> None:
        """Take over what `dump` returned."""
        self.by_id = {row["order_id"]: Order(row, events) for row, events in record["orders"]}
        self._clients = {(o.row["account"], o.row["client_order_id"]): name for name, o in self.by_id.items()}
        self.of_signal = {
            (o.row["account"], o.row["signal_id"]): name for name, o in self.by_id.items() if "signal_id" in o.row
        }
        self._done = OrderedDict.fromkeys(record["done"])
        self.working = {name: order for name, order in self.by_id.items() if name not in self._done}
        self._parents = Counter(o.row["parent_id"] for o in self.working.values() if o.row.get("parent_id") is not None)
        self.fills = OrderedDict((key, row) for key, row in record["fills"])
        self.lists = OrderedDict((key, row) for key, row in record["lists"])
        self.forgotten = record["forgotten"]


def _fill_key(event: Mapping[str, Any]) -> str:
    return f"{event.get('venue')} {event['exec_id']}"
