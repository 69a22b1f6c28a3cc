"""The answer in plain sentences, for somebody who leads the project and not the statistics. Pure."""

from collections.abc import Mapping
from typing import Any

from w2s_api.arms import ARMS
from w2s_api.families import FAMILIES
from w2s_api.methods.labelers import LABELERS
from w2s_api.metrics import METRICS
from w2s_trainer.report.adaptation import adaptation_answers
from w2s_trainer.report.differences import Differences, with_minus
from w2s_trainer.report.finish import finish_answers
from w2s_trainer.report.forgetting import forgetting_answers
from w2s_trainer.report.privacy import privacy_answers
from w2s_trainer.report.rounds import round_answers
from w2s_trainer.report.tuned import tuning_answers
from w2s_trainer.tally import tally_of


def metric_words(metric: str) -> str:
    """A metric with what it is."""
    return f"{METRICS[metric].label} ({METRICS[metric].words})"


def answers(results: Mapping[str, Any]) -> list[str]:
    """Writes the sentences in the order in which a reader asks; the first is the answer.

    Args:
        results: the content of results.json, without `answer`.
    """
    evaluation = results["evaluation"]
    comparisons = {comparison["baseline"]: comparison for comparison in evaluation["comparisons"]}
    sentences = [_gain(evaluation, comparisons["weak"], Differences.of(results)) + _but(evaluation)]
    if evaluation["tradeoff"]:
        sentences.append(evaluation["tradeoff"]["text"])
    sentences += [
        _against(name, comparisons[name], results)
        for name in ARMS[evaluation["candidate"]].beats
        if name in comparisons and name != "weak"
    ]
    if "worth" in evaluation:
        sentences.append(_worth(evaluation))
    sentences += tuning_answers(results)
    sentences += adaptation_answers(results)
    sentences += round_answers(results)
    sentences += forgetting_answers(results)
    sentences += finish_answers(results)
    sentences += privacy_answers(results)
    return [with_minus(sentence) for sentence in sentences]


def _gain(evaluation: Mapping[str, Any], gain: Mapping[str, Any], differences: Differences) -> str:
    arms = {arm["arm"]: arm for arm in evaluation["arms"]}
    metric = evaluation["metric"]
    weak, new = (arms[name]["metrics"][metric]["estimate"] for name in ("weak", evaluation["candidate"]))
    figures = f"{metric} {new:.3f} against {weak:.3f}"
    if gain["verdict"] == "better":
        return (
            f"Yes: the new model is better than its teacher ({figures}). The gain is {differences.size(gain['estimate'])};"
            f" it lies between {differences.between(gain)} (95 % interval)."
        )
    if gain["verdict"] == "worse":
        return (
            f"No: the new model is worse than its teacher ({figures}), by {differences.size(gain['estimate'])};"
            f" the loss lies between {differences.between(gain, -1)} (95 % interval)."
        )
    return (
        f"Not shown: there is no clear difference between the new model and its teacher ({figures})."
        f" The gain may lie anywhere from {differences.signed(gain['low'])} to"
        f" {differences.signed(gain['high'])}{differences.unit} (95 % interval)."
    )


def better_and_simpler(evaluation: Mapping[str, Any]) -> list[str]:
    """Names the arms that are clearly better than the new model although they are simpler."""
    against = [
        *evaluation["comparisons"],
        *(
            comparison
            for comparison in evaluation["exploratory"]
            if comparison["arm"] == evaluation["candidate"]
        ),
    ]
    worse = {comparison["baseline"] for comparison in against if comparison["verdict"] == "worse"}
    return [arm.name for arm in ARMS.values() if arm.simpler and arm.name in worse]


def _but(evaluation: Mapping[str, Any]) -> str:
    if evaluation["comparisons"][0]["verdict"] != "better":
        return ""
    simpler = [ARMS[name].as_baseline for name in better_and_simpler(evaluation)]
    said = [f" But {clear_loss}."] if (clear_loss := loss(evaluation)) else []
    if simpler:
        said.append(
            f" {'And' if said else 'But'} {' and '.join(simpler)} would be better still, and simpler."
        )
    return "".join(said)


def loss(evaluation: Mapping[str, Any]) -> str | None:
    """What clearly got worse of that which the task is about, as the end of a sentence; None if nothing did."""
    tradeoff = evaluation["tradeoff"]
    return tradeoff["loss"] if tradeoff else None


def _against(name: str, comparison: Mapping[str, Any], results: Mapping[str, Any]) -> str:
    baseline, differences = ARMS[name].as_baseline, Differences.of(results)
    if name == "gold-only":
        on = next(arm for arm in results["evaluation"]["arms"] if arm["arm"] == "gold-only")["trainedOn"]
        baseline = f"the same model tuned on your {on:,} gold labels alone"
    size = differences.size(comparison["estimate"])
    if comparison["verdict"] == "better":
        return f"It is better than {baseline}, by {size} (between {differences.between(comparison)})."
    if comparison["verdict"] == "worse":
        return f"It is worse than {baseline}, by {size} (between {differences.between(comparison, -1)})."
    return f"There is no clear difference to {baseline}: {differences.from_to(comparison)}."


