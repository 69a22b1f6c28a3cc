"""What labelers import from the rows."""

from typing import Any

import pyarrow.parquet as pq
import pytest
from prepare_kit import MemoryObjects, gold, jsonl, pool, spec_of

from w2s_api.spec.job import Spec
from w2s_trainer.errors import BadData, BadSpec

DATA = {"gold": {"uri": "s3://bucket/gold.jsonl"}, "unlabeled": {"uri": "s3://bucket/pool.jsonl"}}
ANN = {"name": "ann", "type": "Imported", "imported": {"field": "ann"}}


def spec(*labelers: dict[str, Any], **data: Any) -> Spec:
    return spec_of({**DATA, **data}, weak={"labelers": list(labelers or (ANN,))})


def objects(gold_rows: list[dict], pool_rows: list[dict]) -> MemoryObjects:
    return MemoryObjects(
        {"s3://bucket/gold.jsonl": jsonl(gold_rows), "s3://bucket/pool.jsonl": jsonl(pool_rows)}
    )


def votes_by_text(prepared, column: str = "vote:ann") -> dict[str, Any]:
    table = pq.read_table(prepared.output / "imported.parquet").to_pylist()
    texts = {row["id"]: row["text"] for row in prepared.rows("examples.parquet")}
    assert [row["id"] for row in table] == [row["id"] for row in prepared.rows("examples.parquet")]
    return {texts[row["id"]]: row[column] for row in table}


def test_votes_come_with_their_rows(run_prepare):
    rows = [
        {**row, "ann": vote} for row, vote in zip(pool(4), ["other", "", None, " indemnity "], strict=True)
    ]
    golden = [{**row, "ann": "other"} if number % 3 else row for number, row in enumerate(gold())]
    prepared = run_prepare(spec(), objects(golden, rows))
    found = votes_by_text(prepared)
    assert {row["text"]: found[row["text"]] for row in rows} == dict(
        zip([row["text"] for row in rows], ["other", None, None, "indemnity"], strict=True)
    )
    assert {found[row["text"]] for row in golden if "ann" not in row} == {None}
    assert {found[row["text"]] for row in golden if "ann" in row} == {"other"}
    assert prepared.summary["imported"]["ann"]["indemnity"] == {
        "rows": 1,
        "first": "s3://bucket/pool.jsonl row 4",
    }


def test_what_is_not_asked_for_is_not_kept(run_prepare):
    rows = [{**row, "ann": "other"} for row in pool()]
    prepared = run_prepare(spec_of(DATA), objects(gold(), rows))
    assert not (prepared.output / "imported.parquet").exists()
    assert "imported" not in prepared.summary


def test_a_vote_that_is_no_class_is_refused_with_its_place(run_prepare):
    rows = [{**row, "ann": "other"} for row in pool(9)] + [{**pool(1, 20_000)[0], "ann": "Other"}]
    with pytest.raises(BadData) as error:
        run_prepare(spec(), objects(gold(), rows))
    assert error.value.reason == "VoteOutsideClasses"
    assert "`Other` (1, first in s3://bucket/pool.jsonl row 10)" in error.value.message
    assert "weak.labelers[0].imported" in error.value.message


def test_values_are_mapped_and_abstained_on(run_prepare):
    ann = {
        "field": "ann",
        "values": [{"value": "1", "className": "indemnity"}, {"value": "0", "className": "other"}],
        "abstainOn": ["-1"],
    }
    rows = [{**row, "ann": value} for row, value in zip(pool(5), [1, 1.0, "0", -1, "-1.0"], strict=True)]
    labeler = {**ANN, "imported": ann}
    run_prepare(spec(labeler), objects(gold(), rows))
    with pytest.raises(BadData, match="`2`"):
        run_prepare(spec(labeler), objects(gold(), [*rows, {**pool(1, 30_000)[0], "ann": 2}]))


def test_a_reused_artifact_is_judged_by_the_manifest_of_today(run_prepare):
    from w2s_trainer.stages.prepare import verify

    rows = [{**row, "ann": "x"} for row in pool(5)]
    prepared = run_prepare(spec(), objects(gold(), rows), verified=False)
    verify(prepared.summary, spec({**ANN, "imported": {"field": "ann", "abstainOn": ["x"]}}))
    with pytest.raises(BadData, match="`x`"):
        verify(prepared.summary, spec())


