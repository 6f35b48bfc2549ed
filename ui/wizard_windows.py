"""Page of the new-study window on the windows that a model learns from."""

from __future__ import annotations

from PySide6.QtWidgets import QComboBox, QFormLayout, QVBoxLayout

from core.config import WindowsConfig
from core.errors import ConfigError
from core.study_plan import make_windows
from ui.wizard_draft import StudyDraft
from ui.wizard_page import NumberEdit, WizardPage, Words, add_row, choose


class WindowsPage(WizardPage):
    """Length and step of windows, apart from the epochs of labels."""

    def __init__(self, draft: StudyDraft) -> None:
        super().__init__(
            draft,
            self.tr("Windows for learning"),
            self.tr(
                "The model sees the recordings in windows of one length. They are separate from "
                "the epochs in which you label."
            ),
        )
        self.length = NumberEdit(
            self.tr("Length"), self.tr("Length of a window in seconds (Alt+L)"), above=0
        )
        self.hop = NumberEdit(
            self.tr("Step"),
            self.tr("From one window's start to the next, in seconds; empty: the length (Alt+S)"),
            above=0,
        )
        self.dense = NumberEdit(
            self.tr("Step in pretraining"),
            self.tr("Step where no labels are used, in seconds; empty: the step above (Alt+P)"),
            above=0,
        )
        self.anchor = QComboBox()
        self.anchor.addItem(self.tr("the recording"), "recording")
        self.anchor.addItem(self.tr("its first label"), "labels")
        self.says = Words()
        self.relation = Words()
        form = QFormLayout()
        add_row(form, self.tr("&Length, s"), self.length, self.length.toolTip())
        add_row(form, self.tr("&Step, s"), self.hop, self.hop.toolTip())
        add_row(form, self.tr("Step in &pretraining, s"), self.dense, self.dense.toolTip())
        add_row(
            form,
            self.tr("The first window starts &with"),
            self.anchor,
            self.tr("With the recording, or with its first label so that windows lie on epochs"),
        )
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(form)
        column.addWidget(self.says)
        column.addSpacing(8)
        column.addWidget(self.relation)
        column.addStretch(1)
        self._problem = ""
        self._filled: WindowsConfig | None = None
        for number in (self.length, self.hop, self.dense):
            number.changed.connect(self._on_edited)
        self.anchor.activated.connect(self._on_edited)
        draft.windows_changed.connect(self.show_soon)
        draft.scheme_changed.connect(self.show_soon)
        draft.guessed.connect(self.show_soon)
        self.show_draft()

    def problem(self) -> str:
        if self._problem:
            return self._problem
        windows = self.draft.windows
        if windows is None:
            return self.draft.why_not_looked_into() or self.tr("Say how long a window is.")
        shortest = min((r.duration_s for r in self.draft.opened.recordings), default=None)
        longest = max((r.duration_s for r in self.draft.opened.recordings), default=None)
        if longest is not None and shortest is not None and windows.length_s > longest:
            return self.tr(
                "A window of {length:g} s is longer than every recording that was looked into; "
                "the longest lasts {longest:.4g} s."
            ).format(length=windows.length_s, longest=longest)
        return ""

    def _on_edited(self) -> None:
        if self.is_filling:
            return
        try:
            length = self.length.value()
            if length is None:
                raise ValueError(self.tr("Say how long a window is."))
            windows = make_windows(
                {
                    "length_s": length,
                    "hop_s": self.hop.value(),
                    "pretrain_hop_s": self.dense.value(),
                    "anchor": self.anchor.currentData(),
                }
            )
        except (ConfigError, ValueError) as error:
            self._problem = str(error)[:1].upper() + str(error)[1:]
        else:
            self._problem = ""
            self._filled = windows
            self.draft.set_windows(windows)
        self._say()

    def show_draft(self) -> None:
        windows = self.draft.windows
        # What is being typed stays, and what cannot be, to be put right.
        if windows is not None and windows != self._filled:
            self._filled = windows
            with self.filling():
                self._problem = ""
                self.length.set_value(windows.length_s)
                self.hop.set_value(windows.hop_s)
                self.dense.set_value(windows.pretrain_hop_s)
                choose(self.anchor, windows.anchor)
        self._say()

    def _say(self) -> None:
        self.says.say(self.draft.windows_reason)
        windows = self.draft.windows
        if windows is not None:
            self.hop.setPlaceholderText(f"{windows.length_s:g}")
            self.dense.setPlaceholderText(f"{windows.step_s:g}")
        self.relation.say(self._relation_text(windows))
        self.problem_changed.emit()

    def _relation_text(self, windows: WindowsConfig | None) -> str:
        scheme = self.draft.scheme
        if windows is None or scheme is None:
            return ""
        epoch = scheme.epoch_s
        parts = [
            self.tr("You label epochs of {epoch:g} s. The model scores a window of {length:g} s "
                    "every {hop:g} s.").format(
                epoch=epoch, length=windows.length_s, hop=windows.step_s
            )
        ]  # fmt: skip
        if windows.length_s == epoch and windows.step_s == epoch:
            parts.append(self.tr("Each window is one epoch."))
        elif windows.length_s > epoch:
            parts.append(
                self.tr("A window holds about {n:g} epochs; it gets the class that covers most "
                        "of it.").format(n=round(windows.length_s / epoch, 1))
            )  # fmt: skip
        elif windows.length_s < epoch:
            parts.append(
                self.tr("An epoch holds about {n:g} windows' lengths; each window inside gets "
                        "the epoch's class.").format(n=round(epoch / windows.length_s, 1))
            )  # fmt: skip
        if windows.step_s < windows.length_s:
            parts.append(self.tr("Windows overlap, which costs no labels."))
        if windows.step_s > windows.length_s:
            parts.append(self.tr("Between two windows there is time that the model does not see."))
        if self.draft.labels is not None and windows.anchor == "recording" and (
            self.draft.labels.kind in ("annotations", "epochs", "file", "table")
        ):  # fmt: skip
            parts.append(
                self.tr("If scoring does not begin with the recording, let windows start with the "
                        "first label, so that they lie on the epochs.")
            )  # fmt: skip
        return " ".join(parts)
