"""What a strategy is: a class, or a file of functions, that is told what happens and says what it wants.

Flows in: quotes, trades, bars, what becomes of its orders, its positions, timers. Flows out: signals, by the `Desk` it
is handed. The same file runs in a backtest and live. Never a clock of its own: `desk.now_ms` says what time it is.

    class Crossing(Strategy):
        parameters = {"quantity": 1}
        bars = "1m"

        def on_bar(self, desk, bar):
            if not desk.position(bar.symbol).quantity:
                desk.signal(bar.symbol, "BUY", desk.parameters["quantity"])
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import re
import sys
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar

from fillstream.libs.common.values.naming import NAME, shorten
from fillstream.strategy.market import Bar, BarsOf, Quote, Trade

if TYPE_CHECKING:
    from fillstream.libs.common.messages.journal import OrderFilled, PredictionReceived
    from fillstream.strategy.desk import Desk, OrderNews, PositionNews

MAX_NAME = 40
"""Characters of a strategy's name: its signals' ids begin with it."""
Value = str | int | bool | Decimal
"""Of a parameter."""


class StrategyUnusable(ValueError):
    """A strategy that cannot be loaded or told its parameters: says why."""


class Strategy:
    """What to do at each thing that happens. Each method may be left out; none is called while another one runs.

    Attributes:
        parameters: what it can be told, with what counts where it is not told.
        bars: the length of the bars that `on_bar` is told of, as `1m`; None for the data's own, if it has any.
        bars_of: of what they are made, `mid` or `trade`.
    """

    parameters: ClassVar[Mapping[str, Value]] = {}
    bars: ClassVar[str | None] = None
    bars_of: ClassVar[BarsOf] = "mid"

    def on_start(self, desk: Desk) -> None:
        """Before anything else."""

    def on_quote(self, desk: Desk, quote: Quote) -> None:
        """An instrument is quoted."""

    def on_trade(self, desk: Desk, trade: Trade) -> None:
        """Somebody has traded on the market."""

    def on_bar(self, desk: Desk, bar: Bar) -> None:
        """A bar has ended."""

    def on_fill(self, desk: Desk, fill: OrderFilled) -> None:
        """An order of the strategy's has traded."""

    def on_order(self, desk: Desk, event: OrderNews) -> None:
        """Anything else has happened to an order of the strategy's, or a signal of its was refused."""

    def on_position(self, desk: Desk, event: PositionNews) -> None:
        """A position of the strategy's account has changed."""

    def on_prediction(self, desk: Desk, prediction: PredictionReceived) -> None:
        """A prediction has come for the strategy's account, from whomever."""

    def on_timer(self, desk: Desk, name: str) -> None:
        """A timer that `Desk.timer` set has come."""

    def on_stop(self, desk: Desk) -> None:
        """After everything else."""


CALLS = tuple(name for name in vars(Strategy) if name.startswith("on_"))
"""What a strategy may have."""


def hears(strategy: Strategy, *calls: str) -> bool:
    """Whether a strategy does anything when it is called by one of these."""
    return any(getattr(type(strategy), call, None) is not getattr(Strategy, call) for call in calls)


def load_strategy(spec: str) -> type[Strategy]:
    """Return the class of `FILE.py`, `FILE.py:NAME` or `MODULE:NAME`; of a file of functions, one made of them.

    Raises:
        StrategyUnusable: there is no such file or name, it fails as it is imported, or has nothing that is called.
    """
    where, _, name = spec.rpartition(":") if ":" in spec else (spec, "", "")
    module = _module(where)
    if name:
        found = getattr(module, name, None)
        if not inspect.isclass(found):
            raise StrategyUnusable(f"strategy: {spec}: {where} has no class {name}")
        return _checked(found, spec)
    own = [
        each
        for each in vars(module).values()
        if inspect.isclass(each) and each.__module__ == module.__name__ and any(hasattr(each, call) for call in CALLS)
    ]
    if len(own) > 1:
        names = ", ".join(each.__name__ for each in own)
        raise StrategyUnusable(f"strategy: {where} has several, {names}; name one: {where}:{own[0].__name__}")
    return _checked(own[0], spec) if own else _of_functions(module, where)


