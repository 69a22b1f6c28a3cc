"""The page of the study: what it says of finished, unfinished and failed jobs, and its plots."""

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest
from does_it_pay.cells import cells
from does_it_pay.declared import BUDGETS, PRIMARY_STUDENT, SETS
from does_it_pay.page import LINE, NAME, write_page
from does_it_pay.plots import Bar, forest, scatter

DOCS = Path(__file__).parents[3] / "docs" / "results"
PROTOCOL = "# Title\n\nThe protocol.\n"


def record(cell, rng: np.random.Generator) -> dict:
    skill = rng.uniform(0.1, 0.9)
    values = {
        "weak": 0.6,
        "gold-only": 0.7,
        "zero-shot": 0.5,
        "strong": 0.6,
        "combined": 0.7 + 0.1 * (skill - 0.5),
    }
    said = np.array([[10 * skill, 10 * (1 - skill)]] * 2).round().astype(int)
    said[1] = said[1][::-1]
    known = {
        "budget": cell.budget, "classes": 2, "pool": 600, "coverage": 0.5, "confidence": 0.8, "shares": [0.5, 0.5],
        "agreement": None, "bySeed": [{"drawn": [8, 8], "said": said.tolist()}],
    }  # fmt: skip
    evaluation = {
        "arms": [
            {"arm": name, "metrics": {"MacroF1": {"estimate": value}}} for name, value in values.items()
        ],
        "comparisons": [
            {"baseline": name, "estimate": d, "low": d - 0.01, "high": d + 0.01}
            for name in ("weak", "gold-only", "zero-shot")
            if (d := values["combined"] - values[name]) is not None
        ],
        "goldOnlyCurve": [{"labels": n, "estimate": 0.6 + 0.05 * k} for k, n in enumerate(sorted(BUDGETS))],
    }
    seconds = {"clock": 60.0, "processor": 30.0}
    return {
        "cell": str(cell),
        "commit": "abc",
        "seconds": seconds,
        "known": known,
        "results": {"evaluation": evaluation},
    }


def page_of(records: list[dict], directory: Path) -> str:
    (directory / f"{NAME}.md").write_text(f"{PROTOCOL}{LINE}\nold figures\n", encoding="utf-8")
    write_page(records, directory)
    return (directory / f"{NAME}.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def all_records() -> list[dict]:
    rng = np.random.default_rng(1)
    return [record(cell, rng) for cell in cells() if cell.student == PRIMARY_STUDENT]


@pytest.fixture(scope="module")
def few_records(all_records) -> list[dict]:
    return [one for one in all_records if one["cell"].startswith("acord")]


@pytest.fixture(scope="module")
def directory(all_records, tmp_path_factory) -> Path:
    directory = tmp_path_factory.mktemp("page")
    page_of(all_records, directory)
    return directory


@pytest.fixture(scope="module")
def page(directory) -> str:
    return (directory / f"{NAME}.md").read_text(encoding="utf-8")


def test_the_protocol_stays_and_the_figures_are_replaced(few_records, tmp_path):
    page = page_of(few_records, tmp_path)
    assert page.startswith(PROTOCOL + LINE)
    assert "old figures" not in page
    assert page == page_of(few_records, tmp_path)


def test_every_job_that_is_in_has_a_row_and_the_page_says_that_others_are_not(all_records, page):
    rows = [line for line in page.splitlines() if line.startswith(tuple(f"| {name} |" for name in SETS))]
    assert len(rows) == len(all_records)
    assert "unfinished" in page
    assert "The student qwen is left out" in page
    assert f"{len(all_records)} of {len(cells())} jobs are in" in page
    assert "a preview" not in page  # all jobs that the map is about are in


def test_without_any_job_the_page_says_how_to_begin(tmp_path):
    page = page_of([], tmp_path)
    assert "No job is in yet" in page
    assert not list(tmp_path.glob("*.svg"))


def test_a_job_that_failed_is_reported(few_records, tmp_path):
    failed = {"cell": str(cells()[0]), "commit": "abc", "seconds": {"clock": 1.0, "processor": 1.0}}
    failed["failed"] = {"code": 65, "message": "TestTooSmall: too small"}
    page = page_of([failed, *few_records[1:]], tmp_path)
    assert f"`{cells()[0]}`: exit code 65, TestTooSmall: too small" in page


def test_the_map_waits_for_tasks_of_both_halves(few_records, page, tmp_path):
    assert "Too few jobs are in to fit the map" in page_of(few_records, tmp_path)
    assert "not known yet" not in page
    assert "Hit rate" in page


def test_plots_are_drawings_that_the_page_links(page, directory):
    for path in directory.glob("*.svg"):
        assert f"({path.name})" in page
        assert ElementTree.parse(path).getroot().tag.endswith("svg")
    assert len(list(directory.glob("*.svg"))) == 2


def test_the_page_in_the_repository_has_a_protocol_and_one_line_below_it():
    text = (DOCS / f"{NAME}.md").read_text(encoding="utf-8")
    assert text.count(LINE) == 1
    assert "## Protocol" in text.partition(LINE)[0]


@pytest.mark.parametrize(
    ("low", "high", "kind"), [(0.01, 0.02, "better"), (-0.1, 0.1, "even"), (-0.2, -0.1, "worse")]
)
def test_an_interval_is_coloured_by_what_it_shows(low, high, kind):
    assert Bar("", 0, low, high).kind == kind


def test_what_lies_beyond_the_axis_is_cut_and_names_are_escaped():
    root = ElementTree.fromstring(forest([Bar("a < b", 0.5, -0.9, 0.9)], "t", -0.01, -0.1, 0.3))
    lines = [one for one in root.iter() if one.tag.endswith("line") and one.get("class") == "even"]
    assert [0 <= float(one.get("x2")) <= 760 for one in lines] == [True]
    assert "a < b" in [one.text for one in root.iter()]


def test_points_of_one_place_can_be_drawn():
    ElementTree.fromstring(scatter([(0.5, 0.1, "even")], "t", "x", "y"))
