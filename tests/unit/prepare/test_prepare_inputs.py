"""Fields that models read beside the text: kept beside it, and part of what makes two rows the same."""

from typing import Any

import pytest
from prepare_kit import MemoryObjects, clause, jsonl, spec_of

from w2s_api.spec.job import Spec
from w2s_trainer.data.inputs import Inputs, shown_with_fields, sources_of
from w2s_trainer.errors import BadData
from w2s_trainer.stages.tables import read_examples

PARTY = "the party"
PROMPT = f"{{{PARTY}}} in {{no.}}: {{text}}"
WRITES = {"type": "Functions", "functions": {"rules": [{"write": "x", "pattern": "x"}]}}


def spec(prompt: str = PROMPT, **fields: str) -> Spec:
    return spec_of(
        {
            "gold": {"uri": "s3://bucket/gold.jsonl"},
            "unlabeled": {"uri": "s3://bucket/pool.csv"},
            "fields": fields,
        },
        task={"type": "Generation", "instruction": "What is owed?", "generation": {"prompt": prompt}},
        weak={"labelers": [{"name": "rules", **WRITES}]},
        strong={"model": {"uri": "py://llm"}, "tuning": {"type": "LoRA"}},
        promotion={"metric": "ExactMatch"},
    )


def row(number: int, party: str = "Acme", **more: Any) -> dict[str, Any]:
    return {"text": clause(number), "label": f"debt {number}", PARTY: party, "no.": number, **more}


def objects(gold: list[dict[str, Any]], *pool: str) -> MemoryObjects:
    header = f"text,{PARTY},no."
    return MemoryObjects(
        {"s3://bucket/gold.jsonl": jsonl(gold), "s3://bucket/pool.csv": "\n".join([header, *pool]).encode()}
    )


POOL = [f"{clause(1_000 + number)},Buyer,{number}" for number in range(8)]


def test_fields_come_with_their_rows(run_prepare, tmp_path):
    prepared = run_prepare(spec(), objects([row(number) for number in range(120)], *POOL))
    found = {
        one["text"]: (one[f"input:{PARTY}"], one["input:no."]) for one in prepared.rows("examples.parquet")
    }
    assert found[clause(1_003)] == ("Buyer", "3")
    assert found[clause(7)] == ("Acme", "7")

    class Artifact:
        stage, key = "prepare", "k"

        def fetch(self, name, _path):
            return prepared.output / name

    texts = read_examples(Artifact(), tmp_path).texts
    assert isinstance(texts, Inputs)
    place = list(texts).index(clause(1_003))
    assert next(iter(sources_of(texts.take([place])))) == f"{clause(1_003)}\nBuyer\n3"
    assert shown_with_fields(texts, place) == f"{PARTY}: Buyer\nno.: 3\n{clause(1_003)}"


def test_a_text_is_another_row_with_another_party_and_of_the_same_family(run_prepare):
    twice = [
        row(number, party, label=f"{party.strip().title()} owes")
        for number in range(120)
        for party in ("Acme", "ACME ", "Sons")
    ]
    prepared = run_prepare(spec(), objects(twice, *POOL))
    assert prepared.summary["removed"]["exactDuplicates"] == 120
    assert prepared.summary["removed"]["unusable"] == 0
    by_text: dict[str, set] = {}
    for one in prepared.rows("examples.parquet"):
        if one["part"] != "pool":
            by_text.setdefault(one["text"], set()).add((one["family"], one["part"]))
    assert len(by_text) == 120
    assert {len(places) for places in by_text.values()} == {1}


def test_without_a_template_nothing_is_kept(run_prepare):
    prepared = run_prepare(spec("Clause: {text}"), objects([row(number) for number in range(120)], *POOL))
    assert set(prepared.rows("examples.parquet")[0]) == {"id", "text", "part", "family"}


def test_a_field_that_no_row_has_is_refused_with_the_nearest_name(run_prepare):
    with pytest.raises(BadData) as error:
        run_prepare(spec("{the partty}: {text}"), objects([row(number) for number in range(120)], *POOL))
    assert error.value.reason == "InputFieldMissing"
    assert "gold.jsonl: no row has the field `the partty` (task.generation.prompt)" in error.value.message
    assert f"Did you mean `{PARTY}`?" in error.value.hint


def test_rows_without_it_are_left_out_and_named(run_prepare):
    gold = [row(number) for number in range(120)]
    gold[4].pop(PARTY)
    gold[5][PARTY] = None
    gold[6][PARTY] = ["Acme"]
    gold[7][PARTY] = ""
    prepared = run_prepare(spec(), objects(gold, *POOL))
    assert [(bad["row"], bad["reason"]) for bad in prepared.rows("quarantine.parquet")] == [
        (5, f"no `{PARTY}`"),
        (6, f"no `{PARTY}`"),
        (7, f"`{PARTY}` is neither a string nor a number, but a list (an array)"),
    ]
    empty = next(one for one in prepared.rows("examples.parquet") if one["text"] == clause(7))
    assert empty[f"input:{PARTY}"] == ""
