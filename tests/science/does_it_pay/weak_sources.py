"""The labelers of a job, and what must stand in its rows for them."""

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from .declared import (
    PROMPTED_MODEL,
    PROMPTED_TOKENS,
    TUNED_MODEL,
    TUNED_TOKENS,
    Set,
)
from .division import Division
from .keyword_rules import keyword_rules
from .model_elsewhere import probabilities
from .rows import EXAMPLES, Row

VOTE = "vote"


def labelers(source: str, one: Set, classes: Sequence[str], rules: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The `weak.labelers` of a source.

    Args:
        source: of `SOURCES`.
        one: the set.
        classes: of the task.
        rules: the settings of the labeler of type Functions.
    """
    if source == "union":
        parts = ["rules"] + ["elsewhere"] * one.elsewhere + ["imported"] * bool(one.imported)
        return [labeler for part in parts for labeler in labelers(part, one, classes, rules)]
    of_classes = [{"className": name, "field": field_of(place)} for place, name in enumerate(classes[:-1])]
    settings: dict[str, tuple[str, dict[str, Any]]] = {
        "rules": ("Functions", {"functions": dict(rules)}),
        "elsewhere": ("Imported", {"imported": {"probabilities": of_classes}}),
        "imported": ("Imported", {"imported": {"field": VOTE}}),
        "tuned": ("Finetuned", {"finetuned": {"model": {"uri": TUNED_MODEL}, "maxTokens": TUNED_TOKENS}}),
        "prompted": (
            "Prompted",
            {
                "prompted": {
                    "model": {"uri": PROMPTED_MODEL},
                    "maxTokens": PROMPTED_TOKENS,
                    "orders": 1,
                }
            },
        ),
    }
    kind, given = settings[source]
    return [{"name": source, "type": kind, **given}]


def field_of(place: int) -> str:
    """The field with the probability of a class by the model elsewhere; the last class has what is left."""
    return f"p_{place}"


def rules_of(one: Set, division: Division) -> dict[str, Any]:
    """The settings of the labeler of type Functions: those of the example, else keywords of the texts set apart."""
    if one.licences:
        spec = yaml.safe_load((EXAMPLES / f"{one.name}.yaml").read_text(encoding="utf-8"))["spec"]
        return next(dict(it["functions"]) for it in spec["weak"]["labelers"] if it["type"] == "Functions")
    texts = division.rule_texts
    found = keyword_rules([row.text for row in texts], [row.label for row in texts])
    return {"rules": [{"className": name, "keywords": [keyword]} for name, keyword in found]}


def imported_fields(
    one: Set, classes: Sequence[str], taught: Sequence[Row], rows: Sequence[Row]
) -> list[dict[str, Any]]:
    """What stands in each of n rows for labelers of type Imported.

    Args:
        one: the set.
        classes: of the task.
        taught: the texts that the model elsewhere is trained on; none, where there is no such model.
        rows: of the jobs.
    """
    fields: list[dict[str, Any]] = [{} for _ in rows]
    if taught:
        said = probabilities(taught, classes, [row.text for row in rows])
        for place, p in enumerate(said):
            fields[place] |= {field_of(k): round(float(p[k]), 6) for k in range(len(classes) - 1)}
    for row, mine in zip(rows, fields, strict=True):
        vote = one.votes.get(row.vote or "", row.vote)
        if vote in classes:
            mine[VOTE] = vote
    return fields
