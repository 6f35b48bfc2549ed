"""Icons as each system wants them, made from the drawings."""

from __future__ import annotations

import importlib
import struct
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

Image = pytest.importorskip("PIL.Image")


@pytest.fixture(scope="module")
def icons(repository: Path) -> ModuleType:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(repository / "installer"))
        return importlib.import_module("icons")


@pytest.fixture(scope="module")
def rendered(icons: ModuleType, tmp_path_factory: pytest.TempPathFactory, qapp) -> Path:
    out = tmp_path_factory.mktemp("icons")
    icons.render(out)
    return out


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGBA")).astype(int)


def test_every_size_of_hicolor_is_there_in_its_own_size(icons, rendered) -> None:
    for name, (_, _, kind) in icons.DRAWINGS.items():
        for side in icons.HICOLOR:
            path = rendered / "hicolor" / f"{side}x{side}" / kind / f"{name}.png"
            assert pixels(path).shape == (side, side, 4)
        assert (rendered / "hicolor" / "scalable" / kind / f"{name}.svg").is_file()


def test_the_windows_icon_holds_every_size_as_it_was_drawn(icons, rendered) -> None:
    for name in icons.DRAWINGS:
        path = rendered / f"{name}.ico"
        with Image.open(path) as picture:
            assert picture.info["sizes"] == {(side, side) for side in icons.ICO}
            picture.size = (16, 16)
            inside = np.asarray(picture.convert("RGBA")).astype(int)
        kind = icons.DRAWINGS[name][2]
        alone = pixels(rendered / "hicolor" / "16x16" / kind / f"{name}.png")
        seen = alone[..., 3] > 0
        assert np.array_equal(inside[seen], alone[seen])


def test_the_mac_icon_goes_up_to_1024_pixels(icons, rendered) -> None:
    for name in icons.DRAWINGS:
        data = (rendered / f"{name}.icns").read_bytes()
        kinds, place = set(), 8
        while place < len(data):
            kind, length = struct.unpack(">4sI", data[place : place + 8])
            kinds.add(kind)
            place += length
        assert {b"ic07", b"ic08", b"ic09", b"ic10"} <= kinds


@pytest.mark.parametrize("side", [16, 24, 32, 48, 512])
def test_drawings_show_something_on_light_and_on_dark(icons, rendered, side) -> None:
    for name, (_, _, kind) in icons.DRAWINGS.items():
        drawn = pixels(rendered / "hicolor" / f"{side}x{side}" / kind / f"{name}.png")
        opaque = drawn[..., 3] > 200
        assert 0.3 < opaque.mean() <= 1
        # Traces stand out from what they lie on, not from the desktop alone.
        colours, counts = np.unique(drawn[opaque][:, :3] // 32, axis=0, return_counts=True)
        ground = colours[counts.argmax()] * 32 + 16
        apart = np.abs(drawn[opaque][:, :3] - ground).sum(axis=1) > 150
        assert 0.05 < apart.mean() < 0.6


def test_the_small_drawing_has_its_lines_on_whole_pixels(icons, rendered) -> None:
    drawn = pixels(rendered / "hicolor" / "16x16" / "apps" / "crossl-app.png")
    dashes = drawn[12:14, :, :3]
    assert len(np.unique(dashes[0, 2:5], axis=0)) == 1
    assert np.array_equal(dashes[0], dashes[1])
