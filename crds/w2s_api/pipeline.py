"""The one place that knows which stages a spec means, in what order, and what each depends on."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from w2s_api.arms import ARMS, LearnsFrom, arms_of, candidate_of, on_frozen_model
from w2s_api.families import family_of
from w2s_api.keys import canonical, stage_key
from w2s_api.methods.losses import CrossEntropy
from w2s_api.methods.method import Method
from w2s_api.methods.tunings import Head
from w2s_api.names import StageKind, adaptation_stage, finish_stage
from w2s_api.spec.base import Struct
from w2s_api.spec.job import Spec
from w2s_api.spec.strong import Strong
from w2s_api.spec.task import Task
from w2s_api.spec.weak import Labeler
from w2s_api.stage import ModelReference, Read, Role, Stage

VERSIONS: Mapping[str, int] = {
    "prepare": 2,
    "synthesise": 1,
    "retrieve": 1,
    "Temperature": 1,
    "ZeroShot": 1,
    "PoolSample": 1,
    "GoldSchedule": 1,
    "combine": 1,
    "SelfTraining": 1,
    "retention": 1,
    "evaluate": 5,
    "promote": 2,
}
"""Of what has no settings class of its own. What gives other results for the same settings gets the next number, and its
work is done anew; of methods the number stands with their settings (`w2s_api.methods`)."""


@dataclass
class _Builder:
    stages: dict[str, Stage] = field(default_factory=dict)

    def add(
        self,
        name: str,
        kind: StageKind,
        inputs: Mapping[str, Any],
        methods: Iterable[type[Method] | str],
        roles: Mapping[Role, tuple[str, ...]] | None = None,
        model: ModelReference | None = None,
        reads: tuple[Read, ...] = (),
        **more: Any,
    ) -> None:
        versions = dict(sorted(map(_version, methods)))
        if model and model.uri:
            reads = (*reads, Read(model.uri, "model"))
        if model and model.stage:
            roles = {**(roles or {}), "model": (model.stage,)}
        stage = Stage(
            name, kind, roles or {}, canonical(inputs), versions, key="", model=model, reads=reads, **more
        )
        needs = [(need, self.stages[need].key) for need in stage.needs]
        self.stages[name] = replace(stage, key=stage_key(kind, stage.inputs, versions, needs))

    @property
    def examples(self) -> dict[Role, tuple[str, ...]]:
        """Whose texts are labelled, learnt from and measured on, and who has the experts' labels."""
        texts = [*self.names("prepare"), *self.names("synthesise"), *self.names("retrieve")]
        return {"examples": (texts[-1],), "gold": ("prepare",)}

    def names(self, kind: StageKind) -> tuple[str, ...]:
        """The stages of a kind so far."""
        return tuple(name for name, stage in self.stages.items() if stage.kind == kind)


def _version(method: type[Method] | str) -> tuple[str, int]:
    if isinstance(method, str):
        return method, VERSIONS[method]
    return method.__name__, method.version


