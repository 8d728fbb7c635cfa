"""A seeded flow of everything people can say: names and books agree after each command, and callbacks hear it all."""

import random
from collections.abc import Callable

import pytest

import fillstream
from fillstream import OrderFlag, OrderUpdate, Session, Status, Stp, TradeReport

NAMES = 60


class Listener:
    """What is open by client id, as callbacks alone tell."""

    def __init__(self) -> None:
        self.open: dict[str | int, int] = {}

    def note(self, told: OrderUpdate | TradeReport) -> None:
        self.open[told.client_id] = told.leaves
        if not told.leaves:
            del self.open[told.client_id]


def order(dice: random.Random, engine: fillstream.Engine, symbol: str, price: int, now_ms: int) -> object:
    terms = dice.choice(
        [
            {},
            {},
            {"tif": dice.choice(["IOC", "FOK"])},
            {"stop_price": dice.randrange(-5, 6)},
            {"display": 1},
            {"flags": dice.choice([OrderFlag.ALL_OR_NONE, OrderFlag.POST_ONLY])},
            {"expiry_ms": now_ms + dice.randrange(1, 9)},
        ]
    )
    side, lots, name = dice.choice(["BUY", "SELL"]), dice.randrange(1, 6), dice.randrange(NAMES)
    owner = {"account": dice.choice([1, 2]), "stp": dice.choice(list(Stp))}
    if dice.random() < 0.1:
        return engine.submit_order(symbol, side, None, lots, name, **owner, offset=2)
    return engine.submit_order(symbol, side, price, lots, name, **owner, **terms)


def say(dice: random.Random, engine: fillstream.Engine, now_ms: int) -> object:
    """One command of any kind."""
    symbol, price, name = dice.choice("ABC"), dice.randrange(-5, 6), dice.randrange(NAMES)
    commands: dict[Callable[[], object], int] = {
        lambda: order(dice, engine, symbol, price, now_ms): 50,
        lambda: engine.cancel_order(name): 12,
        lambda: engine.replace_order(name, price): 8,
        lambda: engine.replace_order(name, qty=dice.randrange(1, 9), open_qty=dice.random() < 0.5): 8,
        lambda: engine.replace_order(name, stop_price=price): 3,
        lambda: engine.quote(symbol, price, 2, price + 1, 2): 4,
        lambda: engine.print_trade(symbol, "BUY", price, 3): 4,
        lambda: engine.set_session(symbol, dice.choice([*Session, Session.CONTINUOUS, Session.CONTINUOUS])): 2,
        lambda: engine.set_time(now_ms): 4,
        lambda: engine.mass_cancel(symbol=symbol, account=1): 1,
        lambda: engine.set_bands(symbol, -3, 4): 1,
        lambda: engine.clear_bands(symbol): 2,
        lambda: engine.restore(engine.snapshot()): 1,
    }
    return dice.choices(list(commands), list(commands.values()))[0]()


@pytest.mark.parametrize("seed", range(3))
def test_names_and_books_agree_whatever_happens(seed: int) -> None:
    dice, ears, now_ms, done = random.Random(seed), Listener(), 1, 0
    engine = fillstream.Engine(40, on_order_update=ears.note, on_trade_confirmation=ears.note)
    for _ in range(4000):
        now_ms += dice.randrange(2)
        try:
            result = say(dice, engine, now_ms)
            done += getattr(result, "status", Status.REJECTED) is not Status.REJECTED
        except (KeyError, ValueError):  # a name in use or unknown, a term that does not fit: nothing was done
            pass
        engine.validate()
        assert engine.orders() == len(ears.open)
    assert {each: engine.find(each).leaves for each in ears.open} == ears.open
    assert done > 1000
