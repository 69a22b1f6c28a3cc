"""`Judge` with judges of known opinions: what is planted is found, what nobody can learn is not believed."""

from types import SimpleNamespace
from zlib import crc32

import numpy as np
import pyarrow.parquet as pq
import pytest
from select_kit import clouds, kept_ids, selected
from written_kit import selected_texts

from w2s_trainer.stages.judging.rating import Rated
from w2s_trainer.stages.select import judge as module
from w2s_trainer.stages.select.distilled import cannot_distil, correlation, distil, fit_ridge

SETTINGS = {"model": {"uri": "py://judge"}, "rubric": "It is good.", "sample": 64}


def step(**more):
    return {"type": "Judge", "judge": {**SETTINGS, **more}}


def planted(n=240, share=0.3, seed=0):
    """Sources, and texts that say what the source says or something else: (text, source), and which are bad."""
    rng = np.random.default_rng(seed)
    bad = rng.random(n) < share
    pairs = []
    for row in range(n):
        name, year = f"{'ABCDEFGH'[row % 8]}lder", 1900 + row % 97
        source = f"In {year} the house of {name} was built by the river."
        text = f"Built in {year + 500} by Xenophon, {'very ' * 6}much" if bad[row] else f"{name}, {year}"
        pairs.append((text, source))
    return pairs, bad


def opinion(monkeypatch, rating_of, mass_of=lambda _text: 1.0):
    """A judge that says what a function says of each text; returns how many it was asked about, call by call."""
    asked = []

    def ask(settings, candidates, texts, count):
        said = module.said_of(candidates, texts.targets[:count])
        asked.append(count)
        return Rated(np.array([rating_of(text) for text in said]), np.array([mass_of(text) for text in said]))

    monkeypatch.setattr(module, "ask", ask)
    return asked


@pytest.fixture
def look(monkeypatch, tmp_path):
    """Selects texts by a judge; features are counts of letters."""

    def features(texts, *_more):
        return np.array(
            [[text.count(letter) for letter in "aeioutlmrsvX ,"] for text in texts], dtype=np.float32
        ) + 1, None

    monkeypatch.setattr(module, "load_encoder", lambda _directory, _name: SimpleNamespace(features=features))

    def selecting(pairs, *steps):
        seen, _ = features([source for _, source in pairs])
        given = SimpleNamespace(directory=None, name="strong")
        return selected_texts(pairs, *steps, sees={"features": seen}, output=tmp_path, model=given)

    return selecting


def noisy(text):
    """4 for a good text and 2 for a bad one, give or take one, by the text itself."""
    return (2.0 if "Xenophon" in text else 4.0) + (crc32(text.encode()) % 201 - 100) / 100


def test_planted_bad_texts_are_dropped_by_what_was_distilled(monkeypatch, look, tmp_path):
    pairs, bad = planted()
    asked = opinion(monkeypatch, noisy)
    one = look(pairs, step(keepFraction="0.75"))
    assert asked == [64]
    gone = np.setdiff1d(np.arange(len(pairs)), one.left.rows)
    assert bad[gone].mean() > 0.9, "of what is dropped, nearly all was planted"
    (audit,) = one.audit
    figures = audit["figures"]
    assert figures["asked"] == figures["rated"] == 64
    assert figures["otherAnswers"] == 0
    assert figures["distilled"]["correlation"] > 0.7
    assert figures["distilled"]["squaredError"] < figures["distilled"]["baseSquaredError"]
    assert figures["meanRating"]["kept"] > figures["meanRating"]["dropped"] + 1
    assert not one.notes
    (file,) = tmp_path.glob("ratings-judge-*-every-seed.parquet")
    table = pq.read_table(file).to_pydict()
    assert sum(table["byJudge"]) == 64
    assert len(table["id"]) == len(pairs)
    assert {row for row, kept in zip(table["id"], table["kept"], strict=True) if kept} == {
        f"text-{row}" for row in one.left.rows
    }


def test_both_parts_are_cut_by_the_same_share(monkeypatch, look, tmp_path):
    """Distilled ratings are nearer to their mean: together with the judge's own they would all be kept, or none."""
    pairs, _ = planted()
    opinion(monkeypatch, noisy)
    look(pairs, step(keepFraction="0.5"))
    (file,) = tmp_path.glob("ratings-*.parquet")
    table = pq.read_table(file).to_pydict()
    kept, own = np.array(table["kept"]), np.array(table["byJudge"])
    assert kept[own].mean() == kept[~own].mean() == 0.5


def test_a_judge_whose_ratings_nobody_can_learn_drops_nothing(monkeypatch, look):
    pairs, _ = planted()
    rng = np.random.default_rng(5)
    opinion(monkeypatch, lambda _text: float(rng.uniform(1, 5)))
    one = look(pairs, step(keepFraction="0.5"))
    assert len(one.left.rows) == len(pairs)
    (note,) = one.notes
    assert note.startswith("Judge kept every text: out of fold")


