"""A desk through its gateway: the names and answers of the client over Redis, and what a connection may do to them."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx
import orjson
import pytest
from redis.exceptions import ResponseError

from fillstream.client import NoAnswer
from fillstream.client.gateway import GatewayClient, GatewayError, client, streams, wire
from fillstream.client.gateway.streams import Streams
from fillstream.client.gateway.wire import Wire
from tests.support.backtests import settings_with
from tests.support.gateway_desk import HOST, GatewayDesk
from tests.support.gateway_keys import Keys
from tests.support.gateway_wire import Bridge

TOPOLOGY = {"account_partitions": 1, "symbol_partitions": 1, "prefix": "", "venues": ["SIM"]}
KEY = "fk_abcdefghijkl.s3cr3t"


@pytest.fixture
def keys() -> Keys:
    return Keys()


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch, keys: Keys) -> GatewayDesk:
    monkeypatch.setenv("FILLSTREAM_ORDER_PARAMS__RATE_LIMIT_ORDERS", "null")
    found = GatewayDesk(settings_with(monkeypatch, simulation__enabled="false"), keys)
    found.quote(19_000, 19_002)
    return found


@pytest.fixture
def bridge(memory: GatewayDesk) -> Bridge:
    return Bridge(memory.app)


@pytest.fixture
def desk(bridge: Bridge, keys: Keys) -> Iterator[GatewayClient]:
    with GatewayClient(HOST, keys.make("admin")[1], transport=bridge) as found:
        yield found


# ------------------------------------------------------------------------------------------------------------ signals


def test_an_order_is_sent_and_followed_until_it_is_settled(desk: GatewayClient, memory: GatewayDesk) -> None:
    filled = desk.wait_for(desk.signal("AAPL", "BUY", Decimal("10"), signal_id="one"))
    assert (filled.ord_status, filled.refused) == ("Filled", False)
    assert [each["type"] for each in filled.events] == ["OrderReceived", "OrderAccepted", "OrderFilled"]
    resting = desk.wait_for(desk.signal("AAPL", "BUY", 5, price="150.00", client_order_id="mine"))
    assert resting.ord_status == "New"
    gone = desk.wait_for(desk.cancel(client_order_id="mine"))
    assert gone.ord_status == "Canceled"
    assert desk.order("client:default:mine")["ord_status"] == "Canceled"
    assert len(memory.sent) == 3


def test_a_signal_whose_answer_is_lost_is_sent_again_and_trades_once(
    desk: GatewayClient, bridge: Bridge, memory: GatewayDesk
) -> None:
    bridge.loses = 2
    signal_id = desk.signal("AAPL", "BUY", 10)
    sent = [orjson.loads(each.content)["signal_id"] for each in bridge.posts()]
    assert sent == [signal_id] * 3
    assert desk.wait_for(signal_id).ord_status == "Filled"
    assert [row.position for row in desk.open_positions()] == [Decimal(10)]


def test_what_nobody_can_say_is_asked_again_until_the_time_is_over(
    desk: GatewayClient, bridge: Bridge, memory: GatewayDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = {"reason": "outcome_unknown", "detail": "redis: reset; whether x was taken is not known", "status": 503}
    bridge.refuses = [httpx.Response(503, json=away), httpx.Response(502, text="bad gateway")]
    assert desk.wait_for(desk.signal("AAPL", "BUY", 1)).ord_status == "Filled"
    monkeypatch.setattr(client, "SURE_WITHIN_S", 0.12)
    bridge.refuses = [httpx.Response(503, json=away) for _ in range(9)]
    with pytest.raises(GatewayError, match="whether signal mine was taken is not known: send it again") as told:
        desk.signal("AAPL", "BUY", 1, signal_id="mine")
    assert (told.value.reason, told.value.status, told.value.is_away) == ("outcome_unknown", 503, True)
    assert 0 < len(bridge.refuses) < 9


def test_what_never_left_is_not_sent_again_unless_something_did(desk: GatewayClient, bridge: Bridge) -> None:
    bridge.refuses = [httpx.ConnectError("refused")]
    with pytest.raises(GatewayError, match="does not answer: refused") as told:
        desk.signal("AAPL", "BUY", 1)
    assert (told.value.reason, told.value.status) == ("no_answer", None)
    assert len(bridge.posts()) == 1
    bridge.refuses = [httpx.ReadError("reset"), httpx.ConnectError("refused")]
    assert desk.wait_for(desk.signal("AAPL", "BUY", 1)).ord_status == "Filled"
    assert len(bridge.posts()) == 4


def test_a_value_that_no_desk_takes_is_a_sentence_and_nothing_is_sent(desk: GatewayClient, bridge: Bridge) -> None:
    with pytest.raises(ValueError, match="side"):
        desk.signal("AAPL", "HOLD", 1)
    with pytest.raises(ValueError, match="is a float"):
        desk.signal("AAPL", "BUY", 0.5)  # type: ignore[arg-type]
    assert bridge.posts() == []


def test_what_the_desk_refuses_is_an_outcome_and_what_the_key_may_not_an_error(
    desk: GatewayClient, bridge: Bridge, keys: Keys
) -> None:
    refused = desk.wait_for(desk.cancel(order_id=7))
    assert (refused.refused, refused.reason) == (True, "unknown_order")
    with GatewayClient(HOST, keys.make("viewer")[1], transport=Bridge(bridge._asgi.app)) as viewer:
        with pytest.raises(GatewayError) as told:
            viewer.signal("AAPL", "BUY", 1)
        assert (told.value.reason, told.value.status, told.value.is_away) == ("scope_missing", 403, False)
        assert "orders:write" in told.value.text


def test_who_may_not_see_dead_letters_waits_by_the_journal_alone(
    bridge: Bridge, memory: GatewayDesk, keys: Keys
) -> None:
    with GatewayClient(HOST, keys.make("trader", "demo")[1], transport=bridge) as trader:
        assert trader.wait_for(trader.signal("AAPL", "BUY", 1, account="demo")).ord_status == "Filled"
        refused = [each for each in bridge.requests if "dead" in each.url.params.get("after", "")]
        assert len(refused) == 1, "it is asked for once"
        assert [item.message.account for item in trader.follow_fills(after="0", idle_s=0.05)] == ["demo"]


def test_a_signal_that_nobody_hears_of_is_no_answer(desk: GatewayClient, memory: GatewayDesk) -> None:
    memory.is_deaf = True
    with pytest.raises(NoAnswer, match="nothing was heard of signal silent"):
        desk.wait_for(desk.signal("AAPL", "BUY", 1, signal_id="silent"), timeout_s=0.1)


# ----------------------------------------------------------------------------------------------------------- controls


def test_controls_are_sent_in_the_keys_name_and_answered(
    desk: GatewayClient, memory: GatewayDesk, bridge: Bridge
) -> None:
    bridge.loses = 1
    halted = desk.halt("default", reason="news", control_id="h")
    assert halted.refusal is None
    assert {each["control_id"] for each in halted.events} == {"h"}
    assert memory.desk.terms.controls[-1]["who"] == "admin"
    assert desk.reduce(reason="slowly").text.count("REDUCING") == 1
    assert desk.control("Resume", "default", reason="over").refusal is None
    told = desk.set_limits("default", {"max_order_value": Decimal("500.50"), "max_position": None}, reason="less")
    assert [each["type"] for each in told.events] == ["ControlApplied", "AccountDefined"]
    limits = desk.limits()
    assert (limits["max_order_value"], limits.get("max_position")) == ("500.5", None)


def test_a_control_that_is_refused_or_is_none_says_why(desk: GatewayClient) -> None:
    refused = desk.control("Halt", "nobody", reason="x")
    assert (refused.refusal, refused.events[0]["type"]) == ("unknown_account", "DeadLetter")
    with pytest.raises(ValueError, match=r"type: .*Explode.* must be one of"):
        desk.control("Explode", "default", reason="x")
    with pytest.raises(ValueError, match="max_order_value"):
        desk.set_limits("default", {"max_order_value": "-1"}, reason="x")
    with pytest.raises(ValueError, match="is a float"):
        desk.set_limits("default", {"max_order_value": 0.1}, reason="x")
    with pytest.raises(ValueError, match="who: a gateway says it"):
        desk.control("Halt", "default", who="me", reason="x")


def test_a_control_without_an_answer_is_no_answer(desk: GatewayClient, memory: GatewayDesk) -> None:
    memory.is_deaf = True
    with pytest.raises(NoAnswer, match=r"nothing was heard of control quiet in 0.3 s"):
        desk.control("Halt", "default", reason="x", control_id="quiet", timeout_s=0.3)


# ------------------------------------------------------------------------------------------------------------ reading


def test_markets_accounts_and_what_is_held_are_told_exactly(desk: GatewayClient) -> None:
    desk.signal("AAPL", "BUY", 10)
    assert (desk.tick_size("AAPL"), desk.open_positions()[0].avg_px) == (Decimal("0.01"), Decimal("190.02"))
    market = desk.market("AAPL")
    assert market is not None
    [quote] = [each for each in desk.quotes("AAPL") if each.bid_px is not None]
    assert (quote.bid_px, quote.mid_px) == (market.bid_px, market.mid_px) == (Decimal("190.00"), Decimal("190.01"))
    assert {"default", "demo"} <= {each["account"] for each in desk.accounts()}
    assert desk.approvals() == desk.breakers() == []
    assert desk.depth("AAPL")["symbol"] == "AAPL"
    [fill] = desk.follow_fills(after="0", idle_s=0.05)
    assert (fill.message.last_px, fill.stream) == (Decimal("190.02"), "events.0")
    assert list(desk.follow_fills(after={"events.0": fill.id}, idle_s=0.05)) == []


def test_entries_are_read_as_redis_reads_them(
    desk: GatewayClient, memory: GatewayDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "PAGE", 4)
    key = desk.topology.events(0)
    stands = [(each.id.encode(), dict(each.fields)) for each in memory.memory.redis.streams[key]]
    ids = [entry_id.decode() for entry_id, _ in stands]
    read = desk.redis
    assert read.xrange(key) == stands
    assert read.xrevrange(key) == stands[::-1]
    assert read.xrange(key, ids[3], ids[9]) == stands[3:10]
    assert read.xrange(key, f"({ids[3]}", f"({ids[9]}") == stands[4:9]
    assert read.xrevrange(key, f"({ids[9]}", "-", count=6) == stands[3:9][::-1]
    assert read.xrange(key, ids[5], ids[5]) == [stands[5]]
    assert read.xread({key: ids[5]}, count=3) == [(key.encode(), stands[6:9])]
    assert read.xread({key: ids[-1]}, block=1) == []
    for bad in ("x", "1-", "-1", "1-2-3"):
        with pytest.raises(ResponseError, match="Invalid stream ID"):
            read.xrange(key, bad, "+")
    with pytest.raises(GatewayError) as told:
        read.xrange("signals")
    assert (told.value.reason, told.value.status) == ("unknown_stream", 404)
    with pytest.raises(GatewayError, match="read in Redis"):
        read.hmget("gateway.keys", ["a"])


def test_an_id_is_the_one_before_or_behind_it_where_a_gateway_takes_those() -> None:
    assert [streams._below(each) for each in ("-", "0", "0-0", "5", "5-0", "5-2", "(5-2", "(5")] == [
        None, None, None, f"4-{streams.LAST}", f"4-{streams.LAST}", "5-1", "5-2", "5-0",
    ]  # fmt: skip
    assert [streams._above(each) for each in ("+", "5", "5-0", "5-2", "(5-2")] == [None, "6-0", "5-1", "5-3", "5-2"]


def answering(*answers: httpx.Response | Exception, asked: list[httpx.Request] | None = None) -> httpx.MockTransport:
    """Return what answers a client's first question, and then these."""
    left = [httpx.Response(200, json={"topology": TOPOLOGY, "as_of": {}}), *answers]

    def answer(request: httpx.Request) -> httpx.Response:
        if asked is not None:
            asked.append(request)
        told = left.pop(0)
        if isinstance(told, Exception):
            raise told
        return told

    return httpx.MockTransport(answer)


