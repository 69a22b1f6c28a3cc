"""What the chart makes of its values."""

import json
import logging
import re
import shutil
import subprocess
from typing import Any

import pytest
import yaml
from helm_kit import CHART, HELM, ROOT, Refused, container, environment, kinds, only, pod, render

from w2s_api.child_jobs import JOB_UID_LABEL, MANAGED_BY, MANAGER_LABEL
from w2s_operator.metrics import Metrics
from w2s_operator.settings import OperatorSettings

DIGEST = "sha256:" + "0123456789abcdef" * 4
EVERYTHING = {
    "imagePullSecrets": [{"name": "pull"}],
    "metrics": {
        "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
        "prometheusRule": {"enabled": True, "labels": {"release": "prometheus"}},
    },
    "networkPolicy": {"enabled": True},
    "podDisruptionBudget": {"enabled": True},
}


def test_by_default_it_runs_the_jobs_of_its_own_namespace_and_has_rights_nowhere_else():
    made = render()
    assert environment(made)["W2S_NAMESPACES"] == {"fieldRef": {"fieldPath": "metadata.namespace"}}
    assert only(made, "Role")["metadata"]["namespace"] == "legal"
    assert "ClusterRoleBinding" not in kinds(made)
    bound = only(made, "RoleBinding")
    assert bound["roleRef"]["name"] == only(made, "Role")["metadata"]["name"]
    account = only(made, "ServiceAccount")["metadata"]
    subject = {"kind": "ServiceAccount", "name": account["name"], "namespace": "legal"}
    assert bound["subjects"] == [subject]
    assert pod(made)["spec"]["serviceAccountName"] == account["name"]


def test_named_namespaces_have_a_role_each_bound_to_the_account_of_the_release():
    made = render({"watchNamespaces": ["alpha", "beta"]}, namespace="system")
    assert environment(made)["W2S_NAMESPACES"] == "alpha,beta"
    roles = [one for one in made if one["kind"] == "Role"]
    bindings = [one for one in made if one["kind"] == "RoleBinding"]
    for found in (roles, bindings):
        assert sorted(one["metadata"]["namespace"] for one in found) == ["alpha", "beta"]
    assert {one["subjects"][0]["namespace"] for one in bindings} == {"system"}


def test_cluster_wide_has_one_cluster_role_with_the_same_rules():
    made = render({"clusterWide": True})
    assert environment(made)["W2S_NAMESPACES"] == ""
    assert not {"Role", "RoleBinding"} & kinds(made)
    binding = only(made, "ClusterRoleBinding")
    role = only(made, "ClusterRole", binding["roleRef"]["name"])
    assert role["rules"] == only(render(), "Role")["rules"]


def test_releases_in_two_namespaces_share_no_object_but_the_crd():
    def names(namespace: str) -> set[tuple[str, ...]]:
        return {
            (one["kind"], one["metadata"].get("namespace", ""), one["metadata"]["name"])
            for one in render({"clusterWide": True}, namespace=namespace, crd=True)
        }

    assert {kind for kind, *_ in names("one") & names("two")} == {"CustomResourceDefinition"}


def test_the_environment_is_what_the_operator_reads():
    values = {
        "api": {"qps": 12.5, "burst": 7},
        "workers": 3,
        "lostAfter": 1000000,
        "logLevel": "debug",
        "watchNamespaces": ["a", "b"],
        "trainer": {"runAsUser": 1000660000, "imagePullSecrets": [{"name": "one"}, {"name": "two"}]},
    }
    found = OperatorSettings.from_environment(environment(render(values)))
    assert (found.requests_per_second, found.burst, found.workers) == (12.5, 7, 3)
    assert (found.lost_after, found.log_level) == (1_000_000, logging.DEBUG)
    assert (found.user, found.image_pull_secrets) == (1000660000, ("one", "two"))
    assert found.namespaces == ("a", "b")
    assert found.trainer_image == "w2s-trainer:" + app_version()
    assert [one["containerPort"] for one in container(render())["ports"]] == [found.port]


def test_values_repeat_the_operators_own_defaults():
    found = OperatorSettings.from_environment(environment(render({"watchNamespaces": ["a"]})))
    own = OperatorSettings(trainer_image=found.trainer_image, namespaces=("a",))
    assert found == own