def test_a_sample_larger_than_the_rows_is_a_judge_of_all(monkeypatch, look):
    pairs, bad = planted(n=50)
    asked = opinion(monkeypatch, noisy)
    one = look(pairs, step(minimum="3", sample=1000))
    assert asked == [50]
    good = np.array([noisy(text) >= 3 for text, _ in pairs])
    assert one.left.rows.tolist() == np.flatnonzero(good).tolist()
    assert one.audit[0]["figures"]["distilled"] is None
    (note,) = one.notes
    assert note == "Judge rated every text itself: `sample` is 1,000, and there are 50."
    assert bad.any()


def test_other_answers_are_counted_told_and_not_used(monkeypatch, look):
    """Of texts with an even year the judge says something else, and its numbers there are upside down."""
    pairs, bad = planted(n=400)

    def even(text):
        return int("".join(letter for letter in text if letter.isdigit())) % 2 == 0

    opinion(
        monkeypatch,
        lambda text: 6 - noisy(text) if even(text) else noisy(text),
        lambda text: 0.1 if even(text) else 0.9,
    )
    one = look(pairs, step(keepFraction="0.75", sample=128))
    figures = one.audit[0]["figures"]
    assert figures["otherAnswers"] > 40
    assert figures["rated"] == 128 - figures["otherAnswers"]
    (note,) = one.notes
    assert f"of 128 answers of py://judge, {figures['otherAnswers']} gave less than 0.5" in note
    gone = np.setdiff1d(np.arange(len(pairs)), one.left.rows)
    assert bad[gone].mean() > 0.9


def test_a_judge_that_never_rates_drops_nothing(monkeypatch, look):
    pairs, _ = planted(n=100)
    opinion(monkeypatch, noisy, lambda _text: 0.01)
    one = look(pairs, step(keepFraction="0.5"))
    assert len(one.left.rows) == 100
    assert one.notes[1] == "Judge kept every text: the judge rated 0 texts, and it takes 32 to learn from."
    lenient = look(pairs, step(keepFraction="0.5", leastMass="0.01"))
    assert len(lenient.left.rows) < 60


def test_classes_are_cut_each_by_itself_and_the_order_of_rows_does_not_matter(monkeypatch, tmp_path):
    """The judge likes points of class b that are far out; a class is never given up for the other."""
    pool = clouds(n=240, noise=0.2)
    by_id = {
        name: float(np.clip(3 + row[1] - 5, 1, 5)) for name, row in zip(pool.ids, pool.features, strict=True)
    }
    module_ask = SimpleNamespace(said=[])

    def ask(settings, candidates, texts, count):
        module_ask.said = list(module.said_of(candidates, texts.targets[:count]))
        ids = list(texts.candidates.ids.take(texts.places[:count]))
        return Rated(np.array([by_id[name] for name in ids]), np.ones(count))

    monkeypatch.setattr(module, "ask", ask)
    one = selected(pool, step(keepFraction="0.6"), output=tmp_path)[-1]
    assert set(module_ask.said) == {"a", "b"}
    (audit,) = one.audit
    for name, before in audit["classesBefore"].items():
        assert audit["classesAfter"][name] == pytest.approx(0.6 * before, abs=2)
    assert audit["figures"]["distilled"]["correlation"] > 0.8
    shuffled = pool.at(np.random.default_rng(1).permutation(len(pool.ids)))
    again = selected(shuffled, step(keepFraction="0.6"), output=tmp_path)[-1]
    assert kept_ids(pool, one) == kept_ids(shuffled, again)


def test_the_ridge_is_the_same_in_both_spaces():
    """Against the normal equations, with more columns than rows and with fewer."""
    rng = np.random.default_rng(0)
    for n, d in ((12, 30), (30, 12)):
        x, y = rng.normal(size=(n, d)), rng.normal(size=n)
        centred = x - x.mean(axis=0)
        weight = np.linalg.inv(centred.T @ centred + 2 * np.eye(d)) @ centred.T @ (y - y.mean())
        found = fit_ridge(x, y, 2.0)
        assert found.weight == pytest.approx(weight)
        assert found(x).mean() == pytest.approx(y.mean())


def test_what_is_out_of_fold_saw_no_text_of_its_family():
    """Ten families with a rating each and a column for each family: in sample all is known, out of fold nothing."""
    families = np.repeat(np.arange(10), 8)
    ratings = families.astype(float)
    found = distil(np.eye(10)[families], ratings, families, 5, 0, grid=(0.1,))
    assert found.ridge(np.eye(10)[families]) == pytest.approx(ratings, abs=0.2)
    assert correlation(found.ratings, found.out_of_fold) < 0.1
    assert not found.learnt


@pytest.mark.parametrize(
    ("ratings", "families", "why"),
    [
        (np.arange(31.0), np.arange(31), "31 texts, and it takes 32"),
        (np.arange(40.0), np.zeros(40, dtype=int), "one family"),
        (np.full(40, 3.0), np.arange(40), "all texts alike"),
    ],
)
def test_what_cannot_be_distilled(ratings, families, why):
    assert why in cannot_distil(ratings, families)
