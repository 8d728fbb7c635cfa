"""Makes the folds of the order service; where they stand in the house, `libs.common.messages.stages` knows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from fillstream.libs.common.messages.calendar import Calendars
from fillstream.libs.common.process.calendars.source import Source, for_orders
from fillstream.libs.common.process.settings import Settings, SettingsError
from fillstream.libs.common.runtime.stage import Stage
from fillstream.services.order_service.orders.algos.loading import load_algorithms
from fillstream.services.order_service.orders.config import DeskConfig
from fillstream.services.order_service.orders.routing.routes import wrong_policies
from fillstream.services.order_service.orders.stage import OrdersStage
from fillstream.services.order_service.signals.stage import SignalsStage


def desk_config(settings: Settings) -> DeskConfig:
    """Return what decisions depend on, as it will travel through the inbox; algorithms of one's own are loaded.

    Raises:
        SettingsError: the routing names a policy that there is not, or tells it what it does not know; a module of
            `execution.algorithms` cannot be used.
    """
    problems = [f"routing.{where}: {text}" for where, text in wrong_policies(settings.routing)]
    problems += load_algorithms(settings.execution.algorithms)
    if problems:
        raise SettingsError(problems)
    params = settings.order_params
    return DeskConfig(
        instruments=dict(settings.instruments),
        accounts=dict(settings.accounts),
        default_order_type=params.default_order_type,
        default_time_in_force=params.time_in_force,
        retention_ms=settings.order_cache.ttl * 1000 if settings.order_cache.enabled else 0,
        venue=settings.execution.venue,
        venues=dict(settings.execution.venues),
        max_quote_age_ms=settings.execution.max_quote_age_ms,
        state_holdings_every_ms=settings.execution.state_holdings_every_ms,
        execution_timeout_ms=params.execution_timeout_ms,
        aliases=dict(settings.aliases),
        routing=settings.routing,
        rules=settings.rules,
    )


def signals(settings: Settings, partition: int) -> SignalsStage:
    """Return the signals stage, which has no partitions."""
    return SignalsStage(settings.topology())


def orders(settings: Settings, partition: int, calendars: Callable[[], Calendars] | None = None) -> OrdersStage:
    """Return the orders stage of an account partition; it goes by the machine's date unless it is given calendars."""
    source = calendars or Source(partial(for_orders, settings))
    return OrdersStage(settings.topology(), partition, desk_config(settings), source)


FOLDS: Mapping[str, Callable[[Settings, int], Stage]] = {"signals": signals, "orders": orders}
