"""The study that the new-study window is about to make: what was said and what was found out.

Pages show the draft and ask it for changes; it reads files in the background and announces what
comes of it. What the user has said is never replaced by a guess.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from PySide6.QtCore import QCoreApplication, QObject, QStandardPaths, QTimer, Signal

from core.config import (
    LabelsConfig,
    ModalityConfig,
    RecordingsConfig,
    TableLabels,
    WindowsConfig,
    safe_file_name,
)
from core.errors import ConfigError, CrosslError
from core.guess_channels import (
    ChannelRow,
    ModalitiesChoice,
    ModalitiesGuess,
    ModalityFit,
    as_list,
    channel_table,
    fit_modalities,
    guess_modalities,
    guess_windows,
    move_channel,
)
from core.guess_labels import LabelCounts, guess_scheme, label_counts, table_columns
from core.guess_patterns import PatternGuess, patterns_for, with_recordings, with_source
from core.guess_study import StudyGuess, guess_study, label_channels
from core.label_scheme import LabelScheme
from core.look_into import LOOK_INTO, OpenedRecordings
from core.progress import RunContext
from core.recording import Recording
from core.study_plan import (
    IMPORTED_RATER,
    RecordingsPreview,
    StudyPlan,
    check_folder,
    leaving_out,
    plan_from_run_file,
    preview_recordings,
    with_scheme_classes,
)
from ui.jobs import LatestJob

ModalityChange = Callable[[Sequence[ModalityConfig]], Sequence[ModalityConfig]]
TYPING_MS = 250
"""How long typing has to pause before files are looked for."""


@dataclass(frozen=True)
class _Fitted:
    """Modalities, guessed or not, and what they find; or why they find nothing."""

    guess: ModalitiesGuess | None
    modalities: ModalitiesChoice | None
    fit: ModalityFit | None
    problem: str = ""


@dataclass(frozen=True)
class _Found:
    """What adding paths came to: the settings before it, and the guess."""

    recordings: RecordingsConfig
    root: Path
    guess: PatternGuess
    reason: str


class StudyDraft(QObject):
    """Everything about the new study. Fields are changed through the methods only."""

    recordings_changed = Signal()
    """Patterns, what they find, or why they cannot be used."""
    guessed = Signal()
    """Some recordings have been opened, and everything was guessed."""
    modalities_changed = Signal()
    labels_changed = Signal()
    scheme_changed = Signal()
    windows_changed = Signal()
    start_changed = Signal()
    """Name, folder and notes were filled in by something else than their page."""
    busy_changed = Signal()
    progressed = Signal(object)
    failed = Signal(object)
    """A mistake of the program in the background, to be shown as one."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.name = self.tr("New study")
        self.folder = free_folder(self.name)
        self.notes = ""
        self._folder_said = False
        self._name_said = False
        self.run_file: Path | None = None
        self.engine: dict[str, Any] = {}

        self.paths: tuple[Path, ...] = ()
        self.root = Path.home()
        self.recordings: RecordingsConfig | None = None
        self.recordings_reason = ""
        self.recordings_problem = ""
        self.passed_over: tuple[Path, ...] = ()
        self.preview = RecordingsPreview()
        self._patterns_said = False

        self.guess: StudyGuess | None = None
        self._looked_at: object = None
        self.modalities: ModalitiesChoice | None = None
        self.modalities_reason = ""
        self.modalities_problem = ""
        self.fit: ModalityFit | None = None
        self._modalities_said = False
        self.modalities_refusal = ""
        self._changes: list[ModalityChange] = []

        self.labels: LabelsConfig | None = None
        self.labels_reason = ""
        self.labels_problem = ""
        self.counts: LabelCounts | None = None
        self.rater = IMPORTED_RATER
        self.labels_epoch_s: float | None = None
        self.table_columns: tuple[str, ...] = ()
        self._labels_said = False
        self.labels_refusal = ""

        self.scheme: LabelScheme | None = None
        self.scheme_preset: str | None = None
        self.scheme_reason = ""
        self._scheme_said = False
        self.windows: WindowsConfig | None = None
        self.windows_reason = ""
        self._windows_said = False
        self.copy_recordings = False

        self._closed = False
        self._jobs: dict[str, LatestJob] = {}
        for name, take in (
            ("pattern", self._take_pattern),
            ("plan", self._take_plan),
            ("preview", self._take_preview),
            ("guess", self._take_guess),
            ("fit", self._take_fit),
            ("count", self._take_counts),
            ("columns", self._take_columns),
        ):
            job = LatestJob(self)
            job.succeeded.connect(take)
            job.busy_changed.connect(self.busy_changed)
            job.progressed.connect(self.progressed)
            self._jobs[name] = job
        self._jobs["pattern"].failed.connect(self._refuse_paths)
        self._jobs["plan"].failed.connect(self._refuse_paths)
        self._jobs["preview"].failed.connect(self.failed)
        self._jobs["guess"].failed.connect(self._refuse_guess)
        self._jobs["fit"].failed.connect(self.failed)
        self._jobs["count"].failed.connect(self._refuse_labels)
        self._jobs["columns"].failed.connect(self.failed)
        self._typing = QTimer(self)
        self._typing.setSingleShot(True)
        self._typing.setInterval(TYPING_MS)
        self._typing.timeout.connect(self._preview)

    # -- background

    @property
    def doing(self) -> str:
        """What is being done in the background, in words; empty for nothing."""
        texts = {
            "plan": self.tr("Reading the run file…"),
            "pattern": self.tr("Looking for recordings…"),
            "guess": self.tr("Looking into recordings…"),
            "fit": self.tr("Grouping channels…"),
            "count": self.tr("Reading labels…"),
            "preview": self.tr("Listing recordings…"),
            "columns": self.tr("Reading labels…"),
        }
        return next((text for name, text in texts.items() if self._jobs[name].is_busy), "")

    def is_busy(self, *names: str) -> bool:
        """Whether any of these jobs runs, or any at all. Typing that has not paused counts."""
        jobs = [self._jobs[name] for name in names] if names else list(self._jobs.values())
        typing = self._typing.isActive() and (not names or "preview" in names)
        return typing or any(job.is_busy for job in jobs)

    def shut_down(self) -> None:
        """Stop all background work for good, and wait for it."""
        # Fields that lose the focus of a closing window still say what was typed.
        self._closed = True
        self._typing.stop()
        for job in self._jobs.values():
            job.drop()
        for job in self._jobs.values():
            job.shut_down()

    def _run(self, name: str, work: Callable[[RunContext], Any]) -> None:
        if not self._closed:
            self._jobs[name].start(work)

    # -- name and folder

    def set_name(self, name: str) -> None:
        self.name, self._name_said = name, True
        self._follow_name()

    def set_folder(self, folder: Path) -> None:
        self.folder, self._folder_said = folder, True

    def set_notes(self, notes: str) -> None:
        self.notes = notes

    def _follow_name(self) -> None:
        if not self._folder_said:
            self.folder = free_folder(self.name)
        self.start_changed.emit()

    # -- a run file

    def load_run_file(self, path: Path, data_root: Path | None = None) -> None:
        """Fill everything in from a run file."""
        self.run_file = path
        self.recordings_problem = ""
        self._run("plan", partial(_plan, path, self.folder, data_root))
        self.recordings_changed.emit()

    def _take_plan(self, plan: StudyPlan) -> None:
        self.name, self.notes, self.engine = plan.name, plan.notes, plan.engine
        self._name_said = True
        self._follow_name()
        self.root, self.recordings = plan.root, plan.recordings
        self.recordings_reason = self.tr("As the run file says.")
        self.recordings_problem = ""
        self.passed_over = ()
        self.modalities, self._modalities_said = plan.modalities, plan.modalities != "auto"
        self.labels, self._labels_said = plan.labels, True
        self.scheme, self._scheme_said = plan.scheme, bool(plan.scheme.states)
        self.windows, self._windows_said = plan.windows, True
        self._patterns_said = True
        reason = self.tr("As the run file says.")
        self.modalities_reason = self.labels_reason = self.windows_reason = reason
        self.scheme_reason = self.tr("The classes of the run file's labels.")
        self.scheme_preset = None
        self.guess = self._looked_at = None
        self._preview()
        self._tell_all()

    # -- recordings

    def add_paths(self, paths: Sequence[Path]) -> None:
        """Take files and folders in. As long as no pattern was changed by hand, all that were ever
        added are looked at together."""
        self.paths = tuple(dict.fromkeys((*self.paths, *paths)))
        self.recordings_problem = ""
        if not self._name_said and paths:
            first = paths[0]
            self.name = first.name if first.is_dir() else first.name.split(".")[0]
            self._follow_name()
        if self.recordings is None or not self._patterns_said:
            self._run("pattern", partial(_find, self.paths))
        else:
            self._run("pattern", partial(_find_more, self.recordings, self.root, tuple(paths)))
        self.recordings_changed.emit()

    def add_source(self, paths: Sequence[Path]) -> None:
        """Take in files of a further device that belong to the same recordings."""
        if self.recordings is None:
            self.add_paths(paths)
            return
        self._patterns_said = True
        self._run("pattern", partial(_find_source, self.recordings, self.root, tuple(paths)))
        self.recordings_changed.emit()

    def _take_pattern(self, found: _Found) -> None:
        self.root, self.recordings = found.root, found.recordings
        self.recordings_reason = found.reason
        self.recordings_problem = ""
        self.passed_over = found.guess.passed_over
        self._preview()
        self.recordings_changed.emit()

    def _refuse_paths(self, error: Exception) -> None:
        if not isinstance(error, CrosslError):
            self.failed.emit(error)
        self.recordings_problem = str(error)
        self.recordings_changed.emit()

    def set_recordings(self, config: RecordingsConfig, root: Path | None = None) -> None:
        """Other settings, as typed; what they find follows when typing pauses."""
        if config == self.recordings and root in (None, self.root):
            return
        self.recordings, self._patterns_said = config, True
        self.recordings_problem = ""
        if root is not None:
            self.root = root
        self._typing.start()
        self.recordings_changed.emit()

    def refuse_recordings(self, problem: str) -> None:
        """What was typed cannot be; nothing is looked for until it can."""
        self._typing.stop()
        self._jobs["preview"].drop()
        self.recordings_problem = problem
        self.recordings_changed.emit()

    def clear_recordings(self) -> None:
        """Forget all files and patterns."""
        self._typing.stop()
        for name in ("pattern", "preview"):
            self._jobs[name].drop()
        self.paths, self.recordings, self.passed_over = (), None, ()
        self.recordings_reason = self.recordings_problem = ""
        self.preview = RecordingsPreview()
        self._patterns_said = False
        self.recordings_changed.emit()

    def take_recording(self, id: str, taken: bool) -> None:
        """Take a recording, or leave it out."""
        if self.recordings is None:
            return
        rows = tuple(
            replace(row, taken=taken) if row.id == id else row for row in self.preview.rows
        )
        self.preview = replace(self.preview, rows=rows)
        self.recordings = leaving_out(self.recordings, [r.id for r in rows if not r.taken])
        self._typing.start()
        self.recordings_changed.emit()

    def _preview(self) -> None:
        self._typing.stop()
        if self.recordings is not None:
            self._run("preview", partial(_look_for, self.recordings, self.root, self.labels))

    def _take_preview(self, preview: RecordingsPreview) -> None:
        self.preview = preview
        self.recordings_changed.emit()

    def why_no_recordings(self) -> str:
        """Why there is nothing to go on with, in words."""
        if self.recordings_problem:
            return self.recordings_problem
        if self.is_busy("pattern", "plan"):
            return self.tr("Recordings are being looked for.")
        if self.recordings is None:
            return self.tr("Add files or a folder, or drop them here.")
        if self.is_busy("preview"):
            return self.tr("Recordings are being listed.")
        if self.preview.problem:
            return self.preview.problem
        if not self.preview.taken:
            return self.tr("All recordings are left out; tick at least one.")
        if self.preview.problems == self.preview.taken:
            first = next(row.problem for row in self.preview.rows if row.taken)
            return self.tr("None of the recordings can be used: {reason}").format(reason=first)
        return ""

    # -- looking into recordings

    def look_into(self, most: int | None = LOOK_INTO, again: bool = False) -> None:
        """Open some recordings and guess, unless that has been done for these very recordings."""
        if self.recordings is None or self.why_no_recordings():
            return
        key = (self.root, self.recordings.model_copy(update={"key_map": {}}), most)
        looked_at = self._looked_at
        if not again and looked_at is not None and looked_at == key:
            return
        self._looked_at = key
        self.guess = None
        self._jobs["fit"].drop()
        self._jobs["count"].drop()
        self._run("guess", partial(_guess, self.preview.found, self.recordings, self.root, most))
        self.guessed.emit()

    def guess_again(self, what: str) -> None:
        """Forget what was said about `modalities`, `labels`, `scheme` or `windows`."""
        setattr(self, f"_{what}_said", False)
        self.modalities_refusal = self.labels_refusal = ""
        if self.guess is not None:
            self._take_guess(self.guess)

    @property
    def opened(self) -> OpenedRecordings:
        return self.guess.opened if self.guess is not None else OpenedRecordings(())

    def why_not_looked_into(self) -> str:
        """Why nothing is known of the recordings' content, in words."""
        if self.is_busy("guess"):
            return self.tr("The recordings are being looked into.")
        if self.guess is None:
            return self.tr("The recordings have not been looked into.")
        return "" if self.guess.opened.opened else self.guess.problem

    def _take_guess(self, guess: StudyGuess) -> None:
        self.guess = guess
        if self._modalities_said and self.modalities is not None:
            self._fit()
        else:
            self._use_modalities(guess.modalities, guess.fit, guess.problem)
        if self._labels_said:
            self._count()
        else:
            self.labels, self.labels_reason = guess.labels.labels, guess.labels.reason
            self.labels_epoch_s, self.labels_problem = guess.labels.epoch_s, ""
            self.counts = guess.counts
            self._learn_names(guess.labels.key_map)
            self._look_for_columns()
            if self.labels is not None:
                self._preview()  # without the files of labels
        if not self._scheme_said and guess.scheme is not None and not self._labels_said:
            self.scheme, self.scheme_reason = guess.scheme.scheme, guess.scheme.reason
            self.scheme_preset = guess.scheme.preset
        if not self._windows_said and guess.windows is not None:
            self.windows, self.windows_reason = guess.windows.windows, guess.windows.reason
        self._tell_all()

    def _refuse_guess(self, error: Exception) -> None:
        self._looked_at = None
        if isinstance(error, CrosslError):
            self.guess = StudyGuess(OpenedRecordings(()), problem=str(error))
            self.guessed.emit()
        else:
            self.failed.emit(error)

    def _learn_names(self, key_map: Mapping[str, str]) -> None:
        if key_map and self.recordings is not None:
            both = {**key_map, **self.recordings.key_map}
            self.recordings = self.recordings.model_copy(update={"key_map": both})

    def _tell_all(self) -> None:
        for signal in (
            self.recordings_changed, self.guessed, self.modalities_changed, self.labels_changed,
            self.scheme_changed, self.windows_changed,
        ):  # fmt: skip
            signal.emit()

    # -- modalities

    @property
    def modalities_are_said(self) -> bool:
        """Whether the modalities are the user's, and no guess."""
        return self._modalities_said

    @property
    def scheme_is_said(self) -> bool:
        """Whether the classes are the user's, and do not follow the labels."""
        return self._scheme_said

    @property
    def channels(self) -> tuple[ChannelRow, ...]:
        """Channels that were met, without those that labels are read from."""
        return channel_table(self.opened.recordings, label_channels(self.labels))

    def set_modalities(self, choice: ModalitiesChoice, reason: str = "") -> None:
        """A preset, or a list, as the user said."""
        self.modalities, self._modalities_said = choice, True
        self._changes = []
        self.modalities_reason = reason
        self.modalities_problem = self.modalities_refusal = ""
        self._fit()
        self.modalities_changed.emit()

    def refuse_modalities(self, problem: str) -> None:
        """What was typed cannot be; an empty text takes that back."""
        self.modalities_refusal = problem
        self.modalities_changed.emit()

    def move_channel(self, row: ChannelRow, to: str | None) -> None:
        """Put a channel into a modality, or into none."""
        self.change_modalities(partial(_moved, row, to, self.opened.recordings))

    def change_modalities(self, change: ModalityChange) -> None:
        """Turn the modalities into other ones, as a list; in the background, since a list is made
        of a preset by looking at all recordings that were opened."""
        self._modalities_said = True
        self.modalities_reason = self.modalities_problem = self.modalities_refusal = ""
        # A change that is overtaken by the next one must not be lost.
        self._changes.append(change)
        self._run("fit", partial(_change_work, self.modalities, tuple(self._changes), self.opened))
        self.modalities_changed.emit()

    def _fit(self) -> None:
        if self.guess is None or not self.opened.opened:
            return
        choice = self.modalities if self._modalities_said else None
        self._run("fit", partial(_fit_work, choice, self.opened, label_channels(self.labels)))

    def _take_fit(self, fitted: _Fitted) -> None:
        self._changes = []
        if fitted.guess is not None:
            self._use_modalities(fitted.guess, fitted.fit, fitted.problem)
        else:
            self.modalities = fitted.modalities
            self.fit, self.modalities_problem = fitted.fit, fitted.problem
        self._follow_windows()
        self.modalities_changed.emit()

    def _use_modalities(
        self, guess: ModalitiesGuess | None, fit: ModalityFit | None, problem: str
    ) -> None:
        self.modalities = guess.modalities if guess is not None else None
        self.modalities_reason = guess.reason if guess is not None else ""
        self.fit, self.modalities_problem = fit, problem

    def why_no_modalities(self) -> str:
        """Why the modalities cannot be used, in words."""
        if reason := self.why_not_looked_into():
            return reason
        if self.modalities_refusal or self.modalities_problem:
            return self.modalities_refusal or self.modalities_problem
        if self.is_busy("fit"):
            return self.tr("Channels are being grouped.")
        if self.fit is None or not self.fit.settled:
            return self.tr("There is no modality; put a channel into one.")
        if not isinstance(self.modalities, str) and self.fit.absent:
            return self.tr(
                "No recording that was looked into has a channel for {names}; remove it, or name "
                "a channel that is there."
            ).format(names=", ".join(self.fit.absent))
        return ""

    # -- labels

    def set_labels(self, labels: LabelsConfig | None) -> None:
        """Other labels, as the user said; they are read in the background."""
        refused, self.labels_refusal = self.labels_refusal, ""
        if labels == self.labels and not self.labels_problem:
            if refused:
                self.labels_changed.emit()
            return
        before = self.labels
        self._labels_said = True
        same_texts = (
            before is not None
            and labels is not None
            and self.counts is not None
            and before.model_dump(exclude={"mapping", "classes", "min_cover"})
            == labels.model_dump(exclude={"mapping", "classes", "min_cover"})
        )
        self.labels, self.labels_problem = labels, ""
        if labels is None or (before is not None and before.kind != labels.kind):
            self.labels_epoch_s = None
        if same_texts and self.counts is not None and labels is not None:
            self.counts = self.counts.under(labels)
            self._follow_scheme()
        else:
            self.labels_reason = ""
            self.counts = None
            self._count()
            self._typing.start()
            if not self._modalities_said:
                self._fit()
        self.labels_changed.emit()

    def refuse_labels(self, problem: str) -> None:
        """What was typed cannot be."""
        self.labels_refusal = problem
        self.labels_changed.emit()

    def set_rater(self, rater: str) -> None:
        self.rater = rater.strip()
        self.labels_changed.emit()

    def set_key_map(self, key_map: Mapping[str, str]) -> None:
        """Names in tables that lead to other names in the files."""
        if self.recordings is None or dict(key_map) == self.recordings.key_map:
            return
        self.recordings = self.recordings.model_copy(update={"key_map": dict(key_map)})
        self._patterns_said = True
        self._typing.start()
        self._count()
        self.recordings_changed.emit()

    def _count(self) -> None:
        if self.labels is None:
            self._jobs["count"].drop()
            self.counts = None
            self._follow_scheme()
            return
        if self.guess is not None and self.opened.opened:
            self._run(
                "count",
                partial(_count_work, self.opened, self.labels, self.root, self.recordings),
            )
            self._look_for_columns()

    def _look_for_columns(self) -> None:
        if isinstance(self.labels, TableLabels) and self.opened.opened:
            fields = self.opened.opened[0][0].fields
            self._run("columns", partial(_columns_work, self.labels, self.root, fields))

    def _take_columns(self, columns: tuple[str, ...]) -> None:
        if columns != self.table_columns:
            self.table_columns = columns
            self.labels_changed.emit()

    def _take_counts(self, counts: LabelCounts) -> None:
        # The mapping may have been changed while the labels were read.
        self.counts = counts.under(self.labels) if self.labels is not None else None
        self.labels_problem = ""
        self._follow_scheme()
        self.labels_changed.emit()

    def _refuse_labels(self, error: Exception) -> None:
        if not isinstance(error, CrosslError):
            self.failed.emit(error)
        self.counts = None
        self.labels_problem = str(error)
        self.labels_changed.emit()

    @property
    def shown_counts(self) -> LabelCounts | None:
        """What each text becomes in the study: a class of it, or nothing."""
        if self.counts is None or self.labels is None or self.scheme is None:
            return self.counts
        try:
            return self.counts.under(with_scheme_classes(self.labels, self.scheme))
        except ConfigError:
            return self.counts

    def why_no_labels(self) -> str:
        """Why the labels cannot be brought in, in words."""
        if reason := self.why_not_looked_into():
            return reason
        if self.labels_refusal or self.labels_problem:
            return self.labels_refusal or self.labels_problem
        if self.labels is None:
            return ""
        if self.is_busy("count"):
            return self.tr("Labels are being read.")
        if not self.rater:
            return self.tr("Say whose labels these are; any name will do.")
        return ""

    # -- classes and windows

    def set_scheme(self, scheme: LabelScheme, preset: str | None = None) -> None:
        """Other classes, as the user said."""
        self.scheme, self.scheme_preset, self._scheme_said = scheme, preset, True
        self.scheme_reason = ""
        self.scheme_changed.emit()

    def rename_class(self, before: str, after: str) -> None:
        """Texts of the labels that became a class become it under its new name."""
        labels, counts = self.labels, self.shown_counts
        if labels is None or counts is None or self.counts is None:
            return
        mapping = {text: after if name == before else name for text, name in labels.mapping.items()}
        mapping |= {row.text: after for row in counts.rows if row.became == before}
        classes = [after if name == before else name for name in labels.classes]
        self.labels = labels.model_copy(update={"mapping": mapping, "classes": classes})
        self._labels_said = True
        self.counts = self.counts.under(self.labels)

    def _follow_scheme(self) -> None:
        """The classes follow the labels until the user says otherwise."""
        if self._scheme_said:
            if self.scheme is not None and self.counts is not None and self.counts.classes:
                # Classes that a mapping leads to are asked for; the user may take them out again.
                wanted = [c for c in (self.labels.classes if self.labels else ())]
                mapped = [c for c in self.labels.mapping.values() if c] if self.labels else []
                self.scheme = self.scheme.with_classes(
                    [c for c in self.counts.classes if c in wanted or c in mapped]
                )
        else:
            epoch = self.labels_epoch_s or getattr(self.labels, "epoch_s", None)
            classes = self.counts.classes if self.counts is not None else ()
            guess = guess_scheme(classes, self.labels, self.modalities, epoch)
            self.scheme, self.scheme_reason = guess.scheme, guess.reason
            self.scheme_preset = guess.preset
        self._follow_windows()
        self.scheme_changed.emit()

    def set_windows(self, windows: WindowsConfig) -> None:
        if windows != self.windows:
            self.windows, self._windows_said = windows, True
            self.windows_reason = ""
            self.windows_changed.emit()

    def _follow_windows(self) -> None:
        if self._windows_said or self.modalities is None or self.fit is None:
            return
        guess = guess_windows(
            self.modalities,
            self.fit.settled,
            self.labels_epoch_s,
            self.labels,
            [recording.duration_s for recording in self.opened.recordings],
        )
        self.windows, self.windows_reason = guess.windows, guess.reason
        self.windows_changed.emit()

    # -- the plan

    def plan(self) -> StudyPlan:
        """The plan of the study. Raises ConfigError in words where something is missing."""
        if problem := check_folder(self.folder) or self.why_no_recordings():
            raise ConfigError(problem)
        missing = self.recordings is None or self.modalities is None
        if missing or self.windows is None or self.scheme is None:
            raise ConfigError(self.tr("Something is missing; go back to the page that says what."))
        assert self.recordings is not None
        assert self.modalities is not None
        labels = self.labels
        if labels is not None:
            labels = with_scheme_classes(labels, self.scheme)
        plan = StudyPlan(
            folder=self.folder,
            name=self.name.strip(),
            notes=self.notes,
            root=self.root,
            recordings=self.recordings,
            found=self.preview.found,
            modalities=self.modalities,
            windows=self.windows,
            scheme=self.scheme,
            labels=labels,
            rater=self.rater,
            copy_recordings=self.copy_recordings,
            engine=self.engine,
        )
        plan.run_config()  # says what the parts together make impossible
        return plan


