"""A form of every setting of learning, made from the typed settings, and the draft it edits."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from PySide6.QtCore import (
    QCoreApplication,
    QEvent,
    QLocale,
    QObject,
    QSignalBlocker,
    Qt,
    QTimer,
    Signal,
)
from PySide6.QtGui import QFont, QFontMetrics, QIcon, QResizeEvent, QShowEvent, QValidator
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QSizePolicy,
    QSpinBox,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from core.setting_help import (
    LENGTH,
    PRESET,
    Setting,
    all_settings,
    document_of,
    find_problem,
    full_masks,
    group_help,
    group_titles,
    preset_names,
    preset_of,
    rest_of,
    same_value,
    setting,
    values_of,
)
from ui.dialog_parts import Paragraph, named
from ui.icons import icon, keep_icon
from ui.wizard_page import ScrollPart, Words, choose, describe, put

HELP_LINES = 4
"""Lines of help for which there is always room, so that the form stays still."""
_LARGEST_INT = 2**31 - 1
_LARGEST = 1e12
_DECIMALS = 12
_LEAST_STEP = 1e-6
_OPEN_FIRST = "pretrain"
_BOX_WIDTH = 150
_TITLE_SHARE = 0.36
"""Of the form's width, that titles may take."""


# ---------------------------------------------------------------- what is edited


class SettingsDraft(QObject):
    """The settings while they are being changed: one document, however many views edit it.

    A value that was not changed follows the preset; one that was stays when the preset changes.
    """

    changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._preset = preset_names()[0]
        self._values = values_of({})
        self._rest: dict[str, Any] = {}
        self._unreadable: dict[str, str] = {}
        self._given = self.document()

    @property
    def preset(self) -> str:
        """The preset that values are compared with."""
        return self._preset

    @property
    def is_touched(self) -> bool:
        """Whether anything differs from the document that was given."""
        return bool(self._unreadable) or self.document() != self._given

    def set_document(self, document: Mapping[str, Any], preset: str = "") -> None:
        """Take over a document of settings; `preset` stands where it names none."""
        model = document.get("model", {})
        if preset and isinstance(model, Mapping) and "preset" not in model:
            document = {**document, "model": {**model, "preset": preset}}
        self._take(document)
        self._given = self.document()
        self.changed.emit()

    def restore(self) -> None:
        """Go back to the document that was given."""
        self._take(self._given)
        self.changed.emit()

    def _take(self, document: Mapping[str, Any]) -> None:
        self._preset = preset_of(document)
        self._values = values_of(document, self._preset)
        self._rest = rest_of(document)
        self._unreadable.clear()

    def document(self) -> dict[str, Any]:
        """The shortest document that says what counts."""
        return document_of(self._values, self._rest, self._preset)

    def setting(self, path: str) -> Setting:
        """What the setting may be, and what it is under the preset. Raises KeyError."""
        return setting(path, self._preset)

    def value(self, path: str) -> Any:
        """What counts now. Raises KeyError."""
        return self._values[path]

    def set_value(self, path: str, value: Any) -> None:
        """Change one setting."""
        self.set_values({path: value})

    def set_values(self, values: Mapping[str, Any]) -> None:
        """Change several settings at once."""
        touched = False
        for path, value in values.items():
            touched |= self._unreadable.pop(path, None) is not None
            if same_value(self.setting(path), self._values[path], value):
                continue
            touched = True
            if path == PRESET:
                self._change_preset(value)
            self._values[path] = value
        if touched:
            self.changed.emit()

    def _change_preset(self, preset: str) -> None:
        after = values_of({"model": {"preset": preset}})
        for entry in all_settings(self._preset):
            if entry.path != LENGTH and not self.is_changed(entry.path):
                self._values[entry.path] = after[entry.path]
        self._preset = preset

    def refuse(self, path: str, problem: str) -> None:
        """What was typed for a setting cannot be read; its value stays as it was."""
        if self._unreadable.get(path) != problem:
            self._unreadable[path] = problem
            self.changed.emit()

    def is_readable(self, path: str) -> bool:
        """Whether what is typed for a setting is its value."""
        return path not in self._unreadable

    def is_changed(self, path: str) -> bool:
        """Whether a setting is other than the preset has it."""
        if path in (LENGTH, PRESET):  # no preset says them
            return False
        entry = self.setting(path)
        return path in self._unreadable or not same_value(entry, self._values[path], entry.default)

    def reset(self, path: str) -> None:
        """Let a setting be as the preset has it."""
        self.set_value(path, values_of({}, self._preset)[path])

    def problem(self) -> str:
        """What is wrong with the settings, in words; empty where nothing is."""
        for problem in self._unreadable.values():
            return problem
        return find_problem(self.document())


