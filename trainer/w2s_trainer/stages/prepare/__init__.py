"""Stage `prepare`: reads and checks the data, finds duplicates, and divides the texts by family."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from w2s_api.spec.job import Spec
from w2s_api.warnings import labeler_warnings
from w2s_trainer.errors import BadSpec
from w2s_trainer.families import TaskFamily, family_of
from w2s_trainer.families.intervals import effective_size
from w2s_trainer.families.task_family import NO_GOLD
from w2s_trainer.stages.prepare.conditions import check_labelers, check_steps, check_synthesis, verify
from w2s_trainer.stages.prepare.corpus import Corpus, read_corpus
from w2s_trainer.stages.prepare.duplicates import near_duplicates
from w2s_trainer.stages.prepare.imported import (
    copies_of_gold,
    texts_summary,
    votes_summary,
    wanted_by,
    write_imported,
)
from w2s_trainer.stages.prepare.parts import Parts, divide_corpus
from w2s_trainer.stages.prepare.power import smallest_provable_gain
from w2s_trainer.stages.prepare.write import write

if TYPE_CHECKING:
    from w2s_trainer.contract.context import StageContext, StageResult

__all__ = ["figures", "run", "verify"]


def run(context: "StageContext") -> "StageResult":
    """Makes the artifact of `prepare` (docs/artifacts.md).

    Raises:
        BadSpec: a rule does not compile; a format or a threshold that cannot be used.
        BadData: the data cannot be used as they are; the message names file, row or field.
    """
    from w2s_trainer.contract.context import StageResult

    spec, progress = context.spec, context.progress
    check_labelers(spec)
    check_synthesis(spec)
    check_steps(spec)
    task_family = family_of(spec)
    task_family.check()
    for doubt in labeler_warnings(spec):
        progress.note(f"Warning: {doubt}")
    near = spec.data.near_duplicates
    similarity = float(near.similarity)
    if similarity <= 0:
        raise BadSpec(
            "BadSimilarity",
            "spec.data.nearDuplicates.similarity is 0: every two texts would count as the same.",
            'Set it above 0; the default is "0.8".',
        )
    corpus = read_corpus(spec, context.objects, context.scratch, progress)
    components = near_duplicates(
        corpus.texts,
        similarity,
        near.shingle_words,
        lambda done, total: progress("near-duplicates", done, total),
    )
    parts = divide_corpus(corpus, components, spec, task_family)
    write(parts, corpus.texts, corpus.quarantine, task_family, context.output)
    if wanted_by(spec):
        write_imported((corpus.gold, corpus.test, corpus.unlabeled), parts.ids(), context.output)
    summary = summarise(parts, corpus, spec, task_family)
    if wanted_by(spec):
        for warning in copies_of_gold(parts, (corpus.gold, corpus.test), spec, task_family):
            progress.note(f"Warning: {warning}")
    provable = summary.get("smallestProvableGain")
    progress.note(
        f"{len(parts.test):,} rows in {summary['families']['test']:,} families are held out for the test"
        + ("" if provable is None else f"; it can prove a gain of about {provable:.3f}")
    )
    return StageResult(summary, figures(summary))


def _imported(corpus: Corpus, spec: Spec) -> dict[str, Any]:
    summary = texts_summary if wanted_by(spec).are_texts else votes_summary
    return summary((corpus.gold, corpus.test, corpus.unlabeled))


def summarise(parts: Parts, corpus: Corpus, spec: Spec, task_family: TaskFamily) -> dict[str, Any]:
    """The summary of the artifact."""
    size = effective_size(parts.test.family)
    return {
        "rows": {"pool": len(parts.pool), "budget": len(parts.budget), "test": len(parts.test)},
        **task_family.gold_summary({"budget": parts.budget.label, "test": parts.test.label}),
        "families": {
            "test": len(np.unique(parts.test.family)),
            "budget": len(np.unique(parts.budget.family)),
            "pool": len(np.unique(parts.pool.family)),
        },
        "removed": {
            "exactDuplicates": parts.exact_duplicates,
            "testFamilies": parts.test_families,
            "seenByTeacher": parts.seen_by_teacher,
            "unusable": sum(bad.lines for bad in corpus.quarantine),
        },
        **(
            {"asked": {"labelled": int(parts.asked.sum()), "unanswered": corpus.asked.unanswered}}
            if spec.data.asked
            else {}
        ),
        **({"imported": _imported(corpus, spec)} if wanted_by(spec) else {}),
        "poolGold": int((parts.pool.label != NO_GOLD).sum()),
        "poolLabelsIgnored": parts.pool_labels_ignored,
        **({"withoutGroup": corpus.without_group} if spec.data.fields.group else {}),
        **(
            {"smallestProvableGain": round(smallest_provable_gain(size), 4)}
            if task_family.is_right_or_wrong
            else {}
        ),
        "effectiveTestSize": round(size, 2),
    }


def figures(summary: Mapping[str, Any]) -> dict[str, Any]:
    """The key figures of a summary, for the last words."""
    return {
        **summary["rows"],
        "testFamilies": summary["families"]["test"],
        **{name: summary[name] for name in ("smallestProvableGain",) if name in summary},
        **{f"removed{name[0].upper()}{name[1:]}": count for name, count in summary["removed"].items()},
        "poolGold": summary["poolGold"],
    }
