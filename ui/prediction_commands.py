"""Commands about predictions: walking through them, accepting them, and switching modalities."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QMessageBox, QWidget

from core.acceptance import lost_classes, stretches_of
from core.label_set import listed
from core.study_labels import Stretch
from core.window_navigation import next_window
from core.window_view import WindowView
from ui.actions import ActionRegistry
from ui.commands import Commands
from ui.predicting import Predicting
from ui.preferences import PreferenceStore
from ui.recording_page import RecordingPage
from ui.session import Session

WALKS = ("unsure", "differs", "fragile", "changed")
"""What one can walk through; see `core.window_navigation.next_window`."""
FRAGILE = 0.3
"""From this share of subsets on, a window that changes its class is called fragile."""
UNSURE = 0.5
"""Confidence below which one walks through windows where no threshold was set."""
SWITCHES = 9


class PredictionCommands(Commands):
    """What the menu Predictions does on the recording page."""

    def __init__(
        self,
        session: Session,
        predicting: Predicting,
        registry: ActionRegistry,
        preferences: PreferenceStore,
        page: RecordingPage,
        window: QWidget,
    ) -> None:
        super().__init__(session, registry, preferences, window)
        self._predicting = predicting
        self._page = page
        self._waiting: list[Stretch] = []
        self._texts: dict[int, str] = {}  # of the switches, as they are shown

    def add_commands(self) -> None:
        """Put the commands into the registry."""
        add, tr = self._registry.add, self.tr
        group = tr("Predictions")
        titles = {
            "unsure": (tr("Next &unsure window"), tr("Unsure window before"), "U"),
            "differs": (tr("Next window that &differs from its label"),
                        tr("Differing window before"), "J"),
            "fragile": (tr("Next &fragile window"), tr("Fragile window before"), "R"),
            "changed": (tr("Next window that the s&witches change"),
                        tr("Changed window before"), "L"),
        }  # fmt: skip
        for which, (later, earlier, key) in titles.items():
            add(f"predict.next_{which}", later, f"Ctrl+{key}", partial(self.walk, which, 1),
                group=group)  # fmt: skip
            add(f"predict.previous_{which}", earlier, f"Ctrl+Shift+{key}",
                partial(self.walk, which, -1), group=group)  # fmt: skip
        # Only while the page has the focus: on other pages the key starts what they are for.
        add("predict.accept", tr("&Accept the prediction"), "Ctrl+Return", self.accept, group=group,
            widget=self._page, context=Qt.ShortcutContext.WidgetWithChildrenShortcut,
            tooltip=tr("Label the epoch, or the selected ones, as predicted; the label says that "
                       "a model gave it"))  # fmt: skip
        add("predict.accept_all", tr("Accept all that are &sure…"), "Ctrl+Shift+Return",
            self.accept_all, group=group, widget=self._page,
            context=Qt.ShortcutContext.WidgetWithChildrenShortcut,
            tooltip=tr("Label every unlabelled epoch of this recording that the model is sure of"),
            )  # fmt: skip
        for number in range(SWITCHES):
            add(f"predict.switch_{number + 1}", tr("Modality {n} on or off").format(n=number + 1),
                f"Alt+{number + 1}", partial(self.switch, number), group=group)  # fmt: skip
        add("predict.all_on", tr("All &modalities on"), "Alt+0", self.all_on, group=group)

    def show_state(self) -> None:
        """Enable what can be done now."""
        view = self._predicting.view
        can_label = view is not None and self._session.labelling.journal is not None
        for which in WALKS:
            for way in ("next", "previous"):
                self._registry.action(f"predict.{way}_{which}").setEnabled(view is not None)
        for id in ("predict.accept", "predict.accept_all"):
            self._registry.action(id).setEnabled(can_label)
        modalities = self._predicting.modalities
        for number in range(SWITCHES):
            there = view is not None and number < len(modalities)
            action = self._registry.action(f"predict.switch_{number + 1}")
            action.setEnabled(there)
            action.setVisible(number < len(modalities))
            if there:
                on = number in self._predicting.kept
                text = self.tr("Switch {name} off") if on else self.tr("Switch {name} on")
                text = text.format(name=modalities[number])
                if self._texts.get(number) != text:  # every label comes by here
                    self._texts[number] = text
                    self._registry.set_text(f"predict.switch_{number + 1}", text)
        self._registry.action("predict.all_on").setEnabled(view is not None)

    # -- walking

    def walk(self, which: str, by: int) -> None:
        """Go to the next or previous window of a kind."""
        view = self._predicting.view
        if view is None:
            return
        limit = FRAGILE if which == "fragile" else max(view.threshold, UNSURE)
        row = next_window(view, self.row_here(view), by, which, limit)
        if row is None:
            self.said.emit(self.tr("There is no such window."))
        else:
            self.go_to_row(row)

    def row_here(self, view: WindowView) -> int:
        """The window at the cursor: of the epoch, or of what is visible without labels."""
        labelling = self._session.labelling
        time = labelling.time_s if labelling.scheme is not None else self._page.middle_s
        row = view.at(time)
        return row if row is not None else int(np.searchsorted(view.starts_s, time)) - 1

    def go_to_row(self, row: int) -> None:
        """Show a window of the shown recording, with the cursor on its epoch."""
        view = self._predicting.view
        if view is not None and 0 <= row < len(view):
            self._page.go_to_window(float(view.starts_s[row]), float(view.ends_s[row]))

    # -- accepting

    def accept(self) -> None:
        """Label the epoch, or the selected ones, as predicted."""
        view, labelling = self._predicting.view, self._session.labelling
        if view is None or labelling.scheme is None:
            return
        first = last = labelling.epoch
        selection = labelling.selection
        if selection is not None:
            first = labelling.grid.at(selection.start_ns)
            last = labelling.grid.at(selection.end_ns - 1)
        epochs = range(first, last + 1)
        stretches = stretches_of(view, labelling.grid, epochs, self._state_names())
        if not stretches:
            nothing = self.tr("There is no prediction here that could be accepted.")
            self.said.emit(self._lost(view, epochs) or nothing)
            return
        what = self.tr("{n} predictions accepted").format(n=len(stretches))
        if labelling.accept(stretches, what):
            if selection is not None:
                labelling.select(None)
            elif labelling.auto_advance:
                labelling.step(1)

    def accept_all(self) -> None:
        """Ask, then label every unlabelled epoch that the model is sure of."""
        view, labelling = self._predicting.view, self._session.labelling
        if view is None or labelling.scheme is None:
            return
        free = np.flatnonzero(labelling.codes_of(labelling.labels) < 0)
        stretches = stretches_of(view, labelling.grid, free.tolist(), self._state_names())
        if not stretches:
            nothing = self.tr("No unlabelled epoch has a prediction that is sure enough.")
            self.said.emit(self._lost(view, free.tolist()) or nothing)
            return
        box = QMessageBox(
            QMessageBox.Icon.Question,
            self.tr("Accept predictions"),
            self.tr("Label {n} unlabelled epochs of this recording as predicted?").format(
                n=len(stretches)
            ),
            QMessageBox.StandardButton.Ok | QMessageBox.StandardButton.Cancel,
            self._window,
        )
        box.setInformativeText(
            self.tr(
                "Windows with a confidence below {limit:.0%} stay unlabelled. The labels say that "
                "a model gave them; one step of undo takes them back."
            ).format(limit=view.threshold)
        )
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._waiting = stretches
        box.accepted.connect(self._accept_waiting)
        box.open()

    def _accept_waiting(self) -> None:
        stretches, self._waiting = self._waiting, []
        what = self.tr("{n} predictions accepted").format(n=len(stretches))
        if self._session.labelling.accept(stretches, what):
            self.said.emit(what)

    def _lost(self, view: WindowView, epochs: Sequence[int]) -> str:
        """Why predictions cannot be accepted that name classes which are gone; else empty."""
        lost = lost_classes(view, self._session.labelling.grid, epochs, self._state_names())
        if not lost:
            return ""
        return self.tr(
            "The label scheme has no class {names} any more, which this model predicts. Train "
            "again with the classes as they are now."
        ).format(names=listed(lost))

    def _state_names(self) -> list[str]:
        scheme = self._session.labelling.scheme
        return [entry.name for entry in scheme.states] if scheme is not None else []

    # -- switching

    def switch(self, number: int) -> None:
        """Switch a modality off, or on again."""
        if number < len(self._predicting.modalities):
            self._predicting.set_kept(tuple(sorted({*self._predicting.kept} ^ {number})))

    def all_on(self) -> None:
        """Switch all modalities on."""
        self._predicting.set_kept(tuple(range(len(self._predicting.modalities))))
