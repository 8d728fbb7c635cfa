"""FlowManager's event log: every line is understood, or refused with its number, what it says and what is allowed."""

from __future__ import annotations

import json
import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fillstream.demo.market_numbers import listed
from fillstream.flow import EventLogError, LogPosition, Target, Wait, read_events
from fillstream.libs.common.process.settings import load_settings
from tests.support.backtests import CONFIG

INSTRUMENTS = listed(load_settings(CONFIG).instruments)


def test_the_events_are_read_as_flowmanager_writes_them() -> None:
    log = [
        "# what comes first\n",
        '{"Event" : "LogPosition"}\n',
        "\n",
        '    {"Event" : "Target", "Symbol" : "AAPL", "Target" : -80}\r\n',
        b'{"Event": "Target", "Symbol": "BTCUSDT", "Target": 0.12345}\n',
        '{"Event" : "Wait", "Seconds" : 4.25}',
    ]
    assert read_events(log, INSTRUMENTS) == [
        LogPosition(2),
        Target(4, "AAPL", Decimal(-80)),
        Target(5, "BTCUSDT", Decimal("0.12345")),
        Wait(6, 4250),
    ]


def test_numbers_keep_their_digits() -> None:
    log = ['{"Event": "Target", "Symbol": "BTCUSDT", "Target": 1234567890123456.00001}']
    assert read_events(log, INSTRUMENTS)[0] == Target(1, "BTCUSDT", Decimal("1234567890123456.00001"))


TARGET = '{"Event": "Target", "Symbol": %s, "Target": %s}'


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ('{"Event": "Targe"}', "Event: 'Targe' is not known; it must be Target, Wait or LogPosition"),
        ('{"Event": 5}', "Event: '5' is not known; it must be Target, Wait or LogPosition"),
        ('{"Event": ["Wait"]}', "Event: '[\"Wait\"]' is not known; it must be Target, Wait or LogPosition"),
        ('{"Symbol": "AAPL"}', "Event: is missing; it must be Target, Wait or LogPosition"),
        ('{"Event": "Wait"}', "Seconds: is missing; Wait has Event, Seconds"),
        ('{"Event": "Wait", "Seconds": 1, "At": 2}', "'At': is not known; Wait has Event, Seconds"),
        ('{"Event": "Wait", "Seconds": 1, "Seconds": 2}', "'Seconds': is there twice; it must be there once"),
        ('{"Event": "Wait", "Seconds": -1}', "Seconds: -1 must be from 0 to 86400"),
        ('{"Event": "Wait", "Seconds": 86400.001}', "Seconds: 86400.001 must be from 0 to 86400"),
        ('{"Event": "Wait", "Seconds": 0.0005}', "Seconds: 0.0005 must be whole milliseconds: at most three decimals"),
        ('{"Event": "Wait", "Seconds": "4"}', "Seconds: '4' must be a number, without quotation marks"),
        ('{"Event": "Wait", "Seconds": true}', "Seconds: 'true' must be a number, without quotation marks"),
        ('{"Event": "Wait", "Seconds": NaN}', "NaN is no number; a decimal number is allowed, as 80 or -0.5"),
        ('{"Event": "Wait", "Seconds": ' + "9" * 5000 + "}", "Seconds: must be a number of at most 24 digits"),
        (TARGET % ('"AAPL"', "0.5"), "Target: 0.5 must be a whole multiple of lot_size 1 of AAPL"),
        (TARGET % ('"AAPL"', "null"), "Target: 'null' must be a number, without quotation marks"),
        (TARGET % ('"TSLA"', "5"), "Symbol: 'TSLA' is not configured; instruments.yaml has AAPL, BTCUSDT"),
        (TARGET % ("7", "5"), "Symbol: '7' is not configured; instruments.yaml has AAPL, BTCUSDT"),
        ("Target AAPL 80", "'Target AAPL 80' is no JSON (Expecting value at character 1); a line is an object"),
        ('["Wait", 4]', "'[\"Wait\", 4]' is no object, as"),
        ("[" * 9_000, "is nested too deeply; a line is an object without others in it"),
        ("x" * 10_001, "has 10001 characters; at most 10000 are allowed"),
        (b'{"Event": "\xff"}', "is no UTF-8: byte 12 is 0xff"),
    ],
)
def test_a_wrong_line_is_refused_with_its_number_and_what_is_allowed(line: str | bytes, sentence: str) -> None:
    with pytest.raises(EventLogError) as refused:
        read_events(['{"Event": "LogPosition"}', "", line], INSTRUMENTS)
    assert str(refused.value).startswith(f"line 3: {sentence}")


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(("Target", "Wait", "AAPL")),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=4,
)
_ROWS = st.dictionaries(st.sampled_from(("Event", "Symbol", "Target", "Seconds", "x")), _VALUES)


@given(st.lists(_ROWS.map(json.dumps) | st.text() | st.binary(), max_size=5))
def test_whatever_a_line_says_it_is_an_event_or_a_sentence_with_its_number(lines: list[str | bytes]) -> None:
    try:
        events = read_events(lines, INSTRUMENTS)
    except EventLogError as error:
        assert re.match(r"line [1-5]: .+", str(error), re.DOTALL)
    else:
        assert all(1 <= each.line <= len(lines) for each in events)