def test_on_openshift_nobody_chooses_a_user():
    nobody = {"runAsUser": None, "runAsGroup": None}
    made = render({"podSecurityContext": nobody, "trainer": {"runAsUser": None}, "watchNamespaces": ["a"]})
    assert environment(made)["W2S_USER"] == ""
    assert OperatorSettings.from_environment(environment(made)).defaults.user is None
    assert "runAsUser" not in pod(made)["spec"]["securityContext"]


def test_more_variables_reach_the_operator_beside_its_own():
    more = [
        {"name": "HTTPS_PROXY", "valueFrom": {"secretKeyRef": {"name": "proxy", "key": "url"}}},
        {"name": "NO_PROXY", "value": "10.0.0.1,.example.org"},
    ]
    env = container(render({"extraEnv": more}))["env"]
    assert env == container(render())["env"] + more


@pytest.mark.parametrize(
    ("image", "reference"),
    [
        ({}, "repo:VERSION"),
        ({"tag": "1.2"}, "repo:1.2"),
        ({"digest": DIGEST}, f"repo@{DIGEST}"),
        ({"tag": "1.2", "digest": DIGEST}, f"repo@{DIGEST}"),
        (
            {"repository": "registry.example.org:5000/team/repo"},
            "registry.example.org:5000/team/repo:VERSION",
        ),
    ],
)
def test_references_of_images(image, reference):
    image, reference = {"repository": "repo"} | image, reference.replace("VERSION", app_version())
    made = render({"image": image, "trainer": {"image": image}})
    assert container(made)["image"] == reference
    assert environment(made)["W2S_TRAINER_IMAGE"] == reference
    assert only(made, "Pod")["spec"]["containers"][0]["image"] == reference


@pytest.mark.parametrize(
    ("values", "there", "not_there"),
    [
        ({}, {"Deployment", "Service", "ServiceAccount"}, {"ServiceMonitor", "PrometheusRule", "NetworkPolicy", "PodDisruptionBudget"}),
        ({"metrics": {"serviceMonitor": {"enabled": True}}}, {"ServiceMonitor"}, {"PrometheusRule"}),
        ({"metrics": {"service": {"enabled": False}}}, {"Deployment"}, {"Service", "Pod"}),
        ({"serviceAccount": {"create": False}}, {"Role"}, {"ServiceAccount"}),
        ({"rbac": {"create": False, "aggregate": False}}, {"ServiceAccount"}, {"Role", "RoleBinding", "ClusterRole"}),
        ({"rbac": {"create": False, "aggregate": True}}, {"ClusterRole"}, {"Role", "RoleBinding"}),
        ({"clusterWide": True, "rbac": {"aggregate": False}}, {"ClusterRole", "ClusterRoleBinding"}, {"Role"}),
        (EVERYTHING, {"ServiceMonitor", "PrometheusRule", "NetworkPolicy", "PodDisruptionBudget"}, set()),
    ],
)  # fmt: skip
def test_what_is_made(values, there, not_there):
    found = kinds(render(values))
    assert there <= found
    assert not not_there & found


@pytest.mark.parametrize(
    ("account", "name"),
    [
        ({}, "w2s-operator"),
        ({"name": "mine"}, "mine"),
        ({"create": False}, "default"),
        ({"create": False, "name": "theirs"}, "theirs"),
    ],
)
def test_the_service_account(account, name):
    made = render({"serviceAccount": account})
    assert pod(made)["spec"]["serviceAccountName"] == name
    assert only(made, "RoleBinding")["subjects"][0]["name"] == name


def test_only_the_operators_pod_is_given_a_token():
    made = render()
    assert only(made, "ServiceAccount")["automountServiceAccountToken"] is False
    assert pod(made)["spec"]["automountServiceAccountToken"] is True
    assert only(made, "Pod")["spec"]["automountServiceAccountToken"] is False


@pytest.mark.parametrize(
    "security", [{}, {"runAsUser": None, "runAsGroup": None}, {"runAsUser": 1000, "fsGroup": 1000}]
)
def test_pods_meet_the_restricted_standard_whatever_the_values(security):
    made = render({"podSecurityContext": security})
    for spec in (pod(made)["spec"], only(made, "Pod")["spec"]):
        context = spec["securityContext"]
        assert context["runAsNonRoot"] is True
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}
        assert context.get("runAsUser") == (security["runAsUser"] if security else 65532)
        for one in spec["containers"]:
            assert one["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
        assert all("emptyDir" in volume for volume in spec.get("volumes", ()))
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec)


