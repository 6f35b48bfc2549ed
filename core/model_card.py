"""What a model is, what it may be used for, and where its limits are: a card to go with it.

Everything comes from `model.json` and the report of the run that made it. Of the people there are
numbers only: no names, no paths.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from core.plain_json import as_list, as_map, as_number
from core.report import html_table

FEW_WINDOWS = 50
"""Below this number of test windows a class's figures are uncertain."""
FEW_PEOPLE = 20
"""Below this number of people the next one may well be unlike all of them."""
RARELY_RIGHT = 0.5
"""F1 below which a class is called out."""
MUCH_LOST = 0.02
"""Loss of macro F1 that is worth a warning."""
ECE_WORTH_SAYING = 0.05
"""Calibration error from which on confidence is not to be taken at its word."""
NOT_TESTED = "It was not tested on people that it had not seen: how well it does is not known."
NO_REPORT = (
    "There is no report of how it was tested beside it: how well it does is not known here. Ask "
    "whoever made it, or label some recordings and measure."
)

Json = Mapping[str, Any]


@dataclass(frozen=True)
class CardTable:
    """A table of plain texts; `text_columns` hold words, the others figures."""

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    text_columns: tuple[int, ...] = (0,)


@dataclass(frozen=True)
class CardSection:
    """A part of the card: sentences, and a table beneath where there is one."""

    title: str
    lines: tuple[str, ...] = ()
    table: CardTable | None = None


@dataclass(frozen=True)
class ModelCard:
    """A model described for the people who use it."""

    title: str
    sections: tuple[CardSection, ...]

    def to_html(self, level: int = 2) -> str:
        """As a part of an HTML page; `level` of the card's own heading, sections one below."""
        parts = [f"<h{level}>{escape(self.title)}</h{level}>"]
        for section in self.sections:
            parts.append(f"<h{level + 1}>{escape(section.title)}</h{level + 1}>")
            if len(section.lines) == 1:
                parts.append(f"<p>{escape(section.lines[0])}</p>")
            elif section.lines:
                items = "".join(f"<li>{escape(line)}</li>" for line in section.lines)
                parts.append(f"<ul>{items}</ul>")
            if section.table is not None:
                table = section.table
                rows = [[escape(cell) for cell in row] for row in table.rows]
                heads = [escape(head) for head in table.heads]
                parts.append(html_table(heads, rows, text_columns=table.text_columns))
        return "".join(parts)

    def to_markdown(self) -> str:
        """As a text file that a model folder can carry."""
        parts = [f"# {_plain(self.title)}"]
        for section in self.sections:
            parts.append(f"## {_plain(section.title)}")
            if len(section.lines) == 1:
                parts.append(_plain(section.lines[0]))
            elif section.lines:
                parts.append("\n".join(f"- {_plain(line)}" for line in section.lines))
            if section.table is not None:
                parts.append(_markdown_table(section.table))
        return "\n\n".join(parts) + "\n"


def model_card(document: Json, report: Json | None = None, *, with_notes: bool = True) -> ModelCard:
    """The card of a model.

    Parameters
    ----------
    document: `model.json`; may lack anything, or be empty.
    report: the document of `report.json`, without which nothing is known of how it was tested.
    with_notes: whether the study's own notes go in, which are free text.
    """
    found = report or {}
    name = str(document.get("name") or found.get("name") or "model")
    sections = (
        _what_it_is(document, found),
        _intended_use(document),
        _data(document, found, with_notes),
        _sensors(document, found),
        _tests(found),
        _limits(document, found),
        _settings(document, found),
        _versions(document, found),
        _licence(),
    )
    kept = tuple(x for x in sections if x.lines or (x.table is not None and x.table.rows))
    return ModelCard(f"Model card: {name}", kept)


# ---------------------------------------------------------------- sections


def _what_it_is(document: Json, report: Json) -> CardSection:
    config = _config(document, report)
    classes = _classes(document, report)
    sensors = _sensor_names(document, report)
    length = as_number(as_map(config.get("windows")).get("length_s"))
    windows = f"windows of {length:g} s" if length is not None else "windows"
    told = f" of {_listed(sensors)}" if sensors else ""
    if document.get("fine_tuned") is False or not classes:
        first = (
            f"An encoder that turns {windows}{told} into numbers. It was pretrained without labels "
            "and knows no classes: it has to be fine-tuned before it can predict any."
        )
    else:
        first = f"It gives {windows}{told} one of {len(classes)} classes: {_listed(classes)}."
    lines = [first, _how_it_learnt(document, config)]
    created = str(document.get("created") or "")[:10]
    if created:
        lines.append(f"Made with crossl-app on {created}.")
    return CardSection("What it is", tuple(line for line in lines if line))


