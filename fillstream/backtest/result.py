"""What came of a backtest: its tables, its figures, its picture, and the hash of all that the desk told.

Flows in: a run's record. Flows out: rows, Arrow, pandas, DuckDB, files. Numbers stay exact on the way: Decimals, which
Arrow and DuckDB have as DECIMAL(38, 12), and text in CSV. Never reckons anything anew.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

import orjson

from fillstream.backtest.figures import Summary
from fillstream.backtest.picture import equity_svg
from fillstream.backtest.record import TABLES, Record, Row
from fillstream.libs.common.messages.codes import OrdStatus
from fillstream.libs.common.values.money import canonical
from fillstream.stack.extras import has_analytics, how_to_get
from fillstream.tools.render import time_of

MAX_DECIMALS = 12
"""Of numbers in Arrow; no price, quantity or mean that the desk tells has more."""


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a backtest.

    Attributes:
        name: of the strategy.
        from_ms, until_ms: when it began and ended (ms since 1970 UTC).
        happenings: quotes, trades and bars that there were.
        summary: it in figures.
        digests: each stage's output hash, by the name of its inbox: what `fillstream replay` compares.
        terms: what it was run with, for people.
        passed_over: what of the data says nothing of a market, by file.
        record: the tables.
    """

    name: str
    from_ms: int
    until_ms: int
    happenings: int
    summary: Summary
    digests: Mapping[str, str]
    terms: Mapping[str, str]
    passed_over: Mapping[str, Mapping[str, int]]
    record: Record = field(repr=False)

    @property
    def hash(self) -> str:
        """One hash of everything that every stage sent: equal for the same data, strategy, settings and release."""
        return blake2b(orjson.dumps(dict(self.digests), option=orjson.OPT_SORT_KEYS), digest_size=16).hexdigest()

    def rows(self, table: str) -> list[Row]:
        """Return a table's rows; `record.TABLES` has the names and kinds of its columns.

        Raises:
            KeyError: there is no such table.
        """
        return self.record.rows(table)

    def arrow(self, table: str) -> Any:
        """Return a table as a `pyarrow.Table`.

        Raises:
            KeyError: there is no such table.
            ImportError: Arrow is not installed; says how to get it.
        """
        try:
            import pyarrow as pa  # noqa: PLC0415 - an extra, asked for where it is used
        except ImportError as missing:
            raise ImportError(f"Arrow is not installed: {how_to_get('analytics')}") from missing
        number = pa.decimal128(38, MAX_DECIMALS)
        kinds = {"time": pa.timestamp("ms", tz="UTC"), "number": number, "whole": pa.int64(), "text": pa.string()}
        columns, rows = TABLES[table], self.rows(table)
        arrays = [pa.array([row[place] for row in rows], kinds[kind]) for place, kind in enumerate(columns.values())]
        return pa.table(arrays, names=[*columns])

    def pandas(self, table: str) -> Any:
        """Return a table as a `pandas.DataFrame`; numbers are Decimals.

        Raises:
            KeyError: there is no such table.
            ImportError: pandas or Arrow is not installed; says how to get it.
        """
        try:
            return self.arrow(table).to_pandas()
        except ModuleNotFoundError as missing:
            raise ImportError(f"pandas is not installed: {how_to_get('frames')}") from missing

    def duckdb(self) -> Any:
        """Return a DuckDB in memory that has every table.

        Raises:
            ImportError: DuckDB is not installed; says how to get it.
        """
        try:
            import duckdb  # noqa: PLC0415 - an extra, asked for where it is used
        except ImportError as missing:
            raise ImportError(f"DuckDB is not installed: {how_to_get('analytics')}") from missing
        database = duckdb.connect()
        for name in TABLES:
            database.register("told", self.arrow(name))
            database.execute(f"CREATE TABLE {name} AS SELECT * FROM told")  # noqa: S608 - a name of ours
            database.unregister("told")
        return database

    def rejected(self) -> dict[str, list[str]]:
        """Return why orders were rejected, in sentences, by the reason; what was rejected most goes first."""
        found: dict[str, list[str]] = {}
        for row in self.rows("orders"):
            order = dict(zip(TABLES["orders"], row, strict=True))
            if order["ord_status"] == OrdStatus.REJECTED:
                found.setdefault(order["reason"], []).append(order["text"])
        return dict(sorted(found.items(), key=lambda each: -len(each[1])))

    def svg(self) -> str:
        """Return the equity curve of the summary's currency as an SVG document."""
        points = [(row[0], float(row[2])) for row in self.rows("equity") if row[1] == self.summary.currency]
        title = f"{self.name}: {canonical(self.summary.net_pnl)} {self.summary.currency or ''}".strip()
        return equity_svg(title, points, self.from_ms, self.until_ms, float(self.summary.capital))

    def as_dict(self) -> dict[str, Any]:
        """Return what there is to say without the tables, as JSON has it."""
        return {
            "strategy": self.name,
            "from": time_of(self.from_ms),
            "until": time_of(self.until_ms),
            "happenings": self.happenings,
            "terms": dict(self.terms),
            "summary": self.summary.as_dict(),
            "events": dict(sorted(self.record.events.items())),
            "passed_over": {name: dict(counts) for name, counts in self.passed_over.items()},
            "rejected": {reason: len(texts) for reason, texts in self.rejected().items()},
            "refused": self.record.count("refused"),
            "digests": dict(self.digests),
            "hash": self.hash,
        }

    def save(self, folder: Path) -> list[Path]:
        """Write it into a folder, which is made: a CSV of each table, Parquet beside it where Arrow is installed,
        `summary.json` and `equity.svg`; return the files.

        Raises:
            OSError: it cannot be written there.
        """
        folder.mkdir(parents=True, exist_ok=True)
        written = []
        for name, columns in TABLES.items():
            path = folder / f"{name}.csv"
            with path.open("w", newline="") as file:
                writer = csv.writer(file)
                writer.writerow(columns)
                kinds = [*columns.values()]
                writer.writerows([_shown(*each) for each in zip(row, kinds, strict=True)] for row in self.rows(name))
            written.append(path)
            if has_analytics():
                import pyarrow.parquet as pq  # noqa: PLC0415 - an extra, asked for where it is used

                written.append(folder / f"{name}.parquet")
                pq.write_table(self.arrow(name), written[-1])
        for name, text in (
            ("summary.json", orjson.dumps(self.as_dict(), option=orjson.OPT_INDENT_2).decode() + "\n"),
            ("equity.svg", self.svg()),
        ):
            written.append(folder / name)
            written[-1].write_text(text)
        return written


def _shown(value: Any, kind: str) -> Any:
    if value is None:
        return ""
    if kind == "time":
        return f"{time_of(value)}Z".replace(" ", "T")
    return canonical(value) if kind == "number" else value
