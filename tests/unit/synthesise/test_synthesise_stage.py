"""The whole stage on a few texts, by rules: what becomes of families, and what is said where nothing is left."""

from io import StringIO
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from w2s_api.spec.data import Data
from w2s_api.spec.synthesis import Synthesis
from w2s_trainer.contract.progress import Progress
from w2s_trainer.errors import BadData, BadSpec
from w2s_trainer.stages.synthesise import run

RULE = {"pattern": r"by (?P<who>\w+) in (?P<year>\d{4})", "question": "By whom?", "answer": "{who}"}
STEP = {"type": "QuestionAnswer", "questionAnswer": {"rules": [RULE], "perDocument": 2}}
TEXTS = [
    ("d1", "Alder was written by Ada in 1841, after a long journey to the north.", "pool", 5),
    (
        "d2",
        "Birch was printed by Bo in 1902 and again, with maps of it, by Cy in 1911. By Di in 1950.",
        "pool",
        6,
    ),
    ("d3", "Nobody says who made this one.", "pool", 7),
    ("g1", "By whom?\n\nCedar was made by Eve in 1970.", "budget", 8),
    ("t1", "By whom?\n\nElm was painted by Fay in 1871, on two walls of a house that is no more.", "test", 9),
]


class Prepared:
    """An artifact whose file is on disk."""

    stage, key = "prepare", "0"

    def __init__(self, directory, rows):
        self.directory = directory
        columns = zip(*rows, strict=True)
        names = ("id", "text", "part", "family", "input:context")
        table = dict(zip(names, map(pa.array, map(list, columns)), strict=False))
        pq.write_table(pa.table(table), directory / "examples.parquet")

    def fetch(self, name, _directory):
        return self.directory / name


def synthesised(place, *steps, rows=TEXTS, oracle=None, **more):
    """The result of the stage, and the tables it wrote."""
    output = place / "output"
    output.mkdir()
    prepared = Prepared(place, rows)
    spec = SimpleNamespace(
        task=SimpleNamespace(passages=oracle and SimpleNamespace(oracle=oracle)),
        synthesis=Synthesis.model_validate({"steps": list(steps), **more}),
        data=Data.model_validate({"gold": {"uri": "s3://one/g.csv"}, "unlabeled": {"uri": "s3://one/p.csv"}}),
    )
    context = SimpleNamespace(
        spec=spec,
        progress=Progress("synthesise", stream=StringIO()),
        scratch=place,
        output=output,
        artifact=lambda _role: prepared,
    )
    result = run(context)
    return result, {path.stem: pq.read_table(path).to_pylist() for path in output.glob("*.parquet")}


def test_pairs_take_the_place_of_documents_and_keep_their_families(tmp_path, summary_is_documented):
    result, tables = synthesised(tmp_path, STEP, passageCharacters=60)
    summary_is_documented(result.summary, "synthesise")
    assert [(row["id"], row["part"], row["family"]) for row in tables["examples"]] == [
        ("d1#1", "pool", 5),
        ("d2#1", "pool", 6),
        ("d2#2", "pool", 6),
        ("g1", "budget", 8),
        ("t1", "test", 9),
    ]
    assert [row["text:answer"] for row in tables["imported"]] == ["Ada", "Bo", "Cy", None, None]
    assert [row["document"] for row in tables["pairs"]] == ["d1", "d2", "d2"]
    assert result.summary["documents"] == {"read": 3, "used": 2}
    assert result.summary["steps"][0]["dropped"] == {"overQuota": 1, "tooLong": 0}
    assert result.summary["generators"] == {"QuestionAnswer rules[0]": 3}


def test_where_prompts_hold_passages_that_of_a_pair_is_its_own_and_gold_keeps_its_own(tmp_path):
    """The same may be asked of several passages: what a test row asks of another is no near-duplicate."""
    rows = [
        *((*row, "") for row in TEXTS[:2]),
        ("g1", "By whom?", "budget", 8, "Cedar was made by Eve in 1970."),
        ("t1", "By whom?", "test", 9, "Elm was painted by Fay in 1871."),
    ]
    _, tables = synthesised(
        tmp_path, STEP, rows=rows, oracle="context", text="{question}", passageCharacters=60
    )
    assert {row["id"]: row["input:context"] for row in tables["examples"]} == {
        "d1#1": "Alder was written by Ada in 1841, after a long journey to",
        "d2#1": "Birch was printed by Bo in 1902 and again, with maps of it,",
        "d2#2": "and again, with maps of it, by Cy in 1911. By Di in 1950.",
        "g1": "Cedar was made by Eve in 1970.",
        "t1": "Elm was painted by Fay in 1871.",
    }


def test_an_id_that_is_taken_is_not_given_twice(tmp_path):
    _, tables = synthesised(tmp_path, STEP, rows=[*TEXTS, ("d1#1", "another", "budget", 10)])
    ids = [row["id"] for row in tables["examples"]]
    assert len(set(ids)) == len(ids)


def test_where_no_document_yields_anything_one_line_says_so(tmp_path):
    rows = [row for row in TEXTS if row[0] not in ("d1", "d2")]
    with pytest.raises(BadData, match=r"Of 1 documents no pair is left\. The steps made 0\.") as caught:
        synthesised(tmp_path, STEP, rows=rows)
    assert caught.value.reason == "NothingSynthesised"


def test_where_all_pairs_are_near_the_test_one_line_says_so(tmp_path):
    document = TEXTS[4][1].removeprefix("By whom?\n\n")
    rows = [("d1", document, "pool", 5), TEXTS[4]]
    with pytest.raises(BadData, match="The steps made 1; dropped: 1 near-duplicates of a test text"):
        synthesised(tmp_path, STEP, rows=rows)


def test_answers_that_are_too_long_are_counted(tmp_path):
    long = {**RULE, "answer": "it was made by {who}"}
    step = {"type": "QuestionAnswer", "questionAnswer": {"rules": [long]}}
    with pytest.raises(BadData, match="4 with an answer above `longestAnswer`"):
        synthesised(tmp_path, step, longestAnswer=3)


def test_an_example_of_the_test_is_refused(tmp_path):
    example = {"passage": "elm WAS painted by  Fay", "question": "q?", "quotation": "by Fay", "answer": "Fay"}
    step = {"type": "QuestionAnswer", "questionAnswer": {"model": {"uri": "py://x"}, "examples": [example]}}
    with pytest.raises(BadSpec, match=r"steps\[0\]\.questionAnswer\.examples\[0\]: its passage stands in"):
        synthesised(tmp_path, step)