def test_a_field_that_no_row_of_the_pool_has_is_refused(run_prepare):
    rows = [{**row, "an": "other"} for row in pool()]
    with pytest.raises(BadData) as error:
        run_prepare(spec(), objects([{**row, "ann": "other"} for row in gold()], rows))
    assert error.value.reason == "ImportedFieldMissing"
    assert "`ann` (weak.labelers[0].imported)" in error.value.message
    assert "Did you mean `an`?" in error.value.hint


def test_probabilities_are_numbers(run_prepare):
    fields = [{"className": "other", "field": "p0"}, {"className": "indemnity", "field": "p1"}]
    labeler = {"name": "old", "type": "Imported", "imported": {"probabilities": fields}}
    rows = [{**row, "p0": 0.25, "p1": "0.75"} for row in pool(30)]
    rows[3] = {**rows[3], "p0": 1.5}
    prepared = run_prepare(spec(labeler), objects(gold(), rows))
    found = votes_by_text(prepared, "number:p1")
    assert found[rows[0]["text"]] == 0.75
    assert rows[3]["text"] not in found, "it is quarantined"
    (bad,) = prepared.rows("quarantine.parquet")
    assert bad["reason"] == "`p0` is not a number from 0 to 1"
    assert found[gold()[0]["text"]] != found[gold()[0]["text"]], "NaN where a row has none"


def test_too_few_probabilities_are_refused(run_prepare):
    many = {"task": {"classes": [{"name": name} for name in ("other", "indemnity", "third")]}}
    labeler = {
        "name": "old",
        "type": "Imported",
        "imported": {"probabilities": [{"className": "other", "field": "p0"}]},
    }
    rows = [{**row, "p0": 0.2} for row in pool()]
    golden = [
        {**row, "label": ("other", "indemnity", "third")[number % 3]} for number, row in enumerate(gold())
    ]
    with pytest.raises(BadSpec, match="1 of 3 classes"):
        run_prepare(spec_of(DATA, weak={"labelers": [labeler]}, **many), objects(golden, rows))


def test_a_copy_of_the_gold_label_is_told(run_prepare):
    rows = [{**row, "ann": "other"} for row in pool()]
    copied = run_prepare(spec(), objects([{**row, "ann": row["label"]} for row in gold()], rows))
    assert "`ann` is the expert's label on all of 120 gold rows" in copied.said
    honest = [{**row, "ann": row["label"] if number else "indemnity"} for number, row in enumerate(gold())]
    assert "expert's label" not in run_prepare(spec(), objects(honest, rows)).said


def test_texts_are_kept_as_they_were_written_and_none_is_quoted(run_prepare):
    written = ["Two  lines\nand CAPITALS ", "", None, "none", "\u200b", 12]
    rows = [{**row, "note": text} for row, text in zip(pool(6), written, strict=True)]
    golden = [{**row, "label": f"An Answer {number}"} for number, row in enumerate(gold())]
    prepared = run_prepare(of_texts(), objects(golden, rows))
    found = votes_by_text(prepared, "text:note")
    assert [found[row["text"]] for row in rows] == [
        "Two  lines\nand CAPITALS",
        None,
        None,
        "none",
        None,
        "12",
    ]
    assert prepared.summary["imported"] == {"note": {"rows": 3, "different": 3}}


def test_texts_that_are_the_experts_are_told(run_prepare):
    rows = [{**row, "note": "a"} for row in pool()]
    golden = [{**row, "label": f"An Answer {number}"} for number, row in enumerate(gold())]
    copied = [{**row, "note": row["label"].upper()} for row in golden]
    assert (
        "`note` is the expert's label on all of 120 gold rows"
        in run_prepare(of_texts(), objects(copied, rows)).said
    )
    copied[3]["note"] = "something else"
    assert "expert's label" not in run_prepare(of_texts(), objects(copied, rows)).said


def of_texts() -> Spec:
    return spec_of(
        DATA,
        task={"type": "Generation", "generation": {}},
        weak={"labelers": [{"name": "notes", "type": "Imported", "imported": {"field": "note"}}]},
        strong={"model": {"uri": "py://llm"}, "tuning": {"type": "LoRA"}},
        promotion={"metric": "ExactMatch"},
    )
