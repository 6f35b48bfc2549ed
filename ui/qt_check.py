"""Can the window open here, and will it show text and pictures?

Qt ends the process where it finds no window system that it can use. So the program asks itself: it
starts once more with `--doctor-qt FILE`, and that child writes what it finds into the file, fact by
fact. What was written before the child fell over is the answer, with what Qt said last. This module
imports Qt in the child only.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

from core.doctor import Answer, Question, in_words
from core.errors import CrosslError

WINDOW = "Window"
CHILD_OPTION = "--doctor-qt"
TIMEOUT_S = 60.0
NEEDED_SIGNS = "äß–×µαΔ…"
_MISSING_LIBRARY = re.compile(r"(lib[\w.+-]+\.so(?:\.\d+)*)")
_NOT_THE_REASON = ("Available platform plugins", "This application failed to start", "Reinstalling")


def questions() -> tuple[Question, ...]:
    """What to ask about the window. Where there is no display, nothing of it is essential: batch
    mode does without Qt."""
    window = _Window(dict(os.environ))
    essential = window.is_wanted
    return (
        Question(WINDOW, "Qt", window.qt, essential),
        Question(WINDOW, "window system", window.system, essential),
        Question(WINDOW, "pictures", window.pictures, essential),
        Question(WINDOW, "fonts", window.fonts, essential),
        Question(WINDOW, "plots", window.plots, essential),
    )


# ---------------------------------------------------------------- asking


@dataclass(frozen=True)
class Told:
    """What a child wrote, and why it ended early; `reason` is empty where it did not."""

    facts: Mapping[str, Any]
    reason: str = ""


class _Window:
    """Answers from one child, or from two where the first could not open a window."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self.asked_for = environment.get("QT_QPA_PLATFORM", "")
        self.is_wanted = bool(self.asked_for) or has_display(environment)

    @cached_property
    def _first(self) -> Told:
        if self.is_wanted:
            return ask_qt(self._environment)
        return ask_qt({**self._environment, "QT_QPA_PLATFORM": "offscreen"})

    @cached_property
    def _drawn(self) -> Told:
        """From a child that draws, offscreen where it cannot do so on a screen."""
        if not self._first.reason or not self.is_wanted:
            return self._first
        return ask_qt({**self._environment, "QT_QPA_PLATFORM": "offscreen"})

    def qt(self) -> Answer:
        facts = self._first.facts
        if "qt" not in facts:
            return _failed(f"Qt cannot be loaded: {self._first.reason}")
        return Answer(
            f"{facts['qt']}, PySide6 {facts['pyside']}",
            figures={"qt": facts["qt"], "pyside": facts["pyside"]},
        )

    def system(self) -> Answer:
        told = self._first
        missing = tuple(told.facts.get("missing_libraries", ()))
        figures = {"missing_libraries": list(missing)}
        if not self.is_wanted:
            lacking = f"; for a window Qt also needs {', '.join(missing)}" if missing else ""
            return Answer(
                "no display here (neither DISPLAY nor WAYLAND_DISPLAY is set): batch mode works, "
                f"the window does not open{lacking}",
                "note",
                packages_advice(missing),
                figures,
            )
        if told.reason:
            return Answer(
                f"the window cannot open here: {told.reason}",
                "failed",
                packages_advice(missing)
                or "Batch mode works all the same. Over ssh, a display has to be forwarded "
                "(ssh -X) or DISPLAY left unset.",
                figures,
            )
        facts = told.facts
        figures = {"platform": facts["platform"], "screens": facts["screens"]}
        screens = ", ".join(facts["screens"])
        if facts["platform"] in ("offscreen", "minimal"):
            return Answer(
                f"{facts['platform']}, as QT_QPA_PLATFORM asks: nobody sees the window",
                "note",
                "Unset QT_QPA_PLATFORM to see it.",
                figures,
            )
        return Answer(f"{facts['platform']}, {screens}, style {facts['style']}", figures=figures)

    def pictures(self) -> Answer:
        facts = self._facts("formats", "icon")
        figures = {"formats": facts["formats"]}
        if not facts["icon"]:
            return Answer(
                "the program's icon is not drawn: Qt's plugin for SVG is missing",
                "failed",
                "The installation is not whole: install it anew.",
                figures,
            )
        return Answer("SVG icons are drawn", figures=figures)

    def fonts(self) -> Answer:
        facts = self._facts("families", "font", "text", "lacking")
        figures = {key: facts[key] for key in ("families", "font", "lacking")}
        advice = "Install a font, such as DejaVu Sans (Debian and Ubuntu: fonts-dejavu-core)."
        if not facts["families"] or not facts["text"]:
            return Answer("no font is there: the window would show no text", "failed", advice)
        value = f"{facts['families']} families, text in {facts['font']}"
        if facts["lacking"]:
            return Answer(f"{value}; no font has {facts['lacking']}", "note", advice, figures)
        return Answer(value, figures=figures)

    def plots(self) -> Answer:
        facts = self._facts("pyqtgraph", "plot")
        if not facts["plot"]:
            return Answer(f"pyqtgraph {facts['pyqtgraph']} draws an empty plot", "failed")
        return Answer(
            f"pyqtgraph {facts['pyqtgraph']}, a curve is drawn",
            figures={"pyqtgraph": facts["pyqtgraph"]},
        )

    def _facts(self, *needed: str) -> Mapping[str, Any]:
        """Facts of the child that draws. CrosslError where it did not come that far."""
        told = self._drawn
        if any(name not in told.facts for name in needed):
            raise CrosslError(f"not found out, since Qt fell over: {told.reason}")
        return told.facts


