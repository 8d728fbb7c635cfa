"""Accounts and what operators decide about them: values, limits, trading states, breakers, approvals, controls.

Flows in: requests. Flows out: rows as the streams told them last; controls in the name of whose key it is. Never
decides what a control does: the orders stage answers.
"""

from __future__ import annotations

import uuid
from typing import Any, Final

from fastapi import APIRouter, Request, Response

from fillstream.libs.common.messages.controls import CONTROLS
from fillstream.libs.common.values.naming import shorten
from fillstream.services.gateway.http.access import Caller, caller_of
from fillstream.services.gateway.http.describing import REFUSALS, takes, takes_one_of
from fillstream.services.gateway.http.exact import object_of
from fillstream.services.gateway.http.pages import DEFAULT_PAGE, answer
from fillstream.services.gateway.http.problems import Refusal
from fillstream.services.gateway.state.desk import Desk
from fillstream.services.gateway.state.rows import Row
from fillstream.services.gateway.v1.orders import Key, Limit, Place, Prefer, asking_of, wait_of
from fillstream.services.gateway.v1.positions import chosen

READ, SEE, CONTROL, ADMIN = "accounts:read", "controls:read", "controls:write", "admin"
OF_ADMINS: Final = frozenset(("AcceptLoss", "AdjustAccount", "SwitchAlias"))
"""Controls that change what is held, or what is known."""
OF_ALL: Final = frozenset(("SwitchAlias",))
"""Controls that are about more than the account that they name."""
FOR_ALL: Final = frozenset(("Halt", "Reduce", "Resume"))
"""Controls of the whole desk that everybody is told of."""
NOT_HERE: Final = frozenset(("AcceptLoss",))
"""Of a desk that cannot start: `fillstream recover` is where its runbook is."""

SAID_ELSE: Final = ("control_id", "reason")
"""What a control needs, and has without being told."""
OF_ROUTE: Final = ("type", "who", "order_id")
"""What a route says of a control itself."""
OF_ACCOUNT: Final = (*OF_ROUTE, "account")

router = APIRouter(tags=["accounts and controls"], responses=dict(REFUSALS))


def account_row(desk: Desk, name: str) -> Row | None:
    """Return an account: its terms, what it is worth, what works and is held; None of none."""
    account = desk.terms.account_of(name)
    limits = desk.terms.accounts.get(account)
    if limits is None:
        return None
    held = [row for row in desk.positions.open.values() if row["account"] == account and row["position"] != "0"]
    working = sum(order.row["account"] == account for order in desk.orders.working.values())
    return {
        "account": account,
        "alias": name if name != account else None,
        "trading_state": desk.terms.trading_state(account),
        "limits": limits,
        "value": desk.positions.accounts.get(account),
        "risk": [row for row in desk.positions.risk.values() if row["account"] == account],
        "working_orders": working,
        "positions": held,
    }


@router.get("/accounts", summary="Accounts")
async def accounts(request: Request, at_least: Place = None) -> Response:
    """List accounts with their terms and trading states."""
    caller, asking = caller_of(request), asking_of(request)
    caller.need(READ)
    await asking.at_least(at_least)
    terms = asking.desk.terms
    seen = [(name, row) for name, row in sorted(terms.accounts.items()) if caller.sees(name)]
    found = [{**row, "trading_state": terms.trading_state(name)} for name, row in seen]
    aliases = {alias: account for alias, account in sorted(terms.aliases.items()) if caller.sees(account)}
    return answer(request, {"as_of": asking.as_of("events"), "accounts": found, "aliases": aliases})


@router.get("/accounts/{account}", summary="One account")
async def account(request: Request, account: str, at_least: Place = None) -> Response:
    """Return an account: limits in force, trading state, cash, equity, exposures, margin, risk, positions."""
    caller, asking = caller_of(request), asking_of(request)
    caller.need(READ)
    await asking.at_least(at_least)
    row = account_row(asking.desk, account)
    if row is None or not caller.sees(row["account"]):
        raise Refusal(404, "unknown_account", f"account: {shorten(account)} is none of this desk's")
    return answer(request, {"as_of": asking.as_of("events", "positions"), "account": row})


