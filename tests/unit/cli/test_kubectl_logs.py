"""`kubectl w2s logs`: which pod, and how its lines look."""

from typing import Any

import pytest
from kubectl_kit import api_server, raw_job

from w2s_cli.kubectl.logs import newest, not_started, readable
from w2s_cli.main import main

STAMP = "2026-01-02T03:04:05.678901234Z "


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            '{"stage": "train", "message": "training", "step": 4200, "total": 10000, "rate": 12.34567, "eta": 470.2, "loss": 0.31239}',
            "training  4,200/10,000  42 %  loss 0.3124  12.35/s  7m50s left",
        ),
        ('{"stage": "label", "message": "labelling", "step": 5, "total": 5, "rate": 2, "eta": 0}', "labelling  5/5  100 %  2/s"),
        ('{"stage": "train", "message": "reading", "step": 7, "total": 0}', "reading  7/0"),
        ('{"stage": "train", "message": "resumed at step 40"}', "resumed at step 40"),
        ('{"stage": "train", "message": "x", "step": "7", "total": true}', "x"),
        ('{"message": "\\u001b[2Jgone"}', "\N{REPLACEMENT CHARACTER}[2Jgone"),
        ('{"other": 1}', '{"other": 1}'),
        ("[1, 2]", "[1, 2]"),
        ("{broken", "{broken"),
        ("Killed \x07", "Killed \N{REPLACEMENT CHARACTER}"),
        ("", ""),
    ],
)  # fmt: skip
def test_lines(line, said):
    assert readable(STAMP + line) == f"01-02 03:04:05  {said}"


def test_a_line_without_a_time_is_left_as_it_is():
    assert readable("unable to retrieve container logs") == "unable to retrieve container logs"


def pod(name: str, run: int = 1, phase: str = "Running", shard: str = "0", **state: Any) -> dict[str, Any]:
    labels = {"w2s.dev/run": str(run), "batch.kubernetes.io/job-completion-index": shard}
    return {
        "metadata": {"name": name, "creationTimestamp": "2026-01-01T00:00:00Z", "labels": labels},
        "status": {"phase": phase, "containerStatuses": [{"name": "stage", "state": state}]},
    }


@pytest.mark.parametrize(
    ("pods", "shard", "name"),
    [
        ([], None, None),
        ([pod("old", 9), pod("new", 10)], None, "new"),
        ([pod("failed", 1, "Failed"), pod("new", 2, "Pending")], None, "new"),
        ([pod("a"), pod("b", phase="Failed"), pod("c", phase="Succeeded")], None, "b"),
        ([pod("a", phase="Succeeded"), pod("b"), pod("c", phase="Pending")], None, "b"),
        ([pod("a", shard="0"), pod("b", shard="1", phase="Failed")], 0, "a"),
        ([pod("a", shard="0")], 3, None),
    ],
)
def test_the_pod_to_look_at(pods, shard, name):
    found = newest(pods, shard)
    assert (found and found["metadata"]["name"]) == name


@pytest.mark.parametrize(
    ("seen", "why"),
    [
        (pod("a", running={}), None),
        (pod("a", terminated={}), None),
        (pod("a", waiting={"reason": "ImagePullBackOff"}), "ImagePullBackOff"),
        (pod("a", phase="Pending"), "Pending"),
        ({"status": {"conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]}}, "Unschedulable"),
        ({"status": {"phase": "Failed", "reason": "OutOfcpu"}}, "OutOfcpu"),
    ],
)  # fmt: skip
def test_why_a_pod_has_not_started(seen, why):
    assert not_started(seen) == why


TRAIN = {"name": "train", "state": "Running", "run": 1, "startTime": "2026-01-01T00:00:00Z"}


class Cluster:
    """Has a job with one pod, and notes how its log was asked for."""

    def __init__(self, *pods: dict[str, Any], log: list[str], stage: dict[str, Any] = TRAIN) -> None:
        self.pods, self.pieces, self.stage = pods, log, stage
        self.asked: list[dict[str, str]] = []

    def __call__(self, _verb: str, path: str, query: dict[str, str]) -> tuple[int, list[Any]]:
        if path.endswith("/weaktostrongjobs/indemnity"):
            return 200, [raw_job(self.stage, stage=self.stage["name"])]
        if path.endswith("/log"):
            self.asked.append(query)
            return 200, self.pieces
        if "watch" in query:
            return 200, [{"type": "ADDED", "object": one} for one in self.pods]
        self.asked.append(query)
        return 200, [{"items": list(self.pods[:1])}]


def test_a_log_arrives_line_by_line_whatever_its_pieces(tmp_path, capsys):
    cluster = Cluster(
        pod("train-1", running={}),
        log=[STAMP + "fir", "st\n" + STAMP + '{"message": "two"}\n' + STAMP, "no end"],
    )
    with api_server(tmp_path, cluster) as place:
        assert main(["logs", "indemnity", "--tail", "3", *place]) == 0
    said = capsys.readouterr()
    assert said.out.splitlines() == [f"01-02 03:04:05  {words}" for words in ("first", "two", "no end")]
    assert said.err == "Stage train, run 1, pod train-1\n"
    assert cluster.asked == [
        {"labelSelector": "w2s.dev/job-uid=u-1,w2s.dev/stage=train"},
        {"container": "stage", "follow": "false", "timestamps": "true", "tailLines": "3"},
    ]


def test_raw_lines_are_as_they_were_written(tmp_path, capsys):
    cluster = Cluster(pod("train-1", running={}), log=['{"message": "two"}\n'])
    with api_server(tmp_path, cluster) as place:
        assert main(["logs", "indemnity", "train", "--raw", *place]) == 0
    assert capsys.readouterr().out == '{"message": "two"}\n'
    assert cluster.asked[1]["timestamps"] == "false"


def test_following_waits_until_the_pod_has_started(tmp_path, capsys):
    waiting = pod("train-1", phase="Pending", waiting={"reason": "ContainerCreating"})
    cluster = Cluster(waiting, pod("train-1", running={}), log=["x\n"])
    with api_server(tmp_path, cluster) as place:
        assert main(["logs", "indemnity", *place]) == 66
        assert "The pod has not started: ContainerCreating." in capsys.readouterr().err
        assert main(["logs", "indemnity", "-f", *place]) == 0
    said = capsys.readouterr()
    assert said.out == "x\n"
    assert said.err.splitlines()[1] == "It has not started: ContainerCreating. Waiting."
    assert cluster.asked[-1]["follow"] == "true"


@pytest.mark.parametrize(
    ("stage", "said"),
    [
        ({"name": "train", "state": "Reused"}, "had no pod: what it would make was in the store"),
        ({"name": "train", "state": "Reused", "run": 1}, "run 1, is gone, and its log with it."),
        ({"name": "train", "state": "Waiting"}, "has no pod yet: it is Waiting."),
        ({"name": "train", "state": "Retrying", "run": 2, "message": "evicted"}, "run 2, is gone, and its log with it. evicted"),
    ],
)  # fmt: skip
def test_a_stage_without_a_pod(tmp_path, capsys, stage, said):
    with api_server(tmp_path, Cluster(log=[], stage=stage)) as place:
        assert main(["logs", "indemnity", *place]) == 66
    assert said in capsys.readouterr().err
