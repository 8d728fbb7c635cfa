"""Rules that an operator switched: what counts, through restarts and new files, until it is reset."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from fillstream.libs.common.messages.rule_terms import RuleTerms
from fillstream.services.order_service.orders.config import DeskConfig
from tests.support.orders import CONFIG, OrdersDesk
from tests.support.terms import but


def configured(**changed: Any) -> DeskConfig:
    entry = {"rule_id": "entry", "event": "OrderFilled", "when": "true", "actions": [{"close": {}}]} | changed
    other = {"rule_id": "other", "event": "OrderFilled", "when": "true", "actions": [{"close": {}}], "enabled": False}
    return but(CONFIG, rules=(RuleTerms.model_validate(entry), RuleTerms.model_validate(other)))


@pytest.fixture
def desk() -> OrdersDesk:
    return OrdersDesk(configured())


def switch(desk: OrdersDesk, rule_id: str, enabled: bool | None, control_id: str) -> list[dict[str, Any]]:
    said = {"type": "SwitchRule", "v": 1, "control_id": control_id, "who": "me", "reason": "drifts", "rule_id": rule_id}
    return desk.fold({b"control": orjson.dumps(said | ({} if enabled is None else {"enabled": enabled}))})


def on(event: dict[str, Any]) -> bool:
    return RuleTerms.model_validate(orjson.loads(event["rule"])).enabled


def test_a_rule_is_off_until_it_is_reset_whatever_is_started_again_and_whatever_a_file_says(desk: OrdersDesk) -> None:
    applied, defined = switch(desk, "entry", False, "c1")
    assert (applied["type"], applied["text"]) == ("ControlApplied", "rule entry: is off, until it is switched or reset")
    assert (defined["type"], defined["rule_id"], on(defined)) == ("RuleDefined", "entry", False)
    assert desk.restarted() is None, "the same file says nothing new"
    fields = desk.restarted(configured(priority=7))
    assert fields is not None
    [defined] = [each for each in desk.fold(fields) if each["type"] == "RuleDefined"]
    assert (on(defined), orjson.loads(defined["rule"])["priority"]) == (False, 7)
    applied, defined = switch(desk, "entry", None, "c2")
    assert (applied["text"], on(defined)) == ("rule entry: is on, as the configuration says", True)
    fields = desk.restarted(configured())
    assert fields is not None
    assert [on(each) for each in desk.fold(fields) if each["type"] == "RuleDefined"] == [True]


def test_one_that_the_file_has_off_is_switched_on_and_told_again_though_it_is_on(desk: OrdersDesk) -> None:
    for control_id in ("c1", "c2"):
        applied, defined = switch(desk, "other", True, control_id)
        assert (applied["text"], on(defined)) == ("rule other: is on, until it is switched or reset", True)
    [reported] = switch(desk, "other", True, "c1")
    assert reported["type"] == "ControlReported"


def test_a_rule_that_there_is_not_is_refused_and_one_that_there_was_may_be_reset(desk: OrdersDesk) -> None:
    [refused] = switch(desk, "none", True, "c1")
    assert (refused["type"], refused["refusal"]) == ("ControlRejected", "unknown_rule")
    assert refused["text"] == "rule_id: none must be a rule of this desk, entry, other"
    switch(desk, "entry", False, "c2")
    fields = desk.restarted(but(CONFIG, rules=()))
    assert fields is not None
    assert [each.get("rule") for each in desk.fold(fields) if each["type"] == "RuleDefined"] == [None, None]
    [applied] = switch(desk, "entry", None, "c3")
    assert applied["text"] == "rule entry: is as the configuration says, which has none of that name"
    [refused] = switch(desk, "entry", None, "c4")
    assert refused["text"] == "rule_id: entry must be a rule of this desk, it has none"
