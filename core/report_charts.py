"""Charts of the report as inline SVG: no library, no script, colours from the report's CSS.

Colours are CSS classes (`c0` … `c7`, the palette of Okabe and Ito), so that light, dark and print
need one drawing. Every text that comes from the user's data is escaped here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from core.colours import OKABE_ITO
from core.prediction_table import PredictionTable

# Blue first, since two classes are the most common case; the last stands for the text colour.
PALETTE = OKABE_ITO

STRIP_COLUMNS = 900


@dataclass(frozen=True)
class Series:
    """One line: points (x, y, deviation); a point whose y is None breaks the line."""

    name: str
    points: tuple[tuple[float, float | None, float | None], ...]
    colour: int
    dashed: bool = False
    strong: bool = False


@dataclass(frozen=True)
class Bar:
    """One bar; `mark` is a class of the style sheet such as `full` or `worst`."""

    name: str
    value: float | None
    mark: str = ""
    note: str = ""


def clock(seconds: float) -> str:
    """Seconds as h:mm:ss."""
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers within [low, high], 1, 2 or 5 times a power of ten apart."""
    if not high > low:
        return [low]
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [k * step for k in range(first, last + 1)]


def time_ticks(duration_s: float, about: int = 8) -> list[float]:
    """Round times from 0 to the duration."""
    steps = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400)
    step = next((s for s in steps if duration_s / s <= about), None)
    if step is None:
        step = 86400 * math.ceil(duration_s / 86400 / about)
    return [float(t) for t in np.arange(0.0, duration_s + 1e-9, step)]


def _number(value: float) -> str:
    if value == 0 or 1e-3 <= abs(value) < 1e4:
        return f"{value:.3f}".rstrip("0").rstrip(".") if abs(value) < 100 else f"{value:.0f}"
    return f"{value:.1e}"


def _svg(width: float, height: float, name: str, parts: Sequence[str], style: str = "") -> str:
    return (
        f'<svg class="chart {style}" viewBox="0 0 {width:g} {height:g}" role="img" '
        f'style="max-width:{width:g}px" '
        f'aria-label="{escape(name)}">' + "".join(parts) + "</svg>"
    )


def _spread(wanted: Sequence[float], apart: float, low: float, high: float) -> list[float]:
    """Positions near the wanted ones, in the same order, at least `apart` from each other."""
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    placed = [min(max(wanted[i], low), high) for i in order]
    for _ in range(200):
        moved = False
        for k in range(len(placed) - 1):
            overlap = apart - (placed[k + 1] - placed[k])
            if overlap > 1e-6:
                placed[k] -= overlap / 2
                placed[k + 1] += overlap / 2
                moved = True
        if not moved:
            break
    # What is squeezed over an edge is pushed back in one piece.
    if placed and placed[-1] > high:
        placed = [p - (placed[-1] - high) for p in placed]
    result = [0.0] * len(wanted)
    for place, i in zip(placed, order, strict=True):
        result[i] = place
    return result


