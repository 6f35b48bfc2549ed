"""Files of labels on a recording's clock: where their time 0 lies, and what they say there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from core.errors import RecordingError
from core.label_files import LabelFormat, read_labels
from core.label_set import LabelSet, zone_of
from core.recording import Finding, Recording
from core.study import StudyRecording


@dataclass(frozen=True)
class RecordingClock:
    """When a recording was made, as files of labels beside it tell the time.

    Attributes
    ----------
    name: of the recording, for messages.
    start_s: unix seconds where it has a clock, else 0.
    clock_offset_s, time_zone: how the clock of its first file was corrected. Labels were written
        by that clock, before it was corrected.
    """

    name: str
    start_s: float
    has_clock: bool
    duration_s: float
    clock_offset_s: float = 0.0
    time_zone: str | None = None

    @classmethod
    def of(cls, recording: Recording) -> RecordingClock:
        """The clock of an open recording."""
        first = recording.sources[0]
        return cls(
            recording.id,
            recording.start_s,
            recording.has_clock,
            recording.duration_s,
            first.clock_offset_s,
            first.time_zone,
        )

    @classmethod
    def of_study(cls, recording: StudyRecording) -> RecordingClock:
        """The clock of a study's recording, which need not be opened for it."""
        first = recording.files[0].settings
        return cls(
            recording.name,
            recording.start_s,
            recording.has_clock,
            recording.duration_s,
            first.clock_offset_s,
            first.time_zone,
        )

    @property
    def start(self) -> datetime | None:
        """Clock time at 0 s, without a zone, to the microsecond; None without a clock.

        Raises RecordingError for a time zone that is not known.
        """
        if not self.has_clock:
            return None
        moment = datetime.fromtimestamp(0, UTC)
        moment += timedelta(microseconds=round((self.start_s - self.clock_offset_s) * 1e6))
        return moment.astimezone(zone_of(self.time_zone) or UTC).replace(tzinfo=None)

    def seconds_at(self, moment: datetime) -> float:
        """Seconds from the recording's start of a clock time, to the microsecond."""
        zone = zone_of(self.time_zone) or UTC
        since = moment.replace(tzinfo=zone) - datetime.fromtimestamp(0, UTC)
        whole = since // timedelta(microseconds=1)
        return (whole - round((self.start_s - self.clock_offset_s) * 1e6)) / 1e6


def read_placed_labels(
    path: Path,
    clock: RecordingClock,
    format: LabelFormat | None = None,
    *,
    epoch_s: float | None = None,
    offset_s: float = 0.0,
) -> LabelSet:
    """The labels of a file, in seconds from the recording's start.

    Only EDF+ says when its own time 0 was; it is laid by that clock unless that would put all of
    it outside the recording, which is a finding. Raises RecordingError where the file cannot be
    read, or has clock times and the recording has none.
    """
    found = read_labels(
        path,
        format,
        epoch_s=epoch_s,
        offset_s=offset_s,
        start=clock.start,
        time_zone=clock.time_zone,
        end_s=clock.duration_s,
    )
    if not clock.has_clock and found.start is not None and found.format not in ("edf", "nsrr"):
        raise RecordingError(
            f"{clock.name}: the labels in {path} have clock times, but the recording has no clock; "
            "convert them to seconds first (crossl-app --convert-labels)."
        )
    if found.format != "edf" or found.start is None or not clock.has_clock or not len(found):
        return replace(found, start=clock.start)
    shift_s = clock.seconds_at(found.start)
    last_s = max(label.onset_s + label.duration_s for label in found.labels)
    findings: Sequence[Finding] = found.findings
    if shift_s > clock.duration_s or shift_s + last_s < 0:
        findings = (
            *findings,
            Finding(
                "repaired",
                "labels",
                f"By the clock {path.name} lies outside the recording ({shift_s:+.0f} s); its "
                "times are counted from the recording's start.",
            ),
        )
        shift_s = 0.0
    shifted = found.shifted(shift_s)
    return replace(shifted, start=clock.start, findings=tuple(findings))
