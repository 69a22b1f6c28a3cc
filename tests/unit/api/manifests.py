"""A sound manifest, and edits of it."""

import copy
from collections.abc import Callable
from typing import Any

RULES = {
    "name": "rules",
    "type": "Functions",
    "functions": {
        "rules": [{"className": "free", "pattern": "gpl"}, {"className": "restricted", "keywords": ["fee"]}]
    },
}
SMALL = {"name": "small", "type": "Finetuned", "finetuned": {"model": {"uri": "py://some-encoder"}}}
OWN = {"name": "own", "type": "Classifier", "classifier": {"model": {"uri": "s3://legal/models/own/"}}}

SOUND: dict[str, Any] = {
    "apiVersion": "w2s.dev/v1alpha1",
    "kind": "WeakToStrongJob",
    "metadata": {"name": "licences"},
    "spec": {
        "task": {
            "classes": [{"name": "free"}, {"name": "restricted", "description": "Not free."}],
            "positiveClass": "restricted",
        },
        "data": {"unlabeled": {"uri": "s3://legal/heap/"}, "gold": {"uri": "s3://legal/gold.csv"}},
        "storage": {"uri": "s3://legal/w2s"},
        "weak": {"labelers": [RULES, SMALL, OWN]},
        "strong": {"model": {"uri": "hf://org/name"}},
    },
}


def manifest(*edits: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    """The sound manifest with its spec edited."""
    document = copy.deepcopy(SOUND)
    for edit in edits:
        edit(document["spec"])
    return document


def put(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    """An edit: sets a dotted path; numbers are places in lists."""

    def edit(spec: dict[str, Any]) -> None:
        *parents, last = [int(part) if part.isdigit() else part for part in path.split(".")]
        place: Any = spec
        for part in parents:
            place = place[part] if isinstance(place, list) else place.setdefault(part, {})
        if value is None and not isinstance(place, list):
            place.pop(last, None)
        else:
            place[last] = value

    return edit