# ---------------------------------------------------------------- the form


class ConfigForm(QWidget):
    """Every setting in foldable groups, with a search, help, and a way back to the preset."""

    changed = Signal()

    def __init__(self, draft: SettingsDraft | None = None, parent: QWidget | None = None) -> None:
        """`draft`: edited together with other views; left out: the form's own."""
        super().__init__(parent)
        self.setAccessibleName(self.tr("All settings"))
        self.draft = draft if draft is not None else SettingsDraft(self)
        self._focused = ""
        self._later, self._scroll_soon = QTimer(self), QTimer(self)
        for timer, slot in ((self._later, self._make_more), (self._scroll_soon, self._scroll)):
            timer.setSingleShot(True)
            timer.setInterval(0)
            timer.timeout.connect(slot)
        self.find = QLineEdit()
        self.find.setClearButtonEnabled(True)
        self.find.setPlaceholderText(self.tr("Words of a name or of what it means"))
        find_label = named(
            self.tr("Fi&nd"), self.find, self.tr("Show only settings with these words")
        )
        self.only_changed = QCheckBox(self.tr("Changed &only"))
        describe(
            self.only_changed,
            self.tr("Changed only"),
            self.tr("Show only settings that are other than in the preset (Alt+O)"),
        )
        self.back = QPushButton(self.tr("&Undo changes"))
        self.back.setAutoDefault(False)
        describe(
            self.back,
            self.tr("Undo changes"),
            self.tr("Put every setting back as the study or the run had it (Alt+U)"),
        )
        self.find.textChanged.connect(self._show_found)
        self.only_changed.toggled.connect(self._show_found)
        self.back.clicked.connect(self.draft.restore)

        inside = QWidget()
        column = QVBoxLayout(inside)
        column.setContentsMargins(0, 0, 6, 0)
        column.setSpacing(2)
        self.groups: dict[str, _Group] = {}
        for key, title in group_titles().items():
            group = _Group(key, title, self.draft, self._on_focus)
            self.groups[key] = group
            column.addWidget(group)
        self.none_found = Words(self.tr("No setting has these words."))
        self.none_found.hide()
        column.addWidget(self.none_found)
        column.addStretch(1)
        self.area = ScrollPart(inside)
        self.area.setFocusPolicy(Qt.FocusPolicy.NoFocus)

        self.help = Words()
        self.help.setAccessibleName(self.tr("What the setting means"))
        self.help.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
        self.reason = Paragraph()
        self.reason.setAccessibleName(self.tr("What is wrong with the settings"))
        line = QFrame()
        line.setFrameShape(QFrame.Shape.HLine)
        line.setFrameShadow(QFrame.Shadow.Sunken)

        top = QHBoxLayout()
        top.addWidget(find_label)
        top.addWidget(self.find, 1)
        top.addWidget(self.only_changed)
        top.addWidget(self.back)
        page = QVBoxLayout(self)
        page.setContentsMargins(0, 0, 0, 0)
        page.addLayout(top)
        page.addWidget(self.area, 1)
        page.addWidget(line)
        page.addWidget(self.help)
        page.addWidget(self.reason)
        self.draft.changed.connect(self._on_changed)
        self._draw_icon()
        self._say_help()
        self._show_state()

    # -- values

    def set_document(self, document: Mapping[str, Any], preset: str = "") -> None:
        """Show a document of settings; `preset` stands where it names none."""
        self.draft.set_document(document, preset)

    def values(self) -> dict[str, Any]:
        """The document: only what differs from preset and defaults."""
        return self.draft.document()

    def problem(self) -> str:
        """What is wrong with the settings, in words; empty where nothing is."""
        return self.draft.problem()

    def editor(self, path: str) -> Editor:
        """The editor of a setting, in its group, which is unfolded. Raises KeyError."""
        group = self.groups[self.draft.setting(path).group]
        group.open(True)
        return group.editors[path]

    def show_setting(self, path: str) -> None:
        """Bring a setting before the user and give it the keyboard."""
        self.find.clear()
        self.only_changed.setChecked(False)
        editor = self.editor(path)
        _give_focus(editor)
        self._on_focus(path)
        self._scroll_soon.start()  # when the editor has its place

    # -- what is shown

    def showEvent(self, event: QShowEvent) -> None:
        if not any(group.is_open for group in self.groups.values()):
            self.groups[_OPEN_FIRST].open(True)
        self._later.start()
        super().showEvent(event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit_titles()

    def _fit_titles(self) -> None:
        width = min(_title_width(self), int(_TITLE_SHARE * self.width()))
        for group in self.groups.values():
            group.set_title_width(width)

    def changeEvent(self, event: QEvent) -> None:
        if event.type() == QEvent.Type.FontChange:
            self._fit_titles()
            self._say_help()
        elif event.type() == QEvent.Type.PaletteChange:
            self._draw_icon()
        super().changeEvent(event)

    def _draw_icon(self) -> None:
        drawn = icon("undo", self.palette())
        for group in self.groups.values():
            group.set_back_icon(drawn)

    def _make_more(self) -> None:
        """Make the editors of one more group, while nothing else is to be done."""
        for group in self.groups.values():
            if not group.editors:
                group.make_rows()
                self._later.start()
                return

    def _scroll(self) -> None:
        editor = self.groups[self.draft.setting(self._focused).group].editors[self._focused]
        self.area.ensureWidgetVisible(editor)

    def _on_changed(self) -> None:
        self._show_state()
        self.changed.emit()

    def _show_state(self) -> None:
        for group in self.groups.values():
            group.show_values()
        self.back.setEnabled(self.draft.is_touched)
        self.reason.say(self.problem())
        self._say_help()

    def _show_found(self) -> None:
        """Show the settings in which all words are found, in unfolded groups."""
        words = self.find.text().casefold().split()
        changed_only = self.only_changed.isChecked()
        any_found = False
        for group in self.groups.values():
            found = [
                entry.path
                for entry in group.settings
                if _has_words(entry, group.title, words)
                and (not changed_only or self.draft.is_changed(entry.path))
            ]
            any_found |= bool(found)
            group.show_only(found if words or changed_only else None)
        self.none_found.setVisible(not any_found)
        self.area.verticalScrollBar().setValue(0)

    def _on_focus(self, path: str) -> None:
        self._focused = path
        self._say_help()

    def _say_help(self) -> None:
        self.help.setMinimumHeight(HELP_LINES * self.help.fontMetrics().lineSpacing())
        if not self._focused:
            self.help.setText(
                self.tr(
                    "What is changed is bold; the arrow beside it puts it back as the preset has "
                    "it. Choose a setting to read what it means."
                )
            )
            return
        entry = self.draft.setting(self._focused)
        parts = [f"{entry.path}: {entry.help}"]
        if entry.bounds:
            parts.append(self.tr("Allowed: {bounds}.").format(bounds=entry.bounds))
        if entry.path not in (LENGTH, PRESET):
            parts.append(
                self.tr("In the preset {preset}: {value}.").format(
                    preset=self.draft.preset, value=value_text(entry, entry.default)
                )
            )
        self.help.setText(" ".join(parts))


class _Group(QWidget):
    """Settings under a heading that folds them; editors are made when they are first wanted."""

    def __init__(
        self,
        key: str,
        title: str,
        draft: SettingsDraft,
        on_focus: Callable[[str], None],
    ) -> None:
        """`on_focus`: called with the setting that gets the keyboard."""
        super().__init__()
        self.title = title
        self.settings = tuple(entry for entry in all_settings() if entry.group == key)
        self.editors: dict[str, Editor] = {}
        self._draft = draft
        self._width = 0
        self._on_focus = on_focus
        self._rows: dict[str, tuple[QLabel, Editor, QToolButton]] = {}
        self._found: Sequence[str] | None = None
        self._folded = True
        self._back_icon = QIcon()
        self.button = QToolButton()
        self.button.setAutoRaise(True)
        self.button.setCheckable(True)
        self.button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.button.setArrowType(Qt.ArrowType.RightArrow)
        self.button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        describe(self.button, title, group_help(key))
        self.button.clicked.connect(self._on_clicked)
        self._body = QWidget()
        self._grid = QGridLayout(self._body)
        self._grid.setContentsMargins(22, 2, 0, 6)
        self._grid.setHorizontalSpacing(8)
        self._grid.setColumnStretch(1, 1)
        self._body.hide()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.button)
        column.addWidget(self._body)
        self.show_values()

    @property
    def is_open(self) -> bool:
        return not self._folded

    def open(self, open_: bool) -> None:
        """Unfold the group, or fold it."""
        self._folded = not open_
        self._show_rows()

    def show_only(self, paths: Sequence[str] | None) -> None:
        """Show these settings only, unfolded; None: all of them, folded as before."""
        self._found = paths
        self.setVisible(paths is None or bool(paths))
        self._show_rows()

    def set_title_width(self, width: int) -> None:
        """Pixels of the column of titles; longer ones take two lines."""
        self._width = width
        self._grid.setColumnMinimumWidth(0, width)
        for label, _, _ in self._rows.values():
            label.setFixedWidth(width)

    def set_back_icon(self, drawn: QIcon) -> None:
        """The picture of the buttons that put a setting back: one for all, it takes a while."""
        self._back_icon = drawn
        for _, _, back in self._rows.values():
            back.setIcon(drawn)

    def show_values(self) -> None:
        """Show what counts now."""
        changed = 0
        for entry in self.settings:
            is_changed = self._draft.is_changed(entry.path)
            changed += is_changed
            if entry.path in self._rows:
                self._show_value(entry.path, is_changed)
        says = self.title
        if changed:
            says = self.tr("{title} ({n} changed)").format(title=self.title, n=changed)
        self.button.setText(says)
        self.button.setAccessibleName(says)
        font = self.button.font()
        font.setBold(bool(changed))
        self.button.setFont(font)

    def _show_value(self, path: str, is_changed: bool) -> None:
        label, editor, back = self._rows[path]
        if self._draft.is_readable(path):
            editor.show_value(self._draft.value(path))
        font = label.font()
        if font.bold() != is_changed:
            font.setBold(is_changed)
            label.setFont(font)
        entry = self._draft.setting(path)
        back.setVisible(is_changed and self._is_wanted(path))
        back.setToolTip(
            self.tr("Back to {value}, as in the preset {preset}").format(
                value=value_text(entry, entry.default), preset=self._draft.preset
            )
        )

    def _on_clicked(self) -> None:
        if self._found is not None:  # a search unfolds what it finds
            self._show_rows()
        else:
            self.open(self._folded)

    def _show_rows(self) -> None:
        is_open = not self._folded if self._found is None else bool(self._found)
        self.button.setChecked(is_open)
        self.button.setArrowType(Qt.ArrowType.DownArrow if is_open else Qt.ArrowType.RightArrow)
        if is_open:
            self.make_rows()
        for path, (label, editor, back) in self._rows.items():
            is_wanted = self._is_wanted(path)
            label.setVisible(is_wanted)
            editor.setVisible(is_wanted)
            back.setVisible(is_wanted and self._draft.is_changed(path))
        self._body.setVisible(is_open)

    def _is_wanted(self, path: str) -> bool:
        return self._found is None or path in self._found

    def make_rows(self) -> None:
        """Make the editors, where they are not there yet."""
        if self._rows:
            return
        self._grid.setColumnMinimumWidth(0, self._width)
        for number, entry in enumerate(self.settings):
            editor = make_editor(entry)
            label = QLabel(self._title_of(entry))
            label.setToolTip(entry.help)
            label.setWordWrap(True)
            label.setFixedWidth(self._width)
            back = QToolButton()
            back.setAutoRaise(True)
            back.setIcon(self._back_icon)
            describe(back, self.tr("Reset {title}").format(title=entry.title), "")
            self._grid.setColumnMinimumWidth(2, back.sizeHint().width())
            _Watch(editor, back, entry.path, self._draft, self._on_focus)
            self._grid.addWidget(label, number, 0, Qt.AlignmentFlag.AlignTop)
            self._grid.addWidget(editor, number, 1)
            self._grid.addWidget(back, number, 2, Qt.AlignmentFlag.AlignTop)
            label.setMinimumHeight(editor.line_height())
            self._rows[entry.path] = (label, editor, back)
            self.editors[entry.path] = editor
        self.show_values()
        last: QWidget = self.button
        for _, editor, back in self._rows.values():
            for widget in (*editor.leaves(), back):
                # Made later than what comes after it, yet reached before.
                QWidget.setTabOrder(last, widget)
                last = widget

    def _title_of(self, entry: Setting) -> str:
        if not entry.unit:
            return entry.title
        return f"{entry.title}, {'Hz' if entry.unit == 'hz' else entry.unit}"


