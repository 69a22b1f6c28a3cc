"""`evaluate`: every arm on the gold test, the report, and how often this test set has been asked."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from w2s_api.arms import ARMS, arms_of, candidate_of
from w2s_api.input_template import PASSAGES
from w2s_api.keys import digest
from w2s_api.stage import Role
from w2s_trainer.contract.context import StageContext, StageResult
from w2s_trainer.contract.job import StageJob
from w2s_trainer.data.inputs import fields_beside, shown_with_fields
from w2s_trainer.families import family_of
from w2s_trainer.families.gold_test import ArmAnswers, GoldTest
from w2s_trainer.json_text import strict_json
from w2s_trainer.report import render as report
from w2s_trainer.report.advice import advice
from w2s_trainer.report.answers import answers
from w2s_trainer.stages.evaluate.compare import Arms, compare, notes
from w2s_trainer.stages.evaluate.costs import detailed_costs
from w2s_trainer.stages.evaluate.decision_table import decision_table
from w2s_trainer.stages.evaluate.error_groups import error_groups
from w2s_trainer.stages.evaluate.gate import apply_gate
from w2s_trainer.stages.evaluate.pairwise import judged
from w2s_trainer.stages.evaluate.passages import AskedAgain, compare_passages
from w2s_trainer.stages.evaluate.predictions import (
    cascade_answers,
    self_trained_answers,
    stacked,
    weak_answers,
)
from w2s_trainer.stages.evaluate.sources import source_accuracies
from w2s_trainer.stages.evaluate.training import student_settings, training_summary
from w2s_trainer.stages.label.summary import whole_summary
from w2s_trainer.stages.tables import (
    Examples,
    WeakLabels,
    read_asked_again,
    read_examples,
    read_gold,
    read_labels,
    read_predictions,
    refined_examples,
)
from w2s_trainer.stages.train.predictions import CUT_OFF
from w2s_trainer.store.artifacts import Artifact, ArtifactStore
from w2s_trainer.store.objects import AlreadyExists, Objects

BOOTSTRAP_SEED = 0
EXCERPT_CHARACTERS = 300
REFINED_EXAMPLES = 12
RESULTS, REPORT, DECISIONS = "results.json", "report.html", "decisions.csv"


def run(context: StageContext) -> StageResult:
    """Compares the arms, writes `results.json`, `report.html` and `decisions.csv`."""
    spec, family, prepared = context.spec, family_of(context.spec), context.artifact("gold")
    candidate = candidate_of(spec)
    examples = read_examples(context.artifact("examples"), context.scratch)
    rows = examples.rows("test")
    gold = read_gold(prepared, "test", examples, context.scratch)[rows]
    test = GoldTest(
        gold=gold,
        families=examples.families[rows],
        metric=spec.promotion.metric,
        task=family,
    )
    training = _training(context, len(examples.ids))
    arms = _arms(context, examples, rows, training["examples"])
    result = compare(test, arms, candidate, np.random.default_rng(BOOTSTRAP_SEED))
    texts = examples.texts.take(rows)
    if spec.task.passages:
        again = _asked_again(context, examples, rows, training["examples"])
        result["passages"] = compare_passages(test, arms.answers, fields_beside(texts)[PASSAGES], again)
    ids = list(examples.ids.take(rows))
    if spec.evaluation.judge:
        rng = np.random.default_rng(BOOTSTRAP_SEED)
        result["judge"] = judged(context, spec.evaluation.judge, test, arms, candidate, rows, ids, texts, rng)
    lengths = np.fromiter(map(len, texts), dtype=np.int64, count=len(rows))
    result["errors"] = error_groups(test, lengths, arms.answers["weak"], arms.answers[candidate.name])
    result["evaluations"] = _count_evaluation(context)
    flattered = any(
        (elsewhere := labeler.settings.trained_elsewhere()) is not None and elsewhere.type == "Unknown"
        for labeler in spec.weak.labelers
    )
    result["notes"] = notes(result, flattered, result["evaluations"], family.notes(training))
    result["notComputed"] = [
        {"arm": arm.name, "why": why}
        for arm in ARMS.values()
        if (why := arm.absent(spec)) is not None and arm.round is None
    ]
    retention, limit = _retention(context), spec.promotion.max_forgetting
    decision = apply_gate(
        result,
        spec.promotion.must_beat,
        float(spec.promotion.min_lower_bound),
        retention,
        None if limit is None else float(limit),
    )

    results: dict[str, Any] = {
        **_place(context.job),
        "task": spec.task.model_dump(mode="json", by_alias=True),
        "generated": datetime.now(UTC).isoformat(timespec="seconds"),
        "evaluation": result,
        "data": dict(prepared.summary),
        "synthesis": _synthesis(context),
        **({"passages": dict(context.artifact("examples").summary)} if spec.task.passages else {}),
        "labelers": [whole_summary(opinion.summary) for opinion in context.artifacts("opinions")],
        "aggregation": dict(context.artifact("labels").summary),
        "sources": _sources(context, examples, rows, test),
        "selection": _selection(context),
        "adaptation": _steps(context, "adaptation"),
        "finish": _steps(context, "finish"),
        "retention": retention,
        "training": training,
        "combination": _combination(context),
        "rounds": _rounds(context),
        "promotion": spec.promotion.model_dump(mode="json", by_alias=True),
        "decision": decision.to_json(),
        "provenance": {name: _provenance(artifact) for name, artifact in context.needs.items()},
        "excerpts": family.excerpts(
            test,
            arms.answers["weak"].values[0],
            arms.answers[candidate.name].values[0],
            lambda item: _excerpt(shown_with_fields(texts, item, PASSAGES if spec.task.passages else "")),
        )
        if spec.report.examples == "Excerpts"
        else None,
    }
    results["answer"] = answers(results)
    results["advice"] = advice(results)
    (context.output / RESULTS).write_bytes(_encoded(results))
    (context.output / REPORT).write_text(report.render(results, family.report_parts(results)))
    (context.output / DECISIONS).write_text(
        decision_table(test, ids, arms.answers, candidate.name), encoding="utf-8", newline=""
    )
    gain = result["comparisons"][0]
    reached = {arm["arm"]: arm["metrics"][test.metric]["estimate"] for arm in result["arms"]}
    summary = {
        "metric": test.metric,
        "weak": reached["weak"],
        "candidate": reached[candidate.name],
        "gain": [gain["estimate"], gain["low"], gain["high"]],
        "evaluations": result["evaluations"],
    }
    return StageResult(summary, figures(summary))


def figures(summary: Mapping[str, Any]) -> dict[str, Any]:
    """What the last words tell of an evaluation, whichever job made it."""
    return {name: summary[name] for name in ("metric", "weak", "candidate", "gain") if name in summary}


def publish(job: StageJob, objects: Objects, store: ArtifactStore, artifact: Artifact) -> None:
    """Puts results, report and decisions under the job's own name, whichever job made the artifact."""
    results, page = artifact.read(RESULTS), artifact.read(REPORT)
    plain = json.loads(results)
    place = _place(job)
    if place != {name: plain[name] for name in place}:
        plain |= place
        plain["advice"] = advice(plain)
        results, page = (
            _encoded(plain),
            report.render(plain, family_of(job.spec).report_parts(plain)).encode(),
        )
    for name, data, content_type in (
        (DECISIONS, artifact.read(DECISIONS), "text/csv; charset=utf-8"),
        (RESULTS, results, "application/json"),
        (REPORT, page, "text/html; charset=utf-8"),
    ):
        objects.write(store.job_uri(job.namespace, job.name, name), data, content_type=content_type)


