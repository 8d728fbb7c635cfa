"""Rules about all that an account is exposed to, in its own currency: what it may hold, lose and pay for."""

from __future__ import annotations

from fillstream.libs.common.messages.codes import AccountType, RejectReason
from fillstream.libs.common.values.money import canonical
from fillstream.services.order_service.orders.holding.holdings import money, needs_sums
from fillstream.services.order_service.orders.holding.valuation import (
    StrategySums,
    Sums,
    added,
    covered,
    fits,
    remember,
    strategy_sums_of,
    sums_of,
)
from fillstream.services.order_service.orders.rules.permission import reduces
from fillstream.services.order_service.orders.rules.rule import Draft, View, rule


def _sums(draft: Draft, view: View) -> Sums:
    """Return the sums with the order, counted once for all rules that look at them."""
    sums = draft.sums
    if sums is None:
        sums = draft.sums = sums_of(draft, view.holdings)
    return sums


def _holds(draft: Draft, view: View) -> str | None:
    """Say None where all rules below hold; they are looked at only where the last count leaves a doubt."""
    limits = draft.limits
    if fits(draft, view.holdings):
        return None
    checks = limits.checks.get(_HELD)
    if checks is None:
        checks = limits.checks[_HELD] = tuple(each.check for each in NEW if each.screen is _holds and each.when(limits))
    for check in checks:
        if check(draft, view) is not None:
            return _HELD
    remember(draft, _sums(draft, view), view.holdings)
    return None


_HELD = "exposure"


@rule(
    RejectReason.NO_FX_RATE,
    limit="instruments.SYMBOL.base_currency",
    when=lambda limits: needs_sums(limits.account),
    screen=_holds,
    example={"account": "gross", "symbol": "BTCUSDT", "quantity": "0.001", "price": "59000.0"},
)
def has_fx_rate(draft: Draft, view: View) -> str | None:
    """An instrument in another currency than its account's has a fresh rate, where a limit is in the account's."""
    missing = _sums(draft, view).missing
    if missing is None or reduces(draft):
        return None
    currency = draft.limits.account.currency
    return (
        f"symbol: account {draft.account} is in {currency}, and no instrument with a fresh quote tells what "
        f"1 {missing} is worth in {currency}"
    )


@rule(
    RejectReason.MAX_SYMBOL_EXPOSURE,
    limit="accounts.NAME.max_symbol_exposure",
    when=lambda limits: limits.account.max_symbol_exposure is not None,
    screen=_holds,
    example={"account": "symbol", "price": "185.00", "quantity": "11"},
)
def max_symbol_exposure(draft: Draft, view: View) -> str | None:
    """What is held of an instrument at its mark, with all working orders of one side, is within max_symbol_exposure."""
    sums = _sums(draft, view)
    return _within(draft, sums, "max_symbol_exposure", sums.symbol, f"in {draft.terms.symbol}")


@rule(
    RejectReason.MAX_SECTOR_EXPOSURE,
    limit="accounts.NAME.max_sector_exposure",
    when=lambda limits: limits.account.max_sector_exposure is not None and limits.holding.instrument.sector is not None,
    screen=_holds,
    example={"account": "sector", "price": "185.00", "quantity": "11"},
)
def max_sector_exposure(draft: Draft, view: View) -> str | None:
    """The same over all instruments of its sector, longs and shorts added, is within max_sector_exposure."""
    sums = _sums(draft, view)
    return _within(draft, sums, "max_sector_exposure", sums.sector, f"in {draft.limits.holding.instrument.sector}")


@rule(
    RejectReason.MAX_GROSS_EXPOSURE,
    limit="accounts.NAME.max_gross_exposure",
    when=lambda limits: limits.account.max_gross_exposure is not None,
    screen=_holds,
    example={"account": "gross", "price": "185.00", "quantity": "11"},
)
def max_gross_exposure(draft: Draft, view: View) -> str | None:
    """The same over all instruments, longs and shorts added, is within max_gross_exposure."""
    sums = _sums(draft, view)
    return _within(draft, sums, "max_gross_exposure", sums.gross, "in all")


def _within(draft: Draft, sums: Sums, name: str, value: int, where: str) -> str | None:
    if not sums.worse or sums.missing is not None or value <= draft.limits.bounds[name] or _closes(draft):
        return None
    return f"quantity: {draft.quantity} could make the exposure {where} {_money(value, draft)}; {_limit(name, draft)}"


@rule(
    RejectReason.MAX_NET_EXPOSURE,
    limit="accounts.NAME.max_net_exposure",
    when=lambda limits: limits.account.max_net_exposure is not None,
    screen=_holds,
    example={"account": "net", "price": "185.00", "quantity": "11"},
)
def max_net_exposure(draft: Draft, view: View) -> str | None:
    """Shorts taken off longs, with all working orders of one side, it is within max_net_exposure, long or short."""
    sums = _sums(draft, view)
    after = sums.longest if draft.buy else -sums.shortest
    before = sums.net_before if draft.buy else -sums.net_before
    if after <= draft.limits.bounds["max_net_exposure"] or after <= before or sums.missing is not None:
        return None
    if _closes(draft):
        return None
    way = "long" if draft.buy else "short"
    return (
        f"quantity: {draft.quantity} could make the net exposure {_money(after, draft)} {way}; "
        f"{_limit('max_net_exposure', draft)}"
    )


def _of_strategy(draft: Draft, view: View) -> StrategySums:
    """Return the sums of the order's strategy with it, counted once for both rules that look at them."""
    sums = draft.strategy_sums
    if sums is None:
        sums = draft.strategy_sums = strategy_sums_of(draft, view.holdings)
    return sums