class _Watch(QObject):
    """Carries what one editor says to the draft, and tells when it has the keyboard."""

    def __init__(
        self,
        editor: Editor,
        back: QToolButton,
        path: str,
        draft: SettingsDraft,
        on_focus: Callable[[str], None],
    ) -> None:
        super().__init__(editor)
        self._path = path
        self._draft = draft
        self._on_focus = on_focus
        editor.said.connect(self._on_said)
        editor.refused.connect(self._on_refused)
        editor.rebuilt.connect(self._watch)
        back.clicked.connect(self._on_back)
        back.installEventFilter(self)
        self._editor = editor
        self._watch()

    def _watch(self) -> None:
        for widget in self._editor.leaves():
            widget.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.FocusIn:
            self._on_focus(self._path)
        return False

    def _on_said(self, value: object) -> None:
        self._draft.set_value(self._path, value)

    def _on_refused(self, problem: str) -> None:
        self._draft.refuse(self._path, problem)

    def _on_back(self) -> None:
        self._draft.reset(self._path)
        self._editor.show_value(self._draft.value(self._path))
        # The button goes; the keyboard stays with the setting.
        _give_focus(self._editor)


def _give_focus(editor: Editor) -> None:
    """Give the keyboard to the first part that takes it."""
    able = [widget for widget in editor.leaves() if widget.isEnabled()]
    if able:
        able[0].setFocus(Qt.FocusReason.OtherFocusReason)