def _how_it_learnt(document: Json, config: Json) -> str:
    steps = as_list(config.get("steps"))
    preset = str(as_map(config.get("model")).get("preset") or "")
    of_preset = f" (preset '{preset}')" if preset else ""
    finetune = as_map(config.get("finetune"))
    said = []
    if not config or "pretrain" in steps:
        said.append(
            f"The encoders{of_preset} learnt from signals without labels, by CroSSL: one encoder "
            "for each modality, and an aggregator that was shown the same windows with modalities "
            "masked."
        )
    if document.get("fine_tuned"):
        frozen = finetune.get("mode") == "frozen"
        what = "a classifier on the frozen encoders" if frozen else "classifier and encoders"
        said.append(f"Then {what} learnt from labels." if said else f"{what} learnt from labels.")
    return " ".join(said)


def _intended_use(document: Json) -> CardSection:
    own = str(document.get("intended_use") or "Research. Not for diagnosis.")
    return CardSection(
        "Intended use",
        (
            own,
            "No decision about a person's health, treatment or fitness may rest on it. It is no "
            "medical device and was not examined as one.",
            "It is meant for recordings with the sensors, places on the body, rates and kinds of "
            "people named below. On others, label some recordings and measure before its output "
            "is used.",
        ),
    )


def _data(document: Json, report: Json, with_notes: bool) -> CardSection:
    data = as_map(document.get("data"))
    used = [r for r in map(as_map, as_list(report.get("recordings"))) if r.get("status") == "ok"]
    final = as_map(report.get("final"))
    people = as_number(data.get("subjects"))
    recordings = as_number(data.get("recordings"))
    windows = as_number(data.get("windows"))
    lines = []
    if document.get("simulated") or report.get("simulated"):
        lines.append(
            "The recordings are simulated: a program made them, nobody was measured. What it says "
            "of real recordings is worth nothing."
        )
    if people is not None and recordings is not None and windows is not None:
        lines.append(
            f"It learnt from {recordings:,.0f} {_some(recordings, 'file')} of {people:,.0f} "
            f"{_some(people, 'person', 'people')}: {windows:,.0f} {_some(windows, 'window')}."
        )
    labelled = sum(int(as_number(r.get("labelled_windows")) or 0) for r in used)
    trained = as_list(final.get("train_subjects"))
    if used:
        said = f"{labelled:,} {_some(labelled, 'window')} of the study had a label"
        if trained:
            said += f", and labels of {len(trained)} {_some(len(trained), 'person', 'people')}"
            said += " were learnt from"
        lines.append(said + ".")
    locked = as_list(final.get("locked_subjects"))
    if locked:
        who = "1 person was" if len(locked) == 1 else f"{len(locked)} people were"
        lines.append(f"{who} kept aside, to be tested on.")
    hours = sum(as_number(r.get("duration_s")) or 0.0 for r in used) / 3600
    if hours:
        lines.append(f"Together the study's recordings last {hours:,.1f} hours.")
    lines.append("Who these people are (age, sex, illness, site) is not recorded here.")
    notes = str(_config(document, report).get("notes") or "").strip()
    if notes and with_notes:
        lines.append(f"Notes of those who made it: {notes}")
    return CardSection("Data", tuple(lines), _class_table(document, report))


def _class_table(document: Json, report: Json) -> CardTable | None:
    per_class = as_map(as_map(report.get("evaluation")).get("per_class"))
    rows = []
    for name in _classes(document, report):
        row = as_map(per_class.get(name))
        if row:
            rows.append((name, f"{as_number(row.get('support')) or 0:,.0f}"))
    return CardTable(("Class", "Labelled windows that were tested"), tuple(rows)) if rows else None


