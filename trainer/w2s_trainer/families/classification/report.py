"""What the report says of classes: HTML from the content of results.json. Pure."""

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from w2s_trainer.families.classification.by_class import MOST_IN_FULL
from w2s_trainer.families.imitation import imitation_sentence
from w2s_trainer.report import charts
from w2s_trainer.report.pages import environment
from w2s_trainer.report.parts import ReportParts


def report_parts(results: Mapping[str, Any]) -> ReportParts:
    """Misses and false alarms, each class, imitation, calibration, and the shares of the classes.

    Args:
        results: the content of results.json.
    """
    templates = environment("w2s_trainer.families.classification")
    evaluation, steps = results["evaluation"], results["selection"]["steps"]
    arms = {arm["arm"]: arm for arm in evaluation["arms"]}
    candidate = arms[evaluation["candidate"]]
    errors = templates.get_template("errors.html.j2").render(
        results=results,
        evaluation=evaluation,
        arms=arms,
        candidate=candidate,
        names=[label["name"] for label in results["task"]["classes"]],
        classes=list(zip(arms["weak"]["classes"], candidate["classes"], strict=True)),
        many=len(candidate["classes"]) > MOST_IN_FULL,
        imitation=imitation_sentence(results),
        calibration=Markup(charts.calibration(candidate["calibration"])),
    )
    weak_labels = templates.get_template("weak_labels.html.j2").render(
        results=results,
        shares=Markup(charts.shares(steps[0]["classesBefore"], steps[-1]["classesAfter"])) if steps else None,
        corrections=[step["figures"] for step in steps if "budget" in step.get("figures", ())],
    )
    return ReportParts(_cards(arms["weak"], candidate, results["task"]), Markup(errors), Markup(weak_labels))


def _cards(
    teacher: Mapping[str, Any], candidate: Mapping[str, Any], task: Mapping[str, Any]
) -> list[tuple[str, str]]:
    if "positive" not in candidate:
        return []
    before, after = teacher["positive"]["mean"], candidate["positive"]["mean"]
    return [
        (
            f"{before['missed']:,.0f} → {after['missed']:,.0f}",
            f"of {after['positives']:,.0f} “{task['positiveClass']}” missed, teacher → new model",
        ),
        (
            f"{before['falseAlarms']:,.0f} → {after['falseAlarms']:,.0f}",
            f"false alarms among {after['negatives']:,.0f} others, teacher → new model",
        ),
    ]
