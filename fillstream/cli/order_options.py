"""Options of what an order may say beyond a plain one, for every command that makes orders.

Flows in: what a person typed. Flows out: text, which the contract judges.
"""

from __future__ import annotations

from typing import Annotated

import typer

from fillstream.libs.common.messages.codes import OrderType, SelfTrade, TriggerPrice

WAITS, SIZE, HOW = "What it waits for, and until when", "Size and protection", "How it trades"

StopPrice = Annotated[
    str | None, typer.Option("--stop", metavar="PRICE", help="The price that it waits for.", rich_help_panel=WAITS)
]
Trigger = Annotated[
    str | None, typer.Option("--trigger", help=f"Which price: {', '.join(TriggerPrice)}.", rich_help_panel=WAITS)
]
Trail = Annotated[
    str | None,
    typer.Option(
        "--trail", metavar="OFFSET", help="Of a trailing stop: 1.50, 30ticks, 50bps or 0.5%.", rich_help_panel=WAITS
    ),
]
At = Annotated[
    str | None, typer.Option("--at", metavar="TIME", help="Not before: as 2026-11-28T21:00:00Z.", rich_help_panel=WAITS)
]
NextSession = Annotated[
    bool, typer.Option("--next-session", help="Not before the next session of its instrument.", rich_help_panel=WAITS)
]
AfterMs = Annotated[int | None, typer.Option("--after-ms", min=1, help="Not before so many ms.", rich_help_panel=WAITS)]
Expire = Annotated[
    str | None, typer.Option("--expire", metavar="TIME", help="When a GTD order ends.", rich_help_panel=WAITS)
]
Notional = Annotated[
    str | None, typer.Option("--notional", metavar="MONEY", help="The size in money.", rich_help_panel=SIZE)
]
Risk = Annotated[
    str | None,
    typer.Option("--risk", metavar="MONEY", help="The size by what --stop-loss may cost.", rich_help_panel=SIZE),
]
Display = Annotated[str | None, typer.Option("--display", metavar="QTY", help="Of an iceberg.", rich_help_panel=SIZE)]
StopLoss = Annotated[
    str | None,
    typer.Option("--stop-loss", metavar="PRICE", help="Where what it fills is closed at a loss.", rich_help_panel=SIZE),
]
TakeProfit = Annotated[
    str | None,
    typer.Option("--take-profit", metavar="PRICE", help="Where it is closed at a profit.", rich_help_panel=SIZE),
]
TakeProfits = Annotated[
    list[str] | None,
    typer.Option(
        "--take-profit",
        metavar="PRICE[:WEIGHT]",
        help="Where it is closed at a profit; several, the nearest first, share it by their weights.",
        rich_help_panel=SIZE,
    ),
]
TrailingStop = Annotated[
    str | None,
    typer.Option(
        "--trailing-stop",
        metavar="DISTANCE",
        help="Instead of --stop-loss: how far (price) a stop stays behind.",
        rich_help_panel=SIZE,
    ),
]
PostOnly = Annotated[bool, typer.Option("--post-only", help="Never takes.", rich_help_panel=HOW)]
AllOrNone = Annotated[bool, typer.Option("--all-or-none", help="Whole or not.", rich_help_panel=HOW)]
ReduceOnly = Annotated[bool, typer.Option("--reduce-only", help="Only closes.", rich_help_panel=HOW)]
SelfTradePrevention = Annotated[
    str | None, typer.Option("--self-trade", help=f"Instead of one: {', '.join(SelfTrade)}.", rich_help_panel=HOW)
]
Venue = Annotated[str | None, typer.Option("--venue", help="Where it is to go.", rich_help_panel=HOW)]
Routing = Annotated[
    str | None,
    typer.Option(
        "--routing",
        metavar="POLICY",
        help="Spread over venues: NAMED, BEST_PRICE, SWEEP, SPRAY, POST_THEN_TAKE (docs/routing.md).",
        rich_help_panel=HOW,
    ),
]
Venues = Annotated[
    str | None,
    typer.Option("--venues", metavar="A,B", help="Over these alone, the most preferred first.", rich_help_panel=HOW),
]
ClientOrderId = Annotated[
    str | None, typer.Option("--client-order-id", help="Your name for the order.  \\[default: the signal_id]")
]
Strategy = Annotated[str | None, typer.Option("--strategy", help="Kept with the order.")]
Confidence = Annotated[str | None, typer.Option("--confidence", help="0 to 1; kept with the order.")]
GroupId = Annotated[
    str | None, typer.Option("--group", help="group_id: your name for what it belongs to; on all its events.")
]
PositionId = Annotated[
    str | None, typer.Option("--position", help="position_id: your name for the position; on all its events.")
]
Type = Annotated[
    str | None,
    typer.Option("--type", help=f"{', '.join(OrderType)}.  \\[default: LIMIT with --limit, else the desk's]"),
]
Entry = Annotated[
    str | None,
    typer.Option("--limit", "--price", "-l", metavar="PRICE", help="Its limit.  \\[default: it goes to market]"),
]
Limit = Annotated[str | None, typer.Option("--limit", "-l", metavar="PRICE", help="Price of a limit order.")]
Tif = Annotated[
    str | None,
    typer.Option("--tif", help="DAY, GTC, GTD, IOC, FOK, AT_THE_OPENING, AT_THE_CLOSE.  \\[default: the desk's]"),
]
Parameter = Annotated[
    list[str] | None,
    typer.Option(
        "-p",
        "--parameter",
        metavar="NAME=VALUE",
        help="What its algorithm is told; lists as a,b,c; @FILE for a JSON object. May be repeated.",
    ),
]
