"""The report of a study: one HTML file with what it holds, what a run has found, and the model.

No patient fields go in, no paths of files unless they are asked for, and with `anonymous` numbers
stand for recordings, people and raters.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from core.atomic_file import write_atomically
from core.errors import ModelError
from core.label_scheme import ClassKind
from core.label_set import listed
from core.model_card import model_card
from core.plain_json import as_list, as_map, as_number
from core.progress import RunContext
from core.report import html_page, html_table, report_sections
from core.report_charts import clock
from core.report_options import EVERYTHING, PARTS, ExtraTable, ReportOptions
from core.report_privacy import Aliases, aliases_of, anonymous, paths_of, without_paths
from core.run_results import RunResults
from core.study import Study
from core.study_labels import NS
from core.study_runs import StudyRun
from core.subject_figures import without_leaks

_SECTIONS: dict[str, tuple[str, ...]] = {
    "evaluation": ("evaluation", "budgets"),
    "robustness": ("robustness",),
    "predictions": ("predictions",),
    "recordings": ("recordings", "findings"),
    "pretraining": ("pretraining",),
    "settings": ("settings",),
}
"""Sections of a run's report that make up a part."""


@dataclass(frozen=True)
class LabelCount:
    """Labels of one class by one rater. `duration_s`: together; 0 for marks."""

    class_name: str
    kind: ClassKind
    rater: str
    labels: int
    duration_s: float


@dataclass(frozen=True)
class StudySummary:
    """What a study holds, in numbers. `duration_s`: of all recordings together."""

    name: str
    notes: str
    recordings: tuple[str, ...]
    subjects: tuple[str, ...]
    duration_s: float
    epoch_s: float
    labels: tuple[LabelCount, ...]


def summarise_study(study: Study) -> StudySummary:
    """The numbers of an open study."""
    recordings = study.recordings()
    counts: Counter[tuple[int, str, ClassKind]] = Counter()
    lengths: Counter[tuple[int, str, ClassKind]] = Counter()
    raters = study.raters()
    for recording in recordings:
        for rater in raters:
            for label in study.labels(recording.id, rater.id):
                key = (rater.id, label.class_name, label.kind)
                counts[key] += 1
                lengths[key] += label.end_ns - label.start_ns
    scheme = study.scheme
    settings = study.settings
    labels = [
        LabelCount(entry.name, entry.kind, rater.name, counts[key], lengths[key] / NS)
        for entry in scheme.classes
        for rater in raters
        if counts[key := (rater.id, entry.name, entry.kind)]
    ]
    return StudySummary(
        name=settings.name,
        notes=settings.notes,
        recordings=tuple(recording.name for recording in recordings),
        subjects=tuple(dict.fromkeys(recording.subject for recording in recordings)),
        duration_s=sum(recording.duration_s for recording in recordings),
        epoch_s=scheme.epoch_s,
        labels=tuple(labels),
    )


def write_study_report(path: Path, html: str) -> None:
    """Write a report, whole or not at all. Raises OutputError."""
    write_atomically(path, html.encode("utf-8"))


