"""The signals stage as a specification: what becomes of a signal, and what each wrong one is told."""

import json
from decimal import Decimal
from hashlib import blake2b
from typing import Any

import orjson
import pytest

from fillstream.libs.common.messages.bad_entry import BadEntry
from fillstream.libs.common.messages.codes import DEFAULT_ACCOUNT
from fillstream.libs.common.messages.signals import (
    LINKS,
    SIGNALS,
    CancelOrder,
    Links,
    NewOrder,
    RefuseSignal,
    ReplaceOrder,
    ReportStatus,
    instructed,
)
from fillstream.libs.common.messages.special_terms import AMENDABLE, SPECIAL, SpecialTerms
from fillstream.libs.common.messages.topology import Topology, order_id_of, stream_name
from fillstream.libs.common.runtime.stage import Entry, Outputs, Stage, configuration_of, latencies_of
from fillstream.services.order_service.signals import seen
from fillstream.services.order_service.signals.encode import instruction_of
from fillstream.services.order_service.signals.seen import IDEMPOTENCY_MS
from fillstream.services.order_service.signals.snapshot import dump, load
from fillstream.services.order_service.signals.stage import SignalsStage

KINDS = " or ".join(", ".join(SIGNALS).rsplit(", ", 1))
T0 = 1_700_000_000_000
BUY = {"symbol": "AAPL", "side": "BUY", "quantity": "100"}
CONTRACTS = {"NewOrder": NewOrder, "CancelOrder": CancelOrder, "ReplaceOrder": ReplaceOrder}


class SignalsDesk:
    """A signals stage with its outputs; time is the caller's."""

    def __init__(self, partitions: int = 1) -> None:
        self.topology = Topology(account_partitions=partitions)
        self.stage = SignalsStage(self.topology)
        self.count = 0

    def put(self, fields: dict[bytes, bytes], ms: int = T0) -> tuple[str, dict[str, Any]]:
        """Fold one entry; return the stream and the instruction, which keeps the contract."""
        self.count += 1
        out = Outputs("signals", self.stage.inbox)
        entry = Entry(f"{ms}-{self.count}", ms, fields)
        out.begin(entry)
        self.stage.fold(entry, out)
        [(stream, (kind, [payload]))] = out.by_stream.items()
        assert kind == b"data"
        instruction = orjson.loads(payload)
        if instruction["type"] == "RefuseSignal":
            RefuseSignal.model_validate(instruction)
            assert instruction["entry_id"] == entry.id
            assert stream == stream_name("orders", self.topology.account_partition(instruction["account"]))
            raise BadEntry(instruction["reason"], instruction["text"])
        check(instruction, ms)
        return stream, instruction

    def flat(self, signal: dict[str, Any], ms: int = T0) -> dict[str, Any]:
        return self.put({name.encode(): str(value).encode() for name, value in signal.items()}, ms)[1]

    def json(self, document: str | dict[str, Any], ms: int = T0) -> dict[str, Any]:
        text = document if isinstance(document, str) else json.dumps(document)
        return self.put({b"data": text.encode()}, ms)[1]

    def refuses(self, fields: dict[bytes, bytes] | dict[str, Any], ms: int = T0) -> tuple[str, str]:
        """Fold an entry that must be bad; nothing changes but the answer."""
        before = self.stage.snapshot()
        with pytest.raises(BadEntry) as caught:
            if any(isinstance(name, bytes) for name in fields):
                self.put(fields, ms)
            else:
                self.flat(fields, ms)
        after = load(self.stage.snapshot())
        assert dump(after._replace(refused=load(before).refused)) == before
        return caught.value.reason, caught.value.text


def check(instruction: dict[str, Any], ms: int) -> None:
    """Assert that an instruction has every field of its contract and nothing but signal_time besides."""
    assert instruction["signal_time"] == ms
    if instruction["type"] == "ReportStatus":
        ReportStatus.model_validate(instruction)
        assert set(instruction) == set(ReportStatus.model_fields)
        return
    model = CONTRACTS[instruction["type"]]
    links, special = instruction.get("links", {}), instruction.get("special", {})
    assert set(instruction) - {"links", "special"} == {*instructed(model), "signal_time"} - {*LINKS, *SPECIAL}
    if "links" in instruction:
        Links.model_validate(links)
        assert any(links.values()), "a plain order has none"
    if "special" in instruction:
        SpecialTerms.model_validate(special)
        assert all(special.values()), "what is not said is not there"
    signal = {**instruction, **{name: value for name, value in links.items() if value is not None}, **special}
    added = ("signal_time", "links", "special")
    model.model_validate({name: value for name, value in signal.items() if name not in added})
    assert not any(isinstance(value, float) for value in instruction.values())


