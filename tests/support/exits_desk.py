"""A position stage whose orders to close are looked at, and answered as the orders stage would."""

from __future__ import annotations

from typing import Any

import orjson

from fillstream.libs.common.messages.signals import ExitPosition
from fillstream.libs.common.runtime.stage import Entry, Outputs
from fillstream.services.order_service.orders.decode import decode
from fillstream.services.order_service.orders.instructions import Exit
from fillstream.services.position_service.stage import PositionStage
from tests.support.positions_desk import T0, PositionsDesk


class ExitsDesk(PositionsDesk):
    """A desk whose instructions are kept.

    Attributes:
        instructions: all that was sent, each read as the orders stage reads it.
        sent: those that are ExitPositions.
        told: every ExitChanged.
    """

    def __init__(self) -> None:
        super().__init__()
        self.instructions: list[Any] = []
        self.sent: list[Exit] = []
        self.told: list[dict[str, Any]] = []

    def fold(self, entry: Entry) -> list[dict[str, Any]]:
        out = Outputs(self.stage.name, self.stage.inbox)
        out.begin(entry)
        self.stage.fold(entry, out)
        self.dead += [orjson.loads(letter[b"data"]) for letter in out.dead]
        for payload in out.by_stream.pop("orders.1", (b"", []))[1]:
            wish = decode(payload)
            self.instructions.append(wish)
            if isinstance(wish, Exit):
                ExitPosition.model_validate_json(payload)
                self.sent.append(wish)
        messages = self.checked(out)
        self.told += [each for each in messages if each["type"] == "ExitChanged"]
        return [each for each in messages if each["type"] != "ExitChanged"]

    def again(self) -> None:
        """Go on with a stage restored from a snapshot, which must be written the same way again."""
        data = self.stage.snapshot()
        self.stage = PositionStage(1)
        self.stage.restore(data)
        assert self.stage.snapshot() == data

    def protect(self, **fields: Any) -> None:
        said = {"signal_id": f"p{self.seq}", "account": "alpha", "symbol": "AAPL", "protection_id": "default"}
        self.put("PositionProtected", **(said | {"signal_time": T0} | fields))

    def cancel(self, **fields: Any) -> None:
        self.put("ProtectionCanceled", **({"signal_id": f"c{self.seq}", "account": "alpha", "symbol": "AAPL"} | fields))

    def tick(self, ms: int) -> None:
        """Let time pass, to so many milliseconds after the start."""
        self.fold(Entry(f"{T0 + ms}-9", T0 + ms, {b"tick": b"1"}))

    def closing(self, wish: Exit, side: str, **fields: Any) -> dict[str, Any]:
        """Return what events say of the order that came of an instruction."""
        order = {"order_id": f"9{len(self.sent)}", "client_order_id": wish.client_order_id, "account": wish.account}
        return self.order(side, **(order | {"symbol": wish.symbol} | fields))

    def refuse(self, reason: str = "trading_halted", text: str = "the desk is HALTED") -> None:
        """Refuse the last instruction."""
        wish = self.sent[-1]
        said = {"signal": "ExitPosition", "signal_id": wish.signal_id, "account": wish.account}
        self.put("SignalRefused", **said, reason=reason, text=text)

    def trade(self, side: str, quantity: str, price: str, leaves: str = "0", **fields: Any) -> dict[str, Any]:
        """Fill the order of the last instruction."""
        order = self.closing(self.sent[-1], side, leaves_qty=leaves)
        del order["side"], order["quantity"]
        return self.fill(side, quantity, price, **(order | fields))

    def end(self, side: str, leaves: str) -> None:
        """Have that order canceled with something left."""
        order = self.closing(self.sent[-1], side, ord_status="Canceled", leaves_qty=leaves)
        self.put("OrderCanceled", **order, reason="immediate_or_cancel", text="nothing more to be had")

    @property
    def statuses(self) -> list[tuple[str, str | None]]:
        """What was told since it was looked at last."""
        found = [(each["exit_status"], each["exit_reason"]) for each in self.told]
        self.told.clear()
        return found
