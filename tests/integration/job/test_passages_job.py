"""A job whose prompts hold retrieved passages: pairs are made of documents, and learnt from among distractors.

The student is tiny, of random weights: what stands in which prompt is told from the artifacts, by the documents that were
uploaded, and figures by the table of predictions.
"""

import json
import re

import pyarrow.parquet as pq
import pytest

from w2s_trainer.store.artifacts import ArtifactStore

BUILDERS = ("Ada", "Bo", "Cy", "Di", "Eve", "Fay", "Gus", "Ida")
PLACES = ("Oslo", "Bergen", "Turku", "Riga", "Gdansk")
COUNT = 2
DOCUMENTS, GOLD, MORE = 16, 68, 6


def passage(place: int) -> str:
    return f"Ship N{place} was built by {BUILDERS[place % 8]} in {PLACES[place % 5]}."


def gold_rows() -> list[dict]:
    """Every tenth comes without its passage."""
    return [
        {
            "id": f"g{place}",
            "text": f"Who built ship N{place}?",
            "answer": BUILDERS[place % 8],
            "context": "" if place % 10 == 0 else passage(place),
        }
        for place in range(GOLD)
    ]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> str:
    """A causal model of random weights that knows the words of this job."""
    import torch
    import transformers
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace

    ships = [f"N{n}" for n in (*range(GOLD), *range(100, 100 + DOCUMENTS), *range(200, 200 + MORE))]
    said = "Text Answer : Ship ship was built by in . ? [ ] 1 2 Who the words of passages"
    words = ["[PAD]", "[UNK]", "[EOS]", *said.split(), *BUILDERS, *PLACES, *ships]
    tokenizer = Tokenizer(WordLevel({word: number for number, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    directory = tmp_path_factory.mktemp("tiny")
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", eos_token="[EOS]"
    ).save_pretrained(directory)
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 4}
    config = transformers.LlamaConfig(
        vocab_size=len(words),
        max_position_embeddings=160,
        pad_token_id=0,
        bos_token_id=None,
        eos_token_id=2,
        tie_word_embeddings=False,
        initializer_range=0.1,
        **sizes,
    )
    transformers.AutoModelForCausalLM.from_config(config).save_pretrained(directory)
    return f"file://{directory}"


@pytest.fixture(scope="module")
def done(module_workplace, tiny):
    place = module_workplace
    place.manifest["metadata"]["name"] = "passages"
    documents = [{"id": f"d{n}", "text": passage(n)} for n in range(100, 100 + DOCUMENTS)]
    rule = {
        "pattern": r"ship (?P<ship>N\d+) was built by (?P<who>\w+)",
        "question": "Who built ship {ship}?",
        "answer": "{who}",
    }
    place.manifest["spec"] |= {
        "task": {
            "type": "Generation",
            "instruction": "Answer in the words of the passages.",
            "generation": {
                "prompt": "{passages}\n\n{text}",
                "passages": {
                    "oracle": "context",
                    "more": {
                        "uri": place.put_rows(
                            "more.jsonl", [{"text": passage(n)} for n in range(200, 200 + MORE)]
                        )
                    },
                    "count": COUNT,
                    "oracleShare": "0.75",
                },
                "maxNewTokens": 4,
                "stop": ["\n"],
            },
        },
        "data": {
            "gold": {"uri": place.put_rows("gold.jsonl", gold_rows())},
            "unlabeled": {"uri": place.put_rows("pool.jsonl", documents)},
            "fields": {"id": "id", "label": "answer"},
            "nearDuplicates": {"similarity": "1"},
            "testFraction": "0.85",
            "goldBudget": 8,
        },
        "synthesis": {
            "text": "{question}",
            "mostAlike": "1",
            "steps": [{"type": "QuestionAnswer", "questionAnswer": {"perDocument": 1, "rules": [rule]}}],
        },
        "weak": {"labelers": [{"name": "pairs", "type": "Imported", "imported": {"field": "answer"}}]},
        "strong": {
            "model": {"uri": tiny},
            "maxTokens": 64,
            "tuning": {"type": "Full", "full": {"learningRate": "0.01"}},
            "training": {"epochs": 4, "batchSize": 4},
        },
        "evaluation": {"seeds": 1, "controls": ["ZeroShot"]},
        "promotion": {"metric": "ExactMatch", "mustBeat": []},
        "report": {"examples": "Excerpts"},
    }
    ran = place.run()
    assert ran.returncode == 0, ran.stderr
    return place


def artifact(place, stage: str):
    store = ArtifactStore(place.objects, f"{place.bucket}/w2s")
    return store.find(stage.partition("-")[0], place.results()["provenance"][stage]["key"])


def table_of(place, stage: str, name: str) -> list[dict]:
    return pq.read_table(artifact(place, stage).fetch(name, place.directory / stage)).to_pylist()


def words(text: str) -> str:
    return " ".join(["", *re.findall(r"\w+", text.lower()), ""])


def test_passages_stand_beside_the_texts_before_anybody_is_asked(done):
    assert done.worked[:4] == ["prepare", "synthesise", "retrieve", "label-pairs"]


def test_no_prompt_of_training_holds_a_passage_of_the_test(done):
    """By the files that were uploaded, not by what the stage says of itself."""
    rows = table_of(done, "retrieve", "examples.parquet")
    tested = {
        passage(int(row["id"][1:])) for row in rows if row["part"] == "test" and not row["id"].endswith("0")
    }
    training = [row for row in rows if row["part"] in ("pool", "budget")]
    assert training
    for row in training:
        assert not any(text in row["input:passages"] for text in tested), row
        assert row["input:passages"].count("[") == COUNT
    with_oracle = [
        row for row in training if f"Ship {row['text'].split()[-1][:-1]} was" in row["input:passages"]
    ]
    assert 0 < len(with_oracle) < len(training)


def test_rows_of_the_test_are_asked_again_with_their_passage_alone(done):
    rows = {row["id"]: row for row in table_of(done, "retrieve", "examples.parquet")}
    again = [row for row in rows.values() if row["part"] == "oracle"]
    known = [row for row in rows.values() if row["part"] == "test" and not row["id"].endswith("0")]
    assert len(again) == len(known) > 40
    for row in again:
        number = int(row["id"].removesuffix("#oracle")[1:])
        assert row["input:passages"] == f"[1] {passage(number)}"
        assert row["family"] == rows[f"g{number}"]["family"]


def test_the_summary_counts_what_stands_in_prompts(done, summary_is_documented):
    summary = artifact(done, "retrieve").summary
    summary_is_documented(summary, "retrieve")
    assert done.results()["passages"] == summary
    rows = table_of(done, "retrieve", "examples.parquet")
    assert sum(summary["pool"].values()) == sum(row["part"] == "pool" for row in rows) == DOCUMENTS
    assert summary["pool"]["withOracle"] + summary["pool"]["distractorsAlone"] == DOCUMENTS
    of_test = [row for row in rows if row["part"] == "test"]
    assert summary["test"]["oracleUnknown"] == sum(row["id"].endswith("0") for row in of_test) > 0
    found = sum(passage(int(row["id"][1:])) in row["input:passages"] for row in of_test)
    assert summary["test"]["recall"][str(COUNT)] == pytest.approx(
        found / summary["test"]["oracleKnown"], abs=1e-5
    )


def test_every_arm_is_measured_with_distractors_and_without(done):
    """The oracle of the figures is the table of predictions."""
    evaluation = done.results()["evaluation"]
    arms = {arm["arm"]: arm for arm in evaluation["passages"]["arms"]}
    assert set(arms) == {arm["arm"] for arm in evaluation["arms"]}
    written = {
        row["id"]: row["answer"]
        for row in table_of(done, "train-strong-0", "predictions.parquet")
        if row["arm"] == "strong"
    }
    items = [name.removesuffix("#oracle") for name in written if name.endswith("#oracle")]
    gold = {row["id"]: row["answer"] for row in gold_rows()}
    for figure, name in (("retrieved", "{}"), ("oracleAlone", "{}#oracle")):
        right = sum(written[name.format(item)].lower().split() == [gold[item].lower()] for item in items)
        assert arms["strong"][figure] == pytest.approx(right / len(items), abs=1e-5)
    assert evaluation["passages"]["items"] == len(items)
    shown = {row["id"]: row for row in table_of(done, "retrieve", "examples.parquet")}
    said = [
        (words(text), words(shown[name]["input:passages"]))
        for name, text in written.items()
        if shown[name]["part"] == "test" and text
    ]
    stand = sum(text in source for text, source in said)
    assert arms["strong"]["verbatim"] == pytest.approx(stand / len(said), abs=1e-5)


def test_the_report_tells_of_passages(done):
    page = (done.directory / "output/report.html").read_text()
    assert "With passages" in page
    assert "(recall)" in page
    assert "of 0 nobody knows it" not in page


def test_what_is_published_reads_passages_of_a_row(done, capsys):
    rows = [row for row in table_of(done, "retrieve", "examples.parquet") if row["part"] == "oracle"]
    file = done.directory / "rows.jsonl"
    file.write_text(
        "".join(
            json.dumps({"id": row["id"], "text": row["text"], "passages": row["input:passages"]}) + "\n"
            for row in rows
        )
    )
    said = done.predict(capsys, "--job", str(done.directory / "job.yaml"), "--students-only", str(file))
    written = {
        row["id"]: row["answer"]
        for row in table_of(done, "train-strong-0", "predictions.parquet")
        if row["arm"] == "strong"
    }
    assert {row["id"]: row["text"] for row in said} == {row["id"]: written[row["id"]] for row in rows}