def pipeline(spec: Spec) -> tuple[Stage, ...]:
    """The stages of a spec, each after those it needs. Pure."""
    build = _Builder()
    task, data, weak, strong, evaluation = spec.task, spec.data, spec.weak, spec.strong, spec.evaluation
    labels = family_of(task).label_inputs(task)

    seen = sorted({uri for labeler in weak.labelers for uri in labeler.settings.sources()})
    # Beside pairs, what came with the rows is not read.
    own_rows = [] if spec.synthesis.steps else weak.labelers
    votes = sorted({name for labeler in own_rows for name in labeler.settings.vote_fields()})
    numbers = sorted({name for labeler in own_rows for name in labeler.settings.number_fields()})
    given = [source.uri for source in (data.test, data.asked) if source]
    sources = [data.unlabeled.uri, data.gold.uri, *given, *seen]
    build.add(
        "prepare",
        "prepare",
        {
            **labels,
            "data": _settings(data, without={"gold_budget", *(_DIVISION if data.test else ())}),
            "task.generation.prompt": sorted(task.row_fields) or None,
            "weak.labelers[].classifier.trainedOn.data": seen or None,
            "weak.labelers[].imported": {"votes": votes or None, "numbers": numbers or None},
        },
        ["prepare"],
        always_runs=True,
        reads=tuple(Read(uri, "data") for uri in sources),
    )

    if steps := [step.settings for step in spec.synthesis.steps]:
        build.add(
            "synthesise",
            "synthesise",
            {
                "synthesis": spec.synthesis.result_settings(),
                "task.generation.passages.oracle": task.passages.oracle if task.passages else None,
            },
            ["synthesise", *(method for step in steps for method in (type(step), *step.uses()))],
            build.examples,
            reads=tuple(
                Read(uri, "model") for uri in sorted({uri for step in steps for uri in step.models()})
            ),
        )

    _add_passages(build, spec)
    model = _add_adaptation(build, spec)
    budget = {"data.goldBudget": data.gold_budget}
    seeds = {"evaluation.seeds": _unless_default(evaluation, "seeds")}
    for labeler in weak.labelers:
        build.add(
            f"label-{labeler.name}",
            "label",
            {
                **_label_inputs(task, labeler),
                "weak.labelers[]": labeler.result_settings(),
                **({**budget, **seeds} if labeler.sees_gold else {}),
            },
            _labeler_methods(labeler),
            build.examples,
            model=next((ModelReference(uri=uri) for uri in labeler.settings.models()), None),
            shards=labeler.shards,
            labeler=labeler.name,
        )
    opinions = build.names("label")

    on_features = spec.aggregation.settings.reads_features
    build.add(
        "aggregate",
        "aggregate",
        {
            "aggregation": spec.aggregation.result_settings(),
            **({"strong": _head_settings(strong)} if on_features else {}),
        },
        [spec.aggregation.method, *spec.aggregation.settings.uses()],
        {**build.examples, "opinions": opinions},
        model=model if on_features else None,
    )
    _add_selection(build, spec, model)
    _add_training(build, spec, labels, model)
    finished = _add_finish(build, spec, model)
    published = finished.get(FIRST_SEED) or next(
        name for name in build.names("train") if name in ("train", f"train-strong-{FIRST_SEED}")
    )
    combined = _add_combination(build, spec, model, finished)
    rounds = _add_rounds(build, spec, model)
    students = build.names("train")
    retention = _add_retention(build, spec, model, published)
    build.add(
        "evaluate",
        "evaluate",
        {
            "task": task,
            "evaluation": _settings(evaluation, without=_NOT_MEASURED),
            "promotion": _settings(spec.promotion, without={"publish"}),
            "report": spec.report,
            "weak.labelers[].trainedOn.type": {
                labeler.name: elsewhere.type
                for labeler in weak.labelers
                if (elsewhere := labeler.settings.trained_elsewhere()) and elsewhere.type != "Unknown"
            },
        },
        ["evaluate"],
        {
            **build.examples,
            "opinions": opinions,
            "labels": ("aggregate",),
            "selection": ("select",),
            "students": students,
            **combined,
            **rounds,
            **({"pairs": build.names("synthesise")} if task.passages and spec.synthesis.steps else {}),
            **({"adaptation": build.names("adapt")} if strong.adaptation.steps else {}),
            **retention,
            **({"finish": build.names("finish")} if finished else {}),
        },
        always_runs=True,
        reads=(Read(evaluation.judge.model.uri, "model"),) if evaluation.judge else (),
    )
    build.add(
        "promote",
        "promote",
        {"promotion": spec.promotion},
        ["promote"],
        {
            "student": (published,),
            **_gold_student(build, spec),
            **(
                {**combined, "opinions": opinions}
                if candidate_of(spec).name in ("combined", "self-trained")
                else {}
            ),
            **(rounds if candidate_of(spec).name == "self-trained" else {}),
            "results": ("evaluate",),
        },
        always_runs=True,
        model=model,
    )
    return tuple(build.stages.values())


def _add_passages(build: _Builder, spec: Spec) -> None:
    """The stage that puts passages beside the texts, where prompts have some."""
    passages = spec.task.passages
    if passages is None:
        return
    model = passages.model or spec.strong.model
    build.add(
        "retrieve",
        "retrieve",
        {
            "task.generation.prompt": sorted(spec.task.inputs),
            "task.generation.passages": {**passages.result_settings(), "model": model},
            "strong": {"maxTokens": _unless_default(spec.strong, "max_tokens")},
            "data.nearDuplicates": spec.data.near_duplicates,
        },
        ["retrieve"],
        build.examples,
        model=ModelReference(uri=model.uri),
        reads=(Read(passages.more.uri, "data"),) if passages.more else (),
    )


