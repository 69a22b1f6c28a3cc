"""The WeakToStrongJob itself, and the rules that cross its parts."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from w2s_api.families import FAMILIES, Family, family_of
from w2s_api.input_template import OF_PAIRS, PASSAGES, TEXT_ALONE
from w2s_api.methods.adaptation_steps import ADAPTATION_STEPS
from w2s_api.methods.aggregations import AGGREGATIONS, AggregationSettings
from w2s_api.methods.finish_steps import FINISH_STEPS
from w2s_api.methods.labelers import LABELERS, LabelerSettings
from w2s_api.methods.losses import LOSSES
from w2s_api.methods.method import Method, field_of
from w2s_api.methods.selection_steps import SELECTION_STEPS, StepSettings
from w2s_api.methods.synthesis_steps.step import PAIR_FIELDS
from w2s_api.methods.tunings import TUNINGS
from w2s_api.metrics import METRICS, Metric
from w2s_api.names import ROOM, adaptation_stage, finish_stage
from w2s_api.places import cel_below, cel_overlap, is_below, overlap
from w2s_api.spec.adaptation import MOST_STEPS
from w2s_api.spec.base import (
    NAME_MEANING,
    NAME_PATTERN,
    DanglingReference,
    Rule,
    Struct,
    attribute_of,
    fits,
    immutable,
    refers,
    text,
)
from w2s_api.spec.data import Data
from w2s_api.spec.evaluation import Evaluation, Promotion, Report
from w2s_api.spec.finish import MOST_FINISH_STEPS
from w2s_api.spec.paths import Place, cel_for_all, values_at
from w2s_api.spec.pods import Execution, Pods
from w2s_api.spec.selection import Selection
from w2s_api.spec.storage import Storage
from w2s_api.spec.strong import Strong
from w2s_api.spec.synthesis import Synthesis
from w2s_api.spec.task import Task
from w2s_api.spec.unions import MethodUnion, only_types
from w2s_api.spec.weak import Aggregation, Weak

ManagedBy = Annotated[
    str,
    text(
        63,
        1,
        r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?/[-A-Za-z0-9._/]+$",
        'a domain and a name such as "example.com/controller"',
    ),
]


def _dangling_baselines(spec: "Spec") -> Iterator[DanglingReference]:
    computed = ("Weak", "Strong", *spec.evaluation.controls)
    for place, baseline in enumerate(spec.promotion.must_beat):
        if baseline not in computed:
            yield DanglingReference(("promotion", "mustBeat", place), baseline, computed)


def _named(
    kind: str,
    methods: Mapping[str, type[Method]],
    chosen: Callable[["Spec"], Iterable[tuple[Place, MethodUnion]]],
) -> Iterator[Rule]:
    """Rules that what settings name is there: classes of the task, and labelers.

    Args:
        kind: where the methods are chosen, for CEL: `weak.labelers[]`.
        methods: those that can be chosen there.
        chosen: those of a spec, with their places.
    """
    for method in methods.values():
        for path, message in method.names_classes.items():
            yield _names(kind, chosen, method, path, message, "task.classes", _label_names)
        for path, message in method.names_labelers.items():
            yield _names(kind, chosen, method, path, message, "weak.labelers", _labeler_names)


def _names(
    kind: str,
    chosen: Callable[["Spec"], Iterable[tuple[Place, MethodUnion]]],
    method: type[Method],
    path: str,
    message: str,
    named: str,
    known: Callable[["Spec"], tuple[str, ...] | None],
) -> Rule:
    def dangling(spec: "Spec") -> Iterator[DanglingReference]:
        names = known(spec)
        if names is None:
            return
        for place, choice in chosen(spec):
            settings = choice.given(method)
            for below, name in values_at(settings, path) if settings else ():
                if name not in names:
                    yield DanglingReference((*place, field_of(method), *below), name, names)

    cel = cel_for_all(  # `in`, which the API server takes to cost a tenth of `exists`: labelers may be many
        "self",
        f"{kind}.{field_of(method)}.{path}",
        lambda value: (
            f"!has(self.{named}) || !has({value}) || {value} in self.{named}.map(named, named.name)"
        ),
    )
    return refers(cel, message, kind.removesuffix("[]"), dangling)


def _no_gold_imported() -> Iterator[Rule]:
    """Rules that neither the expert's label nor the text is taken for a weak label."""
    for labeler in LABELERS.values():
        for path in labeler.names_fields:
            yield _is_no_gold(labeler, path)


def _is_no_gold(labeler: type[LabelerSettings], path: str) -> Rule:
    def holds(spec: "Spec") -> bool:
        fields = spec.data.fields
        given = (choice.given(labeler) for _, choice in _labelers(spec))
        return bool(spec.synthesis.steps) or not any(
            name in (fields.label, fields.text)
            for settings in given
            if settings
            for _, name in values_at(settings, path)
        )

    return Rule(
        cel="size(self.synthesis.steps) > 0 || "
        + cel_for_all(
            "self",
            f"weak.labelers[].{field_of(labeler)}.{path}",
            lambda value: f"!has({value}) || !({value} in [self.data.fields.label, self.data.fields.text])",
        ),
        message="`data.fields.label` and `data.fields.text` are no weak labels: experts' labels that teach would"
        " measure themselves",
        holds=holds,
        field="weak.labelers",
    )


