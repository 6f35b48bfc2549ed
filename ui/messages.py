"""How errors look: a short box for expected ones, a report to copy for bugs."""

from __future__ import annotations

import linecache
import platform
import re
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

from PySide6.QtCore import QCoreApplication, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QMessageBox, QWidget

from core.errors import CrosslError
from core.licences import versions_of
from core.program_path import program_path
from core.version import __version__

_LIBRARIES = ("PySide6-Essentials", "pyqtgraph", "numpy", "torch", "duckdb", "pyedflib")
_HIDDEN = "…"
# Words that Python, numpy, torch and Qt use in messages. All others must stand in the program text
# of the traceback to be shown: a name, a code or a path from a file does not.
_PLAIN_WORDS = """
a all already an and any argument arguments array arrays as assignment at attribute axis bad be
been before being between bool boolean both bound bounds broadcast buffer but by byte bytes call
callable called can cannot cast changed class closed code codec column columns comparison
connect connection convert copy could created decode deleted denied destination dict dictionary
different dimension dimensions directory disk division do does dtype during element elements
empty encode end error exceeded exhausted exist exists expected failed failure False field file
files first float float32 float64 for format found from function got greater has have in index
indexable indices infinite initialized input inputs int int32 int64 integer internal invalid is
item iterable iteration key keyword left len length less level limit line list local locked long
loop mapping mat1 mat2 match math maximum memory method minimum mismatch missing module more
multiplied must name NaN nan negative no none None NoneType not null number object of on one only
open operand operands operation operator or out output overflow parameter permission pickle
point position positional previous query range read recursion recv referenced refused required
reset result return row rows run self sequence series set shape shapes signal single size slice
slot slots source specified started state stop str string supported syntax system tensor tensors
than that the there this thread time timed timeout to together too True tuple type types unable
unexpected unhashable unknown unpack unsupported unterminated use used using valid value values
variable view was were when where width with without wrong zero
"""
_PLAIN = frozenset(_PLAIN_WORDS.split())
_PATH = re.compile(
    r"""(?P<quote>['"`])(?=[^'"`]*[/\\])[^'"`]*(?P=quote)"""  # blanks belong to it
    r"""|(?:[A-Za-z]:)?[^\s'"`,;:()<>\[\]{}=]*[/\\][^\s'"`,;()<>\[\]{}=]*"""
)
_KINDS = "annot|bdf|csv|eannot|edf|json|py|rec|safetensors|sqlite|tsv|txt|xml|zip"
_ENDING = re.compile(rf"\.(?:{_KINDS}|gz)(?:\.gz)?$", re.IGNORECASE)
_TOKEN = re.compile(rf"<path>(?:\.\w+)*|\.(?:{_KINDS})(?:\.gz)?\b|\w+|\W", re.IGNORECASE)


_keep: list[Callable[[str], Path | None]] = []  # what keeps reports, where anything does


def _tr(text: str) -> str:
    return QCoreApplication.translate("messages", text)


def keep_reports_with(keep: Callable[[str], Path | None] | None) -> None:
    """Hand every report of a mistake to `keep`, which says where it put it; None: to nobody."""
    _keep[:] = [keep] if keep is not None else []


def show_error(error: BaseException, parent: QWidget | None = None) -> QMessageBox:
    """Show an error in the box that fits it; returns the box, which is already open."""
    box = error_box(error) if isinstance(error, CrosslError) else bug_box(error)
    if parent is not None:
        box.setParent(parent, box.windowFlags())
    box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    box.open()
    return box


def error_box(error: CrosslError) -> QMessageBox:
    """A short box with the sentence that the core wrote for the user."""
    box = QMessageBox(QMessageBox.Icon.Warning, "crossl-app", str(error))
    # File names are the user's data, not markup.
    box.setTextFormat(Qt.TextFormat.PlainText)
    box.setStandardButtons(QMessageBox.StandardButton.Ok)
    return box


def bug_box(error: BaseException) -> QMessageBox:
    """A box that says this is a mistake of the program, with a traceback to copy."""
    text = bug_report(error)
    box = QMessageBox(
        QMessageBox.Icon.Critical,
        "crossl-app",
        _tr("Something went wrong inside crossl-app. Your recordings were not changed."),
    )
    advice = _tr(
        "Please send the report to the developers: press Copy, and paste it into a message. "
        "It holds no patient data: names, paths and values are left out."
    )
    kept_in = _keep[0](text) if _keep else None
    if kept_in is not None:
        advice += "\n\n" + _tr("It is also kept in {path}").format(path=kept_in)
    box.setInformativeText(advice)
    box.setTextFormat(Qt.TextFormat.PlainText)
    box.setDetailedText(text)
    box.setStandardButtons(QMessageBox.StandardButton.Close)
    copy = box.addButton(_tr("Copy"), QMessageBox.ButtonRole.ActionRole)
    copy.setToolTip(_tr("Copy the report"))
    # A click on the button must not close the box.
    copy.clicked.disconnect()
    copy.clicked.connect(lambda: QGuiApplication.clipboard().setText(text))
    return box


