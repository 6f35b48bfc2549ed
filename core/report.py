"""The report of a run: one HTML file that stands alone, and short tables for the terminal.

Input is the document of `report.json`. Any part of it may be missing or null: only what was run
is shown. Everything from the user's data is escaped; nothing is fetched from a network.
"""

from __future__ import annotations

import json
import os
import statistics
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

from core.errors import CrosslError, OutputError
from core.plain_json import as_list, as_map, as_number
from core.prediction_table import read_prediction_table
from core.report_charts import (
    PALETTE,
    Bar,
    Series,
    bar_chart,
    clock,
    line_chart,
    strip,
)

if TYPE_CHECKING:
    from rich.console import Console

SECTIONS = (
    *("summary", "evaluation", "budgets", "robustness", "predictions", "recordings"),
    *("findings", "pretraining", "settings"),
)
"""Names of the parts of a report, in their order."""
OURS = "This model (CroSSL)"
MOST_STRIPS = 300
MOST_BARS = 63
FOLDED_ROWS = 16
SETTINGS_COLUMNS = 110

CURVES = (
    ("loss", "Loss"),
    ("invariance", "Invariance term"),
    ("variance", "Variance term"),
    ("covariance", "Covariance term"),
    ("effective_rank", "Effective rank"),
    ("deviation", "Deviation per dimension"),
    ("cosine", "Mean cosine between windows"),
)

Json = Mapping[str, Any]


# ---------------------------------------------------------------- plain values


def figure(value: Any, digits: int = 3) -> str:
    """A figure for people; a dash where it is undefined."""
    if value is None or isinstance(value, bool) or not isinstance(value, (int, float)):
        return "–"
    return f"{value:.{digits}f}"


def interval(pair: Any, digits: int = 3) -> str:
    """`low–high`, or a dash."""
    if not isinstance(pair, Sequence) or isinstance(pair, str) or len(pair) != 2 or None in pair:
        return "–"
    return f"{pair[0]:.{digits}f}–{pair[1]:.{digits}f}"


def share(value: Any) -> str:
    """0.05 as `5 %`."""
    if not isinstance(value, (int, float)):
        return "–"
    return f"{100 * value:.3g} %"


def _macro_interval(row: Json) -> Any:
    """The interval of macro F1, given by figure or alone."""
    found = row.get("ci95")
    return found.get("macro_f1") if isinstance(found, Mapping) else found


def method_rows(report: Json) -> list[dict[str, Any]]:
    """Ours, ours adapted to the person, then every opponent: the rows of the evaluation tables."""
    evaluation = as_map(report.get("evaluation"))
    if not evaluation:
        return []
    rows = [{**evaluation, "title": OURS, "ours": True}]
    adapted = evaluation.get("adapted")
    if isinstance(adapted, Mapping):
        title = adapted.get("title") or "CroSSL, adapted to the person"
        rows.append({**adapted, "title": title, "ours": True, "transductive": True})
    for opponent in as_list(evaluation.get("opponents")):
        row = as_map(opponent)
        title = row.get("title") or str(row.get("name", "opponent")).replace("_", " ")
        rows.append({**row, "title": title, "ours": False})
    return rows


def budget_cells(row: Json) -> dict[float, tuple[float | None, float | None]]:
    """Mean and deviation of macro F1 by share of the labels."""
    return {
        float(entry["budget"]): (entry.get("macro_f1"), entry.get("macro_f1_sd"))
        for entry in map(as_map, as_list(row.get("label_efficiency")))
        if isinstance(entry.get("budget"), (int, float))
    }


def all_budgets(rows: Iterable[Json]) -> list[float]:
    """Every share of labels that any row has, ascending."""
    return sorted({budget for row in rows for budget in budget_cells(row)})


def kept_name(
    kept: Sequence[str],
    modalities: Sequence[str],
    everything: str = "all",
    without: str = "without {name}",
) -> str:
    """A subset in the fewest words: `all`, `without eog`, `eeg + ecg`.

    `everything`, `without`: these words in another language.
    """
    removed = [name for name in modalities if name not in kept]
    if not removed and modalities:
        return everything
    if len(removed) == 1 and len(modalities) > 2:
        return without.format(name=removed[0])
    return " + ".join(kept)


# ---------------------------------------------------------------- the HTML file


