"""What is declared is implemented, and what is implemented is declared; docs/architecture.md says where both are."""

import re
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest

from w2s_api.arms import ARMS
from w2s_api.families import FAMILIES
from w2s_api.methods.adaptation_steps import ADAPTATION_STEPS
from w2s_api.methods.aggregations import AGGREGATIONS
from w2s_api.methods.finish_steps import FINISH_STEPS
from w2s_api.methods.labelers import LABELERS
from w2s_api.methods.losses import LOSSES
from w2s_api.methods.method import Method, field_of, module_of
from w2s_api.methods.retainers import RETAINERS
from w2s_api.methods.selection_steps import SELECTION_STEPS
from w2s_api.methods.synthesis_steps import SYNTHESIS_STEPS
from w2s_api.methods.tunings import TUNINGS
from w2s_api.metrics import METRICS
from w2s_trainer.methods import implementation

ROOT = Path(__file__).parents[2]
BY_STEPS = {name: tuning for name, tuning in TUNINGS.items() if not tuning.on_frozen_model}
KINDS: dict[str, tuple[dict, str, str, set[str]]] = {
    "labeler": (
        LABELERS,
        "w2s_trainer.stages.label",
        "opinions",
        {
            "calibration",
            "methods",
            "nearest",
            "opinion",
            "prior",
            "prompt",
            "prompting",
            "question",
            "reasoning",
            "rule_pattern",
            "rule_text",
            "saved_answers",
            "shots",
            "strategy",
            "summary",
            "tuned",
            "user_functions",
            "votes",
        },
    ),
    "aggregation": (
        AGGREGATIONS,
        "w2s_trainer.stages.aggregate",
        "aggregate",
        {"ballots", "dependence", "methods", "summary"},
    ),
    "selection step": (
        SELECTION_STEPS,
        "w2s_trainer.stages.select",
        "select",
        {
            "audit",
            "changes",
            "corrected",
            "disjoint",
            "distilled",
            "flips",
            "held_out",
            "methods",
            "nearest_gold",
            "ordered",
            "ranking",
            "refined",
            "written",
        },
    ),
    "synthesis step": (
        SYNTHESIS_STEPS,
        "w2s_trainer.stages.synthesise",
        "make",
        {"alike", "methods", "pairs", "removal", "sentences", "write", "written"},
    ),
    "adaptation step": (
        ADAPTATION_STEPS,
        "w2s_trainer.stages.adapt",
        "adapt",
        {"corpus", "curve", "methods", "mixture_law", "packed", "pilots", "pretraining", "texts", "written"},
    ),
    "finish step": (
        FINISH_STEPS,
        "w2s_trainer.stages.finish",
        "finish",
        {"before", "methods", "pairs"},
    ),
    "loss": (LOSSES, "w2s_trainer.tuning.losses", "targets", set()),
    "retainer": (RETAINERS, "w2s_trainer.tuning.retainers", "retain", set()),
    "tuning by gradient steps": (BY_STEPS, "w2s_trainer.tuning.tunings", "make_tunable", set()),
}
"""The table, the package of its modules, the function of each, and what else the package has."""
EVERY_METHOD = {name: method for kind in KINDS.values() for name, method in kind[0].items()}


@pytest.mark.parametrize("kind", KINDS)
def test_each_method_has_its_module_and_each_module_its_method(kind):
    table, package, function, others = KINDS[kind]
    modules = {file.stem for file in Path(import_module(package).__file__ or "").parent.glob("*.py")}
    assert modules - others - {"__init__"} == {module_of(method) for method in table.values()}
    for name, method in table.items():
        assert name == method.__name__
        # a loss of texts that are written is of tokens, and no other
        called = "token_targets" if kind == "loss" and method.only_for == {"Generation"} else function
        assert callable(getattr(implementation(package, method), called))


