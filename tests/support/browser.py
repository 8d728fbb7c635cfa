"""Debian's Chromium, driven by Playwright: pages of the desk, and what each of them asked for and complained of."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

CHROMIUM: Final = shutil.which("chromium")
ARGUMENTS: Final = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
SCREENSHOTS: Final = Path(__file__).parents[2] / "build" / "screenshots"
WCAG_AA: Final = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
LAPTOP, PHONE = (1440, 900), (390, 844)
PATIENT_MS: Final = 45_000

expect.set_options(timeout=PATIENT_MS)


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser; tests that need one are skipped where there is none, and say so."""
    if CHROMIUM is None:
        pytest.skip("no chromium on PATH: nobody to look at the desk's page")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        try:
            yield browser
        finally:
            browser.close()


class Tab:
    """A page of the desk, as one person has it open.

    Attributes:
        page: Playwright's.
        outside: addresses that it asked for beyond its gateway; there are to be none.
        complaints: errors of its console, and exceptions that nobody caught.
    """

    def __init__(
        self, browser: Browser, url: str, size: tuple[int, int] = LAPTOP, theme: str = "dark", *, touch: bool = False
    ) -> None:
        self.url = url
        self._context = browser.new_context(
            viewport={"width": size[0], "height": size[1]}, color_scheme=theme, has_touch=touch, locale="en-GB"
        )  # type: ignore[arg-type]
        self._context.set_default_timeout(PATIENT_MS)
        self.page: Page = self._context.new_page()
        self.outside: list[str] = []
        self.complaints: list[str] = []
        ours = (url, url.replace("http", "ws", 1), "data:", "blob:")
        self.page.on("request", lambda each: None if each.url.startswith(ours) else self.outside.append(each.url))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", lambda each: self.complaints.append(each.text) if each.type == "error" else None)

    def open(self, room: str = "") -> Tab:
        """Go to a room, and wait until the page is connected."""
        self.page.goto(f"{self.url}/desk/#/{room}")
        expect(self.page.locator(".link-state")).to_have_attribute("data-state", "live")
        return self

    def go(self, room: str) -> None:
        """Go to another room of the page that is open."""
        self.page.evaluate("(room) => { location.hash = `/${room}`; }", room)

    def row(self, *words: str) -> Locator:
        """Return the grid's row that has these words."""
        found = self.page.locator("[role=row]:not(.ag-header-row)")
        for each in words:
            found = found.filter(has_text=each)
        return found.first

    def violations(self) -> list[str]:
        """Return what axe finds wrong by WCAG AA: the rule, and where."""
        found = Axe().run(self.page, options={"runOnly": {"type": "tag", "values": WCAG_AA}}).response["violations"]
        return [f"{each['id']}: {each['help']}: {[node['html'][:160] for node in each['nodes']][:3]}" for each in found]

    def screenshot(self, name: str) -> None:
        """Keep a picture of the page among the artifacts."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=str(SCREENSHOTS / f"{name}.png"))

    def close(self) -> None:
        """Close it, and see that it asked for nothing outside and complained of nothing."""
        self._context.close()
        assert self.outside == []
        assert self.complaints == []
