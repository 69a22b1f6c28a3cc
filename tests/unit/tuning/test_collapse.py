import pytest
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from w2s_trainer.tuning.collapse import ClassShares


def predictions(counts: list[int]) -> Tensor:
    """log-probabilities float32[n, K] of so many decisions a class, in rounds so that every window is mixed."""
    labels = torch.tensor([label for label, count in enumerate(counts) for _ in range(count)])
    mixed = labels[torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))]
    return (3.0 * one_hot(mixed, len(counts))).log_softmax(-1)


def labels(counts: list[int]) -> Tensor:
    return predictions(counts).exp()


def alarms(predicted: list[int], asked: list[int], window: int | None = None) -> list[int]:
    shares = ClassShares(len(asked), window)
    shares.observe(predictions(predicted), one_hot(labels(asked).argmax(-1), len(asked)).float())
    return [alarm.label for alarm in shares.alarms()]


@pytest.mark.parametrize(
    ("predicted", "asked", "raised"),
    [
        ([100, 100], [100, 100], []),
        ([130, 70], [100, 100], []),  # fewer, but more than half
        ([165, 35], [100, 100], []),  # less than half, within chance
        ([180, 20], [100, 100], [1]),
        ([20, 180], [100, 100], [0]),
        ([200, 0], [100, 100], [1]),
        ([200, 0], [198, 2], []),  # too rare to be sure of
        ([200, 0, 0], [80, 60, 60], [1, 2]),
        ([100, 100, 0], [200, 0, 0], []),  # nobody asks for the others; class 0 gets exactly half
    ],
)
def test_alarms_when_a_class_is_given_up(predicted, asked, raised):
    assert alarms(predicted, asked) == raised


def test_no_examples_no_alarm():
    assert ClassShares(3).alarms() == []


@pytest.mark.parametrize(("rows", "raised"), [(2, []), (24, []), (26, [1]), (60, [1])])
def test_not_before_chance_is_ruled_out(rows, raised):
    # No decision for a class that half the labels ask for: (3/4)ⁿ falls below 1e-3 at 25 rows.
    assert alarms([rows, 0], [rows // 2, rows // 2]) == raised


def test_it_says_by_how_much():
    shares = ClassShares(2)
    weak = torch.cat([torch.tensor([[0.7, 0.3]]).expand(60, 2), torch.tensor([[0.2, 0.8]]).expand(40, 2)])
    shares.observe(predictions([98, 2]), weak)
    (alarm,) = shares.alarms()
    assert (alarm.label, alarm.predicted) == (1, 0.02)
    assert alarm.target == pytest.approx(0.4)  # preferred by 40 %, though the probabilities add up to 50 %


def test_a_class_that_no_label_prefers_is_not_missed():
    shares = ClassShares(2)
    shares.observe(predictions([250, 0]), torch.tensor([[0.6, 0.4]]).expand(250, 2))
    assert shares.alarms() == []


def test_only_the_latest_examples_count():
    shares = ClassShares(2, window=100)
    weak = one_hot(torch.arange(100) % 2).float()
    shares.observe(predictions([100, 0]), weak)
    assert [alarm.label for alarm in shares.alarms()] == [1]
    for batch in zip(predictions([50, 50]).split(9), weak.split(9), strict=True):
        shares.observe(*batch)
    assert shares.alarms() == []


def test_the_default_window_is_20_a_class_and_256_at_least():
    for classes, window in ((2, 256), (100, 2000)):
        shares = ClassShares(classes)
        for _ in range(3):
            shares.observe(torch.zeros(1000, classes), torch.zeros(1000, classes))
        assert {len(tensor) for tensor in shares.state().values()} == {window}


def test_a_class_among_a_hundred_can_be_missed():
    shares = ClassShares(100)
    decided = torch.arange(2000) % 100
    student = torch.where(decided == 42, 41, decided)
    shares.observe(one_hot(student, 100).float(), one_hot(decided, 100).float())
    assert [alarm.label for alarm in shares.alarms()] == [42]


def test_it_goes_on_from_a_checkpoint():
    one, other = ClassShares(2, window=120), ClassShares(2, window=120)
    weak = one_hot(torch.arange(100) % 2).float()
    one.observe(predictions([95, 5]), weak)
    other.load({name: tensor.clone() for name, tensor in one.state().items()})
    assert one.alarms() == other.alarms() != []
    for shares in (one, other):
        shares.observe(predictions([40, 60]), weak)
    assert one.alarms() == other.alarms()
    assert all(torch.equal(one.state()[name], other.state()[name]) for name in one.state())


def test_what_it_remembers_carries_no_graph():
    shares = ClassShares(2)
    shares.observe(predictions([3, 3]).requires_grad_(), labels([3, 3]).requires_grad_())
    assert not any(tensor.requires_grad for tensor in shares.state().values())
