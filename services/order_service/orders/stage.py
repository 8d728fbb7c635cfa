"""The orders stage: validates instructions, holds every order's state, routes to the venue, writes the journal.

Flows in: `orders.{a}`: instructions of the signals stage, frames of reports, ticks, configuration. Flows out: events in
`events.{a}`, command records in `commands.{s}`, and to `dead` what nobody can use. Never knows more of a venue than
the records of `native/include/fillstream.h`; never looks at a clock: now is the entry's millisecond.

Every instruction has one visible answer: an event (OrderReceived, OrderRejected, OrderCancelRequested, …) or a dead
letter. This module only connects: the rules are in `validation`, the transitions in `lifecycle`, the events in
`journal`, the reports in `reports`.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from sys import intern

from fillstream.libs.common.engine import frames
from fillstream.libs.common.messages.bad_entry import BadEntry
from fillstream.libs.common.messages.codes import CancelRejectReason, OrderType, TimeInForce
from fillstream.libs.common.messages.journal import account_defined, instrument_defined
from fillstream.libs.common.messages.topology import Topology
from fillstream.libs.common.runtime.stage import Entry, Family, Outputs
from fillstream.libs.common.values.money import Scale, parse, plain
from fillstream.services.order_service.orders import decode, journal
from fillstream.services.order_service.orders.compiled import Quote, Terms
from fillstream.services.order_service.orders.config import DAY_MS, DeskConfig
from fillstream.services.order_service.orders.decode import Instruction
from fillstream.services.order_service.orders.journal import Remembered
from fillstream.services.order_service.orders.order import FINAL, REJECTED, Amendment, Order
from fillstream.services.order_service.orders.reports import Reports
from fillstream.services.order_service.orders.rules import (
    Reject,
    check_collar,
    check_daily_orders,
    check_fresh,
    check_price,
    check_quantity,
    check_value,
    is_marketable,
    no_quote,
    price_required,
    protection_price,
    unknown_account,
    unknown_symbol,
    value_price,
)
from fillstream.services.order_service.orders.state import State

TICK_MS = 250

FAMILIES: tuple[Family, ...] = (
    Family("orders", "All orders received so far, by their status now: one that is filled can reopen.", "ord_status"),
    Family("rejects", "Orders rejected, by reason.", "reason", True),
    Family("cancel_rejects", "Cancels and amendments rejected, by reason.", "reason", True),
    Family("fills", "Fills, by liquidity.", "liquidity", True),
    Family("quote_timestamp_seconds", "When the newest quote came, an unchanged one too (log time).", "symbol"),
)

_LIMIT, _MARKET = OrderType.LIMIT.value, OrderType.MARKET.value
_IOC, _FOK, _DAY = TimeInForce.IOC.value, TimeInForce.FOK.value, TimeInForce.DAY.value
_SIDE_CODE = {"BUY": int(frames.Side.BUY), "SELL": int(frames.Side.SELL)}
_TIF_CODE = {tif.value: int(frames.Tif[tif.name]) for tif in TimeInForce}
_FS_LIMIT = int(frames.OrdType.LIMIT)
_TOO_LATE = CancelRejectReason.TOO_LATE.value
_UNKNOWN_ORDER = CancelRejectReason.UNKNOWN_ORDER.value
_ALREADY_PENDING = CancelRejectReason.ALREADY_PENDING.value


class OrdersStage:
    """The fold of `orders.{partition}`.

    Args:
        topology: the streams' names and where a symbol's book is.
        partition: of the accounts.
        config: this process's configuration; `configuration()` offers it to the inbox, decisions use what came back.
    """

    name = "orders"
    tick_ms: int | None = TICK_MS
    families = FAMILIES

    def __init__(self, topology: Topology, partition: int, config: DeskConfig) -> None:
        self.partition = partition
        self.inbox = topology.orders(partition)
        self.latencies_ms: list[int] = []
        self._topology = topology
        self._events = topology.events(partition)
        self._config_json = config.to_json()
        self._take(State(topology, partition))

    def _take(self, state: State) -> None:
        self._state = state
        self._reports = Reports(state, self._events, self.partition, self.latencies_ms)

    # ------------------------------------------------------------------- fold

    def fold(self, entry: Entry, out: Outputs) -> None:
        """Apply one entry of the inbox.

        Raises:
            BadEntry: bad_entry for none of the known fields; else see `decode.decode`, `State.configure` and
                `Reports.fold`; wrong_partition for a new order of another partition's account.
        """
        fields = entry.fields
        if len(fields) == 1:
            [(kind, value)] = fields.items()
            if not self._state.configured and kind in (b"data", b"frame"):
                self._state.waiting.append((entry.id, kind, value))
                return None
            if kind == b"data":
                return self._instruction(value, entry.ms, out)
            if kind == b"frame":
                return self._reports.fold(value, entry.ms, out)
            if kind == b"tick":
                return self._tick(entry.ms, out)
            if kind == b"config":
                self._configure(value, entry.ms, out)
                return self._catch_up(entry, out)
        names = ", ".join(sorted(repr(name) for name in fields))
        raise BadEntry("bad_entry", f"fields: must be one of data, frame, tick and config alone, got {names[:200]}")

    def _instruction(self, data: bytes, ms: int, out: Outputs) -> None:
        wish = decode.decode(data)
        match wish["type"]:
            case "NewOrder":
                self._new_order(wish, ms, out)
            case "CancelOrder":
                self._cancel(wish, ms, out)
            case "ReplaceOrder":
                self._replace(wish, ms, out)
            case _:
                self._report_status(wish, ms, out)

    def _seq(self) -> int:
        """Count one more event."""
        self._state.seq += 1
        return self._state.seq

    # ------------------------------------------------------------- new orders

    def _new_order(self, wish: Instruction, ms: int, out: Outputs) -> None:
        state = self._state
        ids = state.clients.get(wish["account"])
        if ids is not None and (order_id := ids.get(wish["client_order_id"])) is not None:
            return self._repeat(wish, order_id, ms, out)
        order = self._validated(wish, ms)
        if isinstance(order, Reject):
            return self._refuse(wish, order, ms, out)
        state.add(order)
        out.event(self._events, journal.received(self._seq(), ms, order, state.config.venue))
        terms = order.terms
        record = frames.new_order(
            order.order_id,
            order.account_id,
            terms.id,
            self.partition,
            side=_SIDE_CODE[order.side],
            ord_type=_FS_LIMIT,
            tif=_TIF_CODE[order.time_in_force],
            price=order.price,
            qty=order.quantity,
            expiry_ms=(ms // DAY_MS + 1) * DAY_MS if order.time_in_force == _DAY else 0,
        )
        out.record(terms.commands, record)
        return None

    def _validated(self, wish: Instruction, ms: int) -> Order | Reject:
        """Return the order to route, or the first rule it breaks. `wish` gets its type and time in force filled in.

        A market order is routed as a limit order at the price its account's max_slippage_bps allows, which never
        rests: market with protection, as exchanges call it.
        """
        state = self._state
        price_text: str | None = wish["price"]
        _fill_in(wish, state.config)
        limits = state.limits(wish["account"], wish["symbol"])
        if limits is None:
            return self._unknown(wish)
        terms, quote = limits.terms, limits.quote
        lots = _lots(terms, wish["quantity"])
        ticks = None if price_text is None else _units("price", terms.price, price_text)
        if reject := check_quantity(terms, lots, wish["quantity"]):
            return reject
        assert lots is not None, "check_quantity refuses what is off lot"
        buy = wish["side"] == "BUY"
        if wish["order_type"] == _MARKET:
            ticks = protection_price(limits, quote, buy)
            if ticks is None:
                return no_quote(terms, buy)
        elif price_text is None:
            return price_required()
        else:
            if reject := check_price(terms, ticks, price_text):
                return reject
            assert ticks is not None, "check_price refuses what is off tick"
            if reject := check_collar(terms, limits, quote, buy, ticks):
                return reject
        if is_marketable(quote, buy, ticks) and (reject := self._stale(terms, quote, ms)):
            return reject
        if reject := check_value(terms, limits, value_price(quote, buy, ticks), lots):
            return reject
        if reject := check_daily_orders(limits, state.accepted_on(wish["account"], ms)):
            return reject
        # Text that many orders share is kept once: some 250 bytes less for each of them.
        client_order_id: str = wish["client_order_id"]
        strategy: str | None = wish["strategy"]
        return Order(
            state.next_order_id,
            client_order_id if wish["signal_id"] == client_order_id else wish["signal_id"],
            client_order_id,
            intern(wish["account"]),
            limits.account_id,
            terms,
            None if strategy is None else intern(strategy),
            wish["confidence"],
            "BUY" if buy else "SELL",
            intern(wish["order_type"]),
            intern(wish["time_in_force"]),
            lots,
            ticks,
            wish["signal_time"],
            ms,
        )

    def _unknown(self, wish: Instruction) -> Reject:
        account: str = wish["account"]
        if self._state.knows(account):
            return unknown_symbol(wish["symbol"])
        owner = self._topology.account_partition(account)
        if owner != self.partition:
            raise BadEntry("wrong_partition", f"account: {account} is of partition {owner}, this is {self.partition}")
        return unknown_account(account)

    def _refuse(self, wish: Instruction, reject: Reject, ms: int, out: Outputs) -> None:
        state = self._state
        quantity = _number("quantity", wish["quantity"])
        if quantity <= 0:
            raise BadEntry("bad_value", f"quantity: {wish['quantity']} must be above 0")
        if wish["price"] is not None:
            wish["price"] = plain(_number("price", wish["price"]))
        refused = Remembered(
            state.next_order_id,
            wish["client_order_id"],
            wish["account"],
            wish["symbol"],
            wish["side"],
            REJECTED,
            plain(quantity),
            "0",
            None,
            ms,
        )
        state.remember(refused)
        reason = reject.reason.value
        state.rejects[reason] = state.rejects.get(reason, 0) + 1
        out.event(self._events, journal.refused(self._seq(), ms, refused, wish, reason, reject.text))

    def _repeat(self, wish: Instruction, order_id: int, ms: int, out: Outputs) -> None:
        """Answer a client_order_id that was used before; what it asks for now is not looked at."""
        first = self._state.find(order_id)
        assert first is not None, "client ids lead to records"
        symbol, quantity = _symbol_and_quantity(first)
        text = (
            f"client_order_id: {wish['client_order_id']} was used before, for {first.side} {quantity} {symbol}; "
            f"this signal ({wish['side']} {_number('quantity', wish['quantity'])} {wish['symbol']}) changed nothing"
        )
        out.event(self._events, journal.status_reported(self._seq(), ms, first, wish["signal_id"], text))

    # -------------------------------------------- cancels, amendments, status

    def _named(self, wish: Instruction, client_key: str) -> Order | Remembered | None:
        """Return the account's order that an instruction names; another account's is as unknown."""
        state = self._state
        if wish["order_id"] is None:
            return state.find_client(wish["account"], wish[client_key])
        order = state.find(int(wish["order_id"]))
        return order if order is not None and order.account == wish["account"] else None

    def _cancel(self, wish: Instruction, ms: int, out: Outputs) -> None:
        order = self._named(wish, "orig_client_order_id")
        if order is None:
            return self._refuse_request(wish, None, _UNKNOWN_ORDER, _unknown(wish), ms, out)
        if isinstance(order, Remembered) or order.status in FINAL:
            return self._refuse_request(wish, order, _TOO_LATE, _too_late(order), ms, out)
        if order.cancel_signal is not None:
            text = f"order_id: a cancel of order {order.order_id} is pending already"
            return self._refuse_request(wish, order, _ALREADY_PENDING, text, ms, out)
        before = order.status
        order.request_cancel(wish["signal_id"])
        self._state.changed(order, before, ms)
        out.event(self._events, journal.cancel_requested(self._seq(), ms, order, wish["signal_id"]))
        terms = order.terms
        out.record(terms.commands, frames.cancel(order.order_id, order.account_id, terms.id, self.partition))
        return None

    def _replace(self, wish: Instruction, ms: int, out: Outputs) -> None:
        order = self._named(wish, "orig_client_order_id")
        if order is None:
            return self._refuse_request(wish, None, _UNKNOWN_ORDER, _unknown(wish), ms, out)
        if isinstance(order, Remembered) or order.status in FINAL:
            return self._refuse_request(wish, order, _TOO_LATE, _too_late(order), ms, out)
        amendment = self._amendment(wish, order, ms)
        if not isinstance(amendment, Amendment):
            return self._refuse_request(wish, order, *amendment, ms, out)
        before = order.status
        order.request_replace(amendment)
        self._state.changed(order, before, ms)
        out.event(self._events, journal.replace_requested(self._seq(), ms, order))
        terms = order.terms
        record = frames.replace(
            order.order_id,
            order.account_id,
            terms.id,
            self.partition,
            price=amendment.price,
            qty=amendment.quantity,
        )
        out.record(terms.commands, record)
        return None

    def _amendment(self, wish: Instruction, order: Order, ms: int) -> Amendment | tuple[str, str]:
        """Return the amendment to route, or why not: a code and a sentence.

        It meets a new order's rules. Less quantity at the same price only takes risk away, so the quote, which may have
        moved since, does not hold it back: neither through the collar nor through the value of a sale.
        """
        terms = order.terms
        lots = order.quantity if wish["quantity"] is None else _lots(terms, wish["quantity"])
        ticks = order.price if wish["price"] is None else _units("price", terms.price, wish["price"])
        if order.cancel_signal is not None or order.amendment is not None:
            what = "a cancel" if order.cancel_signal is not None else "an amendment"
            return _ALREADY_PENDING, f"order_id: {what} of order {order.order_id} is pending already"
        if order.order_type == _MARKET:
            return CancelRejectReason.MARKET_ORDER.value, f"order_id: order {order.order_id} is a market order"
        reject = check_quantity(terms, lots, wish["quantity"]) or check_price(terms, ticks, wish["price"])
        if reject:
            return reject.reason.value, reject.text
        assert lots is not None and ticks is not None, "both are on their grids"
        if lots < order.cum:
            filled = terms.lot.text(order.cum)
            return (
                CancelRejectReason.BELOW_FILLED.value,
                f"quantity: {wish['quantity']} is below the {filled} of order {order.order_id} filled already",
            )
        limits = self._state.limits(order.account, terms.symbol)
        if limits is None:
            reject = self._unknown({"account": order.account, "symbol": terms.symbol})
            return reject.reason.value, reject.text
        valued_at = ticks
        if ticks != order.price or lots > order.quantity:
            buy = order.side == "BUY"
            reject = check_collar(terms, limits, limits.quote, buy, ticks)
            if not reject and is_marketable(limits.quote, buy, ticks):
                reject = self._stale(terms, limits.quote, ms)
            valued_at = value_price(limits.quote, buy, ticks)
        reject = reject or check_value(terms, limits, valued_at, lots)
        return (reject.reason.value, reject.text) if reject else Amendment(wish["signal_id"], lots, ticks)

    def _stale(self, terms: Terms, quote: Quote, ms: int) -> Reject | None:
        return check_fresh(terms, quote, ms - quote.at_ms, self._state.config.max_quote_age_ms)

    def _report_status(self, wish: Instruction, ms: int, out: Outputs) -> None:
        order = self._named(wish, "client_order_id")
        if order is None:
            return self._refuse_request(wish, None, _UNKNOWN_ORDER, _unknown(wish), ms, out)
        text = f"signal_id: {wish['signal_id']} came before; this is the state of the order it named"
        out.event(self._events, journal.status_reported(self._seq(), ms, order, wish["signal_id"], text))
        return None

    def _refuse_request(
        self, wish: Instruction, order: Order | Remembered | None, reason: str, text: str, ms: int, out: Outputs
    ) -> None:
        kind = "OrderReplaceRejected" if wish["type"] == "ReplaceOrder" else "OrderCancelRejected"
        counts = self._state.cancel_rejects
        counts[reason] = counts.get(reason, 0) + 1
        event = journal.request_refused(kind, self._seq(), ms, wish["signal_id"], wish["account"], order, reason, text)
        out.event(self._events, event)

    # --------------------------------------------------- time, configuration

    def _tick(self, ms: int, out: Outputs) -> None:
        state = self._state
        state.sweep(ms)
        for symbol in state.moved:
            terms = state.terms[symbol]
            out.event(self._events, journal.quote_updated(self._seq(), ms, terms, state.quotes[terms.id]))
        state.moved.clear()

    def _configure(self, data: bytes, ms: int, out: Outputs) -> None:
        try:
            config = DeskConfig.from_json(data)
        except ValueError as error:
            raise BadEntry("bad_config", f"config: {error}") from None
        symbols, accounts = self._state.configure(config)
        for symbol in symbols:
            out.event(self._events, instrument_defined(self._seq(), ms, symbol, config.instruments[symbol]))
        for name in accounts:
            out.event(self._events, account_defined(self._seq(), ms, name, config.accounts[name]))

    def _catch_up(self, configured: Entry, out: Outputs) -> None:
        """Decide on what came before the desk's first configuration, as if it had come with it, in its order."""
        waiting, self._state.waiting = self._state.waiting, []
        for entry_id, kind, value in waiting:
            waited = Entry(entry_id, configured.ms, {kind: value})
            out.begin(waited)
            try:
                self.fold(waited, out)
            except BadEntry as bad:
                out.bad(bad.reason, bad.text)
        out.begin(configured)

    # -------------------------------------------------------- for the runtime

    def snapshot(self) -> bytes:
        """Return the whole state as canonical JSON."""
        return self._state.dump()

    def restore(self, data: bytes) -> None:
        """Replace the state by a snapshot's."""
        self._take(State.load(data, self._topology, self.partition))

    def configuration(self) -> dict[bytes, bytes] | None:
        """Return the entry that brings this process's configuration, unless the state has it."""
        state = self._state
        if state.configured and state.config.to_json() == self._config_json:
            return None
        return {b"config": self._config_json}

    def gauges(self) -> Mapping[str, Mapping[str, int]]:
        """Return orders by status, refusals by reason, fills by liquidity, and the time of each symbol's last quote."""
        state = self._state
        return {
            "orders": state.statuses,
            "rejects": state.rejects,
            "cancel_rejects": state.cancel_rejects,
            "fills": state.fills,
            "quote_timestamp_seconds": {
                state.symbols[number]: quote.at_ms // 1000 for number, quote in state.quotes.items() if quote.at_ms
            },
        }


