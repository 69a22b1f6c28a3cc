"""No row is lost and none leaks: keys in whatever form, parts of a prefix, quotes that swallow lines."""

import csv
import datetime
import io
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from prepare_kit import CLASSES, MemoryObjects, Prepared, gold, jsonl, pool, spec_of

from w2s_trainer.contract.last_words import LastWords
from w2s_trainer.errors import StageError

Run = Callable[..., Prepared]


def parquet(rows: list[dict[str, Any]], schema: pa.Schema | None = None) -> bytes:
    stream = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema), stream)
    return stream.getvalue()


def table(rows: list[dict[str, Any]]) -> bytes:
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue().encode()


def sources(gold_name: str, pool_name: str, **more: Any) -> dict[str, Any]:
    return {"gold": {"uri": f"s3://b/{gold_name}"}, "unlabeled": {"uri": f"s3://b/{pool_name}"}, **more}


WRITERS: dict[str, Callable[[list[dict[str, Any]]], bytes]] = {
    "csv": table,
    "jsonl": jsonl,
    "parquet": parquet,
}
GROUP_FORMS: dict[str, tuple[str, Callable[[int], Any]]] = {
    "integers": ("parquet", lambda number: number),
    "floats": ("parquet", float),
    "decimals": ("parquet", lambda number: Decimal(f"{number}.00")),
    "floats of JSON": ("jsonl", float),
    "floats as text": ("csv", lambda number: f"{number}.0"),
    "white space": ("csv", lambda number: f" {number} "),
    "no-break space": ("jsonl", lambda number: f"{number}\u00a0"),
    "full-width digits": ("csv", lambda number: "".join(chr(0xFF10 + int(digit)) for digit in str(number))),
    "invisible": ("jsonl", lambda number: f"\ufeff{number}\u200b"),
    "bytes": ("parquet", lambda number: str(number).encode()),
}


@pytest.mark.parametrize("case", GROUP_FORMS)
@pytest.mark.parametrize("turned", [False, True], ids=["pool", "gold"])
def test_a_group_is_one_group_in_every_form(run_prepare: Run, case: str, turned: bool) -> None:
    """Each gold row has its group, and each group two rows in the pool: half of them are of the test."""
    kind, form = GROUP_FORMS[case]
    labelled = [row | {"contract": number} for number, row in enumerate(gold(120))]
    unlabelled = [row | {"contract": number % 130} for number, row in enumerate(pool(260))]
    changed = [row | {"contract": form(int(row["contract"]))} for row in (labelled if turned else unlabelled)]
    files = {f"s3://b/changed.{kind}": WRITERS[kind](changed), "s3://b/plain.csv": table(unlabelled if turned else labelled)}  # fmt: skip
    names = (f"changed.{kind}", "plain.csv") if turned else ("plain.csv", f"changed.{kind}")
    done = run_prepare(spec_of(sources(*names, fields={"group": "contract"})), MemoryObjects(files))

    contract = {row["text"]: row["contract"] for row in labelled + unlabelled}
    tested = {contract[row["text"]] for row in done.part("test")}
    assert not tested & {contract[row["text"]] for row in done.part("pool") + done.part("budget")}
    assert done.summary["removed"]["testFamilies"] == 2 * len(tested) == 120
    assert done.summary["rows"]["pool"] == 140
    assert done.summary["withoutGroup"] == 0


def test_composed_and_decomposed_names_are_one_group(run_prepare: Run) -> None:
    labelled = [row | {"client": f"Caf\u00e9 {number}"} for number, row in enumerate(gold(120))]
    unlabelled = [row | {"client": f"Cafe\u0301 {number}"} for number, row in enumerate(pool(130))]
    files = {"s3://b/g.jsonl": jsonl(labelled), "s3://b/h.csv": table(unlabelled)}
    done = run_prepare(spec_of(sources("g.jsonl", "h.csv", fields={"group": "client"})), MemoryObjects(files))
    assert done.summary["removed"]["testFamilies"] == 60