def _add_adaptation(build: _Builder, spec: Spec) -> ModelReference:
    """A stage for each step that changes the strong model; the model that everything after them reads."""
    strong = spec.strong
    model = ModelReference(uri=strong.model.uri)
    for place, step in enumerate(strong.adaptation.steps):
        settings = step.settings
        name = adaptation_stage(place, step.type)
        build.add(
            name,
            "adapt",
            {
                **({"strong": {"model": strong.model}} if model.uri else {}),
                "strong.adaptation.steps[]": step.result_settings(),
            },
            [step.method, *settings.uses()],
            build.examples,
            model=model,
            reads=(
                *(Read(uri, "data") for uri in dict.fromkeys(settings.sources())),
                *(Read(uri, "model") for uri in dict.fromkeys(settings.models())),
            ),
            processes=settings.processes,
            step=place,
        )
        model = ModelReference(stage=name)
    return model


def _add_finish(build: _Builder, spec: Spec, model: ModelReference) -> Mapping[int, str]:
    """A stage for each step and seed that changes a student after its training; the last one of each seed."""
    strong, evaluation = spec.strong, spec.evaluation
    seeds = range(FIRST_SEED, FIRST_SEED + evaluation.seeds)
    is_added_up = family_of(spec.task).has_heads and ARMS["combined"].absent(spec) is None
    asked = ["PoolSample"] if is_added_up else []
    finished: dict[int, str] = {}
    for place, step in enumerate(strong.finish.steps):
        settings = step.settings
        on_budget = {
            "data.goldBudget": spec.data.gold_budget,
            # What learns from the budget chooses nothing by it.
            "promotion.metric": None if settings.learns_budget else spec.promotion.metric,
        }
        for seed in seeds:
            before = finished.get(seed, f"train-strong-{seed}")
            name = finish_stage(place, step.type, seed)
            build.add(
                name,
                "finish",
                {
                    **_taught(spec.task),
                    "strong": {
                        "model": strong.model,
                        "maxTokens": _unless_default(strong, "max_tokens"),
                        "tuning": strong.tuning.result_settings(),
                    },
                    **(on_budget if settings.reads_budget else {}),
                    "strong.finish.steps[]": step.result_settings(),
                    "seed": seed,
                },
                [step.method, *settings.uses(), strong.tuning.method, *asked],
                {
                    **build.examples,
                    "student": (before,),
                    **({"labels": ("aggregate",)} if settings.reads_labels else {}),
                },
                model=model,
                reads=tuple(Read(uri, "data") for uri in dict.fromkeys(settings.sources())),
                processes=settings.processes,
                arm="strong",
                seed=seed,
                step=place,
            )
            finished[seed] = name
    return finished


def _before_gold(build: _Builder, spec: Spec) -> Mapping[Role, tuple[str, ...]]:
    """The students before the first step of the finish that learns from the gold budget, where there is one."""
    learns = [step.settings.learns_budget for step in spec.strong.finish.steps]
    if not any(learns):
        return {}
    first = learns.index(True)
    made = [stage for stage in build.stages.values() if stage.kind == "finish" and stage.step == first]
    return {"unfinished": tuple(name for stage in made for name in stage.roles["student"])}


def _gold_student(build: _Builder, spec: Spec) -> Mapping[Role, tuple[str, ...]]:
    """The student on gold labels of the published seed, where of several texts one is taken and it may have written it."""
    name = f"train-gold-only-{FIRST_SEED}"
    if family_of(spec.task).has_heads or candidate_of(spec).name != "combined" or name not in build.stages:
        return {}
    return {"gold-student": (name,)}