def line_chart(
    series: Sequence[Series],
    *,
    name: str,
    x_title: str,
    y_title: str,
    log_x: bool = False,
    x_ticks: Sequence[float] | None = None,
    x_text: Callable[[float], str] = _number,
    x_range: tuple[float, float] | None = None,
    y_range: tuple[float, float] | None = None,
    width: float = 640,
    height: float = 340,
    name_lines: bool = True,
    diagonal: bool = False,
) -> str:
    """Lines with markers and deviation bars; names stand at the ends of the lines.

    Without `name_lines` there are no names and no markers, for charts beside a common legend.
    `diagonal` adds the line y = x and markers.
    """
    known = [(x, y, d or 0.0) for s in series for x, y, d in s.points if y is not None]
    if not known:
        return '<p class="empty">Nothing to draw.</p>'
    longest = max((len(s.name) for s in series), default=0)
    right = min(260.0, 26 + 7.2 * longest) if name_lines else 14.0
    left, top, bottom = 54.0, 14.0, 44.0
    plot_w, plot_h = width - left - right, height - top - bottom

    xs = [math.log10(x) if log_x else x for x, _, _ in known]
    x_low, x_high = min(xs), max(xs)
    if x_high == x_low:
        x_low, x_high = x_low - 0.5, x_high + 0.5
    pad = 0.03 * (x_high - x_low)
    x_low, x_high = (x_low - pad, x_high + pad) if name_lines else (x_low, x_high)
    if x_range is not None:
        x_low, x_high = x_range
    if y_range is None:
        y_low = min(y - d for _, y, d in known)
        y_high = max(y + d for _, y, d in known)
        room = 0.06 * (y_high - y_low) or max(abs(y_high), 1.0) * 0.1
        y_low, y_high = y_low - room, y_high + room
    else:
        y_low, y_high = y_range

    def px(x: float) -> float:
        value = math.log10(x) if log_x else x
        return left + (value - x_low) / (x_high - x_low) * plot_w

    def py(y: float) -> float:
        return top + (y_high - min(max(y, y_low), y_high)) / (y_high - y_low) * plot_h

    parts = []
    for tick in ticks(y_low, y_high, max(2, int(plot_h / 45))):
        parts.append(
            f'<line class="grid" x1="{left}" x2="{left + plot_w:.1f}" y1="{py(tick):.1f}" '
            f'y2="{py(tick):.1f}"/><text class="tick end" x="{left - 7}" '
            f'y="{py(tick) + 4:.1f}">{_number(tick)}</text>'
        )
    if x_ticks is None:
        x_ticks = ticks(x_low, x_high, max(2, int(plot_w / 70)))
    for tick in x_ticks:
        parts.append(
            f'<line class="grid" x1="{px(tick):.1f}" x2="{px(tick):.1f}" y1="{top}" '
            f'y2="{top + plot_h:.1f}"/><text class="tick mid" x="{px(tick):.1f}" '
            f'y="{top + plot_h + 17:.1f}">{escape(x_text(tick))}</text>'
        )
    if diagonal:
        parts.append(
            f'<line class="diagonal" x1="{px(0):.1f}" y1="{py(0):.1f}" x2="{px(1):.1f}" '
            f'y2="{py(1):.1f}"/>'
        )
    parts.append(
        f'<text class="title mid" x="{left + plot_w / 2:.1f}" y="{height - 6:.1f}">'
        f"{escape(x_title)}</text>"
        f'<text class="title mid" transform="translate(13 {top + plot_h / 2:.1f}) rotate(-90)">'
        f"{escape(y_title)}</text>"
    )
    # Strong lines last, so that they lie on top.
    drawn = sorted(range(len(series)), key=lambda i: series[i].strong)
    for i in drawn:
        line = series[i]
        # Deviation bars of different lines would hide one another at the same share.
        shift = (i - (len(series) - 1) / 2) * 2.0 if name_lines and len(series) > 1 else 0.0
        style = f"line c{line.colour % len(PALETTE)}"
        style += " dashed" if line.dashed else ""
        style += " strong" if line.strong else ""
        path, pen_down = [], False
        marks = []
        for x, y, deviation in line.points:
            if y is None:
                pen_down = False
                continue
            at_x, at_y = px(x) + shift, py(y)
            path.append(f"{'L' if pen_down else 'M'}{at_x:.1f} {at_y:.1f}")
            pen_down = True
            if deviation:
                marks.append(
                    f'<line class="whisker {style}" x1="{at_x:.1f}" x2="{at_x:.1f}" '
                    f'y1="{py(y - deviation):.1f}" y2="{py(y + deviation):.1f}"/>'
                )
            if name_lines or diagonal:
                spread = f" ± {_number(deviation)}" if deviation is not None else ""
                marks.append(
                    f'<circle class="dot c{line.colour % len(PALETTE)}" cx="{at_x:.1f}" '
                    f'cy="{at_y:.1f}" r="{4 if line.strong else 3}"><title>{escape(line.name)}: '
                    f"{_number(y)}{spread} at {escape(x_text(x))}</title></circle>"
                )
        parts.append(f'<path class="{style}" d="{"".join(path)}"/>' + "".join(marks))
        if len(path) == 1 and not name_lines:
            x, y, _ = next(p for p in line.points if p[1] is not None)
            parts.append(
                f'<circle class="dot c{line.colour % len(PALETTE)}" cx="{px(x):.1f}" '
                f'cy="{py(y or 0.0):.1f}" r="2.5"/>'
            )
    if name_lines:
        named, wanted = [], []
        for i, line in enumerate(series):
            ends = [y for _, y, _ in line.points if y is not None]
            if ends:
                named.append(i)
                wanted.append(py(ends[-1]))
        for i, y in zip(named, _spread(wanted, 15, top + 4, top + plot_h), strict=True):
            parts.append(
                f'<circle class="dot c{series[i].colour % len(PALETTE)}" '
                f'cx="{left + plot_w + 9:.1f}" cy="{y:.1f}" r="4"/>'
                f'<text class="{"name strong" if series[i].strong else "name"}" '
                f'x="{left + plot_w + 18:.1f}" y="{y + 4:.1f}">{escape(series[i].name)}</text>'
            )
    return _svg(width, height, name, parts)


