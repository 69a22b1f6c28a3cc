"""What is said of students that decide between classes. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any


def alarm_words(given_up: Mapping[str, Any]) -> str:
    """A line for the log: {class, predicted, labels}."""
    return (
        f"the student all but gave up class {given_up['class']}: it predicts it for {given_up['predicted']:.0%} of"
        f" the training texts, their labels ask for {given_up['labels']:.0%}"
    )


def imitation_sentence(results: Mapping[str, Any]) -> str:
    """How far the student copies its teacher's errors."""
    found = results["evaluation"]["imitation"]
    right, wrong = found["agreesWhereWeakIsRight"], found["agreesWhereWeakIsWrong"]
    if right is None or wrong is None:
        return "The weak labels were right everywhere or wrong everywhere on the test, so that copying cannot be told."
    return (
        f"Where the weak labels were right ({found['weakRight']:,} texts) the new model agrees with {right:.0%} of"
        f" them; where they were wrong ({found['weakWrong']:,} texts) it repeats {wrong:.0%} of the errors."
    )


def given_up(collapsed: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """One note for each arm and class that students gave up, whatever the number of seeds.

    Args:
        collapsed: {arm, seed, class, predicted, labels}.
    """
    found = []
    for arm, label in dict.fromkeys((one["arm"], one["class"]) for one in collapsed):
        mine = [one for one in collapsed if (one["arm"], one["class"]) == (arm, label)]
        seeds = [str(one["seed"]) for one in mine]
        named = f"seed {seeds[0]}" if len(seeds) == 1 else f"seeds {', '.join(seeds)}"
        predicted, labels = (_shares([one[name] for one in mine]) for name in ("predicted", "labels"))
        found.append(
            {
                "code": "ClassGivenUp",
                "text": f"The student `{arm}` all but gave up the class “{label}” ({named}): it predicts it for"
                f" {predicted} of the latest training texts, whose labels ask for {labels}.",
            }
        )
    return found


def _shares(values: Sequence[float]) -> str:
    low, high = (f"{100 * value:.1f}".removesuffix(".0") for value in (min(values), max(values)))
    return f"{low} %" if low == high else f"{low} to {high} %"
