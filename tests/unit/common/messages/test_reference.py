"""One definition of an instrument and an account: what is derived from its fields, and that all of it is."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, get_args, get_origin

import orjson
import pytest
from pydantic import ValidationError

from fillstream.libs.common.messages.codes import (
    AccountMode,
    AccountType,
    CancelReason,
    CancelRejectReason,
    CostMethod,
    FeeScope,
    MarkPrice,
    PositionMode,
    Reason,
    RejectReason,
    RiskAction,
    SelfTrade,
)
from fillstream.libs.common.messages.journal import (
    AccountDefined,
    InstrumentDefined,
    journal_event,
)
from fillstream.libs.common.messages.reference import AccountTerms, InstrumentTerms, InstrumentUnits, VenueTerms
from fillstream.libs.common.messages.terms import ReferenceData, canonical_json
from fillstream.libs.common.messages.topology import Topology
from fillstream.libs.common.process.settings import load_settings
from fillstream.libs.common.process.settings.model import AccountEntry
from fillstream.libs.common.runtime.stage import Outputs
from fillstream.services.analytics.query.views import views
from fillstream.services.order_service.orders.journal.journal import Journal
from fillstream.services.order_service.orders.state import State
from tests.support.terms import account, but, instrument

D = Decimal


BOUNDED = (bool, AccountType, CostMethod, PositionMode, MarkPrice, RiskAction, SelfTrade, FeeScope, AccountMode | None)
"""Types that have few values."""


@pytest.mark.parametrize("model", [InstrumentTerms, AccountTerms, VenueTerms])
def test_every_term_says_what_it_means_and_has_a_bound(model: type[ReferenceData]) -> None:
    for name, field in model.model_fields.items():
        assert field.description, name
        within = [each for each in get_args(field.annotation) if get_origin(each) is Annotated]
        assert field.metadata or within or field.annotation in BOUNDED, f"{name} is bounded"


@pytest.mark.parametrize("event", [InstrumentDefined, AccountDefined])
def test_pages_about_the_events_show_the_bounds(event: type[InstrumentDefined | AccountDefined]) -> None:
    for name, shown in event.model_json_schema()["properties"].items():
        assert not shown.keys() & {"gt", "ge", "lt", "le"}, f"{name}: a bound in the words of JSON schemas"


def test_what_ticks_and_lots_were_counted_in_is_said_by_the_fields_themselves() -> None:
    assert set(InstrumentTerms.fixed()) == {
        "id",
        "tick_size",
        "lot_size",
        "multiplier",
        "currency",
        "venue",
        "base_currency",
        "inverse",
    }
    assert set(AccountTerms.fixed()) == {"id", "venue", "currency", "mode", "cost_method", "position_mode"}


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"negative_prices": True}, "negative_prices: must be false where inverse is true"),
        ({"base_currency": "BTC"}, "base_currency: BTC must be null where inverse is true"),
    ],
)
def test_an_inverse_contract_has_a_value_at_each_price(more: dict[str, Any], sentence: str) -> None:
    assert instrument(1, "0.5", "1", **more).inverse is False
    with pytest.raises(ValidationError, match=sentence):
        instrument(1, "0.5", "1", inverse=True, currency="BTC", **more)
    with pytest.raises(ValidationError, match="currency: must be said where inverse is true"):
        instrument(1, "0.5", "1", inverse=True)


def test_equal_terms_give_equal_bytes_however_their_numbers_were_written() -> None:
    one = instrument(1, "0.010", "1.0", taker_fee_bps="1E+1")
    two = InstrumentTerms(taker_fee_bps=D("10.00"), currency="USD", lot_size=D(1), tick_size=D("0.01"), id=1)
    assert one == two
    assert canonical_json({"a": one}) == canonical_json({"a": two})
    written = canonical_json(one.values())
    assert written.startswith(b'{"currency":"USD","id":1,"lot_size":"1",'), "sorted, and numbers in one form"
    assert b'"taker_fee_bps":"10"' in written
    assert InstrumentTerms.model_validate(orjson.loads(canonical_json(one.values()))) == one


def test_the_events_carry_every_term_as_the_entry_of_the_inbox_does() -> None:
    terms, limits = instrument(7, "0.25", "1", "50", currency="EUR", maker_fee_bps="-0.2"), account(9, "1000", 5, "10")
    out = Outputs("orders", "orders.0")
    journal = Journal("events.0", State(Topology(), 0))
    journal.ms, journal.out = 4, out
    journal.instrument_defined("ES", terms, "SIM2")
    journal.account_defined("alpha", limits)
    defined, named = map(orjson.loads, out.by_stream["events.0"][1])
    assert defined == {"type": "InstrumentDefined", "v": 1, "seq": 1, "time": 4, "symbol": "ES", "instrument_id": 7} | {
        name: value for name, value in terms.values().items() if name != "id"
    } | {"venue": "SIM2"}, "the venue that marks it: the desk's where it names none"
    assert isinstance(journal_event.validate_python(defined), InstrumentDefined)
    assert InstrumentUnits.out_of(defined) == InstrumentUnits.out_of(dict(terms))
    assert [*named] == ["type", "v", "seq", "time", "account", "account_id", *[n for n in limits.values() if n != "id"]]
    assert isinstance(journal_event.validate_python(named), AccountDefined)


def test_the_settings_and_analytics_name_every_term() -> None:
    settings = load_settings()
    assert set(AccountEntry.model_fields) == set(AccountTerms.model_fields)
    defaults = set(type(settings.account_limits).model_fields) | set(type(settings.order_params).model_fields)
    assert set(AccountTerms.model_fields) - set(AccountTerms.fixed()) == defaults & set(AccountTerms.model_fields)
    asked = views()
    for view, model in (("instruments", InstrumentTerms), ("accounts", AccountTerms)):
        columns = asked[view].removeprefix("SELECT ").partition(" FROM ")[0].split(", ")
        assert set(model.model_fields) - {"id"} <= set(columns)


def test_limits_that_no_order_can_meet_are_no_terms() -> None:
    terms = account(1, "1000", 5, "1000")
    with pytest.raises(ValueError, match="min_order_size: 1000 must be at most max_order_value, 999: no order"):
        but(terms, max_order_value=D(999))


def test_terms_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        account(1, "1000", 5).max_daily_orders = 6


ORD_REJ_REASON = {0, 1, 2, 3, 4, 5, 6, 11, 13, 15, 18, 99}
"""FIX 103, those that are about one order of one account."""
CXL_REJ_REASON = {0, 1, 2, 3, 6, 99}
"""FIX 102."""
EXEC_RESTATEMENT_REASON = {*range(11), 99, None}
"""FIX 378; left out when the account asked for it."""


@pytest.mark.parametrize(
    ("kind", "numbers"),
    [
        (RejectReason, ORD_REJ_REASON),
        (CancelRejectReason, CXL_REJ_REASON),
        (CancelReason, EXEC_RESTATEMENT_REASON),
    ],
)
def test_every_reason_has_its_number_in_fix_and_a_meaning(kind: type[Reason], numbers: set[int | None]) -> None:
    for reason in kind:
        assert reason.fix in numbers, reason
        assert len(reason.text.split()) > 3, reason
        assert kind(reason.value) is reason
        assert reason == reason.name.lower(), "the code is the name"
    assert len({reason.text for reason in kind}) == len(kind)