def _title_width(widget: QWidget) -> int:
    """Pixels that nearly all titles need in bold."""
    font = QFont(widget.font())
    font.setBold(True)
    metrics = QFontMetrics(font)
    widths = sorted(metrics.horizontalAdvance(f"{entry.title}, s") for entry in all_settings())
    return widths[int(0.9 * len(widths))] + 4


def _has_words(entry: Setting, group_title: str, words: Sequence[str]) -> bool:
    texts = (entry.path, entry.title, entry.help, group_title, *entry.choices)
    text = " ".join((*texts, *(part.help for part in entry.entries))).casefold()
    return all(word in text for word in words)


def value_text(entry: Setting, value: Any) -> str:
    """A value in words."""
    translate = QCoreApplication.translate
    if value is None:
        return translate("ConfigForm", "left out")
    if entry.kind == "masks":
        return "; ".join(_mask_text(mask) for mask in full_masks(value))
    if entry.many:
        return list_text(entry, value) or translate("ConfigForm", "none")
    if entry.kind == "bool":
        return translate("ConfigForm", "yes") if value else translate("ConfigForm", "no")
    return number_text(value) if entry.kind == "float" else str(value)


def _mask_text(mask: Mapping[str, Any]) -> str:
    if mask["strategy"] == "complementary":
        return mask["strategy"]
    return f"{mask['strategy']} {number_text(mask['keep'])}"