@pytest.fixture
def desk() -> SignalsDesk:
    return SignalsDesk()


def test_the_stage_has_the_shape_of_a_stage() -> None:
    stage: Stage = SignalsStage(Topology(prefix="dev_"))
    assert (stage.name, stage.partition, stage.inbox, stage.tick_ms) == ("signals", 0, "signals", None)
    assert configuration_of(stage) is None


def test_the_shortest_signal_becomes_an_order_with_every_field(desk: SignalsDesk) -> None:
    assert desk.flat(BUY) == {
        "type": "NewOrder",
        "v": 1,
        "signal_id": f"{T0}-1",
        "client_order_id": f"{T0}-1",
        "account": DEFAULT_ACCOUNT,
        "symbol": "AAPL",
        "side": "BUY",
        "quantity": "100",
        "order_type": None,
        "price": None,
        "time_in_force": None,
        "strategy": None,
        "confidence": None,
        "signal_time": T0,
    }


def test_an_instruction_begins_with_its_type_and_version(desk: SignalsDesk) -> None:
    assert list(desk.flat(BUY))[:2] == ["type", "v"]


def test_a_full_signal_keeps_what_it_says_with_exact_numbers(desk: SignalsDesk) -> None:
    instruction = desk.json(
        '{"signal_id": "s1", "symbol": "BTCUSDT", "side": "sell", "quantity": 0.10, "price": 6.012345e4, '
        '"order_type": "limit", "time_in_force": "ioc", "account": "alpha", "strategy": "momo", "confidence": 0.830}'
    )
    assert instruction["client_order_id"] == "s1"
    assert (instruction["side"], instruction["order_type"], instruction["time_in_force"]) == ("SELL", "LIMIT", "IOC")
    assert (instruction["quantity"], instruction["price"]) == ("0.1", "60123.45")
    assert instruction["confidence"] == "0.83"


def test_a_cancel_and_an_amendment_pass_through(desk: SignalsDesk) -> None:
    cancel = desk.flat({"type": "CancelOrder", "order_id": 7})
    assert (cancel["type"], cancel["order_id"], cancel["orig_client_order_id"]) == ("CancelOrder", "7", None)
    replace = desk.flat({"type": "ReplaceOrder", "orig_client_order_id": "c1", "price": "-0.50"})
    assert (replace["type"], replace["quantity"], replace["price"]) == ("ReplaceOrder", None, "-0.5")


def test_a_null_counts_as_absent(desk: SignalsDesk) -> None:
    assert desk.json(BUY | {"account": None, "signal_id": None, "price": None})["account"] == DEFAULT_ACCOUNT
    assert desk.refuses({b"data": b'{"symbol": null}'})[0] == "missing_field"


# ------------------------------------------------------------------------------------------------------- routing


def test_orders_go_to_their_accounts_partition_and_commands_on_orders_to_the_orders() -> None:
    desk = SignalsDesk(partitions=4)
    accounts = {desk.topology.account_partition(f"a{i}"): f"a{i}" for i in range(40)}
    assert set(accounts) == {0, 1, 2, 3}
    for partition, account in accounts.items():
        inbox = f"orders.{partition}"
        order = BUY | {"account": account}
        assert desk.put({k.encode(): v.encode() for k, v in order.items()})[0] == inbox
        by_name = {b"type": b"CancelOrder", b"account": account.encode(), b"orig_client_order_id": b"c"}
        assert desk.put(by_name)[0] == inbox
        number = str(order_id_of(partition, 5)).encode()
        by_number = {b"type": b"CancelOrder", b"order_id": number, b"signal_id": b"s" + number}
        assert desk.put(by_number)[0] == inbox
        again = desk.put(by_number)
        assert (again[0], again[1]["type"]) == (inbox, "ReportStatus")