def _enough_labelers(name: str, aggregation: type[AggregationSettings]) -> Rule:
    least = aggregation.least_labelers
    return Rule(
        cel=f"self.aggregation.type != '{name}' || size(self.weak.labelers) >= {least}",
        message=f"aggregation {name} needs at least {least} labelers: of fewer, how often they agree does not tell"
        " which of them is right. Write `aggregation: {type: WeightedAverage}`, or add labelers",
        holds=lambda spec: spec.aggregation.type != name or len(spec.weak.labelers) >= least,
        field="aggregation.type",
    )


def _enough_for_step(name: str, step: type[StepSettings]) -> Rule:
    least = step.least_labelers
    return Rule(
        cel=f"size(self.weak.labelers) >= {least} || !self.selection.steps.exists(s, s.type == '{name}')",
        message=f"selection step {name} needs at least {least} labelers: of fewer it would keep every text. Leave it out,"
        " or add labelers",
        holds=lambda spec: (
            len(spec.weak.labelers) >= least or all(step.type != name for step in spec.selection.steps)
        ),
        field="selection.steps",
    )


def _label_names(spec: "Spec") -> tuple[str, ...] | None:
    return family_of(spec.task).label_names(spec.task)


def _labeler_names(spec: "Spec") -> tuple[str, ...]:
    return tuple(labeler.name for labeler in spec.weak.labelers)


def _labelers(spec: "Spec") -> Iterator[tuple[Place, MethodUnion]]:
    return ((("weak", "labelers", number), labeler) for number, labeler in enumerate(spec.weak.labelers))


def _steps(spec: "Spec") -> Iterator[tuple[Place, MethodUnion]]:
    return ((("selection", "steps", number), step) for number, step in enumerate(spec.selection.steps))


def _applies(metric: Metric) -> Rule:
    """A metric is declared only where it can be computed."""
    return Rule(
        cel=f"self.promotion.metric != '{metric.name}' || {metric.cel}",
        message=f"metric {metric.name} needs {metric.needs}",
        holds=lambda s: s.promotion.metric != metric.name or metric.applies(s.task),
        field="promotion.metric",
    )


def _measures(family: Family) -> Rule:
    """The declared metric is one that measures this kind of task."""
    names = [metric.name for metric in METRICS.values() if family.name in metric.families]
    return Rule(
        cel=f"self.task.type != '{family.name}' || self.promotion.metric in {names}",
        message=f"a task of type {family.name} is measured by {' or '.join(names)}",
        holds=lambda s: s.task.type != family.name or s.promotion.metric in names,
        field="promotion.metric",
    )


def _needs_student(family: Family) -> Rule:
    """Where answers are not added up, the student is the candidate."""
    return Rule(
        cel=f"self.task.type != '{family.name}' || self.promotion.candidate == 'Student'",
        message=f"a task of type {family.name} has no combination: write `candidate: Student`",
        holds=lambda s: s.task.type != family.name or s.promotion.candidate == "Student",
        field="promotion.candidate",
    )


def _known_methods(family: Family) -> Iterator[Rule]:
    """A kind of task that knows only some of the methods is used with no other."""
    for field, known, methods, cel, given in (
        (
            "strong.tuning.type",
            family.tunings,
            TUNINGS,
            "self.strong.tuning.type in {}",
            lambda s: {s.strong.tuning.type},
        ),
        (
            "weak.labelers",
            family.labelers,
            LABELERS,
            "self.weak.labelers.all(l, l.type in {})",
            lambda s: {labeler.type for labeler in s.weak.labelers},
        ),
        (
            "aggregation.type",
            family.aggregations,
            AGGREGATIONS,
            "self.aggregation.type in {}",
            lambda s: {s.aggregation.type},
        ),
        (
            "strong.loss.type",
            family.losses,
            LOSSES,
            "self.strong.loss.type in {}",
            lambda s: {s.strong.loss.type},
        ),
        (
            "selection.steps",
            family.selections,
            SELECTION_STEPS,
            "self.selection.steps.all(s, s.type in {})",
            lambda s: {step.type for step in s.selection.steps},
        ),
        (
            "strong.finish.steps",
            None,
            FINISH_STEPS,
            "self.strong.finish.steps.all(s, s.type in {})",
            lambda s: {step.type for step in s.strong.finish.steps},
        ),
    ):
        names = _understood(family, known, methods)
        if names is not None:
            yield Rule(
                cel=f"self.task.type != '{family.name}' || {cel.format(list(names))}",
                message=f"a task of type {family.name} knows only {', '.join(names) or 'none'} here",
                holds=_only(family.name, set(names), given),
                field=field,
            )


