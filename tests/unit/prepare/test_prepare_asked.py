"""Answers to `w2s ask`: into the budget, out of the pool, never into the test, and none of them lost without a word."""

import csv
import io
from typing import Any

import numpy as np
import pytest
from prepare_kit import MemoryObjects, clause, gold, jsonl, pool, spec_of

from w2s_trainer.errors import BadData

ASKED = "s3://bucket/asked/"


def run_with(
    run_prepare, asked: dict[str, bytes] | None, *, ids: bool = False, rows=None, golden=None, **data
):
    golden, rows = golden or gold(), rows or pool()
    if ids:
        golden = [{**row, "name": f"g{n}"} for n, row in enumerate(golden)]
        rows = [{**row, "name": f"p{n}"} for n, row in enumerate(rows)]
        data["fields"] = {"id": "name"}
    content = {"s3://bucket/gold.jsonl": jsonl(golden), "s3://bucket/pool.jsonl": jsonl(rows)}
    if asked is not None:
        content |= {ASKED + name: file for name, file in asked.items()}
        data["asked"] = {"uri": ASKED}
    where = {"gold": {"uri": "s3://bucket/gold.jsonl"}, "unlabeled": {"uri": "s3://bucket/pool.jsonl"}}
    return run_prepare(spec_of({**where, **data}), MemoryObjects(content))


def answer(number: int, label: str | None = "indemnity", **more: Any) -> dict[str, Any]:
    return {"text": clause(10_000 + number), "label": label, **more}


def texts(prepared, part: str) -> set[str]:
    return {row["text"] for row in prepared.part(part)}


@pytest.mark.parametrize("ids", [False, True])
def test_answers_join_the_budget_and_leave_the_pool_and_the_test_stays(run_prepare, ids):
    before = run_with(run_prepare, None, ids=ids)
    rows = [answer(n, name=f"p{n}") for n in range(5)]
    after = run_with(run_prepare, {"a.jsonl": jsonl(rows[:2]), "b.jsonl": jsonl(rows[2:])}, ids=ids)
    asked = {clause(10_000 + n) for n in range(5)}
    in_order = [[row["text"] for row in one.rows("examples.parquet")] for one in (before, after)]
    assert in_order[0] == in_order[1]  # so that their features are there already
    assert texts(after, "test") == texts(before, "test")
    assert texts(after, "budget") == texts(before, "budget") | asked
    assert texts(after, "pool") == texts(before, "pool") - asked
    names = {row["id"] for row in after.rows("asked.parquet")}
    assert {row["text"] for row in after.part("budget") if row["id"] in names} == asked
    labels = {row["id"]: row["label"] for row in after.rows("gold-budget/labels.parquet")}
    assert [labels[name] for name in names] == [1] * 5
    assert after.summary["asked"] == {"labelled": 5, "unanswered": 0}
    assert after.summary["removed"] == before.summary["removed"]


def test_without_answers_nothing_is_written_of_them(run_prepare):
    before = run_with(run_prepare, None)
    assert "asked" not in before.summary
    assert not (before.output / "asked.parquet").exists()
    none_yet = run_with(run_prepare, {"a.jsonl": jsonl([answer(n, label="") for n in range(3)])})
    assert none_yet.summary["asked"] == {"labelled": 0, "unanswered": 3}
    assert not (none_yet.output / "asked.parquet").exists()
    assert (none_yet.output / "examples.parquet").read_bytes() == (
        before.output / "examples.parquet"
    ).read_bytes()
    assert "3 rows have no label yet" in none_yet.said


def test_the_rest_of_gold_is_divided_as_before_however_many_answers_there_are(run_prepare):
    """Also where the answers are of families that gold is in."""
    golden, rows = gold(), pool()
    for n in range(0, 40, 2):
        golden[n]["contract"] = rows[n]["contract"] = f"c{n}"
    fields = {"group": "contract"}
    before = run_with(run_prepare, None, golden=golden, rows=rows, fields=fields)
    unanswered = texts(before, "pool")
    known = {clause(10_000 + n): n for n in range(50)}
    for count in (1, 10, len(unanswered)):
        chosen = sorted(unanswered, key=lambda text: known[text])[: min(count, len(unanswered) - 1)]
        file = jsonl([answer(known[text], label="other") for text in chosen])
        after = run_with(run_prepare, {"a.jsonl": file}, golden=golden, rows=rows, fields=fields)
        assert texts(after, "test") == texts(before, "test")
        assert texts(after, "budget") == texts(before, "budget") | set(chosen)
        families = {part: {row["family"] for row in after.part(part)} for part in ("test", "budget")}
        assert families["test"].isdisjoint(families["budget"])


