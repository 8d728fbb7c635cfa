"""Numbers in the database: fine instruments to the digit (H02), products of three (H03), files of 0.1.0 brought up."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import orjson
import pytest

from fillstream.libs.common.messages.journal import InstrumentDefined, OrderFilled, OrderReceived
from fillstream.libs.common.messages.positions import PositionChanged
from fillstream.libs.common.messages.reference import InstrumentTerms, VenueTerms
from fillstream.services.analytics.decode.entries import Batch
from fillstream.services.analytics.numbers import Number, Scales, TooFine, number_of, scales_of
from fillstream.services.analytics.schema import DEPTH_TABLE, TABLES
from fillstream.services.analytics.sinks.store import Store
from fillstream.services.analytics.sinks.writer import DECODERS
from tests.support.messages import sample

FINE = {
    "XDGXBT": {"id": 1, "tick_size": "0.00000001", "lot_size": "0.00000001", "currency": "XBT"},
    "SHIBBTC": {"id": 2, "tick_size": "0.0000000000001", "lot_size": "1", "currency": "BTC"},
}


def terms(**given: Any) -> InstrumentTerms:
    return InstrumentTerms.model_validate({"id": 1, "tick_size": "0.01", "lot_size": "1", **given})


def put(store: Store, kind: str, *messages: dict[str, Any]) -> Batch:
    batch = Batch(store.scales)
    entries = [[b"1700000000000-%d" % n, [b"data", orjson.dumps(each)]] for n, each in enumerate(messages)]
    DECODERS[kind](f"{kind}.{{a0}}", entries, batch)
    store.commit(batch.tables, {}, [])
    return batch


def ask(store: Store, sql: str) -> list[tuple[Any, ...]]:
    return store.cursor().execute(sql).fetchall()


# ----------------------------------------------------------------------------------------------------- finer than 1e-12


def test_money_of_an_inverse_contract_is_told_to_12_decimals_however_fine_its_steps_are() -> None:
    fine = terms(tick_size="0.00000000000001", lot_size="0.00000001", multiplier="0.0001")
    with pytest.raises(TooFine):
        scales_of({"A": fine})
    assert scales_of({"A": fine.model_copy(update={"inverse": True})}).of(Number.AMOUNT) == Scales().amount


def test_instruments_of_fine_steps_keep_every_digit_of_their_money(tmp_path: Path) -> None:
    instruments = {symbol: InstrumentTerms.model_validate(each) for symbol, each in FINE.items()}
    store = Store(tmp_path / "analytics.duckdb", scales_of(instruments))
    told = {
        "XDGXBT": {
            "position": "12345.67890123", "avg_px": "0.00000213", "mark_px": "0.000002125", "last_px": "0.00000213",
            "last_qty": "12345.67890123", "cash": "-0.0263646660596199", "unrealized_pnl": "-0.0000617283945061",
        },
        "SHIBBTC": {
            "position": "1000003", "avg_px": "0.0000000003573", "mark_px": "0.00000000035725",
            "last_px": "0.0000000003573", "last_qty": "1000003", "cash": "-0.0003573010719",
            "unrealized_pnl": "-0.00000005000015",
        },
    }  # fmt: skip
    changes = [
        sample(PositionChanged, n, symbol=symbol, account="a", **each)
        for n, (symbol, each) in enumerate(told.items(), 1)
    ]
    assert put(store, "positions", *changes).undecodable == []
    for symbol, expected in told.items():
        names = ", ".join(each for each in expected if not each.startswith("last"))
        [row] = ask(store, f"SELECT {names} FROM positions WHERE symbol = '{symbol}'")
        assert row == tuple(Decimal(value) for name, value in expected.items() if not name.startswith("last"))
    fills = [
        sample(OrderFilled, n, symbol=symbol, last_px=each["last_px"], last_qty=each["last_qty"])
        for n, (symbol, each) in enumerate(told.items(), 1)
    ]
    defined = [
        sample(InstrumentDefined, n, symbol=symbol, tick_size=each["tick_size"], lot_size=each["lot_size"])
        for n, (symbol, each) in enumerate(FINE.items(), 3)
    ]
    assert put(store, "events", *fills, *defined).undecodable == []
    assert ask(store, "SELECT symbol, sum(last_px * last_qty) FROM fills GROUP BY 1 ORDER BY 1") == [
        ("SHIBBTC", Decimal("0.0003573010719")),
        ("XDGXBT", Decimal("0.0262962960596199")),
    ]
    assert ask(store, "SELECT symbol, tick_size, lot_size FROM instruments ORDER BY 1") == [
        (symbol, Decimal(FINE[symbol]["tick_size"]), Decimal(FINE[symbol]["lot_size"])) for symbol in sorted(FINE)
    ]


@pytest.mark.parametrize(
    ("given", "needed"),
    [
        ({}, Scales()),
        ({"tick_size": "0.0000000000001"}, Scales(price=14)),  # half a tick
        ({"lot_size": "0.000000000000000001"}, Scales(quantity=18, amount=21)),
        ({"multiplier": "0.0000025", "maker_fee_bps": "-0.123456"}, Scales(ratio=7)),
        ({"tick_size": "100", "lot_size": "1000"}, Scales()),
    ],
)
def test_columns_have_the_decimals_that_instruments_need_and_no_fewer_than_usual(
    given: dict[str, str], needed: Scales
) -> None:
    assert scales_of({"X": terms(**given)}) == needed


def test_a_venues_own_fees_are_held_too() -> None:
    assert scales_of({}, [VenueTerms(maker_fee_bps="0.00001")]) == Scales(ratio=5)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (
            {"tick_size": "1e-12", "lot_size": "1e-12"},
            "instruments.X: half a tick times a lot times the multiplier has 25 decimals",
        ),
        ({"tick_size": "1e-24"}, "instruments.X: its price has 25 decimals"),
        ({"multiplier": "1e-12", "lot_size": "1e-12"}, "has 27 decimals .tick_size 0.01, lot_size 0.0000.*at most 24"),
    ],
)
def test_steps_that_no_column_holds_are_refused_with_the_limit(given: dict[str, str], says: str) -> None:
    with pytest.raises(TooFine, match=says):
        scales_of({"X": terms(**given)})


# ---------------------------------------------------------------------------------------------------- products of three


@pytest.mark.parametrize("scales", [Scales(), scales_of({"SHIB": InstrumentTerms.model_validate(FINE["SHIBBTC"])})])
def test_the_value_of_a_trade_is_a_product_that_fits(tmp_path: Path, scales: Scales) -> None:
    store = Store(tmp_path / "analytics.duckdb", scales)
    fees = {"multiplier": "1000", "maker_fee_bps": "-0.25", "taker_fee_bps": "1.5"}
    put(
        store,
        "events",
        sample(InstrumentDefined, 1, symbol="CL", tick_size="0.01", lot_size="1", **fees),
        sample(OrderReceived, 2, order_id="1", symbol="CL", quantity="25000", price="189.99"),
        sample(OrderFilled, 3, order_id="1", symbol="CL", quantity="25000", last_px="189.99", last_qty="25000"),
    )
    put(store, "positions", sample(PositionChanged, 1, symbol="CL", account="a", position="-25000", mark_px="189.99"))
    value = Decimal("4749750000")
    for sql, expected in {
        "SELECT sum(f.last_px * f.last_qty * i.multiplier) FROM fills f JOIN instruments i USING (symbol)": value,
        "SELECT sum(last_px * last_qty * maker_fee_bps / 10000) FROM fills JOIN instruments USING (symbol)": (
            float(189.99 * 25000 * -0.25 / 10000)
        ),
        "SELECT sum(quantity * price * multiplier) FROM orders o JOIN instruments i USING (symbol)": value,
        "SELECT sum(position * mark_px * multiplier) FROM positions JOIN instruments USING (symbol)": -value,
        "SELECT avg(last_px * last_qty * multiplier) FROM fills JOIN instruments USING (symbol)": float(value),
    }.items():
        [(found,)] = ask(store, sql)
        assert found == (pytest.approx(expected) if isinstance(expected, float) else expected), sql
    if scales == Scales():  # finer steps leave less room; DuckDB says so, and to what to cast
        sql = "SELECT sum(last_px * last_qty * multiplier * taker_fee_bps) FROM fills JOIN instruments USING (symbol)"
        assert ask(store, sql) == [(value * Decimal("1.5"),)]


def test_every_number_of_a_contract_is_of_one_kind() -> None:
    """What is a factor of a value is no amount: a new field's name is to say what it is."""
    amounts = {column.name for table in TABLES for column in table.columns if column.number is Number.AMOUNT}
    assert amounts == {
        "confidence", "probability_down", "probability_up",
        "fee", "old_fee", "commission", "fees", "cash", "realized_pnl", "unrealized_pnl", "day_pnl",
        "gross_pnl", "paid_fees", "net_return", "best_pnl", "worst_pnl", "max_order_value",
        "min_order_size", "max_slippage_bps", "max_exit_slippage_bps", "notional", "risk_amount", "equity_percent",
        "risk_percent", "weight", "min_value", "shortfall", "stop_loss_percent",
        "take_profit_percent", "trailing_stop_percent", "trailing_stop_atr",
        "amount", "approval_above", "breaker_loss", "fee_estimate", "fee_per_unit", "min_fee", "max_fee",
        "max_daily_loss", "max_gross_exposure", "max_net_exposure", "max_sector_exposure", "max_symbol_exposure",
        "max_strategy_gross_exposure", "max_strategy_net_exposure", "breaker_slippage_bps",
        "strategy_breaker_slippage_bps",
        "exit_stop_loss_percent", "exit_take_profit_percent", "exit_trailing_stop_percent", "exit_trailing_stop_atr",
        "allowed", "buying_power", "cash_balance", "concentration_ratio", "deposits", "drawdown_ratio", "equity",
        "expected_shortfall", "gross_exposure", "leverage_ratio", "long_exposure", "margin_used", "max_concentration",
        "max_drawdown", "max_leverage", "max_value_at_risk", "measured", "net_exposure", "parametric_shortfall",
        "parametric_var", "peak_equity", "short_exposure", "value_at_risk",
    }  # fmt: skip
    assert [number_of(name) for name in ("new_price", "bid_px", "cum_qty", "position", "multiplier")] == [
        Number.PRICE, Number.PRICE, Number.QUANTITY, Number.QUANTITY, Number.RATIO,
    ]  # fmt: skip


