"""What commands that send controls share: their options, the sending, and how the answer is shown.

Flows in: a control's kind and fields, as typed. Flows out: the desk's answer on standard output, and the exit code.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fillstream.cli.exit_codes import Exit, Stop
from fillstream.cli.options import OPERATOR_VARIABLE, Where
from fillstream.tools.render import as_json, console

if TYPE_CHECKING:
    from fillstream.client import Answer

Reason = Annotated[str, typer.Option("--reason", help="Why, in your words; kept in the journal.")]
ControlId = Annotated[
    str | None, typer.Option("--id", help="control_id: sending the same one again is safe.  \\[default: a new UUID]")
]
Timeout = Annotated[float, typer.Option("--timeout", min=0.1, help="Seconds to wait for the answer.")]
WholeDesk = Annotated[bool, typer.Option("--all", help="The whole desk, every account of it.")]


def account_of(account: str | None, whole_desk: bool) -> str | None:
    """Return whom a control is about, None for the whole desk: exactly one of the two was said."""
    if (account is None) != whole_desk:
        raise Stop(Exit.USAGE, "ACCOUNT: name an account, or the whole desk with --all, and not both")
    return account


def tell(
    kind: str,
    account: str | None,
    who: str | None,
    reason: str,
    control_id: str | None,
    timeout: float,
    json: bool,
    urls: tuple[str | None, Where | None, Path | None],
    **more: Any,
) -> None:
    """Send a control and show its answer; ends with `Exit.NO` when it was refused.

    Args:
        kind, account, reason, control_id, timeout: see `fillstream.client.Client.control`.
        who: None for the login's name.
        json: shown as JSON.
        urls: the options --operator-url, where the desk is, and --config.
        more: the control's own fields; None is one that was not said.
    """
    import redis  # noqa: PLC0415 - `--help` needs none of it

    from fillstream.cli.target import find_desk  # noqa: PLC0415

    operator_url, where, config = urls
    desk = find_desk(config, where)
    said = {name: value for name, value in more.items() if value is not None}
    with desk.operator(operator_url) as client:
        try:
            answer = client.control(
                kind, account, who=desk.who(who), reason=reason, control_id=control_id, timeout_s=timeout, **said
            )
        except ValueError as error:
            raise Stop(Exit.USAGE, str(error)) from None
        except redis.exceptions.NoPermissionError as error:
            raise Stop(
                Exit.NO, f"Redis: {error}; {OPERATOR_VARIABLE} or --operator-url names the user that may: operator"
            ) from None
    _show(answer, json)


def _show(answer: Answer, json: bool) -> None:
    if json:
        as_json(
            {
                "control_id": answer.control_id,
                "refusal": answer.refusal,
                "text": answer.text,
                "events": answer.events,
            }
        )
    else:
        style = "red" if answer.refusal else "green"
        console().print(answer.text, markup=False, style=style, soft_wrap=True)
    if answer.refusal:
        raise typer.Exit(Exit.NO)
