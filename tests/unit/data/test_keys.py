"""One key has one form, however it was written; what may have lost digits is no key."""

import datetime
import unicodedata
import uuid
from decimal import Decimal
from typing import Any

import pytest

from w2s_api.canonical_text import canonical_text
from w2s_trainer.data.keys import NotAKey, canonical_key, says_missing
from w2s_trainer.data.row import Foreign

SAME: dict[str, list[Any]] = {
    "12": [12, 12.0, Decimal("12"), Decimal("12.00"), "12", "12.0", "12.000", " 12", "12\u00a0", "\t12\n", "１２", "12\u200b", "\ufeff12"],
    "0": [0, 0.0, -0.0, "0", "0.0", "-0", "-0.0"],
    "-3": [-3, -3.0, "-3", "-3.0", "\uff0d3"],
    "1.5": [1.5, Decimal("1.50"), "1.5"],
    "0.00001": [1e-05, Decimal("0.00001"), "0.00001"],
    "007": ["007", " 007", "007.0"],
    "9007199254740993": [9007199254740993, "9007199254740993", Decimal("9007199254740993")],
    "true": [True, "true", "True", "TRUE"],
    "false": [False, "false", "False", "FALSE"],
    "caf\u00e9": ["caf\u00e9", "cafe\u0301", " cafe\u0301 "],
    "ACME GmbH": ["ACME GmbH", "ACME\u00a0GmbH", "ACME  GmbH", "ACME\u2003GmbH", "ＡＣＭＥ GmbH", "AC\u00adME GmbH"],
    "e1de3fa4-fc21-48d7-9951-d21a0036c2a7": [uuid.UUID("e1de3fa4fc2148d79951d21a0036c2a7"), "e1de3fa4-fc21-48d7-9951-d21a0036c2a7"],
}  # fmt: skip


@pytest.mark.parametrize("key", SAME)
def test_all_ways_to_write_a_key_are_one_key(key: str) -> None:
    assert {value: canonical_key(value) for value in SAME[key]} == dict.fromkeys(SAME[key], key)
    assert canonical_key(key) == key


DIFFERENT = [("acme", "ACME"), ("7", "007"), ("1.1", "1.10"), ("a-b", "ab"), ("1e3", "1000"), ("12e4567", "0"), ("12a", "12")]  # fmt: skip


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_keys_that_mean_something_else_stay_apart(one: str, other: str) -> None:
    assert canonical_key(one) != canonical_key(other)


@pytest.mark.parametrize("value", [None, float("nan"), Decimal("NaN"), "", " ", "\u00a0\u200b"])
def test_nothing_is_no_key(value: Any) -> None:
    assert canonical_key(value) is None


NO_KEYS: list[tuple[Any, str]] = [
    ([1], "a list"),
    ({"a": 1}, "an object"),
    (Foreign("timestamp[us]"), "timestamp[us]"),
    (datetime.date(2026, 1, 1), "is a date: store it as text"),
    (datetime.datetime(2026, 1, 1), "a timestamp"),
    (float("inf"), "2^53"),
    (Decimal("Infinity"), "finite"),
    (2.0**53, "2^53"),
    (1.2345678901234568e18, "2^53"),
    ("1.2345678901234568e+18", "scientific"),
    ("1.23457E+11", "scientific"),
    ("a\ud83d", "surrogate"),
]


@pytest.mark.parametrize(("value", "naming"), NO_KEYS)
def test_what_has_no_plain_form_or_lost_digits_is_refused(value: Any, naming: str) -> None:
    with pytest.raises(NotAKey, match=naming.replace("[", r"\[").replace("^", r"\^")):
        canonical_key(value)


def test_the_form_of_a_form_is_itself() -> None:
    values = [value for values in SAME.values() for value in values if isinstance(value, str)]
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        for value in values:
            key = canonical_text(unicodedata.normalize(form, value))
            assert canonical_text(key) == key == canonical_text(value)


@pytest.mark.parametrize(
    "word", ["nan", "NaN", "None", "none", "NULL", "null", "NaT", "<NA>", "N/A", "NA", r"\N"]
)
def test_words_for_a_missing_value(word: str) -> None:
    assert says_missing(word)


@pytest.mark.parametrize("word", ["na", "Nan Goldin", "nonesuch", "0", "unknown", "null-1"])
def test_words_that_are_keys(word: str) -> None:
    assert not says_missing(word)
