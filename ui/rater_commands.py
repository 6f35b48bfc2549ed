"""Commands about who labels: raters, their agreement, consensus, signing off, the audit."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QWidget

from core.errors import CrosslError
from core.progress import Cancelled, RunContext
from core.study import Study
from core.study_consensus import keep_consensus
from core.study_labels import NS, make_grid, to_s
from ui.actions import ActionRegistry
from ui.agreement_window import AgreementInput, AgreementWindow, RatedRecording
from ui.audit_window import AuditWindow
from ui.commands import Commands
from ui.jobs import LatestJob
from ui.preferences import PreferenceStore
from ui.raters_dialog import ConsensusSettings, RaterRow, RatersDialog
from ui.session import Session

GATHER_AFTER_MS = 400
"""So long after an edit the comparison is made anew."""


class RaterCommands(Commands):
    """Opens the windows about raters, and hands what they ask for to the study."""

    def __init__(
        self,
        session: Session,
        registry: ActionRegistry,
        preferences: PreferenceStore,
        window: QWidget,
    ) -> None:
        super().__init__(session, registry, preferences, window)
        self._comparing: AgreementWindow | None = None
        self._gathering = LatestJob(self)
        self._gathering.succeeded.connect(self._take_labels)
        self._gathering.failed.connect(self.failed)
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(GATHER_AFTER_MS)
        self._soon.timeout.connect(self._gather)
        session.labelling.labels_changed.connect(self._on_labels)

    def add_commands(self) -> None:
        """Put the commands into the registry."""
        add, tr, study = self._registry.add, self.tr, self.tr("Study")
        add("study.raters", tr("Ra&ters…"), [], self.edit_raters, group=study, icon="person")
        add("study.agreement", tr("A&greement of raters…"), [], self.show_agreement, group=study)
        add("study.sign_off", tr("Sign &off this recording"), [], self.sign_off, group=study,
            icon="lock")  # fmt: skip
        add("study.reopen", tr("Reo&pen this recording"), [], self.reopen, group=study,
            icon="unlock")  # fmt: skip
        add("study.audit", tr("&Who changed what…"), [], self.show_audit, group=study, icon="list")

    # -- signing off

    def sign_off(self) -> None:
        """Lock this rater's labels of the shown recording."""
        self._session.labelling.sign_off()
        self._session.refresh_recordings()

    def reopen(self) -> None:
        """Unlock them."""
        self._session.labelling.reopen()
        self._session.refresh_recordings()

    # -- raters

    def edit_raters(self) -> None:
        """List the raters, add some, and choose whether they see each other's labels."""
        study = self._session.study
        if study is None or not self._session.saved_or_said():
            return
        dialog = RatersDialog(
            _rows(study), study.settings.blinded, study.why_read_only, self._window
        )
        dialog.rater_added.connect(partial(self._add_rater, dialog))
        dialog.blinded_changed.connect(self._session.set_blinded)
        dialog.consensus_requested.connect(self.make_consensus)
        dialog.show()

    def _add_rater(self, dialog: RatersDialog, name: str) -> None:
        study = self._session.study
        if study is not None and self._session.change_study(partial(_add, name)):
            dialog.set_raters(_rows(study))

    # -- agreement

    def show_agreement(self) -> None:
        """Compare the raters; the window follows what is labelled meanwhile."""
        study = self._session.study
        if study is None or not self._session.saved_or_said():
            return
        if self._comparing is None:
            self._comparing = AgreementWindow(
                AgreementInput(study.scheme.states, (), _rows(study)), self._window
            )
            self._comparing.epoch_requested.connect(self._session.show_epoch)
            self._comparing.consensus_requested.connect(self.make_consensus)
            self._comparing.destroyed.connect(self._forget_comparing)
        self._comparing.show()
        self._comparing.raise_()
        self._gather()

    def _forget_comparing(self) -> None:
        self._comparing = None
        self._soon.stop()

    def _on_labels(self) -> None:
        if self._comparing is not None:
            self._soon.start()

    def _gather(self) -> None:
        study, shown = self._session.study, self._session.shown
        if study is None or self._comparing is None:
            return
        current = shown.entry.id if shown is not None and shown.entry is not None else None
        self._gathering.start(partial(_all_labels, study.folder, current))

    def _take_labels(self, value: AgreementInput) -> None:
        if self._comparing is not None:
            self._comparing.set_input(value)

    def shut_down(self) -> None:
        """End background work; returns when it has ended."""
        self._soon.stop()
        self._gathering.shut_down()

    def make_consensus(self, settings: ConsensusSettings) -> None:
        """Write what several raters say together, as the labels of a rater of its own."""
        study, shown = self._session.study, self._session.shown
        if study is None or not self._session.saved_or_said():
            return
        known = {rater.name: rater for rater in study.raters()}
        raters = [known[name] for name in settings.raters if name in known]
        current = shown.entry.id if shown is not None and shown.entry is not None else None
        epochs = recordings = 0
        try:
            for entry in self._session.recordings:
                if settings.all_recordings or entry.id == current:
                    count = keep_consensus(
                        study,
                        entry,
                        raters,
                        settings.name,
                        minimum=settings.minimum,
                        tie=settings.tie,
                    )
                    epochs += count
                    recordings += bool(count)
        except CrosslError as error:
            self.failed.emit(error)
        self._session.reload_labels()
        self.said.emit(
            self.tr("{name}: {epochs} epochs in {recordings} recordings.").format(
                name=settings.name, epochs=epochs, recordings=recordings
            )
        )

    # -- audit

    def show_audit(self) -> None:
        """List who changed what and when."""
        study = self._session.study
        if study is None:
            return
        window = AuditWindow(study.settings.name, study.audit(), self._window)
        window.refresh_requested.connect(partial(self._refresh_audit, window))
        window.show()

    def _refresh_audit(self, window: AuditWindow) -> None:
        if self._session.study is not None:
            window.set_entries(self._session.study.audit())


def _add(name: str, study: Study) -> object:
    return study.rater(name)


def _all_labels(folder: Path, current: int | None, context: RunContext) -> AgreementInput:
    """The labels of all raters, read in the background by a connection of its own."""
    study = Study.open(folder, read_only=True)
    try:
        scheme, raters = study.scheme, study.raters()
        recordings = []
        labelled = study.labelled_ns()
        for entry in study.recordings() if not study.settings.blinded else ():
            if context.should_stop():
                raise Cancelled
            labels = {
                rater.name: study.labels(entry.id, rater.id)
                for rater in raters
                if (entry.id, rater.id) in labelled
            }
            grid = make_grid(entry.duration_s, scheme.epoch_s, to_s(entry.grid_offset_ns))
            recordings.append(RatedRecording(entry.id, entry.name, grid, labels))
        return AgreementInput(
            scheme.states, tuple(recordings), _rows(study), current, study.settings.blinded
        )
    finally:
        study.close()


def _rows(study: Study) -> tuple[RaterRow, ...]:
    labelled = study.labelled_ns()
    signed = study.all_signed_off()
    return tuple(
        RaterRow(
            rater.name,
            rater.kind,
            sum(time for (_, by), time in labelled.items() if by == rater.id) / NS,
            sum(by == rater.id for _, by in labelled),
            sum(by == rater.id for _, by in signed),
        )
        for rater in study.raters()
    )
