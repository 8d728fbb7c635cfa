"""What the desk trades, for whom and within which limits: the configuration that decisions depend on.

Flows in: values from configuration files (by way of the service's `__main__`), or JSON from the inbox. Flows out: a
frozen DeskConfig, or the same as canonical JSON. Never reads a file; never holds what no decision depends on.

Equal configurations give equal JSON, however their numbers were written: that is how a stage sees that it has one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any

import orjson

from fillstream.libs.common.engine.frames import MAX_SYMBOL
from fillstream.libs.common.messages.codes import OrderType, TimeInForce
from fillstream.libs.common.messages.wire import shorten
from fillstream.libs.common.values.money import Scale, canonical, parse

MAX_ACCOUNT_ID = 0xFFFF_FFFF
"""The largest account number a record holds; 0 is the house's."""
MAX_DAILY_ORDERS = 1_000_000_000
MAX_BPS = Decimal(10_000)
"""Basis points in the whole."""
DAY_MS = 86_400_000
MAX_MS = 3650 * DAY_MS
"""Ten years: the longest a retention may be (milliseconds)."""
SHOWN_NAME = 64
"""A sentence shows at most this many characters of a name, which is as many as one has."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,63}")


@dataclass(frozen=True, slots=True)
class Instrument:
    """Terms of one symbol.

    Args:
        id: the symbol's number in records, unique, 0 to MAX_SYMBOL.
        tick_size: prices are multiples of it.
        lot_size: quantities are multiples of it.
        multiplier: money per price unit and quantity unit; 1 for shares and spot.
        currency: of prices, values and fees.
        maker_fee_bps, taker_fee_bps: of the traded value; negative is a rebate.

    Raises:
        ValueError: naming the field, its value and the limit.
    """

    id: int
    tick_size: Decimal
    lot_size: Decimal
    multiplier: Decimal = Decimal(1)
    currency: str = "USD"
    maker_fee_bps: Decimal = Decimal(0)
    taker_fee_bps: Decimal = Decimal(0)

    def __post_init__(self) -> None:
        _check_int("id", self.id, 0, MAX_SYMBOL)
        _check_name("currency", self.currency)
        for name in ("tick_size", "lot_size", "multiplier"):
            try:
                Scale(getattr(self, name))
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None
        _check_number("maker_fee_bps", self.maker_fee_bps, -MAX_BPS, MAX_BPS)
        _check_number("taker_fee_bps", self.taker_fee_bps, -MAX_BPS, MAX_BPS)


@dataclass(frozen=True, slots=True)
class Account:
    """Limits of one account.

    Args:
        id: the account's number in records, unique, 1 to MAX_ACCOUNT_ID.
        max_order_value: price times quantity times multiplier of one order, in the instrument's currency, at most.
        max_daily_orders: orders accepted in one UTC day of log time, at most.
        min_order_size: the same value, at least (what exchanges call minimum notional).
        max_slippage_bps: how far through the touch a price may reach.

    Raises:
        ValueError: naming the field, its value and the limit.
    """

    id: int
    max_order_value: Decimal
    max_daily_orders: int
    min_order_size: Decimal = Decimal(0)
    max_slippage_bps: Decimal = Decimal(10)

    def __post_init__(self) -> None:
        _check_int("id", self.id, 1, MAX_ACCOUNT_ID)
        _check_number("max_order_value", self.max_order_value, Decimal(0), None)
        _check_int("max_daily_orders", self.max_daily_orders, 0, MAX_DAILY_ORDERS)
        _check_number("min_order_size", self.min_order_size, Decimal(0), None)
        _check_number("max_slippage_bps", self.max_slippage_bps, Decimal(0), MAX_BPS)


@dataclass(frozen=True, slots=True)
class DeskConfig:
    """Everything a decision of the orders stage depends on.

    Args:
        instruments: by symbol.
        accounts: by name.
        default_order_type: of a signal with neither order_type nor price.
        default_time_in_force: of a signal without time_in_force.
        retention_ms: a finished order stays in the state this long (order_cache.ttl).
        idempotency_ms: a client_order_id is remembered at least this long.
        venue: where orders go.
        max_quote_age_ms: an order that reaches the quote is refused when that is older; 0 is no limit.

    Raises:
        ValueError: naming the field, its value and the limit.
    """

    instruments: Mapping[str, Instrument] = field(default_factory=dict)
    accounts: Mapping[str, Account] = field(default_factory=dict)
    default_order_type: OrderType = OrderType.MARKET
    default_time_in_force: TimeInForce = TimeInForce.GTC
    retention_ms: int = 3_600_000
    idempotency_ms: int = DAY_MS
    venue: str = "SIM"
    max_quote_age_ms: int = 0

    def __post_init__(self) -> None:
        _check_int("retention_ms", self.retention_ms, 0, MAX_MS)
        _check_int("idempotency_ms", self.idempotency_ms, 0, MAX_MS)
        _check_name("venue", self.venue)
        _check_int("max_quote_age_ms", self.max_quote_age_ms, 0, MAX_MS)
        _check_ids("instruments", self.instruments)
        _check_ids("accounts", self.accounts)

    def to_json(self) -> bytes:
        """Return the canonical JSON: sorted keys, Decimals as plain text without superfluous zeros."""
        return orjson.dumps(
            {
                "instruments": {name: _fields_of(item) for name, item in self.instruments.items()},
                "accounts": {name: _fields_of(item) for name, item in self.accounts.items()},
                "default_order_type": self.default_order_type.value,
                "default_time_in_force": self.default_time_in_force.value,
                "retention_ms": self.retention_ms,
                "idempotency_ms": self.idempotency_ms,
                "venue": self.venue,
                "max_quote_age_ms": self.max_quote_age_ms,
            },
            option=orjson.OPT_SORT_KEYS,
        )

    @classmethod
    def from_json(cls, data: bytes) -> DeskConfig:
        """Return the configuration that `to_json` wrote.

        Raises:
            ValueError: naming the field, its value and the limit.
        """
        # A log from before there was this limit was decided without it.
        document = {"max_quote_age_ms": 0} | _object("configuration", orjson.loads(data))
        _check_keys("configuration", document, cls)
        return cls(
            instruments={
                symbol: _made(f"instruments.{symbol[:SHOWN_NAME]}", Instrument, item)
                for symbol, item in _object("instruments", document["instruments"]).items()
            },
            accounts={
                name: _made(f"accounts.{name[:SHOWN_NAME]}", Account, item)
                for name, item in _object("accounts", document["accounts"]).items()
            },
            default_order_type=OrderType(_chosen("default_order_type", document, OrderType)),
            default_time_in_force=TimeInForce(_chosen("default_time_in_force", document, TimeInForce)),
            retention_ms=document["retention_ms"],
            idempotency_ms=document["idempotency_ms"],
            venue=document["venue"],
            max_quote_age_ms=document["max_quote_age_ms"],
        )


def _fields_of(item: Instrument | Account) -> dict[str, Any]:
    values = {name: getattr(item, name) for name in item.__dataclass_fields__}
    return {name: canonical(value) if isinstance(value, Decimal) else value for name, value in values.items()}


def _made(where: str, kind: type[Any], item: Any) -> Any:
    fields = dict(_object(where, item))
    _check_keys(where, fields, kind)
    try:
        for name, spec in kind.__dataclass_fields__.items():
            if spec.type == "Decimal":
                fields[name] = _number(name, fields[name])
        return kind(**fields)
    except ValueError as error:
        raise ValueError(f"{where}.{error}") from None


def _number(name: str, value: Any) -> Decimal:
    if not isinstance(value, str):
        raise ValueError(f"{name}: must be a number as text, got {shorten(value)}")
    try:
        return parse(value)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def _chosen(name: str, document: dict[str, Any], among: type[StrEnum]) -> str:
    value = document[name]
    if not isinstance(value, str) or value not in [each.value for each in among]:
        raise ValueError(f"{name}: must be one of {', '.join(among)}, got {shorten(value)}")
    return value


def _object(where: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{where}: must be a JSON object, got {shorten(value)}")
    return value


def _check_keys(where: str, document: dict[str, Any], kind: type[Any]) -> None:
    expected = set(kind.__dataclass_fields__)
    if set(document) != expected:
        odd = ", ".join(sorted(set(document) ^ expected))
        raise ValueError(
            f"{where}: must have exactly the keys {', '.join(sorted(expected))}; differs in {shorten(odd)}"
        )


def _check_int(name: str, value: Any, low: int, high: int) -> None:
    if type(value) is not int or not low <= value <= high:
        raise ValueError(f"{name}: must be a whole number from {low} to {high}, got {shorten(value)}")


def _check_number(name: str, value: Decimal, low: Decimal, high: Decimal | None) -> None:
    if not value.is_finite() or value < low or (high is not None and value > high):
        limits = f"at least {low}" if high is None else f"from {low} to {high}"
        raise ValueError(f"{name}: must be a number {limits}, got {value}")
    try:
        parse(str(value))
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def _check_name(name: str, value: Any) -> None:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise ValueError(f"{name}: must match {_NAME.pattern}, got {shorten(value)}")


def _check_ids(where: str, items: Mapping[str, Instrument] | Mapping[str, Account]) -> None:
    owners: dict[int, str] = {}
    for name, item in items.items():
        _check_name(where, name)
        if item.id in owners:
            raise ValueError(f"{where}.{name}.id: must be unique, {item.id} is {owners[item.id]}'s")
        owners[item.id] = name
