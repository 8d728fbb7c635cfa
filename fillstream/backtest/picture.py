"""The equity curve as a picture.

Flows in: points of it. Flows out: an SVG document: equity above, and how far below its highest it is underneath. Never
reads or writes anything, never decides anything: where a point stands is rounded.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from fillstream.tools.render import printable, time_of

WIDTH, HEIGHT = 760, 380
LEFT, RIGHT, TOP, BETWEEN, BOTTOM = 90, 12, 34, 26, 24
MOST_POINTS = 700
"""Columns at most: of each the lowest and the highest point are kept, so that no peak is lost."""
Point = tuple[int, float]


def equity_svg(title: str, points: Sequence[Point], from_ms: int, until_ms: int, capital: float) -> str:
    """Return the picture.

    Args:
        title: for people.
        points: (ms since 1970 UTC, equity), in order.
        from_ms, until_ms: what of time is drawn.
        capital: the equity at the beginning.
    """
    until_ms = max(until_ms, from_ms + 1)
    curve = [(from_ms, capital), *points]
    curve.append((until_ms, curve[-1][1]))
    fallen, highest = [], capital
    for at, value in curve:
        highest = max(highest, value)
        fallen.append((at, value - highest))
    upper = (HEIGHT - TOP - BETWEEN - BOTTOM) * 2 // 3
    lower = HEIGHT - TOP - BETWEEN - BOTTOM - upper
    begins, ends = time_of(from_ms), time_of(until_ms)
    below = TOP + upper + BETWEEN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        'font-size="11">',
        f"<title>{escape(printable(title))}</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        f'<text x="{LEFT}" y="20" font-size="13" fill="#222">{escape(printable(title))}</text>',
        *_panel(curve, TOP, upper, (from_ms, until_ms), "#1565c0"),
        *_panel(fallen, below, lower, (from_ms, until_ms), "#c62828"),
        f'<text x="{LEFT}" y="{HEIGHT - 8}" fill="#555">{begins}</text>',
        f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 8}" fill="#555" text-anchor="end">{ends}</text>',
        f'<text x="{WIDTH - RIGHT}" y="{TOP + upper + 17}" fill="#555" text-anchor="end">'
        "blue: equity · red: below its highest</text>",
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _panel(points: Sequence[Point], top: int, height: int, span: tuple[int, int], color: str) -> list[str]:
    values = [value for _, value in points]
    low, high = min(values), max(values)
    if high <= low:
        low, high = low - 1, high + (1 if low else 0)
    width = WIDTH - LEFT - RIGHT
    places = []
    for at, value in _thinned(_stepped(points), span):
        x = LEFT + width * (at - span[0]) / (span[1] - span[0])
        places.append(f"{x:.1f},{top + height * (1 - (value - low) / (high - low)):.1f}")
    return [
        f'<rect x="{LEFT}" y="{top}" width="{width}" height="{height}" fill="none" stroke="#ccc"/>',
        f'<text x="{LEFT - 6}" y="{top + 10}" text-anchor="end" fill="#555">{high:.10g}</text>',
        f'<text x="{LEFT - 6}" y="{top + height}" text-anchor="end" fill="#555">{low:.10g}</text>',
        f'<polyline points="{" ".join(places)}" fill="none" stroke="{color}"/>',
    ]


def _stepped(points: Sequence[Point]) -> list[Point]:
    """Return the line that stays where it is from one point to the next."""
    found: list[Point] = []
    for at, value in points:
        if found:
            found.append((at, found[-1][1]))
        found.append((at, value))
    return found


def _thinned(points: Sequence[Point], span: tuple[int, int]) -> list[Point]:
    """Return first, lowest, highest and last point of each column."""
    columns: dict[int, list[Point]] = {}
    for point in points:
        columns.setdefault((point[0] - span[0]) * MOST_POINTS // (span[1] - span[0]), []).append(point)
    kept: list[Point] = []
    for column in columns.values():
        chosen = {0, len(column) - 1}
        by_value = sorted(range(len(column)), key=lambda place: column[place][1])
        chosen |= {by_value[0], by_value[-1]}
        kept += [column[place] for place in sorted(chosen)]
    return kept