def test_an_order_id_of_a_partition_that_is_not_there_is_refused() -> None:
    number = order_id_of(4, 1)
    assert SignalsDesk(partitions=4).refuses({"type": "CancelOrder", "order_id": number}) == (
        "unknown_partition",
        f"order_id: {number} is of account partition 4, this desk has 0 to 3",
    )


# --------------------------------------------------------------------------------------------------- idempotency


def test_the_same_signal_again_is_answered_and_not_repeated(desk: SignalsDesk) -> None:
    assert desk.flat(BUY | {"signal_id": "s1"})["type"] == "NewOrder"
    assert desk.json('{"symbol":"AAPL","side":"buy","quantity":1e2,"signal_id":"s1"}', T0 + 5) == {
        "type": "ReportStatus",
        "v": 2,
        "request": "NewOrder",
        "signal_id": "s1",
        "account": DEFAULT_ACCOUNT,
        "order_id": None,
        "client_order_id": "s1",
        "signal_time": T0 + 5,
    }
    assert desk.stage.gauges() == {
        "signals": {"accepted": 1, "duplicate": 1, "refused": 0},
        "ids_remembered": {"": 1},
        "ids_capacity": {"": 10_000_000},
    }


def test_every_repetition_is_counted() -> None:
    desk = SignalsDesk()
    for _ in range(4):
        desk.flat({**BUY, "signal_id": "again"})
    assert desk.stage.gauges()["signals"] == {"accepted": 1, "duplicate": 3, "refused": 0}
    assert latencies_of(desk.stage) is None, "a signal is no fill"


def test_a_cancel_by_number_again_asks_for_the_state_of_that_order(desk: SignalsDesk) -> None:
    cancel = {"type": "CancelOrder", "signal_id": "c1", "order_id": "7"}
    desk.flat(cancel)
    again = desk.flat(cancel)
    assert (again["type"], again["order_id"], again["client_order_id"]) == ("ReportStatus", "7", None)
    assert again["request"] == "CancelOrder"


def test_a_cancel_again_asks_for_the_state_of_the_order_it_named(desk: SignalsDesk) -> None:
    cancel = {"type": "CancelOrder", "signal_id": "c1", "orig_client_order_id": "o1"}
    desk.flat(cancel)
    assert desk.flat(cancel)["client_order_id"] == "o1"


def test_the_entrys_id_serves_when_a_signal_has_none(desk: SignalsDesk) -> None:
    first = desk.flat(BUY)
    assert desk.flat(BUY)["type"] == "NewOrder", "two signals without an id are two signals"
    assert desk.flat(BUY | {"signal_id": first["signal_id"]})["type"] == "ReportStatus"


@pytest.mark.parametrize("change", [{"quantity": "101"}, {"side": "SELL"}, {"client_order_id": "x"}])
def test_the_same_id_with_another_content_is_refused(desk: SignalsDesk, change: dict[str, str]) -> None:
    desk.flat(BUY | {"signal_id": "s1"})
    assert desk.refuses(BUY | {"signal_id": "s1"} | change) == (
        "duplicate_signal_id",
        "signal_id: 's1' came before with another content; an id stands for one signal of an account for 24 hours",
    )
    assert desk.flat(BUY | {"signal_id": "s1"})["type"] == "ReportStatus", "the first one still stands"


WHO_ASKS: list[dict[str, Any]] = [
    {"symbol": "AAPL", "side": "BUY", "quantity": "100"},
    {"symbol": "AAPL", "side": "BUY", "quantity": "100", "price": "190", "stop_loss": "180"},
    {"type": "CancelOrder", "order_id": "1"},
    {"type": "ReplaceOrder", "order_id": "1", "quantity": "5"},
    {"type": "ClosePosition", "symbol": "AAPL"},
    {"type": "CancelAll"},
    {"type": "Prediction", "symbol": "AAPL", "move": "BUY"},
    {"type": "NewOrderList", "orders": [{"symbol": "AAPL", "side": "BUY", "quantity": "1"}]},
    {"type": "CancelOrderList", "list_id": "l"},
    {"type": "PauseOrder", "order_id": "1"},
    {"type": "ResumeOrder", "order_id": "1"},
    {"type": "ProtectPosition", "symbol": "AAPL", "stop_loss": "180"},
    {"type": "CancelProtection", "symbol": "AAPL"},
    {"type": "SetTarget", "symbol": "AAPL", "target": "5"},
    {"type": "CancelTarget", "symbol": "AAPL"},
]


