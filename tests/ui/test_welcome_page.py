"""The welcome page offers ways to begin, by mouse and by keyboard."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QAbstractButton, QApplication, QLabel

from core.progress import Cancelled, RunContext
from ui.appearance import Appearance
from ui.preferences import DEFAULTS, Preferences, RecentStudy
from ui.welcome_page import RecentEntry, WelcomePage, find_entries

WAYS = (
    "new_study",
    "open_study",
    "open_recording",
    "open_results",
    "sample_study",
    "simulated_night",
)
SLEEP = RecentEntry(Path("/studies/Sleep <b>"), "Sleep <b>", datetime(2024, 3, 1, 22, 30))
GONE = RecentEntry(Path("/media/disk/old"), "old", None, missing=True)


@pytest.fixture
def page(qtbot) -> Iterator[WelcomePage]:
    page = WelcomePage()
    qtbot.addWidget(page)
    page.resize(1024, 650)
    with qtbot.waitActive(page):
        page.show()
    yield page
    page.close()


def texts(page: WelcomePage) -> list[str]:
    return [label.text() for label in page.findChildren(QLabel) if label.isVisibleTo(page)]


@pytest.mark.parametrize("way", WAYS)
def test_each_button_tells_what_was_chosen(qtbot, page, way: str) -> None:
    with qtbot.waitSignal(getattr(page, way)):
        qtbot.mouseClick(page.buttons[way], Qt.MouseButton.LeftButton)
    page.buttons[way].setFocus()
    with qtbot.waitSignal(getattr(page, way)):
        qtbot.keyClick(page.buttons[way], Qt.Key.Key_Space)


def test_it_says_what_this_is_and_what_it_is_not_for(page) -> None:
    said = texts(page)
    assert "crossl-app" in said
    assert "For research, not for diagnosis." in said
    assert any("drop" in text for text in said)
    assert any("will be listed here" in text for text in said)


def test_recent_studies_are_listed_opened_and_taken_off(qtbot, page) -> None:
    page.set_recent([SLEEP, GONE])
    assert page.recent == (SLEEP, GONE)
    first, second = page.rows
    assert {"Sleep <b>", "/studies", "old", "not there now"} <= set(texts(page))
    assert not any("will be listed here" in text for text in texts(page))
    with qtbot.waitSignal(page.recent_chosen) as chosen:
        qtbot.mouseClick(first.button, Qt.MouseButton.LeftButton)
    assert chosen.args == [SLEEP.path]
    assert not second.button.isEnabled()
    with qtbot.waitSignal(page.recent_removed) as removed:
        qtbot.mouseClick(second.remove, Qt.MouseButton.LeftButton)
    assert removed.args == [GONE.path]
    first.button.setFocus()
    with qtbot.waitSignal(page.recent_removed) as removed:
        qtbot.keyClick(first.button, Qt.Key.Key_Delete)
    assert removed.args == [SLEEP.path]
    page.set_recent([])
    assert any("will be listed here" in text for text in texts(page))


def test_studies_whose_folder_has_gone_are_found_out(tmp_path: Path) -> None:
    studies = (
        RecentStudy(str(tmp_path), "2024-03-01T22:30:00"),
        RecentStudy(str(tmp_path / "gone")),
    )
    there, gone = find_entries(studies, RunContext())
    assert there == RecentEntry(tmp_path, tmp_path.name, datetime(2024, 3, 1, 22, 30))
    assert gone == RecentEntry(tmp_path / "gone", "gone", None, missing=True)
    with pytest.raises(Cancelled):
        find_entries(studies, RunContext(should_stop=lambda: True))


def test_tab_goes_through_the_buttons_and_then_the_studies(qtbot, page) -> None:
    page.set_recent([SLEEP, GONE])
    page.buttons["new_study"].setFocus()
    reached = []
    for _ in range(9):
        reached.append(QApplication.focusWidget())
        qtbot.keyClick(reached[-1], Qt.Key.Key_Tab)
    first, second = page.rows
    assert reached == [
        *(page.buttons[way] for way in WAYS), first.button, first.remove, second.remove
    ]  # fmt: skip
    assert QApplication.focusWidget() is page.buttons["new_study"]


def test_every_control_has_a_name_and_a_tooltip_with_its_key(page) -> None:
    page.set_recent([SLEEP, GONE])
    page.set_keys({"new_study": "Ctrl+N", "open_recording": "Ctrl+O"})
    assert page.buttons["new_study"].toolTip().endswith("(Ctrl+N)")
    assert page.buttons["open_recording"].toolTip().endswith("(Ctrl+O)")
    for button in page.findChildren(QAbstractButton):
        assert button.accessibleName(), button
        assert button.toolTip(), button


def test_while_it_is_busy_it_says_so_and_takes_no_orders(qtbot, page) -> None:
    page.set_recent([SLEEP])
    page.set_busy("Making the night…")
    assert "Making the night…" in texts(page)
    assert page.bar.isVisible()
    with qtbot.assertNotEmitted(page.new_study):
        qtbot.mouseClick(page.buttons["new_study"], Qt.MouseButton.LeftButton)
    assert not page.rows[0].button.isEnabled()
    page.set_recent([SLEEP, GONE])
    assert not any(row.isEnabled() for row in page.rows)
    page.set_busy("")
    assert page.buttons["new_study"].isEnabled()
    assert page.rows[0].button.isEnabled()
    assert not page.rows[1].button.isEnabled()
    assert not page.bar.isVisible()


@pytest.mark.parametrize(("percent", "scheme"), [(100, "light"), (150, "dark")])
def test_it_fits_a_small_screen_with_large_text(qtbot, qapp, percent: int, scheme: str) -> None:
    appearance = Appearance(qapp)
    try:
        appearance.apply(Preferences(text_scale_percent=percent, appearance=scheme))
        page = WelcomePage()
        qtbot.addWidget(page)
        page.set_recent([SLEEP, GONE] * 5)
        page.set_busy("Opening…")
        page.resize(1024, 650)
        page.show()
        page.layout().activate()
        assert page.minimumSizeHint().width() <= 1024
        assert page.minimumSizeHint().height() <= 650
        for button in page.buttons.values():
            for label in (button.title, button.about):
                assert label.width() >= label.minimumSizeHint().width()
                assert label.height() >= label.heightForWidth(label.width())
        assert page.note.geometry().bottom() < 650
        page.close()
    finally:
        appearance.apply(DEFAULTS)
        appearance.deleteLater()


def test_text_grows_with_the_programs(qtbot, qapp, page) -> None:
    before = page.title.font().pointSizeF(), page.buttons["new_study"].title.font().pointSizeF()
    appearance = Appearance(qapp)
    try:
        with qtbot.waitSignal(appearance.changed):
            appearance.apply(Preferences(text_scale_percent=150))
        after = page.title.font().pointSizeF(), page.buttons["new_study"].title.font().pointSizeF()
        assert after == pytest.approx([1.5 * size for size in before])
    finally:
        appearance.apply(DEFAULTS)
        appearance.deleteLater()
