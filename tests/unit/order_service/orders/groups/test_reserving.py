"""What a list reserves: of orders of which one trades, the largest, before and after a restart."""

from __future__ import annotations

import orjson

from tests.support.family_desk import FAMILY_CONFIG, FamilyDesk
from tests.support.terms import but


def test_a_restored_desk_reserves_what_it_did_before() -> None:
    accounts = dict(FAMILY_CONFIG.accounts)
    accounts["default"] = but(accounts["default"], max_open_orders=10)
    desk = FamilyDesk(but(FAMILY_CONFIG, accounts=accounts))
    desk.quote(18_490, 18_500)
    desk.print(18_495)
    leg = {"symbol": "AAPL", "side": "BUY", "time_in_force": "GTC"}
    orders = [
        leg | {"client_order_id": "a", "quantity": "40", "price": "184.00"},
        leg | {"client_order_id": "b", "quantity": "30", "order_type": "STOP", "stop_price": "186.00"},
    ]
    desk.signal("NewOrderList", contingency_type="ONE_CANCELS_OTHER", orders=orjson.dumps(orders).decode())
    holding = desk.state.holdings.holding("default", "AAPL")
    before = (holding.buys, holding.buy_value, holding.account.open_orders)
    assert before[0] == 40
    desk.desk.restarted()
    holding = desk.state.holdings.holding("default", "AAPL")
    assert (holding.buys, holding.buy_value, holding.account.open_orders) == before
