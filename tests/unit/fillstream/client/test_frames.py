"""Frames: exact decimals, times in UTC, and a sentence where a library is missing."""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from fillstream.client.analytics import Found, answered, found
from fillstream.client.frames import frame

KINDS = {
    "px": "DECIMAL(38,2)",
    "n": "BIGINT",
    "u": "UBIGINT",
    "many": "HUGEINT",
    "ratio": "DOUBLE",
    "at": "TIMESTAMP",
    "day": "DATE",
    "ok": "BOOLEAN",
    "text": "VARCHAR",
    "list": "VARCHAR[]",
}
ROW = {
    "px": "123456789012345678901.5", "n": 5, "u": str(2**64 - 1), "many": str(10**30), "ratio": 0.5,
    "at": "2026-11-29T01:02:03.004Z", "day": "2026-11-29", "ok": True, "text": "x", "list": ["a", "b"],
}  # fmt: skip
AT = datetime(2026, 11, 29, 1, 2, 3, 4000, UTC)
FOUND = Found(
    [{"name": name, "type": kind} for name, kind in KINDS.items()],
    [ROW, dict.fromkeys(KINDS)],
    truncated=False,
    incomplete=[],
)


def test_pandas_keeps_decimals_and_has_missing_values_of_each_type() -> None:
    pandas = pytest.importorskip("pandas")
    made = frame(FOUND, "pandas")
    assert made["px"][0] == Decimal("123456789012345678901.5")
    assert made["many"][0] == 10**30
    assert (made["n"][0], made["u"][0], made["ratio"][0], made["at"][0]) == (5, 2**64 - 1, 0.5, AT)
    assert (made["day"][0], made["ok"][0], made["list"][0]) == (date(2026, 11, 29), True, ["a", "b"])
    assert [str(made.dtypes[name]) for name in ("n", "u", "ratio", "at", "ok")] == [
        "Int64", "UInt64", "float64", "datetime64[us, UTC]", "boolean",
    ]  # fmt: skip
    assert all(pandas.isna(value) for value in made.iloc[1])


@pytest.mark.parametrize("library", ["polars", "arrow"])
def test_polars_and_arrow_have_decimal_columns(library: Any) -> None:
    module = pytest.importorskip("polars" if library == "polars" else "pyarrow")
    made = frame(FOUND, library)
    rows: list[dict[str, Any]] = made.to_dicts() if library == "polars" else made.to_pylist()
    assert rows[0] == {
        "px": Decimal("123456789012345678901.5"), "n": 5, "u": 2**64 - 1, "many": str(10**30), "ratio": 0.5, "at": AT,
        "day": date(2026, 11, 29), "ok": True, "text": "x", "list": ["a", "b"],
    }  # fmt: skip
    assert set(rows[1].values()) == {None}
    kind = made.schema["px"] if library == "polars" else made.schema.field("px").type
    assert kind == (module.Decimal(38, 2) if library == "polars" else module.decimal128(38, 2))


@pytest.mark.parametrize("library", ["pandas", "polars", "arrow"])
def test_nothing_found_is_an_empty_frame_with_its_columns(library: Any) -> None:
    pytest.importorskip({"arrow": "pyarrow"}.get(library, library))
    made = frame(Found(FOUND.columns, [], truncated=False, incomplete=[]), library)
    assert list(made.column_names if library == "arrow" else made.columns) == [*KINDS]
    assert len(made) == 0


@pytest.mark.parametrize(("library", "module"), [("pandas", "pandas"), ("polars", "polars"), ("arrow", "pyarrow")])
def test_a_library_that_is_missing_is_a_sentence(library: Any, module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    sentence = rf"as_='{library}' needs {module}, which is not installed: pip install 'fillstream\[frames\]'"
    with pytest.raises(ModuleNotFoundError, match=sentence):
        frame(FOUND, library)


def test_another_library_is_refused() -> None:
    with pytest.raises(ValueError, match="as_: 'excel' must be one of pandas, polars, arrow"):
        frame(FOUND, "excel")  # type: ignore[arg-type]


def test_no_two_columns_have_one_name() -> None:
    columns = [{"name": name, "type": "BIGINT"} for name in ("a", "a", "a_2", "a")]
    made = found({"columns": columns, "rows": [[1, 2, 3, 4]], "truncated": False})
    assert made.rows == [{"a": 1, "a_2": 2, "a_2_2": 3, "a_3": 4}]


class Response:
    """As httpx has one."""

    def __init__(self, status: int, body: Any, text: str = "") -> None:
        self.status_code, self._body, self.text = status, body, text
        self.is_success = status < 400

    def json(self) -> Any:
        if isinstance(self._body, Exception):
            raise self._body
        return self._body


@pytest.mark.parametrize(
    ("response", "sentence", "status"),
    [
        (Response(400, {"error": "sql: no"}), "sql: no", 400),
        (Response(404, {"detail": "gone", "incomplete": ["x"]}), "gone", 404),
        (Response(502, ValueError(), "bad gateway"), "bad gateway", 502),
        (Response(500, ValueError()), "analytics answered 500", 500),
        (Response(200, [1], "[1]"), r"\[1\]", 200),
    ],
)
def test_a_refusal_is_an_error_with_its_sentence(response: Response, sentence: str, status: int) -> None:
    from fillstream.client.analytics import AnalyticsError

    with pytest.raises(AnalyticsError, match=f"^{sentence}$") as raised:
        answered(response)
    assert raised.value.status == status
