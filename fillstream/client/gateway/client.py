"""The client that goes by a gateway: what `Client` does over Redis, over HTTP, by the same names.

Flows in: what a strategy, or a person, wants. Flows out: signals and controls in the name of whose key it is; events
and models. Never guesses what became of a request: one that may have arrived is sent again under its own id.
"""

from __future__ import annotations

import math
import time
import uuid
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from fillstream.client.answers import Answer, NoAnswer, Sent
from fillstream.client.gateway.streams import Streams
from fillstream.client.gateway.wire import GatewayError, Wire, texts
from fillstream.client.scripts import Commands, Http
from fillstream.client.sync import DeskClient
from fillstream.families import signal_fields
from fillstream.libs.common.messages.topology import Topology, stream_name

if TYPE_CHECKING:
    import httpx

    from fillstream.client.rows import MarketState

ANALYTICS_PATH: Final = "/v1/analytics"
LONGEST_WAIT_S: Final = 30.0
"""So long a gateway waits for an outcome at most."""
PLACES_S: Final = 1.0
"""So old the places may be from which a signal's answer is looked for: what it reads more than it needs is little."""
SURE_WITHIN_S: Final = 10.0
"""For so long what may have arrived is sent again."""


class GatewayClient(DeskClient):
    """A connection to a desk's gateway. Not for several threads at once.

    Args:
        url: of the gateway, `https://host`.
        key: `ID.SECRET`; None of a gateway that asks for none.
        ca_file: certificates to trust, PEM; None for the usual ones.
        insecure: let a key go to another machine over http://, where everybody on the way can read it.
        patience_s: for how long a gateway that does not answer is waited for, where nothing is sent. Following waits
            for ever.
        transport: of httpx; None for the network's.

    Attributes:
        wire: to the gateway.
        topology: names of the streams, as the gateway has told.

    Raises:
        ValueError: the URL or the key is none, or the key would go in clear.
        GatewayError: the gateway does not let this key in, or does not answer.
    """

    _server = "the gateway"

    def __init__(
        self,
        url: str,
        key: str | None = None,
        *,
        ca_file: Path | None = None,
        insecure: bool = False,
        patience_s: float = 0.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.wire = Wire(url, key, ca_file=ca_file, insecure=insecure, transport=transport)
        try:
            told = self.wire.json("GET", "/v1/topology")["topology"]
        except BaseException:
            self.wire.close()
            raise
        known = {each.name: told[each.name] for each in fields(Topology) if each.name in told}
        topology = Topology(**{**known, "venues": tuple(told["venues"])})
        super().__init__(topology, f"{self.wire.url}{ANALYTICS_PATH}", patience_s)
        self._streams = Streams(self.wire, topology)
        self._at: Mapping[str, str] = {}
        self._asked_until = 0.0

    def close(self) -> None:
        """Close the connections."""
        self.wire.close()

    @property
    def redis(self) -> Any:
        """What reads the public streams as Redis' own client does: `xread`, `xrange`, `xrevrange`."""
        return self._streams

    def ping(self) -> None:
        """Ask the gateway whether it is there, and lets this key in.

        Raises:
            GatewayError: it is not, or does not.
        """
        self.wire.json("GET", "/v1/topology")

    # ------------------------------------------------------------------------------------------- what carries out

    def _send(self, asked: Commands) -> list[Any]:
        return [self._streams.execute_command(*map(_plain, each)) for each in asked.each]

    def _is_away(self, error: Exception) -> bool:
        return isinstance(error, GatewayError) and error.is_away

    def _request(self, asked: Http) -> Any:
        return self.wire.request(asked.method, asked.url, params=asked.params, json=asked.json)

    def _publish(self, kind: str, account: str, signal_id: str | None, **more: Any) -> str:
        """Send a signal, and again as long as nobody knows whether the desk has it; see `SignalWords.signal`.

        Raises:
            ValueError: a value that the desk would not take; one sentence a field.
            GatewayError: the key may not; or nobody knows whether it was taken: send it again with the same signal_id.
        """
        signal_id = signal_id or str(uuid.uuid4())
        fields = signal_fields(kind, account, signal_id, more)
        at = self._places()  # what answers it comes behind this
        try:
            told = self.wire.send(
                "/v1/signals", fields, f"signal {signal_id}", SURE_WITHIN_S, headers={"Prefer": "respond-async"}
            )
        except GatewayError as error:
            if error.status == 422 and "signal_id" not in error.problem:
                raise ValueError("\n".join(error.sentences)) from None
            if not error.problem.get("refused"):
                raise
            told = error.problem  # the desk has it, and has answered: the journal tells what
        sent = Sent(account, fields.get("order_id"), str(told.get("entry_id", "")), "0-0", at.get("dead", "0-0"))
        journal = stream_name("events", sent.partition(self.topology))
        self._scripts.remember(
            signal_id, Sent(sent.account, sent.order_id, sent.entry_id, at.get(journal, "0-0"), sent.dead_after)
        )
        return signal_id

    def _places(self) -> Mapping[str, str]:
        """Return where the streams were, not long ago: who sends many signals does not ask before each."""
        now = time.monotonic()
        if now >= self._asked_until:
            self._at = self.wire.json("GET", "/v1/topology")["as_of"]
            self._asked_until = now + PLACES_S
        return self._at

    # --------------------------------------------------------------------------------------------------- controls

    def control(
        self,
        kind: str,
        account: str | None,
        *,
        who: str | None = None,
        reason: str,
        control_id: str | None = None,
        timeout_s: float = 5.0,
        **more: Any,
    ) -> Answer:
        """Tell the desk something about an account or all of it, in the name of the key, and wait for the answer.

        Args:
            kind: the control's type: `SetLimits`, `Halt` …
            account: whose; None for an order's, whose `order_id` is in `more`, and for the whole desk.
            who: None: a gateway says it, by the key's name.
            reason: kept in the journal.
            control_id: makes it safe to send again.
            timeout_s: how long to wait.
            more: the control's own fields: `limits={"max_order_value": "5000"}`.

        Raises:
            ValueError: a value that the desk would not take; one sentence a field.
            NoAnswer: nothing was heard in time. The control is in the stream all the same, or was not taken: send it
                again with the same control_id.
            GatewayError: the key may not; or nobody knows whether it was taken.
        """
        if who is not None:
            raise ValueError("who: a gateway says it, by the key's name")
        control_id = control_id or str(uuid.uuid4())
        if account is not None:
            more["account"] = account
        # None is a value here: a limit that is lifted.
        body = {**{name: each for name, each in more.items() if each is not None}, "type": kind, "reason": reason}
        wait_s = min(LONGEST_WAIT_S, max(1, math.ceil(timeout_s)))
        headers = {"Prefer": f"wait={wait_s:.0f}", "Idempotency-Key": control_id}
        try:
            told = self.wire.send(
                "/v1/controls", texts(body), f"control {control_id}", timeout_s, headers=headers, timeout_s=wait_s + 10
            )
        except GatewayError as error:
            if error.reason == "outcome_unknown" and "control_id" in error.problem:
                text = f"nothing was heard of control {control_id} in {timeout_s:g} s; `fillstream status` tells why"
                raise NoAnswer(text) from None
            if error.status != 422:
                raise
            if "events" not in error.problem:
                raise ValueError("\n".join(error.sentences)) from None
            told = {**error.problem, "refusal": error.reason, "text": error.text}
        return Answer(control_id, told["refusal"], told["text"], told["events"])

    def halt(self, account: str | None = None, *, reason: str, **more: Any) -> Answer:
        """Take nothing new, and cancel all that works, of an account or the whole desk; see `control`."""
        return self.control("Halt", account, reason=reason, **more)

    def reduce(self, account: str | None = None, *, reason: str, **more: Any) -> Answer:
        """Take only orders that reduce what is held, of an account or the whole desk; see `control`."""
        return self.control("Reduce", account, reason=reason, **more)

    def set_limits(self, account: str, limits: Mapping[str, Any], *, reason: str, **more: Any) -> Answer:
        """Override limits of an account until they are reset; see `control`."""
        return self.control("SetLimits", account, reason=reason, limits=dict(limits), **more)

    def approve(self, order_id: str | int, *, reason: str, **more: Any) -> Answer:
        """Let an order go that waits for a person: as it is, or of a smaller `quantity`, a less keen `price`."""
        return self.control("Approve", None, reason=reason, order_id=str(order_id), **more)

    def refuse(self, order_id: str | int, *, reason: str, **more: Any) -> Answer:
        """Cancel an order that waits for a person; see `control`."""
        return self.control("Refuse", None, reason=reason, order_id=str(order_id), **more)

    # --------------------------------------------------------------------------------------------- how it stands

    def order(self, order_id: str | int) -> dict[str, Any]:
        """Return an order as it stands, by its number or as `client:ACCOUNT:CLIENT_ORDER_ID`; numbers are text.

        Raises:
            GatewayError: there is none, or as `Wire.json`.
        """
        return self._row(f"/v1/orders/{_safe(order_id)}", "order")

    def accounts(self) -> list[dict[str, Any]]:
        """Return every account with its terms and its trading state; numbers are text."""
        return self._rows("/v1/accounts", "accounts")

    def limits(self, account: str = "default") -> dict[str, Any]:
        """Return the limits of an account that count, by name; numbers are text."""
        return dict(self._row(f"/v1/accounts/{_safe(account)}", "account")["limits"])

    def approvals(self) -> list[dict[str, Any]]:
        """Return the orders that wait for a person; numbers are text."""
        return self._rows("/v1/approvals", "approvals")

    def breakers(self) -> list[dict[str, Any]]:
        """Return the circuit breakers that ever opened."""
        return self._rows("/v1/breakers", "breakers")

    def quotes(self, symbol: str | None = None, venue: str | None = None) -> list[MarketState]:
        """Return markets as the desk saw them last, of all instruments and venues or of some."""
        from fillstream.client.rows import MarketState  # noqa: PLC0415 - only who asks waits for the models

        asked = {name: value for name, value in (("symbol", symbol), ("venue", venue)) if value is not None}
        rows = self._rows("/v1/quotes", "quotes", asked)
        return [MarketState.model_validate({**_QUOTE, **row, "time_ms": row["updated_time"]}) for row in rows]

    def depth(self, symbol: str, venue: str = "SIM") -> dict[str, Any]:
        """Return the best levels of a book as it showed them last; numbers are text."""
        return self._row(f"/v1/depth/{_safe(symbol)}", "depth", {"venue": venue})

    def stages(self) -> list[dict[str, Any]]:
        """Return every stage: its state, how far behind it is, who keeps its streams from being trimmed."""
        return self._rows("/v1/stages", "stages")

    def redrive(self, letter_id: str, changes: Mapping[str, str] | None = None, *, again: bool = False) -> str:
        """Append a dead letter's entry again, mark the letter, and return the new entry's id.

        Args:
            letter_id: of the letter.
            changes: fields to set.
            again: even if it was before.

        Raises:
            GatewayError: `unknown_letter`, `cannot_redrive`; or whether it was done is not known: it is not sent again
                by itself, and `fillstream dead` tells.
        """
        body = {"set": dict(changes or {}), "again": again}
        return str(self.wire.json("POST", f"/v1/dead/{_safe(letter_id)}/redrive", json=body)["redriven_as"])

    def _row(self, path: str, name: str, params: Mapping[str, str] | None = None) -> dict[str, Any]:
        return dict(self.wire.json("GET", path, params=params)[name])

    def _rows(self, path: str, name: str, params: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
        return [*self.wire.json("GET", path, params=params)[name]]


_QUOTE: Final = {"bid_px": None, "bid_qty": "0", "ask_px": None, "ask_qty": "0", "last_px": None}


def _plain(word: Any) -> Any:
    return word.decode() if isinstance(word, bytes) else word


def _safe(name: str | int) -> str:
    """Return a name as one part of a path."""
    return quote(str(name), safe=":")
