"""Labeler `Prompted`: a causal model is asked, and each class name is scored in full as its answer."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from w2s_api.methods.labelers import Prompted
from w2s_api.methods.labelers.prompted import PromptStrategy
from w2s_api.spec.task import Task
from w2s_api.spec.weak import Labeler
from w2s_trainer.contract.context import StageContext
from w2s_trainer.models.causal import CausalModel, load_causal
from w2s_trainer.models.encoder import load_encoder
from w2s_trainer.models.published import softmax
from w2s_trainer.models.tokens import tokenize
from w2s_trainer.stages.features import features_of
from w2s_trainer.stages.label.methods import Published
from w2s_trainer.stages.label.nearest import Neighbours, require_neighbours
from w2s_trainer.stages.label.opinion import Opinion, drawn_budget, place_to_publish
from w2s_trainer.stages.label.prior import matching_shift, shares, uniform
from w2s_trainer.stages.label.prompt import Shot
from w2s_trainer.stages.label.question import Question, answer_scores, provenance
from w2s_trainer.stages.label.saved_answers import SavedAnswers
from w2s_trainer.stages.label.shots import draw_shots, shots_by_seed
from w2s_trainer.stages.label.strategy import Choice, can_choose, choice_of, held_out_losses
from w2s_trainer.stages.pool_sample import pool_sample
from w2s_trainer.stages.tables import EVERY_SEED, Examples, WeakLabels, of_seed, read_gold

POOL_SAMPLE = 256
"""Texts of the pool by which a prior is corrected."""

_ASKED, _NEIGHBOURS = "asked.json", "neighbours.safetensors"


def opinions(
    context: StageContext, labeler: Labeler, examples: Examples, rows: NDArray[np.int64]
) -> dict[int, Opinion]:
    """Asks the model and returns its answers.

    Raises:
        BadSpec: the model cannot be asked so, or the shots leave nothing to calibrate on.
        OwnFault: memory ran out.
    """
    settings: Prompted = labeler.settings
    seeds = range(context.spec.evaluation.seeds) if settings.sees_gold() else []
    gold = np.empty(0, dtype=np.int64)
    if seeds:
        gold = read_gold(context.artifact("examples"), "budget", examples, context.scratch)
    budgets = {seed: drawn_budget(context, examples, gold, seed) for seed in seeds}
    shown = shots_by_seed(context, labeler, settings.shown_labels(), budgets, gold)
    neighbourhood = _neighbourhood(context, labeler, examples, budgets)

    model = load_causal(context.model.directory, context.model.name)
    # The same sample in each shard: the shift must be that of the whole.
    pool = examples.rows("pool")[:0] if settings.prior == "None" else pool_rows(examples)
    asked = np.union1d(rows, pool)
    read = tokenize(model.tokenizer, examples.texts.take(rows), settings.max_tokens)
    read.require_some(context.model.name)
    if caution := read.caution(context.model.name):
        context.progress.note(caution)
    unreadable = len(read.unreadable)
    del read  # its tokens are as large as those of the prompts
    asking = _Asking(
        context, labeler, examples, model, budgets, gold, neighbourhood, np.zeros(len(examples), dtype=bool)
    )
    if settings.strategies:
        answers, choices = _of_chosen(asking, settings, asked, pool, shown)
    else:
        answers, choices = asking.answers(settings.tried()[0], list(seeds), asked), {}

    places, sample = np.searchsorted(asked, rows), np.searchsorted(asked, pool)
    by_seed = {}
    for seed in seeds or [EVERY_SEED]:
        question, scores_of_seed = of_seed(answers, seed)
        labels = gold[budgets[seed]] if seeds else gold
        shift = _shift(settings, scores_of_seed.mean(axis=0)[sample], labels)
        probabilities, order_sensitive = probabilities_of(scores_of_seed[:, places], shift)
        if place := place_to_publish(context, seed):
            _leave(question, shift, neighbourhood.get(seed), choices.get(seed), place)
        by_seed[seed] = Opinion(
            scores_of_seed.mean(axis=0)[places],
            probabilities,
            np.zeros(len(rows), dtype=bool),
            int(asking.cut[rows].sum()),
            unreadable,
            {
                "shift": np.round(shift, 4).tolist(),
                "prompt": provenance(model, question),
                **({"strategy": _told(settings, choices[seed])} if choices else {}),
            },
            shown=shown.get(seed, rows[:0]),
            order_sensitive=order_sensitive,
        )
    return by_seed


def answer(labeler: Labeler, texts: Sequence[str], published: Published) -> WeakLabels:
    """What the model answers to the question of the first seed, with its shots and its correction of the prior."""
    settings: Prompted = labeler.settings
    uri = settings.model.uri
    directory = published.models(uri)
    asked = json.loads((published.directory / _ASKED).read_text(encoding="utf-8"))
    strategy = settings.tried()[asked.get("strategy", 0)]
    shots = tuple(Shot(shot["text"], shot["label"]) for shot in asked["shots"])
    nearest = None
    if strategy.shot_selection == "Nearest":
        neighbours = Neighbours(**load_file(published.directory / _NEIGHBOURS))
        features, _ = load_encoder(directory, uri).features(texts, settings.max_tokens, labeler.batch_tokens)
        nearest = neighbours.nearest(features, strategy.shots)
    model = load_causal(directory, uri)
    cut, _ = model.cut(texts, settings.max_tokens)
    question = Question(
        _task(published.family.task, strategy), settings.orders, shots, nearest, strategy.reasoning_tokens
    )
    (scores,) = answer_scores(model, [question], cut, labeler.batch_tokens, lambda _done, _total: None)
    probabilities, _ = probabilities_of(scores, np.array(asked["shift"]))
    return WeakLabels(probabilities, np.zeros(len(texts), dtype=bool))


def tell(context: StageContext, labeler: Labeler, summary: Mapping[str, Any]) -> int:
    """Notes which strategy each seed took, and how good each was."""
    for seed, choice in summary.get("strategy", {}).items():
        tried, losses = choice["tried"], choice["heldOutLogLoss"]
        figures = (
            f"log loss out of fold on {choice['texts']} texts of the budget: "
            + ", ".join(f"{words} {loss:.3f}" for words, loss in zip(tried, losses, strict=True))
            if losses
            else f"the first, since {choice['texts']} texts of the budget are too few to choose on"
        )
        context.progress.note(f"{labeler.name}: seed {seed} takes {tried[choice['chosen']]}; {figures}")
    return 0


def probabilities_of(
    scores: NDArray[np.float64], shift: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Class probabilities from the scores of several orders.

    Args:
        scores: float64[orders, n, K].
        shift: float64[K], corrects the prior (`matching_shift`).

    Returns:
        softmax(mean over orders + shift), float64[n, K], and bool[n]: the answer, with the same shift, is not
        the same in all orders.
    """
    answers = (scores + shift).argmax(axis=2)
    return softmax(scores.mean(axis=0) + shift), np.asarray((answers != answers[0]).any(axis=0))


