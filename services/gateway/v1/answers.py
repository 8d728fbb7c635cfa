"""What each route below `/v1` answers where all is well: schemas of rows, made of the messages that rows are made of.

Flows in: the contracts of the streams. Flows out: a schema for each route and status. Never a word about a field that
its contract or the glossary has.
"""

from __future__ import annotations

from typing import Final

from fillstream.client.analytics import Found
from fillstream.client.rows import OrderRow
from fillstream.libs.common.messages.accounts import AccountMarked, RiskChanged
from fillstream.libs.common.messages.codes import TradingState
from fillstream.libs.common.messages.dead import DeadLetter
from fillstream.libs.common.messages.exits import ExitChanged
from fillstream.libs.common.messages.families import OrderListReported, OrderProgressed
from fillstream.libs.common.messages.journal import (
    EVENTS,
    AccountDefined,
    BreakerChanged,
    ControlApplied,
    ControlRejected,
    ControlReported,
    InstrumentDefined,
    OrderFilled,
    OrderReceived,
    OrderRejected,
    OrderReplaced,
    OrderSuspended,
    VenueDefined,
)
from fillstream.libs.common.messages.market import Depth
from fillstream.libs.common.messages.positions import PositionAdjusted, PositionChanged, PositionClosed, PositionMarked
from fillstream.libs.common.messages.quoting import BandsChanged, QuoteStale, QuoteUpdated, SessionChanged
from fillstream.libs.common.messages.reconciliation import VenueReconciled
from fillstream.libs.common.messages.rules import RuleDefined, RuleReported
from fillstream.libs.common.messages.targets import TargetChanged
from fillstream.libs.common.messages.topology import Topology
from fillstream.libs.common.process.audited import Action
from fillstream.libs.common.process.people import PERSONS_ROLES
from fillstream.services.gateway.http.describing import (
    DECIMAL,
    REF,
    Schema,
    list_of,
    named,
    or_null,
    row,
    schema_of,
    schema_of_dataclass,
    thing,
)
from fillstream.services.gateway.http.document import NOTHING, Answers
from fillstream.services.gateway.http.problems import Problem
from fillstream.services.gateway.state.orders import ENDED, MOVES, PROGRESS
from fillstream.tools.holds import Hold
from fillstream.tools.preview import Preview
from fillstream.tools.route_preview import Expected, RoutePreview
from fillstream.tools.status import StageState

TEXT: Final[Schema] = {"type": "string"}
WHOLE: Final[Schema] = {"type": "integer"}
YES: Final[Schema] = {"type": "boolean"}
NUMBER: Final[Schema] = {"type": "string", "pattern": DECIMAL}
FLAG: Final[Schema] = {"type": "boolean"}
TEXTS: Final[Schema] = list_of(TEXT)
STATE: Final[Schema] = {"type": "string", "enum": [each.value for each in TradingState]}
MAP: Final[Schema] = {"type": "object", "additionalProperties": TEXT}
PLACES: Final = MAP
ANALYTICS: Final[Schema] = {"type": "string", "const": "analytics"}
AMENDED: Final = ("quantity", "price", "stop_price")


def answers() -> Answers:
    """Return the schemas by route and status."""
    return {
        **_orders(),
        **_positions(),
        **_accounts(),
        **_markets(),
        **_desk(),
        **_reports(),
        **_through(),
        **_people(),
        "GET /stream": {200: TEXT},
    }


def told(text: str, /, **properties: Schema) -> Schema:
    """Return the schema of an answer by the streams: all of it is always there."""
    return thing(text, ("as_of", *properties), as_of=PLACES, **properties)


# ------------------------------------------------------------------------------------------------------- rows


def _order() -> Schema:
    amended = row("What an amendment that is on its way asks for.", OrderReplaced, keep=AMENDED)
    amended["required"] = []
    progress = row("How far an algorithm is with it.", OrderProgressed, keep=PROGRESS)
    progress["required"] = []
    whose = row("What an event of it moves.", OrderSuspended, OrderRejected, OrderReceived, keep=MOVES)["properties"]
    moved = {name: or_null(whose[name]) for name in MOVES & whose.keys()}
    own = {**dict.fromkeys((*ENDED.values(), "received_time", "filled_time"), WHOLE), "text": or_null(TEXT)}
    own |= {"progress": progress, "pending_replace": amended}
    schema = row("An order: its terms, and its latest state.", OrderReceived, OrderRejected, **own)
    must = {name: schema["properties"][name] for name in ("ord_status", "quantity", "cum_qty", "leaves_qty")}
    schema["properties"] = {**schema["properties"], **moved, **must}
    # What is null as it comes is left out of a row, but for its mean price.
    absent = [name for name, each in schema["properties"].items() if {"type": "null"} in each.get("anyOf", ())]
    schema["required"] = [name for name in schema["required"] if name not in absent or name == "avg_px"]
    schema["required"] += ["received_time"]
    return named("Order", schema)