def study_report(
    study: StudySummary | None,
    run: StudyRun | None,
    report: dict[str, Any],
    results: RunResults,
    options: ReportOptions = EVERYTHING,
    extra_tables: Sequence[ExtraTable] = (),
    context: RunContext | None = None,
) -> str:
    """One HTML page that stands alone and fetches nothing.

    Parameters
    ----------
    study: None for a results folder without a study.
    run: None for such a folder.
    report: of the run; may be empty for a model that was brought in.
    results: the folder that predictions, model and later scoring are read from; it knows who the
        run's people are by now.

    Raises ModelError where `model.json` is damaged.
    """
    context = context or RunContext()
    context.step("report", 0, 3)
    document = _model_document(results.folder)
    scored = results.scored
    aliases = aliases_of(
        report,
        scored,
        study.recordings if study is not None else (),
        study.subjects if study is not None else (),
        [
            *(run.raters if run is not None else ()),
            *(count.rater for count in (study.labels if study is not None else ())),
        ],
    )
    with_paths = options.with_paths and not options.anonymous
    shown, seen = without_leaks(report, results.people)
    cleaned = _cleaned(shown, aliases, options)
    later = as_list(
        _cleaned({"recordings": list(scored.values())}, aliases, options).get("recordings")
    )
    known = {**cleaned, "recordings": [*as_list(cleaned.get("recordings")), *later]}
    predictions = {
        aliases.recording(path.stem) if options.anonymous else path.stem: path
        for path in sorted((results.folder / "predictions").glob("*.csv"))
    }
    context.step("report", 1, 3)
    sections: list[str] = [
        _title(study, run, cleaned, options, aliases),
        *report_sections(cleaned, {}, {"summary"}).values(),
    ]
    if not report:
        sections.append("<p>This run has no report of its own: its model was brought in.</p>")
    if seen:
        names = listed([aliases.subject(x) if options.anonymous else x for x in seen])
        sections.append(
            f"<p>The model has seen people on whom it was scored: {escape(names)}. Figures on them "
            "are no test and are left out.</p>"
        )
    for part in PARTS:
        if part not in options.parts:
            continue
        if part == "study" and study is not None:
            notes = str(as_map(cleaned.get("config")).get("notes") or "")
            sections.append(_study_section(study, options, aliases, notes))
        elif part == "tables":
            sections += [_extra(table, options, aliases) for table in extra_tables]
        elif part == "model_card" and document:
            card = model_card(document, cleaned, with_notes=not options.anonymous)
            sections.append(card.to_html())
        elif part == "predictions":
            made = report_sections(known, predictions, {"predictions"})
            sections += made.values()
        elif part in _SECTIONS:
            sections += report_sections(cleaned, {}, _SECTIONS[part]).values()
        if part == "recordings":
            sections.append(_later(later))
            if with_paths:
                sections.append(_files(known))
    context.step("report", 2, 3)
    title = study.name if study is not None else str(report.get("name") or results.folder.name)
    page = html_page(f"{title} – crossl-app report", sections)
    context.step("report", 3, 3)
    return page


# ---------------------------------------------------------------- parts


def _cleaned(report: dict[str, Any], aliases: Aliases, options: ReportOptions) -> dict[str, Any]:
    if options.anonymous:
        return anonymous(report, aliases)
    return dict(report) if options.with_paths else without_paths(report)


