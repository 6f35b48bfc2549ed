"""A report of a mistake holds nothing of the user's data."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QWidget

from core.errors import RecordingError
from core.version import __version__
from ui.messages import bug_report, clean_text, error_box, show_error

# Put together here, so that no line of a traceback holds them.
NAME = "".join(("Anne", "marie"))
OTHER = "".join(("Müller", "-Lüden", "scheidt"))
BORN = "-".join(("1970", "02", "03"))
FOLDER = f"/home/{NAME}/{OTHER} {NAME}"
FILE = f"{FOLDER}/night {NAME} {BORN}.edf"
SECRETS = (NAME, "Müller", "Lüden", "scheidt", "1970", "night", "home")


def caught(action: Callable[[], object]) -> BaseException:
    try:
        action()
    except BaseException as error:
        return error
    raise AssertionError("nothing was raised")


def raise_it(error: BaseException) -> None:
    raise error


def chained() -> None:
    try:
        raise_it(KeyError(f"{NAME} {OTHER}"))
    except KeyError as error:
        raise RuntimeError(f"no subject {OTHER}, {NAME}") from error


def in_passing() -> None:
    try:
        raise_it(RecordingError(f"{FILE}: it is empty."))
    except RecordingError:
        json.loads("{" + NAME)


def noted() -> None:
    error = ValueError(NAME)
    error.add_note(FILE)
    raise ExceptionGroup(f"{OTHER}", [error, OSError(13, "Permission denied", FILE)])


def in_numpy() -> None:
    np.array([NAME, OTHER]).astype(float)


@pytest.mark.parametrize(
    "action",
    [
        lambda: raise_it(ValueError(f"cannot use {FILE} of {NAME} {OTHER}, born {BORN}")),
        lambda: raise_it(ValueError(f"C:\\Users\\{NAME}\\{OTHER}\\{NAME}.edf.gz, '{FOLDER}'")),
        lambda: raise_it(RuntimeError(f'"{FILE}" [{NAME}] <{OTHER}> {NAME}={OTHER}')),
        lambda: Path(FILE).read_bytes(),
        lambda: int(f"{NAME} {OTHER}"),
        lambda: {}[FILE],
        lambda: getattr(object(), NAME),
        lambda: f"{NAME}{OTHER}".encode("ascii"),
        chained,
        in_passing,
        noted,
        in_numpy,
    ],
)
def test_no_name_path_or_value_is_in_a_report(action: Callable[[], object]) -> None:
    report = bug_report(caught(action))
    for secret in SECRETS:
        assert secret not in report, report


def test_a_report_says_where_and_what_and_with_which_versions() -> None:
    report = bug_report(caught(chained))
    assert report.startswith(f"crossl-app {__version__}\n")
    for part in ("Python 3.", "Qt platform offscreen", "PySide6", "numpy"):
        assert part in report
    assert "in chained" in report
    assert 'raise RuntimeError(f"no subject {OTHER}, {NAME}") from error' in report
    # What the program itself says stays.
    assert "RuntimeError: no subject …" in report
    assert report.index("KeyError") < report.index("RuntimeError")


def test_what_stands_in_the_program_text_is_kept() -> None:
    def fail() -> None:
        raise ZeroDivisionError("oh, dear")

    assert bug_report(caught(fail)).endswith("ZeroDivisionError: oh, dear\n")


def test_of_paths_the_ending_is_kept() -> None:
    assert "FileNotFoundError: [Errno 2] No such file or directory: <path>.edf\n" in bug_report(
        caught(lambda: Path(FILE).read_bytes())
    )
    assert clean_text(f"cannot read '{FILE}' at 17") == "cannot read <path>.edf at …"
    assert clean_text(f"{NAME}.csv.gz") == "….csv.gz"


@pytest.mark.parametrize(
    "action",
    [
        lambda: [1][5],
        lambda: 1 / 0,
        lambda: None.shape,
        lambda: b"\xff".decode("utf-8"),
        lambda: "a" + 1,
        lambda: json.loads("["),
    ],
)
def test_usual_messages_of_python_are_still_understood(action: Callable[[], object]) -> None:
    error = caught(action)
    words = str(error).replace("'", " ").split()
    said = bug_report(error).rstrip().splitlines()[-1]
    kept = sum(word.strip(":,.'") in said for word in words if word.isalpha())
    assert kept >= 0.8 * sum(word.isalpha() for word in words), said


def test_files_are_named_from_their_package_on() -> None:
    report = bug_report(caught(lambda: json.loads("[")))
    files = [line.split('"')[1] for line in report.splitlines() if line.startswith('  File "')]
    assert files[0].endswith("test_messages.py")
    assert any(name.endswith("json/decoder.py") for name in files)
    for name in files:
        assert not name.startswith("/")
        assert ":" not in name
    assert str(Path(__file__).parents[2]) not in report


def test_values_of_variables_are_not_shown() -> None:
    def deep(patient: str) -> None:
        local = {"patient": patient}
        raise ZeroDivisionError(len(local))

    assert NAME not in bug_report(caught(lambda: deep(NAME)))


def test_an_error_whose_message_cannot_be_made_is_still_reported() -> None:
    class Odd(Exception):
        def __str__(self) -> str:
            raise ValueError(NAME)

    report = bug_report(Odd())
    assert "Odd: (its message could not be made)" in report
    assert NAME not in report


def test_a_chain_that_bites_its_tail_ends() -> None:
    one, two = ValueError("a"), ValueError("b")
    one.__cause__, two.__cause__ = two, one
    assert bug_report(one).count("ValueError") == 2


def test_an_expected_error_is_its_sentence_file_and_all(qtbot) -> None:
    box = error_box(RecordingError(f"{FILE}: it is empty."))
    assert box.text() == f"{FILE}: it is empty."
    assert box.textFormat() == Qt.TextFormat.PlainText
    assert box.detailedText() == ""
    box.deleteLater()


def test_the_box_of_a_mistake_copies_what_it_shows(qtbot) -> None:
    parent = QWidget()
    qtbot.addWidget(parent)
    error = caught(chained)
    box = show_error(error, parent)
    assert box.isVisible()
    copy = next(button for button in box.buttons() if button.text() == "Copy")
    qtbot.mouseClick(copy, Qt.MouseButton.LeftButton)
    assert QGuiApplication.clipboard().text() == box.detailedText() == bug_report(error)
    assert box.isVisible()
    box.close()
