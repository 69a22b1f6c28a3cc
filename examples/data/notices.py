"""Builds the data of the example `expressions` from the installed package `licensedcode-data` (ScanCode, CC BY 4.0).

`python examples/data/notices.py --out DIR` writes

- gold.jsonl: licence notices with the licence expression that an expert gave, for the test and the gold budget;
- unlabeled.jsonl.gz: the pool. Its rows carry the expression too, so that the arm `ceiling` can be shown; w2s keeps it
  apart and nothing else reads it.

Fields: id, text, expression. Notices are rules that are flagged `is_license_notice`, of 40 to 600 characters. Of those with
the same opening words one is taken, and what else is a near-duplicate `prepare` finds. An opening goes to gold or to the
pool by a hash of its words, so the data never depend on chance. Rules were written looking at the pool's side alone.
"""

import argparse
import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import yaml
from licences import LOADER, front_matter, lot, package_data

SHORTEST, LONGEST = 40, 600
"""Characters of a notice."""
OPENING = 8
"""Words that tell notices apart."""
GOLD, POOL = 400, 400
"""Rows of each file, so that students learn to write in minutes on two cores."""
GOLD_SHARE = 0.5


def notices() -> Iterator[dict[str, str]]:
    """Every notice once, in one order."""
    for path in sorted((package_data() / "rules").glob("*.RULE")):
        head, text = front_matter(path)
        if "is_license_notice: yes" not in head:
            continue
        facts = yaml.load(head, Loader=LOADER)
        if facts.get("is_false_positive") or facts.get("is_deprecated"):
            continue
        # Double braces mark the words that the rule is about; a notice in a file has none.
        plain = " ".join(text.replace("{{", "").replace("}}", "").split())
        if SHORTEST <= len(plain) <= LONGEST:
            expression = " ".join(facts["license_expression"].split())
            yield {"id": path.stem, "text": plain, "expression": expression}


def opening(row: dict[str, str]) -> str:
    return " ".join(row["text"].casefold().split()[:OPENING])


def sides() -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """Gold's side and the pool's, one notice an opening, in an order by lot."""
    by_lot = sorted(notices(), key=lambda row: lot("notice", row["id"]))
    one_each = {opening(row): row for row in reversed(by_lot)}
    rows = [row for row in by_lot if one_each[opening(row)] is row]
    gold = [row for row in rows if lot("gold", opening(row)) < GOLD_SHARE]
    pool = [row for row in rows if lot("gold", opening(row)) >= GOLD_SHARE]
    return gold, pool


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    gold, pool = sides()
    gold, pool = gold[:GOLD], pool[:POOL]
    arguments.out.mkdir(parents=True, exist_ok=True)
    with (arguments.out / "gold.jsonl").open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in gold)
    # mtime 0, so that the same data are the same bytes and w2s finds its work again
    with gzip.GzipFile(arguments.out / "unlabeled.jsonl.gz", "wb", mtime=0) as packed:
        packed.writelines(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in pool)
    print(f"expressions: {len(gold):,} gold rows, {len(pool):,} in the pool")


if __name__ == "__main__":
    main()
