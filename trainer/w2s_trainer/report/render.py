"""`report.html`: one self-contained file."""

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from w2s_api.arms import ARMS
from w2s_trainer.report import charts
from w2s_trainer.report.adaptation import adaptation_answers, adaptation_rows
from w2s_trainer.report.answers import (
    answers,
    better_and_simpler,
    cautions,
    loss,
    metric_words,
    pgr_sentence,
)
from w2s_trainer.report.differences import with_minus
from w2s_trainer.report.finish import finish_answers, finish_rows, saw_gold
from w2s_trainer.report.forgetting import forgetting_answers, forgetting_rows
from w2s_trainer.report.pages import environment
from w2s_trainer.report.parts import ReportParts
from w2s_trainer.report.rounds import round_answers, round_rows
from w2s_trainer.report.tuned import (
    alarms,
    cost_rows,
    how_it_was_made,
    reading_sentence,
    training_rows,
    tuning_answers,
)

_ERROR_HEADINGS = {
    "length": "by length of the text, in quarters of the test",
    "confidence": "by how sure the new model is of its decision",
    "vote": "by whether the teacher votes",
    "family": "by the size of its family in the test",
}


def render(results: Mapping[str, Any], parts: ReportParts) -> str:
    """Renders the report as HTML; every text in it is escaped.

    Args:
        results: the content of results.json.
        parts: what the kind of task adds.
    """
    evaluation = results["evaluation"]
    metric = evaluation["metric"]
    arms = {arm["arm"]: arm for arm in evaluation["arms"]}
    candidate = arms[evaluation["candidate"]]
    sentences = answers(results)
    return (
        environment("w2s_trainer.report")
        .get_template("report.html.j2")
        .render(
            results=results,
            evaluation=evaluation,
            metric=metric,
            metric_words=metric_words(metric),
            arms=arms,
            candidate=candidate,
            baselines={name: ARMS[name].as_baseline for name in ARMS[candidate["arm"]].beats},
            tone=tone(evaluation),
            headline=sentences[0],
            answers=sentences[1:],
            decision=results["decision"],
            advice=results["advice"],
            foretold=results.get("foretold", {}).get("advice"),
            error_headings=_ERROR_HEADINGS,
            alarms=alarms(results),
            cautions=cautions(results),
            tuning_answers=[with_minus(sentence) for sentence in tuning_answers(results)],
            adaptation_answers=[with_minus(sentence) for sentence in adaptation_answers(results)],
            adaptation=adaptation_rows(results),
            round_answers=[with_minus(sentence) for sentence in round_answers(results)],
            rounds=[{name: with_minus(value) for name, value in row.items()} for row in round_rows(results)],
            forgetting_answers=[with_minus(sentence) for sentence in forgetting_answers(results)],
            forgetting=forgetting_rows(results),
            finish_answers=[with_minus(sentence) for sentence in finish_answers(results)],
            finish=finish_rows(results),
            saw_gold=saw_gold(results),
            costs=cost_rows(results),
            energy_known=any(cost["joulesEach"] is not None for cost in results["training"]["costs"]),
            reading=reading_sentence(results),
            made=how_it_was_made(results),
            trained=training_rows(results),
            parts=parts,
            part_metric=_part_metric(metric, arms["weak"]),
            pgr=pgr_sentence(results),
            bars=Markup(charts.bars(evaluation["arms"], candidate["arm"], metric)),
            curve=Markup(charts.curve(evaluation["goldOnlyCurve"], candidate, metric))
            if len(evaluation.get("goldOnlyCurve", [])) > 1
            else None,
            glossary={arm.name: arm.words for arm in ARMS.values() if arm.name in arms},
        )
    )


def tone(evaluation: Mapping[str, Any]) -> str:
    """Chooses the banner's tone: better only if nothing simpler is clearly better still, and nothing asked for is lost."""
    verdicts = [comparison["verdict"] for comparison in evaluation["comparisons"]]
    if verdicts[0] == "worse":
        return "worse"
    beaten = "worse" in verdicts or better_and_simpler(evaluation)
    return "better" if verdicts[0] == "better" and not beaten and not loss(evaluation) else "unsure"


def _part_metric(metric: str, arm: Mapping[str, Any]) -> str:
    """The metric that is shown of parts of the test: the declared one, or the first that parts have."""
    parts = [name for name in arm["covered"] if name != "n"]
    return metric if metric in parts else parts[0]
