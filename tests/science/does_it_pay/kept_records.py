"""The records beside the page, one JSON line a job: what the page is made from, so that any machine goes on with the study."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from .declared import METRIC
from .outcomes import BASELINES, cell_of
from .records import Records

DECLARATION = "declaration"
"""The digest of a job as it was declared when it was run."""


def keep(records: Iterable[Mapping[str, Any]], path: Path) -> None:
    """Writes what the page needs of each record; `DECLARATION` is among its keys."""
    lines = (json.dumps(shortened(record), sort_keys=True, ensure_ascii=False) for record in records)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def restore(path: Path, records: Records) -> None:
    """Puts records where a run finds them, if it has none of that job."""
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        record = json.loads(line)
        cell, digest = cell_of(record["cell"]), record[DECLARATION]
        if not records.has(cell, digest):
            records.keep(cell, digest, record)


def shortened(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record with those of its results that the page reads."""
    if "results" not in record:
        return dict(record)
    evaluation = record["results"]["evaluation"]
    needed = {
        "arms": [
            {"arm": arm["arm"], "metrics": {METRIC: {"estimate": arm["metrics"][METRIC]["estimate"]}}}
            for arm in evaluation["arms"]
        ],
        "comparisons": [
            {name: one[name] for name in ("baseline", "estimate", "low", "high")}
            for one in evaluation["comparisons"]
            if one["baseline"] in BASELINES
        ],
        "goldOnlyCurve": [
            {name: point[name] for name in ("labels", "estimate")} for point in evaluation["goldOnlyCurve"]
        ],
    }
    return {**record, "results": {"evaluation": needed}}
