"""Rows of the study: classes, families, and which rows teach what."""

import random

from does_it_pay.declared import BUDGET, POOL, RULE_TEXTS, TEST
from does_it_pay.division import divide
from does_it_pay.rows import Row, classes_of, firsts, joined


def rows(count: int, family_of=lambda n: n, label_of=lambda n: "ab"[n % 2]) -> list[Row]:
    return [Row(f"id-{n}", f"text {n}", label_of(n), str(family_of(n))) for n in range(count)]


def parts(division) -> list[list[Row]]:
    return [division.rule_texts, division.model_texts, division.test, division.budget, division.pool]


def test_no_family_is_in_two_parts():
    division = divide(rows(1500, family_of=lambda n: n // 3), elsewhere=True)
    families = [{row.family for row in part} for part in parts(division)]
    for place, mine in enumerate(families):
        assert mine
        assert not any(mine & other for other in families[place + 1 :])


def test_the_division_does_not_depend_on_the_order_of_the_rows():
    found = rows(1500, family_of=lambda n: n // 2)
    shuffled = random.Random(1).sample(found, len(found))
    assert parts(divide(found, elsewhere=True)) == parts(divide(shuffled, elsewhere=True))


def test_a_large_set_fills_the_parts_and_a_small_one_keeps_their_ratio():
    large = divide(rows(3000), elsewhere=False)
    assert [len(part) for part in parts(large)] == [RULE_TEXTS, 0, TEST, BUDGET, POOL]
    small = divide(rows(RULE_TEXTS + 900), elsewhere=False)
    assert [len(part) for part in parts(small)] == [RULE_TEXTS, 0, 400, 200, 300]


def test_texts_that_teach_weak_sources_have_every_class_however_rare():
    division = divide(
        rows(2000, label_of=lambda n: "rare" if n in (7, 8, 1900) else "common"), elsewhere=True
    )
    assert "rare" in {row.label for row in division.rule_texts}
    assert "rare" in {row.label for row in division.model_texts}


def test_the_ten_most_frequent_classes_are_kept_without_those_that_are_rare():
    labels = [name for name in "abcdefghijkl" for _ in range(100)] + ["l", "m"]
    assert classes_of(labels) == ["a", "b", "c", "d", "e", "f", "g", "h", "i", "l"]
    assert classes_of(["x"] * 98 + ["y"] + ["z"] * 2) == ["x"]
    assert classes_of(["x"] * 97 + ["y"] * 3) == ["x", "y"]


def test_families_are_joined_transitively():
    found = joined(
        [["near 1", "group a"], ["near 2", "group b"], ["near 2", "group a"], ["near 3", "group c"]]
    )
    assert found[0] == found[1] == found[2] != found[3]


def test_of_a_large_family_the_first_rows_are_kept():
    assert firsts(["a", "b", "a", "a", "c", "b"], 2) == [0, 1, 2, 4, 5]
    assert firsts(["a", "a"], 2) == [0, 1]