# ---------------------------------------------------------------------------------------------------------- older files


def as_of_0_1_0(path: Path, *inserts: str) -> None:
    """Make a file as 0.1.0 made them: one scale for every number, times in TIMESTAMP_MS."""
    old = "DECIMAL(38,12)"
    levels = f"STRUCT(price {old}, quantity {old})[]"
    with duckdb.connect(path) as connection:
        for table in TABLES:
            columns = []
            for column in table.columns:
                kind = old if column.number else levels if column.kind == "levels" else column.kind
                columns.append(f'"{column.name}" {kind.replace("TIMESTAMP", "TIMESTAMP_MS")}')
            connection.execute(f"CREATE TABLE {table.name} ({', '.join(columns)})")
        connection.execute("CREATE TABLE schema_format (format BIGINT)")
        connection.execute("INSERT INTO schema_format VALUES (1)")
        connection.execute("CREATE TABLE offsets (stream VARCHAR PRIMARY KEY, id VARCHAR, entries BIGINT)")
        connection.execute(
            "CREATE TABLE gaps (stream VARCHAR, after_id VARCHAR, upto_id VARCHAR, entries BIGINT, "
            '"time" TIMESTAMP_MS, "text" VARCHAR)'
        )
        connection.execute("CREATE VIEW fills AS SELECT * FROM events WHERE type = 'OrderFilled'")
        for insert in inserts:
            connection.execute(insert)