def _module(where: str) -> ModuleType:
    path = Path(where)
    try:
        if path.suffix != ".py":
            return importlib.import_module(where)
        if not path.is_file():
            raise StrategyUnusable(f"strategy: {where}: there is no such file")
        name = f"fillstream_strategy_{path.stem}"
        made = importlib.util.spec_from_file_location(name, path)
        assert made is not None and made.loader is not None, "a name that ends with .py has a loader"
        module = importlib.util.module_from_spec(made)
        sys.modules[name] = module  # dataclasses and pydantic look a class's module up there
        made.loader.exec_module(module)
        return module
    except StrategyUnusable:
        raise
    except Exception as error:
        raise StrategyUnusable(f"strategy: {where} cannot be imported: {type(error).__name__}: {error}") from error


def _checked(found: type, spec: str) -> type[Strategy]:
    """Return a class as a strategy: one that is not derived from `Strategy` gets what it leaves out."""
    wrong = [name for name in vars(found) if name.startswith("on_") and name not in CALLS]
    if wrong:
        raise StrategyUnusable(f"strategy: {spec}: {', '.join(wrong)} is never called; it may have {', '.join(CALLS)}")
    made = found if issubclass(found, Strategy) else type(found.__name__, (found, Strategy), {})
    if not any(getattr(made, call) is not getattr(Strategy, call) for call in CALLS):
        raise StrategyUnusable(f"strategy: {spec}: has none of {', '.join(CALLS)}")
    return made


def _of_functions(module: ModuleType, where: str) -> type[Strategy]:
    """Return a class of a module's functions."""
    functions = {name: each for name, each in vars(module).items() if name.startswith("on_") and callable(each)}
    if not functions:
        raise StrategyUnusable(
            f"strategy: {where}: has neither a class with any of {', '.join(CALLS)} nor such functions"
        )
    said = {name: getattr(module, name) for name in ("parameters", "bars", "bars_of") if hasattr(module, name)}
    methods = {name: staticmethod(each) for name, each in functions.items()}
    return _checked(type(Path(where).stem, (Strategy,), {**said, **methods}), where)


def fresh(made: type[Strategy]) -> Strategy:
    """Return a strategy, as its class makes it without being told anything.

    Raises:
        StrategyUnusable: it does not.
    """
    try:
        return made()
    except Exception as error:
        raise StrategyUnusable(
            f"strategy: {made.__name__}() cannot be made: {type(error).__name__}: {error}"
        ) from error


def name_of(made: type[Strategy], name: str | None) -> str:
    """Return what a strategy goes by in its signals: a name that is given, else its class's.

    Raises:
        StrategyUnusable: it is no name, or too long for what signals' ids begin with.
    """
    found = name or made.__name__.lower()
    if len(found) > MAX_NAME or not re.fullmatch(NAME, found):
        raise StrategyUnusable(f"name: {shorten(found)} must be a name of at most {MAX_NAME} characters")
    return found


def parameters_of(made: type[Strategy], told: Mapping[str, Any]) -> dict[str, Value]:
    """Return a strategy's parameters: what was told, of the kind that the class declares, else what it declares.

    Raises:
        StrategyUnusable: it has no such parameter, or the value is of another kind; a float is none.
    """
    declared = dict(made.parameters)
    for name, value in told.items():
        if name not in declared:
            known = ", ".join(declared) or "none"
            raise StrategyUnusable(f"parameters: {shorten(name)} is none of {made.__name__}'s: {known}")
        declared[name] = _as(declared[name], value, name)
    return declared


_KINDS: Mapping[type, tuple[str, Callable[[str], Any]]] = {
    bool: ("true or false", lambda text: {"true": True, "false": False}[text.lower()]),
    int: ("a whole number", int),
    Decimal: ("a decimal number", Decimal),
    str: ("text", str),
}


def _as(default: Value, value: Any, name: str) -> Value:
    kind = type(default)
    if kind not in _KINDS:
        raise StrategyUnusable(f"parameters: {name}: {shorten(default)} must be text, an int, a bool or a Decimal")
    if type(value) is kind or (kind is Decimal and type(value) is int):
        return value if type(value) is kind else Decimal(value)
    what, read = _KINDS[kind]
    if isinstance(value, str):
        try:
            found: Value = read(value)
        except (KeyError, ValueError, InvalidOperation):
            pass
        else:
            if not isinstance(found, Decimal) or found.is_finite():
                return found
    raise StrategyUnusable(f"parameters: {name} must be {what}, got {shorten(value)}")
