"""Document 003's two ways to run, on a desk of real processes: values in a file, and a page in Streamlit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from examples.main import main
from tests.conftest import until
from tests.support.desk_of_processes import DeskOfProcesses

FRONT_END = Path(__file__).parents[2] / "examples" / "front_end.py"
PATIENT_S = 60


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DeskOfProcesses]:
    made = DeskOfProcesses(tmp_path_factory.mktemp("desk"))
    yield made
    made.stop()


def test_values_in_the_file_are_placed_and_tracked(desk: DeskOfProcesses, capsys: pytest.CaptureFixture[str]) -> None:
    main(desk.url, None)
    told = capsys.readouterr().out.splitlines()
    assert "BUY 10 AAPL: OrderFilled 10 at 190.02" in told
    assert [each.rpartition(" is ")[2] for each in told if " is " in each] == [
        "Filled, 10 filled", "Filled, 5 filled", "Filled, 4 filled",
    ]  # fmt: skip


def test_an_order_is_placed_on_the_page_tracked_and_canceled(
    desk: DeskOfProcesses, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FILLSTREAM_URL", desk.url)
    monkeypatch.delenv("FILLSTREAM_KEY", raising=False)
    page = AppTest.from_file(str(FRONT_END), default_timeout=PATIENT_S).run()
    assert not page.exception
    page.selectbox[0].select("default")
    page.text_input[1].input("150.00")
    page.button[0].click().run()
    assert not page.exception
    assert [each.value.rpartition(": ")[2] for each in page.success] == ["New"]
    shown = page.dataframe[0].value
    assert shown.iloc[0]["ord_status"] == "New"
    order_id = shown.iloc[0]["order_id"]
    page.selectbox[2].select(order_id)
    page.button[1].click().run()
    until(lambda: desk.get(f"/v1/orders/{order_id}")["order"]["ord_status"] == "Canceled", "the order to be canceled")


def test_what_the_desk_refuses_is_told(desk: DeskOfProcesses, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FILLSTREAM_URL", desk.url)
    page = AppTest.from_file(str(FRONT_END), default_timeout=PATIENT_S).run()
    page.text_input[0].input("1000000")
    page.button[0].click().run()
    assert not page.exception
    assert "max_order_value" in page.error[0].value
    page.text_input[0].input("ten")
    page.button[0].click().run()
    assert page.error[0].value == "Quantity and price must be numbers."


def test_without_a_gateway_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FILLSTREAM_URL", "http://127.0.0.1:9")
    page = AppTest.from_file(str(FRONT_END), default_timeout=PATIENT_S).run()
    assert "fillstream up --without-key" in page.error[0].value