def _sensors(document: Json, report: Json) -> CardSection:
    shapes = {str(s.get("name")): s for s in map(as_map, as_list(document.get("shapes")))}
    used = [r for r in map(as_map, as_list(report.get("recordings"))) if r.get("status") == "ok"]
    rows = []
    for modality in map(as_map, as_list(document.get("modalities"))):
        name = str(modality.get("name"))
        shape = as_map(shapes.get(name))
        rate = as_number(shape.get("rate_hz")) or as_number(modality.get("rate_hz"))
        channels = as_number(shape.get("channels")) or len(as_list(modality.get("channels")))
        shares = [as_number(as_map(r.get("present_share")).get(name)) for r in used]
        known = [share for share in shares if share is not None]
        rows.append(
            (
                name,
                str(modality.get("kind") or "–"),
                f"{channels:.0f}",
                f"{rate:g} Hz" if rate is not None else "–",
                str(modality.get("unit") or "–"),
                _filter(as_map(modality.get("filter"))),
                f"{100 * statistics.fmean(known):.0f} %" if known else "–",
            )
        )
    heads = ("Modality", "Kind", "Channels", "Rate", "Unit", "Filter", "Present")
    lines = ("Present: mean share of a recording's windows in which the modality was recorded.",)
    return CardSection(
        "Sensors", lines if rows else (), CardTable(heads, tuple(rows), (0, 1, 4, 5))
    )


def _filter(settings: Json) -> str:
    low, high = as_number(settings.get("low_hz")), as_number(settings.get("high_hz"))
    notch = as_number(settings.get("notch_hz"))
    parts = []
    if low is not None and high is not None:
        parts.append(f"{low:g}–{high:g} Hz")
    elif low is not None:
        parts.append(f"from {low:g} Hz")
    elif high is not None:
        parts.append(f"up to {high:g} Hz")
    if notch is not None:
        parts.append(f"without {notch:g} Hz")
    return ", ".join(parts) or "none"


def _tests(report: Json) -> CardSection:
    evaluation = as_map(report.get("evaluation"))
    title = "How it was tested"
    if not evaluation:
        return CardSection(title, (NOT_TESTED if report else NO_REPORT,))
    people = len(as_map(evaluation.get("per_subject")))
    folds = as_list(evaluation.get("folds"))
    windows = as_number(evaluation.get("windows")) or 0
    lines = []
    who = f"{people} {_some(people, 'person', 'people')}" if people else "people"
    if len(folds) == 1 and as_map(folds[0]).get("fold") == "locked":
        how = f"On {who} that were kept aside"
    else:
        how = f"On {who}, in {len(folds)} {_some(len(folds), 'fold')} by person" if folds else who
    lines.append(
        f"{how}: {windows:,.0f} labelled windows, each predicted by a model that had not seen the "
        "person, neither with labels nor without."
    )
    lines.append(f"Macro F1 {_with_interval(evaluation, 'macro_f1')}; balanced accuracy "
                 f"{_with_interval(evaluation, 'balanced_accuracy')}; kappa "
                 f"{_with_interval(evaluation, 'cohen_kappa')}.")  # fmt: skip
    rivals = [
        (as_number(row.get("macro_f1")), str(row.get("title") or row.get("name")))
        for row in map(as_map, as_list(evaluation.get("opponents")))
        if not row.get("transductive")
    ]
    known = [(value, name) for value, name in rivals if value is not None]
    if known:
        best, name = max(known)
        own = as_number(evaluation.get("macro_f1"))
        verdict = ""
        if own is not None:
            verdict = ", which is better" if best > own else ", which is not better"
        lines.append(f"Beside it, the best opponent: {name}, macro F1 {best:.3f}{verdict}.")
    lines.append(
        "The model itself learnt from everybody but those kept aside; the test is of models made "
        "in the same way without the person."
    )
    lines += [str(note) for note in as_list(evaluation.get("notes"))]
    return CardSection(title, tuple(lines), _figures_table(report, evaluation))


def _figures_table(report: Json, evaluation: Json) -> CardTable | None:
    per_class = as_map(evaluation.get("per_class"))
    names = [name for name in map(str, as_list(report.get("classes"))) if name in per_class]
    rows = tuple(
        (
            name,
            *(
                _figure(as_map(per_class[name]).get(key))
                for key in ("f1", "precision", "recall")
            ),
        )
        for name in names
    )  # fmt: skip
    return CardTable(("Class", "F1", "Precision", "Recall"), rows) if rows else None


