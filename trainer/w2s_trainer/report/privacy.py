"""What is promised to those whose texts a student learned, in words. Pure."""

from collections.abc import Mapping
from typing import Any

COVERS = (
    "That is about the weights of the student and what is computed from them alone, for one weakly labelled text more or less"
    " in its training, labels and selection being what they are. It covers no weak label and no aggregation, selection or"
    " calibration that looked at the same texts, no other arm, and none of the figures of the training; students of several"
    " seeds that are given away together spend their ε each."
)


def spent_of(training: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """What the students on weak labels have spent, the one that spent most; None where nothing is promised.

    Args:
        training: that of `results.json`.
    """
    spent = [one["privacy"] for one in training["trained"] if one["arm"] == "strong" and one.get("privacy")]
    return max(spent, key=lambda one: float(one["epsilon"])) if spent else None


def privacy_answers(results: Mapping[str, Any]) -> list[str]:
    """What was spent and what that covers; empty where nothing is promised."""
    spent = spent_of(results["training"])
    if spent is None:
        return []
    return [
        f"The student is differentially private: ε = {spent['epsilon']:.2f} at δ = {spent['delta']} of the declared"
        f" {spent['declaredEpsilon']}. {COVERS}"
    ]


def in_words(spent: Mapping[str, Any]) -> str:
    """How it was kept: a clause."""
    return (
        f"DP-SGD: each text's gradient clipped at {spent['clipNorm']}, noise of {spent['noiseMultiplier']:g} times that; each"
        f" text took part in a step with probability {spent['sampleRate']:.4g}, in {spent['steps']:,} steps; ε ="
        f" {spent['epsilon']:.2f} at δ = {spent['delta']} (Rényi accountant)"
    )