def bar_chart(bars: Sequence[Bar], *, name: str, x_title: str, width: float = 760) -> str:
    """Horizontal bars from 0, with the value at the end; values may be negative."""
    known = [bar.value for bar in bars if bar.value is not None]
    if not known:
        return '<p class="empty">Nothing to draw.</p>'
    longest = max(len(bar.name) for bar in bars)
    left = min(380.0, 24 + 6.9 * longest)
    shown = int((left - 20) / 6.9)
    right, top, row = 130.0, 8.0, 21.0
    height = top + row * len(bars) + 40
    low, high = min(0.0, *known), max(0.0, *known)
    if high == low:
        high = low + 1.0
    if low < 0:
        # Room for the figures that stand to the left of negative bars.
        low -= 0.14 * (high - low)
    plot_w = width - left - right

    def px(value: float) -> float:
        return left + (value - low) / (high - low) * plot_w

    parts = []
    for tick in ticks(low, high, max(2, int(plot_w / 70))):
        parts.append(
            f'<line class="grid" x1="{px(tick):.1f}" x2="{px(tick):.1f}" y1="{top}" '
            f'y2="{height - 36:.1f}"/><text class="tick mid" x="{px(tick):.1f}" '
            f'y="{height - 22:.1f}">{_number(tick)}</text>'
        )
    for k, bar in enumerate(bars):
        y = top + row * k
        label = bar.name if len(bar.name) <= shown else bar.name[: shown - 1] + "…"
        parts.append(
            f'<text class="name end {bar.mark}" x="{left - 8:.1f}" y="{y + 14.5:.1f}">'
            f"{escape(label)}<title>{escape(bar.name)}</title></text>"
        )
        if bar.value is None:
            parts.append(f'<text class="tick" x="{px(0) + 6:.1f}" y="{y + 14.5:.1f}">–</text>')
            continue
        x0, x1 = sorted((px(0), px(bar.value)))
        parts.append(
            f'<rect class="bar {bar.mark}" x="{x0:.1f}" y="{y + 3:.1f}" '
            f'width="{max(x1 - x0, 0.5):.1f}" height="{row - 6:.1f}"><title>{escape(bar.name)}: '
            f"{bar.value:.3f}</title></rect>"
        )
        text = f"{bar.value:.3f}" + (f"  {bar.note}" if bar.note else "")
        if bar.value >= 0:
            parts.append(
                f'<text class="figure {bar.mark}" x="{x1 + 6:.1f}" y="{y + 14.5:.1f}">'
                f"{escape(text)}</text>"
            )
        else:
            parts.append(
                f'<text class="figure end" x="{x0 - 6:.1f}" y="{y + 14.5:.1f}">'
                f"{escape(text)}</text>"
            )
    parts.append(
        f'<line class="axis" x1="{px(0):.1f}" x2="{px(0):.1f}" y1="{top}" y2="{height - 36:.1f}"/>'
        f'<text class="title mid" x="{left + plot_w / 2:.1f}" y="{height - 4:.1f}">'
        f"{escape(x_title)}</text>"
    )
    return _svg(width, height, name, parts)


# ---------------------------------------------------------------- strips


@dataclass(frozen=True)
class _Run:
    start_s: float
    end_s: float
    value: int


