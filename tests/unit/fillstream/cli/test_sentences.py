"""What a person is told when a command cannot go on."""

from __future__ import annotations

import redis

from fillstream.cli.exit_codes import Exit
from fillstream.cli.sentences import sentence_of


def test_a_user_who_may_not_is_told_of_one_who_may() -> None:
    told = sentence_of(redis.exceptions.NoPermissionError("No permissions to access a key"))
    assert told is not None
    code, text = told
    assert code == Exit.NO
    assert text.startswith("Redis: No permissions to access a key: name a user that may, operator for one")


def test_a_server_that_is_away_is_not_a_user_who_may_not() -> None:
    told = sentence_of(redis.exceptions.ConnectionError("refused"))
    assert told is not None and told[0] == Exit.UNREACHABLE and "is the desk up?" in told[1]