@rule(
    RejectReason.MAX_STRATEGY_GROSS_EXPOSURE,
    limit="accounts.NAME.max_strategy_gross_exposure",
    when=lambda limits: limits.account.max_strategy_gross_exposure is not None,
    example={"account": "gross_strategy", "price": "185.00", "quantity": "11", "strategy": "momentum"},
)
def max_strategy_gross_exposure(draft: Draft, view: View) -> str | None:
    """Longs and shorts of the order's strategy added, working orders counted, max_strategy_gross_exposure holds."""
    if draft.strategy is None:
        return None
    sums = _of_strategy(draft, view)
    if (
        _closes(draft)
        or not sums.worse
        or (sums.missing is None and sums.gross <= draft.limits.bounds["max_strategy_gross_exposure"])
    ):
        return None
    return _strategys(draft, sums, "max_strategy_gross_exposure", sums.gross, "exposure")


@rule(
    RejectReason.MAX_STRATEGY_NET_EXPOSURE,
    limit="accounts.NAME.max_strategy_net_exposure",
    when=lambda limits: limits.account.max_strategy_net_exposure is not None,
    example={"account": "net_strategy", "price": "185.00", "quantity": "11", "strategy": "momentum"},
)
def max_strategy_net_exposure(draft: Draft, view: View) -> str | None:
    """Shorts of the order's strategy taken off its longs, it is within max_strategy_net_exposure, long or short."""
    if draft.strategy is None:
        return None
    sums = _of_strategy(draft, view)
    after = sums.longest if draft.buy else -sums.shortest
    if (
        _closes(draft)
        or not sums.adds
        or (sums.missing is None and after <= draft.limits.bounds["max_strategy_net_exposure"])
    ):
        return None
    return _strategys(draft, sums, "max_strategy_net_exposure", after, "net exposure")


def _strategys(draft: Draft, sums: StrategySums, name: str, value: int, what: str) -> str:
    if sums.missing is not None:
        currency = draft.limits.account.currency
        return (
            f"strategy: what {draft.strategy} is exposed to is not known, as nothing tells what 1 {sums.missing} is "
            f"worth in {currency}; {_limit(name, draft)}"
        )
    return (
        f"quantity: {draft.quantity} could make the {what} of strategy {draft.strategy} {_money(value, draft)}; "
        f"{_limit(name, draft)}"
    )


@rule(
    RejectReason.MAX_DAILY_LOSS,
    limit="accounts.NAME.max_daily_loss",
    when=lambda limits: limits.account.max_daily_loss is not None,
    screen=_holds,
    example={"account": "losing", "price": "185.00"},
)
def max_daily_loss(draft: Draft, view: View) -> str | None:
    """Once an account has lost max_daily_loss in its day, by today's marks, its orders only reduce what is held."""
    sums = _sums(draft, view)
    if -sums.today < draft.limits.bounds["max_daily_loss"] or sums.missing is not None or reduces(draft):
        return None
    return f"account: {draft.account} lost {_money(-sums.today, draft)} today; {_limit('max_daily_loss', draft)}"


@rule(
    RejectReason.BUYING_POWER,
    limit="accounts.NAME.account_type",
    when=lambda limits: limits.account.account_type is not AccountType.NONE,
    screen=_holds,
    example={"account": "cash", "price": "185.00"},
)
def buying_power(draft: Draft, view: View) -> str | None:
    """A cash account has the cash and the holdings for all that works, a margin account the equity for its margin."""
    sums = _sums(draft, view)
    if sums.missing is not None:
        return None
    if draft.limits.account.account_type is AccountType.MARGIN:
        return _margin(draft, sums)
    if draft.terms.inverse is not None:
        if reduces(draft):
            return None
        return (
            f"symbol: {draft.terms.symbol} is an inverse contract, of which nothing is paid and owned; cash account "
            f"{draft.account} takes none"
        )
    if not draft.buy:
        more, holding = added(draft), draft.limits.holding
        if not more or covered(holding, more):
            return None
        held, sold = draft.terms.lot.text(holding.quantity), draft.terms.lot.text(holding.sells)
        return (
            f"quantity: {draft.quantity} is more than cash account {draft.account} holds, {held}, less what its orders "
            f"sell already, {sold}"
        )
    if sums.free >= 0 or not sums.spends:
        return None
    return (
        f"quantity: {draft.quantity} lacks {_money(-sums.free, draft)}: with all its working purchases, cash account "
        f"{draft.account} could spend more than it has"
    )


def _margin(draft: Draft, sums: Sums) -> str | None:
    account = draft.limits.account
    share = account.initial_margin
    numerator, denominator = share.as_integer_ratio()
    if not sums.worse or sums.gross * numerator <= sums.equity * denominator or _closes(draft):
        return None
    needed = -(-sums.gross * numerator // denominator)
    return (
        f"quantity: {draft.quantity} could need a margin of {_money(needed, draft)} ({canonical(share)} of an exposure "
        f"of {_money(sums.gross, draft)}), the equity of {draft.account} is {_money(sums.equity, draft)}"
    )


def _closes(draft: Draft) -> bool:
    """Say whether it closes one of several positions: an account that hedges may, whatever the others leave it with."""
    return draft.limits.holding.hedged is not None and reduces(draft)


def _money(units: int, draft: Draft) -> str:
    return f"{canonical(money(units))} {draft.limits.account.currency}"


def _limit(name: str, draft: Draft) -> str:
    return f"{name} is {canonical(getattr(draft.limits.account, name))}"


NEW = AMEND = (
    has_fx_rate,
    max_symbol_exposure,
    max_sector_exposure,
    max_gross_exposure,
    max_net_exposure,
    max_strategy_gross_exposure,
    max_strategy_net_exposure,
    max_daily_loss,
    buying_power,
)
