"""Builds the data of the example `questions` from the installed package `licensedcode-data` (ScanCode, CC BY 4.0).

`python examples/data/questions.py --out DIR` writes

- gold.jsonl: questions about the beginning of a licence text, with the answer that the package's metadata give, which nobody
  wrote for this: `name` is what the licence is called, `ignorable_holders` and `ignorable_copyrights` are who holds the
  copyright of the text, and since when. A question is asked where the metadata have one answer and that stands in the
  passage, so that every one can be answered from it;
- unlabeled.jsonl.gz: the pool, other licences' texts in full. No question is asked about them.

Fields: id, licence (the group), text, answer. A licence goes to gold or to the pool by a hash of its key, so the data never
depend on chance.
"""

import argparse
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from licences import LOADER, front_matter, package_data
from parts import lot, write

GOLD, POOL = 240, 300
"""Rows of each file, so that students learn in minutes on two cores."""
GOLD_SHARE = 0.5
PASSAGE = 400
"""Characters of the beginning that is asked about: whole words."""
LONGEST = 20_000
"""Characters of a document of the pool."""
NAME, HOLDER, YEAR = (
    "What is this licence called?",
    "Who holds the copyright?",
    "In which year was the copyright claimed?",
)


def licences() -> Iterator[tuple[dict[str, Any], str]]:
    """Metadata and text of every English licence that is not deprecated, in one order."""
    for path in sorted((package_data() / "licenses").glob("*.LICENSE")):
        head, text = front_matter(path)
        facts = yaml.load(head, Loader=LOADER)
        if text and not facts.get("is_deprecated") and facts.get("language", "en") == "en":
            yield facts, "\n".join(text.splitlines())


def passage_of(text: str) -> str:
    """The beginning of a text, its lines kept."""
    beginning = text[:PASSAGE]
    return (beginning if len(text) <= PASSAGE else beginning[: beginning.rindex(" ")]).strip()


def answers(facts: dict[str, Any], passage: str) -> Iterator[tuple[str, str]]:
    """Questions that the metadata answer, with their answers, where these stand in the passage."""
    said = " ".join(passage.split()).casefold()
    holders, claims = facts.get("ignorable_holders") or [], facts.get("ignorable_copyrights") or []
    years = set(re.findall(r"\b(?:19|20)\d\d\b", " ".join(claims)))
    known = {NAME: [facts["name"]], HOLDER: holders, YEAR: sorted(years)}
    for question, found in known.items():
        if len(found) == 1 and " ".join(found[0].split()).casefold() in said:
            yield question, " ".join(found[0].split())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    gold, pool = [], []
    for facts, text in licences():
        key = facts["key"]
        if lot("gold", key) >= GOLD_SHARE:
            pool.append({"id": key, "licence": key, "text": text[:LONGEST]})
            continue
        passage = passage_of(text)
        for number, (question, answer) in enumerate(answers(facts, passage), 1):
            asked = f"{question}\n\n{passage}"
            gold.append({"id": f"{key}/{number}", "licence": key, "text": asked, "answer": answer})
    gold = sorted(gold, key=lambda row: lot("question", row["licence"]))[:GOLD]
    pool = sorted(pool, key=lambda row: lot("document", row["id"]))[:POOL]
    write(gold, pool, arguments.out)
    print(f"questions: {len(gold):,} gold rows, {len(pool):,} documents in the pool")


if __name__ == "__main__":
    main()