def pool_rows(examples: Examples) -> NDArray[np.int64]:
    """The sample of the pool by which a prior is corrected, ascending."""
    return pool_sample(examples, POOL_SAMPLE, "prior")


Answered = dict[int, tuple[Question, NDArray[np.float64]]]
"""By seed, what was asked and the scores of the answers, float64[orders, n, K]; of EVERY_SEED where no draw changes it."""


@dataclass(frozen=True)
class _Asking:
    """A model that is asked in one way or another, about the texts of a job."""

    context: StageContext
    labeler: Labeler
    examples: Examples
    model: CausalModel
    budgets: Mapping[int, NDArray[np.int64]]
    gold: NDArray[np.int64]
    neighbourhood: "Mapping[int, _Neighbourhood]"
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
        task = _task(self.context.spec.task, strategy)
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
class _Neighbourhood:
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


def _neighbourhood(
    context: StageContext,
    labeler: Labeler,
    examples: Examples,
    budgets: Mapping[int, NDArray[np.int64]],
) -> dict[int, _Neighbourhood]:
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
        seed: _Neighbourhood(Neighbours.of(features[budget], mean), features, examples.families, budget)
        for seed, budget in budgets.items()
    }


def _of_chosen(
    asking: _Asking,
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
    asking: _Asking,
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
        shift_of = partial(_shift, settings, scores[np.searchsorted(tried, pool)])
        at = np.searchsorted(tried, unseen)
        losses.append(
            float(held_out_losses(scores[at], gold[unseen], families[unseen], seed, shift_of).mean())
        )
    return choice_of(settings.tried(), losses, len(unseen))


def _shift(settings: Prompted, scores: NDArray[np.float64], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """The correction of the prior, float64[K], by scores of the pool, float64[n, K], and labels of the budget."""
    k = scores.shape[1]
    return matching_shift(scores, shares(labels, k) if settings.prior == "Gold" else uniform(k))


def _task(task: Task, strategy: PromptStrategy) -> Task:
    """The task in the words of a strategy."""
    return task.model_copy(update={"instruction": strategy.instruction}) if strategy.instruction else task


def _told(settings: Prompted, choice: Choice) -> dict[str, Any]:
    return {"tried": [strategy.in_words() for strategy in settings.tried()], **choice.to_json()}


def _leave(
    question: Question,
    shift: NDArray[np.float64],
    neighbourhood: _Neighbourhood | None,
    choice: Choice | None,
    directory: Path,
) -> None:
    """Writes what `answer` needs beside the model: the shots, which are texts of the gold budget, where they are among
    other texts if they are retrieved, the shift, and the strategy if it was chosen."""
    shots = [{"text": shot.text, "label": shot.label} for shot in question.shots]
    asked = {"shots": shots, "shift": shift.tolist(), **({"strategy": choice.place} if choice else {})}
    (directory / _ASKED).write_text(json.dumps(asked, ensure_ascii=False), encoding="utf-8")
    if neighbourhood and question.nearest is not None:
        save_file(vars(neighbourhood.neighbours), directory / _NEIGHBOURS)
