"""What the candidate does worse than its teacher, and what better, in words. Pure."""

from collections.abc import Mapping
from typing import Any

from w2s_trainer.families.task_family import Tradeoff


def tradeoff(evaluation: Mapping[str, Any], positive: str | None) -> Tradeoff:
    """Misses and false alarms of the positive class; without one, the classes whose recall fell and rose most.

    Args:
        evaluation: of results.json: `candidate`, `arms` and `kinds`.
        positive: the name of the positive class.
    """
    if positive is None:
        return Tradeoff(_of_classes(evaluation))
    (recall,) = (kind for kind in evaluation["kinds"] if kind["kind"] == positive)
    text = _of_positive(evaluation, recall, positive)
    if recall["verdict"] != "worse":
        return Tradeoff(text)
    return Tradeoff(text, f"it finds clearly fewer of “{positive}” than its teacher")


def _of_positive(evaluation: Mapping[str, Any], recall: Mapping[str, Any], positive: str) -> str:
    arms = {arm["arm"]: arm for arm in evaluation["arms"]}
    teacher, new = (arms[name]["positive"]["mean"] for name in ("weak", evaluation["candidate"]))
    return (
        f"Of {new['positives']:,.0f} “{positive}” it misses {new['missed']:,.0f}, its teacher"
        f" {teacher['missed']:,.0f} (recall {_change(recall)}). Of the {new['negatives']:,.0f} others it takes"
        f" {new['falseAlarms']:,.0f} for “{positive}”, its teacher {teacher['falseAlarms']:,.0f}."
        + _seeds(evaluation)
    )


def _of_classes(evaluation: Mapping[str, Any]) -> str:
    kinds = evaluation["kinds"]
    fell = min(kinds, key=lambda kind: kind["estimate"])
    rose = max(kinds, key=lambda kind: kind["estimate"])
    parts = [
        f"recall fell most for {_against(fell)}" if fell["estimate"] < 0 else "recall fell for no class",
        f"it rose most for {_against(rose)}" if rose["estimate"] > 0 else "it rose for none",
    ]
    chance = f" They are the extremes of {len(kinds)} classes, so partly chance." if len(kinds) > 2 else ""
    return f"By class: {', and '.join(parts)}.{chance}{_seeds(evaluation)}"


def _against(kind: Mapping[str, Any]) -> str:
    return f"“{kind['kind']}”, to {kind['candidate']:.2f} from its teacher's {kind['weak']:.2f} ({_change(kind)})"


def _change(kind: Mapping[str, Any]) -> str:
    estimate, low, high = (f"{100 * kind[name]:+.1f}" for name in ("estimate", "low", "high"))
    return f"{estimate} points, from {low} to {high}"


def _seeds(evaluation: Mapping[str, Any]) -> str:
    return f" Means over {evaluation['seeds']} seeds." if evaluation["seeds"] > 1 else ""
