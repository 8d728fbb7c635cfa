"""A front end in Streamlit: a form that places orders over a gateway, and what became of them.

streamlit run examples/front_end.py       (pip install 'fillstream[examples]'), with a gateway as examples/main.py wants
"""

from __future__ import annotations

import os
from decimal import Decimal, InvalidOperation

import streamlit as st

from fillstream.client.gateway import GatewayClient, GatewayError

URL = os.environ.get("FILLSTREAM_URL", "http://127.0.0.1:8000")
KEY = os.environ.get("FILLSTREAM_KEY")
SHOWN = (
    "order_id", "received_time", "account", "symbol", "side", "order_type", "quantity", "price", "cum_qty",
    "leaves_qty", "avg_px", "ord_status", "text",
)  # fmt: skip
EVERY_S = 1.0


@st.cache_resource
def connected(url: str, key: str | None) -> GatewayClient:
    """Return the client that every visitor of this page shares."""
    return GatewayClient(url, key)


def place(client: GatewayClient, names: list[str], symbols: list[str]) -> None:
    """Show the form, and send what is put in."""
    with st.form("order"):
        account, symbol = st.selectbox("Account", names), st.selectbox("Symbol", symbols)
        side = st.radio("Side", ("BUY", "SELL"), horizontal=True)
        quantity = st.text_input("Quantity", "10")
        price = st.text_input("Limit price", help="none is a market order")
        sends = st.form_submit_button("Place the order")
    if not sends:
        return
    try:
        limit = {"price": Decimal(price)} if price.strip() else {}
        signal_id = client.signal(symbol, side, Decimal(quantity), account=account, **limit)
        outcome = client.wait_for(signal_id, until=lambda told: told.working)
    except InvalidOperation:
        st.error("Quantity and price must be numbers.")
    except (GatewayError, ValueError) as error:
        st.error(str(error))
    else:
        (st.error if outcome.refused else st.success)(outcome.text or f"order {outcome.order_id}: {outcome.ord_status}")


@st.fragment(run_every=EVERY_S)
def track(client: GatewayClient) -> None:
    """Show the newest orders, and let those that work be canceled."""
    try:
        rows = client.wire.json("GET", "/v1/orders?limit=100")["orders"]
    except GatewayError as error:
        st.warning(str(error))
        return
    st.dataframe([{name: row.get(name) for name in SHOWN} for row in rows], hide_index=True)
    working = [row["order_id"] for row in rows if row["ord_status"] in ("New", "PartiallyFilled", "Suspended")]
    if working:
        chosen = st.selectbox("Working orders", working)
        if st.button("Cancel it"):
            client.wait_for(client.cancel(order_id=chosen))
            st.rerun(scope="fragment")


def main() -> None:
    """Draw the page."""
    st.set_page_config("Fillstream", layout="wide")
    st.title("Orders")
    try:
        client = connected(URL, KEY)
        names = [row["account"] for row in client.accounts()]
        symbols = [row["symbol"] for row in client.wire.json("GET", "/v1/instruments")["instruments"]]
    except GatewayError as error:
        st.error(f"{error}. Start one: fillstream up --without-key")
        return
    place(client, names, symbols)
    track(client)


main()