def _understood(
    family: Family, known: tuple[str, ...] | None, methods: Mapping[str, type[Method]]
) -> tuple[str, ...] | None:
    """Of the methods of a table those that a kind of task knows; None: all of them."""
    if known is not None:
        return known
    names = tuple(
        name for name, method in methods.items() if not method.only_for or family.name in method.only_for
    )
    return names if len(names) < len(methods) else None


def _only(kind: str, known: set[str], given: Callable[["Spec"], set[str]]) -> Callable[["Spec"], bool]:
    return lambda spec: spec.task.type != kind or given(spec) <= known


_RULES = "functions.rules[]"
"""Of a labeler: those of type Functions."""


def _rules_write() -> Rule:
    """Rules write where the kind of task has texts, and vote where it has not."""
    writing = [family.name for family in FAMILIES.values() if family.writes]

    def dangling(spec: "Spec") -> Iterator[DanglingReference]:
        writes = family_of(spec.task).writes
        for place, labeler in _labelers(spec):
            for below, rule in values_at(labeler, _RULES):
                other = rule.class_name if writes else rule.write
                if other is not None:
                    field = "className" if writes else "write"
                    yield DanglingReference((*place, *below, field), other, ())

    return refers(
        cel=cel_for_all(
            "self",
            f"weak.labelers[].{_RULES}",
            lambda rule: f"has({rule}.write) == (self.task.type in {writing})",
        ),
        message=f"rules `write` when `task.type` is {' or '.join(writing)}, and name classes for every other",
        field="weak.labelers",
        dangling=dangling,
    )


def _writing_is_not_calibrated() -> Rule:
    """A temperature is of probabilities, and a text that is written has none to be fitted."""
    writing = [family.name for family in FAMILIES.values() if family.writes]
    return Rule(
        cel=f"!(self.task.type in {writing})"
        " || self.weak.labelers.all(l, !has(l.calibration) || l.calibration == 'None')",
        message=f"labelers are not calibrated when `task.type` is {' or '.join(writing)}: they write texts, and give no"
        " probabilities of classes. Write `calibration: None`, or leave it out",
        holds=lambda s: (
            s.task.type not in writing or all(labeler.calibration == "None" for labeler in s.weak.labelers)
        ),
        field="weak.labelers",
    )


def _writing_is_not_ordered() -> Rule:
    """The order of a training is by the confidence of classes."""
    writing = [family.name for family in FAMILIES.values() if family.writes]
    return Rule(
        cel=f"!(self.task.type in {writing}) || !has(self.strong.training) || !has(self.strong.training.order)"
        " || self.strong.training.order == 'Random'",
        message=f"`strong.training.order` can be Random only when `task.type` is {' or '.join(writing)}: it is by the"
        " probability of a class, and texts that are written have none. Leave it out",
        holds=lambda s: (
            s.task.type not in writing or s.strong.training is None or s.strong.training.order == "Random"
        ),
        field="strong.training.order",
    )


def _of_its_kind(labeler: type[LabelerSettings]) -> Iterator[Rule]:
    """Rules that settings which say something of classes, or of texts, alone stay at their defaults for other tasks."""
    of_texts = {family.name: family.writes for family in FAMILIES.values()}
    for fields, of in ((labeler.of_classes, "classes"), (labeler.of_texts, "texts that are written")):
        if fields:
            others = [name for name, writes in of_texts.items() if writes == (of == "classes")]
            yield _at_default(labeler, fields, others, of)


def _at_default(labeler: type[LabelerSettings], fields: tuple[str, ...], others: list[str], of: str) -> Rule:
    here = field_of(labeler)
    defaults = {
        name: labeler.model_fields[attribute_of(labeler, name)].get_default(call_default_factory=True)
        for name in fields
    }

    def dangling(spec: "Spec") -> Iterator[DanglingReference]:
        for place, choice in _labelers(spec):
            settings = choice.given(labeler) if spec.task.type in others else None
            for name, default in defaults.items():
                if settings and getattr(settings, attribute_of(labeler, name)) != default:
                    yield DanglingReference((*place, here, name), name, ())

    return refers(
        cel=f"!(self.task.type in {others}) || "
        + cel_for_all(
            "self",
            f"weak.labelers[].{here}",
            lambda value: f"!has({value}) || ({_all_at_default(value, defaults)})",
        ),
        message=f"{' and '.join(f'`{name}`' for name in fields)} of labelers of type {_name_of(labeler)} are for {of}: leave"
        f" them out when `task.type` is {' or '.join(others)}",
        field="weak.labelers",
        dangling=dangling,
    )


def _name_of(labeler: type[LabelerSettings]) -> str:
    return next(name for name, method in LABELERS.items() if method is labeler)


def _all_at_default(value: str, defaults: Mapping[str, Any]) -> str:
    """The CEL expression that fields of a struct are as if they were not given."""
    return " && ".join(_is_at_default(f"{value}.{name}", default) for name, default in defaults.items())


def _is_at_default(value: str, default: Any) -> str:
    if default is None:
        return f"!has({value})"
    same = f"size({value}) == 0" if default == [] else f"{value} == {json.dumps(default)}"
    return f"(!has({value}) || {same})"


