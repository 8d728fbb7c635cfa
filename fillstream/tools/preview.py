"""What would become of an order: judged by the desk's own rules and fees, on terms and a quote as they were last told.

Flows in: terms, a quote and what was traded, as analytics has them; an order's fields as a signal says them. Flows out:
a `Preview`. Never sends anything, never guesses: limits on what an account holds, has at work or did before are named,
and not looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

import orjson

from fillstream.libs.common.engine import frames
from fillstream.libs.common.messages.bad_entry import BadEntry
from fillstream.libs.common.messages.reference import BPS, MAX_DAILY_ORDERS, AccountTerms, InstrumentTerms, VenueTerms
from fillstream.libs.common.messages.terms import written
from fillstream.libs.common.messages.topology import Topology
from fillstream.libs.common.runtime.stage import Entry, Outputs
from fillstream.libs.common.values.money import Scale, fixed, half_even, parse
from fillstream.services.order_service.orders.config import DeskConfig
from fillstream.services.order_service.orders.stage import OrdersStage
from fillstream.services.order_service.signals.encode import instruction_of

NOW_MS = 1_700_000_000_000
"""The log time of a preview: none of what is looked at depends on it."""
MONEY_DECIMALS = 8
OF_HISTORY = (
    "max_open_orders", "max_position", "may_short", "reduce_only_symbols", "refuse_self_cross", "duplicate_window_ms",
    "max_orders_per_window", "max_symbol_exposure", "max_sector_exposure", "max_gross_exposure", "max_net_exposure",
    "max_strategy_gross_exposure", "max_strategy_net_exposure", "max_daily_loss", "account_type", "breaker_rejects",
    "breaker_orders", "breaker_loss", "breaker_slippage_bps", "strategy_breaker_rejects", "strategy_breaker_orders",
    "strategy_breaker_slippage_bps", "rate_limit_orders", "max_drawdown", "max_leverage", "max_concentration",
    "max_value_at_risk",
)  # fmt: skip
"""Limits on what an account holds, has at work or did before."""
MODELS = ("fixed", "spread", "volume")


@dataclass(frozen=True, slots=True)
class Market:
    """A venue's market of an instrument as it was last told; None where there is none. Numbers as text."""

    bid_px: str | None = None
    bid_qty: str | None = None
    ask_px: str | None = None
    ask_qty: str | None = None
    last_px: str | None = None


@dataclass(frozen=True, slots=True)
class Terms:
    """What the desk knows of whoever trades what and where.

    Attributes:
        account: the account's name; `alias`: by which it was named, if it was.
        traded: by UTC days before today (1: yesterday), the value that it traded at the venue.
        state: what account and desk may do.
    """

    symbol: str
    instrument: InstrumentTerms
    account: str
    limits: AccountTerms
    venue: str
    venues: Mapping[str, VenueTerms]
    market: Market
    traded: Mapping[int, Decimal]
    state: str = "ACTIVE"


@dataclass(frozen=True, slots=True)
class Preview:
    """What would become of an order.

    Attributes:
        refused: the reason, None of one that would be taken.
        text: the sentence that refuses it, or what it would wait for.
        notional: its value at its price, or at the touch, in the instrument's currency; None without either.
        fee_estimate: of all of it as taker; None likewise, and where the order would be refused.
        expected_slippage_bps, expected_slippage: beyond the mid, by the model; None where its figures are not there.
        not_looked_at: limits that are set and depend on what the account holds, has at work or did before.
    """

    account: str
    venue: str
    currency: str
    refused: str | None
    text: str | None
    notional: str | None
    fee_estimate: str | None
    slippage_model: str
    expected_slippage_bps: str | None
    expected_slippage: str | None
    not_looked_at: list[str]

    def as_dict(self) -> dict[str, Any]:
        """Return its fields by name."""
        return asdict(self)


def preview(terms: Terms, fields: Mapping[str, Any], model: str, volume: Decimal | None = None) -> Preview:
    """Return what would become of an order.

    Args:
        terms: of the account, the instrument and the venue.
        fields: of the signal.
        model: `fixed:BPS`, `spread`, or `volume:BPS`, which is so much for each share of `volume`.
        volume: that was traded lately, for `volume`.

    Raises:
        ValueError: the model is none, or the order is none that a signal could ask for.
    """
    rare = AccountTerms.rare()
    skipped = [name for name in OF_HISTORY if getattr(terms.limits, name) != rare[name]]
    event = _judged(terms, {name: rare[name] for name in skipped}, fields)
    taken = event["type"] == "OrderReceived"
    notional = _notional(terms, event, fields)
    bps = _slippage_bps(terms.market, model, _number(event.get("quantity")), volume)
    cost = None if bps is None or notional is None else notional * bps / 10_000
    waits = f"it waits for a person's yes (approval_above, requires_approval of {terms.account})"
    return Preview(
        account=terms.account,
        venue=terms.venue,
        currency=terms.instrument.currency,
        refused=None if taken else event["reason"],
        text=event.get("text") or (waits if event.get("waits") else None),
        notional=_money(notional),
        fee_estimate=_fee(terms, event, notional) if taken else None,
        slippage_model=model,
        expected_slippage_bps=None if bps is None else _money(bps),
        expected_slippage=_money(cost),
        not_looked_at=[*skipped, "max_daily_orders"],
    )


