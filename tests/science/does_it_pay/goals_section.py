"""What the page says of the three goals. Pure."""

from collections.abc import Sequence

from .declared import BUDGETS, PRIMARY_BUDGET, PRIMARY_STUDENT, SOURCES, STUDENTS
from .map_section import HALVES
from .outcomes import Outcome, goals, mean_over_tasks, tasks_met


def primary(found: Sequence[Outcome]) -> list[Outcome]:
    """The jobs that decide."""
    return [one for one in found if (one.cell.budget, one.cell.student) == (PRIMARY_BUDGET, PRIMARY_STUDENT)]


def answer(found: Sequence[Outcome]) -> str:
    """The goals in words; nothing, while no job that decides is in."""
    decisive = primary(found)
    if not decisive:
        return ""
    counted = goals(decisive)
    met = ["reached" if one else "**not reached**" for one in counted.met]
    tasks, without, better = tasks_met(decisive)
    if tasks > 1:
        mean, low, high = mean_over_tasks(decisive)
        over_tasks = (
            f" Not declared beforehand: the gain is {mean:+.3f} in the mean over tasks, [{low:+.3f}, {high:+.3f}] with 95 % over"
            " tasks (Student's t)."
        )
    else:
        over_tasks = ""
    labels = (
        "what the candidate is worth is not known yet"
        if counted.median_worth is None
        else f"the candidate is worth {counted.median_worth:.0f} expert labels in the median ({met[2]})"
    )
    return (
        f"**With MiniLM at a budget of {PRIMARY_BUDGET}**, of {counted.jobs} jobs {counted.clearly_better} are clearly better than the best of"
        f" weak, gold-only and zero-shot ({met[1]}), {counted.lost} clearly worse, and {counted.without_regret} without regret"
        f" ({met[0]}); {labels}. Of {tasks} tasks, {better} are"
        f" clearly better in at least half of their jobs, and {without} without regret in all of them.{over_tasks}\n"
    )


def goals_table(found: Sequence[Outcome]) -> str:
    """A row for each group of jobs."""
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
