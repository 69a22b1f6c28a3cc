"""Which of several texts is taken: a conditional logit with few, shrunk weights (docs/protocol.md, The choice). Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from w2s_trainer.data.normal_form import normalised
from w2s_trainer.families.generation.references import Gold, best
from w2s_trainer.families.generation.scores import Score

MOST = 4.0
"""Largest weight of how sure a source is; the smallest is 0."""
FLOOR = 0.01
"""Probabilities of texts are clipped to [.01, .99]: a source that is certain proves no more than one in a hundred."""
TEACHER_TRUST = 1.0
"""What the word of a source that tells no probability counts before any gold label is seen: as much as one of .73."""
_SCALE_SHRINKAGE, _TRUST_SHRINKAGE = 30.0, 10.0
"""λₐ of ½ λₐ Σ (a − 1)² and λ_b of ½ λ_b Σ (b − b⁰)², in units of one text's log loss."""


@dataclass(frozen=True)
class Written:
    """What a source wrote about n texts."""

    texts: NDArray[np.object_]
    """str[n]; an empty text is none."""
    probability: NDArray[np.float64] | None = None
    """float64[n], of each text by the source itself; None where it tells none."""
    cut_off: NDArray[np.bool_] | None = None
    """bool[n]: the text was longer than it may be; None where that is not known, or cannot be."""

    @property
    def log_odds(self) -> NDArray[np.float64]:
        """float64[n]: of the clipped probabilities; 0 where there are none."""
        if self.probability is None:
            return np.zeros(len(self.texts))
        clipped = np.clip(self.probability, FLOOR, 1 - FLOOR)
        return np.asarray(np.log(clipped) - np.log1p(-clipped))

    def at(self, places: NDArray[np.int64] | NDArray[np.bool_]) -> "Written":
        """Some of them."""
        return Written(
            self.texts[places],
            None if self.probability is None else self.probability[places],
            None if self.cut_off is None else self.cut_off[places],
        )


@dataclass(frozen=True)
class Taken:
    """The texts that were chosen."""

    texts: NDArray[np.object_]
    """str[n], empty where no source wrote one."""
    probability: NDArray[np.float64]
    """float64[n], that each is right; 0 for none."""
    cut_off: NDArray[np.bool_]
    """bool[n]: whoever wrote it was cut off there."""


Sources = Mapping[str, Written]
"""By name what each wrote about the same n texts, in the order in which ties are broken."""


@dataclass(frozen=True)
class Weights:
    """What the word of each source counts: b + a · log-odds."""

    scale: Mapping[str, float]
    """a, 0 … 4."""
    trust: Mapping[str, float]
    """b."""

    def to_json(self) -> dict[str, Any]:
        """As JSON, for `of_json`."""
        return {"scale": dict(self.scale), "trust": dict(self.trust)}

    def of(self, sources: "Sources") -> "Weights":
        """Those of some sources."""
        return Weights(
            {name: self.scale[name] for name in sources}, {name: self.trust[name] for name in sources}
        )

    @classmethod
    def of_json(cls, plain: Mapping[str, Any]) -> "Weights":
        """Those that `to_json` wrote."""
        return cls(dict(plain["scale"]), dict(plain["trust"]))


def unfitted(sources: Sources) -> Weights:
    """Weights where no gold label says otherwise."""
    return Weights(
        dict.fromkeys(sources, 1.0),
        {name: TEACHER_TRUST if said.probability is None else 0.0 for name, said in sources.items()},
    )