def runs(
    start_s: np.ndarray, end_s: np.ndarray, values: np.ndarray, duration_s: float
) -> list[_Run]:
    """Neighbouring windows with equal values as one; of very many, the commonest per column.

    `values` are class numbers, -1 where there is none; those make no run. Shapes (windows,).
    """
    found: list[_Run] = []
    for start, end, value in zip(start_s, end_s, values, strict=True):
        if value < 0:
            continue
        if found and found[-1].value == value and start <= found[-1].end_s + 1e-6:
            found[-1] = _Run(found[-1].start_s, float(end), int(value))
        else:
            found.append(_Run(float(start), float(end), int(value)))
    if len(found) <= 2 * STRIP_COLUMNS or duration_s <= 0:
        return found
    # More changes than pixels: each column gets the value that holds it longest.
    shares: list[dict[int, float]] = [{} for _ in range(STRIP_COLUMNS)]
    width_s = duration_s / STRIP_COLUMNS
    for run in found:
        first = int(run.start_s / width_s)
        last = min(int(run.end_s / width_s), STRIP_COLUMNS - 1)
        for column in range(first, last + 1):
            inside = min(run.end_s, (column + 1) * width_s) - max(run.start_s, column * width_s)
            shares[column][run.value] = shares[column].get(run.value, 0.0) + max(inside, 0.0)
    columns = np.array([max(s, key=lambda v: s[v]) if s else -1 for s in shares])
    edges = np.arange(STRIP_COLUMNS + 1) * width_s
    merged: list[_Run] = []
    for k, value in enumerate(columns):
        if value < 0:
            continue
        if merged and merged[-1].value == value and merged[-1].end_s >= edges[k] - 1e-6:
            merged[-1] = _Run(merged[-1].start_s, float(edges[k + 1]), int(value))
        else:
            merged.append(_Run(float(edges[k]), float(edges[k + 1]), int(value)))
    return merged


def _steps(
    start_s: np.ndarray, end_s: np.ndarray, values: np.ndarray, duration_s: float
) -> list[tuple[float, float, float]]:
    """(start, end, value) of windows with a finite value; of very many, the mean per column."""
    finite = np.isfinite(values)
    start_s, end_s, values = start_s[finite], end_s[finite], values[finite]
    if len(values) > 2 * STRIP_COLUMNS and duration_s > 0:
        column = np.minimum(
            (0.5 * (start_s + end_s) / duration_s * STRIP_COLUMNS).astype(int), STRIP_COLUMNS - 1
        )
        count = np.bincount(column, minlength=STRIP_COLUMNS)
        total = np.bincount(column, weights=values, minlength=STRIP_COLUMNS)
        used = np.flatnonzero(count)
        width_s = duration_s / STRIP_COLUMNS
        return [(k * width_s, (k + 1) * width_s, total[k] / count[k]) for k in used]
    return [(float(a), float(b), float(v)) for a, b, v in zip(start_s, end_s, values, strict=True)]