@pytest.mark.parametrize("said", WHO_ASKS, ids=lambda said: said.get("type", "plain"))
def test_who_asks_changes_no_byte_of_what_is_sent_on(said: dict[str, Any]) -> None:
    bare = orjson.dumps(instruction_of(said, "1-0"))
    assert b'"who"' not in bare
    for who in ("anna", None, "user:a/b"):
        assert orjson.dumps(instruction_of({**said, "who": who}, "1-0")) == bare
    for wrong in ("a b", "", 5, ["anna"], True):
        with pytest.raises(BadEntry) as refused:
            instruction_of({**said, "who": wrong}, "1-0")
        assert (refused.value.reason, refused.value.text[:5]) == ("bad_value", "who: ")


def test_every_kind_of_signal_may_say_who_asks_and_none_lists_it_among_what_a_client_says() -> None:
    assert {said.get("type", "NewOrder") for said in WHO_ASKS} == {*SIGNALS}
    for kind, model in SIGNALS.items():
        assert "who" in model.model_fields
        with pytest.raises(BadEntry) as refused:
            instruction_of({"type": kind, "nothing": "x"}, "1-0")
        assert "who" not in refused.value.text


def test_an_id_is_its_accounts(desk: SignalsDesk) -> None:
    for account in ("alice", "bob"):
        assert desk.flat(BUY | {"signal_id": "1", "account": account})["type"] == "NewOrder"
    for account in ("alice", "bob"):
        assert desk.flat(BUY | {"signal_id": "1", "account": account})["type"] == "ReportStatus"
    assert desk.refuses(BUY | {"signal_id": "1", "account": "bob", "side": "SELL"})[0] == "duplicate_signal_id"


def test_what_an_older_release_remembered_is_known_by_the_id_alone_for_its_day(desk: SignalsDesk) -> None:
    """Its digests are of ids without accounts, and cannot be made anew."""
    signal = BUY | {"signal_id": "1", "account": "alice"}
    content = blake2b(orjson.dumps(instruction_of(dict(signal), "1-0")), digest_size=seen.CONTENT_BYTES).digest()
    widths = {"count": 1, "key_bytes": 16, "ms_bytes": 8, "content_bytes": 8}
    document = {"version": 2, "accepted": 1, "duplicate": 0, "forgotten_early": 0, "seen": widths}
    digest = blake2b(b"1", digest_size=seen.KEY_BYTES).digest()
    desk.stage.restore(orjson.dumps(document) + b"\n" + digest + T0.to_bytes(8) + content)
    assert desk.flat(signal, T0 + 1)["type"] == "ReportStatus", "nothing is done twice"
    assert desk.refuses(signal | {"account": "bob"})[0] == "duplicate_signal_id"
    other = SignalsDesk()
    other.stage.restore(desk.stage.snapshot())
    assert other.flat(signal, T0 + 2)["type"] == "ReportStatus", "a snapshot of this release keeps which they are"
    assert other.flat(signal | {"account": "bob"}, T0 + IDEMPOTENCY_MS)["type"] == "NewOrder"
    assert other.stage._seen.unscoped == 0


def test_an_id_is_remembered_for_a_day_of_log_time(desk: SignalsDesk) -> None:
    signal = BUY | {"signal_id": "s1"}
    desk.flat(signal)
    assert desk.flat(signal, T0 + IDEMPOTENCY_MS - 1)["type"] == "ReportStatus"
    assert desk.flat(signal | {"quantity": "7"}, T0 + IDEMPOTENCY_MS)["type"] == "NewOrder"
    assert len(desk.stage._seen) == 1


def test_forgetting_costs_what_is_forgotten(desk: SignalsDesk) -> None:
    for i in range(50):
        desk.flat(BUY | {"signal_id": f"s{i}"}, T0 + i)
    desk.flat(BUY, T0 + IDEMPOTENCY_MS + 9)
    assert desk.stage.gauges()["ids_remembered"][""] == 50 - 10 + 1