def _fill() -> Schema:
    schema = row(
        "A trade, as it is now.", OrderFilled, time=WHOLE, busted_time=WHOLE, corrected_time=WHOLE
    )  # fmt: skip
    del schema["properties"]["updated_time"]
    absent = [name for name, each in schema["properties"].items() if {"type": "null"} in each.get("anyOf", ())]
    schema["required"] = [*(name for name in schema["required"] if name not in absent), "time"]
    return named("Fill", schema)


def _position() -> Schema:
    return named("Position", row("A position.", PositionChanged, PositionMarked, PositionAdjusted))


def _target() -> Schema:
    return named("Target", row("What is to be held.", TargetChanged))


def _account_value() -> Schema:
    return named("AccountValue", row("What an account is worth.", AccountMarked))


def _risk() -> Schema:
    return named("RiskLimit", row("A limit on an account's risk.", RiskChanged))


def _account_terms(**more: Schema) -> Schema:
    return row("An account: its limits in force.", AccountDefined, **more)


def _session() -> Schema:
    return named("Session", row("An instrument's session and bands at a venue.", SessionChanged, BandsChanged))


def _quote() -> Schema:
    return named("Quote", row("A market.", QuoteUpdated, QuoteStale, stale=YES))


def _event() -> Schema:
    each = []
    for name, model in EVENTS.items():
        schema = schema_of(model, "serialization")
        schema["properties"] = {**schema["properties"], "id": TEXT}
        # The hot path leaves out what is null by default.
        each.append(named(f"{name}Event", schema))
    return {"anyOf": each}


# ------------------------------------------------------------------------------------------------------- answers


def _outcome() -> Schema:
    flags = {"settled": YES, "refused": YES}
    texts = ("order_id", "ord_status", "list_id", "list_order_status", "reason", "text")
    schema = told("What is known of a signal that is no order's.", signal_id=TEXT, **flags,
                  **{name: or_null(TEXT) for name in texts})  # fmt: skip
    schema["properties"]["entry_id"] = {**TEXT, "description": "of the signal in its stream, where nothing came yet"}
    return schema


def _sent(order: Schema, *statuses: int) -> dict[int, Schema]:
    """Return what a signal is answered with: its order, or what else became of it."""
    schema = {"anyOf": [told("What became of it.", order=order), named("Outcome", _outcome())]}
    return dict.fromkeys(statuses, schema)


def _page(text: str, /, **rows: Schema) -> Schema:
    return told(text, **rows, next=or_null(TEXT))


def _paged(text: str, /, **rows: Schema) -> Schema:
    schema = _page(text, **rows)
    schema["properties"] |= {"older": ANALYTICS, "incomplete": TEXTS}
    return schema


def _orders() -> Answers:
    order = _order()
    one = told("One order.", order=order)
    older = thing("One that is older than what is known here.", ("source", "order"), source=ANALYTICS,
                  order=named("OlderOrder", schema_of(OrderRow, "serialization")))  # fmt: skip
    events = told("All that happened to an order.", events=list_of(_event()))
    events["properties"]["incomplete"] = TEXTS
    problem = schema_of(Problem, "serialization")["properties"]
    each = thing("What became of one order.", ("status",), **{**problem, **_outcome()["properties"], "order": order})
    lists = row("Orders that know each other.", OrderListReported)
    every_list = told("Lists of orders.", lists=list_of(named("OrderList", lists)))
    every_list["properties"]["incomplete"] = TEXTS
    new, changed = _sent(order, 200, 201, 202), _sent(order, 200, 202)
    return {
        "POST /orders": new,
        "POST /orders/batch": {200: told("Each order's answer.", orders=list_of(each))},
        "GET /orders": {200: _paged("A page of orders.", orders=list_of(order))},
        "DELETE /orders": changed,
        "GET /orders/{order_id}": {200: {"anyOf": [one, older]}},
        "PATCH /orders/{order_id}": changed,
        "DELETE /orders/{order_id}": changed,
        "GET /orders/{order_id}/events": {200: events},
        "GET /fills": {200: _paged("A page of trades.", fills=list_of(_fill()))},
        "GET /lists": {200: every_list},
        "POST /signals": new,
        "GET /signals/{signal_id}": {200: {"anyOf": [one, told("Its targets.", targets=list_of(_target()))]}},
        "POST /positions/{symbol}/close": new,
        "POST /positions/{symbol}/protect": new,
        "DELETE /positions/{symbol}/protect": new,
        "POST /targets": new,
        "DELETE /targets/{symbol}": new,
    }


