"""A worked order as a picture: what its schedule had planned, what was done, and at what prices, over time.

Flows in: events of the journal as plain dicts: the parent's OrderReceived and OrderProgressed, its children's
OrderFilled, and QuoteUpdated where there are any. Flows out: a `Schedule`, and of that an SVG document, or lines of
text for a terminal. Never reads or writes anything, never decides anything: where a dot stands is rounded.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any, NamedTuple

from fillstream.tools.render import printable, time_of

WIDTH, HEIGHT = 760, 380
LEFT, RIGHT, TOP, BETWEEN, BOTTOM = 70, 12, 34, 26, 24
MOST_POINTS = 380
"""Points of a line at most: a picture has no more columns worth telling apart."""
BLOCKS = " ▁▂▃▄▅▆▇█"
BRAILLE = 0x2800
DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""The bit of each dot of a cell of two by four (Unicode, Braille Patterns)."""
MAKER, TAKER = "o", "x"


class Fill(NamedTuple):
    """A trade of a child: when (ms), at what price, whether its order had rested."""

    at_ms: int
    price: float
    maker: bool


class Schedule(NamedTuple):
    """What there is to draw.

    Attributes:
        title: of the order, for people.
        quantity: of the whole order.
        from_ms, until_ms: what of time is drawn.
        planned: (ms, quantity) whenever its algorithm said so; empty of one without a schedule.
        done: (ms, quantity) at each fill, from (start, 0) on.
        market: (ms, mid or the one side that there was) of its instrument.
        fills: each trade.
        said: (ms, words): why nothing worked, whenever the reason changed.
    """

    title: str
    quantity: float
    from_ms: int
    until_ms: int
    planned: list[tuple[int, float]]
    done: list[tuple[int, float]]
    market: list[tuple[int, float]]
    fills: list[Fill]
    said: list[tuple[int, str]]


def schedule_of(order_id: str, events: Iterable[Mapping[str, Any]]) -> Schedule:
    """Return what events say of a parent order.

    Args:
        order_id: the parent's.
        events: of the journal, in its order; those of others are passed over.

    Raises:
        ValueError: the order's OrderReceived is not among them.
    """
    received: Mapping[str, Any] | None = None
    algorithm, last_ms, said = None, 0, ""
    planned: list[tuple[int, float]] = []
    quotes: list[tuple[int, Any, float]] = []
    fills: list[tuple[Fill, float]] = []
    words: list[tuple[int, str]] = []
    for event in events:
        # A timer's event stands where it was due: the entry that let it fire may have come much later.
        kind, at = event["type"], int(event.get("due_time") or event["time"])
        if kind == "QuoteUpdated":
            prices = [float(event[side]) for side in ("bid_px", "ask_px") if event.get(side) is not None]
            if prices:
                quotes.append((at, (event["symbol"], event.get("venue")), sum(prices) / len(prices)))
            continue
        own = event.get("order_id") == order_id
        if own and kind == "OrderReceived":
            received = event
        elif own and kind == "OrderProgressed":
            algorithm = event.get("algorithm") or algorithm
            if event.get("planned_qty") is not None:
                planned.append((at, float(event["planned_qty"])))
            if (event.get("text") or "") != said:
                said = str(event.get("text") or "")
                words.append((at, said))
        elif kind == "OrderFilled" and (own or event.get("parent_id") == order_id):
            fills.append(
                (Fill(at, float(event["last_px"]), event.get("liquidity") == "MAKER"), float(event["last_qty"]))
            )
        elif not own:
            continue
        last_ms = max(last_ms, at)
    if received is None:
        raise ValueError(f"order {order_id}: its OrderReceived is not among the events, so there is nothing to draw")
    start = int(received["time"])
    until = max(last_ms, start + 1)
    done, total = [(start, 0.0)], 0.0
    for fill, quantity in fills:
        total += quantity
        done.append((fill.at_ms, total))
    market = (received["symbol"], received.get("venue"))
    mids = [(at, mid) for at, of, mid in quotes if start <= at <= until and _is_of(of, market)]
    title = " ".join(
        str(each) for each in (received["side"], received["quantity"], received["symbol"], algorithm, order_id) if each
    )
    quantity = float(received["quantity"])
    return Schedule(title, quantity, start, until, planned, done, mids, [fill for fill, _ in fills], words)


def _is_of(quoted: tuple[Any, Any], market: tuple[Any, Any]) -> bool:
    return quoted[0] == market[0] and (quoted[1] == market[1] or None in (quoted[1], market[1]))


