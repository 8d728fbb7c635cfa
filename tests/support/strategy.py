"""A strategy as a process of its own, which buys one of whatever is predicted.

`python -m tests.support.strategy URL NAME`
"""

from __future__ import annotations

import asyncio
import sys

from fillstream.trading import EventBus, EventCondition, OrderAction, PredictionSignalEvent, Rule, RuleEngine


async def main(url: str, consumer: str) -> None:
    async with EventBus(url, consumer=consumer, after="0") as bus:
        engine = RuleEngine(bus)
        engine.register_rule(Rule("buys", "Buys", EventCondition(PredictionSignalEvent), OrderAction(quantity=1)))
        await engine.start()
        await bus.run()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
