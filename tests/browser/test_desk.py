"""A person at the desk's page, in a real browser, in front of a desk of real processes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Route, expect

from tests.conftest import until
from tests.support.browser import PHONE, Tab, chromium
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


def test_the_preview_follows_the_market_and_a_young_desks_chart_begins_small(desk: DeskOfProcesses, tab: Tab) -> None:
    tab.open("trade")
    ticket = tab.page.get_by_role("region", name="Order ticket")
    ticket.get_by_label("Size", exact=True).fill("9")
    said = ticket.get_by_role("group", name="Preview")
    expect(said).to_contain_text("1,710.18")  # nine at 190.02
    desk.market.shown("AAPL", "190.98", "191.02")
    expect(said).to_contain_text("1,719.18")
    desk.market.shown("AAPL", "189.98", "190.02")
    expect(said).to_contain_text("1,710.18")
    expect(tab.page.get_by_label("Interval")).to_have_value("5")


def _brackets(desk: DeskOfProcesses) -> int:
    orders = desk.get("/v1/orders")["orders"]
    return len([each for each in orders if each["ord_status"] == "Filled" and each.get("take_profit") == "200"])


def test_going_to_another_room_by_the_keys_touches_no_order(desk: DeskOfProcesses, tab: Tab) -> None:
    order_id = resting(desk, "149.00")
    tab.open("orders")
    row = tab.page.locator(f"[row-id='{order_id}']").first
    row.locator("[col-id=symbol]").click()
    for key in ("g", "c"):
        tab.page.keyboard.press(key)
    expect(tab.page.get_by_role("region", name="What operators have done")).to_be_visible()
    assert order(desk, order_id)["ord_status"] == "New", "c alone would have canceled it"
    tab.go("orders")
    row.locator("[col-id=symbol]").click()
    tab.page.keyboard.press("c")
    until(lambda: order(desk, order_id)["ord_status"] == "Canceled", "the order to be canceled by its key")


def test_cancel_all_is_of_every_account_that_is_looked_at(desk: DeskOfProcesses, tab: Tab) -> None:
    ids = [resting(desk, "148.00"), resting(desk, "148.00", account="demo")]
    tab.open("orders")
    tab.page.get_by_role("button", name="Cancel all…").click()
    dialog = tab.page.get_by_role("dialog")
    expect(dialog).to_contain_text("default, demo")
    dialog.get_by_role("button", name="Cancel all").click()
    until(lambda: {order(desk, each)["ord_status"] for each in ids} == {"Canceled"}, "both to be canceled")


def test_a_ticket_whose_symbol_has_just_changed_sends_nothing(desk: DeskOfProcesses, tab: Tab) -> None:
    known = len(desk.get("/v1/orders?limit=1000")["orders"])
    tab.open("trade")
    ticket = tab.page.get_by_role("region", name="Order ticket")
    ticket.get_by_label("Size", exact=True).fill("5")
    ticket.get_by_label("Price", exact=True).fill("150.00")
    ticket.get_by_label("Symbol", exact=True).fill("MSFT")
    ticket.get_by_role("button", name="BUY", exact=True).click()
    expect(ticket).to_contain_text("the symbol has just changed")
    assert len(desk.get("/v1/orders?limit=1000")["orders"]) == known, "a limit order had become a market order"


def test_a_ticket_comes_back_for_the_account_that_it_was_for(desk: DeskOfProcesses, tab: Tab) -> None:
    tab.open("trade")
    account = tab.page.get_by_role("region", name="Order ticket").get_by_label("Account", exact=True)
    account.select_option("demo")
    tab.go("fills")
    expect(tab.page.get_by_role("region", name="Fills")).to_be_visible()
    tab.go("trade")
    expect(account).to_have_value("demo")


def test_an_order_of_which_nobody_knows_goes_again_under_its_id_whatever_was_sent_between(
    desk: DeskOfProcesses, tab: Tab
) -> None:
    tab.open("trade")
    sent: list[tuple[str, str]] = []

    def lose(route: Any) -> None:
        sent.append((route.request.post_data_json["quantity"], route.request.headers["idempotency-key"]))
        route.fulfill(status=500, json={"detail": "lost"})

    tab.page.route("**/v1/orders", lose)
    ticket = tab.page.get_by_role("region", name="Order ticket")
    size, buy = ticket.get_by_label("Size", exact=True), ticket.get_by_role("button", name="BUY", exact=True)
    for quantity in ("11", "12", "11"):
        size.fill(quantity)
        with tab.page.expect_response("**/v1/orders"):
            buy.click()
        expect(buy).to_be_enabled()
    assert [quantity for quantity, _ in sent] == ["11", "12", "11"]
    assert sent[0][1] == sent[2][1] != sent[1][1]
    tab.complaints.clear()  # the browser tells of each 500


def test_an_account_is_live_where_any_of_its_orders_may_reach_a_real_venue(tab: Tab) -> None:
    tab.open("orders")
    asked = """async (venue) => {
      const { desk, modeOf } = await import("/desk/shell/chosen.js");
      desk.accounts.set("a", { account: "a", venue });
      desk.venues.set("REAL", { venue: "REAL", simulated: false });
      const before = modeOf("a");
      desk.instruments.set("X", { symbol: "X", venue: "REAL" });
      return [before, modeOf("a")];
    }"""
    assert tab.page.evaluate(asked, None) == ["PAPER", "LIVE"]
    assert tab.page.evaluate(asked, "SIM") == ["PAPER", "PAPER"]
    assert tab.page.evaluate(asked, "REAL") == ["LIVE", "LIVE"]


def test_ids_are_made_over_plain_http_as_well(tab: Tab) -> None:
    tab.open("orders")
    ids = tab.page.evaluate(
        """async () => {
          const { newId } = await import("/desk/api.js");
          crypto.randomUUID = undefined; // as it is without https, beyond localhost
          return [newId(), newId()];
        }"""
    )
    assert ids[0] != ids[1] and all(re.fullmatch("[0-9a-f]{32}", each) for each in ids)


def test_a_click_on_the_ladder_trades_where_it_is_armed(desk: DeskOfProcesses, tab: Tab) -> None:
    tab.open("trade")
    ticket = tab.page.get_by_role("region", name="Order ticket")
    ticket.get_by_label("Size", exact=True).fill("3")
    tab.page.get_by_role("switch", name="One-click orders").click()
    ladder = tab.page.get_by_role("grid", name="Price ladder of AAPL at SIM")
    expect(ladder.locator("[role=row]").last.locator("[data-column=price]")).not_to_be_empty()
    expect(ladder).not_to_have_attribute("aria-busy", "true")  # it takes no click just after it moved
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
    again = tab.page.get_by_role("dialog").get_by_role("button", name="Resume")
    expect(again).to_be_disabled()
    tab.page.get_by_role("dialog").get_by_label("Why").fill("over")
    again.click()
    expect(badge).to_have_text("ACTIVE")
    assert desk.get("/v1/trading_state")["desk"] == "ACTIVE"


def test_trading_is_stopped_and_begun_again_by_the_keyboard_alone(desk: DeskOfProcesses, tab: Tab) -> None:
    tab.open("positions")
    badge, keys = tab.page.get_by_label("Trading state"), tab.page.keyboard
    expect(badge).to_have_text("ACTIVE")
    keys.press("x")
    expect(tab.page.get_by_role("dialog", name="Stop trading")).to_be_visible()
    keys.type("DESK")
    keys.press("Enter")
    expect(badge).to_have_text("HALTED")
    tab.page.get_by_role("button", name="Resume…").focus()
    keys.press("Enter")
    expect(tab.page.get_by_role("dialog")).to_be_visible()
    keys.press("Tab")  # from what to why
    keys.type("over")
    keys.press("Enter")
    expect(badge).to_have_text("ACTIVE")
    assert desk.get("/v1/trading_state")["desk"] == "ACTIVE"


# ------------------------------------------------------------------------------------------------- real money, a phone


def test_the_first_order_with_real_money_is_asked_about(desk: DeskOfProcesses, tab: Tab) -> None:
    def real(route: Route) -> None:
        answer = route.fetch()
        rows = [{**each, "mode": "LIVE"} for each in answer.json()["accounts"]]
        route.fulfill(response=answer, json={**answer.json(), "accounts": rows})

    tab.page.route("**/v1/accounts", real)  # this version has no venue that is not simulated
    tab.open("trade")
    expect(tab.page.locator("#mode")).to_have_text("LIVE")
    tab.screenshot("live")
    ticket = tab.page.get_by_role("region", name="Order ticket")
    ticket.get_by_label("Size", exact=True).fill("21")
    ticket.get_by_label("Price", exact=True).fill("140")
    buy = ticket.get_by_role("button", name="BUY LIVE")
    posted: list[str] = []
    tab.page.on("request", lambda each: posted.append(each.url) if each.url.endswith("/v1/orders") else None)
    for label in ("Leave it", "BUY LIVE"):
        buy.click()
        dialog = tab.page.get_by_role("dialog")
        expect(dialog).to_contain_text("default is a LIVE account")
        dialog.get_by_role("button", name=label).click()
        expect(dialog).to_be_hidden()
    until(lambda: _resting(desk, "21") == 1, "what was meant")
    buy.click()  # once it was meant, it is not asked again
    until(lambda: _resting(desk, "21") == 2, "the second one")
    expect(buy).to_be_enabled()
    assert len(posted) == 2, "what was left was not sent"


def test_an_order_is_sent_and_canceled_on_a_phone(desk: DeskOfProcesses, browser: Browser) -> None:
    tab = Tab(browser, desk.url, PHONE, "light", touch=True).open("trade")
    ticket = tab.page.get_by_role("region", name="Order ticket")
    ticket.get_by_label("Size", exact=True).fill("22")
    ticket.get_by_label("Price", exact=True).fill("141")
    ticket.get_by_role("button", name="BUY", exact=True).tap()
    until(lambda: _resting(desk, "22") == 1, "it to rest")
    [order_id] = [each["order_id"] for each in desk.get("/v1/orders")["orders"] if each["quantity"] == "22"]
    tab.page.get_by_role("link", name="Orders").tap()
    cancel = tab.page.get_by_role("button", name=f"Cancel order {order_id}")
    cancel.scroll_into_view_if_needed()
    cancel.tap()
    until(lambda: order(desk, order_id)["ord_status"] == "Canceled", "it to be canceled")
    expect(tab.page.get_by_role("button", name="Kill switch")).to_be_in_viewport()
    tab.close()


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
