"""How things are named, and how a value is shown in a sentence: the same on every Python.

Flows in: values, whoever wrote them. Flows out: short ASCII text. Never raises, however deep, long or odd a value is;
never uses `repr` on text, which depends on the Unicode tables of the Python that runs.
"""

from __future__ import annotations

from typing import Any

NAME = r"^[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,63}$"
"""Symbols, accounts, strategies, currencies."""
MAX_ID = 128
ID = rf"^[\x21-\x7e]{{1,{MAX_ID}}}$"
"""What a client calls its signals and orders."""
ORDER_ID = r"^[1-9][0-9]{0,18}$"
"""What the desk calls an order."""

SHOWN_CHARACTERS = 80
"""A sentence shows at most this many characters of a value."""
SHOWN_BITS = 256
"""A larger integer is shown by its size: Python itself refuses to print one of many digits."""


def shorten(value: Any) -> str:
    """Return a value as a sentence shows it: text quoted, numbers as they are written, of a container its kind."""
    if isinstance(value, str):
        return ascii(value) if len(value) <= SHOWN_CHARACTERS else ascii(value[:SHOWN_CHARACTERS]) + "..."
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list | tuple):
        return "a list"
    if isinstance(value, int) and value.bit_length() > SHOWN_BITS:
        return f"an integer of {value.bit_length()} bits"
    return cut(str(value))


def cut(text: str) -> str:
    """Return a text's beginning, as long as a sentence shows it."""
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}..."