def test_analytics_is_asked_through_the_gateway_and_money_is_exact() -> None:
    order = {
        "order_id": "1", "account": "default", "symbol": "AAPL", "side": "BUY", "ord_status": "Filled",
        "quantity": "0.10000000000000000000000001", "cum_qty": "1", "leaves_qty": "0",
    }  # fmt: skip
    found = {"columns": [{"name": name, "type": "VARCHAR"} for name in order], "rows": [[*order.values()]],
             "truncated": False, "incomplete": []}  # fmt: skip
    asked: list[httpx.Request] = []
    transport = answering(httpx.Response(200, json=found), httpx.Response(200, json=found), asked=asked)
    with GatewayClient("https://desk.example", KEY, transport=transport) as desk:
        [row] = desk.orders(account="default", status=["New", "Filled"], limit=3)
        assert row.quantity == Decimal("0.10000000000000000000000001")
        assert desk.sql("SELECT 1", limit=7).rows == [order]
    assert str(asked[1].url) == (
        "https://desk.example/v1/analytics/orders?account=default&status=New&status=Filled&limit=3"
    )
    assert (asked[2].url.path, orjson.loads(asked[2].content)) == (
        "/v1/analytics/query", {"sql": "SELECT 1", "limit": 7},
    )  # fmt: skip
    assert {each.headers["authorization"] for each in asked} == {f"Bearer {KEY}"}