def number_text(number: float) -> str:
    """A number as short as it can be written."""
    return f"{number:.10g}"


# ---------------------------------------------------------------- editors


class Editor(QWidget):
    """Edits one value. What the user makes of it comes as `said`, what cannot be read as
    `refused`; showing a value says nothing."""

    said = Signal(object)
    refused = Signal(str)
    rebuilt = Signal()
    """It has other parts now."""

    def __init__(self, entry: Setting) -> None:
        super().__init__()
        self.setting = entry
        self.row = QHBoxLayout(self)
        self.row.setContentsMargins(0, 0, 0, 0)

    def show_value(self, value: Any) -> None:
        raise NotImplementedError

    def leaves(self) -> list[QWidget]:
        """The parts that take the keyboard, in order; at least one."""
        raise NotImplementedError

    def line_height(self) -> int:
        """Height of the first line, to put the title beside it."""
        return self.leaves()[0].sizeHint().height()


def make_editor(entry: Setting) -> Editor:
    """The right editor for a setting."""
    if entry.kind == "masks":
        return MasksEditor(entry)
    if entry.many:
        return ChoicesEditor(entry) if entry.kind == "choice" else ListEditor(entry)
    if entry.kind == "text":
        return TextEditor(entry)
    if entry.kind in ("int", "float"):
        return NumberEditor(entry)
    return BoolEditor(entry) if entry.kind == "bool" else ChoiceEditor(entry)


class BoolEditor(Editor):
    """A check box."""

    def __init__(self, entry: Setting) -> None:
        super().__init__(entry)
        self.box = QCheckBox(self.tr("yes"))
        describe(self.box, entry.title, entry.help)
        self.box.toggled.connect(self._tell)
        self.row.addWidget(self.box)
        self.row.addStretch(1)

    def show_value(self, value: Any) -> None:
        with QSignalBlocker(self.box):
            self.box.setChecked(bool(value))

    def leaves(self) -> list[QWidget]:
        return [self.box]

    def _tell(self, on: bool) -> None:
        self.said.emit(on)


class ChoiceEditor(Editor):
    """A combo box."""

    def __init__(self, entry: Setting) -> None:
        super().__init__(entry)
        self.box = QComboBox()
        for text in entry.choices:
            self.box.addItem(text, text)
        describe(self.box, entry.title, entry.help)
        self.box.currentIndexChanged.connect(self._tell)
        self.row.addWidget(self.box)
        self.row.addStretch(1)

    def show_value(self, value: Any) -> None:
        with QSignalBlocker(self.box):
            choose(self.box, value)

    def leaves(self) -> list[QWidget]:
        return [self.box]

    def _tell(self) -> None:
        self.said.emit(self.box.currentData())


