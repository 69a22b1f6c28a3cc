"""`evaluate`: every arm on the gold test, the report, and how often this test set has been asked."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np

from w2s_api.arms import ARMS, candidate_of
from w2s_api.input_template import PASSAGES
from w2s_api.keys import digest
from w2s_trainer.contract.context import StageContext, StageResult
from w2s_trainer.contract.job import StageJob
from w2s_trainer.data.inputs import fields_beside, shown_with_fields
from w2s_trainer.families import family_of
from w2s_trainer.families.gold_test import GoldTest
from w2s_trainer.json_text import strict_json
from w2s_trainer.report import render as report
from w2s_trainer.report.advice import advice
from w2s_trainer.report.answers import answers
from w2s_trainer.report.beforehand import foretold
from w2s_trainer.report.privacy import spent_of
from w2s_trainer.stages.beforehand import facts_of
from w2s_trainer.stages.evaluate import summaries
from w2s_trainer.stages.evaluate.arms import arms_of_job, asked_again, combined, finished, trained
from w2s_trainer.stages.evaluate.compare import compare, notes
from w2s_trainer.stages.evaluate.decision_table import decision_table
from w2s_trainer.stages.evaluate.error_groups import error_groups
from w2s_trainer.stages.evaluate.gate import apply_gate
from w2s_trainer.stages.evaluate.pairwise import judged
from w2s_trainer.stages.evaluate.passages import compare_passages
from w2s_trainer.stages.label.summary import whole_summary
from w2s_trainer.stages.tables import read_examples, read_gold
from w2s_trainer.store.artifacts import Artifact, ArtifactStore
from w2s_trainer.store.objects import AlreadyExists, Objects

BOOTSTRAP_SEED = 0
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
    training = summaries.of_training(context, len(examples.ids))
    arms = arms_of_job(context, examples, rows, training["examples"])
    result = compare(test, arms, candidate, np.random.default_rng(BOOTSTRAP_SEED))
    texts = examples.texts.take(rows)
    if spec.task.passages:
        again = asked_again(context, examples, rows, training["examples"])
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
    retention, limit = summaries.of_retention(context), spec.promotion.max_forgetting
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
        "synthesis": summaries.of_synthesis(context),
        **({"passages": dict(context.artifact("examples").summary)} if spec.task.passages else {}),
        "labelers": [whole_summary(opinion.summary) for opinion in context.artifacts("opinions")],
        "aggregation": dict(context.artifact("labels").summary),
        "sources": summaries.of_sources(context, examples, rows, test),
        "foretold": foretold(facts_of(spec, context.artifacts, context.scratch)),
        "selection": summaries.of_selection(context),
        "adaptation": summaries.of_steps(context, "adaptation"),
        "finish": summaries.of_steps(context, "finish"),
        "retention": retention,
        "training": training,
        "combination": summaries.of_combination(context),
        "rounds": summaries.of_rounds(context),
        "promotion": spec.promotion.model_dump(mode="json", by_alias=True),
        "decision": decision.to_json(),
        "provenance": {name: summaries.of_provenance(artifact) for name, artifact in context.needs.items()},
        "excerpts": family.excerpts(
            test,
            arms.answers["weak"].values[0],
            arms.answers[candidate.name].values[0],
            lambda item: summaries.excerpt(
                shown_with_fields(texts, item, PASSAGES if spec.task.passages else "")
            ),
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
        **(
            {"epsilon": spent["epsilon"], "delta": float(spent["delta"])}
            if (spent := spent_of(training))
            else {}
        ),
    }
    return StageResult(summary, figures(summary))


def figures(summary: Mapping[str, Any]) -> dict[str, Any]:
    """What the last words tell of an evaluation, whichever job made it."""
    return {
        name: summary[name]
        for name in ("metric", "weak", "candidate", "gain", "epsilon", "delta")
        if name in summary
    }


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


def _count_evaluation(context: StageContext) -> int:
    """Counts the models and metrics that this test set has been asked about, this evaluation included."""
    test = context.artifact("gold").files["gold-test/labels.parquet"].sha256
    place = f"{context.store.uri}/evaluations/{test[:32]}/"
    spec = context.spec
    students = [artifact.key for artifact in [*trained(context), *finished(context), *combined(context)]]
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
