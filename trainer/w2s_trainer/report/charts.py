"""Charts as inline SVG: no script, no font, no file of their own. Pure."""

from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any
from xml.sax.saxutils import escape

from w2s_api.metrics import METRICS

WIDTH = 720
_LEFT, _RIGHT = 120, 90


def bars(arms: Sequence[Mapping[str, Any]], candidate: str, metric: str) -> str:
    """A bar with its interval for every arm.

    Args:
        arms: `evaluation.arms` of results.json.
        candidate: the name of the arm that stands out.
        metric: the declared metric.
    """
    values = [(arm["arm"], arm["metrics"][metric]) for arm in arms]
    least, greatest = METRICS[metric].bounds
    floor = max(least, min(value["low"] for _, value in values) - 0.08)
    top = min(greatest, max(value["high"] for _, value in values) + 0.03)
    row, height = 34, 34 * len(values) + 34
    parts = [_grid(floor, top, height - 26)]
    for place, (name, value) in enumerate(values):
        y = 8 + place * row
        kind = "candidate" if name == candidate else "weak" if name == "weak" else "other"
        x0, x = _LEFT, _x(value["estimate"], floor, top)
        low, high = _x(value["low"], floor, top), _x(value["high"], floor, top)
        parts.append(
            f'<text class="name {kind}" x="{_LEFT - 10}" y="{y + 16}" text-anchor="end">{escape(name)}</text>'
        )
        parts.append(
            f'<rect class="bar {kind}" x="{x0}" y="{y + 3}" width="{max(0, x - x0):.1f}" height="18" rx="2"/>'
        )
        parts.append(_whisker(low, high, y + 12))
        parts.append(
            f'<text class="value" x="{WIDTH - _RIGHT + 12}" y="{y + 16}">{value["estimate"]:.3f}</text>'
        )
    return _svg(height, f"{metric} of every arm, with 95 % intervals", parts)


def curve(points: Sequence[Mapping[str, Any]], candidate: Mapping[str, Any], metric: str) -> str:
    """The gold-only curve over labels (log scale) with an arm of `evaluation.arms` laid over it as a band."""
    from math import log2

    new = candidate["metrics"][metric]
    low = min([new["low"], *(point["low"] for point in points)]) - 0.02
    high = max([new["high"], *(point["high"] for point in points)]) + 0.02
    height, bottom, top = 300, 258, 12
    first, last = log2(points[0]["labels"]), log2(points[-1]["labels"])
    span = max(last - first, 1e-9)

    def x(labels: int) -> float:
        return _LEFT + float(log2(labels) - first) / span * (WIDTH - _LEFT - _RIGHT)

    def y(value: float) -> float:
        return float(bottom - (value - low) / (high - low) * (bottom - top))

    right = WIDTH - _RIGHT
    parts = [
        f'<rect class="band" x="{_LEFT}" y="{y(new["high"]):.1f}" width="{right - _LEFT}"'
        f' height="{y(new["low"]) - y(new["high"]):.1f}"/>',
        f'<line class="line candidate" x1="{_LEFT}" x2="{right}" y1="{y(new["estimate"]):.1f}"'
        f' y2="{y(new["estimate"]):.1f}"/>',
        f'<text class="value candidate" x="{right + 8}" y="{y(new["estimate"]) + 4:.1f}">{escape(candidate["arm"])}</text>',
    ]
    for tick in _ticks(low, high):
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{right}" y1="{y(tick):.1f}" y2="{y(tick):.1f}"/>')
        parts.append(
            f'<text class="axis" x="{_LEFT - 10}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick:.2f}</text>'
        )
    path = " ".join(f"{x(p['labels']):.1f},{y(p['estimate']):.1f}" for p in points)
    parts.append(f'<polyline class="line other" points="{path}"/>')
    for p in points:
        px = x(p["labels"])
        parts.append(
            f'<line class="whisker" x1="{px:.1f}" x2="{px:.1f}" y1="{y(p["low"]):.1f}" y2="{y(p["high"]):.1f}"/>'
        )
        parts.append(f'<circle class="dot" cx="{px:.1f}" cy="{y(p["estimate"]):.1f}" r="4"/>')
        parts.append(
            f'<text class="axis" x="{px:.1f}" y="{bottom + 18}" text-anchor="middle">{p["labels"]}</text>'
        )
    parts.append(
        f'<text class="axis" x="{(_LEFT + right) / 2}" y="{bottom + 36}" text-anchor="middle">'
        "expert labels used (each step doubles)</text>"
    )
    return _svg(height, f"{metric} by number of expert labels, and where the new model stands", parts)


