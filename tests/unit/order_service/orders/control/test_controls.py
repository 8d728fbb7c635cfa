"""Controls in the orders stage: answered once, overrides apart from the file, standing until they are reset."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import orjson
import pytest

from fillstream.libs.common.messages.controls import CONTROLS, LIMITS
from fillstream.libs.common.messages.reference import AccountTerms
from fillstream.libs.common.messages.topology import Topology
from fillstream.libs.common.runtime.stage import Entry, Outputs
from fillstream.services.order_service.orders.config import DeskConfig
from fillstream.services.order_service.orders.control import controls
from fillstream.services.order_service.orders.keeping.snapshot import load
from fillstream.services.order_service.orders.stage import OrdersStage
from tests.support.orders import CONFIG, OrdersDesk, control, new_order
from tests.support.terms import account, but

D = Decimal


def with_default(**limits: Any) -> DeskConfig:
    """Return the file with other limits of account `default`."""
    changed = CONFIG.accounts["default"].model_copy(update=limits)
    return CONFIG.model_copy(update={"accounts": {**CONFIG.accounts, "default": changed}})


@pytest.fixture
def desk() -> OrdersDesk:
    desk = OrdersDesk()
    desk.quote(18490, 18500)
    return desk


def test_every_kind_of_control_has_its_handler() -> None:
    assert set(controls.HANDLERS) == set(CONTROLS.values())


def test_what_may_be_overridden_is_an_accounts_terms_but_those_that_are_its_own_for_good() -> None:
    assert {*LIMITS} == {*AccountTerms.model_fields} - {*AccountTerms.fixed()}
    assert {"id", "venue"} <= {*AccountTerms.fixed()}


def test_an_override_is_told_and_the_rules_keep_to_it_at_once(desk: OrdersDesk) -> None:
    assert desk.new(price="185.00", signal_id="a")["type"] == "OrderReceived"
    applied, defined = desk.set_limits(max_order_value="5000.00")
    assert applied == {
        "type": "ControlApplied", "v": 1, "seq": applied["seq"], "time": desk.ms, "control_id": "c1",
        "control": "SetLimits", "who": "desk.head", "reason": "earnings tonight", "account": "default",
        "text": "max_order_value: 5000, before 100000; the file says 100000",
    }  # fmt: skip
    assert (defined["type"], defined["max_order_value"], defined["max_daily_orders"]) == ("AccountDefined", "5000", 50)
    assert defined["overridden"] == ["max_order_value"]
    refused = desk.new(price="185.00", signal_id="b")
    assert (refused["type"], refused["reason"]) == ("OrderRejected", "max_order_value")
    assert "5000" in refused["text"]
    assert desk.new(price="185.00", quantity="27", signal_id="c")["type"] == "OrderReceived"
    assert desk.new(price="185.00", account="other", signal_id="d")["type"] == "OrderReceived", "not this one's limit"


def test_an_amendment_keeps_to_the_override_too(desk: OrdersDesk) -> None:
    desk.new(price="185.00", quantity="20")
    desk.accept()
    desk.set_limits(max_order_value="5000")
    refused = desk.replace(orig_client_order_id="s1", quantity="90", price="185.00")
    assert (refused["type"], refused["reason"]) == ("OrderReplaceRejected", "max_order_value")


def test_a_second_override_adds_to_the_first_and_a_reset_takes_one_or_all_away(desk: OrdersDesk) -> None:
    desk.set_limits("c1", max_order_value="5000")
    _, defined = desk.set_limits("c2", max_daily_orders=3)
    assert defined["overridden"] == ["max_order_value", "max_daily_orders"]
    applied, defined = desk.reset_limits("c3", "max_order_value")
    assert applied["text"] == "max_order_value: 100000, before 5000; as the file says"
    assert (defined["overridden"], defined["max_order_value"]) == (["max_daily_orders"], "100000")
    _, defined = desk.reset_limits("c4")
    assert "overridden" not in defined
    assert defined["max_daily_orders"] == 50
    [applied] = desk.reset_limits("c5")
    assert (applied["type"], applied["text"]) == ("ControlApplied", "account: default has these limits already")


def test_the_same_control_again_is_answered_with_what_it_did_and_changes_nothing(desk: OrdersDesk) -> None:
    first, _ = desk.set_limits(max_order_value="5000")
    desk.reset_limits("c2")
    before = orjson.loads(desk.stage.snapshot())
    [again] = desk.set_limits(max_order_value="5000.0")
    assert (again["type"], again["refusal"]) == ("ControlReported", None)
    assert again["text"].endswith(f"then: {first['text']}")
    after = orjson.loads(desk.stage.snapshot())
    assert after == {**before, "seq": before["seq"] + 1}, "but for the number of the answer"


@pytest.mark.parametrize("change", [{"limits": {"max_order_value": "6000"}}, {"who": "x"}, {"reason": "y"}])
def test_the_same_id_with_another_content_is_refused(desk: OrdersDesk, change: dict[str, Any]) -> None:
    fields = {"limits": {"max_order_value": "5000"}}
    desk.control("SetLimits", **fields)
    [refused] = desk.control("SetLimits", **{**fields, **change})
    assert (refused["type"], refused["refusal"]) == ("ControlRejected", "duplicate_control_id")
    assert "c1 came before with another content" in refused["text"]
    [again] = desk.control("SetLimits", **fields)
    assert again["type"] == "ControlReported", "the first one is what is remembered"


def test_an_id_is_remembered_for_the_window_and_no_longer(desk: OrdersDesk) -> None:
    desk.set_limits(max_order_value="5000")
    desk.ms += CONFIG.idempotency_ms - 1
    assert desk.set_limits(max_order_value="5000")[-1]["type"] == "ControlReported"
    desk.ms += 1
    applied, _ = desk.set_limits(max_order_value="6000")
    assert applied["type"] == "ControlApplied"


def test_ids_have_an_end_and_the_oldest_go_first(desk: OrdersDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(controls, "MAX_CONTROLS", 3)
    for number in range(4):
        desk.set_limits(f"c{number}", max_daily_orders=number)
    document = orjson.loads(desk.stage.snapshot())
    assert [row[0] for row in document["controls"]["rows"]] == ["c1", "c2", "c3"]


def test_null_lifts_a_list_as_it_lifts_a_number() -> None:
    desk = OrdersDesk(
        but(CONFIG, accounts={"default": but(CONFIG.accounts["default"], restricted_symbols=("AAPL", "ES"))})
    )
    assert desk.new(price="185.00")["reason"] == "restricted_symbol"
    applied, _ = desk.set_limits(restricted_symbols=None)
    assert applied["text"] == "restricted_symbols: null, before AAPL,ES; the file says AAPL,ES"
    assert desk.new(price="185.00", signal_id="s2")["type"] == "OrderReceived"
    desk.restarted()


def test_limits_that_no_order_could_pass_are_refused_and_remembered_as_such(desk: OrdersDesk) -> None:
    desk.set_limits("c1", max_order_value="5000")
    [refused] = desk.set_limits("c2", min_order_size="6000")
    assert (refused["type"], refused["refusal"]) == ("ControlRejected", "no_order_could_pass")
    assert refused["text"] == "min_order_size: 6000 must be at most max_order_value, 5000: no order could pass"
    [again] = desk.set_limits("c2", min_order_size="6000")
    assert (again["type"], again["refusal"]) == ("ControlReported", "no_order_could_pass")


@pytest.mark.parametrize(
    ("fields", "reason", "sentence"),
    [
        ({"type": "Stop"}, "unknown_type", "control.type: 'Stop' must be one of SetLimits, ResetLimits"),
        ({"who": None}, "missing_field", "who: is missing"),
        ({"reason": None}, "missing_field", "reason: is missing"),
        ({"reason": " "}, "bad_value", "reason: ' ' must have at least 1 characters"),
        ({"control_id": None}, "missing_field", "control_id: is missing"),
        ({"account": "nobody"}, "unknown_account", "account: nobody is no account of this desk"),
        ({"limits": {"max_loss": "1"}}, "unknown_field", "limits.max_loss: is no field here"),
        ({"limits": {}}, "bad_value", "limits: must name at least one, as max_order_value; docs/"),
        ({"limits": {"max_order_value": "-1"}}, "bad_value", "limits.max_order_value: '-1' must be above 0"),
        ({"limits": {"max_order_value": 1.5}}, "bad_value", "limits.max_order_value: 1.5 must be a number written as"),
        ({"limits": {"max_daily_orders": None}}, "bad_value", "limits.max_daily_orders: None must be a whole number"),
        ({"v": 2}, "bad_value", "v: 2 must be at most 1"),
    ],
)
def test_what_nobody_can_use_is_dead_with_a_sentence(
    desk: OrdersDesk, fields: dict[str, Any], reason: str, sentence: str
) -> None:
    document = {**control("SetLimits", limits={"max_order_value": "5000"}), **fields}
    document = {name: value for name, value in document.items() if value is not None}
    letter = desk.dead_letter({b"control": orjson.dumps(document)})
    assert letter["reason"] == reason
    assert letter["text"].startswith(sentence)


@pytest.mark.parametrize(("data", "reason"), [(b"{", "bad_json"), (b"[]", "bad_json"), (b" " * 65_537, "too_large")])
def test_what_is_no_control_is_dead(desk: OrdersDesk, data: bytes, reason: str) -> None:
    assert desk.dead_letter({b"control": data})["reason"] == reason


def test_an_unknown_field_to_reset_is_dead(desk: OrdersDesk) -> None:
    letter = desk.dead_letter({b"control": orjson.dumps(control("ResetLimits", fields=["max_loss"]))})
    assert letter["text"] == f"fields.0: 'max_loss' must be one of {', '.join(LIMITS)}"
    letter = desk.dead_letter({b"control": orjson.dumps(control("ResetLimits", fields=[]))})
    assert letter["text"] == "fields: a list must name at least one, or be left out to reset all"


def test_another_partitions_account_is_dead_with_its_partition() -> None:
    topology = Topology(2)
    elsewhere = next(name for name in CONFIG.accounts if topology.account_partition(name) == 1)
    desk = OrdersDesk(topology=topology, partition=0)
    letter = desk.dead_letter({b"control": orjson.dumps(control("ResetLimits", account=elsewhere))})
    assert (letter["reason"], letter["text"]) == (
        "wrong_partition", f"account: {elsewhere} is of partition 1, this is 0",
    )  # fmt: skip


def test_yes_and_no_are_said_as_they_are_written(desk: OrdersDesk) -> None:
    applied = desk.set_limits(may_short=False, refuse_self_cross=True)[0]
    assert applied["text"] == (
        "may_short: false, before true; the file says true; refuse_self_cross: true, before false; the file says false"
    )


# ------------------------------------------------------------------------------------------------- cash without a trade


def test_cash_comes_and_goes_once_for_each_id_and_is_kept(desk: OrdersDesk) -> None:
    first, adjusted = desk.control("AdjustAccount", adjustment="deposit", amount="1000.50")
    assert first["text"] == "DEPOSIT: 1000.5 USD; account default was given 1000.5"
    assert adjusted == {
        "type": "AccountAdjusted", "v": 1, "seq": adjusted["seq"], "time": desk.ms, "control_id": "c1",
        "who": "desk.head", "reason": "earnings tonight", "account": "default", "adjustment": "DEPOSIT",
        "amount": "1000.5", "currency": "USD", "symbol": None, "cash": "1000.5",
    }  # fmt: skip
    [again] = desk.control("AdjustAccount", adjustment="DEPOSIT", amount="1000.5")
    assert again["type"] == "ControlReported"
    _, adjusted = desk.control("AdjustAccount", control_id="c2", adjustment="WITHDRAWAL", amount="0.000000000000000001")
    assert (adjusted["amount"], adjusted["cash"]) == ("-0.000000000000000001", "1000.499999999999999999")
    _, adjusted = desk.control("AdjustAccount", control_id="c3", adjustment="FUNDING", amount="-0.5", symbol="AAPL")
    assert (adjusted["cash"], adjusted["symbol"]) == ("999.999999999999999999", "AAPL")
    assert desk.restarted() is None
    _, adjusted = desk.control("AdjustAccount", control_id="c4", adjustment="FX_MARK", amount="1")
    assert adjusted["cash"] == "1000.999999999999999999"


def test_buying_power_stands_on_it() -> None:
    desk = OrdersDesk(with_default(account_type="cash"))
    desk.quote(18490, 18500)
    assert desk.new(price="185.00", quantity="1", signal_id="a")["reason"] == "buying_power"
    desk.control("AdjustAccount", adjustment="DEPOSIT", amount="200")
    assert desk.new(price="185.00", quantity="1", signal_id="b")["type"] == "OrderReceived"
    assert desk.new(price="185.00", quantity="1", signal_id="c")["reason"] == "buying_power"


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"adjustment": "DEPOSIT", "amount": "0"}, "amount: 0 must be above 0, it is a DEPOSIT"),
        ({"adjustment": "WITHDRAWAL", "amount": "-1"}, "amount: -1 must be above 0, it is a WITHDRAWAL"),
        ({"adjustment": "DIVIDEND", "amount": "0.0"}, "amount: 0 must be other than 0, it is a DIVIDEND"),
        ({"adjustment": "DEPOSIT", "amount": "1e-19"}, "amount: 0.0000000000000000001 must have at most 18 decimals"),
        ({"adjustment": "GIFT", "amount": "1"}, "adjustment: 'GIFT' must be DEPOSIT, WITHDRAWAL, "),
    ],
)
def test_an_adjustment_that_makes_no_sense_is_dead(desk: OrdersDesk, fields: dict[str, Any], sentence: str) -> None:
    letter = desk.dead_letter({b"control": orjson.dumps(control("AdjustAccount", **fields))})
    assert letter["text"].startswith(sentence), letter["text"]


@pytest.mark.parametrize(
    ("fields", "refusal"), [({"currency": "EUR"}, "wrong_currency"), ({"symbol": "NONE"}, "unknown_symbol")]
)
def test_an_adjustment_that_does_not_fit_is_refused(desk: OrdersDesk, fields: dict[str, Any], refusal: str) -> None:
    [refused] = desk.control("AdjustAccount", adjustment="DEPOSIT", amount="1", **fields)
    assert (refused["type"], refused["refusal"]) == ("ControlRejected", refusal)


# --------------------------------------------------------------------------------------------- the file and overrides


def test_a_restart_offers_the_file_only_when_it_changed_and_overrides_stand(desk: OrdersDesk) -> None:
    desk.set_limits(max_order_value="5000")
    assert desk.restarted() is None
    assert desk.new(price="185.00")["reason"] == "max_order_value"


def test_a_new_file_changes_the_files_values_alone(desk: OrdersDesk) -> None:
    desk.set_limits(max_order_value="5000")
    offered = desk.restarted(with_default(max_order_value=D(80_000), max_daily_orders=7))
    assert offered is not None
    [defined] = desk.fold(offered)
    assert (defined["max_order_value"], defined["max_daily_orders"]) == ("5000", 7)
    assert defined["overridden"] == ["max_order_value"]
    assert desk.restarted(with_default(max_order_value=D(80_000), max_daily_orders=7)) is None
    _, defined = desk.reset_limits()
    assert (defined["max_order_value"], "overridden" in defined) == ("80000", False)


def test_a_file_that_an_override_cannot_stand_beside_is_refused(desk: OrdersDesk) -> None:
    desk.set_limits(max_order_value="5000")
    offered = desk.restarted(with_default(min_order_size=D(6_000)))
    assert offered is not None
    letter = desk.dead_letter(offered)
    assert letter["reason"] == "override_conflict"
    assert letter["text"] == (
        "accounts.default: min_order_size: 6000 must be at most max_order_value, 5000: no order could pass; overridden "
        "is max_order_value: reset it (`fillstream limits reset default`), or change the file"
    )


def test_a_reset_that_the_other_override_cannot_stand_is_refused(desk: OrdersDesk) -> None:
    desk.set_limits(max_order_value="500000", min_order_size="200000")
    [refused] = desk.reset_limits("c2", "max_order_value")
    assert refused["refusal"] == "no_order_could_pass"
    assert desk.reset_limits("c3")[0]["type"] == "ControlApplied"


def test_an_override_outlives_an_account_that_the_file_leaves_out_for_a_while(desk: OrdersDesk) -> None:
    desk.set_limits(account="other", max_order_value="5000")
    without = CONFIG.model_copy(update={"accounts": {"default": CONFIG.accounts["default"]}})
    assert desk.fold({b"config": without.to_json()}) == []
    letter = desk.dead_letter({b"control": orjson.dumps(control("ResetLimits", control_id="c9", account="other"))})
    assert letter["reason"] == "unknown_account"
    desk.fold({b"config": CONFIG.to_json()})
    assert desk.new(price="185.00", account="other")["reason"] == "max_order_value"


def test_a_control_waits_for_the_first_configuration_as_orders_do() -> None:
    stage = OrdersStage(Topology(), 0, CONFIG)
    out = Outputs(stage.name, stage.inbox)
    configuration = stage.configuration()
    assert configuration is not None
    waiting = [
        {b"control": orjson.dumps(control("SetLimits", limits={"max_daily_orders": 0}))},
        {b"data": orjson.dumps(new_order(price="185.00"))},
    ]
    for number, fields in enumerate([*waiting, configuration]):
        entry = Entry(f"5-{number}", 5, fields)
        out.begin(entry)
        stage.fold(entry, out)
    events = [orjson.loads(payload) for payload in out.by_stream["events.0"][1]]
    told = [event["type"] for event in events]
    assert told[-3:] == ["ControlApplied", "AccountDefined", "OrderRejected"]
    assert events[-1]["reason"] == "max_daily_orders"


# ---------------------------------------------------------------------------------------------------------- snapshots


def test_a_snapshot_keeps_overrides_and_answers_and_an_older_one_has_none(desk: OrdersDesk) -> None:
    assert not {"overrides", "controls"} & orjson.loads(desk.stage.snapshot()).keys(), "no byte without a control"
    desk.set_limits(max_order_value="5000", max_daily_orders=9)
    document = orjson.loads(desk.stage.snapshot())
    assert document["overrides"] == {"default": {"max_order_value": "5000", "max_daily_orders": 9}}
    state = load(orjson.dumps(document), Topology(), 0)
    assert state.effective("default") == account(1, D(5_000), 9, D(10), D(100))
    assert desk.restarted() is None
    assert desk.set_limits(max_order_value="5000", max_daily_orders=9)[0]["type"] == "ControlReported"
    del document["overrides"], document["controls"]
    assert load(orjson.dumps(document), Topology(), 0).effective("default") == CONFIG.accounts["default"]