class FloatBox(QDoubleSpinBox):
    """A number of any size, written as short as it can be. A comma is taken for a point."""

    def __init__(self, entry: Setting) -> None:
        super().__init__()
        self._entry = entry
        self.setLocale(QLocale.c())
        self.setDecimals(_DECIMALS)
        low = _bound(entry.least, entry.above, 10.0**-_DECIMALS, -_LARGEST)
        high = _bound(entry.most, entry.below, -_LEAST_STEP, _LARGEST)
        self.setRange(low, high)
        self.setStepType(QDoubleSpinBox.StepType.AdaptiveDecimalStepType)

    def textFromValue(self, value: float) -> str:
        return number_text(value)

    def valueFromText(self, text: str) -> float:
        number = _number(text.removeprefix(self.prefix()))
        return self.value() if number is None else number

    def validate(self, text: str, place: int) -> object:
        typed = text.removeprefix(self.prefix())
        number = _number(typed)
        if number is not None and self._entry.allows(number) and abs(number) <= _LARGEST:
            return QValidator.State.Acceptable, text, place
        is_begun = all(letter in "0123456789.,-+eE " for letter in typed)
        state = QValidator.State.Intermediate if is_begun else QValidator.State.Invalid
        return state, text, place


def _bound(exact: float | None, open_: float | None, step: float, none: float) -> float:
    if exact is not None:
        return exact
    return none if open_ is None else open_ + step


def _number(text: str) -> float | None:
    try:
        number = float(text.strip().replace(",", "."))
    except ValueError:
        return None
    return number if math.isfinite(number) else None


class NumberEditor(Editor):
    """A spin box that honours the bounds; with a tick for 'left out' where that is possible."""

    def __init__(self, entry: Setting) -> None:
        super().__init__(entry)
        self.box: QSpinBox | QDoubleSpinBox
        if entry.kind == "int":
            self.box = QSpinBox()
            least = entry.least if entry.least is not None else -_LARGEST_INT
            if entry.above is not None:
                least = entry.above + 1
            most = entry.most if entry.most is not None else _LARGEST_INT
            if entry.below is not None:
                most = entry.below - 1
            self.box.setRange(int(least), int(most))
            self.box.setStepType(QSpinBox.StepType.AdaptiveDecimalStepType)
        else:
            self.box = FloatBox(entry)
        self.box.setMaximumWidth(_BOX_WIDTH)
        self.box.setMinimumWidth(90)
        describe(self.box, entry.title, entry.help)
        self.box.valueChanged.connect(self._tell)
        self.row.addWidget(self.box, 1)
        self._may_lack = entry.optional or entry.is_required
        self.left_out = QCheckBox(self.tr("left out"))
        describe(
            self.left_out,
            self.tr("{title}: left out").format(title=entry.title),
            self.tr("Let the program choose: {help}").format(help=entry.help),
        )
        self.left_out.toggled.connect(self._on_left_out)
        self.row.addWidget(self.left_out)
        self.row.addStretch(1)
        self.left_out.setHidden(not self._may_lack)

    def show_value(self, value: Any) -> None:
        with QSignalBlocker(self.box), QSignalBlocker(self.left_out):
            self.left_out.setChecked(value is None)
            self.box.setEnabled(value is not None)
            if isinstance(value, int | float) and self.box.value() != value:
                self.box.setValue(value)  # type: ignore[arg-type]

    def leaves(self) -> list[QWidget]:
        return [self.box, self.left_out] if self._may_lack else [self.box]

    def _tell(self, value: float) -> None:
        self.said.emit(value)

    def _on_left_out(self, left_out: bool) -> None:
        self.box.setEnabled(not left_out)
        self.said.emit(None if left_out else self.box.value())


class TextEditor(Editor):
    """A line of text; an empty one is left out where that is possible."""

    def __init__(self, entry: Setting) -> None:
        super().__init__(entry)
        self.line = QLineEdit()
        if entry.optional:
            self.line.setPlaceholderText(self.tr("left out"))
        describe(self.line, entry.title, entry.help)
        self.line.textEdited.connect(self._tell)
        self.row.addWidget(self.line)

    def show_value(self, value: Any) -> None:
        put(self.line, "" if value is None else str(value))

    def leaves(self) -> list[QWidget]:
        return [self.line]

    def _tell(self, text: str) -> None:
        text = text.strip()
        self.said.emit(None if self.setting.optional and not text else text)


class ListEditor(Editor):
    """Several numbers or names in a line, with commas between them."""

    def __init__(self, entry: Setting) -> None:
        super().__init__(entry)
        self.line = QLineEdit()
        self.line.setPlaceholderText(self.tr("none"))
        describe(self.line, entry.title, self.tr("{help} With commas.").format(help=entry.help))
        self.line.textEdited.connect(self._tell)
        self.row.addWidget(self.line)

    def show_value(self, value: Any) -> None:
        try:
            if parse_list(self.setting, self.line.text()) == value and self.line.text().strip():
                return  # just typed, perhaps not as short as it can be
        except ValueError:
            pass  # what is shown gives way to the value
        put(self.line, list_text(self.setting, value))

    def leaves(self) -> list[QWidget]:
        return [self.line]

    def _tell(self, text: str) -> None:
        try:
            values = parse_list(self.setting, text)
        except ValueError as error:
            self.refused.emit(str(error))
        else:
            self.said.emit(values)