@pytest.mark.parametrize("method", EVERY_METHOD.values(), ids=list(EVERY_METHOD))
def test_what_a_method_says_of_itself(method: type[Method]):
    assert method.version >= 1
    assert method.words == method.words.strip(" .")
    assert re.fullmatch(r"[a-z][A-Za-z]+", field_of(method))
    described = [field.description for field in method.model_fields.values()]
    assert all(description and description.strip() for description in described)


@pytest.mark.parametrize(
    "method", [*LOSSES.values(), *RETAINERS.values(), *TUNINGS.values()], ids=[*LOSSES, *RETAINERS, *TUNINGS]
)
def test_the_report_has_words_for_it(method):
    """Or a job would end at its report, after all its training."""
    assert method().in_words().strip()


@pytest.mark.parametrize("method", EVERY_METHOD.values(), ids=list(EVERY_METHOD))
def test_a_method_is_for_kinds_of_task_that_there_are_and_that_know_it(method: type[Method]):
    lists = {
        "labelers": LABELERS,
        "aggregations": AGGREGATIONS,
        "adaptations": ADAPTATION_STEPS,
        "finishes": FINISH_STEPS,
        "selections": SELECTION_STEPS,
        "losses": LOSSES,
        "tunings": TUNINGS,
        "syntheses": SYNTHESIS_STEPS,
    }
    if method.__name__ in RETAINERS:  # of a model alone: they see no label
        assert not method.only_for
        return
    (kind,) = (kind for kind, table in lists.items() if method.__name__ in table)
    for family in method.only_for:
        known = getattr(FAMILIES[family], kind, None)
        assert known is None or method.__name__ in known


def rows() -> dict[str, list[list[str]]]:
    """By what is added, the places of the three columns."""
    page = (ROOT / "docs/architecture.md").read_text()
    table = page.split("## To add X, touch Y")[1]
    found = {}
    for line in table.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 4 and cells[0].startswith(("a ", "an ")):
            found[cells[0].partition(" ")[2]] = [re.findall(r"`([^`]+)`", cell) for cell in cells[1:]]
    return found


def test_the_page_has_a_row_for_every_kind():
    assert set(rows()) == {*KINDS, "metric", "arm", "policy of the operator"}


@pytest.mark.parametrize("kind", KINDS)
def test_the_page_says_where_the_methods_are(kind):
    table, package, _, _ = KINDS[kind]
    (settings,), (line,), (implemented,) = rows()[kind]
    registered = (ROOT / line).read_text()
    for name, method in table.items():
        module = module_of(method)
        assert f"class {name}(" in (ROOT / settings.replace("*", module)).read_text()
        assert re.search(rf"= table\(.*\b{name}\b.*\)", registered, re.DOTALL)
        assert (ROOT / implemented.replace("*", module)).read_text()
        assert implemented.replace("/", ".").startswith(f"trainer.{package}.")


def test_the_page_says_where_metrics_arms_and_policies_are():
    for name in METRICS:
        assert f'"{name}"' in (ROOT / rows()["metric"][1][0]).read_text()
        assert (ROOT / rows()["metric"][2][0].replace("*", name.lower())).exists()
    for name in ARMS:
        assert f'"{name}"' in (ROOT / rows()["arm"][1][0]).read_text()
    policies = ROOT / rows()["policy of the operator"][1][0]
    listed = policies.read_text()
    for file in policies.parent.glob("*.py"):
        assert file.stem in ("__init__", *re.findall(r"\w+", listed))


SETTINGS_THAT_NAME: dict[str, Callable[[type[Method]], object]] = {
    "classes": lambda method: method.names_classes,
    "labelers": lambda method: method.names_labelers,
}


@pytest.mark.parametrize("named", SETTINGS_THAT_NAME)
def test_some_method_names_something(named):
    """Or the rules about dangling references would be made of nothing."""
    assert any(SETTINGS_THAT_NAME[named](method) for method in EVERY_METHOD.values())
