"""The general texts that both models read: which rows, and which not."""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from pathlib import Path

from w2s_api.spec.data import Data
from w2s_api.spec.retention import LEAST_TEXTS, Retention
from w2s_trainer.contract.context import StageContext
from w2s_trainer.errors import BadData
from w2s_trainer.stages.prepare.usable import SourceReader
from w2s_trainer.stages.tables import read_examples
from w2s_trainer.store.objects import Objects


@dataclass(frozen=True)
class RetentionTexts:
    """The texts with the lowest sha256, in that order, and how many rows were left out, by reason."""

    texts: list[str]
    left_out: dict[str, int]


def read_texts(context: StageContext, settings: Retention) -> RetentionTexts:
    """Reads the texts of a manifest: each once, without copies of a text of the job.

    Raises:
        BadData: they cannot be read, or are fewer than are needed.
    """
    examples = read_examples(context.artifact("examples"), context.scratch)
    known = {digest_of(text) for text in examples.texts}
    reader = SourceReader.beside(settings.texts.uri, context.spec.data.fields, context.objects)
    left_out = {"unusable": 0, "repeated": 0, "ofTheJob": 0}

    def fresh() -> Iterator[tuple[str, str]]:
        seen: set[str] = set()
        for example in reader.examples(context.objects, context.scratch):
            digest = digest_of(example.text)
            if digest in known:
                left_out["ofTheJob"] += 1
            elif digest in seen:
                left_out["repeated"] += 1
            else:
                seen.add(digest)
                yield digest, example.text

    texts = [text for _, text in heapq.nsmallest(settings.max_texts, fresh())]
    left_out["unusable"] = sum(bad.lines for bad in reader.quarantine)
    if len(texts) < LEAST_TEXTS:
        raise too_few(settings.texts.uri, len(texts), "that are no copies, nor texts of the job")
    return RetentionTexts(texts, left_out)


def check_texts(data: Data, settings: Retention, objects: Objects, scratch: Path) -> None:
    """Reads the first usable rows: a wrong field, format or place, and too few rows, are told before anything is run.

    Raises:
        BadSpec, BadData: they cannot be read, or are too few.
    """
    reader = SourceReader.beside(settings.texts.uri, data.fields, objects)
    found = sum(1 for _ in islice(reader.examples(objects, scratch), LEAST_TEXTS))
    if found < LEAST_TEXTS:
        raise too_few(settings.texts.uri, found, "that can be used")


def too_few(uri: str, found: int, which: str) -> BadData:
    """The error of a slice that is too small to say anything."""
    return BadData(
        "TooFewRetentionTexts",
        f"{uri} has {found:,} texts {which}; what was forgotten is measured on {LEAST_TEXTS} at least"
        " (spec.evaluation.retention.texts).",
        "Add general texts, or leave `evaluation.retention` out.",
    )


def digest_of(text: str) -> str:
    """What a text is known by, in hexadecimal digits."""
    return sha256(text.encode(errors="surrogatepass")).hexdigest()
