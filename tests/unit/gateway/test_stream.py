"""What is pushed: every message once and in order, the latest of each row, and nothing to who may not see it."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest

from fillstream.services.gateway.http.access import Caller
from fillstream.services.gateway.http.keyring import EVERYTHING
from fillstream.services.gateway.http.problems import Refusal
from fillstream.services.gateway.stream import hub as hubs
from fillstream.services.gateway.stream.hub import Hub, Reader
from fillstream.services.gateway.stream.topics import TOPICS, Topic
from fillstream.services.gateway.v1.stream import Session
from tests.support.backtests import settings_with
from tests.support.gateway_desk import GatewayDesk

ORDER = {"symbol": "AAPL", "side": "BUY", "quantity": "10"}
EVERYBODY = Caller("local", "local", frozenset(EVERYTHING))


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> GatewayDesk:
    monkeypatch.setenv("FILLSTREAM_ORDER_PARAMS__RATE_LIMIT_ORDERS", "null")
    found = GatewayDesk(settings_with(monkeypatch, simulation__enabled="false"))
    found.quote(19_000, 19_002)
    return found


class Follower:
    """A connection whose frames a test takes as it likes."""

    def __init__(self, desk: GatewayDesk, caller: Caller = EVERYBODY) -> None:
        self.desk = desk
        self.session = Session(desk.app.state, caller)

    @property
    def reader(self) -> Reader:
        return self.session.reader

    async def follow(self, topic: str, **said: Any) -> None:
        """Follow, and take frames of a replay meanwhile."""
        following = asyncio.create_task(self.session.follow({"topic": topic, **said}))
        self.replayed: list[dict[str, Any]] = []
        while not following.done():
            self.replayed += self.frames()
            await asyncio.sleep(0)
        await following
        if not TOPICS[topic].rows:
            self.replayed += self.frames()

    def frames(self) -> list[dict[str, Any]]:
        found = []
        while self.reader.waiting:
            found.append(orjson.loads(self.reader.waiting[0]))
            self.reader.sent()
        return found

    def rows(self, *frames: dict[str, Any]) -> list[dict[str, Any]]:
        return [row for frame in frames or self.frames() for row in frame.get("rows", [])]


def tick(desk: GatewayDesk) -> None:
    """What the hub does every 25 ms."""
    hub: Hub = desk.gateway.hub
    hub.turn()


def test_a_halt_of_the_whole_desk_is_told_to_who_is_for_some_accounts(desk: GatewayDesk) -> None:
    async def play() -> None:
        some = Follower(desk, Caller("k", "k", frozenset(EVERYTHING), frozenset(("demo",))))
        await some.follow("trading_states")
        some.frames()
        await desk.post("/v1/halt", {"reason": "news"})
        await desk.post("/v1/halt", {"reason": "his alone", "account": "default"})
        tick(desk)
        assert [(row["account"], row["new_state"]) for row in some.rows()] == [(None, "HALTED")]

    asyncio.run(play())


def test_a_heartbeat_says_whether_the_gateway_hears_the_desk(
    desk: GatewayDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hubs, "HEARTBEAT_S", 0.0)
    monkeypatch.setattr(hubs, "EVERY_S", 0.001)

    async def beat(reader: Reader) -> Any:
        await asyncio.wait_for(reader.more.wait(), 5)
        reader.more.clear()
        return orjson.loads(reader.waiting.popleft())

    async def play() -> None:
        one = Follower(desk)
        running = asyncio.create_task(desk.gateway.hub.run())
        reading = desk.gateway.reading
        monkeypatch.setattr(type(reading), "is_ready", True)
        assert (await beat(one.reader))["live"] is True
        reading.waits_for = "Connection refused"
        one.reader.waiting.clear()
        assert (await beat(one.reader))["live"] is False
        running.cancel()

    asyncio.run(play())


def test_rows_begin_with_those_of_now_and_then_change(desk: GatewayDesk) -> None:
    async def play() -> None:
        await desk.post("/v1/orders", {**ORDER, "price": "189.00", "client_order_id": "a"})
        one = Follower(desk)
        await one.follow("orders")
        [snapshot] = one.frames()
        assert (snapshot["type"], [row["client_order_id"] for row in snapshot["rows"]]) == ("snapshot", ["a"])
        await desk.http.patch("/v1/orders/client:default:a", json={"price": "189.50"})
        await desk.http.delete("/v1/orders/client:default:a")
        assert one.frames() == []
        tick(desk)
        [changes] = one.frames()
        [row] = changes["rows"]
        assert (changes["type"], row["ord_status"], row["price"]) == ("changes", "Canceled", "189.50")
        assert changes["as_of"] == {"events.0": desk.desk.places["events.0"]}

    asyncio.run(play())


def test_messages_are_each_told_in_order_and_resume_anywhere_without_a_gap(desk: GatewayDesk) -> None:
    async def play() -> None:
        whole = Follower(desk)
        await whole.follow("events", after={"events.0": "0-0"})
        every = whole.rows(*whole.replayed)
        for number in range(12):
            await desk.post("/v1/orders", {**ORDER, "quantity": str(number + 1)})
            tick(desk)
            every += whole.rows()
        seqs = [row["seq"] for row in every]
        assert seqs == [*range(1, seqs[-1] + 1)]
        for cut in (0, 1, len(every) // 2, len(every) - 1):
            other = Follower(desk)
            await other.follow("events", after={"events.0": every[cut]["id"]})
            told = other.rows(*other.replayed)
            await desk.post("/v1/orders", ORDER)
            tick(desk)
            told += other.rows()
            every += whole.rows()
            assert [row["seq"] for row in told] == [*range(every[cut]["seq"] + 1, every[-1]["seq"] + 1)]
        fills = Follower(desk)
        await fills.follow("fills", after={"events.0": "0-0"}, symbol="AAPL")
        assert [row["type"] for row in fills.rows(*fills.replayed)] == ["OrderFilled"] * 16

    asyncio.run(play())


def test_a_place_reaches_to_what_a_frame_has_told_and_not_further(
    desk: GatewayDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who goes away after any frame and comes again behind its place misses nothing and hears nothing twice."""
    monkeypatch.setattr("fillstream.services.gateway.stream.replay.PAGE", 3)

    async def play() -> None:
        for _ in range(6):
            await desk.post("/v1/orders", ORDER)
        one = Follower(desk)
        await one.follow("events", after={"events.0": "0-0"})
        frames = one.replayed
        assert len(frames) > 5
        heard: list[int] = []
        for frame in frames:
            heard += [row["seq"] for row in frame["rows"]]
            again = Follower(desk)
            await again.follow("events", after=frame["as_of"])
            rest = [row["seq"] for row in again.rows(*again.replayed)]
            assert heard + rest == [*range(1, len(heard) + len(rest) + 1)]

    asyncio.run(play())