def strip(
    table: PredictionTable, classes: Sequence[str], duration_s: float, *, name: str, key: str
) -> str:
    """Label and predicted classes over time, with confidence and fragility beneath.

    Each class has its own height as in a hypnogram, so that the strip reads without colours.
    Windows with no modality present are hatched; where there is no window, nothing is drawn.
    `key` makes ids of the drawing unique within the page.
    """
    left, right, width = 96.0, 10.0, 1000.0
    plot_w = width - left - right
    number = {text: k for k, text in enumerate(classes)}
    until = table.shown_until_s()
    duration_s = max(duration_s, float(table.end_s.max(initial=0.0)), 1e-9)

    def px(t: float) -> float:
        return left + t / duration_s * plot_w

    has_fragility = bool(np.isfinite(table.fragility).any())
    label = np.array([number.get(text, -1) if text else -1 for text in table.label], dtype=int)
    predicted = np.array(
        [number.get(text, -1) if text else -1 for text in table.predicted], dtype=int
    )
    step = 8.0 if len(classes) <= 8 else max(3.0, 64.0 / len(classes))
    lane = max(step * len(classes), 16.0)
    has_label = bool((label >= 0).any())
    parts = [
        f'<defs><pattern id="hatch-{key}" width="6" height="6" patternUnits="userSpaceOnUse" '
        f'patternTransform="rotate(45)"><line class="hatch" x1="0" x2="0" y1="0" y2="6"/>'
        "</pattern></defs>"
    ]
    y = 4.0
    lanes_top = y

    def class_lane(title: str, values: np.ndarray) -> None:
        parts.append(
            f'<rect class="lane" x="{left}" y="{y:.1f}" width="{plot_w}" height="{lane:.1f}"/>'
            f'<text class="name end" x="{left - 8}" y="{y + lane / 2 + 4:.1f}">{title}</text>'
        )
        drawn = runs(table.start_s, until, values, duration_s)
        before: _Run | None = None
        for run in drawn:
            at_y = y + step * run.value
            x0 = px(run.start_s)
            w = max(px(run.end_s) - x0, 0.6)
            if before is not None and run.start_s <= before.end_s + 1e-6:
                y0, y1 = sorted((y + step * (before.value + 0.5), at_y + step / 2))
                parts.append(
                    f'<line class="riser" x1="{x0:.1f}" x2="{x0:.1f}" y1="{y0:.1f}" y2="{y1:.1f}"/>'
                )
            parts.append(
                f'<rect class="c{run.value % len(PALETTE)}" x="{x0:.1f}" y="{at_y + 0.5:.1f}" '
                f'width="{w:.1f}" height="{step - 1:.1f}"><title>'
                f"{escape(classes[run.value])}, {clock(run.start_s)} to {clock(run.end_s)}"
                "</title></rect>"
            )
            before = run

    if has_label:
        class_lane("label", label)
        y += lane + 3
        differs = ((label >= 0) & (predicted >= 0) & (label != predicted)).astype(int) - 1
        parts.append(
            f'<text class="name end small" x="{left - 8}" y="{y + 6:.1f}">differs</text>'
            f'<rect class="lane" x="{left}" y="{y:.1f}" width="{plot_w}" height="5"/>'
        )
        for run in runs(table.start_s, until, differs, duration_s):
            parts.append(
                f'<rect class="differs" x="{px(run.start_s):.1f}" y="{y:.1f}" '
                f'width="{max(px(run.end_s) - px(run.start_s), 0.6):.1f}" height="5"/>'
            )
        y += 8
    class_lane("predicted", predicted)
    y += lane
    nothing = np.array([0 if not text else -1 for text in table.predicted], dtype=int)
    for run in runs(table.start_s, until, nothing, duration_s):
        parts.append(
            f'<rect fill="url(#hatch-{key})" x="{px(run.start_s):.1f}" y="{lanes_top:.1f}" '
            f'width="{max(px(run.end_s) - px(run.start_s), 0.6):.1f}" '
            f'height="{y - lanes_top:.1f}"><title>no modality present, {clock(run.start_s)} to '
            f"{clock(run.end_s)}</title></rect>"
        )
    curves = [("confidence", table.confidence, "confidence")]
    if has_fragility:
        curves.append(("fragility", table.fragility, "fragility"))
    for title, values, style in curves:
        y += 5
        high = 22.0
        parts.append(
            f'<rect class="lane" x="{left}" y="{y:.1f}" width="{plot_w}" height="{high}"/>'
            f'<text class="name end" x="{left - 8}" y="{y + high / 2 + 4:.1f}">{title}</text>'
        )
        path = []
        at: float | None = None
        for start, end, value in _steps(table.start_s, until, values, duration_s):
            top = y + high * (1.0 - min(max(value, 0.0), 1.0))
            if at is None or start > at + 1e-6:
                if at is not None:
                    path.append(f"V{y + high:.1f}Z")
                path.append(f"M{px(start):.1f} {y + high:.1f}")
            path.append(f"V{top:.1f}H{px(end):.1f}")
            at = end
        if at is not None:
            path.append(f"V{y + high:.1f}Z")
            parts.append(f'<path class="area {style}" d="{"".join(path)}"/>')
        y += high
    for tick in time_ticks(duration_s):
        anchor = "mid" if tick > 0 else "begin"
        if px(tick) > width - 30:
            anchor = "end"
        parts.append(
            f'<line class="axis" x1="{px(tick):.1f}" x2="{px(tick):.1f}" y1="{y:.1f}" '
            f'y2="{y + 4:.1f}"/><text class="tick {anchor}" x="{px(tick):.1f}" '
            f'y="{y + 16:.1f}">{clock(tick)}</text>'
        )
    return _svg(width, y + 20, name, parts, "strip")