def test_one_operator_runs_at_a_time():
    spec = only(render(), "Deployment")["spec"]
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})


def test_settings_of_the_pod_reach_it():
    wanted: dict[str, Any] = {
        "nodeSelector": {"pool": "system"},
        "tolerations": [{"key": "system", "operator": "Exists"}],
        "affinity": {"nodeAffinity": {"x": 1}},
        "priorityClassName": "high",
        "imagePullSecrets": [{"name": "pull"}],
    }
    made = render(
        {
            **wanted,
            "resources": {"limits": {"memory": "1Gi"}},
            "podLabels": {"team": "ml", "app.kubernetes.io/name": "other"},
            "podAnnotations": {"note": "1"},
        }
    )
    assert wanted.items() <= pod(made)["spec"].items()
    assert container(made)["resources"]["limits"] == {"memory": "1Gi"}
    assert pod(made)["metadata"]["annotations"] == {"note": "1"}
    labels = pod(made)["metadata"]["labels"]
    assert labels["team"] == "ml"
    assert only(made, "Deployment")["spec"]["selector"]["matchLabels"].items() <= labels.items()


def test_everything_that_selects_the_pod_does():
    made = render(EVERYTHING)
    labels = pod(made)["metadata"]["labels"]
    service = only(made, "Service")
    selectors = [
        service["spec"]["selector"],
        only(made, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
        only(made, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
    ]
    for selector in selectors:
        assert selector
        assert selector.items() <= labels.items()
        assert not selector.items() <= only(made, "Pod")["metadata"]["labels"].items()
    monitor = only(made, "ServiceMonitor")
    assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert monitor["metadata"]["labels"]["release"] == "prometheus"
    (port,) = service["spec"]["ports"]
    (endpoint,) = monitor["spec"]["endpoints"]
    assert endpoint["port"] == port["name"]
    assert port["targetPort"] in {one["name"] for one in container(made)["ports"]}


def test_alerts_ask_for_metrics_that_there_are():
    made = render(EVERYTHING)
    rule = only(made, "PrometheusRule")
    assert rule["metadata"]["labels"] == only(made, "ServiceMonitor")["metadata"]["labels"]
    metrics = Metrics()
    metrics.watching(dict, ["legal"])
    metrics.failed("Forbidden")
    samples = {one.name: set(one.labels) for family in metrics.registry.collect() for one in family.samples}
    (group,) = rule["spec"]["groups"]
    names = [one["alert"] for one in group["rules"]]
    assert len(set(names)) == 4
    target = f'job="{only(made, "Service")["metadata"]["name"]}",namespace="legal"'
    for one in group["rules"]:
        asked = re.findall(r"(w2s_\w+)\{([^}]*)\}", one["expr"])
        assert asked
        assert len(asked) == len(re.findall("w2s_", one["expr"]))
        for name, selector in asked:
            assert name in samples, one["alert"]
            assert selector.startswith(target)
            assert set(re.findall(r"(\w+)[!=]=?", selector)) <= {"job", "namespace"} | samples[name]
        told = set(re.findall(r"\$labels\.(\w+)", json.dumps(one["annotations"])))
        # Prometheus keeps a label that its target has too as `exported_…`.
        assert {name.removeprefix("exported_") for name in told} <= samples[asked[0][0]]


def test_the_network_policy_leaves_dns_the_api_server_and_metrics():
    policy = {
        "enabled": True,
        "metricsFrom": [{"namespaceSelector": {"matchLabels": {"name": "monitoring"}}}],
        "apiServerPorts": [6443],
        "apiServerCidrs": ["10.0.0.1/32"],
    }
    made = render({"networkPolicy": policy})
    spec = only(made, "NetworkPolicy")["spec"]
    (ingress,) = spec["ingress"]
    theirs, test = ingress["from"]
    assert theirs == policy["metricsFrom"][0]
    assert test["podSelector"]["matchLabels"].items() <= only(made, "Pod")["metadata"]["labels"].items()
    assert [one["port"] for one in ingress["ports"]] == ["http"]
    dns, server = spec["egress"]
    assert {one["port"] for one in dns["ports"]} == {53}
    assert server == {
        "ports": [{"port": 6443, "protocol": "TCP"}],
        "to": [{"ipBlock": {"cidr": "10.0.0.1/32"}}],
    }
    assert (
        "from"
        not in only(render({"networkPolicy": {"enabled": True}}), "NetworkPolicy")["spec"]["ingress"][0]
    )


def test_the_crd_is_the_generated_one_and_survives_an_uninstall():
    generated = yaml.safe_load((ROOT / "crds" / "weaktostrongjobs.w2s.dev.yaml").read_text())
    made = only(render(crd=True), "CustomResourceDefinition")
    assert made["spec"] == generated["spec"]
    assert made["metadata"]["name"] == generated["metadata"]["name"]
    assert made["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    thrown = only(render({"crds": {"enabled": True, "keep": False}}), "CustomResourceDefinition")
    assert "annotations" not in thrown["metadata"]


def test_helm_owns_nothing_that_belongs_to_a_job():
    """An upgrade or uninstall removes what a release had and has no more: never a Job, a claim or a Secret."""
    made = render(EVERYTHING | {"clusterWide": True}, crd=True)
    assert kinds(made) == {
        "ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition", "Deployment", "NetworkPolicy", "Pod",
        "PodDisruptionBudget", "PrometheusRule", "Service", "ServiceAccount", "ServiceMonitor",
    }  # fmt: skip
    for one in made:
        labels = one["metadata"]["labels"]
        assert labels[MANAGER_LABEL] != MANAGED_BY
        assert JOB_UID_LABEL not in labels
        hooks = one["metadata"].get("annotations", {}).get("helm.sh/hook")
        assert hooks in (None, "test")


def test_people_with_a_role_in_a_namespace_have_it_for_its_jobs():
    made = render()
    view, edit = (only(made, "ClusterRole", name) for name in ("view", "edit"))
    to = "rbac.authorization.k8s.io/aggregate-to-"
    assert {name for name in view["metadata"]["labels"] if name.startswith(to)} == {to + "view"}
    assert {name for name in edit["metadata"]["labels"] if name.startswith(to)} == {to + "edit", to + "admin"}
    assert verbs(view) == {
        ("weaktostrongjobs", verb) for verb in ("get", "list", "watch")
    } | {("weaktostrongjobs/status", verb) for verb in ("get", "list", "watch")}  # fmt: skip
    assert verbs(edit) == {
        ("weaktostrongjobs", verb) for verb in ("create", "update", "patch", "delete", "deletecollection")
    }


def verbs(role: dict[str, Any]) -> set[tuple[str, str]]:
    return {
        (resource, verb) for rule in role["rules"] for resource in rule["resources"] for verb in rule["verbs"]
    }


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"clusterWide": True, "watchNamespaces": ["a"]}, "leave watchNamespaces empty"),
        ({"clusterwide": True}, "clusterwide"),
        ({"image": {"repo": "x"}}, "repo"),
        ({"image": {"digest": "sha256:12"}}, "digest"),
        ({"image": {"pullPolicy": "Sometimes"}}, "pullPolicy"),
        ({"trainer": {"image": {"repository": ""}}}, "repository"),
        ({"trainer": {"runAsUser": 0}}, "runAsUser"),
        ({"trainer": {"runAsUser": "65532"}}, "runAsUser"),
        ({"trainer": {"imagePullSecrets": ["pull"]}}, "imagePullSecrets"),
        ({"trainer": {"imagePullSecrets": [{"name": "one,two"}]}}, "imagePullSecrets"),
        ({"trainer": {"resources": {}}}, "resources"),
        ({"logLevel": "INFO"}, "logLevel"),
        ({"lostAfter": -1}, "lostAfter"),
        ({"extraEnv": {"NO_PROXY": "x"}}, "extraEnv"),
        ({"extraEnv": [{"name": "W2S_QPS", "value": "1"}]}, "extraEnv"),
        ({"workers": "many"}, "workers"),
        ({"workers": 0}, "workers"),
        ({"api": {"qps": 0}}, "qps"),
        ({"watchNamespaces": ["Not_A_Name"]}, "watchNamespaces"),
        ({"podSecurityContext": {"runAsUser": 0}}, "runAsUser"),
        ({"podSecurityContext": {"privileged": True}}, "privileged"),
        ({"replicas": 2}, "replicas"),
        ({"podDisruptionBudget": {"enabled": True, "maxUnavailable": "50%"}}, "maxUnavailable"),
        (
            {"metrics": {"service": {"enabled": False}, "serviceMonitor": {"enabled": True}}},
            "metrics.service.enabled",
        ),
        ({"metrics": {"prometheusRule": {"enabled": True}}}, "metrics.serviceMonitor.enabled"),
        ({"metrics": {"prometheusRule": {"rules": []}}}, "rules"),
    ],
)
def test_values_that_cannot_be_are_refused_with_their_name(values, said):
    with pytest.raises(Refused, match=re.escape(said)):
        render(values)


