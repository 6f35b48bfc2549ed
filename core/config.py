"""Typed settings of a run: the one place where defaults live.

A run file is JSON. It is read in three layers: the model preset it names (a data file under
`resources/presets/models`), the run file itself, and `--set a.b=value` from the command line.
Unknown keys are refused before anything else is read, each with the nearest right one.
"""

from __future__ import annotations

import difflib
import json
import re
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from core.errors import ConfigError

SCHEMA_VERSION = 1
LARGEST_RUN_FILE = 1 << 24
Step = Literal["pretrain", "finetune", "evaluate", "predict", "robustness"]
STEPS: tuple[Step, ...] = typing.get_args(Step)
Device = Literal["auto", "cpu", "cuda", "mps"]
Kind = Literal["acc", "gyro", "eeg", "eog", "emg", "ecg", "bvp", "eda", "temp", "resp", "other"]


class Strict(BaseModel):
    """Settings that cannot be changed once made and that refuse keys they do not know."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False
    )


# ---------------------------------------------------------------- recordings

LONGEST_ID = 200
"""Bytes of a recording's id: file systems allow 255 for a name with its ending."""
_NO_FILE_NAME = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


def safe_file_name(text: str) -> str:
    """The text as a name that every file system takes: letters, digits, `_`, `-` and `.`."""
    name = re.sub(r"[^\w.\-]+", "_", text).strip(". ") or "recording"
    return f"{name}_" if _NO_FILE_NAME.fullmatch(name) else name


class CsvConfig(Strict):
    """How a CSV file is written. What is left out is guessed, and the guess is reported."""

    layout: Literal["table", "e4"] = "table"
    """`e4`: first line start as unix time, second line rate, then samples, as Empatica exports."""
    separator: str | None = None
    """One character between columns, such as `;` or a tab."""
    decimal: Literal[".", ","] | None = None
    """The decimal sign."""
    thousands: Literal["", ",", ".", " ", "'"] | None = None
    """The sign between groups of three digits, as in `1,234.5`; an empty text where there is
    none."""
    header: bool | None = None
    """Whether the first line that is not a comment names the columns."""
    comment: str | None = None
    """Lines that start with this are passed over."""
    skip_rows: Annotated[int, Field(ge=0)] | None = None
    """Lines to pass over before the header."""
    units_row: bool | None = None
    """Whether the line below the header holds the units of the columns."""
    encoding: Literal["utf-8", "latin-1", "utf-16"] | None = None
    """How letters are written as bytes."""
    columns: list[str] | None = None
    """Names of the columns, for files without a header; of the channels for `e4`."""
    time_column: str | None = None
    """The column with the time; `none` where there is none and `rate_hz` says all."""
    time_unit: Literal["s", "ms", "us", "iso"] | None = None
    """Unit of the time column; `iso` is a date and time in words."""
    rate_hz: Annotated[float, Field(gt=0)] | None = None
    """Rate of the even grid that the samples are put on; measured from the time stamps if left
    out, required where there is no time column."""
    max_gap_s: Annotated[float, Field(gt=0)] | None = None
    """Jumps in time longer than this are gaps; left out: the larger of 0.1 s and 4 samples."""
    ignore_columns: list[str] = []
    """Columns that are neither time nor signal nor label."""
    units: dict[str, str] = {}
    """Unit of each channel, by column."""


class SourceConfig(Strict):
    """Files of one kind: one device or one export."""

    pattern: str = ""
    """Path relative to the run file or the data root, with named fields in braces:
    `{subject}/{subject}_{run}_{device}.csv`; `{n:02d}` is digits, padded to two. May be left out
    only where `recordings.listed` is given."""
    name: str = "main"
    """What the run file calls this source. A field `signal` or `device` names it by itself."""
    values: dict[str, list[str]] = {}
    """Values of a field to take; others are passed over."""
    format: Literal["auto", "edf", "csv"] = "auto"
    """Auto: by the ending; `.gz` is unpacked on the fly."""
    csv: CsvConfig = CsvConfig()
    clock_offset_s: float = 0.0
    """Added to the clock of these files, to correct a device that runs early or late."""
    time_zone: str | None = None
    """Zone of clock times without one, such as `Europe/Berlin`; UTC if left out."""
    optional: bool = False
    """A recording that lacks this source is kept, with its modalities absent."""


class ListedFile(Strict):
    """A file of a listed recording. A text is short for its path."""

    path: Annotated[str, Field(min_length=1)]
    """Path of the file, relative to the data root or absolute; taken as it stands."""
    source: str | None = None
    """Name of the entry of `sources` whose settings the file is read with; left out: the entry
    that is called like the file, or else the first."""


