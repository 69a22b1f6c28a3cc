"""Aggregation `DawidSkene`: a confusion matrix for each labeler, by expectation-maximisation. Pure.

Dawid and Skene 1979, "Maximum likelihood estimation of observer error-rates using the EM algorithm", Applied Statistics
28(1), equations 2.3 to 2.5. Labelers err independently of one another, given the class.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from w2s_api.methods.aggregations import DawidSkene
from w2s_trainer.stages.aggregate.ballots import by_votes, votes_of
from w2s_trainer.stages.aggregate.methods import Aggregated, Sources

TOLERANCE = 1e-5
"""The largest change of a probability from one round to the next at which the estimate has settled."""
ROUNDS = 10_000
LEAST = 1e-10
"""Rates are at least this, so that one vote which no other text bears out leaves a class possible."""


@dataclass(frozen=True)
class Rates:
    """What the labelers are estimated to do."""

    shares: NDArray[np.float64]
    """float64[K], how frequent the classes are."""
    confusion: NDArray[np.float64]
    """float64[S, K, L]: of the texts of a class, how often a labeler gives each of L answers."""
    rounds: int = 0
    """Of expectation-maximisation."""

    @cached_property
    def _logs(self) -> NDArray[np.float64]:
        return np.log(np.maximum(self.confusion, LEAST))

    def posterior(self, answers: NDArray[np.int64]) -> NDArray[np.float64]:
        """The probability of each class, float64[n, K], in the light of answers int64[n, S]; negative ones are missing."""
        logs = np.tile(np.log(np.maximum(self.shares, LEAST)), (len(answers), 1))
        for labeler, of_labeler in enumerate(self._logs):
            given = answers[:, labeler] >= 0
            logs[given] += of_labeler[:, answers[given, labeler]].T
        odds = np.exp(logs - logs.max(axis=1, keepdims=True))
        return np.asarray(odds / odds.sum(axis=1, keepdims=True))


def aggregate(settings: DawidSkene, sources: Sources) -> Aggregated:
    """The posterior of each text; rates are estimated on the pool, where anybody votes if abstentions are missing."""
    labels = list(sources.labels.values())
    classes = labels[0].targets.shape[1]
    votes = votes_of(labels)
    as_answers = settings.abstentions == "Answers"
    answers = np.where(votes < 0, classes, votes) if as_answers else votes
    told = sources.pool[(answers[sources.pool] >= 0).any(axis=1)]
    rates = estimate(answers[told], votes[told], classes, classes + as_answers)
    aggregated = by_votes(votes, rates.posterior(answers), sources.pool, list(sources.labels))
    return Aggregated(
        aggregated.labels,
        aggregated.accuracies,
        () if as_answers else _mute(votes[told], list(sources.labels)),
    )


def estimate(answers: NDArray[np.int64], votes: NDArray[np.int64], classes: int, kinds: int) -> Rates:
    """Maximises the likelihood from the vote shares on. There is no chance in it.

    Args:
        answers: int64[n, S], below `kinds`; negative ones are missing.
        votes: int64[n, S], the class of each answer, or negative: what the beginning is made of.
        classes: K.
        kinds: L different answers.
    """
    posterior = np.stack([(votes == number).sum(axis=1) for number in range(classes)], axis=1).astype(
        np.float64
    )
    posterior = (posterior + LEAST) / (posterior + LEAST).sum(axis=1, keepdims=True)
    for rounds in range(1, ROUNDS + 1):
        rates = rates_of(answers, posterior, kinds, rounds)
        before, posterior = posterior, rates.posterior(answers)
        if not len(posterior) or np.abs(posterior - before).max() < TOLERANCE:
            break
    return rates


def rates_of(
    answers: NDArray[np.int64], posterior: NDArray[np.float64], kinds: int, rounds: int = 0
) -> Rates:
    """The rates that are likeliest for answers int64[n, S] where classes have a probability float64[n, K]."""
    counts = np.stack(
        [
            np.stack([posterior[column == kind].sum(axis=0) for kind in range(kinds)], axis=1)
            for column in answers.T
        ]
    )
    totals = counts.sum(axis=2, keepdims=True)
    confusion = np.where(totals > 0, counts / np.where(totals > 0, totals, 1), 1 / kinds)
    shares = posterior.mean(axis=0) if len(posterior) else np.full(posterior.shape[1], 1 / posterior.shape[1])
    return Rates(shares, confusion, rounds)


def _mute(votes: NDArray[np.int64], names: list[str]) -> tuple[str, ...]:
    """Labelers whose votes are all for one class: where abstentions are missing, these votes say nothing."""
    mute = [
        name for name, column in zip(names, votes.T, strict=True) if len(np.unique(column[column >= 0])) == 1
    ]
    if not mute:
        return ()
    return (
        f"{', '.join(mute)} {'votes' if len(mute) == 1 else 'vote'} for one class only. With `abstentions: Missing` such"
        " votes change nothing: write `abstentions: Answers`, or `aggregation: {type: LabelModel}`",
    )