def test_a_follower_waits_for_a_gateway_that_goes_away(caplog: pytest.LogCaptureFixture) -> None:
    none: dict[str, Any] = {"entries": [], "as_of": {}}
    fill = {"stream": "dead", "id": "5-0", "fields": {"data": orjson.dumps({
        "type": "DeadLetter", "v": 1, "time": 1, "stage": "signals", "stream": "signals", "entry_id": "1-0",
        "reason": "bad_json", "text": "data: is no JSON"}).decode()}}  # fmt: skip
    busy = {"reason": "too_many_calls", "detail": "rate: the next in 1 s"}
    transport = answering(
        httpx.Response(200, json=none), httpx.ReadError("reset"), httpx.Response(429, json=busy),
        httpx.Response(200, json={**none, "entries": [fill]}),
    )  # fmt: skip
    from fillstream.client.topics import DEAD

    with GatewayClient(HOST, KEY, transport=transport) as desk:
        item = next(desk.follow_topic(DEAD, after="4-0"))
    assert (item.id, item.message.reason) == ("5-0", "bad_json")
    assert "the gateway went away" in caplog.text
    assert "the gateway answers again" in caplog.text
    assert "s3cr3t" not in caplog.text


def test_a_dead_letter_goes_again_once_and_the_gateways_word_says_why_not() -> None:
    refused = {"reason": "cannot_redrive", "detail": "letter_id: 5-0 was re-driven before"}
    asked: list[httpx.Request] = []
    transport = answering(
        httpx.Response(200, json={"letter_id": "5-0", "redriven_as": "6-0"}), httpx.Response(409, json=refused),
        httpx.ReadError("reset"), asked=asked,
    )  # fmt: skip
    with GatewayClient(HOST, KEY, transport=transport) as desk:
        assert desk.redrive("5-0", {"side": "BUY"}, again=True) == "6-0"
        assert orjson.loads(asked[-1].content) == {"set": {"side": "BUY"}, "again": True}
        with pytest.raises(GatewayError, match="re-driven before"):
            desk.redrive("5-0")
        with pytest.raises(GatewayError, match="reset"):
            desk.redrive("5-0")
    assert len(asked) == 4, "without an id that the desk knows again it is sent once"