class ListedRecording(Strict):
    """A recording whose files are named one by one."""

    id: Annotated[str, Field(min_length=1)]
    """Name of the recording, in the report and of its files; no two differ by case alone."""
    subject: Annotated[str, Field(min_length=1)]
    """Whose recording it is; all splits go by it."""
    fields: dict[str, str] = {}
    """What a pattern's fields would say, for `labels`; `subject` and `recording` (the id) are
    there without being named."""
    files: Annotated[dict[str, ListedFile], Field(min_length=1)]
    """Name of each file inside the recording, which modalities call `source`, to its path."""

    @field_validator("id")
    @classmethod
    def _a_file_name(cls, id: str) -> str:
        if safe_file_name(id) != id:
            raise ValueError(f"an id is used as a file name; write it as '{safe_file_name(id)}'")
        if len(id.encode()) > LONGEST_ID:
            raise ValueError(f"an id is used as a file name; this one is longer than {LONGEST_ID}")
        return id

    @field_validator("files", mode="before")
    @classmethod
    def _paths(cls, files: Any) -> Any:
        if not isinstance(files, dict):
            return files
        return {
            name: {"path": file} if isinstance(file, str) else file for name, file in files.items()
        }


class ExclusionConfig(Strict):
    """A recording, or a stretch of it, that is not to be used."""

    recording: str
    """Id of the recording; `*` and `?` stand for any text and any character."""
    start_s: float | None = None
    """Start of the stretch in seconds from the recording's start; left out: from its start."""
    end_s: float | None = None
    """End of the stretch; left out: to its end."""
    modality: str | None = None
    """Modality whose signal is bad there: it counts as missing, and the windows are kept. Left
    out: windows that touch the stretch are left out of everything."""
    reason: str = ""
    """Why; goes into the report."""

    @property
    def whole(self) -> bool:
        """Whether the recording as a whole is not to be used."""
        return self.start_s is None and self.end_s is None and self.modality is None


class RecordingsConfig(Strict):
    """Which files there are and how they make up recordings."""

    sources: Annotated[list[SourceConfig], Field(min_length=1)]
    listed: list[ListedRecording] | None = None
    """Recordings whose files are named one by one, in place of patterns or beside them."""
    join: Literal["overlap", "union"] = "overlap"
    """A recording of several files lasts from the latest start to the earliest end, or from the
    earliest start to the latest end, with what is missing absent."""
    subject: str = "{subject}"
    """How the fields make the subject's name."""
    key_map: dict[str, str] = {}
    """Names that differ between tables and files: name in a table to subject or recording."""
    exclude: list[ExclusionConfig] = []

    @model_validator(mode="after")
    def _files_are_told(self) -> RecordingsConfig:
        # An empty list will do: a model keeps the settings without the list that they came from.
        if self.listed is None:
            for number, source in enumerate(self.sources):
                if not source.pattern:
                    raise ValueError(
                        f".sources.{number}.pattern: this key is required where `listed` names no "
                        "files"
                    )
        return self

    @field_validator("listed")
    @classmethod
    def _ids_are_distinct(
        cls, listed: list[ListedRecording] | None
    ) -> list[ListedRecording] | None:
        seen: dict[str, str] = {}
        for number, entry in enumerate(listed or ()):
            other = seen.setdefault(entry.id.casefold(), entry.id)
            if len(seen) <= number:
                raise ValueError(
                    f".{number}.id: '{entry.id}' is not told from '{other}'; ids must differ by "
                    "more than upper and lower case"
                )
        return listed

    @model_validator(mode="after")
    def _sources_are_there(self) -> RecordingsConfig:
        names = [source.name for source in self.sources]
        for number, entry in enumerate(self.listed or ()):
            for name, file in entry.files.items():
                wanted = name if file.source is None else file.source
                where = f".listed.{number}.files.{name}.source"
                if file.source is not None and wanted not in names:
                    near = difflib.get_close_matches(wanted, names, n=1)
                    hint = f"did you mean '{near[0]}'?" if near else f"there are {', '.join(names)}"
                    raise ValueError(f"{where}: no entry of `sources` is called '{wanted}'; {hint}")
                if names.count(wanted) > 1:
                    raise ValueError(
                        f"{where}: {names.count(wanted)} entries of `sources` are called "
                        f"'{wanted}'; give each a name of its own"
                    )
        return self

    def source_of(self, name: str, file: ListedFile) -> SourceConfig:
        """The settings that a listed file, called `name` in its recording, is read with."""
        wanted = name if file.source is None else file.source
        return next((s for s in self.sources if s.name == wanted), self.sources[0])


# ---------------------------------------------------------------- modalities


