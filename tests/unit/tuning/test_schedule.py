import pytest

from w2s_trainer.tuning.schedule import learning_rate_factor

SHAPES = ["Linear", "Cosine", "Constant"]


@pytest.mark.parametrize(
    ("shape", "warmup", "factors"),
    [
        ("Linear", 0.2, [1 / 3, 2 / 3, 1, 7 / 8, 6 / 8, 5 / 8, 4 / 8, 3 / 8, 2 / 8, 1 / 8]),
        ("Linear", 0.0, [1, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1]),
        ("Cosine", 0.0, [1, 0.97553, 0.90451, 0.79389, 0.65451, 0.5, 0.34549, 0.20611, 0.09549, 0.02447]),
        ("Constant", 0.3, [1 / 4, 2 / 4, 3 / 4, 1, 1, 1, 1, 1, 1, 1]),
        ("Linear", 0.05, [1, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1]),
        ("Linear", 1.0, [step / 11 for step in range(1, 11)]),
    ],
)
def test_values_of_ten_steps(shape, warmup, factors):
    found = [learning_rate_factor(step, 10, warmup, shape) for step in range(10)]
    assert found == pytest.approx(factors, abs=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("steps", [1, 2, 3, 10, 97])
@pytest.mark.parametrize("warmup", [0.0, 0.1, 0.5, 0.99, 1.0])
def test_every_step_learns_and_none_more_than_the_highest_rate(shape, steps, warmup):
    factors = [learning_rate_factor(step, steps, warmup, shape) for step in range(steps)]
    assert all(0 < factor <= 1 for factor in factors)
    highest = factors.index(max(factors))
    assert factors[: highest + 1] == sorted(factors[: highest + 1])
    assert factors[highest:] == sorted(factors[highest:], reverse=True)


@pytest.mark.parametrize(("shape", "end"), [("Linear", 0), ("Cosine", 0), ("Constant", 1)])
def test_where_it_ends(shape, end):
    assert learning_rate_factor(10, 10, 0.1, shape) == pytest.approx(end, abs=1e-12)
