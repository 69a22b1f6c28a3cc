"""GitOps on a real API server: what a user applied stays as it was applied, at each moment of a job.

By kubectl, and by the engines of Flux and Argo CD themselves (tools/gitops).
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from contract_kit import (
    ARTIFACT,
    EVERY,
    REPOSITORY,
    SPEC,
    Api,
    Job,
    Object,
    Operator,
    changed,
    install_crd,
    namespace_of,
    pods,
    running,
    until,
    words,
)
from w2s_cluster import binaries
from w2s_cluster.kubectl import executable

from w2s_api.names import GROUP
from w2s_cli.kubectl.cluster import FIELD_MANAGER

sys.path.insert(0, str(REPOSITORY / "tests" / "unit" / "chart"))

from gitops_kit import argo_health, kstatus

DONE = pods(message=words())
PRUNED = 90.0
"""Argo CD deletes in the foreground, for which the garbage collector must know the kind: it looks each 30 s."""
L2 = {"type": "Head", "head": {"l2": "1"}}


def knowing(stages: int, **told: str) -> Object:
    """Of `prepare`: so many stages, from the first on, have their artifact in the store."""
    return pods(message=words(artifacts=dict.fromkeys(EVERY[:stages], ARTIFACT)), **told)


TRAINED = EVERY.index("train") + 1
HELD = knowing(TRAINED, hold="true", stop_exit_code="75")


@pytest.fixture(scope="module")
def api(kwok_cluster: Path) -> Api:
    install_crd()
    return Api(kwok_cluster)


@pytest.fixture(scope="module")
def namespace(api: Api) -> Iterator[str]:
    with namespace_of(api) as name:
        yield name


@pytest.fixture(scope="module")
def operator(
    api: Api, namespace: str, kwok_cluster: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Operator]:
    with running(Operator(kwok_cluster, tmp_path_factory.mktemp("operator"), namespace)) as made:
        yield made


class Tool:
    """Something that applies manifests over and over, and tells whether it had to change anything."""

    tracks_by: tuple[str, ...] = ()
    """Labels and annotations by which it knows its own."""

    def __init__(self, kubeconfig: Path) -> None:
        self._environment = os.environ | {"KUBECONFIG": str(kubeconfig)}

    def apply(self, job: Job) -> str:
        """In its own words: created, configured or unchanged; empty if it has none for that."""
        raise NotImplementedError

    def drift(self, job: Job) -> Any:
        """What it says that is not as it was applied; false if nothing."""
        raise NotImplementedError

    def prune(self, job: Job) -> None:
        """The manifest is in Git no more."""
        raise NotImplementedError

    def run(self, name: str, *rest: str, given: str = "", codes: tuple[int, ...] = (0,)) -> str:
        program = executable() if name == "kubectl" else binaries.gitops_engines() / name
        command = [str(program), *rest]
        done = subprocess.run(
            command,
            input=given,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        assert done.returncode in codes, f"{name} {rest}: {done.stdout}{done.stderr}"
        return done.stdout


class Kubectl(Tool):
    """Client-side apply, with the last applied manifest in an annotation."""

    options: tuple[str, ...] = ()
    tracks_by = ("kubectl.kubernetes.io/last-applied-configuration",)

    def apply(self, job: Job) -> str:
        return self.run("kubectl", "apply", *self.options, "-f", "-", given=as_yaml(job)).split()[-1]

    def drift(self, job: Job) -> str:
        return self.run("kubectl", "diff", *self.options, "-f", "-", given=as_yaml(job), codes=(0, 1))

    def prune(self, job: Job) -> None:
        """By the label that all of its manifests have; another one of them stays."""
        label = {"part-of": job.name}
        other = {"name": f"{job.name}-other", "namespace": job.namespace, "labels": label}
        rest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": other}
        said = self.run(
            "kubectl", "apply", *self.options, "--prune", "-l", f"part-of={job.name}",
            f"--prune-allowlist={GROUP}/v1alpha1/WeakToStrongJob", "-f", "-", given=yaml.safe_dump(rest),
        )  # fmt: skip
        assert f"{job.name} pruned" in said


class KubectlServerSide(Kubectl):
    """Server-side apply, without force: a field that somebody else owns would be refused."""

    options = ("--server-side",)
    tracks_by = ()

    def apply(self, job: Job) -> str:
        super().apply(job)
        return ""

    def prune(self, job: Job) -> None:
        self.run("kubectl", "delete", "w2s", "-n", job.namespace, "-l", f"part-of={job.name}")


class Flux(Tool):
    """kustomize-controller's own packages."""

    tracks_by = ("kustomize.toolkit.fluxcd.io/name", "kustomize.toolkit.fluxcd.io/namespace")

    def apply(self, job: Job) -> str:
        return self.ask("apply", job)

    def drift(self, job: Job) -> str:
        return self.ask("diff", job).replace("unchanged", "")

    def prune(self, job: Job) -> None:
        assert self.ask("prune", job) == "deleted"

    def ask(self, word: str, job: Job) -> str:
        (found,) = json.loads(self.run("flux", word, given=as_yaml(job))).values()
        return str(found)


