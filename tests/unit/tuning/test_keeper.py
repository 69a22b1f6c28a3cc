"""When trainings are saved, with what, and how they go on."""

import pytest
import torch
from tiny_kit import LORA, Kept, keeper_of, load, objective_of, training_texts

from w2s_trainer.errors import BadSpec, StoreUnavailable
from w2s_trainer.tuning.keeper import unfit
from w2s_trainer.tuning.loop import Schedule, tune


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def trained(directory, keeper, clock=None, seconds_a_step=1.0, tuning=LORA, epochs=2, spent=0.0):
    """Tunes for 10 steps of a second each."""
    clock = clock or Clock()
    student = load(directory, tuning)

    def watch(_phase, _step, _steps, **_figures):
        clock.now += seconds_a_step

    state = tune(
        student,
        objective_of("CrossEntropy", 4, training_texts(student, 18)),
        Schedule(epochs=epochs, batch_size=4, learning_rate=1e-3),
        keeper=keeper,
        progress=watch,
        spent=spent,
    )
    return student, state


@pytest.mark.parametrize(
    ("interval", "saved"), [(0.5, range(1, 11)), (3.0, [3, 6, 9, 10]), (5.0, [5, 10]), (1e9, [10])]
)
def test_it_saves_every_so_many_seconds_and_at_the_end(tiny, tmp_path, interval, saved):
    clock, kept = Clock(), Kept(tmp_path)
    keeper = keeper_of(kept, tmp_path, interval=interval, clock=clock)
    wait_for_each_save(keeper)
    trained(tiny["bert"], keeper, clock)
    assert sorted(kept.all) == list(saved)


def wait_for_each_save(keeper):
    """Saves go on beside the training; one that waits gives way to a newer one."""
    submit = keeper._saver.submit

    def and_wait(*given):
        submit(*given)
        keeper._saver.finish()

    keeper._saver.submit = and_wait


def test_a_checkpoint_says_what_it_takes_to_go_on_alike(tiny, tmp_path):
    kept = Kept(tmp_path)
    _, state = trained(tiny["bert"], keeper_of(kept, tmp_path), spent=3.0)
    meta = kept.newest().meta
    assert {name: meta[name] for name in ("format", "precision", "threads", "step", "best")} == {
        "format": 1,
        "precision": "float32",
        "threads": 1,
        "step": 10,
        "best": None,
    }
    assert meta["losses"] == state.losses
    assert meta["seconds"] == state.seconds > 3


def test_an_adapter_s_checkpoint_is_an_adapter_s_size(tiny, tmp_path):
    kept = Kept(tmp_path)
    student, _ = trained(tiny["bert"], keeper_of(kept, tmp_path))
    saved = sum(one.numel() for one in kept.tensors(10).values())
    tuned = sum(one.numel() for one in student.parameters().values())
    assert saved < 3.2 * tuned < sum(one.numel() for one in student.model.parameters())


def test_nothing_is_left_beside_it(tiny, tmp_path):
    staging = tmp_path / "staging"
    staging.mkdir()
    trained(tiny["bert"], keeper_of(Kept(tmp_path / "kept"), staging, interval=0))
    assert list(staging.iterdir()) == []


def test_a_training_that_is_done_is_not_trained_on(tiny, tmp_path):
    kept = Kept(tmp_path)
    student, state = trained(tiny["bert"], keeper_of(kept, tmp_path))
    again, found = trained(tiny["bert"], keeper_of(kept, tmp_path, found=kept.newest()), spent=50.0)
    assert (found.step, found.losses, found.seconds) == (10, state.losses, state.seconds)
    assert all(torch.equal(one, student.state()[name]) for name, one in again.state().items())


def test_what_this_version_saves_it_can_go_on_from_and_other_formats_it_cannot(tiny, tmp_path):
    kept = Kept(tmp_path)
    trained(tiny["bert"], keeper_of(kept, tmp_path))
    meta = kept.newest().meta
    assert unfit(meta) is None
    assert unfit({**meta, "format": 2}) == "it has format 2, and this version reads 1"
    assert unfit({}) == "it has format None, and this version reads 1"


def test_a_checkpoint_of_another_tuning_is_refused(tiny, tmp_path):
    from w2s_api.methods.tunings import LoRA

    kept = Kept(tmp_path)
    trained(tiny["bert"], keeper_of(kept, tmp_path))
    with pytest.raises(BadSpec) as error:
        trained(tiny["bert"], keeper_of(kept, tmp_path, found=kept.newest()), tuning=LoRA(rank=8))
    assert error.value.reason == "AnotherStudent"


class Failing(Kept):
    """A store that is out for some steps."""

    def __init__(self, directory, out):
        super().__init__(directory)
        self.out = out

    def save(self, step, directory, meta):
        if step in self.out:
            raise StoreUnavailable("StoreUnavailable", "The store does not answer.")
        super().save(step, directory, meta)


def test_a_store_that_is_out_for_a_while_ends_no_training(tiny, tmp_path):
    notes: list[str] = []
    kept = Failing(tmp_path, out=range(3, 9))
    keeper = keeper_of(kept, tmp_path, interval=0, note=notes.append)
    wait = keeper._saver._drain
    submit = keeper._saver.submit
    keeper._saver.submit = lambda *given: (submit(*given), wait())
    trained(tiny["bert"], keeper)
    assert sorted(kept.all) == [1, 2, 9, 10]
    assert len(notes) == 6
    assert "The checkpoint of step 3 was not saved: The store does not answer." in notes


def test_when_the_last_one_cannot_be_saved_it_is_said_and_the_thread_ends(tiny, tmp_path):
    keeper = keeper_of(Failing(tmp_path, out=[10]), tmp_path)
    with pytest.raises(StoreUnavailable):
        trained(tiny["bert"], keeper)
    assert not keeper._saver._thread.is_alive()


def test_the_thread_that_saves_ends_with_the_training(tiny, tmp_path):
    keeper = keeper_of(Kept(tmp_path), tmp_path)
    assert keeper._saver._thread.is_alive()
    trained(tiny["bert"], keeper)
    assert not keeper._saver._thread.is_alive()
