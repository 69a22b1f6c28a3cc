"""What the report says of texts that were written: HTML from the content of results.json. Pure."""

from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any

from markupsafe import Markup, escape

from w2s_trainer.families.generation.references import nearest
from w2s_trainer.families.generation.scores import token_f1
from w2s_trainer.families.imitation import imitation_sentence
from w2s_trainer.report.pages import environment
from w2s_trainer.report.parts import ReportParts

RATES = {
    "cutOff": "cut off",
    "empty": "empty",
    "repetition": "runs of four words said again",
    "loops": "end in a loop",
}
"""What is told of each arm's texts as a share, and how a reader calls it."""
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
    "unlikely": "unlikely in the eyes of a model",
    "likely": "what a model would have said anyway",
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
        rate_words=list(RATES.values()),
        rates=rates(evaluation),
        judge=evaluation.get("judge"),
        judge_sentences=judge_sentences(evaluation),
        passages=passages_table(results),
        passage_sentences=passage_sentences(results),
        shown=results["excerpts"] is not None,
        pairs=[
            {
                **pair,
                "also": pair.get("alsoGold", ()),
                "weak_marked": _marked(pair, "weak"),
                "candidate_marked": _marked(pair, "candidate"),
            }
            for pair in pairs
        ],
    )
    weak_labels = templates.get_template("weak_texts.html.j2").render(
        written=written_by_labelers(results.get("labelers", ())),
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


def rates(evaluation: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Of each arm {arm, length, shares: (share, how much more than as it came) for each of RATES}, in words."""
    untuned: Mapping[str, Any] = next((arm for arm in evaluation["arms"] if arm["arm"] == "zero-shot"), {})
    found = []
    for arm in evaluation["arms"]:
        shares = []
        for name in RATES:
            share, of_untuned = arm.get(name), untuned.get(name)
            more = ""
            if arm is not untuned and share is not None and of_untuned is not None:
                more = f"{100 * (share - of_untuned):+.1f}".replace("-", "−")
            shares.append(("–" if share is None else f"{share:.1%}", more))
        found.append({"arm": arm["arm"], "length": arm["lengthRatio"], "shares": shares})
    return found


def written_by_labelers(labelers: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """{name, texts, cutOff, empty, unparsed}, counts of all seeds and samples, of each labeler whose model writes."""
    return [
        {
            "name": labeler["labeler"],
            **{
                count: sum(of_seed.get(count, 0) for of_seed in labeler["written"].values())
                for count in ("texts", "cutOff", "empty", "unparsed")
            },
        }
        for labeler in labelers
        if labeler.get("written")
    ]


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


def passages_table(results: Mapping[str, Any]) -> list[tuple[str, list[str]]]:
    """Of each arm its name and what it writes with passages, in words; empty where prompts hold none."""
    names = ("retrieved", "found", "oracleAlone", "verbatim", "verbatimAlone", "quoting")
    return [
        (
            arm["arm"],
            [
                *("–" if arm[name] is None else f"{arm[name]:.3f}" for name in names[:3]),
                *("–" if arm[name] is None else f"{arm[name]:.1%}" for name in names[3:]),
            ],
        )
        for arm in results["evaluation"].get("passages", {}).get("arms", ())
    ]


def passage_sentences(results: Mapping[str, Any]) -> list[str]:
    """Says how often the passage in which an answer stands was retrieved, and of which prompts it was kept away."""
    made = results.get("passages")
    if not made:
        return []
    test, count = made["test"], made["count"]
    sentence = f"{made['passages']:,} passages, {count:,} in a prompt, by the features of {made['model']}."
    if shares := test["recall"]:
        told = " and ".join(f"{share:.1%} at {k}" for k, share in shares.items())
        sentence += f" Of {test['oracleKnown']:,} test rows that come with theirs it was retrieved for {told} (recall)."
    if test["oracleUnknown"]:
        sentence += f" Of {test['oracleUnknown']:,} test rows nobody knows it."
    sentences = [sentence]
    for part in ("pool", "budget"):
        counts = made[part]
        told = f"Of the {part}, {counts['withOracle']:,} prompts hold it and {counts['distractorsAlone']:,} do not"
        if counts["oracleUnknown"]:
            told += f", of {counts['oracleUnknown']:,} nobody knows it"
        if counts["oracleOfTest"]:
            told += f", and {counts['oracleOfTest']:,} were kept from it, for it is one of a test row"
        sentences.append(told + ".")
    return sentences


def judge_sentences(evaluation: Mapping[str, Any]) -> list[str]:
    """Says of each pair whether the judge knows what experts prefer, and whether it prefers a place."""
    sentences = []
    for pair in evaluation.get("judge", {}).get("pairs", []):
        place = pair["position"]
        sentence = (
            f"{pair['arm']} against {pair['baseline']}: {_agreement(pair['gold'])} It preferred the text shown first, whichever"
            f" it was, in {place['first']:.0%} of what it was asked, and the second in {place['second']:.0%}."
        )
        if pair["otherAnswers"]:
            sentence += f" On {pair['otherAnswers']:,} texts it would rather have said something else: ties."
        sentences.append(sentence)
    return sentences


def _agreement(gold: Mapping[str, Any]) -> str:
    share = gold["agreement"]
    if share is None:
        return "it decided on no text on which one of the two is nearer to the expert's: what it is worth is not known."
    agrees = (
        f"of {gold['differ']:,} texts on which one of the two is nearer to the expert's it decided on {gold['decided']:,}, and"
        f" preferred the nearer one in {share['estimate']:.0%} [{share['low']:.0%} to {share['high']:.0%}] of these; a coin"
        " does in 50 %."
    )
    if not gold["isEvidence"]:
        agrees += " So this judge is not known to prefer what experts write, and its verdict is no evidence."
    return agrees


def _reasons(step: Mapping[str, Any]) -> list[str]:
    dropped = step.get("figures", {}).get("dropped", {})
    return [f"{_REASONS[reason]} ({count:,})" for reason, count in dropped.items() if count]


def _marked(pair: Mapping[str, Any], by: str) -> Markup:
    """What somebody wrote, beside the gold text that is nearest to it."""
    gold = (pair["gold"], *pair.get("alsoGold", ()))
    return marked(pair[by], nearest(token_f1, pair[by], gold))


def marked(text: str, gold: str) -> Markup:
    """A text as HTML in which the words that the expert's has not are marked."""
    words, wanted = text.split(), gold.split()
    pieces = []
    for what, start, end, _, _ in SequenceMatcher(None, words, wanted, autojunk=False).get_opcodes():
        piece = " ".join(words[start:end])
        if piece:
            pieces.append(escape(piece) if what == "equal" else Markup("<mark>{}</mark>").format(piece))
    return Markup(" ").join(pieces) if pieces else Markup("<i>nothing</i>")
