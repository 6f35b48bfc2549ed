"""The picture shows what the real masks do, and says it in words."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from PySide6.QtCore import Qt
from PySide6.QtGui import QImage

from core.config import MaskConfig
from core.masking import draw_views
from core.progress import Cancelled, RunContext
from ui import mask_picture
from ui.mask_picture import COLUMNS, SEED, WINDOWS, MaskPicture, draw_examples

NAMES = ("EEG", "EOG", "EMG")


@pytest.fixture
def picture(qtbot) -> Iterator[MaskPicture]:
    made = MaskPicture()
    qtbot.addWidget(made)
    made.resize(420, 300)
    made.show()
    qtbot.waitExposed(made)
    yield made
    made.shut_down()


def draw(qtbot, picture: MaskPicture, masks: list[dict[str, Any]], names=NAMES, **more) -> None:
    with qtbot.waitSignal(picture.drawn, timeout=30_000):
        picture.show_masks(masks, names, **more)


def image(picture: MaskPicture, block: int = 0) -> QImage:
    return picture._blocks[block].canvas.grab().toImage()


def colours(picture: MaskPicture, x: float, row: int) -> set[str]:
    """Colours in the middle of a row, around a place across the picture."""
    shown = image(picture)
    canvas = picture._blocks[0].canvas
    y = canvas._head() + row * canvas._row() + canvas._row() // 2
    middle = round(x * shown.width())
    return {shown.pixelColor(middle + k, y).name() for k in range(-12, 13)}


def test_masks_are_those_that_pretraining_draws() -> None:
    masks = [
        MaskConfig(strategy="spatial", keep=0.6),
        MaskConfig(strategy="random", keep=0.3),
        MaskConfig(strategy="temporal", keep=0.7),
        MaskConfig(strategy="complementary"),
    ]
    examples = draw_examples(masks, 3, True, RunContext())
    for mask, example in zip(masks, examples, strict=True):
        views = draw_views(
            torch.ones(WINDOWS, 3, dtype=torch.bool),
            mask,
            torch.Generator().manual_seed(SEED),
            code=COLUMNS,
            steps=[COLUMNS] * 3,
        )
        for seen, view in ((example.a, views.a), (example.b, views.b)):
            assert seen.shape == (WINDOWS, 3, COLUMNS)
            for window in (0, 17, WINDOWS - 1):
                for m in range(3):
                    kept = np.full(COLUMNS, bool(view.keep[window, m]))
                    if view.elements is not None:
                        kept &= view.elements[window, m].numpy()
                    if view.steps is not None:
                        kept &= view.steps[m][window].numpy()
                    np.testing.assert_array_equal(seen[window, m], kept)


def test_it_can_be_stopped_between_two_ways() -> None:
    masks = [MaskConfig(strategy="spatial")] * 2
    with pytest.raises(Cancelled):
        draw_examples(masks, 2, True, RunContext(should_stop=lambda: True))


def test_kept_cells_are_coloured_and_masked_ones_are_not(qtbot, picture: MaskPicture) -> None:
    draw(qtbot, picture, [{"strategy": "complementary"}])
    (example,) = picture.examples
    for row in range(3):
        in_a = bool(example.a[0, row].all())
        assert in_a != bool(example.b[0, row].all())
        one, other = colours(picture, 0.35, row), colours(picture, 0.8, row)
        assert one != other
        kept = one if in_a else other
        assert len(kept) <= 4  # a colour, gaps and nothing hatched in between


def test_complementary_views_are_said_to_share_nothing(qtbot, picture: MaskPicture) -> None:
    draw(qtbot, picture, [{"strategy": "complementary"}])
    (example,) = picture.examples
    assert example.in_both == 0
    assert example.same == 0
    assert "share nothing" in picture.caption
    assert picture._blocks[0].canvas.accessibleDescription() in picture.caption


def test_equal_views_as_released_are_said_to_teach_nothing(qtbot, picture: MaskPicture) -> None:
    draw(qtbot, picture, [{"strategy": "spatial", "keep": 0.9}], strict=False)
    (example,) = picture.examples
    # (0.9² + 0.1²)³ of the windows.
    assert example.same == pytest.approx(0.82**3, abs=0.05)
    assert f"In {100 * example.same:.0f}\u00a0% of the windows both views are the same" in (
        picture.caption
    )
    draw(qtbot, picture, [{"strategy": "spatial", "keep": 0.9}], strict=True)
    assert "are the same" not in picture.caption


@pytest.mark.parametrize(
    ("strategy", "words"),
    [("spatial", "Whole modalities"), ("random", "Single numbers"), ("temporal", "Stretches")],
)
def test_shares_that_are_kept_are_said(
    qtbot, picture: MaskPicture, strategy: str, words: str
) -> None:
    draw(qtbot, picture, [{"strategy": strategy, "keep": 0.5}])
    (example,) = picture.examples
    assert words in picture.caption
    assert f"keeps {100 * example.kept:.0f}\u00a0%" in picture.caption
    assert example.kept == pytest.approx(0.5, abs=0.1)


def test_one_modality_alone_is_masked_in_parts(qtbot, picture: MaskPicture) -> None:
    draw(qtbot, picture, [{"strategy": "spatial"}], ("one",))
    assert "one modality only" in picture.caption
    assert 0 < picture.examples[0].a[0].mean() < 1


def test_several_ways_are_shown_one_below_the_other(qtbot, picture: MaskPicture) -> None:
    masks = [{"strategy": "complementary"}, {"strategy": "spatial"}]
    draw(qtbot, picture, masks, mixture="all")
    assert len(picture._blocks) == 2
    assert "in all of these ways" in picture.caption
    draw(qtbot, picture, masks, mixture="draw")
    assert "in one of these ways" in picture.caption
    draw(qtbot, picture, masks[:1])
    assert len(picture._blocks) == 1
    assert "these ways" not in picture.caption


def test_another_window_can_be_looked_at(qtbot, picture: MaskPicture) -> None:
    draw(qtbot, picture, [{"strategy": "random"}])
    before = image(picture)
    picture.another.setFocus()
    qtbot.keyClick(picture.another, Qt.Key.Key_Space)
    assert image(picture) != before


def test_what_was_drawn_once_is_shown_at_once(qtbot, picture: MaskPicture) -> None:
    draw(qtbot, picture, [{"strategy": "random"}])
    draw(qtbot, picture, [{"strategy": "spatial"}])
    picture.show_masks([{"strategy": "random", "weight": 3}], ("a", "b", "c"))
    assert picture.examples
    assert picture.examples[0].mask.strategy == "random"


def test_nothing_is_drawn_before_it_is_seen(qtbot) -> None:
    made = MaskPicture()
    qtbot.addWidget(made)
    made.show_masks([{"strategy": "spatial"}], NAMES)
    assert not made._work.is_busy
    with qtbot.waitSignal(made.drawn, timeout=30_000):
        made.show()
    assert made.examples
    made.shut_down()


def test_of_several_requests_only_the_last_is_shown(qtbot, picture: MaskPicture) -> None:
    picture.show_masks([{"strategy": "random"}], NAMES)
    picture.show_masks([{"strategy": "temporal"}], NAMES)
    draw(qtbot, picture, [{"strategy": "spatial"}], NAMES[:2])
    assert [example.mask.strategy for example in picture.examples] == ["spatial"]
    assert picture.examples[0].a.shape[1] == 2


def test_without_modalities_it_says_so(qtbot, picture: MaskPicture) -> None:
    assert "no modalities" in picture.caption
    draw(qtbot, picture, [{"strategy": "random"}])
    picture.show_masks([{"strategy": "random"}], ())
    assert "no modalities" in picture.caption
    assert not picture.another.isVisibleTo(picture)
    assert not picture._blocks


def test_a_fault_while_drawing_is_told(qtbot, picture: MaskPicture, monkeypatch) -> None:
    def broken(*arguments: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(mask_picture, "draw_examples", broken)
    with qtbot.waitSignal(picture.failed) as told:
        picture.show_masks([{"strategy": "random"}], NAMES)
    assert isinstance(told.args[0], RuntimeError)
    assert "a bug" in picture.caption


def test_closing_waits_for_what_is_being_drawn(qtbot, picture: MaskPicture, monkeypatch) -> None:
    begun = threading.Event()

    def slow(*arguments: Any) -> None:
        begun.set()
        context = arguments[-1]
        while True:
            context.look()
            time.sleep(0.001)

    monkeypatch.setattr(mask_picture, "draw_examples", slow)
    picture.show_masks([{"strategy": "random"}], NAMES)
    assert begun.wait(10)
    picture.shut_down()
    assert not picture._work._job.isRunning()


def test_many_modalities_still_fit(qtbot, picture: MaskPicture) -> None:
    draw(qtbot, picture, [{"strategy": "spatial"}], tuple(f"m{k}" for k in range(40)))
    assert image(picture).height() < 320