def _prices(schedule: Schedule) -> tuple[float, float] | None:
    """Return the lowest and the highest price that is drawn, None without any."""
    found = [price for _, price in schedule.market] + [fill.price for fill in schedule.fills]
    if not found:
        return None
    low, high = min(found), max(found)
    return (low, high) if high > low else (low - 1, high + 1)


def _most(schedule: Schedule) -> float:
    """Return the quantity at the upper edge: an amendment may have made the order smaller than what was done."""
    return max([schedule.quantity, *(each for _, each in (*schedule.planned, *schedule.done))]) or 1.0


def _thinned(points: list[tuple[int, float]], schedule: Schedule, columns: int) -> list[tuple[int, float]]:
    """Return the last point of each column, so that a picture of a busy day stays small; first and last stay."""
    span = schedule.until_ms - schedule.from_ms
    kept: dict[int, tuple[int, float]] = {}
    for at, value in points:
        kept[(at - schedule.from_ms) * columns // span] = (at, value)
    return points[:1] + [each for each in kept.values() if each not in points[:1]]


# ---------------------------------------------------------------------------------------------------- SVG


def svg(schedule: Schedule) -> str:
    """Return the picture as an SVG document: planned (dashed) and done above, market and trades below."""
    upper = (HEIGHT - TOP - BETWEEN - BOTTOM) * 3 // 5
    lower = HEIGHT - TOP - BETWEEN - BOTTOM - upper
    most, prices = _most(schedule), _prices(schedule)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        'font-size="11">',
        f"<title>{escape(printable(schedule.title))}</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        f'<text x="{LEFT}" y="20" font-size="13" fill="#222">{escape(printable(schedule.title))}</text>',
        *_frame(TOP, upper, f"{most:g}", "0"),
        _path(_stepped(schedule), schedule, TOP, upper, (0.0, most), 'stroke="#1565c0" stroke-width="2"'),
    ]
    if schedule.planned:
        points = _thinned(schedule.planned, schedule, MOST_POINTS)
        parts.append(_path(points, schedule, TOP, upper, (0.0, most), 'stroke="#e65100" stroke-dasharray="5 3"'))
    below = TOP + upper + BETWEEN
    if prices is not None:
        parts += _frame(below, lower, f"{prices[1]:.10g}", f"{prices[0]:.10g}")
        market = _thinned(schedule.market, schedule, MOST_POINTS)
        parts.append(_path(market, schedule, below, lower, prices, 'stroke="#999"'))
        seen = set()
        for fill in schedule.fills:
            x, y = _place(fill.at_ms, fill.price, schedule, below, lower, prices)
            if (dot := (round(x), round(y), fill.maker)) not in seen:
                seen.add(dot)
                color = "#2e7d32" if fill.maker else "#c62828"
                parts.append(f'<circle cx="{dot[0]}" cy="{dot[1]}" r="2" fill="{color}"/>')
    begins, ends = time_of(schedule.from_ms), time_of(schedule.until_ms)
    keys = "blue: done · orange: planned · grey: market · green: made · red: taken"
    parts += [
        f'<text x="{LEFT}" y="{HEIGHT - 8}" fill="#555">{begins}</text>',
        f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 8}" fill="#555" text-anchor="end">{ends}</text>',
        f'<text x="{WIDTH - RIGHT}" y="{TOP + upper + 17}" fill="#555" text-anchor="end">{keys}</text>',
        "</svg>",
    ]
    return "\n".join(part for part in parts if part) + "\n"


def _frame(top: int, height: int, upper: str, lower: str) -> list[str]:
    width = WIDTH - LEFT - RIGHT
    return [
        f'<rect x="{LEFT}" y="{top}" width="{width}" height="{height}" fill="none" stroke="#ccc"/>',
        f'<text x="{LEFT - 6}" y="{top + 10}" text-anchor="end" fill="#555">{upper}</text>',
        f'<text x="{LEFT - 6}" y="{top + height}" text-anchor="end" fill="#555">{lower}</text>',
    ]


def _place(
    at_ms: int, value: float, schedule: Schedule, top: int, height: int, edges: tuple[float, float]
) -> tuple[float, float]:
    x = LEFT + (WIDTH - LEFT - RIGHT) * (at_ms - schedule.from_ms) / (schedule.until_ms - schedule.from_ms)
    return x, top + height * (1 - (value - edges[0]) / (edges[1] - edges[0]))


