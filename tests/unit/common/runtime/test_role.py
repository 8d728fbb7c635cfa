"""A stage's place in the house as its process gets it: keys to look at."""

from __future__ import annotations

from fillstream.libs.common.messages.topology import Topology
from fillstream.libs.common.runtime.role import Downstream, role_of
from fillstream.libs.common.runtime.stage import configuration_of, latencies_of
from fillstream.services.position_service.stage import PositionStage
from tests.support.adder import Adder
from tests.support.orders import OrdersDesk

TOPOLOGY = Topology(account_partitions=2, symbol_partitions=2, prefix="desk:")


def test_the_orders_stage_waits_for_positions_and_every_book() -> None:
    role = role_of(OrdersDesk(topology=TOPOLOGY, partition=1).stage, TOPOLOGY, ("analytics",))
    assert role.downstream == [
        Downstream("desk:events.{a1}", "desk:checkpoint.positions.{a1}"),
        Downstream("desk:commands.SIM.{s0}", "desk:checkpoint.engine.SIM.{s0}"),
        Downstream("desk:commands.SIM.{s1}", "desk:checkpoint.engine.SIM.{s1}"),
    ]
    assert role.trims == {"desk:orders.{a1}": ("orders",)}


def test_what_a_reader_of_the_map_has_yet_to_read_is_kept_where_the_desk_has_it() -> None:
    stage = PositionStage(0)
    held = {"desk:events.{a0}": ("positions", "analytics"), "desk:positions.{a0}": ("analytics",)}
    assert role_of(stage, TOPOLOGY, ("analytics",)).trims == held
    assert role_of(stage, TOPOLOGY, ()).trims == {"desk:events.{a0}": ("positions",), "desk:positions.{a0}": ()}


def test_a_stage_says_by_what_it_has_whether_it_is_configured_and_times_fills() -> None:
    orders, adder = OrdersDesk().stage, Adder()
    assert latencies_of(orders) is orders.latencies_ms
    assert configuration_of(adder) is None
    assert (latencies_of(PositionStage(0)), configuration_of(PositionStage(0))) == (None, None)