def list_text(entry: Setting, values: Sequence[Any]) -> str:
    """Values as they are typed: `32, 64`; names with a comma in quotes."""
    if entry.kind in ("int", "float"):
        return ", ".join(number_text(value) for value in values)
    return ", ".join(f'"{name}"' if "," in name or '"' in name else name for name in values)


def parse_list(entry: Setting, text: str) -> list[Any]:
    """Values that were typed with commas between them. ValueError in words."""
    translate = QCoreApplication.translate
    parts = next(csv.reader([text], skipinitialspace=True), [])
    parts = [part.strip() for part in parts if part.strip()]
    if entry.count is not None and len(parts) != entry.count:
        raise ValueError(
            translate("ConfigForm", "{title}: {n} values are needed, with commas.").format(
                title=entry.title, n=entry.count
            )
        )
    if len(parts) < entry.shortest:
        raise ValueError(
            translate("ConfigForm", "{title}: at least {n} is needed.").format(
                title=entry.title, n=entry.shortest
            )
        )
    return [_parse_one(entry, part) for part in parts]


def _parse_one(entry: Setting, text: str) -> Any:
    translate = QCoreApplication.translate
    if entry.kind == "text":
        return text
    number = _number(text)
    is_whole = number is not None and number == int(number)
    if number is None or (entry.kind == "int" and not is_whole):
        says = (
            translate("ConfigForm", "{title}: '{text}' is no whole number.")
            if entry.kind == "int"
            else translate("ConfigForm", "{title}: '{text}' is no number.")
        )
        raise ValueError(says.format(title=entry.title, text=text))
    if not entry.allows(number):
        raise ValueError(
            translate("ConfigForm", "{title}: {text} must be {bounds}.").format(
                title=entry.title, text=text, bounds=entry.bounds
            )
        )
    return int(number) if entry.kind == "int" else number


