"""What the model card of a model that writes says: what is asked, and how other programs ask it. Pure."""

from collections.abc import Mapping
from typing import Any

from w2s_api.input_template import TEXT, TEXT_ALONE, fields_of
from w2s_trainer.families.task_family import ModelCard


def writer_card(results: Mapping[str, Any], head: str, tail: str) -> ModelCard:
    """The card.

    Args:
        results: the content of `results.json`.
        head: what stands before a text in the prompt.
        tail: what stands behind it.
    """
    task = results["task"]
    most, template = task["generation"]["maxNewTokens"], task["generation"].get("prompt", TEXT_ALONE)
    read = "text.strip()"
    if template != TEXT_ALONE:
        values = ", ".join(f"{name!r}: …" for name in (TEXT, *fields_of(template)))
        read = f"{template!r}.format(**{{{values}}}).strip()"
    return ModelCard(
        title=task["instruction"] or "Text generation",
        about=[
            "## What is asked",
            "The prompt, with the text in the place of `{text}`:"
            if template == TEXT_ALONE
            else "The prompt, with the fields of a row in the place of their names in braces, and its text as `{text}`:",
            "```",
            f"{head}{template}{tail}",
            "```",
        ],
        limits=["What it writes may be wrong, and sound right: check what matters against the source."],
        pipeline_tag="text-generation",
        loading=[
            "or",
            "```python",
            f"prompt = {head!r} + {read} + {tail!r}",
            "model = AutoModelForCausalLM.from_pretrained(directory)",
            "tokenizer = AutoTokenizer.from_pretrained(directory)",
            'ids = tokenizer(prompt, add_special_tokens=False, return_tensors="pt")',
            f"tokenizer.decode(model.generate(**ids, max_new_tokens={most}, do_sample=False)[0, ids.input_ids.shape[1]:])",
            "```",
        ],
    )
