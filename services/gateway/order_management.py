"""Document 001's REST, word for word: `uvicorn services.gateway.order_management:app --port 8080`.

Flows in: HTTP of at most `MAX_BODY_BYTES` a body: orders to add and to remove, questions for prices, trades. Flows out:
JSON; a refusal is a problem (RFC 9457) whose `error` is a sentence. Never reaches the desk: this is the prototype's
surface over one `OrderManagement`, the C book in this process, which knows no accounts, limits or venues. It keeps
nothing over a restart, and two processes would have two lists.

Statuses and bodies are those that the prototype's tests ask for (tests/test_api.py and tests/test_properties.py of
mjay2404/order-management). A number is an integer and nothing like one; a field that is not asked for is passed over.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, FastAPI, Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from fillstream.libs.common.engine.frames import MAX_PRICE, MAX_QTY
from fillstream.libs.common.messages.sentences import MOST_CAUSES, sentence
from fillstream.libs.common.runtime.release import running
from fillstream.libs.common.values.naming import NAME, shorten
from fillstream.orderbook.order_management import OrderManagement, Side

MAX_BODY_BYTES = 64 * 1024
MAX_ORDER_ID = 2**63 - 1
PAGES_OF_THIS_MACHINE = (
    "http://localhost:3000",
    "http://localhost:8080",
    "http://127.0.0.1:3000",
    "http://127.0.0.1:8080",
)
"""Pages in a browser that may call the prototype, which lets these alone."""
PROBLEM = "application/problem+json"
WRITTEN = re.compile(r"-?[0-9]{1,4000}")
"""A number in a path or a query. Python's own `int` takes `1_0`, spaces and digits of every script, too."""

ORDER: dict[str, Any] = {"order_id": 1, "symbol": "JPM", "side": "BUY", "amount": 20, "price": 20}
TRADE: dict[str, Any] = {"symbol": "JPM", "side": "BUY", "amount": 22}
FILLS = [
    {"order_id": 1, "filled_amount": 20, "fill_price": 20},
    {"order_id": 4, "filled_amount": 2, "fill_price": 21},
]
DONE: dict[str, Any] = {
    "trade_id": "0b5d2f0e-6a0f-4a5c-9b1e-0f6f6f1f8f55",
    **TRADE,
    "total_price": 442,
    "executed_at": "2026-11-30T09:30:00.000000+00:00",
    "order_fills": FILLS,
}
PROBLEMS: Mapping[int, tuple[str, str]] = {
    400: ("The side is neither BUY nor SELL.", "side: 'HOLD' must be BUY or SELL"),
    409: (
        "An order has this id already, or there is no room for another.",
        "order_id is 1, and an order has it already; it must be new.",
    ),
    413: (f"The body has more than {MAX_BODY_BYTES} bytes.", f"body: more than {MAX_BODY_BYTES} bytes"),
    422: ("A field is missing, is no integer, or is out of its range.", "amount: -10 must be above 0"),
}
"""What each status means, with a sentence as an example."""

M = TypeVar("M", bound=BaseModel)


class Refused(Exception):
    """A request that is not done; `detail` where a client of the prototype reads something else than the sentence."""

    def __init__(self, status: int, text: str, detail: Any = None) -> None:
        super().__init__(text)
        self.status, self.text, self.detail = status, text, detail


def _integer(value: Any) -> Any:
    """Return the number that a path or a query has as text; what is none is left for the type to refuse."""
    return int(value) if isinstance(value, str) and WRITTEN.fullmatch(value) else value


class _Message(BaseModel):
    model_config = ConfigDict(strict=True)


YOUR_NUMBER = "Your number for the order, of 64 bits."
OrderId = Annotated[int, Field(ge=-MAX_ORDER_ID - 1, le=MAX_ORDER_ID, description=YOUR_NUMBER)]
Symbol = Annotated[str, Field(pattern=NAME, description="What is traded; capitals and small letters differ.")]
SideName = Annotated[str, Field(description="`BUY` or `SELL`.", json_schema_extra={"enum": [*Side.__members__]})]
Amount = Annotated[int, Field(gt=0, le=MAX_QTY, description=f"Shares, 1 to {MAX_QTY}.")]
Found = Annotated[int, Field(ge=0, description="Shares that were found: at most what was asked for.")]
Price = Annotated[int, Field(gt=0, le=MAX_PRICE, description=f"Money for one share, 1 to {MAX_PRICE}, in your unit.")]
Total = Annotated[int, Field(ge=0, description="Money for all of the shares, in the unit of the prices.")]