class FilterConfig(Strict):
    """Zero-phase filters. A result does not depend on where reading was cut into parts."""

    low_hz: Annotated[float, Field(gt=0)] | None = None
    """Lower edge of the band."""
    high_hz: Annotated[float, Field(gt=0)] | None = None
    """Upper edge of the band."""
    notch_hz: Annotated[float, Field(gt=0)] | None = None
    """Mains frequency to take out."""

    @model_validator(mode="after")
    def _ordered(self) -> FilterConfig:
        if self.low_hz and self.high_hz and self.low_hz >= self.high_hz:
            raise ValueError("low_hz must be below high_hz")
        return self


class DetectionConfig(Strict):
    """When a channel counts as not recorded in a window."""

    max_missing_share: Annotated[float, Field(ge=0, le=1)] = 0.1
    """Largest share of missing samples."""
    max_flat_share: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Largest share of time in which the value does not change at all; 1 turns the check off."""
    flat_run_s: Annotated[float, Field(gt=0)] = 1.0
    """A value that stays the same for less than this is not flat."""
    max_saturated_share: Annotated[float, Field(ge=0, le=1)] = 0.25
    """Largest share of samples on the device's limits; 1 turns the check off."""
    valid_range: tuple[float, float] | None = None
    """Values outside are missing: a sensor that is not on the body."""
    min_channels_share: Annotated[float, Field(gt=0, le=1)] = 0.5
    """A modality is present when at least this share of its channels was recorded."""


class ChannelConfig(Strict):
    """One channel of a modality, found by name."""

    match: Annotated[list[str], Field(min_length=1)]
    """Names, without regard to case, `*` and `?` allowed; the first that a recording has wins."""
    minus: list[str] | None = None
    """Names of the channel to subtract, for a derivation such as C3-M2. Where the recording
    already holds the difference, name it first in `match` as the whole text `C3-M2`."""
    source: str | None = None
    """Only channels of this source."""


class ModalityConfig(Strict):
    """A named group of channels with its own rate, filter and scaling."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_]+$")]
    channels: Annotated[list[ChannelConfig], Field(min_length=1)]
    """Channels in order; a text is short for a channel with that one name."""
    source: str | None = None
    """Only channels of this source, such as `phone`."""
    kind: Kind | None = None
    """What it measures; guessed from the name if left out."""
    rate_hz: Annotated[float, Field(gt=0)] | None = None
    """Rate of the modality; left out: the rate most recordings have."""
    unit: str | None = None
    """Unit of the modality; recordings in a multiple of it (mV for uV) are converted."""
    average_reference: bool = False
    """Subtract the mean over the channels from each."""
    filter: FilterConfig = FilterConfig()
    scaling: Literal["train", "window", "none"] = "train"
    """By mean and deviation of the training subjects, of the window itself, or not at all."""
    detection: DetectionConfig = DetectionConfig()

    @field_validator("channels", mode="before")
    @classmethod
    def _names(cls, channels: Any) -> Any:
        if not isinstance(channels, list):
            return channels
        return [{"match": [entry]} if isinstance(entry, str) else entry for entry in channels]


# ---------------------------------------------------------------- windows and labels


class WindowsConfig(Strict):
    """Windows of one length for all modalities."""

    length_s: Annotated[float, Field(gt=0)]
    hop_s: Annotated[float, Field(gt=0)] | None = None
    """From one window's start to the next; left out: the length."""
    pretrain_hop_s: Annotated[float, Field(gt=0)] | None = None
    """Hop in pretraining, where overlapping windows cost no labels; left out: `hop_s`."""
    anchor: Literal["recording", "labels"] = "recording"
    """Whether the first window starts with the recording or with its first label."""

    @property
    def step_s(self) -> float:
        return self.hop_s or self.length_s


class LabelsBase(Strict):
    """What all sources of labels have in common."""

    classes: list[str] = []
    """Classes in order; left out: every label met, sorted. The first wins a tie."""
    mapping: dict[str, str | None] = {}
    """Label as written to class; null makes it unlabelled, which is never a class. Or, as a text,
    the name of a mapping preset such as `aasm_from_rk`, which is put in its place."""
    min_cover: Annotated[float, Field(gt=0, le=1)] = 0.5
    """A window has a label when labels cover at least this share of it."""

    @field_validator("mapping", mode="before")
    @classmethod
    def _named_mapping(cls, mapping: Any) -> Any:
        """The table of a preset takes the place of its name, so that what a run used is kept with
        it, whatever becomes of the preset."""
        if not isinstance(mapping, str):
            return mapping
        from core.label_mapping import load_mapping

        try:
            return load_mapping(mapping)
        except ConfigError as error:
            raise ValueError(str(error).rstrip(".")) from None

    @model_validator(mode="after")
    def _mapped_to_classes(self) -> LabelsBase:
        if self.classes:
            wrong = sorted({c for c in self.mapping.values() if c and c not in self.classes})
            if wrong:
                raise ValueError(f"mapping leads to {', '.join(wrong)}, which is not in classes")
        return self

    @field_validator("classes")
    @classmethod
    def _distinct(cls, classes: list[str]) -> list[str]:
        twice = sorted({name for name in classes if classes.count(name) > 1})
        if twice:
            raise ValueError(f"class named twice: {', '.join(twice)}")
        if any(not name.strip() for name in classes):
            raise ValueError("a class needs a name")
        return classes


