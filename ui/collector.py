"""Python's garbage collector, run in the window's thread alone."""

from __future__ import annotations

import gc
import sys

from PySide6.QtCore import QObject, QTimer

INTERVAL_MS = 1000
MANY_MODULES = 300
"""torch and scikit-learn bring more when they are imported, the pages of the window fewer."""


class Collector(QObject):
    """Collects by the rules of Python, in the thread that made this object, until `stop`.

    Python collects in whatever thread has allocated most, so also in that of a training, where
    freeing a Qt object that was part of a cycle can end the program. pyqtgraph has such a class
    too, but looks through all that torch has imported each time, a fifth of a second in which the
    window stands still: here what has been imported is taken out of what is looked through.
    """

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._modules = 0
        self._timer = QTimer(self)
        self._timer.setInterval(INTERVAL_MS)
        self._timer.timeout.connect(self.collect)
        self._timer.start()
        gc.disable()

    def stop(self) -> None:
        """Leave it to Python again."""
        self._timer.stop()
        gc.enable()

    def collect(self) -> None:
        """Look through the oldest generation that is due, and all younger ones."""
        if len(sys.modules) > self._modules + MANY_MODULES:
            self._modules = len(sys.modules)
            gc.collect(1)  # what is garbage by now would stay for good
            gc.freeze()
        due = [
            generation
            for generation, (count, most) in enumerate(
                zip(gc.get_count(), gc.get_threshold(), strict=True)
            )
            if count > most
        ]
        if due:
            gc.collect(due[-1])
