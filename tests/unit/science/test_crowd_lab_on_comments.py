"""CROWDLAB of the ten rule votes of youtube_spam_weak, beside the other aggregations: the figures of docs/labelers.md."""

import os
from pathlib import Path

import pytest

DATA = Path(os.environ.get("DATA", Path(__file__).parents[3].parent / "shared/data"))
pytestmark = [
    pytest.mark.shared_data,
    pytest.mark.skipif(
        not (DATA / "youtube_spam_weak").is_dir(),
        reason=f"{DATA} has no youtube_spam_weak; name its place by DATA",
    ),
]


def test_it_is_right_oftener_than_an_average_and_its_probabilities_are_the_best(tmp_path_factory):
    from imported_votes import judged, read

    cache = Path(os.environ.get("CACHE", tmp_path_factory.getbasetemp() / "features"))
    found = dict(judged(read(DATA, cache)))
    crowd_lab = found["CrowdLab"]
    assert crowd_lab.covered == pytest.approx(0.890, abs=5e-4)
    assert crowd_lab.accuracy == pytest.approx(0.848, abs=0.01)
    assert crowd_lab.log_loss == pytest.approx(0.354, abs=0.01)
    assert crowd_lab.accuracy > found["WeightedAverage"].accuracy + 0.03
    assert (
        crowd_lab.accuracy < found["LabelModel"].accuracy
    )  # and is not the best where rules vote for one class
