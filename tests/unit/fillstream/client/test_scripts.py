"""What both clients carry out: the same words, the same patience."""

from __future__ import annotations

import inspect
import logging

import pytest

from fillstream import AsyncClient, Client
from fillstream.client.scripts import Patience

ONLY = {"run"}
"""What carries out, of the one that is awaited."""


def public(kind: type) -> dict[str, inspect.Signature | None]:
    return {
        name: inspect.signature(value) if callable(value) else None
        for name, value in inspect.getmembers(kind)
        if not name.startswith("_")
    }


def test_both_clients_have_the_same_names_with_the_same_parameters() -> None:
    awaited, waiting = public(AsyncClient), public(Client)
    assert awaited.keys() - ONLY == waiting.keys()
    for name, signature in waiting.items():
        other = awaited[name]
        assert (signature is None) == (other is None)
        if signature is not None and other is not None:
            assert signature.parameters == other.parameters, name


def test_a_server_that_is_away_is_tried_more_and_more_seldom_and_said_once(caplog: pytest.LogCaptureFixture) -> None:
    now = [0.0]
    patience = Patience(10.0, clock=lambda: now[0])
    error = ConnectionError("gone")
    with caplog.at_level(logging.WARNING):
        assert [patience.failed(error) for _ in range(7)] == [0.05, 0.1, 0.2, 0.4, 0.8, 1.0, 1.0]
        now[0] = 4.0
        patience.worked()
        patience.worked()
        assert patience.failed(error) == 0.05, "anew"
        now[0] = 14.0
        with pytest.raises(ConnectionError, match="gone"):
            patience.failed(error)
    assert [record.message for record in caplog.records] == [
        "Redis went away, it is tried again until it answers: gone",
        "Redis answers again, after 4.0 s",
        "Redis went away, it is tried again until it answers: gone",
    ]


def test_without_patience_the_first_error_is_raised_and_nothing_is_said(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING), pytest.raises(ConnectionError):
        Patience(0.0).failed(ConnectionError())
    assert not caplog.records


def test_a_server_that_nobody_waits_for_any_more_is_not_tried_again() -> None:
    asked: list[int] = []
    patience = Patience(None, lambda: bool(asked))
    assert patience.failed(ConnectionError()) == 0.05
    asked.append(15)
    with pytest.raises(ConnectionError):
        patience.failed(ConnectionError())
