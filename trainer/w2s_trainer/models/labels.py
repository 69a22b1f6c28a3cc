"""What the outputs of a classifier are called: one of K classes, or it is no classifier."""

import unicodedata
from collections import Counter
from pathlib import Path
from typing import Any

from w2s_trainer.errors import BadSpec
from w2s_trainer.models.folder import CONFIG, read_object

_OTHER_CLASSES = ("ForTokenClassification", "ForMultipleChoice", "ForQuestionAnswering")
_ONE_CLASS = "single_label_classification"


def check_classifier_config(directory: Path, name: str) -> dict[int, str]:
    """Checks that a model's config is that of a classifier that decides for one of several classes.

    Args:
        directory: of the model.
        name: what a person calls it.

    Returns:
        The label of each output, by its place. Empty where the config has no names.

    Raises:
        BadSpec: it scores, or decides on each label by itself, has one output, or its names are no names.
    """
    written = read_object(directory / CONFIG, name, "BadModelConfig")
    _check_problem(written, name)
    _check_class(written.get("architectures"), name)
    labels = _labels(written.get("id2label"), name)
    _check_inverse(labels, written.get("label2id"), name)
    outputs = len(labels) or written.get("num_labels")
    declared = written.get("num_labels")
    if labels and isinstance(declared, int) and declared != len(labels):
        raise _bad_labels(name, f"`num_labels` is {declared}, and `id2label` has {len(labels)} entries")
    if outputs == 1:
        raise _no_classifier(name, "it has one output: that is a score, and no choice between classes")
    return labels


def _check_problem(written: dict[str, Any], name: str) -> None:
    problem = written.get("problem_type")
    if problem is None or problem == _ONE_CLASS:
        return
    why = {
        "regression": "it gives numbers and no classes",
        "multi_label_classification": "it decides on each label by itself, so that a text may have several or none",
    }.get(problem, f"no kind that w2s knows; {_ONE_CLASS} is")
    raise _no_classifier(name, f"`problem_type` in its {CONFIG} is {problem!r}: {why}")


def _check_class(architectures: Any, name: str) -> None:
    """Refuses classes whose heads may fit a classifier of texts in every shape, and mean something else."""
    for architecture in architectures if isinstance(architectures, list) else []:
        if isinstance(architecture, str) and architecture.endswith(_OTHER_CLASSES):
            raise _no_classifier(name, f"`architectures` in its {CONFIG} is {architecture}")


def _labels(written: Any, name: str) -> dict[int, str]:
    if written is None:
        return {}
    if not isinstance(written, dict):
        raise _bad_labels(name, "`id2label` is no object")
    try:
        labels = {int(key): value for key, value in written.items()}
    except ValueError:
        raise _bad_labels(
            name, f"a key of `id2label` is no number: {', '.join(map(repr, written))}"[:200]
        ) from None
    if sorted(labels) != list(range(len(labels))):
        raise _bad_labels(name, f"the keys of `id2label` are {sorted(labels)}, and not 0, 1, …"[:200])
    for value in labels.values():
        if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
            raise _bad_labels(name, f"a name in `id2label` is {value!r}, and no text")
    named = {place: str(value) for place, value in sorted(labels.items())}
    alike = Counter(unicodedata.normalize("NFC", label) for label in named.values())  # one name to a reader
    twice = [label for label, count in alike.items() if count > 1]
    if twice:
        raise _bad_labels(name, f"two outputs have the name {twice[0]!r} in `id2label`")
    return named


def _check_inverse(labels: dict[int, str], places: Any, name: str) -> None:
    """Refuses a `label2id` that says another place of a label than `id2label`; names that only it has mean nothing."""
    if not isinstance(places, dict):
        return
    for place, label in labels.items():
        other = places.get(label, place)
        if other != place:
            raise _bad_labels(
                name, f"`id2label` has {label!r} for output {place}, and `label2id` for output {other}"
            )


def _bad_labels(name: str, what: str) -> BadSpec:
    return BadSpec(
        "BadModelLabels",
        f"{name}: {what} ({CONFIG}).",
        'Write there one name for each output, as {"0": "first", "1": "second"}.',
    )


def _no_classifier(name: str, why: str) -> BadSpec:
    return BadSpec(
        "NotAClassifier",
        f"{name}: not a classifier that decides for one of several classes: {why}.",
        "Name a model that was trained with one class for each text (`problem_type`: single_label_classification,"
        " an output for each class), or leave `problem_type` out where it is wrong.",
    )
