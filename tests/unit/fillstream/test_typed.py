"""What is installed tells type checkers its types: a right script passes mypy, a wrong one fails."""

import os
import re
import subprocess
import sys
import venv
from pathlib import Path

import pytest

import fillstream
from tests.support.tree import ROOT

RIGHT = """\
from decimal import Decimal

import fillstream
from fillstream.libs.common.messages.positions import PositionChanged
from fillstream.trading import EventBus, Position, PositionTracker, PriceEvent
from fillstream import Engine, MarketData, OrderManagement, OrderResult, Side, Status, Tif, Trade, TradeReport


def on_trade(trade: TradeReport) -> None:
    price: int = trade.price
    print(trade.symbol.lower(), price, trade.side is Side.BUY)


def on_market(market: MarketData) -> None:
    print([level.price for level in market.bids], market.last_price)


engine = Engine(on_trade_confirmation=on_trade, on_market_data_update=on_market)
result: OrderResult = engine.submit_order("JPM", "BUY", 10, 5, "a", tif=Tif.IOC)
assert result.status is Status.CANCELED
bid, ask = engine.best("JPM")
if bid is not None:
    print(bid.price)
trade: Trade = OrderManagement().place_trade("JPM", Side.BUY, 22)
book = fillstream.OrderBook("JPM", on_order_update=lambda update: print(update.client_id))
book.add("BUY", 1, 1, "z", display=1, stp="DECREMENT")
print(fillstream.research.process(fillstream.CoreEngine(), fillstream.research.commands(3)))


def buy(stack: fillstream.LocalStack) -> str:
    with fillstream.Client(stack.redis_url) as desk:
        for item in desk.follow_quotes(idle_s=1):
            symbol: str = item.message.symbol
            print(symbol, item.id)
        return desk.signal("AAPL", "BUY", 100)


async def sell(desk: fillstream.AsyncClient) -> Decimal | None:
    signal_id: str = await desk.signal("AAPL", "SELL", 100)
    print((await desk.wait_for(signal_id)).final)
    async for item in desk.follow_positions():
        if isinstance(item.message, PositionChanged):
            return item.message.position
    return None


async def watch(bus: EventBus) -> None:
    async def on_price(event: PriceEvent) -> None:
        print(event.price)

    await bus.subscribe(PriceEvent, on_price)
    position: Position = await PositionTracker(bus).create_position("AAPL", quantity=100)
    print(position.quantity)
"""

WRONG = {
    'engine.sbumit_order("JPM", "BUY", 10, 5, "a")': "attr-defined",
    'engine.submit("a")': "attr-defined",
    "engine.best(0)": "arg-type",
    'engine.submit_order("JPM", "BUY", 1.5, 5, "a")': "arg-type",
    'engine.submit_order("JPM", "BUY", 1, 5, "a", flags=3)': "arg-type",
    'fillstream.OrderBook("X").add("BUY", 1, 1, "z", nonsense=3)': "call-arg",
    'fillstream.OrderBook("X").add("BUY", 1, 1, "z", display="3")': "arg-type",
    "fillstream.Engine(on_trade_confirmation=5)": "arg-type",
    'fillstream.OrderManagement().add_order("1", "JPM", "BUY", 20, 20)': "arg-type",
    "fillstream.Sdie": "attr-defined",
    "fillstream.Client(5)": "arg-type",
    "fillstream.LocalStack(data_dir=5)": "arg-type",
    "fillstream.AsyncClient(5)": "arg-type",
    'text2: int = fillstream.Client("").signal("AAPL", "BUY", 1)': "assignment",
    'fillstream.Client("").follow_fills(since=5)': "call-arg",
    'text: str = engine.cancel_order("a").filled': "assignment",
}


def install(folder: Path) -> Path:
    """Put what the build would put into site-packages into those of a new environment; return its Python."""
    venv.create(folder / "venv", symlinks=True, with_pip=False)
    (site,) = (folder / "venv/lib").glob("python*/site-packages")
    build = ["egg_info", "--egg-base", str(folder), "build_py", "--build-lib", str(site)]
    built = subprocess.run([sys.executable, "setup.py", "-q", *build], cwd=ROOT, check=False, capture_output=True)
    assert built.returncode == 0, built.stderr.decode()
    return folder / "venv/bin/python"


def test_types_come_with_the_installed_packages(tmp_path: Path) -> None:
    python = install(tmp_path)
    (site,) = python.parents[1].glob("lib/python*/site-packages")
    assert {path.parent.name for path in site.glob("*/py.typed")} == {"fillstream"}
    assert {path.name for path in site.iterdir() if path.is_dir()} <= {"fillstream"}, "no name but our own"
    (tmp_path / "right.py").write_text(RIGHT)
    (tmp_path / "wrong.py").write_text("import fillstream\n\nengine = fillstream.Engine()\n" + "\n".join(WRONG) + "\n")
    scripts = ["right.py", "wrong.py"]
    command = [sys.executable, "-m", "mypy", "--strict", "--python-executable", str(python), "--config-file=", *scripts]
    environ = {name: value for name, value in os.environ.items() if name not in ("MYPYPATH", "PYTHONPATH")}
    checked = subprocess.run(command, cwd=tmp_path, env=environ, check=False, capture_output=True, text=True)
    found = dict(re.findall(r"^wrong\.py:(\d+): error: .*\[([a-z-]+)\]$", checked.stdout, re.MULTILINE))
    assert found == {str(4 + n): code for n, code in enumerate(WRONG.values())}, checked.stdout + checked.stderr
    assert "right.py" not in checked.stdout


def test_the_core_is_one_class_under_one_name_and_no_engine_for_people() -> None:
    assert fillstream.research.CoreEngine is fillstream.CoreEngine
    assert not hasattr(fillstream.research, "Engine")


def test_a_book_needs_no_redis_and_a_client_no_c_engine() -> None:
    heavy = ["fillstream.native._core", "redis"]
    script = f"import sys, fillstream; fillstream.NAME; print([each for each in {heavy} if each in sys.modules])"
    told = {
        name: subprocess.run(
            [sys.executable, "-c", script.replace("NAME", name)], capture_output=True, text=True, check=True
        ).stdout
        for name in ("OrderBook", "Client")
    }
    assert told == {"OrderBook": "['fillstream.native._core']\n", "Client": "['redis']\n"}


def test_every_public_name_is_there_and_listed() -> None:
    assert set(fillstream.__all__) <= set(dir(fillstream))
    for name in fillstream.__all__:
        assert getattr(fillstream, name) is not None
    with pytest.raises(AttributeError, match="module 'fillstream' has no attribute 'Sdie'"):
        fillstream.Sdie  # noqa: B018