def test_beyond_the_limit_a_new_signal_is_refused_and_none_forgotten(
    desk: SignalsDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seen, "MAX_REMEMBERED", 3)
    alice = BUY | {"account": "alice"}
    for i in range(3):
        desk.flat(alice | {"signal_id": f"s{i}"}, T0 + i)
    assert desk.refuses(alice | {"signal_id": "s3"}) == (
        "too_many_ids",
        "signal_id: 3 ids came in 24 hours, the most that can be remembered; 's3' is taken when the oldest has gone",
    )
    cancel = {"type": "CancelOrder", "account": "alice", "signal_id": "c1", "orig_client_order_id": "s1"}
    assert desk.flat(cancel, T0 + 4)["type"] == "CancelOrder", "it takes risk away"
    assert desk.flat(alice | {"signal_id": "s0"}, T0 + 5)["type"] == "ReportStatus", "and s0 was not forgotten"
    assert desk.stage.gauges() == {
        "signals": {"accepted": 3, "duplicate": 1, "refused": 1},
        "ids_remembered": {"": 3},
        "ids_capacity": {"": 3},
    }
    assert desk.flat(alice | {"signal_id": "s3"}, T0 + IDEMPOTENCY_MS)["type"] == "NewOrder"
    assert len(desk.stage._seen) == 3


def test_after_a_quiet_day_ids_go_in_portions(desk: SignalsDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seen, "AT_ONCE", 4)
    for i in range(10):
        desk.flat(BUY | {"signal_id": f"s{i}"}, T0 + i)
    later = T0 + 2 * IDEMPOTENCY_MS
    for n, i in enumerate((9, 8, 7)):
        assert desk.flat(BUY | {"signal_id": f"s{i}"}, later + n)["type"] == "NewOrder", "one that is stale is new"
    assert len(desk.stage._seen) == 3
    other = SignalsDesk()
    other.stage.restore(desk.stage.snapshot())
    assert other.flat(BUY | {"signal_id": "s9"}, later + 9)["type"] == "ReportStatus"


def test_a_snapshot_is_the_whole_state(desk: SignalsDesk) -> None:
    for i in range(20):
        desk.flat(BUY | {"signal_id": f"s{i}"}, T0 + i)
    other = SignalsDesk()
    other.stage.restore(desk.stage.snapshot())
    assert other.stage.snapshot() == desk.stage.snapshot()
    assert other.stage.gauges() == desk.stage.gauges()
    assert other.flat(BUY | {"signal_id": "s3"})["type"] == "ReportStatus"
    assert other.flat(BUY | {"signal_id": "s3", "quantity": 1}, T0 + IDEMPOTENCY_MS + 3)["type"] == "NewOrder"


def test_an_empty_snapshot_is_one_too(desk: SignalsDesk) -> None:
    other = SignalsDesk()
    other.stage.restore(desk.stage.snapshot())
    assert other.stage.snapshot() == desk.stage.snapshot()


# ----------------------------------------------------------------------------------------------------- bad input


def askable(value: object) -> str:
    """Name a case so that it can be asked for on a command line: pytest escapes backslashes, once more each time."""
    return ascii(value).replace("\\", "/")


