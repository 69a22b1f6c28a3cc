"""How often each rule and each class votes on the unlabelled texts, and which never do. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from w2s_api.methods.labelers import Functions
from w2s_api.methods.labelers.functions import FunctionRule

SHOWN = 10
"""Silent rules that are named one by one."""
_EXCERPT = 60


def tally(
    matches: NDArray[np.bool_], counts: NDArray[np.float64], class_names: Sequence[str]
) -> dict[str, Any]:
    """What a summary says of votes.

    Args:
        matches: bool[n, R], which rule votes or writes on which of n unlabelled texts.
        counts: float64[n, K], votes by class; K is 0 where texts are written.
        class_names: the K classes in order.
    """
    voted = (counts > 0).sum(axis=0).tolist()
    return {
        "texts": len(matches),
        "rules": matches.sum(axis=0).tolist(),
        "classes": dict(zip(class_names, voted, strict=True)),
    }


def added(tallies: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The tally of all shards."""
    return {
        "texts": sum(one["texts"] for one in tallies),
        "rules": [sum(counts) for counts in zip(*(one["rules"] for one in tallies), strict=True)],
        "classes": {name: sum(one["classes"][name] for one in tallies) for name in tallies[0]["classes"]},
    }


def tally_of(summary: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The tally in the summary of a `label` artifact; None for a labeler that has no rules."""
    by_seed = summary.get("votes")  # they are the same for every seed
    return next(iter(by_seed.values())) if by_seed else None


def votes_by_rule(found: Mapping[str, Any]) -> str:
    """A line of all counts."""
    classes = ", ".join(f"{count:,} for {name!r}" for name, count in found["classes"].items())
    rules = ", ".join(f"rules[{place}] {count:,}" for place, count in enumerate(found["rules"]))
    if not found["classes"]:
        return f"writes for {sum(found['rules']):,} of {found['texts']:,} unlabelled texts; by rule: {rules}"
    return f"votes on {found['texts']:,} unlabelled texts: {classes}; by rule: {rules}"


def silences(found: Mapping[str, Any], functions: Functions, path: str) -> list[str]:
    """A line for each rule and each class that never votes.

    Args:
        found: the tally of all unlabelled texts.
        functions: the rules.
        path: of `functions` in the manifest.
    """
    if not any(found["rules"]):
        return [f"{path}: no rule matches any of {found['texts']:,} unlabelled texts"]
    silent = [place for place, count in enumerate(found["rules"]) if not count]
    does, why = ("vote", "matches") if found["classes"] else ("write", "is the first to match")
    lines = [
        f"{path}.rules[{place}] ({_excerpt(functions.rules_[place])}) never {does}s: it {why} none of"
        f" {found['texts']:,} unlabelled texts"
        for place in silent[:SHOWN]
    ]
    if more := silent[SHOWN:]:
        places = ", ".join(f"[{place}]" for place in more)
        lines.append(f"{path}: {len(more):,} more rules never {does}: {places}")
    lines += [
        f"{path}: no rule ever votes for class {name!r}"
        for name, count in found["classes"].items()
        if not count
    ]
    return lines


def _excerpt(rule: FunctionRule) -> str:
    what = f"pattern {rule.pattern!r}" if rule.keywords is None else f"keywords {', '.join(rule.keywords)}"
    return what if len(what) <= _EXCERPT else what[: _EXCERPT - 1] + "…"
