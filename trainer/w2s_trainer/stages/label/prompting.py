"""A causal model that is asked about the texts of a job: what each seed shows it, and which of several ways each takes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from w2s_api.methods.labelers import Prompted
from w2s_api.methods.labelers.prompted import PromptStrategy
from w2s_api.spec.task import Task
from w2s_api.spec.weak import Labeler
from w2s_trainer.contract.context import StageContext
from w2s_trainer.models.causal import CausalModel
from w2s_trainer.stages.features import features_of
from w2s_trainer.stages.label.nearest import Neighbours, require_neighbours
from w2s_trainer.stages.label.prior import matching_shift, shares, uniform
from w2s_trainer.stages.label.prompt import Shot
from w2s_trainer.stages.label.question import Question, answer_scores
from w2s_trainer.stages.label.saved_answers import SavedAnswers
from w2s_trainer.stages.label.shots import draw_shots
from w2s_trainer.stages.label.strategy import Choice, can_choose, choice_of, held_out_losses
from w2s_trainer.stages.tables import EVERY_SEED, Examples, of_seed

Answered = dict[int, tuple[Question, NDArray[np.float64]]]
"""By seed, what was asked and the scores of the answers, float64[orders, n, K]; of EVERY_SEED where no draw changes it."""


@dataclass(frozen=True)
class Prompting:
    """A model that is asked in one way or another, about the texts of a job."""

    context: StageContext
    labeler: Labeler
    examples: Examples
    model: CausalModel
    budgets: Mapping[int, NDArray[np.int64]]
    gold: NDArray[np.int64]
    neighbourhood: Mapping[int, "Neighbourhood"]
    cut: NDArray[np.bool_]
    """bool[N]: the texts that were cut, of those that were asked about so far."""

    def answers(
        self,
        strategy: PromptStrategy,
        seeds: Sequence[int],
        rows: NDArray[np.int64],
        *,
        name: str = "",
        phase: str = "asking the model",
    ) -> Answered:
        """Asks about some rows, int64[n] ascending, for some seeds; `name` tells several askings apart."""
        settings: Prompted = self.labeler.settings
        texts, self.cut[rows] = self.model.cut(self.examples.texts.take(rows), settings.max_tokens)
        questions = self._questions(strategy, seeds, rows)
        scores = answer_scores(
            self.model,
            list(questions.values()),
            texts,
            self.labeler.batch_tokens,
            partial(self.context.progress, phase),
            names=[f"{name}every-seed" if seed == EVERY_SEED else f"{name}seed-{seed}" for seed in questions],
            collect=SavedAnswers(self.context, rows, {"device": self.model.device}),
        )
        return dict(zip(questions, zip(questions.values(), scores, strict=True), strict=True))

    def _questions(
        self, strategy: PromptStrategy, seeds: Sequence[int], rows: NDArray[np.int64]
    ) -> dict[int, Question]:
        """What is asked for each seed; the same for every seed without shots."""
        settings: Prompted = self.labeler.settings
        task = task_of(self.context.spec.task, strategy)
        if not strategy.shots:
            return {EVERY_SEED: Question(task, settings.orders, reasoning_tokens=strategy.reasoning_tokens)}
        questions = {}
        for seed in seeds:
            shown, nearest = self.budgets[seed], None
            if strategy.shot_selection == "Nearest":
                nearest = self.neighbourhood[seed].nearest(rows, strategy.shots)
            else:
                shown = draw_shots(shown, self.gold, strategy.shots, seed)
            texts, _ = self.model.cut(self.examples.texts.take(shown), settings.max_tokens)
            shots = tuple(Shot(text, int(self.gold[row])) for text, row in zip(texts, shown, strict=True))
            questions[seed] = Question(task, settings.orders, shots, nearest)
        return questions


@dataclass(frozen=True)
class Neighbourhood:
    """The texts of a seed's budget among all texts."""

    neighbours: Neighbours
    features: NDArray[np.float32]
    """float32[N, d], of all examples."""
    families: NDArray[np.int64]
    """int64[N]."""
    budget: NDArray[np.int64]

    def nearest(self, rows: NDArray[np.int64], n: int) -> NDArray[np.int64]:
        """Places in the budget of the texts nearest to some rows and of no family of theirs, int64[q, n]."""
        return self.neighbours.nearest(
            self.features[rows], n, self.families[rows], self.families[self.budget]
        )