class AnnotationLabels(LabelsBase):
    """Annotations of an EDF+ or BDF+ file: its own, or those of a file beside it."""

    kind: Literal["annotations"]
    pattern: str | None = None
    """Path of the separate annotation file, with the recording's fields; left out: the
    recording's own annotations."""


class ColumnLabels(LabelsBase):
    """A column with a label on every sample."""

    kind: Literal["column"]
    column: str
    source: str | None = None
    """Source whose column counts."""


class TableLabels(LabelsBase):
    """A table of labels by time for all recordings or for one."""

    kind: Literal["table"]
    pattern: str
    """Path of the table; may hold the recording's fields."""
    key_column: str | None = None
    """Column with the subject or recording a row belongs to; left out: the path tells."""
    key: Literal["subject", "recording"] = "subject"
    """What the key column names."""
    time_column: str
    time_unit: Literal["s", "ms", "us", "iso"] = "s"
    clock: Literal["absolute", "elapsed"] = "elapsed"
    """Whether times are clock times or count from the recording's start."""
    duration_column: str | None = None
    """Column with the duration in seconds."""
    period_s: Annotated[float, Field(gt=0)] | None = None
    """Duration of every row where there is no such column."""
    label_column: str
    csv: CsvConfig = CsvConfig()


class EpochLabels(LabelsBase):
    """One value per epoch, in order, one a line."""

    kind: Literal["epochs"]
    pattern: str
    epoch_s: Annotated[float, Field(gt=0)]
    offset_s: float = 0.0
    """Start of the first epoch, in seconds from the recording's start."""
    skip_rows: Annotated[int, Field(ge=0)] = 0
    column: str | int | None = None
    """Column of a table; left out: the line is the label."""


class FieldLabels(LabelsBase):
    """The file name says the label of the whole recording."""

    kind: Literal["field"]
    field: str


class FileLabels(LabelsBase):
    """A file of labels in any format that the program exchanges: EDF+ annotations, CSV and TSV,
    BIDS events, NSRR and Profusion XML, Luna's .annot, one value per epoch."""

    kind: Literal["file"]
    pattern: str
    """Path of the file, with the recording's fields."""
    format: (
        Literal["edf", "csv", "tsv", "bids", "nsrr", "profusion", "luna", "epochs", "predictions"]
        | None
    ) = None
    """Left out: guessed by ending and content."""
    epoch_s: Annotated[float, Field(gt=0)] | None = None
    """Length of an epoch, for one value per epoch and for tables without durations."""
    offset_s: float = 0.0
    """Start of the first epoch in seconds from the recording's start, for one value per epoch."""
    rater: str | None = None
    """Whose labels count, where several people scored; left out: everybody's."""


LabelsConfig = Annotated[
    AnnotationLabels | ColumnLabels | TableLabels | EpochLabels | FieldLabels | FileLabels,
    Field(discriminator="kind"),
]


# ---------------------------------------------------------------- model


