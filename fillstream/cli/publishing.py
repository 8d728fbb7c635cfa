"""What commands share that publish a signal: their options, the sending, and how the answer is shown.

Flows in: what a person typed. Flows out: a signal; what became of it on standard output, and the exit code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from json import loads
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fillstream.cli.exit_codes import Exit, Stop
from fillstream.cli.options import Where, is_order_id
from fillstream.libs.common.messages.codes import OrderType, RejectReason, TrailingOffset
from fillstream.tools.render import as_json, console, print_table, time_of

if TYPE_CHECKING:
    from fillstream.client import Outcome
    from fillstream.client.sync import DeskClient

Wait = Annotated[bool, typer.Option("--wait", "-w", help="Follow the journal until the signal is settled.")]
Timeout = Annotated[float, typer.Option("--timeout", min=0.1, help="With --wait: seconds to wait.")]
SignalId = Annotated[
    str | None,
    typer.Option("--id", help="signal_id: sending the same one again is safe.  \\[default: a new UUID]"),
]
OfSeveral = Annotated[
    str | None,
    typer.Option("--position", help="position_id: of an account that hedges, which of its positions."),
]


def client_of(config: Path | None, desk: Where | None) -> DeskClient:
    """Return a client of the desk that the options name."""
    from fillstream.cli.target import find_desk  # noqa: PLC0415 - `--help` needs no client

    return find_desk(config, desk).client()


def type_by(stop: str | None, trail: str | None, limit: str | None) -> str | None:
    """Return the type that an order's prices say, None where they leave it to the desk."""
    if trail is not None:
        return OrderType.TRAILING_STOP.value
    if stop is None:
        return None
    return (OrderType.STOP if limit is None else OrderType.STOP_LIMIT).value


def trailing(trail: str | None) -> dict[str, str]:
    """Return an offset and what it is counted in: `1.50`, `30ticks`, `50bps`, `0.5%`."""
    if trail is None:
        return {}
    for ending, unit in _TRAILS.items():
        if trail.endswith(ending):
            return {"trailing_offset": trail.removesuffix(ending), "trailing_offset_type": unit}
    return {"trailing_offset": trail}


_TRAILS = {"%": TrailingOffset.PERCENT.value, "bps": TrailingOffset.BPS.value, "ticks": TrailingOffset.TICKS.value}


def named_by(order: str, by_client_id: bool) -> dict[str, Any]:
    """Return ORDER as a request names it: by its number, or by its owner's name for it."""
    return {"order_id" if is_order_id(order, by_client_id) else "client_order_id": order}


def told(parameters: Sequence[str] | None) -> dict[str, Any]:
    """Return what an algorithm is told: of NAME=VALUE each, and of JSON objects in files, @FILE.

    Raises:
        Stop: one is neither, or a file has no JSON object.
    """
    found: dict[str, Any] = {}
    for each in parameters or ():
        if each.startswith("@"):
            found |= _object_in(Path(each[1:]))
            continue
        name, equals, value = each.partition("=")
        if not equals or not name.strip():
            raise Stop(Exit.USAGE, f"-p {each}: must be NAME=VALUE, or @FILE")
        found[name.strip()] = _value_of(value, each)
    return found


def _object_in(file: Path) -> dict[str, Any]:
    try:
        said = loads(file.read_text(), parse_float=str)  # the digits as they stand there
    except OSError as error:
        raise Stop(Exit.USAGE, f"-p @{file}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise Stop(Exit.USAGE, f"-p @{file}: is no JSON: {error}") from None
    if not isinstance(said, dict):
        raise Stop(Exit.USAGE, f"-p @{file}: must hold a JSON object")
    return said


def _value_of(text: str, said: str) -> Any:
    """Return a value: JSON where it is a list or an object, a list where there are commas, else text; no float."""
    if text.startswith("["):
        try:
            return loads(text, parse_float=str)
        except ValueError:
            raise Stop(Exit.USAGE, f"-p {said}: is no JSON") from None
    return text.split(",") if "," in text else text


def publish(send: Callable[[], str]) -> str:
    """Send a signal; what the desk would not take ends the command with a sentence a field."""
    try:
        return send()
    except ValueError as error:
        raise Stop(Exit.USAGE, str(error)) from None


@contextmanager
def gone(signal_id: str) -> Iterator[None]:
    """Say how to go on where Redis, or the gateway, goes away after a signal was sent."""
    from fillstream.cli.sentences import who_went_away  # noqa: PLC0415 - `--help` needs no client

    try:
        yield
    except Exception as error:
        who = who_went_away(error)
        if who is None:
            raise
        said = str(error).removesuffix(".")
        text = (
            f"signal {signal_id} is in its stream, and {who} went away before an answer: {said}; the same command with "
            f"--id {signal_id} tells what became of it, and does nothing twice"
        )
        raise Stop(Exit.NO_ANSWER, text) from None


def answer(client: DeskClient, signal_id: str, timeout_s: float | None, json: bool) -> None:
    """Show what became of a signal, or only its id without a time to wait; ends with `Exit.NO` when it was refused."""
    if timeout_s is None:
        if json:
            as_json({"signal_id": signal_id})
        else:
            console().print(f"published signal [bold]{signal_id}[/]")
        return
    with gone(signal_id):
        outcome = client.wait_for(signal_id, timeout_s=timeout_s)
    if json:
        of_list = {"list_id": outcome.list_id, "list_order_status": outcome.list_order_status}
        as_json(
            {
                "signal_id": signal_id,
                "refused": outcome.refused,
                "order_id": outcome.order_id,
                "ord_status": outcome.ord_status,
                **(of_list if outcome.list_id is not None else {}),
                "reason": outcome.reason,
                "text": outcome.text,
                "events": outcome.events,
            }
        )
    else:
        _show(outcome)
    if outcome.refused:
        raise typer.Exit(Exit.NO)


OUTCOME = ("time", "type", "order_id", "ord_status", "last_qty", "last_px", "cum_qty", "leaves_qty", "avg_px")
OF_LIST = (
    "time",
    "type",
    "order_id",
    "client_order_id",
    "symbol",
    "side",
    "quantity",
    "ord_status",
    "cum_qty",
    "reason",
)


def _show(outcome: Outcome) -> None:
    whose = "" if outcome.order_id is None else f", order {outcome.order_id}"
    columns: Sequence[str] = OUTCOME
    events = outcome.events
    if outcome.list_id is not None:
        whose, columns = f", list {outcome.list_id}: {outcome.list_order_status}", OF_LIST
        events = [each | {"ord_status": each.get("ord_status") or each.get("list_order_status")} for each in events]
    rows = [[time_of(event[name]) if name == "time" else event.get(name) for name in columns] for event in events]
    out = console()
    print_table(out, f"signal {outcome.signal_id}{whose}", columns, rows, spare=("order_id", "leaves_qty", "avg_px"))
    if outcome.list_id is not None:
        for event in outcome.events:
            if event["type"] == "OrderRejected" and event.get("reason") != RejectReason.LIST_REJECTED:
                named = f"{event['client_order_id']}: {event['reason']}: {event.get('text')}"
                out.print(named, markup=False, style="red", soft_wrap=True)
    if outcome.text:
        text = f"{outcome.reason}: {outcome.text}" if outcome.reason else outcome.text
        out.print(text, markup=False, style="red" if outcome.refused else "yellow")
