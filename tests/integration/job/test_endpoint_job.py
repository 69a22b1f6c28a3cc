"""Whole jobs with an endpoint beside rules, as `w2s run` has them: asked once, its key nowhere, its refusals in a line."""

import os
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "unit" / "endpoint"))

from fake_endpoint import KEY, FakeEndpoint, Request, Says, by_keyword, error

COPYLEFT = by_keyword(copyleft="GPL General reciprocal Mozilla", permissive="a e o")


def with_llm(url: str, **settings):
    labeler = {"name": "llm", "type": "Endpoint", "endpoint": {"url": url, "model": "m", **settings}}

    def edit(spec) -> None:
        spec["weak"]["labelers"] = [spec["weak"]["labelers"][0], labeler]

    return edit


@pytest.fixture
def place(workplace):
    """Without the arms that take time and tell nothing about labels."""
    workplace.edit(lambda spec: spec.update(evaluation={"seeds": 1, "controls": []}))
    workplace.environment["W2S_ENDPOINT_API_KEY"] = KEY
    return workplace


def test_a_job_with_an_endpoint_beside_rules(place):
    with FakeEndpoint(COPYLEFT) as fake, FakeEndpoint(COPYLEFT) as elsewhere:
        place.edit(with_llm(fake.url, pricePerMillionTokens={"input": "1", "output": "1"}))
        done = place.run()
        assert done.returncode == 0, done.stderr
        assert len(fake.asked) > 300
        assert set(fake.asked.values()) == {1}
        (llm,) = (one for one in place.results()["labelers"] if one["labeler"] == "llm")
        assert (llm["type"], llm["abstained"]) == ("Endpoint", 0)
        assert llm["asked"]["-1"]["questions"] == len(fake.requests)
        kept = [place.objects.read(one.uri) for one in place.objects.list(f"{place.bucket}/")]
        kept += [path.read_bytes() for path in (place.directory / "output").rglob("*") if path.is_file()]
        assert not any(KEY.encode() in data for data in kept)
        assert KEY not in done.stdout + done.stderr

        asked = len(fake.requests)
        place.edit(with_llm(elsewhere.url, concurrency=2))
        place.edit(lambda spec: spec["weak"]["labelers"][0].update(calibration="Temperature"))
        again = place.run()
        assert again.returncode == 0, again.stderr
        assert "label-rules" in place.worked
        assert "label-llm" in place.events("reused")
        assert (len(fake.requests), len(elsewhere.requests)) == (asked, 0)


def test_a_wrong_key_is_said_in_a_line_and_not_tried_again(place):
    with FakeEndpoint(lambda _request, _before: error(401, f"Incorrect API key: {KEY}")) as fake:
        place.edit(with_llm(fake.url))
        done = place.run()
    assert done.returncode == 77
    assert len(fake.requests) <= 8  # those that were under way at once
    assert "does not accept the API key (401)" in done.stdout + done.stderr
    assert "W2S_ENDPOINT_API_KEY" in done.stdout + done.stderr
    assert KEY not in done.stdout + done.stderr


def test_a_limit_of_cost_ends_the_job_and_a_higher_one_goes_on(place):
    prices = {"input": "10", "output": "10"}
    with FakeEndpoint(COPYLEFT) as fake:
        place.edit(with_llm(fake.url, pricePerMillionTokens=prices, maxCost="0.1"))
        done = place.run()
        assert done.returncode == 64
        assert "maxCost: stopped at" in done.stdout + done.stderr
        some = len(fake.requests)
        assert 0 < some < 120
        place.edit(with_llm(fake.url, pricePerMillionTokens=prices, maxCost="10"))
        done = place.run()
        assert done.returncode == 0, done.stderr
        assert set(fake.asked.values()) == {1}


def test_a_job_that_is_stopped_goes_on_where_it_was(place):
    """SIGTERM to the stage's own process, which is what a pod gets."""

    def stops(request: Request, before: int) -> Says:
        if len(fake.requests) == 50:
            for stage in stages_of(os.getpid()):
                os.kill(stage, 15)
        return COPYLEFT(request, before)

    with FakeEndpoint(stops) as fake:
        place.edit(with_llm(fake.url))
        done = place.run()
        assert done.returncode == 0, done.stderr  # the driver starts it again
        assert "what was answered is saved" in done.stdout + done.stderr
        assert len(fake.asked) > 300
        assert set(fake.asked.values()) == {1}


def stages_of(ancestor: int) -> list[int]:
    """Processes below one that run the stage label-llm: a stage that was forked has its name and no command line."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            name = (path / "comm").read_text().strip()
            pid = int(path.name)
        except OSError:
            continue
        if name == "w2s label-llm" and ancestor in ancestors(pid):
            found.append(pid)
    return found


def ancestors(pid: int) -> list[int]:
    found = []
    while pid > 1:
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        found.append(pid)
    return found