def _worth(evaluation: Mapping[str, Any]) -> str:
    worth = evaluation["worth"]
    estimate, low, high = worth["estimate"], worth["low"], worth["high"]
    bound = {"fewer": "fewer than", "at least": "at least", "exact": "about"}[estimate["bound"]]
    number = f"{bound} {estimate['labels']:,} expert labels"
    more = (
        ", as many as were at hand; how many more was not measured" if estimate["bound"] == "at least" else ""
    )
    if evaluation["candidate"] == "strong":
        sentence = f"The weak labels were worth {number}{more}"
    else:
        sentence = f"It is as good as the same model tuned on {number} alone{more}"
    return f"{sentence} (95 % interval: from {low['text']} to {high['text']})."


def cautions(results: Mapping[str, Any]) -> list[str]:
    """Says what a reader must know before believing the answer, beside `alarms`."""
    evaluation, data = results["evaluation"], results["data"]
    sentences = [note["text"] for note in evaluation["notes"] if note["code"] != "ClassGivenUp"]
    sentences.append(
        f"The test has {evaluation['test']['size']:,} texts in {evaluation['test']['families']:,} families."
        + _provable(data.get("smallestProvableGain"))
    )
    sentences += results["aggregation"].get("warnings", [])
    sentences += results["selection"]["warnings"]
    covered, family = evaluation["coverage"], FAMILIES[results["task"]["type"]]
    if covered < 1:
        sentences.append(
            f"The weak labels cover {covered:.0%} of the test; elsewhere the teacher abstains and is counted with"
            f" {'no text' if family.writes else 'the commonest of its answers'}."
        )
    sentences += [
        f"The labels of `{labeler['labeler']}` are votes: how sure they sound was not checked against experts."
        for labeler in results["labelers"]
        if LABELERS[labeler["type"]].scores_are_votes and not labeler["calibrated"] and not family.writes
    ]
    for labeler in results["labelers"]:
        if tally := tally_of(labeler):
            sentences += _silent_rules(labeler["labeler"], tally)
        sentences += _failing_functions(labeler)
        sentences += _strategies(labeler)
    readers = [
        ("The strong model", results["training"].get("unreadable", 0)),
        *(
            (f"Labeler `{labeler['labeler']}`", labeler.get("unreadable", 0))
            for labeler in results["labelers"]
        ),
    ]
    sentences += [
        f"{reader} could read nothing of {count:,} texts: they reach it empty or without one token that it knows."
        for reader, count in readers
        if count
    ]
    return sentences


def _provable(gain: float | None) -> str:
    if gain is None:
        return ""
    return f" It can prove a gain of about {gain * 100:.0f} points; smaller ones may go unseen."


def _failing_functions(labeler: Mapping[str, Any]) -> list[str]:
    found: Mapping[str, Any] = next(iter(labeler.get("functions", {}).values()), {"votes": {}, "errors": {}})
    silent = [f"`{name}`" for name, count in found["votes"].items() if not count]
    return [
        *(
            [f"Of the functions of `{labeler['labeler']}`, never vote: {', '.join(silent)}."]
            if silent
            else []
        ),
        *(
            f"The function `{name}` of `{labeler['labeler']}` raised an error on {error['texts']:,} texts, where it"
            f" abstains ({error['first']})."
            for name, error in found["errors"].items()
        ),
    ]


def _strategies(labeler: Mapping[str, Any]) -> list[str]:
    """Which ways to ask the seeds took, and how good all were on the gold budget."""
    choices = list(labeler.get("strategy", {}).values())
    if not choices:
        return []
    tried = choices[0]["tried"]
    taken = [sum(choice["chosen"] == place for choice in choices) for place in range(len(tried))]
    sentence = f"Of {len(tried)} ways to ask `{labeler['labeler']}`, the seeds took " + ", ".join(
        f"{words} ({count} of {len(choices)})" for words, count in zip(tried, taken, strict=True) if count
    )
    measured = [choice["heldOutLogLoss"] for choice in choices if choice["heldOutLogLoss"]]
    if not measured:
        return [f"{sentence}: the gold budget is too small to choose on."]
    means = [sum(losses) / len(losses) for losses in zip(*measured, strict=True)]
    listed = ", ".join(f"{words} {loss:.3f}" for words, loss in zip(tried, means, strict=True))
    return [f"{sentence}, by their log loss out of fold on the gold budget ({listed})."]


def _silent_rules(labeler: str, tally: Mapping[str, Any]) -> list[str]:
    silent = [f"rules[{place}]" for place, count in enumerate(tally["rules"]) if not count]
    unheard = [name for name, count in tally["classes"].items() if not count]
    return [
        *(
            [f"Of the rules of `{labeler}`, {len(silent):,} never vote: {', '.join(silent)}."]
            if silent
            else []
        ),
        *(f"No rule of `{labeler}` ever votes for class {name!r}." for name in unheard),
    ]


def pgr_sentence(results: Mapping[str, Any]) -> str:
    """The share of the gap closed, or why there is none."""
    pgr = results["evaluation"]["pgr"]
    if "refused" in pgr:
        return f"No share of the gap (PGR) is given: {pgr['refused']}."
    return (
        f"Of the gap between the teacher and the ceiling, {pgr['estimate']:.0%} was closed"
        f" (PGR {pgr['estimate']:.2f}, 95 % interval {pgr['low']:.2f} to {pgr['high']:.2f})."
    )