class Order(_Message):
    """An order to add: `amount` shares at `price` each."""

    model_config = ConfigDict(json_schema_extra={"examples": [ORDER]})

    order_id: OrderId
    symbol: Symbol
    side: SideName
    amount: Amount
    price: Price


class TradeAsked(_Message):
    """A trade to execute: `amount` shares of the orders of a side, the best price first."""

    model_config = ConfigDict(json_schema_extra={"examples": [TRADE]})

    symbol: Symbol
    side: SideName
    amount: Amount


class PriceAsked(_Message):
    """What `amount` shares of a side would cost."""

    symbol: Annotated[Symbol, Field(examples=["JPM"])]
    side: Annotated[SideName, Field(examples=["BUY"])]
    amount: Annotated[Amount, BeforeValidator(_integer), Field(examples=[20])]


class Fill(_Message):
    """What a trade took from one order."""

    order_id: OrderId
    filled_amount: Amount
    fill_price: Price


class TradeDone(_Message):
    """A trade; of no shares and no fills when there were no orders."""

    model_config = ConfigDict(json_schema_extra={"examples": [DONE]})

    trade_id: Annotated[str, Field(description="A UUID, new for every trade.")]
    symbol: Symbol
    side: SideName
    amount: Found
    total_price: Total
    executed_at: Annotated[str, Field(description="ISO 8601, UTC, to the microsecond.")]
    order_fills: Annotated[list[Fill], Field(description="What it took, in the order in which it took it.")]


class PriceFound(_Message):
    """What the shares would cost."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"price": 400}]})

    price: Total


class Health(_Message):
    """That the process answers."""

    status: Annotated[str, Field(examples=["healthy"])]


def _body(model: type[BaseModel]) -> dict[str, Any]:
    """Return a body's description: FastAPI would read it without a bound, and answers 500 to some of what it reads."""
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": model.model_json_schema()}}}}


def _problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return {
        status: {"description": meaning, "content": {PROBLEM: {"example": _told(status, example)}}}
        for status, (meaning, example) in PROBLEMS.items()
        if status in statuses
    }


def _told(status: int, text: str, detail: Any = None) -> dict[str, Any]:
    title = HTTPStatus(status).phrase
    return {"type": "about:blank", "title": title, "status": status, "detail": detail or text, "error": text}


router = APIRouter()


@router.post("/orders", status_code=201, openapi_extra=_body(Order), responses=_problems(400, 409, 413, 422))
async def add_order(request: Request) -> Order:
    """Add an order to the list of its symbol and side; orders of the two sides never trade with one another."""
    order = await _read(request, Order)
    side = _side(order.side)
    try:
        _list_of(request).add_order(order.order_id, order.symbol, side, order.amount, order.price)
    except ValueError as error:  # every field is in its range: what is left is what the list has, or has no room for
        raise Refused(409, str(error)) from None
    return order


@router.delete("/orders/{order_id}", status_code=204, responses=_problems(422))
async def remove_order(
    request: Request,
    order_id: Annotated[OrderId, Path(strict=True, description=YOUR_NUMBER), BeforeValidator(_integer)],
) -> Response:
    """Remove an order. The answer is the same when there is none of that id, or when a trade has used it up."""
    with suppress(ValueError):  # there is none, which is what was asked for
        _list_of(request).remove_order(order_id)
    return Response(status_code=204)


@router.get("/price", responses=_problems(400, 422))
async def calculate_price(request: Request, asked: Annotated[PriceAsked, Query()]) -> PriceFound:
    """Say what shares would cost: BUY reads the BUY orders, lowest price first, SELL the SELL orders, highest first.

    Where there are fewer shares it is the price of those there are; where there are none it is 0. Nothing is changed.
    """
    total = _list_of(request).calculate_price(asked.symbol, _side(asked.side), asked.amount)
    return PriceFound(price=total)


