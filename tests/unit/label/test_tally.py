"""How often rules vote is counted on the unlabelled texts, told, and kept; nobody voting ends the job."""

import json
import tempfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from label_kit import Told, label_context

from w2s_api.spec.evaluation import Evaluation
from w2s_api.spec.task import Task
from w2s_api.spec.weak import Aggregation, Labeler
from w2s_trainer.errors import BadData
from w2s_trainer.stages import aggregate
from w2s_trainer.stages.label.functions import opinions, tell
from w2s_trainer.stages.label.summary import whole_summary
from w2s_trainer.stages.tables import EVERY_SEED, Examples, lists, write_table
from w2s_trainer.tally import SHOWN, added, silences, votes_by_rule

CLASSES = ("neg", "pos", "odd")
PATH = "spec.weak.labelers[0].functions"


def labeler(*rules: dict) -> Labeler:
    return Labeler.model_validate({"name": "rules", "type": "Functions", "functions": {"rules": list(rules)}})


def rule(name: str, word: str) -> dict:
    return {"className": name, "keywords": [word]}


def examples(*texts: str) -> Examples:
    """The texts as the pool, behind one of the budget and before one of the test that both say everything."""
    everything = "good bad nowhere odd"
    whole = [everything, *texts, everything]
    parts = np.array(["budget", *["pool"] * len(texts), "test"])
    return Examples([str(n) for n in range(len(whole))], whole, parts, np.arange(len(whole)))


def context_of(one: Labeler, **more) -> SimpleNamespace:
    spec = SimpleNamespace(
        weak=SimpleNamespace(labelers=[one]),
        task=Task.model_validate({"classes": [{"name": name} for name in CLASSES]}),
        **{"evaluation": Evaluation(), **more},
    )
    return label_context(Path(tempfile.gettempdir()), spec=spec)


def tally_of_rules(one: Labeler, texts: Examples, rows=None) -> dict:
    rows = np.arange(len(texts)) if rows is None else rows
    return opinions(context_of(one), one, texts, rows)[EVERY_SEED].figures["votes"]


def test_votes_are_counted_on_the_pool_alone():
    rules = labeler(rule("pos", "good"), rule("pos", "fine"), rule("neg", "bad"), rule("odd", "nowhere"))
    found = tally_of_rules(rules, examples("good", "good fine", "bad", "nothing"))
    assert found == {"texts": 4, "rules": [2, 1, 1, 0], "classes": {"neg": 1, "pos": 2, "odd": 0}}
    assert votes_by_rule(found) == (
        "votes on 4 unlabelled texts: 1 for 'neg', 2 for 'pos', 0 for 'odd';"
        " by rule: rules[0] 2, rules[1] 1, rules[2] 1, rules[3] 0"
    )
    assert silences(found, rules.functions, PATH) == [
        f"{PATH}.rules[3] (keywords nowhere) never votes: it matches none of 4 unlabelled texts",
        f"{PATH}: no rule ever votes for class 'odd'",
    ]
    assert json.loads(json.dumps(found)) == found


def test_shards_together_say_what_one_piece_says():
    rules = labeler(rule("pos", "good"), rule("neg", "bad"))
    texts = examples("good", "bad", "good", "nothing", "bad good")
    whole = tally_of_rules(rules, texts)
    parts = [tally_of_rules(rules, texts, rows) for rows in np.array_split(np.arange(len(texts)), 3)]
    assert added(parts) == whole
    shards = [
        {"type": "Functions", "rows": 1, "abstained": 0, "truncated": 0, "votes": {"-1": one}}
        for one in parts
    ]
    assert whole_summary({"shards": shards})["votes"] == {"-1": whole}


def test_many_silent_rules_are_named_in_one_line_beyond_the_first():
    rules = labeler(rule("pos", "good"), *[rule("neg", f"nothing{n}") for n in range(SHOWN + 2)])
    lines = silences(tally_of_rules(rules, examples("good")), rules.functions, PATH)
    assert len(lines) == SHOWN + 3
    assert f"2 more rules never vote: [{SHOWN + 1}], [{SHOWN + 2}]" in lines[SHOWN]


