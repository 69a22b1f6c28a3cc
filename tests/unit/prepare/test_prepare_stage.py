"""The stage as a whole: its files, what it removes, and that no family is ever on two sides."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from prepare_kit import CLASSES, MemoryObjects, Prepared, clause, gold, jsonl, pool, spec_of

from w2s_trainer.errors import BadData, BadSpec

Run = Callable[..., Prepared]


def uris(**more: Any) -> dict[str, Any]:
    return {
        "gold": {"uri": "s3://bucket/gold.jsonl"},
        "unlabeled": {"uri": "s3://bucket/pool.jsonl"},
        **more,
    }


def store(gold_rows: list[dict[str, Any]], pool_rows: list[dict[str, Any]], **more: bytes) -> MemoryObjects:
    return MemoryObjects(
        {"s3://bucket/gold.jsonl": jsonl(gold_rows), "s3://bucket/pool.jsonl": jsonl(pool_rows)}
        | {f"s3://bucket/{name}.jsonl": content for name, content in more.items()}
    )


def test_files_are_those_of_the_contract(run_prepare: Run) -> None:
    done = run_prepare(spec_of(uris()), store(gold(), pool()))

    examples = done.rows("examples.parquet")
    assert list(examples[0]) == ["id", "text", "part", "family"]
    assert len({row["id"] for row in examples}) == len(examples) == 170
    assert done.summary["rows"] == {"pool": 50, "budget": 60, "test": 60}
    assert done.summary["classes"] == {name: {"budget": 30, "test": 30} for name in CLASSES}
    assert done.summary["removed"] == {
        "exactDuplicates": 0,
        "testFamilies": 0,
        "seenByTeacher": 0,
        "unusable": 0,
    }
    labels = {row["id"]: row["label"] for row in done.rows("gold-test/labels.parquet")}
    assert set(labels) == {row["id"] for row in done.part("test")}
    texts = {row["text"]: labels[row["id"]] for row in done.part("test")}
    assert all(texts[row["text"]] == CLASSES.index(row["label"]) for row in gold() if row["text"] in texts)
    assert done.rows("gold-pool/labels.parquet") == []
    assert len(done.figures) <= 10
    assert "can prove a gain of about 0.18" in done.said


def test_families_are_never_divided(run_prepare: Run) -> None:
    """Groups, near-duplicates and chains of both, over gold and pool."""
    chance = random.Random(7)
    rows = [row | {"group": f"g{chance.randrange(150)}"} for row in gold(400)]
    words = clause(5_000, 60).split()
    for number in range(20):  # a chain: each text is near the next, the ends are not near each other
        words[number] = f"chain{number}"
        rows.append({"text": " ".join(words), "label": CLASSES[number % 2], "group": f"g{number}"})
    unlabelled = [row | {"group": f"g{chance.randrange(300)}"} for row in pool(200)]
    spec = spec_of(uris(fields={"group": "group"}))
    done = run_prepare(spec, store(rows, unlabelled))

    sides: dict[int, set[str]] = {}
    for row in done.rows("examples.parquet"):
        sides.setdefault(row["family"], set()).add("test" if row["part"] == "test" else "train")
    assert all(len(found) == 1 for found in sides.values())
    group = {row["text"]: row["group"] for row in rows + unlabelled}
    held_out = {group[row["text"]] for row in done.part("test")}
    assert not held_out & {group[row["text"]] for row in done.part("pool") + done.part("budget")}
    assert done.summary["removed"]["testFamilies"] == 200 - done.summary["rows"]["pool"] > 0
    assert done.rows("examples.parquet")[0]["family"] == 0


def test_the_division_does_not_depend_on_row_order(run_prepare: Run) -> None:
    rows, unlabelled = gold(150), pool(60)
    spec = spec_of(uris())
    before = run_prepare(spec, store(rows, unlabelled))
    random.Random(3).shuffle(rows)
    after = run_prepare(spec, store(rows, unlabelled[::-1]))
    more = run_prepare(spec, store(rows, pool(80)))
    for part in ("test", "budget"):
        expected = {row["text"] for row in before.part(part)}
        assert {row["text"] for row in after.part(part)} == expected
        assert {row["text"] for row in more.part(part)} == expected


def test_another_split_seed_makes_another_division(run_prepare: Run) -> None:
    one = run_prepare(spec_of(uris()), store(gold(), pool()))
    other = run_prepare(spec_of(uris(splitSeed=1)), store(gold(), pool()))
    assert {row["text"] for row in one.part("test")} != {row["text"] for row in other.part("test")}


def test_copies_are_kept_once_and_gold_wins(run_prepare: Run) -> None:
    rows = gold(121)
    rows.append(rows[0] | {"text": f"  {rows[0]['text'].upper()}\n"})
    unlabelled = pool(50)
    unlabelled += [unlabelled[3], {"text": rows[5]["text"]}]
    unlabelled += [{"text": row["text"]} for row in rows[:40]]
    done = run_prepare(spec_of(uris()), store(rows, unlabelled))

    texts = [row["text"] for row in done.rows("examples.parquet")]
    assert len(texts) == len(set(texts)) == 171
    held_out = {row["text"] for row in done.part("test")}
    leaked = sum(row["text"] in held_out for row in unlabelled)
    assert done.summary["removed"]["testFamilies"] == leaked > 0
    assert done.summary["removed"]["exactDuplicates"] == 1 + 1 + 41 - leaked


def test_contradicting_labels_are_quarantined(run_prepare: Run) -> None:
    rows = gold(122)
    rows += [rows[0] | {"label": CLASSES[1]}, rows[1]]
    done = run_prepare(spec_of(uris()), store(rows, pool()))
    bad = done.rows("quarantine.parquet")
    assert [(row["source"], row["row"]) for row in bad] == [
        ("s3://bucket/gold.jsonl", 1),
        ("s3://bucket/gold.jsonl", 123),
    ]
    assert "contradicting labels" in bad[0]["reason"]
    assert rows[0]["text"] not in {row["text"] for row in done.rows("examples.parquet")}
    assert done.summary["removed"]["unusable"] == 2
    assert done.summary["removed"]["exactDuplicates"] == 1


def test_a_test_of_its_own(run_prepare: Run) -> None:
    test = gold(60, start=500)
    rows = [*gold(100), {"text": test[0]["text"] + " thereof", "label": CLASSES[0]}]
    unlabelled = [*pool(50), {"text": "hereby " + test[1]["text"]}]
    done = run_prepare(
        spec_of(uris(test={"uri": "s3://bucket/test.jsonl"})), store(rows, unlabelled, test=jsonl(test))
    )
    assert done.summary["rows"] == {"pool": 50, "budget": 100, "test": 60}
    assert done.summary["removed"]["testFamilies"] == 2


def teacher(*sources: str) -> dict[str, Any]:
    classifier = {
        "model": {"uri": "py://teacher"},
        "labels": [{"modelLabel": name, "className": name} for name in CLASSES],
        "trainedOn": {"type": "Data", "data": [{"uri": uri} for uri in sources]},
    }
    return {"labelers": [{"name": "small", "type": "Classifier", "classifier": classifier}]}


@pytest.mark.parametrize("own_test", [False, True])
def test_what_the_teacher_has_seen_leaves_the_test(run_prepare: Run, own_test: bool) -> None:
    tested = gold(200, start=500) if own_test else gold(200)
    seen = [{"text": row["text"] + " aforesaid"} for row in tested[:30]]
    content = {"seen": jsonl(seen)} | ({"test": jsonl(tested)} if own_test else {})
    more = {"test": {"uri": "s3://bucket/test.jsonl"}} if own_test else {}
    spec = spec_of(uris(**more), weak=teacher("s3://bucket/seen.jsonl"))
    done = run_prepare(spec, store(gold(200), pool(), **content))

    assert not {row["text"] for row in tested[:30]} & {row["text"] for row in done.part("test")}
    assert done.summary["removed"]["seenByTeacher"] == 30
    expected = {"budget": 200, "test": 170} if own_test else {"budget": 100, "test": 100}
    assert done.summary["rows"] == {"pool": 50, **expected}


def test_gold_of_the_pool_is_kept_apart(run_prepare: Run) -> None:
    unlabelled = pool(50)
    unlabelled[0]["label"] = unlabelled[1]["label"] = "indemnity"
    unlabelled[2]["label"] = "unheard of"
    unlabelled.append(unlabelled[1] | {"label": "other"})
    done = run_prepare(spec_of(uris()), store(gold(), unlabelled))
    assert [row["label"] for row in done.rows("gold-pool/labels.parquet")] == [1]
    assert done.summary["poolGold"] == 1
    assert done.summary["poolLabelsIgnored"] == 3
    assert done.summary["rows"]["pool"] == 50


def test_ids_are_those_of_the_rows_or_say_where_they_are(run_prepare: Run) -> None:
    named = [row | {"name": number} for number, row in enumerate(gold() + pool())]
    done = run_prepare(spec_of(uris(fields={"id": "name"})), store(named[:120], named[120:]))
    assert {row["id"] for row in done.rows("examples.parquet")} == {str(number) for number in range(170)}

    objects = MemoryObjects(
        {"s3://bucket/gold/a.jsonl": jsonl(gold()), "s3://bucket/pool/a.jsonl": jsonl(pool())}
    )
    data = {"gold": {"uri": "s3://bucket/gold/"}, "unlabeled": {"uri": "s3://bucket/pool/"}}
    done = run_prepare(spec_of(data), objects)
    names = {row["id"] for row in done.rows("examples.parquet")}
    assert {"gold/a.jsonl:1", "unlabeled/a.jsonl:1"} <= names
    assert len(names) == 170


def test_one_bad_line_in_100_000_is_named_and_the_rest_is_used(run_prepare: Run, tmp_path: Path) -> None:
    lines = [b'{"text": "w%d"}' % number for number in range(100_000)]
    lines[54_320] = b'{"text": "\xff"}'
    (tmp_path / "pool.jsonl").write_bytes(b"\n".join(lines))
    (tmp_path / "gold.jsonl").write_bytes(jsonl(gold()))
    data = {
        name: {"uri": f"file://{tmp_path}/{file}.jsonl"}
        for name, file in (("gold", "gold"), ("unlabeled", "pool"))
    }
    done = run_prepare(spec_of(data))
    assert done.rows("quarantine.parquet") == [
        {
            "source": data["unlabeled"]["uri"],
            "row": 54_321,
            "reason": "invalid UTF-8 at byte 11 of the line",
        }
    ]
    assert done.summary["rows"]["pool"] == 99_999


SMALL = gold(40)
JUDGED: list[tuple[str, dict[str, Any], dict[str, Any], type[Exception], str, list[str]]] = [
    ("small", {}, {}, BadData, "TestTooSmall", ["20 rows in 20 families", "0.31", "29 families more"]),
    ("ceiling", {}, {"evaluation": {"ceiling": True}}, BadData, "NoPoolGold", ["pool.jsonl", "`label`"]),
    ("budget", {"goldBudget": 61}, {}, BadSpec, "GoldBudgetTooLarge", ["61", "only 60"]),
    (
        "regex",
        {},
        {
            "weak": {
                "labelers": [
                    {
                        "name": "r",
                        "type": "Functions",
                        "functions": {"rules": [{"className": "other", "pattern": "a(b"}]},
                    }
                ]
            }
        },
        BadSpec,
        "",
        ["rules[0]"],
    ),
]


@pytest.mark.parametrize(
    ("case", "data", "more", "kind", "reason", "named"), JUDGED, ids=[c[0] for c in JUDGED]
)
def test_what_is_judged_of_a_reused_artifact_too(
    run_prepare: Run,
    case: str,
    data: dict[str, Any],
    more: dict[str, Any],
    kind: type[Exception],
    reason: str,
    named: list[str],
) -> None:
    from w2s_trainer.stages.prepare import verify

    made = run_prepare(spec_of(uris()), store(gold(40 if case == "small" else 120), pool()), verified=False)
    with pytest.raises(kind) as caught:
        verify(made.summary, spec_of(uris(**data), **more))
    error: Any = caught.value
    assert not reason or error.reason == reason
    assert error.exit_code == (64 if kind is BadSpec else 65)
    for word in named:
        assert word in str(error)


def test_a_rule_that_does_not_compile_is_refused_before_anything_is_read(run_prepare: Run) -> None:
    with pytest.raises(BadSpec, match=r"rules\[0\]"):
        run_prepare(spec_of(uris(), **JUDGED[3][2]), MemoryObjects())


def test_an_empty_pool_is_refused(run_prepare: Run) -> None:
    rows = gold()
    with pytest.raises(BadData) as caught:
        run_prepare(spec_of(uris()), store(rows, [{"text": row["text"]} for row in rows]))
    assert caught.value.reason == "EmptyPool"


def test_rules_that_cannot_vote_are_named_before_anything_is_read(run_prepare):
    objects = MemoryObjects({"s3://b/gold.jsonl": jsonl(gold()), "s3://b/pool.jsonl": jsonl(pool())})
    spec = spec_of({"gold": {"uri": "s3://b/gold.jsonl"}, "unlabeled": {"uri": "s3://b/pool.jsonl"}})
    done = run_prepare(spec, objects)
    assert "Warning: spec.weak.labelers: no rule votes for the class 'other'" in done.said
    assert done.said.index("Warning") < done.said.index("Read ")