@router.get("/trading_state", summary="Whether the desk trades")
async def trading_state(request: Request) -> Response:
    """Return the desk's own trading state, every account's, and the breakers that are not closed."""
    caller, asking = caller_of(request), asking_of(request)
    caller.need(SEE)
    terms = asking.desk.terms
    breakers = [row for row in terms.breakers.values() if row["new_state"] != "CLOSED" and caller.sees(row["account"])]
    body = {
        "as_of": asking.as_of("events"),
        "desk": terms.trading_state(""),
        "accounts": {name: terms.trading_state(name) for name in sorted(terms.accounts) if caller.sees(name)},
        "breakers": breakers,
    }
    return answer(request, body)


@router.get("/breakers", summary="Circuit breakers")
async def breakers(request: Request, account: str | None = None, limit: Limit = DEFAULT_PAGE) -> Response:
    """List breakers of accounts, strategies and venues that ever opened, with their states."""
    caller, asking = caller_of(request), asking_of(request)
    caller.need(SEE)
    found = chosen(caller, asking.desk.terms.breakers.values(), {"account": account}, limit)
    return answer(request, {"as_of": asking.as_of("events"), "breakers": found})


@router.get("/approvals", summary="Orders that wait for a person")
async def approvals(request: Request, account: str | None = None, limit: Limit = DEFAULT_PAGE) -> Response:
    """List orders that wait to be approved or refused."""
    caller, asking = caller_of(request), asking_of(request)
    caller.need(SEE)
    waiting = (
        order.row
        for order in asking.desk.orders.working_first()
        if order.row.get("approval_time") is not None and order.row["ord_status"] == "Suspended"
    )
    found = chosen(caller, waiting, {"account": account}, limit)
    return answer(request, {"as_of": asking.as_of("events"), "approvals": found})


@router.get("/controls", summary="What operators have done, the newest first")
async def controls(request: Request, account: str | None = None, limit: Limit = DEFAULT_PAGE) -> Response:
    """List answers to controls: who, what, why, and what came of it."""
    caller, asking = caller_of(request), asking_of(request)
    caller.need(SEE)
    told = (
        row
        for row in reversed(asking.desk.terms.controls)
        if not caller.accounts or row.get("account") is not None or row["control"] in FOR_ALL
    )
    found = chosen(caller, told, {"account": account}, limit)
    return answer(request, {"as_of": asking.as_of("events"), "controls": found})


# ----------------------------------------------------------------------------------------------------------- controls


async def _control(request: Request, kind: str, said: dict[str, Any], prefer: str | None, key: str | None) -> Response:
    caller, asking = caller_of(request), asking_of(request)
    account = _check(caller, kind, said)
    if account is not None:
        caller.need_account(account)
    if kind in OF_ALL:
        caller.need_all_accounts()
    if kind in ("Approve", "Refuse") and caller.accounts:
        order = asking.desk.orders.by_id.get(str(said.get("order_id")))
        if order is None or not caller.sees(order.row["account"]):
            raise Refusal(404, "unknown_order", "order_id: is none that is known here")
    elif account is None:
        caller.need_all_accounts()
    fields = {name: value for name, value in said.items() if name not in ("type", "account") and value is not None}
    fields |= {"who": caller.name, "control_id": key or said.get("control_id") or str(uuid.uuid4())}
    fields.setdefault("reason", "by the gateway")
    told = await asking.control(kind, account, fields, wait_of(prefer) or 5.0)
    body = {
        "as_of": asking.as_of("events"),
        "control_id": told.control_id,
        "refusal": told.refusal,
        "text": told.text,
        "events": told.events,
    }
    if told.refusal is not None:
        raise Refusal(422, told.refusal, told.text, control_id=told.control_id, events=told.events)
    return answer(request, body)


