"""About crossl-app: what it is, which build, of what versions, under which licences."""

from __future__ import annotations

from pathlib import Path

import PySide6
from PySide6.QtCore import QSize, Qt, qVersion
from PySide6.QtGui import QFont, QFontDatabase, QGuiApplication, QTextCursor, QTextDocument
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QPushButton,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from core import licences
from core.build_info import build_info
from ui.app_icon import app_icon

_CHOOSE_TEXT = (
    Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
)
ICON_SIDE = 72
"""Points."""


class AboutDialog(QDialog):
    """Shows facts about the program; all text can be selected and copied."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(self.tr("About crossl-app"))
        build = build_info()
        picture = QLabel()
        # The text beside it says the same.
        picture.setPixmap(app_icon().pixmap(QSize(ICON_SIDE, ICON_SIDE), self.devicePixelRatioF()))
        self.title = _words(build.title())
        self.title.setFont(_title_font(self.title.font()))
        self.purpose = _words(
            self.tr(
                "Self-supervised learning (CroSSL) on multimodal biomedical time series: label "
                "recordings, learn from those without labels too, and see what happens when "
                "sensors are missing."
            )
        )
        self.warning = _words(self.tr("For research, not for diagnosis."))
        self.hint = _words(build.gpu_hint())
        self.hint.setVisible(bool(build.gpu_hint()))

        self.versions = _page()
        self.versions.setAccessibleName(self.tr("Versions"))
        self.versions.setPlainText(versions_text())
        self.licences = LicenceView(self.qt_sentence())
        self.tabs = QTabWidget()
        self.tabs.addTab(self.versions, self.tr("&Versions"))
        self.tabs.addTab(self.licences, self.tr("&Licences"))
        self.tabs.currentChanged.connect(self._on_tab)

        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        self.copy_button = buttons.addButton(
            self.tr("&Copy versions"), QDialogButtonBox.ButtonRole.ActionRole
        )
        self.copy_button.setToolTip(self.tr("Title and versions, for a report of a problem"))
        self.copy_button.clicked.connect(self.copy_versions)
        buttons.rejected.connect(self.reject)
        for button in buttons.buttons():
            # Return belongs to the search.
            if isinstance(button, QPushButton):
                button.setAutoDefault(False)

        texts = QVBoxLayout()
        for label in (self.title, self.purpose, self.warning, self.hint):
            texts.addWidget(label)
        head = QHBoxLayout()
        head.addWidget(picture, 0, Qt.AlignmentFlag.AlignTop)
        head.addSpacing(8)
        head.addLayout(texts, 1)
        column = QVBoxLayout(self)
        column.addLayout(head)
        column.addWidget(self.tabs, 1)
        column.addWidget(buttons)
        unit = self.fontMetrics().averageCharWidth()
        wanted = QSize(92 * unit, 36 * self.fontMetrics().lineSpacing())
        self.resize(wanted.boundedTo(self.screen().availableSize() * 0.9))

    def qt_sentence(self) -> str:
        """Under which licence Qt is used, and where its libraries lie."""
        folder = Path(PySide6.__file__).parent
        return self.tr(
            "This program uses Qt {version} and Qt for Python under the GNU Lesser General Public "
            "License, version 3. Their libraries are separate files that you may replace, in "
            "{folder}"
        ).format(version=qVersion(), folder=folder)

    def copy_versions(self) -> None:
        """Put title and versions on the clipboard."""
        QGuiApplication.clipboard().setText(f"{build_info().title()}\n{versions_text()}")

    def _on_tab(self, index: int) -> None:
        if self.tabs.widget(index) is self.licences:
            self.licences.fill()
            self.licences.search.setFocus()


class LicenceView(QWidget):
    """The licences, read when they are first shown, with a search."""

    def __init__(self, sentence: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.sentence = _words(sentence)
        self.search = QLineEdit()
        self.search.setPlaceholderText(self.tr("Search the licences"))
        self.search.setAccessibleName(self.tr("Search the licences"))
        self.search.setClearButtonEnabled(True)
        self.search.textChanged.connect(self._on_text)
        self.search.returnPressed.connect(self.find_next)
        next_button = QPushButton(self.tr("Ne&xt"))
        next_button.setAutoDefault(False)
        next_button.clicked.connect(self.find_next)
        self.missing = QLabel(self.tr("Not found"))
        self.missing.setVisible(False)
        self.text = _page()
        self.text.setAccessibleName(self.tr("Licences of all parts"))
        self._filled = False
        row = QHBoxLayout()
        row.addWidget(self.search, 1)
        row.addWidget(next_button)
        row.addWidget(self.missing)
        column = QVBoxLayout(self)
        column.addWidget(self.sentence)
        column.addLayout(row)
        column.addWidget(self.text, 1)

    def fill(self) -> None:
        """Read the texts, about a megabyte in a binary."""
        if self._filled:
            return
        self._filled = True
        own = licences.own_text()
        parts = [own.strip(), licences.third_party_text().strip()]
        self.text.setPlainText("\n\n".join(part for part in parts if part) + "\n")

    def find_next(self) -> None:
        """Show the next place of the searched text, from the top again after the last."""
        wanted = self.search.text()
        if not wanted:
            return
        if not self.text.find(wanted):
            self.text.moveCursor(QTextCursor.MoveOperation.Start)
            self.missing.setVisible(not self.text.find(wanted, QTextDocument.FindFlag(0)))
            return
        self.missing.setVisible(False)

    def _on_text(self, wanted: str) -> None:
        """Search while typing, from where the last place begins."""
        cursor = self.text.textCursor()
        cursor.setPosition(cursor.selectionStart())
        self.text.setTextCursor(cursor)
        self.missing.setVisible(False)
        if wanted:
            self.find_next()


def versions_text() -> str:
    """A line for each part: name and version. torch is not imported for it."""
    rows = licences.versions()
    rows.insert(1, ("Qt", qVersion()))
    return "\n".join(f"{name} {version}" for name, version in rows)


def _words(text: str) -> QLabel:
    label = QLabel(text)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setWordWrap(True)
    label.setTextInteractionFlags(_CHOOSE_TEXT)
    return label


def _page() -> QPlainTextEdit:
    page = QPlainTextEdit()
    page.setReadOnly(True)
    page.setTextInteractionFlags(_CHOOSE_TEXT)
    page.setTabChangesFocus(True)
    page.setFrameShape(QFrame.Shape.NoFrame)
    font = QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont)
    size = page.font().pointSizeF()
    if size > 0:
        font.setPointSizeF(size)
    page.setFont(font)
    return page


def _title_font(font: QFont) -> QFont:
    larger = QFont(font)
    larger.setBold(True)
    if font.pointSizeF() > 0:
        larger.setPointSizeF(font.pointSizeF() * 1.4)
    return larger
