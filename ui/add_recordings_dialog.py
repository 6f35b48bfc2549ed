"""Adding recordings to a study that is there: files, patterns and labels as in the new-study
window, with what the study has already told apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QApplication,
    QCheckBox,
    QHBoxLayout,
    QPushButton,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from core.config import LabelsConfig, RecordingsConfig
from core.errors import ConfigError, CrosslError
from core.label_scheme import LabelScheme
from core.progress import Progress, RunContext
from core.study import StudyRecording, StudySettings
from core.study_addition import (
    Addition,
    AdditionPlan,
    Candidate,
    compare_with,
    open_addition,
    reading_settings,
    root_of_patterns,
    with_reading_settings,
)
from core.study_plan import (
    RecordingRow,
    RecordingsPreview,
    leaving_out,
    make_recordings,
    preview_recordings,
    with_scheme_classes,
)
from ui.dialog_parts import FileDialogBase, Paragraph, keyed
from ui.dropping import take_files, welcome_files
from ui.messages import show_error
from ui.wizard_draft import StudyDraft
from ui.wizard_labels import LabelsPage
from ui.wizard_page import SEEN_BOXES, WizardPage, Words, describe
from ui.wizard_recordings import RecordingsPage


@dataclass(frozen=True)
class AdditionPreview(RecordingsPreview):
    """What patterns find, beside what the study has: `found` are those that can be added."""

    candidates: tuple[Candidate, ...] = ()

    def is_there(self, id: str) -> bool:
        """Whether the study has the recording already."""
        return any(one.found.id == id and one.state == "there" for one in self.candidates)

    @property
    def there(self) -> int:
        return sum(one.state == "there" for one in self.candidates)


class AdditionDraft(StudyDraft):
    """A draft of which only recordings and their labels are open: the study says the rest."""

    def __init__(
        self,
        folder: Path,
        settings: StudySettings,
        scheme: LabelScheme,
        known: Sequence[StudyRecording],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self.name, self.folder = settings.name, folder
        self.scheme, self._scheme_said = scheme, True
        self._labels_said = True  # none, until the user says otherwise
        self._known = tuple(known)
        self._reading = reading_settings(known)
        values = settings.recordings
        self._shared = {key: values[key] for key in ("join", "key_map") if key in values}
        self.preview: RecordingsPreview = AdditionPreview()
        sources = values.get("sources") or []
        if any(source.get("pattern") for source in sources):
            config = make_recordings({**values, "listed": None, "exclude": []})
            root = root_of_patterns(folder, config.sources, known)
            if root is not None:
                self.root, self.recordings = root, config
                self._patterns_said = True
                self.recordings_reason = self.tr(
                    "The study's own patterns; files that came since they were last looked for "
                    "are listed first."
                )

    def start(self) -> None:
        """Look for what the study's own patterns find now."""
        self._preview()

    @property
    def new(self) -> int:
        """How many recordings can be added."""
        return len(self.preview.found)

    @property
    def there(self) -> int:
        """How many recordings that were found are in the study already."""
        return self.preview.there if isinstance(self.preview, AdditionPreview) else 0

    def _take_pattern(self, found: Any) -> None:
        if self.recordings is None:  # the guess is new: what the study says of files goes for it
            config = with_reading_settings(found.recordings, self._reading)
            found = replace(found, recordings=config.model_copy(update=self._shared))
        super()._take_pattern(found)

    def clear_recordings(self) -> None:
        super().clear_recordings()
        self.preview = AdditionPreview()
        self.recordings_changed.emit()

    def take_recording(self, id: str, taken: bool) -> None:
        preview = self.preview
        if self.recordings is None or not isinstance(preview, AdditionPreview):
            return
        if preview.is_there(id):
            self.recordings_changed.emit()  # the tick goes off again
            return
        rows = tuple(replace(row, taken=taken) if row.id == id else row for row in preview.rows)
        self.preview = replace(preview, rows=rows)
        left = [row.id for row in rows if not row.taken and not preview.is_there(row.id)]
        self.recordings = leaving_out(self.recordings, left)
        self._typing.start()
        self.recordings_changed.emit()

    def _preview(self) -> None:
        self._typing.stop()
        if self.recordings is not None:
            self._run(
                "preview",
                partial(
                    _look_for, self.recordings, self.root, self.labels, self.folder, self._known
                ),
            )

    def why_no_recordings(self) -> str:
        preview = self.preview
        settled = self.recordings is not None and not self.recordings_problem
        if settled and not self.is_busy("pattern", "plan", "preview") and not preview.problem:
            out = [row for row in preview.rows if not row.taken]
            if preview.rows and len(out) == len(preview.rows) == self.there:
                return self.tr(
                    "The study has all of these recordings already. Add files or a folder, drop "
                    "them here, or change the pattern."
                )
        return super().why_no_recordings()

    def _take_guess(self, guess: Any) -> None:
        super()._take_guess(guess)
        if self.labels is None and guess.labels.labels is not None:
            self.labels_reason = self.tr("There seem to be labels: {reason}").format(
                reason=guess.labels.reason
            )
            self.labels_changed.emit()

    def addition_plan(self, copy_recordings: bool) -> AdditionPlan:
        """What is to be added. Raises ConfigError in words where something is missing."""
        preview = self.preview
        if problem := self.why_no_recordings():
            raise ConfigError(problem)
        assert self.recordings is not None
        assert self.scheme is not None
        assert isinstance(preview, AdditionPreview)
        labels = self.labels
        if labels is not None:
            labels = with_scheme_classes(labels, self.scheme)
        left = {row.id for row in preview.rows if not row.taken}
        candidates = tuple(
            one for one in preview.candidates if one.state == "there" or one.found.id not in left
        )
        return AdditionPlan(
            self.folder,
            self.recordings,
            self.root,
            candidates,
            labels,
            self.rater,
            copy_recordings,
        )


