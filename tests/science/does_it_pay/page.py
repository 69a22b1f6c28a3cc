"""Writes what is below the line of docs/results/2026-11-29-does-it-pay.md, and its plots. All but `write_page` is pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .cells import Cell, cells
from .declared import (
    BUDGETS,
    PRIMARY_BUDGET,
    PRIMARY_STUDENT,
    SETS,
    SOURCES,
    STUDENTS,
)
from .goals_section import answer, goals_table, primary
from .map_section import map_line, map_section
from .outcomes import Outcome, outcomes
from .plots import Bar, forest, scatter
from .predictors import predictors_of

NAME = "2026-11-29-does-it-pay"
LINE = "\n---\n"
COMMAND = "make science PART=does_it_pay DATA=../shared/data"


def write_page(records: Sequence[Mapping[str, Any]], directory: Path) -> None:
    """Writes the page's figures below its protocol, and the plots beside it; prints what becomes of the map.

    Args:
        records: of jobs as they are declared now.
        directory: of the page, which holds the protocol.
    """
    page = directory / f"{NAME}.md"
    protocol = page.read_text(encoding="utf-8").partition(LINE)[0]
    found = outcomes(records)
    for name, plot in plots(found).items():
        (directory / f"{NAME}-{name}.svg").write_text(plot, encoding="utf-8")
    page.write_text(f"{protocol}{LINE}\n{figures(records, found)}", encoding="utf-8")
    complete = bool(found) and _left(records, PRIMARY_STUDENT) == 0
    print(map_line(found, f"docs/results/{NAME}.md", complete))


def figures(records: Sequence[Mapping[str, Any]], found: Sequence[Outcome]) -> str:
    """What stands below the line."""
    if not found:
        return f"No job is in yet: `{COMMAND}`.\n"
    parts = [
        _how_far(records),
        answer(found),
        "## Goals\n",
        goals_table(found),
        "## Against the best of weak, gold-only and zero-shot\n",
        f"Budget {PRIMARY_BUDGET}, MiniLM; 95 % intervals; dashed: −1 point.\n",
        f"![Gain of each job with its interval]({NAME}-gains.svg)\n",
        map_section(found, f"{NAME}-skill.svg", complete=_left(records, PRIMARY_STUDENT) == 0),
        "## All jobs\n",
        "Macro-F1, means of five seeds. *gain*: candidate − the best of `weak`, `gold-only` and `zero-shot` (its name"
        " stands before), with its interval. *worth*: in expert labels.\n",
        _jobs(found),
        _failed(records),
    ]
    return "\n".join(part for part in parts if part)


def plots(found: Sequence[Outcome]) -> dict[str, str]:
    """SVG files by the end of their name."""
    made = {}
    if decisive := primary(found):
        bars = [
            Bar(f"{one.cell.task} · {one.cell.source}", one.gain, one.low, one.high)
            for one in sorted(decisive, key=lambda one: -one.gain)
        ]
        made["gains"] = forest(
            bars, "Candidate less the best of weak, gold-only and zero-shot", -0.01, -0.1, 0.3
        )
    mine = [one for one in found if one.cell.student == PRIMARY_STUDENT]
    points = [
        (skill, one.gain, Bar("", one.gain, one.low, one.high).kind)
        for one in mine
        if np.isfinite(skill := predictors_of(one.known, one.cell.source == "tuned")["skill"])
    ]
    if points:
        made["skill"] = scatter(
            points,
            "Gain of each job over the teacher's skill on the budget",
            "the teacher's skill on the budget texts that it answers (0: as good as the commonest class)",
            "gain over the best of weak, gold-only, zero-shot",
        )
    return made


def _how_far(records: Sequence[Mapping[str, Any]]) -> str:
    declared, there = Counter(map(_kind, cells())), Counter(_kind(record["cell"]) for record in records)
    absent = [student for student in STUDENTS if not STUDENTS[student].uri and not _there(records, student)]
    left = sum(_left(records, student) for student in STUDENTS if student not in absent)
    without = "".join(f" The student {student} is left out: its files were not given." for student in absent)
    rows = "; ".join(
        f"{student} at {budget}: {there[student, budget]} of {declared[student, budget]}"
        for student in STUDENTS
        for budget in sorted(BUDGETS)
        if there[student, budget] or student == PRIMARY_STUDENT
    )
    commits = ", ".join(
        f"`{name}`" for name, _ in Counter(record["commit"] for record in records).most_common()
    )
    seconds = [record["seconds"]["processor"] for record in records]
    state = "complete" if not left else "**unfinished: read it as a state, not as a result**"
    return (
        f"Written by `{COMMAND}`, which also goes on with the jobs that are left. {sum(there.values())} of"
        f" {sum(declared.values())} jobs are in ({rows}); {state}. Code: {commits}. Processor time: {sum(seconds) / 3600:.1f} h,"
        f" {np.median(seconds):.0f} s a job in the median.{without}\n"
    )


def _there(records: Sequence[Mapping[str, Any]], student: str) -> int:
    return sum(_kind(record["cell"])[0] == student for record in records)


def _left(records: Sequence[Mapping[str, Any]], student: str) -> int:
    return sum(cell.student == student for cell in cells()) - _there(records, student)


def _kind(cell: Cell | str) -> tuple[str, int]:
    *_, budget, student = str(cell).split(".")
    return student, int(budget)


def _jobs(found: Sequence[Outcome]) -> str:
    order = {name: place for place, name in enumerate((*SETS, *SOURCES, *STUDENTS))}
    ordered = sorted(
        found,
        key=lambda one: (
            order[one.cell.student],
            order[one.cell.task],
            order[one.cell.source],
            one.cell.budget,
        ),
    )
    lines = [
        "| task | source | student | gold | coverage | weak | strong | zero-shot | gold-only | cascade | candidate | best | gain | worth |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for one in ordered:
        arms = " | ".join(
            f"{one.arms[name]:.3f}" if name in one.arms else "–"
            for name in ("weak", "strong", "zero-shot", "gold-only", "cascade", "combined")
        )
        worth = "–" if one.worth is None else f"{one.worth:.0f}"
        cell = one.cell
        lines.append(
            f"| {cell.task} | {cell.source} | {cell.student} | {cell.budget} | {one.known['coverage']:.2f} | {arms} | {one.best} |"
            f" {one.gain:+.3f} [{one.low:+.3f}, {one.high:+.3f}] | {worth} |"
        )
    return "\n".join(lines) + "\n"


def _failed(records: Iterable[Mapping[str, Any]]) -> str:
    failed = [
        f"- `{record['cell']}`: exit code {record['failed']['code']}, {record['failed']['message']}"
        for record in records
        if "failed" in record
    ]
    return "\n".join(["## Jobs that failed\n", *failed, ""]) if failed else ""