def _positions() -> Answers:
    closed = named("ClosedPosition", row("A position that ended.", PositionClosed))
    exits = named("Exit", row("What closes a position by itself.", ExitChanged))
    return {
        "GET /positions": {200: _page("What is held.", positions=list_of(_position()))},
        "GET /positions/{symbol}": {200: told("One position.", position=_position())},
        "GET /closed_positions": {200: _page("Positions that ended.", closed_positions=list_of(closed))},
        "GET /exits": {200: _page("What closes positions.", exits=list_of(exits))},
        "GET /targets": {200: _page("What is to be held.", targets=list_of(_target()))},
    }


def _accounts() -> Answers:
    breakers = list_of(named("Breaker", row("A circuit breaker.", BreakerChanged)))
    account = thing(
        "An account as it stands.",
        ("account", "alias", "trading_state", "limits", "value", "risk", "working_orders", "positions"),
        account=TEXT, alias=or_null(TEXT), trading_state=STATE, limits=named("AccountTerms", _account_terms()),
        value=or_null(_account_value()), risk=list_of(_risk()), working_orders=WHOLE, positions=list_of(_position()),
    )  # fmt: skip
    listed = _account_terms(trading_state=STATE)
    listed["required"] += ["trading_state"]
    control = named("ControlAnswer", row("An answer to a control.", ControlApplied, ControlRejected, ControlReported))
    done = told("What a control did.", control_id=TEXT, refusal={"type": "null"}, text=TEXT, events=list_of(_event()))
    states = {"type": "object", "additionalProperties": STATE}
    names = {"type": "object", "additionalProperties": TEXT}
    changes = (
        "POST /controls", "POST /halt", "POST /reduce", "POST /resume", "POST /orders/{order_id}/approve",
        "POST /orders/{order_id}/refuse", "PATCH /accounts/{account}/limits", "DELETE /accounts/{account}/limits",
    )  # fmt: skip
    return {
        "GET /accounts": {200: told("Accounts.", accounts=list_of(named("ListedAccount", listed)), aliases=names)},
        "GET /accounts/{account}": {200: told("One account.", account=named("Account", account))},
        "GET /trading_state": {200: told("Whether the desk trades.", desk=STATE, accounts=states, breakers=breakers)},
        "GET /breakers": {200: told("Circuit breakers.", breakers=breakers)},
        "GET /approvals": {200: told("Orders that wait for a person.", approvals=list_of(_order()))},
        "GET /controls": {200: told("What operators have done.", controls=list_of(control))},
        "GET /risk": {200: told("Limits on risk.", limits=list_of(_risk()), accounts=list_of(_account_value()))},
        **{route: {200: done} for route in changes},
    }


def _markets() -> Answers:
    instrument = named("Instrument", row("An instrument: its terms.", InstrumentDefined))
    venue = named("Venue", row("A venue: its terms.", VenueDefined))
    reconciled = named("Reconciled", row("How a venue was last compared.", VenueReconciled))
    depth = named("BookDepth", row("The best levels of a book.", Depth))
    trade = thing("A trade of the market.", ("number", "price", "quantity", "side", "time"), number=WHOLE, price=NUMBER,
                  quantity=NUMBER, side={"$ref": f"{REF}Side"}, time=WHOLE)  # fmt: skip
    venues = told("Where it is traded.", venues=list_of(venue), reconciled=list_of(reconciled))
    sessions = list_of(_session())
    return {
        "GET /instruments": {200: told("What is traded.", instruments=list_of(instrument))},
        "GET /instruments/{symbol}": {200: told("One instrument.", instrument=instrument, sessions=sessions)},
        "GET /venues": {200: venues},
        "GET /quotes": {200: told("Quotes.", quotes=list_of(_quote()))},
        "GET /quotes/{symbol}": {200: told("One market.", quote=_quote())},
        "GET /depth/{symbol}": {200: told("A book's best levels.", depth=depth)},
        "GET /trades/{symbol}": {200: told("A market's trades.", trades=list_of(named("MarketTrade", trade)))},
    }