class FoundPage(RecordingsPage):
    """The page of the new-study window, which counts what was found beside what is added."""

    def _count_text(self) -> str:
        draft = self.draft
        if draft.recordings is None:
            return ""
        if draft.recordings_problem or draft.preview.problem:
            return self.tr("No recordings.")
        number = len(draft.preview.rows)
        if number == 1:
            text = self.tr("1 recording was found.")
        else:
            text = self.tr("{n} recordings were found, the new ones first.").format(n=number)
        if draft.passed_over:
            names = ", ".join(dict.fromkeys(path.name for path in draft.passed_over[:3]))
            more = "…" if len(draft.passed_over) > 3 else ""
            passed = self.tr("Passed over: {n} ({names}).")
            text += " " + passed.format(n=len(draft.passed_over), names=names + more)
        return text


class AddRecordingsDialog(FileDialogBase):
    """Asks for further recordings, opens them in the background, and hands them over.

    The study itself is not touched here. After `addition_ready` the dialog stays, until whoever
    keeps the addition (`core.study_addition.keep_addition`, or `keep_recording` for one after the
    other, with `show_keeping` in between) calls `accept`, or `keeping_failed`.
    """

    addition_ready = Signal(object)
    """A core.study_addition.Addition, when its recordings are open and its files copied."""

    def __init__(
        self,
        study_folder: Path,
        settings: StudySettings,
        scheme: LabelScheme,
        recordings: Sequence[StudyRecording],
        parent: QWidget | None = None,
    ) -> None:
        """`recordings`: those that the study has."""
        super().__init__("", {}, parent)
        self.setWindowTitle(self.tr("Add recordings"))
        self.setAcceptDrops(True)
        self.resize(940, 660)
        self.draft = AdditionDraft(study_folder, settings, scheme, recordings, self)
        self._keeping = False
        self._refusal = ""  # why the last try failed
        self.recordings_page = FoundPage(self.draft)
        self.recordings_page.table.setStyleSheet(SEEN_BOXES)
        self.labels_page = LabelsPage(self.draft)
        self._fix_study_wide_settings()
        self.tabs = QTabWidget()
        self.tabs.setDocumentMode(True)
        describe(self.tabs.tabBar(), self.tr("Pages"),
                 self.tr("Ctrl+Tab goes to the next page"))  # fmt: skip
        for page, explanation in (
            (self.recordings_page, self.recordings_page.explanation),
            (
                self.labels_page,
                self.tr(
                    "Labels of these recordings that exist already can be brought in; files stay "
                    "as they are, and so do all labels of the study."
                ),
            ),
        ):
            self.tabs.addTab(self._page(page, explanation), page.title)
        self.summary = Words()
        self.copy = QCheckBox(self.tr("Copy t&he files into the study's folder"))
        self.copy.setStyleSheet(SEEN_BOXES.replace("QAbstractItemView", "QCheckBox"))
        keyed(self.copy, self.tr("The study then holds all it needs; without, it refers to them"))
        self.go = QPushButton(self.tr("Add to the study"))
        describe(self.go, self.tr("Add to the study"),
                 self.tr("Open these recordings and add them (Ctrl+Enter)"))  # fmt: skip
        self.cancel = QPushButton(self.tr("Cancel"))
        describe(self.cancel, self.tr("Cancel"), self.tr("Leave without adding anything (Esc)"))
        self._lay_out()

        draft = self.draft
        for signal in (draft.recordings_changed, draft.labels_changed, draft.scheme_changed):
            signal.connect(self._on_change)
        for signal in (draft.guessed, draft.busy_changed, self.work.busy_changed):
            signal.connect(self._show_state)
        draft.recordings_changed.connect(self._look_into)
        draft.progressed.connect(self._show_progress)
        draft.failed.connect(self._show_bug)
        self.tabs.currentChanged.connect(self._look_into)
        self.go.clicked.connect(self.start)
        self.cancel.clicked.connect(self.reject)
        for keys in ("Ctrl+Return", "Ctrl+Enter"):
            QShortcut(QKeySequence(keys), self, self.start)
        self.work.succeeded.connect(self._take_addition)
        self.work.stage_names = {
            "opening recordings": self.tr("Opening recordings"),
        }
        draft.start()
        self._show_state()

    # -- parts

    def _page(self, page: WizardPage, explanation: str) -> QWidget:
        holder = QWidget()
        column = QVBoxLayout(holder)
        column.addWidget(Paragraph(explanation))
        column.addWidget(page, 1)
        return holder

    def _fix_study_wide_settings(self) -> None:
        """What goes for all recordings of the study is not changed with a few of them."""
        join = self.recordings_page.join
        join.setEnabled(False)
        join.setToolTip(self.tr("As for all recordings of the study; see Study → Settings (Alt+S)"))

    def _lay_out(self) -> None:
        options = QHBoxLayout()
        options.addWidget(self.summary, 1)
        options.addWidget(self.copy)
        foot = QHBoxLayout()
        foot.addWidget(self.work, 1)
        foot.addWidget(self.go)
        foot.addWidget(self.cancel)
        column = QVBoxLayout(self)
        column.addWidget(self.tabs, 1)
        column.addLayout(options)
        column.addWidget(self.reason)
        column.addLayout(foot)
        for button in self.findChildren(QPushButton):
            # Enter finishes what is typed, and adds nothing yet.
            button.setAutoDefault(False)

    # -- filling in from outside

    def set_paths(self, paths: Sequence[Path]) -> None:
        """Take in these files and folders, as dropped or opened."""
        self.draft.add_paths(list(paths))

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        welcome_files(event)

    def dropEvent(self, event: QDropEvent) -> None:
        if self.tabs.isEnabled():
            paths = take_files(event)
            if paths:
                self.draft.add_paths(paths)

    # -- showing

    def problem(self) -> str:
        """Why nothing can be added yet, in words."""
        draft = self.draft
        problem = draft.why_no_recordings()
        if not problem and (draft.labels is not None or draft.labels_refusal):
            problem = draft.why_no_labels()
        if not problem and not draft.new:
            problem = self.tr("None of these recordings can be added.")
        return problem

    def _look_into(self) -> None:
        """Labels are offered by what the recordings hold; they are opened when that is wanted."""
        if self.tabs.currentIndex() == 1:
            self.draft.look_into()

    def _on_change(self) -> None:
        self._refusal = ""
        self._show_state()

    def _show_state(self) -> None:
        draft = self.draft
        working = self.work.is_busy or self._keeping
        self.tabs.setEnabled(not working)
        self.copy.setEnabled(not working)
        problem = self.problem()
        busy = draft.is_busy()
        self.go.setEnabled(not working and not busy and not problem)
        if not working:
            # What is only being worked on needs no warning; the line of progress says it.
            self.reason.say("" if busy else self._refusal or problem)
            self.work.show_step(draft.doing, 0, 0)
        self.summary.say(self._summary_text())

    def _summary_text(self) -> str:
        draft = self.draft
        preview = draft.preview
        if draft.recordings is None or draft.recordings_problem or preview.problem:
            return ""
        people = len({one.subject for one in preview.found})
        if draft.new == 1:
            parts = [self.tr("1 recording will be added.")]
        elif people == 1:
            parts = [self.tr("{n} recordings of 1 person will be added.").format(n=draft.new)]
        else:
            text = self.tr("{n} recordings of {m} people will be added.")
            parts = [text.format(n=draft.new, m=people)]
        if draft.there == 1:
            parts.append(self.tr("1 is in the study already."))
        elif draft.there:
            parts.append(self.tr("{n} are in the study already.").format(n=draft.there))
        if preview.problems:
            parts.append(self.tr("{n} cannot be added.").format(n=preview.problems))
        if draft.labels is not None:
            parts.append(
                self.tr("Their labels are brought in under the name “{rater}”.").format(
                    rater=draft.rater
                )
            )
        return " ".join(parts)

    def _show_progress(self, progress: Progress) -> None:
        if progress.stage and not self.work.is_busy and not self._keeping:
            text = progress.stage[0].upper() + progress.stage[1:]
            self.work.show_step(text, progress.done, progress.total)

    def _show_bug(self, error: BaseException) -> None:
        show_error(error, self)

    # -- adding

    def start(self) -> None:
        """Open the recordings, and copy them if that is asked for."""
        self._take_over()
        if self.work.is_busy or self._keeping or self.draft.is_busy() or self.problem():
            return
        try:
            plan = self.draft.addition_plan(self.copy.isChecked())
        except ConfigError as error:
            self.tell(error)
            return
        self._refusal = ""
        self.work.start(partial(open_addition, plan), self.tr("Opening recordings…"))

    def _take_over(self) -> None:
        """What is being typed counts, though its field has not been left yet."""
        focus = QApplication.focusWidget()
        if focus is not None and self.tabs.isAncestorOf(focus):
            self.setFocus()
            focus.setFocus()

    def _take_addition(self, addition: Addition) -> None:
        self._keeping = True
        self._show_state()
        self.show_keeping(0, len(addition.recordings))
        self.addition_ready.emit(addition)

    def show_keeping(self, done: int, total: int) -> None:
        """Show how many of the recordings have been taken in."""
        self.work.show_step(self.tr("Adding to the study…"), done, total)

    def keeping_failed(self, error: BaseException) -> None:
        """The addition could not be kept: say why, and let the user change what is wrong."""
        self._keeping = False
        self._show_state()
        self.tell(error)

    def tell(self, error: BaseException) -> None:
        if isinstance(error, CrosslError):
            self._refusal = str(error)
            self._show_state()
        else:
            show_error(error, self)

    def reject(self) -> None:
        if not self._keeping:
            super().reject()

    def done(self, result: int) -> None:
        self.draft.shut_down()
        super().done(result)


def _look_for(
    config: RecordingsConfig,
    root: Path,
    labels: LabelsConfig | None,
    folder: Path,
    known: tuple[StudyRecording, ...],
    context: RunContext,
) -> AdditionPreview:
    """What the patterns find, the new ones first."""
    preview = preview_recordings(config, root, labels)
    candidates = compare_with(folder, known, preview.found, context)
    states = {one.found.id: one for one in candidates}
    rows = [_row(row, states.get(row.id)) for row in preview.rows]
    order = {"new": 0, "refused": 1, "there": 2}
    rows.sort(key=lambda row: order[states[row.id].state] if row.id in states else 0)
    found = tuple(one.found for one in candidates if one.state == "new")
    return AdditionPreview(tuple(rows), found, preview.problem, candidates)


def _row(row: RecordingRow, candidate: Candidate | None) -> RecordingRow:
    """The row with what the study says of it; None for one that the user left out."""
    if candidate is None:
        return row
    return replace(row, problem=candidate.problem, taken=candidate.state != "there")
