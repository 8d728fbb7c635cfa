"""What an id that has to be remembered costs: the table in C beside the dicts that it took the place of.

Ten million finished orders, each with its client's id, as the orders stage remembers them for a day. Each side fills in
a process of its own, so that memory is what the process grew by; CPU microseconds an id are of putting it in, finding
it and letting it go, digests included.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from fillstream.services.order_service.orders.life.remembered import RememberedOrders, Row

ROW = Row("Filled", "BUY", 1_764_000_000_000, 1, 1)


class Dicts:
    """What was remembered until 0.2.0: the JSON of an order by its number, and its number by its client's id."""

    def __init__(self) -> None:
        self.records: dict[int, bytes] = {}
        self.clients: dict[str, int] = {}

    def put(self, number: int, account: str, client_order_id: str, row: Row) -> None:
        """Remember an order."""
        self.records[number] = b'[%d,"%b","%b","AAPL","%b","%b","100","100","184.99",%d]' % (
            number, client_order_id.encode(), account.encode(), row.side.encode(), row.status.encode(), row.received_ms,
        )  # fmt: skip
        self.clients[client_order_id] = number

    def find(self, account: str, client_order_id: str) -> int | None:
        """Return the number of an order."""
        return self.clients.get(client_order_id)

    def drop(self, first: int) -> None:
        """Forget the numbers below `first`."""
        for number in range(1, first):
            del self.records[number]
            del self.clients[client(number)]


def client(number: int) -> str:
    """Return the client's id of an order."""
    return f"client-{number:012d}"


def resident() -> int:
    """Return what this process has in memory (bytes)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def weigh(make: Callable[[], Any], count: int) -> dict[str, float]:
    """Return bytes an id, and CPU microseconds to put it in, find it and let it go."""
    before, table = resident(), make()

    def timed(step: Iterator[Any]) -> float:
        began = time.process_time()
        for _ in step:
            pass
        return round(1e6 * (time.process_time() - began) / count, 3)

    put = timed(table.put(n, "default", client(n), ROW) for n in range(1, count + 1))
    grown = resident() - before
    find = timed(table.find("default", client(n)) for n in range(1, count + 1))
    drop = timed(table.drop(n) for n in [count + 1])
    return {"bytes": round(grown / count, 1), "put_us": put, "find_us": find, "drop_us": drop}


def _work(name: str, count: int, answers: Any) -> None:
    answers.put(weigh({"table in C": RememberedOrders, "dicts": Dicts}[name], count))


def run(quick: bool) -> dict[str, Any]:
    """Return the figures of both, and the table's as a share of the dicts'."""
    count = 200_000 if quick else 10_000_000
    context = multiprocessing.get_context("spawn")
    rows: dict[str, dict[str, float]] = {}
    for name in ("table in C", "dicts"):
        answers = context.SimpleQueue()
        process = context.Process(target=_work, args=(name, count, answers))
        process.start()
        rows[name] = answers.get()
        process.join()
    ratios = {figure: round(rows["table in C"][figure] / rows["dicts"][figure], 3) for figure in rows["dicts"]}
    return {"ids": count, "rows": rows, "ratio": ratios}
