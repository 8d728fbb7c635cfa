"""What a hook is: a key that other software posts alerts under, and how those become signals.

Flows in: what a person asked for; the part `hook` of a key's record. Flows out: `Hook`s, their part of the record; or a
sentence. Never reads an alert: `services/gateway/hooks` does. The account is the key's, which has exactly one.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Any, Final

from fillstream.libs.common.process.hook_templates import TIME, template_of
from fillstream.libs.common.values.checks import of_form
from fillstream.libs.common.values.money import MAX_DIGITS
from fillstream.libs.common.values.naming import NAME, shorten
from fillstream.libs.common.values.networks import Address, Network, is_within, network_of

KINDS: Final[Mapping[str, str]] = {
    "tradingview": "JSON by the names of TradingView's template, or flat text",
    "text": "flat text: buy AAPL 100",
    "template": "any JSON object, read by the hook's own template",
}
"""How alerts are written, by the word in the path."""
TRADINGVIEW: Final = "tradingview"
"""The word for the addresses that TradingView posts from."""
TRADINGVIEW_ADDRESSES: Final = ("52.89.214.238", "34.212.75.30", "54.218.53.128", "52.32.178.7")
"""As its help says (https://www.tradingview.com/support/solutions/43000529348/)."""
ALERT: Final[Mapping[str, str]] = {
    "symbol": "{{ticker}}",
    "exchange": "{{exchange}}",
    "side": "{{strategy.order.action}}",
    "quantity": "{{strategy.order.contracts}}",
    "position_size": "{{strategy.position_size}}",
    "market_position": "{{strategy.market_position}}",
    "price": "{{strategy.order.price}}",
    "order_id": "{{strategy.order.id}}",
    "comment": "{{strategy.order.comment}}",
    "interval": "{{interval}}",
    "time": "{{timenow}}",
}
"""What a person pastes into TradingView as an alert's message."""
TEXT: Final = "text"
MAX_AGE_S: Final = 86_400
MAX_SYMBOLS: Final = 500
MAX_SOURCES: Final = 100
MAX_TEMPLATE: Final = 8_192
"""Characters."""

_NAME: Final = re.compile(NAME)
_THEIRS: Final = re.compile(r"[\x21-\x7e]{1,64}")
"""What other software calls a symbol: `ES1!`, `BINANCE:BTCUSDT.P`."""
_QUANTITY: Final = re.compile(r"\d+(\.\d+)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Hook:
    """How alerts that are posted under a key become signals of its account.

    Attributes:
        kind: one of `KINDS`.
        strategy: that the signals are of; None: what an alert says, or none.
        symbols: what the sender calls a symbol, and what it is here, sorted; others are what they are called.
        quantity: of orders that name no size; a positive decimal number. None: they are refused.
        sources: from which it may be posted, sorted: addresses, networks, or the word `tradingview`; empty: from any.
        template: JSON; of the kind `template` alone, which needs one.
        max_age_s: how old an alert may be, by the time that it says (seconds); None: it may be of any age.

    Raises:
        ValueError: a field is not what it must be; names it.
    """

    kind: str
    strategy: str | None = None
    symbols: tuple[tuple[str, str], ...] = ()
    quantity: str | None = None
    sources: tuple[str, ...] = ()
    template: str | None = None
    max_age_s: int | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.kind, str) or self.kind not in KINDS:
            raise ValueError(f"kind: {shorten(self.kind)} must be {', '.join(KINDS)}")
        if self.strategy is not None:
            of_form("strategy", self.strategy, _NAME)
        for theirs, ours in self.symbols:
            of_form("symbols", theirs, _THEIRS)
            of_form("symbols", ours, _NAME)
        _sorted("symbols", [theirs for theirs, _ in self.symbols], MAX_SYMBOLS)
        if self.quantity is not None:
            of_form("quantity", self.quantity, _QUANTITY)
            if len(self.quantity) > MAX_DIGITS or not Decimal(self.quantity):
                raise ValueError(f"quantity: {shorten(self.quantity)} must be above 0, of at most {MAX_DIGITS} digits")
        _sorted("sources", self.sources, MAX_SOURCES)
        self.networks()
        if (self.template is not None) != (self.kind == "template"):
            raise ValueError(f"template: comes with the kind template, and only with it; this is {self.kind}")
        if self.template is not None and (not isinstance(self.template, str) or len(self.template) > MAX_TEMPLATE):
            raise ValueError(f"template: must be JSON of at most {MAX_TEMPLATE} characters")

        if self.max_age_s is not None:
            self._check_max_age()

    def _check_max_age(self) -> None:
        age = self.max_age_s
        if isinstance(age, bool) or not isinstance(age, int) or not 1 <= age <= MAX_AGE_S:
            raise ValueError(f"max_age: {shorten(age)} must be 1 to {MAX_AGE_S} seconds")
        if self.kind == TEXT:
            raise ValueError("max_age: goes by the time that an alert says, and one of the kind text says none")
        if self.template is not None and TIME not in template_of(self.template).members:
            raise ValueError('max_age: goes by the time that an alert says, and the template has no "time"')

    def networks(self) -> tuple[Network, ...]:
        """Return from where it may be posted; empty: from anywhere.

        Raises:
            ValueError: one of its sources is none.
        """
        found: list[Network] = []
        for source in self.sources:
            try:
                found += map(network_of, TRADINGVIEW_ADDRESSES if source == TRADINGVIEW else (source,))
            except ValueError as error:
                raise ValueError(f"sources: {error}; or the word {TRADINGVIEW}") from None
        return tuple(found)

    def lets_in(self, address: Address | None) -> bool:
        """Whether it may be posted from there; an address that is not known is none of a list."""
        return not self.sources or is_within(address, self.networks())

    def symbol_of(self, theirs: str, exchange: str | None = None) -> str:
        """Return what a symbol is here: by `EXCHANGE:SYMBOL` where the map has that, by `SYMBOL`, or as it is."""
        known = dict(self.symbols)
        return known.get(f"{exchange}:{theirs}", known.get(theirs, theirs))

    def dump(self) -> dict[str, Any]:
        """Return its part of the record: what is said of it, the rest left out."""
        told = {each.name: getattr(self, each.name) for each in fields(self)}
        return {name: value for name, value in told.items() if value not in (None, ())}

    @classmethod
    def load(cls, part: object) -> Hook:
        """Read what `dump` returned.

        Raises:
            ValueError: it is damaged, or a newer release wrote it.
        """
        if not isinstance(part, dict):
            raise ValueError(f"hook: {shorten(part)} must be an object")
        known = {each.name for each in fields(cls)}
        if unknown := next((name for name in part if name not in known), None):
            raise ValueError(f"hook: {shorten(unknown)} is no field that this release knows: a newer one wrote it")
        symbols, sources = part.get("symbols", []), part.get("sources", [])
        if not isinstance(symbols, list) or not all(isinstance(each, list) and len(each) == 2 for each in symbols):
            raise ValueError("hook: symbols must be a list of pairs")
        if not isinstance(sources, list):
            raise ValueError(f"hook: sources: {shorten(sources)} must be a list")
        try:
            return cls(**{"kind": None, **part, "symbols": tuple(map(tuple, symbols)), "sources": tuple(sources)})
        except ValueError as error:
            raise ValueError(f"hook: {error}") from None


def path_of(its: Hook, key_id: str, secret: str) -> str:
    """Return where alerts are posted to, behind the gateway's address: a secret."""
    return f"/hooks/{its.kind}/{key_id}.{secret}"


def hook(
    kind: str,
    *,
    strategy: str | None = None,
    symbols: Collection[str] = (),
    quantity: str | None = None,
    sources: Collection[str] = (),
    template: str | None = None,
    max_age_s: int | None = None,
) -> Hook:
    """Return a hook as a person says it.

    Args:
        kind, strategy, quantity, template, max_age_s: see `Hook`.
        symbols: `THEIRS=OURS` each.
        sources: in any order.

    Raises:
        ValueError: a field is not what it must be; names it.
    """
    pairs: dict[str, str] = {}
    for each in symbols:
        theirs, equals, ours = each.rpartition("=")
        if not equals or not theirs or pairs.setdefault(theirs, ours) != ours:
            raise ValueError(
                f"symbols: {shorten(each)} must be THEIRS=OURS, and each of theirs be one of ours: ES1!=ES"
            )
    return Hook(
        kind, strategy, tuple(sorted(pairs.items())), quantity, tuple(sorted(set(sources))), template, max_age_s
    )


def _sorted(name: str, values: Collection[Any], most: int) -> None:
    if len(values) > most:
        raise ValueError(f"{name}: {len(values)} of them, and there may be {most}")
    if not all(isinstance(each, str) for each in values) or list(values) != sorted(set(values)):
        raise ValueError(f"{name}: must be text, sorted, none of them twice")
