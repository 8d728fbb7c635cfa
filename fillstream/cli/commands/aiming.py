"""Commands that say what is to be held: target, flatten."""

from __future__ import annotations

import json as json_
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fillstream.cli.commands import TRADE
from fillstream.cli.exit_codes import Exit, Stop
from fillstream.cli.options import Account, AsJson, Config, Desk, TakesNumbers
from fillstream.cli.order_options import Parameter, Strategy
from fillstream.cli.publishing import SignalId, Timeout, Wait, answer, client_of, gone, publish, told
from fillstream.libs.common.messages.codes import DEFAULT_ACCOUNT, FLATTEN_PROTECTION
from fillstream.libs.common.messages.topology import id_ms
from fillstream.tools.render import as_json, console, print_table

if TYPE_CHECKING:
    from fillstream.client.sync import DeskClient

COLUMNS = (
    "symbol", "target_status", "target_qty", "held_qty", "attempt", "traded_qty", "traded_px", "shortfall", "paid_fees",
    "duration_ms", "text",
)  # fmt: skip
SPARE = ("attempt", "duration_ms", "paid_fees")
EXITS = ("symbol", "position_id", "exit_status", "exit_qty", "exit_px", "attempt", "text")

Weight = Annotated[str | None, typer.Option("--weight", metavar="SHARE", help="Instead: of the equity, 0.25.")]
File = Annotated[Path | None, typer.Option("--file", help="Several: a JSON list of objects, or an object SYMBOL: QTY.")]
CloseOthers = Annotated[bool, typer.Option("--close-others", help="With --file: whatever else is held goes.")]
Tolerance = Annotated[str | None, typer.Option("--tolerance", metavar="QTY", help="So far from it is near enough.")]
MinValue = Annotated[str | None, typer.Option("--min-value", metavar="MONEY", help="No trade that is worth less.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (target, flatten):
        app.command(rich_help_panel=TRADE, cls=TakesNumbers)(command)


def target(
    symbol: Annotated[str | None, typer.Argument(help="Of what: a symbol of instruments.yaml.")] = None,
    quantity: Annotated[
        str | None, typer.Argument(metavar="[QTY]", help="To be held: above 0 long, below 0 short.")
    ] = None,
    weight: Weight = None,
    file: File = None,
    close_others: CloseOthers = False,
    tolerance: Tolerance = None,
    min_value: MinValue = None,
    algorithm: Annotated[str | None, typer.Option("--algorithm", help="Works its orders: TWAP, VWAP …")] = None,
    parameters: Parameter = None,
    cancel: Annotated[bool, typer.Option("--cancel", help="Go for it no more; without a symbol for none.")] = False,
    strategy: Strategy = None,
    account: Account = DEFAULT_ACCOUNT,
    signal_id: SignalId = None,
    wait: Wait = False,
    timeout: Timeout = 5.0,
    json: AsJson = False,
    desk: Desk = None,
    config: Config = None,
) -> None:
    """Say what is to be held; the desk sends what is missing until it is.

    \b
    fillstream target AAPL 300 --wait
    fillstream target AAPL -50 --algorithm TWAP -p duration_ms=600000
    fillstream target AAPL --weight 0.25
    fillstream target --file portfolio.json --close-others
    fillstream target AAPL --cancel

    With --wait the exit code is 1 when it was refused or given up, and 5 when it is not reached in time.
    """
    with client_of(config, desk) as client:
        if cancel:
            sent = publish(lambda: client.cancel_target(symbol, account=account, signal_id=signal_id))
            return answer(client, sent, timeout if wait else None, json)
        said: dict[str, Any] = {
            "weight": weight, "tolerance": tolerance, "min_value": min_value, "algorithm": algorithm,
            "algorithm_parameters": told(parameters) or None, "strategy": strategy,
        }  # fmt: skip
        if close_others and file is None:
            raise Stop(
                Exit.USAGE, "close_others: needs a --file that says what is to be held instead; `flatten` closes all"
            )
        if file is not None:
            said |= {"targets": _targets_in(file), "close_others": close_others or None}
        elif symbol is not None and quantity is None and weight is None:
            raise Stop(Exit.USAGE, f"quantity: say how many {symbol} are to be held, or a --weight")
        elif symbol is None:
            raise Stop(Exit.USAGE, "symbol: name one with its quantity or --weight, or a --file of several")
        after = _place(client, account)
        sent = publish(lambda: client.set_target(symbol, quantity, account=account, signal_id=signal_id, **said))
        return _follow(client, sent, account, after, timeout if wait else None, json)


def flatten(
    account: Account = DEFAULT_ACCOUNT,
    signal_id: SignalId = None,
    wait: Wait = False,
    timeout: Timeout = 5.0,
    json: AsJson = False,
    desk: Desk = None,
    config: Config = None,
) -> None:
    """Close all that an account holds, and cancel all of it that works. One that is flat already is said to be.

    \b
    fillstream flatten --account demo --wait
    """
    with client_of(config, desk) as client:
        after = _place(client, account)
        sent = publish(lambda: client.flatten(account=account, signal_id=signal_id))
        _follow(client, sent, account, after, timeout if wait else None, json)


def _targets_in(file: Path) -> list[dict[str, Any]]:
    """Return the targets of a file.

    Raises:
        Stop: it cannot be read, or says something else.
    """
    try:
        said = json_.loads(file.read_text(), parse_float=str)  # the digits as they stand there
    except OSError as error:
        raise Stop(Exit.USAGE, f"{file}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise Stop(Exit.USAGE, f"{file}: is no JSON: {error}") from None
    if isinstance(said, dict) and isinstance(said.get("targets"), list):
        said = said["targets"]  # as the signal has it
    if isinstance(said, dict):
        said = [{"symbol": symbol, "target": quantity} for symbol, quantity in said.items()]
    if not isinstance(said, list) or not all(isinstance(each, dict) for each in said):
        raise Stop(Exit.USAGE, f"{file}: must hold a JSON list of objects, a target each, or an object SYMBOL: QTY")
    return said


def _place(client: DeskClient, account: str) -> str:
    """Return the last entry of the stream that will tell of an account's targets; an alias's is any partition's."""
    redis: Any = client.redis
    streams = [client.topology.positions(each) for each in range(client.topology.account_partitions)]
    last = [entry[0].decode() for each in streams for entry in redis.xrevrange(each, count=1)]
    return min(last, key=id_ms, default="0-0") if len(last) == len(streams) else "0-0"


def _follow(client: DeskClient, signal_id: str, account: str, after: str, timeout_s: float | None, json: bool) -> None:
    """Show what becomes of a signal's targets until each has ended; ends with `Exit.NO` where one is not reached."""
    from fillstream.client.topics import TARGETS
    from fillstream.libs.common.messages.targets import TargetStatus

    ends = (TargetStatus.REACHED, TargetStatus.FAILED, TargetStatus.REPLACED, TargetStatus.CANCELED)
    if timeout_s is None:
        return answer(client, signal_id, None, json)
    ends_s = time.monotonic() + timeout_s
    with gone(signal_id):
        outcome = client.wait_for(signal_id, account=account, timeout_s=timeout_s)
    if outcome.refused:
        return answer(client, signal_id, timeout_s, json)
    hedged = next((each for each in outcome.events if each["type"] == "PositionProtected"), None)
    if hedged is not None:
        return _follow_exits(client, signal_id, account, after, hedged["legs"], ends_s - time.monotonic(), json)
    if not any(each["type"] == "TargetSet" for each in outcome.events):  # it is flat, and that was asked for
        if json:
            as_json({"signal_id": signal_id, "targets": []})
        else:
            told = f"{account} holds nothing, nothing of it works, and no target of it is to be reached any more"
            console().print(told, markup=False)
        return None
    legs = next(each["legs"] for each in outcome.events if each["type"] == "TargetSet")
    last: dict[str, dict[str, Any]] = {}
    with gone(signal_id):
        for item in client.follow_topic(TARGETS, account=account, after=after, within_s=ends_s - time.monotonic()):
            if item.message.signal_id != signal_id:
                continue
            last[item.message.symbol] = item.message.model_dump(mode="json", exclude_none=True)
            if len(last) == legs and all(each["target_status"] in ends for each in last.values()):
                break
    rows = [*last.values()]
    if json:
        as_json({"signal_id": signal_id, "targets": rows})
    else:
        print_table(
            console(),
            f"signal {signal_id}",
            COLUMNS,
            [[each.get(name) for name in COLUMNS] for each in rows],
            spare=SPARE,
        )
    if not all(each["target_status"] in ends for each in rows) or len(rows) < legs:
        text = f"not all of it is reached in {timeout_s:g} s; the desk goes on, and TargetChanged in positions.* tells"
        raise Stop(Exit.NO_ANSWER, text)
    if any(each["target_status"] != TargetStatus.REACHED for each in rows):
        raise typer.Exit(Exit.NO)
    return None


def _follow_exits(
    client: DeskClient, signal_id: str, account: str, after: str, legs: int, within_s: float, json: bool
) -> None:
    """Show what becomes of each position of an account that hedges and is to be flat, until all are closed."""
    from fillstream.client.topics import EXITS as TOPIC
    from fillstream.libs.common.messages.exits import ExitStatus

    ends = (ExitStatus.DONE, ExitStatus.ENDED)
    last: dict[tuple[str, str], dict[str, Any]] = {}
    with gone(signal_id):
        for item in client.follow_topic(TOPIC, account=account, after=after, within_s=within_s):
            told = item.message
            if told.protection_id != FLATTEN_PROTECTION:
                continue
            last[told.symbol, told.position_id] = told.model_dump(mode="json", exclude_none=True)
            if len(last) == legs and all(each["exit_status"] in ends for each in last.values()):
                break
    rows = [*last.values()]
    if json:
        as_json({"signal_id": signal_id, "exits": rows})
    else:
        print_table(
            console(), f"signal {signal_id}", EXITS, [[each.get(name) for name in EXITS] for each in rows], spare=SPARE
        )
    closed = sum(each["exit_status"] in ends for each in rows)
    if closed < legs:
        text = f"{closed} of {legs} positions are closed so far; the desk goes on, `fillstream exits` shows how"
        raise Stop(Exit.NO_ANSWER, text)
