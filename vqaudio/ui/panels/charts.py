"""Small charts as SVG in the page's own colours, readable with any colour vision.

One hue and the text colour carry everything: kinds of marks differ in shape and lightness, never in hue alone. Colours are CSS
variables of the page with fallbacks, so a chart follows the theme, and keeps light colours once it is saved as a file.
"""

import math
from collections.abc import Iterator, Sequence
from html import escape

import numpy as np

INK, SOFT = "var(--body-text-color,#1f2430)", "var(--body-text-color-subdued,#5d6270)"
LINE, ACCENT = "var(--border-color-primary,#d9dbe1)", "var(--vq-accent,#c2410c)"
STYLE = (
    f"text{{fill:{SOFT};font:11px system-ui,sans-serif}}.axis{{stroke:{LINE}}}.ink{{fill:{INK}}}.line{{fill:none;stroke:{INK}}}"
    f".accent{{fill:{ACCENT}}}.accent-line{{fill:none;stroke:{ACCENT};stroke-width:2}}.soft{{fill:{SOFT};opacity:.45}}"
    f".outline{{fill:none;stroke:{INK};stroke-width:1.5;stroke-dasharray:4 2}}"
    f".dots{{fill:none;stroke:{SOFT};stroke-linecap:round;opacity:.4}}"
    f".ground{{fill:{LINE};opacity:.35}}.tip{{fill:none;pointer-events:all}}text.name{{font-size:9px}}"
    f".dots.hot{{stroke:{ACCENT};opacity:1}}.cross{{fill:none;stroke:{INK};stroke-width:.8;opacity:.35}}"
)
TICKS = 4
SHADES = 6  # of a matrix


def svg(body: str, width: int, height: int, label: str) -> str:
    """A complete SVG element; its label is for those who cannot see it."""
    return (
        f'<svg class="vq-chart" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{escape(label)}"><style>{STYLE}</style>{body}</svg>'
    )


def round_step(span: float) -> float:
    """A step of 1, 2 or 5 times a power of ten that divides a span into about TICKS."""
    size = 10 ** math.floor(math.log10(span / TICKS))
    return next(factor * size for factor in (1, 2, 5, 10) if factor * size * TICKS >= span)


class Frame:
    """Axes of a chart: x positions 1 to n, or from 0 to 1; y from 0 to `top`.

    Args:
        width, height: in units of the SVG.
        top: of the y axis.
        title: above the chart.
        below: under the x axis.
    """

    LEFT, RIGHT, TOP, BOTTOM = 48, 8, 22, 32

    def __init__(self, width: int, height: int, top: float, title: str, below: str):
        self.width, self.height, self.top = width, height, top or 1.0
        self.title, self.below = title, below

    def y(self, value: float) -> float:
        inside = self.height - self.TOP - self.BOTTOM
        return round(self.TOP + inside * (1 - min(1.0, value / self.top)), 1)

    def x(self, share: float) -> float:
        return round(self.LEFT + (self.width - self.LEFT - self.RIGHT) * share, 1)

    def axes(self) -> str:
        """Lines and numbers of the y axis, and the titles."""
        step = round_step(self.top)
        parts = [f'<text class="ink" x="0" y="12" style="font-weight:600;fill:{INK}">{escape(self.title)}</text>']
        for i in range(int(self.top / step + 1e-9) + 1):
            value, y = i * step, self.y(i * step)
            parts.append(f'<line class="axis" x1="{self.LEFT}" x2="{self.width - self.RIGHT}" y1="{y}" y2="{y}"/>')
            parts.append(f'<text x="{self.LEFT - 5}" y="{y + 4}" text-anchor="end">{value:.10g}</text>')
        middle = self.x(0.5)
        parts.append(f'<text x="{middle}" y="{self.height - 3}" text-anchor="middle">{escape(self.below)}</text>')
        return "".join(parts)

    def numbers(self, n: int) -> str:
        """The numbers 1 to n under the x axis, all or every other."""
        every = 1 if n <= 12 else math.ceil(n / 12)
        y = self.height - self.BOTTOM + 14
        return "".join(
            f'<text x="{self.x((i + 0.5) / n)}" y="{y}" text-anchor="middle">{i + 1}</text>' for i in range(0, n, every)
        )


def bars(frame: Frame, values: Sequence[float], baseline: Sequence[float] = (), lines: dict[str, float] | None = None) -> str:
    """A bar for each stage, outlines of a baseline, and named horizontal lines.

    Args:
        values: one a stage.
        baseline: one a stage, or none.
        lines: name -> height, drawn across the chart and labelled at its right end.
    """
    n, wide = len(values), 0.62 * (frame.width - frame.LEFT - frame.RIGHT) / len(values)
    parts = [frame.axes(), frame.numbers(n)]
    for name, rows in (("accent", values), ("outline", baseline)):
        for i, value in enumerate(rows):
            left, top = frame.x((i + 0.5) / n) - wide / 2, frame.y(value)
            size = f'x="{left:.1f}" y="{top}" width="{wide:.1f}" height="{frame.y(0) - top:.1f}"'
            parts.append(f'<rect class="{name}" {size}/>')
    for i, (name, value) in enumerate((lines or {}).items()):
        y, dash = frame.y(value), ("", "6 3", "2 3")[i % 3]
        parts.append(
            f'<line class="line" x1="{frame.LEFT}" x2="{frame.width - frame.RIGHT}" y1="{y}" y2="{y}" stroke-dasharray="{dash}">'
            f"<title>{escape(name)}</title></line>"
        )
    return "".join(parts)


