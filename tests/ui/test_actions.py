"""Commands are made in one place, with keys that nobody else has."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QAction, QColor, QGuiApplication, QPalette
from PySide6.QtWidgets import QApplication, QLineEdit, QPushButton, QWidget

from ui.actions import ActionRegistry
from ui.icons import icon, icon_names, keep_icon, pixmap
from ui.shortcuts_window import ClassKeys, Gesture, ShortcutsWindow


def nothing() -> None:
    """What a command does that is never run."""


@pytest.fixture
def window(qtbot) -> QWidget:
    window = QWidget()
    window.resize(400, 300)
    qtbot.addWidget(window)
    return window


@pytest.fixture
def registry(window: QWidget) -> ActionRegistry:
    return ActionRegistry(window)


@pytest.fixture
def palette_again(qapp: QApplication) -> Iterator[None]:
    yield
    qapp.setPalette(QPalette())


def test_a_command_has_a_tooltip_with_its_key_and_runs_by_it(qtbot, window, registry) -> None:
    calls = []
    clear = registry.add("clear", "&Clear label", "Del", lambda: calls.append(1), group="Label")
    assert clear.toolTip() == "Clear label (Del)"
    with qtbot.waitActive(window):
        window.show()
    qtbot.keyClick(window, Qt.Key.Key_Delete)
    assert calls == [1]


def test_a_tooltip_of_its_own_is_followed_by_the_key_and_no_key_is_no_brackets(registry) -> None:
    first = registry.add("a", "Go to time…", "Ctrl+G", nothing, group="Go", tooltip="Type a time")
    second = registry.add("b", "Pack study…", None, nothing, group="Study")
    assert first.toolTip() == "Type a time (Ctrl+G)"
    assert second.toolTip() == "Pack study"
    registry.set_text("a", "Go to &clock time…")
    assert first.toolTip() == "Go to clock time (Ctrl+G)"
    second.setText("Pack &all")
    second.setShortcut("F6")
    assert second.toolTip() == "Pack all (F6)"


def test_commands_come_in_order_with_group_and_keys(registry) -> None:
    registry.add("a", "&Undo", "Ctrl+Z", nothing, group="Edit")
    registry.add("b", "Zoom && in", ["+", "="], nothing, group="View", icon="zoom-in")
    registry.add("c", "Redo", "Ctrl+Shift+Z", nothing, group="Edit", enabled=False)
    assert [command.id for command in registry.actions()] == ["a", "b", "c"]
    assert registry.groups() == ("Edit", "View")
    assert [command.text for command in registry.in_group("Edit")] == ["Undo", "Redo"]
    assert registry.command("b").text == "Zoom & in"
    assert registry.command("b").keys == ("+", "=")
    assert not registry.action("b").icon().isNull()
    assert not registry.action("c").isEnabled()


def test_a_checkable_command_tells_its_state(registry) -> None:
    states = []
    action = registry.add(
        "on",
        "Advance",
        "Ctrl+Shift+A",
        lambda on: states.append(on),
        group="Label",
        checkable=True,
    )
    action.trigger()
    action.trigger()
    assert states == [True, False]


@pytest.mark.parametrize("key", ["Ctrl+D", "Ctrl+D, Ctrl+A"])
def test_two_commands_with_one_key_are_refused(registry, key: str) -> None:
    registry.add("a", "One", ["F2", "Ctrl+D"], nothing, group="Go")
    with pytest.raises(ValueError, match=r"'b'.*is taken by 'a'"):
        registry.add("b", "Other", key, nothing, group="Go")
    with pytest.raises(ValueError, match="already"):
        registry.add("a", "One again", None, nothing, group="Go")
    assert len(registry.actions()) == 1


def test_one_key_may_do_two_things_in_widgets_apart(window, registry) -> None:
    left, right, inner = QWidget(window), QWidget(window), None
    inner = QLineEdit(left)
    with_children = Qt.ShortcutContext.WidgetWithChildrenShortcut
    registry.add("a", "A", "F3", nothing, group="Go", context=with_children, widget=left)
    registry.add("b", "B", "F3", nothing, group="Go", context=with_children, widget=right)
    for widget, context in ((inner, Qt.ShortcutContext.WidgetShortcut), (left, with_children)):
        with pytest.raises(ValueError, match="taken"):
            registry.add("c", "C", "F3", nothing, group="Go", context=context, widget=widget)
    with pytest.raises(ValueError, match="taken"):
        registry.add("c", "C", "F3", nothing, group="Go")
    with pytest.raises(ValueError, match="widget"):
        registry.add("c", "C", "F4", nothing, group="Go", context=with_children)


@pytest.mark.parametrize(
    "key", ["A", "5", "Shift+A", "Ä", "Num+1", "Space", "Return", "Tab", "Shift+Tab"]
)
def test_keys_of_labels_and_of_typing_are_refused(registry, key: str) -> None:
    with pytest.raises(ValueError, match="belongs to"):
        registry.add("a", "Wrong", key, nothing, group="Label")


@pytest.mark.parametrize("key", ["nonsense", ""])
def test_what_is_no_key_is_refused(registry, key: str) -> None:
    with pytest.raises(ValueError, match="is no key"):
        registry.add("a", "Wrong", key, nothing, group="Label")


def test_all_keys_that_were_decided_can_be_given(registry) -> None:
    decided = """
        Left Right Shift+Left Shift+Right PgUp PgDown Home End Del Ctrl+Z Ctrl+Shift+Z Ctrl+Right
        Ctrl+Left Ctrl+D Ctrl+Shift+D Ctrl+F [ ] Alt+Left Alt+Right Ctrl+Alt+Left Ctrl+Alt+Right
        Ctrl+. Ctrl+, Ctrl+B Esc + - Ctrl+0 Ctrl+1 Ctrl+Up Ctrl+Down Up Down Ctrl+Shift+C Ctrl+G
        Ctrl+I Ctrl+K F1 Ctrl+/ Ctrl+N Ctrl+O Ctrl+Shift+O Ctrl+Shift+E Ctrl+Shift+I F11
        Ctrl+Shift+P Ctrl+Shift+A
    """
    for number, key in enumerate(decided.split()):
        registry.add(str(number), f"Command {number}", key, nothing, group="All")
    assert len(registry.actions()) == len(decided.split())


# ---------------------------------------------------------------- icons


def test_every_icon_is_drawn_in_the_colour_of_the_text(qapp) -> None:
    wanted = """
        open new-study save saved warning undo redo next previous zoom-in zoom-out label event lock
        unlock search help settings export import spectrum channels person list
    """
    assert set(wanted.split()) <= set(icon_names())
    colour = QColor("#c04020")
    for name in icon_names():
        picture = pixmap(name, 48, colour).toImage()
        strong = [
            picture.pixelColor(x, y)
            for x in range(48)
            for y in range(48)
            if picture.pixelColor(x, y).alpha() == 255
        ]
        assert len(strong) > 40, name
        assert {c.name() for c in strong} == {colour.name()}, name
    with pytest.raises(KeyError, match="nowhere"):
        icon("nowhere")


def test_icons_follow_a_change_of_the_palette(qtbot, qapp, palette_again) -> None:
    def colour(of: QAction | QPushButton) -> QColor:
        # The middle of the arrow's shaft.
        return of.icon().pixmap(48, 48).toImage().pixelColor(20, 24)

    button, action = QPushButton("Next"), QAction("Next")
    qtbot.addWidget(button)
    keep_icon(button, "warning")
    for target in (button, action):
        keep_icon(target, "next")
        assert colour(target) == QGuiApplication.palette().windowText().color()
    palette = QPalette(QColor("#202020"))
    palette.setColor(QPalette.ColorRole.WindowText, QColor("#f0f0f0"))
    qapp.setPalette(palette)
    for target in (button, action):
        assert colour(target).name() == "#f0f0f0"


# ---------------------------------------------------------------- the page of keys


@pytest.fixture
def page(qtbot, window, registry) -> Iterator[ShortcutsWindow]:
    registry.add("a", "&Undo", "Ctrl+Z", nothing, group="Edit")
    registry.add("b", "Zoom in", ["+", "="], nothing, group="View")
    registry.add("c", "Pack study…", None, nothing, group="File")
    hidden = registry.add("d", "Secret", "F9", nothing, group="Edit")
    hidden.setVisible(False)
    classes = [ClassKeys("W", ("W", "0"), "#E69F00"), ClassKeys("N2 & <more>", ("2",), "#0072B2")]
    page = ShortcutsWindow(registry, classes, [Gesture("Select epochs", "Drag")], window)
    with qtbot.waitExposed(page):
        page.show()
    yield page
    page.close()


def test_the_page_lists_classes_commands_and_mouse(page) -> None:
    assert not page.isModal()
    assert page.as_text() == (
        "Classes of labels\nW\tW or 0\nN2 & <more>\t2\n\nEdit\nUndo\tCtrl+Z\n\n"
        "View\nZoom in\t+ or =\n\nFile\nPack study\t\n\nMouse\nSelect epochs\tDrag"
    )
    titles = [page.tree.topLevelItem(k).text(0) for k in range(page.tree.topLevelItemCount())]
    assert titles == ["Classes of labels", "Edit", "View", "File", "Mouse"]
    swatch = page.tree.topLevelItem(0).child(0).icon(0).pixmap(14, 14).toImage()
    assert swatch.pixelColor(7, 7).name() == "#e69f00"


def test_the_page_is_filtered_and_what_is_listed_is_copied(qtbot, page) -> None:
    qtbot.keyClicks(page.line, "ctrl")
    assert page.as_text() == "Edit\nUndo\tCtrl+Z"
    qtbot.keyClick(page.line, Qt.Key.Key_Return)
    assert page.isVisible()
    page.copy.click()
    assert QGuiApplication.clipboard().text() == "Edit\nUndo\tCtrl+Z"
    page.line.setText("view zoom")
    assert page.as_text() == "View\nZoom in\t+ or ="
    page.line.clear()
    page.set_classes([ClassKeys("stress", ("S",), "#D55E00")])
    assert page.as_text().startswith("Classes of labels\nstress\tS\n")


def test_the_page_can_be_printed(qtbot, page, tmp_path) -> None:
    from PySide6.QtPrintSupport import QPrintDialog, QPrinter

    page.print.click()
    (dialog,) = page.findChildren(QPrintDialog)
    assert dialog.isVisible()
    dialog.reject()
    assert "N2 & <more>" in page.as_document().toPlainText()
    printer = QPrinter()
    printer.setOutputFormat(QPrinter.OutputFormat.PdfFormat)
    printer.setOutputFileName(str(tmp_path / "keys.pdf"))
    page.as_document().print_(printer)
    assert (tmp_path / "keys.pdf").read_bytes().startswith(b"%PDF")
