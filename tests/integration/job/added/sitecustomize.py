"""Puts a labeler, a selection step, a loss and a metric of this folder into the tables, in every process of a job.

Python imports a module of this name first of all, where PYTHONPATH has its folder. Someone who adds a method to w2s itself
writes the same two modules in their places, and the line in the table of its kind.
"""

import sys
from importlib import import_module
from importlib.util import spec_from_file_location
from pathlib import Path

import w2s_api.metrics
from w2s_api.methods import labelers, losses, selection_steps

HERE = Path(__file__).parent
FOLDERS = {
    "w2s_trainer.stages.label": "label",
    "w2s_trainer.stages.select": "select",
    "w2s_trainer.tuning.losses": "losses",
    "w2s_trainer.stages.evaluate.metrics": "metrics",
}

for package, folder in ((labelers, "labelers"), (selection_steps, "selection_steps"), (losses, "losses_api")):
    package.__path__.append(str(HERE / folder))

labelers.LABELERS["Capitals"] = import_module("w2s_api.methods.labelers.capitals").Capitals
selection_steps.SELECTION_STEPS["Typical"] = import_module("w2s_api.methods.selection_steps.typical").Typical
losses.LOSSES["Smoothed"] = import_module("w2s_api.methods.losses.smoothed").Smoothed
w2s_api.metrics.METRICS["Brier"] = w2s_api.metrics.Metric(
    "Brier",
    "Brier score",
    "the squared error of the probabilities; 0 is perfect",
    (0.0, 2.0),
    higher_is_better=False,
)


class _Here:
    """Lets the trainer's packages look for modules in this folder too, whenever they are imported."""

    def find_spec(self, name, *_):
        package, _, module = name.rpartition(".")
        file = HERE / FOLDERS.get(package, "") / f"{module}.py"
        return spec_from_file_location(name, file) if package in FOLDERS and file.exists() else None


sys.meta_path.append(_Here())