class Argo(Tool):
    """Argo CD's own engine, applying on the client's side as it does unless told otherwise."""

    tracks_by = ("argocd.argoproj.io/tracking-id",)
    word = "sync"

    def apply(self, job: Job) -> str:
        found = json.loads(self.run("argo", self.word, job.namespace, given=as_yaml(job)))
        said = found.pop(f"WeakToStrongJob/{job.name}")
        assert said.startswith("Synced: ")
        assert set(found) == set(), "it took something else for its own"
        return str(said).split()[-1].replace("serverside-applied", "")

    def drift(self, job: Job) -> list[str]:
        """The ways of comparing that call it modified."""
        (found,) = json.loads(self.run("argo", "diff", job.namespace, given=as_yaml(job))).values()
        return list(found)

    def prune(self, job: Job) -> None:
        """Nothing of the application is in Git: all that it takes for its own goes."""
        found = json.loads(self.run("argo", "sync", job.namespace))
        assert found == {f"WeakToStrongJob/{job.name}": "Pruned: pruned"}

    def below(self, job: Job) -> set[str]:
        """The objects that it shows below the job."""
        (found,) = json.loads(self.run("argo", "tree", job.namespace, given=as_yaml(job))).values()
        return set(found)


class ArgoServerSide(Argo):
    """With the sync option ServerSideApply=true."""

    word = "sync-server"


TOOLS = [Kubectl, KubectlServerSide, Flux, Argo, ArgoServerSide]


@pytest.fixture(params=TOOLS, ids=lambda kind: kind.__name__)
def tool(request: pytest.FixtureRequest, kwok_cluster: Path, api: Api) -> Tool:
    made: Tool = request.param(kwok_cluster)
    return made


@pytest.fixture
def flux(kwok_cluster: Path) -> Flux:
    return Flux(kwok_cluster)


@pytest.fixture
def job(request: pytest.FixtureRequest, api: Api, namespace: str) -> Iterator[Job]:
    """What is in Git: a job of the test's own, not yet applied; its first stage goes on until it is let go."""
    made = Job(api, namespace, "j" + str(abs(hash(request.node.name)) % 10**8))
    made.spec = changed(SPEC, {"pods__default": DONE, "pods__prepare": HELD})
    yield made
    if not made.gone():
        made.delete()
        until("it to be gone with all it had", lambda: made.gone() and not made.children())


def as_yaml(job: Job) -> str:
    manifest = job.manifest
    manifest["metadata"]["labels"]["part-of"] = job.name
    return yaml.safe_dump(manifest)


def of_the_user(live: Object) -> Object:
    """What nobody but the user and his tools may touch."""
    names = ("labels", "annotations", "finalizers", "ownerReferences", "generation", "uid")
    return {
        "spec": live["spec"],
        **{name: live["metadata"].get(name) for name in names},
        "managed": [one for one in live["metadata"]["managedFields"] if one.get("subresource") != "status"],
    }


def applied(tool: Tool, job: Job) -> str:
    """What an apply did, by what there is before and after it, which its own words do not contradict."""
    before = None if job.gone() else of_the_user(job.read())
    said = tool.apply(job)
    after = of_the_user(job.read())
    did = "created" if before is None else "unchanged" if before == after else "configured"
    assert said in ("", did)
    return did


def assert_as_applied(tool: Tool, job: Job, *, by_hand: bool = False) -> None:
    """Nothing is to be done, and nobody but the tool has written anything but the status."""
    until(
        "no drift", lambda: not tool.drift(job), 5
    )  # kubectl reads twice, and tells what of the status came between
    assert applied(tool, job) == "unchanged"
    live = job.read()
    mine = [one for one in live["metadata"]["managedFields"] if one["manager"] == "w2s-operator"]
    assert [(one["subresource"], set(one["fieldsV1"])) for one in mine] == [("status", {"f:status"})]
    others = {
        one["manager"] for one in live["metadata"]["managedFields"] if one.get("subresource") != "status"
    }
    assert len(others - ({FIELD_MANAGER} if by_hand else set())) == 1, others
    for child in job.children():
        marks = {*child["metadata"]["labels"], *(child["metadata"].get("annotations") or ())}
        assert not marks.intersection(tool.tracks_by)


