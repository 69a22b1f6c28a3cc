"""How good are the rules of examples/expressions.yaml?

`python tests/science/expression_rules.py` prints the table of docs/demo.md (seconds). Rules were written after reading
notices of the pool's side alone, and not changed after they were measured. Intervals are of a plain bootstrap over notices,
of which each has another opening.
"""

import sys
from pathlib import Path

import numpy as np
import yaml

from w2s_api.methods.labelers import Functions
from w2s_trainer.data.normal_form import normalised
from w2s_trainer.stages.label.functions import write

EXAMPLES = Path(__file__).parents[2] / "examples"
sys.path.insert(0, str(EXAMPLES / "data"))

import notices  # noqa: E402

REPLICATES = 2000


def main() -> None:
    spec = yaml.safe_load((EXAMPLES / "expressions.yaml").read_text(encoding="utf-8"))["spec"]
    rules = Functions.model_validate(spec["weak"]["labelers"][0]["functions"])
    gold, pool = notices.sides()
    print("| notices | | answered | right of these | right of all | 95 % interval |")
    print("|---|---|---|---|---|---|")
    for name, rows in {
        "gold.jsonl": gold[: notices.GOLD],
        "unlabeled.jsonl.gz": pool[: notices.POOL],
        "all on gold's side": gold,
        "all on the pool's side": pool,
    }.items():
        written = write(rules, [row["text"] for row in rows])
        answered = written != ""
        pairs = zip(written, rows, strict=True)
        right = np.array([normalised(text) == normalised(row["expression"]) for text, row in pairs])
        draws = np.random.default_rng(0).multinomial(len(rows), np.full(len(rows), 1 / len(rows)), REPLICATES)
        low, high = np.quantile(draws @ right / len(rows), [0.025, 0.975])
        print(
            f"| {name} | {len(rows):,} | {answered.mean():.1%} | {right[answered].mean():.1%} | {right.mean():.3f}"
            f" | {low:.3f} – {high:.3f} |"
        )


if __name__ == "__main__":
    main()
