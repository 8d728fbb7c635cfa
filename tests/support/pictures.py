"""The README's picture of the web desk: a busy desk of real processes, looked at.

    python -m tests.support.pictures    writes docs/pictures/desk.png

Flows in: a synthetic market, some orders. Flows out: a picture. Never drawn by hand: what it shows is what there is.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import httpx
from playwright.sync_api import expect

from fillstream.libs.common.messages.stages import name_at
from fillstream.stack.running import WITHOUT_KEY_VARIABLE
from fillstream.stack.stack import PYTHON, LocalStack
from tests.support.browser import LAPTOP, Tab, chromium

PICTURE = Path(__file__).parents[2] / "docs" / "pictures" / "desk.png"
FEED = (*PYTHON, "fillstream", "feed", "synthetic", "--speed", "20", "--venue", "SIM")
SETTLE_MS = 4_000
WAIT_MS = 120_000
"""Until a young desk's bars are some."""


def main() -> None:
    """Take it."""
    with (
        tempfile.TemporaryDirectory(prefix="fillstream-picture-") as folder,
        LocalStack(
            Path(folder), base_port=0, redis_port=0, gateway_port=0, environ={WITHOUT_KEY_VARIABLE: "true"},
            more={name_at("feed", "SIM"): FEED},
        ) as stack,
        chromium() as browser,
    ):  # fmt: skip
        stack.wait_ready()
        with httpx.Client(base_url=stack.url("gateway"), timeout=20, trust_env=False) as http:
            for symbol, side, quantity, more in (
                ("AAPL", "BUY", "300", {}), ("MSFT", "SELL", "120", {}), ("SPY", "BUY", "80", {}),
                ("AAPL", "BUY", "100", {"price": "189.80"}), ("AAPL", "SELL", "150", {"price": "190.40"}),
                ("AAPL", "SELL", "100", {"price": "190.55"}), ("MSFT", "BUY", "60", {"price": "417.50"}),
            ):  # fmt: skip
                http.post("/v1/orders", json={"symbol": symbol, "side": side, "quantity": quantity, **more})
        tab = Tab(browser, stack.url("gateway"), LAPTOP).open("trade")
        expect(tab.page.locator(".ag-row").first).to_be_visible()
        tab.page.wait_for_timeout(WAIT_MS)
        tab.page.get_by_label("Interval").select_option("5")  # and so read anew, with what was told meanwhile
        expect(tab.page.get_by_role("region", name="Chart")).to_contain_text("bars of")
        tab.page.get_by_role("region", name="Order ticket").get_by_label("Size", exact=True).fill("100")
        tab.page.wait_for_timeout(SETTLE_MS)
        PICTURE.parent.mkdir(parents=True, exist_ok=True)
        tab.page.screenshot(path=str(PICTURE))
        tab.close()
    sys.stdout.write(f"{PICTURE}\n")


if __name__ == "__main__":
    main()