def _place(job: StageJob) -> dict[str, Any]:
    """What results say of the job that they are of, and where it keeps them."""
    return {
        "job": {"namespace": job.namespace, "name": job.name},
        "storage": {"uri": job.spec.storage.uri},
    }


def _encoded(results: dict[str, Any]) -> bytes:
    return strict_json(results, indent=1).encode()


def _training(context: StageContext, texts: int) -> dict[str, Any]:
    summary = training_summary(artifact.summary for artifact in _trained(context))
    costs = detailed_costs(summary, texts, family_of(context.spec).head_outputs)
    return {**summary, "costs": costs, "settings": student_settings(context.spec.strong)}


def _arms(
    context: StageContext, examples: Examples, rows: NDArray[np.int64], trained_on: dict[str, int]
) -> Arms:
    family = family_of(context.spec)
    labels = read_labels(context.artifact("labels"), examples, context.scratch, family.label_column)
    predictions = _predictions(context, examples, rows, family.label_column)
    cut_off = _predictions(context, examples, rows, CUT_OFF)
    weak = weak_answers(labels, rows, examples.rows("pool"), family)
    curve = {size: stacked(by_seed) for (arm, size), by_seed in predictions.items() if arm == "gold-only"}
    by_arm = {"weak": weak}
    for arm in (arm.name for arm in ARMS.values()):
        # Of one seed the largest: the curve of `gold-only` has several, another arm may have another size a seed.
        sizes = sorted(size for name, size in predictions if name == arm)
        if by_seed := {seed: p for size in sizes for seed, p in predictions[arm, size].items()}:
            values = stacked(by_seed)
            cut = {seed: c for size in sizes for seed, c in cut_off.get((arm, size), {}).items()}
            by_arm[arm] = ArmAnswers(
                values, np.zeros(values.shape[:2], dtype=bool), stacked(cut) if cut else None
            )
    if any(arm.name == "cascade" for arm in arms_of(context.spec)):
        by_arm["cascade"] = cascade_answers(weak, by_arm["strong"])
    if rounds := _rounds(context):
        by_arm["self-trained"] = self_trained_answers(
            by_arm["combined"],
            {arm.round: by_arm[arm.name] for arm in ARMS.values() if arm.round and arm.name in by_arm},
            {int(seed): last for seed, last in rounds["accepted"].items()},
        )
    if "unfinished" in by_arm:
        trained_on = {**trained_on, "unfinished": trained_on["strong"]}
    return Arms({name: by_arm[name] for name in ARMS if name in by_arm}, curve, trained_on)


