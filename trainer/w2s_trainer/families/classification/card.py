"""What the model card of a classifier says: its classes, and how other programs load it. Pure but for `Files.of`."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from w2s_trainer.families.task_family import ModelCard
from w2s_trainer.models.adapter import BASE, CONFIG, base_uri


@dataclass(frozen=True)
class Files:
    """What was written: how it is loaded depends on it."""

    own_code: bool
    """A class of ours, whose code lies beside the weights."""
    adapter: Mapping[str, Any] | None
    """The adapter_config.json, where the adapter is apart."""

    @classmethod
    def of(cls, directory: Path) -> "Files":
        """What lies in a directory."""
        config = directory / CONFIG
        adapter = json.loads(config.read_text()) if config.exists() else None
        return cls(any(directory.rglob("modeling_w2s.py")), adapter)


def classifier_card(results: Mapping[str, Any], files: Files) -> ModelCard:
    """The card of a classifier.

    Args:
        results: the content of `results.json`.
        files: what was written.
    """
    task = results["task"]
    return ModelCard(
        title=task["instruction"] or "Text classification",
        about=[
            "## Classes",
            *(
                f"- `{label['name']}`" + (f": {label['description']}" if label["description"] else "")
                for label in task["classes"]
            ),
        ],
        limits=["It decides between the classes above and knows no other."],
        pipeline_tag="text-classification",
        loading=_loading(files),
    )


def _loading(files: Files) -> list[str]:
    code = ", trust_remote_code=True" if files.own_code else ""
    if files.adapter is None:
        return [f"or `AutoModelForSequenceClassification.from_pretrained(directory{code})`."]
    lines = [
        "or, where `directory` is this one:",
        "```python",
        "from peft import PeftModel",
        "from transformers import AutoConfig, AutoModelForSequenceClassification",
        "",
    ]
    named = base_uri(json.dumps(files.adapter))
    if named is None:
        base = f'directory + "/{BASE}"{code}'
        after = f"`{BASE}/` holds the pretrained model with an empty head: it decides nothing without the adapter."
    else:
        name, revision = files.adapter["base_model_name_or_path"], files.adapter["revision"]
        config = f'config=AutoConfig.from_pretrained(directory + "/{BASE}")'
        on_hub = named.startswith("hf://") and "://" not in name
        pinned = f', revision="{revision}"' if revision else ""
        base = f'"{name}"{pinned}, {config}' if on_hub else f"pretrained, {config}"
        after = f"`{BASE}/` holds the config with the names of the classes, and no weights."
        if not on_hub:
            lines.append(f"pretrained = ...  # a directory with {name} in the layout of Hugging Face")
    return [
        *lines,
        f'base = AutoModelForSequenceClassification.from_pretrained({base}, dtype="float32")',
        "model = PeftModel.from_pretrained(base, directory).eval()",
        "```",
        after,
    ]
