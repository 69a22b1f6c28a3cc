"""Builds the data of the example `titles` from the installed package `licensedcode-data` (ScanCode, CC BY 4.0).

`python examples/data/titles.py --out DIR` writes

- gold.jsonl: beginnings of licence texts with the full name that an expert gave the licence, for the test and the gold budget;
- unlabeled.jsonl.gz: the pool. Its rows carry the name too, so that the arm `ceiling` can be shown; w2s keeps it apart and
  nothing else reads it.

Fields: id, text, title. A name that says nothing but what the file is called ("HPND", an abbreviation of one word) is left out,
and so are texts of fewer than 200 characters. A licence goes to gold or to the pool by a hash of the words that its text begins
with, so the data never depend on chance. Rules were written looking at the pool's side alone.
"""

import argparse
import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import yaml
from licences import LOADER, front_matter, lot, package_data

SHORTEST, LONGEST = 200, 400
"""Characters of a licence, and of the beginning that is read of it."""
WORDS = 3, 12
"""Of a name: a title of fewer says little, of more it is a description."""
OPENING = 8
"""Words that tell texts apart."""
GOLD, POOL = 240, 240
"""Rows of each file, so that students learn to write in minutes on two cores."""
GOLD_SHARE = 0.5


def licences() -> Iterator[dict[str, str]]:
    """Every licence that has a title, in one order."""
    for path in sorted((package_data() / "licenses").glob("*.LICENSE")):
        head, text = front_matter(path)
        facts = yaml.load(head, Loader=LOADER)
        title = " ".join(str(facts.get("name", "")).split())
        if facts.get("is_deprecated") or facts.get("language", "en") != "en" or len(text) < SHORTEST:
            continue
        if WORDS[0] <= len(title.split()) <= WORDS[1]:
            lines = (" ".join(line.split()) for line in text[:LONGEST].splitlines())
            yield {"id": path.stem, "text": "\n".join(line for line in lines if line), "title": title}


def opening(row: dict[str, str]) -> str:
    return " ".join(row["text"].casefold().split()[:OPENING])


def sides() -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """Gold's side and the pool's, one licence an opening, in an order by lot."""
    by_lot = sorted(licences(), key=lambda row: lot("title", row["id"]))
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
    print(f"titles: {len(gold):,} gold rows, {len(pool):,} in the pool")


if __name__ == "__main__":
    main()
