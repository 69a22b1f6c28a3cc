"""The model card: what the model is, what taught it, what it was measured at, where it ends. Pure but for `Files.of`."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from w2s_api.pipeline import FIRST_SEED
from w2s_api.spec.job import Spec
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


def model_card(results: Mapping[str, Any], spec: Spec, files: Files) -> str:
    """Markdown with the front matter that model hubs read.

    Args:
        results: the content of `results.json`.
        spec: says how the model was made.
        files: what was written.
    """
    task, data = results["task"], results["data"]
    labelers = ", ".join(f"`{labeler['labeler']}` ({labeler['type']})" for labeler in results["labelers"])
    classes = "\n".join(
        f"- `{label['name']}`" + (f": {label['description']}" if label["description"] else "")
        for label in task["classes"]
    )
    made = (
        _of_head(results, spec)
        if spec.strong.tuning.settings.on_frozen_model
        else _of_student(results, spec, files)
    )
    lines = [
        "---",
        "pipeline_tag: text-classification",
        f"library_name: {'peft' if files.adapter else 'transformers'}",
        "tags: [weak-to-strong]",
        "---",
        f"# {task['instruction'] or 'Text classification'}",
        "",
        "## Classes",
        classes,
        "",
        "## What it is worth",
        *(f"- {sentence}" for sentence in results["answer"]),
        "",
        "## How it was made",
        *made,
        f"- Teacher: {labelers}.",
        f"- Test: {data['rows']['test']:,} texts that experts labelled, in {data['families']['test']:,} families"
        " that nothing was trained or tuned on.",
        "",
        "## Limits",
        "- It was measured on texts like those of the test. Other texts, other figures.",
        "- It learned from a teacher that errs; where the teacher is wrong in the same way each time,"
        " expect the model to be wrong there too. The report says how often.",
        "- It decides between the classes above and knows no other.",
        "",
        "## Use",
        "```",
        "w2s predict --model <this directory> texts.jsonl",
        "```",
        *_loading(files),
        "",
    ]
    return "\n".join(lines)


def _of_head(results: Mapping[str, Any], spec: Spec) -> list[str]:
    training = results["training"]
    return [
        f"- Pretrained model: `{spec.strong.model.uri}`, frozen; a linear head was tuned"
        f" (L2 {training['l2']:g}) on {training['examples'].get('strong', 0):,} weakly labelled texts."
    ]


def _of_student(results: Mapping[str, Any], spec: Spec, files: Files) -> list[str]:
    strong = spec.strong
    (this,) = (
        one for one in results["training"]["trained"] if one["arm"] == "strong" and one["seed"] == FIRST_SEED
    )
    tuning = strong.tuning.settings
    how, kept = tuning.in_words(), None
    if tuning.leaves_adapter:
        kept = "apart from the model that it changes" if files.adapter else "merged into the weights"
    end = (
        f"; these are the weights of step {this['best']['step']}, which predicted held-out weak labels best"
        if this["best"]
        else ""
    )
    return [
        f"- Pretrained model: `{strong.model.uri}`; tuned were {how}. Tuning began with the head that fits the frozen model.",
        f"- Tuned on {this['texts']:,} weakly labelled texts in {this['steps']:,} steps, in {this['precision']},"
        f" seed {FIRST_SEED} (fixed beforehand){end}. Loss: {strong.loss.settings.in_words()}.",
        f"- Published in float32{f', {strong.tuning.type} {kept}' if kept else ''}.",
    ]


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