def band(frame: Frame, low: Sequence[float], middle: Sequence[float], high: Sequence[float]) -> str:
    """A line through the middles of the stages, in a band from low to high."""
    n = len(middle)
    places = [frame.x((i + 0.5) / n) for i in range(n)]
    edge = [f"{x},{frame.y(v)}" for x, v in zip(places, high)] + [f"{x},{frame.y(v)}" for x, v in zip(places[::-1], low[::-1])]
    dots = "".join(f'<circle class="accent" cx="{x}" cy="{frame.y(v)}" r="3"/>' for x, v in zip(places, middle))
    line = " ".join(f"{x},{frame.y(v)}" for x, v in zip(places, middle))
    area, curve = f'<polygon class="soft" points="{" ".join(edge)}"/>', f'<polyline class="accent-line" points="{line}"/>'
    return f"{frame.axes()}{frame.numbers(n)}{area}{curve}{dots}"


Point = tuple[float, float]


def scatter(groups: dict[str, list[Point]], crosses: list[Point], width: int, height: int, hot: str) -> str:
    """Points in named groups, one of them highlighted, over crosses.

    Args:
        groups: name -> points; the axes have no unit.
        crosses: points of another kind.
        hot: the highlighted group.
    """
    every = [point for points in groups.values() for point in points] + crosses
    (left, right), (low, high) = [(min(values), max(values)) for values in zip(*every)]

    def place(point: Point) -> str:
        x, y = (point[0] - left) / (right - left or 1), (point[1] - low) / (high - low or 1)
        return f"{6 + (width - 12) * x:.0f} {height - 6 - (height - 12) * y:.0f}"

    parts = []
    for name, points in sorted(groups.items(), key=lambda item: item[0] == hot):
        path = "".join(f"M{place(point)}h0" for point in points)
        chosen = " hot" if name == hot else ""
        parts.append(f'<path class="dots{chosen}" data-label="{escape(name)}" stroke-width="{6 if chosen else 4}" d="{path}"/>')
    cross = "".join(f"M{place(point)}m-2-2l4 4m0-4l-4 4" for point in crosses)
    return f'<path class="cross" d="{cross}"/>' + "".join(parts)


def lines(frame: Frame, steps: Sequence[int], curves: dict[str, Sequence[float]], last: int) -> str:
    """Curves over training steps, each with its own dashes and a name at its end.

    Args:
        last: the step at the right end of the x axis.
    """
    parts = [frame.axes()]
    for i, (name, values) in enumerate(curves.items()):
        line = " ".join(f"{frame.x(0.86 * step / last)},{frame.y(value)}" for step, value in zip(steps, values))
        dash = ("", "6 3", "2 3", "8 3 2 3")[i % 4]
        parts.append(f'<polyline class="line" stroke-dasharray="{dash}" points="{line}"><title>{escape(name)}</title></polyline>')
        if values:
            parts.append(f'<text x="{frame.x(0.87)}" y="{frame.y(values[-1]) + 4}">{escape(name)}</text>')
    return "".join(parts)


def matrix(
    values: np.ndarray, rows: Sequence[str], columns: Sequence[str], size: tuple[int, int], tips: Sequence[str] = ()
) -> str:
    """Numbers from 0 to 1 as cells, the larger the stronger.

    Args:
        values: [rows, columns].
        rows, columns: their names; those are left out for which there is no room.
        tips: a text for each column, shown where one points at it.
    """
    left, top = 30, 26
    wide, high = (size[0] - left) / max(1, len(columns)), (size[1] - top) / max(1, len(rows))
    shades = np.ceil(np.sqrt(values.clip(0, 1)) * SHADES - 1e-9).astype(int)
    parts = [f'<rect class="ground" x="{left}" y="{top}" width="{size[0] - left}" height="{size[1] - top}"/>']
    for shade in range(1, SHADES + 1):
        cells = zip(*(found.tolist() for found in np.nonzero(shades == shade)))
        path = "".join(f"M{left + x * wide:.1f} {top + y * high:.1f}h{wide:.1f}v{high:.1f}h-{wide:.1f}z" for y, x in cells)
        parts.append(f'<path class="accent" fill-opacity="{shade / SHADES:.2f}" d="{path}"/>' if path else "")
    for i, name in _named(rows, high):
        y = top + (i + 0.5) * high + 3
        parts.append(f'<text x="{left - 4}" y="{y:.1f}" text-anchor="end" {name}</text>')
    for i, name in _named(columns, wide):
        x = left + (i + 0.5) * wide + 3
        parts.append(f'<text transform="translate({x:.1f} {top - 4}) rotate(-90)" {name}</text>')
    for i, tip in enumerate(tips):
        area = f'x="{left + i * wide:.1f}" y="{top}" width="{wide:.1f}" height="{size[1] - top}"'
        parts.append(f'<rect class="tip" {area}><title>{escape(tip)}</title></rect>')
    return "".join(parts)


def _named(names: Sequence[str], space: float) -> Iterator[tuple[int, str]]:
    """The names for which there is room: position, and class and text. A narrow screen has room for every second one."""
    every = math.ceil(9 / space)
    for i in range(0, len(names), every):
        yield i, f'class="name{" name-wide" if i % (2 * every) else ""}">{escape(names[i])}'