class EncoderConfig(Strict):
    """One encoder per modality; kernels and strides follow the modality's rate."""

    kind: Literal["reference", "strided"] = "strided"
    code: Annotated[int, Field(ge=4)] = 64
    """Numbers in a modality's embedding."""
    widths: tuple[
        Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]
    ] = (64, 64, 64)
    """Channels of the three strided convolutions."""
    scales_s: Annotated[list[Annotated[float, Field(gt=0)]], Field(min_length=1)] = [
        0.05,
        0.1,
        0.25,
    ]
    """Lengths in seconds of the kernels of the first convolution, which share its channels."""
    kernel: Annotated[int, Field(ge=3)] = 5
    """Steps that a convolution after the first sees."""
    latent_steps: Annotated[int, Field(ge=1)] = 12
    """Steps of latent time that strides aim at."""
    dilated_layers: Annotated[int, Field(ge=0)] = 0
    """Residual layers with dilation 1, 2, 4 … after the strides, for slow rhythms."""
    raw: bool = True
    """Whether there is a branch of convolutions at all; without, `spectral_bands` is needed."""
    spectral_bands: Annotated[int, Field(ge=0)] = 0
    """Log power in this many bands as a second branch; 0: none."""
    statistics: bool = False
    """Whether the second branch also has moments and extremes of the window."""
    pool: Literal["mean", "mean_std", "mean_max"] = "mean_max"
    """How latent time is pooled."""
    norm: Literal["batch", "group", "layer"] = "batch"
    """Normalisation after each convolution."""
    activation: Literal["relu", "gelu", "elu"] = "gelu"
    output_norm: Literal["batch", "layer", "none"] = "batch"
    """Normalisation of the embedding itself."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    kernel_l2: Annotated[float, Field(ge=0)] = 0.0
    """L2 penalty on convolution kernels, added to the loss."""

    @model_validator(mode="after")
    def _some_branch(self) -> EncoderConfig:
        if not self.raw and not self.spectral_bands:
            raise ValueError("an encoder needs raw, or spectral_bands above 0, or both")
        return self


class AggregatorConfig(Strict):
    """Joins the embeddings that are left into one global embedding."""

    kind: Literal["reference", "token", "mean", "attention"] = "token"
    hidden: list[int] = [256]
    """Sizes of the hidden layers."""
    output: Annotated[int, Field(ge=2)] = 64
    """Numbers in the global embedding."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    heads: Annotated[int, Field(ge=1)] = 4
    """Attention heads (`attention` only)."""


class ModelConfig(Strict):
    """The network. `preset` names the data file whose values stand where none is given here."""

    preset: str = "recommended"
    encoder: EncoderConfig = EncoderConfig()
    aggregator: AggregatorConfig = AggregatorConfig()


class MaskConfig(Strict):
    """One way to mask, and how often it is drawn."""

    strategy: Literal["spatial", "random", "temporal", "complementary"]
    """Whole modalities, single elements, stretches of latent time, or each modality in exactly
    one of the two views."""
    keep: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Share that is kept (not for `complementary`)."""
    weight: Annotated[float, Field(gt=0)] = 1.0
    """How often a batch is masked this way, relative to the others."""


class LossConfig(Strict):
    """VICReg."""

    invariance: Annotated[float, Field(ge=0)] = 25.0
    variance: Annotated[float, Field(ge=0)] = 25.0
    covariance: Annotated[float, Field(ge=0)] = 1.0
    convention: Literal["vicreg", "reference"] = "vicreg"
    """`reference`: the released code's averages and sums."""
    expander: list[int] = [256, 256]
    """Layers between the global embedding and the loss; thrown away after pretraining."""


class PretrainConfig(Strict):
    """Learning without labels."""

    masking: Annotated[list[MaskConfig], Field(min_length=1)] = [
        MaskConfig(strategy="complementary")
    ]
    mixture: Literal["draw", "all"] = "draw"
    """With several ways to mask: draw one for each batch by weight, or take the weighted mean of
    the losses under all of them; each modality is encoded once either way."""
    strict_masks: bool = True
    """Never mask everything, and make the two views differ; false only as released."""
    loss: LossConfig = LossConfig()
    epochs: Annotated[int, Field(ge=1)] = 60
    batch_size: Annotated[int, Field(ge=2)] = 256
    learning_rate: Annotated[float, Field(gt=0)] = 2e-3
    schedule: Literal["one_cycle", "constant"] = "one_cycle"
    weight_decay: Annotated[float, Field(ge=0)] = 1e-4
    patience: Annotated[int, Field(ge=1)] | None = None
    """Stop when the training loss has not improved for so many epochs."""
    encoder_dropout: bool = True
    """Whether dropout is on in the encoders; false as released."""
    precision: Literal["auto", "float32", "mixed"] = "auto"
    """Mixed precision on CUDA only; `auto` uses it there."""