# --------------------------------------------------------------------------------------------------------- the wire


@pytest.mark.parametrize("url", ["http://desk.example", "http://10.0.0.1:8000", "http://127.0.0.1.example:8000"])
def test_a_key_goes_to_no_other_machine_in_clear_unless_that_is_asked_for(url: str) -> None:
    with pytest.raises(ValueError, match="would send the key in clear") as told:
        Wire(url, KEY)
    assert "s3cr3t" not in str(told.value)
    Wire(url).close()
    Wire(url, KEY, insecure=True).close()


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8000", "http://localhost:8000/", "http://[::1]:8000", "https://desk"]
)
def test_a_key_may_go_to_this_machine_and_over_tls(url: str) -> None:
    with Wire(url, KEY) as found:
        assert not found.url.endswith("/")


@pytest.mark.parametrize(
    "url",
    ["desk.example", "redis://desk", "https://", "https://a:s3cr3t@desk", "https://desk/?key=s3cr3t", "http://[x",
     "https://desk:s3cr3t"],
)  # fmt: skip
def test_what_is_no_address_of_a_gateway_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(ValueError, match=r"^url: must ") as told:
        Wire(url)
    assert "s3cr3t" not in str(told.value)


@pytest.mark.parametrize("key", ["", "abc", "a.b.c", "a.b\nc", "Bearer a.b", "fk_x.é"])
def test_what_is_no_key_is_refused_and_not_repeated(key: str) -> None:
    with pytest.raises(ValueError, match=r"key: must be ID.SECRET") as told:
        Wire("https://desk", key)
    assert not key or key not in str(told.value)


