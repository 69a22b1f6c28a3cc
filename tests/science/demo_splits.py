"""Is the split of the demo a lucky one? The same task on other divisions of its families, computed another way.

`python tests/science/demo_splits.py` prints the table of docs/demo.md (some minutes; most of it is reading the
texts). Nothing is tuned: rules, pooling, length and L2 are those of examples/restricted.yaml; arms on gold labels
choose theirs by cross-validation. Of the product only the encoder is used: rules run on Python's `re`,
near-duplicates are compared exactly, heads are scikit-learn's, the combination is written for two classes and fitted by
another method, intervals are a plain bootstrap over test families. So a mistake of the product would show as a difference.
"""

import argparse
import gzip
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from scipy.optimize import minimize
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import Normalizer, StandardScaler

from w2s_trainer.models.encoder import load_encoder
from w2s_trainer.models.head import normalise
from w2s_trainer.models.uri import fetch_model

EXAMPLES = Path(__file__).parents[2] / "examples"
SIZES = (16, 32, 64, 128, 256)
DRAWS = 5
TEST, BUDGET = 0.5, 0.17  # of the families; the rest is the pool, about as in the example
REPLICATES = 1000
COMBINED = (16, 64, 256)
COMPARED = {
    "combined 64": ("weak", "zero-shot", "gold-only 64", "strong", "cascade", "gold-only 256", "ceiling"),
    "combined 16": ("gold-only 16",),
    "combined 256": ("gold-only 256",),
    "strong": ("weak", "zero-shot", "gold-only 64"),
}
STRENGTHS = tuple(2 / l2 for l2 in (10, 3, 1, 0.3, 0.1, 0.03))  # of two classes: C = 2 / l2


def read_rows() -> list[dict[str, str]]:
    with tempfile.TemporaryDirectory() as out:
        script = EXAMPLES / "data" / "licences.py"
        subprocess.run([sys.executable, str(script), "--task", "restricted", "--out", out], check=True)
        gold = (Path(out) / "gold.jsonl").read_text(encoding="utf-8").splitlines()
        pool = gzip.decompress((Path(out) / "unlabeled.jsonl.gz").read_bytes()).decode().splitlines()
    return [json.loads(line) for line in gold + pool]


def families_of(rows: list[dict[str, str]], words: int, similarity: float) -> np.ndarray:
    """Licence keys joined with near-duplicates, by the exact Jaccard similarity of word shingles."""
    index: dict[tuple[str, ...], int] = {}
    places, columns = [], []
    for place, row in enumerate(rows):
        said = re.findall(r"\w+", row["text"].lower())
        shingles = {tuple(said[i : i + words]) for i in range(max(1, len(said) - words + 1))}
        places += [place] * len(shingles)
        columns += [index.setdefault(shingle, len(index)) for shingle in shingles]
    has = csr_matrix((np.ones(len(places), np.int32), (places, columns)), shape=(len(rows), len(index)))
    size = np.asarray(has.sum(axis=1)).ravel()
    common = (has @ has.T).tocoo()
    near = common.data >= similarity * (size[common.row] + size[common.col] - common.data)
    first: dict[str, int] = {}
    owner = [first.setdefault(row["licence"], place) for place, row in enumerate(rows)]
    left = np.concatenate([common.row[near], np.arange(len(rows))])
    right = np.concatenate([common.col[near], owner])
    edges = csr_matrix((np.ones(len(left)), (left, right)), shape=(len(rows), len(rows)))
    return np.asarray(connected_components(edges, directed=False)[1])


