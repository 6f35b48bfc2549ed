"""The drawings in `resources` as each system wants them: PNG files, .ico and .icns.

    python -P installer/icons.py OUT

Needs Qt to draw and Pillow to pack; Pillow belongs to the extra `build`.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parent.parent

HICOLOR = (16, 22, 24, 32, 48, 64, 128, 256, 512)
"""Side lengths in pixels that desktops on Linux look for."""
ICO = (16, 20, 24, 32, 40, 48, 64, 128, 256)
"""Those of Windows, at 100 % to 400 %."""
ICNS = (16, 32, 64, 128, 256, 512, 1024)
SMALL = 40
"""Below this side length a drawing with fewer and thicker lines is taken."""

DRAWINGS = {
    # name: (drawing, drawing for small sizes, folder in hicolor)
    "crossl-app": ("icons/crossl-app.svg", "artwork/crossl-app-small.svg", "apps"),
    "crossl-app-recording": (
        "artwork/recording.svg",
        "artwork/recording-small.svg",
        "mimetypes",
    ),
}


def render(out: Path) -> None:
    """Write `hicolor/`, and an .ico and .icns file of each drawing, below `out`."""
    sides = sorted({*HICOLOR, *ICO, *ICNS})
    for name, (large, small, kind) in DRAWINGS.items():
        pictures = {}
        for side in sides:
            pictures[side] = draw(ROOT / "resources" / (small if side < SMALL else large), side)
        for side in HICOLOR:
            folder = out / "hicolor" / f"{side}x{side}" / kind
            folder.mkdir(parents=True, exist_ok=True)
            pictures[side].save(folder / f"{name}.png", optimize=True)
        # Pillow scales by itself what is not handed to it.
        pictures[max(ICO)].save(
            out / f"{name}.ico",
            sizes=[(side, side) for side in ICO],
            append_images=[pictures[side] for side in ICO],
        )
        pictures[max(ICNS)].save(
            out / f"{name}.icns", append_images=[pictures[side] for side in ICNS]
        )
        scalable = out / "hicolor" / "scalable" / kind
        scalable.mkdir(parents=True, exist_ok=True)
        (scalable / f"{name}.svg").write_bytes((ROOT / "resources" / large).read_bytes())


def draw(drawing: Path, side: int) -> Image.Image:
    """A drawing as a square picture with transparency, `side` pixels wide."""
    from PySide6.QtCore import Qt
    from PySide6.QtGui import QImage, QPainter
    from PySide6.QtSvg import QSvgRenderer

    _start_qt()
    renderer = QSvgRenderer(str(drawing))
    if not renderer.isValid():
        sys.exit(f"{drawing}: Qt cannot draw this file.")
    picture = QImage(side, side, QImage.Format.Format_RGBA8888)
    picture.fill(Qt.GlobalColor.transparent)
    painter = QPainter(picture)
    renderer.render(painter)
    painter.end()
    return Image.frombytes("RGBA", (side, side), bytes(picture.constBits()))


def _start_qt() -> None:
    """Drawing texts and gradients wants an application; a builder may have no screen."""
    from PySide6.QtGui import QGuiApplication

    if QGuiApplication.instance() is None:
        os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
        _kept.append(QGuiApplication([]))


_kept: list[object] = []


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: icons.py OUT")
    render(Path(sys.argv[1]))
