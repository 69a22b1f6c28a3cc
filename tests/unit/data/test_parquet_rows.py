"""Parquet: every type that is text or a key is read, and the others are named."""

import datetime
import uuid
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from data_kit import parquet, read

from w2s_trainer.data.row import Row
from w2s_trainer.data.values import Unfit, key_of, text_of
from w2s_trainer.errors import BadData

TEXT_TYPES = {
    "string": pa.array(["ä"], pa.string()),
    "large string": pa.array(["ä"], pa.large_string()),
    "string view": pa.array(["ä"], pa.string_view()),
    "dictionary": pa.array(["ä"]).dictionary_encode(),
    "binary": pa.array(["ä".encode()], pa.binary()),
    "large binary": pa.array(["ä".encode()], pa.large_binary()),
    "fixed size binary": pa.array(["ä".encode()], pa.binary(2)),
}


def one(path: Path, columns: dict[str, Any]) -> Row:
    (row,) = read(path / "rows.parquet", parquet(pa.table(columns)))
    assert isinstance(row, Row)
    return row


@pytest.mark.parametrize("case", TEXT_TYPES)
def test_texts_of_every_type_are_read(tmp_path: Path, case: str) -> None:
    assert text_of(one(tmp_path, {"text": TEXT_TYPES[case]}), "text") == "ä"


KEY_TYPES: dict[str, tuple[pa.Array, str | None]] = {
    "int8": (pa.array([12], pa.int8()), "12"),
    "uint64": (pa.array([2**64 - 1], pa.uint64()), "18446744073709551615"),
    "float": (pa.array([12.0], pa.float32()), "12"),
    "double": (pa.array([12.0], pa.float64()), "12"),
    "boolean": (pa.array([True]), "true"),
    "decimal": (pa.array([Decimal("1")], pa.decimal128(10, 0)), "1"),
    "decimal with places": (pa.array([Decimal("12.50")], pa.decimal256(40, 2)), "12.5"),
    "uuid": (pa.array([uuid.UUID(int=1).bytes], pa.uuid()), str(uuid.UUID(int=1))),
    "binary": (pa.array([b" 12.0 "]), "12"),
    "dictionary of numbers": (pa.array([12]).dictionary_encode(), "12"),
    "null": (pa.nulls(1), None),
}


@pytest.mark.parametrize("case", KEY_TYPES)
def test_keys_of_every_type_are_read(tmp_path: Path, case: str) -> None:
    column, key = KEY_TYPES[case]
    row = one(tmp_path, {"text": ["a"], "group": column})
    assert (text_of(row, "text"), key_of(row, "group")) == ("a", key)


FOREIGN = {
    "timestamp[ns]": pa.array([1], pa.timestamp("ns")),
    "timestamp[us, tz=UTC]": pa.array([1], pa.timestamp("us", "UTC")),
    "time64[us]": pa.array([1], pa.time64("us")),
    "duration[s]": pa.array([1], pa.duration("s")),
    "a list (an array)": pa.array([["a"]]),
    "list<": pa.array([[1]]),
    "struct<": pa.array([{"a": 1}]),
    "map<": pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64())),
    "halffloat": pa.array([1.0], pa.float16()),
    "binary (and not UTF-8)": pa.array([b"\xff\xfe"]),
}


@pytest.mark.parametrize("type_", [pa.date32(), pa.date64()])
def test_dates_are_named(tmp_path: Path, type_: pa.DataType) -> None:
    row = one(tmp_path, {"text": ["a"], "group": pa.array([datetime.date(2026, 11, 28)], type_)})
    with pytest.raises(Unfit, match="`group` is a date: store it as text"):
        key_of(row, "group")


@pytest.mark.parametrize("name", FOREIGN)
@pytest.mark.parametrize("field", ["text", "group"])
def test_other_types_are_named(tmp_path: Path, name: str, field: str) -> None:
    row = one(tmp_path, {"text": ["a"], field: FOREIGN[name]})
    with pytest.raises(Unfit, match=f"`{field}` is n") as caught:
        (text_of if field == "text" else key_of)(row, field)
    assert name in str(caught.value)


def test_columns_that_are_not_wanted_may_be_of_any_type_and_name(tmp_path: Path) -> None:
    columns = {"text": ["a"], "text.raw": ["b"], "when": FOREIGN["timestamp[ns]"], "meta": FOREIGN["struct<"]}
    row = one(tmp_path, columns)
    assert row.values == {"text": "a"}
    assert set(row.fields) == set(columns)


def test_a_wanted_field_must_be_one_column(tmp_path: Path) -> None:
    table = pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"])], ["text", "text"])
    with pytest.raises(BadData, match="2 columns are called `text`"):
        read(tmp_path / "rows.parquet", parquet(table))


def test_a_file_may_have_no_rows_but_not_no_bytes(tmp_path: Path) -> None:
    assert read(tmp_path / "rows.parquet", parquet(pa.table({"text": pa.array([], pa.string())}))) == []
    with pytest.raises(BadData, match=r"rows\.parquet is empty"):
        read(tmp_path / "rows.parquet", b"")
