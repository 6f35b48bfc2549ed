"""A night in figures: from labels and from predictions side by side, with what each term means."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtWidgets import QSizePolicy, QVBoxLayout, QWidget

from core.sleep_figures import SleepFigures
from ui.dialog_parts import Paragraph
from ui.figure_table import Column, FigureTable, Row
from ui.time_plot import clock_text

MINUTE = 60.0
NONE = "–"


class SleepTable(QWidget):
    """Figures of one night and time per stage, from labels, from predictions, and the difference.

    Times are in minutes, as the AASM manual reports them.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName(self.tr("Sleep"))
        self._labels: SleepFigures | None = None
        self._predictions: SleepFigures | None = None
        self._names = ("", "")
        self.says = Paragraph()
        self.figures = FigureTable(
            self.tr("Sleep figures"), (), self.tr("Point at a line to read what it means.")
        )
        self.stages = FigureTable(
            self.tr("Time per stage"), (), self.tr("Minutes, and share of total sleep time.")
        )
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.says)
        column.addWidget(self.figures)
        column.addWidget(self.stages)
        column.addStretch(1)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self.set_figures(None, None, ("", ""))

    def set_figures(
        self,
        labels: SleepFigures | None,
        predictions: SleepFigures | None,
        names: tuple[str, str] = ("", ""),
    ) -> None:
        """Show the figures of a night; None where there are no labels, or no predictions.

        `names`: whose labels, and of which run the predictions; empty for plain headings.
        """
        self._labels, self._predictions, self._names = labels, predictions, names
        heads = (
            names[0] or self.tr("Labels"),
            names[1] or self.tr("Predictions"),
            self.tr("Difference"),
        )
        differs = self.tr("Predictions less labels")
        self.figures.set_columns(
            (
                Column(self.tr("Figure"), kind="text"),
                Column(heads[0]),
                Column(heads[1]),
                Column(heads[2], differs),
            )
        )
        self.figures.fill(self._figure_rows())
        minutes, share = self.tr("{whose}, min"), self.tr("% of sleep")
        of_sleep = self.tr("Share of total sleep time; wake has none")
        self.stages.set_columns(
            (
                Column(self.tr("Stage"), kind="text"),
                Column(minutes.format(whose=heads[0])),
                Column(share, of_sleep),
                Column(minutes.format(whose=heads[1])),
                Column(share, of_sleep),
                Column(self.tr("Difference, min"), differs),
                Column(self.tr("% points"), differs),
            )
        )
        rows = self._stage_rows()
        self.stages.fill(rows)
        self.stages.setVisible(bool(rows))
        self.figures.setVisible(labels is not None or predictions is not None)
        self.says.say(self._words())

    def as_lines(self) -> list[str]:
        """Both tables as text, columns apart by tabs."""
        return [*self.figures.as_lines(), "", *self.stages.as_lines()]

    # -- words

    def _words(self) -> str:
        if self._labels is None and self._predictions is None:
            return self.tr("This recording has neither sleep stages as labels nor predictions.")
        sentences = []
        if self._labels is None:
            sentences.append(self.tr("There are no labels of sleep stages here."))
        if self._predictions is None:
            sentences.append(self.tr("There are no predictions here."))
        found = self._labels or self._predictions
        assert found is not None
        off, on = clock_text(found.lights_off_s), clock_text(found.lights_on_s)
        sentences.append(
            self.tr("Lights off: marked at {time}.").format(time=off)
            if found.lights_off_from == "mark"
            else self.tr(
                "Lights off is not marked: the night begins with the recording, and what is "
                "counted from lights off is counted from there."
            )
        )
        sentences.append(
            self.tr("Lights on: marked at {time}.").format(time=on)
            if found.lights_on_from == "mark"
            else self.tr("Lights on is not marked: the night ends with the recording.")
        )
        unscored = [f for f in (self._labels, self._predictions) if f and f.unscored_s > 0]
        if unscored:
            sentences.append(
                self.tr(
                    "Time without a stage counts neither as sleep nor as wake: efficiency may in "
                    "truth be higher, and latencies shorter."
                )
            )
        return " ".join(sentences)

    def _figure_rows(self) -> list[Row]:
        tr = self.tr
        lights_off = tr("lights off")
        reference = self._labels or self._predictions
        if reference is not None and reference.lights_off_from == "recording":
            lights_off = tr("recording start")
        rows: list[tuple[str, str, Callable[[SleepFigures], float | int | None], str]] = [
            (tr("Time in bed (TIB)"),
             tr("From lights off to lights on (AASM: total recording time, TRT)"),
             lambda f: f.time_in_bed_s, "min"),
            (tr("Total sleep time (TST)"),
             tr("Time in bed in any stage but wake"),
             lambda f: f.total_sleep_s, "min"),
            (tr("Sleep efficiency"),
             tr("Total sleep time in percent of time in bed"),
             lambda f: f.efficiency, "%"),
            (tr("Sleep latency, from {start}").format(start=lights_off),
             tr("From {start} to sleep onset, the first epoch of any stage but wake (AASM: sleep "
                "latency, SL)").format(start=lights_off),
             lambda f: f.sleep_latency_s, "min"),
            (tr("REM latency, from sleep onset"),
             tr("From sleep onset to the first epoch of stage R (AASM: stage R latency)"),
             lambda f: f.rem_latency_s, "min"),
            (tr("REM latency, from {start}").format(start=lights_off),
             tr("From {start} to the first epoch of stage R; longer than the AASM's by the sleep "
                "latency").format(start=lights_off),
             lambda f: f.rem_latency_from_off_s, "min"),
            (tr("Wake after sleep onset (WASO)"),
             tr("Wake from sleep onset to lights on, the last awakening included (AASM)"),
             lambda f: f.waso_s, "min"),
            (tr("Awakenings"),
             tr("How often sleep turned into wake and came back; the last awakening is not one of "
                "them. The AASM manual does not define it."),
             lambda f: f.awakenings, "n"),
            (tr("Without a stage"),
             tr("Time in bed that is not scored, or not predicted: neither sleep nor wake"),
             lambda f: f.unscored_s, "min"),
        ]  # fmt: skip
        made = []
        for title, tip, of, unit in rows:
            pair = [None if f is None else of(f) for f in (self._labels, self._predictions)]
            cells = (title, _text(pair[0], unit), _text(pair[1], unit), _change(pair, unit))
            made.append(Row(cells, tip=tip))
        return made

    def _stage_rows(self) -> list[Row]:
        both = (self._labels, self._predictions)
        names = dict.fromkeys(stage.name for f in both if f is not None for stage in f.stages)
        rows = []
        for name in names:
            found = [None if f is None else f.stage(name) for f in both]
            times = [None if f is None else f.time_s for f in found]
            shares = [None if f is None else f.share_of_sleep for f in found]
            texts = [(_bare(t), _bare(s, 100)) for t, s in zip(times, shares, strict=True)]
            cells = (name, *texts[0], *texts[1], _change(times, "bare"), _change(shares, "points"))
            rows.append(Row(cells))
        return rows


def _bare(value: float | None, factor: float = 1 / MINUTE) -> str:
    return NONE if value is None else f"{value * factor:.1f}"


def _text(value: float | int | None, unit: str) -> str:
    if value is None:
        return NONE
    if unit == "n":
        return str(int(value))
    return f"{100 * value:.1f} %" if unit == "%" else f"{value / MINUTE:.1f} min"


def _change(pair: Sequence[float | int | None], unit: str) -> str:
    """Predictions less labels, with a sign."""
    before, after = pair
    if before is None or after is None:
        return NONE
    change = after - before
    if unit == "n":
        text = f"{int(change):+d}"
    else:
        text = f"{change * (100 if unit in ('%', 'points') else 1 / MINUTE):+.1f}"
    if not text.strip("+-0."):
        text = text.lstrip("+-")
    text = text.replace("-", "−")
    return text + {"min": " min", "%": " points"}.get(unit, "")
