"""What is said of students that decide between classes. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any


def alarm_words(given_up: Mapping[str, Any]) -> str:
    """A line for the log: {class, predicted, labels}."""
    return (
        f"the student all but gave up class {given_up['class']}: it predicts it for {given_up['predicted']:.0%} of"
        f" the training texts, their labels ask for {given_up['labels']:.0%}"
    )


def given_up(collapsed: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Writes one note for each arm and class that students gave up, whatever the number of seeds.

    Args:
        collapsed: {arm, seed, class, predicted, labels}.
    """
    notes = []
    for arm, label in dict.fromkeys((collapse["arm"], collapse["class"]) for collapse in collapsed):
        collapses = [
            collapse for collapse in collapsed if (collapse["arm"], collapse["class"]) == (arm, label)
        ]
        seeds = [str(collapse["seed"]) for collapse in collapses]
        named = f"seed {seeds[0]}" if len(seeds) == 1 else f"seeds {', '.join(seeds)}"
        predicted, labels = (
            _shares([collapse[name] for collapse in collapses]) for name in ("predicted", "labels")
        )
        notes.append(
            {
                "code": "ClassGivenUp",
                "text": f"The student `{arm}` all but gave up the class “{label}” ({named}): it predicts it for"
                f" {predicted} of the latest training texts, whose labels ask for {labels}.",
            }
        )
    return notes


def _shares(values: Sequence[float]) -> str:
    low, high = (f"{100 * value:.1f}".removesuffix(".0") for value in (min(values), max(values)))
    return f"{low} %" if low == high else f"{low} to {high} %"
