"""Plots of the page as SVG files: no script, no font of their own, readable on white and on dark. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

WIDTH = 760
LEFT, RIGHT, ROW = 270, 20, 15
STYLE = (
    "text{font:11px sans-serif;fill:#333}.axis{fill:#777}.grid{stroke:#ddd}.zero{stroke:#777}"
    ".mark{stroke:#aaa;stroke-dasharray:3 3}.better{stroke:#1a7f37;fill:#1a7f37}.even{stroke:#8c8c8c;fill:#8c8c8c}"
    ".worse{stroke:#c62828;fill:#c62828}"
)


@dataclass(frozen=True)
class Bar:
    """An estimate with its interval."""

    name: str
    estimate: float
    low: float
    high: float

    @property
    def kind(self) -> str:
        """The class that says what the interval shows."""
        return "better" if self.low > 0 else "worse" if self.high < 0 else "even"


def forest(bars: Sequence[Bar], title: str, mark: float, least: float, greatest: float) -> str:
    """A row for each estimate, in the order given.

    Args:
        bars: at least one; what lies beyond the axis is cut at its ends.
        title: what is shown.
        mark: a value with a dashed line.
        least: the left end of the axis.
        greatest: the right end.
    """
    height = ROW * len(bars) + 40

    def x(value: float) -> float:
        inside = min(max(value, least), greatest)
        return LEFT + (inside - least) / (greatest - least) * (WIDTH - LEFT - RIGHT)

    parts = [
        _tick(x(tick), f"{tick:+.2f}", height, "zero" if tick == 0 else "grid")
        for tick in _ticks(least, greatest)
    ]
    parts.append(f'<line class="mark" x1="{x(mark):.1f}" x2="{x(mark):.1f}" y1="4" y2="{height - 24}"/>')
    for place, bar in enumerate(bars):
        y = 14 + place * ROW
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4}" text-anchor="end">{escape(bar.name)}</text>')
        parts.append(
            f'<line class="{bar.kind}" x1="{x(bar.low):.1f}" x2="{x(bar.high):.1f}" y1="{y}" y2="{y}"/>'
            f'<circle class="{bar.kind}" cx="{x(bar.estimate):.1f}" cy="{y}" r="3"/>'
        )
    return _svg(height, title, parts)


def scatter(points: Sequence[tuple[float, float, str]], title: str, across: str, up: str) -> str:
    """Points with a class of `STYLE` each.

    Args:
        points: (x, y, class), at least one.
        title: what is shown.
        across: what the axis to the right is.
        up: what the upward axis is.
    """
    height, left, bottom = 380, 70, 330
    xs, ys = [x for x, _, _ in points], [y for _, y, _ in points]
    x0, x1, y0, y1 = *_span(xs), *_span(ys)

    def x(value: float) -> float:
        return left + (value - x0) / (x1 - x0) * (WIDTH - left - RIGHT)

    def y(value: float) -> float:
        return bottom - (value - y0) / (y1 - y0) * (bottom - 14)

    parts = []
    for tick in _ticks(x0, x1):
        parts.append(_tick(x(tick), f"{tick:g}", bottom + 24, "zero" if tick == 0 else "grid"))
    for tick in _ticks(y0, y1):
        kind = "zero" if tick == 0 else "grid"
        parts.append(
            f'<line class="{kind}" x1="{left}" x2="{WIDTH - RIGHT}" y1="{y(tick):.1f}" y2="{y(tick):.1f}"/>'
            f'<text class="axis" x="{left - 8}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick:g}</text>'
        )
    for px, py, kind in points:
        parts.append(f'<circle class="{kind}" fill-opacity=".6" cx="{x(px):.1f}" cy="{y(py):.1f}" r="4"/>')
    parts.append(
        f'<text class="axis" x="{(left + WIDTH) / 2}" y="{height - 8}" text-anchor="middle">{escape(across)}</text>'
        f'<text class="axis" transform="translate(16 {bottom / 2}) rotate(-90)" text-anchor="middle">{escape(up)}</text>'
    )
    return _svg(height, title, parts)


def _tick(x: float, words: str, height: float, kind: str) -> str:
    return (
        f'<line class="{kind}" x1="{x:.1f}" x2="{x:.1f}" y1="4" y2="{height - 24}"/>'
        f'<text class="axis" x="{x:.1f}" y="{height - 8}" text-anchor="middle">{words}</text>'
    )


def _span(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    margin = (high - low or 1.0) * 0.05
    return low - margin, high + margin


def _ticks(low: float, high: float) -> list[float]:
    sizes = [size * 10.0**power for power in range(-3, 3) for size in (1, 2, 5)]
    step = next((size for size in sizes if (high - low) / size <= 8), sizes[-1])
    first = -int(-low // step)
    return [round(n * step, 6) for n in range(first, int(high // step) + 1)]


def _svg(height: float, title: str, parts: Sequence[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 {WIDTH} {height:g}" width="{WIDTH}">'
        f"<title>{escape(title)}</title><style>{STYLE}</style>"
        f'<rect width="{WIDTH}" height="{height:g}" fill="#fff"/>{"".join(parts)}</svg>\n'
    )
