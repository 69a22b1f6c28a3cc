"""Rules that write texts: templates, the first that matches, what is captured in every script, and the tally."""

import tempfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from label_kit import Told, label_context

from w2s_api.methods.labelers import Functions
from w2s_api.spec.task import Task
from w2s_api.spec.weak import Labeler
from w2s_trainer.errors import BadSpec
from w2s_trainer.families.generation import Generation
from w2s_trainer.stages.label.functions import answer, check, opinions, tell, write
from w2s_trainer.stages.label.methods import Published
from w2s_trainer.stages.tables import EVERY_SEED, Examples

TASK = Task.model_validate({"type": "Generation", "generation": {}})
GPL = {"pattern": r"gpl v?(?P<version>[0-9]) or later", "write": "gpl-{version}.0-plus"}


def functions(*rules: dict, **more) -> Functions:
    return Functions.model_validate({"rules": list(rules), **more})


def written(*rules: dict, texts: list[str]) -> list[str]:
    return write(functions(*rules), texts).tolist()


def test_the_first_rule_that_matches_writes():
    rules = [GPL, {"pattern": "gpl ([0-9])", "write": "gpl-{1}.0"}, {"keywords": ["mit"], "write": "mit"}]
    texts = ["GPL v2 or later", "MIT, or the GPL 2", "the MIT licence", "permit", ""]
    assert written(*rules, texts=texts) == ["gpl-2.0-plus", "gpl-2.0", "mit", "", ""]
    assert written(*reversed(rules), texts=texts[1:2]) == ["mit"]


def test_a_group_that_takes_no_part_leaves_the_text_to_the_next_rule():
    rules = [{"pattern": "gpl(?: v([0-9]))?", "write": "gpl-{1}"}, {"pattern": "gpl", "write": "gpl"}]
    assert written(*rules, texts=["the gpl v3", "the gpl"]) == ["gpl-3", "gpl"]


def test_a_group_that_is_empty_writes_nothing_and_a_text_of_nothing_is_an_abstention():
    assert written({"pattern": "by([a-z ]*)", "write": "{1}"}, texts=["by me", "by  ", "by"]) == [
        "me",
        "",
        "",
    ]


@pytest.mark.parametrize(
    ("text", "captured"),
    [
        pytest.param("by Ünal & Söhne.", "ünal & söhne", id="letters beyond ASCII, in small letters"),
        pytest.param("by 株式会社.", "株式会社", id="without spaces"),
        pytest.param("by  the\tFSF", "the fsf", id="white space"),
        pytest.param("by “us”", '"us"', id="typographic forms are plain"),
    ],
)
def test_what_is_captured_is_as_rules_see_it(text, captured):
    assert written({"pattern": r"by ([^.]+)", "write": "{1}"}, texts=[text]) == [captured]


def test_only_the_beginning_is_read():
    rules = functions({"pattern": "v([0-9]+)", "write": "{1}"}, maxCharacters=5)
    assert write(rules, ["gplv23", "mit-v2"]).tolist() == ["2", ""]


def test_a_template_of_what_is_not_captured_is_refused():
    with pytest.raises(BadSpec) as error:
        check(functions(GPL, {"pattern": "mit", "write": "{version}"}), "spec.weak.labelers[2].functions")
    assert error.value.reason == "BadTemplate"
    assert "spec.weak.labelers[2].functions.rules[1].write: {version} is no group" in error.value.message


@pytest.fixture
def labeler() -> Labeler:
    rules = [
        GPL,
        {"pattern": "gpl", "write": "gpl"},
        {"pattern": "later", "write": "later"},
        {"keywords": ["mit"], "write": "mit"},
    ]
    return Labeler.model_validate({"name": "rules", "type": "Functions", "functions": {"rules": rules}})


def test_a_labeler_of_rules_that_write(labeler):
    texts = ["gpl 2 or later", "gpl", "nothing", "gpl 3 or later"]
    parts = np.array(["pool", "pool", "pool", "test"])
    examples = Examples([str(n) for n in range(4)], texts, parts, np.arange(4))
    spec = SimpleNamespace(weak=SimpleNamespace(labelers=[labeler]), task=TASK)
    told = Told()
    context = label_context(Path(tempfile.gettempdir()), spec=spec, progress=told)

    opinion = opinions(context, labeler, examples, np.arange(4))[EVERY_SEED]
    assert opinion.targets.tolist() == ["gpl-2.0-plus", "gpl", "", "gpl-3.0-plus"]
    assert opinion.abstain.tolist() == [False, False, True, False]
    assert opinion.figures["votes"] == {"texts": 3, "rules": [1, 1, 0, 0], "classes": {}}

    assert tell(context, labeler, {"votes": {"-1": opinion.figures["votes"]}}) == 2
    assert told == [
        "rules: writes for 2 of 3 unlabelled texts; by rule: rules[0] 1, rules[1] 1, rules[2] 0, rules[3] 0",
        "Warning: spec.weak.labelers[0].functions.rules[2] (pattern 'later') never writes: it is the first to match none"
        " of 3 unlabelled texts",
        "Warning: spec.weak.labelers[0].functions.rules[3] (keywords mit) never writes: it is the first to match none of"
        " 3 unlabelled texts",
    ]


def test_they_write_again_beside_a_published_model(labeler):
    published = Published(Generation(TASK), lambda uri: Path(uri), Path("nowhere"))
    labels = answer(labeler, ["gpl", "bsd"], published)
    assert labels.targets.tolist() == ["gpl", ""]
    assert labels.abstain.tolist() == [False, True]