@router.post("/trades", status_code=201, openapi_extra=_body(TradeAsked), responses=_problems(400, 413, 422))
async def place_trade(request: Request) -> TradeDone:
    """Take shares out of the orders, in the sequence in which `/price` counts them; or what there is, if that is less.

    An order that is used up is gone, and its id is free again.
    """
    asked = await _read(request, TradeAsked)
    trade = _list_of(request).place_trade(asked.symbol, _side(asked.side), asked.amount)
    return TradeDone(
        trade_id=str(uuid.uuid4()),
        symbol=trade.symbol,
        side=trade.side.name,
        amount=trade.amount,
        total_price=trade.total_price,
        executed_at=datetime.now(UTC).isoformat(timespec="microseconds"),
        order_fills=[
            Fill(order_id=fill.order_id, filled_amount=fill.amount, fill_price=fill.price) for fill in trade.fills
        ],
    )


@router.get("/health")
async def health_check() -> Health:
    """Say that the process answers."""
    return Health(status="healthy")


SERVED = [
    (method, route.path) for route in router.routes if isinstance(route, APIRoute) for method in route.methods or ()
]


async def _read(request: Request, model: type[M]) -> M:
    """Return a body. Raises Refused for what is too large, no JSON, or not what the model says."""
    kind = request.headers.get("content-type", "")
    if kind.partition(";")[0].strip().lower() != "application/json":
        # A page that somebody else wrote may send any other type here, and no browser would ask first.
        raise Refused(422, f"content-type: {shorten(kind)} must be application/json")
    body = bytearray()
    try:
        async for part in request.stream():
            body += part
            if len(body) > MAX_BODY_BYTES:
                raise Refused(413, f"body: more than {MAX_BODY_BYTES} bytes")
    except ClientDisconnect:
        raise Refused(400, "body: the connection ended within it") from None
    try:
        return model.model_validate_json(bytes(body))
    except ValidationError as error:
        raise Refused(422, _sentences(error.errors(include_url=False), ("body",))) from None


def _sentences(errors: Iterable[Mapping[str, Any]], whole: tuple[str, ...] = ()) -> str:
    """Return what is wrong; `whole` is how a body is called that is wrong as a whole."""
    return "; ".join([sentence({**each, "loc": each["loc"] or whole}) for each in errors][:MOST_CAUSES])


def _list_of(request: Request) -> OrderManagement:
    orders: OrderManagement = request.app.state.orders
    return orders


def _side(name: str) -> Side:
    side = Side.__members__.get(name)
    if side is None:
        sides = [*Side.__members__]
        text = f"side: {shorten(name)} must be {' or '.join(sides)}"
        raise Refused(400, text, {"error": "Invalid side", "valid_values": sides})
    return side


async def _refusal(request: Request, error: Exception) -> Response:
    """Answer what one of our handlers refused, FastAPI read in a path or a query, or Starlette did not find."""
    headers: Mapping[str, str] | None = None
    match error:
        case Refused():
            told = _told(error.status, error.text, error.detail)
        case RequestValidationError():
            told = _told(422, _sentences([{**each, "loc": each["loc"][1:]} for each in error.errors()]))
        case HTTPException(status_code=404):
            # Not `request.url`, which is made of a header that anybody may write.
            root = request.scope.get("root_path", "")
            there = ", ".join(f"{method} {root}{path}" for method, path in SERVED)
            told = _told(404, f"path: {shorten(request.scope['path'])} is not answered here; there are {there}")
        case HTTPException(status_code=405):
            allowed = (error.headers or {}).get("Allow", "")
            told = _told(405, f"method: {shorten(request.method)} is not answered here; there is {allowed}")
            headers = error.headers
        case _:
            raise error
    return JSONResponse(told, told["status"], headers, PROBLEM)


def make_app(origins: Sequence[str] = ()) -> FastAPI:
    """Return an app with an empty list of its own, to be served or to be mounted.

    Args:
        origins: pages in a browser that may call it, besides those that come from the same address.
    """
    app = FastAPI(
        title="Order management",
        description="Document 001's REST over the C book in this process. It keeps nothing over a restart.",
        version=running(),
        docs_url=None,  # FastAPI's pages have a browser run what another server sends
        redoc_url=None,
        redirect_slashes=False,  # it would be to where a header says
    )
    app.state.orders = OrderManagement()
    app.include_router(router)
    for kind in (Refused, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, _refusal)
    if origins:
        methods, headers = ["GET", "POST", "DELETE"], ["Authorization", "Content-Type"]
        app.add_middleware(CORSMiddleware, allow_origins=origins, allow_methods=methods, allow_headers=headers)
    return app


app = make_app(PAGES_OF_THIS_MACHINE)
