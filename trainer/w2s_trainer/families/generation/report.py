"""What the report says of texts that were written: HTML from the content of results.json. Pure."""

from collections.abc import Mapping
from difflib import SequenceMatcher
from typing import Any

from markupsafe import Markup, escape

from w2s_trainer.families.imitation import imitation_sentence
from w2s_trainer.report.pages import environment
from w2s_trainer.report.parts import ReportParts

_REASONS = {
    "numbers": "numbers that the source has not",
    "names": "names that the source has not",
    "quotations": "quotations that the source has not",
    "loops": "endless repetition",
    "repeated": "repetition",
    "short": "too short",
    "long": "too long",
    "fewAnswers": "too few labelers answered",
    "disagree": "labelers disagreed",
    "emptied": "nothing left after edits",
}
"""Why selection steps drop texts, by what the audit calls it."""


def report_parts(results: Mapping[str, Any]) -> ReportParts:
    """Imitation, the shape of the texts, and texts side by side.

    Args:
        results: the content of results.json.
    """
    templates = environment("w2s_trainer.families.generation")
    evaluation = results["evaluation"]
    pairs = (results["excerpts"] or {"pairs": []})["pairs"]
    sections = templates.get_template("written.html.j2").render(
        evaluation=evaluation,
        imitation=imitation_sentence(results),
        repetition=repetition_sentence(evaluation),
        shown=results["excerpts"] is not None,
        pairs=[
            {
                **pair,
                "weak_marked": marked(pair["weak"], pair["gold"]),
                "candidate_marked": marked(pair["candidate"], pair["gold"]),
            }
            for pair in pairs
        ],
    )
    weak_labels = templates.get_template("weak_texts.html.j2").render(
        aggregation=results["aggregation"],
        steps=[{**step, "why": _reasons(step)} for step in results["selection"]["steps"]],
        edited=[
            (step["figures"]["edited"], [edit for edit in step["figures"]["edits"] if edit["texts"]])
            for step in results["selection"]["steps"]
            if step.get("figures", {}).get("edits")
        ],
        refined=[
            {
                **edit,
                "before": marked(edit["before"], edit["after"]),
                "after": marked(edit["after"], edit["before"]),
            }
            for edit in results["selection"].get("refined", ())
        ],
    )
    return ReportParts((), Markup(sections), Markup(weak_labels))


def repetition_sentence(evaluation: Mapping[str, Any]) -> str | None:
    """Says whether the new model repeats itself more than it did as it came; None where nobody asked it as it came."""
    arms = {arm["arm"]: arm for arm in evaluation["arms"]}
    if "zero-shot" not in arms:
        return None
    new, untuned = arms[evaluation["candidate"]], arms["zero-shot"]
    return (
        f"Of the texts of the new model {new['loops']:.1%} end in a loop and {new['repetition']:.1%} of its runs of four words"
        f" were there before; as it came, before it was tuned, {untuned['loops']:.1%} and {untuned['repetition']:.1%}."
    )


def _reasons(step: Mapping[str, Any]) -> list[str]:
    dropped = step.get("figures", {}).get("dropped", {})
    return [f"{_REASONS[reason]} ({count:,})" for reason, count in dropped.items() if count]


def marked(text: str, gold: str) -> Markup:
    """A text as HTML in which the words that the expert's has not are marked."""
    words, wanted = text.split(), gold.split()
    pieces = []
    for what, start, end, _, _ in SequenceMatcher(None, words, wanted, autojunk=False).get_opcodes():
        piece = " ".join(words[start:end])
        if piece:
            pieces.append(escape(piece) if what == "equal" else Markup("<mark>{}</mark>").format(piece))
    return Markup(" ").join(pieces) if pieces else Markup("<i>nothing</i>")
