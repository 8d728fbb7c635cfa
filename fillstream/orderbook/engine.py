"""Order books for people, of many symbols: symbols by name, sides as words, callbacks, snapshots, from any thread.

Flows in: orders, cancels and the venue's own commands as plain calls. Flows out: what became of each, as small named
tuples (`outcomes.py`); trades, order updates and market data to callbacks. The matching is the C engine's
(`libs.common.engine.core`); its rules are in `native/include/fillstream.h`. Prices are integers in ticks,
quantities integers in lots; nothing here knows decimals, streams or the desk.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from threading import RLock
from typing import Final, NamedTuple, Never, TypeVar

from fillstream.libs.common.engine import frames
from fillstream.libs.common.engine.core import DEFAULT_MAX_ORDERS, MAX_ORDERS, CoreEngine, Last, Level, Resting, Walk
from fillstream.libs.common.engine.frames import (
    MAX_PRICE,
    MAX_QTY,
    OrderFlag,
    OrdType,
    Reason,
    ReplaceFlag,
    Report,
    ReportType,
    Session,
    Side,
    Stp,
    Tif,
)
from fillstream.libs.common.values.checks import callback, integer, member, shown, text
from fillstream.orderbook import registry
from fillstream.orderbook.notices import Notices
from fillstream.orderbook.outcomes import (
    REASONS,
    UNLIMITED,
    CommandResult,
    Indicative,
    MarketData,
    Named,
    OpenOrder,
    OrderResult,
    OrderUpdate,
    Status,
    TradeReport,
    open_order,
    order_update,
    status_of,
    trade_report,
)
from fillstream.orderbook.registry import Names, new_client_id
from fillstream.orderbook.terms import MAX_ACCOUNT, MAX_TIME_MS, NO_FLAG, STOPPED, check_price, check_terms, plain_side

ACCOUNT: Final = 1
"""The account of an order that names none."""
LEVELS: Final = 10
"""How many levels and orders a question gets that does not say."""
_REFUSALS: Final = frozenset(map(int, (ReportType.REJECTED, ReportType.CANCEL_REJECTED, ReportType.REPLACE_REJECTED)))
_STILL_LIVE: Final = frozenset({int(ReportType.CANCEL_REJECTED), int(ReportType.REPLACE_REJECTED)})
_FILLED, _MASS_CANCELED = int(ReportType.FILLED), int(ReportType.MASS_CANCELED)
_QUOTED: Final = int(ReportType.QUOTED)
_ACCEPTED, _CANCELED = int(ReportType.ACCEPTED), int(ReportType.CANCELED)
_GTC, _NO_STP, _LIMIT = Tif.GTC, Stp.NONE, OrdType.LIMIT

_T = TypeVar("_T")
OnTrade = Callable[[TradeReport], object]
OnUpdate = Callable[[OrderUpdate], object]
OnMarket = Callable[[MarketData], object]


class _Read(NamedTuple):
    """The answers to one command, in people's terms; `own` are those about its own order.

    Of a command that has one, the result has no updates unless somebody is told of them.
    """

    result: CommandResult
    own: list[Report]


class Engine:
    """Books of many symbols.

    Args:
        max_orders: how many orders may be live at a time (1 to 2^30).
        depth: levels of each side in a snapshot of the market.
        on_trade_confirmation: called with a `TradeReport` for each order that trades, the maker's before the taker's.
        on_order_update: called with an `OrderUpdate` for all else that happens to an order.
        on_market_data_update: called with the `MarketData` of each symbol that a command changed, after the others.

    Names. `symbol` is a text that is not empty. `client_id` is the caller's name for an order, a text of up to 1000
    characters or an int of up to 128 bits, unique among live ones and free again when the order is done; `broker_id`
    is the engine's number for it. A question about a symbol never seen is answered as of an empty book. Codes (`side`,
    `tif`, `ord_type`, `stp`, `session`) are members of their enumerations or their names as text.

    Numbers are integers, numpy's too: prices in ticks (-2^62 < price < 2^62; 0 and negative ones are prices like
    others), quantities in lots (1 to 10^15), times in ms since 1970 UTC. What is no integer is a TypeError (floats,
    Decimals and bools are none), and what is wrong in itself a ValueError; both name field, value and limit, and
    change nothing. What the state of the book forbids comes back as `Status.REJECTED`, or as a `CommandResult`
    that is not `done`, with a `Reason`.

    Threads. Any thread may call: a lock makes one call wait for the other. Callbacks run in the thread of the command
    they tell of, under the lock, and may call in; one that waits for another thread's call waits for ever.

    Callbacks are called after the command, in the order of what they tell. What a callback's own command tells comes
    behind what is still to be told, so every callback hears every event in order; results and market data are of
    their command's own moment, even when they are told later. When a callback raises, the others are still called;
    then the first error is raised from the outermost call. The command has been executed then: the error's notes have
    its result, and the errors of other callbacks.

    An engine cannot be copied or pickled; `snapshot` and `restore` carry it elsewhere. For commands as records, for
    arrays and for speed there is `fillstream.CoreEngine`, which has none of this.
    """

    def __init__(
        self,
        max_orders: int = DEFAULT_MAX_ORDERS,
        *,
        depth: int = LEVELS,
        on_trade_confirmation: OnTrade | None = None,
        on_order_update: OnUpdate | None = None,
        on_market_data_update: OnMarket | None = None,
    ) -> None:
        self._lock = RLock()
        self._max_orders = integer("max_orders", max_orders, 1, MAX_ORDERS)
        self._core = CoreEngine(self._max_orders)
        self._names = Names()
        self._notices = Notices()
        self._levels = integer("depth", depth, 1, MAX_ORDERS)
        self.on_trade_confirmation = on_trade_confirmation
        self.on_order_update = on_order_update
        self.on_market_data_update = on_market_data_update

    def __repr__(self) -> str:
        with self._lock:
            live, symbols = len(self._names.live), len(self._names.symbols)
        return f"<fillstream.Engine: {live} live orders of at most {self._max_orders}, {symbols} symbols>"

    def __reduce_ex__(self, protocol: object) -> Never:
        raise TypeError("An Engine cannot be copied or pickled: snapshot() gives its state, restore() takes it.")

    @property
    def on_trade_confirmation(self) -> OnTrade | None:
        """What is called with each `TradeReport`; may be set at any time."""
        return self._on_trade

    @on_trade_confirmation.setter
    def on_trade_confirmation(self, call: OnTrade | None) -> None:
        self._on_trade = callback("on_trade_confirmation", call)

    @property
    def on_order_update(self) -> OnUpdate | None:
        """What is called with each `OrderUpdate`; may be set at any time."""
        return self._on_update

    @on_order_update.setter
    def on_order_update(self, call: OnUpdate | None) -> None:
        self._on_update = callback("on_order_update", call)

    @property
    def on_market_data_update(self) -> OnMarket | None:
        """What is called with the `MarketData` of each symbol changed; may be set at any time."""
        return self._on_market

    @on_market_data_update.setter
    def on_market_data_update(self, call: OnMarket | None) -> None:
        self._on_market = callback("on_market_data_update", call)

    # ----------------------------------------------------------------------------------------------- orders

    def submit_order(
        self,
        symbol: str,
        side: Side | str,
        price: int | None,
        qty: int,
        client_id: str | int,
        *,
        account: int = ACCOUNT,
        ord_type: OrdType | str | None = None,
        tif: Tif | str = Tif.GTC,
        stop_price: int | None = None,
        display: int | None = None,
        offset: int | None = None,
        flags: OrderFlag = NO_FLAG,
        stp: Stp | str = Stp.NONE,
        expiry_ms: int | None = None,
    ) -> OrderResult:
        """Put in an order.

        Without `ord_type` the prices say what it is: `price` alone a LIMIT order, no price a MARKET order;
        `stop_price` (ticks) a STOP or, with `price`, a STOP_LIMIT order; `offset` (ticks, or 1 to 9999 basis points
        with `OrderFlag.OFFSET_BPS`) a TRAILING_STOP. A price that the type does not take, or one that it lacks, is a
        ValueError, and so are flags and a `display` that do not fit it.

        `display` (lots) makes an iceberg, which shows so much at a time. `account` (1 to 2^32-1) is whose it is, and
        `stp` what happens instead of a trade with an order of the same account. `expiry_ms` (ms since 1970 UTC) is
        when `set_time` lets it expire, whatever the `tif`: a GTD order needs one, and a DAY order without one never
        expires, since the engine knows no calendar.

        Raises ValueError for a `client_id` that a live order has, and for more than 65536 symbols.
        """
        lasting = tif is _GTC or (isinstance(tif, str) and tif == "GTC")
        no_more = ord_type is stop_price is display is offset is expiry_ms is None
        usual = lasting and flags is NO_FLAG and stp is _NO_STP and no_more
        plain, terms = plain_side(side, price, qty) if usual else 0, None
        if not plain:
            terms = check_terms(side, price, qty, ord_type, tif, stop_price, display, offset, flags, stp, expiry_ms)
        owner = account if account is ACCOUNT else integer("account", account, 1, MAX_ACCOUNT)
        name = new_client_id(client_id)
        with self._lock:
            names = self._names
            if name in names.broker_ids:
                raise ValueError(f"client_id is {shown(name)}, and a live order has it; it must be new.")
            number, broker_id = names.number_for(symbol), names.next_id
            names.next_id += 1
            names.enter(broker_id, Named(name, owner, symbol, terms.ord_type if terms else _LIMIT))
            if terms:
                command = frames.new_order(broker_id, owner, number, 0, **terms._asdict())
                return self._answer_own(self._core.process(command, names.time_ms), broker_id, symbol)
            assert price is not None, "plain_side looked"
            count = self._core.submit(broker_id, owner, number, plain, price, qty)
            if count == 1 and self._quiet and self._core.first.type == _ACCEPTED:
                names.keep(symbol)
                return self._tell(OrderResult(name, broker_id, Status.WORKING, 0, qty, Reason.NONE, ()))
            return self._answer_own(self._core.answers(count), broker_id, symbol)

    def cancel_order(self, client_id: str | int | None = None, *, broker_id: int | None = None) -> OrderResult:
        """Cancel by the caller's name or the engine's number, one of them.

        Raises KeyError when no live order has it.
        """
        with self._lock:
            number = self._names.find(client_id, broker_id)
            order = self._names.live[number]
            count = self._core.cancel(number, order.account)
            if count == 1 and self._quiet and self._core.first.type == _CANCELED:
                self._names.forget(number)
                return self._tell(OrderResult(order.client_id, number, Status.CANCELED, 0, 0, Reason.REQUESTED, ()))
            return self._answer_own(self._core.answers(count), number, order.symbol)

    def replace_order(
        self,
        client_id: str | int | None = None,
        price: int | None = None,
        qty: int | None = None,
        *,
        stop_price: int | None = None,
        open_qty: bool = False,
        broker_id: int | None = None,
    ) -> OrderResult:
        """Change an order's price, quantity or stop price; what is None stays.

        `qty` is the new total, of which what has been filled is part: a total of no more than that cancels the order.
        With `open_qty` it is what shall be open. Less quantity at the same price keeps the place in the queue, all
        else loses it. A new `stop_price` is for STOP and STOP_LIMIT orders that still wait.

        Raises KeyError when no live order has the name, ValueError for a price that the order's type does not take.
        """
        price, stop_price = check_price("price", price), check_price("stop_price", stop_price)
        if price is qty is stop_price is None:
            raise ValueError("price, qty and stop_price are None, and one of them must be given.")
        with self._lock:
            number = self._names.find(client_id, broker_id)
            order, resting = self._names.live[number], self._resting(number)
            _check_taken("price", price, order, order.ord_type not in UNLIMITED)
            _check_taken("stop_price", stop_price, order, order.ord_type in STOPPED)
            flags = ReplaceFlag(0) if stop_price is None else ReplaceFlag.NEW_STOP
            command = frames.replace(
                number, order.account, resting.symbol, 0,
                price=resting.price if price is None else price,
                qty=resting.leaves if qty is None else integer("qty", qty, 1, MAX_QTY),
                flags=flags | (ReplaceFlag.OPEN_QTY if open_qty or qty is None else 0),
                stop_price=0 if stop_price is None else stop_price,
            )  # fmt: skip
            return self._answer_own(self._core.process(command, self._names.time_ms), number, order.symbol)

    def mass_cancel(
        self, account: int | None = None, symbol: str | None = None, side: Side | str | None = None
    ) -> CommandResult:
        """Cancel all orders of an account, a symbol and a side, waiting ones too; None stands for every one."""
        owner = 0 if account is None else integer("account", account, 1, MAX_ACCOUNT)
        which = 0 if side is None else member("side", side, Side)
        with self._lock:
            number = None if symbol is None else self._known(symbol)
            if symbol is not None and number is None:
                return CommandResult(Reason.NONE, (), ())
            return self._execute(frames.mass_cancel(owner, number, which))

    # ------------------------------------------------------------------------------------ the venue's commands

    def quote(
        self, symbol: str, bid: int | None = None, bid_qty: int = 0, ask: int | None = None, ask_qty: int = 0
    ) -> CommandResult:
        """Put the house's quote in place of its former one; a side is a price and a quantity, or None and 0.

        A locked quote (the bid is the ask) rests on both sides, and never trades with itself. A crossed one (the bid
        is above the ask), or a locked one in an auction, withdraws the former and has no effect else: the market has
        left what it was. The result's `reason` is CROSSED then.
        """
        sides = [_quoted("bid", bid, bid_qty), _quoted("ask", ask, ask_qty)]
        with self._lock:
            return self._execute(frames.quote(self._names.number_for(symbol), *sides[0], *sides[1]), symbol)

    def print_trade(self, symbol: str, side: Side | str, price: int, qty: int) -> CommandResult:
        """Take note of a trade on the real market; `side` is the aggressor's.

        It takes from orders at `price` or better, never from the house's quote, and nothing of it rests.
        """
        terms = (member("side", side, Side), integer("price", price, -MAX_PRICE, MAX_PRICE))
        lots = integer("qty", qty, 1, MAX_QTY)
        with self._lock:
            return self._execute(frames.print_trade(self._names.number_for(symbol), *terms, lots), symbol)

    def set_session(self, symbol: str, session: Session | str, reference: int | None = None) -> CommandResult:
        """Go to AUCTION (orders collect), HALTED (cancels only) or CONTINUOUS, which uncrosses what has collected.

        `reference` (ticks, of an AUCTION alone) is the price that its uncross prefers among those that trade as much;
        None is 0.
        """
        state = member("session", session, Session)
        price = check_price("reference", reference)
        if price is not None and state is not Session.AUCTION:
            raise ValueError(f"reference is {price}, and the session {state.name} takes none.")
        with self._lock:
            number = self._names.number_for(symbol)
            return self._execute(frames.session(number, state, 0 if price is None else price), symbol)

    def set_bands(self, symbol: str, low: int, high: int) -> CommandResult:
        """Let a symbol's limit prices be in `low` to `high` (ticks) alone; others are rejected. Live orders stay."""
        lowest = integer("low", low, -MAX_PRICE, MAX_PRICE)
        highest = integer("high", high, -MAX_PRICE, MAX_PRICE)
        if lowest > highest:
            raise ValueError(f"low is {lowest}, and must not be above high, {highest}.")
        with self._lock:
            return self._execute(frames.bands(self._names.number_for(symbol), lowest, highest), symbol)

    def clear_bands(self, symbol: str) -> CommandResult:
        """Let a symbol's limit prices be any."""
        with self._lock:
            return self._execute(frames.bands(self._names.number_for(symbol)), symbol)

    def set_time(self, now_ms: int) -> CommandResult:
        """Let time pass (ms since 1970 UTC, below 2^64): orders that are due expire. An earlier time is none."""
        now = integer("now_ms", now_ms, 0, MAX_TIME_MS)
        with self._lock:
            self._names.time_ms = max(self._names.time_ms, now)
            return self._execute(b"")

    # -------------------------------------------------------------------------------------------- questions

    def get_market_data_snapshot(self, symbol: str) -> MarketData:
        """Return a symbol's levels, last trade and volume."""
        with self._lock:
            number = self._known(symbol)
            if number is None:
                return MarketData(symbol, (), (), None, None, 0)
            bids, asks = (tuple(self._core.depth(number, side, self._levels)) for side in (Side.BUY, Side.SELL))
            last = self._core.last(number)
            if last is None:
                return MarketData(symbol, bids, asks, None, None, 0)
            return MarketData(symbol, bids, asks, last.price, last.qty, last.volume)

    def best(self, symbol: str) -> tuple[Level | None, Level | None]:
        """Return the best bid and the best ask, None where a side is empty."""
        with self._lock:
            number = self._known(symbol)
            return (None, None) if number is None else self._core.best(number)

    def depth(self, symbol: str, side: Side | str, levels: int = LEVELS) -> list[Level]:
        """Return up to `levels` levels (0 to 2^30) of one side, best first."""
        which, most = member("side", side, Side), integer("levels", levels, 0, MAX_ORDERS)
        with self._lock:
            number = self._known(symbol)
            return [] if number is None else self._core.depth(number, which, most)

    def queue(self, symbol: str, side: Side | str, orders: int = LEVELS, *, waiting: bool = False) -> list[OpenOrder]:
        """Return up to `orders` (0 to 2^30) of one side as they would trade; `waiting`: its stops, nearest first."""
        which, most = member("side", side, Side), integer("orders", orders, 0, MAX_ORDERS)
        with self._lock:
            number = self._known(symbol)
            queue = [] if number is None else self._core.queue(number, which, most, dormant=waiting)
            return [open_order(each, symbol, self._names.live.get(each.order_id)) for each in queue]

    def find(self, client_id: str | int | None = None, *, broker_id: int | None = None) -> OpenOrder:
        """Return a live order by the caller's name or the engine's number. Raises KeyError when there is none."""
        with self._lock:
            number = self._names.find(client_id, broker_id)
            order = self._names.live[number]
            return open_order(self._resting(number), order.symbol, order)

    def last(self, symbol: str) -> Last | None:
        """Return the newest trade or print and the totals, None before the first."""
        with self._lock:
            number = self._known(symbol)
            return None if number is None else self._core.last(number)

    def volume(self, symbol: str) -> int:
        """Return the lots traded in all, prints included."""
        last = self.last(symbol)
        return 0 if last is None else last.volume

    def vwap(self, symbol: str) -> Fraction | None:
        """Return the volume-weighted average price (ticks, exact), None before the first trade."""
        with self._lock:
            number = self._known(symbol)
            return None if number is None else self._core.vwap(number)

    def cost(self, symbol: str, side: Side | str, qty: int) -> Walk:
        """Return what a market order would trade now, nothing taken: lots, worst price, price x lots in all."""
        which, lots = member("side", side, Side), integer("qty", qty, 1, MAX_QTY)
        with self._lock:
            number = self._known(symbol)
            return Walk(0, 0, 0) if number is None else self._core.cost(number, which, lots)

    def cumulative(self, symbol: str, side: Side | str, price: int) -> int:
        """Return the lots shown on one side at `price` or better."""
        which, reach = member("side", side, Side), integer("price", price, -MAX_PRICE, MAX_PRICE)
        with self._lock:
            number = self._known(symbol)
            return 0 if number is None else self._core.cumulative(number, which, reach)

    def session(self, symbol: str) -> Session:
        """Return a symbol's session; CONTINUOUS until another was set."""
        with self._lock:
            number = self._known(symbol)
            return Session.CONTINUOUS if number is None else Session(self._core.session(number))

    def indicative(self, symbol: str) -> Indicative | None:
        """Return price and lots that an uncross would give now, None when nothing crosses."""
        with self._lock:
            number = self._known(symbol)
            found = None if number is None else Indicative(*self._core.indicative(number))
            return found if found is not None and found.qty else None

    def symbols(self) -> tuple[str, ...]:
        """Return the symbols that had a command that was not refused, oldest first."""
        with self._lock:
            return tuple(self._names.symbols)

    def orders(self) -> int:
        """Return the number of live orders, waiting ones too."""
        with self._lock:
            return self._core.orders()

    # ------------------------------------------------------------------------------------------------ whole

    def reserve(self, orders: int) -> None:
        """Make room for so many live orders (0 to 2^30) now. Raises MemoryError."""
        with self._lock:
            self._core.reserve(orders)

    def validate(self) -> None:
        """Check every invariant of the books and the names; raise AssertionError that names the broken one."""
        with self._lock:
            self._core.validate()
            assert registry.agree(self._names, self._core), "the names are not those of the live orders"

    def state_hash(self) -> int:
        """Return the 64-bit hash of the books: equal books, equal hashes. Names have no part in it."""
        with self._lock:
            return self._core.state_hash()

    def snapshot(self) -> bytes:
        """Return the whole state, names and clock included, callbacks not. Equal states give equal bytes."""
        with self._lock:
            return registry.pack(self._names, self._core.snapshot())

    def restore(self, snapshot: bytes | bytearray | memoryview) -> None:
        """Put a snapshot's state in place of this engine's, which goes on as the other would have.

        Callbacks stay, and are not called; so does `max_orders`. Raises ValueError for bytes that are no whole snapshot
        of a `fillstream.Engine`, MemoryError when memory runs out; this engine is as it was then.
        """
        with self._lock:
            self._names, self._core = registry.unpack(snapshot, self._max_orders)

    # ------------------------------------------------------------------------------------------------ inside

    def _known(self, symbol: str) -> int | None:
        return self._names.numbers.get(text("symbol", symbol))

    def _resting(self, broker_id: int) -> Resting:
        resting = self._core.find(broker_id)
        assert resting is not None, "a named order is live"
        return resting

    @property
    def _quiet(self) -> bool:
        """Whether nobody is told of what is no trade."""
        return self._on_update is None and self._on_market is None

    def _answer_own(self, answers: bytes, broker_id: int, symbol: str) -> OrderResult:
        """Return what a command about one named order did, and tell of it."""
        client_id = self._names.live[broker_id].client_id
        read = self._read(answers, symbol, broker_id)
        last, status = read.own[-1], status_of(read.own[-1])
        still = broker_id in self._names.live
        result = OrderResult(
            client_id=client_id,
            broker_id=broker_id,
            status=status,
            filled=sum(report.qty for report in read.own if report.type == _FILLED),
            leaves=self._resting(broker_id).leaves if still and status is Status.REJECTED else last.leaves,
            reason=REASONS[last.reason],
            trades=tuple(trade for trade in read.result.trades if trade.broker_id == broker_id),
        )
        return self._tell(result)

    def _execute(self, command: bytes, symbol: str | None = None) -> CommandResult:
        """Execute a command about no single order, and tell of it."""
        return self._tell(self._read(self._core.process(command, self._names.time_ms), symbol, 0).result)

    def _read(self, answers: bytes, symbol: str | None, broker_id: int) -> _Read:
        """Bring the names up to date with the answers to one command, and line up what is to be told."""
        trades: list[TradeReport] = []
        updates: list[OrderUpdate] = []
        own: list[Report] = []
        changed: dict[int, None] = {}
        reason, live = Reason.NONE, self._names.live
        for report in map(Report._make, frames.reports(answers)):
            if report.order_id == broker_id and broker_id:
                own.append(report)
            order = live.get(report.order_id)
            if report.type in _REFUSALS:
                reason = REASONS[report.reason]
            else:
                if report.type == _QUOTED:
                    reason = REASONS[report.reason]  # a crossed quote changes the book, too
                if report.type != _MASS_CANCELED:
                    changed[report.symbol] = None
                if order is not None and report.type == _FILLED:
                    trades.append(self._line_up(self._on_trade, trade_report(report, order)))
                elif order is not None and (self._on_update is not None or not broker_id):
                    updates.append(self._line_up(self._on_update, order_update(report, order)))
            if order is not None and not report.leaves and report.type not in _STILL_LIVE:
                self._names.forget(report.order_id)
        if symbol is not None and changed:
            self._names.keep(symbol)
        if self._on_market is not None:
            for number in changed:
                self._line_up(self._on_market, self.get_market_data_snapshot(self._names.symbols[number]))
        return _Read(CommandResult(reason, tuple(trades), tuple(updates)), own)

    def _line_up(self, call: Callable[[_T], object] | None, told: _T) -> _T:
        if call is not None:
            self._notices.add(call, told)
        return told

    def _tell(self, result: _T) -> _T:
        """Call the callbacks, unless one of them is what called; return the result."""
        try:
            self._notices.deliver()
        except Exception as error:
            error.add_note(f"The command has been executed; its result is {result!r}.")
            raise
        return result


def _check_taken(field: str, value: int | None, order: Named, takes: bool) -> None:
    if value is not None and not takes:
        name, kind = shown(order.client_id), order.ord_type.name
        raise ValueError(f"{field} is {shown(value)}, and order {name} of type {kind} takes none.")


def _quoted(side: str, price: int | None, qty: int) -> tuple[int, int]:
    """Return one side of a quote as the record has it."""
    if price is None:
        if integer(f"{side}_qty", qty, 0, MAX_QTY):
            raise ValueError(f"{side} is None, and {side}_qty {qty}: a side has both, or None and 0.")
        return 0, 0
    return integer(side, price, -MAX_PRICE, MAX_PRICE), integer(f"{side}_qty", qty, 1, MAX_QTY)
