"""The model card: what the model is, what taught it, what it was measured at, where it ends. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any


def model_card(results: Mapping[str, Any], answers: Sequence[str], model_uri: str) -> str:
    """Markdown with the front matter that model hubs read.

    Args:
        results: the content of `results.json`.
        answers: the answer in plain sentences.
        model_uri: the pretrained model.
    """
    task, data, training = results["task"], results["data"], results["training"]
    labelers = ", ".join(f"`{labeler['labeler']}` ({labeler['type']})" for labeler in results["labelers"])
    classes = "\n".join(
        f"- `{label['name']}`" + (f": {label['description']}" if label["description"] else "")
        for label in task["classes"]
    )
    lines = [
        "---",
        "pipeline_tag: text-classification",
        "library_name: transformers",
        "tags: [weak-to-strong]",
        "---",
        f"# {task['instruction'] or 'Text classification'}",
        "",
        "## Classes",
        classes,
        "",
        "## What it is worth",
        *(f"- {sentence}" for sentence in answers),
        "",
        "## How it was made",
        f"- Pretrained model: `{model_uri}`, frozen; a linear head was tuned"
        f" (L2 {training['l2']:g}) on {training['examples'].get('strong', 0):,} weakly labelled texts.",
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
        "or `AutoModelForSequenceClassification.from_pretrained(directory, trust_remote_code=True)`.",
        "",
    ]
    return "\n".join(lines)
