"""`Classification`: each text belongs to exactly one class. Labels, targets and answers are distributions over K classes."""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from w2s_api.spec.task import Task
from w2s_trainer.families.classification import beforehand, errors, gold
from w2s_trainer.families.classification.by_class import class_figures, confused, recalls
from w2s_trainer.families.classification.calibration import (
    brier,
    calibration_bins,
    calibration_error,
    log_loss,
)
from w2s_trainer.families.classification.decisions import predict_classes
from w2s_trainer.families.classification.tradeoff import tradeoff
from w2s_trainer.families.classification.votes import Ballot
from w2s_trainer.families.classification.words import alarm_words, given_up
from w2s_trainer.families.gold_test import ArmAnswers, GoldTest
from w2s_trainer.families.task_family import (
    NO_GOLD,
    Answers,
    FittedHead,
    ModelCard,
    Predictor,
    TaskFamily,
    Tradeoff,
)
from w2s_trainer.models.head import Head, cross_validated_l2, fit
from w2s_trainer.models.tokens import Tokens
from w2s_trainer.report.parts import ReportParts
from w2s_trainer.tuning.training_set import TrainingSet

if TYPE_CHECKING:
    from w2s_api.methods.labelers import Functions
    from w2s_api.methods.losses import LossSettings
    from w2s_api.spec.job import Spec
    from w2s_api.spec.strong import Strong
    from w2s_trainer.tuning.class_objective import ClassObjective, ClassValidation
    from w2s_trainer.tuning.collapse import Alarm
    from w2s_trainer.tuning.student import Student

__all__ = ["Classification", "Family"]


