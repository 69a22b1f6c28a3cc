"""The stages that say which texts there are: `prepare`, `synthesise`, `retrieve`."""

from w2s_api.families import family_of
from w2s_api.pipeline.builder import Builder
from w2s_api.pipeline.inputs import settings_of, unless_default
from w2s_api.spec.job import Spec
from w2s_api.stage import ModelReference, Read

_DIVISION = ("test_fraction", "split_seed")
"""How gold is divided, if no test is given."""


def add_texts(build: Builder, spec: Spec) -> None:
    """Texts and gold labels; pairs in place of the pool, and passages beside the texts, where they are asked for."""
    _add_prepare(build, spec)
    _add_synthesis(build, spec)
    _add_passages(build, spec)


def _add_prepare(build: Builder, spec: Spec) -> None:
    task, data, weak = spec.task, spec.data, spec.weak
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
            **family_of(task).label_inputs(task),
            "data": settings_of(data, without={"gold_budget", *(_DIVISION if data.test else ())}),
            "task.generation.prompt": sorted(task.row_fields) or None,
            "weak.labelers[].classifier.trainedOn.data": seen or None,
            "weak.labelers[].imported": {"votes": votes or None, "numbers": numbers or None},
        },
        ["prepare"],
        always_runs=True,
        reads=tuple(Read(uri, "data") for uri in sources),
    )


def _add_synthesis(build: Builder, spec: Spec) -> None:
    task = spec.task
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


def _add_passages(build: Builder, spec: Spec) -> None:
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
            "strong": {"maxTokens": unless_default(spec.strong, "max_tokens")},
            "data.nearDuplicates": spec.data.near_duplicates,
        },
        ["retrieve"],
        build.examples,
        model=ModelReference(uri=model.uri),
        reads=(Read(passages.more.uri, "data"),) if passages.more else (),
    )
