"""What operators set of an account's limits, kept apart from what the file says.

Flows in: terms of the file, overrides by field. Flows out: the terms that decisions use. Never emits anything.

An override stands until it is reset: neither a restart nor a new file takes it away. The file's value waits below it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from pydantic import ValidationError

from fillstream.libs.common.messages.bad_entry import BadEntry
from fillstream.libs.common.messages.reference import AccountTerms
from fillstream.libs.common.messages.sentences import sentences

Overrides = dict[str, Any]
"""By field, in the order of the terms, as JSON has them."""


class Answered(NamedTuple):
    """What came under a control_id, and what became of it.

    Attributes:
        ms: when it came.
        content: a digest of all it said, in hex.
        refusal: why it changed nothing, None when it took effect.
        text: the sentence that answered it.
    """

    ms: int
    content: str
    refusal: str | None
    text: str


def with_overrides(terms: AccountTerms, overrides: Mapping[str, Any]) -> AccountTerms:
    """Return terms with overrides before them.

    Raises:
        pydantic.ValidationError: they contradict one another.
    """
    return AccountTerms.model_validate({**terms.values(), **overrides}) if overrides else terms


def check_overrides(accounts: Mapping[str, AccountTerms], overrides: Mapping[str, Overrides]) -> None:
    """Check that every override can stand beside what a file says.

    Raises:
        BadEntry: override_conflict.
    """
    for account, fields in overrides.items():
        if account not in accounts:
            continue
        try:
            with_overrides(accounts[account], fields)
        except ValidationError as error:
            names = ", ".join(fields)
            raise BadEntry(
                "override_conflict",
                f"accounts.{account}: {sentences(error)}; overridden is {names}: reset it (`fillstream limits reset "
                f"{account}`), or change the file",
            ) from None
