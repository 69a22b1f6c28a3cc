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
from .failure_map import Hits, Jobs, Map, choose, hits
from .outcomes import Outcome, goals, outcomes, tasks_met
from .plots import Bar, forest, scatter
from .predictors import PREDICTORS, predictors_of

NAME = "2026-11-29-does-it-pay"
LINE = "\n---\n"
COMMAND = "make science PART=does_it_pay DATA=../shared/data"
FEWEST_FOR_MAP = 3
"""Tasks of each half that must be in before a map is fitted."""
HALVES = ("choosing", "confirming")


def write_page(records: Sequence[Mapping[str, Any]], directory: Path) -> None:
    """Writes the page's figures below its protocol, and the plots beside it.

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


def figures(records: Sequence[Mapping[str, Any]], found: Sequence[Outcome]) -> str:
    """What stands below the line."""
    if not found:
        return f"No job is in yet: `{COMMAND}`.\n"
    parts = [
        _how_far(records),
        _answer(found),
        "## Goals\n",
        _goals(found),
        "## Against the best of weak, gold-only and zero-shot\n",
        f"Budget {PRIMARY_BUDGET}, MiniLM; 95 % intervals; dashed: −1 point.\n",
        f"![Gain of each job with its interval]({NAME}-gains.svg)\n",
        _map(found, complete=len(records) == len(cells())),
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


def primary(found: Sequence[Outcome]) -> list[Outcome]:
    """The jobs that decide."""
    return [one for one in found if (one.cell.budget, one.cell.student) == (PRIMARY_BUDGET, PRIMARY_STUDENT)]


def _how_far(records: Sequence[Mapping[str, Any]]) -> str:
    declared, there = Counter(map(_kind, cells())), Counter(_kind(record["cell"]) for record in records)
    left = sum(declared.values()) - sum(there.values())
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
        f" {np.median(seconds):.0f} s a job in the median.\n"
    )


def _kind(cell: Cell | str) -> tuple[str, int]:
    *_, budget, student = str(cell).split(".")
    return student, int(budget)


def _answer(found: Sequence[Outcome]) -> str:
    decisive = primary(found)
    if not decisive:
        return ""
    counted = goals(decisive)
    met = ["reached" if one else "**not reached**" for one in counted.met]
    tasks, without, better = tasks_met(decisive)
    labels = "–" if counted.median_worth is None else f"{counted.median_worth:.0f}"
    return (
        f"**With MiniLM at a budget of {PRIMARY_BUDGET}**, of {counted.jobs} jobs {counted.clearly_better} are clearly better than the best of"
        f" weak, gold-only and zero-shot ({met[1]}), {counted.lost} clearly worse, and {counted.without_regret} without regret"
        f" ({met[0]}); the candidate is worth {labels} expert labels in the median ({met[2]}). Of {tasks} tasks, {better} are"
        f" clearly better in at least half of their jobs, and {without} without regret in all of them.\n"
    )


def _goals(found: Sequence[Outcome]) -> str:
    decisive = primary(found)
    mine = [one for one in found if one.cell.student == PRIMARY_STUDENT]
    groups: dict[str, list[Outcome]] = {f"MiniLM, {PRIMARY_BUDGET}": decisive}
    groups |= {f"… {half} half": [one for one in decisive if one.half == half] for half in HALVES}
    groups |= {f"… {source}": [one for one in decisive if one.cell.source == source] for source in SOURCES}
    groups |= {
        f"MiniLM, {budget}": [one for one in mine if one.cell.budget == budget]
        for budget in sorted(BUDGETS)
        if budget != PRIMARY_BUDGET
    }
    groups |= {
        f"{student}, {budget}": [
            one for one in found if (one.cell.student, one.cell.budget) == (student, budget)
        ]
        for student in STUDENTS
        for budget in sorted(BUDGETS)
        if student != PRIMARY_STUDENT
    }
    lines = [
        "| jobs | in | without regret | clearly better | clearly worse | median gain | median worth | worth more than all its labels |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, group in groups.items():
        if group:
            one = goals(group)
            worth = "–" if one.median_worth is None else f"{one.median_worth:.0f}"
            more, of = one.worth_more_than_spent
            lines.append(
                f"| {name} | {one.jobs} | {one.without_regret} | {one.clearly_better} | {one.lost} | {one.median_gain:+.3f} |"
                f" {worth} | {more} of {of} |"
            )
    return "\n".join(lines) + "\n"


def _map(found: Sequence[Outcome], complete: bool) -> str:
    halves = [jobs_of(found, half) for half in HALVES]
    title = "## Can one know beforehand?\n"
    if any(len(np.unique(jobs.task)) < FEWEST_FOR_MAP for jobs in halves):
        return f"{title}\nToo few jobs are in to fit the map.\n"
    chosen, losses = choose(halves[0])
    measured = hits(chosen, *halves, np.random.default_rng(20261129))
    best = sorted(losses, key=losses.__getitem__)[:5]
    listed = "; ".join(f"{', '.join(one) or 'none'}: {losses[one]:.3f}" for one in (*best, ()))
    back, _ = choose(halves[1])
    other = hits(back, *halves[::-1], np.random.default_rng(20261129))
    preview = (
        ""
        if complete
        else "Not all jobs are in, so this is a preview: the protocol measures once, at the end.\n"
    )
    return "\n".join(
        (
            title,
            preview,
            f"Chosen on the choosing half, measured once on the confirming one: {describe(chosen)}. {count(measured)} **The data"
            f" {'support it' if measured.supported else 'do not support it'}.**\n",
            f"Log loss of tasks held out, the five smallest and that of the constant answer: {listed}.\n",
            f"For comparison, the other way round: {describe(back)}. {count(other)}\n",
            f"![Gain over the teacher's skill]({NAME}-skill.svg)\n",
        )
    )


def describe(chosen: Map) -> str:
    """A map in words."""
    if not chosen.predictors:
        return "no predictor, so the constant answer"
    terms = " ".join(
        f"{weight:+.2f} × ({name} − {mean:.2f}) / {scale:.2f}"
        for name, weight, mean, scale in zip(
            chosen.predictors, chosen.weights[1:], chosen.mean, chosen.scale, strict=True
        )
    )
    return f"log-odds of paying = {chosen.weights[0]:+.2f} {terms}"


def count(measured: Hits) -> str:
    """What a map is worth, in words."""
    warned, idle = measured.warned
    kept, promised = measured.promised
    return (
        f"Hit rate {measured.rate:.0%} of {measured.jobs} jobs (95 % over tasks: {measured.low:.0%} to {measured.high:.0%});"
        f" the constant answer {measured.constant:.0%}; better than that in {measured.better:.0%} of the resamplings. Of {idle} jobs"
        f" that do not pay it foretold {warned}; of {promised} that it foretold to pay {kept} do."
    )


def jobs_of(found: Iterable[Outcome], half: str) -> Jobs:
    """The jobs of a half that the failure map is about."""
    mine = [one for one in found if one.half == half and one.cell.student == PRIMARY_STUDENT]
    values = [predictors_of(one.known, one.cell.source == "tuned") for one in mine]
    return Jobs(
        np.array([[one[name] for name in PREDICTORS] for one in values]).reshape(-1, len(PREDICTORS)),
        np.array([one.pays for one in mine], dtype=bool),
        np.array([one.cell.task for one in mine], dtype=str),
    )


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