def test_a_redirect_is_not_followed() -> None:
    asked: list[httpx.Request] = []
    away = httpx.Response(307, headers={"location": "https://elsewhere.example/v1/orders"})
    with GatewayClient("https://desk.example", KEY, transport=answering(away, asked=asked)) as desk:
        with pytest.raises(GatewayError, match="points elsewhere") as told:
            desk.accounts()
        assert (told.value.reason, told.value.status, told.value.is_away) == ("redirected", 307, False)
    assert {each.url.host for each in asked} == {"desk.example"}


@pytest.mark.parametrize(
    ("answer", "reason", "text"),
    [
        (httpx.Response(401, json={"reason": "key_unknown", "detail": "key: there is none"}), "key_unknown", "is none"),
        (httpx.Response(404, text="<html>nginx</html>"), "no_gateway", "desk.example answered 404 and is no gateway"),
        (httpx.Response(500, json={"detail": "Internal"}), "no_gateway", "answered 500"),
        (httpx.Response(200, text="hello"), "no_gateway", "something else than a gateway does"),
        (httpx.Response(200, json=[]), "no_gateway", "something else than a gateway does"),
        (httpx.ReadTimeout("timed out"), "no_answer", "does not answer: timed out"),
    ],
)
def test_an_answer_that_is_none_is_an_error_with_its_reason(
    answer: httpx.Response | Exception, reason: str, text: str
) -> None:
    with GatewayClient("https://desk.example", KEY, transport=answering(answer)) as desk:
        with pytest.raises(GatewayError, match=text) as told:
            desk.stages()
        assert told.value.reason == reason
        assert "s3cr3t" not in str(told.value)


def test_certificates_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    for content in (None, "no certificate"):
        if content is not None:
            file.write_text(content)
        with pytest.raises(ValueError, match=r"^ca_file: .*ca.pem has no certificates"):
            Wire("https://desk", ca_file=file)


