"""Writes the files that jobs read, once for each task."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .declared import OTHER_DOMAIN_TEXTS, SETS, Set
from .division import Division, divide, taught
from .rows import Row, classes_of, read_rows
from .weak_sources import imported_fields, rules_of

PARTS = ("test", "gold", "pool")


@dataclass(frozen=True)
class TaskFiles:
    """What the jobs of a task have in common."""

    directory: Path
    """Holds test.jsonl, gold.jsonl and pool.jsonl, and the same below `prompted`."""
    classes: list[str]
    rules: dict[str, Any]
    rows: dict[str, int]
    """By part, those that teach weak sources included."""

    def path(self, part: str, source: str) -> Path:
        """The file of a part that jobs with a source read."""
        return self.directory / ("prompted" if source == "prompted" else "") / f"{part}.jsonl"


def task_files(one: Set, data: Path, directory: Path) -> TaskFiles:
    """Writes the files of a task, unless they are there."""
    facts = directory / "task.json"
    if not facts.exists():
        rows = read_rows(one, data)
        classes = classes_of([row.label for row in rows])
        rows = [row for row in rows if row.label in classes]
        division = divide(rows, elsewhere=one.elsewhere and not one.other_domain)
        teachers = _taught_elsewhere(one, data, division)
        for folder, parts in ((directory, division), (directory / "prompted", division.for_prompting())):
            folder.mkdir(parents=True, exist_ok=True)
            for name, part in zip(PARTS, (parts.test, parts.budget, parts.pool), strict=True):
                fields = imported_fields(one, classes, teachers, part)
                _write(folder / f"{name}.jsonl", part, fields, labelled=name != "pool")
        sizes = {
            "ruleTexts": len(division.rule_texts),
            "modelTexts": len(teachers),
            "test": len(division.test),
            "gold": len(division.budget),
            "pool": len(division.pool),
        }
        known = {"classes": classes, "rules": rules_of(one, division), "rows": sizes}
        facts.write_text(json.dumps(known, ensure_ascii=False, indent=1), encoding="utf-8")
    return TaskFiles(directory, **json.loads(facts.read_text(encoding="utf-8")))


def _taught_elsewhere(one: Set, data: Path, division: Division) -> list[Row]:
    if not one.other_domain:
        return division.model_texts
    rows = read_rows(SETS[one.other_domain], data)
    return taught([[row] for row in rows], OTHER_DOMAIN_TEXTS, classes_of([row.label for row in rows]))[0]


def _write(path: Path, rows: Sequence[Row], fields: Sequence[dict[str, Any]], labelled: bool) -> None:
    with path.open("w", encoding="utf-8") as file:
        for row, more in zip(rows, fields, strict=True):
            label = {"label": row.label} if labelled else {}
            whole = {"id": row.id, "family": row.family, "text": row.text, **label, **more}
            file.write(json.dumps(whole, ensure_ascii=False) + "\n")
