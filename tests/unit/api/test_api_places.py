"""Places that overlap, in the ways in which one place can be written."""

import pytest
from manifests import manifest, put

from w2s_api.places import is_below, overlap
from w2s_api.validation import validate

SAME = [
    ("s3://b/gold", "s3://b/gold"),
    ("s3://b/gold", "s3://b/gold/"),
    ("s3://b/gold/", "s3://b//gold"),
    ("s3://b/gold/", "s3://b/./gold/."),
    ("s3://b/gold", "s3://b/pool/../gold"),
    ("s3://Bucket/gold", "s3://bucket/gold"),
    ("S3://b/gold", "s3://b/gold"),
    ("s3://b", "s3://b/"),
    ("file:///data/gold", "file:///data//gold/"),
    ("file:///data/gold", "file:///data/x/../gold"),
    ("file:///data", "file://localhost/data"),
    ("file:///data", "file:////data"),
]
BELOW = [
    ("s3://b/pool/gold.jsonl", "s3://b/pool/"),
    ("s3://b/pool/gold.jsonl", "s3://b/pool"),
    ("s3://b/pool//gold.jsonl", "s3://b/pool/"),
    ("s3://b/pool/a/b/c/", "s3://b/pool/"),
    ("s3://b/gold.jsonl", "s3://b/"),
    ("s3://b/gold.jsonl", "s3://B"),
    ("file:///data/pool/gold.csv", "file:///data/./pool/"),
    ("file:///data/gold.csv", "file:///"),
]
APART = [
    ("s3://b/gold2", "s3://b/gold"),
    ("s3://b/gold.jsonl", "s3://b/gold"),
    ("s3://b/gold/a", "s3://b/gold2/"),
    ("s3://b/pool-1/", "s3://b/pool/"),
    ("s3://b2/gold", "s3://b/gold"),
    ("s3://b/Gold", "s3://b/gold"),
    ("s3://b/pool/../gold", "s3://b/pool/"),
    ("file:///b/gold", "s3://b/gold"),
    ("file:///data/Gold", "file:///data/gold"),
    ("s3://b/a/gold", "s3://b/gold"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_one_place_in_two_ways(one, other):
    assert is_below(one, other)
    assert is_below(other, one)


@pytest.mark.parametrize(("below", "above"), BELOW)
def test_one_place_below_another(below, above):
    assert is_below(below, above)
    assert not is_below(above, below)
    assert overlap(above, below)


@pytest.mark.parametrize(("one", "other"), APART)
def test_places_apart(one, other):
    assert not overlap(one, other)


@pytest.mark.parametrize(("one", "other"), [*SAME, *BELOW])
@pytest.mark.parametrize(
    "fields", [("unlabeled", "gold"), ("gold", "unlabeled"), ("test", "gold"), ("unlabeled", "test")]
)
def test_data_that_overlap_are_refused_in_every_pairing(one, other, fields):
    data = {"unlabeled": {"uri": "s3://x/a/"}, "gold": {"uri": "s3://x/b"}, "test": {"uri": "s3://x/c"}}
    data |= {name: {"uri": uri} for name, uri in zip(fields, (one, other), strict=True)}
    job, problems = validate(manifest(put("data", data)))
    if any(uri.startswith("S3:") for uri in (one, other)):
        assert "begins with s3://" in str(problems[0])
        return
    assert job is None
    assert {problem.path[:2] for problem in problems} == {("spec", "data")}


@pytest.mark.parametrize("storage", ["s3://legal//pool/w2s", "s3://legal/x/../pool", "s3://legal/./pool//"])
def test_storage_in_the_data_however_it_is_written(storage):
    _, (problem,) = validate(manifest(put("storage.uri", storage)))
    assert problem.path == ("spec", "storage", "uri")
