"""What tuning beyond a head brought and cost, and how the students were made, in words. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from w2s_api.families import FAMILIES, Family
from w2s_api.methods.losses import LOSSES
from w2s_api.methods.tunings import TUNINGS
from w2s_trainer.report.differences import Differences
from w2s_trainer.report.parts import LIKELIHOOD
from w2s_trainer.report.privacy import in_words, spent_of

_NOT_SHOWN = "–"
_MOST_ALARMS = 6


def tuning_answers(results: Mapping[str, Any]) -> list[str]:
    """Says whether tuning beyond a head, and stopping it early, were worth it; empty where neither was tried."""
    comparisons = {
        (comparison["arm"], comparison["baseline"]): comparison
        for comparison in results["evaluation"]["exploratory"]
    }
    sentences = []
    if ("strong", "head") in comparisons:
        sentences.append(_over_a_head(comparisons["strong", "head"], results))
    if ("strong", "full-schedule") in comparisons:
        sentences.append(_over_the_end(comparisons["strong", "full-schedule"], Differences.of(results)))
    return sentences


def _over_a_head(comparison: Mapping[str, Any], results: Mapping[str, Any]) -> str:
    training, differences = results["training"], Differences.of(results)
    tuning, cost = TUNINGS[training["tuning"]].subject, _times_the_seconds(training["costs"])
    if comparison["verdict"] == "better":
        return (
            f"{tuning} gained {differences.size(comparison['estimate'])} over a head on the frozen model (between"
            f" {differences.between(comparison)}; exploratory), at {cost}."
        )
    if comparison["verdict"] == "worse":
        return (
            f"{tuning} was not worth its cost: it lost {differences.size(comparison['estimate'])} to a head on the frozen model"
            f" (between {differences.between(comparison, -1)}; exploratory), at {cost}."
        )
    return (
        f"{tuning} is not proven to gain anything over a head on the frozen model:"
        f" {differences.from_to(comparison)}, at {cost}."
    )


def _times_the_seconds(costs: Sequence[Mapping[str, Any]]) -> str:
    strong_seconds, head_seconds = (
        next(cost["secondsToTrain"] for cost in costs if cost["arm"] == arm) for arm in ("strong", "head")
    )
    if head_seconds <= 0:
        return f"{seconds(strong_seconds)} for a student, where the head took no time to speak of"
    times = strong_seconds / head_seconds
    rounded = f"{times:.0f}" if times >= 10 else f"{times:.1f}"
    return f"{rounded} times the seconds to train ({seconds(strong_seconds)} against {seconds(head_seconds)} for a student)"


def _over_the_end(comparison: Mapping[str, Any], differences: Differences) -> str:
    stopping = "Stopping where held-out weak labels were predicted best"
    if comparison["verdict"] == "better":
        return (
            f"{stopping} gained {differences.size(comparison['estimate'])} over going on to the end of the schedule (between"
            f" {differences.between(comparison)}; exploratory)."
        )
    if comparison["verdict"] == "worse":
        return (
            f"{stopping} lost {differences.size(comparison['estimate'])} to going on to the end of the schedule (between"
            f" {differences.between(comparison, -1)}; exploratory)."
        )
    return f"{stopping} made no clear difference to going on to the end of the schedule: {differences.from_to(comparison)}."


def alarms(results: Mapping[str, Any]) -> list[str]:
    """Lists the classes that students gave up: to be read before anything else."""
    sentences = [note["text"] for note in results["evaluation"]["notes"] if note["code"] == "ClassGivenUp"]
    more = len(sentences) - _MOST_ALARMS
    return (
        sentences
        if more <= 0
        else [*sentences[:_MOST_ALARMS], f"So it is with {more} more (training.collapsed)."]
    )


def seconds(value: float) -> str:
    """A duration in seconds, with as many digits as it is worth."""
    return f"{value:,.0f} s" if value >= 100 else f"{value:.1f} s" if value >= 1 else f"{value:.2f} s"


def energy(joules: float | None) -> str:
    """Energy, or that it is not known."""
    if joules is None:
        return "not known"
    return f"{joules / 1000:,.1f} kJ" if joules >= 1000 else f"{joules:,.0f} J"


def cost_rows(results: Mapping[str, Any]) -> list[dict[str, str]]:
    """Lists the costs as rows of a table, in the order of the arms."""
    costs = {cost["arm"]: cost for cost in results["training"]["costs"]}
    return [
        {
            "arm": arm,
            "tuning": TUNINGS[cost["tuning"]].short,
            "parameters": f"{cost['parameters']:,}",
            "students": str(cost["students"]),
            "train": seconds(cost["secondsToTrain"]),
            "all": seconds(cost["secondsInAll"]),
            "energy": energy(cost["joulesEach"]),
            "machine": ", ".join(filter(None, (cost["device"], cost["precision"]))) or _NOT_SHOWN,
        }
        for arm in (arm["arm"] for arm in results["evaluation"]["arms"])
        if (cost := costs.get(arm))
    ]


def reading_sentence(results: Mapping[str, Any]) -> str | None:
    """What the heads' seconds are made of, where there are heads."""
    took = results["training"].get("seconds")
    if not took or not took["fitting"]:
        return None
    return (
        f"Heads share one reading of every text of the job, those of the test too: {seconds(took['reading'])}, once,"
        " which is in the seconds in all; to train one counts the share of its own texts."
    )


