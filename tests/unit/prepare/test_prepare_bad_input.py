"""Bad input: one clear line that names the place, and the right exit code."""

import gzip
import io
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from prepare_kit import MemoryObjects, Prepared, clause, gold, jsonl, pool, spec_of

from w2s_trainer.data.sources import source_digest
from w2s_trainer.errors import StageError

Run = Callable[..., Prepared]


def parquet(rows: list[dict[str, Any]]) -> bytes:
    stream = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), stream, row_group_size=20)
    return stream.getvalue()


def table(rows: list[dict[str, Any]], header: str = "text,label") -> bytes:
    return "\r\n".join([header, *(f'"{row["text"]}",{row["label"]}' for row in rows)]).encode()


def broken(parquet_file: bytes) -> bytes:
    """The first pages overwritten; the footer is sound."""
    return parquet_file[:4] + bytes(1000) + parquet_file[1004:]


ROWS = gold()
RELABELLED = [row | {"label": "Indemnities"} if n in (7, 9) else row for n, row in enumerate(ROWS)]
GROUPED = [row | {"label": "indemnity" if n < 10 else "other", "g": min(n, 10)} for n, row in enumerate(ROWS)]
HALF_BAD = [row if n % 2 else {"text": ""} for n, row in enumerate(ROWS)]
NAMED = [row | {"id": number % 119} for number, row in enumerate(ROWS)]