def _judged(terms: Terms, off: Mapping[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the event that an orders stage makes of the order, which knows no more than these terms."""
    limits = terms.limits.model_copy(update={**off, "max_daily_orders": MAX_DAILY_ORDERS})
    config = DeskConfig(
        instruments={terms.symbol: terms.instrument.model_copy(update={"venue": terms.venue})},
        accounts={terms.account: limits},
        venue=terms.venue,
        venues=dict(terms.venues),
    )
    topology = Topology(venues=tuple(terms.venues))
    stage, out = OrdersStage(topology, 0, config), Outputs("orders", "orders.0")
    entries: list[dict[bytes, bytes]] = [{b"config": config.to_json()}, _quote(terms)]
    if terms.state != "ACTIVE":
        kind = "Halt" if terms.state == "HALTED" else "Reduce"
        head = {"type": kind, "v": 1, "control_id": "preview", "who": "preview", "reason": "preview"}
        entries.append({b"control": orjson.dumps(head)})
    for day, value in terms.traded.items():
        at = stage._state.traded.days.setdefault(terms.account, {})
        days = at.setdefault(f"{terms.venue} {terms.instrument.currency}", {})
        days[NOW_MS // 86_400_000 - day] = int(Fraction(value) * 10**18)
    try:
        wish = instruction_of({**fields, "account": terms.account, "symbol": terms.symbol}, "1-1")
        wish["signal_time"] = NOW_MS
        entries.append({b"data": orjson.dumps(wish)})
        for number, entry in enumerate(entries, start=1):
            each = Entry(f"{NOW_MS}-{number}", NOW_MS, entry)
            out.begin(each)
            stage.fold(each, out)
            out.seal()
    except BadEntry as bad:
        raise ValueError(bad.text) from None
    events = [orjson.loads(payload) for payload in out.by_stream["events.0"][1]]
    event: dict[str, Any] = next(e for e in events if e["type"] in ("OrderReceived", "OrderRejected"))
    event["waits"] = any(each["type"] == "OrderSuspended" and "approval_time" in each for each in events)
    return event


def _quote(terms: Terms) -> dict[bytes, bytes]:
    """Return the report of the venue's quote."""
    price, lot, market = Scale(terms.instrument.tick_size), Scale(terms.instrument.lot_size), terms.market
    bid, ask = (0 if px is None else price.units(px) or 0 for px in (market.bid_px, market.ask_px))
    bids, asks = (lot.units(qty or "0") or 0 for qty in (market.bid_qty, market.ask_qty))
    record = frames.REPORT.pack(
        0, bid, bids, ask, asks, 0, 0, terms.instrument.id, frames.ReportType.QUOTED, 0, 0, 0, frames.PARTITION_ALL, 0
    )
    return {f"frame.{terms.venue}".encode(): record}


def _number(text: Any) -> Fraction | None:
    return None if text is None else Fraction(str(text))


def _notional(terms: Terms, event: Mapping[str, Any], fields: Mapping[str, Any]) -> Fraction | None:
    quantity = _number(event.get("quantity"))
    touch = terms.market.ask_px if str(fields.get("side")).upper() == "BUY" else terms.market.bid_px
    price = _number(event.get("price") or touch)
    if quantity is None or price is None:
        return None
    multiplier = Fraction(terms.instrument.multiplier)
    if terms.instrument.inverse:
        return abs(quantity) * multiplier / price if price > 0 else None
    return abs(quantity * price) * multiplier


def _fee(terms: Terms, event: Mapping[str, Any], notional: Fraction | None) -> str | None:
    """Return the fee as the desk told it, or by plain basis points as taker."""
    if event.get("fee_estimate") is not None:
        return str(event["fee_estimate"])
    at_venue = terms.venues[terms.venue].taker_fee_bps
    bps = terms.instrument.taker_fee_bps if at_venue is None else at_venue
    return None if notional is None else _money(notional * Fraction(bps) / 10_000)


def _slippage_bps(market: Market, model: str, quantity: Fraction | None, volume: Decimal | None) -> Fraction | None:
    name, _, text = model.partition(":")
    if name not in MODELS or (name == "spread") == bool(text):
        raise ValueError(f"slippage: {model} must be fixed:BPS, spread or volume:BPS")
    if name == "spread":
        bid, ask = _number(market.bid_px), _number(market.ask_px)
        return None if bid is None or ask is None or bid + ask <= 0 else (ask - bid) / (ask + bid) * 10_000
    try:
        bps = Fraction(parse(text))
    except ValueError as error:
        raise ValueError(f"slippage: {error}") from None
    if not 0 <= bps <= BPS:
        raise ValueError(f"slippage: {text} must be basis points from 0 to {BPS}")
    if name == "fixed":
        return bps
    return None if not volume or quantity is None else bps * quantity / Fraction(volume)


def _money(value: Fraction | None) -> str | None:
    if value is None:
        return None
    units = half_even(*(value * 10**MONEY_DECIMALS).as_integer_ratio())
    text = fixed(units, MONEY_DECIMALS)
    return str(written(Decimal(text)))