def _add_selection(build: _Builder, spec: Spec, model: ModelReference) -> None:
    """A selection reads what its steps look at, and nothing else."""
    steps = [step.settings for step in spec.selection.steps]
    sights = {sight for step in steps for sight in step.looks_at}
    roles: dict[Role, tuple[str, ...]] = {**build.examples, "labels": ("aggregate",)}
    inputs: dict[str, Any] = {"selection.steps": [step.result_settings() for step in spec.selection.steps]}
    if "opinions" in sights:
        roles["opinions"] = build.names("label")
    if "students" in sights:
        roles["students"] = build.names("train")
    if "features" in sights:
        inputs["strong"] = {
            "model": spec.strong.model,
            "maxTokens": _unless_default(spec.strong, "max_tokens"),
        }
    reads_strong = any(step.reads_strong() for step in steps)
    if reads_strong:
        inputs.setdefault("strong", {"model": spec.strong.model})
    used = [method for step in steps for method in (type(step), *step.uses())]
    if Head in used:
        inputs["strong"]["tuning"] = {"head": spec.strong.tuning.head}
    if any(step.asks_question for step in steps):
        inputs |= family_of(spec.task).question_inputs(spec.task)
    if any(step.sees_gold() for step in steps):
        inputs["data.goldBudget"] = spec.data.gold_budget
        inputs["evaluation.seeds"] = _unless_default(spec.evaluation, "seeds")
    asked = dict.fromkeys(uri for step in steps for uri in step.models())
    build.add(
        "select",
        "select",
        inputs,
        used,
        roles,
        model=model if "features" in sights or reads_strong else None,
        reads=tuple(Read(uri, "model") for uri in asked),
    )


def _add_training(build: _Builder, spec: Spec, labels: Mapping[str, Any], model: ModelReference) -> None:
    """Heads of all arms share one process and one pass over the texts; deeper tuning has one an arm and seed."""
    strong, evaluation, budget = spec.strong, spec.evaluation, {"data.goldBudget": spec.data.gold_budget}
    seeds = {"evaluation.seeds": _unless_default(evaluation, "seeds")}
    deep = not strong.tuning.settings.on_frozen_model
    on_frozen = {arm.control for arm in ARMS.values() if on_frozen_model(arm, deep)}
    frozen = on_frozen.intersection(evaluation.controls)
    family = family_of(spec.task)
    if not family.has_zero_shot:
        frozen -= {"ZeroShot"}
    if not family.has_heads:
        frozen -= {"Head"}
    ceiling = evaluation.ceiling and not deep
    if frozen and not family.has_heads:
        build.add(
            "train-frozen",
            "train",
            {
                **family.question_inputs(spec.task),
                "strong": {"model": strong.model, "maxTokens": _unless_default(strong, "max_tokens")},
            },
            ["ZeroShot"],
            build.examples,
            model=model,
        )
    elif frozen or not deep:
        build.add(
            "train-frozen" if deep else "train",
            "train",
            {
                **(family.question_inputs(spec.task) if "ZeroShot" in frozen else labels),
                "strong": _frozen_settings(strong),
                "evaluation.controls": sorted(frozen),
                "evaluation.ceiling": ceiling or None,
                **(budget if "GoldOnly" in frozen else {}),
                **(seeds if "GoldOnly" in frozen or ceiling else {}),
            },
            [Head, CrossEntropy, *(["ZeroShot"] if "ZeroShot" in frozen else [])],
            {**build.examples, **_TRAINING_ROLES[LearnsFrom.SELECTED_LABELS]},
            model=model,
        )
    if not deep:
        _add_unadapted_heads(build, spec, labels)
        return
    settings: dict[str, Any] = {
        **_taught(spec.task),
        "strong": {
            **_settings(
                strong, without={"adaptation", "batch_tokens", "finish", "tuning", "loss", "training"}
            ),
            "tuning": strong.tuning.result_settings(),
            "loss": strong.loss.result_settings(),
            "training": strong.training.result_settings() if strong.training else None,
        },
    }
    # The loss and the stopping rule are for weak labels: gold labels are taken at their word, to the end.
    on_gold = {
        **settings,
        "strong": {
            **settings["strong"],
            "loss": None,
            "training": (
                strong.training.result_settings(without=frozenset({"stopping"})) if strong.training else None
            ),
        },
    }
    for arm in arms_of(spec):
        if arm.learns_from is None or on_frozen_model(arm, deep):
            continue
        gold = arm.learns_from.is_gold
        inputs = {
            **(on_gold if gold else settings),
            **(budget if arm.learns_from is LearnsFrom.GOLD_BUDGET else {}),
        }
        loss = CrossEntropy if gold else strong.loss.method
        roles = _TRAINING_ROLES[arm.learns_from]
        if strong.loss.settings.reads_opinions and not gold:
            roles = {**roles, "opinions": build.names("label")}
        is_added_up = family.has_heads and ARMS["combined"].absent(spec) is None
        asked = ["PoolSample"] if arm.name == "strong" and is_added_up else []
        of_budget = arm.learns_from is LearnsFrom.GOLD_BUDGET and family.writes
        longer = ["GoldSchedule"] if of_budget else []
        for seed in range(FIRST_SEED, FIRST_SEED + evaluation.seeds):
            build.add(
                f"train-{arm.name}-{seed}",
                "train",
                {**inputs, "arm": arm.name, "seed": seed},
                [strong.tuning.method, *strong.tuning.settings.uses(), Head, loss, *asked, *longer],
                {**build.examples, **roles},
                model=ModelReference(uri=strong.model.uri) if arm.unadapted else model,
                processes="PerGPU",
                arm=arm.name,
                seed=seed,
            )


