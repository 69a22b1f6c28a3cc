"""The token probabilities of a labeler that writes, of the text that it answers with: as columns, and back."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from w2s_trainer.models.causal import CausalModel
from w2s_trainer.models.layouts import Layouts, layouts_at
from w2s_trainer.models.top_tokens import TopTokens, top_tokens_of, vocabulary_digest
from w2s_trainer.stages.columns import taken, values_of
from w2s_trainer.stages.label.saved_answers import Answers, Collect
from w2s_trainer.stages.tables import EVERY_SEED, Examples, label_files
from w2s_trainer.store.artifacts import Artifact

_COLUMNS = {
    "tokens": np.int32,
    "topTokens": np.int32,
    "topLogProbabilities": np.float32,
    "restLogProbability": np.float32,
}
"""The columns of lists, in the order of the fields of TopTokens."""
_LOG_REST = "restLogProbability"


def collect_top_tokens(
    collect: Collect,
    name: str,
    model: CausalModel,
    layout: Layouts,
    texts: Sequence[str],
    said: NDArray[np.object_],
    k: int,
    batch_tokens: int,
    progress: Callable[[int, int], None],
) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """What a labeler thinks of each token of its texts.

    Args:
        collect: gathers the answers, and may save them.
        name: tells the collections of one labeler apart.
        model: that wrote.
        layout: of its prompts, one of all or one of each.
        texts: n texts that were written about, cut already.
        said: str[n], what it answers; empty where it abstains.
        k: tokens of each place.
        batch_tokens: tokens in a batch.
        progress: called with (texts done, n).

    Returns:
        Columns of lists [n], empty where it abstains: the tokens of each text, and end to end the k likeliest at each place
        with their log-probabilities, and that of all others. And figures: `topK`, the `vocabulary` of the numbers, how many
        `places` there are, and `restMass`, the mean probability of all other tokens.
    """
    spoken = np.flatnonzero(said != "")
    about, answers = taken(texts, spoken), said[spoken].tolist()
    layouts = layouts_at(layout, spoken)

    def answer(left: NDArray[np.int64]) -> Answers:
        silent = left[said[left] == ""]
        if len(silent):
            yield silent, np.full((len(silent), 1), "[[],[],[],[]]", dtype=object)
        places = np.searchsorted(spoken, left[said[left] != ""])
        for rows, tops in top_tokens_of(model, layouts, about, answers, k, batch_tokens, places):
            lines = np.empty((len(rows), 1), dtype=object)
            lines[:, 0] = [_line(top) for top in tops]
            yield spoken[rows], lines

    lines = collect(f"{name}-top-{k}", len(texts), 1, object, answer, progress)
    read = [json.loads(line) for line in lines[:, 0]]
    columns = {
        name: _lists([one[place] for one in read], dtype)
        for place, (name, dtype) in enumerate(_COLUMNS.items())
    }
    places = sum(map(len, columns[_LOG_REST]))
    rest = sum(float(np.exp(log_rest.astype(np.float64)).sum()) for log_rest in columns[_LOG_REST])
    figures = {
        "topK": k,
        "vocabulary": vocabulary_digest(model.tokenizer),
        "places": places,
        "restMass": round(rest / places, 6) if places else None,
    }
    return columns, figures


def read_top_tokens(
    artifact: Artifact, examples: Examples, directory: Any, seed: int
) -> Mapping[int, TopTokens]:
    """The token probabilities that a `label` artifact keeps for a seed, by row of the examples; empty if it keeps none."""
    found: dict[int, TopTokens] = {}
    for path in label_files(artifact, directory):
        if not set(_COLUMNS) <= set(pq.read_schema(path).names):
            continue
        table = pq.read_table(path, columns=["id", "seed", *_COLUMNS])
        rows = examples.rows_of(table["id"])
        for row, (of, *parts) in zip(rows.tolist(), values_of(table, "seed", *_COLUMNS), strict=True):
            if of in (seed, EVERY_SEED) and parts[0]:
                found[row] = TopTokens.of(*parts)
    return found


def _line(top: TopTokens) -> str:
    """As JSON; floats keep all their digits."""
    parts: Sequence[NDArray[Any]] = (
        top.tokens,
        top.ids.ravel(),
        top.log_probabilities.ravel(),
        top.log_rest,
    )
    return json.dumps([part.tolist() for part in parts])


def _lists(values: Sequence[Sequence[float]], dtype: Any) -> NDArray[Any]:
    lists = np.empty(len(values), dtype=object)
    for place, value in enumerate(values):
        lists[place] = np.asarray(value, dtype=dtype)
    return lists
