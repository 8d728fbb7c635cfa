"""Place orders over a gateway and track them until they are done: the values are here, in the file.

python examples/main.py                   with `fillstream up --without-key` in another terminal
"""

from __future__ import annotations

import os
from typing import Any

from fillstream.client.gateway import GatewayClient

URL = os.environ.get("FILLSTREAM_URL", "http://127.0.0.1:8000")
KEY = os.environ.get("FILLSTREAM_KEY")
"""`ID.SECRET` of `fillstream key create me --scopes trader`; none of a gateway that asks for none."""
ACCOUNT = "default"
"""`main@paper` or `main@live` where a desk has both; the alias `main` is whichever of them is switched to."""
ORDERS: list[dict[str, Any]] = [
    {"symbol": "AAPL", "side": "BUY", "quantity": 10},
    {"symbol": "MSFT", "side": "BUY", "quantity": 5},
    {"symbol": "AAPL", "side": "SELL", "quantity": 4},
]
WAIT_S = 30.0


def main(url: str = URL, key: str | None = KEY) -> None:
    """Send every order, then tell of each how it stands until it is filled, canceled or refused."""
    with GatewayClient(url, key) as client:
        sent = {client.signal(**order, account=ACCOUNT): order for order in ORDERS}
        for signal_id, order in sent.items():
            outcome = client.wait_for(signal_id, timeout_s=WAIT_S)
            what = f"{order['side']} {order['quantity']} {order['symbol']}"
            if outcome.refused or outcome.order_id is None:
                print(f"{what}: refused, {outcome.text}")
                continue
            for event in outcome.events:
                said = f"{event['last_qty']} at {event['last_px']}" if event["type"] == "OrderFilled" else ""
                print(f"{what}: {event['type']} {said}".rstrip())
            order_now = client.order(outcome.order_id)
            print(f"{what}: order {order_now['order_id']} is {order_now['ord_status']}, {order_now['cum_qty']} filled")


if __name__ == "__main__":
    main()