def how_it_was_made(results: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Lists what was tuned on what schedule: (what, in words)."""
    training = results["training"]
    settings = training["settings"]
    family = FAMILIES[results["task"]["type"]]
    rows = [
        ("strong model", training["model"]),
        ("texts are cut at", f"{settings['maxTokens']:,} tokens"),
        ("tuned", _tuned(settings, family)),
        ("loss", _loss(settings["loss"], family)),
    ]
    if schedule := settings["schedule"]:
        rate = settings["settings"]["learningRate"]
        rows += [
            (
                "schedule",
                f"{schedule['epochs']} epoch{'s' if schedule['epochs'] != 1 else ''}, {schedule['batchSize']}"
                f" texts a step; learning rate {rate}, {schedule['schedule'].lower()}, warm-up over"
                f" {float(schedule['warmupFraction']):.0%} of the steps",
            ),
            (
                "regularisation",
                f"weight decay {schedule['weightDecay']}, dropout {schedule['dropout']}, gradients clipped at"
                f" {schedule['gradientClipping']}",
            ),
            ("stopping", _stopping(settings["stopping"])),
        ]
    if spent := spent_of(training):
        rows.append(("privacy", in_words(spent)))
    gold = {"gold-only", "ceiling"}.intersection(arm["arm"] for arm in results["evaluation"]["arms"])
    if gold:
        named = " and ".join(f"`{arm}`" for arm in ("gold-only", "ceiling") if arm in gold)
        rows.append((f"{named}, on expert labels", _on_gold(bool(settings["schedule"]), family)))
    return rows


def _tuned(settings: Mapping[str, Any], family: Family) -> str:
    tuning = TUNINGS[settings["tuning"]].model_validate(settings["settings"] or {})
    if tuning.on_frozen_model:
        return f"{tuning.in_words()}, L2 {settings['l2']}"
    if not family.has_heads:
        return tuning.in_words()
    if settings.get("privacy"):
        return f"{tuning.in_words()} and a head, starting from one that finds all classes as likely"
    return f"{tuning.in_words()} and a head, starting from the head of the frozen model (L2 {settings['l2']})"


def _loss(loss: Mapping[str, Any], family: Family) -> str:
    if not family.has_heads:
        return LIKELIHOOD
    settings = {name: value for name, value in loss.items() if name != "type"}
    return LOSSES[loss["type"]].model_validate(settings).in_words()


def _stopping(stopping: Mapping[str, Any]) -> str:
    if stopping["type"] == "FixedSchedule":
        return "at the end of the schedule"
    return (
        f"where held-out weak labels were predicted best ({float(stopping['fraction']):.0%} of the texts, whole families"
        f" at a time, looked at {stopping['checks']} times)"
    )


def _on_gold(gradient_tuned: bool, family: Family) -> str:
    if not family.has_heads:
        return "the same tuning and schedule, to its end"
    strength = "L2 chosen by cross-validation inside the labels, families held out whole"
    if not gradient_tuned:
        return f"a head, {strength}"
    return f"the same tuning and schedule, to its end, with plain cross-entropy; the head it starts from: {strength}"


def training_rows(results: Mapping[str, Any]) -> list[dict[str, str]]:
    """Lists the trainings of tuned students as rows of a table, one for each arm and number of texts."""
    trained = results["training"]["trained"]
    rows = []
    for arm, size in dict.fromkeys((training["arm"], training["size"]) for training in trained):
        trainings = [training for training in trained if (training["arm"], training["size"]) == (arm, size)]
        steps = [training["best"]["step"] for training in trainings if training["best"]]
        rows.append(
            {
                "arm": arm,
                "seeds": str(len(trainings)),
                "texts": _span([training["texts"] for training in trainings]),
                "steps": _span([training["steps"] for training in trainings]),
                "seconds": seconds(_mean(trainings, "seconds")),
                "first": f"{_mean(trainings, 'firstLoss'):.3f}",
                "last": f"{_mean(trainings, 'lastLoss'):.3f}",
                "stopped": ", ".join(f"{step:,}" for step in steps) or "at the end",
                "machine": ", ".join(
                    sorted({f"{training['device']}, {training['precision']}" for training in trainings})
                ),
            }
        )
    return rows


def _span(values: Sequence[int]) -> str:
    low, high = min(values), max(values)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _mean(trained: Sequence[Mapping[str, Any]], name: str) -> float:
    return float(sum(training[name] for training in trained) / len(trained))