def test_what_the_teacher_has_seen_is_known_by_its_group_in_every_form(run_prepare: Run) -> None:
    labelled = [row | {"contract": number} for number, row in enumerate(gold(200))]
    seen = [{"text": f"seen {number}", "contract": f"{number}.0"} for number in range(30)]
    unlabelled = [row | {"contract": f"h{number}"} for number, row in enumerate(pool())]
    files = {
        "s3://b/g.jsonl": jsonl(labelled),
        "s3://b/h.jsonl": jsonl(unlabelled),
        "s3://b/s.csv": table(seen),
    }
    classifier = {
        "model": {"uri": "py://teacher"},
        "labels": [{"modelLabel": name, "className": name} for name in CLASSES],
        "trainedOn": {"type": "Data", "data": [{"uri": "s3://b/s.csv"}]},
    }
    weak = {"labelers": [{"name": "small", "type": "Classifier", "classifier": classifier}]}
    done = run_prepare(
        spec_of(sources("g.jsonl", "h.jsonl", fields={"group": "contract"}), weak=weak), MemoryObjects(files)
    )
    assert done.summary["removed"]["seenByTeacher"] == 30


@pytest.mark.parametrize("word", ["", " ", "nan", "NaN", "None", "NULL", "<NA>", "NA", None, float("nan")])
def test_words_for_no_group_are_no_group_and_are_counted(run_prepare: Run, word: Any) -> None:
    """As one group they would be one family, which cannot be divided."""
    labelled = [row | {"contract": word if number < 100 else number} for number, row in enumerate(gold(120))]
    unlabelled = [row | {"contract": word if number < 7 else number} for number, row in enumerate(pool())]
    files = {"s3://b/g.jsonl": jsonl(labelled), "s3://b/h.jsonl": jsonl(unlabelled)}
    done = run_prepare(
        spec_of(sources("g.jsonl", "h.jsonl", fields={"group": "contract"})), MemoryObjects(files)
    )
    assert done.summary["withoutGroup"] == 107
    assert done.summary["families"]["test"] == done.summary["rows"]["test"] == 60
    assert "100 have no `contract` and stand alone" in done.said
    assert "; 7 have no `contract`" in done.said


@pytest.mark.parametrize("word", ["NULL", "None"])
def test_words_for_no_group_may_be_classes(run_prepare: Run, word: str) -> None:
    rows = [row | {"label": word if row["label"] == "other" else "indemnity"} for row in gold()]
    files = {"s3://b/g.csv": table(rows), "s3://b/h.jsonl": jsonl(pool())}
    spec = spec_of(sources("g.csv", "h.jsonl"), task={"classes": [{"name": word}, {"name": "indemnity"}]})
    assert run_prepare(spec, MemoryObjects(files)).summary["classes"][word] == {"budget": 30, "test": 30}


LABELS: list[tuple[tuple[str, str], tuple[Any, Any], str]] = [
    (("0", "1"), ("0.0", "1.0"), "csv"),
    (("0", "1"), (Decimal(0), Decimal(1)), "parquet"),
    (("0.0", "1.0"), (0, 1), "jsonl"),
    (("0", "1"), ("\uff10", "\uff11"), "csv"),
    (("no", "yes"), ("no\u00a0", " yes"), "jsonl"),
    (("caf\u00e9", "bar"), ("cafe\u0301", "bar"), "csv"),
    (("cafe\u0301", "bar"), ("caf\u00e9", "bar"), "parquet"),
    (("false", "true"), ("False", "True"), "csv"),
    (("False", "True"), (False, True), "jsonl"),
    (("a b", "c"), ("a  b", "c\u200b"), "csv"),
]


