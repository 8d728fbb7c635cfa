"""What an instrument's terms say of where its orders go."""

from __future__ import annotations

from decimal import Decimal

import pytest

from fillstream.libs.common.messages.topology import Topology, stable_partition
from fillstream.services.order_service.orders.compiled import Terms
from tests.support.terms import instrument


@pytest.mark.parametrize("symbol", ["AAPL", "BTCUSDT", "ES"])
def test_a_symbols_commands_go_to_the_partition_that_has_its_book(symbol: str) -> None:
    terms = Terms(symbol, instrument(1, Decimal("0.01"), Decimal(1)), Topology(symbol_partitions=7))
    assert terms.commands == f"commands.SIM.{stable_partition(symbol, 7)}"