def test_an_answer_of_a_family_of_the_test_is_left_out_and_counted(run_prepare):
    before = run_with(run_prepare, None)
    golden, rows = gold(), pool()
    tested = texts(before, "test")
    row = next(row for row in golden if row["text"] in tested)
    row["contract"] = rows[3]["contract"] = "late"
    after = run_with(
        run_prepare,
        {"a.jsonl": jsonl([answer(3), answer(4)])},
        golden=golden,
        rows=rows,
        fields={"group": "contract"},
    )
    assert clause(10_003) not in {row["text"] for row in after.rows("examples.parquet")}
    assert after.summary["asked"]["labelled"] == 1
    assert after.summary["removed"]["testFamilies"] == 1


def test_answers_twice_alike_are_one_and_unlike_are_quarantined(run_prepare):
    rows = [answer(0), answer(0), answer(1), answer(1, label="other"), answer(2)]
    after = run_with(run_prepare, {"a.jsonl": jsonl(rows)})
    assert after.summary["asked"]["labelled"] == 2
    assert after.summary["removed"]["exactDuplicates"] == 1
    assert [(row["row"], row["reason"].partition(":")[0]) for row in after.rows("quarantine.parquet")] == [
        (3, "contradicting labels"),
        (4, "contradicting labels"),
    ]
    assert clause(10_001) in texts(after, "pool")


def test_what_gold_says_by_now_holds(run_prepare):
    golden = [*gold(), {"text": clause(10_000), "label": "other"}]
    asked = {"a.jsonl": jsonl([answer(0), answer(1)])}
    both = run_with(run_prepare, asked, golden=golden)
    moved = run_with(run_prepare, asked, golden=golden, rows=pool()[1:])
    for after in (both, moved):
        assert after.summary["asked"]["labelled"] == 1
        found = [row["part"] for row in after.rows("examples.parquet") if row["text"] == clause(10_000)]
        assert len(found) == 1
        assert found[0] in ("test", "budget")
    assert "1 are labelled in gold or test already" in moved.said


def sheet(rows: list[dict[str, str]]) -> bytes:
    written = io.StringIO()
    writer = csv.DictWriter(written, fieldnames=list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return written.getvalue().encode()


@pytest.mark.parametrize("ids", [False, True])
@pytest.mark.parametrize("text", ["=1+1 of the rent", "'quoted' terms of the court", "-5 % of the tax"])
def test_a_guarded_cell_is_the_text_of_the_pool(run_prepare, ids, text):
    rows = [*pool(), {"text": text}]
    written = sheet([{"name": "p50", "text": f"'{text}", "label": "other"}])
    after = run_with(run_prepare, {"a.csv": written}, ids=ids, rows=rows)
    assert text in texts(after, "budget")
    assert text not in texts(after, "pool")


def test_a_text_that_a_spreadsheet_cut_is_known_by_its_id(run_prepare):
    long = clause(77_777, length=6_000)
    rows = [*pool(), {"text": long}]
    written = sheet([{"name": "p50", "text": long[:32_767], "label": "other"}])
    after = run_with(run_prepare, {"a.csv": written}, ids=True, rows=rows)
    assert long in texts(after, "budget")


BAD = {
    "no text of the pool": (
        [answer(0), {"text": "Quite another.", "label": "other"}],
        "AskedNotOfPool",
        "row 2",
    ),
    "an id that is none": ([answer(0, name="q0")], "AskedNotOfPool", "a.jsonl row 1"),
    "another text": ([answer(0, name="p1")], "AskedTextChanged", "a.jsonl row 1"),
    "no class": ([answer(0, label="indemnities", name="p0")], "LabelOutsideClasses", "`indemnities`"),
    "no label field": ([{"text": clause(10_000), "name": "p0"}], "LabelFieldMissing", "`label`"),
}


@pytest.mark.parametrize("case", BAD)
def test_rows_that_do_not_fit_are_refused_by_name(run_prepare, case):
    rows, reason, naming = BAD[case]
    with pytest.raises(BadData) as refusal:
        run_with(run_prepare, {"a.jsonl": jsonl(rows)}, ids=case != "no text of the pool")
    assert refusal.value.reason == reason
    assert naming in str(refusal.value)


def test_the_gold_budget_is_of_what_is_drawn(run_prepare):
    drawable = run_with(run_prepare, None).summary["rows"]["budget"]
    asked = {"a.jsonl": jsonl([answer(n) for n in range(5)])}
    run_with(run_prepare, asked, goldBudget=drawable)
    with pytest.raises(Exception, match=f"only {drawable} gold rows"):
        run_with(run_prepare, asked, goldBudget=drawable + 1)


def test_no_answer_draws_another_family_number(run_prepare):
    """Numbers of families are those of their first appearance, and answers come last."""
    after = run_with(run_prepare, {"a.jsonl": jsonl([answer(3)])})
    families = [row["family"] for row in after.rows("examples.parquet")]
    assert sorted(set(families)) == list(np.arange(len(set(families))))
