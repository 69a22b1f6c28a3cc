"""What below a prefix is data, what is not, and what the path of a file says."""

import os
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pytest
from data_kit import parquet, read

from w2s_trainer.data.partitions import partition_columns
from w2s_trainer.data.row import Row
from w2s_trainer.data.sources import expand, is_data, listing
from w2s_trainer.errors import BadData, BadSpec

NOT_DATA = [
    "_SUCCESS",
    ".part-0.jsonl.crc",
    "._part-0.jsonl",
    "a/_committed_1",
    ".ipynb_checkpoints/part-0-checkpoint.jsonl",
    "a/b/.ipynb_checkpoints/part-0-checkpoint.csv",
    "_temporary/0/task/part-1.jsonl",
    "a/_temporary/part-1.jsonl",
    "_delta_log/00000000000000000010.checkpoint.parquet",
    ".hoodie/metadata.parquet",
    "__MACOSX/part-0.jsonl",
    "",
    "a/",
    "a/b/",
    "a_$folder$",
]
DATA = ["part-0.jsonl", "a/part-0.parquet", "a b+c/part %20#?.csv", "a_b/c.d/p_1.jsonl", "_year=2026/p.jsonl"]


@pytest.mark.parametrize("name", NOT_DATA)
def test_notes_unfinished_work_and_markers_are_not_data(name: str) -> None:
    assert not is_data(name)


@pytest.mark.parametrize("name", DATA)
def test_all_else_is(name: str) -> None:
    assert is_data(name)


class Bucket:
    """Objects of some names, each of one byte but for markers."""

    def __init__(self, names: list[str]) -> None:
        self.names = names

    def list(self, prefix: str) -> Any:
        from w2s_trainer.store.objects import ObjectInfo

        return [
            ObjectInfo(prefix + name, int(not name.endswith(("/", "$")) and name != ""), "e")
            for name in self.names
        ]


@pytest.mark.parametrize("place", ["s3", "file"])
def test_what_is_passed_over_is_named_but_for_markers(tmp_path: Path, place: str) -> None:
    objects: Any = Bucket(NOT_DATA + DATA)
    uri = "s3://b/pool/" if place == "s3" else f"file://{tmp_path}/"
    for name in NOT_DATA + DATA if place == "file" else ():
        path = tmp_path / name
        if name == "" or name.endswith("/"):
            path.mkdir(exist_ok=True, parents=True)
            continue
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_bytes(b"" if name.endswith("$") else b"x")
    found = listing(uri, objects)
    assert [file.name for file in found.files] == sorted(DATA)
    assert found.passed_over == sorted(name for name in NOT_DATA if name and not name.endswith(("/", "$")))


def test_an_object_that_is_named_is_read_whatever_its_name(tmp_path: Path) -> None:
    (tmp_path / "_heap.jsonl").write_bytes(b"{}")
    objects: Any = None
    assert [file.name for file in expand(f"file://{tmp_path}/_heap.jsonl", objects)] == ["_heap.jsonl"]


def test_only_markers_are_no_data() -> None:
    objects: Any = Bucket(["", "a/", "_SUCCESS"])
    with pytest.raises(BadData) as caught:
        expand("s3://b/pool/", objects)
    assert caught.value.reason == "NoSuchData"


def test_an_unknown_format_is_named_where_it_is_data() -> None:
    objects: Any = Bucket(["a/part.avro", "_x/part.avro"])
    with pytest.raises(BadSpec, match=r"a/part\.avro"):
        expand("s3://b/pool/", objects)


def test_a_link_to_nothing_is_no_silence(tmp_path: Path) -> None:
    (tmp_path / "part-0.jsonl").symlink_to(tmp_path / "gone")
    objects: Any = None
    with pytest.raises(BadData, match=r"part-0\.jsonl is a link to nothing"):
        expand(f"file://{tmp_path}/", objects)


def test_a_name_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/part-\xff.jsonl")).write_bytes(b"{}")
    objects: Any = None
    with pytest.raises(BadData, match=r"part-\\udcff\.jsonl': the name is not UTF-8"):
        expand(f"file://{tmp_path}/", objects)


def test_a_file_that_may_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "p.jsonl").write_bytes(b"{}")
    (file,) = expand(f"file://{tmp_path}/", objects := cast(Any, None))

    def denied(*_: Any) -> Any:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)
    with pytest.raises(BadData, match=r"p\.jsonl: Permission denied"):
        file.open(objects)


PARTITIONS: list[tuple[str, dict[str, str | None]]] = [
    ("s3://b/pool/country=de/part-0.parquet", {"country": "de"}),
    ("s3://b/pool/year=2026/month=01/p.jsonl", {"year": "2026", "month": "01"}),
    ("s3://b/pool/client=A%26B%20C/p.jsonl", {"client": "A&B C"}),
    ("s3://b/pool/client=__HIVE_DEFAULT_PARTITION__/p.jsonl", {"client": None}),
    ("s3://b/pool/client=/p.jsonl", {"client": ""}),
    ("s3://b/pool/client=a=b/p.jsonl", {"client": "a=b"}),
    ("s3://b/pool/a=1.jsonl", {}),
    ("s3://a=b/pool/p.jsonl", {}),
    ("s3://b/pool/=1/p.jsonl", {}),
    ("file:///data/country=de/p.csv", {"country": "de"}),
]


@pytest.mark.parametrize(("uri", "columns"), PARTITIONS)
def test_columns_in_the_path(uri: str, columns: dict[str, str | None]) -> None:
    assert partition_columns(uri) == columns


FILES = {
    "p.parquet": parquet(pa.table({"text": ["a"]})),
    "p.csv": b"text\na\n",
    "p.jsonl": b'{"text": "a"}\n',
}


@pytest.mark.parametrize("name", FILES)
def test_a_column_of_the_path_is_in_every_row(tmp_path: Path, name: str) -> None:
    (row,) = read(tmp_path / "group=007" / name, FILES[name])
    assert isinstance(row, Row)
    assert (row.values["text"], row.values["group"]) == ("a", "007")
    assert "group" in row.fields


def test_the_column_of_the_file_goes_before_that_of_the_path(tmp_path: Path) -> None:
    (row,) = read(tmp_path / "group=a" / "p.csv", b"text,group\na,b\n")
    assert isinstance(row, Row)
    assert row.values["group"] == "b"
