"""How tables are made to fit: nothing is cut off without a sign."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from fillstream.tools.render import print_table, wrapped

COLUMNS = ("time", "account", "order_id", "symbol", "avg_px", "fees")
ROWS = [
    ["2025-11-21T02:40:00.123Z", "default", "1", "AAPL", "190.051724137931", None],
    ["2025-11-21T02:40:01.000Z", "default", "22", "BTCUSDT", "-0.000012345678", None],
]


def printed(
    width: int, columns: tuple[str, ...] = COLUMNS, rows: list[list[Any]] = ROWS, spare: tuple[str, ...] = ()
) -> list[str]:
    out = Console(width=width, highlight=False)
    with out.capture() as capture:
        print_table(out, "orders", columns, rows, spare)
    return [line.rstrip() for line in capture.get().splitlines()]


def test_a_table_that_fits_stays_whole() -> None:
    assert printed(90) == [
        "orders",
        "time                     account  order_id  symbol             avg_px  fees",
        "2025-11-21 02:40:00.123  default         1  AAPL     190.051724137931  -",
        "2025-11-21 02:40:01.000  default        22  BTCUSDT   -0.000012345678  -",
    ]


def test_the_date_goes_first_and_then_long_tails_of_digits_which_shows() -> None:
    assert printed(62) == [
        "orders, 2025-11-21 UTC",
        "time          account  order_id  symbol         avg_px  fees",
        "02:40:00.123  default         1  AAPL        190.0517…  -",
        "02:40:01.000  default        22  BTCUSDT  -0.00001234…  -",
    ]


def test_headings_are_broken_and_spare_columns_go_the_empty_ones_unsaid() -> None:
    assert printed(50, spare=("account", "fees")) == [
        "orders, 2025-11-21 UTC",
        "              order_                   avg_",
        "time              id  symbol             px",
        "02:40:00.123       1  AAPL        190.0517…",
        "02:40:01.000      22  BTCUSDT  -0.00001234…",
        "no room for account: a wider terminal has it, and",
        "--json",
    ]
    assert "fees" not in "\n".join(printed(57, spare=("account", "fees")))


def test_what_cannot_fit_is_printed_a_line_for_each_value() -> None:
    assert printed(20, ("n", "n"), [["1234567890", "abcdefghijklmnop"], [None, "[red]"]]) == [
        "orders", "row 1", "  n  1234567890", "  n  abcdefghijklmnop", "row 2", "  n  -", "  n  [red]",
    ]  # fmt: skip


def test_lines_have_room_for_the_spare_ones_too() -> None:
    lines = printed(20, ("limit", "spare", "since"), [["x" * 30, "kept", "2025-11-21T02:40:00.123Z"]], ("spare",))
    assert lines[-3:] == ["  limit  " + "x" * 30, "  spare  kept", "  since  02:40:00.123"]


def test_prose_goes_on_in_the_next_line_and_nothing_of_it_is_lost() -> None:
    lines = printed(50, ("id", "text"), [["1763692800000-0", "side: 'HOLD' must be BUY or SELL, " * 2]])
    assert all(len(line) <= 50 for line in lines)
    assert "1763692800000-0" in lines[2]
    assert " ".join(line[17:].strip() for line in lines[2:]) == ("side: 'HOLD' must be BUY or SELL, " * 2).strip()


def test_a_path_and_a_pattern_go_on_behind_their_separators() -> None:
    path = "/srv/some-desk/of-a-team/logs/matching_engine.log"
    lines = printed(58, ("what", "log", "text"), [["engine", path, "must match ^[A-Za-z0-9]$"]])
    assert all(len(line) <= 58 for line in lines)
    shown = [line[8:] for line in lines[2:]]
    assert [line.split("  ")[0].strip() for line in shown] == [
        "/srv/some-desk/of-a-",
        "team/logs/matching_",
        "engine.log",
    ]
    assert wrapped("a" * 25, 10) == ["a" * 10, "a" * 10, "a" * 5], "only a word without one is cut"


def test_times_of_several_days_keep_their_dates() -> None:
    lines = printed(22, ("time", "n"), [["2025-11-21 23:59:59.000", 1], ["2025-11-22 00:00:00.000", 2]])
    assert [line for line in lines if "time" in line] == [
        "  time  2025-11-21 23:59:59.000", "  time  2025-11-22 00:00:00.000",
    ]  # fmt: skip


def test_a_table_without_rows_keeps_its_headings() -> None:
    assert printed(60, rows=[]) == ["orders", "time  account  order_id  symbol  avg_px  fees"]