def _path(
    points: list[tuple[int, float]],
    schedule: Schedule,
    top: int,
    height: int,
    edges: tuple[float, float],
    style: str,
) -> str:
    if not points:
        return ""
    places = [_place(at, value, schedule, top, height, edges) for at, value in points]
    return f'<polyline points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in places)}" fill="none" {style}/>'


def _stepped(schedule: Schedule) -> list[tuple[int, float]]:
    """Return what was done as a line that rises at its fills and stays in between, to the end."""
    found: list[tuple[int, float]] = []
    for at, value in _thinned(schedule.done, schedule, MOST_POINTS):
        if found:
            found.append((at, found[-1][1]))
        found.append((at, value))
    return [*found, (schedule.until_ms, found[-1][1])]


# ---------------------------------------------------------------------------------------------------- text


def text(schedule: Schedule, width: int = 80, height: int = 20) -> list[str]:
    """Return the picture as lines for a terminal.

    Above, bars of what was done, and dots of what was planned; below, the market's price as a line of braille dots with
    each trade: `o` made, `x` taken. Then what was said.

    Args:
        schedule: what to draw.
        width: columns, at least 30.
        height: lines of both drawings, at least 6.
    """
    width, height = max(width, 30), max(height, 6)
    prices, most = _prices(schedule), _most(schedule)
    labels = [f"{most:g}", "0", *(f"{each:.10g}" for each in prices or ())]
    margin = max(map(len, labels)) + 1
    columns = width - margin
    upper = height * 3 // 5
    lines = [printable(schedule.title)[:width]]
    lines += _labelled(_bars(schedule, columns, upper, most), labels[0], labels[1], margin)
    if prices is not None:
        lines += _labelled(_line(schedule, columns, height - upper, prices), labels[3], labels[2], margin)
    begins, ends = str(time_of(schedule.from_ms)), str(time_of(schedule.until_ms))[11:]
    lines.append(" " * margin + begins + ends.rjust(max(columns - len(begins), len(ends) + 1)))
    lines.append(" " * margin + "█ done  · planned  o made  x taken")
    lines += [f"{time_of(at)}  {printable(words)}"[:width] for at, words in schedule.said if words]
    return lines


def _labelled(rows: list[str], upper: str, lower: str, margin: int) -> list[str]:
    heads = [upper, *[""] * (len(rows) - 2), lower]
    return [f"{head.rjust(margin - 1)} {row}" for head, row in zip(heads, rows, strict=True)]


def _values(points: list[tuple[int, float]], schedule: Schedule, columns: int) -> list[float | None]:
    """Return the last value at or before the end of each column; None before the first."""
    times = [at for at, _ in points]
    span = schedule.until_ms - schedule.from_ms
    places = (bisect_right(times, schedule.from_ms + span * (column + 1) / columns) for column in range(columns))
    return [points[place - 1][1] if place else None for place in places]


def _bars(schedule: Schedule, columns: int, rows: int, most: float) -> list[str]:
    cells = [[" "] * columns for _ in range(rows)]
    planned = _values(schedule.planned, schedule, columns)
    for column, done in enumerate(_values(schedule.done, schedule, columns)):
        eighths = round((done or 0.0) / most * rows * 8)
        for row in range(rows):
            cells[rows - 1 - row][column] = BLOCKS[min(max(eighths - row * 8, 0), 8)]
        if (plan := planned[column]) is not None:
            row = min(int(plan / most * rows), rows - 1)
            cell = cells[rows - 1 - row]
            cell[column] = "·" if cell[column] == " " else cell[column]
    return ["".join(row) for row in cells]


def _line(schedule: Schedule, columns: int, rows: int, prices: tuple[float, float]) -> list[str]:
    bits = [[0] * columns for _ in range(rows)]
    scale = (rows * 4 - 1) / (prices[1] - prices[0])
    for dot, price in enumerate(_values(schedule.market, schedule, columns * 2)):
        if price is not None:
            y = rows * 4 - 1 - round((price - prices[0]) * scale)
            bits[y // 4][dot // 2] |= DOTS[y % 4][dot % 2]
    cells = [[chr(BRAILLE + each) if each else " " for each in row] for row in bits]
    span = schedule.until_ms - schedule.from_ms
    for fill in schedule.fills:
        column = min(max((fill.at_ms - schedule.from_ms) * columns // span, 0), columns - 1)
        y = rows * 4 - 1 - round((fill.price - prices[0]) * scale)
        cells[y // 4][column] = MAKER if fill.maker else TAKER
    return ["".join(row) for row in cells]