@pytest.mark.parametrize(("classes", "labels", "kind"), LABELS)
def test_a_label_is_its_class_in_every_form(
    run_prepare: Run, classes: tuple[str, str], labels: tuple[Any, Any], kind: str
) -> None:
    rows = [row | {"label": labels[number % 2]} for number, row in enumerate(gold())]
    unlabelled = [row | {"label": labels[1]} for row in pool()]
    files = {f"s3://b/g.{kind}": WRITERS[kind](rows), f"s3://b/h.{kind}": WRITERS[kind](unlabelled)}
    spec = spec_of(
        sources(f"g.{kind}", f"h.{kind}"),
        task={"classes": [{"name": name} for name in classes]},
        weak={"labelers": [{"name": "f", "type": "Finetuned", "finetuned": {"model": {"uri": "py://m"}}}]},
    )
    done = run_prepare(spec, MemoryObjects(files))
    assert done.summary["classes"] == {name: {"budget": 30, "test": 30} for name in classes}
    assert done.summary["poolGold"] == 50


def refusal(run_prepare: Run, spec: Any, files: dict[str, bytes]) -> StageError:
    with pytest.raises(StageError) as caught:
        run_prepare(spec, MemoryObjects(files))
    assert "\n" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize(
    "classes", [("caf\u00e9", "cafe\u0301"), ("1", "1.0"), ("True", "true"), ("a", "a\u200b")]
)
def test_classes_that_no_label_can_tell_apart_are_refused(run_prepare: Run, classes: tuple[str, str]) -> None:
    spec = spec_of(
        sources("g.jsonl", "h.jsonl"),
        task={"classes": [{"name": name} for name in classes]},
        weak={"labelers": [{"name": "f", "type": "Finetuned", "finetuned": {"model": {"uri": "py://m"}}}]},
    )
    error = refusal(run_prepare, spec, {})
    assert (error.reason, int(error.exit_code)) == ("AmbiguousClasses", 64)
    assert all(
        f"U+{ord(character):04X}" in str(error)
        for name in classes
        for character in name
        if ord(character) > 127
    )


def test_letters_that_look_the_same_are_shown_by_code_points(run_prepare: Run) -> None:
    rows = [row | {"label": row["label"].replace("o", "\u043e")} for row in gold()]
    error = refusal(run_prepare, spec_of(sources("g.jsonl", "h.jsonl")), {"s3://b/g.jsonl": jsonl(rows), "s3://b/h.jsonl": jsonl(pool())})  # fmt: skip
    assert error.reason == "LabelOutsideClasses"
    assert "(U+043E) the class `other`?" in str(error)


@pytest.mark.parametrize(("one", "other"), [(12, "12.0"), (" 12", 12.0), ("caf\u00e9", "cafe\u0301")])
def test_an_id_in_two_forms_is_one_id(run_prepare: Run, one: Any, other: Any) -> None:
    labelled = [row | {"id": f"g{number}"} for number, row in enumerate(gold())]
    unlabelled = [row | {"id": f"h{number}"} for number, row in enumerate(pool())]
    labelled[3]["id"], unlabelled[4]["id"] = one, other
    files = {"s3://b/g.jsonl": jsonl(labelled), "s3://b/h.jsonl": jsonl(unlabelled)}
    error = refusal(run_prepare, spec_of(sources("g.jsonl", "h.jsonl", fields={"id": "id"})), files)
    assert error.reason == "DuplicateId"
    assert "g.jsonl row 4 and s3://b/h.jsonl row 5" in str(error)


def swallowing(rows: list[dict[str, Any]], lines: int) -> bytes:
    """A quote opens in row 5, and what closes it stands `lines` - 1 lines below."""
    written = (
        table([{"id": number, "text": row["text"]} for number, row in enumerate(rows)]).decode().splitlines()
    )
    written[5] = written[5].replace(",", ',"', 1)
    written[5 + lines - 1] += '"'
    return "\n".join([*written, ""]).encode()


def test_lines_that_a_quote_has_swallowed_are_counted(run_prepare: Run) -> None:
    files = {"s3://b/g.jsonl": jsonl(gold()), "s3://b/h.csv": swallowing(pool(60), 8)}
    done = run_prepare(spec_of(sources("g.jsonl", "h.csv")), MemoryObjects(files))
    assert done.summary["rows"]["pool"] == 52
    assert done.summary["removed"]["unusable"] == 8
    (bad,) = done.rows("quarantine.parquet")
    assert bad["row"] == 5
    assert "(lines 6 to 13)" in bad["reason"]


