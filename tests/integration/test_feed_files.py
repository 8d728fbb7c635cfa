"""`fillstream feed` of files as recorders and exporters leave them: cut, packed, encoded, noisy (H04, H09, H11)."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import redis

from fillstream.demo.feeds import binance, quotes_csv
from fillstream.demo.market_files import EndsEarly, FeedError, Reading
from fillstream.demo.market_numbers import listed
from fillstream.libs.common.engine.frames import Command, CommandType, commands
from fillstream.libs.common.messages.topology import SIM, Topology
from fillstream.libs.common.process.settings import load_settings

COMMANDS = Topology(1, 1).commands(SIM, 0)
INSTRUMENTS = listed(load_settings().instruments)
HEAD = "time_ns,symbol,bid_px,bid_qty,ask_px,ask_qty\n"


def quote(number: int, symbol: str = "BTCUSDT", size: str = "1.0", price: str = "60999.99") -> str:
    data = {"u": number, "s": symbol, "b": price, "B": size, "a": "61000.01", "A": "2.0"}
    return f"{1_723_161_600_000_000_000 + number} " + json.dumps({"stream": "x", "data": data}) + "\n"


def row(number: int, symbol: str = "BTCUSDT", size: str = "1", price: str = "60999.99") -> str:
    return f"{1_522_800_060_000_000_000 + number},{symbol},{price},{size},61000.01,2\n"


def feed(redis_url: str, *words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "fillstream", "feed", *map(str, words)],
        env={**os.environ, "REDIS_URL": redis_url}, capture_output=True, text=True, check=False,
    )  # fmt: skip


def published(client: redis.Redis) -> list[Command]:
    entries: Any = client.xrange(COMMANDS)
    return [Command._make(each) for _, fields in entries for each in commands(fields[b"frame"])]


# --------------------------------------------------------------------------------------------------- lines of a capture

OTHERS = [
    '1723161599000000000 {"result":null,"id":1}\n',
    '1723161599000000000 {"error":{"code":2,"msg":"x"},"id":1}\n',
    '1723161599500000000 {"lastUpdateId":1027024,"bids":[["4.00","431.00"]],"asks":[["4.02","12.00"]]}\n',
    '1723161599500000000 {"stream":"x","data":{"e":"depthUpdate","u":2,"s":"OTHER","b":[],"a":[]}}\n',
    '1723161599500000000 {"stream":"!ticker@arr","data":[]}\n',
    "1723161599500000000 [1]\n",
    "\n",
    "  \r\n",
]


def test_lines_of_other_kinds_are_passed_over_and_counted(client: redis.Redis, redis_url: str, tmp_path: Path) -> None:
    raw = '1723161600300000000 {"u":2,"s":"BTCUSDT","b":"60999.98","B":"1.0","a":"61000.01","A":"2.0"}\n'
    trade = '1723161600300000000 {"e":"trade","s":"BTCUSDT","p":"61000.01","q":"0.5","m":false}\n'
    file = tmp_path / "capture"
    file.write_text("".join([*OTHERS, quote(1), *OTHERS, raw, trade]))
    told = feed(redis_url, "binance", file, "--json")
    assert (told.returncode, told.stderr) == (0, "")
    passed_over = {"answer": 4, "snapshot": 2, "depthUpdate": 2, "other": 4, "blank": 4}
    assert json.loads(told.stdout) == {"records": 3, "passed_over": passed_over}
    assert [each.type for each in published(client)] == [CommandType.QUOTE, CommandType.QUOTE, CommandType.PRINT]
    shown = feed(redis_url, "binance", file)
    assert "3 quotes and trades published" in shown.stdout
    assert "4 answer, 4 other, 4 blank, 2 snapshot, 2 depthUpdate" in shown.stdout


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (quote(2, symbol="DOGEUSDT"), "symbol: DOGEUSDT is not configured"),
        (
            quote(2, price="189.99000549316406"),
            "b: 189.99000549316406 is not a whole multiple of tick_size 0.01; a price",
        ),
        (
            quote(2, size="1.4758166499999998"),
            "B: 1.4758166499999998 is not a whole multiple of lot_size 0.00001; --round",
        ),
        ('{"u":1}\n', "must be a time in nanoseconds, a space and JSON"),
        ('12:00 {"u":1}\n', "time: '12:00' is no whole number of nanoseconds"),
        ('1 {"u":1,"A":"1","s":"BTCUSDT"}\n', "b: is missing"),
        ('1 {"u":1,"A":"1"}\n', "s: is missing"),
        ('1 {"u":1,"A":1.5,"s":"BTCUSDT","b":"1","B":"1","a":"2"}\n', "A: 1.5 must be text"),
        ('1 {"u":1,"A":"1","s":[],"b":"1","B":"1","a":"2"}\n', "s: a list must be text"),
    ],
)
def test_what_is_wrong_with_a_line_is_told_before_anything_is_published(
    client: redis.Redis, redis_url: str, tmp_path: Path, line: str, says: str
) -> None:
    file = tmp_path / "capture"
    file.write_text(quote(1) + line + quote(3))
    told = feed(redis_url, "binance", file)
    assert told.returncode == 2
    assert f"{file}:2: {says}" in " ".join(told.stderr.split())
    assert told.stderr.strip().endswith("nothing is published")
    assert published(client) == []


def test_lines_behind_those_that_are_asked_for_are_not_looked_at(
    client: redis.Redis, redis_url: str, tmp_path: Path
) -> None:
    file = tmp_path / "capture"
    file.write_text(quote(1) + quote(2) + quote(3, symbol="DOGEUSDT"))
    assert feed(redis_url, "binance", file, "--count", "2").returncode == 0
    assert len(published(client)) == 2


# ---------------------------------------------------------------------------------------------- cut, packed and encoded


@pytest.mark.parametrize("name", ["capture.gz", "capture"])
def test_of_a_file_that_is_cut_off_all_that_can_be_read_is_published(
    client: redis.Redis, redis_url: str, tmp_path: Path, name: str
) -> None:
    file = tmp_path / name
    whole = gzip.compress("".join(map(quote, range(4000))).encode())
    file.write_bytes(whole[:-20])
    told = feed(redis_url, "binance", file)
    assert told.returncode == 2
    records = published(client)
    assert 3_000 < len(records) <= 4_000
    said = " ".join(told.stderr.split())
    assert said.startswith(f"{file}: ends early, after line {len(records)}: its gzip data is cut off or damaged")
    assert f"{len(records):,} quotes and trades before it are published" in said
    assert "Aborted" not in said + told.stdout


def test_a_plain_capture_that_ends_within_a_line_is_published_up_to_there(
    client: redis.Redis, redis_url: str, tmp_path: Path
) -> None:
    file = tmp_path / "capture"
    file.write_text(quote(1) + quote(2) + quote(3)[:-30])
    told = feed(redis_url, "binance", file)
    assert told.returncode == 2
    assert "it ends in the middle of a line; 2 quotes and trades before it are published" in told.stderr
    assert len(published(client)) == 2


def test_a_cut_file_of_quotes_keeps_every_whole_row(client: redis.Redis, redis_url: str, tmp_path: Path) -> None:
    file = tmp_path / "quotes.csv.gz"
    file.write_bytes(gzip.compress((HEAD + "".join(map(row, range(3000)))).encode())[:-20])
    told = feed(redis_url, file)
    assert told.returncode == 2
    assert f"{len(published(client)):,} quotes and trades before it are published" in told.stderr
    assert len(published(client)) > 2_000


@pytest.mark.parametrize("name", ["capture.gz", "CAPTURE.GZ", "capture", "capture.txt"])
@pytest.mark.parametrize("packed", [True, False])
def test_a_name_says_nothing_about_what_is_in_it(tmp_path: Path, name: str, packed: bool) -> None:
    file = tmp_path / name
    text = (quote(1) + quote(2)).encode()
    file.write_bytes(gzip.compress(text) if packed else text)
    assert len(list(binance(file, INSTRUMENTS))) == 2


@pytest.mark.parametrize("name", ["quotes.csv", "QUOTES.CSV", "quotes.csv.gz", "Quotes.CSV.GZ"])
def test_files_of_quotes_are_known_by_their_names_in_any_case(redis_url: str, tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    text = ("\ufeff" + HEAD + row(1)).encode()
    file.write_bytes(gzip.compress(text) if name.lower().endswith("gz") else text)
    told = feed(redis_url, file, "--json")
    assert (told.returncode, json.loads(told.stdout)["records"]) == (0, 1)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ((HEAD + row(1)).encode("utf-16"), ": is UTF-16, it must be UTF-8"),
        ((HEAD + row(1) + row(2, symbol="caf\xe9")).encode("latin-1"), ":3: byte 0xe9 is not UTF-8"),
        (b"PK\x03\x04" + bytes(50), ": is a zip file; it must be plain text, or gzip"),
        (b"\x28\xb5\x2f\xfd" + bytes(50), ": is a Zstandard file"),
        (b"PAR1" + bytes(50), ": is a Parquet file"),
        (b"", ":1: columns "),
        ((HEAD + row(1) + "2,BTCUSDT,1\n").encode(), ":3: bid_qty: is missing"),
        ((HEAD + row(1).replace("152280", "x")).encode(), ":2: time_ns: 'x0060000000001' is no whole number"),
        ((HEAD + row(1, price="189.99000549316406")).encode(), ":2: bid_px: 189.99000549316406 is not a whole"),
        ((HEAD + row(1, size="1.4758166499999998")).encode(), ":2: bid_qty: 1.4758166499999998 is not a whole"),
        ((HEAD + row(1) + "x" * 200_000 + "\n").encode(), ":3: field larger than field limit"),
    ],
)
def test_a_file_that_is_something_else_is_told_in_a_sentence(
    client: redis.Redis, redis_url: str, tmp_path: Path, data: bytes, says: str
) -> None:
    file = tmp_path / "quotes.csv"
    file.write_bytes(data)
    told = feed(redis_url, file)
    assert told.returncode == 2
    assert f"{file}{says}" in " ".join(told.stderr.split())
    assert "Traceback" not in told.stderr
    assert published(client) == []


def test_damage_within_a_packed_file_ends_it_there(tmp_path: Path) -> None:
    file = tmp_path / "capture.gz"
    good = gzip.compress("".join(map(quote, range(4000))).encode())
    for at in range(20, len(good), len(good) // 15):
        data = bytearray(good)
        data[at] ^= 0x41
        file.write_bytes(data)
        with pytest.raises(FeedError, match=str(file)):  # never another error
            list(binance(file, INSTRUMENTS))


# ----------------------------------------------------------------------------------------------------- sizes with noise


def test_sizes_are_rounded_down_to_lots_where_that_is_asked_for(
    client: redis.Redis, redis_url: str, tmp_path: Path
) -> None:
    file = tmp_path / "quotes.csv"
    file.write_text(
        HEAD + row(1, size="1.4758166499999998") + row(2, size="0.031035000000000004") + row(3, size="0.000001")
        + row(4, size="1e-320") + row(5, size="0.1000000000000000055511151231257827021181583404541015625")
    )  # fmt: skip
    told = feed(redis_url, file, "--round-sizes", "--json")
    assert (told.returncode, told.stderr) == (0, "")
    bids = [(each.price, each.qty) for each in published(client)]
    assert bids == [(6_099_999, 147_581), (6_099_999, 3_103), (0, 0), (0, 0), (6_099_999, 10_000)]


def test_a_trade_below_a_lot_is_passed_over_and_counted(tmp_path: Path) -> None:
    file = tmp_path / "capture"
    trade = '1 {{"e":"trade","s":"BTCUSDT","p":"61000.01","q":"{}","m":true}}\n'
    file.write_text(trade.format("0.000001") + trade.format("0.000019999999999"))
    reading = Reading(round_sizes=True)
    [moment] = binance(file, INSTRUMENTS, reading)
    assert Command._make(next(commands(moment.record))).qty == 1
    assert reading.passed_over == {"trade below a lot": 1}


@pytest.mark.parametrize("size", ["-1", "NaN", "Infinity", "x", "", "1e30", "9" * 500])
def test_what_is_no_size_is_refused_all_the_same(tmp_path: Path, size: str) -> None:
    file = tmp_path / "quotes.csv"
    file.write_text(HEAD + row(1, size=size))
    with pytest.raises(FeedError, match=f"{file}:2: bid_qty: "):
        list(quotes_csv(file, INSTRUMENTS, Reading(round_sizes=True)))


def test_prices_are_never_rounded(tmp_path: Path) -> None:
    file = tmp_path / "quotes.csv"
    file.write_text(HEAD + row(1, price="189.99000549316406"))
    with pytest.raises(FeedError, match="a price is never rounded"):
        list(quotes_csv(file, INSTRUMENTS, Reading(round_sizes=True)))


def test_a_file_that_ends_early_is_no_bad_line(tmp_path: Path) -> None:
    file = tmp_path / "capture"
    file.write_text(quote(1) + quote(2, symbol="DOGEUSDT").rstrip())
    with pytest.raises(FeedError) as caught:
        list(binance(file, INSTRUMENTS))
    assert not isinstance(caught.value, EndsEarly)
