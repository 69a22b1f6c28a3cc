"""What the steps before any label brought and cost, in words. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from w2s_trainer.report.differences import Differences
from w2s_trainer.report.tuned import seconds

_NOT_SHOWN = "–"


def adaptation_answers(results: Mapping[str, Any]) -> list[str]:
    """Says whether adapting the strong model was worth it; empty where nothing was adapted, or nothing compared."""
    steps = results.get("adaptation", [])
    # Where the student was changed after its training too, what came before is seen on the one that was not.
    student = "unfinished" if results.get("finish") else "strong"
    comparison = next(
        (
            one
            for one in results["evaluation"]["exploratory"]
            if (one["arm"], one["baseline"]) == (student, "unadapted")
        ),
        None,
    )
    if not steps or comparison is None:
        return []
    differences, cost = Differences.of(results), f"at {seconds(_seconds(steps))} for the steps"
    size = differences.size(comparison["estimate"])
    if comparison["verdict"] == "better":
        return [
            f"Adapting the strong model gained the student {size} (between"
            f" {differences.between(comparison)}; exploratory), {cost}."
        ]
    if comparison["verdict"] == "worse":
        return [
            f"Adapting the strong model did harm: the student lost {size} to that of the model as it came"
            f" (between {differences.between(comparison, -1)}; exploratory), {cost}."
        ]
    return [
        "Adapting the strong model is not proven to gain the student anything:"
        f" {differences.from_to(comparison)}, {cost}."
    ]


def adaptation_rows(results: Mapping[str, Any]) -> list[dict[str, str]]:
    """Lists the steps as rows of a table, in order."""
    rows = []
    for step in results.get("adaptation", []):
        figures = step["figures"]
        rows.append(
            {
                "stage": step["stage"],
                "words": step["words"],
                "loss": _held_out(figures),
                "gap": _gap(figures),
                "general": _general(figures),
                "parameters": _parameters(figures),
                "tokens": f"{figures['tokens']:,}" if "tokens" in figures else _NOT_SHOWN,
                "seconds": seconds(figures["seconds"]),
            }
        )
    return rows


def _held_out(figures: Mapping[str, Any]) -> str:
    """The loss, or the tokens of a text, before and after."""
    if counted := figures.get("tokensOfText"):
        return "; ".join(
            f"{one['before']:,.1f} → {one['after']:,.1f} tokens of a text ({one['source']};"
            f" {one['unchanged']:.0%} of the texts are read as before)"
            for one in counted
        )
    if "lossBefore" not in figures:
        return _NOT_SHOWN
    return (
        f"{figures['lossBefore']:.3f} → {figures['lossAfter']:.3f} (perplexity {figures['perplexityBefore']:,.1f} →"
        f" {figures['perplexityAfter']:,.1f}, {figures['objective']})"
    )


def _general(figures: Mapping[str, Any]) -> str:
    """What is forgotten: the loss on general texts that were held out, where `replay` names some."""
    replay = figures.get("replay")
    if not replay:
        return _NOT_SHOWN
    rise = replay["lossAfter"] / replay["lossBefore"] - 1 if replay["lossBefore"] else 0.0
    return (
        f"{replay['lossBefore']:.3f} → {replay['lossAfter']:.3f} ({rise:+.1%}; {replay['fraction']:.0%} of the blocks"
        f" replayed{_predicted(replay)})"
    )


def _predicted(replay: Mapping[str, Any]) -> str:
    """How good the law is that chose the share, on a pilot that it was not fitted to."""
    law = replay.get("predicted")
    if not law:
        return ""
    tried, limit = law["heldOut"], "within" if law["withinTolerance"] else "no share tried kept to"
    return (
        f", chosen by {len(law['pilots'])} pilots, {limit} the tolerated {law['limit']:.3f}; at {tried['fraction']:.0%}, held"
        f" out, the law is off by {tried['generalError']:+.1%} of general loss and {tried['domainError']:+.1%} of the domain's"
    )


def _gap(figures: Mapping[str, Any]) -> str:
    gap = figures.get("stabilityGap")
    if not gap:
        return "none" if "stabilityGap" in figures else _NOT_SHOWN
    back = gap["recoveredAtStep"]
    end = f"gone at step {back:,}" if back is not None else "not gone at the end"
    return f"+{gap['rise']:.3f} at step {gap['step']:,}, {end}"


def _parameters(figures: Mapping[str, Any]) -> str:
    if "parametersBefore" not in figures:
        return _NOT_SHOWN
    before, after = figures["parametersBefore"], figures["parametersAfter"]
    size = f"{before:,} → {after:,}" if before != after else f"{after:,}"
    return f"{size}, {figures['zeros'] / after:.0%} of them 0" if figures.get("zeros") else size


def _seconds(steps: Sequence[Mapping[str, Any]]) -> float:
    return float(sum(step["figures"]["seconds"] for step in steps))