def test_a_client_that_is_not_let_in_leaves_nothing_open() -> None:
    refused = httpx.MockTransport(lambda _: httpx.Response(401, json={"reason": "key_missing", "detail": "no key"}))
    with pytest.raises(GatewayError, match="no key"):
        GatewayClient(HOST, transport=refused)


def test_marks_of_dead_letters_are_asked_for_a_hundred_at_a_time() -> None:
    asked: list[httpx.Request] = []
    marks = [httpx.Response(200, json={"redriven": {"7-0": "8-0"}}), httpx.Response(200, json={"redriven": {}})]
    with GatewayClient(HOST, KEY, transport=answering(*marks, asked=asked)) as desk:
        found = Streams(desk.wire, desk.topology).hmget("dead.redriven", [f"{number}-0" for number in range(150)])
    assert [number for number, mark in enumerate(found) if mark] == [7]
    assert [len(each.url.params.get_list("letter_id")) for each in asked[1:]] == [100, 50]


def test_numbers_go_as_text() -> None:
    said = {"a": Decimal("0.1"), "b": 5, "c": None, "d": [Decimal("1"), {"e": None, "f": True}]}
    assert wire.texts(said) == {"a": "0.1", "b": "5", "d": ["1", {"e": None, "f": True}]}


@pytest.mark.parametrize("name", ["client:default:my?7", "client:default:a/../../accounts/x", "client:d:a#b", "ü%"])
def test_a_name_is_one_part_of_a_path_whatever_is_in_it(name: str) -> None:
    asked: list[httpx.Request] = []
    transport = answering(httpx.Response(200, json={"order": {"order_id": "1"}}), asked=asked)
    with GatewayClient(HOST, KEY, transport=transport) as desk:
        desk.order(name)
    path = asked[-1].url.raw_path.decode()
    assert path.startswith("/v1/orders/")
    assert unquote(path.removeprefix("/v1/orders/")) == name
    assert not set("/?#") & set(path.removeprefix("/v1/orders/"))


def test_a_newer_gateway_may_tell_more() -> None:
    told = {"account_partitions": 2, "symbol_partitions": 1, "prefix": "", "venues": ["SIM"], "regions": 3}
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json={"topology": told}))
    with GatewayClient(HOST, KEY, transport=transport) as desk:
        assert desk.topology.account_partitions == 2


def test_many_signals_ask_once_in_a_second_where_the_streams_are(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        if request.method == "GET":
            return httpx.Response(200, json={"topology": TOPOLOGY, "as_of": {"events.0": f"{len(asked)}-0"}})
        return httpx.Response(202, json={"signal_id": "s", "settled": False, "entry_id": "9-0", "as_of": {}})

    with GatewayClient("https://desk.example", KEY, transport=httpx.MockTransport(answer)) as desk:
        asked.clear()
        for _ in range(5):
            desk.signal("AAPL", "BUY", 1)
        assert [each.method for each in asked] == ["GET", *["POST"] * 5]
        now += 1.0
        desk.signal("AAPL", "BUY", 1)
        assert [each.method for each in asked[6:]] == ["GET", "POST"]


def test_dead_letters_that_a_key_may_not_see_are_asked_for_again_later(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/v1/topology":
            return httpx.Response(200, json={"topology": TOPOLOGY, "as_of": {}})
        asked.append(request.url.params["after"])
        if "dead" in asked[-1] and now < 150:
            return httpx.Response(403, json={"reason": "scope_missing", "detail": "key: may not", "status": 403})
        return httpx.Response(200, json={"entries": [], "as_of": {}})

    with GatewayClient("https://desk.example", KEY, transport=httpx.MockTransport(answer)) as desk:
        both = {desk.topology.events(0): "1-0", "dead": "1-0"}
        desk.redis.xread(both)
        desk.redis.xread(both)
        now += streams.NOT_SEEN_S
        desk.redis.xread(both)
    assert asked == ["events.0:1-0,dead:1-0", "events.0:1-0", "events.0:1-0", "events.0:1-0,dead:1-0"]
