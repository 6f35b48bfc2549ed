"""What goes into the report of a study, in which form, and where it is written."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from PySide6.QtCore import Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from core.progress import RunContext
from core.report_options import PARTS, ReportOptions
from ui.dialog_parts import FileDialogBase, Paragraph, PathRow, TickList, keyed, named
from ui.jobs import Work

ReportForm = Literal["html", "pdf"]
PAGE_SIZES = ("A4", "Letter")


@dataclass(frozen=True)
class ReportRequest:
    """A report to be written; a file that is at `path` may be replaced."""

    path: Path
    form: ReportForm
    page_size: Literal["A4", "Letter"]
    options: ReportOptions


MakeReport = Callable[[ReportOptions, RunContext], str]
"""Gives the HTML of a report, such as `core.study_report.study_report`, away from the window."""


def write_report(request: ReportRequest, make: MakeReport, context: RunContext) -> Path:
    """Make a report and write it, for a job. Raises OutputError."""
    html = make(request.options, context)
    if request.form == "pdf":
        from ui.pdf_report import write_pdf

        write_pdf(html, request.path, request.page_size, context)
    else:
        from core.study_report import write_study_report

        write_study_report(request.path, html)
    return request.path


class ReportDialog(FileDialogBase):
    """Asks what a report is to hold; whoever opened the dialog has it written.

    `wanted` is answered with `run(partial(write_report, request, make))`.
    """

    wanted = Signal(object)
    """A ReportRequest; a file in its place may be replaced, the user was asked."""
    written = Signal(object)
    """Path of the report, once it is written. The dialog stays."""

    def __init__(
        self,
        path: Path,
        available: Collection[str] = PARTS,
        about: str = "",
        parent: QWidget | None = None,
    ) -> None:
        """`path`: where it goes at first, by its ending as HTML or PDF. `available`: parts that
        there is something to show of. `about`: which run it is of, in words."""
        super().__init__("", {}, parent)
        self.setWindowTitle(self.tr("Report"))
        self.resize(620, 560)
        self._pending: ReportRequest | None = None
        self.work.stage_names.update(
            {"report": self.tr("Gathering…"), "pages": self.tr("Laying out pages…")}
        )
        self.work.succeeded.connect(self._on_done)
        self.work.busy_changed.connect(self._tell_ready)
        self.work.cancelled.connect(self._on_stopped)
        self._titles = {
            "study": self.tr("The study: recordings, people, labels"),
            "evaluation": self.tr("Evaluation, and how many labels it takes"),
            "robustness": self.tr("Which sensors one can lose"),
            "tables": self.tr("Figures of sleep"),
            "predictions": self.tr("Predictions over time"),
            "recordings": self.tr("Recordings and what was met in them"),
            "pretraining": self.tr("Curves of pretraining"),
            "model_card": self.tr("Model card: data, limits, intended use"),
            "settings": self.tr("Settings and versions"),
        }
        self._parts = [part for part in PARTS if part in available]
        self._lay_out(about)
        self.parts.fill([self._titles[p] for p in self._parts],
                        [self._titles[p] for p in self._parts])  # fmt: skip
        self.form.setCurrentIndex(1 if path.suffix.lower() == ".pdf" else 0)
        self.path.set_path(path)
        self._on_form()

    # -- parts

    def _lay_out(self, about: str) -> None:
        self.form = QComboBox()
        self.form.addItem(self.tr("HTML: one file for any browser"), "html")
        self.form.addItem(self.tr("PDF: pages to print"), "pdf")
        self.form.currentIndexChanged.connect(self._on_form)
        self.page_size = QComboBox()
        for size in PAGE_SIZES:
            self.page_size.addItem(size, size)
        self.parts = TickList("", "")
        self.parts.changed.connect(self._tell_ready)
        self.all = QPushButton(self.tr("&All"))
        self.no = QPushButton(self.tr("&None"))
        keyed(self.all, self.tr("Tick all parts"))
        keyed(self.no, self.tr("Tick no part: a summary is always there"))
        ticks = QHBoxLayout()
        for button in (self.all, self.no):
            button.setAutoDefault(False)
            ticks.addWidget(button)
        ticks.addStretch(1)
        self.all.clicked.connect(self._tick_all)
        self.no.clicked.connect(self._tick_none)
        self.anonymous = QCheckBox(self.tr("N&umbers instead of names"))
        keyed(
            self.anonymous,
            self.tr(
                "Recordings, people and raters get numbers; notes and names of files are left out"
            ),
        )
        self.with_paths = QCheckBox(self.tr("&Say in which folders the recordings lie"))
        keyed(self.with_paths, self.tr("Folders often tell names of people and places"))
        self.anonymous.toggled.connect(self._tell_ready)
        self.path = PathRow(self.tr("Report"), "save", self.tr("Reports (*.html *.pdf)"))
        self.path.changed.connect(self._on_path)
        column = QVBoxLayout(self)
        if about:
            column.addWidget(Paragraph(about))
        form = QFormLayout()
        form.addRow(
            named(self.tr("&Form"), self.form, self.tr("What kind of file is written")), self.form
        )
        form.addRow(
            named(self.tr("Pa&ge"), self.page_size, self.tr("Size of the paper")), self.page_size
        )
        column.addLayout(form)
        column.addWidget(named(self.tr("What goes &in"), self.parts, self.tr("Space ticks")))
        column.addWidget(self.parts, 1)
        column.addLayout(ticks)
        column.addWidget(self.anonymous)
        column.addWidget(self.with_paths)
        place = QFormLayout()
        place.addRow(
            named(self.tr("Fi&le"), self.path, self.tr("Where the report goes")), self.path
        )
        column.addLayout(place)
        column.addWidget(
            Paragraph(
                self.tr(
                    "No patient fields go in. What you typed yourself (names of classes, notes) "
                    "is shown as it is."
                )
            )
        )
        column.addWidget(self.reason)
        column.addLayout(self.make_foot(self.tr("&Write"), self.tr("Write the report"), self.start))

    def _tick_all(self) -> None:
        self.parts.tick_all(True)

    def _tick_none(self) -> None:
        self.parts.tick_all(False)

    # -- asking

    @property
    def request(self) -> ReportRequest | None:
        """What the fields say; None while there is no path."""
        path = self.path.path
        if path is None:
            return None
        ticked = set(self.parts.ticked)
        anonymous = self.anonymous.isChecked()
        return ReportRequest(
            path,
            self.form.currentData(),
            self.page_size.currentData(),
            ReportOptions(
                tuple(part for part in self._parts if self._titles[part] in ticked),
                anonymous,
                self.with_paths.isChecked() and not anonymous,
            ),
        )

    def _on_form(self) -> None:
        is_pdf = self.form.currentData() == "pdf"
        self.page_size.setEnabled(is_pdf)
        path = self.path.path
        suffix = path.suffix.lower() if path is not None else ""
        if path is not None and suffix in ((".html", ".htm") if is_pdf else (".pdf",)):
            self.path.set_path(path.with_suffix(".pdf" if is_pdf else ".html"))
        self._tell_ready()

    def _on_path(self) -> None:
        """A name without an ending gets that of the form; one with the other's changes the form."""
        path = self.path.path
        if path is not None and path.name:
            suffix = path.suffix.lower()
            if suffix in (".html", ".htm", ".pdf"):
                self.form.setCurrentIndex(1 if suffix == ".pdf" else 0)
            else:
                ending = ".pdf" if self.form.currentData() == "pdf" else ".html"
                self.path.set_path(path.with_name(path.name + ending))
        self._tell_ready()

    def _tell_ready(self) -> None:
        self.with_paths.setEnabled(not self.anonymous.isChecked())
        self.go.setEnabled(self.path.path is not None and not self.work.is_busy)

    # -- writing

    def start(self) -> None:
        """Ask before a file is replaced, then say what is wanted."""
        request = self.request
        if not self.go.isEnabled() or request is None:
            return
        self.reason.say("")
        self._pending = request
        if request.path.is_dir():
            self.reason.say(
                self.tr("{path} is a folder; add a name for the file.").format(path=request.path)
            )
        elif request.path.exists():
            self.ask(
                self.tr("Replace the report"),
                self.tr("{name} is there already. Replace it?").format(name=request.path.name),
                str(request.path.parent),
                self.tr("&Replace"),
                self._tell_wanted,
            )
        else:
            self._tell_wanted()

    def run(self, work: Work) -> None:
        """Do the work, which gives the path of what it wrote, and show how far it is."""
        self.work.start(work, self.tr("Writing…"))

    def _tell_wanted(self) -> None:
        if self._pending is not None:
            self.wanted.emit(self._pending)

    def _on_done(self, result: object) -> None:
        self.reason.say(self.tr("Written to {path}.").format(path=result))
        self.written.emit(result)

    def _on_stopped(self) -> None:
        self.reason.say(self.tr("Stopped; nothing was written."))
