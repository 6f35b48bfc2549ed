"""The window in which a new study is put together: from files to a plan, page by page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QApplication,
    QDialog,
    QFrame,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QMessageBox,
    QProgressBar,
    QPushButton,
    QStackedWidget,
    QStyle,
    QVBoxLayout,
    QWidget,
)

from core.errors import ConfigError
from core.progress import Progress
from ui.dropping import take_files, welcome_files
from ui.messages import show_error
from ui.wizard_channels import ChannelsPage
from ui.wizard_classes import ClassesPage
from ui.wizard_draft import StudyDraft
from ui.wizard_labels import LabelsPage
from ui.wizard_page import WizardPage, Words, describe
from ui.wizard_recordings import RecordingsPage
from ui.wizard_start import StartPage
from ui.wizard_summary import SummaryPage
from ui.wizard_windows import WindowsPage


class NewStudyWizard(QDialog):
    """Asks for everything that a study needs, guesses what it can, and hands over a plan.

    After `plan_ready` the window stays, so that nothing typed is lost: whoever makes the study
    calls `accept` when it is made, `show_creating` in between, and `creation_failed` otherwise.
    """

    plan_ready = Signal(object)
    """A `StudyPlan`, when the user asks for the study to be made."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(self.tr("New study"))
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setAcceptDrops(True)
        self.resize(1000, 680)
        self.draft = StudyDraft(self)
        self._creating = False
        self._leaving: QMessageBox | None = None

        self.start_page = StartPage(self.draft)
        self.recordings_page = RecordingsPage(self.draft)
        self.channels_page = ChannelsPage(self.draft)
        self.labels_page = LabelsPage(self.draft)
        self.classes_page = ClassesPage(self.draft)
        self.windows_page = WindowsPage(self.draft)
        self.summary_page = SummaryPage(self.draft)
        self.pages: tuple[WizardPage, ...] = (
            self.start_page, self.recordings_page, self.channels_page, self.labels_page,
            self.classes_page, self.windows_page, self.summary_page,
        )  # fmt: skip
        self._lay_out()
        self._furthest = 0
        for page in self.pages:
            page.problem_changed.connect(self._show_problem)
        for signal in (
            self.draft.recordings_changed, self.draft.guessed, self.draft.modalities_changed,
            self.draft.labels_changed, self.draft.scheme_changed, self.draft.windows_changed,
            self.draft.busy_changed,
        ):  # fmt: skip
            signal.connect(self._show_problem)
        self.draft.progressed.connect(self._show_progress)
        self.draft.failed.connect(self._show_bug)
        self._go(0)

    # -- parts

    def _lay_out(self) -> None:
        self.steps = QListWidget()
        self.steps.setFrameShape(QFrame.Shape.NoFrame)
        describe(self.steps, self.tr("Steps"), self.tr("Go to a page that was seen before"))
        for number, page in enumerate(self.pages, 1):
            item = QListWidgetItem(f"{number}  {page.title}")
            item.setSizeHint(QSize(0, self.fontMetrics().height() + 10))
            self.steps.addItem(item)
        widest = max(self.fontMetrics().horizontalAdvance(page.title) for page in self.pages)
        self.steps.setFixedWidth(widest + 4 * self.fontMetrics().averageCharWidth() + 16)
        self.steps.currentRowChanged.connect(self._on_step)

        self.title = QLabel()
        font = self.title.font()
        font.setPointSizeF(font.pointSizeF() * 1.3)
        font.setBold(True)
        self.title.setFont(font)
        self.explanation = Words()
        self.stack = QStackedWidget()
        for page in self.pages:
            self.stack.addWidget(page)

        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setFixedWidth(120)
        self.bar.setMaximumHeight(10)
        self.bar.setAccessibleName(self.tr("Progress"))
        self.doing = QLabel()
        self.reason_sign = QLabel()
        side = self.style().pixelMetric(QStyle.PixelMetric.PM_SmallIconSize)
        sign = self.style().standardIcon(QStyle.StandardPixmap.SP_MessageBoxWarning)
        self.reason_sign.setPixmap(sign.pixmap(side, side))
        self.reason = Words()
        self.reason.setAccessibleName(self.tr("Why you cannot go on"))
        self.reason.setMaximumHeight(3 * self.reason.fontMetrics().lineSpacing() + 4)

        self.back = QPushButton(self.tr("Bac&k"))
        self.next = QPushButton(self.tr("Ne&xt"))
        self.create = QPushButton(self.tr("&Create study"))
        self.cancel = QPushButton(self.tr("Cancel"))
        describe(self.back, self.tr("Back"), self.tr("To the page before (Alt+Left)"))
        describe(self.next, self.tr("Next"), self.tr("To the next page (Enter or Alt+Right)"))
        describe(self.create, self.tr("Create study"), self.tr("Make the study (Enter)"))
        describe(self.cancel, self.tr("Cancel"), self.tr("Leave without making a study (Esc)"))
        for button in (self.back, self.cancel):
            button.setAutoDefault(False)
        self.back.clicked.connect(self.go_back)
        self.next.clicked.connect(self.go_on)
        self.create.clicked.connect(self.make_plan)
        self.cancel.clicked.connect(self.reject)
        QShortcut(QKeySequence("Alt+Left"), self, self.go_back)
        QShortcut(QKeySequence("Alt+Right"), self, self.go_on)

        line = QFrame()
        line.setFrameShape(QFrame.Shape.HLine)
        line.setFrameShadow(QFrame.Shadow.Sunken)
        working = QHBoxLayout()
        working.addWidget(self.bar)
        working.addWidget(self.doing, 1)
        why = QHBoxLayout()
        why.addWidget(self.reason_sign, 0, Qt.AlignmentFlag.AlignTop)
        why.addWidget(self.reason, 1)
        buttons = QHBoxLayout()
        buttons.addLayout(working, 1)
        for button in (self.back, self.next, self.create, self.cancel):
            buttons.addWidget(button)
        right = QVBoxLayout()
        right.addWidget(self.title)
        right.addWidget(self.explanation)
        right.addSpacing(4)
        right.addWidget(self.stack, 1)
        right.addLayout(why)
        right.addWidget(line)
        right.addLayout(buttons)
        columns = QHBoxLayout(self)
        columns.addWidget(self.steps)
        columns.addLayout(right, 1)

    # -- filling in from outside

    def set_paths(self, paths: Sequence[Path]) -> None:
        """Start with these files and folders, as dropped or opened."""
        self.draft.add_paths(list(paths))

    def set_run_file(self, path: Path, data_root: Path | None = None) -> None:
        """Start with everything that a run file says."""
        self.draft.load_run_file(path, data_root)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        welcome_files(event)

    def dropEvent(self, event: QDropEvent) -> None:
        paths = take_files(event)
        if paths:
            self.draft.add_paths(paths)
            if self.number == 0 and not self.start_page.problem():
                self._go(1)

    # -- going

    @property
    def number(self) -> int:
        """Place of the page that is shown, from 0."""
        return self.stack.currentIndex()

    @property
    def page(self) -> WizardPage:
        return self.pages[self.number]

    def go_back(self) -> None:
        if self.number > 0 and not self._creating:
            self._go(self.number - 1)

    def go_on(self) -> None:
        self._take_over()
        if self.number < len(self.pages) - 1 and not self._creating and not self.problem():
            self._go(self.number + 1)

    def _go(self, number: int) -> None:
        self._furthest = max(self._furthest, number)
        page = self.pages[number]
        if number >= self.pages.index(self.channels_page):
            self.draft.look_into()  # anew, if other recordings were chosen since
        page.enter()
        self.stack.setCurrentIndex(number)
        self.title.setText(page.title)
        self.explanation.say(page.explanation)
        last = number == len(self.pages) - 1
        self.next.setVisible(not last)
        self.create.setVisible(last)
        self.next.setDefault(not last)
        self.create.setDefault(last)
        self.steps.blockSignals(True)
        self.steps.setCurrentRow(number)
        self.steps.blockSignals(False)
        self._show_problem()
        first = page.nextInFocusChain()
        if isinstance(first, QWidget) and page.isAncestorOf(first):
            page.setFocus()
            page.focusNextChild()

    def _on_step(self, row: int) -> None:
        reachable = row <= self._furthest and not self._creating
        if row > self.number:
            self._take_over()
            reachable &= not any(page.problem() for page in self.pages[self.number : row])
        if row >= 0 and reachable:
            self._go(row)
        else:
            self.steps.blockSignals(True)
            self.steps.setCurrentRow(self.number)
            self.steps.blockSignals(False)

    def _take_over(self) -> None:
        """What is being typed counts, though its field has not been left yet."""
        focus = QApplication.focusWidget()
        if focus is not None and self.page.isAncestorOf(focus):
            self.setFocus()
            focus.setFocus()

    def problem(self) -> str:
        """Why the user cannot go on from the page that is shown; on the last one, because of any
        page."""
        if self.page is not self.summary_page:
            return self.page.problem()
        before = ((page.title, page.problem()) for page in self.pages[:-1])
        told = next((f"{title}: {text}" for title, text in before if text), "")
        return told or self.page.problem()

    # -- showing

    def _show_problem(self) -> None:
        problem = self.problem() if not self._creating else ""
        busy = self.draft.doing
        self.next.setEnabled(not problem and not self._creating)
        self.create.setEnabled(not problem and not self._creating)
        self.back.setEnabled(self.number > 0 and not self._creating)
        # What is only being worked on needs no warning; the line of progress says it.
        shown = bool(problem) and not busy
        self.reason_sign.setVisible(shown)
        self.reason.say(problem if shown else "")
        self.reason.setToolTip(problem if shown else "")
        if not self._creating:
            self.bar.setVisible(bool(busy))
            self.doing.setText(busy)
            if not busy:
                self.bar.setRange(0, 0)
        for row in range(self.steps.count()):
            item = self.steps.item(row)
            here = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable
            item.setFlags(here if row <= self._furthest else Qt.ItemFlag.NoItemFlags)

    def _show_progress(self, progress: Progress) -> None:
        if progress.stage:
            self.bar.setRange(0, progress.total)
            self.bar.setValue(min(progress.done, progress.total))
            text = progress.stage[0].upper() + progress.stage[1:]
            if progress.total:
                text += f" ({progress.done}/{progress.total})"
            self.doing.setText(text)

    def _show_bug(self, error: BaseException) -> None:
        show_error(error, self)

    # -- ending

    def make_plan(self) -> None:
        """Hand the plan over."""
        self._take_over()
        if self._creating or self.problem():
            return
        try:
            plan = self.draft.plan()
        except ConfigError as error:
            show_error(error, self)
            return
        self._creating = True
        self._show_problem()
        self.show_creating(Progress(self.tr("making the study")))
        self.plan_ready.emit(plan)

    def show_creating(self, progress: Progress) -> None:
        """Show how far the making of the study is."""
        if self._creating:
            self.bar.setVisible(True)
            self._show_progress(progress)

    def creation_failed(self, error: BaseException) -> None:
        """The study could not be made: say why, and let the user change what is wrong."""
        self._creating = False
        self._show_problem()
        show_error(error, self)

    def reject(self) -> None:
        if self._creating or self.draft.recordings is None or self._leaving is not None:
            super().reject()
            return
        box = QMessageBox(
            QMessageBox.Icon.Question,
            self.tr("New study"),
            self.tr("Leave without making the study? What you have filled in will be lost."),
            parent=self,
        )
        leave = box.addButton(self.tr("&Leave"), QMessageBox.ButtonRole.AcceptRole)
        stay = box.addButton(self.tr("&Stay"), QMessageBox.ButtonRole.RejectRole)
        box.setDefaultButton(stay)
        box.setEscapeButton(stay)
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        leave.clicked.connect(self._leave)
        box.finished.connect(self._stay)
        self._leaving = box
        box.open()

    def _leave(self) -> None:
        self._leaving = None
        super().reject()

    def _stay(self) -> None:
        self._leaving = None

    def done(self, result: int) -> None:
        self.draft.shut_down()
        super().done(result)
