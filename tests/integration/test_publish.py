"""The strict way to publish: what `fs_publish` takes, what it refuses, and whom it can keep from what."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import redis

from fillstream.libs.common.messages.codes import MAX_SIGNAL_BYTES
from fillstream.libs.common.messages.topology import Topology
from fillstream.libs.common.runtime.publish import FUNCTION, load_functions
from tests.conftest import until
from tests.support.users import NOBODY, server_of_users

SIGNALS = Topology().signals


@pytest.fixture
def server(client: redis.Redis) -> Any:
    assert load_functions(client)
    return client


def test_it_appends_what_it_is_given_with_an_id_of_the_server(server: Any) -> None:
    first = server.fcall(FUNCTION, 1, SIGNALS, "symbol", "AAPL", "note", b"\xff\x00")
    second = server.fcall(FUNCTION, 1, SIGNALS, "symbol", "MSFT")
    assert server.xrange(SIGNALS) == [
        (first, {b"symbol": b"AAPL", b"note": b"\xff\x00"}), (second, {b"symbol": b"MSFT"}),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("keys", "fields", "sentence"),
    [
        ([SIGNALS], [], "fields: 0 arguments, they must be names and values in turn, one pair at least"),
        ([SIGNALS], ["MAXLEN", "0", "*"], "fields: 3 arguments, they must be names and values in turn"),
        ([SIGNALS], ["a"] * 202, "fields: 101, a signal has at most 100"),
        ([SIGNALS], ["a", "b" * MAX_SIGNAL_BYTES], "signal: 65537 bytes, a signal has at most 65536"),
        ([SIGNALS, "other"], ["a", "b"], "key: 2 were given, it must be one, the stream"),
    ],
)
def test_it_refuses_with_a_sentence_and_appends_nothing(
    server: Any, keys: list[str], fields: list[str], sentence: str
) -> None:
    with pytest.raises(redis.exceptions.ResponseError, match=sentence):
        server.fcall(FUNCTION, len(keys), *keys, *fields)
    assert server.exists(*keys) == 0


@pytest.mark.parametrize("fields", [["a", "b" * (MAX_SIGNAL_BYTES - 1)], ["a", "b"] * 100])
def test_the_largest_are_taken(server: Any, fields: list[str]) -> None:
    assert server.fcall(FUNCTION, 1, SIGNALS, *fields)


def test_options_of_xadd_are_fields_to_it(server: Any) -> None:
    for n in range(3):
        server.fcall(FUNCTION, 1, SIGNALS, "MAXLEN", "1", "n", str(n))
    assert server.xlen(SIGNALS) == 3


def test_a_newer_one_takes_the_place_of_an_older_one(server: Any) -> None:
    assert load_functions(server)
    assert [each[1] for each in server.function_list()] == [b"fillstream"]


def test_a_client_may_call_it_and_could_append_past_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A function may do what its caller may, and no more: no door that could be shut behind it."""
    with server_of_users(tmp_path) as server:
        signals, client, admin = (server.as_user(name) for name in ("signals", "client", NOBODY))
        assert load_functions(signals)
        assert client.fcall(FUNCTION, 1, SIGNALS, "a", "b")
        assert client.xadd(SIGNALS, {"a": "b"}, maxlen=1, approximate=False)
        with pytest.raises(redis.exceptions.NoPermissionError):
            client.fcall(FUNCTION, 1, Topology().orders(0), "a", "b")
        admin.acl_setuser(
            "strict", enabled=True, passwords=["+s"], keys=["signals"], categories=["-@all"], commands=["+fcall"]
        )
        with redis.Redis(port=server.port, username="strict", password="s") as strict, pytest.raises(
            redis.exceptions.ResponseError, match=r"ACL failure|can't run this command"
        ):  # fmt: skip
            strict.fcall(FUNCTION, 1, SIGNALS, "a", "b")
        assert not load_functions(server.as_user("orders"))
        assert "fs_publish is not there, signals are published with XADD alone" in caplog.text
        until(lambda: admin.xlen(SIGNALS) == 1, "what was appended last")
