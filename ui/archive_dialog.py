"""A study packed into one file, and such a file unpacked into a study."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QDialogButtonBox,
    QHBoxLayout,
    QVBoxLayout,
    QWidget,
)

from core.progress import RunContext
from core.study_archive import ENDING, PackPlan, archive_name, pack, plan_pack, unpack
from ui.backups_dialog import size_text
from ui.dialog_parts import FileDialogBase, Paragraph, PathRow, PlainTable, keyed, named


@dataclass(frozen=True)
class _Packed:
    path: Path
    plan: PackPlan


class PackDialog(FileDialogBase):
    """Packs a study, with or without its recordings. It may be open meanwhile."""

    packed = Signal(object)
    """The archive (Path), once it is whole. The dialog stays, to say what it holds."""

    def __init__(
        self, study_folder: Path, folder: Path | None = None, parent: QWidget | None = None
    ) -> None:
        """`folder`: where the archive is offered to go; beside the study if left out."""
        super().__init__("", {}, parent)
        self.setWindowTitle(self.tr("Pack study"))
        self.resize(640, 420)
        self._study_folder = study_folder
        self._is_packing = False
        self.work.stage_names["packing"] = self.tr("Packing…")
        self.work.succeeded.connect(self._on_done)
        self.work.busy_changed.connect(self._tell_ready)
        self.work.cancelled.connect(self._on_stopped)
        says = Paragraph(
            self.tr(
                "One file that holds the study with its labels, edits and runs. Backups and what "
                "can be made again are left out, and so is the shift of dates of de-identified "
                "recordings."
            )
        )
        self.place = PathRow(
            self.tr("Archive"), "save", self.tr("Packed studies (*{ending})").format(ending=ENDING)
        )
        self.place.set_path((folder or study_folder.resolve().parent) / archive_name(study_folder))
        self.place.changed.connect(self._tell_ready)
        self.recordings = QCheckBox(self.tr("With the &recordings"))
        self.recordings.setChecked(True)
        keyed(self.recordings, self.tr("Else the study looks for them where they are now"))
        self.recordings.toggled.connect(self._look)
        self.size_says = Paragraph()
        self.missing = PlainTable(self.tr("Not packed"), [self.tr("What is not packed")], 0)
        self.missing.hide()
        foot = self.make_foot(self.tr("&Pack"), self.tr("Write the archive"), self.start)
        where = QHBoxLayout()
        where.addWidget(named(self.tr("&File"), self.place, self.tr("Where the archive goes")))
        where.addWidget(self.place, 1)
        column = QVBoxLayout(self)
        column.addWidget(says)
        column.addLayout(where)
        column.addWidget(self.recordings)
        column.addWidget(self.size_says)
        column.addWidget(self.missing, 1)
        column.addWidget(self.reason)
        column.addStretch(0)
        column.addLayout(foot)
        self._look()

    @property
    def path(self) -> Path | None:
        """Where the archive goes; a folder gets the usual name, a name its ending."""
        path = self.place.path
        if path is None:
            return None
        if path.is_dir():
            return path / archive_name(self._study_folder)
        known = path.name.casefold().endswith((ENDING, ".zip"))
        return path if known else path.with_name(path.name + ENDING)

    @property
    def is_writing(self) -> bool:
        return self._is_packing

    def start(self) -> None:
        """Pack, after a question where a file would be replaced."""
        path = self.path
        if path is None or not self.go.isEnabled():
            return
        self.reason.say("")
        if path.exists():
            self.ask(
                self.tr("Replace the file"),
                self.tr("Replace {name}?").format(name=path.name),
                str(path.parent),
                self.tr("&Replace"),
                self._pack,
            )
        else:
            self._pack()

    def _look(self) -> None:
        """See how much there is to pack."""
        self.work.start(
            partial(_plan, self._study_folder, self.recordings.isChecked()),
            self.tr("Looking what there is…"),
        )

    def _pack(self) -> None:
        path = self.path
        if path is not None:
            self._is_packing = True
            self.work.start(
                partial(_pack, self._study_folder, path, self.recordings.isChecked()),
                self.tr("Packing…"),
            )

    def _on_done(self, result: object) -> None:
        if isinstance(result, PackPlan):
            self._show_plan(result)
        elif isinstance(result, _Packed):
            self._is_packing = False
            self._show_plan(result.plan)
            self.reason.say(
                self.tr("Packed into {path}, {size}.").format(
                    path=result.path, size=size_text(result.path.stat().st_size)
                )
            )
            self.packed.emit(result.path)

    def _show_plan(self, plan: PackPlan) -> None:
        self.size_says.say(
            self.tr("Files to pack: {count}, together {size} before packing.").format(
                count=len(plan.files) + 1, size=size_text(plan.size_bytes)
            )
        )
        rows = [(text,) for text in (*plan.missing, *plan.left_out)]
        self.missing.fill(rows)
        self.missing.setVisible(bool(rows))

    def _on_stopped(self) -> None:
        if self._is_packing:
            self._is_packing = False
            self.reason.say(self.tr("Stopped. Nothing was left behind."))

    def tell(self, error: BaseException) -> None:
        self._is_packing = False
        super().tell(error)

    def _tell_ready(self) -> None:
        self.go.setEnabled(self.place.path is not None and not self.work.is_busy)
        self.recordings.setEnabled(not self._is_packing)


class UnpackDialog(FileDialogBase):
    """Unpacks a study into a new folder; what is no study, or is made to do harm, is refused."""

    unpacked = Signal(object)
    """The folder (Path) of the new study, which can be opened. The dialog then closes."""

    def __init__(
        self,
        archive: Path | None = None,
        folder: Path | None = None,
        parent: QWidget | None = None,
    ) -> None:
        """`folder`: in which the study's folder is offered; beside the archive if left out."""
        super().__init__("", {}, parent)
        self.setWindowTitle(self.tr("Unpack study"))
        self.resize(640, 240)
        self._in = folder
        self._offered = ""
        self.work.stage_names["unpacking"] = self.tr("Unpacking…")
        self.work.succeeded.connect(self._on_unpacked)
        self.work.busy_changed.connect(self._tell_ready)
        self.work.cancelled.connect(self._on_stopped)
        self.archive = PathRow(
            self.tr("Archive"),
            "open",
            self.tr("Packed studies (*{ending} *.zip)").format(ending=ENDING),
        )
        self.place = PathRow(self.tr("New folder"), "folder", button=self.tr("B&rowse…"))
        self.archive.changed.connect(self._on_archive)
        self.place.changed.connect(self._tell_ready)
        foot = self.make_foot(
            self.tr("&Unpack"),
            self.tr("Unpack the study, and open it"),
            self.start,
            QDialogButtonBox.StandardButton.Cancel,
        )
        column = QVBoxLayout(self)
        for text, row, tip in (
            (self.tr("&Archive"), self.archive, self.tr("The packed study")),
            (
                self.tr("&Into the new folder"),
                self.place,
                self.tr("It must not exist, or be empty"),
            ),
        ):
            column.addWidget(named(text, row, tip))
            column.addWidget(row)
        column.addWidget(self.reason)
        column.addStretch(1)
        column.addLayout(foot)
        self._tell_ready()
        if archive is not None:
            self.archive.set_path(archive)

    def start(self) -> None:
        """Unpack in the background."""
        archive, folder = self.archive.path, self.place.path
        if archive is not None and folder is not None and self.go.isEnabled():
            self.reason.say("")
            self.work.start(partial(_unpack, archive, folder), self.tr("Unpacking…"))

    def _on_archive(self) -> None:
        """Offer a folder, unless another was named by hand."""
        path = self.archive.path
        if path is not None and self.place.line.text() in ("", self._offered):
            name = path.name
            for ending in (ENDING, ".zip"):
                name = name.removesuffix(ending)
            place = (self._in or path.parent) / (name or "study")
            number = 1
            while place.exists():
                number += 1
                place = place.with_name(f"{name}-{number}")
            self._offered = str(place)
            self.place.set_path(place)
        self._tell_ready()

    def _on_unpacked(self, folder: Path) -> None:
        self.unpacked.emit(folder)
        self.accept()

    def _on_stopped(self) -> None:
        self.reason.say(self.tr("Stopped. Nothing was left behind."))

    def _tell_ready(self) -> None:
        ready = self.archive.path is not None and self.place.path is not None
        self.go.setEnabled(ready and not self.work.is_busy)


def _plan(study_folder: Path, with_recordings: bool, context: RunContext) -> PackPlan:
    del context
    return plan_pack(study_folder, with_recordings)


def _pack(study_folder: Path, archive: Path, with_recordings: bool, context: RunContext) -> _Packed:
    """Pack; the question whether to replace has been answered."""
    return _Packed(archive, pack(study_folder, archive, with_recordings, context, force=True))


def _unpack(archive: Path, folder: Path, context: RunContext) -> Path:
    unpack(archive, folder, context)
    return folder
