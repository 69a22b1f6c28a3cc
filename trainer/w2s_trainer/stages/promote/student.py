"""A student tuned by LoRA or in full, as files that others load: merged into one model, or its adapter apart."""

import re
from pathlib import Path
from typing import Any

from w2s_api.pipeline import FIRST_SEED
from w2s_api.spec.job import Spec
from w2s_trainer.families import family_of
from w2s_trainer.models.adapter import BASE, write_adapter
from w2s_trainer.models.published import write_model, write_tokenizer, write_weights

_MEAN = "mean"
_COMMIT = re.compile(r"[0-9a-f]{40}")


def publish_student(
    pretrained: Path, spec: Spec, weights: Path, directory: Path, *, apart: bool | None = None
) -> None:
    """Writes the tuned model in float32.

    LoRA is merged into the weights unless `promotion.publish` is Adapter; Full has nothing to keep apart.

    Args:
        pretrained: the strong model's directory.
        spec: says how it was tuned.
        weights: what training changed (`stages.session.save_student`).
        directory: a new directory.
        apart: whether the adapter is; None: as `promotion.publish` says.
    """
    from safetensors.torch import load_file

    strong = spec.strong
    tuning = strong.tuning.settings
    if apart is None:
        apart = tuning.leaves_adapter and spec.promotion.publish == "Adapter"
    family = family_of(spec)
    length = family.tokenizer_length(strong.max_tokens)
    student = family.load_student(
        pretrained,
        strong.model.uri,
        tuning=tuning,
        dropout=float(strong.schedule.dropout),
        precision="float32",
    )
    state = load_file(weights)
    own_class = student.model.config.model_type == "w2s"
    if apart:
        (directory / BASE).mkdir(parents=True)
        _write_base(student.model, state, own_class, directory / BASE)
    student.make_tunable(FIRST_SEED)
    student.load(state)
    if apart:
        base, revision = (None, None) if own_class else base_name(strong.model.uri, pretrained)
        write_adapter(student.model, base, revision, directory)
        write_tokenizer(student.tokenizer, length, directory)
        return
    model = student.model.merge_and_unload() if tuning.leaves_adapter else student.model
    write_model(model, student.tokenizer, length, directory)


def base_name(uri: str, pretrained: Path) -> tuple[str, str | None]:
    """What an adapter calls the model it was tuned on: a name on the hub and its commit, else the URI.

    Args:
        uri: as the manifest has it.
        pretrained: where it was found; of the hub, a directory that is called after the commit.
    """
    if not uri.startswith("hf://") or uri.partition("@")[0].endswith(".gguf"):
        return uri, None
    name, _, revision = uri.removeprefix("hf://").partition("@")
    return name, pretrained.name if _COMMIT.fullmatch(pretrained.name) else revision or None


def _write_base(model: Any, state: dict[str, Any], own_class: bool, directory: Path) -> None:
    """Writes what an adapter stands on: the config, and the weights of our class, which are nowhere else.

    Its head is empty: without the adapter it decides nothing.
    """
    if not own_class:
        model.config.save_pretrained(directory)
        return
    (mean,) = (tensor for name, tensor in state.items() if name.rpartition(".")[2] == _MEAN)
    model.mean.copy_(mean)
    write_weights(model, directory)