def _limits(document: Json, report: Json) -> CardSection:
    evaluation = as_map(report.get("evaluation"))
    lines = [
        *_limits_of_people(document, evaluation),
        *_limits_of_classes(evaluation),
        *_limits_of_sensors(report),
    ]
    ece = as_number(evaluation.get("ece"))
    if ece is not None:
        points = 100 * ece
        if ece >= ECE_WORTH_SAYING:
            lines.append(
                f"Its confidence is off by {points:.0f} percentage points on average: do not take "
                "it for a probability."
            )
        else:
            lines.append(f"Its confidence is off by {points:.1f} percentage points on average.")
    if as_map(_config(document, report).get("predict")).get("adapt_to_subject"):
        lines.append(
            "It scales each person by all of their own windows: misleading where a person's "
            "recordings hold a single class."
        )
    lines.append(
        "It always answers with one of its classes, whatever the recording holds. Findings tell "
        "where a recording's levels are unlike those it learnt from; read them."
    )
    return CardSection("Known limits", tuple(lines))


def _limits_of_people(document: Json, evaluation: Json) -> list[str]:
    lines = []
    people = as_number(as_map(document.get("data")).get("subjects"))
    if people is not None and people < FEW_PEOPLE:
        lines.append(
            f"It learnt from {people:.0f} {_some(people, 'person', 'people')} only: the next one "
            "may be unlike all of them."
        )
    found = [
        as_number(as_map(row).get("macro_f1"))
        for row in as_map(evaluation.get("per_subject")).values()
    ]
    known = sorted(value for value in found if value is not None)
    if len(known) > 1:
        deviation = as_number(evaluation.get("macro_f1_subject_sd"))
        spread = f", standard deviation {deviation:.3f}" if deviation is not None else ""
        lines.append(
            f"People differ: macro F1 goes from {known[0]:.3f} for one person to {known[-1]:.3f} "
            f"for another{spread}."
        )
    if len(known) == 1:
        lines.append("It was tested on one person: nothing is known of how people differ.")
    return lines


def _limits_of_classes(evaluation: Json) -> list[str]:
    lines = []
    few, wrong = [], []
    for name, entry in as_map(evaluation.get("per_class")).items():
        row = as_map(entry)
        support, f1 = as_number(row.get("support")), as_number(row.get("f1"))
        if support is not None and support < FEW_WINDOWS:
            few.append(f"{name} ({support:.0f})")
        if f1 is not None and f1 < RARELY_RIGHT:
            wrong.append(f"{name} ({f1:.2f})")
    if few:
        lines.append(f"Few windows to test on, so that figures are uncertain: {_listed(few)}.")
    if wrong:
        lines.append(f"Classes that are wrong more often than right, by F1: {_listed(wrong)}.")
    left_out = as_number(evaluation.get("left_out"))
    if left_out:
        lines.append(
            f"{left_out:,.0f} labelled {_some(left_out, 'window')} had nothing recorded and were "
            "not counted; in use, such windows get no answer."
        )
    return lines


def _limits_of_sensors(report: Json) -> list[str]:
    robustness = as_map(report.get("robustness"))
    modalities = [str(name) for name in as_list(report.get("modalities"))]
    if len(modalities) == 1:
        return ["It stands on one modality: without it there is no answer."]
    worst = as_map(robustness.get("worst_single_removal"))
    drop = as_number(worst.get("drop"))
    lines = []
    if worst.get("removed") and drop is not None:
        figure = _figure(worst.get("macro_f1"))
        if drop >= MUCH_LOST:
            lines.append(
                f"It stands most on {worst['removed']}: without it macro F1 falls by {drop:.3f}, "
                f"to {figure}."
            )
        else:
            lines.append(
                f"Any one modality can go: the worst loss is that of {worst['removed']}, macro F1 "
                f"{figure} without it."
            )
    single = [
        (as_number(subset.get("macro_f1")), str(as_list(subset.get("kept"))[0]))
        for subset in map(as_map, as_list(robustness.get("subsets")))
        if len(as_list(subset.get("kept"))) == 1
    ]
    known = [(value, name) for value, name in single if value is not None]
    if known:
        value, name = min(known)
        lines.append(f"With a single modality left it reaches {value:.3f} at worst ({name}).")
    return lines


