"""What accounts are worth and exposed to, as analytics shows it."""

from __future__ import annotations

from decimal import Decimal as D
from pathlib import Path
from typing import Any

import orjson
import pytest

from fillstream.libs.common.messages.codes import AccountType
from fillstream.services.analytics.sinks.store import Store
from fillstream.tools.desk_terms import terms_of
from fillstream.tools.preview import Market
from tests.support.orders import CONFIG
from tests.support.stored_desk import stored
from tests.support.terms import account, but, instrument
from tests.support.whole_desk import WholeDesk


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A desk's day: two strategies in two sectors, a target, an exit, a broken limit."""
    default = account(1, D(1_000_000), 10_000, D(0), D(100), account_type=AccountType.MARGIN, max_leverage=D(2))
    instruments = {
        "AAPL": instrument(1, D("0.01"), D(1), sector="tech"),
        "ES": instrument(3, D("0.25"), D(1), multiplier=D(50), sector="index"),
    }
    desk = WholeDesk(but(CONFIG, accounts={"default": default}, instruments=instruments))
    desk.quote(9_999, 10_001)
    desk.quote(40, 41, symbol=3)
    control = {
        "v": 1, "who": "me", "reason": "a test", "account": "default", "type": "AdjustAccount", "control_id": "c",
        "adjustment": "DEPOSIT", "amount": "10000",
    }  # fmt: skip
    desk.sim.fold({b"control": orjson.dumps(control)})
    desk.wait(1_001)
    desk.signal(symbol="AAPL", side="BUY", quantity="30", strategy="one")
    desk.signal(symbol="AAPL", side="SELL", quantity="10", strategy="two")
    desk.signal(type="target", symbol="ES", target="-4", strategy="two")
    desk.signal(type="ProtectPosition", symbol="AAPL", stop_loss="90.00")
    desk.wait(2_000)
    desk.quote(9_499, 9_501)
    desk.wait(2_000)
    return stored(desk, tmp_path)


def ask(store: Store, sql: str) -> list[tuple[Any, ...]]:
    return store.cursor().execute(sql).fetchall()


def test_exposures_by_every_dimension_add_up_to_the_accounts(store: Store) -> None:
    [(equity, gross, net, open_positions)] = ask(
        store, "SELECT equity, gross_exposure, net_exposure, open_positions FROM account_values"
    )
    assert open_positions == 2
    assert equity < 10_000
    for dimension in ("symbol", "sector", "currency"):
        [sums] = ask(
            store, f"SELECT sum(gross_exposure), sum(net_exposure) FROM exposures WHERE dimension = '{dimension}'"
        )
        assert sums == (gross, net), dimension
    rows = ask(
        store, "SELECT name, net_exposure, open_positions FROM exposures WHERE dimension = 'sector' ORDER BY name"
    )
    assert [(name, count) for name, _, count in rows] == [("index", 1), ("tech", 1)]
    rows = ask(
        store,
        "SELECT name, net_exposure, net_pnl FROM exposures WHERE dimension = 'strategy' ORDER BY name",
    )
    assert [name for name, _, _ in rows] == ["one", "two"]
    assert sum(exposure for _, exposure, _ in rows) == net
    [(pnl,)] = ask(store, "SELECT sum(net_pnl) FROM exposures WHERE dimension = 'symbol'")
    assert sum(each for _, _, each in rows) == pnl == equity - 10_000


def test_exposures_in_inverse_contracts_are_in_what_they_settle_in(tmp_path: Path) -> None:
    """Contracts of 100: 30 bought and 10 sold at 100 by two strategies, and a market at 80 then."""
    default = account(1, D(1_000_000), 10_000, D(0), D(2_000), max_leverage=D(2), currency="BTC")
    perp = instrument(1, D("0.01"), D(1), D(100), inverse=True, currency="BTC", sector="perps", taker_fee_bps=D(10))
    desk = WholeDesk(but(CONFIG, accounts={"default": default}, instruments={"PERP": perp}))
    desk.quote(10_000, 10_000)
    desk.signal(symbol="PERP", side="BUY", quantity="30", price="100", strategy="one")
    desk.signal(symbol="PERP", side="SELL", quantity="10", price="100", strategy="two")
    desk.quote(8_000, 8_000)
    desk.wait(2_000)
    store = stored(desk, tmp_path)
    [sums] = ask(store, "SELECT cash_balance, equity, long_exposure, short_exposure FROM account_values")
    assert sums == (D("-0.04"), D("-5.04"), D(25), D(0)), "2000 / 80 - 2000 / 100 lost, and 10 bps of 40 are fees"
    found = "SELECT name, long_exposure, short_exposure, net_pnl FROM exposures WHERE dimension = {} ORDER BY name"
    assert ask(store, found.format("'symbol'")) == [("PERP", D(25), D(0), D("-5.04"))]
    assert ask(store, found.format("'strategy'")) == [
        ("one", D("37.5"), D(0), D("-7.53")),
        ("two", D(0), D("12.5"), D("2.49")),
    ]
    costs = ask(store, "SELECT notional, fee_estimate, fees FROM costs ORDER BY notional")
    assert costs == [(D(10), D("0.01"), D("0.01")), (D(30), D("0.03"), D("0.03"))]

    def rows(sql: str) -> list[dict[str, Any]]:
        found = store.cursor().execute(sql)
        return [dict(zip([each[0] for each in found.description], row, strict=True)) for row in found.fetchall()]

    known = terms_of(rows, "PERP", "default", None)
    assert known.instrument.inverse
    assert [*known.traded.values()] == [D(40)], "what tiers count"
    assert (known.market.bid_px, known.market.ask_px) == (D(80), D(80))
    sees = Market(bid_px="70", ask_px="71")
    assert terms_of(rows, "PERP", "default", None, {known.venue: sees}).market == sees, "who asks sees the newest"
    assert terms_of(rows, "PERP", "default", None, {"ELSEWHERE": sees}).market == known.market


def test_the_newest_word_on_targets_and_exits(store: Store) -> None:
    assert ask(store, "SELECT symbol, target_status, target_qty, held_qty FROM targets") == [
        ("ES", "REACHED", D(-4), D(-4))
    ]
    assert ask(store, "SELECT symbol, exit_status, stop_px FROM exits") == [("AAPL", "ARMED", D(90))]
    assert ask(store, "SELECT count(*) FROM risk_limits") == [(0,)]
