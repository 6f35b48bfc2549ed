"""A small picture of what pretraining hides: the two views of a window, drawn by the real masks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from PySide6.QtCore import QEvent, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QBrush, QColor, QPainter, QPaintEvent, QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from core.config import MaskConfig
from core.progress import RunContext
from ui.dialog_parts import Paragraph
from ui.jobs import LatestJob
from ui.time_plot import class_colour, readable
from ui.wizard_page import describe

COLUMNS = 24
"""Numbers of an embedding, or steps of latent time, that stand for all of them."""
WINDOWS = 1000
"""Windows that are drawn; one is shown, all are counted."""
SEED = 0
MOST_KEPT = 64
_WIDEST_NAME = 18
"""Average letters of a modality's name that are shown."""
_TALLEST_ROW, _LOWEST_ROW = 16, 6
_TALLEST = 256
_GAP = 14


@dataclass(frozen=True, eq=False)
class MaskExample:
    """What one way to mask does to many windows.

    Attributes
    ----------
    a, b: (windows, modalities, COLUMNS) bool: what the two views see.
    """

    mask: MaskConfig
    a: np.ndarray
    b: np.ndarray

    @property
    def kept(self) -> float:
        """Share that a view sees, on average."""
        return float((self.a.mean() + self.b.mean()) / 2)

    @property
    def in_both(self) -> float:
        return float((self.a & self.b).mean())

    @property
    def in_neither(self) -> float:
        return float((~self.a & ~self.b).mean())

    @property
    def same(self) -> float:
        """Share of windows whose two views see the same."""
        return float((self.a == self.b).all(axis=(1, 2)).mean())

    @property
    def empty(self) -> float:
        """Share of windows of which one view or both see nothing."""
        return float((~self.a.any(axis=(1, 2)) | ~self.b.any(axis=(1, 2))).mean())


def draw_examples(
    masks: Sequence[MaskConfig], modalities: int, strict: bool, context: RunContext
) -> tuple[MaskExample, ...]:
    """Masks of many windows in which every modality is present, as pretraining draws them.

    For a `Job`: the first call loads torch. Raises Cancelled.
    """
    import torch

    from core.masking import View, draw_views

    def seen(view: View) -> np.ndarray:
        cells = view.keep[:, :, None].expand(-1, -1, COLUMNS)
        if view.elements is not None:
            cells = cells & view.elements
        if view.steps is not None:
            cells = cells & torch.stack(view.steps, dim=1)
        return cells.numpy()

    present = torch.ones(WINDOWS, modalities, dtype=torch.bool)
    examples = []
    for number, mask in enumerate(masks):
        context.step("masks", number, len(masks))
        generator = torch.Generator().manual_seed(SEED)
        views = draw_views(
            present, mask, generator, code=COLUMNS, steps=[COLUMNS] * modalities, strict=strict
        )
        examples.append(MaskExample(mask, seen(views.a), seen(views.b)))
    return tuple(examples)


