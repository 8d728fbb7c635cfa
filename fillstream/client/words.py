"""What a client may ask for in words of its own: orders, cancels, amendments, predictions.

Flows in: what a strategy wants. Flows out: signals, by whoever publishes them: `Client` returns their signal_id,
`AsyncClient` what it is awaited from. Never keeps anything.
"""

from __future__ import annotations

from typing import Any

from fillstream.families import Amount, FamilySignals, SignalId, named
from fillstream.libs.common.messages.codes import DEFAULT_ACCOUNT


class SignalWords(FamilySignals[SignalId]):
    """Every signal that there is."""

    def signal(
        self,
        symbol: str,
        side: str,
        quantity: Amount | None = None,
        *,
        price: Amount | None = None,
        order_type: str | None = None,
        time_in_force: str | None = None,
        account: str = DEFAULT_ACCOUNT,
        signal_id: str | None = None,
        client_order_id: str | None = None,
        strategy: str | None = None,
        confidence: Amount | None = None,
        group_id: str | None = None,
        position_id: str | None = None,
        **special: Any,
    ) -> SignalId:
        """Publish a signal to trade and return its signal_id.

        Args:
            symbol, side, quantity: what to do: BUY or SELL so many; `notional` or `risk_amount` may be instead.
            price: of an order with a limit; without one the order goes to market.
            order_type: LIMIT with a price, MARKET without; by default what the price says. The others are named.
            time_in_force: DAY, GTC, GTD, IOC, FOK, AT_THE_OPENING or AT_THE_CLOSE; by default the desk's.
            account: whose order it is.
            signal_id: makes it safe to send again: the desk answers an equal one with the first one's state.
            client_order_id: your name for the order; by default the signal_id.
            strategy, confidence: kept with the order, for your own reports.
            group_id, position_id: your names for what it belongs to, on all its events.
            special: what else an order may say: `stop_price`, `trailing_offset`, `expire_time`, `display_quantity`,
                `post_only` and the other fields of `messages.signals.SpecialTerms`.

        Raises:
            ValueError: a value that the desk would not take; one sentence a field.
            TopologyDiffers: the desk has other partition counts than `topology`.
            redis.exceptions.RedisError: the server did not take it; send it again with the same signal_id.
        """
        return self._publish(
            "NewOrder",
            account,
            signal_id,
            client_order_id=client_order_id,
            symbol=symbol,
            side=side,
            quantity=quantity,
            order_type=order_type,
            price=price,
            time_in_force=time_in_force,
            strategy=strategy,
            confidence=confidence,
            group_id=group_id,
            position_id=position_id,
            **special,
        )

    def close_position(
        self,
        symbol: str,
        quantity: Amount | None = None,
        *,
        price: Amount | None = None,
        account: str = DEFAULT_ACCOUNT,
        signal_id: str | None = None,
        client_order_id: str | None = None,
        strategy: str | None = None,
        position_id: str | None = None,
    ) -> SignalId:
        """Ask for a position to be closed, or `quantity` of it, by a reduce-only order; return the signal_id.

        Args:
            price: of a limit order; without one it goes to market.
            position_id: which, of an account that hedges and holds several.

        Raises: as `signal`.
        """
        return self._publish(
            "ClosePosition",
            account,
            signal_id,
            client_order_id=client_order_id,
            symbol=symbol,
            quantity=quantity,
            order_type=None if price is None else "LIMIT",
            price=price,
            strategy=strategy,
            position_id=position_id,
        )

    def protect(
        self, symbol: str, *, account: str = DEFAULT_ACCOUNT, signal_id: str | None = None, **said: Any
    ) -> SignalId:
        """Ask for an open position to be closed once a price or a time has come; return the signal_id.

        Args:
            symbol: whose position; of an account that hedges and holds several `position_id` says which.
            said: `stop_loss`, `take_profit_percent`, `trailing_stop`, `time_limit_ms`, `quantity` and the others of
                `messages.protection.ProtectedFields`. The same `protection_id` again takes the place of what it said.

        Raises: as `signal`.
        """
        return self._publish("ProtectPosition", account, signal_id, symbol=symbol, **said)

    def cancel_protection(
        self,
        symbol: str,
        protection_id: str | None = None,
        *,
        position_id: str | None = None,
        account: str = DEFAULT_ACCOUNT,
        signal_id: str | None = None,
    ) -> SignalId:
        """Take away what `protect` said, of one name or all of a position; return the signal_id.

        Args:
            position_id: of which position alone, of an account that hedges.

        Raises: as `signal`.
        """
        named = {"protection_id": protection_id, "position_id": position_id}
        return self._publish("CancelProtection", account, signal_id, symbol=symbol, **named)

    def set_target(
        self,
        symbol: str | None = None,
        target: Amount | None = None,
        *,
        account: str = DEFAULT_ACCOUNT,
        signal_id: str | None = None,
        **said: Any,
    ) -> SignalId:
        """Ask for a position to be reached, or several; return the signal_id.

        Args:
            symbol, target: of what, and the signed quantity that is to be held.
            said: `weight` instead of `target`; `targets`, a list of dicts, instead of both; `close_others`,
                `tolerance`, `algorithm` and the other fields of `messages.signals.SetTarget`.

        Raises: as `signal`.
        """
        return self._publish("SetTarget", account, signal_id, symbol=symbol, target=target, **said)

    def cancel_target(
        self, symbol: str | None = None, *, account: str = DEFAULT_ACCOUNT, signal_id: str | None = None
    ) -> SignalId:
        """Go for a target no more, or for none of an account; return the signal_id.

        Raises: as `signal`.
        """
        return self._publish("CancelTarget", account, signal_id, symbol=symbol)

    def flatten(self, *, account: str = DEFAULT_ACCOUNT, signal_id: str | None = None) -> SignalId:
        """Ask for an account to hold nothing, and nothing of it to work; return the signal_id.

        Raises: as `signal`.
        """
        return self._publish("SetTarget", account, signal_id, targets=[], close_others=True)

    def predict(
        self, symbol: str, move: str, *, account: str = DEFAULT_ACCOUNT, signal_id: str | None = None, **said: Any
    ) -> SignalId:
        """Publish a model's prediction, which is journaled and trades nothing by itself; return its signal_id.

        Args:
            symbol, move: of what, and what it says to do: BUY, SELL or SHORT.
            said: `confidence`, `price`, `predictor` and the other fields of `messages.signals.PredictedFields`.

        Raises: as `signal`.
        """
        return self._publish("Prediction", account, signal_id, symbol=symbol, move=move, **said)

    def cancel(
        self,
        order_id: str | int | None = None,
        *,
        client_order_id: str | None = None,
        account: str = DEFAULT_ACCOUNT,
        signal_id: str | None = None,
    ) -> SignalId:
        """Ask for an order to be taken off the book, named one way or the other; return the request's signal_id.

        Raises: as `signal`.
        """
        return self._publish("CancelOrder", account, signal_id, **named(order_id, client_order_id))

    def replace(
        self,
        order_id: str | int | None = None,
        *,
        client_order_id: str | None = None,
        quantity: Amount | None = None,
        price: Amount | None = None,
        stop_price: Amount | None = None,
        account: str = DEFAULT_ACCOUNT,
        signal_id: str | None = None,
        **of_family: Any,
    ) -> SignalId:
        """Ask for an order's total quantity, price, stop price or several to be changed; return the signal_id.

        Args:
            quantity: the new total, what is filled so far included.
            price: the new limit.
            stop_price: the price that it waits for from now on.
            of_family: of a bracket's entry `stop_loss`, `trailing_stop`, `take_profit`, `take_profits`, `break_even`;
                of an order that is worked `algorithm_parameters`, those that change.

        Raises: as `signal`.
        """
        return self._publish(
            "ReplaceOrder",
            account,
            signal_id,
            **named(order_id, client_order_id),
            quantity=quantity,
            price=price,
            stop_price=stop_price,
            **of_family,
        )

    def cancel_all(
        self,
        *,
        account: str = DEFAULT_ACCOUNT,
        symbol: str | None = None,
        strategy: str | None = None,
        side: str | None = None,
        signal_id: str | None = None,
    ) -> SignalId:
        """Ask for all orders of an account to be canceled, or those that are named; return the request's signal_id.

        Raises: as `signal`.
        """
        return self._publish("CancelAll", account, signal_id, symbol=symbol, strategy=strategy, side=side)