def _check(caller: Caller, kind: str, said: dict[str, Any]) -> str | None:
    """Return the account that a control is about, None of the whole desk.

    Raises:
        Refusal: 403, 422.
    """
    if kind not in CONTROLS or kind in NOT_HERE:
        known = ", ".join(each for each in CONTROLS if each not in NOT_HERE)
        raise Refusal(422, "unknown_type", f"type: {shorten(kind)} must be one of {known}")
    caller.need(ADMIN if kind in OF_ADMINS else CONTROL)
    if "who" in said:
        raise Refusal(422, "bad_value", "who: is the key's name, and no field here")
    account = said.get("account")
    if account is not None and not isinstance(account, str):
        raise Refusal(422, "bad_value", f"account: {shorten(account)} must be a name")
    return account


@router.post(
    "/controls",
    openapi_extra=takes_one_of(
        (each for name, each in CONTROLS.items() if name not in NOT_HERE),
        {"type": "Halt", "reason": "news"},
        given=("who",),
        optional=SAID_ELSE,
    ),
    summary="Any control",
)
async def new_control(request: Request, prefer: Prefer = None, key: Key = None) -> Response:
    """Send a control by its `type`, for an `account` or the whole desk, and answer once every partition has."""
    said = await object_of(request)
    return await _control(request, str(said.get("type")), said, prefer, key)


def _said(kind: str, given: tuple[str, ...], **example: object) -> dict[str, Any]:
    """Return what the document says of a control's body: all of it may be left out but what it sets."""
    return takes(CONTROLS[kind], example, needed=kind == "SetLimits", given=given, optional=SAID_ELSE)


@router.post("/halt", openapi_extra=_said("Halt", OF_ROUTE, reason="news"), summary="Stop trading")
async def halt(request: Request, prefer: Prefer = None, key: Key = None) -> Response:
    """Halt an account, or the whole desk: nothing new is taken, and what works is canceled unless it says otherwise."""
    return await _control(request, "Halt", await object_of(request), prefer, key)


@router.post("/reduce", openapi_extra=_said("Reduce", OF_ROUTE, reason="news"), summary="Only reduce")
async def reduce(request: Request, prefer: Prefer = None, key: Key = None) -> Response:
    """Let an account, or the whole desk, only reduce what it holds."""
    return await _control(request, "Reduce", await object_of(request), prefer, key)


@router.post("/resume", openapi_extra=_said("Resume", OF_ROUTE, reason="over"), summary="Trade again")
async def resume(request: Request, prefer: Prefer = None, key: Key = None) -> Response:
    """Let an account, or the whole desk, trade again."""
    return await _control(request, "Resume", await object_of(request), prefer, key)


@router.post(
    "/orders/{order_id}/approve",
    openapi_extra=_said("Approve", OF_ROUTE, quantity="50", reason="half of it"),
    summary="Approve an order",
)
async def approve(request: Request, order_id: str, prefer: Prefer = None, key: Key = None) -> Response:
    """Let an order go that waits for a person; with less `quantity`, or a better `price`, if it says so."""
    return await _control(request, "Approve", {**await object_of(request), "order_id": order_id}, prefer, key)


@router.post(
    "/orders/{order_id}/refuse",
    openapi_extra=_said("Refuse", OF_ROUTE, reason="too large"),
    summary="Refuse an order",
)
async def refuse(request: Request, order_id: str, prefer: Prefer = None, key: Key = None) -> Response:
    """Refuse an order that waits for a person."""
    return await _control(request, "Refuse", {**await object_of(request), "order_id": order_id}, prefer, key)


@router.patch(
    "/accounts/{account}/limits",
    openapi_extra=_said("SetLimits", OF_ACCOUNT, limits={"max_order_value": "50000"}, reason="smaller"),
    summary="Set limits",
)
async def set_limits(request: Request, account: str, prefer: Prefer = None, key: Key = None) -> Response:
    """Override limits of an account, until they are reset."""
    return await _control(request, "SetLimits", {**await object_of(request), "account": account}, prefer, key)


@router.delete(
    "/accounts/{account}/limits",
    openapi_extra=_said("ResetLimits", OF_ACCOUNT, fields=["max_order_value"]),
    summary="Reset limits",
)
async def reset_limits(request: Request, account: str, prefer: Prefer = None, key: Key = None) -> Response:
    """Let the file's limits count again, of all or of the `fields` that are named."""
    return await _control(request, "ResetLimits", {**await object_of(request), "account": account}, prefer, key)
