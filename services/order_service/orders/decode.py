"""Instructions: what the orders stage may rely on before it looks at its state.

Flows in: the bytes of an inbox entry's `data`. Flows out: a typed instruction whose fields are all of the contract's
types, or `BadEntry`. Never judges what needs state: instruments, limits, known orders.

The signals stage has validated every instruction it wrote; this is the assertion on the other side of the boundary, at
a tenth of a pydantic model's cost.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from operator import itemgetter
from typing import Any, NamedTuple, NoReturn

import orjson
from pydantic import ValidationError

from fillstream.libs.common.messages import signals, special_terms
from fillstream.libs.common.messages.bad_entry import BadEntry
from fillstream.libs.common.messages.base import Message, Models, type_of, upcast
from fillstream.libs.common.messages.codes import (
    NO_PLAIN_TIMES,
    PLAIN_TYPES,
    PRICELESS,
    ContingencyType,
    OrderType,
    Side,
    TimeInForce,
)
from fillstream.libs.common.messages.controls import LimitRisk
from fillstream.libs.common.messages.market_report import MarketReport
from fillstream.libs.common.messages.mass_status import MassStatusReport
from fillstream.libs.common.messages.sentences import sentences
from fillstream.libs.common.messages.special_terms import SpecialTerms
from fillstream.libs.common.messages.targets import ReachPosition
from fillstream.libs.common.messages.venue import VenueReport
from fillstream.libs.common.values.money import parse
from fillstream.libs.common.values.naming import ID, NAME, ORDER_ID, shorten
from fillstream.libs.common.values.versions import Unreadable
from fillstream.services.order_service.orders.instructions import (
    Aim,
    All,
    Cancel,
    CancelList,
    Close,
    Exit,
    Instruction,
    New,
    NewList,
    Pause,
    Prediction,
    Protect,
    Reach,
    Refused,
    Replace,
    Restrict,
    Resume,
    Status,
    Unaim,
    Unprotect,
)
from fillstream.services.order_service.orders.life.parts import Links

_ID = re.compile(ID)
_NAME = re.compile(NAME)
_CONFIDENCE = re.compile(r"0(\.[0-9]{1,22})?|1(\.0{1,22})?")
"""How a confidence is usually written; `parse` reads the rest."""
_ORDER_ID = re.compile(ORDER_ID)
_SIDES = frozenset(side.value for side in Side)
_TYPES = {kind.value: kind for kind in OrderType}
_ORDER_TYPES = frozenset(_TYPES)
_CONTINGENCIES = frozenset(each.value for each in ContingencyType) - {ContingencyType.BRACKET.value}
_TIMES_IN_FORCE = frozenset(tif.value for tif in TimeInForce)
Reported = VenueReport | MassStatusReport | MarketReport
"""What venues say as JSON."""
REPORTED = (VenueReport, MassStatusReport, MarketReport)

_REPORTS: dict[str, type[Reported]] = {type_of(model): model for model in REPORTED}
_MOST_NAMES = 4096
_names: dict[str, None] = {}
"""Texts that were found to be names: a desk has few, and orders say the same ones again and again."""
_LINKS, _SPECIAL = "links", "special"
"""The keys that an instruction may lack."""
_RARE = (_LINKS, _SPECIAL)
_PLAIN: Any = object()


INSTRUCTIONS: Models = {
    **signals.SIGNALS,
    "ExitPosition": signals.ExitPosition,
    "ReachPosition": ReachPosition,
    "LimitRisk": LimitRisk,
    "RefuseSignal": signals.RefuseSignal,
    "ReportStatus": signals.ReportStatus,
}
"""Their contracts, by type."""


_SIGNALS = frozenset(signals.SIGNALS.values())
"""What a client asks for; who asked is not in the instruction."""


class _Kind(NamedTuple):
    """How one type of instruction is read."""

    version: int
    keys: frozenset[str]
    values: Callable[[dict[str, Any]], tuple[Any, ...]]
    make: Callable[[tuple[Any, ...]], Instruction]


def _kind(shape: Any, model: type[Message]) -> _Kind:
    keys = frozenset((*(signals.instructed(model) if model in _SIGNALS else model.model_fields), "signal_time"))
    if issubclass(model, SpecialTerms | signals.PlainOrder | signals.ReplaceOrder):
        keys = keys.difference(signals.LINKS, special_terms.SPECIAL)
    fields = [name for name in shape._fields if name not in _RARE]
    assert keys == {*fields, "type", "v"}, f"{model.__name__}: the contract has other fields than {shape}"
    # Not shape._make: it is Python's own code around the same call, and an instruction is made for every signal.
    return _Kind(model.VERSION, keys, itemgetter(*fields), partial(tuple.__new__, shape))


_KINDS = {
    "NewOrder": _kind(New, signals.NewOrder),
    "CancelOrder": _kind(Cancel, signals.CancelOrder),
    "ReplaceOrder": _kind(Replace, signals.ReplaceOrder),
    "ClosePosition": _kind(Close, signals.ClosePosition),
    "CancelAll": _kind(All, signals.CancelAll),
    "Prediction": _kind(Prediction, signals.Prediction),
    "NewOrderList": _kind(NewList, signals.NewOrderList),
    "CancelOrderList": _kind(CancelList, signals.CancelOrderList),
    "PauseOrder": _kind(Pause, signals.PauseOrder),
    "ResumeOrder": _kind(Resume, signals.ResumeOrder),
    "ProtectPosition": _kind(Protect, signals.ProtectPosition),
    "CancelProtection": _kind(Unprotect, signals.CancelProtection),
    "ExitPosition": _kind(Exit, signals.ExitPosition),
    "SetTarget": _kind(Aim, signals.SetTarget),
    "CancelTarget": _kind(Unaim, signals.CancelTarget),
    "ReachPosition": _kind(Reach, ReachPosition),
    "LimitRisk": _kind(Restrict, LimitRisk),
    "RefuseSignal": _kind(Refused, signals.RefuseSignal),
    "ReportStatus": _kind(Status, signals.ReportStatus),
}
_NEW, _REPLACE = _KINDS["NewOrder"], _KINDS["ReplaceOrder"]
_LIST = _KINDS["NewOrderList"]
_CHECKED = (
    "ClosePosition", "CancelAll", "Prediction", "RefuseSignal", "CancelOrderList", "PauseOrder", "ResumeOrder",
    "ProtectPosition", "CancelProtection", "ExitPosition", "SetTarget", "CancelTarget", "ReachPosition", "LimitRisk",
)  # fmt: skip
_BY_MODEL = tuple(_KINDS[name] for name in _CHECKED)
"""Rare kinds, which their models check: that costs more than what the others have, and is less to read."""
_MAY_BE_SPECIAL = (_NEW, _REPLACE)


def decode(data: bytes) -> Instruction | Reported:
    """Return the instruction or the venue's report in `data`, of whatever version it was written.

    Raises:
        BadEntry: bad_json, unknown_type, missing_field, unknown_field or bad_value.
    """
    try:
        document = orjson.loads(data)
    except orjson.JSONDecodeError:  # its wording may change with orjson, and a replay must not
        raise BadEntry("bad_json", f"data: must be JSON, {len(data)} bytes are not") from None
    if type(document) is not dict:
        raise BadEntry("bad_json", f"data: must be a JSON object, got {shorten(document)}")
    return _instruction(document)


def _instruction(document: dict[str, Any]) -> Instruction | Reported:
    name = document.get("type")
    kind = _KINDS.get(name) if type(name) is str else None
    if kind is None:
        if type(name) is str and (model := _REPORTS.get(name)) is not None:
            return _report(model, document)
        known = ", ".join((*_KINDS, *_REPORTS))
        raise BadEntry("unknown_type", f"type: must be one of {known}, got {shorten(name)}")
    own, keys, values_of, make = kind
    version = document.get("v")
    if version != own or type(version) is not int:
        document = _raised(document, INSTRUCTIONS)
    try:
        values = values_of(document)
    except KeyError as error:
        raise BadEntry("missing_field", f"{error.args[0]}: is missing, a {name} instruction has every field") from None
    if len(document) == len(keys):
        links = special = None
    else:
        links = _links(document.pop(_LINKS)) if _LINKS in document and kind is _NEW else None
        special = _special(document.pop(_SPECIAL)) if _SPECIAL in document and kind in _MAY_BE_SPECIAL else None
        if len(document) != len(keys):
            odd = next(key for key in document if key not in keys)
            raise BadEntry("unknown_field", f"{shorten(odd)}: a {name} instruction has no such field")
    if kind is _NEW:
        values = (*values, links, special)
    elif kind is _REPLACE:
        values = (*values, special)
    wish = make(values)
    time = wish.signal_time
    if type(time) is not int or not 0 <= time < 1 << 63:
        raise BadEntry("bad_value", f"signal_time: must be milliseconds since 1970, got {shorten(time)}")
    if type(wish) is New:
        _check_new(wish)
    elif kind in _BY_MODEL:
        _check_by_model(str(name), document)
    elif type(wish) is NewList:
        wish = _list(wish)
    else:
        _check_request(wish)  # type: ignore[arg-type]
    return wish


def _list(wish: NewList) -> NewList:
    """Return a list with its orders read, each as an instruction of its own is."""
    _check_id("signal_id", wish.signal_id)
    _check_id("list_id", wish.list_id)
    _check_name("account", wish.account)
    if wish.contingency_type not in _CONTINGENCIES:
        _refuse_code("contingency_type", wish.contingency_type, _CONTINGENCIES)
    if type(wish.all) is not bool:
        raise BadEntry("bad_value", f"all: must be true or false, got {shorten(wish.all)}")
    if not isinstance(wish.orders, list) or not 0 < len(wish.orders) <= signals.MAX_LISTED:
        raise BadEntry("bad_value", f"orders: must be a list of 1 to {signals.MAX_LISTED} orders")
    orders = []
    for number, document in enumerate(wish.orders):
        said = {**document, "signal_time": wish.signal_time} if type(document) is dict else None
        order = None if said is None or said.get("type") != "NewOrder" else _instruction(said)
        if type(order) is not New or order.account != wish.account:
            raise BadEntry("bad_value", f"orders: number {number} must be a NewOrder of account {wish.account}")
        orders.append(order)
    return wish._replace(orders=tuple(orders))


def _check_by_model(name: str, document: dict[str, Any]) -> None:
    """Raise BadEntry unless an instruction of a rare kind is as its contract says."""
    model = INSTRUCTIONS[name]
    contract = {key: value for key, value in document.items() if key in model.model_fields}
    try:
        model.model_validate(contract)
    except ValidationError as error:
        raise BadEntry("bad_value", f"{name}: {sentences(error)}") from None


def _raised(document: dict[str, Any], models: Models) -> dict[str, Any]:
    """Return an older release's message as this one writes it."""
    if "v" not in document:
        raise BadEntry("missing_field", f"v: is missing, a {document['type']} has every field")
    if type(document["v"]) is not int:
        raise BadEntry("bad_value", f"v: must be a whole number, got {shorten(document['v'])}")
    try:
        return upcast(document, models)
    except Unreadable as error:
        raise BadEntry("bad_value", f"v: {error}") from None


