"""Help that opens without a network: pages in Markdown, with contents, search and back."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from PySide6.QtCore import QEvent, QSize, Qt, QUrl
from PySide6.QtGui import (
    QAction,
    QColor,
    QGuiApplication,
    QImage,
    QKeySequence,
    QResizeEvent,
    QTextBlock,
    QTextBlockFormat,
    QTextCharFormat,
    QTextCursor,
    QTextDocument,
    QTextFormat,
    QTextLength,
    QTextTable,
)
from PySide6.QtWidgets import (
    QDialog,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QSplitter,
    QTextBrowser,
    QTextEdit,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from ui.appearance import text_on
from ui.icons import keep_icon

PAGES = (
    "index",
    "start",
    "studies",
    "signals",
    "labelling",
    "raters",
    "exchange",
    "training",
    "predictions",
    "sensors",
    "next",
    "reports",
    "recordings",
    "batch",
    "keyboard",
    "privacy",
    "trouble",
)
"""Names of the pages in `resources/help`, in the order of the contents."""
WIDEST_IMAGE = 720
BESIDE_IMAGES = 80
"""Margins of a page, and the indentation of a list."""
_NAME = Qt.ItemDataRole.UserRole


@cache
def page_text(name: str) -> str:
    """A page as it is written, in Markdown. Raises KeyError for a page that is not there."""
    if name not in PAGES:
        raise KeyError(f"there is no help page '{name}'")
    return (files("resources") / "help" / f"{name}.md").read_text(encoding="utf-8")


def page_title(name: str) -> str:
    """The first heading of a page."""
    found = re.search(r"^# (.+)$", page_text(name), re.MULTILINE)
    return found.group(1).strip() if found else name


def anchor_of(heading: str) -> str:
    """What a link to a heading says behind `#`: `Bad signal` is `bad-signal`."""
    kept = re.sub(r"[^\w\- ]", "", heading.strip().casefold())
    return kept.replace(" ", "-")


@dataclass(frozen=True)
class _Place:
    page: str
    anchor: str = ""
    scroll: int = 0


class _Pages(QTextBrowser):
    """Shows a page; pictures come from beside the pages, and are no wider than the page."""

    def __init__(self) -> None:
        super().__init__()
        self._pictures: dict[str, QImage] = {}

    def loadResource(self, type: int, name: QUrl) -> object:
        path = name.path()
        if type != QTextDocument.ResourceType.ImageResource.value or name.scheme():
            return None
        picture = QImage()
        try:
            content = files("resources").joinpath("help", *path.split("/")).read_bytes()
        except OSError:
            # A page reads without its picture; Qt draws an empty frame.
            return picture
        picture.loadFromData(content)
        self._pictures[name.toString()] = picture
        return self._fitted(picture)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        kind = QTextDocument.ResourceType.ImageResource.value
        for name, picture in self._pictures.items():
            self.document().addResource(kind, QUrl(name), self._fitted(picture))
        self.document().markContentsDirty(0, self.document().characterCount())

    def _fitted(self, picture: QImage) -> QImage:
        width = min(WIDEST_IMAGE, max(self.viewport().width() - BESIDE_IMAGES, 200))
        if picture.width() <= width:
            return picture
        return picture.scaledToWidth(width, Qt.TransformationMode.SmoothTransformation)


class HelpWindow(QDialog):
    """The pages of the help; the window behind it stays usable."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(self.tr("Help"))
        self.setWindowFlag(Qt.WindowType.WindowMinMaxButtonsHint)
        self.resize(1020, 720)
        self._place = _Place("")
        self._before: list[_Place] = []
        self._after: list[_Place] = []
        self._hits: list[QTextCursor] = []
        self._at_hit = -1

        self.line = QLineEdit()
        self.line.setPlaceholderText(self.tr("Search all pages"))
        self.line.setAccessibleName(self.tr("Search all pages"))
        self.line.setToolTip(self.tr("Search all pages (Ctrl+F); Enter goes to the next hit"))
        self.line.setClearButtonEnabled(True)
        self.line.textChanged.connect(self._search)
        self.line.returnPressed.connect(self.next_hit)
        self.contents = QListWidget()
        self.contents.setAccessibleName(self.tr("Contents"))
        self.contents.setToolTip(self.tr("Pages; with a search, those that contain it"))
        self.contents.setSpacing(2)
        self.contents.currentItemChanged.connect(self._on_contents)
        self.browser = _Pages()
        self.browser.setAccessibleName(self.tr("Page"))
        self.browser.setOpenLinks(False)
        self.browser.setOpenExternalLinks(False)
        self.browser.anchorClicked.connect(self._follow)
        self.found = QLabel()
        self.found.setAccessibleName(self.tr("Hits"))
        self.outside = QLabel()
        self.outside.setTextFormat(Qt.TextFormat.PlainText)
        self.outside.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse
            | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        self.outside.setWordWrap(True)
        self.outside.setAccessibleName(self.tr("Link to outside the help"))
        self.outside.hide()
        self._lay_out()
        self._fill_contents()
        self.show_page("index")

    # -- parts

    def _lay_out(self) -> None:
        self.back = self._button(self.tr("Back"), "previous", ["Alt+Left"], self.go_back)
        self.forward = self._button(self.tr("Forward"), "next", ["Alt+Right"], self.go_forward)
        self._key(self.tr("Next hit"), ["F3"], self.next_hit)
        self._key(self.tr("Previous hit"), ["Shift+F3"], self.previous_hit)
        self._key(self.tr("Search"), ["Ctrl+F"], self._to_search)
        side = QWidget()
        column = QVBoxLayout(side)
        column.setContentsMargins(0, 0, 0, 0)
        for part in (self.line, self.contents, self.found):
            column.addWidget(part)
        main = QWidget()
        column = QVBoxLayout(main)
        column.setContentsMargins(0, 0, 0, 0)
        row = QHBoxLayout()
        row.addWidget(self.back)
        row.addWidget(self.forward)
        row.addStretch(1)
        column.addLayout(row)
        column.addWidget(self.browser)
        column.addWidget(self.outside)
        parts = QSplitter(Qt.Orientation.Horizontal)
        parts.addWidget(side)
        parts.addWidget(main)
        parts.setStretchFactor(1, 1)
        parts.setSizes([230, 790])
        parts.setChildrenCollapsible(False)
        QVBoxLayout(self).addWidget(parts)

    def _key(self, text: str, keys: list[str], slot: object) -> QAction:
        action = QAction(text, self)
        action.setShortcuts([QKeySequence(key) for key in keys])
        action.triggered.connect(slot)
        native = action.shortcut().toString(QKeySequence.SequenceFormat.NativeText)
        action.setToolTip(self.tr("{text} ({key})").format(text=text, key=native))
        self.addAction(action)
        return action

    def _button(self, text: str, icon: str, keys: list[str], slot: object) -> QToolButton:
        action = self._key(text, keys, slot)
        keep_icon(action, icon)
        button = QToolButton()
        button.setDefaultAction(action)
        button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        button.setAutoRaise(True)
        button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        return button

    # -- going to pages

    @property
    def page(self) -> str:
        """Name of the page that is shown."""
        return self._place.page

    def show_page(self, name: str, anchor: str = "") -> None:
        """Go to a page, or to a heading on it. Raises KeyError for a page that is not there."""
        page_text(name)
        if self._place.page:
            self._before.append(self._left())
        self._after.clear()
        self._go(_Place(name, anchor))

    def go_back(self) -> None:
        if self._before:
            self._after.append(self._left())
            self._go(self._before.pop())

    def go_forward(self) -> None:
        if self._after:
            self._before.append(self._left())
            self._go(self._after.pop())

    def _left(self) -> _Place:
        """The present place, to come back to."""
        return _Place(self._place.page, "", self.browser.verticalScrollBar().value())

    def _go(self, place: _Place) -> None:
        other = place.page != self._place.page
        self._place = place
        if other:
            self._draw()
        self.outside.hide()
        bar = self.browser.verticalScrollBar()
        bar.setValue(place.scroll)
        if place.anchor:
            self._scroll_to(place.anchor)
        self.back.defaultAction().setEnabled(bool(self._before))
        self.forward.defaultAction().setEnabled(bool(self._after))
        self._mark_contents()

    def _draw(self) -> None:
        """Lay out the page, with the palette's colours."""
        self.browser.setMarkdown(page_text(self._place.page))
        _space_out(self.browser.document(), self.palette().mid().color())
        self._find_hits()

    def _scroll_to(self, anchor: str) -> None:
        block = _heading(self.browser.document(), anchor)
        if block is None:
            return
        cursor = QTextCursor(block)
        self.browser.setTextCursor(cursor)
        top = self.browser.cursorRect(cursor).top()
        bar = self.browser.verticalScrollBar()
        bar.setValue(bar.value() + top)

    def _follow(self, link: QUrl) -> None:
        if link.scheme():
            address = link.toString()
            QGuiApplication.clipboard().setText(address)
            self.outside.setText(
                self.tr("{address} is outside the help. It was copied, not opened.").format(
                    address=address
                )
            )
            self.outside.show()
            return
        name = link.path().removesuffix(".md") or self._place.page
        self.show_page(name, link.fragment())

    # -- contents and search

    def _fill_contents(self, counts: dict[str, int] | None = None) -> None:
        self.contents.blockSignals(True)
        self.contents.clear()
        for name in PAGES:
            text = page_title(name)
            if counts is not None:
                if not counts[name]:
                    continue
                text = self.tr("{title} ({count})").format(title=text, count=counts[name])
            item = QListWidgetItem(text)
            item.setData(_NAME, name)
            self.contents.addItem(item)
        self.contents.blockSignals(False)
        self._mark_contents()

    def _mark_contents(self) -> None:
        self.contents.blockSignals(True)
        self.contents.setCurrentItem(
            next((i for i in self._items() if i.data(_NAME) == self._place.page), None)
        )
        self.contents.blockSignals(False)

    def _items(self) -> list[QListWidgetItem]:
        return [self.contents.item(row) for row in range(self.contents.count())]

    def _on_contents(self, item: QListWidgetItem | None) -> None:
        if item is not None and item.data(_NAME) != self._place.page:
            self.show_page(item.data(_NAME))
            self._show_hit(0)

    def _to_search(self) -> None:
        self.line.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self.line.selectAll()

    def _search(self) -> None:
        wanted = self.line.text().strip()
        if not wanted:
            self._fill_contents()
            self.found.setText("")
            self._find_hits()
            return
        counts = {name: _shown_text(name).count(wanted.casefold()) for name in PAGES}
        self._fill_contents(counts)
        total = sum(counts.values())
        pages = sum(count > 0 for count in counts.values())
        self.found.setText(
            self.tr("Nothing found")
            if not total
            else self.tr("Hits: {hits}, pages: {pages}").format(hits=total, pages=pages)
        )
        if total and not counts[self._place.page]:
            self.show_page(next(name for name in PAGES if counts[name]))
        self._find_hits()
        self._show_hit(0)

    def _find_hits(self) -> None:
        """Mark every hit on the page."""
        wanted = self.line.text().strip()
        document = self.browser.document()
        self._hits = []
        cursor = QTextCursor(document)
        while wanted:
            cursor = document.find(wanted, cursor)
            if cursor.isNull():
                break
            self._hits.append(QTextCursor(cursor))
        self._at_hit = -1
        self._mark_hits()

    def _mark_hits(self) -> None:
        colours = self.palette()
        plain = QTextCharFormat()
        plain.setBackground(Qt.GlobalColor.yellow)
        plain.setForeground(Qt.GlobalColor.black)
        chosen = QTextCharFormat()
        chosen.setBackground(colours.highlight())
        chosen.setForeground(text_on(colours.highlight().color()))
        marks = []
        for place, cursor in enumerate(self._hits):
            mark = QTextEdit.ExtraSelection()
            mark.cursor = cursor
            mark.format = chosen if place == self._at_hit else plain
            marks.append(mark)
        self.browser.setExtraSelections(marks)

    def next_hit(self) -> None:
        """Go to the next hit, on the next page after the last one of this page."""
        self._step(1)

    def previous_hit(self) -> None:
        """Go to the hit before, on the page before this page's first one."""
        self._step(-1)

    def _step(self, by: int) -> None:
        if not self.line.text().strip() or not self._items():
            return
        to = self._at_hit + by
        if 0 <= to < len(self._hits):
            self._show_hit(to)
            return
        names = [item.data(_NAME) for item in self._items()]
        at = names.index(self._place.page) if self._place.page in names else -by
        name = names[(at + by) % len(names)]
        if name != self._place.page:
            self.show_page(name)
        self._show_hit(0 if by > 0 else len(self._hits) - 1)

    def _show_hit(self, place: int) -> None:
        if not 0 <= place < len(self._hits):
            return
        self._at_hit = place
        at = QTextCursor(self._hits[place])
        at.clearSelection()
        self.browser.setTextCursor(at)
        self.browser.ensureCursorVisible()
        self._mark_hits()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        redrawn = (QEvent.Type.PaletteChange, QEvent.Type.FontChange)
        if event.type() in redrawn and self._place.page:
            scroll = self.browser.verticalScrollBar().value()
            self._draw()
            self.browser.verticalScrollBar().setValue(scroll)

    def sizeHint(self) -> QSize:
        return QSize(1020, 720)


