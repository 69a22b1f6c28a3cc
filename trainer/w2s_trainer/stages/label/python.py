"""Labeler `Python`: functions of a user's module that vote."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from w2s_api.canonical_text import canonical_text
from w2s_api.methods.labelers import Python
from w2s_api.spec.weak import Labeler
from w2s_trainer.contract.context import StageContext
from w2s_trainer.errors import BadSpec
from w2s_trainer.families import family_of
from w2s_trainer.families.classification.votes import Ballot
from w2s_trainer.stages.columns import taken
from w2s_trainer.stages.label.opinion import Opinion, path_of
from w2s_trainer.stages.label.saved_answers import SavedAnswers
from w2s_trainer.stages.label.user_functions import (
    Text,
    TooSlow,
    UserFunctions,
    load_functions,
    time_limit,
    where,
)
from w2s_trainer.stages.tables import EVERY_SEED, Examples

BATCH = 256
"""Texts between two looks at the clock of the stage."""
ABSTAINED, RAISED = -1, -2
"""Among the numbers of classes: the function said nothing; it raised an error."""


def opinions(
    context: StageContext, labeler: Labeler, examples: Examples, rows: NDArray[np.int64]
) -> dict[int, Opinion]:
    """What the functions vote for.

    Raises:
        BadSpec: a function returns what is no class, raises on too many texts, or takes too long.
    """
    settings: Python = labeler.settings
    family, path = family_of(context.spec), f"{path_of(context, labeler)}.python"
    names = context.spec.task.class_names
    user = load_functions(settings.module, settings.functions, path)
    texts = examples.texts.take(rows)
    asked = Asked(user, names, float(settings.max_seconds_per_text), path)
    votes = SavedAnswers(context, rows, about={"code": user.code})(
        "votes",
        len(rows),
        len(user.functions),
        np.int64,
        partial(asked.votes, texts, ids=examples.ids.take(rows)),
        partial(context.progress, "applying functions"),
    )
    errors = asked.errors(votes, texts)
    _check_errors(errors, len(rows), float(settings.max_error_share), path)
    ballot = Ballot(votes, len(names))
    in_pool = Ballot(votes[examples.parts[rows] == "pool"], len(names))
    figures = {
        "functions": {
            "code": user.code,
            "texts": len(in_pool.votes),
            "votes": dict(zip(user.names, (in_pool.votes >= 0).sum(axis=0).tolist(), strict=True)),
            "classes": dict(zip(names, (in_pool.counts > 0).sum(axis=0).tolist(), strict=True)),
            "errors": errors,
        }
    }
    targets = family.of_votes(names, ballot.probabilities)
    return {EVERY_SEED: Opinion(ballot.counts, targets, ballot.abstain, figures=figures)}


def check(settings: Python, path: str) -> None:
    """Raises BadSpec if the module or a function of it is not there; `path` is that of the settings."""
    load_functions(settings.module, settings.functions, path)


def tell(context: StageContext, labeler: Labeler, summary: Mapping[str, Any]) -> int:
    """Notes how often functions vote, which never do, and which raise; returns how many notes warn."""
    found = next(iter(summary.get("functions", {}).values()), None)
    if found is None:
        return 0
    by_function = ", ".join(f"{name} {count:,}" for name, count in found["votes"].items())
    context.progress.note(f"{labeler.name}: votes on {found['texts']:,} unlabelled texts: {by_function}")
    path = f"{path_of(context, labeler)}.python"
    warnings = [
        f"{path}: `{name}` votes on none of {found['texts']:,} unlabelled texts"
        for name, count in found["votes"].items()
        if not count
    ]
    warnings += [
        f"{path}: no function ever votes for class {name!r}"
        for name, count in found["classes"].items()
        if not count
    ]
    warnings += [
        f"{path}: `{name}` raised an error on {error['texts']:,} texts, where it abstains; the first: {error['first']}"
        for name, error in found["errors"].items()
    ]
    if found.get("codes", 1) > 1:
        warnings.append(
            f"{path}: the shards were labelled by {found['codes']} versions of the code: change `revision`"
        )
    for warning in warnings:
        context.progress.note(f"Warning: {warning}")
    return len(warnings)


@dataclass(frozen=True)
class Asked:
    """Functions, and how they are asked."""

    user: UserFunctions
    classes: Sequence[str]
    seconds: float
    """That one text may take."""
    path: str

    def votes(
        self, texts: Sequence[str], places: NDArray[np.int64], ids: Sequence[str]
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Votes on the texts at some places: batches of them, and int64[b, R].

        Raises:
            BadSpec: a function returns what is no class, takes too long, or raises on each of the first texts.
        """
        numbers = {canonical_text(name): number for number, name in enumerate(self.classes)}
        for start in range(0, len(places), BATCH):
            batch = places[start : start + BATCH]
            said = np.full((len(batch), len(self.user.functions)), ABSTAINED, dtype=np.int64)
            with time_limit(self.seconds) as restart:
                for row, text in enumerate(map(Text, taken(texts, batch))):
                    for column in range(len(self.user.functions)):
                        answer = self._ask(column, text, ids[int(batch[row])], restart)
                        if answer is not None:
                            said[row, column] = (
                                RAISED if answer is _FAILED else self._class(column, answer, numbers)
                            )
            if start == 0 and (broken := (said == RAISED).all(axis=0)).any():
                column = int(broken.argmax())
                raise _fails(
                    self.path,
                    self.user.names[column],
                    f"each of the first {len(batch):,}",
                    self._first(column, texts, batch),
                )
            yield batch, said

    def _ask(self, column: int, text: Text, name: str, restart: Callable[[], None]) -> Any:
        try:
            restart()
            return self.user.functions[column](text)
        except TooSlow:
            raise BadSpec(
                "FunctionTooSlow",
                f"{self.path}: `{self.user.names[column]}` took more than {self.seconds:g} s on the text with the id"
                f" {name}.",
                "Make it faster, or raise `maxSecondsPerText`.",
            ) from None
        except (Exception, SystemExit):
            return _FAILED

    def _class(self, column: int, answer: Any, numbers: Mapping[str, int]) -> int:
        number = numbers.get(canonical_text(answer)) if isinstance(answer, str) else None
        if number is None:
            raise BadSpec(
                "VoteOutsideClasses",
                f"{self.path}: `{self.user.names[column]}` returned {_shown(answer)}, which is neither a class of"
                " task.classes nor None.",
                "Return the name of a class, or None to abstain.",
            )
        return number

    def errors(self, votes: NDArray[np.int64], texts: Sequence[str]) -> dict[str, dict[str, Any]]:
        """The errors by function: on how many texts, and where the first is in the code. It quotes no text."""
        return {
            name: {
                "texts": int((votes[:, column] == RAISED).sum()),
                "first": self._first(column, texts, np.flatnonzero(votes[:, column] == RAISED)),
            }
            for column, name in enumerate(self.user.names)
            if (votes[:, column] == RAISED).any()
        }

    def _first(self, column: int, texts: Sequence[str], places: NDArray[np.int64]) -> str:
        try:
            self.user.functions[column](Text(texts[int(places[0])]))
        except (Exception, SystemExit) as error:
            return f"{type(error).__name__}{where(error)}"
        return "an error that did not come again"


_FAILED = object()


def _shown(answer: Any) -> str:
    shown = (
        repr(answer)
        if isinstance(answer, (str, int, float))
        else f"a value of the type {type(answer).__name__}"
    )
    return shown if len(shown) <= 40 else shown[:39] + "…"


def _check_errors(errors: Mapping[str, Mapping[str, Any]], texts: int, share: float, path: str) -> None:
    for name, error in errors.items():
        if error["texts"] > share * texts:
            raise _fails(path, name, f"{error['texts']:,} of {texts:,}", error["first"])


def _fails(path: str, name: str, how_many: str, first: str) -> BadSpec:
    return BadSpec(
        "FunctionFails",
        f"{path}: `{name}` raises an error on {how_many} texts; the first: {first}.",
        "Mend it, or raise `maxErrorShare` if it is to abstain there.",
    )