def _add_unadapted_heads(build: _Builder, spec: Spec, labels: Mapping[str, Any]) -> None:
    """The head of the arm `unadapted`: it reads the texts by another model than all others, in a process of its own."""
    arm = ARMS["unadapted"]
    if arm.absent(spec):
        return
    build.add(
        f"train-{arm.name}",
        "train",
        {**labels, "strong": _frozen_settings(spec.strong), "arm": arm.name},
        [Head, CrossEntropy],
        {**build.examples, **_TRAINING_ROLES[LearnsFrom.SELECTED_LABELS]},
        model=ModelReference(uri=spec.strong.model.uri),
        arm=arm.name,
    )


def _add_combination(
    build: _Builder, spec: Spec, model: ModelReference, finished: Mapping[int, str]
) -> Mapping[Role, tuple[str, ...]]:
    """The combination reads what each of its sources is made from; the role by which it is read, if there is one."""
    if ARMS["combined"].absent(spec):
        return {}
    strong, evaluation, family = spec.strong, spec.evaluation, family_of(spec.task)

    def students(*arms: str | None) -> tuple[str, ...]:
        """Those of some arms, as they are in the end."""
        trained = (build.stages[name] for name in build.names("train"))
        return tuple(
            finished.get(stage.seed, stage.name)
            if stage.arm == "strong" and stage.seed is not None
            else stage.name
            for stage in trained
            if stage.arm in arms
        )

    if not family.has_heads:
        build.add(
            "combine",
            "combine",
            {
                **family.label_inputs(spec.task),
                "data.goldBudget": spec.data.gold_budget,
                "evaluation.seeds": _unless_default(evaluation, "seeds"),
                "promotion.metric": spec.promotion.metric,
            },
            ["combine"],
            {
                **build.examples,
                "labels": ("aggregate",),
                "students": students("strong", "gold-only"),
                **_before_gold(build, spec),
            },
        )
        return {"combination": ("combine",)}
    deep = not strong.tuning.settings.on_frozen_model
    build.add(
        "combine",
        "combine",
        {
            **family.question_inputs(spec.task),
            "strong": {"model": strong.model, "maxTokens": _unless_default(strong, "max_tokens")},
            "data.goldBudget": spec.data.gold_budget,
            "evaluation.seeds": _unless_default(evaluation, "seeds"),
        },
        ["combine", Head],
        {
            **build.examples,
            "labels": ("aggregate",),
            "students": students("strong" if deep else None),
        },
        model=model,
    )
    return {"combination": ("combine",)}