@cache
def _shown_text(name: str) -> str:
    """A page's text without marks, small letters, a line a block: what search looks through."""
    document = QTextDocument()
    document.setMarkdown(page_text(name))
    return document.toPlainText().replace("\xa0", " ").casefold()


def _blocks(document: QTextDocument) -> list[QTextBlock]:
    found = []
    block = document.begin()
    while block.isValid():
        found.append(block)
        block = block.next()
    return found


def _heading(document: QTextDocument, anchor: str) -> QTextBlock | None:
    for block in _blocks(document):
        if block.blockFormat().headingLevel() and anchor_of(block.text()) == anchor:
            return block
    return None


def _space_out(document: QTextDocument, line: QColor) -> None:
    """Give a page of Markdown the air that Qt leaves out, and tables thin lines."""
    document.setDocumentMargin(18)
    fence = QTextFormat.Property.BlockCodeFence
    for block in _blocks(document):
        cursor = QTextCursor(block)
        shape = block.blockFormat()
        level = shape.headingLevel()
        if level:
            shape.setTopMargin(0 if level == 1 else 16)
            shape.setBottomMargin(8)
        elif shape.hasProperty(fence):
            more = block.next().blockFormat().hasProperty(fence)
            shape.setBottomMargin(0 if more else 10)
            shape.setLeftMargin(max(shape.leftMargin(), 24))
        elif cursor.currentTable() is None:
            shape.setBottomMargin(4 if block.textList() is not None else 8)
        if "\ufffc" in block.text():  # a picture: a quarter of its height would be blank above it
            shape.setBottomMargin(16)
        else:
            shape.setLineHeight(125, QTextBlockFormat.LineHeightTypes.ProportionalHeight.value)
        cursor.setBlockFormat(shape)
    share = QTextLength.Type.PercentageLength
    for frame in document.rootFrame().childFrames():
        if isinstance(frame, QTextTable):
            looks = frame.format()
            looks.setCellPadding(4)
            looks.setCellSpacing(0)
            looks.setBorderCollapse(True)
            looks.setBorder(1)
            looks.setBorderBrush(line)
            looks.setWidth(QTextLength(share, 100))
            if frame.columns() == 2:
                looks.setColumnWidthConstraints([QTextLength(share, 35), QTextLength(share, 65)])
            frame.setFormat(looks)
