"""Calls that schemathesis makes up out of the gateway's own document, against a desk in memory.

`python -m tests.support.fuzzing EXAMPLES [SEED]` is the long form (`make fuzz-gateway`): it says which route fails, and
with which call.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import hypothesis
import pytest
import schemathesis
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.python.asgi import get_client

from fillstream.services.gateway import asking
from fillstream.services.gateway.v1 import orders
from tests.support.backtests import settings_with
from tests.support.gateway_desk import HOST, GatewayDesk

WHOLE = ("status_code_conformance", "content_type_conformance", "response_schema_conformance")
"""What an answer of ours has to be besides no server error that it does not document."""
ENDLESS = ("/v1/stream",)
"""Answers of these do not end; they have tests of their own (`test_stream`)."""
ALPACA = {"symbol": "AAPL", "qty": "10", "side": "buy", "type": "market", "time_in_force": "day"}
ALPACA_FIELDS = {
    *ALPACA, "notional", "limit_price", "stop_price", "trail_price", "trail_percent", "extended_hours", "order_class",
    "client_order_id", "take_profit", "stop_loss", "position_intent", "legs", "unknown",
}  # fmt: skip
NOBODY_CAN_SAY = (503, 507)
"""Server errors that are documented."""


def desk_to_fuzz(patch: pytest.MonkeyPatch) -> GatewayDesk:
    """Return a desk in memory that nobody waits long for; whoever asks may do everything."""
    patch.setenv("FILLSTREAM_GATEWAY__CALLS_PER_MINUTE", "1000000")
    patch.setattr(asking, "PLACE_S", 0.01)
    patch.setattr(asking, "WAIT_S", 0.01)
    patch.setattr(orders, "WAIT_S", 0.01)
    patch.setattr(orders, "MAX_WAIT_S", 0.01)
    found = GatewayDesk(settings_with(patch, simulation__enabled="false"))
    found.quote(19_023, 19_025)  # around the price of the examples
    found.app.router.lifespan_context = _no_life
    return found


@asynccontextmanager
async def _no_life(app: Any) -> Any:
    """A desk in memory reads no Redis."""
    yield


def schema_of(desk: GatewayDesk) -> Any:
    """Return the gateway's own document, as schemathesis reads it."""
    load_all_checks()
    return schemathesis.openapi.from_asgi("/openapi.json", desk.app, headers={"Host": HOST.rpartition("/")[2]})


def operations(schema: Any, below: str) -> Iterator[Any]:
    """Yield the operations below a path."""
    for found in schema.get_all_operations():
        operation = found.ok()
        if operation.path.startswith(below) and operation.path not in ENDLESS:
            yield operation


def not_a_server_error(ctx: Any, response: Any, case: Any) -> None:
    """Refuse 5xx, but for what says that nobody knows, or that Redis takes nothing."""
    assert response.status_code < 500 or response.status_code in NOBODY_CAN_SAY, response.text


def known(desk: GatewayDesk) -> dict[str, str]:
    """Let the desk trade, with an order that works and something that is held; return names that it knows."""
    with get_client(desk.app) as client:
        client.headers["Host"] = HOST.rpartition("/")[2]
        assert client.post(f"{HOST}/v1/resume", json={}).status_code == 200
        client.delete(f"{HOST}/v1/accounts/default/limits", json={})
        order = {"symbol": "AAPL", "side": "BUY", "quantity": "10", "client_order_id": f"c-{len(desk.sent)}"}
        client.post(f"{HOST}/v1/orders", json={**order, "client_order_id": f"f-{len(desk.sent)}"})
        client.post(f"{HOST}/v1/orders", json={**order, "price": "1.00"})
    working = [*desk.desk.orders.working]
    return {"symbol": "AAPL", "account": "default", "venue": "SIM", "order_id": working[-1] if working else "1"}


def nearer(data: Any, case: Any, names: Mapping[str, str]) -> None:
    """Make a call mean something to the desk, mostly: names that it knows, an example's body but for some fields."""
    draw, some = data.draw, hypothesis.strategies.booleans()
    for part in (case.path_parameters, case.query, case.body):
        if isinstance(part, dict):
            part.update({name: value for name, value in names.items() if name in part and draw(some)})
    if isinstance(case.body, dict) and draw(some):
        content = case.operation.definition.raw["requestBody"]["content"]["application/json"]
        odd = draw(hypothesis.strategies.lists(hypothesis.strategies.sampled_from([*case.body, ""]), max_size=2))
        case.body = {**content["example"], **{name: case.body[name] for name in odd if name}}


def alpaca(data: Any, case: Any) -> dict[str, Any]:
    """Return a body for a route whose document has none: an order as Alpaca's clients send it, but for some fields."""
    if case.operation.method not in ("post", "patch") or not case.operation.path.startswith("/alpaca/"):
        return {}
    plain = hypothesis.strategies
    value = plain.one_of(plain.none(), plain.text(), plain.integers(), plain.booleans(), plain.just({}), plain.just([]))
    odd = data.draw(plain.dictionaries(plain.sampled_from(sorted(ALPACA_FIELDS)), value, max_size=3))
    return {"json": {**ALPACA, **odd}}


def fuzz(
    operation: Any,
    examples: int,
    checks: tuple[str, ...],
    names: Mapping[str, str],
    seed: int | None = None,
) -> Counter[int]:
    """Call an operation with what it takes, and with what it does not; return how often each status came.

    Args:
        operation: of the document.
        examples: of each of both.
        checks: names of what an answer has to be, besides no server error.
        names: that the desk knows, by what they are.
        seed: of what is made up; None: always the same calls.

    Raises:
        Exception: an answer is not as it has to be; the last call says which.
    """
    wanted = [not_a_server_error, *(CHECKS.get_one(name) for name in checks)]
    told: Counter[int] = Counter()

    @hypothesis.settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=seed is None,
        phases=(hypothesis.Phase.generate, hypothesis.Phase.shrink),
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(data=hypothesis.strategies.data())
    def play(data: Any) -> None:
        mode = data.draw(hypothesis.strategies.sampled_from((GenerationMode.POSITIVE, GenerationMode.NEGATIVE)))
        case = data.draw(operation.as_strategy(generation_mode=mode))
        nearer(data, case, names)
        response = case.call(base_url=HOST, **alpaca(data, case))
        told[response.status_code] += 1
        case.validate_response(response, checks=wanted)

    (play if seed is None else hypothesis.seed(seed)(play))()
    return told


def main(examples: int, seed: int | None) -> int:
    """Fuzz every operation, and print what fails. Returns how many do."""
    failed = 0
    with pytest.MonkeyPatch.context() as patch:
        desk = desk_to_fuzz(patch)
        schema = schema_of(desk)
        for below, checks in (("/v1/", WHOLE), ("/alpaca/", ())):
            for operation in operations(schema, below):
                try:
                    told = fuzz(operation, examples, checks, known(desk), seed)
                except Exception as error:
                    failed += 1
                    sys.stdout.write(f"{operation.label}: {error}\n\n")
                else:
                    sys.stdout.write(f"{operation.label}: {dict(sorted(told.items()))}\n")
    return failed


if __name__ == "__main__":
    sys.exit(min(1, main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else None)))
