"""What was written down by one release and is read by another: documents with a version, raised to today's by steps.

Flows in: a decoded document, the version it was written in, the steps that lead from each version to the next. Flows
out: the document as today's release writes it, or a sentence that says what this release can read. Never guesses: a
version or a name that nobody here knows is refused, since what is not understood would be lost at the next writing.

A step is a plain function beside what it raises, `upcast_v1_v2`, and is never changed once it was released. A new field
that has a default needs none: a document without it is as good.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

Document = dict[str, Any]
Upcasts = Mapping[int, Callable[[Document], Document]]
"""To a version: the step from it to the next."""


class Unreadable(ValueError):
    """A document of a version or with names that this release does not read. Says which, and what it does read."""


def upcast(what: str, document: Document, version: object, newest: int, steps: Upcasts) -> Document:
    """Return a document as version `newest` has it.

    Args:
        what: the document's name, in sentences.
        document: as it was written; a step may change it.
        version: the one it was written in.
        newest: today's.
        steps: from every older version that can be read to the next.

    Raises:
        Unreadable: the version is none of those, or the document is not as that version was.
    """
    if type(version) is not int or (version != newest and version not in steps):
        raise Unreadable(f"{what}: version {version} must be {_versions(newest, steps)}, which this release reads")
    try:
        for step in range(version, newest):
            document = steps[step](document)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise Unreadable(f"{what}: is not as version {version} was: {type(error).__name__}: {error}") from error
    return document


def _versions(newest: int, steps: Upcasts) -> str:
    oldest = min(steps, default=newest)
    return f"{newest}" if oldest == newest else f"{oldest} to {newest}"


def check_names(what: str, document: object, known: Collection[str], needed: Collection[str]) -> None:
    """Check the names in a document.

    Args:
        what: the document's name, in sentences.
        document: a decoded object.
        known: every name that this release writes.
        needed: those of them that every release wrote; the others have defaults.

    Raises:
        Unreadable: it is no object, has a name that is not known, or has not all that are needed.
    """
    if not isinstance(document, dict):
        raise Unreadable(f"{what}: must be an object with named fields, got {type(document).__name__}")
    if document.keys() == known:  # a set, and nearly always all of it
        return
    for name in document:
        if name not in known:
            raise Unreadable(f"{what}: {name} is no field that this release knows: a newer one wrote it")
    for name in needed:
        if name not in document:
            raise Unreadable(f"{what}: {name} is missing")