class MaskPicture(QWidget):
    """One window and its two views for each way to mask, with a sentence on what they share.

    Drawn in the background, by the code that pretraining uses, once the picture is seen.
    """

    drawn = Signal()
    """What was asked for is shown."""
    failed = Signal(object)
    """The exception, when it could not be drawn."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName(self.tr("What is masked"))
        self._names: tuple[str, ...] = ()
        self._masks: tuple[MaskConfig, ...] = ()
        self._strict = True
        self._mixture = "draw"
        self._window = 0
        self._examples: tuple[MaskExample, ...] = ()
        self._kept: dict[tuple[object, ...], tuple[MaskExample, ...]] = {}
        self._asked: tuple[object, ...] = ()
        self._blocks: list[_Block] = []
        self._work = LatestJob(self)
        self._work.succeeded.connect(self._take)
        self._work.failed.connect(self._on_failed)
        self._says = Paragraph()
        self._says.setAccessibleName(self.tr("Several ways to mask"))
        self.another = QPushButton(self.tr("Another window"))
        self.another.setAutoDefault(False)
        describe(
            self.another,
            self.tr("Another window"),
            self.tr("Show the masks of another window of the same batch"),
        )
        self.another.clicked.connect(self.show_another)
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.addWidget(self._says)
        foot = QHBoxLayout()
        foot.addWidget(self.another)
        foot.addStretch(1)
        self._column.addLayout(foot)
        self._show()

    @property
    def examples(self) -> tuple[MaskExample, ...]:
        """What is shown; nothing while it is being drawn."""
        return self._examples

    @property
    def caption(self) -> str:
        """All that the picture says in words."""
        said = [self._says.text(), *(block.says.text() for block in self._blocks)]
        return " ".join(text for text in said if text)

    def show_masks(
        self,
        masks: Sequence[Mapping[str, Any]],
        modalities: Sequence[str],
        *,
        strict: bool = True,
        mixture: str = "draw",
    ) -> None:
        """Show these ways to mask, as `pretrain.masking` holds them.

        strict, mixture: `pretrain.strict_masks` and `pretrain.mixture`. Raises pydantic's
        ValidationError for what is no way to mask.
        """
        self._masks = tuple(MaskConfig.model_validate(mask) for mask in masks)
        self._names = tuple(modalities)
        self._strict, self._mixture = strict, mixture
        self._draw()

    def show_another(self) -> None:
        """Show the masks of the next window."""
        self._window = (self._window + 1) % WINDOWS
        for block in self._blocks:
            block.canvas.show_window(self._window)

    def shut_down(self) -> None:
        """Stop what is being drawn, and wait until it has ended. Before the window closes."""
        self._work.shut_down()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._draw()

    # -- drawing

    def _key(self) -> tuple[object, ...]:
        # The weight says how often, not what.
        masks = tuple((mask.strategy, mask.keep) for mask in self._masks)
        return masks, len(self._names), self._strict

    def _draw(self) -> None:
        key = self._key()
        if not self._masks or not self._names:
            self._work.drop()
            self._asked = ()
            self._examples = ()
            self._show()
        elif key in self._kept:
            self._work.drop()
            self._asked = ()
            self._examples = self._kept[key]
            self._show()
            self.drawn.emit()
        elif self.isVisible() and key != self._asked:
            self._asked = key
            self._examples = ()
            self._show()
            self._work.start(partial(draw_examples, self._masks, len(self._names), self._strict))

    def _take(self, examples: tuple[MaskExample, ...]) -> None:
        if len(self._kept) >= MOST_KEPT:
            self._kept.clear()
        self._kept[self._asked] = examples
        self._asked = ()
        self._examples = examples
        self._show()
        self.drawn.emit()

    def _on_failed(self, error: Exception) -> None:
        self._asked = ()
        self._says.say(self.tr("The masks cannot be drawn: {error}").format(error=error))
        self.failed.emit(error)

    def _show(self) -> None:
        self.another.setVisible(bool(self._examples))
        if not self._names or not self._masks:
            self._says.say(self.tr("There are no modalities yet."))
        elif not self._examples:
            self._says.say(self.tr("Drawing what is masked…"))
        else:
            self._says.say(self._say_together())
        while len(self._blocks) < len(self._examples):
            block = _Block()
            self._column.insertWidget(1 + len(self._blocks), block)
            self._blocks.append(block)
        while len(self._blocks) > len(self._examples):
            block = self._blocks.pop()
            block.hide()
            block.deleteLater()
        for block, example in zip(self._blocks, self._examples, strict=True):
            block.show_example(example, self._names, self._window, self._say(example))

    # -- words

    def _say_together(self) -> str:
        if len(self._examples) < 2:
            return ""
        if self._mixture == "all":
            return self.tr("Every batch is masked in all of these ways, and the losses averaged.")
        return self.tr("Each batch is masked in one of these ways, drawn by weight.")

    def _say(self, example: MaskExample) -> str:
        single = len(self._names) == 1
        strategy = example.mask.strategy
        parts = []
        if single and strategy in ("spatial", "complementary"):
            parts.append(
                self.tr("There is one modality only, so single numbers of its embedding are "
                        "masked.")
            )  # fmt: skip
        if strategy == "complementary":
            parts.append(
                self.tr("Each part is in exactly one of the two views: they share nothing.")
                if single
                else self.tr(
                    "Complementary: each modality is in exactly one of the two views, so they "
                    "share nothing, and each must be told from the other."
                )
            )
        else:
            what = "random" if single and strategy == "spatial" else strategy
            parts.append(self._say_what(what, example))
        if example.same:
            parts.append(
                self.tr("In {share} of the windows both views are the same, and nothing can be "
                        "learnt from them.").format(share=_percent(example.same))
            )  # fmt: skip
        if example.empty:
            parts.append(
                self.tr("In {share} of the windows a view sees nothing.").format(
                    share=_percent(example.empty)
                )
            )
        return " ".join(parts)

    def _say_what(self, strategy: str, example: MaskExample) -> str:
        says = {
            "spatial": self.tr(
                "Whole modalities: a view keeps {kept} of them on average; both views see {both}, "
                "neither sees {neither}."
            ),
            "random": self.tr(
                "Single numbers: a view keeps {kept} of every embedding; both views see {both}, "
                "neither sees {neither}."
            ),
            "temporal": self.tr(
                "Stretches of time: a view keeps {kept} of each modality's latent time, which may "
                "wrap round its end; both views see {both}, neither sees {neither}."
            ),
        }[strategy]
        return says.format(
            kept=_percent(example.kept),
            both=_percent(example.in_both),
            neither=_percent(example.in_neither),
        )


def _percent(share: float) -> str:
    """A share in percent; below one percent with a decimal, and never 0 where it is not."""
    if 0 < share < 0.01:
        return f"{max(100 * share, 0.1):.1f}\u00a0%"
    return f"{100 * share:.0f}\u00a0%"


class _Block(QWidget):
    """The picture of one way to mask, and what it says."""

    def __init__(self) -> None:
        super().__init__()
        self.canvas = _Canvas()
        self.says = Paragraph()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 4)
        column.setSpacing(2)
        column.addWidget(self.canvas)
        column.addWidget(self.says)

    def show_example(
        self, example: MaskExample, names: Sequence[str], window: int, says: str
    ) -> None:
        self.canvas.show_example(example, names, window)
        self.canvas.setAccessibleName(self.tr("Masks of two views"))
        self.canvas.setAccessibleDescription(says)
        what = self.tr("numbers of their embeddings")
        if example.mask.strategy == "temporal":
            what = self.tr("steps of latent time")
        self.canvas.setToolTip(
            self.tr("Coloured: kept. Hatched: masked. Rows: {names}. Columns: {what}.").format(
                names=", ".join(names), what=what
            )
        )
        self.says.say(says)


class _Canvas(QWidget):
    """Cells of one window: two views side by side, a row for each modality."""

    def __init__(self) -> None:
        super().__init__()
        self._example: MaskExample | None = None
        self._names: tuple[str, ...] = ()
        self._window = 0
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def show_example(self, example: MaskExample, names: Sequence[str], window: int) -> None:
        self._example, self._names, self._window = example, tuple(names), window
        self.updateGeometry()
        self.update()

    def show_window(self, window: int) -> None:
        self._window = window
        self.update()

    def changeEvent(self, event: QEvent) -> None:
        if event.type() == QEvent.Type.FontChange:
            self.updateGeometry()
        super().changeEvent(event)

    def sizeHint(self) -> QSize:
        return QSize(360, self._head() + len(self._names) * self._row() + 2)

    def minimumSizeHint(self) -> QSize:
        return QSize(200, self.sizeHint().height())

    def _head(self) -> int:
        return self.fontMetrics().height() + 2

    def _row(self) -> int:
        """Height of a row; many modalities share what there is."""
        tallest = max(_TALLEST_ROW, self.fontMetrics().height() + 2)
        return max(min(tallest, _TALLEST // max(len(self._names), 1)), _LOWEST_ROW)

    def paintEvent(self, event: QPaintEvent) -> None:
        if self._example is None or not self._names:
            return
        painter = QPainter(self)
        metrics = self.fontMetrics()
        row, head = self._row(), self._head()
        shows_names = row >= metrics.height() - 2
        widest = (
            max(metrics.horizontalAdvance(name) + 2 for name in self._names) if shows_names else 0
        )
        left = min(widest, _WIDEST_NAME * metrics.averageCharWidth(), self.width() // 3) + (
            8 if shows_names else 0
        )
        cell = (self.width() - left - _GAP) / (2 * COLUMNS)
        titles = (self.tr("View A"), self.tr("View B"))
        views = (self._example.a[self._window], self._example.b[self._window])
        painter.setPen(self.palette().windowText().color())
        for number, name in enumerate(self._names) if shows_names else ():
            place = QRect(0, head + number * row, left - 8, row)
            text = metrics.elidedText(name, Qt.TextElideMode.ElideMiddle, place.width())
            painter.drawText(
                place, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight, text
            )
        for number, (title, seen) in enumerate(zip(titles, views, strict=True)):
            start = left + number * (COLUMNS * cell + _GAP)
            painter.setPen(self.palette().windowText().color())
            painter.drawText(
                QRectF(start, 0, COLUMNS * cell, head), Qt.AlignmentFlag.AlignHCenter, title
            )
            self._paint_view(painter, seen, start, head, cell, row)
        painter.end()

    def _paint_view(
        self, painter: QPainter, seen: np.ndarray, left: float, top: int, cell: float, row: int
    ) -> None:
        ground = self.palette().window().color()
        faint = QColor(self.palette().windowText().color())
        faint.setAlpha(150)
        hatch = QBrush(faint, Qt.BrushStyle.BDiagPattern)
        frame = QColor(faint)
        frame.setAlpha(70)
        gap = 1 if cell >= 4 else 0
        for number, cells in enumerate(seen):
            y = top + number * row
            colour = readable(class_colour(number), ground)
            for k, is_kept in enumerate(cells):
                x = round(left + k * cell)
                width = round(left + (k + 1) * cell) - x - gap
                place = QRect(x, y + 1, max(width, 1), row - 2)
                painter.fillRect(place, colour if is_kept else hatch)
            painter.setPen(frame)
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRect(QRectF(left - 1, y, COLUMNS * cell, row - 1))
