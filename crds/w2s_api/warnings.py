"""What is valid in a manifest and was surely not meant: said by `w2s validate`, before anything runs."""

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal

from w2s_api.families import family_of
from w2s_api.methods.method import field_of
from w2s_api.spec.job import Spec
from w2s_api.spec.paths import Place
from w2s_api.spec.pods import PodSettings
from w2s_api.validation import Problem

_SUFFIXES: dict[str, int | Decimal] = {
    "": 1,
    "m": Decimal("0.001"),
    **{unit: 1000**power for power, unit in enumerate(("k", "M", "G", "T", "P", "E"), 1)},
    **{unit: 1024**power for power, unit in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"), 1)},
}
_LEAST_BYTES = 1024**2
_MOST_CORES = 512


def warnings(spec: Spec) -> list[Problem]:
    """Every doubt about a spec, in the order of its fields."""
    return [*labeler_warnings(spec), *judge_warnings(spec), *adaptation_warnings(spec), *pod_warnings(spec)]


def labeler_warnings(spec: Spec) -> Iterator[Problem]:
    """Yields what is doubtful in the labelers, and classes that no labeler can vote for."""
    for number, labeler in enumerate(spec.weak.labelers):
        path: Place = ("spec", "weak", "labelers", number, field_of(labeler.method))
        for place, doubt in labeler.settings.doubts():
            yield Problem((*path, *place), doubt)
    voted_for = [labeler.settings.votes_for() for labeler in spec.weak.labelers]
    known = [classes for classes in voted_for if classes is not None]
    if len(known) == len(voted_for):
        for name in family_of(spec.task).label_names(spec.task) or ():
            if name not in frozenset().union(*known):
                yield Problem(
                    ("spec", "weak", "labelers"),
                    f"no rule votes for the class {name!r}: no text will get it as its weak label",
                )


def judge_warnings(spec: Spec) -> Iterator[Problem]:
    """Yields judges that rate what they said themselves: models prefer their own texts (Panickssery et al. 2024)."""
    authors = {uri: labeler.name for labeler in spec.weak.labelers for uri in labeler.settings.models()}
    for number, step in enumerate(spec.selection.steps):
        for uri in step.settings.models():
            if uri in authors:
                yield Problem(
                    ("spec", "selection", "steps", number, field_of(step.method), "model", "uri"),
                    f"{uri} is also the model of the labeler {authors[uri]!r}: models rate their own answers too high. Name"
                    " another judge",
                )
    if judge := spec.evaluation.judge:
        authors |= {spec.strong.model.uri: "strong"}
        if judge.model.uri in authors:
            yield Problem(
                ("spec", "evaluation", "judge", "model", "uri"),
                f"{judge.model.uri} is also the model of {authors[judge.model.uri]!r}: models prefer texts of their own kind."
                " Name another judge",
            )


def adaptation_warnings(spec: Spec) -> Iterator[Problem]:
    """Yields steps that add tokens and are followed by none that learns what they mean."""
    steps = spec.strong.adaptation.steps
    for number, step in enumerate(steps):
        if step.settings.adds_tokens and not any(
            later.settings.learns_tokens for later in steps[number + 1 :]
        ):
            yield Problem(
                ("spec", "strong", "adaptation", "steps", number, field_of(step.method)),
                "no step Pretrain follows: the new tokens stay at the mean of their pieces, which the model has never seen",
            )


def pod_warnings(spec: Spec) -> Iterator[Problem]:
    """Amounts that Kubernetes takes for something else than what was meant."""
    for kind in type(spec.pods).model_fields:
        settings: PodSettings | None = getattr(spec.pods, kind)
        if settings is None:
            continue
        path: Place = ("spec", "pods", kind)
        if settings.cache and settings.cache.size_limit:
            yield from _amount((*path, "cache", "sizeLimit"), "memory", settings.cache.size_limit)
        if settings.shared_memory:
            yield from _amount((*path, "sharedMemory"), "memory", settings.shared_memory)
        if settings.resources is None:
            continue
        requests, limits = settings.resources.requests or {}, settings.resources.limits or {}
        for field, amounts in (("requests", requests), ("limits", limits)):
            for name, amount in amounts.items():
                yield from _amount((*path, "resources", field, name), name, amount)
        yield from _above_limits((*path, "resources", "requests"), requests, limits)


def _amount(path: Place, name: str, amount: str) -> Iterator[Problem]:
    value = _value(amount)
    if name in ("memory", "ephemeral-storage", "storage") or name.startswith("hugepages-"):
        if amount.endswith("m"):
            number = amount[:-1]
            yield Problem(path, f"{amount} are thousandths of a byte: for {number} MiB write {number}Mi")
        elif value % 1:
            yield Problem(path, f"{amount} is no whole number of bytes: write it in a smaller unit, as Mi")
        elif 0 < value < _LEAST_BYTES:
            unit = f": for {amount} MiB write {amount}Mi" if amount.isdigit() else ""
            yield Problem(path, f"{amount} is only {int(value):,} bytes{unit}")
    elif name == "cpu":
        if value > _MOST_CORES:
            unit = f": for {amount} thousandths of a core write {amount}m" if amount.isdigit() else ""
            yield Problem(path, f"{amount} is {int(value):,} cores{unit}")
        elif value * 1000 % 1:
            yield Problem(path, f"{amount} is finer than a thousandth of a core, which Kubernetes refuses")
    elif value % 1:
        yield Problem(path, f"{amount} of {name}: Kubernetes gives only whole ones")


def _above_limits(path: Place, requests: Mapping[str, str], limits: Mapping[str, str]) -> Iterator[Problem]:
    for name, amount in requests.items():
        if name in limits and _value(amount) > _value(limits[name]):
            yield Problem(
                (*path, name),
                f"{amount} is more than the limit of {limits[name]}: Kubernetes refuses such a pod",
            )


def _value(amount: str) -> Decimal:
    number = re.match(r"[0-9.]+", amount)
    assert number is not None, "the pattern of quantities"
    return Decimal(number[0]) * _SUFFIXES[amount[number.end() :]]
