"""People at the page's door: who is let in, who is not, what a role shows, and how one is let out."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from fillstream.libs.common.process import passwords
from fillstream.services.gateway.people.lockouts import FREE
from fillstream.tools import gateway_users
from tests.support.browser import Tab, chromium
from tests.support.desk_of_processes import DeskOfProcesses

PASSWORD = "a long enough password"
ROLES = {"anna": "trader", "vera": "viewer", "rita": "risk", "lena": "trader", "gone": "trader"}


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DeskOfProcesses]:
    made = DeskOfProcesses(tmp_path_factory.mktemp("desk"), without_key=False)
    names = made.stack.settings.topology()
    for name, role in ROLES.items():
        gateway_users.create(
            made.client.redis, names, name, role, lambda: passwords.hashed(PASSWORD), now_ms=1, who="test", accounts=[]
        )
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
    # The browser tells of each answer that is an error: who is not in yet, or was refused.
    made.complaints[:] = [each for each in made.complaints if "Failed to load resource" not in each]
    made.close()


def log_in(tab: Tab, name: str, password: str = PASSWORD) -> None:
    tab.page.goto(f"{tab.url}/desk/")
    tab.page.get_by_label("Name").fill(name)
    tab.page.get_by_label("Password").fill(password)
    tab.page.keyboard.press("Enter")


def test_a_trader_logs_in_trades_and_logs_out(desk: DeskOfProcesses, tab: Tab) -> None:
    log_in(tab, "anna")
    expect(tab.page.locator("#who")).to_have_text("anna · trader")
    expect(tab.page.locator(".link-state")).to_have_attribute("data-state", "live")
    expect(tab.page.get_by_role("button", name="Kill switch")).to_be_hidden()
    tab.page.reload()
    expect(tab.page.locator("#who")).to_have_text("anna · trader")
    tab.screenshot("trader")
    tab.page.get_by_role("button", name="Log out").click()
    expect(tab.page.get_by_label("Password")).to_be_visible()
    tab.page.reload()
    expect(tab.page.get_by_label("Password")).to_be_visible()
    assert tab.violations() == []
    tab.screenshot("login")


def test_a_viewer_sees_and_a_risk_manager_stops(tab: Tab) -> None:
    log_in(tab, "vera")
    rooms = tab.page.get_by_role("navigation", name="Rooms")
    expect(rooms.get_by_role("link", name="Orders")).to_be_visible()
    tab.go("orders")
    expect(tab.page.get_by_role("button", name="Cancel all…")).to_be_hidden()
    expect(tab.page.get_by_role("button", name="Kill switch")).to_be_hidden()
    refused = tab.page.evaluate(
        """async () => {
          const { csrf } = await (await fetch("/v1/session")).json();
          const headers = { "content-type": "application/json", "x-csrf-token": csrf };
          const told = await fetch("/v1/halt", { method: "POST", headers, body: JSON.stringify({ reason: "x" }) });
          return [told.status, (await told.json()).reason];
        }"""
    )
    assert refused == [403, "scope_missing"], "what is not shown is not allowed either"
    tab.page.get_by_role("button", name="Log out").click()
    expect(tab.page.get_by_label("Password")).to_be_visible()  # the page has begun anew
    log_in(tab, "rita")
    expect(tab.page.get_by_role("button", name="Kill switch")).to_be_visible()


def test_without_the_token_of_the_page_nothing_is_done(tab: Tab) -> None:
    log_in(tab, "anna")
    expect(tab.page.locator("#who")).to_be_visible()
    refused = tab.page.evaluate(
        """async () => {
          const headers = { "content-type": "application/json" };
          const body = JSON.stringify({ symbol: "AAPL", side: "BUY", quantity: "1" });
          const told = await fetch("/v1/orders", { method: "POST", headers, body });
          return [told.status, (await told.json()).reason];
        }"""
    )
    assert refused == [403, "csrf_refused"]


def test_who_is_disabled_is_shown_the_door(desk: DeskOfProcesses, tab: Tab) -> None:
    log_in(tab, "gone")
    expect(tab.page.locator(".link-state")).to_have_attribute("data-state", "live")
    names = desk.stack.settings.topology()
    gateway_users.change(desk.client.redis, names, "gone", lambda user: user.disabled(2, "test"))
    expect(tab.page.get_by_label("Password")).to_be_visible()


def test_who_guesses_is_locked_out(tab: Tab) -> None:
    # The last one: who comes from this address is locked out with her.
    for _ in range(FREE):
        log_in(tab, "lena", "not the password")
        expect(tab.page.get_by_role("alert")).not_to_be_empty()
    log_in(tab, "lena")
    expect(tab.page.get_by_role("alert")).to_contain_text("failed too often")
    expect(tab.page.get_by_label("Password")).to_be_visible()
