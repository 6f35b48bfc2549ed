"""Runs of a study side by side: a row for each, the settings that differ, the figures that can be
compared, and in words why some cannot."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from core.errors import ConfigError, ModelError
from core.label_set import counted, listed
from core.progress import RunContext
from core.run_results import settings_document
from core.same_people import PeopleNow
from core.study_runs import RunKind, RunState, StudyRun
from core.subject_figures import without_leaks

Interval = tuple[float, float]
Better = Literal["higher", "lower", ""]
FigureGroup = Literal[
    "evaluation", "classes", "subjects", "budgets", "opponents", "subsets", "pretraining", "seconds"
]

GROUPS: tuple[FigureGroup, ...] = get_args(FigureGroup)
MISSING = ""
"""Text of a setting that a run does not have."""
_FIGURES: tuple[tuple[str, str, Better], ...] = (
    ("macro_f1", "macro F1", "higher"),
    ("balanced_accuracy", "balanced accuracy", "higher"),
    ("accuracy", "accuracy", "higher"),
    ("cohen_kappa", "Cohen's kappa", "higher"),
    ("ece", "calibration error (ECE)", "lower"),
    ("macro_f1_subject_sd", "deviation of macro F1 over people", "lower"),
    ("windows", "windows that were scored", ""),
    ("left_out", "windows left out, nothing recorded", ""),
    ("unlabelled", "windows without a label", ""),
)
_BUDGETS: tuple[tuple[str, str, Better], ...] = (
    ("macro_f1", "macro F1", "higher"),
    ("macro_f1_sd", "deviation over draws", ""),
    ("labels", "number of labels", ""),
)
_CURVES: tuple[tuple[str, str, Better], ...] = (
    ("epoch", "epochs", ""),
    ("loss", "loss", ""),  # losses of other weights or batches are no better or worse
    ("effective_rank", "effective rank", "higher"),
    ("deviation", "deviation", ""),
    ("cosine", "cosine between windows", "lower"),
)


@dataclass(frozen=True)
class RunRow:
    """A run as a table shows it. What it has not come to is None, or empty.

    Attributes
    ----------
    name: of its folder, by which commands name it.
    problem: why it failed, or what of it cannot be read, in words.
    created_at, ended_at: UTC.
    seen: people who were scored though the model has seen them: figures on them are left out.
    macro_f1, balanced_accuracy, cohen_kappa: on people who were held out.
    ci95: 95 % interval of macro F1.
    worst_removed, worst_macro_f1: the modality that is missed most, and macro F1 without it.
    mean_macro_f1: mean over the subsets of the modalities.
    windows, subjects: of the recordings that could be read.
    pretrained_from: name of the run, or path of the model, that it started from; empty where it
        was pretrained here.
    seconds: how long it took, the last time it was carried out.
    """

    name: str
    title: str
    kind: RunKind
    state: RunState
    problem: str = ""
    created_at: str = ""
    ended_at: str = ""
    macro_f1: float | None = None
    ci95: Interval | None = None
    balanced_accuracy: float | None = None
    cohen_kappa: float | None = None
    worst_removed: str = ""
    worst_macro_f1: float | None = None
    mean_macro_f1: float | None = None
    windows: int | None = None
    subjects: int | None = None
    preset: str = ""
    pretrained_from: str = ""
    raters: tuple[str, ...] = ()
    seconds: float | None = None
    can_resume: bool = False
    has_windows: bool = False
    has_model: bool = False
    has_report: bool = False
    seen: tuple[str, ...] = ()


@dataclass(frozen=True)
class SettingDifference:
    """A setting by its path in the run file, as in `pretrain.loss.covariance`; a text for each
    run, `MISSING` where it has no such setting."""

    path: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class FigureRow:
    """One figure of each run; None where it is not defined, or the run has none.

    Attributes
    ----------
    intervals: 95 % intervals, None where there is none.
    better: which way is better; empty for what is neither.
    """

    group: FigureGroup
    name: str
    values: tuple[float | None, ...]
    intervals: tuple[Interval | None, ...]
    better: Better = ""

    @property
    def is_count(self) -> bool:
        """Whether all its values are whole numbers of something."""
        known = [value for value in self.values if value is not None]
        return bool(known) and all(isinstance(value, int) for value in known)

    @property
    def best(self) -> tuple[int, ...]:
        """Places of the best value; none where all are equal, or none is better."""
        known = [value for value in self.values if value is not None]
        if not self.better or len(set(known)) < 2:
            return ()
        wanted = max(known) if self.better == "higher" else min(known)
        return tuple(place for place, value in enumerate(self.values) if value == wanted)


@dataclass(frozen=True)
class RunComparison:
    """Runs side by side, all tuples in their order.

    Attributes
    ----------
    settings: those that differ.
    same_data, same_folds: whether they learnt from the same data and were tested on the same
        people in the same folds; None where the reports do not say.
    unfair: sentences on why figures cannot be compared; none where they can.
    notes: sentences on how to read the figures.
    """

    rows: tuple[RunRow, ...]
    settings: tuple[SettingDifference, ...]
    figures: tuple[FigureRow, ...]
    same_data: bool | None
    same_folds: bool | None
    unfair: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def is_fair(self) -> bool:
        return not self.unfair


# ---------------------------------------------------------------- rows


Subjects = Mapping[str, str]
"""Whose the study's recordings are by now, by recording: people whom a run took for two may be one,
and figures on them no test."""


def run_row(run: StudyRun, whose: Subjects | None = None) -> RunRow:
    """The row of a run. Never raises: what cannot be read is its problem, in words."""
    return _read(run, whose).row


def run_rows(runs: Sequence[StudyRun], whose: Subjects, context: RunContext) -> tuple[RunRow, ...]:
    """The rows of many runs, in their order."""
    rows = []
    for number, run in enumerate(runs):
        context.step("reading runs", number, len(runs))
        rows.append(run_row(run, whose))
    return tuple(rows)


@dataclass(frozen=True)
class _Read:
    """A run with its report and its settings, as far as they can be read."""

    run: StudyRun
    report: Mapping[str, Any]
    settings: Mapping[str, Any]
    row: RunRow

    @property
    def evaluation(self) -> Mapping[str, Any]:
        return _map(self.report.get("evaluation"))

    @property
    def recordings(self) -> dict[str, Mapping[str, Any]]:
        """Entries of the recordings that could be read, by id."""
        return _recordings(self.report)

    @property
    def title(self) -> str:
        """In quotes, for sentences."""
        return listed([self.row.title])


def _read(run: StudyRun, whose: Subjects | None = None) -> _Read:
    problem = run.error
    try:
        report: Mapping[str, Any] = run.report() or {}
    except ModelError as error:
        report, problem = {}, str(error)
    report, seen = without_leaks(report, PeopleNow.of(report, whose or {}))
    if seen:
        problem = (
            f"The model has seen people on whom it was scored: {listed(seen)}. Figures on them are "
            "no test and are not shown."
        )
    settings, complaint = _settings(run, report)
    evaluation = _map(report.get("evaluation"))
    robustness = _map(report.get("robustness"))
    worst = _map(robustness.get("worst_single_removal"))
    recordings = _recordings(report)
    timing = [_number(value) for value in _map(report.get("timing")).values()]
    subjects = {str(entry.get("subject")) for entry in recordings.values()}
    row = RunRow(
        name=run.name,
        title=run.title,
        kind=run.kind,
        state=run.state,
        problem=problem or complaint,
        created_at=run.created_at,
        ended_at=run.ended_at,
        macro_f1=_number(evaluation.get("macro_f1")),
        ci95=_interval(evaluation.get("ci95")),
        balanced_accuracy=_number(evaluation.get("balanced_accuracy")),
        cohen_kappa=_number(evaluation.get("cohen_kappa")),
        worst_removed=str(worst.get("removed") or ""),
        worst_macro_f1=_number(worst.get("macro_f1")),
        mean_macro_f1=_number(robustness.get("mean_macro_f1")),
        windows=sum(_count(entry.get("windows")) for entry in recordings.values())
        if recordings
        else None,
        subjects=len(subjects) if recordings else None,
        preset=str(_map(settings.get("model")).get("preset") or ""),
        pretrained_from=_origin(_map(settings.get("finetune")).get("from")),
        raters=run.raters,
        seconds=sum(value for value in timing if value is not None) if timing else None,
        can_resume=run.can_resume,
        has_windows=run.has_windows,
        has_model=run.has_model,
        has_report=bool(report),
        seen=seen,
    )
    return _Read(run, report, settings, row)


def _settings(run: StudyRun, report: Mapping[str, Any]) -> tuple[Mapping[str, Any], str]:
    """All settings of a run, and why they cannot be read where they cannot."""
    if run.kind == "model":
        try:
            document = json.loads((run.model / "model.json").read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            return {}, f"{run.model / 'model.json'}: cannot be read ({error})."
        return _map(_map(document).get("config")), ""
    try:
        return settings_document(run.config()), ""
    except ConfigError as error:
        # A run file of another version; the report knows what was meant then.
        return _map(report.get("config")), "" if report else str(error)


def _origin(start: Any) -> str:
    """The model that a run started from: the name of its run, or its path."""
    if not isinstance(start, str) or not start:
        return ""
    path = Path(start)
    return path.parent.name if path.name == "model" else str(path)


def _recordings(report: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    entries = [_map(entry) for entry in _list(report.get("recordings"))]
    return {str(entry.get("id")): entry for entry in entries if entry.get("status") == "ok"}


# ---------------------------------------------------------------- comparing


def compare_runs(runs: Sequence[StudyRun], whose: Subjects | None = None) -> RunComparison:
    """Runs side by side. Never raises for what a run lacks: that is said in `unfair`."""
    read = [_read(run, whose) for run in runs]
    same_data, about_data = _compare_data(read)
    same_folds, about_folds = _compare_folds(read)
    unfair = [
        *_without_figures(read),
        *about_data,
        *_other_windows(read),
        *_other_classes(read),
        *_other_labels(read),
        *about_folds,
    ]
    return RunComparison(
        rows=tuple(one.row for one in read),
        settings=tuple(_differences("", [_comparable(one) for one in read])),
        figures=tuple(_figures(read)),
        same_data=same_data,
        same_folds=same_folds,
        unfair=tuple(unfair),
        notes=tuple(_notes(read, same_data, fair=not unfair)),
    )


def _comparable(one: _Read) -> Mapping[str, Any]:
    left_out = ("recordings", "labels", "name", "notes", "data_root", "schema_version")
    settings = {key: value for key, value in one.settings.items() if key not in left_out}
    return {**settings, "raters": list(one.run.raters)}


# -- settings


def _differences(path: str, values: Sequence[Any]) -> Iterator[SettingDifference]:
    """The deepest settings in which the values differ; `...` stands for what is missing."""
    if all(value == values[0] for value in values):
        return
    values = [_by_name(value) for value in values]
    there = [value for value in values if value is not ...]
    if len(there) > 1 and all(isinstance(value, Mapping) for value in there):
        for key in dict.fromkeys(key for value in there for key in value):
            below = [... if value is ... else value.get(key, ...) for value in values]
            yield from _differences(f"{path}.{key}" if path else key, below)
        return
    yield SettingDifference(path, tuple(_text(value) for value in values))


def _by_name(value: Any) -> Any:
    """A list of named things as a mapping, so that each is compared with its namesake."""
    if isinstance(value, list) and value and all(isinstance(x, Mapping) for x in value):
        names = [x.get("name") for x in value]
        if all(isinstance(name, str) and name for name in names) and len(set(names)) == len(names):
            return dict(zip(names, value, strict=True))
    return value


def _text(value: Any) -> str:
    if value is ...:
        return MISSING
    if value is None:
        return "none"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


# -- figures


@dataclass(frozen=True)
class _Figure:
    """A figure of one run; `place` orders those of a group that have an order."""

    group: FigureGroup
    name: str
    value: float | None
    better: Better = ""
    interval: Interval | None = None
    place: float = 0.0


def _figures(read: Sequence[_Read]) -> Iterator[FigureRow]:
    """What any of the runs has, group by group."""
    each = [{(x.group, x.name): x for x in _figures_of(one)} for one in read]
    known = {key: figure for found in reversed(each) for key, figure in found.items()}
    keys = dict.fromkeys(key for found in each for key in found)
    for key in sorted(keys, key=lambda key: (GROUPS.index(key[0]), known[key].place)):
        figures = [found.get(key) for found in each]
        yield FigureRow(
            *key,
            tuple(None if figure is None else figure.value for figure in figures),
            tuple(None if figure is None else figure.interval for figure in figures),
            known[key].better,
        )


def _figures_of(one: _Read) -> Iterator[_Figure]:
    """All figures of a run that are defined."""
    for figure in _all_figures(one):
        if figure.value is not None:
            yield figure


def _all_figures(one: _Read) -> Iterator[_Figure]:
    evaluation = one.evaluation
    intervals = _map(evaluation.get("ci95_by_figure"))
    for key, name, better in _FIGURES:
        value = _number(evaluation.get(key))
        yield _Figure("evaluation", name, value, better, _interval(intervals.get(key)))
    for name, row in _maps(evaluation.get("per_class")):
        for key, title in (("f1", "F1"), ("precision", "precision"), ("recall", "recall")):
            yield _Figure("classes", f"{name}: {title}", _number(row.get(key)), "higher")
    for name, row in _maps(evaluation.get("per_subject")):
        yield _Figure("subjects", name, _number(row.get("macro_f1")), "higher")
    for row in map(_map, _list(evaluation.get("label_efficiency"))):
        share = _number(row.get("budget")) or 0.0
        name = f"{100 * share:.3g} % of the labels"
        for key, title, better in _BUDGETS:
            value = _number(row.get(key))
            yield _Figure("budgets", f"{name}: {title}", value, better, place=share)
    yield from _opponents(evaluation)
    yield from _subsets(one)
    for run in map(_map, _list(_map(one.report.get("pretraining")).get("runs"))):
        epochs = _list(run.get("epochs"))
        last = _map(epochs[-1]) if epochs else {}
        for key, title, better in _CURVES:
            yield _Figure("pretraining", f"{run.get('name')}: {title}", _number(last.get(key)),
                          better)  # fmt: skip
    yield _Figure("seconds", "all together", one.row.seconds, "lower")
    for name, seconds in _map(one.report.get("timing")).items():
        yield _Figure("seconds", name, _number(seconds), "lower")


def _opponents(evaluation: Mapping[str, Any]) -> Iterator[_Figure]:
    """What the model is beside; the model adapted to the person is among it."""
    rows = [_map(row) for row in _list(evaluation.get("opponents"))]
    adapted = _map(evaluation.get("adapted"))
    if adapted:
        rows.insert(0, {"title": "this model, adapted to the person", **adapted})
    for row in rows:
        name = str(row.get("title") or row.get("name"))
        value, interval = _number(row.get("macro_f1")), _interval(row.get("ci95"))
        yield _Figure("opponents", name, value, interval=interval)


def _subsets(one: _Read) -> Iterator[_Figure]:
    yield _Figure("subsets", "mean over subsets: macro F1", one.row.mean_macro_f1, "higher")
    yield _Figure("subsets", "worst removal: macro F1", one.row.worst_macro_f1, "higher")
    everything = [str(name) for name in _list(one.report.get("modalities"))]
    for row in map(_map, _list(_map(one.report.get("robustness")).get("subsets"))):
        kept = [str(name) for name in _list(row.get("kept"))]
        name = "all modalities" if kept == everything else " + ".join(kept)
        if len(kept) == 1 < len(everything):
            name = f"{kept[0]} alone"
        value, interval = _number(row.get("macro_f1")), _interval(row.get("ci95"))
        yield _Figure("subsets", f"{name}: macro F1", value, "higher", interval)
        if kept != everything:
            agreement = _number(row.get("agreement"))
            yield _Figure("subsets", f"{name}: agreement with all", agreement, "higher")


# -- fairness


def _without_figures(read: Sequence[_Read]) -> Iterator[str]:
    for one in read:
        row = one.row
        if row.kind == "model":
            yield f"{one.title} is a model that was brought in: it has no figures of this study."
        elif row.seen or (row.problem and not row.has_report):
            yield f"{one.title} has no figures: {row.problem}"
        elif not row.has_report:
            yield f"{one.title} has no figures yet: it is {_STATES[row.state]}."
        elif row.macro_f1 is None:
            if row.state in ("finished", "partial"):
                why = "it has no figures on people who were held out (step 'evaluate')"
            else:
                why = f"it is {_STATES[row.state]}, and has no figures yet"
            yield f"{one.title} cannot be compared: {why}."
        failed = [
            str(entry.get("id"))
            for entry in map(_map, _list(one.report.get("recordings")))
            if entry.get("status") == "failed"
        ]
        if failed:
            left = counted(len(failed), "recording")
            yield f"{one.title} went without {left} that could not be read: {listed(failed)}."


_STATES: dict[RunState, str] = {
    "waiting": "waiting",
    "running": "going on",
    "finished": "finished",
    "partial": "finished in part",
    "stopped": "stopped",
    "failed": "failed",
}


def _compare_data(read: Sequence[_Read]) -> tuple[bool | None, list[str]]:
    """Whether the runs learnt from the same data; sentences where they did not."""
    known = [one for one in read if one.recordings]
    if len(known) < 2:
        return None, []
    first = known[0]
    said = []
    for one in known[1:]:
        here, there = set(first.recordings), set(one.recordings)
        only = [(first, here - there), (one, there - here)]
        parts = [f"only {x.title} has {listed(sorted(names))}" for x, names in only if names]
        lengths = [
            name
            for name in sorted(here & there)
            if first.recordings[name].get("duration_s") != one.recordings[name].get("duration_s")
        ]
        if lengths:
            parts.append(f"other lengths of {listed(lengths)}")
        if parts:
            pair = f"{first.title} and {one.title}"
            said.append(f"{pair} did not learn from the same recordings: {'; '.join(parts)}.")
    if said:
        return False, said
    prints = [one.report.get("data_fingerprint") for one in known]
    if None in prints:
        return None, []
    if any(print_of != prints[0] for print_of in prints):
        names = listed([one.row.title for one in known])
        return False, [
            f"{names} have recordings of the same names, but files or labels have changed between "
            "them."
        ]
    return True, []


def _other_windows(read: Sequence[_Read]) -> Iterator[str]:
    with_windows = [one for one in read if _map(one.settings.get("windows"))]
    for key, title in (("length_s", "length"), ("hop_s", "hop"), ("anchor", "anchor")):
        values = [_map(one.settings["windows"]).get(key) for one in with_windows]
        if any(value != values[0] for value in values):
            each = "; ".join(
                f"{one.title} {_window_text(key, value)}"
                for one, value in zip(with_windows, values, strict=True)
            )
            yield f"The windows are not the same, {title}: {each}. Figures count other windows."


def _window_text(key: str, value: Any) -> str:
    if key == "anchor":
        return str(value)
    return "as the length" if value is None else f"{value:g} s"


def _other_classes(read: Sequence[_Read]) -> Iterator[str]:
    known = [(one, [str(x) for x in _list(one.evaluation.get("classes"))]) for one in read]
    known = [(one, classes) for one, classes in known if classes]
    if any(set(classes) != set(known[0][1]) for _, classes in known):
        each = "; ".join(f"{one.title} {listed(classes)}" for one, classes in known)
        yield f"The classes are not the same: {each}."


def _other_labels(read: Sequence[_Read]) -> Iterator[str]:
    trained = [one for one in read if one.run.kind == "train" and one.row.macro_f1 is not None]
    if any(one.run.raters != trained[0].run.raters for one in trained):
        each = "; ".join(f"{one.title} by {listed(list(one.run.raters))}" for one in trained)
        yield f"The labels are not by the same people: {each}."


def _compare_folds(read: Sequence[_Read]) -> tuple[bool | None, list[str]]:
    """Whether the runs were tested on the same people in the same folds, and sentences."""
    known = [(one, _folds(one)) for one in read]
    known = [(one, folds) for one, folds in known if folds]
    if len(known) < 2:
        return None, []
    first, folds = known[0]
    people = frozenset().union(*folds)
    said = []
    for one, others in known[1:]:
        if others == folds:
            continue
        pair = f"{first.title} and {one.title}"
        tested = frozenset().union(*others)
        if tested != people:
            said.append(
                f"{pair} were not tested on the same people: {len(people)} and {len(tested)}, "
                f"{len(people & tested)} of them in both."
            )
        else:
            said.append(
                f"{pair} were tested on the same people, but in other folds "
                f"({len(folds)} and {len(others)}), so they learnt from other people each time."
            )
    return not said, said


def _folds(one: _Read) -> frozenset[frozenset[str]]:
    return frozenset(
        frozenset(map(str, _list(_map(fold).get("test_subjects"))))
        for fold in _list(one.evaluation.get("folds"))
    )


# -- notes


def _notes(read: Sequence[_Read], same_data: bool | None, *, fair: bool) -> Iterator[str]:
    versions = [_map(one.report.get("versions")) for one in read if one.row.has_report]
    other = [
        name
        for name in dict.fromkeys(name for known in versions for name in known)
        if len({str(known.get(name)) for known in versions}) > 1
    ]
    if other:
        yield f"They were made with different versions of {listed(other)}, which may change digits."
    if same_data is None and sum(bool(one.recordings) for one in read) > 1:
        yield (
            "The reports do not say whether files and labels were the same; names and lengths of "
            "the recordings are."
        )
    scored = sorted(
        (one for one in read if one.row.macro_f1 is not None),
        key=lambda one: -(one.row.macro_f1 or 0.0),
    )
    if not fair or len(scored) < 2:
        return
    best, second = scored[0].row, scored[1].row
    if best.macro_f1 == second.macro_f1:
        yield f"{scored[0].title} and {scored[1].title} have the same macro F1."
        return
    for one in scored[1:]:
        yield _by_people(scored[0], one)
    if best.ci95 and second.ci95 and best.ci95[0] <= second.ci95[1]:
        yield (
            f"The 95 % intervals of {scored[0].title} and {scored[1].title} overlap: so small a "
            "difference may be chance."
        )


def _by_people(best: _Read, other: _Read) -> str:
    """For how many people one run is better than another."""
    pairs = []
    others = dict(_maps(other.evaluation.get("per_subject")))
    for name, row in _maps(best.evaluation.get("per_subject")):
        here = _number(row.get("macro_f1"))
        there = _number(others.get(name, {}).get("macro_f1"))
        if here is not None and there is not None:
            pairs.append((here, there))
    more = sum(here > there for here, there in pairs)
    less = sum(here < there for here, there in pairs)
    people = counted(len(pairs), "person", "people")
    return f"{best.title} has the higher macro F1 for {more} of {people}, {other.title} for {less}."


# ---------------------------------------------------------------- plain values


def _map(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _maps(value: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Names with what stands under them."""
    for name, row in _map(value).items():
        yield str(name), _map(row)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _number(value: Any) -> float | None:
    """A number as it is, whole ones stay whole; None for what is none."""
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _count(value: Any) -> int:
    return value if isinstance(value, int) else 0


def _interval(value: Any) -> Interval | None:
    pair = [_number(x) for x in value] if isinstance(value, (list, tuple)) else []
    if len(pair) != 2 or pair[0] is None or pair[1] is None:
        return None
    return pair[0], pair[1]