def fit(sources: Sources, gold: Sequence[Gold], score: Score) -> Weights:
    """Finds the weights of smallest penalised log loss on gold texts.

    A text that sources wrote is worth z(c) = Σₛ (bₛ + aₛ vₛ) over those that wrote it, v being log-odds, and is right with
    probability exp z(c) / (1 + Σ exp z), where the 1 stands for all of them being wrong (conditional logit, McFadden
    1974). Minimises Σᵢ −Σ_c yᵢ(c) ln P(c) + ½ λₐ Σ (a − 1)² + ½ λ_b Σ (b − b⁰)², 0 ≤ a ≤ 4: the fewer the gold
    texts, the nearer the weights stay to `unfitted`.

    Args:
        sources: what each wrote about the n gold texts, none of which it was trained on.
        gold: n texts by experts, or several of each.
        score: how good a text is, 0 … 1: the best of a row shares so much among its like, the rest is for none.
    """
    from scipy.optimize import minimize

    start = unfitted(sources)
    names = tuple(sources)
    rows = [row for row in _rows(sources) if row.forms]
    if not rows:
        return start
    truths = [_truth(row, gold[row.number], score) for row in rows]
    begin = np.array([start.trust[name] for name in names])

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        scale, trust = parameters[: len(names)], parameters[len(names) :]
        value = 0.5 * (
            _SCALE_SHRINKAGE * ((scale - 1) ** 2).sum() + _TRUST_SHRINKAGE * ((trust - begin) ** 2).sum()
        )
        of_scale = _SCALE_SHRINKAGE * (scale - 1)
        of_trust = _TRUST_SHRINKAGE * (trust - begin)
        for row, truth in zip(rows, truths, strict=True):
            log_p = _log_softmax(np.append(row.worth(scale, trust), 0.0))
            value -= float(truth @ log_p)
            residual = (np.exp(log_p) - truth)[:-1]
            of_scale = of_scale + residual @ (row.wrote * row.log_odds)
            of_trust = of_trust + residual @ row.wrote
        return float(value), np.concatenate([of_scale, of_trust])

    found = minimize(
        loss,
        np.concatenate([np.ones(len(names)), begin]),
        jac=True,
        method="L-BFGS-B",
        bounds=[(0.0, MOST)] * len(names) + [(None, None)] * len(names),
        options={"maxiter": 500, "gtol": 1e-8},
    ).x
    return Weights(
        {name: float(value) for name, value in zip(names, found[: len(names)], strict=True)},
        {name: float(value) for name, value in zip(names, found[len(names) :], strict=True)},
    )


def choose(sources: Sources, weights: Weights) -> Taken:
    """The text that is worth most of each row.

    Args:
        sources: what each wrote about n texts; a text is spelled as the first that wrote it spells it.
        weights: of just these sources.

    Raises:
        ValueError: the weights are of other sources.
    """
    if set(sources) != set(weights.scale):
        raise ValueError(
            f"The weights are of {', '.join(sorted(weights.scale))}, the sources are {', '.join(sorted(sources))}."
        )
    names = tuple(sources)
    scale = np.array([weights.scale[name] for name in names])
    trust = np.array([weights.trust[name] for name in names])
    count = len(next(iter(sources.values())).texts)
    texts = np.empty(count, dtype=object)
    texts[:] = ""
    probability, cut_off = np.zeros(count), np.zeros(count, dtype=bool)
    cuts = [said.cut_off for said in sources.values()]
    for row in _rows(sources):
        if row.forms:
            p = np.exp(_log_softmax(np.append(row.worth(scale, trust), 0.0)))
            taken = int(p[:-1].argmax())
            texts[row.number], probability[row.number] = row.spellings[taken], p[taken]
            writer = int(row.wrote[taken].argmax())
            cut = cuts[writer]
            cut_off[row.number] = cut is not None and cut[row.number]
    return Taken(texts, probability, cut_off)


@dataclass(frozen=True)
class _Row:
    """The different texts that S sources wrote about one text: C of them."""

    number: int
    forms: Sequence[str]
    spellings: Sequence[str]
    wrote: NDArray[np.float64]
    """float64[C, S], 1 where a source wrote the text."""
    log_odds: NDArray[np.float64]
    """float64[S]."""

    def worth(self, scale: NDArray[np.float64], trust: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(self.wrote @ (trust + scale * self.log_odds))


def _rows(sources: Sources) -> list[_Row]:
    log_odds = np.stack([said.log_odds for said in sources.values()], axis=1)
    rows = []
    for number, texts in enumerate(zip(*(said.texts for said in sources.values()), strict=True)):
        forms = [normalised(text) for text in texts]
        kept = [form for form in dict.fromkeys(forms) if form]
        wrote = np.array([[float(form == mine) for form in forms] for mine in kept]).reshape(
            len(kept), len(forms)
        )
        rows.append(_Row(number, kept, [texts[forms.index(form)] for form in kept], wrote, log_odds[number]))
    return rows


def _truth(row: _Row, gold: Gold, score: Score) -> NDArray[np.float64]:
    """float64[C + 1]: how much of the truth each text has, and what none of them has."""
    scores = np.array([best(score, text, gold) for text in row.spellings])
    highest = scores.max()
    share = np.where(scores == highest, highest / (scores == highest).sum(), 0.0)
    return np.append(share, 1 - highest)


def _log_softmax(values: NDArray[np.float64]) -> NDArray[np.float64]:
    shifted = values - values.max()
    return np.asarray(shifted - np.log(np.exp(shifted).sum()))