def _failed(value: str) -> Answer:
    return Answer(value, "failed", packages_advice(_MISSING_LIBRARY.findall(value)))


def has_display(environment: Mapping[str, str]) -> bool:
    """Whether there is a window system to ask; on Windows and macOS there always is."""
    if sys.platform in ("win32", "darwin"):
        return True
    return bool(environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY"))


def program() -> list[str]:
    """The command that starts this program once more."""
    if getattr(sys, "frozen", False):
        return [sys.executable]
    return [sys.executable, "-P", "-m", "crossl_app"]


def ask_qt(
    environment: Mapping[str, str],
    command: Sequence[str] | None = None,
    timeout_s: float = TIMEOUT_S,
) -> Told:
    """Start the child under `environment` and read what it wrote; never raises for what Qt does."""
    with tempfile.TemporaryDirectory(prefix="crossl-qt-", ignore_cleanup_errors=True) as folder:
        out = Path(folder, "facts.json")
        given = {**environment, "QT_FORCE_STDERR_LOGGING": "1"}
        if not getattr(sys, "frozen", False):
            # The child starts elsewhere, so that a core dump is thrown away with the folder.
            home = str(Path(__file__).resolve().parent.parent)
            given["PYTHONPATH"] = os.pathsep.join(filter(None, (home, given.get("PYTHONPATH"))))
        try:
            done = subprocess.run(
                [*(command or program()), CHILD_OPTION, str(out)],
                env=given,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                encoding="utf-8",
                errors="replace",
                timeout=timeout_s,
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
        except subprocess.TimeoutExpired:
            return Told(_written(out), f"Qt did not answer within {timeout_s:g} s")
        except OSError as error:
            return Told({}, f"the program could not start itself ({in_words(error)})")
        return _told(_written(out), done.returncode, done.stderr)


def _written(out: Path) -> dict[str, Any]:
    try:
        facts = json.loads(out.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return facts if isinstance(facts, dict) else {}


def _told(facts: dict[str, Any], status: int, said: str) -> Told:
    if status == 0 and facts.get("whole"):
        return Told(facts)
    missing = facts.get("missing_libraries", ())
    if "error" in facts:
        reason = str(facts["error"])
    elif missing and "platform" not in facts:
        reason = f"these libraries are missing: {', '.join(missing)}"
    else:
        reason = last_words(said) or _how_it_ended(status)
    return Told(facts, reason)


def last_words(said: str) -> str:
    """Why Qt gave up, from what it wrote: the lines that say so, without their categories."""
    lines = [re.sub(r"^(qt|default)[\w.]*: ", "", line.strip()) for line in said.splitlines()]
    lines = [line for line in lines if line and not line.startswith(_NOT_THE_REASON)]
    display = [line for line in lines if "could not connect to display" in line]
    # Where that is the reason, what Qt adds about libraries is a guess of its own.
    return "; ".join(dict.fromkeys(display or lines[-3:]))


def _how_it_ended(status: int) -> str:
    if status < 0:
        try:
            return f"Qt ended the program ({signal.Signals(-status).name})"
        except ValueError:
            pass
    return f"Qt ended the program (status {status})"


def packages_advice(libraries: Sequence[str]) -> str:
    """What to install for libraries that are missing; empty for none."""
    if not libraries:
        return ""
    names = " ".join(sorted({debian_package(name) for name in libraries}))
    return f"Install the missing libraries; on Debian and Ubuntu: sudo apt install {names}"


def debian_package(library: str) -> str:
    """Name of the package with a library, as Debian makes it: libxcb-cursor.so.0 is in
    libxcb-cursor0, libxkbcommon-x11.so.0 in libxkbcommon-x11-0."""
    name, _, number = library.partition(".so.")
    name = name.removesuffix(".so").lower()
    if name == "libglib-2.0":
        name = "libglib2.0"
    return f"{name}-{number}" if number and name[-1].isdigit() else f"{name}{number}"


# ---------------------------------------------------------------- the child


def tell(out: Path) -> int:
    """The child: find out everything about Qt, writing after each step; returns its exit status."""
    facts: dict[str, Any] = {}
    steps: tuple[Callable[[], dict[str, Any]], ...] = (
        _versions,
        _libraries,
        _open,
        _drawings,
        _text,
        _plot,
    )
    for step in steps:
        try:
            facts |= step()
        except Exception as error:
            facts["error"] = in_words(error).removeprefix("it cannot be loaded: ")
            _write(out, facts)
            return 1
        _write(out, facts)
    _write(out, facts | {"whole": True})
    return 0


def _write(out: Path, facts: Mapping[str, Any]) -> None:
    out.write_text(json.dumps(facts), "utf-8")


def _versions() -> dict[str, Any]:
    import PySide6
    from PySide6.QtCore import qVersion
    from PySide6.QtGui import QGuiApplication
    from PySide6.QtWidgets import QApplication

    del QGuiApplication, QApplication  # to be loaded is enough
    return {"qt": qVersion(), "pyside": PySide6.__version__}


def _libraries() -> dict[str, Any]:
    """Names of libraries that the plugin for X11 lacks, before Qt gives up over them."""
    if not sys.platform.startswith("linux"):
        return {"missing_libraries": []}
    from PySide6.QtCore import QCoreApplication, QLibraryInfo, QPluginLoader

    folders = QCoreApplication.libraryPaths()
    folders += [QLibraryInfo.path(QLibraryInfo.LibraryPath.PluginsPath)]
    plugins = [Path(folder, "platforms", "libqxcb.so") for folder in folders]
    plugin = next((path for path in plugins if path.is_file()), None)
    if plugin is None:  # Qt says so itself
        return {"missing_libraries": []}
    loader = QPluginLoader(str(plugin))
    if loader.load():
        return {"missing_libraries": []}
    # The loader names the first; `ldd` names all.
    first = [name for name in _MISSING_LIBRARY.findall(loader.errorString()) if "qxcb" not in name]
    return {"missing_libraries": list(dict.fromkeys([*first, *_not_found(plugin)]))}


def _not_found(plugin: Path) -> list[str]:
    try:
        listed = subprocess.run(["ldd", str(plugin)], capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return re.findall(r"^\s*(\S+) => not found", listed.stdout, re.MULTILINE)


def _open() -> dict[str, Any]:
    from PySide6.QtGui import QGuiApplication
    from PySide6.QtWidgets import QApplication

    application = QApplication.instance() or QApplication(["crossl-app"])
    assert isinstance(application, QApplication)
    screens = []
    for screen in QGuiApplication.screens():
        size, scale = screen.size(), screen.devicePixelRatio()
        screens.append(f"{size.width()} x {size.height()}" + (f" at {scale:g}" * (scale != 1)))
    return {
        "platform": QGuiApplication.platformName(),
        "screens": screens,
        "style": application.style().objectName(),
    }


def _drawings() -> dict[str, Any]:
    from PySide6.QtGui import QImage, QImageReader

    formats = sorted(bytes(one.data()).decode() for one in QImageReader.supportedImageFormats())
    drawing = (files("resources") / "icons" / "crossl-app.svg").read_bytes()
    picture = QImage()
    return {"formats": formats, "icon": picture.loadFromData(drawing, "SVG") and _drawn_on(picture)}


def _text() -> dict[str, Any]:
    from PySide6.QtCore import Qt
    from PySide6.QtGui import QFontDatabase, QFontInfo, QGuiApplication, QImage, QPainter

    font = QGuiApplication.font()
    picture = QImage(200, 40, QImage.Format.Format_ARGB32)
    picture.fill(Qt.GlobalColor.white)
    painter = QPainter(picture)
    painter.drawText(4, 28, "Recording")
    painter.end()
    return {
        "families": len(QFontDatabase.families()),
        "font": QFontInfo(font).family(),
        "text": _drawn_on(picture),
        "lacking": "".join(sign for sign in NEEDED_SIGNS if not _has_sign(sign)),
    }


def _has_sign(sign: str) -> bool:
    """Whether any font has it: Qt takes another where the usual one lacks it."""
    from PySide6.QtGui import QTextLayout

    layout = QTextLayout(sign)
    layout.beginLayout()
    layout.createLine()
    layout.endLayout()
    runs = layout.glyphRuns()
    return bool(runs) and all(index != 0 for run in runs for index in run.glyphIndexes())


def _plot() -> dict[str, Any]:
    import pyqtgraph

    widget = pyqtgraph.PlotWidget()
    widget.resize(200, 120)
    empty = widget.grab().toImage()
    widget.plot([0, 1, 0, 2, 0])
    full = widget.grab().toImage()
    widget.close()
    return {"pyqtgraph": version("pyqtgraph"), "plot": full != empty}


def _drawn_on(picture: Any) -> bool:
    """Whether a picture has more than one colour."""
    first = picture.pixel(0, 0)
    return any(
        picture.pixel(x, y) != first
        for x in range(picture.width())
        for y in range(picture.height())
    )
