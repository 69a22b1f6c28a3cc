"""Aggregation `CrowdLab`: a weighted ensemble of the votes and of a classifier that read the texts. Pure.

Goh, Tkachenko and Mueller 2022, "CROWDLAB: supervised learning to infer consensus labels and quality scores for data with
multiple annotators", arXiv 2210.06812, section 3. The classifier is a head on the frozen strong model that learns the votes
of the pool, without the family of the text that it is asked about.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
from numpy.typing import NDArray

from w2s_api.methods.aggregations import CrowdLab
from w2s_trainer.errors import BadData
from w2s_trainer.models.head import fit, folds_of
from w2s_trainer.stages.aggregate.ballots import votes_of
from w2s_trainer.stages.aggregate.methods import Aggregated, Sources, Texts
from w2s_trainer.stages.tables import WeakLabels

LEAST = 1e-6
"""Of a weight, and of the error of always saying the commonest class: who is worse than that hardly counts."""


@dataclass(frozen=True)
class Ensemble:
    """Weights of S labelers and a classifier on n texts that somebody votes on."""

    votes: NDArray[np.int64]
    """int64[n, S], negative where a labeler abstains; each row has a vote, and some two."""
    said: NDArray[np.float64]
    """float64[n, K], of the classifier, out of sample."""

    @cached_property
    def _given(self) -> NDArray[np.bool_]:
        return self.votes >= 0

    @cached_property
    def _several(self) -> NDArray[np.bool_]:
        """bool[n]: texts with two votes or more."""
        return np.asarray(self._given.sum(axis=1) > 1)

    @cached_property
    def consensus(self) -> NDArray[np.int64]:
        """The class of most votes, int64[n]; of equals the likeliest by the classifier."""
        votes = counts_of(self.votes, self.said.shape[1])
        return np.asarray(np.where(votes == votes.max(axis=1, keepdims=True), self.said, -1.0).argmax(axis=1))

    @cached_property
    def right(self) -> float:
        """P, how often a vote is that of the consensus, over the texts with several."""
        agree = (self.votes == self.consensus[:, None]).sum(axis=1) / self._given.sum(axis=1)
        return float(agree[self._several].mean())

    @cached_property
    def _chance(self) -> float:
        """1 − A of the commonest class."""
        of_several = self.consensus[self._several]
        return max(LEAST, float(1 - np.bincount(of_several).max() / len(of_several)))

    @cached_property
    def labelers(self) -> NDArray[np.float64]:
        """w_j = 1 − (1 − s_j) / (1 − A of the commonest class), float64[S], s_j being how often the others agree with j.

        Who never votes beside another has the mean s of those who do.
        """
        same = np.zeros(self.votes.shape[1])
        asked = np.zeros(self.votes.shape[1])
        for place, column in enumerate(self.votes.T):
            beside = self._given & self._given[:, [place]]
            beside[:, place] = False
            asked[place] = beside.sum()
            same[place] = ((self.votes == column[:, None]) & beside).sum()
        agreement = same / np.maximum(asked, 1)
        agreement[asked == 0] = agreement[asked > 0].mean()
        return np.asarray(np.maximum(1 - (1 - agreement) / self._chance, LEAST))

    @cached_property
    def classifier(self) -> float:
        """w_M = (1 − (1 − A_M) / (1 − A of the commonest class)) √(votes a text), A_M by the consensus."""
        several = self._several
        wrong = float((self.said.argmax(axis=1) != self.consensus)[several].mean())
        return max(1 - wrong / self._chance, LEAST) * float(np.sqrt(self._given.sum(axis=1).mean()))

    def posterior(self, votes: NDArray[np.int64], said: NDArray[np.float64]) -> NDArray[np.float64]:
        """The weighted average of the classifier's probabilities and P or (1 − P) / (K − 1) of each vote, float64[m, K].

        Args:
            votes: int64[m, S], of any texts.
            said: float64[m, K], of the classifier.
        """
        classes = said.shape[1]
        wrong = (1 - self.right) / (classes - 1)
        total = self.classifier * said
        weight = np.full((len(votes), 1), self.classifier)
        for labeler, column in zip(self.labelers, votes.T, strict=True):
            given = column >= 0
            of_vote = np.where(np.arange(classes) == column[given, None], self.right, wrong)
            total[given] += labeler * of_vote
            weight[given] += labeler
        return np.asarray(total / weight)

    def quality(self) -> NDArray[np.float64]:
        """a_j, float64[S]: mean posterior of a labeler's votes, and how often it agrees with the consensus beside others.

        The former weighs as the classifier does, the latter as a text's votes do on average; NaN of one who never votes.
        """
        posterior = self.posterior(self.votes, self.said)
        consensus = posterior.argmax(axis=1)
        of_votes = self.labelers.sum() * self._given.sum(axis=1).mean() / self.votes.shape[1]
        share = self.classifier / (self.classifier + of_votes)
        quality = np.full(self.votes.shape[1], np.nan)
        for place, column in enumerate(self.votes.T):
            given, beside = self._given[:, place], self._given[:, place] & self._several
            if given.any():
                believed = posterior[given, column[given]].mean()
                agreed = (column == consensus)[beside].mean() if beside.any() else believed
                quality[place] = share * believed + (1 - share) * agreed
        return quality


def aggregate(settings: CrowdLab, sources: Sources) -> Aggregated:
    """The ensemble's average where anybody votes; weights and heads are fitted on the pool.

    Raises:
        BadData: no text of the pool has two votes, or those that have votes are one family.
    """
    assert sources.texts is not None
    names, pool = list(sources.labels), sources.pool
    votes = votes_of(list(sources.labels.values()))
    silent = np.asarray((votes < 0).all(axis=1))
    classes = len(sources.classes)
    told = pool[~silent[pool]]
    if not len(told):
        return Aggregated(WeakLabels(np.full((len(votes), classes), 1 / classes), silent))
    if not ((votes[told] >= 0).sum(axis=1) > 1).any():
        raise _nothing_in_common(len(pool), names)
    said = out_of_fold(sources.texts, votes, pool, classes, settings.folds)
    ensemble = Ensemble(votes[told], said[told])
    quality: Mapping[str, float] = dict(zip(names, ensemble.quality().tolist(), strict=True))
    return Aggregated(
        WeakLabels(ensemble.posterior(votes, said), silent),
        {name: value for name, value in quality.items() if np.isfinite(value)},
    )


def out_of_fold(
    texts: Texts, votes: NDArray[np.int64], pool: NDArray[np.int64], classes: int, folds: int
) -> NDArray[np.float64]:
    """Probabilities of heads that learnt the shares of the votes, float64[N, K].

    A text of the pool is judged by a head that saw none of its family; other texts, whose families are not in the pool, by one
    of all.

    Args:
        texts: N of them.
        votes: int64[N, S].
        pool: int64[n], rows.
        classes: K.
        folds: at most.

    Raises:
        BadData: those with votes are one family.
    """
    counts = counts_of(votes, classes)
    told = counts.sum(axis=1) > 0
    in_pool = np.zeros(len(votes), dtype=bool)
    in_pool[pool] = True
    fold = np.full(len(votes), -1)
    fold[pool] = folds_of(texts.families[pool], 0, folds)
    numbers = np.unique(fold[in_pool & told])
    if len(numbers) < 2:
        raise _one_family(int((in_pool & told).sum()))
    features, progress = texts.features(), partial(texts.progress, "fitting heads without each fold")
    said = np.full((len(votes), classes), 1 / classes)
    parts = np.unique(fold)
    for done, number in enumerate(parts):
        progress(done, len(parts))
        taught = in_pool & told & (fold != number)
        targets = counts[taught] / counts[taught].sum(axis=1, keepdims=True)
        head = fit(features[taught], targets, np.ones(len(targets)), texts.l2)
        said[fold == number] = head.probabilities(features[fold == number])
    progress(len(parts), len(parts))
    return said


def counts_of(votes: NDArray[np.int64], classes: int) -> NDArray[np.float64]:
    """Votes for each class, float64[n, K], of int64[n, S]."""
    return np.stack([(votes == number).sum(axis=1) for number in range(classes)], axis=1).astype(np.float64)


def _nothing_in_common(texts: int, names: list[str]) -> BadData:
    return BadData(
        "NoTextWithTwoVotes",
        f"Of {texts:,} unlabelled texts none has votes of two of {', '.join(names)}: how well they agree cannot be known.",
        "Let labelers vote on the same texts, or write `aggregation: {type: WeightedAverage}`.",
    )


def _one_family(texts: int) -> BadData:
    return BadData(
        "OneFamily",
        f"All {texts:,} unlabelled texts that have a vote fall into one fold of families, so that none can be held out.",
        "Look at `data.fields.group` and `data.nearDuplicates`: they join texts to families. Or write another aggregation.",
    )