def _report(model: type[Reported], document: dict[str, Any]) -> Reported:
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise BadEntry("bad_report", sentences(error)) from None
    except Unreadable as error:
        raise BadEntry("bad_value", f"v: {error}") from None


def _check_new(wish: New) -> None:
    """Raise BadEntry unless every field has its contract's type."""
    signal, client, account, symbol, side, quantity, kind, price, tif, strategy, confidence, _, _, special = wish
    _check_id("signal_id", signal)
    if client != signal:
        _check_id("client_order_id", client)
    if type(account) is not str or account not in _names:
        _check_name("account", account)
    if type(symbol) is not str or symbol not in _names:
        _check_name("symbol", symbol)
    if strategy is not None and (type(strategy) is not str or strategy not in _names):
        _check_name("strategy", strategy)
    if type(side) is not str or side not in _SIDES:
        _refuse_code("side", side, _SIDES)
    if kind is not None and (type(kind) is not str or kind not in _ORDER_TYPES):
        _refuse_code("order_type", kind, _ORDER_TYPES)
    if tif is not None and (type(tif) is not str or tif not in _TIMES_IN_FORCE):
        _refuse_code("time_in_force", tif, _TIMES_IN_FORCE)
    if (type(quantity) is not str or not quantity.isascii()) and not (quantity is None and _is_sized(special)):
        _check_text("quantity", quantity)
    if price is not None and (type(price) is not str or not price.isascii()):
        _check_text("price", price)
    if confidence is not None:
        _check_confidence(confidence)
    if special is not None or tif in NO_PLAIN_TIMES or (kind is not None and kind not in PLAIN_TYPES):
        _check_special(wish)
    if kind is not None and (price is None) != (kind in PRICELESS):
        raise BadEntry(
            "bad_value",
            f"price: a {kind} order needs one"
            if price is None
            else f"price: a {kind} order has none, got {shorten(price)}",
        )


