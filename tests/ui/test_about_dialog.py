"""The About box: which program this is, under which licences, and how a GPU would be used."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PySide6.QtCore import Qt, qVersion
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QLabel

from core import build_info as builds
from core import licences
from core.version import __version__
from ui import about_dialog
from ui.about_dialog import AboutDialog
from ui.app_icon import LARGE_SIZES, SMALL_SIZES, app_icon


@pytest.fixture
def dialog(qtbot):
    made = AboutDialog()
    made.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose, False)
    qtbot.addWidget(made)
    made.show()
    return made


@pytest.fixture
def of_build(qtbot, monkeypatch):
    """Makes the box of a binary with a certain build of torch."""

    def make(variant: builds.TorchVariant | None) -> AboutDialog:
        build = builds.BuildInfo("1.0", variant is not None, variant)
        monkeypatch.setattr(about_dialog, "build_info", lambda: build)
        made = AboutDialog()
        made.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose, False)
        qtbot.addWidget(made)
        return made

    return make


def test_it_says_version_purpose_and_that_it_is_no_diagnosis(dialog: AboutDialog) -> None:
    assert __version__ in dialog.title.text()
    assert "CroSSL" in dialog.purpose.text()
    assert "not for diagnosis" in dialog.warning.text()


@pytest.mark.skipif(sys.platform == "darwin", reason="one build serves processors and GPU there")
def test_the_cpu_build_says_how_to_get_the_cuda_build(of_build) -> None:
    box = of_build("cpu")
    assert not box.hint.isHidden()
    assert "crossl-app-cuda" in box.hint.text()
    assert of_build("cuda").hint.isHidden()


def test_versions_are_those_that_are_installed(dialog: AboutDialog) -> None:
    text = dialog.versions.toPlainText()
    assert f"Qt {qVersion()}" in text
    for name, number in licences.versions():
        assert f"{name} {number}" in text


def test_versions_are_copied_with_the_title(dialog: AboutDialog) -> None:
    dialog.copy_button.click()
    copied = QGuiApplication.clipboard().text()
    assert copied.startswith(dialog.title.text())
    assert dialog.versions.toPlainText() in copied


def test_licences_are_read_when_they_are_looked_at(dialog: AboutDialog) -> None:
    assert dialog.licences.text.toPlainText() == ""
    dialog.tabs.setCurrentWidget(dialog.licences)
    assert "numpy" in dialog.licences.text.toPlainText()
    assert "LGPL" in dialog.licences.text.toPlainText()


def test_qt_is_said_to_be_under_the_lgpl_and_where_it_lies(dialog: AboutDialog) -> None:
    import PySide6

    said = dialog.licences.sentence.text()
    assert "Lesser General Public License" in said
    assert str(Path(PySide6.__file__).parent) in said


def test_search_goes_from_place_to_place_and_begins_anew(
    dialog: AboutDialog, qtbot, monkeypatch
) -> None:
    monkeypatch.setattr(licences, "own_text", lambda: "")
    monkeypatch.setattr(licences, "third_party_text", lambda: "MIT and BSD and mit again")
    dialog.tabs.setCurrentWidget(dialog.licences)
    view = dialog.licences
    qtbot.keyClicks(view.search, "mit")
    assert view.text.textCursor().selectionStart() == 0
    qtbot.keyClick(view.search, Qt.Key.Key_Return)
    assert view.text.textCursor().selectionStart() == 16
    qtbot.keyClick(view.search, Qt.Key.Key_Return)
    assert view.text.textCursor().selectionStart() == 0
    assert dialog.isVisible()  # Return has not closed it
    assert view.missing.isHidden()
    qtbot.keyClicks(view.search, "x")
    assert not view.missing.isHidden()
    view.search.clear()
    assert view.missing.isHidden()


def test_all_words_can_be_selected(dialog: AboutDialog) -> None:
    wanted = Qt.TextInteractionFlag.TextSelectableByMouse
    for label in dialog.findChildren(QLabel):
        if len(label.text()) > 20:
            assert label.textInteractionFlags() & wanted, label.text()


def test_escape_closes_it(dialog: AboutDialog, qtbot) -> None:
    qtbot.keyClick(dialog, Qt.Key.Key_Escape)
    assert not dialog.isVisible()


def test_the_command_opens_it(make_window, qtbot) -> None:
    window = make_window()
    window.registry.action("help.about").trigger()
    (box,) = window.findChildren(AboutDialog)
    assert box.isVisible()
    box.reject()


def test_torch_is_not_loaded_for_it(repository: Path) -> None:
    code = (
        "import sys; from PySide6.QtWidgets import QApplication; app = QApplication([]);"
        "from ui.about_dialog import AboutDialog; box = AboutDialog(); box.licences.fill();"
        "sys.exit('torch' in sys.modules)"
    )
    environment = {**os.environ, "PYTHONPATH": str(repository)}
    assert subprocess.run([sys.executable, "-P", "-c", code], env=environment).returncode == 0


def test_small_sizes_of_the_icon_have_a_drawing_of_their_own(qapp) -> None:
    icon = app_icon()
    sides = {size.width() for size in icon.availableSizes()}
    assert sides == {*SMALL_SIZES, *LARGE_SIZES}
    small = icon.pixmap(16).toImage()
    shrunk = icon.pixmap(256).toImage().scaled(
        16, 16, mode=Qt.TransformationMode.SmoothTransformation
    )  # fmt: skip
    assert small.pixelColor(3, 12) != shrunk.pixelColor(3, 12)
