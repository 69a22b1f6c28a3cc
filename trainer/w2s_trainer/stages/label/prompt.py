"""What a causal model is asked: the question, the classes in an order, examples, the text. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from w2s_api.spec.task import Task

QUESTION = "To which of these classes does the text belong?"
"""Asked where `task.instruction` is empty."""


@dataclass(frozen=True)
class Shot:
    """An expert-labelled example in the prompt."""

    text: str
    label: int
    """Its class index."""


@dataclass(frozen=True)
class Prompt:
    """A question about a text that is to be put in, in words only; how a model reads it is its layout's."""

    question: str
    """The instruction and the classes in their order."""
    shots: tuple[tuple[str, str], ...]
    """Texts and their class names."""


def prompt_of(task: Task, order: Sequence[int], shots: Sequence[Shot]) -> Prompt:
    """The prompt with the classes in an order.

    The shots follow it: in each turn through the classes they come in the order of the list, so that the class
    that is shown last, which models prefer too, changes with it.

    Args:
        task: its instruction, names and descriptions.
        order: class indices as they are listed.
        shots: classes in turn, as `shots_of` gives them.
    """
    place = {k: at for at, k in enumerate(order)}
    turn: dict[int, int] = {}
    places = []
    for shot in shots:
        turn[shot.label] = turn.get(shot.label, -1) + 1
        places.append((turn[shot.label], place[shot.label]))
    return prompt_with(task, order, [shots[at] for at in sorted(range(len(shots)), key=places.__getitem__)])


def prompt_with(task: Task, order: Sequence[int], shots: Sequence[Shot]) -> Prompt:
    """The prompt with the classes in an order, and the shots in their own."""
    classes = [task.classes[k] for k in order]
    listed = "\n".join(f"- {c.name}: {c.description}" if c.description else f"- {c.name}" for c in classes)
    question = f"{task.instruction.strip() or QUESTION}\n\nClasses:\n{listed}"
    return Prompt(question, tuple((shot.text, task.classes[shot.label].name) for shot in shots))


def shots_of(labels: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """The first n of labelled texts with the classes in turn.

    Args:
        labels: int64[m], class indices in the order in which the texts were drawn.
        n: how many are wanted.

    Returns:
        int64[min(n, m)], indices: the first of each class, then the second of each, …
    """
    turn: dict[int, int] = {}
    keys = []
    for label in labels.tolist():
        turn[label] = turn.get(label, -1) + 1
        keys.append((turn[label], label))
    return np.array(sorted(range(len(labels)), key=keys.__getitem__)[:n], dtype=np.int64)


def orders_of(k: int, n: int) -> list[tuple[int, ...]]:
    """Makes orders of K classes that balance their places.

    Rotations of the list as it is given, evenly spaced: of n = K orders each class has each place once. Beyond K
    come the rotations of other lists: the reversed one, then shuffled ones (fixed for K). There are K! orders,
    and no more are given.

    Returns:
        min(n, K!) different permutations of range(K).
    """
    orders: dict[tuple[int, ...], None] = {}
    base = list(range(k))
    attempt = 0
    while len(orders) < n and len(orders) < _at_most_factorial(k, n):
        wanted = min(k, n - len(orders))
        for step in range(wanted):
            by = step * k // wanted
            orders[tuple(base[by:] + base[:by])] = None
        attempt += 1
        base = base[::-1] if attempt == 1 else sorted(range(k), key=lambda c: _mixed(attempt, c))
    return list(orders)


def _mixed(attempt: int, label: int) -> bytes:
    return sha256(f"order:{attempt}:{label}".encode()).digest()


def _at_most_factorial(k: int, most: int) -> int:
    product = 1
    for factor in range(2, k + 1):
        product *= factor
        if product >= most:
            break
    return product
