"""A model's prediction, which is kept and trades nothing; a position, and what closes it whatever its size is.

python -m examples.prediction_and_close
"""

from __future__ import annotations

from examples.desk import Market, a_desk, told
from fillstream import Client


def main(client: Client, market: Market) -> None:
    """Say what a model thinks, act on it, and close."""
    market.quote("MSFT", "419.99", "420.01")
    prediction = client.predict("MSFT", "BUY", confidence="0.83", predictor="lstm", predictor_version="7")
    told(client, prediction, "PredictionReceived")
    entry = client.signal("MSFT", "BUY", 2, confidence="0.83", strategy="lstm")
    told(client, entry, "OrderFilled")
    first = client.close_position("MSFT", 1)
    assert told(client, first, "OrderFilled")[0]["quantity"] == "1"
    rest = client.close_position("MSFT")
    assert told(client, rest, "OrderFilled")[0]["side"] == "SELL"
    nothing = client.close_position("MSFT")
    assert told(client, nothing, "SignalRefused")[-1]["reason"] == "nothing_to_reduce"


if __name__ == "__main__":
    with a_desk() as (client, market):
        main(client, market)
