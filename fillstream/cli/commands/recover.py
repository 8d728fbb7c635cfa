"""`fillstream recover`: what stopped the stages for a person, where it can be had from, and that person's word."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from fillstream.cli.commands import REPAIR
from fillstream.cli.exit_codes import Exit, Stop
from fillstream.cli.options import AsJson, Config, OperatorUrl, RedisUrl, Who, login
from fillstream.tools.render import as_json, console

if TYPE_CHECKING:
    from fillstream.tools.recover import Stopped


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel=REPAIR)(recover)


def recover(
    accept: Annotated[
        str | None,
        typer.Option("--accept", metavar="STAGE", help="Accept what this stage stopped at; it goes on without."),
    ] = None,
    reason: Annotated[str | None, typer.Option("--reason", help="Why, in your words; kept in the journal.")] = None,
    who: Who = None,
    json: AsJson = False,
    operator_url: OperatorUrl = None,
    redis_url: RedisUrl = None,
    config: Config = None,
) -> None:
    """Say which stages stopped for a person (exit code 71), what is lost, where it can be had from; accept a loss.

    \b
    fillstream recover
    fillstream recover --accept orders --reason "test signals, nobody misses them"

    What is accepted is one sentence. The stage acts on it when it is started again, and the journal has it, with who
    and why. The exit code is 0 when nothing is wrong, and 1 when something is, or there is no desk at all.
    """
    from fillstream.cli.target import urls_of
    from fillstream.libs.common.runtime.continuity import TopologyDiffers
    from fillstream.libs.common.runtime.log import connect
    from fillstream.libs.common.runtime.look import read_marker
    from fillstream.libs.common.runtime.server_checks import ServerRefused
    from fillstream.tools.recover import stopped

    urls = urls_of(operator_url, redis_url, config)
    with connect(urls.url) as client:
        try:
            found = stopped(client, urls.topology)
        except TopologyDiffers as error:
            raise Stop(Exit.USAGE, str(error)) from None
        except ServerRefused as error:
            raise Stop(Exit.NO, str(error)) from None
        if accept is not None:
            _accept(client, urls.topology, found, accept, who or login(), reason, json)
            return
        is_no_desk = not found and read_marker(client, urls.topology) is None
    if json:
        as_json([_as_dict(each) for each in found])
    elif not is_no_desk:
        _explain(found)
    if is_no_desk:
        raise Stop(Exit.NO, _no_desk(urls.topology.prefix))
    if found:
        raise typer.Exit(Exit.NO)


def _no_desk(prefix: str) -> str:
    under = f" under the prefix {prefix}" if prefix else ""
    return (
        f"this Redis knows no desk{under}: none was ever started here, or it was flushed, lost its files, or is another"
        " server. Only the stages' volumes tell: start them, and those that know a desk stop"
        " (docs/runbook/desk-gone.md), while those that know none begin a new one"
    )


def _accept(
    client: Any, topology: Any, found: list[Stopped], stage: str, who: str, reason: str | None, json: bool
) -> None:
    from fillstream.tools.recover import accept
    from fillstream.tools.runbook import PAGES

    if not reason or not reason.strip():
        raise Stop(Exit.USAGE, "--reason: say why; the journal keeps it")
    one = next((each for each in found if each.process == stage), None)
    if one is None:
        names = ", ".join(each.process for each in found) or "none"
        raise Stop(Exit.NOT_FOUND, f"--accept: {stage} has not stopped for a person; of those that have: {names}")
    if not one.can_be_accepted:
        raise Stop(Exit.NO, f"{one.text} That cannot be accepted; docs/runbook/{one.page.value}.md has the way on")
    word = accept(client, topology, one, who, reason)
    if json:
        as_json({"stage": stage, "page": word.page.value, "text": word.text, "control_id": word.control_id})
        return
    console().print(f"accepted: {one.text}", markup=False, style="green", soft_wrap=True)
    console().print(f"{PAGES[one.page].accepting} Start {stage} again.", markup=False, soft_wrap=True)


def _explain(found: list[Stopped]) -> None:
    from fillstream.libs.common.messages.stages import STAGES
    from fillstream.tools.runbook import PAGES

    out = console()
    if not found:
        out.print("every stage can go on by itself", style="green")
    for each in found:
        page = PAGES[each.page]
        out.print(f"{each.process}: {page.title} ({each.page.value})", markup=False, style="red", soft_wrap=True)
        lines = [each.text, "", f"What happened: {page.happened}", f"What is lost: {page.lost}"]
        lines += ["Where it can be had from:", *(f"  {number}. {one}" for number, one in enumerate(page.sources, 1))]
        if each.waits is not None:
            lines.append(f"{each.waits.who} has accepted it ({each.waits.reason}): start {each.process} again")
        elif each.can_be_accepted:
            lines += [f"Accepting it: {page.accepting}", f'  fillstream recover --accept {each.process} --reason "…"']
        elif each.stage in STAGES:
            lines.append("It cannot be accepted: there is nothing that the stage could go on with.")
        elif page.analytics:
            lines.append(f"Analytics: {page.analytics}")
        out.print("\n".join(f"  {line}" if line else "" for line in lines), markup=False, soft_wrap=True)


def _as_dict(each: Stopped) -> dict[str, Any]:
    from fillstream.tools.runbook import PAGES

    page = PAGES[each.page]
    return {
        "stage": each.process,
        "page": each.page.value,
        "text": each.text,
        "entry": each.entry or None,
        "title": page.title,
        "happened": page.happened,
        "lost": page.lost,
        "sources": list(page.sources),
        "can_be_accepted": each.can_be_accepted,
        "accepting": page.accepting or None,
        "accepted_by": each.waits.who if each.waits else None,
    }
