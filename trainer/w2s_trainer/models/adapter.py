"""Adapter directories of peft: written apart from the model that they change, merged into it once to be used."""

import json
import re
import shutil
import warnings
from collections.abc import Iterable
from pathlib import Path, PurePath
from typing import Any

from w2s_trainer.errors import BadSpec, OwnFault
from w2s_trainer.models.folder import check_folder, check_pointers, first_line, read_object, some

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
BASE = "base"
"""A directory in ours: the config with the class names, and what of the base model is nowhere else."""

VERSION = 1
"""Raised whenever `merge` writes something else; what was merged before is then merged anew."""

_HERE = f"./{BASE}"
_HUB_NAME = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?")
_FLOAT32 = 4  # bytes
_MERGEABLE = ("LORA", "ADALORA", "LOHA", "LOKR", "IA3", "OFT", "BOFT", "HRA", "VERA")
"""Kinds of adapters that can be put into the weights."""


def is_adapter(names: Iterable[str]) -> bool:
    """Tells whether the files with these names are an adapter and not a whole model."""
    present = set(names)
    whole = [
        name
        for name in present
        if (PurePath(name).suffix == ".safetensors" and name != WEIGHTS)
        or (name.startswith("pytorch_model") and name.endswith(".bin"))
    ]
    return {CONFIG, WEIGHTS} <= present and not whole


def base_uri(config: str | bytes) -> str | None:
    """The model that an adapter changes, by its adapter_config.json. None: it lies in the adapter's `base/`.

    Raises:
        BadSpec: it names none, or a path that means nothing here.
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
    if not _HUB_NAME.fullmatch(name):
        raise BadSpec(
            "BadAdapter",
            f"{CONFIG} names the base model {name!r}: a path of the machine that it was tuned on.",
            "Write there, as `base_model_name_or_path`, its name on the hub or a URI that can be read from here.",
        )
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


def merge(adapter: Path, base: Path, directory: Path, name: str | None = None) -> None:
    """Writes the classifier that an adapter makes of its base model: float32, with its class names.

    Args:
        adapter: its directory.
        base: the base model's.
        directory: an empty directory.
        name: what a person calls the adapter; None: by its directory.

    Raises:
        BadSpec: no adapter of a classifier, or of another model; or one whose weights are no numbers.
        OwnFault: there is no room for it.
    """
    import torch

    from w2s_trainer.models import loading
    from w2s_trainer.models.finite import check_finite_weights
    from w2s_trainer.models.published import write_tokenizer, write_weights

    name = name or str(adapter)
    check_pointers(adapter, name)
    classes = _classes(adapter, name)
    _check_settings(adapter, name)
    tokenizer = loading.load_tokenizer(
        adapter if (adapter / "tokenizer_config.json").exists() else base, name
    )
    if (adapter / BASE).is_dir():
        check_folder(base, name)
        config = loading.load_base_config(adapter / BASE, name)
    else:
        config = loading.load_config(base, name, num_labels=classes)
    if getattr(config, "pad_token_id", None) is None:
        config.pad_token_id = tokenizer.pad_token_id
    model = loading.load_model(base, name, config, loading.NEW_CLASSIFIER, torch.float32)
    model = _merged(model, adapter, name)
    check_finite_weights(model, name)
    size = sum(parameter.numel() for parameter in model.parameters()) * _FLOAT32
    free = shutil.disk_usage(directory).free
    if free < size:
        raise OwnFault(
            "DiskFull",
            f"No room in {directory.parent} to merge an adapter: {size:,} bytes are needed, {free:,} are free.",
            "Free space there, or point the cache (W2S_CACHE) at a larger disk.",
        )
    write_weights(model, directory)
    write_tokenizer(tokenizer, tokenizer.model_max_length, directory)


def _merged(model: Any, adapter: Path, name: str) -> Any:
    """The base model with the adapter in its weights, all of which have found their place."""
    from peft import PeftModel, get_peft_model_state_dict
    from safetensors import safe_open

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of missing keys, which are looked at here
            tuned = PeftModel.from_pretrained(model, adapter)
            wanted = set(get_peft_model_state_dict(tuned, save_embedding_layers=False))
    except (ValueError, RuntimeError, KeyError, TypeError, AttributeError, re.error) as error:
        if isinstance(error, RuntimeError) and (type(error) is not RuntimeError or "memory" in str(error)):
            raise  # the machine's fault
        raise _unusable(name, first_line(error)) from error
    with safe_open(adapter / WEIGHTS, "numpy") as file:
        there = set(file.keys())
    if missing := sorted(wanted - there):
        raise _unusable(name, f"its weights are missing: {some(missing)}")
    if left := sorted(there - wanted):
        raise _unusable(name, f"weights are left over that its base model has no place for: {some(left)}")
    return tuned.merge_and_unload()


def _check_settings(adapter: Path, name: str) -> None:
    """Refuses adapters that cannot be merged, and those for which peft would import what a config names."""
    settings = read_object(adapter / CONFIG, name, "BadAdapter")
    if settings.get("peft_type") not in _MERGEABLE:
        raise _unusable(name, f"`peft_type` is {settings.get('peft_type')!r}")
    if settings.get("task_type") not in (None, "SEQ_CLS"):
        raise _unusable(name, f"`task_type` is {settings.get('task_type')!r}")
    if settings.get("megatron_config"):
        raise _unusable(name, "`megatron_config` wants a library of its own")


def _classes(adapter: Path, name: str) -> int:
    """How many classes the head in an adapter has."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(adapter / WEIGHTS, "numpy") as file:
            names = list(file.keys())
            heads = [key for key in names if _is_head(key)]
            shapes = [file.get_slice(key).get_shape() for key in heads]
    except (SafetensorError, OSError) as error:
        raise _unusable(name, f"{WEIGHTS}: {first_line(error)}") from error
    if len(shapes) != 1:
        raise _unusable(name, "it brings no `score.weight` or `classifier.weight`")
    if int(shapes[0][0]) < 2:
        raise _unusable(name, "its head has one output: that is a score, and no choice between classes")
    return int(shapes[0][0])


def _is_head(name: str) -> bool:
    return name in ("base_model.model.score.weight", "base_model.model.classifier.weight")


def _unusable(name: str, why: str) -> BadSpec:
    return BadSpec(
        "UnsupportedAdapter",
        f"{name}: not an adapter of a sequence classification model that can be merged ({why}).",
        "Merge it with peft (`merge_and_unload`), and name the directory of the whole model.",
    )