class FinetuneConfig(Strict):
    """Learning from few labels."""

    start_from: Annotated[str | None, Field(alias="from")] = None
    """Folder of a saved model, relative to the run file, whose pretrained encoders are used instead
    of the run's own."""
    mode: Literal["frozen", "end_to_end"] = "frozen"
    """Frozen encoders take seconds; end to end also trains the encoders."""
    head: Literal["linear", "mlp"] = "linear"
    hidden: Annotated[int, Field(ge=2)] = 128
    """Size of the hidden layer of an `mlp` head."""
    features: Literal["global", "embeddings", "both"] = "both"
    """What the head sees: the global embedding, the modalities' embeddings, or both."""
    components: Annotated[int, Field(ge=0)] = 128
    """Directions that a `linear` head uses: those in which training windows, labelled or not,
    vary most; the more they vary, the less their weights are penalised. 0: all, and alike."""
    l2: Annotated[float, Field(ge=0)] = 200.0
    """L2 penalty on the weights of a `linear` head, 1 / C in scikit-learn's terms; for an `mlp`
    head a hundred-thousandth of it is the weight decay."""
    class_weights: Annotated[float, Field(ge=0, le=1)] = 0.5
    """How much rare classes are lifted: each class is weighed by its frequency to the power of
    minus this; 0: all windows alike, 1: all classes alike."""
    modality_dropout: Annotated[float, Field(ge=0, lt=1)] = 0.3
    """Weight of windows with modalities taken away, in training the head."""
    epochs: Annotated[int, Field(ge=1)] = 60
    """For `mlp` and `end_to_end`."""
    batch_size: Annotated[int, Field(ge=2)] = 64
    learning_rate: Annotated[float, Field(gt=0)] = 1e-3
    encoder_learning_rate: Annotated[float, Field(gt=0)] = 1e-4
    """Lower rate of encoders and aggregator, `end_to_end` only."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2
    patience: Annotated[int, Field(ge=1)] = 10
    """Stop when validation subjects, taken from the training subjects, stop improving."""
    validation_share: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """Share of training subjects for early stopping."""
    calibrate: bool = True
    """Scale confidences by a temperature fitted on training subjects."""
    context_windows: Annotated[int, Field(ge=0)] = 0
    """Neighbouring windows on each side that the head also sees; 0: none."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, populate_by_name=True
    )


# ---------------------------------------------------------------- what to do with it

Opponent = Literal[
    "majority",
    "random_forest",
    "logistic_regression",
    "gradient_boosting",
    "supervised",
    "supervised_dropout",
    "random_encoders",
    "reference",
]


class EvaluateConfig(Strict):
    """How accuracy is measured: always by subject."""

    folds: Annotated[int, Field(ge=2)] = 5
    test_subjects: list[str] = []
    """Locked test subjects: never trained on; the only test set when given."""
    budgets: list[Annotated[float, Field(gt=0, le=1)]] = [0.01, 0.05, 0.1, 1.0]
    """Shares of the training labels."""
    budget_seeds: Annotated[int, Field(ge=1)] = 3
    """Random draws of each share."""
    opponents: list[Opponent] = ["majority", "random_forest", "random_encoders"]
    reference_epochs: Annotated[int, Field(ge=1)] = 10
    """Epochs of pretraining of the `reference` opponent."""
    adapt: bool = False
    """Add a row in which scaling is fitted on each test subject's unlabelled windows."""
    bootstrap: Annotated[int, Field(ge=100)] = 1000
    """Resamples of subjects for the 95 % intervals."""


class PredictConfig(Strict):
    """Scoring of every window."""

    adapt_to_subject: bool = False
    """Fit the scaling on all windows of the subject instead of the training subjects."""
    batch_size: Annotated[int, Field(ge=1)] = 256
    keep_embeddings: bool = False
    """Keep every fold's embeddings in `embeddings/`, so that heads can be trained anew in seconds:
    windows × modalities × code × 4 bytes a fold."""


class RobustnessConfig(Strict):
    """What happens when modalities are taken away."""

    max_modalities: Annotated[int, Field(ge=1)] = 10
    """Above, subsets are sampled instead of listed."""
    sampled_subsets: Annotated[int, Field(ge=16)] = 256
    dedicated: bool = False
    """Also train a head for each leave-one-out and single-modality subset, as an upper bound."""


class RunConfig(Strict):
    """A whole run file."""

    schema_version: Literal[1] = 1
    name: str = "study"
    notes: str = ""
    """Free text for people; `simulated` data say so here."""
    data_root: str | None = None
    """Folder that patterns are relative to; left out: the run file's folder."""
    steps: Annotated[list[Step], Field(min_length=1)] = list(STEPS)
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    device: Device = "auto"
    threads: Annotated[int, Field(ge=1)] | None = None
    """Threads that torch uses; left out: all cores. Part of what makes a run repeatable."""
    recordings: RecordingsConfig
    modalities: str | list[ModalityConfig] = "auto"
    """Name of a preset (`sleep`, `wearable_stress`, `body_motion`), `auto` to choose it by the
    channels' names, or a list."""
    windows: WindowsConfig
    labels: LabelsConfig | None = None
    model: ModelConfig = ModelConfig()
    pretrain: PretrainConfig = PretrainConfig()
    finetune: FinetuneConfig = FinetuneConfig()
    evaluate: EvaluateConfig = EvaluateConfig()
    predict: PredictConfig = PredictConfig()
    robustness: RobustnessConfig = RobustnessConfig()

    @model_validator(mode="after")
    def _consistent(self) -> RunConfig:
        if isinstance(self.modalities, list):
            names = [modality.name for modality in self.modalities]
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise ValueError(f"modality named twice: {', '.join(twice)}")
            if not names:
                raise ValueError("modalities: the list is empty")
            try:
                check_excluded_modalities(self.recordings, names)
            except ConfigError as error:
                raise ValueError(f".{str(error).rstrip('.')}") from None
        return self


