"""`kubectl w2s` as people run it: through kubectl, before a real API server. The status is written by the test."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from contract_kit import established, until
from w2s_cluster import images
from w2s_cluster.kubectl import executable

from w2s_api.crd import crd
from w2s_trainer.store.embedded import EmbeddedStore
from w2s_trainer.store.objects import Objects

NAME = "indemnity"
EXAMPLE = Path(__file__).parents[2] / "examples" / "classifier.yaml"
TIME = "2026-01-02T03:04:05Z"


@dataclass(frozen=True)
class Kubectl:
    """kubectl with the plugin on its path, in a namespace."""

    environment: dict[str, str]
    namespace: str

    def __call__(self, *words: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["kubectl", *words], env=self.environment, input=stdin, capture_output=True, text=True, timeout=60
        )

    def good(self, *words: str, stdin: str | None = None) -> str:
        done = self(*words, stdin=stdin)
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout

    def bad(self, code: int, *words: str) -> str:
        done = self("w2s", *words)
        assert (done.returncode, done.stdout) == (code, ""), (done.stdout, done.stderr)
        assert "Traceback" not in done.stderr
        assert len(done.stderr.splitlines()) == 1, done.stderr
        return done.stderr.strip()

    def w2s(self, *words: str) -> str:
        return self.good("w2s", *words)

    def job(self, name: str = NAME) -> dict[str, Any]:
        return json.loads(self.good("get", "w2s", name, "-o", "json"))

    def create(self, name: str = NAME, **storage: Any) -> None:
        plain = yaml.safe_load(EXAMPLE.read_text())
        plain["metadata"] = {"name": name, "annotations": {"w2s.dev/hands-off": "true"}}
        plain["spec"]["storage"] |= storage
        self.good("apply", "-f", "-", stdin=json.dumps(plain))

    def say(self, name: str = NAME, complete: str = "Unknown", **status: Any) -> None:
        """Writes a status, as the operator would."""
        opposite = {"True": "False", "False": "True"}.get(complete, complete)
        conditions = [
            {"type": type_, "status": value, "reason": "Said", "message": "", "lastTransitionTime": TIME}
            for type_, value in (("Complete", complete), ("Failed", opposite))
        ]
        body = {
            "status": {
                "observedGeneration": self.job(name)["metadata"]["generation"],
                "conditions": conditions,
                **status,
            }
        }
        self.good("patch", "w2s", name, "--subresource=status", "--type=merge", "-p", json.dumps(body))

    def other(self, change: Callable[[dict[str, Any]], Any]) -> "Kubectl":
        """The same with a change to its kubeconfig."""
        before = Path(self.environment["KUBECONFIG"])
        config = yaml.safe_load(before.read_text())
        change(config)
        file = before.with_name(f"{before.name}-other")
        file.write_text(yaml.safe_dump(config))
        return Kubectl({**self.environment, "KUBECONFIG": str(file)}, self.namespace)

    def as_token(self, token: str) -> "Kubectl":
        """The same as somebody else."""
        return self.other(lambda config: config["users"][0].update(user={"token": token}))


@pytest.fixture
def kubectl(kwok_cluster: Path, tmp_path: Path) -> Iterator[Kubectl]:
    """In a namespace of its own, which the context names."""
    yield from in_namespace(kwok_cluster, tmp_path)


def in_namespace(kubeconfig: Path, directory: Path) -> Iterator[Kubectl]:
    namespace = f"plugin-{os.urandom(4).hex()}"
    file = directory / "kubeconfig"
    file.write_text(kubeconfig.read_text())
    found = Kubectl(os.environ | {"KUBECONFIG": str(file), "PATH": path()}, namespace)
    found.good("apply", "--server-side", "-f", "-", stdin=json.dumps(crd()))
    name = f"crd/{crd()['metadata']['name']}"
    until("the CRD to be established", lambda: established(found.good("get", name, "-o", "json")))
    found.good("create", "namespace", namespace)
    found.good("config", "set-context", "--current", f"--namespace={namespace}")
    yield found
    found.good("delete", "namespace", namespace, "--wait=false")


def path() -> str:
    return os.pathsep.join([str(executable().parent), str(Path(sys.executable).parent), os.environ["PATH"]])


def test_kubectl_finds_the_plugin_and_shows_its_help(kubectl):
    assert "kubectl-w2s" in kubectl("plugin", "list").stdout
    said = kubectl.w2s()
    assert said.startswith("usage: kubectl w2s")
    assert said.index("status") < said.index("validate")


def test_status_of_a_job_that_nobody_has_seen(kubectl):
    kubectl.create()
    assert kubectl.w2s("status", NAME).startswith(f"{kubectl.namespace}/{NAME}: Pending, for ")


def test_status_and_its_json(kubectl):
    kubectl.create()
    stages = [
        {"name": "prepare", "state": "Done", "run": 1, "startTime": TIME, "completionTime": TIME},
        {
            "name": "label-small",
            "state": "Starting",
            "run": 2,
            "reason": "Unschedulable",
            "message": "no GPU",
        },
    ]
    kubectl.say(stages=stages, stage="label-small")

    said = kubectl.w2s("status", NAME)
    assert "Running, 1 of 2 stages" in said
    assert "label-small: no GPU" in said
    assert json.loads(kubectl.w2s("status", NAME, "-o", "json"))["stages"] == stages
    elsewhere = kubectl.other(lambda config: config["contexts"][0]["context"].update(namespace="default"))
    assert elsewhere.w2s("-n", kubectl.namespace, "status", NAME).splitlines()[2:4] == said.splitlines()[2:4]


def test_watch_follows_to_the_end(kubectl):
    kubectl.create()
    command = ["kubectl", "w2s", "status", NAME, "-w", "-o", "json"]
    with subprocess.Popen(command, env=kubectl.environment, stdout=subprocess.PIPE, text=True) as watching:
        assert watching.stdout
        assert json.loads(watching.stdout.readline())["observedGeneration"] == -1
        kubectl.say(stage="train")
        assert json.loads(watching.stdout.readline())["stage"] == "train"
        kubectl.say("indemnity", "False", stage="train")
        assert json.loads(watching.stdout.readline())["conditions"][0]["status"] == "False"
        assert watching.stdout.readline() == ""
        assert watching.wait(10) == 70


def test_watch_ends_with_the_job_and_with_ctrl_c(kubectl):
    kubectl.create()
    command = ["kubectl-w2s", "status", NAME, "-w"]
    for ending, code, said in (
        (lambda watching: watching.send_signal(signal.SIGINT), 130, ""),
        (lambda _: kubectl.good("delete", "w2s", NAME), 66, "indemnity was deleted.\n"),
    ):
        with subprocess.Popen(
            command, env=kubectl.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as watching:
            assert watching.stdout
            watching.stdout.readline()
            ending(watching)
            assert (watching.communicate(timeout=30)[1], watching.returncode) == (said, code)


def test_suspend_and_resume(kubectl):
    kubectl.create()
    done = kubectl("w2s", "suspend", NAME)
    assert (done.returncode, done.stdout.split(":")[0]) == (0, "indemnity is suspended")
    assert done.stderr.startswith("If the manifest is applied again")
    assert kubectl.job()["spec"]["suspend"] is True
    assert kubectl.w2s("suspend", NAME) == "indemnity is suspended already.\n"
    assert kubectl.w2s("resume", NAME) == "indemnity goes on.\n"
    assert kubectl.job()["spec"]["suspend"] is False


def test_suspend_names_the_tool_that_applied_the_job(kubectl):
    kubectl.create("other")
    plain = kubectl.job("other")
    plain["metadata"] = {"name": NAME}
    kubectl.good(
        "apply", "--server-side", "--field-manager=argocd-controller", "-f", "-", stdin=json.dumps(plain)
    )
    assert "Caution: Argo CD applied this job" in kubectl("w2s", "suspend", NAME).stderr


def test_retry_changes_the_annotation_and_nothing_else(kubectl):
    kubectl.create()
    kubectl.say(complete="False", stages=[{"name": "train", "state": "Failed", "run": 3}])
    before = kubectl.job()
    assert "runs again: train." in kubectl.w2s("retry", NAME)
    first = kubectl.job()
    kubectl.w2s("retry", NAME)
    second = kubectl.job()

    values = [one["metadata"]["annotations"]["w2s.dev/retry"] for one in (first, second)]
    assert values[0] < values[1]
    assert (before["spec"], before["status"]) == (second["spec"], second["status"])
    assert before["metadata"]["generation"] == second["metadata"]["generation"]


def test_report_is_fetched_with_keys_of_the_user(kubectl, tmp_path):
    with EmbeddedStore(tmp_path / "store") as server:
        server.create_bucket("legal")
        settings = server.settings("s3://legal/w2s")
        uri = f"s3://legal/w2s/jobs/{kubectl.namespace}/{NAME}/report.html"
        Objects(settings).write(uri, b"<html>gain</html>")
        kubectl.create(endpoint=server.endpoint)
        kubectl.say(complete="True", reportURI=uri)
        keys = ("--credentials-dir", str(settings.credentials_dir))

        assert kubectl.w2s("report", NAME, "--output", "-", *keys) == "<html>gain</html>"
        file = tmp_path / "report.html"
        assert kubectl.w2s("report", NAME, "--output", str(file), *keys) == f"{uri} → {file}\n"
        assert file.read_text() == "<html>gain</html>"
        kubectl.say(complete="True", reportURI=uri + "l")
        assert "no object" in kubectl.bad(66, "report", NAME, *keys)
    refused = kubectl.bad(69, "report", NAME, *keys)
    assert "name it by --endpoint" in refused


def test_no_report_yet(kubectl):
    kubectl.create()
    kubectl.say(stages=[{"name": "evaluate", "state": "Waiting"}])
    assert "stage evaluate writes it; that is Waiting" in kubectl.bad(66, "report", NAME)


def pod(
    kubectl: Kubectl, name: str, run: int, image: str = "never-pulled", program: str = "", **spec: Any
) -> None:
    labels = {
        "w2s.dev/job-uid": kubectl.job()["metadata"]["uid"],
        "w2s.dev/stage": "train",
        "w2s.dev/run": str(run),
    }
    container = {"name": "stage", "image": image, "command": ["python", "-uc", program]}
    plain = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": labels, "annotations": {"test.w2s.dev/hold": "true"}},
        "spec": {"containers": [container], "restartPolicy": "Never", **spec},
    }
    kubectl.good("create", "-f", "-", stdin=json.dumps(plain))


def test_logs_of_a_stage_without_a_pod(kubectl):
    kubectl.create()
    assert "No stage of indemnity has run yet" in kubectl.bad(66, "logs", NAME)
    kubectl.say(stage="train", stages=[{"name": "train", "run": 2, "state": "Failed", "message": "evicted"}])
    assert "The pod of stage train, run 2, is gone" in kubectl.bad(66, "logs", NAME)
    assert "no stage trian. Its stages: train." in kubectl.bad(66, "logs", NAME, "trian")


def test_logs_of_a_pod_that_does_not_start(kubectl):
    kubectl.create()
    kubectl.say(stage="train", stages=[{"name": "train", "run": 1, "state": "Starting"}])
    pod(kubectl, "train-1", 1, nodeSelector={"kubernetes.io/hostname": "nowhere"})
    kubectl.good("wait", "pod/train-1", "--for=condition=PodScheduled=False", "--timeout=30s")

    done = kubectl("w2s", "logs", NAME)
    assert done.returncode == 66
    assert done.stderr.splitlines() == [
        "Stage train, run 1, pod train-1",
        "The pod has not started: Unschedulable.",
    ]


@pytest.mark.parametrize("command", ["status", "logs", "report", "suspend", "resume", "retry"])
def test_a_name_that_no_job_has(kubectl, command):
    kubectl.create()
    assert kubectl.bad(66, command, "indemnify") == (
        f"There is no WeakToStrongJob indemnify in namespace {kubectl.namespace}. Did you mean indemnity?"
    )
    alone = kubectl.namespace  # the only job of that name in the cluster
    kubectl.create(alone)
    here = f"There is one in {alone}: add -n {alone}."
    assert here in kubectl.bad(66, command, alone, "-n", "kube-public")


@pytest.fixture
def stranger(kubectl: Kubectl) -> Kubectl:
    """Somebody whom the cluster knows, with no rights."""
    kubectl.good("create", "serviceaccount", "stranger")
    return kubectl.as_token(kubectl.good("create", "token", "stranger").strip())


def test_a_stranger_hears_what_is_missing(kubectl, stranger):
    kubectl.create()
    said = stranger.bad(77, "status", NAME)
    assert 'cannot get resource "weaktostrongjobs"' in said
    assert "roles `view`" in said


@pytest.mark.parametrize(("verbs", "more"), [("get", ""), ("get,list", " There is none in it.")])
def test_somebody_who_may_look_in_one_namespace(kubectl, stranger, verbs, more):
    kubectl.good("create", "role", "look", f"--verb={verbs}", "--resource=weaktostrongjobs.w2s.dev")
    account = f"--serviceaccount={kubectl.namespace}:stranger"
    kubectl.good("create", "rolebinding", "look", "--role=look", account)
    assert stranger.bad(66, "status", "no") == (
        f"There is no WeakToStrongJob no in namespace {kubectl.namespace}.{more}"
    )
    kubectl.create()
    assert stranger.w2s("status", NAME)
    assert "cannot patch resource" in stranger.bad(77, "suspend", NAME)


def test_a_token_that_does_not_count(kubectl):
    assert "does not know you" in kubectl.as_token("expired").bad(77, "status", NAME)


def test_a_server_that_does_not_answer(kubectl):
    nobody = kubectl.other(lambda c: c["clusters"][0]["cluster"].update(server="https://127.0.0.1:1"))
    said = nobody.bad(69, "status", NAME)
    assert said.startswith("The API server https://127.0.0.1:1 does not answer: ")


def test_a_context_that_there_is_not(kubectl):
    assert "no context nowhere. It has: " in kubectl.bad(64, "status", NAME, "--context", "nowhere")


@pytest.fixture
def real(cluster: Path, tmp_path: Path) -> Iterator[Kubectl]:
    yield from in_namespace(cluster, tmp_path)


@pytest.fixture(scope="module")
def image(cluster: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    context = tmp_path_factory.mktemp("context")
    (context / "Containerfile").write_text("ARG BASE\nFROM ${BASE}\n")
    reference = images.build(context / "Containerfile", context, "w2s-plugin:1", {"BASE": images.base()})
    return images.publish(reference)


def test_logs_of_a_real_pod_are_followed_from_its_start_to_its_end(real, image):
    program = """import signal; signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
print('{"stage": "train", "message": "training", "step": 5, "total": 10, "loss": 0.5}')
signal.sigwait([signal.SIGTERM])
print("saved")"""
    real.create()
    real.say(stage="train", stages=[{"name": "train", "run": 1, "state": "Starting"}])
    pod(real, "train-1", 1, image, program)
    command = ["kubectl", "w2s", "logs", NAME, "-f"]
    with subprocess.Popen(command, env=real.environment, stdout=subprocess.PIPE, text=True) as following:
        assert following.stdout
        assert following.stdout.readline().rstrip().endswith("  training  5/10  50 %  loss 0.5")
        assert real.w2s("logs", NAME, "--raw") == program.splitlines()[1][7:-2] + "\n"
        real.good("delete", "pod", "train-1", "--wait=false")
        assert following.stdout.readline().rstrip().endswith("  saved")
        assert following.stdout.read() == ""
        assert following.wait(30) == 0
