"""Rules in the fold: when they act, what comes of it, and what becomes of those that cannot."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from pydantic import ValidationError

from fillstream.libs.common.messages.rule_terms import RuleTerms
from tests.support.orders import CONFIG
from tests.support.terms import but
from tests.support.whole_desk import WholeDesk

ENTRY = {
    "rule_id": "entry",
    "event": "PredictionReceived",
    "when": 'event.move == "BUY" and event.confidence >= 0.8 and not position.is_open',
    "actions": [{"create_position": {"side": "BUY", "quantity": "1000 / market.mark_px", "stop_loss_pct": 2,
                                     "take_profit_pct": "4.5"}}],
}  # fmt: skip


def desk_of(*rules: dict[str, Any]) -> WholeDesk:
    terms = tuple(RuleTerms.model_validate(rule) for rule in rules)
    desk = WholeDesk(but(CONFIG, rules=terms))
    desk.quote(9_999, 10_001)
    return desk


def predict(desk: WholeDesk, move: str = "BUY", confidence: str | None = "0.83", **said: Any) -> None:
    desk.signal(type="Prediction", symbol="AAPL", move=move, confidence=confidence, **said)


def reports(desk: WholeDesk) -> list[tuple[str | None, str]]:
    return [(each["rule_id"], each["rule_status"]) for each in desk.of("RuleReported")]


def test_a_prediction_makes_a_position_with_exits_per_cent_from_the_mark() -> None:
    desk = desk_of(ENTRY)
    predict(desk)
    assert desk.held() == 10
    [order] = [each for each in desk.events if each["type"] == "OrderReceived" and "parent_id" not in each]
    assert (order["stop_loss"], order["take_profit"], order["strategy"]) == ("98", "104.5", "entry")
    event_seq = next(each["seq"] for each in desk.events if each["type"] == "PredictionReceived")
    assert order["signal_id"] == order["client_order_id"] == f"rule-entry-{event_seq}-1"
    assert reports(desk) == [("entry", "FIRED")]
    predict(desk)
    assert desk.held() == 10, "the position is open"
    predict(desk, "SELL")
    predict(desk, confidence=None)
    assert reports(desk)[1:] == [(None, "UNMATCHED")] * 3


def test_of_an_account_that_hedges_a_rule_acts_on_the_position_that_the_event_names() -> None:
    filled = {"event": "OrderFilled", "max_executions_per_day": 1}
    rules = (
        {**filled, "rule_id": "protects", "when": "position.quantity == 30",
         "actions": [{"protect": {"stop_loss": 98}}, {"scale_in": {"quantity": 5}}]},
        {**filled, "rule_id": "closes", "when": "position.quantity == -10", "actions": [{"close": {}}]},
    )  # fmt: skip
    hedging = but(CONFIG.accounts["default"], position_mode="HEDGING")
    terms = tuple(RuleTerms.model_validate(rule) for rule in rules)
    desk = WholeDesk(but(CONFIG, rules=terms, accounts={"default": hedging}))
    desk.quote(9_999, 10_001)
    desk.signal(symbol="AAPL", side="BUY", quantity="30", position_id="core")
    assert [(each["position_id"], each["stop_px"]) for each in desk.of("ExitChanged")] == [("core", "98.00")]
    desk.signal(symbol="AAPL", side="SELL", quantity="10", position_id="hedge")
    whole = desk.positions._books.instruments["AAPL"].held["default"].hedged or {}
    assert {name: each.position.quantity for name, each in whole.items()} == {"core": 35, "hedge": 0}
    assert reports(desk) == [("protects", "FIRED"), ("closes", "FIRED")]


def test_priorities_cooldowns_and_days_are_kept_through_a_restart() -> None:
    often = {"event": "PredictionReceived", "when": "true", "actions": [{"log": {"text": '"seen"'}}]}
    desk = desk_of(
        {**often, "rule_id": "later", "priority": -1},
        {**often, "rule_id": "cool", "cooldown_seconds": 10, "priority": 5},
        {**often, "rule_id": "twice", "max_executions_per_day": 2},
        {**often, "rule_id": "off", "enabled": False},
        {**often, "rule_id": "others", "accounts": ["other"]},
    )
    predict(desk)
    assert [name for name, status in reports(desk) if status == "FIRED"] == ["cool", "twice", "later"]
    for _ in range(2):
        desk.again()
        predict(desk)
    fired = [name for name, status in reports(desk) if status == "FIRED"]
    assert (fired.count("cool"), fired.count("twice"), fired.count("later")) == (1, 2, 3)
    desk.wait(86_400_000)
    predict(desk)
    fired = [name for name, status in reports(desk) if status == "FIRED"]
    assert (fired.count("cool"), fired.count("twice"), fired.count("later")) == (2, 3, 4)


def test_a_rule_that_cannot_be_evaluated_is_disabled_and_hurts_no_other() -> None:
    wrong = {
        "rule_id": "wrong", "event": "PredictionReceived", "when": "1 / position.quantity > 0", "priority": 9,
        "actions": [{"close": None}],
    }  # fmt: skip
    desk = desk_of(wrong, ENTRY)
    predict(desk)
    assert reports(desk) == [("wrong", "FAILED"), ("entry", "FIRED")]
    assert desk.positions.gauges()["rules_disabled"] == {"": 1}
    desk.again()
    predict(desk)
    assert reports(desk)[2:] == [(None, "UNMATCHED")]
    desk.signal(symbol="AAPL", side="SELL", quantity="10")
    desk.wait(1_000)
    control = {"v": 1, "type": "SwitchRule", "control_id": "c", "who": "me", "reason": "mended", "rule_id": "wrong"}
    desk.sim.fold({b"control": orjson.dumps(control | {"enabled": True})})
    desk.wait(1)
    assert desk.positions.gauges()["rules_disabled"] == {"": 0}
    predict(desk)
    assert reports(desk)[3:] == [("wrong", "FAILED"), ("entry", "FIRED")], "it is looked at again"


def test_all_actions_of_a_rule_are_done_in_order_or_none() -> None:
    sequence = {
        "rule_id": "sequence",
        "event": "PredictionReceived",
        "when": "true",
        "actions": [
            {"order": {"side": "BUY", "quantity": 5}},
            {"order": {"side": "BUY", "quantity": 5, "price": "market.mark_px - 10"}},
            {"log": {"text": 'event.move == "BUY" ? "up" : "down"'}},
        ],
    }
    too_small = [{"order": {"side": "buy", "quantity": 5}}, {"order": {"side": "BUY", "quantity": "0.2"}}]
    nothing = {**sequence, "rule_id": "nothing", "actions": too_small}
    desk = desk_of(sequence, {**nothing, "priority": 1})
    predict(desk)
    assert [(each["type"], each["quantity"], each["price"]) for each in desk.sent] == [
        ("NewOrder", "5", None), ("NewOrder", "5", "90.00"),
    ]  # fmt: skip
    said = [each["text"] for each in desk.of("RuleReported") if each["rule_status"] == "LOGGED"]
    assert said == ["up"]
    assert ("nothing", "FAILED") in reports(desk)


@pytest.mark.parametrize(
    ("event", "when", "action", "sent"),
    [
        ("OrderFilled", "position.unrealized_pnl < -1", {"close": {"quantity": "position.quantity / 2"}},
         {"type": "ClosePosition", "quantity": "10"}),
        ("OrderFilled", "position.quantity >= 20", {"adjust": {"target": "-position.quantity"}},
         {"type": "SetTarget", "target": "-20"}),
        ("OrderFilled", "position.quantity >= 20", {"scale_in": {"quantity": 5}},
         {"type": "NewOrder", "side": "BUY", "quantity": "5"}),
        ("OrderFilled", "position.quantity >= 20", {"protect": {"stop_loss_percent": "2.5"}},
         {"type": "ProtectPosition", "stop_loss_percent": "2.5"}),
        ("OrderFilled", "position.quantity >= 20", {"protect": {"before_session_end_ms": "5 * 60000.9"}},
         {"type": "ProtectPosition", "before_session_end_ms": 300_004}),
        ("OrderFilled", "position.quantity >= 20", {"cancel": {"side": "BUY"}}, {"type": "CancelAll", "side": "BUY"}),
        ("OrderFilled", "position.quantity >= 20",
         {"bracket": {"side": "SELL", "quantity": 3, "stop_loss": "market.mark_px + 5"}},
         {"type": "NewOrder", "side": "SELL", "special": {"stop_loss": "105.00"}}),
        ("OrderFilled", "account.open_positions == 1 and time.hour == 12 and time.weekday >= 1", {"close": None},
         {"type": "ClosePosition", "quantity": None}),
    ],
)  # fmt: skip
def test_what_happens_to_a_position_leads_to_what_a_rule_says(
    event: str, when: str, action: dict[str, Any], sent: dict[str, Any]
) -> None:
    rule = {"rule_id": "r", "event": event, "when": when, "actions": [action], "max_executions_per_day": 1}
    desk = desk_of(rule)
    desk.quote(9_980, 10_020)
    desk.signal(symbol="AAPL", side="BUY", quantity="20")
    assert [each for each in reports(desk) if each[1] != "UNMATCHED"] == [("r", "FIRED")]
    [first] = [each for each in desk.sent if each["signal_id"].startswith("rule-")]
    assert {name: first[name] for name in sent} == sent
    assert not desk.sim.desk.dead


def test_a_quote_is_looked_at_for_each_account_that_the_rule_names() -> None:
    falls = {
        "rule_id": "falls", "event": "QuoteUpdated", "when": "event.bid_px < 95 and position.quantity > 5",
        "actions": [{"close": None}], "accounts": ["default", "other"],
    }  # fmt: skip
    desk = desk_of(falls)
    for account, quantity in (("default", "10"), ("other", "7")):
        desk.signal(symbol="AAPL", side="BUY", quantity=quantity, account=account)
    desk.quote(9_400, 9_402)
    assert (desk.held(), desk.held(account="other")) == (0, 0)
    assert [each["account"] for each in desk.of("RuleReported")] == ["default", "other"]


@pytest.mark.parametrize(
    ("action", "sent"),
    [
        ({"stop_loss_percent": "10 / 3"}, {"stop_loss_percent": "3.33333333"}),
        ({"trailing_stop_percent": "10 / 3"}, {"trailing_stop_percent": "3.33"}),
        ({"stop_loss": "100 / 3"}, {"stop_loss": "33.33"}),
    ],
)
def test_what_has_no_end_is_rounded_to_what_its_field_takes(action: dict[str, str], sent: dict[str, str]) -> None:
    rule = {"rule_id": "r", "event": "OrderFilled", "when": "true", "actions": [{"protect": action}]}
    desk = desk_of(rule)
    desk.signal(symbol="AAPL", side="BUY", quantity="10")
    assert {name: desk.sent[0][name] for name in sent} == sent
    assert [each["type"] for each in desk.events].count("PositionProtected") == 1


@pytest.mark.parametrize(
    "action",
    [
        {"protect": {"stop_loss": 90, "stop_loss_percent": 5}},
        {"protect": {"trailing_stop": "0.001"}},
        {"order": {"side": "BUY", "quantity": "1000000 * 1000000 * 1000000 * 1000000 * 10"}},
    ],
)
def test_an_action_that_the_desk_would_not_read_disables_its_rule_and_sends_nothing(action: dict[str, Any]) -> None:
    desk = desk_of({"rule_id": "r", "event": "OrderFilled", "when": "true", "actions": [action]})
    desk.signal(symbol="AAPL", side="BUY", quantity="10")
    assert reports(desk) == [("r", "FAILED")]
    assert desk.sent == []
    assert not desk.sim.desk.dead


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"event": "Nothing"}, "event: Nothing is none of the journal's events"),
        ({"when": "event.nope > 1"}, "when: 'event.nope > 1': nope is no field"),
        ({"when": "event.confidence + 1"}, "when: 'event.confidence + 1' is a number, it must be true or false"),
        ({"actions": [{"sell": {}}]}, "actions.0: 'sell' must be one of create_position, order"),
        ({"actions": [{"order": {"side": "BUY"}}]}, "actions.0.order.quantity: is missing"),
        ({"actions": [{"order": {"side": "BUY", "quantity": 1, "size": 1}}]}, "actions.0.order.size: must be one of"),
        ({"actions": [{"order": {"side": "BUY", "quantity": '"x"'}}]}, "is a text, it must be a number"),
        ({"actions": []}, "actions"),
        ({"event": "QuoteUpdated", "when": "true"}, "accounts: QuoteUpdated is of no account"),
        ({"event": "TradingStateChanged", "when": "true"}, "event: TradingStateChanged is of no instrument"),
        ({"max_executions_per_day": 0}, "max_executions_per_day"),
    ],
)
def test_what_is_wrong_with_a_rule_is_said_as_it_is_read(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError) as wrong:
        RuleTerms.model_validate(ENTRY | change)
    assert sentence in str(wrong.value)


def test_a_rule_that_is_changed_or_gone_is_so_from_there_on() -> None:
    desk = desk_of(ENTRY)
    rules = (RuleTerms.model_validate({**ENTRY, "when": 'event.move == "SHORT"'}),)
    desk.sim.fold({b"config": but(desk.sim.desk.config, rules=rules).to_json()})
    predict(desk)
    assert desk.held() == 0
    predict(desk, "SHORT")
    assert desk.held() == 10
    desk.sim.fold({b"config": but(desk.sim.desk.config, rules=()).to_json()})
    desk.signal(type="ClosePosition", symbol="AAPL")
    predict(desk, "SHORT")
    assert desk.held() == 0


@pytest.mark.parametrize(
    ("action", "sentence"),
    [
        ({"order": {"side": "BUY", "quantity": "1e30"}}, "quantity: "),
        ({"adjust": {"target": "1e60"}}, "target: "),
        ({"order": {"side": "BUY", "quantity": 1, "price": "event.confidence"}}, "order: price: what it is told comes"),
        ({"close": {"quantity": "event.confidence"}}, "close: quantity: what it is told comes to nothing"),
        ({"cancel": {"side": "event.strategy"}}, "cancel: side: what it is told comes to nothing"),
        ({"protect": {"trailing_stop": "0.001"}}, "trailing_stop: "),
        ({"protect": {"stop_loss": 99, "stop_loss_percent": 1}}, "stop_loss_percent: name stop_loss or"),
        ({"protect": {"stop_loss_percent": 2000}}, "stop_loss_percent: "),
    ],
)
def test_what_nobody_would_take_is_the_rules_error_and_sends_nothing(action: dict[str, Any], sentence: str) -> None:
    rule = {
        "rule_id": "r", "event": "PredictionReceived", "when": "true",
        "actions": [{"order": {"side": "BUY", "quantity": 1}}, action],
    }  # fmt: skip
    desk = desk_of(rule)
    desk.signal(symbol="AAPL", side="BUY", quantity="20")
    predict(desk, confidence=None)
    assert reports(desk) == [("r", "FAILED"), (None, "UNMATCHED")]
    assert sentence in desk.of("RuleReported")[0]["text"]
    assert desk.sent == []
    assert not desk.sim.desk.dead


def test_a_per_cent_without_end_protects_at_the_nearest_that_can_be_written() -> None:
    protect = {"stop_loss_percent": "100 / 3", "trailing_stop_percent": "20 / 3"}
    rule = {"rule_id": "r", "event": "PredictionReceived", "when": "true", "actions": [{"protect": protect}]}
    desk = desk_of(rule)
    desk.signal(symbol="AAPL", side="BUY", quantity="20")
    predict(desk)
    [event] = [each for each in desk.events if each["type"] == "PositionProtected"]
    assert (event["stop_loss_percent"], event["trailing_stop_percent"]) == ("33.33333333", "6.67")


def test_what_an_account_is_worth_is_known_however_it_is_asked_for() -> None:
    rule = {
        "rule_id": "r", "event": "PredictionReceived", "when": "account&.open_positions == 1",
        "actions": [{"close": None}],
    }  # fmt: skip
    desk = desk_of(rule)
    desk.signal(symbol="AAPL", side="BUY", quantity="20")
    predict(desk)
    assert reports(desk) == [("r", "FIRED")]
    assert desk.held() == 0
