"""Commands about rules of the desk: rules check, rules list, rules dry-run."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any, cast

import orjson
import typer

from fillstream.cli.asking import analytics, tell_missing
from fillstream.cli.commands import LOOK
from fillstream.cli.exit_codes import Exit, Stop
from fillstream.cli.options import AnalyticsUrl, AsJson, Config, RedisUrl
from fillstream.cli.publishing import client_of
from fillstream.tools.render import as_json, console, show, time_of

if TYPE_CHECKING:
    from pathlib import Path

    from fillstream.libs.common.messages.rule_terms import RuleTerms

COLUMNS = ("rule_id", "event", "when", "actions", "priority", "cooldown_seconds", "max_executions_per_day", "enabled")
STATE = ("rule_id", "fired", "last_fired", "failed", "text")
TRIED = ("time", "rule_id", "rule_status", "event_type", "account", "symbol", "instructions", "text")
SPARE = ("priority", "cooldown_seconds", "max_executions_per_day", "text")
PAGE = 1000


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(no_args_is_help=True, help="Rules of the desk: what is done by itself (docs/rules.md).")
    group.command("check")(check)
    group.command("list")(list_)
    group.command("dry-run")(dry_run)
    app.add_typer(group, name="rules", rich_help_panel=LOOK)


def check(config: Config = None, json: AsJson = False) -> None:
    """Read the rules of a configuration; what is wrong is said with file, line and key.

    \b
    fillstream rules check --config config/local.yaml
    """
    rules = _rules(config)
    _show(rules, json)
    if not json:
        console().print(f"{len(rules)} rules can be read")


def list_(
    json: AsJson = False, analytics_url: AnalyticsUrl = None, redis_url: RedisUrl = None, config: Config = None
) -> None:
    """List the rules of the configuration, and what those that the desk has did.

    \b
    fillstream rules list
    """
    rules = _rules(config)
    with analytics(config, redis_url, analytics_url) as ask:
        found = ask.sql(
            "SELECT rule_id, count(*) FILTER (rule_status = 'FIRED') AS fired, "
            "max(time) FILTER (rule_status = 'FIRED') AS last_fired, "
            "count(*) FILTER (rule_status = 'FAILED') AS failed, arg_max(text, seq) AS text "
            "FROM position_events WHERE type = 'RuleReported' AND rule_id IS NOT NULL GROUP BY ALL ORDER BY rule_id",
            1000,
        )
    tell_missing(found)
    if json:
        as_json({"rules": [rule.values() for rule in rules], "reported": found.json()})
        return
    _show(rules, json)
    if found.rows:
        show("what they did", STATE, found.rows, json, ("text",))


def dry_run(
    account: Annotated[str | None, typer.Option("--account", "-a", help="Events of this account only.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="The last so many.")] = 100,
    json: AsJson = False,
    redis_url: RedisUrl = None,
    config: Config = None,
) -> None:
    """Say what the rules of a configuration would have done with the journal that Redis has. Nothing is sent.

    \b
    fillstream rules dry-run --config new-rules/local.yaml

    Positions are what came of the journal as it is there: where it was trimmed, what was held before is not known. What
    an action would have led to did not happen, so a rule about positions sees those that there were.
    """
    from fillstream.tools.rule_trial import tried

    rules = _rules(config)
    if not rules:
        raise Stop(Exit.USAGE, "rules: the configuration has none; docs/rules.md says how they are written")
    found: list[dict[str, Any]] = []
    with client_of(config, redis_url) as client:
        for partition in range(client.topology.account_partitions):
            stream = client.topology.events(partition)
            found += tried(_entries(client.redis, stream), partition, rules)
    if account is not None:
        found = [each for each in found if each["account"] == account]
    found.sort(key=lambda each: each["time"])
    counts = Counter((each["rule_id"] or "", each["rule_status"]) for each in found)
    if json:
        as_json({"counts": {f"{rule} {status}".strip(): n for (rule, status), n in counts.items()}, "reports": found})
        return
    shown = [
        each | {"time": time_of(each["time"]), "instructions": _brief(each["instructions"])} for each in found[-limit:]
    ]
    show("would have been done", TRIED, shown, json, ("text", "event_type"))
    for (rule, status), number in sorted(counts.items()):
        console().print(f"{rule or 'no rule'}: {status} {number}", markup=False)


def _entries(redis: Any, stream: str) -> Any:
    after = "-"
    while True:
        page = cast("list[Any]", redis.xrange(stream, after, "+", count=PAGE))
        for entry_id, fields in page:
            if b"data" in fields or b"tick" in fields:
                yield entry_id.decode(), fields
        if len(page) < PAGE:
            return
        after = f"({page[-1][0].decode()}"


def _rules(config: Path | None) -> tuple[RuleTerms, ...]:
    from fillstream.libs.common.process.settings import default_path, load_settings
    from fillstream.services.order_service.app import desk_config

    settings = load_settings(config or default_path())
    desk_config(settings)  # what the orders stage would refuse is said here
    return settings.rules


def _show(rules: tuple[RuleTerms, ...], json: bool) -> None:
    if json:
        as_json([rule.values() for rule in rules])
        return
    rows = [
        {name: getattr(rule, name) for name in COLUMNS} | {"actions": orjson.dumps(rule.actions).decode()}
        for rule in rules
    ]
    show("rules", COLUMNS, rows, json, SPARE)


def _brief(instructions: list[dict[str, Any]]) -> str:
    names = ("type", "side", "quantity", "target", "price")
    return "; ".join(" ".join(str(each[name]) for name in names if each.get(name) is not None) for each in instructions)
