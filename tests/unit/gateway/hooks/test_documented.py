"""docs/hooks.md says what hooks do: its message, lines and template are read as it says."""

from __future__ import annotations

import json
import re

from fillstream.libs.common.process.hooks import ALERT, Hook
from fillstream.services.gateway.hooks.decode import decode
from tests.support.tree import ROOT

PAGE = (ROOT / "docs/hooks.md").read_text()
BLOCKS = [(kind, re.sub(r"(?m)^   ", "", text)) for kind, text in re.findall(r"```(\w*)\n(.*?)```", PAGE, re.DOTALL)]


def blocks(kind: str) -> list[str]:
    return [text for its, text in BLOCKS if its == kind]


def test_the_message_to_paste_is_the_one_that_the_command_prints() -> None:
    assert json.loads(blocks("json")[0]) == dict(ALERT)


def test_every_line_of_text_is_a_signal() -> None:
    (lines,) = [text for text in blocks("") if text.startswith("buy")]
    told = decode(lines.encode(), "fk_0123456789Ab", "paper", Hook("text"), 0)
    assert [signal["type"] for signal in told] == ["NewOrder", "NewOrder", "ClosePosition", "SetTarget"]
    for quoted in re.findall(r"""-d '([^']*)'|content="([^"]*)"|body: "([^"]*)\"""", PAGE):
        (signal,) = decode("".join(quoted).encode(), "fk_0123456789Ab", "paper", Hook("text"), 0)
        assert signal["signal_id"]


def test_the_template_reads_an_entry_and_an_exit() -> None:
    its = Hook("template", template=blocks("json")[1])
    entry = {"event": "entry", "data": {"ticker": "AAPL", "direction": "short", "stop": 195}, "id": 7}
    (signal,) = decode(json.dumps(entry).encode(), "fk_0123456789Ab", "paper", its, 0)
    assert (signal["side"], signal["quantity"], str(signal["stop_loss"])) == ("SELL", "100", "195")
    leave = {"event": "exit", "data": {"ticker": "AAPL"}, "id": 8}
    (signal,) = decode(json.dumps(leave).encode(), "fk_0123456789Ab", "paper", its, 0)
    assert signal["type"] == "ClosePosition"


def test_the_example_for_metatrader_is_short_and_posts_what_is_taken() -> None:
    (example,) = blocks("mql5")
    assert len(example.splitlines()) <= 30
    (form,) = re.findall(r'StringFormat\("([^"]*)"', example)
    line = form.replace("%s", "EURUSD").replace("%.2f", "-25000.00").replace("%I64u", "4711")
    (signal,) = decode(line.encode(), "fk_0123456789Ab", "paper", Hook("text"), 0)
    assert (signal["type"], str(signal["target"])) == ("SetTarget", "-25000.00")
