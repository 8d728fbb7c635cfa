"""Commands about rules of the desk: rules check, list, dry-run, enable, disable, reset."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any, Final, cast

import orjson
import typer

from fillstream.cli.asking import analytics, tell_missing
from fillstream.cli.commands import LOOK
from fillstream.cli.controlling import ControlId, Reason, Timeout, tell
from fillstream.cli.options import AnalyticsUrl, AsJson, Config, Desk, OperatorUrl, Who
from fillstream.cli.publishing import client_of
from fillstream.libs.common.values.naming import cut
from fillstream.tools.render import as_json, console, show, time_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fillstream.libs.common.messages.rule_terms import RuleTerms

COLUMNS = ("rule_id", "event", "when", "actions", "priority", "cooldown_seconds", "max_executions_per_day", "enabled")
STATE = ("fired", "last_fired", "failure")
RULES = """
WITH defined AS (
    SELECT split_part(log_stream, '.', -1) AS part, rule_id, rule, time FROM events WHERE type = 'RuleDefined'
    QUALIFY row_number() OVER (PARTITION BY log_stream, rule_id ORDER BY seq DESC) = 1
), reported AS (
    SELECT split_part(log_stream, '.', -1) AS part, rule_id, rule_status, text, time FROM position_events
    WHERE type = 'RuleReported' AND rule_id IS NOT NULL
)
SELECT rule_id, arg_max(rule, d.time) AS rule, count(*) FILTER (rule_status = 'FIRED') AS fired,
       max(r.time) FILTER (rule_status = 'FIRED') AS last_fired,
       arg_max(text, r.time) FILTER (rule_status = 'FAILED' AND r.time >= d.time) AS failure
FROM defined d LEFT JOIN reported r USING (part, rule_id)
WHERE rule IS NOT NULL GROUP BY rule_id ORDER BY rule_id
"""
"""A rule that failed in a partition is looked at no more there until it is defined anew."""
TRIED = ("time", "rule_id", "rule_status", "event_type", "account", "symbol", "instructions", "text")
SPARE = ("priority", "cooldown_seconds", "max_executions_per_day", "text")
PAGE = 1000
SWITCHES: Final[dict[str, tuple[bool | None, str]]] = {
    "enable": (
        True,
        """Switch a rule of the desk on, whatever the configuration says; one that failed is looked at again.

        \b
        fillstream rules enable entry --reason "the feed is right again"

        It stands, whatever is started again, until it is switched or reset.
        """,
    ),
    "disable": (
        False,
        """Switch a rule of the desk off: it is not looked at any more. What it sent stays.

        \b
        fillstream rules disable entry --reason "the model drifts"

        It stands, whatever is started again, until it is switched or reset.
        """,
    ),
    "reset": (
        None,
        """Let the configuration say whether a rule is on.

        \b
        fillstream rules reset entry --reason "as the file says"
        """,
    ),
}
"""Commands that switch a rule: to what, and their help."""
RuleId = Annotated[str, typer.Argument(metavar="RULE", help="Its rule_id; `fillstream rules list` has it.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(no_args_is_help=True, help="Rules of the desk: what is done by itself (docs/rules.md).")
    group.command("check")(check)
    group.command("list")(list_)
    group.command("dry-run")(dry_run)
    for name, (enabled, text) in SWITCHES.items():
        group.command(name)(_switching(enabled, text))
    app.add_typer(group, name="rules", rich_help_panel=LOOK)


def check(config: Config = None, json: AsJson = False) -> None:
    """Read the rules of a configuration; what is wrong is said with file, line and key.

    \b
    fillstream rules check --config config/local.yaml
    """
    rules = _rules(config)
    _show(rules, json)
    if not json:
        console().print(f"{len(rules)} rule{'' if len(rules) == 1 else 's'} can be read")


def list_(json: AsJson = False, analytics_url: AnalyticsUrl = None, desk: Desk = None, config: Config = None) -> None:
    """List the rules that the desk has, whether each is on, and what it did.

    \b
    fillstream rules list

    A rule with a failure is looked at no more until it is changed or enabled. Where the configuration has other rules,
    it says so: they count from the next start of the orders stage on.
    """
    from fillstream.libs.common.messages.rule_terms import MAX_RULES, RuleTerms

    with analytics(config, desk, analytics_url) as ask:
        found = ask.sql(RULES, MAX_RULES)
    tell_missing(found)
    known = {row["rule_id"]: RuleTerms.model_validate(orjson.loads(row["rule"])) for row in found.rows}
    rows = [
        {name: getattr(known[row["rule_id"]], name) for name in COLUMNS} | {name: row[name] for name in STATE}
        for row in found.rows
    ]
    written = {rule.rule_id: rule for rule in _rules(config)}
    differ = sorted(name for name in {*known, *written} if _but_on(known.get(name)) != _but_on(written.get(name)))
    if json:
        as_json({"rules": rows, "differ": differ, "incomplete": found.incomplete})
        return
    shown = [row | {"actions": orjson.dumps(row["actions"]).decode()} for row in rows]
    show("rules", (*COLUMNS, *STATE), shown, json, SPARE)
    if differ:
        names = cut(", ".join(differ))
        console().print(f"other in the file, counts from the next start of the orders stage on: {names}", markup=False)


def _but_on(rule: RuleTerms | None) -> RuleTerms | None:
    """Return a rule's terms as if it were on: an operator may have switched it."""
    return None if rule is None else rule.model_copy(update={"enabled": True})


def dry_run(
    account: Annotated[str | None, typer.Option("--account", "-a", help="Events of this account only.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="The last so many.")] = 100,
    json: AsJson = False,
    desk: Desk = None,
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
    found: list[dict[str, Any]] = []
    with client_of(config, desk) as client:
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
    if not rules:
        console().print("the configuration has no rules; docs/rules.md says how they are written", markup=False)
    for (rule, status), number in sorted(counts.items()):
        console().print(f"{rule or 'no rule'}: {status} {number}", markup=False)


def _switching(enabled: bool | None, text: str) -> Callable[..., None]:
    """Return the command that switches a rule on or off; None: as the configuration says."""

    def switch(
        rule: RuleId,
        reason: Reason,
        who: Who = None,
        control_id: ControlId = None,
        timeout: Timeout = 5.0,
        json: AsJson = False,
        operator_url: OperatorUrl = None,
        desk: Desk = None,
        config: Config = None,
    ) -> None:
        urls = (operator_url, desk, config)
        tell("SwitchRule", None, who, reason, control_id, timeout, json, urls, rule_id=rule, enabled=enabled)

    switch.__doc__ = text
    return switch


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
