"""Names and places that data is written under: another version must find them where this one left them."""

from __future__ import annotations

import pytest

from fillstream.libs.common.messages.topology import (
    Topology,
    id_key,
    id_ms,
    order_id_of,
    partition_of_order_id,
    stable_partition,
)


def test_every_stream_has_its_name_with_the_prefix_before_it() -> None:
    at = Topology(prefix="desk1:")
    assert [at.signals, at.dead] == ["desk1:signals", "desk1:dead"]
    assert [name(2) for name in (at.orders, at.events, at.positions, at.commands, at.market)] == [
        "desk1:orders.{2}", "desk1:events.{2}", "desk1:positions.{2}", "desk1:commands.{2}", "desk1:market.{2}",
    ]  # fmt: skip
    assert at.checkpoint("orders", 2) == "desk1:checkpoint.orders.{2}"
    assert at.status("orders", 2) == "desk1:status.orders.{2}"


def test_by_default_there_is_one_partition_and_no_prefix() -> None:
    at = Topology()
    assert (at.signals, at.orders(0)) == ("signals", "orders.{0}")
    assert (at.account_partition("default"), at.symbol_partition("AAPL")) == (0, 0)


@pytest.mark.parametrize(
    ("name", "count", "partition"),
    [("123456789", 2**32, 0xCBF43926), ("default", 1, 0), ("default", 2, 1), ("AAPL", 7, 5), ("ü", 5, 4)],
)
def test_a_names_partition_is_its_crc_32_for_ever(name: str, count: int, partition: int) -> None:
    """The first is the check value that CRC catalogues give."""
    assert stable_partition(name, count) == partition


def test_accounts_and_symbols_are_partitioned_each_by_its_own_count() -> None:
    at = Topology(account_partitions=2, symbol_partitions=7)
    assert (at.account_partition("default"), at.symbol_partition("default")) == (1, stable_partition("default", 7))


def test_an_order_id_says_where_it_belongs() -> None:
    assert order_id_of(0, 1) == 1
    assert order_id_of(3, 5) == 3 * 2**48 + 5
    assert partition_of_order_id(order_id_of(3, 2**48 - 1)) == 3


def test_ids_sort_by_number_and_a_sequence_may_be_left_out() -> None:
    assert id_key("10-2") > id_key("9-11") > id_key("9-2") > id_key("9") == (9, 0)
    assert (id_ms("1700000000000-5"), id_ms("17")) == (1_700_000_000_000, 17)
