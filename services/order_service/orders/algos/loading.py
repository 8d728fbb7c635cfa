"""Loads algorithms of one's own: the modules that `execution.algorithms` names.

Flows in: names of modules. Flows out: what they registered, in `ALGORITHMS`; a sentence for each that cannot be used.
Never loads one twice, and never goes on without one: an order that it works could not be folded.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module

from fillstream.services.order_service.orders.algos import ALGORITHMS


def load_algorithms(modules: Iterable[str]) -> list[str]:
    """Import modules that register algorithms; return a sentence for each that cannot be used, naming it."""
    return [f"execution.algorithms: {module}: {text}" for module in modules if (text := _wrong(module))]


def _wrong(module: str) -> str | None:
    """Import a module; return what is wrong with it, None of one that registered an algorithm."""
    try:
        import_module(module)
    except ModuleNotFoundError as error:
        return f"{error}; install its package, or name its folder in PYTHONPATH, for every process of the desk"
    except (Exception, SystemExit) as error:
        said = " ".join(str(error).split())
        return f"it does not import: {type(error).__name__}: {said}"
    if not any(_is_of(each.plan.__module__, module) for each in ALGORITHMS.values()):
        return "it registers no algorithm; a function of it needs @algorithm (docs/algorithms.md)"
    return None


def _is_of(name: str, module: str) -> bool:
    """Whether a module is another, or within that package."""
    return name == module or name.startswith(f"{module}.")
