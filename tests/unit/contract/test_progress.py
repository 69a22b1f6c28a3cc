import io
import json

from w2s_trainer.contract.progress import Progress


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def lines(stream: io.StringIO) -> list[dict]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_lines_are_rare_but_the_first_and_the_last_are_always_there():
    clock, stream = Clock(), io.StringIO()
    progress = Progress("train", interval=10, clock=clock, stream=stream)
    for step in range(101):
        clock.now = 100.0 + step * 0.5
        progress("fitting", step, 100)
    assert [line["step"] for line in lines(stream)] == [0, 20, 40, 60, 80, 100]


def test_rate_and_eta_are_of_the_phase():
    clock, stream = Clock(), io.StringIO()
    progress = Progress("label", interval=1, clock=clock, stream=stream)
    progress("loading", 1, 1)
    clock.now += 60
    progress("labelling", 0, 100)
    clock.now += 5
    progress("labelling", 20, 100, loss=0.5)
    last = lines(stream)[-1]
    assert last == {
        "stage": "label", "message": "labelling", "step": 20, "total": 100, "rate": 4.0, "eta": 20.0, "loss": 0.5,
    }  # fmt: skip
