"""What a person is told who waits for a signal while the server goes away."""

from __future__ import annotations

from typing import Any
from unittest.mock import Mock

import pytest
import redis

from fillstream.cli.exit_codes import Exit, Stop
from fillstream.cli.publishing import answer


@pytest.mark.parametrize("kind", [redis.exceptions.ConnectionError, redis.exceptions.TimeoutError])
def test_redis_away_while_a_signal_is_waited_for_names_the_signal_that_is_in_its_stream(kind: Any) -> None:
    client = Mock()
    client.wait_for.side_effect = kind("Connection closed by server.")
    with pytest.raises(Stop) as stopped:
        answer(client, "abc", 5.0, json=False)
    assert stopped.value.code == Exit.NO_ANSWER
    assert stopped.value.text == (
        "signal abc is in its stream, and Redis went away before an answer: Connection closed by server; the same "
        "command with --id abc tells what became of it, and does nothing twice"
    )


def test_another_error_of_redis_is_none_of_it() -> None:
    client = Mock()
    client.wait_for.side_effect = redis.exceptions.NoPermissionError("No permissions to access a key")
    with pytest.raises(redis.exceptions.NoPermissionError):
        answer(client, "abc", 5.0, json=False)
