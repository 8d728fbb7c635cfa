"""Rules about orders that are worked, and about exits: what their algorithms take, where their targets are.

An algorithm says itself what it takes; what is no such thing is refused by its own model's words, put into ours.
"""

from __future__ import annotations

import orjson
from pydantic import ValidationError

from fillstream.libs.common.messages.codes import RejectReason
from fillstream.libs.common.messages.packed import names_of, parameters_of, targets_of
from fillstream.libs.common.messages.sentences import sentences
from fillstream.libs.common.values.moments import text_of
from fillstream.libs.common.values.money import canonical
from fillstream.services.order_service.orders.algos import ALGORITHMS
from fillstream.services.order_service.orders.algos.algorithm import Algorithm, Parameters
from fillstream.services.order_service.orders.compiled import Terms
from fillstream.services.order_service.orders.life.special import units
from fillstream.services.order_service.orders.routing.routes import asked_route
from fillstream.services.order_service.orders.rules.rule import Draft, View, rule

_LIMIT = {"order_type": "LIMIT", "price": "185.00"}


@rule(
    RejectReason.UNKNOWN_ALGORITHM,
    limit="execution.algorithms",
    example={**_LIMIT, "algorithm": "TEAPOT"},
)
def known_algorithm(draft: Draft, view: View) -> str | None:
    """An algorithm that an order names is one that the desk has."""
    said = draft.said
    if said is None or said.algorithm is None or said.algorithm in ALGORITHMS:
        return None
    return f"algorithm: {said.algorithm} must be one of {', '.join(ALGORITHMS)}"


@rule(
    RejectReason.BAD_PARAMETERS,
    example={**_LIMIT, "algorithm": "AT_ONCE", "algorithm_parameters": '{"retry_ms": 0}'},
)
def algorithm_takes_them(draft: Draft, view: View) -> str | None:
    """What an algorithm is told is what it takes: names, values, grids, an end where it needs one."""
    said = draft.said
    if said is None or said.algorithm is None:
        return None
    found = parameters_in(ALGORITHMS[said.algorithm], said.algorithm_parameters, draft.terms, draft.ms)
    return found if isinstance(found, str) else None


@rule(
    RejectReason.STOP_OFF_TICK,
    limit="instruments.SYMBOL.tick_size",
    example={**_LIMIT, "take_profits": "190.001"},
)
def targets_on_tick(draft: Draft, view: View) -> str | None:
    """Each of several targets is on the tick."""
    said, price = draft.said, draft.terms.price
    if said is None or said.take_profits is None:
        return None
    off = next((each.price for each in targets_of(said.take_profits) if units(price, each.price) is None), None)
    if off is None:
        return None
    return f"take_profits: {canonical(off)} is not a multiple of {draft.terms.symbol}'s tick size {price.step}"


@rule(
    RejectReason.WRONG_SIDE,
    example={**_LIMIT, "take_profits": "180.00"},
)
def targets_on_their_side(draft: Draft, view: View) -> str | None:
    """Each of several targets of a buy is above its entry, of a sell below; each is further than the one before."""
    said, before = draft.said, draft.entry
    if said is None or said.take_profits is None or before is None:
        return None
    text = draft.terms.price.text
    for each in targets_of(said.take_profits):
        ticks = units(draft.terms.price, each.price)
        assert ticks is not None, "the rule before sees to it"
        if ticks <= before if draft.buy else ticks >= before:
            side = "above" if draft.buy else "below"
            return f"take_profits: {text(ticks)} must be {side} {text(before)}, the entry or the target before"
        before = ticks
    return None


def parameters_in(algo: Algorithm, text: str | None, terms: Terms, ms: int) -> Parameters | str:
    """Return what an algorithm is told as its own model; or what is wrong with it, in a sentence."""
    try:
        given = algo.parameters.model_validate(parameters_of(text))
    except ValidationError as error:
        return f"algorithm_parameters: {algo.name}: {sentences(error)}"
    if algo.needs_end and given.end_time is None and given.duration_ms is None:
        return f"algorithm_parameters: {algo.name}: end_time: it needs an end, or a duration_ms"
    if given.end_time is not None and given.end_time <= ms:
        return f"algorithm_parameters: {algo.name}: end_time: {text_of(given.end_time)} has passed"
    for name in ("smallest_clip", "largest_clip"):
        amount = getattr(given, name)
        if amount is not None and not units(terms.lot, amount):
            step = terms.lot.step
            return f"algorithm_parameters: {name}: {canonical(amount)} is not a multiple of the lot size {step}"
    return given


def merged(text: str, more: str) -> str:
    """Return parameters with others in the place of those of the same names."""
    both = {**parameters_of(text), **parameters_of(more)}
    for name, other in (("end_time", "duration_ms"), ("duration_ms", "end_time")):
        if name in parameters_of(more):
            both.pop(other, None)
    return orjson.dumps(both, option=orjson.OPT_SORT_KEYS).decode()


@rule(
    RejectReason.UNKNOWN_ROUTING,
    limit="routing",
    example={**_LIMIT, "routing": "TEAPOT"},
)
def known_routing(draft: Draft, view: View) -> str | None:
    """A policy and venues that an order names are the desk's, and one of those venues takes orders of its account."""
    said = draft.said
    if said is None or (said.routing is None and said.venues is None):
        return None
    try:
        asked_route(view.config.venues, draft.limits.account, said.routing, names_of(said.venues))
    except ValueError as error:
        return str(error)
    return None


NEW = (known_routing, known_algorithm, algorithm_takes_them, targets_on_tick, targets_on_their_side)
