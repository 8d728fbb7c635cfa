"""Aliases and modes: where a signal for `main` goes, when that may change, and what a PAPER account never reaches."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import orjson
import pytest

from fillstream.libs.common.engine.frames import ReportType
from fillstream.libs.common.messages.codes import AccountMode
from fillstream.libs.common.messages.reference import VenueTerms
from fillstream.libs.common.messages.topology import Topology
from fillstream.services.order_service.orders.config import DeskConfig
from tests.support.orders import CONFIG, OrdersDesk, new_order, report
from tests.support.terms import account, but

D = Decimal
TERMS = (D(1_000_000), 1_000, D(0), D(50))
PAPER, LIVE = "main@paper", "main@live"
ACCOUNTS = {
    **CONFIG.accounts,
    PAPER: account(3, *TERMS, venue="SIM", mode=AccountMode.PAPER),
    LIVE: account(4, *TERMS, venue="OUT", mode=AccountMode.LIVE),
}
VENUES = {"SIM": VenueTerms(), "OUT": VenueTerms(simulated=False, expires=False)}
ALIASED = but(CONFIG, accounts=ACCOUNTS, venues=VENUES, aliases={"main": PAPER})


@pytest.fixture
def desk() -> OrdersDesk:
    desk = OrdersDesk(ALIASED)
    desk.quote(18490, 18500)
    return desk


def switch(
    desk: OrdersDesk, to: str | None = LIVE, control_id: str = "c1", alias: str = "main"
) -> list[dict[str, Any]]:
    more = {} if to is None else {"to": to}
    return desk.control("SwitchAlias", control_id=control_id, account=alias, **more)


def one_done(desk: OrdersDesk, **fields: Any) -> dict[str, Any]:
    """Send an order by the alias, and have the venue cancel it."""
    received = desk.new(account="main", price="184.00", **fields)
    assert received["type"] == "OrderReceived"
    order_id = int(received["order_id"])
    number = ACCOUNTS[received["account"]].id
    records = [report(kind, order_id, account=number) for kind in (ReportType.ACCEPTED, ReportType.CANCELED)]
    for record in records:
        desk.fold({f"frame.{received['venue']}".encode(): record})
    return received


# ----------------------------------------------------------------------------------------------------- configuration


def test_where_an_alias_points_is_told_with_the_configuration_and_again_only_when_that_changes() -> None:
    desk = OrdersDesk(ALIASED)
    [told] = [event for event in desk.events if event["type"] == "AliasDefined"]
    assert told == {
        "type": "AliasDefined", "v": 1, "seq": told["seq"], "time": desk.ms, "alias": "main", "account": PAPER,
        "old_account": None,
    }  # fmt: skip
    assert [event["mode"] for event in desk.events if event["type"] == "AccountDefined" and "mode" in event] == [
        "LIVE", "PAPER",
    ]  # fmt: skip
    moved = but(ALIASED, aliases={"main": LIVE})
    [told] = desk.fold({b"config": moved.to_json()})
    assert (told["type"], told["account"], told["old_account"]) == ("AliasDefined", LIVE, PAPER)
    assert desk.fold({b"config": moved.to_json()}) == []
    [told] = desk.fold({b"config": but(ALIASED, aliases={}).to_json()})
    assert (told["alias"], told["account"], told["old_account"]) == ("main", None, LIVE)
    assert desk.new(account="main", price="185.00")["reason"] == "unknown_account"
    desk.fold({b"config": ALIASED.to_json()})
    assert desk.new(account="main", price="185.00", signal_id="s2")["account"] == PAPER, "whatever came by it before"


def test_a_desk_without_aliases_writes_none() -> None:
    assert b"alias" not in CONFIG.to_json()
    assert b"switched" not in OrdersDesk(CONFIG).stage.snapshot()


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"aliases": {"default": "default"}}, "aliases.default: default is an account; an alias is a name of its own"),
        ({"aliases": {"main@x": PAPER}}, "aliases.main@x: an alias has no @ in its name"),
        ({"aliases": {"main": "main@none"}}, "aliases.main: main@none must be an account"),
        ({"aliases": {"side": PAPER}}, "aliases.side: main@paper must be called side@ and a word"),
        (
            {"accounts": {"x": account(9, *TERMS, venue="SIM", mode=AccountMode.LIVE)}},
            "accounts.x.mode: LIVE contradicts its venue, SIM is simulated",
        ),
        (
            {"accounts": {"x": account(9, *TERMS, venue="OUT", mode=AccountMode.PAPER)}},
            "accounts.x.mode: PAPER contradicts its venue, OUT is not simulated",
        ),
    ],
)
def test_a_configuration_that_contradicts_itself_is_refused(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        but(ALIASED, **{"aliases": {}, **changes})


def test_a_mode_is_an_accounts_own_for_good_and_may_come_to_be_said(desk: OrdersDesk) -> None:
    letter = desk.dead_letter({b"config": with_mode(LIVE, None).to_json()})
    assert letter["text"] == f"accounts.{LIVE}.mode: None cannot replace LIVE: it is the account's own for good"
    [told] = desk.fold({b"config": with_mode("other", AccountMode.PAPER).to_json()})
    assert (told["type"], told["account"], told["mode"]) == ("AccountDefined", "other", "PAPER")
    letter = desk.dead_letter({b"config": with_mode("default", AccountMode.LIVE).to_json()})
    assert letter["text"].startswith("accounts.default.mode: LIVE cannot replace PAPER")


def with_mode(name: str, mode: AccountMode | None) -> DeskConfig:
    return but(ALIASED, accounts={**ACCOUNTS, name: but(ACCOUNTS[name], mode=mode)})


def test_a_venue_does_not_become_another_kind(desk: OrdersDesk) -> None:
    real = but(ALIASED, venues={**VENUES, "OUT": VenueTerms()}, accounts=CONFIG.accounts, aliases={})
    letter = desk.dead_letter({b"config": real.to_json()})
    assert letter["reason"] == "venue_changed"
    assert letter["text"].startswith("venues.OUT.simulated: True must stay False")


def test_accounts_of_one_alias_live_in_its_partition_and_others_where_they_always_did() -> None:
    for count in range(1, 9):
        of = Topology(count).account_partition
        assert of(PAPER) == of(LIVE) == of("main")
    assert [Topology(7).account_partition(name) for name in ("default", "demo", "conservative")] == [1, 5, 2]


# ------------------------------------------------------------------------------------------------------------- orders


def test_an_order_by_the_alias_is_the_accounts_that_it_points_to_and_says_so(desk: OrdersDesk) -> None:
    received = desk.new(account="main", price="185.00")
    assert (received["account"], received["alias"], received["venue"]) == (PAPER, "main", "SIM")
    accepted = desk.accept(account=3)
    assert accepted["account"] == PAPER and "alias" not in accepted, "the venue knows no alias"
    requested = desk.cancel(account="main", orig_client_order_id="s1")
    assert (requested["type"], requested["account"], requested["alias"]) == ("OrderCancelRequested", PAPER, "main")
    plain = desk.new(account=PAPER, price="185.00", signal_id="s2")
    assert "alias" not in plain


def test_a_refusal_by_the_alias_says_so_too(desk: OrdersDesk) -> None:
    refused = desk.new(account="main", price="185.005")
    assert (refused["type"], refused["account"], refused["alias"]) == ("OrderRejected", PAPER, "main")
    refused = desk.cancel(account="main", orig_client_order_id="none")
    assert (refused["reason"], refused["account"], refused["alias"]) == ("unknown_order", PAPER, "main")
    refused = desk.new(account="side", price="185.00", signal_id="s3")
    assert (refused["reason"], refused["account"]) == ("unknown_account", "side")


def test_whatever_else_is_asked_by_the_alias_is_the_accounts(desk: OrdersDesk) -> None:
    refused = desk.instruct(
        {
            "type": "RefuseSignal", "v": 1, "request": "NewOrder", "signal_id": "x", "account": "main",
            "entry_id": "1-1", "reason": "bad_value", "text": "quantity: no", "signal_time": 1,
        }
    )  # fmt: skip
    assert (refused["type"], refused["account"], refused["alias"]) == ("SignalRefused", PAPER, "main")
    canceled = desk.instruct(
        {
            "type": "CancelAll", "v": 1, "signal_id": "y", "account": "main", "symbol": None, "strategy": None,
            "side": None, "signal_time": 1,
        }
    )  # fmt: skip
    assert (canceled["type"], canceled["account"], canceled["alias"]) == ("MassCancelRequested", PAPER, "main")
    after = desk.new(account=PAPER, price="185.00", signal_id="z")
    assert "alias" not in after, "nothing is left of it"


# ------------------------------------------------------------------------------------------------------------- switch


def test_a_switch_is_told_and_what_comes_by_the_alias_is_the_other_accounts_from_then_on(desk: OrdersDesk) -> None:
    one_done(desk)
    applied, defined = switch(desk)
    assert applied["text"] == "alias main: points to main@live (LIVE), before main@paper (PAPER)"
    assert (applied["type"], applied["account"], applied["alias"]) == ("ControlApplied", PAPER, "main")
    assert (defined["type"], defined["account"], defined["old_account"]) == ("AliasDefined", LIVE, PAPER)
    assert defined["control_id"] == "c1"
    received = desk.new(account="main", price="185.00", signal_id="s2")
    assert (received["account"], received["venue"]) == (LIVE, "OUT")
    assert desk.sent_to[-1] == "commands.OUT.0"


def test_a_switch_waits_until_nothing_works_and_the_refusal_is_remembered(desk: OrdersDesk) -> None:
    desk.new(account="main", price="184.00")
    [refused] = switch(desk)
    assert (refused["type"], refused["refusal"]) == ("ControlRejected", "orders_work")
    assert refused["text"] == "alias main: 1 orders of main@paper work; cancel them first"
    desk.accept(account=3)
    desk.cancel(account="main", orig_client_order_id="s1")
    [refused] = switch(desk, control_id="c2")
    assert refused["refusal"] == "orders_work", "the venue has not canceled it yet"
    desk.canceled(account=3)
    [again] = switch(desk)
    assert (again["type"], again["refusal"]) == ("ControlReported", "orders_work")
    assert switch(desk, control_id="c3")[0]["type"] == "ControlApplied"


def test_orders_of_the_account_that_it_is_to_point_to_count_and_so_do_those_in_the_desk(desk: OrdersDesk) -> None:
    special = {"effective_after_ms": 60_000}
    desk.fold({b"data": orjson.dumps(new_order(account=LIVE, price="184.00", special=special))})
    [refused] = switch(desk)
    assert refused["text"] == "alias main: 1 orders of main@live work; cancel them first"


@pytest.mark.parametrize(
    ("fields", "refusal", "text"),
    [
        ({"to": "default"}, "unknown_account", "to: default must be an account of main, one of main@live, main@paper"),
        ({"to": "main@none"}, "unknown_account", "to: main@none must be an account of main"),
        ({"alias": "default"}, "no_alias", "account: default is an account, and no alias to be switched"),
        ({"alias": PAPER}, "no_alias", f"account: {PAPER} is an account, and no alias to be switched"),
    ],
)
def test_what_cannot_be_switched_is_refused(desk: OrdersDesk, fields: dict[str, str], refusal: str, text: str) -> None:
    [refused] = switch(desk, **fields)
    assert (refused["type"], refused["refusal"]) == ("ControlRejected", refusal)
    assert refused["text"].startswith(text)


def test_an_alias_that_is_none_is_dead(desk: OrdersDesk) -> None:
    document = {
        "type": "SwitchAlias", "v": 1, "control_id": "c", "who": "me", "reason": "x", "account": "mian", "to": LIVE
    }  # fmt: skip
    assert desk.dead_letter({b"control": orjson.dumps(document)})["reason"] == "unknown_account"


def test_a_switch_stands_over_a_restart_and_a_new_file_until_it_is_reset(desk: OrdersDesk) -> None:
    switch(desk)
    assert orjson.loads(desk.stage.snapshot())["switched"] == {"main": LIVE}
    offered = desk.restarted(but(ALIASED, retention_ms=1))
    assert offered is not None
    desk.fold(offered)
    assert desk.new(account="main", price="185.00")["account"] == LIVE
    desk.fold({b"frame.OUT": report(ReportType.REJECTED, 1, account=4)})
    _, defined = switch(desk, None, "c2")
    assert (defined["account"], defined["old_account"]) == (PAPER, LIVE)
    assert b"switched" not in desk.stage.snapshot()
    [applied] = switch(desk, PAPER, "c3")
    assert applied["text"] == "alias main: points to main@paper already"
    assert orjson.loads(desk.stage.snapshot())["switched"] == {"main": PAPER}, "and stays there, whatever a file says"
    assert desk.fold({b"config": but(ALIASED, aliases={"main": LIVE}).to_json()}) == []


def test_a_file_moves_no_alias_under_working_orders_and_takes_no_account_from_a_switched_one(desk: OrdersDesk) -> None:
    desk.new(account="main", price="184.00")
    letter = desk.dead_letter({b"config": but(ALIASED, aliases={"main": LIVE}).to_json()})
    assert (letter["reason"], letter["text"]) == (
        "orders_work",
        "aliases.main: main@live cannot replace main@paper while 1 of main@paper and 0 of main@live work",
    )
    desk.accept(account=3)
    desk.canceled(account=3)
    switch(desk)
    lost = {name: terms for name, terms in ACCOUNTS.items() if name != LIVE}
    letter = desk.dead_letter({b"config": but(ALIASED, accounts=lost).to_json()})
    assert letter["reason"] == "override_conflict"
    assert letter["text"].startswith("aliases.main: was switched to main@live, which must stay an account")


def test_positions_stay_where_they_are_and_are_told(desk: OrdersDesk) -> None:
    desk.new(account="main", price="185.00", quantity="100")
    desk.fill(100, account=3)
    applied, _ = switch(desk)
    assert applied["text"].endswith(", which keeps its 1 open positions")
    refused = desk.instruct(
        {
            "type": "ClosePosition", "v": 1, "signal_id": "x", "client_order_id": "x", "account": "main",
            "symbol": "AAPL", "quantity": None, "order_type": None, "price": None, "time_in_force": None,
            "strategy": None, "position_id": None, "signal_time": 1,
        }
    )  # fmt: skip
    assert (refused["type"], refused["account"]) == ("SignalRefused", LIVE), "the other one holds nothing"


# --------------------------------------------------------------------------------------------- the same again, after it


def test_a_signal_that_comes_again_after_a_switch_is_answered_with_the_first_order(desk: OrdersDesk) -> None:
    first = one_done(desk)
    switch(desk)
    told = desk.status(account="main", client_order_id="s1", request="NewOrder")
    assert (told["type"], told["order_id"], told["account"], told["alias"]) == (
        "OrderStatusReported", first["order_id"], PAPER, "main",
    )  # fmt: skip
    told = desk.new(account="main", price="184.00", client_order_id="s1", signal_id="another")
    assert (told["type"], told["order_id"], told["account"]) == ("OrderStatusReported", first["order_id"], PAPER)
    received = desk.new(account=LIVE, price="184.00", client_order_id="s1", signal_id="own")
    assert received["type"] == "OrderReceived", "the account by its own name has ids of its own"


def test_a_request_by_the_alias_finds_an_order_in_whichever_of_its_accounts_it_is(desk: OrdersDesk) -> None:
    first = one_done(desk)
    switch(desk)
    late = desk.cancel(account="main", order_id=first["order_id"])
    assert (late["reason"], late["account"], late["alias"]) == ("too_late", PAPER, "main")
    late = desk.replace(account="main", orig_client_order_id="s1", quantity="5")
    assert (late["reason"], late["account"]) == ("too_late", PAPER)
    stranger = desk.new(account="default", price="184.00", signal_id="s9")
    refused = desk.cancel(account="main", order_id=stranger["order_id"])
    assert (refused["reason"], refused["account"]) == ("unknown_order", "default"), "as of any other account"


# ----------------------------------------------------------------------------------------------------------- controls


def test_what_an_operator_says_of_an_alias_is_of_the_account_that_trades_under_it(desk: OrdersDesk) -> None:
    applied, *_ = desk.control("Halt", control_id="h1", account="main")
    assert (applied["type"], applied["account"], applied["alias"]) == ("ControlApplied", PAPER, "main")
    assert desk.new(account=PAPER, price="185.00")["reason"] == "trading_halted"
    switch(desk)
    assert desk.new(account="main", price="185.00", signal_id="s2")["type"] == "OrderReceived"
    [again] = desk.control("Halt", control_id="h1", account="main")
    assert again["type"] == "ControlReported", "by its name as it was sent"


# -------------------------------------------------------------------------------------------------------------- modes


def test_no_order_goes_to_a_venue_of_the_other_mode(desk: OrdersDesk) -> None:
    refused = desk.instruct(new_order(account=PAPER, price="185.00", special={"venue": "OUT"}))
    assert (refused["reason"], refused["text"]) == (
        "wrong_mode", "account: main@paper is PAPER, and its order would go to OUT, which is not simulated",
    )  # fmt: skip
    refused = desk.instruct(new_order(account=LIVE, price="185.00", signal_id="s2", special={"venue": "SIM"}))
    assert refused["text"] == "account: main@live is LIVE, and its order would go to SIM, which is simulated"
    assert not desk.commands
    received = desk.instruct(new_order(price="185.00", signal_id="s3", special={"venue": "OUT"}))
    assert received["venue"] == "OUT", "an account without a mode goes wherever there is a venue"


def test_aliases_are_those_of_the_partition() -> None:
    topology = Topology(3)
    own = topology.account_partition("main")
    for partition in range(3):
        made = OrdersDesk(ALIASED, topology, partition)
        assert bool(made.stage._state.aliases.points) == (partition == own)
    elsewhere = OrdersDesk(ALIASED, topology, (own + 1) % 3)
    assert elsewhere.dead_letter({b"data": orjson.dumps(new_order(account="main"))})["reason"] == "wrong_partition"