def let_go(job: Job, stage: str = "prepare") -> None:
    job.tell(job.running_pod(stage), hold=None)


# Apply, apply again, drift, prune


def test_before_any_operator_has_seen_it(api: Api, tool: Tool, job: Job):
    with namespace_of(api) as alone:
        job.namespace = alone
        assert applied(tool, job) == "created"
        assert applied(tool, job) == "unchanged"
        assert not tool.drift(job)
        tool.prune(job)
        until("it to be gone", job.gone, PRUNED)


def test_at_each_moment_it_is_as_it_was_applied_until_it_is_pruned(operator: Operator, tool: Tool, job: Job):
    assert applied(tool, job) == "created"
    job.running_pod("prepare")
    assert_as_applied(tool, job)
    runs = {one["metadata"]["uid"] for one in job.children()}

    job.spec = changed(job.spec, {"suspend": True})
    assert applied(tool, job) == "configured"
    job.until("Suspended=True", lambda _: job.condition("Suspended")["status"] == "True")
    assert_as_applied(tool, job)
    job.spec = changed(job.spec, {"suspend": None})
    assert applied(tool, job) == "configured"
    job.running_pod("prepare")
    assert runs.isdisjoint(one["metadata"]["uid"] for one in job.children())

    let_go(job)
    job.until_complete()
    assert_as_applied(tool, job)

    job.spec = changed(
        job.spec, {"strong__tuning": L2, "pods__prepare": knowing(TRAINED - 1), "pods__train": HELD}
    )
    assert applied(tool, job) == "configured"
    job.running_pod("train")
    assert_as_applied(tool, job)

    tool.prune(job)
    until("all that it had to be gone", lambda: job.gone() and not job.children() and not job.pods(), PRUNED)
    job.spec = changed(job.spec, {"pods__prepare": knowing(TRAINED)})
    assert applied(tool, job) == "created"
    job.until_complete()
    assert job.states() == dict.fromkeys(EVERY[1:TRAINED], "Reused") | dict.fromkeys(
        ["prepare", *EVERY[TRAINED:]], "Done"
    )
    assert_as_applied(tool, job)


@pytest.mark.parametrize("tool", [Kubectl, Flux, Argo], ids=lambda kind: kind.__name__, indirect=True)
def test_after_a_failure_it_is_mended_in_git(operator: Operator, tool: Tool, job: Job):
    job.spec = changed(job.spec, {"pods__prepare": pods(exit_code="65")})
    assert applied(tool, job) == "created"
    job.until_complete("False")
    assert_as_applied(tool, job)
    job.annotations = {f"{GROUP}/retry": "2026-11-21"}
    assert applied(tool, job) == "configured"
    job.until("the annotation to be seen", lambda status: status.get("retry") == "2026-11-21")
    job.until_complete("False")
    assert_as_applied(tool, job)
    assert job.read()["metadata"]["generation"] == 1


def by_hand(job: Job, **fields: Any) -> None:
    """As `kubectl w2s` writes it."""
    job.api("PATCH", job.path, fields, "application/merge-patch+json", fieldManager=FIELD_MANAGER)


@pytest.mark.parametrize(
    "tool", [Kubectl, Flux, Argo, ArgoServerSide], ids=lambda kind: kind.__name__, indirect=True
)
def test_what_somebody_changes_by_hand_is_drift_and_is_taken_back(operator: Operator, tool: Tool, job: Job):
    job.spec = changed(job.spec, {"suspend": False})  # written out: it is the tool's field
    tool.apply(job)
    by_hand(job, spec={"suspend": True})
    assert tool.drift(job)
    assert applied(tool, job) == "configured"
    assert job.read()["spec"]["suspend"] is False
    assert_as_applied(tool, job, by_hand=True)


def test_what_git_does_not_name_is_left_to_people_but_by_flux(operator: Operator, tool: Tool, job: Job):
    """Flux takes back whatever was written by a manager whose name begins with kubectl."""
    tool.apply(job)
    by_hand(job, spec={"suspend": True})
    assert applied(tool, job) == ("configured" if isinstance(tool, Flux) else "unchanged")
    assert job.read()["spec"]["suspend"] is not isinstance(tool, Flux)


def test_a_retry_that_flux_takes_back_is_no_second_retry(operator: Operator, api: Api, flux: Flux, job: Job):
    job.spec = changed(job.spec, {"pods__prepare": pods(exit_code="65")})
    flux.apply(job)
    job.until_complete("False")
    by_hand(job, metadata={"annotations": {f"{GROUP}/retry": "1"}})
    job.until("the second failure", lambda status: status.get("retry") == "1" and is_over(status))
    with api.noting(f"/apis/batch/v1/namespaces/{job.namespace}/jobs") as made:
        assert applied(flux, job) == "configured"
        assert "annotations" not in job.read()["metadata"]
        passes = operator.passes()
        job.annotations = {"note": "that the operator looks at it once more"}
        flux.apply(job)
        until("it to be looked at", lambda: operator.passes() > passes)
        job.until("all to be as it was", is_over)
    assert made == []


