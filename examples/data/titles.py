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
from collections.abc import Iterator
from pathlib import Path

import yaml
from licences import LOADER, front_matter, package_data
from parts import sides, write

SHORTEST, LONGEST = 200, 400
"""Characters of a licence, and of the beginning that is read of it."""
WORDS = 3, 12
"""Of a name: a title of fewer says little, of more it is a description."""
GOLD, POOL = 240, 240
"""Rows of each file, so that students learn to write in minutes on two cores."""


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    gold, pool = sides(licences(), "title")
    gold, pool = gold[:GOLD], pool[:POOL]
    write(gold, pool, arguments.out)
    print(f"titles: {len(gold):,} gold rows, {len(pool):,} in the pool")


if __name__ == "__main__":
    main()
