"""A job whose student is tuned with differential privacy: what it spent is in results, report, card and last words."""

import pytest

PRIVACY = {"epsilon": "8", "delta": "0.001", "clipNorm": "0.5"}


@pytest.fixture(scope="module")
def place(new_workplace):
    place = new_workplace()
    place.edit(
        lambda spec: spec.update(
            {
                "strong": {
                    **spec["strong"],
                    "maxTokens": 16,
                    "tuning": {"type": "LoRA", "lora": {"rank": 2, "targets": "Attention"}},
                    "training": {"epochs": 1, "batchSize": 32, "privacy": PRIVACY},
                },
                "evaluation": {"seeds": 1, "controls": []},
                "promotion": {"metric": "MacroF1", "mustBeat": [], "candidate": "Student"},
            }
        )
    )
    done = place.run()
    assert done.returncode == 0, done.stderr
    return place


def test_what_was_spent_is_said_wherever_the_student_is(place):
    results = place.results()
    (spent,) = [one["privacy"] for one in results["training"]["trained"] if one["arm"] == "strong"]
    assert 7 < spent["epsilon"] <= 8
    assert any("differentially private" in one for one in results["answer"])
    assert "DP-SGD" in (place.directory / "output/report.html").read_text()
    below = f"{place.bucket}/w2s/artifacts/promote/"
    (card,) = (info.uri for info in place.objects.list(below) if info.uri.endswith("README.md"))
    assert f"ε = {spent['epsilon']:.2f} at δ = 0.001" in place.objects.read(card).decode()


def test_no_secret_is_left(place):
    assert not [info.uri for info in place.objects.list(f"{place.bucket}/w2s/") if "checkpoints/" in info.uri]