def _special(said: Any) -> SpecialTerms:
    """Return what an order says beyond a plain one: at least something."""
    if type(said) is not dict or not said:
        raise BadEntry("bad_value", f"{_SPECIAL}: must be an object with something in it, got {shorten(said)}")
    try:
        return SpecialTerms.model_validate(said)
    except ValidationError as error:
        raise BadEntry("bad_value", f"{_SPECIAL}: {sentences(error)}") from None


def _is_sized(special: SpecialTerms | None) -> bool:
    return special is not None and any(getattr(special, name) is not None for name in special_terms.SIZES)


def _check_special(wish: New) -> None:
    """Raise BadEntry unless type, time in force and what is special fit one another."""
    kind = wish.order_type or (OrderType.LIMIT if wish.price is not None else OrderType.MARKET)
    tif = None if wish.time_in_force is None else TimeInForce(wish.time_in_force)
    try:
        special_terms.check_special(_TYPES[kind], tif, wish.special)
    except ValueError as error:
        raise BadEntry("bad_value", str(error)) from None
    if wish.quantity is not None and _is_sized(wish.special):
        raise BadEntry("bad_value", f"quantity: {', '.join(special_terms.SIZES)} are instead of it")


def _links(said: Any) -> Links:
    """Return the families of an order; whoever says them says at least one."""
    if type(said) is not dict:
        raise BadEntry("bad_value", f"{_LINKS}: must be an object, got {shorten(said)}")
    odd = next((key for key in said if key not in _SAID_LINKS), None)
    if odd is not None:
        raise BadEntry("unknown_field", f"{_LINKS}: {shorten(odd)} is none of {', '.join(_SAID_LINKS)}")
    links = Links(*map(said.get, _SAID_LINKS))
    if links == _NO_LINKS:
        raise BadEntry("bad_value", f"{_LINKS}: names none of {', '.join(_SAID_LINKS)}; a plain order has no {_LINKS}")
    if links.parent_id is not None and (type(links.parent_id) is not str or not _ORDER_ID.fullmatch(links.parent_id)):
        raise BadEntry("bad_value", f"parent_id: must match {_ORDER_ID.pattern}, got {shorten(links.parent_id)}")
    if links.group_id is not None:
        _check_id("group_id", links.group_id)
    if links.position_id is not None:
        _check_id("position_id", links.position_id)
    return links