def check_excluded_modalities(recordings: RecordingsConfig, names: Sequence[str]) -> None:
    """ConfigError where a stretch is bad in a modality that is not among `names`: bad data would
    be used without a word."""
    for number, entry in enumerate(recordings.exclude):
        if entry.modality is not None and entry.modality not in names:
            near = difflib.get_close_matches(entry.modality, names, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"there are {', '.join(names)}."
            raise ConfigError(
                f"recordings.exclude.{number}.modality: there is no modality '{entry.modality}'; "
                f"{hint}"
            )


# ---------------------------------------------------------------- loading


def load_run_file(path: Path, assignments: Sequence[str] = ()) -> RunConfig:
    """Read a run file, with `a.b=value` assignments on top.

    Raises ConfigError that names every wrong key and value at once.
    """
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_RUN_FILE + 1)
        text = content.decode("utf-8-sig")  # editors on Windows write a byte order mark
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such run file.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: the run file cannot be read ({error}).") from None
    if len(content) > LARGEST_RUN_FILE:
        raise ConfigError(f"{path}: far too large for a run file.")
    try:
        document = json.loads(text, object_pairs_hook=_no_key_twice)
    except json.JSONDecodeError as error:
        raise ConfigError(
            f"{path}: not valid JSON, line {error.lineno}, column {error.colno}: {error.msg}."
        ) from None
    except RecursionError:
        raise ConfigError(f"{path}: not a run file: its brackets are nested too deeply.") from None
    except ValueError as error:
        raise ConfigError(f"{path}: {error}") from None
    if not isinstance(document, dict):
        raise ConfigError(f"{path}: a run file is one JSON object in braces.")
    for assignment in assignments:
        _assign(document, assignment)
    return make_config(document, str(path))


def make_config(document: Mapping[str, Any], where: str = "run file") -> RunConfig:
    """A RunConfig from plain values, laid over the model preset that they name."""
    model = document.get("model", {})
    preset = model.get("preset", "recommended") if isinstance(model, dict) else "recommended"
    merged = _merge(load_model_preset(preset, where), document)
    try:
        return RunConfig.model_validate(merged)
    except ValidationError as error:
        raise ConfigError(_explain(error, where)) from None


def make_csv_config(values: Mapping[str, Any], where: str) -> CsvConfig:
    """A CsvConfig from plain values. Raises ConfigError that names every wrong key and value."""
    document = {
        "recordings": {"sources": [{"pattern": "file", "csv": dict(values)}]},
        "windows": {"length_s": 1},
    }
    try:
        return make_config(document, where).recordings.sources[0].csv
    except ConfigError as error:
        raise ConfigError(str(error).replace("recordings.sources.0.csv.", "")) from None


def load_model_preset(name: object, where: str = "run file") -> dict[str, Any]:
    """The values of `resources/presets/models/<name>.json`; ConfigError for other names."""
    folder = files("resources") / "presets" / "models"
    known = sorted(
        entry.name.removesuffix(".json") for entry in folder.iterdir() if entry.name[-5:] == ".json"
    )
    if name not in known:
        raise ConfigError(
            f"{where}: model.preset: there is no preset '{name}'; there are {', '.join(known)}."
        )
    values: dict[str, Any] = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    return values


def check_steps(config: RunConfig) -> None:
    """ConfigError when a step lacks another that it builds on, or cannot be taken at all."""
    steps = set(config.steps)
    start = config.finetune.start_from
    if "pretrain" not in steps and start is None:
        raise ConfigError(
            "steps: without 'pretrain', finetune.from must name the folder of a pretrained model."
        )
    if "pretrain" in steps and start is not None:
        raise ConfigError(
            "steps: finetune.from takes the place of pretraining; leave 'pretrain' out of the "
            "steps, or finetune.from out of the run file."
        )
    for step in ("evaluate", "predict", "robustness"):
        if step in steps and "finetune" not in steps:
            raise ConfigError(f"steps: '{step}' needs 'finetune' before it.")
    if "robustness" in steps and not steps & {"evaluate", "predict"}:
        raise ConfigError("steps: 'robustness' needs 'evaluate' or 'predict' before it.")
    if "finetune" in steps and config.labels is None:
        raise ConfigError("labels: fine-tuning needs labels; say where they are.")
    if config.finetune.context_windows and config.finetune.mode != "frozen":
        raise ConfigError("finetune.context_windows works with finetune.mode 'frozen' only.")