def types(store: Store, table: str) -> dict[str, str]:
    return {name: kind for name, kind, *_ in ask(store, f"DESCRIBE {table}")}


def test_a_file_of_0_1_0_is_brought_up_and_what_does_not_fit_is_told(tmp_path: Path) -> None:
    path = tmp_path / "analytics.duckdb"
    as_of_0_1_0(
        path,
        "INSERT INTO events BY NAME SELECT 'events.{0}' AS log_stream, '1-1' AS log_id, epoch_ms(1) AS log_time, "
        "epoch_ms(1700000000001) AS \"time\", 'OrderRejected' AS type, 7.5 AS quantity, 0.000000000001 AS price, "
        "12345678.000000000001 AS max_order_value",
        "INSERT INTO events BY NAME SELECT 'events.{0}' AS log_stream, '1-2' AS log_id, "
        "0.0000000001 AS quantity, 99999999999999999999999999::DECIMAL(38,12) AS fee",
        "INSERT INTO depth BY NAME SELECT 'market.{0}' AS log_stream, '1-3' AS log_id, "
        "[{'price': 1.5, 'quantity': 2}, {'price': 1, 'quantity': 0.0000000001}] AS bids, "
        "[{'price': 1.5, 'quantity': 0.25}] AS asks",
        "INSERT INTO gaps VALUES ('s', '1-0', '2-0', 3, epoch_ms(5), 'x')",
        "INSERT INTO offsets VALUES ('events.{0}', '1-2', 2)",
    )
    store = Store(path)
    assert ask(
        store, 'SELECT log_id, epoch_ms("time"), quantity, price, max_order_value, fee FROM events ORDER BY 1'
    ) == [
        ("1-1", 1_700_000_000_001, Decimal("7.5"), Decimal("1E-12"), Decimal("12345678.000000000001"), None),
        ("1-2", None, None, None, None, None),
    ]
    told = ask(store, 'SELECT log_stream, log_id, reason, "text" FROM undecodable ORDER BY log_id, "text"')
    assert [row[:3] for row in told] == [("events.{0}", "1-2", "out_of_range")] * 2 + [
        ("market.{0}", "1-3", "out_of_range")
    ]
    assert [row[3].partition(" does not fit ")[0] for row in told[:2]] == [
        "fee: 99999999999999999999999999.000000000000",
        "quantity: 0.000000000100",
    ]
    assert told[2][3].startswith("bids: [{")
    [(bids, asks)] = ask(store, "SELECT bids, asks FROM depth")
    assert (bids, asks) == (None, [{"price": Decimal("1.5"), "quantity": Decimal("0.25")}])
    assert ask(store, 'SELECT epoch_ms("time") FROM gaps') == [(5,)]
    assert store.offsets()["events.{0}"].entries == 2
    assert types(store, "events")["quantity"] == "DECIMAL(38,8)"
    assert types(store, "depth")["asks"].replace('"', "") == (
        f"STRUCT(price {store.scales.sql(Number.PRICE)}, quantity {store.scales.sql(Number.QUANTITY)})[]"
    )
    store.close()
    again = Store(path)
    assert ask(again, "SELECT count(*) FROM undecodable") == [(3,)], "and it is done once"


def test_a_file_gets_more_decimals_when_an_instrument_needs_them_and_never_fewer(tmp_path: Path) -> None:
    path = tmp_path / "analytics.duckdb"
    store = Store(path)
    put(store, "events", sample(OrderFilled, 1, last_px="1.5"))
    store.close()
    store = Store(path, Scales(price=16))
    assert put(store, "events", sample(OrderFilled, 2, last_px="0.0000000000000001")).undecodable == []
    store.close()
    store = Store(path)
    assert store.scales == Scales(price=16)
    assert ask(store, "SELECT last_px FROM fills ORDER BY 1") == [(Decimal("1E-16"),), (Decimal("1.5"),)]
    assert DEPTH_TABLE.arrow(store.scales).field("bids").type == DEPTH_TABLE.columns[-2].arrow(Scales(price=16))
