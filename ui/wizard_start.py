"""First page of the new-study window: name, folder, notes, and filling in from a run file."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtWidgets import (
    QFileDialog,
    QFormLayout,
    QGroupBox,
    QHBoxLayout,
    QLineEdit,
    QPlainTextEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from core.study_plan import check_folder
from ui.wizard_draft import StudyDraft
from ui.wizard_page import WizardPage, Words, add_row, describe


class StartPage(WizardPage):
    """Where the study will be kept."""

    def __init__(self, draft: StudyDraft) -> None:
        super().__init__(
            draft,
            self.tr("Name and folder"),
            self.tr(
                "A study is a folder of its own. It holds labels and settings; recordings stay "
                "where they are unless you ask for copies."
            ),
        )
        self.name = QLineEdit()
        self.folder = QLineEdit()
        self.browse = QPushButton(self.tr("&Browse…"))
        describe(self.browse, self.tr("Choose the folder"),
                 self.tr("Choose a folder that is empty or new (Alt+B)"))  # fmt: skip
        self.notes = QPlainTextEdit()
        self.notes.setTabChangesFocus(True)
        self.notes.setMaximumHeight(160)
        self.notes.setPlaceholderText(self.tr("where the recordings come from, who may use them …"))

        row = QWidget()
        beside = QHBoxLayout(row)
        beside.setContentsMargins(0, 0, 0, 0)
        beside.addWidget(self.folder, 1)
        beside.addWidget(self.browse)
        form = QFormLayout()
        add_row(form, self.tr("N&ame"), self.name, self.tr("What the study is called (Alt+A)"))
        label = add_row(form, self.tr("F&older"), row)
        label.setBuddy(self.folder)
        describe(self.folder, self.tr("Folder"), self.tr("Folder of the new study (Alt+O)"))
        add_row(form, self.tr("No&tes"), self.notes, self.tr("Free text for people (Alt+T)"))

        self.open_run_file = QPushButton(self.tr("&Start from a run file…"))
        describe(
            self.open_run_file,
            self.tr("Start from a run file"),
            self.tr("Fill all pages in from the run file of a batch (Alt+S)"),
        )
        self.open_root = QPushButton(self.tr("Folder of its &recordings…"))
        describe(
            self.open_root,
            self.tr("Folder of the run file's recordings"),
            self.tr("Where the recordings lie, if not beside the run file (Alt+R)"),
        )
        self.says = Words()
        box = QGroupBox(self.tr("From a run file"))
        inside = QVBoxLayout(box)
        buttons = QHBoxLayout()
        buttons.addWidget(self.open_run_file)
        buttons.addWidget(self.open_root)
        buttons.addStretch(1)
        inside.addLayout(buttons)
        inside.addWidget(self.says)

        column = QVBoxLayout(self)
        column.addLayout(form)
        column.addWidget(box)
        column.addStretch(1)

        self.name.textEdited.connect(self._on_name)
        self.folder.textEdited.connect(self._on_folder)
        self.notes.textChanged.connect(self._on_notes)
        self.browse.clicked.connect(self.ask_for_folder)
        self.open_run_file.clicked.connect(self.ask_for_run_file)
        self.open_root.clicked.connect(self.ask_for_root)
        draft.start_changed.connect(self.show_soon)
        draft.recordings_changed.connect(self.show_soon)
        draft.busy_changed.connect(self.show_soon)
        self.show_draft()

    def problem(self) -> str:
        if self.draft.is_busy("plan"):
            return self.tr("The run file is being read.")
        if self.draft.run_file is not None and self.draft.recordings_problem:
            return self.draft.recordings_problem
        if not self.draft.name.strip():
            return self.tr("Give the study a name.")
        if not self.folder.text().strip():
            return self.tr("Choose a folder for the study.")
        return check_folder(self.draft.folder)

    # -- asking

    def ask_for_folder(self) -> None:
        text = QFileDialog.getExistingDirectory(
            self, self.tr("Folder of the new study"), str(self.draft.folder.parent)
        )
        if text:
            self.draft.set_folder(Path(text))
            self.show_draft()
            self.problem_changed.emit()

    def ask_for_run_file(self) -> None:
        text, _ = QFileDialog.getOpenFileName(
            self,
            self.tr("Start from a run file"),
            "",
            self.tr("Run files (*.json);;All files (*)"),
        )
        if text:
            self.draft.load_run_file(Path(text))

    def ask_for_root(self) -> None:
        run_file = self.draft.run_file
        text = QFileDialog.getExistingDirectory(self, self.tr("Where the recordings lie"))
        if text and run_file is not None:
            self.draft.load_run_file(run_file, Path(text))

    def _on_name(self, text: str) -> None:
        self.draft.set_name(text)
        self.problem_changed.emit()

    def _on_folder(self, text: str) -> None:
        self.draft.set_folder(Path(text.strip()).expanduser())
        self.problem_changed.emit()

    def _on_notes(self) -> None:
        self.draft.set_notes(self.notes.toPlainText())

    # -- showing

    def show_draft(self) -> None:
        for field, text in ((self.name, self.draft.name), (self.folder, str(self.draft.folder))):
            if field.text() != text and not (field is self.folder and field.hasFocus()):
                field.setText(text)
        if self.notes.toPlainText() != self.draft.notes:
            self.notes.setPlainText(self.draft.notes)
        self._say()
        self.problem_changed.emit()

    def _say(self) -> None:
        draft = self.draft
        self.open_root.setEnabled(draft.run_file is not None)
        if draft.run_file is None:
            text = self.tr(
                "A run file says everything about recordings, channels, labels and windows. All "
                "pages are then filled in, and can be changed."
            )
        elif draft.is_busy("plan"):
            text = self.tr("Reading {name}…").format(name=draft.run_file.name)
        elif draft.recordings_problem:
            text = self.tr(
                "{name} cannot be used like this: {reason}\nIf its recordings lie elsewhere, "
                "choose their folder."
            ).format(name=draft.run_file.name, reason=draft.recordings_problem)
        else:
            text = self.tr("Filled in from {name}, with recordings in {folder}.").format(
                name=draft.run_file.name, folder=draft.root
            )
        self.says.say(text)
