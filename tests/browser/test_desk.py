"""A person at the desk's page, in a real browser, in front of a desk of real processes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.conftest import until
from tests.support.browser import Tab, chromium
from tests.support.desk_of_processes import DeskOfProcesses

NEEDS_A_YES = """
checked: {id: 91, venue: SIM, max_order_value: 1000000, requires_approval: true}
"""


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DeskOfProcesses]:
    made = DeskOfProcesses(tmp_path_factory.mktemp("desk"), accounts=NEEDS_A_YES)
    yield made
    made.stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as made:
        yield made


@pytest.fixture
def tab(desk: DeskOfProcesses, browser: Browser) -> Iterator[Tab]:
    made = Tab(browser, desk.url)
    yield made
    made.close()


def order(desk: DeskOfProcesses, order_id: str) -> dict[str, Any]:
    found: dict[str, Any] = desk.get(f"/v1/orders/{order_id}")["order"]
    return found


def resting(desk: DeskOfProcesses, price: str = "150.00", **more: Any) -> str:
    return str(desk.send(symbol="AAPL", side="BUY", quantity="10", price=price, **more)["order"]["order_id"])


# ------------------------------------------------------------------------------------------------------------- orders


def test_an_order_shows_as_it_comes_and_is_filled(desk: DeskOfProcesses, tab: Tab) -> None:
    tab.open("orders")
    order_id = resting(desk, "189.00")
    row = tab.page.locator(f"[row-id='{order_id}']").first
    expect(row).to_contain_text("New")
    desk.market.quote("AAPL", "188.90", "188.95")
    expect(row).to_contain_text("Filled")
    desk.market.shown("AAPL", "189.98", "190.02")
    tab.screenshot("orders")


def test_an_order_is_amended_and_canceled_in_its_row(desk: DeskOfProcesses, tab: Tab) -> None:
    order_id = resting(desk)
    tab.open("orders")
    tab.page.get_by_role("button", name=f"Amend order {order_id}").click()
    dialog = tab.page.get_by_role("dialog")
    dialog.get_by_label("Quantity, with what is filled").fill("25")
    dialog.get_by_label("Price", exact=True).fill("151.005")
    dialog.get_by_role("button", name="Amend").click()
    expect(dialog.get_by_role("alert")).to_contain_text("tick size")
    dialog.get_by_label("Price", exact=True).fill("151.01")
    dialog.get_by_role("button", name="Amend").click()
    expect(dialog).to_be_hidden()
    found = order(desk, order_id)
    assert (found["quantity"], found["price"], found["ord_status"]) == ("25", "151.01", "New")
    tab.page.get_by_role("button", name=f"Cancel order {order_id}").click()
    expect(tab.page.locator(f"[row-id='{order_id}']").first).to_contain_text("Canceled")
    assert order(desk, order_id)["ord_status"] == "Canceled"
    tab.complaints[:] = [each for each in tab.complaints if "422" not in each]  # the browser's word for the refusal


def test_all_that_happened_to_an_order_is_beside_it_with_its_times(desk: DeskOfProcesses, tab: Tab) -> None:
    order_id = str(desk.send(symbol="AAPL", side="BUY", quantity="3")["order"]["order_id"])
    tab.open(f"orders/{order_id}")
    happened = tab.page.get_by_role("list", name="What happened").get_by_role("listitem")
    expect(happened).to_have_count(3)
    expect(happened.nth(0)).to_contain_text("OrderReceived")
    expect(happened.nth(2)).to_contain_text(re.compile(r"\+\d+ ms.*OrderFilled.*last_qty 3"))
    tab.page.get_by_role("button", name="Close the order").click()
    expect(happened.first).to_be_hidden()


def test_an_order_with_a_bracket_is_sent_by_the_keyboard_alone(desk: DeskOfProcesses, tab: Tab) -> None:
    tab.open("trade")
    ticket = tab.page.get_by_role("region", name="Order ticket")
    size = ticket.get_by_label("Size", exact=True)
    expect(size).to_be_visible()
    tab.page.locator("#room").focus()
    tab.page.keyboard.press("n")
    expect(size).to_be_focused()
    tab.page.keyboard.type("7")
    bracket = ticket.get_by_text("Bracket: stop loss, take profit")
    bracket.focus()
    tab.page.keyboard.press("Enter")
    ticket.get_by_label("Stop loss", exact=True).focus()
    tab.page.keyboard.type("180")
    ticket.get_by_label("Take profit", exact=True).focus()
    tab.page.keyboard.type("200")
    expect(ticket.get_by_role("group", name="Preview")).to_contain_text("1,330")  # seven at the ask
    tab.screenshot("ticket")
    tab.page.keyboard.press("Control+Enter")
    until(lambda: _brackets(desk) == 1, "the bracket's entry to be filled")
    [entry] = [each for each in desk.get("/v1/orders")["orders"] if each["quantity"] == "7" and "take_profit" in each]
    assert (entry["ord_status"], entry["stop_loss"], entry["take_profit"]) == ("Filled", "180", "200")
    expect(tab.page.get_by_role("region", name="Working orders").get_by_text("200").first).to_be_visible()


def _brackets(desk: DeskOfProcesses) -> int:
    orders = desk.get("/v1/orders")["orders"]
    return len([each for each in orders if each["ord_status"] == "Filled" and each.get("take_profit") == "200"])


def test_a_click_on_the_ladder_trades_where_it_is_armed(desk: DeskOfProcesses, tab: Tab) -> None:
    tab.open("trade")
    ticket = tab.page.get_by_role("region", name="Order ticket")
    ticket.get_by_label("Size", exact=True).fill("3")
    tab.page.get_by_role("switch", name="One-click orders").click()
    ladder = tab.page.get_by_role("grid", name="Price ladder of AAPL at SIM")
    ladder.locator("[role=row]").last.locator("[data-column=bid]").click(delay=20)
    until(lambda: _resting(desk, "3") == 1, "the order to rest")
    mine = ladder.locator("[data-column=mine-bid]").filter(has_text="3")
    mine.first.click()
    until(lambda: _resting(desk, "3") == 0, "the order to be canceled")


def _resting(desk: DeskOfProcesses, quantity: str) -> int:
    orders = desk.get("/v1/orders")["orders"]
    return len([each for each in orders if each["ord_status"] == "New" and each["quantity"] == quantity])


def test_an_order_that_waits_for_a_person_is_approved(desk: DeskOfProcesses, tab: Tab) -> None:
    tab.open("approvals")
    waits = desk.send(symbol="AAPL", side="BUY", quantity="4", account="checked")
    order_id = str(waits["order"]["order_id"])
    links = tab.page.get_by_role("navigation", name="Rooms")
    expect(links.get_by_role("link", name="Approvals")).to_contain_text("1")
    tab.page.get_by_role("button", name=f"Approve order {order_id}").click()
    dialog = tab.page.get_by_role("dialog")
    dialog.get_by_label("Why", exact=False).last.fill("seen")
    dialog.get_by_role("button", name="Approve").click()
    until(lambda: order(desk, order_id)["ord_status"] == "Filled", "the order to be filled")


def test_positions_show_what_they_make_and_are_closed(desk: DeskOfProcesses, tab: Tab) -> None:
    desk.send(symbol="MSFT", side="BUY", quantity="100")
    tab.open("positions")
    row = tab.row("MSFT")
    expect(row).to_contain_text("420.02")
    desk.market.quote("MSFT", "421.98", "422.02")
    expect(row).to_contain_text("198.00")  # 100 at the mid of 422, bought at 420.02
    tab.page.get_by_role("button", name="Close MSFT").click()
    tab.page.get_by_role("dialog").get_by_role("button", name="Close it").click()
    until(lambda: desk.get("/v1/positions/MSFT?flat=true")["position"]["position"] == "0", "MSFT to be flat")
    expect(row).to_be_hidden()


def test_a_target_is_set_and_reached(desk: DeskOfProcesses, tab: Tab) -> None:
    tab.open("targets")
    tab.page.get_by_role("button", name="Set a target…").click()
    dialog = tab.page.get_by_role("dialog")
    dialog.get_by_label("Symbol", exact=True).select_option("MSFT")
    dialog.get_by_label("How much").fill("12")
    dialog.get_by_role("button", name="Go for it").click()
    until(lambda: desk.get("/v1/positions/MSFT?flat=true").get("position", {}).get("position") == "12", "12 to be held")
    tab.page.get_by_label("ended ones, too").first.check()
    expect(tab.row("MSFT", "12")).to_be_visible()


# ----------------------------------------------------------------------------------------------- trading, and stopping


def test_the_kill_switch_wants_a_word_and_shows_what_the_server_says(desk: DeskOfProcesses, tab: Tab) -> None:
    order_id = resting(desk)
    tab.open("orders")
    badge = tab.page.get_by_label("Trading state")
    expect(badge).to_have_text("ACTIVE")
    tab.page.get_by_role("button", name="Kill switch").click()
    dialog = tab.page.get_by_role("dialog")
    stop = dialog.get_by_role("button", name="Stop", exact=True)
    word = dialog.get_by_label("Type DESK to confirm")
    word.fill("desk")
    expect(stop).to_be_disabled()
    word.fill("DESK")
    stop.click()
    expect(badge).to_have_text("HALTED")
    expect(tab.page.locator(f"[row-id='{order_id}']").first).to_contain_text("Canceled")
    assert desk.get("/v1/trading_state")["desk"] == "HALTED"
    refused = desk.send(symbol="AAPL", side="BUY", quantity="1")
    assert refused["reason"] == "trading_halted", refused
    tab.page.get_by_role("button", name="Resume…").click()
    tab.page.get_by_role("dialog").get_by_role("button", name="Resume").click()
    expect(badge).to_have_text("ACTIVE")
    assert desk.get("/v1/trading_state")["desk"] == "ACTIVE"


# ----------------------------------------------------------------------------------------------------- losing contact


@pytest.mark.parametrize("name", ["gateway", "valkey"])
def test_the_page_finds_back_and_says_meanwhile_that_it_knows_nothing(
    desk: DeskOfProcesses, tab: Tab, name: str
) -> None:
    before = resting(desk)
    tab.open("orders")
    expect(tab.page.locator(f"[row-id='{before}']").first).to_contain_text("New")
    if name == "gateway":
        desk.kill(name)
        expect(tab.page.get_by_text("Not connected")).to_be_visible()
        expect(tab.page.get_by_label("Trading state")).to_have_text("STATE UNKNOWN")
    else:
        desk.kill(name)
    expect(tab.page.locator(".link-state")).to_have_attribute("data-state", "live", timeout=60_000)
    expect(tab.page.get_by_label("Trading state")).to_have_text("ACTIVE")
    until(
        lambda: "order" in desk.send(symbol="AAPL", side="SELL", quantity="1", price="250.00"),
        "the desk to take orders",
    )
    expect(tab.row("SELL", "250")).to_be_visible()
    tab.complaints.clear()  # the browser tells of each connection that it could not make
