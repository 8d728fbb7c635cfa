"""What accounts hold, are worth and have traded, and what they trade in: as Alpaca says it.

Flows in: rows of the desk. Flows out: objects of JSON, valid by Alpaca's own OpenAPI file. Never counts a profit that
the positions stage has not told, and says 0 where Alpaca wants a number that a desk does not have.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Final

from fillstream.libs.common.messages.codes import OrdStatus
from fillstream.services.gateway.alpaca.words import (
    STATUS,
    account_uuid,
    asset_class,
    asset_uuid,
    exchange,
    moment,
    text,
    uuid_of,
)
from fillstream.services.gateway.state.orders import FINAL
from fillstream.services.gateway.state.rows import Row
from fillstream.services.gateway.state.terms import ACTIVE, HALTED

RATIO_DECIMALS: Final = Decimal("0.000001")
ZERO: Final = Decimal(0)
CONFIGURATIONS: Final[Mapping[str, Any]] = {
    "dtbp_check": "entry",
    "fractional_trading": True,
    "max_margin_multiplier": "1",
    "pdt_check": "entry",
    "trade_confirm_email": "none",
    "ptp_no_exception_entry": False,
    "max_options_trading_level": 0,
    "disable_overnight_trading": False,
}


def _worth(quantity: Decimal, price: Decimal, instrument: Row | None) -> Decimal:
    """Return what so much is worth at a price, in the instrument's currency."""
    multiplier = Decimal("1" if instrument is None else instrument.get("multiplier", "1"))
    if instrument is not None and instrument.get("inverse"):
        return quantity * multiplier / price if price else ZERO
    return quantity * multiplier * price


def _ratio(part: Decimal, whole: Decimal) -> str:
    return text((part / abs(whole)).quantize(RATIO_DECIMALS)) if whole else "0"


def reserved(rows: Iterable[Row], position: Row) -> Decimal:
    """Return how much of a position working orders may close already; of those of one group the largest counts.

    Args:
        rows: orders of the account.
        position: as it stands.
    """
    closes = "SELL" if Decimal(position["position"]) > 0 else "BUY"
    groups: dict[str, Decimal] = {}
    for row in rows:
        if row["symbol"] == position["symbol"] and row["side"] == closes and row["ord_status"] not in FINAL:
            name = row.get("list_id") or row["order_id"]
            groups[name] = max(groups.get(name, ZERO), Decimal(row["leaves_qty"]))
    return min(sum(groups.values(), ZERO), abs(Decimal(position["position"])))


def position_json(row: Row, instrument: Row | None, closing: Decimal = ZERO) -> dict[str, Any]:
    """Return a position that is open.

    Args:
        row: as the positions stage told it last.
        instrument: that it is of.
        closing: how much of it orders may close already.
    """
    quantity, average = Decimal(row["position"]), Decimal(row["avg_px"] or 0)
    mark = average if row["mark_px"] is None else Decimal(row["mark_px"])
    cost, worth = _worth(quantity, average, instrument), _worth(quantity, mark, instrument)
    profit = ZERO if row["unrealized_pnl"] is None else Decimal(row["unrealized_pnl"])
    free = (abs(quantity) - closing).copy_sign(quantity)
    return {
        "asset_id": asset_uuid(row["symbol"]),
        "symbol": row["symbol"],
        "exchange": exchange(instrument),
        "asset_class": asset_class(instrument),
        "asset_marginable": False,
        "avg_entry_price": text(average),
        "qty": text(quantity),
        "qty_available": text(free),
        "side": "long" if quantity > 0 else "short",
        "market_value": text(worth),
        "cost_basis": text(cost),
        "unrealized_pl": text(profit),
        "unrealized_plpc": _ratio(profit, cost),
        "unrealized_intraday_pl": text(profit),
        "unrealized_intraday_plpc": _ratio(profit, cost),
        "current_price": text(mark),
        "lastday_price": text(mark),
        "change_today": "0",
    }


def account_json(
    account: str, terms: Row, state: str, value: Row | None, held: Iterable[tuple[Row, Row | None]]
) -> Row:
    """Return an account.

    Args:
        account: its name.
        terms: its limits in force.
        state: its trading state.
        value: what it is worth, as the positions stage told last; None of one that no cash was ever put into.
        held: its positions, each with its instrument.
    """
    money = _money(terms, value, list(held))
    return {
        "id": account_uuid(account),
        "account_number": account,
        "status": "ACTIVE",
        "currency": "USD" if value is None else value["currency"],
        **{name: text(number) for name, number in money.items()},
        "accrued_fees": "0",
        "pending_transfer_in": "0",
        "pending_transfer_out": "0",
        "sma": "0",
        "multiplier": "1",
        "shorting_enabled": may_short(terms),
        "pattern_day_trader": False,
        "daytrade_count": 0,
        "trading_blocked": state == HALTED,
        "account_blocked": False,
        "transfers_blocked": True,
        "trade_suspended_by_user": state != ACTIVE,
        "created_at": moment(terms["updated_time"]),
    }


