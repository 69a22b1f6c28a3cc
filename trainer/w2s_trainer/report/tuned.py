"""What deep tuning brought and cost, and how the students were made, in words. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from w2s_api.methods.losses import LOSSES
from w2s_api.methods.tunings import TUNINGS
from w2s_trainer.report.differences import Differences

_NOT_SHOWN = "–"
_MOST_ALARMS = 6


def tuning_answers(results: Mapping[str, Any]) -> list[str]:
    """Whether deep tuning, and stopping it early, were worth it; nothing where neither was tried."""
    found = {(one["arm"], one["baseline"]): one for one in results["evaluation"]["exploratory"]}
    said = []
    if ("strong", "head") in found:
        said.append(_over_a_head(found["strong", "head"], results))
    if ("strong", "full-schedule") in found:
        said.append(_over_the_end(found["strong", "full-schedule"], Differences.of(results)))
    return said


def _over_a_head(one: Mapping[str, Any], results: Mapping[str, Any]) -> str:
    training, told = results["training"], Differences.of(results)
    tuning, cost = TUNINGS[training["tuning"]].subject, _times_the_seconds(training["costs"])
    if one["verdict"] == "better":
        return (
            f"{tuning} gained {told.size(one['estimate'])} over a head on the frozen model (between"
            f" {told.between(one)}; exploratory), at {cost}."
        )
    if one["verdict"] == "worse":
        return (
            f"{tuning} was not worth its cost: it lost {told.size(one['estimate'])} to a head on the frozen model"
            f" (between {told.between(one, -1)}; exploratory), at {cost}."
        )
    return f"{tuning} is not proven to gain anything over a head on the frozen model: {told.from_to(one)}, at {cost}."


def _times_the_seconds(costs: Sequence[Mapping[str, Any]]) -> str:
    deep, head = (
        next(one["secondsToTrain"] for one in costs if one["arm"] == arm) for arm in ("strong", "head")
    )
    if head <= 0:
        return f"{seconds(deep)} for a student, where the head took no time to speak of"
    times = deep / head
    rounded = f"{times:.0f}" if times >= 10 else f"{times:.1f}"
    return f"{rounded} times the seconds to train ({seconds(deep)} against {seconds(head)} for a student)"


def _over_the_end(one: Mapping[str, Any], told: Differences) -> str:
    stopping = "Stopping where held-out weak labels were predicted best"
    if one["verdict"] == "better":
        return (
            f"{stopping} gained {told.size(one['estimate'])} over going on to the end of the schedule (between"
            f" {told.between(one)}; exploratory)."
        )
    if one["verdict"] == "worse":
        return (
            f"{stopping} lost {told.size(one['estimate'])} to going on to the end of the schedule (between"
            f" {told.between(one, -1)}; exploratory)."
        )
    return f"{stopping} made no clear difference to going on to the end of the schedule: {told.from_to(one)}."


def alarms(results: Mapping[str, Any]) -> list[str]:
    """Classes that students gave up: to be read before anything else."""
    said = [note["text"] for note in results["evaluation"]["notes"] if note["code"] == "ClassGivenUp"]
    more = len(said) - _MOST_ALARMS
    return said if more <= 0 else [*said[:_MOST_ALARMS], f"So it is with {more} more (training.collapsed)."]


def seconds(value: float) -> str:
    """A duration in seconds, with as many digits as it is worth."""
    return f"{value:,.0f} s" if value >= 100 else f"{value:.1f} s" if value >= 1 else f"{value:.2f} s"


def energy(joules: float | None) -> str:
    """Energy, or that it is not known."""
    if joules is None:
        return "not known"
    return f"{joules / 1000:,.1f} kJ" if joules >= 1000 else f"{joules:,.0f} J"


def cost_rows(results: Mapping[str, Any]) -> list[dict[str, str]]:
    """The costs as a table, in the order of the arms."""
    costs = {one["arm"]: one for one in results["training"]["costs"]}
    return [
        {
            "arm": arm,
            "tuning": TUNINGS[one["tuning"]].short,
            "parameters": f"{one['parameters']:,}",
            "students": str(one["students"]),
            "train": seconds(one["secondsToTrain"]),
            "all": seconds(one["secondsInAll"]),
            "energy": energy(one["joulesEach"]),
            "machine": ", ".join(filter(None, (one["device"], one["precision"]))) or _NOT_SHOWN,
        }
        for arm in (arm["arm"] for arm in results["evaluation"]["arms"])
        if (one := costs.get(arm))
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
    """What was tuned on what schedule: (what, in words)."""
    training = results["training"]
    given = training["settings"]
    said = [
        ("strong model", training["model"]),
        ("texts are cut at", f"{given['maxTokens']:,} tokens"),
        ("tuned", _tuned(given)),
        ("loss", _loss(given["loss"])),
    ]
    if schedule := given["schedule"]:
        rate = given["settings"]["learningRate"]
        said += [
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
            ("stopping", _stopping(given["stopping"])),
        ]
    gold = {"gold-only", "ceiling"}.intersection(arm["arm"] for arm in results["evaluation"]["arms"])
    if gold:
        named = " and ".join(f"`{arm}`" for arm in ("gold-only", "ceiling") if arm in gold)
        said.append((f"{named}, on expert labels", _on_gold(bool(given["schedule"]))))
    return said


def _tuned(given: Mapping[str, Any]) -> str:
    tuning = TUNINGS[given["tuning"]].model_validate(given["settings"] or {})
    if tuning.on_frozen_model:
        return f"{tuning.in_words()}, L2 {given['l2']}"
    return f"{tuning.in_words()}, starting from the head of the frozen model (L2 {given['l2']})"


def _loss(given: Mapping[str, Any]) -> str:
    settings = {name: value for name, value in given.items() if name != "type"}
    return LOSSES[given["type"]].model_validate(settings).in_words()


def _stopping(given: Mapping[str, Any]) -> str:
    if given["type"] == "FixedSchedule":
        return "at the end of the schedule"
    return (
        f"where held-out weak labels were predicted best ({float(given['fraction']):.0%} of the texts, whole families"
        f" at a time, looked at {given['checks']} times)"
    )


def _on_gold(deep: bool) -> str:
    strength = "L2 chosen by cross-validation inside the labels, families held out whole"
    if not deep:
        return f"a head, {strength}"
    return f"the same tuning and schedule, to its end, with plain cross-entropy; the head it starts from: {strength}"


def training_rows(results: Mapping[str, Any]) -> list[dict[str, str]]:
    """The trainings of tuned students as a table, one row for each arm and number of texts."""
    trained = results["training"]["trained"]
    rows = []
    for arm, size in dict.fromkeys((one["arm"], one["size"]) for one in trained):
        mine = [one for one in trained if (one["arm"], one["size"]) == (arm, size)]
        steps = [one["best"]["step"] for one in mine if one["best"]]
        rows.append(
            {
                "arm": arm,
                "seeds": str(len(mine)),
                "texts": _span([one["texts"] for one in mine]),
                "steps": _span([one["steps"] for one in mine]),
                "seconds": seconds(_mean(mine, "seconds")),
                "first": f"{_mean(mine, 'firstLoss'):.3f}",
                "last": f"{_mean(mine, 'lastLoss'):.3f}",
                "stopped": ", ".join(f"{step:,}" for step in steps) or "at the end",
                "machine": ", ".join(sorted({f"{one['device']}, {one['precision']}" for one in mine})),
            }
        )
    return rows


def _span(values: Sequence[int]) -> str:
    low, high = min(values), max(values)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _mean(trained: Sequence[Mapping[str, Any]], name: str) -> float:
    return float(sum(one[name] for one in trained) / len(trained))