def free_folder(name: str) -> Path:
    """A folder for a study of that name among the user's documents, other than those taken."""
    location = QStandardPaths.StandardLocation.DocumentsLocation
    place = Path(QStandardPaths.writableLocation(location) or Path.home()) / "crossl-app"
    base = safe_file_name(name.strip() or "study")
    folder, number = place / base, 1
    while folder.exists():
        number += 1
        folder = place / f"{base}_{number}"
    return folder


# -- background work


def _find(paths: tuple[Path, ...], context: RunContext) -> _Found:
    guess = patterns_for(paths, context)
    return _Found(guess.recordings, guess.root, guess, guess.reason)


def _find_more(
    config: RecordingsConfig, root: Path, paths: tuple[Path, ...], context: RunContext
) -> _Found:
    guess = patterns_for(paths, context)
    both, shared = with_recordings(config, root, guess)
    reason = QCoreApplication.translate("StudyDraft", "The files added last are listed one by one.")
    return _Found(both, shared, guess, reason)


def _find_source(
    config: RecordingsConfig, root: Path, paths: tuple[Path, ...], context: RunContext
) -> _Found:
    guess = patterns_for(paths, context)
    both, shared = with_source(config, root, guess)
    return _Found(both, shared, guess, guess.reason)


def _plan(path: Path, folder: Path, data_root: Path | None, context: RunContext) -> StudyPlan:
    return plan_from_run_file(path, folder, data_root, context)


