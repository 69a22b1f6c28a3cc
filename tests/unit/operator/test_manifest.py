"""What is read of a manifest, also of one that breaks a rule."""

import json

import pytest
from operator_kit import SPEC, stage_names
from pydantic import ValidationError

from w2s_operator.manifest import first_problem, is_newer_than_operator, parse, ttl_after_finished


def test_a_spec_and_its_stages():
    spec, stages = parse(json.dumps(SPEC).encode())
    assert spec.strong.model.uri == "hf://org/strong"
    assert [stage.name for stage in stages] == stage_names(SPEC)


@pytest.mark.parametrize(
    ("change", "newer", "problem"),
    [
        ({"brandNew": 1}, True, "spec.brandNew: "),
        ({"suspend": 1}, False, "spec.suspend: "),
        ({"data": {**SPEC["data"], "languages": "All"}}, True, "spec.data.languages: "),
    ],
)
def test_what_is_wrong_and_whether_a_newer_operator_is_needed(
    change: dict[str, object], newer: bool, problem: str
):
    with pytest.raises(ValidationError) as caught:
        parse(json.dumps({**SPEC, **change}).encode())
    assert is_newer_than_operator(caught.value) is newer
    assert first_problem(caught.value).startswith(problem)


@pytest.mark.parametrize(
    ("spec", "ttl"),
    [
        ({}, None),
        ({"ttlSecondsAfterFinished": None}, None),
        ({"ttlSecondsAfterFinished": 0}, 0.0),
        ({"ttlSecondsAfterFinished": 60, "brandNew": 1}, 60.0),
        ({"task": {"instruction": "ttlSecondsAfterFinished"}}, None),
    ],
)
def test_the_ttl_is_read_of_any_spec(spec: dict[str, object], ttl: float | None):
    assert ttl_after_finished(json.dumps(spec).encode()) == ttl
