"""Last page of the new-study window: what will be made, in words."""

from __future__ import annotations

from PySide6.QtWidgets import QCheckBox, QVBoxLayout, QWidget

from core.errors import CrosslError
from ui.wizard_draft import StudyDraft
from ui.wizard_page import ScrollPart, WizardPage, Words, describe


class SummaryPage(WizardPage):
    """Says what the study will be, and whether recordings are copied."""

    def __init__(self, draft: StudyDraft) -> None:
        super().__init__(
            draft,
            self.tr("Summary"),
            self.tr("Nothing has been written so far. Create makes the study as follows."),
        )
        self.copy = QCheckBox(self.tr("C&opy the recordings into the study's folder"))
        describe(
            self.copy,
            self.tr("Copy the recordings"),
            self.tr("The study then holds all it needs; without, it refers to the files (Alt+O)"),
        )
        self.says = Words()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        content = QWidget()
        inside = QVBoxLayout(content)
        inside.setContentsMargins(0, 0, 4, 0)
        inside.addWidget(self.says)
        inside.addStretch(1)
        column.addWidget(ScrollPart(content), 1)
        column.addWidget(self.copy)
        self._problem = ""
        self.copy.toggled.connect(self._on_copy)
        draft.recordings_changed.connect(self.show_soon)

    def enter(self) -> None:
        self.show_draft()

    def problem(self) -> str:
        if self.draft.is_busy():
            return self.tr("Something is still being read.")
        return self._problem

    def _on_copy(self, checked: bool) -> None:
        self.draft.copy_recordings = checked
        self.show_draft()

    def show_draft(self) -> None:
        self.copy.setChecked(self.draft.copy_recordings)
        self._problem = ""
        try:
            self.draft.plan()
        except CrosslError as error:
            self._problem = str(error)
        self.says.say("\n\n".join(self._parts()))
        self.problem_changed.emit()

    def _parts(self) -> list[str]:
        draft = self.draft
        preview = draft.preview
        parts = [
            self.tr("The study {name} will be kept in {folder}.").format(
                name=f"“{draft.name.strip()}”", folder=draft.folder
            )
        ]
        text = (
            self.tr("It takes in 1 recording.")
            if preview.taken == 1
            else self.tr("It takes in {n} recordings of {m} people.").format(
                n=preview.taken, m=preview.subjects
            )
        )
        if preview.problems:
            text += " " + self.tr("{n} of them have problems and will be left out.").format(
                n=preview.problems
            )
        if draft.copy_recordings:
            text += " " + self.tr("Their files are copied into its folder.")
        else:
            text += " " + self.tr("Their files stay in {folder}.").format(folder=draft.root)
        parts.append(text)
        if draft.fit is not None:
            parts.append(
                self.tr("Modalities: {names}.").format(
                    names=", ".join(
                        (
                            self.tr("{name} (1 channel at {rate:.6g} Hz)")
                            if len(m.channels) == 1
                            else self.tr("{name} ({n} channels at {rate:.6g} Hz)")
                        ).format(name=m.name, n=len(m.channels), rate=m.rate_hz or 0)
                        for m in draft.fit.settled
                    )
                )
            )
        parts.append(self._labels_text())
        scheme = draft.scheme
        if scheme is not None:
            text = self.tr("Labelled in epochs of {epoch:g} s with the states {names}.").format(
                epoch=scheme.epoch_s, names=", ".join(c.name for c in scheme.states)
            )
            if scheme.events:
                text += " " + self.tr("Events: {names}.").format(
                    names=", ".join(c.name for c in scheme.events)
                )
            if scheme.marks:
                text += " " + self.tr("Marks: {names}.").format(
                    names=", ".join(c.name for c in scheme.marks)
                )
            parts.append(text)
        if draft.windows is not None:
            parts.append(
                self.tr("The model will learn from windows of {length:g} s, one every "
                        "{hop:g} s.").format(
                    length=draft.windows.length_s, hop=draft.windows.step_s
                )
            )  # fmt: skip
        return parts

    def _labels_text(self) -> str:
        draft = self.draft
        if draft.labels is None:
            return self.tr("No labels are brought in.")
        text = self.tr("Labels that are there are brought in under the name “{rater}”.").format(
            rater=draft.rater
        )
        counts = draft.shown_counts
        if counts is not None and counts.rows:
            became = self.tr("Of the {n} recordings looked into they become {classes}.").format(
                n=counts.recordings, classes=", ".join(counts.classes) or self.tr("nothing")
            )
            left = [row.text for row in counts.rows if row.became is None]
            text += " " + became
            if left:
                text += " " + self.tr("Left unlabelled: {texts}.").format(
                    texts=", ".join(left[:8]) + ("…" if len(left) > 8 else "")
                )
        return text
