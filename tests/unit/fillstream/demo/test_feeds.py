"""Market files as they are: trades that are none, locked and crossed quotes, numbers that no engine takes."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from fillstream.demo.feeds import FeedError, binance, quotes_csv
from fillstream.demo.market_numbers import Listed, Moment
from fillstream.libs.common.engine.frames import COMMAND, Command, CommandType
from tests.support.terms import instrument

HEAD = "time_ns,symbol,bid_px,bid_qty,ask_px,ask_qty\n"
LISTED = {
    "AAPL": Listed(instrument(1, "0.01", "1")),
    "BTCUSDT": Listed(instrument(4, "0.01", "0.00001")),
    "CLK0": Listed(instrument(9, "0.01", "1", "1000", negative_prices=True)),
}


def commands(moments: list[Moment]) -> list[Command]:
    return [Command._make(COMMAND.unpack(moment.record)) for moment in moments]


def read(folder: Path, *rows: str) -> list[Command]:
    (folder / "quotes.csv").write_text(HEAD + "".join(f"{row}\n" for row in rows))
    return commands(list(quotes_csv(folder / "quotes.csv", LISTED)))


def trade(**fields: object) -> bytes:
    data = {"e": "trade", "E": 1, "T": 1, "s": "BTCUSDT", "t": 2, "p": "61000.00", "q": "0.5", "X": "MARKET", "m": True}
    return b"1723161600200000000 " + orjson.dumps({"stream": "btcusdt@trade", "data": {**data, **fields}}) + b"\n"


def test_a_trade_that_did_not_take_place_is_passed_over(tmp_path: Path) -> None:
    """Binance sends them now and then: https://github.com/nkaz001/hftbacktest/issues/263."""
    file = tmp_path / "capture.txt"
    file.write_bytes(trade() + trade(p="0", q="0", X="NA") + trade(p="61000.01"))
    assert [c.price for c in commands(list(binance(file, LISTED)))] == [6_100_000, 6_100_001]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"q": "0"}, "q: 0 must be from 1 to 1000000000000000 lots of 0.00001"),
        ({"q": "-1"}, "q: -1 must be from 1 to"),
        ({"p": "0"}, "p: 0 must be above 0, or the instrument have negative_prices"),
    ],
)
def test_a_trade_that_no_engine_takes_is_named_by_its_line(tmp_path: Path, fields: dict[str, str], words: str) -> None:
    file = tmp_path / "capture.txt"
    file.write_bytes(trade() + trade(**fields))
    with pytest.raises(FeedError, match=r"capture\.txt:2: ") as refused:
        list(binance(file, LISTED))
    assert words in str(refused.value)


def test_locked_and_crossed_quotes_say_what_the_market_was(tmp_path: Path) -> None:
    """481 of 27 409 one-second quotes of SPY on 7 October 2013 are locked: QuantConnect/Lean/issues/2762."""
    told = read(tmp_path, "1,AAPL,189.99,100,190.01,200", "2,AAPL,190.01,100,190.01,200", "3,AAPL,190.02,1,190.01,2")
    assert [(c.type, c.price, c.aux_price) for c in told] == [
        (CommandType.QUOTE, 18999, 19001),
        (CommandType.QUOTE, 19001, 19001),
        (CommandType.QUOTE, 19002, 19001),
    ]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("2,AAPL,189.99,-5,190.01,200", "bid_qty: -5 must be from 0 to 1000000000000000 lots of 1"),
        ("2,AAPL,189.99,5,190.01,1000000000000001", "ask_qty: 1000000000000001 must be from 0 to"),
        ("2,BTCUSDT,189.99,5,190.01,10000000000.00001", "ask_qty: 10000000000.00001 must be from 0 to"),
        ("2,AAPL,46116860184273879.04,5,46116860184273879.05,1", "bid_px: 46116860184273879.04 must be from -4611686"),
        ("2,AAPL,0.00,5,190.01,1", "bid_px: 0.00 must be above 0, or the instrument have negative_prices"),
        ("2,AAPL,-1.00,5,190.01,1", "bid_px: -1.00 must be above 0"),
    ],
)
def test_a_quote_that_no_engine_takes_is_named_by_its_line(tmp_path: Path, row: str, words: str) -> None:
    with pytest.raises(FeedError, match=r"quotes.csv:3: ") as refused:
        read(tmp_path, "1,AAPL,189.99,100,190.01,200", row)
    assert words in str(refused.value)


def test_prices_below_0_are_prices_of_an_instrument_that_has_them(tmp_path: Path) -> None:
    [quote] = read(tmp_path, "1,CLK0,-37.64,5,0.00,5")
    assert (quote.price, quote.aux_price) == (-3764, 0)


def test_the_price_of_a_side_that_is_not_there_says_nothing(tmp_path: Path) -> None:
    [quote] = read(tmp_path, "1,AAPL,0,0,190.01,5")
    assert (quote.price, quote.qty, quote.aux_price) == (0, 0, 19001)
