"""What the `train` stages of a job say together."""

import pytest

from w2s_trainer.stages.evaluate.training import training_summary


def heads(arms=("strong", "gold-only"), **more):
    return {
        "arms": list(arms),
        "examples": dict.fromkeys(arms, 100),
        "truncated": 2,
        "features": {"dimension": 384, "key": "abc"},
        "goldOnlyL2": {"0": 0.3},
        "l2": 0.5,
        "model": "py://small",
        "tuning": "Head",
        "seconds": {"reading": 10.0, "fitting": {arm: [0.5, 1.5] for arm in arms}},
    } | more


def tuned(arm="strong", seed=0, trainings=((100, 20.0, 500),), collapsed=(), **more):
    return {
        "arm": arm,
        "seed": seed,
        "arms": [arm],
        "examples": {arm: max(size for size, _, _ in trainings)},
        "truncated": 5,
        "trained": [
            {"size": size, "seconds": seconds, "joules": joules, "collapsed": list(collapsed)}
            for size, seconds, joules in trainings
        ],
        "tuning": "LoRA",
        "loss": "LogConf",
        "model": "py://large",
    } | more


def cost(arm, tuning, students, each, in_all, joules=None):
    return {
        "arm": arm,
        "tuning": tuning,
        "students": students,
        "secondsEach": each,
        "secondsInAll": in_all,
        "joulesEach": joules,
    }


@pytest.mark.parametrize(
    ("summaries", "costs"),
    [
        ([heads()], [cost("strong", "Head", 2, 11.0, 12.0), cost("gold-only", "Head", 2, 11.0, 12.0)]),
        ([tuned()], [cost("strong", "LoRA", 1, 20.0, 20.0, 500)]),
        (
            [heads(arms=["head"]), tuned(seed=0), tuned(seed=1, trainings=[(90, 30.0, 700)])],
            [cost("head", "Head", 2, 11.0, 12.0), cost("strong", "LoRA", 2, 25.0, 50.0, 600)],
        ),
        # A student costs what the one with all the gold costs; the smaller ones are for the curve.
        (
            [tuned(), tuned("gold-only", trainings=[(10, 2.0, 20), (50, 9.0, 90)])],
            [cost("strong", "LoRA", 1, 20.0, 20.0, 500), cost("gold-only", "LoRA", 1, 9.0, 11.0, 90)],
        ),
        # Where one machine does not count, or a training was interrupted, the mean would be of others.
        (
            [tuned(seed=0), tuned(seed=1, trainings=[(90, 30.0, None)])],
            [cost("strong", "LoRA", 2, 25.0, 50.0, None)],
        ),
        ([tuned(trainings=[(9, 1.0, None), (100, 2.0, 50)])], [cost("strong", "LoRA", 1, 2.0, 3.0, 50)]),
        ([tuned(trainings=[(9, 1.0, 0)])], [cost("strong", "LoRA", 1, 1.0, 1.0, 0)]),
    ],
    ids=[
        "heads",
        "tuned",
        "both",
        "curve",
        "joules of one unknown",
        "joules of the curve unknown",
        "no joules",
    ],
)
def test_costs(summaries, costs):
    assert training_summary(summaries)["costs"] == costs


@pytest.mark.parametrize(
    ("summaries", "expected"),
    [
        (
            [heads()],
            {"tuning": "Head", "model": "py://small", "loss": "CrossEntropy", "truncated": 2, "l2": 0.5},
        ),
        ([tuned()], {"tuning": "LoRA", "model": "py://large", "loss": "LogConf", "truncated": 5}),
        (
            [heads(arms=["head"]), tuned("gold-only", loss="CrossEntropy"), tuned()],
            {"tuning": "LoRA", "model": "py://large", "loss": "LogConf", "truncated": 5, "l2": 0.5},
        ),
    ],
    ids=["heads", "tuned", "both"],
)
def test_it_speaks_for_the_student(summaries, expected):
    found = training_summary(summaries)
    assert {name: found[name] for name in expected} == expected


def test_what_heads_alone_have_is_absent_without_them():
    found = training_summary([tuned()])
    assert not {"features", "goldOnlyL2", "seconds", "l2"} & found.keys()
    assert {"features", "goldOnlyL2", "seconds", "l2"} <= training_summary([heads(), tuned()]).keys()


def test_an_arm_s_texts_are_those_of_its_largest_student():
    found = training_summary(
        [heads(arms=["head"]), tuned(seed=0, trainings=[(80, 1, 1)]), tuned(seed=1, trainings=[(90, 1, 1)])]
    )
    assert found["examples"] == {"head": 100, "strong": 90}


def test_the_student_that_went_on_to_the_end_was_trained_on_the_same_texts():
    stopped = tuned(arms=["strong", "full-schedule"], trainings=[(80, 1, 1)])
    assert training_summary([stopped])["examples"] == {"strong": 80, "full-schedule": 80}


def test_every_training_and_every_collapse_is_named():
    gone = {"class": "rare", "predicted": 0.0, "labels": 0.1}
    found = training_summary(
        [
            heads(arms=["head"]),
            tuned(seed=0),
            tuned("gold-only", seed=1, trainings=[(10, 1.0, 1), (20, 2.0, 2)], collapsed=[gone]),
        ]
    )
    assert [(one["arm"], one["seed"], one["size"]) for one in found["trained"]] == [
        ("strong", 0, 100),
        ("gold-only", 1, 10),
        ("gold-only", 1, 20),
    ]
    assert found["collapsed"] == [{"arm": "gold-only", "seed": 1, **gone}]


def test_it_reads_what_it_is_given_once():
    assert training_summary(iter([heads(), tuned()])) == training_summary([heads(), tuned()])