def neighbourhoods(
    context: StageContext,
    labeler: Labeler,
    examples: Examples,
    budgets: Mapping[int, NDArray[np.int64]],
) -> dict[int, Neighbourhood]:
    """By seed, what the nearest shots are found by: features by the model that is asked, of all texts, which every
    shard, seed and edit shares. None where no strategy retrieves."""
    settings: Prompted = labeler.settings
    most = max(strategy.shots - strategy.drawn_shots for strategy in settings.tried())
    if not most:
        return {}
    for seed, budget in budgets.items():
        require_neighbours(examples.families[budget], most, seed)
    features = features_of(context, settings.max_tokens, labeler.batch_tokens).matrix
    mean = features[examples.rows("pool")].mean(axis=0, dtype=np.float64)
    return {
        seed: Neighbourhood(Neighbours.of(features[budget], mean), features, examples.families, budget)
        for seed, budget in budgets.items()
    }


def by_chosen_strategy(
    asking: Prompting,
    settings: Prompted,
    asked: NDArray[np.int64],
    pool: NDArray[np.int64],
    shown: Mapping[int, NDArray[np.int64]],
) -> tuple[Answered, dict[int, Choice]]:
    """Asks about the budgets in every way, and about the rest in the way that each seed takes.

    Args:
        asking: asks.
        settings: several strategies.
        asked: rows that answers are wanted of, int64[n] ascending.
        pool: rows by which a prior is corrected.
        shown: by seed, rows whose labels some strategy is shown in every prompt.
    """
    tried = np.union1d(pool, np.concatenate(list(asking.budgets.values())))
    trials = [
        asking.answers(
            strategy, list(asking.budgets), tried, name=f"trial-{place}-", phase="trying strategies"
        )
        for place, strategy in enumerate(settings.tried())
    ]
    choices = {
        seed: _chosen(asking, settings, seed, trials, tried, pool, shown.get(seed, pool[:0]))
        for seed in asking.budgets
    }
    rest = np.setdiff1d(asked, tried)
    both = np.concatenate([tried, rest])
    order = np.argsort(both)
    places = order[np.searchsorted(both, asked, sorter=order)]
    answers: Answered = {}
    for place in sorted({choice.place for choice in choices.values()}):
        seeds = [seed for seed, choice in choices.items() if choice.place == place]
        others = asking.answers(settings.tried()[place], seeds, rest, name=f"strategy-{place}-")
        for seed in seeds:
            (question, scores), (_, first) = of_seed(others, seed), of_seed(trials[place], seed)
            answers[seed] = question, np.concatenate([first, scores], axis=1)[:, places]
    return answers, choices


def _chosen(
    asking: Prompting,
    settings: Prompted,
    seed: int,
    trials: Sequence[Answered],
    tried: NDArray[np.int64],
    pool: NDArray[np.int64],
    shown: NDArray[np.int64],
) -> Choice:
    """A seed's strategy, by the texts of its budget that are of no family of which a label is in every prompt."""
    families, gold = asking.examples.families, asking.gold
    budget = np.sort(asking.budgets[seed])
    unseen = budget[~np.isin(families[budget], families[shown])]
    if not can_choose(families[unseen]):
        return Choice(0, len(unseen), ())
    losses = []
    for trial in trials:
        scores = of_seed(trial, seed)[1].mean(axis=0)
        shift_of = partial(prior_shift, settings, scores[np.searchsorted(tried, pool)])
        at = np.searchsorted(tried, unseen)
        losses.append(
            float(held_out_losses(scores[at], gold[unseen], families[unseen], seed, shift_of).mean())
        )
    return choice_of(settings.tried(), losses, len(unseen))


def prior_shift(
    settings: Prompted, scores: NDArray[np.float64], labels: NDArray[np.int64]
) -> NDArray[np.float64]:
    """The correction of the prior, float64[K], by scores of the pool, float64[n, K], and labels of the budget."""
    k = scores.shape[1]
    return matching_shift(scores, shares(labels, k) if settings.prior == "Gold" else uniform(k))


def task_of(task: Task, strategy: PromptStrategy) -> Task:
    """The task in the words of a strategy."""
    return task.model_copy(update={"instruction": strategy.instruction}) if strategy.instruction else task