def is_over(status: Object) -> bool:
    return any(one["type"] == "Complete" and one["status"] == "False" for one in status["conditions"])


# How the tools read its status


def test_flux_and_argo_cd_read_its_state(operator: Operator, flux: Flux, job: Job):
    def states() -> tuple[str, str]:
        live = job.read()
        assert kstatus(live) == flux.ask("status", job)
        return argo_health(live)[0], kstatus(live)

    flux.apply(job)
    assert states() == ("Progressing", "InProgress")
    job.running_pod("prepare")
    assert states() == ("Progressing", "InProgress")
    flux.run("flux", "wait", "1s", given=as_yaml(job), codes=(1,))
    job.spec = changed(job.spec, {"suspend": True})
    flux.apply(job)
    job.until("Suspended=True", lambda _: job.condition("Suspended")["status"] == "True")
    assert states() == ("Suspended", "Current")
    job.spec = changed(job.spec, {"suspend": False})
    flux.apply(job)
    let_go(job)
    flux.run("flux", "wait", "30s", given=as_yaml(job))
    assert job.condition()["status"] == "True"
    assert states() == ("Healthy", "Current")
    job.spec = changed(job.spec, {"strong__tuning": L2, "pods__prepare": pods(exit_code="65")})
    flux.apply(job)
    assert states() == ("Progressing", "InProgress")
    flux.run("flux", "wait", "30s", given=as_yaml(job), codes=(1,))
    assert states() == ("Degraded", "Failed")


def test_argo_cd_shows_below_it_what_it_runs(kwok_cluster: Path, operator: Operator, job: Job):
    argo = Argo(kwok_cluster)
    argo.apply(job)
    pod = job.running_pod("prepare")["metadata"]["name"]
    assert argo.below(job) == {f"Job/{job.children()[0]['metadata']['name']}", f"Pod/{pod}"}


# The operator, as plain manifests


def test_the_plain_manifests_are_applied_as_they_are(
    api: Api, flux: Flux, kwok_cluster: Path, tmp_path: Path
):
    """Without Helm, into a namespace that enforces Pod Security "restricted" and warns of all else."""
    level = {f"pod-security.kubernetes.io/{how}": "restricted" for how in ("enforce", "warn")}
    with namespace_of(api) as name:
        api.merge(f"/api/v1/namespaces/{name}", {"metadata": {"labels": level}})
        (tmp_path / "base").symlink_to(REPOSITORY / "deploy")
        (tmp_path / "overlay").mkdir()
        (tmp_path / "overlay" / "kustomization.yaml").write_text(f"resources: [../base]\nnamespace: {name}\n")
        kubectl = Kubectl(kwok_cluster)
        made = kubectl.run("kubectl", "kustomize", str(tmp_path / "overlay"))
        objects = [one for one in yaml.safe_load_all(made) if one]
        assert {one["kind"] for one in objects} >= {
            "CustomResourceDefinition",
            "Deployment",
            "Role",
            "ServiceAccount",
        }
        strict = ["--warnings-as-errors", "--validate=strict"]
        try:
            crd = [one for one in objects if one["kind"] == "CustomResourceDefinition"]
            kubectl.run("kubectl", "apply", "-f", "-", given=yaml.safe_dump_all(crd))  # it was there before
            said = kubectl.run("kubectl", "apply", *strict, "-f", "-", given=made).splitlines()
            assert [line.split()[-1] for line in said].count("created") == len(objects) - 1
            said = kubectl.run("kubectl", "apply", *strict, "-f", "-", given=made).splitlines()
            assert len(said) == len(objects)
            assert all(line.endswith(" unchanged") for line in said), said
            until(
                "no drift",
                lambda: not kubectl.run("kubectl", "diff", "-f", "-", given=made, codes=(0, 1)),
                10,
            )
            flux.run("flux", "apply", given=made)
            found = json.loads(flux.run("flux", "diff", given=made))
            assert set(found.values()) == {"unchanged"}, found
            flux.run("flux", "wait", "30s", given=made)
            found = json.loads(flux.run("flux", "status", given=made))
            assert set(found.values()) == {"Current"}, found
        finally:
            rest = [one for one in objects if one["kind"] != "CustomResourceDefinition"]
            kubectl.run("kubectl", "delete", "--ignore-not-found", "-f", "-", given=yaml.safe_dump_all(rest))
            install_crd()