def _desk() -> Answers:
    bar = thing("A bar.", ("begin_time", "open", "high", "low", "close", "volume", "trades"), begin_time=WHOLE,
                **dict.fromkeys(("open", "high", "low", "close", "volume"), NUMBER), trades=WHOLE)  # fmt: skip
    bars = thing("Bars.", ("source", "symbol", "venue", "interval_s", "bars"), source=ANALYTICS, symbol=TEXT,
                 venue=TEXT, interval_s=WHOLE, bars=list_of(named("Bar", bar)), incomplete=TEXTS)  # fmt: skip
    found = schema_of_dataclass(Found)
    found["properties"] = {"source": ANALYTICS, **found["properties"]}
    found["required"] += ["source"]
    letter = row("An entry that nobody could use.", DeadLetter, id=TEXT)
    rule = row("A rule, and what became of it last.", RuleDefined, last=or_null(row("Its last.", RuleReported)))
    gateway = thing("This gateway.", ("entries", "gaps", "as_of"), entries=WHOLE, gaps=TEXTS, as_of=PLACES)
    stage = named("Stage", schema_of_dataclass(StageState, Hold))
    stages = thing("How the stages are.", ("stages", "gateway"), stages=list_of(stage), gateway=gateway)
    redriven = thing("Where it is now.", ("letter_id", "redriven_as"), letter_id=TEXT, redriven_as=TEXT)
    algorithms = thing(
        "What works orders in slices.",
        ("algorithms",),
        algorithms={**list_of(_algorithm()), "description": "those that come with the desk, by name"},
    )
    preview = thing(
        "What an order would do.",
        ("source", "preview", "route"),
        source=ANALYTICS,
        route=or_null(named("Route", schema_of_dataclass(RoutePreview, Expected))),
        preview=named("Preview", schema_of_dataclass(Preview)),
    )
    return {
        "POST /sql": {200: found},
        "GET /bars/{symbol}": {200: bars},
        "POST /orders/preview": {200: preview},
        "GET /stages": {200: stages},
        "GET /dead": {200: told("Dead letters.", dead=list_of(named("Letter", letter)))},
        "POST /dead/{letter_id}/redrive": {200: redriven},
        "GET /algorithms": {200: algorithms},
        "GET /rules": {200: told("The desk's rules.", rules=list_of(named("Rule", rule)))},
    }


def _reports() -> Answers:
    point = thing("What stood at the end of a step.", ("time", "value"), time=WHOLE, value=NUMBER)
    curve = thing(
        "A curve.",
        ("measure", "account", "currency", "points"),
        measure={"type": "string", "enum": ["net_pnl", "equity"], "description": "what its values are"},
        account={**or_null(TEXT), "description": "whose equity; null of what all accounts made"},
        currency=TEXT,
        points=list_of(named("CurvePoint", point)),
    )
    span: dict[str, Schema] = {"source": ANALYTICS, "since": WHOLE, "until": WHOLE}
    numbers = (
        "notional", "fees", "slippage_bps", "expected_slippage_bps", "maker_share",
        "accepted_ms_p50", "accepted_ms_p99", "first_fill_ms_p50", "first_fill_ms_p99",
    )  # fmt: skip
    counts: dict[str, Schema] = dict.fromkeys(("orders", "filled_orders", "fills"), WHOLE)
    executed = thing(
        "How orders were executed: slippage is weighted by what was traded.",
        ("symbol", "venue", *counts, *numbers),
        symbol=TEXT, venue=TEXT, currency=or_null(TEXT), **counts, **dict.fromkeys(numbers, or_null(NUMBER)),
    )  # fmt: skip
    rejected = thing("Why orders were refused.", ("reason", "orders"), reason=TEXT, orders=WHOLE)
    return {
        "GET /reports/equity": {
            200: thing("Curves.", (*span, "step_ms", "curves", "incomplete"), **span, step_ms=WHOLE,
                       curves=list_of(named("Curve", curve)), incomplete=TEXTS),
        },
        "GET /reports/execution": {
            200: thing("Execution.", (*span, "markets", "rejected", "incomplete"), **span,
                       markets=list_of(named("Executed", executed)), rejected=list_of(named("RejectedFor", rejected)),
                       incomplete=TEXTS),
        },
    }  # fmt: skip


