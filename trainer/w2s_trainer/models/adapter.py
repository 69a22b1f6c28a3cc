"""Adapter directories of peft: written apart from the model that they change, merged into it once to be used."""

import json
import shutil
from collections.abc import Iterable
from pathlib import Path, PurePath
from typing import Any

from w2s_trainer.errors import BadSpec, OwnFault

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
BASE = "base"
"""A directory in ours: the config with the class names, and what of the base model is nowhere else."""

VERSION = 1
"""Raised whenever `merge` writes something else; what was merged before is then merged anew."""

_HERE = f"./{BASE}"
_FLOAT32 = 4  # bytes


def is_adapter(names: Iterable[str]) -> bool:
    """Whether the files with these names are an adapter and not a whole model."""
    found = set(names)
    whole = [name for name in found if PurePath(name).suffix == ".safetensors" and name != WEIGHTS]
    return {CONFIG, WEIGHTS} <= found and not whole


def base_uri(config: str | bytes) -> str | None:
    """The model that an adapter changes, by its adapter_config.json. None: it lies in the adapter's `base/`.

    Raises:
        BadSpec: it names none.
    """
    try:
        given = json.loads(config)
        name, revision = given["base_model_name_or_path"], given.get("revision")
    except (ValueError, KeyError, TypeError, AttributeError):
        name, revision = None, None
    if not isinstance(name, str) or not name:
        raise BadSpec(
            "BadAdapter",
            f"{CONFIG} names no `base_model_name_or_path`.",
            "Write there the model that was tuned: its name on the hub, or a URI.",
        )
    if name == _HERE:
        return None
    if "://" in name:
        return name
    if name.startswith("/"):
        return f"file://{name}"
    return f"hf://{name}@{revision}" if revision else f"hf://{name}"


def write_adapter(model: Any, base: str | None, revision: str | None, directory: Path) -> None:
    """Writes the adapter, its head included.

    Args:
        model: peft's, with one adapter.
        base: what it changes: a name on the hub, or a URI. None: what lies in `base/`.
        revision: of a name on the hub.
        directory: where to.
    """
    settings = model.peft_config["default"]
    settings.base_model_name_or_path, settings.revision = base or _HERE, revision
    model.save_pretrained(directory, save_embedding_layers=False)  # else it asks the hub about them
    place = directory / CONFIG
    written = json.loads(place.read_text())
    written["target_modules"].sort()  # a set, in another order each time
    place.write_text(json.dumps(written, indent=1))


def merge(adapter: Path, base: Path, directory: Path) -> None:
    """Writes the classifier that an adapter makes of its base model: float32, with its class names.

    Args:
        adapter: its directory.
        base: the base model's.
        directory: an empty directory.

    Raises:
        BadSpec: no adapter of a classifier, or of another model.
        OwnFault: there is no room for it.
    """
    import torch
    from peft import PeftModel
    from transformers import AutoConfig, AutoModelForSequenceClassification

    from w2s_trainer.models.encoder import load_tokenizer, quiet
    from w2s_trainer.models.modeling_w2s import W2SConfig, W2SForSequenceClassification
    from w2s_trainer.models.published import write_tokenizer, write_weights

    classes = _classes(adapter)
    tokenizer = load_tokenizer(adapter if (adapter / "tokenizer_config.json").exists() else base)
    AutoConfig.register("w2s", W2SConfig, exist_ok=True)
    if (adapter / BASE).is_dir():
        config = AutoConfig.from_pretrained(adapter / BASE)
    else:
        config = AutoConfig.from_pretrained(base, num_labels=classes)
    if getattr(config, "pad_token_id", None) is None:
        config.pad_token_id = tokenizer.pad_token_id
    ours = config.model_type == "w2s"
    kind = W2SForSequenceClassification if ours else AutoModelForSequenceClassification
    try:
        with quiet():
            model = kind.from_pretrained(base, config=config, dtype=torch.float32)
            model = PeftModel.from_pretrained(model, adapter).merge_and_unload()
    except (ValueError, RuntimeError, KeyError) as error:
        raise _unusable(adapter, str(error).partition("\n")[0][:200]) from error
    size = sum(one.numel() for one in model.parameters()) * _FLOAT32
    free = shutil.disk_usage(directory).free
    if free < size:
        raise OwnFault(
            "DiskFull",
            f"No room in {directory.parent} to merge an adapter: {size:,} bytes are needed, {free:,} are free.",
            "Free space there, or point the cache (W2S_CACHE) at a larger disk.",
        )
    write_weights(model, directory)
    write_tokenizer(tokenizer, tokenizer.model_max_length, directory)


def _classes(adapter: Path) -> int:
    """How many classes the head in an adapter has."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(adapter / WEIGHTS, "numpy") as file:
            names = list(file.keys())
            heads = [name for name in names if _is_head(name)]
            shapes = [file.get_slice(name).get_shape() for name in heads]
    except SafetensorError as error:
        raise _unusable(adapter, f"{WEIGHTS}: {error}") from error
    if len(shapes) != 1:
        raise _unusable(adapter, "it brings no `score.weight` or `classifier.weight`")
    return int(shapes[0][0])


def _is_head(name: str) -> bool:
    return name in ("base_model.model.score.weight", "base_model.model.classifier.weight")


def _unusable(adapter: Path, why: str) -> BadSpec:
    return BadSpec(
        "UnsupportedAdapter",
        f"{adapter.name}: not an adapter of a sequence classification model that can be merged ({why}).",
        "Merge it with peft (`merge_and_unload`), and name the directory of the whole model.",
    )
