"""Recordings that are no longer where the study saw them, and where they are now."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QFileDialog,
    QHBoxLayout,
    QListWidget,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from core.moved_files import FoundAgain, MissingFile, Search, find_moved
from core.progress import RunContext
from ui.dialog_parts import FileDialogBase, OneByOne, Paragraph, PlainTable, keyed, named


@dataclass(frozen=True)
class Relocation:
    """A file to be taken at its new place; `insist`: although its content differs."""

    found: FoundAgain
    insist: bool


class MovedFilesDialog(FileDialogBase):
    """Looks for missing files in folders, in the background, and offers what it finds.

    What is accepted goes through `relocate`, one file after the other, in the window's thread
    (`core.moved_files.accept_moved`); it raises CrosslError where it cannot.
    """

    relocated = Signal(object)
    """A list of FoundAgain that the study knows the places of now. The dialog closes when nothing
    is left to be found."""

    def __init__(
        self,
        missing: Sequence[MissingFile],
        relocate: Callable[[Relocation], object],
        folders: Sequence[Path] = (),
        parent: QWidget | None = None,
    ) -> None:
        """`folders`: where to look first, searched at once."""
        super().__init__("", {}, parent)
        self.setWindowTitle(self.tr("Find moved files"))
        self.resize(860, 560)
        self._missing = tuple(missing)
        self._relocate = relocate
        self._search: Search | None = None
        self.work.stage_names["looking in the same place"] = self.tr("Looking…")
        self.work.succeeded.connect(self._show)
        self.work.busy_changed.connect(self._tell_ready)
        self.work.cancelled.connect(self._on_stopped)
        self._telling = OneByOne(self)
        self._telling.stepped.connect(self._on_step)
        self._telling.finished.connect(self._on_told)

        self.says = Paragraph()
        self.folders = QListWidget()
        self.folders.setMaximumHeight(90)
        self.add = QPushButton(self.tr("&Add folder…"))
        self.drop = QPushButton(self.tr("&Remove"))
        self.look = QPushButton(self.tr("&Search"))
        keyed(self.add, self.tr("Search in this folder and all below it"))
        keyed(self.drop, self.tr("Do not search in the chosen folder"))
        keyed(self.look, self.tr("Search for files with the same content"))
        self.add.clicked.connect(self._choose)
        self.drop.clicked.connect(self._drop)
        self.look.clicked.connect(self.search)
        buttons = QVBoxLayout()
        for button in (self.add, self.drop, self.look):
            button.setAutoDefault(False)
            buttons.addWidget(button)
        where = QHBoxLayout()
        where.addWidget(self.folders, 1)
        where.addLayout(buttons)
        self.table = PlainTable(
            self.tr("Missing files"),
            [self.tr("Recording"), self.tr("Was"), self.tr("Found"), self.tr("Is now")],
            3,
        )
        self.insist = QCheckBox(self.tr("Take files &whose content differs, too"))
        keyed(self.insist, self.tr("Labels may not fit them; the study notes that you took them"))
        self.insist.toggled.connect(self._tell_ready)
        foot = self.make_foot(
            self.tr("&Take these"),
            self.tr("Let the study look for its files in these places"),
            self.accept_found,
        )
        column = QVBoxLayout(self)
        column.addWidget(self.says)
        column.addWidget(named(self.tr("&Folders to search"), self.folders,
                               self.tr("Each with all folders below it")))  # fmt: skip
        column.addLayout(where)
        column.addWidget(self.table, 1)
        column.addWidget(self.insist)
        column.addWidget(self.reason)
        column.addLayout(foot)
        for folder in folders:
            self.folders.addItem(str(folder))
        self._show_rows()
        if folders:
            self.search()

    # -- asking

    def add_folder(self, path: str) -> None:
        """Search in this folder too, and begin."""
        if not self.folders.findItems(path, Qt.MatchFlag.MatchExactly):
            self.folders.addItem(path)
        self.folders.setCurrentRow(self.folders.count() - 1)
        self.search()

    def search(self) -> None:
        """Look for what is missing in all folders of the list."""
        roots = [Path(self.folders.item(row).text()) for row in range(self.folders.count())]
        if roots and self._missing:
            self.reason.say("")
            self.work.start(partial(_find, self._missing, roots), self.tr("Looking…"))

    def accept_found(self) -> None:
        """Let the study know the places of what was found."""
        chosen = self._acceptable()
        if chosen and self.go.isEnabled():
            self._telling.start(chosen, self._relocate)
            self._tell_ready()

    def _acceptable(self) -> list[Relocation]:
        found = self._search.found if self._search is not None else ()
        wanted = ("same", "differs") if self.insist.isChecked() else ("same",)
        return [Relocation(one, one.match == "differs") for one in found if one.match in wanted]

    def _choose(self) -> None:
        dialog = QFileDialog(self, self.tr("Folder to search"))
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        dialog.setOption(QFileDialog.Option.ShowDirsOnly)
        dialog.fileSelected.connect(self.add_folder)
        dialog.open()

    def _drop(self) -> None:
        self.folders.takeItem(self.folders.currentRow())
        self._tell_ready()

    # -- showing

    def _show(self, search: Search) -> None:
        self._search = search
        self._show_rows()
        notes = []
        if search.unreadable:
            names = ", ".join(str(path) for path in search.unreadable[:3])
            notes.append(self.tr("These could not be looked into: {names}.").format(names=names))
        if not any(one.match != "none" for one in search.found):
            notes.append(self.tr("Nothing was found there; add another folder."))
        self.reason.say(" ".join(notes))

    def _show_rows(self) -> None:
        found = self._search.found if self._search is not None else None
        rows = []
        for number, missing in enumerate(self._missing):
            one = found[number] if found is not None else FoundAgain(missing)
            rows.append(
                (missing.recording, str(missing.path), self._says(one), str(one.path or ""))
            )
        self.table.fill(rows)
        count = len(self._missing)
        self.says.say(
            self.tr(
                "Files that are not where the study saw them last: {count}. They are known again "
                "by their size and content, whatever their names are now."
            ).format(count=count)
            if count
            else self.tr("All files of the study are where it looks for them.")
        )
        self._tell_ready()

    def _says(self, one: FoundAgain) -> str:
        if one.match == "none":
            return self.tr("not yet") if self._search is None else self.tr("no")
        if one.match == "differs":
            return self.tr("same place, other content")
        if one.copies:
            return self.tr("same content, {count} more copies").format(count=len(one.copies))
        return self.tr("same content")

    def _tell_ready(self) -> None:
        busy = self.work.is_busy or self._telling.is_busy
        differs = self._search is not None and any(
            one.match == "differs" for one in self._search.found
        )
        self.insist.setVisible(differs)
        self.look.setEnabled(self.folders.count() > 0 and not busy and bool(self._missing))
        self.drop.setEnabled(self.folders.count() > 0)
        self.go.setEnabled(bool(self._acceptable()) and not busy)

    def _on_stopped(self) -> None:
        self.reason.say(self.tr("The search was stopped."))

    # -- telling the study

    def _on_step(self, done: int, total: int) -> None:
        self.work.show_step(self.tr("Writing…"), done, total)

    def _on_told(self, results: list[tuple[Relocation, str]]) -> None:
        self.work.show_step("", 0, 0)
        taken = [one.found for one, problem in results if not problem]
        problems = [problem for _, problem in results if problem]
        places = [(one.missing.recording_id, one.missing.entry.source) for one in taken]
        self._missing = tuple(
            one for one in self._missing if (one.recording_id, one.entry.source) not in places
        )
        self._search = None
        self.insist.setChecked(False)
        self._show_rows()
        self.reason.say(" ".join(dict.fromkeys(problems)))
        self.relocated.emit(taken)
        if not self._missing:
            self.accept()

    def reject(self) -> None:
        if self._telling.is_busy:
            self._telling.stop()
            return
        super().reject()


def _find(missing: Sequence[MissingFile], roots: Sequence[Path], context: RunContext) -> Search:
    return find_moved(missing, roots, context)