def dump_config(config: BaseModel) -> dict[str, Any]:
    """Plain JSON values of a config, as a run file would hold them."""
    return config.model_dump(mode="json", by_alias=True)


def _no_key_twice(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for key, value in pairs:
        if key in document:
            raise ValueError(f"the key '{key}' stands twice in one place.")
        document[key] = value
    return document


def _assign(document: dict[str, Any], assignment: str) -> None:
    """Put `a.b=value` in; the value is JSON, or else a text. `a.0.b` reaches into lists."""
    key, equals, text = assignment.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"--set {assignment}: write it as key.key=value.")
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        value = text
    place: Any = document
    parts = key.strip().split(".")
    for position, part in enumerate(parts):
        last = position == len(parts) - 1
        if isinstance(place, list):
            if not part.isdigit() or int(part) >= len(place):
                raise ConfigError(
                    f"--set {assignment}: '{part}' is not one of the {len(place)} entries there."
                )
            if last:
                place[int(part)] = value
            else:
                place = place[int(part)]
        elif isinstance(place, dict):
            if last:
                place[part] = value
            else:
                place = place.setdefault(part, {})
        else:
            raise ConfigError(f"--set {assignment}: '{part}' lies below a value.")


def _merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """`above` over `below`, object by object; lists and values are replaced whole."""
    merged = dict(below)
    for key, value in above.items():
        if isinstance(value, Mapping) and isinstance(merged.get(key), Mapping):
            merged[key] = _merge(merged[key], value)
        else:
            merged[key] = value
    return merged


def _explain(error: ValidationError, where: str) -> str:
    lines = []
    followed = [(problem, *_follow(tuple(problem["loc"]))) for problem in error.errors()]
    for problem, owner, path in followed:
        location = tuple(problem["loc"])
        if problem["type"] == "string_type" and any(
            other.startswith(path) and deeper is not problem for deeper, _, other in followed
        ):
            continue  # the other member of a union such as `str | list` is meant
        if problem["type"] == "extra_forbidden":
            near = difflib.get_close_matches(str(location[-1]), _keys(owner), n=1, cutoff=0.5)
            hint = f"; did you mean '{near[0]}'?" if near else f"; known: {', '.join(_keys(owner))}"
            lines.append(f"{path}: there is no such key{hint}")
        elif problem["type"] == "missing":
            lines.append(f"{path}: this key is required")
        else:
            message = problem["msg"].removeprefix("Value error, ")
            if message.startswith("."):  # it names the place below by itself
                lines.append(f"{path}{message}".removeprefix("."))
            else:
                lines.append(f"{path or 'run file'}: {message} (found {_short(problem['input'])})")
    unique = list(dict.fromkeys(lines))
    if len(unique) == 1:
        return f"{where}: {unique[0]}."
    return f"{where}: {len(unique)} things are wrong: " + "; ".join(unique) + "."


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _follow(location: tuple[int | str, ...]) -> tuple[type[BaseModel] | None, str]:
    """The model that holds the last key of an error's location, and the path as a user writes it.

    pydantic puts the names of union members into the location; those are left out of the path.
    """
    owner: type[BaseModel] | None = RunConfig
    options: list[type[BaseModel]] = [RunConfig]
    path: list[str] = []
    for part in location:
        tagged = [m for m in options if part in (m.__name__, _tag(m))]
        if tagged and len(options) > 1:
            options, owner = tagged, tagged[0]
            continue
        if isinstance(part, str) and ("[" in part or part in ("str", "int", "float", "none")):
            continue
        path.append(str(part))
        holders = [m for m in options if part in _keys(m)]
        if holders:
            owner = holders[0]
            options = _models(_field(owner, str(part)))
        elif not isinstance(part, int):
            owner = options[0] if options else None
    return owner, ".".join(path)


def _tag(model: type[BaseModel]) -> str | None:
    kind = model.model_fields.get("kind")
    values = typing.get_args(kind.annotation) if kind is not None else ()
    return values[0] if len(values) == 1 else None


def _keys(model: type[BaseModel] | None) -> list[str]:
    if model is None:
        return []
    return [field.alias or name for name, field in model.model_fields.items()]


def _field(model: type[BaseModel], key: str) -> Any:
    for name, field in model.model_fields.items():
        if key in (name, field.alias):
            return field.annotation
    return None


def _models(annotation: Any) -> list[type[BaseModel]]:
    """Every config class inside an annotation such as `list[A | B] | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if isinstance(annotation, types.GenericAlias) or typing.get_args(annotation):
        return [m for a in typing.get_args(annotation) for m in _models(a)]
    return []