_AMENDED = ", ".join(("quantity", "price", *special_terms.AMENDABLE))
_SAID_LINKS = Links._fields[:-1]
"""Which list an order is one of, the orders stage says itself."""
_NO_LINKS = Links(None, None, None, None)


def _check_request(wish: Cancel | Replace | Status) -> None:
    """Raise BadEntry unless a cancel, an amendment or a status request names one order, and fields have their types."""
    _check_id("signal_id", wish.signal_id)
    _check_name("account", wish.account)
    client, named = client_name(wish)
    if wish.order_id is not None and (type(wish.order_id) is not str or not _ORDER_ID.fullmatch(wish.order_id)):
        raise BadEntry("bad_value", f"order_id: must match {_ORDER_ID.pattern}, got {shorten(wish.order_id)}")
    if named is not None:
        _check_id(client, named)
    elif wish.order_id is None:
        raise BadEntry("bad_value", f"order_id: name the order by order_id or by {client}, both are null")
    if (
        type(wish) is Status
        and wish.request is not None
        and (type(wish.request) is not str or wish.request not in signals.SIGNALS)
    ):
        raise BadEntry(
            "bad_value", f"request: must be one of {', '.join(signals.SIGNALS)}, got {shorten(wish.request)}"
        )
    if type(wish) is Replace:
        if wish.quantity is not None:
            _check_text("quantity", wish.quantity)
        if wish.price is not None:
            _check_text("price", wish.price)
        if wish.quantity is None and wish.price is None and wish.special is None:
            raise BadEntry("bad_value", f"quantity: an amendment changes one or several of {_AMENDED}")
        if wish.special is not None:
            odd = wish.special.model_fields_set.difference(special_terms.AMENDABLE)
            if odd:
                raise BadEntry("unknown_field", f"{_SPECIAL}: an amendment has no {', '.join(sorted(odd))}")
            try:
                special_terms.check_amended(wish.special)
            except ValueError as error:
                raise BadEntry("bad_value", str(error)) from None


