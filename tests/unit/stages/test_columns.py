"""Columns of strings give what lists would give, and read no more than they must."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from w2s_trainer import stages
from w2s_trainer.stages import columns
from w2s_trainer.stages.columns import Strings, names_of, taken
from w2s_trainer.stages.tables import Examples

TEXTS = [f"text {number} ünï" for number in range(23)]


def of_list(_directory: Path) -> Strings:
    return Strings.of(TEXTS)


def of_chunks(_directory: Path) -> Strings:
    return Strings.of(pa.chunked_array([TEXTS[:5], [], TEXTS[5:6], TEXTS[6:]], pa.string()))


def of_file(directory: Path) -> Strings:
    path = directory / "texts.parquet"
    pq.write_table(pa.table({"other": range(23), "text": TEXTS}), path, row_group_size=4)
    return Strings.of_file(path, "text")


def some_rows(directory: Path) -> Strings:
    path = directory / "more.parquet"
    pq.write_table(pa.table({"text": [*reversed(TEXTS), "unwanted"]}), path, row_group_size=7)
    return Strings.of_file(path, "text").take(np.arange(22, -1, -1))


@pytest.fixture(params=[of_list, of_chunks, of_file, some_rows])
def strings(request, tmp_path, monkeypatch) -> Strings:
    monkeypatch.setattr(columns, "_BATCH", 6)
    return request.param(tmp_path)


def test_it_is_the_sequence(strings):
    assert (len(strings), list(strings)) == (23, TEXTS)
    assert [strings[place] for place in range(-23, 23)] == TEXTS * 2
    assert strings.arrow().to_pylist() == TEXTS
    for wrong in (23, -24):
        with pytest.raises(IndexError):
            strings[wrong]


@pytest.mark.parametrize(
    "part", [slice(0, 4), slice(3, 17), slice(20, 99), slice(5, 5), slice(None, None, -3)]
)
def test_a_slice_is_that_of_the_list(strings, part):
    assert list(strings[part]) == TEXTS[part]


@pytest.mark.parametrize("rows", [[], [22], [3, 3, 0], [21, 4, 9, 4, 0, 22, 13, 1, 8]])
def test_rows_are_taken_in_any_order_and_again_from_those(strings, rows):
    some = strings.take(np.array(rows, dtype=np.int64))
    assert list(some) == [TEXTS[row] for row in rows]
    assert some.arrow().to_pylist() == list(some)
    assert list(some.take(np.arange(len(rows))[::-1])) == [TEXTS[row] for row in reversed(rows)]
    assert list(taken(strings, np.array(rows, dtype=np.int64))) == list(some)


def test_of_a_file_a_few_row_groups_are_held_and_nothing_is_read_before_it_is_asked_for(
    tmp_path, monkeypatch
):
    read: list[int] = []
    group = pq.ParquetFile.read_row_group
    monkeypatch.setattr(
        pq.ParquetFile,
        "read_row_group",
        lambda self, number, **more: read.append(number) or group(self, number, **more),
    )
    some = of_file(tmp_path).take(np.array([20, 9, 10]))
    assert read == []
    assert list(some) == [TEXTS[20], TEXTS[9], TEXTS[10]]
    assert sorted(read) == [2, 5]


def test_names_of_a_column():
    assert names_of(pa.chunked_array([["b", "a"], ["b"]])).tolist() == ["b", "a", "b"]
    assert names_of(pa.chunked_array([], pa.string())).tolist() == []


def test_ids_become_rows():
    examples = Examples(TEXTS, TEXTS, np.array(["pool"] * 23), np.arange(23))
    ids = pa.chunked_array([[TEXTS[5], TEXTS[0]], [TEXTS[22], TEXTS[5]]])
    assert examples.rows_of(ids).tolist() == [5, 0, 22, 5]
    with pytest.raises(KeyError, match="unknown"):
        examples.rows_of(pa.chunked_array([[TEXTS[5], "unknown"]]))


def test_no_stage_makes_a_list_of_a_column():
    """A million texts are four times as large as Python strings; batches of them are made in one place."""
    (root,) = stages.__path__
    found = [path.name for path in sorted(Path(root).rglob("*.py")) if "to_pylist" in path.read_text()]
    assert found == ["columns.py"]