def test_more_than_one_line_in_ten_is_refused_with_the_line_where_it_began(run_prepare: Run) -> None:
    files = {"s3://b/g.jsonl": jsonl(gold()), "s3://b/h.csv": swallowing(pool(100), 60)}
    error = refusal(run_prepare, spec_of(sources("g.jsonl", "h.csv")), files)
    assert error.reason == "TooManyUnusableRows"
    assert "60 of 100 rows" in str(error)
    assert "h.csv row 5: a quoted field" in str(error)
    assert "(lines 6 to 65)" in str(error)


def test_a_sound_row_of_many_lines_counts_once(run_prepare: Run) -> None:
    rows = [{"text": "\n".join(row["text"].split()), "label": row["label"] if number else ""} for number, row in enumerate(gold(121))]  # fmt: skip
    files = {"s3://b/g.csv": table(rows), "s3://b/h.jsonl": jsonl(pool())}
    done = run_prepare(spec_of(sources("g.csv", "h.jsonl")), MemoryObjects(files))
    assert done.summary["removed"]["unusable"] == 1
    assert done.rows("quarantine.parquet")[0]["reason"] == "no `label` (line 2)"


def test_rows_over_several_lines_are_counted_and_the_longest_is_named(run_prepare: Run) -> None:
    rows = [dict(row) for row in gold()]
    rows[3]["text"] += "\nend"
    rows[7]["text"] += "\nand\nend"
    files = {"s3://b/g.csv": table(rows), "s3://b/h.jsonl": jsonl(pool())}
    done = run_prepare(spec_of(sources("g.csv", "h.jsonl")), MemoryObjects(files))
    assert "; 2 go over several lines, g.csv row 8 over 3" in done.said


EMPTY_PARTS: dict[str, bytes] = {
    "part-1.parquet": parquet([], pa.schema([("text", pa.string())])),
    "part-1.csv": b"text\n",
    "part-1.jsonl": b"",
    "empty/": b"",
    "_SUCCESS": b"",
}


def test_parts_without_rows_are_no_fault(run_prepare: Run) -> None:
    files = {f"s3://b/h/{name}": content for name, content in EMPTY_PARTS.items()}
    files |= {"s3://b/h/": b"", "s3://b/h/part-0.parquet": parquet(pool()), "s3://b/g.jsonl": jsonl(gold())}
    done = run_prepare(spec_of(sources("g.jsonl", "h/")), MemoryObjects(files))
    assert done.summary["rows"]["pool"] == 50
    assert "3 of 4 files have no rows" in done.said


def test_a_source_without_rows_is_refused(run_prepare: Run) -> None:
    files = {f"s3://b/h/{name}": content for name, content in EMPTY_PARTS.items()}
    error = refusal(run_prepare, spec_of(sources("g.jsonl", "h/")), files | {"s3://b/g.jsonl": jsonl(gold())})
    assert error.reason == "EmptyFile"
    assert "s3://b/h/ has no rows" in str(error)


def test_what_is_passed_over_is_told(run_prepare: Run) -> None:
    files = {"s3://b/g.jsonl": jsonl(gold()), "s3://b/h/part-0.jsonl": jsonl(pool())}
    files |= {f"s3://b/h/_temporary/0/part-{number}.jsonl": jsonl(pool(9, 500)) for number in range(5)}
    done = run_prepare(spec_of(sources("g.jsonl", "h/")), MemoryObjects(files))
    assert done.summary["rows"]["pool"] == 50
    assert "Passed over 5 objects below s3://b/h/" in done.said
    assert "_temporary/0/part-0.jsonl" in done.said
    assert "Delta" not in done.said
    log = {"s3://b/h/_delta_log/00000000000000000001.json": b"{}"}
    assert (
        "s3://b/h/ holds a Delta table"
        in run_prepare(spec_of(sources("g.jsonl", "h/")), MemoryObjects(files | log)).said
    )


