"""`fillstream backtest`: run a strategy over market data, on a desk in this one process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fillstream.cli.commands import RUN
from fillstream.cli.exit_codes import Exit, Stop
from fillstream.cli.options import AsJson, Config
from fillstream.cli.strategy_options import StrategyAccount, StrategyFile, StrategyName, Told, failed, told
from fillstream.tools.render import as_json, console, print_table, time_of

if TYPE_CHECKING:
    from fillstream.backtest.result import Result


Data = Annotated[
    list[Path],
    typer.Option(
        "--data",
        help="A file of market data, several by several --data: a Binance capture, LOBSTER messages, or CSV or Parquet "
        "of quotes, trades or bars.",
    ),
]
Latency = Annotated[
    int, typer.Option("--latency-ms", help="From what the strategy is told to its signal's arrival at the desk.")
]
Capital = Annotated[str, typer.Option("--capital", help="What its equity begins with; figures alone go by it.")]
Symbol = Annotated[str | None, typer.Option("--symbol", help="Of data that has no column for it.")]
Bar = Annotated[str | None, typer.Option("--bar", metavar="LENGTH", help="How long bars of the data are: 1m, 1h, 1d.")]
RoundSizes = Annotated[bool, typer.Option("--round-sizes", help="Round sizes down to whole lots; prices never are.")]
Out = Annotated[
    Path | None, typer.Option("--out", metavar="FOLDER", help="Write tables, figures and the picture there.")
]
Again = Annotated[bool, typer.Option("--again", help="Run it twice, and end with 1 unless both are equal to the byte.")]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel=RUN)(backtest)


def backtest(
    strategy: StrategyFile,
    data: Data,
    parameter: Told = None,
    account: StrategyAccount = "default",
    name: StrategyName = None,
    latency_ms: Latency = 1,
    capital: Capital = "100000",
    symbol: Symbol = None,
    bar: Bar = None,
    round_sizes: RoundSizes = False,
    out: Out = None,
    again: Again = False,
    json: AsJson = False,
    config: Config = None,
) -> None:
    """Run a strategy over market data: the whole desk in this process, in the data's own time.

    \b
    fillstream backtest crossing.py --data btcusdt.gz
    fillstream backtest crossing.py --data quotes.csv --data trades.csv --set fast=10 --out run-1
    fillstream backtest crossing.py:Crossing --data daily.parquet --symbol SPY --bar 1d --json

    The stages are those that run live, with the configuration's limits and fees, and its simulated venues' delay,
    slippage and refusals (execution.simulation). No server is needed and nothing listens. The same data, strategy and
    configuration give the same hash. `fillstream run` runs the same file on a desk.
    """
    from fillstream.backtest.backtest import Backtest

    try:
        money = Decimal(capital)
    except InvalidOperation:
        raise Stop(Exit.USAGE, f"capital: {capital!r} must be a decimal number") from None
    with failed(), _shown() as progress:
        run = Backtest(
            strategy, [*data], config=config, parameters=told(parameter), name=name, account=account,
            latency_ms=latency_ms, capital=money, symbol=symbol, bar=bar, round_sizes=round_sizes,
        )  # fmt: skip
        result = run.run(progress)
        second = run.run(progress) if again else None
    written = [] if out is None else _saved(result, out)
    _tell(result, second, written, json)
    if second is not None and second.hash != result.hash:
        raise typer.Exit(Exit.NO)


@contextmanager
def _shown() -> Iterator[Callable[[int, int], None]]:
    """Show on a terminal how far a run has come."""
    from rich.console import Console

    err = Console(stderr=True)
    if not err.is_terminal:
        yield lambda happenings, ms: None
        return
    with err.status("reading the data") as status:
        yield lambda happenings, ms: status.update(f"{happenings:,} quotes, trades and bars, up to {time_of(ms)}")


def _saved(result: Result, folder: Path) -> list[Path]:
    try:
        return result.save(folder)
    except OSError as error:
        raise Stop(Exit.NO, f"{error.filename or folder}: cannot be written: {error.strerror}") from error


def _tell(result: Result, second: Result | None, written: list[Path], json: bool) -> None:
    if json:
        more: dict[str, Any] = {"files": [str(path) for path in written]} if written else {}
        if second is not None:
            more |= {"hash_again": second.hash, "equal": second.hash == result.hash}
        as_json(result.as_dict() | more)
        return
    from fillstream.backtest.figures import has_ratios
    from fillstream.stack.extras import how_to_get

    out, summary = console(), result.summary
    print_table(out, f"{result.name}, {summary.currency or 'no position'}", ("what", "value"), _rows(result))
    for path, counts in result.passed_over.items():
        passed = ", ".join(f"{count:,} {kind}" for kind, count in counts.items())
        if passed:
            out.print(f"{path}: passed over {passed}", markup=False)
    for currency in summary.others:
        out.print(f"positions in {currency} are in the tables, and not in these figures", markup=False)
    if refused := result.rows("refused"):
        out.print(f"{len(refused):,} refused; the first: {refused[0][3]}", markup=False)
    for reason, texts in result.rejected().items():
        out.print(
            f"{len(texts):,} of {summary.orders:,} orders rejected, {reason}; the first: {texts[0]}", markup=False
        )
    if not summary.orders and not refused:
        out.print("the strategy sent nothing: is the data of the instruments, and the length, that it waits for?")
    if not has_ratios():
        out.print(f"Sharpe and other ratios need a library: {how_to_get('backtest')}", markup=False)
    if written:
        out.print(f"written: {len(written)} files in {written[0].parent}", markup=False)
    out.print(f"hash of all outputs: {result.hash}", markup=False)
    if second is not None:
        verdict = "run again: equal" if second.hash == result.hash else f"run again: DIFFERS, {second.hash}"
        out.print(verdict, markup=False)


def _rows(result: Result) -> list[tuple[str, Any]]:
    """Return what a run was, and its figures, a line each; what there is nothing to say of is left out."""
    from fillstream.libs.common.values.money import canonical

    summary = result.summary
    rows: list[tuple[str, Any]] = [("from", time_of(result.from_ms)), ("until", time_of(result.until_ms))]
    rows += [(name, value) for name, value in result.terms.items() if value]
    rows += [("quotes, trades, bars", f"{result.happenings:,}")]
    for name in summary.__dataclass_fields__:
        value = getattr(summary, name)
        if name not in _ELSEWHERE and value is not None:
            rows.append((name, canonical(value) if isinstance(value, Decimal) else value))
    return rows + [(name, f"{value:.6g}") for name, value in summary.ratios.items() if value is not None]


_ELSEWHERE = ("ratios", "others", "capital", "periods", "periods_per_year")
"""Of the summary, what is shown otherwise or says little."""
