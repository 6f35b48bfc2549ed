"""What a study is learnt from, and how it is labelled together: everything that a run file says
beside recordings and labels, changed in one place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QApplication,
    QCheckBox,
    QComboBox,
    QDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QPushButton,
    QStyle,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from core.config import RecordingsConfig, WindowsConfig, dump_config
from core.errors import ConfigError, CrosslError, DataError
from core.guess_channels import ModalitiesChoice, channel_table, fit_modalities, guess_modalities
from core.guess_study import StudyGuess
from core.label_scheme import LabelScheme
from core.look_into import LOOK_INTO, open_some
from core.progress import Progress, RunContext
from core.study import StudyRecording, StudySettings, found_recording
from core.study_settings import (
    check_engine,
    modality_names,
    recordings_of_settings,
)
from ui.dialog_parts import Paragraph, WorkRow
from ui.messages import show_error
from ui.study_settings_engine import EnginePage
from ui.study_settings_tables import GridPage, LeftOutPage
from ui.wizard_channels import ChannelsPage
from ui.wizard_draft import StudyDraft
from ui.wizard_page import SEEN_BOXES, ScrollPart, add_row, choose, describe
from ui.wizard_recordings import key_map_of
from ui.wizard_windows import WindowsPage


class SettingsDraft(StudyDraft):
    """A draft of which only modalities and windows are open; it looks into the study's own
    recordings."""

    def __init__(
        self,
        settings: StudySettings,
        scheme: LabelScheme,
        folder: Path,
        recordings: Sequence[StudyRecording],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self.name, self.folder = settings.name, folder
        self.scheme, self._scheme_said = scheme, True
        self._labels_said = True
        self._own = tuple(recordings)
        self._settings = recordings_of_settings(settings.recordings)
        try:
            config = check_engine(settings.engine)
        except ConfigError:  # of a newer version; the page of the engine says what is wrong
            config = check_engine({})
        self.windows, self._windows_said = config.windows, True
        chosen = config.modalities
        self._modalities_said = chosen != "auto"
        if self._modalities_said:
            self.modalities = chosen if isinstance(chosen, str) else tuple(chosen)
        self._before = (self._modalities_said, self.modalities, self.windows)

    @property
    def modalities_changed_by_user(self) -> bool:
        """Whether the modalities are others than the study's."""
        said, modalities, _ = self._before
        if not self._modalities_said:
            return said  # what is guessed takes the place of what was said
        return not said or _as_choice(self.modalities) != modalities

    @property
    def windows_changed_by_user(self) -> bool:
        """Whether the windows are others than the study's."""
        return self.windows != self._before[2]

    def look_into(self, most: int | None = LOOK_INTO, again: bool = False) -> None:
        if self._looked_at == (most,) and not again:
            return
        self._looked_at = (most,)
        self.guess = None
        self._jobs["fit"].drop()
        self._run("guess", partial(_look_into, self.folder, self._own, self._settings, most))
        self.guessed.emit()


def _as_choice(modalities: ModalitiesChoice | None) -> ModalitiesChoice | None:
    if modalities is None or isinstance(modalities, str):
        return modalities
    return tuple(modalities)


def _look_into(
    folder: Path,
    recordings: Sequence[StudyRecording],
    config: RecordingsConfig,
    most: int | None,
    context: RunContext,
) -> StudyGuess:
    """Open some of the study's recordings and guess their modalities; labels are not read."""
    opened = open_some([found_recording(folder, one) for one in recordings], config, context, most)
    if not opened.opened:
        reason = opened.failed[0][1] if opened.failed else "There is none yet."
        return StudyGuess(opened, problem=f"No recording can be opened. {reason}")
    channels = channel_table(opened.recordings)
    try:
        guess = guess_modalities(opened.recordings)
        fit = fit_modalities(guess.modalities, opened.recordings)
    except DataError as error:
        return StudyGuess(opened, channels, problem=str(error))
    return StudyGuess(opened, channels, guess, fit)


