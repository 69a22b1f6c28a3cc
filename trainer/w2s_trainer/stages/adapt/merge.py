"""Step `Merge`: weights of other models go into those of the model before, without training (`models.merging`)."""

import json
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from w2s_api.methods.adaptation_steps import Merge
from w2s_trainer.contract.context import StageContext
from w2s_trainer.errors import BadSpec
from w2s_trainer.models import merging
from w2s_trainer.models.folder import INDEX, weight_files
from w2s_trainer.models.loading import load_config
from w2s_trainer.models.shapes import check_mergeable
from w2s_trainer.models.uri import fetch_model
from w2s_trainer.stages.adapt.methods import Before
from w2s_trainer.stages.adapt.written import small_files

if TYPE_CHECKING:
    import torch

SEED = 0
"""Of what DARE drops."""


def adapt(context: StageContext, settings: Merge) -> dict[str, Any]:
    """Merges tensor by tensor, in float32: of each model one tensor is in memory, and of what is written one file.

    Raises:
        BadSpec: a model is not there, or does not fit.
    """
    began = time.monotonic()
    current, name = context.model.directory, context.model.name
    others = [
        _Weights.of(current, name, fetch_model(model.uri, context.objects, context.cache), model.uri)
        for model in settings.merged
    ]
    base = None
    if settings.base:
        uri = settings.base.uri
        base = _Weights.of(current, name, fetch_model(uri, context.objects, context.cache), uri)
    figures = _merge(context, settings, others, base)
    for path in small_files(current):
        shutil.copyfile(path, context.output / path.name)
    config = load_config(current, name)
    config.dtype = "float32"
    config.save_pretrained(context.output)
    return {**figures, "seconds": round(time.monotonic() - began, 1)}


def check(before: Before, settings: Merge) -> None:
    """Compares headers and tokenizers of the models that are on this machine."""
    current = before.directory(before.model)
    if current is None:
        return
    assert before.model is not None
    for model in [*settings.merged, *([settings.base] if settings.base else [])]:
        if other := before.directory(model.uri):
            check_mergeable(current, before.model, other, model.uri)


@dataclass(frozen=True)
class _Weights:
    """The weights of a model in its files, by the names that they have in the model that is changed."""

    directory: Path
    names: Mapping[str, str]
    files: Mapping[str, Path]
    """By the model's own names."""

    @classmethod
    def of(cls, current: Path, current_name: str, directory: Path, name: str) -> "_Weights":
        names = check_mergeable(current, current_name, directory, name)
        return cls(directory, names, _files(directory, name))

    def tensor(self, key: str) -> "torch.Tensor | None":
        """A weight in float32; None where this model has none of that name."""
        return _read(self.files[self.names[key]], self.names[key]) if key in self.names else None


def _files(directory: Path, name: str) -> dict[str, Path]:
    from safetensors import safe_open

    found: dict[str, Path] = {}
    for shard in weight_files(directory, name):
        with safe_open(directory / shard, "numpy") as file:
            found |= dict.fromkeys(file.keys(), directory / shard)
    return found


def _read(path: Path, key: str) -> "torch.Tensor":
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        tensor: torch.Tensor = file.get_tensor(key)
    return tensor.float() if tensor.is_floating_point() else tensor


def _merge(
    context: StageContext, settings: Merge, others: list[_Weights], base: _Weights | None
) -> dict[str, Any]:
    import torch
    from safetensors.torch import save_file

    files = _files(context.model.directory, context.model.name)
    shards = sorted(set(files.values()))
    generator = torch.Generator().manual_seed(SEED)
    products: dict[tuple[int, int], list[tuple[float, float, float]]] = {}
    done, changed, total = 0, 0.0, 0
    index: dict[str, str] = {}
    for shard in shards:
        written: dict[str, torch.Tensor] = {}
        for key in sorted(key for key, path in files.items() if path == shard):
            theta = _read(shard, key)
            there = [other.tensor(key) for other in others]
            origin = base.tensor(key) if base else theta
            tensors = [tensor for tensor in there if tensor is not None]
            # A head that one of them lacks stays as it is.
            if theta.is_floating_point() and origin is not None and len(tensors) == len(there):
                merged = _merged(settings, theta, tensors, origin, generator)
                if not bool(torch.isfinite(merged).all()):
                    raise BadSpec(
                        "MergeDiverged",
                        f"The merged weight {key} is no number.",
                        "Lower the weights of `models`.",
                    )
                _note_products(products, tensors, origin)
                changed += float((merged - theta).double().square().sum())
                theta = merged
                total += 1
            written[key] = theta.contiguous()
            index[key] = shard.name
            done += 1
            context.progress("merging", done, len(files))
        save_file(written, context.output / shard.name, metadata={"format": "pt"})
    if len(shards) > 1:
        plain = {"metadata": {}, "weight_map": index}
        (context.output / INDEX).write_text(json.dumps(plain, indent=1))
    return {
        "weights": total,
        "models": len(others),
        "distance": round(changed**0.5, 5),
        "cosines": [
            {"models": [settings.merged[i].uri, settings.merged[j].uri], "cosine": _cosine(parts)}
            for (i, j), parts in products.items()
        ],
    }


def _merged(
    settings: Merge,
    theta: "torch.Tensor",
    others: "list[torch.Tensor]",
    origin: "torch.Tensor",
    generator: "torch.Generator",
) -> "torch.Tensor":
    weights = [float(model.weight) for model in settings.merged]
    vectors = [other - origin for other in others]
    match settings.method:
        case "Linear":
            return merging.linear(theta, others, weights)
        case "Slerp":
            return merging.slerp(theta, others[0], weights[0])
        case "TaskArithmetic":
            return theta + merging.task_arithmetic(vectors, weights)
        case "TIES":
            return theta + merging.ties(vectors, weights, settings.kept)
        case "DARE":
            return theta + merging.dare(vectors, weights, settings.kept, generator)


def _note_products(
    products: dict[tuple[int, int], list[tuple[float, float, float]]],
    others: "list[torch.Tensor]",
    origin: "torch.Tensor",
) -> None:
    """Task vectors that are nearly at right angles do not disturb each other: the cosine says how far they are."""
    for i in range(len(others)):
        for j in range(i + 1, len(others)):
            parts = merging.cosine(others[i] - origin, others[j] - origin)
            products.setdefault((i, j), []).append(parts)


def _cosine(parts: list[tuple[float, float, float]]) -> float | None:
    inner, first, second = (sum(part[place] for part in parts) for place in range(3))
    return round(inner / (first * second) ** 0.5, 5) if first > 0 and second > 0 else None
