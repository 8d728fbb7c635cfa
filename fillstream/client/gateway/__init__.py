"""A desk through its gateway, for who cannot reach its Redis: `GatewayClient` has the names of `Client`.

with GatewayClient("https://desk.example.com", key) as desk:
    signal_id = desk.signal("AAPL", "BUY", 100, price="190.25")
    print(desk.wait_for(signal_id).ord_status)
"""

from fillstream.client.gateway.client import GatewayClient
from fillstream.client.gateway.wire import GatewayError

__all__ = ["GatewayClient", "GatewayError"]
