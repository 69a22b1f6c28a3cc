"""Adds a kind of task and its metric from this folder, through the tables that declare those of the project.

Python runs it before anything else where this folder is on PYTHONPATH.
"""

import sys
from importlib.abc import MetaPathFinder
from importlib.util import spec_from_file_location
from pathlib import Path

from w2s_api.families import FAMILIES, Family
from w2s_api.metrics import METRICS, Metric

HERE = Path(__file__).parent
MODULES = {
    "w2s_trainer.families.number": HERE / "number.py",
    "w2s_trainer.stages.evaluate.metrics.absoluteerror": HERE / "absolute_error.py",
}

FAMILIES["Number"] = Family(
    "Number",
    "each text has a number",
    label_inputs=lambda _task: {"task.type": "Number"},
    question_inputs=lambda _task: {"task.type": "Number"},
    has_zero_shot=False,
    has_combination=False,
    tunings=("Head",),
    labelers=("Functions",),
    selections=(),
)
METRICS["AbsoluteError"] = Metric(
    "AbsoluteError",
    "mean absolute error",
    "how far the numbers are off; 0 is perfect",
    bounds=(0.0, float("inf")),
    higher_is_better=False,
    in_points=False,
    families=("Number",),
)


class _Modules(MetaPathFinder):
    def find_spec(self, name, _path=None, _target=None):
        return spec_from_file_location(name, MODULES[name]) if name in MODULES else None


sys.meta_path.append(_Modules())