def _look_for(
    config: RecordingsConfig, root: Path, labels: LabelsConfig | None, context: RunContext
) -> RecordingsPreview:
    del context
    return preview_recordings(config, root, labels)


def _guess(
    found: Sequence[Any],
    config: RecordingsConfig,
    root: Path,
    most: int | None,
    context: RunContext,
) -> StudyGuess:
    return guess_study(found, config, root, context, most)


def _fit_work(
    choice: ModalitiesChoice | None,
    opened: OpenedRecordings,
    left_out: tuple[str, ...],
    context: RunContext,
) -> _Fitted:
    del context
    try:
        if choice is not None:
            return _Fitted(None, choice, fit_modalities(choice, opened.recordings))
        guess = guess_modalities(opened.recordings, left_out)
        return _Fitted(guess, None, fit_modalities(guess.modalities, opened.recordings))
    except CrosslError as error:
        return _Fitted(None, choice, None, str(error))


def _change_work(
    choice: ModalitiesChoice | None,
    changes: tuple[ModalityChange, ...],
    opened: OpenedRecordings,
    context: RunContext,
) -> _Fitted:
    changed: tuple[ModalityConfig, ...] = ()
    try:
        if choice is not None:
            changed = as_list(choice, opened.recordings)
        for change in changes:
            context.step("grouping channels")
            changed = tuple(change(changed))
        fit = fit_modalities(changed, opened.recordings) if changed else None
    except CrosslError as error:
        return _Fitted(None, changed, None, str(error))
    return _Fitted(None, changed, fit)


def _moved(
    row: ChannelRow,
    to: str | None,
    recordings: Sequence[Recording],
    modalities: Sequence[ModalityConfig],
) -> tuple[ModalityConfig, ...]:
    return move_channel(modalities, row, to, recordings)


def _columns_work(
    labels: TableLabels, root: Path, fields: Mapping[str, str], context: RunContext
) -> tuple[str, ...]:
    del context
    return table_columns(labels, root, fields)


def _count_work(
    opened: OpenedRecordings,
    labels: LabelsConfig,
    root: Path,
    recordings: RecordingsConfig | None,
    context: RunContext,
) -> LabelCounts:
    return label_counts(opened, labels, root, recordings, context)