def _asked_again(
    context: StageContext, examples: Examples, rows: NDArray[np.int64], trained_on: dict[str, int]
) -> AskedAgain:
    """What was written about the rows of the test, int64[n], that were asked again with their oracle alone."""
    again, found = read_asked_again(context.artifact("examples"), examples, context.scratch)
    alone = examples.rows("oracle")
    return AskedAgain(
        np.searchsorted(rows, again),
        found,
        _arms(context, examples, alone, trained_on).answers,
        fields_beside(examples.texts.take(alone))[PASSAGES],
    )


def _predictions(
    context: StageContext, examples: Examples, rows: NDArray[np.int64], column: str
) -> dict[tuple[str, int], dict[int, NDArray[Any]]]:
    """A column of what all students and the combination say of some rows, by (arm, size) and seed."""
    predictions: dict[tuple[str, int], dict[int, NDArray[Any]]] = {}
    finished, has_unfinished = _finished(context), ARMS["unfinished"].absent(context.spec) is None
    for artifact in [*_trained(context), *finished, *_combined(context)]:
        read = read_predictions(artifact, rows, examples, context.scratch, column)
        for (arm, size), by_seed in read.items():
            if arm == "strong" and finished and artifact not in finished:
                if not has_unfinished:
                    continue
                arm = "unfinished"
            predictions.setdefault((arm, size), {}).update(by_seed)
    return predictions


def _sources(
    context: StageContext, examples: Examples, rows: NDArray[np.int64], test: GoldTest
) -> list[dict[str, Any]]:
    """How good the labelers are, where answers are right or wrong."""
    family = family_of(context.spec)
    if not family.is_right_or_wrong:
        return []
    labels = {
        labeler.name: [
            WeakLabels(weak.targets[rows], weak.abstain[rows])
            for weak in read_labels(opinion, examples, context.scratch, family.label_column).values()
        ]
        for labeler, opinion in zip(context.spec.weak.labelers, context.artifacts("opinions"), strict=True)
    }
    return source_accuracies(labels, test, context.artifact("labels").summary.get("sources", {}))


