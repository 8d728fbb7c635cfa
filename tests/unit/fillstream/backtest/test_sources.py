"""Files of market data: which kind they are, what they tell, and what is said of a row that cannot be used."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from fillstream.backtest.driver import BarEnded, Decimals, Happening, quote_of, trade_of
from fillstream.backtest.sources.files import look_at, market_of
from fillstream.backtest.sources.tables import WITHOUT_VOLUME, Options
from fillstream.demo.market_files import FeedError
from fillstream.demo.market_numbers import Listed, Moment
from fillstream.libs.common.engine.frames import COMMAND, CommandType, offset_of
from fillstream.libs.common.messages.reference import InstrumentTerms
from fillstream.strategy.market import Bar, Quote, Trade

INSTRUMENTS = {
    "AAPL": Listed(InstrumentTerms(id=1, tick_size=Decimal("0.01"), lot_size=Decimal(1))),
    "BTCUSDT": Listed(InstrumentTerms(id=4, tick_size=Decimal("0.01"), lot_size=Decimal("0.00001"))),
}
DECIMALS = {symbol: Decimals(one) for symbol, one in INSTRUMENTS.items()}
TYPE = offset_of("fs_command", "type")
QUOTES = "time_ms,symbol,bid_px,bid_qty,ask_px,ask_qty\n"
DATA = Path(__file__).parents[5] / "shared" / "data"


def happenings(*paths: Path, options: Options | None = None, round_sizes: bool = False) -> list[Happening]:
    return list(market_of(look_at(paths, round_sizes), INSTRUMENTS, options or Options()))


def said(found: Sequence[Happening]) -> list[Quote | Trade | Bar]:
    """Return what happenings are as a strategy sees them."""
    shown: list[Quote | Trade | Bar] = []
    for each in found:
        if isinstance(each, BarEnded):
            shown.append(each.bar)
        else:
            ms, one = each.time_ns // 1_000_000, DECIMALS[each.symbol]
            is_quote = each.record[TYPE] == CommandType.QUOTE
            shown.append((quote_of if is_quote else trade_of)(one, each.symbol, ms, each.record))
    return shown


def write(tmp_path: Path, text: str, name: str = "file.csv") -> Path:
    path = tmp_path / name
    path.write_text(text)
    return path


def a_quote(ms: int, bid: str, ask: str, quantity: int, symbol: str = "AAPL") -> Quote:
    return Quote(ms, symbol, Decimal(bid), Decimal(quantity), Decimal(ask), Decimal(quantity))


def test_quotes_of_a_csv_are_exact_whatever_their_columns_are_called(tmp_path: Path) -> None:
    plain = write(tmp_path, f"{QUOTES}1000,AAPL,190.10,5,190.12,5\n2000,AAPL,190.1,7,190.1200,7\n")
    packed = tmp_path / "other.csv.gz"
    with gzip.open(packed, "wt") as file:
        file.write("ask_amount,symbol,ask_price,bid_price,bid_amount,time,more\n")
        file.write("5,AAPL,190.12,190.10,5,1970-01-01T00:00:01Z,x\n7,AAPL,190.12,190.1,7,1970-01-01T01:00:02+01:00,\n")
    assert said(happenings(plain)) == said(happenings(packed))
    assert said(happenings(plain)) == [a_quote(1000, "190.10", "190.12", 5), a_quote(2000, "190.10", "190.12", 7)]


@pytest.mark.parametrize(
    ("column", "text", "ns"),
    [
        ("time_ns", "1723161600000000001", 1_723_161_600_000_000_001),
        ("time_us", "1723161600000001", 1_723_161_600_000_001_000),
        ("time_s", "1723161600", 1_723_161_600_000_000_000),
        ("time", "2024-08-09", 1_723_161_600_000_000_000),
        ("time", "2024-08-09T02:00:00.5+02:00", 1_723_161_600_500_000_000),
    ],
)
def test_a_time_may_be_said_in_several_ways(tmp_path: Path, column: str, text: str, ns: int) -> None:
    path = write(tmp_path, f"{column},price,quantity\n{text},190.10,5\n")
    assert {each.time_ns for each in happenings(path, options=Options(symbol="AAPL"))} == {ns}


def test_trades_alone_are_the_market_and_beside_quotes_are_prints(tmp_path: Path) -> None:
    trades = write(tmp_path, "time_ms,price,quantity,side\n1000,190.11,3,sell\n", "trades.csv")
    options = Options(symbol="AAPL")
    printed = Trade(1000, "AAPL", Decimal("190.11"), Decimal(3), "SELL")
    assert said(happenings(trades, options=options)) == [a_quote(1000, "190.11", "190.11", 3), printed]
    quotes = write(tmp_path, f"{QUOTES}1000,AAPL,190.10,5,190.12,5\n999,AAPL,1,5,2,5\n".replace("999", "1001"))
    found = said(happenings(quotes, trades, options=options))
    assert [type(each).__name__ for each in found] == ["Quote", "Trade", "Quote"]
    assert found[1] == printed


BARS = "time,symbol,open,high,low,close,volume\n"


def a_trade(at_ms: int, price: str, quantity: int, side: str) -> tuple[Quote, Trade]:
    printed = Trade(at_ms, "AAPL", Decimal(price), Decimal(quantity), side)
    return a_quote(at_ms, price, price, quantity), printed


def test_a_bar_is_four_trades_and_its_end(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        f"{BARS}2024-08-09T00:00:00Z,AAPL,10,11.5,9,10.5,400\n2024-08-09T00:01:00Z,AAPL,10.5,10.6,10.1,10.2,0\n",
    )
    begin = 1_723_161_600_000
    found = happenings(path)
    assert said(found)[:9] == [
        *a_trade(begin, "10", 100, "BUY"),
        *a_trade(begin + 19_999, "9", 100, "SELL"),
        *a_trade(begin + 39_999, "11.5", 100, "BUY"),
        *a_trade(begin + 59_999, "10.5", 100, "SELL"),
        Bar(begin, begin + 60_000, "AAPL", Decimal(10), Decimal("11.5"), Decimal(9), Decimal("10.5"), Decimal(400)),
    ]  # fmt: skip
    # The high is nearer to the second one's open, and of no volume a lot is there.
    assert [each.bid_px for each in said(found)[9:17:2]] == [Decimal(each) for each in ("10.5", "10.6", "10.1", "10.2")]  # type: ignore[union-attr]
    assert said(found)[9].bid_qty == 1  # type: ignore[union-attr]


def test_bars_of_several_instruments_come_in_the_order_of_time(tmp_path: Path) -> None:
    rows = "".join(f"{minute * 60},{symbol},5,5,5,5\n" for minute in range(3) for symbol in ("AAPL", "BTCUSDT"))
    found = happenings(write(tmp_path, f"time_s,symbol,open,high,low,close\n{rows}"))
    assert [each.time_ns for each in found] == sorted(each.time_ns for each in found)
    assert len(found) == 3 * 2 * 9
    first = found[0]
    assert isinstance(first, Moment) and COMMAND.unpack(first.record)[2] == WITHOUT_VOLUME
    ends = [each.bar.end_ms for each in found if isinstance(each, BarEnded)]
    assert ends == [60_000, 60_000, 120_000, 120_000, 180_000, 180_000]


def test_one_bar_needs_to_be_told_how_long_it_is(tmp_path: Path) -> None:
    path = write(tmp_path, "time_s,symbol,open,high,low,close\n60,AAPL,5,6,4,5\n")
    with pytest.raises(FeedError, match=r"file\.csv:2: there are no two bars of an instrument: say how long"):
        happenings(path)
    assert isinstance(happenings(path, options=Options(bar_ms=60_000))[-1], BarEnded)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"{QUOTES}1,AAPL,1.005,5,1.02,5\n", ":2: bid_px: 1.005 is not a whole multiple of tick_size 0.01"),
        (f"{QUOTES}1,AAPL,1,5,2,5\n2,AAPL,1,0.5,2,5\n", ":3: bid_qty: 0.5 is not a whole multiple of lot_size 1"),
        (f"{QUOTES}1,AAPL,1,5,2,5\n0,AAPL,1,5,2,5\n", ":3: time_ms: 0 is before that of the row before it; sort"),
        (f"{QUOTES}1,NOPE,1,5,2,5\n", ":2: symbol: NOPE is not configured"),
        (f"{QUOTES}1,AAPL,,5,2,5\n", ":2: bid_px: is missing"),
        (f"{QUOTES}1,AAPL,1,5,2\n", ":2: must have 6 columns, as the first line has"),
        (f"{QUOTES}1,AAPL,1,5,2,5,6\n", ":2: must have 6 columns"),
        (f"{QUOTES}noon,AAPL,1,5,2,5\n", ":2: time_ms: 'noon' must be whole ms since 1970"),
        (f"{QUOTES}1,AAPL,x,5,2,5\n", ":2: bid_px: must be a decimal number, got 'x'"),
        (f"{BARS}2024-08-09,AAPL,5,4,3,5,1\n2024-08-10,AAPL,5,5,5,5,1\n", ":2: high, low: must be the highest and the"),
        (f"{BARS}2024-08-09 noon,AAPL,5,5,5,5,1\n", ":2: time: '2024-08-09 noon' must be a day, or a time with"),
        ("time_ms,price,quantity\n1,5,1\n", ":1: symbol: there is no such column, and no symbol is given"),
        ("time_ms,symbol,price\n1,AAPL,5\n", ":1: columns 'time_ms', 'symbol', 'price' are none of a market's"),
        ("", ":1: columns none are none of a market's"),
        ("time_ms,symbol,price,quantity,side\n1,AAPL,5,1,UP\n", ":2: side: 'UP' must be BUY or SELL"),
        ("time_ms,symbol,price,quantity\n1,AAPL,5,0\n", ":2: quantity: 0 must be from 1 to"),
        (f'{QUOTES}1,"AAPL,1,5,2,5\n', "unexpected end of data"),
    ],
)  # fmt: skip
def test_a_row_that_cannot_be_used_is_said_with_file_line_column_and_value(
    tmp_path: Path, text: str, words: str
) -> None:
    path = write(tmp_path, text)
    quotes = write(tmp_path, f"{QUOTES}9,AAPL,1,5,2,5\n", "quotes.csv")  # so that trades are prints
    with pytest.raises(FeedError) as told:
        happenings(path, quotes)
    assert str(told.value).startswith(str(path)) and words in str(told.value)


def test_there_has_to_be_such_a_file(tmp_path: Path) -> None:
    with pytest.raises(FeedError, match=r"none\.csv: there is no such file"):
        happenings(tmp_path / "none.csv")


def test_sizes_are_rounded_down_where_that_is_asked_for(tmp_path: Path) -> None:
    path = write(tmp_path, f"{QUOTES}1,AAPL,1,5.9,2,0.5\n")
    [found] = said(happenings(path, round_sizes=True))
    assert (found.bid_qty, found.ask_px, found.ask_qty) == (5, None, 0)  # type: ignore[union-attr]


def test_parquet_is_read_as_exactly_as_it_was_written(tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    path = tmp_path / "quotes.parquet"
    duckdb.sql(
        "SELECT TIMESTAMPTZ '2024-08-09 00:00:00+00' + INTERVAL (i) SECONDS AS time, 'AAPL' AS symbol, "
        "CAST(190.10 + i AS DOUBLE) AS bid_px, 5 AS bid_qty, CAST(190.12 + i AS DECIMAL(9, 2)) AS ask_px, 5 AS ask_qty "
        "FROM range(3) t(i)"
    ).write_parquet(str(path))
    found = said(happenings(path))
    assert found == [a_quote(1_723_161_600_000 + 1000 * i, f"{190 + i}.10", f"{190 + i}.12", 5) for i in range(3)]
    bad = tmp_path / "bad.parquet"
    duckdb.sql("SELECT 1 AS time_s, 'AAPL' AS symbol, 0.1::DOUBLE + 0.2 AS price, 1 AS quantity").write_parquet(
        str(bad)
    )
    with pytest.raises(FeedError, match=r"bad\.parquet: row 1: price: 0\.30000000000000004 is not a whole multiple"):
        happenings(bad)
    bad.write_bytes(b"PAR1 and nothing more")
    with pytest.raises(FeedError, match=r"bad\.parquet: "):
        happenings(bad)


LOBSTER = "AAPL_2012-06-21_34200000_57600000_message_1.csv"
MESSAGES = """\
34200.004241176,1,11,18,5853300,1
34200.1,1,12,200,5859400,-1
34200.2,1,13,5,5853400,1
34200.3,4,12,50,5859400,-1
34200.4,3,13,5,5853400,1
34200.5,5,0,7,5855000,1
34200.6,2,99,5,5853400,1
34200.7,7,0,0,-1,-1
"""
NEW_YORK_MS = 1_340_251_200_000
"""Midnight there."""


def test_lobster_messages_become_a_book_and_its_trades(tmp_path: Path) -> None:
    [file] = look_at([write(tmp_path, MESSAGES, LOBSTER)])
    found = said(list(market_of([file], INSTRUMENTS, Options())))
    begin, none = NEW_YORK_MS + 34_200_000, Decimal(0)
    bid, ask = Decimal("585.33"), Decimal("585.94")
    assert found == [
        Quote(begin + 4, "AAPL", bid, Decimal(18), None, none),
        Quote(begin + 100, "AAPL", bid, Decimal(18), ask, Decimal(200)),
        Quote(begin + 200, "AAPL", Decimal("585.34"), Decimal(5), ask, Decimal(200)),
        Trade(begin + 300, "AAPL", ask, Decimal(50), "BUY"),
        Quote(begin + 300, "AAPL", Decimal("585.34"), Decimal(5), ask, Decimal(150)),
        Quote(begin + 400, "AAPL", bid, Decimal(18), ask, Decimal(150)),
        Trade(begin + 500, "AAPL", Decimal("585.5"), Decimal(7), "SELL"),
    ]
    assert dict(file.reading.passed_over) == {"message of an order from before the file": 1, "halt": 1}


def test_lobsters_own_book_is_taken_where_it_is_there(tmp_path: Path) -> None:
    path = write(tmp_path, "".join(MESSAGES.splitlines(keepends=True)[:2]), LOBSTER)
    beside = write(tmp_path, "5859400,9,5853300,18\n9999999999,0,5853300,19\n", LOBSTER.replace("message", "orderbook"))
    found = said(happenings(path))
    assert [(each.bid_qty, each.ask_px) for each in found] == [(18, Decimal("585.94")), (19, None)]  # type: ignore[union-attr]
    beside.write_text("5859400,9,5853300,18\n")
    with pytest.raises(FeedError, match=r"orderbook_1\.csv: ends with line 1, and the file that goes with it does not"):
        happenings(path)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("34200.1,1,12,200,5859401,-1", "price: 585.9401 is not a whole multiple of tick_size"),
        ("noon,1,12,200,5859400,-1", "time: 'noon' must be seconds after midnight"),
        ("34199,1,12,200,5859400,-1", "time: 34199 is before that of the line before it"),
        ("34200.1,9,12,200,5859400,-1", "type: 9 must be from 1 to 7"),
        ("34200.1,1,12,200,5859400,0", "direction: 0 must be 1 or -1"),
        ("34200.1,1,12,x,5859400,1", "size: 'x' must be a whole number"),
        ("34200.1,1,12", "must have the columns time, type, order id, size, price, direction, got 3"),
    ],
)
def test_a_message_that_cannot_be_used_is_said(tmp_path: Path, line: str, words: str) -> None:
    path = write(tmp_path, f"{MESSAGES.splitlines()[0]}\n{line}\n", LOBSTER)
    with pytest.raises(FeedError) as told:
        happenings(path)
    assert f"{LOBSTER}:2: " in str(told.value) and words in str(told.value)


def test_a_capture_is_known_by_its_lines_and_has_to_be_in_order(tmp_path: Path) -> None:
    ticker = '{"u":1,"s":"BTCUSDT","b":"61685.99000000","B":"1.25869000","a":"61686.00000000","A":"2.44816000"}'
    path = write(tmp_path, f"1723161600000000000 {ticker}\n1723161600000000001 {ticker}\n", "capture")
    [file] = look_at([path])
    assert file.kind == "binance" and len(happenings(path)) == 2
    path.write_text(f"1723161600000000001 {ticker}\n1723161600000000000 {ticker}\n")
    with pytest.raises(FeedError, match=r"capture:2: time: 1723161600000000000 is before the 1723161600000000001 of"):
        happenings(path)


@pytest.mark.skipif(not DATA.is_dir(), reason=f"{DATA} is not there")
def test_real_files_are_read_whole() -> None:
    found: Any = {}
    for name in ("binance_spot_btcusdt_20240809.gz", "AAPL_2012-06-21_34200000_57600000_message_10.csv"):
        [file] = look_at([DATA / name])
        found[file.kind] = (sum(1 for _ in market_of([file], INSTRUMENTS, Options())), dict(file.reading.passed_over))
    assert found["binance"] == (55_281, {"depthUpdate": 3_044})
    assert found["lobster"][0] > 600
