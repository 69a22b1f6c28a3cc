"""Gold texts: one, or several that are each as good as the other (references). Pure."""

from w2s_trainer.families.generation.scores import Score

Gold = str | tuple[str, ...]
"""What experts wrote about a text: one text, or several."""


def references(gold: Gold) -> tuple[str, ...]:
    """All texts of experts, at least one."""
    return (gold,) if isinstance(gold, str) else gold


def first(gold: Gold) -> str:
    """The text that is learnt and shown."""
    return references(gold)[0]


def best(score: Score, answer: str, gold: Gold) -> float:
    """The score by the reference that gives the highest.

    So SQuAD takes exact match and F1 (Rajpurkar et al. 2016, section 6.1), ROUGE its scores (Lin 2004, section 2.1), and
    sacreBLEU the chrF of a sentence.
    """
    return max(score(answer, reference) for reference in references(gold))


def nearest(score: Score, answer: str, gold: Gold) -> str:
    """The reference that `best` takes; of a tie the first."""
    return max(references(gold), key=lambda reference: score(answer, reference))
