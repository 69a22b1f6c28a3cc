"""kwok: nodes and pods that exist in the API only, and live by the stages of kwok/stages.yaml."""

import os
from pathlib import Path

from w2s_cluster.process import start
from w2s_cluster.settings import SOURCES, Settings

STAGES = SOURCES / "kwok" / "stages.yaml"


def up(settings: Settings, bin_folder: Path) -> None:
    """Start kwok for the nodes that are annotated as fake; `W2S_KWOK_STAGES` names stages in place of ours."""
    stages = Path(os.environ.get("W2S_KWOK_STAGES") or STAGES).resolve()
    start(settings, "kwok", bin_folder / "kwok", f"--kubeconfig={settings.kubeconfig('kwok')}", f"--config={stages}",
          "--manage-all-nodes=false", "--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake",
          "--node-lease-duration-seconds=40", "--server-address=127.0.0.1:10247")  # fmt: skip