class ChoicesEditor(Editor):
    """Several of a few choices: a check box for each."""

    COLUMNS = 2

    def __init__(self, entry: Setting) -> None:
        super().__init__(entry)
        self.boxes: dict[str, QCheckBox] = {}
        grid = QGridLayout()
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setVerticalSpacing(2)
        for number, text in enumerate(entry.choices):
            box = QCheckBox(text)
            describe(box, f"{entry.title}: {text}", entry.help)
            box.toggled.connect(self._tell)
            grid.addWidget(box, number // self.COLUMNS, number % self.COLUMNS)
            self.boxes[text] = box
        self.row.addLayout(grid)
        self.row.addStretch(1)

    def show_value(self, value: Any) -> None:
        for text, box in self.boxes.items():
            with QSignalBlocker(box):
                box.setChecked(text in (value or ()))

    def leaves(self) -> list[QWidget]:
        return list(self.boxes.values())

    def _tell(self) -> None:
        chosen = [text for text, box in self.boxes.items() if box.isChecked()]
        if len(chosen) < self.setting.shortest:
            self.refused.emit(
                self.tr("{title}: at least {n} is needed.").format(
                    title=self.setting.title, n=self.setting.shortest
                )
            )
        else:
            self.said.emit(chosen)


class MasksEditor(Editor):
    """Ways to mask, a row for each: strategy, share that is kept, weight."""

    def __init__(self, entry: Setting) -> None:
        super().__init__(entry)
        self._strategy, self._keep, self._weight = entry.entries
        self._masks: list[dict[str, Any]] = []
        self._rows: list[_MaskRow] = []
        self._body = QVBoxLayout()
        self._body.setSpacing(2)
        self.add = QPushButton(self.tr("Add a way"))
        self.add.setAutoDefault(False)
        describe(self.add, self.tr("Add a way to mask"), self.tr("A further way to mask"))
        self.add.clicked.connect(self._on_add)
        foot = QHBoxLayout()
        foot.addWidget(self.add)
        foot.addStretch(1)
        self._body.addLayout(foot)
        self.row.addLayout(self._body)

    @property
    def rows(self) -> tuple[_MaskRow, ...]:
        return tuple(self._rows)

    def show_value(self, value: Any) -> None:
        masks = full_masks(value)
        if masks != self._masks:
            self._masks = masks
            self._show()

    def leaves(self) -> list[QWidget]:
        return [*(leaf for row in self._rows for leaf in row.leaves()), self.add]

    def _show(self) -> None:
        made = len(self._rows)
        while len(self._rows) < len(self._masks):
            row = _MaskRow(self._strategy, self._keep, self._weight)
            row.changed.connect(self._on_row)
            row.removed.connect(self._on_removed)
            self._body.insertWidget(len(self._rows), row)
            self._rows.append(row)
        while len(self._rows) > len(self._masks):
            row = self._rows.pop()
            row.hide()
            row.deleteLater()
        for row, mask in zip(self._rows, self._masks, strict=True):
            row.show_mask(mask, can_go=len(self._masks) > 1)
        if len(self._rows) > made:
            for before, after in zip(self.leaves(), self.leaves()[1:], strict=False):
                QWidget.setTabOrder(before, after)
            self.rebuilt.emit()

    def _on_row(self) -> None:
        self._tell([row.mask() for row in self._rows])

    def _on_removed(self) -> None:
        gone = self.sender()
        place = next(k for k, row in enumerate(self._rows) if row is gone)
        self._tell([mask for k, mask in enumerate(self._masks) if k != place])
        self.leaves()[0].setFocus(Qt.FocusReason.OtherFocusReason)

    def _on_add(self) -> None:
        used = {mask["strategy"] for mask in self._masks}
        free = [name for name in self._strategy.choices if name not in used]
        strategy = (free or list(self._strategy.choices))[0]
        self._tell(
            [
                *self._masks,
                {
                    "strategy": strategy,
                    "keep": self._keep.default,
                    "weight": self._weight.default,
                },
            ]
        )
        self._rows[-1].strategy.setFocus(Qt.FocusReason.OtherFocusReason)

    def _tell(self, masks: list[dict[str, Any]]) -> None:
        self._masks = masks
        self._show()
        self.said.emit([slim_mask(mask, self._keep, self._weight) for mask in masks])


def slim_mask(mask: Mapping[str, Any], keep: Setting, weight: Setting) -> dict[str, Any]:
    """A way to mask without what stands there anyway."""
    slim = {"strategy": mask["strategy"]}
    if mask["strategy"] != "complementary" and mask["keep"] != keep.default:
        slim["keep"] = mask["keep"]
    if mask["weight"] != weight.default:
        slim["weight"] = mask["weight"]
    return slim


class _MaskRow(QWidget):
    """One way to mask."""

    changed = Signal()
    removed = Signal()

    def __init__(self, strategy: Setting, keep: Setting, weight: Setting) -> None:
        super().__init__()
        self.strategy = QComboBox()
        for text in strategy.choices:
            self.strategy.addItem(text, text)
        describe(self.strategy, strategy.title, strategy.help)
        self.keep = FloatBox(keep)
        self.keep.setPrefix(self.tr("keep "))
        describe(self.keep, keep.title, keep.help)
        self.weight = FloatBox(weight)
        self.weight.setPrefix(self.tr("weight "))
        describe(self.weight, weight.title, weight.help)
        self.remove = QToolButton()
        self.remove.setAutoRaise(True)
        keep_icon(self.remove, "remove")
        describe(self.remove, self.tr("Remove"), self.tr("Do without this way to mask"))
        self.strategy.currentIndexChanged.connect(self._on_strategy)
        self.keep.valueChanged.connect(self.changed)
        self.weight.valueChanged.connect(self.changed)
        self.remove.clicked.connect(self.removed)
        first, second = QHBoxLayout(), QHBoxLayout()
        first.addWidget(self.strategy)
        first.addWidget(self.remove)
        first.addStretch(1)
        for box in (self.keep, self.weight):
            box.setMinimumWidth(box.fontMetrics().horizontalAdvance("weight 0.25") + 24)
            box.setMaximumWidth(_BOX_WIDTH)
            second.addWidget(box)
        second.addStretch(1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 4)
        column.setSpacing(2)
        column.addLayout(first)
        column.addLayout(second)

    def leaves(self) -> Iterator[QWidget]:
        yield from (self.strategy, self.remove, self.keep, self.weight)

    def mask(self) -> dict[str, Any]:
        return {
            "strategy": self.strategy.currentData(),
            "keep": self.keep.value(),
            "weight": self.weight.value(),
        }

    def show_mask(self, mask: Mapping[str, Any], *, can_go: bool) -> None:
        """Show a full way to mask. `can_go`: whether it may be removed."""
        with (
            QSignalBlocker(self.strategy),
            QSignalBlocker(self.keep),
            QSignalBlocker(self.weight),
        ):
            choose(self.strategy, mask["strategy"])
            for box, value in ((self.keep, mask["keep"]), (self.weight, mask["weight"])):
                if box.value() != value:
                    box.setValue(value)
        self._show_keep()
        self.remove.setEnabled(can_go)

    def _on_strategy(self) -> None:
        self._show_keep()
        self.changed.emit()

    def _show_keep(self) -> None:
        self.keep.setEnabled(self.strategy.currentData() != "complementary")