def _labelers_are_tuned_to_write(family: Family) -> Rule:
    """A labeler is tuned as the strong model may be."""
    known = family.tunings or ()

    def dangling(spec: "Spec") -> Iterator[DanglingReference]:
        for place, labeler in _labelers(spec) if spec.task.type == family.name else ():
            for below, tuning in values_at(labeler, _TUNING):
                if tuning.type not in known:
                    yield DanglingReference((*place, *below, "type"), tuning.type, known)

    return refers(
        cel=f"self.task.type != '{family.name}' || "
        + cel_for_all(
            "self",
            f"weak.labelers[].{_TUNING.partition('.')[0]}",
            lambda labeler: (
                f"!has({labeler}) || (has({labeler}.tuning) && has({labeler}.tuning.type)"
                f" && {labeler}.tuning.type in {list(known)})"
            ),
        ),
        message=f"a labeler of a task of type {family.name} is tuned by {' or '.join(known)}: write `tuning: {{type:"
        f" {known[0]}}}`",
        field="weak.labelers",
        dangling=dangling,
    )


_TUNING = "finetuned.tuning"
"""Of a labeler: how it is tuned."""


def _judge_of_texts() -> Rule:
    """There is nothing to prefer in the name of a class: it is right or wrong."""
    writing = [family.name for family in FAMILIES.values() if family.writes]
    return Rule(
        cel=f"!has(self.evaluation.judge) || self.task.type in {writing}",
        message=f"`evaluation.judge` prefers texts: it is for tasks of type {' or '.join(writing)}. Leave it out",
        holds=lambda s: s.evaluation.judge is None or s.task.type in writing,
        field="evaluation.judge",
    )


def _writers_are_told_what() -> Rule:
    """A model that is asked to write, and is not told what, writes anything."""
    writing = [family.name for family in FAMILIES.values() if family.writes]
    return Rule(
        cel=f"!(self.task.type in {writing})"
        f" || !self.weak.labelers.exists(l, {only_types(LABELERS, 'is_asked', 'l.type')})"
        " || (has(self.task.instruction) && self.task.instruction != '')",
        message="a labeler that is asked to write needs an instruction: say what is to be written about each text",
        holds=lambda s: (
            s.task.type not in writing
            or bool(s.task.instruction)
            or not any(labeler.settings.is_asked for labeler in s.weak.labelers)
        ),
        field="task.instruction",
    )


def _pairs_are_written() -> Rule:
    """Pairs are of a question and a text that answers it."""
    writing = [family.name for family in FAMILIES.values() if family.writes]
    return Rule(
        cel=f"size(self.synthesis.steps) == 0 || self.task.type in {writing}",
        message=f"`synthesis` makes texts with written answers: it is for tasks of type {' or '.join(writing)}",
        holds=lambda s: not s.synthesis.steps or s.task.type in writing,
        field="synthesis.steps",
    )


def _pairs_have_no_gold() -> Rule:
    return Rule(
        cel="size(self.synthesis.steps) == 0 || !self.evaluation.ceiling",
        message="`evaluation.ceiling` needs gold labels in the pool, and the pairs of `synthesis.steps` have none: write"
        " `ceiling: false`",
        holds=lambda s: not s.synthesis.steps or not s.evaluation.ceiling,
        field="evaluation.ceiling",
    )


def _pairs_are_read_as_written() -> Rule:
    """The fields of a row are not those of the pairs that are made of its text."""
    return Rule(
        cel="size(self.synthesis.steps) == 0 || !has(self.task.generation)"
        f" || self.task.generation.prompt == '{TEXT_ALONE}'"
        f" || (has(self.task.generation.passages) && self.task.generation.prompt.matches(r'{OF_PAIRS}'))",
        message="beside `synthesis.steps`, models read pairs as `synthesis.text` writes them, and passages: leave other fields"
        " out of `task.generation.prompt`",
        holds=lambda s: (
            not s.synthesis.steps
            or s.task.generation is None
            or s.task.generation.prompt == TEXT_ALONE
            or (s.task.passages is not None and set(s.task.inputs) <= {PASSAGES})
        ),
        field="task.generation.prompt",
    )


def _imported_of_pairs() -> Rule:
    """Beside a synthesis, what came with the rows is what came with the pairs."""

    def dangling(spec: "Spec") -> Iterator[DanglingReference]:
        for place, labeler in _labelers(spec) if spec.synthesis.steps else ():
            for below, name in values_at(labeler, "imported.field"):
                if name not in PAIR_FIELDS:
                    yield DanglingReference((*place, *below), name, PAIR_FIELDS)

    return refers(
        cel="size(self.synthesis.steps) == 0 || "
        + cel_for_all(
            "self",
            "weak.labelers[].imported.field",
            lambda value: f"!has({value}) || {value} in {list(PAIR_FIELDS)}",
        ),
        message="beside `synthesis.steps` a labeler of type Imported takes what came with the pairs",
        field="weak.labelers",
        dangling=dangling,
    )