PATTERN = "must match ^[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,63}$"


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"side": "HOLD"}, "side: 'HOLD' must be BUY or SELL"),
        ({"quantity": "-1"}, "quantity: '-1' must be above 0"),
        ({"quantity": "0"}, "quantity: '0' must be above 0"),
        ({"quantity": "NaN"}, "quantity: 'NaN' must be a finite number"),
        ({"quantity": "inf"}, "quantity: 'inf' must be a finite number"),
        ({"quantity": "1e400"}, "quantity: '1e400' has too many digits, at most 24"),
        ({"quantity": "1e-400"}, "quantity: '1e-400' has too many digits, at most 24"),
        ({"quantity": "1e999999999999999999999"}, "quantity: '1e999999999999999999999' must be a decimal number"),
        ({"quantity": "1_000"}, "quantity: '1_000' must be a decimal number in the digits 0 to 9, without separators"),
        ({"price": "\u0665"}, "price: '\\u0665' must be a decimal number in the digits 0 to 9, without separators"),
        ({"side": "\u017fell"}, "side: '\\u017fell' must be BUY or SELL"),
        ({"quantity": "ten"}, "quantity: 'ten' must be a decimal number"),
        ({"quantity": ""}, "quantity: '' must be a decimal number"),
        ({"price": "1" * 100}, f"price: '{'1' * 80}'... has too many digits, at most 24"),
        ({"symbol": "A B"}, f"symbol: 'A B' {PATTERN}"),
        ({"symbol": "A\n"}, f"symbol: 'A\\n' {PATTERN}"),
        ({"account": ""}, f"account: '' {PATTERN}"),
        ({"signal_id": "ü"}, "signal_id: '\\xfc' must match ^[\\x21-\\x7e]{1,128}$"),
        (
            {"order_type": "HIDDEN"},
            "order_type: 'HIDDEN' must be MARKET, LIMIT, STOP, STOP_LIMIT, TRAILING_STOP, MARKET_TO_LIMIT, "
            "MARKET_IF_TOUCHED or LIMIT_IF_TOUCHED",
        ),
        ({"order_type": "STOP"}, "stop_price: a STOP order needs one"),
        ({"order_type": "TRAILING_STOP"}, "trailing_offset: a TRAILING_STOP order needs one"),
        ({"order_type": "LIMIT", "price": 1, "stop_price": 1}, "stop_price: a LIMIT order has none, got 1"),
        (
            {"time_in_force": "GTX"},
            "time_in_force: 'GTX' must be DAY, GTC, GTD, IOC, FOK, AT_THE_OPENING or AT_THE_CLOSE",
        ),
        ({"time_in_force": "GTD"}, "expire_time: comes with time_in_force GTD, and a GTD order needs one"),
        ({"expire_time": "1"}, "expire_time: comes with time_in_force GTD, and a GTD order needs one"),
        (
            {"time_in_force": "GTD", "expire_time": "tomorrow"},
            "expire_time: 'tomorrow' must be milliseconds since 1970, or a time as 2026-11-28T21:00:00Z, with its zone",
        ),
        ({"post_only": "yes"}, "post_only: 'yes' must be true or false"),
        ({"post_only": "true"}, "post_only: is for orders that may rest, LIMIT, LIMIT_IF_TOUCHED; this is MARKET"),
        (
            {"notional": "5"},
            "quantity: give exactly one of quantity, notional, risk_amount, equity_percent, risk_percent; "
            "got quantity, notional",
        ),
        (
            {"order_type": "STOP", "stop_price": "1", "time_in_force": "IOC"},
            "time_in_force: a STOP order waits, it may not be IOC",
        ),
        ({"trailing_offset_type": "bps"}, "trailing_offset_type: a MARKET order has no offset"),
        (
            {"order_type": "MARKET_TO_LIMIT", "trigger_price_type": "MID"},
            "trigger_price_type: a MARKET_TO_LIMIT order waits for no price that it is for",
        ),
        ({"effective_after_ms": "0"}, "effective_after_ms: '0' must be at least 1"),
        ({"confidence": "1.1"}, "confidence: '1.1' must be at most 1"),
        ({"confidence": "-0.1"}, "confidence: '-0.1' must be at least 0"),
        ({"confidence": "1e-999999"}, "confidence: '1e-999999' has too many digits, at most 24"),
        ({"v": "2"}, "v: '2' must be at most 1"),
        ({"v": "one"}, "v: 'one' must be a whole number"),
        ({"order_type": "LIMIT"}, "price: a LIMIT order needs one"),
        ({"order_type": "MARKET", "price": "5"}, "price: a MARKET order has none, got 5"),
        ({"side": "HOLD", "quantity": "0"}, "side: 'HOLD' must be BUY or SELL; quantity: '0' must be above 0"),
    ],
    ids=askable,
)
def test_a_bad_value_gets_a_sentence_with_field_value_and_limit(
    desk: SignalsDesk, change: dict[str, str], text: str
) -> None:
    assert desk.refuses(BUY | change) == ("bad_value", text)


