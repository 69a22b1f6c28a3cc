"""What the tuned model forgot of what the strong model could before, in words. Pure."""

from collections.abc import Mapping
from typing import Any

_NOT_SHOWN = "–"
NOTHING = "Nothing to forget: its weights are those of the strong model as it came, under a head of its own."


def forgetting_answers(results: Mapping[str, Any]) -> list[str]:
    """Says how much was forgotten, on what, and of which model; empty where nobody asked."""
    retention = results.get("retention")
    if not retention:
        return []
    if "forgetting" not in retention:
        return [NOTHING]
    forgetting, ratio = retention["forgetting"], retention["perplexityRatio"]
    who = "The tuned model" if retention["tuned"] == "student" else "The adapted model"
    size = f"{abs(forgetting['estimate']):.1%}"
    interval = f"{forgetting['low']:+.1%} to {forgetting['high']:+.1%}"
    if forgetting["low"] > 0:
        said = f"{who} forgot: its loss on general texts rose by {size}"
    elif forgetting["high"] < 0:
        said = f"{who} knows general texts better than before: its loss fell by {size}"
    else:
        change = f"{forgetting['estimate']:+.1%}"
        said = f"{who} is not shown to have forgotten anything: its loss on general texts changed by {change}"
    return [
        f"{said} (95 % interval {interval}; perplexity × {ratio['estimate']:.3f}, on {retention['items']:,} texts of"
        f" {retention['tokens']:,} tokens asked for, {retention['objective']})."
    ]


def forgetting_rows(results: Mapping[str, Any]) -> list[dict[str, str]]:
    """Lists figures before and after as rows of a table; none where nothing was measured."""
    retention = results.get("retention") or {}
    if "forgetting" not in retention:
        return []
    before, after = retention["before"], retention["after"]
    rows = [
        {
            "what": words,
            "before": _number(before[name], digits),
            "after": _number(after[name], digits),
            "change": change,
        }
        for name, words, digits, change in (
            ("perplexity", "perplexity", 2, f"× {_interval(retention['perplexityRatio'], '.3f')}"),
            ("bitsPerToken", "bits for each token", 3, _interval(retention["difference"], "+.3f")),
            ("bitsPerByte", "bits for each byte", 3, _NOT_SHOWN),
            ("loss", "loss, and the share by which it rose", 3, _interval(retention["forgetting"], "+.1%")),
        )
    ]
    answers = retention.get("answers")
    if answers:
        rows += [
            {
                "what": f"{words}, of {answers['base']['prompts']:,} answers",
                "before": f"{answers['base'][name]:.0%}",
                "after": f"{answers['tuned'][name]:.0%}",
                "change": _NOT_SHOWN,
            }
            for name, words in (("empty", "empty"), ("cutOff", "cut off"), ("loops", "that end in a loop"))
        ]
    return rows


def card_line(results: Mapping[str, Any]) -> list[str]:
    """What a model card says of it, in one item of a list; empty where nobody asked."""
    return [f"- {sentence}" for sentence in forgetting_answers(results)]


def _number(value: float | None, digits: int) -> str:
    return _NOT_SHOWN if value is None else f"{value:,.{digits}f}"


def _interval(found: Mapping[str, float], form: str) -> str:
    return f"{found['estimate']:{form}} ({found['low']:{form}} to {found['high']:{form}})"