def _money(terms: Row, value: Row | None, held: list[tuple[Row, Row | None]]) -> dict[str, Decimal]:
    if value is not None:
        said = {name: ZERO if value.get(name) is None else Decimal(value[name]) for name in
                ("cash_balance", "equity", "long_exposure", "short_exposure", "margin_used", "day_pnl")}  # fmt: skip
        cash, equity, longs, shorts = (said[n] for n in ("cash_balance", "equity", "long_exposure", "short_exposure"))
        margin, day = said["margin_used"], said["day_pnl"]
    else:
        marks = [(row, _worth(Decimal(row["position"]), Decimal(row["mark_px"] or row["avg_px"] or 0), instrument))
                 for row, instrument in held]  # fmt: skip
        longs = sum((worth for _, worth in marks if worth > 0), ZERO)
        shorts = -sum((worth for _, worth in marks if worth < 0), ZERO)
        cash = sum((Decimal(row["cash"]) for row, _ in marks), ZERO)
        equity, margin = cash + longs - shorts, ZERO
        day = sum((Decimal(row["day_pnl"]) for row, _ in marks if row.get("day_pnl") is not None), ZERO)
    power = None if value is None else value.get("buying_power")
    buying = Decimal(power if power is not None else terms.get("max_order_value") or 0)
    return {
        "cash": cash, "equity": equity, "portfolio_value": equity, "last_equity": equity - day,
        "buying_power": buying, "regt_buying_power": buying, "daytrading_buying_power": buying,
        "non_marginable_buying_power": buying, "options_buying_power": ZERO, "long_market_value": longs,
        "short_market_value": -shorts, "initial_margin": margin, "maintenance_margin": margin,
        "last_maintenance_margin": margin,
    }  # fmt: skip


def may_short(terms: Row) -> bool:
    """Whether an account may sell what it does not hold."""
    return terms.get("may_short") is not False and terms.get("account_type") != "cash"


def asset_json(instrument: Row, shortable: bool) -> dict[str, Any]:
    """Return an instrument.

    Args:
        instrument: its terms.
        shortable: whether the account may sell what it does not hold.
    """
    lot, kind = instrument["lot_size"], asset_class(instrument)
    return {
        "id": asset_uuid(instrument["symbol"]),
        "class": kind,
        "exchange": exchange(instrument),
        "symbol": instrument["symbol"],
        "name": instrument["symbol"],
        "status": "active",
        "tradable": not instrument.get("halted"),
        "marginable": False,
        "shortable": shortable,
        "easy_to_borrow": shortable,
        "fractionable": Decimal(lot) % 1 != 0,
        "min_order_size": instrument.get("min_order_quantity") or lot,
        "min_trade_increment": lot,
        "price_increment": instrument["tick_size"],
        "attributes": [],
    }


def activity_json(fill: Row, order_id: str) -> dict[str, Any]:
    """Return a trade as an activity; its id begins with its time, so ids are in their order.

    Args:
        fill: as the journal told it, or corrected it.
        order_id: the id of its order here.
    """
    stamp = "".join(each for each in str(moment(fill["time"])) if each.isdecimal()).ljust(17, "0")
    is_whole = fill["ord_status"] == OrdStatus.FILLED
    return {
        "id": f"{stamp}::{execution_uuid(fill)}",
        "activity_type": "FILL",
        "account_id": account_uuid(fill["account"]),
        "transaction_time": moment(fill["time"]),
        "type": "fill" if is_whole else "partial_fill",
        "price": fill["last_px"],
        "qty": fill["last_qty"],
        "side": fill["side"].lower(),
        "symbol": fill["symbol"],
        "leaves_qty": fill["leaves_qty"],
        "cum_qty": fill["cum_qty"],
        "order_id": order_id,
        "order_status": STATUS[fill["ord_status"]],
    }


def execution_uuid(fill: Mapping[str, Any]) -> str:
    """Return a trade's id."""
    return uuid_of("fill", str(fill.get("venue")), fill["exec_id"])


def history_json(account: Mapping[str, Any], times: tuple[int, int], timeframe: str) -> dict[str, Any]:
    """Return what is known of a portfolio's past: its worth as the day began, and now.

    Args:
        account: as `account_json` says it.
        times: of both (ms since 1970).
        timeframe: that was asked for.
    """
    before, now = Decimal(account["last_equity"]), Decimal(account["equity"])
    made = [ZERO, now - before]
    return {
        "timestamp": [each // 1_000 for each in times],
        "equity": [float(before), float(now)],
        "profit_loss": [float(each) for each in made],
        "profit_loss_pct": [float(_ratio(each, before)) for each in made],
        "base_value": float(before),
        "timeframe": timeframe,
    }