def _fill_in(wish: Instruction, config: DeskConfig) -> None:
    """Give a new order the type and the time in force it left open; a market order is IOC unless FOK."""
    if wish["order_type"] is None:
        wish["order_type"] = _LIMIT if wish["price"] is not None else config.default_order_type.value
    tif = wish["time_in_force"] or config.default_time_in_force.value
    wish["time_in_force"] = _IOC if wish["order_type"] == _MARKET and tif != _FOK else tif


def _units(name: str, scale: Scale, text: str) -> int | None:
    try:
        return scale.units(text)
    except ValueError as error:
        raise BadEntry("bad_value", f"{name}: {error}") from None


def _lots(terms: Terms, text: str) -> int | None:
    lots = _units("quantity", terms.lot, text)
    if lots is not None and lots <= 0:
        raise BadEntry("bad_value", f"quantity: {text} must be above 0")
    return lots


def _number(name: str, text: str) -> Decimal:
    try:
        return parse(text)
    except ValueError as error:
        raise BadEntry("bad_value", f"{name}: {error}") from None


def _symbol_and_quantity(order: Order | Remembered) -> tuple[str, str]:
    if isinstance(order, Remembered):
        return order.symbol, order.quantity
    return order.terms.symbol, order.terms.lot.text(order.quantity)


def _too_late(order: Order | Remembered) -> str:
    return f"order_id: order {order.order_id} is {order.status} already"


def _unknown(wish: Instruction) -> str:
    if wish["order_id"] is not None:
        return f"order_id: account {wish['account']} has no order {wish['order_id']}, or it was forgotten"
    name = "client_order_id" if wish["type"] == "ReportStatus" else "orig_client_order_id"
    return f"{name}: account {wish['account']} has no order {wish[name]}, or it was forgotten"