class GeneralPage(QWidget):
    """Name and notes of a study, who sees what, and how its recordings were put together."""

    changed = Signal()

    def __init__(
        self,
        settings: StudySettings,
        recordings: Sequence[StudyRecording],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._before = recordings_of_settings(settings.recordings)
        self.name = QLineEdit(settings.name)
        self.notes = QPlainTextEdit(settings.notes)
        self.notes.setTabChangesFocus(True)
        self.notes.setMaximumHeight(140)
        self.blinded = QCheckBox(self.tr("Raters do not see each othe&r's labels, nor predictions"))
        self.blinded.setStyleSheet(SEEN_BOXES.replace("QAbstractItemView", "QCheckBox"))
        self.blinded.setChecked(settings.blinded)
        describe(
            self.blinded,
            self.tr("Blinded"),
            self.tr("Strips of other raters and of the model stay hidden (Alt+R)"),
        )
        self.join = QComboBox()
        self.join.addItem(self.tr("From the latest start to the earliest end"), "overlap")
        self.join.addItem(self.tr("From the earliest start to the latest end"), "union")
        choose(self.join, self._before.join)
        self.join_says = Paragraph()
        self.subject = QLineEdit(self._before.subject)
        self.key_map = QPlainTextEdit(
            "\n".join(f"{name} = {other}" for name, other in self._before.key_map.items())
        )
        self.key_map.setTabChangesFocus(True)
        self.key_map.setMaximumHeight(110)
        self.key_map.setPlaceholderText("2 = S02")
        form = QFormLayout()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(form)
        column.addStretch(1)
        add_row(form, self.tr("&Name"), self.name, self.tr("What the study is called (Alt+N)"))
        add_row(form, self.tr("N&otes"), self.notes, self.tr("Free text for people (Alt+O)"))
        form.addRow("", self.blinded)
        add_row(
            form,
            self.tr("&Several files last"),
            self.join,
            self.tr("How long a recording of several files is (Alt+S)"),
        )
        form.addRow("", self.join_says)
        form.setRowVisible(self.join_says, False)
        add_row(
            form,
            self.tr("S&ubject is"),
            self.subject,
            self.tr("How fields make the subject's name when recordings are added, such as "
                    "{subject} or P{id} (Alt+U)"),
        )  # fmt: skip
        add_row(
            form,
            self.tr("Names in &tables"),
            self.key_map,
            self.tr("Where tables of labels name people otherwise: one line each, name in the "
                    "table = name in the files (Alt+T)"),
        )  # fmt: skip
        several = sum(len(recording.files) > 1 for recording in recordings)
        if several:
            self.join.setEnabled(False)
            form.setRowVisible(self.join_says, True)
            self.join_says.say(
                self.tr(
                    "{n} recordings have several files. This decides where their time starts, and "
                    "with it where their labels lie, so it cannot be changed while they are here."
                ).format(n=several)
            )
        for signal in (
            self.name.textChanged, self.notes.textChanged, self.blinded.toggled,
            self.join.activated, self.subject.textChanged, self.key_map.textChanged,
        ):  # fmt: skip
            signal.connect(self.changed)

    def set_read_only(self) -> None:
        """Show the fields, and let nothing be changed."""
        for line in (self.name, self.notes, self.subject, self.key_map):
            line.setReadOnly(True)
        for other in (self.blinded, self.join):
            other.setEnabled(False)

    def recordings(self) -> dict[str, Any]:
        """What was changed of how recordings are put together."""
        said = {
            "join": self.join.currentData(),
            "subject": self.subject.text().strip() or "{subject}",
            "key_map": key_map_of(self.key_map.toPlainText()),
        }
        return {key: value for key, value in said.items() if getattr(self._before, key) != value}

    def problem(self) -> str:
        """What is wrong with what was typed, in words."""
        if not self.name.text().strip():
            return self.tr("Give the study a name.")
        for number, line in enumerate(self.key_map.toPlainText().splitlines(), 1):
            if line.strip() and not key_map_of(line):
                return self.tr(
                    "Names in tables, line {n}: write it as name in the table = name in the files."
                ).format(n=number)
        return ""


class StudyWindowsPage(WindowsPage):
    """The page of the new-study window; what the study has already is no mistake there."""

    def problem(self) -> str:
        draft = self.draft
        changed = isinstance(draft, SettingsDraft) and draft.windows_changed_by_user
        return super().problem() if changed or self._problem else ""


class StudySettingsDialog(QDialog):
    """Takes a study's settings and gives back others; it writes nothing.

    Recordings are opened in the background when the page of channels is looked at.
    """

    settings_accepted = Signal(object)
    """The StudySettings, where any of them are others now."""
    grid_offsets_accepted = Signal(object)
    """A dict from ids of recordings to the nanosecond at which their first epoch starts, of those
    that were changed."""

    def __init__(
        self,
        settings: StudySettings,
        scheme: LabelScheme,
        study_folder: Path,
        recordings: Sequence[StudyRecording],
        *,
        read_only: str = "",
        signed_off: Mapping[int, str] | None = None,
        marked: Sequence[str] = (),
        parent: QWidget | None = None,
    ) -> None:
        """`read_only`: why nothing can be changed; empty where it can. `signed_off`: who signed a
        recording off, by its id. `marked`: modalities that events are about, see
        `core.study_settings.modalities_in_labels`."""
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(self.tr("Study settings"))
        self.resize(960, 670)
        self._before = settings
        self._read_only = read_only
        self._marked = tuple(marked)
        self._told = ""  # what a button of a page has to say, until something is changed
        self.draft = SettingsDraft(settings, scheme, study_folder, recordings, self)

        self.general = GeneralPage(settings, recordings)
        self.channels = ChannelsPage(self.draft)
        self.windows = StudyWindowsPage(self.draft)
        self.engine = EnginePage(settings.engine)
        self.left_out = LeftOutPage(recordings_of_settings(settings.recordings).exclude, recordings)
        self.grid = GridPage(recordings, scheme.epoch_s, signed_off or {})
        self.labels_stay = Paragraph()
        self.tabs = QTabWidget()
        self.tabs.setDocumentMode(True)
        describe(self.tabs.tabBar(), self.tr("Pages"),
                 self.tr("Ctrl+Tab goes to the next page"))  # fmt: skip
        for title, parts in (
            (self.tr("General"), (ScrollPart(self.general),)),
            (self.tr("Channels and modalities"), (self.channels, self.labels_stay)),
            (self.tr("Windows"), (Paragraph(self.windows.explanation), self.windows)),
            (self.tr("Engine"), (self.engine,)),
            (self.tr("Left out"), (self.left_out,)),
            (self.tr("Epoch grid"), (self.grid,)),
        ):
            self.tabs.addTab(_page(parts), title)
        self.work = WorkRow({})
        self.reason_sign, self.reason = _reason_row(self)
        self.ok = QPushButton(self.tr("OK"))
        self.cancel = QPushButton(self.tr("Cancel") if not read_only else self.tr("Close"))
        describe(self.ok, self.tr("OK"), self.tr("Keep these settings (Ctrl+Enter)"))
        describe(self.cancel, self.cancel.text(), self.tr("Leave the study as it is (Esc)"))
        self._lay_out()

        draft = self.draft
        for signal in (
            draft.modalities_changed, draft.windows_changed, self.general.changed,
            self.engine.changed, self.left_out.changed, self.grid.changed,
        ):  # fmt: skip
            signal.connect(self._on_change)
        for signal in (draft.guessed, draft.busy_changed, self.channels.problem_changed,
                       self.windows.problem_changed):  # fmt: skip
            signal.connect(self._show_state)
        draft.progressed.connect(self._show_progress)
        draft.failed.connect(self._show_bug)
        self.engine.refused.connect(self._refuse)
        self.tabs.currentChanged.connect(self._on_tab)
        self.ok.clicked.connect(self.accept)
        for keys in ("Ctrl+Return", "Ctrl+Enter"):
            QShortcut(QKeySequence(keys), self, self.accept)
        self.cancel.clicked.connect(self.reject)
        if read_only:
            self._make_read_only()
        self._show_state()

    # -- parts

    def _lay_out(self) -> None:
        why = QHBoxLayout()
        why.addWidget(self.reason_sign, 0, Qt.AlignmentFlag.AlignTop)
        why.addWidget(self.reason, 1)
        foot = QHBoxLayout()
        foot.addWidget(self.work, 1)
        foot.addWidget(self.ok)
        foot.addWidget(self.cancel)
        column = QVBoxLayout(self)
        column.addWidget(self.tabs, 1)
        column.addLayout(why)
        column.addLayout(foot)
        for button in self.findChildren(QPushButton):
            # Enter finishes what is typed, or opens a cell; it does not close the dialog.
            button.setAutoDefault(False)

    def _make_read_only(self) -> None:
        for page in (self.general, self.engine, self.left_out, self.grid):
            page.set_read_only()
        for page in (self.channels, self.windows):
            page.setEnabled(False)
        self.ok.setVisible(False)

    # -- showing

    def _on_tab(self) -> None:
        if self.tabs.currentWidget().isAncestorOf(self.channels):
            self.draft.look_into()

    def _on_change(self) -> None:
        self._told = ""
        self._show_state()

    def _refuse(self, error: Exception) -> None:
        self._told = str(error)
        self._show_state()

    def _show_state(self) -> None:
        draft = self.draft
        names = self._modalities()
        self.left_out.set_modalities(names)
        self.labels_stay.say(self._labels_text(names))
        problem = self._read_only or self._told or self.problem()
        waiting = draft.modalities_changed_by_user and draft.is_busy("fit", "guess")
        self.ok.setEnabled(not self._read_only and not waiting and not self.problem())
        shown = bool(problem) and not waiting
        self.reason_sign.setVisible(shown)
        self.reason.say(problem if shown else "")
        self.work.show_step(draft.doing, 0, 0)

    def _modalities(self) -> tuple[str, ...] | None:
        """Names of the modalities, where they are known."""
        modalities = self.draft.modalities
        return None if modalities is None else modality_names(modalities)

    def _labels_text(self, names: Sequence[str] | None) -> str:
        text = self.tr(
            "Labels stay as they are: modalities say how channels are grouped and drawn, and what "
            "a model learns from."
        )
        gone = [name for name in self._marked if names is not None and name not in names]
        if gone:
            text += " " + self.tr(
                "Events are marked in modalities that are not among these: {names}. They stay, but "
                "say nothing about a signal until there is a modality of that name again."
            ).format(names=", ".join(gone))
        return text

    def _show_progress(self, progress: Progress) -> None:
        if progress.stage and self.draft.is_busy():
            text = progress.stage[0].upper() + progress.stage[1:]
            self.work.show_step(text, progress.done, progress.total)

    def _show_bug(self, error: BaseException) -> None:
        show_error(error, self)

    # -- what was said

    def problem(self) -> str:
        """Why the settings cannot be kept, with the page that can mend it; empty where they can."""
        problems = [
            self.general.problem(),
            self.channels.problem() if self._channels_count() else "",
            self.windows.problem(),
            self.engine.problem(),
            self.left_out.problem(),
            self.grid.problem(),
        ]
        for number, text in enumerate(problems):
            if text:
                return f"{self.tabs.tabText(number)}: {text}"
        return ""

    def _channels_count(self) -> bool:
        """Whether the page of channels can keep the settings from being kept. Recordings that
        cannot be opened do not matter as long as nothing is changed there."""
        return self.draft.modalities_changed_by_user or bool(self.draft.modalities_refusal)

    def settings(self) -> StudySettings:
        """The settings as the pages say them. Raises ConfigError in words."""
        before, draft = self._before, self.draft
        engine = self.engine.said()
        for key, changed, said in (
            ("modalities", draft.modalities_changed_by_user, _dumped(draft.modalities)),
            ("windows", draft.windows_changed_by_user, _dumped(draft.windows)),
        ):
            if changed:
                engine[key] = said
            elif key in before.engine:
                engine[key] = before.engine[key]
        check_engine(engine)
        recordings = {**before.recordings, **self.general.recordings()}
        if self.left_out.is_changed:
            recordings["exclude"] = [dump_config(entry) for entry in self.left_out.said()]
        recordings_of_settings(recordings)
        return replace(
            before,
            name=self.general.name.text().strip(),
            notes=self.general.notes.toPlainText(),
            blinded=self.general.blinded.isChecked(),
            engine=engine,
            recordings=recordings,
        )

    # -- ending

    def accept(self) -> None:
        self._take_over()
        waiting = self.draft.modalities_changed_by_user and self.draft.is_busy("fit", "guess")
        if self._read_only or waiting or self.problem():
            return
        try:
            settings = self.settings()
            offsets = self.grid.said()
        except CrosslError as error:
            self._refuse(error)
            return
        super().accept()
        if settings != self._before:
            self.settings_accepted.emit(settings)
        if offsets:
            self.grid_offsets_accepted.emit(offsets)

    def _take_over(self) -> None:
        """What is being typed counts, though its field has not been left yet."""
        focus = QApplication.focusWidget()
        if focus is not None and self.tabs.isAncestorOf(focus):
            self.setFocus()
            focus.setFocus()

    def done(self, result: int) -> None:
        self.draft.shut_down()
        self.work.shut_down()
        super().done(result)


def _page(parts: Sequence[QWidget]) -> QWidget:
    """A page of the dialog; the part that takes the room is the one that is no paragraph."""
    holder = QWidget()
    column = QVBoxLayout(holder)
    for part in parts:
        column.addWidget(part, 0 if isinstance(part, Paragraph) else 1)
    return holder


def _reason_row(dialog: QDialog) -> tuple[QWidget, Paragraph]:
    sign = QLabel()
    side = dialog.style().pixelMetric(QStyle.PixelMetric.PM_SmallIconSize)
    icon = dialog.style().standardIcon(QStyle.StandardPixmap.SP_MessageBoxWarning)
    sign.setPixmap(icon.pixmap(side, side))
    reason = Paragraph()
    reason.setAccessibleName(dialog.tr("What to look at"))
    return sign, reason


def _dumped(value: ModalitiesChoice | WindowsConfig | None) -> Any:
    """Plain values, as a run file has them."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, WindowsConfig):
        return dump_config(value)
    return [dump_config(modality) for modality in value]
