"""The manifest of a job of the study. Pure."""

import hashlib
import json
from typing import Any

from .cells import Cell
from .declared import METRIC, SEEDS, SETS, STUDENTS
from .task_files import TaskFiles
from .weak_sources import labelers

BUCKET = "does-it-pay"


def manifest_of(cell: Cell, files: TaskFiles, models: dict[str, str]) -> dict[str, Any]:
    """The manifest of a job.

    Args:
        cell: which one.
        files: of its task.
        models: by student, the URIs that were given on the command line.
    """
    one, student = SETS[cell.task], STUDENTS[cell.student]
    described = {name: one.descriptions.get(name, name.replace("_", " ")) for name in files.classes}
    return {
        "apiVersion": "w2s.dev/v1alpha1",
        "kind": "WeakToStrongJob",
        "metadata": {"name": job_name(cell)},
        "spec": {
            "task": {
                "type": "Classification",
                "instruction": one.instruction,
                "classes": [{"name": name, "description": words} for name, words in described.items()],
            },
            "data": {
                "unlabeled": _file(files, "pool", cell),
                "gold": _file(files, "gold", cell),
                "test": _file(files, "test", cell),
                "fields": {"id": "id", "group": "family"},
                "goldBudget": cell.budget,
            },
            "storage": {"uri": f"s3://{BUCKET}/w2s"},
            "weak": {"labelers": labelers(cell.source, one, files.classes, files.rules)},
            "strong": {
                "model": {"uri": models.get(cell.student, student.uri)},
                "maxTokens": student.max_tokens,
            },
            "evaluation": {"seeds": SEEDS},
            "promotion": {"metric": METRIC},
        },
    }


def job_name(cell: Cell) -> str:
    """A name that a job may have."""
    return "pay-" + hashlib.sha256(str(cell).encode()).hexdigest()[:12]


def declaration_digest(manifest: dict[str, Any]) -> str:
    """What tells jobs of one cell apart: all of the manifest but where its files and models lie."""
    spec = {name: part for name, part in manifest["spec"].items() if name not in ("data", "strong")}
    strong, data = manifest["spec"]["strong"], manifest["spec"]["data"]
    asked = {**spec, "maxTokens": strong["maxTokens"], "goldBudget": data["goldBudget"]}
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:12]


def _file(files: TaskFiles, part: str, cell: Cell) -> dict[str, str]:
    return {"uri": f"file://{files.path(part, cell.source).resolve()}"}
