"""Whether the window can open is found out in a child, which Qt may end without ending us."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from core.doctor import Check, check
from core.doctor_files import settings_folder
from ui import qt_check
from ui.preferences import preferences_path
from ui.qt_check import Told, ask_qt, debian_package, last_words, packages_advice

WITHOUT_DISPLAY = {
    name: value
    for name, value in os.environ.items()
    if name not in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM", "XDG_SESSION_TYPE")
}
NO_SERVER = """\
qt.qpa.xcb: could not connect to display :77
qt.qpa.plugin: From 6.5.0, xcb-cursor0 or libxcb-cursor0 is needed to load the Qt xcb platform \
plugin.
qt.qpa.plugin: Could not load the Qt platform plugin "xcb" in "" even though it was found.
This application failed to start because no Qt platform plugin could be initialized. \
Reinstalling the application may fix this problem.

Available platform plugins are: minimal, offscreen, xcb.
"""
NO_PLUGIN = """\
qt.qpa.plugin: Could not find the Qt platform plugin "nonsense" in ""
This application failed to start because no Qt platform plugin could be initialized.
"""
on_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="X11 is asked for")


def answers(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> dict[str, Check]:
    """Every question about the window, asked under an environment."""
    monkeypatch.setattr(qt_check.os, "environ", environment)
    return {question.name: check(question) for question in qt_check.questions()}


def answered(told: Told, monkeypatch: pytest.MonkeyPatch) -> dict[str, Check]:
    """The same, from what a child is made to tell."""
    monkeypatch.setattr(qt_check, "ask_qt", lambda environment: told)
    return answers({"DISPLAY": ":0"}, monkeypatch)


def child(code: str) -> list[str]:
    """A command in the place of the program; `out` is the file it is to write."""
    return [sys.executable, "-c", f"import sys; out = sys.argv[2]\n{code}"]


# ---------------------------------------------------------------- real children


@on_linux
def test_without_a_display_qt_is_looked_at_offscreen_and_nothing_is_a_fault(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = answers(WITHOUT_DISPLAY, monkeypatch)
    system = found.pop("window system")
    assert (system.status, system.essential) == ("note", False)
    assert "batch mode works" in system.value
    assert {name: one.status for name, one in found.items()} == dict.fromkeys(
        ("Qt", "pictures", "fonts", "plots"), "ok"
    )


@on_linux
def test_a_display_that_is_not_there_is_a_fault_and_the_rest_is_still_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = answers({**WITHOUT_DISPLAY, "DISPLAY": ":7743"}, monkeypatch)
    assert found["window system"].is_fault
    assert "the window cannot open here" in found["window system"].value
    assert found["window system"].advice
    assert found["plots"].status == "ok"


def test_a_window_that_nobody_sees_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    found = answers({**WITHOUT_DISPLAY, "QT_QPA_PLATFORM": "offscreen"}, monkeypatch)
    assert found["window system"].status == "note"
    assert found["window system"].figures["platform"] == "offscreen"
    assert found["fonts"].figures["families"] > 0


def test_a_child_that_qt_ends_leaves_what_it_had_found_out() -> None:
    code = "open(out, 'w').write('{\"qt\": \"6.0\"}')\nimport os; os.abort()"
    told = ask_qt(os.environ, child(code))
    assert told.facts == {"qt": "6.0"}
    assert "Qt ended the program" in told.reason


def test_a_child_that_never_answers_is_given_up() -> None:
    told = ask_qt(os.environ, child("import threading; threading.Event().wait()"), timeout_s=0.5)
    assert told == Told({}, "Qt did not answer within 0.5 s")


def test_a_child_that_ends_well_without_an_answer_is_not_believed() -> None:
    assert ask_qt(os.environ, child("")).reason


def test_a_program_that_cannot_start_itself_says_so() -> None:
    assert "could not start itself" in ask_qt(os.environ, ["no-such-program"]).reason


def test_this_process_needs_no_qt_to_ask() -> None:
    code = "import sys, ui.qt_check as q; q.questions(); sys.exit('PySide6' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


# ---------------------------------------------------------------- what is said


def test_a_server_that_does_not_answer_is_the_reason_and_not_a_library() -> None:
    assert last_words(NO_SERVER) == "could not connect to display :77"


def test_what_qt_says_last_is_the_reason() -> None:
    assert last_words(NO_PLUGIN) == 'Could not find the Qt platform plugin "nonsense" in ""'


def test_missing_libraries_are_named_with_their_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    facts = {"qt": "6.11", "missing_libraries": ["libxcb-cursor.so.0", "libxcb-icccm.so.4"]}
    told = qt_check._told(facts, -6, NO_SERVER)
    assert told.reason == "these libraries are missing: libxcb-cursor.so.0, libxcb-icccm.so.4"
    found = answered(told, monkeypatch)["window system"]
    assert found.is_fault
    assert found.advice.endswith("sudo apt install libxcb-cursor0 libxcb-icccm4")


def test_qt_that_does_not_load_says_which_library_it_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    error = "libEGL.so.1: cannot open shared object file: No such file or directory"
    found = answered(qt_check._told({"error": error}, 1, ""), monkeypatch)
    assert found["Qt"].is_fault
    assert found["Qt"].value == f"Qt cannot be loaded: {error}"
    assert found["Qt"].advice.endswith("sudo apt install libegl1")
    assert found["plots"].status == "failed"
    assert "libEGL" in found["plots"].value


FACTS = {
    "qt": "6.11",
    "pyside": "6.11",
    "platform": "xcb",
    "screens": ["800 x 600"],
    "style": "fusion",
    "formats": ["svg"],
    "icon": True,
    "families": 3,
    "font": "Some Sans",
    "text": True,
    "lacking": "",
    "pyqtgraph": "0.14",
    "plot": True,
    "whole": True,
}


@pytest.mark.parametrize(
    ("changed", "name", "status", "said"),
    [
        ({"icon": False}, "pictures", "failed", "SVG"),
        ({"families": 0}, "fonts", "failed", "no font is there"),
        ({"text": False}, "fonts", "failed", "no text"),
        ({"lacking": "µ"}, "fonts", "note", "no font has µ"),
        ({"plot": False}, "plots", "failed", "empty plot"),
        ({}, "window system", "ok", "xcb, 800 x 600"),
    ],
)
def test_each_fact_has_its_answer(
    monkeypatch: pytest.MonkeyPatch, changed: dict, name: str, status: str, said: str
) -> None:
    found = answered(Told({**FACTS, **changed}), monkeypatch)
    assert found[name].status == status
    assert said in found[name].value
    assert all(one.status == "ok" for other, one in found.items() if other != name)


@pytest.mark.parametrize(
    ("library", "package"),
    [
        ("libxcb-cursor.so.0", "libxcb-cursor0"),
        ("libEGL.so.1", "libegl1"),
        ("libxkbcommon-x11.so.0", "libxkbcommon-x11-0"),
        ("libdbus-1.so.3", "libdbus-1-3"),
        ("libX11-xcb.so.1", "libx11-xcb1"),
        ("libglib-2.0.so.0", "libglib2.0-0"),
    ],
)
def test_packages_are_named_as_debian_names_them(library: str, package: str) -> None:
    assert debian_package(library) == package


def test_nothing_missing_needs_no_advice() -> None:
    assert packages_advice(()) == ""


def test_the_doctor_looks_at_the_folder_of_the_settings() -> None:
    assert settings_folder() == preferences_path().parent
