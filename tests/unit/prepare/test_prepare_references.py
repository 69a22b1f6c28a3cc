"""Several gold texts of one row: as JSON lists, as cells of CSV, as lists of Parquet."""

import io
import json
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from prepare_kit import MemoryObjects, clause, jsonl, pool, spec_of

from w2s_api.spec.job import Spec
from w2s_trainer.errors import BadData
from w2s_trainer.stages.tables import has_gold, read_examples, read_gold

WRITES = {"rules": [{"write": "x", "pattern": "x"}]}


def spec(gold: str) -> Spec:
    return spec_of(
        {"gold": {"uri": f"s3://bucket/{gold}"}, "unlabeled": {"uri": "s3://bucket/pool.jsonl"}},
        task={"type": "Generation", "instruction": "What is owed?", "generation": {}},
        weak={"labelers": [{"name": "rules", "type": "Functions", "functions": WRITES}]},
        strong={"model": {"uri": "py://llm"}, "tuning": {"type": "LoRA"}},
        promotion={"metric": "ExactMatch"},
    )


def objects(name: str, content: bytes) -> MemoryObjects:
    return MemoryObjects({f"s3://bucket/{name}": content, "s3://bucket/pool.jsonl": jsonl(pool(9))})


def stored(prepared, part: str = "budget", gold: bool = True) -> dict[str, Any]:
    texts = {row["id"]: row["text"] for row in prepared.rows("examples.parquet")}
    rows = [row for name in ("budget", "test") for row in prepared.rows(f"gold-{name}/labels.parquet")]
    return {texts[row["id"]]: row["label"] for row in rows}


def labelled(labels: dict[int, Any]) -> list[dict[str, Any]]:
    return [{"text": clause(number), "label": labels.get(number, f"debt {number}")} for number in range(120)]


LISTED = {1: ["rent", " the  rent ", "rent"], 2: ["ten"], 3: [10, "ten"], 4: ['["a"]', "b"]}
KEPT = {1: ["rent", "the rent"], 2: ["ten"], 3: ["10", "ten"], 4: ['["a"]', "b"], 5: ["debt 5"]}


class Artifact:
    stage, key = "prepare", "k"

    def __init__(self, prepared):
        self._output = prepared.output

    def fetch(self, name, _path):
        return self._output / name


def test_lists_of_json(run_prepare, tmp_path):
    prepared = run_prepare(spec("gold.jsonl"), objects("gold.jsonl", jsonl(labelled(LISTED))))
    found = stored(prepared)
    assert {number: found[clause(number)] for number in KEPT} == KEPT
    examples = read_examples(Artifact(prepared), tmp_path)
    gold = read_gold(Artifact(prepared), "budget", examples, tmp_path)
    assert has_gold(gold).sum() == len(examples.rows("budget"))
    at = dict(zip(examples.texts, gold.tolist(), strict=True))
    assert {at[clause(number)] for number in KEPT} - {None} <= {tuple(texts) for texts in KEPT.values()}


def test_cells_of_csv_that_are_json_lists_of_texts(run_prepare):
    cells = {**{number: json.dumps([str(text) for text in texts]) for number, texts in LISTED.items()}}
    cells |= {6: "[see annex]", 7: "[1, 2]", 8: '["open'}
    rows = "\n".join(
        f'{row["text"]},"{str(row["label"]).replace(chr(34), chr(34) * 2)}"' for row in labelled(cells)
    )
    prepared = run_prepare(spec("gold.csv"), objects("gold.csv", f"text,label\n{rows}".encode()))
    found = stored(prepared)
    assert {number: found[clause(number)] for number in KEPT} == KEPT
    assert [found[clause(number)] for number in (6, 7, 8)] == [["[see annex]"], ["[1, 2]"], ['["open']]


def test_a_string_of_json_lines_is_never_taken_for_a_list(run_prepare):
    prepared = run_prepare(spec("gold.jsonl"), objects("gold.jsonl", jsonl(labelled({1: '["rent", "due"]'}))))
    assert stored(prepared)[clause(1)] == '["rent", "due"]'


def test_lists_of_parquet(run_prepare):
    table = pa.table(
        {
            "text": [clause(number) for number in range(120)],
            "label": [KEPT.get(number, [f"debt {number}"]) for number in range(120)],
        }
    )
    sink = io.BytesIO()
    pq.write_table(table, sink)
    found = stored(run_prepare(spec("gold.parquet"), objects("gold.parquet", sink.getvalue())))
    assert {number: found[clause(number)] for number in KEPT} == KEPT


def test_one_text_each_is_stored_as_it_always_was(run_prepare):
    prepared = run_prepare(spec("gold.jsonl"), objects("gold.jsonl", jsonl(labelled({2: ["ten"]}))))
    assert stored(prepared)[clause(2)] == "ten"


def test_lists_that_are_no_texts_are_left_out_and_named(run_prepare):
    broken = {1: [], 2: ["rent", " "], 3: ["rent", ["due"]], 4: [None]}
    prepared = run_prepare(spec("gold.jsonl"), objects("gold.jsonl", jsonl(labelled(broken))))
    assert [(bad["row"], bad["reason"]) for bad in prepared.rows("quarantine.parquet")] == [
        (2, "no `label`"),
        (3, "`label` is a list, and one of its texts is empty"),
        (
            4,
            "`label` is a list, and one of its texts is neither a string nor a number, but a list (an array)",
        ),
        (5, "`label` is a list, and one of its texts is empty"),
    ]


def test_classes_are_no_lists(run_prepare):
    rows = [{"text": clause(number), "label": ["other"]} for number in range(120)]
    with pytest.raises(BadData) as error:
        run_prepare(
            spec_of(
                {"gold": {"uri": "s3://bucket/gold.jsonl"}, "unlabeled": {"uri": "s3://bucket/pool.jsonl"}}
            ),
            objects("gold.jsonl", jsonl(rows)),
        )
    assert "`label` is neither a string nor a number, but a list" in error.value.message


def test_the_same_text_with_another_list_contradicts_it(run_prepare):
    rows = [*labelled({1: ["a", "b"]}), {"text": clause(1), "label": ["a"]}]
    prepared = run_prepare(spec("gold.jsonl"), objects("gold.jsonl", jsonl(rows)))
    assert [bad["row"] for bad in prepared.rows("quarantine.parquet")] == [2, 121]
