"""A kind of task: each text has a number. Students are ridge regressions on frozen features."""

import shutil

import numpy as np
from safetensors.numpy import load_file, save_file

from w2s_trainer.errors import BadData
from w2s_trainer.families.task_family import NO_GOLD, FittedHead, TaskFamily
from w2s_trainer.models.encoder import load_encoder
from w2s_trainer.models.head import centred

HEAD = "number.safetensors"


class Family(TaskFamily):
    label_column = "value"

    def __init__(self, task):
        super().__init__(task)
        self._numbers = {}

    def number(self, label):
        try:
            return self._numbers.setdefault(float(label), len(self._numbers))
        except ValueError:
            return NO_GOLD

    def no_label(self, labels, places, uri):
        return BadData("NotANumber", f"{uri}: {labels[0]!r} in row {places[0][1]} is no number.", "Mend it.")

    def stored_gold(self, numbers):
        return np.array(list(self._numbers))[numbers]

    def of_votes(self, names, shares):
        return shares @ np.array([float(name) for name in names])

    def gold_targets(self, gold):
        return gold

    def fit_head(self, features, data, l2):
        mean = data.weights @ features / data.weights.sum()
        rows = np.column_stack([centred(features, mean), np.ones(len(features))])
        weighted = rows.T * data.weights
        penalty = l2 * np.diag([1.0] * features.shape[1] + [0.0])
        arrays = {"weight": np.linalg.solve(weighted @ rows + penalty, weighted @ data.targets), "mean": mean}
        return FittedHead(lambda asked: _answers(arrays, asked), arrays)

    def choose_l2(self, features, data, seed):
        held_out = data.families % 5 == seed % 5
        inside = data.part(~held_out)

        def error(l2):
            answers = self.fit_head(features[~held_out], inside, l2).answers(features[held_out])
            return np.abs(answers - data.targets[held_out]).sum()

        return min((0.1, 0.3, 1.0), key=error)

    def publish_head(self, pretrained, arrays, strong, directory):
        shutil.copytree(pretrained, directory, ignore=shutil.ignore_patterns(".*"))
        save_file({**arrays, "max_tokens": np.array([strong.max_tokens])}, directory / HEAD)

    @classmethod
    def load_predictor(cls, directory, name):
        return _Predictor(load_encoder(directory, name), load_file(directory / HEAD))


def _answers(arrays, features):
    return centred(features, arrays["mean"]) @ arrays["weight"][:-1] + arrays["weight"][-1]


class _Predictor:
    def __init__(self, encoder, arrays):
        self._encoder, self._arrays = encoder, arrays

    def answer(self, texts, batch_tokens):
        features, tokens = self._encoder.features(texts, int(self._arrays["max_tokens"][0]), batch_tokens)
        return [{"value": round(float(value), 4)} for value in _answers(self._arrays, features)], tokens
