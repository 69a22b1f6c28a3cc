"""What a student that writes is trained on: the token ids of prompts, each followed by its target."""

from collections.abc import Sequence

import numpy as np

from w2s_trainer.errors import BadData
from w2s_trainer.models.causal import Prompts
from w2s_trainer.models.layout import Layout
from w2s_trainer.models.likelihood import Answered, answered
from w2s_trainer.models.ragged import Ragged, lengths_of
from w2s_trainer.tuning.text_student import TextStudent


def completions_of(
    student: TextStudent, layout: Layout, texts: Sequence[str], targets: Sequence[str]
) -> Answered:
    """Token ids of prompts and targets, divided so that the student reads once what all of them begin with.

    Args:
        student: that is trained on them.
        layout: of the prompts.
        texts: n texts, cut already.
        targets: n answers.

    Raises:
        BadData: a target is empty, or longer, with its prompt, than the model can read.
    """
    if empty := [row for row, target in enumerate(targets) if not target.strip()]:
        raise BadData(
            "EmptyTarget",
            f"{len(empty):,} of {len(targets):,} texts that a model is trained on have an empty target,"
            f" the first of them number {empty[0] + 1:,}.",
            "Leave them out: who has no answer abstains.",
        )
    with student.answering() as asked:
        examples = answered(asked, layout, texts, targets)
    _require_room(student, examples)
    return examples if student.shares(examples) else _undivided(examples)


def _require_room(student: TextStudent, examples: Answered) -> None:
    tokens = len(examples.sequences.shared) + lengths_of(examples.sequences.rests)
    if student.context is None or not (tokens > student.context).any():
        return
    worst = int(tokens.argmax())
    raise BadData(
        "TargetTooLong",
        f"{int((tokens > student.context).sum()):,} of {len(tokens):,} texts are longer, with prompt and target, than"
        f" the {student.context:,} tokens that {student.tokenizer.name_or_path} reads; the longest, number"
        f" {worst + 1:,}, has {tokens[worst]:,}, of which its target {examples.tokens[worst]:,}.",
        "Lower `maxTokens` of what is read of a text, leave such targets out, or name a model that reads more.",
    )


def _undivided(examples: Answered) -> Answered:
    shared = examples.sequences.shared
    whole = Ragged(np.concatenate([shared, np.asarray(rest)]) for rest in examples.sequences.rests)
    return Answered(Prompts(shared[:0], whole), examples.tokens)
