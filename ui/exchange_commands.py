"""Commands about what goes into and out of a study: labels, run files, archives, copies."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFileDialog

from core.errors import CrosslError
from core.label_files import write_labels
from core.label_set import make_label_set
from core.moved_files import accept_moved, missing_files
from core.study import StudyRecording
from core.study_export import note_exports
from core.study_import import ImportItem, keep_import, modalities_of
from ui.archive_dialog import PackDialog, UnpackDialog
from ui.commands import Commands
from ui.deidentify_dialog import DeidentifyDialog, SourceFile
from ui.export_labels_dialog import ExportLabelsDialog
from ui.import_labels_dialog import ImportLabelsDialog, ImportOutcome, LabelImport
from ui.moved_files_dialog import MovedFilesDialog, Relocation
from ui.run_file_dialog import RunFileDialog


class ExchangeCommands(Commands):
    """Opens the dialogs of import and export, and hands what they ask for to the study."""

    unpacked = Signal(Path)
    """A study that can be opened."""

    def add_commands(self) -> None:
        """Put the commands into the registry."""
        add, tr = self._registry.add, self.tr
        file, study = tr("File"), tr("Study")
        add("file.export_labels", tr("&Export labels…"), "Ctrl+Shift+E", self.export_labels,
            group=file, icon="export")  # fmt: skip
        add("file.export_run", tr("Expor&t run file…"), [], self.export_run_file, group=file)
        add("file.pack", tr("&Pack study into one file…"), [], self.pack, group=file)
        add("file.unpack", tr("&Unpack study…"), [], self.unpack, group=file)
        add("study.import_labels", tr("&Import labels…"), "Ctrl+Shift+I", self.import_labels,
            group=study, icon="import")  # fmt: skip
        add("study.import_all", tr("Import labels of &all recordings…"), [],
            self.import_all_labels, group=study)  # fmt: skip
        add("study.moved", tr("&Find moved files…"), [], self.find_moved, group=study)
        add("study.deidentify", tr("&De-identified copies…"), [], self.deidentify, group=study)

    # -- labels

    def import_labels(self) -> None:
        """Bring labels into the shown recording."""
        shown = self._session.shown
        if shown is not None and shown.entry is not None:
            self._import((shown.entry,))

    def import_all_labels(self) -> None:
        """Bring labels into every recording of the study."""
        if self._session.recordings:
            self._import(self._session.recordings)

    def _import(self, recordings: tuple[StudyRecording, ...]) -> None:
        study = self._session.study
        if study is None or not self._session.saved_or_said():
            return
        dialog = ImportLabelsDialog(
            study.folder,
            [ImportItem(entry, study.opener(entry)) for entry in recordings],
            study.scheme,
            [rater.name for rater in study.raters()],
            self._who(),
            self._keep,
            modalities_of(study.settings.engine),
            self._window,
        )
        dialog.imported.connect(self._on_imported)
        dialog.open()

    def _keep(self, wanted: LabelImport) -> None:
        study = self._session.study
        assert study is not None
        rater = study.rater(wanted.rater)
        keep_import(
            study,
            wanted.recording,
            rater,
            wanted.plan,
            wanted.what,
            take_grid_offset=wanted.take_grid_offset,
        )

    def _on_imported(self, outcome: ImportOutcome) -> None:
        self._session.refresh_recordings()
        self._session.reload_labels()
        self.said.emit(
            self.tr("Labels of {n} recordings were imported for {rater}.").format(
                n=len(outcome.kept), rater=outcome.rater
            )
        )

    def export_labels(self) -> None:
        """Write labels for other programs."""
        study, shown = self._session.study, self._session.shown
        if study is None:
            return
        if not self._session.labelling.save():
            self.save_labels_elsewhere()
            return
        chosen = [shown.entry.name] if shown is not None and shown.entry is not None else []
        dialog = ExportLabelsDialog(
            study.folder,
            [entry.name for entry in self._session.recordings],
            [rater.name for rater in study.raters()],
            chosen,
            [self._who()] if self._who() in {rater.name for rater in study.raters()} else [],
            self._folder("labels"),
            self._window,
        )
        dialog.exported.connect(self._on_exported)
        dialog.open()

    def _on_exported(self, files: object) -> None:
        study = self._session.study
        written = [file for file in files if file.written] if isinstance(files, tuple) else []
        if written:
            self._preferences.note_folder("labels", written[0].path.parent)
        if study is not None and not study.read_only:
            try:
                note_exports(study, written, self._who())
            except CrosslError as error:
                self.failed.emit(error)

    def save_labels_elsewhere(self) -> None:
        """Write the labels as they are in memory, where the study's own disk takes none."""
        labelling = self._session.labelling
        if labelling.journal is None:
            return
        name, _ = QFileDialog.getSaveFileName(
            self._window,
            self.tr("Save these labels elsewhere"),
            f"{labelling.journal.recording.name}.csv",
            self.tr("CSV (*.csv);;EDF+ annotations (*.edf)"),
        )
        if not name:
            return
        labels = labelling.labels.to_label_set_labels(labelling.journal.rater.name)
        try:
            write_labels(Path(name), make_label_set(labels))
        except CrosslError as error:
            self.failed.emit(error)
            return
        self.said.emit(self.tr("The labels are in {name}.").format(name=Path(name).name))

    # -- run file and archive

    def export_run_file(self) -> None:
        """Write what batch mode needs to repeat the study without it."""
        study = self._session.study
        if study is None or not self._session.saved_or_said():
            return
        folder = self._folder("run_file") or study.folder.parent
        raters = [rater.name for rater in study.raters()]
        dialog = RunFileDialog(
            study.folder,
            raters,
            folder / "run.json",
            [self._who()] if self._who() in raters else raters[:1],
            self._window,
        )
        dialog.written.connect(self._on_run_file)
        dialog.open()

    def _on_run_file(self, written: object) -> None:
        path = getattr(written, "path", None)
        if isinstance(path, Path):
            self._preferences.note_folder("run_file", path.parent)
            self._note("run file exported", path.name)

    def pack(self) -> None:
        """Put the study into one file."""
        study = self._session.study
        if study is None or not self._session.saved_or_said():
            return
        dialog = PackDialog(study.folder, self._folder("archives"), self._window)
        dialog.packed.connect(self._on_packed)
        dialog.open()

    def _on_packed(self, path: object) -> None:
        if isinstance(path, Path):
            self._preferences.note_folder("archives", path.parent)
            self._note("study packed", path.name)

    def unpack(self, archive: Path | None = None) -> None:
        """Make a study out of such a file again."""
        given = archive if isinstance(archive, Path) else None
        dialog = UnpackDialog(given, self._folder("studies"), self._window)
        dialog.unpacked.connect(self.unpacked)
        dialog.open()

    # -- files

    def find_moved(self) -> None:
        """Say where files lie that are not where they were."""
        study = self._session.study
        if study is None or not self._session.saved_or_said():
            return
        missing = missing_files(study)
        if not missing:
            self.said.emit(self.tr("Every file of the study is where it was."))
            return
        dialog = MovedFilesDialog(missing, self._relocate, parent=self._window)
        dialog.relocated.connect(self._on_relocated)
        dialog.open()

    def _relocate(self, wanted: Relocation) -> None:
        study = self._session.study
        assert study is not None
        accept_moved(study, [wanted.found], who=self._who(), insist=wanted.insist)

    def _on_relocated(self, found: object) -> None:
        del found
        self._session.refresh_recordings()
        self._session.show_again()

    def deidentify(self) -> None:
        """Write copies of recordings that name nobody."""
        study, shown = self._session.study, self._session.shown
        files: list[SourceFile] = []
        if study is not None:
            chosen = shown.entry.id if shown is not None and shown.entry is not None else None
            for entry in self._session.recordings:
                if chosen is None or entry.id == chosen:
                    files += [SourceFile(study.path_of(f), entry.name) for f in entry.files]
        elif shown is not None and shown.recording is not None:
            files = [SourceFile(path, shown.recording.id) for path in shown.recording.paths]
        folder = study.folder if study is not None and not study.read_only else None
        dialog = DeidentifyDialog(files, folder, self._folder("copies"), self._window)
        dialog.written.connect(partial(self._note, "de-identified copies", ""))
        dialog.open()

    # -- parts

    def _note(self, action: str, detail: str, *unused: object) -> None:
        """A line in the audit for what changes no row."""
        study = self._session.study
        if study is None or study.read_only:
            return
        try:
            study.note(self._who(), "", action, detail)
        except CrosslError as error:
            self.failed.emit(error)