def test_where_no_rule_matches_that_alone_is_said():
    rules = labeler(rule("pos", "nowhere"), rule("neg", "nothing"))
    lines = silences(tally_of_rules(rules, examples("good", "bad")), rules.functions, PATH)
    assert lines == [f"{PATH}: no rule matches any of 2 unlabelled texts"]


def test_what_is_told_and_how_many_warnings_there_were():
    rules = labeler(rule("pos", "good"), rule("neg", "bad"))
    context = context_of(rules)
    summary = {"votes": {"-1": tally_of_rules(rules, examples("good"))}}
    assert tell(context, rules, summary) == 3
    assert [line.startswith("Warning: ") for line in context.progress] == [False, True, True, True]
    assert tell(context, rules, {}) == 0


@pytest.fixture
def aggregated(tmp_path):
    """Runs `aggregate` on what labelers say of three pool texts and one of the test."""

    def run(abstain: dict[str, list[bool]], seeds: tuple[int, ...] = (EVERY_SEED,)):
        ids = ["a", "b", "c", "t"]
        write_table(
            {"id": ids, "text": ids, "part": ["pool"] * 3 + ["test"], "family": np.arange(4)},
            tmp_path / "prepare" / "examples.parquet",
        )
        needs = {}
        for name in ["prepare", *(f"label-{name}" for name in abstain)]:
            files = {"prepare": ["examples.parquet"]}.get(name, ["labels.parquet"])
            needs[name] = SimpleNamespace(
                stage=name,
                key="0",
                files=files,
                summary={},
                fetch=lambda file, _directory, name=name: tmp_path / name / file,
            )
        for name, silent in abstain.items():
            write_table(
                {
                    "id": ids * len(seeds),
                    "seed": np.repeat(np.array(seeds, dtype=np.int32), 4),
                    "probabilities": lists(np.full((4 * len(seeds), 2), 0.5)),
                    "abstain": silent * len(seeds) if len(silent) == 4 else silent,
                },
                tmp_path / f"label-{name}" / "labels.parquet",
            )
        labelers = [SimpleNamespace(name=name, shards=1) for name in abstain]
        spec = SimpleNamespace(
            weak=SimpleNamespace(labelers=labelers),
            aggregation=Aggregation(),
            task=Task.model_validate({"classes": [{"name": "x"}, {"name": "y"}]}),
            evaluation=Evaluation(),
        )
        context = SimpleNamespace(spec=spec, scratch=tmp_path, output=tmp_path, progress=Told())
        context.artifact = lambda _role: needs["prepare"]
        context.artifacts = lambda role: (
            [needs["prepare"]] if role == "gold" else [needs[f"label-{name}"] for name in abstain]
        )
        return aggregate.run(context)

    return run


@pytest.mark.parametrize(
    ("abstain", "says"),
    [
        ({"rules": [True] * 4}, "rules abstains on all"),
        ({"rules": [True, True, True, False]}, "None of 3 unlabelled texts has a weak label"),
        ({"rules": [True] * 4, "more": [True] * 4}, "rules, more abstain on all"),
    ],
)
def test_nobody_votes(aggregated, abstain, says):
    with pytest.raises(BadData, match=says) as error:
        aggregated(abstain)
    assert error.value.reason == "NothingToTrainOn"
    assert error.value.exit_code == 65


def test_nobody_votes_for_one_seed(aggregated):
    with pytest.raises(BadData, match="None of 3"):
        aggregated({"rules": [False] * 4 + [True] * 4}, seeds=(0, 1))


def test_one_vote_is_enough_to_go_on(aggregated):
    result = aggregated({"rules": [True, True, False, True], "more": [True] * 4})
    assert result.figures["covered"] == pytest.approx(1 / 3, abs=1e-5)
