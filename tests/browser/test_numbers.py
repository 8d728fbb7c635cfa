"""The page's own arithmetic beside Python's: what the desk says is added up and shown to the digit."""

from __future__ import annotations

import random
from collections.abc import Iterator
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.support.browser import chromium

MODULE = Path(__file__).parents[2] / "services" / "gateway" / "web" / "page" / "numbers.js"
IMPORT = """async (source) => {
  const at = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  window.numbers = await import(at);
}"""
COUNT = 2_000


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with chromium() as browser:
        page = browser.new_page()
        page.evaluate(IMPORT, MODULE.read_text(encoding="utf-8"))
        yield page


def numbers(seed: int) -> list[str]:
    """Numbers as the desk writes them: whole, tiny, huge, below nothing, in powers of ten."""
    draw = random.Random(seed)
    found = ["0", "-0", "0.00000000", "1E-8", "-2.5e3", "999999999999999999999999.999999999999"]
    while len(found) < COUNT:
        digits = draw.randrange(1, 25)
        whole = str(draw.randrange(10**digits))
        places = draw.choice((0, 0, 2, 8, 12))
        rest = "." + str(draw.randrange(10**places)).rjust(places, "0") if places else ""
        found.append(draw.choice(("", "-")) + whole + rest)
    return found


def decimals(texts: list[str]) -> list[Decimal]:
    return [Decimal(each) for each in texts]


def asked(page: Page, expression: str, *values: Any) -> Any:
    return page.evaluate(f"(values) => {{ const n = window.numbers; return {expression}; }}", [*values])


def test_sums_differences_and_products_are_exact(page: Page) -> None:
    ours, others = numbers(1), numbers(2)
    with localcontext(prec=200):
        assert Decimal(asked(page, "n.sum(values[0])", ours)) == sum(decimals(ours))
        pairs = [*zip(ours, others, strict=True)]
        less = asked(page, "values[0].map(([a, b]) => n.less(a, b))", pairs)
        times = asked(page, "values[0].map(([a, b]) => n.times(a, b))", pairs)
        assert decimals(less) == [Decimal(a) - Decimal(b) for a, b in pairs]
        assert decimals(times) == [Decimal(a) * Decimal(b) for a, b in pairs]


def test_what_is_not_there_counts_as_nothing_and_is_the_least(page: Page) -> None:
    assert asked(page, "n.sum([null, '1.5', undefined, ''])") == "1.5"
    assert asked(page, "n.times(null, '2')") is None
    assert asked(page, "[n.compare(null, '-1'), n.compare('1', null), n.compare(null, undefined)]") == [-1, 1, 0]


def test_numbers_are_sorted_as_numbers(page: Page) -> None:
    ours, others = numbers(3), numbers(4)
    pairs = [*zip(ours, others, strict=True), *((each, each) for each in ours[:50])]
    found = asked(page, "values[0].map(([a, b]) => n.compare(a, b))", pairs)
    assert found == [(Decimal(a) > Decimal(b)) - (Decimal(a) < Decimal(b)) for a, b in pairs]


@pytest.mark.parametrize("places", [0, 2, 8])
def test_what_is_shown_is_rounded_half_to_even_with_thousands_apart(page: Page, places: int) -> None:
    ours = [*numbers(5), "0.005", "0.015", "-0.005", "2.5", "3.5", "-0.004"]
    found = asked(page, "values[0].map((each) => n.shown(each, values[1]))", ours, places)
    with localcontext(prec=200):
        unit = Decimal(1).scaleb(-places)
        for text, shown in zip(ours, found, strict=True):
            rounded = Decimal(text).quantize(unit, ROUND_HALF_EVEN)
            assert shown == f"{rounded if rounded else abs(rounded):,.{places}f}", text


def test_what_is_no_number_is_told(page: Page) -> None:
    for each in ("1,5", "abc", "1.2.3", "--1", "Infinity", "NaN", "0x10"):
        told = page.evaluate(
            "(said) => { try { return window.numbers.sum([said]); } catch (error) { return String(error); } }", each
        )
        assert told == f"SyntaxError: {each} is no number"
