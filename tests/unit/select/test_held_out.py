import numpy as np
import pytest
from select_kit import clouds, selected

from w2s_trainer.errors import BadData
from w2s_trainer.stages.select import held_out
from w2s_trainer.stages.select.held_out import held_out_probabilities


def test_no_family_is_on_both_sides(monkeypatch):
    pool, seen = clouds(n=60), []
    known = {row.tobytes(): family for row, family in zip(pool.features, pool.families.tolist(), strict=True)}

    def spied(features, *rest):
        inside = {known[row.tobytes()] for row in features}

        class Asked:
            def probabilities(self, asked):
                seen.append((inside, {known[row.tobytes()] for row in asked}))
                return np.full((len(asked), 2), 0.5)

        return Asked()

    monkeypatch.setattr(held_out, "fit", spied)
    held_out_probabilities(pool.features, pool.weak, np.ones(60), pool.families, 1.0, folds=4, seed=0)
    assert len(seen) == 4
    assert all(not inside & asked for inside, asked in seen)
    assert set.union(*(asked for _, asked in seen)) == set(pool.families.tolist())


def test_a_label_that_its_family_alone_has_cannot_be_said():
    """Three equal texts of one family, all labelled b amid a: in sample a head would say b."""
    pool = clouds(n=90, noise=0.0, distance=4.0)
    odd = pool.families == 0
    pool.features[odd] = pool.features[~odd & (pool.truth == 0)][0]
    pool.weak[odd] = [0.0, 1.0]
    said = held_out_probabilities(pool.features, pool.weak, np.ones(90), pool.families, 0.01, folds=5, seed=0)
    assert (said[odd, 0] > 0.9).all()


@pytest.mark.parametrize(
    "step",
    [{"type": "ConfidentLearning", "confidentLearning": {}}, {"type": "StudentLoss", "studentLoss": {}}],
)
def test_a_single_family_is_refused(step):
    pool = clouds(n=30)
    pool.families[:] = 7
    with pytest.raises(BadData, match="one family"):
        selected(pool, step)
