"""Selection steps in a job: three in a row, with an audit of each; and one that learns from the gold budget of each seed."""

import io

import pyarrow.parquet as pq
import pytest

SECOND = {
    "name": "words",
    "type": "Functions",
    "functions": {
        "rules": [
            {"className": "copyleft", "keywords": ["source", "distribute", "gpl"]},
            {"className": "permissive", "keywords": ["permission", "copyright", "software"]},
        ]
    },
}
THREE = [
    {"type": "ConfidentLearning", "confidentLearning": {"folds": 3, "mostDroppedPerClass": "0.2"}},
    {"type": "Neighbours", "neighbours": {"keepFractionPerClass": "0.8", "neighbours": 5}},
    {"type": "Shares", "shares": {"like": "BeforeSelection"}},
]
TRUST = [{"type": "Trust", "trust": {"keepFractionPerClass": "0.7", "folds": 3}}]


def tables(place, name: str) -> list[dict[str, list]]:
    found = place.objects.list(f"{place.bucket}/w2s/artifacts/select/")
    return [
        pq.read_table(io.BytesIO(place.objects.read(info.uri))).to_pydict()
        for info in found
        if info.uri.endswith(name)
    ]


@pytest.fixture(scope="module")
def job(new_workplace):
    place = new_workplace()

    def three_in_a_row(spec):
        spec["weak"]["labelers"].append(SECOND)
        spec["selection"] = {"steps": THREE}
        spec["data"]["goldBudget"] = 64
        spec["evaluation"] = {"seeds": 2, "controls": ["Unfiltered"]}

    place.edit(three_in_a_row)
    return place


def test_three_steps_in_a_row_are_audited_and_trained_on(job, summary_is_documented):
    done = job.run()
    assert done.returncode == 0, done.stderr
    results = job.results()
    steps = results["selection"]["steps"]
    assert [step["type"] for step in steps] == ["ConfidentLearning", "Neighbours", "Shares"]
    confident, near, shares = steps
    assert confident["after"] == near["before"] > near["after"] == shares["after"]
    assert set(confident["figures"]["thresholds"]) == {"permissive", "copyleft"}
    assert set(confident["disagreed"]) == {"kept", "dropped"}
    assert shares["figures"]["sharesAfter"] == pytest.approx(shares["figures"]["wanted"], abs=1e-5)
    summary_is_documented(results["selection"], "select")
    (table,) = tables(job, "selection.parquet")
    assert set(table["seed"]) == {-1}
    assert len(table["id"]) == results["selection"]["kept"] == shares["after"]
    assert sum(table["weight"]) == pytest.approx(shares["after"], rel=1e-5)
    assert len(set(table["weight"])) == 2, "one for each class"
    assert results["training"]["examples"]["strong"] == shares["after"]
    assert results["training"]["examples"]["unfiltered"] == confident["before"]


def test_trust_learns_from_the_budget_of_each_seed(job):
    """After the job above: labels and features are there, and only what the selection changes is run."""
    job.edit(lambda spec: spec.update(selection={"steps": TRUST}))
    done = job.run()
    assert done.returncode == 0, done.stderr
    assert job.worked == ["select", "train", "combine", "evaluate", "promote"]
    selection = job.results()["selection"]
    audits = {
        "0": selection["steps"],
        **{seed: other["steps"] for seed, other in selection["otherSeeds"].items()},
    }
    assert sorted(audits) == ["0", "1"]
    for seed, (step,) in audits.items():
        figures = step["figures"]
        assert 16 <= figures["judged"] <= 64
        gave_up = [
            line for line in selection["warnings"] if line.startswith(f"Seed {seed}: Trust kept every")
        ]
        assert (step["after"] == step["before"]) is bool(gave_up) is ("trust" not in figures)
    table = next(one for one in tables(job, "selection.parquet") if set(one["seed"]) != {-1})
    kept = {seed: table["seed"].count(int(seed)) for seed in audits}
    assert kept == {seed: step["after"] for seed, (step,) in audits.items()}
    gain = job.results()["evaluation"]["comparisons"][0]
    assert len(gain["perSeed"]) == 2
