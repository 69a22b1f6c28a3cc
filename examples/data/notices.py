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
from collections.abc import Iterator
from pathlib import Path

import yaml
from licences import LOADER, front_matter, package_data
from parts import sides, write

SHORTEST, LONGEST = 40, 600
"""Characters of a notice."""
GOLD, POOL = 400, 400
"""Rows of each file, so that students learn to write in minutes on two cores."""


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    gold, pool = sides(notices(), "notice")
    gold, pool = gold[:GOLD], pool[:POOL]
    write(gold, pool, arguments.out)
    print(f"expressions: {len(gold):,} gold rows, {len(pool):,} in the pool")


if __name__ == "__main__":
    main()
