"""What the docs say of the chart can be done."""

import re
from typing import Any

import yaml
from helm_kit import CHART, ROOT, container, environment, render

INSTALL = (ROOT / "docs" / "install.md").read_text()
GITOPS = (ROOT / "docs" / "gitops.md").read_text()
VALUES = yaml.safe_load((CHART / "values.yaml").read_text())


def blocks(text: str) -> list[dict[str, Any]]:
    """Objects in the YAML of a page."""
    return [
        one for found in re.findall(r"```yaml\n(.*?)```", text, re.S) for one in yaml.safe_load_all(found)
    ]


def test_values_that_are_named_exist():
    named = re.findall(r"(?:--set |[`,])([a-z]\w+(?:\.\w+)*)(?:\[0\]\.name)?=", INSTALL)
    assert len(named) > 12
    for path in named:
        found = VALUES
        for part in path.split("."):
            assert part in found, f"docs/install.md names {path}"
            found = found[part]


def test_examples_of_gitops_give_the_images_that_they_name():
    objects = {one["kind"]: one for one in blocks(GITOPS)}
    argo = objects["Application"]["spec"]["source"]["helm"]["valuesObject"]
    flux = objects["HelmRelease"]["spec"]["values"]
    for values in (argo, flux):
        made = render(values)
        assert container(made)["image"].startswith("registry.example.org/w2s-operator:")
        assert environment(made)["W2S_TRAINER_IMAGE"].startswith("registry.example.org/w2s-trainer:")
    assert objects["Application"]["spec"]["source"]["path"] == str(CHART.relative_to(ROOT))


def test_the_table_of_rights_is_the_role():
    section = INSTALL.partition("## What the operator may do")[2].partition("\n## ")[0]
    said = {
        name: set(verbs.split(", "))
        for name, verbs in re.findall(r"^\| `([\w/]+)` \| ([^|]+?) \|", section, re.M)
    }
    (role,) = (one for one in render() if one["kind"] == "Role")
    assert said == {rule["resources"][0]: set(rule["verbs"]) for rule in role["rules"]}
