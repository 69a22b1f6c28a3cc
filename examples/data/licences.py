"""Builds the demo's data from the installed package `licensedcode-data` (ScanCode's licence texts, CC BY 4.0).

`python examples/data/licences.py --task restricted|copyleft --out DIR` writes

- gold.jsonl: rows with the expert's label, for the test and the gold budget;
- unlabeled.jsonl.gz: the pool. Its rows carry the label too, so that the arm `ceiling` can be shown; w2s keeps
  it apart and nothing else reads it.

Fields: id, licence (the group: texts of one licence belong together), text, label. A licence goes to gold or to
the pool by a hash of its key, and classes are balanced in each, so the data never depend on chance.
"""

import argparse
import importlib.util
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from parts import lot, write

TASKS: dict[str, dict[str, set[str]]] = {
    "restricted": {
        "free": {"Permissive", "Public Domain", "Copyleft", "Copyleft Limited"},
        "restricted": {"Commercial", "Proprietary Free", "Source-available", "Free Restricted"},
    },
    "copyleft": {
        "permissive": {"Permissive", "Public Domain"},
        "copyleft": {"Copyleft", "Copyleft Limited"},
    },
}
ROWS_PER_LICENCE = 4
FEWEST_WORDS = 20
GOLD_SHARE = 0.65
LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def package_data() -> Path:
    found = importlib.util.find_spec("licensedcode")
    if found is None or not found.submodule_search_locations:
        raise SystemExit("The demo's data are in a package: pip install licensedcode-data")
    return Path(next(iter(found.submodule_search_locations))) / "data"


def front_matter(path: Path) -> tuple[str, str]:
    """Head and text of a file that begins with YAML between two lines of dashes."""
    _, head, *rest = re.split(r"^---[ \t]*$", path.read_text(encoding="utf-8"), maxsplit=2, flags=re.M)
    return head, rest[0].strip() if rest else ""


def categories(data: Path) -> dict[str, str]:
    """Category by licence key, of licences that are not deprecated."""
    found = {}
    for path in sorted((data / "licenses").glob("*.LICENSE")):
        head = yaml.load(front_matter(path)[0], Loader=LOADER)
        if not head.get("is_deprecated"):
            found[head["key"]] = head["category"]
    return found


def texts(data: Path) -> Iterator[tuple[str, str, str]]:
    """(id, licence key, text): licences themselves, then texts and notices that rules match them by."""
    for path in sorted((data / "licenses").glob("*.LICENSE")):
        yield f"licence/{path.stem}", path.stem, front_matter(path)[1]
    for path in sorted((data / "rules").glob("*.RULE")):
        head, text = front_matter(path)
        if "is_license_text: yes" not in head and "is_license_notice: yes" not in head:
            continue
        expression = next(line for line in head.splitlines() if line.startswith("license_expression:"))
        key = expression.split(":", 1)[1].strip()
        if " " not in key:
            yield f"rule/{path.stem}", key, text


def rows(task: str) -> list[dict[str, str]]:
    data = package_data()
    label_of = {category: label for label, names in TASKS[task].items() for category in names}
    category_of = categories(data)
    by_licence = defaultdict(list)
    for name, key, text in texts(data):
        label = label_of.get(category_of.get(key, ""))
        if label and len(text.split()) >= FEWEST_WORDS:
            by_licence[key].append(
                {"id": name, "licence": key, "text": " ".join(text.split()), "label": label}
            )
    kept = [
        row
        for key in sorted(by_licence)
        for row in sorted(by_licence[key], key=lambda row: lot("row", row["id"]))[:ROWS_PER_LICENCE]
    ]
    return sorted(kept, key=lambda row: lot("order", row["id"]))


def balanced(found: list[dict[str, str]]) -> list[dict[str, str]]:
    """As many rows of each class as the rarest has, in the same order."""
    by_label = defaultdict(list)
    for row in found:
        by_label[row["label"]].append(row)
    fewest = min(len(mine) for mine in by_label.values())
    kept = {row["id"] for mine in by_label.values() for row in mine[:fewest]}
    return [row for row in found if row["id"] in kept]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--task", choices=sorted(TASKS), required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    found = rows(arguments.task)
    gold = balanced([row for row in found if lot("gold", row["licence"]) < GOLD_SHARE])
    pool = balanced([row for row in found if lot("gold", row["licence"]) >= GOLD_SHARE])
    write(gold, pool, arguments.out)
    print(f"{arguments.task}: {len(gold):,} gold rows, {len(pool):,} in the pool")


if __name__ == "__main__":
    main()
