"""Everything the orders stage knows: configuration, orders, client ids, quotes, counts.

Flows in: a configuration, orders and their changes, the time of a tick. Flows out: look-ups. Never decides about an
order, never emits anything, never writes itself down: that is `snapshot`'s.

An order's record is an `Order` until `retention_ms` after it finished. Then, and for an order that validation refused
from the start, 40 bytes take its place until its client_order_id is `idempotency_ms` old: a working order is never
forgotten, no other one before its time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from decimal import Decimal

from fillstream.libs.common.messages.calendar import Calendars
from fillstream.libs.common.messages.reference import DAY_MS, AccountTerms, InstrumentTerms, VenueTerms
from fillstream.libs.common.messages.topology import ORDER_ID_COUNTER_BITS, SIM, Topology, order_id_of
from fillstream.libs.common.runtime.timers import Timers
from fillstream.libs.common.values.moments import LAST_MS
from fillstream.services.order_service.orders.compiled import Limits, Quote, Terms
from fillstream.services.order_service.orders.config import DeskConfig, day_end
from fillstream.services.order_service.orders.control.aliases import Aliases
from fillstream.services.order_service.orders.control.overrides import (
    Answered,
    Overrides,
    check_overrides,
    with_overrides,
)
from fillstream.services.order_service.orders.control.rule_switches import RuleSwitches
from fillstream.services.order_service.orders.control.standing import ACTIVE, HALTED, Standing, stricter
from fillstream.services.order_service.orders.control.tripping import Breaker
from fillstream.services.order_service.orders.fixed import check_fixed
from fillstream.services.order_service.orders.holding.charging import Traded
from fillstream.services.order_service.orders.holding.holdings import Holdings
from fillstream.services.order_service.orders.hours import Timetable, day_of
from fillstream.services.order_service.orders.life.awaited import Awaited
from fillstream.services.order_service.orders.life.order import (
    CANCELED,
    FILLED,
    FINAL,
    FOR_PRICE,
    FOR_TIME,
    REJECTED,
    Order,
)
from fillstream.services.order_service.orders.life.remembered import Remembered, RememberedOrders, Row
from fillstream.services.order_service.orders.markets.markets import Markets
from fillstream.services.order_service.orders.parents.families import Families
from fillstream.services.order_service.orders.parents.watching import Watching
from fillstream.services.order_service.orders.reconciling.run import Reconciling
from fillstream.services.order_service.orders.routing.routes import rules_for
from fillstream.services.order_service.orders.waiting.pacing import Pacing
from fillstream.services.order_service.orders.waiting.triggers import Triggers

MAX_REMEMBERED = 10_000_000
"""So many orders, working or remembered, may be as young as `idempotency_ms`; beyond, no new one is taken."""
LEFT, FORGOTTEN = "left the state", "was forgotten"
"""What became of an order that was given out, for a sentence."""
MAX_BUSTED = 100_000
"""So many ids of trades that were taken back are remembered beyond their orders; the oldest go first."""
QUOTES_EVERY_MS = 250
"""Quotes that moved are told this long after the first of them did."""
QUOTES, EXPIRY, RELEASE, SWEEP, DAY, MASS, STALE = "quotes", "expiry", "release", "sweep", "day", "mass", "stale"
APPROVAL, BREAKER, LOSS, RATE = "approval", "breaker", "loss", "rate"
WORK, BRACKET, SETTLE, FOLLOW = "work", "bracket", "settle", "follow "
"""An order's, a circuit breaker's by its number, an account's by its number, and another of an account's."""
"""What timers are for; `due` does it. Quotes, stale, sweep and mass are the stage's, with the id 0, a day has its
account's number; the others have an order's."""
TOUCH = "touch "
"""And the venue's name; the id is an instrument's number: a market has reached more orders than one entry lets go."""
MAX_SHARED = 4096
"""So many texts are looked for when an order comes that may have the same; beyond, all are forgotten at once."""


class State:
    """The state of one account partition.

    Attributes:
        seq: of the last event.
        counter: of the last order id given out.
        config: decisions use it; `configured` says that it came through the inbox.
        waiting: entries that came before the first configuration: id, field and value.
        venues: every one ever defined; SIM needs no definition.
        terms: of every instrument ever defined, by venue and symbol; `symbols` has the numbers' symbols.
        orders: those that have not left the state, by order id, in its order; `clients`: by account and client id.
        remembered: those that have, and those that validation refused.
        capacity: as many orders may be as young as they have to be remembered.
        finished: when orders ended, and which; those of one millisecond leave in the order of their ids, since a
            restored state does not know in which they ended.
        quotes: by venue and the instrument's number.
        overrides: what operators set of this partition's accounts, by account, whether the file has it now or not.
        controls: by control_id, in the order they came; see `controls`.
        aliases: where they point; what was switched stands, the rest follows from the configuration.
        rule_switches: which rules operators switched on or off.
        moved: venues and symbols whose quote changed since it was last told, in the order they first did.
        timers: what is to be done at a time; nothing of a plain order.
        awaited: what venues have not answered, where there is a timeout.
        triggers: orders that wait in the desk for a price; it follows from the orders, and is in no snapshot.
        statuses: orders that are in a working status now, and that ever reached a final one.
        rejects, cancel_rejects: by reason.
        fills: by liquidity.
        fills_refused: fills that a venue told and that changed nothing, by reason. In no snapshot: what is not believed
            is no part of the state.
        overfills: fills beyond an order's quantity, by venue; trade_changes: busts and corrections. In no snapshot,
            likewise: they are there for alarms, and the journal has them.
        busted: trades that were taken back, and the reports that did so, of orders that have left the state: venue and
            id, the oldest first. An order that has not left knows its own.
        ended_ms: how long orders took from their signals until they were done; see `Latencies`.
        numbered: of each book's last fill, by the stream of its commands: twice the trade's number, and 1 more of a
            taker. It only goes up.
        standing: what the desk may do; `standings` has those of accounts that are not ACTIVE.
        breakers: by scope, account and name, in the order they came to be; `breaker_count` were there so far.
        canceling: what of mass cancels is still to be sent, in its order; see `mass_cancels`.
        timetable: when instruments trade, by the calendars that came last.
        holdings: what every account of this partition holds, and what may come of what works.
        reconciling: comparisons with venues, and what was stated for others to compare.
        traded: what accounts traded at venues whose fees depend on it.
        markets: what is known of markets beyond their top, where an order needs it.
        pacing: orders that wait until their accounts' rates let them go, and when others went.
        families: orders that made others, and lists of orders that know each other.
        position_ids: by number, of orders of accounts that hedge that left the state, where it is not their own id.
        watching: those of them that are asked when a market moves; it follows from them.
    """

    def __init__(self, topology: Topology, partition: int) -> None:
        self._topology = topology
        self.partition = partition
        self.seq = 0
        self.counter = 0
        self.forgotten = 0
        self.remembered = RememberedOrders()
        self.position_ids: dict[int, str] = {}
        self.capacity = MAX_REMEMBERED
        self.configured = False
        self.waiting: list[tuple[str, bytes, bytes]] = []
        self.config = DeskConfig()
        self.instruments: dict[str, InstrumentTerms] = {}
        self.accounts: dict[str, AccountTerms] = {}
        self.venues: dict[str, VenueTerms] = {SIM: VenueTerms()}
        self.terms: dict[str, dict[str, Terms]] = {SIM: {}}
        self.symbols: dict[int, str] = {}
        self.orders: dict[int, Order] = {}
        self.clients: dict[str, dict[str, int]] = {}
        self.finished: deque[tuple[int, list[int]]] = deque()
        self.quotes: dict[str, dict[int, Quote]] = {SIM: {}}
        self.moved: dict[tuple[str, str], None] = {}
        self.timers = Timers()
        self.triggers = Triggers()
        self.awaited = Awaited(self)
        self.overrides: dict[str, Overrides] = {}
        self.controls: dict[str, Answered] = {}
        self.aliases = Aliases()
        self.rule_switches = RuleSwitches()
        self.daily: dict[str, tuple[int, int]] = {}
        self.statuses: dict[str, int] = {}
        self.rejects: dict[str, int] = {}
        self.cancel_rejects: dict[str, int] = {}
        self.fills: dict[str, int] = {"MAKER": 0, "TAKER": 0}
        self.fills_refused: dict[str, int] = {}
        self.overfills: dict[str, int] = {}
        self.trade_changes = {"busted": 0, "corrected": 0}
        self.busted: dict[str, None] = {}
        self.numbered: dict[str, int] = {}
        self.ended_ms: list[int] = []
        self.standing: Standing = ACTIVE
        self.standings: dict[str, Standing] = {}
        self.canceling: deque[tuple[str | int, ...]] = deque()
        self.breakers: dict[tuple[str, str, str], Breaker] = {}
        self.breaker_count = 0
        self.holdings = Holdings()
        self.reconciling = Reconciling()
        self.timetable = Timetable()
        self.traded = Traded()
        self.pacing = Pacing()
        self.families = Families()
        self.watching = Watching()
        self.markets = Markets(self.terms)
        self._limits: dict[str, dict[str, Limits]] = {}
        self._effective: dict[str, AccountTerms] = {}
        self._shared: dict[str, str] = {}

    # ---------------------------------------------------------- configuration

    def configure(self, config: DeskConfig) -> tuple[list[str], list[str], list[str]]:
        """Take a configuration; return the venues, symbols and this partition's accounts new or changed, sorted.

        An instrument that names no venue has changed, too, when the desk's is another.

        Raises:
            BadEntry: instrument_changed or account_changed, for a change of what is fixed; override_conflict, where an
                override cannot stand beside a new value. Nothing has changed then.
        """
        check_fixed(self, config)
        check_overrides(config.accounts, self.overrides)
        self.aliases.check(config, self.working)
        topology, partition = self._topology, self.partition
        venues = [name for name, item in sorted(config.venues.items()) if self.venues.get(name) != item]
        symbols = [
            s
            for s, item in sorted(config.instruments.items())
            if self.instruments.get(s) != item or self.config.home_of(item) != config.home_of(item)
        ]
        accounts = [
            name
            for name, item in sorted(config.accounts.items())
            if self.accounts.get(name) != item and topology.account_partition(name) == partition
        ]
        self.config = config
        self.configured = True
        self.awaited.configure(config.execution_timeout_ms)
        for name in venues:
            self.define_venue(name, config.venues[name])
        for symbol in symbols:
            self.define(symbol, config.instruments[symbol])
        if venues or symbols:
            for order in self.live():  # they go on under the new terms
                order.terms = self.terms[order.venue][order.terms.symbol]
            for name, account in self.holdings.accounts.items():  # what is reserved is by the fees of then
                account.recount(self.orders_of(name))
        for name in accounts:
            before, after = self.accounts.get(name), config.accounts[name]
            if before is not None and day_of(before) != day_of(after):
                self.timers.cancel(after.id, DAY)  # another day begins now
            self.accounts[name] = after
        self.aliases.configure(config, self.accounts)
        self._limits.clear()
        self._effective.clear()
        self.watch_all()
        return venues, symbols, accounts

    def define_venue(self, name: str, venue: VenueTerms) -> None:
        """Take a venue's terms: every instrument may be traded there, and has a quote of its own there."""
        self.venues[name] = venue
        self.terms.setdefault(name, {})
        self.quotes.setdefault(name, {})
        for symbol in self.instruments:
            self._compile(symbol, name)

    def define(self, symbol: str, instrument: InstrumentTerms) -> None:
        """Take an instrument's terms, at every venue."""
        self.instruments[symbol] = instrument
        self.symbols[instrument.id] = symbol
        for name in self.venues:
            self._compile(symbol, name)

    def _compile(self, symbol: str, venue: str) -> None:
        instrument = self.instruments[symbol]
        terms = self.terms[venue][symbol] = Terms(symbol, instrument, self._topology, venue, self.venues[venue])
        terms.hours = self.timetable.hours(instrument)
        quote = self.quotes[venue].setdefault(instrument.id, Quote())
        fees = self.terms[venue][symbol].fees
        if fees is not None and fees.currency is not None:
            self.holdings.start_marking()
        if venue == self.config.home_of(instrument):
            self.holdings.define(symbol, instrument, quote, self._highest_fee(instrument))

    def take_calendars(self, calendars: Calendars) -> None:
        """Go by other calendars from now on. What waits for a session is looked at again, and so are accounts' days."""
        self.timetable.calendars = calendars
        self.timetable.forget()
        for symbol, instrument in self.instruments.items():
            for terms in self.terms.values():
                terms[symbol].hours = self.timetable.hours(instrument)
        for order in self.live():
            if order.held == FOR_TIME and order.status not in FINAL and order.terms.calendar is not None:
                self.timers.add(0, order.order_id, RELEASE)
        for account in self.accounts.values():
            if account.day_zone is not None and self.timers.due_ms(account.id, DAY) == LAST_MS:
                self.timers.add(0, account.id, DAY)

    def _highest_fee(self, instrument: InstrumentTerms) -> Decimal:
        """Return the most that a fill of it may cost at any venue (bps)."""
        fees = [instrument.maker_fee_bps, instrument.taker_fee_bps]
        fees += [fee for v in self.venues.values() for fee in (v.maker_fee_bps, v.taker_fee_bps) if fee is not None]
        return max(fees)

    def limits(self, account: str, symbol: str) -> Limits | None:
        """Return the limits of an account of this partition on an instrument, None unless both are configured.

        They are those at the venue that orders go to now; `limits_at` has those of an order that went to another.
        """
        of_account = self._limits.get(account)
        if of_account is not None and (found := of_account.get(symbol)) is not None:
            return found
        instrument = self.config.instruments.get(symbol)
        if instrument is None or not self.knows(account):
            return None
        limits = self.effective(account)
        found = self.limits_at(self.config.venue_of(limits, instrument), account, limits, symbol)
        if self.config.routing:
            found.routes = rules_for(self.config.routing, self.config.venues, account, limits, found.terms)
        self._limits.setdefault(account, {})[symbol] = found
        return found

    def limits_at(self, venue: str, name: str, account: AccountTerms, symbol: str) -> Limits:
        """Return what an account's limits are on an instrument at a venue."""
        terms = self.terms[venue][symbol]
        holding = self.holdings.holding(name, symbol)
        return Limits(name, account, terms, self.quotes[venue][terms.id], holding, self.config.max_quote_age_ms)

    def knows(self, account: str) -> bool:
        """Say whether an account is configured and of this partition."""
        return account in self.config.accounts and account in self.accounts

    def effective(self, account: str) -> AccountTerms:
        """Return the terms that decisions use of an account that is known: the file's, overrides before them."""
        found = self._effective.get(account)
        if found is None:
            terms = with_overrides(self.config.accounts[account], self.overrides.get(account, {}))
            found = self._effective[account] = terms
        return found

    def terms_of(self, account: str) -> AccountTerms:
        """Return the terms of an account that has orders here: once the file has lost it, those that it had last."""
        return self.effective(account) if self.knows(account) else self.accounts[account]

    def override(self, account: str, overrides: Overrides) -> None:
        """Let these overrides of an account, and no others, count from now on."""
        self.overrides.pop(account, None)
        if overrides:
            self.overrides[account] = overrides
        self._effective.pop(account, None)
        self._limits.pop(account, None)
        self.watch(account)

    def watch_all(self) -> None:
        """Do so for every account: one may come back as it was before the file lost it."""
        for name in self.accounts:
            if name in self.config.accounts:
                self.watch(name)

    def watch(self, account: str) -> None:
        """Let what is held and works be counted as the terms that count of an account of this partition need it."""
        terms = self.effective(account)
        self.holdings.account(account).standing = self.standing_of(account)
        held = self.holdings.watch(account, terms, self.orders_of(account))
        if held.daily or terms.day_zone is not None:
            self.timers.add_once(0, terms.id, DAY)  # the day begins before the next entry is taken
        else:
            self.timers.cancel(terms.id, DAY)
        if terms.breaker_loss is not None:
            self.timers.add_once(0, terms.id, LOSS)
        else:
            self.timers.cancel(terms.id, LOSS)

    def standing_of(self, account: str) -> Standing:
        """Return what an account may do: the stricter of its own standing and the desk's."""
        return stricter(self.standings.get(account, ACTIVE), self.standing)

    def stand(self, account: str | None, standing: Standing) -> None:
        """Let an account, or the whole desk, stand so from now on."""
        if account is None:
            self.standing = standing
        else:
            self.standings.pop(account, None)
            if standing != ACTIVE:
                self.standings[account] = standing
        for name in self.accounts if account is None else (account,):
            self._limits.pop(name, None)
            if name in self.config.accounts:
                self.watch(name)
            else:  # its file has lost it, and its orders may work still
                self.holdings.account(name).standing = self.standing_of(name)
        if standing.state != HALTED and self.families:
            self.families.wake(self.orders, account)

    def count_working(self, account: str) -> None:
        """Let an account's working orders be counted from now on: it has asked for what only reduces."""
        held = self.holdings.account(account)
        if not held.reduces:
            held.reduces = True
            self.watch(account)

    def begin_day(self, number: int, ms: int) -> None:
        """Begin the day of the account of that number; the next one gets a timer."""
        name = self.account_named(number)
        assert name is not None, "an account's number is its own for good"
        held = self.holdings.accounts[name]
        if held.daily:
            held.opens()
        terms = held.terms
        if terms is not None and terms.day_zone is not None:
            self.daily.pop(name, None)
            self.timers.add(self.timetable.next_day(terms, ms), number, DAY)
            return
        begins = held.day_begins_ms
        self.timers.add(day_end(ms - begins) + begins, number, DAY)

    def orders_of(self, account: str) -> Iterator[Order]:
        """Yield an account's orders that have not left the state."""
        return (self.orders[order_id] for order_id in self.clients.get(account, {}).values())

    def working(self, account: str) -> int:
        """Return how many orders of an account work, at venues or in the desk."""
        return sum(order.status not in FINAL for order in self.orders_of(account))

    def account_named(self, number: int) -> str | None:
        """Return the account of this partition that has a number in records; rare, and accounts are few."""
        return next((name for name, terms in self.accounts.items() if terms.id == number), None)

    # ----------------------------------------------------------------- orders

    @property
    def next_order_id(self) -> int:
        """The id that `add` or `remember` takes next."""
        return order_id_of(self.partition, self.counter + 1)

    def shared(self, text: str) -> str:
        """Return a text that equals `text`, the same one for all orders that have it: some 250 bytes less for each.

        Not `sys.intern`, which on Python 3.12 keeps for ever what it is given: strategies may be named after runs.
        """
        kept = self._shared
        found = kept.get(text)
        if found is None:
            if len(kept) >= MAX_SHARED:
                kept.clear()
            found = kept[text] = text
        return found

    def add(self, order: Order, counts: bool = True) -> None:
        """Take an order that goes to the venue; it counts against its account's day, but where another one made it."""
        account, statuses, status = order.account, self.statuses, order.status
        counter = self.counter = self.counter + 1
        order_id = order.order_id
        assert order_id == self.partition << ORDER_ID_COUNTER_BITS | counter, "order ids are given out in order"
        self.orders[order_id] = order
        clients = self.clients.get(account)
        if clients is None:
            clients = self.clients[account] = {}
        clients[order.client_order_id] = order_id
        statuses[status] = statuses.get(status, 0) + 1
        holding = order.holding
        if holding is None:
            holding = order.holding = self.holdings.holding(account, order.terms.symbol)
        if not counts:
            return
        held = holding.account
        today = (order.received_ms - held.day_begins_ms) // held.day_ms
        day, count = self.daily.get(account, (today, 0))
        self.daily[account] = (today, count + 1 if day == today else 1)
        if held.busy:
            held.took_order(order)

    def take_back(self, order: Order) -> None:
        """Let go of the order that was added last, as if it had never been: nothing was told of it."""
        assert order.order_id == order_id_of(self.partition, self.counter), "the last one first"
        account, holding = order.account, order.holding
        order.status = CANCELED
        if holding is not None and holding.kept:
            holding.recount(order)
        self.families.left(order)
        del self.orders[order.order_id]
        del self.clients[account][order.client_order_id]
        if not self.clients[account]:
            del self.clients[account]
        self.statuses[order.counted] -= 1
        self.counter -= 1

    def adopt(self, order: Order) -> None:
        """Take an order that a venue had by itself: it counts against no day, and is nobody's duplicate."""
        assert order.order_id == self.next_order_id and order.holding is not None
        self.counter += 1
        self.orders[order.order_id] = order
        self.clients.setdefault(order.account, {})[order.client_order_id] = order.order_id
        self.statuses[order.status] = self.statuses.get(order.status, 0) + 1

    def has_room(self) -> bool:
        """Say whether another order can be taken, and remembered for as long as it has to be."""
        return self.counter - self.forgotten < self.capacity

    def refuse(self, account: str, client_order_id: str, symbol: str, side: str, ms: int) -> int:
        """Remember an order that validation refused; return its id."""
        terms, instrument = self.accounts.get(account), self.instruments.get(symbol)
        row = Row(REJECTED, side, ms, instrument.id if instrument else 0, terms.id if terms else 0)
        order_id = self.next_order_id
        self.counter += 1
        self.remembered.put(self.counter, account, client_order_id, row)
        self.statuses[REJECTED] = self.statuses.get(REJECTED, 0) + 1
        return order_id

    def find(self, order_id: int) -> Order | Remembered | None:
        """Return an order, or what is remembered of it."""
        return self.orders.get(order_id) or self.remembers(order_id)

    def remembers(self, order_id: int) -> Remembered | None:
        """Return what is remembered of an order that left the state, None where nothing is."""
        row = self.remembered.at(self.number_of(order_id))
        return None if row is None else self._remembered(order_id, row)

    def find_client(self, account: str, client_order_id: str) -> Order | Remembered | None:
        """Return the order that an account gave this id."""
        order_id = self.clients.get(account, {}).get(client_order_id)
        if order_id is not None:
            return self.orders[order_id]
        number = self.remembered.find(account, client_order_id) if self.remembered.count else None
        if number is None:
            return None
        row = self.remembered.at(number)
        assert row is not None, "a client's id leads to an order"
        order_id = order_id_of(self.partition, number)
        return self._remembered(order_id, row)._replace(client_order_id=client_order_id, account=account)

    def _remembered(self, order_id: int, row: Row) -> Remembered:
        named = self.account_named(row.account) if row.account else None
        return Remembered(order_id, None, named, self.symbols.get(row.instrument), row.side, row.status)

    def number_of(self, order_id: int) -> int:
        """Return which of this partition's orders, from 1, has that id; 0 for none."""
        number = order_id - order_id_of(self.partition, 0)
        return number if 0 < number <= self.counter else 0

    def live(self) -> Iterator[Order]:
        """Yield the orders that have not left the state, by order id."""
        return iter(self.orders.values())

    def accepted_on(self, account: str, ms: int) -> int:
        """Return how many orders of an account were accepted so far in its day of `ms`."""
        day, count = self.daily.get(account, (0, 0))
        held = self.holdings.accounts.get(account)
        if held is None:
            return count if day == ms // DAY_MS else 0
        return count if day == (ms - held.day_begins_ms) // held.day_ms else 0

    def changed(self, order: Order, ms: int) -> None:
        """Count an order's change of status. A final status once reached stays counted, unless the order reopens."""
        statuses, status = self.statuses, order.status
        if status == order.counted:
            return
        statuses[order.counted] -= 1
        statuses[status] = statuses.get(status, 0) + 1
        order.counted = status
        if status in FINAL:
            order.finished_ms = ms
            self.finishes(order.order_id, ms)
            self.ended_ms.append(ms - order.signal_time)

    def finishes(self, order_id: int, ms: int) -> None:
        """Note that an order leaves when `retention_ms` have passed after `ms`, which never goes back."""
        finished = self.finished
        if finished and finished[-1][0] == ms:
            finished[-1][1].append(order_id)
        else:
            finished.append((ms, [order_id]))

    def refuse_fill(self, reason: str) -> None:
        """Count a fill that a venue told and nobody believes."""
        self.fills_refused[reason] = self.fills_refused.get(reason, 0) + 1

    def left(self, order_id: int) -> str:
        """Say, for a sentence, what became of an order that is not in the state."""
        if not self.number_of(order_id):
            return "was never given out here"
        return LEFT if self.remembers(order_id) is not None else FORGOTTEN

    def take_fill_off(self, order_id: int) -> str | None:
        """Take a fill off an order that left the state: one that was Filled is Canceled now. Return its status."""
        number = self.number_of(order_id)
        row = self.remembered.at(number)
        if row is None:
            return None
        if row.status == FILLED:
            self.statuses[FILLED] -= 1
            self.statuses[CANCELED] = self.statuses.get(CANCELED, 0) + 1
            row = row._replace(status=CANCELED)
            self.remembered.change(number, row)
        return row.status

    def took_back(self, venue: str, *ids: str) -> None:
        """Remember ids of a venue's trades and reports that must not change an order once more that left the state."""
        for each in ids:
            self.busted[f"{venue} {each}"] = None
        while len(self.busted) > MAX_BUSTED:
            del self.busted[next(iter(self.busted))]

    # ------------------------------------------------------------------- time

    def move(self, venue: str, instrument: int, ms: int) -> None:
        """Note that an instrument's quote at a venue changed, to be told soon."""
        if not self.moved:
            self.timers.add(ms + QUOTES_EVERY_MS, 0, QUOTES)
        self.moved[venue, self.symbols[instrument]] = None

    # --------------------------------------------------------------- snapshot

    def put_all(self, orders: Sequence[Order], remembered: RememberedOrders) -> None:
        """Put back what a snapshot kept of every order, live and remembered, each in the order of the ids."""
        for order in orders:
            order.counted = order.status
            order.holding = self.holdings.holding(order.account, order.terms.symbol)
            if order.held == FOR_PRICE and order.status not in FINAL:
                self.triggers.arm(order)
            self.orders[order.order_id] = order
            self.clients.setdefault(order.account, {})[order.client_order_id] = order.order_id
        self.triggers.kept.clear()  # of a snapshot that has more than its orders, which is none of ours
        self.remembered = remembered
        for finished_ms, order_id in sorted((o.finished_ms, o.order_id) for o in orders if o.status in FINAL):
            self.finishes(order_id, finished_ms)
