"""Dated decisions are found from their index, and stand on their own in a clone."""

import re
from pathlib import Path

import pytest

DESIGN = Path(__file__).parents[2] / "docs" / "design"
NOTES = sorted(DESIGN.glob("2*.md"))


def test_the_index_names_each_note_once():
    linked = re.findall(r"\]\((2[^)]+\.md)\)", (DESIGN / "README.md").read_text())
    assert sorted(linked) == [note.name for note in NOTES]


@pytest.mark.parametrize("note", NOTES, ids=lambda note: note.stem)
def test_a_note_is_dated_decides_and_cites_only_what_a_clone_has(note: Path):
    text = note.read_text()
    assert text.startswith(f"# {note.name[:10]}: ")
    assert "**Decision" in text
    assert not re.findall(r"DESIGN|operators\.md|stack\.md|mechanisms\.md|\.\./shared", text)
