"""What menus do with studies and files: each command opens a dialog, and hands its answer to the
session."""

from __future__ import annotations

import getpass
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from PySide6.QtCore import QStandardPaths, Qt, Signal
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import QFileDialog, QInputDialog, QMessageBox, QWidget

from core.errors import StudyError
from core.open_recording import CSV_ENDINGS, RECORDING_ENDINGS
from core.progress import Progress, RunContext
from core.read_edf import find_zone
from core.recording import Recording
from core.study import Study, StudySettings
from core.study_file import is_study
from ui.actions import ActionRegistry
from ui.appearance import Appearance
from ui.commands import Commands
from ui.csv_dialog import CsvDialog
from ui.findings_dialog import FindingsDialog
from ui.jobs import Job
from ui.preferences import PreferenceStore
from ui.session import Session

CSV_NAMES = tuple(ending + packed for packed in ("", ".gz") for ending in CSV_ENDINGS)
ARCHIVE_ENDING = ".crossl.zip"


class StudyCommands(Commands):
    """Commands of the menus File and Study."""

    busy = Signal(str)
    """What long work is doing, in words; empty when it has ended."""
    save_elsewhere_wanted = Signal()
    """Labels that the study's disk refuses shall be written to another place."""
    unpack_wanted = Signal(Path)
    went_to = Signal(float)
    """Show this time, in seconds from the recording's start."""

    def __init__(
        self,
        session: Session,
        registry: ActionRegistry,
        preferences: PreferenceStore,
        appearance: Appearance,
        window: QWidget,
    ) -> None:
        super().__init__(session, registry, preferences, window)
        self.appearance = appearance
        self._job: Job | None = None
        self.may_lose_labels = False
        """Whether the user has said that unsaved labels may go."""

    # -- the commands

    def add_commands(self) -> None:
        """Put the commands into the registry."""
        add, tr = self._registry.add, self.tr
        file, study = tr("File"), tr("Study")
        add("file.new_study", tr("&New study…"), "Ctrl+N", self.new_study, group=file,
            icon="new-study")  # fmt: skip
        add("file.open_study", tr("Open &study…"), "Ctrl+Shift+O", self.ask_for_study, group=file,
            icon="open")  # fmt: skip
        add("file.open_recording", tr("&Open recording…"), QKeySequence.StandardKey.Open,
            self.ask_for_recording, group=file, icon="recording")  # fmt: skip
        add("file.open_csv", tr("Open &CSV with settings…"), "Ctrl+Alt+O", self.ask_for_csv,
            group=file)  # fmt: skip
        add("file.open_results", tr("Open resu&lts folder…"), "Ctrl+Alt+R", self.ask_for_results,
            group=file)  # fmt: skip
        add("file.recordings_folder", tr("Recordin&gs folder…"), [], self.ask_for_root, group=file,
            tooltip=tr("Where the recordings of these results lie now"))  # fmt: skip
        add("file.restore", tr("Restore &backup…"), [], self.restore_backup, group=file)
        add("file.preferences", tr("Pre&ferences…"), "Ctrl+Shift+P", self.edit_preferences,
            group=file, icon="settings")  # fmt: skip
        add("file.close_study", tr("Close stud&y"), "Ctrl+W", self.close_study, group=file)
        go = tr("Go")
        add("go.next_recording", tr("Ne&xt recording"), "Ctrl+PgDown", self.next_recording,
            group=go)  # fmt: skip
        add("go.previous_recording", tr("Re&cording before"), "Ctrl+PgUp",
            self.previous_recording, group=go)  # fmt: skip
        add("study.add", tr("Add re&cordings…"), [], self.add_recordings, group=study)
        add("study.settings", tr("Setti&ngs…"), [], self.edit_settings, group=study,
            icon="settings")  # fmt: skip
        add("study.remove", tr("&Remove recording…"), [], self.remove_recording, group=study)
        add("study.subject", tr("&Subject…"), [], self.rename_subject, group=study, icon="person")
        add("study.scheme", tr("&Label scheme…"), [], self.edit_scheme, group=study, icon="label")

    def show_state(self) -> None:
        """Enable what can be done now."""
        session = self._session
        study, shown = session.study, session.shown
        writable = study is not None and not study.read_only
        journal = session.labelling.journal
        signed = journal is not None and journal.signed_at is not None
        recording = shown is not None and shown.recording is not None
        entry = shown is not None and shown.entry is not None
        states = {
            "file.export_labels": study is not None,
            "file.export_run": study is not None,
            "file.pack": study is not None,
            "file.close_study": study is not None or shown is not None,
            "go.next_recording": entry and len(session.recordings) > 1,
            "go.previous_recording": entry and len(session.recordings) > 1,
            "study.add": writable,
            "study.settings": study is not None,
            "study.remove": writable and entry,
            "study.subject": writable and entry,
            "study.moved": writable,
            "study.import_labels": writable and entry,
            "study.import_all": writable and bool(session.recordings),
            "study.scheme": writable,
            "study.raters": writable,
            "study.agreement": study is not None and len(session.recordings) > 0,
            "study.sign_off": writable and journal is not None and not signed,
            "study.reopen": writable and signed,
            "study.audit": study is not None,
            "view.channels": recording,
            "view.spectrogram": recording,
            "view.go_to": recording,
            "view.findings": recording and bool(shown and shown.recording.findings),
        }
        for id, on in states.items():
            self._registry.action(id).setEnabled(on)

    # -- opening

    def ask_for_recording(self) -> None:
        """Let the user choose a recording, and open it by itself."""
        endings = " ".join(f"*{ending}" for ending in RECORDING_ENDINGS)
        self._ask_for_file(
            self.tr("Open recording"),
            self.tr("Recordings ({endings});;All files (*)").format(endings=endings),
            "recording",
            self._session.open_recording,
        )

    def ask_for_csv(self) -> None:
        """Let the user choose a CSV file, and say how it is read."""
        endings = " ".join(f"*{ending}" for ending in CSV_NAMES)
        self._ask_for_file(
            self.tr("Open CSV with settings"),
            self.tr("CSV files ({endings});;All files (*)").format(endings=endings),
            "recording",
            self.open_csv,
        )

    def open_csv(self, path: Path) -> None:
        """Show how a CSV file is read, let the user change it, and open the file."""
        dialog = CsvDialog(path, self._window)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.accepted.connect(lambda: self._session.open_recording(path, dialog.config))
        dialog.open()

    def ask_for_results(self) -> None:
        """Let the user choose an output folder of batch mode."""
        self._ask_for_folder(self.tr("Open results folder"), "results", self._session.open_results)

    def ask_for_root(self) -> None:
        """Let the user say where the recordings of the results lie now."""
        self._ask_for_folder(
            self.tr("Where the recordings lie"), "recordings", self._session.look_in
        )

    def ask_for_study(self) -> None:
        """Let the user choose a study's folder."""
        self._ask_for_folder(self.tr("Open study"), "studies", self._open_chosen_study)

    def _open_chosen_study(self, folder: Path) -> None:
        if not is_study(folder) and (folder / "report.json").is_file():
            self._session.open_results(folder)
        else:
            self._session.open_study(folder)

    def take_dropped(self, paths: list[Path]) -> None:
        """Open what was dropped on the window: one thing as itself, several as a new study."""
        if len(paths) == 1 and paths[0].name.endswith(ARCHIVE_ENDING):
            self.unpack_wanted.emit(paths[0])
        elif len(paths) == 1 and (
            not paths[0].is_dir() or is_study(paths[0]) or (paths[0] / "report.json").is_file()
        ):
            self._session.open_path(paths[0])
        else:
            self.new_study(paths)

    def close_study(self) -> None:
        """Back to the welcome page."""
        if self._session.study is not None:
            if self._session.labelling.save():
                self._session.close_study()
            else:
                self.ask_about_unsaved()
        else:
            self._session.close_recording()

    def ask_about_unsaved(self) -> None:
        """Labels could not be saved: say so, and let the user decide."""
        labelling = self._session.labelling
        box = QMessageBox(self._window)
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        box.setIcon(QMessageBox.Icon.Warning)
        box.setTextFormat(Qt.TextFormat.PlainText)
        box.setText(
            self.tr("{n} edits are not saved yet. {problem}").format(
                n=labelling.waiting, problem=labelling.problem
            )
        )
        box.setInformativeText(
            self.tr("Make room on the disk and try again, or save the labels elsewhere first.")
        )
        again = box.addButton(self.tr("&Try again"), QMessageBox.ButtonRole.AcceptRole)
        export = box.addButton(self.tr("&Save elsewhere…"), QMessageBox.ButtonRole.ActionRole)
        lose = box.addButton(
            self.tr("Close and &lose them"), QMessageBox.ButtonRole.DestructiveRole
        )
        box.addButton(QMessageBox.StandardButton.Cancel)
        again.clicked.connect(labelling.save)
        export.clicked.connect(self.save_elsewhere_wanted)
        lose.clicked.connect(self._lose_labels)
        box.open()

    def _lose_labels(self) -> None:
        self.may_lose_labels = True
        self._window.close()

    def choose_rater(self, name: str) -> None:
        """Label as somebody else."""
        if name.strip():
            self._preferences.update(rater=name.strip())
            self._session.choose_rater(name)

    def first_rater(self) -> str:
        """Who labels when nobody has said it yet: as the user is called on this computer."""
        if self._preferences.value.rater:
            return self._preferences.value.rater
        try:
            return getpass.getuser()
        except (OSError, KeyError, ImportError):
            return self.tr("rater")

    # -- new studies

    def new_study(self, paths: list[Path] | None = None) -> None:
        """Let the user make a study."""
        from ui.new_study_wizard import NewStudyWizard

        wizard = NewStudyWizard(self._window)
        if isinstance(paths, list):
            wizard.set_paths(paths)
        wizard.plan_ready.connect(partial(self._create, wizard))
        wizard.show()

    def new_study_of_shown(self) -> None:
        """A study of the recording that is shown by itself."""
        shown = self._session.shown
        if shown is not None and shown.recording is not None:
            self.new_study(list(shown.recording.paths))

    def _create(self, wizard: Any, plan: Any) -> None:
        from core.study_creation import create_study

        job = self._run(
            partial(create_study, plan), self.tr("Making the study"), self._take_creation
        )
        if job is None:
            wizard.creation_failed(StudyError(self.tr("Wait until the work under way has ended.")))
            return
        # The window says itself what went wrong, and keeps what was typed.
        job.failed.disconnect(self.failed)
        job.progressed.connect(wizard.show_creating)
        job.failed.connect(wizard.creation_failed)
        job.succeeded.connect(wizard.accept)
        wizard.rejected.connect(job.stop)

    def make_sample_study(self) -> None:
        """The sample study, made where studies lie, or opened where it is there already."""
        from core.sample_studies import create_sample_study

        self._make(self.tr("Sample study"), create_sample_study)

    def make_night_study(self) -> None:
        """A simulated night, made where studies lie, or opened where it is there already."""
        from core.sample_studies import create_night_study

        self._make(self.tr("Simulated night"), create_night_study)

    def _make(self, name: str, create: Callable[[Path, RunContext], Any]) -> None:
        folder = studies_folder() / name
        if is_study(folder):
            self._session.open_study(folder)
            return
        if self._run(partial(create, folder), name, self._take_creation) is None:
            self.failed.emit(StudyError(self.tr("Wait until the work under way has ended.")))

    def _take_creation(self, creation: Any) -> None:
        if creation.problems:
            self._say_what_was_taken(creation.recordings, creation.labels, creation.problems)
        self._session.open_study(creation.folder)

    def _say_what_was_taken(self, recordings: int, labels: int, problems: Sequence[str]) -> None:
        said = self.tr("{n} recordings and {labels} labels were taken in.").format(
            n=recordings, labels=labels
        )
        self.said.emit(said)
        if not problems:
            return
        box = QMessageBox(self._window)
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        box.setTextFormat(Qt.TextFormat.PlainText)
        box.setIcon(QMessageBox.Icon.Information)
        box.setText(said)
        box.setInformativeText("\n".join(problems[:8]))
        box.setDetailedText("\n".join(problems))
        box.open()

    # -- long work

    def _run(
        self, work: Callable[[RunContext], Any], what: str, take: Callable[..., None]
    ) -> Job | None:
        """Run core work in the background, one at a time; None while other work runs."""
        if self._job is not None:
            return None
        self._what, self._take = what, take
        self._job = job = Job(work, self)
        job.progressed.connect(self._on_progress)
        job.succeeded.connect(self._on_done)
        job.failed.connect(self.failed)
        job.finished.connect(self._on_finished)
        self.busy.emit(f"{what}…")
        job.start()
        return job

    def stop(self) -> None:
        """Stop what is under way; what it has written so far is taken away."""
        if self._job is not None:
            self._job.stop()

    def _on_progress(self, progress: Progress) -> None:
        share = f" {progress.done} / {progress.total}" if progress.total else ""
        self.busy.emit(f"{self._what}: {progress.stage}{share}")

    def _on_done(self, result: object) -> None:
        self._take(result)

    def _on_finished(self) -> None:
        if self._job is not None:
            self._job.deleteLater()
        self._job = None
        self.busy.emit("")

    def shut_down(self) -> None:
        """Stop long work; returns when it has ended."""
        if self._job is not None:
            self._job.stop()
            self._job.wait()

    # -- the study

    def next_recording(self) -> None:
        """Show the recording that comes next by name."""
        self._step_recording(1)

    def previous_recording(self) -> None:
        """Show the recording that comes before by name."""
        self._step_recording(-1)

    def _step_recording(self, by: int) -> None:
        shown, recordings = self._session.shown, self._session.recordings
        if shown is None or shown.entry is None:
            return
        ids = [entry.id for entry in recordings]
        place = ids.index(shown.entry.id) + by if shown.entry.id in ids else 0
        if 0 <= place < len(ids):
            self._session.choose(ids[place])

    def remove_recording(self) -> None:
        """Take the shown recording out of the study, after a question."""
        shown = self._session.shown
        if shown is None or shown.entry is None:
            return
        entry = shown.entry
        box = QMessageBox(self._window)
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        box.setIcon(QMessageBox.Icon.Question)
        box.setTextFormat(Qt.TextFormat.PlainText)
        box.setText(
            self.tr("Remove {name} and all its labels from the study?").format(name=entry.name)
        )
        box.setInformativeText(
            self.tr("Its files stay where they are. The labels are gone from the study.")
        )
        remove = box.addButton(self.tr("&Remove"), QMessageBox.ButtonRole.DestructiveRole)
        box.addButton(QMessageBox.StandardButton.Cancel)
        remove.clicked.connect(partial(self._remove, entry.id))
        box.open()

    def _remove(self, recording_id: int) -> None:
        who = self._who()
        self._session.change_study(lambda study: study.remove_recording(recording_id, who))

    def rename_subject(self) -> None:
        """Say whose recording the shown one is."""
        shown = self._session.shown
        if shown is None or shown.entry is None:
            return
        dialog = QInputDialog(self._window)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setWindowTitle(self.tr("Subject"))
        dialog.setLabelText(
            self.tr("Whose recording is {name}? Give a code, no name.").format(
                name=shown.entry.name
            )
        )
        dialog.setTextValue(shown.entry.subject)
        dialog.textValueSelected.connect(partial(self._rename_subject, shown.entry.id))
        dialog.open()

    def _rename_subject(self, recording_id: int, name: str) -> None:
        who = self._who()
        self._session.change_study(lambda study: study.rename_subject(recording_id, name, who))

    def add_recordings(self, paths: list[Path] | None = None) -> None:
        """Take further recordings into the study."""
        from ui.add_recordings_dialog import AddRecordingsDialog

        study = self._session.study
        if study is None or not self._session.saved_or_said():
            return
        dialog = AddRecordingsDialog(
            study.folder, study.settings, study.scheme, self._session.recordings, self._window
        )
        dialog.addition_ready.connect(partial(self._keep_addition, dialog))
        dialog.open()
        if isinstance(paths, list):
            dialog.set_paths(paths)

    def _keep_addition(self, dialog: Any, addition: Any) -> None:
        from core.study_addition import keep_addition, remove_copies

        study = self._session.study
        if study is None:
            return
        who, outcomes = self._who(), []

        def keep(study: Study) -> None:
            outcomes.append(keep_addition(study, addition, who))

        if not self._session.change_study(keep):
            remove_copies([p for one in addition.recordings for p in one.copies], study.folder)
            dialog.keeping_failed(StudyError(self.tr("Nothing was added.")))
            return
        dialog.accept()
        outcome = outcomes[0]
        self._say_what_was_taken(outcome.recordings, outcome.labels, outcome.problems)

    def edit_settings(self) -> None:
        """Change what a run file says: modalities, windows, learning; and where epochs start."""
        from core.study_settings import modalities_in_labels
        from ui.study_settings_dialog import StudySettingsDialog

        study = self._session.study
        if study is None or not self._session.saved_or_said():
            return
        names = {rater.id: rater.name for rater in study.raters()}
        signed: dict[int, str] = {}
        for recording, rater in sorted(study.all_signed_off()):
            signed[recording] = ", ".join(filter(None, (signed.get(recording), names[rater])))
        dialog = StudySettingsDialog(
            study.settings,
            study.scheme,
            study.folder,
            self._session.recordings,
            read_only=study.why_read_only,
            signed_off=signed,
            marked=modalities_in_labels(study),
            parent=self._window,
        )
        dialog.settings_accepted.connect(self._keep_settings)
        dialog.grid_offsets_accepted.connect(self._keep_offsets)
        dialog.open()

    def _keep_settings(self, settings: StudySettings) -> None:
        who = self._who()
        if self._session.change_study(lambda study: study.change_settings(settings, who)):
            self._session.show_again()

    def _keep_offsets(self, offsets: dict[int, int]) -> None:
        who = self._who()

        def keep(study: Study) -> None:
            for recording, offset_ns in offsets.items():
                study.set_grid_offset(recording, offset_ns, who)

        self._session.change_study(keep)

    def edit_scheme(self) -> None:
        """Change classes, colours, keys and the length of an epoch."""
        from ui.scheme_dialog import SchemeDialog

        study = self._session.study
        if study is None or not self._session.saved_or_said():
            return
        dialog = SchemeDialog(study.scheme, study.label_counts(), self._window)
        dialog.scheme_accepted.connect(self._session.change_scheme)
        dialog.open()

    def restore_backup(self) -> None:
        """Put a backup in the place of the study that is open, or of one that is chosen."""
        study = self._session.study
        if study is not None:
            self._restore_in(study.folder)
        else:
            self._ask_for_folder(self.tr("Study to restore"), "studies", self._restore_in)

    def _restore_in(self, folder: Path) -> None:
        from ui.backups_dialog import BackupsDialog

        dialog = BackupsDialog(folder, self._window)
        dialog.about_to_restore.connect(self._close_for_restoring)
        dialog.restored.connect(self._session.open_study)
        dialog.not_restored.connect(self._session.open_study)
        dialog.open()

    def _close_for_restoring(self, folder: object) -> None:
        del folder
        self._session.close_study()

    # -- what is shown

    def edit_channels(self) -> None:
        """Choose which channels are drawn, and how."""
        from ui.channels_dialog import ChannelsDialog

        shown, study = self._session.shown, self._session.study
        if shown is None or shown.recording is None or shown.montage is None:
            return
        why_not = study.why_read_only if study is not None else self.tr("There is no study.")
        dialog = ChannelsDialog(shown.recording, shown.montage, shown.scheme, why_not, self._window)
        dialog.montage_chosen.connect(self._session.set_montage)
        dialog.show()

    def edit_preferences(self) -> None:
        """Change the user's own settings."""
        from ui.preferences_dialog import PreferencesDialog

        PreferencesDialog(self._preferences, self.appearance, self._window).open()

    def ask_for_time(self) -> None:
        """Go to a time or an epoch that the user types."""
        from ui.go_to_dialog import GoToDialog

        shown, labelling = self._session.shown, self._session.labelling
        if shown is None or shown.recording is None:
            return
        recording = shown.recording
        grid = labelling.grid if labelling.scheme is not None else None
        dialog = GoToDialog(
            recording.duration_s, grid, local_start(recording), labelling.time_s,
            parent=self._window,
        )  # fmt: skip
        dialog.chosen.connect(self.went_to)
        dialog.open()

    def show_findings(self) -> None:
        """List what the readers met or assumed in the shown recording."""
        shown = self._session.shown
        if shown is not None and shown.recording is not None and shown.recording.findings:
            FindingsDialog(shown.recording.id, shown.recording.findings, self._window).show()

    # -- parts

    def _ask_for_file(
        self, title: str, kinds: str, purpose: str, take: Callable[[Path], Any]
    ) -> None:
        name, _ = QFileDialog.getOpenFileName(
            self._window, title, self._preferences.folder_for(purpose), kinds
        )
        if name:
            self._preferences.note_folder(purpose, Path(name).parent)
            take(Path(name))

    def _ask_for_folder(self, title: str, purpose: str, take: Callable[[Path], Any]) -> None:
        start = self._preferences.folder_for(purpose)
        if not start and purpose == "studies":
            start = str(studies_folder())
        name = QFileDialog.getExistingDirectory(self._window, title, start)
        if name:
            self._preferences.note_folder(purpose, Path(name).parent)
            take(Path(name))


def local_start(recording: Recording) -> datetime | None:
    """When a recording began, on the clock it was recorded by; None without a clock."""
    if not recording.has_clock:
        return None
    zone = find_zone(recording.sources[0].time_zone) or UTC
    start = datetime.fromtimestamp(0, UTC) + timedelta(seconds=recording.start_s)
    return start.astimezone(zone).replace(tzinfo=None)


def studies_folder() -> Path:
    """Where studies lie unless the user says otherwise."""
    documents = QStandardPaths.writableLocation(QStandardPaths.StandardLocation.DocumentsLocation)
    return Path(documents or Path.home()) / "crossl-app"
