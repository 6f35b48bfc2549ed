"""The bar above the pages of the window: which one is looked at."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QTabBar, QWidget


class PageBar(QTabBar):
    """One tab a page; pages are known by ids that never change."""

    chosen = Signal(str)

    def __init__(self, pages: Sequence[tuple[str, str]], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._ids = tuple(id for id, _ in pages)
        for _, title in pages:
            self.addTab(title)
        self.setExpanding(False)
        self.setDrawBase(True)
        self.setAccessibleName(self.tr("Pages"))
        self.currentChanged.connect(self._on_changed)

    @property
    def current(self) -> str:
        """Id of the page that is looked at."""
        return self._ids[self.currentIndex()]

    def show_page(self, id: str) -> None:
        """Look at a page; `chosen` is emitted where it is another one."""
        self.setCurrentIndex(self._ids.index(id))

    def set_key(self, id: str, key: str) -> None:
        """Name the key of a page in its tooltip."""
        index = self._ids.index(id)
        self.setTabToolTip(index, f"{self.tabText(index)} ({key})" if key else "")

    def set_mark(self, id: str, mark: str) -> None:
        """Put a short text behind a page's title, such as how far training is; empty for none."""
        index = self._ids.index(id)
        title = self.tabText(index).split("  ", 1)[0]
        self.setTabText(index, f"{title}  {mark}" if mark else title)

    def _on_changed(self, index: int) -> None:
        if index >= 0:
            self.chosen.emit(self._ids[index])