def write_html(report: Json, predictions: Mapping[str, Path], path: Path) -> None:
    """Write the report as one HTML file.

    Parameters
    ----------
    report: the document of `report.json`; parts may be null or missing.
    predictions: recording id to its predictions file; one that cannot be read is said in its place.
    path: file to write, whole or not at all.

    Raises OutputError when it cannot be written.
    """
    text = render_html(report, predictions)
    beside = path.with_name(path.name + ".tmp")
    try:
        beside.write_text(text, encoding="utf-8")
        os.replace(beside, path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise OutputError(
            f"{path}: the report cannot be written ({error.strerror or error}); "
            "free some space, or name another output folder."
        ) from None


def render_html(report: Json, predictions: Mapping[str, Path]) -> str:
    """The text of the report; see `write_html`."""
    name = str(report.get("name") or as_map(report.get("config")).get("name") or "study")
    sections = report_sections(report, predictions)
    return html_page(f"{name} – crossl-app report", [_title(report, name), *sections.values()])


def report_sections(
    report: Json, predictions: Mapping[str, Path], wanted: Collection[str] | None = None
) -> dict[str, str]:
    """The parts of a report as HTML, by their names in `SECTIONS` and in their order.

    Those that have nothing to show are left out, and those that are not `wanted` (None: all).
    """
    parts: dict[str, Callable[[], str]] = {
        "summary": lambda: _summary(report),
        "evaluation": lambda: _evaluation(report),
        "budgets": lambda: _budgets(report),
        "robustness": lambda: _robustness(report),
        "predictions": lambda: _strips(report, predictions),
        "recordings": lambda: _recordings(report),
        "findings": lambda: _findings(report),
        "pretraining": lambda: _pretraining(report),
        "settings": lambda: _settings(report),
    }
    made = {name: parts[name]() for name in SECTIONS if wanted is None or name in wanted}
    return {name: text for name, text in made.items() if text}


def html_page(title: str, sections: Iterable[str]) -> str:
    """A page that stands alone: the style of reports around sections that are HTML already."""
    folder = files("resources") / "report"
    page = Template((folder / "template.html").read_text(encoding="utf-8"))
    foot = "<footer>Made by crossl-app. For research, not for diagnosis.</footer>"
    return page.substitute(
        title=escape(title),
        style=(folder / "report.css").read_text(encoding="utf-8"),
        body="\n".join([*(part for part in sections if part), foot]),
    )


def html_table(
    heads: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    text_columns: Sequence[int] = (0,),
    wrap_columns: Sequence[int] = (),
    marks: Sequence[str] = (),
) -> str:
    """A table of cells that are HTML already; the columns named hold text, the others figures."""

    def style(column: int) -> str:
        if column in wrap_columns:
            return ' class="wrap"'
        return ' class="t"' if column in text_columns else ""

    head = "".join(
        f'<th class="t">{cell}</th>' if k in (*text_columns, *wrap_columns) else f"<th>{cell}</th>"
        for k, cell in enumerate(heads)
    )
    body = []
    for r, row in enumerate(rows):
        mark = f' class="{marks[r]}"' if r < len(marks) and marks[r] else ""
        cells = "".join(f"<td{style(k)}>{cell}</td>" for k, cell in enumerate(row))
        body.append(f"<tr{mark}>{cells}</tr>")
    return (
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table></div>"
    )


def _folded(title: str, content: str, is_open: bool = False) -> str:
    state = " open" if is_open else ""
    return f"<details{state}><summary>{escape(title)}</summary>{content}</details>"


def _card(value: str, title: str, note: str = "") -> str:
    extra = f"<span>{escape(note)}</span>" if note else ""
    return f'<div class="card"><b>{escape(value)}</b><span>{escape(title)}</span>{extra}</div>'


def _title(report: Json, name: str) -> str:
    status = str(report.get("status") or "unknown")
    versions = as_map(report.get("versions"))
    created = str(report.get("created") or "")[:19]
    line = [
        f"{key} {versions[key]}" for key in ("crossl_app", "torch", "python") if key in versions
    ]
    parts = [
        f'<h1>{escape(name)} <span class="badge {escape(status)}">{escape(status)}</span></h1>',
        '<p class="soft">'
        + escape(" · ".join(filter(None, [created.replace("T", " "), *line])))
        + "</p>",
    ]
    return "".join(parts)


def _summary(report: Json) -> str:
    parts = ['<p class="notice">For research, not for diagnosis.</p>']
    if report.get("error"):
        parts.append(f'<div class="box error">{escape(str(report["error"]))}</div>')
    notes = str(as_map(report.get("config")).get("notes") or "")
    if report.get("simulated") or "simulated" in notes.lower():
        parts.append(
            '<div class="box"><b>Simulated data.</b> These recordings were made by a program, not '
            "measured on people: the figures say nothing about real recordings.</div>"
        )
    if notes:
        parts.append(f"<p>{escape(notes)}</p>")
    recordings = [as_map(r) for r in as_list(report.get("recordings"))]
    used = [r for r in recordings if r.get("status") == "ok"]
    cards = []
    if recordings:
        failed = sum(r.get("status") == "failed" for r in recordings)
        cards.append(
            _card(
                str(len(used)),
                "recording used" if len(used) == 1 else "recordings used",
                f"{failed} failed" if failed else "",
            )
        )
        subjects = {str(r.get("subject")) for r in used}
        cards.append(_card(str(len(subjects)), "subject" if len(subjects) == 1 else "subjects"))
        labelled = sum(int(r.get("labelled_windows") or 0) for r in used)
        windows = sum(int(r.get("windows") or 0) for r in used)
        cards.append(_card(f"{windows:,}", "windows", f"{labelled:,} with a label"))
    evaluation = as_map(report.get("evaluation"))
    if evaluation:
        pair = interval(_macro_interval(evaluation), 2)
        cards.append(
            _card(
                figure(evaluation.get("macro_f1")),
                "macro F1, held-out subjects",
                f"95 % interval {pair}" if pair != "–" else "",
            )
        )
    worst = as_map(as_map(report.get("robustness")).get("worst_single_removal"))
    if worst.get("removed"):
        drop = worst.get("drop")
        cards.append(
            _card(
                f"{-drop:+.3f}".replace("-", "−") if isinstance(drop, (int, float)) else "–",
                "worst single removal",
                f"without {worst['removed']}",
            )
        )
    if cards:
        parts.append(f'<div class="cards">{"".join(cards)}</div>')
    return "".join(parts)


def _evaluation(report: Json) -> str:
    evaluation = as_map(report.get("evaluation"))
    if not evaluation:
        return ""
    rows = method_rows(report)
    cells, marks = [], []
    for row in rows:
        title = escape(str(row["title"]))
        if row.get("transductive"):
            title += ' <span class="soft">(transductive)</span>'
        if row.get("note"):
            title += f' <span class="soft">{escape(str(row["note"]))}</span>'
        cells.append(
            [
                title,
                figure(row.get("macro_f1")),
                interval(_macro_interval(row)),
                figure(row.get("balanced_accuracy")),
                figure(row.get("accuracy")),
                figure(row.get("cohen_kappa")),
                figure(row.get("ece")),
            ]
        )
        marks.append("ours" if row["ours"] else "")
    parts = [
        "<h2>Evaluation</h2>",
        '<p class="soft">Every figure comes from subjects that the model had never seen; the '
        "held-out folds are pooled. Intervals: bootstrap over subjects.</p>",
        html_table(
            (
                "",
                "macro F1",
                "95 %",
                "balanced accuracy",
                "accuracy",
                "kappa",
                "calibration error",
            ),
            cells,
            marks=marks,
        ),
    ]
    notes = [str(note) for note in as_list(evaluation.get("notes"))]
    if evaluation.get("left_out"):
        notes.append(
            f"{evaluation['left_out']} labelled windows had no modality present and were left out."
        )
    parts += [f'<p class="soft">{escape(note)}</p>' for note in notes]
    parts.append(_per_class(report, evaluation))
    parts.append(_confusion(report, evaluation))
    parts.append(_per_subject(evaluation))
    parts.append(_calibration(evaluation))
    return "".join(parts)


def _per_class(report: Json, evaluation: Json) -> str:
    per_class = as_map(evaluation.get("per_class"))
    if not per_class:
        return ""
    order = [name for name in map(str, as_list(report.get("classes"))) if name in per_class]
    order += [name for name in per_class if name not in order]
    rows = []
    for name in order:
        row = as_map(per_class[name])
        rows.append(
            [
                escape(name),
                figure(row.get("f1")),
                figure(row.get("precision")),
                figure(row.get("recall")),
                str(row.get("support", "–")),
            ]
        )
    return "<h3>By class</h3>" + html_table(("class", "F1", "precision", "recall", "windows"), rows)


def _confusion(report: Json, evaluation: Json) -> str:
    counts = [
        [int(v) if isinstance(v, (int, float)) else 0 for v in as_list(row)]
        for row in as_list(evaluation.get("confusion"))
    ]
    names = [str(name) for name in as_list(report.get("classes"))]
    if not counts or len(names) != len(counts):
        return ""
    head = "".join(f"<th>{escape(name)}</th>" for name in names)
    body = []
    for name, row in zip(names, counts, strict=True):
        total = sum(row)
        cells = []
        for value in row:
            part = value / total if total else 0.0
            strong = " strong" if part > 0.6 else ""
            cells.append(
                f'<td class="{strong.strip()}" style="background:rgba(0,114,178,{part:.2f})">'
                f"{value}<small>{100 * part:.0f} %</small></td>"
            )
        body.append(f'<tr><th class="t">{escape(name)}</th>{"".join(cells)}</tr>')
    return (
        "<h3>Confusion matrix</h3><figure>"
        '<div class="scroll"><table class="confusion"><thead><tr><th class="t">true ↓ '
        f"predicted →</th>{head}</tr></thead><tbody>{''.join(body)}</tbody></table></div>"
        "<figcaption>Windows; shares and shades are within each true class.</figcaption></figure>"
    )


def _per_subject(evaluation: Json) -> str:
    per_subject = as_map(evaluation.get("per_subject"))
    if not per_subject:
        return ""
    rows = []
    for name, entry in per_subject.items():
        row = as_map(entry)
        fold = row.get("fold")
        rows.append(
            [
                escape(name),
                figure(row.get("macro_f1")),
                figure(row.get("accuracy")),
                str(row.get("windows", "–")),
                "–" if fold is None else escape(str(fold)),
            ]
        )
    table = html_table(("subject", "macro F1", "accuracy", "windows", "fold"), rows)
    bars = sorted(
        (
            Bar(name, as_number(as_map(entry).get("macro_f1")))
            for name, entry in per_subject.items()
        ),
        key=lambda bar: -(bar.value or 0.0),
    )
    chart = ""
    if 2 <= len(bars) <= MOST_BARS and any(bar.value is not None for bar in bars):
        drawing = bar_chart(bars, name="Macro F1 by subject", x_title="macro F1", width=640)
        chart = f"<figure>{drawing}</figure>"
    deviation = evaluation.get("macro_f1_subject_sd")
    said = (
        f'<p class="soft">Standard deviation of macro F1 over subjects: {figure(deviation)}</p>'
        if deviation is not None
        else ""
    )
    return "<h3>By subject</h3>" + said + chart + _maybe_folded(table, len(rows), "subjects")


def _maybe_folded(table: str, rows: int, what: str) -> str:
    return table if rows <= FOLDED_ROWS else _folded(f"All {rows} {what}", table)


def _calibration(evaluation: Json) -> str:
    points = []
    for entry in map(as_map, as_list(evaluation.get("reliability"))):
        sure, right = entry.get("confidence"), entry.get("accuracy")
        if isinstance(sure, (int, float)) and isinstance(right, (int, float)):
            points.append((float(sure), float(right), None))
    if len(points) < 2:
        return ""
    chart = line_chart(
        [Series("share right", tuple(points), 0)],
        name="Calibration",
        x_title="confidence",
        y_title="share right",
        x_ticks=(0, 0.25, 0.5, 0.75, 1),
        x_range=(0.0, 1.0),
        y_range=(0.0, 1.0),
        width=420,
        height=380,
        name_lines=False,
        diagonal=True,
    )
    return (
        "<h3>Calibration</h3><figure>" + chart + "<figcaption>On the dashed line, confidence says "
        "how often the model is right; below it, the model is too sure, above it too careful."
        "</figcaption></figure>"
    )


def _budgets(report: Json) -> str:
    rows = method_rows(report)
    budgets = all_budgets(rows)
    if not budgets:
        return ""
    series, cells, marks = [], [], []
    drawn = [row for row in rows if budget_cells(row)]
    for k, row in enumerate(drawn):
        known = budget_cells(row)
        series.append(
            Series(
                str(row["title"]),
                tuple((b, *known[b]) for b in budgets if b in known),
                colour=k,
                dashed=not row["ours"],
                strong=row["ours"] and k == 0,
            )
        )
        line = [escape(str(row["title"]))]
        for budget in budgets:
            mean, deviation = known.get(budget, (None, None))
            text = figure(mean)
            if mean is not None and deviation:
                text += f' <span class="soft">± {figure(deviation)}</span>'
            line.append(text)
        cells.append(line)
        marks.append("ours" if row["ours"] else "")
    counts = {
        float(entry["budget"]): entry.get("labels")
        for entry in map(as_map, as_list(as_map(report.get("evaluation")).get("label_efficiency")))
        if isinstance(entry.get("budget"), (int, float))
    }
    heads = ["share of labels"]
    for budget in budgets:
        number = counts.get(budget)
        extra = f"<br>about {number:.0f}" if isinstance(number, (int, float)) else ""
        heads.append(share(budget) + extra)
    chart = line_chart(
        series,
        name="Macro F1 by share of labels",
        x_title="share of the training labels",
        y_title="macro F1",
        log_x=True,
        x_ticks=budgets,
        x_text=share,
        width=800,
        height=400,
    )
    return (
        "<h2>How many labels does it take?</h2><figure>"
        + chart
        + "<figcaption>Macro F1 on held-out subjects; bars are ± one standard deviation over the "
        "draws of labels.</figcaption></figure>" + html_table(heads, cells, marks=marks)
    )


def _robustness(report: Json) -> str:
    robustness = as_map(report.get("robustness"))
    subsets = [as_map(s) for s in as_list(robustness.get("subsets"))]
    if not subsets:
        return ""
    modalities = [str(name) for name in as_list(report.get("modalities"))]
    if not modalities:
        modalities = max((as_list(s.get("kept")) for s in subsets), key=len)
    worst = as_map(robustness.get("worst_single_removal"))
    measure = "macro_f1" if any(s.get("macro_f1") is not None for s in subsets) else "agreement"
    words = {"macro_f1": "macro F1", "agreement": "agreement with the full set"}[measure]

    def mark(subset: Json) -> str:
        kept = as_list(subset.get("kept"))
        if len(kept) == len(modalities):
            return "full"
        if worst.get("removed") and kept == [m for m in modalities if m != worst["removed"]]:
            return "worst"
        return ""

    shown = subsets
    said = ""
    if len(subsets) > MOST_BARS:
        shown = [
            s
            for s in subsets
            if len(as_list(s.get("kept"))) in (1, len(modalities) - 1, len(modalities))
        ]
        said = f" Of {len(subsets)} subsets the single modalities and single removals are drawn."
    bars = [
        Bar(
            kept_name(as_list(s.get("kept")), modalities),
            s.get(measure),
            mark(s),
            {"full": "full set", "worst": "worst removal"}.get(mark(s), ""),
        )
        for s in sorted(shown, key=lambda s: -(s.get(measure) or 0.0))
    ]
    # Models trained on one subset alone: what a subset could reach at best.
    alone = {
        tuple(as_list(row.get("kept"))): row
        for row in map(as_map, as_list(robustness.get("dedicated")))
    }
    extra = [
        (key, title)
        for key, title in (
            ("macro_f1", "own model for it"),
            ("forest_macro_f1", "own forest for it"),
        )
        if any(row.get(key) is not None for row in alone.values())
    ]
    rows = [
        [
            escape(kept_name(as_list(s.get("kept")), modalities)),
            str(s.get("windows", "–")),
            figure(s.get("macro_f1")),
            interval(_macro_interval(s), 2),
            *(figure(alone.get(tuple(as_list(s.get("kept"))), {}).get(key)) for key, _ in extra),
            figure(s.get("balanced_accuracy")),
            figure(s.get("agreement")),
        ]
        for s in subsets
    ]
    table = html_table(
        (
            "kept",
            "windows",
            "macro F1",
            "95 %",
            *(title for _, title in extra),
            "balanced accuracy",
            "agreement with all",
        ),
        rows,
        marks=["mark" if mark(s) else "" for s in subsets],
    )
    if extra:
        table += (
            '<p class="soft">Own model, own forest: macro F1 of a head, and of a random forest, '
            "trained on that subset alone.</p>"
        )
    parts = ["<h2>Which modalities can one lose?</h2>"]
    facts = []
    if robustness.get("mean_macro_f1") is not None:
        facts.append(f"Mean macro F1 over subsets: {figure(robustness['mean_macro_f1'])}.")
    if worst.get("removed"):
        facts.append(
            f"Worst single removal: {worst['removed']}, macro F1 {figure(worst.get('macro_f1'))} "
            f"({figure(worst.get('drop'))} lower)."
        )
    if robustness.get("sampled"):
        facts.append("There are too many subsets to try them all: these were sampled.")
    if facts:
        parts.append(f"<p>{escape(' '.join(facts))}</p>")
    parts.append(
        "<figure>"
        + bar_chart(bars, name=f"{words} by subset of modalities", x_title=words)
        + "<figcaption>One model, trained on all modalities, on windows from which modalities are "
        f"taken away.{said}</figcaption></figure>"
    )
    parts.append(_folded(f"All {len(subsets)} subsets as a table", table, len(rows) <= FOLDED_ROWS))
    parts.append(_least_loss(robustness, modalities))
    shapley = {
        str(k): v
        for k, v in as_map(robustness.get("shapley")).items()
        if isinstance(v, (int, float)) or v is None
    }
    if any(v is not None for v in shapley.values()):
        chart = bar_chart(
            [Bar(name, value) for name, value in shapley.items()],
            name="Shapley value of each modality",
            x_title="mean share in the probability of the predicted class",
            width=640,
        )
        parts.append(
            "<h3>What each modality adds</h3><figure>" + chart + "<figcaption>Mean Shapley value: "
            "how much a modality lifts the probability of the predicted class above the class "
            "shares in training.</figcaption></figure>"
        )
    return "".join(parts)


def _least_loss(robustness: Json, modalities: Sequence[str]) -> str:
    steps = [as_map(step) for step in as_list(robustness.get("least_loss_path"))]
    if len(steps) < 2:
        return ""  # of two modalities the bars say all
    rows = [
        [
            escape(str(step.get("removed"))),
            escape(kept_name(as_list(step.get("kept")), modalities)),
            figure(step.get("macro_f1")),
            figure(step.get("agreement")),
        ]
        for step in steps
    ]
    return (
        "<h3>The path of least loss</h3>"
        '<p class="soft">One modality after the other goes, each time the one that costs least.</p>'
        + html_table(
            ("without", "left", "macro F1", "agreement with all"), rows, text_columns=(0, 1)
        )
    )


def _strips(report: Json, predictions: Mapping[str, Path]) -> str:
    recordings = [as_map(r) for r in as_list(report.get("recordings"))]
    known = {str(r.get("id")): r for r in recordings}
    order = [str(r.get("id")) for r in recordings if str(r.get("id")) in predictions]
    order += [name for name in predictions if name not in known]
    if not order:
        return ""
    classes = [str(name) for name in as_list(report.get("classes"))]
    parts = []
    for k, name in enumerate(order[:MOST_STRIPS]):
        recording = known.get(name, {})
        try:
            table = read_prediction_table(predictions[name])
        except CrosslError as error:
            parts.append(
                f'<h3>{escape(name)}</h3><p class="empty">{escape(_without_path(error, name))}</p>'
            )
            continue
        # Classes that the report does not name are still drawn.
        for text in (*table.label, *table.predicted):
            if text and text not in classes:
                classes.append(text)
        pairs = [(a, b) for a, b in zip(table.label, table.predicted, strict=True) if a and b]
        facts = [f"{len(table)} windows"]
        if recording.get("subject") not in (None, "", name):
            subject = str(recording["subject"])  # may be 'subject 1' itself
            facts.insert(0, subject if subject.startswith("subject ") else f"subject {subject}")
        if pairs:
            right = sum(a == b for a, b in pairs) / len(pairs)
            facts.append(f"{100 * right:.0f} % as labelled")
        blank = sum(not text for text in table.predicted)
        if blank:
            facts.append(f"{blank} with no modality present")
        drawing = (
            strip(
                table,
                classes,
                float(recording.get("duration_s") or 0.0),
                name=f"Predictions of {name}",
                key=str(k),
            )
            if len(table)
            else '<p class="empty">No window fits into this recording.</p>'
        )
        parts.append(
            f"<figure><h3>{escape(name)}</h3>{drawing}"
            f"<figcaption>{escape(', '.join(facts))}</figcaption></figure>"
        )
    said = ""
    if len(order) > MOST_STRIPS:
        said = (
            f"<p>The first {MOST_STRIPS} of {len(order)} recordings are drawn; the others are in "
            "the folder <code>predictions</code>.</p>"
        )
    folds = any(as_map(report.get("evaluation")).get("folds") or [])
    origin = (
        " Recordings of evaluated subjects were predicted by a model that had not seen the subject."
        * folds
    )
    return (
        "<h2>Predictions over time</h2>"
        f'<p class="soft">Hatched: no modality was present. Blank: no window there.{origin}</p>'
        + _legend(classes)
        + said
        + "".join(parts)
    )


def _without_path(error: CrosslError, name: str) -> str:
    """The message without the file's path, which a report that is passed on does not tell."""
    _, colon, rest = str(error).partition(": ")
    return f"{name}{colon}{rest}"


def _legend(classes: Sequence[str]) -> str:
    entries = "".join(
        f'<li><svg viewBox="0 0 14 14"><rect class="c{k % len(PALETTE)}" width="14" height="14" '
        f'rx="2"/></svg>{escape(name)}</li>'
        for k, name in enumerate(classes)
    )
    return f'<ul class="legend">{entries}</ul>'


def _recordings(report: Json) -> str:
    recordings = [as_map(r) for r in as_list(report.get("recordings"))]
    if not recordings:
        return ""
    modalities = [str(name) for name in as_list(report.get("modalities"))]
    for recording in recordings:
        modalities += [m for m in as_map(recording.get("present_share")) if m not in modalities]
    rows, failed = [], []
    for recording in recordings:
        status = str(recording.get("status") or "–")
        present = as_map(recording.get("present_share"))
        duration = recording.get("duration_s")
        rows.append(
            [
                escape(str(recording.get("id", "–"))),
                escape(str(recording.get("subject") or "–")),
                f'<span class="{escape(status)}">{escape(status)}</span>',
                clock(duration) if isinstance(duration, (int, float)) else "–",
                str(recording.get("windows") if recording.get("windows") is not None else "–"),
                str(
                    recording.get("labelled_windows")
                    if recording.get("labelled_windows") is not None
                    else "–"
                ),
                *(
                    f"{100 * present[m]:.0f} %" if isinstance(present.get(m), (int, float)) else "–"
                    for m in modalities
                ),
            ]
        )
        if status == "failed":
            failed.append(
                [
                    escape(str(recording.get("id", "–"))),
                    escape(str(recording.get("error") or "no reason was given")),
                ]
            )
    heads = ["recording", "subject", "status", "duration", "windows", "labelled"]
    heads += [escape(m) for m in modalities]
    parts = ["<h2>Recordings</h2>"]
    if failed:
        number = f"{len(failed)} recording" + ("s" if len(failed) > 1 else "")
        parts.append(
            f'<div class="box error"><b>{number} failed.</b></div>'
            + html_table(("recording", "why"), failed, wrap_columns=(1,))
        )
    if modalities:
        parts.append(
            '<p class="soft">Under each modality: the share of windows in which it was present.</p>'
        )
    table = html_table(heads, rows, text_columns=(0, 1, 2))
    parts.append(_maybe_folded(table, len(rows), "recordings"))
    return "".join(parts)


def _findings(report: Json) -> str:
    groups: dict[tuple[str, str, str], list[str]] = {}
    for recording in map(as_map, as_list(report.get("recordings"))):
        for finding in map(as_map, as_list(recording.get("findings"))):
            key = tuple(str(finding.get(k) or "") for k in ("severity", "field", "message"))
            groups.setdefault((key[0], key[1], key[2]), []).append(str(recording.get("id")))
    if not groups:
        return ""
    grades = {"unreadable": 0, "uncalibrated": 1, "repaired": 2, "note": 3}
    rows = []
    for severity, field, message in sorted(groups, key=lambda g: (grades.get(g[0], 9), g[1:])):
        names = list(dict.fromkeys(groups[severity, field, message]))
        where = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
        rows.append([escape(severity), escape(field), escape(message), escape(where)])
    table = html_table(
        ("grade", "field", "what", "where"), rows, text_columns=(0, 1), wrap_columns=(2, 3)
    )
    return "<h2>What the readers met</h2>" + _maybe_folded(table, len(rows), "findings")


def _pretraining(report: Json) -> str:
    entries = [as_map(r) for r in as_list(as_map(report.get("pretraining")).get("runs"))]
    named = [(str(r.get("name") or f"run {k}"), r) for k, r in enumerate(entries)]
    if not named:
        return ""
    charts = []
    for key, title in CURVES:
        series = []
        for k, (name, run) in enumerate(named):
            points = []
            for i, epoch in enumerate(map(as_map, as_list(run.get("epochs")))):
                value = epoch.get(key)
                number = epoch.get("epoch")
                x = float(number) if isinstance(number, (int, float)) else float(i)
                points.append((x, float(value) if isinstance(value, (int, float)) else None, None))
            series.append(Series(name, tuple(points), colour=k, strong=name == "final"))
        if any(y is not None for s in series for _, y, _ in s.points):
            drawing = line_chart(
                series,
                name=title,
                x_title="epoch",
                y_title="",
                width=400,
                height=230,
                name_lines=False,
            )
            charts.append(f"<figure><b>{escape(title)}</b>{drawing}</figure>")
    rows = []
    for name, run in named:
        rows.append(
            [
                escape(name),
                str(len(as_list(run.get("epochs")))),
                escape(str(run.get("stopped") or "–")),
                escape(str(run.get("verdict") or "–")),
            ]
        )
    return (
        "<h2>Pretraining</h2>"
        + _legend([name for name, _ in named])
        + f'<div class="grid">{"".join(charts)}</div>'
        + html_table(
            ("run", "epochs", "ended", "collapse?"), rows, text_columns=(0, 2), wrap_columns=(3,)
        )
    )


def _settings(report: Json) -> str:
    parts = []
    timing = {
        str(k): float(v)
        for k, v in as_map(report.get("timing")).items()
        if isinstance(v, (int, float))
    }
    if timing:
        rows = [[escape(step), f"{seconds:.1f} s"] for step, seconds in timing.items()]
        parts.append("<h3>Time</h3>" + html_table(("step", "took"), rows))
    versions = as_map(report.get("versions"))
    if versions:
        rows = [[escape(str(k)), escape(str(v))] for k, v in versions.items()]
        parts.append("<h3>Versions</h3>" + html_table(("", "version"), rows, text_columns=(0, 1)))
    config = as_map(report.get("config"))
    if config:
        text = _json_text(config)
        parts.append(
            "<h3>Settings</h3>" + _folded("All settings of this run", f"<pre>{escape(text)}</pre>")
        )
    return "<h2>How it was made</h2>" + "".join(parts) if parts else ""


def _json_text(value: Any, indent: int = 0, room: int = SETTINGS_COLUMNS) -> str:
    """JSON in which what fits on a line stands on one; `room`: columns that are left on it."""
    flat = json.dumps(value, ensure_ascii=False)
    if len(flat) <= room or not isinstance(value, (dict, list)):
        return flat
    inner = " " * (indent + 2)
    lines = []
    for entry in value.items() if isinstance(value, dict) else value:
        key = ""
        if isinstance(value, dict):
            key, entry = f"{json.dumps(entry[0], ensure_ascii=False)}: ", entry[1]
        left = SETTINGS_COLUMNS - indent - 3 - len(key)
        lines.append(f"{inner}{key}{_json_text(entry, indent + 2, left)}")
    opened, closed = ("{", "}") if isinstance(value, dict) else ("[", "]")
    text = ",\n".join(lines)
    return f"{opened}\n{text}\n{' ' * indent}{closed}"


# ---------------------------------------------------------------- the terminal


def console_tables(report: Json, console: Console) -> None:
    """Print recordings, evaluation beside opponents, and robustness.

    Made to fit 80 columns; where the output is not a terminal, plain columns without frames.
    """
    if report.get("simulated"):
        console.print("These recordings are simulated: the figures say nothing about people.")
    for part in (_console_recordings, _console_evaluation, _console_budgets, _console_robustness):
        part(report, console)


def _plain(text: str, console: Console) -> str:
    """`text` in signs that the output can show."""
    try:
        text.encode(console.encoding or "utf-8")
    except (UnicodeEncodeError, LookupError):
        for sign, instead in (("±", "+-"), ("–", "-"), ("…", "..."), ("·", "-")):
            text = text.replace(sign, instead)
        return text.encode("ascii", "replace").decode("ascii")
    return text


def _console_table(
    console: Console,
    title: str,
    heads: Sequence[str],
    rows: Sequence[Sequence[str]],
    strong: Sequence[int] = (),
) -> None:
    """One table: the first column gives way when the terminal is narrow, figures never do."""
    # Only the terminal needs it, and the window starts sooner without.
    from rich import box
    from rich.table import Table

    heads = [_plain(head, console) for head in heads]
    cells = [[_plain(cell, console) for cell in row] for row in rows]
    widths = [max(len(row[k]) for row in [heads, *cells]) for k in range(len(heads))]
    apart = 3 if console.is_terminal else 2
    room = max(8, console.width - sum(width + apart for width in widths[1:]) - 2)
    for row in cells:
        row[0] = _shortened(row[0], room, console)
    frame = box.SIMPLE_HEAD if console.is_terminal else None
    table = Table(box=frame, show_edge=False, pad_edge=False, padding=(0, 2, 0, 0))
    for k, head in enumerate(heads):
        table.add_column(head, justify="left" if k == 0 else "right", no_wrap=True)
    for k, row in enumerate(cells):
        table.add_row(*map(_verbatim, row), style="bold" if k in strong else None)
    console.print()
    console.print(_plain(title, console), style="bold", markup=False, highlight=False)
    console.print(table)


def _shortened(text: str, width: int, console: Console) -> str:
    if len(text) <= width:
        return text
    dots = _plain("…", console)
    return text[: width - len(dots)].rstrip() + dots


def _verbatim(text: str) -> str:
    """`text` with brackets kept from being read as styles."""
    from rich.markup import escape as rich_escape

    return rich_escape(text)


def _say(console: Console, text: str) -> None:
    console.print(_plain(text, console), markup=False, highlight=False, soft_wrap=False)


def _console_recordings(report: Json, console: Console) -> None:
    recordings = [as_map(r) for r in as_list(report.get("recordings"))]
    if not recordings:
        return
    rows = []
    for status in ("ok", "excluded", "failed"):
        those = [r for r in recordings if r.get("status") == status]
        if those:
            hours = sum(float(r.get("duration_s") or 0.0) for r in those) / 3600
            rows.append(
                [
                    status,
                    str(len(those)),
                    str(len({str(r.get("subject")) for r in those})),
                    f"{hours:.2f}",
                    f"{sum(int(r.get('windows') or 0) for r in those):,}",
                    f"{sum(int(r.get('labelled_windows') or 0) for r in those):,}",
                ]
            )
    if rows:
        heads = ("", "recordings", "subjects", "hours", "windows", "labelled")
        _console_table(console, "Recordings", heads, rows)
    used = [as_map(r.get("present_share")) for r in recordings if r.get("status") == "ok"]
    shares = {}
    for name in map(str, as_list(report.get("modalities"))):
        known = [s[name] for s in used if isinstance(s.get(name), (int, float))]
        if known:
            shares[name] = statistics.fmean(known)
    lacking = [f"{name} {100 * part:.0f} %" for name, part in shares.items() if part < 0.9995]
    if lacking:
        rest = "; the others in all" if len(lacking) < len(shares) else ""
        _say(console, f"Present in a mean share of windows: {', '.join(lacking)}{rest}.")
    for recording in recordings:
        if recording.get("status") == "failed":
            _say(console, f"failed: {recording.get('id')}: {recording.get('error') or '–'}")


def _console_evaluation(report: Json, console: Console) -> None:
    rows = method_rows(report)
    if not rows:
        return
    cells = [
        [
            str(row["title"]) + (" (transductive)" if row.get("transductive") else ""),
            figure(row.get("macro_f1")),
            interval(_macro_interval(row), 2),
            figure(row.get("balanced_accuracy")),
            figure(row.get("accuracy")),
        ]
        for row in rows
    ]
    _console_table(
        console,
        "Evaluation on held-out subjects",
        ("", "macro F1", "95 %", "balanced", "accuracy"),
        cells,
        strong=[k for k, row in enumerate(rows) if row["ours"]],
    )


def _console_budgets(report: Json, console: Console) -> None:
    rows = [row for row in method_rows(report) if budget_cells(row)]
    budgets = all_budgets(rows)
    if not budgets:
        return
    # The deviations go first when the terminal is narrow.
    spread = [b for b in budgets if any(budget_cells(row).get(b, (0, 0))[1] for row in rows)]
    widest = max(len(str(row["title"])) for row in rows)
    needed = min(widest, 24) + 2 + 8 * len(budgets) + 7 * len(spread)
    with_deviation = needed <= console.width
    cells = []
    for row in rows:
        known = budget_cells(row)
        line = [str(row["title"])]
        for budget in budgets:
            mean, deviation = known.get(budget, (None, None))
            text = figure(mean)
            if with_deviation and mean is not None and deviation:
                text += f" ± {deviation:.2f}"
            line.append(text)
        cells.append(line)
    _console_table(
        console,
        "Macro F1 by share of the training labels",
        ("", *map(share, budgets)),
        cells,
        strong=[k for k, row in enumerate(rows) if row["ours"]],
    )


def _console_robustness(report: Json, console: Console) -> None:
    robustness = as_map(report.get("robustness"))
    subsets = [as_map(s) for s in as_list(robustness.get("subsets"))]
    if not subsets:
        return
    modalities = [str(name) for name in as_list(report.get("modalities"))]
    if not modalities:
        modalities = max((as_list(s.get("kept")) for s in subsets), key=len)
    shown = subsets
    if len(subsets) > FOLDED_ROWS:
        sizes = (1, len(modalities) - 1, len(modalities))
        shown = [s for s in subsets if len(as_list(s.get("kept"))) in sizes]
    shown = sorted(shown, key=lambda s: -len(as_list(s.get("kept"))))
    cells = [
        [
            kept_name(as_list(s.get("kept")), modalities),
            str(s.get("windows", "–")),
            figure(s.get("macro_f1")),
            figure(s.get("balanced_accuracy")),
            figure(s.get("agreement")),
        ]
        for s in shown
    ]
    title = "Robustness: one model, modalities taken away"
    if len(shown) < len(subsets):
        title += f" ({len(shown)} of {len(subsets)} subsets)"
    _console_table(
        console,
        title,
        ("kept", "windows", "macro F1", "balanced", "agreement"),
        cells,
        strong=[k for k, s in enumerate(shown) if len(as_list(s.get("kept"))) == len(modalities)],
    )
    worst = as_map(robustness.get("worst_single_removal"))
    if worst.get("removed"):
        _say(
            console,
            f"Worst single removal: {worst['removed']}, macro F1 {figure(worst.get('macro_f1'))} "
            f"({figure(worst.get('drop'))} lower). "
            f"Mean over subsets: {figure(robustness.get('mean_macro_f1'))}.",
        )
