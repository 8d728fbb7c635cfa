"""Every room of the page: for everybody (WCAG AA by axe), in both themes, on a laptop and a phone."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.support.browser import LAPTOP, PHONE, Tab, chromium
from tests.support.desk_of_processes import DeskOfProcesses

INDEX = Path(__file__).parents[2] / "services" / "gateway" / "web" / "page" / "rooms"
ROOMS = sorted(
    found.group(1)
    for file in INDEX.glob("*.js")
    if (found := re.search(r'^  name: "(\w+)",\s+title: "', file.read_text(encoding="utf-8"), re.MULTILINE))
)


FUNDED = """
funded: {id: 92, venue: SIM, max_order_value: 1000000, max_leverage: 2, max_drawdown: 0.5, max_gross_exposure: 100000}
"""


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DeskOfProcesses]:
    made = DeskOfProcesses(tmp_path_factory.mktemp("desk"), accounts=FUNDED)
    made.client.control("AdjustAccount", "funded", who="test", reason="cash", adjustment="DEPOSIT", amount="10000")
    made.send(symbol="AAPL", side="BUY", quantity="90", account="funded")
    made.send(symbol="AAPL", side="BUY", quantity="100", strategy="momentum")
    made.send(symbol="AAPL", side="BUY", quantity="50", price="188.00")
    made.send(symbol="AAPL", side="BUY", quantity="9999999", price="188.00")
    made.send(symbol="MSFT", side="SELL", quantity="40")
    yield made
    made.stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as made:
        yield made


def test_every_room_is_listed() -> None:
    assert len(ROOMS) >= 12
    named = (INDEX / "index.js").read_text(encoding="utf-8")
    assert set(re.findall(r"import \{ (\w+) \}", named)) == set(ROOMS)


LOOKS = {"dark": ("dark", LAPTOP), "phone": ("light", PHONE), "light": ("light", LAPTOP), "small": ("dark", PHONE)}
SHOWN = [*LOOKS] if "EVERY_LOOK" in os.environ else ["dark", "phone"]
"""The long form (`make soak`) has each theme on each screen."""


@pytest.mark.parametrize(("theme", "size"), [LOOKS[each] for each in SHOWN], ids=SHOWN)
def test_rooms_are_for_everybody_and_ask_for_nothing_outside(
    desk: DeskOfProcesses, browser: Browser, theme: str, size: tuple[int, int]
) -> None:
    tab = Tab(browser, desk.url, size, theme, touch=size == PHONE).open(ROOMS[0])
    found = {}
    for room in ROOMS:
        tab.go(room)
        expect(tab.page.locator("nav a[aria-current=page]")).to_have_attribute("href", f"#/{room}")
        expect(tab.page.locator("#room > *").first).to_be_visible()
        tab.page.wait_for_load_state("networkidle")
        if violations := tab.violations():
            found[room] = violations
        wide = tab.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0, f"{room}: the page is {wide} px wider than the screen"
        tab.screenshot(f"{room}-{theme}-{size[0]}")
    assert found == {}
    tab.close()


def test_how_much_of_a_limit_is_used_is_seen(desk: DeskOfProcesses, browser: Browser) -> None:
    tab = Tab(browser, desk.url).open("accounts")
    bar = tab.page.get_by_role("meter", name=re.compile(r"max_leverage of funded: 1\.7\d of 2"))
    expect(bar).to_be_visible()
    assert 0.84 < float(bar.get_attribute("value") or "0") < 0.87, "90 at 190 by 10 000 is 1.71"
    expect(tab.page.get_by_role("meter", name=re.compile("max_gross_exposure of funded"))).to_be_visible()
    tab.close()
