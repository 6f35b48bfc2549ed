"""The settings that a user changes by hand, each shown at once while the dialog is open."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPixmap
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QGroupBox,
    QLabel,
    QLineEdit,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from ui.appearance import PALETTES, Appearance
from ui.preferences import DEFAULTS, Preferences, PreferenceStore, palette_title

SWATCH = 14
EDITED = ("appearance", "text_scale_percent", "palette", "time_mode", "auto_advance", "rater")


class PreferencesDialog(QDialog):
    """Edits the store's settings. Light or dark and the size of text are previewed; Cancel takes
    the preview back."""

    def __init__(
        self, store: PreferenceStore, appearance: Appearance, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(self.tr("Preferences"))
        self._store = store
        self._appearance = appearance

        self.scheme = QComboBox()
        self.scheme.addItem(self.tr("Like the system"), "system")
        self.scheme.addItem(self.tr("Light"), "light")
        self.scheme.addItem(self.tr("Dark"), "dark")
        self.scale = QSpinBox()
        self.scale.setRange(75, 250)
        self.scale.setSingleStep(5)
        self.scale.setSuffix(self.tr(" %"))
        # A size half typed must not change the dialog under the user's fingers.
        self.scale.setKeyboardTracking(False)
        self.palette_choice = QComboBox()
        for name, colours in PALETTES.items():
            self.palette_choice.addItem(palette_title(name), name)
            self.palette_choice.setItemData(
                self.palette_choice.count() - 1, _swatches(colours), Qt.ItemDataRole.DecorationRole
            )
        widest = max(len(colours) for colours in PALETTES.values())
        self.palette_choice.setIconSize(QSize(widest * SWATCH, SWATCH))
        self.time = QComboBox()
        self.time.addItem(self.tr("From the start of the recording"), "elapsed")
        self.time.addItem(self.tr("Time of day, where the recording has one"), "clock")
        self.advance = QCheckBox(self.tr("&Go on to the next epoch after a label's key"))
        self.rater = QLineEdit()
        self.rater.setPlaceholderText(self.tr("such as your initials"))

        looks = QGroupBox(self.tr("Looks"))
        form = QFormLayout(looks)
        self._add(form, self.tr("&Light or dark"), self.scheme,
                  self.tr("Colours of the whole program"))  # fmt: skip
        self._add(form, self.tr("&Size of text"), self.scale,
                  self.tr("Relative to the system's text; arrow keys change it"))  # fmt: skip
        self._add(form, self.tr("&Colours"), self.palette_choice,
                  self.tr("Colours of modalities and new classes; people with colour-blindness "
                          "tell each series apart"))  # fmt: skip
        work = QGroupBox(self.tr("Labelling"))
        form = QFormLayout(work)
        self._add(form, self.tr("&Rater"), self.rater,
                  self.tr("Stands beside every label you make"))  # fmt: skip
        self._add(form, self.tr("&Times"), self.time,
                  self.tr("How times are written along the signals"))  # fmt: skip
        form.addRow(self.advance)
        self.advance.setToolTip(self.tr("Off: the epoch stays chosen until you move on"))
        note = QLabel(
            self.tr(
                "Settings belong to you, on this computer. Classes, their keys and their colours "
                "belong to a study."
            )
        )
        note.setWordWrap(True)
        self.buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Ok
            | QDialogButtonBox.StandardButton.Cancel
            | QDialogButtonBox.StandardButton.RestoreDefaults
        )
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        self.buttons.button(QDialogButtonBox.StandardButton.RestoreDefaults).clicked.connect(
            self._to_defaults
        )
        column = QVBoxLayout(self)
        for part in (looks, work, note, self.buttons):
            column.addWidget(part)
        self._fill(store.value)
        self.scheme.currentIndexChanged.connect(self._preview)
        self.scale.valueChanged.connect(self._preview)

    @property
    def chosen(self) -> dict[str, Any]:
        """What the fields say now, by the names of Preferences."""
        return {
            "appearance": self.scheme.currentData(),
            "text_scale_percent": self.scale.value(),
            "palette": self.palette_choice.currentData(),
            "time_mode": self.time.currentData(),
            "auto_advance": self.advance.isChecked(),
            "rater": self.rater.text().strip(),
        }

    def accept(self) -> None:
        # With Enter the number being typed has not been taken over yet.
        self.scale.interpretText()
        self._store.update(**self.chosen)
        self._appearance.apply(self._store.value)
        super().accept()

    def reject(self) -> None:
        self._appearance.apply(self._store.value)
        super().reject()

    def _add(self, form: QFormLayout, title: str, editor: QWidget, tip: str) -> None:
        name = QLabel(title)
        name.setBuddy(editor)
        form.addRow(name, editor)
        editor.setAccessibleName(title.replace("&", ""))
        editor.setToolTip(tip)

    def _fill(self, value: Preferences) -> None:
        for box, wanted in (
            (self.scheme, value.appearance),
            (self.palette_choice, value.palette),
            (self.time, value.time_mode),
        ):
            box.setCurrentIndex(box.findData(wanted))
        self.scale.setValue(value.text_scale_percent)
        self.advance.setChecked(value.auto_advance)
        self.rater.setText(value.rater)

    def _to_defaults(self) -> None:
        self._fill(DEFAULTS)

    def _preview(self) -> None:
        self._appearance.apply(
            Preferences(appearance=self.scheme.currentData(), text_scale_percent=self.scale.value())
        )


def _swatches(colours: tuple[str, ...]) -> QPixmap:
    picture = QPixmap(len(colours) * SWATCH, SWATCH)
    picture.fill(Qt.GlobalColor.transparent)
    painter = QPainter(picture)
    for place, colour in enumerate(colours):
        painter.fillRect(place * SWATCH, 1, SWATCH - 2, SWATCH - 2, QColor(colour))
    painter.end()
    return picture