def _soft_targets_are_kept() -> Rule:
    """A loss that looks at token probabilities needs a labeler that keeps some."""
    keepers = [labeler for labeler in LABELERS.values() if "top_k" in labeler.model_fields]
    kept = " || ".join(f"(has(l.{field_of(one)}) && has(l.{field_of(one)}.topK))" for one in keepers)
    names = " or ".join(_name_of(one) for one in keepers)
    return Rule(
        cel=f"!({only_types(LOSSES, 'reads_opinions', 'self.strong.loss.type')})"
        f" || self.weak.labelers.exists(l, {kept})",
        message="the loss SoftTargets needs a labeler that keeps token probabilities: give one of type"
        f" {names} `topK`",
        holds=lambda s: (
            not s.strong.loss.settings.reads_opinions
            or any(getattr(labeler.settings, "top_k", None) for labeler in s.weak.labelers)
        ),
        field="strong.loss.type",
    )


def _apart(source: str, cel: str) -> Rule:
    """What is written must not be read again as data. Data may lie below `storage.uri`, beside what is written."""
    return Rule(
        cel=cel,
        message=f"`storage.uri` is the place of `{source}`, or lies below it: artifacts would be read as data. Give"
        " it a place of its own",
        holds=lambda spec: not any(is_below(spec.storage.uri, uri) for uri in _sources(spec)[source]),
        field="storage.uri",
    )


def _sources(spec: "Spec") -> dict[str, list[str]]:
    """The URIs of all data that are read, by field."""
    data = spec.data
    return {
        "data.unlabeled": [data.unlabeled.uri],
        "data.gold": [data.gold.uri],
        "data.test": [data.test.uri] if data.test else [],
        "data.asked": [data.asked.uri] if data.asked else [],
        "trainedOn.data": [uri for labeler in spec.weak.labelers for uri in labeler.settings.sources()],
        "strong.adaptation.steps": [
            uri for step in spec.strong.adaptation.steps for uri in step.settings.sources()
        ],
        "evaluation.retention": [spec.evaluation.retention.texts.uri] if spec.evaluation.retention else [],
    }


_CORPORA = (
    "pretrain.corpora[].uri",
    "pretrain.replay.corpora[].uri",
    "prune.corpora[].uri",
    "extendVocabulary.corpora[].uri",
    "extendVocabulary.general[].uri",
)
"""Where a step of the adaptation names texts."""


def _for_all_corpora(holds: Callable[[str], str]) -> str:
    """The CEL expression that something holds for every corpus of the adaptation."""
    return " && ".join(
        f"({cel_for_all('self', f'strong.adaptation.steps[].{path}', holds)})" for path in _CORPORA
    )


def _pretrains_on_no_gold() -> Rule:
    """Expert-labelled texts are not pretrained on: what the test has would be known to the model that it measures."""

    def dangling(spec: "Spec") -> Iterator[DanglingReference]:
        data = spec.data
        gold = [data.gold.uri, *([data.test.uri] if data.test else [])]
        for number, step in enumerate(spec.strong.adaptation.steps):
            for below, uri in (found for path in _CORPORA for found in values_at(step, path)):
                if any(overlap(uri, other) for other in gold):
                    yield DanglingReference(("strong", "adaptation", "steps", number, *below), uri, ())

    return refers(
        cel=_for_all_corpora(
            lambda uri: (
                f"!{cel_overlap(uri, 'self.data.gold.uri')}"
                f" && (!has(self.data.test) || !{cel_overlap(uri, 'self.data.test.uri')})"
            )
        ),
        message="a corpus of `strong.adaptation.steps` may be neither `data.gold` nor `data.test`, nor overlap with them: the"
        " model would have read the test",
        field="strong.adaptation.steps",
        dangling=dangling,
    )


_RETENTION = "self.evaluation.retention"


def _retention_rules() -> Iterator[Rule]:
    """What forgetting is measured on is nothing that was learnt, and what decides is measured."""
    yield Rule(
        cel=f"!has(self.promotion.maxForgetting) || has({_RETENTION})",
        message="`promotion.maxForgetting` refuses by what `evaluation.retention` measures: give it, or leave this out",
        holds=lambda s: s.promotion.max_forgetting is None or s.evaluation.retention is not None,
        field="promotion.maxForgetting",
    )
    writing = [family.name for family in FAMILIES.values() if family.writes]
    yield Rule(
        cel=f"!has({_RETENTION}) || self.task.type in {writing}"
        f" || !has({_RETENTION}.prompts) || size({_RETENTION}.prompts) == 0",
        message=f"`evaluation.retention.prompts` are answered by models that write: they are for tasks of type"
        f" {' or '.join(writing)}. Leave them out",
        holds=lambda s: (
            s.task.type in writing or s.evaluation.retention is None or not s.evaluation.retention.prompts
        ),
        field="evaluation.retention.prompts",
    )
    given = ("unlabeled", "gold", "test", "asked")
    uri = f"{_RETENTION}.texts.uri"
    yield Rule(
        cel=f"!has({_RETENTION}) || ("
        + " && ".join(
            f"(!has(self.data.{name}) || !{cel_overlap(uri, f'self.data.{name}.uri')})" for name in given
        )
        + f" && ({_for_all_corpora(lambda corpus: f'!{cel_overlap(uri, corpus)}')}))",
        message="`evaluation.retention.texts` may be no data of the job and no corpus of `strong.adaptation.steps`, nor overlap"
        " with them: on what was learnt nothing is forgotten",
        holds=_retention_is_apart,
        field="evaluation.retention.texts.uri",
    )


