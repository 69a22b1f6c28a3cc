"""Templates of rules, and the groups of their patterns as RE2 counts them."""

import pytest
import re2
from hypothesis import assume, given
from hypothesis import strategies as st

from w2s_api.rule_template import fields_of, filled, groups_of

PIECES = (
    "(",
    ")",
    "(?:",
    "(?P<a>",
    "(?<b>",
    "(?i)",
    "(?s:",
    "[",
    "[^",
    "]",
    "[:alpha:]",
    "\\Q",
    "\\E",
    "\\(",
    "\\)",
)
PIECES += ("\\[", "\\]", "\\\\", "x", "|", "\\pL", "\\x{28}", "^", "-", ":")


@given(st.lists(st.sampled_from(PIECES), max_size=14).map("".join))
def test_groups_are_those_of_re2(pattern):
    options = re2.Options()
    options.log_errors = False
    try:
        compiled = re2.compile(pattern, options)
    except re2.error:
        assume(False)
    names = {place: name for name, place in compiled.groupindex.items()}
    named = [name for name in groups_of(pattern) if name]
    assume(len(named) == len(set(named)))  # of two groups of one name groupindex tells one
    assert groups_of(pattern) == [names.get(place, "") for place in range(1, compiled.groups + 1)]


@pytest.mark.parametrize(
    ("pattern", "groups"),
    [
        ("gpl (?P<version>[0-9.]+)( or any later)?", ["version", ""]),
        ("(?:a)(?i)(?s:b)", []),
        ("[(](?<x>a)[])]", ["x"]),
        (r"\((a\))", [""]),
        (r"\Q(\E(a)\Q(", [""]),
        ("[[:^alpha:](](a)", [""]),
    ],
)
def test_groups_by_hand(pattern, groups):
    assert groups_of(pattern) == groups


def test_a_template_is_filled():
    captured = {"version": "2.0", "1": "lgpl"}
    assert filled("{1}-{version}-plus", captured.__getitem__) == "lgpl-2.0-plus"
    assert filled("{{{version}}} {{}}", captured.__getitem__) == "{2.0} {}"
    assert filled("mit", captured.__getitem__) == "mit"
    assert fields_of("{1}-{version}-{1}") == ["1", "version", "1"]


@pytest.mark.parametrize("template", ["{", "}", "a{}b", "{version", "{version!r}", "{version:>9}", "{a{b}}"])
def test_what_is_no_template(template):
    with pytest.raises(ValueError, match="a template names groups as"):
        fields_of(template)
