"""`Generation`: a text is written about each text. Labels, targets and answers are texts, empty where there is none."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from w2s_api.input_template import TEXT_ALONE, fields_of
from w2s_api.spec.job import Spec
from w2s_api.spec.task import Task
from w2s_trainer.data.normal_form import normalised
from w2s_trainer.data.values import REFERENCE_END
from w2s_trainer.errors import BadData
from w2s_trainer.families.generation import errors
from w2s_trainer.families.generation.references import first
from w2s_trainer.families.generation.texts import texts_of
from w2s_trainer.families.generation.vote import elect
from w2s_trainer.families.gold_test import ArmAnswers, GoldTest
from w2s_trainer.families.predicting import MARK
from w2s_trainer.families.task_family import NO_GOLD, Answers, ModelCard, Opinion, Predictor, TaskFamily
from w2s_trainer.models.tokens import Tokens
from w2s_trainer.report.parts import ReportParts
from w2s_trainer.tuning.training_set import TrainingSet

if TYPE_CHECKING:
    from w2s_api.methods.losses import LossSettings
    from w2s_trainer.families.generation.writing import Answered as Written
    from w2s_trainer.models.likelihood import Answered
    from w2s_trainer.tuning.completion_objective import CompletionObjective, CompletionValidation
    from w2s_trainer.tuning.text_student import TextStudent

__all__ = ["Family", "Generation"]

_EXACT = "ExactMatch"


class Generation(TaskFamily):
    """A text is written about each text.

    Args:
        task: says what is asked and how long answers may be.
    """

    label_column: ClassVar[str] = "answer"
    is_right_or_wrong: ClassVar[bool] = True
    is_joined_by_choice: ClassVar[bool] = True

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self._numbers: dict[str, int] = {}

    # Gold labels are texts; they are numbered as they come.

    def number(self, label: str) -> int:
        """The number of a text among those that were seen."""
        return self._numbers.setdefault(label, len(self._numbers)) if label else NO_GOLD

    def no_label(self, labels: Sequence[str], places: Sequence[tuple[str, int]], uri: str) -> Exception:
        """The error for empty gold texts."""
        file, row = places[0]
        return BadData(
            "EmptyGoldText",
            f"{uri}: {len(labels):,} gold rows have an empty text to be written; the first is row {row} of {file}.",
            "Write what the expert would have written, or leave these rows out.",
        )

    def stored_gold(self, numbers: NDArray[np.int64]) -> NDArray[Any]:
        """The texts themselves, str[n]; lists of texts [n], the first being what is learnt, where a row has several."""
        labels: list[Any] = list(self._numbers)
        if any(REFERENCE_END in label for label in labels):
            labels = [label.split(REFERENCE_END) for label in labels]
        return texts_of(labels)[numbers] if len(numbers) else texts_of([])

    # Weak labels are texts.

    def opinion_columns(self, opinion: Opinion) -> dict[str, NDArray[Any]]:
        """The texts, and how probable the labeler holds each, if it tells."""
        probability = {} if opinion.probability is None else {"probability": opinion.probability}
        return {self.label_column: opinion.targets, **probability, **opinion.columns}

    def averaged(self, targets: Sequence[NDArray[Any]], weights: NDArray[np.float64]) -> NDArray[Any]:
        """The text that has the most weight, equal texts taken together; of a tie that of the first labeler."""
        return elect(targets, weights)[0]

    def elected(
        self, targets: Sequence[NDArray[Any]], abstain: NDArray[np.bool_]
    ) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """The text that most labelers wrote; a tie for the most abstains."""
        texts, is_tie = elect(targets, (~abstain).astype(np.float64))
        silent = is_tie | abstain.all(axis=0)
        texts[silent] = ""
        return texts, silent

    def typical(self, targets: NDArray[Any]) -> NDArray[Any]:
        """No text."""
        return np.array("", dtype=object)

    def weak_summary(self, targets: NDArray[Any]) -> dict[str, Any]:
        """How many different texts there are, and how long they are. None is quoted: they are data."""
        lengths = [len(text) for text in targets]
        return {
            "differentTexts": len({normalised(text) for text in targets}),
            "meanCharacters": round(float(np.mean(lengths)), 1) if lengths else 0.0,
        }

    def differ(self, targets: NDArray[Any], others: NDArray[Any]) -> NDArray[np.bool_]:
        """Where texts are not equal in the form of comparison."""
        return errors.differs(targets, others)

    def teacher_facts(
        self, test: GoldTest, answers: NDArray[Any], abstain: NDArray[np.bool_]
    ) -> dict[str, float]:
        """The declared metric."""
        from w2s_trainer.families.generation.beforehand import teacher_facts

        return teacher_facts(test, answers, abstain)

    # Students learn texts.

    def gold_targets(self, gold: NDArray[Any]) -> NDArray[Any]:
        """The experts' texts, of several the first: str[n]."""
        return texts_of([first(texts) for texts in gold])

    def load_student(self, directory: Path, name: str, **settings: Any) -> "TextStudent":
        """A causal model that learns to write."""
        from w2s_trainer.tuning.text_student import load_text_student

        return load_text_student(directory, name=name, **settings)

    def objective(
        self,
        student: "TextStudent",
        texts: Sequence[str],
        data: TrainingSet,
        *,
        max_tokens: int,
        loss: "LossSettings",
        batch_size: int,
    ) -> "CompletionObjective":
        """The likelihood of the texts that are to be written, prompts being given; beside it what else the loss looks at."""
        from w2s_trainer.tuning.completion_objective import CompletionObjective
        from w2s_trainer.tuning.losses import make_token_targets
        from w2s_trainer.tuning.soft_completion_objective import SoftCompletionObjective, soft_tokens_of

        del batch_size  # every loss looks at one example at a time
        targets = make_token_targets(loss)
        if targets is None or data.soft is None:
            return CompletionObjective(self._completions(student, texts, data, max_tokens), data.weights)
        soft = soft_tokens_of(data.soft.tolist(), student, student.tokenizer.name_or_path)
        completions = self._completions(student, texts, data, max_tokens)
        return SoftCompletionObjective(completions, data.weights, soft, targets)

    def validation(
        self, student: "TextStudent", texts: Sequence[str], data: TrainingSet, *, max_tokens: int
    ) -> "CompletionValidation":
        """The same, of held-out texts."""
        from w2s_trainer.tuning.completion_objective import CompletionValidation

        return CompletionValidation(self._completions(student, texts, data, max_tokens), data.weights)

    def completions(
        self, student: "TextStudent", texts: Sequence[str], answers: Sequence[str], *, max_tokens: int
    ) -> "Answered":
        """Prompts of the task, each with its answer."""
        from w2s_trainer.families.generation.reading import read_by
        from w2s_trainer.families.generation.writing import layout_for
        from w2s_trainer.tuning.completions import completions_of

        with student.answering() as model:
            read = read_by(model, self.task, texts, max_tokens)
        return completions_of(student, layout_for(student.tokenizer, self.task), read, answers)

    def _completions(
        self, student: "TextStudent", texts: Sequence[str], data: TrainingSet, max_tokens: int
    ) -> "Answered":
        return self.completions(student, texts, data.targets.tolist(), max_tokens=max_tokens)

    def student_tokens(self, student: Any, texts: Sequence[str], max_tokens: int) -> Tokens:
        """What a student reads of texts and the fields beside them."""
        from w2s_trainer.families.generation.reading import tokens_of

        return tokens_of(student.tokenizer, self.task, texts, max_tokens)

    def student_answers(
        self,
        student: "TextStudent",
        texts: Sequence[str],
        tokens: Tokens,
        *,
        max_tokens: int,
        batch_tokens: int,
        progress: Callable[[int, int], None],
    ) -> Answers:
        """The texts that it writes, and how probable it holds each."""
        from w2s_trainer.families.generation.writing import written_by

        with student.answering() as model:
            written = written_by(model, self.task, texts, max_tokens, batch_tokens, progress)
        return _answers(written, tokens)

    def untuned_answers(
        self,
        directory: Path,
        name: str,
        texts: Sequence[str],
        max_tokens: int,
        batch_tokens: int,
        progress: Callable[[int, int], None],
    ) -> Answers:
        """The texts that a causal model writes as it came."""
        from w2s_trainer.families.generation.predictor import Writer
        from w2s_trainer.models.causal import load_causal

        writer = Writer(load_causal(directory, name), self.task, max_tokens)
        tokens = writer.read(texts)
        tokens.require_some(name)
        written = writer.write(texts, batch_tokens, progress)
        return _answers(written, tokens)

    # Measures.

    def is_wrong(self, test: GoldTest, answers: NDArray[Any]) -> NDArray[np.bool_] | None:
        """Which answers are another text than the expert's; None where the declared metric is one of degrees."""
        return errors.differs(answers, test.gold) if test.metric == _EXACT else None

    def imitation(self, test: GoldTest, weak: ArmAnswers, candidate: ArmAnswers) -> dict[str, Any] | None:
        """How often the candidate repeats the teacher's text where that is the expert's and where it is not."""
        return errors.imitation(test, weak, candidate)

    def excerpts(
        self,
        test: GoldTest,
        weak: NDArray[Any],
        answers: NDArray[Any],
        text_of: Callable[[int], str],
    ) -> dict[str, Any] | None:
        """Texts side by side: the source, what the teacher, the candidate and the expert wrote; the worst first."""
        return errors.excerpts(test, weak, answers, text_of)

    def arm_details(self, test: GoldTest, answers: ArmAnswers) -> dict[str, Any]:
        """How long an arm's texts are beside the experts', how many are empty, and whether they repeat themselves."""
        return errors.shape(test, answers)

    def report_parts(self, results: Mapping[str, Any]) -> ReportParts:
        """Imitation, lengths, and texts side by side."""
        from w2s_trainer.families.generation.report import report_parts

        return report_parts(results)

    # Publishing.

    def marks(self, spec: Spec) -> dict[str, Any]:
        """What it takes to ask the model again as it was asked: the task, and how much of a text is read."""
        return {
            **super().marks(spec),
            "instruction": self.task.instruction,
            "generation": self.task.model_dump(mode="json", by_alias=True, exclude_none=True)["generation"],
            "maxTokens": spec.strong.max_tokens,
        }

    def tokenizer_length(self, max_tokens: int) -> int:
        """Nowhere but where the model ends: what stands around a text must not be cut."""
        return int(np.iinfo(np.int32).max)

    def write_beside(self, directory: Path) -> None:
        """The generation config: where a text ends, and that the likeliest token is taken."""
        from w2s_trainer.families.generation.writing import write_generation_config

        write_generation_config(directory, self.task)

    def card(self, results: Mapping[str, Any], directory: Path) -> ModelCard:
        """What is asked, and how other programs load the model."""
        from w2s_trainer.families.generation.card import writer_card
        from w2s_trainer.families.generation.writing import layout_for
        from w2s_trainer.models.loading import load_tokenizer

        layout = layout_for(load_tokenizer(directory, directory.name), self.task)
        return writer_card(results, layout.head, layout.tail)

    @classmethod
    def input_fields(cls, marks: Mapping[str, Any]) -> tuple[str, ...]:
        """Those that the template of the published task names."""
        return fields_of((marks.get("generation") or {}).get("prompt", TEXT_ALONE))

    @classmethod
    def load_predictor(cls, directory: Path, name: str) -> Predictor:
        """A causal model that writes what it was tuned to write."""
        from w2s_trainer.families.generation.predictor import load_writer

        return load_writer(directory, directory / MARK, name)


def _answers(written: "Written", tokens: Tokens) -> Answers:
    return Answers(
        written.texts,
        written.probability,
        tokens.truncated,
        len(tokens.unreadable),
        written.cut_off,
        written.prompt,
    )


Family = Generation