def _algorithm() -> Schema:
    """Return the schema of `fillstream.tools.algorithm_pages.page`."""
    told = ("name", "type", "required", "default", "description", "of_all")
    parameter = thing(
        "Something that an algorithm may be told.", told,
        name={**TEXT, "description": "of it, in `algorithm_parameters`", "examples": ["duration_ms"]},
        type={**TEXT, "description": "what it is, in words; of a choice its values", "examples": ["whole number"]},
        required={**FLAG, "description": "whether it has to be said"},
        default={"description": "what counts without it; null: nothing", "examples": [20]},
        description={**TEXT, "description": "what it means", "examples": ["in so many slices of equal time"]},
        of_all={**FLAG, "description": "whether every algorithm takes it"},
    )  # fmt: skip
    has = ("name", "description", "needs_end", "needs_book", "parameters", "example")
    example = {"type": "object", "description": "what it may be told", "examples": [{"duration_ms": 600_000}]}
    return named("Algorithm", thing(
        "An algorithm.", has,
        name={**TEXT, "description": "of it: an order's `algorithm`", "examples": ["TWAP"]},
        description={**TEXT, "description": "what it does, a sentence", "examples": ["Sends all of it at once."]},
        needs_end={**FLAG, "description": "whether end_time or duration_ms has to be said"},
        needs_book={**FLAG, "description": "whether it looks at the market beyond the touch"},
        parameters={**list_of(named("AlgorithmParameter", parameter)), "description": "its own before those of all"},
        example=example,
    ))  # fmt: skip


def _through() -> Answers:
    pairs = list_of({**list_of(TEXT), "minItems": 2, "maxItems": 2})
    fields = {**MAP, "description": "where all of them are text", "examples": [{"data": "{}"}]}
    entry = named(
        "Entry",
        thing("An entry of a stream.", ("stream", "id"), stream=TEXT, id=TEXT, fields=fields, base64=pairs),
    )
    those = {**list_of(entry), "description": "the oldest first, or the newest where those were asked for"}
    log = told("Entries, as they stand in their streams.", entries=those)
    page = schema_of_dataclass(Found)
    page["description"] = "What analytics has, in its own form."
    lists = {"type": "array", "items": {"type": "array"}, "description": "each a list of values, in the columns' order"}
    page["properties"]["rows"] = {**lists, "examples": [[["AAPL", "100"]]]}
    page["required"].remove("incomplete")
    own = schema_of_dataclass(Topology)
    return {
        "GET /topology": {200: told("How the desk is cut.", topology=named("Topology", own), streams=TEXTS)},
        "GET /log/{stream}": {200: log},
        "GET /log": {200: log},
        "GET /analytics/{page}": {200: page},
        "POST /analytics/query": {200: page},
        "GET /dead/redriven": {200: thing("Those that were.", ("redriven",), redriven=MAP)},
    }


def _people() -> Answers:
    session = thing(
        "Who is logged in.",
        ("user", "role", "scopes", "accounts", "csrf", "expires_ms", "mode"),
        user={**TEXT, "description": "the person's name; `local` where nobody logs in", "examples": ["anna"]},
        role={"type": "string", "enum": [*PERSONS_ROLES], "description": "what it is"},
        scopes={**TEXTS, "description": "what it may do", "examples": [["orders:read"]]},
        accounts={**TEXTS, "description": "whose it is; none: every account's", "examples": [["default"]]},
        csrf={
            **or_null(TEXT),
            "description": "for X-CSRF-Token of every call that changes something",
            "examples": ["dG9rZW4"],
        },
        expires_ms={
            **or_null(WHOLE),
            "description": "when it ends unless it is used again, ms since 1970 UTC",
            "unit": "ms",
            "examples": [1796000400000],
        },
        mode={"type": "string", "enum": ["people", "local"], "description": "`local`: everybody on this machine"},
    )
    entry = thing(
        "What somebody did.",
        ("id", "outcome"),
        id={**TEXT, "description": "of its entry in the stream"},
        time={**WHOLE, "description": "when, ms since 1970 UTC", "unit": "ms", "examples": [1796000400000]},
        action={"type": "string", "enum": [*Action], "description": "what"},
        outcome={**TEXT, "description": "`done`, or why not", "examples": ["done"]},
        who={**TEXT, "description": "the name of the person or the key; absent of one that nobody has",
             "examples": ["anna"]},
        caller={**TEXT, "description": "the key's id, or `user:NAME`", "examples": ["user:anna"]},
        address={**TEXT, "description": "from where", "examples": ["192.0.2.7"]},
        method={**TEXT, "description": "of the request", "examples": ["POST"]},
        path={**TEXT, "description": "of the request, without its values", "examples": ["/v1/orders/{order_id}"]},
        status={**WHOLE, "description": "of the answer; 0: there was none", "examples": [201]},
        locked_ms={**WHOLE, "description": "for how long", "unit": "ms", "examples": [30000]},
    )  # fmt: skip
    page = thing("A page of the audit.", ("entries", "next"), entries=list_of(named("Audited", entry)),
                 next=or_null(TEXT))  # fmt: skip
    return {
        "GET /audit": {200: page},
        "POST /session": {200: named("LoggedIn", session)},
        "GET /session": {200: named("LoggedIn", session)},
        "DELETE /session": {204: NOTHING},
        "PUT /session/password": {204: NOTHING},
    }
