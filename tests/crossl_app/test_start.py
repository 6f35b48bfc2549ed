"""The window shows before anything is loaded that it does not need for that."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

LATER = ("torch", "scipy", "sklearn", "duckdb", "pyedflib")
PROGRAM = f"""
import sys
from crossl_app import gui

class Shown(gui.MainWindow):
    def show(self):
        super().show()
        print([name for name in {LATER} if name in sys.modules])
        gui.QTimer.singleShot(0, self.close)

from PySide6.QtCore import QTimer
gui.QTimer = QTimer
gui.MainWindow = Shown
sys.exit(gui.run_gui([]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there torch has to come before Qt")
def test_what_computes_is_loaded_after_the_window_shows(repository: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-c", PROGRAM],
        env=os.environ | {"PYTHONPATH": str(repository)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "[]\n"


def test_on_windows_torch_comes_before_qt(repository: Path) -> None:
    text = (repository / "crossl_app" / "gui.py").read_text("utf-8")
    assert text.index("import torch") < text.index("from PySide6")
    for name in ("__main__", "cli", "crash_log", "stop_signals"):
        early = (repository / "crossl_app" / f"{name}.py").read_text("utf-8")
        assert "\nfrom PySide6" not in early
        assert "\nfrom ui" not in early
