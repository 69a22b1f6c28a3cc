"""`synthesise`: pairs of a question and its answer, made from the documents of the pool, take its place."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from w2s_api.methods.method import field_of
from w2s_api.spec.job import Spec
from w2s_trainer.contract.context import StageContext, StageResult
from w2s_trainer.contract.job import StageJob
from w2s_trainer.data.inputs import sources_of
from w2s_trainer.data.normal_form import normalised
from w2s_trainer.errors import BadData, BadSpec
from w2s_trainer.stages.synthesise.methods import Made, make_of
from w2s_trainer.stages.synthesise.pairs import Document, Pair
from w2s_trainer.stages.synthesise.removal import kept_of
from w2s_trainer.stages.synthesise.write import write
from w2s_trainer.stages.tables import Examples, read_examples
from w2s_trainer.store.artifacts import Artifact, ArtifactStore
from w2s_trainer.store.checkpoints import clear_checkpoints
from w2s_trainer.store.objects import Objects


def run(context: StageContext) -> StageResult:
    """Makes pairs by every step, and writes those that are grounded, far from the test, and unlike each other.

    Raises:
        BadSpec: an example of the manifest is of a text of the test.
        BadData: no pair is left; says what became of them.
    """
    synthesis, progress = context.spec.synthesis, context.progress
    examples = read_examples(context.artifact("examples"), context.scratch)
    test = examples.texts.take(examples.rows("test"))
    _check_examples(context.spec, test)
    pairs: list[Pair] = []
    made: list[Made] = []
    for step in synthesis.steps:
        done = make_of(step.settings)(step.settings, _Pool(examples), synthesis.passage_characters, context)
        made.append(done)
        pairs += [replace(pair, generator=f"{step.type} {pair.generator}") for pair in done.pairs]
        progress.note(f"{step.type}: {len(done.pairs):,} pairs{_without(done.dropped)}")
    short = [pair for pair in pairs if len(pair.answer.split()) <= synthesis.longest_answer]
    texts = [pair.as_text(synthesis.text) for pair in short]
    oracle = context.spec.task.passages.oracle if context.spec.task.passages else None
    # With passages the same may be asked of several: what is compared is the question with its passage.
    kept, removed = kept_of(
        short,
        [f"{text}\n{pair.shown}" for text, pair in zip(texts, short, strict=True)] if oracle else texts,
        list(sources_of(test)),
        context.spec.data.near_duplicates,
        float(synthesis.most_alike),
        partial(progress, "near-duplicates"),
    )
    removed = {"longAnswers": len(pairs) - len(short), **removed}
    kept.sort(key=lambda place: short[place].row)
    summary = summary_of(context.spec, made, [short[place] for place in kept], removed, examples)
    if not kept:
        raise _nothing(summary)
    write(
        [short[place] for place in kept], [texts[place] for place in kept], examples, context.output, oracle
    )
    progress.note(
        f"{len(kept):,} pairs of {summary['documents']['used']:,} of {summary['documents']['read']:,} documents"
        f"{_without(removed)}"
    )
    figures = {"pairs": len(kept), "documents": summary["documents"]["used"]}
    return StageResult(
        summary, {**figures, **{f"removed{name[0].upper()}{name[1:]}": n for name, n in removed.items()}}
    )


def publish(_job: StageJob, objects: Objects, store: ArtifactStore, artifact: Artifact) -> None:
    """What is complete needs no checkpoints."""
    clear_checkpoints(objects, store.home_uri(artifact.stage, artifact.key))


def summary_of(
    spec: Spec, made: Sequence[Made], kept: Sequence[Pair], removed: Mapping[str, int], examples: Examples
) -> dict[str, Any]:
    """The summary of the artifact."""
    return {
        "documents": {"read": len(examples.rows("pool")), "used": len({pair.row for pair in kept})},
        "families": len(np.unique(examples.families[[pair.row for pair in kept]])) if kept else 0,
        "pairs": len(kept),
        "steps": [
            {"type": step.type, "made": len(done.pairs), "dropped": dict(done.dropped)}
            for step, done in zip(spec.synthesis.steps, made, strict=True)
        ],
        "removed": dict(removed),
        "generators": dict(sorted(Counter(pair.generator for pair in kept).items())),
    }


class _Pool:
    """See Documents."""

    def __init__(self, examples: Examples) -> None:
        self._rows = examples.rows("pool")
        self._texts = examples.texts.take(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Document]:
        return (Document(row, text) for row, text in zip(self._rows.tolist(), self._texts, strict=True))


def _check_examples(spec: Spec, test: Sequence[str]) -> None:
    """Raises BadSpec where a passage that a model is shown stands in a text of the test."""
    shown = [
        (f"spec.synthesis.steps[{number}].{field_of(step.method)}.examples[{place}]", normalised(passage))
        for number, step in enumerate(spec.synthesis.steps)
        for place, passage in enumerate(step.settings.shown_passages())
    ]
    for text in map(normalised, test) if shown else ():
        for path, passage in shown:
            if passage in text:
                raise BadSpec(
                    "ExampleInTest",
                    f"{path}: its passage stands in a text of the test, which the model would be measured on.",
                    "Show another passage.",
                )


def _without(dropped: Mapping[str, int]) -> str:
    counts = [f"{count:,} {_WORDS[name]}" for name, count in dropped.items() if count]
    return f"; dropped: {', '.join(counts)}" if counts else ""


_WORDS = {
    "overQuota": "above `perDocument`",
    "tooLong": "whose quotation is longer than a passage",
    "cutOff": "cut off at `maxNewTokens`",
    "withoutQuotation": "without a quotation",
    "malformed": "without a question or an answer",
    "notInSource": "whose quotation is not in the source",
    "longAnswers": "with an answer above `longestAnswer`",
    "duplicates": "the same text as another",
    "nearTest": "near-duplicates of a test text",
    "alike": "like another (`mostAlike`)",
}
"""Why a pair is dropped, in words."""


def _nothing(summary: Mapping[str, Any]) -> BadData:
    dropped: Counter[str] = Counter()
    for step in summary["steps"]:
        dropped.update(step["dropped"])
    dropped.update(summary["removed"])
    made = sum(step["made"] for step in summary["steps"])
    return BadData(
        "NothingSynthesised",
        f"Of {summary['documents']['read']:,} documents no pair is left. The steps made {made:,}{_without(dropped)}.",
        "Use other steps, show the model `examples`, or give documents that are not those of the test.",
    )