def test_every_value_is_in_the_schema_and_documented():
    text = (CHART / "values.yaml").read_text()
    schema = json.loads((CHART / "values.schema.json").read_text())
    documented = set(re.findall(r"^\s*# ([\w., ]+):", text, re.M))
    names = {name.strip() for group in documented for name in group.split(",")}
    names |= set(re.findall(r"\. (\w+): in place", text))
    open_objects = []

    def walk(values: dict[str, Any], part: dict[str, Any], path: str) -> None:
        if part.get("additionalProperties") is False:
            assert set(part["properties"]) - {
                "global",
                "fsGroup",
                "supplementalGroups",
                "seLinuxOptions",
                "claims",
            } == (set(values)), path
        else:
            open_objects.append(path)
        for name, value in values.items():
            below = f"{path}.{name}" if path else name
            inner = part.get("properties", {}).get(name, {})
            if isinstance(value, dict) and "properties" in inner and below not in names:
                walk(value, inner, below)
            else:
                assert below in names, f"{below} is not documented in values.yaml"

    walk(yaml.safe_load(text), schema, "")
    assert not open_objects


def test_versions_agree():
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    project = (ROOT / "pyproject.toml").read_text()
    assert f'version = "{chart["appVersion"]}"' in project


def test_helm_lint_is_content():
    done = subprocess.run(
        [HELM, "lint", "--strict", "--kube-version", "1.33.0", CHART],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("values", "said", "not_said"),
    [
        (
            {},
            ["jobs of legal.", "apply -n legal", "helm -n legal test w2s", "may create pods"],
            ["removes the CRD"],
        ),
        ({"watchNamespaces": ["a", "b"]}, ["jobs of a, b.", "apply -n a "], []),
        ({"clusterWide": True}, ["jobs of all namespaces."], []),
        ({"metrics": {"service": {"enabled": False}}}, [], ["helm -n legal test"]),
        ({"crds": {"enabled": False}}, ["neither installs nor upgrades the CRD"], []),
        ({"crds": {"enabled": True, "keep": False}}, ["removes the CRD"], []),
    ],
)
def test_notes_name_the_next_steps(values, said, not_said, tmp_path):
    chart = tmp_path / "chart"  # Helm renders notes only where there is a cluster: as a file it does
    shutil.copytree(CHART, chart)
    (chart / "templates" / "NOTES.txt").rename(chart / "NOTES.txt")
    (chart / "templates" / "notes.yaml").write_text('notes: {{ tpl (.Files.Get "NOTES.txt") . | toJson }}')
    command = [HELM, "template", "w2s", chart, "-n", "legal", "--kube-version", "1.33.0", "-f", "-"]
    command += ["--show-only", "templates/notes.yaml"]
    done = subprocess.run(command, input=yaml.safe_dump(values), capture_output=True, text=True, check=True)
    notes = yaml.safe_load(done.stdout)["notes"]
    assert [one for one in said if one not in notes] == []
    assert [one for one in not_said if one in notes] == []


def test_plain_manifests_are_the_chart_without_helm():
    plain = list(yaml.safe_load_all((ROOT / "deploy" / "w2s-operator.yaml").read_text()))
    made = [one for one in render(namespace="w2s", crd=True) if one["kind"] != "Pod"]
    assert [(one["kind"], one["metadata"]["name"]) for one in plain] == [
        (one["kind"], one["metadata"]["name"]) for one in made
    ]
    text = json.dumps(plain)
    assert "helm.sh/" not in text
    assert '"Helm"' not in text
    for one in plain:
        cluster = one["kind"] in ("CustomResourceDefinition", "ClusterRole")
        assert one["metadata"].get("namespace") == (None if cluster else "w2s")


def app_version() -> str:
    return str(yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"])