def _retention_is_apart(spec: "Spec") -> bool:
    retention, sources = spec.evaluation.retention, _sources(spec)
    if retention is None:
        return True
    learnt = [
        uri
        for name, uris in sources.items()
        if name not in ("evaluation.retention", "trainedOn.data")
        for uri in uris
    ]
    return not any(overlap(retention.texts.uri, uri) for uri in learnt)


class Spec(Struct):
    """What is wanted. It may be edited at any time: only what an edit changes is run again."""

    rules = (
        refers(
            cel="self.promotion.mustBeat.all(a, a in ['Weak', 'Strong'] || a in self.evaluation.controls)",
            message="`promotion.mustBeat` names an arm that is not computed: add it to `evaluation.controls`",
            field="promotion.mustBeat",
            dangling=_dangling_baselines,
        ),
        Rule(
            cel="!('Unfiltered' in self.promotion.mustBeat) || size(self.selection.steps) > 0",
            message="`promotion.mustBeat` names Unfiltered, but without `selection.steps` that arm is `strong`"
            " itself: leave it out, or select",
            holds=lambda s: "Unfiltered" not in s.promotion.must_beat or bool(s.selection.steps),
            field="promotion.mustBeat",
        ),
        Rule(
            cel="self.promotion.candidate != 'Student' || !('Strong' in self.promotion.mustBeat)",
            message="`promotion.mustBeat` names Strong, which is the candidate itself: leave it out, or write"
            " `candidate: Combined`",
            holds=lambda s: s.promotion.candidate != "Student" or "Strong" not in s.promotion.must_beat,
            field="promotion.mustBeat",
        ),
        Rule(
            cel="self.promotion.candidate != 'SelfTrained' || self.strong.rounds.max > 1",
            message="`candidate: SelfTrained` is the student of a round of self-training, and there is none: write"
            " `strong.rounds: {max: 2}`, or `candidate: Combined`",
            holds=lambda s: s.promotion.candidate != "SelfTrained" or s.strong.rounds.max > 1,
            field="promotion.candidate",
        ),
        Rule(
            cel="!has(self.strong.training) || !has(self.strong.training.privacy)"
            " || self.promotion.candidate == 'Student'",
            message="`strong.training.privacy` is kept by the student on weak labels alone: what is added to it learnt the same"
            " texts without noise. Write `promotion: {candidate: Student}`",
            holds=lambda s: not s.strong.schedule.privacy or s.promotion.candidate == "Student",
            field="promotion.candidate",
        ),
        *(_needs_student(family) for family in FAMILIES.values() if not family.has_combination),
        *(_applies(metric) for metric in METRICS.values() if metric.cel),
        *(_measures(family) for family in FAMILIES.values() if len(FAMILIES) > 1),
        *(rule for family in FAMILIES.values() for rule in _known_methods(family)),
        Rule(
            cel="self.promotion.publish != 'Adapter'"
            f" || {only_types(TUNINGS, 'leaves_adapter', 'self.strong.tuning.type')}",
            message="Adapter is for students tuned by LoRA: others leave nothing to keep apart from the model."
            " Write `publish: Merged`, or `strong.tuning: {type: LoRA}`",
            holds=lambda s: s.promotion.publish != "Adapter" or s.strong.tuning.settings.leaves_adapter,
            field="promotion.publish",
        ),
        Rule(
            cel=f"!self.selection.steps.exists(s, {only_types(SELECTION_STEPS, 'judges_by_budget', 's.type')})"
            f" || !self.weak.labelers.exists(l, {only_types(LABELERS, 'learns_budget', 'l.type')})",
            message="a step that learns from the gold budget where weak labels are right cannot be used beside a labeler that"
            " was tuned on that budget: of its own labels it is nearly always right. Leave one of the two out",
            holds=lambda s: (
                not any(step.settings.judges_by_budget for step in s.selection.steps)
                or not any(labeler.settings.learns_budget for labeler in s.weak.labelers)
            ),
            field="selection.steps",
        ),
        Rule(
            cel="self.promotion.publish != 'Adapter' || size(self.strong.adaptation.steps) == 0",
            message="an Adapter belongs to a model that others have, and one with `strong.adaptation.steps` is this job's"
            " alone. Write `publish: Merged`",
            holds=lambda s: s.promotion.publish != "Adapter" or not s.strong.adaptation.steps,
            field="promotion.publish",
        ),
        _pretrains_on_no_gold(),
        *_named("weak.labelers[]", LABELERS, _labelers),
        *_named("aggregation", AGGREGATIONS, lambda spec: [(("aggregation",), spec.aggregation)]),
        *_named("selection.steps[]", SELECTION_STEPS, _steps),
        _judge_of_texts(),
        *_retention_rules(),
        _rules_write(),
        _writing_is_not_calibrated(),
        _writing_is_not_ordered(),
        _writers_are_told_what(),
        Rule(
            cel="!has(self.task.generation)"
            " || !self.task.generation.prompt.contains('{' + self.data.fields.label + '}')",
            message="`task.generation.prompt` reads the expert's text (data.fields.label): a model would be shown what it is to"
            " write. Leave that field out",
            holds=lambda s: (
                s.task.generation is None or f"{{{s.data.fields.label}}}" not in s.task.generation.prompt
            ),
            field="task.generation.prompt",
        ),
        Rule(
            cel="!has(self.task.generation) || !has(self.task.generation.passages)"
            " || self.task.generation.passages.oracle != self.data.fields.label",
            message="`task.generation.passages.oracle` is the expert's text (data.fields.label): prompts would hold what is to"
            " be written. Name the field with the passage in which it stands",
            holds=lambda s: s.task.passages is None or s.task.passages.oracle != s.data.fields.label,
            field="task.generation.passages.oracle",
        ),
        _soft_targets_are_kept(),
        *(_labelers_are_tuned_to_write(family) for family in FAMILIES.values() if family.tunings),
        *(rule for labeler in LABELERS.values() for rule in _of_its_kind(labeler)),
        *_no_gold_imported(),
        _pairs_are_written(),
        _pairs_have_no_gold(),
        _pairs_are_read_as_written(),
        _imported_of_pairs(),
        *(
            _enough_labelers(name, method)
            for name, method in AGGREGATIONS.items()
            if method.least_labelers > 1
        ),
        *(
            _enough_for_step(name, method)
            for name, method in SELECTION_STEPS.items()
            if method.least_labelers > 1
        ),
        _apart("data.unlabeled", f"!{cel_below('self.storage.uri', 'self.data.unlabeled.uri')}"),
        _apart("data.gold", f"!{cel_below('self.storage.uri', 'self.data.gold.uri')}"),
        _apart(
            "data.test", f"!has(self.data.test) || !{cel_below('self.storage.uri', 'self.data.test.uri')}"
        ),
        _apart(
            "data.asked", f"!has(self.data.asked) || !{cel_below('self.storage.uri', 'self.data.asked.uri')}"
        ),
        _apart(
            "trainedOn.data",
            cel_for_all(
                "self",
                "weak.labelers[].classifier.trainedOn.data[].uri",
                lambda uri: f"!{cel_below('self.storage.uri', uri)}",
            ),
        ),
        _apart(
            "strong.adaptation.steps", _for_all_corpora(lambda uri: f"!{cel_below('self.storage.uri', uri)}")
        ),
        _apart(
            "evaluation.retention",
            f"!has(self.evaluation.retention) || !{cel_below('self.storage.uri', 'self.evaluation.retention.texts.uri')}",
        ),
        immutable("managedBy"),
    )

    task: Task = Field(description="What is to be decided about each text, or written about it.")
    data: Data = Field(description="Which texts there are, and which of them experts have labelled.")
    synthesis: Synthesis = Field(
        default_factory=Synthesis,
        description="What is made from the texts of the pool before it is labelled.",
    )
    storage: Storage = Field(description="Where artifacts, results and models are kept.")
    weak: Weak = Field(description="The weak labelers, whose labels the strong model learns from.")
    aggregation: Aggregation = Field(
        default_factory=Aggregation,
        description="How the labels of several labelers become one distribution per text.",
    )
    selection: Selection = Field(
        default_factory=Selection, description="Which weakly labelled texts the strong model is trained on."
    )
    strong: Strong = Field(description="The strong model, and how it is tuned.")
    evaluation: Evaluation = Field(
        default_factory=Evaluation, description="What the strong model is compared with."
    )
    promotion: Promotion = Field(
        default_factory=Promotion, description="What is published, and what it must beat before."
    )
    report: Report = Field(default_factory=Report, description="What the report may show.")
    pods: Pods = Field(
        default_factory=Pods,
        description="How the pods of the stages look. `w2s run` makes none and ignores it.",
    )
    execution: Execution = Field(
        default_factory=Execution,
        description="Queue, retries and deadlines on a cluster. `w2s run` ignores it.",
    )
    suspend: bool = Field(
        default=False,
        description="True: stop what runs, after it has saved its work, and start nothing until this is false"
        " again. Nothing that was done is lost.",
    )
    ttl_seconds_after_finished: Annotated[int, Field(ge=0, le=31_536_000)] | None = Field(
        default=None,
        description="Delete this object so long after its end. What it made stays in the store. Leave it out"
        " where GitOps applies the object, which would apply it again. Default: never.",
    )
    managed_by: ManagedBy | None = Field(
        default=None,
        description="Another controller that runs this job, in place of the w2s operator. It cannot be changed"
        " once it is given. Default: the operator.",
    )


