"""What the documents promise, for tests that hold it to what is written."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

# A machine that does other work is no fault of the code.
settings.register_profile("w2s", deadline=None)
settings.load_profile("w2s")

ARTIFACTS = Path(__file__).parents[1] / "docs" / "artifacts.md"
_INSIDE = re.compile(r"\([^()]*\)|\{[^{}]*\}|\[[^\[\]]*\]")


def summary_rows(page: str) -> dict[str, dict[str, bool]]:
    """Keys of the summaries by the first cell of their row, without backticks; whether each is always there."""
    stage, found = "", {}
    for line in page.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("|") or len(cells) < 3:
            continue
        stage = cells[0].replace("`", "") or stage
        if cells[1] == "summary":
            text = cells[2]
            while (shorter := _INSIDE.sub("", text)) != text:
                text = shorter
            found[stage] = {
                key: not re.search(r" (if|where) ", part)
                for part in text.split(",")
                for key in re.findall(r"`(\w+)`", part.partition(" where ")[0])
            }
    return found


@pytest.fixture(scope="session")
def summary_is_documented() -> Callable[..., None]:
    """Fails unless a summary has all keys that docs/artifacts.md promises in some of its rows, and no other."""
    rows = summary_rows(ARTIFACTS.read_text())

    def check(summary: Mapping[str, Any], *names: str) -> None:
        keys = {key: always for name in names for key, always in rows[name].items()}
        assert set(summary) <= set(keys), f"written, but not in docs/artifacts.md ({names})"
        assert {key for key, always in keys.items() if always} <= set(summary), f"never written ({names})"

    return check
