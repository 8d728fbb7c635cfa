"""Names and places that data is written under: another version must find them where this one left them."""

from __future__ import annotations

import pytest

from fillstream.libs.common.messages.topology import (
    KINDS,
    Topology,
    id_key,
    id_ms,
    order_id_of,
    partition_of_order_id,
    stable_partition,
)


def test_every_streams_key_is_its_name_with_the_prefix_and_the_hash_tag_of_its_partition() -> None:
    at = Topology(prefix="desk1:")
    assert [at.signals, at.dead] == ["desk1:signals", "desk1:dead"]
    assert [of(2) for of in (at.orders, at.events, at.positions, at.market)] == [
        "desk1:orders.{a2}", "desk1:events.{a2}", "desk1:positions.{a2}", "desk1:market.{s2}",
    ]  # fmt: skip
    assert at.commands("SIM", 2) == "desk1:commands.SIM.{s2}"


def test_partitions_of_accounts_and_of_symbols_share_no_hash_tag() -> None:
    at = Topology()
    tags = {kind: at.key(at.names(kind)[0]).partition("{")[2] for kind, what in KINDS.items() if what.partitioned_by}
    assert tags == dict.fromkeys(("orders", "events", "positions"), "a0}") | dict.fromkeys(
        ("commands", "market"), "s0}"
    )


def test_what_a_stage_keeps_beside_its_inbox_has_the_tag_of_its_inbox() -> None:
    at = Topology(prefix="desk1:")
    assert at.checkpoint("orders", "orders.2") == "desk1:checkpoint.orders.{a2}"
    assert at.status("engine", "commands.SIM.1") == "desk1:status.engine.SIM.{s1}"
    assert at.durability("positions", "events.0") == "desk1:durability.positions.{a0}"
    assert at.checkpoint("signals", "signals") == "desk1:checkpoint.signals"
    assert at.status("analytics") == "desk1:status.analytics"


def test_what_a_desk_keeps_beside_its_streams_has_its_prefix() -> None:
    at = Topology(prefix="desk1:")
    assert [at.desk, at.recover, at.keys, at.keys_used, at.consumer("mine")] == [
        "desk1:desk", "desk1:recover", "desk1:gateway.keys", "desk1:gateway.keys.used", "desk1:consumer.mine",
    ]  # fmt: skip
    assert [at.users, at.passwords] == ["desk1:gateway.users", "desk1:gateway.users.passwords"]
    assert at.audit == "desk1:gateway.audit"
    assert at.lockout("user", "anna").startswith("desk1:gateway.lockouts.user.")
    assert "anna" not in at.lockout("user", "anna")
    assert [at.sessions, at.sessions_used] == ["desk1:gateway.sessions", "desk1:gateway.sessions.used"]


def test_every_venue_has_commands_of_its_own() -> None:
    at = Topology(symbol_partitions=2, venues=("SIM", "OTHER"))
    assert at.names("commands") == ["commands.SIM.0", "commands.SIM.1", "commands.OTHER.0", "commands.OTHER.1"]
    assert at.names("market") == ["market.0", "market.1"]
    assert at.names("signals") == ["signals"]


@pytest.mark.parametrize(
    "name",
    [
        "events", "events.{a0}", "events.0.0", "events.-1", "events.x", "events.\u0661", "signals.0", "commands.0",
        "commands.SIM", "commands.sim.0", "commands.S{M.0", "p:events.0", "other.0", "{a0}", "",
    ],
)  # fmt: skip
def test_a_key_or_half_a_name_is_no_name(name: str) -> None:
    with pytest.raises(ValueError, match=r"^stream: .* must "):
        Topology().key(name)


def test_by_default_there_is_one_partition_and_no_prefix() -> None:
    at = Topology()
    assert (at.signals, at.orders(0)) == ("signals", "orders.{a0}")
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