_LABEL = len("label-") + len("-255")
"""Of the name of a shard, beside the labeler's."""
_DEEP = len("train-unfiltered-19")
"""The longest name of a stage that tunes beyond a head."""
_FINISH = max(len(finish_stage(MOST_FINISH_STEPS - 1, name, 19)) for name in FINISH_STEPS)
"""The longest name of a stage that changes what was tuned."""
_ADAPT = len(adaptation_stage(MOST_STEPS, "Pretrain"))
"""The longest name of a stage where the strong model is adapted and students are heads, but for the steps below."""
_LONG_STEPS = {
    name: length for name in ADAPTATION_STEPS if (length := len(adaptation_stage(MOST_STEPS, name))) > _ADAPT
}
"""Steps whose stages have longer names, by their type: only they leave less room."""
_STEPS = "self.spec.strong.adaptation.steps"
_CEL_ADAPT = str(_ADAPT)
for _name, _length in sorted(_LONG_STEPS.items(), key=lambda item: item[1]):
    _CEL_ADAPT = f"({_STEPS}.exists(s, s.type == '{_name}') ? {_length} : {_CEL_ADAPT})"


def _room_lacking_for_steps(job: "WeakToStrongJob") -> int:
    steps = job.spec.strong.adaptation.steps
    longest = max((_LONG_STEPS.get(step.type, _ADAPT) for step in steps), default=None)
    return 0 if longest is None else len(job.metadata.name) - (ROOM - longest)


