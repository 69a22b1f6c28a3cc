"""What the students of each arm cost, so that heads and gradient-tuned students can be compared. Pure."""

from collections.abc import Mapping
from typing import Any

from w2s_api.methods.tunings import TUNINGS


def detailed_costs(training: Mapping[str, Any], texts: int, outputs: int) -> list[dict[str, Any]]:
    """The costs of `training_summary`, each with what it bought and like for like.

    Heads share one pass over every text of the job, those of the test too, while a student that is tuned reads the
    texts it is trained on. `secondsToTrain` is therefore, for a head, the share of that pass that its own texts are,
    and its fit; for a tuned student the whole of its training.

    Args:
        training: of `training_summary`.
        texts: how many texts the job has: pool, budget and test.
        outputs: how many numbers a head puts out: of classes, K.

    Returns:
        For each arm the given costs with `secondsToTrain`, `parameters` (tuned ones), `device` and `precision`;
        the latter two None where they are not known.
    """
    return [
        {
            **cost,
            **(_of_head if TUNINGS[cost["tuning"]].on_frozen_model else _of_tuned)(
                cost, training, texts, outputs
            ),
        }
        for cost in training["costs"]
    ]


def _of_head(
    cost: Mapping[str, Any], training: Mapping[str, Any], texts: int, outputs: int
) -> dict[str, Any]:
    apart = training.get(cost["arm"], training)  # one whose model is another reads the texts by itself
    seconds, examples = apart["seconds"], training["examples"][cost["arm"]]
    fits = seconds["fitting"][cost["arm"]]
    return {
        "secondsToTrain": round(seconds["reading"] * examples / texts + sum(fits) / len(fits), 3),
        "parameters": outputs * (apart["features"]["dimension"] + 1),
        "device": None,
        "precision": None,
    }


def _of_tuned(
    cost: Mapping[str, Any], training: Mapping[str, Any], _texts: int, _outputs: int
) -> dict[str, Any]:
    students = [student for student in training["trained"] if student["arm"] == cost["arm"]]

    def distinct(name: str) -> str:
        return ", ".join(sorted({str(student[name]) for student in students}))

    return {
        "secondsToTrain": cost["secondsEach"],
        "parameters": students[-1]["parameters"],
        "device": distinct("device"),
        "precision": distinct("precision"),
    }