def bug_report(error: BaseException) -> str:
    """The traceback with versions and platform, free of the user's data.

    Only program text is shown, no values of variables. Of an error's message those words are kept
    that stand in the statements of the traceback or in a short list of technical words; of paths
    the ending is kept; everything else, numbers too, becomes `…`. Paths of program files begin at
    their package, so that no name of a user's folder is shown.
    """
    return "\n".join([*_versions(), "", *_errors(error)]) + "\n"


def _versions() -> Iterator[str]:
    yield f"crossl-app {__version__}"
    packed = " (packed)" if getattr(sys, "frozen", False) else ""
    yield f"Python {platform.python_version()}{packed}, {platform.platform()}"
    found = [f"Qt platform {QGuiApplication.platformName()}"]
    found += [f"{name} {version}" for name, version in versions_of(_LIBRARIES)]
    yield ", ".join(found)


def _errors(error: BaseException) -> Iterator[str]:
    """An error with its traceback, after those that led to it."""
    seen: set[int] = set()
    chain: list[tuple[BaseException, str]] = []
    current: BaseException | None = error
    after = ""
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        chain.append((current, after))
        if current.__cause__ is not None:
            current, after = current.__cause__, "This was the cause of:"
        elif current.__context__ is not None and not current.__suppress_context__:
            current, after = current.__context__, "While this was handled, there came:"
        else:
            current = None
    for one, then in reversed(chain):
        yield from _one_error(one)
        if then:
            yield from ("", then, "")


def _one_error(error: BaseException) -> Iterator[str]:
    frames = traceback.extract_tb(error.__traceback__)
    if frames:
        yield "Traceback (most recent call last):"
    text = []
    for frame in frames:
        yield f'  File "{program_path(frame.filename)}", line {frame.lineno}, in {frame.name}'
        if frame.line:
            yield f"    {frame.line}"
        text += _statement(frame)
    words = frozenset(re.findall(r"[^\W\d]\w*", "\n".join(text)))
    kind = type(error)
    name = kind.__qualname__
    if kind.__module__ not in ("builtins", "__main__"):
        name = f"{kind.__module__}.{name}"
    message = _clean_message(error, words)
    yield f"{name}: {message}" if message else name
    if isinstance(error, BaseExceptionGroup):
        for number, part in enumerate(error.exceptions, 1):
            yield f"  part {number} of {len(error.exceptions)}:"
            yield from (f"  {line}" for line in _errors(part))


def _statement(frame: traceback.FrameSummary) -> list[str]:
    """The lines of program text that a frame was at."""
    first = frame.lineno or 0
    last = max(first, frame.end_lineno or first)
    return [linecache.getline(frame.filename, number) for number in range(first, last + 1)]


def _clean_message(error: BaseException, words: frozenset[str]) -> str:
    if isinstance(error, OSError) and error.errno is not None:
        # Its text is the system's; names of files stand apart.
        paths = [p for p in (error.filename, error.filename2) if p is not None]
        shown = ", ".join(_hidden_path(str(path)) for path in paths)
        return f"[Errno {error.errno}] {error.strerror}" + (f": {shown}" if shown else "")
    try:
        message = str(error)
    except Exception:  # a message that cannot be made must not hide the error it belongs to
        return "(its message could not be made)"
    return clean_text(message, words)


def clean_text(message: str, words: frozenset[str] = frozenset()) -> str:
    """A message without the user's data: of `words` and technical words, nothing else is kept."""
    message = _PATH.sub(lambda found: _hidden_path(found.group().strip("'\"`")), message)

    def shown(token: re.Match[str]) -> str:
        text = token.group()
        if not re.match(r"\w", text):  # a sign, a path that is hidden already, an ending
            return text
        # Capitals are names, but for the first word of a sentence.
        word = text[:1].lower() + text[1:] if token.start() == 0 else text
        return text if text in words or word in _PLAIN else _HIDDEN

    cleaned = _TOKEN.sub(shown, message)
    # What was taken out in a row says no more than once.
    return re.sub(rf"{_HIDDEN}(?:[\s.,:;'’+-]*{_HIDDEN})+", _HIDDEN, cleaned)


def _hidden_path(path: str) -> str:
    found = _ENDING.search(path.rstrip(".:"))
    return f"<path>{found.group() if found else ''}"
