"""Rules that are tried on a journal of before: what they would have done, and nothing else of the desk's own rules."""

from __future__ import annotations

import orjson

from fillstream.libs.common.messages.rule_terms import RuleTerms
from fillstream.tools.rule_trial import tried
from tests.support.orders import CONFIG
from tests.support.terms import but
from tests.support.whole_desk import WholeDesk

LOUD = RuleTerms.model_validate(
    {"rule_id": "loud", "event": "OrderFilled", "when": "true", "actions": [{"log": {"text": '"a fill"'}}]}
)
TRIED = RuleTerms.model_validate(
    {
        "rule_id": "tried", "event": "OrderFilled", "when": "position.quantity >= 20",
        "actions": [{"close": {"quantity": "position.quantity - 10"}}],
    }
)  # fmt: skip


def test_what_they_would_have_done_is_told_with_what_they_would_have_sent() -> None:
    desk = WholeDesk(but(CONFIG, rules=(LOUD,)))
    desk.quote(9_999, 10_001)
    for quantity in ("15", "15"):
        desk.signal(symbol="AAPL", side="BUY", quantity=quantity)
    entries = [(f"{each['time']}-{n}", {b"data": orjson.dumps(each)}) for n, each in enumerate(desk.events)]
    [report] = tried(entries, 0, [TRIED])
    assert (report["rule_id"], report["rule_status"]) == ("tried", "FIRED")
    [instruction] = report["instructions"]
    assert (instruction["type"], instruction["quantity"]) == ("ClosePosition", "20")


def test_a_journal_that_was_trimmed_is_tried_from_where_it_is() -> None:
    desk = WholeDesk(CONFIG)
    desk.quote(9_999, 10_001)
    for quantity in ("15", "15"):
        desk.signal(symbol="AAPL", side="BUY", quantity=quantity)
    defined = next(n for n, each in enumerate(desk.events) if each["type"] == "InstrumentDefined")
    entries = [(f"{each['time']}-{n}", {b"data": orjson.dumps(each)}) for n, each in enumerate(desk.events)]
    assert len([*tried(entries[defined:], 0, [TRIED])]) == 1