def _model_document(folder: Path) -> dict[str, Any]:
    path = folder / "model" / "model.json"
    try:
        return as_map(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: cannot be read ({error}).") from None


def _title(
    study: StudySummary | None,
    run: StudyRun | None,
    report: dict[str, Any],
    options: ReportOptions,
    aliases: Aliases,
) -> str:
    name = study.name if study is not None else str(report.get("name") or "Results")
    state = run.state if run is not None else str(report.get("status") or "")
    badge = f' <span class="badge {_mood(state)}">{escape(state)}</span>' if state else ""
    said = []
    if run is not None:
        said.append(f"Run: {run.title}")
        when = (run.ended_at or run.created_at)[:16].replace("T", " ")
        said.append(f"{when} UTC" if when else "")
        if run.raters:
            names = [aliases.rater(x) if options.anonymous else x for x in run.raters]
            said.append(f"labels of {', '.join(names)}")
    else:
        said.append(str(report.get("created") or "")[:16].replace("T", " "))
    versions = as_map(report.get("versions"))
    said += [f"{key} {versions[key]}" for key in ("crossl_app", "torch") if key in versions]
    line = " · ".join(part for part in said if part)
    return f'<h1>{escape(name)}{badge}</h1><p class="soft">{escape(line)}</p>'


def _mood(state: str) -> str:
    """The class of the style sheet that a state is shown in."""
    if state in ("finished", "success"):
        return "success"
    return "error" if state in ("failed", "error") else "partial"


def _study_section(
    study: StudySummary, options: ReportOptions, aliases: Aliases, shown_notes: str
) -> str:
    hours = study.duration_s / 3600
    facts = [
        f"{len(study.recordings)} {'recording' if len(study.recordings) == 1 else 'recordings'}",
        f"{len(study.subjects)} {'subject' if len(study.subjects) == 1 else 'subjects'}",
        f"{hours:,.1f} hours" if hours >= 1 else f"{study.duration_s / 60:,.1f} minutes",
        f"epochs of {study.epoch_s:g} s",
    ]
    parts = ["<h2>The study</h2>", f"<p>{escape(', '.join(facts))}.</p>"]
    if study.notes and not options.anonymous and study.notes != shown_notes:
        parts.append(f"<p>{escape(study.notes)}</p>")
    if not study.labels:
        return "".join([*parts, '<p class="soft">There are no labels yet.</p>'])
    raters = list(dict.fromkeys(count.rater for count in study.labels))
    rows = []
    for name, kind in dict.fromkeys((x.class_name, x.kind) for x in study.labels):
        found = {x.rater: x for x in study.labels if (x.class_name, x.kind) == (name, kind)}
        cells = []
        for rater in raters:
            count = found.get(rater)
            text = "–" if count is None else f"{count.labels:,}"
            if count is not None and count.duration_s:
                text += f" ({clock(count.duration_s)})"
            cells.append(text)
        rows.append([escape(name), kind, *cells])
    shown = [aliases.rater(rater) if options.anonymous else rater for rater in raters]
    heads = ["class", "kind", *map(escape, shown)]
    return "".join(
        [
            *parts,
            "<h3>Labels by class and rater</h3>",
            '<p class="soft">How many, and how long they last together in hours, minutes and '
            "seconds.</p>",
            html_table(heads, rows, text_columns=(0, 1)),
        ]
    )


def _extra(table: ExtraTable, options: ReportOptions, aliases: Aliases) -> str:
    renamed: dict[int | None, Callable[[str], str]] = {
        table.recording_column: aliases.recording,
        table.subject_column: aliases.subject,
        table.rater_column: lambda name: aliases.raters.get(name, name),  # a model keeps its name
    }

    def cell(column: int, text: str) -> str:
        if options.anonymous and column in renamed and text:
            text = renamed[column](text)
        return escape(text)

    rows = [[cell(k, text) for k, text in enumerate(row)] for row in table.rows]
    note = f'<p class="soft">{escape(table.note)}</p>' if table.note else ""
    body = (
        html_table([escape(x) for x in table.heads], rows, text_columns=table.text_columns)
        if rows
        else '<p class="empty">Nothing to show.</p>'
    )
    return f"<h2>{escape(table.title)}</h2>{note}{body}"


def _later(entries: Sequence[dict[str, Any]]) -> str:
    """Recordings that the finished model has scored later."""
    if not entries:
        return ""
    rows = []
    for entry in entries:
        duration = as_number(entry.get("duration_s"))
        found = [str(as_map(x).get("message")) for x in as_list(entry.get("findings"))]
        said = [str(entry["error"])] if entry.get("error") else found
        rows.append(
            [
                escape(str(entry.get("id"))),
                escape(str(entry.get("subject") or "–")),
                escape(str(entry.get("status") or "–")),
                clock(duration) if duration is not None else "–",
                str(entry.get("windows") or "–"),
                escape(" ".join(said)) or "–",
            ]
        )
    return (
        "<h3>Scored later with the finished model</h3>"
        '<p class="soft">They are in none of the figures above.</p>'
        + html_table(
            ("recording", "subject", "status", "duration", "windows", "what to know"),
            rows,
            text_columns=(0, 1, 2),
            wrap_columns=(5,),
        )
    )


def _files(report: dict[str, Any]) -> str:
    rows = [
        [escape(str(entry.get("id"))), escape(path)]
        for entry in map(as_map, as_list(report.get("recordings")))
        for path in paths_of(entry)
    ]
    if not rows:
        return ""
    return "<h3>Files</h3>" + html_table(("recording", "file"), rows, wrap_columns=(1,))
