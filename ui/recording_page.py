"""The page of a recording: overview, traces, labels and predictions, all on one clock.

It lays the views out and leads between them, the labelling and the session; it holds no labels.
"""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, QPoint, Qt, Signal
from PySide6.QtWidgets import (
    QComboBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QScrollArea,
    QSizePolicy,
    QSpinBox,
    QSplitter,
    QVBoxLayout,
    QWidget,
)

from core.acceptance import epochs_within
from core.label_scheme import LabelScheme
from core.montage import display_channels
from core.study_labels import EpochGrid, RecordingLabels, to_ns, to_s
from ui.agreement_strip import AgreementStrip
from ui.epoch_layer import EpochLayer
from ui.event_layer import EventLayer
from ui.labelling import Labelling, Selection
from ui.modality_switches import ModalitySwitches
from ui.overview_bar import OverviewBar
from ui.predicting import Predicting
from ui.prediction_strip import ROWS, PredictionStrip
from ui.recording_view import RecordingView
from ui.session import Session, Shown
from ui.shapley_lane import ShapleyLane
from ui.spectrogram_lane import SpectrogramLane
from ui.step_strip import StepStrip
from ui.subset_lane import SubsetLane
from ui.time_plot import clock_text

SECONDS_AT_FIRST = 30.0
WINDOWS_AT_FIRST = 10
PAGES_S = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600, 4 * 3600, 12 * 3600, 24 * 3600)
HEIGHTS_PX = (480, 150, 110, 70, 220, 150, 110)
"""Of traces, spectrogram, label strip, other raters, predictions, subsets and shares, at first."""
LEAST_LANE_PX, AXIS_PX = 20, 40
LEAST_TRACES_PX = (110, 220)
"""Between these lies the least height of the traces, however much is shown below them."""
_NO_SCHEME_EPOCH_S = 30.0