def _settings(document: Json, report: Json) -> CardSection:
    config = _config(document, report)
    if not config:
        return CardSection("Settings")
    windows, model = as_map(config.get("windows")), as_map(config.get("model"))
    pretrain, finetune = as_map(config.get("pretrain")), as_map(config.get("finetune"))
    evaluate = as_map(config.get("evaluate"))
    masks = [str(as_map(mask).get("strategy")) for mask in as_list(pretrain.get("masking"))]
    length, hop = as_number(windows.get("length_s")), as_number(windows.get("hop_s"))
    every = f", one every {hop:g} s" if hop is not None and hop != length else ""
    rows = [
        ("Steps", ", ".join(map(str, as_list(config.get("steps"))))),
        ("Windows", f"{length:g} s{every}" if length is not None else ""),
        ("Preset", _text(model.get("preset"))),
        ("Encoder", _text(as_map(model.get("encoder")).get("kind"))),
        ("Aggregator", _text(as_map(model.get("aggregator")).get("kind"))),
        ("Masking", ", ".join(masks)),
        ("Epochs of pretraining", _text(pretrain.get("epochs"))),
        ("Fine-tuning", _text(finetune.get("mode"))),
        ("Head", _text(finetune.get("head"))),
        ("Confidence calibrated", _text(finetune.get("calibrate"))),
        ("Folds", _text(evaluate.get("folds"))),
        ("Seed", _text(config.get("seed"))),
    ]
    table = CardTable(("Setting", "Value"), tuple(row for row in rows if row[1]), (0, 1))
    return CardSection("Settings", ("All of them stand in model.json.",), table)


def _versions(document: Json, report: Json) -> CardSection:
    versions = as_map(document.get("versions")) or as_map(report.get("versions"))
    rows = tuple((str(name), str(version)) for name, version in versions.items())
    return CardSection("Versions", (), CardTable(("Part", "Version"), rows, (0, 1)))


def _licence() -> CardSection:
    return CardSection(
        "Licence",
        (
            "The program is under the BSD 3-Clause licence. That says nothing of this model: "
            "whoever made it decides, as far as the licence and the consent of the recordings "
            "allow.",
            "A model holds ranges and hashes of its training data, and its settings as they were "
            "written. Look into model.json before it is given away.",
        ),
    )


# ---------------------------------------------------------------- words and figures


def _config(document: Json, report: Json) -> dict[str, Any]:
    return as_map(document.get("config")) or as_map(report.get("config"))


def _classes(document: Json, report: Json) -> list[str]:
    return [str(name) for name in as_list(document.get("classes") or report.get("classes"))]


def _sensor_names(document: Json, report: Json) -> list[str]:
    named = [str(as_map(m).get("name")) for m in as_list(document.get("modalities"))]
    return named or [str(name) for name in as_list(report.get("modalities"))]


def _with_interval(evaluation: Json, key: str) -> str:
    intervals = as_map(evaluation.get("ci95_by_figure"))
    pair = as_list(intervals.get(key))
    if not pair and key == "macro_f1":
        whole = evaluation.get("ci95")
        pair = as_list(as_map(whole).get("macro_f1") if isinstance(whole, Mapping) else whole)
    text = _figure(evaluation.get(key))
    low, high = (as_number(x) for x in pair) if len(pair) == 2 else (None, None)
    if low is None or high is None:
        return text
    return f"{text} (95 % interval {low:.2f}–{high:.2f})"


def _figure(value: Any) -> str:
    number = as_number(value)
    return "–" if number is None else f"{number:.3f}"


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)


def _some(count: float, one: str, many: str = "") -> str:
    return one if count == 1 else many or f"{one}s"


def _listed(names: Sequence[str]) -> str:
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"


def _markdown_table(table: CardTable) -> str:
    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(_plain(cell).replace("|", "\\|") for cell in cells) + " |"

    columns = range(len(table.heads))
    rule = "|" + "|".join("---" if k in table.text_columns else "---:" for k in columns) + "|"
    return "\n".join([line(table.heads), rule, *(line(row) for row in table.rows)])


def _plain(text: str) -> str:
    """A text that Markdown takes for no markup: names of classes come from the user."""
    for sign in "\\`*_<>[]#":
        text = text.replace(sign, f"\\{sign}")
    return " ".join(text.split())
