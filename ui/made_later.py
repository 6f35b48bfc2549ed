"""Widgets that are made when they are first needed, so that the window starts without them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from PySide6.QtWidgets import QWidget

W = TypeVar("W", bound=QWidget)


class MadeLater(Generic[W]):
    """A widget to be: calling this makes it, once, and gives it."""

    def __init__(self, make: Callable[[], W]) -> None:
        self._make = make
        self._then: list[Callable[[W], None]] = []
        self._widget: W | None = None

    def __call__(self) -> W:
        if self._widget is None:
            self._widget = self._make()
            for step in self._then:
                step(self._widget)
        return self._widget

    def when_made(self, step: Callable[[W], None]) -> None:
        """Do this with the widget as soon as it is there."""
        if self._widget is not None:
            step(self._widget)
        else:
            self._then.append(step)

    @property
    def is_made(self) -> bool:
        return self._widget is not None

    @property
    def is_seen(self) -> bool:
        """Whether it is there and on the screen."""
        return self._widget is not None and self._widget.isVisible()