class RecordingPage(QWidget):
    """Everything about the shown recording. Asks the session and its labelling for changes."""

    drawn = Signal()
    """The traces are on the screen."""
    read_out = Signal(str)
    """What lies under the mouse, in words."""
    event_menu_requested = Signal(object, QPoint)
    epoch_menu_requested = Signal(int, QPoint)
    stretch_menu_requested = Signal(float, str, QPoint)
    window_menu_requested = Signal(int, QPoint)
    """A menu is wanted for a window of the run that is looked at, by its row."""
    failed = Signal(object)

    def __init__(
        self, session: Session, predicting: Predicting, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._session = session
        self._predicting = predicting
        self._labelling: Labelling = session.labelling
        self._page_s = SECONDS_AT_FIRST
        self._time_mode = "elapsed"
        self._whole_strip = True
        self._is_laying_out = False  # the range is not yet what the user will look at
        self.problem = QLabel()
        self.problem.setTextFormat(Qt.TextFormat.PlainText)
        self.problem.setWordWrap(True)
        self.problem.setContentsMargins(8, 6, 8, 6)
        self.problem.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.overview = OverviewBar()
        self.view = RecordingView()
        self.steps = StepStrip()
        self.agreement = AgreementStrip()
        self.spectrogram = SpectrogramLane()
        self.strip = PredictionStrip()
        self.switches = ModalitySwitches()
        self.subsets = SubsetLane()
        self.shares = ShapleyLane()
        self.epochs = EpochLayer()
        self.events = EventLayer()
        self.view.plot.addItem(self.epochs, ignoreBounds=True)
        self.view.plot.addItem(self.events, ignoreBounds=True)
        self._lanes = (
            self.steps,
            self.agreement,
            self.spectrogram,
            self.strip,
            self.subsets,
            self.shares,
        )
        for lane in self._lanes:
            lane.link_to(self.view.plot)
        for lane in (self.spectrogram, self.switches, self.subsets, self.shares):
            lane.hide()
        self._wants_subsets = False
        self._wants_shares = False
        self.run_choice = QComboBox()
        self.run_choice.setAccessibleName(self.tr("Run whose predictions are shown"))
        self.run_choice.setToolTip(self.tr("Whose predictions are shown: a run of this study"))
        self.run_choice.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self.threshold = QSpinBox()
        self.threshold.setRange(0, 99)
        self.threshold.setSuffix(" %")
        self.threshold.setSpecialValueText(self.tr("never"))
        self.threshold.setAccessibleName(self.tr("Unsure below"))
        self.threshold.setToolTip(
            self.tr("Leave windows unassigned whose confidence is below this")
        )
        self.page_choice = QComboBox()
        self.page_choice.setAccessibleName(self.tr("Length of a page"))
        self.page_choice.setToolTip(self.tr("How much time is on the screen (Ctrl+1: one page)"))
        for seconds in PAGES_S:
            self.page_choice.addItem(duration_text(seconds), float(seconds))
        self.where = QLabel()
        self.where.setAccessibleName(self.tr("Position"))
        self._lay_out()
        self._connect()

    # -- parts

    def _lay_out(self) -> None:
        head = QHBoxLayout()
        head.setContentsMargins(8, 4, 8, 2)
        head.setSpacing(12)
        # A long position must not make the window wider.
        self.where.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        head.addWidget(self.where, 1)
        self._predictions_head = QWidget()
        of_predictions = QHBoxLayout(self._predictions_head)
        of_predictions.setContentsMargins(8, 0, 8, 2)
        of_predictions.setSpacing(12)
        for text, part in (
            (self.tr("Pred&ictions"), self.run_choice),
            (self.tr("U&nsure below"), self.threshold),
        ):
            label = QLabel(text)
            label.setBuddy(part)
            of_predictions.addWidget(label)
            of_predictions.addWidget(part)
        of_predictions.addStretch(1)
        says = QLabel(self.tr("&Page"))
        says.setBuddy(self.page_choice)
        head.addWidget(says)
        head.addWidget(self.page_choice)
        self._drawing = QSplitter(Qt.Orientation.Vertical)
        for part in (self.view, self.spectrogram, self.steps, self.agreement):
            self._drawing.addWidget(part)
        for part in (self.strip, self.subsets, self.shares):
            self._drawing.addWidget(part)
        self._drawing.setStretchFactor(0, 1)  # more room is for the traces
        self._drawing.setChildrenCollapsible(False)
        self._drawing.setSizes(list(HEIGHTS_PX))
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addLayout(head)
        # In a row of its own: between two docks there is no room for both.
        column.addWidget(self._predictions_head)
        column.addWidget(self.problem)
        column.addWidget(self.overview)
        column.addWidget(self.switches)
        # In a low window one scrolls: no lane is made too low to be read, nor the window too tall.
        self._area = QScrollArea()
        self._area.setWidgetResizable(True)
        self._area.setFrameShape(QFrame.Shape.NoFrame)
        self._area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._area.setWidget(self._drawing)
        column.addWidget(self._area, 1)

    def _connect(self) -> None:
        session, labelling = self._session, self._labelling
        session.shown_changed.connect(self.show_recording)
        session.montage_changed.connect(self._take_montage)
        labelling.opened.connect(self._show_scheme)
        labelling.labels_changed.connect(self._show_labels)
        labelling.others_changed.connect(self._show_others)
        labelling.position_changed.connect(self._follow_cursor)
        labelling.selection_changed.connect(self._show_selection)
        labelling.event_selected.connect(self._show_event)
        view = self.view
        view.plot.getViewBox().sigXRangeChanged.connect(self._show_range)
        view.drawn.connect(self.drawn)
        view.failed.connect(self.failed)
        view.clicked.connect(self._on_click)
        view.stretch_selected.connect(self._on_stretch)
        view.cursor_moved.connect(self._on_cursor)
        view.menu_requested.connect(self.stretch_menu_requested)
        view.lanes_changed.connect(self._show_lanes)
        view.plot.installEventFilter(self)
        self.overview.went_to.connect(self.go_to_time)
        self.overview.range_chosen.connect(view.show_range)
        self.steps.epoch_clicked.connect(labelling.go_to)
        self.steps.epochs_selected.connect(labelling.select_epochs)
        self.steps.painted.connect(self._on_painted)
        self.steps.menu_requested.connect(self.epoch_menu_requested)
        self.agreement.epoch_clicked.connect(labelling.go_to)
        events = self.events
        events.event_selected.connect(labelling.select_event)
        events.event_moved.connect(labelling.move_event)
        events.event_menu_requested.connect(self.event_menu_requested)
        events.event_edit_requested.connect(self.event_menu_requested)
        self.page_choice.activated.connect(self._on_page_chosen)
        self.spectrogram.failed.connect(self.failed)
        predicting = self._predicting
        predicting.windows_changed.connect(self._show_windows)
        predicting.view_changed.connect(self._show_predictions)
        predicting.runs_changed.connect(self._show_runs)
        predicting.run_changed.connect(self._show_runs)
        self.run_choice.activated.connect(self._on_run_chosen)
        self.threshold.valueChanged.connect(self._on_threshold)
        self.switches.kept_changed.connect(predicting.set_kept)
        self.subsets.subset_chosen.connect(predicting.set_kept)
        for lane in (self.strip, self.subsets, self.shares):
            lane.went_to.connect(self.go_to_time)
        for lane in (self.strip, self.subsets, self.shares):
            lane.hovered.connect(self.read_out)
        self.strip.menu_requested.connect(self.window_menu_requested)
        self._show_runs()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """The lanes below leave out what the traces' scroll bar takes: one clock for all."""
        if watched is self.view.plot and event.type() == QEvent.Type.Resize:
            for lane in self._lanes:
                lane.setContentsMargins(0, 0, self.view.width() - self.view.plot.width(), 0)
        return False

    # -- the recording

    def show_recording(self) -> None:
        """Show what the session holds now."""
        shown = self._session.shown
        if shown is None:
            self._clear()
            return
        self._is_laying_out = True
        recording = shown.recording
        self.problem.setText(shown.problem)
        self.problem.setVisible(bool(shown.problem))
        self._drawing.setVisible(recording is not None or shown.predictions is not None)
        self.overview.setVisible(recording is not None)
        self.view.setVisible(recording is not None)
        cache = self._session.study.folder / "cache" if self._session.study is not None else None
        if self._session.study is not None and self._session.study.read_only:
            cache = None
        self.view.set_recording(recording, shown.montage, cache)
        if self._predicting.view is None:  # else it is shown already
            self._show_predictions()
        duration = self._duration(shown)
        self.view.set_duration(duration)
        for part in (self.overview, self.events, *self._lanes):
            part.set_duration(duration)
        self._show_clock()
        if recording is not None:
            self.overview.set_gaps(
                [
                    (source.offset_s + gap.start_s, source.offset_s + gap.start_s + gap.duration_s)
                    for source in recording.sources
                    for gap in source.file.gaps
                ]
            )
        self._take_montage()
        self._show_scheme()
        self._show_labels()
        self._show_first_page(shown, duration)
        self._lay_strips()
        self._is_laying_out = False

    def _show_clock(self) -> None:
        """The overview has the same kind of time as the traces."""
        shown = self._session.shown
        recording = shown.recording if shown is not None else None
        clock = self._time_mode == "clock" and recording is not None and recording.has_clock
        if clock and recording is not None:
            self.overview.set_clock_start(recording.start_s, recording.sources[0].time_zone)
        else:
            self.overview.set_clock_start(None)

    def _clear(self) -> None:
        self.problem.clear()
        self.problem.hide()
        self.view.set_recording(None)
        self._show_predictions()
        self.spectrogram.set_channels(())
        self.where.clear()

    def _duration(self, shown: Shown) -> float:
        table = shown.predictions
        last = float(table.end_s.max()) if table is not None and len(table) else 0.0
        return max(shown.recording.duration_s if shown.recording is not None else 0.0, last)

    def _show_first_page(self, shown: Shown, duration: float) -> None:
        if shown.recording is None:
            self.view.show_range(0.0, duration)
            return
        table, scheme = shown.predictions, self._labelling.scheme
        span = SECONDS_AT_FIRST
        if scheme is not None:
            span = scheme.page_s or max(SECONDS_AT_FIRST, scheme.epoch_s)
        elif table is not None and len(table) > 1:
            span = max(span, WINDOWS_AT_FIRST * float(table.start_s[1] - table.start_s[0]))
        self._page_s = span
        start = self._labelling.epoch_span_s[0] if scheme is not None else 0.0
        self.view.show_range(start, start + span)
        self._show_where()

    def _take_montage(self) -> None:
        shown = self._session.shown
        if shown is None or shown.recording is None or shown.montage is None:
            self.spectrogram.set_channels(())
            return
        if self.view.montage != shown.montage:
            self.view.set_montage(shown.montage)
        channels = display_channels(shown.montage, shown.recording)
        self.spectrogram.set_channels([c for c in channels if not c.absent])
        self._show_lanes()

    def _show_lanes(self) -> None:
        lanes = self.view.lanes
        self.events.set_lanes(lanes)
        least = LEAST_LANE_PX * len(lanes) + AXIS_PX
        self.view.setMinimumHeight(min(max(least, LEAST_TRACES_PX[0]), LEAST_TRACES_PX[1]))

    # -- labels

    def _show_scheme(self) -> None:
        scheme = self._labelling.scheme
        labelled = scheme is not None
        self.steps.setVisible(labelled)
        self.epochs.setVisible(labelled)
        self.events.setVisible(labelled)
        editable = not self._labelling.why_locked
        self.steps.set_editable(editable)
        self.events.set_editable(editable)
        self.view.set_guides(scheme.guide_uv if scheme is not None else None)
        self._lay_strips()
        if not labelled:
            self.overview.set_cursor(None)
        self._show_labels()
        self._show_others()
        self._show_cursor()

    def _scheme_and_grid(self) -> tuple[LabelScheme, EpochGrid | None]:
        scheme = self._labelling.scheme
        if scheme is None:
            return LabelScheme((), _NO_SCHEME_EPOCH_S), None
        return scheme, self._labelling.grid

    def _show_labels(self) -> None:
        scheme, grid = self._scheme_and_grid()
        labels: RecordingLabels = self._labelling.labels
        self.overview.set_labels(labels, scheme, grid)
        self.steps.set_labels(labels, scheme, grid)
        self.epochs.set_labels(labels, scheme, grid)
        self.events.set_labels(labels, scheme, grid)
        self.view.set_absent_stretches(self._labelling.absent_stretches())
        if self._labelling.others:
            self._show_others()

    def _show_others(self) -> None:
        others = self._labelling.others
        self.agreement.setVisible(bool(others) and self._labelling.scheme is not None)
        if not others or self._labelling.journal is None:
            return
        scheme, grid = self._scheme_and_grid()
        rows = [(self._labelling.journal.rater.name, self._labelling.labels), *others.items()]
        self.agreement.set_raters(rows, scheme, grid, self._labelling.disagreements())

    def _show_event(self) -> None:
        event = self._labelling.event
        self.events.set_selected(event.id if event is not None else 0)

    def _show_selection(self) -> None:
        selection = self._labelling.selection
        if selection is None:
            self.view.set_selection(0.0, None)
            self.steps.set_selection(None)
        else:
            grid = self._labelling.grid
            self.steps.set_selection((grid.at(selection.start_ns), grid.at(selection.end_ns - 1)))
            self.view.set_selection(
                to_s(selection.start_ns), to_s(selection.end_ns), selection.modality
            )

    # -- predictions

    def _show_runs(self) -> None:
        """The runs that have predictions, and which of them is looked at."""
        predicting = self._predicting
        self.run_choice.clear()
        self.run_choice.addItem(self.tr("none"), "")
        for run in predicting.runs:
            if run.has_windows:
                self.run_choice.addItem(run.title, run.name)
        chosen = predicting.run.name if predicting.run is not None else ""
        self.run_choice.setCurrentIndex(max(self.run_choice.findData(chosen), 0))
        there = self.run_choice.count() > 1 and not predicting.is_hidden
        self._predictions_head.setVisible(there)

    def _on_run_chosen(self) -> None:
        self._predicting.choose(self.run_choice.currentData())
        self.view.plot.setFocus()  # keys are labels again

    def _on_threshold(self, percent: int) -> None:
        self._predicting.set_threshold(percent / 100)

    def _colours(self) -> dict[str, str]:
        """Of the classes, as the label scheme has them."""
        scheme = self._labelling.scheme
        return {entry.name: entry.colour for entry in scheme.states} if scheme is not None else {}

    def _show_windows(self) -> None:
        """Other windows: what does not depend on switches is drawn once."""
        windows = self._predicting.windows
        self.subsets.set_windows(windows, self._colours())
        self.shares.set_windows(windows)
        if windows is not None:
            shares = dict(zip(windows.modalities, windows.present.mean(axis=0), strict=True))
            self.switches.set_modalities(windows.modalities, shares)
        self._lay_lanes()

    def _show_predictions(self) -> None:
        shown, view = self._session.shown, self._predicting.view
        if view is None and shown is not None and shown.predictions is not None:
            self.strip.set_predictions(shown.predictions, shown.classes)
        else:
            self.strip.set_rows([row for row in ROWS if row != "label" or not self._has_steps])
            self.strip.set_view(view, self._colours())
        self.switches.set_kept(self._predicting.kept)
        self.switches.set_figures(self._predicting.figures)
        self.subsets.set_kept(self._predicting.kept)
        self.shares.set_kept(self._predicting.kept)
        self._lay_lanes()

    @property
    def _has_steps(self) -> bool:
        """Whether the labels stand right above the predictions, and not among them."""
        return self._labelling.scheme is not None and bool(self._labelling.labels.states)

    def _lay_lanes(self) -> None:
        shown, view = self._session.shown, self._predicting.view
        table = shown.predictions if shown is not None else None
        self.strip.setVisible(view is not None or table is not None)
        self.switches.setVisible(view is not None)
        self.subsets.setVisible(view is not None and self._wants_subsets)
        self.shares.setVisible(view is not None and self._wants_shares)

    def show_subsets(self, on: bool) -> None:
        """Show windows × subsets of the modalities below the predictions."""
        self._wants_subsets = on
        self._lay_lanes()

    def show_shares(self, on: bool) -> None:
        """Show what each modality adds to each window."""
        self._wants_shares = on
        self._lay_lanes()

    # -- where

    @property
    def middle_s(self) -> float:
        """The time in the middle of what is visible."""
        low, high = self.view.range_s
        return (low + high) / 2

    def go_to_window(self, start_s: float, end_s: float) -> None:
        """Put the cursor on a window, and show it. Of a window of several epochs all are selected,
        so that a key labels the window."""
        labelling = self._labelling
        if labelling.scheme is not None:
            grid = labelling.grid
            epochs = epochs_within(grid, [(start_s, end_s)]) if grid.epochs else []
            labelling.go_to_time((start_s + end_s) / 2)
            several = len(epochs) > 1
            labelling.select(
                Selection(grid.span(epochs[0])[0], grid.span(epochs[-1])[1]) if several else None
            )
        low, high = self.view.range_s
        if not (low <= start_s and end_s <= high):
            self.go_to_time((start_s + end_s) / 2)

    def _show_cursor(self) -> None:
        if self._labelling.scheme is None or not self._labelling.grid.epochs:
            return
        span = self._labelling.epoch_span_s
        self.overview.set_cursor(span)
        self.steps.set_cursor(self._labelling.epoch)
        self.epochs.set_cursor(self._labelling.epoch)
        self.agreement.set_cursor(self._labelling.epoch)
        self.view.set_time_cursor(self._labelling.time_s)
        self._show_where()

    def _follow_cursor(self) -> None:
        """Keep the epoch of the cursor on the screen, page by page."""
        self._show_cursor()
        if self._labelling.scheme is None or self._session.shown is None:
            return
        low, high = self.view.range_s
        span = high - low
        start, end = self._labelling.epoch_span_s
        slack = 1e-6 * span
        if low - slack <= start and end <= high + slack:
            return
        if end - start > span + slack:
            # Zoomed into an epoch: its start, or the time cursor, is what matters.
            time = self._labelling.time_s
            if not low <= time < high:
                self.view.show_range(time, time + span)
            return
        # Pages stay where they are on the clock, whichever way one comes.
        offset = to_s(self._labelling.grid.offset_ns)
        page = offset + (start - offset) // span * span
        if end > page + span + slack:
            page = start
        self.view.show_range(page, page + span)

    def _bring_cursor(self) -> None:
        """Take the cursor along to another page: keys label the epoch that it is on, and nobody
        must label what is not on the screen."""
        labelling, grid = self._labelling, self._labelling.grid
        if self._is_laying_out or labelling.journal is None or not grid.epochs:
            return
        low, high = self.view.range_s
        start, end = labelling.epoch_span_s
        slack = 1e-6 * (high - low)
        if start < high - slack and end > low + slack:
            return
        epoch = grid.at(to_ns(low + slack))
        if to_s(grid.span(epoch)[0]) < low - slack and to_s(grid.span(epoch + 1)[1]) <= high:
            epoch += 1  # the first that begins on this page
        selection = labelling.selection
        if selection is not None and not (
            selection.start_ns < to_ns(high) and selection.end_ns > to_ns(low)
        ):
            labelling.select(None)
        labelling.go_to_time(max(to_s(grid.span(epoch)[0]), low))

    def _show_range(self) -> None:
        self._bring_cursor()
        low, high = self.view.range_s
        self.overview.set_range(low, high)
        span = high - low
        near = [k for k, page in enumerate(PAGES_S) if abs(page - span) < 1e-3 * page]
        self.page_choice.setCurrentIndex(near[0] if near else -1)
        self.page_choice.setPlaceholderText(duration_text(span))
        self._show_where()

    def _show_where(self) -> None:
        shown = self._session.shown
        if shown is None:
            self.where.clear()
            return
        low, high = self.view.range_s
        parts = [f"{clock_text(low)} – {clock_text(high)}"]
        clock = self.view.plot.getAxis("bottom").clock_text(low)
        if clock:
            parts.append(clock)
        grid = self._labelling.grid
        if self._labelling.scheme is not None and grid.epochs:
            parts.append(
                self.tr("epoch {n} of {all}").format(n=self._labelling.epoch + 1, all=grid.epochs)
            )
            parts.append(self._labelling.state_here() or self.tr("unlabelled"))
        self.where.setText("  ·  ".join(parts))

    def show_page(self) -> None:
        """One page, where the cursor is."""
        start = self._labelling.epoch_span_s[0] if self._labelling.scheme is not None else None
        low = self.view.range_s[0] if start is None else start
        self.view.show_range(low, low + self._page_s)

    def _on_page_chosen(self) -> None:
        self._page_s = float(self.page_choice.currentData())
        self.show_page()

    def set_whole_strip(self, whole: bool) -> None:
        """Show ordered classes of the whole recording below the traces, whatever these show."""
        self._whole_strip = whole
        self._lay_strips()

    def _lay_strips(self) -> None:
        scheme = self._labelling.scheme
        whole = self._whole_strip and scheme is not None and scheme.ordered
        for strip in (self.steps, self.agreement):
            if whole:
                strip.plot.setXLink(None)
                strip.plot.setXRange(0.0, self.view.duration_s, padding=0)
            else:
                strip.link_to(self.view.plot)

    def set_time_mode(self, mode: str) -> None:
        """Show `elapsed` or `clock` time on the axis."""
        self.view.set_time_mode(mode)
        self._time_mode = mode
        self._show_clock()

    # -- what the user does in the views

    def _on_click(self, time_s: float, modality: str) -> None:
        del modality
        self._labelling.select(None)
        self._labelling.select_event(0)
        self._labelling.go_to_time(time_s)

    def _on_stretch(self, start_s: float, end_s: float, modality: str) -> None:
        self._labelling.go_to_time(start_s)
        self._labelling.select(Selection(to_ns(start_s), to_ns(end_s), modality))

    def _on_painted(self, first: int, last: int, class_name: object) -> None:
        self._labelling.paint(first, last, str(class_name) if class_name else None)

    def go_to_time(self, time_s: float) -> None:
        """Show a time in the middle, and put the cursor there."""
        low, high = self.view.range_s
        span = high - low
        self.view.show_range(time_s - span / 2, time_s + span / 2)
        if self._labelling.scheme is not None:
            self._labelling.go_to_time(time_s)

    def _on_cursor(self, reading: object) -> None:
        self.read_out.emit(reading.text if reading is not None else "")

    def shut_down(self) -> None:
        """End background work; returns when it has ended."""
        self.view.shut_down()
        self.spectrogram.shut_down()


def duration_text(seconds: float) -> str:
    """`30 s`, `5 min`, `1 h`."""
    if seconds >= 3600:
        return f"{seconds / 3600:.3g} h"
    if seconds >= 60:
        return f"{seconds / 60:.3g} min"
    return f"{seconds:.3g} s"