LONGEST_NAME = ROOM - _LABEL - 1
"""Characters of a name beside a labeler's name of one."""


def _longest_labeler(job: "WeakToStrongJob") -> int:
    return max(len(labeler.name) for labeler in job.spec.weak.labelers)


class Metadata(Struct):
    """The Kubernetes object metadata; what is not named here is the API server's to judge."""

    model_config = ConfigDict(extra="allow")

    name: Annotated[str, text(LONGEST_NAME, 1, NAME_PATTERN, NAME_MEANING)]
    namespace: Annotated[str, text(63, 1, NAME_PATTERN, NAME_MEANING)] = "default"
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)


class WeakToStrongJob(Struct):
    """A job that turns a weak model and a pool of unlabelled text into a strong specialised model.

    It measures, too, whether that was worth it: against the weak model, against the strong model as it came,
    and against tuning on the expert labels alone.
    """

    rules = (
        fits(
            f"size(self.metadata.name) - {LONGEST_NAME}",
            f"`metadata.name` may have {LONGEST_NAME} characters: Jobs are named after it",
            "metadata.name",
            lambda job: len(job.metadata.name) - LONGEST_NAME,
        ),
        fits(
            "size(self.metadata.name) + size(self.spec.weak.labelers.filter(l,"
            " self.spec.weak.labelers.all(other, size(other.name) <= size(l.name)))[0].name)"
            f" - {ROOM - _LABEL}",
            f"`metadata.name` and the longest name in `spec.weak.labelers` may have {ROOM - _LABEL} characters"
            " together, for Jobs are named after both: shorten one of them",
            "metadata.name",
            lambda job: len(job.metadata.name) + _longest_labeler(job) - (ROOM - _LABEL),
        ),
        fits(
            f"{only_types(TUNINGS, 'on_frozen_model', 'self.spec.strong.tuning.type')} ? 0"
            f" : size(self.metadata.name) - {ROOM - _DEEP}",
            f"`metadata.name` may have {ROOM - _DEEP} characters where `spec.strong.tuning.type` is LoRA or Full:"
            " Jobs are named after it and after the arm and seed that they tune",
            "metadata.name",
            lambda job: (
                0
                if job.spec.strong.tuning.settings.on_frozen_model
                else len(job.metadata.name) - (ROOM - _DEEP)
            ),
        ),
        fits(
            f"size({_STEPS}) == 0 ? 0 : size(self.metadata.name) - {ROOM} + {_CEL_ADAPT}",
            f"`metadata.name` may have {ROOM - _ADAPT} characters where there are `spec.strong.adaptation.steps`"
            + "".join(f", {ROOM - length} with one of type {name}" for name, length in _LONG_STEPS.items())
            + ": Jobs are named after it and after the step",
            "metadata.name",
            lambda job: _room_lacking_for_steps(job),
        ),
        fits(
            f"size(self.spec.strong.finish.steps) == 0 ? 0 : size(self.metadata.name) - {ROOM - _FINISH}",
            f"`metadata.name` may have {ROOM - _FINISH} characters where there are `spec.strong.finish.steps`: Jobs are named"
            " after it, after the step and its seed",
            "metadata.name",
            lambda job: len(job.metadata.name) - (ROOM - _FINISH) if job.spec.strong.finish.steps else 0,
        ),
        Rule(
            cel=f"self.metadata.name.matches('{NAME_PATTERN}')",
            message=f"`metadata.name` must be {NAME_MEANING}: Jobs are named after it",
            holds=lambda job: re.fullmatch(NAME_PATTERN, job.metadata.name) is not None,
            field="metadata.name",
        ),
    )

    api_version: Literal["w2s.dev/v1alpha1"]
    kind: Literal["WeakToStrongJob"]
    metadata: Metadata
    spec: Spec
    status: dict[str, Any] | None = None
