"""What every kind of task must say of itself, so that the stages need not know it.

Labels, targets and answers are arrays with one entry a text in their first axis. What an entry is, only the family
knows: a distribution over classes, a number, a text. Families of texts (near-duplicates and groups), splits, seeds, the
bootstrap, the gate, worth, the store and the planner are the same for all.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from w2s_api.metrics import METRICS
from w2s_api.spec.task import Task
from w2s_trainer.families.gold_test import ArmAnswers, GoldTest
from w2s_trainer.models.tokens import Tokens, tokenize
from w2s_trainer.report.parts import ReportParts
from w2s_trainer.tuning.training_set import TrainingSet

if TYPE_CHECKING:
    from w2s_api.methods.labelers import Functions
    from w2s_api.methods.losses import LossSettings
    from w2s_api.spec.job import Spec
    from w2s_api.spec.strong import Strong
    from w2s_trainer.models.likelihood import Answered
    from w2s_trainer.tuning.collapse import Alarm
    from w2s_trainer.tuning.objective import Objective, Validation
    from w2s_trainer.tuning.tunable import TunableModel

NO_GOLD = -1
"""The number of a row without a gold label."""


@dataclass(frozen=True)
class FittedHead:
    """A head on the features of a frozen model."""

    answers: Callable[[NDArray[np.floating]], NDArray[Any]]
    """Its answers [m, …] to features float[m, d] as the model gives them."""
    arrays: Mapping[str, NDArray[Any]]
    """What it takes to have it again, by name."""


@dataclass(frozen=True)
class Answers:
    """What a model answers to n texts."""

    values: NDArray[Any]
    """[n, …]."""
    probability: NDArray[np.float64] | None = None
    """float64[n], of each answer by the model itself, where the answer does not tell it."""
    truncated: int = 0
    """Texts that were cut."""
    unreadable: int = 0
    """Texts that reach the model empty or without one known token."""
    cut_off: NDArray[np.bool_] | None = None
    """bool[n]: the answer was longer than it may be; None of answers that have no length."""
    prompt: Mapping[str, Any] | None = None
    """How the model was asked, to tell another run from it, without any text of the data; None where it was not asked."""


@dataclass(frozen=True)
class ModelCard:
    """What a model card says of the kind of task."""

    title: str
    about: Sequence[str] = ()
    """Lines of Markdown: what the answers mean."""
    limits: Sequence[str] = ()
    """What it cannot do, a line each."""
    pipeline_tag: str | None = None
    """What model hubs call the kind of task."""
    loading: Sequence[str] = ()
    """How other programs load it, lines of Markdown."""


@dataclass(frozen=True)
class Tradeoff:
    """What a candidate does worse than its teacher, and what better."""

    text: str
    """A sentence or two with the figures of both."""
    loss: str | None = None
    """What clearly got worse of that which the task is about, as the end of a sentence; None if nothing did."""

    def to_json(self) -> dict[str, str | None]:
        """The `evaluation.tradeoff` part of results.json."""
        return {"text": self.text, "loss": self.loss}


class Opinion(Protocol):
    """What a labeler says of n texts."""

    @property
    def scores(self) -> NDArray[Any]:
        """As they came."""

    @property
    def targets(self) -> NDArray[Any]:
        """The weak labels [n, …]."""

    @property
    def probability(self) -> NDArray[np.float64] | None:
        """float64[n], of each by the labeler itself, where the label does not tell it."""

    @property
    def columns(self) -> Mapping[str, NDArray[Any]]:
        """What else is kept, [n] each, by column."""


class Predictor(Protocol):
    """A published model."""

    def answer(self, texts: Sequence[str], batch_tokens: int) -> tuple[list[dict[str, Any]], Tokens]:
        """What it says of each text, as JSON, and what it read."""


class TaskFamily(ABC):
    """One kind of task, bound to one task. What is not abstract has a meaning for most kinds."""

    label_column: ClassVar[str]
    """The column in which weak labels and answers are kept."""
    is_right_or_wrong: ClassVar[bool] = False
    """Whether an answer is right or wrong and nothing between: then what gain a test can prove is known beforehand."""
    is_joined_by_choice: ClassVar[bool] = False
    """Whether of the answers of several sources one is taken; else they are added up."""
    is_known_by_config: ClassVar[bool] = False
    """Whether published models of this kind are told from others by their own config."""

    def __init__(self, task: Task) -> None:
        self.task = task

    @classmethod
    def of(cls, spec: "Spec") -> Self:
        """That of a spec's task."""
        return cls(spec.task)

    # Gold labels: how they are read, numbered while rows are divided, and stored.

    def check(self) -> None:
        """Raises BadSpec if the task cannot be what is meant."""

    @abstractmethod
    def number(self, label: str) -> int:
        """The number of a label in its one form (`canonical_text`), NO_GOLD if it is none; equal labels have one."""

    def numbers(
        self, labels: Sequence[str], places: Sequence[tuple[str, int]], uri: str
    ) -> NDArray[np.int64]:
        """Returns the numbers int64[n] of gold labels, each of which must be a label of the task.

        Args:
            labels: in their one form.
            places: (file, row) of each.
            uri: the source, for the message.

        Raises:
            BadData: one is no label of this task.
        """
        numbers = np.array([self.number(label) for label in labels], dtype=np.int64)
        if outside := np.flatnonzero(numbers == NO_GOLD).tolist():
            raise self.no_label([labels[row] for row in outside], [places[row] for row in outside], uri)
        return numbers

    @abstractmethod
    def no_label(self, labels: Sequence[str], places: Sequence[tuple[str, int]], uri: str) -> Exception:
        """The error for what stands in the label field and is no label; arguments as for `numbers`."""

    def check_gold(self, numbers: NDArray[np.int64], uri: str) -> None:
        """Raises BadData if the gold labels int64[n] of a source are not enough to measure by."""

    @abstractmethod
    def stored_gold(self, numbers: NDArray[np.int64]) -> NDArray[Any]:
        """Gold labels [n] as they are stored."""

    @property
    def strata(self) -> tuple[str, ...]:
        """Kinds of gold labels, each of which must be in test and budget, by name."""
        return ("labelled",)

    def strata_of(self, gold: NDArray[Any]) -> NDArray[np.int64]:
        """The stratum int64[n] of gold labels [n], as numbers or as they are stored."""
        return np.zeros(len(gold), dtype=np.int64)

    def gold_summary(self, numbers: Mapping[str, NDArray[np.int64]]) -> dict[str, Any]:
        """What the summary of `prepare` says of the gold labels, by part."""
        return {}

    # Weak labels: what a labeler says.

    def opinion_columns(self, opinion: Opinion) -> dict[str, NDArray[Any]]:
        """What is kept of an opinion on n texts, by column."""
        return {"scores": opinion.scores, self.label_column: opinion.targets}

    def vote_names(self, functions: "Functions") -> tuple[str, ...]:
        """What rules may vote for, V names: those that they do vote for, unless the task says it."""
        return tuple(dict.fromkeys(rule.class_name for rule in functions.rules_ if rule.class_name))

    def of_votes(self, names: Sequence[str], shares: NDArray[np.float64]) -> NDArray[Any]:
        """Weak labels [n, …] of the shares float64[n, V] that V names have of the votes."""
        raise NotImplementedError(f"{type(self).__name__} takes no votes")

    def averaged(self, targets: Sequence[NDArray[Any]], weights: NDArray[np.float64]) -> NDArray[Any]:
        """The weak labels [n, …] of several labelers as one.

        Args:
            targets: [n, …] of each of S labelers.
            weights: float64[S, n], not negative; 0 where a labeler abstains. Where all are 0 the result means nothing.
        """
        total = weights.sum(axis=0)
        rest = (1,) * (targets[0].ndim - 1)
        summed = sum(weight.reshape(-1, *rest) * one for weight, one in zip(weights, targets, strict=True))
        return np.asarray(summed / np.where(total > 0, total, 1.0).reshape(-1, *rest))

    def elected(
        self, targets: Sequence[NDArray[Any]], abstain: NDArray[np.bool_]
    ) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """The majority's weak labels [n, …], and where there is none, bool[n].

        Args:
            targets: [n, …] of each of S labelers.
            abstain: bool[S, n].
        """
        raise NotImplementedError(f"{type(self).__name__} takes no votes")

    def typical(self, targets: NDArray[Any]) -> NDArray[Any]:
        """One answer […] in place of all weak labels [n, …]: the teacher's where it abstains."""
        return np.asarray(targets.mean(axis=0))

    def weak_counts(self, targets: NDArray[Any]) -> dict[str, int]:
        """How many of the weak labels [n, …] are of each kind, by name; empty where there are no kinds.

        A selection may leave none of a kind that there was, and a student copies the shares of kinds.
        """
        return {}

    def weak_summary(self, targets: NDArray[Any]) -> dict[str, Any]:
        """What the summary of `aggregate` says of the weak labels [n, …] of the pool."""
        return {}

    # Before a student is trained: facts that say whether the job is likely to pay.

    def pool_facts(
        self, targets: NDArray[Any], drawn: Sequence[NDArray[Any]], asked: NDArray[Any]
    ) -> dict[str, Any]:
        """What the weak labels [n, …] of the pool are like beside the gold budget; empty where there are no kinds of labels.

        Args:
            targets: of the texts that the teacher answers.
            drawn: of each seed the gold labels of the budget, as they are stored, that were drawn.
            asked: those that experts were asked for beside them.
        """
        return {}

    def teacher_facts(
        self, test: GoldTest, answers: NDArray[Any], abstain: NDArray[np.bool_]
    ) -> dict[str, float]:
        """How good the teacher is on the gold budget.

        Args:
            test: the n texts of a seed's budget that were drawn.
            answers: its answers [n, …].
            abstain: bool[n], where they are a fallback.
        """
        return {}

    # The pretrained model, before anything is learnt.

    def untuned_answers(
        self,
        directory: Path,
        name: str,
        texts: Sequence[str],
        max_tokens: int,
        batch_tokens: int,
        progress: Callable[[int, int], None],
    ) -> Answers:
        """What a pretrained model answers as it came, of tasks that no head answers.

        Args:
            directory: the model.
            name: what a person calls it.
            texts: n texts.
            max_tokens: they are cut there.
            batch_tokens: tokens in a batch.
            progress: called with (texts done, n).
        """
        raise NotImplementedError(f"{type(self).__name__} is answered by heads")

    # Students.

    @abstractmethod
    def gold_targets(self, gold: NDArray[Any]) -> NDArray[Any]:
        """Training targets [n, …] of gold labels [n] as they are stored."""

    def hard_targets(self, targets: NDArray[Any]) -> NDArray[Any]:
        """Weak labels [n, …] taken at their word, without doubt."""
        return targets

    def weak_confidence(self, targets: NDArray[Any]) -> NDArray[np.float64] | None:
        """How sure weak labels [n, …] are, float64[n]; None where they do not tell."""
        return None

    def differ(self, targets: NDArray[Any], others: NDArray[Any]) -> NDArray[np.bool_]:
        """Where weak labels [n, …] taken at their word are not the same as others [n, …], bool[n]."""
        unequal = np.asarray(self.hard_targets(targets) != self.hard_targets(others))
        return np.asarray(unequal.any(axis=tuple(range(1, unequal.ndim))))

    @property
    def head_outputs(self) -> int:
        """How many numbers a head puts out."""
        return 1

    def fit_head(self, features: NDArray[np.floating], data: TrainingSet, l2: float) -> FittedHead:
        """A head on features float[n, d] of the training texts, fitted to the end."""
        raise NotImplementedError(f"{type(self).__name__} is not answered by heads")

    def choose_l2(self, features: NDArray[np.floating], data: TrainingSet, seed: int) -> float:
        """The L2 strength of a head by cross-validation inside the data, families held out whole."""
        raise NotImplementedError(f"{type(self).__name__} is not answered by heads")

    def load_student(self, directory: Path, name: str, **settings: Any) -> "TunableModel":
        """A pretrained model that is to be tuned beyond a head (`tuning.student.load_student`)."""
        raise NotImplementedError(f"{type(self).__name__} tunes heads only")

    def start_student(
        self,
        student: Any,
        texts: Sequence[str],
        data: TrainingSet,
        *,
        max_tokens: int,
        batch_tokens: int,
        l2: float | None,
        seed: int,
        progress: Callable[[int, int], None],
    ) -> None:
        """Brings a student to where its tuning starts, where that is not the pretrained model.

        Args:
            student: of `load_student`, not yet tunable.
            texts: n texts that it is trained on.
            data: their targets.
            max_tokens: that are read of a text.
            batch_tokens: tokens in a batch.
            l2: of a head that it starts from; None: by cross-validation.
            seed: of the training.
            progress: called with (texts done, n).
        """

    def start_unseeing(self, student: Any) -> None:
        """Brings a student to a start that depends on none of the texts that it is trained on, nor on their labels.

        Args:
            student: of `load_student`, not yet tunable.
        """

    def objective(
        self,
        student: Any,
        texts: Sequence[str],
        data: TrainingSet,
        *,
        max_tokens: int,
        loss: "LossSettings",
        batch_size: int,
    ) -> "Objective[Any]":
        """What a student is trained to.

        Args:
            student: made tunable.
            texts: n texts.
            data: their targets.
            max_tokens: that are read of a text.
            loss: what of the targets it is trained to.
            batch_size: texts of an optimiser step.

        Raises:
            BadData: the student cannot be trained to one of the targets.
        """
        raise NotImplementedError(f"{type(self).__name__} tunes heads only")

    def completions(
        self, student: Any, texts: Sequence[str], answers: Sequence[str], *, max_tokens: int
    ) -> "Answered":
        """Answers to n texts as a student that writes is asked for them, so that it can say how likely they are.

        Args:
            student: made tunable.
            texts: n texts.
            answers: n answers, one of each text.
            max_tokens: that are read of a text.

        Raises:
            BadData: one is empty, or longer than the student can read.
        """
        raise NotImplementedError(f"{type(self).__name__} is not written")

    def validation(
        self, student: Any, texts: Sequence[str], data: TrainingSet, *, max_tokens: int
    ) -> "Validation[Any]":
        """How well a student predicts the targets of held-out texts; arguments as of `objective`."""
        raise NotImplementedError(f"{type(self).__name__} tunes heads only")

    def student_tokens(self, student: Any, texts: Sequence[str], max_tokens: int) -> Tokens:
        """What a tuned student reads of texts that it is to answer."""
        return tokenize(student.tokenizer, texts, max_tokens)

    def student_answers(
        self,
        student: Any,
        texts: Sequence[str],
        tokens: Tokens,
        *,
        max_tokens: int,
        batch_tokens: int,
        progress: Callable[[int, int], None],
    ) -> Answers:
        """What a tuned student answers to n texts.

        Args:
            student: tuned.
            texts: n texts.
            tokens: what it reads of them (`student_tokens`).
            max_tokens: they were cut there.
            batch_tokens: tokens in a batch.
            progress: called with (texts done, n).
        """
        raise NotImplementedError(f"{type(self).__name__} tunes heads only")

    def alarm(self, alarm: "Alarm") -> tuple[dict[str, Any], str]:
        """A student that collapses: as JSON, and in words."""
        raise NotImplementedError(f"{type(self).__name__} tunes heads only")

    # Measures.

    def metrics(self) -> list[str]:
        """The metrics that are computed, in the order of the report."""
        return [name for name, metric in METRICS.items() if metric.measures(self.task)]

    def test_summary(self, gold: NDArray[Any]) -> dict[str, Any]:
        """What results say of the gold labels [n] of the test."""
        return {}

    def arm_details(self, test: GoldTest, answers: ArmAnswers) -> dict[str, Any]:
        """What results say of an arm beside its metrics."""
        return {}

    def candidate_details(self, test: GoldTest, answers: NDArray[Any]) -> dict[str, Any]:
        """What results say of the candidate alone, of its answers [n, …] of the first seed."""
        return {}

    def kinds(
        self,
        test: GoldTest,
        answers: NDArray[Any],
        families: NDArray[np.int64],
        weights: NDArray[np.float64],
    ) -> dict[str, tuple[float, NDArray[np.float64]]]:
        """A figure of each kind of gold label, by name, so that it is seen where one kind pays for another; more is better.

        Arguments and result as of a metric (`stages.evaluate.metrics`): one arm and seed, on the test and on samples of
        it, float64[B]. Empty where there are no kinds.
        """
        return {}

    def tradeoff(self, evaluation: Mapping[str, Any]) -> Tradeoff | None:
        """What the candidate does worse than its teacher and what better, from `evaluation` of results.json."""
        return None

    def decisions(self, answers: NDArray[Any]) -> list[str]:
        """What the answers [n, …] come down to, as a person would write each."""
        return [str(answer) for answer in answers.tolist()]

    def confidence(self, answers: NDArray[Any]) -> NDArray[np.float64] | None:
        """How probable each of the answers [n, …] makes its own decision, float64[n]; None where answers do not tell."""
        return None

    def is_wrong(self, test: GoldTest, answers: NDArray[Any]) -> NDArray[np.bool_] | None:
        """Which of the answers [n, …] are wrong, bool[n]; None where they are off by more or less."""
        return None

    def imitation(self, test: GoldTest, weak: ArmAnswers, candidate: ArmAnswers) -> dict[str, Any] | None:
        """How often the candidate repeats what is right and what is wrong in the weak labels; None where nobody can tell."""
        return None

    def excerpts(
        self, test: GoldTest, weak: NDArray[Any], answers: NDArray[Any], text_of: Callable[[int], str]
    ) -> dict[str, Any] | None:
        """Texts of the test that show where answers [n, …] go wrong, beside the teacher's `weak` [n, …]; `text_of` gives an
        excerpt of an item."""
        return None

    def notes(self, training: Mapping[str, Any]) -> list[dict[str, str]]:
        """What a reader must know of the students before believing the figures: {code, text}."""
        return []

    def report_parts(self, results: Mapping[str, Any]) -> ReportParts:
        """The parts of the report that are about this kind of task, of the content of results.json."""
        return ReportParts()

    # Publishing.

    def publish_head(
        self, pretrained: Path, arrays: Mapping[str, NDArray[Any]], strong: "Strong", directory: Path
    ) -> None:
        """Writes a frozen model with a head, so that `load_predictor` has it again.

        Args:
            pretrained: the strong model's directory.
            arrays: of a `FittedHead`, as float32.
            strong: says how texts were read.
            directory: a new directory.
        """
        raise NotImplementedError(f"{type(self).__name__} is not answered by heads")

    def marks(self, spec: "Spec") -> dict[str, Any]:
        """What is noted beside a published model whose own config does not tell how it is used, as JSON."""
        return {"type": self.task.type}

    def tokenizer_length(self, max_tokens: int) -> int:
        """Where the tokenizer of a published model cuts, of a student that read max_tokens tokens of a text."""
        return max_tokens

    def write_beside(self, directory: Path) -> None:
        """Writes what else other programs need to use a published model."""

    def card(self, results: Mapping[str, Any], directory: Path) -> ModelCard:
        """What the model card says, of the content of results.json and of what was written into a directory."""
        return ModelCard(title=self.task.type)

    @classmethod
    def input_fields(cls, marks: Mapping[str, Any]) -> tuple[str, ...]:
        """The fields that a published model reads of a row beside its text, by what `marks` left; mostly none."""
        del marks
        return ()

    @classmethod
    @abstractmethod
    def load_predictor(cls, directory: Path, name: str) -> Predictor:
        """A published model of this kind; `name` is what a person calls it."""
