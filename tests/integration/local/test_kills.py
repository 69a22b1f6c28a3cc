"""Killed at any moment, a training ends with the same bytes as if nothing had happened.

A few moments here, a hundred by `make kill`; chosen places: test_kill_places.py.
"""

import pytest
from w2s_kill_kit import Workshop, kills_at_random

pytestmark = pytest.mark.slow

KILLS = 4
SEED = 4


def test_killed_at_random_moments_it_ends_with_the_same_bytes(embedded_s3, tmp_path):
    settings = embedded_s3.settings(embedded_s3.new_bucket())
    workshop = Workshop.furnish(tmp_path, settings, epochs=5)
    costs, found, expected = kills_at_random(workshop, KILLS, SEED)
    assert len(found) == len(costs) == KILLS
    assert found == [expected] * KILLS