def test_a_group_may_stand_in_the_path(run_prepare: Run) -> None:
    labelled = [row | {"client": number} for number, row in enumerate(gold(120))]
    files = {
        f"s3://b/h/client={number}/p.parquet": parquet(pool(2, 1000 + 10 * number)) for number in range(130)
    }
    done = run_prepare(
        spec_of(sources("g.jsonl", "h/", fields={"group": "client"})),
        MemoryObjects(files | {"s3://b/g.jsonl": jsonl(labelled)}),
    )
    assert done.summary["removed"]["testFamilies"] == 2 * done.summary["rows"]["test"] == 120


def test_labels_may_stand_in_the_path(run_prepare: Run) -> None:
    files = {f"s3://b/g/label={name}/p.jsonl": jsonl([{"text": row["text"]} for row in gold() if row["label"] == name]) for name in CLASSES}  # fmt: skip
    done = run_prepare(
        spec_of(sources("g/", "h.jsonl")), MemoryObjects(files | {"s3://b/h.jsonl": jsonl(pool())})
    )
    assert done.summary["classes"] == {name: {"budget": 30, "test": 30} for name in CLASSES}


def test_labels_of_the_pool_that_can_be_no_label_are_counted(run_prepare: Run) -> None:
    unlabelled = [row | {"label": ["indemnity"]} if number < 3 else row for number, row in enumerate(pool())]
    files = {"s3://b/g.jsonl": jsonl(gold()), "s3://b/h.jsonl": jsonl(unlabelled)}
    done = run_prepare(spec_of(sources("g.jsonl", "h.jsonl")), MemoryObjects(files))
    assert done.summary["poolLabelsIgnored"] == 3
    assert done.summary["rows"]["pool"] == 50


COLUMNS: list[tuple[str, pa.Array, str]] = [
    ("text", pa.array([["a"]] * 120), "is not a string but a list"),
    ("text", pa.array([[1]] * 120), "of the type list<"),
    ("text", pa.array([b"\xff"] * 120), "binary"),
    ("label", pa.array([{"name": "other"}] * 120), "of the type struct<"),
    ("contract", pa.array([datetime.date(2026, 1, 1)] * 120), "is a date"),
    ("contract", pa.array([datetime.datetime(2026, 1, 1)] * 120), "timestamp[us]"),
    ("contract", pa.array([1e17] * 120), "2^53"),
]


@pytest.mark.parametrize(("name", "column", "naming"), COLUMNS)
def test_columns_of_other_types_are_named_as_what_they_are(
    run_prepare: Run, name: str, column: pa.Array, naming: str
) -> None:
    columns = {
        "text": [r["text"] for r in gold()],
        "label": [r["label"] for r in gold()],
        "contract": [*range(120)],
    }
    stream = io.BytesIO()
    pq.write_table(pa.table(columns | {name: column}), stream)
    unlabelled = [row | {"contract": f"h{number}"} for number, row in enumerate(pool())]
    files = {"s3://b/g.parquet": stream.getvalue(), "s3://b/h.jsonl": jsonl(unlabelled)}
    error = refusal(
        run_prepare, spec_of(sources("g.parquet", "h.jsonl", fields={"group": "contract"})), files
    )
    assert (error.reason, int(error.exit_code)) == ("TooManyUnusableRows", 65)
    assert naming in str(error)


def test_a_field_with_half_a_surrogate_pair_in_its_name_is_shown(run_prepare: Run) -> None:
    files = {"s3://b/g.jsonl": b'{"te\\ud83dxt": "a"}\n', "s3://b/h.jsonl": jsonl(pool())}
    error = refusal(run_prepare, spec_of(sources("g.jsonl", "h.jsonl")), files)
    assert error.reason == "TextFieldMissing"
    assert r"te\ud83dxt" in str(error)
    assert LastWords("Failed", error.reason, str(error)).encode()