def client_name(wish: Cancel | Replace | Status | Pause | Resume) -> tuple[str, str | None]:
    """Return the field by which a request may name an order with its client's id, and what it says."""
    if type(wish) is Status:
        return "client_order_id", wish.client_order_id
    return "orig_client_order_id", wish.orig_client_order_id  # type: ignore[union-attr]


def _check_id(name: str, value: Any) -> None:
    if type(value) is not str or not _ID.fullmatch(value):
        raise BadEntry("bad_value", f"{name}: must match {_ID.pattern}, got {shorten(value)}")


def _check_name(name: str, value: Any) -> None:
    if type(value) is not str or not _NAME.fullmatch(value):
        raise BadEntry("bad_value", f"{name}: must match {_NAME.pattern}, got {shorten(value)}")
    if len(_names) < _MOST_NAMES:
        _names[value] = None


def _refuse_code(name: str, value: Any, allowed: frozenset[str]) -> NoReturn:
    raise BadEntry("bad_value", f"{name}: must be one of {', '.join(sorted(allowed))}, got {shorten(value)}")


def _check_text(name: str, value: Any) -> None:
    """A number is text. What the text says is checked where it is turned into units."""
    if type(value) is not str or not value.isascii():  # which letters are digits depends on the Python that runs
        raise BadEntry("bad_value", f"{name}: must be a number as text, got {shorten(value)}")


def _check_confidence(value: Any) -> None:
    _check_text("confidence", value)
    if _CONFIDENCE.fullmatch(value):
        return
    try:
        number = parse(value)
    except ValueError as error:
        raise BadEntry("bad_value", f"confidence: {error}") from None
    if not 0 <= number <= 1:
        raise BadEntry("bad_value", f"confidence: must be from 0 to 1, got {shorten(value)}")
