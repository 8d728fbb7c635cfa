"""Aliases that are switched under trading clients, through any schedule of crashes: who trades, and the books agree."""

from __future__ import annotations

import os
import random
from collections import Counter
from typing import Any

import orjson
import pytest

from fillstream.libs.common.messages.codes import AccountMode
from fillstream.libs.common.messages.reference import VenueTerms
from fillstream.libs.common.messages.topology import SIM
from tests.support.simulated_desk import CONFIG, SLOW, SimulatedDesk
from tests.support.terms import but

SEEDS = int(os.environ.get("SIMULATION_SEEDS", "1000")) // 20 or 1
CHUNK = 10
PAPER, LIVE, GOLD = "main@paper", "main@live", "gold"
HOMES = {PAPER: SIM, LIVE: "SIM2"}
TERMS = CONFIG.accounts["default"]
ALIASED = but(
    CONFIG,
    accounts=dict(CONFIG.accounts)
    | {
        PAPER: but(TERMS, id=11, venue=SIM, mode=AccountMode.PAPER),
        LIVE: but(TERMS, id=12, venue="SIM2"),
        GOLD: but(TERMS, id=13, mode=AccountMode.LIVE),
    },
    venues={SIM: VenueTerms(), "SIM2": VenueTerms(taker_fee_bps="1.5")},
    aliases={"main": PAPER},
)
"""All venues are simulated, so that engines answer: `gold`, which is LIVE, never trades."""
WHO = ("main", "main", "main", PAPER, LIVE, "default", GOLD)


class Switched(SimulatedDesk):
    """A desk whose clients trade by an alias, which its operator switches to and fro."""

    def control(self, dice: random.Random) -> None:
        """Cancel all that the alias's accounts have and switch it, or do one without the other."""
        head = {"v": 1, "who": "operator", "reason": "a test", "account": "main"}
        if dice.random() < 0.6:
            for account in HOMES:
                fields = {
                    "type": "CancelAll",
                    "signal_id": f"a{self.sent}-{len(self.told)}-{account}",
                    "account": account,
                }
                self.redis.add(self.topology.signals, {name.encode(): each.encode() for name, each in fields.items()})
        to = dice.choice((PAPER, LIVE, LIVE, None, "default"))
        document = {**head, "control_id": f"w{len(self.told)}", "type": "SwitchAlias"} | ({"to": to} if to else {})
        data = dice.choice(self.told)[1] if self.told and dice.random() < 0.1 else orjson.dumps(document)
        self.told.append(("main", data))
        self.redis.add(self.topology.orders(self.topology.account_partition("main")), {b"control": data})

    def order(self) -> dict[bytes, bytes]:
        """Most are sent by the alias, and few rest for long: else nothing would ever be switched."""
        assert self.operator is not None
        fields = super().order()
        if fields[b"account"] != b"nobody":
            fields[b"account"] = self.operator.choice(WHO).encode()
        if self.operator.random() < 0.9:
            fields[b"time_in_force"] = b"IOC"
        return fields

    def change(self) -> dict[bytes, bytes]:
        """A cancel or an amendment, by the alias or by an account."""
        assert self.operator is not None
        return super().change() | {b"account": self.operator.choice(WHO).encode()}


def check(desk: Switched, seen: Counter[str]) -> None:
    """Follow the journal: who the alias was at each event, and that nothing worked when it was switched."""
    points: dict[str, str] = {}
    working: dict[str, str] = {}
    owner: dict[str, str] = {}
    for event in desk.journal(desk.topology.account_partition("main")):
        kind, account = event["type"], event.get("account")
        if kind == "AliasDefined":
            assert event["old_account"] == points.get("main")
            assert not {each for each in working.values() if each in HOMES}, f"{event['seq']}: orders work"
            points[event["alias"]] = account
            seen["switched"] += event["old_account"] is not None
        if kind in ("OrderReceived", "OrderRejected") and "alias" in event:
            assert (event["alias"], account) == ("main", points["main"])
            seen[f"by alias {account}"] += 1
        if kind == "OrderReceived":
            assert account != GOLD
            assert event["venue"] == HOMES.get(account, event["venue"])
            working[event["order_id"]] = owner[event["order_id"]] = account
        if kind == "OrderStatusReported" and owner.get(event["order_id"]) not in (None, points["main"]):
            seen["answered by the first"] += "alias" in event
        if event.get("order_id") in owner and event.get("side"):
            assert owner[event["order_id"]] == account, "an order stays its account's"
            if event["ord_status"] in ("Filled", "Canceled", "Rejected", "Expired"):
                working.pop(event["order_id"], None)
        if kind == "ControlRejected":
            seen[event["refusal"]] += 1
        if kind == "OrderRejected" and event["reason"] == "wrong_mode":
            seen["wrong_mode"] += account == GOLD


@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_an_alias_is_switched_only_while_nothing_works_and_everything_is_somebodys(first: int) -> None:
    seen: Counter[str] = Counter()
    for seed in range(first, min(SEEDS, first + CHUNK)):
        more: dict[str, Any] = {"simulation": SLOW} if seed % 2 else {}
        desk = Switched(seed, accounts=1 + seed % 3, symbols=1 + seed % 2, controls=True, config=ALIASED, **more)
        try:
            desk.run(steps=300)
            desk.pass_time(3_000)
            found = desk.audit()
            desk.check_contracts()
            check(desk, seen)
        except Exception as error:
            raise AssertionError(f"seed {seed}") from error
        assert found.agrees, f"seed {seed}: {found.problems[:5]}"
    wanted = {"switched", f"by alias {PAPER}", f"by alias {LIVE}", "orders_work", "unknown_account", "wrong_mode"}
    assert {name for name, count in seen.items() if count} >= wanted, seen