def calibration(bins: Sequence[Mapping[str, Any]]) -> str:
    """How often it is right against how sure it is; the diagonal is perfect."""
    side, left, top = 240, 60, 12
    parts = [f'<line class="grid" x1="{left}" y1="{top + side}" x2="{left + side}" y2="{top}"/>']
    most = max((bin_["n"] for bin_ in bins), default=1)
    for tick in (0.0, 0.5, 1.0):
        parts.append(
            f'<text class="axis" x="{left + tick * side}" y="{top + side + 18}" text-anchor="middle">{tick:g}</text>'
        )
        parts.append(
            f'<text class="axis" x="{left - 8}" y="{top + side - tick * side + 4}" text-anchor="end">{tick:g}</text>'
        )
    for bin_ in bins:
        cx, cy = left + bin_["probability"] * side, top + side - bin_["accuracy"] * side
        radius = 3 + 9 * (bin_["n"] / most) ** 0.5
        parts.append(f'<circle class="dot candidate" cx="{cx:.1f}" cy="{cy:.1f}" r="{radius:.1f}"/>')
    parts.append(
        f'<text class="axis" x="{left + side / 2}" y="{top + side + 36}" text-anchor="middle">how sure it is</text>'
    )
    parts.append(
        f'<text class="axis" transform="translate(16 {top + side / 2}) rotate(-90)" text-anchor="middle">'
        "how often it is right</text>"
    )
    return _svg(top + side + 46, "Calibration of the new model", parts, width=left + side + 30)


def shares(before: Mapping[str, int], after: Mapping[str, int], most: int = 12) -> str:
    """Class shares before and after the selection, the largest classes first."""
    names = sorted(before, key=lambda name: -before[name])[:most]
    total_before, total_after = max(1, sum(before.values())), max(1, sum(after.values()))
    row, height = 44, 44 * len(names) + 12
    parts = []
    for place, name in enumerate(names):
        y = 6 + place * row
        parts.append(
            f'<text class="name" x="{_LEFT - 10}" y="{y + 20}" text-anchor="end">{escape(_short(name))}</text>'
        )
        for offset, kind, share in (
            (2, "weak", before[name] / total_before),
            (18, "candidate", after[name] / total_after),
        ):
            width = share * (WIDTH - _LEFT - _RIGHT)
            parts.append(
                f'<rect class="bar {kind}" x="{_LEFT}" y="{y + offset}" width="{width:.1f}" height="13" rx="2"/>'
            )
            parts.append(
                f'<text class="value" x="{_LEFT + width + 8:.1f}" y="{y + offset + 11}">{share:.1%}</text>'
            )
    return _svg(height, "Class shares before (light) and after (dark) the selection", parts)


def _x(value: float, floor: float, top: float) -> float:
    return _LEFT + (value - floor) / max(top - floor, 1e-9) * (WIDTH - _LEFT - _RIGHT)


def _whisker(low: float, high: float, y: float) -> str:
    return f'<path class="whisker" d="M{low:.1f} {y - 5}v10M{high:.1f} {y - 5}v10M{low:.1f} {y}H{high:.1f}" fill="none"/>'


def _ticks(low: float, high: float) -> list[float]:
    sizes = (size * 10.0**power for power in count(-2) for size in (1, 2, 5))
    step = next(size for size in sizes if (high - low) / size <= 7)
    first = int(low / step) + 1
    return [round(n * step, 6) for n in range(first, int(high / step) + 1)]


def _grid(floor: float, top: float, height: float) -> str:
    return "".join(
        f'<line class="grid" x1="{_x(tick, floor, top):.1f}" x2="{_x(tick, floor, top):.1f}" y1="4" y2="{height}"/>'
        f'<text class="axis" x="{_x(tick, floor, top):.1f}" y="{height + 18}" text-anchor="middle">{tick:.2f}</text>'
        for tick in _ticks(floor, top)
    )


def _short(name: str) -> str:
    return name if len(name) <= 16 else name[:15] + "…"


def _svg(height: float, title: str, parts: Sequence[str], width: float = WIDTH) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 {width:g} {height:g}"'
        f' style="max-width:{width:g}px"><title>{escape(title)}</title>{"".join(parts)}</svg>'
    )
