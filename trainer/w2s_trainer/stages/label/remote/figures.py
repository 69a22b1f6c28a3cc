"""What a summary says of questions that were asked over an API. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from w2s_api.methods.labelers.endpoint import TokenPrices
from w2s_trainer.stages.label.remote.cost import price
from w2s_trainer.stages.label.remote.reading import KINDS
from w2s_trainer.stages.label.remote.record import Records

EXAMPLES = 3
_WORDS = {
    "empty": "an answer without a word",
    "cutOff": "cut off after {characters:,} characters, before there was an answer",
    "refused": "the model or a filter refused",
    "noClass": "no class is named in an answer of {characters:,} characters",
    "severalClasses": "several classes are named in an answer of {characters:,} characters",
    "tooLong": "longer than the model reads",
    "failed": "the endpoint failed at this text each time",
}


def figures_of(records: Records, ids: Sequence[str], prices: TokenPrices | None) -> dict[str, Any]:
    """Counts what came of the questions of one seed; no word of a text or an answer is in it.

    Args:
        records: of m questions.
        ids: of their texts.
        prices: of tokens.
    """
    counts = np.bincount(records.kinds, minlength=len(KINDS))
    unanswered = np.flatnonzero(records.kinds > 0)[:EXAMPLES]
    return {
        "questions": len(records.values),
        "requests": records.requests,
        "tokensIn": records.tokens_in,
        "tokensOut": records.tokens_out,
        "uncounted": records.estimated,
        "fromTokens": records.from_tokens,
        "cost": round(price(records.tokens_in, records.tokens_out, prices), 6) if prices else None,
        "unanswered": {kind: int(count) for kind, count in zip(KINDS[1:], counts[1:], strict=True) if count},
        "examples": [
            {
                "id": ids[place],
                "reason": _WORDS[KINDS[records.kinds[place]]].format(
                    characters=int(records.characters[place])
                ),
            }
            for place in unanswered
        ],
    }


def joined(shards: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The figures of all shards together."""
    unanswered: dict[str, int] = {}
    for shard in shards:
        for kind, count in shard["unanswered"].items():
            unanswered[kind] = unanswered.get(kind, 0) + count
    costs = [shard["cost"] for shard in shards]
    counts = ("questions", "requests", "tokensIn", "tokensOut", "uncounted", "fromTokens")
    return {
        **{name: sum(shard[name] for shard in shards) for name in counts},
        "cost": None if None in costs else round(sum(costs), 6),
        "unanswered": unanswered,
        "examples": [example for shard in shards for example in shard["examples"]][:EXAMPLES],
    }


def total(summary: Mapping[str, Any]) -> dict[str, Any]:
    """The figures of all seeds together."""
    return joined(list(summary["asked"].values()))


def in_words(figures: Mapping[str, Any]) -> str:
    """One line for the log."""
    cost = "" if figures["cost"] is None else f", cost {figures['cost']:.6g}"
    uncounted = f" ({figures['uncounted']:,} questions estimated)" if figures["uncounted"] else ""
    return (
        f"{figures['requests']:,} requests, {figures['tokensIn']:,} tokens in and {figures['tokensOut']:,} out"
        f"{uncounted}{cost}"
    )


def warnings(figures: Mapping[str, Any], share: float = 0.05) -> list[str]:
    """Says what became of the questions without an answer, where they are more than a share of all."""
    lost = sum(figures["unanswered"].values())
    if lost <= share * figures["questions"]:
        return []
    kinds = ", ".join(f"{kind} {count:,}" for kind, count in figures["unanswered"].items())
    advice = " Raise `maxTokensOut`." if figures["unanswered"].get("cutOff", 0) > lost / 2 else ""
    return [f"{lost:,} of {figures['questions']:,} questions got no usable answer ({kinds}).{advice}"]
