"""docs/report.md has every field of results.json and every advice."""

import re
from pathlib import Path

from fixtures import results

from w2s_trainer.report import advice

PAGE = (Path(__file__).parents[3] / "docs/report.md").read_text()
FIELDS = PAGE.split("## results.json")[1]


def named(table: str) -> set[str]:
    """What stands between backticks in the first cells and, of arms and the like, in all cells."""
    return set(re.findall(r"[`{, .\[](\w+)(?:\[\])?[`},]", table))


def test_every_field_is_documented() -> None:
    found = results(combined=0.86)
    evaluation = found["evaluation"]
    first_cells = re.findall(r"^\| (.+?) \|", FIELDS, flags=re.MULTILINE)
    tops = {name for cell in first_cells for name in re.findall(r"`(\w+)(?:\[\])?`", cell)}
    assert set(found) - tops <= {"evaluation", "training"}
    of_evaluation = {
        name
        for cell in first_cells
        if cell.startswith("`evaluation")
        for name in re.findall(r"`(?:evaluation)?\.(\w+)(?:\[\])?`", cell)
    }
    assert {*evaluation, "judge"} == of_evaluation  # a judge is asked in few jobs
    words = named(FIELDS)
    for part in ("arms", "kinds", "errors", "exploratory", "notComputed", "notes"):
        assert set(evaluation[part][0]) - {"exploratory", "seeds", "families"} <= words, part
    assert set(evaluation["errors"][0]["rows"][0]) <= words
    assert set(evaluation["arms"][0]["classes"][0]) <= words
    assert set(evaluation["lastDoubling"]) | set(evaluation["tradeoff"]) <= words


def test_every_advice_is_documented() -> None:
    table = PAGE.split("## What to do now")[1].split("## ")[0]
    told = re.findall(r"^\| `(\w+)` \|", table, flags=re.MULTILINE)
    written = re.findall(
        r'(?:yield|^ +) ?"([A-Z]\w+)",', Path(advice.__file__).read_text(), flags=re.MULTILINE
    )
    assert len(told) == len(written) == 11
    assert set(told) == set(written)