def test_a_place_whose_entries_are_gone_is_told(desk: GatewayDesk) -> None:
    async def play() -> None:
        stream = desk.memory.redis.streams["events.{a0}"]
        first, later = stream[0].id, stream[8].id
        del stream[:5]
        one = Follower(desk)
        with pytest.raises(Refusal) as refused:
            await one.follow("events", after={"events.0": first})
        assert (refused.value.status, refused.value.reason) == (410, "place_gone")
        await one.follow("events", after={"events.0": later})

    asyncio.run(play())


def test_a_slow_reader_gets_the_latest_of_each_row_and_is_told(desk: GatewayDesk) -> None:
    async def play() -> None:
        slow, fast = Follower(desk), Follower(desk)
        for each in (slow, fast):
            await each.follow("quotes")
        fast.frames()  # the slow one takes nothing
        for step in range(5):
            desk.quote(19_000 + step, 19_002 + step)
            tick(desk)
            assert [row["bid_px"] for row in fast.rows()] == [f"190.0{step}"] or step == 0
        assert len(slow.reader.waiting) == 1
        slow.frames()
        tick(desk)
        [frame] = slow.frames()
        assert [row["bid_px"] for row in frame["rows"]] == ["190.04"]
        assert frame["conflated"] >= 3

    asyncio.run(play())