def _add_rounds(build: _Builder, spec: Spec, model: ModelReference) -> Mapping[Role, tuple[str, ...]]:
    """A stage for each round of self-training after the first; the role by which all are read, if there are any.

    No key depends on how many follow.
    """
    strong, evaluation = spec.strong, spec.evaluation
    names: list[str] = []
    for arm in ARMS.values():
        if arm.round is None or arm.absent(spec):
            continue
        build.add(
            arm.name,
            "train",
            {
                **family_of(spec.task).question_inputs(spec.task),
                "strong": _frozen_settings(strong),
                "data.goldBudget": spec.data.gold_budget,
                "evaluation.seeds": _unless_default(evaluation, "seeds"),
                "arm": arm.name,
            },
            ["SelfTraining", "combine", Head, CrossEntropy],
            {
                **build.examples,
                "labels": ("aggregate",),
                "students": ("train",),
                **({"round": (names[-1],)} if names else {}),
            },
            model=model,
            arm=arm.name,
        )
        names.append(arm.name)
    return {"rounds": tuple(names)} if names else {}


def _add_retention(
    build: _Builder, spec: Spec, model: ModelReference, published: str
) -> Mapping[Role, tuple[str, ...]]:
    """What the published seed's model forgot; the role by which it is read. No stage where no weight was changed."""
    retention, strong = spec.evaluation.retention, spec.strong
    tuned = not strong.tuning.settings.on_frozen_model
    if retention is None or not (tuned or strong.adaptation.steps):
        return {}
    without = set() if family_of(spec.task).writes else {"prompts", "max_new_tokens"}
    build.add(
        "retention",
        "retention",
        {
            "evaluation.retention": _settings(retention, without=without),
            "strong": {"model": strong.model},
        },
        ["retention"],
        {**build.examples, **({"student": (published,)} if tuned else {})},
        model=model,
        reads=(
            Read(retention.texts.uri, "data"),
            *([Read(strong.model.uri, "model")] if model.stage else []),
        ),
    )
    return {"retention": ("retention",)}


_TRAINING_ROLES: Mapping[LearnsFrom, Mapping[Role, tuple[str, ...]]] = {
    LearnsFrom.SELECTED_LABELS: {"labels": ("aggregate",), "selection": ("select",)},
    LearnsFrom.ALL_LABELS: {"labels": ("aggregate",)},
    LearnsFrom.GOLD_BUDGET: {},
    LearnsFrom.GOLD_POOL: {"selection": ("select",)},
}
"""What an arm learns from is read from these, beside the examples; of the selection, the ceiling needs the number of rows."""


FIRST_SEED = 0
"""The seed whose student is published: fixed beforehand, for choosing one on the test would be tuning on it."""


_NOT_MEASURED: Mapping[str, Any] = {"credentials_secret_ref": True, "judge": {"batch_tokens"}}
"""What no figure of the evaluation depends on."""


_DIVISION = ("test_fraction", "split_seed")
"""How gold is divided, if no test is given."""


def _settings(struct: Struct, without: Any) -> dict[str, Any]:
    return struct.model_dump(mode="json", by_alias=True, exclude_defaults=True, exclude=without)


def _label_inputs(task: Task, labeler: Labeler) -> Mapping[str, Any]:
    """What of the task a labeler's labels depend on."""
    if labeler.settings.is_asked:
        return family_of(task).question_inputs(task)
    return _taught(task) if labeler.settings.learns_budget else family_of(task).label_inputs(task)


def _taught(task: Task) -> Mapping[str, Any]:
    """What of the task a tuned model's answers depend on: where it learns to write, it is asked."""
    family = family_of(task)
    return family.question_inputs(task) if family.writes else family.label_inputs(task)


def _labeler_methods(labeler: Labeler) -> list[type[Method] | str]:
    calibration = [] if labeler.calibration == "None" else [labeler.calibration]
    return [labeler.method, *labeler.settings.uses(), *calibration]


def _head_settings(strong: Strong) -> dict[str, Any]:
    """What a head of the student's strength on the frozen model depends on, whatever it is taught."""
    return {
        "model": strong.model,
        "maxTokens": _unless_default(strong, "max_tokens"),
        "tuning": {"head": strong.tuning.head},
    }


def _frozen_settings(strong: Strong) -> dict[str, Any]:
    """What a head on the frozen model depends on, whatever is tuned beside it."""
    return {
        **_head_settings(strong),
        "loss": {"crossEntropy": strong.loss.given(CrossEntropy)},
    }


def _unless_default(struct: Struct, name: str) -> Any:
    value = getattr(struct, name)
    return None if value == type(struct).model_fields[name].get_default(call_default_factory=True) else value
