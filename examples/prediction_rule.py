"""The rule of document 002: a confident BUY prediction opens a position with its stop and its target.

python -m examples.prediction_rule
fillstream run examples/prediction_rule.py --set quantity=100

    Condition: when a BUY prediction arrives with high confidence     confidence > 0.8
    Action: create a position with risk management                   100, stop_loss_pct 0.03, take_profit_pct 0.08

Predictions come as a model would publish them, here from a table beside the quotes; the rule hears of them in the
journal (`PredictionReceived`), as it would of anybody's. A position that is open already is not made larger.
"""

from __future__ import annotations

from decimal import ROUND_DOWN, ROUND_UP, Decimal
from typing import Any

from fillstream import Backtest, Desk, Result, Strategy
from fillstream.demo.market_numbers import Moment
from fillstream.libs.common.engine import frames
from fillstream.libs.common.messages.journal import PredictionReceived

START_MS = 1_723_190_400_000
PREDICTIONS = ((1_000, "BUY", "0.70"), (2_000, "BUY", "0.83"), (2_500, "BUY", "0.95"), (9_000, "SELL", "0.99"))
"""When a model says what, and how sure it is: the first is not sure enough, the third comes while one is open."""
CENT = Decimal("0.01")


class PredictionRule(Strategy):
    """Opens a position when a prediction is confident, with a stop and a target at percentages of the price."""

    parameters = {  # noqa: RUF012 - nobody changes it
        "symbol": "AAPL",
        "confidence": Decimal("0.8"),
        "quantity": 100,
        "stop_loss_pct": Decimal("0.03"),
        "take_profit_pct": Decimal("0.08"),
        "predicts": True,
    }

    def on_start(self, desk: Desk) -> None:
        """Have predictions come in their time; live, a model publishes them itself: --set predicts=false."""
        if desk.parameters["predicts"]:
            for number, (ms, _, _) in enumerate(PREDICTIONS):
                desk.timer(str(number), after_ms=ms)

    def on_timer(self, desk: Desk, name: str) -> None:
        """Publish a prediction, as a model would."""
        _, move, confidence = PREDICTIONS[int(name)]
        desk.predict(str(desk.parameters["symbol"]), move, confidence=confidence, predictor="options_flow")

    def on_prediction(self, desk: Desk, prediction: PredictionReceived) -> None:
        """Act on a prediction that the rule's condition means."""
        if prediction.move != "BUY" or prediction.confidence is None:
            return
        quote, enough = desk.quote(prediction.symbol), Decimal(str(desk.parameters["confidence"]))
        if prediction.confidence <= enough or quote is None or quote.ask_px is None:
            return
        if desk.position(prediction.symbol).quantity or desk.orders():
            return
        stop = quote.ask_px * (1 - Decimal(str(desk.parameters["stop_loss_pct"])))
        target = quote.ask_px * (1 + Decimal(str(desk.parameters["take_profit_pct"])))
        desk.bracket(
            prediction.symbol,
            "BUY",
            int(desk.parameters["quantity"]),
            stop_loss=stop.quantize(CENT, ROUND_DOWN),
            take_profit=target.quantize(CENT, ROUND_UP),
            confidence=prediction.confidence,
        )


def market() -> list[Moment]:
    """Return quotes of AAPL: it stands at 190, then rises beyond the target."""
    found = []
    for second in range(20):
        cents = 19_000 + max(0, second - 5) * 150
        record = frames.quote(1, cents - 1, 5_000, cents + 1, 5_000)
        found.append(Moment((START_MS + second * 1_000) * 1_000_000, "AAPL", record))
    return found


def main() -> Result:
    """Run it, and show what it opened and how that ended."""
    result = Backtest(PredictionRule, market()).run()
    orders: list[Any] = result.rows("orders")
    print(f"{result.record.events['PredictionReceived']} predictions, {len(orders)} orders")
    [trade] = result.rows("trades")
    print(f"  held {trade[9]} for {trade[7]} ms, in at {trade[11]}, out at {trade[12]}: {trade[13] - trade[14]}")
    assert trade[13] > 0 and trade[9] == 100, "the target was reached"
    return result


if __name__ == "__main__":
    main()