def test_a_reader_that_cannot_keep_up_with_messages_is_let_go_with_its_place(
    desk: GatewayDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hubs, "MOST_WAITING", 5)

    async def play() -> None:
        one = Follower(desk)
        await one.follow("events")
        await desk.post("/v1/orders", ORDER)
        tick(desk)
        assert len(one.reader.waiting) == 1
        for _ in range(3):
            await desk.post("/v1/orders", ORDER)
            tick(desk)
        assert one.reader.gone is not None
        assert one.reader.gone.startswith("events: ")

    asyncio.run(play())


def test_frames_of_one_moment_come_together_and_none_is_put_off(desk: GatewayDesk) -> None:
    async def play() -> None:
        one = Follower(desk)
        for topic in ("orders", "fills", "positions", "events"):
            await one.follow(topic)
        one.frames()
        await desk.post("/v1/orders", ORDER)
        tick(desk)
        told = one.frames()
        assert {frame["topic"] for frame in told} == {"orders", "fills", "positions", "events"}
        assert all("conflated" not in frame for frame in told)
        tick(desk)
        assert one.frames() == []

    asyncio.run(play())


def test_who_asks_for_the_same_is_sent_the_same_bytes(desk: GatewayDesk) -> None:
    async def play() -> None:
        readers = [Follower(desk) for _ in range(3)]
        for each in readers:
            await each.follow("fills", account="default")
        await desk.post("/v1/orders", ORDER)
        tick(desk)
        sent = {id(each.reader.waiting[0]) for each in readers}
        assert len(sent) == 1

    asyncio.run(play())


@pytest.mark.parametrize("topic", TOPICS.values(), ids=lambda topic: topic.name)
def test_every_topic_needs_its_scope(desk: GatewayDesk, topic: Topic) -> None:
    async def play() -> None:
        needed = {topic.scope, *topic.also}
        for scope in needed:
            without = Caller("k", "k", frozenset(EVERYTHING) - {scope})
            with pytest.raises(Refusal) as refused:
                await Follower(desk, without).follow(topic.name)
            assert refused.value.reason == "scope_missing"
        await Follower(desk, Caller("k", "k", frozenset(needed))).follow(topic.name)

    asyncio.run(play())


def test_a_key_for_some_accounts_hears_of_those_alone(desk: GatewayDesk) -> None:
    async def play() -> None:
        of_demo = Follower(desk, Caller("k", "k", frozenset(EVERYTHING), frozenset({"demo"})))
        for topic in ("orders", "fills", "positions", "events", "accounts"):
            await of_demo.follow(topic)
        with pytest.raises(Refusal) as refused:
            await of_demo.follow("orders", account="default")
        assert refused.value.reason == "account_not_allowed"
        await desk.post("/v1/orders", ORDER)
        await desk.post("/v1/orders", {**ORDER, "account": "demo"})
        tick(desk)
        accounts = {row.get("account") for row in of_demo.rows()}
        assert "default" not in accounts
        assert "demo" in accounts

    asyncio.run(play())


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"topic": "nothing"}, "unknown_topic"),
        ({"topic": ["orders"]}, "unknown_topic"),
        ({"topic": "orders", "account": 5}, "bad_value"),
        ({"topic": "orders", "symbol": "x" * 200}, "bad_value"),
        ({"topic": "orders", "after": {"events.0": "0-0"}}, "bad_value"),
        ({"topic": "events", "after": "0-0"}, "bad_value"),
        ({"topic": "events", "after": {"signals": "0-0"}}, "bad_value"),
        ({"topic": "events", "after": {"events.0": "x"}}, "bad_value"),
        ({"topic": "events", "after": {"events.0": 5}}, "bad_value"),
    ],
)
def test_what_cannot_be_followed_is_refused(desk: GatewayDesk, said: dict[str, Any], reason: str) -> None:
    async def play() -> None:
        with pytest.raises(Refusal) as refused:
            await Follower(desk).session.follow(said)
        assert refused.value.reason == reason

    asyncio.run(play())


def test_who_leaves_is_told_nothing_more(desk: GatewayDesk) -> None:
    async def play() -> None:
        one = Follower(desk)
        await one.follow("events")
        one.session.close()
        await desk.post("/v1/orders", ORDER)
        tick(desk)
        assert one.frames() == []
        assert not desk.gateway.hub._channels

    asyncio.run(play())