def weak_probabilities(spec: dict[str, Any], texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """P(restricted), and where the rules vote."""
    settings = spec["weak"]["labelers"][0]["functions"]
    votes = np.zeros((len(texts), 2))
    for rule in settings["rules"]:
        pattern, side = re.compile(rule["pattern"], re.IGNORECASE), int(rule["className"] == "restricted")
        for place, text in enumerate(texts):
            votes[place, side] += bool(pattern.search(text[: settings["maxCharacters"]]))
    return (votes[:, 1] + 0.25) / (votes.sum(1) + 0.5), votes[:, 0] != votes[:, 1]


def head(x: np.ndarray, p: np.ndarray, c: float) -> Pipeline:
    """A logistic head on centred rows of unit length and soft targets.

    Each row stands twice, once as each class, weighted by its probability.
    """
    labels, weights = np.repeat([0, 1], len(x)), np.concatenate([1 - p, p])
    kept = weights > 0
    rows, labels, weights = np.concatenate([x, x])[kept], labels[kept], weights[kept]
    steps = StandardScaler(with_std=False), Normalizer(), LogisticRegression(C=c, max_iter=2000)
    return make_pipeline(*steps).fit(
        rows, labels, standardscaler__sample_weight=weights, logisticregression__sample_weight=weights
    )


def direct_head(x: np.ndarray, y: np.ndarray, family: np.ndarray) -> Pipeline:
    """A head on gold labels; its L2 by cross-validation over families, as the protocol has it."""
    groups = np.unique(family, return_inverse=True)[1]
    fold = np.random.default_rng(0).permutation(groups.max() + 1)[groups] % 5
    losses = []
    for c in STRENGTHS:
        loss = 0.0
        for out in range(5):
            inside, held = fold != out, fold == out
            if not held.any() or len(np.unique(y[inside])) < 2:
                continue
            p = head(x[inside], y[inside], c).predict_proba(x[held])
            loss -= np.log(np.maximum(p[np.arange(held.sum()), y[held]], 1e-12)).sum()
        losses.append(loss)
    return head(x, y, STRENGTHS[int(np.argmin(losses))])


def logit(p: np.ndarray) -> np.ndarray:
    return np.log(p) - np.log1p(-p)


def gold_head(x: np.ndarray, y: np.ndarray, centre: np.ndarray, c: float) -> LogisticRegression:
    """A logistic head on rows centred elsewhere, with one more row at the centre that is half of each class."""
    rows = np.vstack([normalise(x - centre), np.zeros((2, x.shape[1]))])
    weights = np.concatenate([np.ones(len(x)), [0.5, 0.5]])
    return LogisticRegression(C=c, max_iter=5000, tol=1e-6).fit(rows, np.append(y, [0, 1]), weights)


def combined(
    x: np.ndarray, y: np.ndarray, family: np.ndarray, weak: np.ndarray, voted: np.ndarray, student: Pipeline,
    described: np.ndarray, pool: np.ndarray, part: np.ndarray, asked: np.ndarray,
) -> np.ndarray:  # fmt: skip
    """Decisions of the arm `combined` (docs/protocol.md), for two classes: one log-odds a text and source."""
    centre = student[0].mean_
    groups = np.unique(family[part], return_inverse=True)[1]
    fold = np.random.default_rng(1).permutation(groups.max() + 1)[groups] % 5
    best = None
    for c in STRENGTHS:
        held_out = np.empty(len(part))
        for out in np.unique(fold):
            inside = part[fold != out]
            fitted = gold_head(x[inside], y[inside], centre, c)
            held_out[fold == out] = fitted.decision_function(normalise(x[part[fold == out]] - centre))
        loss = np.logaddexp(0, np.where(y[part] == 1, -held_out, held_out)).sum()
        if best is None or loss < best[0] - 1e-12:
            best = loss, c, held_out
    _, c, held_out = best
    gold = gold_head(x[part], y[part], centre, c)
    near = normalise(described - centre)
    says = {
        "teacher": lambda rows: logit(np.clip(weak[rows], 0.01, 0.99)),
        "strong": lambda rows: logit(student.predict_proba(x[rows])[:, 1]),
        "gold": lambda rows: gold.decision_function(normalise(x[rows] - centre)),
        "zero-shot": lambda rows: 20 * normalise(x[rows] - centre) @ (near[1] - near[0]),
    }
    answers = {name: voted[pool] if name == "teacher" else np.ones(len(pool), bool) for name in says}
    usual = {name: logit(np.mean(1 / (1 + np.exp(-says[name](pool[answers[name]]))))) for name in says}

    def relative(rows: np.ndarray, gold_says: np.ndarray | None = None) -> np.ndarray:
        said = {name: of(rows) for name, of in says.items()}
        if gold_says is not None:
            said["gold"] = gold_says
        return np.stack(
            [np.where(voted[rows] | (name != "teacher"), said[name] - usual[name], 0.0) for name in says]
        )

    covered = pool[voted[pool]]
    share = 16 * weak[covered].mean() + y[part].sum()
    prior = np.log(share) - np.log(16 + len(part) - share)
    known, sign = relative(part, held_out), np.where(y[part] == 1, 1, -1)

    told = part[voted[part]]
    right = (says["teacher"](told) > 0) == (y[told] == 1)
    centre_of = np.array([earned(says["teacher"](covered), right, family[told]), 1, 1, 1])

    def loss_of(parameters: np.ndarray) -> float:
        a, b = parameters[:-1], parameters[-1]
        errors = np.logaddexp(0, -sign * (a @ known + prior + b)).sum()
        return float(errors + 15 * ((a - centre_of) ** 2).sum() + 5 * b * b / 2)

    start = np.append(centre_of, 0.0)
    fitted = minimize(
        loss_of, start, method="SLSQP", bounds=[(0, 4)] * len(says) + [(None, None)], tol=1e-10
    ).x
    return (fitted[:-1] @ relative(asked) + prior + fitted[-1] >= 0).astype(int)


def earned(claims: np.ndarray, right: np.ndarray, family: np.ndarray) -> float:
    """The weight that a teacher's is shrunk to, by bisection.

    Args:
        claims: its log-odds on the pool's texts that it answers.
        right: of the budget texts that it answers, whether it is.
        family: of these.
    """

    def claimed(a: float) -> float:
        return float(np.mean(1 / (1 + np.exp(-a * np.abs(claims)))))

    shares = [right[family == one].mean() for one in np.unique(family)]
    wanted = (sum(shares) + 4 * claimed(1)) / (len(shares) + 4)
    low, high = 1.0, 4.0
    if not shares or wanted <= claimed(low):
        return low
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if claimed(middle) < wanted else (low, middle)
    return low


def draw_budget(rows: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Rows in random order, the first of each class before the others."""
    order = rng.permutation(rows)
    first = np.unique(y[order], return_index=True)[1]
    return np.concatenate([order[first], np.delete(order, first)])


def tables(y: np.ndarray, said: np.ndarray, family: np.ndarray) -> np.ndarray:
    """Confusion counts of each family, float[F, 2, 2]."""
    counts = np.zeros((family.max() + 1, 2, 2))
    np.add.at(counts, (family, y, said), 1)
    return counts


def macro_f1(counts: np.ndarray) -> np.ndarray:
    """Macro-F1 of confusion counts float[..., 2, 2]."""
    right = np.diagonal(counts, axis1=-2, axis2=-1)
    return np.asarray((2 * right / np.maximum(counts.sum(-1) + counts.sum(-2), 1)).mean(-1))


def split(
    number: int, x: np.ndarray, y: np.ndarray, family: np.ndarray, weak: np.ndarray, voted: np.ndarray,
    zero_shot: np.ndarray, described: np.ndarray, c: float,
) -> dict[str, Any]:  # fmt: skip
    rng = np.random.default_rng(20261121 + number)
    place = rng.permutation(family.max() + 1)[family] / (family.max() + 1)
    test, pool = np.flatnonzero(place < TEST), np.flatnonzero(place >= TEST + BUDGET)
    budget = np.flatnonzero((place >= TEST) & (place < TEST + BUDGET))
    local = np.unique(family[test], return_inverse=True)[1]
    covered = pool[voted[pool]]

    fitted = head(x[covered], weak[covered], c)
    student = fitted.predict(x[test])
    silent = int((weak[covered] > 0.5).mean() > 0.5)  # what the teacher says where it has nothing to say
    teacher = np.where(voted[test], weak[test] > 0.5, silent).astype(int)
    answers = {
        "weak": [teacher],
        "zero-shot": [zero_shot[test]],
        "strong": [student],
        "cascade": [np.where(voted[test], teacher, student)],
        "ceiling": [],
    }
    for draw in range(DRAWS):
        order = draw_budget(budget, y, np.random.default_rng([number, draw]))
        for size in SIZES:
            part = order[:size]
            answers.setdefault(f"gold-only {size}", []).append(
                direct_head(x[part], y[part], family[part]).predict(x[test])
            )
        for size in COMBINED:
            answers.setdefault(f"combined {size}", []).append(
                combined(x, y, family, weak, voted, fitted, described, pool, order[:size], test)
            )
        same = np.random.default_rng([number, draw, 1]).permutation(pool)[: len(covered)]
        answers["ceiling"].append(direct_head(x[same], y[same], family[same]).predict(x[test]))

    weights = rng.multinomial(
        local.max() + 1, np.full(local.max() + 1, 1 / (local.max() + 1)), REPLICATES
    ).astype(float)
    point, spread = {}, {}
    for arm, said in answers.items():
        counts = [tables(y[test], one, local) for one in said]
        point[arm] = float(np.mean([macro_f1(one.sum(0)) for one in counts]))
        spread[arm] = np.mean([macro_f1(np.tensordot(weights, one, 1)) for one in counts], axis=0)
    gains = {
        (arm, other): np.quantile(spread[arm] - spread[other], [0.025, 0.975])
        for arm, others in COMPARED.items()
        for other in others
    }
    return {"point": point, "gains": gains, "sizes": (len(test), local.max() + 1, len(covered), len(budget))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--splits", type=int, default=12)
    arguments = parser.parse_args()
    spec = yaml.safe_load((EXAMPLES / "restricted.yaml").read_text(encoding="utf-8"))["spec"]
    rows = read_rows()
    texts = [row["text"] for row in rows]
    y = np.array([int(row["label"] == "restricted") for row in rows])
    family = families_of(rows, spec["data"]["nearDuplicates"]["shingleWords"], 0.8)
    weak, voted = weak_probabilities(spec, texts)
    model = fetch_model(spec["strong"]["model"]["uri"], None, Path(tempfile.gettempdir()))  # type: ignore[arg-type]
    encoder = load_encoder(model)
    x = encoder.features(texts, spec["strong"]["maxTokens"], 8192)[0].astype(np.float64)
    words = [a_class["description"] for a_class in spec["task"]["classes"]]
    described = encoder.features(words, 128, 8192)[0].astype(np.float64)
    zero_shot = (normalise(x) @ normalise(described).T).argmax(1)
    c = 2 / float(spec["strong"]["tuning"]["head"]["l2"])

    print(f"{len(rows):,} texts, {family.max() + 1:,} families, {voted.mean():.3f} with a vote", end="; ")
    print(f"votes right: {(y == (weak > 0.5))[voted].mean():.3f}")
    found = [split(n, x, y, family, weak, voted, zero_shot, described, c) for n in range(arguments.splits)]
    mean_sizes = np.mean([one["sizes"] for one in found], axis=0)
    print(
        "mean of a split: {:.0f} test texts, {:.0f} families, trained on {:.0f}, budget {:.0f}\n".format(
            *mean_sizes
        )
    )
    print("| arm | mean macro-F1 | lowest | highest |\n|---|---|---|---|")
    for arm in found[0]["point"]:
        values = [one["point"][arm] for one in found]
        print(f"| {arm} | {np.mean(values):.3f} | {min(values):.3f} | {max(values):.3f} |")
    print(
        "\n| difference | mean | lowest | highest | clearly better | clearly worse |\n|---|---|---|---|---|---|"
    )
    for arm, other in found[0]["gains"]:
        values = [one["point"][arm] - one["point"][other] for one in found]
        low, high = np.array([one["gains"][arm, other] for one in found]).T
        print(
            f"| {arm} − {other} | {np.mean(values):+.3f} | {min(values):+.3f} | {max(values):+.3f} |"
            f" {(low > 0).sum()} of {len(found)} | {(high < 0).sum()} of {len(found)} |"
        )


if __name__ == "__main__":
    main()