@pytest.mark.parametrize(
    ("document", "reason", "text"),
    [
        ('{"quantity": NaN}', "bad_value", "quantity: NaN must be a finite number"),
        ('{"quantity": -Infinity}', "bad_value", "quantity: -Infinity must be a finite number"),
        ('{"quantity": 1e400}', "bad_value", "quantity: 1E+400 has too many digits, at most 24"),
        ('{"quantity": true}', "bad_value", "quantity: True must be a number, not a boolean"),
        ('{"quantity": [1]}', "bad_value", "quantity: a list must be a decimal number"),
        ('{"symbol": 5}', "bad_value", "symbol: 5 must be a string"),
        ('{"symbol": {"a": 1}}', "bad_value", "symbol: an object must be a string"),
        ('{"symbol": "\\ud800"}', "bad_value", "symbol: '\\ud800' must be text without lone surrogates"),
        ('{"v": [1]}', "bad_value", "v: a list must be a whole number"),
        (
            '{"type": ["NewOrder"]}',
            "unknown_type",
            f"type: a list must be {KINDS}",
        ),
        (
            '{"type": "Buy"}',
            "unknown_type",
            f"type: 'Buy' must be {KINDS}",
        ),
        ('{"\\ud800": 5}', "unknown_field", "a field's name: '\\ud800' must be text without lone surrogates"),
        (
            '{"qty": 5}',
            "unknown_field",
            "'qty': a NewOrder has no such field; it has v, type, signal_id, client_order_id, account, symbol, side, "
            "quantity, order_type, price, time_in_force, strategy, confidence, "
            "group_id, position_id and what docs/orders.md adds",
        ),
    ],
    ids=askable,
)
def test_a_bad_document_gets_a_sentence(desk: SignalsDesk, document: str, reason: str, text: str) -> None:
    signal = json.dumps(BUY)[:-1] + ", " + document[1:]
    for name in ("quantity", "symbol"):
        if f'"{name}"' in document:
            signal = signal.replace(f'"{name}": "{BUY[name]}", ', "").replace(f', "{name}": "{BUY[name]}"', "")
    assert desk.refuses({b"data": signal.encode()}) == (reason, text)


def test_a_missing_field_is_named(desk: SignalsDesk) -> None:
    assert desk.refuses({"symbol": "A", "side": "BUY"}) == (
        "missing_field",
        "quantity: is missing, a NewOrder needs it",
    )
    assert desk.refuses({}) == (
        "missing_field",
        "; ".join(f"{name}: is missing, a NewOrder needs it" for name in ("symbol", "side", "quantity")),
    )


def test_every_cause_is_told_and_thousands_are_counted(desk: SignalsDesk) -> None:
    reason, text = desk.refuses({**BUY, "qty": "5", "tif": "DAY", "side": "HOLD"})
    assert reason == "bad_value"
    assert text.startswith("side: 'HOLD' must be BUY or SELL; 'qty': a NewOrder has no such field; it has v, type,")
    assert text.endswith("; 'tif': no such field")
    _, text = desk.refuses({**BUY, **{f"field{n}": "1" for n in range(2000)}})
    assert text.endswith("'field9': no such field; and 1990 more")


@pytest.mark.parametrize(
    ("signal", "text"),
    [
        ({"type": "CancelOrder"}, "order_id: name the order by exactly one of order_id and orig_client_order_id"),
        ({"type": "CancelOrder", "order_id": "0"}, "order_id: '0' must match ^[1-9][0-9]{0,18}$"),
        (
            {"type": "ReplaceOrder", "order_id": "1"},
            f"quantity: an amendment changes one or several of quantity, price, {', '.join(AMENDABLE)}",
        ),
        ({"type": "ReplaceOrder", "order_id": "1", "quantity": "0"}, "quantity: '0' must be above 0"),
    ],
)
def test_bad_cancels_and_amendments(desk: SignalsDesk, signal: dict[str, str], text: str) -> None:
    assert desk.refuses(signal) == ("bad_value", text)


def test_ten_megabytes_broken_text_and_noise_leave_the_next_signal_unharmed(desk: SignalsDesk) -> None:
    assert desk.refuses({b"data": b'{"a": "' + b"x" * 10_000_000 + b'"}'})[0] == "too_large"
    assert desk.refuses({b"symbol": b"\xc3\x28", b"side": b"BUY"})[0] == "bad_utf8"
    assert desk.refuses({b"data": bytes(range(256))})[0] == "bad_utf8"
    assert desk.refuses({b"data": bytes(range(128))})[0] == "bad_json"
    assert desk.flat(BUY)["quantity"] == "100"


