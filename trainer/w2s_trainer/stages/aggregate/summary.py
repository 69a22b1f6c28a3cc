"""What the summary of `aggregate` says of the labelers. Pure."""

from collections.abc import Mapping
from typing import Any

from w2s_trainer.stages.aggregate.ballots import votes_of
from w2s_trainer.stages.aggregate.dependence import dependent_pairs
from w2s_trainer.stages.aggregate.methods import Aggregated, Sources

SHOWN = 5
"""Dependent pairs that are named one by one."""


def sources_summary(sources: Sources, aggregated: Aggregated) -> dict[str, Any]:
    """How much of the pool each labeler answers, how good it is taken to be, and who depends on whom.

    Args:
        sources: the labelers, for one seed.
        aggregated: what was made of them.
    """
    each = {
        name: {
            "answered": round(float(1 - weak.abstain[sources.pool].mean()), 6),
            **({"accuracy": round(aggregated.accuracies[name], 4)} if name in aggregated.accuracies else {}),
        }
        for name, weak in sources.labels.items()
    }
    pairs = []
    if sources.classes:
        votes = votes_of(list(sources.labels.values()))[sources.pool]
        pairs = dependent_pairs(votes, len(sources.classes), list(sources.labels))
    warnings = [*aggregated.warnings, *(pair.in_words() for pair in pairs[:SHOWN])]
    if len(pairs) > SHOWN:
        warnings.append(f"{len(pairs) - SHOWN:,} more pairs of labelers agree too often.")
    return {
        "sources": each,
        **({"dependent": [pair.to_json() for pair in pairs]} if pairs else {}),
        **({"warnings": warnings} if warnings else {}),
    }


def warnings_of(summary: Mapping[str, Any]) -> list[str]:
    """The warnings in the summary of an `aggregate` artifact; it may be one that was made before there were any."""
    return list(summary.get("warnings", ()))