# name of the gold file, its content, settings under `data`, exit code, reason, what the message names
BAD: dict[str, tuple[str, bytes, dict[str, Any], int, str, list[str]]] = {
    "nothing there": (
        "other.jsonl",
        b"",
        {"gold": {"uri": "s3://b/gone.jsonl"}},
        65,
        "NoSuchData",
        ["s3://b/gone.jsonl"],
    ),
    "nothing below": (
        "other.jsonl",
        b"",
        {"gold": {"uri": "s3://b/gone/"}},
        65,
        "NoSuchData",
        ["s3://b/gone/"],
    ),
    "unknown format": (
        "gold.xlsx",
        b"x",
        {},
        64,
        "UnknownFormat",
        ["gold.xlsx", ".jsonl, .jsonl.gz, .csv or .parquet"],
    ),
    "empty jsonl": ("gold.jsonl", b"", {}, 65, "EmptyFile", ["s3://b/gold.jsonl"]),
    "blank jsonl": ("gold.jsonl", b"\n\n", {}, 65, "EmptyFile", ["s3://b/gold.jsonl"]),
    "empty gzip": ("gold.jsonl.gz", gzip.compress(b""), {}, 65, "EmptyFile", ["gold.jsonl.gz"]),
    "empty csv": ("gold.csv", b"", {}, 65, "EmptyFile", ["gold.csv"]),
    "csv header only": ("gold.csv", b"text,label\n", {}, 65, "EmptyFile", ["gold.csv"]),
    "empty parquet": ("gold.parquet", b"", {}, 65, "EmptyFile", ["gold.parquet"]),
    "truncated gzip": (
        "gold.jsonl.gz",
        gzip.compress(jsonl(ROWS))[:-400],
        {},
        65,
        "TruncatedFile",
        ["gold.jsonl.gz", "after row"],
    ),
    "not gzip": ("gold.jsonl.gz", jsonl(ROWS), {}, 65, "CorruptFile", ["gold.jsonl.gz", "row 0"]),
    "not parquet": ("gold.parquet", b"PAR1 nonsense", {}, 65, "CorruptFile", ["gold.parquet"]),
    "truncated parquet": ("gold.parquet", parquet(ROWS)[:-100], {}, 65, "CorruptFile", ["gold.parquet"]),
    "corrupt parquet": (
        "gold.parquet",
        broken(parquet(ROWS)),
        {},
        65,
        "CorruptFile",
        ["gold.parquet", "after row 0"],
    ),
    "open quote": (
        "gold.csv",
        table(ROWS) + b'\n"never closed,other\na,b\n',
        {},
        65,
        "TruncatedFile",
        ["gold.csv", "row 121", "never closed"],
    ),
    "csv without the field": (
        "gold.csv",
        table(ROWS, "body,label"),
        {},
        65,
        "TextFieldMissing",
        ["`text`", "`body`, `label`"],
    ),
    "another separator": (
        "gold.csv",
        table(ROWS).replace(b",", b";"),
        {},
        65,
        "BadHeader",
        ["divided by semicolons; only commas"],
    ),
    "tabs": (
        "gold.csv",
        table(ROWS).replace(b",", b"\t"),
        {},
        65,
        "BadHeader",
        ["divided by tabs; only commas"],
    ),
    "field in another Unicode form": (
        "gold.csv",
        table(ROWS, "text,e\u0301tiquette"),
        {"fields": {"label": "\u00e9tiquette"}},
        65,
        "LabelFieldMissing",
        ["U+0065 U+0301", "U+00E9", "Write both alike"],
    ),
    "text field": (
        "gold.jsonl",
        jsonl(ROWS),
        {"fields": {"text": "txt"}},
        65,
        "TextFieldMissing",
        ["`txt`", "data.fields.text", "Did you mean `text`?"],
    ),
    "text field of parquet": (
        "gold.parquet",
        parquet(ROWS),
        {"fields": {"text": "body"}},
        65,
        "TextFieldMissing",
        ["`body`", "`text`, `label`"],
    ),
    "label field": (
        "gold.jsonl",
        jsonl([{"text": "a", "clas": "b"}] * 3),
        {"fields": {"label": "class"}},
        65,
        "LabelFieldMissing",
        ["`class`", "Did you mean `clas`?"],
    ),
    "group field": (
        "gold.jsonl",
        jsonl(ROWS),
        {"fields": {"group": "contract"}},
        65,
        "GroupFieldMissing",
        ["`contract`"],
    ),
    "id field": ("gold.jsonl", jsonl(ROWS), {"fields": {"id": "key"}}, 65, "IdFieldMissing", ["`key`"]),
    "id twice": (
        "gold.jsonl",
        jsonl(NAMED),
        {"fields": {"id": "id"}},
        65,
        "DuplicateId",
        ["1 rows", "gold.jsonl row 1 and s3://b/gold.jsonl row 120"],
    ),
    "too many bad rows": (
        "gold.jsonl",
        jsonl(HALF_BAD),
        {},
        65,
        "TooManyUnusableRows",
        ["60 of 120", "gold.jsonl row 1: `text` is empty"],
    ),
    "utf-16": (
        "gold.jsonl",
        jsonl(ROWS).decode().encode("utf-16"),
        {},
        65,
        "NotUTF8",
        ["gold.jsonl is UTF-16 text"],
    ),
    "few rows, all bad": (
        "gold.jsonl",
        b"[]\n{\n",
        {},
        65,
        "TooManyUnusableRows",
        ["2 of 2", "row 2: not JSON"],
    ),
    "labels outside": (
        "gold.jsonl",
        jsonl(RELABELLED),
        {},
        65,
        "LabelOutsideClasses",
        [
            "`Indemnities` (2, first in s3://b/gold.jsonl row 8)",
            "`other`, `indemnity`",
            "the class `indemnity`",
        ],
    ),
    "class without gold": (
        "gold.jsonl",
        jsonl(ROWS[::2]),
        {},
        65,
        "ClassWithoutGold",
        ["no example of `indemnity`", "60 of `other`"],
    ),
    "class in one family": (
        "gold.jsonl",
        jsonl(GROUPED),
        {"fields": {"group": "g"}},
        65,
        "ClassNotInTest",
        ["110 gold rows of `other`", "one family"],
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_gold_is_refused(run_prepare: Run, case: str) -> None:
    name, content, data, code, reason, named = BAD[case]
    fields = data.get("fields", {})
    unlabelled = [
        row
        | {
            fields.get("text", "text"): row["text"],
            fields.get("id", "id"): f"u{number}",
            "contract": number,
            "g": -1,
        }
        for number, row in enumerate(pool())
    ]
    objects = MemoryObjects({f"s3://b/{name}": content, "s3://b/pool.jsonl": jsonl(unlabelled)})
    sources = {"gold": {"uri": f"s3://b/{name}"}, "unlabeled": {"uri": "s3://b/pool.jsonl"}} | data
    with pytest.raises(StageError) as caught:
        run_prepare(spec_of(sources), objects)
    error = caught.value
    assert (error.reason, int(error.exit_code)) == (reason, code)
    assert "\n" not in str(error)
    assert error.hint
    for word in named:
        assert word in str(error)


SPOILT = {
    "not JSON": (b'{"text": "x", }', "not JSON: "),
    "not an object": (b'["text"]', "not an object"),
    "invalid UTF-8": (b'{"text": "\xe4"}', "invalid UTF-8 at byte 11"),
    "half a surrogate pair": (b'{"text": "a\\ud83d", "label": "other"}', "half a surrogate pair"),
    "deep nesting": (b'{"text":' + b"[" * 100_000, "not JSON"),
    "no text": (b'{"label": "other"}', "no `text`"),
    "text is null": (b'{"text": null, "label": "other"}', "no `text`"),
    "text is a number": (b'{"text": 5, "label": "other"}', "`text` is not a string"),
    "empty text": (b'{"text": " \\n", "label": "other"}', "`text` is empty"),
    "no label": (b'{"text": "a text"}', "no `label`"),
    "empty label": (b'{"text": "a text", "label": " "}', "no `label`"),
    "label is a list": (b'{"text": "a text", "label": ["other"]}', "`label` is neither"),
}


@pytest.mark.parametrize("case", SPOILT)
def test_a_spoilt_line_is_quarantined_and_reading_goes_on(run_prepare: Run, case: str) -> None:
    line, reason = SPOILT[case]
    lines = jsonl(ROWS).splitlines()
    lines.insert(60, line)
    objects = MemoryObjects({"s3://b/gold.jsonl": b"\n".join(lines), "s3://b/pool.jsonl": jsonl(pool())})
    done = run_prepare(
        spec_of({"gold": {"uri": "s3://b/gold.jsonl"}, "unlabeled": {"uri": "s3://b/pool.jsonl"}}), objects
    )
    (bad,) = done.rows("quarantine.parquet")
    assert (bad["source"], bad["row"]) == ("s3://b/gold.jsonl", 61)
    assert reason in bad["reason"]
    assert done.summary["rows"]["budget"] + done.summary["rows"]["test"] == 120


@pytest.mark.parametrize("case", ["not JSON", "no label", "label is a list"])
def test_reasons_quote_nothing_of_the_data(run_prepare: Run, case: str) -> None:
    assert "a text" not in SPOILT[case][1]


CSV_ROWS = {
    "too few fields": (b"only one", "1 fields where the header has 2"),
    "too many fields": (b"a,b,c", "3 fields"),
    "invalid UTF-8": (b"caf\xe9,other", "invalid UTF-8"),
    "text after a quote": (b'"a"b,other', "not CSV"),
}


@pytest.mark.parametrize("case", CSV_ROWS)
def test_a_spoilt_csv_row_is_quarantined(run_prepare: Run, case: str) -> None:
    line, reason = CSV_ROWS[case]
    lines = table(ROWS).split(b"\r\n")
    lines[1] = lines[1].replace(b" ", b"\n", 1)  # a record of two lines is one row
    lines.insert(61, line)
    objects = MemoryObjects({"s3://b/gold.csv": b"\n".join(lines), "s3://b/pool.jsonl": jsonl(pool())})
    done = run_prepare(
        spec_of({"gold": {"uri": "s3://b/gold.csv"}, "unlabeled": {"uri": "s3://b/pool.jsonl"}}), objects
    )
    (bad,) = done.rows("quarantine.parquet")
    assert bad["row"] == 61
    assert reason in bad["reason"]
    assert done.summary["rows"]["budget"] + done.summary["rows"]["test"] == 120


FORMATS = {
    "gold.jsonl": jsonl(ROWS),
    "gold.jsonl.gz": gzip.compress(jsonl(ROWS)),
    "gold.csv": b"\xef\xbb\xbf" + table(ROWS),
    "gold.parquet": parquet(ROWS),
}


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("place", ["s3", "file"])
def test_every_format_gives_the_same_rows(run_prepare: Run, tmp_path: Any, name: str, place: str) -> None:
    objects = MemoryObjects({"s3://b/pool.jsonl": jsonl(pool())})
    root = "s3://b/in/" if place == "s3" else f"file://{tmp_path}/in/"
    for file, content in (
        (f"deep/{name}", FORMATS[name]), ("_SUCCESS", b""), (".part.crc", b"x")
    ):  # fmt: skip
        if place == "s3":
            objects.content[root + file] = content
        else:
            path = tmp_path / "in" / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    done = run_prepare(spec_of({"gold": {"uri": root}, "unlabeled": {"uri": "s3://b/pool.jsonl"}}), objects)
    found = done.part("budget") + done.part("test")
    assert {row["text"] for row in found} == {row["text"] for row in ROWS}
    assert {row["id"] for row in found} == {f"deep/{name}:{number}" for number in range(1, 121)}
    labels = {row["id"]: row["label"] for row in done.rows("gold-test/labels.parquet")}
    assert all(label == (int(row.rpartition(":")[2]) - 1) % 2 for row, label in labels.items())


@pytest.mark.parametrize(
    ("values", "classes"),
    [([0, 1], ["0", "1"]), ([0.0, 1.0], ["0", "1"]), ([False, True], ["false", "true"]), ([" a", "b "], ["a", "b"])],
)  # fmt: skip
def test_labels_may_be_numbers(run_prepare: Run, values: list[Any], classes: list[str]) -> None:
    rows = [row | {"label": values[number % 2]} for number, row in enumerate(ROWS)]
    objects = MemoryObjects({"s3://b/gold.parquet": parquet(rows), "s3://b/pool.jsonl": jsonl(pool())})
    spec = spec_of(
        {"gold": {"uri": "s3://b/gold.parquet"}, "unlabeled": {"uri": "s3://b/pool.jsonl"}},
        task={"classes": [{"name": name} for name in classes]},
        weak={"labelers": [{"name": "f", "type": "Finetuned", "finetuned": {"model": {"uri": "py://m"}}}]},
    )
    assert run_prepare(spec, objects).summary["classes"] == {
        name: {"budget": 30, "test": 30} for name in classes
    }


def test_rows_without_a_group_stand_alone(run_prepare: Run) -> None:
    rows = [row | {"contract": "c" if number < 3 else None} for number, row in enumerate(ROWS)]
    unlabelled = [row | {"contract": number, "g": -1} for number, row in enumerate(pool())]
    objects = MemoryObjects({"s3://b/gold.jsonl": jsonl(rows), "s3://b/pool.jsonl": jsonl(unlabelled)})
    done = run_prepare(
        spec_of(
            {
                "gold": {"uri": "s3://b/gold.jsonl"},
                "unlabeled": {"uri": "s3://b/pool.jsonl"},
                "fields": {"group": "contract"},
            }
        ),
        objects,
    )
    assert done.summary["families"]["test"] + done.summary["families"]["budget"] == 118


def test_the_digest_of_a_source_changes_with_its_data(tmp_path: Any) -> None:
    objects = MemoryObjects({"s3://b/p/a.jsonl": b"1", "s3://b/p/b.jsonl": b"2", "s3://b/pq.jsonl": b"3"})
    before = source_digest("s3://b/p/", objects)
    assert source_digest("s3://b/p/", objects) == before
    objects.content["s3://b/pq.jsonl"] = b"4"
    assert source_digest("s3://b/p/", objects) == before
    objects.content["s3://b/p/b.jsonl"] = b"5"
    assert source_digest("s3://b/p/", objects) != before

    path = tmp_path / "a.jsonl"
    path.write_bytes(b"1")
    local = source_digest(f"file://{path}", objects)
    path.write_bytes(b"2")
    assert source_digest(f"file://{path}", objects) != local


def test_a_label_longer_than_any_text_is_cut_in_the_message(run_prepare: Run) -> None:
    rows = [*ROWS, {"text": clause(999), "label": clause(998)}]
    objects = MemoryObjects({"s3://b/gold.jsonl": jsonl(rows), "s3://b/pool.jsonl": jsonl(pool())})
    with pytest.raises(StageError) as caught:
        run_prepare(
            spec_of({"gold": {"uri": "s3://b/gold.jsonl"}, "unlabeled": {"uri": "s3://b/pool.jsonl"}}),
            objects,
        )
    assert clause(998) not in str(caught.value)