def test_a_quantity_at_the_limit_of_digits_is_exact(desk: SignalsDesk) -> None:
    quantity = "123456789012.345678901234"
    assert desk.json(f'{{"symbol": "A", "side": "BUY", "quantity": {quantity}}}')["quantity"] == quantity
    assert Decimal(desk.flat(BUY | {"quantity": "1e23"})["quantity"]) == 10**23


# ------------------------------------------------------------------------------------------- families, and controls


def test_a_plain_order_has_no_links(desk: SignalsDesk) -> None:
    assert "links" not in desk.flat(BUY)


def test_a_signal_may_name_its_group_and_its_position(desk: SignalsDesk) -> None:
    instruction = desk.flat(BUY | {"group_id": "basket-7", "position_id": "p1"})
    assert instruction["links"] == {"parent_id": None, "group_id": "basket-7", "position_id": "p1"}
    assert desk.flat(BUY | {"group_id": "basket-7"})["links"]["position_id"] is None


def test_the_same_id_in_another_group_is_another_signal(desk: SignalsDesk) -> None:
    desk.flat(BUY | {"signal_id": "s1", "group_id": "a"})
    reason, _ = desk.refuses(BUY | {"signal_id": "s1", "group_id": "b"})
    assert reason == "duplicate_signal_id"


@pytest.mark.parametrize(
    ("fields", "reason", "sentence"),
    [
        ({**BUY, "parent_id": "7"}, "unknown_field", "parent_id: is not a signal's to give: the desk writes it into"),
        ({**BUY, "group_id": "a b"}, "bad_value", "group_id: 'a b' must match"),
        (
            {"type": "CancelOrder", "order_id": "1", "group_id": "a"},
            "unknown_field",
            "'group_id': a CancelOrder has no",
        ),
        ({"type": "SetLimits", "who": "me"}, "unknown_type", "type: 'SetLimits' is a control, and no signal asks for"),
        ({"type": "ResetLimits"}, "unknown_type", "type: 'ResetLimits' is a control, and no signal asks for one: the"),
        (
            {**BUY, "control": "{}"},
            "unknown_field",
            "control: is a control, and no signal asks for one: the Redis user",
        ),
    ],
)
def test_what_is_not_a_clients_to_say_is_refused_in_a_sentence(
    desk: SignalsDesk, fields: dict[str, str], reason: str, sentence: str
) -> None:
    said = desk.refuses(fields)
    assert said[0] == reason
    assert sentence in said[1]


@pytest.mark.parametrize(
    ("signal", "told"),
    [
        ({**BUY, "side": "HOLD", "account": "bob", "signal_id": "x"}, "x"),
        ({**BUY, "side": "HOLD", "account": "bob"}, f"{T0}-1"),
        ({"type": "Buy", "account": "bob", "signal_id": "x"}, "x"),
        ({**BUY, "side": "HOLD"}, None),
        ({**BUY, "side": "HOLD", "account": "b b"}, None),
        ({**BUY, "account": "bob", "signal_id": "\u00fc"}, None),
        ({"type": "Halt", "account": "bob"}, None),
    ],
    ids=askable,
)
def test_an_account_that_can_be_told_is_told_and_nothing_else_is_journaled(
    signal: dict[str, Any], told: str | None
) -> None:
    stage, out = SignalsStage(Topology(account_partitions=3)), Outputs("signals", "signals")
    entry = Entry(f"{T0}-1", T0, {name.encode(): value.encode() for name, value in signal.items()})
    out.begin(entry)
    if told is None:
        with pytest.raises(BadEntry):
            stage.fold(entry, out)
        assert out.by_stream == {}
        return
    stage.fold(entry, out)
    [(stream, (_, [payload]))] = out.by_stream.items()
    refused = RefuseSignal.model_validate_json(payload)
    assert stream == stream_name("orders", Topology(account_partitions=3).account_partition("bob"))
    assert (refused.account, refused.signal_id, refused.entry_id) == ("bob", told, entry.id)
    assert stage.gauges()["signals"] == {"accepted": 0, "duplicate": 0, "refused": 1}
    good = Entry(f"{T0}-2", T0, {b"symbol": b"AAPL", b"side": b"BUY", b"quantity": b"1", b"account": b"bob",
                                 b"signal_id": told.encode()})  # fmt: skip
    out.clear()
    out.begin(good)
    stage.fold(good, out)
    assert stage.gauges()["signals"]["accepted"] == 1, "the id is not used up"