class Classification(TaskFamily):
    """Each text belongs to exactly one class.

    Args:
        task: names the K classes.
        threshold: with K = 2 and a positive class, positive from this probability on.
    """

    label_column: ClassVar[str] = "probabilities"
    is_right_or_wrong: ClassVar[bool] = True
    is_known_by_config: ClassVar[bool] = True

    def __init__(self, task: Task, threshold: float = 0.5) -> None:
        super().__init__(task)
        self.class_names: tuple[str, ...] = tuple(task.class_names)
        self.threshold = threshold

    @classmethod
    def of(cls, spec: "Spec") -> "Classification":
        """That of a spec's task."""
        return cls(spec.task, float(spec.evaluation.positive_threshold))

    @cached_property
    def positive(self) -> int | None:
        """The index of the positive class."""
        name = self.task.positive_class
        return self.class_names.index(name) if name else None

    def decide(self, probabilities: NDArray[np.float64]) -> NDArray[np.int64]:
        """The class int64[…] of probabilities float64[…, K] (`predict_classes`)."""
        return predict_classes(probabilities, self.positive, self.threshold)

    # Gold labels are class indices.

    @cached_property
    def _index(self) -> dict[str, int]:
        return gold.class_index(self.class_names)

    def check(self) -> None:
        """Raises BadSpec if two names are one label."""
        gold.class_index(self.class_names)

    def number(self, label: str) -> int:
        """The index of a class."""
        return self._index.get(label, NO_GOLD)

    def no_label(self, labels: Sequence[str], places: Sequence[tuple[str, int]], uri: str) -> Exception:
        """The error for labels that are no classes."""
        return gold.outside(labels, places, self.class_names, uri)

    def check_gold(self, numbers: NDArray[np.int64], uri: str) -> None:
        """Raises BadData if a class has no gold example."""
        gold.check_every_class(numbers, self.class_names, uri)

    def stored_gold(self, numbers: NDArray[np.int64]) -> NDArray[Any]:
        """Class indices int32[n]."""
        return numbers.astype(np.int32)

    @property
    def strata(self) -> tuple[str, ...]:
        """The classes."""
        return self.class_names

    def strata_of(self, gold: NDArray[Any]) -> NDArray[np.int64]:
        """The class itself."""
        return np.asarray(gold, dtype=np.int64)

    def gold_summary(self, numbers: Mapping[str, NDArray[np.int64]]) -> dict[str, Any]:
        """Gold labels of each class, by part."""
        return {
            "classes": {
                name: {part: int((labels == number).sum()) for part, labels in numbers.items()}
                for number, name in enumerate(self.class_names)
            }
        }

    # Weak labels are distributions.

    def vote_names(self, functions: "Functions") -> tuple[str, ...]:
        """The classes, whether a rule votes for them or not."""
        return self.class_names

    def of_votes(self, names: Sequence[str], shares: NDArray[np.float64]) -> NDArray[Any]:
        """The shares of the votes, as probabilities."""
        return shares

    def elected(
        self, targets: Sequence[NDArray[Any]], abstain: NDArray[np.bool_]
    ) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """The shares of the votes for the likeliest classes, smoothed as those of rules are; no vote, or a tie, abstains."""
        votes = [
            np.where(silent, -1, one.argmax(axis=1)) for one, silent in zip(targets, abstain, strict=True)
        ]
        ballot = Ballot(np.stack(votes, axis=1), len(self.class_names))
        return ballot.probabilities, ballot.abstain

    def weak_counts(self, targets: NDArray[Any]) -> dict[str, int]:
        """How many weak labels prefer each class."""
        counts = np.bincount(targets.argmax(axis=1), minlength=len(self.class_names))
        return {name: int(count) for name, count in zip(self.class_names, counts, strict=True)}

    def weak_summary(self, targets: NDArray[Any]) -> dict[str, Any]:
        """The shares of the classes."""
        counts = self.weak_counts(targets)
        return {
            "classShares": {name: round(count / max(1, len(targets)), 6) for name, count in counts.items()}
        }

    def pool_facts(
        self, targets: NDArray[Any], drawn: Sequence[NDArray[Any]], asked: NDArray[Any]
    ) -> dict[str, Any]:
        """Confidence, shares, and what each class has of votes and of gold labels."""
        return beforehand.pool_facts(self.class_names, targets, drawn, asked)

    def teacher_facts(
        self, test: GoldTest, answers: NDArray[Any], abstain: NDArray[np.bool_]
    ) -> dict[str, float]:
        """Skill, and mean recall beside that of who guesses."""
        said = np.where(abstain, -1, answers.argmax(axis=1))
        return beforehand.teacher_facts(len(self.class_names), test.gold, said, test.families)

    # Students learn distributions.

    def gold_targets(self, gold: NDArray[Any]) -> NDArray[Any]:
        """All the weight on the expert's class: float64[n, K]."""
        return np.asarray(np.eye(len(self.class_names))[gold])

    def hard_targets(self, targets: NDArray[Any]) -> NDArray[Any]:
        """All the weight on the likeliest class (ties: the first)."""
        return self.gold_targets(targets.argmax(axis=1))

    def weak_confidence(self, targets: NDArray[Any]) -> NDArray[np.float64] | None:
        """The probability of the likeliest class."""
        return np.asarray(targets.max(axis=1))

    @property
    def head_outputs(self) -> int:
        """K."""
        return len(self.class_names)

    def fit_head(self, features: NDArray[np.floating], data: TrainingSet, l2: float) -> FittedHead:
        """A multinomial logistic head."""
        head = fit(features, data.targets, data.weights, l2)
        return FittedHead(head.probabilities, {"weight": head.weight, "bias": head.bias, "mean": head.mean})

    def choose_l2(self, features: NDArray[np.floating], data: TrainingSet, seed: int) -> float:
        """The strength with the smallest held-out log loss."""
        return cross_validated_l2(features, data.targets.argmax(axis=1), data.families, seed=seed)

    def load_student(self, directory: Path, name: str, **settings: Any) -> "Student":
        """A model with a head over the classes."""
        from w2s_trainer.tuning.student import load_student

        return load_student(directory, self.class_names, name=name, **settings)

    def start_student(
        self,
        student: "Student",
        texts: Sequence[str],
        data: TrainingSet,
        *,
        max_tokens: int,
        batch_tokens: int,
        l2: float | None,
        seed: int,
        progress: Callable[[int, int], None],
    ) -> None:
        """Tuning begins with the head that fits the frozen model's features."""
        features, _ = student.encoder.features(texts, max_tokens, batch_tokens, progress)
        if l2 is None:
            l2 = self.choose_l2(features, data, seed)
        student.start_from(fit(features, data.targets, data.weights, l2), features)

    def start_unseeing(self, student: "Student") -> None:
        """Tuning begins with a head that finds all classes as likely."""
        student.start_level()

    def objective(
        self,
        student: "Student",
        texts: Sequence[str],
        data: TrainingSet,
        *,
        max_tokens: int,
        loss: "LossSettings",
        batch_size: int,
    ) -> "ClassObjective":
        """Cross-entropy to what the loss makes of the weak labels."""
        import torch

        from w2s_trainer.tuning.class_objective import ClassObjective
        from w2s_trainer.tuning.losses import make_targets

        prior = torch.from_numpy(np.asarray(data.weights @ data.targets / data.weights.sum())).float()
        targets = make_targets(loss, prior, batch_size)
        return ClassObjective(self.student_tokens(student, texts, max_tokens).ids, data, targets, batch_size)

    def validation(
        self, student: "Student", texts: Sequence[str], data: TrainingSet, *, max_tokens: int
    ) -> "ClassValidation":
        """Cross-entropy to the weak labels."""
        from w2s_trainer.tuning.class_objective import ClassValidation

        return ClassValidation(self.student_tokens(student, texts, max_tokens).ids, data)

    def student_answers(
        self,
        student: "Student",
        texts: Sequence[str],
        tokens: Tokens,
        *,
        max_tokens: int,
        batch_tokens: int,
        progress: Callable[[int, int], None],
    ) -> Answers:
        """Its probabilities float64[n, K]."""
        return Answers(student.probabilities(tokens.ids, batch_tokens, progress))

    def alarm(self, alarm: "Alarm") -> tuple[dict[str, Any], str]:
        """A class that a student gave up."""
        figures = {
            "class": self.class_names[alarm.label],
            "predicted": round(alarm.predicted, 4),
            "labels": round(alarm.target, 4),
        }
        return figures, alarm_words(figures)

    # Measures.

    def test_summary(self, gold: NDArray[Any]) -> dict[str, Any]:
        """Texts of each class."""
        return {"classes": {name: int((gold == index).sum()) for index, name in enumerate(self.class_names)}}

    def arm_details(self, test: GoldTest, answers: ArmAnswers) -> dict[str, Any]:
        """How far an arm's probabilities can be believed, each class, and misses and false alarms."""
        details: dict[str, Any] = {
            name: round(float(np.mean([measure(test.gold, p) for p in answers.values])), 6)
            for name, measure in (
                ("calibrationError", calibration_error),
                ("brier", brier),
                ("logLoss", log_loss),
            )
        }
        details["calibration"] = calibration_bins(test.gold, answers.values[0])
        details["classes"] = class_figures(test, answers.values)
        if self.positive is not None:
            counts = [errors.positive_counts(test, p) for p in answers.values]
            details["positive"] = {
                "firstSeed": counts[0],
                "mean": {key: round(float(np.mean([c[key] for c in counts])), 6) for key in counts[0]},
            }
        return details

    def candidate_details(self, test: GoldTest, answers: NDArray[Any]) -> dict[str, Any]:
        """Which class is taken for which."""
        return {"confusion": confused(test, answers)}

    def kinds(
        self,
        test: GoldTest,
        answers: NDArray[Any],
        families: NDArray[np.int64],
        weights: NDArray[np.float64],
    ) -> dict[str, tuple[float, NDArray[np.float64]]]:
        """The recall of each class."""
        return recalls(test, answers, families, weights)

    def tradeoff(self, evaluation: Mapping[str, Any]) -> Tradeoff | None:
        """Misses and false alarms, or the classes that lost and gained most."""
        return tradeoff(evaluation, self.task.positive_class)

    def decisions(self, answers: NDArray[Any]) -> list[str]:
        """The names of the classes."""
        return [self.class_names[place] for place in self.decide(answers).tolist()]

    def confidence(self, answers: NDArray[Any]) -> NDArray[np.float64] | None:
        """The probability of the class that was decided for."""
        return np.asarray(np.take_along_axis(answers, self.decide(answers)[:, None], axis=1)[:, 0])

    def is_wrong(self, test: GoldTest, answers: NDArray[Any]) -> NDArray[np.bool_] | None:
        """Where another class was decided for than the expert's."""
        return np.asarray(self.decide(answers) != test.gold)

    def imitation(self, test: GoldTest, weak: ArmAnswers, candidate: ArmAnswers) -> dict[str, Any] | None:
        """How often the candidate agrees with the weak labels where they are right and where they are wrong."""
        return errors.imitation(test, weak, candidate)

    def excerpts(
        self, test: GoldTest, weak: NDArray[Any], answers: NDArray[Any], text_of: Callable[[int], str]
    ) -> dict[str, Any] | None:
        """The worst misses and false alarms."""
        del weak
        return errors.excerpts(test, answers, text_of)

    def notes(self, training: Mapping[str, Any]) -> list[dict[str, str]]:
        """Classes that students gave up."""
        return given_up(training["collapsed"])

    def report_parts(self, results: Mapping[str, Any]) -> ReportParts:
        """Misses and false alarms, imitation, calibration, and the shares of the classes."""
        from w2s_trainer.families.classification.report import report_parts

        return report_parts(results)

    # Publishing.

    def publish_head(
        self, pretrained: Path, arrays: Mapping[str, NDArray[Any]], strong: "Strong", directory: Path
    ) -> None:
        """Writes the frozen encoder with its head as a sequence classification model."""
        from w2s_trainer.models.published import publish_model

        head = Head(*(arrays[part] for part in ("weight", "bias", "mean")))
        publish_model(
            pretrained, head, list(self.class_names), strong.max_tokens, directory, strong.model.uri
        )

    def card(self, results: Mapping[str, Any], directory: Path) -> ModelCard:
        """The classes, and how other programs load the model."""
        from w2s_trainer.families.classification.card import Files, classifier_card

        return classifier_card(results, Files.of(directory))

    @classmethod
    def load_predictor(cls, directory: Path, name: str) -> Predictor:
        """Any sequence classification model, ours or another."""
        from w2s_trainer.families.classification.predictor import ClassPredictor
        from w2s_trainer.models.published import load_classifier

        return ClassPredictor(load_classifier(directory, name))


Family = Classification