def _trained(context: StageContext) -> list[Artifact]:
    """The artifacts of all students, heads first."""
    return context.artifacts("students")


def _combined(context: StageContext) -> list[Artifact]:
    """The artifact of the combination, if there is one."""
    return context.artifacts("combination") if "combination" in context.job.stage.roles else []


def _finished(context: StageContext) -> list[Artifact]:
    """The artifacts of the students that the last step of the finish made; none where there are no steps."""
    last = len(context.spec.strong.finish.steps) - 1
    step_of = {stage.name: stage.step for stage in context.job.stages}
    names = context.job.stage.roles.get("finish", ())
    return [context.needs[name] for name in names if step_of[name] == last]


def _steps(context: StageContext, role: Role) -> list[dict[str, Any]]:
    """What results say of each step that changed the strong model, or the student, in order."""
    names = context.job.stage.roles.get(role, ())
    return [{"stage": name, **context.needs[name].summary} for name in names]


def _retention(context: StageContext) -> dict[str, Any] | None:
    """What results say of what was forgotten; None where nobody asked."""
    if "retention" in context.job.stage.roles:
        return dict(context.artifact("retention").summary)
    return {"nothingToForget": True} if context.spec.evaluation.retention else None


def _combination(context: StageContext) -> dict[str, Any] | None:
    """What results say of the combination; None where there is none."""
    return next((dict(artifact.summary) for artifact in _combined(context)), None)


def _rounds(context: StageContext) -> dict[str, Any] | None:
    """What results say of the rounds of self-training, by seed; None where there are none."""
    if "rounds" not in context.job.stage.roles:
        return None
    *_, last = context.artifacts("rounds")
    return {name: last.summary[name] for name in ("heldOutLogLoss", "accepted")}


def _synthesis(context: StageContext) -> dict[str, Any] | None:
    """What results say of the pairs that took the place of the pool; None where none did."""
    made = context.artifact("pairs" if "pairs" in context.job.stage.roles else "examples")
    return dict(made.summary) if made.stage == "synthesise" else None


def _selection(context: StageContext) -> dict[str, Any]:
    """What results say of the selection; with some of the edits of texts, where there are any and texts may be quoted."""
    artifact = context.artifact("selection")
    quoted = context.spec.report.examples == "Excerpts"
    edits = refined_examples(artifact, context.scratch, REFINED_EXAMPLES) if quoted else []
    cut = [{name: _excerpt(text) for name, text in edit.items()} for edit in edits]
    return {**artifact.summary, **({"refined": cut} if cut else {})}


def _count_evaluation(context: StageContext) -> int:
    """Counts the models and metrics that this test set has been asked about, this evaluation included."""
    test = context.artifact("gold").files["gold-test/labels.parquet"].sha256
    place = f"{context.store.uri}/evaluations/{test[:32]}/"
    spec = context.spec
    students = [artifact.key for artifact in [*_trained(context), *_finished(context), *_combined(context)]]
    model_and_metric = [
        students[0] if len(students) == 1 else students,
        spec.promotion.metric,
        spec.evaluation.positive_threshold,
    ]
    uri = f"{place}{digest(model_and_metric)}.json"
    try:
        record = {"job": f"{context.job.namespace}/{context.job.name}"}
        context.objects.write(uri, json.dumps(record).encode(), if_absent=True)
    except AlreadyExists:
        pass
    return sum(1 for _ in context.objects.list(place))


def _provenance(artifact: Artifact) -> dict[str, Any]:
    provenance = artifact.provenance
    first = provenance["shards"][0] if "shards" in provenance else provenance
    seconds = sum(shard["seconds"] for shard in provenance.get("shards", [provenance]))
    return {
        "key": artifact.key,
        "attempt": artifact.attempt,
        "seconds": round(seconds, 1),
        "versions": first.get("versions", {}),
    }


def _excerpt(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= EXCERPT_CHARACTERS else flat[:EXCERPT_CHARACTERS].rsplit(" ", 1)[0] + " …"
